//! Wallet files: new ones, restored ones, and what they show.

use blocksmith_consensus::address::Address;
use blocksmith_wallet::{Phrase, Wallet, dev};

use crate::ledger;
use crate::owner::{Owner, PASSWORD, forge};

/// The words of 16 zero bytes, BIP-39's first vector.
const WORDS: &str =
    "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about";

/// The addresses of these words, by the library.
fn expected(words: &str, passphrase: &str, addresses: usize) -> Vec<String> {
    let mut wallet = Wallet::new(Phrase::parse(words).unwrap(), passphrase).unwrap();
    for _ in 1..addresses {
        wallet.add_address("").unwrap();
    }
    wallet.addresses().map(|entry| entry.address.to_text(forge().hrp)).collect()
}

#[test]
fn alice_makes_a_wallet_and_gets_words_that_make_the_same_one() {
    for (args, count) in [(&["new"][..], 12), (&["new", "--words", "24"], 24)] {
        let alice = Owner::new();
        let printed = alice.run(args).good();
        let [words, "", address] = printed.lines().collect::<Vec<_>>()[..] else {
            panic!("words, an empty line and an address in {printed}");
        };
        assert_eq!(words.split(' ').count(), count);
        assert_eq!(expected(words, "", 1), [address]);
        assert_eq!(alice.texts(), [address]);
        // Whoever comes by later finds no other one.
        let words_again = alice.run(&["export", "--words"]).good();
        assert_eq!(words_again, format!("{words}\n"));
        assert_eq!(alice.run(&["address"]).good(), format!("{address}\n"));
    }
}

#[test]
fn a_program_gets_the_new_words_as_json() {
    let alice = Owner::new();
    let made = alice.run(&["new", "--json"]).json();
    let words = made["words"].as_str().unwrap();
    assert_eq!(made["addresses"], serde_json::json!(expected(words, "", 1)));
    assert_eq!(made["wallet"], alice.wallet().to_str().unwrap());
    let exported = alice.run(&["export", "--words", "--json"]).json();
    assert_eq!(exported, serde_json::json!({ "words": words, "passphrase": "" }));
}

#[test]
fn a_wallet_file_is_never_written_over() {
    let alice = Owner::with_wallet(1, 1);
    let before = std::fs::read(alice.wallet()).unwrap();
    for (command, input) in [("new", ""), ("restore", WORDS)] {
        let ran = alice.run_with(input, &[command, "--password-file", "password"]);
        assert_eq!(ran.stdout, "");
        let error = ran.bad(1);
        assert!(error.contains("never overwritten: name another file with --wallet"), "{error}");
        assert_eq!(std::fs::read(alice.wallet()).unwrap(), before);
    }
}

#[test]
fn without_a_name_the_wallet_is_where_blocksmith_keeps_its_data() {
    let alice = Owner::new();
    let mut command = alice.command(&["new", "--password-file", "password"]);
    let made = command.env_remove("BLOCKSMITH_WALLET").output().unwrap();
    assert!(made.status.success(), "{made:?}");
    assert!(alice.home.path().join("blocksmith/wallets/wallet.json").exists());
}

#[test]
fn bob_restores_his_wallet_from_the_words_alone() {
    let bob = Owner::new();
    let typed = format!("  {}\r\n", WORDS.to_uppercase().replace(' ', "  "));
    let printed = bob.run_with(&typed, &["restore", "--password-file", "password"]).good();
    assert_eq!(printed.lines().collect::<Vec<_>>(), expected(WORDS, "", 1));
    assert_eq!(bob.texts(), expected(WORDS, "", 1));
}

#[test]
fn four_letters_of_each_word_restore_the_same_wallet() {
    let (mut short, mut listed) = (WORDS.replace("abandon", "aban"), String::new());
    short = short.replace("about", "ABOU");
    for (place, word) in (1..).zip(short.split(' ')) {
        listed += &format!("{place}. {word}\n");
    }
    for text in [&short, &listed, &short.to_uppercase()] {
        let bob = Owner::new();
        let printed = bob.run_with(text, &["restore", "--password-file", "password"]).good();
        assert_eq!(printed.lines().collect::<Vec<_>>(), expected(WORDS, "", 1));
        let exported = bob.run(&["export", "--words"]).good();
        assert_eq!(exported, format!("{WORDS}\n"), "the whole words are what counts");
    }
}

