//! Payments that were signed on one machine and are handed in from another, where no wallet is.

use blocksmith_consensus::Hash;
use blocksmith_consensus::payment::{Domain, Draft, MAX_WIRE_BYTES, Payment, Verified};
use blocksmith_wallet::{DevKeys, Phrase, Wallet, dev};
use serde_json::Value;

use crate::fake::{Fake, Reply};
use crate::ledger::{self, Ledger, SUBSIDY, stranger};
use crate::owner::{Owner, Ran, forge, forge_dev};

struct Scene {
    node: Fake<Ledger>,
    /// Who signs, and has a block's coin.
    alice: Owner,
    /// Who hands it in: there is no wallet where the settings say that one is.
    friend: Owner,
}

impl Scene {
    fn new() -> Self {
        let scene =
            Self { node: ledger::start(), alice: Owner::with_wallet(1, 1), friend: Owner::new() };
        scene.node.state().mine(scene.alice.addresses()[0]);
        scene
    }

    /// So many coins to a stranger, for a fee of 0.01.
    fn sign(&self, amount: &str, nonce: &str) -> String {
        let to = stranger().to_text(forge().hrp);
        self.alice.run(&["sign", &to, amount, "--nonce", nonce, "--fee", "0.01"]).good()
    }

    /// Hands it in from a file.
    fn send(&self, text: &str, more: &[&str]) -> Ran {
        std::fs::write(self.friend.home.path().join("payment.json"), text).unwrap();
        let args = ["send", "--signed", "payment.json", "--yes", "--node", &self.node.url()];
        self.friend.run_with("", &[&args, more].concat())
    }

    fn posted(&self) -> usize {
        self.node.state().calls.iter().filter(|call| call.starts_with("POST")).count()
    }
}

pub(crate) fn read(text: &str) -> Verified {
    Payment::parse(text.as_bytes(), &forge()).unwrap().verify().unwrap()
}

#[test]
fn it_is_shown_handed_in_and_followed_as_a_payment_of_ones_own_is() {
    let scene = Scene::new();
    let to = stranger().to_text(forge().hrp);
    let args = ["sign", &to, "12.5", "--nonce", "0", "--fee", "0.01", "--memo", "rent\u{1b}[31m"];
    let signed = scene.alice.run(&args).good();
    scene.node.state().mine_when_asked = 2;
    scene.node.state().answers_to_lose = 1;
    let ran = scene.send(&signed, &["--wait=1"]);
    let shown = format!(
        "pay    12.5 coins\nto     {to}\nfrom   {}, which has 20\nfee    0.01\nnonce  0\n\
         memo   \"rent\\u{{1b}}[31m\"\nchain  forge, {}\n",
        scene.alice.texts()[0],
        forge().chain_id
    );
    assert!(ran.stderr.contains(&shown), "{}", ran.stderr);
    assert!(ran.stderr.contains("trying again\n"), "{}", ran.stderr);
    assert!(ran.stderr.contains("in block 4: 1 confirmation\n"), "{}", ran.stderr);
    assert_eq!(ran.good(), format!("{}\n", read(&signed).id()));
    let left = SUBSIDY - 1_251_000_000;
    assert_eq!(scene.node.state().balance(&scene.alice.addresses()[0]), left);
}

#[test]
fn what_the_node_says_it_has_is_handed_in_all_the_same() {
    let scene = Scene::new();
    let signed = scene.sign("1", "0");
    let sent = scene.send(&signed, &["--json"]).json();
    assert_eq!((&sent["status"], &sent["block"]), (&"queued".into(), &Value::Null));
    let ran = scene.send(&signed, &[]);
    let told = "the node says that it already has this payment: it waits for a block. It is";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    assert_eq!(ran.good(), format!("{}\n", sent["id"].as_str().unwrap()));
    scene.node.state().mine(stranger());
    let ran = scene.send(&signed, &["--json", "--wait"]);
    assert!(ran.stderr.contains("in block 3: 1 confirmation\n"), "{}", ran.stderr);
    let lines = ran.good();
    assert_eq!(lines.lines().count(), 2);
    for line in lines.lines() {
        let said: Value = serde_json::from_str(line).unwrap();
        assert_eq!((&said["id"], &said["status"]), (&sent["id"], &"confirmed".into()));
        assert_eq!((&said["block"], &said["confirmations"]), (&3.into(), &1.into()));
    }
    assert_eq!(scene.posted(), 3);
    assert_eq!(scene.node.state().queue, []);
}

