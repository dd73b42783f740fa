//! The text of a wallet file: its contents, locked by a password.
//!
//! One line of JSON, written as Python's `json.dumps(…, sort_keys=True)` writes it:
//!
//! ```text
//! {"checksum": 64 hex digits, "cipher": "chacha20poly1305", "ciphertext": Base64,
//!  "format": "blocksmith-wallet", "kdf": "argon2id", "lanes": 1, "memory_kib": 65536,
//!  "nonce": Base64 of 12 bytes, "passes": 3, "salt": Base64 of 16 bytes, "version": 1}
//! ```
//!
//! - **key**: Argon2id (RFC 9106, version 0x13, 32 bytes) of the password in NFKD, and the salt.
//! - **ciphertext**: ChaCha20-Poly1305 (RFC 8439) under that key and nonce, tag last. Its
//!   associated data is this object without `checksum` and `ciphertext`, in the same form, so that
//!   no parameter can be swapped. Every save takes a new salt, so that a key locks only one text.
//! - **checksum**: SHA-256 of this object without `checksum`, in the same form. It is no secret and
//!   proves nothing against an attacker; it tells a damaged file from a wrong password.
//! - Inside: `{"entropy": Base64, "labels": […], "passphrase": Base64}`: the entropy that the words
//!   stand for, the label of each address in the order of indexes, and BIP-39's passphrase in NFKD.
//!   Before them, if there are any, `"chains": [{"id": 64 hex digits, "name": …}, …]`: chains that
//!   the owner agreed to pay on.
//!
//! The file is written so, and may be read in other spellings: no value has white space, so white
//! space in the file is ignored, wherever an editor or a mail program put it; so are the order of
//! the members, byte order marks and quotation marks, UTF-16, quoted-printable, and the signature
//! of a mail. The checksum covers everything else.

use argon2::{Algorithm, Argon2, Params, Version};
use base64ct::{Base64, Encoding};
use blocksmith_consensus::Hash;
use blocksmith_text::is_curly_quote;
use chacha20poly1305::aead::{AeadInOut, KeyInit};
use chacha20poly1305::{ChaCha20Poly1305, Key, Nonce};
use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::words::{Phrase, nfkd};
use crate::written::{self, Named, NotText, Position, is_blank};

/// The longest file that is written, in bytes.
pub const MAX_FILE_BYTES: usize = 1 << 20;

/// The longest that is read, in bytes: twice as long in UTF-16, and with white space.
pub const MAX_READ_BYTES: usize = 4 * MAX_FILE_BYTES;

/// The highest cost that a file may ask for, so that a hostile one can't use up the machine.
pub const MAX_COST: Cost = Cost { memory_kib: 512 * 1024, passes: 10, lanes: 4 };

/// The longest password, in bytes.
pub const MAX_PASSWORD_BYTES: usize = 1_000;

/// The most addresses that a file keeps labels of.
pub const MAX_ADDRESSES: usize = 1_000;

/// The most chains that a file keeps.
pub const MAX_CHAINS: usize = 100;

/// The longest label, and the longest name of a chain, in bytes.
pub const MAX_LABEL_BYTES: usize = 100;

const FORMAT: &str = "blocksmith-wallet";
/// The start of a file, without white space: a file that was cut early has no more.
const START: &str = "{\"checksum\":\"";
const VERSION: u32 = 1;
const KDF: &str = "argon2id";
const CIPHER: &str = "chacha20poly1305";

/// The cost of trying a password.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cost {
    /// Memory in KiB, at least 8 for each lane.
    pub memory_kib: u32,
    /// How often the memory is filled.
    pub passes: u32,
    /// Parts that could be filled in parallel. This program fills them one after the other.
    pub lanes: u32,
}

/// 64 MiB and three passes, RFC 9106's second recommended option, with one lane instead of four:
/// nothing here runs lanes side by side, so they would give an attacker more than the owner.
impl Default for Cost {
    fn default() -> Self {
        Self { memory_kib: 64 * 1024, passes: 3, lanes: 1 }
    }
}

