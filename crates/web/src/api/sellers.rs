//! Becoming a seller; signing keys and production addresses.

use axum::extract::State;
use db::Tx;
use kernel::{AccountId, AddressId, Refusal, SellerKeyId};
use market::sellers::{
    self, Address, AddressInput, Application, BankAccount, CheckedUrl, Decision, Dialect, Seller as SellerView, SellerDetails, SellerKey,
    SellerState, Usage,
};
use serde::{Deserialize, Serialize};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::AppState;
use crate::answer::{Created, List, Tagged, created};
use crate::auth::{Buyer, May, Operator, Seller, applicant, buyer, operator, seller};
use crate::extract::{IfMatch, IfMatchHeader, Json, Made, MayOnce, MayOnceHeader, Paging, PagingQuery, Query, Segment, may_once};
use crate::problem::ApiResult;

pub(crate) fn routes() -> OpenApiRouter<AppState> {
    OpenApiRouter::new()
        .routes(routes!(show_application, apply))
        .routes(routes!(update_seller))
        .routes(routes!(list_signing_keys, create_signing_key))
        .routes(routes!(show_signing_key))
        .routes(routes!(retire_signing_key))
        .routes(routes!(list_addresses, create_address))
        .routes(routes!(show_address, update_address))
        .routes(routes!(retire_address))
        .routes(routes!(list_sellers))
        .routes(routes!(show_seller))
        .routes(routes!(approve_seller))
        .routes(routes!(reject_seller))
        .routes(routes!(reveal_bank_account))
}

fn tagged(seller: SellerView) -> Tagged<Json<SellerView>> {
    Tagged::new(seller.version, Json(seller))
}

/// The account's application to sell
#[utoipa::path(get, path = "/seller/application", tag = "seller", operation_id = "show_application",
    security(("bearer" = ["buyer.manage"]), ("bearer" = ["seller.view"])), responses((status = OK, body = SellerView)))]
async fn show_application(State(app): State<AppState>, may: May<applicant::View>) -> ApiResult<Tagged<Json<SellerView>>> {
    let account = may.account();
    Ok(tagged(app.read(async move |tx| sellers::get(tx, account).await).await?))
}

/// Apply to sell
///
/// For the first time, or again after a rejection. The operator decides.
#[utoipa::path(post, path = "/seller/application", tag = "seller", operation_id = "apply", security(("bearer" = ["buyer.manage"])),
    responses((status = CREATED, body = SellerView)))]
async fn apply(
    State(app): State<AppState>,
    manager: Buyer<buyer::Manage>,
    Json(application): Json<Application>,
) -> ApiResult<Created<SellerView>> {
    let May { principal, ctx, .. } = manager;
    let market = app.market().clone();
    let act = async move |tx: &mut Tx| sellers::apply(tx, &ctx, market.vault(), principal.account, application.clone()).await;
    Ok(Created::at("/api/v1/seller/application", app.write(act).await?))
}

/// Change the seller's details
///
/// What needs no new review. A new company name needs a new application.
#[utoipa::path(put, path = "/seller/details", tag = "seller", operation_id = "update_seller", params(IfMatchHeader),
    security(("bearer" = ["seller.manage"])), responses((status = OK, body = SellerView)))]
async fn update_seller(
    State(app): State<AppState>,
    manager: Seller<seller::Manage>,
    IfMatch(version): IfMatch,
    Json(details): Json<SellerDetails>,
) -> ApiResult<Tagged<Json<SellerView>>> {
    let May { principal, ctx, .. } = manager;
    let market = app.market().clone();
    let change =
        async move |tx: &mut Tx| sellers::update_details(tx, &ctx, market.vault(), principal.account, details.clone(), version).await;
    Ok(tagged(app.write(change).await?))
}

/// Signing keys
///
/// The keys that sign the marketplace's calls to the seller's server, oldest first, with the retired ones.
#[utoipa::path(get, path = "/seller/signing-keys", tag = "seller", operation_id = "list_signing_keys", params(PagingQuery),
    security(("bearer" = ["seller.develop"])), responses((status = OK, body = List<SellerKey>)))]
