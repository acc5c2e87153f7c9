//! The job table: work that somebody must do later, written in the transaction that makes it necessary.
//!
//! A job is a kind, a subject and a due time; everything else stands in the rows of its subject. There is at most one job of a kind for a
//! subject. A worker takes a lease, works, and ends the job in the same transaction as the job's effect, so the effect happens once even
//! when two workers, a crash or an expired lease run the work twice. A worker whose work outlasts its lease [`hold`]s the job.
//!
//! Due times are market time, leases are wall time: a sandbox clock that jumps must not end a lease.

use kernel::ToScalar;

use crate::{Error, FromRow, Result, Row, Tx, sql};

/// After this many failures a job waits for the operator instead of for its next try.
pub const TRIES_MAX: i64 = 16;

/// A job as it stands in the table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    /// What is to be done.
    pub kind: String,
    /// To what: the id of a row of the kind's domain.
    pub subject: String,
    /// Jobs of one lane share a limit and a breaker; empty for none.
    pub lane: String,
    /// When it is due, market ms UTC.
    pub due_at: i64,
    /// How often it has failed.
    pub tries: i64,
}

impl FromRow for Job {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self { kind: row.take()?, subject: row.take()?, lane: row.take()?, due_at: row.take()?, tries: row.take()? })
    }
}

/// A job that this worker holds for a while.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Lease {
    /// The job.
    pub job: Job,
    /// Proof of holding it.
    pub token: String,
}

/// A job with its troubles, for the operator.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JobReport {
    /// The job.
    pub job: Job,
    /// Until when a worker holds it, wall ms UTC; 0 when none does.
    pub lease_until: i64,
    /// What the last failure said.
    pub last_error: Option<String>,
    /// Since when it waits for the operator, market ms UTC.
    pub stuck_at: Option<i64>,
}

impl FromRow for JobReport {
    fn from_row(row: &mut Row) -> Result<Self> {
        Ok(Self { job: Job::from_row(row)?, lease_until: row.take()?, last_error: row.take()?, stuck_at: row.take()? })
    }
}

/// Adds a job, or brings the one that is there forward to `due_at`.
///
/// A job that a worker holds at this moment may end without seeing this call; callers whose subject can change under a running job check
/// its state first.
///
/// # Errors
/// Those of the database.
pub async fn enqueue(tx: &mut Tx, kind: &str, subject: &dyn ToScalar, lane: &str, due_at: i64) -> Result<()> {
    tx.mark_jobs_added();
    let statement = sql!(
        "INSERT INTO jobs (kind, subject, lane, due_at, tries, lease_until, lease_token)
         VALUES ($1, $2, $3, $4, 0, 0, '')
         ON CONFLICT (kind, subject) DO UPDATE SET
           due_at = CASE WHEN jobs.stuck_at IS NULL AND jobs.due_at < excluded.due_at THEN jobs.due_at ELSE excluded.due_at END,
           tries = 0, stuck_at = NULL"
    );
    tx.defer(statement, &[&kind, subject, &lane, &due_at]).await
}

/// Adds a job unless there is one; one that is there stays as it is, with its due time and its failures.
///
/// The end of a job that a worker holds at this moment and this call exclude each other, as far as both have looked at what the other writes:
/// a worker that looks for more work in the transaction in which it ends its job leaves none behind.
///
/// # Errors
/// Those of the database.
pub async fn ensure(tx: &mut Tx, kind: &str, subject: &dyn ToScalar, lane: &str, due_at: i64) -> Result<()> {
    tx.mark_jobs_added();
    // The SELECT is what PostgreSQL remembers as having been read; ON CONFLICT alone reads nothing.
    let statement = sql!(
        "INSERT INTO jobs (kind, subject, lane, due_at, tries, lease_until, lease_token)
         SELECT CAST($1 AS TEXT), CAST($2 AS TEXT), CAST($3 AS TEXT), CAST($4 AS BIGINT), 0, 0, ''
         WHERE NOT EXISTS (SELECT 1 FROM jobs WHERE kind = $1 AND subject = $2)
         ON CONFLICT (kind, subject) DO NOTHING"
    );
    tx.execute(statement, &[&kind, subject, &lane, &due_at]).await.map(drop)
}

/// Takes up to `limit` jobs due at `now` (market time) until `wall + lease_ms`, earliest first; of each lane so many that no more than
/// `lane_max` are held at the same time, so that one slow seller cannot fill the pool. The jobs of a lane that is full are not even looked
/// at: however many wait there, they hide no other.
///
/// # Errors
/// Those of the database.
pub async fn claim(tx: &mut Tx, now: i64, wall: i64, lease_ms: i64, token: &str, limit: i64, lane_max: i64) -> Result<Vec<Lease>> {
    /// The earliest jobs that are looked at: so many of a lane that is full cannot hide the other lanes.
    const LOOKED_AT_MAX: i64 = 5_000;
    // Looking at many costs more than all the rest of a claim, and is seldom needed: only when most of the earliest are of full lanes.
    let near = (limit * 4).clamp(100, LOOKED_AT_MAX);
    let mut leases = claim_among(tx, near, now, wall, lease_ms, token, limit, lane_max).await?;
    let taken = i64::try_from(leases.len()).unwrap_or(limit);
    if taken * 2 < limit && near < LOOKED_AT_MAX {
        leases.extend(claim_among(tx, LOOKED_AT_MAX, now, wall, lease_ms, token, limit - taken, lane_max).await?);
    }
    Ok(leases)
}

