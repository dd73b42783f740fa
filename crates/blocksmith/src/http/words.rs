//! Parts of answers.

use serde::Serialize;

/// Flask would say HTML, in which a name that a client made up could be a script.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// The body of the course's calls that answer with a sentence alone.
#[derive(Serialize)]
pub(super) struct Message<'a> {
    pub(super) message: &'a str,
}
