//! The background: due jobs, due subscriptions, unpaid orders, notices that go by mail, and sealing the ledger.
//!
//! In production the runner works all the time, many jobs at once, and any number of processes may do so on one database. In a sandbox the
//! clock has one mover at a time: it goes from one due moment to the next and does what is due there, one after another, so that a year
//! passes as it would have, in moments ([`advance`]).

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use db::jobs::{self, Lease};
use db::{Error, Result, Tx};
use futures_util::FutureExt;
use kernel::{Actor, Code, Ctx, Locale, Refusal};
use serde::Serialize;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use crate::clock::{Clock, SANDBOX_LATEST_MS};
use crate::market::Market;
use crate::{
    accounts, catalog, delivery, exports, idempotency, ledger, lifecycle, mail, mailing, notices, orders, settlement, subscriptions,
};

/// How long a worker holds a job at least, ms of wall time (ours); so long a job waits whose worker was killed.
const LEASE_MIN_MS: i64 = 60_000;
/// How much longer than a call to a seller a job is held: for what is read before the call, and written down after it, on a busy database (ours).
const LEASE_MARGIN_MS: i64 = 45_000;
/// How often a job that takes long is held anew: often enough that one try may fail.
const HOLD_EVERY: Duration = Duration::from_secs(20);
/// Rows that the upkeep removes in one transaction: others wait no longer than for one of these.
const FORGET_ROUND: i64 = 1_000;
/// How long the mover of a sandbox clock holds it without a sign of life: so long a sandbox stands still when its process was killed.
const MOVER_LEASE_MS: i64 = 10_000;
/// How often the mover gives a sign of life, however long one job takes.
const MOVER_SIGN: Duration = Duration::from_secs(3);
/// How long the runner rests when nothing wakes it.
const REST: Duration = Duration::from_millis(500);
/// Jobs are taken this many times ahead of what is worked on at the same time, for taking them costs the same for one as for many. Those that wait
/// for their turn hold their lease.
const AHEAD: usize = 4;
/// Rows taken in one round of a reconciler.
const ROUND: i64 = 200;
/// How long a row that could not be dealt with is left alone, ms of market time: the others must not wait behind it. `[ours]`
const PUT_OFF_MS: i64 = kernel::HOUR_MS;
/// For so many rounds the ledger is left alone when it could not be sealed. `[ours]`
const SEAL_REST_ROUNDS: u32 = 120;
/// Ledger transactions sealed in one transaction.
const SEAL_ROUND: i64 = 1_000;
/// How long one waits for somebody else to finish moving the clock, ms of wall time.
const CLOCK_PATIENCE_MS: i64 = 10_000;
/// How long one waits before looking again whether somebody else has finished.
const GLANCE: Duration = Duration::from_millis(20);

/// How the runner works.
#[derive(Clone, Copy, Debug)]
pub struct RunnerSettings {
    /// Jobs at the same time.
    pub concurrency: usize,
    /// Jobs at the same time for one seller's address.
    pub lane_max: i64,
}

impl Default for RunnerSettings {
    fn default() -> Self {
        Self { concurrency: 64, lane_max: 8 }
    }
}

/// What was done on the way to a moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct Progress {
    /// Market time now, ms UTC.
    pub now: i64,
    /// Jobs carried out.
    pub jobs: u64,
    /// Events of subscriptions taken, and unpaid orders ended.
    pub events: u64,
}

/// Works until `stop` is ready; then finishes what it has begun.
pub async fn run(market: Market, settings: RunnerSettings, stop: impl Future<Output = ()>) {
    tokio::pin!(stop);
    let slots = Arc::new(Semaphore::new(settings.concurrency));
    let mut running = JoinSet::new();
    let (mut last_upkeep, mut seal_rest) = (0, 0);
    loop {
        let worked = match market.clock() {
            Clock::Wall => round(&market, settings, &slots, &mut running, &mut seal_rest).await,
            Clock::Sandbox => sandbox_round(&market, &mut seal_rest).await,
        };
        let busy = worked.unwrap_or_else(|error| {
            tracing::warn!(error = %error, cause = ?std::error::Error::source(&error).map(ToString::to_string), "a round of the runner failed; it goes on");
            false
        });
        if market.machine().now() - last_upkeep > kernel::HOUR_MS {
            last_upkeep = market.machine().now();
            if let Err(error) = upkeep(&market).await {
                tracing::warn!(%error, "the hourly upkeep failed and is done again in an hour");
            }
        }
        while running.try_join_next().is_some() {}
        let rest = if busy { Duration::ZERO } else { REST };
        tokio::select! {
            () = &mut stop => break,
            () = tokio::time::sleep(rest) => {}
            () = market.db().jobs_added(), if !busy => {}
        }
    }
    while running.join_next().await.is_some() {}
}

