//! What happens to a subscription by itself, and when: pure, so that three years pass in a moment and a late run gives the same result.
//!
//! The next event is a function of how the subscription stands and of its marker (up to where it was stepped), so missed events come one
//! after another, each at its own time, however late somebody looks. What the subscription *becomes* (taken up, expired, released) follows
//! from how it stands alone: the marker keeps only notices and renewals from coming twice, or after they have lost their sense.

use crate::edition::Edition;

use super::{RenewalMode, SubscriptionState};

/// Something that is due.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// A renewal with a change begins: it is another SKU or quantity from now on.
    TakeUp,
    /// Tell the buyer that it ends in so many days (spec: business §5.3).
    Remind {
        /// Days before the end.
        days: i64,
    },
    /// Try to renew it from the balance.
    Renew,
    /// Tell the buyer that automatic renewal has not succeeded so far.
    WarnRenewal {
        /// Days before the end.
        days: i64,
    },
    /// The end was reached: freeze it (spec: business §5.2).
    Expire,
    /// Tell the buyer that it will be released in so many days.
    WarnRelease {
        /// Days before the release.
        days: i64,
    },
    /// The retention is over: release it.
    Release,
}

impl Event {
    /// The order of events at the same moment.
    const fn rank(self) -> i64 {
        match self {
            Self::TakeUp => 0,
            Self::Remind { .. } => 1,
            Self::Renew => 2,
            Self::WarnRenewal { .. } => 3,
            Self::Expire => 4,
            Self::WarnRelease { .. } => 5,
            Self::Release => 6,
        }
    }

    /// Whether the subscription stands otherwise once it has happened, so that it cannot come twice and nothing may step over it.
    const fn is_a_transition(self) -> bool {
        match self {
            Self::TakeUp | Self::Expire | Self::Release => true,
            Self::Remind { .. } | Self::Renew | Self::WarnRenewal { .. } | Self::WarnRelease { .. } => false,
        }
    }
}

/// Ranks of one moment; more than there are events.
const RANKS: i64 = 16;

/// The marker just after everything of the moment `at`.
#[must_use]
pub const fn marker_after(at: i64) -> i64 {
    at * RANKS + RANKS - 1
}

/// What the calendar is reckoned from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// How it stands.
    pub state: SubscriptionState,
    /// Its end, ms UTC; none for what never ends.
    pub ends_at: Option<i64>,
    /// When it was frozen for having ended, ms UTC.
    pub expired_at: Option<i64>,
    /// When it will be released, ms UTC; set by the freeze.
    pub release_at: Option<i64>,
    /// When a renewal with a change begins, ms UTC.
    pub next_at: Option<i64>,
    /// How it is renewed.
    pub renewal: RenewalMode,
    /// Up to which event it was stepped.
    pub marker: i64,
}

/// An event with its time and the marker that stands for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Due {
    /// When, ms UTC.
    pub at: i64,
    /// What.
    pub event: Event,
    /// The marker once it has happened.
    pub marker: i64,
}

/// The next event, if anything is to come: the earliest transition, or what comes before it and after the marker.
#[must_use]
pub fn next(facts: &Facts, edition: &Edition) -> Option<Due> {
    upcoming(facts, edition)
        .into_iter()
        .map(|(at, event)| (at * RANKS + event.rank(), at, event))
        .filter(|(place, _, event)| event.is_a_transition() || *place > facts.marker)
        .min_by_key(|(place, ..)| *place)
        // A marker that went back would bring back what it has passed.
        .map(|(place, at, event)| Due { at, event, marker: place.max(facts.marker) })
}

/// Whether automatic renewal would have been tried by `now`, were this the end.
#[must_use]
pub fn is_being_renewed(ends_at: i64, now: i64, edition: &Edition) -> bool {
    let zone = &edition.zone;
    zone.same_day_at(zone.add_days(ends_at, -edition.auto_renew_days), edition.auto_renew_hour) <= now
}

