//! `blocksmith peers`: the peers of a running node.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use blocksmith_api::{Peer, PeerState};
use blocksmith_node::PeerAddress;
use reqwest::{StatusCode, Url};
use tokio::time::sleep;

use super::asked::{DEFAULT_NODE, way_out};
use super::chain::quoted;
use super::values::server;
use super::{counted, exit, output};
use crate::client::{Node, NodeError};
use crate::operator::Token;
use crate::text::{json, shown};

/// The longest that the command waits for the node, over all its calls.
const MAX_WAIT: Duration = Duration::from_secs(15);

/// How much of a node's text is shown, in characters.
const MAX_SHOWN: usize = 300;

/// How long a new peer may take to show whether it answers.
const PATIENCE: Duration = Duration::from_secs(8);

/// How often the command looks whether it does.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// See or change the peers of a running node
///
/// Peers are the nodes to which a node connects: it asks them for blocks, and tells them its own.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  blocksmith peers list
  blocksmith peers add localhost:5001 --node http://localhost:5000")]
pub struct PeersArgs {
    /// The node whose peers to show or change
    #[arg(long, global = true, value_name = "URL", env = "BLOCKSMITH_NODE", default_value = DEFAULT_NODE, value_parser = server)]
    node: Url,
    /// The file with the operator's token of a node on another machine: a copy of the file whose path
    /// the node prints when it starts
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
    /// Show all peers, and whether they answer
    List,
    /// Add a node to the peers
    Add {
        /// The host and the port of the other node, as in localhost:5001
        #[arg(value_name = "ADDRESS", value_parser = PeerAddress::typed)]
        address: PeerAddress,
    },
    /// Remove a node from the peers
    Forget {
        /// The address of the peer, as `peers list` shows it
        #[arg(value_name = "ADDRESS", value_parser = PeerAddress::listed)]
        address: PeerAddress,
    },
}

/// Why the node did not do what was asked.
#[derive(Debug, thiserror::Error)]
enum NotDone {
    #[error("{url} does not answer ({cause}): {way_out}")]
    Away { url: String, cause: String, way_out: String },
    #[error("the node at {url} refuses: {detail}")]
    Refused { url: String, detail: String },
    #[error("the node at {url} has no peer {address}; its peers: {list}")]
    NoPeer { address: PeerAddress, url: String, list: String },
    #[error(
        "{address} is not a new peer: it is the node at {url} itself, or one of its peers under another \
         name. The log of that node says which, and {list} shows its peers"
    )]
    KnownAlready { address: PeerAddress, url: String, list: String },
    #[error(
        "the node at {url} wants the operator's token, because this call is from another machine: \
         {way_out}"
    )]
    Token { url: String, way_out: String },
    #[error(
        "{url} does not answer {call} as a Blocksmith node does: {answer}. If the node is elsewhere: \
         {way_out}"
    )]
    Unexpected { url: String, call: String, answer: String, way_out: String },
    #[error(transparent)]
    Other(NodeError),
}

/// The exit code of this command's own errors.
pub(super) fn exit_code(error: &anyhow::Error) -> Option<u8> {
    Some(match error.downcast_ref()? {
        NotDone::Away { .. } => exit::UNREACHABLE,
        _ => exit::REJECTED,
    })
}

/// Runs the command.
///
/// # Errors
/// Fails if the node does not answer, or refuses.
pub async fn run(args: PeersArgs) -> anyhow::Result<ExitCode> {
    let node = Asked::new(&args)?;
    let said = match &args.command {
        PeersCommand::List => list(&node, args.json).await?,
        PeersCommand::Add { address } => add(&node, address, args.json).await?,
        PeersCommand::Forget { address } => forget(&node, address, args.json).await?,
    };
    writeln!(output::stdout(), "{said}")?;
    Ok(ExitCode::SUCCESS)
}

