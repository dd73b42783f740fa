//! The machine's inputs and outputs: the state that it starts with, the inputs that it takes, its
//! answers, and the effects that its caller carries out.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use blocksmith_consensus::payment::Verified;
use blocksmith_consensus::tree::{Limits, SideBlock};
use blocksmith_consensus::{
    Ancestry, Block, ChainBlock, ChangeSet, Checked, Hash, Invalid, Job, Malformed, Proof, Rules,
    Timestamp, Transaction,
};

use crate::address::PeerAddress;
use crate::early::{FutureBlock, FutureTip};
use crate::mempool::{Mempool, MempoolChange, Refused};
use crate::queue::QueueChange;

/// The state that a machine starts with, as a store kept it.
#[derive(Debug)]
pub struct Start {
    /// The rules of the chain.
    pub rules: Arc<Rules>,
    /// The end of the best chain.
    pub tip: ChainBlock,
    /// The side branches, in the order in which they came.
    pub side: Vec<SideBlock>,
    /// The queue of an open chain, which takes unsigned transactions.
    pub queue: Vec<(u64, Transaction)>,
    /// The mempool of a sealed chain, whose payments are signed.
    pub mempool: Mempool,
    /// The peers that have answered at least once.
    pub peers: Vec<PeerAddress>,
    /// The peers that have never answered.
    pub unheard: Vec<PeerAddress>,
    /// The addresses at which this node itself is reached.
    pub own_addresses: Vec<PeerAddress>,
    /// The recipient of a coin if the work names none.
    pub coins_to: String,
    /// The bounds of the side branches.
    pub limits: Limits,
}

/// An input that a node takes.
#[derive(Debug, Clone)]
pub enum Input {
    /// A block that passed the checks that need no parent; a peer that sends it may name itself.
    Block {
        /// The block.
        block: Box<Checked>,
        /// The peer that sent the block, if it named itself.
        from: Option<PeerAddress>,
    },
    /// Blocks that the node asked a peer for, the lowest first. They passed the checks that need no
    /// parent.
    Branch {
        /// The blocks.
        blocks: Vec<Checked>,
        /// The peer that the node asked.
        from: PeerAddress,
        /// Whether more blocks follow at once; the node announces no tip before the last of them.
        more: bool,
    },
    /// A proof for the next block.
    Proof {
        /// The proof.
        proof: Proof,
        /// The recipient of the coin, as canonical JSON; the node if `None`.
        recipient: Option<String>,
    },
    /// A transaction for the queue.
    Transaction(Transaction),
    /// Signed payments; a peer that sends them may name itself.
    Payments {
        /// The payments.
        payments: Vec<Verified>,
        /// The peer that sent the payments, if it named itself.
        from: Option<PeerAddress>,
    },
    /// A signed payment whose sender said what it may replace.
    Payment {
        /// The payment.
        payment: Verified,
        /// The one payment that it may replace; `None` if it may replace none.
        replaces: Option<Hash>,
    },
    /// A miner wants to know what to search.
    Work {
        /// The recipient of the coin; the node if `None`.
        recipient: Option<String>,
    },
    /// A proof for the work that [`Answer::Work`] handed out.
    Solution {
        /// The id of the work.
        id: String,
        /// The proof.
        proof: Proof,
    },
    /// Peers to keep; any client or peer may name them. If there are
    /// [`MAX_PEERS`](crate::MAX_PEERS), a new one takes the place of one that failed and never was
    /// of use, or is left out.
    Register(Vec<PeerAddress>),
    /// Peers that the operator chose: they take the place of others, and no other peer takes
    /// theirs.
    Choose {
        /// The peers.
        peers: Vec<PeerAddress>,
        /// Whether the node stores them at once. It stores peers that the operator names again at
        /// each start only after they have answered.
        keep: bool,
    },
    /// The operator removes a peer.
    Forget {
        /// The peer.
        peer: PeerAddress,
    },
    /// A peer answered the node's question.
    Answered {
        /// The peer that the node asked.
        peer: PeerAddress,
        /// The index and the hash of its tip.
        tip: Option<(u64, Hash)>,
    },
    /// A peer did not answer, or its answer was of no use.
    Failed {
        /// The peer that the node asked or told.
        peer: PeerAddress,
        /// The reason, as a text for people.
        why: String,
    },
    /// Two addresses turned out to be one node; the machine forgets one of them.
    SameNode {
        /// The address that the node asked.
        peer: PeerAddress,
        /// The address at which the same node answered before.
        other: PeerAddress,
    },
    /// An address turned out to be this node itself.
    IsSelf {
        /// The address.
        peer: PeerAddress,
    },
    /// A client wants to know whether a peer has a better chain: the machine asks all peers.
    Resolve,
    /// Time went by.
    Tick,
}

