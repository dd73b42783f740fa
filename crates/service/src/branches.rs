//! The side branches that the node keeps, and who was the first to send each block.

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use blocksmith_consensus::tree::{BlockId, Branch};
use blocksmith_consensus::{BlockView, Hash, U256};
use blocksmith_node::{Machine, PeerAddress};

use super::events::{Source, recipient};
use super::feed::MAX_MINER_BYTES;
use super::handle::Handle;
use super::query::QueryError;
use super::store::{Snapshot, StoreError};

/// The most side branches that are listed.
pub const MAX_BRANCHES: usize = 100;

/// How many blocks are followed to find where the branches fork: some 30 ms of work for the thread
/// that also takes blocks.
const MAX_FOLLOWED: usize = 100_000;

/// Miners are looked up until this many bytes of blocks were read.
const MAX_READ_BYTES: usize = 64 << 20;

/// How many blocks' senders are remembered, the latest: some 200 bytes each.
const MAX_REMEMBERED: usize = 10_000;

/// How a block first came to the node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BlockSource {
    /// This node found it, or a miner with work from this node.
    Here,
    /// A caller sent it unasked.
    Sent {
        /// The caller's address, as far as it is known.
        by: Option<IpAddr>,
        /// Where the caller says that it listens.
        listens: Option<PeerAddress>,
    },
    /// A peer sent it because the node asked.
    Asked(PeerAddress),
}

impl BlockSource {
    /// The source of the blocks that come with an input; none if they had come before.
    pub(super) fn of(source: &Source) -> Option<Self> {
        Some(match source {
            Source::Here => Self::Here,
            Source::Time => return None,
            Source::Sent { by, listens } => {
                Self::Sent { by: by.map(|by| by.ip().to_canonical()), listens: listens.clone() }
            }
            Source::Asked { peer, .. } => Self::Asked(peer.clone()),
        })
    }
}

/// Who sent the latest blocks first. A restart forgets it.
#[derive(Debug, Default)]
pub(super) struct Sources(Mutex<Remembered>);

#[derive(Debug, Default)]
struct Remembered {
    by_hash: HashMap<Hash, Arc<BlockSource>>,
    /// The oldest first.
    order: VecDeque<Hash>,
}

impl Sources {
    fn lock(&self) -> MutexGuard<'_, Remembered> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes who sent these blocks; a block that came before keeps its first sender. The thread that
    /// takes blocks calls this before it takes them, so that the order is that in which they came.
    pub(super) fn note(&self, hashes: impl IntoIterator<Item = Hash>, source: BlockSource) {
        let source = Arc::new(source);
        let mut remembered = self.lock();
        let Remembered { by_hash, order } = &mut *remembered;
        for hash in hashes {
            by_hash.entry(hash).or_insert_with(|| {
                order.push_back(hash);
                source.clone()
            });
            if order.len() > MAX_REMEMBERED
                && let Some(oldest) = order.pop_front()
            {
                by_hash.remove(&oldest);
            }
        }
    }

    fn get(&self, hash: &Hash) -> Option<BlockSource> {
        self.lock().by_hash.get(hash).map(|source| BlockSource::clone(source))
    }
}

/// A side branch, and who it comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideBranch {
    /// Where it forks, and what it has.
    pub branch: Branch,
    /// Who sent its first block; none if the node does not remember it.
    pub from: Option<BlockSource>,
    /// The recipient of the coin in its last block, if there is one and the name has at most 1,000
    /// bytes.
    pub miner: Option<String>,
}

/// The side branches beside the best chain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideBranches {
    /// Those with the most work, the best first: at most [`MAX_BRANCHES`], and fewer where they have
    /// more than 100,000 blocks together.
    pub listed: Vec<SideBranch>,
    /// How many there are.
    pub count: usize,
    /// The end of the best chain.
    pub tip: BlockId,
    /// The work of the best chain.
    pub work: U256,
}

impl Handle {
    /// The side branches that the node keeps.
    ///
    /// # Errors
    /// Fails if the node has stopped, or if the store can't be read.
    pub async fn side_branches(&self) -> Result<SideBranches, QueryError> {
        let ask = |machine: &Machine| {
            let tip = machine.tip();
            let place = BlockId::of(&tip.block);
            (machine.branches(MAX_BRANCHES, MAX_FOLLOWED), place, tip.work)
        };
        let (((count, branches), tip, work), snapshot) = self.at_one_moment(ask).await?;
        let from: Vec<_> =
            branches.iter().map(|branch| self.sources().get(&branch.first.hash)).collect();
        let mint = self.chain().rules.mint().into_owned();
        let read = move || {
            let mut room = MAX_READ_BYTES;
            let listed = branches.into_iter().zip(from).map(|(branch, from)| {
                let miner = miner(&snapshot, &branch.tip.hash, &mint, &mut room)?;
                Ok(SideBranch { branch, from, miner })
            });
            listed.collect::<Result<Vec<_>, StoreError>>()
        };
        Ok(SideBranches { listed: self.read(read).await?, count, tip, work })
    }
}

/// The recipient of the coin in a block of a side branch, while there is room to read it.
fn miner(
    snapshot: &Snapshot,
    hash: &Hash,
    mint: &str,
    room: &mut usize,
) -> Result<Option<String>, StoreError> {
    if *room == 0 {
        return Ok(None);
    }
    let shape = snapshot.shape();
    let found = snapshot.with_side_text(hash, |text| {
        *room = room.saturating_sub(text.len());
        let view = BlockView::read(shape, text)
            .map_err(|error| StoreError::Damaged(format!("block {hash}: {error}")))?;
        Ok(view.transactions().last().and_then(|coin| recipient(coin, mint)))
    })?;
    Ok(found.flatten().filter(|miner| miner.len() <= MAX_MINER_BYTES))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_sender_stays_and_the_oldest_blocks_are_forgotten() {
        let sources = Sources::default();
        let hash = |number: usize| Hash::of(number.to_string());
        let asked = || BlockSource::Asked("h:1".parse().expect("an address"));
        sources.note([hash(0), hash(1)], asked());
        sources.note([hash(1), hash(2)], BlockSource::Here);
        assert_eq!(sources.get(&hash(1)), Some(asked()));
        assert_eq!(sources.get(&hash(2)), Some(BlockSource::Here));
        sources.note((3..MAX_REMEMBERED + 1).map(hash), BlockSource::Here);
        assert_eq!((sources.get(&hash(0)), sources.get(&hash(1))), (None, Some(asked())));
        sources.note((0..3 * MAX_REMEMBERED).map(hash), BlockSource::Here);
        let remembered = sources.lock();
        assert_eq!((remembered.order.len(), remembered.by_hash.len()), (10_000, 10_000));
    }
}
