//! The one thread that changes the node's state. Requests that wait together share a commit, and no
//! caller, client or peer is told of a change before it is durable.

use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use blocksmith_consensus::tree::BlockId;
use blocksmith_consensus::{ChainBlock, ChangeSet, Hash, Timestamp};
use blocksmith_node::{Effect, Event as Told, Machine, NetworkEffect, Stepped, StoreEffect};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};

use super::events::{Context, Events, Source, recipient};
use super::feed::{Event, Feed, MAX_LISTED, MAX_MINER_BYTES, Reorg, Tip};
use super::metrics::Metrics;
use super::notices::Notices;
use super::now;
use super::standing::{Reason, Standing};
use super::store::{Store, StoreError, Writer};

/// The most inputs that share a commit.
const MAX_BATCH: usize = 1_000;

/// How long a commit is put off to take in inputs that are waiting already.
const MAX_BATCH_TIME: Duration = Duration::from_millis(50);

/// The most inputs that wait; the sender of another one waits too.
pub(super) const MAX_WAITING: usize = 1_024;

/// How often the machine gets a tick.
const TICK: Duration = Duration::from_millis(200);

pub(super) enum Request {
    /// A command for the machine.
    Step(Command),
    /// A question to the machine, answered once its whole state is durable.
    Ask(Question),
}

pub(super) type Question = Box<dyn FnOnce(&Machine) + Send>;

/// Runs a command, and keeps its answer for the reply.
type Run =
    Box<dyn FnOnce(&mut Machine, Timestamp, &mut Writer) -> Result<Vec<Effect>, StoreError> + Send>;

/// Sends the answer to the caller that waits for it.
type Reply = Box<dyn FnOnce() + Send>;

/// A command for the machine, whose answer has a type of its own.
pub(super) struct Command {
    context: Context,
    run: Run,
    reply: Reply,
}

impl Command {
    pub(super) fn new<T: Send + 'static>(
        context: Context,
        run: impl FnOnce(&mut Machine, Timestamp, &mut Writer) -> Stepped<T, Writer> + Send + 'static,
        reply: oneshot::Sender<T>,
    ) -> Self {
        let answer = Arc::new(Mutex::new(None));
        let kept = answer.clone();
        let run = move |machine: &mut Machine, now, chain: &mut Writer| {
            let output = run(machine, now, chain)?;
            *kept.lock().unwrap_or_else(PoisonError::into_inner) = Some(output.answer);
            Ok(output.effects)
        };
        let reply = move || {
            if let Some(answer) = answer.lock().unwrap_or_else(PoisonError::into_inner).take() {
                // The caller may be gone.
                let _ = reply.send(answer);
            }
        };
        Self { context, run: Box::new(run), reply: Box::new(reply) }
    }

    /// A tick for the machine.
    fn tick() -> Self {
        let context = Context { source: Source::Time, ..Context::default() };
        let run =
            |machine: &mut Machine, now, chain: &mut Writer| Ok(machine.tick(now, chain)?.effects);
        Self { context, run: Box::new(run), reply: Box::new(|| {}) }
    }
}

/// The other ends of the thread's channels, and what it shares.
pub(super) struct Started {
    pub(super) requests: mpsc::Sender<Request>,
    /// The network effects to carry out.
    pub(super) orders: mpsc::UnboundedReceiver<NetworkEffect>,
    pub(super) standing: watch::Receiver<Arc<Standing>>,
    pub(super) feed: Arc<Feed>,
    /// The reason why the node had to stop; it is set before the channels close.
    pub(super) reason: Arc<OnceLock<Arc<Reason>>>,
}