async fn list_signing_keys(
    State(app): State<AppState>,
    seller: Seller<seller::Develop>,
    Paging(page): Paging,
) -> ApiResult<List<SellerKey>> {
    let account = seller.account();
    Ok(app.read(async move |tx| sellers::keys(tx, account, &page).await).await?.into())
}

/// A new signing key.
#[derive(Deserialize, utoipa::ToSchema)]
struct SigningKeyInput {
    /// What it is called, 1 to 60 characters.
    name: String,
    /// A key that the seller's server knows already, 8 to 128 visible ASCII characters; left out, the marketplace makes one.
    #[schema(format = Password)]
    key: Option<String>,
}

/// A new signing key with what signs.
#[derive(Serialize, utoipa::ToSchema)]
struct SigningKeyCreated {
    /// The key; shown this once.
    secret: String,
    /// What is shown of it later.
    key: SellerKey,
}

/// Create a signing key
///
/// The key is shown this once.
#[utoipa::path(post, path = "/seller/signing-keys", tag = "seller", operation_id = "create_signing_key",
    security(("bearer" = ["seller.develop"])), responses((status = CREATED, body = SigningKeyCreated)))]
async fn create_signing_key(
    State(app): State<AppState>,
    seller: Seller<seller::Develop>,
    Json(input): Json<SigningKeyInput>,
) -> ApiResult<Created<SigningKeyCreated>> {
    let May { principal, ctx, .. } = seller;
    let market = app.market().clone();
    let create =
        async move |tx: &mut Tx| sellers::create_key(tx, &ctx, market.vault(), principal.account, &input.name, input.key.clone()).await;
    let (key, secret) = app.write(create).await?;
    Ok(Created::at(format!("/api/v1/seller/signing-keys/{}", key.id), SigningKeyCreated { secret, key }))
}

/// A signing key
///
/// Without what signs; also one that was retired.
#[utoipa::path(get, path = "/seller/signing-keys/{id}", tag = "seller", operation_id = "show_signing_key",
    params(("id" = SellerKeyId, Path)), security(("bearer" = ["seller.develop"])), responses((status = OK, body = SellerKey)))]
async fn show_signing_key(
    State(app): State<AppState>,
    seller: Seller<seller::Develop>,
    Segment(id): Segment<SellerKeyId>,
) -> ApiResult<Json<SellerKey>> {
    let account = seller.account();
    Ok(Json(app.read(async move |tx| sellers::get_key(tx, account, id).await).await?))
}

/// Retire a signing key
///
/// No further address may name it. Refused while a live address does.
#[utoipa::path(post, path = "/seller/signing-keys/{id}/retire", tag = "seller", operation_id = "retire_signing_key",
    params(("id" = SellerKeyId, Path)), security(("bearer" = ["seller.develop"])), responses((status = OK, body = SellerKey)))]
async fn retire_signing_key(
    State(app): State<AppState>,
    seller: Seller<seller::Develop>,
    Segment(id): Segment<SellerKeyId>,
) -> ApiResult<Json<SellerKey>> {
    let May { principal, ctx, .. } = seller;
    Ok(Json(app.write(async move |tx| sellers::retire_key(tx, &ctx, principal.account, id).await).await?))
}

/// Production addresses
///
/// Where the marketplace calls the seller's servers, oldest first, with the retired ones.
#[utoipa::path(get, path = "/seller/addresses", tag = "seller", operation_id = "list_addresses", params(PagingQuery),
    security(("bearer" = ["seller.view"])), responses((status = OK, body = List<Address>)))]
async fn list_addresses(State(app): State<AppState>, seller: Seller<seller::View>, Paging(page): Paging) -> ApiResult<List<Address>> {
    let account = seller.account();
    Ok(app.read(async move |tx| sellers::addresses(tx, account, &page).await).await?.into())
}

