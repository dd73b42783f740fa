//! `blocksmith wallet history`.

use std::collections::{HashMap, HashSet};
use std::process::ExitCode;

use blocksmith_api::{HexHash, Place, Waits};
use blocksmith_consensus::Hash;
use blocksmith_consensus::address::{Address, Hrp};
use blocksmith_consensus::payment::{COINBASE_SENDER, Domain, Verified, VerifiedEntry as Entry};
use serde::Serialize;

use super::node::{Node, NodeError, Page, Placed};
use super::table::{aligned, columns, shortened};
use super::waiting::Waiting;
use super::{Common, GENESIS_INDEX, NodeArgs, note};
use crate::amount::Coins;
use crate::calendar::date;
use crate::cmd::values::number;
use crate::cmd::{counted, turn};

/// The most transactions that the command shows.
const MAX_LIMIT: u16 = 10_000;

/// Show what the wallet has, what waits for a block, and all transactions, the newest first
#[derive(Debug, clap::Args)]
pub(super) struct HistoryArgs {
    /// Show at most this many transactions; payments that wait for a block are always shown
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = number::<u16>(1..=u64::from(MAX_LIMIT)))]
    limit: u16,
    #[command(flatten)]
    node: NodeArgs,
}

/// The effect of a transaction on the wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Direction {
    /// By the first block, which is not mined.
    Allotted,
    Mined,
    Received,
    Sent,
    /// From the wallet to itself.
    Moved,
}

/// Where a transaction is; one that waits is in no block yet.
#[derive(Debug, Serialize)]
struct RowPlace {
    status: &'static str,
    block: Option<u64>,
    hash: Option<HexHash>,
    position: Option<u32>,
    confirmations: u64,
    /// When its turn comes, as the node says.
    #[serde(skip_serializing_if = "Option::is_none")]
    waits: Option<Waits>,
}

impl RowPlace {
    fn waiting(status: &'static str, waits: Option<Waits>) -> Self {
        Self { status, block: None, hash: None, position: None, confirmations: 0, waits }
    }

    fn of(Place { block, hash, position, confirmations }: Place) -> Self {
        let (block, hash, position) = (Some(block), Some(hash), Some(position));
        Self { status: "confirmed", block, hash, position, confirmations, waits: None }
    }
}

/// Amounts in units.
#[derive(Debug, Serialize)]
struct Row {
    id: String,
    #[serde(flatten)]
    spot: RowPlace,
    /// The time of its block, in seconds since 1970.
    timestamp: Option<u64>,
    direction: Direction,
    sender: String,
    recipient: String,
    amount: u64,
    /// Zero for a coinbase.
    fee: u64,
    nonce: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    memo: Option<String>,
}

/// Shows the history.
pub(super) async fn run(common: &Common, args: &HistoryArgs) -> anyhow::Result<ExitCode> {
    let (node, remote) = args.node.meet().await?;
    let opened = common.open()?;
    let own: Vec<Address> = opened.wallet.addresses().map(|entry| entry.address).collect();
    let hrp = remote.domain.hrp;
    let limit = usize::from(args.limit);
    let (mut queued, mut placed, mut balance) = (Vec::new(), Vec::new(), 0_u64);
    let (mut turns, mut held) = (HashMap::new(), Vec::new());
    for address in &own {
        let text = address.to_text(hrp);
        let account = node.account(&text).await?;
        balance = balance.saturating_add(account.balance);
        let waiting = account.outgoing.iter().chain(&account.incoming);
        turns.extend(waiting.map(|waiting| (waiting.id.0, waiting.waits)));
        held.extend(node.held(&account, *address, &remote.domain)?);
        let (waiting, mut confirmed) = newest(&node, &text, &remote.domain, limit).await?;
        queued.extend(waiting);
        placed.append(&mut confirmed);
    }
    // The newest first, whichever address they belong to.
    placed.sort_by_key(|placed| std::cmp::Reverse((placed.place.block, placed.place.position)));
    // What the wallet pays to itself is in the histories of both addresses.
    let mut seen = HashSet::new();
    queued.retain(|payment| seen.insert(payment.id()));
    placed.retain(|placed| seen.insert(placed.id));
    placed.truncate(limit);

    let head = Waiting::of(&queued, &own).told(balance);
    held.retain(|(payment, _)| seen.insert(payment.id()));
    let queued = queued.into_iter().map(|payment| {
        let turn = turns.get(&payment.id()).copied();
        (payment, RowPlace::waiting("queued", turn))
    });
    let held =
        held.into_iter().map(|(payment, waits)| (payment, RowPlace::waiting("held", Some(waits))));
    let waiting = queued.chain(held).map(|(payment, spot)| {
        let id = payment.id();
        Row::of(id, spot, None, &Entry::Payment(payment), &own, hrp)
    });
    let confirmed = placed.into_iter().map(|Placed { place, timestamp, id, entry }| {
        Row::of(id, RowPlace::of(place), timestamp, &entry, &own, hrp)
    });
    let rows: Vec<Row> = waiting.chain(confirmed).collect();
    let (table, is_shortened) = table(&rows, columns());
    common.print(|| format!("{head}\n\n{table}"), &rows)?;
    if is_shortened && !common.json {
        note("--json shows the ids of transactions and whole addresses.");
    }
    node.is_quoted();
    Ok(ExitCode::SUCCESS)
}

