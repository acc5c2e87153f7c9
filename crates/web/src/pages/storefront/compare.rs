//! Up to four products side by side. What is compared stands in the address, so that it can be shared.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use kernel::{Code, ProductId};
use market::catalog::{RefundRule, ShelfEntry};
use search::{Filter, Question, Sort};
use serde::Deserialize;

use super::{Shelved, hue, initial, mode_key, shelved, unit_key};
use crate::AppState;
use crate::extract::Query;
use crate::pages::Page;
use crate::pages::shell::{Reader, Shell, Words};
use crate::problem::{ApiResult, status};
use crate::shelf;

/// The most products side by side (spec: business §10.2). `[ours]`
const COMPARED_MAX: usize = 4;
/// Products that are offered to be compared, too.
const OFFERED: usize = 6;

#[derive(Deserialize, Default)]
#[serde(default)]
pub(super) struct Asking {
    ids: String,
    q: String,
}

/// A product at the top of the table.
struct Column {
    href: String,
    name: String,
    initial: String,
    hue: usize,
    without: String,
}

/// A fact of each product.
struct Fact {
    label: String,
    values: Vec<Vec<String>>,
}

/// A product that may be added.
struct Offered {
    href: String,
    name: String,
    seller: String,
}

#[derive(Template)]
#[template(path = "storefront/compare.html")]
struct Compare {
    shell: Shell,
    columns: Vec<Column>,
    facts: Vec<Fact>,
    offered: Vec<Offered>,
    ids: String,
    q: String,
    said: String,
    gone: bool,
}

fn path(ids: &[ProductId]) -> String {
    let ids: Vec<String> = ids.iter().map(ToString::to_string).collect();
    format!("/compare?ids={}", ids.join(","))
}

pub(super) async fn compare(State(app): State<AppState>, reader: Reader, Query(asking): Query<Asking>) -> ApiResult<Response> {
    let words = reader.shell.t.clone();
    let mut ids: Vec<ProductId> = Vec::new();
    for id in asking.ids.split(',').filter_map(|id| id.trim().parse().ok()).take(4 * COMPARED_MAX) {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let too_many = ids.len() > COMPARED_MAX;
    ids.truncate(COMPARED_MAX);
    let (wanted, asked) = (ids.len(), ids.clone());
    let found = app.read(async move |tx| shelved(tx, &asked).await).await?;
    // What was hidden or retired meanwhile is in no list.
    let gone = found.entries.len() < wanted;
    ids.retain(|id| found.entries.iter().any(|entry| entry.id == *id));
    let column = |entry: &ShelfEntry| {
        let name = entry.content.names.pick(words.locale).to_owned();
        let others: Vec<ProductId> = ids.iter().copied().filter(|id| *id != entry.id).collect();
        Column {
            href: format!("/products/{}", entry.id),
            initial: initial(&name),
            hue: hue(&entry.id.to_string()),
            name,
            without: path(&others),
        }
    };
    let q: String = super::sought(&asking.q);
    let page = Compare {
        columns: found.entries.iter().map(column).collect(),
        facts: facts(&app, &found, &words),
        offered: if ids.len() < COMPARED_MAX { offered(&app, &words, &ids, &found, &q).await? } else { Vec::new() },
        ids: ids.iter().map(ToString::to_string).collect::<Vec<_>>().join(","),
        q,
        said: if too_many { words.with("page-compare-max", COMPARED_MAX.to_string()) } else { String::new() },
        gone,
        shell: reader.shell,
    };
    let mut response = Page(page).into_response();
    if too_many {
        *response.status_mut() = status(Code::FieldInvalid);
    }
    Ok(response)
}

fn facts(app: &AppState, found: &Shelved, words: &Words) -> Vec<Fact> {
    let currency = app.market().edition().currency;
    let fact = |key: &str, values: &dyn Fn(&ShelfEntry) -> Vec<String>| Fact {
        label: words.s(key),
        values: found.entries.iter().map(values).collect(),
    };
    let price = |entry: &ShelfEntry| {
        let from = entry.price_from(currency);
        let said = |from: market::catalog::PriceFrom| {
            format!("{} {}", words.money(from.price.minor, from.price.currency), words.s(unit_key(from.unit)))
        };
        vec![from.map_or_else(|| words.s("page-not-sold"), said)]
    };
    let variants = |entry: &ShelfEntry| {
        let skus = entry.content.editions.iter().flat_map(|edition| &edition.skus);
        skus.map(|sku| sku.names.pick(words.locale).to_owned()).filter(|name| !name.is_empty()).take(12).collect()
    };
    let modes = |entry: &ShelfEntry| {
        let mut modes: Vec<String> = entry.content.editions.iter().map(|edition| words.s(mode_key(edition.charging_mode))).collect();
        modes.dedup();
        modes
    };
    let returns = |entry: &ShelfEntry| {
        let returnable = entry.content.editions.iter().any(|edition| edition.refund_rule == RefundRule::NoReason);
        vec![words.s(if returnable { "page-yes" } else { "page-no" })]
    };
    vec![
        fact("page-price-from", &price),
        fact("page-overview-text", &|entry| vec![entry.content.overview.pick(words.locale).to_owned()]),
        fact("page-highlights", &|entry| entry.content.highlights.iter().map(|text| text.pick(words.locale).to_owned()).collect()),
        fact("page-category", &|entry| {
            shelf::category_name(&entry.content.category, words.locale).map(str::to_owned).into_iter().collect()
        }),
        fact("page-charged", &modes),
        fact("page-variant", &variants),
        fact("page-return-free", &returns),
        fact("page-seller", &|entry| found.sellers.get(&entry.seller_id).cloned().into_iter().collect()),
        fact("page-support", &|entry| {
            [&entry.content.support_email, &entry.content.support_phone].into_iter().filter(|text| !text.is_empty()).cloned().collect()
        }),
    ]
}

/// What somebody may want to compare, too: what they look for, else what stands in the same category.
async fn offered(app: &AppState, words: &Words, ids: &[ProductId], found: &Shelved, q: &str) -> ApiResult<Vec<Offered>> {
    let category = found.entries.first().and_then(|entry| shelf::number_of(&entry.content.category)).filter(|_| q.is_empty());
    let filter = Filter { category, ..Filter::default() };
    let question = Question { text: q.to_owned(), filter, sort: Sort::Relevance, skip: 0, take: OFFERED + ids.len() };
    let mut more = app.ask(question).await?.ids;
    more.retain(|id| !ids.contains(id));
    // Where nothing else stands in the category, the newest will do.
    if more.is_empty() && q.is_empty() {
        more = super::newest(app, OFFERED + ids.len()).await?.ids;
        more.retain(|id| !ids.contains(id));
    }
    more.truncate(OFFERED);
    let shown = app.read(async move |tx| shelved(tx, &more).await).await?;
    let offer = |entry: &ShelfEntry| Offered {
        href: path(&ids.iter().copied().chain([entry.id]).collect::<Vec<_>>()),
        name: entry.content.names.pick(words.locale).to_owned(),
        seller: shown.sellers.get(&entry.seller_id).cloned().unwrap_or_default(),
    };
    Ok(shown.entries.iter().map(offer).collect())
}
