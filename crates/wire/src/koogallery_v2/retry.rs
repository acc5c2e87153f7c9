//! When a failed call is made again, and what follows when it never succeeds (spec: protocol §1.14, business §5.1).
//!
//! A schedule is data: a marketplace may run with other numbers. The functions need no clock; they count from the first
//! and the last attempt, so a worker that was down makes one late attempt and then gives up, whatever the delay.

use std::borrow::Cow;

use super::Activity;

const SECOND_MS: i64 = 1_000;
const MINUTE_MS: i64 = 60 * SECOND_MS;
const HOUR_MS: i64 = 60 * MINUTE_MS;

/// How long one call may take (spec: protocol §0).
pub const REQUEST_TIMEOUT_MS: i64 = 5 * SECOND_MS;

/// Hourly for three hours (spec: protocol §1.14, business §5.1).
const HOURLY_FOR_3_HOURS: &[i64] = &[0, HOUR_MS, 2 * HOUR_MS, 3 * HOUR_MS];
/// The sources say "repeated for one hour"; the steps are ours (spec: protocol §1.14).
const STEPS_IN_1_HOUR: &[i64] = &[0, 5 * MINUTE_MS, 15 * MINUTE_MS, 30 * MINUTE_MS, HOUR_MS];
/// Someone waits for the answer, so it is asked once (ours).
const ONCE: &[i64] = &[0];

/// First wait after `000004` (ours).
const POLL_FIRST_MS: i64 = 30 * SECOND_MS;
/// Longest wait between two polls (ours).
const POLL_MAX_MS: i64 = 5 * MINUTE_MS;
/// How long an accepted request may stay in progress (spec: business §5.2, opening).
const POLL_WINDOW_MS: i64 = 3 * HOUR_MS;

/// What follows when the window is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnGiveUp {
    /// The order failed and is refunded.
    FailOrder,
    /// Nothing more happens until the seller restarts the call.
    WaitForRestart,
    /// Whoever asked is told; nothing is kept.
    TellCaller,
}

/// When to make a call, and what if it never succeeds. Offsets are ms after the first attempt, ascending, from 0.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// When attempts are due, in ms after the first.
    pub attempts_ms: Cow<'static, [i64]>,
    /// How long an answer "in progress" is followed up, in ms after the first attempt.
    pub poll_window_ms: i64,
    /// What follows after the last attempt.
    pub on_give_up: OnGiveUp,
}

/// The documented schedule of an activity.
#[must_use]
pub fn schedule(activity: Activity) -> Schedule {
    let (attempts, on_give_up) = match activity {
        Activity::NewInstance | Activity::UpgradeInstance => (HOURLY_FOR_3_HOURS, OnGiveUp::FailOrder),
        Activity::RefreshInstance | Activity::UpdateInstanceStatus | Activity::ReleaseInstance | Activity::OrderNotify => {
            (STEPS_IN_1_HOUR, OnGiveUp::WaitForRestart)
        }
        Activity::QueryInstance | Activity::ChangeInstanceCheck => (ONCE, OnGiveUp::TellCaller),
    };
    Schedule { attempts_ms: Cow::Borrowed(attempts), poll_window_ms: POLL_WINDOW_MS, on_give_up }
}

impl Schedule {
    /// When the next attempt is due after one that failed, in ms UTC; `None` when it is time to give up.
    #[must_use]
    pub fn next_attempt_at(&self, first_at_ms: i64, last_at_ms: i64) -> Option<i64> {
        let elapsed_ms = last_at_ms.saturating_sub(first_at_ms);
        let offset_ms = self.attempts_ms.iter().find(|offset_ms| **offset_ms > elapsed_ms)?;
        Some(first_at_ms.saturating_add(*offset_ms))
    }

    /// When to ask again after the answer "in progress", in ms UTC; `None` when it has been in progress for too long.
    ///
    /// `last_at_ms` is the time of the last call, `polls_made` how many polls have been made so far: the wait doubles
    /// from 30 seconds to 5 minutes (ours).
    #[must_use]
    pub fn next_poll_at(&self, first_at_ms: i64, last_at_ms: i64, polls_made: u32) -> Option<i64> {
        let window_end_ms = first_at_ms.saturating_add(self.poll_window_ms);
        if last_at_ms >= window_end_ms {
            return None;
        }
        let doublings = polls_made.min(POLL_MAX_MS.ilog2());
        let wait_ms = POLL_FIRST_MS.saturating_mul(1 << doublings).min(POLL_MAX_MS);
        Some(last_at_ms.saturating_add(wait_ms).min(window_end_ms))
    }

    /// How long after the first attempt the last one is due, in ms.
    #[must_use]
    pub fn give_up_after_ms(&self) -> i64 {
        self.attempts_ms.last().copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAID_AT: i64 = 1_709_690_000_000;

    fn attempts(activity: Activity) -> Vec<i64> {
        let plan = schedule(activity);
        let mut at = PAID_AT;
        let mut minutes = vec![0];
        while let Some(next) = plan.next_attempt_at(PAID_AT, at) {
            minutes.push((next - PAID_AT) / MINUTE_MS);
            at = next;
        }
        minutes
    }

    #[test]
    fn a_purchase_is_tried_hourly_for_three_hours_and_then_refunded() {
        assert_eq!(attempts(Activity::NewInstance), [0, 60, 120, 180]);
        assert_eq!(schedule(Activity::NewInstance).on_give_up, OnGiveUp::FailOrder);
        assert_eq!(schedule(Activity::UpgradeInstance).on_give_up, OnGiveUp::FailOrder);
    }

    #[test]
    fn a_release_is_tried_for_an_hour_and_then_waits_for_the_seller() {
        assert_eq!(attempts(Activity::ReleaseInstance), [0, 5, 15, 30, 60]);
        assert_eq!(schedule(Activity::ReleaseInstance).on_give_up, OnGiveUp::WaitForRestart);
        assert_eq!(attempts(Activity::ChangeInstanceCheck), [0]);
    }

    #[test]
    fn a_worker_that_was_down_makes_one_late_attempt() {
        let plan = schedule(Activity::NewInstance);
        let due = plan.next_attempt_at(PAID_AT, PAID_AT);
        assert_eq!(due, Some(PAID_AT + HOUR_MS));
        let made_late_at = PAID_AT + 9 * HOUR_MS;
        assert_eq!(plan.next_attempt_at(PAID_AT, made_late_at), None);
    }

    #[test]
    fn polls_slow_down_and_end_with_the_window() {
        let plan = schedule(Activity::NewInstance);
        let mut at = PAID_AT;
        let mut waits = Vec::new();
        while let Some(next) = plan.next_poll_at(PAID_AT, at, u32::try_from(waits.len()).unwrap_or(u32::MAX)) {
            waits.push((next - at) / SECOND_MS);
            at = next;
        }
        assert_eq!(waits[..6], [30, 60, 120, 240, 300, 300]);
        assert_eq!(at, PAID_AT + 3 * HOUR_MS);
        assert_eq!(plan.next_poll_at(PAID_AT, PAID_AT, u32::MAX), Some(PAID_AT + 5 * MINUTE_MS));
    }
}
