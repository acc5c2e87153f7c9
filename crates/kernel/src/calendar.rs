//! Months, days and working days in the market's time zone.
//!
//! Moments are `i64` milliseconds UTC everywhere; this is the one place that turns them into dates and back.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::civil::{Date, DateTime, Weekday};
use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

use crate::{Code, FromScalar, Refusal, Scalar, ScalarError, ToScalar};

/// A second in milliseconds × 60.
pub const MINUTE_MS: i64 = 60_000;
/// An hour in milliseconds.
pub const HOUR_MS: i64 = 60 * MINUTE_MS;
/// A day of 24 hours in milliseconds.
pub const DAY_MS: i64 = 24 * HOUR_MS;

/// The longest period that can be bought at once.
pub const PERIOD_MONTHS_MAX: i64 = 120;

/// The last moment the calendar reckons with: the end of the year 9000, ms UTC. Later moments are cut to it.
const LATEST_MS: i64 = 221_845_392_000_000;

/// The time zone of a market: its days, months and 03:00 are those of this zone.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Zone(TimeZone);

impl Zone {
    /// The zone of this IANA name, such as `Asia/Shanghai`.
    ///
    /// # Errors
    /// A text that says the name is unknown.
    pub fn named(name: &str) -> Result<Self, String> {
        TimeZone::get(name).map(Self).map_err(|_| format!("{name:?} is not a time zone name such as Asia/Shanghai"))
    }

    /// China's time, the default of the CN edition.
    #[must_use]
    pub fn shanghai() -> Self {
        Self(TimeZone::get("Asia/Shanghai").unwrap_or(TimeZone::UTC))
    }

    /// Coordinated universal time.
    #[must_use]
    pub fn utc() -> Self {
        Self(TimeZone::UTC)
    }

    fn civil(&self, at: i64) -> DateTime {
        self.0.to_datetime(timestamp(at))
    }

    fn instant(&self, civil: DateTime) -> i64 {
        // A local time that a clock change skips is taken as the moment of the change.
        self.0.to_ambiguous_timestamp(civil).compatible().map_or(LATEST_MS, |at| at.as_millisecond().min(LATEST_MS))
    }

    /// `months` calendar months after `at` (before, when negative), at the same local time of day; the 31st becomes the last day of
    /// a shorter month.
    #[must_use]
    pub fn add_months(&self, at: i64, months: i64) -> i64 {
        let span = Span::new().try_months(months).unwrap_or_default();
        self.civil(at).checked_add(span).map_or(LATEST_MS, |civil| self.instant(civil))
    }

    /// `days` calendar days after `at` at the same local time of day.
    #[must_use]
    pub fn add_days(&self, at: i64, days: i64) -> i64 {
        let span = Span::new().try_days(days).unwrap_or_default();
        self.civil(at).checked_add(span).map_or(LATEST_MS, |civil| self.instant(civil))
    }

    /// `hour`:00 local time of the day that `at` falls on.
    #[must_use]
    pub fn same_day_at(&self, at: i64, hour: i8) -> i64 {
        self.instant(self.civil(at).date().at(hour.clamp(0, 23), 0, 0, 0))
    }

    /// The first `hour`:00 local time after `at`.
    #[must_use]
    pub fn next_at(&self, at: i64, hour: i8) -> i64 {
        let today = self.same_day_at(at, hour);
        if today > at { today } else { self.same_day_at(self.add_days(at, 1), hour) }
    }

    /// Year of `at` in this zone: yearly quotas count by it.
    #[must_use]
    pub fn year(&self, at: i64) -> i64 {
        i64::from(self.civil(at).year())
    }

    /// First moment of `year`.
    #[must_use]
    pub fn year_start(&self, year: i64) -> i64 {
        let year = i16::try_from(year).unwrap_or(9000).clamp(1, 9000);
        self.instant(Date::new(year, 1, 1).unwrap_or(Date::MIN).at(0, 0, 0, 0))
    }

    /// `yyMMddHHmm`, for order numbers.
    #[must_use]
    pub fn compact_minute(&self, at: i64) -> String {
        let c = self.civil(at);
        format!("{:02}{:02}{:02}{:02}{:02}", c.year().rem_euclid(100), c.month(), c.day(), c.hour(), c.minute())
    }

