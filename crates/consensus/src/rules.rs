//! A chain's rules as data. The presets are values; a chain file is another.

mod bounds;

use alloc::borrow::Cow;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

pub use bounds::{BadRules, MIN_SEALED_BLOCK_BYTES};

use crate::address::{Address, Hrp};
use crate::block::{Block, BlockView, MAX_BLOCK_BYTES, Malformed, Shape, Timestamp};
use crate::difficulty::{Difficulty, Pace};
use crate::hash::Hash;
use crate::job::{Job, Target};
use crate::json::{JsonError, Value, canonical, push_string};
use crate::merkle;
use crate::payment::{Coin, Emission};
use crate::sealed::{Draft, Header};
use crate::spending::{Issuance, Spending};

/// Everything that decides what is valid, and what the coin of a new block says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules {
    /// What people call the chain; not part of its id.
    pub name: String,
    /// Where the chain starts.
    pub genesis: Genesis,
    /// What is hashed before and after a proof.
    pub puzzle: Puzzle,
    /// How small the digest must be.
    pub difficulty: Difficulty,
    /// What transactions are, and what they do.
    pub spending: Spending,
    /// The longest canonical text of a block, in bytes.
    pub max_block_bytes: usize,
}

/// Where a chain starts.
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

/// What is hashed before and after a proof.
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
    /// The seal of the block that the proof is for, then the proof: the work commits to all that
    /// the block says.
    Seal,
}

impl Puzzle {
    /// As chain files and chain ids name it.
    pub fn name(self) -> &'static str {
        match self {
            Self::LastProof => "last_proof",
            Self::LastBlock => "last_block",
            Self::LastProofAndHash => "last_proof_and_hash",
            Self::Seal => "seal",
        }
    }

    /// Which fields the blocks have.
    pub fn shape(self) -> Shape {
        match self {
            Self::LastProof | Self::LastBlock | Self::LastProofAndHash => Shape::Open,
            Self::Seal => Shape::Sealed,
        }
    }
}

impl Genesis {
    /// Any block with this index, and with this proof and previous hash, which are JSON texts.
    ///
    /// # Errors
    /// Why there is no such block.
    pub fn any(index: u64, proof: &str, previous_hash: &str) -> Result<Self, Malformed> {
        let canonical = |text: &str| Ok::<_, JsonError>(canonical(text.as_bytes())?.into_owned());
        let (proof, previous_hash) = (canonical(proof)?, canonical(previous_hash)?);
        let longest = Timestamp { micros: u64::MAX };
        Block::parse(any_block(index, &proof, &previous_hash, longest).as_bytes())?;
        Ok(Self::Any { index, proof, previous_hash })
    }

    /// The same sealed block on every node, without parent and proof, which allots `balances` in
    /// units.
    ///
    /// # Errors
    /// That a number is too large, or the block too long.
    pub fn sealed(
        timestamp_s: u64,
        target: Target,
        hrp: Hrp,
        balances: &[(Address, u64)],
    ) -> Result<Self, Malformed> {
        Self::sealed_on(&Hash([0; 32]), timestamp_s, target, hrp, balances)
    }

    /// The same with this previous hash, which is no block's: random digits tell the chain from
    /// every other one with the same rules.
    ///
    /// # Errors
    /// Those of [`Genesis::sealed`].
    pub fn sealed_on(
        previous_hash: &Hash,
        timestamp_s: u64,
        target: Target,
        hrp: Hrp,
        balances: &[(Address, u64)],
    ) -> Result<Self, Malformed> {
        let coin = |(nonce, &(recipient, amount))| Coin { recipient, amount, nonce }.text(hrp);
        let coins: Vec<String> = (0..).zip(balances).map(coin).collect();
        let (root, texts) = (merkle::root(&coins), coins.iter().map(String::as_str));
        let draft = Draft::new(1, previous_hash, timestamp_s, target, &root, texts)?;
        Ok(Self::Fixed(draft.unproven().clone()))
    }

