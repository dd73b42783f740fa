//! Entries that blocks add to the tables of the best chain, before they are written there.
//!
//! Ids and addresses are in no order: written one by one, each entry would change a page of its
//! own. So the entries of many blocks are written together, in the order of their keys, and each
//! table is opened once for them.

use std::ops::Bound;

use blocksmith_consensus::ChainBlock;
use redb::{CursorError, Table, WriteTransaction};

use super::error::StoreError;
use super::listing::{self, Entries, IndexEntry};
use super::tables::{BLOCKS, CHAIN, INDEX, RECORD_HEAD_BYTES};

/// About how many bytes a block takes here beside its text.
const BLOCK_BYTES: usize = 300;

/// The entries that are not written yet.
#[derive(Default)]
pub(super) struct Unwritten {
    /// The blocks with their numbers, ascending.
    blocks: Vec<(u64, ChainBlock)>,
    /// The numbers of the blocks of the best chain by their indices, ascending.
    chain: Vec<(u64, u64)>,
    /// The indices of the blocks of the best chain by their ids.
    index: Vec<([u8; 32], u64)>,
    listed: Entries,
    bytes: usize,
}

impl Unwritten {
    /// Adds a new block, whose number is above all others.
    pub(super) fn add_block(&mut self, number: u64, linked: &ChainBlock) {
        self.bytes += linked.block.text().len();
        self.blocks.push((number, linked.clone()));
    }

    /// Adds a block that joins the best chain on its tip.
    pub(super) fn connect(&mut self, number: u64, linked: &ChainBlock, listed: &[IndexEntry]) {
        let index = linked.block.index();
        self.chain.push((index, number));
        self.index.push((linked.block.hash().0, index));
        self.bytes += BLOCK_BYTES + self.listed.add(index, listed);
    }

    /// About how many bytes of memory it takes.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Writes all entries to the tables.
    pub(super) fn write(self, transaction: &WriteTransaction) -> Result<(), StoreError> {
        let Self { blocks, chain, mut index, mut listed, bytes: _ } = self;
        if !blocks.is_empty() {
            let mut record = Vec::new();
            let mut table = transaction.open_table(BLOCKS)?;
            let mut end = table.upper_bound_mut(Bound::<u64>::Unbounded)?;
            for (number, ChainBlock { block, work, difficulty_state }) in blocks {
                record.clear();
                record.reserve(RECORD_HEAD_BYTES + block.text().len());
                record.extend_from_slice(&work.to_be_bytes());
                record.extend_from_slice(&difficulty_state.to_bytes());
                record.extend_from_slice(block.text().as_bytes());
                end.insert_before(number, &*record).map_err(unordered)?;
            }
            end.close()?;
        }
        if chain.is_empty() {
            return Ok(());
        }
        append(&mut transaction.open_table(CHAIN)?, chain)?;
        index.sort_unstable();
        let mut table = transaction.open_table(INDEX)?;
        for (id, index) in index {
            table.insert(id, index)?;
        }
        listed.sort();
        listing::add(transaction, &listed)
    }
}

/// Appends ascending entries to a table.
fn append(table: &mut Table<'_, u64, u64>, entries: Vec<(u64, u64)>) -> Result<(), StoreError> {
    let mut end = table.upper_bound_mut(Bound::<u64>::Unbounded)?;
    for (key, value) in entries {
        end.insert_before(key, value).map_err(unordered)?;
    }
    Ok(end.close()?)
}

fn unordered(error: CursorError) -> StoreError {
    match error {
        CursorError::UnorderedKey => {
            StoreError::Damaged("it has a block above those of its best chain".into())
        }
        error => StoreError::Database(error.into()),
    }
}
