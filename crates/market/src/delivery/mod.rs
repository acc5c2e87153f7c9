//! Carrying out calls: lease → build and sign → call outside any transaction → judge → write the attempt and what follows, at once.
//!
//! Invariants: an attempt and its consequence (an order fulfilled, refunded, paid back) are one transaction with the end of the job, so
//! two workers or a crash repeat a call, never its effect; no transaction is open while a seller is waited for; passwords are sealed or
//! masked before they are stored. A buyer's money never waits for a dead seller: giving up a refund's call still pays back.

mod exchange;
pub mod state;

use db::jobs::{self, Lease};
use db::{Result, Tx};
use kernel::{AccountId, Actor, AddressId, Code, Ctx, DeliveryId, Locale, Month, Refusal, SubscriptionId};
use serde::{Deserialize, Serialize};
use serde_json::json;
use wire::koogallery_v2::{Failure, InstanceInfo, Mode, Outcome, Payload, Request, ResultCode, Warning};

use crate::calls::{self, Attempt, AttemptKind, CALL_JOB, Call, CallState, Scene};
use crate::market::Market;
use crate::notices::{self, NoticeKind};
use crate::orders::{self, OrderState};
use crate::subscriptions::{self, SubscriptionState};
use crate::{audit, catalog, refunds, sellers};

use exchange::Exchange;
use state::Step;

pub(crate) use exchange::business_id;

/// The job that asks how to use an instance after it was opened; its subject is the call that opened it.
pub const INFO_JOB: &str = "delivery.info";

/// After these pauses a seller that has opened an instance is asked how to use it (spec: protocol §1.6), ms after the opening. `[ours]`
const INFO_AT_MS: [i64; 5] = [0, 30_000, 90_000, 210_000, 450_000];

enum Prepared {
    /// Nothing is to be done any more.
    Gone,
    /// The breaker is open.
    Later(i64),
    Ready {
        call: Box<Call>,
        target: sellers::CallTarget,
        kind: AttemptKind,
    },
}

/// Carries out the call of a leased job at market time `now`.
///
/// # Errors
/// Those of the database; the job is then tried again.
pub async fn carry_out(market: &Market, lease: &Lease, now: i64) -> Result<()> {
    let id: DeliveryId = lease.job.subject.parse().map_err(|_| db::Error::broken("a call's job whose subject is no call"))?;
    let reader = market.clone();
    let prepared = market.db().read(async move |tx| prepare(tx, &reader, id, now).await).await?;
    let (call, target, kind) = match prepared {
        Prepared::Gone => {
            let lease = lease.clone();
            return market.db().write_snapshot(async move |tx| jobs::finish(tx, &lease).await).await;
        }
        Prepared::Later(at) => {
            let lease = lease.clone();
            let put_off = async move |tx: &mut Tx| {
                // Its hours run from here, however many stand before it when the server is tried again.
                calls::begin(tx, id, now).await?;
                jobs::postpone(tx, &lease, at).await
            };
            return market.db().write_snapshot(put_off).await;
        }
        Prepared::Ready { call, target, kind } => (call, target, kind),
    };
    let request = exchange::request_of(&call, kind, &market.entropy());
    let exchange = exchange::run(market, &target, &request, Mode::Live).await;
    let (market_again, lease) = (market.clone(), lease.clone());
    market
        .db()
        .write_snapshot(async move |tx| {
            let ctx = market_again.ctx_at(now, Actor::System("delivery"), Locale::ZhCn);
            conclude(tx, &ctx, &market_again, &lease, id, kind, &exchange).await
        })
        .await
}

async fn prepare(tx: &mut Tx, market: &Market, id: DeliveryId, now: i64) -> Result<Prepared> {
    let call = calls::get(tx, id).await?;
    let call = present(tx, call).await?;
    let kind = match call.state {
        CallState::Waiting => AttemptKind::Call,
        CallState::Polling => AttemptKind::Poll,
        CallState::Queued | CallState::Done | CallState::GaveUp | CallState::Withdrawn => return Ok(Prepared::Gone),
    };
    let breaker = calls::breaker(tx, call.address_id).await?;
    // The last attempt is made even while the breaker is open: the order is decided by it.
    let last_at = call.started_at.unwrap_or(now) + wire::koogallery_v2::schedule(state::activity(call.scene)).give_up_after_ms();
    if breaker.is_open(now) && now < last_at {
        return Ok(Prepared::Later(breaker.open_until.min(last_at)));
    }
    let target = sellers::call_target(tx, market.vault(), call.address_id).await?;
    Ok(Prepared::Ready { call: Box::new(call), target, kind })
}