    /// `yyyy-MM-dd HH:mm`, for people.
    #[must_use]
    pub fn readable_minute(&self, at: i64) -> String {
        let c = self.civil(at);
        format!("{:04}-{:02}-{:02} {:02}:{:02}", c.year(), c.month(), c.day(), c.hour(), c.minute())
    }

    /// `yyyy-MM-dd`: the day that `at` falls on, for the books of an accountant.
    #[must_use]
    pub fn day(&self, at: i64) -> String {
        self.civil(at).date().to_string()
    }

    /// `yyyy-MM-ddTHH:mm:ss.fff+08:00`: the whole moment, as RFC 3339 writes it.
    #[must_use]
    pub fn moment(&self, at: i64) -> String {
        timestamp(at).to_zoned_datetime(self.0.clone()).strftime("%Y-%m-%dT%H:%M:%S%.3f%:z").to_string()
    }

    /// First moment of a day written `yyyy-MM-dd`, ms UTC.
    ///
    /// # Errors
    /// A text that says it is no such day.
    pub fn day_start(&self, day: &str) -> Result<i64, String> {
        let wrong = || format!("{day:?} is not a day of the form 2026-01-31");
        let date: Date = day.parse().map_err(|_| wrong())?;
        // Also written otherwise it may be a day, but then it is not certain which.
        if date.to_string() != day || !(1970..=9000).contains(&date.year()) {
            return Err(wrong());
        }
        Ok(self.instant(date.at(0, 0, 0, 0)))
    }
}

fn timestamp(at: i64) -> Timestamp {
    Timestamp::from_millisecond(at.clamp(-LATEST_MS / 4, LATEST_MS)).unwrap_or(Timestamp::UNIX_EPOCH)
}

/// A calendar month: the period of a statement, written `202601` (spec: business §7.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Month(i64);

impl Month {
    /// The month that `at` falls in.
    #[must_use]
    pub fn of(at: i64, zone: &Zone) -> Self {
        let civil = zone.civil(at);
        Self(i64::from(civil.year()) * 12 + i64::from(civil.month()) - 1)
    }

    /// The month after.
    #[must_use]
    pub const fn next(self) -> Self {
        Self(self.0 + 1)
    }

    /// The month before.
    #[must_use]
    pub const fn previous(self) -> Self {
        Self(self.0 - 1)
    }

    fn date(self, day: i8) -> Date {
        let year = i16::try_from(self.0.div_euclid(12)).unwrap_or(9000);
        let month = i8::try_from(self.0.rem_euclid(12) + 1).unwrap_or(1);
        let first = Date::new(year, month, 1).unwrap_or(Date::MIN);
        Date::new(year, month, day.clamp(1, first.days_in_month())).unwrap_or(first)
    }

    /// First moment of the month, ms UTC.
    #[must_use]
    pub fn start_at(self, zone: &Zone) -> i64 {
        zone.instant(self.date(1).at(0, 0, 0, 0))
    }

    /// First moment after the month, ms UTC.
    #[must_use]
    pub fn end_at(self, zone: &Zone) -> i64 {
        self.next().start_at(zone)
    }

    /// `hour`:00 of `day` of this month, moved to the next working day (spec: business §7.3: next working day if holiday).
    #[must_use]
    pub fn working_day_at(self, day: i8, hour: i8, zone: &Zone, days: &WorkingDays) -> i64 {
        let date = days.on_or_after(self.date(day));
        zone.instant(date.at(hour.clamp(0, 23), 0, 0, 0))
    }
}

impl fmt::Display for Month {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}{:02}", self.0.div_euclid(12), self.0.rem_euclid(12) + 1)
    }
}

impl FromStr for Month {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is not a month of the form 202601");
        if text.len() != 6 || !text.bytes().all(|b| b.is_ascii_digit()) {
            return Err(wrong());
        }
        let number: i64 = text.parse().map_err(|_| wrong())?;
        let (year, month) = (number / 100, number % 100);
        if !(1..=12).contains(&month) || !(1970..=9000).contains(&year) {
            return Err(wrong());
        }
        Ok(Self(year * 12 + month - 1))
    }
}

