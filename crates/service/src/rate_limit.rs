//! Limits the lines of the log to what a reader can follow, and to what a disk can hold even if
//! strangers cause lines for days; counts those that are left out.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// The most lines within [`WINDOW`]. The last of them is reserved for the summary of those that are
/// left out.
const MAX_LINES: usize = 10;

/// The window of [`MAX_LINES`]; there is at most one summary in each.
const WINDOW: Duration = Duration::from_secs(1);

/// Lets [`MAX_LINES`] lines through, and counts the others by their kind.
#[derive(Debug)]
pub(super) struct RateLimit<K> {
    /// When the latest lines were let through.
    said: VecDeque<Instant>,
    left_out: BTreeMap<K, u64>,
    /// Since when lines are left out.
    since: Option<Instant>,
}

impl<K> Default for RateLimit<K> {
    fn default() -> Self {
        Self { said: VecDeque::new(), left_out: BTreeMap::new(), since: None }
    }
}

impl<K: Ord> RateLimit<K> {
    /// Returns whether a line about this may be logged; if not, counts it.
    pub(super) fn may_say(&mut self, now: Instant, about: K) -> bool {
        let may = self.left_out.is_empty() && self.takes_room(now, MAX_LINES - 1);
        if !may {
            self.leave_out(now, about);
        }
        may
    }

    /// Counts one that is left out.
    pub(super) fn leave_out(&mut self, now: Instant, about: K) {
        *self.left_out.entry(about).or_default() += 1;
        self.since.get_or_insert(now);
    }

    /// How many were left out, if a summary is due.
    pub(super) fn left_out(&mut self, now: Instant) -> Option<BTreeMap<K, u64>> {
        let is_due = self.since.is_some_and(|since| now - since >= WINDOW);
        if !is_due || !self.takes_room(now, MAX_LINES) {
            return None;
        }
        self.since = None;
        Some(std::mem::take(&mut self.left_out))
    }

    fn takes_room(&mut self, now: Instant, most: usize) -> bool {
        while self.said.front().is_some_and(|said| now - *said >= WINDOW) {
            self.said.pop_front();
        }
        let has_room = self.said.len() < most;
        if has_room {
            self.said.push_back(now);
        }
        has_room
    }
}
