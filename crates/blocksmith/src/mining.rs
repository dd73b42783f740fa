//! Mining inside the node's own process.

use std::num::NonZeroUsize;
use std::time::Duration;

use blocksmith_consensus::{Block, Proof};
use blocksmith_miner::search::Outcome;
use blocksmith_node::{NoWork, Refusal, Work};

use crate::early;
use crate::searching::Workers;
use crate::service::{Handle, Stopped};

/// How long a search goes on before it asks whether its work is still the best.
const NEWS_TIME: Duration = Duration::from_secs(10);

/// Why there is no further block.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotMined {
    /// The node has stopped.
    #[error(transparent)]
    Stopped(#[from] Stopped),
    /// There is nothing to search.
    #[error(transparent)]
    NoWork(#[from] NoWork),
}

/// Searches until one more block is on the tip, and returns it. The coin goes to `recipient`, or to
/// the node. Starts anew whenever there is other work, and waits while the tip's time is ahead of
/// the clock; dropping the future ends the search. The node's requests come first: the search takes
/// the time that they leave.
///
/// # Errors
/// Fails if the node has stopped, or has no work for this recipient.
pub async fn next_block(
    handle: &Handle,
    recipient: Option<&str>,
    threads: NonZeroUsize,
) -> Result<Block, NotMined> {
    next_block_by(handle, recipient, &Workers::new(threads).last_of_all()).await
}

/// The same, with these threads.
///
/// # Errors
/// Fails as [`next_block`].
pub async fn next_block_by(
    handle: &Handle,
    recipient: Option<&str>,
    workers: &Workers,
) -> Result<Block, NotMined> {
    loop {
        match next_block_now_by(handle, recipient, workers).await {
            Err(NotMined::NoWork(NoWork::Refused(Refusal::FutureTip(_)))) => {
                early::over(handle).await;
            }
            outcome => return outcome,
        }
    }
}

/// The same, for callers that do not wait until there is work.
///
/// # Errors
/// Fails as [`next_block`] does, and if the tip's time is ahead of the clock.
pub async fn next_block_now(
    handle: &Handle,
    recipient: Option<&str>,
    threads: NonZeroUsize,
) -> Result<Block, NotMined> {
    next_block_now_by(handle, recipient, &Workers::new(threads).last_of_all()).await
}

async fn next_block_now_by(
    handle: &Handle,
    recipient: Option<&str>,
    workers: &Workers,
) -> Result<Block, NotMined> {
    let mut work = handle.work(recipient).await??;
    loop {
        let mut search = workers.search(work.job.clone(), 0);
        let other = other_work(handle, recipient, work.id.clone());
        tokio::pin!(other);
        let outcome = tokio::select! {
            outcome = search.outcome() => outcome,
            moved = &mut other => {
                handle.metrics().tried(search.tries());
                work = moved?;
                continue;
            }
        };
        handle.metrics().tried(search.tries());
        let Outcome::Found { proof, .. } = outcome else {
            // No proof of at most 19 digits fits: only other work can help.
            work = other.await?;
            continue;
        };
        match handle.submit_work(&work.id, Proof::from(proof)).await? {
            Ok(block) => return Ok(block),
            Err(early @ NoWork::Refused(Refusal::Early { .. })) => {
                // The same work would make the same block again.
                tracing::warn!("{early}");
                work = other.await?;
                continue;
            }
            Err(refusal) => tracing::debug!("a proof came late: {refusal}"),
        }
        work = handle.work(recipient).await??;
    }
}

/// Waits for other work.
async fn other_work(
    handle: &Handle,
    recipient: Option<&str>,
    than: String,
) -> Result<Work, NotMined> {
    loop {
        let work = handle.other_work(recipient, &than, NEWS_TIME).await??;
        if work.id != than {
            return Ok(work);
        }
    }
}
