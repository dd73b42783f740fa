//! Many messages at a time: the code that the kernels share, all of it safe.
//!
//! The numbers of a decade differ in their lowest digits, four or five as a kernel wants (fewer in
//! short numbers, or where a block ends among the digits), which lie in one word of the block or in
//! two neighbours:
//!
//! ```text
//! words of the block   | 0 .. first-1 | first .. last   | last+1 .. 15         |
//!                      | the same     | + DIGITS[number] | the same             |
//! rounds               | done once    | in every lane   | words and constants added before |
//! ```
//!
//! A kernel goes through a decade and compares only the first word of each digest with that of the
//! target. This module hashes the candidates again by `sha2` and compares them whole: a wrong
//! kernel can miss a proof, but never invents one.
//!
//! Behind the block with the digits there may be others, the same for all numbers. Their schedules
//! are prepared once, so that they cost rounds alone. With more than [`MAX_REST`] of them each
//! number takes so long that lanes would stay empty, and [`portable`] does the work, by `sha2`.
//!
//! A new backend is a module with a type that only a check of the processor can make, an
//! implementation of [`Lanes`] for it (with registers of more than four lanes through
//! [`vectors`](super::vectors)), and a variant in `Backend` and in `Kernel`; the tests take it from
//! `Backend::ALL`.

use std::ops::Range;

use super::portable;
use super::rounds::{self, K, Schedule, State, small_sigma_0, small_sigma_1};
use super::template::{MAX_REST, Template};

/// The most lanes of a kernel; they may reach beyond the last number of a decade.
pub(super) const MAX_LANES: usize = 32;

/// For each number of four digits its digits in a byte each, the last in the lowest byte.
pub(super) static DIGITS: [u32; 10_000 + MAX_LANES] = {
    let mut table = [0; 10_000 + MAX_LANES];
    let mut number = 0;
    while number < 10_000 {
        let n = number as u32;
        let digits = [n / 1000, n / 100 % 10, n / 10 % 10, n % 10];
        table[number] = digits[0] << 24 | digits[1] << 16 | digits[2] << 8 | digits[3];
        number += 1;
    }
    table
};

/// A backend that tries several numbers at a time.
pub(super) trait Lanes {
    /// How many of the lowest digits differ in a decade, at most.
    const MAX_LOW: usize;

    /// With fewer digits than this in the block most lanes would be empty.
    const MIN_LOW: usize;

    /// The first of `numbers`, which are not empty, where the first word of a digest is at most that
    /// of the target, with its neighbours. They may reach beyond both ends of `numbers`.
    fn scan(&self, decade: &Decade, rest: &[Schedule], numbers: Range<usize>)
    -> Option<Candidates>;
}

/// Numbers whose digest begins like a hit.
pub(super) struct Candidates {
    /// Ascending, in the decade.
    pub(super) numbers: Vec<usize>,
    /// All numbers below it were tried.
    pub(super) next: usize,
}

/// The lowest valid proof in `range`, with the same conditions as [`portable::first_hit`].
pub(super) fn first_hit<L: Lanes>(
    lanes: &L,
    template: &mut Template,
    range: Range<u64>,
) -> Option<u64> {
    let low = low_digits(template).min(L::MAX_LOW);
    let few = low < L::MIN_LOW && low < template.digits();
    if template.rest().len() > MAX_REST || few {
        return portable::first_hit(template, range);
    }
    let span = 10_u64.pow(low as u32);
    let mut from = range.start;
    while from < range.end {
        let zero = from - from % span;
        let to = range.end.min(zero + span);
        let decade = Decade::new(template, zero, low);
        let mut numbers = (from - zero) as usize..(to - zero) as usize;
        while !numbers.is_empty()
            && let Some(found) = lanes.scan(&decade, template.rest_schedules(), numbers.clone())
        {
            for number in found.numbers.into_iter().filter(|number| numbers.contains(number)) {
                let proof = zero + number as u64;
                if template.is_hit(proof) {
                    return Some(proof);
                }
            }
            numbers.start = found.next.min(numbers.end);
        }
        from = to;
    }
    None
}

/// How many of the digits lie in the block with the last one.
fn low_digits(template: &Template) -> usize {
    let (_, last) = template.last_digit();
    template.digits().min(last + 1)
}

/// The parts that the messages of up to 10^5 numbers share, up to the end of the block with the
/// last digit.
pub(super) struct Decade {
    /// The state before the block.
    pub(super) head: State,
    /// The block; the digits that differ are zeros.
    pub(super) words: [u32; 16],
    /// The words that differ.
    pub(super) first: usize,
    pub(super) last: usize,
    /// By how many bits the last digit lies above the last word's end.
    pub(super) shift: u32,
    /// How many digits differ.
    low: usize,
    /// The largest first word that may be a hit.
    pub(super) most: u32,
}

impl Decade {
    /// From `zero` on, whose lowest `low` digits are zeros.
    fn new(template: &mut Template, zero: u64, low: usize) -> Self {
        template.set(zero);
        let (block, last) = template.last_digit();
        Self {
            head: template.head(),
            words: rounds::words(block),
            first: (last + 1 - low) / 4,
            last: last / 4,
            shift: 8 * (3 - last as u32 % 4),
            low,
            most: template.target[0],
        }
    }

    /// The state before round `round`, up to which no word differs.
    pub(super) fn before(&self, round: usize) -> State {
        debug_assert!(round <= self.first);
        rounds::after(self.head, &self.words[..round])
    }

    /// The words that the first 16 rounds add; those that differ, with digits of zero.
    pub(super) fn first_rounds(&self) -> [u32; 16] {
        std::array::from_fn(|t| self.words[t].wrapping_add(K[t]))
    }

    /// The part of the words 16 to 31 that is the same in all lanes. For the words that differ
    /// their plain sum with digits of zero, and nothing of their σ0 and σ1.
    pub(super) fn same_of_16_to_31(&self) -> [u32; 16] {
        let word = |t: usize| if t < 16 { self.words[t] } else { 0 };
        let same = |t: usize| t < 16 && !(self.first..=self.last).contains(&t);
        std::array::from_fn(|i| {
            let plain = word(i).wrapping_add(word(i + 9));
            let sigma_0 = if same(i + 1) { small_sigma_0(word(i + 1)) } else { 0 };
            let sigma_1 = if same(i + 14) { small_sigma_1(word(i + 14)) } else { 0 };
            plain.wrapping_add(sigma_0).wrapping_add(sigma_1)
        })
    }

    /// Where the bytes of [`DIGITS`] go in the block's words, 16 bytes each in memory's order: the
    /// index of a byte, or 0x80 for none.
    pub(super) fn places(&self) -> [[u8; 16]; 4] {
        let mut places = [[0x80; 16]; 4];
        let last = 4 * self.last + 3 - self.shift as usize / 8;
        for digit in 0..self.low {
            let at = last - digit;
            // Words are big-endian in the message and little-endian in memory.
            places[at / 16][(at % 16) ^ 3] = digit as u8;
        }
        places
    }
}
