//! Two times sixteen messages at a time, one in each 32-bit lane of the 512-bit registers.
//!
//! # What it compiles to
//!
//! Per 16 messages 1,475 operations of the vector units, in 1,890 instructions; the others are
//! loads, stores and copies of registers, which wait for other ports or none. With both streams:
//! 52 instructions for each round below 16, a loop; 970 for the rounds 16 to 31 and around them;
//! 1,064 for 16 of the others, a loop that is passed twice. In that loop are 896 operations, 28 for
//! each round and stream: 10 for Σ, Ch and Maj, 8 for σ, 10 additions. The sixteen working variables
//! stay in registers, and nothing is spilled but one value: of the 33 stores to the stack 32 are the
//! schedule, which lives there.
//!
//! ```text
//! cargo build --release -p blocksmith
//! objdump -dC --no-show-raw-insn --disassemble=blocksmith_miner::search::avx512::scan \
//!     target/release/blocksmith
//! ```
//!
//! `llvm-mca` 19 has that loop at 443 cycles on a Zen 4 and at 389 to 449 on Intel's. The four vector
//! units of a Zen 4, which take two cycles for 512 bits, need 448 for its operations by themselves: it
//! waits for them alone. With each σ and Σ as four instructions that LLVM may move it was 464, with 40
//! spilled values.
//!
//! # Where it ran
//!
//! On a Zen 5, and in Bochs 3.0 as a Cannon Lake with a Linux of its own: hit sets of 100,000,000
//! digests are those of `sha2` on both. How fast it is on the former stands in `BENCHMARKS.md`.

use std::arch::asm;
use std::arch::x86_64::*;
use std::ops::Range;

use super::lanes::{Candidates, Decade, Lanes};
use super::rounds::Schedule;
use super::vectors::{self, Vectors};

/// Proof that the processor has the instructions.
#[derive(Debug, Clone, Copy)]
pub(super) struct Avx512(());

impl Avx512 {
    pub(super) fn new() -> Option<Self> {
        is_x86_feature_detected!("avx512f").then_some(Self(()))
    }
}

/// A round waits for the one before it. With one stream a processor that begins four operations in
/// a cycle and ends each in two would wait a third of its time.
const STREAMS: usize = 2;

impl Lanes for Avx512 {
    const MAX_LOW: usize = 5;
    const MIN_LOW: usize = 2;

    fn scan(
        &self,
        decade: &Decade,
        rest: &[Schedule],
        numbers: Range<usize>,
    ) -> Option<Candidates> {
        // SAFETY: an Avx512 exists, so Avx512::new has seen that the processor has what `scan`
        // needs.
        unsafe { scan(*self, decade, rest, numbers) }
    }
}

#[target_feature(enable = "avx512f")]
fn scan(
    avx512: Avx512,
    decade: &Decade,
    rest: &[Schedule],
    numbers: Range<usize>,
) -> Option<Candidates> {
    vectors::scan::<_, STREAMS>(avx512, decade, rest, numbers)
}

/// The exclusive or of three, as the truth table that the instruction takes.
const XOR: i32 = 0b1001_0110;

/// The second where the first has a one, else the third.
const CHOICE: i32 = 0b1100_1010;

/// What at least two of three are.
const MAJORITY: i32 = 0b1110_1000;

// Functions of the instruction set's own, so that they are inlined where it is enabled.

/// An addition that LLVM can't see through. Those that it sees it puts in another order, with
/// longer chains of operations that wait for one another.
#[inline]
#[target_feature(enable = "avx512f")]
fn add(x: __m512i, y: __m512i) -> __m512i {
    let sum;
    // SAFETY: the instruction is one of AVX-512F, which the function's target feature stands for,
    // and touches nothing but its three registers.
    unsafe {
        asm!(
            "vpaddd {sum}, {x}, {y}",
            sum = lateout(zmm_reg) sum,
            x = in(zmm_reg) x,
            y = in(zmm_reg) y,
            options(pure, nomem, nostack, preserves_flags)
        );
    }
    sum
}

