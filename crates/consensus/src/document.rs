//! Reads a chain from a text and verifies it, block by block: memory never holds the whole chain.
//!
//! [`Document`] reads the forms in which chains come: the answer to `GET /chain`, a bare array, and
//! blocks one after another, as in an export with one per line. [`Verifier`] checks each block on
//! the one before it and names the first bad one. A long text can be verified in several stretches
//! side by side: [`Document::splits`] guesses where blocks start, and [`Verifier::join`] takes a
//! guess only if the stretch before ended exactly there.

use alloc::borrow::Cow;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use crate::block::{BlockView, Fields, Malformed};
use crate::check::{self, Invalid};
use crate::difficulty::{Difficulty, DifficultyState};
use crate::hash::Hash;
use crate::json::{Buffers, JsonError, Reader, Value};
use crate::limits::quote;
use crate::rules::Rules;

/// The members of an answer that hold a chain: that of `GET /chain`, the same in Lecture I, and
/// that of `GET /nodes/resolve` after it replaced the chain.
const CHAIN_KEYS: [&str; 3] = [r#""chain""#, r#""currentChain""#, r#""new_chain""#];

/// The member of an answer that says how long the chain is.
const LENGTH_KEY: &str = r#""length""#;

/// Members that a block has, and an answer has not.
const BLOCK_KEYS: [&str; 3] = [r#""index""#, r#""previous_hash""#, r#""proof""#];

/// The key that comes first in blocks, in their canonical text and as Python programs write them.
const FIRST_KEY: &[u8] = br#""index""#;

/// The start of an [`ExportTrailer`]. No block starts so: the keys of a block are sorted, and it
/// has an index.
const SEAL_START: &str = r#"{"length": "#;

/// The reason why the next block of a document can't be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unreadable {
    /// The text is not JSON there.
    #[error(transparent)]
    Json(#[from] JsonError),
    /// The document holds more than one chain, and readers would differ in which they take.
    #[error("the document has two chains, the second one at byte {at}")]
    TwoChains {
        /// Offset in the input.
        at: usize,
    },
    /// The line with length and tip is not as it should be.
    #[error(
        "an export must end in {{\"length\": …, \"tip\": \"…\"}}, but this one ends in {found}"
    )]
    ExportTrailer {
        /// The start of what stands there.
        found: String,
    },
    /// Something follows the line with length and tip.
    #[error("the line with length and tip must be the last, but {found} follows it")]
    AfterSeal {
        /// The start of what follows.
        found: String,
    },
}

/// The reason why a chain is not valid: the first bad block and the rule that it breaks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// The text in the place of a block can't be read.
    #[error("json: block {index} can't be read: {error}")]
    Unreadable {
        /// The index of the block that would be next.
        index: u64,
        /// The fault, and where it is.
        error: Unreadable,
    },
    /// A value is not a block.
    #[error("block: block {index} does not have the form of a block: {error}")]
    Malformed {
        /// The index of the block that should stand there.
        index: u64,
        /// The reason.
        error: Malformed,
    },
    /// A block breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A block was changed after the next one was made on it.
    #[error(
        "previous_hash: block {index} was changed after block {child} was made on it: its hash is \
         {found}, but block {child} names {named}{}",
        .witness.doubt()
    )]
    Changed {
        /// The index of the block that was changed.
        index: u64,
        /// The index of the next one.
        child: u64,
        /// The hash of the changed block.
        found: Hash,
        /// The hash that the next block names.
        named: String,
        /// What shows that the next block was not changed.
        witness: Witness,
    },
    /// The chain does not end in the block that it should end in.
    #[error(
        "tip: block {index}, the last one, has the hash {found}, but the hash of the tip must be {expected}"
    )]
    Tip {
        /// The index of the last block.
        index: u64,
        /// The hash that was asked for.
        expected: Hash,
        /// The hash of the last block.
        found: Hash,
    },
    /// An export is not as long as its last line says.
    #[error("length: the last line says {claimed} blocks, but there are {found}")]
    Length {
        /// The length that the last line states.
        claimed: u64,
        /// The number of blocks.
        found: u64,
    },
    /// There is no block.
    #[error("genesis: the chain has no block")]
    Empty,
}

