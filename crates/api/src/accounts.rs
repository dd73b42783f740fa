use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::value::RawValue;
use utoipa::ToSchema;
use utoipa::openapi::schema::{Object, Type};

use crate::{HexHash, Number, Waits};

/// The state of an account.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Account {
    /// Its address.
    pub party: String,
    /// Units on the best chain.
    pub balance: u64,
    /// The nonce of its next payment, without the payments that wait.
    pub nonce: u64,
    /// The nonce of its next payment, after the payments that wait.
    pub next_nonce: u64,
    /// How many transactions of the best chain it made or received.
    pub transactions: u64,
    /// Always 0: where there are accounts, every amount is a number.
    pub uncounted: u64,
    /// Its payments that wait or are held, in the order of their nonces.
    #[serde(default)]
    pub outgoing: Vec<WaitingTransaction>,
    /// Payments of others to it that wait, at most 100.
    #[serde(default)]
    pub incoming: Vec<WaitingTransaction>,
}

/// The last block that an index includes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Indexed {
    /// Its index.
    pub index: u64,
    /// Its hash.
    pub hash: HexHash,
}

/// What an account has on a chain whose payments are not signed. Nothing keeps a balance from being
/// negative there.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PartyAccount {
    /// Its name.
    pub party: String,
    /// What it received without what it sent.
    #[schema(schema_with = signed)]
    pub balance: i128,
    /// The sum of what it sent.
    #[schema(schema_with = signed)]
    pub sent: i128,
    /// The sum of what it received.
    #[schema(schema_with = signed)]
    pub received: i128,
    /// The sum of its coins, which it received too.
    #[schema(schema_with = signed)]
    pub mined: i128,
    /// How many of its transactions change no sum: their amount is no integer, or too large.
    pub uncounted: u64,
    /// How many transactions of the best chain it sent or received.
    pub transactions: u64,
    /// How many blocks it mined.
    pub blocks: u64,
    /// The index of the last of them.
    pub last_block: Option<u64>,
    /// Transactions that wait with it as their sender, at most 100.
    pub outgoing: Vec<WaitingTransaction>,
    /// Transactions of others that wait with it as their recipient, at most 100.
    pub incoming: Vec<WaitingTransaction>,
    /// The last block that counts here.
    pub indexed: Indexed,
}

/// A transaction that waits for a block.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct WaitingTransaction {
    /// Its id.
    pub id: HexHash,
    /// When its turn comes.
    pub waits: Waits,
    /// The transaction, as canonical JSON.
    #[schema(value_type = Object)]
    pub transaction: Box<RawValue>,
}

/// The document's words for a sum of any size, which may be below 0.
fn signed() -> Object {
    Object::builder().schema_type(Type::Integer).build()
}

/// What an account has, on either kind of chain.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub enum AnyAccount {
    /// Payments are signed.
    Address(Account),
    /// They are not.
    Party(PartyAccount),
}

/// Written by hand, since serde's untagged enums can't hold a number above 64 bits.
impl<'de> Deserialize<'de> for AnyAccount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let address = || serde_json::from_str(text.get()).map(Self::Address);
        serde_json::from_str(text.get())
            .map(Self::Party)
            .or_else(|_| address())
            .map_err(de::Error::custom)
    }
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

/// What a transaction was to an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// The party is its sender.
    Sent,
    /// The party is its recipient.
    Received,
    /// It is the coin of a block that the party mined.
    Mined,
    /// It changed no sum: its amount is no integer, or too large.
    Uncounted,
}

impl Role {
    /// Its name, as JSON has it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Received => "received",
            Self::Mined => "mined",
            Self::Uncounted => "uncounted",
        }
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
    /// How many confirmations it has: its own block, and the blocks on top of it.
    pub confirmations: u64,
    /// Its id.
    pub id: HexHash,
    /// The `timestamp` of its block, in seconds since 1970, if the block has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub timestamp: Option<Number>,
    /// What it was to the party, where payments are not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub roles: Option<Vec<Role>>,
    /// The transaction, as canonical JSON.
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
    /// Payments from others to it that wait for a block, at most 100; on the first page only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<Object>>)]
    pub incoming: Option<Vec<Box<RawValue>>>,
    /// Its transactions on the best chain.
    pub transactions: Vec<AccountTransaction>,
    /// The value of `before` for the next page; `null` on the last page.
    #[schema(example = "1042-3")]
    pub next: Option<String>,
    /// The last block whose transactions are listed, where payments are not signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub indexed: Option<Indexed>,
}

/// What a miner has mined.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Miner {
    /// The miner's rank, from 1: by coins, then by blocks.
    pub rank: u64,
    /// Its name; where payments are signed, its address.
    pub party: String,
    /// The sum of the coins of its blocks; where payments are signed, in units and with fees.
    #[schema(schema_with = signed)]
    pub coins: i128,
    /// How many blocks it mined.
    pub blocks: u64,
    /// Which part of the blocks that have a miner it mined, from 0 to 1.
    pub share: Number,
    /// The index of the last block that it mined.
    pub last_block: u64,
}

/// The miners with the most coins.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Leaderboard {
    /// How many blocks of the best chain have a miner.
    pub blocks: u64,
    /// The miners, the first rank first.
    pub miners: Vec<Miner>,
    /// The last block that counts here.
    pub indexed: Indexed,
}

/// All coins, in units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Supply {
    /// The coins that the genesis block gives.
    #[schema(value_type = u64)]
    pub allotted: u128,
    /// The coins mined so far.
    #[schema(value_type = u64)]
    pub mined: u128,
    /// The coins that there are now: both together.
    #[schema(value_type = u64)]
    pub circulating: u128,
    /// The most coins that there will ever be.
    #[schema(value_type = u64)]
    pub cap: u128,
    /// What the next block pays its miner, without fees.
    pub subsidy: u64,
    /// The index of the first block that pays half of it.
    pub next_halving: u64,
}

/// The lowest fees that are enough if no other payment comes, in units.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Fees {
    /// The length of the payment.
    pub bytes: u64,
    /// The fee for a place in the next block.
    pub next_block: u64,
    /// The fee for a place in one of the next three.
    pub three_blocks: u64,
}

/// A request to the faucet.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FaucetRequest {
    /// The address that gets the coins.
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::to_string;

    #[test]
    fn each_kind_of_account_is_read_as_what_it_is() {
        let sum = i128::MIN;
        let hash = "a".repeat(64);
        for text in [
            r#"{"party": "forge1q", "balance": 1, "nonce": 0, "next_nonce": 2, "transactions": 3, "uncounted": 0, "outgoing": [], "incoming": []}"#
                .to_string(),
            format!(
                r#"{{"party": "", "balance": {sum}, "sent": 0, "received": {sum}, "mined": 0, "uncounted": 0, "transactions": 1, "blocks": 0, "last_block": null, "outgoing": [], "incoming": [{{"id": "{hash}", "waits": {{"place": 1, "block": 2, "why": null, "nonce": null}}, "transaction": {{"a": 1e2}}}}], "indexed": {{"index": 1, "hash": "{hash}"}}}}"#
            ),
        ] {
            let read: AnyAccount = serde_json::from_str(&text).expect("an account");
            assert_eq!(to_string(&read), text);
        }
    }
}
