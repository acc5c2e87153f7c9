//! Returns: without reason (spec: business §6.4), a purchase within five days, ten a year; a renewal that has not begun; and a renewal that the
//! seller never confirmed.
//!
//! A refund is an order of its own. Its money leaves the seller's sales, or what is held for the order, at once and reaches the buyer when the
//! seller has heard of it, or when calling the seller was given up: within the documented three hours.
//!
//! Invariant: no line is returned twice, and never more than was paid for it.

use db::{Result, Tx};
use kernel::{AccountId, Code, Ctx, Refusal, SubscriptionId};
use serde::Serialize;
use serde_json::json;

use crate::calls;
use crate::catalog::{ChargingMode, RefundRule};
use crate::edition::Edition;
use crate::notices::{self, NoticeKind};
use crate::orders::{self, LineState, NewRefund, Order, OrderKind, OrderLine};
use crate::subscriptions::{self, CancelledRenewal, ReleaseReason, Subscription, SubscriptionState};

/// What returning a subscription would give, and until when.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct RefundOffer {
    /// The sum that returns, minor units.
    pub amount_minor: i64,
    /// Until when it may be returned, market ms UTC.
    pub until: i64,
    /// Refunds without reason that the account has left this year.
    pub quota_left: i64,
}

/// Says whether and for how much a subscription may be returned.
///
/// # Errors
/// As [`refund_subscription`].
pub async fn offer(tx: &mut Tx, ctx: &Ctx, edition: &Edition, buyer: AccountId, id: SubscriptionId) -> Result<RefundOffer> {
    let sub = subscriptions::get_of_buyer(tx, buyer, id).await?;
    let (lines, until) = returnable(tx, ctx, edition, &sub).await?;
    let used = subscriptions::refunds_used(tx, buyer, edition.zone.year(ctx.now)).await?;
    let quota_left = edition.refund_quota - used;
    if quota_left <= 0 {
        return Err(Refusal::new(Code::RefundQuotaUsed).with("max", edition.refund_quota).into());
    }
    Ok(RefundOffer { amount_minor: lines.iter().map(|l| l.amount_minor).sum(), until, quota_left })
}

/// Returns a subscription without reason: everything paid for it, and the instance is released.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::NotRefundable`] for one-time purchases and editions without the rule; [`Code::RefundWindowOver`];
/// [`Code::RefundQuotaUsed`]; [`Code::FrozenByOperator`]; [`Code::OrderOpen`]; [`Code::SubscriptionState`].
pub async fn refund_subscription(tx: &mut Tx, ctx: &Ctx, edition: &Edition, buyer: AccountId, id: SubscriptionId) -> Result<Order> {
    let sub = subscriptions::get_of_buyer(tx, buyer, id).await?;
    let (lines, _) = returnable(tx, ctx, edition, &sub).await?;
    subscriptions::use_refund(tx, buyer, edition.zone.year(ctx.now), edition.refund_quota).await?;
    withdraw_unconfirmed(tx, id, &lines).await?;
    let currency = edition.currency;
    let refund = NewRefund { buyer_id: buyer, seller_id: sub.seller_id, currency, lines: &lines, reason: "no_reason" };
    let order = orders::write_refund(tx, ctx, edition, &refund).await?;
    let line = order.lines.first().ok_or_else(|| db::Error::broken("a refund without a line"))?;
    subscriptions::release(tx, ctx, edition, sub, ReleaseReason::Refunded, Some((&order.number, &line.number))).await?;
    Ok(order)
}

async fn returnable(tx: &mut Tx, ctx: &Ctx, edition: &Edition, sub: &Subscription) -> Result<(Vec<OrderLine>, i64)> {
    if !matches!(sub.state, SubscriptionState::InUse | SubscriptionState::Frozen) {
        return Err(Refusal::new(Code::SubscriptionState).with("state", sub.state).into());
    }
    if sub.suspended_at.is_some() {
        return Err(Refusal::new(Code::FrozenByOperator).into());
    }
    sub.no_open_order()?;
    let lines = orders::lines_of(tx, sub.id).await?;
    for line in lines.iter().filter(|l| matches!(l.state, LineState::Processing | LineState::Waiting)) {
        if !calls::given_up(tx, sub.id, &line.number).await? {
            return Err(Refusal::new(Code::OrderOpen).with("order", &line.order_number).into());
        }
    }
    let purchase =
        lines.iter().find(|l| l.number == sub.purchase_line).ok_or_else(|| db::Error::broken("a subscription without its line"))?;
    if sub.item.charging_mode != ChargingMode::Period || purchase.refund_rule != RefundRule::NoReason {
        return Err(Refusal::new(Code::NotRefundable).into());
    }
    let until = edition.zone.add_days(purchase.done_at.unwrap_or(0), edition.refund_days);
    if ctx.now >= until {
        return Err(Refusal::new(Code::RefundWindowOver).with("days", edition.refund_days).into());
    }
    let paid = |line: &OrderLine| matches!(line.state, LineState::Done | LineState::Processing) && line.refunds_line.is_none();
    Ok((lines.into_iter().filter(paid).collect(), until))
}

