//! The best chain in memory.

use std::collections::HashMap;
use std::convert::Infallible;

use blocksmith_consensus::{Ancestry, ChangeSet, Hash, Linked};

/// The best chain in a vector, as a store would hold it.
#[derive(Debug)]
pub(crate) struct Chain {
    pub(crate) blocks: Vec<Linked>,
    places: HashMap<Hash, u64>,
    first: u64,
}

impl Chain {
    pub(crate) fn new(genesis: Linked) -> Self {
        let first = genesis.block.index();
        let places = HashMap::from([(genesis.block.hash(), first)]);
        Self { blocks: vec![genesis], places, first }
    }

    /// Takes off and puts on what the change says, and nothing else.
    pub(crate) fn apply(&mut self, change: &ChangeSet) {
        for gone in &change.disconnected {
            let last = self.blocks.pop().expect("only what is there leaves");
            assert_eq!(&last, gone, "blocks leave from the tip down");
            self.places.remove(&last.block.hash());
        }
        for new in &change.connected {
            assert_eq!(new.block.index(), self.first + self.blocks.len() as u64);
            if let Some(last) = self.blocks.last() {
                assert_eq!(new.block.parent(), Some(last.block.hash()));
            }
            self.places.insert(new.block.hash(), new.block.index());
            self.blocks.push(new.clone());
        }
    }
}

impl Ancestry for Chain {
    type Error = Infallible;

    fn index_of(&self, hash: &Hash) -> Result<Option<u64>, Infallible> {
        Ok(self.places.get(hash).copied())
    }

    fn at(&self, index: u64) -> Result<Option<Linked>, Infallible> {
        let place = index.checked_sub(self.first).map(|place| place as usize);
        Ok(place.and_then(|place| self.blocks.get(place)).cloned())
    }
}