#[test]
fn a_node_that_calls_a_payment_confirmed_is_not_believed() {
    let scene = Scene::new();
    let signed = scene.sign("1", "0");
    let id = read(&signed).id();
    let claim = format!(
        r#"{{"id": "{id}", "status": "confirmed", "places": [{{"block": 2, "hash": "{}", "position": 0, "confirmations": 90}}], "transaction": {signed}}}"#,
        "7".repeat(64)
    );
    // One that says so and has it not, and one that says so and won't have it.
    for refuses in [false, true] {
        let (mut ledger, claim) = (Ledger::new(), claim.clone());
        ledger.mine(scene.alice.addresses()[0]);
        ledger.fee = if refuses { 100_000_000 } else { 0 };
        let node = Fake::start(ledger, move |ledger, call| {
            let posted = ledger.calls.iter().any(|call| call.starts_with("POST"));
            match call.path.strip_prefix("/api/v1/transactions/") {
                Some(_) if !posted => Reply::json(claim.clone()),
                _ => ledger.answer(call),
            }
        });
        let args = ["send", "--signed", "-", "--yes", "--json", "--node", &node.url()];
        let ran = scene.friend.run_with(&signed, &args);
        let told = "the node says that it already has this payment: in block 2: 90 confirm";
        assert!(ran.stderr.contains(told), "{}", ran.stderr);
        if refuses {
            assert_eq!(ran.stdout, "");
            let error = ran.bad(4);
            assert!(error.contains("refuses: the fee is too low. Payment"), "{error}");
        } else {
            assert_eq!(ran.json()["status"], "queued");
            assert_eq!(node.state().queue, [read(&signed)]);
        }
    }
}

#[test]
fn what_is_no_payment_of_the_nodes_chain_never_gets_there() {
    let scene = Scene::new();
    let signed = scene.sign("1", "0");
    for (text, why) in [
        (
            signed.replace("\"nonce\": 0", "\"nonce\": 1"),
            "its text was changed, or it was signed for another chain",
        ),
        (
            signed.replace("100000000", "900000000"),
            "Sign it for this chain with `blocksmith wallet sign --chain`",
        ),
        (
            signed.replace("\"fee\": 1000000, ", ""),
            "payment.json does not contain a payment on the chain forge",
        ),
        (String::new(), "this JSON can't be read"),
        (signed.replacen(' ', &" ".repeat(MAX_WIRE_BYTES), 1), "it has more than 16384 bytes"),
        ("x".repeat(1 << 20), "it has more than 16384 bytes"),
    ] {
        assert_ne!(text, signed);
        let ran = scene.send(&text, &[]);
        assert_eq!(ran.stdout, "");
        let error = ran.bad(1);
        assert!(error.contains(why), "{error}");
    }
    // The chain's id is all that tells one of another chain from one that was changed.
    let other = Domain { chain_id: Hash([7; 32]), ..forge() };
    scene.node.state().domain = other;
    let error = scene.send(&signed, &[]).bad(1);
    assert!(error.contains(&other.chain_id.to_string()), "{error}");
    assert_eq!(scene.node.state().calls, vec!["GET /api/v1/status"; 7]);
    // Nobody is asked where there is no file.
    let args = ["send", "--signed", "nowhere", "--yes", "--node", &scene.node.url()];
    let error = scene.friend.run_with("", &args).bad(1);
    assert!(error.contains("can't be read from nowhere: there is no such file"), "{error}");
    assert_eq!(scene.node.state().calls.len(), 7);
}

