//! Transactions that wait for a block.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::vec::Vec;

use blocksmith_consensus::block::MAX_BLOCK_BYTES;
use blocksmith_consensus::json::Value;
use blocksmith_consensus::transaction::party;
use blocksmith_consensus::tree::BestChain;
use blocksmith_consensus::{Ancestry, Block, ChainBlock, ChangeSet, Hash, Transaction};

/// The most transactions that the queue takes in; a reorg may bring back more, up to
/// [`MAX_RETURNED`].
pub const MAX_QUEUED: usize = 10_000;

/// The most bytes of their texts together; half of what fits in a block.
pub const MAX_QUEUED_BYTES: usize = 8_000_000;

/// The most transactions in the queue after a reorg; of those that it brings back, the latest are
/// lost first. Without a bound, a miner who drops his own blocks again and again would fill the
/// queue.
pub const MAX_RETURNED: usize = 100_000;

/// The most bytes of their texts together.
pub const MAX_RETURNED_BYTES: usize = 64_000_000;

/// The longest transaction that a reorg brings back, in bytes: one that fits into a block of this
/// node.
pub const MAX_RETURNED_TRANSACTION_BYTES: usize = MAX_BLOCK_BYTES - 100_000;

/// How many payments of the blocks that a reorg drops are looked at, from the fork on: those beyond
/// do not come back. Each takes 40 bytes while the new branch is read.
pub const MAX_WEIGHED: usize = 1_000_000;

/// The most transactions that one step reports in events of their own.
pub const MAX_TOLD: usize = 5_000;

/// The number of the first transaction: in the middle, so that those which a reorg brings back fit
/// in front.
const FIRST_NUMBER: u64 = 1 << 62;

/// A change of the queue. Numbers order it; a store needs nothing but `number -> text`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct QueueChange {
    /// The numbers of those that left: they are in blocks.
    pub removed: Vec<u64>,
    /// The first [`MAX_TOLD`] of those that left.
    pub left: Vec<Transaction>,
    /// The transactions that joined.
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

    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Transaction> {
        self.in_order.values()
    }

    fn insert(&mut self, number: u64, transaction: Transaction) {
        self.bytes += transaction.text().len();
        self.by_text.insert((transaction.clone(), number));
        self.in_order.insert(number, transaction);
    }

    fn remove(&mut self, number: u64) -> Option<Transaction> {
        let transaction = self.in_order.remove(&number)?;
        self.bytes -= transaction.text().len();
        self.by_text.remove(&(transaction.clone(), number));
        Some(transaction)
    }

    /// Appends a transaction; returns `None` if the queue is full.
    pub(crate) fn push(&mut self, transaction: Transaction) -> Option<QueueChange> {
        if self.len() >= MAX_QUEUED || self.bytes + transaction.text().len() > MAX_QUEUED_BYTES {
            return None;
        }
        let number = self.in_order.last_key_value().map_or(FIRST_NUMBER, |(last, _)| last + 1);
        self.insert(number, transaction.clone());
        Some(QueueChange {
            removed: Vec::new(),
            left: Vec::new(),
            added: [(number, transaction)].into(),
        })
    }

    /// Follows a change of the best chain, which ends in `tip` now: transactions of its new blocks
    /// leave the queue, and those that only its dropped blocks held come back, in front. Repeated
    /// transactions can have the same text, so both are differences of multisets. `mint` is the
    /// party that coins come from.
    ///
    /// Blocks are read one by one. Memory holds only the transactions that come back, and an id and
    /// a count for each of [`MAX_WEIGHED`] payments at most.
    ///
    /// # Errors
    /// Fails if `chain` does.
    pub(crate) fn follow<C: BestChain>(
        &mut self,
        change: &ChangeSet,
        tip: &ChainBlock,
        mint: &str,
        chain: &C,
    ) -> Result<QueueChange, <C as Ancestry>::Error> {
        let mut outcome = QueueChange::default();
        if self.in_order.is_empty() && change.disconnected.is_empty() {
            return Ok(outcome);
        }
        let mut dropped = Dropped::weigh(change, mint, chain)?;
        for linked in change.joined(tip, chain) {
            for payment in payments(&linked?.block, mint) {
                if dropped.is_made_again(payment.text()) {
                    continue;
                }
                let payment = Transaction::of_block(payment);
                let range = (payment.clone(), 0)..=(payment, u64::MAX);
                if let Some(number) = self.by_text.range(range).next().map(|(_, number)| *number) {
                    let gone = self.remove(number);
                    outcome.removed.push(number);
                    // Of a deep reorg only the first are kept for events.
                    outcome.left.extend(gone.filter(|_| outcome.left.len() < MAX_TOLD));
                }
            }
        }
        let (mut count, mut bytes) = (self.len(), self.bytes);
        let returned = dropped.returned(change, mint, chain, |length| {
            let fits = length <= MAX_RETURNED_TRANSACTION_BYTES
                && count < MAX_RETURNED
                && bytes + length <= MAX_RETURNED_BYTES;
            count += usize::from(fits);
            bytes += if fits { length } else { 0 };
            fits
        })?;
        let first = self.in_order.first_key_value().map_or(FIRST_NUMBER, |(first, _)| *first);
        for (offset, transaction) in returned.into_iter().rev().enumerate() {
            let number = first - 1 - offset as u64;
            self.insert(number, transaction.clone());
            outcome.added.push((number, transaction));
        }
        Ok(outcome)
    }
}

