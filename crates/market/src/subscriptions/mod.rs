//! Subscriptions: our side of an instance at a seller, from opening to release.
//!
//! Invariants: the state is always what its facts say ([`state::frozen`]); the end is reckoned from the anchor and the months paid for, so
//! renewing never drifts; every change of what the seller must know asks for its call in the same transaction; `due_at` is the time of the
//! next event of the calendar ([`calendar::next`]). Money is the business of `orders` and `refunds`.

pub mod calendar;
mod renewal;
pub mod state;
mod store;

use db::{Result, Tx};
use kernel::{AccountId, AddressId, Code, Ctx, Period, PeriodUnit, Refusal, SubscriptionId};
use serde::Serialize;
use serde_json::json;

use crate::audit;
use crate::calls::{self, CallFacts, NewCall, Scene};
use crate::catalog::{ChargingMode, Item};
use crate::edition::Edition;
use crate::notices::{self, NoticeKind};
use crate::page::{Page, PageRequest};

pub use renewal::{
    CancelledRenewal, NextTerms, Renewal, RenewalMode, RenewalTerms, cancel_renewal, count_renewal, renew, set_renewal, take_up,
};
use state::Happening;
pub use state::SubscriptionState;

/// A subscription.
#[derive(Clone, Debug, PartialEq, Serialize, utoipa::ToSchema)]
pub struct Subscription {
    /// Its id.
    pub id: SubscriptionId,
    /// How it stands.
    pub state: SubscriptionState,
    /// Who uses it.
    pub buyer_id: AccountId,
    /// Who provides it.
    pub seller_id: AccountId,
    /// What it is, as it was at the purchase or the last change; its price is that of the last time that was paid for.
    #[serde(flatten)]
    pub item: Item,
    /// The unit of the purchased period.
    pub period_unit: Option<PeriodUnit>,
    /// How many units of the SKU's quantity.
    pub quantity: i64,
    /// The order line that bought it.
    pub purchase_line: String,
    /// The seller's name for the instance, once opened.
    pub instance_id: Option<String>,
    /// When it was paid for, market ms UTC.
    pub created_at: i64,
    /// When it was opened, market ms UTC; the end is reckoned from here.
    pub anchor_at: Option<i64>,
    /// Months paid for since the anchor.
    pub months: i64,
    /// Its end, market ms UTC; none for one-time purchases.
    pub ends_at: Option<i64>,
    /// When it was frozen for having ended.
    pub expired_at: Option<i64>,
    /// When the operator froze it.
    pub suspended_at: Option<i64>,
    /// Why the operator froze it.
    pub suspend_reason: Option<String>,
    /// When it will be released if nobody renews it.
    pub release_at: Option<i64>,
    /// When it was released.
    pub released_at: Option<i64>,
    /// Why it was released: `retention_over` or `refunded`.
    pub release_reason: Option<String>,
    /// How it is renewed.
    pub renewal: Renewal,
    /// What it becomes when a renewal that is paid for begins.
    pub next: Option<NextTerms>,
    /// The order that must be paid, cancelled or finished before another may be placed.
    pub open_order: Option<String>,
    /// Up to which event of the calendar it was stepped.
    #[serde(skip)]
    pub marker: i64,
    /// When the next event of the calendar is due, market ms UTC.
    pub due_at: Option<i64>,
    /// Counts the changes; the ETag.
    pub version: i64,
}

/// A subscription that begins.
#[derive(Clone, Debug)]
pub struct NewSubscription<'a> {
    /// Who uses it.
    pub buyer_id: AccountId,
    /// Who provides it.
    pub seller_id: AccountId,
    /// What it is.
    pub item: Item,
    /// How long; none for one-time.
    pub period: Option<Period>,
    /// How many.
    pub quantity: i64,
    /// The order that paid for it.
    pub order_number: &'a str,
    /// Its line.
    pub line_number: &'a str,
    /// How it is to be renewed.
    pub renewal: Renewal,
}

