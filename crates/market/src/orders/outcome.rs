//! What becomes of a paid line: delivered, and its money a sale of the seller; or not, and its money back with the buyer.

use db::{Result, Tx};
use kernel::{Code, Ctx, Money, Rate, Refusal};
use serde_json::json;

use super::state::{self, OrderEvent};
use super::{LineState, Order, OrderKind, OrderLine, get, store};
use crate::audit;
use crate::catalog::{ChargingMode, RefundRule};
use crate::edition::Edition;
use crate::ledger::{self, Book, EntryKind, Posting};
use crate::notices::{self, NoticeKind};
use crate::settlement::{self, SaleItem};
use crate::subscriptions;

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
            guaranteed_until = returnable_until(edition, line, ctx.now);
            let args = json!({ "names": line.item.names, "order": order.number, "ends_at": sub.ends_at });
            notices::send(tx, ctx, order.buyer_id, NoticeKind::SubscriptionOpened, &subscription, &args).await?;
        }
        OrderKind::Renew => guaranteed_until = line.effective_at.unwrap_or(ctx.now),
        OrderKind::Change => {
            subscriptions::changed(tx, ctx, edition, subscription, line.item.clone(), line.quantity).await?;
            subscriptions::set_open_order(tx, subscription, None).await?;
            let sub = subscriptions::get(tx, subscription).await?;
            line.effective_at = Some(ctx.now);
            line.ends_at = sub.ends_at;
            // A change returns together with its purchase, as long as that may be returned.
            if let Some(purchase) = store::find_line(tx, &sub.purchase_line).await? {
                guaranteed_until = returnable_until(edition, &purchase, purchase.done_at.unwrap_or(ctx.now)).max(ctx.now);
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
            product_id: line.item.product_id,
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

/// Until when a purchase that was delivered at `done_at` may be returned: only time is, never what was bought once (spec: business §6.4).
fn returnable_until(edition: &Edition, purchase: &OrderLine, done_at: i64) -> i64 {
    match (purchase.item.charging_mode, purchase.refund_rule) {
        (ChargingMode::Period, RefundRule::NoReason) => edition.zone.add_days(done_at, edition.refund_days),
        (ChargingMode::Period | ChargingMode::OneTime, _) => done_at,
    }
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
    let args = json!({ "names": line.item.names, "order": order.number, "amount": amount });
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
