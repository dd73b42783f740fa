//! Tells a peer of new tips and payments.

use std::sync::Arc;
use std::time::{Duration, Instant};

use blocksmith_api::limits::MAX_PAYMENTS;
use blocksmith_consensus::payment::Verified;
use blocksmith_consensus::{Ancestry, Block};
use bytes::Bytes;

use super::Network;
use super::call::Connection;
use super::failure::Failure;
use super::kind::{Kind, Peer, Push, Seen, TipHint, kind, tip_hint};
use super::tip::Tip;
use crate::client::reason;
use crate::service::{Notice, Stopped};

/// How long to wait before the one retry with a peer that did not answer: a Python node that tells
/// others of a block answers no call meanwhile.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// A Python node that refuses a tip asks all its peers for their chains, so it is told of the same
/// tip again only after this time.
const TELL_AGAIN_AFTER: Duration = Duration::from_secs(60);

/// How many blocks a Python node may be behind for the node to send it those blocks one by one.
const MAX_GAP: u64 = 16;

/// Where our own kind takes blocks.
const BLOCKS: &str = "/api/v1/blocks";

/// Where our own kind takes payments.
const TRANSACTIONS: &str = "/api/v1/transactions";

/// The most bytes of the payments in one call.
const PAYMENTS_BYTES: usize = 1 << 20;

/// Where Python nodes take blocks, in the order in which they are tried.
const PUSH_TO: [&str; 3] = ["/nodes/new", "/block/new", "/new"];

/// Tells a peer of all that waits for it: a tip comes before payments.
pub(super) async fn tell(network: &Network, peer: &Peer) -> Result<(), Stopped> {
    let next = || peer.waiting.lock().unwrap_or_else(|broken| broken.into_inner()).take();
    loop {
        let told = if let Some(tip) = next() {
            let mut told = tell_of(network, peer, &tip).await;
            if told.as_ref().is_err_and(Failure::may_pass) {
                tokio::time::sleep(RETRY_AFTER).await;
                told = tell_of(network, peer, &next().unwrap_or(tip)).await;
            }
            told
        } else {
            let payments = some_of(&mut peer.payments());
            if payments.is_empty() {
                return Ok(());
            }
            tell_of_payments(network, peer, &payments).await
        };
        if let Err(failure) = told {
            // The node asks it once it answers again, and tells it if it is behind.
            drop(next());
            peer.payments().clear();
            return network.give_up(peer, failure).await;
        }
    }
}

/// Takes the first payments that fit into one call.
fn some_of(payments: &mut Vec<Verified>) -> Vec<Verified> {
    let mut room = PAYMENTS_BYTES;
    let fits = |payment: &&Verified| {
        let left = room.checked_sub(payment.text().len());
        room = left.unwrap_or(0);
        left.is_some()
    };
    let fit = payments.iter().take(MAX_PAYMENTS).take_while(fits).count();
    payments.drain(..fit).collect()
}

/// Tells a peer of payments. Which of them it takes is not checked: it may be on another branch.
async fn tell_of_payments(
    network: &Network,
    peer: &Peer,
    payments: &[Verified],
) -> Result<(), Failure> {
    match kind(network, peer).await? {
        Kind::Own => {}
        // No payments are signed there.
        Kind::Python => return Ok(()),
    }
    let texts: Vec<_> = payments.iter().map(|payment| payment.text()).collect();
    let body = Bytes::from(format!("[{}]", texts.join(", ")));
    let answer = network.http.post(&peer.address, TRANSACTIONS, body, Connection::Keep).await?;
    match answer.status {
        200..300 => Ok(()),
        _ => Err(answer.failure(TRANSACTIONS)),
    }
}

async fn tell_of(network: &Network, peer: &Peer, tip: &Arc<Tip>) -> Result<(), Failure> {
    match kind(network, peer).await? {
        Kind::Own => tell_our_kind(network, peer, tip).await,
        Kind::Python => tell_python(network, peer, tip).await,
    }
}

