//! What the log says of blocks that others send unasked.

use std::collections::HashMap;
use std::fmt::Display;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use blocksmith_api::LISTEN_HEADER;
use blocksmith_consensus::{Ancestry as _, Block};
use blocksmith_node::{FutureBlock, MAX_AHEAD_S, PeerAddress, Verdict};

use super::{App, Caller, run_blocking};
use crate::early;
use crate::service::{Handle, Notice, now};
use crate::spelling::{HASHED_TEXT, Spelling};
use crate::text::is_typable;

/// How long the log is silent on a sender of blocks that don't fit, once it has named it.
const TOLD_FOR: Duration = Duration::from_secs(60);

/// How many such senders the node remembers.
const MAX_TOLD: usize = 256;

/// Who sent a block, and in which bytes.
pub(super) struct Sender<'a> {
    pub(super) caller: &'a Caller,
    /// Where the sender says that it listens.
    pub(super) listens: Option<PeerAddress>,
    /// The body of the call as it came, unless it is long.
    pub(super) body: &'a [u8],
}

/// A sender: the address of the call, and where it says that it listens.
type Who = (Option<IpAddr>, Option<PeerAddress>);

/// Senders of blocks that lately did not fit.
#[derive(Debug, Default)]
pub(super) struct Told(Mutex<HashMap<Who, Instant>>);

impl Told {
    /// Whether the log should name this sender now, perhaps again.
    fn is_due(&self, who: Who) -> bool {
        let now = Instant::now();
        let mut told = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        told.retain(|_, at| now - *at < TOLD_FOR);
        if told.len() >= MAX_TOLD || told.contains_key(&who) {
            return false;
        }
        told.insert(who, now);
        true
    }
}

/// Logs what became of a block: the operator should find a peer whose blocks the node refuses.
pub(super) async fn log_verdict(app: &App, sender: Sender<'_>, block: &Block, verdict: &Verdict) {
    let caller = name(sender.caller);
    let handle = &app.handle;
    match verdict {
        Verdict::NewTip | Verdict::SideBranch | Verdict::Known => {
            tracing::debug!("{block:?} from {caller}: {verdict:?}");
        }
        Verdict::Orphan => {
            let ip = socket(sender.caller).map(|address| address.ip().to_canonical());
            // A block at or below the height of our tip shows no longer chain.
            let is_longer = block.index() > handle.standing().tip.block.index();
            if is_longer && app.told.is_due((ip, sender.listens.clone())) {
                log_orphan(handle, &caller, ip, sender, block).await;
            } else {
                tracing::debug!("{block:?} from {caller} waits for the block before it");
            }
        }
        Verdict::Early | Verdict::OnEarly(_) => {
            let own = FutureBlock { index: block.index(), time_s: block.view().timestamp_s() };
            handle.tell(
                Notice::Early,
                format_args!("{block:?} from {caller} {}", waits(own, verdict)),
            );
        }
        Verdict::NoRoom => {
            let what = "is dropped: too many side branches are longer";
            handle.tell(Notice::NoRoom, format_args!("{block:?} from {caller} {what}"));
        }
        Verdict::Invalid(invalid) => {
            let what = format_args!("{block:?} from {caller} is refused: {invalid}");
            handle.tell(Notice::Refused, what);
        }
    }
}

/// Says which block's time a block waits for, and what to do about that.
fn waits(own: FutureBlock, verdict: &Verdict) -> String {
    let now = now();
    let ahead = |early: FutureBlock| {
        format!("time is {} s ahead of this machine's clock", early.ahead_s(now))
    };
    let (why, until_s) = match verdict {
        Verdict::OnEarly(below) => {
            let why =
                format!("block {} below it waits too, and its {}", below.index, ahead(*below));
            (why, own.until_s().max(below.until_s()))
        }
        _ => {
            (format!("its {}, and at most {MAX_AHEAD_S} s are allowed", ahead(own)), own.until_s())
        }
    };
    format!(
        "waits: {why}. If this clock is behind, set it; if it is right, wait: the node tries the block at {}",
        early::date(until_s)
    )
}