/// What is done once an hour: the month's settlement is in the queue; old idempotency keys, sessions, mails and holds of jobs are not kept, however
/// many there are.
///
/// # Errors
/// Those of the database; what was removed until then is gone.
pub async fn upkeep(market: &Market) -> Result<()> {
    let (wall, db) = (market.machine().now(), market.db());
    let now = market.ctx(Actor::System("runner"), Locale::En).await?.now;
    schedule(market, now).await?;
    while db.write(async move |tx| idempotency::forget_old(tx, wall, FORGET_ROUND).await).await? >= FORGET_ROUND.unsigned_abs() {}
    while db.write(async move |tx| accounts::forget_old_sessions(tx, wall, FORGET_ROUND).await).await? >= FORGET_ROUND.unsigned_abs() {}
    while db.write(async move |tx| accounts::forget_old_resets(tx, wall, FORGET_ROUND).await).await? >= FORGET_ROUND.unsigned_abs() {}
    while db.write(async move |tx| mail::forget_old(tx, now, FORGET_ROUND).await).await? >= FORGET_ROUND.unsigned_abs() {}
    while db.write(async move |tx| notices::forget_mail(tx, now, FORGET_ROUND).await).await? >= FORGET_ROUND.unsigned_abs() {}
    db.write(async move |tx| jobs::forget_holds(tx, wall).await).await
}

/// One round in production; true when there may be more to do at once.
async fn round(
    market: &Market,
    settings: RunnerSettings,
    slots: &Arc<Semaphore>,
    running: &mut JoinSet<()>,
    seal_rest: &mut u32,
) -> Result<bool> {
    let now = market.machine().now();
    market.look_now_and_then(now).await;
    let sealed = seal_if_possible(market, now, seal_rest).await;
    if next_due(market).await?.is_none_or(|due| due > now) {
        return Ok(sealed >= SEAL_ROUND.unsigned_abs());
    }
    let tended = reconcile(market, now).await?;
    while running.try_join_next().is_some() {}
    let room = (settings.concurrency * AHEAD).saturating_sub(running.len());
    if room < settings.concurrency {
        return Ok(tended.any());
    }
    let wanted = i64::try_from(room).unwrap_or(ROUND).min(ROUND);
    let leases = claim(market, now, wanted, settings.lane_max).await?;
    let full = i64::try_from(leases.len()).unwrap_or(0) == wanted;
    for lease in leases {
        let (market, slots) = (market.clone(), slots.clone());
        running.spawn(async move {
            let Ok(slot) = slots.acquire_owned().await else { return };
            let now = market.machine().now();
            work(&market, &lease, now).await;
            drop(slot);
            market.db().nudge();
        });
    }
    Ok(full || tended.any() || sealed >= SEAL_ROUND.unsigned_abs())
}

