//! A SHA-256 digest and its lower-case hexadecimal text.

use core::fmt;
use core::str::FromStr;

use sha2::{Digest, Sha256};

/// A SHA-256 digest: 32 bytes, written as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Hash(pub [u8; 32]);

/// The text is not 64 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a hash has 64 lower-case hex digits")]
pub struct BadHash;

impl Hash {
    /// SHA-256 of `bytes`.
    pub fn of(bytes: impl AsRef<[u8]>) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 64 hex digits, as ASCII.
    pub fn hex(&self) -> [u8; 64] {
        // The digits are computed instead of looked up, which compiles to a few vector
        // instructions.
        let digit = |value: u8| value + if value < 10 { b'0' } else { b'a' - 10 };
        let mut out = [0; 64];
        for (pair, byte) in out.chunks_exact_mut(2).zip(self.0) {
            pair[0] = digit(byte >> 4);
            pair[1] = digit(byte & 15);
        }
        out
    }
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(core::str::from_utf8(&self.hex()).unwrap_or_default())
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The value of a byte that is not a lower-case hex digit.
const NO_DIGIT: u8 = 0x80;

/// The value of each byte as a lower-case hex digit.
const DIGITS: [u8; 256] = {
    let mut digits = [NO_DIGIT; 256];
    let mut value = 0;
    while value < 16 {
        digits[b"0123456789abcdef"[value] as usize] = value as u8;
        value += 1;
    }
    digits
};

impl FromStr for Hash {
    type Err = BadHash;

    fn from_str(text: &str) -> Result<Self, BadHash> {
        let bytes: &[u8; 64] = text.as_bytes().try_into().map_err(|_| BadHash)?;
        let mut hash = [0; 32];
        // No branch for each digit, since payments have many: a check at the end finds a wrong one.
        let mut all = 0;
        for (byte, pair) in hash.iter_mut().zip(bytes.as_chunks::<2>().0) {
            let [high, low] = pair.map(|digit| DIGITS[usize::from(digit)]);
            all |= high | low;
            *byte = high << 4 | low & 0x0f;
        }
        if all & NO_DIGIT == 0 { Ok(Self(hash)) } else { Err(BadHash) }
    }
}

/// SHA-256(SHA-256(tag) ‖ SHA-256(tag) ‖ message), as BIP-340 defines it.
pub fn tagged_hash(tag: &str, message: &[u8]) -> Hash {
    tagged_hash_of(tag, [message])
}

/// As [`tagged_hash`], of a message in parts.
pub(crate) fn tagged_hash_of<const N: usize>(tag: &str, message: [&[u8]; N]) -> Hash {
    let tag = Sha256::digest(tag);
    let tagged = Sha256::new().chain_update(tag).chain_update(tag);
    Hash(message.into_iter().fold(tagged, Digest::chain_update).finalize().into())
}
