use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::BlockPlace;

/// A request for blocks at once, on a dev chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DevMine {
    /// How many, at most 1,000.
    #[schema(minimum = 1, maximum = 1000)]
    pub blocks: u64,
    /// The address that gets their coins; by default, the first dev account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// The blocks that were mined.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DevMined {
    /// The lowest first.
    pub blocks: Vec<BlockPlace>,
    /// The tip.
    pub tip: BlockPlace,
}

/// A request to undo blocks, on a dev chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DevReorg {
    /// How many blocks are to leave, at most 1,000.
    #[schema(minimum = 1, maximum = 1000)]
    pub depth: u64,
}

/// A branch that took the place of blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DevReorged {
    /// The last block that both branches have.
    pub fork: BlockPlace,
    /// How many blocks left.
    pub left_count: u64,
    /// How many blocks joined.
    pub joined_count: u64,
    /// The new tip.
    pub tip: BlockPlace,
}

/// The miners of a dev network: one for each of its nodes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DevMiners {
    /// All of them; in a request, those that change.
    pub miners: Vec<DevMiner>,
}

/// The miner of a node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DevMiner {
    /// The node's number, from 1.
    #[schema(minimum = 1)]
    pub node: u64,
    /// Whether it mines.
    pub on: bool,
    /// How many proofs it tries a second. With `null` it takes turns with the other miners that have no
    /// speed of their own.
    #[serde(default)]
    #[schema(minimum = 1)]
    pub tries_per_second: Option<u64>,
}

/// Which nodes of a dev network no longer reach each other.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DevCut {
    /// The numbers of the nodes, from 1: those of different groups do not reach each other. A node in no
    /// group reaches whom it reached before.
    pub groups: Vec<Vec<u64>>,
}

/// The cuts of a dev network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DevCuts {
    /// The pairs of nodes that do not reach each other, by their numbers from 1.
    pub cuts: Vec<[u64; 2]>,
}