/// What shows that the block after a changed one was not changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Witness {
    /// The block after it, which names its hash.
    Next,
    /// It is the last one, and has the hash that the tip should have.
    Tip,
    /// Nothing does: no readable block stands on it, and no tip is given.
    Absent,
}

impl Witness {
    fn doubt(self) -> &'static str {
        match self {
            Self::Next | Self::Tip => "",
            Self::Absent => {
                " (or that previous_hash was changed: the hash of the tip would show which)"
            }
        }
    }
}

impl DocumentError {
    /// The broken rule in one word.
    pub fn rule(&self) -> &'static str {
        match self {
            Self::Unreadable { .. } => "json",
            Self::Malformed { .. } => "block",
            Self::Invalid(invalid) => invalid.rule(),
            Self::Empty => "genesis",
            Self::Changed { .. } => "previous_hash",
            Self::Tip { .. } => "tip",
            Self::Length { .. } => "length",
        }
    }

    /// The index that the bad block should have at its place; `None` if no block is at fault.
    pub fn block(&self, rules: &Rules) -> Option<u64> {
        match self {
            Self::Unreadable { index, .. }
            | Self::Malformed { index, .. }
            | Self::Changed { index, .. }
            | Self::Tip { index, .. }
            | Self::Invalid(
                Invalid::Form { index }
                | Invalid::Index { expected: index, .. }
                | Invalid::PreviousHash { index, .. }
                | Invalid::NoHash { index, .. }
                | Invalid::Timestamp { index, .. }
                | Invalid::Target { index, .. }
                | Invalid::TooEasy { index, .. }
                | Invalid::Size { index, .. }
                | Invalid::MerkleRoot { index, .. }
                | Invalid::Body { index, .. }
                | Invalid::Signature { index, .. }
                | Invalid::Proof { index, .. },
            ) => Some(*index),
            Self::Invalid(Invalid::Genesis { .. }) | Self::Empty => Some(rules.genesis_index()),
            Self::Length { .. } => None,
        }
    }
}

/// A block's canonical text, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<'a> {
    /// The canonical text, borrowed if the document has it so.
    pub text: Cow<'a, str>,
    /// Offset in the input, in bytes.
    pub at: usize,
}

/// The last line of an export, which pins its end: `{"length": 2, "tip": "6d6a…"}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ExportTrailer {
    /// The number of blocks.
    pub length: u64,
    /// The hash of the last block.
    pub tip: Hash,
}

impl ExportTrailer {
    fn of_canonical(text: &str) -> Option<Self> {
        let value = Value::of_canonical(text);
        let length = value.get("length")?.as_u64()?;
        let tip = value.get("tip")?.as_str()?.parse().ok()?;
        (value.members().count() == 2).then_some(Self { length, tip })
    }
}

/// The canonical text.
impl fmt::Display for ExportTrailer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, r#"{SEAL_START}{}, "tip": "{}"}}"#, self.length, self.tip)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum DocumentForm {
    /// An array that is a member of an object.
    Answer,
    /// An array.
    Array,
    /// One value after another.
    Lines,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Next {
    /// A block, or another value in its place.
    Block,
    /// The end of the array and what comes after it.
    Close,
    /// Nothing.
    End,
}

/// A chain's text, read block by block from the front.
#[derive(Debug, Clone)]
pub struct Document<'a> {
    input: &'a [u8],
    shape: DocumentForm,
    next: Next,
    /// Offset of what comes next.
    at: usize,
    /// How many bytes came before the input.
    before: usize,
    length: Option<u64>,
    seal: Option<ExportTrailer>,
    buffers: Buffers,
}

