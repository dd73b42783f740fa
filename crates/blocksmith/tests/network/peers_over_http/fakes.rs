//! Peers that the tests play: Python nodes of each kind, our own kind, and peers with bad manners.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::Request;
use axum::response::Response;
use blocksmith::chain::{Chain, Dialect};
use blocksmith::service::{self, Handle, Options};
use blocksmith_consensus::json::{self, Value};
use blocksmith_consensus::{Block, Proof, Rules, Timestamp, Transaction, U256};
use blocksmith_node::PeerAddress;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// A node of ours with the adapter under test.
pub(crate) struct Node {
    pub(crate) handle: Handle,
    adapter: JoinHandle<()>,
}

impl Node {
    pub(crate) fn start(rules: &Rules) -> Self {
        let chain = Chain { rules: rules.clone(), dialect: Dialect::Notes };
        let options = Options::new(chain);
        let (handle, orders) = service::start(options).expect("a store in memory");
        let listen = "127.0.0.1:7".parse().ok();
        let adapter = tokio::spawn(blocksmith::peers::run(handle.clone(), orders, listen, None));
        Self { handle, adapter }
    }

    pub(crate) async fn know(&self, peers: &[&PeerAddress]) {
        let peers = peers.iter().map(|&peer| peer.clone()).collect();
        self.handle.register(peers).await.expect("a running node");
    }

    pub(crate) async fn mine(&self) -> Block {
        let work = self.handle.work(None).await.expect("it runs").expect("work");
        let proof = (0_u64..).find(|proof| work.job.accepts(proof.to_string())).expect("a proof");
        let mined = self.handle.submit_work(&work.id, proof.into()).await;
        mined.expect("a running node").expect("a valid proof")
    }

    /// Hands in blocks as if they had been here before.
    pub(crate) async fn has(&self, blocks: &[Block]) {
        for block in blocks {
            self.handle.submit_block(block.clone(), None).await.expect("a running node");
        }
        assert_eq!(self.tip(), *blocks.last().expect("blocks"));
    }

    pub(crate) fn tip(&self) -> Block {
        self.handle.standing().tip.block.clone()
    }

    /// Waits until the tip is this block.
    pub(crate) async fn reaches(&self, tip: &Block, seconds: u64) {
        until(seconds, "the node has the tip", || self.tip() == *tip).await;
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.adapter.abort();
    }
}

