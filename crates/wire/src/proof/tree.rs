//! The Merkle tree of RFC 6962 §2.1: hashes, which subtrees a proof is made of, and the checking of proofs.
//!
//! A tree is cut into *complete* subtrees, each named by its level (the logarithm of how many leaves it has) and its place among those of
//! its level. Their hashes never change again, so whoever keeps them can append a leaf and make any proof by looking at about as many of
//! them as a leaf's place has digits.

use sha2::{Digest, Sha256};

use super::Hash;

/// In front of a leaf's content, so that no leaf can be taken for a node.
const LEAF_PREFIX: [u8; 1] = [0];
/// In front of a node's two hashes.
const NODE_PREFIX: [u8; 1] = [1];

/// The hash of a leaf with this content.
#[must_use]
pub fn leaf_hash(content: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update(LEAF_PREFIX).chain_update(content).finalize().into())
}

/// The hash of a node over these two.
#[must_use]
pub fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Hash(Sha256::new().chain_update(NODE_PREFIX).chain_update(left.0).chain_update(right.0).finalize().into())
}

/// The root of the tree without a leaf.
#[must_use]
pub fn empty_root() -> Hash {
    Hash(Sha256::digest([]).into())
}

/// A complete subtree: the leaves from `index << level` on, `1 << level` of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Subtree {
    /// The logarithm of how many leaves it has; 0 is a leaf.
    pub level: u32,
    /// Its place among the subtrees of its level, from 0.
    pub index: u64,
}

/// Leaves one after another whose hashes fold into one of a proof.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first leaf.
    pub start: u64,
    /// The one after the last.
    pub end: u64,
}

impl Range {
    /// The leaves of the whole tree.
    #[must_use]
    pub const fn whole(size: u64) -> Self {
        Self { start: 0, end: size }
    }

    /// The complete subtrees that it is made of, from left to right; [`join`] folds their hashes.
    #[must_use]
    pub fn subtrees(self) -> Vec<Subtree> {
        let mut subtrees = Vec::new();
        let mut start = self.start;
        while start < self.end {
            let fits = (self.end - start).ilog2();
            let level = if start == 0 { fits } else { fits.min(start.trailing_zeros()) };
            subtrees.push(Subtree { level, index: start >> level });
            start += 1 << level;
        }
        subtrees
    }
}

/// The hash over complete subtrees one after another, as of [`Range::subtrees`].
#[must_use]
pub fn join(hashes: &[Hash]) -> Hash {
    let mut from_the_right = hashes.iter().rev();
    let Some(last) = from_the_right.next() else { return empty_root() };
    from_the_right.fold(*last, |right, left| node_hash(left, &right))
}

/// The largest power of two below `count`, which is above 1.
fn split(count: u64) -> u64 {
    1 << (count - 1).ilog2()
}

/// What the audit path of the leaf `index` in the tree of `size` leaves is made of, from the leaf upward (RFC 6962 §2.1.1); `None` when there
/// is no such leaf.
#[must_use]
pub fn inclusion(index: u64, size: u64) -> Option<Vec<Range>> {
    let mut here = Range::whole(size);
    let mut path = Vec::new();
    if index >= size {
        return None;
    }
    while here.end - here.start > 1 {
        let middle = here.start + split(here.end - here.start);
        let (left, right) = (Range { end: middle, ..here }, Range { start: middle, ..here });
        let (within, beside) = if index < middle { (left, right) } else { (right, left) };
        path.push(beside);
        here = within;
    }
    path.reverse();
    Some(path)
}

