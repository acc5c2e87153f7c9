//! The states of an application to publish and of a product, and what a revision may change. Pure: the tables are data.
//!
//! Both tables are what the code runs and what its tests walk (spec: business §3.7, state machines 5 and 6).

use std::collections::{BTreeMap, BTreeSet};

use kernel::{Code, EditionId, Refusal, SkuId};

use super::content::{ChargingMode, ProductContent, invalid};

kernel::words! {
    /// Where a product stands.
    pub enum ProductState {
        /// Never published.
        Draft = "draft",
        /// Listed and sold.
        OnSale = "on_sale",
        /// In no list and no search, but sold to whoever has its address.
        Hidden = "hidden",
        /// Sold no more, for good.
        Retired = "retired",
    }
}

kernel::words! {
    /// Where one submission of a product stands.
    pub enum ListingState {
        /// Waits for the operator.
        UnderReview = "under_review",
        /// Taken back before it was decided.
        Withdrawn = "withdrawn",
        /// Published.
        Approved = "approved",
        /// Sent back with a reason.
        Rejected = "rejected",
    }
}

kernel::words! {
    /// Where a published edition or SKU stands.
    pub enum PartState {
        /// Sold while its product is.
        Active = "active",
        /// Sold no more, for good.
        Retired = "retired",
    }
}

kernel::words! {
    /// Whose act it is.
    pub enum Side {
        /// The product's seller.
        Seller = "seller",
        /// The marketplace.
        Operator = "operator",
    }
}

kernel::words! {
    /// What happens to a product.
    pub enum ProductEvent {
        /// A submission was approved.
        Approve = "approve",
        /// It is taken out of lists.
        Hide = "hide",
        /// It is put back into lists.
        Show = "show",
        /// It is taken off sale for good.
        Retire = "retire",
    }
}

kernel::words! {
    /// What happens to a submission.
    pub enum ListingEvent {
        /// It is taken back, or falls with its product.
        Withdraw = "withdraw",
        /// It is accepted.
        Approve = "approve",
        /// It is sent back.
        Reject = "reject",
    }
}

kernel::words! {
    /// What an offer is asked for.
    pub enum Purpose {
        /// A new order.
        Purchase = "purchase",
        /// More time for a subscription.
        Renewal = "renewal",
        /// Another SKU or quantity for a subscription.
        Change = "change",
    }
}

/// A product's state together with who hid it: what the operator hid, only the operator shows again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The state.
    pub state: ProductState,
    /// Who hid it; only while it is hidden.
    pub hidden_by: Option<Side>,
}

impl Standing {
    /// Never published.
    pub const DRAFT: Self = Self { state: ProductState::Draft, hidden_by: None };
    /// Listed.
    pub const ON_SALE: Self = Self { state: ProductState::OnSale, hidden_by: None };
    /// Hidden by its seller.
    pub const HIDDEN: Self = Self { state: ProductState::Hidden, hidden_by: Some(Side::Seller) };
    /// Hidden by the operator.
    pub const HIDDEN_BY_OPERATOR: Self = Self { state: ProductState::Hidden, hidden_by: Some(Side::Operator) };
    /// Off sale for good.
    pub const RETIRED: Self = Self { state: ProductState::Retired, hidden_by: None };
    /// Every standing there is.
    pub const ALL: &'static [Self] = &[Self::DRAFT, Self::ON_SALE, Self::HIDDEN, Self::HIDDEN_BY_OPERATOR, Self::RETIRED];
}

/// A row of the table of products.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProductRow {
    /// Before.
    pub from: Standing,
    /// What happens.
    pub event: ProductEvent,
    /// Who may.
    pub by: &'static [Side],
    /// After.
    pub to: Standing,
}

const fn product(from: Standing, event: ProductEvent, by: &'static [Side], to: Standing) -> ProductRow {
    ProductRow { from, event, by, to }
}

