//! What each connection is doing, and which connection gives way when something that they share
//! runs out.
//!
//! A whole class may share one address, and a client may hold many connections in good faith. So
//! the node takes nothing away as long as there is enough. When there is not, the address that
//! holds most gives way first, and of its connections the one whose client loses least.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use tokio::sync::{Notify, watch};

/// How long a connection may go on with what it is doing before it may have to give way.
const UNTOUCHED: Duration = Duration::from_millis(250);

/// How long the node waits before it asks a connection to give way once more.
const ASKED_AGAIN: Duration = Duration::from_secs(1);

/// The instant from which times are counted.
static START: LazyLock<Instant> = LazyLock::new(Instant::now);

tokio::task_local! {
    /// The connection that a task serves: handlers and bodies reach it without an argument.
    pub(super) static LINE: Arc<Line>;
}

/// What a connection is doing, in the order in which connections give way.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub(super) enum Doing {
    /// Nothing of the next request has come.
    Idle,
    /// The head of a request arrives.
    Head,
    /// A miner waits for other work than it has.
    News,
    /// The client follows events, and nothing happens. If it is cut off, it goes on where it was.
    Following,
    /// The body of a request arrives.
    Body,
    /// The client reads its answer.
    Reading,
    /// The node makes the answer of a call that changes nothing.
    Looking,
    /// The node makes the answer of a call that may change something, and so finishes it.
    Working,
}

const DOING: [Doing; 8] = [
    Doing::Idle,
    Doing::Head,
    Doing::News,
    Doing::Following,
    Doing::Body,
    Doing::Reading,
    Doing::Looking,
    Doing::Working,
];

/// Where a connection comes from: an IPv4 address, or the IPv6 prefix of one subscriber.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Origin(IpAddr);

impl Origin {
    /// The origin of the connection that this task serves.
    pub(super) fn current() -> Self {
        LINE.try_with(|line| line.origin).unwrap_or(Self(IpAddr::V6(Ipv6Addr::UNSPECIFIED)))
    }
}

impl From<IpAddr> for Origin {
    fn from(address: IpAddr) -> Self {
        Self(match address.to_canonical() {
            IpAddr::V6(address) => Ipv6Addr::from_bits(address.to_bits() >> 64 << 64).into(),
            address => address,
        })
    }
}

/// A connection, as far as the others have to know.
#[derive(Debug)]
pub(super) struct Line {
    origin: Origin,
    opened: Instant,
    /// What it is doing and since when: milliseconds, and the [`Doing`] in the last byte.
    state: AtomicU64,
    /// When the node last asked it to give way: milliseconds, 0 for never.
    asked: AtomicU64,
    /// Whether the last call's answer was made to its end, though perhaps not yet sent.
    pub(super) answered: AtomicBool,
    /// Notified when the connection has to be closed at once.
    pub(super) leave: Notify,
    /// Notified when its call has to be answered at once.
    excuse: Notify,
    /// Notified when its miner has to be answered at once.
    news: Notify,
    /// Turns true when the server stops.
    stop: watch::Receiver<bool>,
}

fn millis() -> u64 {
    START.elapsed().as_millis() as u64
}

impl Line {
    pub(super) fn new(address: IpAddr, stop: watch::Receiver<bool>) -> Arc<Self> {
        let line = Self {
            origin: address.into(),
            opened: Instant::now(),
            state: AtomicU64::default(),
            asked: AtomicU64::default(),
            answered: AtomicBool::new(true),
            leave: Notify::default(),
            excuse: Notify::default(),
            news: Notify::default(),
            stop,
        };
        line.set(Doing::Idle);
        line.into()
    }

    /// Records what the connection is doing from now on.
    pub(super) fn set(&self, doing: Doing) {
        self.state.store(millis() << 8 | doing as u64, Ordering::Relaxed);
    }

    /// What the connection is doing, and since when.
    pub(super) fn doing(&self) -> (Doing, Instant) {
        let state = self.state.load(Ordering::Relaxed);
        (DOING[usize::from(state as u8)], *START + Duration::from_millis(state >> 8))
    }