async fn list(node: &Asked, as_json: bool) -> anyhow::Result<String> {
    let peers = node.peers().await?;
    if as_json {
        return Ok(json(&serde_json::to_string(&peers)?));
    }
    if peers.is_empty() {
        return Ok(format!("no peers; to add one: {}", node.typed("add HOST:PORT")));
    }
    let width = peers.iter().map(|peer| name_of(peer).chars().count()).max().unwrap_or_default();
    let mut said = String::new();
    for peer in &peers {
        // Writing to a string can't fail.
        let _ = writeln!(said, "{:width$}  {}", name_of(peer), says(peer));
    }
    said.pop();
    Ok(said)
}

async fn add(node: &Asked, address: &PeerAddress, as_json: bool) -> anyhow::Result<String> {
    let added = node.client.add_peers(vec![address.as_str().into()]).await;
    let is_new = !added.map_err(|error| node.not_done(error))?.new.is_empty();
    let deadline = Instant::now() + PATIENCE;
    // The node lists a peer under the address that it was first given.
    let is_it =
        |peer: &Peer| peer.address.parse::<PeerAddress>().is_ok_and(|other| other == *address);
    let peer = loop {
        let peer = node.peers().await?.into_iter().find(is_it);
        match peer {
            Some(peer) if peer.state == PeerState::New && Instant::now() < deadline => {}
            peer => break peer,
        }
        sleep(LOOK_EVERY).await;
    };
    let Some(peer) = peer else {
        let (address, url) = (address.clone(), node.name());
        return Err(NotDone::KnownAlready { address, url, list: node.typed("list") }.into());
    };
    if as_json {
        return Ok(json(&serde_json::json!({ "added": is_new, "peer": peer }).to_string()));
    }
    let name = match name_of(&peer) {
        name if name == address.as_str() => name,
        name => format!("{address} (as {name})"),
    };
    let was = if is_new { "is a peer now" } else { "is a peer already" };
    let mut said = format!("{name} {was}: {}", says(&peer));
    if peer.state == PeerState::Fails {
        let forget = node.typed(&format!("forget {address}"));
        said += &format!("; if this is the wrong address: {forget}");
    }
    Ok(said)
}

async fn forget(node: &Asked, address: &PeerAddress, as_json: bool) -> anyhow::Result<String> {
    let said = match node.client.forget_peer(address.as_str()).await {
        // The node says the same of any page that it does not have.
        Err(NodeError::Refused { status: StatusCode::NOT_FOUND, .. })
            if node.lacks(address).await? =>
        {
            let (address, url) = (address.clone(), node.name());
            return Err(NotDone::NoPeer { address, url, list: node.typed("list") }.into());
        }
        said => said.map_err(|error| node.not_done(error))?,
    };
    if as_json {
        return Ok(json(&serde_json::to_string(&said)?));
    }
    let name = shown(&said.forgotten, MAX_SHOWN);
    Ok(format!("{name} is removed: the node does not call it any more, unless it registers again"))
}

fn name_of(peer: &Peer) -> String {
    shown(&peer.address, MAX_SHOWN)
}

fn says(peer: &Peer) -> String {
    let time = ago(peer.for_s.0);
    let mut said = match peer.state {
        PeerState::New => "has not answered yet".to_string(),
        PeerState::Answers => format!("answers, for {time} so far"),
        PeerState::Fails => {
            let reason = peer.reason.as_deref().unwrap_or("for an unknown reason");
            let times = counted(peer.failures, "failure");
            format!("does not answer, for {time} so far ({times}): {}", shown(reason, MAX_SHOWN))
        }
    };
    if let (PeerState::Fails, Some(wait)) = (peer.state, peer.asked_in_s) {
        // Writing to a string can't fail.
        let _ = write!(said, "; asked again in {}", ago(wait.0));
    }
    if peer.chosen { format!("{said} (added by the operator)") } else { said }
}

/// A duration as people say it.
fn ago(seconds: f64) -> String {
    match seconds {
        s if s < 100.0 => format!("{s:.0} s"),
        s if s < 6_000.0 => format!("{:.0} min", s / 60.0),
        s if s < 200_000.0 => format!("{:.0} h", s / 3_600.0),
        s => format!("{:.0} days", s / 86_400.0),
    }
}