pub(crate) async fn until(seconds: u64, what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    while !holds() {
        assert!(Instant::now() < deadline, "not within {seconds} s: {what}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// A block on top of `parent` with its lowest proof.
pub(crate) fn next(rules: &Rules, parent: &Block, miner: &str) -> Block {
    let job = rules.job(parent.view(), &parent.hash(), None);
    let proof = (0_u64..).find(|proof| job.accepts(proof.to_string())).expect("a proof");
    let coin = format!(r#"{{"amount": 1, "recipient": "{miner}", "sender": "0"}}"#);
    let coin = Transaction::of_block(Value::of_canonical(&coin));
    let time = Timestamp { micros: 1_000_000 * parent.index() };
    Block::compose(parent, &Proof::from(proof), time, [&coin]).expect("a block")
}

/// `start`, continued to so many blocks.
pub(crate) fn grown(rules: &Rules, start: &[Block], length: usize, miner: &str) -> Vec<Block> {
    let mut blocks = start.to_vec();
    while blocks.len() < length {
        blocks.push(next(rules, &blocks[blocks.len() - 1], miner));
    }
    blocks
}

pub(crate) fn genesis(rules: &Rules, second: u64) -> Vec<Block> {
    vec![rules.genesis_block(Timestamp { micros: 1_000_000 * second })]
}

/// What a fake peer does with a request.
pub(crate) enum Reply {
    Text(u16, String),
    /// It takes this long first.
    Late(Duration, String),
    /// Says nothing for ever.
    Never,
    /// After the text, these bytes for ever, one piece each time that the wait is over.
    Endless(String, Bytes, Duration),
    /// These pieces, each after this time.
    Slowly(Vec<Bytes>, Duration),
    Redirect(String),
}

pub(crate) fn not_found() -> Reply {
    Reply::Text(404, "<h1>Not Found</h1>".into())
}

/// A request as a fake peer got it.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    /// Method and path with query, as in `GET /chain`.
    pub(crate) line: String,
    pub(crate) listen: Option<String>,
    pub(crate) body: String,
}

pub(crate) struct Fake {
    pub(crate) address: PeerAddress,
    calls: Arc<Mutex<Vec<Call>>>,
    server: JoinHandle<()>,
}

impl Drop for Fake {
    fn drop(&mut self) {
        self.server.abort();
    }
}

impl Fake {
    pub(crate) async fn serve(answer: impl Fn(&Call) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("an address").to_string().parse();
        let calls = Arc::new(Mutex::new(Vec::new()));
        let (log, answer) = (calls.clone(), Arc::new(answer));
        let app = Router::new().fallback(move |request: Request| {
            let (log, answer) = (log.clone(), answer.clone());
            async move {
                let line = format!("{} {}", request.method(), request.uri());
                let header = request.headers().get("blocksmith-listen");
                let listen = header.map(|text| text.to_str().unwrap_or("?").to_string());
                let body = axum::body::to_bytes(request.into_body(), 1 << 24).await;
                let body = String::from_utf8_lossy(&body.unwrap_or_default()).into_owned();
                let call = Call { line, listen, body };
                log.lock().unwrap().push(call.clone());
                respond(answer(&call)).await
            }
        });
        let server =
            tokio::spawn(async move { axum::serve(listener, app).await.expect("serving") });
        Self { address: address.expect("an address"), calls, server }
    }

    pub(crate) fn calls(&self, start: &str) -> Vec<Call> {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|call| call.line.starts_with(start)).cloned().collect()
    }

    pub(crate) fn count(&self, start: &str) -> usize {
        self.calls(start).len()
    }
}

async fn respond(reply: Reply) -> Response {
    let answer = |status: u16| Response::builder().status(status);
    match reply {
        Reply::Text(status, text) => answer(status).body(Body::from(text)),
        Reply::Late(wait, text) => {
            tokio::time::sleep(wait).await;
            answer(200).body(Body::from(text))
        }
        Reply::Never => std::future::pending().await,
        Reply::Endless(start, piece, wait) => {
            let pieces = futures_util::stream::unfold(Some(start), move |start| {
                let piece = piece.clone();
                async move {
                    let next = match start {
                        Some(start) => Bytes::from(start),
                        None => {
                            tokio::time::sleep(wait).await;
                            piece
                        }
                    };
                    Some((Ok::<_, std::convert::Infallible>(next), None))
                }
            });
            answer(200).body(Body::from_stream(pieces))
        }
        Reply::Slowly(pieces, wait) => {
            let pieces =
                futures_util::stream::unfold(pieces.into_iter(), move |mut pieces| async move {
                    tokio::time::sleep(wait).await;
                    let next = pieces.next()?;
                    Some((Ok::<_, std::convert::Infallible>(next), pieces))
                });
            answer(200).body(Body::from_stream(pieces))
        }
        Reply::Redirect(to) => answer(302).header("location", to).body(Body::empty()),
    }
    .expect("a response")
}

/// A port where nobody listens.
pub(crate) async fn dead() -> PeerAddress {
    let unused = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    unused.local_addr().expect("an address").to_string().parse().expect("an address")
}

/// Accepts every connection and never says a word; counts them.
pub(crate) async fn tarpit() -> (PeerAddress, Arc<Mutex<Vec<tokio::net::TcpStream>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("an address").to_string().parse();
    let connections = Arc::new(Mutex::new(Vec::new()));
    let open = connections.clone();
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            open.lock().unwrap().push(connection);
        }
    });
    (address.expect("an address"), connections)
}

/// The blocks of a fake, which it and the test both see.
pub(crate) type Blocks = Arc<Mutex<Vec<Block>>>;

pub(crate) fn shared(blocks: &[Block]) -> Blocks {
    Arc::new(Mutex::new(blocks.to_vec()))
}

/// What the Python nodes differ in.
#[derive(Clone)]
pub(crate) struct Manners {
    /// `last_proof`, `proof` or `last_block`.
    pub(crate) look: Option<&'static str>,
    pub(crate) push: &'static [&'static str],
    pub(crate) list: &'static str,
}

pub(crate) const LECTURE: Manners =
    Manners { look: Some("last_proof"), push: &["/nodes/new", "/new"], list: "chain" };
pub(crate) const COURSE: Manners =
    Manners { look: Some("last_block"), push: &["/block/new"], list: "chain" };
pub(crate) const DVF: Manners = Manners { look: None, push: &[], list: "chain" };

pub(crate) fn document(list: &str, blocks: &[Block], length: usize) -> String {
    let texts: Vec<_> = blocks.iter().map(Block::text).collect();
    // As Flask indents it, more or less.
    format!(
        "{{\n  \"{list}\": [\n    {}\n  ],\n  \"length\": {length}\n}}\n",
        texts.join(",\n    ")
    )
}

