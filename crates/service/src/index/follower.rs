//! The thread that keeps the index at the chain's tip.

use std::fmt::Display;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use blocksmith_consensus::block::BlockView;
use blocksmith_consensus::{Ancestry as _, Shape};
use tokio::sync::watch;

use super::book::{Book, Indexed};
use crate::background::{Background, Priority, Stop};
use crate::standing::Standing;
use crate::store::{Snapshot, Store, StoreError};

/// The name of the thread.
const THREAD: &str = "blocksmith-index";

/// How often the thread looks whether the chain has changed.
const LOOK: Duration = Duration::from_millis(200);

/// A chain that grows by more blocks between two looks is being imported; the index waits until it has
/// not grown like that for some time, in which the next blocks may be on their way to a commit.
const BULK_BLOCKS: u64 = 300;
const CALM: Duration = Duration::from_secs(2);

/// The most blocks, and about the most bytes, of one change of the index, and after how long it takes no
/// more of them: what a kill makes it lose, and what an end waits for, on a machine that is busy.
const MAX_BLOCKS: usize = 10_000;
const MAX_BYTES: usize = 16 << 20;
const MAX_TIME: Duration = Duration::from_millis(500);

/// How often changes are made durable at the tip; a crash loses those after, which are then made
/// again. While the index catches up, each is: what a change replaces has no use again before.
const DURABLE: Duration = Duration::from_secs(3);

/// An index with so many blocks before it catches up.
const CATCHES_UP: u64 = if cfg!(test) { 100 } else { 1_000 };

/// How often the log says how far the index is while it catches up.
const PROGRESS: Duration = Duration::from_secs(5);

/// How many times a run of the program makes a damaged index anew: the chain's own store may be what
/// is damaged.
const MAX_MADE_ANEW: u32 = 3;

/// A running index; it ends when this is dropped.
pub(crate) struct Follower {
    book: Book,
    _thread: Background,
}

impl Follower {
    /// Starts the thread. It calls `stop_node` if the chain's store is what it finds damaged.
    pub(crate) fn start(
        book: Book,
        store: Store,
        standing: watch::Receiver<Arc<Standing>>,
        stop_node: impl FnOnce(StoreError) + Send + 'static,
    ) -> Self {
        let kept = book.clone();
        let run = move |stop: &Stop| {
            for made in 0.. {
                let Err(error) = follow(&book, &store, &standing, stop) else { return };
                if let Some(damage) = store.damage() {
                    return stop_node(damage);
                }
                let stops = |why: &dyn Display| {
                    tracing::error!(
                        "the index of parties stopped: {why}; the chain goes on without it, and accounts \
                         no longer change: start the node again once the cause is gone"
                    );
                };
                let Some(damage) = error.damage().filter(|_| made < MAX_MADE_ANEW) else {
                    return stops(&error);
                };
                tracing::warn!("the index is damaged and is built again from the chain: {damage}");
                if let Err(error) = book.make_anew() {
                    return stops(&error);
                }
            }
        };
        Self { book: kept, _thread: Background::start(THREAD, Priority::Low, run) }
    }

    pub(crate) fn book(&self) -> &Book {
        &self.book
    }
}

