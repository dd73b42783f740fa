//! Keys: BIP-32 derivation, BIP-340 signatures.
//!
//! The key of an address is at `m/86'/1'/account'/0/index`. Purpose 86 is BIP-86's, for keys that
//! sign with BIP-340; 1 is SLIP-44's coin type for test networks of all kinds. BIP-86 tweaks the
//! derived key for Bitcoin's taproot, which this chain lacks, so the key is used as it is derived.

use bip32::{ChildNumber, ExtendedPrivateKey};
use blocksmith_consensus::address::Address;
use secp256k1::{Keypair, PublicKey, Scalar, SecretKey, XOnlyPublicKey, schnorr};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::words::Seed;

/// The first two steps of every path.
const PURPOSE: u32 = 86;
const COIN_TYPE: u32 = 1;

/// Accounts and indexes count from 0 up to here: BIP-32 keeps the upper half for hardened steps.
pub const MAX_INDEX: u32 = (1 << 31) - 1;

/// The reason why a key can't be derived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DeriveError {
    /// The index is above [`MAX_INDEX`].
    #[error("accounts and indexes go up to {MAX_INDEX}, not to {0}")]
    Index(u32),
    /// One in 2^127 seeds and indexes has no key (BIP-32). Take the next.
    #[error("there is no key at this path: take the next index")]
    NoKey,
}

/// The reason why a hash is not signed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignError {
    /// The system gives no randomness.
    #[error("the operating system gives no random bytes: {0}")]
    Randomness(getrandom::Error),
    /// The signature was wrong and is not returned: a faulty machine's signature can reveal its
    /// key.
    #[error("this machine computed a wrong signature: do not sign on it")]
    Faulty,
}

/// A private key: a number from 1 to the curve's order less 1.
///
/// It is not `Clone`, and is wiped when dropped.
pub struct SigningKey(Zeroizing<[u8; 32]>);

hide!(SigningKey);

impl ZeroizeOnDrop for SigningKey {}

impl SigningKey {
    /// The key of 32 big-endian bytes; `None` for 0 and for the curve's order and above.
    pub fn from_bytes(bytes: &[u8; 32]) -> Option<Self> {
        SecretKey::from_secret_bytes(*bytes).ok()?.non_secure_erase();
        Some(Self(Zeroizing::new(*bytes)))
    }

    /// Lends libsecp256k1's form of the key, and wipes it.
    fn with_keypair<T>(&self, use_it: impl FnOnce(&Keypair) -> T) -> T {
        let mut pair = Keypair::from_secret_bytes(*self.0).expect("checked when it was made");
        let answer = use_it(&pair);
        pair.non_secure_erase();
        answer
    }

    /// The address that this key signs for.
    pub fn address(&self) -> Address {
        Address::from_key(self.with_keypair(|pair| pair.x_only_public_key().0.to_byte_array()))
            .expect("a public key is on the curve")
    }

    /// BIP-340's signature of `hash`, with 32 bytes of the system's randomness, which guards
    /// against side-channel attacks.
    pub fn sign(&self, hash: &[u8; 32]) -> Result<[u8; 64], SignError> {
        let mut aux_rand = [0; 32];
        getrandom::fill(&mut aux_rand).map_err(SignError::Randomness)?;
        self.sign_with(hash, &aux_rand)
    }

    /// BIP-340's signature of `hash` with the given auxiliary randomness. Any bytes are safe, even
    /// the same ones again. The signature is verified before it is returned.
    pub fn sign_with(&self, hash: &[u8; 32], aux_rand: &[u8; 32]) -> Result<[u8; 64], SignError> {
        self.with_keypair(|pair| {
            let signature = schnorr::sign_with_aux_rand(hash, pair, aux_rand);
            checked(signature, hash, &pair.x_only_public_key().0)
        })
    }
}

/// The signature, if it is right.
fn checked(
    signature: schnorr::Signature,
    hash: &[u8; 32],
    key: &XOnlyPublicKey,
) -> Result<[u8; 64], SignError> {
    match signature.verify(hash, key) {
        Ok(()) => Ok(signature.to_byte_array()),
        Err(_) => Err(SignError::Faulty),
    }
}

/// With this, keys that BIP-32 derives are wiped as well. The library's own `SecretKey` is not.
impl bip32::PrivateKey for SigningKey {
    type PublicKey = PublicKey;

    fn from_bytes(bytes: &[u8; 32]) -> bip32::Result<Self> {
        Self::from_bytes(bytes).ok_or(bip32::Error::Crypto)
    }

    fn to_bytes(&self) -> [u8; 32] {
        *self.0
    }

    fn derive_child(&self, mut tweak: [u8; 32]) -> bip32::Result<Self> {
        let scalar = Scalar::from_be_bytes(tweak).map_err(|_| bip32::Error::Crypto)?;
        tweak.zeroize();
        let parent = SecretKey::from_secret_bytes(*self.0).map_err(|_| bip32::Error::Crypto)?;
        // This takes the parent by value and does not wipe it: the copy is on this stack, as it was
        // before.
        let mut child = parent.add_tweak(&scalar).map_err(|_| bip32::Error::Crypto)?;
        let key = Self(Zeroizing::new(child.to_secret_bytes()));
        child.non_secure_erase();
        Ok(key)
    }

    fn public_key(&self) -> PublicKey {
        self.with_keypair(Keypair::public_key)
    }
}

/// The keys of one account, `m/86'/1'/account'/0`.
pub struct Account(ExtendedPrivateKey<SigningKey>);

hide!(Account);

impl Account {
    /// The keys of account `account` under `seed`.
    pub fn new(seed: &Seed, account: u32) -> Result<Self, DeriveError> {
        let account = hardened(account)?;
        derive(seed.as_bytes(), &[hardened(PURPOSE)?, hardened(COIN_TYPE)?, account, plain(0)?])
            .map(Self)
    }

