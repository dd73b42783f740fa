//! Undoes blocks of a dev chain: a heavier branch takes their place.

use std::num::NonZeroUsize;

use blocksmith_consensus::address::Address;
use blocksmith_consensus::payment::{Coinbase, Domain};
use blocksmith_consensus::{
    Ancestry as _, Block, ChainBlock, Family, Malformed, Rules, Sealed, Unproven, merkle,
};
use blocksmith_miner::search::Outcome;
use blocksmith_node::Verdict;
use blocksmith_wallet::dev;

use crate::searching::Workers;
use crate::service::{Handle, Stopped, StoreError, now};

/// How many blocks a branch may get in reply to blocks that come while it is made.
const MAX_MORE: usize = 16;

/// The reason why no blocks left.
#[derive(Debug, thiserror::Error)]
pub enum NotUndone {
    /// The chain has no blocks with signed payments.
    #[error("this works only where payments are signed")]
    Unsigned,
    /// The chain is shorter.
    #[error("the chain has only {blocks} blocks after its first one, and {depth} can't leave it")]
    TooDeep {
        /// How many blocks were to leave.
        depth: u64,
        /// How many there are.
        blocks: u64,
    },
    /// The chain grew faster than the branch.
    #[error(
        "the chain grew faster than the branch that was to replace it; try again, or stop its miners"
    )]
    Outrun,
    /// A block can't be made.
    #[error(transparent)]
    Malformed(#[from] Malformed),
    /// The node has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The chain can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// What took the place of blocks.
#[derive(Debug)]
pub struct Undone {
    /// The last block that both branches have.
    pub fork: Block,
    /// How many blocks left.
    pub left: u64,
    /// The blocks that joined.
    pub joined: Vec<Block>,
}

/// Has the best chain's last `depth` blocks leave it, and their payments wait again. The blocks of
/// the new branch are empty and have the times of those that leave, so that they are as hard to find;
/// one more block makes the branch the heavier one.
///
/// # Errors
/// Fails if the chain is too short, or grows faster than the branch.
pub async fn undo(handle: &Handle, depth: u64, threads: NonZeroUsize) -> Result<Undone, NotUndone> {
    let rules = &handle.chain().rules;
    let (Family::Sealed(sealed), Some(domain)) = (&rules.family, handle.domain()) else {
        return Err(NotUndone::Unsigned);
    };
    let snapshot = handle.snapshot()?;
    let tip = snapshot.tip()?.block.index();
    let blocks = tip.saturating_sub(rules.genesis_index());
    let too_deep = NotUndone::TooDeep { depth, blocks };
    let Some(fork_at) = tip.checked_sub(depth).filter(|_| depth <= blocks) else {
        return Err(too_deep);
    };
    let Some(fork) = snapshot.at(fork_at)? else { return Err(too_deep) };
    let mut branch = Branch { rules, sealed, domain, tip: fork.clone(), blocks: Vec::new() };
    let workers = Workers::new(threads).last_of_all();
    for index in fork_at + 1..=tip {
        let Some(old) = snapshot.at(index)? else { break };
        let time_s = old.block.view().timestamp_s();
        branch.grow(time_s, other_recipient(&old.block, domain), &workers).await?;
    }
    drop(snapshot);
    let mut given = 0;
    for _ in 0..MAX_MORE {
        let before = handle.standing().tip.clone();
        while branch.tip.work <= before.work {
            let recipient = other_recipient(&before.block, domain);
            branch.grow(now().micros / 1_000_000, recipient, &workers).await?;
        }
        let mut verdict = Verdict::Known;
        for block in &branch.blocks[given..] {
            verdict = handle.submit_block(block.clone(), None).await?;
        }
        given = branch.blocks.len();
        if verdict == Verdict::NewTip {
            let left = before.block.index() - fork_at;
            return Ok(Undone { fork: fork.block, left, joined: branch.blocks });
        }
    }
    Err(NotUndone::Outrun)
}

/// A dev account that did not get the coin of this block: a block in its place must differ from it.
fn other_recipient(block: &Block, domain: &Domain) -> Address {
    let coin = block.view().transactions().last();
    let coin = coin.and_then(|coin| Coinbase::of_canonical(coin, domain.hrp).ok());
    let got = coin.map(|coin| coin.recipient);
    dev::addresses().find(|address| Some(*address) != got).expect("there are ten")
}

struct Branch<'a> {
    rules: &'a Rules,
    sealed: &'a Sealed,
    domain: &'a Domain,
    tip: ChainBlock,
    blocks: Vec<Block>,
}

impl Branch<'_> {
    /// Puts an empty block on the branch, with this time or that of the block before it.
    async fn grow(
        &mut self,
        time_s: u64,
        recipient: Address,
        workers: &Workers,
    ) -> Result<(), NotUndone> {
        let parent = &self.tip;
        let index = parent.block.index() + 1;
        let coin =
            Coinbase { recipient, amount: self.sealed.emission.subsidy(index), nonce: index };
        let coin = coin.text(self.domain.hrp);
        let time_s = time_s.max(parent.block.view().timestamp_s());
        let target = self.rules.target_after(&parent.difficulty_state);
        let root = merkle::root([&*coin]);
        let draft = Unproven::new(index, &parent.block.hash(), time_s, target, &root, [&*coin])?;
        let mut search = workers.search(draft.header().job(), 0);
        let Outcome::Found { proof, .. } = search.outcome().await else {
            return Err(NotUndone::Outrun);
        };
        let block = draft.with_proof(proof)?;
        self.blocks.push(block.clone());
        self.tip = parent.followed_by(self.rules, block);
        Ok(())
    }
}
