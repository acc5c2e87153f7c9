//! Orders: purchases, renewals, changes and refunds, each with its own lines, and the money held for them.
//!
//! The walk: a quote prices lines; placing writes them down with everything that priced them; paying moves the money from the buyer's
//! balance to what is held for the order, and starts each line; a line that was delivered turns its money into a sale of the seller, one
//! that was not returns it to the buyer.
//!
//! Invariants: what is held for an order is the sum of its lines in `processing`; a line's money moves on exactly once; prices and texts
//! of a line never change after it was placed.

mod quote;
pub mod state;
mod store;

use db::{Result, Tx};
use kernel::{
    AccountId, AddressId, Code, Ctx, Currency, EditionId, MINUTE_MS, Money, Period, PriceId, ProductId, Rate, Refusal, SkuId,
    SubscriptionId, UserId, order_line_number, order_number,
};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::audit;
use crate::catalog::{self, ChargingMode, Names, PriceUnit, Purpose, RefundRule};
use crate::edition::Edition;
use crate::ledger::{self, Book, EntryKind, Posting};
use crate::notices::{self, NoticeKind};
use crate::page::{Page, PageRequest};
use crate::pricing;
use crate::settlement::{self, SaleItem};
use crate::subscriptions::{self, ChangedTo, NewSubscription, Renewal, Subscription, SubscriptionState};

pub use quote::{Quote, QuoteLine, quote_change, quote_purchase, quote_renewal};
use state::OrderEvent;
pub use state::{LineState, OrderKind, OrderState};

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

/// An order line: a copy of everything that priced it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
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
    /// Which product.
    pub product_id: ProductId,
    /// Which edition.
    pub edition_id: EditionId,
    /// Which SKU.
    pub sku_id: SkuId,
    /// Which price; the `productId` of the wire.
    pub price_id: PriceId,
    /// Where the seller is called.
    pub address_id: AddressId,
    /// The names as they were.
    pub names: Names,
    /// By period or one-time.
    pub charging_mode: ChargingMode,
    /// How long.
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
    /// The platform fee that the seller will pay of it.
    pub fee_bp: i64,
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
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
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
    /// Until when it may be paid, market ms UTC.
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

kernel::words! {
    /// Why an order was cancelled.
    pub enum CancelReason {
        /// The buyer did.
        Buyer = "buyer",
        /// It was not paid in time.
        Unpaid = "unpaid",
        /// The subscription it was for is over.
        SubscriptionOver = "subscription_over",
    }
}

/// Places a purchase. Every line must be of one seller.
///
/// `expected_total_minor` is what the buyer saw; another price now is refused instead of charged.
///
/// # Errors
/// [`Code::NotOnSale`], [`Code::PriceMissing`], [`Code::QuantityInvalid`], [`Code::PeriodInvalid`], [`Code::OwnProduct`],
/// [`Code::PriceChanged`], [`Code::FieldInvalid`].
pub async fn place(
    tx: &mut Tx,
    ctx: &Ctx,
    edition: &Edition,
    buyer: AccountId,
    items: &[PurchaseItem],
    expected_total_minor: Option<i64>,
) -> Result<Order> {
    let drafts = quote::purchase(tx, edition, buyer, items).await?;
    let pay_until = edition.zone.add_days(ctx.now, edition.order_unpaid_days);
    write_down(tx, ctx, edition, OrderKind::New, buyer, drafts, pay_until, expected_total_minor).await
}

/// Places a renewal of `period` at today's price.
///
/// # Errors
/// As [`quote_renewal`], and [`Code::OrderOpen`].
pub async fn place_renewal(
    tx: &mut Tx,
    ctx: &Ctx,
    edition: &Edition,
    buyer: AccountId,
    subscription: SubscriptionId,
    period: Period,
    expected_total_minor: Option<i64>,
) -> Result<Order> {
    let sub = subscriptions::get_of_buyer(tx, buyer, subscription).await?;
    sub.no_open_order()?;
    let draft = quote::renewal(tx, edition, &sub, period).await?;
    let pay_until = edition.zone.add_days(ctx.now, edition.order_unpaid_days);
    let order = write_down(tx, ctx, edition, OrderKind::Renew, buyer, vec![draft], pay_until, expected_total_minor).await?;
    subscriptions::set_open_order(tx, subscription, Some(&order.number)).await?;
    Ok(order)
}