    /// The key at `index`.
    pub fn key(&self, index: u32) -> Result<SigningKey, DeriveError> {
        let child = self.0.derive_child(plain(index)?).map_err(|_| DeriveError::NoKey)?;
        Ok(SigningKey(Zeroizing::new(*child.private_key().0)))
    }
}

fn plain(index: u32) -> Result<ChildNumber, DeriveError> {
    ChildNumber::new(index, false).map_err(|_| DeriveError::Index(index))
}

fn hardened(index: u32) -> Result<ChildNumber, DeriveError> {
    ChildNumber::new(index, true).map_err(|_| DeriveError::Index(index))
}

/// The extended key at `path` under `seed`, which has 16, 32 or 64 bytes.
fn derive(
    seed: &[u8],
    path: &[ChildNumber],
) -> Result<ExtendedPrivateKey<SigningKey>, DeriveError> {
    let root = ExtendedPrivateKey::new(seed).map_err(|_| DeriveError::NoKey)?;
    path.iter().try_fold(root, |key, step| key.derive_child(*step)).map_err(|_| DeriveError::NoKey)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bip32::{DerivationPath, ExtendedKey, Prefix, PrivateKey};
    use serde_json::Value;

    /// BIP-32's test vectors, with the reasons that it gives.
    fn vectors() -> Value {
        serde_json::from_str(include_str!("../../../tests/vectors/bip32.json")).expect("JSON")
    }

    fn text(value: &Value) -> &str {
        value.as_str().expect("a string")
    }

    fn unhex(hex: &str) -> Vec<u8> {
        (0..hex.len())
            .step_by(2)
            .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits"))
            .collect()
    }

    #[test]
    fn every_path_of_bip_32_leads_to_its_key() {
        let mut seen = 0;
        for case in vectors()["valid"].as_array().expect("cases") {
            let seed = unhex(text(&case["seed"]));
            for row in case["chains"].as_array().expect("chains") {
                let path: DerivationPath = text(&row["path"]).parse().expect("a path");
                let key = derive(&seed, path.as_ref()).expect("a key");
                assert_eq!(*key.to_string(Prefix::XPRV), text(&row["prv"]), "{}", row["path"]);
                let public = key.public_key().to_string(Prefix::XPUB);
                assert_eq!(public, text(&row["pub"]), "{}", row["path"]);
                seen += 1;
            }
        }
        assert_eq!(seen, 17);
    }

    #[test]
    fn the_seeds_of_bip_39_have_its_master_keys() {
        let file = include_str!("../../../tests/vectors/bip39.json");
        let file: Value = serde_json::from_str(file).expect("JSON");
        for case in file["vectors"].as_array().expect("cases") {
            let key = derive(&unhex(text(&case["seed"])), &[]).expect("a key");
            assert_eq!(*key.to_string(Prefix::XPRV), text(&case["xprv"]));
        }
    }

    /// The wallet reads no extended keys, so of BIP-32's invalid ones only those with an invalid
    /// key matter.
    #[test]
    fn the_numbers_that_bip_32_refuses_are_no_keys() {
        let mut seen = Vec::new();
        for case in vectors()["invalid"].as_array().expect("cases") {
            let reason = text(&case["reason"]);
            let about_the_number =
                reason.starts_with("private key ") || reason.starts_with("invalid pubkey 020");
            if !about_the_number {
                continue;
            }
            let read: ExtendedKey = text(&case["key"]).parse().expect("well-formed");
            let key: [u8; 32] = read.key_bytes[1..].try_into().expect("32 bytes");
            match read.key_bytes[0] {
                0 => assert!(<SigningKey as PrivateKey>::from_bytes(&key).is_err(), "{reason}"),
                _ => assert!(Address::from_key(key).is_err(), "{reason}"),
            }
            seen.push(reason.to_owned());
        }
        assert_eq!(seen.len(), 3, "{seen:?}");
    }

    #[test]
    fn a_child_that_would_be_zero_or_too_large_is_no_key() {
        let mut largest = secp256k1::constants::CURVE_ORDER;
        largest[31] -= 1;
        let key = SigningKey::from_bytes(&largest).expect("the largest key");
        let mut one = [0; 32];
        one[31] = 1;
        assert!(key.derive_child(one).is_err());
        assert!(key.derive_child(secp256k1::constants::CURVE_ORDER).is_err());
        one[31] = 2;
        assert_eq!(key.derive_child(one).expect("1").to_bytes()[31], 1);
    }

    #[test]
    fn a_wrong_signature_is_withheld() {
        let key = SigningKey::from_bytes(&[7; 32]).expect("a key");
        key.with_keypair(|pair| {
            let signature = schnorr::sign_with_aux_rand(&[1; 32], pair, &[0; 32]);
            let public = pair.x_only_public_key().0;
            assert_eq!(checked(signature, &[1; 32], &public), Ok(signature.to_byte_array()));
            assert_eq!(checked(signature, &[2; 32], &public), Err(SignError::Faulty));
        });
    }

    #[test]
    fn no_account_and_no_index_is_above_bip_32s_half() {
        let seed = Seed::from_bytes([1; 64]);
        assert_eq!(
            Account::new(&seed, MAX_INDEX + 1).err(),
            Some(DeriveError::Index(MAX_INDEX + 1))
        );
        let account = Account::new(&seed, MAX_INDEX).expect("the last account");
        assert!(account.key(MAX_INDEX).is_ok());
        assert_eq!(account.key(u32::MAX).err(), Some(DeriveError::Index(u32::MAX)));
    }
}
