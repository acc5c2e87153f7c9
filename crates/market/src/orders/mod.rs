//! Orders: purchases, renewals, changes and refunds, each with its own lines, and the money held for them.
//!
//! The walk: a quote prices lines; placing writes them down with everything that priced them; paying moves the money from the buyer's
//! balance to what is held for the order, and starts each line; a line that was delivered turns its money into a sale of the seller, one
//! that was not returns it to the buyer.
//!
//! Invariants: what is held for an order is the sum of its lines in `processing`; a line's money moves on exactly once; prices and texts
//! of a line never change after it was placed.

mod held;
mod outcome;
mod place;
mod quote;
mod refund;
mod renew;
pub mod state;
mod store;
mod unsold;

use db::{Result, Tx};
use kernel::{AccountId, Code, Ctx, Currency, Period, Refusal, SkuId, SubscriptionId, UserId};
use serde::{Deserialize, Serialize};

use crate::catalog::{Item, RefundRule};
use crate::edition::{Edition, FeeStep};
use crate::page::{Page, PageRequest};
use crate::subscriptions::{Renewal, Subscription, Whose};

pub use outcome::{fulfilled, unfulfilled};
pub use place::{CancelReason, cancel, cancel_open, expire_unpaid, pay, place, place_change, place_renewal};
pub use quote::{Quote, QuoteLine, quote_change, quote_purchase, quote_renewal, renewal_change};
pub use refund::{NewRefund, RefundReason, approve_refund, ask_refund, pay_back, refuse_refund, write_refund};
pub use renew::{renew_automatically, renewal_obstacle};
pub use state::{LineState, OrderKind, OrderState};
pub use unsold::end_unsold;

/// Lines of one order at most (spec: a cart of 50 lines).
pub const LINES_MAX: usize = 50;

/// One thing to buy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct PurchaseItem {
    /// Which SKU.
    pub sku_id: SkuId,
    /// How long; left out for one-time SKUs.
    #[serde(default)]
    pub period: Option<Period>,
    /// How many units of its quantity.
    pub quantity: i64,
    /// How it is to be renewed; by hand when left out.
    #[serde(default)]
    pub renewal: Option<Renewal>,
}

/// A renewal that a buyer wants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RenewalInput {
    /// Months or years.
    pub period: Period,
    /// Another SKU of the same edition from the old end on; left out to stay. Only close to the end (spec: business §5.5).
    #[serde(default)]
    pub sku_id: Option<SkuId>,
    /// Another quantity from the old end on; left out to stay.
    #[serde(default)]
    pub quantity: Option<i64>,
}

impl RenewalInput {
    /// So much more of the same.
    #[must_use]
    pub const fn same(period: Period) -> Self {
        Self { period, sku_id: None, quantity: None }
    }
}

/// An order line: a copy of everything that priced it.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct OrderLine {
    /// `CS…-000001`.
    pub number: String,
    /// Its order.
    pub order_number: String,
    /// Counts from 1.
    pub position: i64,
    /// How it stands.
    pub state: LineState,
    /// The subscription it opened, renewed, changed or ended.
    pub subscription_id: Option<SubscriptionId>,
    /// Of a refund line: the line that is returned.
    pub refunds_line: Option<String>,
    /// What is bought, as it was when the line was placed.
    #[serde(flatten)]
    pub item: Item,
    /// How long; of a change, all the time that was left, in begun units of its price.
    pub period: Option<Period>,
    /// How many.
    pub quantity: i64,
    /// Price of one unit for one month or year, minor units.
    pub unit_price_minor: i64,
    /// What the line costs, minor units, tax included.
    pub amount_minor: i64,
    /// The tax rate inside the amount.
    pub tax_bp: i64,
    /// The tax inside the amount, minor units.
    pub tax_minor: i64,
    /// The platform fee that the seller will pay of it; the statement tells it to the seller, nobody tells it to the buyer.
    #[serde(skip)]
    pub fee_bp: i64,
    /// The volume reduction that belongs to that fee.
    #[serde(skip)]
    pub fee_steps: Vec<FeeStep>,
    /// Whether it may be returned without reason.
    pub refund_rule: RefundRule,
    /// From when on it pays, market ms UTC.
    pub effective_at: Option<i64>,
    /// Until when it pays, market ms UTC.
    pub ends_at: Option<i64>,
    /// When it was delivered, market ms UTC.
    pub done_at: Option<i64>,
    /// The renewal chosen at the purchase.
    pub renewal: Option<Renewal>,
}

/// An order.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Order {
    /// `CS…`.
    pub number: String,
    /// What it is for.
    pub kind: OrderKind,
    /// How it stands.
    pub state: OrderState,
    /// Who buys.
    pub buyer_id: AccountId,
    /// The person who placed it; none when the marketplace did.
    pub buyer_user: Option<UserId>,
    /// Who sells.
    pub seller_id: AccountId,
    /// The currency of all its amounts.
    pub currency: Currency,
    /// The sum of its lines, minor units, tax included.
    pub total_minor: i64,
    /// When it was placed, market ms UTC.
    pub created_at: i64,
    /// Until when it may be paid; of a refund that waits for the operator, until when that is to be decided. Market ms UTC.
    pub pay_until: i64,
    /// When it was paid, market ms UTC.
    pub paid_at: Option<i64>,
    /// When it ended, market ms UTC.
    pub closed_at: Option<i64>,
    /// Why it was cancelled or refunded.
    pub close_reason: Option<String>,
    /// Its lines.
    pub lines: Vec<OrderLine>,
}

