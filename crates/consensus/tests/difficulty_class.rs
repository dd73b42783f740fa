//! Five days of a class on a forge chain: thirty laptops for an hour a day, and one or none
//! otherwise. How the difficulty state follows, in bounds that hold for every seed below.

use blocksmith_consensus::difficulty::{Difficulty, DifficultyState};
use blocksmith_consensus::{Target, U256};

const SPACING_S: f64 = 15.0;
const HOUR_S: f64 = 3600.0;
/// Tries per second of a laptop: four cores with the processor's own SHA-256.
const LAPTOP: f64 = 67_108_864.0;
const SEEDS: u64 = 200;

/// SplitMix64, so that a run can be replayed anywhere.
struct Chance(u64);

impl Chance {
    /// The seconds until the next proof, at `rate` tries per second and `work` tries a proof.
    fn wait_s(&mut self, work: f64, rate: f64) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        bits ^= bits >> 31;
        let uniform = ((bits >> 11) as f64 + 0.5) / (1u64 << 53) as f64;
        -uniform.ln() * work / rate
    }
}

/// A stretch of time with the same number of laptops, and what happened in it.
#[derive(Debug)]
struct Phase {
    laptops: u32,
    /// How many there were before.
    before: u32,
    /// How many there were when the last block before was found.
    evening: u32,
    hours: f64,
    /// Seconds from the start to each block.
    blocks: Vec<f64>,
    /// Seconds until, after a first block, the next is expected to take from half to twice the
    /// spacing.
    recovered_s: Option<f64>,
}

impl Phase {
    fn blocks_between(&self, from_s: f64, to_s: f64) -> usize {
        self.blocks.iter().filter(|at| (from_s..to_s).contains(*at)).count()
    }

    fn longest_wait_s(&self) -> f64 {
        let starts = std::iter::once(&0.0).chain(&self.blocks);
        starts.zip(&self.blocks).map(|(from, to)| to - from).fold(0.0, f64::max)
    }

    /// Seconds per block after `from_s`.
    fn spacing_after_s(&self, from_s: f64) -> f64 {
        let end_s = self.hours * HOUR_S;
        (end_s - from_s) / self.blocks_between(from_s, end_s) as f64
    }
}

/// The days of a class: class by day, and at night a laptop that somebody forgot to close, or none.
fn five_days(seed: u64) -> Vec<Phase> {
    let target = |zeros: u32| Target(U256::MAX >> zeros);
    let genesis = target(24);
    let rule = Difficulty::Asert {
        spacing_s: 15,
        half_life_s: 450,
        easiest: target(16),
        longest_gap_s: 900,
    };
    let mut chance = Chance(seed);
    let mut difficulty_state = DifficultyState::genesis(genesis, 0);
    // The genesis block was written long before.
    let mut start_s = 400.0 * 24.0 * HOUR_S;
    let (mut before, mut evening) = (0, 0);
    let mut phases = Vec::new();
    for (laptops, hours) in [
        (30, 1.0),
        (1, 23.0),
        (30, 1.0),
        (0, 23.0),
        (30, 1.0),
        (1, 9.0),
        (0, 14.0),
        (30, 1.0),
        (0, 23.0),
        (30, 1.0),
        (1, 23.0),
    ] {
        let rate = f64::from(laptops) * LAPTOP;
        let end_s = start_s + hours * HOUR_S;
        let (mut now_s, mut blocks, mut recovered_s) = (start_s, Vec::new(), None);
        // Without a laptop, the first wait has no end.
        loop {
            let work = rule.target_after(genesis, &difficulty_state).work().as_f64();
            if recovered_s.is_none()
                && !blocks.is_empty()
                && (0.5..=2.0).contains(&(work / rate / SPACING_S))
            {
                recovered_s = Some(now_s - start_s);
            }
            // A search has no memory: what the former phase did for this block is nothing.
            now_s += chance.wait_s(work, rate);
            if now_s >= end_s {
                break;
            }
            blocks.push(now_s - start_s);
            difficulty_state =
                rule.difficulty_state_after(genesis, &difficulty_state, now_s as u64);
        }
        phases.push(Phase { laptops, before, evening, hours, blocks, recovered_s });
        (start_s, before) = (end_s, laptops);
        evening = if laptops > 0 { laptops } else { evening };
    }
    phases
}

