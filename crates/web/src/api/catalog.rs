//! Products: as buyers see them, as their seller writes them, as the operator reviews them.

use axum::extract::State;
use db::Tx;
use kernel::{EditionId, ListingId, ProductId, Refusal, SkuId};
use market::catalog::{
    self, By, ProductCard, ProductContent, ProductState, ProductSummary, ProductView, Review, ReviewItem, SellerProduct,
};
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::sellers::ReasonInput;
use crate::AppState;
use crate::answer::{Created, Done, List, Tagged, created};
use crate::auth::{May, Operator, Seller, Visitor, operator, seller};
use crate::extract::{IfMatch, IfMatchHeader, Json, Made, MayOnce, MayOnceHeader, Paging, PagingQuery, Query, Segment, may_once};
use crate::problem::ApiResult;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(list_products))
        .routes(routes!(show_product))
        .routes(routes!(list_own_products, create_product))
        .routes(routes!(show_own_product, update_draft))
        .routes(routes!(submit_product))
        .routes(routes!(withdraw_submission))
        .routes(routes!(hide_own_product))
        .routes(routes!(unhide_own_product))
        .routes(routes!(retire_own_product))
        .routes(routes!(retire_own_edition))
        .routes(routes!(retire_own_sku))
        .routes(routes!(list_all_products))
        .routes(routes!(hide_product))
        .routes(routes!(unhide_product))
        .routes(routes!(retire_product))
        .routes(routes!(list_submissions))
        .routes(routes!(show_submission))
        .routes(routes!(approve_submission))
        .routes(routes!(reject_submission))
}

/// What is looked for.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct Search {
    /// Only products with this in their name, in either language, whatever the case; up to 100 characters.
    query: Option<String>,
}

/// Products on sale
///
/// Newest first. Open to everybody.
#[utoipa::path(get, path = "/products", tag = "products", operation_id = "list_products", params(PagingQuery, Search),
    responses((status = OK, body = List<ProductCard>)))]
async fn list_products(
    State(app): State<AppState>,
    _: Visitor,
    Query(search): Query<Search>,
    Paging(page): Paging,
) -> ApiResult<List<ProductCard>> {
    Ok(app.read(async move |tx| catalog::list_on_sale(tx, search.query.as_deref(), &page).await).await?.into())
}

/// A product
///
/// With its editions, SKUs and prices. Also a hidden one, for whoever knows its id. Open to everybody.
#[utoipa::path(get, path = "/products/{id}", tag = "products", operation_id = "show_product", params(("id" = ProductId, Path)),
    responses((status = OK, body = ProductView)))]
async fn show_product(State(app): State<AppState>, _: Visitor, Segment(id): Segment<ProductId>) -> ApiResult<Json<ProductView>> {
    Ok(Json(app.read(async move |tx| catalog::view(tx, None, id).await).await?))
}

/// Which products.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct OwnFilter {
    /// Only those that stand here.
    state: Option<ProductState>,
}

/// My products
///
/// Newest first.
#[utoipa::path(get, path = "/seller/products", tag = "seller", operation_id = "list_own_products", params(PagingQuery, OwnFilter),
    security(("bearer" = ["seller.view"])), responses((status = OK, body = List<ProductSummary>)))]
async fn list_own_products(
    State(app): State<AppState>,
    seller: Seller<seller::View>,
    Query(filter): Query<OwnFilter>,
    Paging(page): Paging,
) -> ApiResult<List<ProductSummary>> {
    let account = seller.account();
    Ok(app.read(async move |tx| catalog::list_of_seller(tx, account, filter.state, &page).await).await?.into())
}

fn tagged(product: SellerProduct) -> Tagged<Json<SellerProduct>> {
    Tagged::new(product.summary.version, Json(product))
}

/// Begin a product
///
/// With a draft, which may be unfinished. `missing` in the answer says what it still needs before it can be submitted.
#[utoipa::path(post, path = "/seller/products", tag = "seller", operation_id = "create_product", params(MayOnceHeader),
    request_body = ProductContent, security(("bearer" = ["seller.products"])), responses((status = CREATED, body = SellerProduct)))]
async fn create_product(
    State(app): State<AppState>,
    seller: Seller<seller::Products>,
    input: MayOnce<ProductContent>,
) -> ApiResult<Tagged<Created<Made<SellerProduct>>>> {
    let May { principal, ctx, .. } = seller;
    let (key, content) = input.open(principal.account)?;
    let create = async move |tx: &mut Tx| {
        may_once(tx, &ctx, key.as_ref(), async |tx: &mut Tx| catalog::create(tx, &ctx, principal.account, content.clone()).await).await
    };
    created("/api/v1/seller/products", app.write(create).await?)
}

