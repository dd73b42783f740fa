//! Words and passwords are nowhere but where they belong. Everything here logs at the highest level.

use blocksmith_wallet::Phrase;

use crate::ledger;
use crate::owner::{Owner, PASSWORD};

#[test]
fn no_command_tells_words_or_the_password_to_those_who_watch() {
    let node = ledger::start();
    let url = node.url();
    let alice = Owner::with_wallet(0xa5, 2);
    let words = Phrase::from_entropy(&[0xa5; 16]).unwrap().text();
    node.state().mine(alice.addresses()[0]);
    let to = alice.texts()[1].clone();
    let from = alice.texts()[0].clone();
    let mut all = Vec::new();
    for args in [
        &["address"][..],
        &["address", "--new"],
        &["balance", "--node", &url],
        &["history", "--node", &url],
        &["send", &to, "1", "--yes", "--node", &url],
        &["sign", &to, "1", "--nonce", "0", "--fee", "0", "--from", &from],
        &["export"],
        &["export", "--words"],
    ] {
        let ran = alice.run(args);
        assert_eq!(ran.code, 0, "{args:?}: {ran:?}");
        if !args.contains(&"--words") {
            all.push(ran.stdout);
        }
        all.push(ran.stderr);
    }
    // They do log: calls are to be seen.
    assert!(all.iter().any(|text| text.contains("TRACE")), "{all:?}");
    let bob = Owner::new();
    let input = format!("{PASSWORD}\n{}\nhush\n", *words);
    let args = ["restore", "--passphrase", "--password-file", "-", "--node", &url];
    let ran = bob.run_with(&input, &args);
    assert_eq!(ran.code, 0, "{ran:?}");
    all.extend([ran.stdout, ran.stderr]);
    let carol = Owner::new();
    let ran = carol.run(&["new"]);
    let new_words = ran.stdout.lines().next().unwrap().to_owned();
    assert_eq!(new_words.split(' ').count(), 12);
    all.push(ran.stderr);

    for text in &all {
        for secret in [PASSWORD, "opensesame", "hush", &new_words, &words] {
            assert!(!text.contains(secret), "{secret:?} is in {text}");
        }
        // Neither are three words in a row of either.
        for words in [&new_words, &**words] {
            let words: Vec<&str> = words.split(' ').collect();
            for three in words.windows(3) {
                assert!(!text.contains(&three.join(" ")), "{three:?} are in {text}");
            }
        }
    }
}

#[test]
fn nothing_secret_is_taken_from_the_command_line() {
    let bob = Owner::new();
    let words = Phrase::from_entropy(&[1; 16]).unwrap().text();
    let typed: Vec<&str> = words.split(' ').collect();
    for args in [&[&["restore"][..], &typed].concat()[..], &["restore", &words]] {
        let error = bob.run(args).bad(2);
        assert!(error.contains("can be read by every program"), "{error}");
        for word in &typed {
            assert!(!error.contains(&format!(" {word} ")), "{error}");
        }
        assert!(!bob.wallet().exists());
    }
    for args in [
        &["new", "--password", PASSWORD][..],
        &["restore", "--words", &words],
        &["restore", "--passphrase=hush"],
    ] {
        let error = bob.run(args).bad(2);
        assert!(!error.contains(PASSWORD) && !error.contains(&**words), "{error}");
        assert!(!bob.wallet().exists());
    }
}

#[cfg(unix)]
#[test]
fn only_the_owner_reads_the_file() {
    use std::os::unix::fs::PermissionsExt as _;
    let alice = Owner::new();
    alice.run(&["new"]).good();
    let mode = alice.wallet().metadata().unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let text = std::fs::read_to_string(alice.wallet()).unwrap();
    // The library's usual cost, which no option lowers.
    assert!(text.contains(r#""memory_kib": 65536"#), "{text}");
}