    /// Canonical JSON: the hash of the first block, or what blocks of the shape have in common.
    pub fn json(&self) -> String {
        match self {
            Self::Fixed(block) => format!(r#""{}""#, block.hash()),
            Self::Any { index, proof, previous_hash } => format!(
                r#"{{"any": {{"index": {index}, "previous_hash": {previous_hash}, "proof": {proof}}}}}"#
            ),
        }
    }

    /// The target of the first block, if it states one; else the easiest.
    pub fn target(&self) -> Target {
        match self {
            Self::Fixed(block) => block.header().map_or(Target::EASIEST, |header| header.target),
            Self::Any { .. } => Target::EASIEST,
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
}

fn any_block(index: u64, proof: &str, previous_hash: &str, now: Timestamp) -> String {
    format!(
        r#"{{"index": {index}, "previous_hash": {previous_hash}, "proof": {proof}, "timestamp": {now}, "transactions": []}}"#
    )
}

/// The genesis block of the course: hard coded, so that every node starts alike.
const LECTURE_GENESIS: &str =
    r#"{"index": 1, "previous_hash": null, "proof": 99, "timestamp": 0, "transactions": []}"#;

/// The genesis block of `forge`: nobody has anything, and the target asks for 24 zero bits. It has
/// no parent and no proof.
const FORGE_GENESIS: &str = concat!(
    r#"{"index": 1, "#,
    r#""merkle_root": "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855", "#,
    r#""previous_hash": "0000000000000000000000000000000000000000000000000000000000000000", "#,
    r#""proof": 0, "#,
    r#""target": "000000ffffffffffffffffffffffffffffffffffffffffffffffffffffffffff", "#,
    r#""timestamp": 1767225600, "transactions": []}"#
);

/// When the genesis block of `bitcoin-like` was made: as Bitcoin's, 2009-01-03 18:15:05 UTC.
const BITCOIN_GENESIS_S: u64 = 1_231_006_505;

/// What can be asked of a preset that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "there is no chain {0:?}; there are lecture, course, dvf, forge and bitcoin-like, or name a \
     chain file"
)]
pub struct UnknownPreset(pub String);

impl Rules {
    /// The names of the presets.
    pub const PRESETS: [&'static str; 5] = ["lecture", "course", "dvf", "forge", "bitcoin-like"];

    /// The rules of the course's notes, Lecture II: 4 zeros.
    pub fn lecture() -> Self {
        Self {
            name: "lecture".into(),
            genesis: Genesis::Fixed(lecture_genesis()),
            puzzle: Puzzle::LastProof,
            difficulty: Difficulty::Fixed(Target::from_zeros(4)),
            spending: Spending::Unsigned(Issuance::course()),
            max_block_bytes: MAX_BLOCK_BYTES,
        }
    }

    /// The rules of the same course in autumn 2019: work over the last block, 6 zeros.
    pub fn course() -> Self {
        Self {
            name: "course".into(),
            puzzle: Puzzle::LastBlock,
            difficulty: Difficulty::Fixed(Target::from_zeros(6)),
            ..Self::lecture()
        }
    }

    /// The rules of the tutorial that the course is built on: any genesis of its shape, 4 zeros.
    pub fn dvf() -> Self {
        Self {
            name: "dvf".into(),
            genesis: Genesis::Any { index: 1, proof: "100".into(), previous_hash: r#""1""#.into() },
            puzzle: Puzzle::LastProofAndHash,
            ..Self::lecture()
        }
    }

    /// The rules of a chain that can be trusted: work that commits to content, a block every 15
    /// seconds, signed payments, 84 million coins.
    pub fn forge() -> Self {
        Self {
            name: "forge".into(),
            genesis: Genesis::Fixed(
                Block::read(Shape::Sealed, FORGE_GENESIS).expect("the genesis of forge is a block"),
            ),
            puzzle: Puzzle::Seal,
            difficulty: Difficulty::Asert {
                spacing_s: 15,
                half_life_s: 450,
                easiest: Target::from_zeros(4),
                longest_gap_s: 900,
            },
            spending: Spending::Signed { hrp: forge_hrp(), emission: Emission::FORGE },
            max_block_bytes: 1_000_000,
        }
    }

    /// The rules of `forge` with Bitcoin's difficulty: a block every 10 minutes, and a target that
    /// is set anew every 2,016 blocks by at most a factor of 4. It has a genesis block of its own,
    /// whose target, as Bitcoin's, is the easiest.
    pub fn bitcoin_like() -> Self {
        let forge = Self::forge();
        let target = forge.genesis.target();
        Self {
            name: "bitcoin-like".into(),
            genesis: Genesis::sealed(BITCOIN_GENESIS_S, target, forge_hrp(), &[])
                .expect("an empty block with a date"),
            difficulty: Difficulty::Epoch {
                blocks: 2_016,
                spacing_s: 600,
                clamp: 4,
                easiest: target,
            },
            ..forge
        }
    }

    /// The preset of that name.
    ///
    /// # Errors
    /// [`UnknownPreset`], which lists those that exist.
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

    /// The same rules with a fixed target of `zeros` zero digits. It is meant for chains whose target
    /// is fixed: the difficulty that another has is gone, and its genesis block keeps its target.
    pub fn with_zeros(mut self, zeros: u8) -> Self {
        self.difficulty = Difficulty::Fixed(Target::from_zeros(zeros));
        self
    }

    /// The chain's id: the hash of the rules that decide what is valid, and of the genesis block.
    /// Nodes with different ids don't mix. A tagged hash in the manner of BIP-340, tag
    /// `blocksmith/chain`, over canonical JSON.
    pub fn chain_id(&self) -> Hash {
        let genesis = match &self.genesis {
            Genesis::Fixed(block) => block.text().to_string(),
            // Not the text of any block, so that no fixed genesis gives the same id.
            Genesis::Any { .. } => self.genesis.json(),
        };
        let covered = self.decisive(genesis).into_iter().filter(|member| !member.is_implied);
        tagged_hash("blocksmith/chain", object(covered).as_bytes())
    }

    /// The id of the chain whose rules and genesis block somebody tells: the rules as [`Rules::json`]
    /// has them. `None` if they name another block. Nothing else is checked, and nothing else need be:
    /// what gives a chain's id is what that chain was made of.
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
            // As in `decisive`, but for chains where nobody signs.
            if key.text() != r#""max_block_bytes""# || json != MAX_BLOCK_BYTES.to_string() {
                covered.push(format!("{}: {json}", key.text()));
            }
        }
        let covered = format!("{{{}}}", covered.join(", "));
        Some(tagged_hash("blocksmith/chain", covered.as_bytes()))
    }

