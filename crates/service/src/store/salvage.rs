//! Takes what can be read out of a damaged store, so that a new one can be built of it.
//!
//! Blocks are looked for in the bytes of the file, whatever the tables say: a page that leads to
//! others may be the damaged one. Each block goes through all checks again when it is handed in. One
//! that touches a damaged page counts only if the hash in a later block says that it is whole.

use std::collections::{HashMap, HashSet};
use std::fs::{self, File};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};

use blocksmith_consensus::json::{Value, canonical};
use blocksmith_consensus::limits::MAX_BLOCK_BYTES;
use blocksmith_consensus::{Block, Hash, Rules, Transaction};
use blocksmith_node::PeerAddress;
use redb::ReadableTable as _;

use super::checked::Raw;
use super::database::{FILE, Lock};
use super::error::StoreError;
use super::other_chain;
use super::tables::{MEMPOOL, META, PEERS, QUEUE, UNHEARD};
use super::walk::{read, unreadable};
use crate::index;

/// The directory in which a new store is built.
const BUILDING: &str = "repairing";

/// The most damaged stores that are kept in a directory.
const MAX_SET_ASIDE: u32 = 1_000;

/// A block in the bytes of a file.
#[derive(Debug, Clone, Copy)]
struct Found {
    index: u64,
    parent: Option<Hash>,
    at: u64,
    bytes: usize,
    damaged: bool,
}

/// What was read of a damaged store.
#[derive(Debug)]
pub struct Salvage {
    /// What can't be read: tables and keys.
    pub damage: Vec<String>,
    /// The directory in which the new store is to be built.
    pub building: PathBuf,
    /// The name of the node, if it could be read.
    pub node_id: Option<String>,
    /// Its peers.
    pub peers: Vec<PeerAddress>,
    /// The transactions that waited for a block of an open chain.
    pub queue: Vec<Transaction>,
    /// The texts of the payments that waited.
    pub payments: Vec<String>,
    /// The highest index of a block that was read, on whatever chain.
    pub highest: Option<u64>,
    dir: PathBuf,
    _lock: Lock,
    raw: Raw,
    /// The longest chain first, and then the others, parents before children.
    blocks: Vec<(Hash, Found)>,
    /// How many of them are that chain.
    best: usize,
}

