//! The client, against a server that says what a test wants.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::Duration;

use blocksmith_api::client::{Node, NodeError, parse_url};

/// The longest that anything here may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How long a connection is looked at that should stay open.
const WHILE: Duration = Duration::from_millis(300);

const PEERS: &str = r#"{"peers": []}"#;

/// Answers the first call, and keeps its connection open. Tells the head of the call, and then whether
/// the caller closed the connection.
fn answering(head: &str, body: &str) -> (Node, Receiver<String>, Receiver<bool>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}/", listener.local_addr().expect("an address"));
    let answer = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let ((tell_call, call), (tell_closed, closed)) = (channel(), channel());
    thread::spawn(move || {
        let (mut stream, _) = listener.accept().expect("a call");
        let _ = tell_call.send(head_of(&mut stream));
        let _ = stream.write_all(answer.as_bytes());
        stream.set_read_timeout(Some(WHILE)).expect("a time-out");
        let _ = tell_closed.send(matches!(stream.read(&mut [0]), Ok(0)));
    });
    let url = parse_url(&url).expect("a URL");
    (Node::new(url, |there| format!("name {there}")).expect("a client"), call, closed)
}

fn head_of(stream: &mut TcpStream) -> String {
    stream.set_read_timeout(Some(PATIENCE)).expect("a time-out");
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|read| read == 1) {
        head.push(byte[0]);
    }
    String::from_utf8(head).expect("text")
}

#[tokio::test]
async fn a_connection_is_kept_for_the_next_call_unless_the_server_can_do_one_thing_only() {
    let (node, _, closed) = answering("200 OK", PEERS);
    node.peers().await.expect("an answer");
    tokio::time::sleep(WHILE).await;
    assert!(!closed.recv_timeout(PATIENCE).expect("a look"));
    let (node, _, closed) = answering("200 OK", PEERS);
    let node = node.without_idle_connections().expect("a client");
    node.peers().await.expect("an answer");
    tokio::time::sleep(WHILE).await;
    assert!(closed.recv_timeout(PATIENCE).expect("a look"));
}

#[tokio::test]
async fn an_answer_has_as_many_bytes_as_the_bound_says_and_no_more() {
    for (max, fits) in [(PEERS.len(), true), (PEERS.len() - 1, false), (0, false)] {
        let (node, ..) = answering("200 OK", PEERS);
        let answer = node.with_max_bytes(max).peers().await;
        let Err(NodeError::Unexpected { answer, .. }) = answer else {
            assert!(fits, "{max}: {answer:?}");
            continue;
        };
        assert!(!fits);
        assert_eq!(answer, format!("200 OK and more than {max} bytes"));
    }
    // A page is cut there, and what came is told.
    let (node, call, _) = answering("200 OK", "0123456789");
    let answer = node.page("chain", None, 4).await.expect("an answer");
    assert_eq!((&*answer.body, answer.is_cut), (&b"0123"[..], true));
    assert_eq!(answer.call, "GET /chain");
    assert!(call.recv_timeout(PATIENCE).expect("a call").starts_with("GET /chain HTTP/1.1\r\n"));
}

#[tokio::test]
async fn a_refusal_says_when_to_come_again_and_another_answer_why_it_is_none() {
    let problem = r#"{"type": "about:blank", "title": "No", "status": 503, "detail": "not\nnow", "rule": "early"}"#;
    let (node, ..) = answering("503 Service Unavailable\r\nRetry-After: 7", problem);
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
        let (node, ..) = answering(head, body);
        let answer = node.status().await;
        let Err(NodeError::Unexpected { status, reason, .. }) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!((&*status.to_string(), reason.as_deref()), (head, why));
    }
}

#[tokio::test]
async fn nothing_is_told_to_the_server_that_another_one_points_to() {
    let (elsewhere, call, _) = answering("200 OK", PEERS);
    let there = format!("302 Found\r\nLocation: {}/chain", elsewhere.name());
    for body in [None, Some(r#"{"proof": 1}"#)] {
        let (node, ..) = answering(&there, "");
        let answer = node.page("chain", body.map(String::from), 1_000).await;
        let Err(NodeError::Redirected(redirected)) = answer else { panic!("{answer:?}") };
        let said = redirected.to_string();
        assert!(said.contains(&format!("name {}", elsewhere.name())), "{said}");
    }
    assert!(call.recv_timeout(WHILE).is_err());
}
