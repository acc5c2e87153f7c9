//! A new password for whoever has forgotten theirs.

use askama::Template;
use axum::Router;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use db::Tx;
use kernel::{Code, Ctx, Refusal};
use market::accounts;
use serde::Deserialize;

use super::form::Filled;
use super::shell::{Reader, Shell};
use super::{Page, again, go_to_done, outbox};
use crate::AppState;
use crate::auth::{Arrival, OurPage};
use crate::extract::{Form, Query};
use crate::pages::form::Pairs;
use crate::problem::{self, ApiError, ApiResult};

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/password/forgot", get(forgot).post(ask)).route("/password/reset", get(form).post(set))
}

#[derive(Template)]
#[template(path = "password-forgot.html")]
struct Forgot {
    shell: Shell,
    filled: Filled,
    /// Whether this marketplace sends mail at all.
    sends: bool,
    /// Whether the mail can be read here, by everybody.
    has_outbox: bool,
}

fn forgot_page(app: &AppState, shell: Shell, filled: Filled) -> Forgot {
    Forgot { shell, filled, sends: app.market().mail().is_some(), has_outbox: outbox::is_open(app) }
}

async fn forgot(State(app): State<AppState>, reader: Reader) -> Response {
    Page(forgot_page(&app, reader.shell, Filled::default())).into_response()
}

async fn ask(State(app): State<AppState>, _: OurPage, arrival: Arrival, reader: Reader, form: Form<Pairs>) -> ApiResult<Response> {
    let filled = Filled::of(form.fields);
    match accounts::ask_reset(app.market(), &arrival.ctx, filled.value("whom")).await.map_err(ApiError::from) {
        Ok(()) => Ok(go_to_done("/password/forgot", "reset-asked").into_response()),
        Err(ApiError::Refused(refusal)) => {
            let filled = filled.refused(&refusal, reader.shell.t.locale);
            Ok(again(&refusal, forgot_page(&app, reader.shell, filled)))
        }
        Err(fault) => Err(fault),
    }
}

#[derive(Template)]
#[template(path = "password-reset.html")]
struct Reset {
    shell: Shell,
    token: String,
    login: String,
    filled: Filled,
    /// What is wrong with the link; nothing when it works.
    dead: String,
}

/// The link that somebody came by.
#[derive(Deserialize, Default)]
struct Link {
    #[serde(default)]
    token: String,
}

/// The form of a link that works, or the refusal of one that does not.
async fn reset_page(app: &AppState, ctx: &Ctx, shell: Shell, token: String, filled: Filled) -> ApiResult<Result<Reset, (Refusal, Reset)>> {
    let (shown, wall) = (token.clone(), ctx.wall);
    match app.read(async move |tx: &mut Tx| accounts::find_reset(tx, &shown, wall).await).await {
        Ok(found) => Ok(Ok(Reset { shell, token, login: found.login, filled, dead: String::new() })),
        Err(ApiError::Refused(refusal)) => {
            let dead = problem::sentence(&refusal, shell.t.locale);
            // The token of a dead link goes no further.
            Ok(Err((refusal, Reset { shell, token: String::new(), login: String::new(), filled: Filled::default(), dead })))
        }
        Err(fault) => Err(fault),
    }
}

async fn form(State(app): State<AppState>, reader: Reader, Query(Link { token }): Query<Link>) -> ApiResult<Response> {
    Ok(match reset_page(&app, &reader.ctx, reader.shell, token, Filled::default()).await? {
        Ok(page) => Page(page).into_response(),
        Err((refusal, page)) => again(&refusal, page),
    })
}

async fn set(State(app): State<AppState>, _: OurPage, arrival: Arrival, reader: Reader, form: Form<Pairs>) -> ApiResult<Response> {
    let filled = Filled::of(form.fields);
    let (token, new) = (filled.value("token").to_owned(), filled.value("new_password"));
    match accounts::reset_by_token(app.market(), &arrival.ctx, &token, new).await.map_err(ApiError::from) {
        Ok(()) => Ok(go_to_done("/sign-in", "password-reset").into_response()),
        Err(ApiError::Refused(refusal)) => {
            let filled = filled.refused_beside(&refusal, reader.shell.t.locale, &[(Code::PasswordWeak, "new_password")]);
            Ok(match reset_page(&app, &arrival.ctx, reader.shell, token, filled).await? {
                Ok(page) => again(&refusal, page),
                Err((refusal, page)) => again(&refusal, page),
            })
        }
        Err(fault) => Err(fault),
    }
}
