//! The tables of a store, and how their entries are written as bytes.
//!
//! | table   | key                | value                                       |
//! |---------|--------------------|---------------------------------------------|
//! | `blocks` | number, u64       | work, 32 bytes, big-endian ‖ difficulty state, 56 bytes ‖ canonical text |
//! | `chain` | index, u64         | number, u64                                 |
//! | `index` | block id, 32 bytes | index, u64                                  |
//! | `side`  | block id, 32 bytes | number ‖ index ‖ length of the text, 8 bytes each ‖ work, 32 bytes ‖ parent, 32 bytes, if it has one; all big-endian |
//! | `accounts` | key, 32 bytes   | balance ‖ nonce, 8 bytes each, big-endian   |
//! | `undo`  | index, u64         | key ‖ account before, of all that the block changed |
//! | `queue` | number, u64        | a transaction's canonical text              |
//! | `mempool` | microseconds since 1970, 8 bytes, big-endian ‖ payment's id, 32 bytes | canonical text |
//! | `peers` | host and port      | nothing                                     |
//! | `unheard` | host and port of a peer that has not answered yet | nothing      |
//! | `meta`  | name               | format, chain id, rules in words and as JSON, shape, node id |
//!
//! The tables of transactions are in [`listing`](super::listing).
//!
//! `blocks` holds all blocks in the order in which they came. `chain` and `index` say which of them
//! are the best chain, `side` which are on side branches: a reorg changes these three tables, and
//! moves or copies no block.

use blocksmith_consensus::ledger::{Account, Change, Changes};
use blocksmith_consensus::tree::SideBlock;
use blocksmith_consensus::{Block, ChainBlock, DifficultyState, Hash, Shape, Timestamp, U256};
use redb::{ReadableTable, TableDefinition};

use super::error::StoreError;

pub(super) const BLOCKS: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("blocks");
pub(super) const CHAIN: TableDefinition<'_, u64, u64> = TableDefinition::new("chain");
pub(super) const INDEX: TableDefinition<'_, [u8; 32], u64> = TableDefinition::new("index");
pub(super) const SIDE: TableDefinition<'_, [u8; 32], &[u8]> = TableDefinition::new("side");
pub(super) const ACCOUNTS: TableDefinition<'_, [u8; 32], [u8; ACCOUNT_BYTES]> =
    TableDefinition::new("accounts");
pub(super) const UNDO: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("undo");
pub(super) const QUEUE: TableDefinition<'_, u64, &str> = TableDefinition::new("queue");
pub(super) const MEMPOOL: TableDefinition<'_, [u8; ARRIVAL_BYTES], &str> =
    TableDefinition::new("mempool");
pub(super) const PEERS: TableDefinition<'_, &str, ()> = TableDefinition::new("peers");
pub(super) const UNHEARD: TableDefinition<'_, &str, ()> = TableDefinition::new("unheard");
pub(super) const META: TableDefinition<'_, &str, &str> = TableDefinition::new("meta");

/// The version of the layout above, in a file with checksums.
pub(super) const FORMAT: &str = "4";

/// The version of the same layout in a file without checksums, which gets them when it is opened.
pub(super) const UNCHECKED_FORMAT: &str = "3";

/// The name of the sealed shape in the store.
pub(super) const SEALED: &str = "sealed";

pub(super) fn shape_name(shape: Shape) -> &'static str {
    match shape {
        Shape::Open => "open",
        Shape::Sealed => SEALED,
    }
}

/// The length of an account's value.
pub(super) const ACCOUNT_BYTES: usize = 16;

/// The length of an account as it was before a block, with its key.
pub(super) const UNDO_BYTES: usize = 32 + ACCOUNT_BYTES;

/// The length of a payment's arrival and id.
pub(super) const ARRIVAL_BYTES: usize = 8 + 32;

/// The length of what stands before a block's text.
pub(super) const RECORD_HEAD_BYTES: usize = 32 + DifficultyState::BYTES;

/// The length of a side-branch entry without the parent.
const SIDE_HEAD_BYTES: usize = 3 * 8 + 32;

fn linked(shape: Shape, value: &[u8]) -> Result<ChainBlock, StoreError> {
    let damaged = |what: &str| StoreError::Damaged(format!("a block's record {what}"));
    let short = || damaged("is too short");
    let (work, rest) = value.split_first_chunk().ok_or_else(short)?;
    let (difficulty_state, text) = rest.split_first_chunk().ok_or_else(short)?;
    let text = std::str::from_utf8(text).map_err(|_| damaged("is not text"))?;
    let block = Block::read(shape, text).map_err(|error| damaged(&error.to_string()))?;
    Ok(ChainBlock {
        block,
        work: U256::from_be_bytes(*work),
        difficulty_state: DifficultyState::from_bytes(difficulty_state),
    })
}

/// The block with this number, which the table has.
pub(super) fn numbered(
    blocks: &impl ReadableTable<u64, &'static [u8]>,
    shape: Shape,
    number: u64,
) -> Result<ChainBlock, StoreError> {
    let missing = || StoreError::Damaged(format!("there is no block of the number {number}"));
    linked(shape, blocks.get(number)?.ok_or_else(missing)?.value())
}

/// The entry of a block of a side branch: its number, and what the tree holds of it.
pub(super) fn side_bytes(number: u64, side: &SideBlock) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(SIDE_HEAD_BYTES + 32);
    for part in [number, side.index, side.bytes as u64] {
        bytes.extend_from_slice(&part.to_be_bytes());
    }
    bytes.extend_from_slice(&side.work.to_be_bytes());
    bytes.extend_from_slice(side.parent.as_ref().map_or(&[], |parent| &parent.0));
    bytes
}

pub(super) fn side_block(hash: [u8; 32], value: &[u8]) -> Result<(u64, SideBlock), StoreError> {
    let hash = Hash(hash);
    let damaged = || StoreError::Damaged(format!("the entry of side block {hash}"));
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

/// The entry that undoes a block.
pub(crate) fn undo_bytes(changes: &Changes) -> Vec<u8> {
    let entry = |Change { address, before, .. }: &Change| -> [u8; UNDO_BYTES] {
        let mut bytes = [0; UNDO_BYTES];
        bytes[..32].copy_from_slice(address.key());
        bytes[32..].copy_from_slice(&account_bytes(*before));
        bytes
    };
    changes.accounts.iter().flat_map(entry).collect()
}

/// A payment's key; keys sort in the order in which payments came.
pub(super) fn arrival_bytes(arrived: Timestamp, id: &Hash) -> [u8; ARRIVAL_BYTES] {
    let mut bytes = [0; ARRIVAL_BYTES];
    bytes[..8].copy_from_slice(&arrived.micros.to_be_bytes());
    bytes[8..].copy_from_slice(&id.0);
    bytes
}

/// Balance and nonce, 8 bytes each, big-endian.
pub(super) fn account_bytes(account: Account) -> [u8; ACCOUNT_BYTES] {
    let mut bytes = [0; ACCOUNT_BYTES];
    bytes[..8].copy_from_slice(&account.balance.to_be_bytes());
    bytes[8..].copy_from_slice(&account.nonce.to_be_bytes());
    bytes
}

pub(super) fn account(bytes: [u8; ACCOUNT_BYTES]) -> Account {
    let number = |at: usize| u64::from_be_bytes(*bytes[at..].first_chunk().expect("8 bytes"));
    Account { balance: number(0), nonce: number(8) }
}
