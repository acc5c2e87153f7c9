//! Medians and percentiles of what was measured; whole numbers only.

use std::time::Duration;

/// The middle of the values; of an even number the lower one of the two. 0 of none.
#[must_use]
pub fn median(values: &[u64]) -> u64 {
    percentile(values, 50)
}

/// The smallest value that at least `percent` of the values do not exceed (nearest rank). 0 of none.
#[must_use]
pub fn percentile(values: &[u64], percent: u64) -> u64 {
    let mut sorted = values.to_vec();
    sorted.sort_unstable();
    let count = u64::try_from(sorted.len()).unwrap_or(u64::MAX);
    let rank = (count * percent.min(100)).div_ceil(100).max(1);
    usize::try_from(rank - 1).ok().and_then(|place| sorted.get(place)).copied().unwrap_or(0)
}

/// How many a second, when there were `count` in `took`.
#[must_use]
pub fn per_second(count: u64, took: Duration) -> u64 {
    let nanos = took.as_nanos().max(1);
    u64::try_from(u128::from(count) * 1_000_000_000 / nanos).unwrap_or(u64::MAX)
}

/// `part` of `whole` in thousandths. 0 when there is no whole.
#[must_use]
pub fn permille(part: u64, whole: u64) -> u64 {
    if whole == 0 {
        return 0;
    }
    u64::try_from(u128::from(part) * 1_000 / u128::from(whole)).unwrap_or(u64::MAX)
}

/// A duration in whole microseconds.
#[must_use]
pub fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_is_a_value_that_was_measured() {
        for (values, middle) in [(&[][..], 0), (&[7][..], 7), (&[9, 1][..], 1), (&[5, 1, 3][..], 3), (&[4, 3, 2, 1][..], 2)] {
            assert_eq!(median(values), middle, "{values:?}");
        }
    }

    #[test]
    fn a_percentile_is_the_smallest_that_so_many_do_not_exceed() {
        let hundred: Vec<u64> = (1..=100).rev().collect();
        for (percent, expected) in [(0, 1), (1, 1), (50, 50), (99, 99), (100, 100), (250, 100)] {
            assert_eq!(percentile(&hundred, percent), expected);
        }
        assert_eq!(percentile(&[1, 2, 3], 99), 3, "of few values the p99 is the worst");
    }

    #[test]
    fn rates_and_shares_are_whole_and_never_divide_by_nothing() {
        assert_eq!(per_second(500, Duration::from_millis(250)), 2_000);
        assert_eq!(per_second(1, Duration::ZERO), 1_000_000_000);
        assert_eq!((permille(3, 4), permille(5, 2), permille(1, 0)), (750, 2_500, 0));
    }
}
