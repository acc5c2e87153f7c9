//! A seller as everybody may see them: who they are, and what they sell.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use kernel::AccountId;
use market::accounts;
use market::catalog;
use market::sellers;
use serde::Deserialize;

use super::seo::{Asked, Head, Origin, Public};
use super::{Card, first, hue, initial, shelved};
use crate::AppState;
use crate::extract::{Query, Segment};
use crate::pages::shell::{Reader, Shell};
use crate::problem::ApiResult;

/// Products on one page of a seller.
const CARDS: i64 = 24;

#[derive(Template)]
#[template(path = "storefront/seller.html")]
struct Seller {
    shell: Shell,
    head: Head,
    name: String,
    initial: String,
    hue: usize,
    since: String,
    cards: Vec<Card>,
    more: Option<String>,
}

#[derive(Deserialize)]
pub(super) struct Rest {
    after: Option<kernel::ProductId>,
}

pub(super) async fn seller(
    State(app): State<AppState>,
    reader: Reader,
    origin: Origin,
    asked: Asked,
    Segment(id): Segment<AccountId>,
    Query(rest): Query<Rest>,
) -> ApiResult<Response> {
    let mut page = first(CARDS);
    page.after = rest.after.map_or_else(String::new, |id| id.to_string());
    let (account, shown, next) = app
        .read(async move |tx| {
            // Whoever is no seller has no such page.
            sellers::require_approved(tx, id).await.map(drop).map_err(|error| match error.code() {
                Some(_) => kernel::Refusal::new(kernel::Code::NotFound).into(),
                None => error,
            })?;
            let account = accounts::get(tx, id).await?;
            let found = catalog::list_on_sale_of(tx, id, &page).await?;
            Ok((account, shelved(tx, &found.items).await?, found.next))
        })
        .await?;
    let words = reader.shell.t.clone();
    let about = words.with("page-seller-about", account.title.as_str());
    let page = Seller {
        head: Head::new(&origin, &format!("/sellers/{id}"), &about, "website", words.locale),
        initial: initial(&account.title),
        hue: hue(&id.to_string()),
        since: words.day(account.created_at),
        name: account.title,
        cards: shown.cards(&words, app.market().edition().currency, ""),
        more: next.map(|next| format!("/sellers/{id}?after={next}")),
        shell: reader.shell,
    };
    Ok(Public { page, asked }.into_response())
}
