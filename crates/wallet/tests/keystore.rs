//! The text of wallet files: what Python writes, what is refused, and why.

use blocksmith_consensus::Hash;
use blocksmith_wallet::Phrase;
use blocksmith_wallet::keystore::{
    BadCost, Contents, Cost, Damage, Fresh, KnownChain, MAX_COST, MAX_PASSWORD_BYTES,
    MAX_READ_BYTES, OpenError, SealError, open, seal,
};
use proptest::prelude::*;
use serde_json::Value;

/// As little as Argon2id takes: tests open files by the hundred.
const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

const PASSWORD: &str = "open sesame";

fn unhex(hex: &Value) -> Vec<u8> {
    let hex = hex.as_str().expect("a string");
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex digits"))
        .collect()
}

fn contents(entropy: &[u8], passphrase: &str, labels: &[&str]) -> Contents {
    Contents {
        phrase: Phrase::from_entropy(entropy).expect("a phrase"),
        passphrase: passphrase.to_owned().into(),
        labels: labels.iter().map(|&label| label.to_owned()).collect(),
        chains: Vec::new(),
    }
}

/// What of the contents can be compared.
fn parts(contents: &Contents) -> (Vec<u8>, String, Vec<String>) {
    let Contents { phrase, passphrase, labels, .. } = contents;
    (phrase.entropy().to_vec(), passphrase.to_string(), labels.clone())
}

fn file() -> String {
    let fresh = Fresh { salt: [7; 16], nonce: [9; 12] };
    seal(&contents(&[1; 16], "", &["", "rent"]), PASSWORD, CHEAP, fresh).expect("a file")
}

/// `file` with `from` in place of `to` and the checksum that belongs to it: what an attacker writes.
fn forged(file: &str, from: &str, to: &str) -> String {
    assert!(file.contains(from), "{from}");
    let changed = file.replacen(from, to, 1);
    let start = r#"{"checksum": "#.len();
    let rest = &changed[start + 68..changed.len() - 1];
    format!("{{\"checksum\": \"{}\", {rest}\n", Hash::of(format!("{{{rest}")))
}

fn error(text: impl AsRef<[u8]>, password: &str) -> Option<OpenError> {
    open(text.as_ref(), password).err()
}

/// `make_keystore.py` has Argon2id, ChaCha20 and Poly1305 of its own.
#[test]
fn files_are_those_that_python_writes() {
    let vectors = include_str!("../../../tests/vectors/keystore.json");
    let vectors: Value = serde_json::from_str(vectors).expect("JSON");
    let cases = vectors["cases"].as_array().expect("cases");
    for case in cases {
        let text = |name: &str| case[name].as_str().expect("a string");
        let number = |name: &str| case[name].as_u64().expect("a number") as u32;
        let labels: Vec<&str> = case["labels"]
            .as_array()
            .expect("labels")
            .iter()
            .map(|label| label.as_str().expect("a string"))
            .collect();
        let kept = contents(&unhex(&case["entropy"]), text("passphrase"), &labels);
        let cost = Cost {
            memory_kib: number("memory_kib"),
            passes: number("passes"),
            lanes: number("lanes"),
        };
        let fresh = Fresh {
            salt: unhex(&case["salt"]).try_into().expect("16 bytes"),
            nonce: unhex(&case["nonce"]).try_into().expect("12 bytes"),
        };
        assert_eq!(seal(&kept, text("password"), cost, fresh).expect("a file"), text("file"));
        let read = open(text("file").as_bytes(), text("password")).expect("opens");
        assert_eq!(read.phrase.text(), kept.phrase.text());
        assert_eq!(read.labels, labels);
    }
    assert_eq!(cases.len(), 2);
}

#[test]
fn the_usual_cost_is_rfc_9106s_memory_and_passes() {
    assert_eq!(Cost::default(), Cost { memory_kib: 65_536, passes: 3, lanes: 1 });
    let fresh = Fresh::generate().expect("randomness");
    let file = seal(&contents(&[1; 16], "", &[""]), PASSWORD, Cost::default(), fresh);
    assert!(open(file.expect("a file").as_bytes(), PASSWORD).is_ok());
}

#[test]
fn another_password_does_not_open() {
    let file = file();
    assert!(open(file.as_bytes(), PASSWORD).is_ok());
    let long = "o".repeat(MAX_PASSWORD_BYTES + 1);
    for password in ["", "open sesame ", "Open sesame", "open sesam", &long] {
        assert_eq!(error(&file, password), Some(OpenError::WrongPassword), "{password:?}");
    }
}

