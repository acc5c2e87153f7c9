//! What becomes of a paid line: delivered, and its money a sale of the seller; or not, and its money back with the buyer.

use db::{Result, Tx};
use kernel::{Code, Ctx, Money, Rate, Refusal, SubscriptionId};
use serde_json::json;

use super::state::{self, OrderEvent};
use super::{LineState, Order, OrderKind, OrderLine, OrderState, get, store};
use crate::audit;
use crate::catalog::{ChargingMode, RefundRule};
use crate::edition::Edition;
use crate::ledger::{self, Book, EntryKind, Posting};
use crate::notices::{self, NoticeKind};
use crate::settlement::{self, SaleItem};
use crate::subscriptions;

/// The seller has done what a line is for: the money held becomes a sale of the seller. A change takes all its lines along, for one call
/// made it.
///
/// `instance` is the seller's name for the instance; of purchases only.
///
/// # Errors
/// [`Code::OrderState`] when the line is not being delivered.
pub async fn fulfilled(tx: &mut Tx, ctx: &Ctx, edition: &Edition, line_number: &str, instance: Option<&str>) -> Result<()> {
    let (mut order, place) = processing_line(tx, line_number).await?;
    let subscription = order.lines[place].subscription_id;
    let subscription = subscription.ok_or_else(|| db::Error::broken(format!("line {line_number} has no subscription")))?;
    match order.kind {
        OrderKind::New => {
            let instance = instance.ok_or_else(|| db::Error::broken(format!("line {line_number} was opened without an instance")))?;
            let sub = subscriptions::opened(tx, ctx, edition, subscription, instance).await?;
            let line = &mut order.lines[place];
            line.effective_at = Some(ctx.now);
            line.ends_at = sub.ends_at;
            let guaranteed_until = returnable_until(edition, line, ctx.now);
            sold(tx, ctx, &mut order, place, guaranteed_until).await?;
            let args = json!({ "names": order.lines[place].item.names, "order": order.number, "ends_at": sub.ends_at });
            notices::send(tx, ctx, order.buyer_id, NoticeKind::SubscriptionOpened, &subscription, &args).await?;
        }
        OrderKind::Renew => {
            let guaranteed_until = order.lines[place].effective_at.unwrap_or(ctx.now);
            sold(tx, ctx, &mut order, place, guaranteed_until).await?;
        }
        OrderKind::Change => changed(tx, ctx, edition, &mut order, subscription).await?,
        OrderKind::Unsubscribe => return Err(Refusal::new(Code::OrderState).with("state", order.state).into()),
    }
    close_when_decided(tx, ctx, &mut order).await
}

/// The seller has made a change: each of its lines pays for its own time from now on, and for none that is over.
async fn changed(tx: &mut Tx, ctx: &Ctx, edition: &Edition, order: &mut Order, subscription: SubscriptionId) -> Result<()> {
    let first = order.lines.first().ok_or_else(|| db::Error::broken("a change without a line"))?;
    subscriptions::changed(tx, ctx, edition, subscription, first.item.clone(), first.quantity).await?;
    subscriptions::set_open_order(tx, subscription, None).await?;
    let sub = subscriptions::get(tx, subscription).await?;
    // A change returns together with its purchase, as long as that may be returned; and with a renewal that has not begun.
    let purchase = store::find_line(tx, &sub.purchase_line).await?;
    let returnable = purchase.map_or(ctx.now, |purchase| returnable_until(edition, &purchase, purchase.done_at.unwrap_or(ctx.now)));
    for place in 0..order.lines.len() {
        let line = &mut order.lines[place];
        let from = line.effective_at.unwrap_or(ctx.now).max(ctx.now).min(line.ends_at.unwrap_or(i64::MAX));
        line.effective_at = Some(from);
        sold(tx, ctx, order, place, returnable.max(from)).await?;
    }
    Ok(())
}

