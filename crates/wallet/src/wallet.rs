//! A wallet: words, the addresses that were handed out, and what they sign.

use blocksmith_consensus::address::Address;

use crate::keys::{Account, DeriveError, SigningKey};
use crate::keystore::{Contents, MAX_ADDRESSES, MAX_LABEL_BYTES, OpenError};
use crate::words::{MAX_PASSPHRASE_BYTES, Phrase, nfkd};

/// An address that the wallet handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The last step of its path, counted from 0.
    pub index: u32,
    /// What the owner calls it; may be empty.
    pub label: &'a str,
    /// The address.
    pub address: Address,
}

/// Why a wallet cannot be made or changed like that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WalletError {
    /// Longer than [`MAX_PASSPHRASE_BYTES`].
    #[error("a passphrase has at most {MAX_PASSPHRASE_BYTES} bytes, not {0}")]
    Passphrase(usize),
    /// Longer than [`MAX_LABEL_BYTES`].
    #[error("a label has at most {MAX_LABEL_BYTES} bytes, not {0}")]
    Label(usize),
    /// A line's end or another control character.
    #[error("a label is one line of text, without {0:?}")]
    Control(char),
    /// As many as [`MAX_ADDRESSES`].
    #[error("a wallet has at most {MAX_ADDRESSES} addresses")]
    Full,
    /// One in 2^127.
    #[error("{0}")]
    Derive(#[from] DeriveError),
}

/// The keys of account 0 under a phrase, and its addresses, of which there is at least one.
pub struct Wallet {
    contents: Contents,
    account: Account,
    addresses: Vec<Address>,
}

hide!(Wallet);

impl Wallet {
    /// The wallet of `phrase`, new or restored, with one address. A passphrase (BIP-39) makes it
    /// another wallet; it is kept in the file with the words, so that opening asks for the file's
    /// password alone, and restoring needs both.
    ///
    /// Restoring brings back all coins and no labels: add addresses until the coins are found.
    ///
    /// # Errors
    /// A very long passphrase.
    pub fn new(phrase: Phrase, passphrase: &str) -> Result<Self, WalletError> {
        let passphrase = nfkd(passphrase);
        if passphrase.len() > MAX_PASSPHRASE_BYTES {
            return Err(WalletError::Passphrase(passphrase.len()));
        }
        let mut wallet = Self {
            account: Account::new(&phrase.seed(&passphrase), 0)?,
            contents: Contents { phrase, passphrase, labels: Vec::new() },
            addresses: Vec::new(),
        };
        wallet.add_address("")?;
        Ok(wallet)
    }

    /// The wallet that a file keeps. What no wallet would have written counts as damaged.
    pub(crate) fn from_contents(contents: Contents) -> Result<Self, OpenError> {
        let Contents { phrase, passphrase, labels } = contents;
        let mut wallet = Self::new(phrase, &passphrase).map_err(|_| OpenError::Damaged)?;
        let (first, more) = labels.split_first().ok_or(OpenError::Damaged)?;
        wallet.set_label(0, first).map_err(|_| OpenError::Damaged)?;
        for label in more {
            wallet.add_address(label).map_err(|_| OpenError::Damaged)?;
        }
        Ok(wallet)
    }

    pub(crate) fn contents(&self) -> &Contents {
        &self.contents
    }

    /// The words, to be written down.
    pub fn phrase(&self) -> &Phrase {
        &self.contents.phrase
    }

    /// The passphrase that restoring needs besides the words; mostly empty.
    pub fn passphrase(&self) -> &str {
        &self.contents.passphrase
    }

    /// The addresses that were handed out, in the order of their indexes from 0.
    pub fn addresses(&self) -> impl Iterator<Item = Entry<'_>> {
        (0..)
            .zip(&self.contents.labels)
            .zip(&self.addresses)
            .map(|((index, label), address)| Entry { index, label, address: *address })
    }

    /// Hands out the next address. Save the wallet before anybody is told.
    ///
    /// # Errors
    /// A long label or one of several lines; [`WalletError::Full`].
    pub fn add_address(&mut self, label: &str) -> Result<Address, WalletError> {
        check_label(label)?;
        if self.addresses.len() == MAX_ADDRESSES {
            return Err(WalletError::Full);
        }
        let address = self.account.key(self.addresses.len() as u32)?.address();
        self.contents.labels.push(label.to_owned());
        self.addresses.push(address);
        Ok(address)
    }

    /// Calls the address at `index` otherwise.
    ///
    /// # Errors
    /// A long label or one of several lines.
    ///
    /// # Panics
    /// If no address with this index was handed out.
    pub fn set_label(&mut self, index: u32, label: &str) -> Result<(), WalletError> {
        check_label(label)?;
        self.contents.labels[index as usize] = label.to_owned();
        Ok(())
    }

    /// The key of `address`, if the wallet handed it out.
    pub fn key_of(&self, address: &Address) -> Option<SigningKey> {
        let index = self.addresses.iter().position(|own| own == address)?;
        self.account.key(index as u32).ok()
    }
}

fn check_label(label: &str) -> Result<(), WalletError> {
    if label.len() > MAX_LABEL_BYTES {
        return Err(WalletError::Label(label.len()));
    }
    match label.chars().find(|char| char.is_control()) {
        Some(control) => Err(WalletError::Control(control)),
        None => Ok(()),
    }
}
