//! A node on a free port of this machine, and a client for it.

use std::time::Duration;

use blocksmith::chain::{Chain, Dialect};
use blocksmith::http::{self, Manners};
use blocksmith::service::{self, Handle, Options};
use blocksmith_consensus::json::Value;
use blocksmith_consensus::{Block, Proof, Rules, Timestamp, Transaction};
use blocksmith_node::NetworkEffect;
use reqwest::{Client, Method, StatusCode};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

pub(crate) const GENESIS: &str =
    r#"{"index": 1, "previous_hash": null, "proof": 99, "timestamp": 0, "transactions": []}"#;
pub(crate) const GENESIS_HASH: &str =
    "8b89069344926ce9f90fc13f3518e95630459b81321f747302fd23d1b94f48ea";

pub(crate) struct Node {
    pub(crate) url: String,
    pub(crate) handle: Handle,
    pub(crate) orders: Option<mpsc::UnboundedReceiver<NetworkEffect>>,
    pub(crate) stop: Option<oneshot::Sender<()>>,
    pub(crate) serving: JoinHandle<std::io::Result<()>>,
    pub(crate) client: Client,
}

/// What a call was answered with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) kind: String,
    pub(crate) allow: String,
    pub(crate) text: String,
}

impl Answer {
    #[track_caller]
    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.text).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// Status and body of a plain text.
    #[track_caller]
    pub(crate) fn plain(&self) -> (u16, &str) {
        assert_eq!(self.kind, "text/plain; charset=utf-8", "{self:?}");
        (self.status, &self.text)
    }

    /// Status and body of a JSON answer.
    #[track_caller]
    pub(crate) fn good(&self) -> (u16, serde_json::Value) {
        assert_eq!(self.kind, "application/json", "{self:?}");
        (self.status, self.json())
    }

    /// Status and detail of a problem, which says its status itself as well.
    #[track_caller]
    pub(crate) fn problem(&self) -> (u16, serde_json::Value) {
        assert_eq!(self.kind, "application/problem+json", "{self:?}");
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{self:?}");
        let title = StatusCode::from_u16(self.status).unwrap().canonical_reason();
        assert_eq!(problem["title"].as_str(), title);
        assert_eq!(problem["type"], "about:blank");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()), "{self:?}");
        (self.status, problem)
    }
}

impl Node {
    pub(crate) async fn notes() -> Self {
        Self::start(Chain { rules: Rules::lecture(), dialect: Dialect::Notes }).await
    }

    /// Every proof is valid.
    pub(crate) async fn easy() -> Self {
        let rules = Rules::lecture().with_zeros(0);
        Self::start(Chain { rules, dialect: Dialect::Notes }).await
    }

    pub(crate) async fn course() -> Self {
        let rules = Rules::course().with_zeros(1);
        Self::start(Chain { rules, dialect: Dialect::Course }).await
    }

    pub(crate) async fn start(chain: Chain) -> Self {
        Self::start_with(Options {
            node_id: Some("00341426854640f596f4ba49a64f7c5a".into()),
            ..Options::new(chain)
        })
        .await
    }

    pub(crate) async fn start_with(options: Options) -> Self {
        Self::serve(options, Manners::default()).await
    }

    pub(crate) async fn serve(options: Options, manners: Manners) -> Self {
        let (handle, orders) = service::start(options).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (stop, stopped) = oneshot::channel();
        let serving = tokio::spawn(http::serve(listener, handle.clone(), manners, None, async {
            let _ = stopped.await;
        }));
        let client =
            blocksmith::client::builder().timeout(Duration::from_secs(60)).build().unwrap();
        Self { url, handle, orders: Some(orders), stop: Some(stop), serving, client }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.call(self.client.get(format!("{}{path}", self.url))).await
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Answer {
        self.post_as(path, "application/json", body).await
    }

    pub(crate) async fn post_as(
        &self,
        path: &str,
        kind: &str,
        body: impl Into<reqwest::Body>,
    ) -> Answer {
        let request = self.client.post(format!("{}{path}", self.url));
        self.call(request.header("content-type", kind).body(body)).await
    }

    pub(crate) async fn send(&self, method: Method, path: &str) -> Answer {
        self.call(self.client.request(method, format!("{}{path}", self.url))).await
    }

    pub(crate) async fn call(&self, request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let header = |name| match response.headers().get(name) {
            Some(value) => value.to_str().unwrap().to_string(),
            None => String::new(),
        };
        Answer {
            status: response.status().as_u16(),
            kind: header("content-type"),
            allow: header("allow"),
            text: response.text().await.unwrap(),
        }
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.url.trim_start_matches("http://")).await.unwrap()
    }

    pub(crate) fn tip(&self) -> Block {
        self.handle.standing().tip.block.clone()
    }
}

/// A block on top of `parent` with a proof that need not be valid and one payment to `recipient`.
pub(crate) fn next(parent: &Block, proof: u64, recipient: &str) -> Block {
    let recipient = format!("\"{recipient}\"");
    let [sender, recipient, amount] = [r#""0""#, &recipient, "1"].map(Value::of_canonical);
    compose(parent, proof, &[Transaction::new(sender, recipient, amount)])
}

/// A block on top of `parent` with a proof that need not be valid and these payments.
pub(crate) fn paying(parent: &Block, proof: u64, payments: &[String]) -> Block {
    let read = |text: &String| Transaction::from_request(Value::of_canonical(text)).unwrap();
    compose(parent, proof, &payments.iter().map(read).collect::<Vec<_>>())
}

fn compose(parent: &Block, proof: u64, transactions: &[Transaction]) -> Block {
    let time = Timestamp { micros: 1_500_000 };
    Block::compose(parent, &Proof::from(proof), time, transactions).unwrap()
}
