//! The rules of validity, one check after another: of a block by itself, and of a block on its
//! parent.

use alloc::boxed::Box;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use crate::block::{Block, BlockView, Malformed, Proof, Timestamp};
use crate::chain_block::ChainBlock;
use crate::difficulty::DifficultyState;
use crate::hash::Hash;
use crate::job::Target;
use crate::json::Value;
use crate::ledger::{self, Accounts, BadBody, Changes, Contents, NotApplied};
use crate::limits::quote;
use crate::payment::{BadEntry, BadSignature, VerifiedEntry};
use crate::rules::{Family, Open, Rules, Sealed};
use crate::sealed::Header;
use crate::transaction::Transaction;

/// The rule that a block breaks. It is the fault of the block's maker, never of this node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Invalid {
    /// The first block is not the genesis block of these rules.
    #[error(
        "genesis: the chain starts with {found}, but by these rules it must start with {expected}"
    )]
    Genesis {
        /// The genesis block of the rules.
        expected: String,
        /// The block that the chain starts with, cut short.
        found: String,
    },
    /// It has not the fields of this chain's blocks. A block that was read by the rules always has
    /// them.
    #[error("form: block {index} does not have the form of this chain's blocks")]
    Form {
        /// The index of the block.
        index: u64,
    },
    /// The index does not count up by one.
    #[error("index: block {expected} says that its index is {found}")]
    Index {
        /// The parent's index plus one.
        expected: u64,
        /// The index that the block states.
        found: u64,
    },
    /// `previous_hash` is not the hash of the block before.
    #[error(
        "previous_hash: block {index} names {found}, but the block before it has the hash {expected}"
    )]
    PreviousHash {
        /// The index of the block that names the wrong parent.
        index: u64,
        /// The hash of the block before.
        expected: Hash,
        /// The hash that the block names, cut short when long.
        found: String,
    },
    /// `previous_hash` is not a hash, so the block can have no parent.
    #[error(
        "previous_hash: block {index} names {found}, but a hash must be a string of 64 lower-case hex digits"
    )]
    NoHash {
        /// The index of the block.
        index: u64,
        /// The value that stands there, cut short when long.
        found: String,
    },
    /// The time goes back.
    #[error("timestamp: the time of block {index} is {found}, earlier than its parent's, {parent}")]
    Timestamp {
        /// The index of the block.
        index: u64,
        /// The parent's time, in seconds since 1970.
        parent: u64,
        /// The block's time.
        found: u64,
    },
    /// The target is not the one that the chain's difficulty state gives.
    #[error("target: block {index} has the target {found}, but it must be {expected}")]
    Target {
        /// The index of the block.
        index: u64,
        /// The target that follows from the blocks before.
        expected: Target,
        /// The target that the block states.
        found: Target,
    },
    /// The target is easier than any that a block of this chain may have.
    #[error(
        "target: block {index} has the target {found}, above {easiest}, the easiest that this chain allows"
    )]
    TooEasy {
        /// The index of the block.
        index: u64,
        /// The easiest target that a block may have.
        easiest: Target,
        /// The target that the block states.
        found: Target,
    },
    /// The text is longer than the rules allow.
    #[error("size: block {index} has {found} bytes; at most {limit} are allowed")]
    Size {
        /// The index of the block.
        index: u64,
        /// The most bytes that the rules allow.
        limit: usize,
        /// Bytes of the canonical text.
        found: usize,
    },
    /// The transactions are not those that the work commits to. This says nothing about the block
    /// with this id, which may be valid: any peer can send its header with other transactions.
    #[error("merkle_root: block {index} has {stated}, but its transactions give {found}")]
    MerkleRoot {
        /// The index of the block.
        index: u64,
        /// The root that the header states.
        stated: Hash,
        /// The root of its transactions.
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
        /// The payment's position in the list, counted from 0.
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
        /// The largest digest that is valid.
        target: Target,
    },
}

