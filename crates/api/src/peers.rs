use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Number;

/// The peers of a node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Peers {
    /// Each of them.
    pub peers: Vec<Peer>,
}

/// A peer, and how it stands.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Peer {
    /// Its host and port.
    #[schema(example = "localhost:5001")]
    pub address: String,
    /// Whether the operator chose it: then none makes room for others.
    pub chosen: bool,
    /// Whether it answers.
    pub state: PeerState,
    /// For how many seconds.
    pub for_s: Number,
    /// How often in a row it failed.
    pub failures: u64,
    /// Why it failed last, for people.
    pub reason: Option<String>,
    /// In how many seconds it is asked again; `null` while it is asked.
    pub asked_in_s: Option<Number>,
}

/// Whether a peer answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PeerState {
    /// It was not asked yet, or has not had the time to answer.
    New,
    /// It answers.
    Answers,
    /// It does not answer, or not with anything of use.
    Fails,
}

/// Addresses that are to be peers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AddPeers {
    /// Hosts and ports, as they are called.
    #[schema(example = json!(["localhost:5001"]))]
    pub nodes: Vec<String>,
}

/// What became of addresses that were to be peers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PeersAdded {
    /// The same words as the course's `/nodes/register`.
    #[schema(example = "New nodes have been added")]
    pub message: String,
    /// All peers.
    pub total_nodes: Vec<String>,
    /// Those addresses that are this node's own, and so no peers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub this_node: Vec<String>,
    /// Those that were no peers before.
    #[serde(default)]
    pub new: Vec<String>,
}

/// The peer that was forgotten.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ForgottenPeer {
    /// Its address, as the node knew it.
    pub forgotten: String,
}
