//! `blocksmith peers`, and what becomes of peers that are typed.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::fake::{Fake, Reply};
use crate::operator::namespace::{FAR, is_in_its_own_network};
use crate::operator::token::node;
use crate::program::{Program, wait_until};

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
    let add = format!("no peers; to add one: blocksmith peers add HOST:PORT --node {url}");
    assert_eq!(at(&["list"]).trim_end(), add);

    let said = at(&["add", &format!("localhost:{other}")]);
    assert!(said.starts_with(&format!("localhost:{other} is a peer now: answers")), "{said}");
    let said = at(&["add", &format!("127.0.0.1:{other}")]);
    let known = format!("127.0.0.1:{other} (as localhost:{other}) is a peer already: answers");
    assert!(said.starts_with(&known), "{said}");
    let said = at(&["add", &mistyped]);
    assert!(said.contains("is a peer now: does not answer") && said.contains("refused"), "{said}");
    assert!(said.contains("asked again in"), "{said}");
    let forget = format!("wrong address: blocksmith peers forget {mistyped} --node {url}");
    assert!(said.contains(&forget), "{said}");
    let listed = at(&["list"]);
    assert!(listed.contains(&mistyped) && listed.contains("answers, for "), "{listed}");
    assert_eq!(listed.lines().count(), 2, "{listed}");

    // Oneself is none, under any name.
    for itself in ["127.0.0.1", "localhost", "[::1]", "LOCALHOST."] {
        let (code, _, complained) = peers(&["add", &format!("{itself}:{port}"), "--node", &url]);
        assert_eq!(code, Some(4), "{complained}");
        assert!(complained.contains("is this node itself"), "{complained}");
    }
    let said = at(&["forget", &mistyped]);
    assert!(said.contains(&format!("{mistyped} is removed")), "{said}");
    let (code, _, complained) = peers(&["forget", &mistyped, "--node", &url]);
    let no_peer = format!("the node at {url} has no peer {mistyped}");
    assert!(code == Some(4) && complained.contains(&no_peer), "{complained}");
    assert!(complained.contains(&format!("blocksmith peers list --node {url}")), "{complained}");

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
    assert!(code == Some(3) && complained.contains(": blocksmith node "), "{complained}");
    assert!(complained.contains(": blocksmith peers list --node URL"), "{complained}");
    for typed in ["", "5001", "localhost", "https://h:1", "h:1/chain", "127.1:1", "0.0.0.0:1"] {
        let (code, _, complained) = peers(&["add", typed, "--node", &dead()]);
        assert!(
            code == Some(2) && complained.contains("is not the address of a peer"),
            "{typed}: {complained}"
        );
    }
    let (code, _, complained) = peers(&["list", "--token-file", "/nowhere/token"]);
    assert!(code == Some(1) && complained.contains("/nowhere/token can't be read"), "{complained}");
}