impl<'a> Document<'a> {
    /// Finds out the form from the start of the text. Reading the blocks shows what is wrong with
    /// it.
    pub fn new(input: &'a [u8]) -> Self {
        let start = whitespace(input, Reader::new(input).position());
        let mut document = Self::lines(input, start, 0);
        let mut reader = Reader::at(input, start);
        let (shape, first) = match input.get(start) {
            Some(b'[') => (DocumentForm::Array, reader.open_array().ok()),
            Some(b'{') => (DocumentForm::Answer, document.find_chain(&mut reader)),
            _ => (DocumentForm::Lines, None),
        };
        if let Some(first) = first {
            document.shape = shape;
            (document.next, document.at) = if first {
                (Next::Block, reader.position())
            } else {
                // Back to the bracket.
                (Next::Close, reader.position() - 1)
            };
        }
        document
    }

    /// Continues a text of one block after another, of which `before` bytes came before `input`.
    pub fn resume(input: &'a [u8], before: usize) -> Self {
        Self::lines(input, whitespace(input, 0), before)
    }

    fn lines(input: &'a [u8], at: usize, before: usize) -> Self {
        let next = if at < input.len() { Next::Block } else { Next::End };
        Self {
            input,
            shape: DocumentForm::Lines,
            next,
            at,
            before,
            length: None,
            seal: None,
            buffers: Buffers::default(),
        }
    }

    /// Enters the chain of an answer, and returns whether a block is in it. `None` if the object is
    /// a block, or can't be read.
    fn find_chain(&mut self, reader: &mut Reader<'a>) -> Option<bool> {
        let mut more = reader.open_object().ok()?;
        while more {
            let key = reader.key().ok()?;
            if BLOCK_KEYS.contains(&&*key) {
                return None;
            }
            if self.is_chain(&key, reader) {
                return reader.open_array().ok();
            }
            self.skip_member(&key, reader).ok()?;
            more = reader.next_member().ok()?;
        }
        None
    }

    fn is_chain(&self, key: &str, reader: &Reader<'_>) -> bool {
        CHAIN_KEYS.contains(&key)
            && self.input.get(whitespace(self.input, reader.position())) == Some(&b'[')
    }

    fn skip_member(&mut self, key: &str, reader: &mut Reader<'a>) -> Result<(), JsonError> {
        if key == LENGTH_KEY {
            self.length = Value::of_canonical(&reader.value()?).as_u64();
            return Ok(());
        }
        reader.skip_value()
    }

    /// Whether the text is one block after another, so that it can be read in pieces.
    pub fn is_lines(&self) -> bool {
        self.shape == DocumentForm::Lines
    }

    /// Offset of the next block in the input.
    pub fn position(&self) -> usize {
        self.at
    }

    /// How many bytes come after [`Document::position`].
    pub fn left(&self) -> usize {
        self.input.len().saturating_sub(self.at)
    }

    /// The length that the document states, if that has been read; it may be wrong.
    pub fn claimed_length(&self) -> Option<u64> {
        self.length
    }

    /// The last line of an export, if that has been read.
    pub fn seal(&self) -> Option<ExportTrailer> {
        self.seal
    }

