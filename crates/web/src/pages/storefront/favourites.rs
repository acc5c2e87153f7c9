//! What somebody has put aside to look at again.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use kernel::ProductId;
use market::wishes;
use serde::Deserialize;

use super::{Card, Shelved, shelved};
use crate::AppState;
use crate::auth::buyer;
use crate::extract::Form;
use crate::pages::shell::{Member, Shell};
use crate::pages::{Page, go_to_done};
use crate::problem::ApiResult;

struct Row {
    card: Option<Card>,
    id: String,
    added: String,
}

#[derive(Template)]
#[template(path = "storefront/favourites.html")]
pub(super) struct Favourites {
    shell: Shell,
    rows: Vec<Row>,
}

pub(super) async fn favourites(State(app): State<AppState>, member: Member<buyer::View>) -> ApiResult<Page<Favourites>> {
    let user = member.may.principal.user;
    let (kept, found) = app
        .read(async move |tx| {
            let kept = wishes::list(tx, user).await?;
            let ids: Vec<ProductId> = kept.iter().map(|one| one.product_id).collect();
            Ok((kept, shelved(tx, &ids).await?))
        })
        .await?;
    let words = member.shell.t.clone();
    let Shelved { entries, sellers } = found;
    let ids: Vec<ProductId> = entries.iter().map(|entry| entry.id).collect();
    let mut cards =
        ids.into_iter().zip(Shelved { entries, sellers }.cards(&words, app.market().edition().currency, "")).collect::<Vec<_>>();
    let row = |one: &wishes::Favourite| {
        let place = cards.iter().position(|(id, _)| *id == one.product_id);
        Row { card: place.map(|place| cards.swap_remove(place).1), id: one.product_id.to_string(), added: words.day(one.added_at) }
    };
    let rows = kept.iter().map(row).collect();
    Ok(Page(Favourites { rows, shell: member.shell }))
}

#[derive(Deserialize)]
pub(super) struct Which {
    product: ProductId,
    #[serde(default)]
    here: String,
}

/// Back to the product, or to the list where it was not on its page.
fn back(which: &Which, word: &str) -> Response {
    let path = if which.here == "list" { "/buyer/favourites".to_owned() } else { format!("/products/{}", which.product) };
    go_to_done(&path, word).into_response()
}

pub(super) async fn add(State(app): State<AppState>, member: Member<buyer::View>, form: Form<Which>) -> ApiResult<Response> {
    let (account, user, product) = (member.may.account(), member.may.principal.user, form.fields.product);
    let ctx = member.may.ctx;
    app.write(async move |tx| wishes::add(tx, &ctx, account, user, product).await).await?;
    Ok(back(&form.fields, "favourite"))
}

pub(super) async fn remove(State(app): State<AppState>, member: Member<buyer::View>, form: Form<Which>) -> ApiResult<Response> {
    let (user, product) = (member.may.principal.user, form.fields.product);
    app.write(async move |tx| wishes::remove(tx, user, product).await).await?;
    Ok(back(&form.fields, "no-favourite"))
}