impl Serialize for Month {
    fn serialize<S: serde::Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        s.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Month {
    fn deserialize<D: serde::Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        String::deserialize(d)?.parse().map_err(serde::de::Error::custom)
    }
}

impl ToScalar for Month {
    fn to_scalar(&self) -> Scalar {
        Scalar::Text(self.to_string())
    }
}

impl FromScalar for Month {
    fn from_scalar(scalar: Scalar) -> Result<Self, ScalarError> {
        match &scalar {
            Scalar::Text(text) => text.parse().map_err(|_| ScalarError::new("a month", &scalar)),
            _ => Err(ScalarError::new("a month", &scalar)),
        }
    }
}

impl utoipa::PartialSchema for Month {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .pattern(Some("^[0-9]{6}$"))
            .examples(["202601"])
            .build()
            .into()
    }
}

impl utoipa::ToSchema for Month {}

crate::words! {
    /// The unit of a bought period; the words are the protocol's (spec: protocol §3.3 `periodType`).
    pub enum PeriodUnit {
        /// Calendar months.
        Month = "month",
        /// Calendar years.
        Year = "year",
    }
}

/// A bought length of time: a number of months or years.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Period {
    /// Months or years.
    pub unit: PeriodUnit,
    /// How many, from 1.
    pub count: i64,
}

impl Period {
    /// A period of `count` units.
    ///
    /// # Errors
    /// [`Code::PeriodInvalid`] unless 1 ≤ months ≤ [`PERIOD_MONTHS_MAX`].
    pub fn new(unit: PeriodUnit, count: i64) -> Result<Self, Refusal> {
        let period = Self { unit, count };
        if (1..=PERIOD_MONTHS_MAX).contains(&count) && period.months() <= PERIOD_MONTHS_MAX {
            return Ok(period);
        }
        Err(Refusal::new(Code::PeriodInvalid).with("max_months", PERIOD_MONTHS_MAX))
    }

    /// The length in calendar months.
    #[must_use]
    pub const fn months(self) -> i64 {
        match self.unit {
            PeriodUnit::Month => self.count,
            PeriodUnit::Year => self.count.saturating_mul(12),
        }
    }
}

/// Which days are worked: Monday to Friday, but for holidays, and but for the weekend days that make up for them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WorkingDays {
    holidays: BTreeSet<Date>,
    worked_weekends: BTreeSet<Date>,
}

