//! Transactions that wait for a block.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use blocksmith_consensus::block::MAX_BLOCK_BYTES;
use blocksmith_consensus::json::Value;
use blocksmith_consensus::transaction::party;
use blocksmith_consensus::{Block, ChangeSet, Transaction};

/// The most transactions that are taken in; what a reorg brings back may exceed it, up to
/// [`MAX_RETURNED`].
pub const MAX_QUEUED: usize = 10_000;

/// The most bytes of their texts together; half of what fits in a block.
pub const MAX_QUEUED_BYTES: usize = 8_000_000;

/// As many transactions may be in the queue after a reorg; of what it brings back, the latest are
/// lost first. Without a bound, a miner who drops his own blocks again and again would fill it.
pub const MAX_RETURNED: usize = 100_000;

/// The most bytes of their texts together.
pub const MAX_RETURNED_BYTES: usize = 64_000_000;

/// The longest transaction that a reorg brings back, in bytes: one that fits into a block of ours.
pub const MAX_RETURNED_TRANSACTION_BYTES: usize = MAX_BLOCK_BYTES - 100_000;

/// The first number is in the middle, so that what a reorg brings back fits in front.
const FIRST_NUMBER: u64 = 1 << 62;

/// What changed in the queue. Numbers order it; a store that keeps `number -> text` keeps it all.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueChange {
    /// The numbers of those that left.
    pub removed: Vec<u64>,
    /// Those that joined.
    pub added: Vec<(u64, Transaction)>,
}

impl QueueChange {
    pub(crate) fn is_empty(&self) -> bool {
        self.removed.is_empty() && self.added.is_empty()
    }
}

#[derive(Debug, Default)]
pub(crate) struct Queue {
    in_order: BTreeMap<u64, Transaction>,
    by_text: BTreeSet<(Transaction, u64)>,
    bytes: usize,
}

impl Queue {
    pub(crate) fn new(entries: impl IntoIterator<Item = (u64, Transaction)>) -> Self {
        let mut queue = Self::default();
        for (number, transaction) in entries {
            queue.insert(number, transaction);
        }
        queue
    }

    pub(crate) fn len(&self) -> usize {
        self.in_order.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Transaction> {
        self.in_order.values()
    }

    fn insert(&mut self, number: u64, transaction: Transaction) {
        self.bytes += transaction.text().len();
        self.by_text.insert((transaction.clone(), number));
        self.in_order.insert(number, transaction);
    }

    fn remove(&mut self, number: u64) {
        if let Some(transaction) = self.in_order.remove(&number) {
            self.bytes -= transaction.text().len();
            self.by_text.remove(&(transaction, number));
        }
    }

    /// Takes a transaction in, at the end; `None` when the queue is full.
    pub(crate) fn push(&mut self, transaction: Transaction) -> Option<QueueChange> {
        if self.len() >= MAX_QUEUED || self.bytes + transaction.text().len() > MAX_QUEUED_BYTES {
            return None;
        }
        let number = self.in_order.last_key_value().map_or(FIRST_NUMBER, |(last, _)| last + 1);
        self.insert(number, transaction.clone());
        Some(QueueChange { removed: Vec::new(), added: [(number, transaction)].into() })
    }

    /// Follows a change of the best chain: what its new blocks hold leaves the queue, and what only
    /// its dropped blocks held comes back, in front. Repeated transactions can have the same text,
    /// so both are differences of multisets. `mint` is the party that coins come from.
    pub(crate) fn follow(&mut self, change: &ChangeSet, mint: &str) -> QueueChange {
        let mut outcome = QueueChange::default();
        if self.in_order.is_empty() && change.disconnected.is_empty() {
            return outcome;
        }
        let mut dropped: Vec<_> =
            change.disconnected.iter().rev().flat_map(|l| payments(&l.block, mint)).collect();
        let mut connected: BTreeMap<Transaction, usize> = BTreeMap::new();
        for payment in change.connected.iter().flat_map(|l| payments(&l.block, mint)) {
            *connected.entry(payment).or_default() += 1;
        }
        dropped.retain(|payment| match connected.get_mut(payment) {
            Some(count) if *count > 0 => {
                *count -= 1;
                false
            }
            _ => true,
        });
        for (payment, count) in connected {
            let range = (payment.clone(), 0)..=(payment, u64::MAX);
            let numbers: Vec<_> =
                self.by_text.range(range).take(count).map(|(_, number)| *number).collect();
            for number in numbers {
                self.remove(number);
                outcome.removed.push(number);
            }
        }
        let (mut count, mut bytes) = (self.len(), self.bytes);
        dropped.retain(|payment| {
            let length = payment.text().len();
            let fits = length <= MAX_RETURNED_TRANSACTION_BYTES
                && count < MAX_RETURNED
                && bytes + length <= MAX_RETURNED_BYTES;
            count += usize::from(fits);
            bytes += if fits { length } else { 0 };
            fits
        });
        let first = self.in_order.first_key_value().map_or(FIRST_NUMBER, |(first, _)| *first);
        for (offset, transaction) in dropped.into_iter().rev().enumerate() {
            let number = first - 1 - offset as u64;
            self.insert(number, transaction.clone());
            outcome.added.push((number, transaction));
        }
        outcome
    }
}

/// A block's transactions without its coin, which is the last one when it comes from `mint`.
fn payments(block: &Block, mint: &str) -> Vec<Transaction> {
    let mut all: Vec<_> = block.view().transactions().collect();
    let is_coin = |value: &Value<'_>| value.get("sender").is_some_and(|from| party(from) == mint);
    if all.last().is_some_and(is_coin) {
        all.pop();
    }
    all.into_iter().map(Transaction::of_block).collect()
}