/// The node that is asked, and the command line for it.
struct Asked {
    client: Node,
    typed: Typed,
}

/// The command line.
#[derive(Clone)]
struct Typed {
    /// The words after `blocksmith peers`.
    command: String,
    /// The node that is asked.
    base: Url,
    token_file: Option<PathBuf>,
}

impl Typed {
    /// The command to type for the node at `url`.
    fn of(url: &str, token_file: Option<&Path>, command: &str) -> String {
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

    /// The same command for a node at another address, which has another token.
    fn elsewhere(&self, url: &str) -> String {
        Self::of(url, None, &self.command)
    }
}

impl Asked {
    fn new(args: &PeersArgs) -> anyhow::Result<Self> {
        let command = match &args.command {
            PeersCommand::List => "list".into(),
            PeersCommand::Add { address } => format!("add {address}"),
            PeersCommand::Forget { address } => format!("forget {address}"),
        };
        let (base, token_file) = (args.node.clone(), args.token_file.clone());
        let typed = Typed { command, base: base.clone(), token_file };
        let elsewhere = typed.clone();
        let mut client = Node::new(base, move |url| elsewhere.elsewhere(url))?
            .with_deadline(Instant::now() + MAX_WAIT);
        if let Some(file) = &args.token_file {
            client = client.with_token(Token::read(file)?.as_str().into());
        }
        Ok(Self { client, typed })
    }

    fn name(&self) -> String {
        self.client.name().into()
    }

    /// The command to type for this node.
    fn typed(&self, command: &str) -> String {
        let Typed { base, token_file, .. } = &self.typed;
        Typed::of(base.as_str(), token_file.as_deref(), command)
    }

    async fn peers(&self) -> Result<Vec<Peer>, NotDone> {
        let said = self.client.peers().await.map_err(|error| self.not_done(error))?;
        Ok(said.peers)
    }

    /// Whether the node lists its peers without this one.
    async fn lacks(&self, address: &PeerAddress) -> Result<bool, NotDone> {
        let is_it =
            |peer: &Peer| peer.address.parse::<PeerAddress>().is_ok_and(|it| it == *address);
        Ok(!self.peers().await?.iter().any(is_it))
    }

    /// The error for a call that failed.
    fn not_done(&self, error: NodeError) -> NotDone {
        let url = self.name();
        match error {
            NodeError::Unreachable { cause, .. } => {
                let way_out = way_out(&self.typed.base, &self.typed.elsewhere("URL"));
                NotDone::Away { url, cause, way_out }
            }
            NodeError::Refused { status: StatusCode::UNAUTHORIZED, .. } => self.needs_token(),
            NodeError::Refused {
                call, status: status @ StatusCode::NOT_FOUND, problem, ..
            } => {
                let answer = format!("{status}: {}", problem.detail);
                NotDone::Unexpected { url, call, answer, way_out: self.typed.elsewhere("URL") }
            }
            NodeError::Refused { problem, .. } => NotDone::Refused { url, detail: problem.detail },
            NodeError::Unexpected { call, answer, .. } => {
                NotDone::Unexpected { url, call, answer, way_out: self.typed.elsewhere("URL") }
            }
            other => NotDone::Other(other),
        }
    }

    /// The error where the node takes the call only from its own machine or with the token.
    fn needs_token(&self) -> NotDone {
        let copy = "copy the file whose path the node printed when it started";
        let Typed { command, base, token_file } = &self.typed;
        let way_out = match token_file {
            None => {
                let typed = Typed::of(base.as_str(), Some(Path::new("FILE")), command);
                format!("{copy} to this machine, then: {typed}")
            }
            Some(file) => format!(
                "the token in {} is not that node's; {copy} to this machine, and give that copy to --token-file",
                file.display()
            ),
        };
        NotDone::Token { url: self.name(), way_out }
    }
}
