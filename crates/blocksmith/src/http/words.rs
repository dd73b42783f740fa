//! What answers are made of.

use serde::Serialize;

/// Flask would say HTML, in which a name that somebody made up could be a script.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// What the course's calls say where a sentence is all that they answer.
#[derive(Serialize)]
pub(super) struct Message<'a> {
    pub(super) message: &'a str,
}
