//! `blocksmith account`, `blocksmith leaderboard` and `blocksmith find`.

use std::fmt::Write as _;
use std::path::Path;
use std::time::Duration;

use blocksmith_consensus::json::{Value as Text, string};
use blocksmith_consensus::{Block, Open, Proof, Rules, Timestamp};
use blocksmith_testkit::random::{Random, setting};
use serde_json::{Value, json};

use crate::program::{Program, node, post, wait_until};

/// What a command comes to: its exit code, and what it says and complains about.
fn ran(args: &[&str]) -> (Option<i32>, String, String) {
    let mut program = Program::start(args);
    let code = program.wait().code();
    (code, program.rest().join("\n"), program.stderr())
}

#[track_caller]
fn done(args: &[&str]) -> String {
    let (code, said, complained) = ran(args);
    assert_eq!((code, &*complained), (Some(0), ""), "{args:?}: {said}");
    said
}

#[test]
fn any_name_is_shown_with_what_it_has_and_does_nothing_to_the_terminal() {
    let (_node, url) = node(&["--zeros", "1"]);
    let odd = "\u{1b}[2J\u{202e}\n../x";
    let pay = |from: &str, amount: Value| {
        let payment = json!({"sender": from, "recipient": odd, "amount": amount});
        post(&url, "/transactions/new", &payment.to_string());
    };
    pay("ann", json!(7));
    pay("", json!(2.5));
    let mine = |coins: &str, id: &str| {
        assert_eq!(ran(&["mine", &url, "--coins", coins, "--id", id]).0, Some(0));
    };
    assert!(
        done(&["leaderboard", "--node", &url]).starts_with("no block up to block 1 has a miner")
    );
    mine("2", "ann");
    mine("1", "bob");
    let account = |party: &str| done(&["account", party, "--node", &url]);
    wait_until("the index has all", || account("ann").ends_with("up to block   4"));
    assert_eq!(
        account("ann"),
        "\"ann\"\nbalance       -5\nreceived      2\nsent          7\nmined         2\n\
         blocks        2, the last is block 3\ntransactions  3\nup to block   4"
    );
    let shown = account(odd);
    assert!(shown.starts_with("\"\\u001b[2J\\u202e\\n../x\"\nbalance       7\n"), "{shown}");
    assert!(
        shown.contains("\nuncounted     1, whose amounts are no integers or too large\n"),
        "{shown}"
    );
    assert!(account("").starts_with("\"\"\nbalance       0\n"));
    let read: Value =
        serde_json::from_str(&done(&["account", odd, "--json", "--node", &url])).expect("JSON");
    assert_eq!((&read["party"], &read["balance"]), (&json!(odd), &json!(7)));

    let board = done(&["leaderboard", "--node", &url]);
    let lines: Vec<_> = board.lines().collect();
    assert_eq!(
        lines[..2],
        [
            "#  coins  blocks     share  last block  miner",
            "1      2       2   66.67 %           3  \"ann\"",
        ]
    );
    assert!(lines.len() == 3 && lines[2].ends_with("  \"bob\""), "{board}");
    let read: Value =
        serde_json::from_str(&done(&["leaderboard", "--json", "--limit", "1", "--node", &url]))
            .expect("JSON");
    assert_eq!((read["miners"].as_array().map(Vec::len), &read["blocks"]), (Some(1), &json!(3)));

    let (code, _, complained) = ran(&["leaderboard", "--limit", "0", "--node", &url]);
    assert!(code == Some(2) && complained.contains("from 1 to 1000"), "{complained}");
    for command in [&["account", "a b"][..], &["leaderboard"]] {
        let (code, _, complained) = ran(&[command, &["--node", "http://127.0.0.1:1"]].concat());
        let typed = command.join(" ").replace("a b", "'a b'");
        let again = format!("or name another: blocksmith {typed} --node URL");
        assert!(code == Some(3) && complained.contains(&again), "{complained}");
    }
}

#[test]
fn an_address_is_shown_in_coins() {
    let (_node, url) = node(&["--chain", "forge-dev"]);
    let given = blocksmith_wallet::dev::addresses().next().expect("a dev account");
    let given = given.to_text(blocksmith_consensus::Sealed::forge().hrp);
    let shown = done(&["account", &given, "--node", &url]);
    assert!(shown.starts_with(&format!("{given}\nbalance       10000\n")), "{shown}");
    assert_eq!(ran(&["mine", &url, "--coins", "1", "--to", &given]).0, Some(0));
    let board = || done(&["leaderboard", "--node", &url]);
    let row = format!("\n1     20       1  100.00 %           2  {given}");
    wait_until("the index has the coin", || board().contains(&row));
    let (code, _, complained) = ran(&["account", "ann", "--node", &url]);
    assert!(code == Some(4) && complained.contains("refuses"), "{complained}");
}

