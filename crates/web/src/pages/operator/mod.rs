//! How the market is run: queues, everything that is in it, money, jobs, settings. A list is columns and cells, a thing is blocks (`view`);
//! what may be done to it follows from the reader's permissions, and a form that is refused comes back with everything in it.

mod accounts;
mod calls;
mod desk;
mod ledger;
pub(super) mod mail;
mod orders;
mod products;
mod sellers;
mod settings;
mod settlement;
mod subscriptions;
mod system;
mod view;

pub(crate) use system::ACTIONS;

use axum::Router;
use axum::routing::{get, post};

use crate::AppState;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/operator", get(desk::desk))
        .route("/operator/applications", get(sellers::applications))
        .route("/operator/applications/{id}", get(sellers::application))
        .route("/operator/applications/{id}/approve", post(sellers::approve))
        .route("/operator/applications/{id}/reject", post(sellers::reject))
        .route("/operator/sellers", get(sellers::sellers))
        .route("/operator/sellers/{id}", get(sellers::seller))
        .route("/operator/sellers/{id}/bank", post(sellers::bank))
        .route("/operator/listings", get(products::submissions))
        .route("/operator/listings/{id}", get(products::submission))
        .route("/operator/listings/{id}/approve", post(products::approve))
        .route("/operator/listings/{id}/reject", post(products::reject))
        .route("/operator/products", get(products::products))
        .route("/operator/products/{id}", get(products::product))
        .route("/operator/products/{id}/hide", post(products::hide))
        .route("/operator/products/{id}/show", post(products::show))
        .route("/operator/products/{id}/retire", post(products::retire))
        .route("/operator/orders", get(orders::orders))
        .route("/operator/orders/{number}", get(orders::order))
        .route("/operator/orders/{number}/refund", post(orders::refund))
        .route("/operator/refunds", get(orders::refunds))
        .route("/operator/refunds/{number}/approve", post(orders::approve))
        .route("/operator/refunds/{number}/refuse", post(orders::refuse))
        .route("/operator/subscriptions", get(subscriptions::subscriptions))
        .route("/operator/subscriptions/{id}", get(subscriptions::subscription))
        .route("/operator/subscriptions/{id}/freeze", post(subscriptions::freeze))
        .route("/operator/subscriptions/{id}/unfreeze", post(subscriptions::unfreeze))
        .route("/operator/calls", get(calls::calls))
        .route("/operator/calls/{id}", get(calls::call))
        .route("/operator/calls/{id}/restart", post(calls::restart))
        .route("/operator/accounts", get(accounts::accounts))
        .route("/operator/accounts/{id}", get(accounts::account))
        .route("/operator/deposits", get(accounts::deposits).post(accounts::record))
        .route("/operator/statements", get(settlement::statements).post(settlement::run))
        .route("/operator/statements/{id}", get(settlement::statement))
        .route("/operator/statements/{id}/payout", post(settlement::payout))
        .route("/operator/ledger", get(ledger::ledger))
        .route("/operator/jobs", get(system::jobs))
        .route("/operator/jobs/retry", post(system::retry))
        .route("/operator/mail", get(mail::mails))
        .route("/operator/mail/{id}", get(mail::one))
        .route("/operator/audit", get(system::audit))
        .route("/operator/settings", get(settings::settings))
        .route("/operator/settings/{key}", get(settings::setting).post(settings::set))
        .route("/operator/settings/{key}/default", post(settings::give_back))
        .route("/operator/clock", get(system::clock).post(system::set_clock))
        .route("/operator/clock/advance", post(system::advance))
}
