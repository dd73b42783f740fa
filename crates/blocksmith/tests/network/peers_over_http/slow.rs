//! Peers that are slow, because of their lines or to keep others waiting.

use std::time::{Duration, Instant};

use blocksmith_consensus::json::Value;
use blocksmith_consensus::{Block, Proof, Rules, Timestamp, Transaction};
use bytes::Bytes;

use crate::peers_over_http::fakes::*;
use crate::peers_over_http::lecture;

/// What a slow line carries at a time, and how often: 20 KB/s, above the least that is asked for.
const PIECE_BYTES: usize = 4_000;
const EVERY: Duration = Duration::from_millis(200);

/// A peer of our own kind that has what we have, if one asks it, and claims a lot of work; its page
/// of blocks starts like this and goes on with these bytes for ever.
fn claims_work(start: &'static str, piece: String) -> impl Fn(&Call) -> Reply {
    let blocks = shared(&genesis(&lecture(), 0));
    let piece = Bytes::from(piece);
    move |call| match call.line.split('?').next().unwrap_or_default() {
        "GET /api/v1/status" => Reply::Text(
            200,
            format!(
                r#"{{"chain_id": "{}", "instance": "x", "index": 99, "tip": "{}", "work": "ffffffff"}}"#,
                lecture().chain_id(),
                "0".repeat(64),
            ),
        ),
        "GET /api/v1/blocks" => Reply::Endless(start.into(), piece.clone(), EVERY),
        _ => own_reply(call, &lecture(), "somebody", &blocks),
    }
}

fn slowly(text: String) -> Reply {
    let pieces = text.into_bytes().chunks(PIECE_BYTES).map(Bytes::copy_from_slice).collect();
    Reply::Slowly(pieces, EVERY)
}

