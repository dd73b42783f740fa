//! All known blocks: the best chain, which the store holds, and the side branches, which stay in
//! memory and can win later.
//!
//! The chain with the most work is the best; of two with the same work, the one that was seen
//! first. Memory holds the tip and the side branches, within [`Limits`]; everything below the tip
//! is asked of an [`Ancestry`].

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use ethnum::U256;

use crate::block::Block;
use crate::check::{Checked, Invalid, Unspent, Valid, check_on};
use crate::difficulty::Pace;
use crate::hash::Hash;
use crate::ledger::{Accounts, Changes};
use crate::rules::Rules;

/// A block in its place: with the work of the whole chain that ends in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// The block.
    pub block: Block,
    /// The sum of the work of all blocks from the one after genesis to this one.
    pub work: U256,
    /// What the next target follows from.
    pub pace: Pace,
}

impl Linked {
    /// A genesis block of these rules.
    pub fn genesis(rules: &Rules, block: Block) -> Self {
        Self { work: U256::ZERO, pace: rules.first_pace(block.view()), block }
    }

    /// A block that stands on this one, by the rules that made this one's place.
    pub fn followed_by(&self, rules: &Rules, block: Block) -> Self {
        let pace = rules.pace_after(&self.pace, block.view());
        Self { work: self.work.saturating_add(pace.target().work()), pace, block }
    }
}

/// The best chain as somebody else holds it: a store, or a vector in a test.
pub trait Ancestry {
    /// What can go wrong when asking.
    type Error;

    /// The index of a block of the best chain; `None` if the block is not on it.
    ///
    /// # Errors
    /// Those of whoever holds the chain.
    fn index_of(&self, hash: &Hash) -> Result<Option<u64>, Self::Error>;

    /// The block of the best chain at `index`; `None` beyond the tip or before genesis.
    ///
    /// # Errors
    /// Those of whoever holds the chain.
    fn at(&self, index: u64) -> Result<Option<Linked>, Self::Error>;
}

/// The best chain as its holder lets it be read and changed, within one transaction of a store:
/// the blocks, and what their transactions have done to accounts.
pub trait BestChain: Ancestry + Accounts<Error = <Self as Ancestry>::Error> {
    /// Puts a block on the tip, with what it does to the accounts, which were looked at just before.
    /// What [`BestChain::disconnect`] needs is kept beside it.
    ///
    /// # Errors
    /// Those of whoever holds the chain.
    fn connect(
        &mut self,
        linked: &Linked,
        changes: &Changes,
    ) -> Result<(), <Self as Ancestry>::Error>;

    /// Takes the tip off, and undoes what it did. The genesis block can be one.
    ///
    /// # Errors
    /// Those of whoever holds the chain.
    fn disconnect(&mut self, tip: &Linked) -> Result<(), <Self as Ancestry>::Error>;
}

/// A change of the best chain: what leaves it, the tip first, then what joins it, the lowest first.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ChangeSet {
    /// The blocks that are no longer on the best chain, the former tip first.
    pub disconnected: Vec<Linked>,
    /// The blocks that are on it now, the lowest first.
    pub connected: Vec<Linked>,
}

/// What can go wrong when a best chain is read or changed.
type ErrorOf<C> = <C as Ancestry>::Error;

/// What became of a block that breaks no rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Inserted {
    /// The best chain now ends in it.
    NewTip(ChangeSet),
    /// It stands on a branch that has no more work than the best chain.
    SideBranch,
    /// It was there already.
    Known,
    /// There is no room for it beside the best chain: [`Limits`] are reached.
    NoRoom,
}

/// Why a block did not get into the tree.
#[derive(Debug)]
pub enum NotInserted<E> {
    /// It breaks a rule.
    Invalid(Invalid),
    /// Its parent is not known: perhaps it comes later.
    Orphan(Box<Checked>),
    /// The best chain could not be read.
    Ancestry(E),
}

/// What a block in memory takes beside its text, in bytes: its places in the maps, as measured.
const BLOCK_OVERHEAD_BYTES: usize = 500;

/// Bounds of the side branches in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The most blocks.
    pub blocks: usize,
    /// The most bytes that they take together.
    pub bytes: usize,
}

impl Default for Limits {
    /// A million blocks, 512 MiB.
    fn default() -> Self {
        Self { blocks: 1_000_000, bytes: 512 << 20 }
    }
}

#[derive(Debug)]
struct Side {
    linked: Linked,
    parent: Option<Hash>,
    arrival: u64,
}

/// The place of a leaf in the order of eviction: the least work goes first, of equals the one that
/// came first.
type LeafKey = (U256, u64, Hash);

/// All known blocks of one chain.
#[derive(Debug)]
pub struct Tree {
    rules: Arc<Rules>,
    limits: Limits,
    tip: Linked,
    side: BTreeMap<Hash, Side>,
    /// How many blocks of `side` stand on a block, wherever that one is.
    children: BTreeMap<Hash, usize>,
    /// The blocks of `side` that nothing stands on.
    leaves: BTreeSet<LeafKey>,
    side_bytes: usize,
    arrivals: u64,
}

