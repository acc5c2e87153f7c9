//! What is shown of products: to buyers, to their seller, to the operator.

use db::{Result, Tx};
use kernel::{AccountId, AddressId, Code, Ctx, EditionId, ListingId, Money, PriceId, ProductId, Refusal, SkuId};
use serde::Serialize;

use super::content::{ChangeRule, ChargingMode, PriceUnit, ProductContent, QuantityRule, RefundRule, Texts};
use super::state::{ListingState, PartState, ProductState, Side};
use super::store;
use crate::edition::TaxKind;
use crate::page::{Page, PageRequest};

/// The most characters of a search.
pub const QUERY_MAX: usize = 100;

/// The least that has to be paid for something.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct PriceFrom {
    /// For one period of this unit; the shortest one that is sold.
    pub unit: PriceUnit,
    /// At the smallest quantity, tax included.
    pub price: Money,
}

/// A price of a SKU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct PriceView {
    /// Its id: the `productId` of the wire.
    pub id: PriceId,
    /// For how long.
    pub unit: PriceUnit,
    /// For one unit of quantity, tax included.
    pub price: Money,
}

/// A published SKU.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SkuView {
    /// Its id.
    pub id: SkuId,
    /// Sold or retired; buyers see the sold ones only.
    pub state: PartState,
    /// Its name.
    pub names: Texts,
    /// Which quantities can be bought.
    pub quantity: QuantityRule,
    /// What it costs; withdrawn prices are left out.
    pub prices: Vec<PriceView>,
    /// What it may be changed to; left out where any SKU of the edition is possible.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub change: Option<ChangeRule>,
}

/// A published edition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct EditionView {
    /// Its id.
    pub id: EditionId,
    /// Sold or retired; buyers see the sold ones only.
    pub state: PartState,
    /// Its name.
    pub names: Texts,
    /// How it is charged.
    pub charging_mode: ChargingMode,
    /// Which tax its price includes.
    pub tax_kind: TaxKind,
    /// Whether it can be returned.
    pub refund_rule: RefundRule,
    /// The production address that is called for it; buyers do not see it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address_id: Option<AddressId>,
    /// What can be bought of it.
    pub skus: Vec<SkuView>,
}

/// A product as a buyer sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ProductView {
    /// Its id.
    pub id: ProductId,
    /// Who sells it.
    pub seller_id: AccountId,
    /// On sale or hidden; its own seller also sees it retired.
    pub state: ProductState,
    /// Its name.
    pub names: Texts,
    /// A short selling text.
    pub overview: Texts,
    /// The description, Markdown as the seller wrote it: clean it before it is shown as HTML.
    pub description: Texts,
    /// Short points.
    pub highlights: Vec<Texts>,
    /// Where buyers write to.
    pub support_email: String,
    /// Where buyers call.
    pub support_phone: String,
    /// The least to pay; none when nothing of it is sold any more.
    pub price_from: Option<PriceFrom>,
    /// The variants, as the seller arranged them.
    pub editions: Vec<EditionView>,
    /// When it was first published, ms UTC.
    pub published_at: Option<i64>,
}

/// A product in a list of what is on sale.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ProductCard {
    /// Its id.
    pub id: ProductId,
    /// Who sells it.
    pub seller_id: AccountId,
    /// Its name.
    pub names: Texts,
    /// A short selling text.
    pub overview: Texts,
    /// Short points.
    pub highlights: Vec<Texts>,
    /// The least to pay.
    pub price_from: Option<PriceFrom>,
}

/// The last submission of a product.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct LastListing {
    /// Its id.
    pub id: ListingId,
    /// Counts the submissions of the product from 1.
    pub revision: i64,
    /// Where it stands.
    pub state: ListingState,
    /// When it was submitted, ms UTC.
    pub submitted_at: i64,
    /// When it was decided or withdrawn, ms UTC.
    pub decided_at: Option<i64>,
    /// Why it was rejected.
    pub reason: Option<String>,
}

