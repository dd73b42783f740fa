//! Questions about the node and its chain, with typed answers. Confirmed transactions come from a
//! snapshot, and pending ones from the machine at the same moment, so that none is in both or in
//! neither.

use std::collections::BTreeSet;
use std::ops::Range;

use blocksmith_consensus::address::Address as PublicKey;
use blocksmith_consensus::json::Value;
use blocksmith_consensus::ledger::Accounts as _;
use blocksmith_consensus::payment::{Domain, Entry};
use blocksmith_consensus::tree::BlockId;
use blocksmith_consensus::{Ancestry as _, Block, BlockView, ChainBlock, Hash, U256, merkle};
use blocksmith_node::mempool::{Estimate, Waiting};
use blocksmith_node::{Health, Machine, PeerReport};

use super::handle::Handle;
use super::index::Roles;
use super::metrics::Levels;
use super::standing::Stopped;
use super::store::{Snapshot, StoreError, TransactionLocation};
use super::waiting::{Seen, WaitingTransaction, Waits};

/// The reason why a question has no answer.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The node has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Transactions that wait, in the order in which they came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PendingPage {
    /// Some of them.
    pub transactions: Vec<WaitingTransaction>,
    /// How many wait.
    pub all: usize,
}

/// The account of an address, amounts in units.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountState {
    /// The balance on the best chain.
    pub balance: u64,
    /// The nonce that its next payment takes if only the best chain counts.
    pub nonce: u64,
    /// The nonce that its next payment takes if the payments that wait count too.
    pub next_nonce: u64,
    /// How many transactions of the best chain it sent or received.
    pub transactions: u64,
    /// Its payments that wait or are held, in the order of their nonces.
    pub outgoing: Vec<WaitingTransaction>,
    /// Those of payments to it from others that wait, at most [`MAX_INCOMING`].
    pub incoming: Vec<WaitingTransaction>,
}

/// Payments of an address that wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PendingOf {
    /// How many there are.
    pub payments: usize,
    /// The sum of their costs, in units.
    pub cost: u64,
}

/// Where a transaction is on the best chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Its block.
    pub block: BlockId,
    /// Its position among the block's transactions, from 0.
    pub position: u32,
    /// How many blocks hold it or are on top of it.
    pub confirmations: u64,
}

/// A transaction of a party.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountEntry {
    /// Where it is.
    pub location: Location,
    /// Its id.
    pub id: Hash,
    /// When its block was made, in seconds since 1970, if the block says it.
    pub timestamp_s: Option<f64>,
    /// Its canonical text.
    pub text: String,
    /// What it was to the party, where payments are not signed.
    pub roles: Option<Roles>,
}

/// The most payments to an address that wait and are shown: anyone can make them, and each may be long.
pub const MAX_INCOMING: usize = 100;

/// A page of the transactions of an address, the newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct AccountPage {
    /// The canonical texts of its payments that wait.
    pub pending: Vec<String>,
    /// Those of payments to it from others that wait, at most [`MAX_INCOMING`].
    pub incoming: Vec<String>,
    /// The entries on the best chain.
    pub entries: Vec<AccountEntry>,
    /// Where the next page starts: before this place.
    pub next: Option<TransactionLocation>,
}

/// A transaction, and where it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is; nowhere if it waits.
    pub locations: Vec<Location>,
    /// What it waits for; none if it is in a block.
    pub waits: Option<Waits>,
    /// Its canonical text.
    pub text: String,
}

/// The proof that a transaction is in a block (RFC 9162, 2.1.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inclusion {
    /// Where it is.
    pub location: Location,
    /// How many transactions the block has.
    pub leaves: usize,
    /// The hashes beside the way from the transaction to the root.
    pub path: Vec<Hash>,
    /// Its canonical text.
    pub text: String,
}

/// The answer to a request for such a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InclusionAnswer {
    /// It is in a block.
    Proof(Inclusion),
    /// It waits.
    Waits,
    /// The node does not know it.
    Unknown,
}

impl Handle {
    /// Returns at most `limit` of the transactions that wait, without the first `skip`.
    ///
    /// # Errors
    /// Fails if the node has stopped.
    pub async fn pending(&self, skip: usize, limit: usize) -> Result<PendingPage, QueryError> {
        let page = move |machine: &Machine| {
            let page = machine.queued_turns(skip, limit).into_iter();
            let page = page.map(|(text, id, turn)| (String::from(text), id, turn));
            (page.collect::<Vec<_>>(), machine.queued())
        };
        let (page, all) = {
            let _turn = self.node.looking_ahead.acquire().await;
            self.ask(page).await?
        };
        let read = move || {
            let waiting = page.into_iter().map(|(text, id, turn)| WaitingTransaction {
                id: id.unwrap_or_else(|| Hash::of(&text)),
                text,
                waits: Waits::ForBlock(turn),
            });
            Ok(waiting.collect())
        };
        Ok(PendingPage { transactions: self.read(read).await?, all })
    }