/// All phases, over all seeds, that go from `before` laptops to `laptops`, but the very first one.
fn changes(before: u32, laptops: u32) -> Vec<Phase> {
    let weeks = (0..SEEDS).flat_map(|seed| five_days(seed).into_iter().skip(1));
    weeks.filter(|phase| (phase.before, phase.laptops) == (before, laptops)).collect()
}

/// Checks that `value` is from `least` to `greatest` in all phases, and `mean` within a tenth on
/// average.
#[track_caller]
fn bounds(
    phases: &[Phase],
    (least, mean, greatest): (f64, f64, f64),
    value: impl Fn(&Phase) -> f64,
) {
    let values: Vec<f64> = phases.iter().map(value).collect();
    let found = (
        values.iter().copied().fold(f64::INFINITY, f64::min),
        values.iter().sum::<f64>() / values.len() as f64,
        values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
    );
    assert!(least <= found.0 && found.2 <= greatest, "{found:?}");
    assert!((found.1 / mean - 1.0).abs() < 0.1, "{found:?}");
}

fn recovered_s(phase: &Phase) -> f64 {
    phase.recovered_s.unwrap_or(f64::INFINITY)
}

fn in_ten_minutes(phase: &Phase) -> f64 {
    phase.blocks_between(0.0, 600.0) as f64
}

fn in_a_minute(phase: &Phase) -> f64 {
    phase.blocks_between(0.0, 60.0) as f64
}

#[test]
fn the_first_class_is_on_time_after_eight_minutes_on_average() {
    let first: Vec<Phase> = (0..SEEDS).map(|seed| five_days(seed).swap_remove(0)).collect();
    // For thirty laptops, 24 zero bits are 8 ms. That is 10.8 half-lives from 15 s: 323 blocks too
    // many in the end, most of them in the first minute.
    bounds(&first, (200.0, 225.0, 250.0), in_a_minute);
    bounds(&first, (320.0, 343.0, 370.0), in_ten_minutes);
    bounds(&first, (240.0, 446.0, 780.0), recovered_s);
    bounds(&first, (12.0, 15.0, 19.0), |phase| phase.spacing_after_s(HOUR_S / 2.0));
}

#[test]
fn a_class_that_slept_wakes_up_neither_to_a_flood_nor_to_waiting() {
    let mornings = changes(0, 30);
    let mornings: Vec<Phase> = mornings.into_iter().filter(|phase| phase.evening == 30).collect();
    assert_eq!(mornings.len(), 2 * SEEDS as usize);
    // Ten minutes have 40 blocks on time; the night adds 900 s, which are 59.
    bounds(&mornings, (0.0, 12.0, 30.0), in_a_minute);
    bounds(&mornings, (50.0, 83.0, 110.0), in_ten_minutes);
    bounds(&mornings, (60.0, 275.0, 700.0), recovered_s);
    bounds(&mornings, (30.0, 87.0, 240.0), Phase::longest_wait_s);
    bounds(&mornings, (12.0, 15.0, 19.0), |phase| phase.spacing_after_s(HOUR_S / 2.0));
}

#[test]
fn a_class_that_joins_one_laptop_is_on_time_after_eight_minutes_on_average() {
    // Thirty times the tries are 4.9 half-lives: 147 blocks too many.
    let joined = changes(1, 30);
    bounds(&joined, (35.0, 60.0, 85.0), in_a_minute);
    bounds(&joined, (130.0, 167.0, 205.0), in_ten_minutes);
    bounds(&joined, (240.0, 435.0, 800.0), recovered_s);
    bounds(&joined, (30.0, 86.0, 240.0), Phase::longest_wait_s);
    bounds(&joined, (12.0, 15.0, 19.0), |phase| phase.spacing_after_s(HOUR_S / 2.0));
}

#[test]
fn a_laptop_that_stays_alone_is_on_time_after_forty_minutes_on_average() {
    // The first block takes thirty times as long, 7.5 minutes; then each wait shortens the next.
    let alone = changes(30, 1);
    bounds(&alone, (0.0, 1.55, 8.0), in_ten_minutes);
    bounds(&alone, (1_600.0, 2_265.0, 5_000.0), recovered_s);
    bounds(&alone, (150.0, 720.0, 4_000.0), Phase::longest_wait_s);
    bounds(&alone, (14.7, 15.0, 15.3), |phase| phase.spacing_after_s(2.0 * HOUR_S));
}
