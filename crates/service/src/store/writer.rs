//! Changes a store in one transaction: the best chain and its side branches, as the machine steps,
//! the pending transactions, and the peers.

use std::cell::RefCell;
use std::collections::HashSet;
use std::fmt;
use std::sync::Arc;

use blocksmith_consensus::address::Address;
use blocksmith_consensus::json::Value;
use blocksmith_consensus::ledger::{Account, Accounts, Change, Changes, Contents};
use blocksmith_consensus::tree::{BestChain, SideBlock};
use blocksmith_consensus::{Ancestry, ChainBlock, Hash, Shape, Timestamp, Transaction};
use blocksmith_node::mempool::{MempoolChange, Waiting};
use blocksmith_node::{PeerAddress, QueueChange};
use redb::{Durability, ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction};

use super::database::Db;
use super::error::StoreError;
use super::listing::{self, Indexer};
use super::tables::{
    ACCOUNT_BYTES, ACCOUNTS, BLOCKS, CHAIN, INDEX, MEMPOOL, PEERS, QUEUE, SIDE, UNDO, UNDO_BYTES,
    UNHEARD, account, account_bytes, arrival_bytes, numbered, side_block, side_bytes, undo_bytes,
};
use super::unwritten::Unwritten;

/// How many bytes of new entries may wait in memory.
const MAX_UNWRITTEN_BYTES: usize = 64 << 20;

/// One transaction of the store. It begins and ends in one [`Store::guard`](super::Store::guard): a
/// panic of the database unwinds through it, by which redb knows not to trust its state in memory.
pub(crate) struct Writer {
    transaction: WriteTransaction,
    /// Entries that must be written before those tables are used otherwise.
    unwritten: RefCell<Unwritten>,
    db: Arc<Db>,
    shape: Shape,
    genesis: u64,
    lister: Arc<Indexer>,
    blocks_changed: bool,
    /// The number of the next new block, and how many blocks are on side branches, once they were
    /// read: each of the many blocks of a transaction needs both.
    next_number: Option<u64>,
    side_count: Option<u64>,
}

impl Writer {
    pub(super) fn of(
        db: &Arc<Db>,
        shape: Shape,
        genesis: u64,
        lister: Arc<Indexer>,
    ) -> Result<Self, StoreError> {
        let mut transaction = db.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        transaction.set_two_phase_commit(true);
        transaction.set_quick_repair(true);
        Ok(Self {
            transaction,
            unwritten: RefCell::default(),
            db: db.clone(),
            shape,
            genesis,
            lister,
            blocks_changed: false,
            next_number: None,
            side_count: None,
        })
    }

    /// The transaction, after all waiting entries are written.
    pub(super) fn settled(&self) -> Result<&WriteTransaction, StoreError> {
        self.unwritten.take().write(&self.transaction)?;
        Ok(&self.transaction)
    }

    /// Whether the best chain or a side branch changed.
    pub(crate) fn blocks_changed(&self) -> bool {
        self.blocks_changed
    }

    /// The queue, by its numbers.
    pub(super) fn queued(&self) -> Result<Vec<(u64, Transaction)>, StoreError> {
        named("table queue", || {
            let table = self.transaction.open_table(QUEUE)?;
            let entries = table.iter()?.map(|entry| {
                let (number, text) = entry?;
                let value = Value::of_canonical(text.value());
                Ok((number.value(), Transaction::of_block(value)))
            });
            entries.collect()
        })
    }

    /// The payments that wait: when each came, its id, its text.
    pub(super) fn pending(&self) -> Result<Vec<(Timestamp, Hash, String)>, StoreError> {
        named("table mempool", || {
            let table = self.transaction.open_table(MEMPOOL)?;
            let entries = table.iter()?.map(|entry| {
                let (key, text) = entry?;
                let key = key.value();
                let (micros, id) = key.split_first_chunk().expect("a time comes first");
                let arrived = Timestamp { micros: u64::from_be_bytes(*micros) };
                let id = Hash(id.try_into().expect("an id follows"));
                Ok((arrived, id, text.value().to_string()))
            });
            entries.collect()
        })
    }

