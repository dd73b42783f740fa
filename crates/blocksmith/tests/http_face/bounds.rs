//! What nobody should send, and clients that take for ever.

use std::time::{Duration, Instant};

use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::node::{Node, next};

const POSTS: [&str; 6] =
    ["/mine", "/transactions/new", "/nodes/register", "/new", "/nodes/new", "/api/v1/blocks"];

#[tokio::test(flavor = "multi_thread")]
async fn huge_bodies_are_refused_and_the_largest_block_is_taken() {
    let node = Node::easy().await;
    for path in POSTS {
        let body = format!(r#"{{"block": "{}"}}"#, "a".repeat(17_100_000));
        let answer = node.post(path, body).await;
        assert_eq!(answer.status, 413, "{path}");
        assert!(answer.text.contains("17000000"), "{answer:?}");
    }
    let chunks = (0..40).map(|_| Ok::<_, std::io::Error>(vec![b' '; 1 << 20]));
    let chunked = reqwest::Body::wrap_stream(futures_util::stream::iter(chunks));
    assert_eq!(node.post("/new", chunked).await.status, 413);

    let mut petabyte = node.connect().await;
    let head = "POST /new HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n\
                Content-Length: 1000000000000000\r\n\r\n";
    petabyte.write_all(head.as_bytes()).await.unwrap();
    assert_eq!(status(&mut petabyte, Duration::from_secs(5)).await, Some(413));

    let parent = node.tip();
    let empty = next(&parent, 1, "").text().len();
    let largest = next(&parent, 1, &"x".repeat(16_000_000 - empty));
    let longer = largest.text().replacen("xx", "xxx", 1);
    let answer = node.post("/new", format!(r#"{{"block": {longer}}}"#)).await;
    assert_eq!(answer.status, 400, "{}", answer.text);
    let answer = node.post("/new", format!(r#"{{"block": {}}}"#, largest.text())).await;
    assert_eq!(answer.text, "Block Accepted");
    assert!(node.get("/chain").await.text.len() > 16_000_000);
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_and_unspeakable_json_is_a_400() {
    let node = Node::easy().await;
    let deep = [
        "[".repeat(100_000) + &"]".repeat(100_000),
        "[".repeat(100_000),
        r#"{"a":"#.repeat(100_000) + "1" + &"}".repeat(100_000),
        format!("{}1{}", "[".repeat(991), "]".repeat(991)),
        "1".repeat(4301),
    ];
    for path in POSTS {
        for deep in &deep {
            assert_eq!(node.post(path, deep.clone()).await.status, 400, "{path}");
            let inside = format!(r#"{{"block": {deep}, "proof": {deep}, "nodes": {deep}}}"#);
            assert_eq!(node.post(path, inside).await.status, 400, "{path}");
        }
        for bytes in [&b"\xff\xfe{"[..], b"\x00", b"{\"proof\": \"\xc3\"}"] {
            assert_eq!(node.post(path, bytes.to_vec()).await.status, 400, "{path} {bytes:?}");
        }
    }
}

/// The status of a bare answer; `None` if the connection is closed without one.
async fn status(stream: &mut TcpStream, within: Duration) -> Option<u16> {
    let mut answer = [0; 12];
    match tokio::time::timeout(within, stream.read_exact(&mut answer)).await {
        Ok(Ok(_)) => std::str::from_utf8(&answer[9..]).unwrap().parse().ok(),
        Ok(Err(_)) => None,
        Err(_) => panic!("neither answered nor closed within {within:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_without_end_are_cut_while_others_are_served() {
    let node = Node::easy().await;
    let head = "POST /nodes/new HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n";
    let patience = Duration::from_secs(25);
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..30 {
        let mut stalled = node.connect().await;
        clients.spawn(async move {
            let start = format!("{head}Content-Length: 1000\r\n\r\n{{\"bl");
            stalled.write_all(start.as_bytes()).await.unwrap();
            assert_eq!(status(&mut stalled, patience).await, Some(408));
        });
        let mut trickling = node.connect().await;
        clients.spawn(async move {
            let start = format!("{head}Transfer-Encoding: chunked\r\n\r\n");
            trickling.write_all(start.as_bytes()).await.unwrap();
            let (mut reading, mut writing) = trickling.into_split();
            let drops = tokio::spawn(async move {
                while writing.write_all(b"1\r\n \r\n").await.is_ok() {
                    tokio::time::sleep(Duration::from_millis(300)).await;
                }
            });
            let mut answer = [0; 12];
            let read = tokio::time::timeout(patience, reading.read_exact(&mut answer)).await;
            read.expect("cut in time").unwrap();
            assert_eq!(&answer[9..], b"408");
            drops.abort();
        });
        let mut headless = node.connect().await;
        clients.spawn(async move {
            headless.write_all(b"POST /nodes/new HTTP/1.1\r\nHost: h\r\n").await.unwrap();
            status(&mut headless, patience).await;
        });
    }
    let started = Instant::now();
    while clients.try_join_next().map(|client| client.unwrap()).is_some() || !clients.is_empty() {
        let asked = Instant::now();
        assert_eq!(node.get("/chain").await.status, 200);
        assert!(asked.elapsed() < Duration::from_secs(1), "others had to wait");
        assert!(started.elapsed() < patience);
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    assert!(started.elapsed() > Duration::from_secs(10), "honest slow clients have some time");
}

/// Whoever opens all connections that a node takes does not cut it off from its peers.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn a_node_with_few_files_keeps_some_for_calls_to_its_peers() {
    let peer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let peer_address = peer.local_addr().unwrap().to_string();
    let home = tempfile::tempdir().unwrap();
    let mut node = tokio::process::Command::new("sh")
        .args(["-c", "ulimit -n 64; exec \"$@\"", "sh", env!("CARGO_BIN_EXE_blocksmith")])
        .args(["node", "0", "--peer", &peer_address, "--data-dir"])
        .arg(home.path())
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(node.stdout.take().unwrap()).read_line(&mut line).await.unwrap();
    let url = line.split_whitespace().nth(2).unwrap().trim_start_matches("http://");
    let mut connections = Vec::new();
    for _ in 0..100 {
        let mut connection = TcpStream::connect(url).await.unwrap();
        connection.write_all(b"GET /healthz HTTP/1.1\r\n").await.unwrap();
        connections.push(connection);
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let begun = Instant::now();
    // It hears nothing, and so is asked again and again; the first of these was before.
    for _ in 0..2 {
        let asked = tokio::time::timeout(Duration::from_secs(10), peer.accept()).await;
        asked.expect("the peer is asked").unwrap();
    }
    assert!(begun.elapsed() < Duration::from_secs(12), "the connections are closed by then");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_http_is_a_4xx_or_a_cut() {
    let node = Node::easy().await;
    let long = "x".repeat(1_000_000);
    let many = "X: y\r\n".repeat(10_000);
    for garbage in [
        "hello\r\n\r\n".to_string(),
        format!("GET /{long} HTTP/1.1\r\nHost: h\r\n\r\n"),
        format!("GET /chain HTTP/1.1\r\nHost: h\r\nX: {long}\r\n\r\n"),
        format!("GET /chain HTTP/1.1\r\nHost: h\r\n{many}\r\n"),
        "POST /new HTTP/1.1\r\nHost: h\r\nContent-Length: -1\r\n\r\n".into(),
    ] {
        let mut stream = node.connect().await;
        // The node may close before it has heard everything.
        let _ = stream.write_all(garbage.as_bytes()).await;
        let status = status(&mut stream, Duration::from_secs(20)).await;
        assert!(status.is_none_or(|status| (400..500).contains(&status)), "{status:?}");
    }
    assert_eq!(node.get("/healthz").await.text, "ok");
}

#[tokio::test(flavor = "multi_thread")]
async fn serving_ends_when_it_is_told_to() {
    let mut node = Node::easy().await;
    assert_eq!(node.get("/healthz").await.status, 200);
    node.stop.take().unwrap().send(()).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(5), &mut node.serving).await;
    ended.expect("serving ends").unwrap().unwrap();
    assert!(node.client.get(format!("{}/healthz", node.url)).send().await.is_err());
}
