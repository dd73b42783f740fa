//! The wire format of `/api/v1`: the type of every request and answer, problem details, the names
//! of headers, and the limits that a client has to know.
//!
//! A block and a transaction are their canonical text, and go out byte for byte: [`RawValue`].
//! [`json`] writes an answer as Python's `json.dumps` does, so that a text has the same form
//! everywhere.
#![forbid(unsafe_code)]

mod accounts;
mod blocks;
mod branches;
#[cfg(feature = "client")]
pub mod client;
mod dev;
mod events;
mod hash;
pub mod json;
pub mod limits;
mod number;
mod peers;
mod problem;
mod search;
mod status;
mod transactions;

pub use accounts::{
    Account, AccountTransaction, AccountTransactions, AnyAccount, FaucetGift, FaucetRequest, Fees,
    Indexed, Leaderboard, Miner, PartyAccount, Role, Supply, WaitingTransaction,
};
pub use blocks::{
    BlockEntry, BlockVerdict, Blocks, FoundBlock, HeaderEntry, Headers, History, HistoryPoint,
    Verdict,
};
pub use branches::{BlockCame, BlockSource, Branch, Branches, WhyLost};
pub use dev::{DevCut, DevCuts, DevMine, DevMined, DevMiner, DevMiners, DevReorg, DevReorged};
pub use events::{
    BlockPlace, Event, PeerChange, PeerEvent, ReorgEvent, ResetEvent, TipEvent, TransactionChange,
    TransactionEvent,
};
pub use hash::HexHash;
pub use number::Number;
pub use peers::{AddPeers, ForgottenPeer, Peer, PeerState, Peers, PeersAdded};
pub use problem::Problem;
pub use search::{SearchMatch, SearchMatches};
pub use serde_json::value::RawValue;
pub use status::{Solution, Status, Work};
pub use transactions::{
    MerkleProof, PaymentOutcome, PaymentOutcomes, Pending, PendingTransactions, Place, Submitted,
    Transaction, TransactionStatus, Waits, WhyLater,
};

/// The header in which a peer that sends a block or payments says where it listens itself. It only
/// hints that this peer need not be told of them.
pub const LISTEN_HEADER: &str = "blocksmith-listen";

/// The media type of answers.
pub const JSON: &str = "application/json";

/// The media type of errors (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";