/// One of my products
#[utoipa::path(get, path = "/seller/products/{id}", tag = "seller", operation_id = "show_own_product", params(("id" = ProductId, Path)),
    security(("bearer" = ["seller.view"])), responses((status = OK, body = SellerProduct)))]
async fn show_own_product(
    State(app): State<AppState>,
    seller: Seller<seller::View>,
    Segment(id): Segment<ProductId>,
) -> ApiResult<Tagged<Json<SellerProduct>>> {
    let account = seller.account();
    Ok(tagged(app.read(async move |tx| catalog::get_of_seller(tx, account, id).await).await?))
}

/// Save the draft
///
/// Replaces it. What is published and what is under review stay as they are.
#[utoipa::path(put, path = "/seller/products/{id}/draft", tag = "seller", operation_id = "update_draft",
    params(("id" = ProductId, Path), IfMatchHeader), security(("bearer" = ["seller.products"])),
    responses((status = OK, body = SellerProduct)))]
async fn update_draft(
    State(app): State<AppState>,
    seller: Seller<seller::Products>,
    Segment(id): Segment<ProductId>,
    IfMatch(version): IfMatch,
    Json(content): Json<ProductContent>,
) -> ApiResult<Tagged<Json<SellerProduct>>> {
    let May { principal, ctx, .. } = seller;
    let save = async move |tx: &mut Tx| catalog::update_draft(tx, &ctx, principal.account, id, content.clone(), version).await;
    Ok(tagged(app.write(save).await?))
}

/// Submit a product
///
/// A copy of the draft goes to the operator for review: the one that the caller has read, and not what somebody else made of it meanwhile.
#[utoipa::path(post, path = "/seller/products/{id}/submit", tag = "seller", operation_id = "submit_product",
    params(("id" = ProductId, Path), IfMatchHeader), security(("bearer" = ["seller.products"])),
    responses((status = OK, body = SellerProduct)))]
async fn submit_product(
    State(app): State<AppState>,
    seller: Seller<seller::Products>,
    Segment(id): Segment<ProductId>,
    IfMatch(version): IfMatch,
) -> ApiResult<Tagged<Json<SellerProduct>>> {
    let May { principal, ctx, .. } = seller;
    let submit = async move |tx: &mut Tx| {
        catalog::expect_version(tx, principal.account, id, version).await?;
        catalog::submit(tx, &ctx, principal.account, id).await
    };
    Ok(tagged(app.write(submit).await?))
}

/// Withdraw a submission
///
/// Takes the one under review back.
#[utoipa::path(post, path = "/seller/products/{id}/withdraw", tag = "seller", operation_id = "withdraw_submission",
    params(("id" = ProductId, Path)), security(("bearer" = ["seller.products"])), responses((status = OK, body = SellerProduct)))]
async fn withdraw_submission(
    State(app): State<AppState>,
    seller: Seller<seller::Products>,
    Segment(id): Segment<ProductId>,
) -> ApiResult<Tagged<Json<SellerProduct>>> {
    let May { principal, ctx, .. } = seller;
    Ok(tagged(app.write(async move |tx| catalog::withdraw(tx, &ctx, principal.account, id).await).await?))
}

/// What is to be retired for good.
#[derive(Deserialize, utoipa::ToSchema)]
struct RetireInput {
    /// Its id once more: nothing brings it back.
    confirm: String,
}

impl RetireInput {
    fn confirms(&self, id: &dyn std::fmt::Display) -> Result<(), Refusal> {
        if self.confirm == id.to_string() { Ok(()) } else { Err(Refusal::field("confirm", "confirm")) }
    }
}

/// Hide a product
///
/// It is in no list and no search, and still sold to whoever has its address.
#[utoipa::path(post, path = "/seller/products/{id}/hide", tag = "seller", operation_id = "hide_own_product",
    params(("id" = ProductId, Path)), security(("bearer" = ["seller.products"])), responses((status = OK, body = SellerProduct)))]
async fn hide_own_product(
    State(app): State<AppState>,
    seller: Seller<seller::Products>,
    Segment(id): Segment<ProductId>,
) -> ApiResult<Tagged<Json<SellerProduct>>> {
    let May { principal, ctx, .. } = seller;
    let hide = async move |tx: &mut Tx| {
        catalog::hide(tx, &ctx, By::Seller(principal.account), id).await?;
        catalog::get_of_seller(tx, principal.account, id).await
    };
    Ok(tagged(app.write(hide).await?))
}

