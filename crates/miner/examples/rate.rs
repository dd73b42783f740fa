//! Tries per second, best and median of 7 rounds, against OpenSSL's compressions where it is
//! installed: `cargo run --release -p blocksmith-miner --example rate`
#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use blocksmith_consensus::job::{Job, Target};
use blocksmith_miner::search::{Backend, Control, Outcome, Search};
use sha2::{Digest, Sha256};

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(400);
const START: u64 = 10_000_000;
const SEAL: &str = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b";

struct Row {
    name: String,
    rate: Box<dyn Fn() -> Option<f64>>,
    rates: Vec<f64>,
}

fn main() {
    let mut rows = Vec::new();
    let mut add = |name: String, rate: Box<dyn Fn() -> Option<f64>>| {
        rows.push(Row { name, rate, rates: Vec::new() });
    };
    add("openssl speed -evp sha256, compressions".into(), Box::new(openssl));
    add("format! and Sha256::digest, 2-digit prefix".into(), Box::new(|| Some(naive())));
    for &backend in Backend::ALL.iter().filter(|backend| backend.is_available()) {
        for (prefix, what, threads) in [
            ("99", "2-digit", 1),
            ("99", "2-digit", 2),
            (SEAL, "64-digit", 1),
            (SEAL, "64-digit", 2),
        ] {
            let s = if threads == 1 { " " } else { "s" };
            let name = format!("{backend:8}  {what:>8} prefix, {threads} thread{s}");
            add(name, Box::new(move || Some(search(backend, prefix, threads))));
        }
    }
    // All rows in each round, so that a slow moment of the machine does not hit one row alone.
    for _ in 0..ROUNDS {
        for row in &mut rows {
            row.rates.extend((row.rate)());
        }
    }
    println!("{:46} {:>8} {:>8}  million/s, ratio to the first", "", "best", "median");
    rows.retain(|row| row.rates.len() == ROUNDS);
    let mut first = None;
    for Row { name, rates, .. } in &mut rows {
        rates.sort_by(f64::total_cmp);
        let (best, median) = (rates[ROUNDS - 1] / 1e6, rates[ROUNDS / 2] / 1e6);
        let (first_best, first_median) = *first.get_or_insert((best, median));
        let (best_ratio, median_ratio) = (best / first_best, median / first_median);
        println!("{name:46} {best:8.2} {median:8.2}  {best_ratio:5.2} {median_ratio:5.2}");
    }
}

/// Compressions per second, if `openssl` is installed. By the wall clock, like the searches.
fn openssl() -> Option<f64> {
    let speed = ["speed", "-mr", "-elapsed", "-seconds", "1"];
    let speed = speed.into_iter().chain(["-evp", "sha256", "-bytes", "16384"]);
    let output = Command::new("openssl").args(speed).output().ok()?;
    let output = String::from_utf8(output.stdout).ok()?;
    // "+F:22:sha256:1506922800.00", in bytes per second.
    let bytes = output.lines().find(|line| line.starts_with("+F:"))?.rsplit(':').next()?;
    Some(bytes.parse::<f64>().ok()? / 64.0)
}

/// The loop that a user would write first.
fn naive() -> f64 {
    let began = Instant::now();
    let mut proof = START;
    while began.elapsed() < ROUND {
        for _ in 0..10_000 {
            black_box(Sha256::digest(format!("99{proof}")));
            proof += 1;
        }
    }
    (proof - START) as f64 / began.elapsed().as_secs_f64()
}

fn search(backend: Backend, prefix: &str, threads: usize) -> f64 {
    let job = Job {
        prefix: Cow::Borrowed(prefix.as_bytes()),
        suffix: Cow::Borrowed(b""),
        target: Target::from_zeros(64),
    };
    let threads = NonZeroUsize::new(threads).expect("at least one");
    let search = Search::with_backend(backend, &job, START, threads).expect("available");
    let control = Control::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(ROUND);
            control.cancel();
        });
        let began = Instant::now();
        let outcome = search.run(&control);
        assert_eq!(outcome, Outcome::Cancelled);
        control.tries() as f64 / began.elapsed().as_secs_f64()
    })
}