#[test]
fn password_words_and_passphrase_come_line_by_line() {
    let bob = Owner::new();
    let input = format!("{PASSWORD}\n{WORDS}\nTREZOR\nleft over\n");
    let args = ["restore", "--passphrase", "--password-file", "-", "--json"];
    let made = bob.run_with(&input, &args).json();
    assert_eq!(made["addresses"], serde_json::json!(expected(WORDS, "TREZOR", 1)));
    // Words are not shown to those who have them.
    assert_eq!(made.get("words"), None);
    assert_ne!(expected(WORDS, "TREZOR", 1), expected(WORDS, "", 1));
    let exported = bob.run(&["export", "--words"]).good();
    assert_eq!(exported, format!("{WORDS}\nTREZOR\n"));
}

#[test]
fn words_that_do_not_fit_are_refused_and_not_repeated() {
    for (words, why) in [
        ("abandon abandon", "12, 15, 18, 21 or 24 words, and these are 2"),
        ("", "12, 15, 18, 21 or 24 words, and these are 0"),
        (&WORDS.replace("about", "zoo")[..], "do not fit together"),
        (&WORDS.replace("about", "xylofon")[..], "word 12 is not in the list of 2,048 words"),
        // Of a word that is not typed on a terminal, no likeness is told.
        (&WORDS.replacen("abandon", "abadon", 1)[..], "word 1 is not in the list of 2,048 words"),
        (&WORDS.replacen("abandon", "ab", 1)[..], "word 1 is not in the list of 2,048 words"),
    ] {
        let bob = Owner::new();
        let error = bob.run_with(words, &["restore", "--password-file", "password"]).bad(1);
        assert!(error.contains(why), "{error}");
        for word in ["abandon", "abadon", "zoo", "xylofon", "ability"] {
            assert!(!error.contains(word), "{error}");
        }
        assert!(!bob.wallet().exists());
    }
}

#[test]
fn a_node_tells_which_addresses_were_used() {
    let node = ledger::start();
    let all = expected(WORDS, "", 80);
    let parsed = |index: usize| Address::parse(&all[index], forge().hrp).unwrap();
    {
        let mut ledger = node.state();
        // Between 3 and 23 are 19 that were never used, between 23 and 44 as many as end the look.
        for index in [3, 23, 44] {
            ledger.mine(parsed(index));
        }
    }
    let bob = Owner::new();
    let args = ["restore", "--password-file", "password", "--node", &node.url()];
    let printed = bob.run_with(WORDS, &args).good();
    assert_eq!(printed.lines().collect::<Vec<_>>(), all[..24]);
    assert_eq!(bob.texts(), all[..24]);
    let asked = node.state().calls.iter().filter(|call| call.contains("/accounts/")).count();
    assert_eq!(asked, 24 + 20);
}