/// A call with what it says as it is now: one that is made late must not take back what later calls have told the seller.
async fn present(tx: &mut Tx, mut call: Call) -> Result<Call> {
    if call.scene.tells_end() {
        call.facts.expires_at = subscriptions::get(tx, call.subscription_id).await?.ends_at;
    }
    Ok(call)
}

async fn conclude(
    tx: &mut Tx,
    ctx: &Ctx,
    market: &Market,
    lease: &Lease,
    id: DeliveryId,
    kind: AttemptKind,
    exchange: &Exchange,
) -> Result<()> {
    let mut call = calls::get(tx, id).await?;
    if !call.state.is_active() {
        return jobs::finish(tx, lease).await;
    }
    if call.scene != Scene::Create {
        // Other calls of the subscription may be asked for at this moment; nobody knows yet of one that is being opened.
        tx.need_serializable()?;
    }
    let outcome = believed(tx, &call, &exchange.outcome).await?;
    let attempt = exchange.attempt(kind, ctx.now, &outcome);
    calls::add_attempt(tx, &mut call, attempt).await?;
    note_breaker(tx, call.address_id, exchange, ctx.now).await?;
    match state::decide(&call, kind, &outcome, ctx.now) {
        Step::Done { instance } => {
            jobs::finish(tx, lease).await?;
            call.instance_id.clone_from(&instance);
            calls::end(tx, ctx, &mut call, CallState::Done).await?;
            note(tx, ctx, &call, "calls.done", None).await?;
            if let Some(info) = exchange.instance(instance.as_deref()) {
                keep_info(tx, ctx, market, call.id, info).await?;
            }
            fulfil(tx, ctx, market, &call).await
        }
        Step::Poll { at, instance } => {
            if call.state == CallState::Waiting {
                note(tx, ctx, &call, "calls.begun", Some(at)).await?;
            }
            calls::begin_polling(tx, &mut call, instance.as_deref()).await?;
            jobs::postpone(tx, lease, at).await
        }
        Step::Again { at } => {
            calls::wait(tx, &call).await?;
            note(tx, ctx, &call, "calls.failed", Some(at)).await?;
            jobs::postpone(tx, lease, at).await
        }
        Step::GiveUp => {
            // How many were given up decides whether the product is flagged.
            tx.need_serializable()?;
            jobs::finish(tx, lease).await?;
            calls::end(tx, ctx, &mut call, CallState::GaveUp).await?;
            if call.state == CallState::Withdrawn {
                return note(tx, ctx, &call, "calls.withdrawn", None).await;
            }
            note(tx, ctx, &call, "calls.gave_up", None).await?;
            give_up(tx, ctx, market, &call).await
        }
    }
}

/// The outcome, unless it names an instance that another subscription already has.
async fn believed(tx: &mut Tx, call: &Call, outcome: &Outcome) -> Result<Outcome> {
    let Some(instance) = named_instance(outcome).filter(|_| call.scene == Scene::Create) else { return Ok(outcome.clone()) };
    let taken = subscriptions::instance_taken(tx, call.address_id, instance, call.subscription_id).await?;
    Ok(if taken { Outcome::Retry(Failure::InstanceTaken(instance.clone())) } else { outcome.clone() })
}

const fn named_instance(outcome: &Outcome) -> Option<&String> {
    match outcome {
        Outcome::Done(Payload::Instance { instance_id }) => Some(instance_id),
        Outcome::Pending { instance_id } => instance_id.as_ref(),
        Outcome::Done(_) | Outcome::Retry(_) | Outcome::Refused(_) => None,
    }
}

/// Puts how a call goes into the timeline of its subscription.
async fn note(tx: &mut Tx, ctx: &Ctx, call: &Call, action: &'static str, next_at: Option<i64>) -> Result<()> {
    let detail = json!({
        "scene": call.scene, "attempts": call.attempts, "verdict": call.last_verdict, "order": call.order_number, "next_at": next_at,
    });
    audit::record_in(tx, ctx, &call.subscription_id, action, &call.id, &detail).await
}

async fn note_breaker(tx: &mut Tx, address: AddressId, exchange: &Exchange, now: i64) -> Result<()> {
    let breaker = calls::breaker(tx, address).await?;
    if exchange.server_failed() {
        return calls::set_breaker(tx, address, breaker.failed(now)).await;
    }
    // A healthy server's row is left alone: orders of one seller must not wait for each other here.
    if breaker.failures > 0 { calls::set_breaker(tx, address, calls::Breaker::default()).await } else { Ok(()) }
}

