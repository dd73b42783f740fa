//! The whole chain as one document, while it changes.

use std::time::{Duration, Instant};

use blocksmith_consensus::json::{Value, canonical};
use blocksmith_consensus::{Block, Hash};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::node::{Node, next};

pub(crate) const BLOCKS: usize = 20_000;

/// Extends the chain after `parent` by blocks of about a kilobyte; the last of them.
pub(crate) async fn extend(node: &Node, parent: Block, count: usize, proof: u64) -> Block {
    extend_for(node, parent, count, proof, &"x".repeat(800)).await
}

/// As [`extend`], with the coins to someone.
pub(crate) async fn extend_for(
    node: &Node,
    parent: Block,
    count: usize,
    proof: u64,
    recipient: &str,
) -> Block {
    let mut last = parent;
    let mut left = count;
    while left > 0 {
        let batch: Vec<_> = (0..left.min(2_000))
            .map(|_| {
                last = next(&last, proof, recipient);
                last.clone()
            })
            .collect();
        left -= batch.len();
        node.handle.submit_branch(batch, "p:1".parse().unwrap(), left > 0).await.unwrap();
    }
    last
}

/// The tip and the length of a chain whose blocks follow each other.
fn checked(document: &str) -> (Hash, usize) {
    let text = canonical(document.as_bytes()).unwrap();
    let document = Value::of_canonical(&text);
    let (mut last, mut count) = (None, 0);
    for block in document.get("chain").unwrap().elements() {
        let block = Block::of_canonical(block.text()).unwrap();
        assert_eq!(block.parent(), last, "block {}", block.index());
        last = Some(block.hash());
        count += 1;
    }
    assert_eq!(document.get("length").and_then(Value::as_u64), Some(count as u64));
    (last.unwrap(), count)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_chain_is_sent_as_it_was_whatever_happens_to_it_meanwhile() {
    let node = Node::easy().await;
    let fork = extend(&node, node.tip(), BLOCKS - 1_001, 1).await;
    let tip = extend(&node, fork.clone(), 1_000, 2).await;
    assert_eq!(node.tip(), tip);

    let request = node.client.get(format!("{}/chain", node.url));
    let mut response = request.send().await.unwrap();
    let mut document = Vec::from(response.chunk().await.unwrap().unwrap());
    let other = extend(&node, fork, 1_001, 3).await;
    assert_eq!(node.tip(), other, "the chain was replaced while it is sent");
    let before = document.len();
    while let Some(chunk) = response.chunk().await.unwrap() {
        document.extend_from_slice(&chunk);
    }
    assert!(before < document.len() / 2, "{before} of {} bytes came first", document.len());
    assert_eq!(checked(std::str::from_utf8(&document).unwrap()), (tip.hash(), BLOCKS));
    let now = node.get("/chain").await;
    assert_eq!(checked(&now.text), (other.hash(), BLOCKS + 1));

    let resolved = node.get("/nodes/resolve").await.json();
    assert_eq!(resolved["chain"].as_array().unwrap().len(), BLOCKS + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_does_not_read_keeps_nobody_waiting() {
    let mut node = Node::easy().await;
    extend(&node, node.tip(), BLOCKS, 1).await;
    let mut lazy = Vec::new();
    for _ in 0..20 {
        let mut stream = node.connect().await;
        stream.write_all(b"GET /chain HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
        stream.read_exact(&mut [0; 100]).await.unwrap();
        lazy.push(stream);
    }
    let asked = Instant::now();
    assert_eq!(node.get("/last_proof").await.status, 200);
    assert_eq!(node.post("/mine", r#"{"proof": 5}"#).await.status, 200);
    assert!(asked.elapsed() < Duration::from_secs(2));

    node.stop.take().unwrap().send(()).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(3), &mut node.serving).await;
    ended.expect("the node stops although somebody does not read").unwrap().unwrap();
    drop(lazy);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stops_reading_is_let_go() {
    let node = Node::easy().await;
    extend(&node, node.tip(), BLOCKS, 1).await;
    let mut stream = node.connect().await;
    stream.write_all(b"GET /chain HTTP/1.1\r\nHost: h\r\n\r\n").await.unwrap();
    tokio::time::sleep(Duration::from_secs(24)).await;
    let mut rest = Vec::new();
    let read = tokio::time::timeout(Duration::from_secs(10), stream.read_to_end(&mut rest)).await;
    // What the system had taken in may still come; an error after it or nothing.
    let _ = read.expect("the connection is closed");
    assert!(!rest.ends_with(b"}\r\n0\r\n\r\n") && rest.len() < BLOCKS * 800, "{}", rest.len());
}
