//! What must become true at sellers' servers, and every attempt to make it so.
//!
//! A call is asked for in the transaction that makes it necessary ([`request`]); the worker of `delivery` carries it out. Calls of one
//! subscription are made one after another in the order they were asked for: a later one is queued until the earlier has ended, so no
//! server ever hears of a freeze before the renewal that came first.
//!
//! Invariants: an attempt is never changed once written; an ended call has no job; at most one call of a subscription is active; a freeze or a
//! thaw that was given up is withdrawn when a later one, or the release, is asked for: it must not be made after it.

mod store;

use db::{Result, Tx, jobs};
use kernel::{AccountId, AddressId, Code, Ctx, DeliveryId, PriceId, ProductId, Refusal, SubscriptionId};
use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::audit;
use crate::page::{Page, PageRequest};

/// The job that carries a call out; its subject is the call.
pub const CALL_JOB: &str = "delivery.call";

kernel::words! {
    /// Why a call is made.
    pub enum Scene {
        /// A purchase: the instance must exist (spec: protocol §1.6).
        Create = "create",
        /// A renewal (§1.8).
        Renewal = "renewal",
        /// A renewal to another SKU or quantity (§1.8).
        RenewalChange = "renewal_change",
        /// A renewal that has not begun was returned (§1.8).
        CancelRenewal = "cancel_renewal",
        /// Another SKU or quantity (§1.11).
        Change = "change",
        /// The end was reached, or the operator froze it (§1.9).
        Freeze = "freeze",
        /// Renewed, or the operator lifted the freeze (§1.9).
        Unfreeze = "unfreeze",
        /// Refunded, or frozen for too long (§1.10).
        Release = "release",
    }
}

impl Scene {
    /// Whether the call says how the instance stands, whatever it was told before: only the last such call is true.
    #[must_use]
    pub const fn sets_status(self) -> bool {
        matches!(self, Self::Freeze | Self::Unfreeze)
    }

    /// Whether the call tells the seller when the subscription ends.
    #[must_use]
    pub const fn tells_end(self) -> bool {
        matches!(self, Self::Renewal | Self::RenewalChange | Self::CancelRenewal)
    }
}

kernel::words! {
    /// How a call stands.
    pub enum CallState {
        /// An earlier call of the subscription has not ended.
        Queued = "queued",
        /// Waits for its next attempt.
        Waiting = "waiting",
        /// The seller has begun; the marketplace asks until it is done.
        Polling = "polling",
        /// The seller has done it.
        Done = "done",
        /// Every attempt failed; a restart by the seller may follow.
        GaveUp = "gave_up",
        /// Given up, and no longer wanted: what was asked for since says otherwise.
        Withdrawn = "withdrawn",
    }
}

impl CallState {
    /// Whether something is still to be done.
    #[must_use]
    pub const fn is_active(self) -> bool {
        matches!(self, Self::Queued | Self::Waiting | Self::Polling)
    }
}

kernel::words! {
    /// What kind of request an attempt was.
    pub enum AttemptKind {
        /// The call itself.
        Call = "call",
        /// The question whether it is done.
        Poll = "poll",
        /// The question what the instance is like: how to use it, and how much of it was used.
        Query = "query",
        /// The question whether a renewal may change the instance.
        Check = "check",
        /// The seller had it sent again for debugging.
        Replay = "replay",
    }
}

/// What a request says beyond the order and the instance.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct CallFacts {
    /// The new end, ms UTC; of renewals and cancelled renewals.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<i64>,
    /// The price that holds from now on, when the period type changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub price_id: Option<PriceId>,
}

/// A call to ask for.
#[derive(Clone, Debug)]
pub struct NewCall<'a> {
    /// Why.
    pub scene: Scene,
    /// For which subscription.
    pub subscription: SubscriptionId,
    /// Whose server.
    pub seller: AccountId,
    /// Of which product.
    pub product: ProductId,
    /// Where.
    pub address: AddressId,
    /// The order and line it belongs to.
    pub line: Option<(&'a str, &'a str)>,
    /// The seller's instance, once there is one.
    pub instance: Option<&'a str>,
    /// The rest.
    pub facts: CallFacts,
}