/// A product in the list of its seller or of the operator.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ProductSummary {
    /// Its id.
    pub id: ProductId,
    /// Who sells it.
    pub seller_id: AccountId,
    /// Where it stands.
    pub state: ProductState,
    /// Who hid it, while it is hidden.
    pub hidden_by: Option<Side>,
    /// Its name: the published one, before the first approval the draft's.
    pub names: Texts,
    /// When it was made, ms UTC.
    pub created_at: i64,
    /// When it was first published, ms UTC.
    pub published_at: Option<i64>,
    /// When too many of its orders had failed in a month, ms UTC.
    pub flagged_at: Option<i64>,
    /// Goes up with every change.
    pub version: i64,
    /// Its last submission.
    pub last_listing: Option<LastListing>,
}

/// A product as its seller sees it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct SellerProduct {
    /// What the lists show of it.
    #[serde(flatten)]
    pub summary: ProductSummary,
    /// What the seller is writing.
    pub draft: ProductContent,
    /// What must still be filled in before it can be submitted: paths in the draft.
    pub missing: Vec<String>,
    /// What was last approved.
    pub content: Option<ProductContent>,
    /// What is published, with what was retired.
    pub editions: Vec<EditionView>,
    /// When it was retired, ms UTC.
    pub retired_at: Option<i64>,
}

kernel::words! {
    /// What a submission is about.
    pub enum SubmissionKind {
        /// The product was never published.
        New = "new",
        /// A published product changes.
        Change = "change",
    }
}

/// A submission in the operator's queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct ReviewItem {
    /// The submission.
    pub id: ListingId,
    /// The product.
    pub product_id: ProductId,
    /// Whose it is.
    pub seller_id: AccountId,
    /// Counts the submissions of the product from 1.
    pub revision: i64,
    /// The name in the submission.
    pub names: Texts,
    /// A new product or a change.
    pub kind: SubmissionKind,
    /// When it was submitted, ms UTC.
    pub submitted_at: i64,
    /// For how long it has been waiting, ms of market time; 0 once decided.
    pub age_ms: i64,
}

/// A submission with all that the operator decides upon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Review {
    /// What the queue shows of it.
    #[serde(flatten)]
    pub item: ReviewItem,
    /// Where it stands.
    pub state: ListingState,
    /// What was submitted; later changes of the draft are not in it.
    pub content: ProductContent,
    /// What is published now.
    pub published: Option<ProductContent>,
    /// When it was decided or withdrawn, ms UTC.
    pub decided_at: Option<i64>,
    /// Why it was rejected.
    pub reason: Option<String>,
}

fn not_found() -> db::Error {
    Refusal::new(Code::NotFound).into()
}

/// Everything published of a product, also what is retired.
pub(super) async fn all_editions(tx: &mut Tx, product: ProductId) -> Result<Vec<EditionView>> {
    let (skus, prices) = (store::skus(tx, product).await?, store::prices(tx, product).await?);
    let prices_of = |sku: SkuId| {
        let sold = prices.iter().filter(|p| p.sku_id == sku && p.withdrawn_at.is_none());
        let mut views: Vec<_> = sold.map(|p| PriceView { id: p.id, unit: p.unit, price: p.price }).collect();
        views.sort_by_key(|p| p.unit);
        views
    };
    let skus_of = |edition: EditionId| {
        skus.iter()
            .filter(|s| s.edition_id == edition)
            .map(|s| SkuView {
                id: s.id,
                state: s.state,
                names: s.names.clone(),
                quantity: s.quantity.clone(),
                prices: prices_of(s.id),
                change: s.change.clone(),
            })
            .collect()
    };
    let editions = store::editions(tx, product).await?;
    let view = |e: store::Edition| EditionView {
        skus: skus_of(e.id),
        id: e.id,
        state: e.state,
        names: e.names,
        charging_mode: e.charging_mode,
        tax_kind: e.tax_kind,
        refund_rule: e.refund_rule,
        address_id: Some(e.address_id),
    };
    Ok(editions.into_iter().map(view).collect())
}

