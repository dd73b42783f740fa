//! Coins for whoever asks, on a chain to try things on: paid by the last of the accounts that
//! everybody has.

use blocksmith_consensus::Hash;
use blocksmith_consensus::address::{Address, BadAddress};
use blocksmith_consensus::ledger::{Account, Accounts as _};
use blocksmith_consensus::payment::{Draft, UNITS_PER_COIN};
use blocksmith_wallet::keys;
use blocksmith_wallet::{Phrase, dev};

use crate::service::{Handle, NotPaid, Stopped, StoreError};

/// What is given at a time, in units.
pub const GIFT: u64 = 10 * UNITS_PER_COIN;

/// The index of the account that gives.
pub const GIVER: u32 = 9;

/// Why nothing is given.
#[derive(Debug, thiserror::Error)]
pub enum NotGiven {
    /// The chain is not one to try things on.
    #[error("this node has no faucet; the nodes of blocksmith dev have one")]
    NoFaucet,
    /// Nobody can be paid under that name.
    #[error("the recipient is an address of this chain: {0}")]
    Recipient(BadAddress),
    /// The account that gives has too little, or the chain gives it nothing.
    #[error("the faucet is empty; dev account 9 fills it, or a new network")]
    Empty,
    /// The node has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// The accounts can't be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The payment is not taken in.
    #[error(transparent)]
    NotPaid(#[from] NotPaid),
}

/// Pays [`GIFT`] to `recipient`: the payment's id and the amount. One at a time.
///
/// # Errors
/// Why nothing is given.
pub async fn give(handle: &Handle, recipient: &str) -> Result<(Hash, u64), NotGiven> {
    let (true, Some(domain)) = (handle.is_dev(), handle.domain().copied()) else {
        return Err(NotGiven::NoFaucet);
    };
    let recipient = Address::parse(recipient, domain.hrp).map_err(NotGiven::Recipient)?;
    let key = giver();
    let sender = key.address();
    let next = handle.look(move |machine| machine.mempool()?.next_nonce(&sender)).await?;
    let Account { balance, nonce } = handle.snapshot()?.account(&sender)?;
    if balance < GIFT {
        return Err(NotGiven::Empty);
    }
    let nonce = next.map_or(nonce, |next| next.max(nonce));
    let draft = Draft { sender, recipient, amount: GIFT, fee: 0, nonce, memo: None };
    let unsigned = draft.write(&domain).expect("a gift is a payment");
    let signature = key.sign(&unsigned.id().0).expect("the system gives random bytes");
    let text = unsigned.signed(&signature).into_bytes();
    let mut paid = handle.pay(vec![text], None).await?;
    let (id, _) = paid.pop().expect("one answer for one payment")?;
    Ok((id, GIFT))
}

fn giver() -> keys::SigningKey {
    let phrase = Phrase::parse(dev::PHRASE).expect("the words are some");
    let account = keys::Account::new(&phrase.seed(""), 0).expect("the dev account is one");
    account.key(GIVER).expect("the dev keys are some")
}
