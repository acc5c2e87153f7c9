//! The states of a seller (spec: business §1.2, state machine 1).

use kernel::{Code, DAY_MS, Refusal, Zone};

kernel::words! {
    /// Where an account stands on its way to selling.
    pub enum SellerState {
        /// Waits for the operator's review.
        Applied = "applied",
        /// Sells.
        Approved = "approved",
        /// Was turned down; may apply again.
        Rejected = "rejected",
        /// Sold, and left or was removed.
        Exited = "exited",
    }
}

kernel::words! {
    /// What happens to it.
    pub enum Event {
        /// The account sends its application.
        Apply = "apply",
        /// The operator approves it.
        Approve = "approve",
        /// The operator turns it down.
        Reject = "reject",
        /// The seller leaves or is removed.
        Exit = "exit",
    }
}

/// After leaving, an account may apply again this long later (spec: business §1.2).
pub const REAPPLY_AFTER_MS: i64 = 90 * DAY_MS;

/// Every step there is: from (none: never applied), what happens, to. What is not here is refused.
pub const TABLE: &[(Option<SellerState>, Event, SellerState)] = &[
    (None, Event::Apply, SellerState::Applied),
    (Some(SellerState::Applied), Event::Approve, SellerState::Approved),
    (Some(SellerState::Applied), Event::Reject, SellerState::Rejected),
    (Some(SellerState::Rejected), Event::Apply, SellerState::Applied),
    (Some(SellerState::Approved), Event::Exit, SellerState::Exited),
    (Some(SellerState::Exited), Event::Apply, SellerState::Applied),
];

/// The state after `event`, from the state before and the time it was decided (market ms UTC).
///
/// # Errors
/// [`Code::AlreadySeller`], [`Code::ReviewDecided`] or [`Code::NotSeller`] for a step that is not in the table; [`Code::SellerExited`] for an
/// application too early after leaving.
pub(super) fn decide(before: Option<(SellerState, Option<i64>)>, event: Event, now: i64) -> Result<SellerState, Refusal> {
    let from = before.map(|(state, _)| state);
    let next = TABLE.iter().find(|(state, what, _)| *state == from && *what == event).map(|(_, _, to)| *to).ok_or_else(|| {
        Refusal::new(match event {
            Event::Apply => Code::AlreadySeller,
            Event::Approve | Event::Reject => Code::ReviewDecided,
            Event::Exit => Code::NotSeller,
        })
    })?;
    if let (Event::Apply, Some((SellerState::Exited, Some(left_at)))) = (event, before)
        && now < left_at + REAPPLY_AFTER_MS
    {
        return Err(Refusal::new(Code::SellerExited).with("earliest", Zone::utc().readable_minute(left_at + REAPPLY_AFTER_MS) + " UTC"));
    }
    Ok(next)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_and_event_either_is_in_the_table_or_says_why_not() {
        for from in std::iter::once(None).chain(SellerState::ALL.iter().copied().map(Some)) {
            for event in Event::ALL.iter().copied() {
                let decided = decide(from.map(|state| (state, Some(0))), event, REAPPLY_AFTER_MS);
                let expected = match (from, event) {
                    (None | Some(SellerState::Rejected | SellerState::Exited), Event::Apply) => Ok(SellerState::Applied),
                    (Some(SellerState::Applied), Event::Approve) => Ok(SellerState::Approved),
                    (Some(SellerState::Applied), Event::Reject) => Ok(SellerState::Rejected),
                    (Some(SellerState::Approved), Event::Exit) => Ok(SellerState::Exited),
                    (_, Event::Apply) => Err(Code::AlreadySeller),
                    (_, Event::Approve | Event::Reject) => Err(Code::ReviewDecided),
                    (_, Event::Exit) => Err(Code::NotSeller),
                };
                assert_eq!(decided.map_err(|refusal| refusal.code), expected, "{from:?} {event}");
            }
        }
    }

    #[test]
    fn who_left_may_come_back_after_ninety_days() {
        let left = Some((SellerState::Exited, Some(1_000)));
        let early = decide(left, Event::Apply, 1_000 + 90 * DAY_MS - 1);
        assert_eq!(early, Err(Refusal::new(Code::SellerExited).with("earliest", "1970-04-01 00:00 UTC")));
        assert_eq!(decide(left, Event::Apply, 1_000 + 90 * DAY_MS), Ok(SellerState::Applied));
    }
}
