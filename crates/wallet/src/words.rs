//! Secret phrases: BIP-39, English.

use bip39::{Language, Mnemonic};
use std::borrow::Cow;
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

use crate::written::{Named, is_mark};

/// The longest text that is read as a phrase, in bytes. 24 words of 8 letters take 215.
pub const MAX_PHRASE_BYTES: usize = 1_000;

/// The longest passphrase, in bytes of its form NFKD.
pub const MAX_PASSPHRASE_BYTES: usize = 1_000;

/// By how many letters each word of BIP-39's English list differs from all others.
const TELLING_LETTERS: usize = 4;

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
    #[error("a wallet has 12, 15, 18, 21 or 24 words, and these are {0}")]
    Count(usize),
    /// A word is not in BIP-39's English list.
    #[error("word {place} is not in the list of 2,048 words (BIP-39, English); check its spelling")]
    Unknown {
        /// Which word, counted from 1.
        place: usize,
    },
    /// A word has a character that no word of the list has.
    #[error("word {place} contains {}; the words have only letters from a to z", Named(*.found))]
    Character {
        /// Which word, counted from 1.
        place: usize,
        /// The character.
        found: char,
    },
    /// The words are numbered, but their order can't be told.
    #[error(
        "the numbers beside the words must be 1, 2, 3 and so on, each with one word: give the words in \
         their order, without numbers"
    )]
    Numbers(usize),
    /// All words are in the list, but they do not fit together.
    #[error("the words do not fit together: one word is wrong, or the order of the words is wrong")]
    Checksum,
    /// The text is longer than [`MAX_PHRASE_BYTES`].
    #[error(
        "this text is too long for the words of a wallet: it has {0} bytes, and at most {MAX_PHRASE_BYTES} \
         are allowed"
    )]
    Length(usize),
    /// The entropy has another size.
    #[error("the words of a wallet stand for 16, 20, 24, 28 or 32 bytes, not {0}")]
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
            let why = if is_count(count) { BadPhrase::Numbers } else { BadPhrase::Count };
            return Err(why(count));
        }
    }
    Ok(lead.into_iter().chain(numbered.into_iter().flat_map(|(_, words)| words)).collect())
}

/// The words of a text in their order, in lower case, whether the list has them or not.
///
/// # Errors
/// Fails if their order can't be told.
pub fn written_words(text: &str) -> Result<Vec<Zeroizing<String>>, BadPhrase> {
    Ok(ordered(&seen(text))?.into_iter().map(|word| Zeroizing::new(word.to_owned())).collect())
}

/// The text in lower case, with one space for everything that stands between words.
fn seen(text: &str) -> Zeroizing<String> {
    let lower = Zeroizing::new(nfkd(text).to_lowercase());
    let seen = lower.chars().filter(|char| !is_mark(*char));
    Zeroizing::new(seen.map(|char| if separates(char) { ' ' } else { char }).collect())
}

fn is_count(words: usize) -> bool {
    (12..=24).contains(&words) && words.is_multiple_of(3)
}

/// The word of the list that a text stands for: the same, or the only one that begins with it.
fn expanded(text: &str) -> Option<&'static str> {
    let list = Language::English;
    if let Some(place) = list.find_word(text) {
        return Some(list.word_list()[usize::from(place)]);
    }
    list.words_by_prefix_iter(text).next().filter(|_| text.len() >= TELLING_LETTERS)
}

/// The words of the list that one that it lacks may have been: those that begin with it, or else those
/// with the fewest letters changed, at most two. The result is as secret as the word.
pub fn nearest(word: &str) -> Vec<&'static str> {
    let begun: Vec<_> = Language::English.words_by_prefix_iter(word).collect();
    if !begun.is_empty() {
        return begun;
    }
    let far = |listed: &&str| strsim::osa_distance(word, listed);
    let list = Language::English.word_list();
    let least = list.iter().map(far).min().unwrap_or(usize::MAX);
    // Of a short word, two changed letters leave too little.
    let most = if word.chars().count() < TELLING_LETTERS { 1 } else { 2 };
    list.iter().filter(|listed| least <= most && far(listed) == least).copied().collect()
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

    /// Reads words as people write and send them: in any case and Unicode form, whole or by their
    /// first letters, numbered or not, with any white space, marks and punctuation around them.
    pub fn parse(text: &str) -> Result<Self, BadPhrase> {
        if text.len() > MAX_PHRASE_BYTES {
            return Err(BadPhrase::Length(text.len()));
        }
        let seen = seen(text);
        let words = ordered(&seen)?;
        for (place, word) in (1..).zip(&words) {
            if let Some(found) = word.chars().find(|char| !char.is_ascii_lowercase()) {
                return Err(BadPhrase::Character { place, found });
            }
        }
        // Few words are those of a text that goes on, and longer ones may be no phrase at all.
        if !is_count(words.len()) {
            return Err(BadPhrase::Count(words.len()));
        }
        // The full capacity from the start: growing would leave a copy behind.
        let mut whole = Zeroizing::new(String::with_capacity(MAX_PHRASE_BYTES));
        for (place, word) in (1..).zip(words) {
            whole.push_str(expanded(word).ok_or(BadPhrase::Unknown { place })?);
            whole.push(' ');
        }
        Ok(Self(Mnemonic::parse_in_normalized(Language::English, whole.trim_end())?))
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
