//! What the nodes of one `blocksmith dev` share: their miners, and who of them reaches whom.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::num::NonZeroU64;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use blocksmith_node::PeerAddress;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::service::Handle;

/// How long nodes that reach each other again may take to ask one another.
const ASK_TIME: Duration = Duration::from_secs(10);

/// The miner of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Miner {
    /// Whether it mines.
    pub on: bool,
    /// How many proofs it tries a second; without a speed it takes turns with the others.
    pub tries_per_second: Option<NonZeroU64>,
}

/// The nodes of one process, each by its place from 0.
pub struct DevNetwork {
    addresses: Vec<PeerAddress>,
    /// Set once all nodes run.
    nodes: OnceLock<Vec<Handle>>,
    miners: watch::Sender<Vec<Miner>>,
    /// The pairs that do not reach each other, the lower place first.
    cuts: watch::Sender<BTreeSet<(usize, usize)>>,
    /// Whether blocks may come from elsewhere than the miner that takes turns.
    meddled: AtomicBool,
}

/// A node's place in its network.
#[derive(Clone)]
pub struct Seat {
    /// The network.
    pub network: Arc<DevNetwork>,
    /// The place, from 0.
    pub place: usize,
}

impl std::fmt::Debug for Seat {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Seat").field("place", &self.place).finish_non_exhaustive()
    }
}

impl DevNetwork {
    /// The nodes at these addresses, whose miners are on or off.
    pub fn new(addresses: Vec<PeerAddress>, on: bool) -> Arc<Self> {
        let miners = vec![Miner { on, tries_per_second: None }; addresses.len()];
        Arc::new(Self {
            addresses,
            nodes: OnceLock::new(),
            miners: watch::Sender::new(miners),
            cuts: watch::Sender::default(),
            meddled: AtomicBool::new(false),
        })
    }

    /// Says which nodes run there.
    pub fn runs(&self, nodes: Vec<Handle>) {
        // It is said once, by the command that started them.
        let _ = self.nodes.set(nodes);
    }

    /// The addresses of all nodes but the one at this place.
    pub fn others(&self, place: usize) -> Vec<PeerAddress> {
        let others = self.addresses.iter().enumerate().filter(|(other, _)| *other != place);
        others.map(|(_, address)| address.clone()).collect()
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.addresses.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.addresses.is_empty()
    }

    /// The miners, as they change.
    pub fn miners(&self) -> watch::Receiver<Vec<Miner>> {
        self.miners.subscribe()
    }

    /// Sets the miners at these places.
    pub fn set_miners(&self, changes: &[(usize, Miner)]) {
        self.meddle();
        self.miners.send_modify(|miners| {
            for &(place, miner) in changes {
                if let Some(at) = miners.get_mut(place) {
                    *at = miner;
                }
            }
        });
    }

    /// Notes that blocks may come from elsewhere than the miner that takes turns.
    pub fn meddle(&self) {
        self.meddled.store(true, Ordering::Relaxed);
    }

    /// Whether blocks may have come from elsewhere.
    pub fn is_meddled(&self) -> bool {
        self.meddled.load(Ordering::Relaxed)
    }

    /// The pairs that do not reach each other.
    pub fn cuts(&self) -> BTreeSet<(usize, usize)> {
        self.cuts.borrow().clone()
    }

    /// Whether some nodes do not reach each other.
    pub fn is_cut(&self) -> bool {
        !self.cuts.borrow().is_empty()
    }

    /// Cuts nodes of different groups off from each other. Calls between them that are under way
    /// break off.
    pub fn cut(&self, groups: &[Vec<usize>]) {
        self.cuts.send_modify(|cuts| {
            for (number, group) in groups.iter().enumerate() {
                let others = groups[number + 1..].iter().flatten();
                let pairs = others.flat_map(|b| group.iter().map(move |a| (*a.min(b), *a.max(b))));
                cuts.extend(pairs.filter(|(a, b)| a != b));
            }
        });
    }

    /// Lets all nodes reach each other again, and has each ask the others for their chains.
    pub async fn heal(&self) {
        self.cuts.send_modify(BTreeSet::clear);
        let nodes = self.nodes.get().into_iter().flatten();
        let asked = futures_util::future::join_all(nodes.map(Handle::resolve));
        // Who answers later is heard later.
        let _ = timeout(ASK_TIME, asked).await;
    }

    /// The place of the node at an address of this machine.
    fn place_of(&self, address: &PeerAddress) -> Option<usize> {
        let parts = |address: &PeerAddress| {
            let (host, port) = address.as_str().rsplit_once(':')?;
            Some((host.to_owned(), port.to_owned()))
        };
        let (host, port) = parts(address)?;
        let bare = host.trim_start_matches('[').trim_end_matches(']');
        let is_here =
            bare == "localhost" || bare.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
        self.addresses.iter().position(|own| {
            parts(own).is_some_and(|(own, at)| at == port && (own == host || is_here))
        })
    }
}

impl Seat {
    /// Whether this node does not reach the one at that place.
    pub fn is_cut_from(&self, other: usize) -> bool {
        let pair = (self.place.min(other), self.place.max(other));
        self.network.cuts.borrow().contains(&pair)
    }

    /// Waits until this node does not reach the peer; for ever if the peer is not of this network.
    pub async fn until_cut(&self, peer: &PeerAddress) {
        let Some(other) = self.network.place_of(peer) else { return std::future::pending().await };
        let pair = (self.place.min(other), self.place.max(other));
        let mut cuts = self.network.cuts.subscribe();
        if cuts.wait_for(|cuts| cuts.contains(&pair)).await.is_err() {
            std::future::pending().await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_cut_off_from_each_other_and_nobody_else_is() {
        let addresses = (1..=5).map(|port| format!("127.0.0.1:{port}").parse().expect("one"));
        let network = DevNetwork::new(addresses.collect(), true);
        let seat = |place| Seat { network: network.clone(), place };
        network.cut(&[vec![0, 1], vec![2, 3]]);
        let pairs = [(0, 2), (0, 3), (1, 2), (1, 3)];
        assert_eq!(network.cuts(), BTreeSet::from(pairs));
        assert!(seat(2).is_cut_from(0) && seat(0).is_cut_from(2));
        assert!(!seat(0).is_cut_from(1) && !seat(4).is_cut_from(0));
        network.cut(&[vec![4], vec![3]]);
        assert_eq!(network.cuts().len(), 5);
        for name in ["127.0.0.1:3", "localhost:3", "[::1]:3", "127.9.9.9:3"] {
            assert_eq!(network.place_of(&name.parse().expect("one")), Some(2), "{name}");
        }
        for name in ["10.0.0.1:3", "localhost:6", "example.org:3"] {
            assert_eq!(network.place_of(&name.parse().expect("one")), None, "{name}");
        }
    }
}
