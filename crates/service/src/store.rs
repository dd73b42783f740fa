//! The chain on disk: a private module, since the other crates use the handle alone.
//!
//! This module opens a store, checks that it holds the node's chain, and reads the state that a
//! node starts with. [`tables`] describes its tables; a [`Snapshot`] reads them, and a [`Writer`]
//! changes them.

mod checked;
mod database;
mod error;
mod listing;
mod salvage;
mod scrub;
mod snapshot;
mod tables;
mod unwritten;
mod walk;
mod writer;

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use blocksmith_consensus::json::{Value, canonical};
use blocksmith_consensus::tree::{BestChain, SideBlock};
use blocksmith_consensus::{Ancestry, ChainBlock, Hash, Rules, Shape, Timestamp, Transaction};
use blocksmith_node::PeerAddress;
use redb::{ReadableDatabase, ReadableTable};

pub use checked::{Checked, NotAsWritten};
pub use database::tell_url;
pub use error::StoreError;
pub(super) use listing::{Entries, Indexer, Lists, location};
pub use listing::{IndexEntry, MAX_HISTORY, MAX_PLACES, TransactionLocation};
pub use salvage::Salvage;
pub(crate) use scrub::scrub;
pub use snapshot::Snapshot;
pub(super) use snapshot::Tables;
pub(super) use tables::undo_bytes;
pub(super) use writer::Writer;

use crate::chain::{Differences, describe};
pub(super) use database::FILE;
use database::Opening;
pub(crate) use database::{Db, Held};
use tables::{
    ACCOUNTS, CHAIN, FORMAT, META, PEERS, SEALED, UNCHECKED_FORMAT, UNDO, UNHEARD, shape_name,
};

/// The state that a node starts with.
pub(crate) struct Kept {
    pub(crate) tip: ChainBlock,
    /// In the order in which they came.
    pub(crate) side: Vec<SideBlock>,
    pub(crate) queue: Vec<(u64, Transaction)>,
    /// When a payment came, its id and its text.
    pub(crate) mempool: Vec<(Timestamp, Hash, String)>,
    pub(crate) peers: Vec<PeerAddress>,
    /// The peers that have not answered yet.
    pub(crate) unheard: Vec<PeerAddress>,
    pub(crate) node_id: String,
}

/// The store of one chain.
#[derive(Clone)]
pub(crate) struct Store {
    db: Arc<Db>,
    /// The shape of the chain's blocks.
    shape: Shape,
    /// The index of the chain's first block.
    genesis: u64,
    lister: Arc<Indexer>,
}

impl Store {
    /// Opens or makes the store in `dir`, or makes one in memory.
    pub(crate) fn open(
        dir: Option<&Path>,
        rules: &Rules,
        node_id: Option<String>,
        now: Timestamp,
    ) -> Result<(Self, Kept), StoreError> {
        let db = Db::open(dir, Opening::Create)?;
        let (shape, genesis) = (rules.shape(), rules.genesis_index());
        let store = Self { db, shape, genesis, lister: Arc::new(Indexer::new(rules)) };
        let kept =
            store.guard(|| store.prepare(dir.unwrap_or(Path::new("")), rules, node_id, now))?;
        Ok((store, kept))
    }

    /// The damage that was met so far.
    pub(crate) fn damage(&self) -> Option<StoreError> {
        self.db.damage()
    }

    /// Runs work that reads or writes the store; turns a panic into an error.
    pub(crate) fn guard<T>(
        &self,
        work: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        self.db.guard(work)
    }

    /// Opens the best chain that is stored in `dir`, whatever its rules, without changing it. With
    /// `checked`, every page is first checked to be as it was written. The directory is in use as
    /// long as the snapshot lives.
    pub(crate) fn look(dir: &Path, checked: bool) -> Result<Snapshot, StoreError> {
        let file = dir.join(FILE);
        let nothing = || StoreError::Nothing { dir: dir.into() };
        // If the directory can't be read, this does not say that there is no file. A node that was
        // stopped while it made the file leaves one without tables.
        match file.metadata() {
            Err(error) if error.kind() == ErrorKind::NotFound => return Err(nothing()),
            _ => {}
        }
        let opening = if checked { Opening::Checked } else { Opening::Existing };
        let db = Db::open(Some(dir), opening)?;
        let shape = db.guard(|| {
            let meta = match db.begin_read()?.open_table(META) {
                Err(redb::TableError::TableDoesNotExist(_)) => return Err(nothing()),
                meta => meta?,
            };
            let read = |name: &str| -> Result<Option<String>, StoreError> {
                Ok(meta.get(name)?.map(|text| text.value().to_string()))
            };
            if let Some(found) = read("format")?.filter(|found| !is_known(found)) {
                return Err(StoreError::Format { dir: dir.into(), found, expected: FORMAT });
            }
            Ok(match read("shape")?.as_deref() {
                Some(SEALED) => Shape::Sealed,
                _ => Shape::Open,
            })
        })?;
        Snapshot::of(&db, shape)
    }

