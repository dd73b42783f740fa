//! The commands, one module each.

use std::fs::File;
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use blocksmith_node::BadAddress;
use clap::{Parser, Subcommand};

use crate::chain::ChainError;
use crate::client::Redirected;
use crate::exit;
use crate::log::Format;
use crate::service::StoreError;
use crate::system;
use crate::text::{counted, escaped, lines};

pub mod account;
mod asked;
pub mod bench;
pub mod block;
pub mod chain;
pub mod config;
pub mod dev;
pub mod find;
mod input;
pub mod leaderboard;
pub mod mine;
mod misread;
pub mod node;
mod output;
pub mod peers;
pub mod prove;
mod screen;
mod search_args;
mod turn;
mod typed;
mod values;
pub mod wallet;

pub use output::note;
use output::{Output, is_unread, stdout};
use typed::NotRead;

/// How many files any command may have open besides those that it starts with.
const LEAST_FILES: usize = 16;

/// The command line asks for something impossible.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Misused(String);

/// The exit code of a command that a signal stopped: an error if the command was to mine a number
/// of blocks.
fn told_to_stop(blocks: Option<u64>) -> ExitCode {
    blocks.map_or(ExitCode::SUCCESS, |_| ExitCode::from(exit::INTERRUPTED))
}

/// Makes a file that does not exist yet, to write into.
///
/// # Errors
/// Fails if the file exists, which stays as it is, or can't be made.
fn new_file(path: &Path) -> anyhow::Result<File> {
    File::create_new(path).map_err(|error| match error.kind() {
        ErrorKind::AlreadyExists => anyhow::anyhow!(
            "{} exists already and is not overwritten; choose another name",
            path.display()
        ),
        ErrorKind::NotFound | ErrorKind::NotADirectory => anyhow::anyhow!(
            "can't write {}: there is no such folder; make it, or choose another name",
            path.display()
        ),
        ErrorKind::PermissionDenied => anyhow::anyhow!(
            "can't write {}: {error}; choose a folder in which you can write",
            path.display()
        ),
        _ => anyhow::Error::new(error).context(format!("can't write {}", path.display())),
    })
}

/// Writes a file that does not exist yet: whole or not at all.
///
/// # Errors
/// Fails if the file exists or can't be written, or `write` fails.
fn write_new<T>(
    path: &Path,
    write: impl FnOnce(&mut Output<File>) -> anyhow::Result<T>,
) -> anyhow::Result<T> {
    let mut file = Output::new(path.display(), new_file(path)?);
    let written = write(&mut file).and_then(|done| {
        file.get_ref().sync_all().map(|()| done).map_err(|e| file.named(e).into())
    });
    if written.is_err() {
        // Half a file is of no use, and would be in the way of the next try.
        let _ = std::fs::remove_file(path);
    }
    written
}

/// A proof-of-work chain: node, miner, wallet and tools in one program.
#[derive(Debug, Parser)]
#[command(
    name = "blocksmith",
    version,
    propagate_version = true,
    after_help = "\
Examples:
  blocksmith node
      run a node on port 5000
  blocksmith mine --id alice
      mine coins for alice on that node
  blocksmith peers add localhost:5001
      connect it to another node
  blocksmith chain show
      see the blocks
  blocksmith dev --chain forge
      try signed payments out

`blocksmith COMMAND --help` says more about a command."
)]
pub struct Cli {
    /// The settings file, as `blocksmith config example` prints it [default: config.toml in
    /// ~/.config/blocksmith]
    #[arg(long, global = true, value_name = "FILE", env = "BLOCKSMITH_CONFIG")]
    config: Option<PathBuf>,
    /// What says how many zeros a proof must have: a flag, the environment or the settings file.
    #[arg(skip)]
    zeros_from: Option<String>,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Node(node::NodeArgs),
    Peers(peers::PeersArgs),
    Mine(mine::MineArgs),
    Prove(prove::ProveArgs),
    Bench(bench::BenchArgs),
    Dev(dev::DevArgs),
    Chain(chain::ChainArgs),
    Block(block::BlockArgs),
    Account(account::AccountArgs),
    Leaderboard(leaderboard::LeaderboardArgs),
    Find(find::FindArgs),
    Wallet(wallet::WalletArgs),
    Config(config::ConfigArgs),
}

impl Cli {
    /// The default level of the log. A node's log is for its operator; other commands have results
    /// to show.
    pub fn log_level(&self) -> &'static str {
        match self.command {
            Command::Node(_) => "info",
            _ => "warn",
        }
    }

    /// The format of the log.
    pub fn log_format(&self) -> Format {
        match &self.command {
            Command::Node(args) => args.log_format,
            _ => Format::default(),
        }
    }
}

/// Reads the command line, or says what is wrong with it and ends the process. The message quotes
/// what was typed, which may have been copied from anywhere.
pub fn parse() -> Cli {
    let code = match typed::read(std::env::args_os()) {
        Ok(cli) => return cli,
        Err(NotRead::Help(help)) => help.exit(),
        Err(NotRead::Misread(message)) => {
            note(message);
            exit::USAGE
        }
        Err(NotRead::File(error)) => {
            note(format_args!("blocksmith: {}", told(&error)));
            exit::FAILURE
        }
    };
    std::process::exit(code.into())
}

