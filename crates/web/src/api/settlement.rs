//! Statements and payouts.

use axum::extract::State;
use db::Tx;
use kernel::{AccountId, Month, StatementId};
use market::settlement::{self, ItemState, SettlementItem, Statement, StatementLine, StatementState};
use serde::Deserialize;
use serde_json::Value;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::answer::List;
use crate::auth::{May, Operator, Seller, operator, seller};
use crate::extract::{Json, Once, OnceHeader, Paging, PagingQuery, Query, Segment, once};
use crate::problem::{ApiError, ApiResult};

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_own_statements))
        .routes(routes!(show_own_statement))
        .routes(routes!(list_own_statement_lines))
        .routes(routes!(list_sales))
        .routes(routes!(list_statements))
        .routes(routes!(show_statement))
        .routes(routes!(list_statement_lines))
        .routes(routes!(settle_month))
        .routes(routes!(record_payout))
}

/// Which statements.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct OwnStatementFilter {
    /// Only those that stand here.
    state: Option<StatementState>,
}

/// My statements
///
/// Newest first.
#[utoipa::path(get, path = "/seller/statements", tag = "seller", operation_id = "list_own_statements", params(PagingQuery, OwnStatementFilter),
    security(("bearer" = ["seller.finance"])), responses((status = OK, body = List<Statement>)))]
async fn list_own_statements(
    State(app): State<AppState>,
    seller: Seller<seller::Finance>,
    Query(filter): Query<OwnStatementFilter>,
    Paging(page): Paging,
) -> ApiResult<List<Statement>> {
    let account = Some(seller.account());
    Ok(app.read(async move |tx| settlement::statements(tx, account, filter.state, &page).await).await?.into())
}

/// One of my statements
#[utoipa::path(get, path = "/seller/statements/{id}", tag = "seller", operation_id = "show_own_statement", params(("id" = StatementId, Path)),
    security(("bearer" = ["seller.finance"])), responses((status = OK, body = Statement)))]
async fn show_own_statement(
    State(app): State<AppState>,
    seller: Seller<seller::Finance>,
    Segment(id): Segment<StatementId>,
) -> ApiResult<Json<Statement>> {
    let account = Some(seller.account());
    Ok(Json(app.read(async move |tx| settlement::statement(tx, account, id).await).await?))
}

/// The lines of one of my statements
#[utoipa::path(get, path = "/seller/statements/{id}/lines", tag = "seller", operation_id = "list_own_statement_lines",
    params(("id" = StatementId, Path), PagingQuery), security(("bearer" = ["seller.finance"])),
    responses((status = OK, body = List<StatementLine>)))]
async fn list_own_statement_lines(
    State(app): State<AppState>,
    seller: Seller<seller::Finance>,
    Segment(id): Segment<StatementId>,
    Paging(page): Paging,
) -> ApiResult<List<StatementLine>> {
    let account = Some(seller.account());
    let lines = async move |tx: &mut Tx| {
        settlement::statement(tx, account, id).await?;
        settlement::lines(tx, id, &page).await
    };
    Ok(app.read(lines).await?.into())
}

/// Which sales.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct SaleFilter {
    /// Only those that stand here.
    state: Option<ItemState>,
}

/// My sales and refunds
///
/// Newest first, with the statement that each is in.
#[utoipa::path(get, path = "/seller/sales", tag = "seller", operation_id = "list_sales", params(PagingQuery, SaleFilter),
    security(("bearer" = ["seller.finance"])), responses((status = OK, body = List<SettlementItem>)))]
async fn list_sales(
    State(app): State<AppState>,
    seller: Seller<seller::Finance>,
    Query(filter): Query<SaleFilter>,
    Paging(page): Paging,
) -> ApiResult<List<SettlementItem>> {
    let account = seller.account();
    Ok(app.read(async move |tx| settlement::items(tx, account, filter.state, &page).await).await?.into())
}

/// Which statements.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct StatementFilter {
    /// Only those that stand here.
    state: Option<StatementState>,
    /// Only those of this seller.
    seller_id: Option<AccountId>,
}

/// Statements
///
/// Of every seller, newest first.
#[utoipa::path(get, path = "/operator/statements", tag = "operator", operation_id = "list_statements", params(PagingQuery, StatementFilter),
    security(("bearer" = ["operator.finance"])), responses((status = OK, body = List<Statement>)))]