/// Places a change to another SKU of the same edition, or another quantity.
///
/// # Errors
/// As [`quote_change`], and [`Code::OrderOpen`].
#[allow(clippy::too_many_arguments)]
pub async fn place_change(
    tx: &mut Tx,
    ctx: &Ctx,
    edition: &Edition,
    buyer: AccountId,
    subscription: SubscriptionId,
    sku: SkuId,
    quantity: i64,
    expected_total_minor: Option<i64>,
) -> Result<Order> {
    let sub = subscriptions::get_of_buyer(tx, buyer, subscription).await?;
    sub.no_open_order()?;
    let draft = quote::change(tx, ctx, edition, &sub, sku, quantity).await?;
    let pay_until = ctx.now + edition.change_unpaid_minutes * MINUTE_MS;
    let order = write_down(tx, ctx, edition, OrderKind::Change, buyer, vec![draft], pay_until, expected_total_minor).await?;
    subscriptions::set_open_order(tx, subscription, Some(&order.number)).await?;
    Ok(order)
}

#[allow(clippy::too_many_arguments)]
async fn write_down(
    tx: &mut Tx,
    ctx: &Ctx,
    edition: &Edition,
    kind: OrderKind,
    buyer: AccountId,
    drafts: Vec<quote::Draft>,
    pay_until: i64,
    expected_total_minor: Option<i64>,
) -> Result<Order> {
    let number = order_number(ctx.now, &edition.zone, &ctx.entropy);
    let total = quote::total(edition, &drafts)?;
    if let Some(expected) = expected_total_minor.filter(|expected| *expected != total.minor) {
        let quoted = Money::new(expected, total.currency);
        return Err(Refusal::new(Code::PriceChanged).with("quoted", quoted).with("current", total).into());
    }
    let seller_id = drafts[0].offer.seller_id;
    let lines = drafts.into_iter().zip(1..).map(|(draft, position)| draft.into_line(&number, position)).collect();
    let order = Order {
        number,
        kind,
        state: OrderState::PendingPayment,
        buyer_id: buyer,
        buyer_user: user_of(ctx),
        seller_id,
        currency: total.currency,
        total_minor: total.minor,
        created_at: ctx.now,
        pay_until,
        paid_at: None,
        closed_at: None,
        close_reason: None,
        lines,
    };
    store::insert(tx, &order).await?;
    let detail = json!({ "kind": kind, "total": total.to_string(), "lines": order.lines.len() });
    audit::record_in(tx, ctx, &order.number, "orders.placed", &order.number, &detail).await?;
    Ok(order)
}

fn user_of(ctx: &Ctx) -> Option<UserId> {
    match ctx.actor {
        kernel::Actor::User { user, .. } => Some(user),
        kernel::Actor::Server { .. } | kernel::Actor::System(_) | kernel::Actor::Console => None,
    }
}

/// Pays an order from the buyer's balance and starts its lines.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::OrderState`] when it is paid, cancelled or its time is over; [`Code::BalanceTooLow`];
/// [`Code::NotOnSale`] when the product was withdrawn since; [`Code::SubscriptionState`] when the subscription is over.
pub async fn pay(tx: &mut Tx, ctx: &Ctx, edition: &Edition, buyer: AccountId, number: &str) -> Result<Order> {
    let mut order = get_of_buyer(tx, buyer, number).await?;
    order.state = state::next(order.state, OrderEvent::Pay)?;
    if ctx.now >= order.pay_until {
        return Err(Refusal::new(Code::OrderState).with("state", OrderState::Cancelled).into());
    }
    for line in &order.lines {
        still_sold(tx, order.kind, line).await?;
    }
    let payment = Posting { source: Book::Buyer(buyer), destination: Book::Held(number.to_owned()), amount_minor: order.total_minor };
    ledger::post(tx, ctx, EntryKind::Payment, number, order.currency, &[payment]).await?;
    order.paid_at = Some(ctx.now);
    let mut lines = std::mem::take(&mut order.lines);
    for line in &mut lines {
        start(tx, ctx, edition, &order, line).await?;
    }
    order.lines = lines;
    store::update(tx, &order, OrderState::PendingPayment).await?;
    let detail = json!({ "total": Money::new(order.total_minor, order.currency).to_string() });
    audit::record_in(tx, ctx, &order.number, "orders.paid", &order.number, &detail).await?;
    Ok(order)
}

