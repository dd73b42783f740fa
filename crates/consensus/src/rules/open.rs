//! Open chains, as the course uses them: blocks are free text with three known fields, transactions
//! are any JSON values, and the proof is for the last block.

use alloc::borrow::{Cow, ToOwned};
use alloc::format;
use alloc::string::{String, ToString};

use super::id::{self, Member};
use crate::block::{Block, BlockView, Malformed, Timestamp};
use crate::difficulty::Difficulty;
use crate::hash::Hash;
use crate::job::{Job, Target};
use crate::json::{JsonError, Value, canonical, string};
use crate::limits::MAX_BLOCK_BYTES;
use crate::transaction::{Transaction, party};

/// The rules of an open chain. The rules do not read its transactions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Open {
    /// Where the chain starts.
    pub genesis: Genesis,
    /// The bytes that are hashed before and after a proof.
    pub puzzle: Puzzle,
    /// The largest digest that counts, in every block.
    pub target: Target,
    /// The coin that a new block pays to its miner. No rule checks it.
    pub issuance: Issuance,
}

/// Where an open chain starts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Genesis {
    /// The same block on every node.
    Fixed(Block),
    /// Any block of this shape: each node writes its own, and the longest chain wins across them.
    /// The texts are canonical JSON; [`Genesis::any`] makes sure that blocks of the shape exist.
    Any {
        /// The first block's index.
        index: u64,
        /// The first block's proof.
        proof: String,
        /// The first block's previous hash.
        previous_hash: String,
    },
}

/// The bytes that are hashed before and after a proof, which is for the last block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Puzzle {
    /// The last proof, then the proof. It commits to nothing else: every future proof can be
    /// computed today, and a block's transactions can be rewritten for free.
    LastProof,
    /// The canonical JSON of the last block, then the proof. It binds the previous block, not the
    /// one that the proof is for.
    LastBlock,
    /// The last proof, the proof, then the hash of the last block.
    LastProofAndHash,
}

/// The coin that a new block pays to its miner. The texts are canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuance {
    /// The sender of the coin: `"0"`, or the number 0 in Lecture I.
    pub sender: String,
    /// The amount of the coin.
    pub amount: String,
}

impl Open {
    /// The rules of the course's notes, Lecture II: 4 zeros.
    pub fn lecture() -> Self {
        Self {
            genesis: Genesis::Fixed(lecture_genesis()),
            puzzle: Puzzle::LastProof,
            target: Target::from_zeros(4),
            issuance: Issuance { sender: r#""0""#.to_owned(), amount: "1".to_owned() },
        }
    }

    /// The rules of the same course in autumn 2019: work over the last block, 6 zeros.
    pub fn course() -> Self {
        Self { puzzle: Puzzle::LastBlock, target: Target::from_zeros(6), ..Self::lecture() }
    }

    /// The rules of the tutorial that the course is built on: any genesis of its shape, 4 zeros.
    pub fn dvf() -> Self {
        Self {
            genesis: Genesis::Any { index: 1, proof: "100".into(), previous_hash: r#""1""#.into() },
            puzzle: Puzzle::LastProofAndHash,
            ..Self::lecture()
        }
    }

    /// The chain's id, as [`Rules::chain_id`](super::Rules::chain_id) returns it.
    pub fn chain_id(&self) -> Hash {
        id::chain_id(self.decisive(self.genesis.decisive()))
    }

    /// What the id covers, as [`Rules::json`](super::Rules::json) writes it.
    pub(super) fn json(&self) -> String {
        id::object(self.decisive(self.genesis.json()))
    }

    /// The members that decide what is valid, in the order of their keys. Two of them are newer
    /// than chain ids; an id does not cover them where they have the value that always held.
    fn decisive(&self, genesis: String) -> [Member; 5] {
        [
            Member::new("difficulty", Difficulty::Fixed(self.target).json()),
            Member::new("genesis", genesis),
            Member::new("max_block_bytes", MAX_BLOCK_BYTES.to_string()).implied(true),
            Member::new("puzzle", string(self.puzzle.name())),
            Member::new("spending", string("unsigned")).implied(true),
        ]
    }

    /// The job that a proof must satisfy on top of `parent`, whose hash is `parent_hash`.
    pub fn job<'a>(&self, parent: BlockView<'a>, parent_hash: &Hash) -> Job<'a> {
        let last_proof = || match parent.proof() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        let (prefix, suffix) = match self.puzzle {
            Puzzle::LastProof => (last_proof(), Cow::Borrowed(&[][..])),
            Puzzle::LastBlock => (Cow::Borrowed(parent.text.as_bytes()), Cow::Borrowed(&[][..])),
            Puzzle::LastProofAndHash => (last_proof(), Cow::Owned(parent_hash.hex().to_vec())),
        };
        Job { prefix, suffix, target: self.target }
    }

