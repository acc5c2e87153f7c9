//! Makes a history that stumbles as short as it can be and stumble still.

use db::Result;

use super::actions::Action;
use super::checks::Invariant;
use super::run;

/// Histories that are lived at most while one is shrunk.
const TRIES_MAX: usize = 400;

/// The fewest of `actions`, in their order, that still break `invariant`: parts are left out by halves, then one by one, as long as that
/// changes nothing.
///
/// # Errors
/// When there is no database to live on.
pub(super) async fn shrink(seed: u64, actions: &[Action], invariant: Invariant) -> Result<Vec<Action>> {
    let mut kept = actions.to_vec();
    let mut tries = 0;
    let mut size = kept.len().div_ceil(2).max(1);
    loop {
        let mut at = 0;
        let mut shorter = false;
        while at < kept.len() && tries < TRIES_MAX {
            let mut without = kept.clone();
            without.drain(at..(at + size).min(kept.len()));
            tries += 1;
            let outcome = run::live(seed, &without).await?;
            match outcome.stumble.filter(|stumble| stumble.violation.invariant == invariant) {
                Some(stumble) => {
                    // What comes after the stumble is of no matter.
                    without.truncate(stumble.step + 1);
                    kept = without;
                    shorter = true;
                }
                None => at += size,
            }
        }
        if tries >= TRIES_MAX || (size == 1 && !shorter) {
            return Ok(kept);
        }
        size = if size > 1 { size.div_ceil(2) } else { 1 };
    }
}
