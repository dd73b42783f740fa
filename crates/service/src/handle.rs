//! The handle through which the rest of the program uses the node.

use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use blocksmith_consensus::payment::{BadEntry, Domain, Verified};
use blocksmith_consensus::{Block, Checked, Family, Hash, Invalid, Proof, Timestamp, Transaction};
use blocksmith_node::mempool::Refused;
use blocksmith_node::{
    Entered, FutureTip, Machine, NetworkEffect, NoWork, PeerAddress, Refusal, Registration,
    Stepped, Verdict, Work, open_work,
};
use tokio::sync::{Semaphore, mpsc, oneshot, watch};

use super::actor::{self, Command, Request, Started};
use super::branches::{BlockSource, Sources};
use super::clocks::Clocks;
use super::events::{Context, Source};
use super::feed::Feed;
use super::import::Import;
use super::index::{Book, Counts, Follower};
use super::metrics::Metrics;
use super::notices::{Notice, Notices};
use super::now;
use super::signatures::Signatures;
use super::standing::{Reason, Standing, Stopped};
use super::store::{Snapshot, Store, StoreError, Writer, new_node_id, scrub};
use crate::background::{Background, Priority};
use crate::chain::Chain;

/// How often [`Handle::other_work`] asks for new work on the same tip: a node makes it at most once
/// a second.
const REFRESH: Duration = Duration::from_secs(1);

/// How many calls with payments are checked at a time, each on all cores, so that blocks and other
/// requests wait for no more than these.
const MAX_CHECKING: usize = 4;

/// How long [`Handle::resolve`] waits for all peers together.
const RESOLVE_TIME: Duration = Duration::from_secs(30);

/// The reason why a payment is not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotPaid {
    /// Payments are not signed on this chain.
    #[error("payments are not signed on this chain; send them to /transactions/new")]
    Unsigned,
    /// It is not a payment of this chain, or its sender did not sign it.
    #[error(transparent)]
    Bad(#[from] BadEntry),
    /// The mempool refuses it.
    #[error(transparent)]
    Refused(#[from] Refused),
}

/// The parts of a node that stay the same while it runs.
pub(super) struct Node {
    chain: Chain,
    node_id: String,
    dev: bool,
    faucet_node: Option<Handle>,
    signatures: Signatures,
    checking: Arc<Semaphore>,
    /// Lets one question at a time look ahead at the next blocks, which takes as long as a block does
    /// where many payments wait: blocks wait for one such question at most.
    pub(super) looking_ahead: Semaphore,
    allotted: u64,
    instance: String,
    /// The address at which this machine reaches the node.
    pub(super) address: Option<PeerAddress>,
    /// The store's file, if it is on a disk.
    pub(super) store_file: Option<PathBuf>,
    metrics: Arc<Metrics>,
    sources: Arc<Sources>,
    clocks: Clocks,
    pub(super) notices: Arc<Notices>,
    started: Instant,
}

impl Node {
    pub(super) fn new(
        chain: Chain,
        node_id: String,
        dev: bool,
        faucet_node: Option<Handle>,
        signatures: Signatures,
    ) -> Self {
        let genesis = chain.rules.genesis_block(Timestamp::default());
        // A store that began with this block has checked its allocations.
        let allotted = chain.rules.allot(&genesis).unwrap_or_default();
        Self {
            allotted: allotted.accounts.iter().map(|change| change.after.balance).sum(),
            chain,
            node_id,
            dev,
            faucet_node,
            signatures,
            checking: Arc::new(Semaphore::new(MAX_CHECKING)),
            looking_ahead: Semaphore::new(1),
            instance: new_node_id(),
            address: None,
            store_file: None,
            metrics: Arc::default(),
            sources: Arc::default(),
            clocks: Clocks::default(),
            notices: Arc::default(),
            started: Instant::now(),
        }
    }
}

/// A running node. It is cheap to clone; the node stops when the last handle is dropped.
#[derive(Clone)]
pub struct Handle {
    requests: mpsc::Sender<Request>,
    pub(super) store: Store,
    feed: Arc<Feed>,
    standing: watch::Receiver<Arc<Standing>>,
    /// The reason why the node had to stop; it is set before the channels close.
    reason: Arc<OnceLock<Arc<Reason>>>,
    pub(super) node: Arc<Node>,
    /// Who holds what on an open chain, and who mined how much.
    pub(super) index: Arc<Follower>,
    /// Looks for damage of the store.
    _scrub: Arc<Background>,
}

/// Stops the node because of what a thread in the background finds.
fn stopper(requests: mpsc::WeakSender<Request>) -> impl FnOnce(StoreError) + Send + 'static {
    move |error| {
        let context = Context { source: Source::Time, ..Context::default() };
        let (reply, _) = oneshot::channel::<()>();
        let stop = Command::new(context, move |_, _, _| Err(error), reply);
        if let Some(requests) = requests.upgrade() {
            // If it is closed, the node stops already.
            let _ = requests.blocking_send(Request::Step(stop));
        }
    }
}

