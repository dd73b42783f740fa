//! The tree of all known blocks: the best chain, and the side branches, which can win later.
//!
//! The chain with the most work is the best; of two with the same work, the one that was seen
//! first. Memory holds the tip, and of each block on a side branch what that choice needs
//! ([`SideBlock`]), within [`Limits`]. The holder of the chain, a [`BestChain`], keeps the blocks
//! themselves, so that a reorg of any depth has a few of them in memory at a time.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;
use alloc::vec::Vec;

use ethnum::U256;

use crate::address::Address;
use crate::block::Block;
pub use crate::chain_block::ChainBlock;
use crate::check::{self, Checked, Invalid, SpendError, Valid, check_on};
use crate::hash::Hash;
use crate::ledger::{Accounts, Changes, Contents};
use crate::rules::Rules;

/// Read access to the best chain, which a store holds, or a vector in a test.
pub trait Ancestry {
    /// The error of reading the chain.
    type Error;

    /// The index of a block of the best chain; `None` if the block is not on it.
    ///
    /// # Errors
    /// Fails if the holder of the chain can't do it.
    fn index_of(&self, hash: &Hash) -> Result<Option<u64>, Self::Error>;

    /// The block of the best chain at `index`; `None` beyond the tip or before genesis.
    ///
    /// # Errors
    /// Fails if the holder of the chain can't do it.
    fn at(&self, index: u64) -> Result<Option<ChainBlock>, Self::Error>;
}

/// Read and write access to the best chain, within one transaction of a store: the blocks, the
/// accounts as their transactions leave them, and the blocks of side branches.
pub trait BestChain: Ancestry + Accounts<Error = <Self as Ancestry>::Error> {
    /// Puts a block on the tip, with its changes of the accounts, which were computed just before,
    /// and its contents, which a genesis block does not have. The holder keeps what
    /// [`BestChain::disconnect`] needs. If the block was on a side branch, it leaves that.
    ///
    /// # Errors
    /// Fails if the holder of the chain can't do it.
    fn connect(
        &mut self,
        linked: &ChainBlock,
        changes: &Changes,
        contents: Option<&Contents>,
    ) -> Result<(), <Self as Ancestry>::Error>;

    /// Takes the tip off the chain, and undoes its changes of the accounts. It may be the genesis
    /// block. From now on the block is on a side branch.
    ///
    /// # Errors
    /// Fails if the holder of the chain can't do it.
    fn disconnect(&mut self, tip: &ChainBlock) -> Result<(), <Self as Ancestry>::Error>;

    /// Keeps a new block of a side branch.
    ///
    /// # Errors
    /// Fails if the holder of the chain can't do it.
    fn keep_side(&mut self, linked: &ChainBlock) -> Result<(), <Self as Ancestry>::Error>;

    /// A block of a side branch; `None` if it is on none.
    ///
    /// # Errors
    /// Fails if the holder of the chain can't do it.
    fn side(&self, hash: &Hash) -> Result<Option<ChainBlock>, <Self as Ancestry>::Error>;

    /// Forgets a block of a side branch.
    ///
    /// # Errors
    /// Fails if the holder of the chain can't do it.
    fn forget_side(&mut self, hash: &Hash) -> Result<(), <Self as Ancestry>::Error>;
}

/// A block's id and index.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BlockId {
    /// The index of the block.
    pub index: u64,
    /// The id of the block.
    pub hash: Hash,
}

impl BlockId {
    /// The id and the index of a block.
    pub fn of(block: &Block) -> Self {
        Self { index: block.index(), hash: block.hash() }
    }
}

/// A change of the best chain: the blocks that leave it, the tip first, then those that join it,
/// the lowest first. The change is already made: [`ChangeSet::left`] and [`ChangeSet::joined`] read
/// the blocks one by one from their new places.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangeSet {
    /// The last block that both chains have; none if they begin with different first blocks.
    pub fork: Option<BlockId>,
    /// The blocks that are no longer on the best chain, the former tip first.
    pub disconnected: Vec<BlockId>,
    /// The blocks that are on it now, the lowest first.
    pub connected: Vec<BlockId>,
    /// The addresses whose accounts changed, in order, if one block joined and none left; `None` if
    /// any account may have changed.
    pub touched: Option<Vec<Address>>,
    /// The ids of the payments in the block that joined, in its order, if one joined and none left;
    /// `None` if they have to be read from the blocks.
    pub payments: Option<Vec<Hash>>,
    /// The work of the chain before the change.
    pub former_work: U256,
}

