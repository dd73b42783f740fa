//! `blocksmith chain new`, and chains that differ in one number, as processes.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant, UNIX_EPOCH};

use blocksmith::chain::Chain;
use blocksmith_consensus::ledger::Account;
use blocksmith_consensus::rules::sealed::genesis_on;
use blocksmith_consensus::{Difficulty, Family, Hash, Rules, Sealed};
use tempfile::TempDir;

/// Points of the curve, as addresses of two chains.
const SOMEBODY: &str = "forge12zffkaxp5py4fdutfdsrt6t6tcrc5ks09rkfd428hlhf4n5q8tqqelyfyl";
const CLASSMATE: &str = "class12zffkaxp5py4fdutfdsrt6t6tcrc5ks09rkfd428hlhf4n5q8tqqnxk0ht";

fn blocksmith(dir: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blocksmith"));
    command.args(arguments).current_dir(dir).stdin(Stdio::null());
    command.env("XDG_CONFIG_HOME", dir).env("NO_COLOR", "1");
    for name in ["CHAIN", "ZEROS", "CONFIG", "DATA_DIR", "PORT", "PEERS", "BIND", "ID"] {
        command.env_remove(format!("BLOCKSMITH_{name}"));
    }
    command
}

/// Exit code, standard output, standard error.
fn run(dir: &Path, arguments: &[&str]) -> (i32, String, String) {
    let Output { status, stdout, stderr } =
        blocksmith(dir, arguments).output().expect("the program runs");
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

fn load(dir: &Path, file: &str) -> Chain {
    Chain::load(&dir.join(file).display().to_string(), None).expect("a chain file")
}

fn now_s() -> u64 {
    UNIX_EPOCH.elapsed().expect("a clock").as_secs()
}

/// The previous hash of the genesis block.
fn drawn(rules: &Rules) -> Hash {
    let block = rules.genesis_block(Default::default());
    block.view().previous_hash.as_str().expect("text").parse().expect("a hash")
}

#[test]
fn what_is_written_is_the_preset_with_a_genesis_of_its_own() {
    let dir = TempDir::new().expect("a directory");
    let before = now_s();
    for (preset, rules) in [("forge", Rules::forge()), ("bitcoin-like", Rules::bitcoin_like())] {
        let file = format!("{preset}.toml");
        let told = run(dir.path(), &["chain", "new", &file, "--name", "ours", "--rules", preset]);
        let found = load(dir.path(), &file).rules;
        let out = format!("chain id {}\n", found.chain_id());
        assert_eq!((told.0, &told.1), (0, &out), "{}", told.2);
        let next = format!("blocksmith node --chain {file}\n");
        assert!(told.2.ends_with(&next), "{}", told.2);

        let block = found.genesis_block(Default::default());
        let written = block.header().expect("a header").timestamp_s;
        assert!((before..=now_s()).contains(&written), "{written}");
        let random = drawn(&found);
        assert!(random.0.iter().filter(|byte| **byte == 0).count() < 8, "{random}");
        let Family::Sealed(sealed) = rules.family else { panic!("payments are signed") };
        let target = sealed.genesis_target();
        let genesis = genesis_on(&random, written, target, sealed.hrp, &[]).expect("a genesis");
        assert_eq!(found, Sealed { genesis, ..sealed }.named("ours"));
    }
}

#[test]
fn spacing_balances_and_addresses_are_as_asked() {
    let dir = TempDir::new().expect("a directory");
    let name = "say \"hello\" \\ 'Zoë' # = [x]";
    let balance = |coins: &str| format!("{CLASSMATE}={coins}");
    let (first, second) = (balance("12.5"), balance("90071992.54740991"));
    let told = run(
        dir.path(),
        &[
            "chain",
            "new",
            "our class",
            "--name",
            name,
            "--spacing",
            "7",
            "--addresses",
            "class",
            "--balance",
            &first,
            "--balance",
            &balance("0.00000001"),
            "--json",
        ],
    );
    let said: serde_json::Value = serde_json::from_str(&told.1).expect("JSON");
    assert_eq!((told.0, &said["file"], &said["name"]), (0, &"./our class".into(), &name.into()));
    assert!(told.2.ends_with("blocksmith node --chain './our class'\n"), "{}", told.2);
    let rules = load(dir.path(), "./our class").rules;
    assert_eq!(said["chain_id"], rules.chain_id().to_string());
    assert_eq!(rules.name, name);
    let Difficulty::Asert { easiest, .. } = Rules::forge().difficulty() else { panic!("ASERT") };
    let asert = Difficulty::Asert { spacing_s: 7, half_life_s: 210, longest_gap_s: 420, easiest };
    assert_eq!(rules.difficulty(), asert);
    let block = rules.genesis_block(Default::default());
    let changes = rules.allot(&block).expect("an allotment");
    let after: Vec<_> = changes.accounts.iter().map(|change| change.after).collect();
    assert_eq!(after, [Account { balance: 1_250_000_001, nonce: 0 }]);

    let all =
        ["chain", "new", "b.toml", "--name", "b", "--rules", "bitcoin-like", "--spacing", "60"];
    assert_eq!(run(dir.path(), &all).0, 0);
    let Difficulty::Epoch { easiest, .. } = Rules::bitcoin_like().difficulty() else {
        panic!("epochs")
    };
    assert_eq!(
        load(dir.path(), "b.toml").rules.difficulty(),
        Difficulty::Epoch { blocks: 2_016, spacing_s: 60, clamp: 4, easiest }
    );

    // More coins than can be counted.
    let told = run(
        dir.path(),
        &["chain", "new", "c.toml", "--name", "c", "--addresses", "class", "--balance", &second],
    );
    assert_eq!((told.0, told.1.as_str()), (2, ""));
    assert!(told.2.contains("the genesis block gives 9007199254740991 units"), "{}", told.2);
    assert!(!dir.path().join("c.toml").exists());
}

#[test]
fn nothing_is_overwritten_and_no_mistake_leaves_a_file() {
    let dir = TempDir::new().expect("a directory");
    std::fs::write(dir.path().join("kept.toml"), "kept").expect("a file");
    let told = run(dir.path(), &["chain", "new", "kept.toml", "--name", "x"]);
    assert_eq!(told.0, 1);
    assert!(told.2.contains("kept.toml exists already and is not overwritten"), "{}", told.2);
    assert_eq!(std::fs::read_to_string(dir.path().join("kept.toml")).expect("it"), "kept");
    let told = run(dir.path(), &["chain", "new", "no/where.toml", "--name", "x"]);
    assert_eq!(told.0, 1);
    assert!(told.2.contains("can't write no/where.toml"), "{}", told.2);

    let too_fine = format!("{SOMEBODY}=1.123456789");
    let elsewhere = format!("{CLASSMATE}=1");
    let instead = format!("; its owner has {SOMEBODY} on this chain\n");
    for (arguments, expected) in [
        (&[][..], "--name"),
        (&["--name", ""], "it must be one line of text"),
        (&["--name", "a\nb = 1"], "it must be one line of text"),
        (&["--name", "x", "--rules", "lecture"], "forge"),
        (&["--name", "x", "--spacing", "0"], "from 1 to 150119987579016"),
        (&["--name", "x", "--spacing", "150119987579017"], "from 1 to 150119987579016"),
        (&["--name", "x", "--spacing", "1.5"], "it must be a whole number"),
        (&["--name", "x", "--addresses", "No"], "the prefix of addresses must be 1 to 31"),
        (&["--name", "x", "--balance", SOMEBODY], "it must be an address, = and"),
        (&["--name", "x", "--balance", &too_fine], "at most 8 digits after the point"),
        (&["--name", "x", "--balance", &elsewhere], "start with \"forge1\""),
        (&["--name", "x", "--balance", &elsewhere], &instead),
        (&["--name", "x", "--balance", "forge1=1"], "--balance forge1: an address of this chain"),
        (
            &["--name", "x", "--rules", "bitcoin-like", "--spacing", "4500000000000"],
            "an epoch of 2016 blocks",
        ),
    ] {
        let all = [&["chain", "new", "x.toml"], arguments].concat();
        let told = run(dir.path(), &all);
        assert_eq!((told.0, told.1.as_str()), (2, ""), "{arguments:?}: {}", told.2);
        assert!(told.2.contains(expected), "{arguments:?}: {}", told.2);
        assert!(!dir.path().join("x.toml").exists(), "{arguments:?}");
    }
}

#[test]
fn no_two_new_chains_are_one_whatever_they_are_called_and_when_they_are_made() {
    let dir = TempDir::new().expect("a directory");
    let mut ids = std::collections::BTreeSet::new();
    // Within one second, or nearly, with different names and with the same.
    let names = ["monday", "tuesday", "ours", "ours", "ours"];
    for (place, name) in names.into_iter().enumerate() {
        let file = format!("{place}.toml");
        let told = run(dir.path(), &["chain", "new", &file, "--name", name]);
        assert_eq!(told.0, 0, "{}", told.2);
        assert!(told.2.contains("Give a copy of it to everyone who uses this chain"), "{}", told.2);
        let chain = load(dir.path(), &file);
        ids.insert(chain.rules.chain_id());
        // What is tried on one is good on no other one either.
        ids.insert(chain.for_dev().expect("a dev chain").rules.chain_id());
    }
    assert_eq!(ids.len(), 10);

    // Their nodes don't mix, and say how they would.
    let one = Node::start(dir.path(), "data-0", "0.toml", &[]);
    let other = Node::start(dir.path(), "data-1", "1.toml", &["--peer", &one.url]);
    other.says(&["WARN", "genesis is ", "or copies of one chain file"]);
}

#[test]
fn a_renamed_copy_is_the_same_chain_and_says_so() {
    let dir = TempDir::new().expect("a directory");
    assert_eq!(run(dir.path(), &["chain", "new", "ours.toml", "--name", "ours"]).0, 0);
    let text = std::fs::read_to_string(dir.path().join("ours.toml")).expect("a file");
    let copy = text.replace("name = \"ours\"", "name = \"theirs\"");
    assert_ne!(copy, text);
    std::fs::write(dir.path().join("theirs.toml"), copy).expect("a file");
    let id = load(dir.path(), "ours.toml").rules.chain_id();
    assert_eq!(load(dir.path(), "theirs.toml").rules.chain_id(), id);
    let id = format!("chain id {id};");
    Node::start(dir.path(), "data", "ours.toml", &[]).says(&["ours with a block every 15 s", &id]);
    let renamed = Node::start(dir.path(), "data", "theirs.toml", &[]);
    renamed.says(&["WARN", "theirs with", "is the same chain as ours with", "makes another"]);
    renamed.says(&["theirs with a block every 15 s", &id]);
    drop(renamed);
    // It is said once.
    let again = Node::start(dir.path(), "data", "theirs.toml", &[]);
    let line = again.says(&["theirs with a block every 15 s"]);
    assert!(line.contains(&id), "{line}");
}

#[test]
fn nobody_calls_a_chain_of_their_own_as_everybody_calls_another() {
    let dir = TempDir::new().expect("a directory");
    for (name, preset) in [
        ("forge", "forge"),
        ("Forge", "forge"),
        (" forge-dev", "forge"),
        ("f\u{43e}rge", "forge"),
        ("for\u{200b}ge", "forge"),
        ("f0rge", "forge"),
        ("ｆｏｒｇｅ", "forge"),
        ("fórgè", "forge"),
        ("lecture", "lecture"),
        ("COURSE", "course"),
        ("dvf", "dvf"),
        ("Bitcoin Like", "bitcoin-like"),
    ] {
        let told = run(dir.path(), &["chain", "new", "x.toml", "--name", name]);
        assert_eq!((told.0, told.1.as_str()), (2, ""), "{name}: {}", told.2);
        let why = format!("would confuse this chain with {preset} and pay on the wrong one");
        assert!(told.2.contains(&why) && told.2.contains("choose another name"), "{}", told.2);
        assert!(!dir.path().join("x.toml").exists(), "{name}");
    }
    // Whoever writes such a name by hand keeps the chain, and is not taken for the other one.
    assert_eq!(run(dir.path(), &["chain", "new", "ours.toml", "--name", "ours"]).0, 0);
    let text = std::fs::read_to_string(dir.path().join("ours.toml")).expect("a file");
    std::fs::write(
        dir.path().join("hand.toml"),
        text.replace("name = \"ours\"", "name = \"F\u{43e}rge\""),
    )
    .expect("a file");
    let (hand, ours) = (load(dir.path(), "hand.toml").rules, load(dir.path(), "ours.toml").rules);
    assert_eq!(hand.chain_id(), ours.chain_id());
    assert_eq!(hand.name, "F\u{43e}rge (of the file hand.toml)");
    let node = Node::start(dir.path(), "data", "hand.toml", &[]);
    node.says(&["F\u{43e}rge (of the file hand.toml) with a block every 15 s"]);
    drop(node);
    // A file that has the rules of the preset may have its name, with any number of zeros.
    let genesis = Rules::lecture().genesis_block(Default::default());
    for zeros in [4, 5] {
        let text = format!(
            "name = \"Lecture\"\npuzzle = \"last_proof\"\nzeros = {zeros}\n[genesis]\nblock = '{}'\n\
             [coin]\nsender = '\"0\"'\namount = '1'\n",
            genesis.text()
        );
        std::fs::write(dir.path().join("lecture.toml"), text).expect("a file");
        let rules = load(dir.path(), "lecture.toml").rules;
        assert_eq!(rules.chain_id(), Rules::lecture().with_zeros(zeros).chain_id());
        assert_eq!(rules.name, "Lecture");
    }
}

#[test]
fn a_file_without_random_digits_is_the_chain_that_it_was() {
    let dir = TempDir::new().expect("a directory");
    assert_eq!(run(dir.path(), &["chain", "new", "ours.toml", "--name", "ours"]).0, 0);
    let text = std::fs::read_to_string(dir.path().join("ours.toml")).expect("a file");
    let digits = drawn(&load(dir.path(), "ours.toml").rules).to_string();
    let line = format!("previous_hash = \"{digits}\"\n");
    let with = |new: &str| {
        assert!(text.contains(&line), "{text}");
        std::fs::write(dir.path().join("other.toml"), text.replace(&line, new)).expect("a file");
    };
    with("");
    assert_eq!(drawn(&load(dir.path(), "other.toml").rules), Hash([0; 32]));
    // What editors and mail do to digits changes none of them.
    for digits in [
        digits.to_uppercase(),
        format!(" {} {}\u{a0}\t", &digits[..32], &digits[32..]),
        format!("\u{feff}{}\u{200b}{}", &digits[..7], &digits[7..]),
    ] {
        with(&format!("previous_hash = \"{digits}\"\n"));
        assert_eq!(load(dir.path(), "other.toml").rules, load(dir.path(), "ours.toml").rules);
    }
    let strange = |place: usize, char: char| {
        let (before, after) = (&digits[..place - 1], &digits[place..]);
        format!("previous_hash = \"{before}{char}{after}\"\n")
    };
    for (wrong, why) in [
        ("previous_hash = \"1\"\n", "genesis.previous_hash must have 64 hex digits, and has 1\n"),
        (
            &strange(1, '\u{430}'),
            "genesis.previous_hash has \u{430} (U+0430, Cyrillic) as its character 1, but it must",
        ),
        (&strange(33, 'O'), "genesis.previous_hash has O (U+004F) as its character 33"),
        (&strange(64, '\u{2013}'), "genesis.previous_hash has \u{2013} (U+2013, en dash) as its"),
        ("previous_hash = 1\n", "invalid type: integer `1`"),
        (&format!("{line}block = \"{{}}\"\n"), "genesis must have either block, or timestamp"),
        (&format!("{line}proof = \"1\"\n"), "genesis must have either block, or timestamp"),
    ] {
        with(wrong);
        let told = run(dir.path(), &["node", "0", "--chain", "other.toml", "--data-dir", "data"]);
        assert_eq!((told.0, told.1.as_str()), (1, ""), "{wrong}: {}", told.2);
        assert!(told.2.contains(why), "{wrong}: {}", told.2);
    }
}

#[test]
fn a_chain_file_that_editors_and_mail_went_through_is_the_same_chain() {
    let dir = TempDir::new().expect("a directory");
    let balance = format!("{SOMEBODY}=1");
    let new = ["chain", "new", "ours.toml", "--name", "ours", "--balance", &balance];
    assert_eq!(run(dir.path(), &new).0, 0);
    let text = std::fs::read_to_string(dir.path().join("ours.toml")).expect("a file");
    let rules = load(dir.path(), "ours.toml").rules;
    let genesis = format!("{}\n", rules.genesis_block(Default::default()).text());
    std::fs::write(dir.path().join("chain"), genesis).expect("a file");
    let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
    // As mail does it: no line has more than 72 characters, if there is a space to break at.
    let mut wrapped = String::new();
    for line in text.lines() {
        let mut column = 0;
        for word in line.split(' ') {
            let end = if column > 0 && column + word.len() > 72 { "\r\n" } else { " " };
            wrapped += if column == 0 { "" } else { end };
            column = if end == " " { column + word.len() + 1 } else { word.len() };
            wrapped += word;
        }
        wrapped += "\r\n";
    }
    assert!(wrapped.lines().count() > text.lines().count(), "{wrapped}");
    for (name, bytes) in [
        ("a mark and CRLF", format!("\u{feff}{}", text.replace('\n', "\r\n")).into_bytes()),
        ("UTF-16", utf16(&format!("\u{feff}{}", text.replace('\n', "\r\n")))),
        ("UTF-16 without a mark", utf16(&text)),
        ("lone CR", text.replace('\n', "\r").into_bytes()),
        ("no newline", text.trim_end().as_bytes().to_vec()),
        ("no-break spaces", text.replace(" = ", "\u{a0}=\u{a0}").into_bytes()),
        (
            "curly quotes",
            text.replace(" \"", " \u{201c}").replace("\"\n", "\u{201d}\n").into_bytes(),
        ),
        ("quoted", text.lines().map(|line| format!("> {line}\n")).collect::<String>().into()),
        ("wrapped", wrapped.into_bytes()),
        ("a signature", format!("{text}\r\n-- \r\nAlice, who = teaches\r\n").into_bytes()),
        ("quoted-printable", text.replace('=', "=3D").replace("the ", "the =\r\n").into_bytes()),
        ("Ctrl-Z", format!("{text}\u{1a}").into_bytes()),
        ("NULs", format!("{text}\0\0\0").into_bytes()),
    ] {
        std::fs::write(dir.path().join("sent.toml"), bytes).expect("a file");
        let told = run(dir.path(), &["chain", "verify", "chain", "--chain", "sent.toml", "--json"]);
        assert_eq!(told.0, 0, "{name}: {}", told.2);
        let id = format!("\"chain_id\":\"{}\"", rules.chain_id());
        assert!(told.1.contains(&id), "{name}: {}", told.1);
    }
    for (text, why) in [
        (
            text.replace("puzzle = ", "puzzle \u{2013} "),
            "column 8: – (U+2013, en dash) is not allowed there",
        ),
        (
            text.replace("puzzle", "p\u{443}zzle"),
            "column 2: у (U+0443, Cyrillic) is not allowed there",
        ),
    ] {
        std::fs::write(dir.path().join("sent.toml"), text).expect("a file");
        let told = run(dir.path(), &["chain", "verify", "chain", "--chain", "sent.toml"]);
        assert_eq!((told.0, told.1.as_str()), (1, ""), "{}", told.2);
        assert!(told.2.contains(why), "{}", told.2);
    }
}

#[test]
fn forge_takes_no_zeros() {
    let dir = TempDir::new().expect("a directory");
    for arguments in [
        &["node", "--port", "0", "--chain", "forge", "--zeros", "4"][..],
        &["chain", "verify", "-", "--chain", "bitcoin-like", "--zeros", "4"],
    ] {
        let told = run(dir.path(), arguments);
        assert_eq!((told.0, told.1.as_str()), (2, ""), "{}", told.2);
        assert!(told.2.contains("blocksmith: --zeros: the chain "), "{}", told.2);
        assert!(told.2.contains("a number of zeros can't be set; leave it out"), "{}", told.2);
    }
}

/// A node as a process, ended when it goes out of scope.
struct Node {
    child: Child,
    url: String,
    log: mpsc::Receiver<String>,
}

impl Node {
    fn start(dir: &Path, data: &str, chain: &str, arguments: &[&str]) -> Self {
        let all = ["node", "--port", "0", "--data-dir", data, "--chain", chain];
        let mut command = blocksmith(dir, &[&all, arguments].concat());
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program runs");
        let (lines, log) = mpsc::channel();
        let (out, err) = (child.stdout.take().expect("piped"), child.stderr.take().expect("piped"));
        std::thread::spawn(move || {
            BufReader::new(err).lines().map_while(Result::ok).try_for_each(|line| lines.send(line))
        });
        let mut first = String::new();
        BufReader::new(out).read_line(&mut first).expect("a line");
        let url = first.split_whitespace().find(|word| word.starts_with("http://"));
        let url = url.unwrap_or_else(|| panic!("no address: {first}")).to_string();
        Self { child, url, log }
    }

    /// Waits for a line of the log that has all of these parts.
    fn says(&self, parts: &[&str]) -> String {
        let deadline = Instant::now() + Duration::from_secs(30);
        let mut all = Vec::new();
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            match self.log.recv_timeout(left) {
                Ok(line) if parts.iter().all(|part| line.contains(part)) => return line,
                Ok(line) => all.push(line),
                Err(_) => panic!("no line with {parts:?}: {all:#?}"),
            }
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn two_nodes_whose_rules_differ_in_one_number_say_which() {
    let dir = TempDir::new().expect("a directory");
    assert_eq!(run(dir.path(), &["chain", "new", "15.toml", "--name", "ours"]).0, 0);
    let text = std::fs::read_to_string(dir.path().join("15.toml")).expect("a file");
    let other = text.replace("spacing_s = 15", "spacing_s = 20");
    assert_ne!(other, text);
    std::fs::write(dir.path().join("20.toml"), other).expect("a file");

    let fifteen = Node::start(dir.path(), "data-15", "15.toml", &[]);
    let twenty = Node::start(dir.path(), "data-20", "20.toml", &["--peer", &fifteen.url]);
    let difference = "difficulty.asert.spacing_s is 20 here and 15 there";
    let line = twenty.says(&["it runs another chain", difference]);
    assert!(line.contains("WARN") && line.ends_with(difference), "nothing else differs: {line}");
    drop((fifteen, twenty));

    // And where the numbers are zeros.
    let four = Node::start(dir.path(), "data-4", "lecture", &[]);
    let five = ["--zeros", "5", "--peer", &four.url];
    let five = Node::start(dir.path(), "data-5", "lecture", &five);
    let difference = "nodes of different chains can't be peers: difficulty.fixed is 5 zeros here and 4 zeros there";
    assert!(five.says(&["WARN", "127.0.0.1", difference]).ends_with(difference));

    // The same is said of a data directory.
    let arguments = ["node", "--port", "0", "--chain", "15.toml", "--data-dir", "data-20"];
    let told = run(dir.path(), &arguments);
    assert_eq!(told.0, 1, "{}", told.2);
    let difference = "(difficulty.asert.spacing_s is 15 here and 20 there)";
    assert!(told.2.contains(difference), "{}", told.2);
}

#[test]
fn the_chain_commands_take_a_forge_chain() {
    let dir = TempDir::new().expect("a directory");
    let told = run(dir.path(), &["chain", "new", "ours.toml", "--name", "ours"]);
    assert_eq!(told.0, 0, "{}", told.2);
    for chain in ["ours.toml", "forge", "bitcoin-like"] {
        let data = format!("data-{chain}");
        let node = Node::start(dir.path(), &data, chain, &[]);
        // A node tells what its chain is.
        let (_, by_url, _) = run(dir.path(), &["chain", "show", &node.url, "--json"]);
        let (_, export_by_url, _) = run(dir.path(), &["chain", "export", &node.url]);
        drop(node);
        let genesis = Chain::load(&dir.path().join(chain).display().to_string(), None)
            .or_else(|_| Chain::load(chain, None))
            .expect("a chain")
            .rules
            .genesis_block(Default::default());
        let hash = genesis.hash().to_string();
        let here = |command: &[&str]| {
            let all = [command, &["--chain", chain, "--data-dir", &data]].concat();
            let told = run(dir.path(), &all);
            assert_eq!((told.0, told.2.as_str()), (0, ""), "{command:?}");
            told.1
        };
        let shown: serde_json::Value =
            serde_json::from_str(&here(&["chain", "show", "--json"])).expect("JSON");
        assert_eq!(
            (&shown[0]["hash"], &shown[0]["block"]["index"]),
            (&hash.clone().into(), &1.into())
        );
        assert_eq!(serde_json::from_str::<serde_json::Value>(&by_url).expect("JSON"), shown);
        assert!(here(&["chain", "show"]).contains(&hash[..16]));
        let export = here(&["chain", "export"]);
        assert_eq!(export_by_url, export);
        assert!(export.starts_with(genesis.text()) && export.contains(&hash), "{export}");
        let file = format!("{chain}.export");
        std::fs::write(dir.path().join(&file), export).expect("a file");
        let told = run(dir.path(), &["chain", "verify", &file, "--chain", chain, "--tip", &hash]);
        assert_eq!((told.0, told.2.as_str()), (0, ""));
        assert!(told.1.starts_with(&format!("valid: 1 block, tip {hash} (")), "{}", told.1);
        let arguments = ["chain", "import", &file, "--chain", chain, "--data-dir", "imported"];
        let told = run(dir.path(), &arguments);
        assert_eq!(told.0, 0, "{}", told.2);
        assert!(told.1.contains(&hash), "{}", told.1);
        std::fs::remove_dir_all(dir.path().join("imported")).expect("a directory");
    }
}