impl Invalid {
    /// The broken rule in one word.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Genesis { .. } => "genesis",
            Self::Form { .. } => "form",
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

/// A block that passed all checks that need no parent.
#[derive(Debug, Clone)]
pub struct Checked {
    block: Block,
    /// The contents, if the chain is sealed; a genesis block has none.
    contents: Option<Contents>,
    /// The parent on which its proof is known to be valid.
    proven_on: Option<Hash>,
}

/// A block that is valid on its parent, or a genesis block of the rules.
#[derive(Debug, Clone)]
pub struct Valid(Checked);

/// A proof that is valid on a block of an open chain; the next block is made of it.
#[derive(Debug, Clone, Copy)]
pub struct Proven<'a> {
    parent: &'a Block,
    proof: &'a Proof,
}

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

    /// The payments and the coin, if the chain is sealed; a genesis block has none.
    pub fn contents(&self) -> Option<&Contents> {
        self.0.contents.as_ref()
    }

    /// Computes the block's changes of the accounts that its parent left; none for a genesis block.
    ///
    /// # Errors
    /// Fails if the block breaks a rule, or if an account can't be read.
    pub fn spend<A: Accounts>(
        &self,
        rules: &Rules,
        parent: &A,
    ) -> Result<Changes, SpendError<A::Error>> {
        let Checked { block, contents, .. } = &self.0;
        let (Family::Sealed(sealed), Some(contents)) = (&rules.family, contents) else {
            return Ok(Changes::default());
        };
        let index = block.index();
        ledger::apply(parent, index, contents, &sealed.emission).map_err(|error| match error {
            NotApplied::Invalid(why) => {
                SpendError::Invalid(Invalid::Body { index, why: why.into() })
            }
            NotApplied::Accounts(error) => SpendError::Accounts(error),
        })
    }

    /// Takes a block that was checked once, in this run or another, and comes from a store of valid
    /// blocks.
    ///
    /// # Errors
    /// Returns [`Invalid::Body`] if its transactions can't be read: then it was never checked.
    pub(crate) fn again(rules: &Rules, block: Block) -> Result<Self, Invalid> {
        let index = block.index();
        let contents = match &rules.family {
            Family::Sealed(sealed) if index != rules.genesis_index() => {
                let body = sealed.body(&block);
                let body = body.map_err(|why| Invalid::Body { index, why: why.into() })?;
                Some(Contents::signed_before(body))
            }
            Family::Open(_) | Family::Sealed(_) => None,
        };
        Ok(Self(Checked { block, contents, proven_on: None }))
    }
}

/// The reason why a block's changes of the accounts can't be computed.
#[derive(Debug)]
pub enum SpendError<E> {
    /// The block breaks a rule.
    Invalid(Invalid),
    /// An account can't be read: the fault of this node.
    Accounts(E),
}

/// Makes all checks of a block that need no parent.
///
/// # Errors
/// Returns the rule that it breaks.
pub fn check_alone(rules: &Rules, block: Block) -> Result<Checked, Invalid> {
    check_alone_with(rules, block, |sealed, values| {
        let domain = sealed.domain();
        let read = |(position, value)| {
            VerifiedEntry::of_canonical(value, &domain).map_err(|why| (position, why))
        };
        values.into_iter().enumerate().map(read).collect()
    })
}

