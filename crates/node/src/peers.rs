//! Whom to tell of a new tip, and whom to ask for what is missing.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Reverse;

use blocksmith_consensus::{Hash, Timestamp};

use crate::address::PeerAddress;
use crate::interface::{Health, PeerReport, Registered};

/// The most peers that a node keeps.
pub const MAX_PEERS: usize = 256;

/// The most names that a node keeps for itself; loopback alone has millions.
const MAX_OWN: usize = 64;

/// How long after an answer a peer is asked again unprompted.
const POLL_MICROS: u64 = 10_000_000;

/// However often blocks don't fit, a peer is not asked more often than this.
const MIN_ASK_MICROS: u64 = 500_000;

/// The wait after the first failure; it doubles with each further one.
const BACK_OFF_MICROS: u64 = 1_000_000;

/// The longest wait between two tries at a peer that does not answer any more.
const MAX_BACK_OFF_MICROS: u64 = 60_000_000;

/// The same for one that never answered: its address may be mistyped, or out of date.
const MAX_UNHEARD_BACK_OFF_MICROS: u64 = 3_600_000_000;

/// The same if whoever runs the node named it, who may start it later.
const MAX_CHOSEN_BACK_OFF_MICROS: u64 = 600_000_000;

/// How many peers are asked at the same time, so that one strange block does not make a whole
/// class send its chains.
const MAX_ASKING: usize = 4;

/// How many of these may be peers that failed last or never were of use: neither dead addresses nor
/// those that stall keep the others waiting.
const MAX_ASKING_DOUBTFUL: usize = 2;

/// What a peer's last answer showed.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum LastAnswer {
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
    standing: LastAnswer,
    /// It should be asked as soon as it may be.
    wanted: bool,
    /// The first round of questions to all that waits for its answer.
    round: Option<u64>,
    /// Whoever runs the node chose it.
    chosen: bool,
    /// It is in the store, and so outlasts restarts.
    kept: bool,
    /// It has answered, now or in an earlier run.
    heard: bool,
    /// It has answered in this run.
    answered: bool,
    /// Since when it answers or fails, whichever it does.
    turned: Timestamp,
    /// Why it failed last.
    why: String,
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
        !self.asking && (self.round.is_some() || wanted || self.next_poll <= now || set_back)
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

/// What a peer's answer means besides.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Answered {
    /// It never answered before.
    pub(crate) first: bool,
    /// It did not answer before, and whether it did earlier in this run.
    pub(crate) turned: Option<Again>,
    /// It may lack payments that its peers were told: it was away, or none, or on another chain,
    /// where it may have had to refuse them.
    pub(crate) may_lack: bool,
}

/// Whether a peer that answers did so earlier in this run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Again(pub(crate) bool);

/// Who names a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Namer {
    /// Anybody.
    Anybody,
    /// Whoever runs the node, each time that it starts.
    Start,
    /// Whoever runs the node, once.
    Operator,
}

/// What became of an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Added {
    pub(crate) registered: Registered,
    /// It takes the place of this one.
    pub(crate) instead_of: Option<PeerAddress>,
    /// It is to be kept from here on.
    pub(crate) keep: bool,
}

#[derive(Debug, Default)]
pub(crate) struct Peers {
    known: BTreeMap<PeerAddress, Peer>,
    /// The addresses under which this node itself is reached.
    own: Vec<PeerAddress>,
    /// Whether the next to be asked is the longest unasked, not the most useful: they take turns.
    longest_unasked: bool,
    /// How many rounds of questions to all there were.
    rounds: u64,
}

impl Peers {
    /// Those that were kept, of which some have answered in an earlier run and others never.
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

    /// Those that answered last time.
    pub(crate) fn reachable(&self) -> impl Iterator<Item = &PeerAddress> {
        self.known.iter().filter(|(_, peer)| peer.failures == 0).map(|(address, _)| address)
    }

    /// Adds a peer. If there are as many as may be, it takes the place of one that failed and never
    /// was of use, the oldest first; one that whoever runs the node chose, if there is none, that of
    /// the least useful.
    ///
    /// A peer that does not answer, and is named again, is asked again sooner.
    pub(crate) fn add(&mut self, address: PeerAddress, namer: Namer, now: Timestamp) -> Added {
        let added = |registered| Added { registered, instead_of: None, keep: false };
        if self.own.contains(&address) {
            return added(Registered::Itself);
        }
        let chosen = namer != Namer::Anybody;
        // What is typed at each start need not be kept before it has shown to be right.
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

    /// Two addresses turned out to be one node: forgets the one that has less to say for itself, and
    /// says which. A node may lie about who it is: it takes the place of none that was here before,
    /// or that whoever runs the node chose.
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

    /// How each of them stands.
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

    /// Forgets a peer; the address that it was kept under.
    pub(crate) fn remove(&mut self, address: &PeerAddress) -> Option<PeerAddress> {
        self.known.remove_entry(address).map(|(address, _)| address)
    }

    /// Notes that a peer has this block.
    pub(crate) fn has(&mut self, address: &PeerAddress, tip: Hash) {
        if let Some(peer) = self.known.get_mut(address) {
            peer.tip = Some(tip);
        }
    }

    /// Notes that a peer answered, with its tip, while `ours` is ours.
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

    /// Notes that blocks of a peer, which was asked, became the best chain.
    pub(crate) fn brought_us_on(&mut self, address: &PeerAddress) {
        if let Some(peer) = self.known.get_mut(address) {
            peer.useful = peer.useful.saturating_add(1);
        }
    }

    /// Notes that a peer did not answer, or not with anything of use, and why; whether it did before.
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

    /// Wishes that every peer be asked soon.
    pub(crate) fn want_all(&mut self) {
        for peer in self.known.values_mut() {
            peer.wanted = true;
        }
    }

    /// Begins a round of questions to all, which a peer that is being asked answers with that; the
    /// round's number.
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

    /// Whom to ask now, the most useful and the longest unasked in turns: the former wait for
    /// nobody, and the latter not for ever. Of each, whether a round waits for its answer. They count
    /// as being asked from here on.
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
        // Whoever has no rival takes nobody's turn.
        self.longest_unasked ^= due.len() > 1;
        next
    }

    /// Whom to tell of a tip: those that answer and are not known to have it. Each is told once.
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
