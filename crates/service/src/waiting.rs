//! What waits, and when its turn comes.

use blocksmith_consensus::Hash;
use blocksmith_consensus::address::Address;
use blocksmith_consensus::ledger::Accounts as _;
use blocksmith_node::mempool::{self, Mempool};
use blocksmith_node::{Machine, Turn};

use super::query::MAX_INCOMING;
use super::store::{Snapshot, StoreError};

/// A transaction that is in no block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingTransaction {
    /// Its id: where payments are not signed, the SHA-256 of its text.
    pub id: Hash,
    /// Its canonical text.
    pub text: String,
    /// What it waits for.
    pub waits: Waits,
}

/// What a transaction waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waits {
    /// Its turn; none if the next [`MAX_BLOCKS`](blocksmith_node::MAX_BLOCKS) blocks of what waits
    /// now don't have it.
    ForBlock(Option<Turn>),
    /// A payment of its sender with an earlier nonce.
    ForNonce {
        /// The first nonce that is missing.
        missing: u64,
        /// Whether its sender has too little for it and for what waits before it.
        is_short: bool,
    },
}

/// What the machine knows of a payment that waits or is held.
pub(super) struct Seen {
    id: Hash,
    text: String,
    stands: Stands,
}

enum Stands {
    InLine(Option<Turn>),
    /// Held behind the sender's payments that wait, if any do.
    Held {
        sender: Address,
        next_nonce: Option<u64>,
        /// What it and those payments cost.
        cost: u64,
    },
}

impl Seen {
    /// The payment with this id.
    pub(super) fn one(machine: &Machine, id: &Hash) -> Option<Self> {
        let mempool = machine.mempool()?;
        match mempool.get(id) {
            Some(waiting) => Self::in_line(machine, [waiting].into_iter()).pop(),
            None => mempool.held(id).map(|held| Self::held(mempool, held)),
        }
    }

    /// The payments of an address, and those to it from others, at most [`MAX_INCOMING`].
    pub(super) fn of(machine: &Machine, address: &Address) -> [Vec<Self>; 2] {
        let Some(mempool) = machine.mempool() else { return [Vec::new(), Vec::new()] };
        let mut outgoing = Self::in_line(machine, mempool.of_sender(address).iter());
        outgoing.extend(mempool.held_of(address).map(|held| Self::held(mempool, held)));
        let others = |waiting: &&mempool::Waiting| waiting.payment.sender() != *address;
        let incoming = mempool.to_recipient(address).filter(others).take(MAX_INCOMING);
        [outgoing, Self::in_line(machine, incoming)]
    }

    fn in_line<'a>(
        machine: &Machine,
        waiting: impl Iterator<Item = &'a mempool::Waiting>,
    ) -> Vec<Self> {
        let waiting: Vec<_> = waiting.collect();
        let turns = machine.turns(&waiting.iter().map(|waiting| waiting.payment.id()).collect());
        let seen = |waiting: &mempool::Waiting| {
            let (id, text) = (waiting.payment.id(), waiting.payment.text().to_string());
            Self { id, text, stands: Stands::InLine(turns.get(&id).copied()) }
        };
        waiting.into_iter().map(seen).collect()
    }

    fn held(mempool: &Mempool, held: &mempool::Waiting) -> Self {
        let sender = held.payment.sender();
        let before = mempool.of_sender(&sender).iter().map(|waiting| waiting.payment.cost());
        let cost = before.fold(held.payment.cost(), u64::saturating_add);
        let stands = Stands::Held { sender, next_nonce: mempool.next_nonce(&sender), cost };
        Self { id: held.payment.id(), text: held.payment.text().to_string(), stands }
    }

    /// What it waits for, with the accounts of the same moment.
    pub(super) fn at(self, chain: &Snapshot) -> Result<WaitingTransaction, StoreError> {
        let Self { id, text, stands } = self;
        let waits = match stands {
            Stands::InLine(turn) => Waits::ForBlock(turn),
            Stands::Held { sender, next_nonce, cost } => {
                let account = chain.account(&sender)?;
                let missing = next_nonce.unwrap_or(account.nonce);
                Waits::ForNonce { missing, is_short: account.balance < cost }
            }
        };
        Ok(WaitingTransaction { id, text, waits })
    }
}
