//! Notices for the operator about events that others can cause as often as they like.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use tracing::Level;

use super::rate_limit::RateLimit;
use blocksmith_text::counted;

/// The most lines that wait: the log takes them some times a second, unless the node is busy.
const MAX_WAITING: usize = 100;

/// The kinds of notices.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Notice {
    /// A received block breaks a rule.
    Refused,
    /// A received block can't be read.
    Unreadable,
    /// A received block waits for its time, or for that of a block before it.
    Early,
    /// A received block's parent is not known.
    Orphan,
    /// There is no room for a received block.
    NoRoom,
    /// A valid proof makes no block.
    NoBlock,
    /// A call could not be answered.
    Unanswered,
    /// A connection could not be accepted.
    NotAccepted,
    /// A peer does what it should not.
    Peer,
    /// A peer can't be reached, as happens in networks.
    Away,
    /// An address is not that of a peer.
    NoPeer,
    /// A peer joined.
    Added,
    /// A peer was forgotten.
    Forgotten,
    /// A peer answers for the first time.
    Answering,
    /// A peer answers again.
    Back,
}

impl Notice {
    pub(super) fn level(self) -> Level {
        match self {
            Self::Unanswered => Level::ERROR,
            Self::Refused | Self::Unreadable | Self::NoBlock | Self::NotAccepted | Self::Peer => {
                Level::WARN
            }
            _ => Level::INFO,
        }
    }

    fn is_about_peers(self) -> bool {
        match self {
            Self::Refused
            | Self::Unreadable
            | Self::Early
            | Self::Orphan
            | Self::NoRoom
            | Self::NoBlock
            | Self::Unanswered
            | Self::NotAccepted => false,
            Self::Peer
            | Self::Away
            | Self::NoPeer
            | Self::Added
            | Self::Forgotten
            | Self::Answering
            | Self::Back => true,
        }
    }

    /// The count of notices in words.
    pub(super) fn times(self, times: u64) -> String {
        let (thing, what) = match self {
            Self::Refused => ("block", "refused"),
            Self::Unreadable => ("block", "that can't be read"),
            Self::Early => ("block", "ahead of this machine's clock"),
            Self::Orphan => ("block", "on top of an unknown block"),
            Self::NoRoom => ("block", "dropped because there was no room"),
            Self::NoBlock => ("proof", "without a block"),
            Self::Unanswered => ("call", "without an answer"),
            Self::NotAccepted => ("connection", "not accepted"),
            Self::Peer => ("complaint", "about peers"),
            Self::Away => ("call", "to peers without an answer"),
            Self::NoPeer => ("name", "of known nodes"),
            Self::Added => ("peer", "added"),
            Self::Forgotten => ("peer", "forgotten"),
            Self::Answering => ("peer", "answering"),
            Self::Back => ("peer", "back"),
        };
        format!("{} {what}", counted(times, thing))
    }
}

/// The notices that wait for the thread that writes the log; tasks that answer or make calls do not
/// wait for it.
#[derive(Debug, Default)]
pub(super) struct Notices(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<(Notice, String)>,
    /// Notices about calls of strangers take no room from those about peers.
    of_calls: RateLimit<Notice>,
    of_peers: RateLimit<Notice>,
}

/// A line, or how many of each kind were left out.
pub(super) type Told = Result<(Notice, String), BTreeMap<Notice, u64>>;

impl Notices {
    pub(super) fn tell(&self, about: Notice, text: impl Display) {
        if !is_logged(about.level()) {
            return;
        }
        let (now, mut waiting) = (Instant::now(), self.waiting());
        if waiting.lines.len() >= MAX_WAITING {
            waiting.difficulty_state(about).leave_out(now, about);
        } else if waiting.difficulty_state(about).may_say(now, about) {
            waiting.lines.push((about, text.to_string()));
        }
    }

    /// Whether the caller may log a line of this kind; if not, it is counted.
    pub(super) fn may_say(&self, about: Notice) -> bool {
        self.waiting().difficulty_state(about).may_say(Instant::now(), about)
    }

    /// Takes out the waiting lines and counts.
    pub(super) fn take(&self) -> Vec<Told> {
        let mut waiting = self.waiting();
        let Waiting { lines, of_calls, of_peers } = &mut *waiting;
        let now = Instant::now();
        let lines = lines.drain(..).map(Ok);
        let left_out = [of_calls, of_peers]
            .into_iter()
            .filter_map(|difficulty_state| difficulty_state.left_out(now));
        lines.chain(left_out.map(Err)).collect()
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn difficulty_state(&mut self, about: Notice) -> &mut RateLimit<Notice> {
        if about.is_about_peers() { &mut self.of_peers } else { &mut self.of_calls }
    }
}

/// Whether the log shows such a line: one that it does not show takes no room.
fn is_logged(level: Level) -> bool {
    match level {
        Level::ERROR => tracing::enabled!(Level::ERROR),
        Level::WARN => tracing::enabled!(Level::WARN),
        _ => tracing::enabled!(Level::INFO),
    }
}
