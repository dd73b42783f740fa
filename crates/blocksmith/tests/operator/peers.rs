//! `blocksmith peers`, and what becomes of peers that are typed.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::namespace::{FAR, is_in_its_own_network};
use crate::program::{Program, wait_until};
use crate::token::node;

/// What `blocksmith peers …` comes to: its exit code, and what it says and complains about.
fn peers(args: &[&str]) -> (Option<i32>, String, String) {
    let Output { status, stdout, stderr } = Command::new(env!("CARGO_BIN_EXE_blocksmith"))
        .arg("peers")
        .args(args)
        .output()
        .expect("the program");
    let [said, complained] = [stdout, stderr].map(|text| String::from_utf8(text).expect("text"));
    (status.code(), said, complained)
}

#[track_caller]
fn done(args: &[&str]) -> String {
    let (code, said, complained) = peers(args);
    assert_eq!((code, &*complained), (Some(0), ""), "{args:?}: {said}");
    said
}

/// Each peer's address and state.
fn states(url: &str) -> Vec<(String, String)> {
    let listed: Value =
        serde_json::from_str(&done(&["list", "--json", "--node", url])).expect("JSON");
    let text = |peer: &Value, name: &str| peer[name].as_str().expect("a text").to_string();
    let peers = listed.as_array().expect("a list").iter();
    peers.map(|peer| (text(peer, "address"), text(peer, "state"))).collect()
}

/// An address of this machine where nobody listens.
fn dead() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("an address").to_string()
}

fn stop(mut node: Program) {
    node.terminate();
    assert!(node.wait().success(), "{}", node.stderr());
}

#[test]
fn peers_are_seen_added_and_forgotten() {
    let homes = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
    let (ours, port) = node(homes[0].path(), &[]);
    let (_theirs, other) = node(homes[1].path(), &[]);
    let (url, mistyped) = (format!("http://127.0.0.1:{port}"), dead());
    let at = |args: &[&str]| done(&[args, &["--node", &url]].concat());
    assert!(at(&["list"]).contains("no peers; blocksmith peers add ADDRESS"), "{}", at(&["list"]));

    let said = at(&["add", &format!("localhost:{other}")]);
    assert!(said.starts_with(&format!("localhost:{other} is a peer now: answers")), "{said}");
    let said = at(&["add", &format!("127.0.0.1:{other}")]);
    let known = format!("127.0.0.1:{other} (as localhost:{other}) is a peer already: answers");
    assert!(said.starts_with(&known), "{said}");
    let said = at(&["add", &mistyped]);
    assert!(said.contains("is a peer now: does not answer") && said.contains("refused"), "{said}");
    assert!(said.contains("asked again in"), "{said}");
    let listed = at(&["list"]);
    assert!(listed.contains(&mistyped) && listed.contains("answers, since"), "{listed}");
    assert_eq!(listed.lines().count(), 2, "{listed}");

    // Oneself is none, under any name.
    for itself in ["127.0.0.1", "localhost", "[::1]", "LOCALHOST."] {
        let (code, _, complained) = peers(&["add", &format!("{itself}:{port}"), "--node", &url]);
        assert_eq!(code, Some(4), "{complained}");
        assert!(complained.contains("is this node itself"), "{complained}");
    }
    let said = at(&["forget", &mistyped]);
    assert!(said.contains(&format!("{mistyped} is forgotten")), "{said}");
    let (code, _, complained) = peers(&["forget", &mistyped, "--node", &url]);
    assert!(code == Some(4) && complained.contains("is no peer of this node"), "{complained}");

    // What was done once outlasts the node.
    stop(ours);
    let (again, port) = node(homes[0].path(), &[]);
    let url = format!("http://127.0.0.1:{port}");
    wait_until("the peer that was kept", || {
        states(&url) == [(format!("localhost:{other}"), "answers".to_string())]
    });
    let forgotten = done(&["forget", &format!("[::1]:{other}"), "--node", &url, "--json"]);
    let forgotten: Value = serde_json::from_str(&forgotten).expect("JSON");
    assert_eq!(forgotten, json!({"forgotten": format!("localhost:{other}")}));
    stop(again);
    let (_again, port) = node(homes[0].path(), &[]);
    assert_eq!(states(&format!("http://127.0.0.1:{port}")), []);
}

#[test]
fn who_does_not_answer_or_is_no_node_is_told_apart() {
    let (code, _, complained) = peers(&["list", "--node", &dead()]);
    assert!(code == Some(3) && complained.contains("is a node running there?"), "{complained}");
    for typed in ["", "5001", "localhost", "https://h:1", "h:1/chain", "127.1:1", "0.0.0.0:1"] {
        let (code, _, complained) = peers(&["add", typed, "--node", &dead()]);
        assert!(code == Some(2) && complained.contains("names no peer"), "{typed}: {complained}");
    }
    let (code, _, complained) = peers(&["list", "--token-file", "/nowhere/token"]);
    assert!(code == Some(1) && complained.contains("/nowhere/token can't be read"), "{complained}");
}

