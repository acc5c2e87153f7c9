//! What people see in a browser: the storefront, the door, the buyer's own pages, the seller's calls. Every page works without a script.
//!
//! A page calls the same use cases as the API, with the same extractors of [`crate::auth`]; a refusal that no form catches becomes a page of its
//! own ([`failure`]). After an act the browser is sent to a page (303), so that going back or loading again repeats nothing; every form that
//! spends or makes something carries a key, under which it is done once.
//!
//! Invariant: a template prints texts, never HTML of people; the one exception is a product's description, cleaned in `storefront`.

mod account;
mod assets;
mod attempts;
mod buyer;
mod door;
mod form;
pub(crate) mod letters;
mod nav;
mod operator;
mod outbox;
mod parts;
mod password;
mod seller;
mod shell;
mod states;
mod storefront;
mod styleguide;

pub(crate) use operator::ACTIONS as AUDIT_ACTIONS;

use askama::Template;
use axum::Router;
use axum::response::{Html, IntoResponse, Redirect, Response};
use http::StatusCode;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY};
use kernel::{Class, Ctx, Refusal};

use crate::AppState;
use crate::problem::{ApiError, status};
use crate::scope::Scope;
use crate::texts;
use shell::{Shell, Words};

/// What a page may load: our own script, styles and pictures, nothing else; forms go to ourselves only.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; connect-src 'self'; style-src 'self'; img-src 'self' data:; \
                           base-uri 'none'; form-action 'self'; frame-ancestors 'none'";

pub(crate) fn routes(state: &AppState) -> Router<AppState> {
    Router::new()
        .merge(storefront::routes(state))
        .merge(door::routes())
        .merge(password::routes())
        .merge(outbox::routes())
        .merge(account::routes())
        .merge(buyer::routes())
        .merge(seller::routes())
        .merge(operator::routes())
        .merge(styleguide::routes())
        .merge(assets::routes())
        .layer(axum::middleware::from_fn_with_state(state.clone(), door::keep_typed))
}

/// Whether a path is one of a page, whose refusals are shown as pages.
pub(crate) fn is_page(path: &str) -> bool {
    const PLACES: [&str; 19] = [
        "/products",
        "/categories",
        "/search",
        "/sellers",
        "/compare",
        "/cart",
        "/checkout",
        "/agreements",
        "/sign-in",
        "/sign-up",
        "/sign-out",
        "/password",
        "/outbox",
        "/language",
        "/account",
        "/buyer",
        "/seller",
        "/operator",
        "/styleguide",
    ];
    path == "/" || PLACES.iter().any(|place| path.strip_prefix(place).is_some_and(|rest| rest.is_empty() || rest.starts_with('/')))
}

/// A page made from a template.
pub(crate) struct Page<T>(T);

impl<T: Template> IntoResponse for Page<T> {
    fn into_response(self) -> Response {
        match self.0.render() {
            Ok(html) => {
                let headers = [(CONTENT_SECURITY_POLICY, PAGE_POLICY), (CACHE_CONTROL, "private, no-store")];
                (headers, Html(html)).into_response()
            }
            Err(fault) => ApiError::Broken(Box::new(fault)).into_response(),
        }
    }
}

/// A form again, with what is wrong in it.
fn again<T: Template>(refusal: &Refusal, page: T) -> Response {
    (status(refusal.code), Page(page)).into_response()
}

/// A key for a form, under which its act is done once.
fn new_key(ctx: &Ctx) -> String {
    hex::encode(ctx.entropy.bytes::<16>())
}

/// Sends the browser on to a page, after an act.
pub(crate) fn go_to(path: &str) -> Redirect {
    Redirect::to(path)
}

/// As [`go_to`], with a word about what was done: `page-done-<word>` says it on that page.
fn go_to_done(path: &str, word: &str) -> Redirect {
    Redirect::to(&format!("{path}{}done={word}", if path.contains('?') { '&' } else { '?' }))
}

#[derive(Template)]
#[template(path = "failure.html")]
struct Failure {
    shell: Shell,
    title: String,
    detail: String,
    request_id: String,
    status: u16,
    /// The way to the door, for whoever's session has ended while they filled in a form.
    door: Option<String>,
}

/// The page of a refusal or a fault. Whoever must sign in is sent to the door, and comes back to where they wanted to go.
pub(crate) fn failure(refusal: &Refusal, detail: String, scope: &Scope, app: &AppState) -> Response {
    if refusal.code.class() == Class::Unauthenticated
        && let Some(target) = scope.page()
    {
        return go_to(&door::sign_in_path(target)).into_response();
    }
    let status = status(refusal.code);
    let page = Failure {
        title: texts::title(scope.locale(), refusal.code),
        detail,
        request_id: scope.request_id().to_string(),
        status: status.as_u16(),
        door: (refusal.code.class() == Class::Unauthenticated).then(|| door::sign_in_path("/")),
        shell: Shell::of_visitor(Words::new(scope.locale(), app), scope.page().unwrap_or("/").to_owned()),
    };
    let mut response = Page(page).into_response();
    if response.status() == StatusCode::OK {
        *response.status_mut() = status;
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_told_from_what_programs_ask_for() {
        for page in ["/", "/products/prd_1", "/sign-in", "/buyer/orders/CS1/pay"] {
            assert!(is_page(page), "{page}");
        }
        for other in ["/api/v1/orders", "/docs/", "/healthz", "/buyers", "/productsx", "/openapi.json", "/problems/not-found"] {
            assert!(!is_page(other), "{other}");
        }
    }

    /// The sources under a folder, as one text.
    fn sources(folder: &std::path::Path) -> String {
        let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
        entries
            .map(
                |entry| {
                    if entry.path().is_dir() { sources(&entry.path()) } else { std::fs::read_to_string(entry.path()).unwrap_or_default() }
                },
            )
            .collect()
    }

    #[test]
    fn everything_that_stands_in_a_timeline_has_a_text() {
        let market = sources(&std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../market/src"));
        let quoted = market.split('"').filter(|text| {
            let action = ["subscriptions.", "orders.", "calls."].iter().find_map(|domain| text.strip_prefix(domain));
            action.is_some_and(|action| !action.is_empty() && action.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'))
        });
        let actions: std::collections::BTreeSet<&str> = quoted.collect();
        assert!(actions.len() > 20, "{actions:?}");
        for key in actions.iter().map(|action| format!("page-did-{}", action.replace('.', "-"))) {
            for locale in [kernel::Locale::En, kernel::Locale::ZhCn] {
                assert_ne!(texts::part(locale, &key, &[]), key, "there is no {locale} text {key}");
            }
        }
    }

    #[test]
    fn every_text_of_the_templates_is_there_in_both_languages() {
        let here = std::path::Path::new(env!("CARGO_MANIFEST_DIR"));
        let (templates, pages) = (sources(&here.join("templates")), sources(&here.join("src/pages")));
        // What is written out; keys that are put together (`page-did-{…}`) are told by the tests of what puts them together.
        let keys = templates.split('"').chain(pages.split('"')).filter(|text| text.starts_with("page-"));
        let keys: std::collections::BTreeSet<&str> = keys
            .filter(|key| !key.ends_with('-') && key.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-'))
            .collect();
        assert!(keys.len() > 100, "templates say something: {}", keys.len());
        for key in keys {
            for locale in [kernel::Locale::En, kernel::Locale::ZhCn] {
                assert!(texts::is_there(locale, key), "there is no {locale} text {key}");
            }
        }
    }
}