#[test]
fn the_same_letters_in_another_unicode_form_open() {
    let fresh = Fresh { salt: [7; 16], nonce: [9; 12] };
    let file = seal(&contents(&[1; 16], "", &[""]), "caf\u{e9}", CHEAP, fresh).expect("a file");
    assert!(open(file.as_bytes(), "cafe\u{301}").is_ok());
}

#[test]
fn every_flipped_bit_is_damage_that_no_password_is_needed_to_see() {
    let file = file();
    for at in 0..file.len() {
        for bit in 0..8 {
            let mut flipped = file.clone().into_bytes();
            flipped[at] ^= 1 << bit;
            let found = error(&flipped, "not the password").expect("refused");
            let expected = match found {
                // These two members say how to read the others, so they are believed.
                OpenError::Version { .. } => "\"version\": 1",
                OpenError::NotAWallet => "\"format\": \"blocksmith-wallet\"",
                _ => "",
            };
            let start = file.find(expected).expect("it is there");
            let believed = (start..start + expected.len()).contains(&at);
            // A line's end that is another white space means as little.
            let is_damaged = matches!(found, OpenError::Damaged(_)) || at == file.len() - 1;
            assert!(is_damaged || believed, "byte {at}, bit {bit}: {found}");
        }
    }
}

/// What is wrong with the text, if it is damaged.
#[track_caller]
fn damage(text: impl AsRef<[u8]>) -> Damage {
    match error(text, PASSWORD) {
        Some(OpenError::Damaged(damage)) => damage,
        other => panic!("{other:?}"),
    }
}

fn utf16(text: &str, unit: fn(u16) -> [u8; 2]) -> Vec<u8> {
    text.encode_utf16().flat_map(unit).collect()
}

#[test]
fn a_file_that_editors_and_mail_went_through_opens() {
    let file = file();
    let value: Value = serde_json::from_str(&file).expect("JSON");
    let members = value.as_object().expect("an object");
    let pretty = serde_json::to_string_pretty(&value).expect("JSON");
    // In another order.
    let turned: Vec<_> =
        members.iter().rev().map(|(key, value)| format!("{key:?}:{value}")).collect();
    let wrapped = |columns: usize, start: &str| {
        let lines =
            file.trim_end().as_bytes().chunks(columns).map(|line| String::from_utf8_lossy(line));
        lines.map(|line| format!("{start}{line}\n")).collect::<String>()
    };
    let rows = [
        ("without its last newline", file.trim_end().to_owned()),
        ("with several", format!("{file}\n\r\n")),
        ("CRLF", file.replace('\n', "\r\n")),
        ("a lone CR", file.replace('\n', "\r")),
        ("a mark", format!("\u{feff}{file}")),
        ("pretty-printed", pretty.clone()),
        ("so, with CRLF and tabs", pretty.replace('\n', "\r\n").replace("  ", "\t")),
        ("minified", value.to_string()),
        ("in another order", format!("{{{}}}", turned.join(","))),
        ("no-break spaces", file.replace(' ', "\u{a0}")),
        ("typographic spaces", file.replace(", ", ",\u{2009}\u{200b}")),
        ("curly quotes", file.replace('"', "\u{201d}")),
        ("wrapped within values", wrapped(76, "")),
        ("quoted in a mail", wrapped(20, "> > ")),
        ("indented", wrapped(7, "    ")),
        ("an escape", file.replace("argon2id", "argon2\\u0069d")),
    ];
    for (name, text) in rows {
        assert_ne!(text, file, "{name}");
        let marked = format!("\u{feff}{text}");
        for bytes in [
            text.clone().into_bytes(),
            utf16(&marked, u16::to_le_bytes),
            utf16(&marked, u16::to_be_bytes),
            utf16(&text, u16::to_le_bytes),
        ] {
            let read = open(&bytes, PASSWORD).unwrap_or_else(|why| panic!("{name}: {why}"));
            assert_eq!(read.labels, ["", "rent"], "{name}");
            assert_eq!(error(&bytes, "sesame"), Some(OpenError::WrongPassword), "{name}");
        }
    }
}

