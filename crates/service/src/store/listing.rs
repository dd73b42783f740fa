//! Lists where transactions are: by id, and by the addresses that paid and were paid. The lists are
//! part of the store, written in the transaction of the block that holds them.
//!
//! | table      | key                              | value                              |
//! |------------|----------------------------------|------------------------------------|
//! | `places`   | id, 32 bytes ‖ place, 12 bytes   | nothing                            |
//! | `history`  | party, 32 bytes ‖ place, 12 bytes | nothing                           |
//! | `activity` | party, 32 bytes                  | how many transactions, u64         |
//!
//! A place is the index of the block, 8 bytes, and the position in its list, 4 bytes, big-endian.

use std::ops::{Bound, RangeInclusive};

use blocksmith_consensus::ledger::Contents;
use blocksmith_consensus::payment::{Coinbase, Domain};
use blocksmith_consensus::{Block, Family, Hash, Rules, Sealed};
use redb::{ReadOnlyTable, ReadTransaction, ReadableTable, TableDefinition, WriteTransaction};

use super::error::StoreError;

pub(crate) const PLACES: TableDefinition<'_, [u8; KEY_BYTES], ()> = TableDefinition::new("places");
pub(crate) const HISTORY: TableDefinition<'_, [u8; KEY_BYTES], ()> =
    TableDefinition::new("history");
pub(crate) const ACTIVITY: TableDefinition<'_, [u8; 32], u64> = TableDefinition::new("activity");

/// The length of a key: an id or a party, and a place.
pub(crate) const KEY_BYTES: usize = 32 + 8 + 4;

/// The most places that are returned for one id.
pub const MAX_PLACES: usize = 1_000;

/// The most places that are returned for one party at a time.
pub const MAX_HISTORY: usize = 1_000;

/// Where a transaction is: the index of its block, and its position in the block's list, counted
/// from 0. It sorts as the chain does.
pub type TransactionLocation = (u64, u32);

fn key(what: &[u8; 32], (index, position): TransactionLocation) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    key[..32].copy_from_slice(what);
    key[32..40].copy_from_slice(&index.to_be_bytes());
    key[40..].copy_from_slice(&position.to_be_bytes());
    key
}

pub(crate) fn location(key: &[u8; KEY_BYTES]) -> TransactionLocation {
    let (index, position) = (key[32..].first_chunk(), key[40..].first_chunk());
    let index = u64::from_be_bytes(*index.expect("8 bytes"));
    (index, u32::from_be_bytes(*position.expect("4 bytes")))
}

/// The entries of one transaction in the lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IndexEntry {
    /// Its position in the block's list, counted from 0.
    pub position: u32,
    /// Its id. Coins of a genesis block may share theirs with a later coin.
    pub id: Hash,
    /// The keys of the addresses that pay and are paid: once if they are the same; a coin has no
    /// key that pays.
    pub parties: [Option<[u8; 32]>; 2],
}

/// The parts of a chain's blocks that are listed.
#[derive(Debug, Clone)]
pub(crate) enum Indexer {
    /// Nothing: ids and parties by the hash of their texts made the import of a chain of coins half as
    /// long again, of one with three payments a block five times as long.
    Open,
    /// Payments and coins.
    Sealed(Box<(Sealed, Domain)>),
}

impl Indexer {
    pub(crate) fn new(rules: &Rules) -> Self {
        match &rules.family {
            Family::Open(_) => Self::Open,
            Family::Sealed(sealed) => Self::Sealed(Box::new((sealed.clone(), sealed.domain()))),
        }
    }

