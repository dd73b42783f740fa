//! Reads the whole store from time to time, so that damage to what is seldom read is found while there
//! are still copies of it.

use std::ops::Bound;
use std::time::Duration;

use redb::{
    Key, ReadTransaction, ReadableDatabase, ReadableTable as _, ReadableTableMetadata as _,
    TableDefinition, TableError, Value,
};

use super::Store;
use super::error::StoreError;
use super::tables::{CHAIN, INDEX};
use super::walk::{Visit, tables};
use crate::background::Stop;

/// The most bytes that are read at once, about 8 MB a second with the pause behind them. A view of
/// the database that is kept for longer would keep the writer from using pages again.
const SLICE_BYTES: usize = 1 << 20;
const PAUSE: Duration = Duration::from_millis(125);

/// The time before the first reading of all, and between two.
const FIRST: Duration = Duration::from_secs(5);
const AGAIN: Duration = Duration::from_secs(24 * 60 * 60);

/// Reads all of a store every day until something is damaged, or the thread is to stop.
pub(crate) fn scrub(store: &Store, stop: &Stop) -> Result<(), StoreError> {
    let mut pause = FIRST;
    while stop.wait(pause) {
        let mut slices = Slices { store, stop, bytes: 0 };
        slices.all()?;
        if !stop.is_set() {
            tracing::debug!("all {} bytes of the store were read, and are whole", slices.bytes);
        }
        pause = AGAIN;
    }
    Ok(())
}

struct Slices<'a> {
    store: &'a Store,
    stop: &'a Stop,
    bytes: usize,
}

impl Slices<'_> {
    fn all(&mut self) -> Result<(), StoreError> {
        tables(self)?;
        self.store.guard(|| counts(&self.store.db.begin_read()?, self.store.genesis))
    }

    /// Reads some entries from behind the key in `last`, which that of the last one replaces; returns how
    /// many bytes they have.
    fn slice<K: Key + 'static, V: Value + 'static>(
        &self,
        definition: TableDefinition<'_, K, V>,
        last: &mut Option<Vec<u8>>,
    ) -> Result<usize, StoreError> {
        let transaction = self.store.db.begin_read()?;
        let table = match transaction.open_table(definition) {
            Err(TableError::TableDoesNotExist(_)) => return Ok(0),
            table => table?,
        };
        let from = last.clone();
        let from = from.as_deref().map(K::from_bytes);
        let from = from.as_ref().map_or(Bound::Unbounded, Bound::Excluded);
        let mut bytes = 0;
        for entry in table.range::<&K::SelfType<'_>>((from, Bound::Unbounded))? {
            let (key, value) = entry?;
            let (key, value) = (key.value(), value.value());
            let key = K::as_bytes(&key).as_ref().to_vec();
            bytes += key.len() + V::as_bytes(&value).as_ref().len();
            *last = Some(key);
            if bytes >= SLICE_BYTES {
                break;
            }
        }
        Ok(bytes)
    }
}

impl Visit for Slices<'_> {
    type Error = StoreError;

    fn table<K: Key + 'static, V: Value + 'static>(
        &mut self,
        definition: TableDefinition<'_, K, V>,
        name: &str,
        say: impl Fn(K::SelfType<'_>) -> String,
    ) -> Result<(), StoreError> {
        let mut last: Option<Vec<u8>> = None;
        while !self.stop.is_set() {
            // Named in the guard: what fails afterwards quotes the first damage that it saw.
            let bytes = self.store.guard(|| {
                self.slice(definition, &mut last).map_err(|error| {
                    let behind = last.as_deref().map(|key| say(K::from_bytes(key)));
                    error.about(match behind {
                        Some(behind) => format!("table {name}, after {behind}"),
                        None => format!("table {name}, from its start"),
                    })
                })
            })?;
            self.bytes += bytes;
            if bytes < SLICE_BYTES || !self.stop.wait(PAUSE) {
                break;
            }
        }
        Ok(())
    }
}

/// Checks that the tables have the entries that the last block demands: writes that never reached the
/// disk leave older pages, which are as they were written.
fn counts(transaction: &ReadTransaction, genesis: u64) -> Result<(), StoreError> {
    let chain = transaction.open_table(CHAIN)?;
    let tip = chain.last()?.map(|(index, _)| index.value());
    let demanded = tip.map_or(0, |tip| (tip + 1).saturating_sub(genesis));
    let index = transaction.open_table(INDEX)?.len()?;
    for (name, found) in [("chain", chain.len()?), ("index", index)] {
        if found != demanded {
            return Err(StoreError::Damaged(format!(
                "table {name} has {found} entries for a chain of the length {demanded}"
            )));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use blocksmith_consensus::{Rules, Timestamp};

    use super::*;

    #[test]
    fn a_table_that_lost_or_won_an_entry_is_named() {
        let rules = Rules::lecture();
        let (store, _) = Store::open(None, &rules, None, Timestamp::default()).expect("a store");
        let check = || counts(&store.db.begin_read().expect("a view"), store.genesis);
        check().expect("a store with its first block");
        let changed = |change: &dyn Fn(&redb::WriteTransaction)| {
            let writing = store.db.begin_write().expect("a writer");
            change(&writing);
            writing.commit().expect("a commit");
            check().expect_err("another count").to_string()
        };
        let lost = changed(&|writing| {
            let mut index = writing.open_table(INDEX).expect("a table");
            index.pop_first().expect("a table").expect("an entry");
        });
        assert!(lost.contains("table index has 0 entries for a chain of the length 1"), "{lost}");
        let won = changed(&|writing| {
            let mut chain = writing.open_table(CHAIN).expect("a table");
            chain.insert(7, 0).expect("a table");
        });
        assert!(won.contains("table chain has 2 entries for a chain of the length 7"), "{won}");
    }
}
