//! `blocksmith chain new`.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use blocksmith_consensus::address::Hrp;
use blocksmith_consensus::payment::{Emission, MAX_INTEGER, UNITS_PER_COIN};
use blocksmith_consensus::{Difficulty, Family, Hash, Rules, Sealed};
use blocksmith_wallet::typed::{self, BadTyped};
use serde_json::json;

use crate::amount::Coins;
use crate::chain::{Chain, is_file, taken_for};
use crate::cmd::values::number;
use crate::cmd::{note, stdout, write_new};
use crate::service::now;
use crate::text;
use blocksmith_node::MAX_ID_BYTES;

/// Make a chain of your own: write its chain file
///
/// All who run a copy of the file run the same chain, whatever its name is. Each new file is another
/// chain: its genesis block has random digits, and every payment is signed for them. The command does
/// not overwrite a file.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  blocksmith chain new ours.toml --name ours
      then: blocksmith node --chain ours.toml")]
pub(super) struct NewArgs {
    /// The chain file to write, as in ours.toml
    file: PathBuf,
    /// The name of the chain
    #[arg(long, value_name = "NAME", value_parser = name)]
    name: String,
    /// The rules: forge adjusts the difficulty with every block, bitcoin-like every 2,016 blocks
    #[arg(long, value_name = "RULES", value_parser = ["forge", "bitcoin-like"], default_value = "forge")]
    rules: String,
    /// How many seconds a block should take [default: 15 with forge, 600 with bitcoin-like]
    #[arg(long, value_name = "SECONDS", value_parser = number::<u64>(1..=MAX_SPACING_S))]
    spacing: Option<u64>,
    /// Coins that an address has from the start, as in forge1…=12.5; repeat the flag for more
    #[arg(long = "balance", value_name = "ADDRESS=COINS", value_parser = balance)]
    balances: Vec<Balance>,
    /// What the addresses of the chain start with, before the 1 [default: forge]
    #[arg(long, value_name = "LETTERS", value_parser = Hrp::new)]
    addresses: Option<Hrp>,
    /// Print the chain's id, file and name as JSON
    #[arg(long)]
    json: bool,
}

/// The longest spacing: half-life and longest gap are up to 60 times as long.
const MAX_SPACING_S: u64 = MAX_INTEGER / 60;

/// The options make no valid chain.
#[derive(Debug, thiserror::Error)]
#[error("these options do not make a valid chain: {0}")]
pub struct NoChain(String);

/// Coins that an address has from the start. Whether it is an address of the chain is checked
/// later.
#[derive(Debug, Clone)]
struct Balance {
    address: String,
    units: u64,
}

pub(super) fn run(args: NewArgs) -> anyhow::Result<ExitCode> {
    let mut random = Hash([0; 32]);
    getrandom::fill(&mut random.0).context("the operating system gives no random bytes")?;
    let text = write(&args, now().micros / 1_000_000, &random)?;
    let chain = Chain::parse(&text).map_err(NoChain)?;
    write_new(&args.file, |file| Ok(file.write_all(text.as_bytes())?))?;
    let (id, file) = (chain.rules.chain_id().to_string(), path(&args.file));
    let mut out = stdout();
    if args.json {
        let made = json!({"chain_id": id, "file": file, "name": args.name});
        writeln!(out, "{}", text::json(&made.to_string()))?;
    } else {
        writeln!(out, "chain id {id}")?;
    }
    let file = format!(
        "wrote {file}. Give a copy of it to everyone who uses this chain; every `chain new` makes a \
         different chain. Run a node with\n  blocksmith node --chain {}",
        quoted(&file)
    );
    note(text::lines(file));
    Ok(ExitCode::SUCCESS)
}

