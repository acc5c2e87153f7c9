//! Proofs that hold, and proofs that were changed in any place.
#![allow(clippy::unwrap_used)]

use std::collections::HashMap;

use serde_json::{Value, json};

use super::tree::{Frontier, Range, Subtree};
use super::*;

const NAME: &str = "market.example/ledger";

/// A ledger of so many entries; every third is a payment of CS1, and the last two are a settlement and a payout of stm_1.
struct Ledger {
    entries: Vec<Entry>,
    nodes: HashMap<Subtree, Hash>,
    roots: Vec<Hash>,
    signer: Signer,
}

impl Ledger {
    fn new(count: i64) -> Self {
        let (mut frontier, mut nodes, mut roots) = (Frontier::empty(), HashMap::new(), vec![tree::empty_root()]);
        let entries: Vec<Entry> = (1..=count).map(|sequence| entry(sequence, count)).collect();
        for entry in &entries {
            nodes.extend(frontier.append(entry.leaf_hash()));
            roots.push(frontier.root());
        }
        Self { entries, nodes, roots, signer: Signer::new(NAME, &[7; 32]).unwrap() }
    }

    fn fold(&self, ranges: Vec<Range>) -> Vec<Hash> {
        let hash = |range: Range| tree::join(&range.subtrees().iter().map(|subtree| self.nodes[subtree]).collect::<Vec<_>>());
        ranges.into_iter().map(hash).collect()
    }

    fn head(&self, size: u64) -> SignedHead {
        self.signer.sign(size, self.roots[usize::try_from(size).unwrap()], 1_000 + i64::try_from(size).unwrap())
    }

    fn inclusion(&self, subject: ProofSubject, reference: &str, size: u64) -> Inclusion {
        let own = self.entries.iter().filter(|entry| entry.reference == reference && subject.kinds().contains(&entry.kind.as_str()));
        let proven = |entry: &Entry| Proven {
            entry: entry.clone(),
            leaf_hash: entry.leaf_hash(),
            path: self.fold(tree::inclusion(entry.index().unwrap(), size).unwrap()),
        };
        Inclusion {
            format: INCLUSION_FORMAT.to_owned(),
            subject,
            reference: reference.to_owned(),
            entries: own.map(proven).collect(),
            head: self.head(size),
        }
    }

    fn consistency(&self, first: u64, second: u64) -> Consistency {
        Consistency {
            format: CONSISTENCY_FORMAT.to_owned(),
            first: self.head(first),
            second: self.head(second),
            path: self.fold(tree::consistency(first, second).unwrap()),
        }
    }
}

fn entry(sequence: i64, count: i64) -> Entry {
    let (kind, reference) = match (count - sequence, sequence % 3) {
        (0, _) => ("payout", "stm_1"),
        (1, _) => ("settlement", "stm_1"),
        (_, 0) => ("payment", "CS1"),
        _ => ("deposit", "dep_1"),
    };
    let posting = EntryPosting { amount: format!("{sequence}.00"), from: "bank".to_owned(), line: 1, to: "buyer:acc_1".to_owned() };
    Entry {
        at: sequence,
        currency: "CNY".to_owned(),
        id: format!("ltx_{sequence}"),
        kind: kind.to_owned(),
        postings: vec![posting],
        reference: reference.to_owned(),
        sealed_at: sequence,
        sequence,
    }
}

fn refused(proof: &Value) -> String {
    match check(&serde_json::to_vec(proof).unwrap(), None) {
        Err(reason) => reason.to_string(),
        Ok(_) => panic!("it holds: {proof:#}"),
    }
}

