//! Addresses of a sealed chain: public keys, written so that typing errors are noticed.

use alloc::string::String;
use core::fmt;
use core::ops::RangeInclusive;

use bech32::primitives::decode::CheckedHrpstring;
use bech32::{Bech32m, Fe32};
use secp256k1::XOnlyPublicKey;

use crate::hash::Hash;
use crate::limits::quote;

/// The longest human-readable part, in characters: an address is then 90 characters long, up to
/// which BIP-350's checksum finds any four wrong characters.
pub const MAX_HRP_CHARS: usize = 31;

/// Characters of a key: 256 bits by five.
const KEY_CHARS: usize = 52;

/// Characters between an address's prefix and its end: those of the key, and the checksum.
const DATA_CHARS: usize = KEY_CHARS + 6;

/// The prefix of a chain's addresses, before the `1`: the `forge` of `forge1…`.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Hrp(bech32::Hrp);

/// A text that addresses cannot start with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the prefix of addresses must be 1 to {MAX_HRP_CHARS} lower-case letters and digits, not {found:?}"
)]
pub struct BadHrp {
    /// The text, cut short when long.
    pub found: String,
}

impl Hrp {
    /// The human-readable part `text`: 1 to [`MAX_HRP_CHARS`] lower-case letters and digits. BIP-173
    /// allows more, but quotes and backslashes would have two spellings in a transaction's text.
    ///
    /// # Errors
    /// Returns [`BadHrp`], which names the text.
    pub fn new(text: &str) -> Result<Self, BadHrp> {
        let plain = text.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9'));
        if !plain || text.len() > MAX_HRP_CHARS {
            return Err(BadHrp { found: quote(text) });
        }
        bech32::Hrp::parse(text).map(Self).map_err(|_| BadHrp { found: quote(text) })
    }

    /// The text, without the `1` after it.
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }
}

impl fmt::Display for Hrp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for Hrp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

/// A BIP-340 public key: the x coordinate of a point of secp256k1, 32 bytes. An address is always a
/// valid key: it can be made only by [`Address::from_key`] and [`Address::parse`].
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address([u8; 32]);

/// The reason why a text or a key is not an address of a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadAddress {
    /// It is an address of another chain, or not an address.
    #[error("an address of this chain must start with \"{expected}1\", not with {found:?}")]
    Prefix {
        /// The chain's own prefix.
        expected: String,
        /// The text before the last `1`, or the whole text if it has none, cut short when long.
        found: String,
    },
    /// An upper-case letter: each address has one text, in lower case.
    #[error("an address must be in lower case, and character {at} of this one is {found:?}")]
    UpperCase {
        /// The first upper-case letter.
        found: char,
        /// Its position, counted from 1.
        at: usize,
    },
    /// A character that BIP-173's alphabet lacks, such as `b`, `i` and `o`.
    #[error("no address has the character {found:?}, which is character {at} of this one")]
    Character {
        /// The first such character.
        found: char,
        /// Its position, counted from 1.
        at: usize,
    },
    /// The text has too many characters, or too few.
    #[error("an address of this chain must have {expected} characters, not {found}")]
    Length {
        /// The length of an address.
        expected: usize,
        /// The length of the text.
        found: usize,
    },
    /// The checksum is wrong, or that of bech32 instead of bech32m.
    #[error("the checksum of the address does not fit: a character is wrong")]
    Checksum,
    /// 52 characters hold four bits more than a key, and they are not zero.
    #[error("the last four bits of the address must be zero")]
    Padding,
    /// No point of the curve has this x coordinate: it has no secret key.
    #[error("{key} is not a public key: the curve has no such point")]
    NotAPoint {
        /// The 32 bytes.
        key: Hash,
    },
}

impl Address {
    /// The address of a BIP-340 public key.
    ///
    /// # Errors
    /// Returns [`BadAddress::NotAPoint`] if the curve has no such point.
    pub fn from_key(key: [u8; 32]) -> Result<Self, BadAddress> {
        lift(key).map(|_| Self(key))
    }

    /// Reads a chain's address as BIP-350 writes it, lower case only.
    ///
    /// # Errors
    /// Returns what is wrong with the text.
    pub fn parse(text: &str, hrp: Hrp) -> Result<Self, BadAddress> {
        Self::parse_key(text, hrp).map(|(address, _)| address)
    }