    /// The state of each peer.
    ///
    /// # Errors
    /// Fails if the node has stopped.
    pub async fn peer_reports(&self) -> Result<Vec<PeerReport>, Stopped> {
        self.ask(Machine::peer_reports).await
    }

    /// Whether a peer is sending blocks of which more follow at once.
    ///
    /// # Errors
    /// Fails if the node has stopped.
    pub async fn is_catching_up(&self) -> Result<bool, Stopped> {
        self.ask(Machine::is_catching_up).await
    }

    /// Looks up the figures that are not counted as they happen.
    ///
    /// # Errors
    /// Fails if the node has stopped.
    pub async fn levels(&self) -> Result<Levels, Stopped> {
        let levels = |machine: &Machine| {
            let mut peers = [0; 3];
            for report in machine.peer_reports() {
                peers[match report.health {
                    Health::New => 0,
                    Health::Answers => 1,
                    Health::Fails { .. } => 2,
                }] += 1;
            }
            let tip = machine.tip();
            Levels {
                tip: tip.block.index(),
                work: float(tip.work),
                waiting: machine.queued(),
                waiting_bytes: machine.queued_bytes(),
                peers,
                store_bytes: None,
            }
        };
        let levels = self.ask(levels).await?;
        Ok(Levels { store_bytes: self.store_bytes(), ..levels })
    }

    /// The fee rates of the next blocks, with `room` bytes for the payments of each; `None` on an
    /// open chain.
    ///
    /// # Errors
    /// Fails if the node has stopped.
    pub async fn fee_estimate(&self, room: usize) -> Result<Option<Estimate>, Stopped> {
        self.ask(move |machine| machine.mempool().map(|mempool| mempool.estimate(room))).await
    }

    /// The best chain, and the pending payments of each of these senders, at one moment.
    ///
    /// # Errors
    /// Fails if the node has stopped, or if the store can't be read.
    pub async fn pending_of(
        &self,
        senders: Vec<PublicKey>,
    ) -> Result<(Vec<PendingOf>, Snapshot), QueryError> {
        let of = move |machine: &Machine| {
            let of = |sender: &PublicKey| {
                let queue = machine.mempool().map(|mempool| mempool.of_sender(sender));
                let queue = queue.unwrap_or_default();
                PendingOf {
                    payments: queue.len(),
                    cost: queue.iter().map(|waiting| waiting.payment.cost()).sum(),
                }
            };
            senders.iter().map(of).collect()
        };
        self.at_one_moment(of).await
    }

    /// The account of an address.
    ///
    /// # Errors
    /// Fails if the node has stopped, or if the store can't be read.
    pub async fn account(&self, address: PublicKey) -> Result<AccountState, QueryError> {
        let ask = move |machine: &Machine| {
            let next = machine.mempool().and_then(|mempool| mempool.next_nonce(&address));
            (next, Seen::of(machine, &address))
        };
        let ((next, seen), snapshot) = {
            let _turn = self.node.looking_ahead.acquire().await;
            self.at_one_moment(ask).await?
        };
        self.read(move || {
            let account = snapshot.account(&address)?;
            let [outgoing, incoming] = seen.map(|seen| {
                seen.into_iter().map(|seen| seen.at(&snapshot)).collect::<Result<_, _>>()
            });
            Ok(AccountState {
                balance: account.balance,
                nonce: account.nonce,
                next_nonce: next.unwrap_or(account.nonce),
                transactions: snapshot.activity(address.key())?,
                outgoing: outgoing?,
                incoming: incoming?,
            })
        })
        .await
    }