impl ChangeSet {
    /// Reads the blocks that left, the former tip first, from the side branches. Blocks that found
    /// no room there are left out: of a reorg beyond all [`Limits`], the highest.
    pub fn left<'a, C: BestChain>(
        &'a self,
        chain: &'a C,
    ) -> impl DoubleEndedIterator<Item = Result<ChainBlock, ErrorOf<C>>> + 'a {
        self.disconnected.iter().filter_map(|place| chain.side(&place.hash).transpose())
    }

    /// Reads the blocks that joined, the lowest first, the last of which is `tip`.
    pub fn joined<'a, C: BestChain>(
        &'a self,
        tip: &'a ChainBlock,
        chain: &'a C,
    ) -> impl DoubleEndedIterator<Item = Result<ChainBlock, ErrorOf<C>>> + 'a {
        self.connected.iter().filter_map(|place| match place.hash == tip.block.hash() {
            true => Some(Ok(tip.clone())),
            false => chain.at(place.index).transpose(),
        })
    }
}

/// The error of reading or changing a best chain.
type ErrorOf<C> = <C as Ancestry>::Error;

/// What became of a block that breaks no rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    /// The best chain now ends in it.
    NewTip(ChangeSet),
    /// It stands on a branch that has no more work than the best chain.
    SideBranch,
    /// The tree has it already.
    Known,
    /// There is no room for it beside the best chain: [`Limits`] are reached.
    NoRoom,
}

/// The reason why a block did not get into the tree.
#[derive(Debug)]
pub enum NotInserted<E> {
    /// It breaks a rule.
    Invalid(Invalid),
    /// Its parent is not known: perhaps it comes later.
    Orphan(Box<Checked>),
    /// The best chain could not be read.
    Ancestry(E),
}

/// About how many bytes a block takes on the disk beside its text, for its entries in tables. In
/// memory it takes about as much, without the text.
const BLOCK_OVERHEAD_BYTES: usize = 500;

/// The bounds of the side branches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most blocks, each of which takes some hundred bytes of memory.
    pub blocks: usize,
    /// The most bytes that they take together on the disk of the chain's holder.
    pub bytes: u64,
}

impl Default for Limits {
    /// A million blocks, 12 GiB: a branch of 10,000 blocks of 1 MB, and some more.
    fn default() -> Self {
        Self { blocks: 1_000_000, bytes: 12 << 30 }
    }
}

/// What memory holds of a block on a side branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SideBlock {
    /// The id of the block.
    pub hash: Hash,
    /// The block that it stands on; `None` for a genesis block.
    pub parent: Option<Hash>,
    /// The index of the block.
    pub index: u64,
    /// The work of the whole chain that ends in it.
    pub work: U256,
    /// The length of its text.
    pub bytes: usize,
}

impl SideBlock {
    /// Takes from a block what memory holds; `genesis` is the first index of its chain.
    pub fn of(ChainBlock { block, work, .. }: &ChainBlock, genesis: u64) -> Self {
        Self {
            hash: block.hash(),
            parent: block.parent().filter(|_| block.index() != genesis),
            index: block.index(),
            work: *work,
            bytes: block.text().len(),
        }
    }
}

/// A side branch: a block that no other one stands on, with those below it that the best chain lacks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Branch {
    /// The last block that it shares with the best chain; none if it has a first block of its own.
    pub fork: Option<BlockId>,
    /// Its lowest block that the best chain lacks.
    pub first: BlockId,
    /// Its highest block.
    pub tip: BlockId,
    /// The work of the whole chain that ends in `tip`: never more than the best chain has. With as
    /// much, it came later.
    pub work: U256,
}

impl Branch {
    /// How many blocks it has that the best chain lacks.
    pub fn length(&self) -> u64 {
        self.tip.index - self.first.index + 1
    }
}

#[derive(Debug)]
struct Side {
    block: SideBlock,
    arrival: u64,
}

/// A leaf's key in the order of eviction: the least work goes first, of equals the one that came
/// first.
type LeafKey = (U256, u64, Hash);

