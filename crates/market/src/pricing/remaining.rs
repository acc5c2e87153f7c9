//! Remaining time in calendar months, as an exact ratio.

use std::fmt;

use kernel::{Code, Refusal, Zone};

use super::YEAR_MONTHS;

/// The most months from an anchor that are reckoned with: a thousand years.
pub const MONTHS_MAX: i64 = 12_000;

/// A time in months, exact: whole months and a part of one, as one reduced fraction. Never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RemainingMonths {
    numerator: i128,
    denominator: i128,
}

impl RemainingMonths {
    const NONE: Self = Self { numerator: 0, denominator: 1 };

    fn reduced(numerator: i128, denominator: i128) -> Self {
        let common = greatest_common_divisor(numerator, denominator);
        Self { numerator: numerator / common, denominator: denominator / common }
    }

    /// Whether this is `months` or more.
    #[must_use]
    pub const fn at_least(self, months: i64) -> bool {
        // Widening only; `From` is not const.
        self.numerator >= self.denominator * months as i128
    }

    /// How many units of so many months it is, a begun one counted.
    pub(super) fn begun(self, unit_months: i64) -> i64 {
        let unit = self.denominator * i128::from(unit_months);
        i64::try_from(self.numerator.div_euclid(unit) + i128::from(self.numerator.rem_euclid(unit) > 0)).unwrap_or(i64::MAX)
    }

    /// The part of `year_minor` (a year's money in minor units) that this time is, rounded half to even.
    ///
    /// # Errors
    /// [`Code::AmountTooLarge`].
    pub(super) fn part_of_year(self, year_minor: i128) -> Result<i128, Refusal> {
        let product = year_minor.checked_mul(self.numerator).ok_or_else(|| Refusal::new(Code::AmountTooLarge))?;
        Ok(divide_half_even(product, self.denominator * i128::from(YEAR_MONTHS)))
    }
}

impl fmt::Display for RemainingMonths {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, rest) = (self.numerator / self.denominator, self.numerator % self.denominator);
        match (whole, rest) {
            (whole, 0) => write!(f, "{whole}"),
            (0, rest) => write!(f, "{rest}/{}", self.denominator),
            (whole, rest) => write!(f, "{whole} + {rest}/{}", self.denominator),
        }
    }
}

/// How many months lie between `now` and `ends_at` (ms UTC), counted along the months of a subscription that began at `anchor_at`: whole
/// months, and of the month that `now` is in, the milliseconds left as a part of all its milliseconds. Nothing when `ends_at` is not
/// after `now`; a `now` before the anchor counts as the anchor.
///
/// # Errors
/// [`Code::PeriodInvalid`] when a moment is more than [`MONTHS_MAX`] months after the anchor or beyond the calendar.
pub fn remaining_months(zone: &Zone, anchor_at: i64, now: i64, ends_at: i64) -> Result<RemainingMonths, Refusal> {
    let now = now.max(anchor_at);
    if ends_at <= now {
        return Ok(RemainingMonths::NONE);
    }
    let begin = Position::of(zone, anchor_at, now)?;
    let end = Position::of(zone, anchor_at, ends_at)?;
    // (end.month + end.into/end.span) − (begin.month + begin.into/begin.span) over one denominator. Spans are below 2^32 ms and months
    // below 2^14, so this is far from the bounds of i128.
    let months = i128::from(end.month - begin.month);
    let (into_end, end_span) = (i128::from(end.into_ms), i128::from(end.span_ms));
    let (into_begin, begin_span) = (i128::from(begin.into_ms), i128::from(begin.span_ms));
    let numerator = months * end_span * begin_span + into_end * begin_span - into_begin * end_span;
    Ok(RemainingMonths::reduced(numerator, end_span * begin_span))
}

/// A moment on the ruler of a subscription's months.
struct Position {
    /// Whole months since the anchor.
    month: i64,
    /// Milliseconds into the current month.
    into_ms: i64,
    /// All milliseconds of the current month.
    span_ms: i64,
}

impl Position {
    fn of(zone: &Zone, anchor_at: i64, at: i64) -> Result<Self, Refusal> {
        let (mut low, mut high) = (0, MONTHS_MAX);
        // The last border at or before `at`: always counted from the anchor, so that the 31st does not wear down to the 28th.
        while low < high {
            let middle = low + (high - low + 1) / 2;
            if zone.add_months(anchor_at, middle) <= at {
                low = middle;
            } else {
                high = middle - 1;
            }
        }
        let (from, to) = (zone.add_months(anchor_at, low), zone.add_months(anchor_at, low + 1));
        // At the end of the calendar, borders fall together; beyond the last month, `at` is past the end of it.
        if low == MONTHS_MAX || from > at || at >= to {
            return Err(Refusal::new(Code::PeriodInvalid).with("max_months", MONTHS_MAX));
        }
        Ok(Self { month: low, into_ms: at - from, span_ms: to - from })
    }
}

/// Of a non-negative and a positive number.
const fn greatest_common_divisor(a: i128, b: i128) -> i128 {
    let (mut a, mut b) = (a, b);
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// Division by a positive number that rounds to the nearest, and a tie to the even neighbour (spec: business §7.5).
fn divide_half_even(numerator: i128, denominator: i128) -> i128 {
    let floor = numerator.div_euclid(denominator);
    let rest = numerator.rem_euclid(denominator);
    match rest.cmp(&(denominator - rest)) {
        std::cmp::Ordering::Less => floor,
        std::cmp::Ordering::Greater => floor + 1,
        std::cmp::Ordering::Equal => floor + floor.rem_euclid(2),
    }
}
