//! Views of canonical text, and how to write a Rust string as such.

use alloc::borrow::Cow;
use alloc::string::String;
use core::iter::FusedIterator;

use super::{order::CodePoints, rewrite, scan};

/// A view of canonical text; cheap to copy, never validated again.
///
/// Two values are equal if their texts are, and so if Python would write them the same: `1`, `1.0`
/// and `true` are three different values.
///
/// ```
/// use blocksmith_consensus::json::{Value, canonical};
///
/// let text = canonical(br#"{"proof": 100, "index": 1}"#)?;
/// let block = Value::of_canonical(&text);
/// assert_eq!(block.get("index").and_then(Value::as_u64), Some(1));
/// assert_eq!(block.get("proof").map(Value::text), Some("100"));
/// # Ok::<(), blocksmith_consensus::json::JsonError>(())
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Value<'a>(&'a str);

/// The kind of a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// `null`.
    Null,
    /// `true` or `false`.
    Bool,
    /// A number without point and exponent.
    Int,
    /// A number with a point or an exponent.
    Float,
    /// A string.
    String,
    /// An array.
    Array,
    /// An object.
    Object,
}

impl<'a> Value<'a> {
    /// A view of `text`, which the caller guarantees to be one canonical value and nothing around
    /// it. Other text gives wrong answers or none, but never a panic.
    pub fn of_canonical(text: &'a str) -> Self {
        Self(text)
    }

    /// The canonical text.
    pub fn text(self) -> &'a str {
        self.0
    }

    /// The kind of the value.
    pub fn kind(self) -> Kind {
        match self.0.as_bytes().first() {
            Some(b'{') => Kind::Object,
            Some(b'[') => Kind::Array,
            Some(b'"') => Kind::String,
            Some(b't' | b'f') => Kind::Bool,
            Some(b'-' | b'0'..=b'9') => {
                let float = self.0.bytes().any(|byte| matches!(byte, b'.' | b'e'));
                if float { Kind::Float } else { Kind::Int }
            }
            _ => Kind::Null,
        }
    }

    /// The member named `key`, of printable ASCII without quotes and backslashes, if this is an
    /// object that has one.
    pub fn get(self, key: &str) -> Option<Value<'a>> {
        self.members().find(|(name, _)| name.content() == Some(key)).map(|(_, value)| value)
    }

    /// The members in the order of their names, each a string and a value; none if this is not an
    /// object.
    pub fn members(self) -> Members<'a> {
        Members { rest: self.0.strip_prefix('{').unwrap_or_default() }
    }

    /// The elements in order; none if this is not an array.
    pub fn elements(self) -> Elements<'a> {
        Elements { rest: self.0.strip_prefix('[').unwrap_or_default() }
    }

    /// The string; `None` if this is not one, or if a lone surrogate in it has no UTF-8 form.
    pub fn as_str(self) -> Option<Cow<'a, str>> {
        let content = self.content()?;
        if !content.contains('\\') {
            return Some(Cow::Borrowed(content));
        }
        CodePoints(content.as_bytes())
            .map(char::from_u32)
            .collect::<Option<String>>()
            .map(Cow::Owned)
    }

    /// The integer, if this is one that fits.
    pub fn as_u64(self) -> Option<u64> {
        self.0.starts_with(|first: char| first.is_ascii_digit()).then(|| self.0.parse().ok())?
    }

    /// The integer, if this is one that fits.
    pub fn as_i128(self) -> Option<i128> {
        if self.0.starts_with('+') { None } else { self.0.parse().ok() }
    }

    /// The text between a string's quotes.
    fn content(self) -> Option<&'a str> {
        self.0.strip_prefix('"')?.strip_suffix('"')
    }
}

/// The members of an object; see [`Value::members`].
#[derive(Debug, Clone)]
pub struct Members<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Members<'a> {
    type Item = (Value<'a>, Value<'a>);

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let rest = core::mem::take(&mut self.rest);
        let name_end = end_of_string(rest.as_bytes())?;
        let name = rest.get(..name_end)?;
        let rest = rest.get(name_end..)?.strip_prefix(": ")?;
        let value_end = end_of_value(rest.as_bytes())?;
        let value = rest.get(..value_end)?;
        self.rest = rest.get(value_end..)?.strip_prefix(", ").unwrap_or_default();
        Some((Value(name), Value(value)))
    }
}

impl FusedIterator for Members<'_> {}

/// The elements of an array; see [`Value::elements`].
#[derive(Debug, Clone)]
pub struct Elements<'a> {
    rest: &'a str,
}

impl<'a> Iterator for Elements<'a> {
    type Item = Value<'a>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let rest = core::mem::take(&mut self.rest);
        let end = end_of_value(rest.as_bytes())?;
        let value = rest.get(..end)?;
        self.rest = rest.get(end..)?.strip_prefix(", ").unwrap_or_default();
        Some(Value(value))
    }
}

impl FusedIterator for Elements<'_> {}

/// The length of the value that `text` starts with; none if no value starts there.
#[inline]
fn end_of_value(text: &[u8]) -> Option<usize> {
    match text.first()? {
        b'"' => end_of_string(text),
        b'{' | b'[' => end_of_brackets(text),
        b'}' | b']' | b',' => None,
        _ => text.iter().position(|byte| matches!(byte, b',' | b'}' | b']')).or(Some(text.len())),
    }
}

#[inline(always)]
fn end_of_string(text: &[u8]) -> Option<usize> {
    if text.first() != Some(&b'"') {
        return None;
    }
    let mut at = 1;
    loop {
        at = scan::plain(text, at);
        match text.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

fn end_of_brackets(text: &[u8]) -> Option<usize> {
    let mut open = 0_usize;
    let mut at = 0;
    loop {
        at = scan::bracket_or_quote(text, at);
        match text.get(at)? {
            b'"' => at += end_of_string(text.get(at..)?)?,
            b'{' | b'[' => {
                open += 1;
                at += 1;
            }
            b'}' | b']' => {
                open = open.checked_sub(1)?;
                at += 1;
                if open == 0 {
                    return Some(at);
                }
            }
            _ => at += 1,
        }
    }
}

/// A Rust string as a canonical JSON string, quotes included.
pub fn string(text: &str) -> String {
    let mut json = String::new();
    push_string(&mut json, text);
    json
}

/// Writes a Rust string as a canonical JSON string, quotes included.
pub fn push_string(out: &mut String, text: &str) {
    out.push('"');
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let plain = scan::plain(rest.as_bytes(), 0);
        out.push_str(rest.get(..plain).unwrap_or_default());
        at += plain;
        let Some(char) = rest.get(plain..).and_then(|rest| rest.chars().next()) else { break };
        at += char.len_utf8();
        let short = u8::try_from(char).ok().and_then(rewrite::short_escape);
        if let Some(letter) = short {
            out.extend(['\\', letter.into()]);
            continue;
        }
        for unit in char.encode_utf16(&mut [0; 2]) {
            out.extend(rewrite::escaped((*unit).into()).map(char::from));
        }
    }
    out.push('"');
}
