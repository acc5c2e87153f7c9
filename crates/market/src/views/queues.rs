//! The operator's desk: what waits for somebody, since when, and how the last days went. Everything is counted up to a limit, over an index of
//! what waits, so that the desk opens as fast for ten million orders as for ten.

use db::{Result, Tx, jobs, sql};
use kernel::{DAY_MS, DeliveryId, DepositId};

use crate::edition::Edition;

/// What is counted at most in one queue: more is "more than this" to whoever looks (ours).
pub const QUEUE_MAX: i64 = 1_000;
/// Orders that the days are made of at most (ours).
const ORDERS_MAX: i64 = 20_000;
/// Days of the chart.
pub const DAYS: i64 = 14;
/// Days in which what has failed is still news.
pub const NEWS_DAYS: i64 = 7;

/// Something that waits.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Queue {
    /// How much of it, [`QUEUE_MAX`] at most.
    pub count: i64,
    /// Since when the oldest waits, market ms UTC.
    pub oldest_at: Option<i64>,
}

/// A day of the chart.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Day {
    /// Its first moment, market ms UTC.
    pub at: i64,
    /// Orders placed, returns left out.
    pub orders: i64,
    /// Those of them that could not be delivered.
    pub failed: i64,
}

/// What waits, and the last days.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Queues {
    /// Sellers who have applied.
    pub applications: Queue,
    /// Products that were submitted.
    pub submissions: Queue,
    /// Large returns to decide about.
    pub refunds: Queue,
    /// Jobs that were tried too often.
    pub jobs: Queue,
    /// Orders of the last [`NEWS_DAYS`] that failed. When the oldest was placed.
    pub failed_orders: Queue,
    /// Calls asked for in the last [`NEWS_DAYS`] that were given up.
    pub calls: Queue,
    /// Deposits of today, and what they come to, minor units.
    pub deposits: (i64, i64),
    /// The last [`DAYS`], oldest first; fewer when there were more orders than are counted.
    pub days: Vec<Day>,
}

/// The queues at market time `now`.
///
/// # Errors
/// Those of the database.
pub async fn queues(tx: &mut Tx, edition: &Edition, now: i64) -> Result<Queues> {
    let today = edition.zone.same_day_at(now, 0);
    let news = now - NEWS_DAYS * DAY_MS;
    let queue = |(count, oldest_at): (i64, Option<i64>)| Queue { count, oldest_at };
    let applications = sql!(
        "SELECT CAST(COUNT(*) AS BIGINT), MIN(q.applied_at) FROM
           (SELECT applied_at FROM sellers WHERE state = 'applied' ORDER BY account_id LIMIT $1) AS q"
    );
    let submissions = sql!(
        "SELECT CAST(COUNT(*) AS BIGINT), MIN(q.submitted_at) FROM
           (SELECT submitted_at FROM listings WHERE state = 'under_review' ORDER BY id LIMIT $1) AS q"
    );
    let refunds = sql!(
        "SELECT CAST(COUNT(*) AS BIGINT), MIN(q.created_at) FROM
           (SELECT created_at FROM orders WHERE state = 'pending_review' AND number > $2 ORDER BY number LIMIT $1) AS q"
    );
    let failed = sql!(
        "SELECT CAST(COUNT(*) AS BIGINT), MIN(q.created_at) FROM
           (SELECT created_at FROM orders WHERE state = 'failed' AND number >= $2 ORDER BY number LIMIT $1) AS q"
    );
    let calls = sql!(
        "SELECT CAST(COUNT(*) AS BIGINT), MIN(q.created_at) FROM
           (SELECT created_at FROM deliveries WHERE state = 'gave_up' AND id >= $2 ORDER BY id LIMIT $1) AS q"
    );
    let deposits = sql!(
        "SELECT CAST(COUNT(*) AS BIGINT), CAST(COALESCE(SUM(q.amount_minor), 0) AS BIGINT) FROM
           (SELECT amount_minor FROM deposits WHERE id >= $1 AND currency = $2 ORDER BY id LIMIT $3) AS q"
    );
    let (count, oldest_at) = jobs::stuck(tx, QUEUE_MAX).await?;
    Ok(Queues {
        applications: queue(tx.one(applications, &[&QUEUE_MAX]).await?),
        submissions: queue(tx.one(submissions, &[&QUEUE_MAX]).await?),
        refunds: queue(tx.one(refunds, &[&QUEUE_MAX, &""]).await?),
        jobs: Queue { count, oldest_at },
        failed_orders: queue(tx.one(failed, &[&QUEUE_MAX, &first_number(edition, news)]).await?),
        calls: queue(tx.one(calls, &[&QUEUE_MAX, &DeliveryId::first_at(news)]).await?),
        deposits: tx.one(deposits, &[&DepositId::first_at(today), &edition.currency, &QUEUE_MAX]).await?,
        days: days(tx, edition, today).await?,
    })
}

/// The smallest number of an order that was placed at `at` or later: numbers begin with the minute.
fn first_number(edition: &Edition, at: i64) -> String {
    format!("CS{}", edition.zone.compact_minute(at))
}

async fn days(tx: &mut Tx, edition: &Edition, today: i64) -> Result<Vec<Day>> {
    let begin = first_number(edition, edition.zone.add_days(today, 1 - DAYS));
    let placed = sql!(
        "SELECT SUBSTR(q.number, 1, 8), CAST(COUNT(*) AS BIGINT) FROM
           (SELECT number FROM orders WHERE number >= $1 AND kind <> 'UNSUBSCRIBE' ORDER BY number DESC LIMIT $2) AS q
         GROUP BY SUBSTR(q.number, 1, 8) ORDER BY 1"
    );
    let failed = sql!(
        "SELECT SUBSTR(q.number, 1, 8), CAST(COUNT(*) AS BIGINT) FROM
           (SELECT number FROM orders WHERE state = 'failed' AND number >= $1 ORDER BY number DESC LIMIT $2) AS q
         GROUP BY SUBSTR(q.number, 1, 8) ORDER BY 1"
    );
    let placed: Vec<(String, i64)> = tx.all(placed, &[&begin, &ORDERS_MAX]).await?;
    let failed: Vec<(String, i64)> = tx.all(failed, &[&begin, &ORDERS_MAX]).await?;
    let cut = placed.iter().map(|(_, count)| count).sum::<i64>() >= ORDERS_MAX;
    let whole = cut.then(|| placed.first().map(|(day, _)| day.clone())).flatten();
    let count = |of: &[(String, i64)], day: &str| of.iter().find(|(of_day, _)| of_day == day).map_or(0, |(_, count)| *count);
    let days = (0..DAYS).rev().map(|before| edition.zone.add_days(today, -before));
    Ok(days
        .map(|at| (at, first_number(edition, at)[..8].to_owned()))
        .filter(|(_, day)| whole.as_ref().is_none_or(|whole| day > whole))
        .map(|(at, day)| Day { at, orders: count(&placed, &day), failed: count(&failed, &day) })
        .collect())
}
