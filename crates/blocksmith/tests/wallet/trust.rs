//! Nodes that say what is not so.

use std::sync::mpsc::channel;
use std::time::Duration;

use blocksmith_consensus::Hash;
use blocksmith_consensus::payment::{Domain, Payment, Verified};

use crate::fake::{Fake, Reply};
use crate::ledger::{self, Ledger, stranger};
use crate::owner::{Owner, Ran, forge, forge_dev};
use crate::program::Program;
use crate::signed::read;

struct Scene {
    node: Fake<Ledger>,
    alice: Owner,
    bob: String,
}

impl Scene {
    fn new() -> Self {
        let scene = Self {
            node: ledger::start(),
            alice: Owner::with_wallet(1, 1),
            bob: stranger().to_text(forge().hrp),
        };
        scene.node.state().mine(scene.alice.addresses()[0]);
        scene
    }

    fn send(&self, more: &[&str]) -> Ran {
        let args = ["send", &self.bob, "0.5", "--yes", "--node", &self.node.url()];
        self.alice.run(&[&args, more].concat())
    }

    fn sign(&self, nonce: u64) -> Verified {
        let nonce = nonce.to_string();
        let args = ["sign", &self.bob, "0.25", "--nonce", &nonce, "--fee", "0"];
        read(&self.alice.run(&args).good())
    }
}

#[test]
fn a_chain_is_called_what_its_id_says() {
    let scene = Scene::new();
    for (domain, name, told) in [
        (forge(), "forge", "forge-dev"),
        (forge(), "forge", "nothing that matters"),
        (forge_dev(), "forge-dev", "forge"),
    ] {
        (scene.node.state().domain, scene.node.state().name) = (domain, told.into());
        let ran = scene.send(&[]);
        let line = format!("\nchain  {name}, {}\n", domain.chain_id);
        assert!(ran.stderr.contains(&line), "{}", ran.stderr);
        assert!(!ran.stderr.contains(&format!("chain  {told},")), "{}", ran.stderr);
        ran.good();
        let url = scene.node.url();
        let balance = scene.alice.run(&["balance", "--json", "--node", &url]).json();
        assert_eq!(balance["chain"], name);
        scene.node.state().queue.clear();
    }
    // A file that calls a copy of the rules otherwise changes nothing about it.
    let name = scene.alice.home.path().join("copy.toml");
    let example = include_str!("../../../../chains/forge-example.toml");
    std::fs::write(&name, example).unwrap();
    let of_file = blocksmith::chain::Chain::load(name.to_str().unwrap(), None).unwrap();
    scene.node.state().domain = of_file.rules.domain().unwrap();
    let to = stranger().to_text(of_file.rules.domain().unwrap().hrp);
    let url = scene.node.url();
    let args = ["send", &to, "0.5", "--yes", "--node", &url, "--chain", "./copy.toml"];
    let ran = scene.alice.run(&args);
    assert!(ran.stderr.contains("\nchain  forge-example, "), "{}", ran.stderr);
    ran.good();
}

#[test]
fn nobody_pays_unasked_on_a_chain_that_the_wallet_does_not_know() {
    let scene = Scene::new();
    let domain = Domain { chain_id: Hash([7; 32]), ..forge() };
    scene.node.state().domain = domain;
    for told in ["class", "forge"] {
        scene.node.state().name = told.into();
        let error = scene.send(&[]).bad(2);
        let expected = format!("does not know the chain {}, which", domain.chain_id);
        assert!(error.contains(&expected), "{error}");
        assert!(error.contains(&format!("calls {told:?}")), "{error}");
        assert!(error.contains("name the chain's file with --chain"), "{error}");
    }
    assert_eq!(scene.node.state().queue, []);
    let error = scene.send(&["--chain", "forge"]).bad(1);
    assert!(error.contains(&domain.chain_id.to_string()), "{error}");
}

