//! A product: what it is, what it costs for what the reader has chosen, and the ways to have it.

use std::collections::HashSet;

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use kernel::{AccountId, ProductId, SkuId};
use market::catalog::{self, ChargingMode, PriceUnit, ProductView, RefundRule, SkuView, categories};
use market::orders::{self, Quote};
use market::{accounts, wishes};
use search::{Filter, Question, Sort};
use serde::Deserialize;
use serde_json::json;

use super::seo::{Asked, Head, Origin, Public, json_ld};
use super::{Card, cards, hue, initial, item, mode_key, unit_key};
use crate::AppState;
use crate::extract::{Query, Segment};
use crate::pages::door;
use crate::pages::parts::Choice;
use crate::pages::shell::{Reader, Shell, Words};
use crate::problem::{self, ApiError, ApiResult};
use crate::shelf;

/// Products beside a product.
const RELATED: usize = 4;

/// What somebody has chosen of a product; anything may be missing.
#[derive(Deserialize, Default, Clone)]
pub(super) struct Chosen {
    sku: Option<SkuId>,
    unit: Option<PriceUnit>,
    count: Option<String>,
    quantity: Option<String>,
}

/// A row of the table of everything that is sold of a product.
struct Line {
    name: String,
    mode: String,
    prices: Vec<String>,
}

#[derive(Template)]
#[template(path = "storefront/product.html")]
struct Product {
    shell: Shell,
    head: Head,
    facts: String,
    crumbs: Vec<(String, String)>,
    id: String,
    name: String,
    overview: String,
    initial: String,
    hue: usize,
    seller: String,
    seller_href: String,
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
    is_favourite: bool,
    lines: Vec<Line>,
    related: Vec<Card>,
}

impl Product {
    /// The door, which leads back here.
    fn door(&self) -> String {
        door::sign_in_path(&self.shell.here)
    }
}

/// The price of what was chosen, to the cent.
struct Price {
    unit_price: String,
    unit: String,
    total: String,
    tax: String,
}

pub(super) async fn product(
    State(app): State<AppState>,
    reader: Reader,
    origin: Origin,
    asked: Asked,
    Segment(id): Segment<ProductId>,
    Query(chosen): Query<Chosen>,
) -> ApiResult<Response> {
    let viewer = reader.principal.as_ref().map(|principal| (principal.account, principal.user));
    let (view, seller, is_favourite) = app
        .read(async move |tx| {
            let view = catalog::view(tx, viewer.map(|(account, _)| account), id).await?;
            let seller = accounts::get(tx, view.seller_id).await?;
            let is_favourite = match viewer {
                Some((_, user)) => wishes::is_favourite(tx, user, id).await?,
                None => false,
            };
            Ok((view, seller, is_favourite))
        })
        .await?;
    let words = reader.shell.t.clone();
    let choice = choose(&view, &chosen);
    let (price, wrong) = match &choice {
        Some(choice) => match price_of(&app, viewer.map(|(account, _)| account), &words, choice, &chosen).await {
            Ok(price) => (Some(price), String::new()),
            Err(ApiError::Refused(refusal)) => (None, problem::sentence(&refusal, words.locale)),
            Err(fault) => return Err(fault),
        },
        None => (None, String::new()),
    };
    let name = view.names.pick(words.locale).to_owned();
    let overview = view.overview.pick(words.locale).to_owned();
    let units = choice.as_ref().map_or_else(Vec::new, |choice| {
        let prices = choice.sku.prices.iter();
        let label = |price: &catalog::PriceView| {
            format!("{} {}", words.money(price.price.minor, price.price.currency), words.s(unit_key(price.unit)))
        };
        prices.map(|price| Choice { value: price.unit.word().to_owned(), label: label(price), on: price.unit == choice.unit }).collect()
    });
    let sku = choice.as_ref().map(|choice| choice.sku);
    let page = Product {
        head: Head::new(&origin, &format!("/products/{id}"), &overview, "product", words.locale),
        facts: json_ld(&facts(&view, &seller.title, &origin, &words)),
        crumbs: crumbs(&view, &words),
        related: related(&app, &view, &words).await?,
        lines: lines(&view, &words),
        is_favourite,
        id: view.id.to_string(),
        initial: initial(&name),
        hue: hue(&view.id.to_string()),
        name,
        overview,
        seller: seller.title,
        seller_href: format!("/sellers/{}", view.seller_id),
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
        shell: reader.shell,
    };
    Ok(Public { page, asked }.into_response())
}

