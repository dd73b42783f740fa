//! `blocksmith mine` and `blocksmith dev` as processes.

use crate::program::{Program, wait_until};

mod dev;
mod hopeless;
mod proof_of_success;
mod servers;
mod tokens;
mod told;

/// How many blocks were mined by the time of this line, if it tells of one.
fn mined(line: &str) -> Option<u64> {
    let (_, mined) = line.strip_prefix("Found new proof: ")?.split_once(" mined: ")?;
    mined.split(' ').next()?.parse().ok()
}

/// The proofs of the blocks that were told of.
fn proofs(lines: &[String]) -> Vec<u64> {
    let proof = |line: &String| {
        mined(line)?;
        line.split(' ').nth(3)?.parse().ok()
    };
    lines.iter().filter_map(proof).collect()
}

/// How many blocks a miner told of by its end, in the last line of a block and in the sum.
fn mined_in_all(lines: &[String]) -> u64 {
    let told = lines.iter().rev().find_map(|line| mined(line)).unwrap_or(0);
    let sum = lines.last().and_then(|line| line.strip_prefix("Total: ")).expect("a sum");
    assert_eq!(sum.split(' ').next().unwrap().parse(), Ok(told), "{lines:?}");
    told
}

/// Waits until so many blocks are mined.
fn until_mined(miner: &mut Program, blocks: u64) {
    miner.until_so("a block", |line| mined(line).is_some_and(|mined| mined >= blocks));
}

/// Waits until the miner searches.
fn until_it_searches(miner: &Program) {
    wait_until("a search", || miner.stderr().contains("Starting search for new proof"));
}
