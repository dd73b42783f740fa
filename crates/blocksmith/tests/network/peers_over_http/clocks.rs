//! What the peers' clocks show, and what is made of it.

use std::io::Write;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, UNIX_EPOCH};

use blocksmith_consensus::Rules;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::peers_over_http::fakes::*;
use crate::peers_over_http::{dvf, lecture, resolve};

/// The log of this process.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn count(&self, text: &str) -> usize {
        String::from_utf8_lossy(&self.0.lock().unwrap()).matches(text).count()
    }
}

/// What our own kind answers, with a clock that is off by so many seconds.
fn own_reply_off_by(call: &Call, rules: &Rules, blocks: &Blocks, offset_s: f64) -> Reply {
    match own_reply(call, rules, "somebody", blocks) {
        Reply::Text(status, text) => {
            let time = UNIX_EPOCH.elapsed().expect("a clock").as_secs_f64() + offset_s;
            let named = format!("\"name\": \"x\", \"time\": {time}");
            Reply::Text(status, text.replace("\"name\": \"x\"", &named))
        }
        other => other,
    }
}

/// A peer of our own kind whose clock is off by so many seconds.
async fn off_by(rules: fn() -> Rules, offset_s: &Arc<AtomicI64>) -> Fake {
    let (offset_s, blocks) = (offset_s.clone(), shared(&genesis(&rules(), 0)));
    let now_s = move || offset_s.load(Ordering::SeqCst) as f64;
    Fake::serve(move |call| own_reply_off_by(call, &rules(), &blocks, now_s())).await
}

async fn status(node: &Node) -> serde_json::Value {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address");
    let (handle, (stop, stopped)) = (node.handle.clone(), tokio::sync::oneshot::channel::<()>());
    let serving = tokio::spawn(blocksmith::http::serve(
        listener,
        handle,
        Default::default(),
        None,
        async move {
            let _ = stopped.await;
        },
    ));
    let mut stream = TcpStream::connect(address).await.expect("a connection");
    let request = "GET /api/v1/status HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await.expect("sent");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.expect("an answer");
    drop(stop);
    serving.await.expect("a task").expect("it served");
    let (_, body) = answer.split_once("\r\n\r\n").expect("a body");
    serde_json::from_str(body).expect("JSON")
}

#[tokio::test]
async fn a_clock_that_is_off_is_noticed_by_what_most_peers_show() {
    let log = Log::default();
    let writer = log.clone();
    // Other tests of this process warn of nothing: clocks there are off by a few seconds.
    tracing_subscriber::fmt().with_ansi(false).with_writer(move || writer.clone()).init();
    let node = Node::start(&lecture());
    assert_eq!(status(&node).await["clock_offset_s"], serde_json::Value::Null);

    let offsets = [70, 80, 1_000_000, -5_000].map(|offset| Arc::new(AtomicI64::new(offset)));
    let (one, two) = (off_by(lecture, &offsets[0]).await, off_by(lecture, &offsets[1]).await);
    let liar = off_by(lecture, &offsets[2]).await;
    // The clocks of other chains are theirs.
    let stranger = off_by(dvf, &offsets[3]).await;
    let python = python(LECTURE, &shared(&genesis(&lecture(), 0))).await;
    node.know(&[&one.address, &two.address, &liar.address, &stranger.address, &python.address])
        .await;
    for _ in 0..4 {
        resolve(&node, Duration::from_secs(10)).await;
    }
    let offset = status(&node).await["clock_offset_s"].as_f64().expect("a number");
    assert!((79.0..=81.0).contains(&offset), "{offset}");
    assert!(((offset * 10.0).round() - offset * 10.0).abs() < 1e-9, "one decimal: {offset}");
    // While only one and the liar had answered, the middle may have been elsewhere.
    let warned = log.count("this machine's clock is");
    assert!((1..=3).contains(&warned), "{warned}");
    assert!(log.count("s behind the clocks of its peers") == warned && log.count("WARN") >= warned);
    assert!(["70", "80"].iter().any(|start| log.count(&format!("clock is {start}")) > 0));

    for _ in 0..4 {
        resolve(&node, Duration::from_secs(10)).await;
    }
    assert_eq!(log.count("this machine's clock is"), warned, "it is said once");

    // They set their clocks, all but the liar.
    for offset in &offsets[..2] {
        offset.store(0, Ordering::SeqCst);
    }
    resolve(&node, Duration::from_secs(10)).await;
    let offset = status(&node).await["clock_offset_s"].as_f64().expect("a number");
    assert!(offset.abs() < 1.0, "{offset}");
    assert_eq!(log.count("clock agrees with the clocks of its peers again"), 1);

    // Who is gone has no clock.
    drop((one, two, liar));
    tokio::time::sleep(Duration::from_millis(100)).await;
    resolve(&node, Duration::from_secs(10)).await;
    until(10, "nobody tells the time", || node.handle.clocks().offset_s().is_none()).await;
}

