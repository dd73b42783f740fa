//! What a miner tells: a line for each block as far as a person can follow, and the sum at the end.

use std::time::{Duration, Instant};

use blocksmith_consensus::Rules;

use crate::fake::{Call, Fake, Reply};
use crate::mine::servers::Python;
use crate::mine::{mined, until_it_searches};
use crate::program::{Program, wait_until};

/// A server that takes every proof at once.
fn quick() -> Fake<Python> {
    Fake::start(Python::new(Rules::lecture(), 0), Python::answer)
}

#[test]
fn a_storm_of_blocks_is_told_in_ten_lines_a_second_and_all_are_counted() {
    let server = quick();
    let mut miner = Program::start(&["mine", &server.url(), "--zeros", "0", "--coins", "400"]);
    let (mut lines, mut came) = (Vec::new(), Vec::new());
    while let Some(line) = miner.first_line() {
        came.push(Instant::now());
        lines.push(line);
    }
    assert_eq!(miner.wait().code(), Some(0), "{}", miner.stderr());
    let sum = lines.pop().unwrap();
    assert!(sum.starts_with("Total: 400 coins mined · 0 blocks lost · "), "{sum}");
    came.pop();
    let within = Duration::from_millis(900);
    // The last block is told of at the end at once.
    for from in 0..came.len() - 1 {
        let after =
            came[from..came.len() - 1].iter().filter(|at| **at - came[from] < within).count();
        assert!(after <= 10, "{after} lines within a second");
    }
    // Each line counts the blocks before it that have none.
    let mut told = 0;
    for line in &lines {
        let not_shown = line.split_once(" · ").unwrap().1.rsplit(" · ").next().unwrap();
        let not_shown = not_shown.split_once(" not shown");
        let not_shown =
            not_shown.map_or(0, |(number, _)| number.split(' ').next().unwrap().parse().unwrap());
        told += not_shown + 1;
        assert_eq!(mined(line), Some(told), "{line}");
    }
    assert_eq!(told, 400);
    assert!(lines.len() < 200, "{} lines", lines.len());
}

#[test]
fn blocks_that_come_one_by_one_have_a_line_each() {
    let server = quick();
    let mut miner = Program::start(&["mine", &server.url(), "--zeros", "0", "--coins", "5"]);
    assert_eq!(miner.wait().code(), Some(0), "{}", miner.stderr());
    let lines = miner.rest();
    assert_eq!(lines.len(), 6, "{lines:?}");
    assert!(lines[4].ends_with(" · block 6 · Coins mined: 5"), "{lines:?}");
    assert!(miner.stderr().lines().count() <= 4, "{}", miner.stderr());
}

#[test]
fn the_last_block_before_a_wait_is_told_of() {
    let server = Fake::start((Python::new(Rules::lecture(), 0), 30), |(python, left), call| {
        if call.method == "POST" {
            *left -= 1;
        }
        match *left {
            // It shows the last block still.
            0 if call.path != "/last_proof" => Reply::html(500, ""),
            0 => {
                *left = 1;
                let reply = python.answer(call);
                *left = 0;
                reply
            }
            _ => python.answer(call),
        }
    });
    let mut miner = Program::start(&["mine", &server.url(), "--zeros", "0"]);
    miner.until_so("block 29", |line| mined(line) == Some(29));
}

#[test]
fn a_signal_ends_it_with_the_sum() {
    let server = Fake::start(Python::new(Rules::lecture(), 2), Python::answer);
    for signal in ["-INT", "-TERM"] {
        let mut miner = Program::start(&["mine", &server.url(), "--zeros", "40"]);
        until_it_searches(&miner);
        std::thread::sleep(Duration::from_millis(500));
        miner.signal(signal);
        assert_eq!(miner.wait().code(), Some(0), "{}", miner.stderr());
        let lines = miner.rest();
        assert_eq!(lines.len(), 1, "{lines:?}");
        let tries = lines[0].strip_prefix("Total: 0 coins mined · 0 blocks lost · ").unwrap();
        let (tries, time) = tries.split_once(" tries · ").unwrap();
        assert!(tries.parse::<u64>().unwrap() > 1_000, "{lines:?}");
        assert!(time.starts_with("0:0"), "{lines:?}");
    }
    // Without a try there is nothing to sum up.
    let mut miner = Program::start(&["mine", "http://127.0.0.1:9"]);
    wait_until("a word", || miner.stderr().contains("asking again"));
    miner.terminate();
    assert_eq!(miner.wait().code(), Some(0));
    assert!(miner.rest().is_empty());
}

