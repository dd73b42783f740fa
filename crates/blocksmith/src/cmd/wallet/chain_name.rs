//! What chains are called.

use std::fmt;

use blocksmith_consensus::Hash;

use crate::chain::Chain;
use crate::text::{escaped, quoted};

/// How much of a chain's name is shown, in characters.
const MAX_NAME: usize = 80;

/// What a chain is called.
#[derive(Debug, Clone)]
pub(super) enum Name {
    /// By whom the wallet can ask without a node.
    Known(String),
    /// By the wallet file, since its owner agreed to pay on what a node called so.
    Kept(String),
    /// By the node alone.
    PaymentInfo(String),
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Known(name) => escaped(name).fmt(f),
            Self::Kept(name) => f.write_str(&named(name)),
            Self::PaymentInfo(name) => write!(f, "{} (as the node calls it)", named(name)),
        }
    }
}

/// What a node calls a chain, so that none of it looks like a word of the wallet's own.
pub(super) fn named(said: &str) -> String {
    quoted(said, MAX_NAME)
}

impl Name {
    /// What a chain with this id is called, which a node calls `said`.
    pub(super) fn of(id: &Hash, said: &str) -> Self {
        match Chain::with_id(id) {
            Some(preset) => Self::Known(preset.rules.name),
            None => Self::PaymentInfo(said.into()),
        }
    }
}