const SELLER: &[Side] = &[Side::Seller];
const OPERATOR: &[Side] = &[Side::Operator];
const BOTH: &[Side] = &[Side::Seller, Side::Operator];

/// State machine 6: what is not here is refused.
pub const PRODUCT_TABLE: &[ProductRow] = &[
    product(Standing::DRAFT, ProductEvent::Approve, OPERATOR, Standing::ON_SALE),
    product(Standing::ON_SALE, ProductEvent::Approve, OPERATOR, Standing::ON_SALE),
    product(Standing::HIDDEN, ProductEvent::Approve, OPERATOR, Standing::HIDDEN),
    product(Standing::HIDDEN_BY_OPERATOR, ProductEvent::Approve, OPERATOR, Standing::HIDDEN_BY_OPERATOR),
    product(Standing::ON_SALE, ProductEvent::Hide, SELLER, Standing::HIDDEN),
    product(Standing::ON_SALE, ProductEvent::Hide, OPERATOR, Standing::HIDDEN_BY_OPERATOR),
    product(Standing::HIDDEN, ProductEvent::Hide, OPERATOR, Standing::HIDDEN_BY_OPERATOR),
    product(Standing::HIDDEN, ProductEvent::Show, SELLER, Standing::ON_SALE),
    product(Standing::HIDDEN_BY_OPERATOR, ProductEvent::Show, OPERATOR, Standing::ON_SALE),
    product(Standing::DRAFT, ProductEvent::Retire, SELLER, Standing::RETIRED),
    product(Standing::ON_SALE, ProductEvent::Retire, BOTH, Standing::RETIRED),
    product(Standing::HIDDEN, ProductEvent::Retire, BOTH, Standing::RETIRED),
    product(Standing::HIDDEN_BY_OPERATOR, ProductEvent::Retire, BOTH, Standing::RETIRED),
];

/// Where `event` by `side` takes a product.
///
/// # Errors
/// [`Code::ProductState`] with `state` when the table has no such row.
pub fn decide_product(from: Standing, event: ProductEvent, side: Side) -> Result<Standing, Refusal> {
    PRODUCT_TABLE
        .iter()
        .find(|row| row.from == from && row.event == event && row.by.contains(&side))
        .map(|row| row.to)
        .ok_or_else(|| Refusal::new(Code::ProductState).with("state", from.state))
}

/// A row of the table of submissions.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ListingRow {
    /// Before.
    pub from: ListingState,
    /// What happens.
    pub event: ListingEvent,
    /// Who may. A submission of a product that the operator retires is withdrawn with it.
    pub by: &'static [Side],
    /// After.
    pub to: ListingState,
}

/// State machine 5: what is not here is refused. A new submission is a new row, so nothing leads back.
pub const LISTING_TABLE: &[ListingRow] = &[
    ListingRow { from: ListingState::UnderReview, event: ListingEvent::Withdraw, by: BOTH, to: ListingState::Withdrawn },
    ListingRow { from: ListingState::UnderReview, event: ListingEvent::Approve, by: OPERATOR, to: ListingState::Approved },
    ListingRow { from: ListingState::UnderReview, event: ListingEvent::Reject, by: OPERATOR, to: ListingState::Rejected },
];

/// Where `event` by `side` takes a submission.
///
/// # Errors
/// [`Code::ReviewDecided`] when the table has no such row.
pub fn decide_listing(from: ListingState, event: ListingEvent, side: Side) -> Result<ListingState, Refusal> {
    LISTING_TABLE
        .iter()
        .find(|row| row.from == from && row.event == event && row.by.contains(&side))
        .map(|row| row.to)
        .ok_or_else(|| Refusal::new(Code::ReviewDecided))
}

