//! `blocksmith peers`: whom a running node keeps in touch with.

use std::fmt::Write as _;
use std::io::{ErrorKind, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use blocksmith_node::Address;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE};
use reqwest::{Method, StatusCode, Url};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::chain::quoted;
use super::{counted, exit, output};
use crate::client::{Redirected, cause, described, is_loopback, misspoken, name, parse_url};
use crate::operator::Token;
use crate::text::{json, shown};

/// The node that is meant unless told otherwise.
const DEFAULT_NODE: &str = "http://127.0.0.1:5000";

/// How long a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// How long the whole command may wait for the node, with every call.
const MAX_WAIT: Duration = Duration::from_secs(15);

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
    #[arg(long, global = true, value_name = "URL", default_value = DEFAULT_NODE, value_parser = parse_url)]
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
    #[error("{url} does not answer ({cause}): {way_out}")]
    Away { url: String, cause: String, way_out: String },
    #[error("the node at {url} refuses: {detail}")]
    Refused { url: String, detail: String },
    #[error("{address} is no peer of the node at {url}; what is one: {list}")]
    NoPeer { address: Address, url: String, list: String },
    #[error(
        "{address} is no peer: it is the node at {url} itself, or one of its peers under another name. \
         Its log says which, and {list} shows its peers"
    )]
    KnownAlready { address: Address, url: String, list: String },
    #[error(
        "the node at {url} does this for other machines only if they send its token: {way_out}"
    )]
    Token { url: String, way_out: String },
    #[error(
        "{url} does not answer {call} as a Blocksmith node does: {answer}. If the node is elsewhere: \
         {way_out}"
    )]
    Strange { url: String, call: String, answer: String, way_out: String },
    #[error("{0}")]
    Misspoken(String),
    #[error(transparent)]
    Redirected(Redirected),
}

/// The exit code of this command's own errors.
pub(super) fn exit_code(error: &anyhow::Error) -> Option<u8> {
    Some(match error.downcast_ref()? {
        NodeError::Away { .. } => exit::UNREACHABLE,
        _ => exit::REJECTED,
    })
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
        return Ok(format!("no peers; to name one: {}", node.typed("add HOST:PORT")));
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
    let Some(peer) = peer else {
        let (address, url) = (address.clone(), node.name());
        return Err(NodeError::KnownAlready { address, url, list: node.typed("list") }.into());
    };
    if as_json {
        return Ok(json(&serde_json::json!({ "added": is_new, "peer": peer }).to_string()));
    }
    let name = match peer.name() {
        name if name == address.as_str() => name,
        name => format!("{address} (as {name})"),
    };
    let was = if is_new { "is a peer now" } else { "is a peer already" };
    let mut said = format!("{name} {was}: {}", peer.says());
    if peer.state == State::Fails {
        let forget = node.typed(&format!("forget {address}"));
        said += &format!("; if it is not the one that you mean: {forget}");
    }
    Ok(said)
}

async fn forget(node: &Node, address: &Address, as_json: bool) -> anyhow::Result<String> {
    #[derive(Serialize, Deserialize)]
    struct Forgotten {
        forgotten: String,
    }
    let asked = node.ask(Method::DELETE, &["peers", address.as_str()], None).await;
    let said: Forgotten = match asked {
        // As it says of any page that it does not have.
        Err(NodeError::Strange { .. }) if node.lacks(address).await? => {
            let (address, url) = (address.clone(), node.name());
            return Err(NodeError::NoPeer { address, url, list: node.typed("list") }.into());
        }
        asked => asked?,
    };
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
    /// What was typed after `blocksmith peers`.
    command: String,
    /// And after that, to mean this node.
    token_file: Option<PathBuf>,
    /// When it has had all the time that it gets.
    deadline: Instant,
}