/// What follows for the business when the seller has done it. A change of a subscription that was released meanwhile, because nobody worked
/// for so long, came too late: it is paid back.
async fn fulfil(tx: &mut Tx, ctx: &Ctx, market: &Market, call: &Call) -> Result<()> {
    let is_late = call.scene == Scene::Change && subscriptions::get(tx, call.subscription_id).await?.state == SubscriptionState::Released;
    match (call.scene, &call.line_number, &call.order_number) {
        (Scene::Create, Some(line), _) => {
            orders::fulfilled(tx, ctx, market.edition(), line, call.instance_id.as_deref()).await?;
            jobs::enqueue(tx, INFO_JOB, &call.id, &call.address_id.to_string(), ctx.now).await
        }
        (Scene::Change, Some(line), _) if is_late => orders::unfulfilled(tx, ctx, market.edition(), line).await,
        (Scene::Renewal | Scene::RenewalChange | Scene::Change, Some(line), _) => {
            orders::fulfilled(tx, ctx, market.edition(), line, None).await
        }
        (Scene::CancelRenewal | Scene::Release, _, Some(order)) => pay_back(tx, ctx, order).await,
        (Scene::Freeze | Scene::Unfreeze | Scene::Release, _, _) => Ok(()),
        (Scene::Create | Scene::Renewal | Scene::RenewalChange | Scene::Change | Scene::CancelRenewal, _, _) => {
            Err(db::Error::broken(format!("the call {} of the scene {} has no order line", call.id, call.scene)))
        }
    }
}

/// What follows for the business when every attempt has failed (spec: business §5.1).
async fn give_up(tx: &mut Tx, ctx: &Ctx, market: &Market, call: &Call) -> Result<()> {
    match (call.scene, &call.line_number, &call.order_number) {
        (Scene::Create | Scene::Change, Some(line), _) => {
            orders::unfulfilled(tx, ctx, market.edition(), line).await?;
            flag_if_often(tx, ctx, market, call).await?;
        }
        (Scene::CancelRenewal | Scene::Release, _, Some(order)) => pay_back(tx, ctx, order).await?,
        (Scene::Renewal | Scene::RenewalChange, _, Some(order)) => {
            refunds::renewal_given_up(tx, ctx, market.edition(), call.subscription_id, order).await?;
        }
        _ => {}
    }
    let args = json!({ "scene": call.scene, "order": call.order_number, "verdict": call.last_verdict, "attempts": call.attempts });
    notices::send(tx, ctx, call.seller_id, NoticeKind::CallsStopped, &call.id, &args).await
}

async fn pay_back(tx: &mut Tx, ctx: &Ctx, order: &str) -> Result<()> {
    // A release that was given up has paid back already; its restart must not do so again.
    match orders::get(tx, order).await?.state {
        OrderState::Refunding => orders::pay_back(tx, ctx, order).await,
        _ => Ok(()),
    }
}

async fn flag_if_often(tx: &mut Tx, ctx: &Ctx, market: &Market, call: &Call) -> Result<()> {
    let edition = market.edition();
    let since = Month::of(ctx.now, &edition.zone).start_at(&edition.zone);
    let failed = calls::failed_since(tx, call.product_id, since).await?;
    if failed > edition.failed_orders_max && catalog::flag(tx, ctx, call.product_id).await? {
        let args = json!({ "failed_orders": failed, "max": edition.failed_orders_max });
        notices::send(tx, ctx, call.seller_id, NoticeKind::ProductFlagged, &call.product_id, &args).await?;
    }
    Ok(())
}

/// How a buyer uses an instance, as the seller last said.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct InstanceView {
    /// The seller's name for it.
    pub instance_id: String,
    /// When the seller said so, market ms UTC.
    pub said_at: i64,
    /// Where the buyer works.
    pub front_end_url: Option<String>,
    /// Where it is administered.
    pub admin_url: Option<String>,
    /// The first administrator.
    pub user_name: Option<String>,
    /// The administrator's first password.
    pub password: Option<String>,
    /// Anything else.
    pub memo: Option<String>,
    /// What was used so far.
    pub usage: Vec<UsageView>,
}

