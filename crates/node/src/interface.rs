//! What goes into the machine and what comes out of it: what it starts with and hears, what it
//! answers, and what should follow outside.

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

/// What a machine starts with, as a store kept it.
#[derive(Debug)]
pub struct Start {
    /// The rules of the chain.
    pub rules: Arc<Rules>,
    /// The end of the best chain.
    pub tip: ChainBlock,
    /// The side branches, in the order in which they came.
    pub side: Vec<SideBlock>,
    /// The queue, where anybody's transactions are taken.
    pub queue: Vec<(u64, Transaction)>,
    /// The payments that wait, where they are signed.
    pub mempool: Mempool,
    /// The peers that have answered once.
    pub peers: Vec<PeerAddress>,
    /// The peers that never have.
    pub unheard: Vec<PeerAddress>,
    /// The addresses under which this node itself is reached.
    pub own_addresses: Vec<PeerAddress>,
    /// Who gets the coins of work that names nobody.
    pub coins_to: String,
    /// Bounds of the side branches.
    pub limits: Limits,
}

/// Something that a node hears.
#[derive(Debug, Clone)]
pub enum Input {
    /// A block that is sound by itself, from a peer if it says which.
    Block {
        /// The block.
        block: Box<Checked>,
        /// Who sent it.
        from: Option<PeerAddress>,
    },
    /// Blocks that were asked for and are sound by themselves, the lowest first.
    Branch {
        /// The blocks.
        blocks: Vec<Checked>,
        /// Who was asked.
        from: PeerAddress,
        /// Whether more follow at once; nobody is told of a tip before the last.
        more: bool,
    },
    /// A proof for the next block.
    Proof {
        /// The proof.
        proof: Proof,
        /// Who gets the coin, as canonical JSON; the node if `None`.
        recipient: Option<String>,
    },
    /// A transaction for the queue.
    Transaction(Transaction),
    /// Signed payments, from a peer if it says which.
    Payments {
        /// The payments.
        payments: Vec<Verified>,
        /// Who sent them.
        from: Option<PeerAddress>,
    },
    /// A signed payment whose sender said what it may replace.
    Payment {
        /// The payment.
        payment: Verified,
        /// The one payment in whose place it may come; `None` if it is to replace nothing.
        replaces: Option<Hash>,
    },
    /// A miner wants to know what to search.
    Work {
        /// Who gets the coin; the node if `None`.
        recipient: Option<String>,
    },
    /// A proof for what [`Answer::Work`] said.
    Solution {
        /// The id of the work.
        id: String,
        /// The proof.
        proof: Proof,
    },
    /// Peers to keep, as anybody may name them. If there are [`MAX_PEERS`](crate::MAX_PEERS), a new
    /// one takes the place of one that failed and never was of use, or is left out.
    Register(Vec<PeerAddress>),
    /// Peers that whoever runs the node chose: they take the place of others, and nobody takes
    /// theirs.
    Choose {
        /// The peers.
        peers: Vec<PeerAddress>,
        /// Whether they are kept at once. Those that are named again at each start need not be, and
        /// are once they have answered.
        keep: bool,
    },
    /// Whoever runs the node wants no peer there any more.
    Forget {
        /// The peer.
        peer: PeerAddress,
    },
    /// A peer that was asked answered.
    Answered {
        /// Who was asked.
        peer: PeerAddress,
        /// The index and the hash of the end of its best chain.
        tip: Option<(u64, Hash)>,
    },
    /// A peer did not answer, or not with anything of use.
    Failed {
        /// Who was asked or told.
        peer: PeerAddress,
        /// Why nothing came of it, for people.
        why: String,
    },
    /// Two addresses turned out to be one node: one of them is forgotten.
    SameNode {
        /// The one that was asked.
        peer: PeerAddress,
        /// The one that answered as the same node before.
        other: PeerAddress,
    },
    /// An address turned out to be this node itself.
    IsSelf {
        /// The address.
        peer: PeerAddress,
    },
    /// Somebody wants to know whether a peer has a better chain: all of them are to be asked.
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
    /// Its time has not come, by this node's clock; it waits.
    Early,
    /// It is on top of a block that waits for its time, and waits with it.
    OnEarly(FutureBlock),
    /// It breaks a rule.
    Invalid(Invalid),
}