    /// At most `limit` transactions of an address, the newest first, or those before `before`. A
    /// page ends when `most_bytes` of blocks were read for it. The page is empty on an open chain.
    ///
    /// # Errors
    /// Fails if the node has stopped, or if the store can't be read.
    pub async fn account_page(
        &self,
        address: PublicKey,
        before: Option<TransactionLocation>,
        limit: usize,
        most_bytes: usize,
    ) -> Result<AccountPage, QueryError> {
        let waits = move |machine: &Machine| {
            let Some(mempool) = machine.mempool() else { return (Vec::new(), Vec::new()) };
            let text = |waiting: &Waiting| waiting.payment.text().to_string();
            let others = |waiting: &&Waiting| waiting.payment.sender() != address;
            let incoming = mempool.to_recipient(&address).filter(others).take(MAX_INCOMING);
            (mempool.of_sender(&address).iter().map(text).collect(), incoming.map(text).collect())
        };
        let ((pending, incoming), snapshot) = self.at_one_moment(waits).await?;
        let Some(domain) = self.domain().copied() else {
            return Ok(AccountPage { pending, incoming, entries: Vec::new(), next: None });
        };
        let entries = move || {
            let spots = snapshot.history(address.key(), before, limit)?;
            let spots = spots.into_iter().map(|spot| (spot, None)).collect();
            entries(Confirmed::of(snapshot, Some(domain))?, spots, limit, most_bytes)
        };
        let (entries, next) = self.read(entries).await?;
        Ok(AccountPage { pending, incoming, entries, next })
    }

    /// Where a signed payment is, and its text; `None` if the node does not know it, or on an open
    /// chain, where [`Handle::unsigned_transaction`] says it.
    ///
    /// # Errors
    /// Fails if the node has stopped, or if the store can't be read.
    pub async fn transaction(&self, id: Hash) -> Result<Option<Found>, QueryError> {
        let Some(domain) = self.domain().copied() else { return Ok(None) };
        let (seen, snapshot) = {
            let _turn = self.node.looking_ahead.acquire().await;
            self.at_one_moment(move |machine| Seen::one(machine, &id)).await?
        };
        let find = move || match confirmed(snapshot.clone(), domain, &id)? {
            Some(found) => Ok(Some(found)),
            None => seen.map(|seen| seen.at(&snapshot).map(Found::waiting)).transpose(),
        };
        self.read(find).await
    }

    /// The proof that a payment is in a block.
    ///
    /// # Errors
    /// Fails if the node has stopped, or if the store can't be read.
    pub async fn inclusion(&self, id: Hash) -> Result<InclusionAnswer, QueryError> {
        let Some(domain) = self.domain().copied() else { return Ok(InclusionAnswer::Unknown) };
        let is_there = move |machine: &Machine| {
            let mempool = machine.mempool();
            mempool.is_some_and(|mempool| mempool.get(&id).or(mempool.held(&id)).is_some())
        };
        let (waits, snapshot) = self.at_one_moment(is_there).await?;
        let proof = self.read(move || inclusion(snapshot, domain, &id)).await?;
        Ok(match proof {
            Some(proof) => InclusionAnswer::Proof(proof),
            None if waits => InclusionAnswer::Waits,
            None => InclusionAnswer::Unknown,
        })
    }

    /// Returns which of the payments are on the best chain.
    ///
    /// # Errors
    /// Fails if the node has stopped, or if the store can't be read.
    pub async fn confirmed(&self, ids: Vec<Hash>) -> Result<BTreeSet<Hash>, QueryError> {
        if ids.is_empty() {
            return Ok(BTreeSet::new());
        }
        let snapshot = self.snapshot()?;
        self.read(move || {
            let places = ids.into_iter().map(|id| Ok((id, snapshot.places(&id)?)));
            let found = places.filter_map(|found| match found {
                Ok((_, places)) if places.is_empty() => None,
                found => Some(found.map(|(id, _)| id)),
            });
            found.collect()
        })
        .await
    }

    /// Blocks of the best chain at equal distances, at most `points` of them and with both ends,
    /// the lowest first. The first block is left out: its time is not when the chain began.
    ///
    /// # Errors
    /// Fails if the node has stopped, or if the store can't be read.
    pub async fn samples(&self, points: u64) -> Result<Vec<ChainBlock>, QueryError> {
        let snapshot = self.snapshot()?;
        let first = self.chain().rules.genesis_index();
        self.read(move || samples(&snapshot, first, points)).await
    }

    /// Asks the machine, and takes the best chain at the same moment.
    pub(super) async fn at_one_moment<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&Machine) -> T + Send + 'static,
    ) -> Result<(T, Snapshot), QueryError> {
        let reader = self.store.clone();
        let (answer, snapshot) = self.ask(move |machine| (ask(machine), reader.read())).await?;
        Ok((answer, snapshot?))
    }

    /// Reads on a thread that may block.
    pub(super) async fn read<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, QueryError> {
        match tokio::task::spawn_blocking(read).await {
            Ok(read) => Ok(read?),
            Err(error) => match error.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(self.stopped_why().into()),
            },
        }
    }
}

