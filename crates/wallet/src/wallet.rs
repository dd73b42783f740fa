//! A wallet: its words, the addresses that it handed out, and their signatures.

use blocksmith_consensus::Hash;
use blocksmith_consensus::address::{Address, Hrp};
use blocksmith_consensus::payment::{BadTransaction, Domain, Draft, Payment, Verified};

use crate::dev::is_dev_key;
use crate::keys::{Account, DeriveError, SignError, SigningKey};
use crate::keystore::{
    Contents, Damage, KnownChain, MAX_ADDRESSES, MAX_CHAINS, MAX_LABEL_BYTES, OpenError,
};
use crate::words::{MAX_PASSPHRASE_BYTES, Phrase, nfkd};

/// An address that the wallet handed out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The last step of its path, counted from 0.
    pub index: u32,
    /// The owner's label for it; may be empty.
    pub label: &'a str,
    /// The address.
    pub address: Address,
}

/// The reason why a wallet can't be made or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WalletError {
    /// The passphrase is longer than [`MAX_PASSPHRASE_BYTES`].
    #[error("a passphrase can have at most {MAX_PASSPHRASE_BYTES} bytes, not {0}")]
    Passphrase(usize),
    /// The label is longer than [`MAX_LABEL_BYTES`].
    #[error("a label can have at most {MAX_LABEL_BYTES} bytes, not {0}")]
    Label(usize),
    /// The label has a line end or another control character.
    #[error("a label must be one line of text, without {0:?}")]
    Control(char),
    /// The wallet has [`MAX_ADDRESSES`] addresses.
    #[error("a wallet can have at most {MAX_ADDRESSES} addresses")]
    Full,
    /// A key can't be derived, which happens once in 2^127 times.
    #[error(transparent)]
    Derive(#[from] DeriveError),
}

/// Whether a chain takes the dev keys, which are public ([`crate::dev`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DevKeys {
    /// They neither pay nor are paid, as on every chain but a dev chain.
    Refused,
    /// They are as good as others, as on a chain that begins anew each time.
    Allowed,
}

impl DevKeys {
    /// Whether the address may pay and be paid.
    ///
    /// # Errors
    /// Returns [`PayError::DevKey`] if its key is public and the chain refuses that.
    pub fn check(self, address: &Address, hrp: Hrp) -> Result<(), PayError> {
        if self == Self::Refused && is_dev_key(address) {
            return Err(PayError::DevKey { address: address.to_text(hrp) });
        }
        Ok(())
    }
}

