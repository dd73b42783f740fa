use serde::{Deserialize, Deserializer, Serialize, de};
use serde_json::value::RawValue;
use utoipa::ToSchema;

use crate::HexHash;

/// Transactions that wait for a block, in the order in which they came.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct PendingTransactions {
    /// How many wait.
    pub queued: u64,
    /// A page of them, as canonical JSON.
    #[schema(value_type = Vec<Object>)]
    pub transactions: Vec<Box<RawValue>>,
    /// The id of each, in the same order.
    pub ids: Vec<HexHash>,
    /// When the turn of each comes, in the same order.
    pub waits: Vec<Waits>,
    /// The value of `from` for the next page; `null` on the last page.
    pub next: Option<u64>,
}

/// Where a transaction is on the best chain.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Place {
    /// The index of its block.
    pub block: u64,
    /// The hash of its block.
    pub hash: HexHash,
    /// Its position among the block's transactions, from 0.
    pub position: u32,
    /// How many confirmations it has: its own block, and the blocks on top of it.
    pub confirmations: u64,
}

/// Whether a transaction is in a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TransactionStatus {
    /// It waits for a block.
    Queued,
    /// It waits for a payment with an earlier nonce.
    Held,
    /// It is in a block of the best chain.
    Confirmed,
}

/// When the turn of a transaction comes, if nothing came or went but blocks of what waits now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Waits {
    /// Its place in line, from 1; `null` if it is held, or not in the next 100 blocks.
    pub place: Option<u64>,
    /// The index of the block that has it; `null` if it is held, or not in the next 100 blocks.
    pub block: Option<u64>,
    /// Why the next block does not have it; `null` if it does.
    pub why: Option<WhyLater>,
    /// With `why` `nonce`, the nonce of the payment that it waits for.
    pub nonce: Option<u64>,
}

/// Why the next block does not have a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum WhyLater {
    /// The blocks before are full of payments with higher fees for their length.
    Fee,
    /// A payment of the same sender with an earlier nonce is missing, or its fee is too low.
    Nonce,
    /// It is held, and the sender has too little for it and for what waits before it.
    Balance,
    /// The blocks before are full with what came earlier.
    Full,
}

/// A transaction, and where it is.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct Transaction {
    /// Its id.
    pub id: HexHash,
    /// Whether it is in a block.
    pub status: TransactionStatus,
    /// Where it is; an empty list while it waits.
    pub places: Vec<Place>,
    /// When its turn comes, while it waits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub waits: Option<Waits>,
    /// The transaction, as canonical JSON.
    #[schema(value_type = Object)]
    pub transaction: Box<RawValue>,
}

/// A payment that the node took.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pending {
    /// Its id.
    pub id: HexHash,
    /// Whether it waits for a block, or for a payment before it.
    pub status: TransactionStatus,
    /// The nonce of the payment that it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub missing: Option<u64>,
}

/// What the node did with one payment of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum PaymentOutcome {
    /// It waits, or is in a block already.
    Taken(Pending),
    /// The node refused it.
    Refused {
        /// Why, for people.
        refused: String,
    },
}

/// What the node did with a list of payments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PaymentOutcomes {
    /// One answer for each, in the order of the list.
    pub payments: Vec<PaymentOutcome>,
}

/// The answer to a payment, or to a list of them.
#[derive(Debug, Clone, Serialize, ToSchema)]
#[serde(untagged)]
pub enum Submitted {
    /// It is in a block already.
    Known(Transaction),
    /// It waits.
    Pending(Pending),
    /// The answer to a list.
    List(PaymentOutcomes),
}

/// Written by hand, since serde's untagged enums can't hold a text as it came.
impl<'de> Deserialize<'de> for Submitted {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Box::<RawValue>::deserialize(deserializer)?;
        let known = || serde_json::from_str(text.get()).map(Self::Known);
        let list = || serde_json::from_str(text.get()).map(Self::List);
        let pending = || serde_json::from_str(text.get()).map(Self::Pending);
        known().or_else(|_| list()).or_else(|_| pending()).map_err(de::Error::custom)
    }
}

/// The proof that a transaction is in a block, for clients that have the headers (RFC 9162, 2.1.3).
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
pub struct MerkleProof {
    /// The index of its block.
    pub block: u64,
    /// The hash of its block.
    pub hash: HexHash,
    /// Its position among the block's transactions, from 0.
    pub position: u32,
    /// How many confirmations it has: its own block, and the blocks on top of it.
    pub confirmations: u64,
    /// How many transactions the block has.
    pub leaves: u64,
    /// The Merkle path: the sibling hashes from the transaction up to the root.
    pub path: Vec<HexHash>,
    /// The transaction, as canonical JSON.
    #[schema(value_type = Object)]
    pub transaction: Box<RawValue>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::json::to_string;

    #[test]
    fn each_answer_to_payments_is_read_as_what_it_is() {
        let id = "a".repeat(64);
        let place = format!(r#"{{"block": 2, "hash": "{id}", "position": 0, "confirmations": 1}}"#);
        for text in [
            format!(r#"{{"id": "{id}", "status": "queued"}}"#),
            format!(r#"{{"id": "{id}", "status": "held", "missing": 3}}"#),
            format!(
                r#"{{"id": "{id}", "status": "confirmed", "places": [{place}], "transaction": {{"a": 1e2}}}}"#
            ),
            format!(
                r#"{{"payments": [{{"id": "{id}", "status": "queued"}}, {{"refused": "no"}}]}}"#
            ),
        ] {
            let read: Submitted = serde_json::from_str(&text).expect("an answer");
            assert_eq!(to_string(&read), text);
        }
        assert!(serde_json::from_str::<Submitted>(r#"{"status": "queued"}"#).is_err());
    }
}
