//! The parts of a message that are the same for many proofs, prepared once.
//!
//! ```text
//! prefix ....................... | digits | suffix .... | 80 00 .. length
//! [ whole blocks: the midstate ][ the tail: blocks of 64 bytes, digits changed in place ]
//! ```

use std::ops::Range;

use blocksmith_consensus::job::Job;
use sha2::block_api::compress256;

use super::rounds::{self, Schedule, State};

/// The bytes that one compression takes in.
pub(super) const BLOCK: usize = 64;

/// The most digits that a proof has.
const MAX_DIGITS: usize = 19;

/// The bytes that follow the message: a one bit and the length in bits.
const PADDING: usize = 1 + 8;

/// The most blocks behind that of the last digit that kernels take.
pub(super) const MAX_REST: usize = 16;

/// FIPS 180-4, 5.3.3.
const INITIAL: State = [
    0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
];

/// A job with the whole blocks of its prefix hashed; all threads share one.
pub(super) struct Message<'a> {
    midstate: State,
    prefix_len: usize,
    /// The end of the prefix, which fills no whole block.
    prefix_rest: &'a [u8],
    suffix: &'a [u8],
    target: State,
}

impl<'a> Message<'a> {
    pub(super) fn new(job: &'a Job<'_>) -> Self {
        let mut midstate = INITIAL;
        let (blocks, prefix_rest) = job.prefix.as_chunks::<BLOCK>();
        compress256(&mut midstate, blocks);
        let target = job.target.to_be_bytes();
        let (words, _) = target.as_chunks::<4>();
        Self {
            midstate,
            prefix_len: job.prefix.len(),
            prefix_rest,
            suffix: &job.suffix,
            target: std::array::from_fn(|i| u32::from_be_bytes(words[i])),
        }
    }

    /// The most compressions that a try takes.
    pub(super) fn compressions(&self) -> u64 {
        self.tail_blocks(MAX_DIGITS) as u64
    }

    fn tail_blocks(&self, digits: usize) -> usize {
        (self.prefix_rest.len() + digits + self.suffix.len() + PADDING).div_ceil(BLOCK)
    }

    /// The tail for numbers of `digits` digits.
    pub(super) fn template(&self, digits: usize) -> Template {
        let mut tail = vec![[0; BLOCK]; self.tail_blocks(digits)];
        let bytes = tail.as_flattened_mut();
        let start = self.prefix_rest.len();
        let end = start + digits;
        let message_end = end + self.suffix.len();
        let message_bits = (self.prefix_len + digits + self.suffix.len()) as u64 * 8;
        bytes[..start].copy_from_slice(self.prefix_rest);
        bytes[end..message_end].copy_from_slice(self.suffix);
        bytes[message_end] = 0x80;
        *bytes.last_chunk_mut().expect("a block is longer than a length") =
            message_bits.to_be_bytes();
        let head_blocks = (end - 1) / BLOCK;
        let rest = &tail[head_blocks + 1..];
        let prepared = if rest.len() <= MAX_REST { rest } else { &[] };
        Template {
            midstate: self.midstate,
            rest_schedules: prepared.iter().map(rounds::schedule).collect(),
            tail,
            digits: start..end,
            head_blocks,
            target: self.target,
        }
    }
}

/// The messages of all proofs with a certain number of digits.
///
/// The last digit changes with every try, so the block that it is in and those behind it are hashed
/// for every try. A block before it, the head, is there only where the digits run over a block's
/// end, and is hashed only when a digit of its own changes.
pub(super) struct Template {
    midstate: State,
    tail: Vec<[u8; BLOCK]>,
    /// Where in the tail the digits are.
    digits: Range<usize>,
    head_blocks: usize,
    rest_schedules: Vec<Schedule>,
    /// The largest digest that is valid.
    pub(super) target: State,
}

impl Template {
    /// How many digits the numbers have.
    pub(super) fn digits(&self) -> usize {
        self.digits.len()
    }

    /// Writes `proof`, with zeros before it where it has fewer digits than the template.
    pub(super) fn set(&mut self, mut proof: u64) {
        debug_assert!(super::digits(proof) <= self.digits());
        for digit in self.tail.as_flattened_mut()[self.digits.clone()].iter_mut().rev() {
            *digit = b'0' + (proof % 10) as u8;
            proof /= 10;
        }
    }

    /// Adds ten, where that has as many digits. Returns how many of the digits before the last one
    /// have changed: those at its left.
    pub(super) fn add_ten(&mut self) -> usize {
        let digits = &mut self.tail.as_flattened_mut()[self.digits.clone()];
        let (_, tens) = digits.split_last_mut().expect("a number has a digit");
        for (i, digit) in tens.iter_mut().rev().enumerate() {
            if *digit != b'9' {
                *digit += 1;
                return i + 1;
            }
            *digit = b'0';
        }
        tens.len()
    }

    /// The state after the head.
    pub(super) fn head(&self) -> State {
        let mut state = self.midstate;
        compress256(&mut state, &self.tail[..self.head_blocks]);
        state
    }

    /// The block with the last digit, and where in it that is.
    pub(super) fn last_digit(&self) -> (&[u8; BLOCK], usize) {
        (&self.tail[self.head_blocks], (self.digits.end - 1) % BLOCK)
    }

    /// The blocks behind that one, the same for all numbers.
    pub(super) fn rest(&self) -> &[[u8; BLOCK]] {
        &self.tail[self.head_blocks + 1..]
    }

    /// The words that the rounds of those blocks add, if there are at most [`MAX_REST`] of them.
    pub(super) fn rest_schedules(&self) -> &[Schedule] {
        &self.rest_schedules
    }

    /// Whether `proof` is valid. It stays written in the template.
    pub(super) fn is_hit(&mut self, proof: u64) -> bool {
        self.set(proof);
        let mut state = self.midstate;
        compress256(&mut state, &self.tail);
        state <= self.target
    }
}
