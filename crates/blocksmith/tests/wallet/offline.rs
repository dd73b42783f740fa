//! Payments without any node: signed on one machine, checked on another.

use blocksmith_consensus::address::Hrp;
use blocksmith_consensus::payment::{MAX_WIRE_BYTES, Payment};
use blocksmith_wallet::{Phrase, dev};

use crate::owner::{Owner, forge, forge_dev};
use crate::program::Program;

#[test]
fn alice_signs_offline_and_bob_checks_what_he_gets() {
    let (alice, bob) = (Owner::with_wallet(1, 1), Owner::with_wallet(2, 1));
    let (from, to) = (alice.texts().remove(0), bob.texts().remove(0));
    let args =
        ["sign", &to, "12.5", "--nonce", "3", "--fee", "0.00000001", "--memo", "für \u{202e}Zoë"];
    let signed = alice.run(&args).good();
    // One line, as a node keeps it.
    let payment = Payment::parse(signed.as_bytes(), &forge()).unwrap().verify().unwrap();
    assert_eq!(signed, format!("{}\n", payment.text()));
    assert_eq!(payment.sender(), alice.addresses()[0]);
    assert_eq!(payment.recipient(), bob.addresses()[0]);
    assert_eq!((payment.amount(), payment.fee(), payment.nonce()), (1_250_000_000, 1, 3));

    // No wallet is needed to check it.
    let anybody = Owner::new();
    let id = payment.id();
    let printed = anybody.run_with(&signed, &["verify"]).good();
    assert_eq!(
        printed,
        format!(
            "id         {id}\nsender     {from}\nrecipient  {to}\namount     12.5\n\
             fee        0.00000001\nnonce      3\nmemo       \"für \\u{{202e}}Zoë\"\n"
        )
    );
    std::fs::write(anybody.home.path().join("payment.json"), &signed).unwrap();
    let verdict = anybody.run(&["verify", "payment.json", "--json"]).json();
    assert_eq!(
        verdict,
        serde_json::json!({
            "valid": true, "id": id.to_string(), "sender": from, "recipient": to,
            "amount": 1_250_000_000_u64, "fee": 1, "nonce": 3, "memo": "für \u{202e}Zoë",
        })
    );
}

#[test]
fn what_was_changed_on_the_way_is_no_payment() {
    let (alice, anybody) = (Owner::with_wallet(1, 1), Owner::new());
    let to = Owner::with_wallet(2, 1).texts().remove(0);
    let signed = alice.run(&["sign", &to, "1", "--nonce", "3", "--fee", "0"]).good();
    for (text, why) in [
        (signed.replace("\"nonce\": 3", "\"nonce\": 4"), "the signature of transaction"),
        (signed.replace("100000000", "900000000"), "the signature of transaction"),
        (signed.replace("\"fee\": 0", "\"fee\": 1e0"), "\"fee\" must be a whole number"),
        (signed.replace("\"fee\": 0, ", ""), "the transaction has no \"fee\""),
        (signed.replace("\"fee\": 0", "\"fee\": 0, \"fee\": 0"), "has the field \"fee\" twice"),
        (signed.replace(&to, &to.replace('1', "l")), "an address of this chain must start with"),
        (signed.replacen("\"signature\": \"", "\"signature\": \"00", 1), "a signature must be"),
        (String::new(), "this JSON can't be read"),
        (signed.replacen(' ', &" ".repeat(MAX_WIRE_BYTES), 1), "it has more than 16384 bytes"),
    ] {
        assert_ne!(text, signed);
        let ran = anybody.run_with(&text, &["verify"]);
        assert_eq!(ran.stdout, "");
        let error = ran.bad(1);
        assert!(error.contains(why), "{text}: {error}");
        let ran = anybody.run_with(&text, &["verify", "-", "--json"]);
        let verdict: serde_json::Value = serde_json::from_str(&ran.stdout).unwrap();
        assert_eq!((ran.code, &verdict["valid"]), (1, &serde_json::json!(false)));
        assert!(verdict["error"].as_str().unwrap().contains(why), "{verdict}");
    }
    let error = anybody.run(&["verify", "nowhere"]).bad(1);
    assert!(error.contains("can't be read from nowhere"), "{error}");
}

