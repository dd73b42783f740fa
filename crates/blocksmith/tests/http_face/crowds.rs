//! Whoever opens many connections, of whatever kind, keeps nobody else out.

use std::net::Ipv4Addr;
use std::process::Stdio;
use std::time::{Duration, Instant};

use blocksmith_consensus::{Block, Rules, Timestamp};
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::process::{Child, Command};

#[cfg(target_os = "linux")]
use blocksmith_testkit::process::peak_bytes;

use crate::node::next;

/// The process may open so many files; three quarters of them are connections.
const FILES: usize = 256;

/// How many connections a crowd opens: more than the node takes.
const CROWD: usize = 400;

/// A short call is answered within this, however many others are open.
pub(crate) const SHORT: Duration = Duration::from_secs(3);

const HALF_A_BODY: &str = "POST /new HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99\r\n\r\n{";

/// Blocksmith with a limit of files, and where its nodes listen.
pub(crate) struct Program {
    addresses: Vec<String>,
    child: Child,
    _home: tempfile::TempDir,
}

impl Program {
    /// `limit` is what `ulimit -n` is given.
    async fn start(limit: &str, words: &[&str], nodes: usize) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut child = Command::new("sh")
            .args(["-c", &format!("ulimit {limit}; exec \"$@\""), "sh"])
            .arg(env!("CARGO_BIN_EXE_blocksmith"))
            .args(words)
            .arg("--data-dir")
            .arg(home.path())
            // What is long and freed goes back to the system at once, so that the memory of a process is
            // what it holds.
            .env("MALLOC_MMAP_THRESHOLD_", "1000000")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut addresses = Vec::new();
        while addresses.len() < nodes {
            let line = lines.next_line().await.unwrap().expect("it says where it listens");
            let url = line.split_whitespace().find_map(|word| word.strip_prefix("http://"));
            addresses.extend(url.map(String::from));
        }
        // What it prints is not waited for.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        Self { addresses, child, _home: home }
    }

    pub(crate) async fn node(words: &[&str]) -> Self {
        let all = [&["node", "0"], words].concat();
        Self::start(&format!("-n {FILES}"), &all, 1).await
    }

    pub(crate) fn address(&self) -> &str {
        &self.addresses[0]
    }

    /// The most memory that it has had, in bytes.
    #[cfg(target_os = "linux")]
    pub(crate) fn memory(&self) -> usize {
        peak_bytes(self.child.id().unwrap()).unwrap() as usize
    }

    /// Opens a crowd of connections, each of which sends `request` and no more.
    async fn crowd(&self, request: &str) -> Vec<TcpStream> {
        let mut crowd = Vec::new();
        for _ in 0..CROWD {
            let mut stream = TcpStream::connect(self.address()).await.unwrap();
            // The node may have closed the connection already.
            let _ = stream.write_all(request.as_bytes()).await;
            crowd.push(stream);
        }
        crowd
    }

    /// Short calls of whoever comes now, some at once and some later.
    async fn serves_newcomers(&self, kind: &str) {
        for turn in 0..4 {
            let asked = Instant::now();
            let answer = call(self.address(), "GET /last_block HTTP/1.1\r\nHost: x\r\n").await;
            assert!(answer.starts_with("HTTP/1.1 200"), "{kind}, {turn}: {answer}");
            let answer = post(
                self.address(),
                "/transactions/new",
                r#"{"sender": "a", "recipient": "b", "amount": 1}"#,
            );
            let answer = answer.await;
            assert!(answer.starts_with("HTTP/1.1 201"), "{kind}, {turn}: {answer}");
            assert!(asked.elapsed() < SHORT, "{kind}, {turn}: {:?}", asked.elapsed());
            tokio::time::sleep(Duration::from_millis(300)).await;
        }
    }
}

/// A connection from one of this machine's own addresses, for which the system keeps little unread.
pub(crate) async fn connect(address: &str, from: Ipv4Addr) -> TcpStream {
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4_096).unwrap();
    socket.bind((from, 0).into()).unwrap();
    socket.connect(address.parse().unwrap()).await.unwrap()
}

/// One call without a body on a connection of its own: all that is answered.
pub(crate) async fn call(address: &str, head: &str) -> String {
    exchange(address, &format!("{head}Connection: close\r\n\r\n")).await
}

async fn exchange(address: &str, request: &str) -> String {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await?;
        stream.write_all(request.as_bytes()).await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        std::io::Result::Ok(answer)
    };
    match tokio::time::timeout(Duration::from_secs(20), exchange).await {
        Ok(answer) => answer.unwrap_or_else(|error| error.to_string()),
        Err(_) => "no answer".into(),
    }
}

