//! Nodes in other languages write and hash other JSON, and are told so.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use blocksmith_consensus::{Hash, Rules};

use crate::fake::{Call, Fake, Reply};
use crate::log::escaped::run;
use crate::log::events::{address, line, lines};
use crate::program::{node, post, wait_until};

/// Spells a block as some other program does.
type Spell = fn(index: usize, previous_hash: &str, proof: usize) -> String;

/// What it hashes for a block that it spelled so.
type HashIt = fn(&str) -> Hash;

/// JSON.stringify, in the order in which a port of the course's node makes a block.
fn javascript(index: usize, previous_hash: &str, proof: usize) -> String {
    format!(
        r#"{{"index":{index},"timestamp":{index},"transactions":[{{"sender":"0","recipient":"Zoë","amount":1}}],"proof":{proof},"previous_hash":{previous_hash}}}"#
    )
}

/// Python without `sort_keys`.
fn unsorted(index: usize, previous_hash: &str, proof: usize) -> String {
    format!(
        r#"{{"index": {index}, "timestamp": 1.5, "transactions": [], "proof": {proof}, "previous_hash": {previous_hash}}}"#
    )
}

/// Go's encoding/json of a map: sorted, without spaces.
fn go(index: usize, previous_hash: &str, proof: usize) -> String {
    format!(
        r#"{{"index":{index},"previous_hash":{previous_hash},"proof":{proof},"timestamp":1.5,"transactions":[]}}"#
    )
}

const GENESIS: &str =
    r#"{"index": 1, "previous_hash": null, "proof": 99, "timestamp": 0, "transactions": []}"#;

/// Blocks 2 to 4, of which block 3 names the hash of block 2 in its own spelling. Block 2 fits.
fn chain(spell: Spell, hash: HashIt) -> Vec<String> {
    let mut chain = vec![GENESIS.to_string()];
    for index in 2..5 {
        let last = &chain[index - 2];
        let named = if index == 2 { Hash::of(GENESIS) } else { hash(last) };
        chain.push(spell(index, &format!("\"{named}\""), index));
    }
    chain
}