/// All known blocks of one chain.
#[derive(Debug)]
pub struct Tree {
    rules: Arc<Rules>,
    limits: Limits,
    tip: ChainBlock,
    side: BTreeMap<Hash, Side>,
    /// How many blocks of `side` stand on each block, be that on the best chain or in `side`.
    children: BTreeMap<Hash, usize>,
    /// The blocks of `side` that no other block stands on.
    leaves: BTreeSet<LeafKey>,
    side_bytes: u64,
    arrivals: u64,
    failed: Failed,
}

/// The latest [`MAX_FAILED`] blocks that broke a rule when they were to join the best chain.
/// Finding out takes a whole reorg and the way back, and a peer that has such a block could make
/// the node do that again and again. A block's id commits to its contents and to all blocks before
/// it, so the verdict is final.
#[derive(Debug, Default)]
struct Failed {
    why: BTreeMap<Hash, Invalid>,
    /// The oldest first.
    ids: VecDeque<Hash>,
}

/// How many failed blocks the tree remembers. Each took a block's work to make.
const MAX_FAILED: usize = 1_000;

impl Failed {
    fn insert(&mut self, hash: Hash, why: Invalid) {
        if self.why.insert(hash, why).is_none() {
            self.ids.push_back(hash);
        }
        if self.ids.len() > MAX_FAILED
            && let Some(oldest) = self.ids.pop_front()
        {
            self.why.remove(&oldest);
        }
    }

    fn get(&self, hash: &Hash) -> Option<&Invalid> {
        self.why.get(hash)
    }
}

impl Tree {
    /// Creates a tree whose best chain ends in `tip`, with the blocks of side branches that the
    /// holder of the chain has kept, in the order in which they came. Each stands on a block of the
    /// best chain or on another of them.
    pub fn new(
        rules: Arc<Rules>,
        tip: ChainBlock,
        side: impl IntoIterator<Item = SideBlock>,
        limits: Limits,
    ) -> Self {
        let mut tree = Self {
            rules,
            limits,
            tip,
            side: BTreeMap::new(),
            children: BTreeMap::new(),
            leaves: BTreeSet::new(),
            side_bytes: 0,
            arrivals: 0,
            failed: Failed::default(),
        };
        for block in side {
            tree.keep(block);
        }
        tree
    }

    /// The rules of the chain.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// The end of the best chain.
    pub fn tip(&self) -> &ChainBlock {
        &self.tip
    }

    /// How many blocks are on side branches.
    pub fn side_blocks(&self) -> usize {
        self.side.len()
    }

    /// How many side branches there are; several may share blocks.
    pub fn side_branches(&self) -> usize {
        self.leaves.len()
    }

    /// The side branches with the most work, the best first, at most `most` of them. The list ends
    /// when `most_blocks` blocks were followed down to their forks.
    pub fn branches(&self, most: usize, most_blocks: usize) -> Vec<Branch> {
        let mut branches = Vec::new();
        // The lowest block of the branch that each block is on: no block is followed twice.
        let mut lowest: BTreeMap<Hash, &SideBlock> = BTreeMap::new();
        for (_, _, leaf) in self.leaves.iter().rev().take(most) {
            let Some(Side { block: tip, .. }) = self.side.get(leaf) else { continue };
            let (mut first, mut path) = (tip, Vec::new());
            loop {
                if let Some(known) = lowest.get(&first.hash) {
                    first = *known;
                    break;
                }
                if lowest.len() + path.len() == most_blocks {
                    return branches;
                }
                path.push(first.hash);
                match first.parent.and_then(|parent| self.side.get(&parent)) {
                    Some(Side { block, .. }) => first = block,
                    None => break,
                }
            }
            lowest.extend(path.into_iter().map(|hash| (hash, first)));
            let place = |block: &SideBlock| BlockId { index: block.index, hash: block.hash };
            let below = first.index.saturating_sub(1);
            let fork = first.parent.map(|hash| BlockId { index: below, hash });
            branches.push(Branch { fork, first: place(first), tip: place(tip), work: tip.work });
        }
        branches
    }

    /// About how many bytes the side branches take at the holder of the chain.
    pub fn side_bytes(&self) -> u64 {
        self.side_bytes
    }

    /// Whether the block is on the best chain or on a side branch.
    ///
    /// # Errors
    /// Fails if `chain` can't be read.
    pub fn contains<A: Ancestry>(&self, hash: &Hash, chain: &A) -> Result<bool, A::Error> {
        Ok(*hash == self.tip.block.hash()
            || self.side.contains_key(hash)
            || chain.index_of(hash)?.is_some())
    }

