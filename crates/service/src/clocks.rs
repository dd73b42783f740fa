//! The offset of this machine's clock to those of its peers. Where timestamps are part of the
//! rules, a node whose clock is off makes blocks that no peer takes, and delays those of others.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use blocksmith_consensus::Timestamp;
use blocksmith_node::{MAX_PEERS, PeerAddress};

/// The offset from which on the node warns, in microseconds.
const MAX_OFFSET_US: i64 = 10_000_000;

/// How long a peer's clock counts after its last answer. Peers that answer are asked more often.
const MAX_AGE: Duration = Duration::from_secs(300);

/// The start of the year 10000: no clock shows that, and the bound keeps differences small.
const MAX_TIME_S: f64 = 253_402_300_800.0;

/// How far the peers' clocks are ahead of this machine's.
#[derive(Debug, Default)]
pub struct Clocks(Mutex<Known>);

#[derive(Debug, Default)]
struct Known {
    /// For each peer, the offset in microseconds, and when it told the time last.
    offsets: HashMap<PeerAddress, (i64, Instant)>,
    /// The offset of the last warning, unless the clocks agreed since.
    warned: Option<i64>,
}

impl Clocks {
    /// Notes that a peer's clock showed `theirs` when this machine's showed `ours`.
    pub fn compare(&self, peer: &PeerAddress, ours: Timestamp, theirs: Timestamp) {
        let signed = |time: Timestamp| i64::try_from(time.micros).unwrap_or(i64::MAX);
        let offset = signed(theirs).saturating_sub(signed(ours));
        let mut known = self.known();
        known.let_go();
        if known.offsets.len() < MAX_PEERS || known.offsets.contains_key(peer) {
            known.offsets.insert(peer.clone(), (offset, Instant::now()));
        }
        known.look();
    }

    /// Forgets a peer that did not tell the time: it is gone, or another node when it answers next.
    pub fn forget(&self, peer: &PeerAddress) {
        let mut known = self.known();
        if known.offsets.remove(peer).is_some() {
            known.look();
        }
    }

