//! Reads a store as it is at one moment: the best chain, the accounts, and where transactions are.

use std::fmt;
use std::ops::{ControlFlow, RangeInclusive};
use std::sync::Arc;

use blocksmith_consensus::address::Address as PublicKey;
use blocksmith_consensus::ledger::{Account, Accounts, StateHash};
use blocksmith_consensus::{Ancestry, ChainBlock, Hash, Shape};
use redb::{ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable};

use super::database::{Db, Held};
use super::error::StoreError;
use super::listing::{Lists, TransactionLocation};
use super::tables::{
    ACCOUNT_BYTES, ACCOUNTS, BLOCKS, CHAIN, INDEX, RECORD_HEAD_BYTES, SIDE, UNDO, account,
    numbered, side_block,
};

/// The best chain at one moment. Readers never wait for the writer, nor the writer for readers.
#[derive(Clone)]
pub struct Snapshot {
    tables: Arc<Held<Tables>>,
    shape: Shape,
}

/// The tables as they were at one moment.
pub(crate) struct Tables {
    blocks: ReadOnlyTable<u64, &'static [u8]>,
    pub(crate) chain: ReadOnlyTable<u64, u64>,
    pub(crate) index: ReadOnlyTable<[u8; 32], u64>,
    accounts: ReadOnlyTable<[u8; 32], [u8; ACCOUNT_BYTES]>,
    side: ReadOnlyTable<[u8; 32], &'static [u8]>,
    pub(crate) undo: ReadOnlyTable<u64, &'static [u8]>,
    pub(crate) lists: Lists,
    _transaction: ReadTransaction,
}

impl Snapshot {
    pub(super) fn of(db: &Arc<Db>, shape: Shape) -> Result<Self, StoreError> {
        let tables = db.guard(|| {
            let transaction = db.begin_read()?;
            Ok(Tables {
                blocks: transaction.open_table(BLOCKS)?,
                chain: transaction.open_table(CHAIN)?,
                index: transaction.open_table(INDEX)?,
                accounts: transaction.open_table(ACCOUNTS)?,
                side: transaction.open_table(SIDE)?,
                undo: transaction.open_table(UNDO)?,
                lists: Lists::of(&transaction)?,
                _transaction: transaction,
            })
        })?;
        Ok(Self { tables: Arc::new(Held::new(db, tables)), shape })
    }

    /// Reads the tables; turns a panic of the database into an error.
    pub(crate) fn read<T>(
        &self,
        read: impl FnOnce(&Tables) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.tables.db().guard(|| read(&self.tables))
    }

    /// Reads the tables; an error about damage names what was read.
    fn read_of<T, W: fmt::Display>(
        &self,
        what: impl FnOnce() -> W,
        read: impl FnOnce(&Tables) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.read(|tables| read(tables).map_err(|error| error.about(what())))
    }

    /// Iterates over a range of a table.
    fn each<R: Iterator, T, F: Fn(&Tables, R::Item) -> Result<T, StoreError>>(
        &self,
        range: R,
        of: F,
    ) -> impl Iterator<Item = Result<T, StoreError>> + use<R, T, F> {
        let snapshot = self.clone();
        let mut range = Held::new(self.tables.db(), range);
        let mut next = move || {
            snapshot.read(|tables| range.get_mut().next().map(|item| of(tables, item)).transpose())
        };
        std::iter::from_fn(move || next().transpose())
    }

    /// The canonical text of a block on a side branch, if the store still has it.
    pub(crate) fn with_side_text<T>(
        &self,
        id: &Hash,
        with: impl FnOnce(&str) -> Result<T, StoreError>,
    ) -> Result<Option<T>, StoreError> {
        self.read(|tables| {
            let Some(entry) = tables.side.get(id.0)? else { return Ok(None) };
            let (number, _) = side_block(id.0, entry.value())?;
            let Some(record) = tables.blocks.get(number)? else { return Ok(None) };
            with(record_text(record.value())?).map(Some)
        })
    }

