//! The JSON text that CPython would write: `json.dumps(json.loads(text), sort_keys=True)`, byte for
//! byte.
//!
//! A block's hash is the hash of that text, so every node has to get the same text, however the
//! block was spelled when it arrived. [`canonical`] rewrites a whole document, [`Reader`] a
//! document's parts one by one, and [`Value`] looks into the result. No tree is built anywhere: a
//! canonical text is checked once and returned as it is; any other is rewritten in one pass, and
//! objects with unsorted keys are put in order during or after it. Of many values with the same
//! layout, as the blocks of a chain, only the first are rewritten so.
//!
//! Four kinds of text that CPython reads are refused here, because no node could pass them on:
//! floats that are not finite ([`JsonErrorKind::NotFinite`]), a surrogate pair in two halves that
//! CPython keeps apart once and joins the next time ([`JsonErrorKind::SplitSurrogatePair`]), more
//! than [`MAX_DEPTH`] levels, of which CPython reads some more or some fewer according to how deep
//! its own calls are, and UTF-16 and UTF-32.

mod check;
mod float;
mod layout;
mod order;
mod rewrite;
mod scan;
mod value;

use alloc::borrow::Cow;
use alloc::string::String;
use core::fmt;

pub(crate) use rewrite::Buffers;
use rewrite::Rewritten;
pub use value::{Elements, Kind, Members, Value, push_string, string};

/// The most levels of arrays and objects inside each other.
pub const MAX_DEPTH: usize = 990;

/// The most digits of an integer, without its sign: CPython's default limit.
pub const MAX_INT_DIGITS: usize = 4300;

/// The reason why a text was refused, and where.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("byte {at}: {kind}")]
pub struct JsonError {
    /// Offset in the input, in bytes.
    pub at: usize,
    /// The fault.
    pub kind: JsonErrorKind,
}

/// The faults of a text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum JsonErrorKind {
    /// The text ends too early.
    #[error("the text ends where {wanted} is expected")]
    UnexpectedEnd {
        /// The text that had to follow.
        wanted: &'static str,
    },
    /// A byte that cannot stand here.
    #[error("expected {wanted}, found {}", Shown(*.found))]
    Unexpected {
        /// The text that had to stand here.
        wanted: &'static str,
        /// The byte that does.
        found: u8,
    },
    /// Something follows the complete document.
    #[error("{} follows the end of the JSON value", Shown(*.found))]
    Trailing {
        /// The first byte that follows.
        found: u8,
    },
    /// More than [`MAX_DEPTH`] levels.
    #[error("more than {MAX_DEPTH} lists and objects inside each other")]
    TooDeep,
    /// More than [`MAX_INT_DIGITS`] digits.
    #[error("an integer of {digits} digits; at most {MAX_INT_DIGITS} are allowed")]
    IntTooLong {
        /// The number of digits.
        digits: usize,
    },
    /// `NaN`, `Infinity`, `-Infinity`, or a number too large for a float.
    #[error("NaN, infinity and numbers that are too large are not allowed in JSON")]
    NotFinite,
    /// A backslash followed by something other than `"\/bfnrt` or `u` and four hex digits.
    #[error("JSON has no such escape")]
    BadEscape,
    /// A character below U+0020 inside a string.
    #[error("control character {found:#04x} inside a string")]
    ControlCharacter {
        /// The character.
        found: u8,
    },
    /// Bytes that are not UTF-8, or text in UTF-16 or UTF-32.
    #[error("this is not UTF-8")]
    NotUtf8,
    /// A high surrogate and a low one after it, at least one of them not written as an escape.
    #[error("only one half of a surrogate pair is written as an escape")]
    SplitSurrogatePair,
}

struct Shown(u8);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            byte @ 0x21..=0x7e => write!(f, "`{}`", char::from(byte)),
            byte => write!(f, "byte {byte:#04x}"),
        }
    }
}

/// The canonical text of a document.
///
/// The whole input is one JSON value in UTF-8; a byte order mark before it and whitespace around it
/// are accepted. The result borrows from the input if the value was canonical already.
///
/// # Errors
///
/// Returns the first fault in the text.
pub fn canonical(input: &[u8]) -> Result<Cow<'_, str>, JsonError> {
    canonical_and_doubled(input).map(|(text, _)| text)
}

