//! Every number that the operator may set while the market runs: its name, what it measures, its bounds, and where it stands in [`Edition`].
//!
//! The configuration reads its numbers by the same rows, so that the file and the console know the same bounds. Left out are the kind of
//! edition, the currency and the zone: prices, books and days that are written down were reckoned in them.

use kernel::{Code, MONEY_MAX_MINOR, Rate, Refusal, WorkingDays};
use serde::{Deserialize, Serialize};

use crate::edition::{Edition, FeeStep};

/// Most days of any period (ours).
const DAYS_MAX: i64 = 3_650;
/// Most items of any list (ours): three years of holidays fit well.
pub const LIST_MAX: usize = 500;
/// A day of the month that every month has.
const MONTH_DAY_MAX: i64 = 28;
/// Minutes of a day.
const DAY_MINUTES: i64 = 1_440;
/// Hours of a year.
const YEAR_HOURS: i64 = 8_760;
/// Most of what is counted (ours).
const COUNT_MAX: i64 = 1_000_000;
/// Most users of an account (ours).
const USERS_MAX: i64 = 100_000;

kernel::words! {
    /// What a number measures.
    pub enum Measure {
        /// Whole days.
        Days = "days",
        /// Whole hours.
        Hours = "hours",
        /// Whole minutes.
        Minutes = "minutes",
        /// How many of something.
        Count = "count",
        /// An hour of the day, 0 to 23, in the market's zone.
        HourOfDay = "hour-of-day",
        /// A day of the month.
        DayOfMonth = "day-of-month",
        /// Basis points.
        Rate = "rate",
        /// Minor units of the market's currency.
        Money = "money",
        /// Days before an event, descending, each once.
        DaysBefore = "days-before",
        /// Sums and the reductions that they bring, ascending.
        FeeSteps = "fee-steps",
        /// Dates, each once.
        Dates = "dates",
    }
}

kernel::words! {
    /// What a number is about.
    pub enum Topic {
        /// Orders and subscriptions.
        Orders = "orders",
        /// Renewal and what is said about it.
        Renewal = "renewal",
        /// Returns.
        Refunds = "refunds",
        /// Fees, taxes, settlement and payouts.
        Settlement = "settlement",
        /// Accounts and products.
        Accounts = "accounts",
        /// Days that are worked and days that are not.
        Calendar = "calendar",
    }
}

/// A value of a number.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Value {
    /// One whole number, in the unit of its measure.
    Whole(i64),
    /// Days before an event.
    Days(Vec<i64>),
    /// Dates such as `2026-10-01`.
    Dates(Vec<String>),
    /// Steps of the fee.
    Steps(Vec<FeeStep>),
}

/// One number of the business.
#[derive(Clone, Copy, Debug)]
pub struct Number {
    /// Its name, as in the configuration's table `[edition]`, without the unit.
    pub key: &'static str,
    /// What it is about.
    pub topic: Topic,
    /// What it measures.
    pub measure: Measure,
    /// The smallest value, or of a list's item.
    pub min: i64,
    /// The largest value, or of a list's item.
    pub max: i64,
    get: fn(&Edition) -> Value,
    set: fn(&mut Edition, &Value) -> Option<()>,
}

impl Value {
    fn whole(&self) -> Option<i64> {
        if let Self::Whole(number) = self { Some(*number) } else { None }
    }

    fn days(&self) -> Option<Vec<i64>> {
        match self {
            Self::Days(days) => Some(days.clone()),
            // An empty list has no kind of its own once it was written down.
            Self::Dates(none) if none.is_empty() => Some(Vec::new()),
            _ => None,
        }
    }

    fn steps(&self) -> Option<Vec<FeeStep>> {
        match self {
            Self::Steps(steps) => Some(steps.clone()),
            other => other.days().filter(Vec::is_empty).map(|_| Vec::new()),
        }
    }

    fn dates(&self) -> Option<Vec<String>> {
        match self {
            Self::Dates(dates) => Some(dates.clone()),
            other => other.days().filter(Vec::is_empty).map(|_| Vec::new()),
        }
    }
}

macro_rules! number {
    (whole $field:ident) => {
        (
            |it| Value::Whole(it.$field.into()),
            |it, value| {
                it.$field = value.whole()?.try_into().ok()?;
                Some(())
            },
        )
    };
    (rate $field:ident) => {
        (
            |it| Value::Whole(it.$field.bp),
            |it, value| {
                it.$field = Rate::bp(value.whole()?);
                Some(())
            },
        )
    };
    (days $field:ident) => {
        (
            |it| Value::Days(it.$field.clone()),
            |it, value| {
                it.$field = value.days()?;
                Some(())
            },
        )
    };
    (steps $field:ident) => {
        (
            |it| Value::Steps(it.$field.clone()),
            |it, value| {
                it.$field = value.steps()?;
                Some(())
            },
        )
    };
    (holidays $field:ident) => {
        (
            |it| Value::Dates(it.$field.holidays().collect()),
            |it, value| {
                it.$field = calendar(&value.dates()?, &it.$field.worked_weekends().collect::<Vec<_>>())?;
                Some(())
            },
        )
    };
    (worked_weekends $field:ident) => {
        (
            |it| Value::Dates(it.$field.worked_weekends().collect()),
            |it, value| {
                it.$field = calendar(&it.$field.holidays().collect::<Vec<_>>(), &value.dates()?)?;
                Some(())
            },
        )
    };
}

