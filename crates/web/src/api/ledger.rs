//! What the ledger says for itself: keys, signed heads, and proofs for whom they concern.
//!
//! Keys and heads are for everybody: a head that is shown to some and not to others proves nothing. They tell how many entries the ledger has
//! and nothing of what is in them.

use axum::extract::State;
use db::Tx;
use kernel::{AccountId, StatementId};
use market::ledger::{self, HeadView, LogKey};
use market::subscriptions::Whose;
use market::{orders, settlement};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use wire::proof::{Consistency, Inclusion, ProofSubject};

use crate::AppState;
use crate::answer::List;
use crate::auth::{Buyer, Operator, Seller, Visitor, buyer, operator, seller};
use crate::extract::{Json, Paging, PagingQuery, Query, Segment};
use crate::problem::{ApiResult, PROBLEM_JSON, Problem};

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_ledger_keys))
        .routes(routes!(list_ledger_heads))
        .routes(routes!(show_newest_ledger_head))
        .routes(routes!(prove_ledger_growth))
        .routes(routes!(prove_order))
        .routes(routes!(prove_seller_order))
        .routes(routes!(prove_any_order))
        .routes(routes!(prove_own_statement))
        .routes(routes!(prove_own_payout))
        .routes(routes!(prove_statement))
        .routes(routes!(prove_payout))
}

/// Public keys of the ledger
///
/// The keys with which the heads of the ledger are and were signed, newest first. Keep the current one somewhere else: it is what
/// `yunshi verify --proof FILE --key KEY` trusts.
#[utoipa::path(get, path = "/ledger/keys", tag = "ledger", operation_id = "list_ledger_keys", responses((status = OK, body = List<LogKey>)))]
async fn list_ledger_keys(State(app): State<AppState>, _: Visitor) -> ApiResult<List<LogKey>> {
    let items = app.read(async |tx| ledger::keys(tx).await).await?;
    Ok(List { items, next: None })
}

/// Signed heads
///
/// What the marketplace said its whole ledger was, hour by hour, newest first.
#[utoipa::path(get, path = "/ledger/heads", tag = "ledger", operation_id = "list_ledger_heads", params(PagingQuery),
    responses((status = OK, body = List<HeadView>)))]
async fn list_ledger_heads(State(app): State<AppState>, _: Visitor, Paging(page): Paging) -> ApiResult<List<HeadView>> {
    Ok(app.read(async move |tx| ledger::heads(tx, &page).await).await?.into())
}

/// The newest signed head
#[utoipa::path(get, path = "/ledger/heads/newest", tag = "ledger", operation_id = "show_newest_ledger_head",
    responses((status = OK, body = HeadView), (status = CONFLICT, description = "Nothing was signed yet", body = Problem, content_type = PROBLEM_JSON)))]
async fn show_newest_ledger_head(State(app): State<AppState>, _: Visitor) -> ApiResult<Json<HeadView>> {
    Ok(Json(app.read(async |tx| ledger::newest_head(tx).await).await?))
}

/// Which two heads.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Growth {
    /// The number of entries of the older head.
    first: i64,
    /// That of the newer one; the newest when left out.
    second: Option<i64>,
}

/// Prove that the ledger was only added to
///
/// The proof that the ledger of a newer head begins with the whole ledger of an older one (RFC 6962 §2.1.2). Save it as a file for
/// `yunshi verify --proof FILE`.
#[utoipa::path(get, path = "/ledger/growth", tag = "ledger", operation_id = "prove_ledger_growth", params(Growth),
    responses((status = OK, body = Consistency), (status = NOT_FOUND, description = "No head was signed over so many entries", body = Problem, content_type = PROBLEM_JSON)))]
async fn prove_ledger_growth(State(app): State<AppState>, _: Visitor, Query(growth): Query<Growth>) -> ApiResult<Json<Consistency>> {
    let Growth { first, second } = growth;
    Ok(Json(app.read(async move |tx| ledger::prove_growth(tx, first, second).await).await?))
}

/// Prove one of my orders
///
/// What the ledger holds of the order, with the way to a signed head: a file that `yunshi verify --proof FILE` checks without this marketplace.
/// The newest hour is under no head yet.
#[utoipa::path(get, path = "/orders/{number}/proof", tag = "orders", operation_id = "prove_order", params(("number" = String, Path)),
    security(("bearer" = ["buyer.view"])), responses((status = OK, body = Inclusion)))]
async fn prove_order(
    State(app): State<AppState>,
    buyer: Buyer<buyer::View>,
    Segment(number): Segment<String>,
) -> ApiResult<Json<Inclusion>> {
    order_proof(&app, Whose::Buyer(buyer.account()), number).await
}

