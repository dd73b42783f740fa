//! `blocksmith chain verify`.

use std::io::{Read as _, Write as _};
use std::process::ExitCode;

use blocksmith_consensus::document::{Document, DocumentError, VerifiedChain, Verifier};
use blocksmith_consensus::json::{Reader, Value};
use blocksmith_consensus::{Difficulty, Family, Hash, Invalid, Puzzle};
use serde_json::json;

use super::reading::{MAX_HELD_BYTES, ReadError, VerifyError, all_threads, verify_read};
use super::source::Source;
use super::{Data, reading};
use crate::chain::{Chain, describe};
use crate::cmd::screen::Counter;
use crate::cmd::{Misused, counted, exit, note, stdout};
use crate::service::{self, NotReplayed, Replay, Replayed, StoreError};
use crate::spelling::{HASHED_TEXT, Spelling};
use crate::text::{self, escaped};

/// Check every block of a chain, and name the first bad one
///
/// The chain can be an answer to GET /chain, a JSON array of blocks, or a file of `chain export`. The
/// last line of such a file says the length and the last block's hash, and both are checked.
///
/// With --replay the command checks all that the rules say, signatures and balances too. With --replay
/// and without SOURCE it checks a data directory: the blocks, and all that the node keeps beside them.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  blocksmith chain verify http://localhost:5000
      the chain of a running node
  blocksmith chain verify chain.jsonl
      a file
  blocksmith chain verify --replay
      the data directory of a node that has stopped")]
pub(super) struct VerifyArgs {
    /// A file, the URL of a node, or - for the standard input [default: the node that BLOCKSMITH_NODE
    /// or the settings file names]
    #[arg(env = "BLOCKSMITH_NODE", hide_env = true)]
    source: Option<String>,
    /// Check signatures and balances too, from the first block on
    #[arg(long)]
    replay: bool,
    /// The hash that the last block must have; ask a person you trust for it
    #[arg(long, value_name = "HASH")]
    tip: Option<Hash>,
    /// Print the result as JSON
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    data: Data,
}

/// What can be given where nothing was.
const NO_SOURCE: &str = "\
which chain? Give one of these:
  blocksmith chain verify http://localhost:5000    the chain of a running node
  blocksmith chain verify FILE                     a file, such as chain export writes
  blocksmith chain verify -                        the standard input
  blocksmith chain verify --replay                 the data directory of a node that has stopped";

pub(super) async fn run(args: VerifyArgs) -> anyhow::Result<ExitCode> {
    let Some(source) = &args.source else {
        return if args.replay {
            replay_data(&args)
        } else {
            let Data { data_dir, port, .. } = &args.data;
            let replay = match data_dir.is_some() || port.is_some() {
                true => "to check a data directory, add --replay\n",
                false => "",
            };
            Err(Misused(format!("{replay}{NO_SOURCE}")).into())
        };
    };
    let chain = args.data.which.load()?;
    let mut source = Source::find(source).await?;
    if args.replay {
        source = source.held()?;
    }
    let verdict = match check(&source, &chain, args.tip) {
        Ok(verdict) => verdict,
        Err(VerifyError::Document(fault)) => {
            let reason = spelled_otherwise(&source, &fault);
            return invalid(&fault, reason, &chain, args.json);
        }
        Err(VerifyError::Read(error)) => return Err(error.into()),
    };
    let progress = Counter::new(verdict.blocks);
    let replayed =
        args.replay.then(|| replay(&source, &chain, |blocks| progress.add(blocks))).transpose();
    progress.end();
    let replayed = match replayed {
        Ok(replayed) => replayed,
        Err(Unfinished::Invalid(broken)) => {
            return invalid(&broken.into(), None, &chain, args.json);
        }
        Err(Unfinished::Other(error)) => return Err(error),
    };
    if replayed.is_some_and(|replayed| replayed.tip != verdict.tip) {
        anyhow::bail!("the chain changed while it was read; run the command again");
    }
    let unprotected = unprotected(&chain, verdict.index, args.tip);
    let valid = Valid { blocks: verdict.blocks, tip: verdict.tip, unprotected };
    valid.print(replayed.as_ref(), &chain, args.json)?;
    Ok(ExitCode::SUCCESS)
}

/// Why a document was not replayed to its end.
enum Unfinished {
    Invalid(Invalid),
    Other(anyhow::Error),
}

impl From<Invalid> for Unfinished {
    fn from(invalid: Invalid) -> Self {
        Self::Invalid(invalid)
    }
}

impl From<ReadError> for Unfinished {
    fn from(error: ReadError) -> Self {
        Self::Other(error.into())
    }
}

