//! The catalogue: products with their editions, SKUs and prices, from a draft over the operator's review to sale and retirement
//! (spec: business §3.5, §3.7).
//!
//! A seller writes a draft ([`ProductContent`]). [`submit`] freezes a copy of it as a listing, [`approve`] makes of that copy the rows
//! which are sold. So what was reviewed is what is published, whatever the draft has become meanwhile.
//!
//! Invariants: nothing is sold that was not approved. An id of an edition, SKU or price names the same thing for good: nothing that was
//! published is deleted or comes back once retired, an edition keeps its charging mode and a SKU the step of its quantity. Orders copy the
//! price and the texts of an [`Offer`], so a later change never touches them.
//!
//! Leaves out: attributes, tiered prices, purchase restrictions, pictures, categories, trials, the operator's restriction for some months,
//! the delay of price increases, and the difference between two revisions (later issues).

mod content;
mod state;
mod store;
#[cfg(test)]
mod tests;
mod views;

use std::collections::BTreeSet;

use db::{OnConstraint, Result, Tx, jobs};
use kernel::{AccountId, AddressId, Code, Ctx, EditionId, ListingId, Money, PriceId, ProductId, Refusal, SkuId};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::audit;
use crate::edition::{Edition, TaxKind};
use crate::notices::{self, NoticeKind};
use crate::sellers;

pub use content::{
    ChangeRule, ChargingMode, DESCRIPTION_MAX, EDITIONS_MAX, EditionContent, HIGHLIGHT_MAX, HIGHLIGHTS_MAX, NAME_MAX, NAME_MIN,
    OVERVIEW_MAX, PART_NAME_MIN, PRICE_MAX_MINOR, PRICES_MAX, PriceContent, PriceUnit, ProductContent, QUANTITY_MAX, QUANTITY_UNIT_MAX,
    QuantityRule, RefundRule, SCALING_STEPS_MAX, SKUS_MAX, SUPPORT_MAX, SkuContent, Texts,
};
pub use state::{
    LISTING_TABLE, ListingEvent, ListingRow, ListingState, PRODUCT_TABLE, PartState, ProductEvent, ProductRow, ProductState, Purpose, Side,
    Standing, decide_listing, decide_product,
};
pub use views::{
    EditionView, LastListing, PriceFrom, PriceView, ProductCard, ProductSummary, ProductView, QUERY_MAX, Review, ReviewItem, SellerProduct,
    SkuView, SubmissionKind, get_any, get_of_seller, list_all, list_flagged, list_of_seller, list_on_sale, review, review_queue, view,
};

use content::invalid;
use state::{Published, PublishedEdition, check_revision, retired_ids, sells};

/// The job of what follows when a product, an edition or a SKU is taken off the market for good; its subject is the id.
pub const RETIRED_JOB: &str = "catalog.retired";

/// The most characters of the reason of a rejection. `[ours]`
pub const REASON_MAX: usize = 500;

/// What a bought thing is called: copied into orders and subscriptions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Names {
    /// The product.
    pub product: Texts,
    /// The edition.
    pub edition: Texts,
    /// The SKU.
    pub sku: Texts,
}

impl Names {
    /// The name that sellers' servers are told: `product,edition,sku`, in Chinese where there is a Chinese name.
    #[must_use]
    pub fn wire(&self) -> String {
        [&self.product, &self.edition, &self.sku].map(|texts| texts.pick(kernel::Locale::ZhCn)).join(",")
    }
}

/// What is bought: where it stands in the catalogue, and its names at that moment. Orders and subscriptions keep a copy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Item {
    /// The product.
    pub product_id: ProductId,
    /// The edition.
    pub edition_id: EditionId,
    /// The SKU.
    pub sku_id: SkuId,
    /// The price: the `productId` of the wire.
    pub price_id: PriceId,
    /// The production address that is called.
    pub address_id: AddressId,
    /// What it is called.
    pub names: Names,
    /// How it is charged.
    pub charging_mode: ChargingMode,
}