#[test]
fn a_server_that_answers_otherwise_is_not_taken_for_nobody() {
    let long = format!(r#"{{"numbers": [{}1]}}"#, "1, ".repeat(100));
    let broken = Reply { headers: vec![("X-Broken", "\u{1}".into())], ..Reply::json("{}".into()) };
    let replies = [
        (Reply::redirect(301, "http://127.0.0.1:9/x".into()), "a redirect to http://127.0.0.1:9/x"),
        (Reply::redirect(308, "/\u{202e}".into()), "a redirect to"),
        (Reply::json(long), "bytes of other JSON"),
        (Reply::html(502, "<h1>Bad Gateway</h1>"), "502 Bad Gateway and an HTML page"),
        (Reply::problem(404, "", "there is no such\ncall\u{1b}[31m"), "no such\\ncall\\u{1b}[31m"),
        (Reply::problem(403, "", "this node has no token"), "refuses: this node has no token"),
        (
            Reply::problem(500, "", "the disk is gone"),
            "500 Internal Server Error: the disk is gone",
        ),
        (broken, "answers, but not in HTTP"),
    ];
    for (reply, says) in replies {
        let server = Fake::start((), move |(), _| reply.clone());
        let url = server.url();
        for command in [&["list"][..], &["add", "h:1"], &["forget", "h:1"]] {
            let args = [command, &["--node", &url]].concat();
            let (code, said, complained) = peers(&args);
            assert_eq!((code, &*said), (Some(4), ""), "{args:?}: {complained}");
            assert!(complained.contains(says) && complained.contains(&url), "{complained}");
            let harmless = |char| char != '{' && char != '\u{202e}' && char != '\u{1b}';
            let text = complained.replace("\\u{", "");
            assert!(text.chars().all(harmless) && complained.lines().count() == 1, "{complained}");
            if !says.starts_with("refuses") && !says.starts_with("a redirect") {
                let again = format!(": blocksmith peers {} --node ", command.join(" "));
                assert!(complained.contains(&again), "{complained}");
            }
        }
    }
}

#[test]
fn the_waiting_for_a_node_has_an_end() {
    // It takes the connection, and says nothing.
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let began = Instant::now();
    let (code, _, complained) = peers(&["add", "h:1", "--node", &url]);
    assert!(code == Some(3) && complained.contains("not within 15 s"), "{complained}");
    assert!(began.elapsed() < Duration::from_secs(30));
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
    let forget = format!("To stop that: blocksmith peers forget {mistyped} --node {url}");
    assert!(log.contains("less and less often") && log.contains(&forget), "{log}");
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
    node.url();
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
    let name = "operator::peers::from_other_machines_it_takes_the_token_and_one_node_is_one_peer";
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
    let again = format!("then: blocksmith peers forget {near} --node {url} --token-file FILE");
    assert!(code == Some(4) && complained.contains(&again), "{complained}");
    assert!(!complained.contains("Authorization"), "{complained}");
    let other_token = homes[1].path().join("data/operator.token");
    wait_for(&other_token);
    // A name that a shell would take for more than one.
    let spaced = homes[1].path().join("token of the other node");
    std::fs::rename(&other_token, &spaced).expect("renamed");
    let other_token = spaced;
    let other_token = other_token.to_str().expect("a path");
    let wrong = ["forget", &near, "--node", &url, "--token-file", other_token];
    let (code, _, complained) = peers(&wrong);
    let not_its = format!("the token in {other_token} is not that node's");
    assert!(code == Some(4) && complained.contains(&not_its), "{complained}");

    // Other names of the same node, and of this one, are found out by asking.
    for same in [format!("{FAR}:{other}"), format!("127.0.0.2:{other}")] {
        for json in [&[][..], &["--json"]] {
            // More than ten lines about peers within a second would be counted alone.
            std::thread::sleep(Duration::from_secs(1));
            let add = [&["add", &same, "--node", &url, "--token-file", file], json].concat();
            let (code, said, complained) = peers(&add);
            assert_eq!((code, &*said), (Some(4), ""), "{complained}");
            let list = format!("blocksmith peers list --node {url} --token-file {file}");
            assert!(complained.contains(&format!("{same} is not a new peer: ")), "{complained}");
            assert!(complained.contains(&list), "{complained}");
        }
        assert_eq!(states(&url), [(near.clone(), "answers".to_string())]);
        let twin = format!("{same} is the same node as {near}");
        wait_until(&twin, || ours.stderr().contains(&twin));
    }
    // That need not be found out again after a start.
    stop(ours);
    let (ours, port) = node(homes[0].path(), &["--bind", "0.0.0.0"]);
    let url = format!("http://{FAR}:{port}");
    wait_until("the peer", || states(&url) == [(near.clone(), "answers".to_string())]);
    assert!(!ours.stderr().contains("is the same node as"), "{}", ours.stderr());
    let itself = format!("{FAR}:{port}");
    let (code, _, complained) = peers(&["add", &itself, "--node", &url, "--token-file", file]);
    assert!(code == Some(4) && complained.contains("itself"), "{complained}");
    assert_eq!(states(&url), [(near.clone(), "answers".to_string())]);
    done(&["forget", &near, "--node", &url, "--token-file", file]);
    assert_eq!(states(&url), []);
    let said = done(&["list", "--node", &url, "--token-file", other_token]);
    assert!(said.contains(&format!(" --node {url} --token-file '{other_token}'")), "{said}");
}