#[test]
fn a_typo_in_an_address_is_found_before_a_password_is_asked_for() {
    let alice = Owner::with_wallet(1, 1);
    let to = Owner::with_wallet(2, 1).texts().remove(0);
    let mistyped = match to.ends_with('q') {
        true => format!("{}p", &to[..to.len() - 1]),
        false => format!("{}q", &to[..to.len() - 1]),
    };
    let mixed = format!("F{}", &to[1..]);
    for (text, why) in [
        (&*mistyped, "the checksum of the address does not fit: a character is wrong"),
        (&mistyped.to_uppercase(), "the checksum of the address does not fit"),
        (&mixed, "an address has either small letters or capitals, and this one has both"),
        (
            &to.replace("forge1", "forge1b"),
            "no address has the character 'b', which is character 7",
        ),
        (&to[..to.len() - 1], "an address of this chain must have 64 characters, not 63"),
        ("bob", "an address of this chain must start with \"forge1\", not with \"bob\""),
    ] {
        // No password at all: that would be the next complaint.
        let error = alice.run_with("", &["sign", text, "1", "--nonce", "0", "--fee", "0"]).bad(2);
        assert!(error.contains(why), "{error}");
        assert!(error.contains("; copy "), "{error}");
    }
}

#[test]
fn an_address_is_read_as_people_give_it_and_paid_in_its_one_form() {
    let alice = Owner::with_wallet(1, 2);
    let (to, from) = (Owner::with_wallet(2, 1).texts().remove(0), alice.texts().remove(1));
    let loud = to.to_uppercase();
    for text in [
        loud.clone(),
        format!(" {to}\n"),
        format!("\u{feff}\t{loud}\u{a0}\r\n"),
        format!("forge:{to}"),
        format!("FORGE:{loud}"),
        format!("Forge: {}\n  {}\n", &to[..40], &to[40..]),
    ] {
        let from = format!(" FORGE:{}", from.to_uppercase());
        let args = ["sign", &text, "1", "--nonce", "0", "--fee", "0", "--from", &from];
        let signed = alice.run(&args).good();
        assert!(signed.contains(&format!("\"recipient\": \"{to}\"")), "{text:?}: {signed}");
        Payment::parse(signed.as_bytes(), &forge()).expect("payments keep their one form");
    }
    // More than an address is not dropped in silence.
    for (text, rest) in [
        (format!("forge:{to}?amount=5"), "?amount=5"),
        (format!("{loud}?label=rent&amount=5"), "?label=rent&amount=5"),
        (format!("{to}#memo"), "#memo"),
    ] {
        let error = alice.run_with("", &["sign", &text, "1", "--nonce", "0", "--fee", "0"]).bad(2);
        let why = format!("\"{rest}\" follows the address; give the address alone");
        assert!(error.contains(&why), "{error}");
    }
    // What is an address elsewhere names both prefixes, in capitals too.
    let theirs = alice.addresses()[0].to_text(Hrp::new("class").unwrap());
    for text in [theirs.to_uppercase(), theirs] {
        let error = alice.run_with("", &["sign", &text, "1", "--nonce", "0", "--fee", "0"]).bad(2);
        let why = "an address of another chain: it starts with \"class1\", and addresses of this \
                   chain start with \"forge1\"";
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn who_has_several_addresses_says_which_one_pays() {
    let alice = Owner::with_wallet(1, 2);
    let all = alice.texts();
    let sign = |more: &[&str]| {
        alice.run(&[&["sign", &all[0], "1", "--nonce", "0", "--fee", "0"], more].concat())
    };
    let error = sign(&[]).bad(2);
    assert!(error.contains("--from"), "{error}");
    let signed = sign(&["--from", &all[1]]).good();
    let payment = Payment::parse(signed.as_bytes(), &forge()).unwrap();
    assert_eq!(payment.sender(), alice.addresses()[1]);
    let strangers = Owner::with_wallet(2, 1).texts().remove(0);
    let error = sign(&["--from", &strangers]).bad(2);
    assert!(error.contains(&format!("this wallet has no address {strangers}")), "{error}");
}

#[test]
fn amounts_that_are_none_are_refused_with_the_reason() {
    let alice = Owner::with_wallet(1, 1);
    let to = alice.texts().remove(0);
    for (amount, why) in [
        ("0", "more than 0"),
        ("0,5", "comma"),
        ("1e3", "decimal number"),
        ("0.000000001", "at most 8 digits"),
        ("90071992.54740992", "at most 90071992.54740991 coins"),
    ] {
        let error = alice.run(&["sign", &to, amount, "--nonce", "0", "--fee", "0"]).bad(2);
        assert!(error.contains(why), "{error}");
    }
    let memo = "ü".repeat(43);
    let error =
        alice.run(&["sign", &to, "1", "--nonce", "0", "--fee", "0", "--memo", &memo]).bad(2);
    assert!(
        error.contains("a memo can have at most 256 bytes as JSON, and this one has 260: write"),
        "{error}"
    );
}

#[test]
fn a_file_that_exists_is_not_written_over() {
    let alice = Owner::with_wallet(1, 1);
    let to = alice.texts().remove(0);
    let args = ["sign", &to, "1", "--nonce", "0", "--fee", "0", "--out", "payment.json"];
    assert_eq!(alice.run(&args).good(), "");
    let path = alice.home.path().join("payment.json");
    let signed = std::fs::read(&path).unwrap();
    assert!(Payment::parse(&signed, &forge()).unwrap().verify().is_ok());
    let error = alice.run(&args).bad(1);
    let expected = "payment.json exists already and is not overwritten; choose another name\n";
    assert!(error.ends_with(expected), "{error}");
    assert_eq!(std::fs::read(&path).unwrap(), signed);
}

#[cfg(unix)]
#[test]
fn a_payment_that_is_not_written_whole_is_not_in_the_way_of_the_next() {
    let alice = Owner::with_wallet(1, 1);
    let to = alice.texts().remove(0);
    let args = ["sign", &to, "1", "--nonce", "0", "--fee", "0", "--out", "payment.json"];
    // A file of no bytes is all that this shell's child can write.
    let mut small = std::process::Command::new("sh");
    small.arg("-c").arg(r#"trap '' XFSZ; ulimit -f 0; exec "$0" "$@""#);
    small.arg(env!("CARGO_BIN_EXE_blocksmith")).arg("wallet").args(args);
    small.args(["--password-file", "password"]).current_dir(alice.home.path());
    let output = small.env("BLOCKSMITH_WALLET", alice.wallet()).output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && error.contains("payment.json"), "{error}");
    assert_eq!(alice.run(&args).good(), "");
}

#[test]
fn everybodys_keys_sign_for_dev_chains_only() {
    let phrase = || Phrase::parse(dev::PHRASE).unwrap();
    let (carol, alice) = (Owner::with_phrase(phrase(), 1), Owner::with_wallet(1, 1));
    let (devs, alices) = (carol.texts().remove(0), alice.texts().remove(0));
    for (owner, to) in [(&carol, &alices), (&alice, &devs)] {
        let args = ["sign", to, "1", "--nonce", "0", "--fee", "0"];
        let error = owner.run(&args).bad(1);
        assert!(error.contains(&format!("the secret key of {devs} is public")), "{error}");
        // What is signed for the dev chain is nothing on the one that it is made from.
        for dev in [&["--dev"][..], &["--chain", "forge-dev"], &["--dev", "--chain", "forge-dev"]] {
            let signed = owner.run(&[&args[..], dev].concat()).good();
            assert!(Payment::parse(signed.as_bytes(), &forge_dev()).unwrap().verify().is_ok());
            assert!(Payment::parse(signed.as_bytes(), &forge()).unwrap().verify().is_err());
            owner.run_with(&signed, &[&["verify"], dev].concat()).good();
            let error = owner.run_with(&signed, &["verify", "--chain", "forge"]).bad(1);
            assert!(error.contains("not a signed payment on the chain forge: "), "{error}");
        }
    }
    let args = ["sign", &alices, "1", "--nonce", "0", "--fee", "0", "--dev", "--chain", "lecture"];
    let error = carol.run(&args).bad(2);
    assert!(error.contains("the chain lecture has no signed payments and no addresses"), "{error}");
}

#[test]
fn a_dev_node_takes_what_was_signed_offline() {
    let carol = Owner::with_phrase(Phrase::parse(dev::PHRASE).unwrap(), 2);
    let to = Owner::with_wallet(1, 1).texts().remove(0);
    let home = carol.home.path();
    let file = home.join("ours.toml");
    let example = include_str!("../../../../chains/forge-example.toml");
    std::fs::write(
        &file,
        example
            .replace("addresses = \"class\"", "addresses = \"forge\"")
            .split("[[genesis.balances]]")
            .next()
            .unwrap(),
    )
    .unwrap();
    for chain in ["forge", file.to_str().unwrap()] {
        let args = ["dev", "--chain", chain, "--nodes", "1", "--port", "0"];
        let mut network = Program::start_in(home, &args);
        let line = network.until_so("a node", |line| line.starts_with("node 1  "));
        let url = line.split_whitespace().last().unwrap().to_owned();
        // The second account: nothing is mined to it.
        let from = &carol.texts()[1];
        let args = ["sign", &to, "1.5", "--nonce", "0", "--fee", "0.01", "--from", from];
        let signed = carol.run(&[&args[..], &["--dev", "--chain", chain]].concat()).good();
        std::fs::write(home.join("payment.json"), signed).unwrap();
        let named = format!("{chain}-dev");
        let args = ["send", "--signed", "payment.json", "-y", "--wait", "--node", &url];
        carol.run_with("", &[&args[..], &["--chain", &named]].concat()).good();
        let error = carol.run_with("", &[&args[..], &["--chain", chain]].concat()).bad(1);
        let called = if chain == "forge" { "forge-dev" } else { "(as the node calls it)" };
        assert!(error.contains(&format!("{called} with the chain id ")), "{error}");
    }
}