#[test]
fn other_miners_blocks_are_counted_and_told_of_now_and_then() {
    // A rival is faster each time.
    let server =
        Fake::start((Python::new(Rules::lecture(), 0), 0), |(python, lost), call: &Call| {
            if call.method != "POST" {
                return python.answer(call);
            }
            *lost += 1;
            assert!(python.forge(1_000 + *lost, "rival"));
            Reply::json(r#"{"message": "Proof is invalid or already submitted."}"#.into())
        });
    let mut miner = Program::start(&["mine", &server.url(), "--zeros", "0"]);
    until_it_searches(&miner);
    std::thread::sleep(Duration::from_millis(2_500));
    miner.signal("-INT");
    miner.wait();
    let (lines, said) = (miner.rest(), miner.stderr());
    let notes = said.matches("another miner was faster").count()
        + said.matches("other miners were faster").count();
    assert!((2..=5).contains(&notes), "{said}");
    assert!(said.contains("times since the last note: searching for the next block"), "{said}");
    let lost = lines[0].split(" · ").nth(1).unwrap().split(' ').next().unwrap();
    let lost: u64 = lost.parse().unwrap();
    let handed_in = server.state().1;
    assert!(lost > 10 && (handed_in - 1..=handed_in).contains(&lost), "{lost} of {handed_in}");
}

#[test]
fn a_bounded_miner_makes_as_many_tries_as_it_may() {
    let server = Fake::start(Python::new(Rules::lecture(), 2), Python::answer);
    for (per_second, threads) in [("5", "3"), ("2000", "2")] {
        let url = server.url();
        let args = ["mine", &url, "--zeros", "40", "--tries-per-second", per_second];
        let mut miner = Program::start(&[&args[..], &["--threads", threads]].concat());
        until_it_searches(&miner);
        let began = Instant::now();
        std::thread::sleep(Duration::from_secs(3));
        miner.signal("-INT");
        miner.wait();
        let wanted = began.elapsed().as_secs_f64() * per_second.parse::<f64>().unwrap();
        let lines = miner.rest();
        let tries: f64 =
            lines[0].split(" · ").nth(2).unwrap().split(' ').next().unwrap().parse().unwrap();
        assert!((0.85 * wanted - 1.0..1.08 * wanted + 1.0).contains(&tries), "{tries} of {wanted}");
    }
    for wrong in ["0", "-1", "1.5", "fast"] {
        let mut miner = Program::start(&["mine", "--tries-per-second", wrong]);
        assert_eq!(miner.wait().code(), Some(2), "{}", miner.stderr());
    }
}

#[test]
#[cfg(target_os = "linux")]
fn the_line_that_shows_the_rate_shows_its_bound() {
    let server = Fake::start(Python::new(Rules::lecture(), 2), Python::answer);
    // script(1) gives it a terminal.
    let (program, url) = (env!("CARGO_BIN_EXE_blocksmith"), server.url());
    let command = format!(
        "exec timeout --foreground -s INT 2 {program} mine {url} --zeros 40 --tries-per-second 50"
    );
    let mut script = std::process::Command::new("script");
    let mut miner = Program::spawn(script.args(["-qc", &command, "/dev/null"]));
    miner.wait();
    let seen = miner.rest().join("\n");
    assert!(seen.contains("/s (limit 50/s) · 0:01"), "{seen:?}");
}

/// A node on a chain with so many zeros, at an address whose port may have been another's.
fn node_of(zeros: &str, port: &str) -> (Program, String) {
    let mut node = Program::start(&["node", "--port", port, "--zeros", zeros]);
    let url = node.url();
    (node, url)
}

#[test]
fn a_node_that_is_gone_during_a_search_is_told_of_and_so_is_another_chain() {
    let (mut node, url) = node_of("12", "0");
    let port = url.rsplit(':').next().unwrap().to_owned();
    let mut miner = Program::start(&["mine", &url, "--id", "alice", "--coins", "1"]);
    until_it_searches(&miner);
    node.terminate();
    node.wait();
    wait_until("a word about it", || miner.stderr().contains("no answer from"));
    assert!(miner.stderr().contains("the search goes on"), "{}", miner.stderr());
    // The operator forgot the zeros: the first block is the same, and the chain is not.
    let (_node, _) = node_of("1", &port);
    assert_eq!(miner.wait().code(), Some(0), "{}", miner.stderr());
    let said = miner.stderr();
    assert_eq!(said.matches("no answer from").count(), 1, "{said}");
    assert!(said.contains("answers now: a Blocksmith node"), "{said}");
    assert!(said.contains("it runs another chain than before"), "{said}");
    let total = miner.rest().pop().unwrap();
    assert!(total.starts_with("Total: 1 coin mined · "), "{total}");
}

#[test]
fn a_node_that_is_back_with_its_chain_is_told_of_once() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("chain").display().to_string();
    let start = |port: &str| {
        let args = ["node", "--port", port, "--zeros", "12", "--data-dir", &dir];
        let mut node = Program::start(&args);
        let url = node.url();
        (node, url)
    };
    let (mut node, url) = start("0");
    let miner = Program::start(&["mine", &url, "--id", "alice"]);
    wait_until("a search", || miner.stderr().contains("Starting search"));
    node.terminate();
    node.wait();
    wait_until("a word about it", || miner.stderr().contains("the search goes on"));
    let (_node, _) = start(url.rsplit(':').next().unwrap());
    wait_until("a word about its return", || miner.stderr().contains("answers now"));
    let said = miner.stderr();
    assert!(!said.contains("another chain"), "{said}");
}