#[allow(clippy::too_many_arguments, reason = "those of claim, and one")]
async fn claim_among(
    tx: &mut Tx,
    looked_at: i64,
    now: i64,
    wall: i64,
    lease_ms: i64,
    token: &str,
    limit: i64,
    lane_max: i64,
) -> Result<Vec<Lease>> {
    let statement = sql!(
        "UPDATE jobs SET lease_until = $1, lease_token = $2
         WHERE (kind, subject) IN
           (SELECT kind, subject FROM
              (SELECT kind, subject, lane, due_at, lease_until,
                 ROW_NUMBER() OVER (PARTITION BY lane ORDER BY CASE WHEN lease_until < $4 THEN 1 ELSE 0 END, due_at, kind, subject) AS place
               FROM (SELECT kind, subject, lane, due_at, lease_until FROM jobs WHERE stuck_at IS NULL AND due_at <= $3
                       AND lane NOT IN (SELECT lane FROM jobs WHERE lease_until > 0 AND lease_until >= $4 AND lane <> ''
                                        GROUP BY lane HAVING COUNT(*) >= $6)
                       AND lease_token NOT IN (SELECT token FROM job_holds WHERE until >= $4)
                     ORDER BY due_at LIMIT $7) AS due) AS placed
            WHERE lease_until < $4 AND (lane = '' OR place <= $6) ORDER BY due_at, kind, subject LIMIT $5)
           AND lease_until < $4
         RETURNING kind, subject, lane, due_at, tries"
    );
    let mut jobs: Vec<Job> = tx.all(statement, &[&(wall + lease_ms), &token, &now, &wall, &limit, &lane_max, &looked_at]).await?;
    jobs.sort_by(|a, b| (a.due_at, &a.kind, &a.subject).cmp(&(b.due_at, &b.kind, &b.subject)));
    Ok(jobs.into_iter().map(|job| Lease { job, token: token.to_owned() }).collect())
}

/// Holds the jobs that were claimed with `token` until `until` (wall ms), for a worker whose work outlasts its lease.
///
/// This stands in a table of its own: the work may be one long transaction that ends with the job's row, and on PostgreSQL a row that was
/// changed meanwhile would undo all of it.
///
/// # Errors
/// Those of the database.
pub async fn hold(tx: &mut Tx, token: &str, until: i64) -> Result<()> {
    let statement = sql!("INSERT INTO job_holds (token, until) VALUES ($1, $2) ON CONFLICT (token) DO UPDATE SET until = excluded.until");
    tx.execute(statement, &[&token, &until]).await.map(drop)
}

/// Removes holds that ended before `wall`.
///
/// # Errors
/// Those of the database.
pub async fn forget_holds(tx: &mut Tx, wall: i64) -> Result<()> {
    tx.execute(sql!("DELETE FROM job_holds WHERE until < $1"), &[&wall]).await.map(drop)
}

fn lost() -> Error {
    Error::Unavailable("another worker has taken the job over".to_owned())
}

/// Ends a job, in the transaction of its effect.
///
/// # Errors
/// [`Error::Unavailable`] when the lease was lost: the transaction must not take place, for another worker's will.
pub async fn finish(tx: &mut Tx, lease: &Lease) -> Result<()> {
    let statement = sql!("DELETE FROM jobs WHERE kind = $1 AND subject = $2 AND lease_token = $3");
    let ended = tx.execute(statement, &[&lease.job.kind, &lease.job.subject, &lease.token]).await?;
    if ended == 1 { Ok(()) } else { Err(lost()) }
}

/// Ends every lease, for a caller who knows that whoever held one has died; how many there were.
///
/// # Errors
/// Those of the database.
pub async fn release(tx: &mut Tx) -> Result<u64> {
    tx.execute(sql!("UPDATE jobs SET lease_until = 0, lease_token = '' WHERE lease_until > 0"), &[]).await
}

/// Puts a job back for `due_at`: its work is not over, and nothing failed.
///
/// # Errors
/// As [`finish`].
pub async fn postpone(tx: &mut Tx, lease: &Lease, due_at: i64) -> Result<()> {
    tx.mark_jobs_added();
    let statement = sql!(
        "UPDATE jobs SET due_at = $1, tries = 0, lease_until = 0, lease_token = '' WHERE kind = $2 AND subject = $3 AND lease_token = $4"
    );
    let changed = tx.execute(statement, &[&due_at, &lease.job.kind, &lease.job.subject, &lease.token]).await?;
    if changed == 1 { Ok(()) } else { Err(lost()) }
}

