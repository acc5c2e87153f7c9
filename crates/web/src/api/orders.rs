//! Quotes and orders.

use axum::extract::State;
use db::Tx;
use kernel::{Code, Refusal, SubscriptionId};
use market::audit::{self, AuditEntry};
use market::orders::{self, Order, OrderKind, OrderState, PurchaseItem, Quote};
use market::refunds;
use market::subscriptions::Whose;
use serde::Deserialize;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::sellers::ReasonInput;
use crate::AppState;
use crate::acts::{self, Act};
use crate::answer::{Created, List};
use crate::auth::{Buyer, May, Operator, Seller, buyer, operator, seller};
use crate::extract::{Json, Nothing, Once, OnceHeader, Paging, PagingQuery, Query, Segment, once};
use crate::problem::ApiResult;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(quote_purchase))
        .routes(routes!(list_orders, place_order))
        .routes(routes!(show_order))
        .routes(routes!(pay_order))
        .routes(routes!(cancel_order))
        .routes(routes!(refund_order))
        .routes(routes!(show_order_timeline))
        .routes(routes!(list_seller_orders))
        .routes(routes!(show_seller_order))
        .routes(routes!(show_seller_order_timeline))
        .routes(routes!(list_all_orders))
        .routes(routes!(show_any_order))
        .routes(routes!(show_any_order_timeline))
        .routes(routes!(refund_unconfirmed_order))
        .routes(routes!(approve_refund))
        .routes(routes!(refuse_refund))
}

/// What to price.
#[derive(Deserialize, utoipa::ToSchema)]
struct QuoteInput {
    /// What would be bought, all of one seller; up to 50 lines.
    items: Vec<PurchaseItem>,
}

/// Quote a purchase
///
/// What it costs now, to the cent. Nothing is kept; send `total_minor` along when ordering, and another price is refused instead of charged.
#[utoipa::path(post, path = "/quotes", tag = "orders", operation_id = "quote_purchase", security(("bearer" = ["buyer.view"])),
    responses((status = OK, body = Quote)))]
async fn quote_purchase(State(app): State<AppState>, buyer: Buyer<buyer::View>, Json(input): Json<QuoteInput>) -> ApiResult<Json<Quote>> {
    let (account, market) = (buyer.account(), app.market().clone());
    Ok(Json(app.read(async move |tx| orders::quote_purchase(tx, market.edition(), Some(account), &input.items).await).await?))
}

/// What to buy.
#[derive(Deserialize, utoipa::ToSchema)]
struct OrderInput {
    /// What is bought, all of one seller; up to 50 lines.
    items: Vec<PurchaseItem>,
    /// The total that was quoted, minor units: another price now is refused.
    expected_total_minor: Option<i64>,
}

/// Place an order
///
/// It waits to be paid until `pay_until`.
#[utoipa::path(post, path = "/orders", tag = "orders", operation_id = "place_order", params(OnceHeader), request_body = OrderInput,
    security(("bearer" = ["buyer.purchase"])), responses((status = CREATED, body = Order)))]
async fn place_order(State(app): State<AppState>, buyer: Buyer<buyer::Purchase>, input: Once<OrderInput>) -> ApiResult<Created<Value>> {
    let May { principal, ctx, .. } = buyer;
    let (key, input) = input.open(principal.account)?;
    let act = Act { buyer: principal.account, ctx, key };
    Ok(created(acts::place(&app, act, input.items, input.expected_total_minor).await?))
}

/// An order that was placed, as kept under its idempotency key, at its address.
pub(super) fn created(order: Value) -> Created<Value> {
    Created::at(format!("/api/v1/orders/{}", acts::number(&order)), order)
}

/// Which orders.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct OrderFilter {
    /// Only those that stand here.
    state: Option<OrderState>,
}

/// My orders
///
/// Newest first.
#[utoipa::path(get, path = "/orders", tag = "orders", operation_id = "list_orders", params(PagingQuery, OrderFilter),
    security(("bearer" = ["buyer.view"])), responses((status = OK, body = List<Order>)))]
