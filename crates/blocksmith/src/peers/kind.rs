//! What kind of node a peer is, and what this node remembers of it. Both are learned by asking.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use blocksmith_consensus::block::MAX_BLOCK_BYTES;
use blocksmith_consensus::json::{self, Kind as Json, Value};
use blocksmith_consensus::payment::Verified;
use blocksmith_consensus::{Block, Hash, Timestamp, U256};
use blocksmith_node::PeerAddress;

use super::call::{Connection, MAX_SHORT_BYTES};
use super::failure::Failure;
use super::tip::Tip;
use super::{MAX_REMEMBERED, Network};
use crate::chain::Differences;
use crate::service::{self, Notice};
use crate::text::shown;

/// The path that our own kind answers and Python nodes don't have.
const STATUS: &str = "/api/v1/status";

/// The last proof: `last_proof` in the notes, `proof` in the course's first version.
const LAST_PROOF: &str = "/last_proof";

/// The last block, in the later course.
const LAST_BLOCK: &str = "/last_block";

/// How much of a chain's id a message shows, in characters: all of a true one.
const MAX_ID: usize = 64;

/// The most bytes of an answer with one block: spellings may be longer than the canonical text.
const MAX_LAST_BLOCK_BYTES: usize = 2 * MAX_BLOCK_BYTES;

/// A peer, for as long as its address is registered.
pub(super) struct Peer {
    pub(super) address: PeerAddress,
    /// The tip to tell it of next. A newer one replaces it.
    pub(super) waiting: Mutex<Option<Arc<Tip>>>,
    /// The payments to tell it of next.
    payments: Mutex<Vec<Verified>>,
    known: Mutex<Known>,
}

/// The most payments that wait for a peer: more than it takes would only be late. The others reach
/// it in blocks, or from another peer.
const MAX_PAYMENTS: usize = 10_000;

/// How many complaints about a peer the log has before the peer answers again.
const MAX_COMPLAINTS: usize = 8;

/// What this node knows of a peer until a call to it fails.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) kind: Option<Kind>,
    glance: Endpoint,
    pub(super) push: Push,
    /// The end of its chain when we last read the whole chain, or when it took our tip.
    pub(super) seen: Option<Seen>,
    /// When we last read its whole chain.
    pub(super) looked: Option<Instant>,
    /// The tip that it was last told of, and when.
    pub(super) told: Option<(Hash, Instant)>,
    /// The complaints since it last answered, so that the log has each once.
    complaints: Vec<String>,
}

/// A kind of node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// This program, on the same chain.
    Own,
    /// A node of the course, or of the tutorial behind it.
    Python,
}

/// Where a Python node takes blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Push {
    #[default]
    Untried,
    To(&'static str),
    /// Nowhere: it fetches chains itself.
    Nowhere,
}

/// Which short question a Python node answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
enum Endpoint {
    #[default]
    Untried,
    At(&'static str),
    Nowhere,
}

/// The end of a peer's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) index: u64,
    pub(super) hash: Hash,
    /// Canonical JSON.
    pub(super) proof: String,
}

impl From<&Block> for Seen {
    fn from(block: &Block) -> Self {
        let proof = block.view().proof_json().into();
        Self { index: block.index(), hash: block.hash(), proof }
    }
}

/// What a short question says of the end of a Python node's chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum TipHint {
    /// The whole block.
    Block(Block),
    /// Its proof, as canonical JSON. Under the lecture's rules proofs repeat, and two miners find
    /// the same one for different blocks.
    Proof(String),
    Nothing,
}

/// What our own kind says of itself.
#[derive(Debug, Clone)]
pub(super) struct Status {
    pub(super) index: u64,
    pub(super) tip: Hash,
    pub(super) work: U256,
    /// What its clock showed, if it says so.
    time: Option<Timestamp>,
    /// The id of this run of the node, which no other run has, if it says so.
    instance: Option<String>,
}

/// The run that each peer of our own kind is, as it last said: a node may have many addresses.
#[derive(Debug, Default)]
pub(super) struct Instances(Mutex<HashMap<PeerAddress, String>>);