impl db::FromRow for Item {
    fn from_row(row: &mut db::Row) -> Result<Self> {
        Ok(Self {
            product_id: row.take()?,
            edition_id: row.take()?,
            sku_id: row.take()?,
            price_id: row.take()?,
            address_id: row.take()?,
            names: serde_json::from_str(&row.take::<String>()?)?,
            charging_mode: row.take()?,
        })
    }
}

/// A SKU at a price, with everything an order keeps a copy of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Offer {
    /// What is offered.
    #[serde(flatten)]
    pub item: Item,
    /// Who sells it.
    pub seller_id: AccountId,
    /// For how long the price is.
    pub unit: PriceUnit,
    /// For one unit of quantity and one unit of time, tax included.
    pub unit_price: Money,
    /// Which tax it includes.
    pub tax_kind: TaxKind,
    /// Whether it can be returned.
    pub refund_rule: RefundRule,
    /// Which quantities can be bought.
    pub quantity: QuantityRule,
    /// On sale or hidden.
    pub state: ProductState,
}

/// Who acts on a published product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// A seller; it must be theirs.
    Seller(AccountId),
    /// The operator.
    Operator,
}

impl By {
    const fn side(self) -> Side {
        match self {
            Self::Seller(_) => Side::Seller,
            Self::Operator => Side::Operator,
        }
    }

    const fn seller(self) -> Option<AccountId> {
        match self {
            Self::Seller(account) => Some(account),
            Self::Operator => None,
        }
    }
}

fn not_found() -> db::Error {
    Refusal::new(Code::NotFound).into()
}

async fn load(tx: &mut Tx, by: By, id: ProductId) -> Result<store::Product> {
    store::product(tx, id, by.seller()).await?.ok_or_else(not_found)
}

async fn save(tx: &mut Tx, product: &store::Product) -> Result<()> {
    if store::save_product(tx, product).await? {
        return Ok(());
    }
    Err(Refusal::new(Code::VersionStale).into())
}

/// A production address of the seller that new products may name.
async fn live_address(tx: &mut Tx, seller: AccountId, id: AddressId) -> Result<()> {
    let address = sellers::get_address(tx, seller, id).await?;
    if address.retired_at.is_none() { Ok(()) } else { Err(not_found()) }
}

async fn check_addresses(tx: &mut Tx, seller: AccountId, content: &ProductContent) -> Result<()> {
    let mut known = BTreeSet::new();
    for (i, edition) in content.editions.iter().enumerate() {
        let Some(address) = edition.address_id.filter(|id| known.insert(*id)) else { continue };
        live_address(tx, seller, address).await.map_err(|error| match error.code() {
            Some(Code::NotFound) => invalid(format!("editions.{i}.address_id"), "unknown").into(),
            _ => error,
        })?;
    }
    Ok(())
}

async fn published(tx: &mut Tx, product: ProductId) -> Result<Published> {
    let mut published: Published = store::editions(tx, product)
        .await?
        .into_iter()
        .map(|e| (e.id, PublishedEdition { state: e.state, charging_mode: e.charging_mode, skus: Default::default() }))
        .collect();
    for sku in store::skus(tx, product).await? {
        if let Some(edition) = published.get_mut(&sku.edition_id) {
            edition.skus.insert(sku.id, (sku.state, sku.quantity.step));
        }
    }
    Ok(published)
}

