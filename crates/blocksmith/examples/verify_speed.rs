//! The Rust side of `tests/bench/verify.py`.
//!
//! `verify_speed make BLOCKS ZEROS [MINERS]` writes a valid chain of the lecture, as its nodes serve it,
//! with one reward a block, each to another miner, or to so many in turn. `verify_speed run FILE ZEROS` validates it once for each number of threads
//! that comes in on a line, and answers each with the seconds that it took.

use std::fmt::Write as _;
use std::io::BufRead as _;
use std::time::Instant;

use blocksmith::verify::verify;
use blocksmith_consensus::document::Verifier;
use blocksmith_consensus::json::Value;
use blocksmith_consensus::{Block, Hash, Open, Proof, Rules, Timestamp};

/// Where the search for each proof starts, so that proofs have as many digits as the lecture's.
const FIRST_PROOF: u64 = 240_000;

/// The time of the lecture's block 2, and about as long as its blocks took.
const FIRST_MICROS: u64 = 1_562_874_886_654_986;
const SPACING_MICROS: u64 = 15_000_917;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().expect("make BLOCKS ZEROS, or run FILE ZEROS");
    let (command, what) = (next(), next());
    let zeros = next().parse().expect("a number of zeros");
    let rules = Rules::lecture().with_zeros(zeros);
    match command.as_str() {
        "make" => {
            let miners =
                arguments.next().map_or(u64::MAX, |n| n.parse().expect("a number of miners"));
            print!("{}", make(&rules, what.parse().expect("a number of blocks"), miners));
        }
        "run" => run(&rules, &what),
        _ => panic!("make or run, not {command}"),
    }
}

fn make(rules: &Rules, blocks: u64, miners: u64) -> String {
    let mut tip = rules.genesis_block(Timestamp::default());
    let mut text = format!(r#"{{"chain": [{}"#, tip.text());
    for number in 1..blocks {
        let job = rules.job(tip.view(), &tip.hash(), None);
        let proof = (FIRST_PROOF + number * 7 % 700_000..)
            .find(|proof| job.accepts(proof.to_string()))
            .expect("there are proofs enough");
        let mut recipient = Hash::of((number % miners).to_string()).to_string();
        recipient.truncate(32);
        let recipient = format!(r#""{recipient}""#);
        let coin = Open::lecture().coin(Value::of_canonical(&recipient));
        let timestamp = Timestamp { micros: FIRST_MICROS + number * SPACING_MICROS };
        tip = Block::compose(&tip, &Proof::from(proof), timestamp, [&coin]).expect("a block");
        write!(text, ", {}", tip.text()).expect("a string grows");
    }
    write!(text, r#"], "length": {blocks}}}"#).expect("a string grows");
    text
}

fn run(rules: &Rules, file: &str) {
    let text = std::fs::read(file).expect("the chain's file");
    let verifier = Verifier { rules, tip: None };
    for line in std::io::stdin().lock().lines() {
        let threads = line.expect("a line").trim().parse().expect("a number of threads");
        let start = Instant::now();
        let verdict = verify(&verifier, &text, threads).expect("a valid chain");
        println!("{} {}", start.elapsed().as_secs_f64(), verdict.blocks);
    }
}