/// One round in a sandbox: everything that is due by now.
async fn sandbox_round(market: &Market, seal_rest: &mut u32) -> Result<bool> {
    let ctx = market.ctx(Actor::System("runner"), Locale::En).await?;
    if next_due(market).await?.is_none_or(|due| due > ctx.now) {
        seal_if_possible(market, ctx.now, seal_rest).await;
        return Ok(false);
    }
    match advance(market, To::Now, |_| {}).await {
        Ok(progress) => Ok(progress.jobs + progress.events > 0),
        Err(error) if error.code() == Some(Code::ClockBusy) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Where a sandbox clock is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum To {
    /// It stays where it is; what is due is done.
    Now,
    /// To this moment, market ms UTC.
    Moment(i64),
}

/// Moves a sandbox clock forward to `to` and does everything that is due on the way, in order, each dated by its own time.
///
/// # Errors
/// [`Code::ClockNotSandbox`]; [`Code::ClockBackwards`]; [`Code::ClockTooFar`]; [`Code::ClockBusy`] when somebody else keeps moving it.
pub async fn advance(market: &Market, to: To, tell: impl FnMut(Progress)) -> Result<Progress> {
    advance_for(market, None, to, tell).await
}

/// As [`advance`], by the order of whoever acts in `ctx`, which the audit keeps.
///
/// # Errors
/// As [`advance`].
pub async fn advance_by_order(market: &Market, ctx: &Ctx, to: i64, tell: impl FnMut(Progress)) -> Result<Progress> {
    advance_for(market, Some(ctx), To::Moment(to), tell).await
}

async fn advance_for(market: &Market, order: Option<&Ctx>, to: To, mut tell: impl FnMut(Progress)) -> Result<Progress> {
    let mover = hex::encode(market.entropy().bytes::<8>());
    take_clock(market, &mover).await?;
    let outcome = {
        let driven = drive(market, order, &mover, to, &mut tell);
        tokio::pin!(driven);
        loop {
            tokio::select! {
                outcome = &mut driven => break outcome,
                () = market.machine().sign_of_life(MOVER_SIGN) => hold_clock(market, &mover).await,
            }
        }
    };
    let (clock, mover) = (*market.clock(), mover);
    let given_back = market.db().write(async move |tx| clock.give_back(tx, &mover).await).await;
    let progress = outcome?;
    given_back?;
    Ok(progress)
}

async fn take_clock(market: &Market, mover: &str) -> Result<()> {
    let deadline = market.machine().now() + CLOCK_PATIENCE_MS;
    loop {
        let (clock, name, wall) = (*market.clock(), mover.to_owned(), market.machine().now());
        let take = async move |tx: &mut Tx| {
            let abandoned = clock.mover(tx).await?.is_some();
            clock.take(tx, &name, wall, MOVER_LEASE_MS).await?;
            // Nobody but the mover works in a sandbox: what is held, is held by one who died.
            if abandoned { jobs::release(tx).await } else { Ok(0) }
        };
        match market.db().write(take).await {
            Err(error) if error.code() == Some(Code::ClockBusy) && wall < deadline => {
                market.machine().pause(GLANCE).await;
            }
            other => return other.map(drop),
        }
    }
}

async fn hold_clock(market: &Market, mover: &str) {
    let (clock, mover, wall) = (*market.clock(), mover.to_owned(), market.machine().now());
    let held = market.db().write(async move |tx| clock.take(tx, &mover, wall, MOVER_LEASE_MS).await).await;
    if let Err(error) = held {
        tracing::warn!(%error, "the sandbox clock may be lost to another mover; its next move will tell");
    }
}

async fn drive(market: &Market, order: Option<&Ctx>, mover: &str, to: To, tell: &mut impl FnMut(Progress)) -> Result<Progress> {
    let start = market.ctx(Actor::System("clock"), Locale::En).await?.now;
    let to = match to {
        To::Moment(to) if to < start => return Err(Refusal::new(Code::ClockBackwards).into()),
        To::Moment(to) if to > SANDBOX_LATEST_MS => {
            let latest = market.edition().zone.readable_minute(SANDBOX_LATEST_MS);
            return Err(Refusal::new(Code::ClockTooFar).with("latest", latest).into());
        }
        To::Moment(to) => to,
        To::Now => start,
    };
    if let Some(order) = order {
        let (clock, ctx) = (*market.clock(), order.at(start));
        market.db().write(async move |tx| clock.note_move(tx, &ctx, to).await).await?;
    }
    let mut progress = Progress { now: start, ..Progress::default() };
    schedule(market, start).await?;
    // What is done on the way is sealed on the way, so that each hour has its own.
    while seal(market, start).await? > 0 {}
    let mut patience = 0;
    while let Some(due) = next_due(market).await?.filter(|due| *due <= to) {
        let at = due.max(progress.now);
        if at > progress.now {
            set_clock(market, mover, at).await?;
            progress.now = at;
        }
        let before = progress.jobs;
        let tended = reconcile(market, at).await?;
        progress.events += tended.events;
        for lease in claim(market, at, ROUND, i64::MAX).await? {
            work(market, &lease, at).await;
            progress.jobs += 1;
        }
        if progress.jobs == before && !tended.any() {
            // Another worker holds the job: it will be done or its lease will end.
            patience += 1;
            if patience > 4_000 {
                return Err(Refusal::new(Code::ClockBusy).into());
            }
            market.machine().pause(GLANCE).await;
        } else {
            patience = 0;
        }
        while seal(market, at).await? > 0 {}
        tell(progress);
    }
    if to > progress.now {
        set_clock(market, mover, to).await?;
        progress.now = to;
    }
    while seal(market, progress.now).await? > 0 {}
    tell(progress);
    Ok(progress)
}

async fn set_clock(market: &Market, mover: &str, to: i64) -> Result<()> {
    let (clock, mover, wall) = (*market.clock(), mover.to_owned(), market.machine().now());
    market
        .db()
        .write(async move |tx| match clock.set(tx, &mover, wall, MOVER_LEASE_MS, to).await {
            // A clock that ticks may have passed the moment by itself.
            Err(error) if error.code() == Some(Code::ClockBackwards) => Ok(()),
            other => other,
        })
        .await
}

/// When the next thing is due, market ms UTC.
///
/// # Errors
/// Those of the database.
pub async fn next_due(market: &Market) -> Result<Option<i64>> {
    let of = market.clone();
    market
        .db()
        .read(async move |tx| {
            let rows = [subscriptions::next_due(tx).await?, orders::next_unpaid_due(tx).await?, mailing::next_due(tx, &of).await?];
            let due = [jobs::next_due(tx).await?].into_iter().chain(rows);
            Ok(due.flatten().min())
        })
        .await
}

async fn schedule(market: &Market, now: i64) -> Result<()> {
    let again = market.clone();
    market
        .db()
        .write(async move |tx| {
            settlement::ensure_scheduled(tx, again.edition(), now).await?;
            ledger::ensure_head_scheduled(tx).await
        })
        .await
}

/// What a round of the reconcilers came to.
#[derive(Clone, Copy, Debug, Default)]
struct Tended {
    /// Events of subscriptions taken, and unpaid orders ended.
    events: u64,
    /// Rows that had no event: their due time was put right, or they could not be dealt with and were put off.
    moved: u64,
}

impl Tended {
    const fn any(self) -> bool {
        self.events > 0 || self.moved > 0
    }

    fn note(&mut self, events: u64) {
        self.events += events;
        self.moved += u64::from(events == 0);
    }
}

/// Takes what is due of calendars, unpaid orders and notices to mail, each row for itself: one that cannot be dealt with stops no other.
async fn reconcile(market: &Market, now: i64) -> Result<Tended> {
    let of = market.clone();
    let look = async move |tx: &mut Tx| {
        let mailed = mailing::due(tx, &of, now, ROUND).await?;
        Ok((subscriptions::due(tx, now, ROUND).await?, orders::unpaid_due(tx, now, ROUND).await?, mailed))
    };
    let (subs, unpaid, mailed) = market.db().read(look).await?;
    let (mut tended, until) = (Tended::default(), now + PUT_OFF_MS);
    for id in subs {
        match lifecycle::step(market, id, now).await {
            Ok(events) => tended.note(events),
            Err(error) => {
                put_off(market, &id.to_string(), error, async move |tx| subscriptions::put_off(tx, id, until).await).await?;
                tended.note(0);
            }
        }
    }
    for number in unpaid {
        let (ctx, again) = (market.ctx_at(now, Actor::System("orders"), Locale::ZhCn), number.clone());
        match market.db().write(async move |tx| orders::expire_unpaid(tx, &ctx, &again).await).await {
            Ok(()) => tended.note(1),
            Err(error) => {
                let again = number.clone();
                put_off(market, &number, error, async move |tx| orders::put_off(tx, &again, until).await).await?;
                tended.note(0);
            }
        }
    }
    for account in mailed {
        match mailing::step(market, account, now).await {
            Ok(()) => tended.note(0),
            Err(error) => {
                put_off(market, &account.to_string(), error, async move |tx| mailing::put_off(tx, account, until).await).await?;
                tended.note(0);
            }
        }
    }
    Ok(tended)
}

/// Tells of a row that could not be dealt with and has it left alone for a while. A database that is not there is nobody's fault: that ends
/// the round.
async fn put_off<F>(market: &Market, subject: &str, error: Error, put_off: F) -> Result<()>
where
    F: AsyncFn(&mut Tx) -> Result<()> + Send + 'static,
{
    if matches!(error, Error::Unavailable(_)) {
        return Err(error);
    }
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    tracing::error!(subject, %error, cause, "what was due could not be done and is tried again in an hour; the others go on");
    market.db().write(put_off).await
}

/// Seals the ledger; that it cannot be sealed stops nothing else, and `verify` names what is wrong with it.
async fn seal_if_possible(market: &Market, now: i64, rest: &mut u32) -> u64 {
    if *rest > 0 {
        *rest -= 1;
        return 0;
    }
    seal(market, now).await.unwrap_or_else(|error| {
        *rest = SEAL_REST_ROUNDS;
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        tracing::error!(%error, cause, "the ledger could not be sealed; it is tried again in a while");
        0
    })
}

async fn seal(market: &Market, now: i64) -> Result<u64> {
    if !market.db().read(async |tx| ledger::any_unsealed(tx).await).await? {
        return Ok(0);
    }
    market.db().write(async move |tx| ledger::seal(tx, now, SEAL_ROUND).await).await
}

/// How long a job is held, ms, when a call to a seller may take so long: a job makes one after those it waits behind, and nobody else may
/// begin it while that lasts.
fn lease_ms(call_timeout: Duration) -> i64 {
    let turns = u32::try_from(AHEAD).unwrap_or(u32::MAX);
    let calls = i64::try_from(call_timeout.saturating_mul(turns).as_millis()).unwrap_or(i64::MAX);
    calls.saturating_add(LEASE_MARGIN_MS).max(LEASE_MIN_MS)
}

async fn claim(market: &Market, now: i64, limit: i64, lane_max: i64) -> Result<Vec<Lease>> {
    let lease = lease_ms(market.outbound().timeout());
    let token = hex::encode(market.entropy().bytes::<16>());
    let wall = market.machine().now();
    market.db().write(async move |tx| jobs::claim(tx, now, wall, lease, &token, limit, lane_max).await).await
}

async fn carry_out(market: &Market, lease: &Lease, now: i64) -> Result<()> {
    match lease.job.kind.as_str() {
        crate::calls::CALL_JOB => delivery::carry_out(market, lease, now).await,
        delivery::INFO_JOB => delivery::fetch_info(market, lease, now).await,
        settlement::MONTH_JOB => settlement::run_month_job(market, lease, now).await,
        catalog::RETIRED_JOB => orders::end_unsold(market, lease, now).await,
        settlement::SELLER_JOB => settlement::run_seller_job(market, lease, now).await,
        ledger::HEAD_JOB => ledger::run_head_job(market, lease, now).await,
        mail::SEND_JOB => mail::run_send_job(market, lease, now).await,
        exports::WRITE_JOB => exports::run_write_job(market, lease, now).await,
        exports::FORGET_JOB => exports::run_forget_job(market, lease, now).await,
        other => Err(Error::broken(format!("no part of this program carries out jobs of the kind {other}"))),
    }
}

/// A panic is a fault like any other: noted with the job and counted, so that the operator hears of a job that always ends so.
async fn unpanicked(work: impl Future<Output = Result<()>>) -> Result<()> {
    AssertUnwindSafe(work).catch_unwind().await.unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
        Err(Error::broken(format!("a job panicked: {}", text.unwrap_or("without a message"))))
    })
}

