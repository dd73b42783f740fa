//! `blocksmith wallet history`.

use std::collections::HashSet;
use std::fmt::Write as _;
use std::process::ExitCode;

use blocksmith_api::{HexHash, Place};
use blocksmith_consensus::Hash;
use blocksmith_consensus::address::{Address, Hrp};
use blocksmith_consensus::payment::{COINBASE_SENDER, Domain, Verified, VerifiedEntry as Entry};
use serde::Serialize;

use super::node::{Node, NodeError, Page, Placed};
use super::{Common, NodeArgs};
use crate::amount::Coins;
use crate::cmd::values::number;

/// The most transactions that the command shows.
const MAX_LIMIT: u16 = 10_000;

/// Show what the wallet's addresses paid and were paid, the newest first
#[derive(Debug, clap::Args)]
pub(super) struct HistoryArgs {
    /// How many transactions at most; those that wait come on top
    #[arg(long, value_name = "N", default_value_t = 20, value_parser = number::<u16>(1..=u64::from(MAX_LIMIT)))]
    limit: u16,
    #[command(flatten)]
    node: NodeArgs,
}

/// The effect of a transaction on the wallet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
enum Direction {
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
}

impl RowPlace {
    const WAITING: Self =
        Self { status: "queued", block: None, hash: None, position: None, confirmations: 0 };

    fn of(Place { block, hash, position, confirmations }: Place) -> Self {
        let (block, hash, position) = (Some(block), Some(hash), Some(position));
        Self { status: "confirmed", block, hash, position, confirmations }
    }
}

/// Amounts in units.
#[derive(Debug, Serialize)]
struct Row {
    id: String,
    #[serde(flatten)]
    spot: RowPlace,
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
    let (mut queued, mut placed) = (Vec::new(), Vec::new());
    for address in &own {
        let (waiting, mut confirmed) =
            newest(&node, &address.to_text(hrp), &remote.domain, limit).await?;
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

    let waiting = queued.into_iter().map(|payment| {
        let id = payment.id();
        Row::of(id, RowPlace::WAITING, &Entry::Payment(payment), &own, hrp)
    });
    let confirmed = placed
        .into_iter()
        .map(|Placed { place, id, entry }| Row::of(id, RowPlace::of(place), &entry, &own, hrp));
    let rows: Vec<Row> = waiting.chain(confirmed).collect();
    common.print(|| table(&rows), &rows)?;
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
    fn of(id: Hash, spot: RowPlace, entry: &Entry, own: &[Address], hrp: Hrp) -> Self {
        let id = id.to_string();
        match entry {
            Entry::Coinbase(coin) => Self {
                id,
                spot,
                direction: Direction::Mined,
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

    /// The change to the wallet's balance, and the other party.
    fn change(&self) -> (String, String) {
        let amount = Coins::from_units(self.amount);
        let Self { sender, recipient, .. } = self;
        match self.direction {
            Direction::Mined => (format!("+{amount}"), format!("mined by {recipient}")),
            Direction::Received => (format!("+{amount}"), format!("from {sender}")),
            Direction::Sent => (format!("-{amount}"), format!("to {recipient}")),
            Direction::Moved => (amount.to_string(), format!("to your own {recipient}")),
        }
    }
}

fn table(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "nothing was paid yet, neither to this wallet nor by it".into();
    }
    let mut table = format!("{:>8}  {:>13}  {:>20}", "block", "confirmations", "coins");
    for row in rows {
        let block = row.spot.block.map_or("waits".into(), |block| block.to_string());
        let confirmations = row.spot.confirmations;
        let (amount, with) = row.change();
        let _ = write!(table, "\n{block:>8}  {confirmations:>13}  {amount:>20}  {with}");
        if let (fee @ 1.., Direction::Sent | Direction::Moved) = (row.fee, row.direction) {
            let _ = write!(table, "  fee {}", Coins::from_units(fee));
        }
        if let Some(memo) = &row.memo {
            // Quoted, since another party's text may hold control sequences for the terminal.
            let _ = write!(table, "  {memo:?}");
        }
    }
    table
}
