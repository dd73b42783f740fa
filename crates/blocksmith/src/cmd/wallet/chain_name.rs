//! The names of chains.

use std::fmt;

use blocksmith_consensus::Hash;

use crate::chain::Chain;
use crate::text::{escaped, quoted};

/// How much of a chain's name is shown, in characters.
const MAX_NAME: usize = 80;

/// A chain's name, by its source.
#[derive(Debug, Clone)]
pub(super) enum Name {
    /// The name is known without a node: from a preset or a chain file.
    Known(String),
    /// The wallet file has it: the owner agreed to pay on the chain that a node named so.
    Kept(String),
    /// Only the node says it.
    Unconfirmed(String),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(name) => escaped(name).fmt(f),
            Self::Kept(name) => f.write_str(&named(name)),
            Self::Unconfirmed(name) => write!(f, "{} (as the node calls it)", named(name)),
        }
    }
}

/// Quotes the name that a node gives to a chain, so that no part of it looks like the wallet's own
/// words.
pub(super) fn named(said: &str) -> String {
    quoted(said, MAX_NAME)
}

impl Name {
    /// The name of the chain with this id, which a node calls `said`.
    pub(super) fn of(id: &Hash, said: &str) -> Self {
        match Chain::with_id(id) {
            Some(preset) => Self::Known(preset.rules.name),
            None => Self::Unconfirmed(said.into()),
        }
    }
}
