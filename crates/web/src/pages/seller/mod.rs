//! The seller center.

mod calls;

use axum::Router;
use axum::routing::{get, post};

use crate::AppState;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/seller/calls", get(calls::calls))
        .route("/seller/calls/{id}", get(calls::call))
        .route("/seller/calls/{id}/restart", post(calls::restart))
        .route("/seller/calls/{id}/replay", post(calls::replay))
}
