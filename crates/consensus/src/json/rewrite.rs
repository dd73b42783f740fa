//! The general way: reads any JSON text and writes its canonical form.
//!
//! All output goes to one buffer in the order of the input. A short object with unsorted keys is
//! put in order in place as soon as it is complete. A longer one is put on a list with the places
//! of its members in their right order; when the value is complete and that list is not empty, the
//! pieces of the first buffer are copied to a second one in order, each once: otherwise nested
//! objects would be moved once for each level.

use alloc::string::String;
use alloc::vec::Vec;
use core::cmp::Ordering;
use core::fmt;
use core::mem;
use core::ops::Range;

use super::layout::Layout;
use super::{JsonError, JsonErrorKind, MAX_DEPTH, float, order, scan, scan::NumberForm};

pub(super) const MEMBER_NAME: &str = "a name in double quotes";
pub(super) const COLON: &str = "a colon";
pub(super) const AFTER_MEMBER: &str = "a comma or a closing brace";
pub(super) const AFTER_ELEMENT: &str = "a comma or a closing bracket";
const VALUE: &str = "a value";
const STRING_END: &str = "a string's closing quote";

/// The most bytes that are reserved for a value at once; the rest of the input need not belong to
/// it.
const FIRST_ROOM: usize = 1024;

/// An object up to this length is put in order in place. It has few levels, each of which may move
/// the objects inside it once more.
const MAX_MOVED_BYTES: usize = 1024;

/// A value that was rewritten.
pub(super) struct Rewritten {
    /// The offset after it.
    pub(super) end: usize,
    /// Its canonical text.
    pub(super) text: String,
    /// A name that an object in it has twice, without quotes as in a canonical string.
    pub(super) doubled: Option<String>,
}

/// Rewrites the value that starts at `start`. `depth` is the number of arrays and objects around
/// it.
pub(super) fn value(
    input: &[u8],
    start: usize,
    depth: usize,
    buffers: &mut Buffers,
) -> Result<Rewritten, JsonError> {
    buffers.clear();
    let room = input.len().saturating_sub(start).min(FIRST_ROOM);
    buffers.out.reserve(room + room / 4);
    let mut rewriter = Rewriter::<true>::new(input, start, depth, buffers);
    rewriter.value()?;
    let end = rewriter.at;
    let ascii = |bytes| String::from_utf8(bytes).expect("only ASCII is written");
    let doubled = rewriter.doubled.take().map(ascii);
    Ok(Rewritten { end, text: ascii(rewriter.finish()), doubled })
}

/// The offset after the value that starts at `start`.
pub(super) fn skip(input: &[u8], start: usize, depth: usize) -> Result<usize, JsonError> {
    let mut buffers = Buffers::default();
    let mut rewriter = Rewriter::<false>::new(input, start, depth, &mut buffers);
    rewriter.value()?;
    Ok(rewriter.at)
}

/// The memory that rewriting takes. A caller that reads many values keeps it from one to the next,
/// so that most of them need no new memory.
#[derive(Default)]
pub(crate) struct Buffers {
    out: Vec<u8>,
    levels: Vec<Level>,
    /// Members of the open objects.
    members: Vec<Member>,
    unsorted: Vec<Unsorted>,
    sorted: Vec<Range<usize>>,
    /// An object that is put in order.
    moved: Vec<u8>,
    layout: Option<Layout>,
    scalars: Vec<Range<usize>>,
    /// How many values had not the layout of an earlier one.
    unlike: u64,
}

impl Buffers {
    /// Rewrites the value that starts at `start` if it has the layout of an earlier one; returns
    /// the offset after it and its canonical text.
    #[inline]
    pub(super) fn alike(&mut self, input: &[u8], start: usize) -> Option<(usize, String)> {
        let layout = self.layout.as_ref()?;
        let end = layout.rewrite(input, start, &mut self.scalars, &mut self.out)?;
        let text = String::from_utf8(mem::take(&mut self.out)).expect("only ASCII is written");
        Some((end, text))
    }

    /// Keeps the layout of a value that was rewritten, from the second one on, and ever less often:
    /// if every value has its own layout, keeping it gains nothing.
    #[inline]
    pub(super) fn learn(&mut self, value: &[u8]) {
        self.unlike += 1;
        if self.unlike > 1 && self.unlike.is_power_of_two() {
            self.layout = Layout::of(value).or(self.layout.take());
        }
    }

    /// Takes a text that was rewritten and is needed no more: the next one is written in its place.
    pub(crate) fn reuse(&mut self, text: String) {
        self.out = text.into_bytes();
    }

