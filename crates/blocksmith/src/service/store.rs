//! The chain on disk: a private module, since everybody else sees the handle alone.
//!
//! | table   | key                | value                                       |
//! |---------|--------------------|---------------------------------------------|
//! | `blocks` | number, u64       | work, 32 bytes, big-endian ‖ pace, 56 bytes ‖ canonical text |
//! | `chain` | index, u64         | number, u64                                 |
//! | `index` | block id, 32 bytes | index, u64                                  |
//! | `side`  | block id, 32 bytes | number ‖ index ‖ length of the text, 8 bytes each ‖ work, 32 bytes ‖ parent, 32 bytes, if it has one; all big-endian |
//! | `accounts` | key, 32 bytes   | balance ‖ nonce, 8 bytes each, big-endian   |
//! | `undo`  | index, u64         | key ‖ account before, of all that the block changed |
//! | `queue` | number, u64        | a transaction's canonical text              |
//! | `mempool` | microseconds since 1970, 8 bytes, big-endian ‖ payment's id, 32 bytes | canonical text |
//! | `peers` | host and port      | nothing                                     |
//! | `meta`  | name               | format, chain id, rules in words and as JSON, shape, node id |
//!
//! The tables of transactions are in [`listing`].
//!
//! `blocks` holds all blocks in the order in which they came. `chain` and `index` say which of them
//! are the best chain, `side` which are side branches: a reorg changes that, and no block is ever
//! moved or copied.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use blocksmith_consensus::address::Address as PublicKey;
use blocksmith_consensus::json::{Value, canonical};
use blocksmith_consensus::ledger::{Account, Accounts, BadBody, Change, Changes, StateHash};
use blocksmith_consensus::tree::{BestChain, SideBlock};
use blocksmith_consensus::{
    Ancestry, Block, Hash, Linked, Listed, Pace, Rules, Shape, Timestamp, Transaction, U256,
};
use blocksmith_node::mempool::{MempoolChange, Waiting};
use blocksmith_node::{Address, QueueChange};
use redb::{
    Database, DatabaseError, Durability, ReadOnlyTable, ReadTransaction, ReadableDatabase,
    ReadableTable, ReadableTableMetadata, TableDefinition, WriteTransaction,
};

use super::listing::{self, Lists, Spot};
use crate::chain::{Differences, describe};

const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks");
const CHAIN: TableDefinition<'_, u64, u64> = TableDefinition::new("chain");
const INDEX: TableDefinition<'_, [u8; 32], u64> = TableDefinition::new("index");
const SIDE: TableDefinition<'_, [u8; 32], &[u8]> = TableDefinition::new("side");
const ACCOUNTS: TableDefinition<'_, [u8; 32], [u8; ACCOUNT_BYTES]> =
    TableDefinition::new("accounts");
const UNDO: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("undo");
const QUEUE: TableDefinition<'_, u64, &str> = TableDefinition::new("queue");
const MEMPOOL: TableDefinition<'_, [u8; ARRIVAL_BYTES], &str> = TableDefinition::new("mempool");
const PEERS: TableDefinition<'_, &str, ()> = TableDefinition::new("peers");
const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");

/// The layout above.
const FORMAT: &str = "3";

/// How the store names the shape of its blocks.
const SEALED: &str = "sealed";

fn shape_name(shape: Shape) -> &'static str {
    match shape {
        Shape::Open => "open",
        Shape::Sealed => SEALED,
    }
}

/// An account's value.
const ACCOUNT_BYTES: usize = 16;

/// An account as it was before a block.
const UNDO_BYTES: usize = 32 + ACCOUNT_BYTES;

/// When a payment came, and its id.
const ARRIVAL_BYTES: usize = 8 + 32;

/// What stands before a block's text.
const RECORD_HEAD_BYTES: usize = 32 + Pace::BYTES;

/// What is said of a block of a side branch, but for its parent.
const SIDE_HEAD_BYTES: usize = 3 * 8 + 32;

/// Pages kept in memory, in bytes.
const CACHE_BYTES: usize = 64 << 20;

/// The file in a data directory.
const FILE: &str = "chain.redb";