#[test]
fn a_peer_that_was_mistyped_once_is_gone_with_the_next_start_and_said_once() {
    let home = tempfile::tempdir().expect("a directory");
    let (mistyped, second) = (dead(), tempfile::tempdir().expect("a directory"));
    let (_theirs, other) = node(second.path(), &[]);
    let right = format!("localhost:{other}");
    let (ours, port) = node(home.path(), &["--peer", &mistyped, "--peer", &right]);
    let url = format!("http://127.0.0.1:{port}");
    wait_until("both to be asked", || {
        states(&url).iter().filter(|(_, state)| state != "new").count() == 2
    });
    // Some tries later.
    let began = Instant::now();
    let failures = || {
        let listed = done(&["list", "--json", "--node", &url]);
        let listed: Value = serde_json::from_str(&listed).expect("JSON");
        let all = listed.as_array().expect("a list").clone();
        let it = all.into_iter().find(|peer| peer["address"] == *mistyped).expect("the peer");
        it["failures"].as_u64().expect("a number")
    };
    wait_until("three tries", || failures() >= 3);
    assert!(began.elapsed() < Duration::from_secs(30));
    let log = ours.stderr();
    let told: Vec<_> = log.lines().filter(|line| line.contains(&*mistyped)).collect();
    // The two are said by two threads.
    let say = |part: &str| told.iter().filter(|line| line.contains(part)).count();
    assert_eq!((told.len(), say("is added"), say("can't be reached")), (2, 1, 1), "{log}");
    assert!(log.contains("less and less often") && log.contains("peers forget"), "{log}");
    stop(ours);
    let (_again, port) = node(home.path(), &[]);
    let url = format!("http://127.0.0.1:{port}");
    let known: Vec<_> = states(&url).into_iter().map(|(address, _)| address).collect();
    assert_eq!(known, [right], "what was right is kept");
}

#[test]
fn oneself_is_named_when_it_is_typed() {
    let home = tempfile::tempdir().expect("a directory");
    let free = dead();
    let (_, port) = free.rsplit_once(':').expect("a port");
    let data = home.path().join("data").display().to_string();
    let itself = format!("localhost:{port}");
    let args = ["node", port, "--data-dir", &data, "--peer", &itself];
    let mut node = Program::start_in(home.path(), &args);
    node.until_so("its address", |line| line.starts_with("Running on "));
    wait_until("it to be said", || {
        node.stderr().contains(&format!("{itself} is this node itself"))
    });
    assert_eq!(states(&format!("http://{free}")), []);
}

fn wait_for(path: &Path) {
    wait_until("a file", || path.exists());
}

#[test]
fn from_other_machines_it_takes_the_token_and_one_node_is_one_peer() {
    let name = "peers::from_other_machines_it_takes_the_token_and_one_node_is_one_peer";
    if !is_in_its_own_network(name) {
        return;
    }
    let homes = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
    let (ours, port) = node(homes[0].path(), &["--bind", "0.0.0.0"]);
    let (_theirs, other) = node(homes[1].path(), &["--bind", "0.0.0.0"]);
    let url = format!("http://{FAR}:{port}");
    let file = homes[0].path().join("data/operator.token");
    wait_for(&file);
    let file = file.to_str().expect("a path");
    let near = format!("127.0.0.1:{other}");
    assert!(done(&["add", &near, "--node", &url, "--token-file", file]).contains("is a peer now"));
    let (code, _, complained) = peers(&["forget", &near, "--node", &url]);
    assert!(code == Some(4) && complained.contains("token"), "{complained}");

    // Other names of the same node, and of this one, are found out by asking.
    for same in [format!("{FAR}:{other}"), format!("127.0.0.2:{other}")] {
        let said = done(&["add", &same, "--node", &url, "--token-file", file]);
        assert!(said.contains("is no peer"), "{said}");
        assert_eq!(states(&url), [(near.clone(), "answers".to_string())]);
        let log = ours.stderr();
        assert!(log.contains(&format!("{same} is the same node as {near}")), "{log}");
    }
    let said = done(&["add", &format!("{FAR}:{port}"), "--node", &url, "--token-file", file]);
    assert!(said.contains("it is that node itself"), "{said}");
    assert_eq!(states(&url), [(near.clone(), "answers".to_string())]);
    done(&["forget", &near, "--node", &url, "--token-file", file]);
    assert_eq!(states(&url), []);
}