/// What was used of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct UsageView {
    /// The amount, a decimal number as text.
    pub value: String,
    /// When the seller counted it, ms UTC.
    pub counted_at: Option<i64>,
    /// The instance to which a package's usage belongs.
    pub package_of: Option<String>,
    /// Where to see more.
    pub dashboard_url: Option<String>,
}

impl InstanceView {
    fn of(info: &InstanceInfo, said_at: i64) -> Self {
        let app = info.app_info.clone().unwrap_or_default();
        let usage = info.usage.iter().map(|usage| UsageView {
            value: usage.usage_value.as_str().to_owned(),
            counted_at: usage.statistical_at_ms,
            package_of: usage.related_instance_id.clone(),
            dashboard_url: usage.dashboard_url.clone(),
        });
        Self {
            instance_id: info.instance_id.clone(),
            said_at,
            front_end_url: app.front_end_url,
            admin_url: app.admin_url,
            user_name: app.user_name,
            password: app.password,
            memo: app.memo,
            usage: usage.collect(),
        }
    }
}

async fn keep_info(tx: &mut Tx, ctx: &Ctx, market: &Market, call: DeliveryId, info: &InstanceInfo) -> Result<()> {
    let view = serde_json::to_vec(&InstanceView::of(info, ctx.now))?;
    let sealed = market.vault().seal(&call.to_string(), &view, &ctx.entropy);
    calls::keep_instance(tx, call, &sealed).await
}

/// Asks the seller how to use an instance that was just opened, until they say (spec: protocol §1.6).
///
/// # Errors
/// Those of the database; the job is then tried again.
pub async fn fetch_info(market: &Market, lease: &Lease, now: i64) -> Result<()> {
    let id: DeliveryId = lease.job.subject.parse().map_err(|_| db::Error::broken("an info job whose subject is no call"))?;
    let reader = market.clone();
    let wanted = market
        .db()
        .read(async move |tx| {
            let call = calls::get(tx, id).await?;
            let sub = subscriptions::get(tx, call.subscription_id).await?;
            let over = matches!(sub.state, SubscriptionState::Released | SubscriptionState::Failed);
            let (known, instance) = (calls::instance_sealed(tx, call.subscription_id).await?, call.instance_id.clone());
            let Some(instance) = instance.filter(|_| !over && known.is_none_or(|(_, sealed)| sealed.is_none())) else { return Ok(None) };
            let is_open = calls::breaker(tx, call.address_id).await?.is_open(now);
            let target = sellers::call_target(tx, reader.vault(), call.address_id).await?;
            Ok(Some((target, instance, call.ended_at.unwrap_or(now), is_open)))
        })
        .await?;
    let (market_again, lease) = (market.clone(), lease.clone());
    let Some((target, instance, opened_at, is_open)) = wanted else {
        return market.db().write_snapshot(async move |tx| jobs::finish(tx, &lease).await).await;
    };
    if is_open {
        return market.db().write_snapshot(async move |tx| ask_later(tx, &lease, opened_at, now).await).await;
    }
    let exchange = exchange::run(market, &target, &exchange::query(&instance), Mode::Live).await;
    market
        .db()
        .write_snapshot(async move |tx| {
            let ctx = market_again.ctx_at(now, Actor::System("delivery"), Locale::ZhCn);
            let mut call = calls::get(tx, id).await?;
            calls::keep_attempt(tx, &mut call, exchange.attempt(AttemptKind::Query, now, &exchange.outcome)).await?;
            note_breaker(tx, call.address_id, &exchange, now).await?;
            let told = exchange.instance(Some(&instance)).filter(|info| info.app_info.is_some());
            if let Some(info) = told {
                keep_info(tx, &ctx, &market_again, id, info).await?;
                return jobs::finish(tx, &lease).await;
            }
            ask_later(tx, &lease, opened_at, now).await
        })
        .await
}

async fn ask_later(tx: &mut Tx, lease: &Lease, opened_at: i64, now: i64) -> Result<()> {
    match INFO_AT_MS.iter().map(|pause| opened_at + pause).find(|at| *at > now) {
        Some(at) => jobs::postpone(tx, lease, at).await,
        None => jobs::finish(tx, lease).await,
    }
}

/// For so long a seller who was asked about an instance is not asked again, ms of machine time: a page that is opened again and again must
/// not become calls to their server. `[ours]`
const INSTANCE_FRESH_MS: i64 = 10_000;