/// What keeps a store from working: our fault or the disk's, never a peer's.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// Another process has it open.
    #[error(
        "the data directory {} is in use by another node; stop that one, or choose another \
         directory with --data-dir", .dir.display()
    )]
    InUse {
        /// The directory.
        dir: PathBuf,
    },
    /// It holds the blocks of another chain.
    #[error(
        "the data directory {} holds the chain \"{found}\", and this node was asked to run \
         \"{expected}\"{}; start it with the chain's own options, or choose another directory with \
         --data-dir",
        .dir.display(),
        .differences.iter().map(|differences| format!(" ({differences})")).collect::<String>()
    )]
    OtherChain {
        /// The directory.
        dir: PathBuf,
        /// What it holds.
        found: String,
        /// What it should hold.
        expected: String,
        /// In what the two differ, "here" being what it should hold and "there" what it holds; none
        /// if the store is too old to say.
        differences: Option<Differences>,
    },
    /// It was written by a version that this one does not know.
    #[error(
        "the data directory {} has the format {found}, and this version reads {FORMAT}; choose \
         another directory with --data-dir, and the chain comes again from peers or chain import",
        .dir.display()
    )]
    Format {
        /// The directory.
        dir: PathBuf,
        /// Its format.
        found: String,
    },
    /// There is no chain in it.
    #[error(
        "there is no chain in the data directory {}; `blocksmith node` makes one, and --data-dir \
         names another directory", .dir.display()
    )]
    Nothing {
        /// The directory.
        dir: PathBuf,
    },
    /// The directory can't be made.
    #[error("the data directory {} can't be made: {error}", .dir.display())]
    Directory {
        /// The directory.
        dir: PathBuf,
        /// What the system says.
        error: std::io::Error,
    },
    /// What is in the directory can't be opened.
    #[error("the data in {} can't be opened: {error}; choose another directory with --data-dir, or \
        fill this one anew with chain import", .dir.display())]
    Unopened {
        /// The directory.
        dir: PathBuf,
        /// What the database says.
        error: redb::Error,
    },
    /// The genesis block allots what the rules don't allow.
    #[error("the genesis block of this chain is not right: {0}")]
    Allotted(BadBody),
    /// What is read is not what was written.
    #[error("the store is damaged: {0}; chain import builds a new one from an export")]
    Damaged(String),
    /// The database says no.
    #[error("the store failed: {0}")]
    Database(#[from] redb::Error),
}

macro_rules! database_errors {
    ($($error:ty),*) => {$(
        impl From<$error> for StoreError {
            fn from(error: $error) -> Self {
                Self::Database(error.into())
            }
        }
    )*};
}
database_errors!(
    DatabaseError,
    redb::TransactionError,
    redb::TableError,
    redb::StorageError,
    redb::CommitError,
    redb::SetDurabilityError
);

/// What a node goes on with.
pub(crate) struct Kept {
    pub(crate) tip: Linked,
    /// In the order in which they came.
    pub(crate) side: Vec<SideBlock>,
    pub(crate) queue: Vec<(u64, Transaction)>,
    /// When a payment came, its id and its text.
    pub(crate) mempool: Vec<(Timestamp, Hash, String)>,
    pub(crate) peers: Vec<Address>,
    pub(crate) node_id: String,
}

/// The store of one chain.
#[derive(Clone)]
pub(crate) struct Store {
    database: Arc<Database>,
    /// Of the chain's blocks.
    shape: Shape,
    /// The index of the chain's first block.
    genesis: u64,
}

impl Store {
    /// Opens or makes the store in `dir`, or one in memory.
    pub(crate) fn open(
        dir: Option<&Path>,
        rules: &Rules,
        node_id: Option<String>,
        now: Timestamp,
    ) -> Result<(Self, Kept), StoreError> {
        let mut builder = Database::builder();
        builder.set_cache_size(CACHE_BYTES);
        let database = match dir {
            Some(dir) => {
                std::fs::create_dir_all(dir)
                    .map_err(|error| StoreError::Directory { dir: dir.into(), error })?;
                builder.create(dir.join(FILE)).map_err(|error| match error {
                    DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { dir: dir.into() },
                    error => StoreError::Unopened { dir: dir.into(), error: error.into() },
                })?
            }
            None => builder.create_with_backend(redb::backends::InMemoryBackend::new())?,
        };
        let store = Self {
            database: Arc::new(database),
            shape: rules.puzzle.shape(),
            genesis: rules.genesis.index(),
        };
        let kept = store.prepare(dir.unwrap_or(Path::new("")), rules, node_id, now)?;
        Ok((store, kept))
    }

