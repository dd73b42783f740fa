//! Asks a peer for its chain and hands in what we lack.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use blocksmith_consensus::json::{self, Value};
use blocksmith_consensus::tree::Limits;
use blocksmith_consensus::{Ancestry, Block, Hash, Invalid, Malformed, Rules, check};
use blocksmith_node::{MAX_AHEAD_S, Verdict, too_far_ahead_s};

use super::Network;
use super::array_stream::ArrayStream;
use super::call::{Connection, MAX_SHORT_BYTES, Stream};
use super::failure::Failure;
use super::kind::{Kind, Peer, Seen, Status, TipHint, status, tip_hint};
use crate::service::{Snapshot, Stopped, now};
use crate::spelling::Spelling;

/// How long asking a peer for all that we lack may take. What came until then is kept, and the next
/// time goes on from there.
const ASK_TIME: Duration = Duration::from_secs(600);

/// How long the node waits, in all, for a peer that sends no block that is new here and fits. Our
/// own work takes none of this time. A block of 16 MB has to come at half a megabyte a second.
const PATIENCE: Duration = Duration::from_secs(30);

/// Each block that is new and fits gives back as much patience as it takes at this rate. It is half
/// of the rate at which a peer has to send: spelling may double a block on its way.
const SLOWEST_NEW_BYTES_PER_S: u32 = 8 << 10;

/// How long the node waits for a slow peer before it hands in even a few blocks: only then does it
/// know that they fit.
const HAND_IN_AFTER: Duration = Duration::from_secs(5);

/// How long a proof is taken for that of our tip before the whole chain is read: under the
/// lecture's rules, proofs repeat.
const LOOK_CLOSELY_AFTER: Duration = Duration::from_secs(30);

/// How many blocks are handed in together, and so share a commit.
const BATCH_BLOCKS: usize = 500;

/// Batches of fewer blocks end once their texts have this many bytes.
const BATCH_BYTES: usize = 8 << 20;

/// The most bytes of texts that wait in memory, for all peers together, until a chain is known to
/// be longer than ours.
const MAX_WAITING_BYTES: usize = 512 << 20;

/// The memory that is kept from one block to the next.
const KEPT_BYTES: usize = 64 << 10;

/// How many blocks one page of our own kind has.
const PAGE_BLOCKS: usize = 500;

/// The whole chain of a Python node; Lecture I called its list `currentChain`.
const CHAIN: &str = "/chain";
const CHAIN_LISTS: &[&str] = &["chain", "currentChain"];

/// Pages of our own kind.
const BLOCKS: &str = "/api/v1/blocks";
const BLOCKS_LISTS: &[&str] = &["blocks"];
const HEADERS: &str = "/api/v1/headers";

/// Asks a peer, and tells the node how it went.
pub(super) async fn ask(network: &Network, peer: &Peer, closely: bool) -> Result<(), Stopped> {
    let outcome = tokio::time::timeout(ASK_TIME, follow(network, peer, closely)).await;
    match outcome.unwrap_or(Err(Failure::Silent(ASK_TIME))) {
        Ok(end) => {
            peer.is_well();
            network.handle.answered(peer.address.clone(), Some(end)).await
        }
        // The peer answered, and its blocks may be as good as any.
        Err(Failure::Early { index, ahead_s, tip }) => {
            network.complain(peer, &Failure::Early { index, ahead_s, tip });
            network.handle.answered(peer.address.clone(), tip).await
        }
        Err(failure) => network.give_up(peer, failure).await,
    }
}

/// Brings us up to the peer's chain if it is the better one. Returns the tip of the peer's chain.
async fn follow(network: &Network, peer: &Peer, closely: bool) -> Result<(u64, Hash), Failure> {
    let kind = peer.known().kind;
    let mut stall = StallTimer::new();
    if kind != Some(Kind::Python)
        && let Some(status) = stall.wait(status(network, peer)).await?
    {
        return own_kind(network, peer, &status, stall).await;
    }
    python(network, peer, closely, stall).await
}

/// How long the node still waits for a peer.
struct StallTimer {
    left: Duration,
    waited: Duration,
}

impl StallTimer {
    fn new() -> Self {
        Self { left: PATIENCE, waited: Duration::ZERO }
    }

    /// Waits for what a peer is to send.
    async fn wait<T>(
        &mut self,
        sent: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let nothing_new = Failure::NothingNew(self.waited + self.left);
        let began = Instant::now();
        let sent = tokio::time::timeout(self.left, sent).await.map_err(|_| nothing_new)?;
        let waited = began.elapsed();
        self.left = self.left.saturating_sub(waited);
        self.waited += waited;
        sent
    }