/// Puts a job back after a fault of ours; the pause doubles each time, and after [`TRIES_MAX`] the job waits for the operator.
///
/// False when the lease was lost: the job is another worker's, or done, and nothing is noted.
///
/// # Errors
/// Those of the database.
pub async fn fail(tx: &mut Tx, lease: &Lease, now: i64, why: &str) -> Result<bool> {
    /// The first pause.
    const PAUSE_MS: i64 = 2_000;
    let tries = lease.job.tries + 1;
    let due_at = now + (PAUSE_MS << tries.clamp(1, 11));
    let stuck_at = (tries >= TRIES_MAX).then_some(now);
    let why: String = why.chars().take(2000).collect();
    let statement = sql!(
        "UPDATE jobs SET due_at = $1, tries = $2, last_error = $3, stuck_at = $4, lease_until = 0, lease_token = ''
         WHERE kind = $5 AND subject = $6 AND lease_token = $7"
    );
    let params: [&dyn ToScalar; 7] = [&due_at, &tries, &why, &stuck_at, &lease.job.kind, &lease.job.subject, &lease.token];
    Ok(tx.execute(statement, &params).await? == 1)
}

/// Has a job tried again at once, whatever its failures; false when there is no such job.
///
/// # Errors
/// Those of the database.
pub async fn retry(tx: &mut Tx, kind: &str, subject: &str, now: i64) -> Result<bool> {
    tx.mark_jobs_added();
    let statement = sql!(
        "UPDATE jobs SET due_at = CASE WHEN due_at < $1 THEN due_at ELSE $1 END, tries = 0, stuck_at = NULL WHERE kind = $2 AND subject = $3"
    );
    Ok(tx.execute(statement, &[&now, &kind, &subject]).await? == 1)
}

/// When a job is due; none when there is no such job.
///
/// # Errors
/// Those of the database.
pub async fn due_at(tx: &mut Tx, kind: &str, subject: &dyn ToScalar) -> Result<Option<i64>> {
    let statement = sql!("SELECT due_at FROM jobs WHERE kind = $1 AND subject = $2");
    Ok(tx.find::<(i64,)>(statement, &[&kind, subject]).await?.map(|(due_at,)| due_at))
}

/// When the earliest job is due that waits for no operator, market ms UTC.
///
/// # Errors
/// Those of the database.
pub async fn next_due(tx: &mut Tx) -> Result<Option<i64>> {
    let statement = sql!("SELECT MIN(due_at) FROM jobs WHERE stuck_at IS NULL");
    tx.one::<(Option<i64>,)>(statement, &[]).await.map(|(due_at,)| due_at)
}

/// Every job after `(kind, subject)` in the order of the key, at most `limit`.
///
/// # Errors
/// Those of the database.
pub async fn list(tx: &mut Tx, after: (&str, &str), limit: i64) -> Result<Vec<JobReport>> {
    let statement = sql!(
        "SELECT kind, subject, lane, due_at, tries, lease_until, last_error, stuck_at FROM jobs
         WHERE (kind, subject) > ($1, $2) ORDER BY kind, subject LIMIT $3"
    );
    tx.all(statement, &[&after.0, &after.1, &limit]).await
}

/// How many jobs wait for the operator, at most `max`, and since when the first does, market ms UTC.
///
/// # Errors
/// Those of the database.
pub async fn stuck(tx: &mut Tx, max: i64) -> Result<(i64, Option<i64>)> {
    let statement = sql!(
        "SELECT CAST(COUNT(*) AS BIGINT), MIN(q.stuck_at) FROM
           (SELECT stuck_at FROM jobs WHERE stuck_at IS NOT NULL ORDER BY stuck_at LIMIT $1) AS q"
    );
    tx.one(statement, &[&max]).await
}

/// The jobs that wait for the operator, those that have waited longest first, at most `limit`.
///
/// # Errors
/// Those of the database.
pub async fn list_stuck(tx: &mut Tx, limit: i64) -> Result<Vec<JobReport>> {
    let statement = sql!(
        "SELECT kind, subject, lane, due_at, tries, lease_until, last_error, stuck_at FROM jobs
         WHERE stuck_at IS NOT NULL ORDER BY stuck_at, kind, subject LIMIT $1"
    );
    tx.all(statement, &[&limit]).await
}

/// How many jobs wait, and how many of them for the operator.
///
/// # Errors
/// Those of the database.
pub async fn count(tx: &mut Tx) -> Result<(i64, i64)> {
    tx.one(sql!("SELECT CAST(COUNT(*) AS BIGINT), CAST(COUNT(stuck_at) AS BIGINT) FROM jobs"), &[]).await
}
