//! Unpaid orders for what was taken off the market.

use db::Result;
use db::jobs::{self, Lease};
use kernel::{Actor, Locale};

use super::place::close_undecided;
use super::{CancelReason, get, store};
use crate::market::Market;

/// Orders that one transaction ends at most.
const BATCH: i64 = 200;

/// Runs a [`crate::catalog::RETIRED_JOB`]: ends the unpaid orders for the product, edition or SKU that is its subject (spec: business §5.1).
///
/// # Errors
/// [`db::Error::Unavailable`] when the lease was lost, or those of the database; then nothing is changed.
pub async fn end_unsold(market: &Market, lease: &Lease, now: i64) -> Result<()> {
    let (again, lease) = (market.clone(), lease.clone());
    market
        .db()
        .write(async move |tx| {
            let ctx = again.ctx_at(now, Actor::System("orders"), Locale::ZhCn);
            let numbers = store::unpaid_for(tx, &lease.job.subject, now, BATCH).await?;
            let ended = i64::try_from(numbers.len()).unwrap_or(BATCH);
            for number in numbers {
                let order = get(tx, &number).await?;
                close_undecided(tx, &ctx, order, CancelReason::NotOnSale).await?;
            }
            if ended < BATCH { jobs::finish(tx, &lease).await } else { jobs::postpone(tx, &lease, now).await }
        })
        .await
}
