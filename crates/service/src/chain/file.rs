//! Reads chain files. `chains/` has an example of each kind.

use std::num::NonZeroU64;
use std::str::FromStr;

use blocksmith_consensus::address::{Address, Hrp};
use blocksmith_consensus::job::MAX_ZEROS;
use blocksmith_consensus::json::{self, Value};
use blocksmith_consensus::payment::{Emission, MAX_INTEGER};
use blocksmith_consensus::rules::BadRules;
use blocksmith_consensus::rules::sealed::genesis_on;
use blocksmith_consensus::{
    Block, Difficulty, Family, Genesis, Hash, Issuance, Open, Puzzle, Rules, Sealed, Shape, Target,
    Transaction,
};
use blocksmith_wallet::typed;
use blocksmith_wallet::written::{Named, is_blank};
use serde::Deserialize;

use super::{Chain, Dialect};
use crate::toml_text;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    name: String,
    puzzle: PuzzleName,
    dialect: Option<Dialect>,
    genesis: GenesisTable,
    // Keys of an open chain.
    zeros: Option<u8>,
    target: Option<String>,
    coin: Option<CoinTable>,
    // Keys of a sealed chain.
    difficulty: Option<DifficultyTable>,
    spending: Option<SpendingTable>,
    max_block_bytes: Option<u64>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum PuzzleName {
    LastProof,
    LastBlock,
    LastProofAndHash,
    Seal,
}

/// The genesis of a chain; which keys it has depends on the puzzle. The texts are JSON, since TOML
/// has no null.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GenesisTable {
    block: Option<String>,
    // For a chain without a common first block: what its first blocks share.
    index: Option<u64>,
    proof: Option<String>,
    // JSON on an open chain, and the digits of a hash on a sealed one.
    previous_hash: Option<String>,
    // For a sealed chain: what its first block is written from, besides the previous hash.
    timestamp: Option<u64>,
    target: Option<String>,
    balances: Option<Vec<Balance>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Balance {
    address: String,
    amount: u64,
}

/// The texts are JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CoinTable {
    sender: String,
    amount: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
