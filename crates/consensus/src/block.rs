//! A block is its canonical text. Parsing reads the few fields that rules need; the same text is
//! hashed, stored and sent.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::fmt;
use core::ops::Range;

use crate::hash::Hash;
use crate::json::{self, Kind, Value};
pub use crate::limits::{MAX_BLOCK_BYTES, MAX_BLOCK_DEPTH, MAX_INDEX};
use crate::limits::{depth, quote};
pub use crate::malformed::Malformed;
use crate::merkle;
use crate::sealed::{self, Header};
use crate::transaction::Transaction;

/// A hash as a JSON string.
const HASH_TEXT_BYTES: usize = 66;

/// The fields that a block has, and what its id is made of. The family of the chain decides both.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `index`, `previous_hash` and `proof`, and any others; the id is the hash of the text.
    Open,
    /// The fields of [`sealed`] and no others; the id is the proof's digest.
    Sealed,
}

/// A proof: an integer of any size or a string, kept as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    json: Box<str>,
}

impl Proof {
    /// Reads a proof from a JSON value.
    ///
    /// # Errors
    /// Returns [`Malformed::Proof`] for anything but an integer or a string with a UTF-8 form:
    /// Python nodes would hash the text of a float or a list, which differs between programs.
    pub fn from_value(value: Value<'_>) -> Result<Self, Malformed> {
        proof_text(value)
            .map(|_| Self { json: value.text().into() })
            .ok_or_else(|| Malformed::Proof { index: None, found: quote(value.text()) })
    }

    /// The canonical JSON text, as nodes send it.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The text that Python's `str()` gives, which is hashed.
    pub fn text(&self) -> Cow<'_, str> {
        proof_text(Value::of_canonical(&self.json)).unwrap_or_default()
    }
}

impl From<u64> for Proof {
    fn from(number: u64) -> Self {
        Self { json: number.to_string().into() }
    }
}

fn proof_text(value: Value<'_>) -> Option<Cow<'_, str>> {
    match value.kind() {
        Kind::Int => Some(Cow::Borrowed(value.text())),
        Kind::String => value.as_str(),
        _ => None,
    }
}

/// The digits that `text` starts with, and what follows.
fn split_digits(text: &str) -> Option<(&str, &str)> {
    text.split_at_checked(text.bytes().position(|byte| !byte.is_ascii_digit())?)
}

/// Seconds and microseconds since 1970-01-01 UTC, as a clock outside gives them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Timestamp {
    /// Microseconds since the epoch.
    pub micros: u64,
}

/// Written as Python writes `time.time()`: `1562874886.654986`, `1562874886.0`.
impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let text = format!("{}.{:06}", self.micros / 1_000_000, self.micros % 1_000_000);
        let short = text.trim_end_matches('0');
        f.write_str(short)?;
        if short.ends_with('.') { f.write_str("0") } else { Ok(()) }
    }
}

/// The fields of a block that rules read, borrowed from its canonical text.
#[derive(Debug, Clone, Copy)]
pub struct BlockView<'a> {
    /// The whole canonical text.
    pub text: &'a str,
    /// The place in the chain; the genesis block has 1.
    pub index: u64,
    /// An integer or a string.
    pub(crate) proof: Value<'a>,
    /// Any value: the genesis block of a course may have `null` or a number.
    pub previous_hash: Value<'a>,
    /// The other fields of a sealed block; open blocks have none.
    pub header: Option<Header>,
}

impl<'a> BlockView<'a> {
    /// Reads the fields of a block of this shape whose text is canonical already.
    ///
    /// # Errors
    /// Fails if the text is not a block of this shape.
    pub fn read(shape: Shape, text: &'a str) -> Result<Self, Malformed> {
        match shape {
            Shape::Open => Self::of_canonical(text),
            Shape::Sealed => {
                let sealed::Fields { index, proof, previous_hash, header } = sealed::read(text)?;
                Ok(Self { text, index, proof, previous_hash, header: Some(header) })
            }
        }
    }

    /// Reads the fields of an open block whose text is canonical already.
    ///
    /// # Errors
    /// Fails if the text is not a block.
    pub fn of_canonical(text: &'a str) -> Result<Self, Malformed> {
        let view = match Self::usual(text) {
            Some(usual) if text.len() <= MAX_BLOCK_BYTES => usual,
            _ => Self::unusual(text)?,
        };
        // Each level takes two bytes: most blocks are too short to be too deep.
        if text.len() > 2 * MAX_BLOCK_DEPTH {
            let found = depth(text);
            if found > MAX_BLOCK_DEPTH {
                return Err(Malformed::TooDeep { index: Some(view.index), found });
            }
        }
        Ok(view)
    }

