//! Whose word counts for a payment: anybody's, as in the course, or its sender's.

use alloc::borrow::{Cow, ToOwned};
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use crate::address::{Address, Hrp};
use crate::block::Block;
use crate::hash::Hash;
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

/// A transaction as an index of the chain lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Listed {
    /// Its place in the block's list, counted from 0.
    pub position: u32,
    /// Its id. Coins of a genesis block may share theirs with a later coin.
    pub id: Hash,
    /// The keys of who pays and who is paid, as [`Rules::party_key`] gives them: once if they are
    /// the same, and without the mint's.
    pub parties: [Option<[u8; 32]>; 2],
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

    /// The key under which an index lists a party: the public key of an address. None if it is none,
    /// or where nobody signs.
    pub fn party_key(&self, party: &str) -> Option<[u8; 32]> {
        match &self.spending {
            Spending::Unsigned(_) => None,
            Spending::Signed { hrp, .. } => {
                Address::parse(party, *hrp).ok().map(|address| *address.key())
            }
        }
    }

    /// What an index lists of a block that was checked before, in order.
    ///
    /// Nothing where nobody signs: ids and parties by the hash of their texts made the import of a
    /// chain of coins half as long again, of one with three payments a block five times as long.
    pub fn listed(&self, block: &Block) -> Vec<Listed> {
        let is_genesis = block.index() == self.genesis.index();
        match self.body(block) {
            Ok(Some(body)) if !is_genesis => {
                self.listed_of(block, Some(&Contents::signed_before(body)))
            }
            _ => self.listed_of(block, None),
        }
    }

    /// The same of a block whose transactions were read before, but for a genesis block's.
    pub(crate) fn listed_of(&self, block: &Block, contents: Option<&Contents>) -> Vec<Listed> {
        let Some(domain) = self.domain() else { return Vec::new() };
        let coin = |(position, coin): (u32, Coin)| Listed {
            position,
            id: coin.id(&domain),
            parties: [Some(*coin.recipient.key()), None],
        };
        let Some(Contents { payments, coin: last }) = contents else {
            let coins = block.view().transactions();
            let coins = coins.flat_map(|value| Coin::of_canonical(value, domain.hrp));
            return (0..).zip(coins).map(coin).collect();
        };
        let payment = |(position, payment): (u32, &Verified)| {
            let (sender, recipient) = (payment.sender(), payment.recipient());
            let recipient = Some(*recipient.key()).filter(|_| recipient != sender);
            Listed { position, id: payment.id(), parties: [Some(*sender.key()), recipient] }
        };
        let listed = (0..).zip(payments).map(payment);
        // A block has fewer transactions than bytes.
        listed.chain([coin((payments.len() as u32, *last))]).collect()
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
