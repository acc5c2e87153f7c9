//! The storefront: what is on sale, and a product with its price for what the reader has chosen.

use std::collections::HashSet;

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::routing::get;
use kernel::{AccountId, Period, PeriodUnit, ProductId, Refusal, SkuId};
use market::catalog::{self, ChargingMode, PriceUnit, ProductView, RefundRule, SkuView};
use market::orders::{self, PurchaseItem, Quote};
use market::{accounts, page::PageRequest};
use serde::Deserialize;

use super::Page;
use super::parts::Choice;
use super::shell::{Reader, Shell, Words};
use crate::AppState;
use crate::extract::{Paging, Query, Segment, seal_cursor};
use crate::problem::{self, ApiError, ApiResult};

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/", get(home)).route("/search", get(home)).route("/products/{id}", get(product))
}

/// Products on one page of the list.
const CARDS: i64 = 24;

/// A product in the list.
struct Card {
    href: String,
    name: String,
    overview: String,
    initial: String,
    /// Which of the colours its mark has.
    hue: usize,
    price: String,
    unit: String,
}

#[derive(Deserialize, Default)]
pub(crate) struct Search {
    #[serde(default)]
    q: String,
}

#[derive(Template)]
#[template(path = "storefront/home.html")]
pub(crate) struct Home {
    shell: Shell,
    q: String,
    cards: Vec<Card>,
    more: Option<String>,
    is_first: bool,
}

/// What is on sale, newest first, or what has the searched words in its name.
pub(crate) async fn home(
    State(app): State<AppState>,
    reader: Reader,
    Query(Search { q }): Query<Search>,
    Paging(page): Paging,
) -> ApiResult<Page<Home>> {
    let is_first = page.after.is_empty();
    // More than a name can have, which only a link made by hand brings, finds what its beginning finds.
    let q: String = q.trim().chars().take(catalog::QUERY_MAX).collect();
    let (page, query) = (PageRequest { limit: CARDS, ..page }, q.clone());
    let found = app.read(async move |tx| catalog::list_on_sale(tx, Some(&query), &page).await).await?;
    let words = &reader.shell.t;
    let cards = found.items.iter().map(|card| {
        let name = card.names.pick(words.locale);
        let (price, unit) = card
            .price_from
            .as_ref()
            .map_or_else(Default::default, |from| (words.money(from.price.minor, from.price.currency), words.s(unit_key(from.unit))));
        Card {
            href: format!("/products/{}", card.id),
            name: name.to_owned(),
            overview: card.overview.pick(words.locale).to_owned(),
            initial: initial(name),
            hue: hue(&card.id.to_string()),
            price,
            unit,
        }
    });
    let cards = cards.collect();
    let more = found.next.as_deref().map(|key| {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        format!("/?{}", query.append_pair("q", &q).append_pair("cursor", &seal_cursor(key)).finish())
    });
    Ok(Page(Home { shell: reader.shell, q, cards, more, is_first }))
}

fn initial(name: &str) -> String {
    name.chars().find(|c| c.is_alphanumeric()).map_or_else(String::new, |c| c.to_uppercase().collect())
}

/// One of eight colours, always the same for one id.
fn hue(id: &str) -> usize {
    id.bytes().fold(7_usize, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % 8
}

const fn unit_key(unit: PriceUnit) -> &'static str {
    match unit {
        PriceUnit::Month => "page-unit-month",
        PriceUnit::Year => "page-unit-year",
        PriceUnit::Once => "page-unit-once",
    }
}

/// What somebody has chosen of a product; anything may be missing.
#[derive(Deserialize, Default, Clone)]
pub(crate) struct Chosen {
    sku: Option<SkuId>,
    unit: Option<PriceUnit>,
    count: Option<String>,
    quantity: Option<String>,
}

#[derive(Template)]
#[template(path = "storefront/product.html")]
pub(crate) struct Product {
    shell: Shell,
    id: String,
    name: String,
    overview: String,
    initial: String,
    hue: usize,
    seller: String,
    highlights: Vec<String>,
    description: String,
    support_email: String,
    support_phone: String,
    is_hidden: bool,
    skus: Vec<Choice>,
    units: Vec<Choice>,
    sku: String,
    unit: String,
    is_periodic: bool,
    count: String,
    quantity: String,
    quantity_rule: String,
    quantity_unit: String,
    returnable: bool,
    price: Option<Price>,
    wrong: String,
    key: String,
}