/// A production address.
#[derive(Deserialize, utoipa::ToSchema)]
struct ProductionAddressInput {
    /// What it is called, 1 to 60 characters.
    name: String,
    /// Where calls go: a public HTTPS address.
    url: String,
    /// How the server speaks.
    dialect: Dialect,
    /// The key that signs the calls: a live one of the seller.
    key_id: SellerKeyId,
}

impl ProductionAddressInput {
    fn checked(self, app: &AppState) -> Result<AddressInput, Refusal> {
        let policy = app.settings().production_addresses;
        let allowed = |url: &str| outbound::check_url(url, policy).map(drop).map_err(|refused| refused.word().to_owned());
        let url: CheckedUrl = sellers::check_url(&self.url, &allowed)?;
        Ok(AddressInput { name: self.name, url, dialect: self.dialect, key_id: self.key_id })
    }
}

fn address_tagged(address: Address) -> Tagged<Json<Address>> {
    Tagged::new(address.version, Json(address))
}

/// Register a production address
#[utoipa::path(post, path = "/seller/addresses", tag = "seller", operation_id = "create_address", params(MayOnceHeader),
    request_body = ProductionAddressInput, security(("bearer" = ["seller.develop"])), responses((status = CREATED, body = Address)))]
async fn create_address(
    State(app): State<AppState>,
    seller: Seller<seller::Develop>,
    input: MayOnce<ProductionAddressInput>,
) -> ApiResult<Tagged<Created<Made<Address>>>> {
    let May { principal, ctx, .. } = seller;
    let (key, input) = input.open(principal.account)?;
    let input = input.checked(&app)?;
    let create = async move |tx: &mut Tx| {
        may_once(tx, &ctx, key.as_ref(), async |tx: &mut Tx| sellers::create_address(tx, &ctx, principal.account, input.clone()).await)
            .await
    };
    created("/api/v1/seller/addresses", app.write(create).await?)
}

/// A production address
#[utoipa::path(get, path = "/seller/addresses/{id}", tag = "seller", operation_id = "show_address", params(("id" = AddressId, Path)),
    security(("bearer" = ["seller.view"])), responses((status = OK, body = Address)))]
async fn show_address(
    State(app): State<AppState>,
    seller: Seller<seller::View>,
    Segment(id): Segment<AddressId>,
) -> ApiResult<Tagged<Json<Address>>> {
    let account = seller.account();
    Ok(address_tagged(app.read(async move |tx| sellers::get_address(tx, account, id).await).await?))
}

/// Change a production address
///
/// For every call from now on, also those of running subscriptions.
#[utoipa::path(put, path = "/seller/addresses/{id}", tag = "seller", operation_id = "update_address",
    params(("id" = AddressId, Path), IfMatchHeader), security(("bearer" = ["seller.develop"])), responses((status = OK, body = Address)))]
async fn update_address(
    State(app): State<AppState>,
    seller: Seller<seller::Develop>,
    Segment(id): Segment<AddressId>,
    IfMatch(version): IfMatch,
    Json(input): Json<ProductionAddressInput>,
) -> ApiResult<Tagged<Json<Address>>> {
    let May { principal, ctx, .. } = seller;
    let input = input.checked(&app)?;
    let change = async move |tx: &mut Tx| sellers::update_address(tx, &ctx, principal.account, id, input.clone(), version).await;
    Ok(address_tagged(app.write(change).await?))
}

/// Retire a production address
///
/// No further product may name it; running subscriptions are still called there. Refused while a product that is sold names it.
#[utoipa::path(post, path = "/seller/addresses/{id}/retire", tag = "seller", operation_id = "retire_address",
    params(("id" = AddressId, Path)), security(("bearer" = ["seller.develop"])), responses((status = OK, body = Address)))]
async fn retire_address(
    State(app): State<AppState>,
    seller: Seller<seller::Develop>,
    Segment(id): Segment<AddressId>,
) -> ApiResult<Tagged<Json<Address>>> {
    let May { principal, ctx, .. } = seller;
    let retire = async move |tx: &mut Tx| {
        let usage = if market::catalog::address_in_use(tx, id).await? { Usage::InUse } else { Usage::Unused };
        sellers::retire_address(tx, &ctx, principal.account, id, usage).await
    };
    Ok(address_tagged(app.write(retire).await?))
}

