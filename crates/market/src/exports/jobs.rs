//! The jobs of exports: one writes a file, one removes what is no longer wanted.

use std::fs::File;
use std::io::Read;

use db::jobs::{self, Lease};
use db::{Error, Result, Tx};
use kernel::{Actor, ExportId};
use render::Table;

use super::sheet::{self, Reader};
use super::{Export, ExportState, PART_MAX, Wording, begin_next, end_of_life, store};
use crate::Market;

/// The job that writes an export; its subject is the export.
pub const WRITE_JOB: &str = "exports.write";
/// The job that removes an export whose time is over, or the file of one that was deleted; its subject is the export.
pub const FORGET_JOB: &str = "exports.forget";
/// Entries of a list that are read in one transaction.
const PAGE: i64 = 500;
/// Parts that one transaction removes: others wait no longer than for these.
const REMOVE_ROUND: i64 = 64;
/// After so many failures an export is given up: whoever waits for it should know.
const TRIES_MAX: i64 = 5;

/// What becomes of a writing.
enum Outcome {
    /// The file is there.
    Written,
    /// It was deleted, or another worker has begun anew.
    Unwanted,
}

/// Runs a [`WRITE_JOB`].
///
/// # Errors
/// [`Error::Unavailable`] when the lease was lost, or those of the database and the disk; then the job begins anew from the start.
pub async fn run_write_job(market: &Market, lease: &Lease, _now: i64) -> Result<()> {
    let id: ExportId = lease.job.subject.parse().map_err(|_| Error::broken(format!("{:?} is no export", lease.job.subject)))?;
    match write(market, lease, id).await {
        Ok(Outcome::Written) => conclude(market, lease, id, ExportState::Done).await,
        Ok(Outcome::Unwanted) => {
            let lease = lease.clone();
            market.db().write(async move |tx| jobs::finish(tx, &lease).await).await
        }
        Err(error) if lease.job.tries + 1 >= TRIES_MAX => {
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            tracing::error!(export = %id, %error, cause, "an export was given up");
            conclude(market, lease, id, ExportState::Failed).await
        }
        Err(error) => Err(error),
    }
}

async fn conclude(market: &Market, lease: &Lease, id: ExportId, state: ExportState) -> Result<()> {
    let ctx = market.ctx(Actor::System("exports"), kernel::Locale::En).await?;
    let (now, lease) = (ctx.now, lease.clone());
    market
        .db()
        .write(async move |tx| {
            if store::end(tx, id, &lease.token, state, now, end_of_life(now)).await? {
                jobs::enqueue(tx, FORGET_JOB, &id, "", end_of_life(now)).await?;
                if let Some((export, _)) = store::find(tx, id).await? {
                    begin_next(tx, export.account_id, now).await?;
                }
            }
            jobs::finish(tx, &lease).await
        })
        .await
}

/// What of an earlier try is there must not be found by this one.
async fn begin(market: &Market, lease: &Lease, id: ExportId) -> Result<Option<(Export, Wording)>> {
    let run = lease.token.clone();
    let begun =
        market.db().write(async move |tx| if store::begin(tx, id, &run).await? { store::find(tx, id).await } else { Ok(None) }).await?;
    if begun.is_some() {
        remove_parts(market, &id.to_string()).await?;
    }
    Ok(begun)
}

async fn write(market: &Market, lease: &Lease, id: ExportId) -> Result<Outcome> {
    let Some((export, wording)) = begin(market, lease, id).await? else { return Ok(Outcome::Unwanted) };
    let reader = Reader::new(&export, wording);
    let counted = reader.clone();
    let total = market.db().read(async move |tx| counted.count(tx).await).await?;
    if !note(market, lease, id, 0, total, None).await? {
        return Ok(Outcome::Unwanted);
    }
    let zone = market.edition().zone.clone();
    let wording = reader.wording.clone();
    let mut table = blocking(move || Table::begin(export.format, &wording.title, &wording.headings, zone)).await?;
    let (mut after, mut done) = (Some(String::new()), 0);
    while let Some(from) = after {
        let again = reader.clone();
        let page = market.db().read(async move |tx| again.page(tx, &from, PAGE).await).await?;
        done += page.entries;
        let is_cut;
        (table, is_cut) = blocking(move || sheet::fill(table, &page.rows)).await?;
        let cut_at = match is_cut {
            true => Some(market.ctx(Actor::System("exports"), reader.wording.locale).await?.now),
            false => None,
        };
        // Something may have been added, or not have been counted; at the end it is known.
        let total = if page.next.is_none() || is_cut { Some(done) } else { total.map(|total| total.max(done)) };
        if !note(market, lease, id, done, total, cut_at).await? {
            return Ok(Outcome::Unwanted);
        }
        after = page.next.filter(|_| !is_cut);
    }
    let file = blocking(move || table.finish()).await?;
    keep(market, lease, id, file).await
}

async fn note(market: &Market, lease: &Lease, id: ExportId, rows: i64, total: Option<i64>, cut_at: Option<i64>) -> Result<bool> {
    let run = lease.token.clone();
    market.db().write(async move |tx| store::note(tx, id, &run, rows, total, cut_at).await).await
}

/// Keeps a file in parts, each in a transaction of its own: others wait no longer than for one of these.
async fn keep(market: &Market, lease: &Lease, id: ExportId, mut file: File) -> Result<Outcome> {
    for n in 1.. {
        let content;
        (file, content) = blocking(move || read_part(file)).await?;
        if content.is_empty() {
            break;
        }
        let run = lease.token.clone();
        if !market.db().write(async move |tx| store::add_part(tx, id, &run, n, &content).await).await? {
            return Ok(Outcome::Unwanted);
        }
    }
    Ok(Outcome::Written)
}

fn read_part(mut file: File) -> Result<(File, Vec<u8>), render::Error> {
    let mut content = Vec::with_capacity(PART_MAX);
    let max = u64::try_from(PART_MAX).unwrap_or(u64::MAX);
    (&mut file).take(max).read_to_end(&mut content)?;
    Ok((file, content))
}

/// Files are written on threads that may wait for the disk.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T, render::Error> + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await.map_err(|panic| Error::broken(format!("the writing of a file ended: {panic}")))?;
    done.map_err(|error| Error::Broken(Box::new(error)))
}

/// Runs a [`FORGET_JOB`].
///
/// # Errors
/// [`Error::Unavailable`] when the lease was lost, or those of the database; what was removed until then is gone.
pub async fn run_forget_job(market: &Market, lease: &Lease, now: i64) -> Result<()> {
    let id: ExportId = lease.job.subject.parse().map_err(|_| Error::broken(format!("{:?} is no export", lease.job.subject)))?;
    let gone = async move |tx: &mut Tx| match store::find(tx, id).await? {
        Some((export, _)) if export.expires_at.is_none_or(|until| until > now) => Ok(false),
        Some(_) => store::remove(tx, id).await.map(|()| true),
        None => Ok(true),
    };
    if market.db().write(gone).await? {
        remove_parts(market, &lease.job.subject).await?;
    }
    let lease = lease.clone();
    market.db().write(async move |tx| jobs::finish(tx, &lease).await).await
}

async fn remove_parts(market: &Market, id: &str) -> Result<()> {
    loop {
        let id = id.to_owned();
        if !market.db().write(async move |tx| store::remove_parts(tx, &id, REMOVE_ROUND).await).await? {
            return Ok(());
        }
    }
}
