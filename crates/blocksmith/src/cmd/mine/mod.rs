//! `blocksmith mine`: a miner for any server of the course, and for our own nodes.

mod forged;
mod headers;
mod id;
mod miner;
mod report;
mod server;
mod zeros;

use std::io::{self, ErrorKind};
use std::num::NonZeroU64;
use std::process::ExitCode;

use blocksmith_consensus::job::MAX_ZEROS;
use clap::builder::{StringValueParser, TypedValueParser as _};
use reqwest::Url;

use self::miner::Miner;
use self::report::Report;
use self::server::Server;
use super::exit;
use super::screen::Screen;
use super::search_args::SearchArgs;
use super::values::{number, server_to_mine_on};
use crate::config;
use crate::daemon::{stop_on_signal, until};

/// Mine coins on a node
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  blocksmith mine --id alice
      coins for alice, on the node on this machine
  blocksmith mine http://localhost:5001 --coins 3
      three coins on another node")]
pub struct MineArgs {
    /// The server to mine on: a Blocksmith node, or a Python server of the course. If it does not
    /// answer, the miner waits for it
    #[arg(value_name = "URL", env = "BLOCKSMITH_NODE", default_value = "http://127.0.0.1:5000", value_parser = server_to_mine_on)]
    url: Url,
    /// Who gets the coins: any name, or an address on chains with signed payments [default: an id made
    /// once and kept]
    #[arg(long, visible_alias = "to", value_name = "NAME", env = "BLOCKSMITH_ID", value_parser = config::id)]
    id: Option<String>,
    /// Stop after N blocks. Each pays one coin, or more on chains with signed payments
    #[arg(long, value_name = "N", value_parser = number::<u64>(1..=u64::MAX))]
    coins: Option<u64>,
    #[command(flatten)]
    search: SearchArgs,
    /// How many zero digits a Python server wants [default: as many as the proofs in its chain show]
    #[arg(long, value_name = "N", value_parser = number::<u8>(0..=u64::from(MAX_ZEROS)))]
    zeros: Option<u8>,
    /// Where a search starts. A random start helps when all other miners start at 0, and when two
    /// miners work for one address
    #[arg(long, value_name = "WHERE", value_enum, default_value = "0")]
    start: Start,
    /// Try at most N proofs a second, all threads together, so that slower miners find blocks too
    #[arg(long, value_name = "N", value_parser = number::<NonZeroU64>(1..=u64::MAX))]
    tries_per_second: Option<NonZeroU64>,
    /// Send this header to the server with each call, as in 'Authorization: Token 123'; repeat it for
    /// more headers
    #[arg(long = "header", value_name = "HEADER", value_parser = StringValueParser::new().map(headers::Typed::from))]
    headers: Vec<headers::Typed>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Start {
    #[value(name = "0")]
    Zero,
    Random,
}

/// Runs the command: mines the blocks that were asked for, or until a signal stops it.
///
/// # Errors
/// Fails if a header can't be sent, the threads can't search as they should, signals can't be listened
/// for, or the HTTP client can't be set up.
pub async fn run(args: MineArgs) -> anyhow::Result<ExitCode> {
    let headers = headers::read(&args.headers)?;
    let stop = stop_on_signal()?;
    let mut report = Report::new(Screen::new());
    let id = args.id.unwrap_or_else(|| id::kept_id(&mut report));
    let mut workers = args.search.workers(report.screen())?;
    if let Some(per_second) = args.tries_per_second {
        workers = workers.paced(per_second);
    }
    let server = Server::new(args.url, id.clone(), headers)?;
    let name = server.name().to_owned();
    report.note(&format!("mining on {name}; the coins go to {id}"));
    let mut miner = Miner::new(server, workers, args.start, args.zeros, report);
    let outcome = tokio::select! {
        outcome = miner.mine(args.coins) => outcome.map(|()| ExitCode::SUCCESS),
        () = until(stop) => Ok(super::told_to_stop(args.coins)),
    };
    let outcome = outcome.and_then(|code| Ok(miner.report.end().map(|()| code)?));
    match outcome {
        Ok(code) => Ok(code),
        // The reader of a pipe has what it wanted, as `head` does.
        Err(Ended::Unread(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(Ended::Unread(error)) => Err(error.into()),
        Err(ended) => {
            miner.report.end()?;
            Ok(ended.told(&mut miner.report, &name, &id))
        }
    }
}

/// Why there is nothing more to mine.
enum Ended {
    /// The output can't be written, as when the reader of a pipe is gone.
    Unread(io::Error),
    /// The server has no work for this recipient, and says why.
    Refused(String),
    /// The server is no server for miners, or has moved, and stays so; with what to do.
    Hopeless(String),
    /// There is nothing at this address that could become a server; with what to do.
    NoServer(String),
}

impl Ended {
    /// Says why the miner ends, and returns the exit code for it.
    fn told(self, report: &mut Report, name: &str, id: &str) -> ExitCode {
        let (why, code) = match self {
            Self::Unread(error) => (error.to_string(), exit::FAILURE),
            Self::Refused(why) => (
                format!(
                    "{name} gives no work for coins to {id}: {why}; --to sets who gets the coins"
                ),
                exit::REJECTED,
            ),
            Self::Hopeless(why) => (why, exit::REJECTED),
            Self::NoServer(why) => (why, exit::UNREACHABLE),
        };
        report.note(&format!("the miner stops: {why}"));
        ExitCode::from(code)
    }
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Self::Unread(error)
    }
}