    /// What the chain's id covers, member by member, as canonical JSON with the genesis block by its
    /// hash: two chains with different ids differ here, and it can be said in what.
    pub fn json(&self) -> String {
        object(self.decisive(self.genesis.json()))
    }

    /// What decides what is valid, in the order of the keys.
    fn decisive(&self, genesis: String) -> [Member; 5] {
        let member = |key, json| Member { key, json, is_implied: false };
        let mut puzzle = String::new();
        push_string(&mut puzzle, self.puzzle.name());
        // These two came later, and ids don't cover them where they say what was always so.
        let max_block_bytes = Member {
            key: "max_block_bytes",
            json: self.max_block_bytes.to_string(),
            is_implied: self.max_block_bytes == MAX_BLOCK_BYTES,
        };
        let spending = Member {
            key: "spending",
            json: self.spending.json(),
            is_implied: matches!(self.spending, Spending::Unsigned(_)),
        };
        [
            member("difficulty", self.difficulty.json()),
            member("genesis", genesis),
            max_block_bytes,
            member("puzzle", puzzle),
            spending,
        ]
    }

    /// The lowest block that anybody can write anew without work, of a chain whose newest block has
    /// the index `tip`: that one and all above it hang on nothing but somebody's word for the hash
    /// of the newest. `None` where the work commits to every block.
    pub fn unprotected_from(&self, tip: u64) -> Option<u64> {
        // The first block, unless the rules say all of it.
        let free = match &self.genesis {
            Genesis::Fixed(block) => block.index().saturating_add(1),
            Genesis::Any { index, .. } => *index,
        };
        let lowest = match self.puzzle {
            // Proofs commit to proofs. Each block names the hash of the one before it, and whoever
            // changes that one changes the name as well.
            Puzzle::LastProof => free,
            // Each proof commits to the block before its own, and that one to all before it.
            Puzzle::LastBlock | Puzzle::LastProofAndHash => free.max(tip),
            Puzzle::Seal => return None,
        };
        (lowest <= tip).then_some(lowest)
    }