/// What became of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It is the new tip, or a part of the new best chain.
    NewTip,
    /// It is valid, on a branch that has no more work than the best chain.
    SideBranch,
    /// It was known.
    Known,
    /// It is valid, on a side branch that there is no room for, and was dropped.
    NoRoom,
    /// Its parent is not known; it waits.
    Orphan,
    /// Its time is too far ahead of this node's clock; it waits.
    Early,
    /// It stands on a block that waits for its time, and waits with it.
    OnEarly(FutureBlock),
    /// It breaks a rule.
    Invalid(Invalid),
}

/// What became of an address that a caller named as a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// It is a peer from now on.
    New,
    /// It was a peer already.
    Known,
    /// It is this node's own address.
    Itself,
    /// There are [`MAX_PEERS`](crate::MAX_PEERS) peers, and none of them may be replaced.
    NoRoom,
}

/// The state of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerReport {
    /// The peer's address.
    pub address: PeerAddress,
    /// Whether the operator chose it.
    pub chosen: bool,
    /// Whether it answers.
    pub health: Health,
    /// When it began to answer, or to fail.
    pub since: Timestamp,
    /// When the node asks it again; `None` while the node is asking it.
    pub asked_again: Option<Timestamp>,
}

/// Whether a peer answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// The node has not asked it yet, or waits for its first answer.
    New,
    /// It answers.
    Answers,
    /// It does not answer, or its answers are of no use.
    Fails {
        /// How often it failed since its last answer.
        times: u32,
        /// The reason, as a text for people.
        why: String,
    },
}

/// What became of a payment that was not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// It waits for a block.
    Waits,
    /// A payment with an earlier nonce is missing; this one is held for some minutes.
    Held {
        /// The first nonce that is missing.
        missing: u64,
    },
}

/// The reason why a proof makes no block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The proof is for a block that is no longer the tip, or for work that the node does not
    /// remember.
    #[error("the work is stale: block {tip_index} is the tip now; ask for new work")]
    Stale {
        /// The index of the tip.
        tip_index: u64,
    },
    /// The digest is above the target.
    #[error(
        "the proof is not valid on block {tip_index}: its digest, {digest}, is above the target"
    )]
    Proof {
        /// The index of the tip.
        tip_index: u64,
        /// SHA-256(prefix ‖ proof ‖ suffix).
        digest: Hash,
    },
    /// The block's time is too far ahead of this node's clock: it waits, and may be lost until
    /// then. This node's clock was set back, or the clock of the tip's miner is fast.
    #[error(
        "block {index} waits: its time is {ahead_s} s ahead of this node's clock. If that clock is behind, \
         set it; if it is right, the node tries the block again when its time has come"
    )]
    Early {
        /// The block's index.
        index: u64,
        /// Seconds by which its time is ahead of the node's clock.
        ahead_s: u64,
    },
    /// There is no work: the next block's time would be too far ahead.
    #[error(transparent)]
    FutureTip(#[from] FutureTip),
    /// The work commits to the block's contents, so a proof without the id of its work is worth
    /// nothing.
    #[error(
        "on this chain a proof belongs to one block: get work from /api/v1/work, and send the proof there"
    )]
    NoDraft,
    /// The proof would make a block that is malformed.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The proof would make a block that breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

/// The work on top of the tip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// The id that [`Machine::solve`](crate::Machine::solve) takes with the proof; the node needs
    /// nothing else.
    pub id: String,
    /// The index of the block that the proof makes.
    pub index: u64,
    /// The hash of the block that it stands on.
    pub previous_hash: Hash,
    /// The job that the proof must satisfy.
    pub job: Job<'static>,
}

/// The reason why there is no work, or no block from it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoWork {
    /// The id has not the form that this chain's nodes give.
    #[error("the id must be one that GET /api/v1/work gave")]
    Id,
    /// The proof is not of the kind that this chain takes.
    #[error("a proof must be a whole number below 2^53 on this chain, not {found}")]
    Proof {
        /// The proof that was handed in.
        found: String,
    },
    /// Neither the request nor the node names an address that gets the coin.
    #[error("the coins of the next block need a recipient; start the node with --to ADDRESS")]
    NoRecipient,
    /// The recipient is not one that can get a coin.
    #[error("{0}")]
    Recipient(String),
    /// The proof makes no block.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// The direct answer to an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// There is nothing to answer.
    Done,
    /// What became of the block; for a branch, of the last block that the machine looked at.
    Block(Verdict),
    /// The new block.
    Mined(Result<Block, NoWork>),
    /// The index of the block that the transaction waits for, or `None` when the queue is full.
    Queued(Option<u64>),
    /// What became of each payment, in order.
    Payments(Vec<Result<Entered, Refused>>),
    /// The work.
    Work(Result<Work, NoWork>),
    /// What became of the addresses that a caller named as peers.
    Registered(Registration),
    /// The peer that was forgotten, if there was one.
    Forgotten(Option<PeerAddress>),
    /// The number of the round in which the node asks all peers; it is over once
    /// [`Machine::rounds_over`](crate::Machine::rounds_over) has reached it.
    Round(u64),
}

