//! The tree and its heads recomputed beside the walk along the chain. Names what is wrong.
//!
//! Leaves are computed from the transactions, and everything above them from what was computed, so one changed row is one problem. Where the
//! chain says that a transaction was changed, which is named there, the tree goes on with the leaf that was signed.

use std::collections::{BTreeMap, HashMap, VecDeque};

use db::{Result, Tx};
use wire::proof::tree::{Frontier, Subtree};
use wire::proof::{Hash, PublicKey};

use super::store::{self, RawHead};
use super::verify::Problems;

/// Levels that a tree can have: as many as a place has binary digits.
const LEVELS: u32 = 63;
/// Heads, or rows in places where none can be, that are read at once.
const PAGE: i64 = 1_000;

/// The tree on the way from its first leaf to its last.
pub(super) struct TreeWalk {
    frontier: Frontier,
    /// How many leaves there must be: as many as there are, or as the newest head says.
    leaves: u64,
    /// Heads that were signed over more than the frontier has.
    heads: VecDeque<RawHead>,
    keys: BTreeMap<String, Option<PublicKey>>,
    last_at: i64,
    heads_seen: i64,
    /// A leaf is missing that nothing else tells: nothing above it can be said.
    lost: bool,
}

/// What the chain knows of a leaf.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Leaf {
    /// Its hash, and the chain vouches for it.
    Known(Hash),
    /// Its hash by rows of which the chain says that they were changed, or none.
    Doubtful,
}

impl TreeWalk {
    pub(super) async fn begin(tx: &mut Tx, problems: &mut Problems) -> Result<Self> {
        let kept = store::leaf_count(tx).await?;
        let signed = store::newest_head_marks(tx).await?.map_or(0, |(size, _)| size);
        let mut keys = BTreeMap::new();
        for (id, key) in store::raw_keys(tx).await? {
            let read = key.parse::<PublicKey>().ok().filter(|key| key.id() == id);
            if read.is_none() {
                problems.add("ledger_keys", &id, "its public key is not one of this id");
            }
            keys.insert(id, read);
        }
        let mut walk = Self {
            frontier: Frontier::empty(),
            leaves: u64::try_from(kept.max(signed)).unwrap_or(0),
            heads: VecDeque::new(),
            keys,
            last_at: i64::MIN,
            heads_seen: 0,
            lost: false,
        };
        walk.heads = store::raw_heads_after(tx, i64::MIN, PAGE).await?.into();
        Ok(walk)
    }

    /// Heads that were looked at.
    pub(super) const fn heads(&self) -> i64 {
        self.heads_seen
    }

    /// How many leaves the tree has.
    pub(super) const fn leaves(&self) -> u64 {
        self.leaves
    }

    /// Goes on by these leaves, as far as the tree has them.
    pub(super) async fn go_on(&mut self, tx: &mut Tx, problems: &mut Problems, leaves: &[Leaf]) -> Result<()> {
        let start = self.frontier.size();
        let end = self.leaves.min(start + u64::try_from(leaves.len()).unwrap_or(0));
        if self.lost || start >= end {
            return Ok(());
        }
        let mut kept = HashMap::new();
        for level in (0..LEVELS).take_while(|level| end >> level > 0) {
            kept.extend(store::subtrees(tx, level, start >> level, end >> level).await?);
        }
        for (index, leaf) in (start..end).zip(leaves) {
            let bottom = Subtree { level: 0, index };
            let hash = match (leaf, kept.get(&bottom)) {
                (Leaf::Known(hash), _) => *hash,
                (Leaf::Doubtful, Some(signed)) => *signed,
                (Leaf::Doubtful, None) => {
                    problems.add("ledger_tree", row(bottom), "is missing");
                    self.lost = true;
                    return Ok(());
                }
            };
            for (subtree, computed) in self.frontier.append(hash) {
                match kept.get(&subtree) {
                    Some(stored) if *stored == computed => {}
                    Some(stored) => problems.add("ledger_tree", row(subtree), format!("has the hash {stored}; it must be {computed}")),
                    None => problems.add("ledger_tree", row(subtree), "is missing"),
                }
            }
            self.heads_here(tx, problems).await?;
        }
        Ok(())
    }

    /// Checks the heads that were signed over what the frontier has now, and any that can be over nothing.
    async fn heads_here(&mut self, tx: &mut Tx, problems: &mut Problems) -> Result<()> {
        while let Some(head) = self.heads.front() {
            if u64::try_from(head.size).is_ok_and(|size| size > self.frontier.size()) {
                break;
            }
            let Some(head) = self.heads.pop_front() else { break };
            self.head(problems, &head);
            if self.heads.is_empty() {
                self.heads = store::raw_heads_after(tx, head.size, PAGE).await?.into();
            }
        }
        Ok(())
    }

    fn head(&mut self, problems: &mut Problems, head: &RawHead) {
        self.heads_seen += 1;
        let mut wrong = |what: String| problems.add("ledger_heads", head.size.to_string(), what);
        let Some(key) = self.keys.get(&head.key_id) else {
            return wrong(format!("names the key {}, which is not there", head.key_id));
        };
        let root = self.frontier.root();
        if u64::try_from(head.size) != Ok(self.frontier.size()) {
            wrong("speaks of a ledger that cannot be".to_owned());
        } else if head.root != root.0 {
            wrong(format!("has the root {}; it must be {root}", hex::encode(&head.root)));
        } else if head.at <= self.last_at {
            wrong("is not later than the head before it".to_owned());
        } else if let Some(key) = key
            && !head.signed_with(key).is_some_and(|head| head.is_signed())
        {
            wrong(format!("its signature does not fit: its time, its key or the signature was changed (key {})", head.key_id));
        }
        self.last_at = self.last_at.max(head.at);
    }

    /// What is left when the chain has ended: heads and subtrees over what is not there.
    pub(super) async fn end(&mut self, tx: &mut Tx, problems: &mut Problems) -> Result<()> {
        if self.lost {
            return Ok(());
        }
        let there = self.frontier.size();
        while let Some(head) = self.heads.pop_front() {
            self.heads_seen += 1;
            let what = format!("speaks of {} entries; the ledger has {there} that can be proven", head.size);
            problems.add("ledger_heads", head.size.to_string(), what);
        }
        for level in 0..LEVELS {
            for place in store::subtrees_beyond(tx, level, there >> level, PAGE).await? {
                problems.add("ledger_tree", format!("{level}/{place}"), "is over entries that are not sealed");
            }
        }
        for (level, place) in store::levels_beyond(tx, LEVELS, PAGE).await? {
            problems.add("ledger_tree", format!("{level}/{place}"), "is of a level that no tree has");
        }
        Ok(())
    }
}

fn row(subtree: Subtree) -> String {
    format!("{}/{}", subtree.level, subtree.index)
}
