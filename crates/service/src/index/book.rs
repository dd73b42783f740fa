//! The contents of the index, written block by block and undone block by block.
//!
//! | table     | key                              | value                                |
//! |-----------|----------------------------------|--------------------------------------|
//! | `parties` | name; a long one as its first 64 bytes ‖ SHA-256 | number ‖ balance ‖ sent ‖ received ‖ mined ‖ counts |
//! | `history` | number, 35 bits ‖ 1 for a block that the party mined ‖ place | flags    |
//! | `places`  | first 44 bits of the id ‖ place  | nothing                              |
//! | `ranks`   | coins mined, 16 bytes ‖ blocks mined, 5 ‖ number, 5; the lower the better | the key of the party |
//! | `cursor`  | nothing                          | index ‖ hash of the last block ‖ number of the last party ‖ how many blocks have a miner |
//! | `meta`    | `format`                         | the version of this layout           |
//!
//! A place is the index of the block, 36 bits, and the position in its list, 24 bits, big-endian: most
//! of the file is keys with places, no block has the room for more positions, and no disk for more
//! blocks. An id is the SHA-256 of the transaction's canonical text. The flags say what a transaction
//! changed, so that undoing it is exact. The blocks that a party mined are a range of their own in `history`,
//! so that the last of them is found at once. Where payments are signed, the store itself lists what
//! parties have, and the index holds the coins of blocks alone.

use std::collections::{BTreeMap, BTreeSet};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};

use blocksmith_consensus::Hash;
use blocksmith_consensus::block::BlockView;
use blocksmith_consensus::json::{Kind, Value};
use blocksmith_consensus::transaction::party;
use redb::{
    Durability, ReadableDatabase, ReadableTable, Table, TableDefinition, TableError,
    WriteTransaction,
};

use crate::store::{Db, StoreError, TransactionLocation};

pub(super) const PARTIES: TableDefinition<'_, &[u8], &[u8]> = TableDefinition::new("parties");
pub(super) const HISTORY: TableDefinition<'_, HistoryKey, u8> = TableDefinition::new("history");
pub(super) const PLACES: TableDefinition<'_, PlaceKey, ()> = TableDefinition::new("places");
pub(super) const RANKS: TableDefinition<'_, Rank, &[u8]> = TableDefinition::new("ranks");
pub(super) const CURSOR: TableDefinition<'_, (), Cursor> = TableDefinition::new("cursor");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// The keys of `history`, `places` and `ranks`.
pub(super) type HistoryKey = [u8; 12];
pub(super) type PlaceKey = [u8; 13];
pub(super) type Rank = [u8; 26];

/// The value of `cursor`.
type Cursor = (u64, [u8; 32], u64, u64);

/// The version of the layout above; an index of another one is made anew from the chain.
const FORMAT: u64 = 6;

/// The file in a data directory.
pub(crate) const FILE: &str = "index.redb";

/// The longest name that is a key as it is, in bytes.
pub(super) const MAX_KEY_BYTES: usize = 64;

/// The longest file that is compacted, in bytes.
const MAX_COMPACTED: u64 = 1 << 30;

/// The most accounts, and the most entries of lists, that a batch keeps in memory before it writes them;
/// few in tests, which come past it all the time.
const MAX_HELD: usize = if cfg!(test) { 8 } else { 20_000 };
const MAX_ENTRIES: usize = if cfg!(test) { 8 } else { 100_000 };

const SENT: u8 = 1;
const RECEIVED: u8 = 2;
const MINED: u8 = 4;
const UNCOUNTED: u8 = 8;

/// What a transaction was to a party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Roles {
    /// The party is its sender.
    pub sent: bool,
    /// The party is its recipient.
    pub received: bool,
    /// It is the coin of a block that the party mined.
    pub mined: bool,
    /// It changed no sum.
    pub uncounted: bool,
}

impl Roles {
    pub(super) fn of(flags: u8) -> Self {
        let [sent, received, mined, uncounted] =
            [SENT, RECEIVED, MINED, UNCOUNTED].map(|flag| flags & flag != 0);
        Self { sent, received, mined, uncounted }
    }
}

/// The last block that the index includes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Indexed {
    /// Its index.
    pub index: u64,
    /// Its hash.
    pub hash: Hash,
}