async fn list_orders(
    State(app): State<AppState>,
    buyer: Buyer<buyer::View>,
    Query(filter): Query<OrderFilter>,
    Paging(page): Paging,
) -> ApiResult<List<Order>> {
    let whose = Whose::Buyer(buyer.account());
    Ok(app.read(async move |tx| orders::list(tx, whose, filter.state, &page).await).await?.into())
}

/// One of my orders
#[utoipa::path(get, path = "/orders/{number}", tag = "orders", operation_id = "show_order", params(("number" = String, Path)),
    security(("bearer" = ["buyer.view"])), responses((status = OK, body = Order)))]
async fn show_order(State(app): State<AppState>, buyer: Buyer<buyer::View>, Segment(number): Segment<String>) -> ApiResult<Json<Order>> {
    let account = buyer.account();
    Ok(Json(app.read(async move |tx| orders::get_of_buyer(tx, account, &number).await).await?))
}

/// Pay an order
///
/// From the balance. The seller is then asked to deliver.
#[utoipa::path(post, path = "/orders/{number}/pay", tag = "orders", operation_id = "pay_order",
    params(("number" = String, Path), OnceHeader), request_body = Nothing, security(("bearer" = ["buyer.pay"])),
    responses((status = OK, body = Order)))]
async fn pay_order(
    State(app): State<AppState>,
    buyer: Buyer<buyer::Pay>,
    Segment(number): Segment<String>,
    input: Once<Nothing>,
) -> ApiResult<Json<Value>> {
    let May { principal, ctx, .. } = buyer;
    let (key, Nothing {}) = input.open(principal.account)?;
    Ok(Json(acts::pay(&app, Act { buyer: principal.account, ctx, key }, number).await?))
}

/// Cancel an order
///
/// One that is not paid, or a large refund about which the operator has not decided.
#[utoipa::path(post, path = "/orders/{number}/cancel", tag = "orders", operation_id = "cancel_order",
    params(("number" = String, Path), OnceHeader), request_body = Nothing, security(("bearer" = ["buyer.purchase"])),
    responses((status = OK, body = Order)))]
async fn cancel_order(
    State(app): State<AppState>,
    buyer: Buyer<buyer::Purchase>,
    Segment(number): Segment<String>,
    input: Once<Nothing>,
) -> ApiResult<Json<Value>> {
    let May { principal, ctx, .. } = buyer;
    let (key, Nothing {}) = input.open(principal.account)?;
    Ok(Json(acts::cancel(&app, Act { buyer: principal.account, ctx, key }, number).await?))
}

/// What of an order is returned.
#[derive(Deserialize, utoipa::ToSchema)]
struct OrderRefundInput {
    /// The line whose subscription is returned; needed for a purchase of several lines.
    line: Option<String>,
}

/// Refund an order
///
/// Returns a renewal that has not begun or that the seller never confirmed; or, without a reason and within the days that the product allows,
/// what a purchase opened, with everything that was paid for it. Gives the refund order; a large one is `pending_review` until the operator has
/// decided.
#[utoipa::path(post, path = "/orders/{number}/refund", tag = "orders", operation_id = "refund_order",
    params(("number" = String, Path), OnceHeader), request_body = OrderRefundInput, security(("bearer" = ["buyer.purchase"])),
    responses((status = CREATED, body = Order)))]
async fn refund_order(
    State(app): State<AppState>,
    buyer: Buyer<buyer::Purchase>,
    Segment(number): Segment<String>,
    input: Once<OrderRefundInput>,
) -> ApiResult<Created<Value>> {
    let May { principal, ctx, .. } = buyer;
    let (key, input) = input.open(principal.account)?;
    let market = app.market().clone();
    let refund = async move |tx: &mut Tx| {
        once(tx, &ctx, &key, async |tx: &mut Tx| {
            let order = orders::get_of_buyer(tx, principal.account, &number).await?;
            if order.kind == OrderKind::Renew {
                return refunds::refund_renewal(tx, &ctx, market.edition(), principal.account, &number).await;
            }
            let subscription = bought(&order, input.line.as_deref())?;
            refunds::refund_subscription(tx, &ctx, market.edition(), principal.account, subscription).await
        })
        .await
    };
    Ok(created(app.write(refund).await?))
}

