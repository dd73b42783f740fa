//! What browsers send, by hand: a real one tries it in the interop tests.

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::node::Node;

const READS: [&str; 5] = ["/chain", "/last_proof", "/api/v1/status", "/healthz", "/nothing"];
const CHANGES: [&str; 17] = [
    "GET /mine",
    "GET /mine?recipient=eve",
    "HEAD /mine",
    "GET /nodes/resolve",
    "HEAD /nodes/resolve",
    "POST /mine",
    "POST /transactions/new",
    "POST /nodes/register",
    "POST /new",
    "POST /api/v1/work",
    "DELETE /api/v1/peers/localhost:2",
    "PUT /api/v1/peers/localhost:3",
    "POST /api/v1/dev/mine",
    "POST /api/v1/dev/reorg",
    "POST /api/v1/dev/miners",
    "POST /api/v1/dev/cut",
    "POST /api/v1/dev/heal",
];
const PAYMENT: &str =
    r#"{"sender": "eve", "recipient": "eve", "amount": 1, "proof": 1, "nodes": ["localhost:3"]}"#;

/// A bare call with these lines in its head: the status, and all of the answer in small letters.
async fn call(node: &Node, start: &str, lines: &[&str]) -> (u16, String) {
    let mut stream = node.connect().await;
    let length = PAYMENT.len();
    let version = if start.contains(" HTTP/") { "" } else { " HTTP/1.1" };
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let request = format!(
        "{start}{version}\r\n{lines}Content-Type: application/json\r\nContent-Length: {length}\r\n\
         Connection: close\r\n\r\n{PAYMENT}"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let answer = String::from_utf8_lossy(&answer).to_lowercase();
    (answer.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_default(), answer)
}

/// All that a page could change.
fn state(node: &Node) -> (u64, usize, String) {
    let standing = node.handle.standing();
    (standing.tip.block.index(), standing.queued, format!("{:?}", standing.peers))
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_from_elsewhere_change_nothing() {
    for node in [Node::easy().await, Node::course().await] {
        node.post("/nodes/register", r#"{"nodes": ["localhost:2"]}"#).await;
        let before = state(&node);
        let host = format!("Host: {}", node.url.trim_start_matches("http://"));
        let own = format!("Origin: {}", node.url);
        // What a page of each may be told: only what would let it in.
        let (allow, serve, curl) = ("start the node with --cors", "http.server", "such as curl");
        let pages: [(&[&str], &str); 9] = [
            (&["Origin: http://evil.example"], allow),
            (&["Origin: null"], serve),
            (&["Origin: null", "Sec-Fetch-Site: cross-site"], serve),
            (&["Origin: http://localhost:1", "Sec-Fetch-Site: same-site"], allow),
            (&["Sec-Fetch-Site: cross-site"], curl),
            (
                &[
                    "Origin: http://evil.example",
                    "Sec-Fetch-Site: cross-site",
                    "Upgrade: websocket",
                ],
                allow,
            ),
            (&["Origin: http://localhost:5000", "Origin: http://evil.example"], curl),
            (&["Origin: $(reboot)"], curl),
            (&[&own, "Sec-Fetch-Site: cross-site"], curl),
        ];
        for (page, way_out) in pages {
            let lines = [&[&*host], page].concat();
            for change in CHANGES {
                let (status, answer) = call(&node, change, &lines).await;
                assert_eq!(status, 403, "{change} {page:?}: {answer}");
                if !change.starts_with("HEAD") {
                    assert!(answer.contains(way_out), "{page:?}: {answer}");
                    assert_eq!(answer.contains("--cors"), way_out == allow, "{page:?}: {answer}");
                }
            }
            // What is only looked at is answered, and no page gets to see the answer.
            let (status, answer) = call(&node, "GET /chain", &lines).await;
            assert_eq!(status, 200, "{page:?}");
            assert!(!answer.contains("access-control"), "{answer}");
            let preflight = [&lines[..], &["Access-Control-Request-Method: POST"]].concat();
            let (status, answer) = call(&node, "OPTIONS /mine", &preflight).await;
            assert!(status == 200 && !answer.contains("access-control"), "{answer}");
        }
        assert_eq!(state(&node), before);
        // The node's own page, a typed address, and programs.
        let own = format!("Origin: {}", node.url);
        for page in [&[&*own, "Sec-Fetch-Site: same-origin"][..], &["Sec-Fetch-Site: none"], &[]] {
            let lines = [&[&*host], page].concat();
            let (status, answer) = call(&node, "POST /transactions/new", &lines).await;
            assert_eq!(status, 201, "{page:?}: {answer}");
        }
        assert_eq!(state(&node).1, before.1 + 3);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_somebody_else_can_take_is_refused_whatever_is_asked() {
    let node = Node::easy().await;
    let before = state(&node);
    let reads = READS.map(|path| format!("GET {path}"));
    let calls: Vec<_> = reads.iter().map(String::as_str).chain(CHANGES).collect();
    for call_it in calls.iter().copied().chain(["OPTIONS /mine", "POST /nothing"]) {
        for name in ["evil.example:5000", "127.0.0.1.evil.example"] {
            let (status, answer) = call(&node, call_it, &[&format!("Host: {name}")]).await;
            assert_eq!(status, 421, "{call_it} {name}: {answer}");
        }
    }
    let (status, answer) = call(&node, "GET http://evil.example/chain", &["Host: localhost"]).await;
    assert!(status == 421 && answer.contains("--host evil.example"), "{answer}");
    // What a stranger wrote is told to nobody as something to type, unless it is a name.
    for (name, advice) in [
        ("evil.example:5000", "--host evil.example"),
        ("EVIL.example.", "--host evil.example"),
        ("$(rm -rf ~).example", ""),
        ("`reboot`.example", ""),
        ("x.example;reboot", ""),
        ("x.example'", ""),
        ("x.example\"", ""),
        ("x.example|sh", ""),
        ("-x.example", ""),
        ("x.example:http", ""),
        ("localhost:99999", ""),
        ("127.0.0.1:-1", ""),
    ] {
        for path in ["/chain", "/api/v1/status"] {
            let host = format!("Host: {name}");
            let (status, answer) = call(&node, &format!("GET {path}"), &[&host]).await;
            assert_eq!(status, 421, "{name}: {answer}");
            let advised = answer.split_once("--host").map_or("", |(_, rest)| rest);
            let advised = advised.split(['"', '\r']).next().unwrap_or_default();
            let expected = advice.strip_prefix("--host").unwrap_or_default();
            assert_eq!(advised, expected, "{name}: {answer}");
        }
    }
    let (_, answer) = call(&node, "GET /api/v1/status", &["Host: evil.example"]).await;
    assert!(answer.contains("application/problem+json"), "{answer}");
    assert_eq!(state(&node), before);

    for name in
        ["localhost", "LocalHost.:1", "[::1]:5000", "10.0.0.7", "127.1", "pc12", "pc12.local"]
    {
        let (status, answer) =
            call(&node, "POST /transactions/new", &[&format!("Host: {name}")]).await;
        assert_eq!(status, 201, "{name}: {answer}");
    }
    // Old clients say no name at all.
    let (status, answer) = call(&node, "GET /chain HTTP/1.0", &[]).await;
    assert_eq!(status, 200, "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_call_says_what_it_takes() {
    let node = Node::easy().await;
    for (path, methods) in [
        ("/chain", "get, head, options"),
        ("/mine", "get, post, options"),
        ("/nodes/register", "post, options"),
        ("/api/v1/work", "get, head, post, options"),
        ("/api/v1/peers/h:1", "delete, options"),
    ] {
        let (status, answer) = call(&node, &format!("OPTIONS {path}"), &["Host: x"]).await;
        assert_eq!(status, 200, "{answer}");
        assert!(answer.contains(&format!("allow: {methods}\r\n")), "{answer}");
        assert!(answer.contains("content-type: text/html; charset=utf-8\r\n"), "{answer}");
        assert!(
            answer.contains("content-length: 0\r\n") && answer.ends_with("\r\n\r\n"),
            "{answer}"
        );
    }
    assert_eq!(call(&node, "OPTIONS /nothing", &["Host: x"]).await.0, 404);
    assert_eq!(node.tip().index(), 1);
}
