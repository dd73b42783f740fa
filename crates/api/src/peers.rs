use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Number;

/// The peers of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Peers {
    /// All of them.
    pub peers: Vec<Peer>,
}

/// A peer and its state.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Peer {
    /// Its host and port.
    #[schema(example = "localhost:5001")]
    pub address: String,
    /// Whether the operator chose it; such a peer is never replaced by another one.
    pub chosen: bool,
    /// Whether it answers.
    pub state: PeerState,
    /// For how many seconds it has been in this state.
    pub for_s: Number,
    /// How often in a row it failed.
    pub failures: u64,
    /// Why it failed the last time, for people.
    pub reason: Option<String>,
    /// In how many seconds it is asked again; `null` while it is asked.
    pub asked_in_s: Option<Number>,
}

/// Whether a peer answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeerState {
    /// The node has not asked it yet, or waits for its first answer.
    New,
    /// It answers.
    Answers,
    /// It does not answer, or its answers are of no use.
    Fails,
}

/// Nodes to register as peers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AddPeers {
    /// Their hosts and ports, as in `localhost:5001`.
    #[schema(example = json!(["localhost:5001"]))]
    pub nodes: Vec<String>,
}

/// The answer to a call that registers peers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeersAdded {
    /// The same words as the course's `/nodes/register`.
    #[schema(example = "New nodes have been added")]
    pub message: String,
    /// All peers.
    pub total_nodes: Vec<String>,
    /// Addresses of this node itself, which are not peers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub this_node: Vec<String>,
    /// Those that were not peers before.
    #[serde(default)]
    pub new: Vec<String>,
}

/// A peer that the node forgot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForgottenPeer {
    /// Its address, as the node knew it.
    pub forgotten: String,
}
