//! `blocksmith peers`: whom a running node keeps in touch with.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use blocksmith_node::Address;
use reqwest::{Method, StatusCode, Url, redirect};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::{counted, exit, output};
use crate::client::{cause, is_loopback, parse_url};
use crate::operator::Token;
use crate::text::{json, shown};

/// How long a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// How long an answer may take.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// The most bytes of an answer: some hundred peers, each with why it fails.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// How much of what a node says is shown, in characters.
const MAX_SHOWN: usize = 300;

/// How long a new peer may take to show whether it answers.
const PATIENCE: Duration = Duration::from_secs(8);

/// How often that is looked at.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// See and choose whom a running node keeps in touch with
#[derive(Debug, clap::Args)]
pub struct PeersArgs {
    /// The node that is meant
    #[arg(long, global = true, value_name = "URL", default_value = "http://127.0.0.1:5000", value_parser = parse_url)]
    node: Url,
    /// The node's token, if it runs on another machine: a copy of the file whose path it prints when it starts
    #[arg(long, global = true, value_name = "FILE", env = "BLOCKSMITH_TOKEN_FILE")]
    token_file: Option<PathBuf>,
    /// Print JSON
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: PeersCommand,
}

#[derive(Debug, clap::Subcommand)]
enum PeersCommand {
    /// Show each peer, and whether it answers
    List,
    /// Keep in touch with a node
    Add {
        /// Where it is, like localhost:5001
        #[arg(value_name = "ADDRESS", value_parser = Address::typed)]
        address: Address,
    },
    /// Call a node no more
    Forget {
        /// Where it is, as the list has it
        #[arg(value_name = "ADDRESS", value_parser = Address::listed)]
        address: Address,
    },
}

/// Why a node did not do it.
#[derive(Debug, thiserror::Error)]
enum NodeError {
    #[error("{url} does not answer ({cause}); is a node running there? --node names another")]
    Away { url: String, cause: String },
    #[error("the node at {url} refuses: {detail}")]
    Refused { url: String, detail: String },
    #[error("{url} does not answer as a Blocksmith node does ({answer}); --node names another")]
    Strange { url: String, answer: String },
}

/// The exit code of this command's own errors.
pub(super) fn exit_code(error: &anyhow::Error) -> Option<u8> {
    match error.downcast_ref()? {
        NodeError::Away { .. } => Some(exit::UNREACHABLE),
        NodeError::Refused { .. } => Some(exit::REJECTED),
        NodeError::Strange { .. } => None,
    }
}

/// A peer, as a node tells of it.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Peer {
    address: String,
    chosen: bool,
    state: State,
    for_s: f64,
    failures: u64,
    reason: Option<String>,
    asked_in_s: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum State {
    New,
    Answers,
    Fails,
}

/// Runs the command.
///
/// # Errors
/// That the node does not answer, or refuses.
pub async fn run(args: PeersArgs) -> anyhow::Result<ExitCode> {
    let node = Node::new(&args)?;
    let said = match &args.command {
        PeersCommand::List => list(&node, args.json).await?,
        PeersCommand::Add { address } => add(&node, address, args.json).await?,
        PeersCommand::Forget { address } => forget(&node, address, args.json).await?,
    };
    match writeln!(output::stdout(), "{said}") {
        // Whoever reads has what they wanted, as `head` does.
        Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(ExitCode::SUCCESS),
    }
}

async fn list(node: &Node, as_json: bool) -> anyhow::Result<String> {
    let peers = node.peers().await?;
    if as_json {
        return Ok(json(&serde_json::to_string(&peers)?));
    }
    if peers.is_empty() {
        return Ok("no peers; blocksmith peers add ADDRESS names one".into());
    }
    let width = peers.iter().map(|peer| peer.name().chars().count()).max().unwrap_or_default();
    let mut said = String::new();
    for peer in &peers {
        // Writing to a string can't fail.
        let _ = writeln!(said, "{:width$}  {}", peer.name(), peer.says());
    }
    said.pop();
    Ok(said)
}

async fn add(node: &Node, address: &Address, as_json: bool) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Added {
        new: Vec<String>,
    }
    let nodes = serde_json::json!({ "nodes": [address.as_str()] }).to_string();
    let added: Added = node.ask(Method::POST, &["peers"], Some(nodes)).await?;
    let is_new = !added.new.is_empty();
    let deadline = Instant::now() + PATIENCE;
    // The name that it was first given stays its own.
    let is_it = |peer: &Peer| peer.address.parse::<Address>().is_ok_and(|other| other == *address);
    let peer = loop {
        let peer = node.peers().await?.into_iter().find(is_it);
        match peer {
            Some(peer) if peer.state == State::New && Instant::now() < deadline => {}
            peer => break peer,
        }
        sleep(LOOK_EVERY).await;
    };
    if as_json {
        return Ok(json(&serde_json::json!({ "added": is_new, "peer": peer }).to_string()));
    }
    let Some(peer) = peer else {
        return Ok(format!(
            "{address} was asked and is no peer: it is that node itself, or a peer under another \
             name, as its log says"
        ));
    };
    let name = match peer.name() {
        name if name == address.as_str() => name,
        name => format!("{address} (as {name})"),
    };
    let was = if is_new { "is a peer now" } else { "is a peer already" };
    Ok(format!("{name} {was}: {}", peer.says()))
}

