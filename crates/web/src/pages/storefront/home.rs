//! The home page: what the marketplace is, its categories, what others buy, what is new.

use askama::Template;
use axum::extract::State;
use axum::response::{IntoResponse, Redirect, Response};
use serde::Deserialize;

use super::seo::{Asked, Head, Origin, Public};
use super::{Card, Way, cards, menu, newest};
use crate::AppState;
use crate::extract::Query;
use crate::pages::shell::{Reader, Shell};
use crate::problem::ApiResult;

/// Products in the rail of what is popular.
const POPULAR: usize = 8;
/// Products in the rail of what is new.
const NEW: usize = 12;

#[derive(Template)]
#[template(path = "storefront/home.html")]
struct Home {
    shell: Shell,
    head: Head,
    menu: Vec<Way>,
    popular: Vec<Card>,
    new: Vec<Card>,
    total: usize,
}

/// A question that an old link asks of the home page.
#[derive(Deserialize)]
pub(super) struct Old {
    q: Option<String>,
}

pub(super) async fn home(
    State(app): State<AppState>,
    reader: Reader,
    origin: Origin,
    asked: Asked,
    Query(old): Query<Old>,
) -> ApiResult<Response> {
    if let Some(q) = old.q {
        let query = url::form_urlencoded::Serializer::new(String::new()).append_pair("q", &q).finish();
        return Ok(Redirect::permanent(&format!("/search?{query}")).into_response());
    }
    let words = &reader.shell.t;
    let found = newest(&app, NEW).await?;
    let popular = app.popular(&reader.ctx).await?;
    let mut popular = cards(&app, words, popular, "").await?;
    popular.truncate(POPULAR);
    let new = cards(&app, words, found.ids, "").await?;
    let head = Head::new(&origin, "/", &words.s("page-hero-why"), "website", words.locale);
    let page = Home { menu: menu(&found.facets.categories, words.locale), popular, new, total: found.total, head, shell: reader.shell };
    Ok(Public { page, asked }.into_response())
}
