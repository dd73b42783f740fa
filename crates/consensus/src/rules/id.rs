//! The text that a chain's id covers: the members of its rules as canonical JSON.

use alloc::format;
use alloc::string::String;

use crate::hash::{Hash, tagged_hash};

/// A member of the rules as JSON.
pub(super) struct Member {
    key: &'static str,
    /// Canonical.
    json: String,
    /// Whether it has its default value, which ids do not cover.
    is_implied: bool,
}

impl Member {
    pub(super) fn new(key: &'static str, json: String) -> Self {
        Self { key, json, is_implied: false }
    }

    pub(super) fn implied(self, is_implied: bool) -> Self {
        Self { is_implied, ..self }
    }
}

/// The id of the chain with these members.
pub(super) fn chain_id(decisive: [Member; 5]) -> Hash {
    let covered = decisive.into_iter().filter(|member| !member.is_implied);
    tagged_hash("blocksmith/chain", object(covered).as_bytes())
}

/// Writes members, whose keys are in order, as canonical JSON.
pub(super) fn object(members: impl IntoIterator<Item = Member>) -> String {
    let mut text = String::from("{");
    for Member { key, json, .. } in members {
        let comma = if text.len() > 1 { ", " } else { "" };
        text.push_str(&format!(r#"{comma}"{key}": {json}"#));
    }
    text.push('}');
    text
}
