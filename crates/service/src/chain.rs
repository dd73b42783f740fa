//! The chain that a node runs: a preset, a chain file, or what `blocksmith dev` makes of one of
//! them.

pub mod dev;
mod difference;
mod file;
mod names;

use std::io::Read;
use std::path::Path;

use blocksmith_consensus::job::MAX_ZEROS;
use blocksmith_consensus::rules::UnknownPreset;
use blocksmith_consensus::{Difficulty, Family, Hash, Open, Puzzle, Rules};
use blocksmith_wallet::written;
use serde::Deserialize;

use blocksmith_text::escaped;
pub use difference::Differences;
pub use names::taken_for;

/// The most bytes of a chain file.
const MAX_FILE_BYTES: u64 = 32 << 20;

/// A chain: its rules, and how its nodes answer where the rules don't say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Chain {
    /// The rules.
    pub rules: Rules,
    /// How the chain's Python nodes write their errors.
    pub dialect: Dialect,
}

/// The ways in which the course's servers answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Dialect {
    /// As in the notes: errors are plain text, `POST /mine` needs a proof.
    #[default]
    Notes,
    /// As in autumn 2019: errors are JSON, `POST /mine` needs a proof and an id.
    Course,
    /// As in the first lecture: `GET /chain` calls its list `currentChain`.
    #[serde(rename = "lecture-1")]
    LectureOne,
}

/// The reason why a chain can't be run.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The name is neither a preset nor a file.
    #[error(transparent)]
    Unknown(#[from] UnknownPreset),
    /// More zero digits were asked for than a digest has.
    #[error("a digest has {MAX_ZEROS} digits, so {found} of them can't be zero")]
    Zeros {
        /// The number that was asked for.
        found: u8,
    },
    /// Zeros were asked for on a chain whose difficulty is not a number of them.
    #[error(
        "the chain {} adjusts its difficulty itself, so a number of zeros can't be set; leave it out, or \
         choose a chain file with another [difficulty]", escaped(.name)
    )]
    NoZeros {
        /// The chain's name.
        name: String,
    },
    /// A dev chain was asked for of a chain that needs none.
    #[error(
        "payments on {name} are not signed, so there is no {name}-dev: `blocksmith dev` runs {name} itself; leave -dev out",
        name = escaped(.name)
    )]
    NoDev {
        /// The chain's name.
        name: String,
    },
    /// The rules leave no room for the coins of a dev chain.
    #[error(transparent)]
    NoRoom(#[from] dev::NoRoom),
    /// The file can't be read.
    #[error("the chain file {path} can't be read: {error}")]
    Unreadable {
        /// The file.
        path: String,
        /// The system's error.
        error: std::io::Error,
    },
    /// The file is not a valid chain file.
    #[error("the chain file {path} has a mistake: {reason}")]
    Wrong {
        /// The file.
        path: String,
        /// The reason.
        reason: String,
    },
}

impl Chain {
    /// The chain that `name` stands for: a preset, the path of a chain file, or either with
    /// [`dev::SUFFIX`] for [its dev chain](Self::for_dev), as in `forge-dev`, `ours.toml-dev` and
    /// `forge-dev-20x500`, which gives 500 coins to each of 20 accounts.
    /// `zeros`, if given, replaces its number of zero digits.
    ///
    /// # Errors
    /// Fails if there is no such chain, if its file is wrong, if there are too many zeros or the
    /// chain takes none, or if it has no dev chain.
    pub fn load(name: &str, zeros: Option<u8>) -> Result<Self, ChainError> {
        let is_own_name = is_file(name) && Path::new(name).exists();
        match dev::split(name) {
            Some((base, funding)) if !is_own_name => {
                let dev = Self::load_base(base, zeros)?.for_dev_with(funding)?;
                if dev.is_dev() { Ok(dev) } else { Err(ChainError::NoDev { name: base.into() }) }
            }
            _ => Self::load_base(name, zeros),
        }
    }

    /// The preset with this id, or the dev chain of one.
    pub fn with_id(id: &Hash) -> Option<Self> {
        let named = |name: &str| Self::load(name, None).ok();
        let mut chains = Rules::PRESETS
            .into_iter()
            .flat_map(|name| [named(name), named(&format!("{name}{}", dev::SUFFIX))])
            .flatten();
        chains.find(|chain| chain.rules.chain_id() == *id)
    }

    /// A preset, or the chain of a file.
    fn load_base(name: &str, zeros: Option<u8>) -> Result<Self, ChainError> {
        let mut chain = if is_file(name) {
            Self::read(Path::new(name))?
        } else {
            let rules = Rules::preset(name)?;
            let dialect = match &rules.family {
                Family::Open(Open { puzzle: Puzzle::LastBlock, .. }) => Dialect::Course,
                Family::Open(_) | Family::Sealed(_) => Dialect::Notes,
            };
            Self { rules, dialect }
        };
        if let Some(zeros) = zeros {
            if zeros > MAX_ZEROS {
                return Err(ChainError::Zeros { found: zeros });
            }
            if !matches!(chain.rules.difficulty(), Difficulty::Fixed(_)) {
                return Err(ChainError::NoZeros { name: chain.rules.name });
            }
            chain.rules = chain.rules.with_zeros(zeros);
        }
        Ok(chain)
    }

    fn read(path: &Path) -> Result<Self, ChainError> {
        let name = || path.display().to_string();
        let unreadable = |error| ChainError::Unreadable { path: name(), error };
        let wrong = |reason| ChainError::Wrong { path: name(), reason };
        let mut bytes = Vec::new();
        let mut file = std::fs::File::open(path).map_err(unreadable)?.take(MAX_FILE_BYTES + 1);
        file.read_to_end(&mut bytes).map_err(unreadable)?;
        if file.limit() == 0 {
            return Err(wrong(format!("it has more than {MAX_FILE_BYTES} bytes")));
        }
        let text = written::decode(&bytes).map_err(|error| wrong(error.to_string()))?;
        let mut chain = Self::parse(&text).map_err(wrong)?;
        // A chain file can have any name, and clients of other nodes see the name alone.
        if let Some(known) = taken_for(&chain.rules.name)
            && !names::is(&chain.rules, known)
        {
            let file = path.file_name().unwrap_or_default().display();
            chain.rules.name = format!("{} (of the file {file})", chain.rules.name);
        }
        Ok(chain)
    }

    /// Reads the text of a chain file.
    ///
    /// # Errors
    /// Returns what is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        file::parse(text)
    }
}

/// Whether `--chain` takes this for the path of a file.
pub fn is_file(name: &str) -> bool {
    name.contains(['.', '/', '\\'])
}

/// Rules in a few words, as errors and logs name them: `lecture with 4 zeros`.
pub fn describe(rules: &Rules) -> String {
    let name = &rules.name;
    match rules.difficulty() {
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
