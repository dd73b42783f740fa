//! `wallet bump` and `wallet cancel`: a payment that waits gives way to another one, and whatever
//! happens meanwhile, nothing is paid twice.

use std::process::Stdio;

use serde_json::Value;

use crate::fake::Fake;
use crate::ledger::{self, Ledger, SUBSIDY, stranger};
use crate::owner::{Owner, Ran, forge};
use crate::program::Program;
use crate::races::{dev_node, waiting};

/// A wallet with an address and a block's coin, and a node that has it.
fn scene() -> (Owner, Fake<Ledger>, String) {
    let (alice, node) = (Owner::with_wallet(1, 1), ledger::start());
    node.state().mine(alice.addresses()[0]);
    let url = node.url();
    (alice, node, url)
}

fn pay(owner: &Owner, amount: &str, fee: &str, url: &str, more: &[&str]) -> String {
    let to = stranger().to_text(forge().hrp);
    let args = ["send", &to, amount, "--fee", fee, "--yes", "--node", url];
    owner.run(&[&args[..], more].concat()).good().trim().into()
}

fn replace(owner: &Owner, how: &[&str], url: &str) -> Ran {
    owner.run(&[how, &["--yes", "--node", url]].concat())
}

fn member(value: &Value, name: &str) -> u64 {
    value[name].as_u64().unwrap_or_else(|| panic!("{name}: {value}"))
}

/// Has `blocksmith mine` find a block.
fn miner(owner: &Owner, url: &str) -> Program {
    let to = stranger().to_text(forge().hrp);
    Program::start_in(owner.home.path(), &["mine", url, "--to", &to, "--coins", "1"])
}

#[test]
fn a_bump_pays_the_same_for_a_tenth_more_and_can_be_bumped_again() {
    let (carol, _node, url) = dev_node();
    let from = &carol.texts()[4];
    let memo = ["--memo", "rent", "--from", from];
    let first = pay(&carol, "2", "0.00000015", &url, &memo);
    // A tenth is rounded up: 15 units, then 17, then 19.
    let ran = replace(&carol, &["bump", &first, "--json"], &url);
    assert!(
        ran.stderr.contains("2 coins to ") && ran.stderr.contains("0.00000015"),
        "{}",
        ran.stderr
    );
    let second = ran.json();
    assert_eq!((member(&second, "fee"), member(&second, "amount")), (17, 200_000_000), "{second}");
    assert_eq!((&second["memo"], &second["status"]), (&"rent".into(), &"queued".into()));
    assert_eq!(second["recipient"], stranger().to_text(forge().hrp));
    let replaces = &second["replaces"];
    assert_eq!((&replaces["id"], member(replaces, "fee")), (&first.as_str().into(), 15));
    let text = replace(&carol, &["bump", "--nonce", "0", "--from", from], &url).good();
    let second = second["id"].as_str().unwrap();
    let told = format!(
        ", with a fee of 0.00000019, replaces payment {second}, with a fee of 0.00000017\n"
    );
    assert!(text.starts_with("payment ") && text.ends_with(&told), "{text}");
    let third = &text["payment ".len()..][..64];
    let rows = carol.run(&["history", "--json", "--node", &url]).json();
    let ids: Vec<_> = waiting(&rows).iter().map(|row| row["id"].clone()).collect();
    assert_eq!(ids, [third], "one payment waits");

    // A fee of one's own has to be enough, and what isn't there can't be replaced.
    let error = replace(&carol, &["bump", third, "--fee", "0.0000002"], &url).bad(2);
    assert!(error.contains("the fee must be at least 0.00000021 coins"), "{error}");
    let fourth = replace(&carol, &["bump", third, "--fee", "0.00000021", "--json"], &url).json();
    assert_eq!(member(&fourth, "fee"), 21);
    for gone in [&first, third] {
        let error = replace(&carol, &["bump", gone], &url).bad(1);
        assert!(error.contains(&format!("the node does not know payment {gone}")), "{error}");
    }
    let fourth = fourth["id"].as_str().unwrap().to_owned();
    // Only its sender can.
    let foreign = Owner::with_wallet(1, 1);
    for how in ["bump", "cancel"] {
        let error = replace(&foreign, &[how, &fourth], &url).bad(1);
        assert!(
            error.contains(&format!("payment {fourth} is not this wallet's: {from}")),
            "{error}"
        );
        let error = replace(&foreign, &[how, "--nonce", "0"], &url).bad(1);
        assert!(error.contains("no payment of") && error.contains("the nonce 0"), "{error}");
    }
    // Nobody is asked, and nothing is sent.
    let error = carol.run(&["bump", &fourth, "--node", &url]).bad(2);
    assert!(error.contains("add --yes"), "{error}");

    let mut mining = miner(&carol, &url);
    assert!(mining.wait().success(), "{}", mining.stderr());
    for how in [&["bump", &fourth][..], &["cancel", "--nonce", "0", "--from", from]] {
        let error = replace(&carol, how, &url).bad(4);
        let told = format!(
            "payment {fourth} was confirmed in block 2 before it could be replaced; nothing was paid \
             twice"
        );
        assert!(error.contains(&told), "{error}");
    }
}