    /// The entries of a block with these contents, in order; a genesis block comes without
    /// contents.
    pub(crate) fn list(&self, block: &Block, contents: Option<&Contents>) -> Vec<IndexEntry> {
        let Self::Sealed(sealed) = self else { return Vec::new() };
        let (rules, domain) = &**sealed;
        let coin = |(position, coin): (u32, Coinbase)| IndexEntry {
            position,
            id: coin.id(domain),
            parties: [Some(*coin.recipient.key()), None],
        };
        let Some(Contents { payments, coin: last }) = contents else {
            // A genesis block has coins alone.
            return (0..).zip(rules.allotted(block).unwrap_or_default()).map(coin).collect();
        };
        let payments_listed = (0..).zip(payments).map(|(position, payment)| {
            let (sender, recipient) = (payment.sender(), payment.recipient());
            let recipient = Some(*recipient.key()).filter(|_| recipient != sender);
            IndexEntry { position, id: payment.id(), parties: [Some(*sender.key()), recipient] }
        });
        // A block has fewer transactions than bytes.
        payments_listed.chain([coin((payments.len() as u32, *last))]).collect()
    }

    /// The entries of a block that comes from a store of valid blocks.
    pub(crate) fn list_again(&self, block: &Block) -> Vec<IndexEntry> {
        match self {
            Self::Open => Vec::new(),
            Self::Sealed(sealed) => self.list(block, sealed.0.contents(block).as_ref()),
        }
    }
}

/// The keys that blocks add to each table.
#[derive(Default)]
pub(crate) struct Entries {
    pub(crate) places: Vec<[u8; KEY_BYTES]>,
    pub(crate) history: Vec<[u8; KEY_BYTES]>,
}

impl Entries {
    /// The keys that block `index` adds, sorted, so that pages are filled one after another.
    pub(crate) fn of(index: u64, listed: &[IndexEntry]) -> Self {
        let mut entries = Self::default();
        entries.add(index, listed);
        entries.sort();
        entries
    }

    /// Adds the keys of block `index`, and returns how many bytes they take.
    pub(crate) fn add(&mut self, index: u64, listed: &[IndexEntry]) -> usize {
        let before = self.places.len() + self.history.len();
        for IndexEntry { id, position, parties } in listed {
            self.places.push(key(&id.0, (index, *position)));
            let parties = parties.iter().flatten();
            self.history.extend(parties.map(|party| key(party, (index, *position))));
        }
        (self.places.len() + self.history.len() - before) * KEY_BYTES
    }

    /// Sorts them.
    pub(crate) fn sort(&mut self) {
        self.places.sort_unstable();
        self.history.sort_unstable();
    }

    /// How many transactions each party has in them; call it after [`Entries::sort`].
    pub(crate) fn activity(&self) -> impl Iterator<Item = (&[u8; 32], u64)> {
        let party = |key: &[u8; KEY_BYTES]| *key.first_chunk::<32>().expect("a party comes first");
        let of_one = self.history.chunk_by(move |one, other| party(one) == party(other));
        of_one.map(|keys| (keys[0].first_chunk().expect("a party comes first"), keys.len() as u64))
    }
}

/// Makes the tables; a reader makes none.
pub(crate) fn make(transaction: &WriteTransaction) -> Result<(), StoreError> {
    transaction.open_table(PLACES)?;
    transaction.open_table(HISTORY)?;
    transaction.open_table(ACTIVITY)?;
    Ok(())
}

/// Lists the transactions of blocks that join the best chain.
pub(crate) fn add(transaction: &WriteTransaction, entries: &Entries) -> Result<(), StoreError> {
    if entries.places.is_empty() {
        return Ok(());
    }
    let mut table = transaction.open_table(PLACES)?;
    for key in &entries.places {
        table.insert(key, ())?;
    }
    let mut table = transaction.open_table(HISTORY)?;
    for key in &entries.history {
        table.insert(key, ())?;
    }
    let mut table = transaction.open_table(ACTIVITY)?;
    for (party, more) in entries.activity() {
        let before = table.get(party)?.map_or(0, |count| count.value());
        table.insert(party, before + more)?;
    }
    Ok(())
}