/// The shortest unit's lowest price: what comes first in the order of units, then of amounts.
fn lowest(prices: impl Iterator<Item = (PriceUnit, Money)>) -> Option<PriceFrom> {
    prices.min_by_key(|(unit, price)| (*unit, price.minor)).map(|(unit, price)| PriceFrom { unit, price })
}

fn entry_price(editions: &[EditionView]) -> Option<PriceFrom> {
    let skus = editions.iter().flat_map(|e| &e.skus);
    // The limits of prices and quantities keep this product far below the bounds of money.
    lowest(skus.flat_map(|s| s.prices.iter().map(|p| (p.unit, Money::new(p.price.minor.saturating_mul(s.quantity.min), p.price.currency)))))
}

/// A product as `viewer` may see it: on sale or hidden for everybody, retired for its own seller.
///
/// # Errors
/// [`Code::NotFound`] also for what was never published.
pub async fn view(tx: &mut Tx, viewer: Option<AccountId>, id: ProductId) -> Result<ProductView> {
    let product = store::product(tx, id, None).await?.ok_or_else(not_found)?;
    let visible = match product.standing.state {
        ProductState::OnSale | ProductState::Hidden => true,
        ProductState::Retired => viewer == Some(product.seller_id),
        ProductState::Draft => false,
    };
    let content = product.content.filter(|_| visible).ok_or_else(not_found)?;
    let mut editions = all_editions(tx, id).await?;
    editions.retain(|e| e.state == PartState::Active);
    for edition in &mut editions {
        edition.address_id = None;
        edition.skus.retain(|s| s.state == PartState::Active);
    }
    Ok(ProductView {
        id,
        seller_id: product.seller_id,
        state: product.standing.state,
        names: content.names,
        overview: content.overview,
        description: content.description,
        highlights: content.highlights,
        support_email: content.support_email,
        support_phone: content.support_phone,
        price_from: entry_price(&editions),
        editions,
        published_at: product.published_at,
    })
}

/// What is on sale, newest first; only what has `query` in its name in either language, whatever the case, when one is given. Products
/// of which nothing is sold any more are left out.
///
/// # Errors
/// [`Code::FieldInvalid`] when the query is longer than [`QUERY_MAX`] characters.
pub async fn list_on_sale(tx: &mut Tx, query: Option<&str>, page: &PageRequest) -> Result<Page<ProductCard>> {
    let query = query.unwrap_or("").trim();
    if query.chars().count() > QUERY_MAX || query.contains('\0') {
        return Err(Refusal::field("query", format!("length:0-{QUERY_MAX}")).into());
    }
    let rows = page.cut(store::on_sale(tx, query, page).await?, |row| row.0.to_string());
    let prices = match (rows.items.last(), rows.items.first()) {
        (Some(oldest), Some(newest)) => store::entry_prices(tx, oldest.0, newest.0).await?,
        _ => Vec::new(),
    };
    let mut items = Vec::with_capacity(rows.items.len());
    for (id, seller_id, content) in rows.items {
        let content: ProductContent = serde_json::from_str(&content)?;
        let of_this = prices.iter().filter(|(product, ..)| *product == id);
        items.push(ProductCard {
            id,
            seller_id,
            names: content.names,
            overview: content.overview,
            highlights: content.highlights,
            price_from: lowest(of_this.map(|(_, unit, minor, currency)| (*unit, Money::new(*minor, *currency)))),
        });
    }
    Ok(Page { items, next: rows.next })
}

/// The products of `seller`, newest first.
///
/// # Errors
/// Those of the database.
pub async fn list_of_seller(
    tx: &mut Tx,
    seller: AccountId,
    state: Option<ProductState>,
    page: &PageRequest,
) -> Result<Page<ProductSummary>> {
    Ok(page.cut(store::products_of(tx, seller, state, page).await?, |p| p.id.to_string()))
}

/// The products of every seller, newest first, for the operator.
///
/// # Errors
/// Those of the database.
pub async fn list_all(tx: &mut Tx, state: Option<ProductState>, page: &PageRequest) -> Result<Page<ProductSummary>> {
    Ok(page.cut(store::products(tx, state, None, page).await?, |p| p.id.to_string()))
}