/// Counts how often each payment stands in the dropped blocks, and how often the new blocks made it
/// again.
struct Dropped {
    /// Sorted by the hash of the text; each once.
    left: Vec<(Hash, Count)>,
    weighed: usize,
}

#[derive(Clone, Copy, Default)]
struct Count {
    dropped: u32,
    again: u32,
}

impl Dropped {
    fn weigh<C: BestChain>(
        change: &ChangeSet,
        mint: &str,
        chain: &C,
    ) -> Result<Self, <C as Ancestry>::Error> {
        let mut ids = Vec::new();
        for linked in change.left(chain).rev() {
            let block = linked?.block;
            let room = MAX_WEIGHED - ids.len();
            ids.extend(payments(&block, mint).take(room).map(|payment| Hash::of(payment.text())));
            if ids.len() == MAX_WEIGHED {
                break;
            }
        }
        ids.sort_unstable();
        let weighed = ids.len();
        let left = ids.chunk_by(|one, other| one == other).map(|same| {
            // A million at most.
            (same[0], Count { dropped: same.len() as u32, again: 0 })
        });
        Ok(Self { left: left.collect(), weighed })
    }

    fn get(&mut self, text: &str) -> Option<&mut Count> {
        if self.left.is_empty() {
            return None;
        }
        let place = self.left.binary_search_by_key(&Hash::of(text), |(hash, _)| *hash).ok()?;
        Some(&mut self.left[place].1)
    }

    /// Notes a payment of a new block, and returns whether a dropped block had it.
    fn is_made_again(&mut self, text: &str) -> bool {
        match self.get(text) {
            Some(count) if count.again < count.dropped => {
                count.again += 1;
                true
            }
            _ => false,
        }
    }

    /// Returns the payments that were not made again, in order, if their length `fits`. Of payments
    /// with the same text the first ones count as made again.
    fn returned<C: BestChain>(
        mut self,
        change: &ChangeSet,
        mint: &str,
        chain: &C,
        mut fits: impl FnMut(usize) -> bool,
    ) -> Result<Vec<Transaction>, <C as Ancestry>::Error> {
        let mut returned = Vec::new();
        for linked in change.left(chain).rev() {
            for payment in payments(&linked?.block, mint) {
                if self.weighed == 0 {
                    return Ok(returned);
                }
                self.weighed -= 1;
                let count = self.get(payment.text()).map(|count| &mut count.again);
                match count {
                    Some(again) if *again > 0 => *again -= 1,
                    _ if fits(payment.text().len()) => {
                        returned.push(Transaction::of_block(payment));
                    }
                    _ => {}
                }
            }
        }
        Ok(returned)
    }
}

/// A block's transactions without its coin, which is the last one when it comes from `mint`.
fn payments<'a>(block: &'a Block, mint: &str) -> impl Iterator<Item = Value<'a>> + use<'a> {
    let mut all: Vec<_> = block.view().transactions().collect();
    let is_coin = |value: &Value<'_>| value.get("sender").is_some_and(|from| party(from) == mint);
    if all.last().is_some_and(is_coin) {
        all.pop();
    }
    all.into_iter()
}
