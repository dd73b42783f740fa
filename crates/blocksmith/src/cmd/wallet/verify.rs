//! `blocksmith wallet verify`.

use std::path::PathBuf;
use std::process::ExitCode;

use blocksmith_consensus::address::Hrp;
use blocksmith_consensus::payment::Payment;
use serde::Serialize;

use super::{Common, Known, Offline, print_json, signed};
use crate::amount::Coins;
use crate::cmd::exit;
use crate::text::escaped;

/// Check a signed payment, without any node
///
/// Whether its sender has the coins, only a node can tell.
#[derive(Debug, clap::Args)]
pub(super) struct VerifyArgs {
    /// The file with the payment's JSON; - is the standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    #[command(flatten)]
    chain: Offline,
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
    let Known { name: chain, domain, .. } = args.chain.load()?;
    let text = signed::read(args.file).await?;
    let verified = text.payment(&domain).map_err(|why| why.to_string());
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
        Err(error) => {
            anyhow::bail!("this is no signed payment on the chain {}: {error}", escaped(chain))
        }
    }
}
