//! Tries per second, best and median of 7 rounds: `cargo run --release -p blocksmith-miner --example rate`
#![forbid(unsafe_code)]

use std::borrow::Cow;
use std::hint::black_box;
use std::num::NonZeroUsize;
use std::thread;
use std::time::{Duration, Instant};

use blocksmith_consensus::job::{Job, Target};
use blocksmith_miner::search::{Control, Outcome, Search};
use sha2::{Digest, Sha256};

const ROUNDS: usize = 7;
const ROUND: Duration = Duration::from_millis(400);
const START: u64 = 10_000_000;

fn main() {
    let seal = "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b";
    let rows: [(&str, &dyn Fn() -> f64); 5] = [
        ("format! and Sha256::digest, 2-digit prefix", &naive),
        ("search, 2-digit prefix, 1 thread", &|| search("99", 1)),
        ("search, 2-digit prefix, 2 threads", &|| search("99", 2)),
        ("search, 64-digit prefix, 1 thread", &|| search(seal, 1)),
        ("search, 64-digit prefix, 2 threads", &|| search(seal, 2)),
    ];
    // All rows in each round, so that a slow moment of the machine does not hit one row alone.
    let mut rates = [const { Vec::new() }; 5];
    for _ in 0..ROUNDS {
        for ((_, rate), rates) in rows.iter().zip(&mut rates) {
            rates.push(rate());
        }
    }
    println!("{:46} {:>8} {:>8}  million tries/s", "", "best", "median");
    for ((name, _), rates) in rows.iter().zip(&mut rates) {
        rates.sort_by(f64::total_cmp);
        println!("{name:46} {:8.2} {:8.2}", rates[ROUNDS - 1] / 1e6, rates[ROUNDS / 2] / 1e6);
    }
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

fn search(prefix: &str, threads: usize) -> f64 {
    let job = Job {
        prefix: Cow::Borrowed(prefix.as_bytes()),
        suffix: Cow::Borrowed(b""),
        target: Target::from_zeros(64),
    };
    let threads = NonZeroUsize::new(threads).expect("at least one");
    let control = Control::new();
    thread::scope(|scope| {
        scope.spawn(|| {
            thread::sleep(ROUND);
            control.cancel();
        });
        let began = Instant::now();
        let outcome = Search { job: &job, start: START, threads }.run(&control);
        assert_eq!(outcome, Outcome::Cancelled);
        control.tries() as f64 / began.elapsed().as_secs_f64()
    })
}
