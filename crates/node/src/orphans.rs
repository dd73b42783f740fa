//! Blocks whose parent is not known yet, within bounds: the oldest goes first.

use alloc::collections::{BTreeMap, VecDeque};
use alloc::vec::Vec;

use blocksmith_consensus::{Checked, Hash};

/// The most blocks that wait for a parent.
const MAX_ORPHANS: usize = 1_000;

/// The most bytes of their texts together.
const MAX_ORPHAN_BYTES: usize = 64 << 20;

#[derive(Debug, Default)]
pub(crate) struct Orphans {
    by_hash: BTreeMap<Hash, Checked>,
    /// Parent and child.
    by_parent: alloc::collections::BTreeSet<(Hash, Hash)>,
    arrivals: VecDeque<Hash>,
    bytes: usize,
}

impl Orphans {
    pub(crate) fn insert(&mut self, checked: Checked) {
        let (hash, parent) = (checked.block().hash(), checked.block().parent());
        // A block that names no parent by its hash can never be connected.
        let Some(parent) = parent else { return };
        if self.by_hash.contains_key(&hash) {
            return;
        }
        self.bytes += checked.block().text().len();
        self.by_hash.insert(hash, checked);
        self.by_parent.insert((parent, hash));
        self.arrivals.push_back(hash);
        while self.by_hash.len() > MAX_ORPHANS || self.bytes > MAX_ORPHAN_BYTES {
            let Some(oldest) = self.arrivals.pop_front() else { break };
            self.remove(&oldest);
        }
    }

    /// Takes out the blocks that wait for `parent`.
    pub(crate) fn take_children(&mut self, parent: &Hash) -> Vec<Checked> {
        let range = (*parent, Hash([0; 32]))..=(*parent, Hash([0xff; 32]));
        let children: Vec<_> = self.by_parent.range(range).map(|(_, child)| *child).collect();
        if !children.is_empty() {
            self.arrivals.retain(|hash| !children.contains(hash));
        }
        children.iter().filter_map(|hash| self.remove(hash)).collect()
    }

    /// The parent of the block with this hash, if the block waits here.
    pub(crate) fn parent_of(&self, hash: &Hash) -> Option<Hash> {
        self.by_hash.get(hash)?.block().parent()
    }

    fn remove(&mut self, hash: &Hash) -> Option<Checked> {
        let checked = self.by_hash.remove(hash)?;
        self.bytes -= checked.block().text().len();
        if let Some(parent) = checked.block().parent() {
            self.by_parent.remove(&(parent, *hash));
        }
        Some(checked)
    }
}