    /// The best chain that is kept in `dir`, whatever its rules. Nothing is written, and the
    /// directory is in use as long as the snapshot lives.
    pub(crate) fn look(dir: &Path) -> Result<Snapshot, StoreError> {
        let file = dir.join(FILE);
        if !file.exists() {
            return Err(StoreError::Nothing { dir: dir.into() });
        }
        let database = Database::builder().open(file).map_err(|error| match error {
            DatabaseError::DatabaseAlreadyOpen => StoreError::InUse { dir: dir.into() },
            error => error.into(),
        })?;
        let meta = database.begin_read()?.open_table(META)?;
        let read = |name: &str| -> Result<Option<String>, StoreError> {
            Ok(meta.get(name)?.map(|text| text.value().to_string()))
        };
        if let Some(found) = read("format")?.filter(|found| found != FORMAT) {
            return Err(StoreError::Format { dir: dir.into(), found });
        }
        let shape = match read("shape")?.as_deref() {
            Some(SEALED) => Shape::Sealed,
            _ => Shape::Open,
        };
        Snapshot::of(&Arc::new(database), shape)
    }

    /// Writes the first contents, or checks that what is there belongs to these rules.
    fn prepare(
        &self,
        dir: &Path,
        rules: &Rules,
        node_id: Option<String>,
        now: Timestamp,
    ) -> Result<Kept, StoreError> {
        let mut writer = self.write()?;
        let chain_id = rules.chain_id().to_string();
        let rules_text = describe(rules);
        let node_id = {
            let mut meta = writer.transaction.open_table(META)?;
            let read = |name: &str| -> Result<Option<String>, StoreError> {
                Ok(meta.get(name)?.map(|text| text.value().to_string()))
            };
            let (format, found_id, found_rules, kept_id) =
                (read("format")?, read("chain_id")?, read("rules")?, read("node_id")?);
            if let Some(found) = format.filter(|format| format != FORMAT) {
                return Err(StoreError::Format { dir: dir.into(), found });
            }
            if let Some(found_id) = found_id.filter(|found| *found != chain_id) {
                let found = found_rules.unwrap_or(found_id);
                let differences = read("rules_json")?.and_then(|found| {
                    let found = canonical(found.as_bytes()).ok()?;
                    let differences = Differences::between(rules, Value::of_canonical(&found));
                    Some(differences).filter(|differences| !differences.is_empty())
                });
                let expected = if found == rules_text {
                    format!("{rules_text}, but another genesis or puzzle ({chain_id})")
                } else {
                    rules_text
                };
                let dir = dir.into();
                return Err(StoreError::OtherChain { dir, found, expected, differences });
            }
            let node_id = node_id.or(kept_id).unwrap_or_else(new_node_id);
            meta.insert("format", FORMAT)?;
            meta.insert("chain_id", &*chain_id)?;
            meta.insert("rules", &*rules_text)?;
            meta.insert("rules_json", &*rules.json())?;
            meta.insert("node_id", &*node_id)?;
            meta.insert("shape", shape_name(self.shape))?;
            node_id
        };
        // Whoever only reads makes no tables.
        writer.transaction.open_table(ACCOUNTS)?;
        writer.transaction.open_table(UNDO)?;
        listing::make(&writer.transaction)?;
        let last = writer.transaction.open_table(CHAIN)?.last()?.map(|(index, _)| index.value());
        let tip = match last {
            Some(last) => writer.at(last)?.expect("the last is there"),
            None => {
                let tip = Linked::genesis(rules, rules.genesis.block(now));
                let changes = rules.allot(&tip.block).map_err(StoreError::Allotted)?;
                writer.connect(&tip, &changes, &rules.listed(&tip.block))?;
                tip
            }
        };
        let side = writer.side_blocks()?;
        let queue = {
            let table = writer.transaction.open_table(QUEUE)?;
            let entries = table.iter()?.map(|entry| {
                let (number, text) = entry?;
                let value = blocksmith_consensus::json::Value::of_canonical(text.value());
                Ok((number.value(), Transaction::of_block(value)))
            });
            entries.collect::<Result<Vec<_>, StoreError>>()?
        };
        let mempool = {
            let table = writer.transaction.open_table(MEMPOOL)?;
            let entries = table.iter()?.map(|entry| {
                let (key, text) = entry?;
                let key = key.value();
                let (micros, id) = key.split_first_chunk().expect("a time comes first");
                let arrived = Timestamp { micros: u64::from_be_bytes(*micros) };
                let id = Hash(id.try_into().expect("an id follows"));
                Ok((arrived, id, text.value().to_string()))
            });
            entries.collect::<Result<Vec<_>, StoreError>>()?
        };
        let peers = {
            let table = writer.transaction.open_table(PEERS)?;
            let entries = table.iter()?.map(|entry| {
                let address = entry?.0;
                let address = address.value().parse();
                address.map_err(|error| StoreError::Damaged(format!("peers: {error}")))
            });
            entries.collect::<Result<Vec<_>, StoreError>>()?
        };
        writer.commit()?;
        Ok(Kept { tip, side, queue, mempool, peers, node_id })
    }