/// Replays a document.
fn replay(
    source: &Source,
    chain: &Chain,
    mut progress: impl FnMut(u64),
) -> Result<Replayed, Unfinished> {
    let mut replay = Replay::new(&chain.rules);
    let mut each = |_| {
        progress(1);
        Ok::<_, Unfinished>(())
    };
    let other = |error: anyhow::Error| Unfinished::Other(error);
    let reader = source.reader().map_err(ReadError::Io)?;
    reading::read_pieces(reader, MAX_HELD_BYTES, |piece| {
        let reading::Piece { mut document, stop, .. } = piece;
        while document.position() < stop
            && let Some(located) = document.next_block().map_err(|error| other(error.into()))?
        {
            let block = chain.rules.block(&located.text).map_err(|error| other(error.into()))?;
            replay.push(block, &mut each)?;
        }
        Ok::<_, Unfinished>(())
    })?;
    let replayed = replay.finish(&mut each)?;
    replayed.ok_or_else(|| {
        other(anyhow::anyhow!("the chain changed while it was read; run the command again"))
    })
}

/// Replays the blocks of a data directory, and compares what the directory has beside them.
fn replay_data(args: &VerifyArgs) -> anyhow::Result<ExitCode> {
    let (dir, chain) = args.data.find()?;
    let snapshot = service::open_checked(&dir).map_err(|error| match error {
        StoreError::InUse { url: Some(ref url), .. } => {
            let what = format!(
                "a node uses these files, so they can't be checked now; `blocksmith chain verify {url} \
                 --replay` checks the chain that the node serves"
            );
            anyhow::Error::new(error).context(what)
        }
        error => error.into(),
    })?;
    let tip = snapshot.tip()?.block;
    // Only the replay finds out whether it is a chain of these rules.
    let progress = Counter::new((tip.index() + 1).saturating_sub(chain.rules.genesis_index()));
    let replayed = service::replay(&snapshot, &chain.rules, |blocks| progress.add(blocks));
    progress.end();
    let replayed = match replayed {
        Ok(replayed) => replayed,
        Err(NotReplayed::Invalid(broken)) => {
            return invalid(&broken.into(), None, &chain, args.json);
        }
        Err(NotReplayed::Difference(difference)) => {
            if args.json {
                let verdict = json!({
                    "valid": false,
                    "reason": difference.to_string(),
                    "rules": describe(&chain.rules),
                    "chain_id": chain.rules.chain_id().to_string(),
                });
                writeln!(stdout(), "{}", text::json(&verdict.to_string()))?;
            }
            note(format_args!(
                "damaged: {}\nThe blocks are valid. `blocksmith chain repair` with the same options makes \
                 a good store of them.",
                escaped(difference)
            ));
            return Ok(ExitCode::from(exit::FAILURE));
        }
        Err(NotReplayed::Store(error)) => return Err(error.into()),
    };
    if let Some(expected) = args.tip.filter(|expected| *expected != replayed.tip) {
        let fault = DocumentError::Tip { index: tip.index(), expected, found: replayed.tip };
        return invalid(&fault, None, &chain, args.json);
    }
    let unprotected = unprotected(&chain, tip.index(), args.tip);
    let valid = Valid { blocks: replayed.blocks, tip: replayed.tip, unprotected };
    valid.print(Some(&replayed), &chain, args.json)?;
    Ok(ExitCode::SUCCESS)
}

/// Says why a block seems to have been changed, if the reason is that the next block names the hash
/// of another spelling of its JSON.
fn spelled_otherwise(source: &Source, fault: &DocumentError) -> Option<String> {
    let (index, found, named) = match fault {
        DocumentError::Changed { index, found, named, .. } => (*index, found, named),
        DocumentError::Invalid(Invalid::PreviousHash { index, expected, found }) => {
            (index.checked_sub(1)?, expected, found)
        }
        _ => return None,
    };
    let child = index + 1;
    let wanted = named.trim_matches('"').parse().ok()?;
    let mut input = Vec::new();
    let most = MAX_HELD_BYTES as u64;
    // The standard input can't be read again.
    let (Source::File(_) | Source::Held(_)) = source else { return None };
    source.reader().ok()?.take(most).read_to_end(&mut input).ok()?;
    let mut document = Document::new(&input);
    let spelling = loop {
        let located = document.next_block().ok()??;
        if Value::of_canonical(&located.text).get("index")?.as_u64() == Some(index) {
            let mut reader = Reader::at(&input, located.at);
            reader.skip_value().ok()?;
            break Spelling::of_sent(input.get(located.at..reader.position())?, &wanted)?;
        }
    };
    Some(format!(
        "previous_hash: block {index} hashes to {found}, and block {child} names {named}: that is the \
         hash of block {index} {spelling}. {HASHED_TEXT}"
    ))
}

