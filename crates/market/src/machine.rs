//! The machine's time: what leases, sessions and signatures go by, and how one waits.
//!
//! A market takes it from the machine it runs on. A simulated market is given a time of its own, so that a history that was seen once can be
//! seen again, with the same leases lost at the same moments.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// How much simulated time passes whenever somebody looks at it, ms: more than [`crate::Market`] needs to keep its turns in order.
const LOOK_MS: i64 = 40;
/// How long a simulated pause is at least, ms: whoever waits for somebody else's lease has not to look thousands of times.
const PAUSE_MIN_MS: i64 = 1_000;

/// Where a market takes the machine's time from. Clones are the same time.
#[derive(Clone, Debug, Default)]
pub struct MachineTime(Option<Arc<AtomicI64>>);

impl MachineTime {
    /// The time of the machine that this runs on.
    #[must_use]
    pub const fn real() -> Self {
        Self(None)
    }

    /// A time that begins at `at` (ms UTC), goes on a little whenever somebody looks, and moves by [`MachineTime::pass`].
    #[must_use]
    pub fn simulated(at: i64) -> Self {
        Self(Some(Arc::new(AtomicI64::new(at))))
    }

    /// Now, ms UTC.
    #[must_use]
    pub fn now(&self) -> i64 {
        match &self.0 {
            None => SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| i64::try_from(d.as_millis()).unwrap_or(i64::MAX)),
            Some(time) => time.fetch_add(LOOK_MS, Ordering::Relaxed),
        }
    }

    /// Waits.
    pub async fn pause(&self, pause: Duration) {
        if self.0.is_none() {
            return tokio::time::sleep(pause).await;
        }
        self.pass(i64::try_from(pause.as_millis()).unwrap_or(i64::MAX).max(PAUSE_MIN_MS));
        tokio::task::yield_now().await;
    }

    /// Ready when a worker that is still at its work should give a sign of life. Never in a simulation, where no work takes time.
    pub async fn sign_of_life(&self, every: Duration) {
        match self.0 {
            None => tokio::time::sleep(every).await,
            Some(_) => std::future::pending().await,
        }
    }

    /// Lets so many milliseconds of simulated time pass; real time passes by itself.
    pub fn pass(&self, ms: i64) {
        if let Some(time) = &self.0 {
            time.fetch_add(ms, Ordering::Relaxed);
        }
    }
}
