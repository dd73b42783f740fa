use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::HexHash;

/// A block's place on a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BlockPlace {
    /// The block's index.
    pub index: u64,
    /// The block's hash.
    pub hash: HexHash,
}

/// The event `tip`: a block joined the best chain, on top of all others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TipEvent {
    /// The block's index.
    pub index: u64,
    /// The block's hash.
    pub hash: HexHash,
    /// The hash of the block before it; `null` if it names none.
    pub previous_hash: Option<HexHash>,
    /// The work of the best chain: the expected number of hashes, in hex.
    pub work: HexHash,
    /// How many transactions the block has, with the one that pays its miner.
    pub transactions: u64,
    /// Who got its coins; `null` if it pays no miner, or the name is longer than 1,000 bytes.
    pub miner: Option<String>,
}

/// The event `reorg`: the best chain became another one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReorgEvent {
    /// The last block that both chains have; `null` if they begin with different first blocks.
    pub fork: Option<BlockPlace>,
    /// The blocks that left, the former tip first; 1,000 at most.
    pub left: Vec<BlockPlace>,
    /// How many blocks left.
    pub left_count: u64,
    /// The work of the chain that was left, in hex.
    pub left_work: HexHash,
    /// The blocks that joined, the lowest first; 1,000 at most.
    pub joined: Vec<BlockPlace>,
    /// How many blocks joined.
    pub joined_count: u64,
    /// How many transactions of the blocks that left wait for a block again.
    pub waiting: u64,
    /// The new tip.
    pub tip: TipEvent,
}

/// What happened to a transaction that waits, or waited.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransactionChange {
    /// It waits for a block: it is new, or its block left the chain.
    Entered,
    /// Another payment took its place.
    Replaced,
    /// It was dropped: it does not wait any more, and is not in a block.
    Dropped,
    /// It is in a block of the best chain.
    Confirmed,
}

/// The event `transaction`: what waits for a block changed.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct TransactionEvent {
    /// What happened to it.
    pub change: TransactionChange,
    /// Its id; `null` where payments are not signed.
    pub id: Option<HexHash>,
    /// The id of the payment that took its place.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<HexHash>,
    /// The transaction, as canonical JSON.
    #[schema(value_type = Object)]
    pub transaction: Box<RawValue>,
}

/// What happened to a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeerChange {
    /// It is a peer now.
    Added,
    /// It is not a peer any more.
    Forgotten,
    /// It answers, for the first time or again.
    Answers,
    /// It does not answer any more, or its answers are of no use.
    Fails,
}

/// The event `peer`: a peer changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeerEvent {
    /// Its host and port.
    pub address: String,
    /// What happened to it.
    pub change: PeerChange,
    /// The index of its tip, if it answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// Why it fails, for people.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

/// The event `reset`: the client missed events that are gone, or the node was started again. Read `status`,
/// and skip the events of this stream up to the one that `status` names; or start a new stream with `since` and
/// that id.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ResetEvent {
    /// The id of the latest event, with which the stream goes on.
    pub events: String,
}

/// The data of an event. Its kind is the name of the event in the stream.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Event {
    /// `tip`
    Tip(TipEvent),
    /// `reorg`
    Reorg(ReorgEvent),
    /// `transaction`
    Transaction(TransactionEvent),
    /// `peer`
    Peer(PeerEvent),
    /// `reset`
    Reset(ResetEvent),
}

impl Event {
    /// The kinds of events that can be asked for.
    pub const KINDS: [&'static str; 4] = ["tip", "reorg", "transaction", "peer"];

    /// The name of the event in the stream.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Tip(_) => "tip",
            Self::Reorg(_) => "reorg",
            Self::Transaction(_) => "transaction",
            Self::Peer(_) => "peer",
            Self::Reset(_) => "reset",
        }
    }
}