/// What the proof is made of that the tree of `first` leaves is the beginning of the tree of `second` (RFC 6962 §2.1.2); `None` unless
/// 1 ≤ `first` ≤ `second`. Of a tree and itself it is empty.
#[must_use]
pub fn consistency(first: u64, second: u64) -> Option<Vec<Range>> {
    if first == 0 || first > second {
        return None;
    }
    let mut here = Range::whole(second);
    let mut proof = Vec::new();
    // Down to the subtree whose end is that of the first tree.
    while here.end != first {
        let middle = here.start + split(here.end - here.start);
        let (left, right) = (Range { end: middle, ..here }, Range { start: middle, ..here });
        let (within, beside) = if first <= middle { (left, right) } else { (right, left) };
        proof.push(beside);
        here = within;
    }
    // The first tree itself is known to whoever checks.
    if here.start != 0 {
        proof.push(here);
    }
    proof.reverse();
    Some(proof)
}

/// The root to which a leaf leads by its audit path (RFC 9162 §2.1.3.2); `None` when the path is not as long as this place in a tree of this
/// size has it.
#[must_use]
pub fn root_by_path(leaf: &Hash, index: u64, size: u64, path: &[Hash]) -> Option<Hash> {
    if index >= size {
        return None;
    }
    let (mut at, mut last, mut hash) = (index, size - 1, *leaf);
    for beside in path {
        if last == 0 {
            return None;
        }
        if at & 1 == 1 || at == last {
            hash = node_hash(beside, &hash);
            while at != 0 && at & 1 == 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            hash = node_hash(&hash, beside);
        }
        at >>= 1;
        last >>= 1;
    }
    (last == 0).then_some(hash)
}

/// A tree as far as consistency is about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tree {
    /// How many leaves.
    pub size: u64,
    /// The root.
    pub root: Hash,
}

/// Whether the proof shows that `first` is the beginning of `second` (RFC 9162 §2.1.4.2). An empty tree proves nothing.
#[must_use]
pub fn is_consistent(first: Tree, second: Tree, proof: &[Hash]) -> bool {
    if first.size == second.size {
        return first.size > 0 && proof.is_empty() && first.root == second.root;
    }
    if first.size == 0 || first.size > second.size {
        return false;
    }
    let mut proof = proof.iter();
    let seed = if first.size.is_power_of_two() { Some(&first.root) } else { proof.next() };
    let Some(seed) = seed else { return false };
    let (mut at, mut last) = (first.size - 1, second.size - 1);
    let shared = at.trailing_ones();
    at >>= shared;
    last >>= shared;
    let (mut old, mut new) = (*seed, *seed);
    for beside in proof {
        if last == 0 {
            return false;
        }
        if at & 1 == 1 || at == last {
            old = node_hash(beside, &old);
            new = node_hash(beside, &new);
            while at != 0 && at & 1 == 0 {
                at >>= 1;
                last >>= 1;
            }
        } else {
            new = node_hash(&new, beside);
        }
        at >>= 1;
        last >>= 1;
    }
    last == 0 && old == first.root && new == second.root
}

/// The right edge of a growing tree: all that is needed to append a leaf.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frontier {
    size: u64,
    /// The hashes of [`Range::subtrees`] of the whole tree.
    peaks: Vec<Hash>,
}

impl Frontier {
    /// The tree without a leaf.
    #[must_use]
    pub const fn empty() -> Self {
        Self { size: 0, peaks: Vec::new() }
    }

    /// The tree of `size` leaves whose complete subtrees, from left to right, have these hashes; `None` when they are not as many as it has.
    #[must_use]
    pub fn new(size: u64, peaks: Vec<Hash>) -> Option<Self> {
        (usize::try_from(size.count_ones()) == Ok(peaks.len())).then_some(Self { size, peaks })
    }

    /// How many leaves.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// The root.
    #[must_use]
    pub fn root(&self) -> Hash {
        join(&self.peaks)
    }