/// Runs the command that the command line names.
///
/// # Errors
/// Fails with what went wrong, in words for the person who typed the command.
pub fn run(cli: Cli) -> anyhow::Result<ExitCode> {
    let start = || {
        room_for_files()?;
        tokio::runtime::Builder::new_multi_thread().enable_all().build()
    };
    let runtime = start().context("the system doesn't let the program start")?;
    name_long_files(&runtime);
    let outcome = match cli.command {
        Command::Node(args) => runtime.block_on(node::run(args)),
        Command::Peers(args) => runtime.block_on(peers::run(args)),
        Command::Mine(args) => runtime.block_on(mine::run(args)),
        Command::Prove(args) => runtime.block_on(prove::run(args)),
        Command::Bench(args) => runtime.block_on(bench::run(args)),
        Command::Dev(args) => runtime.block_on(dev::run(args)),
        Command::Chain(args) => runtime.block_on(chain::run(args)),
        Command::Block(args) => block::run(args),
        Command::Account(args) => runtime.block_on(account::run(args)),
        Command::Leaderboard(args) => runtime.block_on(leaderboard::run(args)),
        Command::Find(args) => runtime.block_on(find::run(args)),
        Command::Wallet(args) => runtime.block_on(wallet::run(args)),
        Command::Config(args) => config::run(&args),
    };
    // Tasks that still search or serve need not be waited for: all that was acknowledged is
    // durable.
    runtime.shutdown_background();
    match outcome {
        Err(error) if is_unread(&error) => Ok(ExitCode::SUCCESS),
        Err(error) if matches!(error.downcast_ref(), Some(ChainError::NoZeros { .. })) => {
            Err(match cli.zeros_from {
                Some(from) => error.context(from),
                None => error,
            })
        }
        outcome => outcome,
    }
}

/// Fails unless a few more files may be open: without them, the runtime would panic.
fn room_for_files() -> io::Result<()> {
    let files = (0..if cfg!(unix) { LEAST_FILES } else { 0 }).map(|_| File::open("/dev/null"));
    files.collect::<io::Result<Vec<_>>>().map(drop)
}

/// Lets writing to a file fail like other errors at the size limit of files, where the system would
/// end the process without a message.
fn name_long_files(_runtime: &tokio::runtime::Runtime) {
    #[cfg(target_os = "linux")]
    {
        use rustix::process::Signal;
        use tokio::signal::unix::{SignalKind, signal};
        let _entered = _runtime.enter();
        // To have a handler is enough, and it stays. Without one, nothing changes.
        let _ = signal(SignalKind::from_raw(Signal::XFSZ.as_raw()));
    }
}

/// The text of an error, with what to do: its own line breaks stay, while those in what was typed
/// or copied are escaped.
pub fn told(error: &anyhow::Error) -> String {
    let mut text = format!("{error:#}");
    for typed in std::env::args_os() {
        let typed = typed.to_string_lossy();
        let value = typed.split_once('=').filter(|_| typed.starts_with('-'));
        let value = value.map_or(&*typed, |(_, value)| value);
        if value.contains('\n') {
            text = text.replace(value, &escaped(value).to_string());
        }
    }
    if let Some(way_out) = error.chain().find_map(|cause| system::way_out(cause.downcast_ref()?)) {
        text += &format!("; {way_out}");
    }
    lines(text).to_string()
}

/// The exit code for an error.
pub fn exit_code(error: &anyhow::Error) -> ExitCode {
    let is_usage = error.is::<Misused>()
        || error.is::<BadAddress>()
        || error.is::<chain::NoChain>()
        || matches!(
            error.downcast_ref(),
            Some(
                ChainError::Unknown(_)
                    | ChainError::Zeros { .. }
                    | ChainError::NoZeros { .. }
                    | ChainError::NoDev { .. }
            )
        );
    ExitCode::from(match error.downcast_ref::<StoreError>() {
        Some(StoreError::InUse { .. }) => exit::IN_USE,
        _ if error.is::<chain::Unreachable>() => exit::UNREACHABLE,
        _ if error.is::<Redirected>() => exit::REJECTED,
        _ if is_usage => exit::USAGE,
        _ => wallet::exit_code(error)
            .or(peers::exit_code(error))
            .or(asked::exit_code(error))
            .unwrap_or(exit::FAILURE),
    })
}

#[cfg(test)]
mod tests {
    use blocksmith_miner::search::{Backend, Unavailable};

    use super::*;

    #[test]
    fn what_this_machine_cannot_is_no_matter_of_usage() {
        // Every processor has this one, but its error is of the same type as the others.
        let error = anyhow::Error::from(Unavailable(Backend::Portable));
        assert_eq!(exit_code(&error), ExitCode::from(exit::FAILURE));
        let no_peer = "http://".parse::<blocksmith_node::PeerAddress>().unwrap_err();
        assert_eq!(exit_code(&no_peer.into()), ExitCode::from(exit::USAGE));
    }
}
