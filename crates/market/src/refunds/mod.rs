//! Returns: without reason (spec: business §6.4), a purchase within five days, ten a year; a renewal that has not begun; and a renewal that the
//! seller never confirmed.
//!
//! A refund is an order of its own. Its money leaves the seller's sales, or what is held for the order, at once and reaches the buyer when the
//! seller has heard of it, or when calling the seller was given up: within the documented three hours.
//!
//! Invariant: no line is returned twice, and never more than was paid for it.

use db::{Result, Tx};
use kernel::{AccountId, Code, Ctx, HOUR_MS, Refusal, SubscriptionId};
use serde::Serialize;
use serde_json::json;

use crate::calls;
use crate::catalog::{ChargingMode, RefundRule};
use crate::edition::Edition;
use crate::notices::{self, NoticeKind};
use crate::orders::{self, LineState, NewRefund, Order, OrderKind, OrderLine, OrderState, RefundReason};
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
    /// Whether it is so large that the operator decides about it first.
    pub needs_review: bool,
}

/// Says whether and for how much a subscription may be returned.
///
/// # Errors
/// As [`refund_subscription`].
pub async fn offer(tx: &mut Tx, ctx: &Ctx, edition: &Edition, buyer: AccountId, id: SubscriptionId) -> Result<RefundOffer> {
    let sub = subscriptions::get_of_buyer(tx, buyer, id).await?;
    sub.no_open_order()?;
    let (lines, until) = returnable(tx, ctx.now, edition, &sub).await?;
    let used = subscriptions::refunds_used(tx, buyer, edition.zone.year(ctx.now)).await?;
    let quota_left = edition.refund_quota - used;
    if quota_left <= 0 {
        return Err(Refusal::new(Code::RefundQuotaUsed).with("max", edition.refund_quota).into());
    }
    Ok(RefundOffer { amount_minor: sum(&lines), until, quota_left, needs_review: sum(&lines) > edition.refund_large_minor })
}

fn sum(lines: &[OrderLine]) -> i64 {
    lines.iter().map(|line| line.amount_minor).sum()
}

/// Returns a subscription without reason: everything paid for it, and the instance is released. A large refund waits for the operator first,
/// see [`approve`].
///
/// # Errors
/// [`Code::NotFound`]; [`Code::NotRefundable`] for one-time purchases and editions without the rule; [`Code::RefundWindowOver`];
/// [`Code::RefundQuotaUsed`]; [`Code::FrozenByOperator`]; [`Code::OrderOpen`]; [`Code::SubscriptionState`].
pub async fn refund_subscription(tx: &mut Tx, ctx: &Ctx, edition: &Edition, buyer: AccountId, id: SubscriptionId) -> Result<Order> {
    let sub = subscriptions::get_of_buyer(tx, buyer, id).await?;
    sub.no_open_order()?;
    let (lines, _) = returnable(tx, ctx.now, edition, &sub).await?;
    let refund = new_refund(&sub, edition, &lines, RefundReason::NoReason);
    if sum(&lines) > edition.refund_large_minor {
        return ask(tx, ctx, edition, id, &refund).await;
    }
    subscriptions::use_refund(tx, buyer, edition.zone.year(ctx.now), edition.refund_quota).await?;
    withdraw_unconfirmed(tx, id, &lines).await?;
    let order = orders::write_refund(tx, ctx, edition, &refund).await?;
    release(tx, ctx, edition, sub, &order).await?;
    Ok(order)
}

const fn new_refund<'a>(sub: &Subscription, edition: &Edition, lines: &'a [OrderLine], reason: RefundReason) -> NewRefund<'a> {
    NewRefund { buyer_id: sub.buyer_id, seller_id: sub.seller_id, currency: edition.currency, lines, reason }
}

async fn ask(tx: &mut Tx, ctx: &Ctx, edition: &Edition, id: SubscriptionId, refund: &NewRefund<'_>) -> Result<Order> {
    let decide_until = ctx.now + edition.refund_review_hours * HOUR_MS;
    orders::ask_refund(tx, ctx, edition, refund, id, decide_until).await
}

async fn release(tx: &mut Tx, ctx: &Ctx, edition: &Edition, sub: Subscription, refund: &Order) -> Result<()> {
    let line = refund.lines.first().ok_or_else(|| db::Error::broken("a refund without a line"))?;
    subscriptions::release(tx, ctx, edition, sub, ReleaseReason::Refunded, Some((&refund.number, &line.number))).await
}

