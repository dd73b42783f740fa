//! Whose word counts for a payment: anybody's, as in the course, or its sender's.

use alloc::borrow::{Cow, ToOwned};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::address::Hrp;
use crate::block::Block;
use crate::json::Value;
use crate::ledger::{self, Accounts, BadBody, Body, Changes, Contents, NotApplied};
use crate::payment::{COIN_SENDER, Coin, Domain, Emission, Verified, VerifiedEntry};
use crate::rules::Rules;
use crate::transaction::{Transaction, party};

/// What transactions are, and what a block's do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Spending {
    /// Any JSON values, which change nothing that rules know of. A node pays its miner with a coin
    /// that says this, and nobody checks it.
    Unsigned(Issuance),
    /// Payments that their senders sign, between accounts that the rules keep; the last transaction
    /// of each block is its coin.
    Signed {
        /// What addresses start with.
        hrp: Hrp,
        /// What the coin is worth.
        emission: Emission,
    },
}

/// What a new block pays to its miner where nobody checks it. The texts are canonical JSON.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Issuance {
    /// The sender of the coin: `"0"`, or the number 0 in Lecture I.
    pub sender: String,
    /// The amount of the coin.
    pub amount: String,
}

impl Spending {
    /// The party that coins come from.
    pub fn mint(&self) -> Cow<'_, str> {
        match self {
            Self::Unsigned(issuance) => party(Value::of_canonical(&issuance.sender)),
            Self::Signed { .. } => Cow::Borrowed(COIN_SENDER),
        }
    }

    /// The coin that a node pays to `recipient` where nobody checks it; none where rules say what
    /// it is worth.
    pub fn free_coin(&self, recipient: Value<'_>) -> Option<Transaction> {
        match self {
            Self::Unsigned(Issuance { sender, amount }) => Some(Transaction::new(
                Value::of_canonical(sender),
                recipient,
                Value::of_canonical(amount),
            )),
            Self::Signed { .. } => None,
        }
    }

    /// The transactions of a block above genesis as `read` finds them, if rules know what they are.
    pub(crate) fn read<E>(
        &self,
        block: &Block,
        read: impl FnOnce(Vec<Value<'_>>) -> Result<Vec<VerifiedEntry>, E>,
    ) -> Result<Option<Vec<VerifiedEntry>>, E> {
        match self {
            Self::Unsigned(_) => Ok(None),
            Self::Signed { .. } => read(block.view().transactions().collect()).map(Some),
        }
    }

    /// Canonical JSON, as a chain's id covers it.
    pub(crate) fn json(&self) -> String {
        match self {
            Self::Unsigned(_) => r#""unsigned""#.to_owned(),
            Self::Signed { hrp, emission: Emission { first, halving } } => format!(
                r#"{{"signed": {{"addresses": "{hrp}", "first_subsidy": {first}, "halving_blocks": {halving}}}}}"#
            ),
        }
    }
}

impl Rules {
    /// What ties payments to this chain, if they are signed.
    pub fn domain(&self) -> Option<Domain> {
        match &self.spending {
            Spending::Unsigned(_) => None,
            Spending::Signed { hrp, .. } => Some(Domain { chain_id: self.chain_id(), hrp: *hrp }),
        }
    }

    /// The transactions of a block above genesis, if rules know what they are.
    ///
    /// # Errors
    /// What they are not.
    pub(crate) fn body(&self, block: &Block) -> Result<Option<Body>, BadBody> {
        self.domain().map(|domain| Body::parse(block.view().transactions(), &domain)).transpose()
    }

    /// The payments of a block that was checked before and comes from where valid blocks are kept;
    /// none where nobody signs, and of any other block whose transactions are none.
    pub fn payments_of(&self, block: &Block) -> Vec<Verified> {
        match self.body(block) {
            Ok(Some(body)) if block.index() != self.genesis.index() => {
                Contents::signed_before(body).payments
            }
            _ => Vec::new(),
        }
    }

    /// What a block above genesis does to the accounts that its parent left.
    ///
    /// # Errors
    /// The rule that it breaks, or that an account can't be read.
    pub(crate) fn spend<A: Accounts>(
        &self,
        parent: &A,
        block: &Block,
        contents: &Contents,
    ) -> Result<Changes, NotApplied<A::Error>> {
        match &self.spending {
            Spending::Unsigned(_) => Ok(Changes::default()),
            Spending::Signed { emission, .. } => {
                let Contents { payments, coin } = contents;
                ledger::apply(parent, block.index(), payments, coin, emission)
            }
        }
    }

    /// What a genesis block does, before which nobody has anything.
    ///
    /// # Errors
    /// The rule that its allocations break.
    pub fn allot(&self, genesis: &Block) -> Result<Changes, BadBody> {
        let Spending::Signed { hrp, emission } = &self.spending else {
            return Ok(Changes::default());
        };
        let coin = |(position, value): (usize, Value<'_>)| {
            Coin::of_canonical(value, *hrp).map_err(|why| BadBody::Transaction { position, why })
        };
        let coins = genesis.view().transactions().enumerate().map(coin);
        ledger::allot(&coins.collect::<Result<Vec<_>, _>>()?, emission)
    }
}

impl Issuance {
    /// The course's: one coin from "0".
    pub(crate) fn course() -> Self {
        Self { sender: r#""0""#.to_owned(), amount: "1".to_owned() }
    }
}
