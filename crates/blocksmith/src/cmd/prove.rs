//! `blocksmith prove`: the lowest proof for a prefix, without any chain.

use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context as _;
use blocksmith_consensus::Target;
use blocksmith_consensus::job::{Job, MAX_ZEROS};
use blocksmith_miner::search::{MAX_PROOF, Outcome};
use serde::Serialize;

use super::exit;
use super::screen::{Progress, REFRESH, Screen};
use super::search_args::SearchArgs;
use super::values::number;
use crate::daemon::{stop_on_signal, until};

/// Find the proof for any prefix
///
/// The proof is the lowest number such that SHA-256 of the prefix, the number and the suffix starts with
/// enough zeros. The command prints it with the digest.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  blocksmith prove 99 --zeros 4
      the first proof of the lecture's chain")]
#[command(group(clap::ArgGroup::new("goal").required(true).args(["zeros", "target"])))]
pub struct ProveArgs {
    /// The text before the number; it can be empty
    #[arg(value_name = "PREFIX")]
    prefix: String,
    /// The text after the number [default: no text]
    #[arg(long, value_name = "S", default_value = "", hide_default_value = true)]
    suffix: String,
    /// How many zero digits the digest must start with
    #[arg(long, value_name = "N", value_parser = number::<u8>(0..=u64::from(MAX_ZEROS)))]
    zeros: Option<u8>,
    /// The target, the largest digest that counts, as 64 hex digits in lower case
    #[arg(long, value_name = "HEX", value_parser = target)]
    target: Option<Target>,
    /// The first number to try
    #[arg(long, value_name = "K", default_value_t = 0, value_parser = number::<u64>(0..=MAX_PROOF))]
    from: u64,
    /// Print JSON, with the tries and the time
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    search: SearchArgs,
}

fn target(text: &str) -> Result<Target, &'static str> {
    text.parse().map_err(|_| "it must be 64 hex digits in lower case")
}

/// The proof with its figures, as JSON.
#[derive(Debug, Serialize)]
struct Found {
    proof: u64,
    digest: String,
    tries: u64,
    seconds: f64,
    tries_per_second: f64,
    backend: &'static str,
    threads: usize,
}

/// Runs the command.
///
/// # Errors
/// Fails if no number is small enough, the threads can't search as they should, or the answer can't
/// be written.
pub async fn run(args: ProveArgs) -> anyhow::Result<ExitCode> {
    let stop = stop_on_signal()?;
    let screen = Screen::new();
    let workers = args.search.workers(&screen)?;
    let zeros = args.zeros.map(Target::from_zeros);
    let target = args.target.or(zeros).context("give --zeros or --target")?;
    let job = Job {
        prefix: args.prefix.into_bytes().into(),
        suffix: args.suffix.into_bytes().into(),
        target,
    };
    let began = Instant::now();
    let mut searching = workers.search(job, args.from);
    let stopped = until(stop);
    tokio::pin!(stopped);
    let outcome = loop {
        tokio::select! {
            outcome = searching.outcome() => break outcome,
            () = &mut stopped => break Outcome::Cancelled,
            () = tokio::time::sleep(REFRESH) => {
                let (tries, elapsed) = (searching.tries(), began.elapsed());
                screen.show_live(Progress { index: None, target, tries, elapsed, mined: None, limit: None });
            }
        }
    };
    let (tries, seconds) = (searching.tries(), began.elapsed().as_secs_f64());
    screen.clear();
    let (proof, digest) = match outcome {
        Outcome::Found { proof, digest } => (proof, digest),
        Outcome::Cancelled => return Ok(ExitCode::from(exit::INTERRUPTED)),
        Outcome::Exhausted => {
            anyhow::bail!("no number from {} to {MAX_PROOF} is a proof", args.from);
        }
    };
    let answer = match args.json {
        false => format!("{proof} {digest}"),
        true => serde_json::to_string(&Found {
            proof,
            digest: digest.to_string(),
            tries,
            seconds,
            tries_per_second: tries as f64 / seconds,
            backend: workers.backend().name(),
            threads: workers.threads().get(),
        })?,
    };
    screen.line(&answer)?;
    Ok(ExitCode::SUCCESS)
}