    /// Checks whether a block may stand on its parent, without inserting it; `None` if the parent
    /// is not known.
    ///
    /// # Errors
    /// Fails if `chain` can't be read.
    pub fn check<C: BestChain>(
        &self,
        block: &Block,
        chain: &C,
    ) -> Result<Option<Result<(), Invalid>>, ErrorOf<C>> {
        let parent = match block.parent() {
            Some(parent) => self.linked(&parent, chain)?,
            None => None,
        };
        Ok(parent.map(|ChainBlock { block: parent, difficulty_state, .. }| {
            check::link(&self.rules, parent.view(), &parent.hash(), &difficulty_state, block.view())
        }))
    }

    /// Inserts a block. `chain` holds the best chain up to and including [`Tree::tip`], and changes
    /// with it.
    ///
    /// The tree checks what transactions do to accounts when their block joins the best chain,
    /// since only then the accounts are those of its parent. If the block breaks a rule there, the
    /// best chain stays as it was; the tree forgets that block and those on top of it, and
    /// remembers that it failed.
    ///
    /// # Errors
    /// Returns [`NotInserted::Invalid`] if the block, or one before it on its branch, breaks a
    /// rule, [`NotInserted::Orphan`] if its parent is not known, and [`NotInserted::Ancestry`] if
    /// `chain` can't be read or written: tree and chain may disagree then.
    pub fn insert<C: BestChain>(
        &mut self,
        checked: Checked,
        chain: &mut C,
    ) -> Result<Inserted, NotInserted<ErrorOf<C>>> {
        let hash = checked.block().hash();
        if let Some(why) = self.failed.get(&hash) {
            return Err(NotInserted::Invalid(why.clone()));
        }
        if checked.block().parent() != Some(self.tip.block.hash())
            && self.contains(&hash, chain).map_err(NotInserted::Ancestry)?
        {
            return Ok(Inserted::Known);
        }
        if checked.block().index() == self.rules.genesis_index() {
            return self.insert_genesis(checked, chain);
        }
        let parent = match checked.block().parent() {
            Some(parent) => self.linked(&parent, chain).map_err(NotInserted::Ancestry)?,
            None => None,
        };
        let Some(parent) = parent else { return Err(NotInserted::Orphan(checked.into())) };
        let valid = check_on(&self.rules, checked, Some(&parent)).map_err(NotInserted::Invalid)?;
        let linked = parent.followed_by(&self.rules, valid.block().clone());
        self.place(linked, &valid, Some(parent.block.hash()), chain)
    }

    fn insert_genesis<C: BestChain>(
        &mut self,
        checked: Checked,
        chain: &mut C,
    ) -> Result<Inserted, NotInserted<ErrorOf<C>>> {
        let valid = check_on(&self.rules, checked, None).map_err(NotInserted::Invalid)?;
        let linked = ChainBlock::genesis(&self.rules, valid.block().clone());
        self.place(linked, &valid, None, chain)
    }

    fn linked<C: BestChain>(
        &self,
        hash: &Hash,
        chain: &C,
    ) -> Result<Option<ChainBlock>, ErrorOf<C>> {
        if *hash == self.tip.block.hash() {
            return Ok(Some(self.tip.clone()));
        }
        if self.side.contains_key(hash) {
            return read_side(hash, chain).map(Some);
        }
        match chain.index_of(hash)? {
            Some(index) => chain.at(index),
            None => Ok(None),
        }
    }

    fn place<C: BestChain>(
        &mut self,
        new: ChainBlock,
        valid: &Valid,
        parent: Option<Hash>,
        chain: &mut C,
    ) -> Result<Inserted, NotInserted<ErrorOf<C>>> {
        if parent == Some(self.tip.block.hash()) {
            let changes = self.connect(&new, valid, chain).inspect_err(|error| {
                if let NotInserted::Invalid(why) = error {
                    self.failed.insert(new.block.hash(), why.clone());
                }
            })?;
            let connected = [BlockId::of(&new.block)].into();
            let touched = changes.accounts.iter().map(|change| change.address).collect();
            let ids =
                |contents: &Contents| contents.payments.iter().map(|paid| paid.id()).collect();
            let payments = valid.contents().map(ids);
            let former = core::mem::replace(&mut self.tip, new);
            return Ok(Inserted::NewTip(ChangeSet {
                fork: Some(BlockId::of(&former.block)),
                disconnected: Vec::new(),
                connected,
                touched: Some(touched),
                payments,
                former_work: former.work,
            }));
        }
        if new.work > self.tip.work {
            return self.reorganize(new, valid, parent, chain);
        }
        let block = SideBlock::of(&new, self.rules.genesis_index());
        if self.limits.blocks == 0 || disk_bytes(&block) > self.limits.bytes {
            return Ok(Inserted::NoRoom);
        }
        let hash = block.hash;
        chain.keep_side(&new).map_err(NotInserted::Ancestry)?;
        self.keep(block);
        self.evict(hash, chain).map_err(NotInserted::Ancestry)?;
        Ok(if self.side.contains_key(&hash) { Inserted::SideBranch } else { Inserted::NoRoom })
    }