/// The text of the file. Its values are checked when it is read.
fn write(args: &NewArgs, timestamp_s: u64, random: &Hash) -> anyhow::Result<String> {
    let rules = Rules::preset(&args.rules)?;
    let Family::Sealed(Sealed { hrp, emission, max_block_bytes, .. }) = rules.family else {
        unreachable!("both presets have signed payments")
    };
    let hrp = args.addresses.unwrap_or(hrp);
    let Emission { first, halving } = emission;
    let difficulty = difficulty(&rules.difficulty(), args.spacing);
    let mut text = format!(
        "\
# A chain with the rules of {preset} and a genesis block of its own.
#
# All nodes that run a file with these values run this chain, whatever its name is. A file with any
# other value is another chain with another id, and the two do not mix. Times are in seconds.
name = {name}
puzzle = \"seal\"

# The longest block, in bytes.
max_block_bytes = {max_block_bytes}

{difficulty}

# What addresses start with; what the first block pays its miner, in units (a coin has
# {UNITS_PER_COIN}); and the number of blocks after which that is halved.
[spending]
addresses = \"{hrp}\"
first_subsidy = {first}
halving_blocks = {halving}

# The first block: its time, in seconds since 1970, and its target. Its previous hash is not the hash
# of a block: the digits are random, so that a payment that is signed for this chain is valid on no
# other chain.
[genesis]
previous_hash = \"{random}\"
timestamp = {timestamp_s}
target = \"{target}\"
",
        preset = rules.name,
        name = toml::Value::from(args.name.as_str()),
        target = rules.genesis_target(),
    );
    if !args.balances.is_empty() {
        text.push_str("\n# The units that addresses have from the start.\n");
    }
    for Balance { address, units } in &args.balances {
        let why = |why: BadTyped| {
            let instead = typed::of_any_chain(address).map_or_else(String::new, |(_, key)| {
                format!("; its owner has {} on this chain", key.to_text(hrp))
            });
            NoChain(format!("--balance {address}: {why}{instead}"))
        };
        let address = typed::address(address, hrp).map_err(why)?.to_text(hrp);
        // Writing to a string can't fail.
        let _ = writeln!(text, "[[genesis.balances]]\naddress = \"{address}\"\namount = {units}\n");
    }
    Ok(text.trim_end().to_string() + "\n")
}

/// A preset's difficulty with another spacing, as text for a chain file.
fn difficulty(preset: &Difficulty, spacing: Option<u64>) -> String {
    match *preset {
        Difficulty::Asert { spacing_s, half_life_s, longest_gap_s, easiest } => {
            let spacing = spacing.unwrap_or(spacing_s);
            let (half_life, longest_gap) =
                (half_life_s / spacing_s * spacing, longest_gap_s / spacing_s * spacing);
            format!(
                "\
# A block should take spacing_s. A chain that is half_life_s ahead of that schedule has half the
# target, and one that is half_life_s behind has twice the target. A gap between two blocks counts as
# longest_gap_s at most: blocks stay hard enough after a night without miners. No target is above
# easiest.
[difficulty.asert]
spacing_s = {spacing}
half_life_s = {half_life}
longest_gap_s = {longest_gap}
easiest = \"{easiest}\""
            )
        }
        Difficulty::Epoch { blocks, spacing_s, clamp, easiest } => {
            let spacing = spacing.unwrap_or(spacing_s);
            format!(
                "\
# A block should take spacing_s. After each epoch of this many blocks the target changes with the time
# that they took, by a factor of clamp at most. No target is above easiest.
[difficulty.epoch]
blocks = {blocks}
spacing_s = {spacing}
clamp = {clamp}
easiest = \"{easiest}\""
            )
        }
        Difficulty::Fixed(_) => unreachable!("both presets have a difficulty that moves"),
    }
}

/// The path in a form that `--chain` takes for a file.
fn path(file: &Path) -> String {
    let text = file.display().to_string();
    if is_file(&text) { text } else { format!("./{text}") }
}

/// Quotes a text so that a shell reads it as one word.
pub(in crate::cmd) fn quoted(text: &str) -> String {
    let plain = |char: char| char.is_ascii_alphanumeric() || "._/:-".contains(char);
    if text.chars().all(plain) {
        return text.into();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

fn name(text: &str) -> Result<String, String> {
    if text.trim().is_empty() || text.len() > MAX_ID_BYTES || text.contains(char::is_control) {
        return Err(format!("it must be one line of text, at most {MAX_ID_BYTES} bytes long"));
    }
    if let Some(preset) = taken_for(text) {
        return Err(format!(
            "people would confuse this chain with {preset} and pay on the wrong one; choose another name"
        ));
    }
    Ok(text.into())
}

fn balance(text: &str) -> Result<Balance, String> {
    let (address, coins) =
        text.split_once('=').ok_or("it must be an address, = and a number of coins")?;
    let coins = Coins::parse_positive(coins).map_err(|error| error.to_string())?;
    Ok(Balance { address: address.into(), units: coins.units() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_to_the_option_and_to_the_shell() {
        for (file, expected) in [
            ("ours.toml", "ours.toml"),
            ("ours", "./ours"),
            ("a b.toml", "'a b.toml'"),
            ("it's.toml", r"'it'\''s.toml'"),
        ] {
            assert_eq!(quoted(&path(Path::new(file))), expected);
        }
    }
}
