//! What the rest of the program may do with the node.

use std::sync::Arc;
use std::time::{Duration, Instant};

use blocksmith_consensus::json::push_string;
use blocksmith_consensus::{
    Block, Checked, Hash, Invalid, Job, Linked, Proof, Spending, Transaction,
};
use blocksmith_node::{Address, Answer, Input, Refusal, Verdict};
use tokio::sync::{mpsc, oneshot, watch};

use super::actor::Request;
use super::clocks::Clocks;
use super::signatures;
use super::store::{Snapshot, Store, StoreError, new_node_id};
use crate::chain::Chain;

/// How long `resolve` waits for all peers together.
const RESOLVE_TIME: Duration = Duration::from_secs(30);

/// The node has stopped, and its log says why.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the node is stopping")]
pub struct Stopped;

/// What the node asks the network's adapter to do.
#[derive(Debug)]
pub enum Order {
    /// Tell these peers of a new tip.
    Announce {
        /// The tip.
        block: Block,
        /// Whom to tell.
        to: Vec<Address>,
    },
    /// Ask a peer for its chain, and give what it says to the handle.
    Ask {
        /// Whom to ask.
        peer: Address,
        /// Told when that is over, however it went.
        done: Option<oneshot::Sender<()>>,
    },
}

/// Where the node stands; everything in it is durable.
#[derive(Debug, Clone)]
pub struct Standing {
    /// The end of the best chain.
    pub tip: Linked,
    /// How many transactions wait.
    pub queued: usize,
    /// The registered peers.
    pub peers: Vec<Address>,
}

/// What to search on top of a block.
#[derive(Debug, Clone)]
pub struct Work {
    /// The block that the proof goes on top of.
    pub on: Hash,
    /// The index of the block that the proof makes.
    pub index: u64,
    /// What the proof must satisfy.
    pub job: Job<'static>,
}

/// A running node. Cheap to clone; the node stops when the last one is dropped.
#[derive(Clone)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
    orders: mpsc::UnboundedSender<Order>,
    store: Store,
    standing: watch::Receiver<Arc<Standing>>,
    chain: Arc<Chain>,
    node_id: Arc<str>,
    instance: Arc<str>,
    clocks: Arc<Clocks>,
    started: Instant,
}

impl Handle {
    pub(super) fn new(
        requests: mpsc::Sender<Request>,
        orders: mpsc::UnboundedSender<Order>,
        store: Store,
        standing: watch::Receiver<Arc<Standing>>,
        chain: Arc<Chain>,
        node_id: String,
    ) -> Self {
        Self {
            requests,
            orders,
            store,
            standing,
            chain,
            node_id: node_id.into(),
            instance: new_node_id().into(),
            clocks: Arc::default(),
            started: Instant::now(),
        }
    }

    /// The chain that this node runs.
    pub fn chain(&self) -> &Chain {
        &self.chain
    }

    /// Who gets the coins that are mined without naming anybody.
    pub fn node_id(&self) -> &str {
        &self.node_id
    }

    /// What tells this run of the node from all others, even from one with the same id: a node that
    /// calls itself by another address notices.
    pub fn instance(&self) -> &str {
        &self.instance
    }

    /// How this machine's clock stands to those of its peers.
    pub fn clocks(&self) -> &Clocks {
        &self.clocks
    }

    /// How long the node has been running.
    pub fn uptime(&self) -> Duration {
        self.started.elapsed()
    }

    /// Where the node stands now.
    pub fn standing(&self) -> Arc<Standing> {
        self.standing.borrow().clone()
    }

    /// Follows where the node stands.
    pub fn watch(&self) -> watch::Receiver<Arc<Standing>> {
        self.standing.clone()
    }

