//! What the marketplace's ledger says for itself: signed heads, and proofs that entries are in it, which need neither the marketplace nor its
//! database to be checked.
//!
//! * [`entry`](Entry): a transaction of the ledger, and the content of its leaf.
//! * [`tree`]: the Merkle tree of RFC 6962 over these leaves.
//! * [`SignedHead`], [`PublicKey`]: what the marketplace signs, hour by hour.
//! * [`Inclusion`]: the entries of an order, a statement or a payout, with their paths to a head. [`Consistency`]: two heads, with the proof that
//!   the newer ledger begins with the whole older one.
//!
//! A proof that was changed anywhere is refused: every member is either hashed, signed, or compared with what is. What no proof shows is that
//! there is nothing *else* in the ledger.

mod bytes;
mod entry;
mod head;
pub mod tree;

use serde::{Deserialize, Serialize};

pub use bytes::{Hash, Signature};
pub use entry::{Entry, EntryPosting};
pub use head::{PublicKey, SignedHead, Signer};
use tree::Tree;

/// What the file of an [`Inclusion`] says it is.
pub const INCLUSION_FORMAT: &str = "yunshi-ledger-inclusion-1";
/// What the file of a [`Consistency`] says it is.
pub const CONSISTENCY_FORMAT: &str = "yunshi-ledger-consistency-1";
/// The largest file that is read, in bytes `[ours]`: an order has a handful of entries of a few kilobytes.
pub const PROOF_BYTES_MAX: usize = 16 << 20;

/// What a proof is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum ProofSubject {
    /// What was paid, sold and given back of an order.
    Order,
    /// What a seller's statement moved, and its payout.
    Statement,
    /// The payout of a statement.
    Payout,
}

impl ProofSubject {
    /// The word.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Order => "order",
            Self::Statement => "statement",
            Self::Payout => "payout",
        }
    }

    /// The kinds of entry that it can have.
    #[must_use]
    pub const fn kinds(self) -> &'static [&'static str] {
        match self {
            Self::Order => &["payment", "sale", "refund"],
            Self::Statement => &["settlement", "payout"],
            Self::Payout => &["payout"],
        }
    }

    /// The kind of entry that it must have. Of an order that is none: a refund is an order of its own, without a payment.
    const fn needed(self) -> Option<&'static str> {
        match self {
            Self::Order => None,
            Self::Statement => Some("settlement"),
            Self::Payout => Some("payout"),
        }
    }
}

/// The proof that entries are in the ledger of which the head speaks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = InclusionProof)]
pub struct Inclusion {
    /// [`INCLUSION_FORMAT`].
    pub format: String,
    /// What it is about.
    pub subject: ProofSubject,
    /// The order's number or the statement's id.
    pub reference: String,
    /// Its entries, in the order of the ledger.
    pub entries: Vec<Proven>,
    /// The head to which the paths lead.
    pub head: SignedHead,
}

/// An entry and the way from its leaf to the root.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ProvenEntry)]
pub struct Proven {
    /// The entry.
    pub entry: Entry,
    /// The hash of its leaf.
    pub leaf_hash: Hash,
    /// What stands beside the way to the root, from the leaf upward (RFC 6962 §2.1.1).
    pub path: Vec<Hash>,
}

/// The proof that the ledger of the second head begins with the whole ledger of the first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(as = ConsistencyProof)]
pub struct Consistency {
    /// [`CONSISTENCY_FORMAT`].
    pub format: String,
    /// The older head.
    pub first: SignedHead,
    /// The newer one.
    pub second: SignedHead,
    /// The hashes of RFC 6962 §2.1.2.
    pub path: Vec<Hash>,
}

/// A proof that was read and holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sound {
    /// Entries are in the ledger.
    Inclusion(Inclusion),
    /// A ledger was only added to.
    Consistency(Consistency),
}

