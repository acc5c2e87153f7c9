//! What everybody has of their own, whatever side they are on: themselves, sessions, messages, members, tokens.

use axum::Router;

use crate::AppState;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
}
