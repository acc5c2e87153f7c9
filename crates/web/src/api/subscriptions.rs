//! What was bought and lives on.

use axum::extract::State;
use db::Tx;
use kernel::{Code, Period, Refusal, SkuId, SubscriptionId};
use market::audit::AuditEntry;
use market::delivery::{self, InstanceView};
use market::idempotency;
use market::orders::{self, Order, OrderLine, Quote, RenewalInput};
use market::refunds::{self, RefundOffer};
use market::subscriptions::{self, Renewal, Subscription, SubscriptionState, Whose};
use market::views;
use serde::Deserialize;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::orders::created;
use super::sellers::ReasonInput;
use crate::AppState;
use crate::acts::{self, Act};
use crate::answer::{Created, List, Tagged};
use crate::auth::{Buyer, May, Operator, Seller, buyer, operator, seller};
use crate::extract::{IfMatch, IfMatchHeader, Json, Nothing, Once, OnceHeader, Paging, PagingQuery, Query, Segment};
use crate::problem::ApiResult;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_subscriptions))
        .routes(routes!(show_subscription))
        .routes(routes!(show_instance))
        .routes(routes!(list_subscription_lines))
        .routes(routes!(show_timeline))
        .routes(routes!(set_renewal))
        .routes(routes!(quote_renewal))
        .routes(routes!(renew_subscription))
        .routes(routes!(quote_change))
        .routes(routes!(change_subscription))
        .routes(routes!(show_refund_offer))
        .routes(routes!(refund_subscription))
        .routes(routes!(list_seller_subscriptions))
        .routes(routes!(show_seller_subscription))
        .routes(routes!(show_seller_timeline))
        .routes(routes!(list_all_subscriptions))
        .routes(routes!(show_any_subscription))
        .routes(routes!(show_any_timeline))
        .routes(routes!(freeze_subscription))
        .routes(routes!(unfreeze_subscription))
}

/// Which subscriptions.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct SubscriptionFilter {
    /// Only those that stand here.
    state: Option<SubscriptionState>,
}

fn tagged(subscription: Subscription) -> Tagged<Json<Subscription>> {
    Tagged::new(subscription.version, Json(subscription))
}

/// My subscriptions
///
/// Newest first.
#[utoipa::path(get, path = "/subscriptions", tag = "subscriptions", operation_id = "list_subscriptions", params(PagingQuery, SubscriptionFilter),
    security(("bearer" = ["buyer.view"])), responses((status = OK, body = List<Subscription>)))]
async fn list_subscriptions(
    State(app): State<AppState>,
    buyer: Buyer<buyer::View>,
    Query(filter): Query<SubscriptionFilter>,
    Paging(page): Paging,
) -> ApiResult<List<Subscription>> {
    let whose = Whose::Buyer(buyer.account());
    Ok(app.read(async move |tx| subscriptions::list(tx, whose, filter.state, &page).await).await?.into())
}

/// One of my subscriptions
#[utoipa::path(get, path = "/subscriptions/{id}", tag = "subscriptions", operation_id = "show_subscription",
    params(("id" = SubscriptionId, Path)), security(("bearer" = ["buyer.view"])), responses((status = OK, body = Subscription)))]
async fn show_subscription(
    State(app): State<AppState>,
    buyer: Buyer<buyer::View>,
    Segment(id): Segment<SubscriptionId>,
) -> ApiResult<Tagged<Json<Subscription>>> {
    let account = buyer.account();
    Ok(tagged(app.read(async move |tx| subscriptions::get_of_buyer(tx, account, id).await).await?))
}

/// How to use it
///
/// Where the instance is and how to sign in to it for the first time, asked of the seller now, or what they last said. Null when the seller
/// has not said anything yet.
#[utoipa::path(get, path = "/subscriptions/{id}/instance", tag = "subscriptions", operation_id = "show_instance",
    params(("id" = SubscriptionId, Path)), security(("bearer" = ["buyer.purchase"])),
    responses((status = OK, body = Option<InstanceView>)))]
