//! What a node tells: balances and histories.

use blocksmith_consensus::Hash;
use blocksmith_consensus::payment::Domain;
use serde_json::json;

use crate::fake::{Fake, Reply, status};
use crate::ledger::{self, Ledger, SUBSIDY, stranger};
use crate::owner::{Owner, forge};
use crate::program::Program;

#[test]
fn balances_are_those_of_the_node_in_coins() {
    let node = ledger::start();
    let alice = Owner::with_wallet(1, 2);
    let own = alice.addresses();
    for miner in [own[0], own[0], own[1]] {
        node.state().mine(miner);
    }
    let (texts, url) = (alice.texts(), node.url());
    let to = stranger().to_text(forge().hrp);
    alice
        .run(&[
            "send",
            &to,
            "0.00000001",
            "--fee",
            "0.5",
            "--from",
            &texts[1],
            "-y",
            "--node",
            &url,
        ])
        .good();
    let ran = alice.run(&["balance", "--node", &url]);
    assert!(
        ran.stderr.contains(&format!("This is what the node at {url} says.\n")),
        "{}",
        ran.stderr
    );
    let printed = ran.good();
    let (first, second) = (&texts[0], &texts[1]);
    assert_eq!(
        printed,
        format!(
            "have     60           coins\n\
             leaving  -0.50000001  1 payment waits\n\n\
             {first}  40\n{second}  20  number 1  (1 payment waits)\n"
        )
    );
    node.state().mine(stranger());
    let balance = alice.run(&["balance", "--json", "--node", &url]).json();
    assert_eq!(
        balance,
        serde_json::json!({
            "chain": "forge", "chain_id": forge().chain_id.to_string(),
            "balance": 3 * SUBSIDY - 50_000_001, "incoming": 0, "outgoing": 0,
            "addresses": [
                { "address": first, "label": "", "balance": 2 * SUBSIDY, "nonce": 0,
                  "next_nonce": 0, "transactions": 2 },
                { "address": second, "label": "number 1", "balance": SUBSIDY - 50_000_001,
                  "nonce": 1, "next_nonce": 1, "transactions": 2 },
            ],
        })
    );
}

#[test]
fn coins_on_their_way_are_not_there_yet_and_counted_once() {
    let node = ledger::start();
    let (alice, bob) = (Owner::with_wallet(1, 1), Owner::with_wallet(2, 2));
    let (url, bobs) = (node.url(), bob.texts());
    node.state().mine(alice.addresses()[0]);
    for amount in ["7", "3"] {
        alice.run(&["send", &bobs[0], amount, "--yes", "--node", &url]).good();
    }
    let printed = bob.run(&["balance", "--node", &url]).good();
    let head = "have       0  coins\ncoming   +10  2 payments wait\n\n";
    assert!(printed.starts_with(head), "{printed}");
    let balance = bob.run(&["balance", "--json", "--node", &url]).json();
    let units = ["balance", "incoming", "outgoing"].map(|name| balance[name].as_u64());
    assert_eq!(units, [Some(0), Some(10_00000000), Some(0)]);
    let send = |amount: &str, more: &[&str]| {
        let to = stranger().to_text(forge().hrp);
        bob.run(&[&["send", &to, amount, "--yes", "--node", &url], more].concat()).bad(1)
    };
    let ahead = "5 coins needed, 0 available, 10 on their way; wait until a block confirms";
    let error = send("5", &[]);
    assert!(error.contains(ahead), "{error}");
    let error = send("5", &["--fee", "6"]);
    let why = "11 coins needed (5 and a fee of 6), 0 available, 10 on their way\n";
    assert!(error.ends_with(why), "{error}");
    // What was named has nothing coming, so that waiting is no help.
    let error = send("5", &["--from", &bobs[1]]);
    assert!(error.ends_with("5 coins needed, 0 available\n"), "{error}");
    // What a wallet pays to itself neither comes nor goes, its fee aside.
    node.state().mine(stranger());
    let args = ["send", &bobs[1], "4", "--fee", "0.5", "--yes", "--node", &url];
    bob.run(&args).good();
    let balance = bob.run(&["balance", "--json", "--node", &url]).json();
    let units = ["balance", "incoming", "outgoing"].map(|name| balance[name].as_u64());
    assert_eq!(units, [Some(10_00000000), Some(0), Some(50_000_000)]);
}