/// What a call is answered with, if not as usual.
type Instead = fn(&str) -> Option<Reply>;

/// What is wrong with the answers of a node whose clock is five seconds ahead.
fn wrong() -> Vec<(&'static str, Instead)> {
    vec![
        ("it has less work than it says", |line| {
            line.starts_with("GET /api/v1/blocks")
                .then(|| Reply::Text(200, r#"{"blocks": [], "next": null}"#.into()))
        }),
        ("its pages fail", |line| {
            line.starts_with("GET /api/v1/blocks").then(|| Reply::Text(500, String::new()))
        }),
        ("its headers are none", |line| {
            line.starts_with("GET /api/v1/headers").then(|| Reply::Text(200, "[]".into()))
        }),
        ("its blocks are none", |line| {
            let block = r#"{"index": 1}"#;
            line.starts_with("GET /api/v1/blocks")
                .then(|| Reply::Text(200, format!(r#"{{"blocks": [{{"block": {block}}}]}}"#)))
        }),
    ]
}

#[tokio::test]
async fn a_clock_counts_as_long_as_its_node_answers_whatever_else_it_does() {
    for (what, answer) in wrong() {
        let blocks = shared(&genesis(&lecture(), 0));
        let peer = Fake::serve(move |call| {
            if let Some(reply) = answer(&call.line) {
                return reply;
            }
            match own_reply_off_by(call, &lecture(), &blocks, 5.0) {
                Reply::Text(status, text) => {
                    // It claims to be ahead, so that it is asked for more.
                    Reply::Text(status, text.replace("\"work\": \"", "\"work\": \"fff"))
                }
                other => other,
            }
        })
        .await;
        let node = Node::start(&lecture());
        node.know(&[&peer.address]).await;
        for _ in 0..3 {
            resolve(&node, Duration::from_secs(10)).await;
            let offset = status(&node).await["clock_offset_s"].as_f64();
            assert!(offset.is_some_and(|offset| (offset - 5.0).abs() < 1.0), "{what}: {offset:?}");
        }
    }
}

#[tokio::test]
async fn a_node_that_is_busy_for_a_moment_has_the_clock_that_it_had() {
    let blocks = shared(&genesis(&lecture(), 0));
    let busy = Arc::new(AtomicI64::new(0));
    let status_of = busy.clone();
    let peer = Fake::serve(move |call| match status_of.load(Ordering::SeqCst) {
        0 => own_reply_off_by(call, &lecture(), &blocks, 5.0),
        status => Reply::Text(status as u16, String::new()),
    })
    .await;
    let node = Node::start(&lecture());
    node.know(&[&peer.address]).await;
    for status in [0, 503, 429, 500, 0] {
        busy.store(status, Ordering::SeqCst);
        let before = peer.count("GET /api/v1/status");
        resolve(&node, Duration::from_secs(10)).await;
        assert!(peer.count("GET /api/v1/status") > before, "it was asked");
        let offset = node.handle.clocks().offset_s();
        assert!(offset.is_some_and(|offset| (offset - 5.0).abs() < 1.0), "{status}: {offset:?}");
    }
}
