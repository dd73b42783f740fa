//! Known proofs, and how a search ends: one sentence per test.

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::thread;
use std::time::{Duration, Instant};

use blocksmith_consensus::job::{Job, Target};
use blocksmith_miner::search::{Control, MAX_PROOF, Outcome, Search};

fn job(prefix: &str, zeros: u8) -> Job<'_> {
    Job {
        prefix: Cow::Borrowed(prefix.as_bytes()),
        suffix: Cow::Borrowed(b""),
        target: Target::from_zeros(zeros),
    }
}

fn run(job: &Job<'_>, start: u64, threads: usize) -> (Outcome, u64) {
    let control = Control::new();
    let threads = NonZeroUsize::new(threads).expect("at least one");
    let outcome = Search { job, start, threads }.run(&control);
    (outcome, control.tries())
}

fn found(job: &Job<'_>, proof: u64) -> Outcome {
    Outcome::Found { proof, digest: job.digest(proof.to_string()) }
}

#[test]
fn the_proofs_of_the_lecture_are_found_with_any_number_of_threads() {
    // Python: next(p for p in count() if sha256(f"{last}{p}".encode()).hexdigest()[:n] == n * "0")
    let vectors = [
        ("99", 4, 74_581),
        ("99", 5, 241_341),
        ("99", 6, 9_250_889),
        ("74581", 4, 28_441),
        ("241341", 5, 526_815),
    ];
    for (last, zeros, proof) in vectors {
        let job = job(last, zeros);
        assert_eq!(run(&job, 0, 1), (found(&job, proof), proof + 1), "{last} {zeros}");
        for threads in [2, 3] {
            let (outcome, tries) = run(&job, 0, threads);
            assert_eq!(outcome, found(&job, proof), "{last} {zeros} {threads}");
            assert!(tries > proof, "{tries} tries leave a gap below {proof}");
        }
    }
}

#[test]
fn a_valid_start_is_the_answer_and_the_next_search_leaves_it_behind() {
    let job = job("99", 4);
    assert_eq!(run(&job, 74_581, 1), (found(&job, 74_581), 1));
    let (next, tries) = run(&job, 74_582, 1);
    let Outcome::Found { proof, .. } = next else { panic!("{next:?}") };
    assert!(proof > 74_581 && job.accepts(proof.to_string()));
    assert_eq!(tries, proof - 74_581);
}

#[test]
fn the_easiest_target_takes_the_first_number() {
    let job = job("99", 0);
    for start in [0, 9, 10, 123_456, MAX_PROOF] {
        assert_eq!(run(&job, start, 1), (found(&job, start), 1));
        assert_eq!(run(&job, start, 4).0, found(&job, start));
    }
}

#[test]
fn an_impossible_target_ends_behind_the_last_number() {
    let job = job("99", 64);
    for threads in 1..=4 {
        for left in [0, 1, 2, 9_999, 10_000, 10_001, 123_456] {
            let start = MAX_PROOF + 1 - left;
            assert_eq!(run(&job, start, threads), (Outcome::Exhausted, left));
        }
        assert_eq!(run(&job, u64::MAX, threads), (Outcome::Exhausted, 0));
    }
}

#[test]
fn the_last_number_itself_is_found() {
    let mut job = job("99", 0);
    let digest = job.digest(MAX_PROOF.to_string());
    job.target = digest.to_string().parse().expect("64 hex digits");
    let job = job;
    // The target is that digest, so that at most a few numbers around meet it.
    let start = (MAX_PROOF - 1000..=MAX_PROOF)
        .rev()
        .take_while(|&proof| proof == MAX_PROOF || !job.accepts(proof.to_string()))
        .last()
        .expect("the last number");
    assert_eq!(run(&job, start, 2).0, found(&job, MAX_PROOF));
}

#[test]
fn a_cancelled_search_stops_soon_and_keeps_count() {
    let megabyte = vec![b'x'; 1 << 20];
    let long = |prefix, suffix| Job { prefix, suffix, target: Target::from_zeros(64) };
    let jobs = [
        job("99", 64),
        long(Cow::Borrowed(&megabyte[..]), Cow::Borrowed(&b""[..])),
        long(Cow::Borrowed(&b""[..]), Cow::Borrowed(&megabyte[..])),
    ];
    for job in &jobs {
        for threads in [1, 2, 4] {
            let control = Control::new();
            let threads = NonZeroUsize::new(threads).expect("at least one");
            let (outcome, took) = thread::scope(|scope| {
                let search = scope.spawn(|| {
                    let outcome = Search { job, start: 0, threads }.run(&control);
                    (outcome, Instant::now())
                });
                thread::sleep(Duration::from_millis(30));
                assert!(!control.is_cancelled());
                let asked = Instant::now();
                control.cancel();
                let (outcome, ended) = search.join().expect("the search ends");
                (outcome, ended.saturating_duration_since(asked))
            });
            let (prefix, suffix) = (job.prefix.len(), job.suffix.len());
            println!("{threads} threads, {prefix}+{suffix} bytes: cancelled within {took:?}");
            assert_eq!(outcome, Outcome::Cancelled);
            assert!(control.is_cancelled());
            assert!(control.tries() > 0);
            // Meant are 5 ms; a machine that runs all tests at once is not always there in time.
            assert!(took < Duration::from_millis(100), "{took:?}");
        }
    }
}

#[test]
fn a_search_that_is_cancelled_before_it_starts_tries_nothing() {
    let job = job("99", 0);
    let control = Control::new();
    control.cancel();
    for threads in [NonZeroUsize::MIN, NonZeroUsize::new(3).expect("three")] {
        let outcome = Search { job: &job, start: 0, threads }.run(&control);
        assert_eq!((outcome, control.tries()), (Outcome::Cancelled, 0));
    }
}