/// The reason why a payment is not signed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PayError {
    /// The wallet did not hand out the sender's address.
    #[error("this wallet has no address {sender}")]
    NotOurs {
        /// The address, as the chain writes it.
        sender: String,
    },
    /// The secret key of the sender or the recipient is public, so anyone could take the coins.
    #[error("the secret key of {address} is public: use this address on a dev chain only")]
    DevKey {
        /// The address, as the chain writes it.
        address: String,
    },
    /// No payment has such an amount, fee, nonce or memo.
    #[error(transparent)]
    Draft(#[from] BadTransaction),
    /// Signing failed.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// A key can't be derived, which happens once in 2^127 times.
    #[error(transparent)]
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
    /// Creates the wallet of `phrase`, new or restored, with one address. A passphrase (BIP-39)
    /// makes it another wallet; the file keeps it with the words, so that opening asks for the
    /// file's password alone, but restoring needs both.
    ///
    /// Restoring brings back all coins and no labels: add addresses until the coins are found.
    ///
    /// # Errors
    /// Fails if the passphrase is very long.
    pub fn new(phrase: Phrase, passphrase: &str) -> Result<Self, WalletError> {
        let passphrase = nfkd(passphrase);
        if passphrase.len() > MAX_PASSPHRASE_BYTES {
            return Err(WalletError::Passphrase(passphrase.len()));
        }
        let mut wallet = Self {
            account: Account::new(&phrase.seed(&passphrase), 0)?,
            contents: Contents { phrase, passphrase, labels: Vec::new(), chains: Vec::new() },
            addresses: Vec::new(),
        };
        wallet.add_address("")?;
        Ok(wallet)
    }

    /// Creates the wallet from a file's contents. Contents that no wallet would have written count
    /// as damaged.
    pub(crate) fn from_contents(contents: Contents) -> Result<Self, OpenError> {
        let damaged = || OpenError::Damaged(Damage::Contents);
        let Contents { phrase, passphrase, labels, chains } = contents;
        let mut wallet = Self::new(phrase, &passphrase).map_err(|_| damaged())?;
        let (first, more) = labels.split_first().ok_or_else(damaged)?;
        wallet.set_label(0, first).map_err(|_| damaged())?;
        for label in more {
            wallet.add_address(label).map_err(|_| damaged())?;
        }
        for KnownChain { id, name } in chains {
            wallet.remember_chain(id, &name).map_err(|_| damaged())?;
        }
        Ok(wallet)
    }

    pub(crate) fn contents(&self) -> &Contents {
        &self.contents
    }

    /// The words, for the owner to write down.
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

    /// Hands out the next address. Save the wallet before you tell anyone the address.
    ///
    /// # Errors
    /// Fails if the label is long or has several lines; returns [`WalletError::Full`] if there are
    /// too many addresses.
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

    /// Gives the address at `index` another label.
    ///
    /// # Errors
    /// Fails if the label is long or has several lines.
    ///
    /// # Panics
    /// Panics if no address with this index was handed out.
    pub fn set_label(&mut self, index: u32, label: &str) -> Result<(), WalletError> {
        check_label(label)?;
        self.contents.labels[index as usize] = label.to_owned();
        Ok(())
    }

    /// The name of the chain with this id when the owner agreed to pay on it.
    pub fn chain_name(&self, id: &Hash) -> Option<&str> {
        let chain = self.contents.chains.iter().find(|chain| chain.id == *id)?;
        Some(&chain.name)
    }

    /// The chains that [`Wallet::remember_chain`] added, the oldest first.
    pub fn chains(&self) -> &[KnownChain] {
        &self.contents.chains
    }

    /// Remembers that the owner agreed to pay on a chain; if there are [`MAX_CHAINS`], it replaces
    /// the oldest.
    ///
    /// # Errors
    /// Fails if the name is long or has several lines.
    pub fn remember_chain(&mut self, id: Hash, name: &str) -> Result<(), WalletError> {
        check_label(name)?;
        let chains = &mut self.contents.chains;
        chains.retain(|chain| chain.id != id);
        if chains.len() == MAX_CHAINS {
            chains.remove(0);
        }
        chains.push(KnownChain { id, name: name.to_owned() });
        Ok(())
    }

    /// Signs a payment, with the system's randomness. The wallet asks no network: the caller
    /// chooses nonce and fee, and checks the sender's balance.
    ///
    /// # Errors
    /// Fails if the sender is not this wallet's, for a dev key where they are refused, if no
    /// payment can have these contents, and on a machine without randomness or with a fault.
    pub fn sign(
        &self,
        draft: &Draft<'_>,
        domain: &Domain,
        dev_keys: DevKeys,
    ) -> Result<Verified, PayError> {
        self.pay(draft, domain, dev_keys, SigningKey::sign)
    }

    /// Signs a payment with the given auxiliary randomness of BIP-340: the same text every time.
    ///
    /// # Errors
    /// Fails as [`Wallet::sign`].
    pub fn sign_with(
        &self,
        draft: &Draft<'_>,
        domain: &Domain,
        dev_keys: DevKeys,
        aux_rand: &[u8; 32],
    ) -> Result<Verified, PayError> {
        self.pay(draft, domain, dev_keys, |key, hash| key.sign_with(hash, aux_rand))
    }

    fn pay(
        &self,
        draft: &Draft<'_>,
        domain: &Domain,
        dev_keys: DevKeys,
        sign: impl FnOnce(&SigningKey, &[u8; 32]) -> Result<[u8; 64], SignError>,
    ) -> Result<Verified, PayError> {
        for address in [draft.sender, draft.recipient] {
            dev_keys.check(&address, domain.hrp)?;
        }
        let Some(index) = self.addresses.iter().position(|own| *own == draft.sender) else {
            return Err(PayError::NotOurs { sender: draft.sender.to_text(domain.hrp) });
        };
        let unsigned = draft.write(domain)?;
        let signature = sign(&self.account.key(index as u32)?, &unsigned.id().0)?;
        // The wallet reads the text as a node will, so that it only returns a valid payment.
        let payment = Payment::parse(unsigned.signed(&signature).as_bytes(), domain)?;
        payment.verify().map_err(|_| PayError::Sign(SignError::Faulty))
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
