//! How the market is run: queues, everything that is in it, money, jobs, settings.

pub(super) mod mail;

use axum::Router;
use axum::routing::get;

use crate::AppState;

pub(super) fn routes() -> Router<AppState> {
    Router::new().route("/operator/mail", get(mail::mails)).route("/operator/mail/{id}", get(mail::one))
}