/// The products that were ever flagged for failed orders, newest product first, for the operator.
///
/// # Errors
/// Those of the database.
pub async fn list_flagged(tx: &mut Tx, page: &PageRequest) -> Result<Page<ProductSummary>> {
    Ok(page.cut(store::products(tx, None, Some(0), page).await?, |p| p.id.to_string()))
}

/// A product as its seller sees it.
///
/// # Errors
/// [`Code::NotFound`] when `seller` has no such product.
pub async fn get_of_seller(tx: &mut Tx, seller: AccountId, id: ProductId) -> Result<SellerProduct> {
    let product = store::product(tx, id, Some(seller)).await?.ok_or_else(not_found)?;
    with_everything(tx, product).await
}

/// A product as its seller sees it, for the operator.
///
/// # Errors
/// [`Code::NotFound`].
pub async fn get_any(tx: &mut Tx, id: ProductId) -> Result<SellerProduct> {
    let product = store::product(tx, id, None).await?.ok_or_else(not_found)?;
    with_everything(tx, product).await
}

async fn with_everything(tx: &mut Tx, product: store::Product) -> Result<SellerProduct> {
    let id = product.id;
    let last_listing = store::last_listing(tx, id).await?.map(|l| LastListing {
        id: l.id,
        revision: l.revision,
        state: l.state,
        submitted_at: l.submitted_at,
        decided_at: l.decided_at,
        reason: l.reason,
    });
    let summary = ProductSummary {
        id,
        seller_id: product.seller_id,
        state: product.standing.state,
        hidden_by: product.standing.hidden_by,
        names: product.names,
        created_at: product.created_at,
        published_at: product.published_at,
        flagged_at: product.flagged_at,
        version: product.version,
        last_listing,
    };
    Ok(SellerProduct {
        summary,
        missing: product.draft.missing(),
        draft: product.draft,
        content: product.content,
        editions: all_editions(tx, id).await?,
        retired_at: product.retired_at,
    })
}

const fn submission_kind(published_at: Option<i64>) -> SubmissionKind {
    if published_at.is_some() { SubmissionKind::Change } else { SubmissionKind::New }
}

/// What waits for the operator's decision, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn review_queue(tx: &mut Tx, ctx: &Ctx, page: &PageRequest) -> Result<Page<ReviewItem>> {
    let rows = page.cut(store::queue(tx, page).await?, |row| row.0.to_string());
    let mut items = Vec::with_capacity(rows.items.len());
    for (id, product_id, seller_id, revision, content, submitted_at, published_at) in rows.items {
        let content: ProductContent = serde_json::from_str(&content)?;
        let (kind, age_ms) = (submission_kind(published_at), (ctx.now - submitted_at).max(0));
        items.push(ReviewItem { id, product_id, seller_id, revision, names: content.names, kind, submitted_at, age_ms });
    }
    Ok(Page { items, next: rows.next })
}

/// A submission, for the operator.
///
/// # Errors
/// [`Code::NotFound`].
pub async fn review(tx: &mut Tx, ctx: &Ctx, id: ListingId) -> Result<Review> {
    let listing = store::listing(tx, id).await?.ok_or_else(not_found)?;
    let product = store::product(tx, listing.product_id, None).await?.ok_or_else(not_found)?;
    // Times would not tell: the clock of a sandbox may stand between a submission and its approval.
    let kind = if store::approved_before(tx, product.id, listing.revision).await? { SubmissionKind::Change } else { SubmissionKind::New };
    let age_ms = if listing.decided_at.is_some() { 0 } else { (ctx.now - listing.submitted_at).max(0) };
    let item = ReviewItem {
        id,
        product_id: product.id,
        seller_id: product.seller_id,
        revision: listing.revision,
        names: listing.content.names.clone(),
        kind,
        submitted_at: listing.submitted_at,
        age_ms,
    };
    Ok(Review {
        item,
        state: listing.state,
        content: listing.content,
        published: product.content,
        decided_at: listing.decided_at,
        reason: listing.reason,
    })
}
