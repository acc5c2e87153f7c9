//! The states of orders and their lines as data (spec: business §5.1, state machine 10).

use kernel::{Code, Refusal};

kernel::words! {
    /// What an order is for; the words are the protocol's (spec: protocol §3.3).
    pub enum OrderKind {
        /// A purchase.
        New = "NEW",
        /// A renewal.
        Renew = "RENEW",
        /// Another SKU or quantity.
        Change = "CHANGE",
        /// A refund.
        Unsubscribe = "UNSUBSCRIBE",
    }
}

kernel::words! {
    /// How an order stands.
    pub enum OrderState {
        /// A large refund, about which the operator decides.
        PendingReview = "pending_review",
        /// Placed, not paid.
        PendingPayment = "pending_payment",
        /// Paid; the seller delivers.
        Processing = "processing",
        /// Every line is decided, and at least one was delivered and has not been returned.
        Completed = "completed",
        /// Never paid.
        Cancelled = "cancelled",
        /// No line could be delivered; the money was returned.
        Failed = "failed",
        /// A refund order whose money is on its way; or an order that is being refunded.
        Refunding = "refunding",
        /// The money was returned.
        Refunded = "refunded",
    }
}

kernel::words! {
    /// How a line stands.
    pub enum LineState {
        /// Its order is not paid, or waits for the operator.
        Waiting = "waiting",
        /// The seller delivers it.
        Processing = "processing",
        /// Delivered.
        Done = "done",
        /// Could not be delivered; its money was returned.
        Failed = "failed",
        /// Its order was cancelled.
        Cancelled = "cancelled",
        /// Returned after delivery.
        Refunded = "refunded",
    }
}

kernel::words! {
    /// What may happen to an order.
    pub enum OrderEvent {
        /// The buyer pays.
        Pay = "pay",
        /// The operator approves it.
        Approve = "approve",
        /// The buyer cancels it, its time to be paid is over, or the operator refuses it.
        Cancel = "cancel",
        /// The last line was decided, and one that was delivered is left.
        Complete = "complete",
        /// The last line was decided, none delivered.
        Fail = "fail",
        /// Nothing is left of it: the last line that was left is being returned, or could not be delivered after others were returned.
        Refund = "refund",
        /// The money of a refund has arrived.
        PayBack = "pay_back",
    }
}

/// `state | event | next`.
const TABLE: &[(OrderState, OrderEvent, OrderState)] = &[
    (OrderState::PendingReview, OrderEvent::Approve, OrderState::Refunding),
    (OrderState::PendingReview, OrderEvent::Cancel, OrderState::Cancelled),
    (OrderState::PendingPayment, OrderEvent::Pay, OrderState::Processing),
    (OrderState::PendingPayment, OrderEvent::Cancel, OrderState::Cancelled),
    (OrderState::Processing, OrderEvent::Complete, OrderState::Completed),
    (OrderState::Processing, OrderEvent::Fail, OrderState::Failed),
    (OrderState::Processing, OrderEvent::Refund, OrderState::Refunding),
    (OrderState::Completed, OrderEvent::Refund, OrderState::Refunding),
    (OrderState::Refunding, OrderEvent::PayBack, OrderState::Refunded),
];

/// Where `event` leads from `state`.
///
/// # Errors
/// [`Code::OrderState`] when it leads nowhere.
pub fn next(state: OrderState, event: OrderEvent) -> Result<OrderState, Refusal> {
    TABLE
        .iter()
        .find(|(from, on, _)| *from == state && *on == event)
        .map(|(_, _, to)| *to)
        .ok_or_else(|| Refusal::new(Code::OrderState).with("state", state))
}

/// The event that decides an order whose lines stand like this; none while one is being delivered.
#[must_use]
pub fn outcome(lines: &[LineState]) -> Option<OrderEvent> {
    let any = |states: &[LineState]| lines.iter().any(|line| states.contains(line));
    if any(&[LineState::Waiting, LineState::Processing]) {
        None
    } else if any(&[LineState::Done]) {
        Some(OrderEvent::Complete)
    } else if any(&[LineState::Refunded]) {
        Some(OrderEvent::Refund)
    } else {
        Some(OrderEvent::Fail)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_a_function_and_every_state_is_reached() {
        for (from, event, _) in TABLE {
            assert_eq!(TABLE.iter().filter(|(f, e, _)| f == from && e == event).count(), 1);
        }
        for state in OrderState::ALL {
            let reached =
                TABLE.iter().any(|(_, _, to)| to == state) || matches!(state, OrderState::PendingPayment | OrderState::PendingReview);
            assert!(reached, "{state}");
        }
        assert!(next(OrderState::Cancelled, OrderEvent::Pay).is_err());
        assert!(next(OrderState::Processing, OrderEvent::Cancel).is_err());
    }

    #[test]
    fn an_order_ends_when_its_last_line_is_decided() {
        use LineState::{Done, Failed, Processing, Refunded};
        for (lines, expected) in [
            (&[Done, Processing][..], None),
            (&[Done, Failed], Some(OrderEvent::Complete)),
            (&[Failed, Failed], Some(OrderEvent::Fail)),
            (&[Done], Some(OrderEvent::Complete)),
            (&[Refunded, Processing], None),
            (&[Refunded, Done, Failed], Some(OrderEvent::Complete)),
            (&[Refunded, Failed], Some(OrderEvent::Refund)),
            (&[Refunded, Refunded], Some(OrderEvent::Refund)),
        ] {
            assert_eq!(outcome(lines), expected, "{lines:?}");
        }
    }
}
