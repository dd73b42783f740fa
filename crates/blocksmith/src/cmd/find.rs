//! `blocksmith find`: what a text may mean on a chain.

use std::io::Write as _;
use std::process::ExitCode;

use blocksmith_api::{SearchMatch, SearchMatches, TransactionStatus};
use reqwest::Url;

use super::account::{MAX_SHOWN, cut};
use super::asked::{Asked, DEFAULT_NODE};
use super::chain::quoted;
use super::output::stdout;
use super::values::server;
use crate::text::json;

/// Find a block, a transaction or an account by number, hash or name
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  blocksmith find 1042
  blocksmith find 8b890693
  blocksmith find ali --node http://localhost:5001")]
pub struct FindArgs {
    /// A block's index or hash, a transaction's id, an address or a name
    #[arg(value_name = "TEXT", allow_hyphen_values = true)]
    text: String,
    /// The node to ask
    #[arg(long, value_name = "URL", env = "BLOCKSMITH_NODE", default_value = DEFAULT_NODE, value_parser = server)]
    node: Url,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// Fails if the node does not answer, or refuses.
pub async fn run(args: FindArgs) -> anyhow::Result<ExitCode> {
    let asked = Asked::new(&args.node, format!("blocksmith find {}", quoted(&args.text)))?;
    let found = asked.client.search(&args.text).await;
    let found = found.map_err(|error| asked.no_answer(error))?;
    let said = if args.json {
        json(&serde_json::to_string(&found)?)
    } else {
        let status = asked.client.status().await.map_err(|error| asked.no_answer(error))?;
        list(&args.text, &found, (!status.signed).then_some(status.index))
    };
    writeln!(stdout(), "{said}")?;
    Ok(ExitCode::SUCCESS)
}

/// A line for each match. `tip` is where the chain ends if an index is searched, which may be behind.
fn list(text: &str, found: &SearchMatches, tip: Option<u64>) -> String {
    let mut lines: Vec<_> = found.matches.iter().map(line).collect();
    if lines.is_empty() {
        lines.push(format!("nothing on this chain has or begins with {}", cut(text, MAX_SHOWN)));
    }
    if found.more {
        lines.push("there may be more: give more of the text".into());
    }
    match (tip, &found.indexed) {
        (Some(tip), Some(indexed)) if indexed.index < tip => lines.push(format!(
            "the node knows transactions and names up to block {} yet, and the chain ends with block {tip}: \
             try again later",
            indexed.index
        )),
        (Some(_), None) => lines.push(
            "the node follows another branch now, and did not search transactions and names: try again in \
             a moment"
                .into(),
        ),
        _ => {}
    }
    lines.join("\n")
}

fn line(found: &SearchMatch) -> String {
    match found {
        SearchMatch::Block { index, hash } => format!("block        {index}  {hash}"),
        SearchMatch::Transaction { id, status, block, .. } => {
            let place = match (status, block) {
                (_, Some(block)) => format!("in block {block}"),
                (TransactionStatus::Held, None) => "held".into(),
                (_, None) => "waits".into(),
            };
            format!("transaction  {id}  {place}")
        }
        SearchMatch::Account { party } => format!("account      {}", cut(party, 2 * MAX_SHOWN)),
    }
}
