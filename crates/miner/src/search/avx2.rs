//! Eight messages at a time, one in each 32-bit lane of the 256-bit registers.
//!
//! # What it compiles to
//!
//! About 3,400 instructions per 8 messages: 46 for each round below 16, a loop; 850 for the rounds
//! 16 to 31 and around them; 973 for 16 of the others, a loop that is passed twice and that the
//! cache of decoded instructions holds. The eight working variables stay in registers. Of the 21
//! stores to the stack in that loop 16 are the schedule, which 16 registers cannot hold as well, and
//! five are spilled intermediate values. Additions that LLVM cannot reassociate, which gain so much
//! in [`avx512`](super::avx512), changed nothing here.
//!
//! ```text
//! cargo build --release -p blocksmith
//! objdump -dC --no-show-raw-insn --disassemble=blocksmith_miner::search::avx2::scan \
//!     target/release/blocksmith
//! ```
//!
//! On a Zen 3 that is some 120 cycles per message. `sha2` takes 780 without the instructions for
//! SHA-256, and 103 with them; then [`sha_ni`](super::sha_ni) is there as well.

use std::arch::x86_64::*;
use std::ops::Range;

use super::lanes::{Candidates, Decade, Lanes};
use super::rounds::Schedule;
use super::vectors::{self, Vectors};

/// Proof that the processor has the instructions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx2(());

impl Avx2 {
    pub(super) fn new() -> Option<Self> {
        is_x86_feature_detected!("avx2").then_some(Self(()))
    }
}

impl Lanes for Avx2 {
    const MAX_LOW: usize = 5;
    const MIN_LOW: usize = 2;

    fn scan(
        &self,
        decade: &Decade,
        rest: &[Schedule],
        numbers: Range<usize>,
    ) -> Option<Candidates> {
        // SAFETY: an Avx2 exists, so Avx2::new has seen that the processor has what `scan` needs.
        unsafe { scan(*self, decade, rest, numbers) }
    }
}

#[target_feature(enable = "avx2")]
fn scan(
    avx2: Avx2,
    decade: &Decade,
    rest: &[Schedule],
    numbers: Range<usize>,
) -> Option<Candidates> {
    vectors::scan::<_, 1>(avx2, decade, rest, numbers)
}

/// The exclusive or of three.
#[inline]
#[target_feature(enable = "avx2")]
fn xor(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
    _mm256_xor_si256(_mm256_xor_si256(x, y), z)
}

/// The exclusive or of three rotations to the right, `R`, and `32 - R` to the left, each.
macro_rules! rotations {
    ($x:expr, $r0:literal, $r1:literal, $r2:literal) => {{
        let x = $x;
        let right = xor(
            _mm256_srli_epi32::<$r0>(x),
            _mm256_srli_epi32::<$r1>(x),
            _mm256_srli_epi32::<$r2>(x),
        );
        let left = xor(
            _mm256_slli_epi32::<{ 32 - $r0 }>(x),
            _mm256_slli_epi32::<{ 32 - $r1 }>(x),
            _mm256_slli_epi32::<{ 32 - $r2 }>(x),
        );
        _mm256_xor_si256(left, right)
    }};
}

/// As [`rotations`], the last of the three a shift.
macro_rules! rotations_and_shift {
    ($x:expr, $r0:literal, $r1:literal, $shift:literal) => {{
        let x = $x;
        let right = xor(
            _mm256_srli_epi32::<$r0>(x),
            _mm256_srli_epi32::<$r1>(x),
            _mm256_srli_epi32::<$shift>(x),
        );
        xor(right, _mm256_slli_epi32::<{ 32 - $r0 }>(x), _mm256_slli_epi32::<{ 32 - $r1 }>(x))
    }};
}

// Functions of the instruction set's own, so that they are inlined where it is enabled.

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

#[inline]
#[target_feature(enable = "avx2")]
fn big_sigma_0(x: __m256i) -> __m256i {
    rotations!(x, 2, 13, 22)
}

#[inline]
#[target_feature(enable = "avx2")]
fn big_sigma_1(x: __m256i) -> __m256i {
    rotations!(x, 6, 11, 25)
}

#[inline]
#[target_feature(enable = "avx2")]
fn choice(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
    _mm256_xor_si256(_mm256_and_si256(_mm256_xor_si256(y, z), x), z)
}

#[inline]
#[target_feature(enable = "avx2")]
fn majority(x: __m256i, y: __m256i, z: __m256i) -> __m256i {
    let differ = _mm256_and_si256(_mm256_xor_si256(x, y), _mm256_xor_si256(y, z));
    _mm256_xor_si256(differ, y)
}

#[inline]
#[target_feature(enable = "avx2")]
fn at_most(x: __m256i, y: __m256i) -> u32 {
    let at_most = _mm256_cmpeq_epi32(_mm256_min_epu32(x, y), x);
    _mm256_movemask_ps(_mm256_castsi256_ps(at_most)) as u32
}

impl Vectors for Avx2 {
    type Vector = __m256i;

    const LANES: usize = 8;

    #[inline(always)]
    fn splat(self, word: u32) -> __m256i {
        // SAFETY: an Avx2 exists, so the processor has the instructions; below as well.
        unsafe { _mm256_set1_epi32(word as i32) }
    }

    #[inline(always)]
    fn load(self, words: &[u32]) -> __m256i {
        let words: &[u32; 8] = words.first_chunk().expect("eight words");
        // SAFETY: as above; the reference covers the 32 bytes that are read, and loadu asks for no
        // alignment.
        unsafe { _mm256_loadu_si256(words.as_ptr().cast()) }
    }

    #[inline(always)]
    fn add(self, x: __m256i, y: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_add_epi32(x, y) }
    }

    #[inline(always)]
    fn shift_left(self, x: __m256i, bits: u32) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_sll_epi32(x, _mm_cvtsi32_si128(bits as i32)) }
    }

    #[inline(always)]
    fn shift_right(self, x: __m256i, bits: u32) -> __m256i {
        // SAFETY: as above.
        unsafe { _mm256_srl_epi32(x, _mm_cvtsi32_si128(bits as i32)) }
    }

    #[inline(always)]
    fn small_sigma_0(self, x: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { small_sigma_0(x) }
    }

    #[inline(always)]
    fn small_sigma_1(self, x: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { small_sigma_1(x) }
    }

    #[inline(always)]
    fn big_sigma_0(self, x: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { big_sigma_0(x) }
    }

    #[inline(always)]
    fn big_sigma_1(self, x: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { big_sigma_1(x) }
    }

    #[inline(always)]
    fn choice(self, x: __m256i, y: __m256i, z: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { choice(x, y, z) }
    }

    #[inline(always)]
    fn majority(self, x: __m256i, y: __m256i, z: __m256i) -> __m256i {
        // SAFETY: as above.
        unsafe { majority(x, y, z) }
    }

    #[inline(always)]
    fn at_most(self, x: __m256i, y: __m256i) -> u32 {
        // SAFETY: as above.
        unsafe { at_most(x, y) }
    }
}
