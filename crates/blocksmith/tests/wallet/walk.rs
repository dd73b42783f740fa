//! An evening with a chain of one's own, by nothing but commands: a chain file, a node, miners,
//! payments that are followed until they are confirmed, one of them signed offline, and a replay of
//! it all.

use std::process::Command;

use crate::owner::Owner;
use crate::program::Program;

/// `blocksmith` in Alice's folder.
fn blocksmith(alice: &Owner, args: &[&str]) -> Program {
    let home = alice.home.path();
    let mut command = Command::new(env!("CARGO_BIN_EXE_blocksmith"));
    command.args(args).current_dir(home).env("HOME", home).env("XDG_DATA_HOME", home);
    Program::spawn(command.env("XDG_CONFIG_HOME", home).env_remove("BLOCKSMITH_CHAIN"))
}

/// A node of the chain that the file says, and its URL.
fn node(alice: &Owner) -> (Program, String) {
    let args = ["node", "--port", "0", "--chain", "./class.toml", "--data-dir", "./node"];
    let mut node = blocksmith(alice, &args);
    let url = node.url();
    (node, url)
}

fn stop(mut program: Program) {
    program.terminate();
    assert!(program.wait().success(), "{}", program.stderr());
}

/// Makes `class.toml`, a chain where the address has 12.5 coins and blocks come at once, for a test.
fn make_chain(alice: &Owner, address: &str) {
    let balance = format!("{address}=12.5");
    let new = ["chain", "new", "./class.toml", "--name", "class", "--balance", &balance];
    let mut made = blocksmith(alice, &new);
    assert!(made.wait().success(), "{}", made.stderr());
    let file = alice.home.path().join("class.toml");
    let text = std::fs::read_to_string(&file).expect("a file");
    let easy = format!("00{}", "f".repeat(62));
    let easier = |line: &str| match line.trim_start().split_once(" = \"0000") {
        Some((name @ ("target" | "easiest"), _)) => format!("{name} = \"{easy}\""),
        _ => line.to_owned(),
    };
    let text: Vec<_> = text.lines().map(easier).collect();
    std::fs::write(&file, text.join("\n")).expect("written");
}

#[test]
fn the_address_that_a_new_chain_asks_for_is_the_one_that_her_wallet_shows_there() {
    let alice = Owner::with_wallet(1, 1);
    let new = |address: &str| {
        let balance = format!("{address}=1");
        let rest = ["--name", "class", "--addresses", "class", "--balance", &balance];
        let mut made = blocksmith(&alice, &[&["chain", "new", "./class.toml"], &rest[..]].concat());
        (made.wait().code(), made.stderr())
    };
    let (code, refused) = new(&alice.texts()[0]);
    assert_eq!(code, Some(2), "{refused}");
    let (_, rest) = refused.split_once("its owner has ").expect("a way out");
    let (address, _) = rest.split_once(' ').expect("an address");
    assert_eq!(new(address).0, Some(0));
    let shown = alice.run(&["address", "--chain", "./class.toml"]).good();
    assert_eq!(shown, format!("{address}\n"));
}

#[test]
fn what_a_telephone_reads_of_a_code_is_an_address_for_every_command() {
    let alice = Owner::with_wallet(1, 1);
    let own = alice.texts().remove(0);
    let scanned = format!(" FORGE:{}\n", own.to_uppercase());
    make_chain(&alice, &scanned);
    let file = alice.home.path().join("class.toml");
    let text = std::fs::read_to_string(&file).expect("a file");
    assert!(text.contains(&format!("address = \"{own}\"")), "{text}");
    // In a file it means the same, so that this is the same chain.
    let id = || alice.run(&["export", "--chain", "./class.toml"]).json()["chain_id"].clone();
    let before = id();
    let capitals = text.replace(&own, &format!("forge:{}", own.to_uppercase()));
    assert_ne!(capitals, text);
    std::fs::write(&file, capitals).expect("written");
    assert_eq!(id(), before);

    let start = ["node", "--port", "0", "--chain", "./class.toml", "--data-dir", "./node"];
    let mut running = blocksmith(&alice, &[&start[..], &["--id", &scanned]].concat());
    let url = running.url();
    let mut miner = blocksmith(&alice, &["mine", &url, "--to", &scanned, "--coins", "1"]);
    assert!(miner.wait().success(), "{}", miner.stderr());
    assert!(miner.stderr().contains(&format!("go to {own}")), "{}", miner.stderr());
    let args = ["send", &scanned, "1", "--from", &scanned, "--yes", "--node", &url];
    alice.run(&[&args[..], &["--chain", "./class.toml"]].concat()).good();
    let balance = alice.run(&["balance", "--json", "--node", &url]).json();
    assert_eq!(balance["balance"], 32_50000000_u64);
    stop(running);
    // Neither is more than an address dropped there, nor one of another chain taken.
    let asks = format!("{own}?amount=5");
    let mut asked = blocksmith(&alice, &["mine", &url, "--to", &asks]);
    assert_eq!(asked.wait().code(), Some(2), "{}", asked.stderr());
    assert!(asked.stderr().contains("\"?amount=5\" follows the address"), "{}", asked.stderr());
    let theirs = own.replace("forge1", "class1");
    let mut asked = blocksmith(&alice, &[&start[..], &["--id", &theirs]].concat());
    assert_eq!(asked.wait().code(), Some(2), "{}", asked.stderr());
    assert!(asked.stderr().contains("must start with \"forge1\""), "{}", asked.stderr());
}

