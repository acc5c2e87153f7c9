//! The hash of a seal: what it covers, byte by byte. Pure.

use sha2::{Digest, Sha256};

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

/// SHA-256 over the hash before, the place in the chain, and the whole transaction. Texts and lists go in with their lengths, so no two
/// contents have the same bytes.
pub(super) fn seal_hash(previous: &[u8], sequence: i64, sealed_at: i64, entry: &Entry) -> [u8; 32] {
    let mut hash = Sha256::new();
    bytes(&mut hash, previous);
    hash.update(sequence.to_be_bytes());
    hash.update(sealed_at.to_be_bytes());
    bytes(&mut hash, entry.id.as_bytes());
    hash.update(entry.at.to_be_bytes());
    for text in [&entry.kind, &entry.reference, &entry.currency] {
        bytes(&mut hash, text.as_bytes());
    }
    length(&mut hash, entry.lines.len());
    for line in &entry.lines {
        hash.update(line.line.to_be_bytes());
        bytes(&mut hash, line.source.as_bytes());
        bytes(&mut hash, line.destination.as_bytes());
        hash.update(line.amount_minor.to_be_bytes());
    }
    hash.finalize().into()
}

fn bytes(hash: &mut Sha256, bytes: &[u8]) {
    length(hash, bytes.len());
    hash.update(bytes);
}

fn length(hash: &mut Sha256, length: usize) {
    // Lengths fit into 64 bits on every machine this runs on.
    hash.update(u64::try_from(length).unwrap_or(u64::MAX).to_be_bytes());
}