impl Subscription {
    /// What its calendar is reckoned from.
    #[must_use]
    pub fn facts(&self) -> calendar::Facts {
        calendar::Facts {
            state: self.state,
            ends_at: self.ends_at,
            expired_at: self.expired_at,
            release_at: self.release_at,
            next_at: self.next.as_ref().map(|next| next.from),
            renewal: self.renewal.mode,
            marker: self.marker,
        }
    }

    /// What it is renewed as when nothing else is said: what it will be, or what it is.
    #[must_use]
    pub fn renewed_as(&self) -> (&Item, i64) {
        self.next.as_ref().map_or((&self.item, self.quantity), |next| (&next.item, next.quantity))
    }

    /// Whether the seller was told to freeze it.
    #[must_use]
    pub const fn is_frozen(&self) -> bool {
        matches!(self.state, SubscriptionState::Frozen)
    }

    /// Refuses when an order of it must be finished first.
    ///
    /// # Errors
    /// [`Code::OrderOpen`].
    pub fn no_open_order(&self) -> Result<(), Refusal> {
        self.open_order.as_ref().map_or(Ok(()), |order| Err(Refusal::new(Code::OrderOpen).with("order", order)))
    }

    fn end(&self, edition: &Edition) -> Option<i64> {
        match self.item.charging_mode {
            ChargingMode::Period => self.anchor_at.map(|anchor| edition.zone.add_months(anchor, self.months)),
            ChargingMode::OneTime => None,
        }
    }

    fn call<'a>(&'a self, scene: Scene, line: Option<(&'a str, &'a str)>, facts: CallFacts) -> NewCall<'a> {
        NewCall {
            scene,
            subscription: self.id,
            seller: self.seller_id,
            product: self.item.product_id,
            address: self.item.address_id,
            line,
            instance: self.instance_id.as_deref(),
            facts,
        }
    }
}

/// Begins a subscription: it is opening, and the seller is asked for the instance.
///
/// # Errors
/// Those of the database.
pub async fn open(tx: &mut Tx, ctx: &Ctx, new: NewSubscription<'_>) -> Result<Subscription> {
    let subscription = Subscription {
        id: SubscriptionId::new(ctx.now, &ctx.entropy),
        state: SubscriptionState::Opening,
        buyer_id: new.buyer_id,
        seller_id: new.seller_id,
        item: new.item,
        period_unit: new.period.map(|p| p.unit),
        quantity: new.quantity,
        purchase_line: new.line_number.to_owned(),
        instance_id: None,
        created_at: ctx.now,
        anchor_at: None,
        months: new.period.map_or(0, Period::months),
        ends_at: None,
        expired_at: None,
        suspended_at: None,
        suspend_reason: None,
        release_at: None,
        released_at: None,
        release_reason: None,
        renewal: new.renewal,
        next: None,
        open_order: None,
        marker: calendar::marker_after(ctx.now),
        due_at: None,
        version: 1,
    };
    store::insert(tx, &subscription).await?;
    let line = Some((new.order_number, new.line_number));
    calls::request(tx, ctx, &subscription.call(Scene::Create, line, CallFacts::default())).await?;
    audit::record_in(
        tx,
        ctx,
        &subscription.id,
        "subscriptions.opening",
        &subscription.id,
        &json!({ "order": new.order_number, "quantity": new.quantity, "months": subscription.months }),
    )
    .await?;
    Ok(subscription)
}

/// The seller has opened the instance: the time paid for begins now.
///
/// # Errors
/// [`Code::SubscriptionState`].
pub async fn opened(tx: &mut Tx, ctx: &Ctx, edition: &Edition, id: SubscriptionId, instance: &str) -> Result<Subscription> {
    let mut sub = get(tx, id).await?;
    state::permit(sub.state, Happening::Opened)?;
    sub.state = SubscriptionState::InUse;
    sub.instance_id = Some(instance.to_owned());
    sub.anchor_at = Some(ctx.now);
    sub.ends_at = sub.end(edition);
    sub.marker = calendar::marker_after(ctx.now);
    save(tx, ctx, edition, &mut sub, "subscriptions.opened", &json!({ "instance": instance })).await?;
    Ok(sub)
}