impl Product {
    /// The door, which leads back here.
    fn door(&self) -> String {
        super::door::sign_in_path(&self.shell.here)
    }
}

/// The price of what was chosen, to the cent.
struct Price {
    unit_price: String,
    unit: String,
    total: String,
    total_minor: i64,
    tax: String,
}

pub(crate) async fn product(
    State(app): State<AppState>,
    reader: Reader,
    Segment(id): Segment<ProductId>,
    Query(chosen): Query<Chosen>,
) -> ApiResult<Page<Product>> {
    let viewer = reader.principal.as_ref().map(|principal| principal.account);
    let (view, seller) = app
        .read(async move |tx| {
            let view = catalog::view(tx, viewer, id).await?;
            let seller = accounts::get(tx, view.seller_id).await?;
            Ok((view, seller))
        })
        .await?;
    let words = reader.shell.t.clone();
    let choice = choose(&view, &chosen);
    let (price, wrong) = match &choice {
        Some(choice) => match price_of(&app, viewer, &words, choice, &chosen).await {
            Ok(price) => (Some(price), String::new()),
            Err(ApiError::Refused(refusal)) => (None, problem::sentence(&refusal, words.locale)),
            Err(fault) => return Err(fault),
        },
        None => (None, String::new()),
    };
    let name = view.names.pick(words.locale).to_owned();
    let units = choice.as_ref().map_or_else(Vec::new, |choice| {
        let prices = choice.sku.prices.iter();
        let label = |price: &catalog::PriceView| {
            format!("{} {}", words.money(price.price.minor, price.price.currency), words.s(unit_key(price.unit)))
        };
        prices.map(|price| Choice { value: price.unit.word().to_owned(), label: label(price), on: price.unit == choice.unit }).collect()
    });
    let key = super::new_key(&reader.ctx);
    let sku = choice.as_ref().map(|choice| choice.sku);
    Ok(Page(Product {
        id: view.id.to_string(),
        initial: initial(&name),
        hue: hue(&view.id.to_string()),
        name,
        overview: view.overview.pick(words.locale).to_owned(),
        seller: seller.title,
        highlights: view.highlights.iter().map(|text| text.pick(words.locale).to_owned()).collect(),
        description: clean(view.description.pick(words.locale)),
        support_email: view.support_email.clone(),
        support_phone: view.support_phone.clone(),
        is_hidden: view.state != catalog::ProductState::OnSale,
        skus: sku_choices(&view, sku.map(|sku| sku.id), &words),
        units,
        sku: sku.map_or_else(String::new, |sku| sku.id.to_string()),
        unit: choice.as_ref().map_or_else(String::new, |choice| choice.unit.word().to_owned()),
        is_periodic: choice.as_ref().is_some_and(|choice| choice.unit != PriceUnit::Once),
        count: chosen.count.clone().unwrap_or_else(|| "1".to_owned()),
        quantity: chosen.quantity.clone().unwrap_or_else(|| sku.map_or_else(String::new, |sku| sku.quantity.min.to_string())),
        quantity_rule: sku.map_or_else(String::new, |sku| format!("{}–{}", sku.quantity.min, sku.quantity.max)),
        quantity_unit: sku.map_or_else(String::new, |sku| sku.quantity.unit.pick(words.locale).to_owned()),
        returnable: choice.as_ref().is_some_and(|choice| choice.mode == ChargingMode::Period && choice.refund_rule == RefundRule::NoReason),
        price,
        wrong,
        key,
        shell: reader.shell,
    }))
}

/// What is shown as chosen.
struct Choosing<'a> {
    sku: &'a SkuView,
    unit: PriceUnit,
    mode: ChargingMode,
    refund_rule: RefundRule,
}

/// What was chosen, and the first of everything that was not.
fn choose<'a>(view: &'a ProductView, chosen: &Chosen) -> Option<Choosing<'a>> {
    let all = || view.editions.iter().flat_map(|edition| edition.skus.iter().map(move |sku| (edition, sku)));
    let wanted = all().find(|(_, sku)| Some(sku.id) == chosen.sku && !sku.prices.is_empty());
    let (edition, sku) = wanted.or_else(|| all().find(|(_, sku)| !sku.prices.is_empty()))?;
    let unit = chosen.unit.filter(|unit| sku.prices.iter().any(|price| price.unit == *unit)).or(sku.prices.first().map(|p| p.unit))?;
    Some(Choosing { sku, unit, mode: edition.charging_mode, refund_rule: edition.refund_rule })
}

