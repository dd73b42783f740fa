//! Every kernel against `sha2`, range by range, where a search would not end.

use std::borrow::Cow;
use std::ops::Range;

use blocksmith_consensus::hash::Hash;
use blocksmith_consensus::job::{Job, Target};
use sha2::{Digest, Sha256};

use super::backend::{Backend, Kernel};
use super::digits;
use super::lanes::{self, Candidates, Decade, Lanes};
use super::rounds::{self, Schedule, State};
use super::template::{MAX_REST, Message, Template};
use super::vectors::{self, Vectors};

/// A kernel: one of this processor's, or an emulated one.
trait Searcher {
    fn first_hit(&self, template: &mut Template, range: Range<u64>) -> Option<u64>;
}

impl Searcher for Kernel {
    fn first_hit(&self, template: &mut Template, range: Range<u64>) -> Option<u64> {
        Kernel::first_hit(*self, template, range)
    }
}

impl<const LANES: usize, const STREAMS: usize> Searcher for Emulated<LANES, STREAMS> {
    fn first_hit(&self, template: &mut Template, range: Range<u64>) -> Option<u64> {
        lanes::first_hit(self, template, range)
    }
}

type Named = (&'static str, Box<dyn Searcher>);

/// All kernels of this processor.
fn kernels() -> Vec<Named> {
    let named = |&backend: &Backend| -> Option<Named> {
        Some((backend.name(), Box::new(Kernel::new(backend)?)))
    };
    Backend::ALL.iter().filter_map(named).collect()
}

/// The code of [`vectors`] as for AVX2 and AVX-512, on any processor.
fn emulated() -> [Named; 2] {
    [
        ("one stream of eight lanes", Box::new(Emulated::<8, 1>)),
        ("two streams of sixteen lanes", Box::new(Emulated::<16, 2>)),
    ]
}

/// Registers of `LANES` lanes on any processor: arrays.
#[derive(Clone, Copy)]
struct Emulated<const LANES: usize, const STREAMS: usize>;

impl<const LANES: usize, const STREAMS: usize> Lanes for Emulated<LANES, STREAMS> {
    const MAX_LOW: usize = 5;
    const MIN_LOW: usize = 2;

    fn scan(
        &self,
        decade: &Decade,
        rest: &[Schedule],
        numbers: Range<usize>,
    ) -> Option<Candidates> {
        vectors::scan::<_, STREAMS>(*self, decade, rest, numbers)
    }
}

/// FIPS 180-4, 4.1.2, word by word.
impl<const LANES: usize, const STREAMS: usize> Vectors for Emulated<LANES, STREAMS> {
    type Vector = [u32; LANES];

    const LANES: usize = LANES;

    fn splat(self, word: u32) -> Self::Vector {
        [word; LANES]
    }

    fn load(self, words: &[u32]) -> Self::Vector {
        *words.first_chunk().expect("a register full")
    }

    fn add(self, x: Self::Vector, y: Self::Vector) -> Self::Vector {
        std::array::from_fn(|i| x[i].wrapping_add(y[i]))
    }

    fn shift_left(self, x: Self::Vector, bits: u32) -> Self::Vector {
        x.map(|x| x.checked_shl(bits).unwrap_or(0))
    }

    fn shift_right(self, x: Self::Vector, bits: u32) -> Self::Vector {
        x.map(|x| x.checked_shr(bits).unwrap_or(0))
    }

    fn small_sigma_0(self, x: Self::Vector) -> Self::Vector {
        x.map(rounds::small_sigma_0)
    }

    fn small_sigma_1(self, x: Self::Vector) -> Self::Vector {
        x.map(rounds::small_sigma_1)
    }

    fn big_sigma_0(self, x: Self::Vector) -> Self::Vector {
        x.map(|x| x.rotate_right(2) ^ x.rotate_right(13) ^ x.rotate_right(22))
    }

    fn big_sigma_1(self, x: Self::Vector) -> Self::Vector {
        x.map(|x| x.rotate_right(6) ^ x.rotate_right(11) ^ x.rotate_right(25))
    }

    fn choice(self, x: Self::Vector, y: Self::Vector, z: Self::Vector) -> Self::Vector {
        std::array::from_fn(|i| x[i] & y[i] ^ !x[i] & z[i])
    }

    fn majority(self, x: Self::Vector, y: Self::Vector, z: Self::Vector) -> Self::Vector {
        std::array::from_fn(|i| x[i] & y[i] ^ x[i] & z[i] ^ y[i] & z[i])
    }

    fn at_most(self, x: Self::Vector, y: Self::Vector) -> u32 {
        (0..LANES).map(|i| u32::from(x[i] <= y[i]) << i).sum()
    }
}

/// A digest as a target: met by that digest, and missed once the target is one less.
fn words(digest: Hash) -> State {
    std::array::from_fn(|i| {
        u32::from_be_bytes(*digest.0[4 * i..].first_chunk().expect("eight words"))
    })
}

fn one_less(mut number: State) -> State {
    for word in number.iter_mut().rev() {
        let borrow;
        (*word, borrow) = word.overflowing_sub(1);
        if !borrow {
            break;
        }
    }
    number
}

#[test]
fn every_length_of_prefix_digits_and_suffix_gives_the_digest_of_the_rules() {
    let (kernels, emulated) = (kernels(), emulated());
    let bytes: Vec<u8> = (0..=255).collect();
    for prefix in 0..=130 {
        for suffix in (0..=70).chain([118, 119, 120, 121]) {
            let job = Job {
                prefix: Cow::Borrowed(&bytes[..prefix]),
                suffix: Cow::Borrowed(&bytes[..suffix]),
                target: Target::from_zeros(64),
            };
            let message = Message::new(&job);
            for digits in 1..=19 {
                // From one below, it is reached by a carry through all digits.
                let proof = 2 * 10_u64.pow(digits - 1);
                let mut template = message.template(digits as usize);
                let digest = words(job.digest(proof.to_string()));
                // Each place of the last digit in a block once, with and without blocks behind it;
                // an emulated group takes as long as a thousand real ones.
                let sample = prefix < 64 && suffix % 60 == 0 && digits % 6 == 2;
                let emulated = emulated.iter().filter(|_| sample);
                for (name, kernel) in kernels.iter().chain(emulated) {
                    for from in [proof, proof - 1] {
                        template.target = digest;
                        let hit = kernel.first_hit(&mut template, from..proof + 1);
                        assert!(
                            hit == Some(proof) || hit == Some(from) && from < proof,
                            "{name} {prefix}+{digits}+{suffix}"
                        );
                        template.target = one_less(digest);
                        assert_ne!(kernel.first_hit(&mut template, from..proof + 1), Some(proof));
                    }
                }
            }
        }
    }
}

#[test]
fn a_number_that_begins_like_a_hit_is_passed_over_and_the_next_one_is_not() {
    let job = Job {
        prefix: Cow::Borrowed(b"99"),
        suffix: Cow::Borrowed(b""),
        target: Target::from_zeros(64),
    };
    let first_word = |number: u64| words(job.digest(number.to_string()))[0];
    let mut template = Message::new(&job).template(5);
    for lanes in 1..=16 {
        // No number is a hit, but the lowest of them begins like one.
        let lowest = |start| (start..start + lanes).map(first_word).min().expect("not empty");
        let mut starts = (12_340_u64..).filter(|&start| first_word(start + lanes) < lowest(start));
        for start in starts.by_ref().take(20) {
            template.target = [lowest(start), 0, 0, 0, 0, 0, 0, 0];
            for (name, kernel) in kernels().into_iter().chain(emulated()) {
                let hit = kernel.first_hit(&mut template, start..start + lanes + 1);
                assert_eq!(hit, Some(start + lanes), "{name} {lanes}");
            }
        }
    }
}

/// splitmix64: Steele, Lea and Flood, "Fast splittable pseudorandom number generators", 2014.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ z >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ z >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ z >> 31
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn bytes(&mut self, len: u64) -> Vec<u8> {
        (0..len).map(|_| self.next() as u8).collect()
    }
}

