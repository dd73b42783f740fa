//! The processor's own SHA-256 instructions, on four messages at a time.
//!
//! Two rounds wait four cycles for the two before them, and the unit could begin others meanwhile.
//! With messages side by side it does. On a Zen 3, in cycles per message: 66 for two or three
//! messages, 64 for four or six, 75 for eight, 103 one after the other. Where a block behind the
//! digits needs no schedule, its rounds take 37.
//!
//! The legacy encoding is used on purpose: with AVX enabled LLVM mixes both, which takes 161
//! cycles.
//!
//! # What it compiles to
//!
//! About 890 instructions per 4 messages: 180 up to round 15, then 224 for each 16 rounds, a loop
//! that is passed three times. The working variables of all four stay in registers, eight of the
//! 16. Their schedule would take 16 registers more, so it lives on the stack on purpose: in the
//!     loop 18 stores and 55 loads, which the ports for memory do besides.
//!
//! ```text
//! cargo build --release -p blocksmith
//! objdump -dC --no-show-raw-insn --disassemble=blocksmith_miner::search::sha_ni::scan \
//!     target/release/blocksmith
//! ```
//!
//! There are eight of these functions, one for each pair of rounds to begin with.

use std::arch::x86_64::*;
use std::ops::Range;

use super::lanes::{Candidates, DIGITS, Decade, Lanes};
use super::rounds::State;
use super::rounds::{K, Schedule};

/// Proof that the processor has the instructions.
#[derive(Debug, Clone, Copy)]
pub(super) struct ShaNi(());

impl ShaNi {
    pub(super) fn new() -> Option<Self> {
        let has = is_x86_feature_detected!("sha") && is_x86_feature_detected!("sse4.1");
        has.then_some(Self(()))
    }
}

/// Messages at a time.
const N: usize = 4;

impl Lanes for ShaNi {
    const MAX_LOW: usize = 4;
    const MIN_LOW: usize = 1;

    fn scan(
        &self,
        decade: &Decade,
        rest: &[Schedule],
        numbers: Range<usize>,
    ) -> Option<Candidates> {
        // SAFETY: a ShaNi exists, so ShaNi::new has seen that the processor has what `scan` needs.
        unsafe {
            match decade.first / 2 {
                0 => scan::<0>(decade, rest, numbers),
                1 => scan::<1>(decade, rest, numbers),
                2 => scan::<2>(decade, rest, numbers),
                3 => scan::<3>(decade, rest, numbers),
                4 => scan::<4>(decade, rest, numbers),
                5 => scan::<5>(decade, rest, numbers),
                6 => scan::<6>(decade, rest, numbers),
                _ => scan::<7>(decade, rest, numbers),
            }
        }
    }
}

/// The state of one message, in the order that the instructions want.
#[derive(Clone, Copy)]
struct Lane {
    abef: __m128i,
    cdgh: __m128i,
}

#[target_feature(enable = "sha,sse4.1")]
fn lane([a, b, c, d, e, f, g, h]: State) -> Lane {
    Lane { abef: set(f, e, b, a), cdgh: set(h, g, d, c) }
}

/// Four words, the lowest first.
#[target_feature(enable = "sha,sse4.1")]
fn set(w0: u32, w1: u32, w2: u32, w3: u32) -> __m128i {
    _mm_setr_epi32(w0 as i32, w1 as i32, w2 as i32, w3 as i32)
}

#[target_feature(enable = "sha,sse4.1")]
fn load(words: &[u32], group: usize) -> __m128i {
    let &[w0, w1, w2, w3] = words[4 * group..].first_chunk().expect("four words");
    set(w0, w1, w2, w3)
}

/// Two rounds, with the lower two words of `words`.
#[inline]
#[target_feature(enable = "sha,sse4.1")]
fn two_rounds(lane: &mut Lane, words: __m128i) {
    let abef = _mm_sha256rnds2_epu32(lane.cdgh, lane.abef, words);
    *lane = Lane { abef, cdgh: lane.abef };
}

