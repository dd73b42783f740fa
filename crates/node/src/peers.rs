//! Whom to tell of a new tip, and whom to ask for what is missing.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::cmp::Reverse;
use core::fmt;
use core::str::FromStr;

use blocksmith_consensus::{Hash, Timestamp};

/// The most peers that a node keeps.
pub const MAX_PEERS: usize = 256;

/// The most names that a node keeps for itself; loopback alone has millions.
const MAX_OWN: usize = 64;

/// The longest host and port.
const MAX_ADDRESS_BYTES: usize = 260;

/// How long after an answer a peer is asked again unprompted.
const POLL_MICROS: u64 = 10_000_000;

/// However often blocks don't fit, a peer is not asked more often than this.
const MIN_ASK_MICROS: u64 = 500_000;

/// The wait after the first failure; it doubles with each further one.
const BACK_OFF_MICROS: u64 = 1_000_000;

/// The longest wait between two tries at a peer that does not answer.
const MAX_BACK_OFF_MICROS: u64 = 60_000_000;

/// How many peers are asked at the same time, so that one strange block does not make a whole
/// class send its chains.
const MAX_ASKING: usize = 4;

/// How many of these may be peers that failed last or never were of use: neither dead addresses nor
/// those that stall keep the others waiting.
const MAX_ASKING_DOUBTFUL: usize = 2;

/// Where a peer listens: host and port alone, as the course's nodes keep it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(String);

/// A text that names no peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} names no peer; write a host and a port, like localhost:5001")]
pub struct BadAddress(pub String);

impl Address {
    /// Host and port, as in `localhost:5001`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// From `http://h:1`, `https://h:1/any/path`, `h:1` or `h`.
impl FromStr for Address {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let bad = || BadAddress(text.chars().take(80).collect());
        let rest = text.trim();
        let rest = rest.split_once("://").map_or(rest, |(_, rest)| rest);
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let rest = &rest[..end];
        let (host, port) = match rest.strip_prefix('[') {
            Some(bracketed) => {
                let (host, port) = bracketed.split_once(']').ok_or_else(bad)?;
                if host.is_empty()
                    || !host.bytes().all(|b| b.is_ascii_hexdigit() || b":.".contains(&b))
                {
                    return Err(bad());
                }
                let port = match port {
                    "" => None,
                    port => Some(port.strip_prefix(':').ok_or_else(bad)?),
                };
                (&rest[..host.len() + 2], port)
            }
            None => {
                let (host, port) = match rest.split_once(':') {
                    Some((host, port)) => (host, Some(port)),
                    None => (rest, None),
                };
                let fits = |b: u8| b.is_ascii_alphanumeric() || b"-._".contains(&b);
                // Digits alone are a port without its host.
                if host.bytes().all(|b| b.is_ascii_digit()) || !host.bytes().all(fits) {
                    return Err(bad());
                }
                (host, port)
            }
        };
        if rest.len() > MAX_ADDRESS_BYTES {
            return Err(bad());
        }
        let host = host.to_ascii_lowercase();
        Ok(Self(match port {
            Some(port) => {
                let digits = port.bytes().all(|b| b.is_ascii_digit());
                let port: u16 = port.parse().ok().filter(|&p| digits && p > 0).ok_or_else(bad)?;
                alloc::format!("{host}:{port}")
            }
            None => host.to_string(),
        }))
    }
}

/// What a peer's last answer showed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Standing {
    /// There was none since it is a peer, or failed.
    #[default]
    Unheard,
    /// It was on another tip than we are.
    Apart,
    /// It was where we are.
    InStep,
}

#[derive(Debug, Default, Clone)]
struct Peer {
    /// The last tip that it is known to have.
    tip: Option<Hash>,
    asking: bool,
    standing: Standing,
    /// It should be asked as soon as it may be.
    wanted: bool,
    /// Whoever runs the node chose it.
    chosen: bool,
    /// How often it was of use. A failure halves it: once it was, it comes before those that never
    /// were, and who is of use each time before who is in turns.
    useful: u32,
    /// How often it failed since it answered last.
    failures: u32,
    /// Since when it is a peer.
    since: Timestamp,
    /// Since then if it never was.
    last_asked: Timestamp,
    next_poll: Timestamp,
}

