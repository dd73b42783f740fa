//! The best chain in memory.

use std::collections::{BTreeMap, HashMap};
use std::convert::Infallible;

use blocksmith_consensus::address::Address;
use blocksmith_consensus::ledger::{Account, Accounts, Change, Changes, Contents};
use blocksmith_consensus::tree::{BestChain, BlockId};
use blocksmith_consensus::{Ancestry, ChainBlock, ChangeSet, Hash};

/// The blocks that were taken off the chain and put on it, in this order.
#[derive(Debug, Clone, Default)]
pub struct Log {
    /// The blocks that were taken off, the former tip first.
    pub disconnected: Vec<ChainBlock>,
    /// The blocks that were put on, the lowest first.
    pub connected: Vec<ChainBlock>,
    /// The accounts that the last block changed.
    touched: Vec<Address>,
    /// The ids of the last block's payments, if rules know its transactions.
    payments: Option<Vec<Hash>>,
}

impl Log {
    /// Whether a change tells exactly this log, and reads the blocks from their new places. Blocks
    /// that found no room can't be read.
    pub fn is_told_by(&self, change: &ChangeSet, chain: &Chain) -> bool {
        let places = |blocks: &[ChainBlock]| -> Vec<BlockId> {
            blocks.iter().map(|linked| BlockId::of(&linked.block)).collect()
        };
        let tip = chain.blocks.last().expect("there is a tip");
        let left: Vec<_> = change.left(chain).map(Result::unwrap).collect();
        let joined: Vec<_> = change.joined(tip, chain).map(Result::unwrap).collect();
        let kept = |linked: &&ChainBlock| chain.side.contains_key(&linked.block.hash());
        let lowest = change.connected.first().map_or(0, |place| place.index);
        let fork = chain.blocks.iter().find(|linked| linked.block.index() + 1 == lowest);
        let one = self.disconnected.is_empty() && self.connected.len() == 1;
        change.fork == fork.map(|linked| BlockId::of(&linked.block))
            && change.disconnected == places(&self.disconnected)
            && change.connected == places(&self.connected)
            && change.touched == one.then(|| self.touched.clone())
            && change.payments == self.payments.clone().filter(|_| one)
            && left.iter().eq(self.disconnected.iter().filter(kept))
            && joined == self.connected
    }
}

/// The best chain in a vector, as a store would hold it, and the side branches.
#[derive(Debug, Clone)]
pub struct Chain {
    /// The best chain, the first block first.
    pub blocks: Vec<ChainBlock>,
    places: HashMap<Hash, u64>,
    first: u64,
    /// The accounts after the tip.
    pub accounts: BTreeMap<Address, Account>,
    undo: Vec<Changes>,
    /// The contents of each block that was ever put on.
    contents: HashMap<Hash, Option<Contents>>,
    /// The blocks of side branches.
    pub side: BTreeMap<Hash, ChainBlock>,
    log: Log,
}

impl Chain {
    /// A chain of one block.
    pub fn new(genesis: ChainBlock) -> Self {
        Self::with_accounts(genesis, Changes::default())
    }

    /// A chain of one block, with its changes of the accounts.
    pub fn with_accounts(genesis: ChainBlock, changes: Changes) -> Self {
        let first = genesis.block.index();
        let places = HashMap::from([(genesis.block.hash(), first)]);
        let accounts = changes.accounts.iter().map(|change| (change.address, change.after));
        Self {
            blocks: vec![genesis],
            places,
            first,
            accounts: accounts.collect(),
            undo: vec![changes],
            contents: HashMap::new(),
            side: BTreeMap::new(),
            log: Log::default(),
        }
    }

    /// The blocks that were taken off and put on since the last call.
    pub fn take_log(&mut self) -> Log {
        std::mem::take(&mut self.log)
    }
}

impl Accounts for Chain {
    type Error = Infallible;

    fn account(&self, address: &Address) -> Result<Account, Infallible> {
        Ok(self.accounts.get(address).copied().unwrap_or_default())
    }
}

impl BestChain for Chain {
    fn connect(
        &mut self,
        new: &ChainBlock,
        changes: &Changes,
        contents: Option<&Contents>,
    ) -> Result<(), Infallible> {
        assert_eq!(new.block.index(), self.first + self.blocks.len() as u64);
        if let Some(last) = self.blocks.last() {
            assert_eq!(new.block.parent(), Some(last.block.hash()));
        }
        for Change { address, before, after } in &changes.accounts {
            assert_eq!(self.account(address), Ok(*before), "a change starts from what there is");
            self.accounts.insert(*address, *after);
        }
        self.side.remove(&new.block.hash());
        self.undo.push(changes.clone());
        if let Some(before) = self.contents.insert(new.block.hash(), contents.cloned()) {
            assert_eq!(before.as_ref(), contents, "a block holds the same however it was read");
        }
        self.places.insert(new.block.hash(), new.block.index());
        self.blocks.push(new.clone());
        self.log.connected.push(new.clone());
        self.log.touched = changes.accounts.iter().map(|change| change.address).collect();
        let ids = |all: &Contents| all.payments.iter().map(|payment| payment.id()).collect();
        self.log.payments = contents.map(ids);
        Ok(())
    }

    fn disconnect(&mut self, tip: &ChainBlock) -> Result<(), Infallible> {
        let last = self.blocks.pop().expect("only what is there leaves");
        assert_eq!(&last, tip, "blocks leave from the tip down");
        self.places.remove(&last.block.hash());
        for Change { address, before, .. } in self.undo.pop().expect("as many").accounts {
            match before == Account::default() {
                true => self.accounts.remove(&address),
                false => self.accounts.insert(address, before),
            };
        }
        self.side.insert(last.block.hash(), last.clone());
        // A block that is put on and taken off again is not in the log.
        if self.log.connected.pop().is_none() {
            self.log.disconnected.push(last);
        }
        Ok(())
    }

    fn keep_side(&mut self, linked: &ChainBlock) -> Result<(), Infallible> {
        let before = self.side.insert(linked.block.hash(), linked.clone());
        assert_eq!(before, None, "only what is new is kept");
        Ok(())
    }

    fn side(&self, hash: &Hash) -> Result<Option<ChainBlock>, Infallible> {
        Ok(self.side.get(hash).cloned())
    }

    fn forget_side(&mut self, hash: &Hash) -> Result<(), Infallible> {
        assert!(self.side.remove(hash).is_some(), "only what is kept is let go of");
        Ok(())
    }
}

impl Ancestry for Chain {
    type Error = Infallible;

    fn index_of(&self, hash: &Hash) -> Result<Option<u64>, Infallible> {
        Ok(self.places.get(hash).copied())
    }

    fn at(&self, index: u64) -> Result<Option<ChainBlock>, Infallible> {
        let place = index.checked_sub(self.first).map(|place| place as usize);
        Ok(place.and_then(|place| self.blocks.get(place)).cloned())
    }
}
