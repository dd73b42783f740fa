//! Bounds that several calls share.

use std::time::Duration;

use blocksmith_consensus::block::MAX_BLOCK_BYTES;

/// The longest body that the node reads: a block, and a million bytes for what surrounds it.
pub(super) const MAX_BODY_BYTES: usize = MAX_BLOCK_BYTES + 1_000_000;

/// How long a body may take to arrive.
pub(super) const BODY_TIME: Duration = Duration::from_secs(15);

/// How much of a wrong value a message quotes, in characters.
pub(super) const MAX_QUOTE: usize = 60;