    fn clear(&mut self) {
        self.out.clear();
        self.levels.clear();
        self.members.clear();
        self.unsorted.clear();
        self.sorted.clear();
    }
}

/// A clone starts empty: the contents between two values only save time.
impl Clone for Buffers {
    fn clone(&self) -> Self {
        Self::default()
    }
}

impl fmt::Debug for Buffers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Buffers").finish_non_exhaustive()
    }
}

/// A member's place in the output.
#[derive(Clone, Copy)]
struct Member {
    /// The first bytes of its name: most names differ there, which takes one comparison to see.
    first: u64,
    /// Where its name starts, the quote included.
    start: usize,
    name_end: usize,
    /// Where its value ends.
    end: usize,
    /// Whether there may be an escape in its name.
    escapes: bool,
}

enum Level {
    Array,
    Object {
        /// Where its text starts in the output.
        start: usize,
        /// Its first member among those of all open objects.
        first_member: usize,
        /// How many objects were on the list of the unsorted when it started.
        first_unsorted: usize,
        ascending: bool,
    },
}

/// An object that was written with its members in another order.
struct Unsorted {
    text: Range<usize>,
    /// How many unsorted objects are inside.
    inside: usize,
    /// Places of the members that stay, in order, as a range of `Rewriter::sorted`.
    members: Range<usize>,
}

/// Reads a value; writes nothing unless `KEEP` is set.
struct Rewriter<'a, 'b, const KEEP: bool> {
    input: &'a [u8],
    at: usize,
    max_levels: usize,
    buffers: &'b mut Buffers,
    /// The first name that an object was found to have twice.
    doubled: Option<Vec<u8>>,
}

impl<'a, 'b, const KEEP: bool> Rewriter<'a, 'b, KEEP> {
    /// Starts with empty buffers.
    fn new(input: &'a [u8], at: usize, depth: usize, buffers: &'b mut Buffers) -> Self {
        Self { input, at, max_levels: MAX_DEPTH.saturating_sub(depth), buffers, doubled: None }
    }

    #[inline(always)]
    fn push(&mut self, text: &[u8]) {
        if KEEP {
            self.buffers.out.extend_from_slice(text);
        }
    }

    #[inline(always)]
    fn push_input(&mut self, range: Range<usize>) {
        if KEEP {
            self.buffers.out.extend_from_slice(self.input.get(range).unwrap_or_default());
        }
    }

    fn fault<T>(&self, at: usize, kind: JsonErrorKind) -> Result<T, JsonError> {
        Err(JsonError { at, kind })
    }

    fn unexpected<T>(&self, wanted: &'static str) -> Result<T, JsonError> {
        Err(scan::unexpected(self.input, self.at, wanted))
    }

    #[inline(always)]
    fn peek(&self) -> Option<u8> {
        self.input.get(self.at).copied()
    }

    #[inline(always)]
    fn skip_whitespace(&mut self) {
        self.at = scan::whitespace(self.input, self.at);
    }

    fn value(&mut self) -> Result<(), JsonError> {
        loop {
            self.skip_whitespace();
            match self.peek() {
                Some(b'"') => {
                    self.string()?;
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b'{') => {
                    if self.open(b'}')? {
                        self.buffers.levels.push(Level::Object {
                            start: self.buffers.out.len(),
                            first_member: self.buffers.members.len(),
                            first_unsorted: self.buffers.unsorted.len(),
                            ascending: true,
                        });
                        self.push(b"{");
                        self.name()?;
                        continue;
                    }
                    self.push(b"{}");
                }
                Some(b'[') => {
                    if self.open(b']')? {
                        self.buffers.levels.push(Level::Array);
                        self.push(b"[");
                        continue;
                    }
                    self.push(b"[]");
                }
                Some(b't') => self.literal("true")?,
                Some(b'f') => self.literal("false")?,
                Some(b'n') => self.literal("null")?,
                Some(b'N') => self.not_finite("NaN")?,
                Some(b'I') => self.not_finite("Infinity")?,
                _ => return self.unexpected(VALUE),
            }
            if !self.after_value()? {
                return Ok(());
            }
        }
    }