#[test]
fn a_history_is_what_all_addresses_paid_and_were_paid() {
    let node = ledger::start();
    let (alice, bob) = (Owner::with_wallet(1, 2), Owner::with_wallet(2, 1));
    let (own, texts, url) = (alice.addresses(), alice.texts(), node.url());
    assert_eq!(
        alice.run(&["history", "--node", &url]).good(),
        "have     0  coins\n\nThere are no transactions yet.\n"
    );
    let bobs = bob.texts().remove(0);
    let send = |owner: &Owner, more: &[&str]| {
        owner.run(&[&["send"], more, &["--yes", "--node", &url]].concat()).good();
    };
    node.state().allot(own[0], 1_250_000_000);
    // Blocks 2 and 3: coins. Block 4: to and fro, and from alice to alice.
    node.state().mine(own[0]);
    node.state().mine(bob.addresses()[0]);
    send(&alice, &[&bobs, "1.5", "--fee", "0.001", "--memo", "rent\u{1b}[31m"]);
    send(&alice, &[&texts[1], "2"]);
    send(&bob, &[&texts[1], "0.25"]);
    node.state().mine(stranger());
    // And one each way that waits.
    send(&alice, &[&bobs, "3"]);
    send(&bob, &[&texts[0], "0.125"]);

    let ran = alice.run(&["history", "--node", &url]);
    assert!(
        ran.stderr.contains(&format!("This is what the node at {url} says.\n")),
        "{}",
        ran.stderr
    );
    let printed = ran.good();
    let (first, second) = (&texts[0], &texts[1]);
    let wide = [
        "have     31.249  coins".to_owned(),
        "coming   +0.125  1 payment waits".to_owned(),
        "leaving  -3      1 payment waits".to_owned(),
        String::new(),
        format!("time (UTC)          coins  {:76}  block  confirmations", ""),
        format!("waits              -3      to          {bobs}"),
        format!("waits              +0.125  from        {bobs}"),
        format!("2027-01-15 08:04   +0.25   from        {bobs}      4              1"),
        format!("2027-01-15 08:04    2      to your own {second}      4              1"),
        format!("2027-01-15 08:04   -1.5    to          {bobs}      4              1"),
        "                  fee 0.001, \"rent\\u{1b}[31m\"".to_owned(),
        format!("2027-01-15 08:02  +20      mined by    {first}      2              3"),
        format!("2027-01-15 08:01  +12.5    given to    {first}      1              4"),
        "                  by the first block of the chain".to_owned(),
    ];
    assert_eq!(printed.lines().collect::<Vec<_>>(), wide, "{printed}");

    let rows = alice.run(&["history", "--json", "--node", &url]).json();
    let rows = rows.as_array().unwrap();
    let column = |name: &str| rows.iter().map(|row| row[name].clone()).collect::<Vec<_>>();
    let directions = ["sent", "received", "received", "moved", "sent", "mined", "allotted"];
    assert_eq!(column("direction"), directions);
    let (waits, done) = (["queued"; 2], ["confirmed"; 5]);
    assert_eq!(column("status"), [&waits[..], &done].concat());
    let small = [300_000_000, 12_500_000, 25_000_000, 200_000_000, 150_000_000];
    assert_eq!(column("amount"), [&small[..], &[SUBSIDY, 1_250_000_000]].concat());
    assert_eq!(rows[4]["memo"], "rent\u{1b}[31m");
    assert_eq!((&rows[5]["sender"], &rows[6]["sender"]), (&json!("0"), &json!("0")));
    assert_eq!(rows[6]["timestamp"], 1_800_000_060);
    // Ids are those of the rules.
    let waiting = node.state().queue[0].id().to_string();
    assert_eq!(rows[0]["id"], waiting);
    // Each row has each member.
    assert_eq!(column("confirmations"), [0, 0, 1, 1, 1, 3, 4]);
    assert_eq!(column("fee"), [0, 0, 0, 0, 100_000, 0, 0]);
    for member in ["block", "hash", "position", "timestamp"] {
        assert_eq!(rows[0].get(member), Some(&serde_json::Value::Null));
        assert!(rows[2..].iter().all(|row| !row[member].is_null()), "{member}");
    }

    // What waits comes on top of the limit.
    let rows = alice.run(&["history", "--json", "--limit", "2", "--node", &url]).json();
    let ids: Vec<_> = rows.as_array().unwrap().iter().map(|row| &row["direction"]).collect();
    assert_eq!(ids, ["sent", "received", "received", "moved"]);
    let error = alice.run(&["history", "--limit", "0", "--node", &url]).bad(2);
    assert!(error.contains("--limit can't be \"0\": it must be a whole number from 1"), "{error}");
}

