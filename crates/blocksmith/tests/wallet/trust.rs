//! Nodes that say what is not so.

use blocksmith_consensus::Hash;
use blocksmith_consensus::payment::{Domain, Verified};

use crate::fake::Fake;
use crate::ledger::{self, Ledger, stranger};
use crate::owner::{Owner, Ran, forge, forge_dev};
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
fn no_nonce_with_a_gap_is_signed_unasked() {
    let scene = Scene::new();
    let refused = |more: &str| {
        let error = scene.send(&[]).bad(1);
        assert!(error.contains(&format!("was signed: the node says that {more}")), "{error}");
        assert!(error.contains("named with --node"), "{error}");
        assert!(scene.node.state().calls.iter().all(|call| !call.starts_with("POST")));
    };
    // Whether it says that payments wait, or that they were made.
    for claims in [(0, 7), (7, 7), (6, 7)] {
        scene.node.state().claims = Some(claims);
        refused("the next nonce is 7, but shows no payment from there");
    }
    // Three wait, and it says seven do; or one of them is not the next one.
    let three: Vec<_> = (0..3).map(|nonce| scene.sign(nonce)).collect();
    scene.node.state().queue = three.clone();
    scene.node.state().claims = Some((0, 7));
    refused("the next nonce is 7, but the newest payment from there that it shows has 2");
    scene.node.state().queue = [&three[..2], &[scene.sign(6)]].concat();
    refused("the next nonce is 7, but the newest payment from there that it shows has 1");
    // Three are in the chain.
    scene.node.state().queue = three;
    scene.node.state().mine(stranger());
    scene.node.state().claims = Some((7, 7));
    refused("the next nonce is 7, but the newest payment from there that it shows has 2");
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
    assert!(error.contains("the next nonce is 1, but shows no payment from there"), "{error}");
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