    /// The canonical text of a block on a side branch, if the store still has it.
    ///
    /// # Errors
    /// Fails if the store can't be read.
    pub fn side_text(&self, id: &Hash) -> Result<Option<String>, StoreError> {
        self.with_side_text(id, |text| Ok(text.to_string()))
    }

    /// Hands over the canonical texts of the blocks from index `from` on, the lowest first, without
    /// copies of them, until `each` says that it has enough.
    pub(crate) fn each_text(
        &self,
        from: u64,
        mut each: impl FnMut(&str) -> Result<ControlFlow<()>, StoreError>,
    ) -> Result<(), StoreError> {
        self.read(|tables| {
            for entry in tables.chain.range(from..)? {
                let (index, number) = entry?;
                let (index, number) = (index.value(), number.value());
                let found = tables.blocks.get(number).map_err(StoreError::from);
                let found =
                    found.map_err(|error| error.about(format_args!("table blocks, block {index}")));
                let record = found?.ok_or_else(|| no_block(number))?;
                if each(record_text(record.value())?)?.is_break() {
                    break;
                }
            }
            Ok(())
        })
    }

    /// The shape of the chain's blocks.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The end of the best chain.
    ///
    /// # Errors
    /// Fails if the store can't be read.
    pub fn tip(&self) -> Result<ChainBlock, StoreError> {
        self.read_of(
            || "the last block",
            |tables| {
                let last = tables.chain.last()?;
                let (_, number) =
                    last.ok_or_else(|| StoreError::Damaged("it has no genesis".into()))?;
                numbered(&tables.blocks, self.shape, number.value())
            },
        )
    }

    /// The canonical texts of the blocks from index `from` on, the lowest first.
    ///
    /// # Errors
    /// Fails if the store can't be read.
    pub fn texts(
        &self,
        from: u64,
    ) -> Result<impl Iterator<Item = Result<String, StoreError>> + use<>, StoreError> {
        let range = self.read(|tables| Ok(tables.chain.range(from..)?))?;
        Ok(self.each(range, |tables, entry| {
            let (index, number) =
                entry.map_err(|error| StoreError::from(error).about("table chain"))?;
            text_of(tables, number.value(), str::to_owned)
                .map_err(|error| error.about(format_args!("block {}", index.value())))
        }))
    }

    /// Where the transactions with this id are, the lowest first, at most
    /// [`MAX_PLACES`](crate::MAX_PLACES): a coin of a genesis block may share its id with a later
    /// one, and on an open chain equal transactions do.
    ///
    /// # Errors
    /// Fails if the store can't be read.
    pub fn places(&self, id: &Hash) -> Result<Vec<TransactionLocation>, StoreError> {
        self.read_of(|| format!("table places, transaction {id}"), |tables| tables.lists.places(id))
    }

    /// The blocks whose ids are between two, in the order of ids, at most `limit`: the id and the index
    /// of each.
    pub(crate) fn blocks_between(
        &self,
        ids: &RangeInclusive<Hash>,
        limit: usize,
    ) -> Result<Vec<(Hash, u64)>, StoreError> {
        self.read_of(
            || "table index",
            |tables| {
                let blocks = tables.index.range(ids.start().0..=ids.end().0)?.take(limit);
                blocks
                    .map(|entry| {
                        entry.map(|(id, at)| (Hash(id.value()), at.value())).map_err(Into::into)
                    })
                    .collect()
            },
        )
    }

    /// For each id of a transaction between two, the first place where it is; at most `limit`.
    pub(crate) fn first_places(
        &self,
        ids: &RangeInclusive<Hash>,
        limit: usize,
    ) -> Result<Vec<(Hash, TransactionLocation)>, StoreError> {
        self.read_of(|| "table places", |tables| tables.lists.first_places(ids, limit))
    }

    /// The accounts whose keys are between two, in the order of keys, at most `limit`.
    pub(crate) fn accounts_between(
        &self,
        keys: &RangeInclusive<[u8; 32]>,
        limit: usize,
    ) -> Result<Vec<PublicKey>, StoreError> {
        self.read_of(
            || "table accounts",
            |tables| {
                let accounts = tables.accounts.range(keys.clone())?.take(limit);
                accounts.map(|entry| address(entry?.0.value())).collect()
            },
        )
    }