    /// Gives time back for `bytes` of blocks that were new and fitted.
    fn renew(&mut self, bytes: usize) {
        let earned = Duration::from_secs(bytes as u64) / SLOWEST_NEW_BYTES_PER_S;
        self.left = (self.left + earned).min(PATIENCE);
    }
}

async fn own_kind(
    network: &Network,
    peer: &Peer,
    status: &Status,
    mut stall: StallTimer,
) -> Result<(u64, Hash), Failure> {
    let chain = network.handle.snapshot()?;
    let tip = chain.tip()?;
    let end = (status.index, status.tip);
    if status.tip == tip.block.hash() || status.work <= tip.work {
        return Ok(end);
    }
    let from = first_unknown(network, peer, status, &chain, &mut stall).await?;
    let depth = (tip.block.index() + 1).saturating_sub(from);
    if depth > Limits::default().blocks as u64 {
        return Err(Failure::TooDeep { depth });
    }
    let mut intake = Download::new(network, peer, chain, from, 0, stall);
    intake.end = Some(status.index);
    intake.tip = Some(end);
    while intake.next <= status.index {
        let first = intake.next;
        let query = format!("?from={first}&limit={PAGE_BLOCKS}");
        let page = network.http.stream(&peer.address, BLOCKS, &query, Connection::Keep);
        let page = intake.stall.wait(page).await?;
        intake.read(page, BLOCKS_LISTS, of_page).await?;
        if intake.next == first {
            break;
        }
    }
    let index = intake.next.saturating_sub(1);
    intake.finish().await?;
    if network.handle.standing().tip.work <= tip.work {
        return Err(Failure::LessWork { claimed: format!("{:#x}", status.work), index });
    }
    Ok(end)
}

/// Returns the index from which on a peer's blocks have to be fetched: those below are ours as
/// well. Looks back from the tip of the shorter chain in steps that double.
async fn first_unknown(
    network: &Network,
    peer: &Peer,
    status: &Status,
    chain: &Snapshot,
    stall: &mut StallTimer,
) -> Result<u64, Failure> {
    let genesis = network.handle.chain().rules.genesis_index();
    let ours = chain.tip()?.block.index();
    let mut index = ours.min(status.index).max(genesis);
    let mut step = 1_u64;
    loop {
        let hash = stall.wait(hash_at(network, peer, index)).await?;
        if chain.index_of(&hash)? == Some(index) {
            return Ok(index + 1);
        }
        if index == genesis {
            return Ok(genesis);
        }
        index = index.saturating_sub(step).max(genesis);
        step = step.saturating_mul(2);
    }
}

async fn hash_at(network: &Network, peer: &Peer, index: u64) -> Result<Hash, Failure> {
    let query = format!("?from={index}&limit=1");
    let (http, address) = (&network.http, &peer.address);
    let answer = http.get(address, HEADERS, &query, MAX_SHORT_BYTES, Connection::Keep).await?;
    if answer.status != 200 {
        return Err(answer.failure(HEADERS));
    }
    let text = answer.body.as_deref().and_then(|body| json::canonical(body).ok());
    let hash = text.and_then(|text| {
        let first = Value::of_canonical(&text).get("headers")?.elements().next()?;
        first.get("hash")?.as_str()?.parse().ok()
    });
    let reason = || format!("header {index} is missing, or has no hash");
    hash.ok_or_else(|| Failure::Shape { path: HEADERS, reason: reason() })
}

async fn python(
    network: &Network,
    peer: &Peer,
    closely: bool,
    mut stall: StallTimer,
) -> Result<(u64, Hash), Failure> {
    let chain = network.handle.snapshot()?;
    let tip = chain.tip()?.block;
    let tip_hint = stall.wait(tip_hint(network, peer)).await?;
    let last = match &tip_hint {
        TipHint::Block(last) => Some(last.index()),
        _ => None,
    };
    match tip_hint {
        TipHint::Block(last) if last.index() <= tip.index() => {
            return Ok((last.index(), last.hash()));
        }
        TipHint::Proof(proof) => {
            let known = peer.known();
            if let Some(seen) = known.seen.as_ref().filter(|seen| seen.proof == proof)
                && seen.index <= tip.index()
            {
                return Ok((seen.index, seen.hash));
            }
            let lately = known.looked.is_some_and(|at| at.elapsed() < LOOK_CLOSELY_AFTER);
            if proof == tip.view().proof_json() && lately && !closely {
                return Ok((tip.index(), tip.hash()));
            }
        }
        _ => {}
    }
    let genesis = network.handle.chain().rules.genesis_index();
    let document = network.http.stream(&peer.address, CHAIN, "", Connection::Close);
    let document = stall.wait(document).await?;
    let mut intake = Download::new(network, peer, chain, genesis, tip.index(), stall);
    intake.end = last;
    intake.read(document, CHAIN_LISTS, Rules::parse_block).await?;
    intake.finish().await?;
    let reason = || "its list of blocks is empty".into();
    let last = intake.last.ok_or_else(|| Failure::Shape { path: CHAIN, reason: reason() })?;
    let end = (last.index, last.hash);
    let mut known = peer.known();
    known.seen = Some(last);
    known.looked = Some(Instant::now());
    Ok(end)
}