#[test]
fn what_a_text_may_mean_is_found_and_does_nothing_to_the_terminal() {
    let (_node, url) = node(&["--zeros", "1"]);
    let find = |text: &str| done(&["find", text, "--node", &url]);
    let odd = "ann\u{1b}[2J\u{202e}\n";
    let payment = json!({"sender": odd, "recipient": "annabel", "amount": 7}).to_string();
    post(&url, "/transactions/new", &payment);
    let genesis = find("1");
    let hash = genesis.strip_prefix("block        1  ").expect("a block");
    assert_eq!((hash.len(), find(&hash[..9]), find(hash)), (64, genesis.clone(), genesis.clone()));
    let id = blocksmith_consensus::json::canonical(payment.as_bytes()).expect("JSON");
    let id = blocksmith_consensus::Hash::of(&*id).to_string();
    assert_eq!(find(&id[..12]), format!("transaction  {id}  waits"));
    assert_eq!(ran(&["mine", &url, "--coins", "1", "--id", "bob"]).0, Some(0));
    wait_until("the index has all", || find("bob") == "account      \"bob\"");
    assert_eq!(find(&id[..12]), format!("transaction  {id}  in block 2"));
    let both = "account      \"ann\\u001b[2J\\u202e\\n\"\naccount      \"annabel\"";
    assert_eq!(find("ann"), both);
    assert_eq!(find(odd), both.lines().next().expect("a line"));
    for text in ["\u{1b}]0;x\u{7}", "-1", "--help me", "\u{202e}%00{\"a\": "] {
        let said = find(text);
        assert!(said.starts_with("nothing on this chain has or begins with \""), "{said}");
        assert!(said.chars().all(blocksmith::text::is_plain), "{said:?}");
    }
    let read: Value =
        serde_json::from_str(&done(&["find", odd, "--json", "--node", &url])).expect("JSON");
    let party = json!({"kind": "account", "party": odd});
    assert_eq!((&read["matches"], &read["more"]), (&json!([party]), &json!(false)));
    let (code, _, complained) = ran(&["find", "", "--node", &url]);
    assert!(code == Some(4) && complained.contains("what to search for"), "{complained}");
    let (code, _, complained) = ran(&["find", &"x".repeat(1_001), "--node", &url]);
    assert!(code == Some(4) && complained.contains("1001 characters"), "{complained}");
    let (code, _, complained) = ran(&["find", "a b", "--node", "http://127.0.0.1:1"]);
    let again = "or name another: blocksmith find 'a b' --node URL";
    assert!(code == Some(3) && complained.contains(again), "{complained}");
}

