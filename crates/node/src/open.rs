//! The pending transactions of an open chain, and the blocks that are made of them.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use blocksmith_consensus::block::MAX_BLOCK_BYTES;
use blocksmith_consensus::check::prove;
use blocksmith_consensus::json::{Value, string};
use blocksmith_consensus::{Block, Checked, Hash, Open, Proof, Timestamp};

use crate::interface::{NoWork, Refusal, Work};
use crate::queue::Queue;

/// The longest name that gets a coin, in bytes of its JSON text.
pub const MAX_ID_BYTES: usize = 256;

/// The separator between two transactions of a block.
const SEPARATOR_BYTES: usize = ", ".len();

/// The unsigned transactions that wait, and the rules of their chain.
#[derive(Debug)]
pub(crate) struct OpenPool {
    pub(crate) queue: Queue,
    pub(crate) rules: Open,
}

impl OpenPool {
    /// Makes the block of the work with this id and a proof; its coin goes to `node` if the id
    /// names no recipient.
    ///
    /// # Errors
    /// Returns the reason why the proof makes no block.
    pub(crate) fn solve(
        &self,
        now: Timestamp,
        id: &str,
        proof: &Proof,
        node: &str,
        tip: &Block,
    ) -> Result<Checked, NoWork> {
        let (on, recipient) = match id.split_once('/') {
            Some((on, recipient)) => (on, recipient_json(recipient)?),
            None => (id, string(node)),
        };
        let on: Hash = on.parse().map_err(|_| NoWork::Id)?;
        if on != tip.hash() {
            return Err(Refusal::Stale { tip_index: tip.index() }.into());
        }
        Ok(self.block(now, proof, &recipient, tip)?)
    }

    /// Writes the next block: the transactions of the queue, then the coin for `recipient`, which
    /// is canonical JSON.
    ///
    /// # Errors
    /// Returns the reason why the proof makes no block.
    pub(crate) fn block(
        &self,
        now: Timestamp,
        proof: &Proof,
        recipient: &str,
        tip: &Block,
    ) -> Result<Checked, Refusal> {
        let proven = prove(&self.rules, tip, proof)
            .map_err(|digest| Refusal::Proof { tip_index: tip.index(), digest })?;
        let coin = self.rules.coin(Value::of_canonical(recipient));
        let empty = proven.block(now, [&coin])?;
        let mut room = MAX_BLOCK_BYTES - empty.block().text().len();
        // A transaction that does not fit waits for another block; those after it may still fit.
        let waiting = self.queue.iter().filter(|transaction| {
            let left = room.checked_sub(transaction.text().len() + SEPARATOR_BYTES);
            room = left.unwrap_or(room);
            left.is_some()
        });
        let transactions: Vec<_> = waiting.chain([&coin]).collect();
        Ok(proven.block(now, transactions)?)
    }
}

/// Returns the work on top of `tip` on an open chain; it depends on nothing but the tip. The id
/// names the tip, and after a slash the recipient of the coin, if that is not the node.
///
/// # Errors
/// Fails if the recipient's name is too long.
pub fn open_work(rules: &Open, recipient: Option<&str>, tip: &Block) -> Result<Work, NoWork> {
    let previous_hash = tip.hash();
    let id = match recipient {
        Some(recipient) => {
            recipient_json(recipient)?;
            format!("{previous_hash}/{recipient}")
        }
        None => previous_hash.to_string(),
    };
    let job = rules.job(tip.view(), &previous_hash).into_owned();
    Ok(Work { id, index: tip.index() + 1, previous_hash, job })
}

/// The recipient of a coin, as JSON.
fn recipient_json(recipient: &str) -> Result<String, NoWork> {
    let json = string(recipient);
    match json.len() {
        found if found > MAX_ID_BYTES => Err(NoWork::Recipient(format!(
            "the recipient has {found} bytes as JSON; at most {MAX_ID_BYTES} are allowed"
        ))),
        _ => Ok(json),
    }
}
