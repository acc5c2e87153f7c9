//! Everything random in a history, from its seed.

use kernel::Entropy;
use sha2::{Digest, Sha256};

/// A stream of choices. The same seed and purpose give the same choices.
#[derive(Debug)]
pub(super) struct Dice(Entropy);

impl Dice {
    /// The dice of a seed for one purpose, so that drawing more for one purpose changes nothing of another.
    pub(super) fn new(seed: u64, purpose: &str) -> Self {
        Self(entropy(seed, purpose))
    }

    /// A number below `limit`, which is more than nothing.
    pub(super) fn below(&self, limit: u32) -> u32 {
        let drawn = u32::from_be_bytes(self.0.bytes());
        // The bias of a modulus is far below anything that a history shows.
        drawn % limit.max(1)
    }

    /// True so many times in a hundred.
    pub(super) fn percent(&self, percent: u32) -> bool {
        self.below(100) < percent
    }

    /// One of these, each as likely as its weight.
    pub(super) fn weighted<T: Copy>(&self, choices: &[(u32, T)]) -> T {
        let total = choices.iter().map(|(weight, _)| weight).sum();
        let mut left = self.below(total);
        for (weight, choice) in choices {
            if left < *weight {
                return *choice;
            }
            left -= weight;
        }
        choices[0].1
    }

    /// One of these.
    pub(super) fn one_of<T: Copy>(&self, choices: &[T]) -> T {
        choices[usize::try_from(self.below(u32::try_from(choices.len()).unwrap_or(u32::MAX))).unwrap_or(0)]
    }
}

/// The random bytes of a seed for one purpose.
pub(super) fn entropy(seed: u64, purpose: &str) -> Entropy {
    let mut hash = Sha256::new();
    hash.update(seed.to_be_bytes());
    hash.update(purpose.as_bytes());
    Entropy::from_seed(hash.finalize().into())
}
