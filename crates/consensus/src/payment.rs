//! The transactions of a sealed chain: signed payments, and the coin that pays a block's miner.
//!
//! One meaning has one text. A transaction that lacks a field, other than `memo`, or has one that
//! the rules don't know, is refused; integers are below 2^53, so that JavaScript reads them too;
//! and a transaction that was read is written again and has to give the text that it was read from.
//!
//! A payment is read first and checked afterwards, so that a caller can spread the signatures over
//! all cores and check each once: [`Payment::of_canonical`], then [`Payment::verify`], which gives
//! a [`Verified`]. A caller that has a [`Verified`] of the same text already can use that instead.

use alloc::borrow::{Cow, ToOwned};
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt::Write;
use core::num::NonZeroU64;
use core::ops::Deref;

use secp256k1::{XOnlyPublicKey, schnorr};

use crate::address::{Address, BadAddress, Hrp, Party};
use crate::hash::{Hash, tagged_hash_of};
use crate::json::{self, JsonError, Kind, Reader, Value, push_string};
use crate::limits::quote;

pub use crate::limits::MAX_INTEGER;

/// The number of units in one coin; amounts are counted in units.
pub const UNITS_PER_COIN: u64 = 100_000_000;

/// The longest memo, in bytes of its canonical JSON text, both quotes included: Python's
/// `len(json.dumps(memo))`.
pub const MAX_MEMO_BYTES: usize = 256;

/// The longest text that is read as a payment, in bytes: many times the length of any payment,
/// whitespace and escapes included.
pub const MAX_WIRE_BYTES: usize = 16_384;

/// Room for the text of most payments.
const USUAL_BYTES: usize = 400;

/// The sender of a coin.
pub const COINBASE_SENDER: &str = "0";

/// The tag of the hash that a payment's sender signs.
const TAG: &str = "blocksmith/transaction";

const PAYMENT_FIELDS: [&str; 6] = ["amount", "fee", "nonce", "recipient", "sender", "signature"];
const COINBASE_FIELDS: [&str; 4] = ["amount", "nonce", "recipient", "sender"];

/// A function that reads an address of a chain, or remembers it.
pub type ReadParty<'a> = dyn FnMut(&str, Hrp) -> Result<Party, BadAddress> + 'a;

/// Ties a payment to its chain: a payment that is signed for one chain is not valid on another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Domain {
    /// The chain's id, which is signed.
    pub chain_id: Hash,
    /// The prefix of the chain's addresses.
    pub hrp: Hrp,
}

