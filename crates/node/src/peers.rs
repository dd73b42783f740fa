//! The peers: which of them to tell of a new tip, and which to ask for missing blocks.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Reverse;

use blocksmith_consensus::{Hash, Timestamp};

use crate::address::PeerAddress;
use crate::interface::{Health, PeerReport, Registered};

/// The most peers that a node keeps.
pub const MAX_PEERS: usize = 256;

/// The most addresses that a node remembers as its own; loopback alone has millions.
const MAX_OWN: usize = 64;

/// How long after an answer the node asks a peer again by itself.
const POLL_MICROS: u64 = 10_000_000;

/// The shortest time between two questions to a peer, however many orphans arrive.
const MIN_ASK_MICROS: u64 = 500_000;

/// The wait after the first failure; it doubles with each further one.
const BACK_OFF_MICROS: u64 = 1_000_000;

/// The longest wait between two tries at a peer that does not answer any more.
const MAX_BACK_OFF_MICROS: u64 = 60_000_000;

/// The same for one that never answered: its address may be mistyped, or out of date.
const MAX_UNHEARD_BACK_OFF_MICROS: u64 = 3_600_000_000;

/// The same if the operator chose it: it may start later.
const MAX_CHOSEN_BACK_OFF_MICROS: u64 = 600_000_000;

/// How many peers the node asks at the same time, so that one orphan does not make a whole class
/// send its chains.
const MAX_ASKING: usize = 4;

/// How many of these may be peers that failed last or never were of use, so that neither dead
/// addresses nor stalling peers keep the others waiting.
const MAX_ASKING_DOUBTFUL: usize = 2;

/// What a peer's last answer showed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum LastAnswer {
    /// It has not answered since it joined or failed.
    #[default]
    Unheard,
    /// It had another tip than this node.
    Apart,
    /// It had the same tip as this node.
    InStep,
}

#[derive(Debug, Default, Clone)]
struct Peer {
    /// The last tip that it is known to have.
    tip: Option<Hash>,
    asking: bool,
    standing: LastAnswer,
    /// The node should ask it as soon as [`MIN_ASK_MICROS`] allows.
    wanted: bool,
    /// The earliest round of questions to all that waits for its answer.
    round: Option<u64>,
    /// The operator chose it.
    chosen: bool,
    /// It is in the store, so a restart does not forget it.
    kept: bool,
    /// It has answered, now or in an earlier run.
    heard: bool,
    /// It has answered in this run.
    answered: bool,
    /// When it began to answer, or to fail.
    turned: Timestamp,
    /// Why it failed last.
    why: String,
    /// How often it was of use. A failure halves the number, but not to zero: a peer that was ever
    /// of use ranks above one that never was, and one that is always of use above one that is so
    /// now and then.
    useful: u32,
    /// How often it failed since it answered last.
    failures: u32,
    /// When it became a peer.
    since: Timestamp,
    /// When the node last asked it; before that, when it became a peer.
    last_asked: Timestamp,
    next_poll: Timestamp,
}

impl Peer {
    fn is_due(&self, now: Timestamp) -> bool {
        let wanted =
            self.wanted && self.failures == 0 && after(self.last_asked, MIN_ASK_MICROS) <= now;
        // A clock that was set back is no reason to wait until it catches up.
        let set_back = now < self.last_asked;
        !self.asking && (self.round.is_some() || wanted || self.next_poll <= now || set_back)
    }

    fn is_doubtful(&self) -> bool {
        self.failures > 0 || !self.chosen && self.useful == 0
    }

    /// Whether a new address may replace it.
    fn may_go_for(&self, chosen: bool) -> bool {
        let never_of_use = self.failures > 0 && self.useful == 0;
        // The result of a call that is under way would be lost.
        !self.chosen && !self.asking && (never_of_use || chosen)
    }
}

/// What else a peer's answer means.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answered {
    /// It never answered before.
    pub(crate) first: bool,
    /// It failed or was silent before, and answers now.
    pub(crate) turned: Option<Again>,
    /// It may lack payments that the node relayed: it was away, not a peer yet, or on another
    /// chain, where it may have had to refuse them.
    pub(crate) may_lack: bool,
}

/// Whether a peer that answers did so earlier in this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Again(pub(crate) bool);

/// The party that names a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Namer {
    /// A client or another peer.
    Anybody,
    /// The operator, at each start of the node.
    Start,
    /// The operator, once.
    Operator,
}

/// What became of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Added {
    pub(crate) registered: Registered,
    /// The peer that it replaced.
    pub(crate) instead_of: Option<PeerAddress>,
    /// Whether the caller should store it now.
    pub(crate) keep: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Peers {
    known: BTreeMap<PeerAddress, Peer>,
    /// The addresses at which this node itself is reached.
    own: Vec<PeerAddress>,
    /// Whether the node next asks the longest unasked peer, not the most useful: they take turns.
    longest_unasked: bool,
    /// How many rounds of questions to all have begun.
    rounds: u64,
}

