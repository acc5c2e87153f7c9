//! What an account has and what happened in it: balance, movements, deposits, messages, history.

use axum::extract::State;
use kernel::{Money, NoticeId};
use market::audit::{self, AuditEntry};
use market::ledger::{self, Book, Deposit, Movement};
use market::notices::{self, Notice};
use serde::Serialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::answer::{Done, List};
use crate::auth::{Buyer, May, SignedIn, buyer};
use crate::extract::{Json, Paging, PagingQuery, Segment};
use crate::problem::ApiResult;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(show_balance))
        .routes(routes!(list_movements))
        .routes(routes!(list_own_deposits))
        .routes(routes!(list_notices))
        .routes(routes!(read_notice))
        .routes(routes!(list_history))
}

/// A balance.
#[derive(Serialize, utoipa::ToSchema)]
struct Balance {
    /// What can be spent.
    balance: Money,
}

/// The balance
///
/// What the account can spend.
#[utoipa::path(get, path = "/balance", tag = "account", operation_id = "show_balance", security(("bearer" = ["buyer.view"])),
    responses((status = OK, body = Balance)))]
async fn show_balance(State(app): State<AppState>, buyer: Buyer<buyer::View>) -> ApiResult<Json<Balance>> {
    let (account, currency) = (buyer.account(), app.market().edition().currency);
    let minor = app.read(async move |tx| ledger::wallet(tx, account, currency).await).await?;
    Ok(Json(Balance { balance: Money::new(minor, currency) }))
}

/// Movements of the balance
///
/// What came in and went out, newest first.
#[utoipa::path(get, path = "/balance/movements", tag = "account", operation_id = "list_movements", params(PagingQuery),
    security(("bearer" = ["buyer.view"])), responses((status = OK, body = List<Movement>)))]
async fn list_movements(State(app): State<AppState>, buyer: Buyer<buyer::View>, Paging(page): Paging) -> ApiResult<List<Movement>> {
    let book = Book::Buyer(buyer.account());
    Ok(app.read(async move |tx| ledger::movements(tx, &book, &page).await).await?.into())
}

/// Deposits
///
/// The bank transfers that were recorded for the account, newest first.
#[utoipa::path(get, path = "/balance/deposits", tag = "account", operation_id = "list_own_deposits", params(PagingQuery),
    security(("bearer" = ["buyer.view"])), responses((status = OK, body = List<Deposit>)))]
async fn list_own_deposits(State(app): State<AppState>, buyer: Buyer<buyer::View>, Paging(page): Paging) -> ApiResult<List<Deposit>> {
    let account = Some(buyer.account());
    Ok(app.read(async move |tx| ledger::deposits(tx, account, &page).await).await?.into())
}

/// Messages
///
/// What happened or will, newest first. The language of the reader makes the text from `kind` and `args`.
#[utoipa::path(get, path = "/notices", tag = "account", operation_id = "list_notices", params(PagingQuery), security(("bearer" = [])),
    responses((status = OK, body = List<Notice>)))]
async fn list_notices(State(app): State<AppState>, me: SignedIn, Paging(page): Paging) -> ApiResult<List<Notice>> {
    let account = me.principal.account;
    Ok(app.read(async move |tx| notices::inbox(tx, account, &page).await).await?.into())
}

/// Mark a message as read
#[utoipa::path(post, path = "/notices/{id}/read", tag = "account", operation_id = "read_notice", params(("id" = NoticeId, Path)),
    security(("bearer" = [])), responses((status = NO_CONTENT)))]
async fn read_notice(State(app): State<AppState>, me: SignedIn, Segment(id): Segment<NoticeId>) -> ApiResult<Done> {
    let SignedIn { principal, ctx } = me;
    app.write(async move |tx| notices::mark_read(tx, &ctx, principal.account, id).await).await?;
    Ok(Done)
}

/// History
///
/// Who of the account changed what, newest first.
#[utoipa::path(get, path = "/history", tag = "account", operation_id = "list_history", params(PagingQuery),
    security(("bearer" = ["buyer.manage"])), responses((status = OK, body = List<AuditEntry>)))]
async fn list_history(State(app): State<AppState>, manager: Buyer<buyer::Manage>, Paging(page): Paging) -> ApiResult<List<AuditEntry>> {
    let May { principal, .. } = manager;
    Ok(app.read(async move |tx| audit::search(tx, Some(principal.account), &page).await).await?.into())
}
