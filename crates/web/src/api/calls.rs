//! Calls to sellers' servers, with every attempt.

use axum::extract::State;
use db::Tx;
use kernel::{AccountId, DeliveryId, SubscriptionId};
use market::calls::{self, Attempt, Call, CallState};
use market::delivery;
use market::page::PageRequest;
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::answer::List;
use crate::auth::{May, Operator, Seller, operator, seller};
use crate::extract::{Json, Paging, PagingQuery, Query, Segment};
use crate::problem::ApiResult;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_calls))
        .routes(routes!(show_call))
        .routes(routes!(restart_call))
        .routes(routes!(replay_call))
        .routes(routes!(list_all_calls))
        .routes(routes!(show_any_call))
        .routes(routes!(restart_any_call))
}

/// Which calls.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct CallFilter {
    /// Only those that stand here.
    state: Option<CallState>,
    /// Only those for this subscription.
    subscription_id: Option<SubscriptionId>,
}

/// A call with a page of its attempts.
#[derive(Serialize, utoipa::ToSchema)]
struct CallReport {
    /// The call.
    call: Call,
    /// The requests that were made for it, newest first; signatures and passwords are masked.
    attempts: Vec<Attempt>,
    /// The `cursor` of the next page of attempts; null when this is the last.
    next: Option<String>,
}

impl CallReport {
    async fn of(tx: &mut Tx, call: Call, page: &PageRequest) -> db::Result<Self> {
        let List { items, next } = calls::attempts(tx, call.id, page).await?.into();
        Ok(Self { call, attempts: items, next })
    }
}

/// Calls to my servers
///
/// Newest first.
#[utoipa::path(get, path = "/seller/calls", tag = "seller", operation_id = "list_calls", params(PagingQuery, CallFilter),
    security(("bearer" = ["seller.view"])), responses((status = OK, body = List<Call>)))]
async fn list_calls(
    State(app): State<AppState>,
    seller: Seller<seller::View>,
    Query(filter): Query<CallFilter>,
    Paging(page): Paging,
) -> ApiResult<List<Call>> {
    let account = Some(seller.account());
    Ok(app.read(async move |tx| calls::list(tx, account, filter.state, filter.subscription_id, &page).await).await?.into())
}

/// A call to my server
///
/// With the requests that were made for it and their answers, newest first.
#[utoipa::path(get, path = "/seller/calls/{id}", tag = "seller", operation_id = "show_call", params(("id" = DeliveryId, Path), PagingQuery),
    security(("bearer" = ["seller.view"])), responses((status = OK, body = CallReport)))]
async fn show_call(
    State(app): State<AppState>,
    seller: Seller<seller::View>,
    Segment(id): Segment<DeliveryId>,
    Paging(page): Paging,
) -> ApiResult<Json<CallReport>> {
    let account = seller.account();
    let report = async move |tx: &mut Tx| {
        let call = calls::get_of(tx, account, id).await?;
        CallReport::of(tx, call, &page).await
    };
    Ok(Json(app.read(report).await?))
}

/// Restart a call
///
/// Has it tried again at once: one that waits, or one that was given up.
#[utoipa::path(post, path = "/seller/calls/{id}/restart", tag = "seller", operation_id = "restart_call", params(("id" = DeliveryId, Path)),
    security(("bearer" = ["seller.develop"])), responses((status = OK, body = Call)))]
async fn restart_call(
    State(app): State<AppState>,
    seller: Seller<seller::Develop>,
    Segment(id): Segment<DeliveryId>,
) -> ApiResult<Json<Call>> {
    let May { principal, ctx, .. } = seller;
    Ok(Json(app.write(async move |tx| calls::restart(tx, &ctx, Some(principal.account), id).await).await?))
}

/// Replay a call
///
/// Sends its request once more for debugging, signed anew and marked as a test, so that it changes nothing at the seller and nothing here.
/// Gives the attempt.
#[utoipa::path(post, path = "/seller/calls/{id}/replay", tag = "seller", operation_id = "replay_call", params(("id" = DeliveryId, Path)),
    security(("bearer" = ["seller.develop"])), responses((status = OK, body = Attempt)))]
async fn replay_call(
    State(app): State<AppState>,
    seller: Seller<seller::Develop>,
    Segment(id): Segment<DeliveryId>,
) -> ApiResult<Json<Attempt>> {
    Ok(Json(delivery::replay(app.market(), &seller.ctx, seller.account(), id).await?))
}

/// Which calls.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct AnyCallFilter {
    /// Only those that stand here.
    state: Option<CallState>,
    /// Only those for this subscription.
    subscription_id: Option<SubscriptionId>,
    /// Only those to this seller.
    seller_id: Option<AccountId>,
}

/// Calls to sellers' servers
///
/// Newest first.
#[utoipa::path(get, path = "/operator/calls", tag = "operator", operation_id = "list_all_calls", params(PagingQuery, AnyCallFilter),
    security(("bearer" = ["operator.view"])), responses((status = OK, body = List<Call>)))]
async fn list_all_calls(
    State(app): State<AppState>,
    _: Operator<operator::View>,
    Query(filter): Query<AnyCallFilter>,
    Paging(page): Paging,
) -> ApiResult<List<Call>> {
    let AnyCallFilter { state, subscription_id, seller_id } = filter;
    Ok(app.read(async move |tx| calls::list(tx, seller_id, state, subscription_id, &page).await).await?.into())
}

/// A call to a seller's server
///
/// With the requests that were made for it and their answers, newest first.
#[utoipa::path(get, path = "/operator/calls/{id}", tag = "operator", operation_id = "show_any_call", params(("id" = DeliveryId, Path), PagingQuery),
    security(("bearer" = ["operator.view"])), responses((status = OK, body = CallReport)))]
async fn show_any_call(
    State(app): State<AppState>,
    _: Operator<operator::View>,
    Segment(id): Segment<DeliveryId>,
    Paging(page): Paging,
) -> ApiResult<Json<CallReport>> {
    let report = async move |tx: &mut Tx| {
        let call = calls::get(tx, id).await?;
        CallReport::of(tx, call, &page).await
    };
    Ok(Json(app.read(report).await?))
}

/// Restart a seller's call
///
/// Has it tried again at once: one that waits, or one that was given up. The seller's server is taken to be back.
#[utoipa::path(post, path = "/operator/calls/{id}/restart", tag = "operator", operation_id = "restart_any_call",
    params(("id" = DeliveryId, Path)), security(("bearer" = ["operator.support"])), responses((status = OK, body = Call)))]
async fn restart_any_call(
    State(app): State<AppState>,
    operator: Operator<operator::Support>,
    Segment(id): Segment<DeliveryId>,
) -> ApiResult<Json<Call>> {
    let ctx = operator.ctx;
    Ok(Json(app.write(async move |tx| calls::restart(tx, &ctx, None, id).await).await?))
}
