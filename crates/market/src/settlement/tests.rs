//! Fees, outcomes and states, without a database.
#![allow(clippy::unwrap_used)]

use kernel::{Code, Currency, Money, Rate};
use proptest::prelude::*;

use super::fees::{line_fee, reduction};
use super::settlement_postings;
use super::state::{StatementEvent, StatementState, TRANSITIONS, decide, outcome};
use crate::edition::{Edition, EditionKind};
use crate::ledger::Book;

/// 10 000 yuan in minor units: the unit of the fee table (spec: business §7.4).
const TEN_THOUSAND: i64 = 1_000_000;

fn cny(minor: i64) -> Money {
    Money::new(minor, Currency::CNY)
}

#[test]
fn the_reduction_begins_exactly_at_its_step_and_holds_for_the_whole_sum() {
    let edition = Edition::defaults(EditionKind::Cn);
    let expected = [
        (0, 0),
        (50 * TEN_THOUSAND - 1, 0),
        (50 * TEN_THOUSAND, 100),
        (100 * TEN_THOUSAND - 1, 100),
        (100 * TEN_THOUSAND, 200),
        (150 * TEN_THOUSAND, 200),
    ];
    for (paid, bp) in expected {
        assert_eq!(reduction(&edition.fee_steps, paid), Rate::bp(bp), "{paid}");
    }
    // The worked example: 150 → 150 × (95 % + 2 %).
    let sales = cny(150 * TEN_THOUSAND);
    let fee = line_fee(sales, edition.fee_common, reduction(&edition.fee_steps, sales.minor)).unwrap();
    assert_eq!(sales.minus(fee).unwrap(), sales.part(Rate::bp(9_700)).unwrap());
    assert!(Edition::defaults(EditionKind::Intl).fee_steps.is_empty());
}

#[test]
fn a_reduction_never_makes_a_fee_negative() {
    assert_eq!(line_fee(cny(10_000), Rate::bp(100), Rate::bp(200)).unwrap(), cny(0));
}

#[test]
fn small_and_negative_sums_are_carried() {
    for (sum, state, payable, carried) in [
        (10_000, StatementState::Payable, 10_000, 0),
        (9_999, StatementState::Carried, 0, 9_999),
        (0, StatementState::Carried, 0, 0),
        (-5, StatementState::Carried, 0, -5),
    ] {
        let found = outcome(cny(sum), 10_000);
        assert_eq!((found.state, found.payable.minor, found.carried_out.minor), (state, payable, carried), "{sum}");
    }
    assert_eq!(outcome(cny(0), 0).state, StatementState::Carried, "nothing is not paid out");
}

#[test]
fn the_table_of_states_is_what_decides() {
    for state in StatementState::ALL {
        for event in StatementEvent::ALL {
            let listed = TRANSITIONS.iter().find(|(from, by, _)| (from, by) == (state, event)).map(|(_, _, to)| *to);
            match decide(*state, *event) {
                Ok(to) => assert_eq!(Some(to), listed),
                Err(refusal) => assert_eq!((listed, refusal.code), (None, Code::StatementState)),
            }
        }
    }
    assert_eq!(decide(StatementState::Payable, StatementEvent::Pay), Ok(StatementState::Paid));
    assert!(decide(StatementState::Paid, StatementEvent::Pay).is_err(), "a statement is paid once");
}

proptest! {
    #[test]
    fn what_a_statement_takes_from_the_pending_book_is_its_fee_and_what_is_payable(
        fee in -1_000_000i64..1_000_000, tax_bp in 0i64..3_000, payable in 0i64..1_000_000, seed: [u8; 32]
    ) {
        let seller = kernel::AccountId::new(0, &kernel::Entropy::from_seed(seed));
        let tax = cny(fee).tax_inside(Rate::bp(tax_bp)).unwrap().minor;
        let pending = Book::SellerPending(seller);
        let postings = settlement_postings(seller, fee, tax, payable);
        let taken: i64 = postings.iter().map(|p| if p.source == pending { p.amount_minor } else { -p.amount_minor }).sum();
        prop_assert!(postings.iter().all(|p| p.amount_minor >= 0));
        prop_assert_eq!(taken, fee + payable);
    }
}
