//! What others wrote stays in its line, and nothing in it does anything to the terminal.

use std::os::unix::fs::PermissionsExt as _;
use std::process::{Command, Stdio};

use blocksmith_consensus::Rules;
use serde_json::json;

use crate::fake::{Call, Fake, Reply, status};
use crate::program::{node, post, wait_until};

/// Every character that moves the cursor, ends a line, turns the direction of reading or hides.
fn hostile() -> String {
    let bidi = "\u{61c}\u{200e}\u{200f}\u{202a}\u{202b}\u{202c}\u{202d}\u{202e}\u{2066}\u{2067}\u{2068}\
                \u{2069}";
    let others = "\u{ad}\u{200b}\u{200c}\u{200d}\u{2028}\u{2029}\u{2060}\u{2061}\u{206f}\u{feff}\u{fff9}\
                  \u{3164}\u{e000}\u{e0001}\u{e0041}";
    // What is looked for in messages first: they may be cut short.
    let all = "\n\u{202e}\u{1b}[2J\r".chars().chain('\0'..' ').chain('\u{7f}'..='\u{9f}');
    format!("<{}>", all.chain(bidi.chars()).chain(others.chars()).collect::<String>())
}

/// The same for an argument: the system has no zero in them.
fn typed() -> String {
    hostile().replace('\0', "")
}

/// Makes sure that nothing of it is left in what the program said, that it was said, and that each
/// of its lines is one of the program's.
#[track_caller]
fn assert_harmless(said: &str, own: impl Fn(&str) -> bool) {
    let hostile = hostile();
    let plain = |char: char| char == '\n' || " !\"<>[2J".contains(char);
    let left = said.chars().find(|char| !plain(*char) && hostile.contains(*char));
    assert_eq!(left, None, "{said:?}");
    assert!(said.contains("\\n") && said.contains("\\u{202e}"), "{said}");
    for line in said.lines() {
        assert!(own(line), "{line:?} in {said}");
    }
}

/// Lines of the log, and what a node says when it starts.
fn of_a_node(line: &str) -> bool {
    line.starts_with("20") && line.contains("Z ")
        || line.contains("; data in ")
        || line.starts_with("the operator")
}

