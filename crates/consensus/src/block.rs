//! A block is its canonical text: parsing reads the few fields that rules need, hashing hashes the
//! text, storing stores it, serving sends it.

use alloc::borrow::Cow;
use alloc::boxed::Box;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::fmt;
use core::ops::Range;

use crate::hash::Hash;
use crate::json::{self, JsonError, Kind, Value};
use crate::sealed::{self, Header};
use crate::transaction::Transaction;

/// The longest canonical text of a block, in bytes.
pub const MAX_BLOCK_BYTES: usize = 16_000_000;

/// Arrays and objects in a block may lie this deep inside each other: two levels less than in a
/// document, so that a block fits into the document that holds the chain.
pub const MAX_BLOCK_DEPTH: usize = json::MAX_DEPTH - 2;

/// The highest index: the one after it must still be a number.
pub const MAX_INDEX: u64 = u64::MAX - 1;

/// How much of a wrong value an error quotes, in characters: a hash and its quotes fit.
const MAX_QUOTE: usize = 70;

/// A hash as a JSON string.
const HASH_TEXT_BYTES: usize = 66;

/// Why a text is no block of any rule set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The text is not JSON, or has no form that every node can read.
    #[error("this is not JSON that every node can read: {0}")]
    Json(#[from] JsonError),
    /// The text is longer than [`MAX_BLOCK_BYTES`].
    #[error("{} has {found} bytes; at most {MAX_BLOCK_BYTES} are taken", Named(*.index))]
    TooLong {
        /// The block's index, if it has one.
        index: Option<u64>,
        /// Bytes of the text.
        found: usize,
    },
    /// The block has more than [`MAX_BLOCK_DEPTH`] levels.
    #[error(
        "{} has {found} arrays and objects inside each other; at most {MAX_BLOCK_DEPTH} are taken",
        Named(*.index)
    )]
    TooDeep {
        /// The block's index, if it has one.
        index: Option<u64>,
        /// How deep it is.
        found: usize,
    },
    /// The value is not an object.
    #[error("a block is a JSON object, not {found}")]
    NotAnObject {
        /// The start of what stands there.
        found: String,
    },
    /// A field that the rules read is missing.
    #[error("{} has no \"{field}\"", Named(*.index))]
    Missing {
        /// The block's index, if it has one.
        index: Option<u64>,
        /// The field's name.
        field: &'static str,
    },
    /// The index is not an integer from 1 to [`MAX_INDEX`].
    #[error("a block's index is a whole number from 1 to {MAX_INDEX}, not {found}")]
    Index {
        /// The start of what stands there.
        found: String,
    },
    /// The proof is neither an integer nor a string with a UTF-8 form.
    #[error("{}a proof is a whole number or a string, not {found}", Of(*.index))]
    Proof {
        /// The block's index; `None` for a proof that no block holds yet.
        index: Option<u64>,
        /// The start of what stands there.
        found: String,
    },
    /// A sealed block has a field more or less than it should.
    #[error("{} has {found} where a sealed block has \"{field}\"", Named(*.index))]
    Fields {
        /// The block's index, if it has one.
        index: Option<u64>,
        /// The field's name, or `}` for the end.
        field: &'static str,
        /// The key that stands there, or `}` for the end.
        found: String,
    },
    /// A field of a sealed block is not written as it should be.
    #[error("{}\"{field}\" is {expected}, not {found}", Of(*.index))]
    Field {
        /// The block's index, if it has one.
        index: Option<u64>,
        /// The field's name.
        field: &'static str,
        /// What should stand there.
        expected: &'static str,
        /// The start of what stands there.
        found: String,
    },
}

/// Which fields a block has, and what its id is made of. The puzzle decides it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `index`, `previous_hash` and `proof`, and whatever else; the id is the hash of the text.
    Open,
    /// The fields of [`sealed`] and no others; the id is the proof's digest.
    Sealed,
}

/// A block as an error names it.
struct Named(Option<u64>);

impl fmt::Display for Named {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(index) => write!(f, "block {index}"),
            None => f.write_str("the block"),
        }
    }
}

/// The block that an error is about, before what it says.
struct Of(Option<u64>);

impl fmt::Display for Of {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.map_or(Ok(()), |index| write!(f, "block {index}: "))
    }
}

