//! Stepping subscriptions through their calendars: reminders, automatic renewals, freezes and releases, each at its own time.
//!
//! Takes no input but the clock, may run twice, and may run a month late with the same result: every missed event is taken in order, in a
//! transaction of its own, dated by when it was due.

use db::{Result, Tx};
use kernel::{Actor, Ctx, Locale, Refusal, SubscriptionId};
use serde_json::{Map, Value, json};

use crate::edition::Edition;
use crate::market::Market;
use crate::notices::{self, NoticeKind};
use crate::orders::{self, CancelReason};
use crate::subscriptions::calendar::{self, Due, Event};
use crate::subscriptions::{self, ReleaseReason, Subscription};
use crate::{audit, refunds};

/// Takes every event of a subscription that is due at market time `now`; how many there were. Afterwards its `due_at` lies after `now`.
///
/// # Errors
/// Those of the database.
pub async fn step(market: &Market, id: SubscriptionId, now: i64) -> Result<u64> {
    let mut taken = 0;
    loop {
        let again = market.clone();
        let more = market
            .db()
            .write(async move |tx| {
                let mut sub = subscriptions::get(tx, id).await?;
                let edition = again.edition();
                let Some(due) = calendar::next(&sub.facts(), edition).filter(|due| due.at <= now) else {
                    // The numbers of the business may have changed since it was reckoned.
                    subscriptions::reckon(tx, edition, &mut sub).await?;
                    return Ok(false);
                };
                let ctx = again.ctx_at(due.at, Actor::System("lifecycle"), Locale::ZhCn);
                take(tx, &ctx, edition, sub, due).await?;
                Ok(true)
            })
            .await?;
        if !more {
            return Ok(taken);
        }
        taken += 1;
    }
}

async fn take(tx: &mut Tx, ctx: &Ctx, edition: &Edition, mut sub: Subscription, due: Due) -> Result<()> {
    let notice = match due.event {
        Event::Remind { days } => {
            Some((NoticeKind::SubscriptionEnds, json!({ "names": sub.item.names, "days": days, "ends_at": sub.ends_at })))
        }
        Event::WarnRenewal { days } => {
            let why = orders::renewal_obstacle(tx, ctx, edition, &sub).await?.map(|refusal| reason(&refusal));
            Some((NoticeKind::RenewalFailed, json!({ "names": sub.item.names, "days": days, "ends_at": sub.ends_at, "why": why })))
        }
        Event::WarnRelease { days } => {
            Some((NoticeKind::SubscriptionReleases, json!({ "names": sub.item.names, "days": days, "release_at": sub.release_at })))
        }
        Event::TakeUp | Event::Renew | Event::Expire | Event::Release => None,
    };
    if let Some((kind, args)) = notice {
        subscriptions::step_over(tx, edition, &mut sub, due.marker).await?;
        notices::send(tx, ctx, sub.buyer_id, kind, &sub.id, &args).await?;
        return audit::record_in(tx, ctx, &sub.id, "subscriptions.noticed", &sub.id, &json!({ "kind": kind, "days": args["days"] })).await;
    }
    match due.event {
        Event::Renew => renew(tx, ctx, edition, sub, due.marker).await,
        Event::TakeUp => {
            sub.marker = due.marker;
            subscriptions::take_up(tx, ctx, edition, sub).await
        }
        Event::Expire => {
            sub.marker = due.marker;
            subscriptions::expire(tx, ctx, edition, sub).await
        }
        Event::Release => {
            orders::cancel_open(tx, ctx, &sub, CancelReason::SubscriptionOver).await?;
            let mut sub = subscriptions::get(tx, sub.id).await?;
            sub.marker = due.marker;
            refunds::return_unconfirmed(tx, ctx, edition, &sub).await?;
            subscriptions::release(tx, ctx, edition, sub, ReleaseReason::RetentionOver, None).await
        }
        Event::Remind { .. } | Event::WarnRenewal { .. } | Event::WarnRelease { .. } => Ok(()),
    }
}

async fn renew(tx: &mut Tx, ctx: &Ctx, edition: &Edition, mut sub: Subscription, marker: i64) -> Result<()> {
    subscriptions::step_over(tx, edition, &mut sub, marker).await?;
    match orders::renew_automatically(tx, ctx, edition, &sub).await? {
        Ok(order) => {
            subscriptions::count_renewal(tx, ctx, edition, sub.id).await?;
            let args =
                json!({ "names": sub.item.names, "order": order.number, "total_minor": order.total_minor, "currency": order.currency });
            notices::send(tx, ctx, sub.buyer_id, NoticeKind::RenewalDone, &sub.id, &args).await
        }
        Err(refusal) => audit::record_in(tx, ctx, &sub.id, "subscriptions.renewal_refused", &sub.id, &reason(&refusal)).await,
    }
}

/// A refusal as it is kept: its code, and the values for its text.
fn reason(refusal: &Refusal) -> Value {
    let args: Map<String, Value> = refusal.args.iter().map(|(name, value)| ((*name).to_owned(), json!(value))).collect();
    json!({ "code": refusal.code.key(), "args": args })
}