#[inline]
#[target_feature(enable = "sha,sse4.1")]
fn upper(words: __m128i) -> __m128i {
    _mm_shuffle_epi32::<0b00_00_11_10>(words)
}

/// The first `SKIP` pairs of rounds are the same for all numbers.
#[target_feature(enable = "sha,sse4.1")]
fn scan<const SKIP: usize>(
    decade: &Decade,
    rest: &[Schedule],
    numbers: Range<usize>,
) -> Option<Candidates> {
    let k: [__m128i; 16] = std::array::from_fn(|i| load(&K, i));
    let base: [__m128i; 4] = std::array::from_fn(|i| load(&decade.words, i));
    let places = decade.places().map(|place| {
        let word = |i: usize| u32::from_le_bytes(*place[4 * i..].first_chunk().expect("a word"));
        set(word(0), word(1), word(2), word(3))
    });
    let start = lane(decade.before(2 * SKIP));
    let head = lane(decade.head);
    for first in numbers.step_by(N) {
        let mut m = [[_mm_setzero_si128(); 4]; N];
        let mut lanes = [start; N];
        for (m, &digits) in m.iter_mut().zip(&DIGITS[first..first + N]) {
            let digits = _mm_cvtsi32_si128(digits as i32);
            for i in 0..4 {
                m[i] = _mm_add_epi32(base[i], _mm_shuffle_epi8(digits, places[i]));
            }
        }
        for i in 0..4 {
            for (lane, m) in lanes.iter_mut().zip(&m) {
                let words = _mm_add_epi32(m[i], k[i]);
                if SKIP <= 2 * i {
                    two_rounds(lane, words);
                }
                if SKIP <= 2 * i + 1 {
                    two_rounds(lane, upper(words));
                }
            }
        }
        for sixteen in 1..4 {
            for i in 0..4 {
                for (lane, m) in lanes.iter_mut().zip(&mut m) {
                    let [w0, w4, w8, w12] = [m[i], m[(i + 1) % 4], m[(i + 2) % 4], m[(i + 3) % 4]];
                    let partial =
                        _mm_add_epi32(_mm_sha256msg1_epu32(w0, w4), _mm_alignr_epi8::<4>(w12, w8));
                    m[i] = _mm_sha256msg2_epu32(partial, w12);
                    let words = _mm_add_epi32(m[i], k[4 * sixteen + i]);
                    two_rounds(lane, words);
                    two_rounds(lane, upper(words));
                }
            }
        }
        let mut states = [head; N];
        for schedule in rest {
            end_block(&mut states, &mut lanes);
            for i in 0..16 {
                let words = load(schedule, i);
                for lane in &mut lanes {
                    two_rounds(lane, words);
                    two_rounds(lane, upper(words));
                }
            }
        }
        let mut found = 0;
        for (i, (lane, state)) in lanes.iter().zip(&states).enumerate() {
            let sum = _mm_add_epi32(lane.abef, state.abef);
            let word = _mm_extract_epi32::<3>(sum) as u32;
            found |= u32::from(word <= decade.most) << i;
        }
        if found != 0 {
            let lanes = (0..N).filter(|lane| found >> lane & 1 == 1);
            let numbers = lanes.map(|lane| first + lane).collect();
            return Some(Candidates { numbers, next: first + N });
        }
    }
    None
}

/// Adds the working variables to the states, from which the next block's rounds go on.
#[target_feature(enable = "sha,sse4.1")]
fn end_block(states: &mut [Lane; N], lanes: &mut [Lane; N]) {
    for (state, lane) in states.iter_mut().zip(lanes) {
        state.abef = _mm_add_epi32(state.abef, lane.abef);
        state.cdgh = _mm_add_epi32(state.cdgh, lane.cdgh);
        *lane = *state;
    }
}
