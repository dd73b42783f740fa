//! What commands print and write: without panics, and with the output's name if it can't be
//! written.

use std::fmt;
use std::io::{self, ErrorKind, Write};

use console::Term;
use textwrap::{Options, WordSplitter};

/// The longest line of a paragraph, in columns: longer ones are hard to read.
const MAX_COLUMNS: usize = 98;

/// An output whose name is in its errors, which keep their kind.
pub(super) struct Output<W> {
    name: String,
    to: W,
}

impl<W> Output<W> {
    pub(super) fn new(name: impl fmt::Display, to: W) -> Self {
        Self { name: name.to_string(), to }
    }

    /// What is written to.
    pub(super) fn get_ref(&self) -> &W {
        &self.to
    }

    /// Adds this output's name to an error.
    pub(super) fn named(&self, error: io::Error) -> io::Error {
        io::Error::new(error.kind(), format!("can't write {}: {error}", self.name))
    }
}

impl<W: Write> Write for Output<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.to.write(bytes).map_err(|error| self.named(error))
    }

    fn flush(&mut self) -> io::Result<()> {
        self.to.flush().map_err(|error| self.named(error))
    }
}

/// The standard output.
pub(super) fn stdout() -> Output<io::Stdout> {
    Output::new("to the standard output", io::stdout())
}

/// The text with line breaks between words, for the width of the terminal on which it is printed. (Messages
/// that name a command are left to the terminal to break, so that it can be copied.)
pub(super) fn paragraph(text: &str, to: &Term) -> String {
    let columns = to.size_checked().map_or(MAX_COLUMNS, |(_, columns)| columns.into());
    let options = Options::new(columns.min(MAX_COLUMNS)).break_words(false);
    textwrap::fill(text, options.word_splitter(WordSplitter::NoHyphenation))
}

/// Prints a line for people on the standard error, which may be closed.
pub fn note(text: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Whether the error is that the reader of a pipe is gone, as `head` goes once it has what it
/// wanted.
pub(super) fn is_unread(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// The outcome of printing, for callers that go on when the reader of a pipe is gone.
///
/// # Errors
/// Fails with all other errors.
pub(super) fn heard(printed: io::Result<()>) -> io::Result<()> {
    match printed {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}
