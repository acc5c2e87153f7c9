//! The background: due jobs, due subscriptions, unpaid orders, and sealing the ledger.
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
use crate::market::{Market, wall_now};
use crate::{accounts, delivery, idempotency, ledger, lifecycle, orders, settlement, subscriptions};

/// How long a worker holds a job, ms of wall time: longer than the slowest call and its transaction.
const LEASE_MS: i64 = 60_000;
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
/// Rows taken in one round of a reconciler.
const ROUND: i64 = 200;
/// Ledger transactions sealed in one transaction.
const SEAL_ROUND: i64 = 1_000;
/// How long one waits for somebody else to finish moving the clock.
const CLOCK_PATIENCE: Duration = Duration::from_secs(10);

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
    let mut last_upkeep = 0;
    loop {
        let worked = match market.clock() {
            Clock::Wall => round(&market, settings, &slots, &mut running).await,
            Clock::Sandbox => sandbox_round(&market).await,
        };
        let busy = worked.unwrap_or_else(|error| {
            tracing::warn!(error = %error, cause = ?std::error::Error::source(&error).map(ToString::to_string), "a round of the runner failed; it goes on");
            false
        });
        if wall_now() - last_upkeep > kernel::HOUR_MS {
            last_upkeep = wall_now();
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

/// What is done once an hour: the month's settlement is in the queue; old idempotency keys, sessions and holds of jobs are not kept, however
/// many there are.
///
/// # Errors
/// Those of the database; what was removed until then is gone.
pub async fn upkeep(market: &Market) -> Result<()> {
    let (wall, db) = (wall_now(), market.db());
    let now = market.ctx(Actor::System("runner"), Locale::En).await?.now;
    schedule(market, now).await?;
    while db.write(async move |tx| idempotency::forget_old(tx, wall, FORGET_ROUND).await).await? >= FORGET_ROUND.unsigned_abs() {}
    while db.write(async move |tx| accounts::forget_old_sessions(tx, wall, FORGET_ROUND).await).await? >= FORGET_ROUND.unsigned_abs() {}
    db.write(async move |tx| jobs::forget_holds(tx, wall).await).await
}

/// One round in production; true when there may be more to do at once.
async fn round(market: &Market, settings: RunnerSettings, slots: &Arc<Semaphore>, running: &mut JoinSet<()>) -> Result<bool> {
    let now = wall_now();
    let sealed = seal(market, now).await?;
    if next_due(market).await?.is_none_or(|due| due > now) {
        return Ok(sealed >= SEAL_ROUND.unsigned_abs());
    }
    let events = reconcile(market, now).await?;
    let free = i64::try_from(slots.available_permits()).unwrap_or(0);
    if free == 0 {
        return Ok(false);
    }
    let leases = claim(market, now, free.min(ROUND), settings.lane_max).await?;
    let full = i64::try_from(leases.len()).unwrap_or(0) == free.min(ROUND);
    for lease in leases {
        let Ok(slot) = slots.clone().acquire_owned().await else { break };
        let market = market.clone();
        running.spawn(async move {
            work(&market, &lease, now).await;
            drop(slot);
            market.db().nudge();
        });
    }
    Ok(full || events > 0 || sealed >= SEAL_ROUND.unsigned_abs())
}

/// One round in a sandbox: everything that is due by now.
async fn sandbox_round(market: &Market) -> Result<bool> {
    let ctx = market.ctx(Actor::System("runner"), Locale::En).await?;
    if next_due(market).await?.is_none_or(|due| due > ctx.now) {
        seal(market, ctx.now).await?;
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
                () = tokio::time::sleep(MOVER_SIGN) => hold_clock(market, &mover).await,
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
    let deadline = tokio::time::Instant::now() + CLOCK_PATIENCE;
    loop {
        let (clock, name) = (*market.clock(), mover.to_owned());
        let take = async move |tx: &mut Tx| {
            let abandoned = clock.mover(tx).await?.is_some();
            clock.take(tx, &name, wall_now(), MOVER_LEASE_MS).await?;
            // Nobody but the mover works in a sandbox: what is held, is held by one who died.
            if abandoned { jobs::release(tx).await } else { Ok(0) }
        };
        match market.db().write(take).await {
            Err(error) if error.code() == Some(Code::ClockBusy) && tokio::time::Instant::now() < deadline => {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            other => return other.map(drop),
        }
    }
}

async fn hold_clock(market: &Market, mover: &str) {
    let (clock, mover) = (*market.clock(), mover.to_owned());
    let held = market.db().write(async move |tx| clock.take(tx, &mover, wall_now(), MOVER_LEASE_MS).await).await;
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
    let mut patience = 0;
    while let Some(due) = next_due(market).await?.filter(|due| *due <= to) {
        let at = due.max(progress.now);
        if at > progress.now {
            set_clock(market, mover, at).await?;
            progress.now = at;
        }
        let before = progress.jobs + progress.events;
        progress.events += reconcile(market, at).await?;
        for lease in claim(market, at, ROUND, i64::MAX).await? {
            work(market, &lease, at).await;
            progress.jobs += 1;
        }
        if progress.jobs + progress.events == before {
            // Another worker holds the job: it will be done or its lease will end.
            patience += 1;
            if patience > 4_000 {
                return Err(Refusal::new(Code::ClockBusy).into());
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        } else {
            patience = 0;
        }
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
    let (clock, mover) = (*market.clock(), mover.to_owned());
    market
        .db()
        .write(async move |tx| match clock.set(tx, &mover, wall_now(), MOVER_LEASE_MS, to).await {
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
    market
        .db()
        .read(async move |tx| {
            let due = [jobs::next_due(tx).await?, subscriptions::next_due(tx).await?, orders::next_unpaid_due(tx).await?];
            Ok(due.into_iter().flatten().min())
        })
        .await
}

async fn schedule(market: &Market, now: i64) -> Result<()> {
    let again = market.clone();
    market.db().write(async move |tx| settlement::ensure_scheduled(tx, again.edition(), now).await).await
}

async fn reconcile(market: &Market, now: i64) -> Result<u64> {
    let (subs, unpaid) = market
        .db()
        .read(async move |tx| Ok((subscriptions::due(tx, now, ROUND).await?, orders::unpaid_due(tx, now, ROUND).await?)))
        .await?;
    let mut taken = 0;
    for id in subs {
        taken += lifecycle::step(market, id, now).await?;
    }
    for number in unpaid {
        let ctx = market.ctx_at(now, Actor::System("orders"), Locale::ZhCn);
        market.db().write(async move |tx| orders::expire_unpaid(tx, &ctx, &number).await).await?;
        taken += 1;
    }
    Ok(taken)
}

async fn seal(market: &Market, now: i64) -> Result<u64> {
    if market.db().read(async |tx| ledger::unsealed(tx).await).await? == 0 {
        return Ok(0);
    }
    market.db().write(async move |tx| ledger::seal(tx, now, SEAL_ROUND).await).await
}

async fn claim(market: &Market, now: i64, limit: i64, lane_max: i64) -> Result<Vec<Lease>> {
    let token = hex::encode(market.entropy().bytes::<16>());
    let wall = wall_now();
    market.db().write(async move |tx| jobs::claim(tx, now, wall, LEASE_MS, &token, limit, lane_max).await).await
}

async fn carry_out(market: &Market, lease: &Lease, now: i64) -> Result<()> {
    match lease.job.kind.as_str() {
        crate::calls::CALL_JOB => delivery::carry_out(market, lease, now).await,
        delivery::INFO_JOB => delivery::fetch_info(market, lease, now).await,
        settlement::MONTH_JOB => settlement::run_month_job(market, lease, now).await,
        settlement::SELLER_JOB => settlement::run_seller_job(market, lease, now).await,
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
                let until = wall_now() + LEASE_MS;
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