/// The reason why a value is not a transaction of a sealed chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadTransaction {
    /// The text is not JSON, or has no form that every node can read.
    #[error("this JSON can't be read: {0}")]
    Json(#[from] JsonError),
    /// The text is longer than [`MAX_WIRE_BYTES`].
    #[error("the transaction has {found} bytes; at most {MAX_WIRE_BYTES} are allowed")]
    TooLong {
        /// Bytes of the text.
        found: usize,
    },
    /// The value is not an object.
    #[error("a transaction must be a JSON object, not {found}")]
    NotAnObject {
        /// The start of what stands there.
        found: String,
    },
    /// A field is missing.
    #[error("the transaction has no \"{field}\"")]
    Missing {
        /// The field's name.
        field: &'static str,
    },
    /// It has a field that the rules don't know.
    #[error("a transaction can't have the field {field}")]
    Unknown {
        /// The field's name as it stands there, quotes included, cut short when long.
        field: String,
    },
    /// It has a field twice: readers of JSON differ in which one they take.
    #[error("the transaction has the field {field} twice")]
    Twice {
        /// The field's name as it stands there, quotes included.
        field: String,
    },
    /// A field is not a whole number in digits, or is too small or too large.
    #[error(
        "\"{field}\" must be a whole number from {least} to {MAX_INTEGER} in digits, not {found}"
    )]
    Number {
        /// The field's name.
        field: &'static str,
        /// The smallest number that is allowed.
        least: u64,
        /// The start of what stands there.
        found: String,
    },
    /// The amount and the fee together are larger than [`MAX_INTEGER`].
    #[error("the amount of {amount} and the fee of {fee} are together more than {MAX_INTEGER}")]
    Sum {
        /// The amount, in units.
        amount: u64,
        /// The fee, in units.
        fee: u64,
    },
    /// The sender or the recipient is no address of the chain.
    #[error("\"{field}\": {why}")]
    Address {
        /// The field's name.
        field: &'static str,
        /// The reason.
        why: BadAddress,
    },
    /// The sender or the recipient is not a string.
    #[error("\"{field}\" must be an address, not {found}")]
    NotAnAddress {
        /// The field's name.
        field: &'static str,
        /// The start of what stands there.
        found: String,
    },
    /// The memo is not a string, or has a lone surrogate, which has no UTF-8 form.
    #[error("a memo must be a string of whole Unicode characters, not {found}")]
    Memo {
        /// The start of what stands there.
        found: String,
    },
    /// The memo is longer than [`MAX_MEMO_BYTES`].
    #[error("the memo has {found} bytes as JSON; at most {MAX_MEMO_BYTES} are allowed")]
    MemoTooLong {
        /// Bytes of its canonical text.
        found: usize,
    },
    /// The signature is not 128 lower-case hex digits.
    #[error("a signature must be a string of 128 lower-case hex digits, not {found}")]
    Signature {
        /// The start of what stands there.
        found: String,
    },
    /// The sender of a coin is not [`COINBASE_SENDER`].
    #[error("the sender of a coinbase must be \"{COINBASE_SENDER}\", not {found}")]
    CoinbaseSender {
        /// The start of what stands there.
        found: String,
    },
    /// The caller passed a text that is not canonical.
    #[error("the transaction must be canonical JSON, which is {expected}")]
    NotCanonical {
        /// The canonical text, cut short.
        expected: String,
    },
}

/// The signature is not the sender's for this payment on this chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the signature of transaction {id} is wrong: its sender did not sign this text for this chain"
)]
pub struct BadSignature {
    /// The transaction's id.
    pub id: Hash,
}

/// The contents of a payment that a sender is about to sign.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Draft<'a> {
    /// The address that pays, and signs.
    pub sender: Address,
    /// The address that is paid.
    pub recipient: Address,
    /// The amount for the recipient in units, at least 1.
    pub amount: u64,
    /// The fee for the miner in units.
    pub fee: u64,
    /// How many payments the sender has made before.
    pub nonce: u64,
    /// Any text of at most [`MAX_MEMO_BYTES`].
    pub memo: Option<&'a str>,
}

/// A payment that lacks its signature.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unsigned {
    text: String,
    id: Hash,
}

/// A payment that was read and is well-formed; [`Payment::verify`] checks its signature. All clones
/// share its parts.
#[derive(Debug, Clone)]
pub struct Payment(Arc<Parts>);

#[derive(Debug)]
struct Parts {
    text: String,
    id: Hash,
    sender: Address,
    recipient: Address,
    amount: u64,
    fee: u64,
    nonce: u64,
    signature: [u8; 64],
    /// The sender's point, which was computed when the address was read.
    point: XOnlyPublicKey,
}

/// A payment that its sender signed; only [`Payment::verify`] makes one, and reading a block that
/// was checked before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified(Payment);

/// A coin: it pays the miner of a block, or is allotted by a genesis block. No account is its
/// sender.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Coinbase {
    /// The address that is paid.
    pub recipient: Address,
    /// The amount in units; zero if there is neither a subsidy nor a fee.
    pub amount: u64,
    /// The index of the block, or the position among a genesis block's allocations, counted from 0.
    /// It keeps two coins from having one id, as Bitcoin's did until BIP-34 (CVE-2012-1909).
    pub nonce: u64,
}

/// An element of a block's list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A payment, its signature not checked yet.
    Payment(Payment),
    /// A coin.
    Coinbase(Coinbase),
}