    /// The addresses of a table of peers.
    pub(super) fn addresses(
        &self,
        table: TableDefinition<'_, &'static str, ()>,
    ) -> Result<Vec<PeerAddress>, StoreError> {
        let table = self.transaction.open_table(table)?;
        // An old version may have stored a text that is no longer an address; it is left out.
        let entries = table.iter()?.map(|entry| Ok(entry?.0.value().parse().ok()));
        entries.filter_map(Result::transpose).collect()
    }

    pub(crate) fn queue(&mut self, change: &QueueChange) -> Result<(), StoreError> {
        let mut queue = self.transaction.open_table(QUEUE)?;
        for number in &change.removed {
            queue.remove(number)?;
        }
        for (number, transaction) in &change.added {
            queue.insert(number, transaction.text())?;
        }
        Ok(())
    }

    pub(crate) fn mempool(&mut self, change: &MempoolChange) -> Result<(), StoreError> {
        let removed = change.removed.iter().map(|gone| (gone.arrived, gone.payment.id()));
        self.forget_payments(removed)?;
        let mut mempool = self.transaction.open_table(MEMPOOL)?;
        for Waiting { arrived, payment } in &change.added {
            mempool.insert(arrival_bytes(*arrived, &payment.id()), payment.text())?;
        }
        Ok(())
    }

    /// Removes payments by their arrival and id.
    pub(crate) fn forget_payments(
        &mut self,
        gone: impl Iterator<Item = (Timestamp, Hash)>,
    ) -> Result<(), StoreError> {
        let mut mempool = self.transaction.open_table(MEMPOOL)?;
        // Sorted as in the table.
        let mut gone: Vec<_> = gone.map(|(arrived, id)| arrival_bytes(arrived, &id)).collect();
        gone.sort_unstable();
        for key in gone {
            mempool.remove(key)?;
        }
        Ok(())
    }

    /// Keeps a peer that has not answered yet.
    pub(crate) fn add_peer(&mut self, peer: &PeerAddress) -> Result<(), StoreError> {
        self.transaction.open_table(UNHEARD)?.insert(peer.as_str(), ())?;
        Ok(())
    }

    /// Keeps a peer that has answered.
    pub(crate) fn peer_answered(&mut self, peer: &PeerAddress) -> Result<(), StoreError> {
        self.remove_peer(peer)?;
        self.transaction.open_table(PEERS)?.insert(peer.as_str(), ())?;
        Ok(())
    }

    /// Removes a peer, in whichever spelling it was stored.
    pub(crate) fn remove_peer(&mut self, peer: &PeerAddress) -> Result<(), StoreError> {
        for table in [PEERS, UNHEARD] {
            let mut table = self.transaction.open_table(table)?;
            table.retain(|name, ()| name.parse::<PeerAddress>().as_ref() != Ok(peer))?;
        }
        Ok(())
    }

    /// The entries of blocks of side branches, in the order in which they came. Blocks that are not
    /// connected to the chain are forgotten.
    pub(super) fn side_blocks(&mut self) -> Result<Vec<SideBlock>, StoreError> {
        let mut all = Vec::new();
        for entry in self.transaction.open_table(SIDE)?.iter()? {
            let (hash, value) = entry?;
            all.push(side_block(hash.value(), value.value())?);
        }
        all.sort_unstable_by_key(|(number, block)| (block.index, *number));
        let mut known = HashSet::new();
        let mut kept = Vec::with_capacity(all.len());
        for (number, block) in all {
            let stands = match &block.parent {
                None => block.index == self.genesis,
                Some(parent) => known.contains(parent) || self.index_of(parent)?.is_some(),
            };
            if stands {
                known.insert(block.hash);
                kept.push((number, block));
            } else {
                self.forget_side(&block.hash)?;
            }
        }
        kept.sort_unstable_by_key(|(number, _)| *number);
        Ok(kept.into_iter().map(|(_, block)| block).collect())
    }