/// Starts the thread that owns the machine.
pub(super) fn spawn(
    store: Store,
    machine: Machine,
    notices: Arc<Notices>,
    metrics: Arc<Metrics>,
) -> Started {
    let (requests, inbox) = mpsc::channel(MAX_WAITING);
    let (orders, orders_out) = mpsc::unbounded_channel();
    let (standing, standing_out) = watch::channel(Arc::new(standing(&machine, 0)));
    let feed = Arc::new(Feed::default());
    let ticks = requests.downgrade();
    let reason = Arc::new(OnceLock::new());
    let started = Started {
        requests,
        orders: orders_out,
        standing: standing_out,
        feed: feed.clone(),
        reason: reason.clone(),
    };
    std::thread::Builder::new()
        .name("blocksmith-chain".into())
        .spawn(move || {
            let events = Events::start(notices);
            let mut actor =
                Actor { store, machine, orders, standing, inbox, events, feed, metrics };
            let mut batch = Batch::default();
            let outcome = actor.run(&mut batch);
            // The log tells the last events before it tells why the node stops.
            let Actor { store, machine, orders, standing, inbox, events, .. } = actor;
            events.end();
            if let Err(error) = outcome {
                tracing::error!("the node stops: {error}");
                let _ = reason.set(Arc::new(Reason::of(&error)));
            }
            // Callers that wait for an answer see the channels close only now: nothing of the batch
            // was acknowledged, and the reason is there for them.
            drop((store, machine, orders, standing, inbox, batch));
        })
        .expect("the system starts a thread");
    tokio::spawn(async move {
        let mut interval = tokio::time::interval(TICK);
        interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            interval.tick().await;
            let Some(requests) = ticks.upgrade() else { break };
            // If the inbox is full, this tick is left out: ticks would pile up behind a long step.
            let tick = Command::tick();
            if let Err(TrySendError::Closed(_)) = requests.try_send(Request::Step(tick)) {
                break;
            }
        }
    });
    started
}

fn standing(machine: &Machine, event: u64) -> Standing {
    Standing {
        tip: machine.tip().clone(),
        queued: machine.queued(),
        peers: machine.peers(),
        rounds_over: machine.rounds_over(),
        event,
    }
}

struct Actor {
    store: Store,
    machine: Machine,
    orders: mpsc::UnboundedSender<NetworkEffect>,
    standing: watch::Sender<Arc<Standing>>,
    inbox: mpsc::Receiver<Request>,
    events: Events,
    feed: Arc<Feed>,
    metrics: Arc<Metrics>,
}

/// What to do after a commit for the requests that shared it.
#[derive(Default)]
struct Batch {
    replies: Vec<Reply>,
    orders: Vec<NetworkEffect>,
    questions: Vec<Question>,
}

impl Actor {
    fn run(&mut self, batch: &mut Batch) -> Result<(), StoreError> {
        while let Some(first) = self.inbox.blocking_recv() {
            let store = self.store.clone();
            store.guard(|| self.write(first, batch))?;
            batch.replies.drain(..).for_each(|reply| reply());
            // Before the network tasks carry out orders and log about them.
            self.events.say(self.machine.tip().block.index());
            for order in batch.orders.drain(..) {
                let _ = self.orders.send(order);
            }
            batch.questions.drain(..).for_each(|ask| ask(&self.machine));
        }
        Ok(())
    }

    /// Carries out the first request and those that wait, in one commit.
    fn write(&mut self, first: Request, batch: &mut Batch) -> Result<(), StoreError> {
        let deadline = Instant::now() + MAX_BATCH_TIME;
        let mut writer = self.store.write()?;
        let (mut dirty, mut happened) = (false, Vec::new());
        let mut next = Some(first);
        while let Some(request) = next.take() {
            match request {
                Request::Step(Command { context, run, reply }) => {
                    // Before the command runs: if it fails, the caller that waits for the answer
                    // must not see its channel close before the reason is there.
                    batch.replies.push(reply);
                    let effects = run(&mut self.machine, now(), &mut writer)?;
                    self.events.note(&context, &effects, &self.machine, &writer)?;
                    let mut waiting = waiting_again(&effects).into_iter();
                    for effect in effects {
                        match effect {
                            Effect::Store(effect) => {
                                store(effect, &mut writer)?;
                                dirty = true;
                            }
                            Effect::Event(event) => {
                                // The machine applied it through the writer.
                                dirty |= matches!(event, Told::Chain { .. });
                                happened.push(told(event, &mut waiting, &self.machine));
                            }
                            Effect::Network(effect) => batch.orders.push(effect),
                        }
                    }
                }
                Request::Ask(question) => batch.questions.push(question),
            }
            if batch.replies.len() + batch.questions.len() < MAX_BATCH && Instant::now() < deadline
            {
                next = self.inbox.try_recv().ok();
            }
        }
        // No effect says that a block of a side branch was stored.
        let dirty = dirty || writer.blocks_changed();
        if dirty {
            let began = Instant::now();
            writer.commit()?;
            self.metrics.committed(began.elapsed());
        }
        happened.iter().flatten().for_each(|event| self.metrics.happened(event));
        // Clients may be told only now. `standing` is the state after the event that it names, so
        // that a client which reads it and follows events from there misses nothing.
        let event = self.feed.publish(happened);
        let is_told = || {
            let told = self.standing.borrow();
            let rounds = told.rounds_over == self.machine.rounds_over();
            // A peer may be registered without being stored.
            told.event == event && rounds && told.peers == self.machine.peers()
        };
        if dirty || !is_told() {
            self.standing.send_replace(Arc::new(standing(&self.machine, event)));
        }
        Ok(())
    }
}

