//! The bounds of input, and how messages quote refused input.

use alloc::format;
use alloc::string::{String, ToString};

use crate::json;

/// The longest canonical text of a block, in bytes.
pub const MAX_BLOCK_BYTES: usize = 16_000_000;

/// Arrays and objects in a block may lie this deep inside each other: two levels less than in a
/// document, so that a block fits into the document that holds the chain.
pub const MAX_BLOCK_DEPTH: usize = json::MAX_DEPTH - 2;

/// The highest index: the one after it must still be a number.
pub const MAX_INDEX: u64 = u64::MAX - 1;

/// How much of a wrong value an error quotes, in characters: a hash and its quotes fit.
const MAX_QUOTE: usize = 70;

/// The largest integer of a sealed block and its transactions, 2^53 - 1: JavaScript can hold all
/// integers up to it.
pub const MAX_INTEGER: u64 = (1 << 53) - 1;

/// How deep the arrays and objects of a canonical text lie inside each other.
pub(crate) fn depth(text: &str) -> usize {
    let (mut open, mut deepest) = (0_usize, 0);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => {
                open += 1;
                deepest = deepest.max(open);
            }
            b'}' | b']' => open = open.saturating_sub(1),
            b'"' => {
                while let Some(inside) = bytes.next()
                    && inside != b'"'
                {
                    if inside == b'\\' {
                        bytes.next();
                    }
                }
            }
            _ => {}
        }
    }
    deepest
}

/// The start of `text`, short enough for an error message.
pub(crate) fn quote(text: &str) -> String {
    match text.char_indices().nth(MAX_QUOTE) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_string(),
    }
}
