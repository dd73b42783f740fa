//! Questions that the index of parties answers, together with the chain as it is at that moment.

use std::time::Duration;

use blocksmith_consensus::json::Value;
use blocksmith_consensus::transaction::party;
use blocksmith_consensus::{Ancestry as _, Family, Hash};

use super::handle::Handle;
use super::index::{Indexed, Listed, MinerState, Moment, PartyState, Reading, Roles};
use super::query::{AccountEntry, Confirmed, Found, MAX_INCOMING, QueryError, entries};
use super::store::{MAX_HISTORY, MAX_PLACES, Snapshot, StoreError, TransactionLocation};
use super::waiting::WaitingTransaction;

/// How often, and how many times, an index that follows another branch is looked at: 2 seconds.
const LOOK_AGAIN: Duration = Duration::from_millis(100);
const MAX_LOOKS: u32 = 20;

/// The places of one id, and names that are too long for the index, are looked for until this many
/// bytes of blocks were read.
const MAX_READ_BYTES: usize = 64 << 20;

/// How many transactions that wait are taken from the machine at a time.
const WAITING_STEP: usize = 1_000;

/// How many of the transactions that wait are looked at for one party: after a reorg many more wait
/// than a full queue has.
const MAX_LOOKED_AT: usize = 10_000;

/// The index follows a change of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the index of parties does not follow this chain yet; try again in a moment")]
pub struct Behind;

/// An answer of the index, and the last block that it includes.
#[derive(Debug, Clone, PartialEq)]
pub struct AsOf<T> {
    /// The answer.
    pub answer: T,
    /// The last block that counts.
    pub indexed: Indexed,
}

/// A page of the transactions of a party, the newest first.
#[derive(Debug, Clone, PartialEq)]
pub struct PartyPage {
    /// The entries on the best chain.
    pub entries: Vec<AccountEntry>,
    /// Where the next page starts: before this place.
    pub next: Option<TransactionLocation>,
}

/// Transactions that wait and name a party: at most [`MAX_INCOMING`] of each kind, in the order in
/// which they came.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PartyWaiting {
    /// The party is their sender.
    pub outgoing: Vec<WaitingTransaction>,
    /// The party is their recipient, and another their sender.
    pub incoming: Vec<WaitingTransaction>,
}

/// What a party mined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Miner {
    /// Its name, or its address where payments are signed.
    pub party: String,
    /// The sum of its coins, in units where payments are signed.
    pub coins: i128,
    /// How many blocks it mined.
    pub blocks: u64,
    /// The last of them.
    pub last_block: u64,
}

/// The miners with the most coins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Leaderboard {
    /// How many blocks have a miner.
    pub blocks: u64,
    /// The miners; of those with as many coins, the one with more blocks comes first, and of those
    /// with as many of both, the one that the chain named first.
    pub miners: Vec<Miner>,
}

/// What a question to the index gives: `None` on a chain without one; `Err(Behind)` if it follows
/// another branch than the node, and is not there within two seconds.
pub type Asked<T> = Result<Option<Result<AsOf<T>, Behind>>, QueryError>;

impl Handle {
    /// What a party of an open chain has; `None` where payments are signed.
    ///
    /// # Errors
    /// Fails if the node has stopped, or if the store can't be read.
    pub async fn party(&self, name: String) -> Asked<PartyState> {
        self.look_up_party(move |index| index.party(&name), |found, _| Ok(found)).await
    }

    /// At most `limit` transactions of a party of an open chain, the newest first, or those before
    /// `before`. A page ends when `most_bytes` of blocks were read for it. `None` where payments are
    /// signed.
    ///
    /// # Errors
    /// Fails if the node has stopped, or if the store can't be read.
    pub async fn party_page(
        &self,
        name: String,
        before: Option<TransactionLocation>,
        limit: usize,
        most_bytes: usize,
    ) -> Asked<PartyPage> {
        let limit = limit.min(MAX_HISTORY);
        let asked = name.clone();
        let spots = move |index: &Reading| index.history(&asked, before, limit);
        let page = move |spots: Vec<(TransactionLocation, Roles)>, chain| {
            let spots = spots.into_iter().map(|(spot, roles)| (spot, Some(roles))).collect();
            let confirmed = Confirmed::of(chain, None)?;
            let (entries, next) = entries(confirmed, spots, limit, most_bytes)?;
            check_names(&entries, &name)?;
            Ok(PartyPage { entries, next })
        };
        self.look_up_party(spots, page).await
    }