/// The exclusive or of two rotations to the right and a third one, or a shift, as one piece: taken
/// apart, LLVM makes the pieces early and then has no registers for them.
macro_rules! sigma {
    ($x:expr, $r0:literal, $r1:literal, $last:literal, $r2:literal) => {{
        let x: __m512i = $x;
        let sigma: __m512i;
        // SAFETY: the instructions are those of AVX-512F, which the function's target feature
        // stands for, and touch nothing but the registers that they are given.
        unsafe {
            asm!(
                concat!("vprord {t0}, {x}, ", $r0),
                concat!("vprord {t1}, {x}, ", $r1),
                concat!($last, " {sigma}, {x}, ", $r2),
                "vpternlogd {sigma}, {t0}, {t1}, {xor}",
                x = in(zmm_reg) x,
                t0 = out(zmm_reg) _,
                t1 = out(zmm_reg) _,
                sigma = out(zmm_reg) sigma,
                xor = const XOR,
                options(pure, nomem, nostack, preserves_flags)
            );
        }
        sigma
    }};
}

#[inline]
#[target_feature(enable = "avx512f")]
fn small_sigma_0(x: __m512i) -> __m512i {
    sigma!(x, "7", "18", "vpsrld", "3")
}

#[inline]
#[target_feature(enable = "avx512f")]
fn small_sigma_1(x: __m512i) -> __m512i {
    sigma!(x, "17", "19", "vpsrld", "10")
}

#[inline]
#[target_feature(enable = "avx512f")]
fn big_sigma_0(x: __m512i) -> __m512i {
    sigma!(x, "2", "13", "vprord", "22")
}

#[inline]
#[target_feature(enable = "avx512f")]
fn big_sigma_1(x: __m512i) -> __m512i {
    sigma!(x, "6", "11", "vprord", "25")
}

impl Vectors for Avx512 {
    type Vector = __m512i;

    const LANES: usize = 16;

    #[inline(always)]
    fn splat(self, word: u32) -> __m512i {
        // SAFETY: an Avx512 exists, so the processor has the instructions; below as well.
        unsafe { _mm512_set1_epi32(word as i32) }
    }

    #[inline(always)]
    fn load(self, words: &[u32]) -> __m512i {
        let words: &[u32; 16] = words.first_chunk().expect("sixteen words");
        // SAFETY: as above; the reference covers the 64 bytes that are read, and loadu asks for no
        // alignment.
        unsafe { _mm512_loadu_si512(words.as_ptr().cast()) }
    }

    #[inline(always)]
    fn add(self, x: __m512i, y: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { add(x, y) }
    }

    #[inline(always)]
    fn shift_left(self, x: __m512i, bits: u32) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_sll_epi32(x, _mm_cvtsi32_si128(bits as i32)) }
    }

    #[inline(always)]
    fn shift_right(self, x: __m512i, bits: u32) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_srl_epi32(x, _mm_cvtsi32_si128(bits as i32)) }
    }

    #[inline(always)]
    fn small_sigma_0(self, x: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { small_sigma_0(x) }
    }

    #[inline(always)]
    fn small_sigma_1(self, x: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { small_sigma_1(x) }
    }

    #[inline(always)]
    fn big_sigma_0(self, x: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { big_sigma_0(x) }
    }

    #[inline(always)]
    fn big_sigma_1(self, x: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { big_sigma_1(x) }
    }

    #[inline(always)]
    fn choice(self, x: __m512i, y: __m512i, z: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_ternarylogic_epi32::<CHOICE>(x, y, z) }
    }

    #[inline(always)]
    fn majority(self, x: __m512i, y: __m512i, z: __m512i) -> __m512i {
        // SAFETY: as above.
        unsafe { _mm512_ternarylogic_epi32::<MAJORITY>(x, y, z) }
    }

    #[inline(always)]
    fn at_most(self, x: __m512i, y: __m512i) -> u32 {
        // SAFETY: as above.
        unsafe { u32::from(_mm512_cmple_epu32_mask(x, y)) }
    }
}
