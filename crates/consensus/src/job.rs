//! The job of a search, which miner and validator share: prefix, suffix and target.
//!
//! A proof is valid when SHA-256(prefix ‖ proof ‖ suffix), read as a big-endian 256-bit number, is
//! at most the target. Rule sets differ only in the prefix, the suffix and the source of the
//! target.

use alloc::borrow::Cow;
use core::fmt;
use core::str::FromStr;

use ethnum::U256;
use sha2::{Digest, Sha256};

use crate::hash::{BadHash, Hash};

/// The largest digest that is valid, as a 256-bit number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target(pub U256);

/// The hex digits of a digest, and so the most zeros that a target can ask for.
pub const MAX_ZEROS: u8 = 64;

impl Target {
    /// The target that every digest meets.
    pub const EASIEST: Self = Self(U256::MAX);

    /// The target that asks for `zeros` leading zero hex digits; more than [`MAX_ZEROS`] count as
    /// [`MAX_ZEROS`].
    pub fn from_zeros(zeros: u8) -> Self {
        let bits = 4 * u32::from(zeros.min(MAX_ZEROS));
        Self(U256::MAX.checked_shr(bits).unwrap_or(U256::ZERO))
    }

    /// The number of zero digits, when the target is exactly that: `0x0000ffff…ff` is 4.
    pub fn zeros(&self) -> Option<u8> {
        let zeros = (self.0.leading_zeros() / 4) as u8;
        (*self == Self::from_zeros(zeros)).then_some(zeros)
    }

    /// Whether `digest`, read as a big-endian number, is at most the target.
    pub fn is_met_by(&self, digest: &Hash) -> bool {
        U256::from_be_bytes(digest.0) <= self.0
    }

    /// How many tries a proof takes on average, 2^256 / (target + 1): the work that it stands for.
    /// The easiest target counts 1, and so does everything above half of the range.
    pub fn work(&self) -> U256 {
        // 2^256 does not fit; 2^256 / (t + 1) == (2^256 - 1 - t) / (t + 1) + 1 == !t / (t + 1) + 1.
        match self.0.checked_add(U256::ONE) {
            Some(next) => (!self.0 / next).saturating_add(U256::ONE),
            None => U256::ONE,
        }
    }

    /// The 32 bytes, most significant first.
    pub fn to_be_bytes(&self) -> [u8; 32] {
        self.0.to_be_bytes()
    }
}

/// 64 lower-case hex digits.
impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&Hash(self.to_be_bytes()), f)
    }
}

/// From 64 lower-case hex digits.
impl FromStr for Target {
    type Err = BadHash;

    fn from_str(text: &str) -> Result<Self, BadHash> {
        text.parse().map(|Hash(bytes)| Self(U256::from_be_bytes(bytes)))
    }
}

/// The condition that a proof must satisfy on top of a certain block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Job<'a> {
    /// The bytes that are hashed before the proof.
    pub prefix: Cow<'a, [u8]>,
    /// The bytes that are hashed after the proof.
    pub suffix: Cow<'a, [u8]>,
    /// The largest digest that is valid.
    pub target: Target,
}

impl Job<'_> {
    /// SHA-256(prefix ‖ proof ‖ suffix), where `proof` is the text that Python's `str()` gives.
    pub fn digest(&self, proof: impl AsRef<[u8]>) -> Hash {
        let mut hasher = Sha256::new();
        hasher.update(&self.prefix);
        hasher.update(proof);
        hasher.update(&self.suffix);
        Hash(hasher.finalize().into())
    }

    /// Whether `proof`, as the text that Python's `str()` gives, is valid here.
    pub fn accepts(&self, proof: impl AsRef<[u8]>) -> bool {
        self.target.is_met_by(&self.digest(proof))
    }

    /// The same job, independent of what it borrowed from.
    pub fn into_owned(self) -> Job<'static> {
        Job {
            prefix: Cow::Owned(self.prefix.into_owned()),
            suffix: Cow::Owned(self.suffix.into_owned()),
            target: self.target,
        }
    }
}