    /// The coin that a node pays to `recipient` in a block of its own. No rule checks it.
    pub fn coin(&self, recipient: Value<'_>) -> Transaction {
        let Issuance { sender, amount } = &self.issuance;
        Transaction::new(Value::of_canonical(sender), recipient, Value::of_canonical(amount))
    }

    /// The party that coins come from.
    pub fn mint(&self) -> Cow<'_, str> {
        party(Value::of_canonical(&self.issuance.sender))
    }
}

impl Puzzle {
    /// The name in chain files and chain ids.
    pub fn name(self) -> &'static str {
        match self {
            Self::LastProof => "last_proof",
            Self::LastBlock => "last_block",
            Self::LastProofAndHash => "last_proof_and_hash",
        }
    }
}

impl Genesis {
    /// Allows any block with this index, proof and previous hash; the latter two are JSON texts.
    ///
    /// # Errors
    /// Fails if there is no such block.
    pub fn any(index: u64, proof: &str, previous_hash: &str) -> Result<Self, Malformed> {
        let canonical = |text: &str| Ok::<_, JsonError>(canonical(text.as_bytes())?.into_owned());
        let (proof, previous_hash) = (canonical(proof)?, canonical(previous_hash)?);
        let longest = Timestamp { micros: u64::MAX };
        Block::parse(any_block(index, &proof, &previous_hash, longest).as_bytes())?;
        Ok(Self::Any { index, proof, previous_hash })
    }

    /// Writes canonical JSON: the hash of the first block, or the fields that blocks of the shape
    /// have in common.
    pub fn json(&self) -> String {
        match self {
            Self::Fixed(block) => format!(r#""{}""#, block.hash()),
            Self::Any { index, proof, previous_hash } => format!(
                r#"{{"any": {{"index": {index}, "previous_hash": {previous_hash}, "proof": {proof}}}}}"#
            ),
        }
    }

    /// The text that a chain's id covers: the first block, or a text that is not a block's, so that
    /// no fixed genesis gives the same id.
    pub(super) fn decisive(&self) -> String {
        match self {
            Self::Fixed(block) => block.text().to_string(),
            Self::Any { .. } => self.json(),
        }
    }

    /// The index of the first block.
    pub fn index(&self) -> u64 {
        match self {
            Self::Fixed(block) => block.index(),
            Self::Any { index, .. } => *index,
        }
    }

    /// The first block of a new node's chain: the fixed one, or one of the shape with this time.
    pub fn block(&self, now: Timestamp) -> Block {
        match self {
            Self::Fixed(block) => block.clone(),
            Self::Any { index, proof, previous_hash } => {
                Block::parse(any_block(*index, proof, previous_hash, now).as_bytes())
                    .expect("a genesis of this shape is a block")
            }
        }
    }

    /// Whether a chain may start with this block.
    pub(crate) fn is(&self, block: BlockView<'_>) -> bool {
        match self {
            Self::Fixed(fixed) => fixed.text() == block.text,
            Self::Any { index, proof, previous_hash } => {
                block.index == *index
                    && block.proof_json() == proof
                    && block.previous_hash.text() == previous_hash
            }
        }
    }
}

impl core::fmt::Display for Genesis {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        match self {
            Self::Fixed(block) => f.write_str(block.text()),
            Self::Any { index, proof, previous_hash } => write!(
                f,
                "any block with index {index}, proof {proof} and previous_hash {previous_hash}"
            ),
        }
    }
}

fn any_block(index: u64, proof: &str, previous_hash: &str, now: Timestamp) -> String {
    format!(
        r#"{{"index": {index}, "previous_hash": {previous_hash}, "proof": {proof}, "timestamp": {now}, "transactions": []}}"#
    )
}

/// The genesis block of the course, the same on every node.
const LECTURE_GENESIS: &str =
    r#"{"index": 1, "previous_hash": null, "proof": 99, "timestamp": 0, "transactions": []}"#;

fn lecture_genesis() -> Block {
    Block::of_canonical(LECTURE_GENESIS).expect("the genesis of the course is a block")
}