async fn list_statements(
    State(app): State<AppState>,
    _: Operator<operator::Finance>,
    Query(filter): Query<StatementFilter>,
    Paging(page): Paging,
) -> ApiResult<List<Statement>> {
    Ok(app.read(async move |tx| settlement::statements(tx, filter.seller_id, filter.state, &page).await).await?.into())
}

/// A statement
#[utoipa::path(get, path = "/operator/statements/{id}", tag = "operator", operation_id = "show_statement", params(("id" = StatementId, Path)),
    security(("bearer" = ["operator.finance"])), responses((status = OK, body = Statement)))]
async fn show_statement(
    State(app): State<AppState>,
    _: Operator<operator::Finance>,
    Segment(id): Segment<StatementId>,
) -> ApiResult<Json<Statement>> {
    Ok(Json(app.read(async move |tx| settlement::statement(tx, None, id).await).await?))
}

/// The lines of a statement
#[utoipa::path(get, path = "/operator/statements/{id}/lines", tag = "operator", operation_id = "list_statement_lines",
    params(("id" = StatementId, Path), PagingQuery), security(("bearer" = ["operator.finance"])),
    responses((status = OK, body = List<StatementLine>)))]
async fn list_statement_lines(
    State(app): State<AppState>,
    _: Operator<operator::Finance>,
    Segment(id): Segment<StatementId>,
    Paging(page): Paging,
) -> ApiResult<List<StatementLine>> {
    let lines = async move |tx: &mut Tx| {
        settlement::statement(tx, None, id).await?;
        settlement::lines(tx, id, &page).await
    };
    Ok(app.read(lines).await?.into())
}

/// Which month.
#[derive(Deserialize, utoipa::ToSchema)]
struct MonthInput {
    /// Such as `202601`.
    month: Month,
}

/// Settle a month
///
/// Makes the statements of every seller for a month that is over, as the monthly job does by itself, and gives the statements of that month.
/// Running it again changes nothing, and gives the next page. Many sellers take longer than one request may last: then the answer is
/// `unavailable`, the run goes on, and running it again tells how it ended.
#[utoipa::path(post, path = "/operator/settlements", tag = "operator", operation_id = "settle_month",
    params(PagingQuery), security(("bearer" = ["operator.finance"])), responses((status = OK, body = List<Statement>)))]
async fn settle_month(
    State(app): State<AppState>,
    finance: Operator<operator::Finance>,
    Paging(page): Paging,
    Json(input): Json<MonthInput>,
) -> ApiResult<List<Statement>> {
    let (market, ctx, month) = (app.market().clone(), finance.ctx, input.month);
    // On its own task: a caller that goes away must not leave half of the sellers without a statement.
    let running = tokio::spawn(async move { settlement::run_month(&market, &ctx, month).await });
    running.await.map_err(|fault| ApiError::Broken(Box::new(fault)))??;
    Ok(app.read(async move |tx| settlement::statements_of_month(tx, month, &page).await).await?.into())
}

/// A transfer that was made.
#[derive(Deserialize, utoipa::ToSchema)]
struct PayoutInput {
    /// The bank's reference of the transfer, 1 to 64 characters.
    bank_reference: String,
}

/// Record a payout
///
/// Records that a statement's sum was transferred to the seller's bank account, and tells the seller.
#[utoipa::path(post, path = "/operator/statements/{id}/payout", tag = "operator", operation_id = "record_payout",
    params(("id" = StatementId, Path), OnceHeader), request_body = PayoutInput, security(("bearer" = ["operator.finance"])),
    responses((status = OK, body = Statement)))]
async fn record_payout(
    State(app): State<AppState>,
    finance: Operator<operator::Finance>,
    Segment(id): Segment<StatementId>,
    input: Once<PayoutInput>,
) -> ApiResult<Json<Value>> {
    let May { principal, ctx, .. } = finance;
    let (key, input) = input.open(principal.account)?;
    let record = async move |tx: &mut Tx| {
        once(tx, &ctx, &key, async |tx: &mut Tx| settlement::record_payout(tx, &ctx, id, &input.bank_reference).await).await
    };
    Ok(Json(app.write(record).await?))
}