impl Peer {
    fn is_due(&self, now: Timestamp) -> bool {
        let wanted =
            self.wanted && self.failures == 0 && after(self.last_asked, MIN_ASK_MICROS) <= now;
        // A clock that was set back is no reason to wait until it catches up.
        let set_back = now < self.last_asked;
        !self.asking && (wanted || self.next_poll <= now || set_back)
    }

    fn is_doubtful(&self) -> bool {
        self.failures > 0 || !self.chosen && self.useful == 0
    }

    /// Whether a new address may take its place.
    fn may_go_for(&self, chosen: bool) -> bool {
        let never_of_use = self.failures > 0 && self.useful == 0;
        // What still runs would count for nobody.
        !self.chosen && !self.asking && (never_of_use || chosen)
    }
}

/// What became of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Added {
    /// It is known, this node itself, or one too many.
    No,
    New,
    /// It took the place of this one.
    InsteadOf(Address),
}

#[derive(Debug, Default)]
pub(crate) struct Peers {
    known: BTreeMap<Address, Peer>,
    /// The addresses under which this node itself is reached.
    own: Vec<Address>,
    /// Whether the next to be asked is the longest unasked, not the most useful: they take turns.
    longest_unasked: bool,
}

impl Peers {
    pub(crate) fn new(known: impl IntoIterator<Item = Address>, own: Vec<Address>) -> Self {
        let mut peers = Self { own, ..Self::default() };
        for address in known {
            peers.add(address, false, Timestamp::default());
        }
        peers
    }

    pub(crate) fn addresses(&self) -> Vec<Address> {
        self.known.keys().cloned().collect()
    }

    pub(crate) fn knows(&self, address: &Address) -> bool {
        self.known.contains_key(address)
    }

    /// Those that answered last time.
    pub(crate) fn reachable(&self) -> impl Iterator<Item = &Address> {
        self.known.iter().filter(|(_, peer)| peer.failures == 0).map(|(address, _)| address)
    }

    /// Adds a peer, which whoever runs the node may have chosen. If there are as many as may be, it
    /// takes the place of one that failed and never was of use, the oldest first; a chosen one, if
    /// there is none, that of the least useful.
    pub(crate) fn add(&mut self, address: Address, chosen: bool, now: Timestamp) -> Added {
        if self.own.contains(&address) {
            return Added::No;
        }
        if let Some(peer) = self.known.get_mut(&address) {
            peer.chosen |= chosen;
            return Added::No;
        }
        let mut added = Added::New;
        if self.known.len() >= MAX_PEERS {
            let may_go = self.known.iter().filter(|(_, peer)| peer.may_go_for(chosen));
            let goes = may_go.min_by_key(|(_, peer)| (peer.useful, peer.failures == 0, peer.since));
            let Some((goes, _)) = goes else { return Added::No };
            let goes = goes.clone();
            self.known.remove(&goes);
            added = Added::InsteadOf(goes);
        }
        let peer = Peer { chosen, since: now, last_asked: now, ..Peer::default() };
        self.known.insert(address, peer);
        added
    }

    /// Remembers that an address is this node itself.
    pub(crate) fn is_self(&mut self, address: &Address) -> bool {
        if !self.own.contains(address) && self.own.len() < MAX_OWN {
            self.own.push(address.clone());
        }
        self.known.remove(address).is_some()
    }

    /// Forgets a peer; the address that it was kept under.
    pub(crate) fn remove(&mut self, address: &Address) -> Option<Address> {
        self.known.remove_entry(address).map(|(address, _)| address)
    }

    /// Notes that a peer has this block.
    pub(crate) fn has(&mut self, address: &Address, tip: Hash) {
        if let Some(peer) = self.known.get_mut(address) {
            peer.tip = Some(tip);
        }
    }

