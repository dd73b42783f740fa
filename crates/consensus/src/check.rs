//! What is valid, as a column of checks: a block by itself, and a block on its parent.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::block::{Block, BlockView, quote};
use crate::difficulty::Pace;
use crate::hash::Hash;
use crate::job::Target;
use crate::json::Value;
use crate::ledger::{Accounts, BadBody, Changes, Contents, NotApplied};
use crate::merkle;
use crate::payment::{BadEntry, BadSignature, VerifiedEntry};
use crate::rules::{Genesis, Rules};
use crate::spending::Listed;
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
    /// The target is above all that the chain's blocks have.
    #[error(
        "target: block {index} states the target {found}; no block of this chain has one above {easiest}"
    )]
    TooEasy {
        /// The index of the block.
        index: u64,
        /// The easiest target that a block may have.
        easiest: Target,
        /// What the block says.
        found: Target,
    },
    /// The text is longer than the rules allow.
    #[error("size: block {index} has {found} bytes; at most {limit} are allowed")]
    Size {
        /// The index of the block.
        index: u64,
        /// What the rules allow.
        limit: usize,
        /// Bytes of the canonical text.
        found: usize,
    },
    /// The transactions are not those that the work commits to. It tells nothing of the block with
    /// this id, which may be a good one: anybody can send its header with another body.
    #[error("merkle_root: block {index} states {stated}, its transactions give {found}")]
    MerkleRoot {
        /// The index of the block.
        index: u64,
        /// What the header says.
        stated: Hash,
        /// What follows from the transactions.
        found: Hash,
    },
    /// The transactions break a rule.
    #[error("transactions: block {index}: {why}")]
    Body {
        /// The index of the block.
        index: u64,
        /// The rule.
        why: Box<BadBody>,
    },
    /// A payment was not signed by its sender.
    #[error("signature: block {index}, transaction {position}: {why}")]
    Signature {
        /// The index of the block.
        index: u64,
        /// The payment's place in the list, counted from 0.
        position: usize,
        /// Which payment it is.
        why: BadSignature,
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
            Self::Target { .. } | Self::TooEasy { .. } => "target",
            Self::Size { .. } => "size",
            Self::MerkleRoot { .. } => "merkle_root",
            Self::Body { .. } => "transactions",
            Self::Signature { .. } => "signature",
            Self::Proof { .. } => "proof",
        }
    }
}

/// A block that is sound by itself: nothing is known of its parent.
#[derive(Debug, Clone)]
pub struct Checked {
    block: Block,
    /// What rules know of its transactions; nothing of a genesis block's.
    contents: Option<Contents>,
}

/// A block that is valid on its parent, or a genesis block of the rules.
#[derive(Debug, Clone)]
pub struct Valid(Checked);

impl Checked {
    /// The block.
    pub fn block(&self) -> &Block {
        &self.block
    }
}

impl Valid {
    /// The block.
    pub fn block(&self) -> &Block {
        &self.0.block
    }

    /// What the block does to the accounts that its parent left; nothing if it is a genesis block.
    ///
    /// # Errors
    /// The rule that it breaks, or that an account can't be read.
    pub fn spend<A: Accounts>(
        &self,
        rules: &Rules,
        parent: &A,
    ) -> Result<Changes, Unspent<A::Error>> {
        let Checked { block, contents } = &self.0;
        let Some(contents) = contents else { return Ok(Changes::default()) };
        rules.spend(parent, block, contents).map_err(|error| match error {
            NotApplied::Invalid(why) => {
                Unspent::Invalid(Invalid::Body { index: block.index(), why: why.into() })
            }
            NotApplied::Accounts(error) => Unspent::Accounts(error),
        })
    }

    /// What an index lists of it.
    pub fn listed(&self, rules: &Rules) -> Vec<Listed> {
        rules.listed_of(&self.0.block, self.0.contents.as_ref())
    }

    /// A block that was checked once, in this run or another, and comes from where valid blocks are
    /// kept.
    ///
    /// # Errors
    /// What its transactions are not: then it was never checked.
    pub(crate) fn again(rules: &Rules, block: Block) -> Result<Self, Invalid> {
        let index = block.index();
        let body = match index == rules.genesis.index() {
            true => None,
            false => rules.body(&block).map_err(|why| Invalid::Body { index, why: why.into() })?,
        };
        let contents = body.map(Contents::signed_before);
        Ok(Self(Checked { block, contents }))
    }
}