/// The operator approves a refund that waits. What was in time when the buyer asked is in time.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::OrderState`] unless it waits; [`Code::OrderOpen`] while the seller is still being told of something;
/// [`Code::RefundQuotaUsed`]; [`Code::SubscriptionState`].
pub async fn approve(tx: &mut Tx, ctx: &Ctx, edition: &Edition, number: &str) -> Result<Order> {
    let order = orders::get(tx, number).await?;
    if order.state != OrderState::PendingReview {
        return Err(Refusal::new(Code::OrderState).with("state", order.state).into());
    }
    let subscription = order.lines.first().and_then(|line| line.subscription_id);
    let subscription = subscription.ok_or_else(|| db::Error::broken("a refund without a subscription"))?;
    let sub = subscriptions::get(tx, subscription).await?;
    if calls::any_active(tx, subscription).await? {
        return Err(Refusal::new(Code::OrderOpen).with("order", number).into());
    }
    let mut lines = Vec::with_capacity(order.lines.len());
    for line in order.lines.iter().filter_map(|line| line.refunds_line.as_deref()) {
        lines.push(orders::line(tx, line).await?);
    }
    withdraw_unconfirmed(tx, subscription, &lines).await?;
    if order.close_reason.as_deref() == Some(RefundReason::NoReason.word()) {
        subscriptions::use_refund(tx, order.buyer_id, edition.zone.year(order.created_at), edition.refund_quota).await?;
        let order = orders::approve_refund(tx, ctx, number, &lines).await?;
        let sub = subscriptions::get(tx, subscription).await?;
        release(tx, ctx, edition, sub, &order).await?;
        return Ok(order);
    }
    let order = orders::approve_refund(tx, ctx, number, &lines).await?;
    let renewal = lines.first().ok_or_else(|| db::Error::broken("a refund without a line"))?;
    take_renewal_back(tx, ctx, edition, &sub, renewal, &order).await?;
    Ok(order)
}

/// The operator refuses a refund that waits.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::OrderState`] unless it waits; [`Code::FieldInvalid`] for `reason`.
pub async fn refuse(tx: &mut Tx, ctx: &Ctx, number: &str, reason: &str) -> Result<Order> {
    orders::refuse_refund(tx, ctx, number, reason).await
}

async fn returnable(tx: &mut Tx, now: i64, edition: &Edition, sub: &Subscription) -> Result<(Vec<OrderLine>, i64)> {
    if !matches!(sub.state, SubscriptionState::InUse | SubscriptionState::Frozen) {
        return Err(Refusal::new(Code::SubscriptionState).with("state", sub.state).into());
    }
    if sub.suspended_at.is_some() {
        return Err(Refusal::new(Code::FrozenByOperator).into());
    }
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
    if now >= until {
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
/// given up, begun or not. It does not count against the yearly quota. A large refund of the first kind waits for the operator, see
/// [`approve`].
///
/// # Errors
/// [`Code::NotFound`]; [`Code::NotRefundable`] unless it is such a renewal, and the last of its subscription; [`Code::OrderOpen`] while the
/// seller is still being told of something.
pub async fn refund_renewal(tx: &mut Tx, ctx: &Ctx, edition: &Edition, buyer: AccountId, number: &str) -> Result<Order> {
    let order = orders::get_of_buyer(tx, buyer, number).await?;
    let not_refundable = || Refusal::new(Code::NotRefundable);
    let line = order.lines.first().filter(|_| order.kind == OrderKind::Renew).ok_or_else(not_refundable)?;
    let (Some(subscription), Some(from)) = (line.subscription_id, line.effective_at) else {
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
    if !unconfirmed && sum(&lines) > edition.refund_large_minor {
        if sub.ends_at != line.ends_at {
            return Err(not_refundable().into());
        }
        return ask(tx, ctx, edition, subscription, &new_refund(&sub, edition, &lines, RefundReason::RenewalNotBegun)).await;
    }
    withdraw_unconfirmed(tx, subscription, &lines).await?;
    let reason = if unconfirmed { RefundReason::RenewalUnconfirmed } else { RefundReason::RenewalNotBegun };
    let refund = orders::write_refund(tx, ctx, edition, &new_refund(&sub, edition, &lines, reason)).await?;
    take_renewal_back(tx, ctx, edition, &sub, line, &refund).await?;
    Ok(refund)
}

/// The subscription loses the time of a renewal that returns, and the seller is told.
async fn take_renewal_back(
    tx: &mut Tx,
    ctx: &Ctx,
    edition: &Edition,
    sub: &Subscription,
    renewal: &OrderLine,
    refund: &Order,
) -> Result<()> {
    let (Some(period), Some(ends_at)) = (renewal.period, renewal.ends_at) else {
        return Err(Refusal::new(Code::NotRefundable).into());
    };
    let line = refund.lines.first().ok_or_else(|| db::Error::broken("a refund without a line"))?;
    let before = orders::last_line(tx, sub).await?;
    let cancelled = CancelledRenewal {
        months: period.months(),
        ends_at,
        back_to: (&before.item, before.quantity),
        line: (&refund.number, &line.number),
    };
    subscriptions::cancel_renewal(tx, ctx, edition, sub.id, &cancelled).await
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
        let order = orders::write_refund(tx, ctx, edition, &new_refund(sub, edition, &lines, RefundReason::RenewalUnconfirmed)).await?;
        orders::pay_back(tx, ctx, &order.number).await?;
    }
    Ok(())
}
