//! `blocksmith chain repair`.

use std::io::Write as _;
use std::path::Path;
use std::process::ExitCode;

use blocksmith_consensus::{Block, Rules};
use blocksmith_node::Verdict;

use super::Data;
use crate::cmd::{counted, stdout};
use crate::service::{self, Handle, Options, Salvage, StoreError};
use crate::text::escaped;

/// The most blocks, and the most bytes of blocks, that are handed in at once.
const BATCH_BLOCKS: usize = 2_000;
const BATCH_BYTES: usize = 16 << 20;

/// The most payments that are handed in at once.
const BATCH_PAYMENTS: usize = 100;

/// Build a good data directory from a damaged one
///
/// The command keeps the damaged file under another name. It takes over the blocks that it can read and
/// verify, and the payments and peers. A node that starts afterwards gets the other blocks from its
/// peers. If nothing is damaged, the command changes nothing.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  blocksmith chain repair
      the data of the node on port 5000, after it has stopped")]
pub(super) struct RepairArgs {
    #[command(flatten)]
    data: Data,
}

pub(super) async fn run(args: RepairArgs) -> anyhow::Result<ExitCode> {
    let (dir, chain) = args.data.find()?;
    let rules = chain.rules.clone();
    let mut out = stdout();
    let found = tokio::task::block_in_place(|| damaged(&dir, &rules))?;
    let Some(salvage) = found else {
        writeln!(out, "nothing is damaged in {}, and nothing was changed", escaped(dir.display()))?;
        return Ok(ExitCode::SUCCESS);
    };
    for damage in &salvage.damage {
        writeln!(out, "damaged: {}", escaped(damage))?;
    }
    let options = Options {
        data_dir: Some(salvage.building.clone()),
        node_id: salvage.node_id.clone().filter(|id| service::is_node_id(id)),
        ..Options::new(chain)
    };
    let (handle, mut orders) = service::start(options)?;
    // A repair calls no peers, so their orders are dropped.
    let orders = tokio::spawn(async move { while orders.recv().await.is_some() {} });
    let blocks = hand_in_chain(&handle, salvage.chain(&rules)).await?;
    let mut side = 0;
    for block in salvage.others(&rules) {
        let verdict = handle.submit_block(block?, None).await?;
        side += u64::from(matches!(verdict, Verdict::NewTip | Verdict::SideBranch));
    }
    let peers = handle.register(salvage.peers.clone()).await?.peers.len();
    let mut waiting = 0;
    for transaction in &salvage.queue {
        waiting += u64::from(handle.queue(transaction.clone()).await?.is_some());
    }
    for payments in salvage.payments.chunks(BATCH_PAYMENTS) {
        let texts = payments.iter().map(|text| text.clone().into_bytes()).collect();
        waiting += handle.pay(texts, None).await?.iter().filter(|paid| paid.is_ok()).count() as u64;
    }
    let tip = handle.standing().tip.block.clone();
    drop(handle);
    orders.await?;
    let highest = salvage.highest.filter(|highest| *highest > tip.index());
    let aside = salvage.replace()?;
    writeln!(out, "the damaged file is kept as {}", escaped(aside.display()))?;
    writeln!(
        out,
        "repaired: the chain ends in block {}, {}; taken over: {} of the chain, {side} of side branches, {}, {}",
        tip.index(),
        tip.hash(),
        counted(blocks, "block"),
        counted(waiting, "waiting transaction"),
        counted(peers as u64, "peer"),
    )?;
    if let Some(highest) = highest {
        writeln!(
            out,
            "blocks {} to {highest} can't be taken over: one of them is damaged, or a block below them. \
             Start the node: it asks its peers for them; or use `blocksmith chain import` with an export.",
            tip.index() + 1
        )?;
    }
    Ok(ExitCode::SUCCESS)
}

/// What can be read of a damaged store. A store whose every page is as it was written is damaged too if
/// it says anything else than its blocks do.
fn damaged(dir: &Path, rules: &Rules) -> Result<Option<Salvage>, StoreError> {
    if let Some(salvage) = Salvage::of(dir, rules, None)? {
        return Ok(Some(salvage));
    }
    let snapshot = service::open_read_only(dir)?;
    let replayed = service::replay(&snapshot, rules, |_| {});
    drop(snapshot);
    match replayed {
        Ok(_) => Ok(None),
        Err(wrong) => Salvage::of(dir, rules, Some(wrong.to_string())),
    }
}

/// Hands in the blocks of a chain, many at a time, until one is not taken; returns how many were.
async fn hand_in_chain(
    handle: &Handle,
    blocks: impl Iterator<Item = Result<Block, StoreError>>,
) -> anyhow::Result<u64> {
    let mut import = handle.import("repair".parse().expect("a word is an address"));
    let (mut batch, mut bytes, mut count) = (Vec::new(), 0, 0);
    for block in blocks {
        let block = block?;
        bytes += block.text().len();
        count += 1;
        batch.push(block);
        if batch.len() >= BATCH_BLOCKS || bytes >= BATCH_BYTES {
            bytes = 0;
            let taken = import.push(std::mem::take(&mut batch)).await?;
            if let Some(taken) = taken.filter(|taken| !is_taken(&taken.verdict)) {
                return Ok(taken.index);
            }
        }
    }
    import.push(batch).await?;
    import.end().await?;
    Ok(count)
}

fn is_taken(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::NewTip | Verdict::SideBranch | Verdict::Known)
}