/// A job without its target, and numbers of one length.
struct Case {
    prefix: Vec<u8>,
    suffix: Vec<u8>,
    numbers: Range<u64>,
}

impl Case {
    fn random(random: &mut Random) -> Self {
        let mut len = |small: u64| match random.below(1000) {
            0..5 => 1 << 20,
            5..25 => 4096,
            25..100 => random.below(64 * (MAX_REST as u64 + 2)),
            _ => random.below(small + 1),
        };
        let (prefix, mut suffix) = (len(200), len(70));
        // Each try has to hash all blocks behind the digits.
        suffix = suffix.min(4096);
        let digits = 1 + random.below(19) as u32;
        let all = 10_u64.pow(digits - 1) - u64::from(digits == 1)..10_u64.pow(digits);
        let most = match random.below(5) {
            _ if suffix > 200 => 200,
            0 => 30,
            1 => 300,
            2 | 3 => 3_000,
            _ => 15_000,
        };
        let count = 1 + random.below(most);
        let start = match random.below(3) {
            0 => all.start,
            1 => all.end.saturating_sub(count),
            _ => all.start + random.below(all.end - all.start),
        };
        let start = start.max(all.start);
        Self {
            prefix: random.bytes(prefix),
            suffix: random.bytes(suffix),
            numbers: start..all.end.min(start + count),
        }
    }