impl Node {
    fn new(args: &PeersArgs) -> anyhow::Result<Self> {
        // It follows no redirect: what is to be done is done there, or nowhere, and a token is for
        // one node alone.
        let mut client = crate::client::builder()
            .user_agent(concat!("blocksmith/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIME);
        if is_loopback(&args.node) {
            client = client.no_proxy();
        }
        let token = args.token_file.as_deref().map(Token::read).transpose()?;
        let command = match &args.command {
            PeersCommand::List => "list".into(),
            PeersCommand::Add { address } => format!("add {address}"),
            PeersCommand::Forget { address } => format!("forget {address}"),
        };
        let (client, base, token_file) =
            (client.build()?, args.node.clone(), args.token_file.clone());
        let deadline = Instant::now() + MAX_WAIT;
        Ok(Self { client, base, token, command, token_file, deadline })
    }

    fn name(&self) -> String {
        name(&self.base).into()
    }

    /// How to type a command for this node.
    fn typed(&self, command: &str) -> String {
        self.typed_for(self.base.as_str(), self.token_file.as_deref(), command)
    }

    fn typed_for(&self, url: &str, token_file: Option<&Path>, command: &str) -> String {
        let url = url.trim_end_matches('/');
        let mut typed = format!("blocksmith peers {command}");
        if url != DEFAULT_NODE {
            typed += &format!(" --node {url}");
        }
        if let Some(file) = token_file {
            typed += &format!(" --token-file {}", quoted(&file.display().to_string()));
        }
        typed
    }

    /// The same command for a node elsewhere. Another node has another token.
    fn elsewhere(&self, url: &str) -> String {
        self.typed_for(url, None, &self.command)
    }

    async fn peers(&self) -> Result<Vec<Peer>, NodeError> {
        #[derive(Deserialize)]
        struct Said {
            peers: Vec<Peer>,
        }
        self.ask(Method::GET, &["peers"], None).await.map(|said: Said| said.peers)
    }

    /// Whether the node names its peers, and this is none of them.
    async fn lacks(&self, address: &Address) -> Result<bool, NodeError> {
        let is_it = |peer: &Peer| peer.address.parse::<Address>().is_ok_and(|it| it == *address);
        Ok(!self.peers().await?.iter().any(is_it))
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
        let path = format!("api/v1/{}", path.join("/"));
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path()));
        let call = format!("{method} /{path}");
        let left = self.deadline.saturating_duration_since(Instant::now());
        let mut request = self.client.request(method, url).timeout(left);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {}", token.as_str()));
        }
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, "application/json").body(body);
        }
        let failed = |error| self.failed(&error);
        let mut response = request.send().await.map_err(failed)?;
        if let Some(to) = Redirected::of(&response, &self.base, &call, |to| self.elsewhere(to)) {
            return Err(NodeError::Redirected(to));
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let strange = |answer| NodeError::Strange {
            url: self.name(),
            call: call.clone(),
            answer,
            way_out: self.elsewhere("URL"),
        };
        let mut text = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            if text.len() + chunk.len() > MAX_ANSWER_BYTES {
                return Err(strange(format!("{status} and more than {MAX_ANSWER_BYTES} bytes")));
            }
            text.extend_from_slice(&chunk);
        }
        let not_understood = || strange(described(status, &headers, &text));
        if status.is_success() {
            return serde_json::from_slice(&text).map_err(|_| not_understood());
        }
        // Busy is as good as no, unlike a fault of the node or of what is in between.
        let is_no = status.is_client_error() && status != StatusCode::NOT_FOUND
            || status == StatusCode::SERVICE_UNAVAILABLE;
        Err(match serde_json::from_slice(&text) {
            Ok(Problem { .. }) if status == StatusCode::UNAUTHORIZED => self.needs_token(),
            Ok(Problem { detail }) if is_no => {
                NodeError::Refused { url: self.name(), detail: shown(&detail, MAX_SHOWN) }
            }
            _ => not_understood(),
        })
    }

    /// Why there is no answer.
    fn failed(&self, error: &reqwest::Error) -> NodeError {
        if let Some(said) = misspoken(error, &self.base, |to| self.elsewhere(to)) {
            return NodeError::Misspoken(said);
        }
        let cause = match error.is_timeout() && !error.is_connect() {
            true => format!("not within {} s", MAX_WAIT.as_secs()),
            false => cause(error),
        };
        let start = match (is_loopback(&self.base), self.base.port_or_known_default()) {
            (true, Some(port)) => format!("start a node there: blocksmith node {port}"),
            _ => "see whether a node runs there".into(),
        };
        let way_out = format!("{start}; or name another: {}", self.elsewhere("URL"));
        NodeError::Away { url: self.name(), cause, way_out }
    }

    /// What to do where the node takes this from its own machine, or with the token.
    fn needs_token(&self) -> NodeError {
        let copy = "copy the file whose path the node printed when it started";
        let way_out = match &self.token_file {
            None => format!(
                "{copy} to this machine, then: {}",
                self.typed_for(self.base.as_str(), Some(Path::new("FILE")), &self.command)
            ),
            Some(file) => format!(
                "the one in {} is not its own; {copy} to this machine, and name that",
                file.display()
            ),
        };
        NodeError::Token { url: self.name(), way_out }
    }
}
