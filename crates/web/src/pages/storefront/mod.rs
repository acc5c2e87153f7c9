//! The storefront: home, categories, search, products and sellers, what is compared, put aside and ordered.
//!
//! What is found comes from the index ([`crate::shelf`]); what is shown of it comes from the database, which alone knows whether it may be shown.
//! Pages that are the same for every visitor are told to be kept for a minute ([`seo`]); whoever has signed in gets theirs fresh.

mod agreements;
mod cart;
mod checkout;
mod compare;
mod favourites;
mod home;
mod list;
pub(in crate::pages) mod product;
mod seller;
mod seo;

use std::collections::HashMap;
use std::collections::hash_map::Entry;

use axum::Router;
use axum::routing::{get, post};
use db::Tx;
use kernel::{AccountId, Currency, Locale, Period, PeriodUnit, ProductId, Refusal, SkuId};
use market::catalog::{self, ChargingMode, PriceUnit, ShelfEntry};
use market::orders::PurchaseItem;
use market::{accounts, page};
use search::{Marker, Piece};

use super::shell::Words;
use crate::AppState;
use crate::problem::ApiResult;
use crate::shelf;

pub(super) fn routes(app: &AppState) -> Router<AppState> {
    let kept = Router::new()
        .route("/", get(home::home))
        .route("/categories/{slug}", get(list::category))
        .route("/products/{id}", get(product::product))
        .route("/sellers/{id}", get(seller::seller))
        .route_layer(axum::middleware::from_fn_with_state(app.clone(), seo::remembered));
    kept.route("/search", get(list::search))
        .route("/search/suggest", get(list::suggest))
        .route("/compare", get(compare::compare))
        .route("/buyer/favourites", get(favourites::favourites).post(favourites::add))
        .route("/buyer/favourites/remove", post(favourites::remove))
        .route("/cart", get(cart::cart).post(cart::add))
        .route("/cart/{id}", post(cart::set))
        .route("/cart/{id}/remove", post(cart::remove))
        .route("/checkout", get(checkout::form).post(checkout::order))
        .route("/checkout/done", get(checkout::done))
        .route("/agreements/{name}", get(agreements::agreement))
        .route("/sitemap.xml", get(seo::sitemap))
        .route("/sitemaps/{page}", get(seo::sitemap_page))
        .route("/robots.txt", get(seo::robots))
}

/// A product in a list.
struct Card {
    href: String,
    name: Vec<Piece>,
    overview: Vec<Piece>,
    seller: String,
    seller_href: String,
    initial: String,
    /// Which of the colours its mark has.
    hue: usize,
    tags: Vec<String>,
    price: String,
    unit: String,
}

/// Products as lists show them, and the names of those who sell them.
struct Shelved {
    entries: Vec<ShelfEntry>,
    sellers: HashMap<AccountId, String>,
}

/// The products of these ids that are on sale, in their order.
async fn shelved(tx: &mut Tx, ids: &[ProductId]) -> db::Result<Shelved> {
    let entries = catalog::shelf_of(tx, ids).await?;
    let mut sellers = HashMap::new();
    for seller in entries.iter().map(|entry| entry.seller_id) {
        if let Entry::Vacant(place) = sellers.entry(seller) {
            place.insert(accounts::get(tx, seller).await?.title);
        }
    }
    Ok(Shelved { entries, sellers })
}

impl Shelved {
    /// Cards for a reader, with what `question` has found marked.
    fn cards(&self, words: &Words, currency: Currency, question: &str) -> Vec<Card> {
        let mut marker = (!question.is_empty() && !self.entries.is_empty()).then(|| Marker::new(question));
        let mut marked = |text: &str| match &mut marker {
            Some(marker) => marker.mark(text),
            None => vec![Piece { text: text.to_owned(), is_found: false }],
        };
        let card = |entry: &ShelfEntry| {
            let content = &entry.content;
            let name = content.names.pick(words.locale);
            let from = entry.price_from(currency);
            let (price, unit) = from
                .map_or_else(Default::default, |from| (words.money(from.price.minor, from.price.currency), words.s(unit_key(from.unit))));
            let mode = content.editions.first().map(|edition| words.s(mode_key(edition.charging_mode)));
            let category = shelf::category_name(&content.category, words.locale).map(str::to_owned);
            Card {
                href: format!("/products/{}", entry.id),
                name: marked(name),
                overview: marked(content.overview.pick(words.locale)),
                seller: self.sellers.get(&entry.seller_id).cloned().unwrap_or_default(),
                seller_href: format!("/sellers/{}", entry.seller_id),
                initial: initial(name),
                hue: hue(&entry.id.to_string()),
                tags: category.into_iter().chain(mode).collect(),
                price,
                unit,
            }
        };
        self.entries.iter().map(card).collect()
    }
}

/// Cards of these products, for a reader.
async fn cards(app: &AppState, words: &Words, ids: Vec<ProductId>, question: &str) -> ApiResult<Vec<Card>> {
    let found = app.read(async move |tx| shelved(tx, &ids).await).await?;
    Ok(found.cards(words, app.market().edition().currency, question))
}

/// What somebody seeks, as far as it is looked for: without what turns the direction of the text around it.
pub(in crate::pages) fn sought(q: &str) -> String {
    let turns = |c: char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}') || c.is_control();
    q.trim().chars().filter(|c| !turns(*c)).take(search::QUERY_MAX).collect()
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

const fn mode_key(mode: ChargingMode) -> &'static str {
    match mode {
        ChargingMode::Period => "page-mode-period",
        ChargingMode::OneTime => "page-mode-once",
    }
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

/// A category in the menu, with how much stands in it.
struct Way {
    href: String,
    name: &'static str,
    count: usize,
    leaves: Vec<Way>,
}

/// The tree of categories as a menu; what is empty is left out.
fn menu(counts: &std::collections::BTreeMap<u16, usize>, locale: Locale) -> Vec<Way> {
    let way = |category: &'static catalog::categories::Category, leaves| {
        let count = shelf::number_of(category.slug).and_then(|number| counts.get(&number)).copied().unwrap_or(0);
        Way { href: format!("/categories/{}", category.slug), name: category.name(locale), count, leaves }
    };
    let branches = catalog::categories::TREE.iter().map(|branch| {
        let leaves = branch.leaves.iter().map(|leaf| way(leaf, Vec::new())).filter(|leaf| leaf.count > 0).collect();
        way(&branch.category, leaves)
    });
    branches.filter(|branch| branch.count > 0).collect()
}

/// The newest products.
async fn newest(app: &AppState, take: usize) -> ApiResult<search::Found> {
    app.ask(search::Question { sort: search::Sort::Newest, take, ..search::Question::default() }).await
}

/// The first page of a list by key.
fn first(limit: i64) -> page::PageRequest {
    page::PageRequest { after: String::new(), limit }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_has_a_letter_and_a_colour() {
        assert_eq!((initial("云简协同").as_str(), initial("  mesh").as_str(), initial("—").as_str()), ("云", "M", ""));
        assert!(hue("prd_1") < 8);
    }
}