async fn still_sold(tx: &mut Tx, kind: OrderKind, line: &OrderLine) -> Result<()> {
    let purpose = match kind {
        OrderKind::New => Purpose::Purchase,
        OrderKind::Renew => Purpose::Renewal,
        OrderKind::Change => Purpose::Change,
        OrderKind::Unsubscribe => return Ok(()),
    };
    // A change has no period of its own.
    let unit = if kind == OrderKind::Change { PriceUnit::Month } else { pricing::unit_of(line.period) };
    match catalog::offer(tx, line.sku_id, unit, purpose).await {
        // The price of this unit may be gone: the order keeps the one it was placed at.
        Err(error) if error.code() == Some(Code::PriceMissing) => Ok(()),
        other => other.map(drop),
    }
}

async fn start(tx: &mut Tx, ctx: &Ctx, edition: &Edition, order: &Order, line: &mut OrderLine) -> Result<()> {
    line.state = LineState::Processing;
    match (order.kind, line.subscription_id) {
        (OrderKind::New, _) => {
            let new = NewSubscription {
                buyer_id: order.buyer_id,
                seller_id: order.seller_id,
                product_id: line.product_id,
                edition_id: line.edition_id,
                sku_id: line.sku_id,
                price_id: line.price_id,
                address_id: line.address_id,
                names: line.names.clone(),
                charging_mode: line.charging_mode,
                period: line.period,
                quantity: line.quantity,
                order_number: &order.number,
                line_number: &line.number,
                renewal: line.renewal.unwrap_or(Renewal::MANUAL),
            };
            line.subscription_id = Some(subscriptions::open(tx, ctx, new).await?.id);
        }
        (OrderKind::Renew, Some(subscription)) => {
            let period = line.period.ok_or_else(|| Refusal::new(Code::NotPeriodic))?;
            let (from, to) = subscriptions::renew(tx, ctx, edition, subscription, period, (&order.number, &line.number)).await?;
            line.effective_at = Some(from);
            line.ends_at = Some(to);
            subscriptions::set_open_order(tx, subscription, None).await?;
        }
        (OrderKind::Change, Some(subscription)) => {
            let sub = subscriptions::get(tx, subscription).await?;
            if sub.state != SubscriptionState::InUse {
                return Err(Refusal::new(Code::SubscriptionState).with("state", sub.state).into());
            }
            subscriptions::ask_change(tx, ctx, &sub, (&order.number, &line.number)).await?;
        }
        (OrderKind::Unsubscribe, _) | (OrderKind::Renew | OrderKind::Change, None) => {
            return Err(db::Error::broken(format!("line {} of a {} order cannot be started", line.number, order.kind)));
        }
    }
    store::update_line(tx, line, LineState::Waiting).await
}

/// Cancels an order that was not paid.
///
/// # Errors
/// [`Code::NotFound`], [`Code::OrderState`].
pub async fn cancel(tx: &mut Tx, ctx: &Ctx, buyer: AccountId, number: &str) -> Result<Order> {
    let order = get_of_buyer(tx, buyer, number).await?;
    close_unpaid(tx, ctx, order, CancelReason::Buyer).await
}