/// Begins a product with a draft. The draft may be unfinished, but has a name and keeps every limit.
///
/// # Errors
/// [`Code::NotSeller`]; [`Code::FieldInvalid`] with the path of the field: an address that is not the seller's is `unknown`, and so is the
/// id of an edition or SKU, since a new product has none yet.
pub async fn create(tx: &mut Tx, ctx: &Ctx, seller: AccountId, mut content: ProductContent) -> Result<SellerProduct> {
    sellers::require_approved(tx, seller).await?;
    content.tidy();
    content.check()?;
    check_ids_known(&content, &BTreeSet::new(), &BTreeSet::new())?;
    check_addresses(tx, seller, &content).await?;
    content.number(ctx.now, &ctx.entropy);
    let product = store::Product {
        id: ProductId::new(ctx.now, &ctx.entropy),
        seller_id: seller,
        standing: Standing::DRAFT,
        names: content.names.clone(),
        draft: content,
        content: None,
        created_at: ctx.now,
        published_at: None,
        retired_at: None,
        flagged_at: None,
        version: 1,
    };
    store::insert_product(tx, &product).await?;
    audit::record(tx, ctx, "catalog.created", &product.id, &json!({ "names": product.names })).await?;
    get_of_seller(tx, seller, product.id).await
}

/// Replaces the draft of a product. What is published and what is under review stay as they are.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::VersionStale`] when `expected_version` is given and not the product's; [`Code::ProductState`] once
/// retired; [`Code::FieldInvalid`] as for [`create`], with `unknown` for an id that is neither in the draft nor published.
pub async fn update_draft(
    tx: &mut Tx,
    ctx: &Ctx,
    seller: AccountId,
    id: ProductId,
    mut content: ProductContent,
    expected_version: Option<i64>,
) -> Result<SellerProduct> {
    let mut product = load(tx, By::Seller(seller), id).await?;
    if expected_version.is_some_and(|version| version != product.version) {
        return Err(Refusal::new(Code::VersionStale).into());
    }
    refuse_retired(&product)?;
    content.tidy();
    content.check()?;
    let published = published(tx, id).await?;
    let draft = &product.draft.editions;
    let editions = draft.iter().filter_map(|e| e.id).chain(published.keys().copied()).collect();
    let skus = draft.iter().flat_map(|e| &e.skus).filter_map(|s| s.id);
    let skus = skus.chain(published.values().flat_map(|e| e.skus.keys().copied())).collect();
    check_ids_known(&content, &editions, &skus)?;
    check_addresses(tx, seller, &content).await?;
    content.number(ctx.now, &ctx.entropy);
    if product.standing.state == ProductState::Draft {
        product.names = content.names.clone();
    }
    product.draft = content;
    save(tx, &product).await?;
    audit::record(tx, ctx, "catalog.draft_saved", &id, &json!({ "version": product.version + 1 })).await?;
    get_of_seller(tx, seller, id).await
}

fn check_ids_known(content: &ProductContent, editions: &BTreeSet<EditionId>, skus: &BTreeSet<SkuId>) -> Result<(), Refusal> {
    for (i, edition) in content.editions.iter().enumerate() {
        if edition.id.is_some_and(|id| !editions.contains(&id)) {
            return Err(invalid(format!("editions.{i}.id"), "unknown"));
        }
        if let Some(j) = edition.skus.iter().position(|sku| sku.id.is_some_and(|id| !skus.contains(&id))) {
            return Err(invalid(format!("editions.{i}.skus.{j}.id"), "unknown"));
        }
    }
    Ok(())
}

fn refuse_retired(product: &store::Product) -> Result<(), Refusal> {
    match product.standing.state {
        ProductState::Retired => Err(Refusal::new(Code::ProductState).with("state", ProductState::Retired)),
        ProductState::Draft | ProductState::OnSale | ProductState::Hidden => Ok(()),
    }
}

/// Whether `content` can be published over what is: complete, with addresses of the seller, and a change that is allowed.
async fn check_publishable(tx: &mut Tx, product: &store::Product, published: &Published, content: &ProductContent) -> Result<()> {
    let missing = content.missing();
    if !missing.is_empty() {
        return Err(Refusal::new(Code::ProductIncomplete).with("missing", missing.join(",")).into());
    }
    check_revision(published, content)?;
    check_addresses(tx, product.seller_id, content).await
}