impl Cost {
    fn check(self) -> Result<(), BadCost> {
        let least = Self { memory_kib: 8 * self.lanes.min(MAX_COST.lanes), passes: 1, lanes: 1 };
        for (what, found, least, most) in [
            ("lanes", self.lanes, least.lanes, MAX_COST.lanes),
            ("memory_kib", self.memory_kib, least.memory_kib, MAX_COST.memory_kib),
            ("passes", self.passes, least.passes, MAX_COST.passes),
        ] {
            if !(least..=most).contains(&found) {
                return Err(BadCost { what, found, least, most });
            }
        }
        Ok(())
    }
}

/// A cost is out of bounds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{what} is {found}, and must be from {least} to {most}")]
pub struct BadCost {
    /// The number's name in the file.
    pub what: &'static str,
    /// The number that was found.
    pub found: u32,
    /// The lowest allowed.
    pub least: u32,
    /// The highest allowed.
    pub most: u32,
}

/// The random numbers of one save. Never use them for a second one.
#[derive(Debug)]
pub struct Fresh {
    /// The salt, which turns the same password into another key.
    pub salt: [u8; 16],
    /// RFC 8439's nonce.
    pub nonce: [u8; 12],
}

impl Fresh {
    /// Asks the system for them. Fails if it has no randomness.
    pub fn generate() -> Result<Self, getrandom::Error> {
        let mut fresh = Self { salt: [0; 16], nonce: [0; 12] };
        getrandom::fill(&mut fresh.salt)?;
        getrandom::fill(&mut fresh.nonce)?;
        Ok(fresh)
    }
}

/// The contents of a wallet file.
pub struct Contents {
    /// The words.
    pub phrase: Phrase,
    /// BIP-39's passphrase, mostly empty.
    pub passphrase: Zeroizing<String>,
    /// The label of each address that was handed out, in the order of indexes from 0.
    pub labels: Vec<String>,
    /// Chains that the owner agreed to pay on, the oldest first.
    pub chains: Vec<KnownChain>,
}

/// A chain that the owner agreed to pay on, and that is neither a preset nor in a chain file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownChain {
    /// Its id.
    pub id: Hash,
    /// The name that it had then.
    pub name: String,
}

hide!(Contents);

/// The reason why nothing is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The cost is out of bounds: the file could not be read again.
    #[error(transparent)]
    Cost(#[from] BadCost),
    /// The password is empty, or longer than [`MAX_PASSWORD_BYTES`].
    #[error("a password must have 1 to {MAX_PASSWORD_BYTES} bytes, not {0}")]
    Password(usize),
    /// The system has not enough memory.
    #[error("there is not enough memory: {0} KiB are needed")]
    Memory(u32),
}

/// The reason why a text does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It is another kind of file.
    #[error(
        "this is not a wallet file, or most of it is missing: use another copy of it, or restore \
         the wallet from its words into another file"
    )]
    NotAWallet,
    /// A later program wrote it.
    #[error(
        "this wallet file has version {found}, and this program reads version {VERSION}: use \
            the program that wrote it"
    )]
    Version {
        /// The file's version.
        found: u32,
    },
    /// It is longer than [`MAX_READ_BYTES`].
    #[error("a wallet file can have at most {MAX_READ_BYTES} bytes, not {0}")]
    TooLong(usize),
    /// The file is not as it was written. The password plays no part in this.
    #[error(
        "the wallet file is damaged: {0}. Use another copy of it, or restore the wallet from its \
         words"
    )]
    Damaged(Damage),
    /// It asks for more than [`MAX_COST`].
    #[error("the cost of opening this wallet file is out of bounds")]
    Cost(#[from] BadCost),
    /// The system has not enough memory.
    #[error("there is not enough memory: {0} KiB are needed")]
    Memory(u32),
    /// The password does not open the file. The file is as it was written, unless an attacker
    /// changed it and its checksum along with it.
    #[error(
        "the password is wrong: try again, or restore the wallet from its words into another file"
    )]
    WrongPassword,
}