pub(crate) async fn post(address: &str, path: &str, body: &str) -> String {
    exchange(address, &posted(path, body)).await
}

/// Such a call as it is sent.
pub(crate) fn posted(path: &str, body: &str) -> String {
    let length = body.len();
    format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nConnection: close\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    )
}

pub(crate) fn genesis() -> Block {
    Rules::lecture().genesis_block(Timestamp::default())
}

async fn work_id(address: &str) -> String {
    let head = "GET /api/v1/work?recipient=a HTTP/1.1\r\nHost: x\r\n";
    let answer = call(address, head).await;
    let body = answer.split("\r\n\r\n").nth(1).unwrap();
    serde_json::from_str::<serde_json::Value>(body).unwrap()["id"].as_str().unwrap().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_send_little_or_nothing_keep_nobody_out() {
    for (kind, request) in [
        ("silent ones", ""),
        ("idle ones after a call", "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"),
        ("half a head", "GET /chain HTTP/1.1\r\nHost"),
        ("half a body", HALF_A_BODY),
    ] {
        let node = Program::node(&[]).await;
        let crowd = node.crowd(request).await;
        node.serves_newcomers(kind).await;
        drop(crowd);
    }
}

/// Where connections run out, those of the address that holds most give way, and no older ones.
#[tokio::test(flavor = "multi_thread")]
async fn who_holds_few_connections_keeps_them() {
    let node = Program::node(&[]).await;
    let mut few = Vec::new();
    for place in 2..5 {
        let mut own = connect(node.address(), [127, 0, 0, place].into()).await;
        let head = head_of(&mut own, "GET /last_block HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
        few.push(own);
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    let crowd = node.crowd("").await;
    node.serves_newcomers("silent ones").await;
    for own in &mut few {
        let head = head_of(own, "GET /last_block HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(head.starts_with("http/1.1 200"), "{head}");
    }
    drop(crowd);
}

/// Of one address, idle connections give way before those that wait for something, however old.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_missed_least_gives_way_first() {
    let node = Program::node(&["--zeros", "40"]).await;
    let than = work_id(node.address()).await.replace('/', "%2F");
    let mut waiting = Vec::new();
    for request in [
        format!("GET /api/v1/work?recipient=a&than={than} HTTP/1.1\r\nHost: x\r\n\r\n"),
        "GET /mine HTTP/1.1\r\nHost: x\r\n\r\n".into(),
        HALF_A_BODY.into(),
    ] {
        let mut stream = TcpStream::connect(node.address()).await.unwrap();
        stream.write_all(request.as_bytes()).await.unwrap();
        waiting.push((request, stream));
    }
    // As many as there is room for, all of which have been there for a while; and then more.
    let mut silent = Vec::new();
    for _ in waiting.len()..FILES / 4 * 3 {
        silent.push(TcpStream::connect(node.address()).await.unwrap());
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    for _ in 0..50 {
        silent.push(TcpStream::connect(node.address()).await.unwrap());
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    for (request, stream) in &mut waiting {
        let mut answer = [0; 1_000];
        let read = tokio::time::timeout(Duration::from_millis(50), stream.read(&mut answer)).await;
        assert!(read.is_err(), "{request}: {read:?} {}", String::from_utf8_lossy(&answer));
    }
    let (mut gone, all) = (0, waiting.len() + silent.len());
    for mut stream in silent {
        let read = tokio::time::timeout(Duration::from_millis(5), stream.read(&mut [0])).await;
        gone += usize::from(matches!(read, Ok(Ok(0) | Err(_))));
    }
    assert!(all - gone <= FILES / 4 * 3, "{gone} of {all} gave way");
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_that_wait_keep_nobody_out() {
    // Nobody finds a proof of so many zeros.
    let node = Program::node(&["--zeros", "40"]).await;
    let than = work_id(node.address()).await.replace('/', "%2F");
    for (kind, path) in [
        ("long polls", format!("/api/v1/work?recipient=a&than={than}")),
        ("searches", "/mine".into()),
    ] {
        let crowd = node.crowd(&format!("GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")).await;
        node.serves_newcomers(kind).await;
        // A miner that had to give way has work all the same.
        let answer = work_id(node.address()).await;
        assert_eq!(answer.replace('/', "%2F"), than);
        drop(crowd);
    }
    // This peer takes calls and answers none.
    let peer = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let silent = peer.local_addr().unwrap().to_string();
    let answer =
        post(node.address(), "/nodes/register", &format!(r#"{{"nodes": ["{silent}"]}}"#)).await;
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    let crowd = node.crowd("GET /nodes/resolve HTTP/1.1\r\nHost: x\r\n\r\n").await;
    node.serves_newcomers("resolving").await;
    drop(crowd);
}

#[tokio::test(flavor = "multi_thread")]
async fn long_polls_that_give_way_are_answered_with_work() {
    let node = Program::node(&[]).await;
    let than = work_id(node.address()).await;
    let request = format!(
        "GET /api/v1/work?recipient=a&than={} HTTP/1.1\r\nHost: x\r\n\r\n",
        than.replace('/', "%2F")
    );
    let mut crowd = node.crowd(&request).await;
    node.serves_newcomers("long polls").await;
    let mut answered = 0;
    for stream in &mut crowd[..CROWD / 4] {
        let mut answer = vec![0; 2_000];
        let read = tokio::time::timeout(Duration::from_millis(20), stream.read(&mut answer)).await;
        if let Ok(Ok(bytes)) = read {
            let answer = String::from_utf8_lossy(&answer[..bytes]).to_lowercase();
            assert!(answer.starts_with("http/1.1 200") && answer.contains(&than), "{answer}");
            assert!(answer.contains("connection: close"), "{answer}");
            answered += 1;
        }
    }
    assert!(answered > 0, "those that came first gave way first");
}

#[tokio::test(flavor = "multi_thread")]
async fn clients_that_do_not_read_keep_nobody_from_reading() {
    let node = Program::node(&["--zeros", "0"]).await;
    let mut tip = genesis();
    for proof in 0..8 {
        tip = next(&tip, proof, &"x".repeat(1_000_000));
        let answer = post(node.address(), "/new", &format!(r#"{{"block": {}}}"#, tip.text())).await;
        assert!(answer.ends_with("Block Accepted"), "{answer}");
    }
    let crowd = node.crowd("GET /chain HTTP/1.1\r\nHost: x\r\n\r\n").await;
    node.serves_newcomers("clients that do not read").await;
    let asked = Instant::now();
    let chain = call(node.address(), "GET /chain HTTP/1.1\r\nHost: x\r\n").await;
    assert!(chain.len() > 8_000_000 && chain.contains(r#""length": 9}"#), "{}", chain.len());
    assert!(asked.elapsed() < SHORT * 2, "{:?}", asked.elapsed());
    let last = next(&tip, 9, "a");
    let answer = post(node.address(), "/new", &format!(r#"{{"block": {}}}"#, last.text())).await;
    assert!(answer.ends_with("Block Accepted"), "{answer}");
    drop(crowd);
}

/// Calls one after the other, and never waits for an answer. Comes back whenever it is sent away.
async fn pipeline(address: &str, request: &str) {
    let calls = request.repeat(20);
    loop {
        let hog = async {
            let mut stream = TcpStream::connect(address).await?;
            let (mut reader, mut writer) = stream.split();
            let send = async {
                loop {
                    writer.write_all(calls.as_bytes()).await?;
                }
            };
            let mut answers = vec![0; 65_536];
            let read = async {
                while reader.read(&mut answers).await? > 0 {}
                std::io::Result::Ok(())
            };
            tokio::select! { done = send => done, done = read => done }
        };
        let _: std::io::Result<()> = hog.await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_never_stops_calling_keeps_no_other_waiting() {
    let payment = r#"{"sender": "a", "recipient": "b", "amount": 1}"#;
    let pay = format!(
        "POST /transactions/new HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{payment}",
        payment.len()
    );
    for (kind, request) in
        [("looks", "GET /last_block HTTP/1.1\r\nHost: x\r\n\r\n".to_string()), ("payments", pay)]
    {
        let node = Program::node(&[]).await;
        let mut crowd = tokio::task::JoinSet::new();
        for _ in 0..300 {
            let (address, request) = (node.address().to_string(), request.clone());
            crowd.spawn(async move { pipeline(&address, &request).await });
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
        for turn in 0..5 {
            let asked = Instant::now();
            // From another address of this machine.
            let socket = tokio::net::TcpSocket::new_v4().unwrap();
            socket.bind("127.0.0.2:0".parse().unwrap()).unwrap();
            let mut stream = socket.connect(node.address().parse().unwrap()).await.unwrap();
            let head = "GET /last_block HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
            stream.write_all(head.as_bytes()).await.unwrap();
            let mut answer = String::new();
            stream.read_to_string(&mut answer).await.unwrap();
            assert!(answer.starts_with("HTTP/1.1 200"), "{kind}, {turn}: {answer}");
            assert!(asked.elapsed() < SHORT, "{kind}, {turn}: {:?}", asked.elapsed());
        }
        crowd.shutdown().await;
    }
}

/// Room for long bodies is taken back from those that send them slowly.
#[tokio::test(flavor = "multi_thread")]
async fn long_bodies_that_do_not_end_keep_nobody_from_sending_one() {
    let node = Program::node(&["--zeros", "0"]).await;
    let long = 4_000_000;
    let head = format!(
        "POST /new HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
        long + 1
    );
    let body = vec![b' '; long];
    let mut crowd = Vec::new();
    // More than all of them may hold.
    for _ in 0..75 {
        let mut stream = TcpStream::connect(node.address()).await.unwrap();
        stream.write_all(head.as_bytes()).await.unwrap();
        let _ = tokio::time::timeout(Duration::from_secs(5), stream.write_all(&body)).await;
        crowd.push(stream);
    }
    let block = next(&genesis(), 1, &"x".repeat(1_000_000));
    let asked = Instant::now();
    let answer = post(node.address(), "/new", &format!(r#"{{"block": {}}}"#, block.text())).await;
    assert!(answer.ends_with("Block Accepted"), "{answer}");
    assert!(asked.elapsed() < SHORT * 2, "{:?}", asked.elapsed());
}

/// A shell's or a service's soft limit is no limit of the node's.
#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn the_soft_limit_of_files_is_raised() {
    for words in [&["node", "0"][..], &["dev", "--nodes", "1", "--port", "0"]] {
        let program = Program::start("-S -n 128", words, 1).await;
        let id = program.child.id().unwrap();
        let limits = std::fs::read_to_string(format!("/proc/{id}/limits")).unwrap();
        let files = limits.lines().find(|line| line.starts_with("Max open files")).unwrap();
        let limits: Vec<u64> =
            files.split_whitespace().filter_map(|word| word.parse().ok()).collect();
        assert_eq!(limits[0], limits[1].min(65_536), "{files}");
        let crowd = program.crowd("").await;
        program.serves_newcomers("silent ones").await;
        let mut first = [0; 1];
        let closed = tokio::time::timeout(Duration::from_millis(50), async {
            crowd[0].readable().await.unwrap();
            crowd[0].try_read(&mut first)
        });
        assert!(closed.await.is_err(), "there is room for all, so nobody is sent away");
    }
}

/// The nodes of one process share its files.
#[tokio::test(flavor = "multi_thread")]
async fn a_crowd_at_one_node_of_a_process_keeps_nobody_from_the_others() {
    let words = ["dev", "--nodes", "3", "--port", "0"];
    let mut program = Program::start(&format!("-n {FILES}"), &words, 3).await;
    let mut crowds = Vec::new();
    for turn in 0..3 {
        crowds.push(program.crowd("").await);
        program.addresses.rotate_left(1);
        program.serves_newcomers(&format!("crowd {turn}")).await;
    }
    program.child.start_kill().unwrap();
    let mut log = String::new();
    program.child.stderr.take().unwrap().read_to_string(&mut log).await.unwrap();
    assert!(!log.contains("could not be accepted"), "{log}");
}

/// What is said of a connection, in small letters: its head.
async fn head_of(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4_000];
    let read = tokio::time::timeout(Duration::from_secs(5), stream.read(&mut answer)).await;
    let bytes = read.expect("an answer").expect("an open connection");
    let answer = String::from_utf8_lossy(&answer[..bytes]).to_lowercase();
    answer.split("\r\n\r\n").next().unwrap().into()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_stays_open_while_a_student_thinks_and_says_for_how_long() {
    let node = Program::node(&[]).await;
    let connect = async || TcpStream::connect(node.address()).await.unwrap();
    let (mut thinking, mut hesitating) = (connect().await, connect().await);
    let get = "GET /api/v1/status HTTP/1.1\r\nHost: x\r\n\r\n";
    let head = head_of(&mut thinking, get).await;
    assert!(head.contains("connection: keep-alive\r\nkeep-alive: timeout=300"), "{head}");
    tokio::time::sleep(Duration::from_secs(32)).await;
    let payment = r#"{"sender": "a", "recipient": "b", "amount": 1}"#;
    let request = format!(
        "POST /transactions/new HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{payment}",
        payment.len()
    );
    let head = head_of(&mut thinking, &request).await;
    assert!(head.starts_with("http/1.1 201"), "{head}");
    // The same before the first call.
    let head = head_of(&mut hesitating, get).await;
    assert!(head.starts_with("http/1.1 200"), "{head}");

    for request in [
        "GET /chain HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n",
        "GET /chain HTTP/1.0\r\n\r\n",
    ] {
        let mut stream = connect().await;
        let head = head_of(&mut stream, request).await;
        assert!(head.contains("connection: close") && !head.contains("timeout"), "{head}");
        assert_eq!(stream.read(&mut [0; 1_000]).await.unwrap_or(0), 0, "it closes");
    }
    let mut old = connect().await;
    let head = head_of(&mut old, "GET /chain HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").await;
    assert!(head.contains("keep-alive: timeout=300"), "{head}");
}