    /// Keeps a block under a number of its own.
    fn add_block(&mut self, linked: &ChainBlock) -> Result<u64, StoreError> {
        let number = match self.next_number {
            Some(number) => number,
            None => {
                self.settled()?.open_table(BLOCKS)?.last()?.map_or(0, |(last, _)| last.value() + 1)
            }
        };
        self.unwritten.get_mut().add_block(number, linked);
        self.next_number = Some(number + 1);
        Ok(number)
    }

    /// The number of a block of a side branch.
    fn side_number(&self, hash: &Hash) -> Result<Option<u64>, StoreError> {
        let side = self.transaction.open_table(SIDE)?;
        let value = side.get(hash.0)?;
        Ok(value.map(|value| side_block(hash.0, value.value())).transpose()?.map(|(n, _)| n))
    }

    fn insert_side(&mut self, number: u64, linked: &ChainBlock) -> Result<(), StoreError> {
        let side = SideBlock::of(linked, self.genesis);
        let bytes = side_bytes(number, &side);
        let mut table = self.transaction.open_table(SIDE)?;
        table.insert(side.hash.0, &*bytes)?;
        self.side_count = Some(table.len()?);
        Ok(())
    }

    /// Takes a block off its side branch, if it is on one, and returns its number.
    fn take_side(&mut self, hash: &Hash) -> Result<Option<u64>, StoreError> {
        if self.side_count == Some(0) {
            return Ok(None);
        }
        let mut table = self.transaction.open_table(SIDE)?;
        let taken = match table.remove(hash.0)? {
            Some(value) => Some(side_block(hash.0, value.value())?.0),
            None => None,
        };
        self.side_count = Some(table.len()?);
        Ok(taken)
    }

    /// Makes a block the tip of the best chain.
    fn join(
        &mut self,
        linked: &ChainBlock,
        changes: &Changes,
        contents: Option<&Contents>,
    ) -> Result<(), StoreError> {
        self.blocks_changed = true;
        let block = &linked.block;
        let number = match self.take_side(&block.hash())? {
            Some(number) => number,
            None => self.add_block(linked)?,
        };
        let listed = self.lister.list(block, contents);
        let unwritten = self.unwritten.get_mut();
        unwritten.connect(number, linked, &listed);
        if unwritten.bytes() > MAX_UNWRITTEN_BYTES {
            self.settled()?;
        }
        if changes.accounts.is_empty() {
            return Ok(());
        }
        let mut accounts = self.transaction.open_table(ACCOUNTS)?;
        for Change { address, after, .. } in &changes.accounts {
            accounts.insert(*address.key(), account_bytes(*after))?;
        }
        self.transaction.open_table(UNDO)?.insert(block.index(), &*undo_bytes(changes))?;
        Ok(())
    }

    /// Takes the tip off the best chain.
    fn leave(&mut self, tip: &ChainBlock) -> Result<(), StoreError> {
        self.blocks_changed = true;
        let index = tip.block.index();
        let number = self.settled()?.open_table(CHAIN)?.remove(index)?.map(|n| n.value());
        let missing = || StoreError::Damaged(format!("block {index} is not there"));
        self.insert_side(number.ok_or_else(missing)?, tip)?;
        self.settled()?.open_table(INDEX)?.remove(tip.block.hash().0)?;
        let listed = self.lister.list_again(&tip.block);
        listing::remove(self.settled()?, index, &listed)?;
        let mut undo = self.transaction.open_table(UNDO)?;
        let Some(undone) = undo.remove(index)? else { return Ok(()) };
        let mut accounts = self.transaction.open_table(ACCOUNTS)?;
        let (entries, rest) = undone.value().as_chunks::<UNDO_BYTES>();
        if !rest.is_empty() {
            return Err(StoreError::Damaged(format!("the undo of block {index} is cut off")));
        }
        for entry in entries {
            let (key, before) = entry.split_first_chunk::<32>().expect("a key comes first");
            let before: [u8; ACCOUNT_BYTES] = before.try_into().expect("an account follows");
            match account(before) == Account::default() {
                true => accounts.remove(*key)?,
                false => accounts.insert(*key, before)?,
            };
        }
        Ok(())
    }

