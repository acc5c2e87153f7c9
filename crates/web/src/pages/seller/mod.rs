//! The seller center: products, the way to the seller's servers, orders, and what they earn.

mod access_keys;
mod addresses;
mod apply;
mod calls;
pub(in crate::pages) mod common;
mod debug;
mod draft;
mod money;
mod overview;
mod products;
mod trade;

use axum::Router;
use axum::routing::{get, post};

use crate::AppState;

pub(super) fn routes() -> Router<AppState> {
    Router::new()
        .route("/seller", get(overview::overview))
        .route("/seller/apply", get(apply::show).post(apply::apply))
        .route("/seller/details", post(apply::change))
        .route("/seller/products", get(products::list).post(products::create))
        .route("/seller/products/new", get(products::new_form))
        .route("/seller/products/{id}", get(products::product))
        .route("/seller/products/{id}/draft", get(products::draft_form).post(products::save_draft))
        .route("/seller/products/{id}/submit", post(products::submit))
        .route("/seller/products/{id}/withdraw", post(products::withdraw))
        .route("/seller/products/{id}/hide", post(products::hide))
        .route("/seller/products/{id}/unhide", post(products::unhide))
        .route("/seller/products/{id}/retire", post(products::retire))
        .route("/seller/addresses", get(addresses::list).post(addresses::create))
        .route("/seller/addresses/{id}", get(addresses::address).post(addresses::update))
        .route("/seller/addresses/{id}/retire", post(addresses::retire))
        .route("/seller/signing-keys", post(addresses::create_key))
        .route("/seller/signing-keys/{id}/retire", post(addresses::retire_key))
        .route("/seller/debug", get(debug::form).post(debug::send))
        .route("/seller/debug/tries", get(debug::tries))
        .route("/seller/debug/tries/{id}", get(debug::tried))
        .route("/seller/debug/tries/{id}/save", post(debug::save))
        .route("/seller/debug/cases", get(debug::cases))
        .route("/seller/debug/run-all", post(debug::run_all))
        .route("/seller/debug/cases/{id}/run", post(debug::run_case))
        .route("/seller/debug/cases/{id}/delete", post(debug::delete_case))
        .route("/seller/calls", get(calls::calls))
        .route("/seller/calls/{id}", get(calls::call))
        .route("/seller/calls/{id}/restart", post(calls::restart))
        .route("/seller/calls/{id}/replay", post(calls::replay))
        .route("/seller/keys", get(access_keys::list).post(access_keys::create))
        .route("/seller/keys/{id}/revoke", post(access_keys::revoke))
        .route("/seller/orders", get(trade::orders))
        .route("/seller/orders/{number}", get(trade::order))
        .route("/seller/subscriptions", get(trade::list))
        .route("/seller/subscriptions/{id}", get(trade::subscription))
        .route("/seller/sales", get(money::sales))
        .route("/seller/statements", get(money::statements))
        .route("/seller/statements/{id}", get(money::statement))
}