    /// Whether its next answer is its last: it was asked to give way, or the server stops.
    pub(super) fn leaves(&self) -> bool {
        self.asked.load(Ordering::Relaxed) > 0 || *self.stop.borrow()
    }

    /// Asks the connection to give way. It does so at once, unless its call may change something or
    /// it has only begun with what it is doing: then its next answer is its last.
    pub(super) fn give_way(&self) {
        self.asked.store(millis().max(1), Ordering::Relaxed);
        let (doing, since) = self.doing();
        if since.elapsed() < UNTOUCHED {
            return;
        }
        match doing {
            Doing::Idle | Doing::Head | Doing::Following | Doing::Reading => {
                self.leave.notify_one();
            }
            Doing::News => self.news.notify_one(),
            Doing::Body | Doing::Looking => self.excuse.notify_one(),
            Doing::Working => {}
        }
    }

    /// Whether the node may make its next answer the last one. A client that sends one call after
    /// the other is never found idle, and would otherwise hold the connection for ever.
    fn may_answer_last(&self) -> bool {
        !self.leaves() && self.opened.elapsed() >= UNTOUCHED
    }

    fn may_give_way(&self) -> bool {
        let (doing, since) = self.doing();
        let asked = self.asked.load(Ordering::Relaxed);
        doing != Doing::Working
            && since.elapsed() >= UNTOUCHED
            && (asked == 0 || millis() - asked >= ASKED_AGAIN.as_millis() as u64)
    }

    /// Waits until the server stops.
    pub(super) async fn stops(&self) {
        // If the sender is gone, the server has stopped.
        let _ = self.stop.clone().wait_for(|stop| *stop).await;
    }

    /// Waits until the call has to be answered at once.
    pub(super) async fn excused(&self) {
        loop {
            self.excuse.notified().await;
            // The call may have begun to change something since the node asked: then it is
            // finished.
            if matches!(self.doing().0, Doing::Body | Doing::Looking) {
                return;
            }
        }
    }
}

/// Records that this task's connection waits for new work while `work` goes on. Returns `None` if
/// it should wait no longer, which happens only to miners' long polls.
pub(super) async fn while_waiting_for_news<T>(work: impl Future<Output = T>) -> Option<T> {
    let Ok(line) = LINE.try_with(Arc::clone) else { return Some(work.await) };
    line.set(Doing::News);
    let outcome = tokio::select! {
        biased;
        outcome = work => Some(outcome),
        () = line.news.notified() => None,
        () = line.stops() => None,
    };
    line.set(Doing::Looking);
    outcome
}

/// Waits until the server of this task's connection stops.
pub(super) async fn stops() {
    match LINE.try_with(Arc::clone) {
        Ok(line) => line.stops().await,
        Err(_) => std::future::pending().await,
    }
}

/// Records what this task's connection is doing from now on.
pub(super) fn set(doing: Doing) {
    let _ = LINE.try_with(|line| line.set(doing));
}

/// Returns the connection that gives way to another, if one may. It is one of the address that
/// holds most: as long as that address has one that will give way, those of other addresses are
/// left alone.
pub(super) fn first_to_give_way<'a>(
    lines: impl Iterator<Item = &'a Arc<Line>> + Clone,
) -> Option<&'a Arc<Line>> {
    let mut held = HashMap::<Origin, usize>::new();
    for line in lines.clone() {
        *held.entry(line.origin).or_default() += 1;
    }
    let may = |line: &&Arc<Line>| line.may_give_way() || line.may_answer_last();
    let will = |line: &&Arc<Line>| may(line) || !line.leaves();
    let most = lines.clone().filter(will).map(|line| held[&line.origin]).max()?;
    lines.filter(|line| held[&line.origin] == most && may(line)).max_by_key(|line| {
        let (doing, since) = line.doing();
        (line.may_give_way(), std::cmp::Reverse((doing, since)))
    })
}

