//! What happens to a node is said once, in one line.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::sleep;
use std::time::Duration;

use blocksmith_consensus::json::Value;
use blocksmith_consensus::{Block, Proof, Rules, Sealed, Timestamp, Transaction, U256};

use crate::fake::{Call, Fake, Reply};
use crate::program::{Program, node, post, wait_until};

/// The lines of the log that hold this, without their times.
pub(crate) fn lines(node: &Program, part: &str) -> Vec<String> {
    let said = node.stderr();
    let lines = said.lines().filter(|line| line.starts_with("20") && line.contains(part));
    // The time, and how grave it is, which has five letters.
    lines.filter_map(|line| Some(line.split_once("Z ")?.1.get(6..)?.to_string())).collect()
}

/// Waits for such a line, and returns the only one.
#[track_caller]
pub(crate) fn line(node: &Program, part: &str) -> String {
    wait_until(&format!("{part}: {}", node.stderr()), || !lines(node, part).is_empty());
    // What is said twice is said at once.
    sleep(Duration::from_millis(100));
    let [line] = &lines(node, part)[..] else { panic!("{part} in {}", node.stderr()) };
    line.clone()
}

/// The most of these lines that one second has.
pub(crate) fn most_in_a_second(node: &Program, which: impl Fn(&str) -> bool) -> usize {
    let said = node.stderr();
    let times = said.lines().filter(|line| which(line)).filter_map(|line| {
        let (_, clock) = line.split_once("Z ")?.0.split_once('T')?;
        let parts: Vec<f64> = clock.split(':').map(|part| part.parse().unwrap()).collect();
        Some((parts[0] * 60.0 + parts[1]) * 60.0 + parts[2])
    });
    let times: Vec<f64> = times.collect();
    assert!(!times.is_empty(), "there is no such line: {said}");
    // What stands in the log a moment later than it was said is no flood.
    let within =
        |time: &f64| times.iter().filter(|other| (*time..time + 0.95).contains(*other)).count();
    times.iter().map(within).max().expect("a line")
}

/// The address of a node.
pub(crate) fn address(url: &str) -> &str {
    url.trim_start_matches("http://")
}

