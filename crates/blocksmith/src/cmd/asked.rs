//! A running node that a command asks, and what the command says if it gets no answer.

use std::time::{Duration, Instant};

use blocksmith_api::client::is_loopback;
use reqwest::{StatusCode, Url};

use super::exit;
use crate::client::{Node, NodeError};
use crate::text::json;

/// The node that is asked by default.
pub(super) const DEFAULT_NODE: &str = "http://127.0.0.1:5000";

/// The longest that a command waits for the node, over all its calls.
const MAX_WAIT: Duration = Duration::from_secs(40);

/// How long a command waits for the index of a node that is at most so many blocks behind its chain, and
/// how often it asks.
const INDEX_TIME: Duration = Duration::from_secs(3);
const MAX_BEHIND: u64 = 1_000;
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum NoAnswer {
    #[error("{url} does not answer ({cause}): {way_out}")]
    Away { url: String, cause: String, way_out: String },
    #[error("the node at {url} refuses: {detail}")]
    Refused { url: String, detail: String },
    #[error(
        "{url} does not answer {call} as a Blocksmith node of this version does: {answer}. If the node is \
         elsewhere, name it: {elsewhere}"
    )]
    Unexpected { url: String, call: String, answer: String, elsewhere: String },
    #[error(transparent)]
    Other(NodeError),
}

/// The exit code of these errors.
pub(super) fn exit_code(error: &anyhow::Error) -> Option<u8> {
    Some(match error.downcast_ref()? {
        NoAnswer::Away { .. } => exit::UNREACHABLE,
        _ => exit::REJECTED,
    })
}

/// What to do about a node that does not answer; `elsewhere` is the command for another one.
pub(super) fn way_out(base: &Url, elsewhere: &str) -> String {
    let start = match (is_loopback(base), base.port_or_known_default()) {
        (true, Some(port)) => format!("start a node there: blocksmith node {port}"),
        _ => "see whether a node runs there".into(),
    };
    format!("{start}; or name another: {elsewhere}")
}

/// A node, and the command that asks it.
pub(super) struct Asked {
    pub(super) client: Node,
    base: Url,
    command: String,
}

impl Asked {
    /// The answer of a call, made again for a moment while the index of the node is just behind its chain:
    /// who just mined looks for the coin. `indexed` says how far an answer's index was, if there is one.
    pub(super) async fn indexed<T>(
        &self,
        call: impl AsyncFn(&Node) -> Result<T, NodeError>,
        indexed: impl Fn(&T) -> Option<u64>,
    ) -> Result<T, NoAnswer> {
        let tip = self.client.status().await.map_or(0, |status| status.index);
        let began = Instant::now();
        loop {
            let answer = call(&self.client).await.map_err(|error| self.no_answer(error))?;
            let behind = indexed(&answer).map_or(0, |indexed| tip.saturating_sub(indexed));
            if !(1..=MAX_BEHIND).contains(&behind) || began.elapsed() > INDEX_TIME {
                return Ok(answer);
            }
            tokio::time::sleep(ASK_AGAIN).await;
        }
    }

    /// The node at an address; `command` is what the user typed, without `--node`.
    pub(super) fn new(base: &Url, command: String) -> anyhow::Result<Self> {
        let typed = command.clone();
        let client = Node::new(base.clone(), move |url| format!("{typed} --node {url}"))?
            .with_deadline(Instant::now() + MAX_WAIT);
        Ok(Self { client, base: base.clone(), command })
    }

    /// The error for a call that failed.
    pub(super) fn no_answer(&self, error: NodeError) -> NoAnswer {
        let url = self.client.name().to_string();
        let elsewhere = format!("{} --node URL", self.command);
        match error {
            NodeError::Unreachable { cause, .. } => {
                NoAnswer::Away { url, cause, way_out: way_out(&self.base, &elsewhere) }
            }
            NodeError::Refused {
                call, status: status @ StatusCode::NOT_FOUND, problem, ..
            } => {
                let answer = format!("{status}: {}", problem.detail);
                NoAnswer::Unexpected { url, call, answer, elsewhere }
            }
            NodeError::Refused { problem, .. } => NoAnswer::Refused { url, detail: problem.detail },
            NodeError::Unexpected { call, answer, .. } => {
                NoAnswer::Unexpected { url, call, answer, elsewhere }
            }
            other => NoAnswer::Other(other),
        }
    }
}

/// A name between quotes, as JSON writes it: it may be any text.
pub(super) fn name(name: &str) -> String {
    json(&serde_json::Value::from(name).to_string())
}
