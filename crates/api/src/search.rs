use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{HexHash, Indexed, TransactionStatus};

/// Something that a text may mean.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum SearchMatch {
    /// A block of the best chain.
    Block {
        /// Its index.
        index: u64,
        /// Its hash.
        hash: HexHash,
    },
    /// A transaction.
    Transaction {
        /// Its id.
        id: HexHash,
        /// Whether it is in a block.
        status: TransactionStatus,
        /// The index of its block, or of the first of several; `null` while it waits.
        block: Option<u64>,
        /// Its position among that block's transactions, from 0; `null` while it waits.
        position: Option<u32>,
    },
    /// An account.
    Account {
        /// Its address; where payments are not signed, its name.
        party: String,
    },
}

/// What a text may mean on this chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SearchMatches {
    /// The matches, at most 20. What the whole text means comes first; then what it may be the start of:
    /// accounts, blocks, transactions.
    pub matches: Vec<SearchMatch>,
    /// Whether there are more, or may be.
    pub more: bool,
    /// The last block whose transactions and names were searched, where payments are not signed; `null`
    /// while the index follows another branch than the chain, so that they were not searched.
    pub indexed: Option<Indexed>,
}
