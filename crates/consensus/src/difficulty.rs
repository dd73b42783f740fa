//! The rules for how small the digest of the next proof must be: a fixed target, Bitcoin's epochs,
//! or a schedule that every block moves (ASERT).
//!
//! The past that a rule needs is a [`DifficultyState`] of 56 bytes, carried from block to block, so
//! that no node has to walk back to an ancestor. It holds a clock that sums the gaps between
//! blocks:
//!
//! - The clock starts with the first mined block. The gap between the genesis block and that one
//!   doesn't count, so that a network may start long after its genesis block was written.
//! - A block's timestamp is never below its parent's; other rules see to that. Should it be below
//!   all the same, it counts here as the parent's.
//! - Every gap is therefore counted exactly once, and the clock never shows more than the time
//!   between the first mined block and the newest timestamp.
//!
//! **Why timewarp does not work.** In Bitcoin, the time from the last block of an epoch to the
//! first of the next is measured by neither, and timestamps may go back: a majority puts the last
//! block of each epoch far into the future and the first of the next back into the past, so that
//! the same hours are counted again and again and the target rises without end. Here no gap lies
//! between two epochs, and nothing goes back: time that is moved into the future is missing in the
//! next epoch. Holding timestamps back and catching up later leaves the clock where it would have
//! been, or, under a gap limit, behind. The clock is ahead of the true time only by as much as
//! nodes tolerate in a timestamp.

use alloc::format;
use alloc::string::String;

use ethnum::U256;

use crate::job::Target;

/// The rule for how small the digest of a proof must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Difficulty {
    /// The same for every block.
    Fixed(Target),
    /// Bitcoin's rule, measured over all intervals: after every `blocks` intervals, the target is
    /// multiplied by the time that they took and divided by the time that they should have taken,
    /// `blocks` · `spacing_s`. (Bitcoin measures 2015 of 2016 intervals, which lets in timewarp.)
    ///
    /// The first interval is the one from the first mined block to the second. For epochs of three
    /// intervals, after a genesis block with target A:
    ///
    /// | block                   | 1 | 2 | 3 | 4 | 5 | 6 | 7 | 8 | 9 | 10 | 11 | 12 |
    /// |-------------------------|---|---|---|---|---|---|---|---|---|----|----|----|
    /// | epoch of the gap before it | – | – | 1 | 1 | 1 | 2 | 2 | 2 | 3 | 3 | 3 | 4 |
    /// | target                  | A | A | A | A | A | B | B | B | C | C  | C  | D  |
    ///
    /// B is A · (time of block 5 − time of block 2) / (3 · `spacing_s`), and C is B · (time of
    /// block 8 − time of block 5) / (3 · `spacing_s`), rounded down.
    Epoch {
        /// Intervals in an epoch; 0 counts as 1.
        blocks: u64,
        /// The time that a block should take, in seconds. That of an epoch counts as at least 1
        /// and at most 2^64 - 1.
        spacing_s: u64,
        /// An epoch counts as at most this many times longer or shorter than it should have been;
        /// 0 counts as 1.
        clamp: u32,
        /// No target is above this one.
        easiest: Target,
    },
    /// Each block moves the target: it halves when the chain is one half-life ahead of its
    /// schedule, and doubles when it is one behind. Block 1 is the genesis block, and blocks 2 and 3
    /// have its target; the target of block n is that of the genesis block times
    /// 2^((sum of min(gap, `longest_gap_s`) over blocks 3…n-1, minus `spacing_s` · (n-3)) /
    /// `half_life_s`), as [`Asert`] reckons it.
    ///
    /// With the gap limit, a night without a miner counts as `longest_gap_s`, and the morning
    /// starts with about the difficulty that the evening ended with, where the bare schedule would
    /// give all blocks of the night away at once. (A gap counts once a block ends it: the first
    /// block of the morning is as hard as the next one of the evening would have been.)
    ///
    /// The cost of the limit: it is per block, so a miner who walks a long gap in small steps, each
    /// block `longest_gap_s` after the last, gets the schedule that the gap would have given, and
    /// so the blocks that the bare rule would have given away. It is never more than that, since a
    /// step can't lead beyond the present. Choose the limit well above the spacing: at or below it,
    /// no gap could make the target rise.
    Asert {
        /// The time that a block should take, in seconds.
        spacing_s: u64,
        /// Ahead of or behind the schedule by this, in seconds, the target halves or doubles; 0
        /// counts as 1.
        half_life_s: u64,
        /// No target is above this one.
        easiest: Target,
        /// A longer gap between two blocks counts as this, in seconds.
        longest_gap_s: u64,
    },
}