/// What became of an address that was to be a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registered {
    /// It is a peer from here on.
    New,
    /// It was one.
    Known,
    /// It is this node's own.
    Itself,
    /// There are as many as may be, and all of them are of more use.
    NoRoom,
}

/// How a peer stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerReport {
    /// Where it is.
    pub address: PeerAddress,
    /// Whether whoever runs the node chose it.
    pub chosen: bool,
    /// Whether it answers.
    pub health: Health,
    /// Since when it does, or does not.
    pub since: Timestamp,
    /// When it is asked again; `None` while it is.
    pub asked_again: Option<Timestamp>,
}

/// Whether a peer answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// It was not asked yet, or has not had the time to answer.
    New,
    /// It does.
    Answers,
    /// It does not, or not with anything of use.
    Fails {
        /// How often, since it did last.
        times: u32,
        /// Why, for people.
        why: String,
    },
}

/// What became of a payment that is not refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Entered {
    /// It waits for a block.
    Waits,
    /// A payment before it is missing; it is held for some minutes.
    Held {
        /// The first nonce that is missing.
        missing: u64,
    },
}

/// Why a proof makes no block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// The proof is for a block that is not the tip any more, or for work that was not handed out
    /// lately.
    #[error("the work is stale: block {tip_index} is the tip now; ask for new work")]
    Stale {
        /// The index of the tip.
        tip_index: u64,
    },
    /// The digest is above the target.
    #[error("the proof is not valid on block {tip_index}: its digest is {digest}")]
    Proof {
        /// The index of the tip.
        tip_index: u64,
        /// SHA-256(prefix ‖ proof ‖ suffix).
        digest: Hash,
    },
    /// The block's time has not come, by this node's clock: it waits, and may be lost until then.
    /// A clock was set back, or the tip's miner has a fast one.
    #[error(
        "block {index} waits: its time is {ahead_s} s ahead of this node's clock. If that clock is behind, \
         set it; if it is right, the block is tried when its time has come"
    )]
    Early {
        /// The block's index.
        index: u64,
        /// Seconds by which its time is ahead of the node's clock.
        ahead_s: u64,
    },
    /// There is no work: its block would be too early.
    #[error(transparent)]
    FutureTip(#[from] FutureTip),
    /// The work commits to what the block says, so that a number alone is no proof of anything.
    #[error("a proof belongs to a certain block here: get its work from /api/v1/work")]
    NoDraft,
    /// The block that it would make is none.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The block that it would make breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
}

/// What to search on top of the tip.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Work {
    /// What [`Machine::solve`](crate::Machine::solve) takes back with the proof: all that the node has
    /// to know then.
    pub id: String,
    /// The index of the block that the proof makes.
    pub index: u64,
    /// The block that it goes on top of.
    pub previous_hash: Hash,
    /// What the proof must satisfy.
    pub job: Job<'static>,
}

/// Why there is no work, or no block from it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoWork {
    /// The id is none that this chain's nodes give.
    #[error("the id is not one that GET /api/v1/work gave")]
    Id,
    /// A proof of another kind than the chain's.
    #[error("a proof is a whole number below 2^53 here, not {found}")]
    Proof {
        /// What was handed in.
        found: String,
    },
    /// The work asks for an address that gets the coin.
    #[error("nobody is named who gets the coin; start the node with --to ADDRESS")]
    Nobody,
    /// Nobody can get the coin under that name.
    #[error("{0}")]
    Recipient(String),
    /// The proof makes no block.
    #[error(transparent)]
    Refused(#[from] Refusal),
}