enum DifficultyTable {
    Asert(Asert),
    Epoch(Epoch),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Asert {
    spacing_s: u64,
    half_life_s: u64,
    longest_gap_s: u64,
    easiest: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Epoch {
    blocks: u64,
    spacing_s: u64,
    clamp: u32,
    easiest: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SpendingTable {
    addresses: String,
    first_subsidy: u64,
    halving_blocks: u64,
}

/// Reads the text of a chain file; the error says what is wrong with it.
pub(super) fn parse(text: &str) -> Result<Chain, String> {
    let file: File = toml_text::parse(text)?;
    let dialect = file.dialect;
    let rules = match file.puzzle {
        PuzzleName::LastProof => open(Puzzle::LastProof, file)?,
        PuzzleName::LastBlock => open(Puzzle::LastBlock, file)?,
        PuzzleName::LastProofAndHash => open(Puzzle::LastProofAndHash, file)?,
        PuzzleName::Seal => sealed(file)?,
    };
    rules.check().map_err(|error| error.to_string())?;
    let dialect = dialect.unwrap_or_else(|| usual_dialect(&rules));
    Ok(Chain { rules, dialect })
}

/// How the nodes of these rules answer if the file does not say. Lecture I pays its coins from the
/// number 0, later versions of the course from the text.
fn usual_dialect(rules: &Rules) -> Dialect {
    match &rules.family {
        Family::Open(open) if open.issuance.sender == "0" => Dialect::LectureOne,
        Family::Open(_) | Family::Sealed(_) => Dialect::Notes,
    }
}

/// Reads the rules of an open chain.
fn open(puzzle: Puzzle, file: File) -> Result<Rules, String> {
    let name = puzzle.name();
    let not_here = |field: &str| {
        format!(
            "{field} belongs to puzzle = \"seal\", but this chain's puzzle is {name}; leave it out"
        )
    };
    for (field, is_there) in [
        ("[difficulty]", file.difficulty.is_some()),
        ("[spending]", file.spending.is_some()),
        ("max_block_bytes", file.max_block_bytes.is_some()),
        ("genesis.timestamp", file.genesis.timestamp.is_some()),
        ("genesis.target", file.genesis.target.is_some()),
        ("genesis.balances", file.genesis.balances.is_some()),
    ] {
        if is_there {
            return Err(not_here(field));
        }
    }
    let target = match (file.zeros, file.target) {
        (Some(zeros), None) if zeros <= MAX_ZEROS => Target::from_zeros(zeros),
        (None, Some(hex)) => target("target", &hex)?,
        _ => return Err("it must have either zeros, from 0 to 64, or target".into()),
    };
    let coin =
        file.coin.ok_or("[coin] is missing, with the sender and the amount of what miners get")?;
    let (genesis, issuance) = (open_genesis(file.genesis)?, issuance(coin)?);
    Ok(Open { genesis, puzzle, target, issuance }.named(file.name))
}

fn open_genesis(table: GenesisTable) -> Result<Genesis, String> {
    let GenesisTable { block, index, proof, previous_hash, .. } = table;
    let genesis = match (block, index, proof, previous_hash) {
        (Some(block), None, None, None) => Block::parse(block.as_bytes()).map(Genesis::Fixed),
        (None, Some(index), Some(proof), Some(previous_hash)) => {
            canonical("genesis.proof", &proof)?;
            canonical("genesis.previous_hash", &previous_hash)?;
            Genesis::any(index, &proof, &previous_hash)
        }
        _ => return Err("genesis must have either block, or index, proof and previous_hash".into()),
    };
    genesis.map_err(|error| format!("genesis: {error}"))
}

fn issuance(coin: CoinTable) -> Result<Issuance, String> {
    let issuance = Issuance {
        sender: canonical("coin.sender", &coin.sender)?,
        amount: canonical("coin.amount", &coin.amount)?,
    };
    let (sender, amount) = (&issuance.sender, &issuance.amount);
    let nobody = Value::of_canonical(r#""""#);
    Transaction::new(Value::of_canonical(sender), nobody, Value::of_canonical(amount))
        .check_queueable()
        .map_err(|error| format!("coin: {error}"))?;
    Ok(issuance)
}

/// Reads the rules of a sealed chain.
fn sealed(file: File) -> Result<Rules, String> {
    for (field, is_there, instead) in [
        ("zeros", file.zeros.is_some(), "[difficulty.asert] or [difficulty.epoch]"),
        ("target", file.target.is_some(), "[difficulty.asert] or [difficulty.epoch]"),
        ("[coin]", file.coin.is_some(), "[spending]"),
    ] {
        if is_there {
            return Err(format!(
                "{field} belongs to the other puzzles; with puzzle = \"seal\", write {instead} instead"
            ));
        }
    }
    let difficulty = file.difficulty.ok_or(
        "puzzle = \"seal\" needs a difficulty: [difficulty.asert] with spacing_s, half_life_s, \
         longest_gap_s and easiest, or [difficulty.epoch] with blocks, spacing_s, clamp and easiest",
    )?;
    let spending = file.spending.ok_or(
        "puzzle = \"seal\" needs [spending] with addresses, first_subsidy and halving_blocks",
    )?;
    let max_block_bytes = file
        .max_block_bytes
        .ok_or("puzzle = \"seal\" needs max_block_bytes, the longest block in bytes")?;
    let hrp = Hrp::new(&spending.addresses).map_err(|error| format!("addresses: {error}"))?;
    let first = spending.first_subsidy;
    let halving = NonZeroU64::new(spending.halving_blocks).ok_or(BadRules::Number {
        field: "halving_blocks",
        least: 1,
        most: MAX_INTEGER,
        found: 0,
    });
    let halving = halving.map_err(|error| error.to_string())?;
    let sealed = Sealed {
        genesis: sealed_genesis(file.genesis, hrp)?,
        difficulty: moving(difficulty)?,
        hrp,
        emission: Emission { first, halving },
        // A number that this machine can't address is too large anyhow.
        max_block_bytes: usize::try_from(max_block_bytes).unwrap_or(usize::MAX),
    };
    Ok(sealed.named(file.name))
}

fn moving(table: DifficultyTable) -> Result<Difficulty, String> {
    Ok(match table {
        DifficultyTable::Asert(Asert { spacing_s, half_life_s, longest_gap_s, easiest }) => {
            let easiest = target("easiest", &easiest)?;
            Difficulty::Asert { spacing_s, half_life_s, easiest, longest_gap_s }
        }
        DifficultyTable::Epoch(Epoch { blocks, spacing_s, clamp, easiest }) => {
            let easiest = target("easiest", &easiest)?;
            Difficulty::Epoch { blocks, spacing_s, clamp, easiest }
        }
    })
}

fn sealed_genesis(table: GenesisTable, hrp: Hrp) -> Result<Block, String> {
    let GenesisTable { block, index, proof, previous_hash, timestamp, target: hex, balances } =
        table;
    let free = index.is_some() || proof.is_some();
    let genesis = match (block, previous_hash, timestamp, hex, balances) {
        _ if free => Err(()),
        (Some(block), None, None, None, None) => {
            let text = canonical("genesis.block", &block)?;
            Ok(Block::read(Shape::Sealed, &text))
        }
        (None, previous_hash, Some(timestamp_s), Some(hex), balances) => {
            // Files that are older than this key say nothing, and go on naming the same chain.
            let previous_hash = match previous_hash {
                Some(hex) => self::hex("genesis.previous_hash", &hex)?,
                None => Hash([0; 32]),
            };
            let target = target("genesis.target", &hex)?;
            let balances = allotted(&balances.unwrap_or_default(), hrp)?;
            Ok(genesis_on(&previous_hash, timestamp_s, target, hrp, &balances))
        }
        _ => Err(()),
    };
    let genesis = genesis.map_err(|()| {
        "with puzzle = \"seal\", genesis must have either block, or timestamp, target and any number of \
         [[genesis.balances]], and a previous_hash if it has one"
    })?;
    genesis.map_err(|error| format!("genesis: {error}"))
}

fn allotted(balances: &[Balance], hrp: Hrp) -> Result<Vec<(Address, u64)>, String> {
    let allotted = |(place, Balance { address, amount }): (usize, &Balance)| {
        let named = |field: &str| format!("[[genesis.balances]] number {}: {field}", place + 1);
        let address = typed::address(address, hrp)
            .map_err(|error| format!("{}: {error}", named("address")))?;
        if *amount > MAX_INTEGER {
            return Err(format!("{} must be at most {MAX_INTEGER}, not {amount}", named("amount")));
        }
        Ok((address, *amount))
    };
    balances.iter().enumerate().map(allotted).collect()
}

fn canonical(field: &str, text: &str) -> Result<String, String> {
    match json::canonical(text.as_bytes()) {
        Ok(text) => Ok(text.into_owned()),
        Err(error) => Err(format!("{field} is not JSON: {error}")),
    }
}

fn target(field: &str, digits: &str) -> Result<Target, String> {
    hex(field, digits)
}

/// A target or a hash. Capitals are allowed, and so is what mail puts between the digits.
fn hex<T: FromStr>(field: &str, text: &str) -> Result<T, String> {
    let mut digits = String::new();
    for (place, char) in (1..).zip(text.chars()).filter(|(_, char)| !is_blank(*char)) {
        if !char.is_ascii_hexdigit() {
            let found = Named(char);
            return Err(format!(
                "{field} has {found} as its character {place}, but it must have 64 hex digits and nothing else"
            ));
        }
        digits.push(char.to_ascii_lowercase());
    }
    let count = digits.len();
    digits.parse().map_err(|_| format!("{field} must have 64 hex digits, and has {count}"))
}