async fn tell_our_kind(network: &Network, peer: &Peer, tip: &Tip) -> Result<(), Failure> {
    let body = tip.for_our_kind();
    let answer = network.http.post(&peer.address, BLOCKS, body, Connection::Keep).await?;
    match answer.status {
        200..300 | 409 => Ok(()),
        422 => {
            let reason = reason(&answer.body.unwrap_or_default());
            let reason = reason.unwrap_or("it gives no reason".into());
            let what = format_args!("{} refuses {:?}: {reason}", peer.address, tip.block);
            network.handle.tell(Notice::Peer, what);
            Ok(())
        }
        _ => Err(answer.failure(BLOCKS)),
    }
}

async fn tell_python(network: &Network, peer: &Peer, tip: &Arc<Tip>) -> Result<(), Failure> {
    let (push, told) = {
        let known = peer.known();
        (known.push, known.told)
    };
    let hash = tip.block.hash();
    if push == Push::Nowhere
        || told.is_some_and(|(told, at)| told == hash && at.elapsed() < TELL_AGAIN_AFTER)
    {
        return Ok(());
    }
    for tip in missing(network, peer, tip).await? {
        let Some(accepted) = send(network, peer, &tip).await? else { return Ok(()) };
        if !accepted {
            break;
        }
        peer.known().seen = Some(Seen::from(&tip.block));
    }
    peer.known().told = Some((hash, Instant::now()));
    Ok(())
}

/// The blocks that a Python node lacks of our chain, the lowest first: the tip alone if they can't
/// be told, and none if it has the tip or would not take it. A Python node refuses a block that
/// does not follow its last one, and then asks all its peers for their chains.
async fn missing(network: &Network, peer: &Peer, tip: &Arc<Tip>) -> Result<Vec<Arc<Tip>>, Failure> {
    let tip_hint = tip_hint(network, peer).await?;
    let seen = peer.known().seen.clone();
    let is_last = |block: &Block| match &tip_hint {
        TipHint::Block(last) => last.hash() == block.hash(),
        TipHint::Proof(proof) => match &seen {
            Some(seen) if seen.proof == *proof => seen.hash == block.hash(),
            _ => block.view().proof_json() == proof,
        },
        TipHint::Nothing => false,
    };
    let index = match &tip_hint {
        TipHint::Block(last) => last.index(),
        _ => 0,
    };
    if index >= tip.block.index() || is_last(&tip.block) {
        return Ok(Vec::new());
    }
    let chain = network.handle.snapshot()?;
    let mut missing = Vec::from([tip.clone()]);
    if chain.index_of(&tip.block.hash())?.is_none() {
        return Ok(missing);
    }
    for index in (tip.block.index().saturating_sub(MAX_GAP)..tip.block.index()).rev() {
        let Some(linked) = chain.at(index)? else { break };
        if is_last(&linked.block) {
            missing.reverse();
            return Ok(missing);
        }
        missing.push(Arc::new(Tip::new(linked.block)));
    }
    Ok([tip.clone()].into())
}

/// Sends a Python node a block. Returns whether the node took it; `None` if no path takes blocks.
async fn send(network: &Network, peer: &Peer, tip: &Tip) -> Result<Option<bool>, Failure> {
    let push = peer.known().push;
    let paths: &[_] = match push {
        Push::Untried => &PUSH_TO,
        Push::To(path) => &[path],
        Push::Nowhere => &[],
    };
    for &path in paths {
        let body = tip.for_python();
        let answer = network.http.post(&peer.address, path, body, Connection::Close).await?;
        match answer.status {
            404 | 405 if push == Push::Untried => continue,
            200..300 => {
                peer.known().push = Push::To(path);
                let body = answer.body.unwrap_or_default();
                return Ok(Some(!String::from_utf8_lossy(&body).contains("Rejected")));
            }
            _ => return Err(answer.failure(path)),
        }
    }
    peer.known().push = Push::Nowhere;
    Ok(None)
}
