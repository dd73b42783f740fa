//! `blocksmith chain` and `blocksmith block` as processes.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use blocksmith::chain::Chain;
use blocksmith::service::{Options, start};
use blocksmith_consensus::json::Value;
use blocksmith_consensus::{Block, Proof, Rules, Timestamp, Transaction};
use tempfile::TempDir;

const GENESIS_HASH: &str = "8b89069344926ce9f90fc13f3518e95630459b81321f747302fd23d1b94f48ea";
const SECOND_HASH: &str = "6d6a9fe26bc09b9fd0f597121e983fa2348d7aaea5917700b14a736ca0d49827";

/// The genesis block and block 2 of the notes, as a node of the course serves them.
const NOTES: &str = r#"{"chain":[{"index":1,"previous_hash":null,"proof":99,"timestamp":0,"transactions":[]},{"index":2,"previous_hash":"8b89069344926ce9f90fc13f3518e95630459b81321f747302fd23d1b94f48ea","proof":241341,"timestamp":1562874886.654986,"transactions":[{"amount":1,"recipient":"00341426854640f596f4ba49a64f7c5a","sender":"0"}]}],"length":2}
"#;

/// What is said of a chain of the lecture's rules whose tip nobody pinned, after the verdict.
const NOT_PINNED: &str = "but nothing protects the newest block, or any other block from 2 on: by these \
    rules a proof does not depend on its block, so that anyone can change them without work. --tip HASH \
    protects them: ask a person you trust for the hash of the newest block\n";

/// Exit code, standard output, standard error.
type Told = (i32, String, String);

fn blocksmith(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blocksmith"));
    command.args(arguments).stdin(Stdio::null()).env("XDG_CONFIG_HOME", "/nonexistent");
    for name in ["CHAIN", "ZEROS", "CONFIG", "DATA_DIR", "PORT"] {
        command.env_remove(format!("BLOCKSMITH_{name}"));
    }
    command
}

fn run(arguments: &[&str]) -> Told {
    told(blocksmith(arguments).output().expect("the program runs"))
}

fn run_with_input(arguments: &[&str], input: &'static [u8]) -> Told {
    let mut child = blocksmith(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut stdin = child.stdin.take().expect("it has an input");
    let writer = std::thread::spawn(move || stdin.write_all(input));
    let output = child.wait_with_output().expect("the program ends");
    writer.join().expect("a thread").expect("it reads its input");
    told(output)
}

fn told(output: Output) -> Told {
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (output.status.code().unwrap_or(-1), text(output.stdout), text(output.stderr))
}

fn succeeds(told: &Told, out: &str) {
    assert_eq!((told.0, told.1.as_str(), told.2.as_str()), (0, out, ""));
}

fn path(dir: &TempDir, name: &str) -> String {
    dir.path().join(name).to_str().expect("a path").to_string()
}

fn write(dir: &TempDir, name: &str, text: &str) -> String {
    let path = path(dir, name);
    std::fs::write(&path, text).expect("a file");
    path
}

/// A valid chain of the lecture with no zeros asked for.
fn long_chain(length: usize, seed: u64) -> Vec<Block> {
    let mut chain = vec![Rules::lecture().genesis_block(Timestamp::default())];
    let coin = Transaction::new(
        Value::of_canonical("\"0\""),
        Value::of_canonical("\"somebody\""),
        Value::of_canonical("1"),
    );
    while chain.len() < length {
        let (parent, proof) = (chain.last().expect("genesis"), seed + chain.len() as u64);
        let time = Timestamp { micros: proof };
        chain.push(Block::compose(parent, &Proof::from(proof), time, [&coin]).expect("a block"));
    }
    chain
}

fn lines(chain: &[Block]) -> String {
    chain.iter().map(|block| format!("{}\n", block.text())).collect()
}

/// Answers one request on loopback; where to ask.
fn serve_once(answer: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address");
    std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a request");
        let mut request = [0; 4_096];
        let read = stream.read(&mut request).unwrap_or(0);
        let asked = String::from_utf8_lossy(&request[..read]).starts_with("GET /chain HTTP/1.1");
        let nothing = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
        let _ = stream.write_all(if asked { answer.as_bytes() } else { nothing.as_bytes() });
    });
    format!("http://{address}")
}