/// Finds a proof by trying.
fn mine(url: &str, id: &str) {
    let forged = (0..10_000).any(|proof: u32| {
        let body = format!(r#"{{"proof": {proof}, "id": "{id}"}}"#);
        post(url, "/mine", &body).contains("New Block Forged")
    });
    assert!(forged);
}

fn queue(url: &str, text: &str) {
    assert!(post(url, "/transactions/new", text).contains("201 Created"));
}

pub(crate) fn register(url: &str, other: &str) {
    let body = format!(r#"{{"nodes": ["{other}"]}}"#);
    assert!(post(url, "/nodes/register", &body).contains("201 Created"));
}

/// A chain of which every proof is good.
pub(crate) fn easy(blocks: usize) -> Vec<Block> {
    let rules = Rules::lecture().with_zeros(0);
    let mut chain = vec![rules.genesis_block(Timestamp::default())];
    while chain.len() < blocks {
        let parent = &chain[chain.len() - 1];
        let coin = r#"{"amount": 1, "recipient": "bob", "sender": "0"}"#;
        let coin = Transaction::of_block(Value::of_canonical(coin));
        let time = Timestamp { micros: 1_000_000 * parent.index() };
        let proof = Proof::from(parent.index());
        chain.push(Block::compose(parent, &proof, time, [&coin]).unwrap());
    }
    chain
}

#[test]
fn a_block_is_told_with_its_miner_its_transactions_and_whom_it_is_from() {
    let ((alice, url), (bob, other)) = (node(&["--zeros", "1"]), node(&["--zeros", "1"]));
    register(&url, &other);
    assert_eq!(line(&alice, "is added"), format!("peer {} is added", address(&other)));
    let answers = line(&alice, "answers");
    assert_eq!(answers, format!("peer {} answers; its chain ends with block 1", address(&other)));
    queue(&url, r#"{"sender": "a", "recipient": "b", "amount": 5}"#);
    mine(&url, "alice");
    let mined = line(&alice, "block 2 ");
    assert!(mined.ends_with("… by alice: 2 transactions, mined here"), "{mined}");
    let told = line(&bob, "block 2 ");
    let from = format!(", which says that it listens at {}", address(&url));
    assert!(told.contains("… by alice: 2 transactions, from 127.0.0.1:"), "{told}");
    assert!(told.ends_with(&from), "{told}");
    assert_eq!(mined.split(" by ").next(), told.split(" by ").next());
}

#[test]
fn a_flood_is_ten_lines_a_second_and_the_rest_is_counted() {
    let (node, url) = node(&["--zeros", "0"]);
    let chain = easy(501);
    for block in &chain[1..] {
        post(&url, "/nodes/new", &format!(r#"{{"block": {}}}"#, block.text()));
    }
    let tip = "now at block 501";
    wait_until("the summary", || !lines(&node, tip).is_empty());
    let said = node.stderr();
    let most = most_in_a_second(&node, |line| line.contains("Z  INFO "));
    assert!(most <= 10, "{most} lines in a second: {said}");
    let one_by_one = lines(&node, "… by bob: 1 transaction, from 127.0.0.1:").len();
    let more = lines(&node, " more, now at block ");
    let counted: usize =
        more.iter().map(|line| line.split(' ').nth(2).unwrap().parse::<usize>().unwrap()).sum();
    assert_eq!(one_by_one + counted, 500, "{said}");
    assert!(one_by_one >= 9 && !more.is_empty(), "{said}");
}

#[test]
fn a_reorg_is_one_line_with_what_waits_again_and_what_is_lost() {
    let ((alice, url), (_bob, other)) = (node(&["--zeros", "1"]), node(&["--zeros", "1"]));
    queue(&url, r#"{"sender": "a", "recipient": "b", "amount": 5}"#);
    mine(&url, "alice");
    mine(&url, "carol");
    // This one is on both chains.
    for url in [&url, &other] {
        queue(url, r#"{"sender": "a", "recipient": "c", "amount": 7}"#);
    }
    mine(&url, "alice");
    for _ in 0..5 {
        mine(&other, "bob");
    }
    register(&url, &other);
    let reorg = line(&alice, "reorg");
    let from = format!(
        "…, from {}: 3 blocks above block 1 8b8906934492… left the chain, 4 joined it, with ",
        address(&other)
    );
    assert!(reorg.starts_with("reorg from block 4 ") && reorg.contains("… to block 5 "), "{reorg}");
    assert!(reorg.contains(&from), "{reorg}");
    let undone = "1 transaction waits again; lost: the coins of alice (2 blocks), carol (1 block)";
    assert!(reorg.ends_with(undone), "{reorg}");
    let next = line(&alice, "block 6 ");
    assert!(next.ends_with(&format!("by bob: 1 transaction, from {}", address(&other))), "{next}");
}

#[test]
fn a_reorg_to_a_chain_with_another_first_block_says_so() {
    let dvf = ["--chain", "dvf", "--zeros", "1"];
    let ((alice, url), (_bob, other)) = (node(&dvf), node(&dvf));
    mine(&url, "alice");
    for _ in 0..2 {
        mine(&other, "bob");
    }
    register(&url, &other);
    let reorg = line(&alice, "reorg");
    assert!(
        reorg.contains(": 2 blocks, the first one too, left the chain, 3 joined it"),
        "{reorg}"
    );
}

#[test]
fn a_payment_that_a_reorg_makes_impossible_is_lost() {
    let ((alice, url), (_bob, other)) =
        (node(&["--chain", "forge-dev"]), node(&["--chain", "forge-dev"]));
    let accounts: Vec<_> = blocksmith_wallet::dev::addresses()
        .map(|address| {
            let hrp = Sealed::forge().hrp;
            address.to_text(hrp)
        })
        .collect();
    for (url, to, blocks) in [(&url, &accounts[1], "1"), (&other, &accounts[2], "2")] {
        // Both faucets pay from the same account, with the same nonce.
        let body = format!(r#"{{"recipient": "{to}"}}"#);
        let answer = post(url, "/api/v1/faucet", &body);
        assert!(answer.contains("HTTP/1.1 2"), "{answer}");
        let mut miner = Program::start(&["mine", url, "--to", to, "--coins", blocks]);
        assert!(miner.wait().success(), "{}", miner.stderr());
    }
    register(&url, &other);
    let reorg = line(&alice, "reorg");
    let undone = format!(
        "0 transactions wait again; lost: 1 transaction and the coins of {} (1 block)",
        accounts[1]
    );
    assert!(reorg.ends_with(&undone), "{reorg}");
}

/// A peer of our own kind with this chain, that takes its time for each page.
fn own_kind(at: &str, chain: Vec<Block>, pause: Duration) -> Fake<()> {
    Fake::start_at(at, (), move |(), call: &Call| {
        let rules = Rules::lecture().with_zeros(0);
        let last = chain.last().unwrap();
        let (path, query) = call.path.split_once('?').unwrap_or((&call.path, ""));
        let number = |key: &str| -> usize {
            query.split('&').find_map(|pair| pair.strip_prefix(key)).unwrap().parse().unwrap()
        };
        let page = || chain[number("from=") - 1..].iter().take(number("limit="));
        Reply::json(match path {
            "/api/v1/status" => format!(
                r#"{{"chain_id": "{}", "instance": "x", "index": {}, "tip": "{}", "work": "{:x}"}}"#,
                rules.chain_id(),
                last.index(),
                last.hash(),
                U256::from(last.index() - 1)
            ),
            "/api/v1/headers" => {
                let hashes = page().map(|block| format!(r#"{{"hash": "{}"}}"#, block.hash()));
                format!(r#"{{"headers": [{}]}}"#, hashes.collect::<Vec<_>>().join(","))
            }
            "/api/v1/blocks" if call.method == "GET" => {
                sleep(pause);
                let blocks = page().map(|block| format!(r#"{{"block": {}}}"#, block.text()));
                format!(r#"{{"blocks": [{}]}}"#, blocks.collect::<Vec<_>>().join(","))
            }
            _ => "{}".into(),
        })
    })
}

#[test]
fn catching_up_is_told_every_few_seconds_and_at_its_end() {
    let peer = own_kind("127.0.0.1:0", easy(2_001), Duration::from_secs(3));
    let (node, _) = node(&["--zeros", "0", "--peer", &peer.url()]);
    let name = peer.url();
    let name = address(&name);
    let end = format!("2000 blocks from {name}, now at block 2001");
    wait_until(&end, || !lines(&node, &end).is_empty());
    let progress = lines(&node, &format!("catching up with {name}: block "));
    assert!((1..=2).contains(&progress.len()), "{progress:?}");
    assert!(progress.iter().all(|line| line.ends_with(" of 2001")), "{progress:?}");
    assert!(lines(&node, " by ").is_empty(), "{}", node.stderr());
}

#[test]
fn peers_that_come_and_go_are_told_once_each_time() {
    let address = Fake::<()>::free_address();
    let (node, url) = node(&["--zeros", "0", "--peer", &address]);
    let peer = format!("peer {address}");
    let away = format!("{peer}: it can't be reached");
    let ask_until = |what: &str, times: usize| {
        wait_until(what, || {
            let mut call = TcpStream::connect(self::address(&url)).unwrap();
            call.write_all(
                b"GET /nodes/resolve HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n",
            )
            .unwrap();
            call.read_to_end(&mut Vec::new()).unwrap();
            lines(&node, what).len() == times
        });
    };
    ask_until(&away, 1);
    let server = own_kind(&address, easy(1), Duration::ZERO);
    ask_until(&format!("{peer} answers; its chain ends with block 1"), 1);
    server.stop();
    ask_until(&away, 2);
    let _server = own_kind(&address, easy(1), Duration::ZERO);
    ask_until(&format!("{peer} is back; its chain ends with block 1"), 1);
    assert_eq!(lines(&node, &peer).len(), 5, "{}", node.stderr());
}

#[test]
fn a_dev_network_shows_its_table_alone() {
    let mut dev = Program::start(&["dev", "--port", "0", "--blocks", "2", "--zeros", "1"]);
    assert!(dev.wait().success());
    assert_eq!(dev.stderr(), "");
}

/// A pipe that is full, as a terminal is that stands still; and what keeps it so.
fn full_pipe() -> (std::io::PipeReader, std::io::PipeWriter) {
    let (reader, writer) = std::io::pipe().unwrap();
    let written = Arc::new(AtomicUsize::new(0));
    let (mut fills, so_far) = (writer.try_clone().unwrap(), written.clone());
    // It ends when the reader is gone.
    std::thread::spawn(move || {
        while let Ok(bytes) = fills.write(&[b'.'; 512]) {
            so_far.fetch_add(bytes, Ordering::SeqCst);
        }
    });
    let mut before = 0;
    wait_until("a full pipe", || {
        sleep(Duration::from_millis(200));
        let now = written.load(Ordering::SeqCst);
        std::mem::replace(&mut before, now) == now && now > 0
    });
    (reader, writer)
}

#[test]
fn a_terminal_that_stands_still_stops_no_node() {
    let (reader, writer) = full_pipe();
    let data = tempfile::tempdir().unwrap();
    let mut child = Command::new(env!("CARGO_BIN_EXE_blocksmith"))
        .args(["node", "0", "--zeros", "0", "--data-dir"])
        .arg(data.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(writer)
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
    let url = line.split_whitespace().nth(2).expect("an address").to_string();
    // Each block is a line that nobody takes.
    for proof in 1..=20 {
        let forged = post(&url, "/mine", &format!(r#"{{"proof": {proof}}}"#));
        assert!(forged.contains("New Block Forged"), "{proof}: {forged}");
    }
    drop(reader);
    child.kill().unwrap();
    child.wait().unwrap();
}
