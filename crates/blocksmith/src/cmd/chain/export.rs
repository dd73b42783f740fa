//! `blocksmith chain export`.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use blocksmith_consensus::Hash;
use blocksmith_consensus::document::Seal;

use super::Kept;

/// Write a chain as JSON lines, which `chain verify` and `chain import` read
///
/// Each line is the canonical text of a block: its SHA-256 is the block's hash. The last line is
/// {"length": N, "tip": "HASH"}: an export that was cut or changed no longer fits it.
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
    let mut seal = None;
    for text in opened.texts(0)? {
        let text = text?;
        writeln!(out, "{text}")?;
        let length = seal.map_or(1, |seal: Seal| seal.length + 1);
        seal = Some(Seal { length, tip: Hash::of(&text) });
    }
    let seal = seal.context("there is no block")?;
    writeln!(out, "{seal}")?;
    out.flush()?;
    if let Some(path) = &args.output {
        eprintln!("wrote {} blocks to {}", seal.length, path.display());
    }
    Ok(ExitCode::SUCCESS)
}