/// The payments that wait for an address, and its newest transactions on the chain, at most
/// `limit`.
async fn newest(
    node: &Node,
    address: &str,
    domain: &Domain,
    limit: usize,
) -> Result<(Vec<Verified>, Vec<Placed>), NodeError> {
    let (mut waiting, mut all, mut before) = (Vec::new(), Vec::new(), None);
    while all.len() < limit {
        let page = node.history(address, domain, limit - all.len(), before.as_deref()).await?;
        let Page { queued, mut placed, next } = page;
        waiting.extend(queued);
        // A node that answers empty pages with a next one would be asked for ever.
        let is_last = next.is_none() || placed.is_empty();
        all.append(&mut placed);
        before = next;
        if is_last {
            break;
        }
    }
    Ok((waiting, all))
}

impl Row {
    fn of(
        id: Hash,
        spot: RowPlace,
        timestamp: Option<u64>,
        entry: &Entry,
        own: &[Address],
        hrp: Hrp,
    ) -> Self {
        let id = id.to_string();
        let is_first = spot.block == Some(GENESIS_INDEX);
        match entry {
            Entry::Coinbase(coin) => Self {
                id,
                spot,
                timestamp,
                direction: if is_first { Direction::Allotted } else { Direction::Mined },
                sender: COINBASE_SENDER.into(),
                recipient: coin.recipient.to_text(hrp),
                amount: coin.amount,
                fee: 0,
                nonce: coin.nonce,
                memo: None,
            },
            Entry::Payment(payment) => Self {
                id,
                spot,
                timestamp,
                direction: match (
                    own.contains(&payment.sender()),
                    own.contains(&payment.recipient()),
                ) {
                    (true, true) => Direction::Moved,
                    (true, false) => Direction::Sent,
                    (false, _) => Direction::Received,
                },
                sender: payment.sender().to_text(hrp),
                recipient: payment.recipient().to_text(hrp),
                amount: payment.amount(),
                fee: payment.fee(),
                nonce: payment.nonce(),
                memo: payment.memo().map(|memo| memo.into_owned()),
            },
        }
    }

    /// The change to the wallet's balance.
    fn change(&self) -> String {
        let amount = Coins::from_units(self.amount);
        match self.direction {
            Direction::Allotted | Direction::Mined | Direction::Received => format!("+{amount}"),
            Direction::Sent => format!("-{amount}"),
            Direction::Moved => amount.to_string(),
        }
    }

    /// What the row says of an address, and which one that is.
    fn with(&self) -> (&'static str, &str) {
        match self.direction {
            Direction::Allotted => ("given to", &self.recipient),
            Direction::Mined => ("mined by", &self.recipient),
            Direction::Received => ("from", &self.sender),
            Direction::Sent => ("to", &self.recipient),
            Direction::Moved => ("to your own", &self.recipient),
        }
    }

    /// When the transaction came into a block, or that it waits for one.
    fn time(&self) -> String {
        match (self.spot.block, self.timestamp) {
            (None, _) => "waits".into(),
            (_, Some(timestamp)) => date(timestamp).strftime("%Y-%m-%d %H:%M").to_string(),
            (_, None) => String::new(),
        }
    }