/// As [`check_alone`], but on a sealed chain `read` reads the transactions and checks their
/// signatures: on all cores, or from memory. It returns the entries in the order of the values, or
/// the position of the first bad one.
///
/// # Errors
/// Returns the rule that it breaks.
pub fn check_alone_with(
    rules: &Rules,
    block: Block,
    read: impl FnOnce(&Sealed, Vec<Value<'_>>) -> Result<Vec<VerifiedEntry>, (usize, BadEntry)>,
) -> Result<Checked, Invalid> {
    if block.index() == rules.genesis_index() {
        genesis(rules, block.view())?;
        return Ok(Checked { block, contents: None, proven_on: None });
    }
    names_a_parent(&block)?;
    work(rules, block.view(), &block.hash())?;
    Ok(match &rules.family {
        Family::Open(_) => Checked { block, contents: None, proven_on: None },
        Family::Sealed(sealed) => {
            let contents = Some(transactions(sealed, &block, read)?);
            // The proof is for this block, whatever it stands on.
            let proven_on = block.parent();
            Checked { block, contents, proven_on }
        }
    })
}

/// Makes the checks of a block above genesis that need neither its parent nor a look into its
/// transactions: that its work meets the target that it states, and commits to the transactions.
///
/// # Errors
/// Returns the rule that it breaks.
pub(crate) fn work(rules: &Rules, block: BlockView<'_>, id: &Hash) -> Result<(), Invalid> {
    form(rules, block)?;
    size(rules, block)?;
    if let (Family::Sealed(sealed), Some(header)) = (&rules.family, &block.header) {
        possible_target(sealed, block.index, header)?;
        id_meets_target(block.index, header, id)?;
        merkle_root(block, header)?;
    }
    Ok(())
}

/// Checks a block on its parent. The genesis block has none.
///
/// # Errors
/// Returns the rule that it breaks.
pub fn check_on(
    rules: &Rules,
    checked: Checked,
    parent: Option<&ChainBlock>,
) -> Result<Valid, Invalid> {
    let block = checked.block.view();
    match parent {
        None => genesis(rules, block)?,
        Some(ChainBlock { block: parent, difficulty_state, .. }) => {
            let hash = parent.hash();
            place(rules, parent.view(), &hash, difficulty_state, block)?;
            if checked.proven_on != Some(hash) {
                proof(rules, parent.view(), &hash, block)?;
            }
        }
    }
    Ok(Valid(checked))
}

/// Checks that `child` may stand on `parent`, whose hash is `parent_hash`, and up to which the
/// chain has this difficulty state.
///
/// # Errors
/// Returns the first of the rules that it breaks.
pub fn link(
    rules: &Rules,
    parent: BlockView<'_>,
    parent_hash: &Hash,
    difficulty_state: &DifficultyState,
    child: BlockView<'_>,
) -> Result<(), Invalid> {
    place(rules, parent, parent_hash, difficulty_state, child)?;
    proof(rules, parent, parent_hash, child)
}

/// Checks a block against its parent, except for its proof.
fn place(
    rules: &Rules,
    parent: BlockView<'_>,
    parent_hash: &Hash,
    difficulty_state: &DifficultyState,
    child: BlockView<'_>,
) -> Result<(), Invalid> {
    index(parent, child)?;
    previous_hash(parent_hash, child)?;
    if let Some(header) = &child.header {
        timestamp(parent, child.index, header)?;
        target(rules, difficulty_state, child.index, header)?;
    }
    Ok(())
}

/// Checks a proof for the block after `parent`, before there is such a block.
///
/// # Errors
/// Returns the proof's digest if that is above the target.
pub fn prove<'a>(open: &Open, parent: &'a Block, proof: &'a Proof) -> Result<Proven<'a>, Hash> {
    let job = open.job(parent.view(), &parent.hash());
    let digest = job.digest(&*proof.text());
    if job.target.is_met_by(&digest) { Ok(Proven { parent, proof }) } else { Err(digest) }
}

impl Proven<'_> {
    /// Writes the block. It needs neither the checks without its parent nor another check of its
    /// proof.
    ///
    /// # Errors
    /// Fails as [`Block::compose`].
    pub fn block<'t>(
        &self,
        timestamp: Timestamp,
        transactions: impl IntoIterator<Item = &'t Transaction>,
    ) -> Result<Checked, Malformed> {
        let block = Block::compose(self.parent, self.proof, timestamp, transactions)?;
        Ok(Checked { block, contents: None, proven_on: Some(self.parent.hash()) })
    }
}

// The rules, one by one.

/// "A chain starts with a genesis block of its rules." Where that is fixed, its whole text counts:
/// the id of a sealed block does not tell its transactions' texts.
///
/// # Errors
/// Returns [`Invalid::Genesis`] if `block` is not one.
pub fn genesis(rules: &Rules, block: BlockView<'_>) -> Result<(), Invalid> {
    let expected = match &rules.family {
        Family::Open(open) if open.genesis.is(block) => return Ok(()),
        Family::Sealed(sealed) if sealed.genesis.text() == block.text => return Ok(()),
        Family::Open(open) => open.genesis.to_string(),
        Family::Sealed(sealed) => sealed.genesis.text().to_string(),
    };
    Err(Invalid::Genesis { expected, found: quote(block.text) })
}

/// "`previous_hash` is the hash of a block."
fn names_a_parent(block: &Block) -> Result<(), Invalid> {
    if block.parent().is_some() {
        return Ok(());
    }
    let found = quote(block.view().previous_hash.text());
    Err(Invalid::NoHash { index: block.index(), found })
}