#[test]
fn proofs_of_orders_statements_and_payouts_hold() {
    let ledger = Ledger::new(13);
    for (subject, reference, count) in
        [(ProofSubject::Order, "CS1", 3), (ProofSubject::Statement, "stm_1", 2), (ProofSubject::Payout, "stm_1", 1)]
    {
        let proof = ledger.inclusion(subject, reference, 13);
        assert_eq!(proof.entries.len(), count);
        let file = serde_json::to_vec_pretty(&proof).unwrap();
        assert_eq!(check(&file, Some(ledger.signer.public_key())), Ok(Sound::Inclusion(proof)));
    }
    let proof = ledger.consistency(5, 13);
    assert_eq!(check(&serde_json::to_vec(&proof).unwrap(), None), Ok(Sound::Consistency(proof)));
}

#[test]
fn another_key_than_the_trusted_one_is_refused() {
    let ledger = Ledger::new(13);
    let stranger = Signer::new(NAME, &[8; 32]).unwrap();
    let proof = serde_json::to_vec(&ledger.inclusion(ProofSubject::Order, "CS1", 13)).unwrap();
    let refused = check(&proof, Some(stranger.public_key())).unwrap_err();
    assert!(matches!(&refused, Unsound::Key { which: "the head", .. }), "{refused}");
    let proof = serde_json::to_vec(&ledger.consistency(5, 13)).unwrap();
    assert!(matches!(check(&proof, Some(stranger.public_key())), Err(Unsound::Key { which: "the newer head", .. })));
}

/// Every leaf of a JSON document, by its pointer.
fn leaves(value: &Value, pointer: &str, found: &mut Vec<String>) {
    match value {
        Value::Object(members) => members.iter().for_each(|(name, value)| leaves(value, &format!("{pointer}/{name}"), found)),
        Value::Array(items) => items.iter().enumerate().for_each(|(n, value)| leaves(value, &format!("{pointer}/{n}"), found)),
        _ => found.push(pointer.to_owned()),
    }
}

/// The value with one character or digit of it changed.
fn changed(value: &Value, last: bool) -> Value {
    match value {
        Value::Number(number) => json!(number.as_i64().unwrap() + 1),
        Value::String(text) => {
            let mut text: Vec<char> = text.chars().collect();
            let at = if last { text.len() - 1 } else { 0 };
            text[at] = if text[at] == '1' { '2' } else { '1' };
            json!(text.into_iter().collect::<String>())
        }
        other => panic!("{other} is in no proof"),
    }
}

#[test]
fn a_proof_that_was_changed_in_any_member_is_refused_with_a_reason() {
    let ledger = Ledger::new(13);
    for proof in [
        serde_json::to_value(ledger.inclusion(ProofSubject::Order, "CS1", 13)).unwrap(),
        serde_json::to_value(ledger.inclusion(ProofSubject::Statement, "stm_1", 13)).unwrap(),
        serde_json::to_value(ledger.consistency(5, 13)).unwrap(),
    ] {
        let mut pointers = Vec::new();
        leaves(&proof, "", &mut pointers);
        assert!(pointers.len() > 12, "{pointers:?}");
        for pointer in &pointers {
            for last in [false, true] {
                let mut wrong = proof.clone();
                let member = wrong.pointer_mut(pointer).unwrap();
                *member = changed(member, last);
                assert!(!refused(&wrong).is_empty(), "{pointer}");
            }
        }
    }
}

/// A change to a proof.
type Change = fn(&mut Value);