/// An element of a block's list that needs no further check by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VerifiedEntry {
    /// A payment that its sender signed.
    Payment(Verified),
    /// A coin.
    Coinbase(Coinbase),
}

/// The reason why an element of a block's list is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadEntry {
    /// It is not a transaction.
    #[error(transparent)]
    Transaction(#[from] BadTransaction),
    /// It is a payment that its sender did not sign.
    #[error(transparent)]
    Signature(#[from] BadSignature),
}

/// The schedule of new coins: the subsidy that blocks pay to their miners on top of their fees. It
/// is halved from time to time, as in Bitcoin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Emission {
    /// The subsidy of the first mined block, whose index is 2, in units.
    pub first: u64,
    /// How many blocks pay the same subsidy before it is halved, rounded down.
    pub halving: NonZeroU64,
}

impl Draft<'_> {
    /// Writes the text that the sender signs on the chain of `domain`.
    ///
    /// # Errors
    /// Fails if a payment can't have one of the numbers or the memo.
    pub fn write(&self, domain: &Domain) -> Result<Unsigned, BadTransaction> {
        let (sender, recipient) =
            (self.sender.to_text(domain.hrp), self.recipient.to_text(domain.hrp));
        let mut text = self.open_text(&sender, &recipient)?;
        text.push('}');
        Ok(Unsigned { id: domain.id(&text), text })
    }

    /// Writes the text without the closing brace. It takes the addresses as texts, since the reader
    /// of a payment has those already.
    fn open_text(&self, sender: &str, recipient: &str) -> Result<String, BadTransaction> {
        let Self { amount, fee, nonce, .. } = *self;
        for (field, least, number) in [("amount", 1, amount), ("fee", 0, fee), ("nonce", 0, nonce)]
        {
            if !(least..=MAX_INTEGER).contains(&number) {
                return Err(BadTransaction::Number { field, least, found: format!("{number}") });
            }
        }
        // CVE-2010-5139: two outputs, the sum of which wrapped around, made 184 billion bitcoins.
        if amount + fee > MAX_INTEGER {
            return Err(BadTransaction::Sum { amount, fee });
        }
        let mut text = String::with_capacity(USUAL_BYTES);
        let _ = write!(text, r#"{{"amount": {amount}, "fee": {fee}, "#);
        if let Some(memo) = self.memo {
            text.push_str(r#""memo": "#);
            let start = text.len();
            push_string(&mut text, memo);
            let found = text.len() - start;
            if found > MAX_MEMO_BYTES {
                return Err(BadTransaction::MemoTooLong { found });
            }
            text.push_str(", ");
        }
        let _ =
            write!(text, r#""nonce": {nonce}, "recipient": "{recipient}", "sender": "{sender}""#);
        Ok(text)
    }
}

impl Unsigned {
    /// The canonical text without a signature.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The 32 bytes that the sender signs by BIP-340; they are the transaction's id too.
    pub fn id(&self) -> Hash {
        self.id
    }

    /// The canonical text with a signature, which is not checked here.
    pub fn signed(&self, signature: &[u8; 64]) -> String {
        let mut text = String::with_capacity(USUAL_BYTES);
        text.push_str(self.text.strip_suffix('}').unwrap_or_default());
        push_signature(&mut text, signature);
        text
    }
}

impl Domain {
    /// The tagged hash of the chain's id and a transaction's canonical text without its signature.
    fn id(&self, unsigned: &str) -> Hash {
        tagged_hash_of(TAG, [&self.chain_id.0, unsigned.as_bytes()])
    }
}

impl Payment {
    /// Reads a payment from JSON bytes in any spelling, as a wallet sends it.
    ///
    /// # Errors
    /// Fails if the bytes are not a payment: as [`Payment::of_canonical`], and if a field stands
    /// there twice, or `-0`.
    pub fn parse(wire: &[u8], domain: &Domain) -> Result<Self, BadTransaction> {
        Self::parse_with(wire, domain, &mut Party::parse)
    }

    /// As [`Payment::parse`], with addresses read by `party`, which does what [`Party::parse`] does
    /// or remembers its result for the same text on the same chain.
    ///
    /// # Errors
    /// Fails as [`Payment::parse`].
    pub fn parse_with(
        wire: &[u8],
        domain: &Domain,
        party: &mut ReadParty<'_>,
    ) -> Result<Self, BadTransaction> {
        if wire.len() > MAX_WIRE_BYTES {
            return Err(BadTransaction::TooLong { found: wire.len() });
        }
        let text = json::canonical(wire)?;
        let payment = Self::of_canonical_with(Value::of_canonical(&text), domain, party)?;
        if let Cow::Owned(_) = text {
            check_spelling(wire)?;
        }
        Ok(payment)
    }

    /// Reads a payment from its canonical text.
    ///
    /// # Errors
    /// Fails if the value is not a payment.
    pub fn of_canonical(value: Value<'_>, domain: &Domain) -> Result<Self, BadTransaction> {
        Self::of_canonical_with(value, domain, &mut Party::parse)
    }

    fn of_canonical_with(
        value: Value<'_>,
        domain: &Domain,
        party: &mut ReadParty<'_>,
    ) -> Result<Self, BadTransaction> {
        let fields = Fields::read(value, PAYMENT_FIELDS, Some("memo"))?;
        let [amount, fee, nonce, recipient_value, sender_value, signature] = fields.all;
        let (recipient_text, sender_text) =
            (address_text("recipient", recipient_value)?, address_text("sender", sender_value)?);
        let mut read = |field, text: &str| {
            party(text, domain.hrp).map_err(|why| BadTransaction::Address { field, why })
        };
        let Party { address: recipient, .. } = read("recipient", &recipient_text)?;
        let Party { address: sender, point } = read("sender", &sender_text)?;
        let memo = match fields.optional {
            Some(memo) => Some(
                memo.as_str().ok_or_else(|| BadTransaction::Memo { found: quote(memo.text()) })?,
            ),
            None => None,
        };
        let draft = Draft {
            sender,
            recipient,
            amount: number("amount", 1, amount)?,
            fee: number("fee", 0, fee)?,
            nonce: number("nonce", 0, nonce)?,
            memo: memo.as_deref(),
        };
        let signature = read_signature(signature)
            .ok_or_else(|| BadTransaction::Signature { found: quote(signature.text()) })?;
        let mut text = draft.open_text(&sender_text, &recipient_text)?;
        let end = text.len();
        text.push('}');
        let id = domain.id(&text);
        text.truncate(end);
        push_signature(&mut text, &signature);
        check_same(value, &text)?;
        let Draft { amount, fee, nonce, .. } = draft;
        let parts = Parts { text, id, sender, recipient, amount, fee, nonce, signature, point };
        Ok(Self(Arc::new(parts)))
    }

    /// Checks the signature by BIP-340. It takes tens of microseconds, several times as long as
    /// reading.
    ///
    /// The crate secp256k1 provides libsecp256k1's context, so that no core waits for another. With
    /// the crate's feature `std` each thread has one; without it, each check sets one up on the
    /// stack, which takes a tenth of the time.
    ///
    /// # Errors
    /// Returns [`BadSignature`] if the sender did not sign it.
    pub fn verify(self) -> Result<Verified, BadSignature> {
        if !has_signed(&self.0.point, &self.0.id.0, &self.0.signature) {
            return Err(BadSignature { id: self.0.id });
        }
        Ok(Verified(self))
    }

    /// The canonical text, signature included.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The hash that the sender signed. It does not cover the signature, so another valid signature
    /// does not make another payment.
    pub fn id(&self) -> Hash {
        self.0.id
    }

    /// The address that pays.
    pub fn sender(&self) -> Address {
        self.0.sender
    }

    /// The address that is paid.
    pub fn recipient(&self) -> Address {
        self.0.recipient
    }

    /// The amount for the recipient in units, at least 1.
    pub fn amount(&self) -> u64 {
        self.0.amount
    }

    /// The fee for the miner in units.
    pub fn fee(&self) -> u64 {
        self.0.fee
    }

    /// The units that the sender pays, the fee included: at most [`MAX_INTEGER`].
    pub fn cost(&self) -> u64 {
        self.0.amount + self.0.fee
    }

    /// How many payments the sender has made before.
    pub fn nonce(&self) -> u64 {
        self.0.nonce
    }

    /// The memo.
    pub fn memo(&self) -> Option<Cow<'_, str>> {
        Value::of_canonical(&self.0.text).get("memo")?.as_str()
    }

    /// The signature: BIP-340's R and s.
    pub fn signature(&self) -> &[u8; 64] {
        &self.0.signature
    }
}

/// Equal payments have the same text on the same chain, so one's signature is valid if the other's
/// is.
impl PartialEq for Payment {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id && self.0.text == other.0.text
    }
}