/// Reports that a chain is invalid, and why: the fault itself, unless there is a better
/// explanation.
fn invalid(
    fault: &DocumentError,
    reason: Option<String>,
    chain: &Chain,
    json: bool,
) -> anyhow::Result<ExitCode> {
    let reason = reason.unwrap_or_else(|| fault.to_string());
    if json {
        let verdict = json!({
            "valid": false,
            "block": fault.block(&chain.rules),
            "rule": fault.rule(),
            "reason": reason,
            "rules": describe(&chain.rules),
            "chain_id": chain.rules.chain_id().to_string(),
        });
        writeln!(stdout(), "{}", text::json(&verdict.to_string()))?;
    }
    print_invalid(fault, &reason, chain);
    Ok(ExitCode::from(exit::FAILURE))
}

/// Verifies a chain. Says on the standard error what is odd about it although it breaks no rule.
pub(super) fn check(
    source: &Source,
    chain: &Chain,
    tip: Option<Hash>,
) -> Result<VerifiedChain, VerifyError> {
    let verifier = Verifier { rules: &chain.rules, tip };
    let verdict = match source.whole().map_err(ReadError::Io)? {
        Some(text) => reading::verify(&verifier, &text, all_threads())?,
        None => {
            let reader = source.reader().map_err(ReadError::Io)?;
            verify_read(&verifier, reader, MAX_HELD_BYTES, all_threads())?
        }
    };
    if let Some(claimed) = verdict.claimed_length.filter(|claimed| *claimed != verdict.blocks) {
        note(format_args!(
            "note: the document says that it has {claimed} blocks; it has {}",
            verdict.blocks
        ));
    }
    Ok(verdict)
}

/// Which blocks of a valid chain nothing protects against change.
pub(super) struct Unprotected {
    /// The lowest such block.
    from: u64,
    /// Which blocks, why, and what protects them. The answer has it, since "valid" alone would
    /// promise too much.
    pub(super) note: String,
}

/// The blocks that nothing protects in a chain whose tip has this index, unless the tip was pinned.
pub(super) fn unprotected(chain: &Chain, index: u64, pinned: Option<Hash>) -> Option<Unprotected> {
    let from = chain.rules.unprotected_from(index).filter(|_| pinned.is_none())?;
    let (others, them) = if from < index {
        (format!(", or any other block from {from} on"), "them")
    } else {
        (String::new(), "it")
    };
    let Family::Open(open) = &chain.rules.family else { return None };
    let what = match open.puzzle {
        Puzzle::LastProof => "does not depend on its block",
        Puzzle::LastBlock | Puzzle::LastProofAndHash => "depends only on the blocks before its own",
    };
    let note = format!(
        "but nothing protects the newest block{others}: by these rules a proof {what}, so that anyone \
         can change {them} without work. --tip HASH protects {them}: ask a person you trust for the \
         hash of the newest block"
    );
    Some(Unprotected { from, note })
}

/// A chain that breaks no rule.
struct Valid {
    blocks: u64,
    tip: Hash,
    unprotected: Option<Unprotected>,
}

impl Valid {
    fn print(&self, replayed: Option<&Replayed>, chain: &Chain, json: bool) -> std::io::Result<()> {
        let Self { blocks, tip, unprotected } = self;
        let rules = describe(&chain.rules);
        let mut out = stdout();
        if json {
            let mut verdict = json!({
                "valid": true,
                "blocks": blocks,
                "tip": tip.to_string(),
                "unprotected_from": unprotected.as_ref().map(|unprotected| unprotected.from),
                "rules": rules,
                "chain_id": chain.rules.chain_id().to_string(),
            });
            if let Some(replayed) = replayed {
                verdict["transactions"] = replayed.transactions.into();
                verdict["accounts"] = replayed.accounts.into();
                verdict["state"] = replayed.state.to_string().into();
            }
            return writeln!(out, "{}", text::json(&verdict.to_string()));
        }
        writeln!(out, "valid: {}, tip {tip} ({})", counted(blocks, "block"), escaped(rules))?;
        if let Some(Unprotected { note, .. }) = unprotected {
            writeln!(out, "{note}")?;
        }
        let Some(Replayed { transactions, accounts, state, .. }) = replayed else { return Ok(()) };
        writeln!(
            out,
            "replayed: {}, {}, state {state}",
            counted(transactions, "transaction"),
            counted(accounts, "account")
        )
    }
}

/// Prints what is wrong, and that these may be the wrong rules.
pub(super) fn print_invalid(fault: &DocumentError, reason: &str, chain: &Chain) {
    note(format_args!("invalid: {}", escaped(reason)));
    if matches!(fault.rule(), "genesis" | "proof") {
        let others = match chain.rules.difficulty() {
            Difficulty::Fixed(_) => "choose other rules with --chain and --zeros",
            Difficulty::Asert { .. } | Difficulty::Epoch { .. } => {
                "choose other rules with --chain; a chain of `blocksmith dev` has -dev after its name"
            }
        };
        note(format_args!("These are the rules of {}; {others}.", escaped(describe(&chain.rules))));
    }
}