    /// The target of the block after one with this pace.
    pub fn target_after(&self, parent: &Pace) -> Target {
        self.difficulty.target_after(self.genesis.target(), parent)
    }

    /// The pace of a chain that starts with `genesis`.
    pub fn first_pace(&self, genesis: BlockView<'_>) -> Pace {
        Pace::genesis(self.genesis.target(), genesis.timestamp_s())
    }

    /// The pace of `block` on one with the pace `parent`.
    pub fn pace_after(&self, parent: &Pace, block: BlockView<'_>) -> Pace {
        self.difficulty.pace_after(self.genesis.target(), parent, block.timestamp_s())
    }

    /// Reads a block of these rules from JSON bytes in any spelling.
    ///
    /// # Errors
    /// What keeps the bytes from being a block.
    pub fn parse_block(&self, wire: &[u8]) -> Result<Block, Malformed> {
        self.block(&canonical(wire)?)
    }

    /// Takes a block of these rules whose text is canonical already.
    ///
    /// # Errors
    /// What the text lacks to be a block, or has too much.
    pub fn block(&self, text: &str) -> Result<Block, Malformed> {
        Block::read(self.puzzle.shape(), text)
    }

    /// What a proof must satisfy on top of `parent`, whose hash is `parent_hash`, in a block with
    /// this header, if blocks have one. The target is the one that the header states: whether that
    /// is the right one is another rule.
    ///
    /// # Panics
    /// If the puzzle is about the header, and there is none: its blocks can't be read without.
    pub fn job<'a>(
        &self,
        parent: BlockView<'a>,
        parent_hash: &Hash,
        header: Option<&Header>,
    ) -> Job<'a> {
        let last_proof = || match parent.proof() {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        };
        let (prefix, suffix) = match self.puzzle {
            Puzzle::LastProof => (last_proof(), Cow::Borrowed(&[][..])),
            Puzzle::LastBlock => (Cow::Borrowed(parent.text.as_bytes()), Cow::Borrowed(&[][..])),
            Puzzle::LastProofAndHash => (last_proof(), Cow::Owned(parent_hash.hex().to_vec())),
            Puzzle::Seal => {
                let seal = header.expect("sealed blocks have a header").seal;
                (Cow::Owned(seal.hex().to_vec()), Cow::Borrowed(&[][..]))
            }
        };
        let target = match header {
            Some(header) => header.target,
            None => self.target_after(&self.first_pace(parent)),
        };
        Job { prefix, suffix, target }
    }
}

/// A member of the rules as JSON.
struct Member {
    key: &'static str,
    /// Canonical.
    json: String,
    /// Whether it is so where nothing is said.
    is_implied: bool,
}

/// Members as canonical JSON, if their keys are in order.
fn object(members: impl IntoIterator<Item = Member>) -> String {
    let mut text = String::from("{");
    for Member { key, json, .. } in members {
        let comma = if text.len() > 1 { ", " } else { "" };
        text.push_str(&format!(r#"{comma}"{key}": {json}"#));
    }
    text.push('}');
    text
}

fn forge_hrp() -> Hrp {
    Hrp::new("forge").expect("lower-case letters")
}

fn lecture_genesis() -> Block {
    Block::of_canonical(LECTURE_GENESIS).expect("the genesis of the course is a block")
}

/// SHA-256(SHA-256(tag) ‖ SHA-256(tag) ‖ message), as BIP-340 defines it.
pub fn tagged_hash(tag: &str, message: &[u8]) -> Hash {
    tagged_hash_of(tag, [message])
}

/// The same of a message in parts.
pub(crate) fn tagged_hash_of<const N: usize>(tag: &str, message: [&[u8]; N]) -> Hash {
    use sha2::{Digest, Sha256};
    let tag = Sha256::digest(tag);
    let tagged = Sha256::new().chain_update(tag).chain_update(tag);
    Hash(message.into_iter().fold(tagged, Digest::chain_update).finalize().into())
}