fn serve_notes() -> String {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n", NOTES.len());
    serve_once(format!("{head}Connection: close\r\n\r\n{NOTES}"))
}

#[test]
fn the_chain_of_the_notes_is_valid() {
    let dir = TempDir::new().expect("a directory");
    let file = write(&dir, "notes.json", NOTES);
    let pinned = format!("valid: 2 blocks, tip {SECOND_HASH} (lecture with 4 zeros)\n");
    let of_one = NOT_PINNED.replace(", or any other block from 2 on", "").replace("them", "it");
    let valid = format!("{pinned}{of_one}");
    succeeds(&run(&["chain", "verify", &file]), &valid);
    succeeds(
        &run(&["chain", "verify", &file, "--chain", "lecture", "--tip", SECOND_HASH]),
        &pinned,
    );
    succeeds(&run_with_input(&["chain", "verify", "-"], NOTES.as_bytes()), &valid);
    succeeds(&run(&["chain", "verify", &serve_notes()]), &valid);
    succeeds(&run(&["chain", "verify", &format!("{}/chain", serve_notes())]), &valid);
    for written in ["/", "/chain"] {
        let bare = serve_notes().replace("http://", "") + written;
        succeeds(&run(&["chain", "verify", &bare]), &valid);
    }
    let (code, out, _) = run(&["chain", "verify", &file, "--json"]);
    let verdict: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &verdict["valid"], &verdict["blocks"]), (0, &true.into(), &2.into()));
    assert_eq!(verdict["tip"], SECOND_HASH);
    assert_eq!(verdict["chain_id"], Rules::lecture().chain_id().to_string());
}

#[test]
fn a_chain_that_a_shell_wrote_is_the_same() {
    let dir = TempDir::new().expect("a directory");
    let utf16 = |text: &str, unit: fn(u16) -> [u8; 2]| {
        text.encode_utf16().flat_map(unit).collect::<Vec<u8>>()
    };
    let block = NOTES.find("{\"index\":2").expect("block 2");
    let block = &NOTES[block..NOTES.rfind("],\"length").expect("the end")];
    let lines = format!("{block}\r\n7\r\n");
    let hashes = "7902699be42c8a8e46fbbb4501726517e86b22c56a189f7625a6da49081b2451\n";
    for (name, write) in [
        ("a mark", (|text| format!("\u{feff}{text}").into_bytes()) as fn(&str) -> Vec<u8>),
        ("PowerShell", |text| {
            let text = format!("\u{feff}{text}").replace('\n', "\r\n");
            text.encode_utf16().flat_map(u16::to_le_bytes).collect()
        }),
        ("the other order", |text| {
            format!("\u{feff}{text}").encode_utf16().flat_map(u16::to_be_bytes).collect()
        }),
        ("no mark", |text| text.encode_utf16().flat_map(u16::to_le_bytes).collect()),
        ("lone CR", |text| text.replace('\n', "\r").into_bytes()),
    ] {
        let file = path(&dir, name);
        std::fs::write(&file, write(NOTES)).expect("a file");
        let text: &'static [u8] = write(NOTES).leak();
        let data = path(&dir, &format!("{name}'s data"));
        for told in [
            run(&["chain", "verify", &file]),
            run_with_input(&["chain", "verify", "-"], text),
            run_with_input(&["chain", "verify", "-", "--replay"], text),
            run(&["chain", "import", &file, "--data-dir", &data]),
        ] {
            assert_eq!((told.0, told.1.contains(SECOND_HASH)), (0, true), "{name}: {told:?}");
        }
        std::fs::write(&file, write(block)).expect("a file");
        let told = run(&["block", "hash", &file]);
        assert_eq!((told.0, told.1), (0, format!("{SECOND_HASH}\n")), "{name}");
        if name != "lone CR" {
            let told = run_with_input(&["block", "hash", "--lines", "-"], write(&lines).leak());
            assert_eq!((told.0, told.1), (0, format!("{SECOND_HASH}\n{hashes}")), "{name}");
        }
    }
    let half = utf16("{\"chain\": [", u16::to_le_bytes);
    std::fs::write(path(&dir, "half"), &half[..half.len() - 1]).expect("a file");
    let (code, _, err) = run(&["chain", "verify", &path(&dir, "half")]);
    assert!(code == 1 && err.contains("line 1, column 11: the text there is neither"), "{err}");
}

