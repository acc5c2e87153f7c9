//! A transaction of the ledger as a leaf of the tree.

use serde::{Deserialize, Serialize};

use super::{Hash, tree};

/// A sealed transaction in words: what a leaf is made of.
///
/// The leaf's content is this as JSON without white space, members sorted by their names, which is its canonical form by RFC 8785: whoever has a
/// JSON library can hash it again.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LedgerEntry)]
pub struct Entry {
    // The order of these members is the order of their names: that of the canonical form.
    /// When, market ms UTC.
    pub at: i64,
    /// The currency of its amounts.
    pub currency: String,
    /// The transaction's id.
    pub id: String,
    /// Why: `deposit`, `payment`, `sale`, `refund`, `settlement` or `payout`.
    pub kind: String,
    /// What moved.
    pub postings: Vec<EntryPosting>,
    /// For what: an order number, a deposit, a statement.
    pub reference: String,
    /// When it was put into the chain, market ms UTC.
    pub sealed_at: i64,
    /// Its place in the ledger, from 1.
    pub sequence: i64,
}

/// A movement of money from one book to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = LedgerEntryPosting)]
pub struct EntryPosting {
    /// How much, as people write it: `1234.50`.
    pub amount: String,
    /// The book it left.
    pub from: String,
    /// Its place in the transaction, from 1.
    pub line: i64,
    /// The book it went to.
    pub to: String,
}

impl Entry {
    /// The content of its leaf.
    ///
    /// # Panics
    /// Never: texts and numbers are always JSON.
    #[must_use]
    #[allow(clippy::expect_used)]
    pub fn content(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("texts and numbers are JSON")
    }

    /// The hash of its leaf.
    #[must_use]
    pub fn leaf_hash(&self) -> Hash {
        tree::leaf_hash(&self.content())
    }

    /// Its leaf's place in the tree, from 0; `None` when its sequence is none.
    #[must_use]
    pub fn index(&self) -> Option<u64> {
        u64::try_from(self.sequence).ok()?.checked_sub(1)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn entry() -> Entry {
        let posting = EntryPosting { amount: "60.00".to_owned(), from: "buyer:acc_1".to_owned(), line: 1, to: "held:CS1".to_owned() };
        Entry {
            at: 1_767_578_400_000,
            currency: "CNY".to_owned(),
            id: "ltx_1".to_owned(),
            kind: "payment".to_owned(),
            postings: vec![posting],
            reference: "CS1 \"云\"\n".to_owned(),
            sealed_at: 1_767_578_400_001,
            sequence: 7,
        }
    }

    #[test]
    fn a_leaf_is_canonical_json() {
        let expected = concat!(
            r#"{"at":1767578400000,"currency":"CNY","id":"ltx_1","kind":"payment","postings":[{"amount":"60.00","from":"buyer:acc_1","#,
            r#""line":1,"to":"held:CS1"}],"reference":"CS1 \"云\"\n","sealed_at":1767578400001,"sequence":7}"#
        );
        assert_eq!(String::from_utf8(entry().content()).unwrap(), expected);
        // A map sorts its members, a struct does not: were the members declared in another order, the two would differ.
        let sorted: serde_json::Map<String, serde_json::Value> = serde_json::from_str(expected).unwrap();
        assert_eq!(serde_json::to_string(&sorted).unwrap(), expected);
        assert_eq!(serde_json::from_str::<Entry>(expected).unwrap(), entry());
        assert_eq!(entry().index(), Some(6));
    }

    #[test]
    fn every_part_of_an_entry_is_in_its_leaf() {
        let changes: [fn(&mut Entry); 12] = [
            |e| e.at += 1,
            |e| e.currency = "USD".to_owned(),
            |e| e.id = "ltx_2".to_owned(),
            |e| e.kind = "refund".to_owned(),
            |e| e.reference = "CS2".to_owned(),
            |e| e.sealed_at += 1,
            |e| e.sequence += 1,
            |e| e.postings[0].amount = "60.01".to_owned(),
            |e| e.postings[0].from = "buyer:acc_2".to_owned(),
            |e| e.postings[0].to = "held:CS2".to_owned(),
            |e| e.postings[0].line = 2,
            |e| e.postings.clear(),
        ];
        for (n, change) in changes.iter().enumerate() {
            let mut changed = entry();
            change(&mut changed);
            assert_ne!(changed.leaf_hash(), entry().leaf_hash(), "change {n}");
        }
    }
}
