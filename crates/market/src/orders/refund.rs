//! Refund orders: written when a line returns, paid back when the seller has heard of it.

use db::{Result, Tx};
use kernel::{AccountId, Ctx, Currency, Money, order_line_number, order_number};
use serde_json::json;

use super::state::{self, OrderEvent};
use super::{LineState, Order, OrderKind, OrderLine, OrderState, get, store, user_of};
use crate::audit;
use crate::edition::Edition;
use crate::ledger::{self, Book, EntryKind, Posting};
use crate::notices::{self, NoticeKind};
use crate::settlement;

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
    pub reason: &'static str,
}

/// Writes a refund order and takes the money back, from the seller's sales or from what is still held for an order; it waits in the refund
/// book until [`pay_back`].
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
    let (mut sold_minor, mut postings) = (0, Vec::new());
    for (line, refunded) in order.lines.iter().zip(refund.lines) {
        return_line(tx, ctx, refunded, &order.number, &line.number).await?;
        if refunded.state == LineState::Processing {
            let held = Book::Held(refunded.order_number.clone());
            postings.push(Posting::new(held, Book::Refund(order.number.clone()), refunded.amount_minor));
        } else {
            sold_minor += refunded.amount_minor;
        }
    }
    postings.push(Posting::new(Book::SellerPending(refund.seller_id), Book::Refund(order.number.clone()), sold_minor));
    ledger::post(tx, ctx, EntryKind::Refund, &order.number, order.currency, &postings).await?;
    let detail = json!({ "total": Money::new(total_minor, order.currency).to_string(), "reason": refund.reason });
    audit::record_in(tx, ctx, &order.number, "orders.refunding", &order.number, &detail).await?;
    Ok(order)
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
