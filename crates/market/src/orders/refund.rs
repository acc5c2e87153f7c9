//! Refund orders: written when a line returns, paid back when the seller has heard of it.

use db::{Result, Tx};
use kernel::{AccountId, Code, Ctx, Currency, Money, Refusal, SubscriptionId, order_line_number, order_number};
use serde_json::json;

use super::place::close_undecided;
use super::state::{self, OrderEvent};
use super::{CancelReason, LineState, Order, OrderKind, OrderLine, OrderState, get, store, user_of};
use crate::audit;
use crate::edition::Edition;
use crate::ledger::{self, Book, EntryKind, Posting};
use crate::notices::{self, NoticeKind};
use crate::{settlement, subscriptions};

/// The most characters of the reason of a refusal. `[ours]`
const REASON_MAX: usize = 500;

kernel::words! {
    /// Why lines return.
    pub enum RefundReason {
        /// The buyer does not want it, within the days of the rule.
        NoReason = "no_reason",
        /// The time of the renewal had not begun.
        RenewalNotBegun = "renewal_not_begun",
        /// The seller never confirmed the renewal.
        RenewalUnconfirmed = "renewal_unconfirmed",
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
    /// The lines that return: delivered, or renewals that the seller has not confirmed and whose calls were withdrawn.
    pub lines: &'a [OrderLine],
    /// Why, for the timeline.
    pub reason: RefundReason,
}

/// Writes a refund order and takes the money back, from the seller's sales or from what is still held for an order; it waits in the refund
/// book until [`pay_back`].
///
/// # Errors
/// [`Code::OrderState`] when a line was returned already.
pub async fn write_refund(tx: &mut Tx, ctx: &Ctx, edition: &Edition, refund: &NewRefund<'_>) -> Result<Order> {
    let order = insert_refund(tx, ctx, edition, refund, OrderState::Refunding, ctx.now).await?;
    take_back(tx, ctx, &order, refund.lines).await?;
    Ok(order)
}

/// Writes a refund order that waits for the operator until `decide_until` (market ms UTC); its subscription has an open order until then.
/// Nothing moves. Its sales are not billed before.
///
/// # Errors
/// Those of the database.
pub async fn ask_refund(
    tx: &mut Tx,
    ctx: &Ctx,
    edition: &Edition,
    refund: &NewRefund<'_>,
    subscription: SubscriptionId,
    decide_until: i64,
) -> Result<Order> {
    let order = insert_refund(tx, ctx, edition, refund, OrderState::PendingReview, decide_until).await?;
    for line in refund.lines {
        settlement::hold_back(tx, &line.number, decide_until).await?;
    }
    subscriptions::set_open_order(tx, subscription, Some(&order.number)).await?;
    let detail = json!({ "total": Money::new(order.total_minor, order.currency).to_string(), "decide_until": decide_until });
    audit::record_in(tx, ctx, &order.number, "orders.refund_asked", &order.number, &detail).await?;
    Ok(order)
}

/// The operator approves a refund that waits: the money is taken back as by [`write_refund`].
///
/// # Errors
/// [`Code::OrderState`] unless it waits.
pub async fn approve_refund(tx: &mut Tx, ctx: &Ctx, number: &str, returned: &[OrderLine]) -> Result<Order> {
    let mut order = get(tx, number).await?;
    order.state = state::next(order.state, OrderEvent::Approve)?;
    store::update(tx, &order, OrderState::PendingReview).await?;
    for line in &mut order.lines {
        line.state = LineState::Processing;
        store::update_line(tx, line, LineState::Waiting).await?;
        if let Some(subscription) = line.subscription_id {
            subscriptions::set_open_order(tx, subscription, None).await?;
        }
    }
    take_back(tx, ctx, &order, returned).await?;
    decided(tx, ctx, &order, "approved", None).await?;
    Ok(order)
}

/// The operator refuses a refund that waits.
///
/// # Errors
/// [`Code::OrderState`] unless it waits; [`Code::FieldInvalid`] for `reason` (1 to 500 characters).
pub async fn refuse_refund(tx: &mut Tx, ctx: &Ctx, number: &str, reason: &str) -> Result<Order> {
    let reason = reason.trim();
    if reason.is_empty() || reason.chars().count() > REASON_MAX {
        return Err(Refusal::field("reason", format!("length:1-{REASON_MAX}")).into());
    }
    let order = get(tx, number).await?;
    if order.state != OrderState::PendingReview {
        return Err(Refusal::new(Code::OrderState).with("state", order.state).into());
    }
    let order = close_undecided(tx, ctx, order, CancelReason::Refused).await?;
    decided(tx, ctx, &order, "refused", Some(reason)).await?;
    Ok(order)
}

async fn decided(tx: &mut Tx, ctx: &Ctx, order: &Order, decision: &str, reason: Option<&str>) -> Result<()> {
    let amount = Money::new(order.total_minor, order.currency).to_string();
    let args = json!({ "order": order.number, "amount": amount, "decision": decision, "reason": reason });
    notices::send(tx, ctx, order.buyer_id, NoticeKind::RefundDecided, &order.number, &args).await?;
    audit::record_in(tx, ctx, &order.number, "orders.refund_decided", &order.number, &args).await
}

async fn insert_refund(
    tx: &mut Tx,
    ctx: &Ctx,
    edition: &Edition,
    refund: &NewRefund<'_>,
    state: OrderState,
    pay_until: i64,
) -> Result<Order> {
    let number = order_number(ctx.now, &edition.zone, &ctx.entropy);
    let line_state = if state == OrderState::PendingReview { LineState::Waiting } else { LineState::Processing };
    let lines: Vec<OrderLine> = refund
        .lines
        .iter()
        .zip(1..)
        .map(|(line, position)| OrderLine {
            number: order_line_number(&number, position),
            order_number: number.clone(),
            position,
            state: line_state,
            refunds_line: Some(line.number.clone()),
            renewal: None,
            done_at: None,
            ..line.clone()
        })
        .collect();
    let order = Order {
        number,
        kind: OrderKind::Unsubscribe,
        state,
        buyer_id: refund.buyer_id,
        buyer_user: user_of(ctx),
        seller_id: refund.seller_id,
        currency: refund.currency,
        total_minor: lines.iter().map(|l| l.amount_minor).sum(),
        created_at: ctx.now,
        pay_until,
        paid_at: None,
        closed_at: None,
        close_reason: Some(refund.reason.word().to_owned()),
        lines,
    };
    store::insert(tx, &order).await?;
    Ok(order)
}

/// Takes the money of the lines `returned` back for the refund `order`, whose lines name them in the same order.
async fn take_back(tx: &mut Tx, ctx: &Ctx, order: &Order, returned: &[OrderLine]) -> Result<()> {
    let (mut sold_minor, mut postings) = (0, Vec::new());
    for (line, refunded) in order.lines.iter().zip(returned) {
        return_line(tx, ctx, refunded, &order.number, &line.number).await?;
        if refunded.state == LineState::Processing {
            let held = Book::Held(refunded.order_number.clone());
            postings.push(Posting::new(held, Book::Refund(order.number.clone()), refunded.amount_minor));
        } else {
            sold_minor += refunded.amount_minor;
        }
    }
    postings.push(Posting::new(Book::SellerPending(order.seller_id), Book::Refund(order.number.clone()), sold_minor));
    ledger::post(tx, ctx, EntryKind::Refund, &order.number, order.currency, &postings).await?;
    let detail = json!({ "total": Money::new(order.total_minor, order.currency).to_string(), "reason": order.close_reason });
    audit::record_in(tx, ctx, &order.number, "orders.refunding", &order.number, &detail).await
}

async fn return_line(tx: &mut Tx, ctx: &Ctx, line: &OrderLine, refund_order: &str, refund_line: &str) -> Result<()> {
    let mut returned = line.clone();
    returned.state = LineState::Refunded;
    store::update_line(tx, &returned, line.state).await?;
    if line.amount_minor > 0 && line.state == LineState::Done {
        settlement::record_refund(tx, ctx, &line.number, refund_order, refund_line).await?;
    }
    let mut order = get(tx, &line.order_number).await?;
    let lines: Vec<_> = order.lines.iter().map(|line| line.state).collect();
    if state::outcome(&lines) == Some(OrderEvent::Refund) {
        let was = order.state;
        order.state = state::next(was, OrderEvent::Refund)?;
        order.closed_at = order.closed_at.or(Some(ctx.now));
        store::update(tx, &order, was).await?;
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
        if order.state == OrderState::Refunding && store::returning(tx, &order.number).await? == 0 {
            order.state = state::next(order.state, OrderEvent::PayBack)?;
            store::update(tx, &order, OrderState::Refunding).await?;
        }
    }
    let amount = Money::new(refund.total_minor, refund.currency).to_string();
    notices::send(tx, ctx, refund.buyer_id, NoticeKind::Refunded, &refund.number, &json!({ "order": number, "amount": amount })).await?;
    audit::record_in(tx, ctx, &refund.number, "orders.refunded", &refund.number, &json!({ "amount": amount })).await
}