    /// Writes the first contents, or checks that the store belongs to these rules.
    fn prepare(
        &self,
        dir: &Path,
        rules: &Rules,
        node_id: Option<String>,
        now: Timestamp,
    ) -> Result<Kept, StoreError> {
        let mut writer = self.write()?;
        let node_id = self.identify(&writer, dir, rules, node_id)?;
        // A reader makes no tables, so they are made here.
        writer.settled()?.open_table(ACCOUNTS)?;
        writer.settled()?.open_table(UNDO)?;
        listing::make(writer.settled()?)?;
        let tip = tip(&mut writer, rules, now)?;
        let side = writer.side_blocks()?;
        let (queue, mempool) = (writer.queued()?, writer.pending()?);
        let (peers, unheard) = (writer.addresses(PEERS)?, writer.addresses(UNHEARD)?);
        writer.commit()?;
        Ok(Kept { tip, side, queue, mempool, peers, unheard, node_id })
    }

    /// Makes sure that the store holds the chain with these rules, notes that in it, and returns
    /// the node's id.
    fn identify(
        &self,
        writer: &Writer,
        dir: &Path,
        rules: &Rules,
        node_id: Option<String>,
    ) -> Result<String, StoreError> {
        let (chain_id, rules_text) = (rules.chain_id().to_string(), describe(rules));
        let mut meta = writer.settled()?.open_table(META)?;
        let read = |name: &str| -> Result<Option<String>, StoreError> {
            Ok(meta.get(name)?.map(|text| text.value().to_string()))
        };
        let (format, found_id, found_rules, kept_id) =
            (read("format")?, read("chain_id")?, read("rules")?, read("node_id")?);
        if let Some(found) = format.filter(|format| !is_known(format)) {
            return Err(StoreError::Format { dir: dir.into(), found, expected: FORMAT });
        }
        if let Some(found_id) = found_id.filter(|found| *found != chain_id) {
            let found = found_rules.unwrap_or(found_id);
            return Err(other_chain(dir, rules, found, read("rules_json")?));
        }
        if let Some(found) = found_rules.filter(|found| *found != rules_text) {
            tracing::warn!(
                "{rules_text} is the same chain as {found}, which this directory has: the name is not part \
                 of a chain, and a payment that is signed for one is valid on both; `blocksmith chain new` \
                 makes another chain"
            );
        }
        let node_id = node_id.or(kept_id).unwrap_or_else(new_node_id);
        meta.insert("format", FORMAT)?;
        meta.insert("chain_id", &*chain_id)?;
        meta.insert("rules", &*rules_text)?;
        meta.insert("rules_json", &*rules.json())?;
        meta.insert("node_id", &*node_id)?;
        meta.insert("shape", shape_name(self.shape))?;
        Ok(node_id)
    }

    /// Forgets all peers.
    pub(crate) fn forget_peers(&self) -> Result<(), StoreError> {
        self.guard(|| {
            let writer = self.write()?;
            for table in [PEERS, UNHEARD] {
                writer.settled()?.open_table(table)?.retain(|_, ()| false)?;
            }
            writer.commit()
        })
    }

    /// A view of the durable state now; later writes do not show in it.
    pub(crate) fn read(&self) -> Result<Snapshot, StoreError> {
        Snapshot::of(&self.db, self.shape)
    }

    /// Begins a transaction that changes the store; call it in a [`Store::guard`]. A writer that is
    /// dropped without [`Writer::commit`] changes nothing.
    pub(crate) fn write(&self) -> Result<Writer, StoreError> {
        Writer::of(&self.db, self.shape, self.genesis, self.lister.clone())
    }
}

/// Whether a store has the tables of this version.
fn is_known(format: &str) -> bool {
    [FORMAT, UNCHECKED_FORMAT].contains(&format)
}

/// The tip of the stored chain; a new store begins with the genesis block.
fn tip(writer: &mut Writer, rules: &Rules, now: Timestamp) -> Result<ChainBlock, StoreError> {
    let last = writer.settled()?.open_table(CHAIN)?.last()?.map(|(index, _)| index.value());
    if let Some(last) = last {
        let missing = || StoreError::Damaged(format!("block {last}, the last one, is not found"));
        return writer.at(last)?.ok_or_else(missing);
    }
    let tip = ChainBlock::genesis(rules, rules.genesis_block(now));
    let changes = rules.allot(&tip.block).map_err(StoreError::Allotted)?;
    writer.connect(&tip, &changes, None)?;
    Ok(tip)
}

/// The error for a store of another chain, whose rules are `found` in words, and `json` as JSON.
fn other_chain(dir: &Path, rules: &Rules, found: String, json: Option<String>) -> StoreError {
    let differences = json.and_then(|found| {
        let found = canonical(found.as_bytes()).ok()?;
        let differences = Differences::between(rules, Value::of_canonical(&found));
        Some(differences).filter(|differences| !differences.is_empty())
    });
    let rules_text = describe(rules);
    let expected = if found == rules_text && differences.is_none() {
        format!("{rules_text}, but another genesis or puzzle ({})", rules.chain_id())
    } else {
        rules_text
    };
    StoreError::OtherChain { dir: dir.into(), found, expected, differences }
}

/// Whether a text is like those of [`new_node_id`].
pub fn is_node_id(text: &str) -> bool {
    text.len() == 32 && text.bytes().all(|byte| byte.is_ascii_hexdigit())
}

/// A version 4 UUID without dashes, as the course's nodes name themselves.
pub fn new_node_id() -> String {
    let mut bytes = [0u8; 16];
    getrandom::fill(&mut bytes).expect("the system gives random bytes");
    bytes[6] = bytes[6] & 0x0f | 0x40;
    bytes[8] = bytes[8] & 0x3f | 0x80;
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