    /// Returns when everything is on the disk.
    pub(crate) fn commit(self) -> Result<(), StoreError> {
        self.settled()?;
        self.transaction.commit()?;
        self.db.still_there()
    }
}

/// Reads; an error about damage names what was read.
fn named<T>(
    what: impl fmt::Display,
    read: impl FnOnce() -> Result<T, StoreError>,
) -> Result<T, StoreError> {
    read().map_err(|error| error.about(what))
}

impl Ancestry for Writer {
    type Error = StoreError;

    fn index_of(&self, hash: &Hash) -> Result<Option<u64>, StoreError> {
        named(format_args!("table index, block {hash}"), || {
            Ok(self.settled()?.open_table(INDEX)?.get(hash.0)?.map(|index| index.value()))
        })
    }

    fn at(&self, index: u64) -> Result<Option<ChainBlock>, StoreError> {
        named(format_args!("block {index}"), || {
            let number =
                self.settled()?.open_table(CHAIN)?.get(index)?.map(|number| number.value());
            let blocks = self.settled()?.open_table(BLOCKS)?;
            number.map(|number| numbered(&blocks, self.shape, number)).transpose()
        })
    }
}

impl Accounts for Writer {
    type Error = StoreError;

    fn account(&self, address: &Address) -> Result<Account, StoreError> {
        let key = *address.key();
        named(format_args!("table accounts, account {}", Hash(key)), || {
            let accounts = self.transaction.open_table(ACCOUNTS)?;
            let found = accounts.get(key)?;
            Ok(found.map_or_else(Account::default, |value| account(value.value())))
        })
    }

    /// Opens the table once for all addresses.
    fn accounts(&self, addresses: &[Address]) -> Result<Vec<Account>, StoreError> {
        named("table accounts", || {
            let accounts = self.transaction.open_table(ACCOUNTS)?;
            let read = |address: &Address| {
                let found = accounts.get(*address.key())?;
                Ok(found.map_or_else(Account::default, |value| account(value.value())))
            };
            addresses.iter().map(read).collect()
        })
    }
}

impl BestChain for Writer {
    fn connect(
        &mut self,
        linked: &ChainBlock,
        changes: &Changes,
        contents: Option<&Contents>,
    ) -> Result<(), StoreError> {
        let index = linked.block.index();
        named(format_args!("block {index} joins the chain"), || {
            self.join(linked, changes, contents)
        })
    }

    fn disconnect(&mut self, tip: &ChainBlock) -> Result<(), StoreError> {
        let index = tip.block.index();
        named(format_args!("block {index} leaves the chain"), || self.leave(tip))
    }

    fn keep_side(&mut self, linked: &ChainBlock) -> Result<(), StoreError> {
        self.blocks_changed = true;
        let number = self.add_block(linked)?;
        self.insert_side(number, linked)
    }

    fn side(&self, hash: &Hash) -> Result<Option<ChainBlock>, StoreError> {
        named(format_args!("side block {hash}"), || {
            let Some(number) = self.side_number(hash)? else { return Ok(None) };
            numbered(&self.settled()?.open_table(BLOCKS)?, self.shape, number).map(Some)
        })
    }

    fn forget_side(&mut self, hash: &Hash) -> Result<(), StoreError> {
        self.blocks_changed = true;
        if let Some(number) = self.take_side(hash)? {
            self.settled()?.open_table(BLOCKS)?.remove(number)?;
        }
        Ok(())
    }
}