    /// Appends a leaf; the subtrees that it completes with their hashes, the leaf itself first.
    pub fn append(&mut self, leaf: Hash) -> Vec<(Subtree, Hash)> {
        let (mut subtree, mut hash) = (Subtree { level: 0, index: self.size }, leaf);
        let mut complete = vec![(subtree, hash)];
        while subtree.index & 1 == 1 {
            // A subtree with an odd place has its sibling at the right edge.
            let Some(left) = self.peaks.pop() else { break };
            hash = node_hash(&left, &hash);
            subtree = Subtree { level: subtree.level + 1, index: subtree.index >> 1 };
            complete.push((subtree, hash));
        }
        self.peaks.push(hash);
        self.size += 1;
        complete
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::HashMap;

    use proptest::prelude::*;

    use super::*;

    /// The leaves of the reference test of Certificate Transparency (`cpp/merkletree/merkle_tree_test.cc`).
    const LEAVES: [&str; 8] = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"];
    /// The roots over the first 1, 2 … 8 of them.
    const ROOTS: [&str; 8] = [
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
        "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
        "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
        "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
        "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
        "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
    ];

    fn hash(text: &str) -> Hash {
        text.parse().unwrap()
    }

    /// A tree that keeps its complete subtrees, as the market's database does.
    struct Kept {
        frontier: Frontier,
        nodes: HashMap<Subtree, Hash>,
        roots: Vec<Hash>,
    }

    impl Kept {
        fn of(leaves: impl IntoIterator<Item = Vec<u8>>) -> Self {
            let mut kept = Self { frontier: Frontier::empty(), nodes: HashMap::new(), roots: vec![empty_root()] };
            for leaf in leaves {
                kept.nodes.extend(kept.frontier.append(leaf_hash(&leaf)));
                kept.roots.push(kept.frontier.root());
            }
            kept
        }

        fn numbered(size: u64) -> Self {
            Self::of((0..size).map(|n| n.to_be_bytes().to_vec()))
        }

        fn fold(&self, range: Range) -> Hash {
            join(&range.subtrees().iter().map(|subtree| self.nodes[subtree]).collect::<Vec<_>>())
        }

        fn path(&self, index: u64, size: u64) -> Vec<Hash> {
            inclusion(index, size).unwrap().into_iter().map(|range| self.fold(range)).collect()
        }

        fn consistency(&self, first: u64, second: u64) -> Vec<Hash> {
            consistency(first, second).unwrap().into_iter().map(|range| self.fold(range)).collect()
        }

        fn tree(&self, size: u64) -> Tree {
            Tree { size, root: self.roots[usize::try_from(size).unwrap()] }
        }
    }

    /// RFC 6962 §2.1, word for word.
    fn by_definition(leaves: &[Vec<u8>]) -> Hash {
        match leaves {
            [] => empty_root(),
            [one] => leaf_hash(one),
            many => {
                let (left, right) = many.split_at(usize::try_from(split(u64::try_from(many.len()).unwrap())).unwrap());
                node_hash(&by_definition(left), &by_definition(right))
            }
        }
    }

    fn reference() -> Kept {
        Kept::of(LEAVES.iter().map(|leaf| hex::decode(leaf).unwrap()))
    }

    #[test]
    fn the_published_trees_have_the_published_roots() {
        assert_eq!(empty_root().to_string(), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
        let kept = reference();
        for (size, root) in (1..).zip(ROOTS) {
            assert_eq!(kept.tree(size).root, hash(root), "{size}");
            assert_eq!(kept.fold(Range::whole(size)), hash(root), "{size}");
        }
    }

    #[test]
    fn the_published_paths_and_proofs_are_made() {
        let kept = reference();
        assert_eq!(kept.path(0, 1), []);
        assert_eq!(
            kept.path(0, 8),
            [
                "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
            ]
            .map(hash)
        );
        assert_eq!(
            kept.path(5, 8),
            [
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ]
            .map(hash)
        );
        assert_eq!(kept.path(2, 3), [hash("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125")]);
        assert_eq!(kept.consistency(1, 1), []);
        assert_eq!(kept.consistency(1, 8), kept.path(0, 8));
        assert_eq!(
            kept.consistency(6, 8),
            [
                "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
                "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
                "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            ]
            .map(hash)
        );
        assert_eq!(
            kept.consistency(2, 5),
            [
                "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
                "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
            ]
            .map(hash)
        );
    }

    #[test]
    fn every_leaf_of_every_tree_is_proven_and_at_no_other_place() {
        let kept = Kept::numbered(200);
        for size in 1..=200 {
            let root = kept.tree(size).root;
            for index in 0..size {
                let (leaf, path) = (leaf_hash(&index.to_be_bytes()), kept.path(index, size));
                assert_eq!(root_by_path(&leaf, index, size, &path), Some(root), "{index} of {size}");
                assert_ne!(root_by_path(&leaf, index + 1, size, &path), Some(root), "{index} of {size}");
                assert_ne!(root_by_path(&leaf, index.wrapping_sub(1), size, &path), Some(root), "{index} of {size}");
                assert_ne!(root_by_path(&leaf_hash(b"another"), index, size, &path), Some(root), "{index} of {size}");
            }
        }
    }

    #[test]
    fn every_tree_is_proven_the_beginning_of_every_later_one() {
        let kept = Kept::numbered(130);
        let other = Kept::of((0..130u64).map(|n| if n == 0 { b"changed".to_vec() } else { n.to_be_bytes().to_vec() }));
        for second in 1..=130 {
            for first in 1..=second {
                let proof = kept.consistency(first, second);
                assert!(is_consistent(kept.tree(first), kept.tree(second), &proof), "{first} {second}");
                assert!(!is_consistent(other.tree(first), kept.tree(second), &proof), "{first} {second}");
                assert!(!is_consistent(kept.tree(first), other.tree(second), &proof), "{first} {second}");
                let longer = [proof.clone(), vec![empty_root()]].concat();
                assert!(!is_consistent(kept.tree(first), kept.tree(second), &longer), "{first} {second}");
                if let Some((_, shorter)) = proof.split_last() {
                    assert!(!is_consistent(kept.tree(first), kept.tree(second), shorter), "{first} {second}");
                }
            }
        }
        assert_eq!((consistency(0, 5), consistency(6, 5), inclusion(5, 5)), (None, None, None));
        assert!(!is_consistent(kept.tree(0), kept.tree(5), &[]) && !is_consistent(kept.tree(5), kept.tree(4), &[]));
    }

    proptest! {
        #[test]
        fn a_tree_that_grows_is_the_tree_by_definition(leaves in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..20), 0..300)) {
            prop_assert_eq!(Kept::of(leaves.clone()).frontier.root(), by_definition(&leaves));
        }

        #[test]
        fn a_path_with_any_hash_changed_leads_elsewhere(size in 2u64..400, chance: u64, which: prop::sample::Index, bit in 0usize..256) {
            let kept = Kept::numbered(size);
            let index = chance % size;
            let mut path = kept.path(index, size);
            let at = which.index(path.len());
            path[at].0[bit / 8] ^= 1 << (bit % 8);
            let leaf = leaf_hash(&index.to_be_bytes());
            prop_assert_ne!(root_by_path(&leaf, index, size, &path), Some(kept.tree(size).root));
        }

        /// A proof about a tree of millions is made of a few dozen hashes.
        #[test]
        fn proofs_look_at_as_many_subtrees_as_a_size_has_digits(size in 1u64..=1 << 40, chance: u64, other: u64) {
            let digits = usize::try_from(size.ilog2()).unwrap() + 1;
            let looked = |ranges: Option<Vec<Range>>| ranges.unwrap().into_iter().map(|range| range.subtrees().len()).sum::<usize>();
            prop_assert!(looked(inclusion(chance % size, size)) <= 2 * digits);
            prop_assert!(looked(consistency(other % size + 1, size)) <= 2 * digits);
            let peaks = Range::whole(size).subtrees();
            prop_assert_eq!(peaks.len(), usize::try_from(size.count_ones()).unwrap());
            prop_assert!(Frontier::new(size, vec![empty_root(); peaks.len()]).is_some_and(|frontier| frontier.size() == size));
            prop_assert!(Frontier::new(size, vec![empty_root(); peaks.len() + 1]).is_none());
        }
    }
}