    /// The next block.
    ///
    /// # Errors
    /// Fails if the block can't be read; the document has ended then.
    pub fn next_block(&mut self) -> Result<Option<Located<'a>>, Unreadable> {
        let result = match self.next {
            Next::Block => self.read_block(),
            Next::Close => self.read_close().map(|()| None),
            Next::End => return Ok(None),
        };
        if !matches!(result, Ok(Some(_))) {
            self.next = Next::End;
        }
        result.map_err(|error| match error {
            Unreadable::Json(error) => {
                JsonError { at: error.at.saturating_add(self.before), ..error }.into()
            }
            error => error,
        })
    }

    #[inline]
    fn read_block(&mut self) -> Result<Option<Located<'a>>, Unreadable> {
        // A block is read as if it stood alone, so that it reads alike in each form of document.
        let mut reader = Reader::at(self.input, self.at);
        let (text, _) = reader.value_in(&mut self.buffers)?;
        let block = Located { text, at: self.at };
        self.at = whitespace(self.input, reader.position());
        match self.shape {
            DocumentForm::Lines if block.text.starts_with(SEAL_START) => {
                self.read_seal(&block.text)?;
                return Ok(None);
            }
            DocumentForm::Lines if self.at == self.input.len() => self.next = Next::End,
            DocumentForm::Lines => {}
            DocumentForm::Array | DocumentForm::Answer
                if self.input.get(self.at) == Some(&b',') =>
            {
                self.at = whitespace(self.input, self.at + 1);
            }
            DocumentForm::Array | DocumentForm::Answer => self.next = Next::Close,
        }
        Ok(Some(block))
    }

    fn read_seal(&mut self, text: &str) -> Result<(), Unreadable> {
        let seal = ExportTrailer::of_canonical(text);
        self.seal = Some(seal.ok_or_else(|| Unreadable::ExportTrailer { found: quote(text) })?);
        match self.input.get(self.at..) {
            None | Some([]) => Ok(()),
            // Old editors and fixed-size files put Ctrl-Z and NULs behind the end.
            Some(rest) if rest.iter().all(|byte| b"\0\x1a \t\r\n".contains(byte)) => Ok(()),
            Some(rest) => {
                let rest = String::from_utf8_lossy(rest.get(..1_000).unwrap_or(rest));
                let found = quote(&rest.trim().replace(char::is_control, " "));
                Err(Unreadable::AfterSeal { found })
            }
        }
    }

    fn read_close(&mut self) -> Result<(), Unreadable> {
        let mut reader = Reader::at(self.input, self.at);
        reader.next_element()?;
        if self.shape == DocumentForm::Answer {
            while reader.next_member()? {
                let key = reader.key()?;
                if self.is_chain(&key, &reader) {
                    return Err(Unreadable::TwoChains { at: reader.position() });
                }
                self.skip_member(&key, &mut reader)?;
            }
        }
        Ok(reader.end()?)
    }

    /// Places that cut the text into up to `parts` parts of about the same length, and at which
    /// blocks seem to start.
    pub fn splits(&self, parts: usize) -> Vec<usize> {
        let left = self.left();
        let mut splits = Vec::new();
        for part in 1..parts {
            let from = self.at + left / parts * part;
            match self.block_start(from) {
                Some(at) if splits.last() != Some(&at) => splits.push(at),
                _ => {}
            }
        }
        splits
    }

    /// The first place after `from` where an object starts with an index. In a valid document that
    /// is never inside a string, but it can be inside another object.
    fn block_start(&self, mut from: usize) -> Option<usize> {
        loop {
            let rest = self.input.get(from..)?;
            let key = from + rest.windows(FIRST_KEY.len()).position(|bytes| bytes == FIRST_KEY)?;
            let before = self.input.get(..key)?.trim_ascii_end();
            if let [.., b'{'] = before
                && before.len() > self.at + 1
            {
                return Some(before.len() - 1);
            }
            from = key + FIRST_KEY.len();
        }
    }

    /// The same document, to be read from the block that starts at `position`.
    #[must_use]
    pub fn at(&self, position: usize) -> Self {
        Self { at: position, next: Next::Block, ..self.clone() }
    }
}

fn whitespace(input: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = input.get(at) {
        at += 1;
    }
    at
}

/// A block and its hash.
#[derive(Debug, Clone)]
struct Read<'a> {
    text: Cow<'a, str>,
    fields: Fields,
    hash: Hash,
}

impl<'a> Read<'a> {
    #[inline]
    fn new(rules: &Rules, text: Cow<'a, str>) -> Result<Self, Malformed> {
        let view = BlockView::read(rules.shape(), &text)?;
        Ok(Self { fields: Fields::of(&view), hash: view.hash(), text })
    }

    #[inline]
    fn view(&self) -> BlockView<'_> {
        self.fields.view(&self.text)
    }
}

