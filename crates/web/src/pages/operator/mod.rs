//! How the market is run: queues, everything that is in it, money, jobs, settings.

use axum::Router;

use crate::AppState;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
}
