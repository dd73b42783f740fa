//! Payments from one to another.

use blocksmith_consensus::payment::Payment;
use blocksmith_wallet::{Phrase, dev};
use serde_json::Value;

use crate::fake::Fake;
use crate::ledger::{self, Ledger, SUBSIDY, stranger};
use crate::owner::{Owner, Ran, forge, forge_dev};
use crate::program::{Program, wait_until};

struct Scene {
    node: Fake<Ledger>,
    alice: Owner,
    /// Whom she pays.
    bob: String,
}

impl Scene {
    /// Alice has so many addresses, the first one with a block's coin.
    fn new(addresses: usize) -> Self {
        let scene = Self {
            node: ledger::start(),
            alice: Owner::with_wallet(1, addresses),
            bob: stranger().to_text(forge().hrp),
        };
        scene.node.state().mine(scene.alice.addresses()[0]);
        scene
    }

    fn send(&self, more: &[&str]) -> Ran {
        self.alice
            .run(&[&["send", &self.bob], more, &["--yes", "--node", &self.node.url()]].concat())
    }
}

#[test]
fn alice_pays_bob() {
    let scene = Scene::new(1);
    let ran = scene.send(&["12.5", "--memo", "rent"]);
    let first = &scene.alice.texts()[0];
    for line in [
        "pay    12.5 coins".to_owned(),
        format!("to     {}", scene.bob),
        format!("from   {first}, which has 20"),
        "fee    0".to_owned(),
        "memo   \"rent\"".to_owned(),
        format!("chain  forge, {}", forge().chain_id),
    ] {
        assert!(ran.stderr.contains(&format!("{line}\n")), "{line} in {}", ran.stderr);
    }
    let printed = ran.good();
    {
        let ledger = scene.node.state();
        let [payment] = &ledger.queue[..] else { panic!("one payment waits") };
        assert_eq!(printed, format!("{}\n", payment.id()));
        assert_eq!((payment.amount(), payment.fee(), payment.nonce()), (1_250_000_000, 0, 0));
        assert_eq!(payment.memo().as_deref(), Some("rent"));
    }
    scene.node.state().mine(stranger());
    assert_eq!(scene.node.state().balance(&scene.alice.addresses()[0]), SUBSIDY - 1_250_000_000);
    // The next one has the next nonce, in the chain and while others wait.
    for nonce in 1..=3 {
        let sent = scene.send(&["0.1", "--json"]).json();
        assert_eq!((&sent["nonce"], &sent["status"]), (&nonce.into(), &"queued".into()));
        assert_eq!((&sent["amount"], &sent["block"]), (&10_000_000.into(), &Value::Null));
    }
}

#[test]
fn the_address_that_has_enough_pays() {
    let scene = Scene::new(4);
    let (own, texts) = (scene.alice.addresses(), scene.alice.texts());
    {
        let mut ledger = scene.node.state();
        ledger.mine(own[2]);
        ledger.mine(own[2]);
    }
    let from = |sent: Value| sent["sender"].as_str().unwrap().to_owned();
    // The first has 20, the third 40.
    assert_eq!(from(scene.send(&["20", "--json"]).json()), texts[0]);
    // The first has 20 on the chain still, and all of them are spoken for.
    assert_eq!(from(scene.send(&["1", "--json"]).json()), texts[2]);
    assert_eq!(from(scene.send(&["35", "--fee", "4", "--json"]).json()), texts[2]);
    // Nothing is left but what waits for a block.
    let error = scene.send(&["0.1"]).bad(1);
    assert!(error.contains("0.1 coins needed, 0 available\n"), "{error}");
    scene.node.state().mine(stranger());
    scene.node.state().mine(own[1]);
    let error = scene.send(&["20", "--fee", "0.00000001"]).bad(1);
    let why = "20.00000001 coins needed (20 and a fee of 0.00000001), 20 available\n";
    assert!(error.ends_with(why), "{error}");
    // Two addresses together have enough, and neither has.
    let error = scene.send(&["20.5"]).bad(1);
    assert!(error.contains("20.5 coins needed, 20 available\n"), "{error}");
    scene.node.state().mine(own[3]);
    let error = scene.send(&["20.5"]).bad(1);
    let why = "20.5 coins needed, 40 available; but a payment comes from one address: pay in parts";
    assert!(error.contains(why), "{error}");
    let listed: Vec<_> = error.lines().filter_map(|line| line.strip_prefix("  ")).collect();
    let row = |place: usize| format!("{}  20  number {place}", texts[place]);
    assert_eq!(listed, [row(1), row(3)]);
    assert_eq!(scene.node.state().queue, []);
    // One that was named pays or nobody does.
    let error = scene.send(&["1", "--from", &texts[2]]).bad(1);
    assert!(error.contains("1 coin needed, 0 available\n"), "{error}");
    assert_eq!(from(scene.send(&["1", "--from", &texts[1], "--json"]).json()), texts[1]);
    let error = scene.send(&["1", "--from", &scene.bob]).bad(2);
    assert!(error.contains("this wallet has no address"), "{error}");
}