#[test]
fn a_restore_says_how_far_it_looked_and_how_to_look_further() {
    let node = ledger::start();
    let all = expected(WORDS, "", 80);
    let mine = |index: usize| {
        let hrp = forge().hrp;
        node.state().mine(Address::parse(&all[index], hrp).unwrap());
    };
    let restore = |more: &[&str]| {
        let (bob, url) = (Owner::new(), node.url());
        let args = [&["restore", "--password-file", "password", "--node", &url], more].concat();
        let ran = bob.run_with(WORDS, &args);
        let told = ran.stderr.clone();
        (ran.good().lines().count(), told)
    };
    let further = "If coins are missing, look further: restore again with --gap";
    let (found, told) = restore(&[]);
    assert!(told.contains("The first 20 addresses have no transactions."), "{told}");
    assert!(told.contains(&format!("{further} 100, and name another file")), "{told}");
    assert_eq!(found, 1);
    // A payment beyond the gap is found with a larger one.
    [0, 3, 44].into_iter().for_each(mine);
    let (found, told) = restore(&[]);
    let seen = "Looked at 24 addresses: the last one with a transaction is number 4.";
    assert!(told.contains(seen), "{told}");
    assert_eq!(found, 4);
    let (found, told) = restore(&["--gap", "100"]);
    assert!(told.contains("Looked at 145 addresses: the last one"), "{told}");
    assert!(told.contains(&format!("{further} 500")), "{told}");
    assert_eq!(found, 45);
    // A smaller one looks less far, and the largest leaves nothing to look at.
    assert_eq!(restore(&["--gap=2"]).0, 1);
    let (found, told) = restore(&["--gap=1000", "--json"]);
    assert!(told.contains("number 45. A wallet can't have more addresses."), "{told}");
    assert_eq!(found, 1, "one JSON text");
    // Without a node nothing is looked at, and a gap would be dropped in silence.
    let args = ["restore", "--password-file", "password", "--gap", "5"];
    assert!(Owner::new().run_with(WORDS, &args).bad(2).contains("--node"));
}

#[test]
fn if_the_node_is_away_nothing_is_restored_by_halves() {
    let bob = Owner::new();
    let url = crate::fake::Fake::<ledger::Ledger>::free_address();
    let args = ["restore", "--password-file", "password", "--node", &url];
    let error = bob.run_with(WORDS, &args).bad(3);
    assert!(error.contains("does not answer"), "{error}");
    assert!(!bob.wallet().exists());
}

#[test]
fn the_words_that_everybody_knows_make_the_dev_accounts_and_a_warning() {
    let node = ledger::start();
    let tenth = dev::addresses().last().unwrap();
    node.state().mine(tenth);
    let carol = Owner::new();
    let args = ["restore", "--password-file", "password", "--node", &node.url()];
    let ran = carol.run_with(dev::PHRASE, &args);
    assert!(ran.stderr.contains("These words are public"), "{}", ran.stderr);
    let all: Vec<_> = dev::addresses().map(|address| address.to_text(forge().hrp)).collect();
    assert_eq!(ran.good().lines().collect::<Vec<_>>(), all);
    let bob = Owner::new();
    let ran = bob.run_with(WORDS, &["restore", "--password-file", "password"]);
    assert!(!ran.stderr.contains("Everybody"), "{}", ran.stderr);
}

#[test]
fn another_address_is_in_the_file_before_it_is_shown() {
    let alice = Owner::with_wallet(1, 1);
    let label = "rent, März \"26\"";
    let printed = alice.run(&["address", "--new", "--label", label]).good();
    let all = alice.texts();
    assert_eq!(all.len(), 2);
    assert_eq!(printed, format!("{}  {label}\n", all[1]));
    assert_eq!(alice.run(&["address"]).good(), format!("{}\n{}  {label}\n", all[0], all[1]));
    let rows = alice.run(&["address", "--json"]).json();
    let row = serde_json::json!({
        "index": 1, "path": "m/86'/1'/0'/0/1", "address": all[1], "label": label,
    });
    assert_eq!(rows[1], row);
    assert_eq!(rows.as_array().unwrap().len(), 2);

    let error = alice.run(&["address", "--new", "--label", "two\nlines"]).bad(1);
    assert!(error.contains("one line"), "{error}");
    let error = alice.run(&["address", "--label", "of none"]).bad(2);
    assert!(error.contains("--new"), "{error}");
    assert_eq!(alice.texts().len(), 2);
}

#[test]
fn an_address_can_be_drawn() {
    let alice = Owner::with_wallet(1, 1);
    let printed = alice.run(&["address", "--qr"]).good();
    let (code, address) = printed.trim_end().rsplit_once('\n').unwrap();
    assert_eq!(address, alice.texts()[0]);
    assert!(code.lines().all(|line| line.chars().all(|char| " ▀▄█".contains(char))), "{code}");
    assert!(code.lines().count() > 20);
}