fn sku_choices(view: &ProductView, on: Option<SkuId>, words: &Words) -> Vec<Choice> {
    let several = view.editions.len() > 1;
    let skus = view.editions.iter().flat_map(|edition| edition.skus.iter().map(move |sku| (edition, sku)));
    // A name that a seller gave to both is said once.
    let label = |edition: &str, sku: &str| {
        let mut seen = HashSet::new();
        let parts = if several { vec![edition, sku] } else { vec![sku] };
        parts.into_iter().filter(|part| !part.is_empty() && seen.insert(*part)).collect::<Vec<_>>().join(" · ")
    };
    skus.map(|(edition, sku)| Choice {
        value: sku.id.to_string(),
        label: label(edition.names.pick(words.locale), sku.names.pick(words.locale)),
        on: Some(sku.id) == on,
    })
    .collect()
}

/// A length of time, its count as somebody typed it: what is no number is as wrong as one that is too large.
pub(super) fn period(unit: PeriodUnit, count: &str) -> Result<Period, Refusal> {
    Period::new(unit, count.trim().parse().unwrap_or(0))
}

/// What is bought by a choice.
pub(super) fn item(sku_id: SkuId, unit: PriceUnit, count: &str, quantity: &str) -> Result<PurchaseItem, Refusal> {
    let unit = match unit {
        PriceUnit::Month => Some(PeriodUnit::Month),
        PriceUnit::Year => Some(PeriodUnit::Year),
        PriceUnit::Once => None,
    };
    let period = unit.map(|unit| period(unit, count)).transpose()?;
    Ok(PurchaseItem { sku_id, period, quantity: quantity.trim().parse().unwrap_or(0), renewal: None })
}

async fn price_of(app: &AppState, viewer: Option<AccountId>, words: &Words, choice: &Choosing<'_>, chosen: &Chosen) -> ApiResult<Price> {
    let min = choice.sku.quantity.min.to_string();
    let (count, quantity) = (chosen.count.as_deref().unwrap_or("1"), chosen.quantity.as_deref().unwrap_or(&min));
    let item = item(choice.sku.id, choice.unit, count, quantity)?;
    let market = app.market().clone();
    let quote = app.read(async move |tx| orders::quote_purchase(tx, market.edition(), viewer, std::slice::from_ref(&item)).await).await?;
    Ok(priced(&quote, choice.unit, words))
}

fn priced(quote: &Quote, unit: PriceUnit, words: &Words) -> Price {
    let unit_price = quote.lines.first().map_or(0, |line| line.unit_price_minor);
    Price {
        unit_price: words.money(unit_price, quote.currency),
        unit: words.s(unit_key(unit)),
        total: words.money(quote.total_minor, quote.currency),
        total_minor: quote.total_minor,
        tax: words.money(quote.tax_minor, quote.currency),
    }
}

/// A seller's Markdown as HTML in which nothing is left that could do anything: no script, no style, no form, no picture from elsewhere.
pub(super) fn clean(markdown: &str) -> String {
    let mut html = String::new();
    pulldown_cmark::html::push_html(&mut html, pulldown_cmark::Parser::new_ext(markdown, pulldown_cmark::Options::ENABLE_TABLES));
    ammonia::Builder::default().rm_tags(["img"]).link_rel(Some("noopener noreferrer nofollow")).clean(&html).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_description_can_do_nothing() {
        let html =
            clean("# Hi\n\n<script>alert(1)</script>\n\n[x](javascript:alert(1)) **bold** <img src=x onerror=alert(1)> <form action=/>");
        assert!(html.contains("<h1>Hi</h1>") && html.contains("<strong>bold</strong>"), "{html}");
        for bad in ["<script", "onerror", "javascript:", "<img", "<form"] {
            assert!(!html.contains(bad), "{html}");
        }
    }

    #[test]
    fn a_mark_has_a_letter_and_a_colour() {
        assert_eq!((initial("云简协同").as_str(), initial("  mesh").as_str(), initial("—").as_str()), ("云", "M", ""));
        assert!(hue("prd_1") < 8);
    }
}
