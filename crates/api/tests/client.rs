//! The client, against a server that says what a test wants.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::Duration;

use blocksmith_api::client::{Node, NodeError, parse_url};

/// The longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

const PEERS: &str = r#"{"peers": []}"#;

/// Answers all calls of the first connection. Tells the head of each, and nothing more once the
/// caller closed the connection.
fn answering(head: &str, body: &str) -> (Node, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let answer = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let (tell, calls) = channel();
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a call");
        while let Some(head) = head_of(&mut stream) {
            let _ = tell.send(head);
            let _ = stream.write_all(answer.as_bytes());
        }
    });
    let url = parse_url(&url).expect("a URL");
    (Node::new(url, |there| format!("name {there}")).expect("a client"), calls)
}

/// The head of the next call; none if the caller closed the connection.
fn head_of(stream: &mut TcpStream) -> Option<String> {
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        match stream.read(&mut byte) {
            Ok(1) => head.push(byte[0]),
            Ok(_) => return None,
            Err(error) => panic!("the connection is neither used nor closed: {error}"),
        }
    }
    Some(String::from_utf8(head).expect("text"))
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_call_unless_the_server_can_do_one_thing_only() {
    let (node, calls) = answering("200 OK", PEERS);
    for _ in 0..3 {
        node.peers().await.expect("an answer");
        assert!(calls.recv_timeout(PATIENCE).is_ok(), "on the first connection");
    }
    let (node, calls) = answering("200 OK", PEERS);
    let node = node.without_idle_connections().expect("a client");
    node.peers().await.expect("an answer");
    assert!(calls.recv_timeout(PATIENCE).is_ok());
    // The client closes it on this thread.
    let more = tokio::task::spawn_blocking(move || calls.recv_timeout(PATIENCE)).await;
    assert_eq!(more.expect("no panic"), Err(RecvTimeoutError::Disconnected), "it is closed");
}

#[tokio::test]
async fn an_answer_has_as_many_bytes_as_the_bound_says_and_no_more() {
    let (node, _) = answering("200 OK", PEERS);
    let peers = node.with_max_bytes(PEERS.len()).peers().await.expect("it fits");
    assert!(peers.peers.is_empty());
    for max in [PEERS.len() - 1, 0] {
        let (node, _) = answering("200 OK", PEERS);
        let answer = node.with_max_bytes(max).peers().await;
        let Err(NodeError::Unexpected { answer, .. }) = answer else {
            panic!("{max}: {answer:?}");
        };
        assert_eq!(answer, format!("200 OK and more than {max} bytes"));
    }
    // A page is cut there, and what came is told.
    let (node, calls) = answering("200 OK", "0123456789");
    let answer = node.page("chain", None, 4).await.expect("an answer");
    assert_eq!((&*answer.body, answer.is_cut), (&b"0123"[..], true));
    assert_eq!(answer.call, "GET /chain");
    assert!(calls.recv_timeout(PATIENCE).expect("a call").starts_with("GET /chain HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_refusal_says_when_to_come_again_and_another_answer_why_it_is_none() {
    let problem = r#"{"type": "about:blank", "title": "No", "status": 503, "detail": "not\nnow", "rule": "early"}"#;
    let (node, _) = answering("503 Service Unavailable\r\nRetry-After: 7", problem);
    let refused = node.work("alice", None).await;
    let Err(NodeError::Refused { call, problem, retry_after, .. }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((&*call, &*problem.detail), ("GET /api/v1/work", r"not\nnow"));
    let seven = Some(Duration::from_secs(7));
    assert_eq!((problem.rule.as_deref(), retry_after), (Some("early"), seven));
    let full =
        r#"{"type": "about:blank", "title": "No", "status": 500, "detail": "the disk is full"}"#;
    for (head, body, why) in [
        ("500 Internal Server Error", full, Some("the disk is full")),
        ("404 Not Found", r#"{"message": "no such page"}"#, Some("no such page")),
        ("200 OK", r#"{"message": "New Block Forged"}"#, Some("New Block Forged")),
        ("502 Bad Gateway", "<h1>No</h1>", None),
        ("200 OK", "{}", None),
    ] {
        let (node, _) = answering(head, body);
        let answer = node.status().await;
        let Err(NodeError::Unexpected { status, reason, .. }) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!((&*status.to_string(), reason.as_deref()), (head, why));
    }
}

#[tokio::test]
async fn nothing_is_told_to_the_server_that_another_one_points_to() {
    let (elsewhere, calls) = answering("200 OK", PEERS);
    let there = format!("302 Found\r\nLocation: {}/chain", elsewhere.name());
    for body in [None, Some(r#"{"proof": 1}"#)] {
        let (node, _) = answering(&there, "");
        let answer = node.page("chain", body.map(String::from), 1_000).await;
        let Err(NodeError::Redirected(redirected)) = answer else { panic!("{answer:?}") };
        let said = redirected.to_string();
        assert!(said.contains(&format!("name {}", elsewhere.name())), "{said}");
    }
    elsewhere.page("end", None, 1_000).await.expect("an answer");
    let first = calls.recv_timeout(PATIENCE).expect("a call");
    assert!(first.starts_with("GET /end "), "{first}");
}