/// The damage of a file that was a wallet file once.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Damage {
    /// The file is empty, or has only white space.
    #[error("it is empty")]
    Empty,
    /// Its bytes are not text.
    #[error(transparent)]
    NotText(#[from] NotText),
    /// It has a character that no wallet file has.
    #[error("{place}: a wallet file can't contain {}", Named(*.found))]
    Character {
        /// Its position.
        place: Position,
        /// The character.
        found: char,
    },
    /// It has not the members of a wallet file, or is not JSON.
    #[error("{place}: {why}")]
    Members {
        /// Where that was noticed.
        place: Position,
        /// The reason.
        why: String,
    },
    /// All members are there, but not as they were written.
    #[error("its checksum does not fit: a part of it was changed or is missing")]
    Checksum,
    /// The writer of the file had the password, but the contents are not a wallet.
    #[error("what it contains is not a wallet")]
    Contents,
}

/// Writes the text of a file with `contents`, locked by `password`, with a line end.
///
/// # Errors
/// Fails if the cost is out of bounds, if there is no password or a very long one, or if memory is
/// short.
///
/// # Panics
/// Panics if there are more or longer labels than [`MAX_ADDRESSES`] and [`MAX_LABEL_BYTES`], or
/// more chains than [`MAX_CHAINS`].
pub fn seal(
    contents: &Contents,
    password: &str,
    cost: Cost,
    fresh: Fresh,
) -> Result<String, SealError> {
    assert!(contents.labels.len() <= MAX_ADDRESSES, "a wallet has no more");
    assert!(contents.chains.len() <= MAX_CHAINS, "a wallet keeps no more");
    cost.check()?;
    if !(1..=MAX_PASSWORD_BYTES).contains(&password.len()) {
        return Err(SealError::Password(password.len()));
    }
    let salt = Base64::encode_string(&fresh.salt);
    let nonce = Base64::encode_string(&fresh.nonce);
    let header = Header { cost, salt: &salt, nonce: &nonce };
    let mut locked = plain_text(contents);
    cipher(password, cost, &fresh.salt)
        .ok_or(SealError::Memory(cost.memory_kib))?
        .encrypt_in_place(&Nonce::from(fresh.nonce), header.text().as_bytes(), &mut *locked)
        .expect("far less than ChaCha20 takes");
    let text = header.file(&Base64::encode_string(&locked));
    assert!(text.len() <= MAX_FILE_BYTES, "labels are bounded");
    Ok(text)
}

/// Opens the file `text`, and returns its contents.
///
/// # Errors
/// Returns [`OpenError`]; faults that can be found without the password come first.
pub fn open(text: &[u8], password: &str) -> Result<Contents, OpenError> {
    if text.len() > MAX_READ_BYTES {
        return Err(OpenError::TooLong(text.len()));
    }
    let written = written::decode(text).map_err(|error| match find(text, FORMAT.as_bytes()) {
        true => OpenError::Damaged(error.into()),
        false => OpenError::NotAWallet,
    })?;
    // The checksum shows whether undoing the mail program's changes was right.
    let fields = read(&written)
        .or_else(|why| written::unmailed(&written).find_map(|text| read(&text).ok()).ok_or(why))?;
    let header = fields.header();
    let cost = header.cost;
    cost.check()?;
    if !(1..=MAX_PASSWORD_BYTES).contains(&password.len()) {
        return Err(OpenError::WrongPassword);
    }

    let salt = bytes::<16>(&fields.salt)?;
    let nonce = bytes::<12>(&fields.nonce)?;
    let locked = Base64::decode_vec(&fields.ciphertext);
    let mut locked = Zeroizing::new(locked.map_err(|_| OpenError::Damaged(Damage::Checksum))?);
    cipher(password, cost, &salt)
        .ok_or(OpenError::Memory(cost.memory_kib))?
        .decrypt_in_place(&Nonce::from(nonce), header.text().as_bytes(), &mut *locked)
        .map_err(|_| OpenError::WrongPassword)?;
    // The writer of this had the password, so bad contents are a fault of the program that wrote
    // it.
    contents(&locked).ok_or(OpenError::Damaged(Damage::Contents))
}

