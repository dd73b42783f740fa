//! Secret phrases: BIP-39, English.

use bip39::{Language, Mnemonic};
use std::borrow::Cow;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::written::{Named, is_mark};

/// The longest text that is read as a phrase, in bytes. 24 words of 8 letters take 215.
pub const MAX_PHRASE_BYTES: usize = 1_000;

/// The longest passphrase, in bytes of its form NFKD.
pub const MAX_PASSPHRASE_BYTES: usize = 1_000;

/// How many words a new phrase has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Length {
    /// 12 words: 128 bits, as strong as the curve's keys.
    #[default]
    Twelve,
    /// 24 words: 256 bits.
    TwentyFour,
}

/// The text is not a phrase. The error never quotes the text, which is nearly a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadPhrase {
    /// It has not 12, 15, 18, 21 or 24 words.
    #[error("a phrase has 12, 15, 18, 21 or 24 words, not {0}")]
    Count(usize),
    /// A word is not in BIP-39's English list.
    #[error("word {place} is not in the English list of BIP-39")]
    Unknown {
        /// Which word, counted from 1.
        place: usize,
    },
    /// A word has a character that no word of the list has.
    #[error("word {place} has {} in it; the words have the letters a to z alone", Named(*.found))]
    Character {
        /// Which word, counted from 1.
        place: usize,
        /// The character.
        found: char,
    },
    /// The words are numbered, but their order can't be told.
    #[error(
        "the numbers beside the words are not 1, 2, 3 and so on, each with one word: give the words in \
         their order, without numbers"
    )]
    Numbers(usize),
    /// All words are in the list, but they do not fit together.
    #[error("the words do not fit together: one of them is wrong, or their order is")]
    Checksum,
    /// The text is longer than [`MAX_PHRASE_BYTES`].
    #[error("a phrase has at most {MAX_PHRASE_BYTES} bytes, not {0}")]
    Length(usize),
    /// The entropy has another size.
    #[error("a phrase stands for 16, 20, 24, 28 or 32 bytes, not {0}")]
    Entropy(usize),
}

impl From<bip39::Error> for BadPhrase {
    fn from(error: bip39::Error) -> Self {
        match error {
            bip39::Error::BadWordCount(count) => Self::Count(count),
            bip39::Error::UnknownWord(index) => Self::Unknown { place: index + 1 },
            bip39::Error::BadEntropyBitCount(bits) => Self::Entropy(bits / 8),
            // One language is compiled in, so no phrase is ambiguous.
            bip39::Error::InvalidChecksum | bip39::Error::AmbiguousLanguages(_) => Self::Checksum,
        }
    }
}

/// Whether a character stands between words: white space, punctuation, and the bullets of lists.
fn separates(char: char) -> bool {
    char.is_whitespace()
        || char.is_ascii_punctuation()
        || matches!(
            char,
            '«' | '»' | '·' | '\u{2010}'..='\u{205e}' | '\u{25a0}'..='\u{25ff}' | '\u{3001}'..='\u{301f}'
        )
}

/// The words of a text in the order of the numbers beside them, as in lists of two columns. A word
/// that stands before every number, as in "Word 1: …", is not one of the phrase.
fn ordered(text: &str) -> Result<Vec<&str>, BadPhrase> {
    // The words before the first number, and each number with those up to the next one.
    let (mut lead, mut numbered) = (Vec::new(), Vec::<(u32, Vec<&str>)>::new());
    for part in text.split(' ') {
        let word = part.trim_start_matches(|char: char| char.is_ascii_digit());
        let number = &part[..part.len() - word.len()];
        if !number.is_empty() {
            numbered.push((number.parse().unwrap_or(u32::MAX), Vec::new()));
        }
        if !word.is_empty() {
            numbered.last_mut().map_or(&mut lead, |(_, words)| words).push(word);
        }
    }
    if let Some(((_, last), others)) = numbered.split_last_mut()
        && !lead.is_empty()
    {
        let is_label = |words: &[&str]| words.len() == lead.len() + 1 && words.ends_with(&lead);
        let labelled = others.iter().all(|(_, words)| is_label(words)) && last.len() == 1;
        if labelled && (!others.is_empty() || lead == ["word"]) {
            others.iter_mut().for_each(|(_, words)| words.truncate(1));
            lead.clear();
        } else if last.is_empty() {
            // Each number is behind its words.
            for (_, words) in &mut numbered {
                std::mem::swap(words, &mut lead);
            }
        }
    }
    if !numbered.is_sorted_by_key(|(number, _)| *number) {
        let count = lead.len() + numbered.iter().map(|(_, words)| words.len()).sum::<usize>();
        numbered.sort_by_key(|(number, _)| *number);
        let is_list = (1..).zip(&numbered).all(|(place, (number, words))| {
            *number == place && words.len() == 1 && lead.is_empty()
        });
        if !is_list {
            let is_whole = (12..=24).contains(&count) && count.is_multiple_of(3);
            let why = if is_whole { BadPhrase::Numbers } else { BadPhrase::Count };
            return Err(why(count));
        }
    }
    Ok(lead.into_iter().chain(numbered.into_iter().flat_map(|(_, words)| words)).collect())
}

