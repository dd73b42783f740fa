//! `blocksmith chain`: shows chains, verifies them, exports and imports them, starts new ones.

mod branches;
mod export;
mod import;
mod new;
mod repair;
mod show;
mod source;
mod verify;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use blocksmith_consensus::document::Document;
use blocksmith_consensus::{BlockView, Shape};
use reqwest::Url;

pub use new::NoChain;
pub(super) use new::quoted;
pub use source::Unreachable;

use super::note;
use super::values::{number, page};
use crate::chain::Chain;
use crate::service::{self, Snapshot, StoreError};
use crate::{config, verify as reading};

/// See a chain, check it, copy it, or make a new one
#[derive(Debug, clap::Args)]
pub struct ChainArgs {
    #[command(subcommand)]
    command: ChainCommand,
}

#[derive(Debug, clap::Subcommand)]
enum ChainCommand {
    Show(show::ShowArgs),
    Branches(branches::BranchesArgs),
    Verify(verify::VerifyArgs),
    Export(export::ExportArgs),
    Import(import::ImportArgs),
    Repair(repair::RepairArgs),
    New(new::NewArgs),
}

/// Runs the command.
///
/// # Errors
/// Fails with what went wrong.
pub async fn run(args: ChainArgs) -> anyhow::Result<ExitCode> {
    match args.command {
        ChainCommand::Show(args) => show::run(args).await,
        ChainCommand::Branches(args) => branches::run(args).await,
        ChainCommand::Verify(args) => verify::run(args).await,
        ChainCommand::Export(args) => export::run(args).await,
        ChainCommand::Import(args) => import::run(args).await,
        ChainCommand::Repair(args) => repair::run(args).await,
        ChainCommand::New(args) => new::run(args),
    }
}

/// Which chain is meant.
#[derive(Debug, clap::Args)]
struct Which {
    /// The chain: lecture, course, dvf, forge, bitcoin-like, or a chain file [default: lecture]
    #[arg(long, value_name = "NAME", env = "BLOCKSMITH_CHAIN")]
    chain: Option<String>,
    /// How many zeros the hash of a proof must start with [default: as the chain says]
    #[arg(long, value_name = "N", env = "BLOCKSMITH_ZEROS", value_parser = number::<u8>(0..=64))]
    zeros: Option<u8>,
}

impl Which {
    fn load(&self) -> anyhow::Result<Chain> {
        let name = self.chain.as_deref().unwrap_or(config::DEFAULT_CHAIN);
        Ok(Chain::load(name, self.zeros)?)
    }
}

/// Which node's data is meant.
#[derive(Debug, clap::Args)]
struct Data {
    /// The folder with the chain [default: the folder of the node with this chain and port]
    #[arg(long, value_name = "DIR", env = "BLOCKSMITH_DATA_DIR")]
    data_dir: Option<PathBuf>,
    /// The port of the node whose folder to use [default: 5000]
    #[arg(long, value_name = "PORT", env = "BLOCKSMITH_PORT", value_parser = number::<u16>(0..=65535))]
    port: Option<u16>,
    #[command(flatten)]
    which: Which,
}

impl Data {
    /// The data directory, and the chain that the rest of the command line names.
    fn find(&self) -> anyhow::Result<(PathBuf, Chain)> {
        let chain = self.which.load()?;
        let dir = match self.data_dir.clone() {
            Some(dir) => dir,
            None => {
                let port = self.port.unwrap_or(config::DEFAULT_PORT);
                config::default_data_dir(&chain.rules, port)?
            }
        };
        Ok((dir, chain))
    }
}

/// A chain to read: what a running node tells, or what one has kept.
#[derive(Debug, clap::Args)]
struct Kept {
    /// A running node, as in http://localhost:5000 [default: the data of the node on this machine]
    #[arg(value_name = "URL", value_parser = page)]
    url: Option<Url>,
    #[command(flatten)]
    data: Data,
}

enum Opened {
    /// A node's answer.
    Answer { text: Vec<u8>, shape: Shape },
    /// A store.
    Store(Snapshot),
}

impl Kept {
    /// Opens the chain for `blocksmith chain` with this command.
    async fn open(&self, command: &str) -> anyhow::Result<Opened> {
        if let Some(url) = &self.url {
            return ask(url).await;
        }
        match service::open_read_only(&self.data.find()?.0) {
            Err(StoreError::InUse { url: Some(url), .. }) => {
                note(format_args!(
                    "a node uses this data directory, so the chain comes from {url}"
                ));
                ask(&url.parse()?).await
            }
            Err(nothing @ StoreError::Nothing { .. }) => Err(anyhow::anyhow!(
                "{nothing}; or name a node: blocksmith chain {command} http://localhost:5000"
            )),
            opened => Ok(Opened::Store(opened?)),
        }
    }
}

/// The chain that a running node tells.
async fn ask(url: &Url) -> anyhow::Result<Opened> {
    let text = source::fetch(url).await?;
    let shape = shape(&text);
    Ok(Opened::Answer { text, shape })
}

/// Which fields the blocks of a node's answer have, by its first block: no genesis block of the
/// course's kind has the fields of a sealed one.
fn shape(text: &[u8]) -> Shape {
    let first = Document::new(text).next_block();
    let is_sealed = |text: &str| BlockView::read(Shape::Sealed, text).is_ok();
    match first {
        Ok(Some(first)) if is_sealed(&first.text) => Shape::Sealed,
        _ => Shape::Open,
    }
}

impl Opened {
    /// Which fields the blocks have, on which their hashes depend.
    fn shape(&self) -> Shape {
        match self {
            Self::Store(snapshot) => snapshot.shape(),
            Self::Answer { shape, .. } => *shape,
        }
    }

    /// The canonical texts of the blocks from the index `from` on, the lowest first; a store is not
    /// read below it.
    fn texts(
        &self,
        from: u64,
    ) -> anyhow::Result<Box<dyn Iterator<Item = anyhow::Result<String>> + '_>> {
        match self {
            Self::Store(snapshot) => Ok(Box::new(snapshot.texts(from)?.map(|text| Ok(text?)))),
            Self::Answer { text, .. } => {
                let mut document = Document::new(text);
                Ok(Box::new(std::iter::from_fn(move || match document.next_block() {
                    Ok(next) => next.map(|block| Ok(block.text.into_owned())),
                    Err(error) => Some(Err(error).context("the node's answer is not a chain")),
                })))
            }
        }
    }
}