/// The part of a chain's past that decides the next target: the chain's clock at one of its blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DifficultyState {
    height: u64,
    timestamp_s: u64,
    elapsed_s: u64,
    target: Target,
}

impl DifficultyState {
    /// The bytes of [`DifficultyState::to_bytes`].
    pub const BYTES: usize = 56;

    /// The difficulty state of a genesis block.
    pub fn genesis(target: Target, timestamp_s: u64) -> Self {
        Self { height: 0, timestamp_s, elapsed_s: 0, target }
    }

    /// The number of blocks after the genesis block: the index less 1 where that has the index 1.
    pub fn height(&self) -> u64 {
        self.height
    }

    /// The block's timestamp, or the latest before it, in seconds since the epoch of Unix.
    pub fn timestamp_s(&self) -> u64 {
        self.timestamp_s
    }

    /// The time that the clock shows, in seconds. Under [`Difficulty::Asert`] the sum of the gaps
    /// since the first mined block, each up to the limit; under [`Difficulty::Epoch`] the sum of
    /// the gaps of the block's epoch up to the block; 0 under [`Difficulty::Fixed`].
    pub fn elapsed_s(&self) -> u64 {
        self.elapsed_s
    }

    /// The block's own target.
    pub fn target(&self) -> Target {
        self.target
    }

    /// Height, timestamp and clock with 8 bytes each, then the target with 32, most significant
    /// byte first.
    pub fn to_bytes(&self) -> [u8; Self::BYTES] {
        let mut bytes = [0; Self::BYTES];
        bytes[..8].copy_from_slice(&self.height.to_be_bytes());
        bytes[8..16].copy_from_slice(&self.timestamp_s.to_be_bytes());
        bytes[16..24].copy_from_slice(&self.elapsed_s.to_be_bytes());
        bytes[24..].copy_from_slice(&self.target.to_be_bytes());
        bytes
    }

    /// The difficulty state that [`DifficultyState::to_bytes`] wrote. Any bytes give one; the store
    /// makes sure that they are those that were written.
    pub fn from_bytes(bytes: &[u8; Self::BYTES]) -> Self {
        let number = |at: usize| u64::from_be_bytes(bytes[at..at + 8].try_into().expect("8 bytes"));
        let target = U256::from_be_bytes(bytes[24..].try_into().expect("32 bytes"));
        Self {
            height: number(0),
            timestamp_s: number(8),
            elapsed_s: number(16),
            target: Target(target),
        }
    }
}

impl Difficulty {
    /// The target of the block after the one with this difficulty state, on a chain whose genesis block has
    /// the target `genesis`. Under [`Difficulty::Epoch`] and [`Difficulty::Asert`], never zero
    /// and, the genesis block's own aside, never above `easiest`.
    pub fn target_after(&self, genesis: Target, difficulty_state: &DifficultyState) -> Target {
        match *self {
            Self::Fixed(target) => target,
            Self::Epoch { blocks, spacing_s, clamp, easiest } => {
                let Target(mut target) = difficulty_state.target;
                if ends_epoch(difficulty_state.height, blocks) {
                    let (expected, clamp) =
                        (blocks.saturating_mul(spacing_s).max(1), u64::from(clamp).max(1));
                    let took = difficulty_state
                        .elapsed_s
                        .clamp(expected / clamp, expected.saturating_mul(clamp));
                    target = mul_div(target, took, expected).unwrap_or(U256::MAX);
                }
                within(target, easiest)
            }
            Self::Asert { spacing_s, half_life_s, easiest, .. } => {
                Asert { spacing_s, half_life_s, easiest, rounding: Rounding::None }.target(
                    genesis,
                    i128::from(difficulty_state.elapsed_s),
                    difficulty_state.height.saturating_sub(1),
                )
            }
        }
    }

