//! Market time: the machine's in production; in a sandbox a clock of its own, which stands in the database and only moves forward.
//!
//! A sandbox clock stands still until it is moved, or ticks along with the machine's time. Moving it is done by one mover at a time (see
//! [`crate::Market`] and the runner), who holds a lease.

use db::{Db, Result, Tx, sql};
use kernel::{Code, Ctx, Refusal};
use serde_json::json;

use crate::audit;
use crate::market::Mode;

/// The latest moment that a sandbox clock goes to, market ms UTC: the end of the year 2999 (ours). What is reckoned from there, such as the end
/// of a subscription, stays far inside what the calendar can name.
pub const SANDBOX_LATEST_MS: i64 = 32_503_680_000_000 - 1;

/// What the audit calls the clock.
const AUDIT_SUBJECT: &str = "sandbox-clock";

/// Where market time comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Clock {
    /// The machine's time.
    Wall,
    /// The sandbox clock in the database.
    Sandbox,
}

/// How the sandbox clock stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, utoipa::ToSchema)]
pub struct ClockReport {
    /// Market time now, ms UTC.
    pub now: i64,
    /// Whether it ticks along with the machine's time.
    pub ticking: bool,
}

impl Clock {
    /// The clock of a market of `mode`; a new sandbox begins at `wall` and stands.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn open(db: &Db, mode: Mode, wall: i64) -> Result<Self> {
        if mode == Mode::Production {
            return Ok(Self::Wall);
        }
        db.write(async move |tx| {
            let insert = sql!(
                "INSERT INTO sandbox_clock (id, base_at, ticking_since, mover, mover_until) VALUES (1, $1, NULL, '', 0)
                 ON CONFLICT (id) DO NOTHING"
            );
            tx.execute(insert, &[&wall]).await.map(drop)
        })
        .await?;
        Ok(Self::Sandbox)
    }

    /// Market time, ms UTC, when the machine says `wall`.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn now(self, db: &Db, wall: i64) -> Result<i64> {
        match self {
            Self::Wall => Ok(wall),
            Self::Sandbox => Ok(db.read(async move |tx| read(tx, wall).await).await?.now),
        }
    }

    /// How the sandbox clock stands.
    ///
    /// # Errors
    /// [`Code::ClockNotSandbox`] in a production market.
    pub async fn report(self, tx: &mut Tx, wall: i64) -> Result<ClockReport> {
        self.sandbox_only()?;
        read(tx, wall).await
    }

    /// Lets the sandbox clock tick from here on, or stand.
    ///
    /// # Errors
    /// [`Code::ClockNotSandbox`].
    pub async fn set_ticking(self, tx: &mut Tx, ctx: &Ctx, ticking: Ticking) -> Result<()> {
        self.sandbox_only()?;
        let now = read(tx, ctx.wall).await?.now;
        let since = match ticking {
            Ticking::Ticks => Some(ctx.wall),
            Ticking::Stands => None,
        };
        tx.execute(sql!("UPDATE sandbox_clock SET base_at = $1, ticking_since = $2 WHERE id = 1"), &[&now, &since]).await?;
        audit::record(tx, ctx, "clock.set", &AUDIT_SUBJECT, &json!({ "ticking": since.is_some() })).await
    }

    /// Notes who has the clock moved, and where to.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn note_move(self, tx: &mut Tx, ctx: &Ctx, to: i64) -> Result<()> {
        audit::record(tx, ctx, "clock.advanced", &AUDIT_SUBJECT, &json!({ "from": ctx.now, "to": to })).await
    }

    /// Sets the sandbox clock to a new, empty market's beginning, before anything has happened in it.
    ///
    /// # Errors
    /// [`Code::ClockNotSandbox`]; [`Code::ClockBackwards`] once the audit holds an entry.
    pub async fn begin_at(self, tx: &mut Tx, at: i64) -> Result<()> {
        self.sandbox_only()?;
        if audit::has_entries(tx).await? {
            return Err(Refusal::new(Code::ClockBackwards).into());
        }
        tx.execute(sql!("UPDATE sandbox_clock SET base_at = $1, ticking_since = NULL WHERE id = 1"), &[&at]).await.map(drop)
    }

    /// Who has taken the sandbox clock and not given it back.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn mover(self, tx: &mut Tx) -> Result<Option<String>> {
        let found: Option<(String,)> = tx.find(sql!("SELECT mover FROM sandbox_clock WHERE id = 1"), &[]).await?;
        Ok(found.map(|(mover,)| mover).filter(|mover| !mover.is_empty()))
    }

    /// Takes the clock for a move until `wall + lease_ms`.
    ///
    /// # Errors
    /// [`Code::ClockNotSandbox`], or [`Code::ClockBusy`] while somebody else moves it.
    pub(crate) async fn take(self, tx: &mut Tx, mover: &str, wall: i64, lease_ms: i64) -> Result<ClockReport> {
        self.sandbox_only()?;
        let take = sql!("UPDATE sandbox_clock SET mover = $1, mover_until = $2 WHERE id = 1 AND (mover_until < $3 OR mover = $1)");
        if tx.execute(take, &[&mover, &(wall + lease_ms), &wall]).await? == 0 {
            return Err(Refusal::new(Code::ClockBusy).into());
        }
        read(tx, wall).await
    }

    /// Sets the clock forward to `to` for the mover who holds it; it stands there.
    ///
    /// # Errors
    /// [`Code::ClockBusy`] when the lease was lost, [`Code::ClockBackwards`].
    pub(crate) async fn set(self, tx: &mut Tx, mover: &str, wall: i64, lease_ms: i64, to: i64) -> Result<()> {
        let report = self.take(tx, mover, wall, lease_ms).await?;
        if to < report.now {
            return Err(Refusal::new(Code::ClockBackwards).into());
        }
        let since = report.ticking.then_some(wall);
        tx.execute(sql!("UPDATE sandbox_clock SET base_at = $1, ticking_since = $2 WHERE id = 1"), &[&to, &since]).await.map(drop)
    }

    /// Gives the clock back.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn give_back(self, tx: &mut Tx, mover: &str) -> Result<()> {
        tx.execute(sql!("UPDATE sandbox_clock SET mover = '', mover_until = 0 WHERE id = 1 AND mover = $1"), &[&mover]).await.map(drop)
    }

    /// Takes the clock away from whoever had it, for a caller who knows that they have died.
    ///
    /// # Errors
    /// Those of the database.
    pub(crate) async fn release(tx: &mut Tx) -> Result<()> {
        tx.execute(sql!("UPDATE sandbox_clock SET mover = '', mover_until = 0"), &[]).await.map(drop)
    }

    fn sandbox_only(self) -> Result<()> {
        match self {
            Self::Sandbox => Ok(()),
            Self::Wall => Err(Refusal::new(Code::ClockNotSandbox).into()),
        }
    }
}

/// Whether a sandbox clock moves by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ticking {
    /// Along with the machine's time.
    Ticks,
    /// Until somebody moves it.
    Stands,
}

async fn read(tx: &mut Tx, wall: i64) -> Result<ClockReport> {
    let (base_at, ticking_since): (i64, Option<i64>) =
        tx.one(sql!("SELECT base_at, ticking_since FROM sandbox_clock WHERE id = 1"), &[]).await?;
    // A machine whose time goes back must not take the market's with it.
    let now = base_at + ticking_since.map_or(0, |since| (wall - since).max(0));
    Ok(ClockReport { now, ticking: ticking_since.is_some() })
}