#[test]
fn an_export_tells_what_is_public() {
    let alice = Owner::with_wallet(1, 2);
    let export = alice.run(&["export"]).json();
    assert_eq!(export["chain"], "forge");
    assert_eq!(export["chain_id"], forge().chain_id.to_string());
    let rows = export["addresses"].as_array().unwrap();
    assert_eq!(rows.len(), 2);
    for (index, (row, address)) in rows.iter().zip(alice.addresses()).enumerate() {
        assert_eq!(row["path"], format!("m/86'/1'/0'/0/{index}"));
        assert_eq!(row["address"], address.to_text(forge().hrp));
        assert_eq!(row["public_key"], blocksmith_consensus::Hash(*address.key()).to_string());
    }
    assert_eq!(rows[1]["label"], "number 1");
}

#[test]
fn the_wrong_password_and_no_wallet_are_told_apart() {
    let alice = Owner::with_wallet(1, 1);
    let args = ["address", "--password-file", "-"];
    let error = alice.run_with("something else\n", &args).bad(1);
    assert!(error.contains("or restore the wallet from its words"), "{error}");
    // The end of the line belongs to the file, on every system.
    alice.run_with(&format!("{PASSWORD}\r\n"), &args).good();
    alice.run_with(PASSWORD, &args).good();
    let nobody = Owner::new();
    let error = nobody.run(&["address"]).bad(1);
    assert!(error.contains("make one with `blocksmith wallet new`"), "{error}");
    let error = alice.run_with("", &["address", "--password-file", "nowhere"]).bad(1);
    assert!(error.contains("the password can't be read from nowhere"), "{error}");
    let error = alice.run_with("", &["address"]).bad(2);
    assert!(error.contains("--password-file"), "{error}");
}

#[test]
fn what_is_wrong_with_a_file_is_said_once() {
    let alice = Owner::with_wallet(1, 1);
    let says = |args: &[&str], input: &str, why: &str| {
        let error = alice.run_with(input, &[args, &["--password-file", "-"]].concat()).bad(1);
        assert_eq!(error.matches(why).count(), 1, "{error}");
        error
    };
    let error = says(&["address"], "something else\n", "the password is wrong");
    assert_eq!(error.matches(alice.wallet().to_str().unwrap()).count(), 1, "{error}");
    let text = std::fs::read_to_string(alice.wallet()).unwrap();
    for (text, why) in [
        (text.replace("argon2id", "argon2d"), "the wallet file is damaged"),
        ("{}".into(), "this is not a wallet file"),
        (String::new(), "the wallet file is damaged: it is empty"),
        ("\r\n\0\0".into(), "the wallet file is damaged: it is empty"),
        (text[..10].into(), "this is not a wallet file, or most of it is missing"),
        (text[..40].into(), "the wallet file is damaged: line 1, column 41"),
        (text[..text.len() / 2].into(), "the wallet file is damaged: line 1, column"),
    ] {
        std::fs::write(alice.wallet(), text).unwrap();
        let error = says(&["address"], PASSWORD, why);
        for way_out in ["se another copy of it", "or restore the wallet from its words"] {
            assert!(error.contains(way_out), "{error}");
        }
    }
    std::fs::remove_file(alice.wallet()).unwrap();
    says(&["new"], "\n", "a password must have 1 to 1000 bytes, not 0");
    // As where nobody may read it.
    std::fs::create_dir(alice.wallet()).unwrap();
    says(&["address"], PASSWORD, "Is a directory");
}

#[test]
fn chains_without_signatures_have_no_addresses() {
    let alice = Owner::with_wallet(1, 1);
    let error = alice.run(&["address", "--chain", "lecture"]).bad(2);
    assert!(error.contains("the chain lecture has no signed payments and no addresses"), "{error}");
    let error = alice.run(&["address", "--chain", "forg"]).bad(2);
    assert!(error.contains("there is no chain \"forg\""), "{error}");
}
