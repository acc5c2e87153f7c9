//! What a seller sees of their own business at a glance: what needs them, the last thirty days, today's calls.
//!
//! Everything is read along an index of the seller and within a window of time or a limit, whatever the seller has sold before.

use db::{FromRow, Result, Row, Tx, sql};
use kernel::{AccountId, AddressId, DeliveryId, HOUR_MS, ProductId, SellerKeyId, StatementId, SubscriptionId, Zone};

use crate::calls::{BREAKER_AFTER, Call, CallState, Scene};
use crate::catalog::Texts;
use crate::page::{Page, PageRequest};
use crate::settlement::StatementState;

/// How many rows of each kind of to-do are shown; more of them is told as a number of its own. `[ours]`
const TODOS_MAX: i64 = 20;
/// How many days the charts show. `[ours]`
pub const DAYS: i64 = 30;
/// A signing key that is older than this should be replaced, ms. `[ours]`
pub const KEY_OLD_MS: i64 = 365 * 86_400_000;
/// Of so many of today's attempts the time is reckoned. `[ours]`
const ATTEMPTS_TIMED: i64 = 1_000;
/// The most characters of a search for calls.
pub const TERM_MAX: usize = 64;

/// What happened on one day.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Day {
    /// When it begins, market ms UTC.
    pub from: i64,
    /// Orders that were placed and not cancelled, without returns.
    pub orders: i64,
    /// What was paid for those of them that were not given up, minor units.
    pub sales_minor: i64,
    /// Those of them that failed.
    pub failed: i64,
}

/// The last [`DAYS`] days of a seller, oldest first, today included.
///
/// # Errors
/// Those of the database.
pub async fn days(tx: &mut Tx, seller: AccountId, zone: &Zone, now: i64) -> Result<Vec<Day>> {
    let starts = starts(zone, now);
    let Some(first) = starts.first().copied() else { return Ok(Vec::new()) };
    // Numbers sort by time. Hours fall into days here: the engines know no zones.
    let from_number = format!("CS{}", zone.compact_minute(first));
    let statement = sql!(
        "SELECT (created_at - $1) / 3600000, CAST(COUNT(*) AS BIGINT),
           CAST(COALESCE(SUM(CASE WHEN paid_at IS NOT NULL AND state <> 'failed' THEN total_minor ELSE 0 END), 0) AS BIGINT),
           CAST(COUNT(CASE WHEN state = 'failed' THEN 1 END) AS BIGINT)
         FROM orders WHERE seller_id = $2 AND number >= $3 AND kind <> 'UNSUBSCRIBE' AND state <> 'cancelled' AND created_at >= $1
         GROUP BY 1"
    );
    let hours: Vec<(i64, i64, i64, i64)> = tx.all(statement, &[&first, &seller, &from_number]).await?;
    let mut days: Vec<Day> = starts.into_iter().map(|from| Day { from, ..Day::default() }).collect();
    for (hour, orders, sales_minor, failed) in hours {
        let at = first + hour * HOUR_MS;
        let Some(day) = days.iter_mut().rev().find(|day| day.from <= at) else { continue };
        day.orders += orders;
        day.sales_minor = day.sales_minor.saturating_add(sales_minor);
        day.failed += failed;
    }
    Ok(days)
}

/// When each of the last [`DAYS`] days began, oldest first.
fn starts(zone: &Zone, now: i64) -> Vec<i64> {
    let today = zone.same_day_at(now, 0);
    let mut starts: Vec<i64> = (0..DAYS).map(|back| zone.same_day_at(zone.add_days(today, -back), 0)).collect();
    starts.reverse();
    starts
}

/// A submission that was rejected and not sent again.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Rejected {
    /// The product.
    pub product: ProductId,
    /// Its name.
    pub names: Texts,
    /// Why.
    pub reason: String,
    /// When, market ms UTC.
    pub decided_at: i64,
}

impl FromRow for Rejected {
    fn from_row(row: &mut Row) -> Result<Self> {
        let product = row.take()?;
        let names = Texts { zh: row.take()?, en: row.take()? };
        let reason = row.take::<Option<String>>()?.unwrap_or_default();
        Ok(Self { product, names, reason, decided_at: row.take::<Option<i64>>()?.unwrap_or_default() })
    }
}

/// An order that failed within the last [`DAYS`] days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FailedOrder {
    /// Its number.
    pub number: String,
    /// When it was given up, market ms UTC.
    pub closed_at: Option<i64>,
}

/// A production address whose calls wait, because its server failed so often.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenBreaker {
    /// The address.
    pub address: AddressId,
    /// What the seller calls it.
    pub name: String,
    /// Until when, market ms UTC.
    pub until: i64,
}

/// A signing key that has been used for long.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OldKey {
    /// The key.
    pub key: SellerKeyId,
    /// What the seller calls it.
    pub name: String,
    /// When it was made, market ms UTC.
    pub created_at: i64,
}