    /// The difficulty state of a block at `timestamp_s` on the one with the difficulty state `parent`, on a chain whose
    /// genesis block has the target `genesis`. A timestamp below the parent's counts as the
    /// parent's.
    pub fn difficulty_state_after(
        &self,
        genesis: Target,
        parent: &DifficultyState,
        timestamp_s: u64,
    ) -> DifficultyState {
        let timestamp_s = timestamp_s.max(parent.timestamp_s);
        let gap_s = timestamp_s - parent.timestamp_s;
        let elapsed_s = match *self {
            Self::Fixed(_) => 0,
            _ if parent.height == 0 => 0,
            Self::Epoch { blocks, .. } if ends_epoch(parent.height, blocks) => gap_s,
            Self::Epoch { .. } => parent.elapsed_s.saturating_add(gap_s),
            Self::Asert { longest_gap_s, .. } => {
                parent.elapsed_s.saturating_add(gap_s.min(longest_gap_s))
            }
        };
        let target = self.target_after(genesis, parent);
        DifficultyState { height: parent.height.saturating_add(1), timestamp_s, elapsed_s, target }
    }

    /// Canonical JSON, as a chain's id covers it.
    pub fn json(&self) -> String {
        match self {
            Self::Fixed(target) => format!(r#"{{"fixed": "{target}"}}"#),
            Self::Epoch { blocks, spacing_s, clamp, easiest } => format!(
                r#"{{"epoch": {{"blocks": {blocks}, "clamp": {clamp}, "easiest": "{easiest}", "spacing_s": {spacing_s}}}}}"#
            ),
            Self::Asert { spacing_s, half_life_s, easiest, longest_gap_s } => format!(
                r#"{{"asert": {{"easiest": "{easiest}", "half_life_s": {half_life_s}, "longest_gap_s": {longest_gap_s}, "spacing_s": {spacing_s}}}}}"#
            ),
        }
    }
}

/// Whether the block at this height is the last one of an epoch: the first mined block has the
/// height 1, and the first interval ends in the height 2.
fn ends_epoch(height: u64, blocks: u64) -> bool {
    height > 1 && (height - 1).is_multiple_of(blocks.max(1))
}

/// The parameters of aserti3-2d, "absolutely scheduled exponentially rising targets": the target
/// follows from an anchor and from how far the chain is ahead of its schedule, whatever happened in
/// between. As the specification of Bitcoin Cash has it (CHIP 2020-11-15-asert), for any spacing
/// and half-life, for targets of all 256 bits, and exactly for any time and number of blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Asert {
    /// The time that a block should take, in seconds.
    pub spacing_s: u64,
    /// Ahead of or behind the schedule by this, in seconds, the target halves or doubles; 0 counts
    /// as 1.
    pub half_life_s: u64,
    /// No target is above this one.
    pub easiest: Target,
    /// How the target is rounded in the end.
    pub rounding: Rounding,
}

/// How many of the 256 bits of a target are kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rounding {
    /// All of them.
    None,
    /// The bits that Bitcoin's compact form holds, [`Target::to_compact`]: 15 to 23 bits.
    Compact,
}

impl Asert {
    /// anchor · 2^((`elapsed_s` − spacing · `blocks`) / half-life), rounded down, at least 1 and at
    /// most `easiest`. `blocks` is the number of intervals that the schedule covers, and
    /// `elapsed_s` the seconds that they took, which may be negative.
    ///
    /// The exponent is a fixed-point number with 16 bits behind the point, rounded towards zero;
    /// its whole part is the floor. The power of its fraction is a cubic that is off by less than
    /// 0.013 %. One half-life later, the target is therefore exactly half, as long as both are on
    /// the same side of the schedule; across it, the exponent can be off by one 65536th.
    pub fn target(&self, anchor: Target, elapsed_s: i128, blocks: u64) -> Target {
        // Where these saturate, the exponent is beyond 2^46 and the target at an end anyhow.
        let planned_s = i128::from(self.spacing_s).saturating_mul(i128::from(blocks));
        let behind_s = elapsed_s.saturating_sub(planned_s);
        let exponent = behind_s.saturating_mul(1 << 16) / i128::from(self.half_life_s.max(1));
        let (shift, fraction) = (exponent >> 16, (exponent & 0xffff) as u64);
        // Below 2^64 for every fraction: 18,446,563,080,438,344,768 for the largest.
        let cubic = 195_766_423_245_049 * fraction
            + 971_821_376 * fraction * fraction
            + 5_127 * fraction * fraction * fraction
            + (1 << 47);
        let factor = (1 << 16) + (cubic >> 48);

        let Target(anchor) = anchor;
        let target = if shift >= 0 {
            let shift = u32::try_from(shift).unwrap_or(u32::MAX);
            if anchor.leading_zeros() >= shift {
                let shifted = anchor.checked_shl(shift).unwrap_or(U256::ZERO);
                mul_div(shifted, factor, 1 << 16).unwrap_or(U256::MAX)
            } else {
                U256::MAX
            }
        } else {
            // The factor is below 2; halved first, the product fits.
            let half = mul_div(anchor, factor, 1 << 17).expect("a factor below 1");
            let shift = u32::try_from(-(shift + 1)).unwrap_or(u32::MAX);
            half.checked_shr(shift).unwrap_or(U256::ZERO)
        };
        let target = within(target, self.easiest);
        match self.rounding {
            Rounding::None => target,
            Rounding::Compact => {
                Target::from_compact(target.to_compact()).expect("a compact form that we wrote")
            }
        }
    }
}