/// The money held for a line becomes a sale of the seller, billable from `guaranteed_until` on.
async fn sold(tx: &mut Tx, ctx: &Ctx, order: &mut Order, place: usize, guaranteed_until: i64) -> Result<()> {
    let line = &mut order.lines[place];
    line.state = LineState::Done;
    line.done_at = Some(ctx.now);
    store::update_line(tx, line, LineState::Processing).await?;
    let sale = Posting {
        source: Book::Held(order.number.clone()),
        destination: Book::SellerPending(order.seller_id),
        amount_minor: line.amount_minor,
    };
    ledger::post(tx, ctx, EntryKind::Sale, &order.number, order.currency, &[sale]).await?;
    if line.amount_minor == 0 {
        return Ok(());
    }
    let item = SaleItem {
        seller_id: order.seller_id,
        product_id: line.item.product_id,
        order_number: &order.number,
        line_number: &line.number,
        amount: Money::new(line.amount_minor, order.currency),
        fee: Rate::bp(line.fee_bp),
        fee_steps: &line.fee_steps,
        paid_at: order.paid_at.unwrap_or(ctx.now),
        effective_at: line.effective_at.unwrap_or(ctx.now),
        guaranteed_until,
    };
    settlement::record_sale(tx, ctx, &item).await
}

/// Until when a purchase that was delivered at `done_at` may be returned: only time is, never what was bought once (spec: business §6.4).
fn returnable_until(edition: &Edition, purchase: &OrderLine, done_at: i64) -> i64 {
    match (purchase.item.charging_mode, purchase.refund_rule) {
        (ChargingMode::Period, RefundRule::NoReason) => edition.zone.add_days(done_at, edition.refund_days),
        (ChargingMode::Period | ChargingMode::OneTime, _) => done_at,
    }
}

/// The seller could not do what a line is for, or not in time: its money returns to the buyer at once (spec: business §5.1); that of a change
/// with all its lines.
///
/// # Errors
/// [`Code::OrderState`] when the line is not being delivered.
pub async fn unfulfilled(tx: &mut Tx, ctx: &Ctx, edition: &Edition, line_number: &str) -> Result<()> {
    let (mut order, place) = processing_line(tx, line_number).await?;
    let failed = match (order.kind, order.lines[place].subscription_id) {
        (OrderKind::New, Some(subscription)) => {
            subscriptions::opening_failed(tx, ctx, edition, subscription).await?;
            place..place + 1
        }
        (OrderKind::Change, Some(subscription)) => {
            subscriptions::set_open_order(tx, subscription, None).await?;
            0..order.lines.len()
        }
        (OrderKind::New | OrderKind::Change | OrderKind::Renew | OrderKind::Unsubscribe, _) => {
            return Err(Refusal::new(Code::OrderState).with("state", order.state).into());
        }
    };
    let mut amount_minor = 0;
    for line in &mut order.lines[failed] {
        line.state = LineState::Failed;
        store::update_line(tx, line, LineState::Processing).await?;
        amount_minor += line.amount_minor;
    }
    let (held, refund, buyer) = (Book::Held(order.number.clone()), Book::Refund(order.number.clone()), Book::Buyer(order.buyer_id));
    let postings =
        [Posting { source: held, destination: refund.clone(), amount_minor }, Posting { source: refund, destination: buyer, amount_minor }];
    ledger::post(tx, ctx, EntryKind::Refund, &order.number, order.currency, &postings).await?;
    let amount = Money::new(amount_minor, order.currency).to_string();
    let args = json!({ "names": order.lines[place].item.names, "order": order.number, "amount": amount });
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
    if lines.len() > 1 {
        // The last line closes the order: two that end at once must see each other.
        tx.need_serializable()?;
    }
    let Some(event) = state::outcome(&lines) else { return Ok(()) };
    let was = order.state;
    order.state = state::next(was, event)?;
    if order.state == OrderState::Refunding && store::returning(tx, &order.number).await? == 0 {
        order.state = state::next(order.state, OrderEvent::PayBack)?;
    }
    order.closed_at = Some(ctx.now);
    store::update(tx, order, was).await?;
    let action = match order.state {
        OrderState::Completed => "orders.completed",
        OrderState::Refunding => "orders.refunding",
        OrderState::Refunded => "orders.refunded",
        _ => "orders.failed",
    };
    audit::record_in(tx, ctx, &order.number, action, &order.number, &json!({})).await
}
