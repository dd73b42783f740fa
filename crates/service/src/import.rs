//! The import of a long chain: many blocks share a commit, and the next ones are read meanwhile.

use blocksmith_consensus::{Block, Checked};
use blocksmith_node::{Effect, Event, Machine, Output, PeerAddress, Stepped, Verdict};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::events::{Context, Source};
use super::handle::Handle;
use super::now;
use super::standing::Stopped;
use super::store::Writer;

/// How many bytes of blocks share a commit. Ids and addresses are in no order, so each commit
/// changes most pages of the tables that hold them: the fewer commits, the less is written.
const COMMIT_BYTES: usize = 64 << 20;

/// How many parts wait for the thread that writes.
const MAX_WAITING: usize = 4;

/// What became of the blocks that were handed in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Taken {
    /// The verdict on the last block that the node looked at.
    pub verdict: Verdict,
    /// The index of the last block that was handed in together with it.
    pub index: u64,
}

/// An import that is under way, the lowest block first. The node does nothing else between the
/// first block of a commit and its end.
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

    /// Hands in some blocks. Returns now and then what became of them, once they are durable, and
    /// as soon as one of them is not taken.
    ///
    /// # Errors
    /// Fails if the node has stopped.
    pub async fn push(&mut self, blocks: Vec<Block>) -> Result<Option<Taken>, Stopped> {
        let Some(index) = blocks.last().map(Block::index) else { return Ok(None) };
        let bytes = blocks.iter().map(|block| block.text().len()).sum::<usize>();
        let (checked, invalid) = self.handle.check(blocks).await?;
        let commit =
            self.commit.get_or_insert_with(|| Commit::begin(&self.handle, self.from.clone()));
        commit.bytes += bytes;
        // The other end takes no more after a block that the node did not take.
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

    /// Waits until all blocks are durable, and returns what became of them, unless it was told
    /// before.
    ///
    /// # Errors
    /// Fails if the node has stopped.
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

/// Takes the blocks that come, until there are no more or one is not taken.
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

/// Whether blocks on top of one with this verdict can be taken.
fn goes_on_after(verdict: &Verdict) -> bool {
    matches!(verdict, Verdict::NewTip | Verdict::SideBranch | Verdict::Known)
}

/// Adds the effects of a block. Many blocks that join one after the other give one chain event with
/// the last tip, since each event holds its whole block.
fn add(effect: Effect, effects: &mut Vec<Effect>) {
    match (effects.last_mut(), effect) {
        (
            Some(Effect::Event(Event::Chain { change: all, tip: highest })),
            Effect::Event(Event::Chain { change, tip }),
        ) if change.disconnected.is_empty() => {
            all.connected.extend(change.connected);
            (all.touched, all.payments) = (None, None);
            *highest = tip;
        }
        (_, effect) => effects.push(effect),
    }
}