fn peer(blocks: Vec<String>) -> Fake<()> {
    Fake::start((), move |(), call: &Call| match &*call.path {
        "/chain" => Reply::json(format!(r#"{{"chain":[{}],"length":9}}"#, blocks.join(","))),
        "/last_proof" => Reply::json(r#"{"last_proof":4}"#.into()),
        _ => Reply::html(404, "no"),
    })
}

const DO: &str = ". The hash of a block is the SHA-256 of json.dumps(block, sort_keys=True) in Python: \
                  make that node hash the same text";

#[test]
fn a_chain_that_is_hashed_in_another_spelling_is_told_which() {
    let as_sent = |text: &str| Hash::of(text);
    let spaced = |text: &str| Hash::of(text.replace("\":", "\": ").replace(",\"", ", \""));
    let cases: [(Spell, HashIt, &str); 5] = [
        (javascript, as_sent, "that is the hash of block 2 byte for byte as it was sent"),
        (unsorted, as_sent, "that is the hash of block 2 byte for byte as it was sent"),
        (go, as_sent, "that is the hash of block 2 byte for byte as it was sent"),
        (
            unsorted,
            |text| Hash::of(text.replace(": ", ":").replace(", ", ",")),
            "that is the hash of block 2 without spaces and in the order in which its members were \
             sent, as JavaScript's JSON.stringify writes it",
        ),
        (
            javascript,
            spaced,
            "that is the hash of block 2 in the order in which its members were sent and with \
             letters beyond ASCII as they are",
        ),
    ];
    for (spell, hash, why) in cases {
        let blocks = chain(spell, hash);
        let found =
            Hash::of(&*blocksmith_consensus::json::canonical(blocks[1].as_bytes()).unwrap());
        let named = hash(&blocks[1]);
        let peer = peer(blocks);
        let (node, _) = node(&["--zeros", "0", "--peer", &peer.url()]);
        let said = line(&node, "names");
        let expected = format!(
            "peer {}: its block 3 names {named} as the block before it, but block 2, which it sent, \
             has the hash {found}: {why}{DO}",
            address(&peer.url())
        );
        assert_eq!(said, expected);
        // And what fits is taken.
        assert_eq!(lines(&node, "block 2 ").len(), 2, "{}", node.stderr());
        assert!(lines(&node, "did not send").is_empty());
    }
}

#[test]
fn a_chain_that_no_spelling_explains_is_told_so() {
    let peer = peer(chain(go, |_| Hash::of("another")));
    let (node, _) = node(&["--zeros", "0", "--peer", &peer.url()]);
    let said = line(&node, "names");
    let named = format!("its block 3 names {} as the block before it", Hash::of("another"));
    assert!(said.contains(&named), "{said}");
    assert!(said.contains(": block 2 was changed, or that node hashes another text."), "{said}");
}

#[test]
fn a_block_that_is_sent_is_told_the_same() {
    for (spell, why) in [
        (javascript as Spell, "with letters beyond ASCII as they are, as JavaScript's"),
        (unsorted, " block 2 in the order in which its members were sent."),
        (go, " block 2 without spaces, as JavaScript's JSON.stringify writes it."),
    ] {
        let (node, url) = node(&["--zeros", "0"]);
        let blocks = chain(spell, |text| Hash::of(text));
        let push = |text: &str| post(&url, "/nodes/new", &format!(r#"{{"block": {text}}}"#));
        assert!(push(&blocks[1]).ends_with("Block Accepted"));
        assert!(push(&blocks[2]).ends_with("Block Rejected"));
        let said = line(&node, "Block 3 ");
        let start = "does not fit: its previous_hash is the hash of this node's block 2 ";
        assert!(said.contains(start) && said.contains(why) && said.ends_with(&DO[2..]), "{said}");
    }
}

#[test]
fn a_server_that_speaks_another_protocol_is_not_said_to_have_broken_off() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let peer = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let _ = stream.read(&mut [0; 1_000]);
            // An alert of TLS: no HTTP was expected.
            let _ = stream.write_all(b"\x15\x03\x01\x00\x02\x02\x46");
        }
    });
    let (node, _) = node(&["--peer", &peer]);
    wait_until("a word", || lines(&node, &format!("peer {peer}: ")).len() == 1);
    let said = lines(&node, &format!("peer {peer}: "));
    assert!(said[0].contains(": it does not speak HTTP there: "), "{said:?}");
}

#[test]
fn of_a_page_that_does_not_fit_the_block_is_named_that_does_not() {
    // A peer of our own kind that changes its chain between two answers.
    let chain = crate::log::events::easy(41);
    let peer = Fake::start((), move |(), call: &Call| {
        let rules = Rules::lecture().with_zeros(0);
        Reply::json(match call.path.split('?').next().unwrap() {
            "/api/v1/status" => format!(
                r#"{{"chain_id": "{}", "instance": "x", "index": 41, "tip": "{}", "work": "ff"}}"#,
                rules.chain_id(),
                Hash::of("tip")
            ),
            "/api/v1/headers" => {
                format!(r#"{{"headers": [{{"hash": "{}"}}]}}"#, chain[0].hash())
            }
            // Block 2 is not that of block 3.
            _ => {
                let other = blocksmith_consensus::Block::compose(
                    &chain[0],
                    &blocksmith_consensus::Proof::from(7),
                    Default::default(),
                    [],
                );
                let other = other.unwrap();
                let blocks = [&other].into_iter().chain(&chain[2..]);
                let blocks = blocks.map(|block| format!(r#"{{"block": {}}}"#, block.text()));
                format!(r#"{{"blocks": [{}]}}"#, blocks.collect::<Vec<_>>().join(", "))
            }
        })
    });
    let (node, _) = node(&["--zeros", "0", "--peer", &peer.url()]);
    let said = line(&node, "names");
    assert!(said.contains(": its block 3 names "), "{said}");
}

#[test]
fn chain_verify_does_not_call_a_block_changed_that_was_hashed_otherwise() {
    for (spell, why) in [
        (javascript as Spell, "byte for byte as it was sent"),
        (go, "byte for byte as it was sent"),
    ] {
        let blocks = chain(spell, |text| Hash::of(text));
        let peer = peer(blocks.clone());
        for extra in [&[][..], &["--json"]] {
            let args = ["chain", "verify", &peer.url(), "--zeros", "0"];
            let (code, out, err) = run(&[&args, extra].concat());
            let said = format!("{out}{err}");
            let hash = Hash::of(&blocks[1]);
            let names =
                format!(", and block 3 names {hash}: that is the hash of block 2 {why}{DO}");
            assert_eq!(code, Some(1), "{said}");
            assert!(
                said.replace(&format!("\"{hash}\""), &hash.to_string()).contains(&names),
                "{said}"
            );
            assert!(!said.contains("was changed"), "{said}");
        }
    }
    // What no spelling explains is told as it was.
    let peer = peer(chain(go, |_| Hash::of("another")));
    let (_, _, err) = run(&["chain", "verify", &peer.url(), "--zeros", "0"]);
    assert!(err.starts_with("invalid: previous_hash: block 3 names "), "{err}");
    assert!(err.contains(", but the block before it has the hash "), "{err}");
}
