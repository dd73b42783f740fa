//! Blocks whose time has not come, by this node's clock, within bounds: the latest goes first.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use blocksmith_consensus::{Checked, Hash, Timestamp};

/// How far ahead of this node's clock a block's time may be, in seconds: clocks differ. A block
/// that is further ahead waits until it is not; it may be good on a node whose clock is right.
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

/// Whether a block's time is too far ahead. Blocks without a header have none that rules know.
pub(crate) fn is_early(checked: &Checked, now: Timestamp) -> bool {
    let header = checked.block().header();
    header.is_some_and(|header| header.timestamp_s > latest(now))
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
