//! Whoever asks for much at a time, be it work or long answers, keeps nobody out and takes no more
//! memory than there is for that.

use std::net::Ipv4Addr;
use std::time::{Duration, Instant};

use blocksmith_consensus::{Block, Rules};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::task::JoinSet;

use crate::crowds::{Program, SHORT, call, connect, genesis, post, posted};
use crate::node::next;
use blocksmith_testkit::signers::Signer;

/// All that is answered, as far as it comes.
async fn answer(stream: &mut TcpStream, request: &str) -> String {
    let mut answer = Vec::new();
    let exchange = async {
        // Who gives way may be cut off while it still sends.
        let _ = stream.write_all(request.as_bytes()).await;
        let _ = stream.read_to_end(&mut answer).await;
    };
    tokio::time::timeout(Duration::from_secs(60), exchange).await.expect("an end");
    String::from_utf8_lossy(&answer).into_owned()
}

/// The longest list of payments that is taken, each of which has a signature to be checked.
fn list() -> String {
    let domain = Rules::forge().domain().unwrap();
    let (alice, bob) = (Signer::alice(), Signer::bob());
    let signed = alice.signed(&alice.draft(bob.address, 1, 1, 0), &domain);
    // It was signed for another amount: what is good is checked once, and what is not each time.
    let payment = signed.replace("\"amount\": 1,", "\"amount\": 2,");
    assert_ne!(payment, signed);
    format!("[{}]", vec![payment; 1_000].join(", "))
}

#[tokio::test(flavor = "multi_thread")]
async fn lists_of_payments_keep_nobody_out() {
    let node = Program::node(&["--chain", "forge"]).await;
    let list = list();
    let request = posted("/api/v1/transactions", &list);
    let (mut crowd, mut answers) = (JoinSet::new(), Vec::new());
    for turn in 0..4 {
        // Others take the places of those that have their answers, so that there always is a crowd.
        while let Some(over) = crowd.try_join_next() {
            answers.push(over.unwrap());
        }
        while crowd.len() < 400 {
            let (address, request) = (node.address().to_string(), request.clone());
            crowd.spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                answer(&mut stream, &request).await
            });
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let asked = Instant::now();
        let status = call(node.address(), "GET /api/v1/status HTTP/1.1\r\nHost: x\r\n").await;
        assert!(status.starts_with("HTTP/1.1 200"), "{turn}: {status}");
        // One payment waits for the lists that are being looked at, and for no others.
        let paid =
            post(node.address(), "/api/v1/transactions", &list[1..list.find("}").unwrap() + 1]);
        let paid = paid.await;
        assert!(paid.contains("\"rule\": \"signature\""), "{turn}: {paid}");
        // Neither does a list of somebody else wait for all of them.
        let mut other = connect(node.address(), [127, 0, 0, 2].into()).await;
        let paid = answer(&mut other, &request).await;
        assert!(paid.starts_with("HTTP/1.1 200"), "{turn}: {}", &paid[..paid.len().min(300)]);
        assert!(asked.elapsed() < SHORT, "{turn}: {:?}", asked.elapsed());
    }
    answers.extend(crowd.join_all().await);
    let count = |status: &str| answers.iter().filter(|answer| answer.starts_with(status)).count();
    let (done, later) = (count("HTTP/1.1 200"), count("HTTP/1.1 503"));
    let cut = answers.iter().filter(|answer| answer.is_empty()).count();
    assert!(done > 0 && later > 0, "{done} were taken, and {later} told to come again");
    assert_eq!(done + later + cut, answers.len());
}

/// So many clients of a node whose memory is looked at.
const READERS: usize = 120;

/// Asks, and reads no more than the start of the answer.
async fn asks(node: &Program, path: &str) -> TcpStream {
    let mut stream = connect(node.address(), Ipv4Addr::LOCALHOST).await;
    let request = format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    stream
}

/// A client that reads a piece of the chain now and then keeps no more than that piece in memory,
/// nobody from reading, and no block from being taken.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_is_read_slowly_is_held_in_pieces() {
    let node = Program::node(&["--zeros", "0"]).await;
    let mut tip = genesis();
    let (blocks, long) = (16, "x".repeat(1_000_000));
    for proof in 0..blocks {
        tip = next(&tip, proof, &long);
        let answer = post(node.address(), "/new", &format!(r#"{{"block": {}}}"#, tip.text())).await;
        assert!(answer.ends_with("Block Accepted"), "{answer}");
    }
    let before = node.memory();
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(asks(&node, "/chain").await);
    }
    let mut first = readers.swap_remove(0);
    let mut chain = Vec::new();
    let asked = Instant::now();
    for proof in 100..104 {
        // A piece at a time.
        let mut piece = vec![0; 500_000];
        first.read_exact(&mut piece).await.unwrap();
        chain.extend(piece);
        tip = next(&tip, proof, "a");
        let answer = post(node.address(), "/new", &format!(r#"{{"block": {}}}"#, tip.text())).await;
        assert!(answer.ends_with("Block Accepted"), "{answer}");
        let last = call(node.address(), "GET /last_block HTTP/1.1\r\nHost: x\r\n").await;
        assert!(last.contains(tip.text()), "{last}");
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    assert!(asked.elapsed() < SHORT * 2, "{:?}", asked.elapsed());
    let held = node.memory().saturating_sub(before);
    // All of it would be two gigabytes.
    assert!(held < (READERS << 20) * 4, "{} MiB", held >> 20);
    // It is sent to its end, as it was when it was asked for.
    first.read_to_end(&mut chain).await.unwrap();
    let chain = String::from_utf8(chain).unwrap();
    assert_eq!(chain.matches("\"previous_hash\"").count() as u64, blocks + 1);
    assert!(chain.contains(&format!("\"length\": {}}}", blocks + 1)));
}

/// What clients don't read of long answers holds half a gigabyte at most, and gives way.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn long_answers_that_nobody_reads_hold_half_a_gigabyte_at_most() {
    let long = "x".repeat(14_000_000);
    let first = next(&genesis(), 1, &long);
    // The first piece of this chain is short, and the next one long.
    let short = next(&genesis(), 1, &"x".repeat(50_000));
    let second = next(&short, 2, &long);
    for (blocks, paths) in [
        (&[&first][..], &["/last_block", "/chain", "/api/v1/blocks", "/api/v1/blocks/2"][..]),
        (&[&short, &second], &["/chain"]),
    ] {
        for path in paths {
            hold_half_a_gigabyte_at_most(blocks, path).await;
        }
    }
}

#[cfg(target_os = "linux")]
async fn hold_half_a_gigabyte_at_most(blocks: &[&Block], path: &str) {
    let node = Program::node(&["--zeros", "0"]).await;
    for block in blocks {
        let block = format!(r#"{{"block": {}}}"#, block.text());
        let answer = post(node.address(), "/new", &block).await;
        assert!(answer.ends_with("Block Accepted"), "{answer}");
    }
    let before = node.memory();
    let mut readers = Vec::new();
    for _ in 0..READERS {
        readers.push(asks(&node, path).await);
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    // All of them would be 1.7 GB; four at a time are read, and are not answers yet.
    let held = node.memory() - before;
    assert!(held < 640 << 20, "{path}: {} MiB", held >> 20);
    let asked = Instant::now();
    let all = call(node.address(), &format!("GET {path} HTTP/1.1\r\nHost: x\r\n")).await;
    let tip = blocks.last().unwrap();
    assert!(all.contains(tip.text()), "{path}: {}", &all[..all.len().min(300)]);
    assert!(asked.elapsed() < SHORT * 2, "{path}: {:?}", asked.elapsed());
}
