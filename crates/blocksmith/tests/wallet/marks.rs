//! What editors, shells and mail do to wallets, passwords, words and payments keeps nobody out.

use std::fs::File;

use blocksmith_consensus::payment::Payment;
use blocksmith_wallet::{Cost, Phrase, Wallet, WalletFile};

use crate::ledger::{self, stranger};
use crate::owner::{Owner, PASSWORD, forge};

/// What a password costs in tests that are not about it.
const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

/// The words of 16 zero bytes, BIP-39's first vector.
const WORDS: &str =
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

fn utf16(text: &str) -> Vec<u8> {
    format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_le_bytes).collect()
}

/// As mail programs send what may have other characters than theirs (RFC 2045).
fn quoted_printable(text: &str) -> String {
    let encoded = text.bytes().map(|byte| match byte {
        b'\n' => "\r\n".into(),
        b' '..=b'~' if byte != b'=' => char::from(byte).to_string(),
        _ => format!("={byte:02X}"),
    });
    let (mut out, mut column) = (String::new(), 0);
    for part in encoded {
        if column + part.len() > 75 && part != "\r\n" {
            out += "=\r\n";
            column = 0;
        }
        column = if part == "\r\n" { 0 } else { column + part.len() };
        out += &part;
    }
    out
}

/// The same text in an answer.
fn cited(text: &str) -> String {
    text.lines().map(|line| format!("> {line}\r\n")).collect()
}

