//! Signers whose keys are public.

use blocksmith_consensus::Hash;
use blocksmith_consensus::address::{Address, Hrp};
use blocksmith_consensus::payment::{Domain, Draft, Payment};
use secp256k1::{Keypair, schnorr};

/// The domain of `tests/vectors/forge.json`.
pub fn forge() -> Domain {
    Domain {
        chain_id: Hash::of("a chain for vectors"),
        hrp: Hrp::new("forge").expect("lower-case letters"),
    }
}

/// A signer.
#[derive(Clone)]
pub struct Signer {
    keys: Keypair,
    /// The signer's address.
    pub address: Address,
}

impl Signer {
    /// The signer with this secret key.
    pub fn new(secret: u64) -> Self {
        let mut bytes = [0; 32];
        bytes[24..].copy_from_slice(&secret.to_be_bytes());
        let keys = Keypair::from_secret_bytes(bytes).expect("a secret key");
        let key = keys.x_only_public_key().0.to_byte_array();
        Self { keys, address: Address::from_key(key).expect("a point") }
    }

    /// Alice.
    pub fn alice() -> Self {
        Self::new(0xa11ce)
    }

    /// Bob.
    pub fn bob() -> Self {
        Self::new(0xb0b)
    }

    /// The signature of a hash.
    pub fn sign(&self, hash: Hash) -> [u8; 64] {
        schnorr::sign_no_aux_rand(&hash.0, &self.keys).to_byte_array()
    }

    /// An unsigned payment of this signer.
    pub fn draft(&self, to: Address, amount: u64, fee: u64, nonce: u64) -> Draft<'static> {
        Draft { sender: self.address, recipient: to, amount, fee, nonce, memo: None }
    }

    /// The text of `draft` with this signer's signature.
    pub fn signed(&self, draft: &Draft<'_>, domain: &Domain) -> String {
        let unsigned = draft.write(domain).expect("a payment");
        unsigned.signed(&self.sign(unsigned.id()))
    }

    /// `draft` with this signer's signature.
    pub fn pay(&self, draft: &Draft<'_>, domain: &Domain) -> Payment {
        Payment::parse(self.signed(draft, domain).as_bytes(), domain).expect("a payment")
    }
}
