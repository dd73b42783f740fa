//! The faucet of a dev chain pays coins to every client that asks, in turn from the last dev
//! accounts.

use blocksmith_consensus::Hash;
use blocksmith_consensus::address::Address;
use blocksmith_consensus::ledger::{Account, Accounts as _};
use blocksmith_consensus::payment::{Draft, UNITS_PER_COIN};
use blocksmith_wallet::keys;
use blocksmith_wallet::typed::{self, BadTyped};
use blocksmith_wallet::{Phrase, dev};
use tokio::sync::Mutex;

use crate::chain::dev::Funding;
use crate::{Handle, NotPaid, PendingOf, QueryError, Stopped, StoreError};

/// The units of one gift.
pub const GIFT: u64 = 10 * UNITS_PER_COIN;

/// One gift at a time: two would be signed with the same nonce. All nodes of a network are in one
/// process.
static TURN: Mutex<()> = Mutex::const_new(());

/// The reason why nothing is given.
#[derive(Debug, thiserror::Error)]
pub enum NotGiven {
    /// The chain is not a dev chain.
    #[error("this node has no faucet; the nodes of blocksmith dev have one")]
    NoFaucet,
    /// The recipient is not an address of this chain.
    #[error("the recipient must be an address of this chain: {0}")]
    Recipient(BadTyped),
    /// The accounts that give have too little, or the chain gives them nothing.
    #[error(
        "the faucet is empty: dev accounts {first} to {last} have too few coins for a gift; pay one of them \
         and ask again after the next block, or start a new network"
    )]
    Empty {
        /// The index of the first of them.
        first: u32,
        /// The index of the last of them.
        last: u32,
    },
    /// The node has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The accounts can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The mempool does not take the payment now.
    #[error("the next block has no room for more gifts; ask again after it")]
    NotPaid(#[from] NotPaid),
}

/// Pays [`GIFT`] to `recipient`, one gift at a time, and returns the payment's id and the amount.
///
/// # Errors
/// Returns the reason why nothing is given.
pub async fn give(handle: &Handle, recipient: &str) -> Result<(Hash, u64), NotGiven> {
    let (true, Some(domain)) = (handle.is_dev(), handle.domain().copied()) else {
        return Err(NotGiven::NoFaucet);
    };
    let recipient = typed::address(recipient, domain.hrp).map_err(NotGiven::Recipient)?;
    let funding = handle.chain().funding().unwrap_or(Funding::USUAL);
    let _turn = TURN.lock().await;
    let payer = handle.faucet_node().unwrap_or(handle);
    let Giver { nonce, index, sender, .. } = giver(payer, funding).await?;
    let draft = Draft { sender, recipient, amount: GIFT, fee: 0, nonce, memo: None };
    let unsigned = draft.write(&domain).expect("a gift is a payment");
    let signature = key(index).sign(&unsigned.id().0).expect("the system gives random bytes");
    let text = unsigned.signed(&signature).into_bytes();
    let mut paid = payer.pay(vec![text.clone()], None).await?;
    let (id, _) = paid.pop().expect("one answer for one payment")?;
    if handle.faucet_node().is_some() {
        // The other node relays it anyway; handed in here too, a client finds it at once.
        handle.pay(vec![text], None).await?;
    }
    Ok((id, GIFT))
}

/// An account that can give next; they sort in the order of preference.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Giver {
    /// How many of its payments wait.
    waiting: usize,
    index: u32,
    sender: Address,
    /// The nonce of its next payment.
    nonce: u64,
}

/// Finds the account with the fewest pending payments among those that can pay another gift.
async fn giver(payer: &Handle, funding: Funding) -> Result<Giver, NotGiven> {
    // 16 payments of each can wait for a block, together enough for a class.
    let accounts = || funding.givers();
    // At one moment, so that no payment counts as both pending and mined, or as neither.
    let senders = accounts().map(|(_, sender)| sender).collect();
    let (pending, snapshot) = payer.pending_of(senders).await?;
    let mut givers = Vec::new();
    for ((index, sender), pending) in accounts().zip(pending) {
        let PendingOf { payments: waiting, cost } = pending;
        let Account { balance, nonce } = snapshot.account(&sender)?;
        if balance.saturating_sub(cost) >= GIFT {
            givers.push(Giver { waiting, index, sender, nonce: nonce + waiting as u64 });
        }
    }
    let empty = || {
        let indexes = || accounts().map(|(index, _)| index);
        NotGiven::Empty {
            first: indexes().min().unwrap_or_default(),
            last: indexes().max().unwrap_or_default(),
        }
    };
    givers.into_iter().min().ok_or_else(empty)
}

fn key(index: u32) -> keys::SigningKey {
    let phrase = Phrase::parse(dev::PHRASE).expect("the words are some");
    let account = keys::Account::new(&phrase.seed(""), 0).expect("the dev account is one");
    account.key(index).expect("the dev keys are some")
}

impl From<QueryError> for NotGiven {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Stopped(stopped) => Self::Stopped(stopped),
            QueryError::Store(error) => Self::Store(error),
        }
    }
}
