//! What shows that a proof made a block: its index and its hash where the server tells them, the
//! proof and the coin in it, and that the server's chain has it. A status of 200 alone proves
//! nothing: a proxy, a web page or a server of another kind gives one to every caller.

use blocksmith_api::BlockEntry;
use blocksmith_consensus::json::{self, Value};
use blocksmith_consensus::transaction::party;
use blocksmith_consensus::{Block, BlockView, Hash, Job, Proof, Shape};

use super::zeros::each_block;

/// A block that a server says it made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Forged {
    /// `None` if a Python server doesn't say.
    pub(super) index: Option<u64>,
    /// `None` from Python servers, which don't say.
    pub(super) hash: Option<Hash>,
    pub(super) proof: u64,
}

/// A proof that was handed in.
pub(super) struct Submitted<'a> {
    /// The search that found it.
    pub(super) job: &'a Job<'a>,
    pub(super) proof: u64,
    /// The index and the parent of the block that the proof makes, if the server told them.
    pub(super) index: Option<u64>,
    pub(super) previous_hash: Option<Hash>,
    /// The recipient of the coin, if the miner may choose one.
    pub(super) recipient: Option<&'a str>,
}

impl Submitted<'_> {
    /// The block with which our node acknowledges the proof, or what is missing in it.
    pub(super) fn by_our_node(&self, made: &BlockEntry) -> Result<Forged, &'static str> {
        let (index, hash) = (made.index, made.hash.0);
        let text = json::canonical(made.block.get().as_bytes());
        let text = text.map_err(|_| "its block can't be read")?;
        // The block has the shape with which its hash is the one that was told.
        let read = |shape| Block::read(shape, &text).ok().filter(|block| block.hash() == hash);
        let block = read(Shape::Open).or_else(|| read(Shape::Sealed));
        let block = block.ok_or("its block has another hash")?;
        if block.index() != index || Some(index) != self.index {
            return Err("its block has another index");
        }
        if block.parent() != self.previous_hash {
            return Err("its block follows another block");
        }
        let view = block.view();
        let is_ours = match block.header() {
            // The work commits to the whole header, and to the transactions by their root.
            Some(header) => {
                self.job.digest(self.proof.to_string()) == hash
                    && view.merkle_root() == header.merkle_root
            }
            None => has_proof(view, self.proof),
        };
        if !is_ours {
            return Err("its block does not fit the proof");
        }
        if !self.recipient.is_none_or(|recipient| pays(view, recipient)) {
            return Err("its block pays another recipient");
        }
        Ok(Forged { index: Some(index), hash: Some(hash), proof: self.proof })
    }

    /// The same for a Python server, which says "New Block Forged": the rest of its answer has to
    /// fit.
    pub(super) fn by_python(&self, answer: Value<'_>) -> Result<Forged, &'static str> {
        let index = match answer.get("index") {
            Some(index) => Some(index.as_u64().ok_or("its index is not a number")?),
            None => self.index,
        };
        if self.index.is_some_and(|expected| index != Some(expected)) {
            return Err("its block has another index");
        }
        if answer.get("proof").is_some_and(|proof| !is(proof, self.proof)) {
            return Err("its block has another proof");
        }
        Ok(Forged { index, hash: None, proof: self.proof })
    }
}

impl Forged {
    /// Whether a Python server's block is this one.
    pub(super) fn is_block(&self, block: BlockView<'_>, recipient: Option<&str>) -> bool {
        self.index.is_none_or(|index| block.index == index)
            && has_proof(block, self.proof)
            && recipient.is_none_or(|recipient| pays(block, recipient))
    }

    /// Whether a Python server's chain has this block; `None` if `body` is no chain. A chain that
    /// was cut ends in an error; the blocks before that count.
    pub(super) fn is_in(&self, body: &[u8], recipient: Option<&str>) -> Option<bool> {
        let mut found = None;
        let _ = each_block(body, |text| {
            if let Ok(block) = BlockView::of_canonical(text) {
                found = Some(found == Some(true) || self.is_block(block, recipient));
            }
        });
        found
    }
}

/// Whether a proof is this number, written as a number or as a text of its digits.
fn is(proof: Value<'_>, number: u64) -> bool {
    Proof::from_value(proof).is_ok_and(|proof| *proof.text() == number.to_string())
}

fn has_proof(block: BlockView<'_>, number: u64) -> bool {
    *block.proof() == number.to_string()
}

/// Whether a block's coin goes to `recipient`.
fn pays(block: BlockView<'_>, recipient: &str) -> bool {
    let coin = block.transactions().last();
    coin.and_then(|coin| coin.get("recipient")).is_some_and(|to| party(to) == recipient)
}
