//! Chance for the story: the same in every telling.

use kernel::Entropy;

/// A stream of choices.
#[derive(Debug)]
pub(super) struct Dice(Entropy);

impl Dice {
    /// The stream that begins at `seed`.
    pub(super) fn new(seed: u8) -> Self {
        Self(Entropy::from_seed([seed; 32]))
    }

    /// From 0 to one below `n`; 0 when `n` is 0.
    pub(super) fn below(&self, n: usize) -> usize {
        let n = u64::try_from(n).unwrap_or(u64::MAX);
        let drawn = u64::from_le_bytes(self.0.bytes()).checked_rem(n).unwrap_or(0);
        usize::try_from(drawn).unwrap_or(0)
    }

    /// From `min` to `max`.
    pub(super) fn between(&self, min: i64, max: i64) -> i64 {
        let span = usize::try_from(max - min + 1).unwrap_or(0);
        min + i64::try_from(self.below(span)).unwrap_or(0)
    }

    /// True this often in a hundred times.
    pub(super) fn percent(&self, often: usize) -> bool {
        self.below(100) < often
    }

    /// One of them; `None` of none.
    pub(super) fn pick<'a, T>(&self, all: &'a [T]) -> Option<&'a T> {
        all.get(self.below(all.len()))
    }
}
