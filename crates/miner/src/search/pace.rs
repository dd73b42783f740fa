//! A bound on how many proofs are tried a second.

use std::num::NonZeroU64;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::thread;
use std::time::{Duration, Instant};

/// For how much time without a try the threads may make up: on a busy machine they wake up late.
const MAX_BEHIND: Duration = Duration::from_millis(100);

/// How often a second threads take tries, unless there are fewer.
const TAKES_PER_SECOND: u64 = 50;

/// The longest sleep before a thread looks whether its search has ended.
const MAX_SLEEP: Duration = Duration::from_millis(5);

/// A bound on the tries of a second, over all threads of all searches that share it.
///
/// Threads take tries before they make them, and wait until those are due. So a search without such a
/// bound loses no time.
#[derive(Debug)]
pub struct Pace {
    per_second: NonZeroU64,
    began: Instant,
    /// When all tries that were taken are due, in nanoseconds after `began`.
    due: AtomicU64,
}

impl Pace {
    /// At most so many tries a second.
    pub fn new(per_second: NonZeroU64) -> Self {
        Self { per_second, began: Instant::now(), due: AtomicU64::new(0) }
    }

    /// The most tries a second.
    pub fn per_second(&self) -> NonZeroU64 {
        self.per_second
    }

    /// How many tries a thread takes at once: few enough that they come evenly.
    pub(super) fn at_once(&self) -> u64 {
        (self.per_second.get() / TAKES_PER_SECOND).max(1)
    }

    /// Takes tries and waits until they are due. Returns `false`, and takes none, if the search is over
    /// before.
    pub(super) fn take(&self, tries: u64, is_over: impl Fn() -> bool) -> bool {
        let time = self.time_of(tries);
        let least = self.now().saturating_sub(MAX_BEHIND.as_nanos() as u64);
        let later = |due: u64| due.max(least).saturating_add(time);
        let before = self.due.fetch_update(Relaxed, Relaxed, |due| Some(later(due)));
        let due = later(before.expect("there is always a later time"));
        while let Some(left) = due.checked_sub(self.now()).filter(|left| *left > 0) {
            if is_over() {
                self.give_back(tries);
                return false;
            }
            thread::sleep(Duration::from_nanos(left).min(MAX_SLEEP));
        }
        true
    }

    /// Gives tries back that were taken and not made.
    pub(super) fn give_back(&self, tries: u64) {
        self.due.fetch_sub(self.time_of(tries), Relaxed);
    }

    /// The nanoseconds that so many tries last.
    fn time_of(&self, tries: u64) -> u64 {
        let time = u128::from(tries) * 1_000_000_000 / u128::from(self.per_second.get());
        // A single try lasts a second at most, and no more are taken at once than last so long.
        time as u64
    }

    fn now(&self) -> u64 {
        // Enough for 584 years.
        self.began.elapsed().as_nanos() as u64
    }
}
