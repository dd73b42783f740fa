//! `blocksmith account`: what an account has.

use std::io::Write as _;
use std::process::ExitCode;

use blocksmith_api::{AnyAccount, WaitingTransaction};
use reqwest::Url;

use super::asked::{Asked, DEFAULT_NODE, name};
use super::chain::quoted;
use super::output::stdout;
use super::turn;
use super::values::server;
use crate::amount::Coins;
use crate::text::{json, shown};

/// How much of a name is shown, in characters; `--json` has all of it.
pub(super) const MAX_SHOWN: usize = 60;

/// Show what an account has on the chain of a running node
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  blocksmith account alice
  blocksmith account 0 --node http://localhost:5001 --json")]
pub struct AccountArgs {
    /// Any name; an address where payments are signed
    #[arg(value_name = "PARTY")]
    party: String,
    /// The node to ask
    #[arg(long, value_name = "URL", env = "BLOCKSMITH_NODE", default_value = DEFAULT_NODE, value_parser = server)]
    node: Url,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// Runs the command.
///
/// # Errors
/// Fails if the node does not answer, or refuses.
pub async fn run(args: AccountArgs) -> anyhow::Result<ExitCode> {
    let asked = Asked::new(&args.node, format!("blocksmith account {}", quoted(&args.party)))?;
    let indexed = |account: &AnyAccount| match account {
        AnyAccount::Address(_) => None,
        AnyAccount::Party(account) => Some(account.indexed.index),
    };
    let account = asked.indexed(async |node| node.any_account(&args.party).await, indexed).await?;
    let said = if args.json { json(&serde_json::to_string(&account)?) } else { table(&account) };
    writeln!(stdout(), "{said}")?;
    Ok(ExitCode::SUCCESS)
}

/// The account in lines of at most 80 columns.
fn table(account: &AnyAccount) -> String {
    let (title, rows) = match account {
        AnyAccount::Address(account) => {
            let mut rows = vec![
                ("balance", Coins::from_units(account.balance).to_string()),
                ("transactions", account.transactions.to_string()),
                ("next nonce", account.next_nonce.to_string()),
            ];
            rows.extend(waiting([&account.outgoing, &account.incoming], "payment"));
            (shown(&account.party, 2 * MAX_SHOWN), rows)
        }
        AnyAccount::Party(account) => {
            let mut rows = vec![
                ("balance", account.balance.to_string()),
                ("received", account.received.to_string()),
                ("sent", account.sent.to_string()),
                ("mined", account.mined.to_string()),
                ("blocks", account.blocks.to_string()),
                ("transactions", account.transactions.to_string()),
            ];
            if let Some(last) = account.last_block {
                rows[4].1 += &format!(", the last is block {last}");
            }
            rows.extend(waiting([&account.outgoing, &account.incoming], "transaction"));
            if account.uncounted > 0 {
                let uncounted = account.uncounted;
                rows.push((
                    "uncounted",
                    format!("{uncounted}, whose amounts are no integers or too large"),
                ));
            }
            rows.push(("up to block", account.indexed.index.to_string()));
            (cut(&account.party, MAX_SHOWN), rows)
        }
    };
    let rows = rows.into_iter().map(|(what, value)| format!("\n{what:<14}{value}"));
    title + &rows.collect::<String>()
}

/// The rows about what waits from a party and for it.
fn waiting(
    lists: [&Vec<WaitingTransaction>; 2],
    what: &str,
) -> impl Iterator<Item = (&'static str, String)> {
    let rows = ["outgoing", "incoming"].into_iter().zip(lists);
    let rows = rows.filter(|(_, waiting)| !waiting.is_empty());
    rows.map(move |(name, waiting)| (name, turn::all_told(waiting, what)))
}

/// A name between quotes, at most so many characters of it.
pub(super) fn cut(party: &str, most: usize) -> String {
    match party.char_indices().nth(most) {
        None => name(party),
        Some((end, _)) => name(&party[..end]) + "…",
    }
}
