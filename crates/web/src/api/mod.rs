//! The REST API: one file a domain. Each route is listed once, with its description, so the document cannot drift from what is served.

mod account;
mod accounts;
mod calls;
mod catalog;
mod debugging;
mod exports;
mod ledger;
mod operator;
mod orders;
mod sandbox;
mod sellers;
mod settlement;
mod subscriptions;

use utoipa_axum::router::OpenApiRouter;

use crate::AppState;

/// Everything under `/api/v1`.
pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .merge(accounts::routes())
        .merge(account::routes())
        .merge(exports::routes())
        .merge(catalog::routes())
        .merge(orders::routes())
        .merge(subscriptions::routes())
        .merge(sellers::routes())
        .merge(calls::routes())
        .merge(debugging::routes())
        .merge(settlement::routes())
        .merge(ledger::routes())
        .merge(operator::routes())
        .merge(sandbox::routes())
}
