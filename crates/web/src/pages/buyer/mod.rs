//! The buyer center: what needs doing, what is in use, orders, money.

mod agreements;
mod balance;
mod change;
mod orders;
mod overview;
mod service;
mod services;

use axum::Router;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use market::idempotency::IdempotencyKey;
use serde::Deserialize;

use super::go_to;
use super::shell::Member;
use crate::AppState;
use crate::acts::Act;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/buyer", get(overview::overview))
        .route("/buyer/orders", get(orders::orders).post(orders::place))
        .route("/buyer/orders/{number}", get(orders::order))
        .route("/buyer/orders/{number}/pay", post(orders::pay))
        .route("/buyer/orders/{number}/cancel", post(orders::cancel))
        .route("/buyer/services", get(services::services))
        .route("/buyer/services/{id}", get(service::service))
        .route("/buyer/services/{id}/access", get(service::access))
        .route("/buyer/services/{id}/change", get(change::form).post(change::change))
        .route("/buyer/services/{id}/renew", post(service::renew))
        .route("/buyer/services/{id}/renewal", post(service::set_renewal))
        .route("/buyer/services/{id}/return", post(service::give_back))
        .route("/buyer/balance", get(balance::balance))
        .route("/buyer/agreements", get(agreements::agreements))
}

impl<R> Member<R> {
    /// What they do under `key`.
    pub(super) fn act(self, key: IdempotencyKey) -> Act {
        Act { buyer: self.may.account(), ctx: self.may.ctx, key }
    }
}

fn to_order(number: &str) -> Response {
    go_to(&format!("/buyer/orders/{number}")).into_response()
}

/// A form with nothing in it but its key.
#[derive(Deserialize)]
pub(crate) struct KeyFields {
    key: String,
}
