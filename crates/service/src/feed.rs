//! The node's events, numbered, for the clients that follow it.
//!
//! One ring holds the latest events for all of them. A follower is no more than the number of the
//! event that it had last, so one that reads slowly costs nothing. If it missed events that have
//! left the ring, it reads the node's status anew.

use std::collections::VecDeque;
use std::sync::{PoisonError, RwLock, RwLockReadGuard};

use blocksmith_consensus::Hash;
use blocksmith_consensus::tree::BlockId;
use blocksmith_node::{PeerAddress, PeerChange, PendingTransaction, TransactionChange};
use tokio::sync::watch;

/// The most events that the ring keeps.
const MAX_EVENTS: usize = 20_000;

/// About the most bytes that they take together.
const MAX_BYTES: usize = 8 << 20;

/// What an event takes besides its texts and lists, in bytes.
const EVENT_BYTES: usize = 200;

/// An event of a node. It is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A block joined the best chain on top of all others.
    Tip(Tip),
    /// The best chain became another one.
    Reorg(Reorg),
    /// A pending transaction changed.
    Transaction {
        /// The transaction.
        transaction: PendingTransaction,
        /// What became of it.
        became: TransactionChange,
    },
    /// A peer changed.
    Peer {
        /// Its address.
        address: PeerAddress,
        /// What became of it.
        became: PeerChange,
    },
}

/// The end of the best chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tip {
    /// The block's id and index.
    pub place: BlockId,
    /// The hash of the block before it.
    pub previous_hash: Option<Hash>,
    /// The work of the chain, as a big-endian number.
    pub work: Hash,
    /// How many transactions it has, the coin included.
    pub transactions: usize,
    /// The recipient of its coin, if the name has at most 1,000 bytes.
    pub miner: Option<String>,
}

/// A change of the best chain that undid blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reorg {
    /// The last block that both chains have; none if they begin with different first blocks.
    pub fork: Option<BlockId>,
    /// The first 1,000 of the blocks that left, the former tip first.
    pub left: Vec<BlockId>,
    /// How many blocks left.
    pub left_count: usize,
    /// The work of the chain that was left, as a big-endian number.
    pub left_work: Hash,
    /// The first 1,000 of the blocks that joined, the lowest first.
    pub joined: Vec<BlockId>,
    /// How many blocks joined.
    pub joined_count: usize,
    /// How many transactions of the blocks that left wait again.
    pub waiting: usize,
    /// The new tip.
    pub tip: Tip,
}

/// The most blocks that a reorg lists each way.
pub(super) const MAX_LISTED: usize = 1_000;

/// The longest name of a miner that an event has.
pub(super) const MAX_MINER_BYTES: usize = 1_000;

impl Event {
    fn bytes(&self) -> usize {
        let variable = match self {
            Self::Tip(tip) => tip.bytes(),
            Self::Reorg(reorg) => {
                (reorg.left.len() + reorg.joined.len()) * size_of::<BlockId>() + reorg.tip.bytes()
            }
            Self::Transaction { transaction, .. } => transaction.text().len(),
            Self::Peer { address, became } => {
                let why = if let PeerChange::Fails { why } = became { why.len() } else { 0 };
                address.as_str().len() + why
            }
        };
        EVENT_BYTES + variable
    }
}

impl Tip {
    fn bytes(&self) -> usize {
        self.miner.as_ref().map_or(0, String::len)
    }
}

/// The latest events, and a way to wait for the next.
#[derive(Debug)]
pub struct Feed {
    ring: RwLock<Ring>,
    latest: watch::Sender<u64>,
}

#[derive(Debug, Default)]
struct Ring {
    events: VecDeque<Event>,
    bytes: usize,
    /// The number of the latest event; the first one is 1.
    latest: u64,
}

impl Default for Feed {
    fn default() -> Self {
        Self { ring: RwLock::default(), latest: watch::channel(0).0 }
    }
}

