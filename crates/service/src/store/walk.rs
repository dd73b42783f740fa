//! Finds out which entries of a damaged store can't be read.

use std::convert::Infallible;
use std::fmt::Write as _;
use std::path::Path;

use redb::{Database, Key, ReadTransaction, ReadableDatabase, TableDefinition, TableError, Value};

use super::checked::{self, Checked};
use super::database::caught;
use super::error::StoreError;
use super::listing::{ACTIVITY, HISTORY, PLACES};
use super::tables::{
    ACCOUNTS, BLOCKS, CHAIN, INDEX, MEMPOOL, META, PEERS, QUEUE, SIDE, UNDO, UNHEARD,
};

/// Opens the file, which no other process has open, and reads something of it; an error or a panic of
/// the database is a reason why not. Nothing is written to a file with checksums.
pub(super) fn read<T>(
    file: &Path,
    read: impl FnOnce(&ReadTransaction) -> Result<T, StoreError>,
) -> Result<T, String> {
    said(|| match is_unchecked(file)? {
        true => read(&opened(file)?.begin_read()?),
        false => {
            let storage = Checked::reader(file).map_err(redb::Error::from)?;
            read(&Database::builder().open_read_only_with_backend(storage)?.begin_read()?)
        }
    })
}

/// What some work with the database found, or why it failed.
fn said<T>(work: impl FnOnce() -> Result<T, StoreError>) -> Result<T, String> {
    match caught(None, work) {
        Ok(done) => done.map_err(|error| error.said()),
        Err(panicked) => Err(panicked.into_text()),
    }
}

fn is_unchecked(file: &Path) -> Result<bool, StoreError> {
    Ok(checked::is_unchecked(file).map_err(redb::Error::from)?)
}

/// Opens the file as a node does.
fn opened(file: &Path) -> Result<Database, StoreError> {
    Ok(match is_unchecked(file)? {
        true => Database::builder().open(file)?,
        false => {
            let storage = Checked::open(file).map_err(redb::Error::from)?;
            Database::builder().create_with_backend(storage)?
        }
    })
}

/// What is done with each table of a store.
pub(super) trait Visit {
    type Error;

    /// Gets the table, its name, and how to say which entry a key is of.
    fn table<K: Key + 'static, V: Value + 'static>(
        &mut self,
        definition: TableDefinition<'_, K, V>,
        name: &str,
        say: impl Fn(K::SelfType<'_>) -> String,
    ) -> Result<(), Self::Error>;
}

/// Visits all tables.
pub(super) fn tables<V: Visit>(visit: &mut V) -> Result<(), V::Error> {
    visit.table(BLOCKS, "blocks", |number| format!("the block with the number {number}"))?;
    visit.table(CHAIN, "chain", |index| format!("block {index}"))?;
    visit.table(INDEX, "index", |hash| format!("block {}", hex(&hash)))?;
    visit.table(SIDE, "side", |hash| format!("block {}", hex(&hash)))?;
    visit.table(ACCOUNTS, "accounts", |key| format!("account {}", hex(&key)))?;
    visit.table(UNDO, "undo", |index| format!("block {index}"))?;
    visit.table(QUEUE, "queue", |number| format!("transaction {number}"))?;
    visit.table(MEMPOOL, "mempool", |key| format!("payment {}", hex(&key[8..])))?;
    visit.table(PLACES, "places", |key| format!("transaction {}", hex(&key[..32])))?;
    visit.table(HISTORY, "history", |key| format!("account {}", hex(&key[..32])))?;
    visit.table(ACTIVITY, "activity", |key| format!("account {}", hex(&key)))?;
    visit.table(PEERS, "peers", |name| format!("peer {name}"))?;
    visit.table(UNHEARD, "unheard", |name| format!("peer {name}"))?;
    visit.table(META, "meta", |name| format!("entry {name}"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The parts of a store that can't be read: for each such table, where, and why.
pub(super) fn unreadable(file: &Path) -> Vec<String> {
    if let Err(why) = read(file, |_| Ok(())) {
        return vec![format!("no table can be read: {why}")];
    }
    let mut found = Unreadable { file, all: Vec::new() };
    let Ok(()) = tables(&mut found);
    let mut all = found.all;
    if all.is_empty()
        && let Err(why) = said(|| opened(file).map(drop))
    {
        all.push(format!("what the database notes for itself: {why}"));
    }
    all
}

struct Unreadable<'a> {
    file: &'a Path,
    all: Vec<String>,
}

impl Visit for Unreadable<'_> {
    type Error = Infallible;

    fn table<K: Key + 'static, V: Value + 'static>(
        &mut self,
        definition: TableDefinition<'_, K, V>,
        name: &str,
        say: impl Fn(K::SelfType<'_>) -> String,
    ) -> Result<(), Infallible> {
        let mut last = None;
        let walk = |transaction: &ReadTransaction| {
            let table = match transaction.open_table(definition) {
                Err(TableError::TableDoesNotExist(_)) => return Ok(()),
                table => table?,
            };
            for entry in table.range::<K::SelfType<'_>>(..)? {
                let (key, _value) = entry?;
                last = Some(say(key.value()));
            }
            Ok(())
        };
        if let Err(why) = read(self.file, walk) {
            self.all.push(match last {
                Some(last) => format!("table {name}, after {last}: {why}"),
                None => format!("table {name}, from its start: {why}"),
            });
        }
        Ok(())
    }
}