/// The newest statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewStatement {
    /// The statement.
    pub id: StatementId,
    /// Its month.
    pub period: String,
    /// Where it stands.
    pub state: StatementState,
    /// What is paid, minor units.
    pub payable_minor: i64,
    /// When it was made, market ms UTC.
    pub created_at: i64,
}

/// What needs a seller today.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Todos {
    /// Submissions that were rejected and not sent again.
    pub rejected: Vec<Rejected>,
    /// Orders that failed lately, newest first.
    pub failed: Vec<FailedOrder>,
    /// Calls that failed at least once and are tried again.
    pub retried: i64,
    /// Calls that were given up lately and are still wanted.
    pub given_up: i64,
    /// Addresses whose calls wait.
    pub breakers: Vec<OpenBreaker>,
    /// Keys to replace.
    pub old_keys: Vec<OldKey>,
    /// The newest statement.
    pub statement: Option<NewStatement>,
}

/// What needs a seller at market time `now`.
///
/// # Errors
/// Those of the database.
pub async fn todos(tx: &mut Tx, seller: AccountId, zone: &Zone, now: i64) -> Result<Todos> {
    let since = starts(zone, now).first().copied().unwrap_or(now);
    let rejected = sql!(
        "SELECT p.id, p.name_zh, p.name_en, l.reason, l.decided_at FROM products p JOIN listings l ON l.product_id = p.id
         WHERE p.seller_id = $1 AND p.state <> 'retired' AND l.state = 'rejected'
           AND l.revision = (SELECT MAX(revision) FROM listings WHERE product_id = p.id)
         ORDER BY p.id DESC LIMIT $2"
    );
    let failed = sql!(
        "SELECT number, closed_at FROM orders WHERE seller_id = $1 AND number >= $2 AND state = 'failed' ORDER BY number DESC LIMIT $3"
    );
    let from_number = format!("CS{}", zone.compact_minute(since));
    let failed: Vec<(String, Option<i64>)> = tx.all(failed, &[&seller, &from_number, &TODOS_MAX]).await?;
    let breakers = sql!(
        "SELECT a.id, a.name, b.open_until FROM production_addresses a JOIN address_breakers b ON b.address_id = a.id
         WHERE a.seller_id = $1 AND b.failures >= $2 AND b.open_until > $3 ORDER BY a.id LIMIT $4"
    );
    let breakers: Vec<(AddressId, String, i64)> = tx.all(breakers, &[&seller, &BREAKER_AFTER, &now, &TODOS_MAX]).await?;
    let old_keys = sql!(
        "SELECT id, name, created_at FROM seller_keys WHERE seller_id = $1 AND retired_at IS NULL AND created_at < $2 ORDER BY id LIMIT $3"
    );
    let old_keys: Vec<(SellerKeyId, String, i64)> = tx.all(old_keys, &[&seller, &(now - KEY_OLD_MS), &TODOS_MAX]).await?;
    let statement = sql!(
        "SELECT id, period, state, payable_minor, created_at FROM statements WHERE seller_id = $1 ORDER BY period DESC, currency LIMIT 1"
    );
    let statement: Option<(StatementId, String, StatementState, i64, i64)> = tx.find(statement, &[&seller]).await?;
    Ok(Todos {
        rejected: tx.all(rejected, &[&seller, &TODOS_MAX]).await?,
        failed: failed.into_iter().map(|(number, closed_at)| FailedOrder { number, closed_at }).collect(),
        retried: retried(tx, seller).await?,
        given_up: given_up(tx, seller, since).await?,
        breakers: breakers.into_iter().map(|(address, name, until)| OpenBreaker { address, name, until }).collect(),
        old_keys: old_keys.into_iter().map(|(key, name, created_at)| OldKey { key, name, created_at }).collect(),
        statement: statement.map(|(id, period, state, payable_minor, created_at)| NewStatement {
            id,
            period,
            state,
            payable_minor,
            created_at,
        }),
    })
}

/// How many calls of a seller failed at least once and are tried again.
async fn retried(tx: &mut Tx, seller: AccountId) -> Result<i64> {
    let statement = sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM deliveries WHERE state = 'waiting' AND attempts > 0 AND seller_id = $1");
    tx.one::<(i64,)>(statement, &[&seller]).await.map(|(count,)| count)
}

async fn given_up(tx: &mut Tx, seller: AccountId, since: i64) -> Result<i64> {
    let statement = sql!("SELECT CAST(COUNT(*) AS BIGINT) FROM deliveries WHERE state = 'gave_up' AND seller_id = $1 AND ended_at >= $2");
    tx.one::<(i64,)>(statement, &[&seller, &since]).await.map(|(count,)| count)
}