impl fmt::Debug for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handle").field("node_id", &self.node_id()).finish_non_exhaustive()
    }
}

impl Handle {
    /// Starts the thread that owns the machine. The receiver yields the network effects to carry
    /// out.
    pub(super) fn start(
        store: Store,
        machine: Machine,
        node: Node,
        dir: Option<&Path>,
    ) -> Result<(Self, mpsc::UnboundedReceiver<NetworkEffect>), StoreError> {
        let counts = match &node.chain.rules.family {
            Family::Open(open) => Counts::All(open.mint().as_ref().into()),
            Family::Sealed(sealed) => Counts::Coins { first: sealed.genesis.index() },
        };
        let book = Book::open(dir, counts)?;
        let started =
            actor::spawn(store.clone(), machine, node.notices.clone(), node.metrics.clone());
        let Started { requests, orders, standing, feed, reason } = started;
        let stop_node = || stopper(requests.downgrade());
        let index = Follower::start(book, store.clone(), standing.clone(), stop_node()).into();
        let (checked, stop_node) = (store.clone(), stop_node());
        let scrub = Background::start("blocksmith-scrub", Priority::Lowest, move |stop| {
            if let Err(damage) = scrub(&checked, stop) {
                stop_node(damage);
            }
        });
        let scrub = Arc::new(scrub);
        let node = node.into();
        let handle = Self { requests, store, feed, standing, reason, node, index, _scrub: scrub };
        Ok((handle, orders))
    }

    /// The chain that this node runs.
    pub fn chain(&self) -> &Chain {
        &self.node.chain
    }

    /// The recipient of coins that are mined without naming one.
    pub fn node_id(&self) -> &str {
        &self.node.node_id
    }

    /// An id of this run of the node, even among runs with the same node id: by it a node notices
    /// that it called itself at another address.
    pub fn instance(&self) -> &str {
        &self.node.instance
    }

    /// The address at which this machine reaches the node, if it listens.
    pub fn listens_at(&self) -> Option<&PeerAddress> {
        self.node.address.as_ref()
    }

    /// Whether this is a dev chain.
    pub fn is_dev(&self) -> bool {
        self.node.dev
    }

    /// The node through which this node's faucet pays, if it is another.
    pub fn faucet_node(&self) -> Option<&Handle> {
        self.node.faucet_node.as_ref()
    }

    /// Units that the genesis block allots.
    pub fn allotted(&self) -> u64 {
        self.node.allotted
    }

    /// The domain that ties payments to this chain, if they are signed.
    pub fn domain(&self) -> Option<&Domain> {
        self.node.signatures.domain()
    }

    /// How far this machine's clock is from those of its peers.
    pub fn clocks(&self) -> &Clocks {
        &self.node.clocks
    }

    /// Logs a notice for the operator; if there are too many of the kind, the log only says how
    /// many.
    pub fn tell(&self, about: Notice, text: impl fmt::Display) {
        self.node.notices.tell(about, text);
    }

    /// The node's figures.
    pub fn metrics(&self) -> &Metrics {
        &self.node.metrics
    }

    /// Who sent the latest blocks first.
    pub(super) fn sources(&self) -> &Arc<Sources> {
        &self.node.sources
    }

    /// The size of the store's file in bytes, if there is one.
    pub fn store_bytes(&self) -> Option<u64> {
        let file = self.node.store_file.as_ref()?;
        Some(std::fs::metadata(file).ok()?.len())
    }

    /// The reason why there is no work now, if the tip's time is too far ahead of this machine's
    /// clock.
    pub fn early_tip(&self) -> Option<FutureTip> {
        FutureTip::of(&self.standing().tip.block, now())
    }

    /// How long the node has been running.
    pub fn uptime(&self) -> Duration {
        self.node.started.elapsed()
    }

