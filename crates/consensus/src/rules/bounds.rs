//! The bounds of a chain's rules. A chain file can say anything; rules that pass here lead to no
//! overflow, no division by zero, and no target that stays out of reach.

use super::{Family, Genesis, Open, Rules, Sealed};
use crate::difficulty::Difficulty;
use crate::hash::Hash;
use crate::job::Target;
use crate::ledger::BadBody;
use crate::limits::{MAX_BLOCK_BYTES, MAX_INTEGER};
use crate::payment::Emission;

/// The least that a sealed chain may allow a block, in bytes: 16 of the longest payments with a
/// coin and a header fit, so that a queue of payments always moves.
pub const MIN_SEALED_BLOCK_BYTES: usize = 12_000;

/// The index of a sealed chain's first block: the subsidy counts from 2, and coins carry it.
const SEALED_GENESIS_INDEX: u64 = 1;

/// The reason why a chain can't have certain rules.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRules {
    /// A number is too small or too large.
    #[error("{field} must be a whole number from {least} to {most}, not {found}")]
    Number {
        /// The name in chain files.
        field: &'static str,
        /// The smallest that is allowed.
        least: u64,
        /// The largest that is allowed.
        most: u64,
        /// The number in the rules.
        found: u64,
    },
    /// No gap would make the target rise: if miners leave, the chain would stop.
    #[error(
        "longest_gap_s must be more than spacing_s, {spacing_s}, not {found}: otherwise blocks can never \
         get easier"
    )]
    LongestGap {
        /// The time that a block should take, in seconds.
        spacing_s: u64,
        /// The longest gap, in seconds.
        found: u64,
    },
    /// A single quick block would more than halve the target, and after a few no hash would do.
    #[error(
        "half_life_s must be at least spacing_s, {spacing_s}, not {found}: otherwise a few quick blocks \
         make the next one too difficult for any miner"
    )]
    HalfLife {
        /// The time that a block should take, in seconds.
        spacing_s: u64,
        /// The half-life, in seconds.
        found: u64,
    },
    /// An epoch takes more seconds than a number can hold.
    #[error(
        "an epoch of {blocks} blocks with a spacing_s of {spacing_s} takes more than {MAX_INTEGER} \
         seconds; take fewer blocks or a shorter spacing"
    )]
    Epoch {
        /// Intervals in an epoch.
        blocks: u64,
        /// The time that a block should take, in seconds.
        spacing_s: u64,
    },
    /// The shortest time that an epoch counts as is zero, and would make the target zero.
    #[error(
        "clamp must be at most {expected_s}, the seconds that an epoch takes, not {found}: otherwise an \
         epoch can count as 0 s"
    )]
    Clamp {
        /// The time that an epoch should take, in seconds.
        expected_s: u64,
        /// The clamp.
        found: u32,
    },
    /// The genesis block's target is not one that its chain allows.
    #[error("the target of the genesis block must be at least 1 and at most {most}, not {found}")]
    GenesisTarget {
        /// The easiest target that the chain allows.
        most: Target,
        /// The target that the genesis block states.
        found: Target,
    },
    /// The first block of a sealed chain has an index of its own choice.
    #[error("the index of the genesis block must be 1 on this chain, not {found}")]
    GenesisIndex {
        /// The genesis block's index.
        found: u64,
    },
    /// The genesis block's header states the root of other transactions.
    #[error("the merkle_root of the genesis block is {stated}, but its transactions give {found}")]
    MerkleRoot {
        /// The root that the header states.
        stated: Hash,
        /// The root of its transactions.
        found: Hash,
    },
    /// The genesis block is longer than its own chain allows.
    #[error("the genesis block has {found} bytes; max_block_bytes allows {limit}")]
    GenesisSize {
        /// The most bytes that the rules allow.
        limit: usize,
        /// Bytes of the canonical text.
        found: usize,
    },
    /// The genesis block's allocations break a rule.
    #[error("genesis: {0}")]
    Allotted(BadBody),
    /// An open chain would start with a sealed block, or a sealed chain with an open one.
    #[error("the genesis block does not have the form of this chain's blocks")]
    GenesisForm,
}