/// Refuses when `expected` is given and is not the version of the product: for acts upon what the caller has read.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::VersionStale`].
pub async fn expect_version(tx: &mut Tx, seller: AccountId, id: ProductId, expected: Option<i64>) -> Result<()> {
    let version = load(tx, By::Seller(seller), id).await?.version;
    if expected.is_some_and(|expected| expected != version) {
        return Err(Refusal::new(Code::VersionStale).into());
    }
    Ok(())
}

/// Submits the draft for review: a copy of it is what will be decided upon.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::ProductState`] when retired (`retired`), already under review (`under_review`) or when every edition was
/// retired (`all-editions-retired`); [`Code::ProductIncomplete`] with the paths of what is missing; [`Code::FieldInvalid`] when the change
/// is not allowed: `kept` (a published edition or SKU, `id`, is not in the draft; retire it instead), `retired`, `unchanged`; or when an
/// address is no longer the seller's.
pub async fn submit(tx: &mut Tx, ctx: &Ctx, seller: AccountId, id: ProductId) -> Result<SellerProduct> {
    let product = load(tx, By::Seller(seller), id).await?;
    refuse_retired(&product)?;
    let last = store::last_listing(tx, id).await?;
    if last.as_ref().is_some_and(|l| l.state == ListingState::UnderReview) {
        return Err(Refusal::new(Code::ProductState).with("state", ListingState::UnderReview).into());
    }
    let published = published(tx, id).await?;
    check_publishable(tx, &product, &published, &product.draft).await?;
    let listing = store::Listing {
        id: ListingId::new(ctx.now, &ctx.entropy),
        product_id: id,
        revision: last.map_or(1, |l| l.revision + 1),
        state: ListingState::UnderReview,
        content: product.draft.clone(),
        submitted_at: ctx.now,
        decided_at: None,
        reason: None,
    };
    store::insert_listing(tx, &listing, &ctx.actor.label()).await.on_constraint("listing_under_review_unique", Code::ProductState)?;
    audit::record(tx, ctx, "catalog.submitted", &id, &json!({ "listing": listing.id, "revision": listing.revision })).await?;
    get_of_seller(tx, seller, id).await
}

/// Takes the submission under review back.
///
/// # Errors
/// [`Code::NotFound`] when the seller has no such product or it was never submitted; [`Code::ReviewDecided`].
pub async fn withdraw(tx: &mut Tx, ctx: &Ctx, seller: AccountId, id: ProductId) -> Result<SellerProduct> {
    load(tx, By::Seller(seller), id).await?;
    let listing = store::last_listing(tx, id).await?.ok_or_else(not_found)?;
    decide(tx, ctx, &listing, ListingEvent::Withdraw, Side::Seller, None).await?;
    audit::record(tx, ctx, "catalog.withdrawn", &id, &json!({ "listing": listing.id })).await?;
    get_of_seller(tx, seller, id).await
}

async fn decide(tx: &mut Tx, ctx: &Ctx, listing: &store::Listing, event: ListingEvent, side: Side, reason: Option<&str>) -> Result<()> {
    let state = decide_listing(listing.state, event, side)?;
    if store::decide_listing(tx, listing.id, state, &ctx.actor.label(), ctx.now, reason).await? {
        return Ok(());
    }
    Err(Refusal::new(Code::ReviewDecided).into())
}

