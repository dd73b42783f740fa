//! The blocks of sealed chains, whose work commits to their contents.
//!
//! ```text
//! {"index": 7, "merkle_root": "…", "previous_hash": "…", "proof": 12345, "target": "…",
//!  "timestamp": 1750000000, "transactions": […]}
//! ```
//!
//! The *seal* is SHA-256 of the canonical text without `proof` and `transactions`; the block's id
//! is SHA-256(seal in hex ‖ proof in decimal), and valid when it is at most the target. The Merkle
//! root stands for the transactions, so the seal commits to the whole block, and a search computes
//! one compression per try. The fields are these and no others, each in one form: two blocks with
//! the same contents have the same text.

use alloc::borrow::Cow;
use alloc::string::String;

use ethnum::U256;
use sha2::{Digest, Sha256};

use crate::hash::Hash;
use crate::job::{Job, Target};
use crate::json::{Kind, Members, Value};
use crate::limits::{MAX_BLOCK_BYTES, MAX_INTEGER, quote};
use crate::malformed::Malformed;

/// The fields of a sealed block other than index, previous hash and proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// The hash of everything but the proof, to which the work commits.
    pub seal: Hash,
    /// The root of the tree over the transactions' texts.
    pub merkle_root: Hash,
    /// The largest id that is valid.
    pub target: Target,
    /// Seconds since 1970-01-01 UTC, by the miner's clock.
    pub timestamp_s: u64,
}

impl Header {
    /// The job that a proof must satisfy. The target is the one that the block states; another rule
    /// checks that it is the right one.
    pub fn job(&self) -> Job<'static> {
        Job {
            prefix: Cow::Owned(self.seal.hex().to_vec()),
            suffix: Cow::Borrowed(&[]),
            target: self.target,
        }
    }

    /// The id of the block with this proof: SHA-256(seal ‖ proof).
    pub fn digest(&self, proof: &str) -> Hash {
        Hash(Sha256::new().chain_update(self.seal.hex()).chain_update(proof).finalize().into())
    }
}

/// The fields of a block, borrowed from its canonical text.
pub(crate) struct Fields<'a> {
    pub(crate) index: u64,
    pub(crate) proof: Value<'a>,
    pub(crate) previous_hash: Value<'a>,
    pub(crate) header: Header,
}

/// Reads a sealed block whose text is canonical already.
///
/// # Errors
/// Returns the first field that is missing, not in its form, or not of a sealed block.
pub(crate) fn read(text: &str) -> Result<Fields<'_>, Malformed> {
    let value = Value::of_canonical(text);
    if value.kind() != Kind::Object {
        return Err(Malformed::NotAnObject { found: quote(text) });
    }
    if text.len() > MAX_BLOCK_BYTES {
        let index = value.get("index").and_then(Value::as_u64);
        return Err(Malformed::TooLong { index, found: text.len() });
    }
    let mut fields = Reader { members: value.members(), index: None };
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
    let header = Header { seal, merkle_root, target, timestamp_s };
    Ok(Fields { index, proof, previous_hash, header })
}

/// The members of a block, which come in the order of their keys.
struct Reader<'a> {
    members: Members<'a>,
    index: Option<u64>,
}

impl<'a> Reader<'a> {
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
