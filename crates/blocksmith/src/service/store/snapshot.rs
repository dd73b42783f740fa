//! Reading a store as it is at one moment: the best chain, the accounts, and where transactions are.

use std::sync::Arc;

use blocksmith_consensus::address::Address as PublicKey;
use blocksmith_consensus::ledger::{Account, Accounts, StateHash};
use blocksmith_consensus::{Ancestry, Hash, Linked, Shape};
use redb::{Database, ReadOnlyTable, ReadTransaction, ReadableDatabase, ReadableTable};

use super::StoreError;
use super::tables::{
    ACCOUNT_BYTES, ACCOUNTS, BLOCKS, CHAIN, INDEX, RECORD_HEAD_BYTES, UNDO, account, numbered,
};
use crate::service::listing::{Lists, Spot};

/// The best chain at one moment. Reading never waits for writing, and writing never for reading.
#[derive(Clone)]
pub struct Snapshot {
    _transaction: Arc<ReadTransaction>,
    blocks: Arc<ReadOnlyTable<u64, &'static [u8]>>,
    pub(in crate::service) chain: Arc<ReadOnlyTable<u64, u64>>,
    pub(in crate::service) index: Arc<ReadOnlyTable<[u8; 32], u64>>,
    accounts: Arc<ReadOnlyTable<[u8; 32], [u8; ACCOUNT_BYTES]>>,
    pub(in crate::service) undo: Arc<ReadOnlyTable<u64, &'static [u8]>>,
    pub(in crate::service) lists: Arc<Lists>,
    shape: Shape,
    _database: Arc<Database>,
}

impl Snapshot {
    pub(super) fn of(database: &Arc<Database>, shape: Shape) -> Result<Self, StoreError> {
        let transaction = database.begin_read()?;
        Ok(Self {
            blocks: Arc::new(transaction.open_table(BLOCKS)?),
            chain: Arc::new(transaction.open_table(CHAIN)?),
            index: Arc::new(transaction.open_table(INDEX)?),
            accounts: Arc::new(transaction.open_table(ACCOUNTS)?),
            undo: Arc::new(transaction.open_table(UNDO)?),
            lists: Arc::new(Lists::of(&transaction)?),
            shape,
            _transaction: Arc::new(transaction),
            _database: database.clone(),
        })
    }

    /// Which fields the chain's blocks have.
    pub fn shape(&self) -> Shape {
        self.shape
    }

    /// The end of the best chain.
    ///
    /// # Errors
    /// That the store can't be read.
    pub fn tip(&self) -> Result<Linked, StoreError> {
        let last = self.chain.last()?;
        let (_, number) = last.ok_or_else(|| StoreError::Damaged("it has no genesis".into()))?;
        numbered(&*self.blocks, self.shape, number.value())
    }

    /// The canonical texts of the blocks from index `from` on, the lowest first.
    ///
    /// # Errors
    /// That the store can't be read.
    pub fn texts(
        &self,
        from: u64,
    ) -> Result<impl Iterator<Item = Result<String, StoreError>> + use<>, StoreError> {
        let blocks = self.blocks.clone();
        Ok(self.chain.range(from..)?.map(move |entry| {
            let number = entry?.1.value();
            let missing =
                || StoreError::Damaged(format!("there is no block of the number {number}"));
            let value = blocks.get(number)?.ok_or_else(missing)?;
            let text = value.value().get(RECORD_HEAD_BYTES..).unwrap_or_default();
            String::from_utf8(text.to_vec())
                .map_err(|_| StoreError::Damaged("a block is not text".into()))
        }))
    }

    /// Where the transactions with this id are, the lowest first, at most
    /// [`MAX_PLACES`](crate::service::MAX_PLACES): a coin of a genesis block may share its id with a
    /// later one, and where nobody signs, equal transactions do.
    ///
    /// # Errors
    /// That the store can't be read.
    pub fn places(&self, id: &Hash) -> Result<Vec<Spot>, StoreError> {
        self.lists.places(id)
    }

    /// Where the transactions of a party are, of which
    /// [`party_key`](blocksmith_consensus::Rules::party_key) gives the key: the newest first, those
    /// before `before` if it is given, at most `limit` and
    /// [`MAX_HISTORY`](crate::service::MAX_HISTORY).
    ///
    /// # Errors
    /// That the store can't be read.
    pub fn history(
        &self,
        party: &[u8; 32],
        before: Option<Spot>,
        limit: usize,
    ) -> Result<Vec<Spot>, StoreError> {
        self.lists.history(party, before, limit)
    }

    /// How many transactions a party has on the best chain, made and received.
    ///
    /// # Errors
    /// That the store can't be read.
    pub fn activity(&self, party: &[u8; 32]) -> Result<u64, StoreError> {
        self.lists.activity(party)
    }

    /// The hash over all accounts, by which two nodes tell that they agree.
    ///
    /// # Errors
    /// That the store can't be read.
    pub fn state_hash(&self) -> Result<Hash, StoreError> {
        let mut state = StateHash::default();
        for entry in self.accounts()? {
            let (address, account) = entry?;
            state.add(&address, account);
        }
        Ok(state.finish())
    }

    /// All accounts that somebody was ever paid into or that made a payment, by key.
    ///
    /// # Errors
    /// That the store can't be read.
    pub fn accounts(
        &self,
    ) -> Result<impl Iterator<Item = Result<(PublicKey, Account), StoreError>> + use<>, StoreError>
    {
        Ok(self.accounts.range::<[u8; 32]>(..)?.map(|entry| {
            let (key, value) = entry?;
            let address = PublicKey::from_key(key.value())
                .map_err(|error| StoreError::Damaged(format!("an account: {error}")))?;
            Ok((address, account(value.value())))
        }))
    }
}

impl Accounts for Snapshot {
    type Error = StoreError;

    fn account(&self, address: &PublicKey) -> Result<Account, StoreError> {
        Ok(self.accounts.get(*address.key())?.map_or_else(Account::default, |v| account(v.value())))
    }
}

impl Ancestry for Snapshot {
    type Error = StoreError;

    fn index_of(&self, hash: &Hash) -> Result<Option<u64>, StoreError> {
        Ok(self.index.get(hash.0)?.map(|index| index.value()))
    }

    fn at(&self, index: u64) -> Result<Option<Linked>, StoreError> {
        let number = self.chain.get(index)?.map(|number| number.value());
        number.map(|number| numbered(&*self.blocks, self.shape, number)).transpose()
    }
}
