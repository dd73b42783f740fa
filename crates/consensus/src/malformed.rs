//! The reasons why a text is not a block.

use alloc::string::String;
use core::fmt;

use crate::json::JsonError;
use crate::limits::{MAX_BLOCK_BYTES, MAX_BLOCK_DEPTH, MAX_INDEX};

/// The reason why a text is not a block of any rule set.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// The text is not JSON, or has no form that every node can read.
    #[error("this JSON can't be read: {0}")]
    Json(#[from] JsonError),
    /// The text is longer than [`MAX_BLOCK_BYTES`].
    #[error("{} has {found} bytes; at most {MAX_BLOCK_BYTES} are allowed", Named(*.index))]
    TooLong {
        /// The block's index, if it has one.
        index: Option<u64>,
        /// Bytes of the text.
        found: usize,
    },
    /// The block has more than [`MAX_BLOCK_DEPTH`] levels.
    #[error(
        "{} has {found} lists and objects inside each other; at most {MAX_BLOCK_DEPTH} are allowed",
        Named(*.index)
    )]
    TooDeep {
        /// The block's index, if it has one.
        index: Option<u64>,
        /// How deep it is.
        found: usize,
    },
    /// The value is not an object.
    #[error("a block must be a JSON object, not {found}")]
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
    #[error("a block's index must be a whole number from 1 to {MAX_INDEX}, not {found}")]
    Index {
        /// The start of what stands there.
        found: String,
    },
    /// The proof is neither an integer nor a string with a UTF-8 form.
    #[error("{}a proof must be a whole number or a string, not {found}", Of(*.index))]
    Proof {
        /// The block's index; `None` for a proof that no block holds yet.
        index: Option<u64>,
        /// The start of what stands there.
        found: String,
    },
    /// A sealed block has a field more or less than it should.
    #[error("{} {}", Named(*.index), Odd { field, found })]
    Fields {
        /// The block's index, if it has one.
        index: Option<u64>,
        /// The field's name, or `}` for the end.
        field: &'static str,
        /// The key that stands there, or `}` for the end.
        found: String,
    },
    /// A field of a sealed block is not written as it should be.
    #[error("{}\"{field}\" must be {expected}, not {found}", Of(*.index))]
    Field {
        /// The block's index, if it has one.
        index: Option<u64>,
        /// The field's name.
        field: &'static str,
        /// The text that should stand there.
        expected: &'static str,
        /// The start of what stands there.
        found: String,
    },
}

/// A field that is missing or too much. Fields come in the order of their names.
struct Odd<'a> {
    field: &'a str,
    found: &'a str,
}

impl fmt::Display for Odd<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { field, found } = self;
        let name = found.trim_matches('"');
        if *field == "}" || *found != "}" && name < *field {
            write!(f, "has the field {found}, which a block of this chain can't have")
        } else {
            write!(f, "has no \"{field}\"")
        }
    }
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