    /// Where the transactions with an id are on an open chain, the lowest first, at most
    /// [`MAX_PLACES`], or that one waits; the inner `None` if the node knows none. The id is the
    /// SHA-256 of the canonical text. `None` where payments are signed.
    ///
    /// # Errors
    /// Fails if the node has stopped, or if the store can't be read.
    pub async fn unsigned_transaction(&self, id: Hash) -> Asked<Option<Found>> {
        let spots = move |index: &Reading| index.places(&id, MAX_PLACES);
        let find = move |spots: Vec<TransactionLocation>, chain| {
            let mut confirmed = Confirmed::of(chain, None)?;
            let mut found: Option<Found> = None;
            for spot in spots {
                // Only the start of the id is listed.
                let text = confirmed.text(spot)?;
                if Hash::of(text) == id {
                    let text = text.to_string();
                    let location = confirmed.location(spot)?;
                    let new = || Found { locations: Vec::new(), waits: None, text };
                    found.get_or_insert_with(new).locations.push(location);
                }
                if confirmed.read_bytes >= MAX_READ_BYTES {
                    break;
                }
            }
            Ok(found)
        };
        let mut looked = self.look_up_party(spots, find).await?;
        if let Some(Ok(AsOf { answer: answer @ None, .. })) = &mut looked {
            *answer = self.waiting_unsigned(&id).await?;
        }
        Ok(looked)
    }

    /// What waits from a party of an open chain and for it, among the first 10,000 transactions that
    /// wait.
    ///
    /// # Errors
    /// Fails if the node has stopped.
    pub async fn party_waiting(&self, name: String) -> Result<PartyWaiting, QueryError> {
        let (mut from, mut waiting, mut more) = (0, PartyWaiting::default(), true);
        while more && from < MAX_LOOKED_AT {
            let page = self.pending(from, WAITING_STEP).await?;
            from += page.transactions.len();
            more = page.transactions.len() == WAITING_STEP;
            let name = name.clone();
            let sort = move || {
                for transaction in page.transactions {
                    let value = Value::of_canonical(&transaction.text);
                    let is = |role| value.get(role).map(party).is_some_and(|own| own == name);
                    let list = match (is("sender"), is("recipient")) {
                        (true, _) => &mut waiting.outgoing,
                        (false, true) => &mut waiting.incoming,
                        (false, false) => continue,
                    };
                    if list.len() < MAX_INCOMING {
                        list.push(transaction);
                    }
                }
                Ok(waiting)
            };
            waiting = self.read(sort).await?;
        }
        Ok(waiting)
    }

    /// A transaction of this id that waits on an open chain.
    async fn waiting_unsigned(&self, id: &Hash) -> Result<Option<Found>, QueryError> {
        let mut from = 0;
        loop {
            let page = self.pending(from, WAITING_STEP).await?;
            from += page.transactions.len();
            let more = page.transactions.len() == WAITING_STEP;
            if let Some(found) = page.transactions.into_iter().find(|waiting| waiting.id == *id) {
                return Ok(Some(Found::waiting(found)));
            }
            if !more {
                return Ok(None);
            }
        }
    }

    /// The miners with the most coins, at most `limit`, on any chain. The list ends when 64 MiB of
    /// blocks were read for names that are too long for the index.
    ///
    /// # Errors
    /// Fails if the node has stopped, or if the store can't be read.
    pub async fn leaderboard(
        &self,
        limit: usize,
    ) -> Result<Result<AsOf<Leaderboard>, Behind>, QueryError> {
        let list = move |index: &Reading| Ok((index.mined, index.miners(limit)?));
        let name = move |(blocks, listed): (u64, Vec<(Listed, MinerState)>), chain| {
            let mut confirmed = Confirmed::of(chain, None)?;
            let mut miners = Vec::with_capacity(listed.len());
            for (listed, MinerState { coins, blocks, last_block }) in listed {
                let party = name(&mut confirmed, listed)?;
                miners.push(Miner { party, coins, blocks, last_block });
                if confirmed.read_bytes >= MAX_READ_BYTES {
                    break;
                }
            }
            Ok(Leaderboard { blocks, miners })
        };
        self.look_up(list, name).await
    }