/// A seller's calls of one day, in figures.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CallFigures {
    /// Calls that were asked for.
    pub asked: i64,
    /// Those of them that were done.
    pub done: i64,
    /// Those of them that were given up.
    pub gave_up: i64,
    /// Calls of whatever day that failed at least once and are tried again.
    pub retried: i64,
    /// Nineteen of twenty attempts took no longer, ms; of the last thousand of the day. None without attempts.
    pub p95_ms: Option<i64>,
}

/// The figures of the day on which market time `now` lies.
///
/// # Errors
/// Those of the database.
pub async fn call_figures(tx: &mut Tx, seller: AccountId, zone: &Zone, now: i64) -> Result<CallFigures> {
    let first = DeliveryId::first_at(zone.same_day_at(now, 0));
    let statement = sql!(
        "SELECT CAST(COUNT(*) AS BIGINT), CAST(COUNT(CASE WHEN state = 'done' THEN 1 END) AS BIGINT),
           CAST(COUNT(CASE WHEN state = 'gave_up' THEN 1 END) AS BIGINT)
         FROM deliveries WHERE id >= $2 AND seller_id = $1"
    );
    let (asked, done, gave_up) = tx.one::<(i64, i64, i64)>(statement, &[&seller, &first]).await?;
    let times = sql!(
        "SELECT a.elapsed_ms FROM deliveries d JOIN delivery_attempts a ON a.delivery_id = d.id
         WHERE d.seller_id = $1 AND d.id >= $2 ORDER BY d.id DESC LIMIT $3"
    );
    let mut times: Vec<i64> = tx.all::<(i64,)>(times, &[&seller, &first, &ATTEMPTS_TIMED]).await?.into_iter().map(|(ms,)| ms).collect();
    times.sort_unstable();
    let p95_ms = times.get((times.len() * 95).div_ceil(100).saturating_sub(1)).copied();
    Ok(CallFigures { asked, done, gave_up, retried: retried(tx, seller).await?, p95_ms })
}

/// Which calls of a seller are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallFilter {
    /// Only those that stand here.
    pub state: Option<CallState>,
    /// Only those that were made for this.
    pub scene: Option<Scene>,
    /// Only those of the order of this number, or of the instance that the seller calls so, or of this subscription.
    pub term: String,
}

macro_rules! call_columns {
    () => {
        "SELECT d.id, d.scene, d.state, d.subscription_id, d.order_number, d.line_number, d.seller_id, d.product_id, d.address_id, d.request,
           d.instance_id, d.created_at, d.started_at, d.attempts, d.round, d.last_verdict, d.ended_at FROM deliveries d "
    };
}

/// The calls of a seller, newest first.
///
/// # Errors
/// Those of the database.
pub async fn calls(tx: &mut Tx, seller: AccountId, filter: &CallFilter, page: &PageRequest) -> Result<Page<Call>> {
    let (state, scene, before, fetch) = (filter.state, filter.scene, page.before(), page.fetch());
    let term: String = filter.term.trim().chars().filter(|c| !c.is_control()).take(TERM_MAX).collect();
    let rows: Vec<Call> = if term.is_empty() {
        let statement = sql!(concat!(
            call_columns!(),
            "WHERE d.seller_id = $1 AND d.id < $2 AND (CAST($3 AS TEXT) IS NULL OR d.state = $3)
               AND (CAST($4 AS TEXT) IS NULL OR d.scene = $4)
             ORDER BY d.id DESC LIMIT $5"
        ));
        tx.all(statement, &[&seller, &before, &state, &scene, &fetch]).await?
    } else {
        let subscription = term.parse::<SubscriptionId>().ok();
        let statement = sql!(concat!(
            call_columns!(),
            "WHERE d.subscription_id IN (
               SELECT subscription_id FROM order_lines WHERE order_number = $6 AND subscription_id IS NOT NULL
               UNION SELECT s.id FROM subscriptions s JOIN production_addresses a ON a.id = s.address_id
                 WHERE a.seller_id = $1 AND s.instance_id = $6
               UNION SELECT CAST($7 AS TEXT) WHERE CAST($7 AS TEXT) IS NOT NULL)
               AND d.seller_id = $1 AND d.id < $2 AND (CAST($3 AS TEXT) IS NULL OR d.state = $3)
               AND (CAST($4 AS TEXT) IS NULL OR d.scene = $4)
             ORDER BY d.id DESC LIMIT $5"
        ));
        tx.all(statement, &[&seller, &before, &state, &scene, &fetch, &term, &subscription]).await?
    };
    Ok(page.cut(rows, |call: &Call| call.id.to_string()))
}

/// When the next attempt of a call is due, market ms UTC; none when it has no job.
///
/// # Errors
/// Those of the database.
pub async fn next_attempt(tx: &mut Tx, call: DeliveryId) -> Result<Option<i64>> {
    db::jobs::due_at(tx, crate::calls::CALL_JOB, &call).await
}
