use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{BlockPlace, HexHash};

/// The side branches beside the best chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Branches {
    /// The last block of the best chain.
    pub tip: BlockPlace,
    /// The work of the best chain: the expected number of hashes, in hex.
    pub work: HexHash,
    /// How many side branches there are.
    pub count: u64,
    /// Those with the most work, the best first: at most 100, and fewer where they have more than 100,000
    /// blocks together.
    pub branches: Vec<Branch>,
}

/// A side branch: the blocks from its fork to a block that has none after it. Branches can share blocks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Branch {
    /// The last block that it shares with the best chain; `null` if it has a first block of its own.
    pub fork: Option<BlockPlace>,
    /// Its last block.
    pub tip: BlockPlace,
    /// How many blocks it has that the best chain does not have.
    pub length: u64,
    /// The work of the chain that ends in its last block, in hex.
    pub work: HexHash,
    /// How much less that is than the work of the best chain, in hex.
    pub less_work: HexHash,
    /// Why the best chain is another one.
    pub lost: WhyLost,
    /// Who sent its first block first; `null` if the node does not remember that.
    pub from: Option<BlockSource>,
    /// Who got the coins of its last block; `null` if it pays no miner, the name is longer than 1,000 bytes,
    /// or the node would have to read more than 64 MiB for all names.
    pub miner: Option<String>,
}

/// Why a branch is not the best chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhyLost {
    /// It has less work.
    LessWork,
    /// It has as much work, and came later.
    CameLater,
}

/// How a block first came to the node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlockSource {
    /// In which way.
    pub how: BlockCame,
    /// The host and port of the peer that sent it; of a caller, where it says that it listens.
    pub peer: Option<String>,
    /// The IP address of the caller, as far as it is known.
    pub address: Option<String>,
}

/// The ways in which a block comes to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BlockCame {
    /// The node found it, or a miner with work from the node.
    Mined,
    /// A caller sent it.
    Sent,
    /// The node asked a peer for it.
    Asked,
}
