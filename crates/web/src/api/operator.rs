//! Running the market.

use axum::extract::State;
use db::Tx;
use kernel::{AccountId, Code, DepositId, Money, Refusal};
use market::accounts::{self, Account};
use market::audit::{self, AuditEntry};
use market::ledger::{self, Book, Deposit, Movement, NewDeposit, Transaction};
use market::settlement;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::answer::{Created, Done, List};
use crate::auth::{May, Operator, operator};
use crate::extract::{Json, Once, OnceHeader, Paging, PagingQuery, Query, Segment, once};
use crate::problem::ApiResult;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_accounts))
        .routes(routes!(show_account))
        .routes(routes!(list_deposits, record_deposit))
        .routes(routes!(show_deposit))
        .routes(routes!(list_book))
        .routes(routes!(list_transactions))
        .routes(routes!(list_audit))
        .routes(routes!(list_jobs))
        .routes(routes!(retry_job))
}

/// Which accounts.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct AccountFilter {
    /// Only those whose names begin with this, however it is typed; these come by name, the others oldest first.
    name: Option<String>,
}

/// Accounts
#[utoipa::path(get, path = "/operator/accounts", tag = "operator", operation_id = "list_accounts", params(PagingQuery, AccountFilter),
    security(("bearer" = ["operator.view"])), responses((status = OK, body = List<Account>)))]
async fn list_accounts(
    State(app): State<AppState>,
    _: Operator<operator::View>,
    Query(filter): Query<AccountFilter>,
    Paging(page): Paging,
) -> ApiResult<List<Account>> {
    Ok(app.read(async move |tx| accounts::list(tx, filter.name.as_deref(), &page).await).await?.into())
}

/// An account with its money.
#[derive(Serialize, utoipa::ToSchema)]
struct AccountReport {
    /// The account.
    account: Account,
    /// What it can spend as a buyer.
    balance: Money,
    /// What its sales came to that are not in a statement yet.
    pending: Money,
    /// What statements found payable to it.
    payable: Money,
}

/// An account
///
/// With its balance, and what is pending and payable to it as a seller.
#[utoipa::path(get, path = "/operator/accounts/{id}", tag = "operator", operation_id = "show_account", params(("id" = AccountId, Path)),
    security(("bearer" = ["operator.view"])), responses((status = OK, body = AccountReport)))]
async fn show_account(
    State(app): State<AppState>,
    _: Operator<operator::View>,
    Segment(id): Segment<AccountId>,
) -> ApiResult<Json<AccountReport>> {
    let currency = app.market().edition().currency;
    let report = async move |tx: &mut Tx| {
        let account = accounts::get(tx, id).await?;
        let (pending, payable) = settlement::standing(tx, id, currency).await?;
        Ok(AccountReport { account, balance: Money::new(ledger::wallet(tx, id, currency).await?, currency), pending, payable })
    };
    Ok(Json(app.read(report).await?))
}

/// Whose.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct OfAccount {
    /// Only those of this account.
    account_id: Option<AccountId>,
}

/// Deposits
///
/// Recorded bank transfers, newest first.
#[utoipa::path(get, path = "/operator/deposits", tag = "operator", operation_id = "list_deposits", params(PagingQuery, OfAccount),
    security(("bearer" = ["operator.finance"])), responses((status = OK, body = List<Deposit>)))]
async fn list_deposits(
    State(app): State<AppState>,
    _: Operator<operator::Finance>,
    Query(filter): Query<OfAccount>,
    Paging(page): Paging,
) -> ApiResult<List<Deposit>> {
    Ok(app.read(async move |tx| ledger::deposits(tx, filter.account_id, &page).await).await?.into())
}

/// A bank transfer that came in.
#[derive(Deserialize, utoipa::ToSchema)]
struct DepositInput {
    /// Whose balance it is for.
    account_id: AccountId,
    /// How much, more than nothing.
    amount: Money,
    /// The bank's reference of the transfer, 1 to 64 characters: the same transfer is recorded once.
    bank_reference: String,
    /// For the books, up to 500 characters.
    #[serde(default)]
    note: String,
}

/// Record a deposit
///
/// Adds a bank transfer to a buyer's balance.
#[utoipa::path(post, path = "/operator/deposits", tag = "operator", operation_id = "record_deposit", params(OnceHeader),
    request_body = DepositInput, security(("bearer" = ["operator.finance"])), responses((status = CREATED, body = Deposit)))]
async fn record_deposit(
    State(app): State<AppState>,
    operator: Operator<operator::Finance>,
    input: Once<DepositInput>,
) -> ApiResult<Created<Value>> {
    let May { principal, ctx, .. } = operator;
    let (key, input) = input.open(principal.account)?;
    let new = NewDeposit { account_id: input.account_id, amount: input.amount, bank_reference: input.bank_reference, note: input.note };
    let market = app.market().clone();
    let record = async move |tx: &mut Tx| {
        once(tx, &ctx, &key, async |tx: &mut Tx| {
            accounts::get(tx, new.account_id).await?;
            ledger::record_deposit(tx, &ctx, market.edition(), &new).await
        })
        .await
    };
    let deposit = app.write(record).await?;
    Ok(Created::at(format!("/api/v1/operator/deposits/{}", deposit["id"].as_str().unwrap_or_default()), deposit))
}

/// A deposit
#[utoipa::path(get, path = "/operator/deposits/{id}", tag = "operator", operation_id = "show_deposit", params(("id" = DepositId, Path)),
    security(("bearer" = ["operator.finance"])), responses((status = OK, body = Deposit)))]