/// What a Python node does.
pub(crate) fn python_reply(call: &Call, manners: &Manners, blocks: &Blocks) -> Reply {
    let mut blocks = blocks.lock().unwrap();
    let last = blocks.last().expect("a genesis").clone();
    let ok = |text: String| Reply::Text(200, text);
    match call.line.split_once(' ').expect("a method") {
        ("GET", "/chain") => ok(document(manners.list, &blocks, blocks.len())),
        ("GET", "/last_proof") => match manners.look {
            Some(key @ ("last_proof" | "proof")) => {
                ok(format!("{{\"{key}\":{}}}\n", last.view().proof_json()))
            }
            _ => not_found(),
        },
        ("GET", "/last_block") if manners.look == Some("last_block") => {
            ok(format!("{{\"last_block\":{}}}\n", last.text()))
        }
        ("POST", path) if manners.push.contains(&path) => {
            let text = json::canonical(call.body.as_bytes()).expect("JSON");
            let block = Value::of_canonical(&text).get("block").expect("a block").text();
            let block = Block::of_canonical(block).expect("a block");
            let fits = block.index() == last.index() + 1 && block.parent() == Some(last.hash());
            if fits {
                blocks.push(block);
            }
            ok(if fits { "Block Accepted" } else { "Block Rejected" }.into())
        }
        _ => not_found(),
    }
}

pub(crate) async fn python(manners: Manners, blocks: &Blocks) -> Fake {
    let blocks = blocks.clone();
    Fake::serve(move |call| python_reply(call, &manners, &blocks)).await
}

/// What our own kind does.
pub(crate) fn own_reply(call: &Call, rules: &Rules, id: &str, blocks: &Blocks) -> Reply {
    let blocks = blocks.lock().unwrap();
    let last = blocks.last().expect("a genesis");
    let (line, query) = call.line.split_once('?').unwrap_or((&call.line, ""));
    let number = |key: &str| -> u64 {
        let pair = query.split('&').find_map(|pair| pair.strip_prefix(key));
        pair.and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    let page = blocks.iter().filter(|block| block.index() >= number("from="));
    let page = page.take(number("limit=") as usize);
    Reply::Text(
        200,
        match line {
            "GET /api/v1/status" => {
                let work = rules.target_after(&rules.first_difficulty_state(last.view())).work()
                    * U256::from(last.index() - 1);
                format!(
                    r#"{{"name": "x", "rules": {}, "chain_id": "{}", "instance": "{id}", "index": {}, "tip": "{}", "work": "{work:x}"}}"#,
                    rules.json(),
                    rules.chain_id(),
                    last.index(),
                    last.hash(),
                )
            }
            "GET /api/v1/headers" => {
                let headers: Vec<_> = page
                    .map(|block| {
                        format!(r#"{{"index": {}, "hash": "{}"}}"#, block.index(), block.hash())
                    })
                    .collect();
                format!(r#"{{"headers": [{}], "next": null}}"#, headers.join(", "))
            }
            "GET /api/v1/blocks" => {
                let blocks: Vec<_> = page
                    .map(|block| {
                        format!(r#"{{"hash":"{}","block":{}}}"#, block.hash(), block.text())
                    })
                    .collect();
                format!(r#"{{"blocks":[{}],"next":null}}"#, blocks.join(","))
            }
            "POST /api/v1/blocks" => r#"{"result": "accepted"}"#.into(),
            _ => return not_found(),
        },
    )
}

pub(crate) async fn own_kind(rules: &Rules, blocks: &Blocks) -> Fake {
    let (rules, blocks) = (rules.clone(), blocks.clone());
    Fake::serve(move |call| own_reply(call, &rules, "somebody", &blocks)).await
}

/// The indexes of the blocks that came by POST, in order, without those that were told that there
/// is no such route.
pub(crate) fn pushed(fake: &Fake, routes: &[&str]) -> Vec<u64> {
    let mut indexes = Vec::new();
    for call in fake.calls("POST ") {
        let path = call.line.trim_start_matches("POST ");
        if routes.contains(&path) {
            let text = json::canonical(call.body.as_bytes()).expect("JSON");
            let value = Value::of_canonical(&text);
            let block = value.get("block").unwrap_or(value);
            let index = block.get("index").and_then(Value::as_u64).expect("an index");
            indexes.push(index);
        }
    }
    indexes
}