/// The seller could not open the instance.
///
/// # Errors
/// [`Code::SubscriptionState`].
pub async fn opening_failed(tx: &mut Tx, ctx: &Ctx, edition: &Edition, id: SubscriptionId) -> Result<Subscription> {
    let mut sub = get(tx, id).await?;
    state::permit(sub.state, Happening::OpeningFailed)?;
    sub.state = SubscriptionState::Failed;
    save(tx, ctx, edition, &mut sub, "subscriptions.opening_failed", &json!({})).await?;
    Ok(sub)
}

/// A change was paid for: the seller is asked to make it.
///
/// # Errors
/// Those of the database.
pub async fn ask_change(tx: &mut Tx, ctx: &Ctx, sub: &Subscription, line: (&str, &str)) -> Result<()> {
    calls::request(tx, ctx, &sub.call(Scene::Change, Some(line), CallFacts::default())).await.map(drop)
}

/// The seller has made the change: it is `item` in this quantity from now on.
///
/// # Errors
/// [`Code::SubscriptionState`].
pub async fn changed(tx: &mut Tx, ctx: &Ctx, edition: &Edition, id: SubscriptionId, item: Item, quantity: i64) -> Result<()> {
    let mut sub = get(tx, id).await?;
    state::permit(sub.state, Happening::Changed)?;
    become_item(tx, ctx, edition, &mut sub, item, quantity).await
}

async fn become_item(tx: &mut Tx, ctx: &Ctx, edition: &Edition, sub: &mut Subscription, item: Item, quantity: i64) -> Result<()> {
    let was = json!({ "sku": sub.item.sku_id, "quantity": sub.quantity });
    let detail = json!({ "sku": item.sku_id, "quantity": quantity, "was": was });
    // An instance stays where it was opened, whatever address its edition has got since.
    sub.item = Item { address_id: sub.item.address_id, ..item };
    sub.quantity = quantity;
    save(tx, ctx, edition, sub, "subscriptions.changed", &detail).await
}

/// The end was reached: it is frozen, and released after the retention (spec: business §5.2).
///
/// # Errors
/// [`Code::SubscriptionState`].
pub async fn expire(tx: &mut Tx, ctx: &Ctx, edition: &Edition, mut sub: Subscription) -> Result<()> {
    state::permit(sub.state, Happening::Expired)?;
    let was_frozen = sub.is_frozen();
    sub.expired_at = Some(ctx.now);
    sub.release_at = Some(edition.zone.add_days(ctx.now, edition.retention_days));
    sub.state = state::frozen(sub.expired_at, sub.suspended_at);
    if !was_frozen {
        calls::request(tx, ctx, &sub.call(Scene::Freeze, None, CallFacts::default())).await?;
    }
    let args = json!({ "names": sub.item.names, "release_at": sub.release_at });
    notices::send(tx, ctx, sub.buyer_id, NoticeKind::SubscriptionFrozen, &sub.id, &args).await?;
    let detail = json!({ "release_at": sub.release_at });
    save(tx, ctx, edition, &mut sub, "subscriptions.expired", &detail).await
}

/// The operator freezes it for a violation (spec: business §5.2). Its time goes on running.
///
/// # Errors
/// [`Code::NotFound`], [`Code::SubscriptionState`]; [`Code::FrozenByOperator`] when it is already.
pub async fn suspend(tx: &mut Tx, ctx: &Ctx, edition: &Edition, id: SubscriptionId, reason: &str) -> Result<Subscription> {
    let mut sub = get(tx, id).await?;
    state::permit(sub.state, Happening::Suspended)?;
    if sub.suspended_at.is_some() {
        return Err(Refusal::new(Code::FrozenByOperator).into());
    }
    if reason.trim().is_empty() || reason.chars().count() > 500 {
        return Err(Refusal::field("reason", "length:1-500").into());
    }
    let was_frozen = sub.is_frozen();
    sub.suspended_at = Some(ctx.now);
    sub.suspend_reason = Some(reason.trim().to_owned());
    sub.state = state::frozen(sub.expired_at, sub.suspended_at);
    if !was_frozen {
        calls::request(tx, ctx, &sub.call(Scene::Freeze, None, CallFacts::default())).await?;
    }
    let args = json!({ "names": sub.item.names, "reason": sub.suspend_reason });
    notices::send(tx, ctx, sub.buyer_id, NoticeKind::SubscriptionSuspended, &sub.id, &args).await?;
    save(tx, ctx, edition, &mut sub, "subscriptions.suspended", &json!({ "reason": args["reason"] })).await?;
    Ok(sub)
}