/// A part of a chain, in which each block is valid on the one before it.
#[derive(Debug, Clone, Default)]
pub struct Stretch<'a> {
    /// The first block, if the block before it is still to be seen.
    first: Option<Read<'a>>,
    last: Option<Read<'a>>,
    /// The difficulty state at the last block. In a stretch that does not start with genesis it is
    /// right for fixed targets alone: see [`Verifier::parts`].
    difficulty_state: Option<DifficultyState>,
    blocks: u64,
    from_genesis: bool,
    start: usize,
    end: usize,
}

impl Stretch<'_> {
    /// How many blocks it has.
    pub fn blocks(&self) -> u64 {
        self.blocks
    }

    /// The same stretch, independent of the text that it was read from.
    #[must_use]
    pub fn into_owned(self) -> Stretch<'static> {
        let own = |Read { text, fields, hash }: Read<'_>| {
            let text = Cow::Owned(text.into_owned());
            Read { text, fields, hash }
        };
        Stretch { first: self.first.map(own), last: self.last.map(own), ..self }
    }
}

/// The summary of a valid chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerifiedChain {
    /// How many blocks it has.
    pub blocks: u64,
    /// The index of the last block.
    pub index: u64,
    /// The hash of the last block.
    pub tip: Hash,
    /// The length that the document states.
    pub claimed_length: Option<u64>,
}

/// Verifies chains against rules.
#[derive(Debug, Clone, Copy)]
pub struct Verifier<'r> {
    /// The rules.
    pub rules: &'r Rules,
    /// The hash that the last block should have, if that is known.
    pub tip: Option<Hash>,
}