    /// Where the transactions of a party, the public key of an address, are: the newest first,
    /// those before `before` if it is given, at most `limit` and
    /// [`MAX_HISTORY`](crate::MAX_HISTORY).
    ///
    /// # Errors
    /// Fails if the store can't be read.
    pub fn history(
        &self,
        party: &[u8; 32],
        before: Option<TransactionLocation>,
        limit: usize,
    ) -> Result<Vec<TransactionLocation>, StoreError> {
        let what = || format!("table history, account {}", Hash(*party));
        self.read_of(what, |tables| tables.lists.history(party, before, limit))
    }

    /// How many transactions of the best chain a party has sent and received.
    ///
    /// # Errors
    /// Fails if the store can't be read.
    pub fn activity(&self, party: &[u8; 32]) -> Result<u64, StoreError> {
        let what = || format!("table activity, account {}", Hash(*party));
        self.read_of(what, |tables| tables.lists.activity(party))
    }

    /// The hash over all accounts; two nodes with the same hash have the same accounts.
    ///
    /// # Errors
    /// Fails if the store can't be read.
    pub fn state_hash(&self) -> Result<Hash, StoreError> {
        let mut state = StateHash::default();
        for entry in self.accounts()? {
            let (address, account) = entry?;
            state.add(&address, account);
        }
        Ok(state.finish())
    }

    /// All accounts that ever received or made a payment, by key.
    ///
    /// # Errors
    /// Fails if the store can't be read.
    pub fn accounts(
        &self,
    ) -> Result<impl Iterator<Item = Result<(PublicKey, Account), StoreError>> + use<>, StoreError>
    {
        let range = self.read(|tables| Ok(tables.accounts.range::<[u8; 32]>(..)?))?;
        Ok(self.each(range, |_, entry| {
            let (key, value) = entry?;
            Ok((address(key.value())?, account(value.value())))
        }))
    }
}

/// The address of an account.
fn address(key: [u8; 32]) -> Result<PublicKey, StoreError> {
    PublicKey::from_key(key).map_err(|error| StoreError::Damaged(format!("an account: {error}")))
}

/// Does something with the text of the block with a number.
fn text_of<T>(tables: &Tables, number: u64, with: impl FnOnce(&str) -> T) -> Result<T, StoreError> {
    let record = tables.blocks.get(number)?.ok_or_else(|| no_block(number))?;
    record_text(record.value()).map(with)
}

fn no_block(number: u64) -> StoreError {
    StoreError::Damaged(format!("there is no block of the number {number}"))
}

/// The text in the record of a block.
fn record_text(record: &[u8]) -> Result<&str, StoreError> {
    let text = record.get(RECORD_HEAD_BYTES..).unwrap_or_default();
    str::from_utf8(text).map_err(|_| StoreError::Damaged("a block is not text".into()))
}

impl Accounts for Snapshot {
    type Error = StoreError;

    fn account(&self, address: &PublicKey) -> Result<Account, StoreError> {
        let what = || format!("table accounts, account {}", Hash(*address.key()));
        self.read_of(what, |tables| {
            let found = tables.accounts.get(*address.key())?;
            Ok(found.map_or_else(Account::default, |value| account(value.value())))
        })
    }
}

impl Ancestry for Snapshot {
    type Error = StoreError;

    fn index_of(&self, hash: &Hash) -> Result<Option<u64>, StoreError> {
        let what = || format!("table index, block {hash}");
        self.read_of(what, |tables| Ok(tables.index.get(hash.0)?.map(|index| index.value())))
    }

    fn at(&self, index: u64) -> Result<Option<ChainBlock>, StoreError> {
        self.read_of(
            || format!("block {index}"),
            |tables| {
                let number = tables.chain.get(index)?.map(|number| number.value());
                number.map(|number| numbered(&tables.blocks, self.shape, number)).transpose()
            },
        )
    }
}