    /// Closes what ends after a value; true if another value is next.
    #[inline(always)]
    fn after_value(&mut self) -> Result<bool, JsonError> {
        loop {
            let Some(level) = self.buffers.levels.last() else { return Ok(false) };
            self.at = scan::whitespace(self.input, self.at);
            match (self.input.get(self.at), level) {
                (Some(b','), Level::Array) => {
                    self.at += 1;
                    self.push(b", ");
                    return Ok(true);
                }
                (Some(b','), Level::Object { .. }) => {
                    self.at += 1;
                    self.end_member();
                    self.push(b", ");
                    self.skip_whitespace();
                    self.name()?;
                    return Ok(true);
                }
                (Some(b']'), Level::Array) => {
                    self.at += 1;
                    self.push(b"]");
                    self.buffers.levels.pop();
                }
                (Some(b'}'), &Level::Object { start, first_member, first_unsorted, ascending }) => {
                    self.at += 1;
                    self.end_member();
                    self.push(b"}");
                    self.buffers.levels.pop();
                    if KEEP && !ascending {
                        self.sort(start, first_member, first_unsorted);
                    }
                    self.buffers.members.truncate(first_member);
                }
                (_, Level::Array) => return self.unexpected(AFTER_ELEMENT),
                (_, Level::Object { .. }) => return self.unexpected(AFTER_MEMBER),
            }
        }
    }

    /// Reads an opening bracket; true if something is inside, else the closing one is read too.
    #[inline(always)]
    fn open(&mut self, close: u8) -> Result<bool, JsonError> {
        if self.buffers.levels.len() >= self.max_levels {
            return self.fault(self.at, JsonErrorKind::TooDeep);
        }
        self.at += 1;
        self.skip_whitespace();
        if self.peek() != Some(close) {
            return Ok(true);
        }
        self.at += 1;
        Ok(false)
    }

    /// Reads a member's name and the colon.
    #[inline(always)]
    fn name(&mut self) -> Result<(), JsonError> {
        if self.peek() != Some(b'"') {
            return self.unexpected(MEMBER_NAME);
        }
        let start = self.buffers.out.len();
        let escapes = self.string()?;
        let name_end = self.buffers.out.len();
        self.skip_whitespace();
        self.at = scan::byte(self.input, self.at, b':', COLON)?;
        self.push(b": ");
        if KEEP {
            let first = order::first(&self.buffers.out, start + 1, name_end - 1);
            let member = Member { first, start, name_end, end: name_end, escapes };
            if let Some(Level::Object { first_member, ascending: ascending @ true, .. }) =
                self.buffers.levels.last_mut()
            {
                let before = self.buffers.members.get(*first_member..).and_then(<[Member]>::last);
                *ascending =
                    before.is_none_or(|before| compare(&self.buffers.out, before, &member).is_lt());
            }
            self.buffers.members.push(member);
        }
        Ok(())
    }

    #[inline(always)]
    fn end_member(&mut self) {
        if KEEP && let Some(member) = self.buffers.members.last_mut() {
            member.end = self.buffers.out.len();
        }
    }

    /// Puts the object that starts at `start` and was just closed in order, or notes its right order.
    #[inline(never)]
    fn sort(&mut self, start: usize, first_member: usize, first_unsorted: usize) {
        let Buffers { out, members, unsorted, sorted, moved, .. } = &mut *self.buffers;
        let members = members.get_mut(first_member..).unwrap_or_default();
        members.sort_unstable_by(|a, b| compare(out, a, b).then(a.start.cmp(&b.start)));
        // Of members with the same name the last one stays.
        let stays = |i: usize, member: &Member| {
            members.get(i + 1).is_none_or(|next| {
                member.first != next.first || name(out, member) != name(out, next)
            })
        };
        let doubled = |(i, member)| (!stays(i, member)).then(|| name(out, member).to_vec());
        self.doubled = self.doubled.take().or_else(|| members.iter().enumerate().find_map(doubled));
        let kept = members.iter().enumerate().filter(|(i, member)| stays(*i, member));
        let kept = kept.map(|(_, member)| member.start..member.end);
        let inside = unsorted.len() - first_unsorted;
        if inside > 0 || out.len() - start > MAX_MOVED_BYTES {
            let first = sorted.len();
            sorted.extend(kept);
            let members = first..sorted.len();
            unsorted.push(Unsorted { text: start..out.len(), inside, members });
            return;
        }
        moved.clear();
        for member in kept {
            moved.extend_from_slice(if moved.is_empty() { b"{" } else { b", " });
            moved.extend_from_slice(out.get(member).unwrap_or_default());
        }
        moved.push(b'}');
        out.truncate(start);
        out.extend_from_slice(moved);
    }

    #[inline(always)]
    fn literal(&mut self, name: &'static str) -> Result<(), JsonError> {
        self.at = scan::literal(self.input, self.at, name)?;
        self.push(name.as_bytes());
        Ok(())
    }

    #[cold]
    fn not_finite(&mut self, name: &'static str) -> Result<(), JsonError> {
        scan::literal(self.input, self.at, name)?;
        self.fault(self.at, JsonErrorKind::NotFinite)
    }