    /// What only some rows have.
    fn details(&self) -> String {
        let mut details = Vec::new();
        if self.direction == Direction::Allotted {
            details.push("by the first block of the chain".into());
        }
        if let (fee @ 1.., Direction::Sent | Direction::Moved) = (self.fee, self.direction) {
            details.push(format!("fee {}", Coins::from_units(fee)));
        }
        details.extend(self.spot.waits.as_ref().map(turn::told));
        if let Some(memo) = &self.memo {
            // Quoted, since another party's text may hold control sequences for the terminal.
            details.push(format!("{memo:?}"));
        }
        details.join(", ")
    }
}

/// The columns of the table, each as wide as its widest cell.
struct Widths {
    amount: usize,
    kind: usize,
    address: usize,
    block: usize,
}

impl Widths {
    /// The length of a line.
    fn line(&self) -> usize {
        [TIME.len(), self.amount, self.kind + 1 + self.address, self.block, CONFIRMATIONS.len()]
            .into_iter()
            .sum::<usize>()
            + 4 * GAP.len()
    }
}

/// The title of the first column, which is as wide as a time.
const TIME: &str = "time (UTC)      ";
const CONFIRMATIONS: &str = "confirmations";
const GAP: &str = "  ";

/// The rows, in lines of at most so many columns if that is possible: with whole addresses, with
/// shortened ones, or in several short lines each. The second value is whether they were shortened.
fn table(rows: &[Row], columns: Option<usize>) -> (String, bool) {
    if rows.is_empty() {
        return ("There are no transactions yet.".into(), false);
    }
    let changes: Vec<_> = rows.iter().map(Row::change).collect();
    let amounts = aligned(changes.iter().map(String::as_str));
    let block = |row: &Row| row.spot.block.map(|block| block.to_string()).unwrap_or_default();
    let widest = |lengths: &mut dyn Iterator<Item = usize>| lengths.max().unwrap_or(0);
    let mut widths = Widths {
        amount: amounts[0].len().max("coins".len()),
        kind: widest(&mut rows.iter().map(|row| row.with().0.len())),
        address: widest(&mut rows.iter().map(|row| row.with().1.len())),
        block: widest(&mut rows.iter().map(|row| block(row).len())).max("block".len()),
    };
    let fits = |widths: &Widths| columns.is_none_or(|columns| widths.line() <= columns);
    let is_whole = fits(&widths);
    let address = |row: &Row| {
        let address = row.with().1;
        if is_whole { address.to_owned() } else { shortened(address) }
    };
    widths.address = widest(&mut rows.iter().map(|row| address(row).chars().count()));
    let Widths { amount: wide, kind: kinds, address: addresses, block: blocks } = widths;
    if !fits(&widths) {
        return (stacked(rows, &amounts), true);
    }
    let with = kinds + 1 + addresses;
    let (time, confirmed) = (TIME.len(), CONFIRMATIONS.len());
    let mut lines = vec![format!(
        "{TIME}  {:>wide$}  {:with$}  {:>blocks$}  {CONFIRMATIONS}",
        "coins", "", "block"
    )];
    for (row, amount) in rows.iter().zip(&amounts) {
        let confirmations = row.spot.block.map(|_| row.spot.confirmations.to_string());
        lines.push(format!(
            "{:time$}  {amount:>wide$}  {:kinds$} {:addresses$}  {:>blocks$}  {:>confirmed$}",
            row.time(),
            row.with().0,
            address(row),
            block(row),
            confirmations.unwrap_or_default()
        ));
        let details = row.details();
        if !details.is_empty() {
            lines.push(format!("{:time$}  {details}", ""));
        }
    }
    (trimmed(&lines), !is_whole)
}

/// The rows in several short lines each.
fn stacked(rows: &[Row], amounts: &[String]) -> String {
    let mut lines = Vec::new();
    for (row, amount) in rows.iter().zip(amounts) {
        let (kind, address) = row.with();
        lines.push(format!("{:<width$}  {amount}", row.time(), width = TIME.len()));
        lines.push(format!("  {kind} {}", shortened(address)));
        if let Some(block) = row.spot.block {
            let confirmations = counted(row.spot.confirmations, "confirmation");
            lines.push(format!("  block {block}, {confirmations}"));
        }
        let details = row.details();
        if !details.is_empty() {
            lines.push(format!("  {details}"));
        }
    }
    trimmed(&lines)
}

fn trimmed(lines: &[String]) -> String {
    lines.iter().map(|line| line.trim_end()).collect::<Vec<_>>().join("\n")
}