/// Removes the transactions of a block that leaves the best chain.
pub(crate) fn remove(
    transaction: &WriteTransaction,
    index: u64,
    listed: &[IndexEntry],
) -> Result<(), StoreError> {
    if listed.is_empty() {
        return Ok(());
    }
    let missing =
        |what| StoreError::Damaged(format!("the {what} of block {index} is not all there"));
    let entries = Entries::of(index, listed);
    let mut table = transaction.open_table(PLACES)?;
    for key in &entries.places {
        table.remove(key)?.ok_or_else(|| missing("list"))?;
    }
    let mut table = transaction.open_table(HISTORY)?;
    for key in &entries.history {
        table.remove(key)?.ok_or_else(|| missing("history"))?;
    }
    let mut table = transaction.open_table(ACTIVITY)?;
    for (party, fewer) in entries.activity() {
        let before = table.get(party)?.map_or(0, |count| count.value());
        match before.checked_sub(fewer).ok_or_else(|| missing("activity"))? {
            0 => table.remove(party)?,
            left => table.insert(party, left)?,
        };
    }
    Ok(())
}

/// The tables as they are at one moment.
pub(crate) struct Lists {
    pub(crate) places: ReadOnlyTable<[u8; KEY_BYTES], ()>,
    pub(crate) history: ReadOnlyTable<[u8; KEY_BYTES], ()>,
    pub(crate) activity: ReadOnlyTable<[u8; 32], u64>,
}

impl Lists {
    pub(crate) fn of(transaction: &ReadTransaction) -> Result<Self, StoreError> {
        Ok(Self {
            places: transaction.open_table(PLACES)?,
            history: transaction.open_table(HISTORY)?,
            activity: transaction.open_table(ACTIVITY)?,
        })
    }

    /// The first places of an id, at most [`MAX_PLACES`].
    pub(crate) fn places(&self, id: &Hash) -> Result<Vec<TransactionLocation>, StoreError> {
        let range = key(&id.0, (0, 0))..=key(&id.0, (u64::MAX, u32::MAX));
        let all = self.places.range(range)?.take(MAX_PLACES);
        all.map(|entry| Ok(location(&entry?.0.value()))).collect()
    }

    /// For each id between two, its first place; at most `limit`.
    pub(crate) fn first_places(
        &self,
        ids: &RangeInclusive<Hash>,
        limit: usize,
    ) -> Result<Vec<(Hash, TransactionLocation)>, StoreError> {
        let last = (u64::MAX, u32::MAX);
        let mut from = Bound::Included(key(&ids.start().0, (0, 0)));
        let to = Bound::Included(key(&ids.end().0, last));
        let mut found = Vec::new();
        while found.len() < limit {
            let next = self.places.range::<[u8; KEY_BYTES]>((from, to))?.next().transpose()?;
            let Some(place) = next.map(|(key, _)| key.value()) else { break };
            let id = place.first_chunk().expect("an id comes first");
            found.push((Hash(*id), location(&place)));
            if *id == ids.end().0 {
                break;
            }
            // The other places of the same id are skipped.
            from = Bound::Excluded(key(id, last));
        }
        Ok(found)
    }

    /// The last places of a party before some place, at most `limit`, and [`MAX_HISTORY`].
    pub(crate) fn history(
        &self,
        party: &[u8; 32],
        before: Option<TransactionLocation>,
        limit: usize,
    ) -> Result<Vec<TransactionLocation>, StoreError> {
        let range = match before {
            Some(before) => self.history.range(key(party, (0, 0))..key(party, before))?,
            None => self.history.range(key(party, (0, 0))..=key(party, (u64::MAX, u32::MAX)))?,
        };
        let all = range.rev().take(limit.min(MAX_HISTORY));
        all.map(|entry| Ok(location(&entry?.0.value()))).collect()
    }

    /// How many places a party has.
    pub(crate) fn activity(&self, party: &[u8; 32]) -> Result<u64, StoreError> {
        Ok(self.activity.get(party)?.map_or(0, |count| count.value()))
    }
}
