//! One message at a time through `sha2`, which uses the processor's own SHA-256 where it has one.
//!
//! The block with the last digit is there ten times, once for each value of that digit, and its
//! other digits are written into all ten before they are hashed. With a single block, which is
//! read right after one byte of it was written, the processor waits for that byte to reach its
//! cache before each compression, and cannot begin one while it ends another. That runs at two
//! thirds of the speed.

use std::ops::Range;
use std::slice;

use sha2::block_api::compress256;

use super::template::{State, Template};

/// The lowest valid proof in `range`, which is not empty and whose numbers all have the template's
/// number of digits. This is what each backend does in its own way.
pub(super) fn first_hit(template: &mut Template, range: Range<u64>) -> Option<u64> {
    debug_assert!(!range.is_empty());
    let target = template.target;
    template.set(range.start);
    let mut head = template.head();
    let (block, last) = template.last_digit();
    let mut decade = [*block; 10];
    for (digit, block) in (b'0'..=b'9').zip(&mut decade) {
        block[last] = digit;
    }
    let mut proof = range.start;
    loop {
        for block in &decade[(proof % 10) as usize..] {
            let state = compress(head, block, template.rest());
            if state[0] <= target[0] && state <= target {
                return Some(proof);
            }
            proof += 1;
            if proof == range.end {
                return None;
            }
        }
        let changed = template.add_ten();
        let (block, last) = template.last_digit();
        let first = last.saturating_sub(changed);
        for at in first..last {
            for copy in &mut decade {
                copy[at] = block[at];
            }
        }
        if changed > last {
            head = template.head();
        }
    }
}

#[inline(always)]
fn compress(mut state: State, block: &[u8; 64], rest: &[[u8; 64]]) -> State {
    compress256(&mut state, slice::from_ref(block));
    if !rest.is_empty() {
        compress256(&mut state, rest);
    }
    state
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use blocksmith_consensus::hash::Hash;
    use blocksmith_consensus::job::{Job, Target};

    use super::super::template::{Message, State};
    use super::*;

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
                    for from in [proof, proof - 1] {
                        template.target = digest;
                        let hit = first_hit(&mut template, from..proof + 1);
                        assert!(hit == Some(proof) || hit == Some(from) && from < proof);
                        template.target = one_less(digest);
                        assert_ne!(first_hit(&mut template, from..proof + 1), Some(proof));
                    }
                }
            }
        }
    }
}