/// Why it can't be said what a block does to accounts.
#[derive(Debug)]
pub enum Unspent<E> {
    /// The block breaks a rule.
    Invalid(Invalid),
    /// An account can't be read: our fault.
    Accounts(E),
}

/// Checks what can be told of a block without its parent.
///
/// # Errors
/// The rule that it breaks.
pub fn check_alone(rules: &Rules, block: Block) -> Result<Checked, Invalid> {
    let domain = rules.domain();
    check_alone_with(rules, block, |values| {
        let domain = domain.as_ref().expect("only signed transactions are read");
        let read = |(position, value)| {
            VerifiedEntry::of_canonical(value, domain).map_err(|why| (position, why))
        };
        values.into_iter().enumerate().map(read).collect()
    })
}

/// As [`check_alone`], with transactions read by `read` where they are signed: on all cores, or
/// not again where that was done before. It gives what the values are, in the same order, or the
/// place of the first that does not belong there.
///
/// # Errors
/// The rule that it breaks.
pub fn check_alone_with(
    rules: &Rules,
    block: Block,
    read: impl FnOnce(Vec<Value<'_>>) -> Result<Vec<VerifiedEntry>, (usize, BadEntry)>,
) -> Result<Checked, Invalid> {
    let index = block.index();
    if index == rules.genesis.index() {
        genesis(rules, block.view(), &block.hash())?;
        return Ok(Checked { block, contents: None });
    }
    if block.parent().is_none() {
        return Err(Invalid::NoHash { index, found: quote(block.view().previous_hash.text()) });
    }
    work(rules, block.view(), &block.hash())?;
    // Its transactions are what the rules take for some, and signed.
    let broken = |why: BadBody| Invalid::Body { index, why: why.into() };
    let entries = rules.spending.read(&block, read).map_err(|(position, why)| match why {
        BadEntry::Transaction(why) => broken(BadBody::Transaction { position, why }),
        BadEntry::Signature(why) => Invalid::Signature { index, position, why },
    })?;
    let contents = entries.map(Contents::of_entries).transpose().map_err(broken)?;
    Ok(Checked { block, contents })
}

/// Checks what can be told of a block above genesis without reading its transactions, which stand in
/// it as they are: that its work is enough for what it states, and commits to them.
///
/// # Errors
/// The rule that it breaks.
pub(crate) fn work(rules: &Rules, block: BlockView<'_>, id: &Hash) -> Result<(), Invalid> {
    let index = block.index;
    // Its canonical text is not too long.
    let (limit, found) = (rules.max_block_bytes, block.text.len());
    if found > limit {
        return Err(Invalid::Size { index, limit, found });
    }
    if let Some(header) = &block.header {
        // Its id is at most the target that it states, and that is one that a block may have: what
        // follows costs work to ask for.
        let target = header.target;
        let easiest = rules.difficulty.easiest().max(rules.genesis.target());
        if target > easiest {
            return Err(Invalid::TooEasy { index, easiest, found: target });
        }
        if !target.is_met_by(id) {
            return Err(Invalid::Proof { index, digest: *id, target });
        }
        // Its transactions are those that the work commits to.
        let (stated, found) = (header.merkle_root, merkle_root(block));
        if found != stated {
            return Err(Invalid::MerkleRoot { index, stated, found });
        }
    }
    Ok(())
}

/// The root of the tree over a block's transactions, each as its canonical text.
pub fn merkle_root(block: BlockView<'_>) -> Hash {
    merkle::root(block.transactions().map(Value::text))
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
    let block = &checked.block;
    match parent {
        Some(Linked { block: parent, pace, .. }) => {
            link(rules, parent.view(), &parent.hash(), pace, block.view())?;
        }
        None => genesis(rules, block.view(), &block.hash())?,
    }
    Ok(Valid(checked))
}

/// Checks that a chain may start with `block`.
///
/// # Errors
/// [`Invalid::Genesis`].
pub fn genesis(rules: &Rules, block: BlockView<'_>, hash: &Hash) -> Result<(), Invalid> {
    let fits = match &rules.genesis {
        // The id of a sealed block tells nothing of its transactions.
        Genesis::Fixed(fixed) => fixed.hash() == *hash && fixed.text() == block.text,
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
