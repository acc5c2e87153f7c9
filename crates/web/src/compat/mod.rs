//! The open APIs of other marketplaces, as sellers' servers already call them. Not under `/api/v1`, not in the OpenAPI document, and with the
//! answers that their documentation gives instead of problems.

mod order_query;

use axum::Router;
use axum::routing::get;

use crate::AppState;

/// The routes.
pub(crate) fn routes() -> Router<AppState> {
    Router::new().route(wire::openapi::order_query::PATH, get(order_query::query))
}
