//! `blocksmith leaderboard`: who mined the most.

use std::io::Write as _;
use std::process::ExitCode;

use blocksmith_api::{Leaderboard, Miner};
use console::{measure_text_width, truncate_str};
use reqwest::Url;

use super::asked::{Asked, DEFAULT_NODE, name};
use super::output::stdout;
use super::values::{number, server};
use super::wallet::{aligned, columns};
use crate::amount::Coins;
use crate::text::{escaped, json};

/// How many miners are shown unless the command says it.
const USUAL: usize = 20;

/// The fewest columns of a name.
const MIN_NAME: usize = 12;

/// The most columns of a name where lines have any length.
const MAX_NAME: usize = 100;

/// Show who mined the most coins on the chain of a running node
#[derive(Debug, clap::Args)]
pub struct LeaderboardArgs {
    /// The node to ask
    #[arg(long, value_name = "URL", env = "BLOCKSMITH_NODE", default_value = DEFAULT_NODE, value_parser = server)]
    node: Url,
    /// How many miners to show, at most 1,000
    #[arg(long, value_name = "N", default_value_t = USUAL, value_parser = number::<usize>(1..=1_000))]
    limit: usize,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// Fails if the node does not answer, or refuses.
pub async fn run(args: LeaderboardArgs) -> anyhow::Result<ExitCode> {
    let asked = Asked::new(&args.node, "blocksmith leaderboard".into())?;
    let indexed = |board: &Leaderboard| Some(board.indexed.index);
    let board = asked.indexed(async |node| node.leaderboard(args.limit).await, indexed).await?;
    let said = if args.json {
        json(&serde_json::to_string(&board)?)
    } else {
        let status = asked.client.status().await.map_err(|error| asked.no_answer(error))?;
        table(&board, status.signed, columns())
    };
    writeln!(stdout(), "{said}")?;
    Ok(ExitCode::SUCCESS)
}

/// The miners, each in a line of so many columns if that is possible.
fn table(board: &Leaderboard, signed: bool, columns: Option<usize>) -> String {
    if board.miners.is_empty() {
        return format!("no block up to block {} has a miner", board.indexed.index);
    }
    let coins = |miner: &Miner| match u64::try_from(miner.coins) {
        Ok(units) if signed => Coins::from_units(units).to_string(),
        _ => miner.coins.to_string(),
    };
    let coins: Vec<_> = board.miners.iter().map(coins).collect();
    let coins = aligned(coins.iter().map(String::as_str));
    let width = |titled: &str, of: &dyn Fn(&Miner) -> String| {
        board.miners.iter().map(|miner| of(miner).len()).max().unwrap_or(0).max(titled.len())
    };
    let rank = width("#", &|miner| miner.rank.to_string());
    let amount = coins[0].len().max("coins".len());
    let blocks = width("blocks", &|miner| miner.blocks.to_string());
    let last = width("last block", &|miner| miner.last_block.to_string());
    let mut lines = vec![format!(
        "{:>rank$}  {:>amount$}  {:>blocks$}  {:>8}  {:>last$}  miner",
        "#", "coins", "blocks", "share", "last block"
    )];
    let room = columns.map_or(MAX_NAME, |columns| {
        let used = measure_text_width(&lines[0]) - "miner".len();
        columns.saturating_sub(used).max(MIN_NAME)
    });
    for (miner, coins) in board.miners.iter().zip(coins) {
        let (share, blocks_mined) = (format!("{:.2} %", miner.share.0 * 100.0), miner.blocks);
        let party = if signed { escaped(&miner.party).to_string() } else { name(&miner.party) };
        let party = truncate_str(&party, room, "…");
        lines.push(format!(
            "{:>rank$}  {coins:>amount$}  {blocks_mined:>blocks$}  {share:>8}  {:>last$}  {party}",
            miner.rank, miner.last_block
        ));
    }
    lines.join("\n")
}

#[cfg(test)]
mod tests {
    use blocksmith_api::{HexHash, Indexed, Number};
    use blocksmith_consensus::Hash;

    use super::*;

    #[test]
    fn lines_fit_the_terminal_and_names_do_nothing_to_it() {
        let miner = |rank, party: &str, coins| Miner {
            rank,
            party: party.into(),
            coins,
            blocks: 1_000_000,
            share: Number(1.0 / 3.0),
            last_block: 12_345_678,
        };
        let names = [
            "ann",
            "\u{1b}[2J\u{202e}\nx",
            &"long ".repeat(40),
            "",
            "漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字",
        ];
        let miners =
            (1..).zip(names).map(|(rank, name)| miner(rank, name, 5_000_000 - i128::from(rank)));
        let indexed = Indexed { index: 12_345_678, hash: HexHash(Hash([0; 32])) };
        let mut board = Leaderboard { blocks: 3_000_000, miners: miners.collect(), indexed };
        let said = table(&board, false, Some(80));
        let lines: Vec<_> = said.lines().collect();
        assert_eq!(lines.len(), 6, "{said}");
        assert!(lines.iter().all(|line| measure_text_width(line) <= 80), "{said}");
        assert_eq!(lines[0], "#    coins   blocks     share  last block  miner");
        assert_eq!(lines[1], "1  4999999  1000000   33.33 %    12345678  \"ann\"");
        assert!(lines[2].ends_with(r#""\u001b[2J\u202e\nx""#), "{said}");
        assert!(lines[3].ends_with('…') && lines[4].ends_with("  \"\""), "{said}");
        board.miners.clear();
        assert_eq!(table(&board, false, None), "no block up to block 12345678 has a miner");
        board.miners.push(miner(1, "forge1qqq", 150_000_000));
        assert!(
            table(&board, true, None).ends_with("  1.5  1000000   33.33 %    12345678  forge1qqq")
        );
    }
}