async fn show_instance(
    State(app): State<AppState>,
    buyer: Buyer<buyer::Purchase>,
    Segment(id): Segment<SubscriptionId>,
) -> ApiResult<Json<Option<InstanceView>>> {
    Ok(Json(delivery::instance(app.market(), &buyer.ctx, buyer.account(), id).await?))
}

/// What was paid for it
///
/// Every order line of a subscription, oldest first.
#[utoipa::path(get, path = "/subscriptions/{id}/lines", tag = "subscriptions", operation_id = "list_subscription_lines",
    params(("id" = SubscriptionId, Path), PagingQuery), security(("bearer" = ["buyer.view"])),
    responses((status = OK, body = List<OrderLine>)))]
async fn list_subscription_lines(
    State(app): State<AppState>,
    buyer: Buyer<buyer::View>,
    Segment(id): Segment<SubscriptionId>,
    Paging(page): Paging,
) -> ApiResult<List<OrderLine>> {
    let account = buyer.account();
    let lines = async move |tx: &mut Tx| {
        subscriptions::get_of_buyer(tx, account, id).await?;
        orders::lines_page(tx, id, &page).await
    };
    Ok(app.read(lines).await?.into())
}

/// Timeline of a subscription
///
/// Everything that happened around it, oldest first: its own changes, its orders and money, its calls.
#[utoipa::path(get, path = "/subscriptions/{id}/timeline", tag = "subscriptions", operation_id = "show_timeline",
    params(("id" = SubscriptionId, Path), PagingQuery), security(("bearer" = ["buyer.view"])),
    responses((status = OK, body = List<AuditEntry>)))]
async fn show_timeline(
    State(app): State<AppState>,
    buyer: Buyer<buyer::View>,
    Segment(id): Segment<SubscriptionId>,
    Paging(page): Paging,
) -> ApiResult<List<AuditEntry>> {
    let account = buyer.account();
    let timeline = async move |tx: &mut Tx| {
        subscriptions::get_of_buyer(tx, account, id).await?;
        views::timeline(tx, Some(account), id, &page).await
    };
    Ok(app.read(timeline).await?.into())
}

/// Set how it is renewed
///
/// By hand, automatically from the balance, or not at all.
#[utoipa::path(put, path = "/subscriptions/{id}/renewal", tag = "subscriptions", operation_id = "set_renewal",
    params(("id" = SubscriptionId, Path), IfMatchHeader), security(("bearer" = ["buyer.purchase"])),
    responses((status = OK, body = Subscription)))]
async fn set_renewal(
    State(app): State<AppState>,
    buyer: Buyer<buyer::Purchase>,
    Segment(id): Segment<SubscriptionId>,
    IfMatch(version): IfMatch,
    Json(renewal): Json<Renewal>,
) -> ApiResult<Tagged<Json<Subscription>>> {
    let May { principal, ctx, .. } = buyer;
    let market = app.market().clone();
    let set =
        async move |tx: &mut Tx| subscriptions::set_renewal(tx, &ctx, market.edition(), principal.account, id, version, renewal).await;
    Ok(tagged(app.write(set).await?))
}

/// Quote a renewal
///
/// What it costs now.
#[utoipa::path(post, path = "/subscriptions/{id}/renewal-quote", tag = "subscriptions", operation_id = "quote_renewal",
    params(("id" = SubscriptionId, Path)), security(("bearer" = ["buyer.view"])), responses((status = OK, body = Quote)))]
async fn quote_renewal(
    State(app): State<AppState>,
    buyer: Buyer<buyer::View>,
    Segment(id): Segment<SubscriptionId>,
    Json(input): Json<RenewalInput>,
) -> ApiResult<Json<Quote>> {
    let May { principal, ctx, .. } = buyer;
    let market = app.market().clone();
    let quote = async move |tx: &mut Tx| orders::quote_renewal(tx, &ctx, market.edition(), principal.account, id, &input).await;
    Ok(Json(app.read(quote).await?))
}

