//! The search against the loop that a user would write first, over random jobs.

use std::borrow::Cow;
use std::num::NonZeroUsize;

use blocksmith_consensus::hash::Hash;
use blocksmith_consensus::job::{Job, Target};
use blocksmith_miner::search::{Backend, Control, MAX_PROOF, Outcome, Search};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::test_runner::FileFailurePersistence;

/// The oracle: tries one number after the other, up to `last`.
fn naive(job: &Job<'_>, start: u64, last: u64) -> Option<u64> {
    (start..=last).find(|proof| job.accepts(proof.to_string()))
}

fn backends() -> impl Iterator<Item = Backend> {
    Backend::ALL.iter().copied().filter(|backend| backend.is_available())
}

fn run(backend: Backend, job: &Job<'_>, start: u64, threads: usize) -> (Outcome, u64) {
    let control = Control::new();
    let threads = NonZeroUsize::new(threads).expect("at least one");
    let search = Search::with_backend(backend, job, start, threads).expect("available");
    (search.run(&control), control.tries())
}

fn target(bytes: [u8; 32]) -> Target {
    Hash(bytes).to_string().parse().expect("64 hex digits")
}

/// About one of 2^`bits` digests: exactly that, or any number of as many leading zeros.
fn targets(bits: std::ops::RangeInclusive<u32>) -> impl Strategy<Value = Target> {
    (bits, any::<Option<[u8; 32]>>()).prop_map(|(bits, noise)| {
        let mut bytes = noise.unwrap_or([0xff; 32]);
        let top = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) | 1 << 31;
        bytes[..4].copy_from_slice(&(top >> bits).to_be_bytes());
        target(bytes)
    })
}

fn prefixes() -> impl Strategy<Value = Vec<u8>> {
    let byte = any::<u8>;
    prop_oneof![8 => vec(byte(), 0..=200), 1 => vec(byte(), 4000..=4200)]
}

/// Small ones, any, and those from which many digits change soon: 1…, 9…9, k·10^n.
fn starts() -> impl Strategy<Value = u64> {
    prop_oneof![
        0..20_000_u64,
        0..=MAX_PROOF,
        (0..19_u32, 1..=99_u64, 0..=300_u64).prop_map(|(zeros, factor, below)| {
            let round = 10_u64.pow(zeros).saturating_mul(factor).min(MAX_PROOF + 1);
            round.saturating_sub(below + 1)
        }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: 400,
        failure_persistence: Some(Box::new(FileFailurePersistence::WithSource("regressions"))),
        ..ProptestConfig::default()
    })]

    #[test]
    fn the_lowest_proof_is_that_of_the_naive_loop(
        prefix in prefixes(),
        suffix in vec(any::<u8>(), 0..=70),
        target in targets(0..=12),
        start in starts(),
        threads in 1..=4_usize,
    ) {
        let job = Job { prefix: Cow::Owned(prefix), suffix: Cow::Owned(suffix), target };
        let lowest = naive(&job, start, MAX_PROOF);
        for backend in backends() {
            let (outcome, tries) = run(backend, &job, start, threads);
            match lowest {
                Some(proof) => {
                    let digest = job.digest(proof.to_string());
                    prop_assert_eq!(outcome, Outcome::Found { proof, digest }, "{}", backend);
                    prop_assert!(tries > proof - start);
                    prop_assert!(threads > 1 || tries == proof - start + 1);
                }
                None => {
                    prop_assert_eq!(outcome, Outcome::Exhausted, "{}", backend);
                    prop_assert_eq!(tries, MAX_PROOF - start + 1);
                }
            }
        }
    }
}

/// All proofs in `first..=last`, found one after the other.
fn hits(backend: Backend, job: &Job<'_>, first: u64, last: u64, threads: usize) -> Vec<u64> {
    let mut hits = Vec::new();
    let mut start = first;
    while let (Outcome::Found { proof, .. }, _) = run(backend, job, start, threads) {
        if proof > last {
            break;
        }
        hits.push(proof);
        start = proof + 1;
    }
    hits
}

#[test]
fn a_million_digests_hit_where_the_rules_say_so() {
    let bytes: Vec<u8> = (0..200_u8).collect();
    // Prefix and suffix: one block, two because of the padding, digits over the end of a block.
    let shapes = [(2, 0), (0, 0), (64, 0), (50, 3), (55, 64), (127, 1), (60, 0), (200, 70)];
    let starts = [0, 9_950_000, 999_999_000_000 - 50_000, MAX_PROOF - 200_000];
    let mut digests = 0;
    for (i, (prefix, suffix)) in shapes.into_iter().enumerate() {
        let mut goal = [0xff; 32];
        goal[..2].copy_from_slice(&(0x0123_u16 >> (i % 3)).to_be_bytes());
        let job = Job {
            prefix: Cow::Borrowed(&bytes[..prefix]),
            suffix: Cow::Borrowed(&bytes[..suffix]),
            target: target(goal),
        };
        for start in starts {
            let last = start + 39_999;
            let expected: Vec<u64> =
                (start..=last).filter(|proof| job.accepts(proof.to_string())).collect();
            assert!(expected.len() > 10, "a test without hits shows nothing");
            let threads = 1 + i % 2;
            for backend in backends() {
                let hits = hits(backend, &job, start, last, threads);
                assert_eq!(hits, expected, "{backend} {prefix}+{suffix} {start}");
            }
            digests += 40_000;
        }
    }
    assert!(digests >= 1_000_000);
}

#[test]
fn whole_blocks_of_a_megabyte_are_hashed_once_or_for_each_try() {
    let megabyte: Vec<u8> = (0..1 << 20).map(|i| (i % 251) as u8).collect();
    let texts = [&megabyte[..], &megabyte[..(1 << 20) - 37], b"short"];
    for prefix in texts {
        for suffix in texts {
            let job = Job {
                prefix: Cow::Borrowed(prefix),
                suffix: Cow::Borrowed(suffix),
                target: Target::from_zeros(1),
            };
            for start in [0, 96, 99_999_999_990] {
                let expected = naive(&job, start, MAX_PROOF).expect("one of 16");
                let digest = job.digest(expected.to_string());
                for backend in backends() {
                    let (outcome, _) = run(backend, &job, start, 2);
                    assert_eq!(outcome, Outcome::Found { proof: expected, digest }, "{backend}");
                }
            }
        }
    }
}