    /// Puts a block on the chain, and returns its changes of the accounts.
    fn connect<C: BestChain>(
        &self,
        linked: &ChainBlock,
        valid: &Valid,
        chain: &mut C,
    ) -> Result<Changes, NotInserted<ErrorOf<C>>> {
        let changes = valid.spend(&self.rules, chain).map_err(|unspent| match unspent {
            SpendError::Invalid(invalid) => NotInserted::Invalid(invalid),
            SpendError::Accounts(error) => NotInserted::Ancestry(error),
        })?;
        chain.connect(linked, &changes, valid.contents()).map_err(NotInserted::Ancestry)?;
        Ok(changes)
    }

    /// Connects a block of a side branch, which was checked when it came.
    fn connect_side<C: BestChain>(
        &self,
        hash: &Hash,
        chain: &mut C,
    ) -> Result<(), NotInserted<ErrorOf<C>>> {
        let linked = read_side(hash, chain).map_err(NotInserted::Ancestry)?;
        let valid =
            Valid::again(&self.rules, linked.block.clone()).map_err(NotInserted::Invalid)?;
        self.connect(&linked, &valid, chain).map(drop)
    }

    /// Takes the blocks from `lowest` on off the chain, the tip first.
    fn disconnect_from<C: BestChain>(
        &self,
        lowest: u64,
        chain: &mut C,
    ) -> Result<Vec<SideBlock>, ErrorOf<C>> {
        let mut disconnected = Vec::new();
        for index in (lowest..=self.tip.block.index()).rev() {
            let Some(linked) = chain.at(index)? else { continue };
            chain.disconnect(&linked)?;
            disconnected.push(SideBlock::of(&linked, self.rules.genesis_index()));
        }
        Ok(disconnected)
    }

    /// Makes `new` the tip. One block at a time is in memory beside it.
    fn reorganize<C: BestChain>(
        &mut self,
        new: ChainBlock,
        valid: &Valid,
        parent: Option<Hash>,
        chain: &mut C,
    ) -> Result<Inserted, NotInserted<ErrorOf<C>>> {
        let mut branch = Vec::new();
        let mut lowest = new.block.index();
        let mut below = parent;
        while let Some(Side { block, .. }) = below.and_then(|hash| self.side.get(&hash)) {
            branch.push(BlockId { index: block.index, hash: block.hash });
            lowest = block.index;
            below = block.parent;
        }
        branch.reverse();
        let fork = below.map(|hash| BlockId { index: lowest.saturating_sub(1), hash });
        let disconnected = self.disconnect_from(lowest, chain).map_err(NotInserted::Ancestry)?;
        for (place, BlockId { hash, .. }) in branch.iter().enumerate() {
            match self.connect_side(hash, chain) {
                Ok(()) => {}
                Err(NotInserted::Invalid(invalid)) => {
                    self.failed.insert(*hash, invalid.clone());
                    self.go_back(place, &disconnected, chain)?;
                    self.forget(*hash, chain).map_err(NotInserted::Ancestry)?;
                    return Err(NotInserted::Invalid(invalid));
                }
                Err(error) => return Err(error),
            }
        }
        match self.connect(&new, valid, chain) {
            Ok(_) => {}
            Err(NotInserted::Invalid(invalid)) => {
                self.failed.insert(new.block.hash(), invalid.clone());
                self.go_back(branch.len(), &disconnected, chain)?;
                return Err(NotInserted::Invalid(invalid));
            }
            Err(error) => return Err(error),
        }

        for place in &branch {
            self.remove(&place.hash);
        }
        let mut connected = branch;
        connected.push(BlockId::of(&new.block));
        let place = |block: &SideBlock| BlockId { index: block.index, hash: block.hash };
        let change = ChangeSet {
            fork,
            disconnected: disconnected.iter().map(place).collect(),
            connected,
            touched: None,
            payments: None,
            former_work: self.tip.work,
        };
        for block in disconnected.into_iter().rev() {
            self.keep(block);
        }
        let former = core::mem::replace(&mut self.tip, new);
        self.evict(former.block.hash(), chain).map_err(NotInserted::Ancestry)?;
        Ok(Inserted::NewTip(change))
    }

