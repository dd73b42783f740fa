//! Carries out over HTTP what the node wants of its peers: telling them of a tip, asking for their
//! chains.
//!
//! Everything runs in the background and within time-outs, never inside a server's answer: a
//! single-threaded Python node that waits for us answers no other node meanwhile. Each peer has at
//! most one call that tells it something, with the latest tip waiting behind it, and one that asks.

mod array_stream;
mod ask;
mod call;
mod failure;
mod kind;
mod tell;
mod tip;

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::AtomicUsize;
use std::sync::{Arc, PoisonError};

use blocksmith_node::{MAX_PEERS, NetworkEffect, PeerAddress};
use tokio::sync::mpsc;
use tokio::task::{AbortHandle, JoinSet};

use crate::dev_network::Seat;
use crate::service::{Handle, Notice, Stopped};
use crate::text::is_typable;
use call::Http;
use failure::Failure;
use kind::{Instances, Peer};
use tip::Tip;

/// How many peers are remembered before those that are no longer registered are forgotten.
const MAX_REMEMBERED: usize = 2 * MAX_PEERS;

/// What all calls share.
struct Network {
    handle: Handle,
    http: Http,
    instances: Instances,
    /// How many bytes of peers' chains wait in memory.
    held: AtomicUsize,
}

/// The calls that go on with one peer.
struct PeerSession {
    peer: Arc<Peer>,
    telling: Option<AbortHandle>,
    asking: Option<AbortHandle>,
    /// Set if the node ordered another question meanwhile: whether it is to look closely.
    again: Option<bool>,
}

/// A task that has ended.
enum Over {
    Telling(Arc<Peer>),
    Asking(Arc<Peer>),
}

/// Carries out the node's orders until it stops. `listen` is the address at which peers reach this
/// node; it tells them that address with each block. `seat` says which nodes of a dev network it
/// reaches.
///
/// It holds a [`Handle`], which keeps the node running: drop it to stop.
pub async fn run(
    handle: Handle,
    mut orders: mpsc::UnboundedReceiver<NetworkEffect>,
    listen: Option<PeerAddress>,
    seat: Option<Seat>,
) {
    let mut standing = handle.watch();
    let network = Arc::new(Network {
        handle,
        http: Http::new(listen, seat),
        instances: Instances::default(),
        held: AtomicUsize::new(0),
    });
    let mut all: HashMap<PeerAddress, PeerSession> = HashMap::new();
    let mut tasks = JoinSet::new();
    loop {
        tokio::select! {
            order = orders.recv() => match order {
                Some(NetworkEffect::Announce { block, to }) => {
                    let tip = Arc::new(Tip::new(block));
                    for address in to {
                        let dealings = dealings(&mut all, &network, address);
                        dealings.wait(tip.clone());
                        dealings.tell(&network, &mut tasks);
                    }
                }
                Some(NetworkEffect::Relay { payments, to }) => {
                    for address in to {
                        let dealings = dealings(&mut all, &network, address);
                        dealings.peer.take_along(&payments);
                        dealings.tell(&network, &mut tasks);
                    }
                }
                Some(NetworkEffect::HangUp(address)) => {
                    if let Some(dealings) = all.remove(&address) {
                        dealings.end();
                    }
                    network.handle.clocks().forget(&address);
                    network.instances.forget(&address);
                }
                Some(NetworkEffect::Ask { peer, closely }) => {
                    dealings(&mut all, &network, peer).ask(closely, &network, &mut tasks);
                }
                None => break,
            },
            Some(over) = tasks.join_next() => match over {
                Ok(Ok(Over::Telling(peer))) => {
                    if let Some(dealings) = with(&mut all, &peer) {
                        dealings.telling = None;
                        // A tip may have come as the task ended.
                        dealings.tell(&network, &mut tasks);
                    }
                }
                Ok(Ok(Over::Asking(peer))) => {
                    let Some(dealings) = with(&mut all, &peer) else { continue };
                    dealings.asking = None;
                    // The order may be the node's answer to how this question went. If it were
                    // dropped, the node would wait for the outcome for ever.
                    if let Some(closely) = dealings.again.take() {
                        dealings.ask(closely, &network, &mut tasks);
                    }
                }
                Ok(Err(Stopped { .. })) => break,
                // The peer was forgotten.
                Err(error) if error.is_cancelled() => {}
                Err(error) => {
                    tracing::error!("a call to a peer failed because of a fault in this node: {error}");
                }
            },
            changed = standing.changed() => if changed.is_err() { break },
        }
    }
}