/// Ends an order whose time to be paid is over, dated by that time; leaves any other alone.
///
/// # Errors
/// Those of the database.
pub async fn expire_unpaid(tx: &mut Tx, ctx: &Ctx, number: &str) -> Result<()> {
    let order = get(tx, number).await?;
    if order.state != OrderState::PendingPayment || order.pay_until > ctx.now {
        return Ok(());
    }
    let ctx = ctx.at(order.pay_until);
    close_unpaid(tx, &ctx, order, CancelReason::Unpaid).await.map(drop)
}

/// Cancels the unpaid order of a subscription that is over.
///
/// # Errors
/// Those of the database.
pub async fn cancel_open(tx: &mut Tx, ctx: &Ctx, sub: &Subscription) -> Result<()> {
    let Some(number) = &sub.open_order else { return Ok(()) };
    let order = get(tx, number).await?;
    if order.state == OrderState::PendingPayment {
        close_unpaid(tx, ctx, order, CancelReason::SubscriptionOver).await?;
    }
    Ok(())
}

async fn close_unpaid(tx: &mut Tx, ctx: &Ctx, mut order: Order, reason: CancelReason) -> Result<Order> {
    order.state = state::next(order.state, OrderEvent::Cancel)?;
    order.closed_at = Some(ctx.now);
    order.close_reason = Some(reason.word().to_owned());
    for line in &mut order.lines {
        line.state = LineState::Cancelled;
        store::update_line(tx, line, LineState::Waiting).await?;
        if let Some(subscription) = line.subscription_id {
            subscriptions::set_open_order(tx, subscription, None).await?;
        }
    }
    store::update(tx, &order, OrderState::PendingPayment).await?;
    audit::record_in(tx, ctx, &order.number, "orders.cancelled", &order.number, &json!({ "reason": reason })).await?;
    Ok(order)
}

/// The seller has done what a line is for: the money held becomes a sale of the seller.
///
/// `instance` is the seller's name for the instance; of purchases only.
///
/// # Errors
/// [`Code::OrderState`] when the line is not being delivered.
pub async fn fulfilled(tx: &mut Tx, ctx: &Ctx, edition: &Edition, line_number: &str, instance: Option<&str>) -> Result<()> {
    let (mut order, place) = processing_line(tx, line_number).await?;
    let line = &mut order.lines[place];
    let subscription = line.subscription_id.ok_or_else(|| db::Error::broken(format!("line {line_number} has no subscription")))?;
    let mut guaranteed_until = ctx.now;
    match order.kind {
        OrderKind::New => {
            let instance = instance.ok_or_else(|| db::Error::broken(format!("line {line_number} was opened without an instance")))?;
            let sub = subscriptions::opened(tx, ctx, edition, subscription, instance).await?;
            line.effective_at = Some(ctx.now);
            line.ends_at = sub.ends_at;
            if line.refund_rule == RefundRule::NoReason {
                guaranteed_until = edition.zone.add_days(ctx.now, edition.refund_days);
            }
        }
        OrderKind::Renew => guaranteed_until = line.effective_at.unwrap_or(ctx.now),
        OrderKind::Change => {
            let to = ChangedTo { sku_id: line.sku_id, price_id: line.price_id, quantity: line.quantity, names: line.names.clone() };
            subscriptions::changed(tx, ctx, edition, subscription, to).await?;
            subscriptions::set_open_order(tx, subscription, None).await?;
            let sub = subscriptions::get(tx, subscription).await?;
            line.effective_at = Some(ctx.now);
            line.ends_at = sub.ends_at;
            // A change returns together with its purchase, as long as that may be returned.
            if let Some(purchased_at) = store::find_line(tx, &sub.purchase_line).await?.and_then(|purchase| purchase.done_at) {
                guaranteed_until = edition.zone.add_days(purchased_at, edition.refund_days).max(ctx.now);
            }
        }
        OrderKind::Unsubscribe => return Err(Refusal::new(Code::OrderState).with("state", order.state).into()),
    }
    line.state = LineState::Done;
    line.done_at = Some(ctx.now);
    store::update_line(tx, line, LineState::Processing).await?;
    let sale = Posting {
        source: Book::Held(order.number.clone()),
        destination: Book::SellerPending(order.seller_id),
        amount_minor: line.amount_minor,
    };
    ledger::post(tx, ctx, EntryKind::Sale, &order.number, order.currency, &[sale]).await?;
    if line.amount_minor > 0 {
        let item = SaleItem {
            seller_id: order.seller_id,
            product_id: line.product_id,
            order_number: &order.number,
            line_number,
            amount: Money::new(line.amount_minor, order.currency),
            fee: Rate::bp(line.fee_bp),
            paid_at: order.paid_at.unwrap_or(ctx.now),
            effective_at: line.effective_at.unwrap_or(ctx.now),
            guaranteed_until,
        };
        settlement::record_sale(tx, ctx, &item).await?;
    }
    close_when_decided(tx, ctx, &mut order).await
}