/// A chain of these rules with an edited newest block, of any work: the rules ask for no zeros.
fn edited(rules: &Rules, length: u64) -> String {
    let mut chain = vec![rules.genesis_block(Timestamp::default())];
    let coin = |recipient| {
        let [sender, amount] = ["\"0\"", "1"].map(Value::of_canonical);
        Transaction::new(sender, Value::of_canonical(recipient), amount)
    };
    for number in 1..length {
        let (parent, time) = (chain.last().expect("genesis"), Timestamp { micros: number });
        let coin = coin("\"alice\"");
        let block = Block::compose(parent, &Proof::from(number), time, [&coin]);
        chain.push(block.expect("a block"));
    }
    let text = lines(&chain);
    match text.rfind("alice") {
        Some(at) => format!("{}mallory{}", &text[..at], &text[at + 5..]),
        None => text,
    }
}

#[test]
fn what_nothing_protects_is_said_with_the_verdict_and_how_to_pin_it() {
    let dir = TempDir::new().expect("a directory");
    let parents = "by these rules a proof depends only on the blocks before its own, so that anyone can \
                   change it without work. --tip HASH protects it";
    for (name, length, from) in
        [("lecture", 5, 2), ("course", 5, 5), ("dvf", 5, 5), ("course", 2, 2), ("dvf", 2, 2)]
    {
        let rules = Rules::preset(name).expect("a preset").with_zeros(0);
        let (text, data) = (edited(&rules, length), path(&dir, &format!("{name}-{length}")));
        let file = write(&dir, "edited", &text);
        let chain = ["--chain", name, "--zeros", "0"];
        let said = |command: &[&str]| {
            let told = run(&[command, &chain].concat());
            assert_eq!((told.0, told.2.as_str()), (0, ""), "{name}: {command:?}");
            told.1
        };
        let verdict = said(&["chain", "verify", &file, "--json"]);
        let verdict: serde_json::Value = serde_json::from_str(&verdict).expect("JSON");
        assert_eq!(verdict["unprotected_from"], from, "{name}");
        let tip = verdict["tip"].as_str().expect("a hash").to_string();
        for (command, first) in [
            (&["chain", "verify", &file][..], "valid: "),
            (&["chain", "verify", &file, "--replay"], "valid: "),
            (&["chain", "import", &file, "--data-dir", &data], "imported: "),
            (&["chain", "verify", "--replay", "--data-dir", &data], "valid: "),
        ] {
            let out = said(command);
            let all: Vec<_> = out.lines().collect();
            assert!(all[0].starts_with(first) && all[0].contains(&tip), "{out}");
            let what = if from == length { parents } else { NOT_PINNED.trim_end() };
            assert!(all[1].starts_with("but nothing protects the newest block"), "{out}");
            assert!(all[1].contains(what), "{name}, {command:?}: {out}");
            // Who has the tip's hash from elsewhere has no need to be told.
            let out = said(&[command, &["--tip", &tip]].concat());
            assert!(!out.contains("protects"), "{out}");
        }
        let pinned = said(&["chain", "verify", &file, "--json", "--tip", &tip]);
        assert!(pinned.contains("\"unprotected_from\":null"), "{pinned}");
        // What was edited is not what somebody pinned.
        let import = ["chain", "import", &file, "--data-dir", &data, "--tip", GENESIS_HASH];
        let (code, out, err) = run(&[&import[..], &chain].concat());
        assert_eq!((code, out.as_str()), (1, ""), "{err}");
        assert!(err.starts_with("invalid: tip: block"), "{err}");
    }
    // The first block of the lecture stands in its rules, and that of dvf is anybody's.
    let file = write(&dir, "any", &edited(&Rules::dvf(), 1));
    let (_, out, _) = run(&["chain", "verify", &file, "--chain", "dvf"]);
    assert!(out.contains(&format!("block: {parents}")), "{out}");
    let file = write(&dir, "genesis", &edited(&Rules::lecture(), 1));
    let out = format!("valid: 1 block, tip {GENESIS_HASH} (lecture with 4 zeros)\n");
    succeeds(&run(&["chain", "verify", &file]), &out);
}

