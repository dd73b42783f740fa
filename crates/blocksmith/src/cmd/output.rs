//! What commands print and write: never with a panic, and with a name where it can't be written.

use std::fmt;
use std::io::{self, ErrorKind, Write};

/// Output that is named when it can't be written. The kind of the error stays.
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

    /// The error of this output.
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

/// A line for whoever watches, on the standard error: nobody may be watching.
pub fn note(text: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// Whether this is that nobody reads any more, as behind `head`: whoever read has what they wanted.
pub(super) fn is_unread(error: &anyhow::Error) -> bool {
    let error = error.downcast_ref::<io::Error>();
    error.is_some_and(|error| error.kind() == ErrorKind::BrokenPipe)
}

/// What printing came to, for whoever goes on when nobody reads any more.
///
/// # Errors
/// All others.
pub(super) fn heard(printed: io::Result<()>) -> io::Result<()> {
    match printed {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        printed => printed,
    }
}
