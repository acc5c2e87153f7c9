//! What makes a market that was brought back from a copy safe to go on with.
//!
//! Whoever held a job, or moved the sandbox clock, when the copy was made is not at work on this database, so nothing is held any more and
//! every open call is made again: with the same order and line, so that a seller who knows it answers with what was done then. Sessions end,
//! because some may have been ended on purpose since. Idempotency keys stay: what was acknowledged before the copy is acknowledged again.
//!
//! Leaves out what was done after the copy was made: nobody here knows of it.

use db::{Db, Result, Tx, jobs};
use kernel::{Actor, Ctx, Entropy, Locale, RequestId};
use serde_json::json;

use crate::clock::Clock;
use crate::machine::MachineTime;
use crate::market::{self, Mode};
use crate::{accounts, audit};

/// What was put right.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// Jobs that somebody held.
    pub jobs_released: u64,
    /// Sessions that were open.
    pub sessions_ended: u64,
}

/// Prepares a database that was copied at `copied_at` (machine ms UTC) for going on, and notes in the audit that it was brought back. Does
/// nothing in a database that no market was made in.
///
/// # Errors
/// Those of the database.
pub async fn settle(db: &Db, entropy: &Entropy, copied_at: i64) -> Result<Settled> {
    let wall = MachineTime::real().now();
    let Some(mode) = db.read(async |tx| market::fact(tx, "mode").await).await? else {
        return Ok(Settled { jobs_released: 0, sessions_ended: 0 });
    };
    let clock = if mode == Mode::Sandbox.word() { Clock::Sandbox } else { Clock::Wall };
    let now = clock.now(db, wall).await?;
    let request_id = RequestId::new(wall, entropy);
    let ctx = Ctx { now, wall, actor: Actor::Console, locale: Locale::En, request_id, entropy: entropy.fork() };
    db.write(async move |tx: &mut Tx| {
        let jobs_released = jobs::release(tx).await?;
        Clock::release(tx).await?;
        let sessions_ended = accounts::end_all_sessions(tx, wall).await?;
        let detail = json!({ "copied_at": copied_at, "jobs_released": jobs_released, "sessions_ended": sessions_ended });
        audit::record(tx, &ctx, "market.restored", &"market", &detail).await?;
        Ok(Settled { jobs_released, sessions_ended })
    })
    .await
}