/// Says why a block of a longer chain changes nothing yet, and what may be done about that.
async fn log_orphan(
    handle: &Handle,
    caller: &str,
    ip: Option<IpAddr>,
    sender: Sender<'_>,
    block: &Block,
) {
    let index = block.index().saturating_sub(1);
    if let Some(spelling) = spelled_otherwise(handle.clone(), block.clone(), sender.body).await {
        let what = format_args!(
            "{block:?} from {caller} does not fit: its previous_hash is the hash of this node's block \
             {index} {spelling}. {HASHED_TEXT}"
        );
        handle.tell(Notice::Refused, what);
        return;
    }
    let waits =
        format!("{block:?} from {caller} waits: this node does not know the block before it");
    let peers = &handle.standing().peers;
    let host = ip.map(|ip| match ip {
        IpAddr::V4(ip) => ip.to_string(),
        IpAddr::V6(ip) => format!("[{ip}]"),
    });
    let (stranger, address) = match sender.listens {
        Some(listens) if peers.contains(&listens) => {
            let what = format_args!("{waits}, and asks its peer {listens}, which sent this one");
            handle.tell(Notice::Orphan, what);
            return;
        }
        Some(listens) => (
            format!("The sender says that it listens at {listens}, which is not a peer"),
            listens.to_string(),
        ),
        None => {
            let local = ip.is_some_and(|ip| ip.is_loopback());
            let is_there = |peer: &&PeerAddress| {
                let name = peer.as_str().rsplit_once(':').map_or(peer.as_str(), |(host, _)| host);
                Some(name) == host.as_deref() || local && name == "localhost"
            };
            let there: Vec<_> = peers.iter().filter(is_there).map(PeerAddress::as_str).collect();
            let unless = match &there[..] {
                [] => ", and no peer has its address".to_string(),
                there => format!("; it could be the peer {}", there.join(" or ")),
            };
            let host = host.unwrap_or_else(|| "HOST".into());
            (format!("The sender does not say where it listens{unless}"), format!("{host}:PORT"))
        }
    };
    // The operator is to type the address, and a stranger may have chosen it.
    let address = if is_typable(&address) { address } else { "HOST:PORT".into() };
    let asked = match peers.len() {
        0 => "has no peers to ask",
        _ => "asks its peers",
    };
    let node = handle.listens_at().map(|own| format!(" --node http://{own}")).unwrap_or_default();
    let what = format_args!(
        "{waits}, and {asked}. {stranger}. To follow the sender too: blocksmith peers add \
         {address}{node}, or start this node with --peer {address}"
    );
    handle.tell(Notice::Orphan, what);
}

/// How our block below this one must be spelled for the hash that this one names, if a spelling
/// explains it.
async fn spelled_otherwise(handle: Handle, block: Block, body: &[u8]) -> Option<Spelling> {
    let named = block.parent()?;
    let body = body.to_vec();
    let look = move || {
        let parent = handle.snapshot().ok()?.at(block.index().checked_sub(1)?).ok()??;
        Spelling::of_canonical(parent.block.text(), &body, &named)
    };
    run_blocking(look).await
}

pub(super) fn log_malformed(handle: &Handle, caller: &Caller, error: &impl Display) {
    let what = format_args!("a block from {} is refused: {error}", name(caller));
    handle.tell(Notice::Unreadable, what);
}

fn name(caller: &Caller) -> String {
    socket(caller).map_or_else(|| "an unknown caller".into(), |address| address.to_string())
}

pub(super) fn socket(caller: &Caller) -> Option<SocketAddr> {
    caller.as_ref().map(|axum::Extension(axum::extract::ConnectInfo(address))| *address)
}

/// Where the peer that sends a block listens, if it says so.
pub(super) fn listens(headers: &HeaderMap) -> Option<PeerAddress> {
    let from = headers.get(LISTEN_HEADER).and_then(|address| address.to_str().ok());
    from.and_then(|address| address.parse().ok())
}
