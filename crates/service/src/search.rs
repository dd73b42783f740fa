//! What a text may mean on a chain: a block by its index or the start of its hash, a transaction by
//! the start of its id, an account by its address or name.

use std::ops::RangeInclusive;

use blocksmith_consensus::address::{Address, Hrp};
use blocksmith_consensus::tree::BlockId;
use blocksmith_consensus::{Ancestry as _, Family, Hash};
use blocksmith_node::Machine;
use blocksmith_wallet::typed;

use super::handle::Handle;
use super::index::{ID_DIGITS, Indexed, Reading};
use super::parties::name;
use super::query::{Confirmed, QueryError};
use super::store::{Snapshot, StoreError, TransactionLocation};

/// The most matches of a search.
pub const MAX_MATCHES: usize = 20;

/// How many of each kind are looked for: one more, so that it is known whether there are more.
const LOOKED_FOR: usize = MAX_MATCHES + 1;

/// How many places are looked at for one start of an id that the index knows by its first
/// [`ID_DIGITS`] alone.
const MAX_CANDIDATES: usize = 100;

/// A search ends with the block that brings what it has read to this many bytes.
const MAX_READ_BYTES: usize = 4 << 20;

/// How many of the transactions that wait where payments are not signed are compared with an id, and
/// how many bytes of them: as many as a queue has, unless a reorg brought more back.
const MAX_WAITING: usize = 10_000;
const MAX_WAITING_BYTES: usize = 8 << 20;

/// How many of them are taken from the machine at a time.
const WAITING_STEP: usize = 1_000;

/// Whether a transaction is in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionState {
    /// It waits for a block.
    Queued,
    /// It waits for a payment with an earlier nonce.
    Held,
    /// It is on the best chain.
    Confirmed,
}

/// Something that a text may mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Match {
    /// A block of the best chain.
    Block(BlockId),
    /// A transaction.
    Transaction {
        /// Its id.
        id: Hash,
        /// Whether it is in a block.
        state: TransactionState,
        /// Where it is, or the first of several places; nowhere if it waits.
        place: Option<TransactionLocation>,
    },
    /// An account: its address, or its name where payments are not signed.
    Account(String),
}

/// What a text may mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Matches {
    /// At most [`MAX_MATCHES`]. What the whole text means comes first; then what it may be the start of:
    /// accounts, blocks, transactions.
    pub matches: Vec<Match>,
    /// Whether there are more, or may be.
    pub more: bool,
    /// The last block whose transactions and names were searched; none while the index follows
    /// another branch than the chain, and where payments are signed, for which nothing is behind.
    pub indexed: Option<Indexed>,
}

/// What is searched for.
#[derive(Clone)]
struct Text {
    /// As it came: a name can begin and end with blanks.
    text: String,
    index: Option<u64>,
    /// The hashes that begin with it.
    hashes: Option<RangeInclusive<Hash>>,
    /// How many digits it has if it is such a start.
    digits: usize,
}

impl Text {
    fn new(text: String) -> Self {
        let digits = text.trim().to_ascii_lowercase();
        let rest = 64_usize.checked_sub(digits.len()).filter(|rest| *rest < 64);
        let [from, to] = ["0", "f"].map(|fill| {
            let text = digits.clone() + &fill.repeat(rest?);
            text.parse::<Hash>().ok()
        });
        let hashes = from.zip(to).map(|(from, to)| from..=to);
        let is_decimal = digits.bytes().all(|byte| byte.is_ascii_digit());
        let index = digits.parse().ok().filter(|_| is_decimal);
        Self { text, index, hashes, digits: digits.len() }
    }

    /// Whether this hash, of which the node knows that it exists, begins with the text.
    fn is_start_of(&self, hash: &Hash) -> bool {
        self.hashes.as_ref().is_some_and(|hashes| hashes.contains(hash))
    }
}

/// What was found.
#[derive(Default)]
struct Finds {
    /// What the whole text means.
    whole: Vec<Match>,
    accounts: Vec<Match>,
    blocks: Vec<Match>,
    transactions: Vec<Match>,
    /// Whether a bound was met.
    more: bool,
}

