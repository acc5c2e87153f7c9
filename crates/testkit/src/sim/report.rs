//! Living seeds, and what is told of one that stumbles.

use std::fmt;
use std::ops::Range;

use db::Result;

use super::actions::{self, Action};
use super::checks::Violation;
use super::run::{self, Tally};
use super::shrink;

/// A seed whose history stumbles.
#[derive(Clone, Debug)]
pub struct Failure {
    /// The seed.
    pub seed: u64,
    /// What does not hold.
    pub violation: Violation,
    /// After which action, counted from 0.
    pub step: usize,
    /// How many actions the whole history has.
    pub actions: usize,
    /// What still breaks it, one action a line.
    pub shortest: Vec<String>,
    /// The last things that happen in the shortest history.
    pub last: Vec<String>,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { seed, violation, step, actions, shortest, last } = self;
        writeln!(f, "seed {seed} stumbles at step {step} of {actions}")?;
        writeln!(f, "broken: {violation}")?;
        writeln!(f, "\nthe shortest history that breaks it, {} steps:", shortest.len())?;
        for action in shortest {
            writeln!(f, "  {action}")?;
        }
        writeln!(f, "\nthe last that happens in it:")?;
        for line in last {
            writeln!(f, "  {line}")?;
        }
        write!(f, "\nagain with: cargo xtask simulate --seed {seed}")
    }
}

/// How a seed went.
#[derive(Clone, Debug)]
pub struct Lived {
    /// SHA-256 over everything that was done, answered and kept.
    pub digest: [u8; 32],
    /// What was in it.
    pub tally: Tally,
    /// Everything that happened, a line each.
    pub transcript: Vec<String>,
    /// What did not hold.
    pub failure: Option<Box<Failure>>,
}

/// Lives the history of a seed; when it stumbles, finds the shortest that does.
///
/// # Errors
/// When there is no database to live on.
pub async fn live(seed: u64) -> Result<Lived> {
    let actions = actions::plan(seed);
    let outcome = run::live(seed, &actions).await?;
    let run::Outcome { digest, stumble, tally, transcript } = outcome;
    let Some(stumble) = stumble else { return Ok(Lived { digest, tally, transcript, failure: None }) };
    let lived: Vec<Action> = actions.iter().take(stumble.step + 1).cloned().collect();
    let shortest = shrink::shrink(seed, &lived, stumble.violation.invariant).await?;
    let again = run::live(seed, &shortest).await?.stumble;
    let failure = Failure {
        seed,
        step: stumble.step,
        actions: actions.len(),
        violation: again.as_ref().map_or(stumble.violation, |again| again.violation.clone()),
        shortest: shortest.iter().map(|action| format!("{action:?}")).collect(),
        last: again.map_or(stumble.last, |again| again.last),
    };
    Ok(Lived { digest, tally, transcript, failure: Some(Box::new(failure)) })
}

/// Lives every seed of a range until one stumbles.
///
/// # Errors
/// When there is no database to live on.
pub async fn live_all(seeds: Range<u64>) -> Result<(Tally, Option<Box<Failure>>)> {
    let mut tally = Tally::default();
    for seed in seeds {
        let lived = live(seed).await?;
        tally.add(lived.tally);
        if lived.failure.is_some() {
            return Ok((tally, lived.failure));
        }
    }
    Ok((tally, None))
}
