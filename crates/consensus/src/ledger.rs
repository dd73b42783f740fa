//! The accounts of a sealed chain, and how a block's transactions change them.
//!
//! A change is a value: [`apply`] reads the accounts as they are after the parent block, and
//! returns each of them before and after this one. The store writes the accounts after the block,
//! and keeps those before it to undo it. This module changes nothing, so an invalid block changes
//! nothing.
//!
//! The sum of all balances grows by each block's subsidy and by nothing else. [`allot`] makes sure
//! that it never reaches 2^53, however long the chain grows.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use sha2::{Digest as _, Sha256};

use crate::address::Address;
use crate::hash::Hash;
use crate::json::Value;
use crate::payment::{
    BadTransaction, Coinbase, Domain, Emission, Entry, MAX_INTEGER, Payment, Verified,
    VerifiedEntry,
};

/// An account. An address that was never paid has an empty one.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Account {
    /// The balance in units, at most [`MAX_INTEGER`].
    pub balance: u64,
    /// How many payments it has made: the nonce of its next one.
    pub nonce: u64,
}

/// The accounts as they are after some block.
pub trait Accounts {
    /// The error of reading an account: this node's fault, never a block's.
    type Error;

    /// Reads the account of `address`; [`Account::default`] if it was never paid.
    ///
    /// # Errors
    /// Fails if it cannot be read.
    fn account(&self, address: &Address) -> Result<Account, Self::Error>;

    /// Reads the accounts of these addresses, in their order. A store for which one read of many is
    /// cheaper overrides this.
    ///
    /// # Errors
    /// Fails if one cannot be read.
    fn accounts(&self, addresses: &[Address]) -> Result<Vec<Account>, Self::Error> {
        addresses.iter().map(|address| self.account(address)).collect()
    }
}

/// An account that a block changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The account's address.
    pub address: Address,
    /// The account after the parent block.
    pub before: Account,
    /// The account after this block.
    pub after: Account,
}

/// The changes that a block makes to accounts.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Changes {
    /// The accounts that change, ordered by address, each once.
    pub accounts: Vec<Change>,
    /// The fees of all payments together, in units.
    pub fees: u64,
}

/// The hash of all accounts: SHA-256 over key ‖ balance ‖ nonce of each, 32, 8 and 8 bytes,
/// big-endian, in the order of the keys. Two chains with the same hash have the same accounts.
#[derive(Default)]
pub struct StateHash(Sha256);

impl StateHash {
    /// Adds the next account.
    pub fn add(&mut self, address: &Address, Account { balance, nonce }: Account) {
        self.0.update(address.key());
        self.0.update(balance.to_be_bytes());
        self.0.update(nonce.to_be_bytes());
    }

    /// The hash of the accounts that were added.
    pub fn finish(self) -> Hash {
        Hash(self.0.finalize().into())
    }
}

/// The transactions of a block, in order, the coin last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Body {
    /// All transactions but the last.
    pub payments: Vec<Payment>,
    /// The last transaction.
    pub coin: Coinbase,
}

/// A [`Body`] whose payments were all signed by their senders.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Contents {
    /// All transactions but the last.
    pub payments: Vec<Verified>,
    /// The last transaction.
    pub coin: Coinbase,
}

impl Contents {
    /// Takes the elements of a block's list.
    ///
    /// # Errors
    /// Fails if the last is not a coin, or if another is.
    pub fn of_entries(entries: Vec<VerifiedEntry>) -> Result<Self, BadBody> {
        let (payments, coin) = in_place(entries, |entry| match entry {
            VerifiedEntry::Payment(payment) => Ok(payment),
            VerifiedEntry::Coinbase(coin) => Err(coin),
        })?;
        Ok(Self { payments, coin })
    }

    /// The contents of a block whose signatures were checked before.
    pub(crate) fn signed_before(body: Body) -> Self {
        let payments = body.payments.into_iter().map(Verified::before).collect();
        Self { payments, coin: body.coin }
    }
}

/// The reason why an account cannot make a payment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unpayable {
    /// The sender's next payment has another nonce: this one is not its turn, or was made already.
    #[error("the next nonce of this sender is {expected}, not {found}")]
    Nonce {
        /// The account's next nonce.
        expected: u64,
        /// The payment's nonce.
        found: u64,
    },
    /// The sender has less than the payment costs.
    #[error(
        "the payment costs {amount} units and a fee of {fee}, but its sender has {balance} units"
    )]
    Balance {
        /// The account's balance, in units.
        balance: u64,
        /// The amount for the recipient, in units.
        amount: u64,
        /// The fee for the miner, in units.
        fee: u64,
    },
}

