//! The pool of pending transactions: unsigned ones, or signed payments.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::ToString;
use alloc::vec::Vec;

use blocksmith_consensus::address::Address;
use blocksmith_consensus::block::Proof;
use blocksmith_consensus::ledger::Accounts;
use blocksmith_consensus::payment::{Domain, MAX_INTEGER, Verified};
use blocksmith_consensus::{
    ChainBlock, Checked, Family, Hash, Rules, Sealed, Timestamp, Transaction,
};

use crate::early::FutureTip;
use crate::interface::{Entered, NoWork, Refusal, Work};
use crate::mempool::{Admitted, Mempool, MempoolChange, Refused};
use crate::open::OpenPool;
use crate::queue::Queue;
use crate::turn::Turn;
use crate::work::{TemplateCache, TemplateContext};

/// How much of a bad proof an error quotes, in characters.
const MAX_QUOTE: usize = 60;

/// The pending transactions of a chain of either family.
#[derive(Debug)]
pub(crate) enum Pool {
    Open(Box<OpenPool>),
    Sealed(Box<Payments>),
}

/// The payments that wait, and the block templates that miners work on.
#[derive(Debug)]
pub(crate) struct Payments {
    pub(crate) mempool: Mempool,
    pub(crate) rules: Sealed,
    domain: Domain,
    cache: TemplateCache,
    /// Grows with each change of the mempool.
    revision: u64,
}

impl Pool {
    /// Creates the pool of the rules' family; the other argument is dropped.
    pub(crate) fn new(rules: &Rules, queue: Vec<(u64, Transaction)>, mempool: Mempool) -> Self {
        match &rules.family {
            Family::Open(open) => {
                Self::Open(Box::new(OpenPool { queue: Queue::new(queue), rules: open.clone() }))
            }
            Family::Sealed(sealed) => Self::Sealed(Box::new(Payments {
                mempool,
                domain: sealed.domain(),
                rules: sealed.clone(),
                cache: TemplateCache::default(),
                revision: 0,
            })),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Open(open) => open.queue.len(),
            Self::Sealed(payments) => payments.mempool.len(),
        }
    }

    /// Bytes of the texts of the transactions that wait.
    pub(crate) fn bytes(&self) -> usize {
        match self {
            Self::Open(open) => open.queue.bytes(),
            Self::Sealed(payments) => payments.mempool.bytes(),
        }
    }
}

impl Payments {
    /// Takes a payment into the mempool.
    ///
    /// # Errors
    /// Fails if an account can't be read.
    pub(crate) fn admit<A: Accounts>(
        &mut self,
        now: Timestamp,
        payment: Verified,
        accounts: &A,
        changes: &mut Vec<MempoolChange>,
    ) -> Result<Result<Entered, Refused>, A::Error> {
        Ok(self.mempool.admit(now, payment, accounts)?.map(|admitted| match admitted {
            Admitted::Waits(change) => {
                self.changed(change, changes);
                Entered::Waits
            }
            Admitted::Held { missing } => Entered::Held { missing },
        }))
    }

    /// Follows a change of the best chain, as [`Mempool::follow`].
    ///
    /// # Errors
    /// Fails if an account can't be read.
    pub(crate) fn follow<A: Accounts>(
        &mut self,
        now: Timestamp,
        touched: Option<Vec<Address>>,
        returned: Vec<Verified>,
        accounts: &A,
        changes: &mut Vec<MempoolChange>,
    ) -> Result<(), A::Error> {
        self.cache.clear();
        let change = self.mempool.follow(now, touched, returned, accounts)?;
        self.changed(change, changes);
        Ok(())
    }

    pub(crate) fn expire(&mut self, now: Timestamp, changes: &mut Vec<MempoolChange>) {
        let change = self.mempool.expire(now);
        self.changed(change, changes);
    }

    fn changed(&mut self, change: MempoolChange, changes: &mut Vec<MempoolChange>) {
        if !change.is_empty() {
            self.revision += 1;
            changes.push(change);
        }
    }

    /// Returns the work on top of `tip` for a coin to `recipient`, or to `node` if that is `None`.
    ///
    /// # Errors
    /// Fails if the recipient is no address of this chain, or if there can be no such block now.
    pub(crate) fn work(
        &mut self,
        now: Timestamp,
        recipient: Option<&str>,
        node: &str,
        rules: &Rules,
        tip: &ChainBlock,
    ) -> Result<Work, NoWork> {
        let recipient = self.recipient(recipient, node)?;
        if let Some(early) = FutureTip::of(&tip.block, now) {
            return Err(Refusal::from(early).into());
        }
        let (context, cache) = self.context(rules, tip);
        let header = cache.header(now, recipient, &context).map_err(Refusal::from)?;
        Ok(Work {
            id: header.seal.to_string(),
            index: tip.block.index() + 1,
            previous_hash: tip.block.hash(),
            job: header.job(),
        })
    }

    /// The recipient of a coin.
    fn recipient(&self, recipient: Option<&str>, node: &str) -> Result<Address, NoWork> {
        let hrp = self.rules.hrp;
        Address::parse(recipient.unwrap_or(node), hrp).map_err(|why| match recipient {
            Some(_) => NoWork::Recipient(alloc::format!(
                "the recipient of a block's coins must be an address of this chain: {why}"
            )),
            None => NoWork::NoRecipient,
        })
    }

    /// Makes the block of the work with this id and a proof.
    ///
    /// # Errors
    /// Returns the reason why the proof makes no block.
    pub(crate) fn solve(
        &mut self,
        id: &str,
        proof: &Proof,
        rules: &Rules,
        tip: &ChainBlock,
    ) -> Result<Checked, NoWork> {
        let id = id.parse().map_err(|_| NoWork::Id)?;
        let Some(proof) = proof.json().parse().ok().filter(|proof| *proof <= MAX_INTEGER) else {
            return Err(NoWork::Proof { found: proof.json().chars().take(MAX_QUOTE).collect() });
        };
        let stale = Refusal::Stale { tip_index: tip.block.index() };
        let (context, cache) = self.context(rules, tip);
        Ok(cache.solve(&id, proof, &context).unwrap_or(Err(stale))?)
    }

    /// When the turn of each of these payments comes that waits.
    pub(crate) fn turns(
        &self,
        wanted: &BTreeSet<Hash>,
        rules: &Rules,
        tip: &ChainBlock,
    ) -> BTreeMap<Hash, Turn> {
        // All addresses of a chain are of one length.
        let Some(recipient) = self.mempool.iter().next().map(|any| any.payment.sender()) else {
            return BTreeMap::new();
        };
        let Self { mempool, domain, rules: sealed, revision, .. } = self;
        let revision = *revision;
        let context = TemplateContext { rules, sealed, domain, tip, mempool, revision };
        // Without such a block, nothing's turn comes.
        let first_room = context.room(recipient).unwrap_or(0);
        let next = tip.block.index() + 1;
        let digits = |index: u64| index.checked_ilog10().unwrap_or(0) as usize;
        // An index takes more room from 10, 100, … on.
        let room = |block| (first_room + digits(next)).saturating_sub(digits(next + block));
        let mut turns = mempool.turns(wanted, room);
        turns.values_mut().for_each(|turn| turn.block += next);
        turns
    }

    fn context<'a>(
        &'a mut self,
        rules: &'a Rules,
        tip: &'a ChainBlock,
    ) -> (TemplateContext<'a>, &'a mut TemplateCache) {
        let Self { mempool, cache, revision, domain, rules: sealed } = self;
        let revision = *revision;
        (TemplateContext { rules, sealed, domain, tip, mempool, revision }, cache)
    }
}
