//! A block in its place on a chain.

use ethnum::U256;

use crate::block::Block;
use crate::difficulty::Pace;
use crate::rules::Rules;

/// A block in its place: with the work of the whole chain that ends in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// The block.
    pub block: Block,
    /// The sum of the work of all blocks from the one after genesis to this one.
    pub work: U256,
    /// What the next target follows from.
    pub pace: Pace,
}

impl Linked {
    /// A genesis block of these rules.
    pub fn genesis(rules: &Rules, block: Block) -> Self {
        Self { work: U256::ZERO, pace: rules.first_pace(block.view()), block }
    }

    /// A block that stands on this one, by the rules that made this one's place.
    pub fn followed_by(&self, rules: &Rules, block: Block) -> Self {
        let pace = rules.pace_after(&self.pace, block.view());
        Self { work: self.work.saturating_add(pace.target().work()), pace, block }
    }
}
