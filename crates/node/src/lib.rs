//! The logic of a node as a state machine that its caller steps.
//!
//! It never reads a clock and never does I/O: time is an argument, and every action outside comes
//! back as an [`Effect`].
#![no_std]
#![forbid(unsafe_code)]

extern crate alloc;

mod address;
mod early;
mod interface;
mod machine;
pub mod mempool;
mod open;
mod orphans;
mod peers;
mod pool;
mod queue;
mod turn;
mod work;

pub use address::{BadAddress, NotAPeer, PeerAddress};
pub use early::{FutureBlock, FutureTip, MAX_AHEAD_S, too_far_ahead_s};
pub use interface::{
    Answer, Effect, Entered, Event, Health, Input, NetworkEffect, NoWork, Output, PeerChange,
    PeerReport, PendingTransaction, Refusal, Registered, Registration, Start, Stepped, StoreEffect,
    TransactionChange, Verdict, Work,
};
pub use machine::Machine;
pub use open::{MAX_ID_BYTES, open_work};
pub use peers::MAX_PEERS;
pub use queue::{
    MAX_QUEUED, MAX_QUEUED_BYTES, MAX_RETURNED, MAX_RETURNED_BYTES, MAX_RETURNED_TRANSACTION_BYTES,
    MAX_TOLD, MAX_WEIGHED, QueueChange,
};
pub use turn::{MAX_AHEAD, MAX_BLOCKS, Turn, WhyLater};