/// Reads a file's fields, if its checksum fits.
fn read(written: &str) -> Result<Fields, OpenError> {
    let bare: String = written.chars().filter_map(meaning).collect();
    if bare.is_empty() {
        return Err(OpenError::Damaged(Damage::Empty));
    }
    let is_ours = bare.starts_with(START) || find(bare.as_bytes(), FORMAT.as_bytes());
    let unread = |error: serde_json::Error| match is_ours {
        true => OpenError::Damaged(damage(written, &error)),
        false => OpenError::NotAWallet,
    };
    let kind: Kind = serde_json::from_str(&bare).map_err(unread)?;
    if kind.format != FORMAT {
        return Err(OpenError::NotAWallet);
    }
    if kind.version != VERSION {
        return Err(OpenError::Version { found: kind.version });
    }
    let fields: Fields = serde_json::from_str(&bare).map_err(unread)?;
    let is_known = fields.cipher == CIPHER && fields.kdf == KDF;
    if !is_known || fields.header().checksum(&fields.ciphertext) != fields.checksum {
        return Err(OpenError::Damaged(stranger(written).unwrap_or(Damage::Checksum)));
    }
    Ok(fields)
}

/// Whether `bytes` contain `wanted`.
fn find(bytes: &[u8], wanted: &[u8]) -> bool {
    bytes.windows(wanted.len()).any(|window| window == wanted)
}

/// The meaning of a character in a file; `None` for those that editors or mail put there, since no
/// value has white space, marks, or the `>` of a quoted mail.
fn meaning(char: char) -> Option<char> {
    match char {
        '>' => None,
        char if is_blank(char) => None,
        char if is_curly_quote(char) => Some('"'),
        char => Some(char),
    }
}

/// The first character that no wallet file has, if there is one.
fn stranger(written: &str) -> Option<Damage> {
    let is_strange = |char: char| {
        meaning(char)
            .is_some_and(|char| !char.is_ascii_alphanumeric() && !r#"{}":,+/=-_\"#.contains(char))
    };
    let (at, found) = written.char_indices().find(|(_, char)| is_strange(*char))?;
    Some(Damage::Character { place: Position::of(written, at), found })
}

/// Finds the damage of a text, given the error in its bare characters.
fn damage(written: &str, error: &serde_json::Error) -> Damage {
    stranger(written).unwrap_or_else(|| {
        // The bare characters are ASCII, in one line.
        let mut bare = written.char_indices().filter(|(_, char)| meaning(*char).is_some());
        let last = bare.nth(error.column().saturating_sub(1)).filter(|_| !error.is_eof());
        let at = last.map_or(written.len(), |(at, _)| at);
        let why = error.to_string();
        let why = why.split(" at line ").next().unwrap_or_default().to_owned();
        Damage::Members { place: Position::of(written, at), why }
    })
}

/// The members that every version of the file has.
#[derive(Deserialize)]
struct Kind {
    format: String,
    version: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    checksum: String,
    cipher: String,
    ciphertext: String,
    #[serde(rename = "format")]
    _format: String,
    kdf: String,
    lanes: u32,
    memory_kib: u32,
    nonce: String,
    passes: u32,
    salt: String,
    #[serde(rename = "version")]
    _version: u32,
}

impl Fields {
    fn header(&self) -> Header<'_> {
        let Self { memory_kib, passes, lanes, .. } = *self;
        let cost = Cost { memory_kib, passes, lanes };
        Header { cost, salt: &self.salt, nonce: &self.nonce }
    }
}

/// The file's parameters of the lock.
struct Header<'a> {
    cost: Cost,
    salt: &'a str,
    nonce: &'a str,
}

