//! `blocksmith wallet balance`.

use std::fmt::Write as _;
use std::process::ExitCode;

use serde::Serialize;

use super::chain_name::Name;
use super::{Common, NodeArgs};
use crate::amount::Coins;

/// Show what the wallet's addresses have
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
    addresses: Vec<Row>,
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
        addresses,
    };
    common.print(|| table(&balance), &balance)?;
    node.is_quoted();
    Ok(ExitCode::SUCCESS)
}

fn table(balance: &Balance) -> String {
    let mut table = String::new();
    for row in &balance.addresses {
        let coins = Coins::from_units(row.balance);
        let _ = write!(table, "{}  {coins:>20}  {}", row.address, row.label);
        table.truncate(table.trim_end().len());
        match row.waiting {
            0 => {}
            1 => table.push_str("  (1 payment waits)"),
            waiting => {
                let _ = write!(table, "  ({waiting} payments wait)");
            }
        }
        table.push('\n');
    }
    let width = balance.addresses.first().map_or(0, |row| row.address.len());
    let _ = write!(table, "{:<width$}  {:>20}", "in all", Coins::from_units(balance.balance));
    table
}
