//! Addresses as people give them: typed, copied out of mail, read from a QR code.
//!
//! Payments and blocks have each address in one form, and nodes take no other. A text that a person
//! gives is brought into that form here, and nowhere else.

use blocksmith_consensus::address::{Address, BadAddress, Hrp};
use blocksmith_text::shown;

use crate::written::is_blank;

/// The scheme of a URI with an address, as QR codes have it: `forge:forge1…`.
const SCHEME: &str = "forge:";

/// How much of a text is quoted, in characters.
const MAX_QUOTE: usize = 60;

/// The reason why a text that a person gave is not an address of a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTyped {
    /// It has capitals and small letters, which BIP-173 forbids: one of them is a mistake.
    #[error(
        "an address has either small letters or capitals, and this one has both; copy it again"
    )]
    MixedCase,
    /// A URI carries more than the address. It is refused, since dropping it would drop what the
    /// payee asks for.
    #[error(
        "{0:?} follows the address; give the address alone, and an amount or a memo separately"
    )]
    Query(String),
    /// It is an address, but not of this chain.
    #[error(
        "this is an address of another chain: it starts with \"{found}1\", and addresses of this chain \
         start with \"{expected}1\""
    )]
    AnotherChain {
        /// The prefix of this chain's addresses.
        expected: String,
        /// The prefix of the address.
        found: String,
    },
    /// It can't be read as an address of this chain.
    #[error("{0}; copy the address again")]
    Address(#[from] BadAddress),
}

/// Reads an address of a chain: in small letters or in capitals, with `forge:` before it or without,
/// and with any blanks and line ends in it and around it, which the checksum shows to be none of it.
///
/// # Errors
/// Returns what is wrong with the text.
pub fn address(text: &str, hrp: Hrp) -> Result<Address, BadTyped> {
    let bare = bare(text);
    if let Some(at) = bare.find(['?', '#']) {
        return Err(BadTyped::Query(shown(&bare[at..], MAX_QUOTE)));
    }
    let lower = bare.to_ascii_lowercase();
    match Address::parse(&lower, hrp) {
        Err(why @ BadAddress::Prefix { .. }) => Err(match of_any_chain(&lower) {
            Some((found, _)) => BadTyped::AnotherChain {
                expected: hrp.as_str().into(),
                found: found.as_str().into(),
            },
            None => BadTyped::Address(why),
        }),
        _ if is_mixed(&bare) => Err(BadTyped::MixedCase),
        read => Ok(read?),
    }
}

/// Reads an address of whatever chain, and its prefix.
pub fn of_any_chain(text: &str) -> Option<(Hrp, Address)> {
    let lower = bare(text).to_ascii_lowercase();
    let hrp = prefix(&lower)?;
    Some((hrp, Address::parse(&lower, hrp).ok()?))
}

/// The one form of a text that has the form of some chain's address; `None` for other names. Only the
/// chain can tell whether the address is right.
///
/// # Errors
/// Returns what stands beside an address, or that its letters are mixed.
pub fn name(text: &str) -> Result<Option<String>, BadTyped> {
    let bare = bare(text);
    let end = bare.find(['?', '#']).unwrap_or(bare.len());
    let lower = bare[..end].to_ascii_lowercase();
    match prefix(&lower).map(|hrp| Address::parse(&lower, hrp)) {
        Some(
            Ok(_) | Err(BadAddress::Checksum | BadAddress::Padding | BadAddress::NotAPoint { .. }),
        ) => {}
        _ => return Ok(None),
    }
    if end < bare.len() {
        return Err(BadTyped::Query(shown(&bare[end..], MAX_QUOTE)));
    }
    if is_mixed(&bare) { Err(BadTyped::MixedCase) } else { Ok(Some(lower)) }
}

/// The text without blanks and scheme.
fn bare(text: &str) -> String {
    let bare: String = text.chars().filter(|char| !is_blank(*char)).collect();
    match bare.get(..SCHEME.len()) {
        Some(start) if start.eq_ignore_ascii_case(SCHEME) => bare[SCHEME.len()..].into(),
        _ => bare,
    }
}

/// The prefix that an address says it has.
fn prefix(address: &str) -> Option<Hrp> {
    // The prefix may have a 1 of its own, so the last one counts.
    Hrp::new(address.rsplit_once('1')?.0).ok()
}

fn is_mixed(text: &str) -> bool {
    let has = |is: fn(&u8) -> bool| text.as_bytes().iter().any(is);
    has(u8::is_ascii_uppercase) && has(u8::is_ascii_lowercase)
}
