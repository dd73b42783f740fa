//! `blocksmith chain show`.

use std::collections::VecDeque;
use std::io::Write;
use std::process::ExitCode;

use anyhow::Context as _;
use blocksmith_consensus::json::Value;
use blocksmith_consensus::{BlockView, Shape};

use super::{Kept, Opened};
use crate::calendar::date;
use crate::cmd::values::number;

/// How many blocks are shown by default.
const DEFAULT_LIMIT: u16 = 20;

/// How many digits of a hash the table shows.
const HASH_DIGITS: usize = 16;

/// How much of a value from a block the table shows, in characters.
const MAX_CELL: usize = 24;

/// Show the newest blocks of a chain
///
/// Without a URL the blocks come from this machine: from the data directory, or from the node that is
/// running on it. The newest block is the last.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  blocksmith chain show
      the chain of the node on this machine
  blocksmith chain show http://localhost:5001
      the chain of another node")]
pub(super) struct ShowArgs {
    #[command(flatten)]
    kept: Kept,
    /// The index of the first block to show [default: show the newest blocks]
    #[arg(long, value_name = "N", value_parser = number::<u64>(0..=u64::MAX))]
    from: Option<u64>,
    /// Show at most this many blocks
    #[arg(long, value_name = "N", default_value_t = DEFAULT_LIMIT, value_parser = number::<u16>(0..=65535))]
    limit: u16,
    /// Print a JSON array of blocks with their hashes
    #[arg(long)]
    json: bool,
}

pub(super) async fn run(args: ShowArgs) -> anyhow::Result<ExitCode> {
    let limit = usize::from(args.limit);
    let opened = args.kept.open("show").await?;
    let lowest = match (&opened, args.from) {
        (_, Some(from)) => from,
        (Opened::Store(snapshot), None) => {
            (snapshot.tip()?.block.index() + 1).saturating_sub(limit as u64)
        }
        (Opened::Answer { .. }, None) => 0,
    };
    let shape = opened.shape();
    let mut texts = VecDeque::new();
    for text in opened.texts(lowest)? {
        let text = text?;
        if view(shape, &text)?.index < lowest {
            continue;
        }
        texts.push_back(text);
        if texts.len() > limit {
            texts.pop_front();
        }
        if args.from.is_some() && texts.len() == limit {
            break;
        }
    }
    let mut out = crate::cmd::stdout();
    if args.json {
        print_json(shape, &texts, &mut out)?
    } else {
        print_table(shape, &texts, &mut out)?
    }
    Ok(ExitCode::SUCCESS)
}

fn view(shape: Shape, text: &str) -> anyhow::Result<BlockView<'_>> {
    BlockView::read(shape, text).context("this is not a chain")
}

fn print_json(shape: Shape, texts: &VecDeque<String>, out: &mut impl Write) -> anyhow::Result<()> {
    for (position, text) in texts.iter().enumerate() {
        let start = if position == 0 { "[" } else { ",\n " };
        write!(out, r#"{start}{{"hash": "{}", "block": {text}}}"#, view(shape, text)?.hash())?;
    }
    writeln!(out, "{}", if texts.is_empty() { "[]" } else { "]" })?;
    Ok(())
}

fn print_table(shape: Shape, texts: &VecDeque<String>, out: &mut impl Write) -> anyhow::Result<()> {
    writeln!(
        out,
        "{:>8}  {:<HASH_DIGITS$}  {:<MAX_CELL$}  {:>12}  proof",
        "block", "hash", "time (UTC)", "transactions"
    )?;
    for text in texts {
        let block = view(shape, text)?;
        let hash = block.hash().to_string();
        writeln!(
            out,
            "{:>8}  {}  {:<MAX_CELL$}  {:>12}  {}",
            block.index,
            &hash[..HASH_DIGITS],
            Value::of_canonical(text).get("timestamp").map_or_else(String::new, time),
            block.transactions().count(),
            cell(block.proof_json())
        )?;
    }
    Ok(())
}

fn cell(text: &str) -> String {
    let mut cell: String = text.chars().take(MAX_CELL).collect();
    if cell.len() < text.len() {
        cell.pop();
        cell.push('…');
    }
    cell
}

/// The date of seconds since 1970; any other value as it is.
fn time(timestamp: Value<'_>) -> String {
    match timestamp.text().parse::<f64>() {
        // These are the years 1970 to 9999.
        Ok(seconds) if (0.0..253_402_300_800.0).contains(&seconds) => {
            date(seconds as u64).strftime("%F %T").to_string()
        }
        _ => cell(timestamp.text()),
    }
}

#[cfg(test)]
mod tests {
    use blocksmith_consensus::json::Value;

    use super::time;

    #[test]
    fn a_time_is_shown_as_its_date_if_it_has_one() {
        for (timestamp, shown) in [
            ("0", "1970-01-01 00:00:00"),
            ("951782399.999999", "2000-02-28 23:59:59"),
            ("951782400", "2000-02-29 00:00:00"),
            ("1562874886.654986", "2019-07-11 19:54:46"),
            ("4107542400", "2100-03-01 00:00:00"),
            ("253402300799", "9999-12-31 23:59:59"),
            ("253402300800", "253402300800"),
            ("-1", "-1"),
            ("\"soon\"", "\"soon\""),
        ] {
            assert_eq!(time(Value::of_canonical(timestamp)), shown);
        }
    }
}