impl Header<'_> {
    /// The members that sort behind the ciphertext.
    fn rest(&self) -> String {
        let Self { cost: Cost { memory_kib, passes, lanes }, salt, nonce } = self;
        format!(
            r#""format": "{FORMAT}", "kdf": "{KDF}", "lanes": {lanes}, "memory_kib": {memory_kib}, "nonce": "{nonce}", "passes": {passes}, "salt": "{salt}", "version": {VERSION}}}"#
        )
    }

    /// The text that the ciphertext's tag covers.
    fn text(&self) -> String {
        format!(r#"{{"cipher": "{CIPHER}", {}"#, self.rest())
    }

    /// The members that sort behind the checksum.
    fn members(&self, ciphertext: &str) -> String {
        format!(r#""cipher": "{CIPHER}", "ciphertext": "{ciphertext}", {}"#, self.rest())
    }

    fn checksum(&self, ciphertext: &str) -> String {
        Hash::of(format!("{{{}", self.members(ciphertext))).to_string()
    }

    /// The whole file.
    fn file(&self, ciphertext: &str) -> String {
        let checksum = self.checksum(ciphertext);
        format!("{{\"checksum\": \"{checksum}\", {}\n", self.members(ciphertext))
    }
}

/// The cipher under the password's key; `None` without the memory for it.
fn cipher(password: &str, cost: Cost, salt: &[u8; 16]) -> Option<ChaCha20Poly1305> {
    let Cost { memory_kib, passes, lanes } = cost;
    let params = Params::new(memory_kib, passes, lanes, Some(32)).expect("the cost was checked");
    let mut key = Zeroizing::new([0; 32]);
    Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
        .hash_password_into(nfkd(password).as_bytes(), salt, &mut *key)
        .ok()?;
    Some(ChaCha20Poly1305::new(&Key::from(*key)))
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Inside {
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    chains: Vec<InsideChain>,
    entropy: Zeroizing<String>,
    labels: Vec<String>,
    passphrase: Zeroizing<String>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct InsideChain {
    id: String,
    name: String,
}

/// The plaintext, with room for the tag.
fn plain_text(contents: &Contents) -> Zeroizing<Vec<u8>> {
    let chain = |KnownChain { id, name }: &KnownChain| InsideChain {
        id: id.to_string(),
        name: name.clone(),
    };
    let inside = Inside {
        chains: contents.chains.iter().map(chain).collect(),
        entropy: Zeroizing::new(Base64::encode_string(&contents.phrase.entropy())),
        labels: contents.labels.clone(),
        // In Base64 it has no escapes, for which a reader would need a buffer that is not wiped.
        passphrase: Zeroizing::new(Base64::encode_string(nfkd(&contents.passphrase).as_bytes())),
    };
    // The full capacity from the start: growing would leave a copy behind.
    let mut text = Zeroizing::new(Vec::with_capacity(MAX_FILE_BYTES));
    serde_json::to_writer(&mut *text, &inside).expect("strings can be written");
    text
}

fn contents(text: &[u8]) -> Option<Contents> {
    let inside: Inside = serde_json::from_slice(text).ok()?;
    let entropy = Zeroizing::new(Base64::decode_vec(&inside.entropy).ok()?);
    let passphrase = Base64::decode_vec(&inside.passphrase).ok()?;
    if inside.labels.len() > MAX_ADDRESSES || inside.chains.len() > MAX_CHAINS {
        return None;
    }
    let chain = |InsideChain { id, name }| Some(KnownChain { id: id.parse().ok()?, name });
    Some(Contents {
        phrase: Phrase::from_entropy(&entropy).ok()?,
        passphrase: Zeroizing::new(String::from_utf8(passphrase).ok()?),
        labels: inside.labels,
        chains: inside.chains.into_iter().map(chain).collect::<Option<_>>()?,
    })
}

fn bytes<const N: usize>(text: &str) -> Result<[u8; N], OpenError> {
    let mut bytes = [0; N];
    match Base64::decode(text, &mut bytes) {
        Ok(read) if read.len() == N => Ok(bytes),
        _ => Err(OpenError::Damaged(Damage::Checksum)),
    }
}