/// A renewal.
#[derive(Deserialize, utoipa::ToSchema)]
struct RenewInput {
    /// Months or years.
    period: Period,
    /// Another SKU of the same edition from the old end on; left out to stay. Only in the last days before the end.
    #[serde(default)]
    sku_id: Option<SkuId>,
    /// Another quantity from the old end on; left out to stay.
    #[serde(default)]
    quantity: Option<i64>,
    /// The total that was quoted, minor units: another price now is refused.
    expected_total_minor: Option<i64>,
}

/// Renew a subscription
///
/// Places the order; pay it next. The time begins at the old end. A renewal to another SKU or quantity asks the seller first.
#[utoipa::path(post, path = "/subscriptions/{id}/renew", tag = "subscriptions", operation_id = "renew_subscription",
    params(("id" = SubscriptionId, Path), OnceHeader), request_body = RenewInput, security(("bearer" = ["buyer.purchase"])),
    responses((status = CREATED, body = Order)))]
async fn renew_subscription(
    State(app): State<AppState>,
    buyer: Buyer<buyer::Purchase>,
    Segment(id): Segment<SubscriptionId>,
    input: Once<RenewInput>,
) -> ApiResult<Created<Value>> {
    let May { principal, ctx, .. } = buyer;
    let (key, input) = input.open(principal.account)?;
    let RenewInput { period, sku_id, quantity, expected_total_minor } = input;
    let input = RenewalInput { period, sku_id, quantity };
    if sku_id.is_some() || quantity.is_some() {
        // Sent again, it is answered without the seller, who may be down now.
        let known = key.clone();
        if let Some(order) = app.read(async move |tx: &mut Tx| idempotency::kept(tx, &known).await).await? {
            return Ok(created(order));
        }
        delivery::check_renewal(app.market(), &ctx, principal.account, id, &input).await?;
    }
    let act = Act { buyer: principal.account, ctx, key };
    Ok(created(acts::renew(&app, act, id, input, expected_total_minor).await?))
}

/// To what.
#[derive(Deserialize, utoipa::ToSchema)]
struct ChangeQuoteInput {
    /// Another SKU of the same edition, or the same.
    sku_id: SkuId,
    /// How many units of its quantity.
    quantity: i64,
}

/// Quote a change
///
/// What it costs now, for the time that is left.
#[utoipa::path(post, path = "/subscriptions/{id}/change-quote", tag = "subscriptions", operation_id = "quote_change",
    params(("id" = SubscriptionId, Path)), security(("bearer" = ["buyer.view"])), responses((status = OK, body = Quote)))]
async fn quote_change(
    State(app): State<AppState>,
    buyer: Buyer<buyer::View>,
    Segment(id): Segment<SubscriptionId>,
    Json(input): Json<ChangeQuoteInput>,
) -> ApiResult<Json<Quote>> {
    let May { principal, ctx, .. } = buyer;
    let market = app.market().clone();
    let quote = async move |tx: &mut Tx| {
        orders::quote_change(tx, &ctx, market.edition(), principal.account, id, input.sku_id, input.quantity).await
    };
    Ok(Json(app.read(quote).await?))
}

/// A change.
#[derive(Deserialize, utoipa::ToSchema)]
struct ChangeInput {
    /// Another SKU of the same edition, or the same.
    sku_id: SkuId,
    /// How many units of its quantity.
    quantity: i64,
    /// The total that was quoted, minor units: another price now is refused.
    expected_total_minor: Option<i64>,
}

/// Change a subscription
///
/// To another SKU or quantity, at once. Places the order; pay it soon, for its price falls with the time that is left.
#[utoipa::path(post, path = "/subscriptions/{id}/change", tag = "subscriptions", operation_id = "change_subscription",
    params(("id" = SubscriptionId, Path), OnceHeader), request_body = ChangeInput, security(("bearer" = ["buyer.purchase"])),
    responses((status = CREATED, body = Order)))]
async fn change_subscription(
    State(app): State<AppState>,
    buyer: Buyer<buyer::Purchase>,
    Segment(id): Segment<SubscriptionId>,
    input: Once<ChangeInput>,
) -> ApiResult<Created<Value>> {
    let May { principal, ctx, .. } = buyer;
    let (key, ChangeInput { sku_id, quantity, expected_total_minor }) = input.open(principal.account)?;
    let act = Act { buyer: principal.account, ctx, key };
    Ok(created(acts::change(&app, act, id, (sku_id, quantity), expected_total_minor).await?))
}