async fn show_deposit(
    State(app): State<AppState>,
    _: Operator<operator::Finance>,
    Segment(id): Segment<DepositId>,
) -> ApiResult<Json<Deposit>> {
    Ok(Json(app.read(async move |tx| ledger::deposit(tx, id).await).await?))
}

/// Movements of a book
///
/// What came into a book of the ledger and went out, newest first. A book is `bank`, `platform-fee`, `tax`, or a kind and whose it is, such as
/// `buyer:acc_…`, `held:CS…`, `seller-pending:acc_…`, `seller-payable:acc_…`.
#[utoipa::path(get, path = "/operator/ledger/books/{book}/movements", tag = "operator", operation_id = "list_book",
    params(("book" = String, Path), PagingQuery), security(("bearer" = ["operator.finance"])),
    responses((status = OK, body = List<Movement>)))]
async fn list_book(
    State(app): State<AppState>,
    _: Operator<operator::Finance>,
    Segment(book): Segment<String>,
    Paging(page): Paging,
) -> ApiResult<List<Movement>> {
    let book: Book = book.parse().map_err(|_| crate::problem::ApiError::refused(Code::NotFound))?;
    Ok(app.read(async move |tx| ledger::movements(tx, &book, &page).await).await?.into())
}

/// What the transactions are for.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct TransactionFilter {
    /// An order number, a deposit or a statement.
    reference: String,
}

/// Transactions of an order, a deposit or a statement
///
/// With their postings, oldest first.
#[utoipa::path(get, path = "/operator/ledger/transactions", tag = "operator", operation_id = "list_transactions",
    params(PagingQuery, TransactionFilter), security(("bearer" = ["operator.finance"])), responses((status = OK, body = List<Transaction>)))]
async fn list_transactions(
    State(app): State<AppState>,
    _: Operator<operator::Finance>,
    Query(filter): Query<TransactionFilter>,
    Paging(page): Paging,
) -> ApiResult<List<Transaction>> {
    Ok(app.read(async move |tx| ledger::transactions_of(tx, &filter.reference, &page).await).await?.into())
}

/// The audit
///
/// Who changed what, newest first.
#[utoipa::path(get, path = "/operator/audit", tag = "operator", operation_id = "list_audit", params(PagingQuery, OfAccount),
    security(("bearer" = ["operator.view"])), responses((status = OK, body = List<AuditEntry>)))]
async fn list_audit(
    State(app): State<AppState>,
    _: Operator<operator::View>,
    Query(filter): Query<OfAccount>,
    Paging(page): Paging,
) -> ApiResult<List<AuditEntry>> {
    Ok(app.read(async move |tx| audit::search(tx, filter.account_id, &page).await).await?.into())
}

/// Work that waits.
#[derive(Serialize, utoipa::ToSchema)]
struct JobView {
    /// What is to be done.
    kind: String,
    /// To what.
    subject: String,
    /// When it is due, market ms UTC.
    due_at: i64,
    /// How often it has failed.
    tries: i64,
    /// Until when a worker holds it, ms UTC of the machine; 0 when none does.
    lease_until: i64,
    /// What the last failure said.
    last_error: Option<String>,
    /// Since when it waits for the operator, market ms UTC.
    stuck_at: Option<i64>,
}

impl From<db::jobs::JobReport> for JobView {
    fn from(report: db::jobs::JobReport) -> Self {
        let db::jobs::JobReport { job, lease_until, last_error, stuck_at } = report;
        Self { kind: job.kind, subject: job.subject, due_at: job.due_at, tries: job.tries, lease_until, last_error, stuck_at }
    }
}

/// Jobs
///
/// Everything that waits to be done, by kind and subject.
#[utoipa::path(get, path = "/operator/jobs", tag = "operator", operation_id = "list_jobs", params(PagingQuery),
    security(("bearer" = ["operator.view"])), responses((status = OK, body = List<JobView>)))]
async fn list_jobs(State(app): State<AppState>, _: Operator<operator::View>, Paging(page): Paging) -> ApiResult<List<JobView>> {
    let list = async move |tx: &mut Tx| {
        let after = page.after.split_once(' ').unwrap_or_default();
        let rows = db::jobs::list(tx, after, page.fetch()).await?;
        Ok(page.cut(rows.into_iter().map(JobView::from).collect(), |job| format!("{} {}", job.kind, job.subject)))
    };
    Ok(app.read(list).await?.into())
}

/// A job to be tried again.
#[derive(Deserialize, utoipa::ToSchema)]
struct JobKey {
    /// What is to be done.
    kind: String,
    /// To what.
    subject: String,
}

/// Try a job again
///
/// At once, whatever its failures; also one that waits for the operator.
#[utoipa::path(post, path = "/operator/jobs/retry", tag = "operator", operation_id = "retry_job", request_body = JobKey,
    security(("bearer" = ["operator.support"])), responses((status = NO_CONTENT)))]
async fn retry_job(State(app): State<AppState>, operator: Operator<operator::Support>, Json(key): Json<JobKey>) -> ApiResult<Done> {
    let May { ctx, .. } = operator;
    let retry = async move |tx: &mut Tx| {
        if !db::jobs::retry(tx, &key.kind, &key.subject, ctx.now).await? {
            return Err(Refusal::new(Code::NotFound).into());
        }
        audit::record(tx, &ctx, "jobs.retried", &format!("{} {}", key.kind, key.subject), &json!({})).await
    };
    app.write(retry).await?;
    Ok(Done)
}