async fn forget(node: &Node, address: &Address, as_json: bool) -> anyhow::Result<String> {
    #[derive(Serialize, Deserialize)]
    struct Forgotten {
        forgotten: String,
    }
    let said: Forgotten = node.ask(Method::DELETE, &["peers", address.as_str()], None).await?;
    if as_json {
        return Ok(json(&serde_json::to_string(&said)?));
    }
    let name = shown(&said.forgotten, MAX_SHOWN);
    Ok(format!("{name} is forgotten: it is called no more, unless it registers again"))
}

impl Peer {
    fn name(&self) -> String {
        shown(&self.address, MAX_SHOWN)
    }

    fn says(&self) -> String {
        let time = ago(self.for_s);
        let mut said = match self.state {
            State::New => "was not heard yet".to_string(),
            State::Answers => format!("answers, since {time}"),
            State::Fails => {
                let reason = self.reason.as_deref().unwrap_or("it does not say why");
                let times = counted(self.failures, "failure");
                format!("does not answer, since {time} ({times}): {}", shown(reason, MAX_SHOWN))
            }
        };
        if let (State::Fails, Some(wait)) = (self.state, self.asked_in_s) {
            // Writing to a string can't fail.
            let _ = write!(said, "; asked again in {}", ago(wait));
        }
        if self.chosen { format!("{said} (chosen)") } else { said }
    }
}

/// A time as people say it.
fn ago(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 6_000.0 => format!("{:.0} min", s / 60.0),
        s if s < 200_000.0 => format!("{:.0} h", s / 3_600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}

struct Node {
    client: reqwest::Client,
    base: Url,
    token: Option<Token>,
}

impl Node {
    fn new(args: &PeersArgs) -> anyhow::Result<Self> {
        let mut client = crate::client::builder()
            .user_agent(concat!("blocksmith/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIME)
            .timeout(ANSWER_TIME)
            // What is to be done is done there, or nowhere; and a token is for one node alone.
            .redirect(redirect::Policy::none());
        if is_loopback(&args.node) {
            client = client.no_proxy();
        }
        let token = args.token_file.as_deref().map(Token::read).transpose()?;
        Ok(Self { client: client.build()?, base: args.node.clone(), token })
    }

    async fn peers(&self) -> Result<Vec<Peer>, NodeError> {
        #[derive(Deserialize)]
        struct Said {
            peers: Vec<Peer>,
        }
        self.ask(Method::GET, &["peers"], None).await.map(|said: Said| said.peers)
    }

    async fn ask<T: for<'a> Deserialize<'a>>(
        &self,
        method: Method,
        path: &[&str],
        body: Option<String>,
    ) -> Result<T, NodeError> {
        #[derive(Deserialize)]
        struct Problem {
            detail: String,
        }
        let name = || self.base.as_str().trim_end_matches('/').to_string();
        let away = |error| NodeError::Away { url: name(), cause: cause(&error) };
        let mut url = self.base.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        let mut request = self.client.request(method, url);
        if let Some(token) = &self.token {
            request = request.bearer_auth(token.as_str());
        }
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body);
        }
        let mut response = request.send().await.map_err(away)?;
        let status = response.status();
        let moved = response.headers().get("location").cloned();
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(away)? {
            text.extend_from_slice(&chunk);
            if text.len() > MAX_ANSWER_BYTES {
                break;
            }
        }
        let strange = |answer: String| NodeError::Strange { url: name(), answer };
        if let (true, Some(to)) = (status.is_redirection(), moved) {
            let to = shown(&String::from_utf8_lossy(to.as_bytes()), MAX_SHOWN);
            return Err(strange(format!("it says that it has moved to {to}")));
        }
        let quoted = || {
            let text = shown(&String::from_utf8_lossy(&text), MAX_SHOWN);
            strange(format!("it says {status}: {text}"))
        };
        let is_no = status.is_client_error() || status == StatusCode::SERVICE_UNAVAILABLE;
        match serde_json::from_slice(&text) {
            Ok(Problem { detail }) if is_no => {
                Err(NodeError::Refused { url: name(), detail: shown(&detail, MAX_SHOWN) })
            }
            _ if status.is_success() => serde_json::from_slice(&text).map_err(|_| quoted()),
            _ => Err(quoted()),
        }
    }
}