impl Eq for Payment {}

impl Verified {
    /// Takes a payment of a block whose signatures were checked before.
    pub(crate) fn before(payment: Payment) -> Self {
        Self(payment)
    }

    /// The payment, without the mark that its signature was checked.
    pub fn into_payment(self) -> Payment {
        self.0
    }
}

impl Deref for Verified {
    type Target = Payment;

    fn deref(&self) -> &Payment {
        &self.0
    }
}

impl Coinbase {
    /// Reads a coin from its canonical text.
    ///
    /// # Errors
    /// Fails if the value is not a coin.
    pub fn of_canonical(value: Value<'_>, hrp: Hrp) -> Result<Self, BadTransaction> {
        let fields = Fields::read(value, COINBASE_FIELDS, None)?;
        let [amount, nonce, recipient, sender] = fields.all;
        if sender.as_str().as_deref() != Some(COINBASE_SENDER) {
            return Err(BadTransaction::CoinbaseSender { found: quote(sender.text()) });
        }
        let text = address_text("recipient", recipient)?;
        let coin = Self {
            recipient: Address::parse(&text, hrp)
                .map_err(|why| BadTransaction::Address { field: "recipient", why })?,
            amount: number("amount", 0, amount)?,
            nonce: number("nonce", 0, nonce)?,
        };
        check_same(value, &coin.write_with(&text))?;
        Ok(coin)
    }