/// "It has the form of its chain's blocks."
fn form(rules: &Rules, block: BlockView<'_>) -> Result<(), Invalid> {
    if block.shape() == rules.shape() {
        return Ok(());
    }
    Err(Invalid::Form { index: block.index })
}

/// "Its canonical text is not too long."
fn size(rules: &Rules, block: BlockView<'_>) -> Result<(), Invalid> {
    let (limit, found) = (rules.max_block_bytes(), block.text.len());
    if found <= limit {
        return Ok(());
    }
    Err(Invalid::Size { index: block.index, limit, found })
}

/// "Its target is one that a block may have": the right target is not known without the parent, and
/// one that is too easy would let a peer cheaply cause the checks that follow.
fn possible_target(sealed: &Sealed, index: u64, header: &Header) -> Result<(), Invalid> {
    let (easiest, found) = (sealed.easiest_target(), header.target);
    if found <= easiest {
        return Ok(());
    }
    Err(Invalid::TooEasy { index, easiest, found })
}

/// "Its id, which is the digest of its proof, is at most the target that it states."
fn id_meets_target(index: u64, header: &Header, id: &Hash) -> Result<(), Invalid> {
    let (digest, target) = (*id, header.target);
    if target.is_met_by(id) {
        return Ok(());
    }
    Err(Invalid::Proof { index, digest, target })
}

/// "Its transactions are those that the work commits to."
fn merkle_root(block: BlockView<'_>, header: &Header) -> Result<(), Invalid> {
    let (stated, found) = (header.merkle_root, block.merkle_root());
    if found == stated {
        return Ok(());
    }
    Err(Invalid::MerkleRoot { index: block.index, stated, found })
}

/// "Its transactions are payments that their senders signed, and the coin, which is the last."
fn transactions(
    sealed: &Sealed,
    block: &Block,
    read: impl FnOnce(&Sealed, Vec<Value<'_>>) -> Result<Vec<VerifiedEntry>, (usize, BadEntry)>,
) -> Result<Contents, Invalid> {
    let index = block.index();
    let broken = |why: BadBody| Invalid::Body { index, why: why.into() };
    let values = block.view().transactions().collect();
    let entries = read(sealed, values).map_err(|(position, why)| match why {
        BadEntry::Transaction(why) => broken(BadBody::Transaction { position, why }),
        BadEntry::Signature(why) => Invalid::Signature { index, position, why },
    })?;
    Contents::of_entries(entries).map_err(broken)
}

/// "Its index is one more than the index of our last block."
fn index(parent: BlockView<'_>, child: BlockView<'_>) -> Result<(), Invalid> {
    let (expected, found) = (parent.index + 1, child.index);
    if found == expected {
        return Ok(());
    }
    Err(Invalid::Index { expected, found })
}

/// "Its previous_hash is the hash of our last block."
fn previous_hash(parent_hash: &Hash, child: BlockView<'_>) -> Result<(), Invalid> {
    if child.follows(parent_hash) {
        return Ok(());
    }
    let (expected, found) = (*parent_hash, quote(child.previous_hash.text()));
    Err(Invalid::PreviousHash { index: child.index, expected, found })
}

/// "Its time is not before its parent's."
fn timestamp(parent: BlockView<'_>, index: u64, header: &Header) -> Result<(), Invalid> {
    let (parent, found) = (parent.timestamp_s(), header.timestamp_s);
    if found >= parent {
        return Ok(());
    }
    Err(Invalid::Timestamp { index, parent, found })
}

/// "Its target is the one that follows from the blocks before it."
fn target(
    rules: &Rules,
    difficulty_state: &DifficultyState,
    index: u64,
    header: &Header,
) -> Result<(), Invalid> {
    let (expected, found) = (rules.target_after(difficulty_state), header.target);
    if found == expected {
        return Ok(());
    }
    Err(Invalid::Target { index, expected, found })
}

/// "Its proof is valid on our last block."
fn proof(
    rules: &Rules,
    parent: BlockView<'_>,
    parent_hash: &Hash,
    child: BlockView<'_>,
) -> Result<(), Invalid> {
    let job = rules.job(parent, parent_hash, child.header.as_ref());
    let (digest, target) = (job.digest(&*child.proof()), job.target);
    if target.is_met_by(&digest) {
        return Ok(());
    }
    Err(Invalid::Proof { index: child.index, digest, target })
}