impl Instances {
    /// Records which run a peer is. Returns the other address at which that run is known.
    fn note(&self, peer: &PeerAddress, instance: String) -> Option<PeerAddress> {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MAX_REMEMBERED {
            known.clear();
        }
        let others = known.iter().filter(|(address, _)| *address != peer);
        let other = others.filter(|(_, other)| **other == instance).map(|(address, _)| address);
        let other = other.min().cloned();
        known.insert(peer.clone(), instance);
        other
    }

    pub(super) fn forget(&self, peer: &PeerAddress) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(peer);
    }
}

impl Peer {
    pub(super) fn new(address: PeerAddress) -> Self {
        Self {
            address,
            waiting: Mutex::default(),
            payments: Mutex::default(),
            known: Mutex::default(),
        }
    }

    /// Whether there is something to tell the peer.
    pub(super) fn has_news(&self) -> bool {
        let tip = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        tip.is_some() || !self.payments().is_empty()
    }

    /// The payments to tell the peer of.
    pub(super) fn payments(&self) -> MutexGuard<'_, Vec<Verified>> {
        self.payments.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds payments to tell the peer of, as far as there is room.
    pub(super) fn take_along(&self, new: &[Verified]) {
        let mut payments = self.payments();
        let room = MAX_PAYMENTS.saturating_sub(payments.len());
        payments.extend(new.iter().take(room).cloned());
    }

    pub(super) fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Forgets everything but the complaints: another node may be the next to answer.
    pub(super) fn forget(&self) {
        let mut known = self.known();
        *known = Known { complaints: std::mem::take(&mut known.complaints), ..Known::default() };
    }

    /// Whether the log should have this complaint: it is new, and there were few.
    pub(super) fn complain(&self, text: &str) -> bool {
        let mut known = self.known();
        let is_new = known.complaints.len() < MAX_COMPLAINTS
            && !known.complaints.iter().any(|said| said == text);
        if is_new {
            known.complaints.push(text.into());
        }
        is_new
    }

    pub(super) fn is_well(&self) {
        self.known().complaints.clear();
    }
}

/// Asks a peer for its status; `None` if it is not our kind. Remembers which run it is, and what
/// its clock shows: a peer that tells the time is a clock, whatever else is wrong with it or with
/// us.
pub(super) async fn status(network: &Network, peer: &Peer) -> Result<Option<Status>, Failure> {
    let (address, clocks) = (&peer.address, network.handle.clocks());
    let (outcome, ours) = ask_status(network, peer).await;
    match &outcome {
        Ok(Some(Status { time: Some(theirs), .. })) => clocks.compare(address, ours, *theirs),
        // It answered, and may tell the time again in a moment.
        Err(Failure::Status { .. }) => {}
        _ => clocks.forget(address),
    }
    let status = outcome?;
    let instance = status.as_ref().and_then(|status| status.instance.clone());
    if let Some(other) = instance.and_then(|id| network.instances.note(address, id)) {
        one_of(network, peer, other).await?;
    }
    peer.known().kind = Some(if status.is_some() { Kind::Own } else { Kind::Python });
    Ok(status)
}

/// Asks a peer for its status. Returns also what our clock showed when the peer looked at its own.
async fn ask_status(
    network: &Network,
    peer: &Peer,
) -> (Result<Option<Status>, Failure>, Timestamp) {
    let connection = match peer.known().kind {
        Some(Kind::Own) => Connection::Keep,
        _ => Connection::Close,
    };
    let (asked, began) = (service::now(), Instant::now());
    let answer = network.http.get(&peer.address, STATUS, "", MAX_SHORT_BYTES, connection).await;
    // On average, the peer looked at its clock half-way.
    let half = u64::try_from(began.elapsed().as_micros() / 2).unwrap_or(u64::MAX);
    let ours = Timestamp { micros: asked.micros.saturating_add(half) };
    let outcome = answer.and_then(|answer| match (answer.status, &answer.body) {
        (200, Some(body)) => read_status(network, body),
        // It may be our kind and have a bad moment.
        (421 | 429 | 500.., _) => Err(answer.failure(STATUS)),
        _ => Ok(None),
    });
    (outcome, ours)
}