impl Peers {
    /// Creates the list from stored peers: `heard` have answered in an earlier run, `unheard`
    /// never.
    pub(crate) fn new(
        heard: Vec<PeerAddress>,
        unheard: Vec<PeerAddress>,
        own: Vec<PeerAddress>,
    ) -> Self {
        let mut peers = Self { own, ..Self::default() };
        let heard = heard.into_iter().map(|address| (address, true));
        for (address, heard) in heard.chain(unheard.into_iter().map(|address| (address, false))) {
            peers.add(address.clone(), Namer::Anybody, Timestamp::default());
            if let Some(peer) = peers.known.get_mut(&address) {
                peer.heard |= heard;
            }
        }
        peers
    }

    pub(crate) fn addresses(&self) -> Vec<PeerAddress> {
        self.known.keys().cloned().collect()
    }

    pub(crate) fn knows(&self, address: &PeerAddress) -> bool {
        self.known.contains_key(address)
    }

    /// The peers whose last call did not fail.
    pub(crate) fn reachable(&self) -> impl Iterator<Item = &PeerAddress> {
        self.known.iter().filter(|(_, peer)| peer.failures == 0).map(|(address, _)| address)
    }

    /// Adds a peer. If there are [`MAX_PEERS`], it takes the place of one that failed and never was
    /// of use, the oldest first. If there is none, a peer that the operator chose takes the place
    /// of the least useful.
    ///
    /// If a peer that does not answer is named again, the node asks it sooner.
    pub(crate) fn add(&mut self, address: PeerAddress, namer: Namer, now: Timestamp) -> Added {
        let added = |registered| Added { registered, instead_of: None, keep: false };
        if self.own.contains(&address) {
            return added(Registered::Itself);
        }
        let chosen = namer != Namer::Anybody;
        // The operator gives these addresses at each start: they are stored once a peer has
        // answered there.
        let keep = namer != Namer::Start;
        if let Some(peer) = self.known.get_mut(&address) {
            peer.chosen |= chosen;
            let wait = if chosen { MIN_ASK_MICROS } else { MAX_BACK_OFF_MICROS };
            peer.next_poll = peer.next_poll.min(after(peer.last_asked, wait));
            let keep = keep && !peer.kept;
            peer.kept |= keep;
            return Added { keep, ..added(Registered::Known) };
        }
        let mut instead_of = None;
        if self.known.len() >= MAX_PEERS {
            let may_go = self.known.iter().filter(|(_, peer)| peer.may_go_for(chosen));
            let goes = may_go.min_by_key(|(_, peer)| (peer.useful, peer.failures == 0, peer.since));
            let Some((goes, _)) = goes else { return added(Registered::NoRoom) };
            let goes = goes.clone();
            self.known.remove(&goes);
            instead_of = Some(goes);
        }
        let peer = Peer {
            chosen,
            kept: keep,
            since: now,
            turned: now,
            last_asked: now,
            ..Peer::default()
        };
        self.known.insert(address, peer);
        Added { registered: Registered::New, instead_of, keep }
    }

    /// Two addresses turned out to be one node: forgets one of them, and returns it. Since a node
    /// may lie about its identity, the address that the operator chose stays, or else the one that
    /// came first.
    pub(crate) fn same(&mut self, one: &PeerAddress, other: &PeerAddress) -> Option<PeerAddress> {
        let worth = |peer: &Peer| (peer.chosen, Reverse(peer.since));
        let (a, b) = (self.known.get(one)?, self.known.get(other)?);
        let (goes, stays) = if worth(a) > worth(b) { (other, one) } else { (one, other) };
        let (goes, gone) = self.known.remove_entry(goes)?;
        if let Some(peer) = self.known.get_mut(stays) {
            peer.chosen |= gone.chosen;
        }
        Some(goes)
    }

    /// The state of each peer.
    pub(crate) fn reports(&self) -> impl Iterator<Item = PeerReport> {
        self.known.iter().map(|(address, peer)| PeerReport {
            address: address.clone(),
            chosen: peer.chosen,
            health: match (peer.failures, peer.standing) {
                (0, LastAnswer::Unheard) => Health::New,
                (0, _) => Health::Answers,
                (times, _) => Health::Fails { times, why: peer.why.clone() },
            },
            since: peer.turned,
            asked_again: (!peer.asking).then_some(peer.next_poll),
        })
    }

    /// Remembers that an address is this node itself.
    pub(crate) fn is_self(&mut self, address: &PeerAddress) -> Option<PeerAddress> {
        if !self.own.contains(address) && self.own.len() < MAX_OWN {
            self.own.push(address.clone());
        }
        self.remove(address)
    }