/// Show a hidden product again
#[utoipa::path(post, path = "/seller/products/{id}/unhide", tag = "seller", operation_id = "unhide_own_product",
    params(("id" = ProductId, Path)), security(("bearer" = ["seller.products"])), responses((status = OK, body = SellerProduct)))]
async fn unhide_own_product(
    State(app): State<AppState>,
    seller: Seller<seller::Products>,
    Segment(id): Segment<ProductId>,
) -> ApiResult<Tagged<Json<SellerProduct>>> {
    let May { principal, ctx, .. } = seller;
    let unhide = async move |tx: &mut Tx| {
        catalog::show(tx, &ctx, By::Seller(principal.account), id).await?;
        catalog::get_of_seller(tx, principal.account, id).await
    };
    Ok(tagged(app.write(unhide).await?))
}

/// Retire a product
///
/// For good. Its subscriptions run to their end; they can be neither renewed nor changed.
#[utoipa::path(post, path = "/seller/products/{id}/retire", tag = "seller", operation_id = "retire_own_product",
    params(("id" = ProductId, Path)), security(("bearer" = ["seller.products"])), responses((status = OK, body = SellerProduct)))]
async fn retire_own_product(
    State(app): State<AppState>,
    seller: Seller<seller::Products>,
    Segment(id): Segment<ProductId>,
    Json(input): Json<RetireInput>,
) -> ApiResult<Tagged<Json<SellerProduct>>> {
    let May { principal, ctx, .. } = seller;
    input.confirms(&id)?;
    let retire = async move |tx: &mut Tx| {
        catalog::retire_product(tx, &ctx, By::Seller(principal.account), id).await?;
        catalog::get_of_seller(tx, principal.account, id).await
    };
    Ok(tagged(app.write(retire).await?))
}

/// Retire an edition
///
/// With all its SKUs, for good. The other editions of the product are not affected.
#[utoipa::path(post, path = "/seller/editions/{id}/retire", tag = "seller", operation_id = "retire_own_edition",
    params(("id" = EditionId, Path)), security(("bearer" = ["seller.products"])), responses((status = NO_CONTENT)))]
async fn retire_own_edition(
    State(app): State<AppState>,
    seller: Seller<seller::Products>,
    Segment(id): Segment<EditionId>,
    Json(input): Json<RetireInput>,
) -> ApiResult<Done> {
    let May { principal, ctx, .. } = seller;
    input.confirms(&id)?;
    app.write(async move |tx| catalog::retire_edition(tx, &ctx, By::Seller(principal.account), id).await).await?;
    Ok(Done)
}

/// Retire a SKU
///
/// For good. The last SKU of an edition takes the edition with it.
#[utoipa::path(post, path = "/seller/skus/{id}/retire", tag = "seller", operation_id = "retire_own_sku", params(("id" = SkuId, Path)),
    security(("bearer" = ["seller.products"])), responses((status = NO_CONTENT)))]
async fn retire_own_sku(
    State(app): State<AppState>,
    seller: Seller<seller::Products>,
    Segment(id): Segment<SkuId>,
    Json(input): Json<RetireInput>,
) -> ApiResult<Done> {
    let May { principal, ctx, .. } = seller;
    input.confirms(&id)?;
    app.write(async move |tx| catalog::retire_sku(tx, &ctx, By::Seller(principal.account), id).await).await?;
    Ok(Done)
}

/// Which products.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct ProductFilter {
    /// Only those that stand here.
    state: Option<ProductState>,
    /// Only those whose orders failed too often in a month; the state is not looked at then.
    #[serde(default)]
    #[param(required = false)]
    flagged: bool,
}

/// Products of every seller
///
/// Newest first.
#[utoipa::path(get, path = "/operator/products", tag = "operator", operation_id = "list_all_products", params(PagingQuery, ProductFilter),
    security(("bearer" = ["operator.view"])), responses((status = OK, body = List<ProductSummary>)))]
async fn list_all_products(
    State(app): State<AppState>,
    _: Operator<operator::View>,
    Query(filter): Query<ProductFilter>,
    Paging(page): Paging,
) -> ApiResult<List<ProductSummary>> {
    let list = async move |tx: &mut Tx| match filter {
        ProductFilter { flagged: true, .. } => catalog::list_flagged(tx, &page).await,
        ProductFilter { state, .. } => catalog::list_all(tx, state, &page).await,
    };
    Ok(app.read(list).await?.into())
}

/// Where a product stands now.
#[derive(Serialize, utoipa::ToSchema)]
struct Standing {
    /// Its state.
    state: ProductState,
}

