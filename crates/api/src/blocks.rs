use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::{HexHash, Number};

/// A block with its hash.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct BlockEntry {
    /// Its index.
    pub index: u64,
    /// Its hash, which is its id.
    pub hash: HexHash,
    /// The block, as canonical JSON.
    #[schema(value_type = Object)]
    pub block: Box<RawValue>,
}

/// A block that was asked for, and whether it is on the best chain.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct FoundBlock {
    /// Its index.
    pub index: u64,
    /// Its hash, which is its id.
    pub hash: HexHash,
    /// Whether it is on the best chain now; else it is on a branch beside it.
    #[serde(default = "yes")]
    pub best: bool,
    /// The block, as canonical JSON.
    #[schema(value_type = Object)]
    pub block: Box<RawValue>,
}

/// A node of an earlier version finds blocks of the best chain alone.
fn yes() -> bool {
    true
}

/// A page of blocks of the best chain, the lowest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Blocks {
    /// The blocks.
    pub blocks: Vec<BlockEntry>,
    /// The index with which the next page starts; `null` on the last page.
    pub next: Option<u64>,
}

/// A block without its transactions.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct HeaderEntry {
    /// The block's index.
    pub index: u64,
    /// The block's hash.
    pub hash: HexHash,
    /// The hash of its parent, as the block says it. In the first block of a chain without signed payments it
    /// can be any JSON value.
    #[schema(value_type = serde_json::Value)]
    pub previous_hash: Box<RawValue>,
    /// The block without its transactions, as canonical JSON; only on chains with signed payments.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub header: Option<Box<RawValue>>,
}

/// A page of headers of the best chain, the lowest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Headers {
    /// The headers.
    pub headers: Vec<HeaderEntry>,
    /// The index with which the next page starts; `null` on the last page.
    pub next: Option<u64>,
}

/// What the node did with a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// It is part of the best chain now.
    Accepted,
    /// It is valid, on a branch that has no more work than the best chain.
    SideBranch,
    /// The node had it before.
    Known,
    /// It is valid, but the node dropped it: there is no room for its side branch.
    NoRoom,
    /// Its parent is unknown; it waits.
    Orphan,
    /// Its time has not come; it waits.
    Early,
}

/// The answer to a block that breaks no rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlockVerdict {
    /// What the node did with it.
    pub verdict: Verdict,
    /// Its hash.
    pub hash: HexHash,
}

/// How a chain grew: blocks at equal distances.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct History {
    /// The points, the lowest first.
    pub points: Vec<HistoryPoint>,
}

/// A block of a chain's history, and averages since the point before.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct HistoryPoint {
    /// The block's index.
    pub index: u64,
    /// Its time, in seconds since 1970; `null` if that is not a number.
    pub timestamp: Option<Number>,
    /// Its target: the largest digest that is valid.
    pub target: HexHash,
    /// The work of the chain up to this block: the expected number of hashes, in hex.
    pub work: HexHash,
    /// The average seconds per block since the point before; `null` if unknown.
    pub block_time_s: Option<Number>,
    /// The average hashes per second since then; `null` if unknown.
    pub hash_rate: Option<Number>,
}