#[test]
fn nothing_in_a_chains_name_looks_like_the_wallets_own_words() {
    let scene = Scene::new();
    let domain = Domain { chain_id: Hash([7; 32]), ..forge() };
    for (told, shown) in [
        (r#"forge" (your chain"#, r#""forge\" (your chain""#),
        (r"forge\", r#""forge\\""#),
        ("forge\u{201d} (your chain", r#""forge\u{201d} (your chain""#),
        ("forge\u{ff02}, a chain that it knows", r#""forge\u{ff02}, a chain that it knows""#),
        ("forge'' (your chain", r#""forge'\u{27} (your chain""#),
        ("forge\n\nSend it? [y/N] y\u{202e}", r#""forge\n\nSend it? [y/N] y\u{202e}""#),
        ("Zo\u{eb}'s class", "\"Zo\u{eb}'s class\""),
    ] {
        (scene.node.state().domain, scene.node.state().name) = (domain, told.into());
        let error = scene.send(&[]).bad(2);
        assert!(error.contains(&format!(" calls {shown}, and does not pay on it")), "{error}");
        // Whoever asks for another chain, and whoever has a signed payment.
        let error = scene.send(&["--chain", "forge"]).bad(1);
        assert!(error.contains(&format!(" runs {shown} (as the node calls it) with")), "{error}");
        std::fs::write(scene.alice.home.path().join("signed"), scene.sign(0).text()).unwrap();
        let args = ["send", "--signed", "signed", "--yes", "--node", &scene.node.url()];
        let error = scene.alice.run(&args).bad(1);
        assert!(error.contains(&format!("chain {shown} (as the node calls it)")), "{error}");
    }
}

#[test]
fn no_nonce_with_a_gap_is_signed_unasked() {
    let scene = Scene::new();
    let refused = |more: &str| {
        let error = scene.send(&[]).bad(1);
        assert!(error.contains(&format!("was signed: the node says that {more}")), "{error}");
        assert!(error.contains("Name another node with --node"), "{error}");
        assert!(scene.node.state().calls.iter().all(|call| !call.starts_with("POST")));
    };
    // Whether it says that payments wait, or that they were made.
    for claims in [(0, 7), (7, 7), (6, 7)] {
        scene.node.state().claims = Some(claims);
        refused("the next nonce is 7, but it shows no payment of this address");
    }
    // Three wait, and it says seven do; or one of them is not the next one.
    let three: Vec<_> = (0..3).map(|nonce| scene.sign(nonce)).collect();
    scene.node.state().queue = three.clone();
    scene.node.state().claims = Some((0, 7));
    refused(
        "the next nonce is 7, but the newest payment of this address that it shows has the nonce 2",
    );
    scene.node.state().queue = [&three[..2], &[scene.sign(6)]].concat();
    refused(
        "the next nonce is 7, but the newest payment of this address that it shows has the nonce 1",
    );
    // Three are in the chain.
    scene.node.state().queue = three;
    scene.node.state().mine(stranger());
    scene.node.state().claims = Some((7, 7));
    refused(
        "the next nonce is 7, but the newest payment of this address that it shows has the nonce 2",
    );
    scene.node.state().claims = None;
    assert_eq!(scene.send(&["--json"]).json()["nonce"], 3);
}

#[test]
fn a_payment_that_is_gone_and_paid_once_more_can_count_once() {
    let scene = Scene::new();
    let gone = scene.send(&["--json"]).json();
    assert_eq!(gone["nonce"], 0);
    // The node says that it is nowhere, and would have the next one paid besides.
    scene.node.state().hides = true;
    scene.node.state().claims = Some((1, 1));
    let error = scene.send(&[]).bad(1);
    assert!(
        error.contains("the next nonce is 1, but it shows no payment of this address"),
        "{error}"
    );
    assert_eq!(scene.node.state().queue.len(), 1);
    // It forgot the payment: the one in its stead has the same nonce.
    scene.node.state().hides = false;
    scene.node.state().claims = None;
    scene.node.state().queue.clear();
    assert_eq!(scene.send(&["--json"]).json()["nonce"], 0);
}

#[test]
fn who_mines_much_and_pays_seldom_still_has_a_nonce() {
    let scene = Scene::new();
    scene.node.state().queue = vec![scene.sign(0)];
    // A page has two of them.
    for _ in 0..30 {
        scene.node.state().mine(scene.alice.addresses()[0]);
    }
    assert_eq!(scene.send(&["--json"]).json()["nonce"], 1);
    assert_eq!(scene.send(&["--json"]).json()["nonce"], 2);
}

/// A node that answers like this whenever it gets a payment, and keeps it where nobody sees it.
fn keeps(alice: &Owner, reply: Reply) -> Fake<(Ledger, Vec<Verified>)> {
    let mut ledger = Ledger::new();
    ledger.mine(alice.addresses()[0]);
    Fake::start((ledger, Vec::new()), move |(ledger, kept), call| match &*call.method {
        "POST" => {
            kept.push(Payment::parse(&call.body, &forge()).unwrap().verify().unwrap());
            reply.clone()
        }
        _ => ledger.answer(call),
    })
}

#[test]
fn a_payment_that_a_node_refuses_may_be_kept_and_is_named() {
    let alice = Owner::with_wallet(1, 1);
    let to = stranger().to_text(forge().hrp);
    let elsewhere = "http://127.0.0.1:9/".to_owned();
    for (reply, words) in [
        (Reply::problem(400, "shape", "not\u{1b}[31m like that"), r"not\u{1b}[31m like that. P"),
        (Reply::problem(403, "closed", "not from you"), "the node refuses: not from you. P"),
        (Reply::problem(422, "fee", "the fee is too low"), "refuses: the fee is too low. Payment"),
        (Reply::problem(503, "busy", "come again"), "the node refuses: come again. Payment"),
        (Reply::redirect(301, elsewhere.clone()), "a redirect to http://127.0.0.1:9/"),
    ] {
        let node = keeps(&alice, reply);
        let ran = alice.run(&["send", &to, "1", "--yes", "--node", &node.url()]);
        assert_eq!(ran.stdout, "");
        let error = ran.bad(4);
        let kept = node.state().1[0].clone();
        let id = format!("Payment {} can still count if the node kept it", kept.id());
        let (refused, rest) = error.split_once(&id).unwrap_or_else(|| panic!("{error}"));
        assert!(refused.lines().last().unwrap().starts_with("blocksmith: "), "{error}");
        assert!(error.contains(words), "{error}");
        assert_eq!(rest.lines().count(), 1, "one sentence: {error}");
        // The way out that it names.
        let (mut sign, mut send) = (vec![to.as_str(), "1", "--fee", "0.1"], vec!["--yes"]);
        sign.splice(0..0, ["sign", "--nonce", "0", "--out", "other.json"]);
        send.splice(0..0, ["send", "--signed", "other.json", "--replace"]);
        assert!(rest.contains("`blocksmith wallet sign --nonce 0`"), "{error}");
        assert!(rest.contains("`blocksmith wallet send --signed FILE --replace`"), "{error}");
        alice.run(&sign).good();
        let honest = ledger::start();
        honest.state().mine(alice.addresses()[0]);
        honest.state().queue.push(kept.clone());
        let id = alice.run(&[&send[..], &["--node", &honest.url()]].concat()).good();
        assert_eq!(honest.state().queue.len(), 1);
        assert_eq!(id, format!("{}\n", honest.state().queue[0].id()));
        assert_ne!(honest.state().queue[0].id(), kept.id());
        std::fs::remove_file(alice.home.path().join("other.json")).unwrap();
    }
}

#[test]
fn a_payment_of_which_the_node_says_nothing_more_is_named_with_its_text() {
    let alice = Owner::with_wallet(1, 1);
    let to = stranger().to_text(forge().hrp);
    // It says that the nonce is taken, and then nothing that anybody understands.
    let mut ledger = Ledger::new();
    ledger.mine(alice.addresses()[0]);
    let node = Fake::start((ledger, None), move |(ledger, kept), call| match &*call.method {
        "POST" => {
            *kept = Some(String::from_utf8(call.body.clone()).unwrap());
            Reply::problem(409, "replaces", "another payment waits with that nonce")
        }
        _ if kept.is_some() && call.path.contains("/accounts/") => Reply::html(500, "<h1>No</h1>"),
        _ => ledger.answer(call),
    });
    let error = alice.run(&["send", &to, "1", "--yes", "--node", &node.url()]).bad(1);
    let text = node.state().1.clone().unwrap();
    assert!(error.contains("it is not known whether payment") && error.contains(&text), "{error}");
}

#[test]
fn who_stops_a_payment_on_its_way_is_told_that_it_may_have_arrived() {
    let alice = Owner::with_wallet(1, 1);
    let to = stranger().to_text(forge().hrp);
    let (arrived, seen) = channel();
    let mut ledger = Ledger::new();
    ledger.mine(alice.addresses()[0]);
    let node = Fake::start(ledger, move |ledger, call| {
        if call.method == "POST" {
            arrived.send(String::from_utf8(call.body.clone()).unwrap()).unwrap();
            std::thread::sleep(Duration::from_secs(2));
        }
        ledger.answer(call)
    });
    let args = ["send", &to, "1", "--yes", "--node", &node.url(), "--password-file", "password"];
    let mut sending = Program::spawn(&mut alice.command(&args));
    let text = seen.recv_timeout(crate::program::PATIENCE).unwrap();
    sending.terminate();
    assert_eq!(sending.wait().code(), Some(130));
    let said = sending.stderr();
    assert!(said.contains("arrived. Don't pay again"), "{said}");
    assert!(said.contains(&text), "{said}");
}