macro_rules! numbers {
    ($($key:literal $topic:ident $measure:ident $min:literal..=$max:expr, $kind:ident $field:ident;)+) => {
        /// Every number that the operator may set, by topic.
        pub const ALL: &[Number] = &[$({
            let (get, set): (fn(&Edition) -> Value, fn(&mut Edition, &Value) -> Option<()>) = number!($kind $field);
            Number { key: $key, topic: Topic::$topic, measure: Measure::$measure, min: $min, max: $max, get, set }
        }),+];
    };
}

numbers! {
    "order_unpaid_days" Orders Days 1..=DAYS_MAX, whole order_unpaid_days;
    "change_unpaid_minutes" Orders Minutes 1..=DAY_MINUTES, whole change_unpaid_minutes;
    "grace_days" Orders Days 0..=DAYS_MAX, whole grace_days;
    "retention_days" Orders Days 0..=DAYS_MAX, whole retention_days;
    "release_notice_days" Orders DaysBefore 0..=DAYS_MAX, days release_notice_days;
    "failed_orders_max" Orders Count 0..=COUNT_MAX, whole failed_orders_max;

    "reminder_days" Renewal DaysBefore 0..=DAYS_MAX, days reminder_days;
    "reminder_hour" Renewal HourOfDay 0..=23, whole reminder_hour;
    "auto_renew_days" Renewal Days 0..=DAYS_MAX, whole auto_renew_days;
    "auto_renew_hour" Renewal HourOfDay 0..=23, whole auto_renew_hour;
    "renewal_failure_days" Renewal DaysBefore 0..=DAYS_MAX, days renewal_failure_days;
    "renewal_change_days" Renewal Days 0..=DAYS_MAX, whole renewal_change_days;

    "refund_days" Refunds Days 0..=DAYS_MAX, whole refund_days;
    "refund_quota" Refunds Count 0..=COUNT_MAX, whole refund_quota;
    "refund_large_minor" Refunds Money 0..=MONEY_MAX_MINOR, whole refund_large_minor;
    "refund_review_hours" Refunds Hours 1..=YEAR_HOURS, whole refund_review_hours;

    "fee_common_bp" Settlement Rate 0..=Rate::WHOLE_BP, rate fee_common;
    "fee_steps" Settlement FeeSteps 1..=MONEY_MAX_MINOR, steps fee_steps;
    "tax_software_bp" Settlement Rate 0..=Rate::WHOLE_BP, rate tax_software;
    "tax_service_bp" Settlement Rate 0..=Rate::WHOLE_BP, rate tax_service;
    "settle_day" Settlement DayOfMonth 1..=MONTH_DAY_MAX, whole settle_day;
    "settle_hour" Settlement HourOfDay 0..=23, whole settle_hour;
    "payout_min_minor" Settlement Money 0..=MONEY_MAX_MINOR, whole payout_min_minor;

    "users_max" Accounts Count 1..=USERS_MAX, whole users_max;

    "holidays" Calendar Dates 0..=0, holidays working_days;
    "worked_weekends" Calendar Dates 0..=0, worked_weekends working_days;
}

fn calendar(holidays: &[String], worked_weekends: &[String]) -> Option<WorkingDays> {
    WorkingDays::new(holidays.iter().map(String::as_str), worked_weekends.iter().map(String::as_str)).ok()
}

/// The number of this name.
#[must_use]
pub fn named(key: &str) -> Option<&'static Number> {
    ALL.iter().find(|number| number.key == key)
}

impl Number {
    /// Its value in an edition.
    #[must_use]
    pub fn of(&self, edition: &Edition) -> Value {
        (self.get)(edition)
    }

    /// The edition with this value.
    ///
    /// # Errors
    /// [`Code::FieldInvalid`] when the value is outside of the bounds, of another kind, or does not fit the others.
    pub fn put(&self, edition: &Edition, value: &Value) -> Result<Edition, Refusal> {
        self.check(value)?;
        let mut changed = edition.clone();
        (self.set)(&mut changed, value).ok_or_else(|| refused("format"))?;
        together(&changed)?;
        Ok(changed)
    }