    /// The canonical text.
    pub fn text(&self, hrp: Hrp) -> String {
        self.write_with(&self.recipient.to_text(hrp))
    }

    /// The coin's id on a chain: the same hash as a payment's, over the whole text.
    pub fn id(&self, domain: &Domain) -> Hash {
        domain.id(&self.text(domain.hrp))
    }

    fn write_with(&self, recipient: &str) -> String {
        let Self { amount, nonce, .. } = self;
        format!(
            r#"{{"amount": {amount}, "nonce": {nonce}, "recipient": "{recipient}", "sender": "{COINBASE_SENDER}"}}"#
        )
    }
}

impl Entry {
    /// Reads an element of a block's list: a coin if its sender is [`COINBASE_SENDER`], else a payment.
    ///
    /// # Errors
    /// Fails if the value is neither a coin nor a payment.
    pub fn of_canonical(value: Value<'_>, domain: &Domain) -> Result<Self, BadTransaction> {
        Self::of_canonical_with(value, domain, &mut Party::parse)
    }

    fn of_canonical_with(
        value: Value<'_>,
        domain: &Domain,
        party: &mut ReadParty<'_>,
    ) -> Result<Self, BadTransaction> {
        let sender = value.get("sender").and_then(Value::as_str);
        if sender.as_deref() == Some(COINBASE_SENDER) {
            Coinbase::of_canonical(value, domain.hrp).map(Self::Coinbase)
        } else {
            Payment::of_canonical_with(value, domain, party).map(Self::Payment)
        }
    }
}