    #[inline(always)]
    fn number(&mut self) -> Result<(), JsonError> {
        let start = self.at;
        let (end, shape) = scan::number(self.input, start)?;
        match shape {
            NumberForm::Int | NumberForm::CanonicalFloat => self.push_input(start..end),
            NumberForm::NegativeZero => self.push(b"0"),
            NumberForm::Float => {
                let number = self.input.get(start..end).unwrap_or_default();
                self.push(float::Text::of(number, start)?.as_bytes());
            }
        }
        self.at = end;
        Ok(())
    }

    /// Reads a string; true if there may be an escape in its canonical text.
    #[inline(always)]
    fn string(&mut self) -> Result<bool, JsonError> {
        let start = self.at;
        let end = scan::plain(self.input, start + 1);
        if self.input.get(end) == Some(&b'"') {
            self.at = end + 1;
            self.push_input(start..end + 1);
            return Ok(false);
        }
        self.push_input(start..end);
        self.at = end;
        self.rest_of_string()?;
        Ok(true)
    }

    /// Reads on in a string, up to its closing quote.
    fn rest_of_string(&mut self) -> Result<(), JsonError> {
        let mut high = None;
        loop {
            let start = self.at;
            self.at = scan::plain(self.input, start);
            if self.at > start {
                self.push_input(start..self.at);
                high = None;
            }
            match self.peek() {
                Some(b'"') => {
                    self.push(b"\"");
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => {
                    if let Some(unit) = self.escape()? {
                        self.join(start, &mut high, unit, true)?;
                    } else {
                        high = None;
                    }
                }
                Some(0x7f) => {
                    self.at += 1;
                    self.push(b"\\u007f");
                    high = None;
                }
                Some(0x80..) => match self.multibyte()? {
                    unit @ ..0x1_0000 => self.join(start, &mut high, unit, false)?,
                    char => {
                        high = None;
                        self.push_unit(0xd800 + ((char - 0x1_0000) >> 10));
                        self.push_unit(0xdc00 + (char & 0x3ff));
                    }
                },
                None => return self.unexpected(STRING_END),
                Some(found) => {
                    return self.fault(self.at, JsonErrorKind::ControlCharacter { found });
                }
            }
        }
    }

    /// Writes a code unit above DEL. `high` tells whether the one just before it is a high
    /// surrogate, and if so whether it was an escape.
    #[inline(always)]
    fn join(
        &mut self,
        at: usize,
        high: &mut Option<bool>,
        unit: u32,
        escaped: bool,
    ) -> Result<(), JsonError> {
        match (unit, *high) {
            (0xdc00..0xe000, Some(high_escaped)) if !(high_escaped && escaped) => {
                return self.fault(at, JsonErrorKind::SplitSurrogatePair);
            }
            (0xd800..0xdc00, _) => *high = Some(escaped),
            _ => *high = None,
        }
        self.push_unit(unit);
        Ok(())
    }

    /// Reads an escape, and writes it unless it stands for a code unit above DEL.
    #[inline(always)]
    fn escape(&mut self) -> Result<Option<u32>, JsonError> {
        let backslash = self.at;
        let rest = self.input.get(backslash + 1..).unwrap_or_default();
        let Some((&letter, rest)) = rest.split_first() else {
            self.at = self.input.len();
            return self.unexpected("an escape's letter");
        };
        self.at = backslash + 2;
        match letter {
            b'"' | b'\\' | b'b' | b'f' | b'n' | b'r' | b't' => self.push(&[b'\\', letter]),
            b'/' => self.push(b"/"),
            b'u' => {
                let digits: Option<&[u8; 4]> = rest.first_chunk();
                let unit = digits.and_then(|digits| {
                    digits.iter().try_fold(0, |unit, &digit| {
                        Some(unit << 4 | char::from(digit).to_digit(16)?)
                    })
                });
                let Some(unit) = unit else {
                    return self.fault(backslash, JsonErrorKind::BadEscape);
                };
                self.at = backslash + 6;
                if unit >= 0x7f {
                    return Ok(Some(unit));
                }
                push_ascii(self, unit as u8);
            }
            _ => return self.fault(backslash, JsonErrorKind::BadEscape),
        }
        Ok(None)
    }

    /// Reads a character of more than one byte, a surrogate being one of three.
    #[inline(always)]
    fn multibyte(&mut self) -> Result<u32, JsonError> {
        let bytes = self.input.get(self.at..).unwrap_or_default();
        let (len, lowest) = match bytes.first() {
            Some(0xc2..=0xdf) => (2, 0x80),
            Some(0xe0..=0xef) => (3, 0x800),
            Some(0xf0..=0xf4) => (4, 0x1_0000),
            _ => return self.fault(self.at, JsonErrorKind::NotUtf8),
        };
        let Some((&first, rest)) = bytes.get(..len).and_then(<[u8]>::split_first) else {
            return self.fault(self.at, JsonErrorKind::NotUtf8);
        };
        let lead = u32::from(first) & (0x7f >> len);
        let char = rest.iter().try_fold(lead, |char, &byte| {
            (byte & 0xc0 == 0x80).then(|| char << 6 | u32::from(byte & 0x3f))
        });
        match char {
            Some(char) if (lowest..0x11_0000).contains(&char) => {
                self.at += len;
                Ok(char)
            }
            _ => self.fault(self.at, JsonErrorKind::NotUtf8),
        }
    }

    #[inline(always)]
    fn push_unit(&mut self, unit: u32) {
        self.push(&escaped(unit));
    }

    /// The whole text, with every object in order.
    fn finish(self) -> Vec<u8> {
        let Buffers { out, unsorted: all, sorted, moved, .. } = self.buffers;
        if all.is_empty() {
            return mem::take(out);
        }
        all.sort_unstable_by_key(|object| object.text.start);
        let mut text = mem::take(moved);
        text.clear();
        text.reserve(out.len());
        // Pieces of the first buffer that are still to be copied, the next one on top.
        let mut left = Vec::new();
        left.push(Piece::Text { text: 0..out.len(), unsorted: 0..all.len() });
        while let Some(piece) = left.pop() {
            match piece {
                Piece::Text { text: range, unsorted } => {
                    let object = all.get(unsorted.clone()).and_then(<[_]>::first);
                    let end = object.map_or(range.end, |object| object.text.start);
                    text.extend_from_slice(out.get(range.start..end).unwrap_or_default());
                    if let Some(object) = object {
                        text.push(b'{');
                        let inside = unsorted.start + 1..unsorted.start + 1 + object.inside;
                        left.push(Piece::Text {
                            text: object.text.end..range.end,
                            unsorted: inside.end..unsorted.end,
                        });
                        let members = object.members.clone();
                        left.push(Piece::Members { members, first: true, unsorted: inside });
                    }
                }
                Piece::Members { mut members, first, unsorted } => {
                    let Some(member) = members.next().and_then(|n| sorted.get(n)) else {
                        text.push(b'}');
                        continue;
                    };
                    if !first {
                        text.extend_from_slice(b", ");
                    }
                    let objects = all.get(unsorted.clone()).unwrap_or_default();
                    let before = |at: usize| {
                        unsorted.start + objects.partition_point(|object| object.text.start < at)
                    };
                    let inside = before(member.start)..before(member.end);
                    left.push(Piece::Members { members, first: false, unsorted });
                    left.push(Piece::Text { text: member.clone(), unsorted: inside });
                }
            }
        }
        text
    }
}

/// A piece to be copied, and the unsorted objects in it.
enum Piece {
    Text { text: Range<usize>, unsorted: Range<usize> },
    Members { members: Range<usize>, first: bool, unsorted: Range<usize> },
}

#[inline(always)]
fn compare(out: &[u8], a: &Member, b: &Member) -> Ordering {
    let escapes = a.escapes || b.escapes;
    if !escapes && a.first != b.first {
        return a.first.cmp(&b.first);
    }
    order::compare(name(out, a), name(out, b), escapes)
}

/// The content of a member's name.
#[inline(always)]
fn name<'o>(out: &'o [u8], member: &Member) -> &'o [u8] {
    out.get(member.start + 1..member.name_end - 1).unwrap_or_default()
}

fn push_ascii<const KEEP: bool>(rewriter: &mut Rewriter<'_, '_, KEEP>, byte: u8) {
    match short_escape(byte) {
        Some(letter) => rewriter.push(&[b'\\', letter]),
        None if byte < 0x20 => rewriter.push(&escaped(byte.into())),
        None => rewriter.push(&[byte]),
    }
}

/// The letter after the backslash, for the characters that have such an escape.
pub(super) fn short_escape(byte: u8) -> Option<u8> {
    Some(match byte {
        0x08 => b'b',
        b'\t' => b't',
        b'\n' => b'n',
        0x0c => b'f',
        b'\r' => b'r',
        b'"' | b'\\' => byte,
        _ => return None,
    })
}

/// The escape of a UTF-16 code unit.
pub(super) fn escaped(unit: u32) -> [u8; 6] {
    let digit = |shift: u32| b"0123456789abcdef"[(unit >> shift & 0xf) as usize];
    [b'\\', b'u', digit(12), digit(8), digit(4), digit(0)]
}
