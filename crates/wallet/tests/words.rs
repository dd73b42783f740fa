//! Phrases against BIP-39's vectors, and what people type.

use blocksmith_wallet::words::{BadPhrase, Length, MAX_PHRASE_BYTES, Phrase, nearest};
use serde_json::Value;

const ABOUT: &str =
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

fn unhex(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().expect("a string");
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits"))
        .collect()
}

/// BIP-39's English vectors, from the reference implementation; their passphrase is `TREZOR`.
#[test]
fn entropy_words_and_seed_are_those_of_bip_39() {
    let file = include_str!("../../../tests/vectors/bip39.json");
    let file: Value = serde_json::from_str(file).expect("JSON");
    let cases = file["vectors"].as_array().expect("cases");
    for case in cases {
        let words = case["words"].as_str().expect("words");
        let phrase = Phrase::from_entropy(&unhex(&case["entropy"])).expect("a phrase");
        assert_eq!(*phrase.text(), words);
        let phrase = Phrase::parse(words).expect("a phrase");
        assert_eq!(*phrase.entropy(), unhex(&case["entropy"]));
        assert_eq!(phrase.seed("TREZOR").as_bytes().as_slice(), unhex(&case["seed"]), "{words}");
    }
    assert_eq!(cases.len(), 24);
}

#[test]
fn people_may_shout_and_break_lines() {
    let text = format!("\n {}\u{3000}ABOUT\t\r\n", "Abandon  ".repeat(11));
    assert_eq!(*Phrase::parse(&text).expect("a phrase").text(), ABOUT);
    // Full-width letters, which NFKD makes plain.
    let wide = ABOUT.replace("about", "\u{ff41}\u{ff42}\u{ff4f}\u{ff55}\u{ff54}");
    assert_eq!(*Phrase::parse(&wide).expect("a phrase").text(), ABOUT);
}

#[test]
fn four_letters_stand_for_a_word_and_give_the_same_seed() {
    let file = include_str!("../../../tests/vectors/bip39.json");
    let file: Value = serde_json::from_str(file).expect("JSON");
    for case in file["vectors"].as_array().expect("cases") {
        let words = case["words"].as_str().expect("words");
        for letters in [4, 5, 7] {
            let short: Vec<_> =
                words.split(' ').map(|word| &word[..word.len().min(letters)]).collect();
            for text in [short.join(" "), short.join("\n").to_uppercase()] {
                let phrase = Phrase::parse(&text).expect("a phrase");
                assert_eq!(*phrase.text(), words);
                assert_eq!(phrase.seed("TREZOR").as_bytes().as_slice(), unhex(&case["seed"]));
            }
        }
    }
}

#[test]
fn a_mistyped_word_is_nearest_to_the_one_that_was_meant() {
    for (typed, meant) in [
        ("abadon", &["abandon"][..]),
        ("abandn", &["abandon"]),
        ("zeberas", &["zebra"]),
        ("trhow", &["throw"]),
        // Too few letters to tell.
        ("abs", &["absent", "absorb", "abstract", "absurd"]),
        // As near to one as to the other.
        ("pint", &["hint", "pink", "point", "print"]),
        ("xylophone", &[]),
        ("q9", &[]),
    ] {
        assert_eq!(nearest(typed), meant, "{typed}");
    }
}

#[test]
fn people_may_number_words_and_send_them_by_mail() {
    let words = || ABOUT.split(' ');
    let numbered =
        |form: fn((usize, &str)) -> String| (1..).zip(words()).map(form).collect::<String>();
    for text in [
        numbered(|(place, word)| format!("{place}. {word}\n")),
        numbered(|(place, word)| format!("{place:02}) {word}\r\n")),
        numbered(|(place, word)| format!("{place}:{word};")),
        numbered(|(place, word)| format!("#{place} {word}\t")),
        numbered(|(place, word)| format!("({place}){word}\u{a0}")),
        numbered(|(_, word)| format!("\u{2022} {word}\u{2028}")),
        numbered(|(_, word)| format!("> - \u{201c}{word}\u{201d}\r")),
        numbered(|(_, word)| format!("{}\u{200b}{}, ", &word[..2], &word[2..])),
        format!("[\"{}\"]", words().collect::<Vec<_>>().join("\",\"")),
        format!("\u{feff}{}", ABOUT.replace(' ', "\u{2009}")),
        ABOUT.replacen(' ', "\n", 6),
    ] {
        assert_eq!(*Phrase::parse(&text).expect("a phrase").text(), ABOUT, "{text:?}");
    }
    for (text, place, found) in [
        (ABOUT.replacen('o', "\u{43e}", 1), 1, '\u{43e}'),
        (ABOUT.replace("about", "ab0ut"), 12, '0'),
        (ABOUT.replace("about", "caf\u{e9}"), 12, '\u{301}'),
    ] {
        assert_eq!(Phrase::parse(&text).err(), Some(BadPhrase::Character { place, found }));
    }
    let said = BadPhrase::Character { place: 3, found: '\u{43e}' }.to_string();
    assert!(said.starts_with("word 3 contains о (U+043E, Cyrillic); the words have"), "{said}");
}