/// Why a proof is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Unsound {
    /// It is larger than any proof.
    #[error("the file has more than {PROOF_BYTES_MAX} bytes, which no proof has")]
    TooLarge,
    /// It cannot be read.
    #[error("the file is no proof: {0}")]
    Unreadable(String),
    /// It says that it is something else.
    #[error("the file says that it is {0:?}, which this program does not know")]
    Format(String),
    /// Another key than the one that is trusted.
    #[error("{which} was signed with the key {found}, not with the one that was given, {given}")]
    Key {
        /// Which head.
        which: &'static str,
        /// Whose key it carries.
        found: String,
        /// The one that is trusted.
        given: String,
    },
    /// A signature does not fit.
    #[error("the signature of {0} is wrong: its size, root, time, key or the signature itself was changed")]
    Signature(&'static str),
    /// A proof of nothing.
    #[error("it holds no entry")]
    Empty,
    /// An entry that does not belong to what the proof is about.
    #[error("entry {sequence} is a {kind} of {reference}, which is not of the {subject} that the file is about")]
    Foreign {
        /// The entry.
        sequence: i64,
        /// Its kind.
        kind: String,
        /// What it is for.
        reference: String,
        /// What the proof is about.
        subject: &'static str,
    },
    /// The entries are not those of its subject.
    #[error("its entries are not those of a {0}")]
    Subject(&'static str),
    /// Entries twice, or not in the order of the ledger.
    #[error("entry {0} stands twice, or not in the order of the ledger")]
    Disorder(i64),
    /// An entry was changed, or the hash of its leaf.
    #[error("entry {0} or the hash of its leaf was changed: the one is not the hash of the other")]
    Leaf(i64),
    /// An entry that the head's ledger cannot have.
    #[error("entry {sequence} is beyond the {size} entries of which the head speaks")]
    Beyond {
        /// The entry.
        sequence: i64,
        /// The size of the tree.
        size: u64,
    },
    /// A path that leads elsewhere.
    #[error("the path of entry {0} does not lead to the root that was signed: the path was changed, or the entry is not in this ledger")]
    Path(i64),
    /// Two heads that do not follow from each other.
    #[error("the newer ledger does not begin with the older one, or the path between them was changed")]
    Inconsistent,
    /// Heads in the wrong order, or of two markets.
    #[error("the heads are not an older and a newer one of the same ledger")]
    Heads,
}

impl Inclusion {
    /// Checks it; `trusted` is the key that it must be signed with, when one is known from elsewhere.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn check(&self, trusted: Option<&PublicKey>) -> Result<(), Unsound> {
        if self.format != INCLUSION_FORMAT {
            return Err(Unsound::Format(self.format.clone()));
        }
        check_head("the head", &self.head, trusted)?;
        if self.entries.is_empty() {
            return Err(Unsound::Empty);
        }
        let mut last = i64::MIN;
        for proven in &self.entries {
            let Proven { entry, .. } = proven;
            if entry.reference != self.reference || !self.subject.kinds().contains(&entry.kind.as_str()) {
                return Err(Unsound::Foreign {
                    sequence: entry.sequence,
                    kind: entry.kind.clone(),
                    reference: entry.reference.clone(),
                    subject: self.subject.word(),
                });
            }
            proven.check(&self.head)?;
            if entry.sequence <= last {
                return Err(Unsound::Disorder(entry.sequence));
            }
            last = entry.sequence;
        }
        match self.subject.needed() {
            Some(kind) if !self.entries.iter().any(|proven| proven.entry.kind == kind) => Err(Unsound::Subject(self.subject.word())),
            _ => Ok(()),
        }
    }
}

impl Proven {
    fn check(&self, head: &SignedHead) -> Result<(), Unsound> {
        let sequence = self.entry.sequence;
        if self.entry.leaf_hash() != self.leaf_hash {
            return Err(Unsound::Leaf(sequence));
        }
        let beyond = Unsound::Beyond { sequence, size: head.size };
        let index = self.entry.index().filter(|index| *index < head.size).ok_or(beyond)?;
        match tree::root_by_path(&self.leaf_hash, index, head.size, &self.path) {
            Some(root) if root == head.root => Ok(()),
            _ => Err(Unsound::Path(sequence)),
        }
    }
}

impl Consistency {
    /// Checks it; `trusted` is the key that the newer head must be signed with, when one is known from elsewhere. The older one may be of a key
    /// that was retired since.
    ///
    /// # Errors
    /// The first thing that is wrong with it.
    pub fn check(&self, trusted: Option<&PublicKey>) -> Result<(), Unsound> {
        let Self { format, first, second, path } = self;
        if format != CONSISTENCY_FORMAT {
            return Err(Unsound::Format(format.clone()));
        }
        check_head("the newer head", second, trusted)?;
        check_head("the older head", first, None)?;
        if first.size > second.size || first.at > second.at || first.key.name() != second.key.name() {
            return Err(Unsound::Heads);
        }
        let tree = |head: &SignedHead| Tree { size: head.size, root: head.root };
        if tree::is_consistent(tree(first), tree(second), path) { Ok(()) } else { Err(Unsound::Inconsistent) }
    }
}

fn check_head(which: &'static str, head: &SignedHead, trusted: Option<&PublicKey>) -> Result<(), Unsound> {
    if let Some(given) = trusted.filter(|given| **given != head.key) {
        return Err(Unsound::Key { which, found: head.key.to_string(), given: given.to_string() });
    }
    if head.is_signed() { Ok(()) } else { Err(Unsound::Signature(which)) }
}

/// Reads a proof of either kind and checks it; `trusted` is the key that it must be signed with, when one is known from elsewhere.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn check(file: &[u8], trusted: Option<&PublicKey>) -> Result<Sound, Unsound> {
    /// What both kinds have.
    #[derive(Deserialize)]
    struct Kind {
        format: String,
    }
    if file.len() > PROOF_BYTES_MAX {
        return Err(Unsound::TooLarge);
    }
    let unreadable = |error: serde_json::Error| Unsound::Unreadable(error.to_string());
    let Kind { format } = serde_json::from_slice(file).map_err(unreadable)?;
    match format.as_str() {
        INCLUSION_FORMAT => {
            let proof: Inclusion = serde_json::from_slice(file).map_err(unreadable)?;
            proof.check(trusted).map(|()| Sound::Inclusion(proof))
        }
        CONSISTENCY_FORMAT => {
            let proof: Consistency = serde_json::from_slice(file).map_err(unreadable)?;
            proof.check(trusted).map(|()| Sound::Consistency(proof))
        }
        _ => Err(Unsound::Format(format)),
    }
}

#[cfg(test)]
mod tests;