#[test]
fn a_payment_that_its_sender_did_not_sign_is_not_shown() {
    let node = ledger::start();
    let alice = Owner::with_wallet(1, 1);
    node.state().mine(alice.addresses()[0]);
    let (to, url) = (stranger().to_text(forge().hrp), node.url());
    let send = ["send", &to, "1", "--yes", "--node", &url];
    alice.run(&send).good();
    node.state().forges = true;
    for _ in ["waiting", "in the chain"] {
        // Neither the history nor a nonce is taken from what anybody could have written.
        for args in [&["history", "--node", &url][..], &send] {
            let error = alice.run(args).bad(1);
            assert!(error.contains("is not that of a Blocksmith node with accounts"), "{error}");
        }
        let payments = node.state().queue.len();
        assert!(payments < 2, "nothing more was sent");
        node.state().mine(stranger());
    }
}

#[test]
fn a_long_history_is_read_page_by_page() {
    let node = ledger::start();
    let alice = Owner::with_wallet(1, 1);
    for _ in 0..7 {
        node.state().mine(alice.addresses()[0]);
    }
    let rows = alice.run(&["history", "--json", "--limit", "5", "--node", &node.url()]).json();
    let blocks: Vec<_> =
        rows.as_array().unwrap().iter().map(|row| row["block"].as_u64().unwrap()).collect();
    assert_eq!(blocks, [8, 7, 6, 5, 4]);
}

#[test]
fn a_node_of_another_chain_is_refused_by_name() {
    let node = ledger::start();
    let other = Domain { chain_id: Hash([7; 32]), ..forge() };
    node.state().domain = other;
    let alice = Owner::with_wallet(1, 1);
    let to = stranger().to_text(forge().hrp);
    let url = node.url();
    for args in [&["balance"][..], &["history"], &["send", &to, "1", "--yes"]] {
        let args = [args, &["--chain", "forge", "--node", &url]].concat();
        let error = alice.run(&args).bad(1);
        assert!(error.contains(&other.chain_id.to_string()), "{error}");
        assert!(error.contains(&forge().chain_id.to_string()), "{error}");
    }
    assert_eq!(node.state().calls, vec!["GET /api/v1/status"; 3]);
    // Unless one is named, a look at the node's is as good as any. It is told by its id alone.
    let balance = alice.run(&["balance", "--node", &url, "--json"]).json();
    assert_eq!(balance["chain"], serde_json::Value::Null);
    assert_eq!(balance["chain_id"], other.chain_id.to_string());
}

/// Whose account it is, the node does not say.
fn five_units(path: &str) -> String {
    let account = json!({
        "party": "", "balance": 5, "nonce": 0, "next_nonce": 0, "transactions": 1, "uncounted": 0,
    });
    let history = json!({"queued": [], "transactions": [], "next": null});
    if path.contains("/transactions?") { history } else { account }.to_string()
}