fn upcoming(facts: &Facts, edition: &Edition) -> Vec<(i64, Event)> {
    let (zone, mut events) = (&edition.zone, Vec::new());
    if !matches!(facts.state, SubscriptionState::InUse | SubscriptionState::Frozen) {
        return events;
    }
    events.extend(facts.next_at.map(|at| (at, Event::TakeUp)));
    if facts.expired_at.is_some() {
        if let Some(release_at) = facts.release_at {
            let day_before = |days: i64| zone.same_day_at(zone.add_days(release_at, -days), edition.reminder_hour);
            let warnings = edition.release_notice_days.iter().map(|&days| (day_before(days), Event::WarnRelease { days }));
            events.extend(warnings.filter(|(at, _)| *at < release_at));
            events.push((release_at, Event::Release));
        }
        return events;
    }
    let Some(ends_at) = facts.ends_at else { return events };
    let day_before = |days: i64, hour: i8| zone.same_day_at(zone.add_days(ends_at, -days), hour);
    match facts.renewal {
        RenewalMode::Manual => {
            events.extend(edition.reminder_days.iter().map(|&days| (day_before(days, edition.reminder_hour), Event::Remind { days })));
        }
        RenewalMode::Auto => {
            let tries = (0..=edition.auto_renew_days).map(|days| (day_before(days, edition.auto_renew_hour), Event::Renew));
            let warnings =
                edition.renewal_failure_days.iter().map(|&days| (day_before(days, edition.reminder_hour), Event::WarnRenewal { days }));
            events.extend(tries.chain(warnings));
        }
        RenewalMode::None => {}
    }
    events.retain(|(at, event)| *at < ends_at || *event == Event::TakeUp);
    events.push((zone.add_days(ends_at, edition.grace_days), Event::Expire));
    events
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::edition::EditionKind;
    use proptest::prelude::*;

    fn edition() -> Edition {
        Edition::defaults(EditionKind::Cn)
    }

    /// What an event makes of a subscription, as the use cases do.
    fn take(facts: &mut Facts, due: Due, edition: &Edition) {
        facts.marker = due.marker;
        match due.event {
            Event::TakeUp => facts.next_at = None,
            Event::Expire => {
                facts.state = SubscriptionState::Frozen;
                facts.expired_at = Some(due.at);
                facts.release_at = Some(edition.zone.add_days(due.at, edition.retention_days));
            }
            Event::Release => facts.state = SubscriptionState::Released,
            Event::Remind { .. } | Event::Renew | Event::WarnRenewal { .. } | Event::WarnRelease { .. } => {}
        }
    }

    /// Walks the calendar until nothing is left, as the reconciler does, and tells what happened when.
    fn walk_on(facts: &mut Facts, edition: &Edition, until: i64) -> Vec<Due> {
        let mut seen = Vec::new();
        while let Some(due) = next(facts, edition).filter(|due| due.at <= until) {
            take(facts, due, edition);
            seen.push(due);
        }
        seen
    }

    fn walk(mut facts: Facts, edition: &Edition, until: i64) -> Vec<(String, Event)> {
        walk_on(&mut facts, edition, until).into_iter().map(|due| (edition.zone.readable_minute(due.at), due.event)).collect()
    }

    fn in_use(ends_at: i64, renewal: RenewalMode) -> Facts {
        Facts {
            state: SubscriptionState::InUse,
            ends_at: Some(ends_at),
            expired_at: None,
            release_at: None,
            next_at: None,
            renewal,
            marker: 0,
        }
    }

    // 2026-03-31 15:30 in Shanghai.
    const END: i64 = 1_774_942_200_000;

    #[test]
    fn left_alone_it_is_reminded_of_frozen_and_released() {
        let walked = walk(in_use(END, RenewalMode::Manual), &edition(), i64::MAX);
        let expected = [
            ("2026-03-16 10:00", Event::Remind { days: 15 }),
            ("2026-03-24 10:00", Event::Remind { days: 7 }),
            ("2026-03-28 10:00", Event::Remind { days: 3 }),
            ("2026-03-30 10:00", Event::Remind { days: 1 }),
            ("2026-03-31 15:30", Event::Expire),
            ("2026-04-09 10:00", Event::WarnRelease { days: 6 }),
            ("2026-04-13 10:00", Event::WarnRelease { days: 2 }),
            ("2026-04-15 10:00", Event::WarnRelease { days: 0 }),
            ("2026-04-15 15:30", Event::Release),
        ];
        assert_eq!(walked, expected.map(|(at, event)| (at.to_owned(), event)));
    }

    #[test]
    fn automatic_renewal_is_tried_every_night_from_seven_days_before() {
        let walked = walk(in_use(END, RenewalMode::Auto), &edition(), END - 1);
        let tries: Vec<_> = walked.iter().filter(|(_, event)| *event == Event::Renew).map(|(at, _)| at.as_str()).collect();
        assert_eq!(tries.len(), 8);
        assert_eq!((tries[0], tries[7]), ("2026-03-24 03:00", "2026-03-31 03:00"));
        let warned: Vec<_> = walked.iter().filter(|(_, e)| matches!(e, Event::WarnRenewal { .. })).map(|(at, _)| at.as_str()).collect();
        assert_eq!(warned, ["2026-03-26 10:00", "2026-03-29 10:00", "2026-03-31 10:00"]);
    }

    #[test]
    fn without_renewal_there_are_no_reminders() {
        let walked = walk(in_use(END, RenewalMode::None), &edition(), END);
        assert_eq!(walked, [("2026-03-31 15:30".to_owned(), Event::Expire)]);
    }

    #[test]
    fn what_never_ends_has_no_calendar() {
        let facts = Facts { ends_at: None, ..in_use(END, RenewalMode::Manual) };
        assert_eq!(next(&facts, &edition()), None);
    }

    /// What a buyer does.
    #[derive(Clone, Copy, Debug)]
    enum Act {
        Set(RenewalMode),
        Renew { changes: bool },
        Return,
    }

    fn act() -> impl Strategy<Value = Act> {
        prop_oneof![
            prop::sample::select(RenewalMode::ALL).prop_map(Act::Set),
            prop::bool::ANY.prop_map(|changes| Act::Renew { changes }),
            Just(Act::Return),
        ]
    }

    proptest! {
        #[test]
        fn looking_late_or_often_gives_the_same_history(end in END..END + 40_000_000_000, auto: bool, looks in prop::collection::vec(0i64..60, 0..20)) {
            let edition = edition();
            let mode = if auto { RenewalMode::Auto } else { RenewalMode::Manual };
            let late = walk_on(&mut in_use(end, mode), &edition, i64::MAX);
            let mut facts = in_use(end, mode);
            let mut days: Vec<i64> = looks.into_iter().map(|day| day - 30).collect();
            days.sort_unstable();
            let moments = days.into_iter().map(|day| end + day * kernel::DAY_MS).chain([i64::MAX]);
            let often: Vec<Due> = moments.flat_map(|until| walk_on(&mut facts, &edition, until)).collect();
            prop_assert_eq!(late, often);
        }

        #[test]
        fn whatever_the_buyer_does_and_whenever_somebody_looks_it_ends_as_it_should(
            acts in prop::collection::vec((0i64..30 * kernel::DAY_MS, act(), prop::bool::ANY), 0..12),
        ) {
            let edition = edition();
            let (mut facts, mut now) = (in_use(END, RenewalMode::Manual), END - 40 * kernel::DAY_MS);
            facts.marker = marker_after(now);
            // Ends that were paid for, and when the last of the acts was that makes the past past.
            let (mut ends, mut settled_at) = (vec![END], now);
            let check = |facts: &mut Facts, until: i64, settled_at: i64| {
                for due in walk_on(facts, &edition, until) {
                    let was_over = matches!(due.event, Event::Remind { .. } | Event::Renew | Event::WarnRenewal { .. }) && due.at <= settled_at;
                    prop_assert!(!was_over, "{due:?} comes after {settled_at}");
                }
                Ok(())
            };
            for (pause, act, is_stepped) in acts {
                now += pause;
                if is_stepped {
                    check(&mut facts, now, settled_at)?;
                }
                if facts.state == SubscriptionState::Released {
                    break;
                }
                let end = *ends.last().unwrap();
                match act {
                    Act::Set(mode) => {
                        facts.renewal = mode;
                        facts.marker = facts.marker.max(marker_after(now));
                        settled_at = now;
                    }
                    Act::Renew { changes } if end + 31 * kernel::DAY_MS > now => {
                        let to = end + 31 * kernel::DAY_MS;
                        ends.push(to);
                        facts.ends_at = Some(to);
                        (facts.expired_at, facts.release_at, facts.state) = (None, None, SubscriptionState::InUse);
                        if changes {
                            facts.next_at = Some(end.max(now));
                        }
                    }
                    Act::Return if ends.len() > 1 && ends[ends.len() - 2] > now => {
                        ends.pop();
                        let back = *ends.last().unwrap();
                        facts.ends_at = Some(back);
                        facts.next_at = facts.next_at.filter(|at| *at != back);
                        facts.marker = facts.marker.max(marker_after(now));
                        settled_at = now;
                    }
                    Act::Renew { .. } | Act::Return => {}
                }
            }
            check(&mut facts, i64::MAX, settled_at)?;
            prop_assert_eq!((facts.state, facts.next_at), (SubscriptionState::Released, None));
            let release_at = facts.expired_at.map(|at| edition.zone.add_days(at, edition.retention_days));
            prop_assert_eq!(facts.release_at, release_at);
            prop_assert!(ends.contains(&facts.expired_at.unwrap()), "it expires at an end that was paid for");
            prop_assert_eq!(next(&facts, &edition), None);
        }
    }
}