/// Blocks of some 2.5 KB.
fn of_size(rules: &Rules, length: usize) -> Vec<Block> {
    let mut blocks = genesis(rules, 0);
    let note = format!(r#"{{"amount": 1, "note": "{}", "sender": "bob"}}"#, "x".repeat(2_200));
    let coin = r#"{"amount": 1, "recipient": "alice", "sender": "0"}"#;
    let inside = [&note, coin].map(|text| Transaction::of_block(Value::of_canonical(text)));
    while blocks.len() < length {
        let parent = &blocks[blocks.len() - 1];
        let job = rules.job(parent.view(), &parent.hash(), None);
        let proof = (0_u64..).find(|proof| job.accepts(proof.to_string())).expect("a proof");
        let time = Timestamp { micros: 1_000_000 * parent.index() };
        blocks.push(Block::compose(parent, &Proof::from(proof), time, &inside).expect("a block"));
    }
    blocks
}

#[tokio::test]
async fn four_that_stall_keep_nobody_from_an_honest_peer() {
    // In a list, in a block and in a member that nobody asked for.
    for start in [r#"{"blocks": ["#, r#"{"blocks": [{"hash": ""#, r#"{"note": ""#] {
        let mut stalling = Vec::new();
        for _ in 0..4 {
            stalling.push(Fake::serve(claims_work(start, " ".repeat(PIECE_BYTES))).await);
        }
        let stalling: Vec<_> = stalling.iter().collect();
        let chain = grown(&lecture(), &genesis(&lecture(), 0), 700, "alice");
        let honest = own_kind(&lecture(), &shared(&chain)).await;
        let node = Node::start(&lecture());
        node.know(&stalling.iter().map(|peer| &peer.address).collect::<Vec<_>>()).await;
        until(5, "two are asked", || {
            stalling.iter().filter(|peer| peer.count("GET /api/v1/blocks") > 0).count() >= 2
        })
        .await;
        let started = Instant::now();
        match start {
            // These are found out at once, so that it is the honest peer's turn.
            r#"{"blocks": ["# => node.know(&[&honest.address]).await,
            // These take their time, and half of the places.
            _ => {
                let honest = vec![honest.address.clone()];
                node.handle.choose(honest, true).await.expect("it runs");
            }
        }
        node.reaches(&chain[699], 5).await;
        println!("{start}: {:?}", started.elapsed());
    }
}

async fn a_slow_line_is_waited_for(reply: fn(&Call, &Blocks) -> Reply, fetched: &str) {
    let chain = of_size(&lecture(), 400);
    let blocks = shared(&chain);
    let peer = Fake::serve(move |call| match reply(call, &blocks) {
        Reply::Text(200, text) if text.len() > PIECE_BYTES => slowly(text),
        other => other,
    })
    .await;
    let node = Node::start(&lecture());
    let started = Instant::now();
    node.know(&[&peer.address]).await;
    node.reaches(&chain[399], 75).await;
    assert!(started.elapsed() > Duration::from_secs(45), "that was no slow line");
    assert_eq!(peer.count(fetched), 1, "in one go");
}

#[tokio::test]
async fn a_slow_line_that_brings_blocks_is_waited_for() {
    tokio::join!(
        a_slow_line_is_waited_for(
            |call, blocks| own_reply(call, &lecture(), "somebody", blocks),
            "GET /api/v1/blocks",
        ),
        a_slow_line_is_waited_for(
            |call, blocks| python_reply(call, &LECTURE, blocks),
            "GET /chain",
        ),
    );
}

/// The question is over after half a minute: another one comes.
async fn is_given_up(node: &Node, answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) {
    let peer = Fake::serve(answer).await;
    let (started, before) = (Instant::now(), node.tip());
    node.know(&[&peer.address]).await;
    until(40, "it is asked again", || peer.count("GET /api/v1/status") > 1).await;
    assert!(started.elapsed() > Duration::from_secs(25), "it was waited for");
    assert_eq!(node.tip(), before);
}

async fn one_block_without_end() {
    let node = Node::start(&lecture());
    let piece = "x".repeat(PIECE_BYTES);
    is_given_up(&node, claims_work(r#"{"blocks": [{"hash": ""#, piece)).await;
}

async fn members_without_end() {
    let node = Node::start(&lecture());
    let piece = r#""a": 1, "#.repeat(PIECE_BYTES / 8);
    is_given_up(&node, claims_work("{", piece)).await;
}

async fn blocks_that_we_have() {
    let mut chain = of_size(&lecture(), 400);
    let node = Node::start(&lecture());
    node.has(&chain[1..]).await;
    chain.push(next(&lecture(), &chain[399], "bob"));
    let blocks = shared(&chain);
    is_given_up(&node, move |call| match python_reply(call, &LECTURE, &blocks) {
        Reply::Text(200, text) if text.len() > PIECE_BYTES => slowly(text),
        other => other,
    })
    .await;
}

async fn answers_that_are_slow_one_by_one() {
    let node = Node::start(&lecture());
    node.has(&grown(&lecture(), &genesis(&lecture(), 0), 2_000, "alice")[1..]).await;
    let other = "1".repeat(64);
    let claims = claims_work("{", " ".into());
    is_given_up(&node, move |call| match call.line.split('?').next().unwrap_or_default() {
        "GET /api/v1/headers" => {
            let headers = format!(r#"{{"headers": [{{"hash": "{other}"}}]}}"#);
            Reply::Late(Duration::from_secs(4), headers)
        }
        "GET /api/v1/status" => match claims(call) {
            Reply::Text(status, text) => {
                Reply::Text(status, text.replace("\"index\": 99", "\"index\": 9999"))
            }
            other => other,
        },
        _ => claims(call),
    })
    .await;
}

#[tokio::test]
async fn what_brings_nothing_new_is_given_up_after_half_a_minute() {
    tokio::join!(
        one_block_without_end(),
        members_without_end(),
        blocks_that_we_have(),
        answers_that_are_slow_one_by_one(),
    );
}