#[test]
fn alice_pays_bob_on_a_chain_of_their_own() {
    let (alice, bob) = (Owner::with_wallet(1, 1), Owner::with_wallet(2, 1));
    let (from, to) = (alice.texts().remove(0), bob.texts().remove(0));
    make_chain(&alice, &from);

    let (running, url) = node(&alice);
    let mut nobody = blocksmith(&alice, &["mine", &url, "--coins", "1"]);
    assert_eq!(nobody.wait().code(), Some(4), "{}", nobody.stderr());
    assert!(nobody.stderr().contains("--to sets who gets the coins"), "{}", nobody.stderr());
    let mut first = blocksmith(&alice, &["mine", &url, "--to", &to, "--coins", "2"]);
    assert!(first.wait().success(), "{}", first.stderr());
    let told = first.rest();
    assert!(told.iter().any(|line| line.ends_with(" · Blocks mined: 2")), "{told:?}");
    assert!(told.last().unwrap().starts_with("Total: 2 blocks mined · "), "{told:?}");
    let balance = |owner: &Owner, url: &str| {
        let answer = owner.run(&["balance", "--json", "--node", url]).json();
        answer["balance"].as_u64().expect("a number")
    };
    assert_eq!(balance(&bob, &url), 40 * 100_000_000);

    // Bob goes on mining while Alice waits for three confirmations.
    let miner = blocksmith(&alice, &["mine", &url, "--to", &to]);
    let pay = [
        "send",
        &to,
        "2.5",
        "--fee",
        "0.01",
        "--memo",
        "for the walk",
        "--yes",
        "--wait=3",
        "--timeout",
        "50",
        "--node",
        &url,
        "--chain",
        "./class.toml",
        "--json",
    ];
    let lines = alice.run(&pay).good();
    stop(miner);
    // One line when it is sent, one when it is confirmed.
    let line = lines.lines().next().expect("a line");
    let paid: serde_json::Value = serde_json::from_str(line).expect("JSON");
    let id = paid["id"].as_str().expect("an id").to_owned();
    assert_eq!(balance(&alice, &url), 999_000_000);
    let history = bob.run(&["history", "--json", "--node", &url, "--limit", "1000"]).json();
    let text = history.to_string();
    assert!(text.contains(&id) && text.contains("for the walk"), "{text}");
    let coins = text.matches("\"sender\":\"0\"").count();
    let mined = balance(&bob, &url) - 250_000_000 - 1_000_000;
    assert!(coins >= 5, "two coins before, and three blocks that confirm: {text}");
    assert_eq!(mined % (20 * 100_000_000), 0, "coins, the payment and its fee, to the unit");

    // All of it is durable, and what is kept is what a replay gives.
    let before = balance(&bob, &url);
    stop(running);
    let replay = ["chain", "verify", "--replay", "--data-dir", "./node", "--chain", "./class.toml"];
    let mut replayed = blocksmith(&alice, &replay);
    assert!(replayed.wait().success(), "{}", replayed.stderr());
    let (running, url) = node(&alice);
    assert_eq!(balance(&bob, &url), before);
    stop(running);
}

