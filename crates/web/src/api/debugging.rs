//! Interface debugging: requests that sellers try out against their own servers, and the test cases that they keep of them.

use axum::extract::State;
use kernel::{AddressId, DebugCaseId, DebugTryId};
use market::debugging::{self, Attempted, DebugScene, Parameters, Signing, TestCase, Try};
use serde::Deserialize;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::answer::{Created, Done, List};
use crate::auth::{May, Seller, seller};
use crate::extract::{Json, Paging, PagingQuery, Query, Segment};
use crate::problem::ApiResult;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_debug_tries, try_request))
        .routes(routes!(show_debug_try))
        .routes(routes!(list_debug_cases, save_debug_case))
        .routes(routes!(show_debug_case, delete_debug_case))
        .routes(routes!(run_debug_case))
}

/// What is to be tried.
#[derive(Deserialize, utoipa::ToSchema)]
struct DebugInput {
    /// The production address, one of the seller's.
    address_id: AddressId,
    /// What is tried there.
    scene: DebugScene,
    /// How it is signed: `right` when left out, `forged` to see that the server refuses what is not ours.
    #[serde(default = "right")]
    #[schema(required = false)]
    signing: Signing,
    /// What is filled in, by field; left out, something sensible is.
    parameters: Option<Parameters>,
}

const fn right() -> Signing {
    Signing::Right
}

/// Requests that were tried
///
/// Newest first. The last 500 are kept.
#[utoipa::path(get, path = "/seller/debug/tries", tag = "seller", operation_id = "list_debug_tries", params(PagingQuery),
    security(("bearer" = ["seller.develop"])), responses((status = OK, body = List<Try>)))]
async fn list_debug_tries(State(app): State<AppState>, seller: Seller<seller::Develop>, Paging(page): Paging) -> ApiResult<List<Try>> {
    let account = seller.account();
    Ok(app.read(async move |tx| debugging::list(tx, account, &page).await).await?.into())
}

/// Try a request
///
/// Sends it to the seller's server, marked as a test (`testFlag` is 1) and signed with the key of the address, and judges the answer. Nothing of
/// the business changes.
#[utoipa::path(post, path = "/seller/debug/tries", tag = "seller", operation_id = "try_request",
    security(("bearer" = ["seller.develop"])), responses((status = CREATED, body = Try)))]
async fn try_request(
    State(app): State<AppState>,
    seller: Seller<seller::Develop>,
    Json(input): Json<DebugInput>,
) -> ApiResult<Created<Try>> {
    let May { principal, ctx, .. } = seller;
    let DebugInput { address_id, scene, signing, parameters } = input;
    let parameters = parameters.unwrap_or_else(|| scene.prefilled(None, ctx.now));
    let attempted = Attempted { address: address_id, scene, signing, parameters, case: None };
    let tried = debugging::run(app.market(), &ctx, principal.account, attempted).await?;
    Ok(Created::at(format!("/api/v1/seller/debug/tries/{}", tried.id), tried))
}

/// A request that was tried
#[utoipa::path(get, path = "/seller/debug/tries/{id}", tag = "seller", operation_id = "show_debug_try", params(("id" = DebugTryId, Path)),
    security(("bearer" = ["seller.develop"])), responses((status = OK, body = Try)))]
async fn show_debug_try(
    State(app): State<AppState>,
    seller: Seller<seller::Develop>,
    Segment(id): Segment<DebugTryId>,
) -> ApiResult<Json<Try>> {
    let account = seller.account();
    Ok(Json(app.read(async move |tx| debugging::get(tx, account, id).await).await?))
}

/// Which test cases.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct CaseFilter {
    /// Only those of this production address.
    address_id: Option<AddressId>,
}

/// Test cases
///
/// Oldest first, with how the last run of each went.
#[utoipa::path(get, path = "/seller/debug/cases", tag = "seller", operation_id = "list_debug_cases", params(PagingQuery, CaseFilter),
    security(("bearer" = ["seller.develop"])), responses((status = OK, body = List<TestCase>)))]
async fn list_debug_cases(
    State(app): State<AppState>,
    seller: Seller<seller::Develop>,
    Query(filter): Query<CaseFilter>,
    Paging(page): Paging,
) -> ApiResult<List<TestCase>> {
    let account = seller.account();
    Ok(app.read(async move |tx| debugging::cases(tx, account, filter.address_id, &page).await).await?.into())
}

/// What is to be kept.
#[derive(Deserialize, utoipa::ToSchema)]
struct CaseInput {
    /// The try: it must have passed.
    try_id: DebugTryId,
    /// What it is called, 1 to 60 characters, once at its address.
    name: String,
}

/// Keep a try as a test case
#[utoipa::path(post, path = "/seller/debug/cases", tag = "seller", operation_id = "save_debug_case",
    security(("bearer" = ["seller.develop"])), responses((status = CREATED, body = TestCase)))]
async fn save_debug_case(
    State(app): State<AppState>,
    seller: Seller<seller::Develop>,
    Json(input): Json<CaseInput>,
) -> ApiResult<Created<TestCase>> {
    let May { principal, ctx, .. } = seller;
    let save = async move |tx: &mut db::Tx| debugging::save_case(tx, &ctx, principal.account, input.try_id, &input.name).await;
    let case = app.write(save).await?;
    Ok(Created::at(format!("/api/v1/seller/debug/cases/{}", case.id), case))
}

/// A test case
#[utoipa::path(get, path = "/seller/debug/cases/{id}", tag = "seller", operation_id = "show_debug_case", params(("id" = DebugCaseId, Path)),
    security(("bearer" = ["seller.develop"])), responses((status = OK, body = TestCase)))]
async fn show_debug_case(
    State(app): State<AppState>,
    seller: Seller<seller::Develop>,
    Segment(id): Segment<DebugCaseId>,
) -> ApiResult<Json<TestCase>> {
    let account = seller.account();
    Ok(Json(app.read(async move |tx| debugging::get_case(tx, account, id).await).await?))
}

/// Delete a test case
#[utoipa::path(delete, path = "/seller/debug/cases/{id}", tag = "seller", operation_id = "delete_debug_case",
    params(("id" = DebugCaseId, Path)), security(("bearer" = ["seller.develop"])), responses((status = NO_CONTENT)))]
async fn delete_debug_case(
    State(app): State<AppState>,
    seller: Seller<seller::Develop>,
    Segment(id): Segment<DebugCaseId>,
) -> ApiResult<Done> {
    let May { principal, ctx, .. } = seller;
    app.write(async move |tx| debugging::delete_case(tx, &ctx, principal.account, id).await).await?;
    Ok(Done)
}

/// Run a test case again
#[utoipa::path(post, path = "/seller/debug/cases/{id}/run", tag = "seller", operation_id = "run_debug_case",
    params(("id" = DebugCaseId, Path)), security(("bearer" = ["seller.develop"])), responses((status = OK, body = Try)))]
async fn run_debug_case(
    State(app): State<AppState>,
    seller: Seller<seller::Develop>,
    Segment(id): Segment<DebugCaseId>,
) -> ApiResult<Json<Try>> {
    Ok(Json(debugging::run_case(app.market(), &seller.ctx, seller.account(), id).await?))
}
