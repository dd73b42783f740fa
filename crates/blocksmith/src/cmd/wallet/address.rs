//! `blocksmith wallet address`.

use std::process::ExitCode;

use serde::Serialize;

use super::{Common, Which, code, path_of};

/// Show the wallet's addresses, or make another one
#[derive(Debug, clap::Args)]
pub(super) struct AddressArgs {
    /// Make another address, and show that one
    #[arg(long)]
    new: bool,
    /// A name for the new address; only you see it
    #[arg(long, value_name = "TEXT", requires = "new")]
    label: Option<String>,
    /// Draw each address as a QR code
    #[arg(long, conflicts_with = "json")]
    qr: bool,
    #[command(flatten)]
    which: Which,
}

#[derive(Serialize)]
struct Row {
    index: u32,
    path: String,
    address: String,
    label: String,
}

/// Shows addresses, after making a new one if that is asked for.
pub(super) fn run(common: &Common, args: &AddressArgs) -> anyhow::Result<ExitCode> {
    let hrp = args.which.load()?.domain.hrp;
    let mut opened = common.open()?;
    let mut skipped = 0;
    if args.new {
        skipped = opened.wallet.addresses().count();
        opened.wallet.add_address(args.label.as_deref().unwrap_or_default())?;
        // The address is in the file before it is shown.
        opened.save()?;
    }
    let rows: Vec<Row> = opened
        .wallet
        .addresses()
        .skip(skipped)
        .map(|entry| Row {
            index: entry.index,
            path: path_of(&entry),
            address: entry.address.to_text(hrp),
            label: entry.label.into(),
        })
        .collect();
    let line = |Row { address, label, .. }: &Row| {
        let line = format!("{address}  {label}").trim_end().to_owned();
        if args.qr { format!("{}\n{line}", code::draw(address)) } else { line }
    };
    common.print(|| rows.iter().map(line).collect::<Vec<_>>().join("\n"), &rows)?;
    Ok(ExitCode::SUCCESS)
}