/// The target, at least 1 and at most `easiest`; 1 if that is zero.
fn within(target: U256, easiest: Target) -> Target {
    Target(target.min(easiest.0).max(U256::ONE))
}

/// number · factor / divisor, rounded down; `None` if it has more than 256 bits.
fn mul_div(number: U256, factor: u64, divisor: u64) -> Option<U256> {
    let (high, low) = number.into_words();
    let limbs = [high >> 64, high, low >> 64, low].map(|limb| u128::from(limb as u64));
    // The product as five limbs of 64 bits, the highest first.
    let (mut product, mut carry) = ([0; 5], 0);
    for (at, limb) in limbs.into_iter().enumerate().rev() {
        let sum = limb * u128::from(factor) + carry;
        (product[at + 1], carry) = (sum & u128::from(u64::MAX), sum >> 64);
    }
    product[0] = carry;
    // Long division, limb by limb.
    let (divisor, mut remainder) = (u128::from(divisor), 0);
    let quotient = product.map(|limb| {
        let dividend = remainder << 64 | limb;
        remainder = dividend % divisor;
        dividend / divisor
    });
    let [0, a, b, c, d] = quotient else { return None };
    Some(U256::from_words(a << 64 | b, c << 64 | d))
}

/// The compact form is not a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadCompact {
    /// The sign bit is set.
    #[error("the compact target {bits:#010x} is negative")]
    Negative {
        /// The compact form.
        bits: u32,
    },
    /// It has more than 256 bits.
    #[error("the compact target {bits:#010x} has more than 256 bits")]
    Overflow {
        /// The compact form.
        bits: u32,
    },
}

/// The sign bit of a compact target.
const COMPACT_SIGN: u32 = 0x0080_0000;

/// Bitcoin's compact form ("nBits"): a byte that says how many bytes the number has, then the
/// highest three of them, the first bit of which is a sign.
impl Target {
    /// The compact form, rounded down to the highest three bytes. The first bit of the three is a
    /// sign, so that a number which has it set is written with a zero byte in front.
    pub fn to_compact(&self) -> u32 {
        let bytes = (256 - self.0.leading_zeros()).div_ceil(8);
        let digits = match bytes {
            0..=3 => self.0.as_u32() << (8 * (3 - bytes)),
            _ => (self.0 >> (8 * (bytes - 3))).as_u32(),
        };
        match digits & COMPACT_SIGN {
            0 => bytes << 24 | digits,
            _ => (bytes + 1) << 24 | digits >> 8,
        }
    }

    /// The target with this compact form. Zero is one, which no digest but zero meets, and so is
    /// minus zero, as Bitcoin reads it.
    ///
    /// # Errors
    /// Returns [`BadCompact`] for a negative number and for one of more than 256 bits.
    pub fn from_compact(bits: u32) -> Result<Self, BadCompact> {
        let (bytes, digits) = (bits >> 24, bits & 0x007f_ffff);
        let number = match bytes {
            0..=3 => U256::from(digits >> (8 * (3 - bytes))),
            _ if digits == 0 => U256::ZERO,
            _ => {
                let (digits, shift) = (U256::from(digits), 8 * (bytes - 3));
                if digits.leading_zeros() < shift {
                    // Both at once: Bitcoin asks for the sign first.
                    return Err(match bits & COMPACT_SIGN {
                        0 => BadCompact::Overflow { bits },
                        _ => BadCompact::Negative { bits },
                    });
                }
                digits << shift
            }
        };
        match bits & COMPACT_SIGN {
            0 => Ok(Self(number)),
            _ if number == U256::ZERO => Ok(Self(number)),
            _ => Err(BadCompact::Negative { bits }),
        }
    }
}
