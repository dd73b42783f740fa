//! No more lines of the log than a reader can follow, nor than a disk holds on which strangers have
//! written for days; and how many were left out.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

/// The most lines within [`WINDOW`]. The last of them is kept for the summary of what is left out.
const MAX_LINES: usize = 10;

/// See [`MAX_LINES`]; a summary is said as often at most.
const WINDOW: Duration = Duration::from_secs(1);

/// Lets so many lines through, and counts the others by what they are about.
#[derive(Debug)]
pub(super) struct RateLimit<K> {
    /// When the latest lines were said.
    said: VecDeque<Instant>,
    left_out: BTreeMap<K, u64>,
    /// Since when something is left out.
    since: Option<Instant>,
}

impl<K> Default for RateLimit<K> {
    fn default() -> Self {
        Self { said: VecDeque::new(), left_out: BTreeMap::new(), since: None }
    }
}

impl<K: Ord> RateLimit<K> {
    /// Whether there is room for a line about this, which it takes; if not, it is counted.
    pub(super) fn may_say(&mut self, now: Instant, about: K) -> bool {
        let may = self.left_out.is_empty() && self.takes_room(now, MAX_LINES - 1);
        if !may {
            self.leave_out(now, about);
        }
        may
    }

    /// Counts one about which there is no line.
    pub(super) fn leave_out(&mut self, now: Instant, about: K) {
        *self.left_out.entry(about).or_default() += 1;
        self.since.get_or_insert(now);
    }

    /// How many were left out, if it is time to say so.
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