/// The operator lifts the freeze; it is in use again unless it has ended meanwhile.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::SubscriptionState`] when the operator has not frozen it.
pub async fn resume(tx: &mut Tx, ctx: &Ctx, edition: &Edition, id: SubscriptionId) -> Result<Subscription> {
    let mut sub = get(tx, id).await?;
    state::permit(sub.state, Happening::Resumed)?;
    if sub.suspended_at.is_none() {
        return Err(Refusal::new(Code::SubscriptionState).with("state", sub.state).into());
    }
    sub.suspended_at = None;
    sub.suspend_reason = None;
    sub.state = state::frozen(sub.expired_at, sub.suspended_at);
    if !sub.is_frozen() {
        calls::request(tx, ctx, &sub.call(Scene::Unfreeze, None, CallFacts::default())).await?;
    }
    notices::send(tx, ctx, sub.buyer_id, NoticeKind::SubscriptionResumed, &sub.id, &json!({ "names": sub.item.names })).await?;
    save(tx, ctx, edition, &mut sub, "subscriptions.resumed", &json!({})).await?;
    Ok(sub)
}

kernel::words! {
    /// Why a subscription is released.
    pub enum ReleaseReason {
        /// Nobody renewed it in time.
        RetentionOver = "retention_over",
        /// The buyer returned it.
        Refunded = "refunded",
    }
}

/// Ends a subscription for good; the seller is told to delete the instance.
///
/// # Errors
/// [`Code::SubscriptionState`].
pub async fn release(
    tx: &mut Tx,
    ctx: &Ctx,
    edition: &Edition,
    mut sub: Subscription,
    reason: ReleaseReason,
    refund_line: Option<(&str, &str)>,
) -> Result<()> {
    state::permit(sub.state, Happening::Released)?;
    sub.state = SubscriptionState::Released;
    sub.released_at = Some(ctx.now);
    sub.release_reason = Some(reason.word().to_owned());
    sub.release_at = None;
    calls::request(tx, ctx, &sub.call(Scene::Release, refund_line, CallFacts::default())).await?;
    let args = json!({ "names": sub.item.names, "reason": reason });
    notices::send(tx, ctx, sub.buyer_id, NoticeKind::SubscriptionReleased, &sub.id, &args).await?;
    save(tx, ctx, edition, &mut sub, "subscriptions.released", &json!({ "reason": reason })).await
}

/// Notes the order that must be finished before another is placed, or that there is none any more.
///
/// # Errors
/// Those of the database.
pub async fn set_open_order(tx: &mut Tx, id: SubscriptionId, order: Option<&str>) -> Result<()> {
    store::set_open_order(tx, id, order).await
}

/// Steps the marker over an event that changes nothing else.
///
/// # Errors
/// Those of the database.
pub async fn step_over(tx: &mut Tx, edition: &Edition, sub: &mut Subscription, marker: i64) -> Result<()> {
    sub.marker = marker;
    sub.due_at = calendar::next(&sub.facts(), edition).map(|due| due.at);
    store::update(tx, sub).await
}