/// How to use an instance: asked of the seller now (spec: protocol §1.6), or what they last said when they do not answer, were just asked,
/// or have a server that fails so often that calls to it wait.
///
/// # Errors
/// [`Code::NotFound`]; [`Code::SubscriptionState`] while there is no instance.
pub async fn instance(market: &Market, ctx: &Ctx, buyer: AccountId, id: SubscriptionId) -> Result<Option<InstanceView>> {
    let (reader, now, wall) = (market.clone(), ctx.now, ctx.wall);
    let (call, asked, known) = market
        .db()
        .read(async move |tx| {
            let sub = subscriptions::get_of_buyer(tx, buyer, id).await?;
            let usable = matches!(sub.state, SubscriptionState::InUse | SubscriptionState::Frozen);
            let missing = || Refusal::new(Code::SubscriptionState).with("state", sub.state);
            let instance = sub.instance_id.clone().filter(|_| usable).ok_or_else(missing)?;
            let (call, _) = calls::instance_sealed(tx, id).await?.ok_or_else(missing)?;
            let was_just_asked = calls::last_query_at(tx, call).await?.is_some_and(|at| wall - at < INSTANCE_FRESH_MS);
            if was_just_asked || calls::breaker(tx, sub.item.address_id).await?.is_open(now) {
                return Ok((call, None, kept_info(tx, &reader, id).await?));
            }
            Ok((call, Some((sellers::call_target(tx, reader.vault(), sub.item.address_id).await?, instance)), None))
        })
        .await?;
    let Some((target, instance)) = asked else { return Ok(known) };
    let exchange = exchange::run(market, &target, &exchange::query(&instance), Mode::Live).await;
    let market_again = market.clone();
    market
        .db()
        .write(async move |tx| {
            let ctx = market_again.ctx_at(now, Actor::System("delivery"), Locale::ZhCn);
            let mut row = calls::get(tx, call).await?;
            calls::keep_attempt(tx, &mut row, exchange.attempt(AttemptKind::Query, now, &exchange.outcome)).await?;
            note_breaker(tx, row.address_id, &exchange, now).await?;
            if let Some(info) = exchange.instance(Some(&instance)) {
                keep_info(tx, &ctx, &market_again, call, info).await?;
            }
            kept_info(tx, &market_again, id).await
        })
        .await
}

/// How to use an instance, as the seller last said: asks nobody.
///
/// # Errors
/// [`Code::NotFound`].
pub async fn known_instance(tx: &mut Tx, market: &Market, buyer: AccountId, id: SubscriptionId) -> Result<Option<InstanceView>> {
    let sub = subscriptions::get_of_buyer(tx, buyer, id).await?;
    match sub.state {
        SubscriptionState::InUse | SubscriptionState::Frozen => kept_info(tx, market, id).await,
        SubscriptionState::Opening | SubscriptionState::Failed | SubscriptionState::Released => Ok(None),
    }
}

/// What the seller last said of the instance.
async fn kept_info(tx: &mut Tx, market: &Market, id: SubscriptionId) -> Result<Option<InstanceView>> {
    let Some((call, Some(sealed))) = calls::instance_sealed(tx, id).await? else { return Ok(None) };
    let open = market.vault().open(&call.to_string(), &sealed)?;
    Ok(Some(serde_json::from_slice(&open)?))
}

/// Asks the seller whether a renewal may change the instance, before it is ordered (spec: protocol §1.12); asks nothing when the renewal
/// changes nothing.
///
/// # Errors
/// As [`orders::quote_renewal`]; [`Code::SellerRefuses`] when the seller says no, [`Code::SellerUnreachable`] when it does not say.
pub async fn check_renewal(market: &Market, ctx: &Ctx, buyer: AccountId, id: SubscriptionId, input: &orders::RenewalInput) -> Result<()> {
    let (reader, input, now) = (market.clone(), input.clone(), ctx.now);
    let asked = market
        .db()
        .read(async move |tx| {
            let Some((sub, item, quantity)) = orders::renewal_change(tx, now, reader.edition(), buyer, id, &input).await? else {
                return Ok(None);
            };
            let (call, _) = calls::instance_sealed(tx, id).await?.ok_or_else(|| Refusal::new(Code::NotFound))?;
            if calls::breaker(tx, sub.item.address_id).await?.is_open(now) {
                return Err(Refusal::new(Code::SellerUnreachable).with("detail", "the calls before this one failed").into());
            }
            let target = sellers::call_target(tx, reader.vault(), sub.item.address_id).await?;
            Ok(Some((call, target, exchange::may_become(sub.instance_id.as_deref().unwrap_or_default(), &item, quantity))))
        })
        .await?;
    let Some((call, target, request)) = asked else { return Ok(()) };
    let exchange = exchange::run(market, &target, &request, Mode::Live).await;
    let refused = match &exchange.outcome {
        Outcome::Done(_) => None,
        Outcome::Refused(why) => Some(said(Code::SellerRefuses, why)),
        Outcome::Pending { .. } => Some(said(Code::SellerUnreachable, &Failure::Answered(ResultCode::InProgress))),
        Outcome::Retry(why) => Some(said(Code::SellerUnreachable, why)),
    };
    market
        .db()
        .write(async move |tx| {
            let mut row = calls::get(tx, call).await?;
            calls::keep_attempt(tx, &mut row, exchange.attempt(AttemptKind::Check, now, &exchange.outcome)).await?;
            note_breaker(tx, row.address_id, &exchange, now).await
        })
        .await?;
    refused.map_or(Ok(()), |refusal| Err(refusal.into()))
}