/// The seller could not do what a line is for, or not in time: its money returns to the buyer at once (spec: business §5.1).
///
/// # Errors
/// [`Code::OrderState`] when the line is not being delivered.
pub async fn unfulfilled(tx: &mut Tx, ctx: &Ctx, edition: &Edition, line_number: &str) -> Result<()> {
    let (mut order, place) = processing_line(tx, line_number).await?;
    let line = &mut order.lines[place];
    match (order.kind, line.subscription_id) {
        (OrderKind::New, Some(subscription)) => drop(subscriptions::opening_failed(tx, ctx, edition, subscription).await?),
        (OrderKind::Change, Some(subscription)) => subscriptions::set_open_order(tx, subscription, None).await?,
        (OrderKind::New | OrderKind::Change | OrderKind::Renew | OrderKind::Unsubscribe, _) => {
            return Err(Refusal::new(Code::OrderState).with("state", order.state).into());
        }
    }
    line.state = LineState::Failed;
    store::update_line(tx, line, LineState::Processing).await?;
    let (held, refund, buyer) = (Book::Held(order.number.clone()), Book::Refund(order.number.clone()), Book::Buyer(order.buyer_id));
    let amount_minor = line.amount_minor;
    let postings =
        [Posting { source: held, destination: refund.clone(), amount_minor }, Posting { source: refund, destination: buyer, amount_minor }];
    ledger::post(tx, ctx, EntryKind::Refund, &order.number, order.currency, &postings).await?;
    let amount = Money::new(amount_minor, order.currency).to_string();
    let args = json!({ "names": line.names, "order": order.number, "amount": amount });
    notices::send(tx, ctx, order.buyer_id, NoticeKind::OrderFailed, &order.number, &args).await?;
    audit::record_in(tx, ctx, &order.number, "orders.line_refunded", &line_number, &json!({ "amount": amount })).await?;
    close_when_decided(tx, ctx, &mut order).await
}

async fn processing_line(tx: &mut Tx, line_number: &str) -> Result<(Order, usize)> {
    let line = store::find_line(tx, line_number).await?.ok_or_else(|| Refusal::new(Code::NotFound))?;
    if line.state != LineState::Processing {
        return Err(Refusal::new(Code::OrderState).with("state", line.state).into());
    }
    let order = get(tx, &line.order_number).await?;
    let place = order.lines.iter().position(|l| l.number == line_number).ok_or_else(|| db::Error::broken("a line outside its order"))?;
    Ok((order, place))
}

async fn close_when_decided(tx: &mut Tx, ctx: &Ctx, order: &mut Order) -> Result<()> {
    let lines: Vec<_> = order.lines.iter().map(|l| l.state).collect();
    let Some(event) = state::outcome(&lines) else { return Ok(()) };
    let was = order.state;
    order.state = state::next(was, event)?;
    order.closed_at = Some(ctx.now);
    store::update(tx, order, was).await?;
    let action = if event == OrderEvent::Complete { "orders.completed" } else { "orders.failed" };
    audit::record_in(tx, ctx, &order.number, action, &order.number, &json!({})).await
}