    /// Forgets peers; nobody is left.
    pub(crate) fn forget(&self, peers: &[Address]) -> Result<Vec<Address>, StoreError> {
        let mut writer = self.write()?;
        for peer in peers {
            writer.remove_peer(peer)?;
        }
        writer.commit()?;
        Ok(Vec::new())
    }

    /// A view of what is durable now, undisturbed by later writes.
    pub(crate) fn read(&self) -> Result<Snapshot, StoreError> {
        Snapshot::of(&self.database, self.shape)
    }

    /// Starts to change the store; dropped without [`Writer::commit`], nothing happened.
    pub(crate) fn write(&self) -> Result<Writer, StoreError> {
        let mut transaction = self.database.begin_write()?;
        transaction.set_durability(Durability::Immediate)?;
        transaction.set_two_phase_commit(true);
        transaction.set_quick_repair(true);
        Ok(Writer {
            transaction,
            shape: self.shape,
            genesis: self.genesis,
            blocks_changed: false,
            next_number: None,
            side_count: None,
        })
    }
}

/// A version 4 UUID without dashes, as the course's nodes name themselves.
pub(crate) fn new_node_id() -> String {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn linked(shape: Shape, value: &[u8]) -> Result<Linked, StoreError> {
    let damaged = |what: &str| StoreError::Damaged(format!("a block's record {what}"));
    let short = || damaged("is too short");
    let (work, rest) = value.split_first_chunk().ok_or_else(short)?;
    let (pace, text) = rest.split_first_chunk().ok_or_else(short)?;
    let text = std::str::from_utf8(text).map_err(|_| damaged("is not text"))?;
    let block = Block::read(shape, text).map_err(|error| damaged(&error.to_string()))?;
    Ok(Linked { block, work: U256::from_be_bytes(*work), pace: Pace::from_bytes(pace) })
}

/// The block of this number, which is there.
fn numbered(
    blocks: &impl ReadableTable<u64, &'static [u8]>,
    shape: Shape,
    number: u64,
) -> Result<Linked, StoreError> {
    let missing = || StoreError::Damaged(format!("there is no block of the number {number}"));
    linked(shape, blocks.get(number)?.ok_or_else(missing)?.value())
}

/// What is said of a block of a side branch: its number, and what a tree knows of it.
fn side_bytes(number: u64, side: &SideBlock) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SIDE_HEAD_BYTES + 32);
    for part in [number, side.index, side.bytes as u64] {
        bytes.extend_from_slice(&part.to_be_bytes());
    }
    bytes.extend_from_slice(&side.work.to_be_bytes());
    bytes.extend_from_slice(side.parent.as_ref().map_or(&[], |parent| &parent.0));
    bytes
}

fn side_block(hash: [u8; 32], value: &[u8]) -> Result<(u64, SideBlock), StoreError> {
    let hash = Hash(hash);
    let damaged = || StoreError::Damaged(format!("what is said of the side block {hash}"));
    let (head, parent) = value.split_first_chunk::<SIDE_HEAD_BYTES>().ok_or_else(damaged)?;
    let part = |at: usize| u64::from_be_bytes(*head[at..].first_chunk().expect("8 bytes"));
    let parent = match parent {
        [] => None,
        parent => Some(Hash(parent.try_into().map_err(|_| damaged())?)),
    };
    let block = SideBlock {
        hash,
        parent,
        index: part(8),
        work: U256::from_be_bytes(*head[24..].first_chunk().expect("32 bytes")),
        bytes: usize::try_from(part(16)).map_err(|_| damaged())?,
    };
    Ok((part(0), block))
}

