use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{HexHash, Number};

/// The state of a node and its chain.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The name of the chain on this node.
    #[schema(example = "lecture")]
    pub name: String,
    /// The chain's rules, as canonical JSON. On chains without signed payments they have one more member,
    /// `coin`: what this node pays a miner, which the chain's id does not cover.
    #[schema(value_type = Object)]
    pub rules: Box<RawValue>,
    /// The chain's id: the hash over its rules. Signed payments are bound to it.
    pub chain_id: HexHash,
    /// The index of the tip.
    #[schema(example = 42)]
    pub index: u64,
    /// The hash of the tip.
    pub tip: HexHash,
    /// The work of the best chain: the expected number of hashes, in hex.
    pub work: HexHash,
    /// The target of the next block: the largest digest that is valid.
    pub target: HexHash,
    /// The same as a number of leading zero hex digits; it has a fraction if the target is between two such
    /// numbers.
    pub zeros: Number,
    /// How many transactions wait for a block.
    pub queued: u64,
    /// How many peers the node has.
    pub peers: u64,
    /// The version of the program.
    #[schema(example = "0.1.0")]
    pub version: String,
    /// For how many seconds the node has been running.
    pub uptime_s: u64,
    /// The time by the node's clock, in seconds since 1970.
    #[schema(example = 1_700_000_000.25)]
    pub time: Number,
    /// How many seconds the node's clock is behind the clocks of its peers; `null` if no peer tells its time.
    pub clock_offset_s: Option<Number>,
    /// The time from which the node gives work, by its own clock; `null` if it gives work now.
    pub early_until: Option<u64>,
    /// Whether this is a chain for tests, whose coins are worth nothing.
    pub dev: bool,
    /// The node's id, which gets the coins that the node mines for itself.
    pub node: String,
    /// The id of this run of the node, which no other run has.
    pub instance: String,
    /// Whether payments are signed on this chain, so that there are accounts.
    #[serde(default)]
    pub signed: bool,
    /// The prefix of addresses, before the 1; `null` where payments are not signed.
    #[serde(default)]
    #[schema(example = "forge")]
    pub addresses: Option<String>,
    /// The id of the latest event that this status includes: call `events?since=` with it, and you miss no
    /// event.
    #[serde(default)]
    pub events: String,
}

/// What to search for: a number for which SHA-256(prefix ‖ its decimal digits ‖ suffix) is at most the
/// target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Work {
    /// The work's id, which `POST work` needs with the proof.
    pub id: String,
    /// The index of the block that the proof makes.
    pub index: u64,
    /// The text before the number.
    pub prefix: String,
    /// The text after the number.
    pub suffix: String,
    /// The target: the largest digest that is valid.
    pub target: HexHash,
    /// The hash of the block before the new one.
    pub previous_hash: HexHash,
}

/// A proof for work.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Solution {
    /// The work's id.
    pub id: String,
    /// The number that was found. On chains without signed payments it can be any whole number, or a string.
    #[schema(value_type = serde_json::Value, example = 74_581)]
    pub proof: Box<RawValue>,
}