/// Publishes a submission: its editions, SKUs and prices are what is sold from now on, in the market's currency. The first approval puts
/// the product on sale; a hidden one stays hidden. Editions and SKUs that were retired since the submission stay retired. A price that the
/// submission leaves out is withdrawn; a new price holds for new orders at once, and for renewals.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::ReviewDecided`]; [`Code::ProductState`] once the product is retired; and those of [`submit`], since
/// addresses and editions may have been retired meanwhile.
pub async fn approve(tx: &mut Tx, ctx: &Ctx, edition: &Edition, id: ListingId) -> Result<Review> {
    let mut listing = store::listing(tx, id).await?.ok_or_else(not_found)?;
    let mut product = load(tx, By::Operator, listing.product_id).await?;
    decide(tx, ctx, &listing, ListingEvent::Approve, Side::Operator, None).await?;
    product.standing = decide_product(product.standing, ProductEvent::Approve, Side::Operator)?;
    let published = published(tx, product.id).await?;
    let (editions, skus) = retired_ids(&published);
    listing.content.drop_retired(&editions, &skus);
    check_publishable(tx, &product, &published, &listing.content).await?;
    publish(tx, ctx, edition, product.id, &listing.content).await?;
    product.names = listing.content.names.clone();
    product.content = Some(listing.content);
    product.published_at = product.published_at.or(Some(ctx.now));
    save(tx, &product).await?;
    audit::record(tx, ctx, "catalog.approved", &product.id, &json!({ "listing": id, "state": product.standing.state })).await?;
    let args = json!({ "product": product.names, "listing": id, "decision": ListingState::Approved });
    notices::send(tx, ctx, product.seller_id, NoticeKind::ReviewDecided, &product.id, &args).await?;
    review(tx, ctx, id).await
}

/// Makes rows of an approved content; rows that are right already are left alone.
async fn publish(tx: &mut Tx, ctx: &Ctx, edition: &Edition, product: ProductId, content: &ProductContent) -> Result<()> {
    let (old_editions, old_skus) = (store::editions(tx, product).await?, store::skus(tx, product).await?);
    let old_prices = store::prices(tx, product).await?;
    for (at, e) in (0i64..).zip(&content.editions) {
        let (Some(edition_id), Some(address)) = (e.id, e.address_id) else {
            return Err(db::Error::broken("a submitted edition has no id or no address"));
        };
        let same = |old: &store::Edition| {
            let terms = old.tax_kind == e.tax_kind && old.refund_rule == e.refund_rule && old.address_id == address;
            terms && old.names == e.names && old.position == at
        };
        if !old_editions.iter().any(|old| old.id == edition_id && same(old)) {
            store::put_edition(tx, product, edition_id, address, at, e).await?;
        }
        for (at, s) in (0i64..).zip(&e.skus) {
            let sku_id = s.id.ok_or_else(|| db::Error::broken("a submitted SKU has no id"))?;
            let same =
                |old: &store::Sku| old.names == s.names && old.quantity == s.quantity && old.change == s.change && old.position == at;
            if !old_skus.iter().any(|old| old.id == sku_id && same(old)) {
                store::put_sku(tx, edition_id, sku_id, at, s).await?;
            }
            let old_prices: Vec<_> = old_prices.iter().filter(|p| p.sku_id == sku_id).collect();
            publish_prices(tx, ctx, edition, s, sku_id, &old_prices).await?;
        }
    }
    Ok(())
}

async fn publish_prices(
    tx: &mut Tx,
    ctx: &Ctx,
    edition: &Edition,
    sku: &SkuContent,
    id: SkuId,
    old_prices: &[&store::Price],
) -> Result<()> {
    for price in &sku.prices {
        let money = Money::new(price.amount_minor, edition.currency);
        let same = |old: &&store::Price| old.unit == price.unit && old.price == money && old.withdrawn_at.is_none();
        if !old_prices.iter().any(same) {
            store::put_price(tx, PriceId::new(ctx.now, &ctx.entropy), id, price.unit, money).await?;
        }
    }
    for old in old_prices.iter().filter(|old| old.withdrawn_at.is_none()) {
        if !sku.prices.iter().any(|price| price.unit == old.unit) {
            store::withdraw_price(tx, old.id, ctx.now).await?;
        }
    }
    Ok(())
}