/// The rule that a block's transactions break. It is the fault of the block's maker, never of this
/// node. Positions are counted from 0.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadBody {
    /// An element of the list is no transaction.
    #[error("transaction {position}: {why}")]
    Transaction {
        /// Its position in the list.
        position: usize,
        /// The reason.
        why: BadTransaction,
    },
    /// The list does not end with a coin.
    #[error(
        "the last transaction must be the coinbase, but there is no coinbase among {transactions} \
         transactions"
    )]
    NoCoinbase {
        /// How many transactions there are.
        transactions: usize,
    },
    /// A coin is not the last transaction; a block has one coin.
    #[error("transaction {position} is a coinbase, but only the last one, {last}, can be one")]
    CoinbasePlace {
        /// The coin's position in the list.
        position: usize,
        /// The position of the last transaction.
        last: usize,
    },
    /// The sender's account cannot make a payment.
    #[error("transaction {position}, {id}: {why}")]
    Payment {
        /// Its position in the list.
        position: usize,
        /// Its id.
        id: Hash,
        /// The reason.
        why: Unpayable,
    },
    /// The coin's nonce is not the block's index, or in a genesis block not the coin's position.
    #[error("the nonce of the coinbase must be {expected}, not {found}")]
    CoinbaseNonce {
        /// The block's index, or the coin's position.
        expected: u64,
        /// The coin's nonce.
        found: u64,
    },
    /// The coin's amount is not the subsidy plus the fees.
    #[error(
        "the coinbase must pay the subsidy of {subsidy} units and the fees of {fees}, but it pays {found}"
    )]
    CoinbaseAmount {
        /// The subsidy, in units.
        subsidy: u64,
        /// The fees of the payments, in units.
        fees: u64,
        /// The coin's amount, in units.
        found: u64,
    },
    /// A balance or the fees would be larger than [`MAX_INTEGER`]. It cannot happen on a chain that
    /// [`allot`] has let start.
    #[error("transaction {position}: {sum} and {more} units are together more than {MAX_INTEGER}")]
    Overflow {
        /// The position of the transaction that adds to the sum.
        position: usize,
        /// The sum before, in units.
        sum: u64,
        /// The units that it adds.
        more: u64,
    },
    /// The chain would allot and mine more than [`MAX_INTEGER`] units in all its blocks.
    #[error(
        "the genesis block gives {allotted} units, and miners will get {mined}; together they must be at \
         most {MAX_INTEGER}"
    )]
    Supply {
        /// Units of the genesis block's coins.
        allotted: u128,
        /// Units of all subsidies.
        mined: u128,
    },
}

/// The reason why a block's changes can't be computed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotApplied<E> {
    /// The block breaks a rule.
    #[error(transparent)]
    Invalid(#[from] BadBody),
    /// An account cannot be read: this node's fault.
    #[error("an account cannot be read: {0}")]
    Accounts(E),
}

impl Account {
    /// Returns the account after `payment`: the rule that blocks and the mempool share.
    ///
    /// # Errors
    /// Fails if it is not the payment's turn, or if the balance is too small.
    pub fn pay(self, payment: &Payment) -> Result<Self, Unpayable> {
        if payment.nonce() != self.nonce {
            return Err(Unpayable::Nonce { expected: self.nonce, found: payment.nonce() });
        }
        let Some(balance) = self.balance.checked_sub(payment.cost()) else {
            let (amount, fee) = (payment.amount(), payment.fee());
            return Err(Unpayable::Balance { balance: self.balance, amount, fee });
        };
        Ok(Self { balance, nonce: self.nonce + 1 })
    }
}

impl Body {
    /// Reads the elements of a block's list.
    ///
    /// # Errors
    /// Fails at the first element that is not a transaction, or if the coin is not the last.
    pub fn parse<'a>(
        list: impl IntoIterator<Item = Value<'a>>,
        domain: &Domain,
    ) -> Result<Self, BadBody> {
        let read = |(position, value)| {
            Entry::of_canonical(value, domain).map_err(|why| BadBody::Transaction { position, why })
        };
        Self::of_entries(list.into_iter().enumerate().map(read).collect::<Result<_, _>>()?)
    }

    /// Takes the elements of a block's list.
    ///
    /// # Errors
    /// Fails if the last is not a coin, or if another is.
    pub fn of_entries(entries: Vec<Entry>) -> Result<Self, BadBody> {
        let (payments, coin) = in_place(entries, |entry| match entry {
            Entry::Payment(payment) => Ok(payment),
            Entry::Coinbase(coin) => Err(coin),
        })?;
        Ok(Self { payments, coin })
    }
}

/// Splits a list into its payments and its coin, if the coin is the last. `is_payment` returns a
/// coin as the error.
fn in_place<E, P>(
    entries: Vec<E>,
    is_payment: impl Fn(E) -> Result<P, Coinbase>,
) -> Result<(Vec<P>, Coinbase), BadBody> {
    let transactions = entries.len();
    let mut payments = Vec::with_capacity(transactions);
    for (position, entry) in entries.into_iter().enumerate() {
        match is_payment(entry) {
            Ok(payment) => payments.push(payment),
            Err(coin) if position + 1 == transactions => return Ok((payments, coin)),
            Err(_) => return Err(BadBody::CoinbasePlace { position, last: transactions - 1 }),
        }
    }
    Err(BadBody::NoCoinbase { transactions })
}