fn follow(
    book: &Book,
    store: &Store,
    standing: &watch::Receiver<Arc<Standing>>,
    stop: &Stop,
) -> Result<(), StoreError> {
    let (mut durable, mut told) = (Instant::now(), Instant::now());
    let (mut seen, mut grew) = (standing.borrow().tip.block.index(), None);
    let (mut undurable, mut caught_up) = (false, false);
    while !stop.is_set() {
        let tip = standing.borrow().tip.block.clone();
        if tip.index().saturating_sub(seen) > BULK_BLOCKS {
            grew = Some(Instant::now());
        }
        seen = tip.index();
        let bulk = grew.is_some_and(|grew| grew.elapsed() < CALM);
        book.is_sound()?;
        let at = book.cursor()?;
        let there = at.is_some_and(|at| at.hash == tip.hash());
        let due = durable.elapsed() >= DURABLE;
        if there && undurable && due {
            book.change(true, |_| Ok(()))?;
            (durable, undurable) = (Instant::now(), false);
        }
        // What catching up took and no longer needs has been durable since its last change.
        if there && caught_up && !bulk && book.compact()? {
            caught_up = false;
        }
        if bulk || there {
            stop.wait(LOOK);
            continue;
        }
        let behind = tip.index().abs_diff(at.map_or(0, |at| at.index)) >= CATCHES_UP;
        let due = due || behind;
        caught_up |= behind;
        step(book, &store.read()?, at, due, stop)?;
        undurable = !due;
        if due {
            durable = Instant::now();
        }
        let now = book.cursor()?.map_or(0, |at| at.index);
        if now + 1_000 < tip.index() && told.elapsed() >= PROGRESS {
            tracing::info!("the index of parties has {now} of {} blocks", tip.index());
            told = Instant::now();
        }
    }
    if undurable {
        book.change(true, |_| Ok(()))?;
    }
    Ok(())
}

/// Brings the index some blocks nearer to the end of the chain.
pub(super) fn step(
    book: &Book,
    chain: &Snapshot,
    at: Option<Indexed>,
    durable: bool,
    stop: &Stop,
) -> Result<(), StoreError> {
    if let Some(at) = at
        && chain.index_of(&at.hash)? != Some(at.index)
    {
        return back(book, chain, at, durable);
    }
    let (mut blocks, mut bytes, started) = (0, 0, Instant::now());
    let db = book.db();
    book.change(durable, |batch| {
        // What fails in the index is no failure of the chain's store, which hands over the texts.
        let mut failed = Ok(());
        chain.each_text(at.map_or(0, |at| at.index + 1), |text| {
            let block = view(chain.shape(), text)?;
            failed = db.guard(|| batch.add(&block));
            if failed.is_err() {
                return Ok(ControlFlow::Break(()));
            }
            batch.stand_at(Indexed { index: block.index, hash: block.hash() });
            (blocks, bytes) = (blocks + 1, bytes + text.len());
            let enough = blocks >= MAX_BLOCKS
                || bytes >= MAX_BYTES
                || started.elapsed() >= MAX_TIME
                || stop.is_set();
            Ok(if enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
        })?;
        failed
    })
}

fn view(shape: Shape, text: &str) -> Result<BlockView<'_>, StoreError> {
    BlockView::read(shape, text)
        .map_err(|error| StoreError::Damaged(format!("a stored block is not one: {error}")))
}

/// Takes back the blocks that left the best chain.
fn back(book: &Book, chain: &Snapshot, at: Indexed, durable: bool) -> Result<(), StoreError> {
    let mut at = at;
    let (mut whole, mut bytes, started) = (true, 0, Instant::now());
    let db = book.db();
    book.change(durable, |batch| {
        for _ in 0..MAX_BLOCKS {
            if chain.index_of(&at.hash)? == Some(at.index) {
                break;
            }
            let undone = chain.with_side_text(&at.hash, |text| {
                let block = view(chain.shape(), text)?;
                let Some(parent) = block.parent().zip(at.index.checked_sub(1)) else {
                    return Ok(None);
                };
                bytes += text.len();
                Ok(Some(db.guard(|| batch.undo(&block)).map(|()| parent)))
            })?;
            let Some((hash, index)) = undone.flatten().transpose()? else {
                whole = false;
                break;
            };
            at = Indexed { index, hash };
            batch.stand_at(at);
            if bytes >= MAX_BYTES || started.elapsed() >= MAX_TIME {
                break;
            }
        }
        Ok(())
    })?;
    if !whole {
        // The first block of a new node makes way for that of the chain which it gets.
        match at.index {
            0 | 1 => tracing::debug!("the index begins again with another first block"),
            _ => tracing::warn!(
                "a block that the index must undo is gone; the index is built again from the first block"
            ),
        }
        book.clear()?;
    }
    Ok(())
}