    /// The node's state now.
    pub fn standing(&self) -> Arc<Standing> {
        self.standing.borrow().clone()
    }

    /// Follows the node's state.
    pub fn watch(&self) -> watch::Receiver<Arc<Standing>> {
        self.standing.clone()
    }

    /// The node's events.
    pub fn feed(&self) -> &Arc<Feed> {
        &self.feed
    }

    /// The best chain as it is now; later changes do not show in it.
    ///
    /// # Errors
    /// Fails if the store can't be read.
    pub fn snapshot(&self) -> Result<Snapshot, StoreError> {
        self.store.read()
    }

    /// Returns the work on top of the tip for a coin to `recipient`, or to the node.
    ///
    /// # Errors
    /// Fails if the node has stopped; the inner error says why there is no work.
    pub async fn work(&self, recipient: Option<&str>) -> Result<Result<Work, NoWork>, Stopped> {
        // The machine has others to answer, and the tip may be long.
        if let Family::Open(open) = &self.chain().rules.family {
            return Ok(open_work(open, recipient, &self.standing().tip.block));
        }
        let recipient = recipient.map(str::to_owned);
        self.command(move |machine, now, _| Ok(machine.work(now, recipient.as_deref()))).await
    }

    /// As [`Handle::work`], but waits until the work is no longer `than`, at most for `patience`.
    ///
    /// # Errors
    /// Fails as [`Handle::work`].
    pub async fn other_work(
        &self,
        recipient: Option<&str>,
        than: &str,
        patience: Duration,
    ) -> Result<Result<Work, NoWork>, Stopped> {
        let over = tokio::time::sleep(patience);
        tokio::pin!(over);
        loop {
            let mut standing = self.watch();
            let work = match self.work(recipient).await? {
                Ok(work) if work.id == than && !over.is_elapsed() => work,
                outcome => return Ok(outcome),
            };
            tokio::select! {
                moved = standing.wait_for(|now| now.tip.block.hash() != work.previous_hash) => {
                    drop(moved.map_err(|_| self.stopped_why())?);
                }
                () = tokio::time::sleep(REFRESH) => {}
                () = &mut over => {}
            }
        }
    }

    /// Hands in a proof for work.
    ///
    /// # Errors
    /// Fails if the node has stopped; the inner error says why the proof makes no block.
    pub async fn submit_work(
        &self,
        id: &str,
        proof: Proof,
    ) -> Result<Result<Block, NoWork>, Stopped> {
        let (id, sources) = (id.to_owned(), self.sources().clone());
        let solve = move |machine: &mut Machine, now, chain: &mut Writer| {
            let solved = machine.solve(now, &id, &proof, chain)?;
            sources.note(solved.answer.iter().map(Block::hash), BlockSource::Here);
            Ok(solved)
        };
        self.command(solve).await
    }

    /// Hands in a block from outside.
    ///
    /// # Errors
    /// Fails if the node has stopped.
    pub async fn submit_block(
        &self,
        block: Block,
        from: Option<PeerAddress>,
    ) -> Result<Verdict, Stopped> {
        self.submit_block_of(block, from, None).await
    }

    /// As [`Handle::submit_block`], with the caller's address.
    ///
    /// # Errors
    /// Fails if the node has stopped.
    pub async fn submit_block_of(
        &self,
        block: Block,
        from: Option<PeerAddress>,
        by: Option<SocketAddr>,
    ) -> Result<Verdict, Stopped> {
        let (mut checked, invalid) = self.check(vec![block]).await?;
        if let Some(invalid) = invalid {
            return Ok(Verdict::Invalid(invalid));
        }
        let block = checked.pop().expect("a block was checked or is invalid");
        let context = Context {
            source: Source::Sent { by, listens: from.clone() },
            block: Some(block.block().hash()),
            ..Context::default()
        };
        let (sources, sender) = (self.sources().clone(), BlockSource::of(&context.source));
        let take = move |machine: &mut Machine, now, chain: &mut Writer| {
            let hash = block.block().hash();
            let taken = machine.take_block(now, block, from, chain)?;
            if let (Some(sender), false) = (sender, matches!(taken.answer, Verdict::Invalid(_))) {
                sources.note([hash], sender);
            }
            Ok(taken)
        };
        let verdict = self.command_in(context, take).await?;
        self.node.metrics.verdict(&verdict);
        Ok(verdict)
    }

