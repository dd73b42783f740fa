//! `blocksmith wallet verify`.

use std::path::PathBuf;
use std::process::ExitCode;

use serde::Serialize;

use super::payment_info::PaymentInfo;
use super::{Common, Known, Offline, payment_file, print_json};
use crate::exit;
use crate::text::escaped;

/// Check a signed payment without a node
///
/// Only a node knows whether the sender has the coins.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  blocksmith wallet verify payment.json")]
pub(super) struct VerifyArgs {
    /// The file with the payment's JSON; - is the standard input
    #[arg(value_name = "FILE", default_value = "-")]
    file: PathBuf,
    #[command(flatten)]
    chain: Offline,
}

#[derive(Serialize)]
struct Verification {
    valid: bool,
    #[serde(flatten)]
    said: Option<PaymentInfo>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Checks the payment.
pub(super) async fn run(common: &Common, args: VerifyArgs) -> anyhow::Result<ExitCode> {
    let Known { name: chain, domain, .. } = args.chain.load()?;
    let text = payment_file::read(args.file).await?;
    let verified = text.payment(&domain).map_err(|why| why.to_string());
    match verified {
        Ok(payment) => {
            let said = PaymentInfo::of(&payment, domain.hrp);
            let lines = said.lines();
            common.print(|| lines, &Verification { valid: true, said: Some(said), error: None })?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) if common.json => {
            print_json(&Verification { valid: false, said: None, error: Some(error) })?;
            Ok(ExitCode::from(exit::FAILURE))
        }
        Err(error) => {
            anyhow::bail!("this is not a signed payment on the chain {}: {error}", escaped(chain))
        }
    }
}