/// A refusal that tells what the seller's server did.
fn said(code: Code, why: &Failure) -> Refusal {
    let refusal = Refusal::new(code).with("verdict", why.word());
    match why {
        Failure::Answered(code) => refusal.with("result_code", code),
        _ => refusal,
    }
}

/// Sends the request of a call once more for debugging: signed anew, marked `testFlag=1`, so that it changes nothing at the seller
/// (spec: protocol §1.13), and nothing here.
///
/// # Errors
/// [`Code::NotFound`].
pub async fn replay(market: &Market, ctx: &Ctx, seller: AccountId, id: DeliveryId) -> Result<Attempt> {
    let reader = market.clone();
    let (call, target) = market
        .db()
        .read(async move |tx| {
            let call = calls::get_of(tx, seller, id).await?;
            let call = present(tx, call).await?;
            let target = sellers::call_target(tx, reader.vault(), call.address_id).await?;
            Ok((call, target))
        })
        .await?;
    let request = exchange::request_of(&call, AttemptKind::Call, &ctx.entropy);
    let exchange = exchange::run(market, &target, &request, Mode::Debugging).await;
    let ctx = ctx.at(ctx.now);
    market
        .db()
        .write(async move |tx| {
            let mut call = calls::get_of(tx, seller, id).await?;
            let attempt = exchange.attempt(AttemptKind::Replay, ctx.now, &exchange.outcome);
            calls::keep_attempt(tx, &mut call, attempt.clone()).await?;
            let detail = json!({ "scene": call.scene, "attempt": call.attempts, "verdict": attempt.verdict });
            audit::record_in(tx, &ctx, &call.subscription_id, "calls.replayed", &id, &detail).await?;
            Ok(Attempt { n: call.attempts, ..attempt })
        })
        .await
}

/// When a call that is still to be done is given up at the latest, market ms UTC: after its first attempt. None before that.
#[must_use]
pub fn gives_up_at(call: &Call) -> Option<i64> {
    let plan = wire::koogallery_v2::schedule(state::activity(call.scene));
    let within_ms = match call.state {
        CallState::Waiting => plan.give_up_after_ms(),
        CallState::Polling => plan.poll_window_ms,
        CallState::Queued | CallState::Done | CallState::GaveUp | CallState::Withdrawn => return None,
    };
    call.started_at.map(|first| first + within_ms)
}

/// A request that was tried out, and what came of it.
#[derive(Clone, Debug)]
pub(crate) struct TriedOut {
    /// What it would mean for the business.
    pub(crate) outcome: Outcome,
    /// What was odd in the answer.
    pub(crate) warnings: Vec<Warning>,
    /// The request and the answer, secrets masked.
    pub(crate) attempt: Attempt,
}

/// Sends a request to a seller's server for debugging at market time `now`, marked `testFlag=1` (spec: protocol §1.13). Nothing is kept, and
/// no breaker hears of it: what follows is the caller's part.
pub(crate) async fn try_out(market: &Market, target: &sellers::CallTarget, request: &Request, now: i64) -> TriedOut {
    let exchange = exchange::run(market, target, request, Mode::Debugging).await;
    let attempt = exchange.attempt(AttemptKind::Replay, now, &exchange.outcome);
    TriedOut { outcome: exchange.outcome, warnings: exchange.warnings, attempt }
}

/// The kinds of job this domain carries out.
pub const JOBS: [&str; 2] = [CALL_JOB, INFO_JOB];