    fn check(&self, value: &Value) -> Result<(), Refusal> {
        let in_bounds = |number: i64| (self.min..=self.max).contains(&number);
        let out_of_bounds = || refused(&format!("range:{}-{}", self.min, self.max));
        let count = |items: usize| if items > LIST_MAX { Err(refused(&format!("count:{LIST_MAX}"))) } else { Ok(()) };
        match self.measure {
            Measure::DaysBefore => {
                let days = value.days().ok_or_else(|| refused("format"))?;
                count(days.len())?;
                if !days.iter().all(|day| in_bounds(*day)) {
                    return Err(out_of_bounds());
                }
                if days.windows(2).any(|pair| pair[0] <= pair[1]) { Err(refused("descending")) } else { Ok(()) }
            }
            Measure::FeeSteps => {
                let steps = value.steps().ok_or_else(|| refused("format"))?;
                count(steps.len())?;
                if !steps.iter().all(|step| in_bounds(step.from_minor) && (0..=Rate::WHOLE_BP).contains(&step.reduction.bp)) {
                    return Err(out_of_bounds());
                }
                if steps.windows(2).any(|pair| pair[0].from_minor >= pair[1].from_minor) { Err(refused("ascending")) } else { Ok(()) }
            }
            Measure::Dates => {
                let dates = value.dates().ok_or_else(|| refused("format"))?;
                count(dates.len())?;
                let each_once: std::collections::BTreeSet<_> = dates.iter().collect();
                if each_once.len() != dates.len() {
                    return Err(refused("unique"));
                }
                if calendar(&dates, &[]).is_some() { Ok(()) } else { Err(refused("date")) }
            }
            _ => match value.whole() {
                Some(number) if in_bounds(number) => Ok(()),
                Some(_) => Err(out_of_bounds()),
                None => Err(refused("format")),
            },
        }
    }
}

/// What no number shows alone: a reduction takes no more off the fee than the fee is.
///
/// # Errors
/// [`Code::FieldInvalid`].
pub fn together(edition: &Edition) -> Result<(), Refusal> {
    if edition.fee_steps.iter().any(|step| step.reduction > edition.fee_common) {
        return Err(refused("reduction"));
    }
    Ok(())
}

fn refused(rule: &str) -> Refusal {
    Refusal::new(Code::FieldInvalid).with("field", "value").with("rule", rule)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::edition::EditionKind;

    #[test]
    fn every_number_survives_being_written_down_and_read_again() {
        for kind in [EditionKind::Cn, EditionKind::Intl] {
            let edition = Edition::defaults(kind);
            for number in ALL {
                let text = serde_json::to_string(&number.of(&edition)).unwrap();
                let read: Value = serde_json::from_str(&text).unwrap();
                assert_eq!(number.put(&edition, &read).as_ref(), Ok(&edition), "{}: {text}", number.key);
            }
        }
    }

    #[test]
    fn a_number_changes_itself_alone() {
        let edition = Edition::defaults(EditionKind::Cn);
        for number in ALL {
            let other = match number.measure {
                Measure::DaysBefore => Value::Days(vec![9, 4]),
                Measure::FeeSteps => Value::Steps(vec![FeeStep { from_minor: 7, reduction: Rate::bp(1) }]),
                Measure::Dates => Value::Dates(vec!["2026-10-01".to_owned()]),
                _ => Value::Whole(number.max),
            };
            let changed = number.put(&edition, &other).unwrap();
            for each in ALL {
                let expected = if each.key == number.key { other.clone() } else { each.of(&edition) };
                assert_eq!(each.of(&changed), expected, "{} by {}", each.key, number.key);
            }
        }
    }

    #[test]
    fn what_breaks_a_bound_is_refused_with_its_rule() {
        let edition = Edition::defaults(EditionKind::Cn);
        let step = |from_minor, bp| FeeStep { from_minor, reduction: Rate::bp(bp) };
        let dates = |texts: &[&str]| Value::Dates(texts.iter().map(|text| (*text).to_owned()).collect());
        for (key, value, rule) in [
            ("order_unpaid_days", Value::Whole(0), "range:1-3650"),
            ("order_unpaid_days", Value::Whole(3_651), "range:1-3650"),
            ("order_unpaid_days", Value::Whole(i64::MAX), "range:1-3650"),
            ("order_unpaid_days", Value::Days(vec![1]), "format"),
            ("settle_day", Value::Whole(29), "range:1-28"),
            ("settle_hour", Value::Whole(24), "range:0-23"),
            ("fee_common_bp", Value::Whole(150), "reduction"),
            ("reminder_days", Value::Days(vec![3, 7]), "descending"),
            ("reminder_days", Value::Days(vec![3, 3]), "descending"),
            ("reminder_days", Value::Days(vec![4_000]), "range:0-3650"),
            ("reminder_days", Value::Days((0..501).rev().collect()), "count:500"),
            ("fee_steps", Value::Steps(vec![step(5, 100), step(5, 200)]), "ascending"),
            ("fee_steps", Value::Steps(vec![step(5, 501)]), "reduction"),
            ("holidays", dates(&["2026-13-01"]), "date"),
            ("holidays", dates(&["2026-10-01", "2026-10-01"]), "unique"),
            ("holidays", Value::Whole(1), "format"),
        ] {
            assert_eq!(named(key).unwrap().put(&edition, &value), Err(refused(rule)), "{key} {value:?}");
        }
    }
}
