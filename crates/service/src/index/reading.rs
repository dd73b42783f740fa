//! Reads the index as it is at one moment.

use blocksmith_consensus::Hash;
use redb::{ReadOnlyTable, ReadableDatabase as _};

use super::book::{
    Account, Book, CURSOR, FIRST, HISTORY, HistoryKey, Indexed, LAST, MAX_KEY_BYTES, PARTIES,
    PLACES, PartyState, PlaceKey, RANKS, Rank, Roles, at_place, first_of, key, of_id, of_party,
    place_of,
};
use crate::store::{Held, StoreError, TransactionLocation};

/// The tables as they were at one moment. They are read within [`Moment::read`] alone.
pub(crate) struct Reading {
    parties: ReadOnlyTable<&'static [u8], &'static [u8]>,
    history: ReadOnlyTable<HistoryKey, u8>,
    places: ReadOnlyTable<PlaceKey, ()>,
    ranks: ReadOnlyTable<Rank, &'static [u8]>,
    /// How many blocks have a miner.
    pub(crate) mined: u64,
    /// The last block that is included; none at the start.
    pub(crate) indexed: Indexed,
}

/// A party as the index lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Listed {
    /// Its name.
    Name(String),
    /// The key of a name that is too long for the index, and where the chain has it.
    Key(Vec<u8>, TransactionLocation),
}

/// What a party mined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct MinerState {
    pub(crate) coins: i128,
    pub(crate) blocks: u64,
    pub(crate) last_block: u64,
}

impl Listed {
    /// Whether this is the party of that name.
    pub(crate) fn is(&self, name: &str) -> bool {
        match self {
            Self::Name(own) => own == name,
            Self::Key(own, _) => *own == key(name),
        }
    }
}

/// The index as it was at one moment, for as long as this lives.
pub(crate) struct Moment(Held<Reading>);

impl Moment {
    /// Reads the index; turns a panic of the database into an error.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Reading) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.0.db().guard(|| read(&self.0))
    }

    /// The last block that is included; none at the start.
    pub(crate) fn indexed(&self) -> Indexed {
        self.0.indexed
    }
}

impl Book {
    /// The index as it is now.
    pub(crate) fn moment(&self) -> Result<Moment, StoreError> {
        let db = self.db();
        let reading = db.guard(|| {
            let transaction = db.begin_read()?;
            let cursor = transaction.open_table(CURSOR)?.get(())?;
            let (index, hash, _, mined) = cursor.map(|at| at.value()).unwrap_or_default();
            Ok(Reading {
                parties: transaction.open_table(PARTIES)?,
                history: transaction.open_table(HISTORY)?,
                places: transaction.open_table(PLACES)?,
                ranks: transaction.open_table(RANKS)?,
                mined,
                indexed: Indexed { index, hash: Hash(hash) },
            })
        })?;
        Ok(Moment(Held::new(&db, reading)))
    }

    /// Reads the index; turns a panic of the database into an error.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Reading) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.moment()?.read(read)
    }
}

impl Reading {
    fn account(&self, name: &str) -> Result<Option<Account>, StoreError> {
        let entry = self.parties.get(&*key(name))?;
        entry.map(|entry| Account::of(entry.value())).transpose()
    }

    /// What a party has; nothing if no block names it.
    pub(crate) fn party(&self, name: &str) -> Result<PartyState, StoreError> {
        let Account {
            balance,
            sent,
            received,
            mined,
            uncounted,
            transactions,
            blocks,
            last_block,
            ..
        } = self.account(name)?.unwrap_or_default();
        Ok(PartyState {
            balance,
            sent,
            received,
            mined,
            uncounted,
            transactions,
            blocks,
            last_block,
        })
    }

