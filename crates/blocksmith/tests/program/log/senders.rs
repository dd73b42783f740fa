//! Who sends blocks of a chain that this node doesn't know, and how to follow it.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use crate::log::events::{address, easy, line, lines, register};
use crate::program::{node, post, wait_until};

/// Sends a block as our own kind does, from a node that says that it listens there.
pub(crate) fn send(url: &str, text: &str, listens: &str) {
    let mut stream = TcpStream::connect(address(url)).unwrap();
    let length = text.len();
    write!(
        stream,
        "POST /api/v1/blocks HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nblocksmith-listen: \
         {listens}\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{text}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    assert!(answer.contains("orphan"), "{answer}");
}

#[test]
fn a_stranger_is_named_with_the_command_that_follows_it() {
    let (node, url) = node(&["--zeros", "0"]);
    let chain = easy(9);
    for block in &chain[5..] {
        send(&url, block.text(), "10.1.2.3:5001");
    }
    let said = line(&node, "waits");
    let end = format!(
        " waits: this node does not know the block before it, and has no peers to ask. The sender says \
         that it listens at 10.1.2.3:5001, which is not a peer. To follow the sender too: blocksmith \
         peers add 10.1.2.3:5001 --node {url}, or start this node with --peer 10.1.2.3:5001"
    );
    assert!(said.starts_with(&format!("Block 6 {} from 127.0.0.1:", chain[5].hash())), "{said}");
    assert!(said.ends_with(&end), "{said}");
}

#[test]
fn one_that_does_not_say_where_it_listens_is_told_by_its_address() {
    let (node, url) = node(&["--zeros", "0"]);
    let chain = easy(9);
    for block in &chain[5..] {
        post(&url, "/nodes/new", &format!(r#"{{"block": {}}}"#, block.text()));
    }
    let said = line(&node, "waits");
    let end = format!(
        ". The sender does not say where it listens, and no peer has its address. To follow the sender \
         too: blocksmith peers add 127.0.0.1:PORT --node {url}, or start this node with --peer \
         127.0.0.1:PORT"
    );
    assert!(said.ends_with(&end), "{said}");
}

#[test]
fn of_a_peer_nothing_is_claimed_that_is_not_so() {
    let ((alice, url), (_bob, other)) = (node(&["--zeros", "0"]), node(&["--zeros", "0"]));
    register(&url, address(&other));
    let chain = easy(9);
    send(&url, chain[7].text(), address(&other));
    let said = line(&alice, "waits");
    let asked = format!(", and asks its peer {}, which sent this one", address(&other));
    assert!(said.ends_with(&asked), "{said}");
    // One of the course's, which may be that peer.
    post(&url, "/nodes/new", &format!(r#"{{"block": {}}}"#, chain[6].text()));
    let said = line(&alice, "does not say");
    let unless = format!(
        ", and asks its peers. The sender does not say where it listens; it could be the peer {}. To \
         follow",
        address(&other)
    );
    assert!(said.contains(&unless), "{}", alice.stderr());
}

#[test]
fn a_block_that_is_no_longer_chain_than_ours_needs_nothing() {
    let (node, url) = node(&["--zeros", "0"]);
    let chain = easy(9);
    for block in &chain[1..6] {
        post(&url, "/nodes/new", &format!(r#"{{"block": {}}}"#, block.text()));
    }
    let orphan = chain[4].text().replace(&chain[3].hash().to_string(), &"00".repeat(32));
    post(&url, "/nodes/new", &format!(r#"{{"block": {orphan}}}"#));
    // The next one of a longer chain is the first of which it is said.
    post(&url, "/nodes/new", &format!(r#"{{"block": {}}}"#, chain[7].text()));
    assert!(line(&node, "waits").starts_with("Block 8 "), "{}", node.stderr());
}

#[test]
fn nobody_is_told_to_type_what_a_stranger_wrote() {
    let (node, url) = node(&["--zeros", "0"]);
    let chain = easy(9);
    for listens in ["--data-dir:1", "-x:2", "a_b:3"] {
        send(&url, chain[7].text(), listens);
    }
    wait_until("three lines", || lines(&node, "which is not a peer").len() == 3);
    for said in lines(&node, "which is not a peer") {
        let (_, to_type) = said.split_once("blocksmith peers add ").unwrap();
        let expected = format!("HOST:PORT --node {url}, or start this node with --peer HOST:PORT");
        assert_eq!(to_type, expected);
    }
    for host in ["$(reboot).example", "`reboot`", "x;reboot", "localhost:99999", "-x.example"] {
        let mut stream = TcpStream::connect(address(&url)).unwrap();
        write!(stream, "GET /chain HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 421") && !answer.contains("--host"), "{answer}");
    }
    wait_until("five lines", || lines(&node, "a call is refused: ").len() == 5);
    assert!(!node.stderr().contains("--host"), "{}", node.stderr());
}