/// Holds a job for as long as `work` lasts: one that takes longer than its lease must not be taken over, begin anew, and never end.
async fn held<T>(market: &Market, lease: &Lease, every: Duration, work: impl Future<Output = T>) -> T {
    tokio::pin!(work);
    loop {
        tokio::select! {
            outcome = &mut work => return outcome,
            () = tokio::time::sleep(every) => {
                let token = lease.token.clone();
                let until = market.machine().now() + LEASE_MIN_MS;
                if let Err(error) = market.db().write(async move |tx| jobs::hold(tx, &token, until).await).await {
                    tracing::warn!(%error, kind = lease.job.kind, subject = lease.job.subject, "a job may be lost to another worker");
                }
            }
        }
    }
}

/// Carries out one job; a fault puts it back for later.
async fn work(market: &Market, lease: &Lease, now: i64) {
    let outcome = held(market, lease, HOLD_EVERY, unpanicked(carry_out(market, lease, now))).await;
    let Err(error) = outcome else { return };
    let cause = std::error::Error::source(&error).map(ToString::to_string);
    let why = cause.as_ref().map_or_else(|| error.to_string(), |cause| format!("{error}: {cause}"));
    let (kind, subject) = (&lease.job.kind, &lease.job.subject);
    let (lease, noted) = (lease.clone(), why.clone());
    match market.db().write(async move |tx| jobs::fail(tx, &lease, now, &noted).await).await {
        // It took longer than its lease, and two have worked on it: the effect is the other's.
        Ok(false) => tracing::info!(kind, subject, why, "a job was taken over by another worker; what was done here is undone"),
        Ok(true) => tracing::error!(kind, subject, why, "a job failed and is tried again later"),
        Err(error) => {
            tracing::error!(kind, subject, why, %error, "a job failed, which could not be noted; it is tried again when its lease ends");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_of_a_job_is_a_fault_with_its_message() {
        let outcome = unpanicked(async { std::panic::panic_any("the seller's answer has no end") }).await;
        let Err(Error::Broken(fault)) = outcome else { panic!("{outcome:?}") };
        assert_eq!(fault.to_string(), "a job panicked: the seller's answer has no end");
        assert!(unpanicked(async { Ok(()) }).await.is_ok());
    }
}