    /// Reads any block, or says what is wrong with it.
    fn unusual(text: &'a str) -> Result<Self, Malformed> {
        let value = Value::of_canonical(text);
        if value.kind() != Kind::Object {
            return Err(Malformed::NotAnObject { found: quote(text) });
        }
        if text.len() > MAX_BLOCK_BYTES {
            let index = value.get("index").and_then(Value::as_u64);
            return Err(Malformed::TooLong { index, found: text.len() });
        }
        let (mut index, mut previous_hash, mut proof) = (None, None, None);
        for (key, value) in value.members() {
            match key.text() {
                "\"index\"" => index = Some(value),
                "\"previous_hash\"" => previous_hash = Some(value),
                // Keys are sorted: nothing that rules read comes later.
                "\"proof\"" => {
                    proof = Some(value);
                    break;
                }
                key if key > "\"proof\"" => break,
                _ => {}
            }
        }
        let index = index.ok_or(Malformed::Missing { index: None, field: "index" })?;
        let index = index
            .as_u64()
            .filter(|index| (1..=MAX_INDEX).contains(index))
            .ok_or_else(|| Malformed::Index { found: quote(index.text()) })?;
        let missing = |field| Malformed::Missing { index: Some(index), field };
        let previous_hash = previous_hash.ok_or_else(|| missing("previous_hash"))?;
        let proof = proof.ok_or_else(|| missing("proof"))?;
        if proof_text(proof).is_none() {
            return Err(Malformed::Proof { index: Some(index), found: quote(proof.text()) });
        }
        Ok(Self { text, index, proof, previous_hash, header: None })
    }

    /// Reads nearly all blocks quickly: those with no key before `index` or between the three that
    /// rules read, a hash as `previous_hash`, and digits as the proof. `None` for any other block.
    #[inline]
    fn usual(text: &'a str) -> Option<Self> {
        let rest = text.strip_prefix(r#"{"index": "#)?;
        let (index, rest) = split_digits(rest)?;
        let rest = rest.strip_prefix(r#", "previous_hash": "#)?;
        let (previous_hash, rest) = rest.split_at_checked(HASH_TEXT_BYTES)?;
        let [b'"', digits @ .., b'"'] = previous_hash.as_bytes() else { return None };
        // Without a branch for each digit.
        if !digits.iter().fold(true, |all, digit| all & digit.is_ascii_hexdigit()) {
            return None;
        }
        let (proof, rest) = split_digits(rest.strip_prefix(r#", "proof": "#)?)?;
        if !rest.starts_with([',', '}']) {
            return None;
        }
        Some(Self {
            text,
            index: Value::of_canonical(index)
                .as_u64()
                .filter(|index| (1..=MAX_INDEX).contains(index))?,
            proof: Value::of_canonical(proof),
            previous_hash: Value::of_canonical(previous_hash),
            header: None,
        })
    }

    /// The block's time, if rules read it; 0 for an open block.
    pub fn timestamp_s(&self) -> u64 {
        self.header.map_or(0, |header| header.timestamp_s)
    }

    /// The shape that it was read with.
    pub fn shape(&self) -> Shape {
        match self.header {
            None => Shape::Open,
            Some(_) => Shape::Sealed,
        }
    }

    /// The block's id: SHA-256 of the canonical text, or of seal and proof.
    pub fn hash(&self) -> Hash {
        match &self.header {
            None => Hash::of(self.text),
            Some(header) => header.digest(self.proof.text()),
        }
    }

    /// The proof's text as Python's `str()` gives it.
    pub fn proof(&self) -> Cow<'a, str> {
        proof_text(self.proof).unwrap_or_default()
    }

    /// The proof's canonical JSON text.
    pub fn proof_json(&self) -> &'a str {
        self.proof.text()
    }

    /// The hash of the parent, if `previous_hash` is a hash.
    pub fn parent(&self) -> Option<Hash> {
        self.previous_hash.text().strip_prefix('"')?.strip_suffix('"')?.parse().ok()
    }

    /// Whether `previous_hash` is the text of `hash`.
    pub fn follows(&self, hash: &Hash) -> bool {
        match self.previous_hash.text().as_bytes() {
            [b'"', digits @ .., b'"'] => digits == hash.hex(),
            _ => false,
        }
    }

    /// The canonical text of a sealed block without its transactions, for which the Merkle root
    /// stands: enough to check its work and its place. `None` for an open block.
    pub fn header_text(&self) -> Option<String> {
        self.header?;
        let (_, transactions) = Value::of_canonical(self.text).members().last()?;
        let length = transactions.text().len() + r#", "transactions": }"#.len();
        Some(format!("{}}}", self.text.get(..self.text.len() - length)?))
    }

    /// The root of the tree over the transactions, each as its canonical text.
    pub fn merkle_root(&self) -> Hash {
        merkle::root(self.transactions().map(Value::text))
    }

    /// The `transactions`, if they are a list; Python nodes take blocks without any.
    pub fn transactions(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let list = Value::of_canonical(self.text).get("transactions");
        list.into_iter().flat_map(Value::elements)
    }
}

/// The fields of a block, as ranges of its text.
#[derive(Debug, Clone)]
pub(crate) struct Fields {
    index: u64,
    proof: Range<usize>,
    previous_hash: Range<usize>,
    header: Option<Arc<Header>>,
}

impl Fields {
    pub(crate) fn of(view: &BlockView<'_>) -> Self {
        let range = |part: &str| {
            let start = part.as_ptr() as usize - view.text.as_ptr() as usize;
            start..start + part.len()
        };
        Self {
            index: view.index,
            proof: range(view.proof.text()),
            previous_hash: range(view.previous_hash.text()),
            header: view.header.map(Arc::new),
        }
    }

    /// The view that they were taken from; `text` is its text.
    #[inline]
    pub(crate) fn view<'a>(&self, text: &'a str) -> BlockView<'a> {
        BlockView {
            text,
            index: self.index,
            proof: Value::of_canonical(&text[self.proof.clone()]),
            previous_hash: Value::of_canonical(&text[self.previous_hash.clone()]),
            header: self.header.as_deref().copied(),
        }
    }
}