/// What a party has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PartyState {
    /// What it received without what it sent.
    pub balance: i128,
    /// The sum of what it sent.
    pub sent: i128,
    /// The sum of what it received.
    pub received: i128,
    /// The sum of its coins, which it received too.
    pub mined: i128,
    /// How many of its transactions have no amount that counts.
    pub uncounted: u64,
    /// How many transactions it sent or received.
    pub transactions: u64,
    /// How many blocks it mined.
    pub blocks: u64,
    /// The last of them.
    pub last_block: Option<u64>,
}

/// The account of a party.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Account {
    pub(super) number: u64,
    pub(super) balance: i128,
    pub(super) sent: i128,
    pub(super) received: i128,
    pub(super) mined: i128,
    pub(super) uncounted: u64,
    pub(super) transactions: u64,
    pub(super) blocks: u64,
    pub(super) last_block: Option<u64>,
}

impl Account {
    /// Each number in as few groups of seven bits as it has, the lowest first: most are small.
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(24);
        let last = self.last_block.map_or(0, |last| u128::from(last) + 1);
        let counts = [self.number, self.uncounted, self.transactions, self.blocks];
        let counts = counts.map(u128::from).into_iter().chain([last]);
        let sums = [self.balance, self.sent, self.received, self.mined];
        // The sign comes last, so that small sums below zero are short, too.
        let sums = sums.map(|sum| (sum << 1 ^ sum >> 127) as u128);
        for mut number in counts.chain(sums) {
            while number > 0x7f {
                bytes.push(number as u8 | 0x80);
                number >>= 7;
            }
            bytes.push(number as u8);
        }
        bytes
    }

    pub(super) fn of(bytes: &[u8]) -> Result<Self, StoreError> {
        let damaged = || StoreError::Damaged("an account of the index is not whole".into());
        let mut bytes = bytes.iter();
        let mut number = || {
            let (mut number, mut shift) = (0u128, 0);
            loop {
                let byte = *bytes.next().ok_or_else(damaged)?;
                let group = u128::from(byte & 0x7f);
                if shift > 126 || group << shift >> shift != group {
                    return Err(damaged());
                }
                number |= group << shift;
                if byte & 0x80 == 0 {
                    return Ok(number);
                }
                shift += 7;
            }
        };
        let mut count = || u64::try_from(number()?).map_err(|_| damaged());
        let (party, uncounted, transactions, blocks) = (count()?, count()?, count()?, count()?);
        let last = number()?;
        let last_block = match last.checked_sub(1) {
            Some(last) => Some(u64::try_from(last).map_err(|_| damaged())?),
            None => None,
        };
        let mut sum = || number().map(|sum| (sum >> 1) as i128 ^ -((sum & 1) as i128));
        let (balance, sent, received, mined) = (sum()?, sum()?, sum()?, sum()?);
        let number = party;
        Ok(Self {
            number,
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
}

impl Account {
    /// The key in `ranks`, whose order is that of the ranks; `None` if the party mined nothing.
    fn rank(&self) -> Option<Rank> {
        // The sign bit is turned, and then all bits: the most come first.
        let coins = !(self.mined as u128 ^ 1 << 127);
        let mut key = [0; 26];
        key[..16].copy_from_slice(&coins.to_be_bytes());
        key[16..21].copy_from_slice(&(!self.blocks).to_be_bytes()[3..]);
        key[21..].copy_from_slice(&self.number.to_be_bytes()[3..]);
        Some(key).filter(|_| self.blocks > 0)
    }
}

/// The key of a name.
pub(super) fn key(name: &str) -> Vec<u8> {
    let mut key = name.as_bytes().to_vec();
    if key.len() > MAX_KEY_BYTES {
        key.truncate(MAX_KEY_BYTES);
        key.extend(Hash::of(name).0);
    }
    key
}

/// What an index counts.
#[derive(Clone)]
pub(crate) enum Counts {
    /// All transactions; this is the sender of coins.
    All(Arc<str>),
    /// The coins of blocks; the chain's first block has none.
    Coins {
        /// The index of that block.
        first: u64,
    },
}

/// The index of one chain.
#[derive(Clone)]
pub(crate) struct Book {
    shared: Arc<Shared>,
}

struct Shared {
    dir: Option<PathBuf>,
    counts: Counts,
    /// Another one once the index is made anew.
    db: RwLock<Arc<Db>>,
    /// What a reader found wrong with it.
    wrong: Mutex<Option<String>>,
}

impl Book {
    /// Opens the index beside the store in `dir`, or a new one in memory.
    pub(crate) fn open(dir: Option<&Path>, counts: Counts) -> Result<Self, StoreError> {
        let (db, dir) = (Db::beside(dir, FILE)?.into(), dir.map(Path::to_path_buf));
        let book = Self { shared: Arc::new(Shared { dir, counts, db, wrong: Mutex::default() }) };
        if !book.is_of_this_format()? {
            book.clear()?;
        }
        Ok(book)
    }

    /// The database as it is now.
    pub(super) fn db(&self) -> Arc<Db> {
        self.shared.db.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Throws the whole file away, and begins at the start in a new one.
    pub(super) fn make_anew(&self) -> Result<(), StoreError> {
        *self.wrong() = None;
        if let Some(dir) = &self.shared.dir {
            match std::fs::remove_file(dir.join(FILE)) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    let dir = dir.clone();
                    return Err(StoreError::Failed { dir, error: redb::Error::Io(error).into() });
                }
                _ => {}
            }
        }
        let db = Db::beside(self.shared.dir.as_deref(), FILE)?;
        *self.shared.db.write().unwrap_or_else(PoisonError::into_inner) = db;
        self.clear()
    }

    /// Gives back the room that catching up needed besides what is in the index: it may be as much
    /// again. Readers wait meanwhile, some 0.6 s for each 100 MB, and a file of more than
    /// [`MAX_COMPACTED`] is left as it is. Returns `false` if somebody reads the index now.
    pub(super) fn compact(&self) -> Result<bool, StoreError> {
        let Some(dir) = &self.shared.dir else { return Ok(true) };
        let length = dir.join(FILE).metadata().map_or(0, |file| file.len());
        if length > MAX_COMPACTED {
            return Ok(true);
        }
        let mut db = self.shared.db.write().unwrap_or_else(PoisonError::into_inner);
        let Some(db) = Arc::get_mut(&mut db) else { return Ok(false) };
        db.compact()?;
        Ok(true)
    }

    /// Tells the follower what a reader found wrong.
    pub(crate) fn is_wrong(&self, error: &StoreError) {
        if let Some(what) = error.damage() {
            *self.wrong() = Some(what.into());
        }
    }

    /// Fails if a reader found something wrong.
    pub(super) fn is_sound(&self) -> Result<(), StoreError> {
        match self.wrong().take() {
            Some(wrong) => Err(StoreError::Damaged(wrong)),
            None => Ok(()),
        }
    }

    fn wrong(&self) -> MutexGuard<'_, Option<String>> {
        self.shared.wrong.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_of_this_format(&self) -> Result<bool, StoreError> {
        let db = self.db();
        db.guard(|| match db.begin_read()?.open_table(META) {
            Ok(meta) => Ok(meta.get("format")?.is_some_and(|found| found.value() == FORMAT)),
            Err(TableError::TableDoesNotExist(_)) => Ok(false),
            Err(error) => Err(error.into()),
        })
    }

    /// The last block that is included.
    pub(super) fn cursor(&self) -> Result<Option<Indexed>, StoreError> {
        let db = self.db();
        db.guard(|| {
            let cursor = db.begin_read()?.open_table(CURSOR)?.get(())?;
            Ok(cursor
                .map(|at| at.value())
                .map(|(index, hash, ..)| Indexed { index, hash: Hash(hash) }))
        })
    }

    /// Changes the index; all of a change is written with the cursor, or nothing.
    pub(super) fn change(
        &self,
        durable: bool,
        change: impl FnOnce(&mut Batch<'_>) -> Result<(), StoreError>,
    ) -> Result<(), StoreError> {
        let db = self.db();
        db.guard(|| {
            let mut transaction = db.begin_write()?;
            if !durable {
                transaction.set_durability(Durability::None).map_err(redb::Error::from)?;
            }
            let mut batch = Batch::of(&transaction, &self.shared.counts)?;
            change(&mut batch)?;
            batch.finish()?;
            transaction.commit()?;
            Ok(())
        })
    }

    /// Forgets everything: the cursor stands at the start again.
    pub(super) fn clear(&self) -> Result<(), StoreError> {
        let db = self.db();
        db.guard(|| {
            let transaction = db.begin_write()?;
            let tables: Vec<_> = transaction.list_tables()?.collect();
            for table in tables {
                transaction.delete_table(table)?;
            }
            transaction.open_table(META)?.insert("format", FORMAT)?;
            drop(Batch::of(&transaction, &self.shared.counts)?);
            transaction.commit()?;
            Ok(())
        })
    }
}

/// What a transaction says.
struct Said<'a> {
    /// Its position in the block's list.
    position: u32,
    /// Its id, if the index lists it.
    id: Option<Hash>,
    parties: Vec<(std::borrow::Cow<'a, str>, u8)>,
    amount: Option<i128>,
}

/// A change of the index.
pub(super) struct Batch<'t> {
    parties: Table<'t, &'static [u8], &'static [u8]>,
    history: Table<'t, HistoryKey, u8>,
    places: Table<'t, PlaceKey, ()>,
    ranks: Table<'t, Rank, &'static [u8]>,
    cursor: Table<'t, (), Cursor>,
    held: BTreeMap<Vec<u8>, Held>,
    /// What is added to the lists is written in the order of its keys: the tables stay fuller so, since
    /// redb splits a page that overflows at its end into a full one and the rest.
    new_history: BTreeMap<HistoryKey, u8>,
    new_places: BTreeSet<PlaceKey>,
    next: u64,
    mined: u64,
    at: Option<Indexed>,
    counts: &'t Counts,
}

/// An account as the index has it, and as it will be.
struct Held {
    rank: Option<Rank>,
    account: Account,
}

/// How many bits a place has, and its position.
const PLACE_BITS: u32 = 60;
const POSITION_BITS: u32 = 24;

/// A key of `history` or `places`: the lowest bits of what comes first, and a place.
pub(super) fn at_place<const N: usize>(first: u64, place: TransactionLocation) -> [u8; N] {
    // Beyond the last place there is none, though a client may ask for what is before it.
    let (index, position) = place.min(LAST);
    let place = index << POSITION_BITS | u64::from(position.min(LAST.1));
    let bytes = (u128::from(first) << PLACE_BITS | u128::from(place)).to_be_bytes();
    *bytes.last_chunk().expect("a key is shorter")
}

fn whole<const N: usize>(key: &[u8; N]) -> u128 {
    key.iter().fold(0, |number, byte| number << 8 | u128::from(*byte))
}

/// The place in a key of `history` or `places`.
pub(super) fn place_of<const N: usize>(key: &[u8; N]) -> TransactionLocation {
    let place = whole(key) as u64 & ((1 << PLACE_BITS) - 1);
    (place >> POSITION_BITS, place as u32 & LAST.1)
}

/// What comes first in a key of `history` or `places`.
pub(super) fn first_of<const N: usize>(key: &[u8; N]) -> u64 {
    (whole(key) >> PLACE_BITS) as u64
}

/// The first place and the last one.
pub(super) const FIRST: TransactionLocation = (0, 0);
pub(super) const LAST: TransactionLocation =
    ((1 << (PLACE_BITS - POSITION_BITS)) - 1, (1 << POSITION_BITS) - 1);

/// The start of the keys of a party's history: of the blocks that it mined, or of the rest.
pub(super) fn of_party(number: u64, mined: bool) -> u64 {
    number << 1 | u64::from(mined)
}

/// How many hex digits of an id are listed.
pub(crate) const ID_DIGITS: usize = 11;

/// The start of the keys of a transaction's places.
pub(super) fn of_id(id: &Hash) -> u64 {
    u64::from_be_bytes(*id.0.first_chunk().expect("8 bytes")) >> (64 - 4 * ID_DIGITS)
}

impl<'t> Batch<'t> {
    fn of(transaction: &'t WriteTransaction, counts: &'t Counts) -> Result<Self, StoreError> {
        let cursor = transaction.open_table(CURSOR)?;
        let found = cursor.get(())?.map(|at| at.value());
        Ok(Self {
            parties: transaction.open_table(PARTIES)?,
            history: transaction.open_table(HISTORY)?,
            places: transaction.open_table(PLACES)?,
            held: BTreeMap::new(),
            new_history: BTreeMap::new(),
            new_places: BTreeSet::new(),
            ranks: transaction.open_table(RANKS)?,
            next: found.map_or(0, |(.., next, _)| next),
            mined: found.map_or(0, |(.., mined)| mined),
            at: found.map(|(index, hash, ..)| Indexed { index, hash: Hash(hash) }),
            cursor,
            counts,
        })
    }

    fn finish(mut self) -> Result<(), StoreError> {
        self.write()?;
        if let Some(Indexed { index, hash }) = self.at {
            self.cursor.insert((), (index, hash.0, self.next, self.mined))?;
        }
        Ok(())
    }

    fn write(&mut self) -> Result<(), StoreError> {
        let mut new_ranks = BTreeMap::new();
        for (key, Held { rank, account }) in std::mem::take(&mut self.held) {
            let now = account.rank();
            if let Some(rank) = rank.filter(|_| rank != now) {
                self.ranks.remove(rank)?;
            }
            if account.transactions == 0 {
                self.parties.remove(&*key)?;
            } else {
                self.parties.insert(&*key, &*account.bytes())?;
            }
            if let Some(now) = now.filter(|_| rank != now) {
                new_ranks.insert(now, key);
            }
        }
        for (rank, key) in new_ranks {
            self.ranks.insert(rank, &*key)?;
        }
        for (key, flags) in std::mem::take(&mut self.new_history) {
            self.history.insert(key, flags)?;
        }
        for key in std::mem::take(&mut self.new_places) {
            self.places.insert(key, ())?;
        }
        Ok(())
    }

    /// Writes what is held once it is much.
    fn write_much(&mut self) -> Result<(), StoreError> {
        let entries = self.new_history.len() + self.new_places.len();
        if self.held.len() >= MAX_HELD || entries >= MAX_ENTRIES {
            self.write()?;
        }
        Ok(())
    }

    /// Puts the cursor on a block.
    pub(super) fn stand_at(&mut self, at: Indexed) {
        self.at = Some(at);
    }

    fn account(&mut self, name: &str) -> Result<Account, StoreError> {
        let key = key(name);
        if let Some(held) = self.held.get(&key) {
            return Ok(held.account);
        }
        let found = self.parties.get(&*key)?.map(|entry| Account::of(entry.value())).transpose()?;
        let account = found.unwrap_or_else(|| {
            self.next += 1;
            Account { number: self.next, ..Account::default() }
        });
        self.held.insert(key, Held { rank: account.rank(), account });
        Ok(account)
    }

    /// Keeps what an account is now; [`Batch::account`] gave it.
    fn hold(&mut self, name: &str, account: Account) {
        if let Some(held) = self.held.get_mut(&key(name)) {
            held.account = account;
        }
    }

    /// What the transactions of a block say, as far as they count.
    fn said_in<'a>(&self, block: &BlockView<'a>) -> Vec<Said<'a>> {
        let all: Vec<_> = (0u32..).zip(block.transactions()).collect();
        let count = all.len();
        match self.counts {
            Counts::All(mint) => {
                let said = |(position, value)| Self::said(position, value, count, mint);
                all.into_iter().map(said).collect()
            }
            Counts::Coins { first } if block.index == *first => Vec::new(),
            Counts::Coins { .. } => {
                let coin = |(position, value): (u32, Value<'a>)| Said {
                    position,
                    id: None,
                    parties: value
                        .get("recipient")
                        .map(|name| (party(name), RECEIVED | MINED))
                        .into_iter()
                        .collect(),
                    amount: value.get("amount").and_then(Value::as_i128),
                };
                all.last().copied().map(coin).into_iter().collect()
            }
        }
    }

    /// What one of `count` transactions says; the last of them may be the block's coin.
    fn said<'a>(position: u32, transaction: Value<'a>, count: usize, mint: &str) -> Said<'a> {
        let last = position as usize + 1 == count;
        let sender = transaction.get("sender").map(party);
        let recipient = transaction.get("recipient").map(party);
        let mined = last && sender.as_deref() == Some(mint);
        let amount = transaction.get("amount").filter(|amount| amount.kind() == Kind::Int);
        let both = sender.is_some() && recipient.is_some();
        let amount = amount.and_then(Value::as_i128).filter(|_| both);
        let received = RECEIVED | if mined { MINED } else { 0 };
        let parties = match (sender, recipient) {
            (Some(sender), Some(recipient)) if sender == recipient => {
                vec![(sender, SENT | received)]
            }
            (sender, recipient) => {
                let sender = sender.map(|name| (name, SENT));
                sender.into_iter().chain(recipient.map(|name| (name, received))).collect()
            }
        };
        Said { position, id: Some(Hash::of(transaction.text())), parties, amount }
    }

    /// Adds a block.
    pub(super) fn add(&mut self, block: &BlockView<'_>) -> Result<(), StoreError> {
        for said in self.said_in(block) {
            let at = (block.index, said.position);
            if let Some(id) = &said.id {
                self.new_places.insert(at_place(of_id(id), at));
            }
            let mut accounts = Vec::with_capacity(2);
            for (name, role) in &said.parties {
                accounts.push((self.account(name)?, *role));
            }
            let after = said.amount.and_then(|amount| {
                accounts.iter().map(|(account, role)| counted(account, *role, amount)).collect()
            });
            let after: Vec<_> = match after {
                Some(after) => after,
                None => {
                    let uncounted = |(account, _): &(Account, u8)| Account {
                        uncounted: account.uncounted + 1,
                        ..*account
                    };
                    accounts.iter().map(uncounted).collect()
                }
            };
            let flag = if said.amount.is_some()
                && after
                    .iter()
                    .zip(&accounts)
                    .all(|(after, (before, _))| after.uncounted == before.uncounted)
            {
                0
            } else {
                UNCOUNTED
            };
            for ((name, role), mut account) in said.parties.iter().zip(after) {
                account.transactions += 1;
                if role & MINED != 0 {
                    account.blocks += 1;
                    account.last_block = Some(block.index);
                    self.mined += 1;
                }
                let first = of_party(account.number, role & MINED != 0);
                self.new_history.insert(at_place(first, at), role | flag);
                self.hold(name, account);
            }
            self.write_much()?;
        }
        Ok(())
    }

    /// Takes back the block that was added last.
    pub(super) fn undo(&mut self, block: &BlockView<'_>) -> Result<(), StoreError> {
        // What the same change added is looked for in the tables.
        if !(self.new_history.is_empty() && self.new_places.is_empty()) {
            self.write()?;
        }
        let missing =
            || StoreError::Damaged(format!("the index lacks a place of block {}", block.index));
        let less = |count: u64| count.checked_sub(1).ok_or_else(missing);
        for said in self.said_in(block).into_iter().rev() {
            let at = (block.index, said.position);
            if let Some(id) = &said.id {
                self.places.remove(at_place(of_id(id), at))?.ok_or_else(missing)?;
            }
            for (name, role) in &said.parties {
                let mut account = self.account(name)?;
                let first = of_party(account.number, role & MINED != 0);
                let gone = self.history.remove(at_place(first, at))?;
                let flags = gone.ok_or_else(missing)?.value();
                account.transactions = less(account.transactions)?;
                if flags & UNCOUNTED != 0 {
                    account.uncounted = less(account.uncounted)?;
                } else {
                    uncount(&mut account, *role, said.amount.unwrap_or_default());
                }
                if role & MINED != 0 {
                    account.blocks = less(account.blocks)?;
                    self.mined = less(self.mined)?;
                    account.last_block = self.last_mined(account.number)?;
                }
                self.hold(name, account);
            }
            self.write_much()?;
        }
        Ok(())
    }

    /// The last block that a party mined.
    fn last_mined(&self, number: u64) -> Result<Option<u64>, StoreError> {
        let mined = of_party(number, true);
        let last = self.history.range(at_place(mined, FIRST)..=at_place(mined, LAST))?.next_back();
        Ok(last.transpose()?.map(|(key, _)| place_of(&key.value()).0))
    }
}