/// How a word and its place are written.
type Form = fn((usize, &str)) -> String;

#[test]
fn lists_in_columns_are_read_by_their_numbers() {
    for count in [12, 15, 18, 24] {
        // All different, so that their order tells.
        let entropy: Vec<u8> =
            (0..count * 4 / 3).map(|byte| (byte as u8).wrapping_mul(29)).collect();
        let phrase = Phrase::from_entropy(&entropy).expect("a phrase").text();
        let words: Vec<&str> = phrase.split(' ').collect();
        let cell = |form: Form, at: usize| form((at + 1, words[at]));
        let columns = |form: Form, columns: usize| {
            let rows = count / columns;
            let row = |row| (0..columns).map(move |column| cell(form, column * rows + row));
            (0..rows).map(|at| row(at).collect::<String>() + "\n").collect::<String>()
        };
        let forms: [Form; 6] = [
            |(place, word)| format!("{place}. {word}  "),
            |(place, word)| format!("| {place:02} | {word} "),
            |(place, word)| format!("Word {place}: {word}\t"),
            |(place, word)| format!("Seed word #{place} {word}, "),
            |(place, word)| format!("{word} ({place}) "),
            |(place, word)| format!("{place}{word} "),
        ];
        for form in forms {
            for wide in [1, 3] {
                let text = columns(form, wide);
                assert_eq!(*Phrase::parse(&text).expect("a phrase").text(), *phrase, "{text}");
            }
        }
        // Every item is the first, and all items are on numbered lines.
        let items: String = words.iter().map(|word| format!("1. {word}\n")).collect();
        assert_eq!(*Phrase::parse(&items).expect("a phrase").text(), *phrase);
        let lines = words.chunks(3).enumerate();
        let lines: String =
            lines.map(|(at, words)| format!("{at} {}\n", words.join(" "))).collect();
        assert_eq!(*Phrase::parse(&lines).expect("a phrase").text(), *phrase);
        // Numbers that say no order.
        let swapped = columns(forms[0], 1).replacen("3.", "33.", 1);
        assert_eq!(Phrase::parse(&swapped).err(), Some(BadPhrase::Numbers(count)));
    }
}

#[test]
fn a_phrase_that_is_none_says_why() {
    let abandon = |count: usize| "abandon ".repeat(count);
    let rows = [
        ("no words", String::new(), BadPhrase::Count(0)),
        ("eleven words", abandon(11), BadPhrase::Count(11)),
        ("thirteen words", abandon(13), BadPhrase::Count(13)),
        ("twenty-seven words", abandon(27), BadPhrase::Count(27)),
        ("a wrong checksum", abandon(12), BadPhrase::Checksum),
        ("words swapped", ABOUT.replace("abandon about", "about abandon"), BadPhrase::Checksum),
        ("a word cut too short", ABOUT.replace("about", "abo"), BadPhrase::Unknown { place: 12 }),
        (
            "another language",
            ABOUT.replacen("abandon", "abaisser", 1),
            BadPhrase::Unknown { place: 1 },
        ),
        ("a novel", "a".repeat(MAX_PHRASE_BYTES + 1), BadPhrase::Length(MAX_PHRASE_BYTES + 1)),
    ];
    for (name, text, expected) in rows {
        assert_eq!(Phrase::parse(&text).err(), Some(expected), "{name}");
    }
    for bytes in [0, 8, 15, 17, 33, 36] {
        let entropy = vec![0; bytes];
        assert_eq!(Phrase::from_entropy(&entropy).err(), Some(BadPhrase::Entropy(bytes)));
    }
}

#[test]
fn a_new_phrase_is_as_long_as_asked_and_never_the_same() {
    let words = |length| Phrase::generate(length).expect("randomness").text();
    assert_eq!(words(Length::default()).split(' ').count(), 12);
    assert_eq!(words(Length::TwentyFour).split(' ').count(), 24);
    for length in [Length::Twelve, Length::TwentyFour] {
        assert_ne!(words(length), words(length));
        let half = Phrase::generate(length).expect("randomness").entropy();
        assert_ne!(half[half.len() / 2..], vec![0; half.len() / 2]);
    }
}
