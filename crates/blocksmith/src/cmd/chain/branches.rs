//! `blocksmith chain branches`.

use std::io::Write as _;
use std::process::ExitCode;

use blocksmith_api::{BlockCame, BlockPlace, BlockSource, Branch, Branches, HexHash, WhyLost};
use blocksmith_consensus::U256;
use reqwest::Url;

use crate::cmd::asked::{Asked, DEFAULT_NODE};
use crate::cmd::output::stdout;
use crate::cmd::values::server;
use crate::service::work_shown;
use crate::text::{counted, json, shown};

/// How many digits of a hash are shown.
const HASH_DIGITS: usize = 12;

/// How much of a name or an address is shown, in characters.
const MAX_SHOWN: usize = 60;

/// Show the branches beside the best chain that a running node keeps, and why each lost
#[derive(Debug, clap::Args)]
pub(super) struct BranchesArgs {
    /// The node to ask
    #[arg(long, value_name = "URL", env = "BLOCKSMITH_NODE", default_value = DEFAULT_NODE, value_parser = server)]
    node: Url,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: BranchesArgs) -> anyhow::Result<ExitCode> {
    let asked = Asked::new(&args.node, "blocksmith chain branches".into())?;
    let branches = asked.client.branches().await.map_err(|error| asked.no_answer(error))?;
    let said = if args.json { json(&serde_json::to_string(&branches)?) } else { told(&branches) };
    writeln!(stdout(), "{said}")?;
    Ok(ExitCode::SUCCESS)
}

fn told(branches: &Branches) -> String {
    let tip = named(&branches.tip);
    if branches.branches.is_empty() {
        return match branches.count {
            0 => format!(
                "There is no branch: all blocks that the node keeps are on the chain that ends with block {tip}."
            ),
            count => format!(
                "There are {}, too long to be listed, beside the chain that ends with block {tip}.",
                counted(count, "branch")
            ),
        };
    }
    let mut lines = vec![format!("The chain ends with block {tip}. Beside it:"), String::new()];
    let titles = ["last block", "length", "forks at", "why it lost", "first sent by"];
    let rows: Vec<_> = branches.branches.iter().map(row).collect();
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells.chain([titles[column].len()]).max().unwrap_or(0)
    };
    let [tips, lengths, forks, lost] = [0, 1, 2, 3].map(width);
    let line = |[tip, length, fork, why, from]: [&str; 5]| {
        format!("{tip:>tips$}  {length:>lengths$}  {fork:>forks$}  {why:>lost$}  {from}")
    };
    lines.push(line(titles));
    lines.extend(rows.iter().map(|row| line(row.each_ref().map(String::as_str))));
    let left_out = branches.count.saturating_sub(branches.branches.len() as u64);
    if left_out > 0 {
        lines.push(format!("… and {left_out} more, with no more work than these"));
    }
    lines.join("\n")
}

/// What the table has of a branch.
fn row(branch: &Branch) -> [String; 5] {
    [
        named(&branch.tip),
        branch.length.to_string(),
        branch.fork.as_ref().map_or("no block".into(), named),
        match branch.lost {
            WhyLost::LessWork => {
                format!("{} tries less work", work_shown(work(branch.less_work)))
            }
            WhyLost::CameLater => "same work, later".into(),
        },
        from(branch.from.as_ref()),
    ]
}

fn work(hex: HexHash) -> U256 {
    U256::from_be_bytes(hex.0.0)
}

/// A block's index and the start of its hash.
fn named(place: &BlockPlace) -> String {
    let hash = place.hash.0.to_string();
    format!("{} {}…", place.index, hash.get(..HASH_DIGITS).unwrap_or(&hash))
}

/// Who sent a block. A peer's name is its own word.
fn from(source: Option<&BlockSource>) -> String {
    let Some(BlockSource { how, peer, address }) = source else { return "(not known)".into() };
    let peer = peer.as_ref().map(|peer| shown(peer, MAX_SHOWN));
    let address = address.as_ref().map(|address| shown(address, MAX_SHOWN));
    match (how, peer, address) {
        (BlockCame::Mined, ..) => "mined here".into(),
        (_, Some(peer), None) => peer,
        (_, Some(peer), Some(address)) => format!("{address}, which listens at {peer}"),
        (_, None, Some(address)) => address,
        (_, None, None) => "a caller".into(),
    }
}
