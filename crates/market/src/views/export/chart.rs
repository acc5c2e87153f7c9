//! The chart of accounts: which account of an accountant's books a book of the ledger is. Pure.
//!
//! The names are valid in every format, so the books can be compared whatever tool reads them. A buyer and a seller have accounts of their
//! own, named by their account's name and, because names can look alike and be of any letters, by the whole number of its id. Orders have
//! none: what is held for one is found by the order's number, which every posting carries.

use kernel::AccountId;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::ledger::{Book, BookKind};

/// The most characters of a name inside the name of an account.
const NAME_CHARS_MAX: usize = 40;

/// The five classes of accounts that the formats know, as far as the market has any.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Class {
    /// What the market has.
    Asset,
    /// What it owes.
    Liability,
    /// What it earned.
    Income,
}

/// An account of the books.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Account {
    /// `Liabilities:Buyers:Acme-01jd8z3k5wf2q9v7n4x6m0t1ya`.
    pub(super) name: String,
    pub(super) kind: BookKind,
    /// Whose, when it is somebody's.
    pub(super) party: Option<Party>,
}

/// A buyer or a seller.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Party {
    pub(super) id: AccountId,
    /// The account's unique name.
    pub(super) name: String,
    /// The company, or the person.
    pub(super) title: String,
}

impl Account {
    /// The account that `book` belongs to; `party` is whose account the book names, when it names one.
    pub(super) fn of(book: &Book, party: Option<&Party>) -> Self {
        let of = |group: &str, id: AccountId| {
            let unknown = || Party { id, name: String::new(), title: String::new() };
            let party = party.cloned().unwrap_or_else(unknown);
            (format!("{group}:{}", component(&party)), Some(party))
        };
        let (name, party) = match book {
            Book::Bank => ("Assets:Bank".to_owned(), None),
            Book::Buyer(id) => of("Liabilities:Buyers", *id),
            Book::Held(_) => ("Liabilities:Held".to_owned(), None),
            Book::SellerPending(id) => of("Liabilities:Sellers:Pending", *id),
            Book::SellerPayable(id) => of("Liabilities:Sellers:Payable", *id),
            Book::PlatformFee => ("Income:PlatformFee".to_owned(), None),
            Book::Tax => ("Liabilities:Tax".to_owned(), None),
            Book::Refund(_) => ("Liabilities:Refunds".to_owned(), None),
        };
        Self { name, kind: book.kind(), party }
    }

    /// What class of account it is.
    pub(super) const fn class(&self) -> Class {
        match self.kind {
            BookKind::Bank => Class::Asset,
            BookKind::PlatformFee => Class::Income,
            BookKind::Buyer | BookKind::Held | BookKind::SellerPending | BookKind::SellerPayable | BookKind::Tax | BookKind::Refund => {
                Class::Liability
            }
        }
    }
}

/// The order whose money a book holds.
pub(super) fn order_of(book: &Book) -> Option<&str> {
    match book {
        Book::Held(number) | Book::Refund(number) => Some(number),
        Book::Bank | Book::Buyer(_) | Book::SellerPending(_) | Book::SellerPayable(_) | Book::PlatformFee | Book::Tax => None,
    }
}

/// The last part of an account's name: letters, digits and single hyphens, beginning with a capital, a digit or a letter that has no case;
/// stricter than hledger asks for, as strict as beancount does.
fn component(party: &Party) -> String {
    let number = party.id.to_string();
    let number = number.split_once('_').map_or(number.as_str(), |(_, number)| number);
    let mut slug = String::new();
    for c in party.name.nfkc().take(NAME_CHARS_MAX) {
        // Marks and letter-like numbers count as alphabetic, too, but not for beancount.
        let is_letter = c.is_ascii_alphanumeric() || (c.is_alphabetic() && !c.is_numeric() && !is_combining_mark(c));
        if is_letter {
            slug.push(c);
        } else if !slug.is_empty() && !slug.ends_with('-') {
            slug.push('-');
        }
    }
    let slug = slug.trim_end_matches('-');
    let mut rest = slug.chars();
    match rest.next() {
        Some(first) => format!("{}{}-{number}", first.to_uppercase(), rest.as_str()),
        None => number.to_owned(),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use kernel::Entropy;

    use super::*;

    fn named(name: &str) -> String {
        let id = AccountId::new(0, &Entropy::from_seed([1; 32]));
        let party = Party { id, name: name.to_owned(), title: String::new() };
        let full = Account::of(&Book::Buyer(id), Some(&party)).name;
        let number = id.to_string().replace("acc_", "");
        full.strip_prefix("Liabilities:Buyers:").unwrap().strip_suffix(&number).unwrap().to_owned()
    }

    #[test]
    fn names_of_any_letters_become_parts_of_account_names() {
        for (name, expected) in [
            ("acme", "Acme-"),
            ("Acme Cloud (Shenzhen) Co.", "Acme-Cloud-Shenzhen-Co-"),
            ("深圳云表格", "深圳云表格-"),
            ("ＡＣＭＥ ①", "ACME-1-"),
            ("élan", "Élan-"),
            ("7-eleven", "7-eleven-"),
            ("a:b;c\td", "A-b-c-d-"),
            ("--", ""),
            ("ⅷ", "Viii-"),
            ("e\u{301}\u{323}", "Ẹ-"),
        ] {
            assert_eq!(named(name), expected, "{name:?}");
        }
        assert_eq!(named(&"x".repeat(60)).len(), NAME_CHARS_MAX + 1);
    }

    #[test]
    fn every_kind_of_book_has_its_place_in_the_chart() {
        let id = AccountId::new(0, &Entropy::from_seed([1; 32]));
        let order = || "CS1".to_owned();
        let books = [
            Book::Bank,
            Book::Buyer(id),
            Book::Held(order()),
            Book::SellerPending(id),
            Book::SellerPayable(id),
            Book::PlatformFee,
            Book::Tax,
            Book::Refund(order()),
        ];
        let accounts: Vec<_> = books.iter().map(|book| Account::of(book, None)).collect();
        for account in &accounts {
            let root = match account.class() {
                Class::Asset => "Assets:",
                Class::Liability => "Liabilities:",
                Class::Income => "Income:",
            };
            assert!(account.name.starts_with(root), "{account:?}");
        }
        let mut kinds: Vec<_> = accounts.iter().map(|account| account.kind).collect();
        kinds.sort_unstable();
        assert_eq!(kinds, BookKind::ALL);
        assert_eq!((order_of(&books[2]), order_of(&books[1])), (Some("CS1"), None));
    }
}