    /// Reads an address, and returns its point too.
    fn parse_key(text: &str, hrp: Hrp) -> Result<(Self, XOnlyPublicKey), BadAddress> {
        let key = read_key(text, hrp).ok_or_else(|| Self::unreadable(text, hrp))??;
        Ok((Self(key), lift(key)?))
    }

    /// The reason why a text can't be read; of several, the most helpful one.
    fn unreadable(text: &str, hrp: Hrp) -> BadAddress {
        let upper_case = |(_, char): &(usize, char)| char.is_ascii_uppercase();
        if let Some((before, found)) = text.chars().enumerate().find(upper_case) {
            return BadAddress::UpperCase { found, at: before + 1 };
        }
        let Some(data) = text.strip_prefix(hrp.as_str()).and_then(|rest| rest.strip_prefix('1'))
        else {
            let found = quote(text.rsplit_once('1').map_or(text, |(prefix, _)| prefix));
            return BadAddress::Prefix { expected: hrp.as_str().into(), found };
        };
        let prefix = text.len() - data.len();
        let unknown = |(_, char): &(usize, char)| Fe32::from_char(*char).is_err();
        if let Some((before, found)) = data.chars().enumerate().find(unknown) {
            return BadAddress::Character { found, at: prefix + before + 1 };
        }
        if data.len() != DATA_CHARS {
            return BadAddress::Length { expected: prefix + DATA_CHARS, found: text.len() };
        }
        BadAddress::Checksum
    }

    /// The keys whose addresses begin with a text that is longer than the prefix and the `1`, from the
    /// first to the last, and some others if it has parts of a checksum; `None` if no address begins so.
    pub fn keys_of_start(text: &str, hrp: Hrp) -> Option<RangeInclusive<[u8; 32]>> {
        let data = text.strip_prefix(hrp.as_str())?.strip_prefix('1')?;
        if data.is_empty() || data.len() > DATA_CHARS {
            return None;
        }
        let (mut first, mut last) = ([0; 32], [u8::MAX; 32]);
        for (at, char) in data.chars().enumerate() {
            let value = Fe32::from_char(char).ok()?.to_u8();
            for bit in 0..5 {
                let place = 5 * at + bit;
                if let (Some(first), Some(last)) =
                    (first.get_mut(place / 8), last.get_mut(place / 8))
                {
                    let mask = 0x80 >> (place % 8);
                    match value >> (4 - bit) & 1 {
                        0 => *last &= !mask,
                        _ => *first |= mask,
                    }
                }
            }
        }
        Some(first..=last)
    }

    /// The address as people write it, `forge1…`.
    pub fn to_text(&self, hrp: Hrp) -> String {
        bech32::encode::<Bech32m>(hrp.0, &self.0).expect("32 bytes fit into bech32m")
    }

    /// The public key.
    pub fn key(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Reads an address's key; `None` if it has no such form or its checksum does not fit.
fn read_key(text: &str, hrp: Hrp) -> Option<Result<[u8; 32], BadAddress>> {
    // BIP-173 has addresses in capitals too.
    if text.bytes().any(|byte| byte.is_ascii_uppercase()) {
        return None;
    }
    let address = CheckedHrpstring::new::<Bech32m>(text).ok()?;
    if address.hrp() != hrp.0 || address.data_part_ascii_no_checksum().len() != KEY_CHARS {
        return None;
    }
    let mut key = [0; 32];
    key.iter_mut().zip(address.byte_iter()).for_each(|(byte, read)| *byte = read);
    let padding = address.validate_segwit_padding();
    Some(padding.map(|()| key).map_err(|_| BadAddress::Padding))
}

/// An address with its point. Computing the point takes a square root, a tenth of the time that
/// checking a signature takes, so a caller that reads the same addresses often may keep them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Party {
    pub(crate) address: Address,
    pub(crate) point: XOnlyPublicKey,
}

impl Party {
    /// Reads a chain's address, as [`Address::parse`].
    ///
    /// # Errors
    /// Returns what is wrong with the text.
    pub fn parse(text: &str, hrp: Hrp) -> Result<Self, BadAddress> {
        Address::parse_key(text, hrp).map(|(address, point)| Self { address, point })
    }
}

/// The point with this x coordinate, by BIP-340's `lift_x`.
fn lift(key: [u8; 32]) -> Result<XOnlyPublicKey, BadAddress> {
    XOnlyPublicKey::from_byte_array(key).map_err(|_| BadAddress::NotAPoint { key: Hash(key) })
}

/// The key in hex: the text depends on the chain.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({})", Hash(self.0))
    }
}
