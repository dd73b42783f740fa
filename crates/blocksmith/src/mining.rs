//! Mining inside the node's own process.

use std::num::NonZeroUsize;

use blocksmith_consensus::{Block, Proof};
use blocksmith_miner::search::Outcome;

use crate::searching::Workers;
use crate::service::{Handle, Stopped};

/// Searches until one more block stands on the tip, and returns it. The coin goes to `recipient`,
/// a canonical JSON text, or to the node. Starts anew whenever the tip moves; dropping the future
/// ends the search. A node's requests come first: the search takes the time that they leave.
///
/// # Errors
/// That the node has stopped.
pub async fn next_block(
    handle: &Handle,
    recipient: Option<String>,
    threads: NonZeroUsize,
) -> Result<Block, Stopped> {
    let workers = Workers::new(threads).last_of_all();
    loop {
        let mut standing = handle.watch();
        let work = handle.work();
        let on = work.on;
        let mut search = workers.search(work.job, 0);
        let outcome = tokio::select! {
            outcome = search.outcome() => outcome,
            moved = standing.wait_for(|standing| standing.tip.block.hash() != on) => {
                moved.map_err(|_| Stopped)?;
                continue;
            }
        };
        let Outcome::Found { proof, .. } = outcome else {
            // No proof of 19 digits fits: only another tip can help.
            standing
                .wait_for(|standing| standing.tip.block.hash() != on)
                .await
                .map_err(|_| Stopped)?;
            continue;
        };
        match handle.submit_proof(Proof::from(proof), recipient.clone(), Some(on)).await? {
            Ok(block) => return Ok(block),
            Err(refusal) => tracing::debug!("a proof came late: {refusal}"),
        }
    }
}