/// An order, by its number alone.
///
/// # Errors
/// [`Code::NotFound`].
pub async fn get(tx: &mut Tx, number: &str) -> Result<Order> {
    store::find(tx, number).await?.ok_or_else(|| Refusal::new(Code::NotFound).into())
}

/// An order of a buyer.
///
/// # Errors
/// [`Code::NotFound`], also for those of others.
pub async fn get_of_buyer(tx: &mut Tx, buyer: AccountId, number: &str) -> Result<Order> {
    store::find(tx, number).await?.filter(|order| order.buyer_id == buyer).ok_or_else(|| Refusal::new(Code::NotFound).into())
}

/// An order of a seller.
///
/// # Errors
/// [`Code::NotFound`], also for those of others.
pub async fn get_of_seller(tx: &mut Tx, seller: AccountId, number: &str) -> Result<Order> {
    store::find(tx, number).await?.filter(|order| order.seller_id == seller).ok_or_else(|| Refusal::new(Code::NotFound).into())
}

/// Orders, newest first.
///
/// # Errors
/// Those of the database.
pub async fn list(tx: &mut Tx, whose: Whose, state: Option<OrderState>, page: &PageRequest) -> Result<Page<Order>> {
    let rows = store::list(tx, whose, state, page).await?;
    Ok(page.cut(rows, |order: &Order| order.number.clone()))
}

/// A line, by its number.
///
/// # Errors
/// [`Code::NotFound`].
pub async fn line(tx: &mut Tx, number: &str) -> Result<OrderLine> {
    store::find_line(tx, number).await?.ok_or_else(|| Refusal::new(Code::NotFound).into())
}

/// Until when a line pays, as far as that can be told: a purchase that is being opened ends its period after it was paid. Sellers' servers
/// ask for it while they open the instance (spec: protocol §3.3, `expireTime`).
#[must_use]
pub fn expected_end(edition: &Edition, order: &Order, line: &OrderLine) -> Option<i64> {
    match (line.ends_at, order.kind) {
        (Some(known), _) => Some(known),
        (None, OrderKind::New) => {
            let from = order.paid_at.unwrap_or(order.created_at);
            line.period.map(|period| edition.zone.add_months(from, period.months()))
        }
        (None, OrderKind::Change | OrderKind::Renew | OrderKind::Unsubscribe) => None,
    }
}

/// Every line of a subscription, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn lines_of(tx: &mut Tx, subscription: SubscriptionId) -> Result<Vec<OrderLine>> {
    store::lines_of(tx, subscription).await
}

/// A page of the lines of a subscription, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn lines_page(tx: &mut Tx, subscription: SubscriptionId, page: &PageRequest) -> Result<Page<OrderLine>> {
    let rows = store::lines_page(tx, subscription, page).await?;
    Ok(page.cut(rows, |line: &OrderLine| line.number.clone()))
}

/// The delivered lines of changes that pay for time from `from` on (market ms UTC): they return with the renewal that bought that time.
///
/// # Errors
/// Those of the database.
pub async fn changes_from(tx: &mut Tx, subscription: SubscriptionId, from: i64) -> Result<Vec<OrderLine>> {
    let lines = store::lines_with_kinds(tx, subscription).await?;
    let pays = |line: &OrderLine| line.effective_at.is_some_and(|at| at >= from) && line.ends_at.is_some_and(|at| at > from);
    let changes = lines.into_iter().filter(|of| of.kind == OrderKind::Change && of.line.state == LineState::Done).map(|of| of.line);
    Ok(changes.filter(pays).collect())
}

/// Renewals of a subscription that are paid and that the seller has not confirmed.
///
/// # Errors
/// Those of the database.
pub async fn unconfirmed_renewals(tx: &mut Tx, subscription: SubscriptionId) -> Result<Vec<OrderLine>> {
    let lines = store::lines_with_kinds(tx, subscription).await?;
    let waits = |of: &held::LineOf| of.kind == OrderKind::Renew && of.line.state == LineState::Processing;
    Ok(lines.into_iter().filter(waits).map(|of| of.line).collect())
}

/// The line that pays for the last part of a subscription's time.
///
/// # Errors
/// [`db::Error::Broken`] when nothing does.
pub async fn last_line(tx: &mut Tx, sub: &Subscription) -> Result<OrderLine> {
    let lines = store::lines_with_kinds(tx, sub.id).await?;
    let last = held::last_line(&lines, (sub.item.sku_id, sub.quantity));
    last.cloned().ok_or_else(|| db::Error::broken(format!("no line pays for {}", sub.id)))
}

/// Unpaid orders whose time was over at `now`.
///
/// # Errors
/// Those of the database.
pub async fn unpaid_due(tx: &mut Tx, now: i64, limit: i64) -> Result<Vec<String>> {
    store::unpaid_due(tx, now, limit).await
}

/// Has the runner look at an unpaid order again at `until` (market ms UTC) and not before: it could not be ended, and may not even be
/// readable. Until then it could be paid.
///
/// # Errors
/// Those of the database.
pub async fn put_off(tx: &mut Tx, number: &str, until: i64) -> Result<()> {
    store::put_off(tx, number, until).await
}

/// When the next unpaid order ends, market ms UTC.
///
/// # Errors
/// Those of the database.
pub async fn next_unpaid_due(tx: &mut Tx) -> Result<Option<i64>> {
    store::next_unpaid_due(tx).await
}

/// The person who acts, if one does.
fn user_of(ctx: &Ctx) -> Option<UserId> {
    match ctx.actor {
        kernel::Actor::User { user, .. } => Some(user),
        kernel::Actor::Server { .. } | kernel::Actor::System(_) | kernel::Actor::Console => None,
    }
}