/// A block: its canonical text and the places of its fields. It is cheap to clone.
#[derive(Clone)]
pub struct Block {
    text: Arc<str>,
    hash: Hash,
    fields: Fields,
}

impl Block {
    /// Reads an open block from JSON bytes in any spelling.
    ///
    /// # Errors
    /// Fails if the bytes are not a block.
    pub fn parse(wire: &[u8]) -> Result<Self, Malformed> {
        Self::of_canonical(&json::canonical(wire)?)
    }

    /// Takes an open block whose text is canonical already.
    ///
    /// # Errors
    /// Fails if the text is not a block.
    pub fn of_canonical(text: &str) -> Result<Self, Malformed> {
        Self::read(Shape::Open, text)
    }

    /// Takes a block of this shape whose text is canonical already.
    ///
    /// # Errors
    /// Fails if the text is not a block of this shape.
    pub fn read(shape: Shape, text: &str) -> Result<Self, Malformed> {
        let view = BlockView::read(shape, text)?;
        Ok(Self { hash: view.hash(), fields: Fields::of(&view), text: text.into() })
    }

    /// Writes the open block that `proof` makes on top of `parent`.
    ///
    /// # Errors
    /// Returns [`Malformed::TooLong`] if the transactions don't fit in a block, and
    /// [`Malformed::Index`] if no index is left.
    pub fn compose<'t>(
        parent: &Block,
        proof: &Proof,
        timestamp: Timestamp,
        transactions: impl IntoIterator<Item = &'t Transaction>,
    ) -> Result<Self, Malformed> {
        let mut text = format!(
            r#"{{"index": {}, "previous_hash": "{}", "proof": {}, "timestamp": {timestamp}, "transactions": ["#,
            parent.index() + 1,
            parent.hash,
            proof.json(),
        );
        for (position, transaction) in transactions.into_iter().enumerate() {
            if position > 0 {
                text.push_str(", ");
            }
            text.push_str(transaction.text());
        }
        text.push_str("]}");
        Self::parse(text.as_bytes())
    }

    /// The canonical text.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The block's id: SHA-256 of the canonical text, or of seal and proof.
    pub fn hash(&self) -> Hash {
        self.hash
    }

    /// The other fields of a sealed block; open blocks have none.
    pub fn header(&self) -> Option<&Header> {
        self.fields.header.as_deref()
    }

    /// The place in the chain; the genesis block has 1.
    pub fn index(&self) -> u64 {
        self.fields.index
    }

    /// The hash of the parent, if `previous_hash` is a hash.
    pub fn parent(&self) -> Option<Hash> {
        self.view().parent()
    }

    /// The fields that rules read.
    pub fn view(&self) -> BlockView<'_> {
        self.fields.view(&self.text)
    }
}

impl PartialEq for Block {
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash
    }
}

impl Eq for Block {}

impl fmt::Debug for Block {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Block {} {}", self.index(), self.hash)
    }
}
