//! Where the node stands, and why it stands no more.

use std::sync::Arc;

use blocksmith_consensus::ChainBlock;
use blocksmith_node::PeerAddress;

use super::store::StoreError;

/// The node has stopped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}", .reason.as_ref().map_or("the node is stopping", |reason| &reason.whole))]
pub struct Stopped {
    /// Why it had to; none if nobody needs it any more.
    pub(super) reason: Option<Arc<Reason>>,
}

/// Why a node had to stop.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Reason {
    /// For whoever runs it, with what to do about it.
    whole: String,
    /// For its callers, without what is only this machine's.
    outside: String,
}

impl Reason {
    pub(super) fn of(error: &StoreError) -> Self {
        Self { whole: error.to_string(), outside: error.without_paths() }
    }
}

impl Stopped {
    /// What callers from outside are told.
    pub fn outside(&self) -> String {
        match &self.reason {
            Some(reason) => format!(
                "the node had to stop: {}; whoever runs it finds in its log what to do",
                reason.outside
            ),
            None => self.to_string(),
        }
    }
}

/// Where the node stands; everything in it is durable.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The end of the best chain.
    pub tip: ChainBlock,
    /// How many transactions wait.
    pub queued: usize,
    /// The registered peers.
    pub peers: Vec<PeerAddress>,
    /// How many rounds in which all peers were asked are over, see [`Handle::resolve`](crate::Handle::resolve).
    pub rounds_over: u64,
    /// The number of the latest event that is part of all this.
    pub event: u64,
}
