//! Eight messages at a time, one in each 32-bit lane of the 256-bit registers.
//!
//! The words 16 to 31 of the schedule depend mostly on words that are the same in all lanes. Of
//! those parts sums are made once a decade, so that a σ0 and an addition less are left for nearly
//! each of them. Rounds before the first word that differs are left out.
//!
//! # What it compiles to
//!
//! About 3,500 instructions per 8 messages: 45 for each of the rounds below 16, a loop; 770 for the
//! rounds 16 to 31; 994 for 16 of the others, a loop that is passed twice and that the cache of
//! decoded instructions holds. The eight working variables stay in registers. Of the 38 stores to
//! the stack in that loop 16 are the schedule, which 16 registers cannot hold as well, and some 20
//! are spilled intermediate values. The schedule first and then the rounds spills nothing and is
//! slower by a fifth: instructions of schedule and rounds that are mixed fill each other's waits.
//! Loops of eight rounds were slower, too, and spilled all the same. Additions that LLVM cannot reassociate changed nothing.
//!
//! ```text
//! cargo build --release -p blocksmith-miner --example rate
//! objdump -dC --no-show-raw-insn --disassemble=blocksmith_miner::search::avx2::scan \
//!     target/release/examples/rate
//! ```
//!
//! On a Zen 3 that is 120 to 125 cycles per message. `sha2` takes 780 without the instructions for
//! SHA-256, and 103 with them; then [`sha_ni`](super::sha_ni) is there as well.

use std::arch::x86_64::*;
use std::ops::Range;

use super::lanes::{Candidates, DIGITS, Decade, Lanes};
use super::rounds::{K, Schedule};

/// Proof that the processor has the instructions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx2(());

impl Avx2 {
    pub(super) fn new() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

/// Messages at a time.
const N: usize = 8;

impl Lanes for Avx2 {
    const LANES: usize = N;

    fn scan(
        &self,
        decade: &Decade,
        rest: &[Schedule],
        numbers: Range<usize>,
    ) -> Option<Candidates> {
        // SAFETY: an Avx2 exists, so Avx2::new has seen that the processor has what `scan` needs.
        unsafe { scan(decade, rest, numbers) }
    }
}

/// The same word in all lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn splat(word: u32) -> __m256i {
    _mm256_set1_epi32(word as i32)
}

#[inline]
#[target_feature(enable = "avx2")]
fn add(x: __m256i, y: __m256i) -> __m256i {
    _mm256_add_epi32(x, y)
}

#[inline]
#[target_feature(enable = "avx2")]
fn xor(x: __m256i, y: __m256i) -> __m256i {
    _mm256_xor_si256(x, y)
}

/// The exclusive or of three rotations to the right, `R`, and `32 - R` to the left, each.
macro_rules! rotations {
    ($x:expr, $r0:literal, $r1:literal, $r2:literal) => {{
        let x = $x;
        let right = xor(
            xor(_mm256_srli_epi32::<$r0>(x), _mm256_srli_epi32::<$r1>(x)),
            _mm256_srli_epi32::<$r2>(x),
        );
        let left = xor(
            xor(_mm256_slli_epi32::<{ 32 - $r0 }>(x), _mm256_slli_epi32::<{ 32 - $r1 }>(x)),
            _mm256_slli_epi32::<{ 32 - $r2 }>(x),
        );
        xor(left, right)
    }};
}

/// As [`rotations`], the last of the three a shift.
macro_rules! rotations_and_shift {
    ($x:expr, $r0:literal, $r1:literal, $shift:literal) => {{
        let x = $x;
        let right = xor(
            xor(_mm256_srli_epi32::<$r0>(x), _mm256_srli_epi32::<$r1>(x)),
            _mm256_srli_epi32::<$shift>(x),
        );
        let left = xor(_mm256_slli_epi32::<{ 32 - $r0 }>(x), _mm256_slli_epi32::<{ 32 - $r1 }>(x));
        xor(left, right)
    }};
}

#[inline]
#[target_feature(enable = "avx2")]
fn small_sigma_0(x: __m256i) -> __m256i {
    rotations_and_shift!(x, 7, 18, 3)
}

#[inline]
#[target_feature(enable = "avx2")]
fn small_sigma_1(x: __m256i) -> __m256i {
    rotations_and_shift!(x, 17, 19, 10)
}

/// The eight working variables, rotated by one in each round.
macro_rules! round {
    ($a:ident $b:ident $c:ident $d:ident $e:ident $f:ident $g:ident $h:ident, $added:expr) => {{
        let choice = xor(_mm256_and_si256(xor($f, $g), $e), $g);
        let t1 = add(add(add($h, $added), choice), rotations!($e, 6, 11, 25));
        let majority = xor(_mm256_and_si256(xor($a, $b), xor($b, $c)), $b);
        $d = add($d, t1);
        $h = add(add(t1, majority), rotations!($a, 2, 13, 22));
    }};
}