    /// Hands in blocks that the node asked a peer for, the lowest first; with `more`, others follow
    /// at once. The verdict is that of the last block that the node looked at.
    ///
    /// # Errors
    /// Fails if the node has stopped.
    pub async fn submit_branch(
        &self,
        blocks: Vec<Block>,
        from: PeerAddress,
        more: bool,
    ) -> Result<Verdict, Stopped> {
        self.catch_up(blocks, from, more, None).await
    }

    /// As [`Handle::submit_branch`], from a peer that says how far its chain goes: `last` is the
    /// index of its last block.
    ///
    /// # Errors
    /// Fails if the node has stopped.
    pub async fn catch_up(
        &self,
        blocks: Vec<Block>,
        from: PeerAddress,
        more: bool,
        last: Option<u64>,
    ) -> Result<Verdict, Stopped> {
        let (blocks, invalid) = self.check(blocks).await?;
        let source = Source::Asked { peer: from.clone(), last };
        let context = Context { source, more, ..Context::default() };
        let (sources, sender) = (self.sources().clone(), BlockSource::Asked(from.clone()));
        let take = move |machine: &mut Machine, now, chain: &mut Writer| {
            sources.note(blocks.iter().map(|block| block.block().hash()), sender);
            machine.take_branch(now, blocks, from, more, chain)
        };
        let verdict = self.command_in(context, take).await?;
        self.node.metrics.verdict(&verdict);
        Ok(match (verdict, invalid) {
            (Verdict::NewTip | Verdict::SideBranch | Verdict::Known, Some(invalid)) => {
                Verdict::Invalid(invalid)
            }
            (verdict, _) => verdict,
        })
    }

    /// Begins the import of a long chain from the peer `from`.
    pub fn import(&self, from: PeerAddress) -> Import {
        Import::new(self.clone(), from)
    }

    /// Makes the checks of blocks that need no parent, up to the first block that breaks a rule.
    pub(super) async fn check(
        &self,
        blocks: Vec<Block>,
    ) -> Result<(Vec<Checked>, Option<Invalid>), Stopped> {
        let node = self.node.clone();
        let check = move || {
            let (checked, invalid) = node.signatures.check(&node.chain.rules, blocks);
            if let Some(invalid) = &invalid {
                node.metrics.verdict(&Verdict::Invalid(invalid.clone()));
            }
            (checked, invalid)
        };
        match self.chain().rules.family {
            Family::Open(_) => Ok(check()),
            Family::Sealed(_) => {
                tokio::task::spawn_blocking(check).await.map_err(|_| self.stopped_why())
            }
        }
    }

    /// Hands in payments in any spelling of JSON, and returns for each its id and what became of
    /// it. `from` is the peer that sent them, if it named itself. Each may replace one that waits.
    ///
    /// # Errors
    /// Fails if the node has stopped; the error of each says why it is not taken.
    pub async fn pay(
        &self,
        texts: Vec<Vec<u8>>,
        from: Option<PeerAddress>,
    ) -> Result<Vec<Result<(Hash, Entered), NotPaid>>, Stopped> {
        let take = move |payments, machine: &mut Machine, now, chain: &mut Writer| {
            machine.take_payments(now, payments, from.as_ref(), chain)
        };
        self.enter(texts, take).await
    }

    /// Hands in one payment that may replace the payment `replaces`, and no other.
    ///
    /// # Errors
    /// Fails if the node has stopped; the inner error says why the payment is not taken.
    pub async fn pay_replacing(
        &self,
        text: Vec<u8>,
        replaces: Option<Hash>,
    ) -> Result<Result<(Hash, Entered), NotPaid>, Stopped> {
        let take = move |mut payments: Vec<_>, machine: &mut Machine, now, chain: &mut Writer| {
            match payments.pop() {
                Some(payment) => {
                    let taken = machine.take_payment(now, payment, replaces, chain)?;
                    Ok(taken.map(|outcome| outcome.into_iter().collect()))
                }
                // The text is not a payment; the answer says why.
                None => machine.take_payments(now, Vec::new(), None, chain),
            }
        };
        let mut entered = self.enter(vec![text], take).await?;
        Ok(entered.pop().expect("one answer for one payment"))
    }

