//! More time, and time that is taken back: what a renewal makes of a subscription, and how it is to be renewed.

use db::{Result, Tx};
use kernel::{AccountId, Code, Ctx, Period, Refusal, SkuId, SubscriptionId};
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::state::{self, Happening, SubscriptionState};
use super::{Subscription, become_item, calendar, expire, get, get_of_buyer, save};
use crate::calls::{self, CallFacts, Scene};
use crate::catalog::{self, ChargingMode, Item, Purpose};
use crate::edition::Edition;
use crate::pricing;

kernel::words! {
    /// How a subscription is renewed (spec: business §5.3).
    pub enum RenewalMode {
        /// By hand; the buyer is reminded.
        Manual = "manual",
        /// From the balance.
        Auto = "auto",
        /// Not at all; no more reminders.
        None = "none",
    }
}

/// How a subscription is to be renewed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Renewal {
    /// By hand, automatically, or not at all.
    pub mode: RenewalMode,
    /// For how long each automatic renewal is; needed with `auto`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub period: Option<Period>,
    /// How many automatic renewals are left; none for no limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub times: Option<i64>,
}

impl Renewal {
    /// Renewal by hand, the default.
    pub const MANUAL: Self = Self { mode: RenewalMode::Manual, period: None, times: None };

    /// Checks that `auto` says for how long and the count is sensible.
    ///
    /// # Errors
    /// [`Code::FieldInvalid`], [`Code::PeriodInvalid`].
    pub fn check(&self) -> Result<(), Refusal> {
        match (self.mode, self.period) {
            (RenewalMode::Auto, None) => return Err(Refusal::field("renewal.period", "required")),
            (RenewalMode::Auto, Some(period)) => drop(Period::new(period.unit, period.count)?),
            (RenewalMode::Manual | RenewalMode::None, _) => {}
        }
        match self.times {
            Some(times) if !(1..=1000).contains(&times) => Err(Refusal::field("renewal.times", "range:1-1000")),
            _ => Ok(()),
        }
    }

    /// Checks that `sku` is still sold, for what was taken off the market is renewed neither by hand nor automatically (spec: business §5.3);
    /// and for the period of automatic renewals: with none, every attempt would be refused.
    ///
    /// # Errors
    /// [`Code::PriceMissing`]; [`Code::NotOnSale`]; [`Code::NotFound`].
    pub async fn check_sold(&self, tx: &mut Tx, sku: SkuId) -> Result<()> {
        if self.mode == RenewalMode::None {
            return Ok(());
        }
        match catalog::offer(tx, sku, pricing::unit_of(self.period), Purpose::Renewal).await {
            // By hand, the period is chosen when it is renewed.
            Err(error) if self.mode == RenewalMode::Manual && error.code() == Some(Code::PriceMissing) => Ok(()),
            other => other.map(drop),
        }
    }
}

/// What a subscription becomes when a renewal with a change begins (spec: business §5.5, on a renewal order).
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct NextTerms {
    /// What it will be.
    #[serde(flatten)]
    pub item: Item,
    /// How many.
    pub quantity: i64,
    /// From when on, market ms UTC.
    pub from: i64,
}

/// What a renewal pays for.
#[derive(Clone, Debug)]
pub struct RenewalTerms<'a> {
    /// How long.
    pub period: Period,
    /// What it is renewed as.
    pub item: &'a Item,
    /// How many.
    pub quantity: i64,
}

/// More time was paid for, from the old end on (spec: business §5.2), frozen or not. A freeze for having ended is lifted. When the renewal
/// is for another SKU or quantity, it becomes that when the old time is over.
///
/// Gives the time that the renewal pays for, ms UTC.
///
/// # Errors
/// [`Code::SubscriptionState`], [`Code::NotPeriodic`].
pub async fn renew(
    tx: &mut Tx,
    ctx: &Ctx,
    edition: &Edition,
    id: SubscriptionId,
    terms: &RenewalTerms<'_>,
    line: (&str, &str),
) -> Result<(i64, i64)> {
    let mut sub = get(tx, id).await?;
    state::permit(sub.state, Happening::Renewed)?;
    let from = sub.ends_at.ok_or_else(|| Refusal::new(Code::NotPeriodic))?;
    let was_frozen = sub.is_frozen();
    let (item, quantity) = sub.renewed_as();
    let changes = (item.sku_id, quantity) != (terms.item.sku_id, terms.quantity);
    let another_period = item.price_id != terms.item.price_id;
    sub.months += terms.period.months();
    sub.ends_at = sub.end(edition);
    let to = sub.ends_at.unwrap_or(from);
    if to > ctx.now {
        sub.expired_at = None;
        sub.release_at = None;
    }
    if changes {
        // Paid for after the old end, it begins when it is paid for.
        sub.next = Some(NextTerms { item: terms.item.clone(), quantity: terms.quantity, from: from.max(ctx.now) });
    }
    sub.next.as_mut().map_or(&mut sub.item, |next| &mut next.item).price_id = terms.item.price_id;
    sub.state = state::frozen(sub.expired_at, sub.suspended_at);
    let facts = CallFacts { expires_at: Some(to), price_id: (changes || another_period).then_some(terms.item.price_id) };
    let scene = if changes { Scene::RenewalChange } else { Scene::Renewal };
    calls::request(tx, ctx, &sub.call(scene, Some(line), facts)).await?;
    if was_frozen && !sub.is_frozen() {
        calls::request(tx, ctx, &sub.call(Scene::Unfreeze, None, CallFacts::default())).await?;
    }
    let detail = json!({ "order": line.0, "from": from, "to": to, "unfrozen": was_frozen && !sub.is_frozen(), "changes": changes });
    save(tx, ctx, edition, &mut sub, "subscriptions.renewed", &detail).await?;
    Ok((from, to))
}