/// The subscription that a purchase opened with `line`, or with its only one.
fn bought(order: &Order, line: Option<&str>) -> Result<SubscriptionId, Refusal> {
    if order.kind != OrderKind::New {
        return Err(Refusal::new(Code::NotRefundable));
    }
    let line = match (line, order.lines.as_slice()) {
        (Some(number), lines) => lines.iter().find(|l| l.number == number).ok_or_else(|| Refusal::field("line", "unknown"))?,
        (None, [only]) => only,
        (None, _) => return Err(Refusal::field("line", "required")),
    };
    line.subscription_id.ok_or_else(|| Refusal::new(Code::OrderState).with("state", order.state))
}

/// Timeline of an order
///
/// Everything that happened to it, oldest first.
#[utoipa::path(get, path = "/orders/{number}/timeline", tag = "orders", operation_id = "show_order_timeline",
    params(("number" = String, Path), PagingQuery), security(("bearer" = ["buyer.view"])),
    responses((status = OK, body = List<AuditEntry>)))]
async fn show_order_timeline(
    State(app): State<AppState>,
    buyer: Buyer<buyer::View>,
    Segment(number): Segment<String>,
    Paging(page): Paging,
) -> ApiResult<List<AuditEntry>> {
    let account = buyer.account();
    let timeline = async move |tx: &mut Tx| {
        orders::get_of_buyer(tx, account, &number).await?;
        audit::timeline(tx, &number, &page).await
    };
    Ok(app.read(timeline).await?.into())
}

/// Orders of my customers
///
/// Newest first.
#[utoipa::path(get, path = "/seller/orders", tag = "seller", operation_id = "list_seller_orders", params(PagingQuery, OrderFilter),
    security(("bearer" = ["seller.view"])), responses((status = OK, body = List<Order>)))]
async fn list_seller_orders(
    State(app): State<AppState>,
    seller: Seller<seller::View>,
    Query(filter): Query<OrderFilter>,
    Paging(page): Paging,
) -> ApiResult<List<Order>> {
    let whose = Whose::Seller(seller.account());
    Ok(app.read(async move |tx| orders::list(tx, whose, filter.state, &page).await).await?.into())
}

/// An order of a customer
#[utoipa::path(get, path = "/seller/orders/{number}", tag = "seller", operation_id = "show_seller_order", params(("number" = String, Path)),
    security(("bearer" = ["seller.view"])), responses((status = OK, body = Order)))]
async fn show_seller_order(
    State(app): State<AppState>,
    seller: Seller<seller::View>,
    Segment(number): Segment<String>,
) -> ApiResult<Json<Order>> {
    let account = seller.account();
    Ok(Json(app.read(async move |tx| orders::get_of_seller(tx, account, &number).await).await?))
}

/// Timeline of a customer's order
///
/// Everything that happened to it, oldest first.
#[utoipa::path(get, path = "/seller/orders/{number}/timeline", tag = "seller", operation_id = "show_seller_order_timeline",
    params(("number" = String, Path), PagingQuery), security(("bearer" = ["seller.view"])),
    responses((status = OK, body = List<AuditEntry>)))]
async fn show_seller_order_timeline(
    State(app): State<AppState>,
    seller: Seller<seller::View>,
    Segment(number): Segment<String>,
    Paging(page): Paging,
) -> ApiResult<List<AuditEntry>> {
    let account = seller.account();
    let timeline = async move |tx: &mut Tx| {
        orders::get_of_seller(tx, account, &number).await?;
        audit::timeline(tx, &number, &page).await
    };
    Ok(app.read(timeline).await?.into())
}

/// Orders
///
/// Of everybody, newest first.
#[utoipa::path(get, path = "/operator/orders", tag = "operator", operation_id = "list_all_orders", params(PagingQuery, OrderFilter),
    security(("bearer" = ["operator.view"])), responses((status = OK, body = List<Order>)))]