/// What a refund would give
///
/// Whether the subscription may be returned without a reason, for how much and until when.
#[utoipa::path(get, path = "/subscriptions/{id}/refund", tag = "subscriptions", operation_id = "show_refund_offer",
    params(("id" = SubscriptionId, Path)), security(("bearer" = ["buyer.view"])), responses((status = OK, body = RefundOffer)))]
async fn show_refund_offer(
    State(app): State<AppState>,
    buyer: Buyer<buyer::View>,
    Segment(id): Segment<SubscriptionId>,
) -> ApiResult<Json<RefundOffer>> {
    let May { principal, ctx, .. } = buyer;
    let market = app.market().clone();
    Ok(Json(app.read(async move |tx| refunds::offer(tx, &ctx, market.edition(), principal.account, id).await).await?))
}

/// Return a subscription
///
/// Without a reason: everything paid for it comes back, and the instance is released. Gives the refund order; a large one is `pending_review`
/// until the operator has decided.
#[utoipa::path(post, path = "/subscriptions/{id}/refund", tag = "subscriptions", operation_id = "refund_subscription",
    params(("id" = SubscriptionId, Path), OnceHeader), request_body = Nothing, security(("bearer" = ["buyer.purchase"])),
    responses((status = CREATED, body = Order)))]
async fn refund_subscription(
    State(app): State<AppState>,
    buyer: Buyer<buyer::Purchase>,
    Segment(id): Segment<SubscriptionId>,
    input: Once<Nothing>,
) -> ApiResult<Created<Value>> {
    let May { principal, ctx, .. } = buyer;
    let (key, Nothing {}) = input.open(principal.account)?;
    Ok(created(acts::give_back(&app, Act { buyer: principal.account, ctx, key }, id).await?))
}

/// Subscriptions of my customers
///
/// Newest first.
#[utoipa::path(get, path = "/seller/subscriptions", tag = "seller", operation_id = "list_seller_subscriptions", params(PagingQuery, SubscriptionFilter),
    security(("bearer" = ["seller.view"])), responses((status = OK, body = List<Subscription>)))]
async fn list_seller_subscriptions(
    State(app): State<AppState>,
    seller: Seller<seller::View>,
    Query(filter): Query<SubscriptionFilter>,
    Paging(page): Paging,
) -> ApiResult<List<Subscription>> {
    let whose = Whose::Seller(seller.account());
    Ok(app.read(async move |tx| subscriptions::list(tx, whose, filter.state, &page).await).await?.into())
}

async fn of_seller(tx: &mut Tx, seller: kernel::AccountId, id: SubscriptionId) -> db::Result<Subscription> {
    let found = subscriptions::get(tx, id).await?;
    if found.seller_id == seller { Ok(found) } else { Err(Refusal::new(Code::NotFound).into()) }
}

/// A subscription of a customer
#[utoipa::path(get, path = "/seller/subscriptions/{id}", tag = "seller", operation_id = "show_seller_subscription",
    params(("id" = SubscriptionId, Path)), security(("bearer" = ["seller.view"])), responses((status = OK, body = Subscription)))]
async fn show_seller_subscription(
    State(app): State<AppState>,
    seller: Seller<seller::View>,
    Segment(id): Segment<SubscriptionId>,
) -> ApiResult<Json<Subscription>> {
    let account = seller.account();
    Ok(Json(app.read(async move |tx| of_seller(tx, account, id).await).await?))
}

/// Timeline of a customer's subscription
///
/// Everything that happened around it, oldest first.
#[utoipa::path(get, path = "/seller/subscriptions/{id}/timeline", tag = "seller", operation_id = "show_seller_timeline",
    params(("id" = SubscriptionId, Path), PagingQuery), security(("bearer" = ["seller.view"])),
    responses((status = OK, body = List<AuditEntry>)))]
