//! `blocksmith chain export`.

use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use blocksmith_consensus::BlockView;
use blocksmith_consensus::document::ExportTrailer;

use super::{Kept, Opened};
use crate::cmd::{counted, note, stdout, write_new};
use crate::text::escaped;

/// Write a chain into a file
///
/// `chain verify` and `chain import` read the file. Each line is the canonical JSON of a block; except
/// on chains with signed payments, its SHA-256 is the block's hash. The last line is {"length": N,
/// "tip": "HASH"}, which shows whether the file was cut or changed.
///
/// Without a URL the blocks come from this machine: from the data directory, or from the node that is
/// running on it.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  blocksmith chain export -o chain.jsonl
      the chain of the node on this machine")]
pub(super) struct ExportArgs {
    #[command(flatten)]
    kept: Kept,
    /// The new file to write [default: the standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) async fn run(args: ExportArgs) -> anyhow::Result<ExitCode> {
    let opened = args.kept.open("export").await?;
    let Some(path) = &args.output else {
        write(&opened, stdout())?;
        return Ok(ExitCode::SUCCESS);
    };
    let blocks = write_new(path, |file| write(&opened, file))?;
    note(format_args!("wrote {} to {}", counted(blocks, "block"), escaped(path.display())));
    Ok(ExitCode::SUCCESS)
}

/// Writes the blocks and the last line. Returns how many blocks there are.
fn write(opened: &Opened, out: impl Write) -> anyhow::Result<u64> {
    let mut out = BufWriter::new(out);
    let (mut length, mut last) = (0, String::new());
    for text in opened.texts(0)? {
        last = text?;
        writeln!(out, "{last}")?;
        length += 1;
    }
    anyhow::ensure!(length > 0, "the chain has no block");
    let tip =
        BlockView::read(opened.shape(), &last).context("the last line is not a block")?.hash();
    writeln!(out, "{}", ExportTrailer { length, tip })?;
    out.flush()?;
    Ok(length)
}
