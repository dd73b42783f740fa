//! Blocks whose work commits to their content, as the `Seal` puzzle wants them.
//!
//! ```text
//! {"index": 7, "merkle_root": "…", "previous_hash": "…", "proof": 12345, "target": "…",
//!  "timestamp": 1750000000, "transactions": […]}
//! ```
//!
//! The *seal* is SHA-256 of the canonical text without `proof` and `transactions`; the block's id is
//! SHA-256(seal in hex ‖ proof in decimal), and valid when it is at most the target. The Merkle root
//! stands for the transactions, so the seal commits to all of the block, and a search hashes one
//! compression a try. The fields are these and no others, each in its one form: a block that says
//! the same has the same text.

use alloc::format;
use alloc::string::String;

use ethnum::U256;
use sha2::{Digest, Sha256};

use crate::block::{Block, BlockView, MAX_BLOCK_BYTES, Malformed, Shape, quote};
use crate::hash::Hash;
use crate::job::Target;
use crate::json::{Kind, Members, Value};
use crate::payment::MAX_INTEGER;

/// What a sealed block says of itself besides index, previous hash and proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The hash of what the work commits to: everything but the proof.
    pub seal: Hash,
    /// The root of the tree over the transactions' texts.
    pub merkle_root: Hash,
    /// The largest id that counts.
    pub target: Target,
    /// Seconds since 1970-01-01 UTC, by the miner's clock.
    pub timestamp_s: u64,
}

impl Header {
    /// The id of the block with this proof: SHA-256(seal ‖ proof).
    pub fn digest(&self, proof: &str) -> Hash {
        Hash(Sha256::new().chain_update(self.seal.hex()).chain_update(proof).finalize().into())
    }
}

/// Reads a sealed block whose text is canonical already.
///
/// # Errors
/// The first field that is not there, not in its form, or not of a sealed block.
pub(crate) fn read(text: &str) -> Result<BlockView<'_>, Malformed> {
    let value = Value::of_canonical(text);
    if value.kind() != Kind::Object {
        return Err(Malformed::NotAnObject { found: quote(text) });
    }
    if text.len() > MAX_BLOCK_BYTES {
        let index = value.get("index").and_then(Value::as_u64);
        return Err(Malformed::TooLong { index, found: text.len() });
    }
    let mut fields = Fields { members: value.members(), index: None };
    let index = fields.integer("index", 1)?;
    fields.index = Some(index);
    let merkle_root = fields.hash("merkle_root")?;
    let previous_hash = fields.next("previous_hash")?;
    fields.as_hash("previous_hash", previous_hash)?;
    let proof = fields.next("proof")?;
    fields.as_integer("proof", proof, 0)?;
    let target = Target(U256::from_be_bytes(fields.hash("target")?.0));
    let timestamp_s = fields.integer("timestamp", 0)?;
    let transactions = fields.next("transactions")?;
    if transactions.kind() != Kind::Array {
        return Err(fields.wrong("transactions", "a list", transactions));
    }
    fields.end()?;

    let offset = |part: Value<'_>| part.text().as_ptr() as usize - text.as_ptr() as usize;
    let before = &text[..offset(proof) - r#", "proof": "#.len()];
    let behind = &text
        [offset(proof) + proof.text().len()..offset(transactions) - r#", "transactions": "#.len()];
    let seal = Sha256::new().chain_update(before).chain_update(behind).chain_update("}");
    let seal = Hash(seal.finalize().into());
    let header = Some(Header { seal, merkle_root, target, timestamp_s });
    Ok(BlockView { text, index, proof, previous_hash, header })
}

/// The canonical text of a sealed block without its transactions, for which the Merkle root stands:
/// all that it takes to check its work and its place. `None` for an open block.
pub fn header_text(block: BlockView<'_>) -> Option<String> {
    block.header?;
    let (_, transactions) = Value::of_canonical(block.text).members().last()?;
    let length = transactions.text().len() + r#", "transactions": }"#.len();
    Some(format!("{}}}", block.text.get(..block.text.len() - length)?))
}

/// The members of a block, which come in the order of their keys.
struct Fields<'a> {
    members: Members<'a>,
    index: Option<u64>,
}

