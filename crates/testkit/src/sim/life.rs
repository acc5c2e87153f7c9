//! The life of a subscription as its timeline tells it, event by event, and whether each came at its time.

use kernel::Zone;

use super::checks::{Holds, Invariant, violated};

/// Days between the end and the freeze, and between the freeze and the release (spec: business §5.2).
pub(super) const GRACE_DAYS: i64 = 0;
const RETENTION_DAYS: i64 = 15;
/// Hour of reminders, and of automatic renewals (spec: business §5.3).
const REMINDER_HOUR: i8 = 10;
const RENEWAL_HOUR: i8 = 3;
/// Days before the end of the first automatic renewal.
const RENEWAL_DAYS: i64 = 7;

/// A subscription as its timeline tells it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Life {
    pub(super) state: Standing,
    pub(super) anchor_at: Option<i64>,
    pub(super) months: i64,
    /// When a renewal was last taken back: an end that is past by then is the end at once.
    pub(super) taken_back_at: Option<i64>,
    pub(super) ends_at: Option<i64>,
    pub(super) expired_at: Option<i64>,
    pub(super) suspended_at: Option<i64>,
    pub(super) release_at: Option<i64>,
    pub(super) released_at: Option<i64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Standing {
    #[default]
    Opening,
    Failed,
    Alive,
    Released,
}

impl Life {
    pub(super) const fn word(&self) -> &'static str {
        match (self.state, self.expired_at, self.suspended_at) {
            (Standing::Opening, ..) => "opening",
            (Standing::Failed, ..) => "failed",
            (Standing::Released, ..) => "released",
            (Standing::Alive, None, None) => "in_use",
            (Standing::Alive, ..) => "frozen",
        }
    }
}

/// What an event makes of a subscription, and whether it came at its time.
pub(super) fn happen(
    zone: &Zone,
    life: &mut Life,
    action: &str,
    at: i64,
    detail: &serde_json::Value,
    mode: &str,
    by_itself: bool,
) -> Holds {
    let number = |name: &str| detail[name].as_i64();
    let unexplained = |why: &str| violated(Invariant::TimelineExplains, format!("{action} {why}: {life:?}"));
    let early = |due: Option<i64>| violated(Invariant::NoTimerEarly, format!("{action} at {at}, it was due at {due:?}"));
    let alive = life.state == Standing::Alive;
    match action {
        "subscriptions.opened" => {
            if life.state != Standing::Opening {
                return unexplained("twice");
            }
            life.state = Standing::Alive;
            life.anchor_at = Some(at);
            life.ends_at = (mode == "PERIOD").then(|| zone.add_months(at, life.months));
        }
        "subscriptions.opening_failed" => {
            if life.state != Standing::Opening {
                return unexplained("after it was opened");
            }
            life.state = Standing::Failed;
        }
        "subscriptions.renewed" => {
            let (from, to) = (number("from"), number("to"));
            if !alive || from != life.ends_at || to <= from {
                return unexplained(&format!("from {from:?} to {to:?}"));
            }
            if by_itself {
                let first = from.map(|from| zone.same_day_at(zone.add_days(from, -RENEWAL_DAYS), RENEWAL_HOUR));
                if first.is_none_or(|first| at < first) || at != zone.same_day_at(at, RENEWAL_HOUR) {
                    return early(first);
                }
            }
            // The months stand in the line; the row's end is checked against them.
            life.months += months_between(zone, life, to);
            life.ends_at = to;
            if to > Some(at) {
                life.expired_at = None;
                life.release_at = None;
            }
        }
        "subscriptions.renewal_cancelled" => {
            let to = number("to");
            if !alive || to >= life.ends_at {
                return unexplained(&format!("back to {to:?}"));
            }
            life.months += months_between(zone, life, to);
            life.ends_at = to;
            life.taken_back_at = Some(at);
        }
        "subscriptions.expired" => {
            let due = life.ends_at.map(|end| zone.add_days(end, GRACE_DAYS));
            if !alive || life.expired_at.is_some() {
                return unexplained("though it is over");
            }
            let late = life.taken_back_at == Some(at) && due.is_some_and(|due| due < at);
            if due != Some(at) && !late {
                return early(due);
            }
            life.expired_at = Some(at);
            life.release_at = Some(zone.add_days(at, RETENTION_DAYS));
        }
        "subscriptions.suspended" => {
            if !alive || life.suspended_at.is_some() {
                return unexplained("twice");
            }
            life.suspended_at = Some(at);
        }
        "subscriptions.resumed" => {
            if !alive || life.suspended_at.is_none() {
                return unexplained("though nobody froze it");
            }
            life.suspended_at = None;
        }
        "subscriptions.released" => {
            if !alive {
                return unexplained("though it is not there");
            }
            if detail["reason"] == "retention_over" && life.release_at != Some(at) {
                return early(life.release_at);
            }
            life.state = Standing::Released;
            life.released_at = Some(at);
            life.release_at = None;
        }
        "subscriptions.noticed" => {
            let days = number("days").unwrap_or(0);
            let of = if detail["kind"] == "subscription-releases" { life.release_at } else { life.ends_at };
            let due = of.map(|of| zone.same_day_at(zone.add_days(of, -days), REMINDER_HOUR));
            if !alive || due != Some(at) {
                return early(due);
            }
        }
        "subscriptions.renewal_refused" => {
            if !alive || at != zone.same_day_at(at, RENEWAL_HOUR) {
                return early(None);
            }
        }
        "subscriptions.changed" | "subscriptions.renewal_set" | "subscriptions.renewal_counted" => {
            if matches!(life.state, Standing::Failed | Standing::Released) {
                return unexplained("though it is over");
            }
        }
        _ => return unexplained("is not known to the simulator"),
    }
    Ok(())
}

/// How many months lie between the end so far and another one, both counted from the opening.
fn months_between(zone: &Zone, life: &Life, to: Option<i64>) -> i64 {
    let (Some(anchor), Some(to), Some(end)) = (life.anchor_at, to, life.ends_at) else { return 0 };
    let step = if to > end { 1 } else { -1 };
    (1..=1_200).map(|n| n * step).find(|n| zone.add_months(anchor, life.months + n) == to).unwrap_or(0)
}
