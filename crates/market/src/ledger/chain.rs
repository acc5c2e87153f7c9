//! The hash of a seal: what it covers, byte by byte; and a sealed transaction as a leaf of the tree. Pure.

use kernel::{Currency, Money};
use sha2::{Digest, Sha256};
use wire::proof;

/// What stands before the first seal.
pub(super) const GENESIS: [u8; 32] = [0; 32];

/// A posting as its row holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) line: i64,
    pub(super) source: String,
    pub(super) destination: String,
    pub(super) amount_minor: i64,
}

/// A transaction as its rows hold it: texts are not read as words or books, for a wrong one must be hashed and named, not refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) id: String,
    pub(super) at: i64,
    pub(super) kind: String,
    pub(super) reference: String,
    pub(super) currency: String,
    pub(super) lines: Vec<Line>,
}

/// SHA-256 over a canonical form: texts and lists go in with their lengths, so no two contents have the same bytes.
#[derive(Default)]
pub(crate) struct Canonical(Sha256);

impl Canonical {
    /// Adds a number.
    pub(crate) fn number(&mut self, number: i64) {
        self.0.update(number.to_be_bytes());
    }

    /// Adds bytes, or a text as its UTF-8.
    pub(crate) fn bytes(&mut self, bytes: impl AsRef<[u8]>) {
        self.length(bytes.as_ref().len());
        self.0.update(bytes);
    }

    /// Says how many items follow.
    pub(crate) fn length(&mut self, length: usize) {
        // Lengths fit into 64 bits on every machine this runs on.
        self.0.update(u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
    }

    /// The hash of everything added.
    pub(crate) fn finish(self) -> [u8; 32] {
        self.0.finalize().into()
    }
}

/// The hash of a seal: over the hash before, the place in the chain, and the whole transaction.
pub(super) fn seal_hash(previous: &[u8], sequence: i64, sealed_at: i64, entry: &Entry) -> [u8; 32] {
    let mut content = Canonical::default();
    content.bytes(previous);
    content.number(sequence);
    content.number(sealed_at);
    content.bytes(&entry.id);
    content.number(entry.at);
    for text in [&entry.kind, &entry.reference, &entry.currency] {
        content.bytes(text);
    }
    content.length(entry.lines.len());
    for line in &entry.lines {
        content.number(line.line);
        content.bytes(&line.source);
        content.bytes(&line.destination);
        content.number(line.amount_minor);
    }
    content.finish()
}

/// A sealed transaction as it is proven: the content of its leaf.
pub(super) fn leaf(sequence: i64, sealed_at: i64, entry: &Entry) -> proof::Entry {
    let posting = |line: &Line| proof::EntryPosting {
        amount: amount(line.amount_minor, &entry.currency),
        from: line.source.clone(),
        line: line.line,
        to: line.destination.clone(),
    };
    proof::Entry {
        at: entry.at,
        currency: entry.currency.clone(),
        id: entry.id.clone(),
        kind: entry.kind.clone(),
        postings: entry.lines.iter().map(posting).collect(),
        reference: entry.reference.clone(),
        sealed_at,
        sequence,
    }
}

/// An amount as people write it. How many decimals a currency has never changes: one that is made anew gets another code. Of a currency that is
/// none, only a changed row can be.
fn amount(minor: i64, currency: &str) -> String {
    currency.parse::<Currency>().map_or_else(|_| minor.to_string(), |currency| Money::new(minor, currency).decimal())
}
