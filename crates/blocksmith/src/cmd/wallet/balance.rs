//! `blocksmith wallet balance`.

use std::fmt::Write as _;
use std::process::ExitCode;

use blocksmith_consensus::address::Address;
use serde::Serialize;

use super::chain_name::Name;
use super::table::{aligned, columns, shortened};
use super::waiting::{Waiting, waiting};
use super::{Common, NodeArgs, note};
use crate::amount::Coins;

/// Show what the wallet has, what waits for a block, and what each address has
#[derive(Debug, clap::Args)]
pub(super) struct BalanceArgs {
    #[command(flatten)]
    node: NodeArgs,
}

#[derive(Serialize)]
struct Balance {
    /// `None` if the wallet does not know the chain's name.
    chain: Option<String>,
    chain_id: String,
    balance: u64,
    /// What payments that wait bring, and what they take with their fees.
    incoming: u64,
    outgoing: u64,
    addresses: Vec<Row>,
    #[serde(skip)]
    waiting: Waiting,
}

#[derive(Serialize)]
struct Row {
    address: String,
    label: String,
    balance: u64,
    nonce: u64,
    next_nonce: u64,
    transactions: u64,
    #[serde(skip)]
    waiting: u64,
}

/// Shows balances.
pub(super) async fn run(common: &Common, args: &BalanceArgs) -> anyhow::Result<ExitCode> {
    let (node, mut remote) = args.node.meet().await?;
    let opened = common.open()?;
    remote.recall(&opened.wallet);
    let own: Vec<Address> = opened.wallet.addresses().map(|entry| entry.address).collect();
    let waits = Waiting::of(&waiting(&node, &remote.domain, &own).await?, &own);
    let mut addresses = Vec::new();
    for entry in opened.wallet.addresses() {
        let address = entry.address.to_text(remote.domain.hrp);
        let account = node.account(&address).await?;
        addresses.push(Row {
            address,
            label: entry.label.into(),
            balance: account.balance,
            nonce: account.nonce,
            next_nonce: account.next_nonce,
            transactions: account.transactions,
            waiting: account.waiting(),
        });
    }
    let balance = Balance {
        chain: match remote.name {
            Name::Known(name) | Name::Kept(name) => Some(name),
            Name::Unconfirmed(_) => None,
        },
        chain_id: remote.domain.chain_id.to_string(),
        balance: addresses.iter().map(|row| row.balance).fold(0, u64::saturating_add),
        incoming: waits.incoming,
        outgoing: waits.outgoing,
        addresses,
        waiting: waits,
    };
    let (table, is_shortened) = table(&balance, columns());
    common.print(|| table, &balance)?;
    if is_shortened && !common.json {
        note("`blocksmith wallet address` shows whole addresses.");
    }
    node.is_quoted();
    Ok(ExitCode::SUCCESS)
}

/// What the wallet has, and then each address, in so many columns if that is possible. The second
/// value is whether addresses were shortened.
fn table(balance: &Balance, columns: Option<usize>) -> (String, bool) {
    let rows = &balance.addresses;
    let coins: Vec<_> = rows.iter().map(|row| Coins::from_units(row.balance).to_string()).collect();
    let amounts = aligned(coins.iter().map(String::as_str));
    let address = rows.first().map_or(0, |row| row.address.len());
    let amount = amounts.first().map_or(0, String::len);
    let is_whole = columns.is_none_or(|columns| address + 2 + amount <= columns);
    let mut table = balance.waiting.told(balance.balance) + "\n";
    for (row, amount) in rows.iter().zip(amounts) {
        let address = if is_whole { row.address.clone() } else { shortened(&row.address) };
        let _ = write!(table, "\n{address}  {amount}");
        table.truncate(table.trim_end().len());
        let waits = match row.waiting {
            0 => String::new(),
            1 => "(1 payment waits)".into(),
            waiting => format!("({waiting} payments wait)"),
        };
        for more in [row.label.as_str(), &waits].into_iter().filter(|more| !more.is_empty()) {
            // A narrow line has no room for more.
            let _ = write!(table, "{}  {more}", if is_whole { "" } else { "\n" });
        }
    }
    (table, !is_whole)
}