    fn digests(&self) -> Vec<State> {
        let prefix = Sha256::new_with_prefix(&self.prefix);
        let digest = |number: u64| {
            let hasher = prefix.clone().chain_update(number.to_string());
            words(Hash(hasher.chain_update(&self.suffix).finalize().into()))
        };
        self.numbers.clone().map(digest).collect()
    }
}

/// A digest that occurs, one less than it, or any of so many leading zero bits.
fn target(random: &mut Random, digests: &[State]) -> State {
    let one = digests[random.below(digests.len() as u64) as usize];
    match random.below(8) {
        0 => *digests.iter().min().expect("not empty"),
        1 => one_less(*digests.iter().min().expect("not empty")),
        2 if digests.len() < 1000 => one,
        kind => {
            let mut target: State = std::array::from_fn(|_| random.next() as u32);
            if kind % 2 == 1 {
                target = [u32::MAX; 8];
            }
            let bits = random.below(41);
            // With easy targets nearly all are hits, each of them a call.
            let bits = if digests.len() > 3000 { bits.max(5) } else { bits };
            let top = u64::from(target[0] | 1 << 31) << 32 | u64::from(target[1]);
            target[0] = (top >> bits >> 32) as u32;
            target[1] = (top >> bits) as u32;
            target
        }
    }
}

/// Digests per backend: a million, or as many as `BLOCKSMITH_DIGESTS` says.
#[test]
fn hits_are_those_of_sha2_for_random_jobs() {
    let digests_wanted = std::env::var("BLOCKSMITH_DIGESTS")
        .map_or(1_000_000, |number| number.parse().expect("BLOCKSMITH_DIGESTS is a number"));
    let mut digests_done = 0;
    let mut hits = 0_u64;
    let mut seed = 0;
    while digests_done < digests_wanted {
        let mut random = Random(seed);
        let case = Case::random(&mut random);
        let digests = case.digests();
        let target = target(&mut random, &digests);
        let numbers = case.numbers.clone();
        let met = numbers.clone().zip(&digests).filter(|(_, digest)| **digest <= target);
        let expected: Vec<u64> = met.map(|(number, _)| number).collect();
        let job = Job {
            prefix: Cow::Borrowed(&case.prefix),
            suffix: Cow::Borrowed(&case.suffix),
            target: Target::from_zeros(64),
        };
        assert_eq!(words(job.digest(numbers.start.to_string())), digests[0], "seed {seed}");
        let mut template = Message::new(&job).template(digits(numbers.start));
        template.target = target;
        // An emulated group takes long, and each hit begins one.
        let quick = expected.len() < 20 && digests_done < 1_000_000;
        let emulated = emulated().into_iter().filter(|_| quick);
        for (name, kernel) in kernels().into_iter().chain(emulated) {
            let mut found = Vec::new();
            let mut rest = numbers.clone();
            while !rest.is_empty() {
                let Some(hit) = kernel.first_hit(&mut template, rest.clone()) else { break };
                found.push(hit);
                rest.start = hit + 1;
            }
            assert_eq!(found, expected, "seed {seed}, {name}");
        }
        digests_done += digests.len() as u64;
        hits += expected.len() as u64;
        seed += 1;
    }
    println!("{digests_done} digests per backend, {hits} hits, {seed} jobs");
    assert!(hits > digests_done / 1000, "a test without hits shows nothing");
}