/// The block in an element of a page.
fn of_page(rules: &Rules, text: &[u8]) -> Result<Block, Malformed> {
    let text = json::canonical(text)?;
    let block = Value::of_canonical(&text).get("block");
    rules.block(block.ok_or(Malformed::Missing { index: None, field: "block" })?.text())
}

/// Takes a peer's blocks from the lowest on, leaves out those that we have, and hands in the rest
/// in batches, once the chain is known to be longer than ours.
struct Download<'a> {
    network: &'a Network,
    peer: &'a Peer,
    chain: Snapshot,
    /// The index that the next block has to have.
    next: u64,
    /// No block is handed in before the peer shows one beyond this index.
    longer_than: u64,
    /// Where the peer's chain leaves ours.
    fork: Option<u64>,
    held: VecDeque<Block>,
    held_bytes: usize,
    room: MemoryBudget<'a>,
    last: Option<Seen>,
    /// The text of the last block as it was sent.
    last_sent: Vec<u8>,
    /// Where the peer says that its chain ends.
    end: Option<u64>,
    /// Where the peer says that its chain ends, with the hash, if it says that.
    tip: Option<(u64, Hash)>,
    stall: StallTimer,
    /// How long the node had waited for the peer when it last handed in blocks.
    handed_in: Duration,
}

impl<'a> Download<'a> {
    fn new(
        network: &'a Network,
        peer: &'a Peer,
        chain: Snapshot,
        next: u64,
        longer_than: u64,
        stall: StallTimer,
    ) -> Self {
        Self {
            network,
            peer,
            chain,
            next,
            longer_than,
            fork: None,
            held: VecDeque::new(),
            held_bytes: 0,
            room: MemoryBudget { shared: &network.held, taken: 0 },
            last: None,
            last_sent: Vec::new(),
            end: None,
            tip: None,
            handed_in: stall.waited,
            stall,
        }
    }

