//! Replays a chain from its genesis block with all rules and the accounts in memory, and compares a
//! store with the result.

use std::collections::BTreeMap;
use std::convert::Infallible;

use blocksmith_consensus::address::Address;
use blocksmith_consensus::check::{SpendError, genesis};
use blocksmith_consensus::ledger::{Account, Accounts, Changes, StateHash};
use blocksmith_consensus::{
    Ancestry, Block, ChainBlock, Checked, Hash, Invalid, Rules, check_alone, check_on,
};
use rayon::prelude::*;
use redb::{ReadableTable, ReadableTableMetadata};

use super::store::{Entries, IndexEntry, Indexer, Lists, Snapshot, StoreError, Tables, undo_bytes};

/// How many blocks are checked at once, on all cores.
const BATCH_BLOCKS: usize = 256;

/// How many bytes their texts have, unless one block has more.
const BATCH_BYTES: usize = 16 << 20;

/// A chain that was replayed up to some block.
pub struct Replay<'r> {
    rules: &'r Rules,
    lister: Indexer,
    last: Option<ChainBlock>,
    accounts: Memory,
    transactions: u64,
    waiting: Vec<Block>,
    waiting_bytes: usize,
}

/// A block that joined, and its changes.
pub struct Step {
    /// The block in its place.
    pub linked: ChainBlock,
    /// Its changes of the accounts.
    pub changes: Changes,
    /// Its entries in the lists of transactions.
    pub listed: Vec<IndexEntry>,
}

/// The result of a whole replay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Replayed {
    /// How many blocks there are.
    pub blocks: u64,
    /// The id of the last one.
    pub tip: Hash,
    /// How many transactions they hold.
    pub transactions: u64,
    /// How many accounts there are: none on an open chain.
    pub accounts: u64,
    /// The hash over all accounts, as [`StateHash`] takes it.
    pub state: Hash,
}

/// The accounts in memory.
#[derive(Default)]
struct Memory(BTreeMap<Address, Account>);

impl Accounts for Memory {
    type Error = Infallible;

    fn account(&self, address: &Address) -> Result<Account, Infallible> {
        Ok(self.0.get(address).copied().unwrap_or_default())
    }
}

impl<'r> Replay<'r> {
    /// Starts a replay; the genesis block comes first.
    pub fn new(rules: &'r Rules) -> Self {
        Self {
            rules,
            lister: Indexer::new(rules),
            last: None,
            accounts: Memory::default(),
            transactions: 0,
            waiting: Vec::new(),
            waiting_bytes: 0,
        }
    }

    /// Takes the next block. Many are checked at once; `each` is called for those that joined.
    ///
    /// # Errors
    /// Returns the rule that a block breaks, or the error of `each`.
    pub fn push<E: From<Invalid>>(
        &mut self,
        block: Block,
        each: impl FnMut(Step) -> Result<(), E>,
    ) -> Result<(), E> {
        self.waiting_bytes += block.text().len();
        self.waiting.push(block);
        if self.waiting.len() < BATCH_BLOCKS && self.waiting_bytes < BATCH_BYTES {
            return Ok(());
        }
        self.settle(each)
    }

    /// Replays the blocks that were taken and have not joined yet.
    fn settle<E: From<Invalid>>(
        &mut self,
        mut each: impl FnMut(Step) -> Result<(), E>,
    ) -> Result<(), E> {
        self.waiting_bytes = 0;
        for checked in check_all(self.rules, std::mem::take(&mut self.waiting)) {
            let step = self.join(checked?)?;
            self.last = Some(step.linked.clone());
            self.transactions += step.linked.block.view().transactions().count() as u64;
            let after = step.changes.accounts.iter().map(|change| (change.address, change.after));
            self.accounts.0.extend(after);
            each(step)?;
        }
        Ok(())
    }

    fn join(&self, checked: Checked) -> Result<Step, Invalid> {
        let rules = self.rules;
        let valid = check_on(rules, checked, self.last.as_ref())?;
        let block = valid.block().clone();
        let (linked, changes) = match &self.last {
            Some(parent) => {
                let changes = valid.spend(rules, &self.accounts).map_err(|error| match error {
                    SpendError::Invalid(invalid) => invalid,
                    SpendError::Accounts(never) => match never {},
                })?;
                (parent.followed_by(rules, block), changes)
            }
            None => {
                let index = block.index();
                let changes =
                    rules.allot(&block).map_err(|why| Invalid::Body { index, why: why.into() })?;
                (ChainBlock::genesis(rules, block), changes)
            }
        };
        let listed = self.lister.list(valid.block(), valid.contents());
        Ok(Step { linked, changes, listed })
    }