impl Tree {
    /// A tree whose best chain ends in `tip`, without side branches.
    pub fn new(rules: Arc<Rules>, tip: Linked, limits: Limits) -> Self {
        Self {
            rules,
            limits,
            tip,
            side: BTreeMap::new(),
            children: BTreeMap::new(),
            leaves: BTreeSet::new(),
            side_bytes: 0,
            arrivals: 0,
        }
    }

    /// The rules of the chain.
    pub fn rules(&self) -> &Arc<Rules> {
        &self.rules
    }

    /// The end of the best chain.
    pub fn tip(&self) -> &Linked {
        &self.tip
    }

    /// How many blocks are on side branches.
    pub fn side_blocks(&self) -> usize {
        self.side.len()
    }

    /// How many bytes of memory side branches take, more or less.
    pub fn side_bytes(&self) -> usize {
        self.side_bytes
    }

    /// Whether the block is on the best chain or on a side branch.
    ///
    /// # Errors
    /// Those of the ancestry.
    pub fn contains<A: Ancestry>(&self, hash: &Hash, chain: &A) -> Result<bool, A::Error> {
        Ok(*hash == self.tip.block.hash()
            || self.side.contains_key(hash)
            || chain.index_of(hash)?.is_some())
    }

    /// Puts a block into its place. `chain` holds the best chain up to and including
    /// [`Tree::tip`], and is changed with it.
    ///
    /// What transactions do is looked at when their block joins the best chain, since only then the
    /// accounts are those of its parent. If it is not allowed there, everything is as it was before,
    /// but for that block and those on top of it, which are forgotten.
    ///
    /// # Errors
    /// The rule that the block breaks, or one of the branch that it is the end of; an unknown
    /// parent; or a chain that can't be read or written. Then tree and chain may disagree.
    pub fn insert<C: BestChain>(
        &mut self,
        checked: Checked,
        chain: &mut C,
    ) -> Result<Inserted, NotInserted<ErrorOf<C>>> {
        let hash = checked.block().hash();
        if checked.block().parent() != Some(self.tip.block.hash())
            && self.contains(&hash, chain).map_err(NotInserted::Ancestry)?
        {
            return Ok(Inserted::Known);
        }
        if checked.block().index() == self.rules.genesis.index() {
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
        let linked = Linked::genesis(&self.rules, valid.block().clone());
        self.place(linked, &valid, None, chain)
    }

    fn linked<A: Ancestry>(&self, hash: &Hash, chain: &A) -> Result<Option<Linked>, A::Error> {
        if *hash == self.tip.block.hash() {
            return Ok(Some(self.tip.clone()));
        }
        if let Some(side) = self.side.get(hash) {
            return Ok(Some(side.linked.clone()));
        }
        match chain.index_of(hash)? {
            Some(index) => chain.at(index),
            None => Ok(None),
        }
    }

    fn place<C: BestChain>(
        &mut self,
        new: Linked,
        valid: &Valid,
        parent: Option<Hash>,
        chain: &mut C,
    ) -> Result<Inserted, NotInserted<ErrorOf<C>>> {
        if parent == Some(self.tip.block.hash()) {
            self.connect(&new, valid, chain)?;
            self.tip = new.clone();
            return Ok(Inserted::NewTip(ChangeSet {
                disconnected: Vec::new(),
                connected: [new].into(),
            }));
        }
        if new.work > self.tip.work {
            return self.reorganize(new, valid, parent, chain);
        }
        if self.limits.blocks == 0 || memory(&new.block) > self.limits.bytes {
            return Ok(Inserted::NoRoom);
        }
        let hash = new.block.hash();
        self.keep(new, parent);
        self.evict(hash);
        Ok(if self.side.contains_key(&hash) { Inserted::SideBranch } else { Inserted::NoRoom })
    }

    /// Lets a block do to the accounts what it does, and puts it on the chain.
    fn connect<C: BestChain>(
        &self,
        linked: &Linked,
        valid: &Valid,
        chain: &mut C,
    ) -> Result<(), NotInserted<ErrorOf<C>>> {
        let changes = valid.spend(&self.rules, chain).map_err(|unspent| match unspent {
            Unspent::Invalid(invalid) => NotInserted::Invalid(invalid),
            Unspent::Accounts(error) => NotInserted::Ancestry(error),
        })?;
        chain.connect(linked, &changes).map_err(NotInserted::Ancestry)
    }

    /// Connects a block that was checked when it came.
    fn connect_again<C: BestChain>(
        &self,
        linked: &Linked,
        chain: &mut C,
    ) -> Result<(), NotInserted<ErrorOf<C>>> {
        let valid =
            Valid::again(&self.rules, linked.block.clone()).map_err(NotInserted::Invalid)?;
        self.connect(linked, &valid, chain)
    }

    /// Makes `new` the tip.
    fn reorganize<C: BestChain>(
        &mut self,
        new: Linked,
        valid: &Valid,
        parent: Option<Hash>,
        chain: &mut C,
    ) -> Result<Inserted, NotInserted<ErrorOf<C>>> {
        let mut branch = Vec::new();
        let mut lowest = new.block.index();
        let mut below = parent;
        while let Some(side) = below.and_then(|hash| self.side.get(&hash)) {
            branch.push(side.linked.block.hash());
            lowest = side.linked.block.index();
            below = side.parent;
        }
        branch.reverse();
        let mut disconnected = Vec::new();
        for index in (lowest..=self.tip.block.index()).rev() {
            let Some(linked) = chain.at(index).map_err(NotInserted::Ancestry)? else { continue };
            chain.disconnect(&linked).map_err(NotInserted::Ancestry)?;
            disconnected.push(linked);
        }
        for (place, hash) in branch.iter().enumerate() {
            let linked = &self.side[hash].linked;
            match self.connect_again(linked, chain) {
                Ok(()) => {}
                Err(NotInserted::Invalid(invalid)) => {
                    self.go_back(&branch[..place], &disconnected, chain)?;
                    self.forget(*hash);
                    return Err(NotInserted::Invalid(invalid));
                }
                Err(error) => return Err(error),
            }
        }
        match self.connect(&new, valid, chain) {
            Ok(()) => {}
            Err(NotInserted::Invalid(invalid)) => {
                self.go_back(&branch, &disconnected, chain)?;
                return Err(NotInserted::Invalid(invalid));
            }
            Err(error) => return Err(error),
        }

        let former = self.tip.block.hash();
        self.tip = new.clone();
        let mut connected = Vec::with_capacity(branch.len() + 1);
        for hash in &branch {
            connected.extend(self.remove(hash));
        }
        connected.push(new);
        for linked in disconnected.iter().rev() {
            self.keep(linked.clone(), linked.block.parent());
        }
        self.evict(former);
        Ok(Inserted::NewTip(ChangeSet { disconnected, connected }))
    }

    /// Takes what was connected of a branch off again, the lowest of which comes first, and puts
    /// back what was there, the former tip first.
    fn go_back<C: BestChain>(
        &self,
        connected: &[Hash],
        disconnected: &[Linked],
        chain: &mut C,
    ) -> Result<(), NotInserted<ErrorOf<C>>> {
        for hash in connected.iter().rev() {
            chain.disconnect(&self.side[hash].linked).map_err(NotInserted::Ancestry)?;
        }
        for linked in disconnected.iter().rev() {
            self.connect_again(linked, chain)?;
        }
        Ok(())
    }

    /// Forgets a side branch from a block on, with everything that stands on it.
    fn forget(&mut self, from: Hash) {
        let mut lost = BTreeSet::from([from]);
        let mut above: Vec<_> = self
            .side
            .values()
            .map(|side| (side.linked.block.index(), side.parent, side.linked.block.hash()))
            .collect();
        above.sort_unstable();
        for (_, parent, hash) in above {
            if parent.is_some_and(|parent| lost.contains(&parent)) {
                lost.insert(hash);
            }
        }
        for hash in lost {
            self.remove(&hash);
        }
    }

    fn leaf_key(hash: Hash, side: &Side) -> LeafKey {
        (side.linked.work, side.arrival, hash)
    }

    fn keep(&mut self, linked: Linked, parent: Option<Hash>) {
        let hash = linked.block.hash();
        if let Some(parent) = parent {
            *self.children.entry(parent).or_default() += 1;
            if let Some(side) = self.side.get(&parent) {
                self.leaves.remove(&Self::leaf_key(parent, side));
            }
        }
        self.side_bytes += memory(&linked.block);
        self.arrivals += 1;
        let side = Side { linked, parent, arrival: self.arrivals };
        if !self.children.contains_key(&hash) {
            self.leaves.insert(Self::leaf_key(hash, &side));
        }
        self.side.insert(hash, side);
    }

    fn remove(&mut self, hash: &Hash) -> Option<Linked> {
        let side = self.side.remove(hash)?;
        self.side_bytes -= memory(&side.linked.block);
        self.leaves.remove(&Self::leaf_key(*hash, &side));
        if let Some(parent) = side.parent
            && let Some(count) = self.children.get_mut(&parent)
        {
            *count -= 1;
            if *count == 0 {
                self.children.remove(&parent);
                if let Some(side) = self.side.get(&parent) {
                    self.leaves.insert(Self::leaf_key(parent, side));
                }
            }
        }
        Some(side.linked)
    }

    /// Makes room. `newest` goes last: a branch that comes block by block must get in whatever fills
    /// the room, or a flood of worthless branches would keep a better chain out.
    fn evict(&mut self, newest: Hash) {
        while self.side.len() > self.limits.blocks || self.side_bytes > self.limits.bytes {
            let others = self.leaves.iter().find(|(_, _, hash)| *hash != newest);
            let Some((_, _, hash)) = others.or(self.leaves.first()).copied() else { break };
            self.remove(&hash);
        }
    }
}

fn memory(block: &Block) -> usize {
    block.text().len() + BLOCK_OVERHEAD_BYTES
}