/// Which applications.
#[derive(Deserialize, utoipa::IntoParams)]
#[into_params(parameter_in = Query)]
struct SellerFilter {
    /// Only those that stand here.
    state: Option<SellerState>,
}

/// Sellers and applications
#[utoipa::path(get, path = "/operator/sellers", tag = "operator", operation_id = "list_sellers", params(PagingQuery, SellerFilter),
    security(("bearer" = ["operator.view"])), responses((status = OK, body = List<SellerView>)))]
async fn list_sellers(
    State(app): State<AppState>,
    _: Operator<operator::View>,
    Query(filter): Query<SellerFilter>,
    Paging(page): Paging,
) -> ApiResult<List<SellerView>> {
    Ok(app.read(async move |tx| sellers::list(tx, filter.state, &page).await).await?.into())
}

/// A seller or applicant
#[utoipa::path(get, path = "/operator/sellers/{id}", tag = "operator", operation_id = "show_seller", params(("id" = AccountId, Path)),
    security(("bearer" = ["operator.view"])), responses((status = OK, body = SellerView)))]
async fn show_seller(
    State(app): State<AppState>,
    _: Operator<operator::View>,
    Segment(id): Segment<AccountId>,
) -> ApiResult<Tagged<Json<SellerView>>> {
    Ok(tagged(app.read(async move |tx| sellers::get(tx, id).await).await?))
}

/// Approve an application
///
/// The account may sell; its owners get the seller's roles.
#[utoipa::path(post, path = "/operator/sellers/{id}/approve", tag = "operator", operation_id = "approve_seller",
    params(("id" = AccountId, Path)), security(("bearer" = ["operator.review"])), responses((status = OK, body = SellerView)))]
async fn approve_seller(
    State(app): State<AppState>,
    reviewer: Operator<operator::Review>,
    Segment(id): Segment<AccountId>,
) -> ApiResult<Tagged<Json<SellerView>>> {
    let ctx = reviewer.ctx;
    Ok(tagged(app.write(async move |tx| sellers::decide(tx, &ctx, id, Decision::Approve).await).await?))
}

/// Why not.
#[derive(Deserialize, utoipa::ToSchema)]
pub(super) struct ReasonInput {
    /// 1 to 500 characters; whom it concerns reads it.
    pub(super) reason: String,
}

/// Reject an application
///
/// The account reads the reason and may apply again.
#[utoipa::path(post, path = "/operator/sellers/{id}/reject", tag = "operator", operation_id = "reject_seller",
    params(("id" = AccountId, Path)), security(("bearer" = ["operator.review"])), responses((status = OK, body = SellerView)))]
async fn reject_seller(
    State(app): State<AppState>,
    reviewer: Operator<operator::Review>,
    Segment(id): Segment<AccountId>,
    Json(input): Json<ReasonInput>,
) -> ApiResult<Tagged<Json<SellerView>>> {
    let ctx = reviewer.ctx;
    let decide = async move |tx: &mut Tx| sellers::decide(tx, &ctx, id, Decision::Reject { reason: input.reason.clone() }).await;
    Ok(tagged(app.write(decide).await?))
}

/// Show a seller's bank account
///
/// In full, for whoever makes the transfer. Leaves a trace in the audit.
#[utoipa::path(post, path = "/operator/sellers/{id}/bank-account", tag = "operator", operation_id = "reveal_bank_account",
    params(("id" = AccountId, Path)), security(("bearer" = ["operator.finance"])), responses((status = OK, body = BankAccount)))]
async fn reveal_bank_account(
    State(app): State<AppState>,
    finance: Operator<operator::Finance>,
    Segment(id): Segment<AccountId>,
) -> ApiResult<Json<BankAccount>> {
    let (ctx, market) = (finance.ctx, app.market().clone());
    Ok(Json(app.write(async move |tx| sellers::reveal_bank_account(tx, &ctx, market.vault(), id).await).await?))
}