#[test]
fn alice_signs_offline_and_a_friend_without_a_wallet_hands_it_in() {
    let (alice, bob, friend) = (Owner::with_wallet(1, 1), Owner::with_wallet(2, 1), Owner::new());
    let (from, to) = (alice.texts().remove(0), bob.texts().remove(0));
    make_chain(&alice, &from);
    let sign = |amount: &str, nonce: &str, chain: &str| {
        let rest = ["--nonce", nonce, "--fee", "0.01", "--chain", chain];
        alice.run(&[&["sign", &to, amount], &rest[..]].concat()).good()
    };
    let (running, url) = node(&alice);
    let send = |text: &str, more: &[&str]| {
        let args = ["send", "--signed", "-", "--yes", "--node", &url];
        friend.run_with(text, &[&args, more].concat())
    };
    let waiting =
        || alice.run(&["balance", "--json", "--node", &url]).json()["addresses"][0].clone();

    // Neither one of forge nor one that somebody changed gets as far as the node.
    let signed = sign("2.5", "0", "./class.toml");
    for text in [sign("2.5", "0", "forge"), signed.replace("250000000", "950000000")] {
        let error = send(&text, &[]).bad(1);
        assert!(
            error.contains("is not signed by its sender for the chain \"class\" (as"),
            "{error}"
        );
    }
    assert_eq!((&waiting()["nonce"], &waiting()["next_nonce"]), (&0.into(), &0.into()));

    let miner = blocksmith(&alice, &["mine", &url, "--to", &to]);
    let wait = ["--wait=2", "--timeout", "50", "--json"];
    let lines = send(&signed, &wait).good();
    stop(miner);
    let said: Vec<serde_json::Value> =
        lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let [queued, confirmed] = &said[..] else { panic!("two objects: {lines}") };
    assert_eq!((&queued["status"], &confirmed["status"]), (&"queued".into(), &"confirmed".into()));
    assert_eq!((&queued["sender"], &queued["nonce"]), (&from.as_str().into(), &0.into()));
    assert!(confirmed["confirmations"].as_u64() >= Some(2), "{lines}");
    assert_eq!(waiting()["balance"], 999_000_000);

    // Once more is no second payment.
    let ran = send(&signed, &["--wait=2"]);
    assert!(ran.stderr.contains("it already has this payment: in block"), "{}", ran.stderr);
    assert_eq!(format!("{}\n", queued["id"].as_str().expect("an id")), ran.good());

    // What can't be paid is told, and what waits for another one is held.
    let error = send(&sign("1", "0", "./class.toml"), &[]).bad(1);
    assert!(error.contains("has the nonce 0, so this payment is no longer possible"), "{error}");
    assert!(error.contains("sign it with --nonce 1"), "{error}");
    let error = send(&sign("10", "1", "./class.toml"), &[]).bad(1);
    assert!(error.contains("10.01 coins needed (10 and a fee of 0.01), 9.99 available"), "{error}");
    let later = sign("1", "2", "./class.toml");
    let ran = send(&later, &["--json"]);
    assert!(ran.stderr.contains("it waits for the payment with the nonce 1"), "{}", ran.stderr);
    assert_eq!(ran.json()["status"], "held");
    let ran = send(&later, &["--json"]);
    assert!(ran.stderr.contains("it waits for the payment before it"), "{}", ran.stderr);
    assert_eq!(ran.json()["status"], "held");
    let error = send(&sign("1", "1000", "./class.toml"), &[]).bad(4);
    assert!(error.contains("nonce 1000 is too far ahead"), "{error}");
    // The one before it comes, and another one that pays too little to take its place.
    assert_eq!(send(&sign("1", "1", "./class.toml"), &["--json"]).json()["status"], "queued");
    assert_eq!(waiting()["next_nonce"], 3);
    // Bob sees what comes and what came, and Alice what the first block gave her.
    let seen = bob.run(&["history", "--node", &url]).good();
    assert!(seen.contains("\ncoming     +2     2 payments wait\n"), "{seen}");
    assert_eq!(seen.matches("\nwaits  ").count(), 2, "{seen}");
    let balance = bob.run(&["balance", "--json", "--node", &url]).json();
    assert_eq!(balance["incoming"], 2_00000000);
    let seen = alice.run(&["history", "--node", &url]).good();
    let allotted = format!("  +12.5  given to {from}      1 ");
    assert!(seen.contains(&allotted), "{seen}");
    let days = seen.lines().filter(|line| line.starts_with("20")).count();
    assert_eq!(days, 2, "what is in a block has its time: {seen}");
    let other = sign("2", "1", "./class.toml");
    let ran = send(&other, &[]);
    assert!(
        ran.stderr.contains("nonce  1, the same as that of another payment that waits"),
        "{}",
        ran.stderr
    );
    assert!(ran.bad(2).contains("waits with the nonce 1: add --replace to replace it"));
    let error = send(&other, &["--replace"]).bad(4);
    assert!(
        error.contains("the node refuses: another payment waits with this nonce; to replace it"),
        "{error}"
    );
    // One that is held is another payment's place too, which the node knows alone.
    let error = send(&sign("2", "5", "./class.toml"), &[]).good();
    assert_eq!(error.lines().count(), 1);
    let error = send(&sign("3", "5", "./class.toml"), &[]).bad(4);
    assert!(error.contains("add --replace to replace the other one"), "{error}");
    assert_eq!(
        send(&sign("3", "5", "./class.toml"), &["--replace", "--json"]).json()["status"],
        "held"
    );
    stop(running);
}
