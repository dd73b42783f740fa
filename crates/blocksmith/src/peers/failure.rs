//! What can go wrong with a peer.

use std::fmt;
use std::time::Duration;

use blocksmith_consensus::{Hash, Invalid, Malformed};
use blocksmith_node::PeerAddress;

use super::array_stream::Unlike;
use crate::chain::Differences;
use crate::service::{Stopped, StoreError};
use crate::spelling::{HASHED_TEXT, Spelling};

/// Why a call to a peer failed, or its answer did not help us.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("it can't be reached: {0}")]
    Unreachable(String),
    #[error("it took longer than {} seconds to answer", .0.as_secs())]
    Silent(Duration),
    #[error("it sends too slowly: {received} bytes in {} seconds", .waited.as_secs())]
    Slow { received: u64, waited: Duration },
    #[error("it sent too few new blocks that fit here; this node gave up after {} seconds", .0.as_secs())]
    NothingNew(Duration),
    #[error("the connection broke: {0}")]
    Broken(String),
    #[error("it answers {path} with {said}")]
    Status { path: &'static str, said: String },
    #[error(
        "it answers {path} with a redirect to {to}, which this node does not follow; if it moved there, \
         register that address"
    )]
    Redirected { path: &'static str, to: String },
    #[error("its answer to {path} is not what a peer sends: {reason}")]
    Shape { path: &'static str, reason: String },
    #[error("its answer is not what a peer sends: {0}")]
    Unlike(#[from] Unlike),
    #[error("its answer to {path} has more than {most} bytes")]
    TooLong { path: &'static str, most: u64 },
    #[error(
        "it runs the chain {theirs}, but this node runs {ours}; nodes of different chains can't be peers"
    )]
    OtherChain { ours: Hash, theirs: String },
    #[error("it runs another chain, and nodes of different chains can't be peers: {0}")]
    OtherRules(Differences),
    #[error("it sent block {index}, which can't be read: {reason}")]
    Malformed { index: u64, reason: Malformed },
    #[error("it sent a block that breaks a rule: {0}")]
    Invalid(#[from] Invalid),
    #[error("it sent block {index}, but not the block before it; perhaps its chain is changing")]
    Orphan { index: u64 },
    #[error(
        "its block {} names {named} as the block before it, but block {index}, which it sent, has the \
         hash {found}: {}", index + 1, Why(*.spelling, *.index)
    )]
    Unlinked { index: u64, found: Hash, named: Hash, spelling: Option<Spelling> },
    #[error("it does not speak HTTP there: {0}")]
    NotHttp(String),
    #[error(
        "its chain splits from ours {depth} blocks below our tip, and the blocks of other peers use the \
         memory that it would need"
    )]
    Crowded { depth: u64 },
    /// Not the peer's fault: our clock may be the one that is wrong.
    #[error(
        "it sent block {index}, whose time is {ahead_s} s ahead of this machine's clock. If this clock is \
         behind, set it; if it is right, the node takes the block when its time has come"
    )]
    Early { index: u64, ahead_s: u64, tip: Option<(u64, Hash)> },
    #[error(
        "its chain splits from ours {depth} blocks below our tip, and so long a branch does not fit in \
         memory; run blocksmith chain export there, and blocksmith chain import here"
    )]
    TooDeep { depth: u64 },
    #[error(
        "it claims the work {claimed}, but its blocks end at {index} with no more work than ours"
    )]
    LessWork { claimed: String, index: u64 },
    /// The address is this node's own.
    #[error("it is this node itself")]
    Itself,
    /// The peer is another peer at a second address, and this address was forgotten.
    #[error("it is the same node as {0}")]
    KnownAs(PeerAddress),
    /// Not the peer's fault.
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Stopped(#[from] Stopped),
}

/// Why a block's hash is not the one that the next block names.
struct Why(Option<Spelling>, u64);

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self(Some(spelling), index) => {
                write!(f, "that is the hash of block {index} {spelling}. {HASHED_TEXT}")
            }
            Self(None, index) => {
                write!(
                    f,
                    "block {index} was changed, or that node hashes another text. {HASHED_TEXT}"
                )
            }
        }
    }
}

impl Failure {
    /// Whether the same call may succeed in a moment, as with a node that was busy telling others.
    pub(super) fn may_pass(&self) -> bool {
        matches!(self, Self::Silent(_) | Self::Broken(_))
    }

    /// The text by which complaints are told apart: the next early block is no news.
    pub(super) fn complaint(&self) -> String {
        match self {
            Self::Early { .. } => "early".into(),
            _ => self.to_string(),
        }
    }

    /// Whether the operator should look at it; other failures are usual in networks.
    pub(super) fn is_remarkable(&self) -> bool {
        !matches!(
            self,
            Self::Unreachable(_)
                | Self::Silent(_)
                | Self::Broken(_)
                | Self::Orphan { .. }
                | Self::Crowded { .. }
        )
    }
}
