//! One message at a time through `sha2`, which uses the processor's own SHA-256 where it has one.
//!
//! There are ten copies of the block with the last digit, one for each value of that digit, and its
//! other digits are written into all ten before they are hashed. With a single block, which is read
//! right after one byte of it was written, the processor waits for that byte to reach its cache
//! before each compression, and cannot begin one while it ends another. That runs at two thirds of
//! the speed.

use std::ops::Range;
use std::slice;

use sha2::block_api::compress256;

use super::rounds::State;
use super::template::Template;

/// The lowest valid proof in `range`, which is not empty and whose numbers all have the template's
/// number of digits. Each backend has its own version of this.
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