    /// Ends the replay; `None` if there was no block.
    ///
    /// # Errors
    /// Fails as [`Replay::push`].
    pub fn finish<E: From<Invalid>>(
        &mut self,
        each: impl FnMut(Step) -> Result<(), E>,
    ) -> Result<Option<Replayed>, E> {
        self.settle(each)?;
        let mut state = StateHash::default();
        for (address, account) in &self.accounts.0 {
            state.add(address, *account);
        }
        Ok(self.last.as_ref().map(|last| Replayed {
            blocks: last.difficulty_state.height() + 1,
            tip: last.block.hash(),
            transactions: self.transactions,
            accounts: self.accounts.0.len() as u64,
            state: state.finish(),
        }))
    }
}

/// Makes the checks of blocks that need no parent on all cores, in order.
fn check_all(rules: &Rules, blocks: Vec<Block>) -> Vec<Result<Checked, Invalid>> {
    blocks.into_par_iter().map(|block| check_alone(rules, block)).collect()
}

/// A difference between a store and its blocks.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Difference {
    /// A block has another work or difficulty state.
    #[error(
        "chain: block {index} is kept with another work or difficulty state than its chain gives it"
    )]
    Place {
        /// Which block.
        index: u64,
    },
    /// A block is not found by its id.
    #[error("index: block {index} is not found by its id {id}")]
    Index {
        /// Which block.
        index: u64,
        /// Its id.
        id: Hash,
    },
    /// The entry that should undo a block does not.
    #[error("undo: what is kept to undo block {index} is not how accounts were before it")]
    Undo {
        /// Which block.
        index: u64,
    },
    /// A transaction is not listed.
    #[error("{table}: transaction {position} of block {index} is not listed")]
    Unlisted {
        /// `places` or `history`.
        table: &'static str,
        /// The index of its block.
        index: u64,
        /// Its place in the block.
        position: u32,
    },
    /// An account differs.
    #[error(
        "accounts: {address} is kept with {} units and nonce {}, and has {} units and nonce {}",
        .kept.balance, .kept.nonce, .replayed.balance, .replayed.nonce
    )]
    Account {
        /// The account's address.
        address: String,
        /// The account in the store.
        kept: Account,
        /// The account after the blocks.
        replayed: Account,
    },
    /// The count of a party's transactions is wrong.
    #[error("activity: {kept} transactions are counted of {address}, which has {replayed}")]
    Activity {
        /// The party's address.
        address: String,
        /// The count in the store.
        kept: u64,
        /// The count in the blocks.
        replayed: u64,
    },
    /// A table holds an entry that no block gives.
    #[error("{table}: there are {kept} entries, and the blocks give {replayed}")]
    Count {
        /// The table.
        table: &'static str,
        /// The number of entries in the store.
        kept: u64,
        /// The number of entries that the blocks give.
        replayed: u64,
    },
}