/// Whether a product in `state` is sold for `purpose`: an address of a hidden one is enough, a retired one serves its subscriptions to
/// their end but sells nothing, not even time (spec: business §3.7).
#[must_use]
pub(super) const fn sells(state: ProductState, purpose: Purpose) -> bool {
    match (state, purpose) {
        (ProductState::OnSale | ProductState::Hidden, Purpose::Purchase | Purpose::Renewal | Purpose::Change) => true,
        (ProductState::Draft | ProductState::Retired, _) => false,
    }
}

/// What is published of an edition, as far as a revision must respect it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct PublishedEdition {
    /// Sold or retired.
    pub state: PartState,
    /// How it is charged.
    pub charging_mode: ChargingMode,
    /// Its SKUs: sold or retired, and the step of their quantity.
    pub skus: BTreeMap<SkuId, (PartState, i64)>,
}

/// Everything published of a product, by edition.
pub(super) type Published = BTreeMap<EditionId, PublishedEdition>;

/// The ids of what was retired.
#[must_use]
pub(super) fn retired_ids(published: &Published) -> (BTreeSet<EditionId>, BTreeSet<SkuId>) {
    let editions = published.iter().filter(|(_, e)| e.state == PartState::Retired).map(|(id, _)| *id).collect();
    let skus = published.values().flat_map(|e| &e.skus).filter(|(_, (state, _))| *state == PartState::Retired).map(|(id, _)| *id).collect();
    (editions, skus)
}

/// Whether `content` may replace what is `published` (spec: business §3.7, change rules): nothing sold may vanish (it is retired
/// instead), nothing retired comes back, the charging mode and the step of a quantity stay, and nothing is added once all is retired.
///
/// # Errors
/// [`Code::FieldInvalid`] with the path and one of the rules `kept` (an edition or SKU is missing; `id`), `retired`, `unchanged`;
/// [`Code::ProductState`] with `state` = `all-editions-retired`.
pub(super) fn check_revision(published: &Published, content: &ProductContent) -> Result<(), Refusal> {
    if !published.is_empty() && published.values().all(|e| e.state == PartState::Retired) {
        return Err(Refusal::new(Code::ProductState).with("state", "all-editions-retired"));
    }
    let home: BTreeMap<SkuId, EditionId> = published.iter().flat_map(|(id, e)| e.skus.keys().map(|sku| (*sku, *id))).collect();
    let mut seen_editions = BTreeSet::new();
    let mut seen_skus = BTreeSet::new();
    for (i, edition) in content.editions.iter().enumerate() {
        let old = edition.id.and_then(|id| published.get(&id));
        if let Some(old) = old {
            seen_editions.extend(edition.id);
            if old.state == PartState::Retired {
                return Err(invalid(format!("editions.{i}"), "retired"));
            }
            if old.charging_mode != edition.charging_mode {
                return Err(invalid(format!("editions.{i}.charging_mode"), "unchanged"));
            }
        }
        for (j, sku) in edition.skus.iter().enumerate() {
            let Some((sku_id, home)) = sku.id.and_then(|id| home.get(&id).map(|home| (id, *home))) else { continue };
            let path = format!("editions.{i}.skus.{j}");
            let Some((state, step)) = old.filter(|_| edition.id == Some(home)).and_then(|old| old.skus.get(&sku_id)) else {
                return Err(invalid(path, "unchanged"));
            };
            if *state == PartState::Retired {
                return Err(invalid(path, "retired"));
            }
            if *step != sku.quantity.step {
                return Err(invalid(format!("{path}.quantity.step"), "unchanged"));
            }
            seen_skus.insert(sku_id);
        }
    }
    for (id, edition) in published.iter().filter(|(_, e)| e.state == PartState::Active) {
        if !seen_editions.contains(id) {
            return Err(invalid("editions", "kept").with("id", id));
        }
        if let Some((sku, _)) = edition.skus.iter().find(|(sku, (state, _))| *state == PartState::Active && !seen_skus.contains(*sku)) {
            return Err(invalid("editions", "kept").with("id", sku));
        }
    }
    Ok(())
}
