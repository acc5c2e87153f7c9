//! The jobs of settlement: one a month, which sets one a seller going and the next month's job down.

use db::jobs::{self, Lease};
use db::{Error, Result, Tx};
use kernel::{AccountId, Actor, Locale, Month};

use super::run::{run_at, run_seller, sellers_to_settle};
use crate::Market;
use crate::edition::Edition;

/// The job of a month; its subject is the month, `202601`.
pub const MONTH_JOB: &str = "settlement.month";
/// The job of a seller and month; its subject is `202601/acc_…`.
pub const SELLER_JOB: &str = "settlement.seller";
/// Jobs of months that [`ensure_scheduled`] looks at; there is one, or two after a sandbox clock was set.
const MONTH_JOBS_MAX: i64 = 50;

/// Makes sure that the chain of monthly jobs goes on: enqueues the job of the month before `now` (market ms UTC) when there is none for the
/// current month or an earlier one. To be called at start, and after a sandbox clock was set.
///
/// Each month's job sets the next one down in the transaction in which it ends, so there is always exactly one, and no list of months that
/// are done is needed.
///
/// # Errors
/// Those of the database.
pub async fn ensure_scheduled(tx: &mut Tx, edition: &Edition, now: i64) -> Result<()> {
    let current = Month::of(now, &edition.zone);
    let jobs = jobs::list(tx, (MONTH_JOB, ""), MONTH_JOBS_MAX).await?;
    let mut months = jobs.iter().filter(|job| job.job.kind == MONTH_JOB).filter_map(|job| job.job.subject.parse::<Month>().ok());
    if months.any(|month| month <= current) {
        return Ok(());
    }
    let month = current.previous();
    jobs::enqueue(tx, MONTH_JOB, &month, "", run_at(edition, month)).await
}

/// Runs a [`MONTH_JOB`]: sets the job of each seller going and the next month's job down, and ends the lease, all in one transaction.
/// A job that comes too early is put back.
///
/// # Errors
/// [`Error::Unavailable`] when the lease was lost, or those of the database; then nothing is changed.
pub async fn run_month_job(market: &Market, lease: &Lease, now: i64) -> Result<()> {
    let month = month_of(&lease.job.subject)?;
    let (of, lease) = (market.clone(), lease.clone());
    market
        .db()
        .write(async move |tx| {
            let edition = of.edition();
            let due = run_at(edition, month);
            if now < due {
                return jobs::postpone(tx, &lease, due).await;
            }
            for seller in sellers_to_settle(tx, edition, month).await? {
                // Due at the month's own time, so that a late runner takes months in their order.
                jobs::enqueue(tx, SELLER_JOB, &format!("{month}/{seller}"), "", due).await?;
            }
            let next = month.next();
            jobs::enqueue(tx, MONTH_JOB, &next, "", run_at(edition, next)).await?;
            jobs::finish(tx, &lease).await
        })
        .await
}

/// Runs a [`SELLER_JOB`]: makes the seller's statement and ends the lease in one transaction.
///
/// # Errors
/// As [`run_seller`]; [`Error::Unavailable`] when the lease was lost. Then nothing is changed.
pub async fn run_seller_job(market: &Market, lease: &Lease, now: i64) -> Result<()> {
    let (month, seller) = lease.job.subject.split_once('/').ok_or_else(|| wrong_subject(&lease.job.subject))?;
    let month = month_of(month)?;
    let seller: AccountId = seller.parse().map_err(|_| wrong_subject(&lease.job.subject))?;
    let (of, lease) = (market.clone(), lease.clone());
    market
        .db()
        .write(async move |tx| {
            let ctx = of.ctx_at(now, Actor::System("settlement"), Locale::En);
            run_seller(tx, &ctx, of.edition(), seller, month).await?;
            jobs::finish(tx, &lease).await
        })
        .await
}

fn month_of(text: &str) -> Result<Month> {
    text.parse().map_err(|_| wrong_subject(text))
}

fn wrong_subject(subject: &str) -> Error {
    Error::broken(format!("{subject:?} is not the subject of a settlement job"))
}