fn check_number(field: &'static str, found: u64, least: u64, most: u64) -> Result<(), BadRules> {
    match (least..=most).contains(&found) {
        true => Ok(()),
        false => Err(BadRules::Number { field, least, most, found }),
    }
}

impl Rules {
    /// Checks that a chain can have these rules. The presets pass; a caller that reads rules from
    /// outside calls this before it uses them.
    ///
    /// # Errors
    /// Returns the first bound that they miss.
    pub fn check(&self) -> Result<(), BadRules> {
        match &self.family {
            Family::Open(open) => open.check(),
            Family::Sealed(sealed) => sealed.check(),
        }
    }
}

impl Open {
    fn check(&self) -> Result<(), BadRules> {
        match &self.genesis {
            Genesis::Fixed(block) if block.header().is_some() => Err(BadRules::GenesisForm),
            Genesis::Fixed(_) | Genesis::Any { .. } => Ok(()),
        }
    }
}

impl Sealed {
    fn check(&self) -> Result<(), BadRules> {
        self.difficulty.check()?;
        self.emission.check()?;
        check_block_bytes(self.max_block_bytes)?;
        self.check_genesis()
    }

    fn check_genesis(&self) -> Result<(), BadRules> {
        let block = &self.genesis;
        let header = block.header().ok_or(BadRules::GenesisForm)?;
        if block.index() != SEALED_GENESIS_INDEX {
            return Err(BadRules::GenesisIndex { found: block.index() });
        }
        let (limit, found) = (self.max_block_bytes, block.text().len());
        if found > limit {
            return Err(BadRules::GenesisSize { limit, found });
        }
        let (most, found) = (self.difficulty.easiest(), header.target);
        if found.0 == 0 || found > most {
            return Err(BadRules::GenesisTarget { most, found });
        }
        let (stated, found) = (header.merkle_root, block.view().merkle_root());
        if stated != found {
            return Err(BadRules::MerkleRoot { stated, found });
        }
        self.allot(block).map(drop).map_err(BadRules::Allotted)
    }
}

impl Difficulty {
    /// The target above which no block's is, the genesis block's aside.
    pub fn easiest(&self) -> Target {
        match *self {
            Self::Fixed(target) => target,
            Self::Epoch { easiest, .. } | Self::Asert { easiest, .. } => easiest,
        }
    }

    /// Checks that this rule gives a valid target for ever, whatever the gaps between blocks.
    fn check(&self) -> Result<(), BadRules> {
        let number = |field, found| check_number(field, found, 1, MAX_INTEGER);
        match *self {
            Self::Fixed(_) => Ok(()),
            Self::Epoch { blocks, spacing_s, clamp, .. } => {
                number("blocks", blocks)?;
                number("spacing_s", spacing_s)?;
                check_number("clamp", clamp.into(), 1, u32::MAX.into())?;
                let expected_s = blocks.checked_mul(spacing_s).filter(|time| *time <= MAX_INTEGER);
                let expected_s = expected_s.ok_or(BadRules::Epoch { blocks, spacing_s })?;
                match expected_s < clamp.into() {
                    true => Err(BadRules::Clamp { expected_s, found: clamp }),
                    false => Ok(()),
                }
            }
            Self::Asert { spacing_s, half_life_s, longest_gap_s, .. } => {
                number("spacing_s", spacing_s)?;
                number("half_life_s", half_life_s)?;
                number("longest_gap_s", longest_gap_s)?;
                if half_life_s < spacing_s {
                    return Err(BadRules::HalfLife { spacing_s, found: half_life_s });
                }
                match longest_gap_s <= spacing_s {
                    true => Err(BadRules::LongestGap { spacing_s, found: longest_gap_s }),
                    false => Ok(()),
                }
            }
        }
    }
}

impl Emission {
    /// Checks that its numbers are within 2^53. [`Rules::allot`] checks the sum of all coins.
    fn check(&self) -> Result<(), BadRules> {
        check_number("first_subsidy", self.first, 0, MAX_INTEGER)?;
        check_number("halving_blocks", self.halving.get(), 1, MAX_INTEGER)
    }
}

fn check_block_bytes(found: usize) -> Result<(), BadRules> {
    let (least, most) = (MIN_SEALED_BLOCK_BYTES as u64, MAX_BLOCK_BYTES as u64);
    check_number("max_block_bytes", found as u64, least, most)
}