    /// Reads payments, and hands them to the machine.
    async fn enter(
        &self,
        texts: Vec<Vec<u8>>,
        take: impl FnOnce(
            Vec<Verified>,
            &mut Machine,
            Timestamp,
            &mut Writer,
        ) -> Stepped<Vec<Result<Entered, Refused>>, Writer>
        + Send
        + 'static,
    ) -> Result<Vec<Result<(Hash, Entered), NotPaid>>, Stopped> {
        if let Family::Open(_) = self.chain().rules.family {
            return Ok(texts.iter().map(|_| Err(NotPaid::Unsigned)).collect());
        }
        let node = self.node.clone();
        let turn = node.checking.clone().acquire_owned().await.map_err(|_| self.stopped_why())?;
        let read = move || {
            let texts: Vec<_> = texts.iter().map(Vec::as_slice).collect();
            let read = node.signatures.payments(&texts);
            // The turn ends only here, even if the caller no longer waits.
            drop(turn);
            read
        };
        let read = tokio::task::spawn_blocking(read).await.map_err(|_| self.stopped_why())?;
        let ids: Vec<_> = read.iter().flatten().map(|payment| payment.id()).collect();
        let payments: Vec<_> = read.iter().flatten().cloned().collect();
        let entered =
            self.command(move |machine, now, chain| take(payments, machine, now, chain)).await?;
        let mut entered = ids.into_iter().zip(entered);
        let outcome = |read: Result<_, BadEntry>| {
            read?;
            let (id, entered) = entered.next().expect("one answer for each that was read");
            Ok((id, entered?))
        };
        Ok(read.into_iter().map(outcome).collect())
    }