/// An account after an amount; `None` if a sum overflows.
fn counted(account: &Account, role: u8, amount: i128) -> Option<Account> {
    let mut after = *account;
    let (sends, receives) = (role & SENT != 0, role & RECEIVED != 0);
    if sends {
        after.sent = after.sent.checked_add(amount)?;
    }
    if receives {
        after.received = after.received.checked_add(amount)?;
    }
    // What a party pays to itself changes nothing.
    if sends && !receives {
        after.balance = after.balance.checked_sub(amount)?;
    } else if receives && !sends {
        after.balance = after.balance.checked_add(amount)?;
    }
    if role & MINED != 0 {
        after.mined = after.mined.checked_add(amount)?;
    }
    Some(after)
}

/// Takes back [`counted`]; each sum was in range before, so nothing overflows.
fn uncount(account: &mut Account, role: u8, amount: i128) {
    let (sends, receives) = (role & SENT != 0, role & RECEIVED != 0);
    if sends {
        account.sent = account.sent.wrapping_sub(amount);
    }
    if receives {
        account.received = account.received.wrapping_sub(amount);
    }
    if sends && !receives {
        account.balance = account.balance.wrapping_add(amount);
    } else if receives && !sends {
        account.balance = account.balance.wrapping_sub(amount);
    }
    if role & MINED != 0 {
        account.mined = account.mined.wrapping_sub(amount);
    }
}
