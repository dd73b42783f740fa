//! Sealed chains: blocks are a fixed list of fields, payments are signed, and the proof is for the
//! block that has it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::id::{self, Member};
use crate::address::{Address, Hrp};
use crate::block::{Block, Malformed, Shape};
use crate::difficulty::Difficulty;
use crate::hash::Hash;
use crate::job::Target;
use crate::json::{Value, string};
use crate::ledger::{self, BadBody, Body, Changes, Contents};
use crate::limits::MAX_BLOCK_BYTES;
use crate::merkle;
use crate::payment::{Coinbase, Domain, Emission};
use crate::unproven::Unproven;

/// The rules of a sealed chain. Payments move units between accounts that the rules keep; the last
/// transaction of each block is its coin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The first block, the same on every node.
    pub genesis: Block,
    /// How small the id of a block must be.
    pub difficulty: Difficulty,
    /// The prefix of addresses.
    pub hrp: Hrp,
    /// The subsidy of each block.
    pub emission: Emission,
    /// The longest canonical text of a block, in bytes.
    pub max_block_bytes: usize,
}

/// The genesis block of `forge`: all accounts are empty, and the target asks for 24 zero bits. It
/// has no parent and no proof.
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

impl Sealed {
    /// The rules of a chain that can be trusted: work that commits to content, a block every 15
    /// seconds, signed payments, 84 million coins.
    pub fn forge() -> Self {
        Self {
            genesis: Block::read(Shape::Sealed, FORGE_GENESIS)
                .expect("the genesis of forge is a block"),
            difficulty: Difficulty::Asert {
                spacing_s: 15,
                half_life_s: 450,
                easiest: Target::from_zeros(4),
                longest_gap_s: 900,
            },
            hrp: Hrp::new("forge").expect("lower-case letters"),
            emission: Emission::FORGE,
            max_block_bytes: 1_000_000,
        }
    }

    /// The rules of `forge` with Bitcoin's difficulty: a block every 10 minutes, and a target that
    /// is set anew every 2,016 blocks by at most a factor of 4. It has a genesis block of its own,
    /// whose target, as Bitcoin's, is the easiest.
    pub fn bitcoin_like() -> Self {
        let forge = Self::forge();
        let target = forge.genesis_target();
        Self {
            genesis: genesis(BITCOIN_GENESIS_S, target, forge.hrp, &[])
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

    /// The target of the first block.
    pub fn genesis_target(&self) -> Target {
        self.genesis.header().map_or(Target::EASIEST, |header| header.target)
    }

    /// The easiest target that a block may have.
    pub fn easiest_target(&self) -> Target {
        self.difficulty.easiest().max(self.genesis_target())
    }

    /// The chain's id, as [`Rules::chain_id`](super::Rules::chain_id) returns it.
    pub fn chain_id(&self) -> Hash {
        id::chain_id(self.decisive(self.genesis.text().into()))
    }

    /// What the id covers, as [`Rules::json`](super::Rules::json) writes it.
    pub(super) fn json(&self) -> String {
        id::object(self.decisive(string(&self.genesis.hash().to_string())))
    }

    /// The members that decide what is valid, in the order of their keys.
    fn decisive(&self, genesis: String) -> [Member; 5] {
        let (hrp, Emission { first, halving }) = (self.hrp, self.emission);
        let spending = format!(
            r#"{{"signed": {{"addresses": "{hrp}", "first_subsidy": {first}, "halving_blocks": {halving}}}}}"#
        );
        [
            Member::new("difficulty", self.difficulty.json()),
            Member::new("genesis", genesis),
            Member::new("max_block_bytes", self.max_block_bytes.to_string())
                .implied(self.max_block_bytes == MAX_BLOCK_BYTES),
            Member::new("puzzle", string("seal")),
            Member::new("spending", spending),
        ]
    }

    /// The domain that ties payments to this chain.
    pub fn domain(&self) -> Domain {
        Domain { chain_id: self.chain_id(), hrp: self.hrp }
    }

    /// Reads the payments and the coin of a block above genesis, without checking signatures.
    ///
    /// # Errors
    /// Returns the rule that the transactions break.
    pub fn body(&self, block: &Block) -> Result<Body, BadBody> {
        Body::parse(block.view().transactions(), &self.domain())
    }

    /// The coins of a genesis block.
    ///
    /// # Errors
    /// Returns the first transaction that is not a coin.
    pub fn allotted(&self, genesis: &Block) -> Result<Vec<Coinbase>, BadBody> {
        let coin = |(position, value): (usize, Value<'_>)| {
            Coinbase::of_canonical(value, self.hrp)
                .map_err(|why| BadBody::Transaction { position, why })
        };
        genesis.view().transactions().enumerate().map(coin).collect()
    }

    /// Computes the changes of a genesis block, before which all accounts are empty.
    ///
    /// # Errors
    /// Returns the rule that its allocations break.
    pub fn allot(&self, genesis: &Block) -> Result<Changes, BadBody> {
        ledger::allot(&self.allotted(genesis)?, &self.emission)
    }

    /// Reads the payments and the coin of a block that was checked before and comes from a store of
    /// valid blocks. `None` for the genesis block, and for a block whose transactions can't be
    /// read.
    pub fn contents(&self, block: &Block) -> Option<Contents> {
        let is_genesis = block.index() == self.genesis.index();
        self.body(block).ok().filter(|_| !is_genesis).map(Contents::signed_before)
    }
}

/// Makes a genesis block for a sealed chain, which has neither parent nor proof and allots
/// `balances`, in units.
///
/// # Errors
/// Fails if a number is too large, or the block too long.
pub fn genesis(
    timestamp_s: u64,
    target: Target,
    hrp: Hrp,
    balances: &[(Address, u64)],
) -> Result<Block, Malformed> {
    genesis_on(&Hash([0; 32]), timestamp_s, target, hrp, balances)
}

/// As [`genesis`], with this previous hash, which is no block's: random digits there tell the chain
/// from every other one with the same rules.
///
/// # Errors
/// Fails as [`genesis`].
pub fn genesis_on(
    previous_hash: &Hash,
    timestamp_s: u64,
    target: Target,
    hrp: Hrp,
    balances: &[(Address, u64)],
) -> Result<Block, Malformed> {
    let coin = |(nonce, &(recipient, amount))| Coinbase { recipient, amount, nonce }.text(hrp);
    let coins: Vec<String> = (0..).zip(balances).map(coin).collect();
    let (root, texts) = (merkle::root(&coins), coins.iter().map(String::as_str));
    Ok(Unproven::new(1, previous_hash, timestamp_s, target, &root, texts)?.into_genesis())
}