/// Eight rounds, after which the variables are where they were; `$added` is a macro.
macro_rules! eight_rounds {
    ($s:ident, $at:expr, $added:ident) => {{
        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = $s;
        round!(a b c d e f g h, $added!($at));
        round!(h a b c d e f g, $added!($at + 1));
        round!(g h a b c d e f, $added!($at + 2));
        round!(f g h a b c d e, $added!($at + 3));
        round!(e f g h a b c d, $added!($at + 4));
        round!(d e f g h a b c, $added!($at + 5));
        round!(c d e f g h a b, $added!($at + 6));
        round!(b c d e f g h a, $added!($at + 7));
        $s = [a, b, c, d, e, f, g, h];
    }};
}

#[target_feature(enable = "avx2")]
fn scan(decade: &Decade, rest: &[Schedule], numbers: Range<usize>) -> Option<Candidates> {
    let first_rounds = decade.first_rounds();
    let same = decade.same_of_16_to_31();
    let mut added = first_rounds.map(|word| splat(word));
    let mut early = same.map(|word| splat(word));
    let start = decade.before(decade.first).map(|word| splat(word));
    let head = decade.head.map(|word| splat(word));
    let most = splat(decade.most);
    let shift = _mm_cvtsi32_si128(decade.shift as i32);
    let back = _mm_cvtsi32_si128(32 - decade.shift as i32);
    for number in numbers.step_by(N) {
        let digits = DIGITS[number..].first_chunk().expect("a table that is longer than a decade");
        let digits = load(digits);
        // What the words that differ add.
        for t in decade.first..=decade.last {
            for i in [0, 1, 9, 14].into_iter().filter_map(|back| t.checked_sub(back)) {
                early[i] = splat(same[i]);
            }
        }
        for t in decade.first..=decade.last {
            let digits = match t == decade.last {
                true => _mm256_sll_epi32(digits, shift),
                false => _mm256_srl_epi32(digits, back),
            };
            let word = add(splat(decade.words[t]), digits);
            added[t] = add(splat(first_rounds[t]), digits);
            early[t] = add(early[t], digits);
            if t >= 1 {
                early[t - 1] = add(early[t - 1], small_sigma_0(word));
            }
            if t >= 9 {
                early[t - 9] = add(early[t - 9], digits);
            }
            if t >= 14 {
                early[t - 14] = add(early[t - 14], small_sigma_1(word));
            }
        }

        let [mut a, mut b, mut c, mut d, mut e, mut f, mut g, mut h] = start;
        for &added in &added[decade.first..] {
            round!(a b c d e f g h, added);
            (a, b, c, d, e, f, g, h) = (h, a, b, c, d, e, f, g);
        }
        let mut s = [a, b, c, d, e, f, g, h];
        let mut w = [_mm256_setzero_si256(); 16];
        macro_rules! expand_early {
            ($i:expr) => {{
                const I: usize = $i;
                let mut word = early[I];
                if I >= 2 {
                    word = add(word, small_sigma_1(w[(I + 14) % 16]));
                }
                if I >= 7 {
                    word = add(word, w[(I + 9) % 16]);
                }
                if I == 15 {
                    word = add(word, small_sigma_0(w[0]));
                }
                w[I] = word;
                add(word, splat(K[16 + I]))
            }};
        }
        eight_rounds!(s, 0, expand_early);
        eight_rounds!(s, 8, expand_early);
        for k in [K[32..].first_chunk::<16>().expect("16"), K[48..].first_chunk().expect("16")] {
            macro_rules! expand {
                ($i:expr) => {{
                    const I: usize = $i;
                    let word = add(
                        add(w[I], w[(I + 9) % 16]),
                        add(small_sigma_0(w[(I + 1) % 16]), small_sigma_1(w[(I + 14) % 16])),
                    );
                    w[I] = word;
                    add(word, splat(k[I]))
                }};
            }
            eight_rounds!(s, 0, expand);
            eight_rounds!(s, 8, expand);
        }
        let mut word = add(s[0], head[0]);
        if !rest.is_empty() {
            word = add_rest(s, head, rest);
        }
        let passed = _mm256_cmpeq_epi32(_mm256_min_epu32(word, most), word);
        let lanes = _mm256_movemask_ps(_mm256_castsi256_ps(passed)) as u32;
        if lanes != 0 {
            return Some(Candidates { first: number, lanes });
        }
    }
    None
}

/// The first word after the blocks behind the digits, from the working variables before them.
#[target_feature(enable = "avx2")]
fn add_rest(mut s: [__m256i; 8], head: [__m256i; 8], rest: &[Schedule]) -> __m256i {
    let mut state = head;
    for schedule in rest {
        for (word, s) in state.iter_mut().zip(s) {
            *word = add(*word, s);
        }
        s = state;
        let (eights, _) = schedule.as_chunks::<8>();
        for eight in eights {
            macro_rules! added {
                ($i:expr) => {
                    splat(eight[$i])
                };
            }
            eight_rounds!(s, 0, added);
        }
    }
    add(state[0], s[0])
}

#[inline]
#[target_feature(enable = "avx2")]
fn load(words: &[u32; 8]) -> __m256i {
    // SAFETY: the reference covers the 32 bytes that are read, and loadu asks for no alignment.
    unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
}
