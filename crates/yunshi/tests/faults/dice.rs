//! Random moments, from a seed that a failing test shows.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use kernel::Entropy;

/// Sets the seed.
const SEED: &str = "YUNSHI_TEST_SEED";

pub(crate) struct Dice(Entropy);

impl Dice {
    pub(crate) fn new() -> Self {
        let given = std::env::var(SEED).ok().map(|text| text.parse::<u64>().unwrap_or_else(|_| panic!("{SEED} is {text:?}, not a number")));
        let seed = given.unwrap_or_else(|| u64::from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().subsec_nanos()));
        // Shown by the test runner when the test fails.
        println!("{SEED}={seed}");
        let mut bytes = [0; 32];
        bytes[..8].copy_from_slice(&seed.to_be_bytes());
        Self(Entropy::from_seed(bytes))
    }

    /// A number below `sides`.
    pub(crate) fn roll(&self, sides: u64) -> u64 {
        u64::from(u32::from_be_bytes(self.0.bytes())) % sides
    }

    /// Somewhere between the two, in ms.
    pub(crate) fn between(&self, from_ms: u64, to_ms: u64) -> Duration {
        Duration::from_millis(from_ms + self.roll(to_ms - from_ms + 1))
    }
}
