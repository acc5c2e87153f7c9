//! The states of a subscription as data (spec: business §5.2, state machine 11).

use kernel::{Code, Refusal};

kernel::words! {
    /// How a subscription stands.
    pub enum SubscriptionState {
        /// Paid; the seller opens the instance.
        Opening = "opening",
        /// In use.
        InUse = "in_use",
        /// Ended and not renewed, or frozen by the operator; the data is kept.
        Frozen = "frozen",
        /// Over; the seller deletes the data.
        Released = "released",
        /// Never came to be: the seller could not open it and the buyer was refunded.
        Failed = "failed",
    }
}

kernel::words! {
    /// What may happen to a subscription.
    pub enum Happening {
        /// The seller has opened the instance.
        Opened = "opened",
        /// The seller could not open it.
        OpeningFailed = "opening_failed",
        /// More time was paid for.
        Renewed = "renewed",
        /// A renewal that had not begun was returned.
        RenewalCancelled = "renewal_cancelled",
        /// It is another SKU or quantity now.
        Changed = "changed",
        /// The end was reached.
        Expired = "expired",
        /// The operator froze it.
        Suspended = "suspended",
        /// The operator lifted the freeze.
        Resumed = "resumed",
        /// The retention is over, or it was refunded.
        Released = "released",
    }
}

/// Which happening is possible in which state. Where freezing and unfreezing lead depends on both causes of a freeze, see [`frozen`].
const TABLE: &[(SubscriptionState, &[Happening])] = &[
    (SubscriptionState::Opening, &[Happening::Opened, Happening::OpeningFailed]),
    (
        SubscriptionState::InUse,
        &[
            Happening::Renewed,
            Happening::RenewalCancelled,
            Happening::Changed,
            Happening::Expired,
            Happening::Suspended,
            Happening::Released,
        ],
    ),
    (
        SubscriptionState::Frozen,
        &[
            Happening::Renewed,
            Happening::RenewalCancelled,
            Happening::Changed,
            Happening::Expired,
            Happening::Suspended,
            Happening::Resumed,
            Happening::Released,
        ],
    ),
    (SubscriptionState::Released, &[]),
    (SubscriptionState::Failed, &[]),
];

/// Lets `happening` pass in `state`.
///
/// # Errors
/// [`Code::SubscriptionState`] when it is not possible there.
pub fn permit(state: SubscriptionState, happening: Happening) -> Result<(), Refusal> {
    let possible = TABLE.iter().any(|(from, allowed)| *from == state && allowed.contains(&happening));
    if possible { Ok(()) } else { Err(Refusal::new(Code::SubscriptionState).with("state", state)) }
}

/// The state of an opened subscription from the two causes of a freeze: having ended, and the operator.
#[must_use]
pub const fn frozen(expired_at: Option<i64>, suspended_at: Option<i64>) -> SubscriptionState {
    if expired_at.is_some() || suspended_at.is_some() { SubscriptionState::Frozen } else { SubscriptionState::InUse }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_state_is_in_the_table_once_and_ends_are_ends() {
        for state in SubscriptionState::ALL {
            assert_eq!(TABLE.iter().filter(|(from, _)| from == state).count(), 1, "{state}");
        }
        for state in [SubscriptionState::Released, SubscriptionState::Failed] {
            assert!(Happening::ALL.iter().all(|h| permit(state, *h).is_err()));
        }
        assert!(permit(SubscriptionState::Opening, Happening::Renewed).is_err());
        assert!(permit(SubscriptionState::Frozen, Happening::Renewed).is_ok());
    }

    #[test]
    fn two_causes_of_a_freeze_must_both_end() {
        assert_eq!(frozen(Some(1), Some(2)), SubscriptionState::Frozen);
        assert_eq!(frozen(None, Some(2)), SubscriptionState::Frozen);
        assert_eq!(frozen(None, None), SubscriptionState::InUse);
    }
}