/// Hide a seller's product
///
/// Only the operator can show it again.
#[utoipa::path(post, path = "/operator/products/{id}/hide", tag = "operator", operation_id = "hide_product",
    params(("id" = ProductId, Path)), security(("bearer" = ["operator.review"])), responses((status = OK, body = Standing)))]
async fn hide_product(
    State(app): State<AppState>,
    reviewer: Operator<operator::Review>,
    Segment(id): Segment<ProductId>,
) -> ApiResult<Json<Standing>> {
    let ctx = reviewer.ctx;
    let state = app.write(async move |tx| catalog::hide(tx, &ctx, By::Operator, id).await).await?;
    Ok(Json(Standing { state }))
}

/// Show a seller's hidden product again
#[utoipa::path(post, path = "/operator/products/{id}/unhide", tag = "operator", operation_id = "unhide_product",
    params(("id" = ProductId, Path)), security(("bearer" = ["operator.review"])), responses((status = OK, body = Standing)))]
async fn unhide_product(
    State(app): State<AppState>,
    reviewer: Operator<operator::Review>,
    Segment(id): Segment<ProductId>,
) -> ApiResult<Json<Standing>> {
    let ctx = reviewer.ctx;
    let state = app.write(async move |tx| catalog::show(tx, &ctx, By::Operator, id).await).await?;
    Ok(Json(Standing { state }))
}

/// Retire a seller's product
///
/// For good.
#[utoipa::path(post, path = "/operator/products/{id}/retire", tag = "operator", operation_id = "retire_product",
    params(("id" = ProductId, Path)), security(("bearer" = ["operator.review"])), responses((status = OK, body = Standing)))]
async fn retire_product(
    State(app): State<AppState>,
    reviewer: Operator<operator::Review>,
    Segment(id): Segment<ProductId>,
    Json(input): Json<RetireInput>,
) -> ApiResult<Json<Standing>> {
    let ctx = reviewer.ctx;
    input.confirms(&id)?;
    let state = app.write(async move |tx| catalog::retire_product(tx, &ctx, By::Operator, id).await).await?;
    Ok(Json(Standing { state }))
}

/// Submissions to decide
///
/// What waits for the operator's decision, oldest first.
#[utoipa::path(get, path = "/operator/listings", tag = "operator", operation_id = "list_submissions", params(PagingQuery),
    security(("bearer" = ["operator.view"])), responses((status = OK, body = List<ReviewItem>)))]
async fn list_submissions(
    State(app): State<AppState>,
    viewer: Operator<operator::View>,
    Paging(page): Paging,
) -> ApiResult<List<ReviewItem>> {
    let ctx = viewer.ctx;
    Ok(app.read(async move |tx| catalog::review_queue(tx, &ctx, &page).await).await?.into())
}

/// A submission
#[utoipa::path(get, path = "/operator/listings/{id}", tag = "operator", operation_id = "show_submission", params(("id" = ListingId, Path)),
    security(("bearer" = ["operator.view"])), responses((status = OK, body = Review)))]
async fn show_submission(
    State(app): State<AppState>,
    viewer: Operator<operator::View>,
    Segment(id): Segment<ListingId>,
) -> ApiResult<Json<Review>> {
    let ctx = viewer.ctx;
    Ok(Json(app.read(async move |tx| catalog::review(tx, &ctx, id).await).await?))
}

/// Approve a submission
///
/// Publishes it.
#[utoipa::path(post, path = "/operator/listings/{id}/approve", tag = "operator", operation_id = "approve_submission",
    params(("id" = ListingId, Path)), security(("bearer" = ["operator.review"])), responses((status = OK, body = Review)))]
async fn approve_submission(
    State(app): State<AppState>,
    reviewer: Operator<operator::Review>,
    Segment(id): Segment<ListingId>,
) -> ApiResult<Json<Review>> {
    let (ctx, market) = (reviewer.ctx, app.market().clone());
    Ok(Json(app.write(async move |tx| catalog::approve(tx, &ctx, market.edition(), id).await).await?))
}

/// Reject a submission
///
/// The seller reads the reason, changes the draft and submits again.
#[utoipa::path(post, path = "/operator/listings/{id}/reject", tag = "operator", operation_id = "reject_submission",
    params(("id" = ListingId, Path)), security(("bearer" = ["operator.review"])), responses((status = OK, body = Review)))]
async fn reject_submission(
    State(app): State<AppState>,
    reviewer: Operator<operator::Review>,
    Segment(id): Segment<ListingId>,
    Json(input): Json<ReasonInput>,
) -> ApiResult<Json<Review>> {
    let ctx = reviewer.ctx;
    Ok(Json(app.write(async move |tx| catalog::reject(tx, &ctx, id, &input.reason).await).await?))
}