#[test]
fn what_is_no_node_with_accounts_is_told() {
    let alice = Owner::with_wallet(1, 1);
    let error = alice.run(&["balance", "--node", &Fake::<Ledger>::free_address()]).bad(3);
    assert!(error.contains("does not answer"), "{error}");
    let lecture = status(json!({"name": "lecture", "rules": {"puzzle": "last_proof"}})).to_string();
    let huge = format!(r#"{{"name": "{}"}}"#, "x".repeat(5 << 20));
    for (reply, why) in [
        (Reply::html(404, "<h1>Not Found\u{1b}[31m</h1>"), "404 Not Found and an HTML page\n"),
        (Reply::html(200, "<h1>Welcome</h1>"), "200 OK and an HTML page\n"),
        (
            Reply::problem(500, "", "the store can't be read"),
            "500 Internal Server Error: the store can't be read\n",
        ),
        (
            Reply::json(lecture),
            "has no accounts: it runs \"lecture\" (as the node calls it), which has no signed payments. Start",
        ),
        (Reply::json(huge), "more than 4194304 bytes"),
        (Reply::json("{}".into()), "200 OK: {}"),
    ] {
        let node = Fake::start((), move |(), _| reply.clone());
        let error = alice.run(&["balance", "--node", &node.url()]).bad(1);
        assert!(error.contains(why), "{error}");
    }
}

#[test]
fn a_node_that_does_not_say_whether_payments_are_signed_is_as_good_where_its_chain_is_known() {
    let alice = Owner::with_wallet(1, 1);
    let Domain { chain_id, hrp } = forge();
    let rules = json!({"addresses": hrp.to_string()});
    let mut old =
        status(json!({"name": "forge", "chain_id": chain_id.to_string(), "rules": rules}));
    for since in ["signed", "addresses", "events"] {
        old.as_object_mut().unwrap().remove(since);
    }
    let node = Fake::start((), move |(), call| {
        Reply::json(match call.path.ends_with("/status") {
            true => old.to_string(),
            false => five_units(&call.path),
        })
    });
    let balance = alice.run(&["balance", "--json", "--node", &node.url()]).json();
    assert_eq!(balance["addresses"][0]["address"], alice.texts()[0]);
    assert_eq!(balance["balance"], 5);
}

#[test]
fn what_addresses_start_with_is_what_the_status_says_whatever_the_rules_say() {
    let alice = Owner::with_wallet(1, 1);
    let id = Hash([7; 32]);
    let rules = json!({"spending": {"signed": {"addresses": "forge"}}});
    for (rules, said, starts) in [
        (json!({}), json!("class"), Some("class1")),
        (rules.clone(), json!("class"), Some("class1")),
        (rules, json!(null), None),
        (json!({}), json!("no prefix"), None),
    ] {
        let status = status(json!({
            "name": "class", "chain_id": id.to_string(), "rules": rules, "signed": true,
            "addresses": said,
        }));
        let node = Fake::start((), move |(), call| {
            Reply::json(match call.path.ends_with("/status") {
                true => status.to_string(),
                false => five_units(&call.path),
            })
        });
        let ran = alice.run(&["balance", "--json", "--node", &node.url()]);
        match starts {
            Some(starts) => {
                let balance = ran.json();
                let address = balance["addresses"][0]["address"].as_str().unwrap();
                assert!(address.starts_with(starts), "{address}");
            }
            None => {
                let error = ran.bad(1);
                assert!(error.contains("has no accounts: it runs \"class\""), "{error}");
            }
        }
    }
}

#[test]
fn a_node_of_ours_runs_the_chain_that_it_says_and_takes_what_was_signed_offline() {
    let alice = Owner::with_wallet(1, 1);
    let address = alice.texts().remove(0);
    let home = alice.home.path();
    let blocksmith = |args: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_blocksmith"));
        command.args(args).current_dir(home).env("HOME", home).env("XDG_DATA_HOME", home);
        Program::spawn(command.env("XDG_CONFIG_HOME", home).env_remove("BLOCKSMITH_CHAIN"))
    };
    let balance = format!("{address}=12.5");
    let mut made =
        blocksmith(&["chain", "new", "./class.toml", "--name", "class", "--balance", &balance]);
    assert!(made.wait().success(), "{}", made.stderr());
    let mut node = blocksmith(&["node", "--port", "0", "--chain", "./class.toml"]);
    let url = node.url();

    let error = alice.run(&["balance", "--node", &url, "--chain", "forge"]).bad(1);
    assert!(error.contains("runs \"class\" (as the node calls it) with the chain id"), "{error}");
    assert!(error.contains(&forge().chain_id.to_string()), "{error}");
    assert!(error.contains("Name that node's chain with --chain"), "{error}");
    // Somebody's copy of the file has another number in it.
    let text = std::fs::read_to_string(home.join("class.toml")).unwrap();
    let copy = text.replace("spacing_s = 15", "spacing_s = 20");
    assert_ne!(copy, text);
    std::fs::write(home.join("copy.toml"), copy).unwrap();
    let error = alice.run(&["balance", "--node", &url, "--chain", "./copy.toml"]).bad(1);
    let difference = ": difficulty.asert.spacing_s is 20 here and 15 there. Name";
    assert!(error.contains(difference), "nothing else differs: {error}");

    // What a wallet signs for that chain is taken, and what it signs for forge is not.
    let hand_in = |text: String| {
        let client = blocksmith::client::builder().no_proxy().build().unwrap();
        let request = client
            .post(format!("{url}/api/v1/transactions"))
            .header("content-type", "application/json")
            .body(text);
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async { request.send().await.unwrap().status().as_u16() })
    };
    let sign = |amount: &str, chain: &str| {
        let to = stranger().to_text(forge().hrp);
        alice.run(&["sign", &to, amount, "--nonce", "0", "--fee", "0", "--chain", chain]).good()
    };
    assert_eq!(hand_in(sign("12.5", "forge")), 422);
    assert_eq!(hand_in(sign("12.50000001", "./class.toml")), 422);
    assert_eq!(hand_in(sign("12.5", "./class.toml")), 201);
    node.terminate();
    assert!(node.wait().success());
}
