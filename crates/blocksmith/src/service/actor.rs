//! The one thread that changes anything. Requests that wait together share a commit, and nobody
//! hears of a change before it is durable.

use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use blocksmith_node::{Answer, Effect, Input, Machine};
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::{mpsc, oneshot, watch};

use super::events::{Events, Heard, Source};
use super::handle::{Handle, Node, Order, Reason, Standing};
use super::now;
use super::store::{Store, StoreError, Writer};

/// The most inputs that share a commit.
const MAX_BATCH: usize = 1_000;

/// How long a commit is put off for inputs that are waiting already.
const MAX_BATCH_TIME: Duration = Duration::from_millis(50);

/// The most inputs that wait; whoever sends more waits too.
pub(super) const MAX_WAITING: usize = 1_024;

/// How often the machine is told the time.
const TICK: Duration = Duration::from_millis(200);

pub(super) enum Request {
    /// Something for the machine.
    Step { input: Input, source: Source, reply: Option<oneshot::Sender<Answer>> },
    /// A look at the machine, when all that it knows is durable.
    Look(Look),
}

pub(super) type Look = Box<dyn FnOnce(&Machine) + Send>;

pub(super) fn spawn(
    store: Store,
    machine: Machine,
    node: Node,
) -> (Handle, mpsc::UnboundedReceiver<Order>) {
    let (requests, inbox) = mpsc::channel(MAX_WAITING);
    let (orders, orders_out) = mpsc::unbounded_channel();
    let (standing, standing_out) = watch::channel(Arc::new(standing(&machine)));
    let ticks = requests.downgrade();
    let reason = Arc::new(OnceLock::new());
    let notices = node.notices.clone();
    let handle = Handle {
        requests,
        orders: orders.clone(),
        store: store.clone(),
        standing: standing_out,
        reason: reason.clone(),
        node: node.into(),
    };
    std::thread::Builder::new()
        .name("blocksmith-chain".into())
        .spawn(move || {
            let events = Events::start(notices);
            let mut actor = Actor { store, machine, orders, standing, inbox, events };
            let mut batch = Batch::default();
            let outcome = actor.run(&mut batch);
            // What happened comes before why it is over.
            let Actor { store, machine, orders, standing, inbox, events } = actor;
            events.end();
            if let Err(error) = outcome {
                tracing::error!("the node stops: {error}");
                let _ = reason.set(Arc::new(Reason::of(&error)));
            }
            // Only now whoever waits for an answer sees the channels close: nothing of the batch
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
            // Where others fill the queue, time is told later: ticks would pile up behind a long step.
            let tick = Request::Step { input: Input::Tick, source: Source::Time, reply: None };
            if let Err(TrySendError::Closed(_)) = requests.try_send(tick) {
                break;
            }
        }
    });
    (handle, orders_out)
}

fn standing(machine: &Machine) -> Standing {
    Standing { tip: machine.tip().clone(), queued: machine.queued(), peers: machine.peers() }
}

struct Actor {
    store: Store,
    machine: Machine,
    orders: mpsc::UnboundedSender<Order>,
    standing: watch::Sender<Arc<Standing>>,
    inbox: mpsc::Receiver<Request>,
    events: Events,
}

/// What follows from the requests that share a commit, once it is durable.
#[derive(Default)]
struct Batch {
    /// Each has its answer once it was looked at.
    replies: Vec<(oneshot::Sender<Answer>, Option<Answer>)>,
    orders: Vec<Order>,
    looks: Vec<Look>,
}

impl Actor {
    fn run(&mut self, batch: &mut Batch) -> Result<(), StoreError> {
        while let Some(first) = self.inbox.blocking_recv() {
            let store = self.store.clone();
            store.guard(|| self.write(first, batch))?;
            for (reply, answer) in batch.replies.drain(..) {
                if let Some(answer) = answer {
                    // Whoever asked may be gone.
                    let _ = reply.send(answer);
                }
            }
            // Before those who carry out orders have something to say of them.
            self.events.say(self.machine.tip().block.index());
            for order in batch.orders.drain(..) {
                let _ = self.orders.send(order);
            }
            for look in batch.looks.drain(..) {
                look(&self.machine);
            }
        }
        Ok(())
    }

    /// Does what the first request and those that wait ask for, in one commit.
    fn write(&mut self, first: Request, batch: &mut Batch) -> Result<(), StoreError> {
        let deadline = Instant::now() + MAX_BATCH_TIME;
        let mut writer = self.store.write()?;
        let mut dirty = false;
        let mut next = Some(first);
        while let Some(request) = next.take() {
            match request {
                Request::Step { input, source, reply } => {
                    let heard = Heard::of(&input);
                    let reply = reply.map(|reply| {
                        batch.replies.push((reply, None));
                        batch.replies.len() - 1
                    });
                    let output = self.machine.step(now(), input, &mut writer)?;
                    self.events.note(heard, &source, &output, &self.machine, &writer)?;
                    for effect in output.effects {
                        dirty |= carry_out(effect, &mut writer, &mut batch.orders)?;
                    }
                    if let Some(at) = reply {
                        batch.replies[at].1 = Some(output.answer);
                    }
                }
                Request::Look(look) => batch.looks.push(look),
            }
            if batch.replies.len() + batch.looks.len() < MAX_BATCH && Instant::now() < deadline {
                next = self.inbox.try_recv().ok();
            }
        }
        // A block of a side branch is kept without an effect that says so.
        if dirty || writer.blocks_changed() {
            writer.commit()?;
            self.standing.send_replace(Arc::new(standing(&self.machine)));
        } else if self.standing.borrow().peers != self.machine.peers() {
            // A peer that has not answered yet is not kept, and one all the same.
            self.standing.send_replace(Arc::new(standing(&self.machine)));
        }
        Ok(())
    }
}

/// Writes what must be durable, keeps the rest for later; whether something was written.
fn carry_out(
    effect: Effect,
    writer: &mut Writer,
    orders: &mut Vec<Order>,
) -> Result<bool, StoreError> {
    match effect {
        // The machine applied it through the writer.
        Effect::Commit(_) => {}
        Effect::Queue(change) => writer.queue(&change)?,
        Effect::Mempool(change) => writer.mempool(&change)?,
        Effect::AddPeer(peer) => writer.add_peer(&peer)?,
        Effect::PeerAnswered(peer) => writer.peer_answered(&peer)?,
        Effect::RemovePeer(peer) => writer.remove_peer(&peer)?,
        Effect::Announce { block, to } => {
            orders.push(Order::Announce { block, to });
            return Ok(false);
        }
        Effect::Relay { payments, to } => {
            orders.push(Order::Relay { payments, to });
            return Ok(false);
        }
        Effect::HangUp(peer) => {
            orders.push(Order::HangUp(peer));
            return Ok(false);
        }
        Effect::Ask(peer) => {
            orders.push(Order::Ask { peer, done: None });
            return Ok(false);
        }
    }
    Ok(true)
}
