//! What everybody has of their own, whatever side they are on: themselves, sessions, messages, members, tokens, files.

mod exports;
mod me;
mod members;
mod notices;
mod tokens;

pub(super) use notices::told_and_target;

use axum::Router;
use axum::routing::{get, post};

use crate::AppState;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/account", get(me::me).post(me::save))
        .route("/account/password", post(me::change_password))
        .route("/account/mail", post(me::choose_mail))
        .route("/account/sessions/{id}/end", post(me::end_session))
        .route("/account/notices", get(notices::inbox))
        .route("/account/notices/read", post(notices::read_all))
        .route("/account/notices/{id}", post(notices::open))
        .route("/account/members", get(members::members))
        .route("/account/members/new", get(members::new).post(members::add))
        .route("/account/members/{id}", get(members::member).post(members::save))
        .route("/account/members/{id}/roles", post(members::set_roles))
        .route("/account/members/{id}/password", post(members::set_password))
        .route("/account/members/{id}/disable", post(members::disable))
        .route("/account/members/{id}/enable", post(members::enable))
        .route("/account/tokens", get(tokens::tokens).post(tokens::create))
        .route("/account/tokens/{id}/revoke", post(tokens::revoke))
        .route("/account/exports", get(exports::exports).post(exports::ask))
        .route("/account/exports/{id}/download", get(exports::download))
        .route("/account/exports/{id}/delete", post(exports::delete))
}