    /// The best chain as it is now, undisturbed by what comes.
    ///
    /// # Errors
    /// That the store can't be read.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.store.read()
    }

    /// What to search on top of the tip.
    pub fn work(&self) -> Work {
        let standing = self.standing();
        let tip = &standing.tip.block;
        let job = self.chain.rules.job(tip.view(), &tip.hash(), None).into_owned();
        Work { on: tip.hash(), index: tip.index() + 1, job }
    }

    /// Hands in a block from outside.
    ///
    /// # Errors
    /// That the node has stopped.
    pub async fn submit_block(
        &self,
        block: Block,
        from: Option<Address>,
    ) -> Result<Verdict, Stopped> {
        let (mut checked, invalid) = self.check(vec![block]).await?;
        if let Some(invalid) = invalid {
            return Ok(Verdict::Invalid(invalid));
        }
        let block = checked.pop().expect("a block was checked or is invalid").into();
        match self.call(Input::Block { block, from }).await? {
            Answer::Block(verdict) => Ok(verdict),
            answer => unreachable!("a block is answered with its verdict, not {answer:?}"),
        }
    }

    /// Hands in blocks that a peer was asked for, the lowest first; `more` if others follow at
    /// once. The verdict is that of the last block looked at.
    ///
    /// # Errors
    /// That the node has stopped.
    pub async fn submit_branch(
        &self,
        blocks: Vec<Block>,
        from: Address,
        more: bool,
    ) -> Result<Verdict, Stopped> {
        let (blocks, invalid) = self.check(blocks).await?;
        let verdict = match self.call(Input::Branch { blocks, from, more }).await? {
            Answer::Block(verdict) => verdict,
            answer => unreachable!("a branch is answered with a verdict, not {answer:?}"),
        };
        Ok(match (verdict, invalid) {
            (Verdict::NewTip | Verdict::SideBranch | Verdict::Known, Some(invalid)) => {
                Verdict::Invalid(invalid)
            }
            (verdict, _) => verdict,
        })
    }

    /// Blocks that are sound by themselves, up to the first that breaks a rule.
    async fn check(&self, blocks: Vec<Block>) -> Result<(Vec<Checked>, Option<Invalid>), Stopped> {
        let chain = self.chain.clone();
        match chain.rules.spending {
            Spending::Unsigned(_) => Ok(signatures::check(&chain.rules, blocks)),
            Spending::Signed { .. } => {
                let check = move || signatures::check(&chain.rules, blocks);
                tokio::task::spawn_blocking(check).await.map_err(|_| Stopped)
            }
        }
    }

    /// Hands in a proof for the next block. The coin goes to `recipient`, a canonical JSON text,
    /// or to the node; `on` says which block the proof is for, whatever is the tip if `None`.
    ///
    /// # Errors
    /// That the node has stopped.
    pub async fn submit_proof(
        &self,
        proof: Proof,
        recipient: Option<String>,
        on: Option<Hash>,
    ) -> Result<Result<Block, Refusal>, Stopped> {
        let recipient = recipient.unwrap_or_else(|| {
            let mut text = String::new();
            push_string(&mut text, &self.node_id);
            text
        });
        match self.call(Input::Proof { proof, recipient, on }).await? {
            Answer::Mined(mined) => Ok(mined),
            answer => unreachable!("a proof is answered with a block or a refusal, not {answer:?}"),
        }
    }

    /// Queues a transaction; the index of the block that it waits for, `None` if the queue is full.
    ///
    /// # Errors
    /// That the node has stopped.
    pub async fn queue(&self, transaction: Transaction) -> Result<Option<u64>, Stopped> {
        match self.call(Input::Transaction(transaction)).await? {
            Answer::Queued(index) => Ok(index),
            answer => unreachable!("a transaction is answered with an index, not {answer:?}"),
        }
    }

    /// Registers peers; all that are registered now.
    ///
    /// # Errors
    /// That the node has stopped.
    pub async fn register(&self, peers: Vec<Address>) -> Result<Vec<Address>, Stopped> {
        match self.call(Input::Register(peers)).await? {
            Answer::Peers(peers) => Ok(peers),
            answer => unreachable!("registering is answered with the peers, not {answer:?}"),
        }
    }

    /// Says how asking a peer went: the index and hash of the end of its chain, if it told.
    ///
    /// # Errors
    /// That the node has stopped.
    pub async fn answered(&self, peer: Address, tip: Option<(u64, Hash)>) -> Result<(), Stopped> {
        self.call(Input::Answered { peer, tip }).await.map(drop)
    }

    /// Says that a peer did not answer, or not with anything of use.
    ///
    /// # Errors
    /// That the node has stopped.
    pub async fn failed(&self, peer: Address) -> Result<(), Stopped> {
        self.call(Input::Failed { peer }).await.map(drop)
    }

    /// Says that an address is this node's own.
    ///
    /// # Errors
    /// That the node has stopped.
    pub async fn is_self(&self, peer: Address) -> Result<(), Stopped> {
        self.call(Input::IsSelf { peer }).await.map(drop)
    }

    /// Asks all peers for their chains and waits for them, within a bound; whether the best chain
    /// changed meanwhile.
    ///
    /// # Errors
    /// That the node has stopped.
    pub async fn resolve(&self) -> Result<bool, Stopped> {
        let before = self.standing();
        let mut waiting = Vec::new();
        for peer in before.peers.iter().cloned() {
            let (done, finished) = oneshot::channel();
            self.orders.send(Order::Ask { peer, done: Some(done) }).map_err(|_| Stopped)?;
            waiting.push(finished);
        }
        let all = futures_util::future::join_all(waiting);
        // Peers that are slower than this are followed up in their own time.
        let _ = tokio::time::timeout(RESOLVE_TIME, all).await;
        Ok(self.standing().tip.block.hash() != before.tip.block.hash())
    }

    /// Waits until the node has stopped.
    pub async fn stopped(&self) {
        self.requests.closed().await;
    }

    async fn call(&self, input: Input) -> Result<Answer, Stopped> {
        let (reply, answer) = oneshot::channel();
        let request = Request { input, reply: Some(reply) };
        self.requests.send(request).await.map_err(|_| Stopped)?;
        answer.await.map_err(|_| Stopped)
    }
}