pub(crate) fn run(args: &[&str]) -> (Option<i32>, String, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blocksmith"));
    let home = tempfile::tempdir().unwrap();
    let command = command.args(args).env("HOME", home.path()).env("XDG_DATA_HOME", home.path());
    let output = command.stdin(Stdio::null()).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A peer of our own kind that says of itself what it likes.
fn own_kind(status: serde_json::Value) -> Fake<()> {
    let detail = json!({"detail": hostile()}).to_string();
    Fake::start((), move |(), call: &Call| match (&*call.method, &*call.path) {
        ("GET", "/api/v1/status") => Reply::json(status.to_string()),
        ("POST", "/api/v1/blocks") => Reply { status: 422, ..Reply::json(detail.clone()) },
        _ => Reply::html(404, "no"),
    })
}

#[test]
fn a_peer_that_writes_to_the_terminal_gets_one_line_of_the_log() {
    let rules = Rules::lecture().with_zeros(1);
    let genesis = rules.genesis_block(Default::default());
    let status = |name: &str, id: String, rules: serde_json::Value| {
        json!({"name": name, "chain_id": id, "rules": rules, "instance": "x", "index": 1,
               "tip": genesis.hash().to_string(), "work": "0"})
    };
    let ours: serde_json::Value = serde_json::from_str(&rules.json()).unwrap();
    let id = rules.chain_id().to_string();
    for (what, peer) in [
        ("its id", own_kind(status("x", hostile(), ours.clone()))),
        ("its rules", own_kind(status("x", "00".into(), json!({"puzzle": hostile()})))),
        ("its reason", own_kind(status(&hostile(), id, ours))),
    ] {
        let (node, url) = node(&["--zeros", "1", "--peer", &peer.url()]);
        if what == "its reason" {
            let proof = (0..).find(|proof: &u32| {
                let answer = post(&url, "/mine", &format!(r#"{{"proof": {proof}}}"#));
                answer.contains("New Block Forged")
            });
            assert!(proof.is_some());
        }
        wait_until(what, || node.stderr().contains("WARN"));
        let said = node.stderr();
        if what == "its rules" {
            // Canonical JSON has escapes of its own.
            assert!(said.contains(r"\u202e") && said.lines().all(of_a_node), "{said}");
            assert!(said.chars().all(|char| char == '\n' || !char.is_control()), "{said:?}");
        } else {
            assert_harmless(&said, of_a_node);
        }
    }
}

#[test]
fn a_caller_gets_it_back_escaped_and_the_log_has_one_line() {
    let (node, url) = node(&["--zeros", "1"]);
    let body = json!({"nodes": [hostile()]}).to_string();
    let answer = post(&url, "/nodes/register", &body);
    let (_, text) = answer.split_once("\r\n\r\n").unwrap();
    assert_harmless(text, |line| line.contains("is not the address of a peer"));
    let block = json!({"block": {"index": hostile(), "previous_hash": hostile(), "proof": 1}});
    post(&url, "/nodes/new", &block.to_string());
    wait_until("a refusal", || node.stderr().contains("WARN"));
    let said = node.stderr();
    assert!(said.lines().all(of_a_node), "{said}");
    assert!(said.chars().all(|char| char == '\n' || !char.is_control()), "{said:?}");
}

#[test]
fn a_miner_shows_what_the_server_says_in_one_line() {
    let detail = json!({"detail": hostile()}).to_string();
    let server = Fake::start((), move |(), _| Reply { status: 422, ..Reply::json(detail.clone()) });
    let (code, out, err) = run(&["mine", &server.url(), "--coins", "1"]);
    assert_eq!(code, Some(4), "{err}");
    let own = ["mining on http", "the miner stops: http://127.0.0.1:"];
    assert_harmless(&format!("{out}{err}"), |line| own.iter().any(|own| line.starts_with(own)));
}

#[test]
fn a_wallet_shows_what_a_node_is_called_in_one_line() {
    for (status, body) in [
        (200, status(json!({"name": hostile()}))),
        (422, json!({"detail": hostile()})),
        (200, json!(hostile())),
    ] {
        let body = body.to_string();
        let reply = move |_: &mut (), _: &Call| Reply { status, ..Reply::json(body.clone()) };
        let node = Fake::start((), reply);
        let (code, out, err) = run(&["wallet", "history", "--node", &node.url()]);
        assert_ne!(code, Some(0));
        assert_harmless(&format!("{out}{err}"), |line| line.starts_with("blocksmith: "));
    }
}

#[test]
fn a_node_puts_nothing_into_a_command_that_is_advised() {
    let peer = json!({"address": "localhost:1/;$(reboot)", "state": "fails", "for_s": 1, "failures": 2,
                      "reason": "away", "asked_in_s": 1, "chosen": true});
    let node = Fake::start((), move |(), call: &Call| match &*call.method {
        "POST" => {
            let nodes = ["localhost:1"];
            let added = json!({"message": "x", "total_nodes": nodes, "new": nodes});
            Reply { status: 201, ..Reply::json(added.to_string()) }
        }
        _ => Reply::json(json!({"peers": [peer.clone()]}).to_string()),
    });
    let (_, out, err) = run(&["peers", "add", "localhost:1", "--node", &node.url()]);
    let said = format!("{out}{err}");
    let (_, command) = said.split_once("blocksmith peers forget ").expect(&said);
    assert!(command.starts_with(&format!("localhost:1 --node {}", node.url())), "{said}");
}

#[test]
fn what_was_typed_or_copied_is_quoted_harmlessly() {
    let typed = typed();
    for args in [
        &["mine", "--coins", &typed][..],
        &[&typed],
        &["node", "0", "--chain", &typed],
        &["node", "0", "--peer", &typed],
        &["node", "0", "--chain", "forge", "--to", &typed],
        &["node", "0", "--config", &typed],
        &["chain", "verify", &typed],
        &["chain", "show", "--data-dir", &typed],
        &["block", "hash", &typed],
        &["wallet", "verify", &typed],
    ] {
        let (code, out, err) = run(args);
        assert_ne!(code, Some(0), "{args:?}");
        let said = format!("{out}{err}");
        assert_harmless(&said, |line| !line.starts_with("\\u") && !line.starts_with("\\r"));
    }
}

/// A chain file under another name.
fn renamed(text: &str) -> String {
    let name: String =
        hostile().chars().map(|char| format!("\\U{:08x}", u32::from(char))).collect();
    let (before, rest) = text.split_once("\nname = ").unwrap();
    let (_, after) = rest.split_once('\n').unwrap();
    format!("{before}\nname = \"{name}\"\n{after}")
}

#[test]
fn a_chain_of_any_name_is_called_so_in_one_line_by_every_command() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    let (open, sealed, other) = (path("open.toml"), path("sealed.toml"), path("other.toml"));
    std::fs::write(&open, renamed(include_str!("../../../../../chains/lecture-1.toml"))).unwrap();
    for file in [&sealed, &other] {
        assert_eq!(run(&["chain", "new", "--name", "ours", file]).0, Some(0));
        std::fs::write(file, renamed(&std::fs::read_to_string(file).unwrap())).unwrap();
    }
    let (nothing, data) = (path("nothing.json"), path("data"));
    std::fs::write(&nothing, "{}").unwrap();
    let (first, url) = node(&["--chain", &sealed, "--data-dir", &data]);
    wait_until("its first words", || first.stderr().contains("data in"));
    assert_harmless(&first.stderr(), of_a_node);
    let dev = format!("{open}-dev");
    for (args, code) in [
        (&["dev", "--chain", &sealed, "--port", "0", "--nodes", "1", "--blocks", "1"][..], 0),
        (&["dev", "--chain", &open, "--port", "0", "--nodes", "1", "--blocks", "1"], 0),
        (&["node", "0", "--chain", &sealed, "--zeros", "2"], 2),
        (&["chain", "verify", &url, "--chain", &other], 1),
        (&["chain", "verify", &url, "--chain", &sealed], 0),
        (&["wallet", "verify", &nothing, "--chain", &sealed], 1),
        (&["wallet", "verify", &nothing, "--chain", &open], 2),
        (&["wallet", "history", "--node", &url, "--chain", &other], 1),
    ] {
        let (ended, out, err) = run(args);
        let said = format!("{out}{err}");
        assert_harmless(&said, |line| !line.starts_with("\\u"));
        assert_eq!(ended, Some(code), "{args:?}: {said}");
    }
    assert_eq!(run(&["node", "0", "--chain", &dev]).0, Some(2));
    // Another chain in the directory of the first, and the same one under another name.
    drop(first);
    let (code, out, err) = run(&["node", "0", "--chain", &other, "--data-dir", &data]);
    assert_eq!(code, Some(1), "{err}");
    assert_harmless(&format!("{out}{err}"), |line| !line.starts_with("\\u"));
    let text = std::fs::read_to_string(&sealed).unwrap();
    let (before, rest) = text.split_once("\nname = ").unwrap();
    let (_, after) = rest.split_once('\n').unwrap();
    std::fs::write(&sealed, format!("{before}\nname = \"another\"\n{after}")).unwrap();
    let (again, _) = node(&["--chain", &sealed, "--data-dir", &data]);
    wait_until("a warning", || again.stderr().contains("is the same chain as"));
    assert_harmless(&again.stderr(), of_a_node);
}

#[test]
fn a_chain_file_and_a_chain_say_nothing_to_the_terminal() {
    let dir = tempfile::tempdir().unwrap();
    let path = |name: &str| dir.path().join(name).to_str().unwrap().to_string();
    let (file, chain) = (path("ours.toml"), path("chain.json"));
    std::fs::write(&file, renamed(include_str!("../../../../../chains/lecture-1.toml"))).unwrap();
    let genesis = Rules::lecture().genesis_block(Default::default());
    let valid =
        r#"{"index": 1, "previous_hash": 1, "proof": 99, "timestamp": 1.5, "transactions": []}"#;
    for (block, expected) in [(genesis.text(), 1), (valid, 0)] {
        std::fs::write(&chain, format!("{{\"chain\": [{block}]}}")).unwrap();
        for json in [&[][..], &["--json"]] {
            let args = ["chain", "verify", &chain, "--chain", &file];
            let (code, out, err) = run(&[&args, json].concat());
            let said = format!("{out}{err}");
            assert_eq!(code, Some(expected), "{said}");
            let left = said.chars().find(|char| *char != '\n' && char.is_control());
            assert_eq!(left, None, "{said:?}");
            let turned = if json.is_empty() { "\\u{202e}" } else { "\\u202e" };
            assert!(said.contains(turned) && !said.contains('\u{202e}'), "{said}");
        }
    }
    // And a node with that name.
    let (node, _) = node(&["--chain", &file]);
    wait_until("its first words", || node.stderr().contains("data in"));
    assert_harmless(&node.stderr(), of_a_node);
}

#[test]
fn a_path_that_was_typed_stays_in_its_line_of_the_log() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(typed());
    std::fs::write(&file, "0".repeat(64)).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let (node, _) = node(&["--token-file", file.to_str().unwrap()]);
    wait_until("its last words", || node.stderr().contains("the operator's token is in"));
    let said = node.stderr();
    assert!(said.contains("WARN other users of this machine can read"), "{said}");
    assert_harmless(&said, of_a_node);
}

#[test]
fn a_log_for_programs_is_an_object_in_a_line_for_each_event() {
    let (node, url) = node(&["--zeros", "1", "--log-format", "json"]);
    // A name has 256 bytes of JSON at most.
    let name = "<\n\u{202e}\u{1b}[2J\r\u{7f}\u{9b}\u{2028}\u{200b}\u{e0041}>";
    let id = serde_json::to_string(name).unwrap();
    let forged = (0..1_000).any(|proof: u32| {
        let body = format!(r#"{{"proof": {proof}, "id": {id}}}"#);
        post(&url, "/mine", &body).contains("New Block Forged")
    });
    assert!(forged);
    let is_event = |line: &&str| line.starts_with('{');
    wait_until("the block", || node.stderr().lines().any(|line| line.contains("block 2 ")));
    let said = node.stderr();
    for line in said.lines().filter(is_event) {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(event["timestamp"].as_str().unwrap().ends_with('Z'), "{line}");
        assert_eq!(event["level"], "INFO");
    }
    let of_block = |event: &serde_json::Value| {
        event["message"].as_str().is_some_and(|message| message.starts_with("block 2 "))
    };
    let events = said.lines().filter(is_event).map(|line| serde_json::from_str(line).unwrap());
    assert_eq!(events.filter(of_block).count(), 1, "{said}");
    let plain = |char: char| char == '\n' || " !\"<>[2J".contains(char);
    let left = said.chars().find(|char| !plain(*char) && hostile().contains(*char));
    assert_eq!(left, None, "{said:?}");
    assert!(said.contains("u{202e}"), "{said}");
}