/// A chain with 1 zero, mined by names of which this says one for each number.
fn chain(blocks: u64, miner: impl Fn(u64) -> String) -> String {
    let rules = Rules::lecture().with_zeros(1);
    let mut tip = rules.genesis_block(Timestamp::default());
    let mut text = format!(r#"{{"chain": [{}"#, tip.text());
    for number in 1..blocks {
        let job = rules.job(tip.view(), &tip.hash(), None);
        let proof = (number..).find(|proof| job.accepts(proof.to_string())).expect("a proof");
        let miner = string(&miner(number));
        let coin = Open::lecture().coin(Text::of_canonical(&miner));
        let time = Timestamp { micros: number * 1_000_000 };
        tip = Block::compose(&tip, &Proof::from(proof), time, [&coin]).expect("a block");
        write!(text, ", {}", tip.text()).expect("a string grows");
    }
    text + &format!(r#"], "length": {blocks}}}"#)
}

#[test]
fn an_index_that_is_killed_while_it_catches_up_goes_on_and_is_whole() {
    let blocks = setting("BLOCKSMITH_INDEX_BLOCKS", 30_000);
    let mut random = Random::new(setting("BLOCKSMITH_INDEX_SEED", 16));
    let home = tempfile::tempdir().expect("a directory");
    let home = home.path();
    let (data, file) = (home.join("data").display().to_string(), home.join("chain.json"));
    std::fs::write(&file, chain(blocks, |number| format!("miner {}", number % 3))).expect("a file");
    let args = ["--chain", "lecture", "--zeros", "1", "--data-dir", &data];
    let file = file.display().to_string();
    let mut import = Program::start_in(home, &[&["chain", "import", &file], &args[..]].concat());
    assert!(import.wait().success(), "{}", import.stderr());
    let command = [&["node", "0"], &args[..]].concat();
    for _ in 0..20 {
        let mut node = Program::start_in(home, &command);
        node.url();
        std::thread::sleep(Duration::from_millis(random.below(60) as u64));
        node.signal("-KILL");
        node.wait();
    }
    let mut node = Program::start_in(home, &command);
    let url = node.url();
    let board = || -> Value {
        serde_json::from_str(&done(&["leaderboard", "--json", "--node", &url])).expect("JSON")
    };
    wait_until("the index is at the tip", || board()["indexed"]["index"] == blocks);
    let board = board();
    let (mined, miners) = (blocks - 1, board["miners"].as_array().expect("a list"));
    assert_eq!((miners.len(), &board["blocks"]), (3, &json!(mined)));
    for miner in miners {
        let name = miner["party"].as_str().expect("a name");
        let number: u64 =
            name.strip_prefix("miner ").and_then(|at| at.parse().ok()).expect("a miner");
        let own = (1..blocks).filter(|block| block % 3 == number).count();
        assert_eq!((&miner["blocks"], &miner["coins"]), (&json!(own), &json!(own)), "{name}");
        let account: Value =
            serde_json::from_str(&done(&["account", name, "--json", "--node", &url]))
                .expect("JSON");
        assert_eq!((&account["balance"], &account["transactions"]), (&json!(own), &json!(own)));
    }
}

/// Names that would clear the screen, add lines, turn the direction of the text around, or hide in it.
const HOSTILE: [&str; 8] = [
    "\u{1b}[2J",
    "\u{1b}]0;title\u{7}\u{9b}31m",
    "ann\nbalance       1000000\r\nbob",
    "\u{2028}\u{2029}\u{85}\u{b}\u{c}",
    "\u{202e}nna\u{2066}\u{200f}\u{61c}",
    "a\u{200b}n\u{feff}n\u{ad}",
    "\u{8}\u{8}\t\u{7f}\0",
    "\u{e0041}\u{e000}\u{fff9}",
];

/// Nothing in a text that was shown moves a terminal: it has words, spaces and ends of lines.
#[track_caller]
fn is_plain(shown: &str) {
    let odd = |char: &char| *char != '\n' && !blocksmith_text::is_plain(*char);
    let odd: Vec<_> = shown.chars().filter(odd).collect();
    assert!(odd.is_empty(), "{odd:?} in {shown:?}");
}

#[test]
fn hostile_names_reach_no_terminal_and_no_log_whatever_a_command_comes_to() {
    let (home, elsewhere) = [(); 2].map(|()| tempfile::tempdir().expect("a directory")).into();
    let home = home.path();
    let file = home.join("chain.json").display().to_string();
    let blocks = HOSTILE.len() as u64 + 1;
    let miner = |number: u64| HOSTILE[number as usize - 1].to_string();
    std::fs::write(&file, chain(blocks, miner)).expect("a file");
    let data = home.join("data").display().to_string();
    let lecture = ["--chain", "lecture", "--zeros", "1", "--data-dir", &data];
    let mut import = Program::start_in(home, &[&["chain", "import", &file], &lecture[..]].concat());
    assert!(import.wait().success(), "{}", import.stderr());
    let verbose = |home: &Path, args: &[&str]| {
        let args = [&["node", "0"], args].concat();
        let mut node = Program::start_with(home, &[("BLOCKSMITH_LOG", "trace")], &args);
        let url = node.url();
        (node, url)
    };
    let (open, url) = verbose(home, &lecture);
    let (sealed, signed) = verbose(elsewhere.path(), &["--chain", "forge-dev"]);
    for name in HOSTILE {
        let payment = json!({"sender": name, "recipient": "ann", "amount": 1});
        post(&url, "/transactions/new", &payment.to_string());
    }
    let board = || done(&["leaderboard", "--json", "--node", &url]);
    let indexed = || serde_json::from_str::<Value>(&board()).expect("JSON")["indexed"].clone();
    wait_until("the index has all", || indexed()["index"] == blocks);
    is_plain(&board());
    let shown = done(&["leaderboard", "--node", &url]);
    is_plain(&shown);
    assert_eq!(shown.lines().count(), 1 + HOSTILE.len(), "{shown}");
    // No argument of a command has a zero byte.
    for name in HOSTILE.into_iter().filter(|name| !name.contains('\0')) {
        let shown = done(&["account", name, "--node", &url]);
        is_plain(&shown);
        assert_eq!(shown.lines().nth(1), Some("balance       1"), "{shown}");
        is_plain(&done(&["account", name, "--json", "--node", &url]));
        for (node, expected) in [(&*signed, 4), ("http://127.0.0.1:1", 3)] {
            for json in [&["--json"][..], &[]] {
                let (code, said, complained) =
                    ran(&[&["account", name, "--node", node], json].concat());
                assert_eq!((code, &*said), (Some(expected), ""), "{complained}");
                is_plain(&complained);
            }
        }
    }
    for mut node in [open, sealed] {
        node.terminate();
        node.wait();
        is_plain(&node.stderr());
        is_plain(&node.rest().join("\n"));
    }
}