#[test]
fn as_long_as_a_payment_may_be_and_a_newline_is_read() {
    let scene = Scene::new();
    let signed = scene.sign("1", "0");
    let blanks = " ".repeat(MAX_WIRE_BYTES - signed.trim_end().len());
    let longest = format!(" {}\n", signed.trim_end().replacen('{', &format!("{{{blanks}"), 1));
    scene.friend.run_with(&longest, &["verify"]).good();
    scene.send(&longest, &[]).good();
    assert_eq!(scene.node.state().queue[0].text(), signed.trim_end());
    let error = scene.send(&longest.replacen('{', "{ ", 1), &[]).bad(1);
    assert!(error.contains("it has more than 16384 bytes"), "{error}");
}

#[test]
fn what_cannot_be_paid_is_told_with_what_to_do() {
    let scene = Scene::new();
    let from = &scene.alice.texts()[0];
    let error = scene.send(&scene.sign("20", "0"), &[]).bad(1);
    assert!(
        error.ends_with("20.01 coins needed (20 and a fee of 0.01), 20 available\n"),
        "{error}"
    );
    scene.send(&scene.sign("1", "0"), &[]).good();
    // Another payment with the nonce is not replaced, unless that is asked for.
    let ran = scene.send(&scene.sign("2", "0"), &[]);
    let waits = scene.node.state().queue[0].id();
    let to = stranger().to_text(forge().hrp);
    let shown = format!(
        "nonce  0, the same as that of another payment that waits, {waits}: 1 coin to {to}. This"
    );
    assert!(ran.stderr.contains(&shown), "{}", ran.stderr);
    assert!(
        ran.bad(2).contains("waits with the nonce 0: add --replace to replace it with this one")
    );
    scene.node.state().mine(stranger());
    let error = scene.send(&scene.sign("2", "0"), &[]).bad(1);
    assert!(error.contains(&format!("another payment of {from} has the nonce 0")), "{error}");
    assert!(error.contains("sign it with --nonce 1"), "{error}");
    let ran = scene.send(&scene.sign("1", "2"), &["--json"]);
    assert!(ran.stderr.contains("nonce  2, but the sender's next nonce is 1"), "{}", ran.stderr);
    assert!(ran.stderr.contains("it waits for the payment with the nonce 1"), "{}", ran.stderr);
    assert_eq!(ran.json()["status"], "held");
    assert_eq!(scene.posted(), 2);
}

#[test]
fn a_payment_that_waits_is_replaced_if_that_is_asked_for() {
    let scene = Scene::new();
    let id = |text: &str| read(text).id().to_string();
    for (nonce, amount) in [("0", "5"), ("1", "4"), ("2", "10")] {
        scene.send(&scene.sign(amount, nonce), &["--replace"]).good();
    }
    // What waits later and can't be paid any more would be lost too.
    let signed = scene.sign("12", "0");
    let ran = scene.send(&signed, &["--replace"]);
    let shown = "; then the sender has too little for 1 payment with a later nonce";
    assert!(ran.stderr.contains(shown), "{}", ran.stderr);
    assert_eq!(ran.good(), format!("{}\n", id(&signed)));
    let calls = scene.node.state().calls.clone();
    let posted: Vec<_> = calls.iter().filter_map(|call| call.strip_prefix("POST ")).collect();
    let replaced = format!("/api/v1/transactions?replaces={}", id(&scene.sign("5", "0")));
    assert_eq!(posted.last(), Some(&&*replaced), "that one and no other");
    let error = scene.send(&scene.sign("1", "0"), &["--replace", "1"]).bad(2);
    assert!(error.contains("can't be used together"), "{error}");
    let args = ["send", &stranger().to_text(forge().hrp), "1", "--replace", "--yes"];
    assert!(scene.friend.run(&args).bad(2).contains("can't be used together"));
}

#[test]
fn one_that_is_overtaken_while_it_is_handed_in_replaces_nothing() {
    let scene = Scene::new();
    let other = scene.sign("1", "0");
    scene.node.state().faster = vec![read(&other)];
    let error = scene.send(&scene.sign("2", "0"), &[]).bad(4);
    let id = scene.sign("2", "0");
    let named =
        format!("did not take payment {}: another payment has the same nonce", read(&id).id());
    assert!(error.contains(&named), "{error}");
    assert!(error.contains("add --replace to replace the other one"), "{error}");
    assert_eq!(scene.node.state().queue, [read(&other)]);
}

