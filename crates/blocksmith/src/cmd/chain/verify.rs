//! `blocksmith chain verify`.

use std::io::Write as _;
use std::process::ExitCode;

use blocksmith_consensus::Hash;
use blocksmith_consensus::document::{Fault, Verdict, Verifier};
use serde_json::json;

use super::reading::{MAX_HELD_BYTES, ReadError, VerifyError, all_threads, verify_read};
use super::source::Source;
use super::{Which, reading};
use crate::chain::{Chain, describe};
use crate::cmd::exit;
use crate::config;

/// Check every block of a chain, and name the first bad one
///
/// The chain is what a node answers to GET /chain, a JSON array of blocks, or one block a line as
/// `chain export` writes it; an export's last line says its length and the hash of its tip, and both
/// are checked.
#[derive(Debug, clap::Args)]
pub(super) struct VerifyArgs {
    /// A file, a node's URL as in http://localhost:5000, or - for the standard input
    source: String,
    /// The hash that the last block must have, which pins the end of the chain
    #[arg(long, value_name = "HASH")]
    tip: Option<Hash>,
    /// Print the verdict as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    which: Which,
}

pub(super) async fn run(args: VerifyArgs) -> anyhow::Result<ExitCode> {
    let chain = args.which.load(&config::read(args.which.config.as_deref())?)?;
    let source = Source::find(&args.source).await?;
    match check(&source, &chain, args.tip) {
        Ok(verdict) => {
            print_valid(&verdict, &chain, args.json)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(VerifyError::Fault(fault)) => {
            if args.json {
                let verdict = json!({
                    "valid": false,
                    "block": fault.block(&chain.rules),
                    "rule": fault.rule(),
                    "reason": fault.to_string(),
                    "rules": describe(&chain.rules),
                });
                writeln!(std::io::stdout(), "{verdict}")?;
            }
            print_invalid(&fault, &chain);
            Ok(ExitCode::from(exit::FAILURE))
        }
        Err(VerifyError::Read(error)) => Err(error.into()),
    }
}

/// Verifies a chain; says on the standard error what is odd about it, but breaks no rule.
pub(super) fn check(
    source: &Source,
    chain: &Chain,
    tip: Option<Hash>,
) -> Result<Verdict, VerifyError> {
    let verifier = Verifier { rules: &chain.rules, tip };
    let verdict = match source {
        Source::Held(text) => reading::verify(&verifier, text, all_threads())?,
        source => {
            let reader = source.reader().map_err(ReadError::Io)?;
            verify_read(&verifier, reader, MAX_HELD_BYTES, all_threads())?
        }
    };
    if let Some(claimed) = verdict.claimed_length.filter(|claimed| *claimed != verdict.blocks) {
        eprintln!(
            "note: the document says that it has {claimed} blocks; it has {}",
            verdict.blocks
        );
    }
    Ok(verdict)
}

fn print_valid(verdict: &Verdict, chain: &Chain, json: bool) -> std::io::Result<()> {
    let rules = describe(&chain.rules);
    let mut out = std::io::stdout();
    if json {
        let verdict = json!({
            "valid": true,
            "blocks": verdict.blocks,
            "tip": verdict.tip.to_string(),
            "rules": rules,
        });
        return writeln!(out, "{verdict}");
    }
    let plural = if verdict.blocks == 1 { "" } else { "s" };
    writeln!(out, "valid: {} block{plural}, tip {} ({rules})", verdict.blocks, verdict.tip)
}

/// Says what is wrong, and that these may be the wrong rules.
pub(super) fn print_invalid(fault: &Fault, chain: &Chain) {
    eprintln!("invalid: {fault}");
    if matches!(fault.rule(), "genesis" | "proof") {
        eprintln!(
            "These are the rules of {}; --chain and --zeros choose others.",
            describe(&chain.rules)
        );
    }
}
