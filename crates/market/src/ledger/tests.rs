//! Books, ways and hashes, without a database.
#![allow(clippy::unwrap_used)]

use kernel::{AccountId, Entropy};

use super::book::allowed;
use super::chain::{Entry, GENESIS, Line, seal_hash};
use super::{Book, BookKind, EntryKind};

#[test]
fn a_book_reads_back_from_its_text() {
    let account = AccountId::new(0, &Entropy::from_seed([1; 32]));
    let number = "CS2601010800ABCDEFGHJK".to_owned();
    let books = [
        Book::Bank,
        Book::Buyer(account),
        Book::Held(number.clone()),
        Book::SellerPending(account),
        Book::SellerPayable(account),
        Book::PlatformFee,
        Book::Tax,
        Book::Refund(number),
    ];
    for book in books {
        assert_eq!(book.to_string().parse(), Ok(book.clone()));
    }
    for wrong in ["", "bank:", "bank:x", "buyer", "buyer:CS1", "held", "held:", "wallet:x", "platform-fee:acc"] {
        assert!(wrong.parse::<Book>().is_err(), "{wrong:?}");
    }
}

#[test]
fn money_never_leaves_the_market_but_by_a_payout() {
    for kind in EntryKind::ALL {
        for source in BookKind::ALL {
            assert_eq!(
                allowed(*kind, *source, BookKind::Bank),
                *kind == EntryKind::Payout && *source == BookKind::SellerPayable,
                "{kind} from {source}"
            );
            assert!(!allowed(*kind, *source, *source), "{kind} within {source}");
        }
    }
}

#[test]
fn a_seal_covers_every_part_of_a_transaction() {
    let line = Line { line: 1, source: "bank".to_owned(), destination: "buyer:a".to_owned(), amount_minor: 5 };
    let entry = Entry {
        id: "ltx_1".to_owned(),
        at: 7,
        kind: "deposit".to_owned(),
        reference: "dep_1".to_owned(),
        currency: "CNY".to_owned(),
        lines: vec![line.clone()],
    };
    let hash = seal_hash(&GENESIS, 1, 9, &entry);
    let changed = [
        seal_hash(&[1; 32], 1, 9, &entry),
        seal_hash(&GENESIS, 2, 9, &entry),
        seal_hash(&GENESIS, 1, 8, &entry),
        seal_hash(&GENESIS, 1, 9, &Entry { id: "ltx_2".to_owned(), ..entry.clone() }),
        seal_hash(&GENESIS, 1, 9, &Entry { at: 8, ..entry.clone() }),
        seal_hash(&GENESIS, 1, 9, &Entry { kind: "payout".to_owned(), ..entry.clone() }),
        seal_hash(&GENESIS, 1, 9, &Entry { reference: "dep_2".to_owned(), ..entry.clone() }),
        seal_hash(&GENESIS, 1, 9, &Entry { currency: "USD".to_owned(), ..entry.clone() }),
        seal_hash(&GENESIS, 1, 9, &Entry { lines: Vec::new(), ..entry.clone() }),
        seal_hash(&GENESIS, 1, 9, &Entry { lines: vec![line.clone(), line.clone()], ..entry.clone() }),
        seal_hash(&GENESIS, 1, 9, &Entry { lines: vec![Line { line: 2, ..line.clone() }], ..entry.clone() }),
        seal_hash(&GENESIS, 1, 9, &Entry { lines: vec![Line { amount_minor: 6, ..line.clone() }], ..entry.clone() }),
        // A letter that moves from one text to its neighbour is another content.
        seal_hash(
            &GENESIS,
            1,
            9,
            &Entry { lines: vec![Line { source: "ban".to_owned(), destination: "kbuyer:a".to_owned(), ..line }], ..entry },
        ),
    ];
    for (n, other) in changed.iter().enumerate() {
        assert_ne!(*other, hash, "change {n}");
    }
}