/// A call and how it stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Call {
    /// Its id.
    pub id: DeliveryId,
    /// Why it is made.
    pub scene: Scene,
    /// How it stands.
    pub state: CallState,
    /// For which subscription.
    pub subscription_id: SubscriptionId,
    /// The order it belongs to.
    pub order_number: Option<String>,
    /// The order line it belongs to.
    pub line_number: Option<String>,
    /// Whose server.
    pub seller_id: AccountId,
    /// Of which product.
    pub product_id: ProductId,
    /// Where.
    pub address_id: AddressId,
    /// What the request says beyond that.
    pub facts: CallFacts,
    /// The seller's instance, once known.
    pub instance_id: Option<String>,
    /// When it was asked for, market ms UTC.
    pub created_at: i64,
    /// When its present round of attempts began, market ms UTC.
    pub started_at: Option<i64>,
    /// Attempts so far, polls and replays included.
    pub attempts: i64,
    /// Rounds of attempts: 1, and one more for each restart.
    pub round: i64,
    /// The verdict on the last attempt.
    pub last_verdict: Option<String>,
    /// When it ended, market ms UTC.
    pub ended_at: Option<i64>,
}

/// One request and its answer, kept whole; secrets are masked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Attempt {
    /// Counts from 1 within its call.
    pub n: i64,
    /// What kind of request.
    pub kind: AttemptKind,
    /// When, market ms UTC.
    pub at: i64,
    /// When by the machine's time, ms UTC: what the signature was made with.
    pub wall_at: i64,
    /// The full URL, its signature masked.
    pub url: String,
    /// The body that was sent.
    pub request_body: String,
    /// The HTTP status of the answer.
    pub status: Option<i64>,
    /// The content type of the answer.
    pub answer_type: Option<String>,
    /// The answer's body, passwords masked; cut when very long.
    pub answer_body: Option<String>,
    /// How long it took.
    pub elapsed_ms: i64,
    /// What the marketplace made of it: `done`, `pending`, or a word for the failure.
    pub verdict: String,
    /// The verdict in words.
    pub detail: String,
}

/// Asks for a call. It is made at once, or after the subscription's earlier calls have ended.
///
/// # Errors
/// Those of the database.
pub async fn request(tx: &mut Tx, ctx: &Ctx, new: &NewCall<'_>) -> Result<DeliveryId> {
    // A purchase's call is the first of its subscription.
    let (newest, active) = if new.scene == Scene::Create { (None, 0) } else { store::newest_of(tx, new.subscription).await? };
    // Their ids are the order they are made in, whichever process asks and whatever its clock says.
    let id = DeliveryId::new_after(newest, ctx.now, &ctx.entropy);
    let busy = active > 0;
    let state = if busy { CallState::Queued } else { CallState::Waiting };
    store::insert(tx, ctx, id, state, new).await?;
    if new.scene.sets_status() || new.scene == Scene::Release {
        for stale in store::withdraw_status_calls(tx, new.subscription).await? {
            audit::record_in(tx, ctx, &new.subscription, "calls.withdrawn", &stale, &json!({ "for": new.scene })).await?;
        }
    }
    if !busy {
        jobs::enqueue(tx, CALL_JOB, &id, &new.address.to_string(), ctx.now).await?;
    }
    Ok(id)
}

/// A call, by its id alone: for the worker.
///
/// # Errors
/// [`Code::NotFound`].
pub async fn get(tx: &mut Tx, id: DeliveryId) -> Result<Call> {
    store::find(tx, id).await?.ok_or_else(|| Refusal::new(Code::NotFound).into())
}

/// A call of a seller.
///
/// # Errors
/// [`Code::NotFound`], also for calls of others.
pub async fn get_of(tx: &mut Tx, seller: AccountId, id: DeliveryId) -> Result<Call> {
    store::find(tx, id).await?.filter(|call| call.seller_id == seller).ok_or_else(|| Refusal::new(Code::NotFound).into())
}

/// Calls, newest first; of a seller, in a state, of a subscription when given.
///
/// # Errors
/// Those of the database.
pub async fn list(
    tx: &mut Tx,
    seller: Option<AccountId>,
    state: Option<CallState>,
    subscription: Option<SubscriptionId>,
    page: &PageRequest,
) -> Result<Page<Call>> {
    let rows = store::list(tx, seller, state, subscription, page).await?;
    Ok(page.cut(rows, |call: &Call| call.id.to_string()))
}

/// The attempts of a call, newest first.
///
/// # Errors
/// [`Code::CursorInvalid`] when the page goes on from what is no attempt.
pub async fn attempts(tx: &mut Tx, id: DeliveryId, page: &PageRequest) -> Result<Page<Attempt>> {
    let before = if page.after.is_empty() { Ok(i64::MAX) } else { page.after.parse() };
    let before = before.map_err(|_| Refusal::new(Code::CursorInvalid))?;
    let rows = store::attempts(tx, id, before, page.fetch()).await?;
    Ok(page.cut(rows, |attempt: &Attempt| attempt.n.to_string()))
}