impl Verifier<'_> {
    /// Verifies a whole document.
    ///
    /// # Errors
    /// Returns the first bad block and the reason.
    pub fn verify(&self, input: &[u8]) -> Result<VerifiedChain, DocumentError> {
        let (mut stretch, mut document) = (self.start(), Document::new(input));
        self.extend(&mut stretch, &mut document, usize::MAX)?;
        self.finish(&stretch, &document)
    }

    /// Starts a chain: nothing is read yet, and the genesis block comes next.
    pub fn start<'a>(&self) -> Stretch<'a> {
        Stretch { from_genesis: true, ..Stretch::default() }
    }

    /// How many stretches of a chain can be verified side by side: `wanted` where targets are fixed,
    /// and one where they follow from all blocks before.
    pub fn parts(&self, wanted: usize) -> usize {
        match self.rules.difficulty() {
            Difficulty::Fixed(_) => wanted,
            Difficulty::Epoch { .. } | Difficulty::Asert { .. } => 1,
        }
    }

    /// Verifies the blocks of a document up to the offset `stop`, each on the one before it, the
    /// first on the end of the stretch. For a stretch that is empty and not the start of a chain,
    /// [`Verifier::join`] checks later whether its first block belongs there.
    ///
    /// # Errors
    /// Returns the first bad block and the reason; the blocks before it remain in the stretch.
    pub fn extend<'a>(
        &self,
        stretch: &mut Stretch<'a>,
        document: &mut Document<'a>,
        stop: usize,
    ) -> Result<(), DocumentError> {
        stretch.start = document.position();
        while document.position() < stop {
            let index = || match &stretch.last {
                Some(last) => last.view().index.saturating_add(1),
                None => self.rules.genesis_index(),
            };
            let located = document
                .next_block()
                .map_err(|error| DocumentError::Unreadable { index: index(), error })?;
            let Some(located) = located else { break };
            let read = Read::new(self.rules, located.text)
                .map_err(|error| DocumentError::Malformed { index: index(), error })?;
            match &stretch.last {
                Some(last) => self.link(last, stretch.difficulty_state.as_ref(), &read).map_err(
                    |invalid| self.who_is_to_blame(invalid, last, &read, document.clone()),
                )?,
                None if stretch.from_genesis => {
                    check::genesis(self.rules, read.view())?;
                }
                None => stretch.first = Some(read.clone()),
            }
            // The genesis block is compared as a whole, and needs no work.
            if stretch.last.is_some() || stretch.first.is_some() {
                check::work(self.rules, read.view(), &read.hash)?;
            }
            stretch.difficulty_state = Some(match &stretch.difficulty_state {
                Some(difficulty_state) => {
                    self.rules.difficulty_state_after(difficulty_state, read.view())
                }
                None => self.rules.first_difficulty_state(read.view()),
            });
            let before = stretch.last.replace(read);
            if let Some(Read { text: Cow::Owned(text), .. }) = before {
                document.buffers.reuse(text);
            }
            stretch.blocks += 1;
        }
        stretch.end = document.position();
        Ok(())
    }

    #[inline]
    fn link(
        &self,
        parent: &Read<'_>,
        difficulty_state: Option<&DifficultyState>,
        child: &Read<'_>,
    ) -> Result<(), Invalid> {
        let first_difficulty_state = || self.rules.first_difficulty_state(parent.view());
        let difficulty_state = difficulty_state.copied().unwrap_or_else(first_difficulty_state);
        check::link(self.rules, parent.view(), &parent.hash, &difficulty_state, child.view())
    }

    /// When a block names another hash than that of the block before it, one of the two was
    /// changed. If the block after them still names the hash of the second, it was the first.
    fn who_is_to_blame(
        &self,
        invalid: Invalid,
        first: &Read<'_>,
        second: &Read<'_>,
        mut ahead: Document<'_>,
    ) -> DocumentError {
        let Invalid::PreviousHash { index: child, found: named, .. } = &invalid else {
            return invalid.into();
        };
        let second_hash = second.hash;
        let mut next = || Ok(ahead.next_block()?.map(|next| Read::new(self.rules, next.text)));
        let next: Result<_, Unreadable> = next();
        let witness = match next {
            Ok(Some(Ok(third))) if third.view().follows(&second_hash) => Witness::Next,
            Ok(Some(Ok(_))) => return invalid.into(),
            Ok(None) => match self.tip.or(ahead.seal().map(|seal| seal.tip)) {
                Some(tip) if tip == second_hash => Witness::Tip,
                Some(_) => return invalid.into(),
                None => Witness::Absent,
            },
            Ok(Some(Err(_))) | Err(_) => Witness::Absent,
        };
        let named = named.clone();
        let (index, found) = (first.view().index, first.hash);
        DocumentError::Changed { index, child: *child, found, named, witness }
    }

    /// Puts `next` behind `stretch`, if it starts where that one ended, and its first block is
    /// valid there. Otherwise returns `None`, which does not say whether the chain is valid.
    pub fn join<'a>(&self, stretch: Stretch<'a>, next: Stretch<'a>) -> Option<Stretch<'a>> {
        let (last, first) = (stretch.last.as_ref()?, next.first.as_ref()?);
        if stretch.end != next.start
            || self.link(last, stretch.difficulty_state.as_ref(), first).is_err()
        {
            return None;
        }
        let blocks = stretch.blocks + next.blocks;
        Some(Stretch {
            last: next.last,
            difficulty_state: next.difficulty_state,
            blocks,
            end: next.end,
            ..stretch
        })
    }

    /// Returns the verdict on a chain that was read to its end.
    ///
    /// # Errors
    /// Fails if there is no block, or if the chain does not end as it should.
    pub fn finish(
        &self,
        stretch: &Stretch<'_>,
        document: &Document<'_>,
    ) -> Result<VerifiedChain, DocumentError> {
        let Some(last) = &stretch.last else { return Err(DocumentError::Empty) };
        let (index, found) = (last.view().index, last.hash);
        let seal = document.seal();
        for expected in self.tip.into_iter().chain(seal.map(|seal| seal.tip)) {
            if expected != found {
                return Err(DocumentError::Tip { index, expected, found });
            }
        }
        match seal {
            Some(ExportTrailer { length: claimed, .. }) if claimed != stretch.blocks => {
                Err(DocumentError::Length { claimed, found: stretch.blocks })
            }
            _ => Ok(VerifiedChain {
                blocks: stretch.blocks,
                index,
                tip: found,
                claimed_length: document.claimed_length(),
            }),
        }
    }
}
