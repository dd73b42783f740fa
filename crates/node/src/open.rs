//! The pending transactions of an open chain, and the blocks that are made of them.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use blocksmith_consensus::block::MAX_BLOCK_BYTES;
use blocksmith_consensus::check::prove;
use blocksmith_consensus::json::{Value, string};
use blocksmith_consensus::{Block, Checked, Hash, Open, Proof, Timestamp, Transaction};

use crate::interface::{NoWork, Refusal, Work};
use crate::queue::Queue;
use crate::turn::{Turn, WhyLater};

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
    /// When the turn of each of the transactions from the one at place `skip` on comes, at most
    /// `limit` of them. The coin of each block goes to `node`.
    pub(crate) fn turns(
        &self,
        skip: usize,
        limit: usize,
        node: &str,
        tip: &Block,
    ) -> impl Iterator<Item = (&Transaction, Option<Turn>)> {
        let room = self.room(node, tip);
        let needed = |transaction: &Transaction| transaction.text().len() + SEPARATOR_BYTES;
        let all = self.queue.bytes() + self.queue.len() * SEPARATOR_BYTES;
        // Each block takes the first that fit, so each transaction is in the first block with room.
        let mut rooms: Vec<usize> = Vec::new();
        for before in self.queue.iter().take(if all > room { skip } else { 0 }) {
            first_fit(&mut rooms, needed(before), room);
        }
        let next = tip.index() + 1;
        let turns = self.queue.iter().enumerate().skip(skip).take(limit);
        turns.map(move |(place, transaction)| {
            let block = match all > room {
                true => first_fit(&mut rooms, needed(transaction), room),
                false => Some(0),
            };
            let turn = block.map(|block| Turn {
                place: place as u64 + 1,
                block: next + block,
                why: (block > 0).then_some(WhyLater::Full),
            });
            (transaction, turn)
        })
    }

    /// About how many bytes a block has for transactions: a proof can have any length.
    fn room(&self, node: &str, tip: &Block) -> usize {
        let coin = self.rules.coin(Value::of_canonical(&string(node)));
        let (proof, time) = (Proof::from(u64::MAX), Timestamp { micros: 1_700_000_000_123_456 });
        let empty = Block::compose(tip, &proof, time, [&coin]);
        MAX_BLOCK_BYTES.saturating_sub(empty.map_or(0, |empty| empty.text().len()))
    }

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

/// The first of the next blocks that has so many bytes left, where each has `room` at first; none if
/// that is too little.
fn first_fit(rooms: &mut Vec<usize>, needed: usize, room: usize) -> Option<u64> {
    if needed > room {
        return None;
    }
    let found = rooms.iter().position(|left| *left >= needed);
    let block = found.unwrap_or_else(|| {
        rooms.push(room);
        rooms.len() - 1
    });
    rooms[block] -= needed;
    Some(block as u64)
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

#[cfg(test)]
mod tests {
    use alloc::vec;

    use blocksmith_consensus::{Family, Rules};
    use blocksmith_testkit::random::Random;

    use super::*;

    /// Blocks of the queue, one after the other, have each transaction where its turn said.
    #[test]
    fn each_transaction_comes_into_the_block_that_was_said() {
        let mut random = Random::new(14);
        let rules = Rules::lecture().with_zeros(0);
        let Family::Open(open) = &rules.family else { panic!("not signed") };
        let mut ends = Vec::new();
        for _ in 0..4 {
            let queue = (0..12).map(|number: u64| {
                let bytes = 2_000_000 + random.below(8_000_000);
                let name = format!(r#""{}""#, "n".repeat(bytes));
                let amount = format!("{number}");
                let [from, to, amount] = [r#""a""#, &name, &amount].map(Value::of_canonical);
                (number, Transaction::new(from, to, amount))
            });
            let queue: Vec<_> = queue.collect();
            let mut pool = OpenPool { queue: Queue::new(queue.clone()), rules: open.clone() };
            let mut tip = rules.genesis_block(Timestamp::default());
            let turns = |skip| pool.turns(skip, usize::MAX, "node", &tip);
            let all: Vec<_> =
                turns(0).map(|(text, turn)| (text.clone(), turn.expect("it fits"))).collect();
            for skip in [1, 7, 12, 13] {
                let rest: Vec<_> = turns(skip).map(|(_, turn)| turn.expect("it fits")).collect();
                assert!(all.iter().skip(skip).map(|(_, turn)| *turn).eq(rest), "from {skip} on");
            }
            let mut expected = vec![0; 12];
            while pool.queue.len() > 0 {
                let proven = pool.block(Timestamp::default(), &Proof::from(1), r#""node""#, &tip);
                tip = proven.expect("a block").block().clone();
                for (number, waiting) in &queue {
                    let is_in = |value: Value<'_>| value.text() == waiting.text();
                    if tip.view().transactions().any(is_in) {
                        expected[*number as usize] = tip.index();
                    }
                }
                let left = queue.iter().filter(|(number, _)| expected[*number as usize] == 0);
                pool.queue = Queue::new(left.cloned());
            }
            for (place, (block, (_, turn))) in (1..).zip(expected.into_iter().zip(&all)) {
                let why = (block > 2).then_some(WhyLater::Full);
                assert_eq!(*turn, Turn { place, block, why });
            }
            ends.push(tip.index());
        }
        assert!(ends.iter().all(|end| *end > 4), "{ends:?}");
    }
}