/// Sends a submission back with a reason, 1 to [`REASON_MAX`] characters. The seller changes the draft and submits again.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::ReviewDecided`]; [`Code::FieldInvalid`] for `reason`.
pub async fn reject(tx: &mut Tx, ctx: &Ctx, id: ListingId, reason: &str) -> Result<Review> {
    let reason = reason.trim();
    if !(1..=REASON_MAX).contains(&reason.chars().count()) || reason.contains('\0') {
        return Err(Refusal::field("reason", format!("length:1-{REASON_MAX}")).into());
    }
    let listing = store::listing(tx, id).await?.ok_or_else(not_found)?;
    let product = load(tx, By::Operator, listing.product_id).await?;
    decide(tx, ctx, &listing, ListingEvent::Reject, Side::Operator, Some(reason)).await?;
    audit::record(tx, ctx, "catalog.rejected", &product.id, &json!({ "listing": id, "reason": reason })).await?;
    let args = json!({ "product": listing.content.names, "listing": id, "decision": ListingState::Rejected, "reason": reason });
    notices::send(tx, ctx, product.seller_id, NoticeKind::ReviewDecided, &product.id, &args).await?;
    review(tx, ctx, id).await
}

async fn turn(tx: &mut Tx, ctx: &Ctx, by: By, id: ProductId, event: ProductEvent, action: &'static str) -> Result<ProductState> {
    let mut product = load(tx, by, id).await?;
    product.standing = decide_product(product.standing, event, by.side())?;
    if product.standing.state == ProductState::Retired {
        product.retired_at = Some(ctx.now);
    }
    save(tx, &product).await?;
    audit::record(tx, ctx, action, &id, &json!({ "by": by.side() })).await?;
    Ok(product.standing.state)
}

/// Takes a product out of every list and search. It is still sold to whoever has its address.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::ProductState`].
pub async fn hide(tx: &mut Tx, ctx: &Ctx, by: By, id: ProductId) -> Result<ProductState> {
    turn(tx, ctx, by, id, ProductEvent::Hide, "catalog.hidden").await
}

/// Puts a hidden product back into the lists. Only the side that hid it can; what both hid is the operator's.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::ProductState`].
pub async fn show(tx: &mut Tx, ctx: &Ctx, by: By, id: ProductId) -> Result<ProductState> {
    turn(tx, ctx, by, id, ProductEvent::Show, "catalog.shown").await
}

/// Takes a product off sale for good: nothing brings it back, so the doors ask twice. Subscriptions run to their end; they can be neither
/// renewed nor changed. A submission under review falls with it. A seller also ends a draft with this.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::ProductState`] when it is retired already.
pub async fn retire_product(tx: &mut Tx, ctx: &Ctx, by: By, id: ProductId) -> Result<ProductState> {
    let state = turn(tx, ctx, by, id, ProductEvent::Retire, "catalog.retired").await?;
    jobs::enqueue(tx, RETIRED_JOB, &id, "", ctx.now).await?;
    if let Some(listing) = store::last_listing(tx, id).await?.filter(|l| l.state == ListingState::UnderReview) {
        decide(tx, ctx, &listing, ListingEvent::Withdraw, by.side(), None).await?;
    }
    Ok(state)
}

/// Takes an edition with all its SKUs off sale for good; the other editions are not affected. It is taken out of the draft, too. After the
/// last edition, none can be added: the product is released anew.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::NotOnSale`] when the edition is retired already; [`Code::ProductState`] when the product is.
pub async fn retire_edition(tx: &mut Tx, ctx: &Ctx, by: By, id: EditionId) -> Result<()> {
    let product = store::product_of_edition(tx, id).await?.ok_or_else(not_found)?;
    let product = load(tx, by, product).await?;
    refuse_retired(&product)?;
    if !store::retire_edition(tx, id).await? {
        return Err(Refusal::new(Code::NotOnSale).into());
    }
    forget_retired(tx, product).await?;
    jobs::enqueue(tx, RETIRED_JOB, &id, "", ctx.now).await?;
    audit::record(tx, ctx, "catalog.edition_retired", &id, &json!({ "by": by.side() })).await
}