#[test]
fn a_cancel_pays_oneself_and_what_waits_behind_stays() {
    let (carol, _node, url) = dev_node();
    let from = &carol.texts()[4];
    let first = pay(&carol, "5", "0", &url, &["--from", from]);
    let second = pay(&carol, "1", "0.001", &url, &["--from", from]);
    let ran = replace(&carol, &["cancel", &first, "--json"], &url);
    let cancelling = ran.json();
    assert_eq!(
        (&cancelling["sender"], &cancelling["recipient"]),
        (&from.as_str().into(), &from.as_str().into())
    );
    let figures = ["amount", "fee", "nonce"].map(|name| member(&cancelling, name));
    assert_eq!(figures, [1, 1, 0]);
    let rows = carol.run(&["history", "--json", "--node", &url]).json();
    let ids: Vec<_> = waiting(&rows).iter().map(|row| row["id"].clone()).collect();
    let mut expected = [cancelling["id"].as_str().unwrap(), &second];
    expected.sort_unstable();
    let mut ids: Vec<_> = ids.iter().map(|id| id.as_str().unwrap()).collect();
    ids.sort_unstable();
    assert_eq!(ids, expected);
    let mut mining = miner(&carol, &url);
    assert!(mining.wait().success(), "{}", mining.stderr());
    let balance = carol.run(&["balance", "--json", "--node", &url]).json();
    let own = balance["addresses"].as_array().unwrap().iter().find(|own| own["address"] == **from);
    assert_eq!(member(own.unwrap(), "balance"), 10_000 * 100_000_000 - 100_100_000 - 1);
}

#[test]
fn a_bump_that_its_sender_cannot_pay_says_so_and_pays_for_what_it_drops() {
    let (carol, _node, url) = dev_node();
    let from = &carol.texts()[4];
    let most = pay(&carol, "9999.99999985", "0.00000015", &url, &["--from", from]);
    let error = replace(&carol, &["bump", &most], &url).bad(1);
    let told =
        "10000.00000002 coins needed (9999.99999985 and a fee of 0.00000017), 10000 available";
    assert!(error.contains(told), "{error}");
    // A cancel costs less than what it cancels.
    replace(&carol, &["cancel", &most], &url).good();

    let from = &carol.texts()[5];
    let first = pay(&carol, "9000", "0.00000100", &url, &["--from", from]);
    pay(&carol, "999.99999", "0.00000900", &url, &["--from", from]);
    // With a fee of 110 units there is too little for the second payment, whose fee counts too.
    let ran = replace(&carol, &["bump", &first, "--json"], &url);
    assert!(ran.stderr.contains("too little for 1 payment with a later nonce"), "{}", ran.stderr);
    assert_eq!(member(&ran.json(), "fee"), 1_100);
}

#[test]
fn a_block_with_the_first_payment_comes_before_the_node_gets_the_second() {
    for how in ["bump", "cancel"] {
        let (alice, node, url) = scene();
        let first = pay(&alice, "2", "0.1", &url, &[]);
        node.state().mine_when_paid = 1;
        let ran = replace(&alice, &[how, &first], &url);
        assert_eq!(ran.stdout, "");
        let told = format!(
            "payment {first} was confirmed in block 3 before it could be replaced; nothing was paid \
             twice"
        );
        let error = ran.bad(4);
        assert!(error.contains(&told), "{error}");
        let ledger = node.state();
        assert_eq!(ledger.balance(&alice.addresses()[0]), SUBSIDY - 210_000_000);
        assert!(ledger.queue.is_empty());
    }
}

#[test]
fn a_block_with_the_first_payment_comes_while_the_second_waits() {
    for how in ["bump", "cancel"] {
        let (alice, node, url) = scene();
        let first = pay(&alice, "2", "0.1", &url, &[]);
        let waits = node.state().queue.clone();
        node.state().block_elsewhere = waits;
        let ran = replace(&alice, &[how, &first, "--wait"], &url);
        assert!(ran.stdout.contains("replaces payment"), "{}", ran.stdout);
        let told = format!("payment {first} was confirmed in block 3 before it could be replaced");
        let error = ran.bad(4);
        assert!(error.contains(&told), "{error}");
        assert_eq!(node.state().balance(&alice.addresses()[0]), SUBSIDY - 210_000_000);
        // And where nobody is in the way, it waits for the second one.
        pay(&alice, "1", "0", &url, &[]);
        node.state().mine_when_asked = 1;
        let ran = replace(&alice, &[how, "--nonce", "1", "--wait", "--json"], &url);
        let lines: Vec<Value> =
            ran.good().lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let statuses: Vec<_> = lines.iter().map(|line| &line["status"]).collect();
        assert_eq!(statuses, ["queued", "confirmed"]);
    }
}