/// Withdraws the calls of lines that are still being delivered: they were given up, and nobody shall restart them.
async fn withdraw_unconfirmed(tx: &mut Tx, id: SubscriptionId, lines: &[OrderLine]) -> Result<()> {
    for line in lines.iter().filter(|line| line.state == LineState::Processing) {
        if !calls::withdraw(tx, id, &line.number).await? {
            return Err(Refusal::new(Code::OrderOpen).with("order", &line.order_number).into());
        }
    }
    Ok(())
}

/// Returns a renewal in full, with what changes have paid for its time: one that has not begun (spec: business §5.3), or one whose call was
/// given up, begun or not. It does not count against the yearly quota.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::NotRefundable`] unless it is such a renewal, and the last of its subscription; [`Code::OrderOpen`] while the
/// seller is still being told of something.
pub async fn refund_renewal(tx: &mut Tx, ctx: &Ctx, edition: &Edition, buyer: AccountId, number: &str) -> Result<Order> {
    let order = orders::get_of_buyer(tx, buyer, number).await?;
    let not_refundable = || Refusal::new(Code::NotRefundable);
    let line = order.lines.first().filter(|_| order.kind == OrderKind::Renew).ok_or_else(not_refundable)?;
    let (Some(subscription), Some(period), Some(from), Some(to)) = (line.subscription_id, line.period, line.effective_at, line.ends_at)
    else {
        return Err(not_refundable().into());
    };
    let unconfirmed = line.state == LineState::Processing;
    if !unconfirmed && (line.state != LineState::Done || from <= ctx.now) {
        return Err(not_refundable().into());
    }
    let sub = subscriptions::get_of_buyer(tx, buyer, subscription).await?;
    sub.no_open_order()?;
    if calls::any_active(tx, subscription).await? {
        return Err(Refusal::new(Code::OrderOpen).with("order", number).into());
    }
    let mut lines = vec![line.clone()];
    lines.extend(orders::changes_from(tx, subscription, from).await?);
    withdraw_unconfirmed(tx, subscription, &lines).await?;
    let reason = if unconfirmed { "renewal_unconfirmed" } else { "renewal_not_begun" };
    let refund = NewRefund { buyer_id: buyer, seller_id: order.seller_id, currency: order.currency, lines: &lines, reason };
    let refund_order = orders::write_refund(tx, ctx, edition, &refund).await?;
    let refund_line = refund_order.lines.first().ok_or_else(|| db::Error::broken("a refund without a line"))?;
    let before = orders::last_line(tx, &sub).await?;
    let renewal = CancelledRenewal {
        months: period.months(),
        ends_at: to,
        back_to: (&before.item, before.quantity),
        line: (&refund_order.number, &refund_line.number),
    };
    subscriptions::cancel_renewal(tx, ctx, edition, subscription, &renewal).await?;
    Ok(refund_order)
}

/// Returns a renewal that the seller has not confirmed, on the operator's word.
///
/// # Errors
/// As [`refund_renewal`]; [`Code::NotRefundable`] also for any other order.
pub async fn refund_unconfirmed(tx: &mut Tx, ctx: &Ctx, edition: &Edition, number: &str) -> Result<Order> {
    let order = orders::get(tx, number).await?;
    if order.kind != OrderKind::Renew || order.lines.iter().any(|line| line.state != LineState::Processing) {
        return Err(Refusal::new(Code::NotRefundable).into());
    }
    refund_renewal(tx, ctx, edition, order.buyer_id, number).await
}

/// The call for a renewal was given up: the buyer learns that the seller has not confirmed it and that it may be returned. When the
/// subscription is over meanwhile, the money returns at once.
///
/// # Errors
/// Those of the database.
pub async fn renewal_given_up(tx: &mut Tx, ctx: &Ctx, edition: &Edition, id: SubscriptionId, number: &str) -> Result<()> {
    let sub = subscriptions::get(tx, id).await?;
    if sub.state == SubscriptionState::Released {
        return return_unconfirmed(tx, ctx, edition, &sub).await;
    }
    let args = json!({ "names": sub.item.names, "order": number });
    notices::send(tx, ctx, sub.buyer_id, NoticeKind::RenewalUnconfirmed, &sub.id, &args).await
}

/// A subscription is over: renewals whose calls were given up return to the buyer at once, for nobody can confirm them any more.
///
/// # Errors
/// Those of the database.
pub async fn return_unconfirmed(tx: &mut Tx, ctx: &Ctx, edition: &Edition, sub: &Subscription) -> Result<()> {
    for line in orders::unconfirmed_renewals(tx, sub.id).await? {
        if !calls::withdraw(tx, sub.id, &line.number).await? {
            continue;
        }
        let lines = [line];
        let (buyer_id, seller_id, currency) = (sub.buyer_id, sub.seller_id, edition.currency);
        let refund = NewRefund { buyer_id, seller_id, currency, lines: &lines, reason: "renewal_unconfirmed" };
        let order = orders::write_refund(tx, ctx, edition, &refund).await?;
        orders::pay_back(tx, ctx, &order.number).await?;
    }
    Ok(())
}
