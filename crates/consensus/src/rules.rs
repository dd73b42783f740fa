//! A chain's rules as data: those of an open chain or of a sealed one. Presets and chain files give
//! such values.

mod bounds;
mod id;
mod open;
pub mod sealed;

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

pub use bounds::{BadRules, MIN_SEALED_BLOCK_BYTES};
pub use open::{Genesis, Issuance, Open, Puzzle};
pub use sealed::Sealed;

use crate::block::{Block, BlockView, Malformed, Shape, Timestamp};
use crate::difficulty::{Difficulty, DifficultyState};
use crate::hash::{Hash, tagged_hash};
use crate::job::{Job, Target};
use crate::json::{Value, canonical};
use crate::ledger::{BadBody, Changes};
use crate::limits::MAX_BLOCK_BYTES;
use crate::payment::{COINBASE_SENDER, Domain};
use crate::sealed::Header;

/// The rules that decide what is valid, and the coin of a new block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// The chain's name for people; not part of its id.
    pub name: String,
    /// The chain's family, and its rules.
    pub family: Family,
}

/// The two kinds of chains.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Family {
    /// Blocks are free text, transactions are unsigned, and the proof is for the last block.
    Open(Open),
    /// Blocks have fixed fields, payments are signed, and the proof is for the block that has it.
    Sealed(Sealed),
}

/// There is no preset of this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no chain {0:?}; choose lecture, course, dvf, forge or bitcoin-like, or name a chain file"
)]
pub struct UnknownPreset(pub String);

