//! Verifies a chain's text on all cores: as a whole, or in pieces if it is long.

use std::io::Read;
use std::num::NonZero;

use blocksmith_consensus::document::{Document, DocumentError, Stretch, VerifiedChain, Verifier};
use rayon::prelude::*;

/// The most bytes of a chain's text that are held at once. A longer one must have one block a line,
/// and is read in pieces of that length.
pub const MAX_HELD_BYTES: usize = 1 << 30;

/// The fewest bytes of a text that get a thread of their own.
const MIN_PART_BYTES: usize = 1 << 20;

/// The most threads that share a text.
const MAX_THREADS: usize = 64;

/// Why a chain's text can't be read to its end.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The system can't read it.
    #[error("the chain can't be read")]
    Io(#[from] std::io::Error),
    /// The text has to be read in pieces, and has no places to cut it.
    #[error(
        "the chain has more than {held} bytes, and its blocks are not on lines of their own; `chain export` writes it \
         so that it can be read in pieces"
    )]
    NoLines {
        /// How many bytes are held at once.
        held: usize,
    },
}

/// Why a text is no valid chain.
#[derive(Debug, thiserror::Error)]
pub enum VerifyError {
    /// A block breaks a rule.
    #[error(transparent)]
    Document(#[from] DocumentError),
    /// The text can't be read.
    #[error(transparent)]
    Read(#[from] ReadError),
}

/// The cores that this process may use.
pub fn all_threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get).min(MAX_THREADS)
}

/// Verifies a chain's text on up to `threads` threads.
///
/// # Errors
/// Returns a [`DocumentError`] for the first bad block.
pub fn verify(
    verifier: &Verifier<'_>,
    input: &[u8],
    threads: usize,
) -> Result<VerifiedChain, DocumentError> {
    let mut document = Document::new(input);
    let stretch = extend(verifier, verifier.start(), &mut document, usize::MAX, threads)?;
    verifier.finish(&stretch, &document)
}

/// Verifies a chain's text as it is read, holding at most `held` bytes of it.
///
/// # Errors
/// Returns a [`VerifyError`] for the first bad block, or if the text can't be read.
pub fn verify_read(
    verifier: &Verifier<'_>,
    reader: impl Read,
    held: usize,
    threads: usize,
) -> Result<VerifiedChain, VerifyError> {
    let mut verified = verifier.start();
    let mut verdict = Err(DocumentError::Empty);
    read_pieces(reader, held, |Piece { mut document, stop, last }| {
        let start = std::mem::take(&mut verified);
        let stretch = extend(verifier, start, &mut document, stop, threads)?;
        if last {
            verdict = verifier.finish(&stretch, &document);
        } else {
            verified = stretch.into_owned();
        }
        Ok::<_, VerifyError>(())
    })?;
    Ok(verdict?)
}

/// Extends `stretch` up to `stop`, side by side if that works, else one block after another: only
/// the latter finds what is wrong.
fn extend<'a>(
    verifier: &Verifier<'_>,
    mut stretch: Stretch<'a>,
    document: &mut Document<'a>,
    stop: usize,
    threads: usize,
) -> Result<Stretch<'a>, DocumentError> {
    if let Some((stretch, end)) = side_by_side(verifier, &stretch, document, stop, threads) {
        *document = end;
        return Ok(stretch);
    }
    verifier.extend(&mut stretch, document, stop)?;
    Ok(stretch)
}

/// Returns `None` if there is nothing to share, no block starts at a place that looked like the
/// start of one, or a block is bad.
fn side_by_side<'a>(
    verifier: &Verifier<'_>,
    stretch: &Stretch<'a>,
    document: &Document<'a>,
    stop: usize,
    threads: usize,
) -> Option<(Stretch<'a>, Document<'a>)> {
    let threads = threads.min(document.left() / MIN_PART_BYTES);
    let splits = document.splits(verifier.parts(threads));
    if splits.is_empty() {
        return None;
    }
    let inner = splits.into_iter().filter(|split| *split < stop);
    let stops: Vec<_> = inner.chain([stop]).collect();
    let run = |place: usize| {
        // The first part goes on from what is verified; the others begin anew, and are joined to
        // it.
        let (mut stretch, mut part) = match place.checked_sub(1) {
            None => (stretch.clone(), document.clone()),
            Some(before) => (Stretch::default(), document.at(stops[before])),
        };
        verifier.extend(&mut stretch, &mut part, stops[place]).ok()?;
        Some((stretch, part))
    };
    let parts: Vec<_> = (0..stops.len()).into_par_iter().map(run).collect::<Option<_>>()?;
    parts.into_iter().map(Some).reduce(|joined, next| {
        let ((joined, _), (next, end)) = (joined?, next?);
        Some((verifier.join(joined, next)?, end))
    })?
}

/// A part of a chain's text, in which the blocks up to `stop` are to be read.
pub struct Piece<'a> {
    /// The text; it goes on for at least a block after `stop`, unless it is the last piece.
    pub document: Document<'a>,
    /// Where the next piece starts.
    pub stop: usize,
    /// Whether the text ends with this piece.
    pub last: bool,
}

/// Reads a chain's text, holding at most `held` bytes of it.
///
/// # Errors
/// Returns the first error of `each`, or a [`ReadError`] if the text can't be read.
pub fn read_pieces<E: From<ReadError>>(
    mut reader: impl Read,
    held: usize,
    mut each: impl FnMut(Piece<'_>) -> Result<(), E>,
) -> Result<(), E> {
    let mut text = Vec::new();
    let mut gone = 0;
    loop {
        let room = held.saturating_sub(text.len()) as u64;
        reader.by_ref().take(room).read_to_end(&mut text).map_err(ReadError::Io)?;
        let document =
            |text| if gone == 0 { Document::new(text) } else { Document::resume(text, gone) };
        if text.len() < held {
            return each(Piece { document: document(&text), stop: usize::MAX, last: true });
        }
        let line_end = text.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
        let whole = text[..line_end].trim_ascii_end();
        let stop = whole.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let document = document(whole);
        if stop == 0 || !document.is_lines() {
            return Err(ReadError::NoLines { held }.into());
        }
        each(Piece { document, stop, last: false })?;
        text.drain(..stop);
        gone += stop;
    }
}
