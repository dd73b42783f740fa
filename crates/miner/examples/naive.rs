//! Tries per second of the loop that a user would write first, for `tests/bench/search.py`:
//! `naive SECONDS`.
#![forbid(unsafe_code)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

/// Where `blocksmith bench` starts as well.
const START: u64 = 10_000_000;

fn main() {
    let seconds = std::env::args().nth(1).and_then(|seconds| seconds.parse().ok());
    let time = Duration::from_secs_f64(seconds.expect("how many seconds"));
    let began = Instant::now();
    let mut proof = START;
    while began.elapsed() < time {
        for _ in 0..10_000 {
            black_box(Sha256::digest(format!("99{proof}")));
            proof += 1;
        }
    }
    println!("{}", (proof - START) as f64 / began.elapsed().as_secs_f64());
}