    /// The median of the peers' offsets, in seconds, to the tenth; `None` if no peer has told the
    /// time.
    pub fn offset_s(&self) -> Option<f64> {
        let mut known = self.known();
        known.let_go();
        known.median().map(seconds)
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn median(&self) -> Option<i64> {
        median(self.offsets.values().map(|(offset, _)| *offset).collect())
    }

    /// Drops the offsets of peers that have not told the time for long: forgotten peers are not
    /// asked.
    fn let_go(&mut self) {
        self.offsets.retain(|_, (_, told)| told.elapsed() < MAX_AGE);
    }

    /// Warns if the clocks disagree, and it has not warned of that yet.
    fn look(&mut self) {
        let Some(offset) = self.median() else { return };
        let off = offset.abs() > MAX_OFFSET_US;
        if off && is_news(self.warned, offset) {
            tracing::warn!("{}", warning(offset));
            self.warned = Some(offset);
        } else if !off && self.warned.take().is_some() {
            tracing::info!("this machine's clock agrees with the clocks of its peers again");
        }
    }
}

/// Whether an offset differs from the one that was warned of.
fn is_news(warned: Option<i64>, offset: i64) -> bool {
    warned.is_none_or(|warned| warned.abs_diff(offset) > MAX_OFFSET_US.unsigned_abs())
}

fn warning(offset: i64) -> String {
    let side = if offset > 0 { "behind" } else { "ahead of" };
    format!(
        "this machine's clock is {} s {side} the clocks of its peers: blocks from here have wrong times, \
         and where the rules check times, other nodes can refuse them; if the peers are right, set this \
         clock",
        seconds(offset).abs()
    )
}

/// Microseconds in seconds, to the tenth.
fn seconds(micros: i64) -> f64 {
    // Adding 0 makes -0 0.
    (micros as f64 / 100_000.0).round() / 10.0 + 0.0
}

/// The middle one of all, or the mean of the middle two: fewer than half of the peers can't move it
/// far.
fn median(mut all: Vec<i64>) -> Option<i64> {
    all.sort_unstable();
    let upper = *all.get(all.len() / 2)?;
    let lower = all[(all.len() - 1) / 2];
    Some(lower.midpoint(upper))
}

/// A time in seconds since 1970, as a peer writes it; `None` if no clock shows that.
pub fn time(seconds: &str) -> Option<Timestamp> {
    let seconds: f64 = seconds.parse().ok()?;
    let micros = (0.0..MAX_TIME_S).contains(&seconds).then_some(seconds * 1e6)?;
    Some(Timestamp { micros: micros as u64 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_the_middle_and_needs_somebody() {
        for (all, expected) in [
            (vec![], None),
            (vec![7], Some(7)),
            (vec![9, 1], Some(5)),
            (vec![-3, -4], Some(-3)),
            (vec![5, -100, 3], Some(3)),
            (vec![i64::MAX, 4, i64::MIN, 6], Some(5)),
            (vec![i64::MAX, i64::MAX], Some(i64::MAX)),
            (vec![0, 0, i64::MAX, i64::MAX, 2], Some(2)),
        ] {
            assert_eq!(median(all.clone()), expected, "{all:?}");
        }
    }

    #[test]
    fn offsets_are_told_to_the_tenth() {
        for (micros, expected) in [
            (0, "0"),
            (-40_000, "0"),
            (-50_001, "-0.1"),
            (12_000_000, "12"),
            (12_349_999, "12.3"),
            (-3_600_000_000, "-3600"),
        ] {
            assert_eq!(seconds(micros).to_string(), expected);
        }
        assert!(warning(12_000_000).contains("is 12 s behind the clocks of its peers"));
        assert!(warning(-10_500_000).contains("is 10.5 s ahead of the clocks of its peers"));
    }

    #[test]
    fn a_change_is_news_and_a_flutter_is_not() {
        let second = 1_000_000;
        assert!(is_news(None, 11 * second));
        for (offset, expected) in [(12, false), (11, false), (22, false), (23, true), (-11, true)] {
            assert_eq!(is_news(Some(12 * second), offset * second), expected, "{offset}");
        }
    }

    #[test]
    fn what_no_clock_shows_is_no_time() {
        assert_eq!(time("1750000000.25"), Some(Timestamp { micros: 1_750_000_000_250_000 }));
        assert_eq!(time("0"), Some(Timestamp { micros: 0 }));
        for wrong in ["-1", "1e300", "NaN", "inf", "\"7\"", "", "null", "253402300800"] {
            assert_eq!(time(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn one_peer_of_three_moves_nothing() {
        let clocks = Clocks::default();
        let peer = |name: &str| name.parse::<PeerAddress>().expect("an address");
        let at = |seconds: u64| Timestamp { micros: seconds * 1_000_000 };
        assert_eq!(clocks.offset_s(), None);
        for (name, theirs) in [("a:1", 1_000), ("b:1", 1_002), ("c:1", 250_000_000_000)] {
            clocks.compare(&peer(name), at(1_000), at(theirs));
        }
        assert_eq!(clocks.offset_s(), Some(2.0));
        clocks.compare(&peer("c:1"), at(1_000), at(0));
        assert_eq!(clocks.offset_s(), Some(0.0));
        clocks.forget(&peer("a:1"));
        assert_eq!(clocks.offset_s(), Some(-499.0));
        clocks.compare(&peer("d:1"), at(1_000), at(1_007));
        assert_eq!(clocks.offset_s(), Some(2.0));
        // A peer that is no longer asked.
        let long_ago = Instant::now().checked_sub(MAX_AGE);
        if let (Some(told), Some(entry)) = (long_ago, clocks.known().offsets.get_mut(&peer("d:1")))
        {
            entry.1 = told;
        }
        assert_eq!(clocks.offset_s(), long_ago.map(|_| -499.0).or(Some(2.0)));
        clocks.forget(&peer("d:1"));
        clocks.forget(&peer("b:1"));
        clocks.forget(&peer("c:1"));
        assert_eq!(clocks.offset_s(), None);
    }
}