async fn show_seller_timeline(
    State(app): State<AppState>,
    seller: Seller<seller::View>,
    Segment(id): Segment<SubscriptionId>,
    Paging(page): Paging,
) -> ApiResult<List<AuditEntry>> {
    let account = seller.account();
    let timeline = async move |tx: &mut Tx| {
        of_seller(tx, account, id).await?;
        views::timeline(tx, Some(account), id, &page).await
    };
    Ok(app.read(timeline).await?.into())
}

/// Subscriptions
///
/// Of everybody, newest first.
#[utoipa::path(get, path = "/operator/subscriptions", tag = "operator", operation_id = "list_all_subscriptions", params(PagingQuery, SubscriptionFilter),
    security(("bearer" = ["operator.view"])), responses((status = OK, body = List<Subscription>)))]
async fn list_all_subscriptions(
    State(app): State<AppState>,
    _: Operator<operator::View>,
    Query(filter): Query<SubscriptionFilter>,
    Paging(page): Paging,
) -> ApiResult<List<Subscription>> {
    Ok(app.read(async move |tx| subscriptions::list(tx, Whose::Everybody, filter.state, &page).await).await?.into())
}

/// A subscription
#[utoipa::path(get, path = "/operator/subscriptions/{id}", tag = "operator", operation_id = "show_any_subscription",
    params(("id" = SubscriptionId, Path)), security(("bearer" = ["operator.view"])), responses((status = OK, body = Subscription)))]
async fn show_any_subscription(
    State(app): State<AppState>,
    _: Operator<operator::View>,
    Segment(id): Segment<SubscriptionId>,
) -> ApiResult<Json<Subscription>> {
    Ok(Json(app.read(async move |tx| subscriptions::get(tx, id).await).await?))
}

/// Timeline of any subscription
///
/// Everything that happened around it, oldest first.
#[utoipa::path(get, path = "/operator/subscriptions/{id}/timeline", tag = "operator", operation_id = "show_any_timeline",
    params(("id" = SubscriptionId, Path), PagingQuery), security(("bearer" = ["operator.view"])),
    responses((status = OK, body = List<AuditEntry>)))]
async fn show_any_timeline(
    State(app): State<AppState>,
    _: Operator<operator::View>,
    Segment(id): Segment<SubscriptionId>,
    Paging(page): Paging,
) -> ApiResult<List<AuditEntry>> {
    Ok(app.read(async move |tx| views::timeline(tx, None, id, &page).await).await?.into())
}

/// Freeze a subscription
///
/// For a violation. Its time goes on running; only the operator unfreezes it.
#[utoipa::path(post, path = "/operator/subscriptions/{id}/freeze", tag = "operator", operation_id = "freeze_subscription",
    params(("id" = SubscriptionId, Path)), security(("bearer" = ["operator.support"])), responses((status = OK, body = Subscription)))]
async fn freeze_subscription(
    State(app): State<AppState>,
    support: Operator<operator::Support>,
    Segment(id): Segment<SubscriptionId>,
    Json(input): Json<ReasonInput>,
) -> ApiResult<Json<Subscription>> {
    let (ctx, market) = (support.ctx, app.market().clone());
    Ok(Json(app.write(async move |tx| subscriptions::suspend(tx, &ctx, market.edition(), id, &input.reason).await).await?))
}

/// Unfreeze a subscription
///
/// It is in use again, unless it has ended meanwhile.
#[utoipa::path(post, path = "/operator/subscriptions/{id}/unfreeze", tag = "operator", operation_id = "unfreeze_subscription",
    params(("id" = SubscriptionId, Path)), security(("bearer" = ["operator.support"])), responses((status = OK, body = Subscription)))]
async fn unfreeze_subscription(
    State(app): State<AppState>,
    support: Operator<operator::Support>,
    Segment(id): Segment<SubscriptionId>,
) -> ApiResult<Json<Subscription>> {
    let (ctx, market) = (support.ctx, app.market().clone());
    Ok(Json(app.write(async move |tx| subscriptions::resume(tx, &ctx, market.edition(), id).await).await?))
}