/// Returns the holder that gives way, if one may: of the origin that holds most, the connection
/// whose client has been slow for longest. Each holder comes with how many units it holds and since
/// when; a holder gives way only after it has held them for `at_least`.
pub(super) fn slowest<'a>(
    holders: impl Iterator<Item = (&'a Arc<Line>, usize, Instant)> + Clone,
    at_least: Duration,
) -> Option<&'a Arc<Line>> {
    let mut held = HashMap::<Origin, usize>::new();
    for (line, units, _) in holders.clone() {
        *held.entry(line.origin).or_default() += units;
    }
    let slow = holders.filter(|(line, _, since)| {
        since.elapsed() >= at_least
            && matches!(line.doing().0, Doing::Body | Doing::Reading)
            && line.may_give_way()
    });
    let slowest =
        slow.max_by_key(|(line, _, since)| (held[&line.origin], std::cmp::Reverse(*since)));
    slowest.map(|(line, ..)| line)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A connection that has done `doing` for so many milliseconds.
    fn line(address: &str, doing: Doing, millis_ago: u64) -> Arc<Line> {
        let line = Line::new(address.parse().expect("an address"), watch::channel(false).1);
        let since = millis().saturating_sub(millis_ago);
        line.state.store(since << 8 | doing as u64, Ordering::Relaxed);
        line
    }

    #[test]
    fn the_address_that_holds_most_gives_way_and_there_what_does_least() {
        LazyLock::force(&START);
        std::thread::sleep(UNTOUCHED * 3);
        let (old, older) = (UNTOUCHED.as_millis() as u64 + 100, UNTOUCHED.as_millis() as u64 + 200);
        let crowd = [
            line("10.0.0.1", Doing::Idle, older),
            line("10.0.0.2", Doing::Working, older),
            line("::ffff:10.0.0.2", Doing::Reading, older),
            line("10.0.0.2", Doing::News, old),
            line("10.0.0.2", Doing::News, older),
            line("10.0.0.2", Doing::Head, 0),
        ];
        assert!(std::ptr::eq(first_to_give_way(crowd.iter()).expect("one"), &crowd[4]));
        crowd[4].give_way();
        assert!(std::ptr::eq(first_to_give_way(crowd.iter()).expect("another"), &crowd[3]));
        assert!(first_to_give_way(crowd[5..].iter()).is_none(), "it has just begun");
        assert!(first_to_give_way(crowd[1..2].iter()).is_none(), "it changes something");
    }

    #[test]
    fn who_is_never_at_rest_answers_for_the_last_time() {
        LazyLock::force(&START);
        let busy = [line("10.0.0.1", Doing::Working, 0), line("10.0.0.1", Doing::Reading, 0)];
        assert!(first_to_give_way(busy.iter()).is_none(), "both have just come");
        std::thread::sleep(UNTOUCHED * 2);
        busy[0].set(Doing::Working);
        busy[1].set(Doing::Reading);
        let crowd = [busy[0].clone(), busy[1].clone(), line("10.0.0.2", Doing::Idle, 300)];
        for expected in [1, 0, 2] {
            let first = first_to_give_way(crowd.iter()).expect("one");
            assert!(std::ptr::eq(first, &crowd[expected]), "{expected}");
            first.give_way();
            assert!(first.leaves());
        }
        assert!(first_to_give_way(crowd.iter()).is_none(), "all were asked");
        // No call is broken off in the middle.
        let broken_off = |line: &Line| {
            let told = line.leave.notified();
            futures_util::FutureExt::now_or_never(told).is_some()
        };
        assert_eq!(crowd.each_ref().map(|line| broken_off(line)), [false, false, true]);
    }

    #[test]
    fn a_subscriber_is_one_however_many_addresses_there_are() {
        let origin = |text: &str| Origin::from(text.parse::<IpAddr>().expect("an address"));
        assert_eq!(origin("2001:db8:0:1::1"), origin("2001:db8:0:1:ffff::2"));
        assert_ne!(origin("2001:db8:0:1::1"), origin("2001:db8:0:2::1"));
        assert_eq!(origin("::ffff:10.0.0.1"), origin("10.0.0.1"));
        assert_ne!(origin("10.0.0.1"), origin("10.0.0.2"));
    }
}