/// Renews a subscription from the balance, on its own account (spec: business §5.3). Refuses before anything is written.
///
/// # Errors
/// [`Code::BalanceTooLow`], [`Code::OrderOpen`], [`Code::NotOnSale`], [`Code::PriceMissing`] …: the reasons to tell the buyer.
pub async fn renew_automatically(tx: &mut Tx, ctx: &Ctx, edition: &Edition, sub: &Subscription) -> Result<Order, AutoRenewal> {
    let period = sub.renewal.period.ok_or_else(|| AutoRenewal::Refused(Refusal::new(Code::NotPeriodic)))?;
    sub.no_open_order().map_err(AutoRenewal::Refused)?;
    if sub.suspended_at.is_some() {
        return Err(AutoRenewal::Refused(Refusal::new(Code::FrozenByOperator)));
    }
    let draft = quote::renewal(tx, edition, sub, period).await.map_err(AutoRenewal::from)?;
    let needed = Money::new(draft.price.amount.minor, edition.currency);
    let balance = ledger::wallet(tx, sub.buyer_id, edition.currency).await.map_err(AutoRenewal::from)?;
    if balance < needed.minor {
        let balance = Money::new(balance, edition.currency);
        return Err(AutoRenewal::Refused(Refusal::new(Code::BalanceTooLow).with("balance", balance).with("needed", needed)));
    }
    let placed = place_renewal(tx, ctx, edition, sub.buyer_id, sub.id, period, None).await.map_err(AutoRenewal::Fault)?;
    pay(tx, ctx, edition, sub.buyer_id, &placed.number).await.map_err(AutoRenewal::Fault)
}

/// Why an automatic renewal did not take place.
#[derive(Debug)]
pub enum AutoRenewal {
    /// The business says no and nothing was written: it may be tried again tomorrow.
    Refused(Refusal),
    /// The transaction must not go on.
    Fault(db::Error),
}

impl From<db::Error> for AutoRenewal {
    fn from(error: db::Error) -> Self {
        match error {
            db::Error::Refused(refusal) => Self::Refused(refusal),
            other => Self::Fault(other),
        }
    }
}

/// A refund to be written down: lines that return, with the reason.
#[derive(Debug)]
pub struct NewRefund<'a> {
    /// Who gets the money back.
    pub buyer_id: AccountId,
    /// Whose sales they were.
    pub seller_id: AccountId,
    /// The currency.
    pub currency: Currency,
    /// The lines that return, all delivered.
    pub lines: &'a [OrderLine],
    /// Why, for the timeline.
    pub reason: &'static str,
}

/// Writes a refund order and takes the money back from the seller's sales; it waits in the refund book until [`pay_back`].
///
/// # Errors
/// [`Code::OrderState`] when a line was returned already.
pub async fn write_refund(tx: &mut Tx, ctx: &Ctx, edition: &Edition, refund: &NewRefund<'_>) -> Result<Order> {
    let number = order_number(ctx.now, &edition.zone, &ctx.entropy);
    let lines: Vec<OrderLine> = refund
        .lines
        .iter()
        .zip(1..)
        .map(|(line, position)| OrderLine {
            number: order_line_number(&number, position),
            order_number: number.clone(),
            position,
            state: LineState::Processing,
            refunds_line: Some(line.number.clone()),
            renewal: None,
            done_at: None,
            ..line.clone()
        })
        .collect();
    let total_minor = lines.iter().map(|l| l.amount_minor).sum();
    let order = Order {
        number,
        kind: OrderKind::Unsubscribe,
        state: OrderState::Refunding,
        buyer_id: refund.buyer_id,
        buyer_user: user_of(ctx),
        seller_id: refund.seller_id,
        currency: refund.currency,
        total_minor,
        created_at: ctx.now,
        pay_until: ctx.now,
        paid_at: None,
        closed_at: None,
        close_reason: Some(refund.reason.to_owned()),
        lines,
    };
    store::insert(tx, &order).await?;
    for (line, refunded) in order.lines.iter().zip(refund.lines) {
        return_line(tx, ctx, refunded, &order.number, &line.number).await?;
    }
    let posting = Posting {
        source: Book::SellerPending(refund.seller_id),
        destination: Book::Refund(order.number.clone()),
        amount_minor: total_minor,
    };
    ledger::post(tx, ctx, EntryKind::Refund, &order.number, order.currency, &[posting]).await?;
    let detail = json!({ "total": Money::new(total_minor, order.currency).to_string(), "reason": refund.reason });
    audit::record_in(tx, ctx, &order.number, "orders.refunding", &order.number, &detail).await?;
    Ok(order)
}