/// How deep the arrays and objects of a canonical text lie inside each other.
pub(crate) fn depth(text: &str) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                open += 1;
                deepest = deepest.max(open);
            }
            b'}' | b']' => open = open.saturating_sub(1),
            b'"' => {
                while let Some(inside) = bytes.next()
                    && inside != b'"'
                {
                    if inside == b'\\' {
                        bytes.next();
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

/// The start of `text`, short enough for an error message.
pub(crate) fn quote(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}

/// A proof: an integer of any size or a string, kept as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    json: Box<str>,
}

impl Proof {
    /// The proof that a JSON value stands for.
    ///
    /// # Errors
    /// [`Malformed::Proof`] for anything but an integer or a string with a UTF-8 form: Python
    /// nodes would hash the text of a float or a list, and no two would agree on it for long.
    pub fn from_value(value: Value<'_>) -> Result<Self, Malformed> {
        proof_text(value)
            .map(|_| Self { json: value.text().into() })
            .ok_or_else(|| Malformed::Proof { index: None, found: quote(value.text()) })
    }

    /// The canonical JSON text, as it is served.
    pub fn json(&self) -> &str {
        &self.json
    }

    /// The text that Python's `str()` gives, which is what gets hashed.
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

/// As Python writes `time.time()`: `1562874886.654986`, `1562874886.0`.
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
    /// Whatever stands there: the genesis block of a course may have `null` or a number.
    pub previous_hash: Value<'a>,
    /// What a sealed block says besides; open blocks have none.
    pub header: Option<Header>,
}

impl<'a> BlockView<'a> {
    /// Reads the fields of a block of this shape whose text is canonical already.
    ///
    /// # Errors
    /// What the text lacks to be a block, or has too much.
    pub fn read(shape: Shape, text: &'a str) -> Result<Self, Malformed> {
        match shape {
            Shape::Open => Self::of_canonical(text),
            Shape::Sealed => sealed::read(text),
        }
    }

    /// Reads the fields of an open block whose text is canonical already.
    ///
    /// # Errors
    /// What the text lacks to be a block.
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

    /// Any block, or what is wrong with it.
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

    /// The quick way for nearly all blocks: no key before `index` or between the three that rules
    /// read, `previous_hash` a hash, the proof digits. None for any other block.
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

    /// The time that the block says, where rules read it: 0 in an open block.
    pub fn timestamp_s(&self) -> u64 {
        self.header.map_or(0, |header| header.timestamp_s)
    }

    /// Which fields it was read with.
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

    /// Whether `previous_hash` is the text of `hash`.
    pub fn follows(&self, hash: &Hash) -> bool {
        match self.previous_hash.text().as_bytes() {
            [b'"', digits @ .., b'"'] => digits == hash.hex(),
            _ => false,
        }
    }

    /// The `transactions`, if they are a list; Python nodes take blocks without any.
    pub fn transactions(&self) -> impl Iterator<Item = Value<'a>> + use<'a> {
        let list = Value::of_canonical(self.text).get("transactions");
        list.into_iter().flat_map(Value::elements)
    }
}

/// A block: its canonical text and where its fields are. Cheap to clone.
#[derive(Clone)]
pub struct Block {
    text: Arc<str>,
    hash: Hash,
    index: u64,
    proof: Range<usize>,
    previous_hash: Range<usize>,
    header: Option<Arc<Header>>,
}

impl Block {
    /// Reads an open block from JSON bytes in any spelling.
    ///
    /// # Errors
    /// What keeps the bytes from being a block.
    pub fn parse(wire: &[u8]) -> Result<Self, Malformed> {
        Self::of_canonical(&json::canonical(wire)?)
    }

    /// Takes an open block whose text is canonical already.
    ///
    /// # Errors
    /// What the text lacks to be a block.
    pub fn of_canonical(text: &str) -> Result<Self, Malformed> {
        Self::read(Shape::Open, text)
    }

    /// Takes a block of this shape whose text is canonical already.
    ///
    /// # Errors
    /// What the text lacks to be a block, or has too much.
    pub fn read(shape: Shape, text: &str) -> Result<Self, Malformed> {
        let view = BlockView::read(shape, text)?;
        let range = |part: &str| {
            let start = part.as_ptr() as usize - text.as_ptr() as usize;
            start..start + part.len()
        };
        Ok(Self {
            hash: view.hash(),
            index: view.index,
            proof: range(view.proof.text()),
            previous_hash: range(view.previous_hash.text()),
            header: view.header.map(Arc::new),
            text: text.into(),
        })
    }

    /// Writes the open block that `proof` makes on top of `parent`.
    ///
    /// # Errors
    /// [`Malformed::TooLong`] when the transactions don't fit in a block, [`Malformed::Index`] when
    /// no index is left.
    pub fn compose<'t>(
        parent: &Block,
        proof: &Proof,
        timestamp: Timestamp,
        transactions: impl IntoIterator<Item = &'t Transaction>,
    ) -> Result<Self, Malformed> {
        let mut text = format!(
            r#"{{"index": {}, "previous_hash": "{}", "proof": {}, "timestamp": {timestamp}, "transactions": ["#,
            parent.index + 1,
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

    /// What a sealed block says besides; open blocks have none.
    pub fn header(&self) -> Option<&Header> {
        self.header.as_deref()
    }

    /// The place in the chain; the genesis block has 1.
    pub fn index(&self) -> u64 {
        self.index
    }

    /// The block whose hash this one names, when it names one.
    pub fn parent(&self) -> Option<Hash> {
        let text = &self.text[self.previous_hash.clone()];
        text.strip_prefix('"')?.strip_suffix('"')?.parse().ok()
    }

    /// The fields that rules read.
    pub fn view(&self) -> BlockView<'_> {
        BlockView {
            text: &self.text,
            index: self.index,
            proof: Value::of_canonical(&self.text[self.proof.clone()]),
            previous_hash: Value::of_canonical(&self.text[self.previous_hash.clone()]),
            header: self.header.as_deref().copied(),
        }
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
        write!(f, "Block {} {}", self.index, self.hash)
    }
}