    /// Notes that a peer answered, with its tip, while `ours` is ours; whether it may lack payments
    /// that its peers were told: it was away, or none, or on another chain, where it may have had to
    /// refuse them.
    pub(crate) fn answered(
        &mut self,
        address: &Address,
        tip: Option<Hash>,
        ours: Hash,
        now: Timestamp,
    ) -> bool {
        let Some(peer) = self.known.get_mut(address) else { return false };
        peer.asking = false;
        peer.failures = 0;
        peer.next_poll = after(now, POLL_MICROS);
        let Some(tip) = tip else { return false };
        peer.tip = Some(tip);
        let standing = if tip == ours { Standing::InStep } else { Standing::Apart };
        if standing == Standing::InStep {
            peer.useful = peer.useful.saturating_add(1);
        }
        match (core::mem::replace(&mut peer.standing, standing), standing) {
            (Standing::Unheard, _) | (Standing::Apart, Standing::InStep) => true,
            (Standing::Apart | Standing::InStep, _) => false,
        }
    }

    /// Notes that blocks of a peer, which was asked, became the best chain.
    pub(crate) fn brought_us_on(&mut self, address: &Address) {
        if let Some(peer) = self.known.get_mut(address) {
            peer.useful = peer.useful.saturating_add(1);
        }
    }

    /// Notes that a peer did not answer, or not with anything of use.
    pub(crate) fn failed(&mut self, address: &Address, now: Timestamp) {
        if let Some(peer) = self.known.get_mut(address) {
            peer.asking = false;
            peer.standing = Standing::Unheard;
            peer.useful = peer.useful.div_ceil(2);
            let wait = BACK_OFF_MICROS << peer.failures.min(10);
            peer.failures = peer.failures.saturating_add(1);
            peer.next_poll = after(now, wait.min(MAX_BACK_OFF_MICROS));
        }
    }

    /// Wishes that every peer be asked soon.
    pub(crate) fn want_all(&mut self) {
        for peer in self.known.values_mut() {
            peer.wanted = true;
        }
    }

    /// Whom to ask now, the most useful and the longest unasked in turns: the former wait for
    /// nobody, and the latter not for ever. They count as being asked from here on.
    pub(crate) fn due(&mut self, now: Timestamp) -> Vec<Address> {
        let mut due = Vec::new();
        while let Some(address) = self.next_due(now) {
            if let Some(peer) = self.known.get_mut(&address) {
                peer.asking = true;
                peer.wanted = false;
                peer.last_asked = now;
            }
            due.push(address);
        }
        due
    }

    fn next_due(&mut self, now: Timestamp) -> Option<Address> {
        let asking = self.known.values().filter(|peer| peer.asking);
        let (doubtful, others): (Vec<_>, Vec<_>) = asking.partition(|peer| peer.is_doubtful());
        if doubtful.len() + others.len() >= MAX_ASKING {
            return None;
        }
        let room = doubtful.len() < MAX_ASKING_DOUBTFUL;
        let fits = |peer: &Peer| peer.is_due(now) && (room || !peer.is_doubtful());
        let due: Vec<_> = self.known.iter().filter(|(_, peer)| fits(peer)).collect();
        let next = match self.longest_unasked {
            true => due.iter().min_by_key(|(_, peer)| peer.last_asked),
            false => due.iter().min_by_key(|(_, peer)| {
                (Reverse(peer.chosen), Reverse(peer.useful), peer.last_asked)
            }),
        };
        let next = next.map(|(address, _)| (*address).clone());
        // Whoever has no rival takes nobody's turn.
        self.longest_unasked ^= due.len() > 1;
        next
    }

    /// Whom to tell of a tip: those that answer and are not known to have it. Each is told once.
    pub(crate) fn untold(&mut self, tip: Hash) -> Vec<Address> {
        let mut to = Vec::new();
        for (address, peer) in &mut self.known {
            if peer.failures == 0 && peer.tip != Some(tip) {
                peer.tip = Some(tip);
                to.push(address.clone());
            }
        }
        to
    }
}

fn after(now: Timestamp, wait_micros: u64) -> Timestamp {
    Timestamp { micros: now.micros.saturating_add(wait_micros) }
}
