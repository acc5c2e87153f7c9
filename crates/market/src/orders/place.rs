//! Placing, paying, cancelling: the way of an order until its lines are under way.

use db::{Result, Tx};
use kernel::{AccountId, Code, Ctx, MINUTE_MS, Money, Refusal, SkuId, SubscriptionId, order_number};
use serde_json::json;

use super::quote::{self, Draft};
use super::state::{self, OrderEvent};
use super::{LineState, Order, OrderKind, OrderLine, OrderState, PurchaseItem, RenewalInput, get, get_of_buyer, store, user_of};
use crate::audit;
use crate::catalog::{self, Purpose};
use crate::edition::Edition;
use crate::ledger::{self, Book, EntryKind, Posting};
use crate::pricing;
use crate::subscriptions::{self, NewSubscription, Renewal, RenewalTerms, Subscription, SubscriptionState};

kernel::words! {
    /// Why an order was cancelled.
    pub enum CancelReason {
        /// The buyer did.
        Buyer = "buyer",
        /// It was not paid in time.
        Unpaid = "unpaid",
        /// The marketplace has renewed the subscription itself.
        Replaced = "replaced",
        /// The operator refused the refund.
        Refused = "refused",
        /// The subscription it was for is over.
        SubscriptionOver = "subscription_over",
        /// What it was for was taken off the market.
        NotOnSale = "not_on_sale",
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
    let drafts = quote::purchase(tx, edition, Some(buyer), items).await?;
    let pay_until = edition.zone.add_days(ctx.now, edition.order_unpaid_days);
    write_down(tx, ctx, edition, OrderKind::New, buyer, drafts, pay_until, expected_total_minor).await
}

/// Places a renewal at today's price. Ask the seller first when it changes something (`delivery::check_renewal`).
///
/// # Errors
/// As [`quote_renewal`], and [`Code::OrderOpen`].
pub async fn place_renewal(
    tx: &mut Tx,
    ctx: &Ctx,
    edition: &Edition,
    buyer: AccountId,
    subscription: SubscriptionId,
    input: &RenewalInput,
    expected_total_minor: Option<i64>,
) -> Result<Order> {
    let sub = subscriptions::get_of_buyer(tx, buyer, subscription).await?;
    sub.no_open_order()?;
    let draft = quote::renewal(tx, ctx.now, edition, &sub, input).await?;
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
    let drafts = quote::change(tx, ctx, edition, &sub, sku, quantity).await?;
    let pay_until = ctx.now + edition.change_unpaid_minutes * MINUTE_MS;
    let order = write_down(tx, ctx, edition, OrderKind::Change, buyer, drafts, pay_until, expected_total_minor).await?;
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
    drafts: Vec<Draft>,
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

/// Pays an order from the buyer's balance and starts its lines.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::OrderState`] when it is paid, cancelled or its time is over; [`Code::BalanceTooLow`];
/// [`Code::NotOnSale`] when the product was withdrawn since; [`Code::SubscriptionState`] when the subscription is over.
pub async fn pay(tx: &mut Tx, ctx: &Ctx, edition: &Edition, buyer: AccountId, number: &str) -> Result<Order> {
    let mut order = get_of_buyer(tx, buyer, number).await?;
    order.state = state::next(order.state, OrderEvent::Pay)?;
    if order.kind != OrderKind::New {
        // It depends on how a subscription stands, and on its calls.
        tx.need_serializable()?;
    }
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
    match catalog::offer(tx, line.item.sku_id, pricing::unit_of(line.period), purpose).await {
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
                item: line.item.clone(),
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
            let terms = RenewalTerms { period, item: &line.item, quantity: line.quantity };
            let (from, to) = subscriptions::renew(tx, ctx, edition, subscription, &terms, (&order.number, &line.number)).await?;
            line.effective_at = Some(from);
            line.ends_at = Some(to);
            subscriptions::set_open_order(tx, subscription, None).await?;
        }
        (OrderKind::Change, Some(subscription)) => {
            let sub = subscriptions::get(tx, subscription).await?;
            if sub.state != SubscriptionState::InUse {
                return Err(Refusal::new(Code::SubscriptionState).with("state", sub.state).into());
            }
            // One call makes the change, however many lines pay for it.
            if line.position == 1 {
                subscriptions::ask_change(tx, ctx, &sub, (&order.number, &line.number)).await?;
            }
        }
        (OrderKind::Unsubscribe, _) | (OrderKind::Renew | OrderKind::Change, None) => {
            return Err(db::Error::broken(format!("line {} of a {} order cannot be started", line.number, order.kind)));
        }
    }
    store::update_line(tx, line, LineState::Waiting).await
}

/// Cancels an order that was not paid, or a refund about which the operator has not decided.
///
/// # Errors
/// [`Code::NotFound`], [`Code::OrderState`].
pub async fn cancel(tx: &mut Tx, ctx: &Ctx, buyer: AccountId, number: &str) -> Result<Order> {
    let order = get_of_buyer(tx, buyer, number).await?;
    close_undecided(tx, ctx, order, CancelReason::Buyer).await
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
    close_undecided(tx, &ctx, order, CancelReason::Unpaid).await.map(drop)
}

/// Cancels the order of a subscription that waits for its payment or for the operator, if it has one.
///
/// # Errors
/// Those of the database.
pub async fn cancel_open(tx: &mut Tx, ctx: &Ctx, sub: &Subscription, reason: CancelReason) -> Result<()> {
    let Some(number) = &sub.open_order else { return Ok(()) };
    let order = get(tx, number).await?;
    if matches!(order.state, OrderState::PendingPayment | OrderState::PendingReview) {
        close_undecided(tx, ctx, order, reason).await?;
    }
    Ok(())
}

pub(super) async fn close_undecided(tx: &mut Tx, ctx: &Ctx, mut order: Order, reason: CancelReason) -> Result<Order> {
    let was = order.state;
    order.state = state::next(was, OrderEvent::Cancel)?;
    order.closed_at = Some(ctx.now);
    order.close_reason = Some(reason.word().to_owned());
    for line in &mut order.lines {
        line.state = LineState::Cancelled;
        store::update_line(tx, line, LineState::Waiting).await?;
        if let Some(subscription) = line.subscription_id {
            subscriptions::set_open_order(tx, subscription, None).await?;
        }
    }
    store::update(tx, &order, was).await?;
    audit::record_in(tx, ctx, &order.number, "orders.cancelled", &order.number, &json!({ "reason": reason })).await?;
    Ok(order)
}