impl Rules {
    /// The names of the presets.
    pub const PRESETS: [&'static str; 5] = ["lecture", "course", "dvf", "forge", "bitcoin-like"];

    /// The rules of [`Open::lecture`].
    pub fn lecture() -> Self {
        Open::lecture().named("lecture")
    }

    /// The rules of [`Open::course`].
    pub fn course() -> Self {
        Open::course().named("course")
    }

    /// The rules of [`Open::dvf`].
    pub fn dvf() -> Self {
        Open::dvf().named("dvf")
    }

    /// The rules of [`Sealed::forge`].
    pub fn forge() -> Self {
        Sealed::forge().named("forge")
    }

    /// The rules of [`Sealed::bitcoin_like`].
    pub fn bitcoin_like() -> Self {
        Sealed::bitcoin_like().named("bitcoin-like")
    }

    /// The preset of that name.
    ///
    /// # Errors
    /// Returns [`UnknownPreset`], which lists the presets, if there is none of that name.
    pub fn preset(name: &str) -> Result<Self, UnknownPreset> {
        match name {
            "lecture" => Ok(Self::lecture()),
            "course" => Ok(Self::course()),
            "dvf" => Ok(Self::dvf()),
            "forge" => Ok(Self::forge()),
            "bitcoin-like" => Ok(Self::bitcoin_like()),
            _ => Err(UnknownPreset(name.to_string())),
        }
    }

    /// The same rules with a fixed target of `zeros` zero digits. It is meant for chains whose
    /// target is fixed: another chain loses its difficulty rule, and its genesis block keeps its
    /// target.
    pub fn with_zeros(mut self, zeros: u8) -> Self {
        let target = Target::from_zeros(zeros);
        match &mut self.family {
            Family::Open(open) => open.target = target,
            Family::Sealed(sealed) => sealed.difficulty = Difficulty::Fixed(target),
        }
        self
    }

    /// The chain's id: the hash of the rules that decide what is valid, and of the genesis block.
    /// Nodes with different ids don't mix. A tagged hash in the manner of BIP-340, tag
    /// `blocksmith/chain`, over canonical JSON.
    pub fn chain_id(&self) -> Hash {
        match &self.family {
            Family::Open(open) => open.chain_id(),
            Family::Sealed(sealed) => sealed.chain_id(),
        }
    }

    /// Computes a chain's id from its rules, as [`Rules::json`] writes them, and its genesis block,
    /// both of which another node told. `None` if the rules name another block. Nothing else need
    /// be checked: rules and a genesis block that give a chain's id are those of that chain.
    pub fn told_id(rules: Value<'_>, genesis: &Block) -> Option<Hash> {
        let mut covered = Vec::new();
        for (key, value) in rules.members() {
            let json = match key.text() {
                r#""genesis""# if value.text() == format!(r#""{}""#, genesis.hash()) => {
                    genesis.text()
                }
                r#""genesis""# => return None,
                _ => value.text(),
            };
            // As in `decisive` of a sealed chain. An open chain's id does not cover `spending`
            // either.
            if key.text() != r#""max_block_bytes""# || json != MAX_BLOCK_BYTES.to_string() {
                covered.push(format!("{}: {json}", key.text()));
            }
        }
        let covered = format!("{{{}}}", covered.join(", "));
        Some(tagged_hash("blocksmith/chain", covered.as_bytes()))
    }

    /// Writes what the chain's id covers, member by member, as canonical JSON with the genesis
    /// block by its hash: two chains with different ids differ in one of these members.
    pub fn json(&self) -> String {
        match &self.family {
            Family::Open(open) => open.json(),
            Family::Sealed(sealed) => sealed.json(),
        }
    }

    /// The fields that the blocks have.
    pub fn shape(&self) -> Shape {
        match &self.family {
            Family::Open(_) => Shape::Open,
            Family::Sealed(_) => Shape::Sealed,
        }
    }

    /// The rule for how small digests must be.
    pub fn difficulty(&self) -> Difficulty {
        match &self.family {
            Family::Open(open) => Difficulty::Fixed(open.target),
            Family::Sealed(sealed) => sealed.difficulty,
        }
    }

    /// The longest canonical text of a block, in bytes.
    pub fn max_block_bytes(&self) -> usize {
        match &self.family {
            Family::Open(_) => MAX_BLOCK_BYTES,
            Family::Sealed(sealed) => sealed.max_block_bytes,
        }
    }

    /// The index of the first block.
    pub fn genesis_index(&self) -> u64 {
        match &self.family {
            Family::Open(open) => open.genesis.index(),
            Family::Sealed(sealed) => sealed.genesis.index(),
        }
    }

    /// The target of the first block, if it states one; else the easiest.
    pub fn genesis_target(&self) -> Target {
        match &self.family {
            Family::Open(_) => Target::EASIEST,
            Family::Sealed(sealed) => sealed.genesis_target(),
        }
    }

    /// The first block of a new node's chain: the fixed one, or one of the shape with this time.
    pub fn genesis_block(&self, now: Timestamp) -> Block {
        match &self.family {
            Family::Open(open) => open.genesis.block(now),
            Family::Sealed(sealed) => sealed.genesis.clone(),
        }
    }

    /// The domain that ties payments to this chain, if they are signed.
    pub fn domain(&self) -> Option<Domain> {
        match &self.family {
            Family::Open(_) => None,
            Family::Sealed(sealed) => Some(sealed.domain()),
        }
    }

    /// The party that coins come from, their sender.
    pub fn mint(&self) -> Cow<'_, str> {
        match &self.family {
            Family::Open(open) => open.mint(),
            Family::Sealed(_) => Cow::Borrowed(COINBASE_SENDER),
        }
    }

    /// Computes the changes of a genesis block, before which all accounts are empty.
    ///
    /// # Errors
    /// Returns the rule that its allocations break.
    pub fn allot(&self, genesis: &Block) -> Result<Changes, BadBody> {
        match &self.family {
            Family::Open(_) => Ok(Changes::default()),
            Family::Sealed(sealed) => sealed.allot(genesis),
        }
    }

    /// The lowest block that can be rewritten without work, on a chain whose newest block has the
    /// index `tip`: a reader can trust that block and all above it only if it knows the hash of the
    /// newest from elsewhere. `None` if the work commits to every block.
    pub fn unprotected_from(&self, tip: u64) -> Option<u64> {
        let Family::Open(open) = &self.family else { return None };
        // The first block, unless the rules fix all of it.
        let free = match &open.genesis {
            Genesis::Fixed(block) => block.index().saturating_add(1),
            Genesis::Any { index, .. } => *index,
        };
        let lowest = match open.puzzle {
            // Proofs commit to proofs alone. Each block names the hash of the one before it, but an
            // attacker who changes that one changes the name as well.
            Puzzle::LastProof => free,
            // Each proof commits to the block before its own, and that one to all before it.
            Puzzle::LastBlock | Puzzle::LastProofAndHash => free.max(tip),
        };
        (lowest <= tip).then_some(lowest)
    }

    /// The target of the block after one with this difficulty state.
    pub fn target_after(&self, parent: &DifficultyState) -> Target {
        self.difficulty().target_after(self.genesis_target(), parent)
    }

    /// The difficulty state of a chain that starts with `genesis`.
    pub fn first_difficulty_state(&self, genesis: BlockView<'_>) -> DifficultyState {
        DifficultyState::genesis(self.genesis_target(), genesis.timestamp_s())
    }

    /// The difficulty state of `block`, whose parent has the difficulty state `parent`.
    pub fn difficulty_state_after(
        &self,
        parent: &DifficultyState,
        block: BlockView<'_>,
    ) -> DifficultyState {
        self.difficulty().difficulty_state_after(self.genesis_target(), parent, block.timestamp_s())
    }

    /// Reads a block of these rules from JSON bytes in any spelling.
    ///
    /// # Errors
    /// Fails if the bytes are not a block of these rules.
    pub fn parse_block(&self, wire: &[u8]) -> Result<Block, Malformed> {
        self.block(&canonical(wire)?)
    }

    /// Takes a block of these rules whose text is canonical already.
    ///
    /// # Errors
    /// Fails if the text is not a block of these rules.
    pub fn block(&self, text: &str) -> Result<Block, Malformed> {
        Block::read(self.shape(), text)
    }

    /// The job that a proof must satisfy on top of `parent`, whose hash is `parent_hash`, in a
    /// block with this header, if blocks have one. The target is the one that the header states;
    /// another rule checks that it is the right one.
    ///
    /// # Panics
    /// Panics on a sealed chain if `header` is `None`: a sealed block always has one.
    pub fn job<'a>(
        &self,
        parent: BlockView<'a>,
        parent_hash: &Hash,
        header: Option<&Header>,
    ) -> Job<'a> {
        match &self.family {
            Family::Open(open) => open.job(parent, parent_hash),
            Family::Sealed(_) => header.expect("sealed blocks have a header").job(),
        }
    }
}

impl Open {
    /// These rules under a name.
    pub fn named(self, name: impl Into<String>) -> Rules {
        Rules { name: name.into(), family: Family::Open(self) }
    }
}

impl Sealed {
    /// These rules under a name.
    pub fn named(self, name: impl Into<String>) -> Rules {
        Rules { name: name.into(), family: Family::Sealed(self) }
    }
}