#[test]
fn what_cannot_be_read_is_named_with_its_place() {
    let file = file();
    let pretty = serde_json::to_string_pretty(&serde_json::from_str::<Value>(&file).expect("JSON"));
    let pretty = pretty.expect("JSON");
    let salt = file.find("\"salt\"").expect("a field") + 1;
    let rows = [
        (
            file.replace("\"salt\"", "\"s\u{430}lt\""),
            salt + 1,
            "a wallet file can't contain а (U+0430, Cyrillic)",
        ),
        (file.replace("\"salt\"", "\"s#lt\""), salt + 1, "can't contain # (U+0023)"),
        (file.replace("\"lanes\": 1", "\"lanes\": 1, \"more\": 1"), 0, "unknown field `more`"),
        (file.replace("\"lanes\": 1", "\"lanes\": 1, \"lanes\": 1"), 0, "duplicate field `lanes`"),
        (file.replace("\"lanes\": 1, ", ""), file.trim_end().len() - 13, "missing field `lanes`"),
        (file.replace("\"lanes\": 1", "\"lanes\": -1"), 0, "invalid value: integer `-1`"),
        (file[..300].to_owned(), 300, "EOF while parsing"),
    ];
    for (text, at, why) in rows {
        let said = damage(&text).to_string();
        assert!(said.contains(why), "{said}");
        assert!(said.starts_with("line 1, column "), "{said}");
        assert!(at == 0 || said.starts_with(&format!("line 1, column {}: ", at + 1)), "{said}");
    }
    let said = damage(pretty.replace("\"version\": 1", "\"version\": 1;")).to_string();
    assert!(
        said.starts_with("line 12, column 15: a wallet file can't contain ; (U+003B)"),
        "{said}"
    );
    let said = damage([file.as_bytes(), b"\xff"].concat()).to_string();
    assert!(said.starts_with("line 2, column 1: the text there is neither UTF-8"), "{said}");
    assert_eq!(damage(file.replace("\"lanes\": 1", "\"lanes\": 2")), Damage::Checksum);
    assert_eq!(damage(file.replace("chacha20poly1305", "none")), Damage::Checksum);

    for length in 0..file.trim_end().len() {
        let error = error(&file[..length], PASSWORD);
        let is_damaged = matches!(error, Some(OpenError::Damaged(_)));
        assert!(
            is_damaged || error == Some(OpenError::NotAWallet) && length < 15,
            "{length} bytes"
        );
    }
    for nothing in ["", "\n", "\u{feff}", "\0\0\0"] {
        assert_eq!(damage(nothing), Damage::Empty, "{nothing:?}");
    }
    for other in ["[]", "{}", "12", "{\"format\": \"geth\", \"version\": 3}", "\u{feff}{}"] {
        assert_eq!(error(other, PASSWORD), Some(OpenError::NotAWallet), "{other}");
    }
    assert_eq!(error(b"\xff", PASSWORD), Some(OpenError::NotAWallet));
}

#[test]
fn an_attacker_who_mends_the_checksum_changes_nothing_either() {
    let file = file();
    assert_eq!(forged(&file, "\"lanes\"", "\"lanes\""), file);
    for (from, to) in [
        ("\"memory_kib\": 8", "\"memory_kib\": 9"),
        ("\"passes\": 1", "\"passes\": 2"),
        ("\"salt\": \"B", "\"salt\": \"C"),
        ("\"nonce\": \"C", "\"nonce\": \"D"),
    ] {
        assert_eq!(
            error(forged(&file, from, to), PASSWORD),
            Some(OpenError::WrongPassword),
            "{to}"
        );
    }
    // 8 and 11 KiB are the same memory for one lane, and not the same key.
    let same_memory = forged(&file, "\"memory_kib\": 8", "\"memory_kib\": 11");
    assert_eq!(error(same_memory, PASSWORD), Some(OpenError::WrongPassword));
    for (from, to) in [
        ("\"cipher\": \"chacha20poly1305\"", "\"cipher\": \"none\""),
        ("argon2id", "argon2d"),
        ("\"version\": 1", "\"version\": 1, \"xxx\": 1"),
    ] {
        damage(forged(&file, from, to));
    }

    let start = file.find("\"ciphertext\": \"").expect("a field") + 15;
    let length = file[start..].find('"').expect("its end");
    let locked = &file[start..start + length];
    for at in 0..length {
        let other = if &locked[at..=at] == "A" { "B" } else { "A" };
        let changed = format!("{}{other}{}", &locked[..at], &locked[at + 1..]);
        let found = error(forged(&file, locked, &changed), PASSWORD);
        // The padding of Base64 has one form.
        let padding = found == Some(OpenError::Damaged(Damage::Checksum)) && at + 4 > length;
        assert!(found == Some(OpenError::WrongPassword) || padding, "{at}: {found:?}");
    }
    let none = forged(&file, locked, "");
    assert_eq!(error(none, PASSWORD), Some(OpenError::WrongPassword));
}