    /// Forgets a peer, and returns the address that it was known by.
    pub(crate) fn remove(&mut self, address: &PeerAddress) -> Option<PeerAddress> {
        self.known.remove_entry(address).map(|(address, _)| address)
    }

    /// Notes that a peer has this block.
    pub(crate) fn has(&mut self, address: &PeerAddress, tip: Hash) {
        if let Some(peer) = self.known.get_mut(address) {
            peer.tip = Some(tip);
        }
    }

    /// Notes that a peer answered with its tip, while `ours` is this node's tip.
    pub(crate) fn answered(
        &mut self,
        address: &PeerAddress,
        tip: Option<Hash>,
        ours: Hash,
        now: Timestamp,
    ) -> Answered {
        let Some(peer) = self.known.get_mut(address) else { return Answered::default() };
        peer.asking = false;
        peer.round = None;
        peer.next_poll = after(now, POLL_MICROS);
        if peer.failures > 0 || peer.standing == LastAnswer::Unheard {
            peer.turned = now;
        }
        peer.failures = 0;
        let Some(tip) = tip else { return Answered::default() };
        peer.tip = Some(tip);
        let first = !core::mem::replace(&mut peer.heard, true);
        peer.kept = true;
        let standing = if tip == ours { LastAnswer::InStep } else { LastAnswer::Apart };
        if standing == LastAnswer::InStep {
            peer.useful = peer.useful.saturating_add(1);
        }
        let before = core::mem::replace(&mut peer.standing, standing);
        let again = Again(core::mem::replace(&mut peer.answered, true));
        let turned = (before == LastAnswer::Unheard).then_some(again);
        let may_lack = before == LastAnswer::Unheard
            || before == LastAnswer::Apart && standing == LastAnswer::InStep;
        Answered { first, turned, may_lack }
    }

    /// Notes that blocks which the node asked this peer for moved the tip.
    pub(crate) fn brought_us_on(&mut self, address: &PeerAddress) {
        if let Some(peer) = self.known.get_mut(address) {
            peer.useful = peer.useful.saturating_add(1);
        }
    }

    /// Notes that a peer did not answer, or that its answer was of no use, and why. Returns whether
    /// this is its first failure in a row.
    pub(crate) fn failed(&mut self, address: &PeerAddress, why: String, now: Timestamp) -> bool {
        let mut turned = false;
        if let Some(peer) = self.known.get_mut(address) {
            peer.asking = false;
            peer.round = None;
            peer.standing = LastAnswer::Unheard;
            peer.useful = peer.useful.div_ceil(2);
            turned = peer.failures == 0;
            if turned {
                peer.turned = now;
            }
            peer.why = why;
            let most = match (peer.heard, peer.chosen) {
                (true, _) => MAX_BACK_OFF_MICROS,
                (false, true) => MAX_CHOSEN_BACK_OFF_MICROS,
                (false, false) => MAX_UNHEARD_BACK_OFF_MICROS,
            };
            let wait = BACK_OFF_MICROS << peer.failures.min(12);
            peer.failures = peer.failures.saturating_add(1);
            peer.next_poll = after(now, wait.min(most));
        }
        turned
    }

    /// Marks every peer to be asked soon.
    pub(crate) fn want_all(&mut self) {
        for peer in self.known.values_mut() {
            peer.wanted = true;
        }
    }

    /// Begins a round of questions to all peers, and returns its number. A call that is under way
    /// counts for the round.
    pub(crate) fn ask_all(&mut self) -> u64 {
        self.rounds += 1;
        for peer in self.known.values_mut() {
            peer.round.get_or_insert(self.rounds);
        }
        self.rounds
    }

    /// The latest round that is over, as all before it are.
    pub(crate) fn rounds_over(&self) -> u64 {
        let first = self.known.values().filter_map(|peer| peer.round).min();
        first.map_or(self.rounds, |first| first - 1)
    }

    /// Returns the peers to ask now, the most useful and the longest unasked in turns, so that the
    /// former are asked soon and the latter in the end. With each goes whether a round waits for
    /// its answer. They count as being asked from now on.
    pub(crate) fn due(&mut self, now: Timestamp) -> Vec<(PeerAddress, bool)> {
        let mut due = Vec::new();
        while let Some(address) = self.next_due(now) {
            let mut closely = false;
            if let Some(peer) = self.known.get_mut(&address) {
                peer.asking = true;
                peer.wanted = false;
                peer.last_asked = now;
                closely = peer.round.is_some();
            }
            due.push((address, closely));
        }
        due
    }

    fn next_due(&mut self, now: Timestamp) -> Option<PeerAddress> {
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
        // A peer that was the only one due uses up no turn.
        self.longest_unasked ^= due.len() > 1;
        next
    }

    /// Returns the peers to tell of a tip: those that answer and are not known to have it. Each is
    /// told once.
    pub(crate) fn untold(&mut self, tip: Hash) -> Vec<PeerAddress> {
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