impl<'a> Fields<'a> {
    fn next(&mut self, field: &'static str) -> Result<Value<'a>, Malformed> {
        match self.members.next() {
            Some((key, value)) if key.as_str().as_deref() == Some(field) => Ok(value),
            other => Err(self.unexpected(field, other)),
        }
    }

    fn end(&mut self) -> Result<(), Malformed> {
        match self.members.next() {
            None => Ok(()),
            other => Err(self.unexpected("}", other)),
        }
    }

    fn unexpected(&self, field: &'static str, found: Option<(Value<'a>, Value<'a>)>) -> Malformed {
        let found = found.map_or(String::from("}"), |(key, _)| quote(key.text()));
        Malformed::Fields { index: self.index, field, found }
    }

    fn wrong(&self, field: &'static str, expected: &'static str, found: Value<'_>) -> Malformed {
        Malformed::Field { index: self.index, field, expected, found: quote(found.text()) }
    }

    fn integer(&mut self, field: &'static str, least: u64) -> Result<u64, Malformed> {
        let value = self.next(field)?;
        self.as_integer(field, value, least)
    }

    fn as_integer(
        &self,
        field: &'static str,
        value: Value<'a>,
        least: u64,
    ) -> Result<u64, Malformed> {
        let number = value.as_u64().filter(|number| (least..=MAX_INTEGER).contains(number));
        number.ok_or_else(|| self.wrong(field, "a whole number below 2^53", value))
    }

    fn hash(&mut self, field: &'static str) -> Result<Hash, Malformed> {
        let value = self.next(field)?;
        self.as_hash(field, value)
    }

    fn as_hash(&self, field: &'static str, value: Value<'a>) -> Result<Hash, Malformed> {
        // No digit needs an escape, so the text between the quotes is the string.
        let digits = value.text().strip_prefix('"').and_then(|text| text.strip_suffix('"'));
        let hash = digits.and_then(|digits| digits.parse().ok());
        hash.ok_or_else(|| self.wrong(field, "a string of 64 lower-case hex digits", value))
    }
}

/// A block that only lacks its proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// A block with the proof 0.
    block: Block,
}

impl Draft {
    /// Writes a draft. The transactions are canonical texts, and `merkle_root` is theirs.
    ///
    /// # Errors
    /// That a number is too large, the block too long, or a text no JSON.
    pub fn new<'t>(
        index: u64,
        previous_hash: &Hash,
        timestamp_s: u64,
        target: Target,
        merkle_root: &Hash,
        transactions: impl IntoIterator<Item = &'t str>,
    ) -> Result<Self, Malformed> {
        let mut text = format!(
            r#"{{"index": {index}, "merkle_root": "{merkle_root}", "previous_hash": "{previous_hash}", "proof": 0, "target": "{target}", "timestamp": {timestamp_s}, "transactions": ["#
        );
        for (position, transaction) in transactions.into_iter().enumerate() {
            if position > 0 {
                text.push_str(", ");
            }
            text.push_str(transaction);
        }
        text.push_str("]}");
        let text = crate::json::canonical(text.as_bytes())?;
        Ok(Self { block: Block::read(Shape::Sealed, &text)? })
    }

    /// What it says of itself, the seal among it.
    pub fn header(&self) -> &Header {
        self.block.header().expect("a draft is a sealed block")
    }

    /// The draft as a block, with the proof 0: a genesis block needs no other.
    pub fn unproven(&self) -> &Block {
        &self.block
    }

    /// The block with this proof.
    ///
    /// # Errors
    /// [`Malformed::Field`], for a proof of 2^53 or more.
    pub fn with_proof(&self, proof: u64) -> Result<Block, Malformed> {
        let text = self.block.text();
        let at = self.block.view().proof_json().as_ptr() as usize - text.as_ptr() as usize;
        Block::read(Shape::Sealed, &format!("{}{proof}{}", &text[..at], &text[at + 1..]))
    }
}
