//! `blocksmith wallet verify`.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use blocksmith_consensus::address::Hrp;
use blocksmith_consensus::payment::{MAX_WIRE_BYTES, Payment};
use serde::Serialize;

use super::{Common, Known, Which, print_json};
use crate::amount::Coins;
use crate::cmd::exit;

/// Check a signed payment, without any node
///
/// Whether its sender has the coins, only a node can tell.
#[derive(Debug, clap::Args)]
pub(super) struct VerifyArgs {
    /// The file with the payment's JSON; - is the standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    #[command(flatten)]
    which: Which,
}

/// What a payment says, amounts in units.
#[derive(Debug, Serialize)]
pub(super) struct Said {
    pub(super) id: String,
    pub(super) sender: String,
    pub(super) recipient: String,
    pub(super) amount: u64,
    pub(super) fee: u64,
    pub(super) nonce: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) memo: Option<String>,
}

impl Said {
    pub(super) fn of(payment: &Payment, hrp: Hrp) -> Self {
        Self {
            id: payment.id().to_string(),
            sender: payment.sender().to_text(hrp),
            recipient: payment.recipient().to_text(hrp),
            amount: payment.amount(),
            fee: payment.fee(),
            nonce: payment.nonce(),
            memo: payment.memo().map(|memo| memo.into_owned()),
        }
    }

    fn lines(&self) -> String {
        let Self { id, sender, recipient, amount, fee, nonce, memo } = self;
        let (amount, fee) = (Coins::from_units(*amount), Coins::from_units(*fee));
        let mut lines = format!(
            "id         {id}\nsender     {sender}\nrecipient  {recipient}\namount     {amount}\n\
             fee        {fee}\nnonce      {nonce}"
        );
        if let Some(memo) = memo {
            // Quoted: what others write may hold what a terminal would obey.
            lines.push_str(&format!("\nmemo       {memo:?}"));
        }
        lines
    }
}

#[derive(Serialize)]
struct Verdict {
    valid: bool,
    #[serde(flatten)]
    said: Option<Said>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Checks it.
pub(super) async fn run(common: &Common, args: VerifyArgs) -> anyhow::Result<ExitCode> {
    let Known { name: chain, domain } = args.which.load()?;
    let name = args.file.display().to_string();
    // Elsewhere, so that a signal is heard while somebody types.
    let text = tokio::task::spawn_blocking(move || read(&args.file)).await?;
    let text = text.with_context(|| format!("the payment can't be read from {name}"))?;
    let verified = match Payment::parse(&text, &domain) {
        Ok(payment) => payment.verify().map_err(|why| why.to_string()),
        Err(why) => Err(why.to_string()),
    };
    match verified {
        Ok(payment) => {
            let said = Said::of(&payment, domain.hrp);
            let lines = said.lines();
            common.print(|| lines, &Verdict { valid: true, said: Some(said), error: None })?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) if common.json => {
            print_json(&Verdict { valid: false, said: None, error: Some(error) })?;
            Ok(ExitCode::from(exit::FAILURE))
        }
        Err(error) => anyhow::bail!("this is no signed payment on the chain {chain}: {error}"),
    }
}

/// One byte more than a payment may have tells that there is more.
fn read(file: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    let most = MAX_WIRE_BYTES as u64 + 1;
    if file == Path::new("-") {
        io::stdin().lock().take(most).read_to_end(&mut text)?;
    } else {
        File::open(file)?.take(most).read_to_end(&mut text)?;
    }
    Ok(text)
}
