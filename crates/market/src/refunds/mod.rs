//! Returns without reason (spec: business §6.4): a purchase within five days, ten a year; and a renewal that has not begun.
//!
//! A refund is an order of its own. Its money leaves the seller's sales at once and reaches the buyer when the seller has released the
//! instance, or when calling the seller was given up: within the documented three hours.
//!
//! Invariant: no line is returned twice, and never more than was paid for it.

use db::{Result, Tx};
use kernel::{AccountId, Code, Ctx, Refusal, SubscriptionId};
use serde::Serialize;

use crate::calls;
use crate::catalog::{ChargingMode, RefundRule};
use crate::edition::Edition;
use crate::orders::{self, LineState, NewRefund, Order, OrderKind, OrderLine, OrderState};
use crate::subscriptions::{self, ReleaseReason, Subscription, SubscriptionState};

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
    if let Some(line) = lines.iter().find(|l| matches!(l.state, LineState::Processing | LineState::Waiting)) {
        return Err(Refusal::new(Code::OrderOpen).with("order", &line.order_number).into());
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
    let delivered = lines.into_iter().filter(|l| l.state == LineState::Done && l.refunds_line.is_none()).collect();
    Ok((delivered, until))
}

/// Returns a renewal that has not begun, in full (spec: business §5.3). It does not count against the yearly quota.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::NotRefundable`] unless it is a delivered renewal, the last of its subscription, whose time has not begun;
/// [`Code::OrderOpen`] while the seller is still being told of something.
pub async fn refund_renewal(tx: &mut Tx, ctx: &Ctx, edition: &Edition, buyer: AccountId, number: &str) -> Result<Order> {
    let order = orders::get_of_buyer(tx, buyer, number).await?;
    let not_refundable = || Refusal::new(Code::NotRefundable);
    if order.kind != OrderKind::Renew || order.state != OrderState::Completed {
        return Err(not_refundable().into());
    }
    let line = order.lines.first().filter(|l| l.state == LineState::Done).ok_or_else(not_refundable)?;
    let (Some(subscription), Some(period), Some(from), Some(to)) = (line.subscription_id, line.period, line.effective_at, line.ends_at)
    else {
        return Err(not_refundable().into());
    };
    if from <= ctx.now {
        return Err(not_refundable().into());
    }
    let sub = subscriptions::get_of_buyer(tx, buyer, subscription).await?;
    sub.no_open_order()?;
    if calls::any_active(tx, subscription).await? {
        return Err(Refusal::new(Code::OrderOpen).with("order", number).into());
    }
    let lines = [line.clone()];
    let refund =
        NewRefund { buyer_id: buyer, seller_id: order.seller_id, currency: order.currency, lines: &lines, reason: "renewal_not_begun" };
    let refund_order = orders::write_refund(tx, ctx, edition, &refund).await?;
    let refund_line = refund_order.lines.first().ok_or_else(|| db::Error::broken("a refund without a line"))?;
    let reference = (refund_order.number.as_str(), refund_line.number.as_str());
    subscriptions::cancel_renewal(tx, ctx, edition, subscription, period.months(), to, reference).await?;
    Ok(refund_order)
}