    async fn read(
        &mut self,
        mut document: Stream,
        lists: &'static [&'static str],
        parse: fn(&Rules, &[u8]) -> Result<Block, Malformed>,
    ) -> Result<(), Failure> {
        let mut elements = ArrayStream::new(lists);
        let network = self.network;
        let rules = &network.handle.chain().rules;
        while let Some(piece) = self.stall.wait(document.chunk()).await? {
            let fed = elements.feed(&piece, |text| {
                let block = parse(rules, text);
                let index = self.next;
                self.take(block.map_err(|reason| Failure::Malformed { index, reason })?)?;
                self.last_sent.clear();
                self.last_sent.shrink_to(KEPT_BYTES);
                self.last_sent.extend_from_slice(text);
                Ok::<_, Failure>(())
            });
            if let Err(failure) = fed {
                // The blocks before one that does not fit are still good.
                if let Failure::Unlinked { .. } = failure {
                    self.finish().await?;
                }
                return Err(failure);
            }
            if self.is_longer() {
                while self.held.len() > BATCH_BLOCKS
                    || self.held.len() > 1 && self.held_bytes > BATCH_BYTES
                {
                    self.hand_in(true).await?;
                }
                if self.held.len() > 1 && self.stall.waited - self.handed_in >= HAND_IN_AFTER {
                    self.hand_in(true).await?;
                }
            }
            let bytes = self.held_bytes + elements.pending();
            if !self.room.take(bytes) {
                return Err(match (self.too_deep(), bytes > MAX_WAITING_BYTES) {
                    (Failure::TooDeep { depth }, false) => Failure::Crowded { depth },
                    (too_deep, _) => too_deep,
                });
            }
        }
        Ok(elements.end()?)
    }

    fn take(&mut self, block: Block) -> Result<(), Failure> {
        if block.index() != self.next {
            return Err(Invalid::Index { expected: self.next, found: block.index() }.into());
        }
        if let (Some(last), Some(named)) = (&self.last, block.parent())
            && last.hash != named
        {
            let spelling = Spelling::of_sent(&self.last_sent, &named);
            return Err(Failure::Unlinked { index: last.index, found: last.hash, named, spelling });
        }
        self.last = Some(Seen::from(&block));
        if self.fork.is_none() && self.chain.index_of(&block.hash())?.is_none() {
            self.fork = Some(self.next);
            let rules = &self.network.handle.chain().rules;
            if self.next == rules.genesis_index() {
                check::genesis(rules, block.view())?;
            }
        }
        self.next = self.next.saturating_add(1);
        if self.fork.is_some() {
            self.held_bytes += block.text().len();
            self.held.push_back(block);
        }
        Ok(())
    }

    fn is_longer(&self) -> bool {
        self.last.as_ref().is_some_and(|last| last.index > self.longer_than)
    }

    fn too_deep(&self) -> Failure {
        let ours = self.network.handle.standing().tip.block.index();
        let fork = self.fork.unwrap_or(self.next);
        Failure::TooDeep { depth: (ours + 1).saturating_sub(fork) }
    }

    /// Hands in what is left.
    async fn finish(&mut self) -> Result<(), Failure> {
        if self.is_longer() {
            while !self.held.is_empty() {
                self.hand_in(false).await?;
            }
        }
        Ok(())
    }

    /// Hands in one batch. If more is to come, one block stays back, so that the last batch is not
    /// empty.
    async fn hand_in(&mut self, more: bool) -> Result<(), Failure> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        let stay = usize::from(more);
        while batch.len() < BATCH_BLOCKS && bytes < BATCH_BYTES && self.held.len() > stay {
            let Some(block) = self.held.pop_front() else { break };
            bytes += block.text().len();
            batch.push(block);
        }
        self.held_bytes -= bytes;
        self.handed_in = self.stall.waited;
        let sent = batch.clone();
        let more = !self.held.is_empty();
        let from = self.peer.address.clone();
        match self.network.handle.catch_up(batch, from, more, self.end).await? {
            Verdict::NewTip | Verdict::SideBranch => {
                self.stall.renew(bytes);
                Ok(())
            }
            Verdict::Known => Ok(()),
            Verdict::Invalid(invalid) => Err(invalid.into()),
            // Only the first block has a parent that was not handed in with it.
            Verdict::Orphan => Err(Failure::Orphan { index: sent.first().map_or(0, Block::index) }),
            Verdict::Early => {
                let (index, ahead_s) = first_early(&sent);
                Err(Failure::Early { index, ahead_s, tip: self.tip })
            }
            Verdict::OnEarly(early) => {
                let ahead_s = early.ahead_s(now());
                Err(Failure::Early { index: early.index, ahead_s, tip: self.tip })
            }
            Verdict::NoRoom => Err(self.too_deep()),
        }
    }
}

/// The index of the first block whose time has not come, and how many seconds ahead it is.
fn first_early(blocks: &[Block]) -> (u64, u64) {
    let now = now();
    let early = |block: &Block| Some((block.index(), too_far_ahead_s(block, now)?));
    // Its time may have come meanwhile.
    let last = (blocks.last().map_or(0, Block::index), MAX_AHEAD_S);
    blocks.iter().find_map(early).unwrap_or(last)
}

/// A part of the memory that all peers' waiting blocks share.
struct MemoryBudget<'a> {
    shared: &'a AtomicUsize,
    taken: usize,
}

impl MemoryBudget<'_> {
    /// Sets this part to `bytes`. Returns whether all parts together fit.
    fn take(&mut self, bytes: usize) -> bool {
        let before = self.shared.fetch_sub(self.taken, Ordering::Relaxed) - self.taken;
        self.shared.fetch_add(bytes, Ordering::Relaxed);
        self.taken = bytes;
        before + bytes <= MAX_WAITING_BYTES
    }
}

impl Drop for MemoryBudget<'_> {
    fn drop(&mut self) {
        self.take(0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_peers_share_the_room_and_give_it_back() {
        let most = MAX_WAITING_BYTES;
        let shared = AtomicUsize::new(0);
        let room = || MemoryBudget { shared: &shared, taken: 0 };
        let (mut one, mut other) = (room(), room());
        assert!(one.take(most));
        assert!(!other.take(1));
        drop(other);
        assert!(one.take(most / 2));
        let mut other = room();
        assert!(other.take(most / 2));
        assert!(!other.take(most / 2 + 1));
        drop(one);
        assert!(other.take(most));
    }
}
