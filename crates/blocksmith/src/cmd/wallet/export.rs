//! `blocksmith wallet export`.

use std::process::ExitCode;

use blocksmith_consensus::Hash;
use serde::Serialize;

use super::{Common, Which, note, path_of, print_line, print_secret_json};
use crate::text::json;

/// Show the wallet's addresses and public keys as JSON, or its words
#[derive(Debug, clap::Args)]
pub(super) struct ExportArgs {
    /// Show the words; anyone who has them has the coins
    #[arg(long)]
    words: bool,
    #[command(flatten)]
    which: Which,
}

#[derive(Serialize)]
struct Secrets<'a> {
    words: &'a str,
    passphrase: &'a str,
}

#[derive(Serialize)]
struct Public {
    chain: String,
    chain_id: String,
    addresses: Vec<Row>,
}

#[derive(Serialize)]
struct Row {
    path: String,
    address: String,
    public_key: String,
    label: String,
}

/// Shows what the flags ask for.
pub(super) fn run(common: &Common, args: &ExportArgs) -> anyhow::Result<ExitCode> {
    let chain = args.which.load()?;
    let wallet = common.open()?.wallet;
    if args.words {
        let (words, passphrase) = (wallet.phrase().text(), wallet.passphrase());
        note("Keep these words secret: anyone who has them can take the wallet's coins.");
        if !passphrase.is_empty() {
            note("To restore the wallet you also need the passphrase, which is the second line.");
        }
        if common.json {
            print_secret_json(&Secrets { words: &words, passphrase })?;
            return Ok(ExitCode::SUCCESS);
        }
        print_line(&words)?;
        if !passphrase.is_empty() {
            print_line(passphrase)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    let rows = wallet.addresses().map(|entry| Row {
        path: path_of(&entry),
        address: entry.address.to_text(chain.domain.hrp),
        public_key: Hash(*entry.address.key()).to_string(),
        label: entry.label.into(),
    });
    let public = Public {
        chain: chain.name,
        chain_id: chain.domain.chain_id.to_string(),
        addresses: rows.collect(),
    };
    print_line(&json(&serde_json::to_string_pretty(&public)?))?;
    Ok(ExitCode::SUCCESS)
}