/// The accounts that a block touches, by address.
struct Ledger {
    touched: BTreeMap<Address, Change>,
}

impl Ledger {
    /// Reads the accounts of these addresses, as the parent block left them.
    fn read<A: Accounts>(parent: &A, mut addresses: Vec<Address>) -> Result<Self, A::Error> {
        // In the order of a store's keys, each once.
        addresses.sort_unstable();
        addresses.dedup();
        let accounts = parent.accounts(&addresses)?;
        let change = |(address, before)| (address, Change { address, before, after: before });
        Ok(Self { touched: addresses.into_iter().zip(accounts).map(change).collect() })
    }

    fn get(&mut self, address: Address) -> &mut Account {
        let before = Account::default();
        let new = Change { address, before, after: before };
        &mut self.touched.entry(address).or_insert(new).after
    }

    /// "A payment can be made with what its sender has after the payments before it": what an
    /// earlier payment of this block spent is gone. Bitcoin Core 0.14 to 0.16.2 took an output
    /// twice in a block (CVE-2018-17144).
    fn debit(&mut self, position: usize, payment: &Payment) -> Result<(), BadBody> {
        let sender = self.get(payment.sender());
        let paid = sender.pay(payment);
        *sender = paid.map_err(|why| BadBody::Payment { position, id: payment.id(), why })?;
        Ok(())
    }

    /// "No balance is larger than [`MAX_INTEGER`]."
    fn credit(&mut self, position: usize, address: Address, units: u64) -> Result<(), BadBody> {
        let account = self.get(address);
        account.balance = sum(position, account.balance, units)?;
        Ok(())
    }

    fn changes(self, fees: u64) -> Changes {
        let changed = |change: &Change| change.before != change.after;
        Changes { accounts: self.touched.into_values().filter(changed).collect(), fees }
    }
}

/// `sum + more`, if that can be counted. A sum that wraps around creates coins (CVE-2010-5139).
fn sum(position: usize, sum: u64, more: u64) -> Result<u64, BadBody> {
    sum.checked_add(more).filter(|sum| *sum <= MAX_INTEGER).ok_or(BadBody::Overflow {
        position,
        sum,
        more,
    })
}

/// Applies the transactions of block `index`, in order, to the accounts that its parent left: no
/// payment can spend what a later one pays, nor the block's own coin.
///
/// # Errors
/// Returns the first rule that is broken; fails if an account cannot be read.
pub fn apply<A: Accounts>(
    parent: &A,
    index: u64,
    contents: &Contents,
    emission: &Emission,
) -> Result<Changes, NotApplied<A::Error>> {
    let Contents { payments, coin } = contents;
    let parties = payments.iter().flat_map(|payment| [payment.sender(), payment.recipient()]);
    let addresses = parties.chain([coin.recipient]).collect();
    let mut ledger = Ledger::read(parent, addresses).map_err(NotApplied::Accounts)?;
    let mut fees = 0;
    for (position, payment) in payments.iter().enumerate() {
        ledger.debit(position, payment)?;
        ledger.credit(position, payment.recipient(), payment.amount())?;
        fees = sum(position, fees, payment.fee())?;
    }
    let position = payments.len();
    coin_nonce(coin, index)?;
    coin_amount(coin, position, fees, emission.subsidy(index))?;
    ledger.credit(position, coin.recipient, coin.amount)?;
    Ok(ledger.changes(fees))
}

/// Computes the changes of a genesis block's coins, before which all accounts are empty.
///
/// # Errors
/// Fails if a nonce is not the coin's position, or if the supply would outgrow [`MAX_INTEGER`].
pub fn allot(coins: &[Coinbase], emission: &Emission) -> Result<Changes, BadBody> {
    let mut allotted = 0_u128;
    for (position, coin) in (0..).zip(coins) {
        coin_nonce(coin, position)?;
        allotted += u128::from(coin.amount);
    }
    let mined = emission.total();
    if mined.saturating_add(allotted) > u128::from(MAX_INTEGER) {
        return Err(BadBody::Supply { allotted, mined });
    }
    // All accounts are empty before a genesis block.
    let mut ledger = Ledger { touched: BTreeMap::new() };
    for (position, coin) in coins.iter().enumerate() {
        ledger.credit(position, coin.recipient, coin.amount)?;
    }
    Ok(ledger.changes(0))
}

/// "The nonce of a coin is the index of its block, or its position in a genesis block": no two
/// coins have the same id.
fn coin_nonce(coin: &Coinbase, expected: u64) -> Result<(), BadBody> {
    if coin.nonce == expected {
        return Ok(());
    }
    Err(BadBody::CoinbaseNonce { expected, found: coin.nonce })
}

/// "A coin is worth the subsidy and the fees, no more and no less."
fn coin_amount(coin: &Coinbase, position: usize, fees: u64, subsidy: u64) -> Result<(), BadBody> {
    if coin.amount == sum(position, fees, subsidy)? {
        return Ok(());
    }
    Err(BadBody::CoinbaseAmount { subsidy, fees, found: coin.amount })
}