/// Exit code, standard output and error of a command with these bytes on its standard input.
fn run(owner: &Owner, input: &[u8], args: &[&str]) -> (i32, String, String) {
    let file = owner.home.path().join("input");
    std::fs::write(&file, input).unwrap();
    let mut command = owner.command(args);
    command.env("BLOCKSMITH_LOG", "off").stdin(File::open(&file).unwrap());
    let output = command.output().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

#[test]
fn a_wallet_file_that_was_edited_opens_and_is_written_as_ever() {
    let alice = Owner::with_wallet(1, 1);
    let file = std::fs::read_to_string(alice.wallet()).unwrap();
    let value: serde_json::Value = serde_json::from_str(&file).unwrap();
    let pretty = serde_json::to_string_pretty(&value).unwrap();
    let first = alice.run(&["address"]).good();
    for (name, bytes) in [
        ("CRLF", file.replace('\n', "\r\n").into_bytes()),
        ("no newline", file.trim_end().as_bytes().to_vec()),
        ("more of them", format!("\n{file}\n\n").into_bytes()),
        ("pretty", pretty.clone().into_bytes()),
        ("minified", value.to_string().into_bytes()),
        ("a mark", format!("\u{feff}{file}").into_bytes()),
        ("UTF-16", utf16(&pretty.replace('\n', "\r\n"))),
        ("a signature", format!("{pretty}\r\n-- \r\nAlice\r\n").into()),
        ("a signature in an answer", cited(&format!("{file}-- \nAlice")).into()),
        ("quoted-printable", quoted_printable(&pretty).into()),
        (
            "quoted-printable, with a signature",
            quoted_printable(&format!("{file}-- \nZo\u{eb}")).into(),
        ),
        ("quoted-printable in an answer", cited(&quoted_printable(&file)).into()),
        ("Ctrl-Z", format!("{file}\u{1a}").into()),
        ("NULs", format!("{}\0\0\0\0", file.trim_end()).into()),
        (
            "mail",
            pretty.lines().map(|line| format!("> {line}\u{a0}\r\n")).collect::<String>().into(),
        ),
    ] {
        std::fs::write(alice.wallet(), bytes).unwrap();
        let ran = alice.run(&["address"]);
        assert_eq!((ran.code, &ran.stdout), (0, &first), "{name}: {}", ran.stderr);
    }
    alice.run(&["address", "--new"]).good();
    let written = std::fs::read_to_string(alice.wallet()).unwrap();
    assert!(written.starts_with("{\"checksum\": \"") && written.ends_with("\"version\": 1}\n"));

    let broken = pretty.replacen("\"kdf\"", "\"k\u{501}f\"", 1);
    std::fs::write(alice.wallet(), &broken).unwrap();
    let at = broken.lines().position(|line| line.contains('\u{501}')).unwrap() + 1;
    let error = alice.run(&["address"]).bad(1);
    let expected = format!(
        "is damaged: line {at}, column 5: a wallet file can't contain \u{501} (U+0501, Cyrillic)"
    );
    assert!(error.contains(&expected), "{error}");
    assert!(error.contains("or restore the wallet from its words"), "{error}");
}

#[test]
fn a_wallet_opens_with_the_password_that_its_owner_would_type() {
    for (name, bytes) in [
        ("a mark", b"\xef\xbb\xbfopen sesame\n".to_vec()),
        ("CRLF and a mark", b"\xef\xbb\xbfopen sesame\r\nnotes\r\n".to_vec()),
        ("UTF-16", utf16("open sesame\r\nnotes\r\n")),
        ("a lone CR", b"open sesame\rnotes\r".to_vec()),
        ("no newline", b"open sesame".to_vec()),
        ("spaces around", "\t open sesame\u{a0}\u{200b}\n".into()),
        ("an empty line before", b"\r\n  \r\nopen sesame\r\n".to_vec()),
        ("Ctrl-Z", b"open sesame\x1a".to_vec()),
        ("Ctrl-Z below", b"open sesame\r\n\x1a".to_vec()),
        ("NULs", b"open sesame\0\0\0\0".to_vec()),
        ("UTF-16 and Ctrl-Z", utf16("open sesame\u{1a}\r\n")),
    ] {
        let alice = Owner::new();
        std::fs::write(alice.home.path().join("password"), bytes).unwrap();
        let ran = alice.run(&["new"]);
        assert_eq!(ran.code, 0, "{name}: {}", ran.stderr);
        assert_eq!(ran.stderr.contains("are not part of it"), name == "spaces around", "{name}");
        assert!(WalletFile::open(alice.wallet(), "open sesame").is_ok(), "{name}");
        // With the very file, too, and with what a shell hands over.
        alice.run(&["address"]).good();
        for typed in [&b"open sesame\n"[..], b" open sesame \r\n", &utf16("open sesame\r\n")] {
            let (code, _, error) = run(&alice, typed, &["address", "--password-file", "-"]);
            assert_eq!(code, 0, "{name}: {error}");
        }
        let (code, _, error) = run(&alice, b"opensesame\n", &["address", "--password-file", "-"]);
        assert!(code == 1 && error.contains("the password is wrong"), "{name}: {error}");
    }
}

#[test]
fn a_password_that_nobody_could_type_makes_no_wallet() {
    let wide: Vec<u8> =
        "\u{feff}open sesame\n".chars().flat_map(|char| u32::from(char).to_le_bytes()).collect();
    for (bytes, why) in [
        (b"open\x07sesame\n".to_vec(), "character 5 of the password is U+0007, which is invisible"),
        (b"open\x1bsesame\n".to_vec(), "character 5 of the password is U+001B,"),
        (b"open\tsesame\n".to_vec(), "character 5 of the password is U+0009 (tab),"),
        (b"open\0sesame\n".to_vec(), "character 5 of the password is U+0000 (null),"),
        (
            b"open\x1asesame\n".to_vec(),
            "character 5 of the password is U+001A (substitute, Ctrl-Z)",
        ),
        ("op\u{200b}en".into(), "character 3 of the password is U+200B (zero width space),"),
        ("op\u{202e}en".into(), "character 3 of the password is U+202E (direction control),"),
        ("  op\u{feff}en\n".into(), "character 3 of the password is U+FEFF (byte order mark),"),
        ("op\u{2069}en\n".into(), "character 3 of the password is U+2069 (direction control),"),
        (wide, "save a password file as UTF-8, not as UTF-32"),
    ] {
        let alice = Owner::new();
        std::fs::write(alice.home.path().join("password"), &bytes).unwrap();
        let ran = alice.run(&["new"]);
        assert_eq!(ran.stdout, "");
        let error = ran.bad(1);
        assert!(error.contains(why) && !error.contains("sesame"), "{error}");
        assert!(!alice.wallet().exists());
        let restored = run(&alice, WORDS.as_bytes(), &["restore", "--password-file", "password"]);
        assert!(restored.0 == 1 && restored.2.contains(why), "{restored:?}");
        // Where it is only wrong, that may be why.
        let alice = Owner::with_wallet(1, 1);
        let (code, _, error) = run(&alice, &bytes, &["address", "--password-file", "-"]);
        assert!(code == 1 && error.contains("the password is wrong"), "{error}");
        assert!(error.contains(why), "{error}");
    }
    // What people do type is one.
    for password in [
        "Stra\u{df}e 7\u{20ac}",
        "\u{43f}\u{430}\u{440}\u{43e}\u{43b}\u{44c}",
        "e\u{301} \u{a0}x",
        "\u{1f528}",
    ] {
        let alice = Owner::new();
        std::fs::write(alice.home.path().join("password"), password).unwrap();
        alice.run(&["new"]).good();
        assert!(WalletFile::open(alice.wallet(), password).is_ok(), "{password:?}");
    }
}

#[test]
fn wallets_of_earlier_programs_open_with_the_files_that_they_were_made_with() {
    let all = [
        ("\u{feff}secret", "\u{feff}secret\n"),
        ("\u{feff}secret", "secret\n"),
        (" secret ", " secret \r\n"),
        ("secret\u{a0}", "secret\u{a0}"),
        ("   ", "   \n"),
        ("sec\rret", "sec\rret\n"),
        ("\u{feff} secret", "\u{feff} secret\n"),
        ("secret\u{1a}", "secret\u{1a}"),
        ("secret\u{1a}", " secret\u{1a}\r\n"),
        ("secret\0\0", "secret\0\0\n"),
        ("sec\u{200b}ret", "sec\u{200b}ret\n"),
        ("sec\u{7}ret\t!", "sec\u{7}ret\t!\n"),
    ]
    .map(|(password, file)| (password, file.as_bytes().to_vec()));
    // In UTF-32, which was taken for UTF-16.
    let wide: Vec<u8> =
        "\u{feff}sec\n".chars().flat_map(|char| u32::from(char).to_le_bytes()).collect();
    let in_wide = ["\u{feff}\0s\0e\0c\0", "\0s\0e\0c\0"].map(|password| (password, wide.clone()));
    for (password, file) in all.into_iter().chain(in_wide) {
        let alice = Owner::new();
        let wallet = Wallet::new(Phrase::parse(WORDS).unwrap(), "").unwrap();
        WalletFile::create(alice.wallet(), &wallet, password, CHEAP).unwrap();
        let (code, _, error) = run(&alice, &file, &["address", "--password-file", "-"]);
        assert_eq!(code, 0, "{password:?}: {error}");
        if !password.trim().is_empty() {
            std::fs::write(alice.home.path().join("password"), file).unwrap();
            alice.run(&["address", "--new"]).good();
        }
        // The password is what it was, also when the file was written anew.
        assert!(WalletFile::open(alice.wallet(), password).is_ok(), "{password:?}");
    }
}

/// The only address that these words make, with this passphrase.
fn address(words: &str, passphrase: &str) -> String {
    let wallet = Wallet::new(Phrase::parse(words).unwrap(), passphrase).unwrap();
    let entry = wallet.addresses().next().unwrap();
    format!("{}\n", entry.address.to_text(forge().hrp))
}

#[test]
fn words_are_read_as_lists_mail_and_shells_have_them() {
    let numbered: String =
        (1..).zip(WORDS.split(' ')).map(|(place, word)| format!("{place}. {word}\r\n")).collect();
    let wrapped = WORDS.replacen(' ', "\n", 5);
    let restore = ["restore", "--password-file", "password"];
    for (name, bytes) in [
        ("numbered", numbered.clone().into_bytes()),
        ("wrapped", format!("{wrapped}\n").into_bytes()),
        ("wrapped with CR", wrapped.replace('\n', "\r").into_bytes()),
        ("quoted", format!("> {}\n", WORDS.replacen(' ', "\n> ", 3)).into_bytes()),
        ("UTF-16", utf16(&numbered)),
        ("a mark and commas", format!("\u{feff}{}", WORDS.replace(' ', ",\u{a0}")).into_bytes()),
        ("one a line, with empty lines", WORDS.replace(' ', "\n\n").into_bytes()),
        (
            "with labels",
            numbered
                .replace("\r\n", "\r\nWord ")
                .replacen("1.", "Word 1:", 1)
                .trim_end_matches("Word ")
                .into(),
        ),
        ("Ctrl-Z", format!("{WORDS}\u{1a}").into_bytes()),
    ] {
        let bob = Owner::new();
        let (code, out, error) = run(&bob, &bytes, &restore);
        assert_eq!((code, out), (0, address(WORDS, "")), "{name}: {error}");
    }
    // All from the standard input: a password, words on several lines, and a passphrase.
    let all = format!("{PASSWORD}\r\n{numbered}TREZOR\r\n");
    for bytes in [all.clone().into_bytes(), utf16(&all), all.replace("\r\n", "\r").into_bytes()] {
        let bob = Owner::new();
        let args = ["restore", "--passphrase", "--password-file", "-"];
        let (code, out, error) = run(&bob, &bytes, &args);
        assert_eq!((code, out), (0, address(WORDS, "TREZOR")), "{error}");
        assert!(WalletFile::open(bob.wallet(), PASSWORD).is_ok());
    }
    // The numbers of a list say its order, however many columns it has.
    let long = Phrase::from_entropy(&std::array::from_fn::<u8, 32, _>(|at| at as u8 * 7)).unwrap();
    let long = long.text();
    let each: Vec<_> = (1..).zip(long.split(' ')).collect();
    for columns in [2, 3, 4] {
        let rows = 24 / columns;
        let row = |row: usize| (0..columns).map(move |column| column * rows + row);
        let cell = |at: usize| format!("{:>2}. {:<12}", each[at].0, each[at].1);
        let list: String =
            (0..rows).map(|at| row(at).map(cell).collect::<String>() + "\r\n").collect();
        let bob = Owner::new();
        let (code, out, error) = run(&bob, format!("{list}\u{1a}").as_bytes(), &restore);
        assert_eq!((code, out), (0, address(&long, "")), "{list}: {error}");
        assert!(!error.contains("was not read"), "{error}");
        let bob = Owner::new();
        let (code, _, error) = run(&bob, list.replacen(" 9.", "99.", 1).as_bytes(), &restore);
        assert!(code == 1 && error.contains("the numbers beside the words must be"), "{error}");
    }
    // What would be dropped in silence, or could be taken for something else, is said.
    let bob = Owner::new();
    let (code, out, error) = run(&bob, format!("{WORDS}\nTREZOR\n").as_bytes(), &restore);
    assert_eq!((code, out), (0, address(WORDS, "")), "{error}");
    assert!(error.contains("The text after the words was not read. (--passphrase"), "{error}");
    let bob = Owner::new();
    let args = ["restore", "--passphrase", "--password-file", "password"];
    let (code, out, error) = run(&bob, format!("{WORDS}\nhush \n").as_bytes(), &args);
    assert_eq!((code, out), (0, address(WORDS, "hush ")), "{error}");
    assert!(error.contains("ends with spaces, and they are part of it"), "{error}");
    // Twelve words of 24 may be a phrase by themselves.
    let long = format!("{}art", "abandon ".repeat(23));
    assert!(Phrase::parse(&long).is_ok());
    let both = (0..=255_u8).find_map(|byte| {
        let phrase = Phrase::from_entropy(&[[byte; 16], [7; 16]].concat()).unwrap().text();
        let words: Vec<_> = phrase.split(' ').collect();
        let half = words[..12].join(" ");
        Phrase::parse(&half).is_ok().then(|| format!("{half}\n{}\n", words[12..].join(" ")))
    });
    let bob = Owner::new();
    let (code, out, error) = run(&bob, both.unwrap().as_bytes(), &restore);
    assert_eq!((code, out.as_str()), (1, ""), "{error}");
    assert!(error.contains("it is not clear where the words end"), "{error}");
    assert!(!bob.wallet().exists());

    let bob = Owner::new();
    let strange = WORDS.replacen("abandon", "aband\u{43e}n", 1);
    let (code, _, error) = run(&bob, strange.as_bytes(), &restore);
    assert!(code == 1 && error.contains("word 1 contains \u{43e} (U+043E, Cyrillic)"), "{error}");
}

#[test]
fn a_payment_that_went_by_mail_is_the_payment_that_was_signed() {
    let node = ledger::start();
    let (alice, friend) = (Owner::with_wallet(1, 1), Owner::new());
    node.state().mine(alice.addresses()[0]);
    let to = stranger().to_text(forge().hrp);
    let args = [
        "sign",
        &to,
        "1",
        "--nonce",
        "0",
        "--fee",
        "0.01",
        "--memo",
        "rent for \u{201c}May\u{201d}",
    ];
    let signed = alice.run(&args).good();
    let id = Payment::parse(signed.as_bytes(), &forge()).unwrap().id().to_string();
    let bare = signed.trim_end();
    let cut = |columns: usize, end: &str| {
        let lines = bare.as_bytes().chunks(columns).map(String::from_utf8_lossy);
        lines.map(|line| format!("{line}{end}")).collect::<String>()
    };
    let value: serde_json::Value = serde_json::from_str(bare).unwrap();
    let curly = bare.replace("\", \"", "\u{201d}, \u{201c}").replace("\": ", "\u{201d}: ");
    let curly =
        curly.replace(": \"", ": \u{201c}").replace("{\"", "{\u{201c}").replace("\"}", "\u{201d}}");
    let curly = curly.replace(", \"", ", \u{201c}");
    for (name, bytes) in [
        ("a mark", format!("\u{feff}{bare}\r\n").into_bytes()),
        ("UTF-16", utf16(&format!("{bare}\r\n"))),
        ("empty lines", format!("\n\r\n  {bare}\n\n\u{a0}").into_bytes()),
        ("pretty", serde_json::to_string_pretty(&value).unwrap().into_bytes()),
        ("cut anywhere", cut(31, "\n").into_bytes()),
        ("cut anywhere, CRLF", cut(76, "\r\n").into_bytes()),
        ("cut and quoted", format!("> {}", cut(60, "\n> ")).into_bytes()),
        ("wrapped between words", bare.replace(' ', "\n").into_bytes()),
        ("wrapped and quoted", format!("> {}", bare.replace(' ', "\r\n>> ")).into_bytes()),
        ("other spaces", bare.replace(' ', "\u{a0}").into_bytes()),
        ("a signature", format!("{bare}\r\n-- \r\nBest wishes,\r\nAlice\r\n").into_bytes()),
        ("cut, with a signature", format!("{}--\nAlice", cut(60, "\n")).into_bytes()),
        ("a signature in an answer", cited(&format!("{bare}\n-- \nAlice")).into()),
        ("quoted-printable", quoted_printable(bare).into()),
        (
            "quoted-printable, pretty",
            quoted_printable(&serde_json::to_string_pretty(&value).unwrap()).into(),
        ),
        (
            "quoted-printable in an answer",
            cited(&quoted_printable(&format!("{bare}\n-- \nZo\u{eb}"))).into(),
        ),
        ("Ctrl-Z", format!("{bare}\r\n\u{1a}").into_bytes()),
        ("NULs", format!("{bare}\0\0\0").into_bytes()),
        ("zero-width spaces", bare.replace("forge1", "forge\u{200b}1").into_bytes()),
        ("curly quotes", curly.into_bytes()),
    ] {
        let (code, out, error) = run(&friend, &bytes, &["verify"]);
        assert_eq!(code, 0, "{name}: {error}");
        assert!(out.starts_with(&format!("id         {id}\n")), "{name}: {out}");
        assert!(out.contains("memo       \"rent for \u{201c}May\u{201d}\""), "{name}: {out}");
    }
    // And so it is handed in: the node gets its one text.
    std::fs::write(friend.home.path().join("mail"), cut(40, "\r\n> ")).unwrap();
    let send = ["send", "--signed", "mail", "--yes", "--node", &node.url()];
    friend.run_with("", &send).good();
    assert_eq!(node.state().queue[0].text(), bare);

    // What was changed is not, whatever is tried.
    let changed = cut(31, "\n").replacen("rent", "rant", 1);
    let (code, _, error) = run(&friend, changed.as_bytes(), &["verify"]);
    assert!(code == 1 && error.contains("the signature of transaction"), "{error}");
    for (text, place) in [
        (bare.replacen("\"fee\":", "\"fee\"\u{2013}", 1), "U+2013, en dash"),
        (format!("\n{bare} und Gr\u{fc}\u{df}e"), "line 2, column"),
        (bare.replacen(", ", ",\0", 1), "found U+0000 (null)"),
        (bare.replacen("\"fee\": ", "\"fee\": \0", 1), "found U+0000 (null)"),
        (bare.replacen("}", "}\0 and so on", 1), "U+0000 (null) follows the end of the payment"),
        (bare.replacen("rent", "r\0nt", 1), "a string can't contain U+0000 (null)"),
        (format!("{bare}\nBest wishes, Alice"), "line 2, column 1: B (U+0042) follows the end"),
    ] {
        let (code, _, error) = run(&friend, text.as_bytes(), &["verify"]);
        assert!(code == 1 && error.contains(place), "{error}");
        assert!(!error.contains("UTF-8"), "{error}");
    }
    let wide: Vec<u8> = bare.chars().flat_map(|char| u32::from(char).to_be_bytes()).collect();
    let (code, _, error) = run(&friend, &wide, &["verify"]);
    assert!(code == 1 && error.contains("the text is in UTF-32"), "{error}");
    let (code, _, error) = run(&friend, b"{\"memo\": \"Zo\xeb\"}", &["verify"]);
    assert!(code == 1 && error.contains("line 1, column 13: the text there"), "{error}");
}
