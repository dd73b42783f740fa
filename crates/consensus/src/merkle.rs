//! A hash over a list that proves each of its entries with a few hashes: the Merkle tree of RFC 9162
//! (Certificate Transparency, section 2.1), over SHA-256.
//!
//! ```text
//! root of no leaf      SHA-256("")
//! root of one leaf     SHA-256(0x00 ‖ leaf)
//! root of more leaves  SHA-256(0x01 ‖ root of the first k ‖ root of the others),
//!                      k the largest power of two below their number
//! ```
//!
//! The tags keep leaves and nodes apart, so that no leaf has a node's hash. No leaf is duplicated
//! to fill a row up, so two lists with the same root are a collision of SHA-256; Bitcoin's tree
//! takes a list with its last entries repeated for the list itself (CVE-2012-2459).

use alloc::vec::Vec;

use sha2::{Digest, Sha256};

use crate::hash::Hash;

fn leaf_hash(leaf: &[u8]) -> Hash {
    Hash(Sha256::new().chain_update([0]).chain_update(leaf).finalize().into())
}

fn node_hash(left: &Hash, right: &Hash) -> Hash {
    Hash(
        Sha256::new()
            .chain_update([1])
            .chain_update(left.0)
            .chain_update(right.0)
            .finalize()
            .into(),
    )
}

/// A list that grows at its end, kept as the hashes that its next root needs: one for each level.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tree {
    /// The roots of full subtrees, the largest first: one for each bit of the number of leaves.
    subtrees: Vec<Hash>,
    leaves: usize,
}

impl Tree {
    /// Adds a leaf behind all others.
    pub fn push(&mut self, leaf: &[u8]) {
        let mut hash = leaf_hash(leaf);
        for _ in 0..self.leaves.trailing_ones() {
            let left = self.subtrees.pop().expect("a subtree for each bit");
            hash = node_hash(&left, &hash);
        }
        self.subtrees.push(hash);
        self.leaves += 1;
    }

    /// The root over the leaves so far.
    pub fn root(&self) -> Hash {
        let larger = self.subtrees.iter().rev().copied();
        larger.reduce(|right, left| node_hash(&left, &right)).unwrap_or_else(|| Hash::of([]))
    }
}

/// The root over these leaves. It keeps only one hash for each level.
pub fn root<L: AsRef<[u8]>>(leaves: impl IntoIterator<Item = L>) -> Hash {
    let mut tree = Tree::default();
    for leaf in leaves {
        tree.push(leaf.as_ref());
    }
    tree.root()
}

/// The proof of the leaf at `position` (from 0): the roots of the subtrees beside its path to the
/// root, the lowest first; at most 64. `None` if there is no such leaf.
pub fn path<L: AsRef<[u8]>>(
    leaves: impl IntoIterator<Item = L>,
    mut position: usize,
) -> Option<Vec<Hash>> {
    let mut row: Vec<Hash> = leaves.into_iter().map(|leaf| leaf_hash(leaf.as_ref())).collect();
    if position >= row.len() {
        return None;
    }
    let mut path = Vec::new();
    while row.len() > 1 {
        // A last node without a sibling goes up a row as it is.
        path.extend(row.get(position ^ 1));
        row = row
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => node_hash(left, right),
                alone => alone[0],
            })
            .collect();
        position /= 2;
    }
    Some(path)
}

/// Whether `path` proves that the list of `leaves` entries with this root has `leaf` at `position`
/// (from 0). False as well for a position that the list doesn't have, and for a path that is longer
/// or shorter than the list's.
///
/// A true answer says that the leaf is in the list, whatever the source of the other numbers is.
/// Whether it is at `position` depends on `leaves`, which a root does not commit to: lists of other
/// lengths lead to the same turns on the way up. RFC 9162, section 2.1.3.2.
#[must_use]
pub fn verify(leaf: &[u8], position: u64, leaves: u64, path: &[Hash], root: &Hash) -> bool {
    if position >= leaves {
        return false;
    }
    // The number of the node in its row, and that of the last one in the row.
    let (mut node, mut last) = (position, leaves - 1);
    let mut hash = leaf_hash(leaf);
    let mut siblings = path.iter();
    while last > 0 {
        if node % 2 == 1 || node < last {
            let Some(sibling) = siblings.next() else { return false };
            hash = match node % 2 {
                1 => node_hash(sibling, &hash),
                _ => node_hash(&hash, sibling),
            };
        }
        node /= 2;
        last /= 2;
    }
    siblings.next().is_none() && hash == *root
}