/// The best chain at one moment. Reading never waits for writing, and writing never for reading.
#[derive(Clone)]
pub struct Snapshot {
    _transaction: Arc<ReadTransaction>,
    blocks: Arc<ReadOnlyTable<u64, &'static [u8]>>,
    pub(super) chain: Arc<ReadOnlyTable<u64, u64>>,
    pub(super) index: Arc<ReadOnlyTable<[u8; 32], u64>>,
    accounts: Arc<ReadOnlyTable<[u8; 32], [u8; ACCOUNT_BYTES]>>,
    pub(super) undo: Arc<ReadOnlyTable<u64, &'static [u8]>>,
    pub(super) lists: Arc<Lists>,
    shape: Shape,
    _database: Arc<Database>,
}

impl Snapshot {
    fn of(database: &Arc<Database>, shape: Shape) -> Result<Self, StoreError> {
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
    /// [`MAX_PLACES`](listing::MAX_PLACES): a coin of a genesis block may share its id with a later
    /// one, and where nobody signs, equal transactions do.
    ///
    /// # Errors
    /// That the store can't be read.
    pub fn places(&self, id: &Hash) -> Result<Vec<Spot>, StoreError> {
        self.lists.places(id)
    }

    /// Where the transactions of a party are, of which
    /// [`party_key`](blocksmith_consensus::Rules::party_key) gives the key: the newest first, those
    /// before `before` if it is given, at most `limit` and [`MAX_HISTORY`](listing::MAX_HISTORY).
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

/// One transaction of the store.
pub(crate) struct Writer {
    transaction: WriteTransaction,
    shape: Shape,
    genesis: u64,
    blocks_changed: bool,
    /// What the next new block gets, and how many there are on side branches, once that was asked:
    /// both are needed for each of the many blocks of a transaction.
    next_number: Option<u64>,
    side_count: Option<u64>,
}

impl Writer {
    /// Whether the best chain or a side branch is not what it was.
    pub(crate) fn blocks_changed(&self) -> bool {
        self.blocks_changed
    }

    pub(crate) fn queue(&mut self, change: &QueueChange) -> Result<(), StoreError> {
        let mut queue = self.transaction.open_table(QUEUE)?;
        for number in &change.removed {
            queue.remove(number)?;
        }
        for (number, transaction) in &change.added {
            queue.insert(number, transaction.text())?;
        }
        Ok(())
    }

    pub(crate) fn mempool(&mut self, change: &MempoolChange) -> Result<(), StoreError> {
        let mut mempool = self.transaction.open_table(MEMPOOL)?;
        // In the order in which they lie there.
        let mut removed: Vec<_> =
            change.removed.iter().map(|(arrived, id)| arrival_bytes(*arrived, id)).collect();
        removed.sort_unstable();
        for key in removed {
            mempool.remove(key)?;
        }
        for Waiting { arrived, payment } in &change.added {
            mempool.insert(arrival_bytes(*arrived, &payment.id()), payment.text())?;
        }
        Ok(())
    }

    pub(crate) fn add_peer(&mut self, peer: &Address) -> Result<(), StoreError> {
        self.transaction.open_table(PEERS)?.insert(peer.as_str(), ())?;
        Ok(())
    }

    pub(crate) fn remove_peer(&mut self, peer: &Address) -> Result<(), StoreError> {
        self.transaction.open_table(PEERS)?.remove(peer.as_str())?;
        Ok(())
    }

    /// What is known of the blocks of side branches, in the order in which they came. Those that
    /// hang in the air are let go of.
    fn side_blocks(&mut self) -> Result<Vec<SideBlock>, StoreError> {
        let mut all = Vec::new();
        for entry in self.transaction.open_table(SIDE)?.iter()? {
            let (hash, value) = entry?;
            all.push(side_block(hash.value(), value.value())?);
        }
        all.sort_unstable_by_key(|(number, block)| (block.index, *number));
        let mut known = HashSet::new();
        let mut kept = Vec::with_capacity(all.len());
        for (number, block) in all {
            let stands = match &block.parent {
                None => block.index == self.genesis,
                Some(parent) => known.contains(parent) || self.index_of(parent)?.is_some(),
            };
            if stands {
                known.insert(block.hash);
                kept.push((number, block));
            } else {
                self.forget_side(&block.hash)?;
            }
        }
        kept.sort_unstable_by_key(|(number, _)| *number);
        Ok(kept.into_iter().map(|(_, block)| block).collect())
    }

    /// Keeps a block under a number of its own.
    fn add_block(&mut self, Linked { block, work, pace }: &Linked) -> Result<u64, StoreError> {
        let mut record = Vec::with_capacity(RECORD_HEAD_BYTES + block.text().len());
        record.extend_from_slice(&work.to_be_bytes());
        record.extend_from_slice(&pace.to_bytes());
        record.extend_from_slice(block.text().as_bytes());
        let mut blocks = self.transaction.open_table(BLOCKS)?;
        let number = match self.next_number {
            Some(number) => number,
            None => blocks.last()?.map_or(0, |(last, _)| last.value() + 1),
        };
        blocks.insert(number, &*record)?;
        self.next_number = Some(number + 1);
        Ok(number)
    }

    /// The number of a block of a side branch.
    fn side_number(&self, hash: &Hash) -> Result<Option<u64>, StoreError> {
        let side = self.transaction.open_table(SIDE)?;
        let value = side.get(hash.0)?;
        Ok(value.map(|value| side_block(hash.0, value.value())).transpose()?.map(|(n, _)| n))
    }

    fn insert_side(&mut self, number: u64, linked: &Linked) -> Result<(), StoreError> {
        let side = SideBlock::of(linked, self.genesis);
        let bytes = side_bytes(number, &side);
        let mut table = self.transaction.open_table(SIDE)?;
        table.insert(side.hash.0, &*bytes)?;
        self.side_count = Some(table.len()?);
        Ok(())
    }

    /// Takes a block from the side branches, if it is on one; its number.
    fn take_side(&mut self, hash: &Hash) -> Result<Option<u64>, StoreError> {
        if self.side_count == Some(0) {
            return Ok(None);
        }
        let mut table = self.transaction.open_table(SIDE)?;
        let taken = match table.remove(hash.0)? {
            Some(value) => Some(side_block(hash.0, value.value())?.0),
            None => None,
        };
        self.side_count = Some(table.len()?);
        Ok(taken)
    }

    /// Returns when everything is on the disk.
    pub(crate) fn commit(self) -> Result<(), StoreError> {
        Ok(self.transaction.commit()?)
    }
}

impl Ancestry for Writer {
    type Error = StoreError;

    fn index_of(&self, hash: &Hash) -> Result<Option<u64>, StoreError> {
        Ok(self.transaction.open_table(INDEX)?.get(hash.0)?.map(|index| index.value()))
    }

    fn at(&self, index: u64) -> Result<Option<Linked>, StoreError> {
        let number = self.transaction.open_table(CHAIN)?.get(index)?.map(|number| number.value());
        let blocks = self.transaction.open_table(BLOCKS)?;
        number.map(|number| numbered(&blocks, self.shape, number)).transpose()
    }
}

impl Accounts for Writer {
    type Error = StoreError;

    fn account(&self, address: &PublicKey) -> Result<Account, StoreError> {
        let accounts = self.transaction.open_table(ACCOUNTS)?;
        Ok(accounts
            .get(*address.key())?
            .map_or_else(Account::default, |value| account(value.value())))
    }

    /// The table is opened once.
    fn accounts(&self, addresses: &[PublicKey]) -> Result<Vec<Account>, StoreError> {
        let accounts = self.transaction.open_table(ACCOUNTS)?;
        let read = |address: &PublicKey| {
            let found = accounts.get(*address.key())?;
            Ok(found.map_or_else(Account::default, |value| account(value.value())))
        };
        addresses.iter().map(read).collect()
    }
}

impl BestChain for Writer {
    fn connect(
        &mut self,
        linked: &Linked,
        changes: &Changes,
        listed: &[Listed],
    ) -> Result<(), StoreError> {
        self.blocks_changed = true;
        let block = &linked.block;
        let number = match self.take_side(&block.hash())? {
            Some(number) => number,
            None => self.add_block(linked)?,
        };
        self.transaction.open_table(CHAIN)?.insert(block.index(), number)?;
        self.transaction.open_table(INDEX)?.insert(block.hash().0, block.index())?;
        listing::add(&self.transaction, block.index(), listed)?;
        if changes.accounts.is_empty() {
            return Ok(());
        }
        let mut accounts = self.transaction.open_table(ACCOUNTS)?;
        for Change { address, after, .. } in &changes.accounts {
            accounts.insert(*address.key(), account_bytes(*after))?;
        }
        self.transaction.open_table(UNDO)?.insert(block.index(), &*undo_bytes(changes))?;
        Ok(())
    }

    fn disconnect(&mut self, tip: &Linked, listed: &[Listed]) -> Result<(), StoreError> {
        self.blocks_changed = true;
        let index = tip.block.index();
        let number = self.transaction.open_table(CHAIN)?.remove(index)?.map(|n| n.value());
        let missing = || StoreError::Damaged(format!("block {index} is not there"));
        self.insert_side(number.ok_or_else(missing)?, tip)?;
        self.transaction.open_table(INDEX)?.remove(tip.block.hash().0)?;
        listing::remove(&self.transaction, index, listed)?;
        let mut undo = self.transaction.open_table(UNDO)?;
        let Some(undone) = undo.remove(index)? else { return Ok(()) };
        let mut accounts = self.transaction.open_table(ACCOUNTS)?;
        let (entries, rest) = undone.value().as_chunks::<UNDO_BYTES>();
        if !rest.is_empty() {
            return Err(StoreError::Damaged(format!("the undo of block {index} is cut off")));
        }
        for entry in entries {
            let (key, before) = entry.split_first_chunk::<32>().expect("a key comes first");
            let before: [u8; ACCOUNT_BYTES] = before.try_into().expect("an account follows");
            match account(before) == Account::default() {
                true => accounts.remove(*key)?,
                false => accounts.insert(*key, before)?,
            };
        }
        Ok(())
    }

    fn keep_side(&mut self, linked: &Linked) -> Result<(), StoreError> {
        self.blocks_changed = true;
        let number = self.add_block(linked)?;
        self.insert_side(number, linked)
    }

    fn side(&self, hash: &Hash) -> Result<Option<Linked>, StoreError> {
        let Some(number) = self.side_number(hash)? else { return Ok(None) };
        numbered(&self.transaction.open_table(BLOCKS)?, self.shape, number).map(Some)
    }

    fn forget_side(&mut self, hash: &Hash) -> Result<(), StoreError> {
        self.blocks_changed = true;
        if let Some(number) = self.take_side(hash)? {
            self.transaction.open_table(BLOCKS)?.remove(number)?;
        }
        Ok(())
    }
}

/// What is kept to undo a block.
pub(super) fn undo_bytes(changes: &Changes) -> Vec<u8> {
    let entry = |Change { address, before, .. }: &Change| -> [u8; UNDO_BYTES] {
        let mut bytes = [0; UNDO_BYTES];
        bytes[..32].copy_from_slice(address.key());
        bytes[32..].copy_from_slice(&account_bytes(*before));
        bytes
    };
    changes.accounts.iter().flat_map(entry).collect()
}

/// In the order in which payments came.
fn arrival_bytes(arrived: Timestamp, id: &Hash) -> [u8; ARRIVAL_BYTES] {
    let mut bytes = [0; ARRIVAL_BYTES];
    bytes[..8].copy_from_slice(&arrived.micros.to_be_bytes());
    bytes[8..].copy_from_slice(&id.0);
    bytes
}

/// Balance and nonce, 8 bytes each, big-endian.
fn account_bytes(account: Account) -> [u8; ACCOUNT_BYTES] {
    let mut bytes = [0; ACCOUNT_BYTES];
    bytes[..8].copy_from_slice(&account.balance.to_be_bytes());
    bytes[8..].copy_from_slice(&account.nonce.to_be_bytes());
    bytes
}

fn account(bytes: [u8; ACCOUNT_BYTES]) -> Account {
    let number = |at: usize| u64::from_be_bytes(*bytes[at..].first_chunk().expect("8 bytes"));
    Account { balance: number(0), nonce: number(8) }
}
