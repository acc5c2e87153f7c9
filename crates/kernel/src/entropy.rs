//! Random bytes as an argument.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// Ids that one turn numbers before it runs into the next.
const TURN_SHIFT: u32 = 10;
/// Bits of an id that number it within its millisecond; the rest is random.
pub(crate) const SEQUENCE_BITS: u32 = 42;

/// A stream of random bytes that the caller was given. Seeded by the operating system in a server, by a number in a simulator.
///
/// `ChaCha12` is a cryptographic generator, so one stream serves ids, nonces and secrets alike.
///
/// It also numbers what it makes ids for, so that ids of one millisecond sort in the order they were made: a sandbox clock may stand.
pub struct Entropy {
    generator: Mutex<ChaCha12Rng>,
    sequence: AtomicU64,
}

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy(..)")
    }
}

impl Entropy {
    /// A stream that begins at `seed`; the same seed gives the same bytes.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self { generator: Mutex::new(ChaCha12Rng::from_seed(seed)), sequence: AtomicU64::new(0) }
    }

    /// The same stream, whose ids sort after those of a stream with a smaller `turn` (its lower 32 bits count).
    #[must_use]
    pub fn at_turn(self, turn: u64) -> Self {
        self.sequence.store((turn & 0xffff_ffff) << TURN_SHIFT, Ordering::Relaxed);
        self
    }

    /// Fills `bytes`.
    pub fn fill(&self, bytes: &mut [u8]) {
        // A poisoned lock only means that another thread panicked while drawing; the generator itself is always whole.
        self.generator.lock().unwrap_or_else(std::sync::PoisonError::into_inner).fill_bytes(bytes);
    }

    /// `N` random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A new stream that goes its own way from here; its ids sort after those made so far.
    #[must_use]
    pub fn fork(&self) -> Self {
        let fork = Self::from_seed(self.bytes());
        fork.sequence.store(self.sequence.load(Ordering::Relaxed), Ordering::Relaxed);
        fork
    }

    /// The number of the next id, of 42 bits.
    pub(crate) fn next_in_sequence(&self) -> u64 {
        self.sequence.fetch_add(1, Ordering::Relaxed) & ((1 << SEQUENCE_BITS) - 1)
    }
}

#[cfg(test)]
mod tests {
    use super::Entropy;

    #[test]
    fn the_same_seed_gives_the_same_bytes_and_a_fork_differs() {
        let one = Entropy::from_seed([7; 32]);
        let two = Entropy::from_seed([7; 32]);
        assert_eq!(one.bytes::<16>(), two.bytes::<16>());
        assert_ne!(one.fork().bytes::<16>(), one.bytes::<16>());
    }
}
