//! What is valid, as a column of checks: a block by itself, and a block on its parent.

use alloc::string::{String, ToString};

use crate::block::{Block, BlockView, quote};
use crate::difficulty::Pace;
use crate::hash::Hash;
use crate::job::Target;
use crate::rules::{Genesis, Rules};
use crate::tree::Linked;

/// The rule that a block breaks. It is its maker's fault, never ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The first block is not the genesis block of these rules.
    #[error("genesis: the chain starts with {found}, these rules start with {expected}")]
    Genesis {
        /// What the rules start with.
        expected: String,
        /// What stands there.
        found: String,
    },
    /// The index does not count up by one.
    #[error("index: block {expected} says that its index is {found}")]
    Index {
        /// The parent's index and one.
        expected: u64,
        /// What the block says.
        found: u64,
    },
    /// `previous_hash` is not the hash of the block before.
    #[error(
        "previous_hash: block {index} names {found}, but the block before it hashes to {expected}"
    )]
    PreviousHash {
        /// The index of the block that names the wrong parent.
        index: u64,
        /// The hash of the block before.
        expected: Hash,
        /// What the block says, cut short when long.
        found: String,
    },
    /// `previous_hash` is no hash at all, so that no block can come before this one.
    #[error(
        "previous_hash: block {index} names {found}; a hash is a string of 64 lower-case hex digits"
    )]
    NoHash {
        /// The index of the block.
        index: u64,
        /// What the block says, cut short when long.
        found: String,
    },
    /// The time goes back.
    #[error("timestamp: block {index} says {found}, before its parent's {parent}")]
    Timestamp {
        /// The index of the block.
        index: u64,
        /// What the parent says, in seconds since 1970.
        parent: u64,
        /// What the block says.
        found: u64,
    },
    /// The target is not the one that the chain's pace gives.
    #[error("target: block {index} states the target {found}, and it should be {expected}")]
    Target {
        /// The index of the block.
        index: u64,
        /// What follows from the blocks before.
        expected: Target,
        /// What the block says.
        found: Target,
    },
    /// The digest of the proof is above the target.
    #[error("proof: block {index} has the digest {digest}, above the target {target}")]
    Proof {
        /// The index of the block.
        index: u64,
        /// SHA-256(prefix ‖ proof ‖ suffix).
        digest: Hash,
        /// The largest digest that counts.
        target: Target,
    },
}

impl Invalid {
    /// The rule that is broken, in one word.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Genesis { .. } => "genesis",
            Self::Index { .. } => "index",
            Self::PreviousHash { .. } | Self::NoHash { .. } => "previous_hash",
            Self::Timestamp { .. } => "timestamp",
            Self::Target { .. } => "target",
            Self::Proof { .. } => "proof",
        }
    }
}

/// A block that is sound by itself: nothing is known of its parent.
#[derive(Debug, Clone)]
pub struct Checked(Block);

/// A block that is valid on its parent, or a genesis block of the rules.
#[derive(Debug, Clone)]
pub struct Valid(Block);

impl Checked {
    /// The block.
    pub fn block(&self) -> &Block {
        &self.0
    }

    /// The block, with what is known of it forgotten.
    pub fn into_block(self) -> Block {
        self.0
    }
}

impl Valid {
    /// The block, with what is known of it forgotten.
    pub fn into_block(self) -> Block {
        self.0
    }
}

/// Checks what can be told of a block without its parent.
///
/// # Errors
/// The rule that it breaks.
pub fn check_alone(rules: &Rules, block: Block) -> Result<Checked, Invalid> {
    if block.index() == rules.genesis.index() {
        genesis(rules, block.view(), &block.hash())?;
    } else if block.parent().is_none() {
        let found = quote(block.view().previous_hash.text());
        return Err(Invalid::NoHash { index: block.index(), found });
    }
    Ok(Checked(block))
}

/// Checks a block on its parent. The genesis block has none.
///
/// # Errors
/// The rule that it breaks.
pub fn check_on(
    rules: &Rules,
    checked: Checked,
    parent: Option<&Linked>,
) -> Result<Valid, Invalid> {
    let Checked(block) = checked;
    match parent {
        Some(Linked { block: parent, pace, .. }) => {
            link(rules, parent.view(), &parent.hash(), pace, block.view())?;
        }
        None => genesis(rules, block.view(), &block.hash())?,
    }
    Ok(Valid(block))
}

/// Checks that a chain may start with `block`.
///
/// # Errors
/// [`Invalid::Genesis`].
pub fn genesis(rules: &Rules, block: BlockView<'_>, hash: &Hash) -> Result<(), Invalid> {
    let fits = match &rules.genesis {
        Genesis::Fixed(fixed) => fixed.hash() == *hash,
        Genesis::Any { index, proof, previous_hash } => {
            block.index == *index
                && block.proof_json() == proof
                && block.previous_hash.text() == previous_hash
        }
    };
    if fits {
        return Ok(());
    }
    Err(Invalid::Genesis { expected: rules.genesis.to_string(), found: quote(block.text) })
}

/// Checks that `child` may stand on `parent`, whose hash is `parent_hash`, and up to which the
/// chain has this pace.
///
/// # Errors
/// The first of these rules that it breaks.
pub fn link(
    rules: &Rules,
    parent: BlockView<'_>,
    parent_hash: &Hash,
    pace: &Pace,
    child: BlockView<'_>,
) -> Result<(), Invalid> {
    // Its index is one more than the index of our last block.
    let expected = parent.index + 1;
    if child.index != expected {
        return Err(Invalid::Index { expected, found: child.index });
    }
    // Its previous_hash is the hash of our last block.
    if !child.follows(parent_hash) {
        let found = quote(child.previous_hash.text());
        return Err(Invalid::PreviousHash { index: child.index, expected: *parent_hash, found });
    }
    if let Some(header) = &child.header {
        let index = child.index;
        // Its time is not before the parent's.
        let (parent, found) = (parent.timestamp_s(), header.timestamp_s);
        if found < parent {
            return Err(Invalid::Timestamp { index, parent, found });
        }
        // Its target is the one that the chain's pace gives.
        let (expected, found) = (rules.target_after(pace), header.target);
        if found != expected {
            return Err(Invalid::Target { index, expected, found });
        }
    }
    // Its proof is valid on our last block.
    let job = rules.job(parent, parent_hash, child.header.as_ref());
    let digest = job.digest(&*child.proof());
    if !job.target.is_met_by(&digest) {
        return Err(Invalid::Proof { index: child.index, digest, target: job.target });
    }
    Ok(())
}

impl Genesis {
    /// The index of the first block.
    pub fn index(&self) -> u64 {
        match self {
            Genesis::Fixed(block) => block.index(),
            Genesis::Any { index, .. } => *index,
        }
    }
}

impl core::fmt::Display for Genesis {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Genesis::Fixed(block) => write!(f, "{}", block.text()),
            Genesis::Any { index, proof, previous_hash } => write!(
                f,
                "any block with index {index}, proof {proof} and previous_hash {previous_hash}"
            ),
        }
    }
}