#[test]
fn a_hostile_file_cannot_ask_for_the_whole_machine() {
    let file = file();
    let rows = [
        ("memory_kib", 8, u32::MAX, 8, MAX_COST.memory_kib),
        ("memory_kib", 8, MAX_COST.memory_kib + 1, 8, MAX_COST.memory_kib),
        ("memory_kib", 8, 7, 8, MAX_COST.memory_kib),
        ("passes", 1, u32::MAX, 1, MAX_COST.passes),
        ("passes", 1, 0, 1, MAX_COST.passes),
        ("lanes", 1, u32::MAX, 1, MAX_COST.lanes),
        ("lanes", 1, 0, 1, MAX_COST.lanes),
    ];
    for (what, was, found, least, most) in rows {
        let field = |number: u32| format!("\"{what}\": {number}");
        let hostile = forged(&file, &field(was), &field(found));
        let expected = OpenError::Cost(BadCost { what, found, least, most });
        assert_eq!(error(hostile, PASSWORD), Some(expected));
    }
    let two_lanes = forged(&file, "\"lanes\": 1", "\"lanes\": 2");
    let expected = BadCost { what: "memory_kib", found: 8, least: 16, most: MAX_COST.memory_kib };
    assert_eq!(error(two_lanes, PASSWORD), Some(OpenError::Cost(expected)));
    let long = " ".repeat(MAX_READ_BYTES + 1);
    assert_eq!(error(long, PASSWORD), Some(OpenError::TooLong(MAX_READ_BYTES + 1)));
    let deep = format!("{}\"blocksmith-wallet\"", "[".repeat(100_000));
    assert!(matches!(damage(deep), Damage::Character { found: '[', .. }));
}

#[test]
fn a_later_version_is_said_to_be_one() {
    let later = r#"{"format": "blocksmith-wallet", "kdf": "better", "version": 2}"#;
    assert_eq!(error(later, PASSWORD), Some(OpenError::Version { found: 2 }));
}

#[test]
fn nothing_is_written_that_could_not_be_read() {
    let seal = |password: &str, cost| {
        let fresh = Fresh { salt: [7; 16], nonce: [9; 12] };
        seal(&contents(&[1; 16], "", &[""]), password, cost, fresh).err()
    };
    let long = "o".repeat(MAX_PASSWORD_BYTES + 1);
    assert_eq!(seal("", CHEAP), Some(SealError::Password(0)));
    assert_eq!(seal(&long, CHEAP), Some(SealError::Password(MAX_PASSWORD_BYTES + 1)));
    let passes = MAX_COST.passes + 1;
    let expected = BadCost { what: "passes", found: passes, least: 1, most: MAX_COST.passes };
    assert_eq!(seal(PASSWORD, Cost { passes, ..CHEAP }), Some(SealError::Cost(expected)));
}

#[test]
fn chains_that_are_remembered_come_back_and_files_without_any_are_as_they_were() {
    let fresh = || Fresh { salt: [7; 16], nonce: [9; 12] };
    let mut kept = contents(&[1; 16], "", &["", "rent"]);
    let without = seal(&kept, PASSWORD, CHEAP, fresh()).expect("a file");
    assert_eq!(without, file());
    kept.chains = [("class", 7), ("chess \"club\"", 8)]
        .map(|(name, byte)| KnownChain { id: Hash([byte; 32]), name: name.into() })
        .into();
    let with = seal(&kept, PASSWORD, CHEAP, fresh()).expect("a file");
    assert_ne!(with, without);
    assert_eq!(open(with.as_bytes(), PASSWORD).expect("opens").chains, kept.chains);
    assert!(open(without.as_bytes(), PASSWORD).expect("opens").chains.is_empty());
}

#[test]
fn each_writing_has_a_salt_of_its_own() {
    let (one, other) = (Fresh::generate().expect("bits"), Fresh::generate().expect("bits"));
    assert_ne!(one.salt, other.salt);
    assert_ne!(one.nonce, other.nonce);
}

fn entropies() -> impl Strategy<Value = Vec<u8>> {
    prop::sample::select(vec![16, 20, 24, 28, 32])
        .prop_flat_map(|bytes| prop::collection::vec(any::<u8>(), bytes))
}

proptest! {
    #[test]
    fn what_was_locked_comes_out_again(
        entropy in entropies(),
        passphrase in "[ -~]{0,40}",
        labels in prop::collection::vec("\\PC{0,20}", 0..5),
        password in "\\PC{1,40}",
        salt in any::<[u8; 16]>(),
        nonce in any::<[u8; 12]>(),
    ) {
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let kept = contents(&entropy, &passphrase, &labels);
        let file = seal(&kept, &password, CHEAP, Fresh { salt, nonce }).expect("a file");
        let read = open(file.as_bytes(), &password).expect("opens");
        prop_assert_eq!(parts(&read), parts(&kept));
        let other = format!("{password}.");
        prop_assert_eq!(error(&file, &other), Some(OpenError::WrongPassword));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        prop_assert!(open(&bytes, PASSWORD).is_err());
    }
}