impl Salvage {
    /// Reads what can be read of the store in `dir`, and keeps others out of that directory. `None` if each
    /// part can be read and `known` says of no other damage. Nothing is changed.
    ///
    /// # Errors
    /// Fails if the directory is in use, has no store or that of another chain, or can't be read.
    pub fn of(
        dir: &Path,
        rules: &Rules,
        known: Option<String>,
    ) -> Result<Option<Self>, StoreError> {
        let file = dir.join(FILE);
        if !file.is_file() {
            return Err(StoreError::Nothing { dir: dir.into() });
        }
        let lock = Lock::take(dir)?;
        let failed = |error| failed(dir, error);
        let noted = |name: &str| {
            let note = read(&file, |transaction| {
                let meta = transaction.open_table(META)?;
                Ok(meta.get(name)?.map(|text| text.value().to_owned()))
            });
            note.ok().flatten()
        };
        if let Some(found) = noted("chain_id").filter(|id| *id != rules.chain_id().to_string()) {
            let found = noted("rules").unwrap_or(found);
            return Err(other_chain(dir, rules, found, noted("rules_json")));
        }
        let mut damage = unreadable(&file);
        damage.extend(known);
        if damage.is_empty() {
            return Ok(None);
        }
        let mut peers: Vec<PeerAddress> = Vec::new();
        for table in [PEERS, UNHEARD] {
            let _ = read(&file, |transaction| {
                for entry in transaction.open_table(table)?.iter()? {
                    peers.extend(entry?.0.value().parse().ok());
                }
                Ok(())
            });
        }
        // Those before the first that can't be read count.
        let (mut queue, mut payments) = (Vec::new(), Vec::new());
        let _ = read(&file, |transaction| {
            for entry in transaction.open_table(QUEUE)?.iter()? {
                let (_, text) = entry?;
                queue.push(Transaction::of_block(Value::of_canonical(text.value())));
            }
            Ok(())
        });
        let _ = read(&file, |transaction| {
            for entry in transaction.open_table(MEMPOOL)?.iter()? {
                payments.push(entry?.1.value().to_owned());
            }
            Ok(())
        });
        let raw = Raw::open(&file).map_err(failed)?;
        let found = blocks(&raw, rules).map_err(failed)?;
        let highest = found.values().map(|found| found.index).max();
        let (blocks, best) = in_order(found, rules);
        let building = dir.join(BUILDING);
        match fs::remove_dir_all(&building) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(error)),
            _ => {}
        }
        Ok(Some(Self {
            damage,
            building,
            dir: dir.into(),
            _lock: lock,
            node_id: noted("node_id"),
            peers,
            queue,
            payments,
            highest,
            raw,
            blocks,
            best,
        }))
    }

    /// Puts the store that was built in the place of the damaged one, whose new name is returned.
    ///
    /// # Errors
    /// Fails if the new store is in use, or a file can't be moved.
    pub fn replace(self) -> Result<PathBuf, StoreError> {
        let Self { dir, building, .. } = &self;
        drop(Lock::take(building)?);
        // What an index says follows from the blocks.
        match fs::remove_file(dir.join(index::FILE)) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(failed(dir, error)),
            _ => {}
        }
        let aside = set_aside(dir, &building.join(FILE)).map_err(|error| failed(dir, error))?;
        fs::remove_dir_all(building).map_err(|error| failed(dir, error))?;
        Ok(aside)
    }

    /// The blocks of the longest chain that were found, from the first on.
    ///
    /// # Errors
    /// Each fails if the file can't be read any more.
    pub fn chain(&self, rules: &Rules) -> impl Iterator<Item = Result<Block, StoreError>> {
        self.read(&self.blocks[..self.best], rules)
    }

    /// The other blocks that were found and have a parent, parents before children.
    ///
    /// # Errors
    /// Each fails if the file can't be read any more.
    pub fn others(&self, rules: &Rules) -> impl Iterator<Item = Result<Block, StoreError>> {
        self.read(&self.blocks[self.best..], rules)
    }

    fn read(
        &self,
        blocks: &[(Hash, Found)],
        rules: &Rules,
    ) -> impl Iterator<Item = Result<Block, StoreError>> {
        blocks.iter().map(|(hash, found)| {
            let changed =
                || StoreError::Damaged(format!("block {} changed meanwhile", found.index));
            let mut text = vec![0; found.bytes];
            self.raw.read(found.at, &mut text).map_err(redb::Error::from)?;
            let text = String::from_utf8(text).map_err(|_| changed())?;
            let block = rules.block(&text).map_err(|_| changed())?;
            if block.hash() == *hash { Ok(block) } else { Err(changed()) }
        })
    }
}

fn failed(dir: &Path, error: io::Error) -> StoreError {
    StoreError::Failed { dir: dir.into(), error: Box::new(error.into()) }
}

/// Gives the damaged file another name, and its own to the new one. At each moment there is a file with
/// its name, so that no node starts a new chain there.
fn set_aside(dir: &Path, new: &Path) -> io::Result<PathBuf> {
    let (file, too_many) =
        (dir.join(FILE), format!("there are {MAX_SET_ASIDE} damaged files already"));
    let mut names = (1..=MAX_SET_ASIDE).map(|n| dir.join(format!("chain.damaged-{n}.redb")));
    let free = names.find(|name| name.symlink_metadata().is_err());
    let aside = free.ok_or_else(|| io::Error::new(ErrorKind::AlreadyExists, too_many))?;
    // Not every file system gives a file two names.
    if fs::hard_link(&file, &aside).is_err() {
        fs::rename(&file, &aside)?;
    }
    fs::rename(new, &file)?;
    File::open(dir)?.sync_all()?;
    Ok(aside)
}