impl Finds {
    /// The blocks that a text may mean.
    fn blocks(text: &Text, snapshot: &Snapshot) -> Result<Self, StoreError> {
        let mut finds = Self::default();
        let at = text.index.map_or(Ok(None), |index| snapshot.at(index))?;
        let place = |hash, index| Match::Block(BlockId { index, hash });
        finds.whole.extend(at.map(|at| place(at.block.hash(), at.block.index())));
        if let Some(hashes) = &text.hashes {
            let blocks = snapshot.blocks_between(hashes, LOOKED_FOR)?;
            let blocks = blocks.into_iter().map(|(hash, index)| place(hash, index));
            finds.blocks.extend(blocks.filter(|block| !finds.whole.contains(block)));
        }
        Ok(finds)
    }

    fn confirmed(&mut self, id: Hash, place: TransactionLocation) {
        let (state, place) = (TransactionState::Confirmed, Some(place));
        self.transactions.push(Match::Transaction { id, state, place });
    }

    /// Adds transactions that wait, unless a block has them meanwhile.
    fn waiting(&mut self, waiting: Vec<(Hash, TransactionState)>) {
        for (id, state) in waiting {
            let is_it =
                |found: &Match| matches!(found, Match::Transaction { id: own, .. } if *own == id);
            if !self.transactions.iter().any(is_it) {
                self.transactions.push(Match::Transaction { id, state, place: None });
            }
        }
    }

    fn account(&mut self, party: String) {
        let account = Match::Account(party);
        if !self.whole.contains(&account) {
            self.accounts.push(account);
        }
    }

    /// All of them if there is room; else the kinds take turns.
    fn matches(self, indexed: Option<Indexed>) -> Matches {
        let Self { whole: mut matches, accounts, blocks, transactions, mut more } = self;
        let kinds = [accounts, blocks, transactions];
        let (mut left, mut taken) = (MAX_MATCHES - matches.len(), [0; 3]);
        for turn in 0..LOOKED_FOR {
            for (kind, taken) in kinds.iter().zip(&mut taken) {
                if turn < kind.len() && left > 0 {
                    (*taken, left) = (turn + 1, left - 1);
                }
            }
        }
        for (kind, taken) in kinds.into_iter().zip(taken) {
            more |= taken < kind.len();
            matches.extend(kind.into_iter().take(taken));
        }
        Matches { matches, more, indexed }
    }
}

impl Handle {
    /// What a text may mean on this chain. However many fit, a search reads a few entries of the
    /// tables whose keys begin with it, and no more than a few blocks.
    ///
    /// # Errors
    /// Fails if the node has stopped, or if the store can't be read.
    pub async fn search(&self, text: String) -> Result<Matches, QueryError> {
        let text = Text::new(text);
        match &self.chain().rules.family {
            Family::Sealed(sealed) => {
                let (hrp, asked) = (sealed.hrp, text.clone());
                let waits = move |machine: &Machine| waiting_payments(machine, &asked);
                let (waiting, snapshot) = self.at_one_moment(waits).await?;
                self.read(move || signed(&text, hrp, waiting, &snapshot)).await
            }
            Family::Open(_) => {
                let waiting = self.waiting_transactions(&text).await?;
                let (book, store) = (self.index.book().clone(), self.store.clone());
                let search = move || {
                    let (listed, indexed) =
                        book.read(|reading| Ok((Listing::of(&text, reading)?, reading.indexed)))?;
                    // Now the chain has what the index has, unless that follows another branch.
                    let snapshot = store.read()?;
                    let follows = snapshot.index_of(&indexed.hash)? == Some(indexed.index);
                    let mut finds = Finds::blocks(&text, &snapshot)?;
                    match follows {
                        true => listed.search(&text, snapshot, &mut finds)?,
                        false => finds.more = true,
                    }
                    finds.waiting(waiting);
                    Ok(finds.matches(Some(indexed).filter(|_| follows)))
                };
                self.read_index(search).await
            }
        }
    }