/// A renewal with a change begins: it is another SKU or quantity from now on.
///
/// # Errors
/// [`Code::SubscriptionState`].
pub async fn take_up(tx: &mut Tx, ctx: &Ctx, edition: &Edition, mut sub: Subscription) -> Result<()> {
    let Some(next) = sub.next.take() else { return Ok(()) };
    state::permit(sub.state, Happening::Changed)?;
    become_item(tx, ctx, edition, &mut sub, next.item, next.quantity).await
}

/// A renewal that is taken back.
#[derive(Clone, Copy, Debug)]
pub struct CancelledRenewal<'a> {
    /// The months that it paid for.
    pub months: i64,
    /// The end that it gave, market ms UTC.
    pub ends_at: i64,
    /// What it is for the time before, and how many.
    pub back_to: (&'a Item, i64),
    /// The refund order and its line.
    pub line: (&'a str, &'a str),
}

/// Takes back the last renewal, which has not begun (spec: business §5.3) or which the seller has not confirmed. When the time before it is
/// over, the subscription ends now. What its end would have brought on days that are over stays undone; where automatic renewal would make
/// it again the next night, renewal is by hand from now on. `[ours]`
///
/// # Errors
/// [`Code::SubscriptionState`]; [`Code::NotRefundable`] unless the renewal gave the present end.
pub async fn cancel_renewal(tx: &mut Tx, ctx: &Ctx, edition: &Edition, id: SubscriptionId, renewal: &CancelledRenewal<'_>) -> Result<()> {
    let mut sub = get(tx, id).await?;
    state::permit(sub.state, Happening::RenewalCancelled)?;
    if sub.ends_at != Some(renewal.ends_at) {
        return Err(Refusal::new(Code::NotRefundable).into());
    }
    let (back_to, quantity) = renewal.back_to;
    let another_period = sub.renewed_as().0.price_id != back_to.price_id;
    sub.months -= renewal.months;
    sub.ends_at = sub.end(edition);
    sub.next = sub.next.filter(|next| Some(next.from) != sub.ends_at);
    match &mut sub.next {
        Some(next) => next.item.price_id = back_to.price_id,
        None => (sub.item, sub.quantity) = (Item { address_id: sub.item.address_id, ..back_to.clone() }, quantity),
    }
    sub.marker = sub.marker.max(calendar::marker_after(ctx.now));
    if sub.renewal.mode == RenewalMode::Auto && sub.ends_at.is_some_and(|ends_at| calendar::is_being_renewed(ends_at, ctx.now, edition)) {
        sub.renewal = Renewal::MANUAL;
    }
    let facts = CallFacts { expires_at: sub.ends_at, price_id: another_period.then_some(back_to.price_id) };
    calls::request(tx, ctx, &sub.call(Scene::CancelRenewal, Some(renewal.line), facts)).await?;
    let detail = json!({ "order": renewal.line.0, "to": sub.ends_at, "renewal": sub.renewal.mode });
    save(tx, ctx, edition, &mut sub, "subscriptions.renewal_cancelled", &detail).await?;
    let over = sub.ends_at.is_some_and(|ends_at| edition.zone.add_days(ends_at, edition.grace_days) <= ctx.now);
    if over && sub.expired_at.is_none() { expire(tx, ctx, edition, sub).await } else { Ok(()) }
}

/// Sets how it is renewed.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::VersionStale`]; [`Code::NotPeriodic`]; [`Code::SubscriptionState`] when it is over; those of [`Renewal::check`]
/// and [`Renewal::check_sold`].
pub async fn set_renewal(
    tx: &mut Tx,
    ctx: &Ctx,
    edition: &Edition,
    buyer: AccountId,
    id: SubscriptionId,
    expected_version: Option<i64>,
    renewal: Renewal,
) -> Result<Subscription> {
    renewal.check()?;
    let mut sub = get_of_buyer(tx, buyer, id).await?;
    if expected_version.is_some_and(|expected| expected != sub.version) {
        return Err(Refusal::new(Code::VersionStale).into());
    }
    if sub.item.charging_mode != ChargingMode::Period {
        return Err(Refusal::new(Code::NotPeriodic).into());
    }
    if matches!(sub.state, SubscriptionState::Released | SubscriptionState::Failed) {
        return Err(Refusal::new(Code::SubscriptionState).with("state", sub.state).into());
    }
    renewal.check_sold(tx, sub.renewed_as().0.sku_id).await?;
    sub.renewal = renewal;
    // Events of the other mode that lie in the past stay there.
    sub.marker = sub.marker.max(calendar::marker_after(ctx.now));
    save(tx, ctx, edition, &mut sub, "subscriptions.renewal_set", &serde_json::to_value(renewal)?).await?;
    Ok(sub)
}

/// One of the automatic renewals that were asked for is used; after the last, renewal is by hand again.
///
/// # Errors
/// Those of the database.
pub async fn count_renewal(tx: &mut Tx, ctx: &Ctx, edition: &Edition, id: SubscriptionId) -> Result<()> {
    let mut sub = get(tx, id).await?;
    let Some(times) = sub.renewal.times else { return Ok(()) };
    sub.renewal = if times > 1 { Renewal { times: Some(times - 1), ..sub.renewal } } else { Renewal::MANUAL };
    let left = sub.renewal.times;
    save(tx, ctx, edition, &mut sub, "subscriptions.renewal_counted", &json!({ "left": left })).await
}
