//! When the turn of a transaction comes that waits.

/// How many blocks are looked ahead.
pub const MAX_BLOCKS: u64 = 100;

/// After how many payments of a mempool no further block is looked at, so that a long mempool keeps the
/// thread of the chain for no longer than a block does.
pub const MAX_AHEAD: u64 = 10_000;

/// When the turn of a transaction comes if nothing came or went but blocks of what waits now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn {
    /// Its place in line, from 1.
    pub place: u64,
    /// The block that has it.
    pub block: u64,
    /// Why no earlier block has it; none if it is in the next one.
    pub why: Option<WhyLater>,
}

/// Why a transaction is not in the next block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WhyLater {
    /// The blocks before are full of payments with better fee rates.
    Fee,
    /// As [`WhyLater::Fee`], because of an earlier payment of the sender: the one with this nonce
    /// has a worse rate.
    Nonce(u64),
    /// The blocks before are full with what came earlier.
    Full,
}
