//! Sealed blocks that lack only their proof: the work of miners.

use alloc::format;

use crate::block::{Block, Malformed, Shape};
use crate::hash::Hash;
use crate::job::Target;
use crate::json::canonical;
use crate::sealed::Header;

/// A block that lacks only its proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unproven {
    /// A block with the proof 0.
    block: Block,
}

impl Unproven {
    /// Writes a block. The transactions are canonical texts, and `merkle_root` is their root.
    ///
    /// # Errors
    /// Fails if a number is too large, the block too long, or a text not JSON.
    pub fn new<'t>(
        index: u64,
        previous_hash: &Hash,
        timestamp_s: u64,
        target: Target,
        merkle_root: &Hash,
        transactions: impl IntoIterator<Item = &'t str>,
    ) -> Result<Self, Malformed> {
        let mut text = format!(
            r#"{{"index": {index}, "merkle_root": "{merkle_root}", "previous_hash": "{previous_hash}", "proof": 0, "target": "{target}", "timestamp": {timestamp_s}, "transactions": ["#
        );
        for (position, transaction) in transactions.into_iter().enumerate() {
            if position > 0 {
                text.push_str(", ");
            }
            text.push_str(transaction);
        }
        text.push_str("]}");
        let text = canonical(text.as_bytes())?;
        Ok(Self { block: Block::read(Shape::Sealed, &text)? })
    }

    /// The block's header, with the seal.
    pub fn header(&self) -> &Header {
        self.block.header().expect("it was read as a sealed block")
    }

    /// The block with the proof 0: a genesis block needs no other.
    pub fn into_genesis(self) -> Block {
        self.block
    }

    /// Bytes of the canonical text, with a proof of one digit.
    pub fn bytes(&self) -> usize {
        self.block.text().len()
    }

    /// The block with this proof.
    ///
    /// # Errors
    /// Returns [`Malformed::Field`] for a proof of 2^53 or more.
    pub fn with_proof(&self, proof: u64) -> Result<Block, Malformed> {
        let text = self.block.text();
        let at = self.block.view().proof_json().as_ptr() as usize - text.as_ptr() as usize;
        Block::read(Shape::Sealed, &format!("{}{proof}{}", &text[..at], &text[at + 1..]))
    }
}
