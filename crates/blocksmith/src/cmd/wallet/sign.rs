//! `blocksmith wallet sign`: signs a payment without a node, also on a machine without a network.

use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

use blocksmith_consensus::payment::{Draft, MAX_INTEGER};

use super::{Common, Known, Offline, parse_address, print_line};
use crate::amount::Coins;
use crate::cmd::values::{amount, number};
use crate::cmd::write_new;

/// Sign a payment without a node, and print it
///
/// Anyone who has the text can send it, once, with `blocksmith wallet send --signed`. The wallet keeps no
/// copy.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  blocksmith wallet sign ADDRESS 2.5 --nonce 0 --fee 0.001 --out payment.json")]
pub(super) struct SignArgs {
    /// The address to pay
    #[arg(value_name = "ADDRESS")]
    recipient: String,
    /// How many coins to pay
    #[arg(value_name = "AMOUNT", value_parser = amount)]
    amount: Coins,
    /// How many payments the paying address has made before: `next_nonce` of `wallet balance --json`
    #[arg(long, value_name = "N", value_parser = number::<u64>(0..=MAX_INTEGER))]
    nonce: u64,
    /// The fee for the miner, in coins
    #[arg(long, value_name = "COINS")]
    fee: Coins,
    /// The wallet's address that pays [default: the only one]
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
    /// A text that goes with the payment; all users of the chain can read it
    #[arg(long, value_name = "TEXT", value_parser = super::memo)]
    memo: Option<String>,
    /// Write the payment into this new file, and do not print it
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    #[command(flatten)]
    chain: Offline,
}

/// Signs a payment.
pub(super) fn run(common: &Common, args: &SignArgs) -> anyhow::Result<ExitCode> {
    let Known { domain, dev_keys, .. } = args.chain.load()?;
    let recipient = parse_address(&args.recipient, &domain)?;
    let opened = common.open()?;
    let draft = Draft {
        sender: opened.payer(args.from.as_deref(), &domain)?,
        recipient,
        amount: args.amount.units(),
        fee: args.fee.units(),
        nonce: args.nonce,
        memo: args.memo.as_deref(),
    };
    let payment = opened.wallet.sign(&draft, &domain, dev_keys)?;
    match &args.out {
        Some(path) => write_new(path, |file| Ok(writeln!(file, "{}", payment.text())?))?,
        None => print_line(payment.text())?,
    }
    Ok(ExitCode::SUCCESS)
}