#[test]
fn the_reason_says_what_is_wrong() {
    let ledger = Ledger::new(13);
    let proof = serde_json::to_value(ledger.inclusion(ProofSubject::Order, "CS1", 13)).unwrap();
    let cases: [(Change, &str); 18] = [
        (|p| p["format"] = json!("receipt"), "which this program does not know"),
        (|p| p["subject"] = json!("statement"), "not of the statement"),
        (|p| p["subject"] = json!("invoice"), "the file is no proof: unknown variant"),
        (|p| p["reference"] = json!("CS2"), "is a payment of CS1, which is not of the order"),
        (|p| p["entries"] = json!([]), "it holds no entry"),
        (|p| p["entries"][0]["entry"]["postings"][0]["amount"] = json!("300.00"), "entry 3 or the hash of its leaf was changed"),
        (|p| p["entries"][0]["entry"]["kind"] = json!("sale"), "entry 3 or the hash of its leaf was changed"),
        (|p| p["entries"][1]["path"][1] = p["entries"][1]["path"][0].clone(), "the path of entry 6 does not lead to the root"),
        (|p| p["entries"][1]["path"] = json!([]), "the path of entry 6 does not lead to the root"),
        (|p| p["entries"][1] = p["entries"][0].clone(), "entry 3 stands twice"),
        (|p| p["head"]["size"] = json!(14), "the signature of the head is wrong"),
        (|p| p["head"]["at"] = json!(0), "the signature of the head is wrong"),
        (|p| p["head"]["root"] = json!("00".repeat(32)), "the signature of the head is wrong"),
        (|p| p["head"]["key"] = json!("market.example/ledger+00000000+AAAA"), "the file is no proof: not a public key"),
        (|p| p["head"]["signature"] = json!("00"), "128 lower-case hexadecimal digits were wanted"),
        (|p| p["head"]["note"] = json!("x"), "the file is no proof: unknown field `note`"),
        (|p| _ = p.as_object_mut().unwrap().remove("head"), "missing field `head`"),
        (|p| p["entries"][0]["leaf_hash"] = json!("A".repeat(64)), "64 lower-case hexadecimal digits were wanted"),
    ];
    for (change, reason) in cases {
        let mut wrong = proof.clone();
        change(&mut wrong);
        let said = refused(&wrong);
        assert!(said.contains(reason), "{reason:?} was expected: {said}");
    }
    // Entries that came later than the head, though their own hashes are right.
    let mut early = ledger.inclusion(ProofSubject::Statement, "stm_1", 13);
    early.head = ledger.head(11);
    assert_eq!(early.check(None), Err(Unsound::Beyond { sequence: 12, size: 11 }));
    // A payout alone is not a statement.
    let payout = Inclusion { subject: ProofSubject::Statement, ..ledger.inclusion(ProofSubject::Payout, "stm_1", 13) };
    assert_eq!(payout.check(None), Err(Unsound::Subject("statement")));
}

#[test]
fn heads_of_two_ledgers_or_in_the_wrong_order_do_not_follow_from_each_other() {
    let (ledger, other) = (Ledger::new(13), Ledger::new(14));
    let proof = ledger.consistency(5, 13);
    let swapped = Consistency { first: proof.second.clone(), second: proof.first.clone(), ..proof.clone() };
    assert_eq!(swapped.check(None), Err(Unsound::Heads));
    // The last entries of the two differ.
    assert_eq!(Consistency { second: other.head(13), ..ledger.consistency(12, 13) }.check(None), Err(Unsound::Inconsistent));
    let elsewhere = Signer::new("elsewhere", &[7; 32]).unwrap();
    let foreign = Consistency { first: elsewhere.sign(5, proof.first.root, 0), ..proof.clone() };
    assert_eq!(foreign.check(None), Err(Unsound::Heads));
    // A key that was retired since.
    let retired = Signer::new(NAME, &[9; 32]).unwrap();
    let old = Consistency { first: retired.sign(5, proof.first.root, 0), ..proof };
    assert_eq!(old.check(Some(ledger.signer.public_key())), Ok(()));
}

#[test]
fn what_is_no_json_or_too_large_is_refused() {
    for file in [&b""[..], b"[]", b"{}", b"{\"format\":1}", b"\xff\xfe", b"{\"format\":\"yunshi-ledger-inclusion-1\"}"] {
        assert!(matches!(check(file, None), Err(Unsound::Unreadable(_))), "{file:?}");
    }
    assert_eq!(check(&vec![b' '; PROOF_BYTES_MAX + 1], None), Err(Unsound::TooLarge));
}
