//! What the miner tells: a line for each block and the sum on the standard output, notes on the
//! standard error. However fast blocks come, a person can follow.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

use crate::cmd::screen::{Progress, REFRESH, Screen, clock};
use crate::searching::Searching;
use crate::text::counted;

/// The time between two lines for blocks, if many come. With [`BURST`] that makes ten lines within a
/// second at most.
const BETWEEN_LINES: Duration = Duration::from_millis(200);

/// How many lines come at once after a while without any.
const BURST: u32 = 5;

/// The time between two notes about blocks of other miners.
const BETWEEN_LOSSES: Duration = Duration::from_secs(1);

/// What happened so far, and how much of it was told.
pub(super) struct Report {
    screen: Screen,
    /// Whether payments are signed there, so that a block is more than a coin.
    pub(super) signed: bool,
    began: Instant,
    mined: u64,
    /// Blocks that other miners were faster with, or that left the chain again.
    lost: u64,
    refused: u64,
    unproven: u64,
    /// Also those of a search that goes on when the miner is stopped.
    tries: Arc<AtomicU64>,
    /// The line for the latest block, if it is still to be printed.
    held: Option<String>,
    not_shown: u64,
    /// When the next line is due, if lines come evenly.
    next_line: Instant,
    last_loss: Option<Instant>,
    losses_not_told: u64,
    last_progress: Option<Instant>,
}

/// A search whose tries are part of the sum.
pub(super) struct Counted {
    pub(super) searching: Searching,
    sum: Arc<AtomicU64>,
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.sum.fetch_add(self.searching.tries(), Relaxed);
    }
}

impl Report {
    pub(super) fn new(screen: Screen) -> Self {
        let began = Instant::now();
        Self {
            screen,
            signed: false,
            began,
            mined: 0,
            lost: 0,
            refused: 0,
            unproven: 0,
            tries: Arc::default(),
            held: None,
            not_shown: 0,
            next_line: began,
            last_loss: None,
            losses_not_told: 0,
            last_progress: None,
        }
    }

    /// The screen, for those who only have a note for it.
    pub(super) fn screen(&self) -> &Screen {
        &self.screen
    }

    /// How many blocks this run mined.
    pub(super) fn mined(&self) -> u64 {
        self.mined
    }

    /// Lets the tries of a search count.
    pub(super) fn count(&self, searching: Searching) -> Counted {
        Counted { searching, sum: self.tries.clone() }
    }

    /// Prints a line for people.
    pub(super) fn note(&mut self, text: &str) {
        // What happened before comes before it. A reader who is gone is noticed with the next block.
        let _ = self.tell();
        self.screen.note(text);
    }

    /// Tells of a block that was mined, unless many were told of just now.
    ///
    /// # Errors
    /// Fails if the standard output can't be written.
    pub(super) fn mined_one(&mut self, proof: u64, index: Option<u64>) -> io::Result<()> {
        self.mined += 1;
        let block = index.map_or(String::new(), |index| format!(" · block {index}"));
        let things = if self.signed { "Blocks" } else { "Coins" };
        let line = format!("Found new proof: {proof}{block} · {things} mined: {}", self.mined);
        self.not_shown += u64::from(self.held.replace(line).is_some());
        self.tell_if_due()
    }

    /// Tells of the latest block as soon as there is room for a line.
    ///
    /// # Errors
    /// Fails if the standard output can't be written.
    pub(super) fn tell_if_due(&mut self) -> io::Result<()> {
        match Instant::now() + BETWEEN_LINES * (BURST - 1) >= self.next_line {
            true => self.tell(),
            false => Ok(()),
        }
    }

    fn tell(&mut self) -> io::Result<()> {
        let Some(mut line) = self.held.take() else { return Ok(()) };
        let not_shown = std::mem::take(&mut self.not_shown);
        if not_shown > 0 {
            line += &format!(" · {} not shown", counted(not_shown, "block"));
        }
        self.next_line = self.next_line.max(Instant::now()) + BETWEEN_LINES;
        self.screen.line(&line)
    }

    /// Another miner's block is in the place of the one that was searched for. `how` says more, if
    /// there is more to say.
    pub(super) fn lost(&mut self, how: &str) {
        self.lost += 1;
        if self.last_loss.is_some_and(|last| last.elapsed() < BETWEEN_LOSSES) {
            self.losses_not_told += 1;
            return;
        }
        self.last_loss = Some(Instant::now());
        let who = match std::mem::take(&mut self.losses_not_told) {
            0 => format!("another miner was faster{how}"),
            before => format!("other miners were faster {} times since the last note", before + 1),
        };
        // Others may be faster again and again: no line for a block comes for it.
        self.screen.note(&format!("{who}: searching for the next block"));
    }

    /// A block was made and left the chain again.
    pub(super) fn lost_again(&mut self) {
        self.lost += 1;
    }

    /// The server took no block from a proof.
    pub(super) fn refused(&mut self) {
        self.refused += 1;
    }

    /// The server said that it made a block, and did not show it.
    pub(super) fn unproven(&mut self) {
        self.unproven += 1;
    }

    /// Shows how a search goes, as often as a person can read it.
    pub(super) fn show(&mut self, progress: Progress) {
        if self.last_progress.is_none_or(|last| last.elapsed() >= REFRESH) {
            self.last_progress = Some(Instant::now());
            self.screen.show(progress);
        }
    }

    /// What is mined, for the line that shows how a search goes.
    pub(super) fn things(&self) -> (u64, &'static str) {
        (self.mined, if self.signed { "block" } else { "coin" })
    }

    /// Says that no search goes on now.
    pub(super) fn pause(&self) {
        self.screen.clear();
    }

    /// Prints what is still to be told, and the sum if there was anything to do.
    ///
    /// # Errors
    /// Fails if the standard output can't be written.
    pub(super) fn end(&mut self) -> io::Result<()> {
        self.screen.clear();
        self.tell()?;
        let tries = self.tries.load(Relaxed);
        if tries == 0 {
            return Ok(());
        }
        let (mined, thing) = self.things();
        let mut sum = format!(
            "Total: {} mined · {} lost · {} · {}",
            counted(mined, thing),
            counted(self.lost, "block"),
            counted(tries, "try").replace("trys", "tries"),
            clock(self.began.elapsed())
        );
        for (number, what) in [(self.refused, "refused"), (self.unproven, "not confirmed")] {
            if number > 0 {
                sum += &format!(" · {} {what}", counted(number, "proof"));
            }
        }
        self.screen.line(&sum)
    }
}