/// Prove an order of my products
///
/// As buyers prove theirs.
#[utoipa::path(get, path = "/seller/orders/{number}/proof", tag = "seller", operation_id = "prove_seller_order",
    params(("number" = String, Path)), security(("bearer" = ["seller.view"])), responses((status = OK, body = Inclusion)))]
async fn prove_seller_order(
    State(app): State<AppState>,
    seller: Seller<seller::View>,
    Segment(number): Segment<String>,
) -> ApiResult<Json<Inclusion>> {
    order_proof(&app, Whose::Seller(seller.account()), number).await
}

/// Prove any order
#[utoipa::path(get, path = "/operator/orders/{number}/proof", tag = "operator", operation_id = "prove_any_order",
    params(("number" = String, Path)), security(("bearer" = ["operator.view"])), responses((status = OK, body = Inclusion)))]
async fn prove_any_order(
    State(app): State<AppState>,
    _: Operator<operator::View>,
    Segment(number): Segment<String>,
) -> ApiResult<Json<Inclusion>> {
    order_proof(&app, Whose::Everybody, number).await
}

/// Prove one of my statements
///
/// What it moved in the ledger and, once it is paid, its payout.
#[utoipa::path(get, path = "/seller/statements/{id}/proof", tag = "seller", operation_id = "prove_own_statement",
    params(("id" = StatementId, Path)), security(("bearer" = ["seller.finance"])), responses((status = OK, body = Inclusion)))]
async fn prove_own_statement(
    State(app): State<AppState>,
    seller: Seller<seller::Finance>,
    Segment(id): Segment<StatementId>,
) -> ApiResult<Json<Inclusion>> {
    statement_proof(&app, Some(seller.account()), id, ProofSubject::Statement).await
}

/// Prove the payout of one of my statements
#[utoipa::path(get, path = "/seller/statements/{id}/payout/proof", tag = "seller", operation_id = "prove_own_payout",
    params(("id" = StatementId, Path)), security(("bearer" = ["seller.finance"])), responses((status = OK, body = Inclusion)))]
async fn prove_own_payout(
    State(app): State<AppState>,
    seller: Seller<seller::Finance>,
    Segment(id): Segment<StatementId>,
) -> ApiResult<Json<Inclusion>> {
    statement_proof(&app, Some(seller.account()), id, ProofSubject::Payout).await
}

/// Prove a statement
#[utoipa::path(get, path = "/operator/statements/{id}/proof", tag = "operator", operation_id = "prove_statement",
    params(("id" = StatementId, Path)), security(("bearer" = ["operator.finance"])), responses((status = OK, body = Inclusion)))]
async fn prove_statement(
    State(app): State<AppState>,
    _: Operator<operator::Finance>,
    Segment(id): Segment<StatementId>,
) -> ApiResult<Json<Inclusion>> {
    statement_proof(&app, None, id, ProofSubject::Statement).await
}

/// Prove the payout of a statement
#[utoipa::path(get, path = "/operator/statements/{id}/payout/proof", tag = "operator", operation_id = "prove_payout",
    params(("id" = StatementId, Path)), security(("bearer" = ["operator.finance"])), responses((status = OK, body = Inclusion)))]
async fn prove_payout(
    State(app): State<AppState>,
    _: Operator<operator::Finance>,
    Segment(id): Segment<StatementId>,
) -> ApiResult<Json<Inclusion>> {
    statement_proof(&app, None, id, ProofSubject::Payout).await
}

/// What the ledger holds of an order, for whom it concerns.
async fn order_proof(app: &AppState, whose: Whose, number: String) -> ApiResult<Json<Inclusion>> {
    let prove = async move |tx: &mut Tx| {
        match whose {
            Whose::Buyer(account) => orders::get_of_buyer(tx, account, &number).await?,
            Whose::Seller(account) => orders::get_of_seller(tx, account, &number).await?,
            Whose::Everybody => orders::get(tx, &number).await?,
        };
        ledger::prove(tx, ProofSubject::Order, &number).await
    };
    Ok(Json(app.read(prove).await?))
}

/// What the ledger holds of a statement or its payout: of a seller's own, or of anybody's.
async fn statement_proof(app: &AppState, seller: Option<AccountId>, id: StatementId, subject: ProofSubject) -> ApiResult<Json<Inclusion>> {
    let prove = async move |tx: &mut Tx| {
        settlement::statement(tx, seller, id).await?;
        ledger::prove(tx, subject, &id.to_string()).await
    };
    Ok(Json(app.read(prove).await?))
}