/// The canonical text of a document, and a name that one of its objects has twice, if any does,
/// without quotes as in a canonical string. As in CPython, only the last of such members is in the
/// text.
///
/// # Errors
///
/// Fails as [`canonical`].
pub fn canonical_and_doubled(input: &[u8]) -> Result<(Cow<'_, str>, Option<String>), JsonError> {
    let mut reader = Reader::new(input);
    let (text, doubled) = reader.value_and_doubled()?;
    reader.end()?;
    Ok((text, doubled))
}

/// Reads the parts of a document one by one.
///
/// The caller knows the shape that it wants and calls accordingly; another shape is an error. After
/// an error the position is where it was before the call, or before the part of it that failed.
///
/// ```
/// use blocksmith_consensus::json::Reader;
///
/// let mut reader = Reader::new(br#"{"chain":[{"proof":100,"index":1}],"length":1}"#);
/// assert!(reader.open_object()?);
/// assert_eq!(reader.key()?, r#""chain""#);
/// assert!(reader.open_array()?);
/// assert_eq!(reader.value()?, r#"{"index": 1, "proof": 100}"#);
/// assert!(!reader.next_element()?);
/// assert!(reader.next_member()?);
/// assert_eq!(reader.key()?, r#""length""#);
/// reader.skip_value()?;
/// assert!(!reader.next_member()?);
/// reader.end()?;
/// # Ok::<(), blocksmith_consensus::json::JsonError>(())
/// ```
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    input: &'a [u8],
    at: usize,
    depth: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the start of a document, after its byte order mark if it has one.
    pub fn new(input: &'a [u8]) -> Self {
        Self::at(input, if input.starts_with(b"\xef\xbb\xbf") { 3 } else { 0 })
    }

    /// A reader at `position`, an offset in bytes. Depth is counted from there.
    pub fn at(input: &'a [u8], position: usize) -> Self {
        Self { input, at: position, depth: 0 }
    }

    /// Offset of the next byte to read.
    pub fn position(&self) -> usize {
        self.at
    }

    /// The canonical text of the next value, borrowed if it was canonical already.
    ///
    /// # Errors
    ///
    /// Returns the first fault in the value.
    pub fn value(&mut self) -> Result<Cow<'a, str>, JsonError> {
        self.value_and_doubled().map(|(text, _)| text)
    }

    fn value_and_doubled(&mut self) -> Result<(Cow<'a, str>, Option<String>), JsonError> {
        let (mut text, doubled) = self.value_in(&mut Buffers::default())?;
        if let Cow::Owned(text) = &mut text {
            text.shrink_to_fit();
        }
        Ok((text, doubled))
    }

    /// The canonical text of the next value, written in `buffers` if it was not canonical, and a name
    /// that an object in it has twice.
    pub(crate) fn value_in(
        &mut self,
        buffers: &mut Buffers,
    ) -> Result<(Cow<'a, str>, Option<String>), JsonError> {
        let start = scan::whitespace(self.input, self.at);
        // A layout was learned from values at the top level.
        if self.depth == 0
            && let Some((end, text)) = buffers.alike(self.input, start)
        {
            self.at = end;
            return Ok((Cow::Owned(text), None));
        }
        if let Some(end) = check::value(self.input, start, self.depth) {
            self.at = end;
            return Ok((borrowed(self.input, start, end)?, None));
        }
        let Rewritten { end, text, doubled } =
            rewrite::value(self.input, start, self.depth, buffers)?;
        self.at = end;
        let value = self.input.get(start..end).unwrap_or_default();
        if value == text.as_bytes() {
            buffers.reuse(text);
            return Ok((borrowed(self.input, start, end)?, None));
        }
        if self.depth == 0 {
            buffers.learn(value);
        }
        Ok((Cow::Owned(text), doubled))
    }

    /// Reads a value as [`value`](Self::value) does, and drops it.
    ///
    /// # Errors
    ///
    /// Returns the first fault in the value.
    pub fn skip_value(&mut self) -> Result<(), JsonError> {
        let start = scan::whitespace(self.input, self.at);
        self.at = match check::value(self.input, start, self.depth) {
            Some(end) => end,
            None => rewrite::skip(self.input, start, self.depth)?,
        };
        Ok(())
    }

    /// Enters an object. Returns true if it has a member, which is then next; leaves an empty one.
    ///
    /// # Errors
    ///
    /// Fails if the next value is not an object, or too deep.
    pub fn open_object(&mut self) -> Result<bool, JsonError> {
        self.open(b'{', b'}', "an object")
    }

    /// Enters an array. Returns true if it has an element, which is then next; leaves an empty one.
    ///
    /// # Errors
    ///
    /// Fails if the next value is not an array, or too deep.
    pub fn open_array(&mut self) -> Result<bool, JsonError> {
        self.open(b'[', b']', "an array")
    }

    /// Reads a member's name as a canonical JSON string, quotes included, and the colon after it.
    ///
    /// # Errors
    ///
    /// Fails if there is no name and colon, or returns the first fault in the name.
    pub fn key(&mut self) -> Result<Cow<'a, str>, JsonError> {
        let start = scan::whitespace(self.input, self.at);
        if self.input.get(start) != Some(&b'"') {
            return Err(scan::unexpected(self.input, start, rewrite::MEMBER_NAME));
        }
        let mut reader = Self { at: start, ..*self };
        let text = reader.value()?;
        let colon = scan::whitespace(self.input, reader.at);
        self.at = scan::byte(self.input, colon, b':', rewrite::COLON)?;
        Ok(text)
    }

    /// Reads on after a member's value: returns true if another member is next, false if the object
    /// ended.
    ///
    /// # Errors
    ///
    /// Fails if neither a comma nor the closing brace follows.
    pub fn next_member(&mut self) -> Result<bool, JsonError> {
        self.next(b'}', rewrite::AFTER_MEMBER)
    }

    /// Reads on after an element: returns true if another element is next, false if the array
    /// ended.
    ///
    /// # Errors
    ///
    /// Fails if neither a comma nor the closing bracket follows.
    pub fn next_element(&mut self) -> Result<bool, JsonError> {
        self.next(b']', rewrite::AFTER_ELEMENT)
    }

    /// Makes sure that only whitespace is left.
    ///
    /// # Errors
    ///
    /// Fails if anything else is left.
    pub fn end(&mut self) -> Result<(), JsonError> {
        self.at = scan::whitespace(self.input, self.at);
        match self.input.get(self.at) {
            None => Ok(()),
            Some(0) if scan::is_wide(self.at) => {
                Err(JsonError { at: self.at, kind: JsonErrorKind::NotUtf8 })
            }
            Some(&found) => Err(JsonError { at: self.at, kind: JsonErrorKind::Trailing { found } }),
        }
    }

    fn open(&mut self, open: u8, close: u8, wanted: &'static str) -> Result<bool, JsonError> {
        let start = scan::whitespace(self.input, self.at);
        let inside = scan::byte(self.input, start, open, wanted)?;
        if self.depth >= MAX_DEPTH {
            return Err(JsonError { at: start, kind: JsonErrorKind::TooDeep });
        }
        let first = scan::whitespace(self.input, inside);
        if self.input.get(first) == Some(&close) {
            self.at = first + 1;
            return Ok(false);
        }
        self.at = first;
        self.depth += 1;
        Ok(true)
    }

    fn next(&mut self, close: u8, wanted: &'static str) -> Result<bool, JsonError> {
        let at = scan::whitespace(self.input, self.at);
        match self.input.get(at) {
            Some(b',') => {
                self.at = at + 1;
                Ok(true)
            }
            Some(&byte) if byte == close => {
                self.at = at + 1;
                self.depth = self.depth.saturating_sub(1);
                Ok(false)
            }
            _ => Err(scan::unexpected(self.input, at, wanted)),
        }
    }
}

fn borrowed(input: &[u8], start: usize, end: usize) -> Result<Cow<'_, str>, JsonError> {
    let bytes = input.get(start..end).unwrap_or_default();
    match core::str::from_utf8(bytes) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(fault) => {
            Err(JsonError { at: start + fault.valid_up_to(), kind: JsonErrorKind::NotUtf8 })
        }
    }
}
