//! Finds out which entries of a damaged store can't be read.

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

/// The parts of a store that can't be read: for each such table, where, and why.
pub(super) fn unreadable(file: &Path) -> Vec<String> {
    if let Err(why) = read(file, |_| Ok(())) {
        return vec![format!("no table can be read: {why}")];
    }
    let mut all = Vec::new();
    let mut note = |found: Option<String>| all.extend(found);
    note(table(file, BLOCKS, "blocks", |number| format!("the block with the number {number}")));
    note(table(file, CHAIN, "chain", |index| format!("block {index}")));
    note(table(file, INDEX, "index", |hash| format!("block {}", hex(&hash))));
    note(table(file, SIDE, "side", |hash| format!("block {}", hex(&hash))));
    note(table(file, ACCOUNTS, "accounts", |key| format!("account {}", hex(&key))));
    note(table(file, UNDO, "undo", |index| format!("block {index}")));
    note(table(file, QUEUE, "queue", |number| format!("transaction {number}")));
    note(table(file, MEMPOOL, "mempool", |key| format!("payment {}", hex(&key[8..]))));
    note(table(file, PLACES, "places", |key| format!("transaction {}", hex(&key[..32]))));
    note(table(file, HISTORY, "history", |key| format!("account {}", hex(&key[..32]))));
    note(table(file, ACTIVITY, "activity", |key| format!("account {}", hex(&key))));
    note(table(file, PEERS, "peers", |name| format!("peer {name}")));
    note(table(file, UNHEARD, "unheard", |name| format!("peer {name}")));
    note(table(file, META, "meta", |name| format!("entry {name}")));
    if all.is_empty()
        && let Err(why) = said(|| opened(file).map(drop))
    {
        all.push(format!("what the database notes for itself: {why}"));
    }
    all
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Reads a whole table; where and why it can't be.
fn table<K: Key + 'static, V: Value + 'static>(
    file: &Path,
    definition: TableDefinition<'_, K, V>,
    name: &str,
    say: impl Fn(K::SelfType<'_>) -> String,
) -> Option<String> {
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
    let why = read(file, walk).err()?;
    Some(match last {
        Some(last) => format!("table {name}, after {last}: {why}"),
        None => format!("table {name}, from its start: {why}"),
    })
}
