//! People who sign, with keys that everybody knows.

#![allow(dead_code, reason = "each test takes what it needs of it")]

use blocksmith_consensus::Hash;
use blocksmith_consensus::address::{Address, Hrp};
use blocksmith_consensus::payment::{Domain, Draft, Payment};
use secp256k1::{Keypair, schnorr};

/// The domain of `tests/vectors/forge.json`.
pub(crate) fn forge() -> Domain {
    Domain {
        chain_id: Hash::of("a chain for vectors"),
        hrp: Hrp::new("forge").expect("lower-case letters"),
    }
}

#[derive(Clone)]
pub(crate) struct Signer {
    keys: Keypair,
    pub(crate) address: Address,
}

impl Signer {
    /// The one with this secret key.
    pub(crate) fn new(secret: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[24..].copy_from_slice(&secret.to_be_bytes());
        let keys = Keypair::from_secret_bytes(bytes).expect("a secret key");
        let key = keys.x_only_public_key().0.to_byte_array();
        Self { keys, address: Address::from_key(key).expect("a point") }
    }

    pub(crate) fn alice() -> Self {
        Self::new(0xa11ce)
    }

    pub(crate) fn bob() -> Self {
        Self::new(0xb0b)
    }

    pub(crate) fn sign(&self, hash: Hash) -> [u8; 64] {
        schnorr::sign_no_aux_rand(&hash.0, &self.keys).to_byte_array()
    }

    /// What this signer wants to pay.
    pub(crate) fn draft(&self, to: Address, amount: u64, fee: u64, nonce: u64) -> Draft<'static> {
        Draft { sender: self.address, recipient: to, amount, fee, nonce, memo: None }
    }

    /// The text of `draft` with this signer's signature.
    pub(crate) fn signed(&self, draft: &Draft<'_>, domain: &Domain) -> String {
        let unsigned = draft.write(domain).expect("a payment");
        unsigned.signed(&self.sign(unsigned.id()))
    }

    /// `draft` with this signer's signature.
    pub(crate) fn pay(&self, draft: &Draft<'_>, domain: &Domain) -> Payment {
        Payment::parse(self.signed(draft, domain).as_bytes(), domain).expect("a payment")
    }
}