/// The session of this very peer: its address may have been forgotten and registered again since.
fn with<'a>(
    all: &'a mut HashMap<PeerAddress, PeerSession>,
    peer: &Arc<Peer>,
) -> Option<&'a mut PeerSession> {
    all.get_mut(&peer.address).filter(|dealings| Arc::ptr_eq(&dealings.peer, peer))
}

fn dealings<'a>(
    all: &'a mut HashMap<PeerAddress, PeerSession>,
    network: &Network,
    address: PeerAddress,
) -> &'a mut PeerSession {
    if all.len() >= MAX_REMEMBERED && !all.contains_key(&address) {
        let standing = network.handle.standing();
        all.retain(|address, dealings| dealings.is_busy() || standing.peers.contains(address));
    }
    match all.entry(address) {
        Entry::Occupied(entry) => entry.into_mut(),
        Entry::Vacant(entry) => {
            let peer = Arc::new(Peer::new(entry.key().clone()));
            entry.insert(PeerSession { peer, telling: None, asking: None, again: None })
        }
    }
}

type Tasks = JoinSet<Result<Over, Stopped>>;

impl PeerSession {
    fn is_busy(&self) -> bool {
        self.telling.is_some() || self.asking.is_some()
    }

    /// Ends the calls that still run.
    fn end(self) {
        self.telling.into_iter().chain(self.asking).for_each(|task| task.abort());
    }

    /// Only the latest tip is worth telling.
    fn wait(&self, tip: Arc<Tip>) {
        *self.peer.waiting.lock().unwrap_or_else(PoisonError::into_inner) = Some(tip);
    }

    fn tell(&mut self, network: &Arc<Network>, tasks: &mut Tasks) {
        if self.telling.is_some() || !self.peer.has_news() {
            return;
        }
        let (network, peer) = (network.clone(), self.peer.clone());
        self.telling = Some(tasks.spawn(async move {
            tell::tell(&network, &peer).await?;
            Ok(Over::Telling(peer))
        }));
    }

    /// Asks the peer, or has it asked again once the running question is over.
    fn ask(&mut self, closely: bool, network: &Arc<Network>, tasks: &mut Tasks) {
        if self.asking.is_some() {
            self.again = Some(closely);
            return;
        }
        let (network, peer) = (network.clone(), self.peer.clone());
        self.asking = Some(tasks.spawn(async move {
            ask::ask(&network, &peer, closely).await?;
            Ok(Over::Asking(peer))
        }));
    }
}

impl Network {
    /// Logs why a peer did not help, and tells the node.
    async fn give_up(&self, peer: &Peer, failure: Failure) -> Result<(), Stopped> {
        let address = peer.address.clone();
        match failure {
            Failure::Stopped(stopped) => return Err(stopped),
            Failure::Store(error) => {
                tracing::error!("the store can't be read: {error}");
                return self.handle.answered(address, None).await;
            }
            Failure::Itself => {
                let what = format!("{address} is this node itself, so it is not a peer");
                self.handle.tell(Notice::NoPeer, what);
                return self.handle.is_self(address).await;
            }
            // The log and the node know it already.
            Failure::KnownAs(_) => return Ok(()),
            _ => {}
        }
        peer.forget();
        self.instances.forget(&address);
        self.complain(peer, &failure);
        self.handle.failed(address, failure.to_string()).await
    }

    /// Logs what is wrong with a peer, once.
    fn complain(&self, peer: &Peer, failure: &Failure) {
        let (address, text) = (&peer.address, failure.to_string());
        if !peer.complain(&failure.complaint()) {
            tracing::debug!("peer {address}: {text}");
        } else if failure.is_remarkable() {
            self.handle.tell(Notice::Peer, format_args!("peer {address}: {text}"));
        } else {
            // The operator is to type the address, and a stranger may have registered it.
            let typed = if is_typable(address.as_str()) { address.as_str() } else { "HOST:PORT" };
            let own = self.handle.listens_at();
            let node = own.map(|own| format!(" --node http://{own}")).unwrap_or_default();
            let what = format_args!(
                "peer {address}: {text}; the node asks it again, less and less often. To stop that: \
                 blocksmith peers forget {typed}{node}"
            );
            self.handle.tell(Notice::Away, what);
        }
    }
}