/// Converts a number to a float, rounded.
pub fn float(number: U256) -> f64 {
    let (high, low) = number.into_words();
    high as f64 * 2_f64.powi(128) + low as f64
}

impl Found {
    /// One that waits.
    pub(super) fn waiting(WaitingTransaction { text, waits, .. }: WaitingTransaction) -> Self {
        Self { locations: Vec::new(), waits: Some(waits), text }
    }
}

/// Transactions of the best chain, each block read once if they come in the order of their blocks.
pub(super) struct Confirmed {
    snapshot: Snapshot,
    /// Where payments are signed.
    domain: Option<Domain>,
    tip: u64,
    block: Option<Block>,
    /// Where the transactions of the block are in its text, once one of them was asked for.
    spans: Vec<Range<usize>>,
    pub(super) read_bytes: usize,
}

impl Confirmed {
    pub(super) fn of(snapshot: Snapshot, domain: Option<Domain>) -> Result<Self, StoreError> {
        let tip = snapshot.tip()?.block.index();
        Ok(Self { snapshot, domain, tip, block: None, spans: Vec::new(), read_bytes: 0 })
    }

    fn block(&mut self, index: u64) -> Result<&Block, StoreError> {
        let block = match self.block.take_if(|block| block.index() == index) {
            Some(block) => block,
            None => {
                let block = self.snapshot.at(index)?.ok_or_else(|| missing(index))?.block;
                self.read_bytes += block.text().len();
                self.spans.clear();
                block
            }
        };
        Ok(self.block.insert(block))
    }

    pub(super) fn location(
        &mut self,
        (index, position): TransactionLocation,
    ) -> Result<Location, StoreError> {
        let confirmations = (self.tip + 1).saturating_sub(index);
        let block = BlockId { index, hash: self.block(index)?.hash() };
        Ok(Location { block, position, confirmations })
    }

    /// The canonical text of a transaction.
    pub(super) fn text(
        &mut self,
        (index, position): TransactionLocation,
    ) -> Result<&str, StoreError> {
        self.block(index)?;
        let block = self.block.as_ref().ok_or_else(|| missing(index))?;
        if self.spans.is_empty() {
            // A block is not searched from its start for each of its transactions.
            let text = block.text();
            let span = |value: Value<'_>| {
                let start = value.text().as_ptr() as usize - text.as_ptr() as usize;
                start..start + value.text().len()
            };
            self.spans = block.view().transactions().map(span).collect();
        }
        let span = self.spans.get(position as usize).cloned().ok_or_else(|| missing(index))?;
        Ok(&block.text()[span])
    }

    /// The id of a transaction, and its canonical text.
    pub(super) fn transaction(
        &mut self,
        place: TransactionLocation,
    ) -> Result<(Hash, String), StoreError> {
        let domain = self.domain;
        let text = self.text(place)?;
        let Some(domain) = domain else { return Ok((Hash::of(text), text.into())) };
        let damaged = |why| StoreError::Damaged(format!("block {}: {why}", place.0));
        let id = match Entry::of_canonical(Value::of_canonical(text), &domain).map_err(damaged)? {
            Entry::Payment(payment) => payment.id(),
            Entry::Coinbase(coin) => coin.id(&domain),
        };
        Ok((id, text.into()))
    }
}

/// When a block was made, as it says itself: only the rules of sealed blocks check it.
pub fn seconds(block: &BlockView<'_>) -> Option<f64> {
    match &block.header {
        Some(header) => Some(header.timestamp_s as f64),
        None => {
            let value = Value::of_canonical(block.text);
            value.get("timestamp")?.text().parse().ok().filter(|time: &f64| time.is_finite())
        }
    }
}

fn missing(index: u64) -> StoreError {
    StoreError::Damaged(format!("the index lists what block {index} does not have"))
}

/// The entries of a page whose history gave `spots`, and where the next page starts.
pub(super) fn entries(
    mut confirmed: Confirmed,
    spots: Vec<(TransactionLocation, Option<Roles>)>,
    limit: usize,
    most_bytes: usize,
) -> Result<(Vec<AccountEntry>, Option<TransactionLocation>), StoreError> {
    let mut next = spots.last().map(|(spot, _)| *spot).filter(|_| spots.len() == limit);
    let mut entries = Vec::with_capacity(spots.len());
    for (spot, roles) in spots {
        let (id, text) = confirmed.transaction(spot)?;
        let timestamp_s = seconds(&confirmed.block(spot.0)?.view());
        let location = confirmed.location(spot)?;
        entries.push(AccountEntry { location, id, timestamp_s, text, roles });
        if confirmed.read_bytes >= most_bytes {
            next = Some(spot);
            break;
        }
    }
    Ok((entries, next))
}