    /// As [`Handle::look_up`], on an open chain.
    async fn look_up_party<F, T>(
        &self,
        index: impl FnOnce(&Reading) -> Result<F, StoreError> + Send + 'static,
        chain: impl FnOnce(F, Snapshot) -> Result<T, StoreError> + Send + 'static,
    ) -> Asked<T>
    where
        F: 'static,
        T: Send + 'static,
    {
        match self.chain().rules.family {
            Family::Open(_) => self.look_up(index, chain).await.map(Some),
            Family::Sealed(_) => Ok(None),
        }
    }

    /// Reads the index, and then the chain.
    async fn look_up<F, T>(
        &self,
        index: impl FnOnce(&Reading) -> Result<F, StoreError> + Send + 'static,
        chain: impl FnOnce(F, Snapshot) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<Result<AsOf<T>, Behind>, QueryError>
    where
        F: 'static,
        T: Send + 'static,
    {
        let (moment, snapshot) = match self.index_and_chain().await? {
            Ok(both) => both,
            Err(behind) => return Ok(Err(behind)),
        };
        let look = move || {
            let answer = chain(moment.read(index)?, snapshot)?;
            Ok(AsOf { answer, indexed: moment.indexed() })
        };
        Ok(Ok(self.read_index(look).await?))
    }

    /// The index, and the chain, which has all the blocks that the index has.
    pub(super) async fn index_and_chain(
        &self,
    ) -> Result<Result<(Moment, Snapshot), Behind>, QueryError> {
        for _ in 0..MAX_LOOKS {
            let (book, store) = (self.index.book().clone(), self.store.clone());
            let look = move || {
                let moment = book.moment()?;
                // The chain has these blocks, unless they left it meanwhile.
                let (snapshot, indexed) = (store.read()?, moment.indexed());
                let has = snapshot.index_of(&indexed.hash)? == Some(indexed.index);
                Ok(has.then_some((moment, snapshot)))
            };
            if let Some(both) = self.read_index(look).await? {
                return Ok(Ok(both));
            }
            tokio::time::sleep(LOOK_AGAIN).await;
        }
        Ok(Err(Behind))
    }

    /// As [`Handle::read`]. If the index is what is damaged, it is made anew, and the next call finds it.
    pub(super) async fn read_index<T: Send + 'static>(
        &self,
        read: impl FnOnce() -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, QueryError> {
        let read = self.read(read).await;
        if let Err(QueryError::Store(error)) = &read {
            self.index.book().is_wrong(error);
        }
        read
    }
}

/// Fails if an entry of a party's page does not name it.
pub(super) fn check_names(entries: &[AccountEntry], name: &str) -> Result<(), StoreError> {
    let strange = entries.iter().find(|entry| !parties(&entry.text).any(|own| own == name));
    strange.map_or(Ok(()), |entry| Err(mislisted(entry.location.block.index)))
}

/// The names of a transaction's parties.
fn parties(text: &str) -> impl Iterator<Item = std::borrow::Cow<'_, str>> {
    let value = Value::of_canonical(text);
    ["sender", "recipient"].into_iter().filter_map(move |role| value.get(role).map(party))
}

/// The name of a party, from the chain if the index has its start alone.
pub(super) fn name(confirmed: &mut Confirmed, listed: Listed) -> Result<String, StoreError> {
    let place = match &listed {
        Listed::Name(name) => return Ok(name.clone()),
        Listed::Key(_, place) => *place,
    };
    let name = parties(confirmed.text(place)?).find(|name| listed.is(name)).map(Into::into);
    name.ok_or_else(|| mislisted(place.0))
}

fn mislisted(index: u64) -> StoreError {
    StoreError::Damaged(format!("the index lists an account that block {index} does not name"))
}