/// When the seller was last asked what the instance of a call is like, machine ms UTC.
///
/// # Errors
/// Those of the database.
pub async fn last_query_at(tx: &mut Tx, id: DeliveryId) -> Result<Option<i64>> {
    store::last_query_at(tx, id).await
}

/// Notes that the schedule of a call begins at market time `now`, though its first attempt has to wait.
///
/// # Errors
/// Those of the database.
pub async fn begin(tx: &mut Tx, id: DeliveryId, now: i64) -> Result<()> {
    store::begin(tx, id, now).await
}

/// Keeps an attempt and what was made of it.
///
/// # Errors
/// Those of the database.
pub async fn keep_attempt(tx: &mut Tx, call: &mut Call, attempt: Attempt) -> Result<()> {
    add_attempt(tx, call, attempt).await?;
    store::update(tx, call).await
}

/// Adds an attempt, for a caller who then writes the call itself: ends it, begins polling, or [`wait`]s.
///
/// # Errors
/// Those of the database.
pub(crate) async fn add_attempt(tx: &mut Tx, call: &mut Call, mut attempt: Attempt) -> Result<()> {
    call.attempts += 1;
    attempt.n = call.attempts;
    if matches!(attempt.kind, AttemptKind::Call | AttemptKind::Poll) {
        call.last_verdict = Some(attempt.verdict.clone());
        call.started_at = call.started_at.or(Some(attempt.at));
    }
    store::insert_attempt(tx, call.id, &attempt).await
}

/// Writes a call that waits for its next attempt.
///
/// # Errors
/// Those of the database.
pub(crate) async fn wait(tx: &mut Tx, call: &Call) -> Result<()> {
    store::update(tx, call).await
}

/// Sets a call to polling: the seller has begun and named `instance`.
///
/// # Errors
/// Those of the database.
pub async fn begin_polling(tx: &mut Tx, call: &mut Call, instance: Option<&str>) -> Result<()> {
    call.state = CallState::Polling;
    call.instance_id = instance.map(str::to_owned).or_else(|| call.instance_id.take());
    store::update(tx, call).await
}

/// Ends a call and lets the subscription's next one begin. A freeze or a thaw that is given up is withdrawn at once when a later one was
/// asked for meanwhile.
///
/// # Errors
/// Those of the database.
pub async fn end(tx: &mut Tx, ctx: &Ctx, call: &mut Call, state: CallState) -> Result<()> {
    debug_assert!(!state.is_active());
    let is_stale =
        state == CallState::GaveUp && call.scene.sets_status() && store::status_call_after(tx, call.subscription_id, call.id).await?;
    call.state = if is_stale { CallState::Withdrawn } else { state };
    call.ended_at = Some(ctx.now);
    store::update(tx, call).await?;
    if let Some((next, address)) = store::next_queued(tx, call.subscription_id).await? {
        store::set_state(tx, next, CallState::Waiting).await?;
        jobs::enqueue(tx, CALL_JOB, &next, &address.to_string(), ctx.now).await?;
    }
    Ok(())
}

/// Has a call tried again at once: one that waits, or one that was given up (spec: business §5.1, restart 重新启动). `seller` is whose it
/// must be; none for the operator.
///
/// # Errors
/// [`Code::NotFound`], also for calls of others; [`Code::DeliveryState`] when it is done or withdrawn, or when giving up has already returned
/// the buyer's money.
pub async fn restart(tx: &mut Tx, ctx: &Ctx, seller: Option<AccountId>, id: DeliveryId) -> Result<Call> {
    let mut call = match seller {
        Some(seller) => get_of(tx, seller, id).await?,
        None => get(tx, id).await?,
    };
    let refunded = matches!(call.scene, Scene::Create | Scene::Change);
    match call.state {
        CallState::Waiting | CallState::Polling => {
            jobs::enqueue(tx, CALL_JOB, &id, &call.address_id.to_string(), ctx.now).await?;
        }
        CallState::GaveUp if !refunded => {
            call.round += 1;
            call.started_at = None;
            call.ended_at = None;
            let busy = store::active_of(tx, call.subscription_id).await?.is_some();
            call.state = if busy { CallState::Queued } else { CallState::Waiting };
            store::update(tx, &call).await?;
            if !busy {
                jobs::enqueue(tx, CALL_JOB, &id, &call.address_id.to_string(), ctx.now).await?;
            }
        }
        state @ (CallState::Queued | CallState::Done | CallState::GaveUp | CallState::Withdrawn) => {
            return Err(Refusal::new(Code::DeliveryState).with("state", state).into());
        }
    }
    // Whoever restarts says that the server is back.
    set_breaker(tx, call.address_id, Breaker::default()).await?;
    audit::record_in(tx, ctx, &call.subscription_id, "calls.restarted", &id, &json!({ "scene": call.scene })).await?;
    Ok(call)
}