#[test]
fn what_is_wrong_with_a_chain_is_said_on_the_standard_error() {
    let dir = TempDir::new().expect("a directory");
    let cases: [(&str, String, &[&str], &str); 7] = [
        (
            "edited",
            NOTES.replace("\"timestamp\":0", "\"timestamp\":1"),
            &[],
            "invalid: genesis: the chain starts with",
        ),
        ("index", NOTES.replace("\"index\":2", "\"index\":3"), &[], "invalid: index: block 2"),
        ("proof", NOTES.replace("241341", "241342"), &[], "invalid: proof: block 2 has the digest"),
        ("tip", NOTES.into(), &["--tip", GENESIS_HASH], "invalid: tip: block 2, the last one,"),
        ("zeros", NOTES.into(), &["--zeros", "7"], "invalid: proof: block 2 has the digest 00000"),
        ("chain", NOTES.into(), &["--chain", "dvf"], "invalid: genesis: the chain starts with"),
        ("cut", NOTES[..300].into(), &[], "invalid: json: block 2 can't be read: byte"),
    ];
    for (name, text, options, expected) in cases {
        let file = write(&dir, name, &text);
        let arguments = [&["chain", "verify", &file], options].concat();
        let (code, out, err) = run(&arguments);
        assert_eq!((code, out.as_str()), (1, ""), "{name}: {err}");
        assert!(err.starts_with(expected), "{name}: {err}");
        let (code, out, _) = run(&[&arguments[..], &["--json"]].concat());
        let verdict: serde_json::Value = serde_json::from_str(&out).expect("JSON");
        assert_eq!((code, &verdict["valid"]), (1, &false.into()), "{name}: {out}");
        assert_eq!(verdict["chain_id"].as_str().map(str::len), Some(64), "{name}: {out}");
        let rule = verdict["rule"].as_str().expect("a rule");
        assert!(expected.starts_with(&format!("invalid: {rule}: ")), "{name}: {out}");
    }
    let lying = write(&dir, "lying", &NOTES.replace("\"length\":2", "\"length\":9"));
    let (code, _, err) = run(&["chain", "verify", &lying]);
    assert_eq!((code, &*err), (0, "note: the document says that it has 9 blocks; it has 2\n"));
}

#[test]
fn exit_codes_tell_what_kind_of_failure_it_is() {
    let dir = TempDir::new().expect("a directory");
    let file = write(&dir, "notes.json", NOTES);
    let free = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("one");
    let free = free.to_string();
    let (code, _, err) = run(&["chain", "verify", &format!("http://{free}")]);
    assert_eq!(code, 3, "{err}");
    assert!(err.contains("does not answer; is a node running there?"), "{err}");
    for command in ["verify", "show", "export", "import"] {
        let (code, _, err) = run(&["chain", command, &free]);
        assert_eq!(code, 3, "{err}");
        assert!(err.contains(&format!("http://{free}/chain does not answer")), "{err}");
    }
    for (command, url) in [("show", "localhost:port"), ("export", "ftp://h"), ("verify", "ftp://h")]
    {
        let (code, _, err) = run(&["chain", command, url]);
        assert_eq!(code, 2, "{err}");
        assert!(err.contains("a host and a port") || err.contains("http:// or https://"), "{err}");
    }
    let (code, _, err) = run(&["chain", "verify", "nowhere/12:30"]);
    assert_eq!(code, 1);
    assert!(err.contains("the file nowhere/12:30 can't be read: No such file"), "{err}");
    let (code, _, err) = run(&["chain", "verify", dir.path().to_str().expect("a path")]);
    let expected = "is a folder, such as a node's data directory, not a chain's text: ";
    assert!(code == 1 && err.contains(expected), "{err}");
    // A file that looks like an address is a file.
    let mut command = blocksmith(&["chain", "verify", "notes:80"]);
    write(&dir, "notes:80", NOTES);
    let (code, out, err) = told(command.current_dir(dir.path()).output().expect("it runs"));
    assert_eq!((code, out.starts_with("valid: 2 blocks")), (0, true), "{err}");
    let (code, _, err) = run(&["chain", "verify", &format!("{}/nowhere", serve_notes())]);
    assert_eq!(code, 1);
    assert!(err.contains("404 Not Found, not with a chain"), "{err}");
    assert_eq!(run(&["chain", "verify", &file, "--tip", "6d6a"]).0, 2);
    assert_eq!(run(&["chain", "verify", &file, "--zeros", "65"]).0, 2);
    assert_eq!(run(&["chain", "verify"]).0, 2);
    assert_eq!(run(&["chain", "verify", &file, "--chain", "nowhere"]).0, 2);
    let nothing = path(&dir, "nothing");
    let (code, _, err) = run(&["chain", "export", "--data-dir", &nothing]);
    assert_eq!(code, 1);
    assert!(err.contains("there is no chain in the data directory"), "{err}");
    assert!(!dir.path().join("nothing").exists(), "looking makes nothing");
}

