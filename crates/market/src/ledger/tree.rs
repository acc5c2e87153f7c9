//! The tree as it is kept: the hash of each complete subtree. What is made of these hashes is in `wire::proof::tree`.
//!
//! To append a leaf and to prove one takes about as many rows as a leaf's place has binary digits, however large the ledger.

use db::{Error, Result, Tx};
use kernel::{Code, Refusal};
use wire::proof::tree::{self as merkle, Frontier, Range, Subtree};
use wire::proof::{CONSISTENCY_FORMAT, Consistency, Hash, INCLUSION_FORMAT, Inclusion, ProofSubject, Proven};

use super::{chain, head_of_size, newest_head, store};

/// The most transactions of one order or statement that a proof holds; an order has a handful.
const TRANSACTIONS_OF_MAX: i64 = 1_000;

/// A tree that has grown.
pub(super) struct Grown {
    pub(super) frontier: Frontier,
    /// Whether there may be more to append.
    pub(super) more: bool,
}

/// Appends up to `limit` leaves of what was sealed before `before` (market ms UTC), in the order of the chain.
///
/// # Errors
/// [`Error::Broken`] when the chain has a gap or the tree a hole.
pub(super) async fn grow(tx: &mut Tx, before: i64, limit: i64) -> Result<Grown> {
    let size = store::leaf_count(tx).await?;
    let mut frontier = frontier(tx, size).await?;
    let (seals, mut lines) = store::seals_after(tx, size, limit).await?;
    let mut more = i64::try_from(seals.len()) == Ok(limit);
    for (expected, seal) in (size + 1..).zip(seals) {
        if seal.sealed_at >= before {
            more = false;
            break;
        }
        let entry = seal.head.filter(|_| seal.sequence == expected);
        let entry = entry.ok_or_else(|| Error::broken(format!("seal {expected} or its transaction is missing; run yunshi verify")))?;
        let entry = entry.entry(lines.remove(&seal.transaction_id).unwrap_or_default());
        let leaf = chain::leaf(seal.sequence, seal.sealed_at, &entry).leaf_hash();
        for (subtree, hash) in frontier.append(leaf) {
            store::insert_subtree(tx, subtree, &hash).await?;
        }
    }
    Ok(Grown { frontier, more })
}

async fn frontier(tx: &mut Tx, size: i64) -> Result<Frontier> {
    let size = u64::try_from(size).map_err(|_| Error::broken("a tree of less than nothing"))?;
    let peaks = subtrees(tx, Range::whole(size)).await?;
    Frontier::new(size, peaks).ok_or_else(|| Error::broken("a tree whose edge does not fit its size"))
}

async fn subtrees(tx: &mut Tx, range: Range) -> Result<Vec<Hash>> {
    let mut hashes = Vec::new();
    for subtree in range.subtrees() {
        hashes.push(find(tx, subtree).await?);
    }
    Ok(hashes)
}

async fn find(tx: &mut Tx, subtree: Subtree) -> Result<Hash> {
    let Subtree { level, index } = subtree;
    let missing = || Error::broken(format!("the subtree {level}/{index} of the ledger is missing; run yunshi verify"));
    store::subtree(tx, subtree).await?.ok_or_else(missing)
}

async fn fold(tx: &mut Tx, ranges: Option<Vec<Range>>) -> Result<Vec<Hash>> {
    let mut hashes = Vec::new();
    for range in ranges.ok_or_else(|| Error::broken("a proof about a leaf or a tree that is not there"))? {
        hashes.push(merkle::join(&subtrees(tx, range).await?));
    }
    Ok(hashes)
}

/// Proves what the ledger holds of an order (`reference`: its number) or a statement (its id), under the newest head. What was posted after
/// that head is left out.
///
/// # Errors
/// [`Code::NothingPosted`] when the ledger holds nothing of it, [`Code::ProofPending`] when all of it is newer than the newest head.
pub async fn prove(tx: &mut Tx, subject: ProofSubject, reference: &str) -> Result<Inclusion> {
    let posted = store::transactions_of(tx, reference, "", TRANSACTIONS_OF_MAX).await?;
    let posted: Vec<_> = posted.into_iter().filter(|entry| subject.kinds().contains(&entry.kind.as_str())).collect();
    if posted.is_empty() {
        return Err(Refusal::new(Code::NothingPosted).into());
    }
    let head = newest_head(tx).await?.head;
    let mut entries = Vec::new();
    for entry in posted {
        let Some((sequence, sealed_at)) = store::seal_of(tx, &entry.id).await? else { continue };
        let entry = chain::leaf(sequence, sealed_at, &entry);
        let Some(index) = entry.index().filter(|index| *index < head.size) else { continue };
        let path = fold(tx, merkle::inclusion(index, head.size)).await?;
        entries.push(Proven { leaf_hash: entry.leaf_hash(), entry, path });
    }
    entries.sort_by_key(|proven| proven.entry.sequence);
    if entries.is_empty() {
        return Err(Refusal::new(Code::ProofPending).into());
    }
    let proof = Inclusion { format: INCLUSION_FORMAT.to_owned(), subject, reference: reference.to_owned(), entries, head };
    // Nobody is given a proof that does not hold: it would look like a market that lies.
    proof.check(None).map_err(|error| Error::broken(format!("the ledger is damaged, run yunshi verify: {error}")))?;
    Ok(proof)
}

/// Proves that the ledger of the head over `second` entries, the newest when left out, begins with the whole ledger of that over `first`.
///
/// # Errors
/// [`Code::NotFound`] when no head was signed over so many entries, or the first has more than the second.
pub async fn prove_growth(tx: &mut Tx, first: i64, second: Option<i64>) -> Result<Consistency> {
    let first = head_of_size(tx, first).await?.head;
    let second = match second {
        Some(size) => head_of_size(tx, size).await?.head,
        None => newest_head(tx).await?.head,
    };
    if first.size > second.size {
        return Err(Refusal::new(Code::NotFound).into());
    }
    let path = fold(tx, merkle::consistency(first.size, second.size)).await?;
    let proof = Consistency { format: CONSISTENCY_FORMAT.to_owned(), first, second, path };
    proof.check(None).map_err(|error| Error::broken(format!("the ledger is damaged, run yunshi verify: {error}")))?;
    Ok(proof)
}