/// Takes a SKU off sale for good. It is taken out of the draft, too. The last SKU of an edition takes the edition with it.
///
/// # Errors
/// As [`retire_edition`].
pub async fn retire_sku(tx: &mut Tx, ctx: &Ctx, by: By, id: SkuId) -> Result<()> {
    let (edition, product) = store::home_of_sku(tx, id).await?.ok_or_else(not_found)?;
    let product = load(tx, by, product).await?;
    refuse_retired(&product)?;
    if !store::retire_sku(tx, id).await? {
        return Err(Refusal::new(Code::NotOnSale).into());
    }
    let edition_ends = store::active_skus(tx, edition).await? == 0 && store::retire_edition(tx, edition).await?;
    forget_retired(tx, product).await?;
    jobs::enqueue(tx, RETIRED_JOB, &id, "", ctx.now).await?;
    let detail = json!({ "by": by.side(), "edition_retired": edition_ends.then_some(edition) });
    audit::record(tx, ctx, "catalog.sku_retired", &id, &detail).await
}

/// Takes what is retired out of the draft and the published content, so that the next revision does not trip over it.
async fn forget_retired(tx: &mut Tx, mut product: store::Product) -> Result<()> {
    let (editions, skus) = retired_ids(&published(tx, product.id).await?);
    product.draft.drop_retired(&editions, &skus);
    if let Some(content) = &mut product.content {
        content.drop_retired(&editions, &skus);
    }
    save(tx, &product).await
}

/// What a SKU is sold for by `unit`. A hidden product is sold to whoever knows it; for a renewal or a change the same must be on sale as
/// for a purchase (spec: business §3.7).
///
/// # Errors
/// [`Code::NotFound`]; [`Code::NotOnSale`] when the product, the edition or the SKU is retired; [`Code::PriceMissing`] when the SKU is not
/// sold by this unit (any more).
pub async fn offer(tx: &mut Tx, sku: SkuId, unit: PriceUnit, purpose: Purpose) -> Result<Offer> {
    let found = store::candidate(tx, sku, unit).await?.ok_or_else(not_found)?;
    if !sells(found.product(), purpose) || found.edition == PartState::Retired || found.sku == PartState::Retired {
        return Err(Refusal::new(Code::NotOnSale).into());
    }
    let (price_id, price) = found.price.ok_or_else(|| Refusal::new(Code::PriceMissing))?;
    Ok(found.at(unit, price_id, price))
}

/// Whether the seller's rule lets `from` (SKU and quantity) become `quantity` of what is offered (spec: business §5.5).
///
/// # Errors
/// [`Code::ChangeTarget`], [`Code::QuantityInvalid`].
pub async fn admit_change(tx: &mut Tx, from: (SkuId, i64), offer: &Offer, quantity: i64) -> Result<()> {
    let rule = store::change_rule(tx, from.0).await?;
    rule.map_or(Ok(()), |rule| Ok(rule.admit(from, offer.item.sku_id, quantity, &offer.quantity)?))
}

/// Marks a product whose orders fail too often (spec: business §5.1); true when it was not marked before. Who is told is the caller's
/// business.
///
/// # Errors
/// Those of the database.
pub async fn flag(tx: &mut Tx, ctx: &Ctx, id: ProductId) -> Result<bool> {
    let newly = store::flag(tx, id, ctx.now).await?;
    if newly {
        audit::record(tx, ctx, "catalog.flagged", &id, &json!({})).await?;
    }
    Ok(newly)
}

/// Whether an edition that is sold, or a submission under review, calls this address. Running subscriptions keep an address of their own;
/// this does not know them.
///
/// # Errors
/// Those of the database.
pub async fn address_in_use(tx: &mut Tx, id: AddressId) -> Result<bool> {
    store::address_in_use(tx, id).await
}
