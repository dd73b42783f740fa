use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::HexHash;

/// What a party has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// Who it is: an address.
    pub party: String,
    /// Units on the best chain.
    pub balance: u64,
    /// The nonce that its next payment takes if only the best chain counts.
    pub nonce: u64,
    /// The nonce that its next payment takes if the payments that wait count too.
    pub next_nonce: u64,
    /// How many transactions of the best chain it made or received.
    pub transactions: u64,
    /// How many amounts are not numbers that can be added up; 0 where payments are signed.
    pub uncounted: u64,
}

impl Account {
    /// Whether the account was ever used.
    pub fn is_used(&self) -> bool {
        self.transactions > 0 || self.balance > 0 || self.next_nonce > 0
    }

    /// How many of its payments wait.
    pub fn waiting(&self) -> u64 {
        self.next_nonce.saturating_sub(self.nonce)
    }
}

/// A transaction of an account.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AccountTransaction {
    /// The index of its block.
    pub block: u64,
    /// The hash of its block.
    pub hash: HexHash,
    /// Its position among the block's transactions, from 0.
    pub position: u32,
    /// How many blocks hold it or are on top of it.
    pub confirmations: u64,
    /// Its id.
    pub id: HexHash,
    /// The `timestamp` of its block, in seconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<u64>,
    /// What it says, as canonical JSON.
    #[schema(value_type = Object)]
    pub transaction: Box<RawValue>,
}

/// A page of the transactions of an account, the newest first.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct AccountTransactions {
    /// Its payments that wait for a block; on the first page only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub queued: Option<Vec<Box<RawValue>>>,
    /// Payments to it from others that wait, at most 100 of them; only on the first page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub incoming: Option<Vec<Box<RawValue>>>,
    /// Those on the best chain.
    pub transactions: Vec<AccountTransaction>,
    /// The `before` that gives the next page; `null` on the last page.
    #[schema(example = "1042-3")]
    pub next: Option<String>,
}

/// All coins, in units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Supply {
    /// What the first block allots.
    #[schema(value_type = u64)]
    pub allotted: u128,
    /// What was mined so far.
    #[schema(value_type = u64)]
    pub mined: u128,
    /// Both together.
    #[schema(value_type = u64)]
    pub circulating: u128,
    /// The most that there will ever be.
    #[schema(value_type = u64)]
    pub cap: u128,
    /// What the next block pays.
    pub subsidy: u64,
    /// The index of the first block that pays half of it.
    pub next_halving: u64,
}

/// The least fees that are enough if no other payment comes, in units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fees {
    /// The length of the payment.
    pub bytes: u64,
    /// The fee for a place in the next block.
    pub next_block: u64,
    /// The fee for a place in one of the next three.
    pub three_blocks: u64,
}

/// Who asks the faucet for coins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FaucetRequest {
    /// The address that gets them.
    pub recipient: String,
}

/// What the faucet gave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FaucetGift {
    /// The id of the payment.
    pub id: HexHash,
    /// Units.
    pub amount: u64,
}