impl VerifiedEntry {
    /// Reads an element of a block's list, and checks the signature of a payment.
    ///
    /// # Errors
    /// Fails if the value is neither a coin nor a payment.
    pub fn of_canonical(value: Value<'_>, domain: &Domain) -> Result<Self, BadEntry> {
        Self::of_canonical_with(value, domain, &mut Party::parse)
    }

    /// As [`VerifiedEntry::of_canonical`], with the addresses of payments read by `party`, which
    /// does what [`Party::parse`] does or remembers its result for the same text on the same chain.
    ///
    /// # Errors
    /// Fails as [`VerifiedEntry::of_canonical`].
    pub fn of_canonical_with(
        value: Value<'_>,
        domain: &Domain,
        party: &mut ReadParty<'_>,
    ) -> Result<Self, BadEntry> {
        Ok(match Entry::of_canonical_with(value, domain, party)? {
            Entry::Payment(payment) => Self::Payment(payment.verify()?),
            Entry::Coinbase(coin) => Self::Coinbase(coin),
        })
    }
}

impl Emission {
    /// `forge`'s: 20 coins, halved every 2,100,000 blocks, a year of blocks of 15 seconds.
    pub const FORGE: Self =
        Self { first: 20 * UNITS_PER_COIN, halving: NonZeroU64::new(2_100_000).expect("not zero") };

    /// The subsidy of the block with this index, in units. The genesis block, whose index is 1, has
    /// none.
    pub fn subsidy(&self, index: u64) -> u64 {
        let Some(mined) = index.checked_sub(2) else { return 0 };
        let halvings = u32::try_from(mined / self.halving).unwrap_or(u32::MAX);
        self.first.checked_shr(halvings).unwrap_or(0)
    }

    /// The subsidies of all blocks up to the one with this index, in units.
    pub fn mined(&self, index: u64) -> u128 {
        let (mut left, mut subsidy, mut sum) = (index.saturating_sub(1), self.first, 0_u128);
        // The subsidy is halved at most 63 times before it is zero.
        while left > 0 && subsidy > 0 {
            let blocks = left.min(self.halving.get());
            sum += u128::from(blocks) * u128::from(subsidy);
            left -= blocks;
            subsidy /= 2;
        }
        sum
    }

    /// The subsidies of all blocks together, in units: the halves of `first`, each rounded down, add
    /// up to twice of it less one for each bit that is set (Legendre), and each is paid `halving`
    /// times.
    pub fn total(&self) -> u128 {
        let halves = 2 * u128::from(self.first) - u128::from(self.first.count_ones());
        halves.saturating_mul(self.halving.get().into())
    }
}

/// The fields of an object that has all required fields, and perhaps one more.
struct Fields<'a, const N: usize> {
    all: [Value<'a>; N],
    optional: Option<Value<'a>>,
}