/// A peer turned out to be the same node as another one: keeps one of them.
async fn one_of(network: &Network, peer: &Peer, other: PeerAddress) -> Result<(), Failure> {
    let gone = network.handle.same_node(peer.address.clone(), other.clone()).await?;
    let Some(gone) = gone else {
        // The other address is no peer any more.
        network.instances.forget(&other);
        return Ok(());
    };
    network.instances.forget(&gone);
    let stays = if gone == other { &peer.address } else { &other };
    let what = format_args!(
        "{gone} is the same node as {stays}: {stays} stays a peer, and {gone} is forgotten"
    );
    network.handle.tell(Notice::NoPeer, what);
    if gone == other { Ok(()) } else { Err(Failure::KnownAs(other)) }
}

fn read_status(network: &Network, body: &[u8]) -> Result<Option<Status>, Failure> {
    let Ok(text) = json::canonical(body) else { return Ok(None) };
    let value = Value::of_canonical(&text);
    let Some(theirs) = value.get("chain_id").and_then(Value::as_str) else { return Ok(None) };
    if value
        .get("instance")
        .and_then(Value::as_str)
        .is_some_and(|id| id == network.handle.instance())
    {
        return Err(Failure::Itself);
    }
    let ours = network.handle.chain().rules.chain_id();
    if theirs.parse() != Ok(ours) {
        let rules = &network.handle.chain().rules;
        let differences = value.get("rules").map(|theirs| Differences::between(rules, theirs));
        return Err(match differences.filter(|differences| !differences.is_empty()) {
            Some(differences) => Failure::OtherRules(differences),
            None => Failure::OtherChain { ours, theirs: shown(&theirs, MAX_ID) },
        });
    }
    let read = || {
        let index = value.get("index")?.as_u64()?;
        let tip = value.get("tip")?.as_str()?.parse().ok()?;
        let work = value.get("work")?.as_str()?;
        let work = U256::from_str_radix(work.strip_prefix("0x").unwrap_or(&work), 16).ok()?;
        let time = value.get("time").and_then(|time| service::time(time.text()));
        let instance = value.get("instance").and_then(Value::as_str);
        let instance = instance.filter(|id| service::is_node_id(id)).map(Cow::into_owned);
        Some(Status { index, tip, work, time, instance })
    };
    let reason = || "index, tip or work is missing or can't be read".into();
    read().map(Some).ok_or_else(|| Failure::Shape { path: STATUS, reason: reason() })
}

/// The kind of a peer; asks for it if it is not remembered.
pub(super) async fn kind(network: &Network, peer: &Peer) -> Result<Kind, Failure> {
    let remembered = peer.known().kind;
    Ok(match remembered {
        Some(kind) => kind,
        None if status(network, peer).await?.is_some() => Kind::Own,
        None => Kind::Python,
    })
}

/// Asks a Python node a short question about the end of its chain.
pub(super) async fn tip_hint(network: &Network, peer: &Peer) -> Result<TipHint, Failure> {
    let glance = peer.known().glance;
    let paths: &[_] = match glance {
        // The block says more than its proof.
        Endpoint::Untried => &[LAST_BLOCK, LAST_PROOF],
        Endpoint::At(path) => &[path],
        Endpoint::Nowhere => &[],
    };
    for &path in paths {
        let most = if path == LAST_BLOCK { MAX_LAST_BLOCK_BYTES } else { MAX_SHORT_BYTES };
        let answer = network.http.get(&peer.address, path, "", most, Connection::Close).await?;
        if answer.status != 200 {
            continue;
        }
        let text = answer.body.as_deref().and_then(|body| json::canonical(body).ok());
        if let Some(tip_hint) = text.and_then(|text| read_glimpse(Value::of_canonical(&text))) {
            peer.known().glance = Endpoint::At(path);
            return Ok(tip_hint);
        }
    }
    peer.known().glance = match glance {
        Endpoint::Nowhere => Endpoint::Nowhere,
        Endpoint::At(_) => Endpoint::Untried,
        Endpoint::Untried => Endpoint::Nowhere,
    };
    Ok(TipHint::Nothing)
}

fn read_glimpse(value: Value<'_>) -> Option<TipHint> {
    if let Some(block) = value.get("last_block") {
        return Block::of_canonical(block.text()).ok().map(TipHint::Block);
    }
    let proof = value.get("last_proof").or_else(|| value.get("proof"))?;
    matches!(proof.kind(), Json::Int | Json::String).then(|| TipHint::Proof(proof.text().into()))
}
