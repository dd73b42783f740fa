//! Payments from one address at the same time: none takes the place of another.

use std::collections::BTreeSet;
use std::process::Stdio;

use blocksmith_wallet::{Phrase, dev};

use crate::fake::Fake;
use crate::ledger::{self, Ledger, stranger};
use crate::owner::{Owner, forge};
use crate::program::Program;
use crate::signed::read;

/// Carol, who has what everybody has on a dev chain, and a node of it. Nobody mines.
pub(crate) fn dev_node() -> (Owner, Program, String) {
    let carol = Owner::with_phrase(Phrase::parse(dev::PHRASE).unwrap(), 10);
    let args = ["node", "--port", "0", "--chain", "forge-dev"];
    let mut node = Program::start_in(carol.home.path(), &args);
    let url = node.url();
    (carol, node, url)
}

/// The payments of a history that wait.
pub(crate) fn waiting(rows: &serde_json::Value) -> Vec<&serde_json::Value> {
    rows.as_array().unwrap().iter().filter(|row| row["status"] == "queued").collect()
}

#[test]
fn twelve_payments_at_once_from_one_address_are_twelve_payments() {
    let (carol, _node, url) = dev_node();
    // The same words in another wallet, as on another machine.
    let elsewhere = Owner::with_phrase(Phrase::parse(dev::PHRASE).unwrap(), 10);
    let (from, to) = (&carol.texts()[4], stranger().to_text(forge().hrp));
    let start = |place: usize| {
        let owner = if place.is_multiple_of(2) { &carol } else { &elsewhere };
        // Later ones pay better, so that each could replace those before it.
        let (amount, fee) = (format!("0.0{}", place + 1), format!("0.000{}", place * 3));
        let args = ["send", &to, &amount, "--fee", &fee, "--from", from, "--yes", "--json"];
        let more = ["--node", &url, "--password-file", "password"];
        let mut command = owner.command(&[&args[..], &more].concat());
        command.env("BLOCKSMITH_LOG", "off").stdin(Stdio::null());
        Program::spawn(&mut command)
    };
    let mut all: Vec<_> = (0..12).map(start).collect();
    let (mut nonces, mut ids) = (BTreeSet::new(), BTreeSet::new());
    for sending in &mut all {
        assert_eq!(sending.wait().code(), Some(0), "{}", sending.stderr());
        let sent: serde_json::Value = serde_json::from_str(&sending.rest().concat()).unwrap();
        assert_eq!(sent["status"], "queued", "{sent}");
        nonces.insert(sent["nonce"].as_u64().unwrap());
        ids.insert(sent["id"].as_str().unwrap().to_owned());
    }
    assert_eq!(nonces, (0..12).collect());
    let rows = carol.run(&["history", "--json", "--node", &url]).json();
    let waits = waiting(&rows).into_iter().map(|row| row["id"].as_str().unwrap().to_owned());
    assert_eq!(waits.collect::<BTreeSet<_>>(), ids, "whoever was told that it was sent sent it");
}

#[test]
fn of_those_that_pay_the_same_at_once_only_one_says_that_it_paid() {
    let (carol, _node, url) = dev_node();
    let (from, to) = (&carol.texts()[4], stranger().to_text(forge().hrp));
    let start = |_| {
        let args = ["send", &to, "1", "--fee", "0.001", "--from", from, "--yes", "--json"];
        let more = ["--node", &url, "--password-file", "password"];
        let mut command = carol.command(&[&args[..], &more].concat());
        command.env("BLOCKSMITH_LOG", "off").stdin(Stdio::null());
        Program::spawn(&mut command)
    };
    let mut all: Vec<_> = (0..8).map(start).collect();
    let mut ids = Vec::new();
    for sending in &mut all {
        match sending.wait().code() {
            Some(0) => {
                let sent: serde_json::Value =
                    serde_json::from_str(&sending.rest().concat()).unwrap();
                ids.push(sent["id"].as_str().unwrap().to_owned());
            }
            code => {
                assert_eq!(code, Some(4), "{}", sending.stderr());
                assert!(sending.stderr().contains("to pay a second time, send again"));
            }
        }
    }
    assert!(!ids.is_empty());
    let told: BTreeSet<_> = ids.iter().cloned().collect();
    assert_eq!(told.len(), ids.len(), "two were told of one payment: {ids:?}");
    let rows = carol.run(&["history", "--json", "--node", &url]).json();
    let waits = waiting(&rows).into_iter().map(|row| row["id"].as_str().unwrap().to_owned());
    assert_eq!(waits.collect::<BTreeSet<_>>(), told);
}

#[test]
fn a_nonce_that_another_one_takes_is_left_to_it() {
    let node = ledger::start();
    let alice = Owner::with_wallet(1, 1);
    node.state().mine(alice.addresses()[0]);
    let (to, url) = (stranger().to_text(forge().hrp), node.url());
    // The other machine is faster three times.
    let sign = |nonce: u64| {
        let nonce = nonce.to_string();
        read(&alice.run(&["sign", &to, "0.5", "--nonce", &nonce, "--fee", "0"]).good())
    };
    node.state().faster = (0..3).map(sign).collect();
    let ran = alice.run(&["send", &to, "1", "--yes", "--json", "--node", &url]);
    let told = "another payment took the nonce 2; signing with the next one\n";
    assert!(ran.stderr.contains(told), "{}", ran.stderr);
    assert_eq!(ran.json()["nonce"], 3);
    assert_eq!(node.state().queue.len(), 4);
}

#[test]
fn nothing_is_signed_anew_for_a_node_that_may_have_it() {
    let alice = Owner::with_wallet(1, 1);
    let (to, from) = (stranger().to_text(forge().hrp), alice.addresses()[0]);
    let scene = || {
        let node = ledger::start();
        node.state().mine(from);
        node
    };
    let send = |url: &str| alice.run(&["send", &to, "1", "--yes", "--node", url]);
    // How many were handed in, and how many wait.
    let payments = |node: &Fake<Ledger>| {
        let ledger = node.state();
        let posted = ledger.calls.iter().filter(|call| call.starts_with("POST")).count();
        (posted, ledger.queue.len())
    };

    // It says that the nonce is taken, and shows nobody who took it.
    let node = scene();
    node.state().lies_to_refuse = 1;
    let error = send(&node.url()).bad(4);
    assert!(error.contains("Don't pay again before you know"), "{error}");
    assert_eq!(payments(&node), (1, 0));

    // It refuses the payment, and keeps it: that is who took the nonce.
    let node = scene();
    (node.state().lies_to_refuse, node.state().keeps_refused) = (1, true);
    let ran = send(&node.url());
    assert!(ran.stderr.contains("the node says that it has the payment"), "{}", ran.stderr);
    let id = node.state().queue[0].id().to_string();
    assert_eq!(ran.good(), format!("{id}\n"));
    assert_eq!(payments(&node), (1, 1));

    // Its first answer was lost, and then another payment has the nonce.
    let node = scene();
    node.state().answers_to_lose = 1;
    node.state().lies_to_refuse = 2;
    let error = send(&node.url()).bad(4);
    assert!(error.contains("whether payment"), "{error}");
    assert_eq!(payments(&node), (2, 0));
}
