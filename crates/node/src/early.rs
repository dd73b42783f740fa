//! Blocks whose time is too far ahead of this node's clock, within bounds: the one with the latest
//! time is dropped first.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use blocksmith_consensus::{Block, Checked, Hash, Timestamp};

/// How far ahead of this node's clock a block's time may be, in seconds: clocks differ. A block
/// that is further ahead waits until it no longer is; nodes with a right clock may have taken it.
pub const MAX_AHEAD_S: u64 = 45;

/// The most blocks that wait for their time.
const MAX_EARLY: usize = 100;

/// The most bytes of their texts together.
const MAX_EARLY_BYTES: usize = 16 << 20;

#[derive(Debug, Default)]
pub(crate) struct Early {
    /// By time and id.
    waiting: BTreeMap<(u64, Hash), Checked>,
    bytes: usize,
}

/// A block that waits for its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FutureBlock {
    /// Its index.
    pub index: u64,
    /// Its time, in seconds since 1970.
    pub time_s: u64,
}

impl FutureBlock {
    /// Seconds by which its time is ahead of `now`.
    pub fn ahead_s(&self, now: Timestamp) -> u64 {
        self.time_s.saturating_sub(now.micros / 1_000_000)
    }

    /// The time from which on the node takes it, in seconds since 1970.
    pub fn until_s(&self) -> u64 {
        self.time_s.saturating_sub(MAX_AHEAD_S)
    }
}

/// By how many seconds a block's time is ahead of `now`, if that is too far. Blocks without a
/// header have no time that rules read.
pub fn too_far_ahead_s(block: &Block, now: Timestamp) -> Option<u64> {
    let time_s = block.header()?.timestamp_s;
    (time_s > latest(now)).then(|| time_s - now.micros / 1_000_000)
}

/// The tip's time is too far ahead of the node's clock: a block on top of it can't be older, and
/// would have to wait. The clock was set back, or the tip is the genesis block of a chain that has
/// not begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "block {index} is the tip, and its time is {ahead_s} s ahead of this node's clock: the node takes \
     no block on top of it for {} s", .ahead_s - MAX_AHEAD_S
)]
pub struct FutureTip {
    /// The tip's index.
    pub index: u64,
    /// Seconds by which its time is ahead of the node's clock.
    pub ahead_s: u64,
    /// The time, by the node's clock, from which on it takes blocks on top of the tip, in seconds
    /// since 1970.
    pub until_s: u64,
}

impl FutureTip {
    /// Returns the error for this tip, if its time is too far ahead.
    pub fn of(tip: &Block, now: Timestamp) -> Option<Self> {
        let ahead_s = too_far_ahead_s(tip, now)?;
        let until_s = now.micros / 1_000_000 + ahead_s - MAX_AHEAD_S;
        Some(Self { index: tip.index(), ahead_s, until_s })
    }
}

fn latest(now: Timestamp) -> u64 {
    now.micros / 1_000_000 + MAX_AHEAD_S
}

impl Early {
    pub(crate) fn insert(&mut self, checked: Checked) {
        let (hash, bytes) = (checked.block().hash(), checked.block().text().len());
        let time = checked.block().view().timestamp_s();
        if self.waiting.insert((time, hash), checked).is_none() {
            self.bytes += bytes;
        }
        while self.waiting.len() > MAX_EARLY || self.bytes > MAX_EARLY_BYTES {
            let Some((_, latest)) = self.waiting.pop_last() else { break };
            self.bytes -= latest.block().text().len();
        }
    }

    /// The block with this hash, if it waits.
    pub(crate) fn find(&self, hash: &Hash) -> Option<FutureBlock> {
        let mut waiting = self.waiting.iter();
        let ((time_s, _), checked) = waiting.find(|((_, waits), _)| waits == hash)?;
        Some(FutureBlock { index: checked.block().index(), time_s: *time_s })
    }

    /// Takes out the blocks whose time has come, the earliest first.
    pub(crate) fn take_due(&mut self, now: Timestamp) -> Vec<Checked> {
        let mut due = Vec::new();
        while let Some(first) = self.waiting.first_entry()
            && first.key().0 <= latest(now)
        {
            let checked = first.remove();
            self.bytes -= checked.block().text().len();
            due.push(checked);
        }
        due
    }
}
