//! The platform's fee on a line (spec: business §7.4). Pure.

use kernel::{Money, Rate, Refusal};

use crate::edition::FeeStep;

/// The reduction that a product's paid sum of a calendar month has reached; it holds for the whole sum, not only for what is above the step.
pub(super) fn reduction(steps: &[FeeStep], paid_sum_minor: i64) -> Rate {
    steps.iter().rev().find(|step| paid_sum_minor >= step.from_minor).map_or(Rate::bp(0), |step| step.reduction)
}

/// The fee on `amount` at the line's own rate less the reduction, rounded half to even (spec: business §7.5).
///
/// # Errors
/// [`kernel::Code::AmountTooLarge`].
pub(super) fn line_fee(amount: Money, fee: Rate, reduction: Rate) -> Result<Money, Refusal> {
    amount.part(Rate::bp((fee.bp - reduction.bp).max(0)))
}