/// A phrase of 12 to 24 words, which give control of the wallet. The last one holds a checksum,
/// which is right.
pub struct Phrase(Mnemonic);

hide!(Phrase);

impl ZeroizeOnDrop for Phrase {}

impl Phrase {
    /// The phrase for `entropy`: 16, 20, 24, 28 or 32 bytes.
    pub fn from_entropy(entropy: &[u8]) -> Result<Self, BadPhrase> {
        Ok(Self(Mnemonic::from_entropy_in(Language::English, entropy)?))
    }

    /// Makes a new phrase from the system's randomness. Fails if the system has none.
    pub fn generate(length: Length) -> Result<Self, getrandom::Error> {
        let mut entropy = Zeroizing::new([0; 32]);
        let bytes = match length {
            Length::Twelve => &mut entropy[..16],
            Length::TwentyFour => &mut entropy[..],
        };
        getrandom::fill(bytes)?;
        Ok(Self::from_entropy(bytes).expect("16 and 32 bytes have a phrase"))
    }

    /// Reads words as people write and send them: in any case and Unicode form, numbered or not, with
    /// any white space, marks and punctuation around them.
    pub fn parse(text: &str) -> Result<Self, BadPhrase> {
        if text.len() > MAX_PHRASE_BYTES {
            return Err(BadPhrase::Length(text.len()));
        }
        let lower = Zeroizing::new(nfkd(text).to_lowercase());
        let seen = lower.chars().filter(|char| !is_mark(*char));
        let seen = Zeroizing::new(
            seen.map(|char| if separates(char) { ' ' } else { char }).collect::<String>(),
        );
        let mut bare = Zeroizing::new(String::with_capacity(seen.len() + 1));
        for (place, word) in (1..).zip(ordered(&seen)?) {
            if let Some(found) = word.chars().find(|char| !char.is_ascii_lowercase()) {
                return Err(BadPhrase::Character { place, found });
            }
            bare.push_str(word);
            bare.push(' ');
        }
        Ok(Self(Mnemonic::parse_in_normalized(Language::English, bare.trim_end())?))
    }

    /// The words with one space between them.
    pub fn text(&self) -> Zeroizing<String> {
        // The full capacity from the start: growing would leave a copy behind.
        let mut text = Zeroizing::new(String::with_capacity(MAX_PHRASE_BYTES));
        for word in self.0.words() {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(word);
        }
        text
    }

    /// The entropy that the words stand for: 4 bytes for every 3 words.
    pub fn entropy(&self) -> Zeroizing<Vec<u8>> {
        let (mut bytes, length) = self.0.to_entropy_array();
        let entropy = Zeroizing::new(bytes[..length].to_vec());
        bytes.zeroize();
        entropy
    }

    /// BIP-39's seed: PBKDF2 of the words and a passphrase, which may be empty. Every passphrase
    /// gives a seed, so a mistyped one gives an empty wallet and no error.
    pub fn seed(&self, passphrase: &str) -> Seed {
        Seed(Zeroizing::new(self.0.to_seed_normalized(&nfkd(passphrase))))
    }
}

/// The 64 bytes from which BIP-32 derives every key.
pub struct Seed(Zeroizing<[u8; 64]>);

hide!(Seed);

impl ZeroizeOnDrop for Seed {}

impl Seed {
    /// A seed that was made elsewhere.
    pub fn from_bytes(bytes: [u8; 64]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// The 64 bytes.
    pub fn as_bytes(&self) -> &[u8; 64] {
        &self.0
    }
}

/// `text` in Unicode's form NFKD, as BIP-39 requires: the same letters typed on another keyboard
/// give the same bytes.
pub(crate) fn nfkd(text: &str) -> Zeroizing<String> {
    let mut text = Cow::Borrowed(text);
    Mnemonic::normalize_utf8_cow(&mut text);
    Zeroizing::new(text.into_owned())
}