#[test]
fn a_new_nonce_is_advised_only_if_the_node_shows_whose_the_old_one_is() {
    let scene = Scene::new();
    let signed = scene.sign("1", "0");
    scene.node.state().claims = Some((1, 1));
    let error = scene.send(&signed, &[]).bad(1);
    assert!(
        error.contains("shows no payment that used it. This payment can still count"),
        "{error}"
    );
    assert!(!error.contains("--nonce"), "{error}");
    assert_eq!(scene.posted(), 0);
    scene.node.state().queue.push(read(&scene.sign("3", "0")));
    scene.node.state().mine(stranger());
    let error = scene.send(&signed, &[]).bad(1);
    assert!(
        error.contains("in block 3, the node says; to pay it, sign it with --nonce 1"),
        "{error}"
    );
    assert!(error.contains("sign it with --nonce 1"), "{error}");
}

#[test]
fn everybodys_keys_are_for_dev_chains_here_too() {
    let scene = Scene::new();
    scene.node.state().domain = forge_dev();
    let carol = Owner::with_phrase(Phrase::parse(dev::PHRASE).unwrap(), 1);
    scene.node.state().mine(carol.addresses()[0]);
    let to = stranger().to_text(forge().hrp);
    let signed = carol.run(&["sign", &to, "1", "--nonce", "0", "--fee", "0", "--dev"]).good();
    scene.send(&signed, &[]).good();
    // A node that calls another chain so is not believed.
    let wallet = Wallet::new(Phrase::parse(dev::PHRASE).unwrap(), "").unwrap();
    let (sender, recipient) = (carol.addresses()[0], stranger());
    let draft = Draft { sender, recipient, amount: 1, fee: 0, nonce: 0, memo: None };
    for domain in [forge(), Domain { chain_id: Hash([7; 32]), ..forge() }] {
        {
            let mut ledger = scene.node.state();
            (ledger.domain, ledger.dev, ledger.name) = (domain, true, "forge-dev".into());
        }
        let signed = wallet.sign(&draft, &domain, DevKeys::Allowed).unwrap();
        let error = scene.send(signed.text(), &[]).bad(1);
        assert!(error.contains("the secret key of"), "{error}");
    }
    assert_eq!(scene.posted(), 1);
}

#[test]
fn a_payment_says_itself_who_is_paid_and_how() {
    let scene = Scene::new();
    let to = stranger().to_text(forge().hrp);
    for more in [&[&*to][..], &[&to, "1"], &["--fee", "0"], &["--memo", "hi"], &["--from", &to]] {
        let error = scene.send(&scene.sign("1", "0"), more).bad(2);
        assert!(error.contains("--signed") && error.contains("can't be used together"), "{error}");
        assert!(error.contains(more[0]) || error.contains("ADDRESS"), "{error}");
    }
    for (args, missing) in
        [(&["send"][..], "needs ADDRESS and AMOUNT"), (&["send", &to], "needs AMOUNT")]
    {
        let error = scene.friend.run_with("", args).bad(2);
        assert!(error.contains(missing), "{error}");
    }
    assert_eq!(scene.node.state().calls, [""; 0]);
}

#[test]
fn the_standard_input_is_a_payment_or_an_answer() {
    let scene = Scene::new();
    let signed = scene.sign("1", "0");
    let args = ["send", "--signed", "-", "--node", &scene.node.url()];
    let error = scene.friend.run_with(&signed, &args).bad(2);
    assert!(error.contains("the payment comes from the standard input"), "{error}");
    assert!(error.contains("--yes"), "{error}");
    assert_eq!(scene.node.state().calls, [""; 0]);
    let printed = scene.friend.run_with(&signed, &[&args[..], &["-y"]].concat()).good();
    assert_eq!(printed, format!("{}\n", read(&signed).id()));
    assert_eq!(scene.node.state().queue, [read(&signed)]);
    let error = scene.friend.run_with("", &[&args[..], &["-y"]].concat()).bad(1);
    assert!(
        error.contains("the standard input does not contain a payment on the chain forge"),
        "{error}"
    );
}
