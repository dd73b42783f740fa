//! What waits for a block: anybody's transactions, or signed payments. The one place that tells
//! them apart.

use alloc::boxed::Box;
use alloc::vec::Vec;

use blocksmith_consensus::address::Address;
use blocksmith_consensus::ledger::Accounts;
use blocksmith_consensus::payment::{Domain, Emission, Verified};
use blocksmith_consensus::{
    Checked, Hash, Linked, Malformed, Rules, Spending, Timestamp, Transaction,
};

use crate::interface::{Entered, Refusal};
use crate::mempool::{Admitted, Mempool, MempoolChange, Refused};
use crate::queue::{Queue, QueueChange};
use crate::work::{Ground, Task, Works};

#[derive(Debug)]
pub(crate) enum Pool {
    Queue(Queue),
    Mempool(Box<Payments>),
}

/// The payments that wait, and the blocks that miners try to make of them.
#[derive(Debug)]
pub(crate) struct Payments {
    pub(crate) mempool: Mempool,
    works: Works,
    /// Grows with each change of the mempool.
    revision: u64,
    domain: Domain,
    emission: Emission,
}

impl Pool {
    /// What these rules take of the two.
    pub(crate) fn new(rules: &Rules, queue: Vec<(u64, Transaction)>, mempool: Mempool) -> Self {
        match (&rules.spending, rules.domain()) {
            (Spending::Signed { emission, .. }, Some(domain)) => {
                Self::Mempool(Box::new(Payments {
                    mempool,
                    works: Works::default(),
                    revision: 0,
                    domain,
                    emission: *emission,
                }))
            }
            _ => Self::Queue(Queue::new(queue)),
        }
    }

    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Queue(queue) => queue.len(),
            Self::Mempool(payments) => payments.mempool.len(),
        }
    }

    /// Takes a transaction in; `None` if there is no room, or only signed ones are taken.
    pub(crate) fn push(&mut self, transaction: Transaction) -> Option<QueueChange> {
        match self {
            Self::Queue(queue) => queue.push(transaction),
            Self::Mempool(_) => None,
        }
    }

    pub(crate) fn payments(&mut self) -> Option<&mut Payments> {
        match self {
            Self::Queue(_) => None,
            Self::Mempool(payments) => Some(payments),
        }
    }
}

impl Payments {
    /// Takes a payment in.
    ///
    /// # Errors
    /// That an account can't be read.
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
    /// That an account can't be read.
    pub(crate) fn follow<A: Accounts>(
        &mut self,
        now: Timestamp,
        touched: Option<Vec<Address>>,
        returned: Vec<Verified>,
        accounts: &A,
        changes: &mut Vec<MempoolChange>,
    ) -> Result<(), A::Error> {
        self.works.clear();
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

    /// What to search on top of `tip` for a coin to `recipient`.
    ///
    /// # Errors
    /// That there can be no such block.
    pub(crate) fn task(
        &mut self,
        now: Timestamp,
        recipient: Address,
        rules: &Rules,
        tip: &Linked,
    ) -> Result<Task, Malformed> {
        let Self { mempool, works, revision, domain, emission } = self;
        works.task(
            now,
            recipient,
            &Ground { rules, domain, emission, tip, mempool, revision: *revision },
        )
    }

    /// The block that a proof makes of the work with this id.
    ///
    /// # Errors
    /// Why it makes none.
    pub(crate) fn solve(
        &self,
        id: &Hash,
        proof: u64,
        rules: &Rules,
        tip: &Linked,
    ) -> Result<Checked, Refusal> {
        let Self { mempool, works, revision, domain, emission } = self;
        let ground = Ground { rules, domain, emission, tip, mempool, revision: *revision };
        let stale = Refusal::Stale { tip_index: tip.block.index() };
        works.solve(id, proof, &ground).unwrap_or(Err(stale))
    }
}
