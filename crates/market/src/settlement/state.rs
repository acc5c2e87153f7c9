//! The states of a statement, as data, and what a sum becomes. Pure.
//!
//! The countersignature, the requisition and the invoices that stand between "made" and "paid" (spec: business §7.3, state machine 15)
//! are rows to be added to the table; nothing else knows the order of states.

use kernel::{Code, Money, Refusal};

kernel::words! {
    /// Where a statement stands.
    pub enum StatementState {
        /// It waits for the transfer to the seller's bank account.
        Payable = "payable",
        /// Its sum was too small or negative, and begins the next statement.
        Carried = "carried",
        /// The transfer was recorded.
        Paid = "paid",
    }
}

kernel::words! {
    /// What happens to a statement.
    pub enum StatementEvent {
        /// Finance records the transfer.
        Pay = "pay",
    }
}

/// Every step a statement may take.
pub const TRANSITIONS: &[(StatementState, StatementEvent, StatementState)] =
    &[(StatementState::Payable, StatementEvent::Pay, StatementState::Paid)];

/// The state after `event`.
///
/// # Errors
/// [`Code::StatementState`] with `state` when the table has no such step.
pub fn decide(state: StatementState, event: StatementEvent) -> Result<StatementState, Refusal> {
    TRANSITIONS
        .iter()
        .find(|(from, by, _)| (*from, *by) == (state, event))
        .map(|(_, _, to)| *to)
        .ok_or_else(|| Refusal::new(Code::StatementState).with("state", state))
}

/// What becomes of a statement's sum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Outcome {
    pub(super) state: StatementState,
    pub(super) payable: Money,
    pub(super) carried_out: Money,
}

/// A sum that reaches the smallest payout is payable; any other is carried to the next statement (spec: business §7.5, §12 Q13).
pub(super) fn outcome(sum: Money, payout_min_minor: i64) -> Outcome {
    let nothing = Money::zero(sum.currency);
    if sum.minor > 0 && sum.minor >= payout_min_minor {
        return Outcome { state: StatementState::Payable, payable: sum, carried_out: nothing };
    }
    Outcome { state: StatementState::Carried, payable: nothing, carried_out: sum }
}