fn confirmed(snapshot: Snapshot, domain: Domain, id: &Hash) -> Result<Option<Found>, StoreError> {
    let mut confirmed = Confirmed::of(snapshot, Some(domain))?;
    let spots = confirmed.snapshot.places(id)?;
    let Some(first) = spots.first().copied() else { return Ok(None) };
    let locations =
        spots.into_iter().map(|spot| confirmed.location(spot)).collect::<Result<_, _>>()?;
    let (_, text) = confirmed.transaction(first)?;
    Ok(Some(Found { locations, waits: None, text }))
}

fn inclusion(
    snapshot: Snapshot,
    domain: Domain,
    id: &Hash,
) -> Result<Option<Inclusion>, StoreError> {
    let mut confirmed = Confirmed::of(snapshot, Some(domain))?;
    let Some(spot) = confirmed.snapshot.places(id)?.first().copied() else { return Ok(None) };
    let location = confirmed.location(spot)?;
    let (_, text) = confirmed.transaction(spot)?;
    let (index, position) = spot;
    let block = confirmed.block(index)?;
    let leaves = || block.view().transactions().map(Value::text);
    let path = merkle::path(leaves(), position as usize).ok_or_else(|| missing(index))?;
    Ok(Some(Inclusion { location, leaves: leaves().count(), path, text }))
}

fn samples(snapshot: &Snapshot, first: u64, points: u64) -> Result<Vec<ChainBlock>, StoreError> {
    let last = snapshot.tip()?.block.index();
    let first = (first + 1).min(last);
    let steps = (points - 1).min(last - first).max(1);
    let mut samples: Vec<ChainBlock> = Vec::new();
    for step in 0..=steps {
        let index =
            first + (u128::from(last - first) * u128::from(step) / u128::from(steps)) as u64;
        if samples.last().is_some_and(|before| before.block.index() == index) {
            continue;
        }
        let Some(linked) = snapshot.at(index)? else { break };
        samples.push(linked);
    }
    Ok(samples)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use blocksmith_consensus::rules::sealed::genesis as sealed_genesis;
    use blocksmith_consensus::{Difficulty, Proof, Sealed, Target};

    use crate::chain::{Chain, Dialect};
    use crate::{Options, start};

    #[tokio::test]
    async fn a_page_ends_when_enough_was_read_for_it_and_none_is_left_out() {
        let (forge, target) = (Sealed::forge(), Target::from_zeros(0));
        let hrp = forge.hrp;
        let miner = blocksmith_wallet::dev::addresses().next().expect("a dev account");
        let genesis = sealed_genesis(1_700_000_000, target, hrp, &[(miner, 1)]).expect("a block");
        let rules =
            Sealed { genesis, difficulty: Difficulty::Fixed(target), ..forge }.named("forge");
        let options = Options {
            node_id: Some(miner.to_text(hrp)),
            keep_peers: false,
            ..Options::new(Chain { rules, dialect: Dialect::Notes })
        };
        let (handle, _orders) = start(options).expect("a store in memory");
        for _ in 0..9 {
            let work = handle.work(None).await.expect("it runs").expect("work");
            let mined = handle.submit_work(&work.id, Proof::from(1)).await.expect("it runs");
            mined.expect("each number is a proof");
        }
        let block_bytes = handle.standing().tip.block.text().len();
        for (most_bytes, each) in [(0, 1), (block_bytes * 5 / 2, 3), (usize::MAX, 4)] {
            let (mut seen, mut sizes, mut before) = (BTreeSet::new(), Vec::new(), None);
            loop {
                let page = handle.account_page(miner, before, 4, most_bytes).await.expect("read");
                sizes.push(page.entries.len());
                let locations = page.entries.iter().map(|entry| &entry.location);
                seen.extend(locations.map(|at| (at.block.index, at.position)));
                before = page.next;
                assert!(sizes.len() < 20, "{before:?}");
                if before.is_none() {
                    break;
                }
            }
            assert_eq!((seen.len(), sizes[0]), (10, each), "{sizes:?}");
            assert_eq!(sizes.iter().sum::<usize>(), 10, "{sizes:?}");
        }
    }
}