    /// The ids of transactions that wait where payments are not signed, and begin with a text.
    async fn waiting_transactions(
        &self,
        text: &Text,
    ) -> Result<Vec<(Hash, TransactionState)>, QueryError> {
        let (mut found, mut from, mut bytes) = (Vec::new(), 0, 0);
        while text.hashes.is_some() && from < MAX_WAITING && bytes < MAX_WAITING_BYTES {
            let page = self.pending(from, WAITING_STEP).await?;
            from += page.transactions.len();
            bytes += page.transactions.iter().map(|waiting| waiting.text.len()).sum::<usize>();
            let is_last = page.transactions.len() < WAITING_STEP;
            let ids = page.transactions.iter().map(|waiting| waiting.id);
            let ids = ids.filter(|id| text.is_start_of(id));
            found.extend(ids.map(|id| (id, TransactionState::Queued)));
            if is_last || found.len() >= LOOKED_FOR {
                break;
            }
        }
        Ok(found)
    }
}

/// The ids of payments that wait or are held, and begin with a text.
fn waiting_payments(machine: &Machine, text: &Text) -> Vec<(Hash, TransactionState)> {
    let (Some(mempool), Some(ids)) = (machine.mempool(), &text.hashes) else { return Vec::new() };
    let queued = mempool.ids_between(ids).map(|id| (id, TransactionState::Queued));
    let held = mempool.held_between(ids).map(|id| (id, TransactionState::Held));
    queued.chain(held).take(LOOKED_FOR).collect()
}

/// Searches a chain whose payments are signed.
fn signed(
    text: &Text,
    hrp: Hrp,
    waiting: Vec<(Hash, TransactionState)>,
    snapshot: &Snapshot,
) -> Result<Matches, StoreError> {
    let mut finds = Finds::blocks(text, snapshot)?;
    match typed::address(&text.text, hrp) {
        Ok(address) => finds.whole.push(Match::Account(address.to_text(hrp))),
        Err(_) => {
            let start = text.text.trim().to_ascii_lowercase();
            if let Some(keys) = Address::keys_of_start(&start, hrp) {
                let accounts = snapshot.accounts_between(&keys, LOOKED_FOR)?;
                let accounts = accounts.into_iter().map(|address| address.to_text(hrp));
                accounts
                    .filter(|account| account.starts_with(&start))
                    .for_each(|it| finds.account(it));
            }
        }
    }
    if let Some(ids) = &text.hashes {
        for (id, place) in snapshot.first_places(ids, LOOKED_FOR)? {
            finds.confirmed(id, place);
        }
    }
    finds.waiting(waiting);
    Ok(finds.matches(None))
}

/// What the index of an open chain has for a text.
struct Listing {
    /// Whether a party has this name.
    is_party: bool,
    parties: Vec<super::index::Listed>,
    /// Where transactions are whose ids may begin with the text.
    places: Vec<TransactionLocation>,
}

impl Listing {
    fn of(text: &Text, index: &Reading) -> Result<Self, StoreError> {
        let places = match &text.hashes {
            None => Vec::new(),
            // Only the start of an id is listed.
            Some(ids) if text.digits >= ID_DIGITS => index.places(ids.start(), MAX_CANDIDATES)?,
            Some(ids) => index.one_of_each(ids.clone(), LOOKED_FOR)?,
        };
        Ok(Self {
            is_party: index.party(&text.text)?.transactions > 0,
            parties: index.parties(&text.text, LOOKED_FOR)?,
            places,
        })
    }

    /// Reads the chain where the index has the start of something alone.
    fn search(self, text: &Text, chain: Snapshot, finds: &mut Finds) -> Result<(), StoreError> {
        let mut confirmed = Confirmed::of(chain, None)?;
        finds.more |= self.parties.len() == LOOKED_FOR;
        if self.is_party {
            finds.whole.push(Match::Account(text.text.clone()));
        }
        for listed in self.parties {
            if confirmed.read_bytes >= MAX_READ_BYTES {
                finds.more = true;
                break;
            }
            let party = name(&mut confirmed, listed)?;
            if party.starts_with(&text.text) {
                finds.account(party);
            }
        }
        let may_be_more = self.places.len() >= LOOKED_FOR;
        let mut ids = Vec::new();
        for place in self.places {
            if confirmed.read_bytes >= MAX_READ_BYTES {
                finds.more = true;
                return Ok(());
            }
            let id = Hash::of(confirmed.text(place)?);
            if text.is_start_of(&id) && !ids.contains(&id) {
                ids.push(id);
                finds.confirmed(id, place);
                if text.digits == 64 {
                    return Ok(());
                }
            }
        }
        finds.more |= may_be_more;
        Ok(())
    }
}
