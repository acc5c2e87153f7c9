//! What is said of a transaction: whom it concerns, and what it was. Pure.

use kernel::{Money, Zone};

use super::chart::{Account, Party};
use super::store::{Posting, Transaction};
use super::{Entry, Side};
use crate::ledger::{Book, EntryKind};

/// The transaction as it is written.
pub(super) fn entry(row: Transaction, zone: &Zone) -> Entry {
    let payee = payee(row.kind, &row.postings).map(|party| party.title.clone()).unwrap_or_default();
    let note = note(&row);
    let sides = row.postings.into_iter().flat_map(|posting| {
        let Posting { source, source_party, destination, destination_party, amount } = posting;
        let side = |book: Book, party: Option<&Party>, minor| Side {
            account: Account::of(&book, party),
            book,
            amount: Money::new(minor, amount.currency),
        };
        // What leaves one of our books is a debit there.
        [side(destination, destination_party.as_ref(), -amount.minor), side(source, source_party.as_ref(), amount.minor)]
    });
    Entry {
        id: row.id,
        day: zone.day(row.at),
        moment: zone.moment(row.at),
        kind: row.kind,
        reference: row.reference,
        payee,
        note,
        sides: sides.collect(),
    }
}

/// The buyer, where one pays, is paid or given back to; else the seller.
fn payee(kind: EntryKind, postings: &[Posting]) -> Option<&Party> {
    let sides = || postings.iter().flat_map(|p| [(&p.source, p.source_party.as_ref()), (&p.destination, p.destination_party.as_ref())]);
    let is_buyer = |book: &Book| matches!(book, Book::Buyer(_));
    let wanted = match kind {
        EntryKind::Deposit | EntryKind::Payment | EntryKind::Refund => sides().find(|(book, _)| is_buyer(book)),
        EntryKind::Sale | EntryKind::Settlement | EntryKind::Payout => sides().find(|(book, party)| party.is_some() && !is_buyer(book)),
    };
    wanted.and_then(|(_, party)| party)
}

fn note(row: &Transaction) -> String {
    let reference = &row.reference;
    let known = |text: &Option<String>| text.clone().filter(|text| !text.is_empty());
    match row.kind {
        EntryKind::Deposit => {
            let bank = known(&row.bank_reference).map_or_else(|| reference.clone(), |bank| format!("bank reference {bank}"));
            known(&row.note).map_or_else(|| format!("deposit, {bank}"), |note| format!("deposit, {bank}, {note}"))
        }
        EntryKind::Payment => format!("payment of {reference}"),
        EntryKind::Sale => format!("sale of {reference}"),
        EntryKind::Refund => format!("refund of {reference}"),
        EntryKind::Settlement => format!("statement of {}", row.period.as_ref().unwrap_or(reference)),
        EntryKind::Payout => {
            let period = row.period.as_ref().unwrap_or(reference);
            known(&row.bank_reference)
                .map_or_else(|| format!("payout of {period}"), |bank| format!("payout of {period}, bank reference {bank}"))
        }
    }
}

/// The name under which a tool finds everything about one order, deposit or statement.
pub(super) const fn reference_name(kind: EntryKind) -> &'static str {
    match kind {
        EntryKind::Deposit => "deposit",
        EntryKind::Payment | EntryKind::Sale | EntryKind::Refund => "order",
        EntryKind::Settlement | EntryKind::Payout => "statement",
    }
}

/// One line: what would begin a new one, or shows nothing, is a space.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}') { ' ' } else { c }).collect()
}
