//! Mining inside the node's own process.

use std::num::NonZeroUsize;
use std::sync::Arc;

use blocksmith_consensus::{Block, Proof};
use blocksmith_miner::search::{Control, Outcome, Search};

use crate::service::{Handle, Stopped};

/// Searches until one more block stands on the tip, and returns it. The coin goes to `recipient`,
/// a canonical JSON text, or to the node. Starts anew whenever the tip moves; dropping the future
/// ends the search.
///
/// # Errors
/// That the node has stopped.
pub async fn next_block(
    handle: &Handle,
    recipient: Option<String>,
    threads: NonZeroUsize,
) -> Result<Block, Stopped> {
    loop {
        let mut standing = handle.watch();
        let work = handle.work();
        let on = work.on;
        let control = Arc::new(Control::new());
        let _ends_with_us = CancelOnDrop(control.clone());
        let search =
            tokio::task::spawn_blocking(move || Search::new(&work.job, 0, threads).run(&control));
        let outcome = tokio::select! {
            outcome = search => outcome.expect("a search does not panic"),
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

/// Ends a search when whoever waits for it goes.
pub(crate) struct CancelOnDrop(pub(crate) Arc<Control>);

impl Drop for CancelOnDrop {
    fn drop(&mut self) {
        self.0.cancel();
    }
}

/// As many threads as the machine runs at once.
pub fn all_cores() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}
