//! Random bytes as an argument.

use std::sync::Mutex;

use rand_chacha::ChaCha12Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

/// A stream of random bytes that the caller was given. Seeded by the operating system in a server, by a number in a simulator.
///
/// `ChaCha12` is a cryptographic generator, so one stream serves ids, nonces and secrets alike.
pub struct Entropy(Mutex<ChaCha12Rng>);

impl std::fmt::Debug for Entropy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entropy(..)")
    }
}

impl Entropy {
    /// A stream that begins at `seed`; the same seed gives the same bytes.
    #[must_use]
    pub fn from_seed(seed: [u8; 32]) -> Self {
        Self(Mutex::new(ChaCha12Rng::from_seed(seed)))
    }

    /// Fills `bytes`.
    pub fn fill(&self, bytes: &mut [u8]) {
        // A poisoned lock only means that another thread panicked while drawing; the generator itself is always whole.
        self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner).fill_bytes(bytes);
    }

    /// `N` random bytes.
    #[must_use]
    pub fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        self.fill(&mut bytes);
        bytes
    }

    /// A new stream that goes its own way from here.
    #[must_use]
    pub fn fork(&self) -> Self {
        Self::from_seed(self.bytes())
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