async fn return_line(tx: &mut Tx, ctx: &Ctx, line: &OrderLine, refund_order: &str, refund_line: &str) -> Result<()> {
    let mut returned = line.clone();
    returned.state = LineState::Refunded;
    store::update_line(tx, &returned, LineState::Done).await?;
    if line.amount_minor > 0 {
        settlement::record_refund(tx, ctx, &line.number, refund_order, refund_line).await?;
    }
    let mut order = get(tx, &line.order_number).await?;
    let whole = order.lines.iter().all(|l| matches!(l.state, LineState::Refunded | LineState::Failed));
    if whole && order.state == OrderState::Completed {
        order.state = state::next(order.state, OrderEvent::Refund)?;
        store::update(tx, &order, OrderState::Completed).await?;
    }
    Ok(())
}

/// The money of a refund order reaches the buyer's balance.
///
/// # Errors
/// [`Code::OrderState`] when it has already.
pub async fn pay_back(tx: &mut Tx, ctx: &Ctx, number: &str) -> Result<()> {
    let mut refund = get(tx, number).await?;
    refund.state = state::next(refund.state, OrderEvent::PayBack)?;
    refund.closed_at = Some(ctx.now);
    for line in &mut refund.lines {
        line.state = LineState::Done;
        line.done_at = Some(ctx.now);
        store::update_line(tx, line, LineState::Processing).await?;
    }
    store::update(tx, &refund, OrderState::Refunding).await?;
    let posting =
        Posting { source: Book::Refund(number.to_owned()), destination: Book::Buyer(refund.buyer_id), amount_minor: refund.total_minor };
    ledger::post(tx, ctx, EntryKind::Refund, number, refund.currency, &[posting]).await?;
    let returned: Vec<String> = refund.lines.iter().filter_map(|l| l.refunds_line.clone()).collect();
    for line in returned {
        let Some(line) = store::find_line(tx, &line).await? else { continue };
        let mut order = get(tx, &line.order_number).await?;
        if order.state == OrderState::Refunding {
            order.state = state::next(order.state, OrderEvent::PayBack)?;
            store::update(tx, &order, OrderState::Refunding).await?;
        }
    }
    let amount = Money::new(refund.total_minor, refund.currency).to_string();
    notices::send(tx, ctx, refund.buyer_id, NoticeKind::Refunded, &refund.number, &json!({ "order": number, "amount": amount })).await?;
    audit::record_in(tx, ctx, &refund.number, "orders.refunded", &refund.number, &json!({ "amount": amount })).await
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
pub async fn list(tx: &mut Tx, whose: subscriptions::Whose, state: Option<OrderState>, page: &PageRequest) -> Result<Page<Order>> {
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

/// Every line of a subscription, oldest first.
///
/// # Errors
/// Those of the database.
pub async fn lines_of(tx: &mut Tx, subscription: SubscriptionId) -> Result<Vec<OrderLine>> {
    store::lines_of(tx, subscription).await
}

/// Unpaid orders whose time was over at `now`.
///
/// # Errors
/// Those of the database.
pub async fn unpaid_due(tx: &mut Tx, now: i64, limit: i64) -> Result<Vec<String>> {
    store::unpaid_due(tx, now, limit).await
}

/// When the next unpaid order ends, market ms UTC.
///
/// # Errors
/// Those of the database.
pub async fn next_unpaid_due(tx: &mut Tx) -> Result<Option<i64>> {
    store::next_unpaid_due(tx).await
}