#[test]
fn a_chain_is_read_where_it_was_asked_for_and_what_comes_instead_is_named() {
    let answer = |head: &str, body: &str| {
        let length = body.len();
        serve_once(format!(
            "HTTP/1.1 {head}\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        ))
    };
    let there = serve_notes();
    for (status, to) in [(301, format!("{there}/chain")), (307, "/elsewhere".into())] {
        let here = answer(&format!("{status} X\r\nLocation: {to}"), "<h1>Moved</h1>");
        let (code, out, err) = run(&["chain", "verify", &here]);
        let to = if to.starts_with('/') { format!("{here}{to}") } else { to };
        assert_eq!((code, out.as_str()), (4, ""), "{err}");
        let said = format!(
            "{here}/chain answers GET with a redirect to {to}, which this program does not follow"
        );
        assert!(err.contains(&said) && err.contains("write that address"), "{err}");
    }
    // Nobody was there yet.
    assert_eq!(run(&["chain", "verify", &there]).0, 0);
    let problem = r#"{"type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": "too many others are reading the chain; try again in a moment"}"#;
    for (head, body, says) in [
        (
            "503 Service Unavailable\r\nContent-Type: application/problem+json",
            problem,
            "with 503 Service Unavailable: too many others are reading the chain; try again in a moment,",
        ),
        (
            "200 OK\r\nContent-Type: text/html; charset=utf-8",
            "<!doctype html><h1>Log in</h1>",
            "with 200 OK and an HTML page, not with a chain",
        ),
    ] {
        let (code, _, err) = run(&["chain", "verify", &answer(head, body)]);
        assert_eq!(code, 1);
        assert!(err.contains(says) && !err.contains('<') && !err.contains('{'), "{err}");
    }
}

#[test]
fn what_is_exported_can_be_verified_and_imported() {
    let dir = TempDir::new().expect("a directory");
    let (first, second) = (path(&dir, "first"), path(&dir, "second"));
    let chain = long_chain(3_000, 0);
    let (tip, file) = (chain[2_999].hash(), write(&dir, "chain", &lines(&chain)));
    let import = |file: &str, into: &str| {
        run(&["chain", "import", file, "--chain", "lecture", "--zeros", "0", "--data-dir", into])
    };
    let imported = format!("imported: 3000 blocks, tip {tip}\n{NOT_PINNED}");
    succeeds(&import(&file, &first), &imported);
    // A second time there is nothing to do.
    succeeds(&import(&file, &first), &imported);

    let export = format!("{}{{\"length\": 3000, \"tip\": \"{tip}\"}}\n", lines(&chain));
    succeeds(&run(&["chain", "export", "--data-dir", &first]), &export);
    let file = path(&dir, "export.jsonl");
    let (code, out, err) = run(&["chain", "export", "--data-dir", &first, "--output", &file]);
    assert_eq!((code, out.as_str()), (0, ""), "{err}");
    for mark in ["\u{1a}", "\0\0\0", "\r\n\u{1a}\r\n"] {
        let marked = path(&dir, "marked.jsonl");
        std::fs::write(&marked, format!("{export}{mark}")).expect("a file");
        let told = run(&["chain", "verify", &marked, "--zeros", "0"]);
        assert_eq!((told.0, told.1.contains(&tip.to_string())), (0, true), "{mark:?}: {told:?}");
    }
    // Nothing is overwritten, and what fails half-way is no file.
    let kept = std::fs::read(&file).expect("a file");
    let (code, _, err) = run(&["chain", "export", "--data-dir", &first, "--output", &file]);
    assert_eq!(code, 1);
    assert!(err.ends_with("exists already and is not overwritten; choose another name\n"), "{err}");
    assert_eq!(std::fs::read(&file).expect("a file"), kept);
    let half = path(&dir, "half.jsonl");
    let cut = format!("HTTP/1.0 200 OK\r\n\r\n{}", &NOTES[..300]);
    let (code, _, err) = run(&["chain", "export", &serve_once(cut), "-o", &half]);
    assert_eq!(code, 1);
    assert!(err.contains("the node's answer is not a chain"), "{err}");
    assert!(!dir.path().join("half.jsonl").exists());
    let valid = format!("valid: 3000 blocks, tip {tip} (lecture with 0 zeros)\n{NOT_PINNED}");
    succeeds(&run(&["chain", "verify", &file, "--zeros", "0"]), &valid);
    succeeds(&import(&file, &second), &imported);

    // Without its last block, the export does not fit what it says of itself.
    let cut = export.replacen(&format!("{}\n", chain[2_999].text()), "", 1);
    let (code, _, err) = import(&write(&dir, "cut", &cut), &second);
    assert_eq!(code, 1);
    assert!(err.starts_with("invalid: tip: block 2999, the last one,"), "{err}");
}

#[test]
fn the_chain_of_a_dev_network_goes_by_its_name() {
    let dir = TempDir::new().expect("a directory");
    let ours = write(&dir, "ours.toml", include_str!("../../../../chains/forge-example.toml"));
    for (place, base) in ["forge", &ours].into_iter().enumerate() {
        let (derived, kept) = (format!("{base}-dev"), path(&dir, &format!("kept-{place}")));
        let dev = ["dev", "--chain", base, "--nodes", "1", "--blocks", "2", "--port", "0"];
        let (code, _, err) = run(&[&dev[..], &["--data-dir", &kept]].concat());
        assert_eq!(code, 0, "{err}");
        let (node, file) = (format!("{kept}/node-1"), path(&dir, &format!("{place}.jsonl")));
        let (code, _, err) = run(&["chain", "export", "--data-dir", &node, "--output", &file]);
        assert_eq!(code, 0, "{err}");

        let into = path(&dir, &format!("into-{place}"));
        let verify = ["chain", "verify", &file, "--replay", "--chain"];
        let import = ["chain", "import", &file, "--data-dir", &into, "--chain"];
        for (args, good) in
            [(&verify[..], "valid: 3 blocks, tip "), (&import, "imported: 3 blocks")]
        {
            let (code, out, err) = run(&[args, &[base]].concat());
            assert_eq!((code, &*out), (1, ""), "{err}");
            assert!(err.starts_with("invalid: genesis: the chain starts with"), "{err}");
            assert!(
                err.ends_with("a chain of `blocksmith dev` has -dev after its name.\n"),
                "{err}"
            );
            let (code, out, err) = run(&[args, &[&derived]].concat());
            assert_eq!((code, &*err), (0, ""));
            assert!(out.starts_with(good), "{out}");
            // Work that commits to its block leaves nothing open.
            assert!(!out.contains("protects"), "{out}");
        }
    }
}

#[test]
fn an_import_follows_the_rules_about_the_best_chain() {
    let dir = TempDir::new().expect("a directory");
    let data = path(&dir, "data");
    let import = |name: &str, chain: &[Block]| {
        let file = write(&dir, name, &lines(chain));
        run(&["chain", "import", &file, "--zeros", "0", "--data-dir", &data])
    };
    let (short, long, same) = (long_chain(10, 0), long_chain(20, 1_000), long_chain(20, 2_000));
    let imported = format!("imported: 10 blocks, tip {}\n{NOT_PINNED}", short[9].hash());
    succeeds(&import("short", &short), &imported);
    let imported = format!("imported: 20 blocks, tip {}\n{NOT_PINNED}", long[19].hash());
    succeeds(&import("long", &long), &imported);
    for (name, chain) in [("short", &short), ("same", &same)] {
        let (code, out, err) = import(name, chain);
        assert_eq!((code, err.as_str()), (0, ""));
        assert!(out.starts_with("the chain of the file was not imported: the chain in "), "{out}");
        assert!(out.contains(&format!("ends in block 20, {}", long[19].hash())), "{out}");
    }
    let empty = write(&dir, "empty", "");
    let (code, _, err) = run(&["chain", "import", &empty, "--data-dir", &data]);
    assert_eq!((code, err.lines().next()), (1, Some("invalid: genesis: the chain has no block")));
    let notes = write(&dir, "notes", NOTES);
    let (code, _, err) = run(&["chain", "import", &notes, "--data-dir", &data]);
    assert_eq!(code, 1);
    assert!(err.contains("holds the chain \"lecture with 0 zeros\""), "{err}");
}

#[test]
fn an_import_that_is_killed_goes_on_where_it_was() {
    let dir = TempDir::new().expect("a directory");
    let data = path(&dir, "data");
    let chain = long_chain(20_000, 0);
    let file = write(&dir, "chain", &lines(&chain));
    let arguments = ["chain", "import", &file, "--zeros", "0", "--data-dir", &data];
    let mut kept = 0;
    for round in 0..20 {
        let mut child = blocksmith(&arguments).stdout(Stdio::null()).spawn().expect("it runs");
        let deadline = Instant::now() + Duration::from_millis(150 + 60 * round);
        while Instant::now() < deadline && child.try_wait().expect("a child").is_none() {
            std::thread::sleep(Duration::from_millis(5));
        }
        let _ = child.kill();
        let finished = child.wait().expect("it ends").success();
        if let (0, export, _) = run(&["chain", "export", "--data-dir", &data]) {
            let blocks = export.lines().count() - 1;
            assert!(blocks >= kept, "{blocks} blocks after {kept}");
            assert!(export.starts_with(&lines(&chain[..blocks])));
            kept = blocks;
        }
        if finished {
            break;
        }
    }
    let imported = format!("imported: 20000 blocks, tip {}\n{NOT_PINNED}", chain[19_999].hash());
    succeeds(&run(&arguments), &imported);
}

#[test]
#[cfg(target_os = "linux")]
fn on_a_terminal_a_line_counts_the_blocks_that_are_done_and_stays() {
    let dir = TempDir::new().expect("a directory");
    let (chain, data) = (long_chain(5_000, 0), path(&dir, "data"));
    let file = write(&dir, "chain", &lines(&chain));
    for (command, verdict) in [
        (format!("import {file} --data-dir {data}"), "imported: 5000 blocks"),
        (format!("verify --replay {file}"), "valid: 5000 blocks"),
        (format!("verify --replay --data-dir {data}"), "valid: 5000 blocks"),
    ] {
        // script(1) gives it a terminal.
        let program = env!("CARGO_BIN_EXE_blocksmith");
        let command = format!("stty rows 9 cols 80; exec {program} chain {command} --zeros 0");
        let mut script = Command::new("script");
        script.args(["-qec", &command, "/dev/null"]).stdin(Stdio::null());
        let (code, seen, _) = told(script.output().expect("script runs"));
        assert_eq!(code, 0, "{seen:?}");
        let mut drawn: Vec<_> = seen.split("\r\u{1b}[2K").collect();
        let end = drawn.pop().expect("a line");
        let expected = format!("5000 of 5000 blocks\r\n{verdict}");
        assert!(end.starts_with(&expected), "{command}: {seen:?}");
        let counts = drawn.iter().map(|line| line.strip_suffix(" of 5000 blocks").expect(line));
        let counts: Vec<u64> = counts.map(|count| count.parse().expect("a number")).collect();
        assert!(!counts.is_empty() && counts.is_sorted(), "{command}: {seen:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_in_use_is_left_alone() {
    let dir = TempDir::new().expect("a directory");
    let chain = Chain::load("lecture", None).expect("a preset");
    let data_dir = Some(dir.path().join("data"));
    let data = path(&dir, "data");
    let options = Options { data_dir, ..Options::new(chain) };
    let (_handle, _orders) = start(options).expect("a node");
    let file = write(&dir, "notes", NOTES);
    for arguments in [
        &["chain", "export", "--data-dir", &data][..],
        &["chain", "show", "--data-dir", &data],
        &["chain", "import", &file, "--data-dir", &data],
    ] {
        let (code, out, err) = run(arguments);
        assert_eq!((code, out.as_str()), (5, ""), "{arguments:?}");
        assert!(err.contains(&data) && err.contains("is in use"), "{err}");
    }
}

#[test]
fn blocks_are_shown_from_a_node_and_from_a_directory() {
    let dir = TempDir::new().expect("a directory");
    let data = path(&dir, "data");
    let file = write(&dir, "notes", NOTES);
    assert_eq!(run(&["chain", "import", &file, "--data-dir", &data]).0, 0);
    let table = "   block  hash              time (UTC)                transactions  proof
       1  8b89069344926ce9  1970-01-01 00:00:00                  0  99
       2  6d6a9fe26bc09b9f  2019-07-11 19:54:46                  1  241341
";
    succeeds(&run(&["chain", "show", "--data-dir", &data]), table);
    succeeds(&run(&["chain", "show", &serve_notes()]), table);
    succeeds(&run(&["chain", "show", &serve_notes().replace("http://", "")]), table);
    for (options, indexes) in [
        (&["--limit", "1"][..], &[2][..]),
        (&["--from", "1", "--limit", "1"], &[1]),
        (&["--from", "2"], &[2]),
        (&["--from", "3"], &[]),
        (&["--limit", "0"], &[]),
    ] {
        for source in [vec![serve_notes()], vec!["--data-dir".into(), data.clone()]] {
            let source: Vec<_> = source.iter().map(String::as_str).collect();
            let (code, out, err) =
                run(&[&["chain", "show", "--json"], &source[..], options].concat());
            assert_eq!(code, 0, "{err}");
            let shown: Vec<serde_json::Value> = serde_json::from_str(&out).expect("JSON");
            let found: Vec<_> =
                shown.iter().filter_map(|it| it["block"]["index"].as_u64()).collect();
            assert_eq!(found, indexes, "{options:?} {source:?}");
        }
    }
}

#[test]
fn any_json_value_has_a_hash() {
    let dir = TempDir::new().expect("a directory");
    let genesis = r#"{"transactions":[],"timestamp":0,"proof":99,"index":1,"previous_hash":null}"#;
    let genesis = write(&dir, "genesis", genesis);
    succeeds(&run(&["block", "hash", &genesis]), &format!("{GENESIS_HASH}\n"));
    succeeds(
        &run(&["block", "hash", &genesis, &genesis]),
        &format!("{GENESIS_HASH}\n{GENESIS_HASH}\n"),
    );
    let zero = "5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9\n";
    succeeds(&run_with_input(&["block", "hash", "-"], b" -0\n"), zero);
    let (code, out, err) =
        run_with_input(&["block", "hash", "--lines", "-"], b"0\r\n\n{\"a\": NaN}\n-0\nx");
    assert_eq!((code, err.as_str()), (1, ""));
    let lines: Vec<_> = out.lines().collect();
    assert_eq!((lines.len(), lines[0], lines[3]), (5, zero.trim(), zero.trim()));
    for bad in [1, 2, 4] {
        assert!(lines[bad].starts_with("error: byte "), "{}", lines[bad]);
    }
    let (code, _, err) = run(&["block", "hash", "/nonexistent"]);
    assert_eq!(code, 1);
    assert!(err.contains("/nonexistent can't be read"), "{err}");
    assert_eq!(run(&["block", "hash"]).0, 2);
}