#[test]
fn who_moves_coins_does_not_pay_from_where_they_go() {
    let scene = Scene::new(2);
    let (own, texts) = (scene.alice.addresses(), scene.alice.texts());
    scene.node.state().mine(own[1]);
    let url = scene.node.url();
    let sent = scene.alice.run(&["send", &texts[0], "5", "--yes", "--json", "--node", &url]).json();
    assert_eq!(sent["sender"], texts[1]);
    assert_eq!(sent["recipient"], texts[0]);
}

#[test]
fn the_fee_is_what_the_next_block_takes_up_to_a_bound() {
    let scene = Scene::new(1);
    scene.node.state().fee = 12_345;
    let sent = scene.send(&["1", "--json"]).json();
    assert_eq!(sent["fee"], 12_345);
    {
        let ledger = scene.node.state();
        let asked = ledger.calls.iter().find_map(|call| call.split_once("fees?bytes=")).unwrap().1;
        let bytes: usize = asked.parse().unwrap();
        let payment = ledger.queue[0].text().len();
        // As many as it has, or a few more: fees that are paid unasked have up to eight digits.
        assert!((payment..payment + 8).contains(&bytes), "{bytes} for {payment}");
    }
    scene.node.state().fee = 10_000_000;
    assert_eq!(scene.send(&["1", "--json"]).json()["fee"], 10_000_000);
    scene.node.state().fee = 10_000_001;
    let error = scene.send(&["1"]).bad(2);
    assert!(error.contains("the fee for the next block is 0.10000001 coins, more than the wallet pays without asking"), "{error}");
    assert!(error.contains("--fee"), "{error}");
    let sent = scene.send(&["1", "--fee", "0.2", "--json"]).json();
    assert_eq!(sent["fee"], 20_000_000);
}

#[test]
fn nobody_sends_by_accident() {
    let scene = Scene::new(1);
    let url = scene.node.url();
    let args = ["send", &scene.bob, "1", "--node", &url, "--password-file", "password"];
    let error = scene.alice.run_with("y\n", &args).bad(2);
    assert!(error.contains("--yes"), "{error}");
    // It did not even ask.
    assert_eq!(scene.node.state().calls, [""; 0]);
}

#[test]
fn a_lost_answer_is_no_second_payment() {
    let scene = Scene::new(1);
    scene.node.state().answers_to_lose = 2;
    let ran = scene.send(&["1"]);
    assert_eq!(ran.stderr.matches("trying again").count(), 2, "{}", ran.stderr);
    ran.good();
    let ledger = scene.node.state();
    assert_eq!(ledger.queue.len(), 1);
    assert_eq!(ledger.calls.iter().filter(|call| call.starts_with("POST")).count(), 3);
}

#[test]
fn a_payment_that_was_mined_before_its_answer_came_was_sent_once() {
    let scene = Scene::new(1);
    // Long enough for a block, after which the node says that the nonce is used.
    scene.node.state().answers_to_lose = 2;
    let node = scene.node.url();
    let mut command = scene.alice.command(&[
        "send",
        &scene.bob,
        "1",
        "--yes",
        "--json",
        "--node",
        &node,
        "--password-file",
        "password",
    ]);
    let mut sending = Program::spawn(&mut command);
    wait_until("the first try", || scene.node.state().queue.len() == 1);
    scene.node.state().mine(stranger());
    assert_eq!(sending.wait().code(), Some(0), "{}", sending.stderr());
    let said: Value = serde_json::from_str(&sending.rest().concat()).unwrap();
    assert_eq!((&said["status"], &said["block"]), (&"confirmed".into(), &3.into()));
    assert_eq!(said["confirmations"], 1);
    assert!(
        sending
            .stderr()
            .contains("the node says that it has the payment: in block 3: 1 confirmation\n")
    );
    let asked = |calls: &[String]| calls.last().unwrap().starts_with("GET /api/v1/transactions/");
    assert!(asked(&scene.node.state().calls));
    assert_eq!(scene.node.state().queue, []);
    assert_eq!(scene.node.state().balance(&scene.alice.addresses()[0]), SUBSIDY - 100_000_000);
}

#[test]
fn what_became_of_a_payment_without_any_answer_is_said_to_be_unknown() {
    let scene = Scene::new(1);
    scene.node.state().answers_to_lose = 4;
    let error = scene.send(&["1"]).bad(1);
    let payment = scene.node.state().queue[0].text().to_owned();
    assert!(error.contains("is not known"), "{error}");
    assert!(error.contains("Don't pay again"), "{error}");
    assert!(error.contains(&payment), "{error}");
    assert_eq!(scene.node.state().queue.len(), 1);
}

