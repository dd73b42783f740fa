//! A search at a bounded pace: as many tries a second as it may make, and the same answer.

use std::num::{NonZeroU64, NonZeroUsize};
use std::thread;
use std::time::{Duration, Instant};

use blocksmith_consensus::job::{Job, Target};
use blocksmith_miner::search::{Control, Outcome, Pace, Search};

fn job(prefix: &'static [u8], zeros: u8) -> Job<'static> {
    Job { prefix: prefix.into(), suffix: b"".into(), target: Target::from_zeros(zeros) }
}

fn pace(per_second: u64) -> Pace {
    Pace::new(NonZeroU64::new(per_second).unwrap())
}

/// How many tries searches without an end make in a time, and how long that was.
fn tries(per_second: u64, threads: usize, time: Duration) -> (u64, f64) {
    let (job, pace, control) = (job(b"99", 64), pace(per_second), Control::new());
    let search = Search::new(&job, 7, NonZeroUsize::new(threads).unwrap()).with_pace(&pace);
    let began = Instant::now();
    thread::scope(|scope| {
        let searching = scope.spawn(|| search.run(&control));
        thread::sleep(time);
        control.cancel();
        assert_eq!(searching.join().unwrap(), Outcome::Cancelled);
    });
    (control.tries(), began.elapsed().as_secs_f64())
}

#[test]
fn a_second_has_as_many_tries_as_it_may_have() {
    let cases = [(1, 1), (1, 3), (3, 2), (50, 1), (50, 3), (999, 2), (20_000, 3), (200_000, 2)];
    thread::scope(|scope| {
        for (per_second, threads) in cases {
            scope.spawn(move || {
                let (tries, seconds) = tries(per_second, threads, Duration::from_secs(4));
                let wanted = per_second as f64 * seconds;
                // One try may just have come, or not.
                let (least, most) = (0.95 * wanted - 1.0, 1.03 * wanted + 1.0);
                let tries = tries as f64;
                assert!((least..=most).contains(&tries), "{tries} of {wanted}, {threads} threads");
            });
        }
    });
}

#[test]
fn the_lowest_proof_is_the_same() {
    for (per_second, threads) in [(400_000, 1), (400_000, 3), (u64::MAX, 2)] {
        let (job, pace) = (job(b"99", 4), pace(per_second));
        let search = Search::new(&job, 0, NonZeroUsize::new(threads).unwrap()).with_pace(&pace);
        let began = Instant::now();
        let outcome = search.run(&Control::new());
        assert!(matches!(outcome, Outcome::Found { proof: 74_581, .. }), "{outcome:?}");
        if per_second == 400_000 {
            assert!(began.elapsed() > Duration::from_millis(80), "{:?}", began.elapsed());
        }
    }
}

#[test]
fn searches_one_after_the_other_share_it() {
    // Each ends with a hit in the middle of a range, whose rest counts for the next.
    let (pace, began, mut tries) = (pace(20_000), Instant::now(), 0);
    let mut prefix = 99;
    while began.elapsed() < Duration::from_secs(3) {
        let target = Target::from_zeros(2);
        let prefix_text = prefix.to_string();
        let job = Job { prefix: prefix_text.as_bytes().into(), suffix: b"".into(), target };
        let control = Control::new();
        let two = NonZeroUsize::new(2).unwrap();
        let outcome = Search::new(&job, 0, two).with_pace(&pace).run(&control);
        assert!(matches!(outcome, Outcome::Found { .. }), "{outcome:?}");
        tries += control.tries();
        prefix += 1;
    }
    let wanted = 20_000.0 * began.elapsed().as_secs_f64();
    assert!((0.9 * wanted..1.05 * wanted).contains(&(tries as f64)), "{tries} of {wanted}");
}

#[test]
fn a_search_that_waits_for_its_next_try_stops_at_once() {
    let (job, pace, control) = (job(b"99", 64), pace(1), Control::new());
    let search = Search::new(&job, 0, NonZeroUsize::new(3).unwrap()).with_pace(&pace);
    thread::scope(|scope| {
        let searching = scope.spawn(|| search.run(&control));
        thread::sleep(Duration::from_millis(300));
        let cancelled = Instant::now();
        control.cancel();
        searching.join().unwrap();
        assert!(cancelled.elapsed() < Duration::from_millis(300), "{:?}", cancelled.elapsed());
    });
}
