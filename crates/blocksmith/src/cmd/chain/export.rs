//! `blocksmith chain export`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use blocksmith_consensus::BlockView;
use blocksmith_consensus::document::Seal;

use super::Kept;

/// Write a chain as JSON lines, which `chain verify` and `chain import` read
///
/// Each line is the canonical text of a block, whose SHA-256 is the block's hash unless the chain is
/// a sealed one. The last line is {"length": N, "tip": "HASH"}: an export that was cut or changed no
/// longer fits it.
#[derive(Debug, clap::Args)]
pub(super) struct ExportArgs {
    #[command(flatten)]
    kept: Kept,
    /// Where to write [default: the standard output]
    #[arg(long, short, value_name = "FILE")]
    output: Option<PathBuf>,
}

pub(super) async fn run(args: ExportArgs) -> anyhow::Result<ExitCode> {
    let opened = args.kept.open().await?;
    let mut out: Box<dyn Write> = match &args.output {
        Some(path) => Box::new(
            File::create(path).with_context(|| format!("{} can't be written", path.display()))?,
        ),
        None => Box::new(std::io::stdout().lock()),
    };
    let mut out = BufWriter::new(&mut out);
    let (mut length, mut last) = (0, String::new());
    for text in opened.texts(0)? {
        last = text?;
        writeln!(out, "{last}")?;
        length += 1;
    }
    anyhow::ensure!(length > 0, "there is no block");
    let tip = BlockView::read(opened.shape(), &last).context("the last line is no block")?.hash();
    let seal = Seal { length, tip };
    writeln!(out, "{seal}")?;
    out.flush()?;
    if let Some(path) = &args.output {
        eprintln!("wrote {} blocks to {}", seal.length, path.display());
    }
    Ok(ExitCode::SUCCESS)
}