impl Feed {
    /// Adds events; `None` stands for more than can be told one by one: followers have missed that,
    /// and read the status anew. Returns the number of the latest event.
    pub(super) fn publish(&self, events: impl IntoIterator<Item = Option<Event>>) -> u64 {
        let mut ring = self.ring.write().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            ring.latest += 1;
            let Some(event) = event else {
                (ring.events, ring.bytes) = (VecDeque::new(), 0);
                continue;
            };
            ring.bytes += event.bytes();
            ring.events.push_back(event);
            while ring.events.len() > MAX_EVENTS || ring.bytes > MAX_BYTES {
                let Some(oldest) = ring.events.pop_front() else { break };
                ring.bytes -= oldest.bytes();
            }
        }
        let latest = ring.latest;
        drop(ring);
        self.latest.send_if_modified(|told| std::mem::replace(told, latest) != latest);
        latest
    }

    fn ring(&self) -> RwLockReadGuard<'_, Ring> {
        self.ring.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The number of the latest event, 0 if there was none.
    pub fn latest(&self) -> u64 {
        self.ring().latest
    }

    /// At most `most` of the events after the one with this number, in order, each with its number;
    /// `None` if some of them are no longer there, or there was none with this number.
    pub fn after(&self, number: u64, most: usize) -> Option<Vec<(u64, Event)>> {
        let ring = self.ring();
        let missing = ring.latest.checked_sub(number)?;
        let missing = usize::try_from(missing).ok().filter(|all| *all <= ring.events.len())?;
        let first = ring.events.len() - missing;
        let events = ring.events.range(first..).take(most).cloned();
        Some((number + 1..).zip(events).collect())
    }

    /// Waits until there is an event after the one with this number.
    pub async fn grown(&self, number: u64) {
        // The sender lives as long as the feed does.
        let _ = self.latest.subscribe().wait_for(|latest| *latest > number).await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn event(text: &str) -> Event {
        let address = format!("{text}:1").parse().expect("an address");
        Event::Peer { address, became: PeerChange::Added }
    }

    fn numbers(feed: &Feed, after: u64, most: usize) -> Option<Vec<u64>> {
        let events = feed.after(after, most)?;
        Some(events.into_iter().map(|(number, _)| number).collect())
    }

    #[test]
    fn a_follower_goes_on_where_it_was_or_hears_that_it_missed_something() {
        let feed = Feed::default();
        assert_eq!(numbers(&feed, 0, 9), Some(vec![]));
        assert_eq!(numbers(&feed, 1, 9), None, "nothing had that number yet");
        assert_eq!(feed.publish(["a", "b", "c"].map(|name| Some(event(name)))), 3);
        assert_eq!(numbers(&feed, 0, 9), Some(vec![1, 2, 3]));
        assert_eq!(numbers(&feed, 1, 1), Some(vec![2]));
        assert_eq!(feed.after(1, 1).expect("there")[0].1, event("b"));
        assert_eq!(numbers(&feed, 3, 9), Some(vec![]));
        assert_eq!(numbers(&feed, 4, 9), None);
        feed.publish((0..MAX_EVENTS).map(|_| Some(event("d"))));
        let latest = feed.latest();
        assert_eq!(latest, MAX_EVENTS as u64 + 3);
        assert_eq!(numbers(&feed, 2, 9), None, "the third is gone");
        assert_eq!(numbers(&feed, 3, 1), Some(vec![4]));
    }

    #[test]
    fn long_events_leave_sooner() {
        let feed = Feed::default();
        let why = "w".repeat(MAX_BYTES / 4);
        let address: PeerAddress = "a:1".parse().expect("an address");
        let event = Event::Peer { address, became: PeerChange::Fails { why } };
        feed.publish([(); 9].map(|()| Some(event.clone())));
        assert_eq!((numbers(&feed, 5, 9), numbers(&feed, 6, 9)), (None, Some(vec![7, 8, 9])));
    }

    #[test]
    fn what_is_too_much_to_tell_sends_everybody_back_to_the_status() {
        let feed = Feed::default();
        feed.publish([Some(event("a")), None, Some(event("b"))]);
        assert_eq!((numbers(&feed, 0, 9), numbers(&feed, 1, 9)), (None, None));
        assert_eq!(numbers(&feed, 2, 9), Some(vec![3]));
    }

    #[tokio::test]
    async fn who_waits_hears_of_the_next_one() {
        let feed = Arc::new(Feed::default());
        let waiting = tokio::spawn({
            let feed = feed.clone();
            async move { feed.grown(0).await }
        });
        tokio::task::yield_now().await;
        feed.publish([Some(event("a"))]);
        waiting.await.expect("no panic");
    }
}