impl<'a, const N: usize> Fields<'a, N> {
    fn read(
        value: Value<'a>,
        names: [&'static str; N],
        optional: Option<&str>,
    ) -> Result<Self, BadTransaction> {
        if value.kind() != Kind::Object {
            return Err(BadTransaction::NotAnObject { found: quote(value.text()) });
        }
        let (mut all, mut one_more) = ([None; N], None);
        for (key, value) in value.members() {
            let name = key.text().trim_matches('"');
            if let Some(place) = names.iter().position(|known| *known == name) {
                all[place] = Some(value);
            } else if optional == Some(name) {
                one_more = Some(value);
            } else {
                return Err(BadTransaction::Unknown { field: quote(key.text()) });
            }
        }
        for (name, value) in names.into_iter().zip(all) {
            if value.is_none() {
                return Err(BadTransaction::Missing { field: name });
            }
        }
        Ok(Self { all: all.map(|value| value.expect("none is missing")), optional: one_more })
    }
}

fn number(field: &'static str, least: u64, value: Value<'_>) -> Result<u64, BadTransaction> {
    value
        .as_u64()
        .filter(|number| (least..=MAX_INTEGER).contains(number))
        .ok_or_else(|| BadTransaction::Number { field, least, found: quote(value.text()) })
}

fn address_text<'a>(field: &'static str, value: Value<'a>) -> Result<Cow<'a, str>, BadTransaction> {
    value.as_str().ok_or_else(|| BadTransaction::NotAnAddress { field, found: quote(value.text()) })
}

fn read_signature(value: Value<'_>) -> Option<[u8; 64]> {
    let text = value.as_str()?;
    let (first, second) = text.split_at_checked(64)?;
    let (Hash(first), Hash(second)) = (first.parse().ok()?, second.parse().ok()?);
    let mut signature = [0; 64];
    signature[..32].copy_from_slice(&first);
    signature[32..].copy_from_slice(&second);
    Some(signature)
}

/// Closes the text of a payment with its signature.
fn push_signature(text: &mut String, signature: &[u8; 64]) {
    text.push_str(r#", "signature": ""#);
    for half in signature.as_chunks::<32>().0 {
        let _ = write!(text, "{}", Hash(*half));
    }
    text.push_str(r#""}"#);
}

/// BIP-340's Verify.
fn has_signed(key: &XOnlyPublicKey, message: &[u8], signature: &[u8; 64]) -> bool {
    schnorr::verify(&schnorr::Signature::from_byte_array(*signature), message, key).is_ok()
}

/// Checks that a text is canonical, as its caller says: what was read from it has one text only.
fn check_same(value: Value<'_>, expected: &str) -> Result<(), BadTransaction> {
    if value.text() == expected {
        return Ok(());
    }
    Err(BadTransaction::NotCanonical { expected: quote(expected) })
}

/// Refuses spellings that the canonical text of a payment hides: a field that was there twice, of
/// which Python takes the last and other readers the first (CVE-2017-12635), and `-0`.
fn check_spelling(wire: &[u8]) -> Result<(), BadTransaction> {
    let mut reader = Reader::new(wire);
    let mut seen: Vec<Cow<'_, str>> = Vec::with_capacity(PAYMENT_FIELDS.len() + 1);
    let mut more = reader.open_object()?;
    while more {
        let key = reader.key()?;
        if seen.contains(&key) {
            return Err(BadTransaction::Twice { field: key.into_owned() });
        }
        let value = reader.value()?;
        if let Cow::Owned(zero) = &value
            && Value::of_canonical(zero).kind() == Kind::Int
        {
            let name = key.trim_matches('"');
            let field = PAYMENT_FIELDS.into_iter().find(|known| *known == name).unwrap_or("memo");
            return Err(BadTransaction::Number { field, least: 0, found: "-0".to_owned() });
        }
        seen.push(key);
        more = reader.next_member()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(hex: &str) -> Vec<u8> {
        let digit = |at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex");
        (0..hex.len()).step_by(2).map(digit).collect()
    }

    #[test]
    fn bip_340s_vectors_are_signatures_or_not() {
        let vectors = include_str!("../../../tests/vectors/bip340.csv");
        let rows = vectors.lines().filter(|line| !line.starts_with('#')).skip(1);
        let mut count = 0;
        for row in rows {
            let fields: Vec<&str> = row.splitn(8, ',').collect();
            let [_, _, key, _, message, signature, result, comment] = fields[..] else {
                panic!("eight fields in {row}");
            };
            let key = <[u8; 32]>::try_from(bytes(key)).expect("32 bytes");
            let signature = <[u8; 64]>::try_from(bytes(signature)).expect("64 bytes");
            let signed = Address::from_key(key).is_ok_and(|_| {
                let point = XOnlyPublicKey::from_byte_array(key).expect("an address is a point");
                has_signed(&point, &bytes(message), &signature)
            });
            assert_eq!(signed, result == "TRUE", "{comment}: {row}");
            count += 1;
        }
        assert_eq!(count, 19);
    }
}