fn crumbs(view: &ProductView, words: &Words) -> Vec<(String, String)> {
    let mut crumbs = vec![("/".to_owned(), words.s("page-home"))];
    if let Some((branch, leaf)) = categories::leaf(&view.category) {
        for category in [&branch.category, leaf] {
            crumbs.push((format!("/categories/{}", category.slug), category.name(words.locale).to_owned()));
        }
    }
    crumbs
}

/// What search engines show of a product (schema.org).
fn facts(view: &ProductView, seller: &str, origin: &Origin, words: &Words) -> serde_json::Value {
    let url = format!("{}/products/{}", origin.0, view.id);
    let offers = view.price_from.as_ref().map(|from| {
        json!({
            "@type": "Offer",
            "url": url,
            "price": from.price.decimal(),
            "priceCurrency": from.price.currency.code(),
            "availability": "https://schema.org/InStock",
            "seller": { "@type": "Organization", "name": seller },
        })
    });
    json!({
        "@context": "https://schema.org",
        "@type": "SoftwareApplication",
        "name": view.names.pick(words.locale),
        "description": view.overview.pick(words.locale),
        "applicationCategory": shelf::category_name(&view.category, words.locale),
        "url": url,
        "offers": offers,
    })
}

/// Everything that is sold of a product, with its prices.
fn lines(view: &ProductView, words: &Words) -> Vec<Line> {
    let several = view.editions.len() > 1;
    let all = view.editions.iter().flat_map(|edition| edition.skus.iter().map(move |sku| (edition, sku)));
    all.map(|(edition, sku)| Line {
        name: full_name(several, edition.names.pick(words.locale), sku.names.pick(words.locale)),
        mode: words.s(mode_key(edition.charging_mode)),
        prices: sku
            .prices
            .iter()
            .map(|price| format!("{} {}", words.money(price.price.minor, price.price.currency), words.s(unit_key(price.unit))))
            .collect(),
    })
    .collect()
}

/// What else stands in the same category.
async fn related(app: &AppState, view: &ProductView, words: &Words) -> ApiResult<Vec<Card>> {
    // Whoever looks at a product that no list shows is shown no list.
    if view.state != catalog::ProductState::OnSale || view.category == categories::OTHER {
        return Ok(Vec::new());
    }
    let filter = Filter { category: shelf::number_of(&view.category), ..Filter::default() };
    let mut found = app.ask(Question { filter, sort: Sort::Newest, take: RELATED + 1, ..Question::default() }).await?;
    found.ids.retain(|id| *id != view.id);
    found.ids.truncate(RELATED);
    cards(app, words, found.ids, "").await
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
    skus.map(|(edition, sku)| Choice {
        value: sku.id.to_string(),
        label: full_name(several, edition.names.pick(words.locale), sku.names.pick(words.locale)),
        on: Some(sku.id) == on,
    })
    .collect()
}

/// The name of a SKU with its edition's, where there are several. A name that a seller gave to both is said once.
fn full_name(several: bool, edition: &str, sku: &str) -> String {
    let mut seen = HashSet::new();
    let parts = if several { vec![edition, sku] } else { vec![sku] };
    parts.into_iter().filter(|part| !part.is_empty() && seen.insert(*part)).collect::<Vec<_>>().join(" · ")
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
        tax: words.money(quote.tax_minor, quote.currency),
    }
}

/// A seller's Markdown as HTML in which nothing is left that could do anything: no script, no style, no form, no picture from elsewhere.
pub(in crate::pages) fn clean(markdown: &str) -> String {
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
}
