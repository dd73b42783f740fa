//! Known proofs, and how a search ends: one sentence per test.

use std::borrow::Cow;
use std::num::NonZeroUsize;
use std::thread;
use std::time::{Duration, Instant};

use blocksmith_consensus::job::{Job, Target};
use blocksmith_miner::search::{
    Backend, Control, MAX_PROOF, Outcome, Search, Unavailable, UnknownBackend,
};

fn job(prefix: &str, zeros: u8) -> Job<'_> {
    Job {
        prefix: Cow::Borrowed(prefix.as_bytes()),
        suffix: Cow::Borrowed(b""),
        target: Target::from_zeros(zeros),
    }
}

fn backends() -> impl Iterator<Item = Backend> {
    Backend::ALL.iter().copied().filter(|backend| backend.is_available())
}

fn run_with(backend: Backend, job: &Job<'_>, start: u64, threads: usize) -> (Outcome, u64) {
    let control = Control::new();
    let threads = NonZeroUsize::new(threads).expect("at least one");
    let search = Search::with_backend(backend, job, start, threads).expect("available");
    assert_eq!(search.backend(), backend);
    (search.run(&control), control.tries())
}

/// With every backend, which agree; more than one thread leave the number of tries open.
fn run(job: &Job<'_>, start: u64, threads: usize) -> (Outcome, u64) {
    let portable = run_with(Backend::Portable, job, start, threads);
    for backend in backends() {
        let (outcome, tries) = run_with(backend, job, start, threads);
        assert_eq!(outcome, portable.0, "{backend} from {start}");
        if threads == 1 || !matches!(outcome, Outcome::Found { .. }) {
            assert_eq!(tries, portable.1, "{backend} from {start}");
        } else if let Outcome::Found { proof, .. } = outcome {
            assert!(tries > proof - start, "{tries} tries leave a gap below {proof}");
        }
    }
    portable
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
    let cases = backends().flat_map(|backend| jobs.iter().map(move |job| (backend, job)));
    for (backend, job) in cases {
        for threads in [1, 2, 4] {
            let control = Control::new();
            let threads = NonZeroUsize::new(threads).expect("at least one");
            let search = Search::with_backend(backend, job, 0, threads).expect("available");
            let (outcome, took) = thread::scope(|scope| {
                let search = scope.spawn(|| (search.run(&control), Instant::now()));
                thread::sleep(Duration::from_millis(30));
                // On a busy machine the search may not have had its turn yet.
                let deadline = Instant::now() + Duration::from_secs(10);
                while control.tries() == 0 && Instant::now() < deadline {
                    thread::sleep(Duration::from_millis(1));
                }
                assert!(!control.is_cancelled());
                let asked = Instant::now();
                control.cancel();
                let (outcome, ended) = search.join().expect("the search ends");
                (outcome, ended.saturating_duration_since(asked))
            });
            let (prefix, suffix) = (job.prefix.len(), job.suffix.len());
            println!(
                "{backend}, {threads} threads, {prefix}+{suffix} bytes: cancelled within {took:?}"
            );
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
        let outcome = Search::new(&job, 0, threads).run(&control);
        assert_eq!((outcome, control.tries()), (Outcome::Cancelled, 0));
    }
}

#[test]
fn a_backend_is_refused_exactly_where_the_processor_lacks_it() {
    #[cfg(target_arch = "x86_64")]
    let can = |backend| match backend {
        Backend::Portable => true,
        Backend::Avx2 => is_x86_feature_detected!("avx2"),
        Backend::ShaNi => is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1"),
        Backend::Avx512 => is_x86_feature_detected!("avx512f"),
    };
    #[cfg(not(target_arch = "x86_64"))]
    let can = |backend| backend == Backend::Portable;
    let job = job("99", 4);
    for &backend in Backend::ALL {
        let search = Search::with_backend(backend, &job, 0, NonZeroUsize::MIN);
        assert_eq!(backend.is_available(), can(backend));
        match search {
            Ok(search) => assert_eq!((search.backend(), can(backend)), (backend, true)),
            Err(refused) => assert_eq!((refused, can(backend)), (Unavailable(backend), false)),
        }
    }
    let search = Search::new(&job, 0, NonZeroUsize::MIN);
    assert_eq!(search.backend(), Backend::fastest());
    assert!(Backend::fastest().is_available());
    let message = Unavailable(Backend::ShaNi).to_string();
    assert!(message.starts_with("backend sha_ni needs an x86-64 processor with"), "{message}");
    assert!(message.contains("available here: portable"), "{message}");
}

#[test]
fn a_backend_is_read_by_its_name_and_an_unknown_one_gets_the_list() {
    for &backend in Backend::ALL {
        assert_eq!(backend.to_string(), backend.name());
        assert_eq!(backend.name().parse(), Ok(backend));
    }
    let unknown = "AVX2".parse::<Backend>();
    assert_eq!(unknown, Err(UnknownBackend("AVX2".into())));
    let message = unknown.expect_err("names are in lower case").to_string();
    assert_eq!(
        message,
        r#"there is no backend "AVX2"; choose one of portable, avx2, sha_ni, avx512"#
    );
}