    /// Takes `connected` blocks of a branch off again, and puts back the blocks in `disconnected`,
    /// which has the former tip first.
    fn go_back<C: BestChain>(
        &self,
        connected: usize,
        disconnected: &[SideBlock],
        chain: &mut C,
    ) -> Result<(), NotInserted<ErrorOf<C>>> {
        let lowest = disconnected.last().map_or(0, |block| block.index);
        for index in (lowest..lowest + connected as u64).rev() {
            let Some(linked) = chain.at(index).map_err(NotInserted::Ancestry)? else { continue };
            chain.disconnect(&linked).map_err(NotInserted::Ancestry)?;
        }
        for block in disconnected.iter().rev() {
            self.connect_side(&block.hash, chain)?;
        }
        Ok(())
    }

    /// Forgets a side branch from a block on, with everything that stands on it.
    fn forget<C: BestChain>(&mut self, from: Hash, chain: &mut C) -> Result<(), ErrorOf<C>> {
        let mut lost = BTreeSet::from([from]);
        let mut above: Vec<_> = self
            .side
            .values()
            .map(|Side { block, .. }| (block.index, block.parent, block.hash))
            .collect();
        above.sort_unstable();
        for (_, parent, hash) in above {
            if parent.is_some_and(|parent| lost.contains(&parent)) {
                lost.insert(hash);
            }
        }
        for hash in lost {
            self.remove(&hash);
            chain.forget_side(&hash)?;
        }
        Ok(())
    }

    fn leaf_key(side: &Side) -> LeafKey {
        (side.block.work, side.arrival, side.block.hash)
    }

    fn keep(&mut self, block: SideBlock) {
        let hash = block.hash;
        if let Some(parent) = block.parent {
            *self.children.entry(parent).or_default() += 1;
            if let Some(side) = self.side.get(&parent) {
                self.leaves.remove(&Self::leaf_key(side));
            }
        }
        self.side_bytes += disk_bytes(&block);
        self.arrivals += 1;
        let side = Side { block, arrival: self.arrivals };
        if !self.children.contains_key(&hash) {
            self.leaves.insert(Self::leaf_key(&side));
        }
        self.side.insert(hash, side);
    }

    fn remove(&mut self, hash: &Hash) {
        let Some(side) = self.side.remove(hash) else { return };
        self.side_bytes -= disk_bytes(&side.block);
        self.leaves.remove(&Self::leaf_key(&side));
        if let Some(parent) = side.block.parent
            && let Some(count) = self.children.get_mut(&parent)
        {
            *count -= 1;
            if *count == 0 {
                self.children.remove(&parent);
                if let Some(side) = self.side.get(&parent) {
                    self.leaves.insert(Self::leaf_key(side));
                }
            }
        }
    }

    /// Makes room. `newest` is evicted last: a branch that comes block by block must get in even if
    /// the room is full, or a flood of worthless branches would keep a better chain out.
    fn evict<C: BestChain>(&mut self, newest: Hash, chain: &mut C) -> Result<(), ErrorOf<C>> {
        while self.side.len() > self.limits.blocks || self.side_bytes > self.limits.bytes {
            let others = self.leaves.iter().find(|(_, _, hash)| *hash != newest);
            let Some((_, _, hash)) = others.or(self.leaves.first()).copied() else { break };
            self.remove(&hash);
            chain.forget_side(&hash)?;
        }
        Ok(())
    }
}

fn read_side<C: BestChain>(hash: &Hash, chain: &C) -> Result<ChainBlock, ErrorOf<C>> {
    Ok(chain.side(hash)?.expect("whoever holds the chain keeps the blocks of side branches"))
}

fn disk_bytes(block: &SideBlock) -> u64 {
    (block.bytes + BLOCK_OVERHEAD_BYTES) as u64
}