/// Writes a change to the store.
fn store(effect: StoreEffect, writer: &mut Writer) -> Result<(), StoreError> {
    match effect {
        StoreEffect::Queue(change) => writer.queue(&change),
        StoreEffect::Mempool(change) => writer.mempool(&change),
        StoreEffect::AddPeer(peer) => writer.add_peer(&peer),
        StoreEffect::PeerAnswered(peer) => writer.peer_answered(&peer),
        StoreEffect::RemovePeer(peer) => writer.remove_peer(&peer),
    }
}

/// The event that the feed tells; `None` if there is too much to tell one by one. `waiting` yields
/// for each change of the best chain how many transactions wait again.
fn told(
    event: Told,
    waiting: &mut impl Iterator<Item = usize>,
    machine: &Machine,
) -> Option<Event> {
    Some(match event {
        Told::Transaction { transaction, became } => Event::Transaction { transaction, became },
        Told::Peer { address, became } => Event::Peer { address, became },
        Told::ManyTransactions => return None,
        Told::Chain { change, tip } => {
            let (tip, waiting) = (tip_of(&tip, machine), waiting.next().unwrap_or_default());
            match change.disconnected.is_empty() {
                true => Event::Tip(tip),
                false => Event::Reorg(reorg(&change, tip, waiting)),
            }
        }
    })
}

/// For each change of the best chain, how many transactions wait for a block because of it.
fn waiting_again(effects: &[Effect]) -> Vec<usize> {
    let mut waiting = Vec::new();
    for effect in effects {
        match (effect, waiting.last_mut()) {
            (Effect::Event(Told::Chain { .. }), _) => waiting.push(0),
            (Effect::Store(StoreEffect::Queue(change)), Some(last)) => *last += change.added.len(),
            (Effect::Store(StoreEffect::Mempool(change)), Some(last)) => {
                *last += change.added.len();
            }
            _ => {}
        }
    }
    waiting
}

fn tip_of(tip: &ChainBlock, machine: &Machine) -> Tip {
    let block = &tip.block;
    // One pass, since a block may be long.
    let (mut transactions, mut last) = (0, None);
    for transaction in block.view().transactions() {
        transactions += 1;
        last = Some(transaction);
    }
    let mint = machine.rules().mint();
    let miner = last.and_then(|coin| recipient(coin, &mint));
    Tip {
        place: BlockId::of(block),
        previous_hash: block.parent(),
        work: Hash(tip.work.to_be_bytes()),
        transactions,
        miner: miner.filter(|miner| miner.len() <= MAX_MINER_BYTES),
    }
}

/// A change that undid blocks.
fn reorg(change: &ChangeSet, tip: Tip, waiting: usize) -> Reorg {
    let first = |places: &[BlockId]| places.iter().take(MAX_LISTED).copied().collect();
    Reorg {
        fork: change.fork,
        left: first(&change.disconnected),
        left_count: change.disconnected.len(),
        left_work: Hash(change.former_work.to_be_bytes()),
        joined: first(&change.connected),
        joined_count: change.connected.len(),
        waiting,
        tip,
    }
}