/// The reason why a store differs from a replay of its blocks.
#[derive(Debug, thiserror::Error)]
pub enum NotReplayed {
    /// A block breaks a rule.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The store differs from its blocks.
    #[error(transparent)]
    Difference(#[from] Difference),
    /// The store can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How many entries the blocks give each table.
#[derive(Default)]
struct Counts {
    blocks: u64,
    undo: u64,
    places: u64,
    history: u64,
    activity: BTreeMap<[u8; 32], u64>,
}

/// Replays the best chain of a store, and compares all other tables with the result, entry by
/// entry. `progress` gets how many blocks are done.
///
/// # Errors
/// Returns the first rule that a block breaks or the first difference; fails if the store can't be
/// read.
pub fn replay(
    snapshot: &Snapshot,
    rules: &Rules,
    mut progress: impl FnMut(u64),
) -> Result<Replayed, NotReplayed> {
    let nothing = || StoreError::Damaged("it has no genesis".into());
    let first = |tables: &Tables| Ok(tables.chain.first()?.map(|(index, _)| index.value()));
    let lowest = snapshot.read(first)?;
    let lowest = snapshot.at(lowest.ok_or_else(nothing)?)?.ok_or_else(nothing)?.block;
    // A chain of other rules may start at another index.
    genesis(rules, lowest.view())?;
    let mut replay = Replay::new(rules);
    let mut counts = Counts::default();
    let mut each = |step: Step| {
        progress(1);
        compare(snapshot, &step, &mut counts)
    };
    let mut index = rules.genesis_index();
    while let Some(linked) = snapshot.at(index)? {
        replay.push(linked.block, &mut each)?;
        index += 1;
    }
    let replayed = replay.finish(&mut each)?.ok_or_else(nothing)?;
    compare_accounts(snapshot, rules, &replay.accounts.0)?;
    compare_counts(snapshot, rules, &counts)?;
    Ok(replayed)
}

fn compare(snapshot: &Snapshot, step: &Step, counts: &mut Counts) -> Result<(), NotReplayed> {
    let Step { linked, changes, listed } = step;
    let (index, id) = (linked.block.index(), linked.block.hash());
    if snapshot.at(index)?.as_ref() != Some(linked) {
        return Err(Difference::Place { index }.into());
    }
    if snapshot.index_of(&id)? != Some(index) {
        return Err(Difference::Index { index, id }.into());
    }
    let expected = Some(undo_bytes(changes)).filter(|bytes| !bytes.is_empty());
    let undoes = snapshot.read(|tables| {
        let undo = tables.undo.get(index)?;
        Ok(undo.as_ref().map(|undo| undo.value()) == expected.as_deref())
    })?;
    if !undoes {
        return Err(Difference::Undo { index }.into());
    }
    let entries = Entries::of(index, listed);
    let Entries { places, history } = &entries;
    let unlisted = snapshot.read(|tables| {
        for (table, listed, keys) in
            [("places", &tables.lists.places, places), ("history", &tables.lists.history, history)]
        {
            for key in keys {
                if listed.get(key)?.is_none() {
                    let (index, position) = super::store::location(key);
                    return Ok(Some(Difference::Unlisted { table, index, position }));
                }
            }
        }
        Ok(None)
    })?;
    if let Some(unlisted) = unlisted {
        return Err(unlisted.into());
    }
    counts.blocks += 1;
    counts.undo += u64::from(expected.is_some());
    counts.places += places.len() as u64;
    counts.history += history.len() as u64;
    for (party, more) in entries.activity() {
        *counts.activity.entry(*party).or_default() += more;
    }
    Ok(())
}

/// The address of a key, or its digits.
fn name(rules: &Rules, key: &[u8; 32]) -> String {
    match (rules.domain(), Address::from_key(*key)) {
        (Some(domain), Ok(address)) => address.to_text(domain.hrp),
        _ => Hash(*key).to_string(),
    }
}

fn compare_accounts(
    snapshot: &Snapshot,
    rules: &Rules,
    replayed: &BTreeMap<Address, Account>,
) -> Result<(), NotReplayed> {
    for (address, account) in replayed {
        let kept = snapshot.account(address)?;
        if kept != *account {
            let address = name(rules, address.key());
            return Err(Difference::Account { address, kept, replayed: *account }.into());
        }
    }
    for kept in snapshot.accounts()? {
        let (address, kept) = kept?;
        if !replayed.contains_key(&address) {
            let (address, replayed) = (name(rules, address.key()), Account::default());
            return Err(Difference::Account { address, kept, replayed }.into());
        }
    }
    Ok(())
}

fn compare_counts(snapshot: &Snapshot, rules: &Rules, counts: &Counts) -> Result<(), NotReplayed> {
    for (party, replayed) in &counts.activity {
        let kept = snapshot.activity(party)?;
        if kept != *replayed {
            let (address, replayed) = (name(rules, party), *replayed);
            return Err(Difference::Activity { address, kept, replayed }.into());
        }
    }
    let kept = snapshot.read(|tables| {
        let Tables { chain, index, undo, lists, .. } = tables;
        let Lists { places, history, activity } = lists;
        Ok([
            chain.len()?,
            index.len()?,
            undo.len()?,
            places.len()?,
            history.len()?,
            activity.len()?,
        ])
    })?;
    let replayed = [
        ("chain", counts.blocks),
        ("index", counts.blocks),
        ("undo", counts.undo),
        ("places", counts.places),
        ("history", counts.history),
        ("activity", counts.activity.len() as u64),
    ];
    for ((table, replayed), kept) in replayed.into_iter().zip(kept) {
        if kept != replayed {
            return Err(Difference::Count { table, kept, replayed }.into());
        }
    }
    Ok(())
}