/// Whether any call of the subscription has not ended.
///
/// # Errors
/// Those of the database.
pub async fn any_active(tx: &mut Tx, subscription: SubscriptionId) -> Result<bool> {
    Ok(store::active_of(tx, subscription).await?.is_some())
}

/// Whether the call for an order line of this subscription was given up and may be withdrawn.
///
/// # Errors
/// Those of the database.
pub async fn given_up(tx: &mut Tx, subscription: SubscriptionId, line: &str) -> Result<bool> {
    store::given_up(tx, subscription, line).await
}

/// Withdraws the call for an order line that was given up: nobody can restart it any more. False when there is none, or somebody was faster.
///
/// # Errors
/// Those of the database.
pub async fn withdraw(tx: &mut Tx, subscription: SubscriptionId, line: &str) -> Result<bool> {
    store::withdraw(tx, subscription, line).await
}

/// How many orders had a purchase or a change of a product given up from `since` on (market ms UTC).
///
/// # Errors
/// Those of the database.
pub async fn failed_since(tx: &mut Tx, product: ProductId, since: i64) -> Result<i64> {
    store::failed_since(tx, product, since).await
}

/// What the seller last said of the instance, sealed for the call's id: it holds the buyer's first password.
///
/// # Errors
/// Those of the database.
pub async fn instance_sealed(tx: &mut Tx, subscription: SubscriptionId) -> Result<Option<(DeliveryId, Option<Vec<u8>>)>> {
    store::instance_sealed(tx, subscription).await
}

/// Keeps what the seller said of the instance.
///
/// # Errors
/// Those of the database.
pub async fn keep_instance(tx: &mut Tx, id: DeliveryId, sealed: &[u8]) -> Result<()> {
    store::keep_instance(tx, id, sealed).await
}

/// The breaker of an address.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Breaker {
    /// Failures in a row.
    pub failures: i64,
    /// Calls wait until then, market ms UTC.
    pub open_until: i64,
}

/// Failures in a row after which the calls to an address wait. `[ours]`
pub const BREAKER_AFTER: i64 = 5;
/// The first wait; doubled by each further failure.
const BREAKER_PAUSE_MS: i64 = 60_000;
/// The longest wait.
const BREAKER_PAUSE_MAX_MS: i64 = 600_000;

impl Breaker {
    /// Whether calls wait at market time `now`.
    #[must_use]
    pub const fn is_open(self, now: i64) -> bool {
        self.failures >= BREAKER_AFTER && self.open_until > now
    }

    /// The breaker after an attempt that the server did not answer properly, at market time `now`.
    #[must_use]
    pub fn failed(self, now: i64) -> Self {
        let failures = self.failures.saturating_add(1);
        let beyond = failures - BREAKER_AFTER;
        let pause = if beyond < 0 { 0 } else { (BREAKER_PAUSE_MS << beyond.min(10)).min(BREAKER_PAUSE_MAX_MS) };
        Self { failures, open_until: now + pause }
    }
}

/// The breaker of an address; closed when it never failed.
///
/// # Errors
/// Those of the database.
pub async fn breaker(tx: &mut Tx, address: AddressId) -> Result<Breaker> {
    store::breaker(tx, address).await
}

/// Writes the breaker of an address.
///
/// # Errors
/// Those of the database.
pub async fn set_breaker(tx: &mut Tx, address: AddressId, breaker: Breaker) -> Result<()> {
    store::set_breaker(tx, address, breaker).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_breaker_opens_after_five_and_never_for_longer_than_ten_minutes() {
        let mut breaker = Breaker::default();
        for _ in 1..BREAKER_AFTER {
            breaker = breaker.failed(1_000);
            assert_eq!(breaker.open_until, 1_000);
        }
        breaker = breaker.failed(1_000);
        assert_eq!(breaker.open_until, 61_000);
        for _ in 0..40 {
            breaker = breaker.failed(1_000);
        }
        assert_eq!(breaker.open_until, 1_000 + BREAKER_PAUSE_MAX_MS);
    }
}