/// The direct answer to an input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Nothing to say.
    Done,
    /// What became of the block; of a branch, what became of the last block that was looked at.
    Block(Verdict),
    /// The new block.
    Mined(Result<Block, NoWork>),
    /// The index of the block that the transaction waits for, or `None` when the queue is full.
    Queued(Option<u64>),
    /// What became of each payment, in order.
    Payments(Vec<Result<Entered, Refused>>),
    /// What to search.
    Work(Result<Work, NoWork>),
    /// What became of addresses that were to be peers.
    Registered(Registration),
    /// The peer that was forgotten, if there was one.
    Forgotten(Option<PeerAddress>),
    /// The number of the round in which all peers are asked; it is over once
    /// [`Machine::rounds_over`](crate::Machine::rounds_over) has reached it.
    Round(u64),
}

/// Something that follows from an input. What is told or sent waits until all that comes before it is
/// durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Make it durable.
    Store(StoreEffect),
    /// Do it over the network.
    Network(NetworkEffect),
    /// Tell whoever follows the node.
    Event(Event),
}

/// Something to be made durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StoreEffect {
    /// The queue changed.
    Queue(QueueChange),
    /// The mempool changed.
    Mempool(MempoolChange),
    /// A peer was registered that has not answered yet.
    AddPeer(PeerAddress),
    /// A peer answered for the first time.
    PeerAnswered(PeerAddress),
    /// A peer is none, or another one took its place.
    RemovePeer(PeerAddress),
}

/// Something to be done over the network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkEffect {
    /// End the calls to this address that go on.
    HangUp(PeerAddress),
    /// Tell these peers of the tip.
    Announce {
        /// The tip.
        block: Block,
        /// Whom to tell.
        to: Vec<PeerAddress>,
    },
    /// Tell these peers of payments.
    Relay {
        /// The payments; a sender's in the order of their nonces.
        payments: Vec<Verified>,
        /// Whom to tell.
        to: Vec<PeerAddress>,
    },
    /// Ask this peer for its chain; [`Input::Answered`] or [`Input::Failed`] ends it.
    Ask {
        /// Whom to ask.
        peer: PeerAddress,
        /// Whether somebody waits for the answer, so that it may cost more than a glance.
        closely: bool,
    },
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The best chain changed. The change was applied through the chain that the step was given.
    Chain {
        /// What left it and what joined it.
        change: ChangeSet,
        /// The end of the best chain after the change.
        tip: Box<ChainBlock>,
    },
    /// What waits for a block changed.
    Transaction {
        /// The transaction.
        transaction: PendingTransaction,
        /// What became of it.
        became: TransactionChange,
    },
    /// What waits for a block changed by more transactions than are told one by one.
    ManyTransactions,
    /// What became of a peer.
    Peer {
        /// Its address.
        address: PeerAddress,
        /// What became of it.
        became: PeerChange,
    },
}

/// A transaction that waits for a block, or waited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PendingTransaction {
    /// Anybody's, on an open chain.
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
    /// It waits for a block, be it that it is new or that its block left the chain.
    Entered,
    /// Another payment took its place.
    Replaced {
        /// That one's id.
        by: Hash,
    },
    /// It waits no longer, and is in no block.
    Dropped,
    /// It is in a block of the best chain.
    Confirmed,
}

/// What became of a peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PeerChange {
    /// It is a peer from here on.
    Added,
    /// It is a peer no longer.
    Forgotten,
    /// It answers, and did not before.
    Answers {
        /// The index of the end of its chain.
        index: u64,
        /// Whether it answered earlier in this run.
        again: bool,
    },
    /// It does not answer any more, or not with anything of use.
    Fails {
        /// Why, for people.
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

/// What became of addresses that were to be peers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Of each, in order.
    pub each: Vec<Registered>,
    /// All peers.
    pub peers: Vec<PeerAddress>,
}

/// What a command comes to, or the error of the chain that it was given.
pub type Stepped<T, C> = Result<Output<T>, <C as Ancestry>::Error>;

/// The answer to a command and what follows from it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output<T = Answer> {
    /// The direct answer.
    pub answer: T,
    /// What follows, in this order.
    pub effects: Vec<Effect>,
}

impl<T> Output<T> {
    /// The same with another answer.
    pub fn map<U>(self, answer: impl FnOnce(T) -> U) -> Output<U> {
        Output { answer: answer(self.answer), effects: self.effects }
    }
}
