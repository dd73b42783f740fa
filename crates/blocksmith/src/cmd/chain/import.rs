//! `blocksmith chain import`.

use std::io::Write as _;
use std::process::ExitCode;

use blocksmith_consensus::{Block, Hash};
use blocksmith_node::Verdict;
use tokio::runtime;

use super::reading::{MAX_HELD_BYTES, Piece, VerifyError, read_pieces};
use super::source::Source;
use super::{Data, verify};
use crate::cmd::screen::Counter;
use crate::cmd::{counted, exit, stdout};
use crate::service::{self, Handle, Import, Options, Taken};
use crate::text::escaped;

/// The most blocks that are handed in at once.
const BATCH_BLOCKS: usize = 2_000;

/// The most bytes of blocks that are handed in at once, unless one block has more.
const BATCH_BYTES: usize = 16 << 20;

/// Copy a chain from a file into a data directory
///
/// The command verifies the file first. The chain in the directory grows by the blocks of the file; if
/// the two chains differ, the one with more work stays. After an interruption, run the command again.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  blocksmith chain import chain.jsonl
      into the folder of the node on port 5000")]
pub(super) struct ImportArgs {
    /// A file, a node's URL, or - for the standard input
    #[arg(value_name = "FILE")]
    source: String,
    /// The hash that the last block of the file must have
    #[arg(long, value_name = "HASH")]
    tip: Option<Hash>,
    #[command(flatten)]
    data: Data,
}

pub(super) async fn run(args: ImportArgs) -> anyhow::Result<ExitCode> {
    let (dir, chain) = args.data.find()?;
    let source = Source::find(&args.source).await?.held()?;
    let verified = match verify::check(&source, &chain, args.tip) {
        Ok(verdict) => verdict,
        Err(VerifyError::Document(fault)) => {
            verify::print_invalid(&fault, &fault.to_string(), &chain);
            return Ok(ExitCode::from(exit::FAILURE));
        }
        Err(VerifyError::Read(error)) => return Err(error.into()),
    };

    let unprotected = verify::unprotected(&chain, verified.index, args.tip);
    let options = Options { data_dir: Some(dir.clone()), ..Options::new(chain) };
    let (handle, mut orders) = service::start(options)?;
    // The import calls no peers, so their orders are dropped.
    let orders = tokio::spawn(async move { while orders.recv().await.is_some() {} });
    let mut batches = Batches::new(handle.clone(), verified.blocks);
    let outcome = tokio::task::block_in_place(|| {
        read_pieces(source.reader()?, MAX_HELD_BYTES, |piece| batches.hand_in_all(piece))?;
        batches.end()
    });
    batches.progress.end();
    let tip = handle.standing().tip.block.clone();
    drop((batches, handle));
    orders.await?;
    outcome?;

    let mut out = stdout();
    let (index, hash) = (tip.index(), tip.hash());
    if hash == verified.tip {
        writeln!(out, "imported: {}, tip {hash}", counted(verified.blocks, "block"))?;
        if let Some(unprotected) = unprotected {
            writeln!(out, "{}", unprotected.note)?;
        }
    } else {
        writeln!(
            out,
            "the chain of the file was not imported: the chain in {} has at least as much work. It ends \
             in block {index}, {hash}, and the file in block {}, {}",
            escaped(dir.display()),
            verified.index,
            verified.tip
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Hands in blocks, many at a time.
struct Batches {
    handle: Handle,
    runtime: runtime::Handle,
    import: Import,
    blocks: Vec<Block>,
    bytes: usize,
    progress: Counter,
}

impl Batches {
    fn new(handle: Handle, of: u64) -> Self {
        Self {
            import: handle.import("import".parse().expect("a word is an address")),
            handle,
            runtime: runtime::Handle::current(),
            blocks: Vec::new(),
            bytes: 0,
            progress: Counter::new(of),
        }
    }

    fn hand_in_all(&mut self, piece: Piece<'_>) -> anyhow::Result<()> {
        let Piece { mut document, stop, .. } = piece;
        while document.position() < stop
            && let Some(located) = document.next_block()?
        {
            self.bytes += located.text.len();
            self.blocks.push(self.handle.chain().rules.block(&located.text)?);
            if self.blocks.len() >= BATCH_BLOCKS || self.bytes >= BATCH_BYTES {
                self.hand_in()?;
            }
        }
        Ok(())
    }

    fn hand_in(&mut self) -> anyhow::Result<()> {
        self.bytes = 0;
        let blocks = std::mem::take(&mut self.blocks);
        let count = blocks.len() as u64;
        let taken = self.runtime.block_on(self.import.push(blocks))?;
        self.progress.add(count);
        taken.map_or(Ok(()), Self::judge)
    }

    /// Waits until all blocks are durable.
    fn end(&mut self) -> anyhow::Result<()> {
        self.hand_in()?;
        self.runtime.block_on(self.import.end())?.map_or(Ok(()), Self::judge)
    }

    fn judge(Taken { verdict, index }: Taken) -> anyhow::Result<()> {
        match verdict {
            Verdict::NewTip | Verdict::SideBranch | Verdict::Known => {}
            // Signatures and accounts are checked here for the first time.
            Verdict::Invalid(invalid) => anyhow::bail!(
                "the chain of the file breaks a rule: {invalid}; the data directory has the blocks before it"
            ),
            Verdict::NoRoom => anyhow::bail!(
                "the chain in the directory and the chain of the file split too far below block \
                 {index}; import the file into another directory with --data-dir"
            ),
            Verdict::Orphan => anyhow::bail!("the file changed while it was read; import it again"),
            Verdict::Early | Verdict::OnEarly(_) => anyhow::bail!(
                "block {index}, or one before it, has a time ahead of this machine's clock; if the clock \
                 is wrong, set it; if not, import the file later"
            ),
        }
        Ok(())
    }
}