/// All blocks in the bytes of a file.
fn blocks(raw: &Raw, rules: &Rules) -> io::Result<HashMap<Hash, Found>> {
    let mut all: HashMap<Hash, Found> = HashMap::new();
    let (mut window, mut base): (Vec<u8>, u64) = (Vec::new(), 0);
    let mut damaged: Vec<(u64, u64)> = Vec::new();
    let mut pieces = raw.pieces().peekable();
    while let Some(piece) = pieces.next() {
        let piece = piece?;
        if window.is_empty() {
            base = piece.at;
        }
        window.extend_from_slice(&piece.bytes);
        damaged.extend(piece.damaged);
        let is_last = pieces.peek().is_none();
        let mut at = 0;
        while let Some(next) = window[at..].windows(2).position(|two| two == b"{\"") {
            at += next;
            let end = match end_of_object(&window[at..]) {
                Scanned::End(bytes) => bytes,
                Scanned::Open if !is_last && window.len() - at <= MAX_BLOCK_BYTES => break,
                _ => {
                    at += 2;
                    continue;
                }
            };
            let text = std::str::from_utf8(&window[at..at + end]).unwrap_or_default();
            let block = rules.block(text).ok();
            // What the tables hold is canonical.
            let block = block.filter(|_| canonical(text.as_bytes()).is_ok_and(|it| it == text));
            let Some(block) = block else {
                at += 2;
                continue;
            };
            let start = base + at as u64;
            let range = start..start + end as u64;
            let found = Found {
                index: block.index(),
                parent: block.parent(),
                at: start,
                bytes: end,
                damaged: damaged.iter().any(|(from, to)| *from < range.end && range.start < *to),
            };
            let known = all.entry(block.hash()).or_insert(found);
            if known.damaged && !found.damaged {
                *known = found;
            }
            at += end;
        }
        // The last byte may be the first of two.
        let done = match window[at..].windows(2).any(|two| two == b"{\"") {
            true => at,
            false => window.len().saturating_sub(1).max(at),
        };
        window.drain(..done);
        base += done as u64;
        damaged.retain(|(_, to)| *to > base);
    }
    let vouched: HashSet<Hash> = all.values().filter_map(|found| found.parent).collect();
    all.retain(|hash, found| !found.damaged || vouched.contains(hash));
    Ok(all)
}

/// How the text of an object goes on.
enum Scanned {
    /// It is this long.
    End(usize),
    /// It does not end here.
    Open,
    /// It is none.
    Broken,
}

/// Finds the end of an object of canonical text, which is printable ASCII.
fn end_of_object(bytes: &[u8]) -> Scanned {
    let (mut depth, mut in_string, mut escaped) = (0u32, false, false);
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            0..0x20 | 0x7f.. => return Scanned::Broken,
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                if depth == 0 {
                    return Scanned::End(at + 1);
                }
            }
            _ => {}
        }
    }
    Scanned::Open
}

/// The blocks that follow a first block: the longest chain, and then the others.
fn in_order(found: HashMap<Hash, Found>, rules: &Rules) -> (Vec<(Hash, Found)>, usize) {
    let first = rules.genesis_index();
    let mut by_index: Vec<_> = found.into_iter().collect();
    by_index.sort_unstable_by_key(|(hash, found)| (found.index, *hash));
    let mut joined: HashMap<Hash, Found> = HashMap::new();
    for (hash, found) in by_index {
        let joins = match found.parent.and_then(|parent| joined.get(&parent)) {
            Some(parent) => parent.index.checked_add(1) == Some(found.index),
            None => found.index == first,
        };
        if joins {
            joined.insert(hash, found);
        }
    }
    let highest = joined.iter().max_by_key(|(hash, found)| (found.index, **hash));
    let mut best = Vec::new();
    let mut next = highest.map(|(hash, _)| *hash);
    while let Some(hash) = next
        && let Some(found) = joined.remove(&hash)
    {
        best.push((hash, found));
        next = found.parent;
    }
    best.reverse();
    let count = best.len();
    let mut others: Vec<_> = joined.into_iter().collect();
    others.sort_unstable_by_key(|(hash, found)| (found.index, *hash));
    best.extend(others);
    (best, count)
}