/// Writes when the next event is due, where that is another time than was reckoned last.
///
/// # Errors
/// Those of the database.
pub async fn reckon(tx: &mut Tx, edition: &Edition, sub: &mut Subscription) -> Result<()> {
    let due_at = calendar::next(&sub.facts(), edition).map(|due| due.at);
    if due_at == sub.due_at {
        return Ok(());
    }
    sub.due_at = due_at;
    store::update(tx, sub).await
}

/// Has the runner look at a subscription again at `until` (market ms UTC) and not before: it could not be stepped, and may not even be
/// readable.
///
/// # Errors
/// Those of the database.
pub async fn put_off(tx: &mut Tx, id: SubscriptionId, until: i64) -> Result<()> {
    store::put_off(tx, id, until).await
}

/// A subscription, by its id alone.
///
/// # Errors
/// [`Code::NotFound`].
pub async fn get(tx: &mut Tx, id: SubscriptionId) -> Result<Subscription> {
    store::find(tx, id).await?.ok_or_else(|| Refusal::new(Code::NotFound).into())
}

/// A subscription of a buyer.
///
/// # Errors
/// [`Code::NotFound`], also for those of others.
pub async fn get_of_buyer(tx: &mut Tx, buyer: AccountId, id: SubscriptionId) -> Result<Subscription> {
    store::find(tx, id).await?.filter(|sub| sub.buyer_id == buyer).ok_or_else(|| Refusal::new(Code::NotFound).into())
}

/// Whose subscriptions are listed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Whose {
    /// A buyer's.
    Buyer(AccountId),
    /// A seller's.
    Seller(AccountId),
    /// Everybody's: for the operator.
    Everybody,
}

/// Subscriptions, newest first.
///
/// # Errors
/// Those of the database.
pub async fn list(tx: &mut Tx, whose: Whose, state: Option<SubscriptionState>, page: &PageRequest) -> Result<Page<Subscription>> {
    let rows = store::list(tx, whose, state, page).await?;
    Ok(page.cut(rows, |sub: &Subscription| sub.id.to_string()))
}

/// Those whose next event is due at `now`, earliest first.
///
/// # Errors
/// Those of the database.
pub async fn due(tx: &mut Tx, now: i64, limit: i64) -> Result<Vec<SubscriptionId>> {
    store::due(tx, now, limit).await
}

/// When the earliest event of all calendars is due, market ms UTC.
///
/// # Errors
/// Those of the database.
pub async fn next_due(tx: &mut Tx) -> Result<Option<i64>> {
    store::next_due(tx).await
}

/// Whether another subscription already has this instance of this address: a server that names one instance twice lies.
///
/// # Errors
/// Those of the database.
pub async fn instance_taken(tx: &mut Tx, address: AddressId, instance: &str, except: SubscriptionId) -> Result<bool> {
    store::instance_taken(tx, address, instance, except).await
}

/// Self-service refunds that an account has used in a calendar year.
///
/// # Errors
/// Those of the database.
pub async fn refunds_used(tx: &mut Tx, account: AccountId, year: i64) -> Result<i64> {
    store::refunds_used(tx, account, year).await
}

/// Counts one more self-service refund; refuses beyond `max`.
///
/// # Errors
/// [`Code::RefundQuotaUsed`].
pub async fn use_refund(tx: &mut Tx, account: AccountId, year: i64, max: i64) -> Result<()> {
    if !store::use_refund(tx, account, year, max).await? {
        return Err(Refusal::new(Code::RefundQuotaUsed).with("max", max).into());
    }
    Ok(())
}

async fn save(
    tx: &mut Tx,
    ctx: &Ctx,
    edition: &Edition,
    sub: &mut Subscription,
    action: &'static str,
    detail: &serde_json::Value,
) -> Result<()> {
    debug_assert!(
        !matches!(sub.state, SubscriptionState::InUse | SubscriptionState::Frozen)
            || sub.state == state::frozen(sub.expired_at, sub.suspended_at)
    );
    sub.due_at = calendar::next(&sub.facts(), edition).map(|due| due.at);
    store::update(tx, sub).await?;
    audit::record_in(tx, ctx, &sub.id, action, &sub.id, detail).await
}