impl WorkingDays {
    /// A calendar from dates of the form `2026-10-01`.
    ///
    /// # Errors
    /// A text that names the first date that is not one.
    pub fn new<'a>(
        holidays: impl IntoIterator<Item = &'a str>,
        worked_weekends: impl IntoIterator<Item = &'a str>,
    ) -> Result<Self, String> {
        fn dates<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<BTreeSet<Date>, String> {
            texts.into_iter().map(|t| t.parse().map_err(|_| format!("{t:?} is not a date of the form 2026-10-01"))).collect()
        }
        Ok(Self { holidays: dates(holidays)?, worked_weekends: dates(worked_weekends)? })
    }

    /// The days of the week that are not worked, ascending, such as `2026-10-01`.
    pub fn holidays(&self) -> impl Iterator<Item = String> {
        self.holidays.iter().map(ToString::to_string)
    }

    /// The days of weekends that are worked, ascending.
    pub fn worked_weekends(&self) -> impl Iterator<Item = String> {
        self.worked_weekends.iter().map(ToString::to_string)
    }

    fn worked(&self, date: Date) -> bool {
        let weekend = matches!(date.weekday(), Weekday::Saturday | Weekday::Sunday);
        self.worked_weekends.contains(&date) || (!weekend && !self.holidays.contains(&date))
    }

    fn on_or_after(&self, date: Date) -> Date {
        let mut day = date;
        // A year without a working day would be a broken setting; the bound keeps it from hanging the run.
        for _ in 0..366 {
            if self.worked(day) {
                return day;
            }
            day = day.tomorrow().unwrap_or(day);
        }
        date
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(zone: &Zone, text: &str) -> i64 {
        zone.instant(text.parse().unwrap())
    }

    #[test]
    fn months_keep_the_day_where_they_can() {
        let zone = Zone::shanghai();
        let start = at(&zone, "2024-01-31T10:00:00");
        assert_eq!(zone.readable_minute(zone.add_months(start, 1)), "2024-02-29 10:00");
        // Reckoned from the anchor, the third month is the 31st again.
        assert_eq!(zone.readable_minute(zone.add_months(start, 2)), "2024-03-31 10:00");
        assert_eq!(zone.readable_minute(zone.add_months(start, -2)), "2023-11-30 10:00");
        assert_eq!(zone.readable_minute(zone.add_months(start, 36)), "2027-01-31 10:00");
    }

    #[test]
    fn three_in_the_morning_is_local() {
        let zone = Zone::shanghai();
        let evening = at(&zone, "2026-05-05T22:15:00");
        assert_eq!(zone.readable_minute(zone.next_at(evening, 3)), "2026-05-06 03:00");
        assert_eq!(zone.readable_minute(zone.same_day_at(evening, 3)), "2026-05-05 03:00");
        assert_eq!(zone.next_at(zone.next_at(evening, 3), 3) - zone.next_at(evening, 3), DAY_MS);
    }

    #[test]
    fn a_day_begins_at_local_midnight_and_reads_back() {
        let zone = Zone::shanghai();
        let start = zone.day_start("2026-02-28").unwrap();
        assert_eq!((zone.readable_minute(start).as_str(), zone.day(start).as_str()), ("2026-02-28 00:00", "2026-02-28"));
        assert_eq!((zone.day(start - 1), zone.day(zone.add_days(start, 1))), ("2026-02-27".to_owned(), "2026-03-01".to_owned()));
        assert_eq!(zone.moment(start + 1), "2026-02-28T00:00:00.001+08:00");
        assert_eq!(Zone::utc().moment(0), "1970-01-01T00:00:00.000+00:00");
        for wrong in ["2026-02-29", "2026-2-28", "20260228", "2026-02-28T10:00:00", "", "tomorrow", "0001-01-01"] {
            assert!(zone.day_start(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn the_settlement_day_moves_to_a_working_day() {
        let zone = Zone::shanghai();
        // 3 October 2026 is a Saturday inside the National Day holiday; 10 October is a worked Saturday.
        let holidays = ["2026-10-01", "2026-10-02", "2026-10-05", "2026-10-06", "2026-10-07"];
        let days = WorkingDays::new(holidays, ["2026-10-10"]).unwrap();
        let month: Month = "202610".parse().unwrap();
        assert_eq!(zone.readable_minute(month.working_day_at(3, 2, &zone, &days)), "2026-10-08 02:00");
        assert_eq!(zone.readable_minute(month.working_day_at(10, 2, &zone, &days)), "2026-10-10 02:00");
        assert!(WorkingDays::new(["1 May"], []).is_err());
    }

    #[test]
    fn a_month_knows_its_bounds() {
        let zone = Zone::shanghai();
        let month = Month::of(at(&zone, "2026-12-31T23:59:59"), &zone);
        assert_eq!(month.to_string(), "202612");
        assert_eq!(month.next().to_string(), "202701");
        assert_eq!(zone.readable_minute(month.end_at(&zone)), "2027-01-01 00:00");
        for wrong in ["202613", "2026", "202600", "abcdef", "2026-1"] {
            assert!(wrong.parse::<Month>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn periods_have_a_limit() {
        assert_eq!(Period::new(PeriodUnit::Year, 10).unwrap().months(), 120);
        for (unit, count) in [(PeriodUnit::Year, 11), (PeriodUnit::Month, 0), (PeriodUnit::Month, -1), (PeriodUnit::Year, i64::MAX)] {
            assert_eq!(Period::new(unit, count).unwrap_err().code, Code::PeriodInvalid);
        }
    }

    proptest! {
        #[test]
        fn adding_months_is_monotonic_and_never_panics(start in 0i64..4_000_000_000_000, months in 0i64..2400, day: i64) {
            let zone = Zone::shanghai();
            prop_assert!(zone.add_months(start, months) < zone.add_months(start, months + 1));
            prop_assert!(zone.add_months(day, months) <= LATEST_MS && zone.next_at(day, 3) <= LATEST_MS);
        }
    }
}
