//! Taking in a long chain: many blocks share a commit, and those that come next are read meanwhile.

use blocksmith_consensus::{Block, Checked};
use blocksmith_node::{Effect, Event, Machine, Output, PeerAddress, Stepped, Verdict};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::events::{Context, Source};
use super::handle::Handle;
use super::now;
use super::standing::Stopped;
use super::store::Writer;

/// How many bytes of blocks share a commit. Ids and addresses are in no order, so that each commit
/// changes most pages of the tables that hold them: the fewer commits, the less is written.
const COMMIT_BYTES: usize = 64 << 20;

/// How many parts wait for the thread that writes.
const MAX_WAITING: usize = 4;

/// What became of blocks that were handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The verdict on the last block that was looked at.
    pub verdict: Verdict,
    /// The index of the last block that was handed in together with it.
    pub index: u64,
}

/// A chain that is being taken in, the lowest block first. The node does nothing else between its first
/// block and the end of a commit.
pub struct Import {
    handle: Handle,
    from: PeerAddress,
    commit: Option<Commit>,
}

/// Blocks that share a commit.
struct Commit {
    parts: mpsc::Sender<Vec<Checked>>,
    taken: JoinHandle<Result<Taken, Stopped>>,
    bytes: usize,
}

impl Import {
    pub(super) fn new(handle: Handle, from: PeerAddress) -> Self {
        Self { handle, from, commit: None }
    }

    /// Hands in some blocks. What became of them is told from time to time, once they are durable, and
    /// as soon as there is one that is not taken in.
    ///
    /// # Errors
    /// That the node has stopped.
    pub async fn push(&mut self, blocks: Vec<Block>) -> Result<Option<Taken>, Stopped> {
        let Some(index) = blocks.last().map(Block::index) else { return Ok(None) };
        let bytes = blocks.iter().map(|block| block.text().len()).sum::<usize>();
        let (checked, invalid) = self.handle.check(blocks).await?;
        let commit =
            self.commit.get_or_insert_with(|| Commit::begin(&self.handle, self.from.clone()));
        commit.bytes += bytes;
        // It takes no more once there was a block that it did not take in.
        let goes_on = commit.parts.send(checked).await.is_ok();
        if goes_on && invalid.is_none() && commit.bytes < COMMIT_BYTES {
            return Ok(None);
        }
        let taken = self.end().await?;
        Ok(match (taken, invalid) {
            (Some(taken), Some(invalid)) if goes_on_after(&taken.verdict) => {
                Some(Taken { verdict: Verdict::Invalid(invalid), index })
            }
            (taken, _) => taken,
        })
    }

    /// Waits until all that was handed in is durable; what became of it, unless that was told.
    ///
    /// # Errors
    /// That the node has stopped.
    pub async fn end(&mut self) -> Result<Option<Taken>, Stopped> {
        let Some(Commit { parts, taken, .. }) = self.commit.take() else { return Ok(None) };
        drop(parts);
        match taken.await {
            Ok(taken) => taken.map(Some),
            Err(_) => Err(self.handle.stopped_why()),
        }
    }
}

impl Commit {
    fn begin(handle: &Handle, from: PeerAddress) -> Self {
        let (parts, inbox) = mpsc::channel(MAX_WAITING);
        let source = Source::Asked { peer: from.clone(), last: None };
        let context = Context { source, more: true, ..Context::default() };
        let handle = handle.clone();
        let taken = tokio::spawn(async move {
            let take =
                |machine: &mut Machine, _, chain: &mut Writer| take(inbox, from, machine, chain);
            handle.command_in(context, take).await
        });
        Self { parts, taken, bytes: 0 }
    }
}

/// Takes in what comes, until there is no more or a block is not taken in.
fn take(
    mut parts: mpsc::Receiver<Vec<Checked>>,
    from: PeerAddress,
    machine: &mut Machine,
    chain: &mut Writer,
) -> Stepped<Taken, Writer> {
    let mut answer = Taken { verdict: Verdict::Known, index: 0 };
    let mut effects = Vec::new();
    while goes_on_after(&answer.verdict)
        && let Some(blocks) = parts.blocking_recv()
    {
        if let Some(last) = blocks.last() {
            answer.index = last.block().index();
            let output = machine.take_branch(now(), blocks, from.clone(), true, chain)?;
            answer.verdict = output.answer;
            output.effects.into_iter().for_each(|effect| add(effect, &mut effects));
        }
    }
    Ok(Output { answer, effects })
}

/// Whether blocks on top of one with this verdict can be taken in.
fn goes_on_after(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::NewTip | Verdict::SideBranch | Verdict::Known)
}

/// Adds what follows from a block. Those that follow the node are told once where the tip is after many
/// that joined one after the other: each has all of its block with it.
fn add(effect: Effect, effects: &mut Vec<Effect>) {
    match (effects.last_mut(), effect) {
        (
            Some(Effect::Event(Event::Chain { change: all, tip: highest })),
            Effect::Event(Event::Chain { change, tip }),
        ) if change.disconnected.is_empty() => {
            all.connected.extend(change.connected);
            all.touched = None;
            *highest = tip;
        }
        (_, effect) => effects.push(effect),
    }
}