/// An effect that follows from an input. The caller sends no network message and no event before it
/// has made all earlier effects durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Make a change durable.
    Store(StoreEffect),
    /// Do something over the network.
    Network(NetworkEffect),
    /// Tell the clients that follow the node's events.
    Event(Event),
}

/// A change to make durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreEffect {
    /// The queue changed.
    Queue(QueueChange),
    /// The mempool changed.
    Mempool(MempoolChange),
    /// A peer joined that has not answered yet.
    AddPeer(PeerAddress),
    /// A peer answered for the first time.
    PeerAnswered(PeerAddress),
    /// A peer was removed, or another one took its place.
    RemovePeer(PeerAddress),
}

/// An action to take over the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkEffect {
    /// End the calls to this address that are under way.
    HangUp(PeerAddress),
    /// Tell these peers of the tip.
    Announce {
        /// The tip.
        block: Block,
        /// The peers to tell.
        to: Vec<PeerAddress>,
    },
    /// Tell these peers of payments.
    Relay {
        /// The payments; a sender's in the order of their nonces.
        payments: Vec<Verified>,
        /// The peers to tell.
        to: Vec<PeerAddress>,
    },
    /// Ask this peer for its chain; [`Input::Answered`] or [`Input::Failed`] ends it.
    Ask {
        /// The peer to ask.
        peer: PeerAddress,
        /// Whether a client waits for the answer, so that the call may cost more than a routine
        /// poll.
        closely: bool,
    },
}

/// An event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The best chain changed. The change was applied through the chain that the step was given.
    Chain {
        /// The blocks that left it and the blocks that joined it.
        change: ChangeSet,
        /// The tip after the change.
        tip: Box<ChainBlock>,
    },
    /// A pending transaction changed.
    Transaction {
        /// The transaction.
        transaction: PendingTransaction,
        /// What became of it.
        became: TransactionChange,
    },
    /// More pending transactions changed than events tell one by one.
    ManyTransactions,
    /// A peer changed.
    Peer {
        /// Its address.
        address: PeerAddress,
        /// What became of it.
        became: PeerChange,
    },
}

/// A transaction that waits for a block, or did until now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PendingTransaction {
    /// An unsigned transaction of an open chain.
    Open(Transaction),
    /// A signed payment.
    Signed(Verified),
}

impl PendingTransaction {
    /// The canonical text.
    pub fn text(&self) -> &str {
        match self {
            Self::Open(transaction) => transaction.text(),
            Self::Signed(payment) => payment.text(),
        }
    }

    /// The id, which only signed payments have.
    pub fn id(&self) -> Option<Hash> {
        match self {
            Self::Open(_) => None,
            Self::Signed(payment) => Some(payment.id()),
        }
    }
}

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionChange {
    /// It waits for a block: it is new, or its block left the chain.
    Entered,
    /// Another payment took its place.
    Replaced {
        /// The other payment's id.
        by: Hash,
    },
    /// It waits no longer, and is in no block.
    Dropped,
    /// It is in a block of the best chain.
    Confirmed,
}

/// A peer changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerChange {
    /// It is a peer from now on.
    Added,
    /// It is no longer a peer.
    Forgotten,
    /// It answers, and did not answer before.
    Answers {
        /// The index of its tip.
        index: u64,
        /// Whether it answered earlier in this run.
        again: bool,
    },
    /// It does not answer any more, or its answers are of no use.
    Fails {
        /// The reason, as a text for people.
        why: String,
    },
}

impl From<StoreEffect> for Effect {
    fn from(effect: StoreEffect) -> Self {
        Self::Store(effect)
    }
}

impl From<NetworkEffect> for Effect {
    fn from(effect: NetworkEffect) -> Self {
        Self::Network(effect)
    }
}

impl From<Event> for Effect {
    fn from(event: Event) -> Self {
        Self::Event(event)
    }
}

/// What became of the addresses that a caller named as peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// What became of each address, in order.
    pub each: Vec<Registered>,
    /// All peers.
    pub peers: Vec<PeerAddress>,
}

/// The output of a command, or the error of the chain that the caller passed.
pub type Stepped<T, C> = Result<Output<T>, <C as Ancestry>::Error>;

/// The answer to a command and the effects that follow from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output<T = Answer> {
    /// The direct answer.
    pub answer: T,
    /// The effects, in the order in which the caller carries them out.
    pub effects: Vec<Effect>,
}

impl<T> Output<T> {
    /// The same effects with another answer.
    pub fn map<U>(self, answer: impl FnOnce(T) -> U) -> Output<U> {
        Output { answer: answer(self.answer), effects: self.effects }
    }
}