    /// The transactions of a party before some place, the newest first, at most `limit`.
    pub(crate) fn history(
        &self,
        name: &str,
        before: Option<TransactionLocation>,
        limit: usize,
    ) -> Result<Vec<(TransactionLocation, Roles)>, StoreError> {
        let Some(account) = self.account(name)? else { return Ok(Vec::new()) };
        let mut found = Vec::new();
        for mined in [false, true] {
            let first = of_party(account.number, mined);
            let from = at_place(first, FIRST);
            let range = match before {
                Some(before) => self.history.range(from..at_place(first, before))?,
                None => self.history.range(from..=at_place(first, LAST))?,
            };
            for entry in range.rev().take(limit) {
                let (key, flags) = entry?;
                found.push((place_of(&key.value()), Roles::of(flags.value())));
            }
        }
        found.sort_unstable_by_key(|(place, _)| std::cmp::Reverse(*place));
        found.truncate(limit);
        Ok(found)
    }

    /// Where transactions are whose ids have the same first 44 bits as `id`, the lowest first, at
    /// most `limit`.
    pub(crate) fn places(
        &self,
        id: &Hash,
        limit: usize,
    ) -> Result<Vec<TransactionLocation>, StoreError> {
        let first = of_id(id);
        let range = self.places.range(at_place(first, FIRST)..=at_place(first, LAST))?;
        range.take(limit).map(|entry| Ok(place_of(&entry?.0.value()))).collect()
    }

    /// For each start of an id between two ids, one place of it; at most `limit`.
    pub(crate) fn one_of_each(
        &self,
        ids: std::ops::RangeInclusive<Hash>,
        limit: usize,
    ) -> Result<Vec<TransactionLocation>, StoreError> {
        let (mut from, to) = (of_id(ids.start()), of_id(ids.end()));
        let mut found = Vec::new();
        while found.len() < limit && from <= to {
            let mut range = self.places.range(at_place(from, FIRST)..=at_place(to, LAST))?;
            let Some(key) = range.next().transpose()?.map(|(key, _)| key.value()) else { break };
            found.push(place_of(&key));
            from = first_of(&key) + 1;
        }
        Ok(found)
    }

    /// The parties whose keys start as `name` does, in the order of their keys, at most `limit`.
    pub(crate) fn parties(&self, name: &str, limit: usize) -> Result<Vec<Listed>, StoreError> {
        let start = &name.as_bytes()[..name.len().min(MAX_KEY_BYTES)];
        let mut found = Vec::new();
        for entry in self.parties.range(start..)? {
            let (key, account) = entry?;
            if !key.value().starts_with(start) || found.len() == limit {
                break;
            }
            found.push(self.listed(key.value(), &Account::of(account.value())?)?);
        }
        Ok(found)
    }

    /// The miners with the most coins, and of those with as many, with the most blocks; at most
    /// `limit`.
    pub(crate) fn miners(&self, limit: usize) -> Result<Vec<(Listed, MinerState)>, StoreError> {
        let mut found = Vec::new();
        for entry in self.ranks.range::<Rank>(..)?.take(limit) {
            let key = entry?.1;
            let lacks = || StoreError::Damaged("the index ranks an account that it lacks".into());
            let account = self.parties.get(key.value())?.ok_or_else(lacks)?;
            let account = Account::of(account.value())?;
            let state = MinerState {
                coins: account.mined,
                blocks: account.blocks,
                last_block: account.last_block.ok_or_else(lacks)?,
            };
            found.push((self.listed(key.value(), &account)?, state));
        }
        Ok(found)
    }

    /// A party by its key.
    fn listed(&self, key: &[u8], account: &Account) -> Result<Listed, StoreError> {
        if key.len() <= MAX_KEY_BYTES {
            let damaged = |_| StoreError::Damaged("a name of the index is not text".into());
            return Ok(Listed::Name(String::from_utf8(key.to_vec()).map_err(damaged)?));
        }
        let (from, to) = (of_party(account.number, false), of_party(account.number, true));
        let mut range = self.history.range(at_place(from, FIRST)..=at_place(to, LAST))?;
        let missing = || StoreError::Damaged("the index lacks the places of an account".into());
        let (place, _) = range.next_back().ok_or_else(missing)??;
        Ok(Listed::Key(key.to_vec(), place_of(&place.value())))
    }
}