    /// Asks the machine a question once its whole state is durable.
    ///
    /// # Errors
    /// Fails if the node has stopped.
    pub(super) async fn ask<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Machine) -> T + Send + 'static,
    ) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        let question = Box::new(move |machine: &Machine| {
            // The caller may be gone.
            let _ = reply.send(ask(machine));
        });
        self.requests.send(Request::Ask(question)).await.map_err(|_| self.stopped_why())?;
        answer.await.map_err(|_| self.stopped_why())
    }

    /// Hands in a proof for the next block. The coin goes to `recipient`, a canonical JSON text,
    /// or to the node.
    ///
    /// # Errors
    /// Fails if the node has stopped.
    pub async fn submit_proof(
        &self,
        proof: Proof,
        recipient: Option<String>,
    ) -> Result<Result<Block, Refusal>, Stopped> {
        let sources = self.sources().clone();
        let take = move |machine: &mut Machine, now, chain: &mut Writer| {
            let mined = machine.take_proof(now, &proof, recipient.as_deref(), chain)?;
            sources.note(mined.answer.iter().map(Block::hash), BlockSource::Here);
            Ok(mined)
        };
        self.command(take).await
    }

    /// Queues a transaction, and returns the index of the block that it waits for, or `None` if the
    /// queue is full.
    ///
    /// # Errors
    /// Fails if the node has stopped.
    pub async fn queue(&self, transaction: Transaction) -> Result<Option<u64>, Stopped> {
        self.command(move |machine, now, _| Ok(machine.queue(now, transaction))).await
    }

    /// Registers peers.
    ///
    /// # Errors
    /// Fails if the node has stopped.
    pub async fn register(&self, peers: Vec<PeerAddress>) -> Result<Registration, Stopped> {
        self.command(move |machine, now, _| Ok(machine.register(now, peers))).await
    }

    /// Registers peers that the operator chose: they find room, and stay, whichever others are
    /// registered. With `keep` the node stores them at once, otherwise once they have answered.
    ///
    /// # Errors
    /// Fails if the node has stopped.
    pub async fn choose(
        &self,
        peers: Vec<PeerAddress>,
        keep: bool,
    ) -> Result<Registration, Stopped> {
        self.command(move |machine, now, _| Ok(machine.choose(now, peers, keep))).await
    }

    /// Forgets a peer, ends the calls to it that are under way, and returns the address that it was
    /// known by, if it was one.
    ///
    /// # Errors
    /// Fails if the node has stopped.
    pub async fn forget(&self, peer: PeerAddress) -> Result<Option<PeerAddress>, Stopped> {
        self.command(move |machine, now, _| Ok(machine.forget(now, &peer))).await
    }

    /// Tells the machine that a peer answered, with the index and hash of its tip, if it told them.
    ///
    /// # Errors
    /// Fails if the node has stopped.
    pub async fn answered(
        &self,
        peer: PeerAddress,
        tip: Option<(u64, Hash)>,
    ) -> Result<(), Stopped> {
        let context = Context { peer: tip.map(|_| peer.clone()), ..Context::default() };
        self.command_in(context, move |machine, now, _| Ok(machine.answered(now, peer, tip))).await
    }

    /// Tells the machine that a peer did not answer, or that its answer was of no use, and why.
    ///
    /// # Errors
    /// Fails if the node has stopped.
    pub async fn failed(&self, peer: PeerAddress, why: String) -> Result<(), Stopped> {
        let context = Context { peer: Some(peer.clone()), ..Context::default() };
        self.command_in(context, move |machine, now, _| Ok(machine.failed(now, peer, why))).await
    }

    /// Tells the machine that two addresses are one node, of which `other` answered first. If both
    /// were peers, it forgets one of them and returns it.
    ///
    /// # Errors
    /// Fails if the node has stopped.
    pub async fn same_node(
        &self,
        peer: PeerAddress,
        other: PeerAddress,
    ) -> Result<Option<PeerAddress>, Stopped> {
        self.command(move |machine, now, _| Ok(machine.same_node(now, &peer, other))).await
    }

    /// Tells the machine that an address is this node's own.
    ///
    /// # Errors
    /// Fails if the node has stopped.
    pub async fn is_self(&self, peer: PeerAddress) -> Result<(), Stopped> {
        self.command(move |machine, now, _| Ok(machine.is_self(now, &peer))).await
    }

    /// Asks all peers for their chains, waits for them within a bound, and returns whether the best
    /// chain changed meanwhile.
    ///
    /// # Errors
    /// Fails if the node has stopped.
    pub async fn resolve(&self) -> Result<bool, Stopped> {
        let mut standing = self.watch();
        let before = self.standing().tip.block.hash();
        let asked = async {
            let round = self.command(|machine, now, _| Ok(machine.resolve(now))).await?;
            let over = standing.wait_for(|standing| standing.rounds_over >= round).await;
            over.map(drop).map_err(|_| self.stopped_why())
        };
        // Slower peers still answer later; this call does not wait for them.
        if let Ok(Err(stopped)) = tokio::time::timeout(RESOLVE_TIME, asked).await {
            return Err(stopped);
        }
        Ok(self.standing().tip.block.hash() != before)
    }

    /// Waits until the node has stopped, and returns the reason.
    pub async fn stopped(&self) -> Stopped {
        self.requests.closed().await;
        self.stopped_why()
    }

    /// The reason why the node has stopped; call this once one of its channels is closed.
    pub fn stopped_why(&self) -> Stopped {
        Stopped { reason: self.reason.get().cloned() }
    }

    async fn command<T: Send + 'static>(
        &self,
        run: impl FnOnce(&mut Machine, Timestamp, &mut Writer) -> Stepped<T, Writer> + Send + 'static,
    ) -> Result<T, Stopped> {
        self.command_in(Context::default(), run).await
    }

    /// Gives the machine a command, and waits until its effects are durable.
    pub(super) async fn command_in<T: Send + 'static>(
        &self,
        context: Context,
        run: impl FnOnce(&mut Machine, Timestamp, &mut Writer) -> Stepped<T, Writer> + Send + 'static,
    ) -> Result<T, Stopped> {
        let (reply, answer) = oneshot::channel();
        let command = Command::new(context, run, reply);
        self.requests.send(Request::Step(command)).await.map_err(|_| self.stopped_why())?;
        answer.await.map_err(|_| self.stopped_why())
    }
}

#[cfg(test)]
mod tests {
    use blocksmith_consensus::Rules;

    use super::*;
    use crate::chain::Dialect;
    use crate::{Options, start};

    #[tokio::test]
    async fn payments_wait_for_their_turn_and_a_block_does_not() {
        let chain = Chain { rules: Rules::forge(), dialect: Dialect::Notes };
        let (handle, _orders) = start(Options::new(chain)).expect("a store in memory");
        let pay = async || {
            let paid = handle.pay(vec![b"{}".to_vec()], None);
            tokio::time::timeout(Duration::from_millis(300), paid).await
        };
        let turns = handle.node.checking.acquire_many(MAX_CHECKING as u32).await;
        assert!(pay().await.is_err(), "all turns are taken");
        let tip = handle.standing().tip.block.clone();
        let verdict = handle.submit_block(tip, None).await.expect("it runs");
        assert!(matches!(verdict, Verdict::Known), "{verdict:?}");
        drop(turns);
        let paid = pay().await.expect("in time").expect("it runs");
        assert!(matches!(paid[..], [Err(NotPaid::Bad(_))]), "{paid:?}");
    }
}