#[test]
fn against_a_miner_one_of_both_counts_and_the_answer_says_which() {
    let (carol, _node, url) = dev_node();
    let from = &carol.texts()[4];
    let paid = || {
        let rows = carol.run(&["history", "--json", "--limit", "100", "--node", &url]).json();
        let rows = rows.as_array().unwrap().iter();
        let done =
            rows.filter(|row| row["status"] == "confirmed" && row["direction"] != "allotted");
        done.map(|row| row["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for turn in 0..6 {
        let first = pay(&carol, "1", "0.001", &url, &["--from", from]);
        let how = if turn % 2 == 0 { "bump" } else { "cancel" };
        let mut mining = miner(&carol, &url);
        let args = [how, &first, "--yes", "--json", "--wait", "--node", &url];
        let mut command = carol.command(&[&args[..], &["--password-file", "password"]].concat());
        command.env("BLOCKSMITH_LOG", "off").stdin(Stdio::null());
        let mut replacing = Program::spawn(&mut command);
        assert!(mining.wait().success(), "{}", mining.stderr());
        // Nobody needs to mine again unless the second one waits.
        let mut again = miner(&carol, &url);
        assert!(again.wait().success(), "{}", again.stderr());
        let code = replacing.wait().code();
        let (printed, said) = (replacing.rest(), replacing.stderr());
        let all = paid();
        match code {
            Some(0) => {
                let told: Value = serde_json::from_str(printed.last().unwrap()).unwrap();
                assert_eq!(told["status"], "confirmed");
                assert!(all.contains(&told["id"].as_str().unwrap().to_owned()), "{told}");
                assert!(!all.contains(&first), "both count");
            }
            code => {
                assert_eq!(code, Some(4), "{said}");
                assert!(
                    said.contains(&format!("payment {first} was confirmed in block")),
                    "{said}"
                );
                assert!(all.contains(&first), "{said}");
            }
        }
        assert_eq!(all.len(), turn + 1, "one payment of each turn");
    }
}

#[test]
fn a_held_payment_is_shown_and_found_by_its_nonce() {
    let (carol, _node, url) = dev_node();
    let from = &carol.texts()[4];
    let to = stranger().to_text(forge().hrp);
    let sign = |nonce: &str, fee: &str| {
        let args = ["sign", &to, "1", "--fee", fee, "--from", from, "--nonce", nonce];
        carol.run(&[&args[..], &["--chain", "forge-dev"]].concat()).good()
    };
    let send = |text: &str, more: &[&str]| {
        let args = ["send", "--signed", "-", "--yes", "--node", &url];
        carol.run_with(text, &[&args, more].concat())
    };
    let rows = || carol.run(&["history", "--json", "--node", &url]).json();
    let held = || -> Vec<Value> {
        let rows = rows();
        let rows = rows.as_array().unwrap();
        rows.iter().filter(|row| row["status"] == "held").cloned().collect()
    };
    let first = send(&sign("2", "0.0000001"), &[]).good();
    let [row] = &held()[..] else { panic!("one is held") };
    assert_eq!((&row["id"], &row["waits"]["why"]), (&first.trim().into(), &"nonce".into()));
    assert_eq!((&row["waits"]["nonce"], &row["waits"]["block"]), (&0.into(), &Value::Null));
    let shown = carol.run(&["history", "--node", &url]).good();
    assert!(shown.contains("held until the payment with the nonce 0 comes"), "{shown}");
    assert!(!shown.contains("\nleaving"), "nothing leaves yet: {shown}");
    let account = ["account", from, "--node", &url];
    let mut account = Program::start_in(carol.home.path(), &account);
    assert!(account.wait().success());
    let told = account.rest().join("\n");
    assert!(
        told.ends_with("outgoing      1 payment that waits; 1 held until an earlier one comes"),
        "{told}"
    );

    let bumped = replace(&carol, &["bump", "--nonce", "2", "--from", from, "--json"], &url).json();
    assert_eq!(
        (&bumped["replaces"]["id"], &bumped["status"]),
        (&first.trim().into(), &"held".into())
    );
    assert_eq!(member(&bumped, "fee"), 11);
    let cancel =
        replace(&carol, &["cancel", "--nonce", "2", "--from", from, "--json"], &url).json();
    assert_eq!(
        (&cancel["replaces"]["id"], &cancel["recipient"]),
        (&bumped["id"], &from.as_str().into())
    );
    let [row] = &held()[..] else { panic!("one is held") };
    assert_eq!(row["id"], cancel["id"]);
    let error = replace(&carol, &["cancel", "--nonce", "1", "--from", from], &url).bad(1);
    assert!(
        error.contains("the node shows no payment of") && error.contains("the nonce 1"),
        "{error}"
    );

    // What can be mined says where it is in line.
    let wait = ["--wait", "--timeout", "1"];
    let ran = send(&sign("0", "0.0000001"), &wait);
    let told = "the node says: it waits for a block: place 1 in line, for block 2\n";
    assert_eq!(ran.stderr.matches(told).count(), 1, "{}", ran.stderr);
    let shown = carol.run(&["history", "--node", &url]).good();
    assert!(shown.contains("fee 0.0000001, place 1 in line, for block 2\n"), "{shown}");
}