async fn list_all_orders(
    State(app): State<AppState>,
    _: Operator<operator::View>,
    Query(filter): Query<OrderFilter>,
    Paging(page): Paging,
) -> ApiResult<List<Order>> {
    Ok(app.read(async move |tx| orders::list(tx, Whose::Everybody, filter.state, &page).await).await?.into())
}

/// An order
#[utoipa::path(get, path = "/operator/orders/{number}", tag = "operator", operation_id = "show_any_order", params(("number" = String, Path)),
    security(("bearer" = ["operator.view"])), responses((status = OK, body = Order)))]
async fn show_any_order(
    State(app): State<AppState>,
    _: Operator<operator::View>,
    Segment(number): Segment<String>,
) -> ApiResult<Json<Order>> {
    Ok(Json(app.read(async move |tx| orders::get(tx, &number).await).await?))
}

/// Timeline of an order
///
/// Everything that happened to it, oldest first.
#[utoipa::path(get, path = "/operator/orders/{number}/timeline", tag = "operator", operation_id = "show_any_order_timeline",
    params(("number" = String, Path), PagingQuery), security(("bearer" = ["operator.view"])),
    responses((status = OK, body = List<AuditEntry>)))]
async fn show_any_order_timeline(
    State(app): State<AppState>,
    _: Operator<operator::View>,
    Segment(number): Segment<String>,
    Paging(page): Paging,
) -> ApiResult<List<AuditEntry>> {
    let timeline = async move |tx: &mut Tx| {
        orders::get(tx, &number).await?;
        audit::timeline(tx, &number, &page).await
    };
    Ok(app.read(timeline).await?.into())
}

/// Return an unconfirmed renewal
///
/// For the buyer: a renewal that is paid and whose call was given up, so that its money is still held. Gives the refund order.
#[utoipa::path(post, path = "/operator/orders/{number}/refund", tag = "operator", operation_id = "refund_unconfirmed_order",
    params(("number" = String, Path)), security(("bearer" = ["operator.finance"])), responses((status = OK, body = Order)))]
async fn refund_unconfirmed_order(
    State(app): State<AppState>,
    finance: Operator<operator::Finance>,
    Segment(number): Segment<String>,
) -> ApiResult<Json<Order>> {
    let (ctx, market) = (finance.ctx, app.market().clone());
    Ok(Json(app.write(async move |tx| refunds::refund_unconfirmed(tx, &ctx, market.edition(), &number).await).await?))
}

/// Approve a refund
///
/// One that is `pending_review` because it is large. What was in time when the buyer asked is in time.
#[utoipa::path(post, path = "/operator/orders/{number}/approve-refund", tag = "operator", operation_id = "approve_refund",
    params(("number" = String, Path)), security(("bearer" = ["operator.finance"])), responses((status = OK, body = Order)))]
async fn approve_refund(
    State(app): State<AppState>,
    finance: Operator<operator::Finance>,
    Segment(number): Segment<String>,
) -> ApiResult<Json<Order>> {
    let (ctx, market) = (finance.ctx, app.market().clone());
    Ok(Json(app.write(async move |tx| refunds::approve(tx, &ctx, market.edition(), &number).await).await?))
}

/// Refuse a refund
///
/// One that is `pending_review`. The buyer is told why.
#[utoipa::path(post, path = "/operator/orders/{number}/refuse-refund", tag = "operator", operation_id = "refuse_refund",
    params(("number" = String, Path)), security(("bearer" = ["operator.finance"])), responses((status = OK, body = Order)))]
async fn refuse_refund(
    State(app): State<AppState>,
    finance: Operator<operator::Finance>,
    Segment(number): Segment<String>,
    Json(input): Json<ReasonInput>,
) -> ApiResult<Json<Order>> {
    let ctx = finance.ctx;
    Ok(Json(app.write(async move |tx| refunds::refuse(tx, &ctx, &number, &input.reason).await).await?))
}
