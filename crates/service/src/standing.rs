//! The node's state, and why the node has stopped.

use std::sync::Arc;

use blocksmith_consensus::ChainBlock;
use blocksmith_node::PeerAddress;

use super::store::StoreError;

/// The node has stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .reason.as_ref().map_or("the node is stopping", |reason| &reason.whole))]
pub struct Stopped {
    /// The reason why it had to; `None` if the last handle was dropped.
    pub(super) reason: Option<Arc<Reason>>,
}

/// The reason why a node had to stop.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reason {
    /// The message for the operator, with what to do about it.
    whole: String,
    /// The message for clients, without this machine's paths.
    outside: String,
}

impl Reason {
    pub(super) fn of(error: &StoreError) -> Self {
        Self { whole: error.to_string(), outside: error.without_paths() }
    }
}

impl Stopped {
    /// The message for clients.
    pub fn outside(&self) -> String {
        match &self.reason {
            Some(reason) => format!(
                "the node had to stop: {}; its log tells the operator what to do",
                reason.outside
            ),
            None => self.to_string(),
        }
    }
}

/// The node's state; everything in it is durable.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The end of the best chain.
    pub tip: ChainBlock,
    /// How many transactions wait.
    pub queued: usize,
    /// The registered peers.
    pub peers: Vec<PeerAddress>,
    /// How many rounds of asking all peers are over; see
    /// [`Handle::resolve`](crate::Handle::resolve).
    pub rounds_over: u64,
    /// The number of the latest event that this state includes.
    pub event: u64,
}