#[test]
fn what_the_node_refuses_is_told_in_its_words() {
    let scene = Scene::new(1);
    scene.node.state().fee = 100;
    let error = scene.send(&["1", "--fee", "0.00000099"]).bad(4);
    assert!(error.contains("the node refuses: the fee is too low"), "{error}");
    assert_eq!(scene.node.state().queue, []);
}

#[test]
fn dev_chains_take_the_keys_that_everybody_has_and_no_others_do() {
    let node = ledger::start();
    let carol = Owner::with_phrase(Phrase::parse(dev::PHRASE).unwrap(), 2);
    node.state().mine(carol.addresses()[0]);
    let (to, url) = (stranger().to_text(forge().hrp), node.url());
    let args = ["send", &to, "1", "--yes", "--node", &url];
    // Whatever a node says: the chain is known by its id.
    for (name, dev) in [("forge", false), ("forge", true), ("forge-dev", true)] {
        let name = name.into();
        (node.state().name, node.state().dev) = (name, dev);
        let error = carol.run(&args).bad(1);
        assert!(error.contains("the secret key of"), "{error}");
        assert_eq!(node.state().queue, []);
    }
    node.state().domain = forge_dev();
    node.state().dev = false;
    carol.run(&args).good();
    assert_eq!(node.state().queue.len(), 1);
}

#[test]
fn waiting_ends_with_so_many_confirmations() {
    let scene = Scene::new(1);
    scene.node.state().mine_when_asked = 3;
    let ran = scene.send(&["1", "--json", "--wait=2"]);
    let steps = ["in block 3: 1 confirmation\n", "in block 3: 2 confirmations\n"];
    assert!(steps.iter().all(|step| ran.stderr.contains(step)), "{}", ran.stderr);
    let lines = ran.good();
    let [queued, confirmed] = lines.lines().collect::<Vec<_>>()[..] else { panic!("{lines}") };
    let parse = |text| serde_json::from_str::<Value>(text).unwrap();
    let (queued, confirmed) = (parse(queued), parse(confirmed));
    assert_eq!((&queued["status"], &queued["confirmations"]), (&"queued".into(), &0.into()));
    assert_eq!(confirmed["status"], "confirmed");
    assert_eq!((&confirmed["block"], &confirmed["confirmations"]), (&3.into(), &2.into()));
    assert_eq!(queued["id"], confirmed["id"]);

    // One is the default, and the block's own counts.
    scene.node.state().mine_when_asked = 1;
    let ran = scene.send(&["1", "--wait"]);
    assert!(ran.stderr.contains("in block 5: 1 confirmation\n"), "{}", ran.stderr);
    assert_eq!(ran.good().lines().count(), 1);

    // What comes after it is not its number.
    scene.node.state().mine_when_asked = 1;
    let url = scene.node.url();
    let ran = scene.alice.run(&["send", "--yes", "--node", &url, "--wait", &scene.bob, "1"]);
    assert!(ran.stderr.contains("in block 6: 1 confirmation\n"), "{}", ran.stderr);
    ran.good();
}

#[test]
fn waiting_is_bounded() {
    let scene = Scene::new(1);
    let ran = scene.send(&["1", "--wait", "--timeout", "1"]);
    assert!(ran.stderr.contains("pay    1 coin\n"), "{}", ran.stderr);
    assert_eq!(ran.stdout.lines().count(), 1);
    let error = ran.bad(1);
    assert!(error.contains("it waits for a block\n"), "{error}");
    assert!(error.contains("was sent and does not have 1 confirmation yet"), "{error}");
    let error = scene.send(&["1", "--timeout", "1"]).bad(2);
    assert!(error.contains("--wait"), "{error}");
}

#[test]
fn a_payment_that_is_dropped_is_not_waited_for() {
    let scene = Scene::new(1);
    let node = scene.node.url();
    let mut command = scene.alice.command(&[
        "send",
        &scene.bob,
        "1",
        "--yes",
        "--wait",
        "--node",
        &node,
        "--password-file",
        "password",
    ]);
    let mut sending = Program::spawn(&mut command);
    wait_until("the payment", || sending.stderr().contains("it waits for a block"));
    scene.node.state().queue.clear();
    assert_eq!(sending.wait().code(), Some(1));
    let error = sending.stderr();
    assert!(error.contains("no longer waits and is not in the chain"), "{error}");
    // The very same text is the way to pay it after all: it can't count twice.
    let text = error.lines().find(|line| line.starts_with('{')).expect("the payment").to_owned();
    assert!(
        error.contains("send this same text with `blocksmith wallet send --signed`"),
        "{error}"
    );
    let payment = Payment::parse(text.as_bytes(), &forge()).unwrap().verify().unwrap();
    let args = ["send", "--signed", "-", "--yes", "--node", &node];
    let id = Owner::new().run_with(&text, &args).good();
    assert_eq!(id, format!("{}\n", payment.id()));
    assert_eq!(scene.node.state().queue, [payment]);
}
