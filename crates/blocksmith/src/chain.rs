//! Which chain a node runs: a preset, or a chain file.

use std::io::Read;
use std::path::Path;

use blocksmith_consensus::block::MAX_BLOCK_BYTES;
use blocksmith_consensus::job::MAX_ZEROS;
use blocksmith_consensus::json::{self, Value};
use blocksmith_consensus::rules::UnknownPreset;
use blocksmith_consensus::{
    Block, Difficulty, Genesis, Issuance, Puzzle, Rules, Spending, Target, Transaction,
};
use serde::Deserialize;

/// The most bytes of a chain file.
const MAX_FILE_BYTES: u64 = 32 << 20;

/// A chain: its rules, and how its nodes talk where the rules don't say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// What is valid.
    pub rules: Rules,
    /// How the chain's Python nodes put their errors.
    pub dialect: Dialect,
}

/// Where the course's servers differ in their manners.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// As in the notes: errors are plain text, `POST /mine` needs a proof.
    #[default]
    Notes,
    /// As in autumn 2019: errors are JSON, `POST /mine` needs a proof and an id.
    Course,
}

/// Why a chain can't be run.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// Neither a preset nor a file.
    #[error(transparent)]
    Unknown(#[from] UnknownPreset),
    /// More zero digits than a digest has.
    #[error("a digest has {MAX_ZEROS} digits, so {found} of them can't be zero")]
    Zeros {
        /// What was asked for.
        found: u8,
    },
    /// The file can't be read.
    #[error("the chain file {path} can't be read: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// What the system says.
        error: std::io::Error,
    },
    /// The file does not say what a chain file says.
    #[error("the chain file {path} is not right: {reason}")]
    Wrong {
        /// The file.
        path: String,
        /// What is wrong with it.
        reason: String,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    puzzle: PuzzleName,
    zeros: Option<u8>,
    target: Option<String>,
    #[serde(default)]
    dialect: Dialect,
    genesis: GenesisShape,
    coin: Coin,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(clippy::enum_variant_names, reason = "the names that the puzzles have")]
enum PuzzleName {
    LastProof,
    LastBlock,
    LastProofAndHash,
}

/// Either a block, or the other three. The texts are JSON, since TOML has no null.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GenesisShape {
    block: Option<String>,
    index: Option<u64>,
    proof: Option<String>,
    previous_hash: Option<String>,
}

/// The texts are JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Coin {
    sender: String,
    amount: String,
}

impl Chain {
    /// The chain that `name` stands for, a preset or the path of a chain file; `zeros`, if given,
    /// replaces its number of zero digits.
    ///
    /// # Errors
    /// That there is no such chain, what is wrong with its file, or too many zeros.
    pub fn load(name: &str, zeros: Option<u8>) -> Result<Self, ChainError> {
        let mut chain = if name.contains(['.', '/', '\\']) {
            Self::read(Path::new(name))?
        } else {
            let rules = Rules::preset(name)?;
            let dialect =
                if rules.puzzle == Puzzle::LastBlock { Dialect::Course } else { Dialect::Notes };
            Self { rules, dialect }
        };
        if let Some(zeros) = zeros {
            if zeros > MAX_ZEROS {
                return Err(ChainError::Zeros { found: zeros });
            }
            chain.rules = chain.rules.with_zeros(zeros);
        }
        Ok(chain)
    }

    fn read(path: &Path) -> Result<Self, ChainError> {
        let name = || path.display().to_string();
        let unreadable = |error| ChainError::Unreadable { path: name(), error };
        let wrong = |reason| ChainError::Wrong { path: name(), reason };
        let mut text = String::new();
        let mut file = std::fs::File::open(path).map_err(unreadable)?.take(MAX_FILE_BYTES + 1);
        file.read_to_string(&mut text).map_err(unreadable)?;
        if file.limit() == 0 {
            return Err(wrong(format!("it has more than {MAX_FILE_BYTES} bytes")));
        }
        Self::parse(&text).map_err(wrong)
    }

    /// Reads the text of a chain file; the error says what is wrong with it.
    fn parse(text: &str) -> Result<Self, String> {
        let file: File = toml::from_str(text).map_err(|error| error.to_string())?;
        let target = match (file.zeros, file.target) {
            (Some(zeros), None) if zeros <= MAX_ZEROS => Target::from_zeros(zeros),
            (None, Some(hex)) => {
                hex.parse().map_err(|_| "target is not 64 lower-case hex digits")?
            }
            _ => return Err("it takes either zeros, from 0 to 64, or target".into()),
        };
        let json = |field: &str, text: &str| match json::canonical(text.as_bytes()) {
            Ok(text) => Ok(text.into_owned()),
            Err(error) => Err(format!("{field} is not JSON: {error}")),
        };
        let GenesisShape { block, index, proof, previous_hash } = file.genesis;
        let genesis = match (block, index, proof, previous_hash) {
            (Some(block), None, None, None) => Block::parse(block.as_bytes()).map(Genesis::Fixed),
            (None, Some(index), Some(proof), Some(previous_hash)) => {
                json("genesis.proof", &proof)?;
                json("genesis.previous_hash", &previous_hash)?;
                Genesis::any(index, &proof, &previous_hash)
            }
            _ => return Err("genesis takes either block, or index, proof and previous_hash".into()),
        };
        let genesis = genesis.map_err(|error| format!("genesis: {error}"))?;
        let puzzle = match file.puzzle {
            PuzzleName::LastProof => Puzzle::LastProof,
            PuzzleName::LastBlock => Puzzle::LastBlock,
            PuzzleName::LastProofAndHash => Puzzle::LastProofAndHash,
        };
        let issuance = Issuance {
            sender: json("coin.sender", &file.coin.sender)?,
            amount: json("coin.amount", &file.coin.amount)?,
        };
        let (sender, amount) = (&issuance.sender, &issuance.amount);
        let nobody = Value::of_canonical(r#""""#);
        Transaction::new(Value::of_canonical(sender), nobody, Value::of_canonical(amount))
            .check_queueable()
            .map_err(|error| format!("coin: {error}"))?;
        Ok(Self {
            rules: Rules {
                name: file.name,
                genesis,
                puzzle,
                difficulty: Difficulty::Fixed(target),
                spending: Spending::Unsigned(issuance),
                max_block_bytes: MAX_BLOCK_BYTES,
            },
            dialect: file.dialect,
        })
    }
}

/// Rules in a few words, as errors and logs name them: `lecture with 4 zeros`.
pub fn describe(rules: &Rules) -> String {
    let name = &rules.name;
    match rules.difficulty {
        Difficulty::Fixed(target) => match target.zeros() {
            Some(1) => format!("{name} with 1 zero"),
            Some(zeros) => format!("{name} with {zeros} zeros"),
            None => format!("{name} with the target {target}"),
        },
        Difficulty::Epoch { spacing_s, .. } | Difficulty::Asert { spacing_s, .. } => {
            format!("{name} with a block every {spacing_s} s")
        }
    }
}
