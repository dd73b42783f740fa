//! `blocksmith dev`: three nodes, a miner, coins and one chain.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use crate::program::{Program, wait_until};

/// The texts of a node's blocks.
fn chain(url: &str) -> Vec<serde_json::Value> {
    let address = url.strip_prefix("http://").unwrap();
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
    write!(stream, "GET /chain HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    let (head, mut body) = answer.split_once("\r\n\r\n").unwrap();
    let mut whole = String::new();
    if head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        while let Some((size, rest)) = body.split_once("\r\n") {
            let size = usize::from_str_radix(size, 16).unwrap();
            whole.push_str(&rest[..size]);
            if size == 0 {
                break;
            }
            body = &rest[size + 2..];
        }
    } else {
        whole.push_str(body);
    }
    let document: serde_json::Value = serde_json::from_str(&whole).unwrap();
    document["chain"].as_array().unwrap().clone()
}

/// Reads the lines that say where the nodes are.
fn urls(dev: &mut Program, nodes: usize) -> Vec<String> {
    let url = |number: usize| {
        let start = format!("node {number}  ");
        dev.until_so(&start, |line| line.starts_with(&start))[start.len()..].to_string()
    };
    (1..=nodes).map(url).collect()
}

#[test]
fn three_nodes_and_a_miner_make_one_chain() {
    let begin = Instant::now();
    let mut dev = Program::start(&["dev", "--port", "0", "--blocks", "10"]);
    urls(&mut dev, 3);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert_eq!(dev.wait().code(), Some(0), "{}", dev.stderr());
    let lines = dev.rest();
    let blocks: Vec<_> = lines.iter().filter(|line| line.starts_with("block ")).collect();
    assert_eq!(blocks.len(), 10);
    // What the notes find first, counting up from 0.
    assert!(blocks[0].contains("proof 74581 ") && blocks[0].ends_with("mined on node 1   coins 1"));
    assert!(blocks[1].contains("proof 28441 ") && blocks[1].ends_with("mined on node 2   coins 2"));
    assert!(blocks[9].ends_with("mined on node 1   coins 10"));
    assert!(lines.iter().any(|line| line.starts_with("--- all 3 nodes stand on block 10,")));
    assert!(lines.iter().any(|line| line == "10 blocks more, 10 coins mined here"));
    assert!(lines.last().unwrap().starts_with("--- all 3 nodes stand on block 11,"));
    assert!(lines.iter().any(|line| line.contains("protect nothing")), "{lines:?}");
}

#[test]
fn a_miner_from_outside_mines_along_and_its_block_reaches_all() {
    // The miner in there takes a second from block to block; the one outside does not.
    let mut dev = Program::start(&["dev", "--port", "0", "--zeros", "5"]);
    let urls = urls(&mut dev, 3);
    let args = ["mine", &urls[1], "--id", "alice", "--coins", "3"];
    let mut miner = Program::start(&args);
    assert_eq!(miner.wait().code(), Some(0), "{}", miner.stderr());
    assert_eq!(miner.rest().last().unwrap(), "Coins mined: 3");
    let coins = |url: &String| {
        let coin = |block: &serde_json::Value| {
            let transactions = block["transactions"].as_array().unwrap();
            transactions.last().map(|coin| coin["recipient"].clone())
        };
        chain(url).iter().filter(|block| coin(block) == Some("alice".into())).count()
    };
    for url in &urls {
        wait_until("alice's coins everywhere", || coins(url) == 3);
    }
    dev.until_so("from outside", |line| line.ends_with("from outside"));
    dev.terminate();
    assert_eq!(dev.wait().code(), Some(0));
    assert!(dev.rest().last().unwrap().starts_with("--- all 3 nodes stand on"));
}

#[test]
fn with_a_data_directory_the_chain_goes_on_and_is_locked() {
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().to_str().unwrap();
    let args = ["dev", "--port", "0", "--nodes", "2", "--blocks", "2", "--data-dir", dir];
    for first in [2, 4] {
        let mut dev = Program::start(&args);
        assert_eq!(dev.wait().code(), Some(0), "{}", dev.stderr());
        let lines = dev.rest();
        let block = lines.iter().find(|line| line.starts_with("block ")).unwrap();
        assert!(block.starts_with(&format!("block {first} ")), "{block}");
        // Where the nodes of the first run were, nobody is asked any more.
        assert!(!dev.stderr().contains("can't be reached"), "{}", dev.stderr());
    }
    let mut dev = Program::start(&args[..5].iter().chain(&args[7..]).copied().collect::<Vec<_>>());
    urls(&mut dev, 2);
    let mut other = Program::start(&args);
    assert_eq!(other.wait().code(), Some(5));
    assert!(other.stderr().contains("node-1"), "{}", other.stderr());
}

#[test]
fn a_port_in_use_is_named() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port().to_string();
    let mut dev = Program::start(&["dev", "--nodes", "1", "--port", &port]);
    assert_eq!(dev.wait().code(), Some(1));
    assert!(dev.stderr().contains(&port) && dev.stderr().contains("--port"), "{}", dev.stderr());
}
