//! A block in its place on a chain.

use ethnum::U256;

use crate::block::Block;
use crate::difficulty::DifficultyState;
use crate::rules::Rules;

/// A block with the work of the whole chain that ends in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChainBlock {
    /// The block.
    pub block: Block,
    /// The sum of the work of all blocks from the one after genesis to this one.
    pub work: U256,
    /// The difficulty state that the next target follows from.
    pub difficulty_state: DifficultyState,
}

impl ChainBlock {
    /// A genesis block of these rules.
    pub fn genesis(rules: &Rules, block: Block) -> Self {
        Self {
            work: U256::ZERO,
            difficulty_state: rules.first_difficulty_state(block.view()),
            block,
        }
    }

    /// Puts a block on this one, by the same rules.
    pub fn followed_by(&self, rules: &Rules, block: Block) -> Self {
        let difficulty_state = rules.difficulty_state_after(&self.difficulty_state, block.view());
        Self {
            work: self.work.saturating_add(difficulty_state.target().work()),
            difficulty_state,
            block,
        }
    }
}
