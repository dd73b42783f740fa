//! `blocksmith wallet bump` and `blocksmith wallet cancel`: another payment with the nonce of one
//! that waits. The chain takes one payment with a nonce, so that nothing is paid twice, whichever of
//! both a block has.

use std::process::ExitCode;

use anyhow::Context as _;
use blocksmith_consensus::Hash;
use blocksmith_consensus::payment::{Domain, Draft, MAX_INTEGER, Verified};
use serde::Serialize;

use super::node::{Node, NodeError, Replacing, Whereabouts};
use super::payer::Payer;
use super::payment_info::PaymentInfo;
use super::remote::Remote;
use super::send::{
    Handing, MAX_UNASKED_FEE, PaymentStatus, SpendableAddress, check_terminal, hand_in, summary,
    too_little,
};
use super::{Common, Misused, Opened, agreed, note, print_json, print_line};
use crate::amount::Coins;
use crate::cmd::values::number;
use crate::cmd::{counted, exit};

/// The least that a payment can pay, in units.
const LEAST_AMOUNT: u64 = 1;

/// Raise the fee of a payment that waits
///
/// The wallet signs the same payment with a higher fee, which replaces the first one. It says what
/// replaces what, and asks before it does.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  blocksmith wallet bump ID --wait
      pay the miner a tenth more, and wait until a block has the payment")]
pub(super) struct BumpArgs {
    #[command(flatten)]
    which: WhichPayment,
}

/// Cancel a payment that waits
///
/// The wallet pays itself the smallest amount instead, with the nonce of the payment and a higher fee.
/// It says what replaces what, and asks before it does.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  blocksmith wallet cancel ID --wait
      take the payment back, and wait until a block says so")]
pub(super) struct CancelArgs {
    #[command(flatten)]
    which: WhichPayment,
}

#[derive(Debug, clap::Args)]
struct WhichPayment {
    /// The id of the payment, as `wallet history --json` shows it
    #[arg(value_name = "ID", required_unless_present = "nonce", conflicts_with = "nonce", value_parser = id)]
    id: Option<Hash>,
    /// The nonce of the payment, in place of its id
    #[arg(long, value_name = "N", value_parser = number::<u64>(0..=MAX_INTEGER))]
    nonce: Option<u64>,
    /// The wallet's address that pays, with --nonce [default: the only one]
    #[arg(long, value_name = "ADDRESS", requires = "nonce")]
    from: Option<String>,
    /// The new fee for the miner, in coins [default: a tenth more, rounded up]
    #[arg(long, value_name = "COINS")]
    fee: Option<Coins>,
    #[command(flatten)]
    handing: Handing,
}

fn id(text: &str) -> Result<Hash, &'static str> {
    text.trim().to_ascii_lowercase().parse().map_err(|_| "an id has 64 hex digits")
}

/// What the new payment does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    Bump,
    Cancel,
}

/// A block has a payment with the nonce already.
#[derive(Debug, thiserror::Error)]
#[error(
    "payment {id} was confirmed in block {block} before it could be replaced; nothing was paid twice"
)]
pub(super) struct Confirmed {
    id: Hash,
    block: u64,
}

/// The new payment and the one that it replaces, as JSON.
#[derive(Debug, Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    said: &'a PaymentInfo,
    #[serde(flatten)]
    standing: PaymentStatus,
    replaces: &'a Replaced,
}

/// The first payment; its fee is in units.
#[derive(Debug, Serialize)]
struct Replaced {
    id: String,
    fee: u64,
}

pub(super) async fn bump(common: &Common, args: &BumpArgs) -> anyhow::Result<ExitCode> {
    run(common, &args.which, Purpose::Bump).await
}

pub(super) async fn cancel(common: &Common, args: &CancelArgs) -> anyhow::Result<ExitCode> {
    run(common, &args.which, Purpose::Cancel).await
}

async fn run(common: &Common, args: &WhichPayment, purpose: Purpose) -> anyhow::Result<ExitCode> {
    let handing = &args.handing;
    if !handing.yes {
        check_terminal()?;
    }
    let (node, mut remote) = handing.node.meet().await?;
    let mut opened = common.open()?;
    if !remote.is_agreed(&mut opened, &node, handing.yes).await? {
        return Ok(nothing_sent());
    }
    let first = args.find(&node, &remote, &opened).await?;
    let payer = Payer::look(&node, first.sender(), &remote.domain).await?;
    let new = args.sign(&first, &payer, purpose, (&node, &remote, &opened)).await?;
    note(&describe(&new, &first, &payer, (&node, &remote)));
    let question = match purpose {
        Purpose::Bump => "Send it and replace the first payment? [y/N] ",
        Purpose::Cancel => "Send it and cancel the first payment? [y/N] ",
    };
    if !handing.yes && !agreed(question).await? {
        return Ok(nothing_sent());
    }
    let standing = match hand_in(&node, &new, Replacing::Only(first.id())).await {
        Ok(Ok((standing, _))) => standing,
        Ok(Err(refused)) => {
            return Err(instead(&node, &remote.domain, &new, refused.about(&new).into()).await);
        }
        Err(error) => return Err(instead(&node, &remote.domain, &new, error).await),
    };
    let said = PaymentInfo::of(&new, remote.domain.hrp);
    let replaces = Replaced { id: first.id().to_string(), fee: first.fee() };
    let told = match common.json {
        true => print_json(&Report { said: &said, standing, replaces: &replaces }),
        false => print_line(&format!(
            "payment {}, with a fee of {}, replaces payment {}, with a fee of {}",
            said.id,
            Coins::from_units(new.fee()),
            replaces.id,
            Coins::from_units(first.fee())
        )),
    };
    told.with_context(|| format!("payment {} was sent", said.id))?;
    let waited = handing.wait_for(&node, &new).await;
    let standing = match waited {
        Ok(standing) => standing,
        Err(error) => return Err(instead(&node, &remote.domain, &new, error).await),
    };
    if let (true, Some(standing)) = (common.json, standing) {
        print_json(&Report { said: &said, standing, replaces: &replaces })?;
    }
    Ok(ExitCode::SUCCESS)
}

fn nothing_sent() -> ExitCode {
    note("Nothing was sent.");
    ExitCode::from(exit::FAILURE)
}

/// Why the new payment failed: a block has another one with its nonce, or else as `error` says.
async fn instead(
    node: &Node,
    domain: &Domain,
    new: &Verified,
    error: anyhow::Error,
) -> anyhow::Error {
    match confirmed(node, domain, new).await {
        Ok(Some(confirmed)) if confirmed.id != new.id() => confirmed.into(),
        _ => error,
    }
}

/// The sender's payment in the chain with the nonce of this one.
async fn confirmed(
    node: &Node,
    domain: &Domain,
    payment: &Verified,
) -> Result<Option<Confirmed>, NodeError> {
    let mut payer = Payer::look(node, payment.sender(), domain).await?;
    let found = payer.confirmed(node, domain, payment.nonce()).await?;
    Ok(found.map(|(block, payment)| Confirmed { id: payment.id(), block: *block }))
}

impl WhichPayment {
    /// The payment, which waits and is the wallet's.
    async fn find(
        &self,
        node: &Node,
        remote: &Remote,
        opened: &Opened,
    ) -> anyhow::Result<Verified> {
        let domain = &remote.domain;
        let Some(id) = &self.id else {
            let nonce = self.nonce.expect("clap asks for an id or a nonce");
            let address = opened.payer(self.from.as_deref(), domain)?;
            let mut payer = Payer::look(node, address, domain).await?;
            let mut waiting = payer.waiting.iter().chain(&payer.held);
            if let Some(found) = waiting.find(|waiting| waiting.nonce() == nonce) {
                return Ok(found.clone());
            }
            if let Some((block, payment)) = payer.confirmed(node, domain, nonce).await? {
                return Err(Confirmed { id: payment.id(), block: *block }.into());
            }
            anyhow::bail!(
                "the node shows no payment of {} that waits with the nonce {nonce}; `blocksmith wallet \
                 history` lists what waits",
                address.to_text(domain.hrp)
            );
        };
        let Some((found, payment)) = node.payment(id, domain).await? else {
            anyhow::bail!(
                "the node does not know payment {id}: it neither waits nor is in the chain, so there is \
                 nothing to replace; `blocksmith wallet history` lists what waits"
            );
        };
        if !opened.wallet.addresses().any(|entry| entry.address == payment.sender()) {
            anyhow::bail!(
                "payment {id} is not this wallet's: {} signed it, and only its sender can replace it",
                payment.sender().to_text(domain.hrp)
            );
        }
        match found {
            Whereabouts::Confirmed { block, .. } => Err(Confirmed { id: *id, block }.into()),
            _ => Ok(payment),
        }
    }

    /// The new payment, if its sender can pay it and its fee is enough.
    async fn sign(
        &self,
        first: &Verified,
        payer: &Payer,
        purpose: Purpose,
        (node, remote, opened): (&Node, &Remote, &Opened),
    ) -> anyhow::Result<Verified> {
        let (sender, nonce) = (first.sender(), first.nonce());
        let (recipient, amount) = match purpose {
            Purpose::Bump => (first.recipient(), first.amount()),
            Purpose::Cancel => (sender, LEAST_AMOUNT),
        };
        let least = least_fee(first, amount, payer);
        let fee = self.fee.map_or(least, Coins::units);
        if fee < least {
            return Err(Misused(format!(
                "to replace payment {}, the fee must be at least {}: a tenth more than the fees of what it \
                 replaces",
                first.id(),
                counted(Coins::from_units(least), "coin")
            ))
            .into());
        }
        if self.fee.is_none() && fee > MAX_UNASKED_FEE && fee > raised(first.fee()) {
            return Err(Misused(format!(
                "the fee would be {}, since later payments have to leave for this one, and that is more \
                 than the wallet pays without asking: set the fee with --fee",
                counted(Coins::from_units(fee), "coin")
            ))
            .into());
        }
        let before = payer.waiting.iter().filter(|waiting| waiting.nonce() < nonce);
        let before = before.map(|payment| payment.cost()).fold(0, u64::saturating_add);
        let spendable = payer.account.balance.saturating_sub(before);
        if spendable < amount.saturating_add(fee) {
            let purse = SpendableAddress { address: sender, label: String::new(), spendable };
            return Err(too_little(node, &remote.domain, &[purse], amount, fee).await);
        }
        for address in [sender, recipient] {
            remote.dev_keys.check(&address, remote.domain.hrp)?;
        }
        let memo = first.memo().filter(|_| purpose == Purpose::Bump);
        let draft = Draft { sender, recipient, amount, fee, nonce, memo: memo.as_deref() };
        Ok(opened.wallet.sign(&draft, &remote.domain, remote.dev_keys)?)
    }
}

/// A tenth more, rounded up, and at least a unit more: what a mempool asks for a replacement.
fn raised(fee: u64) -> u64 {
    fee.saturating_add(fee.div_ceil(10).max(1))
}

/// The least fee with which a payment of this amount replaces the first one: a tenth more than the
/// fees of all payments that leave, which are the first one and the later ones that the sender can't
/// pay any more.
fn least_fee(first: &Verified, amount: u64, payer: &Payer) -> u64 {
    let mut fee = raised(first.fee());
    // A higher fee can make more payments leave, but no more than wait.
    for _ in 0..=payer.waiting.len() {
        let next = raised(first.fee().saturating_add(leaving(first, amount, fee, payer)));
        if next <= fee {
            break;
        }
        fee = next;
    }
    fee
}

/// The fees of the later payments that the sender can't pay any more.
fn leaving(first: &Verified, amount: u64, fee: u64, payer: &Payer) -> u64 {
    unpayable(first, amount.saturating_add(fee), payer)
        .iter()
        .map(|payment| payment.fee())
        .fold(0, u64::saturating_add)
}

/// The payments after the first one that its sender can't pay if the first one costs so much.
fn unpayable<'a>(first: &Verified, cost: u64, payer: &'a Payer) -> &'a [Verified] {
    let mut left = payer.account.balance;
    let place = payer.waiting.iter().position(|waiting| {
        let cost = if waiting.nonce() == first.nonce() { cost } else { waiting.cost() };
        let is_payable = cost <= left;
        left = left.saturating_sub(cost);
        !is_payable && waiting.nonce() > first.nonce()
    });
    &payer.waiting[place.unwrap_or(payer.waiting.len())..]
}

/// Says what is about to replace what.
fn describe(
    new: &Verified,
    first: &Verified,
    payer: &Payer,
    (node, remote): (&Node, &Remote),
) -> String {
    let memo = new.memo();
    let draft = Draft {
        sender: new.sender(),
        recipient: new.recipient(),
        amount: new.amount(),
        fee: new.fee(),
        nonce: new.nonce(),
        memo: memo.as_deref(),
    };
    let mut nonce = format!(
        "{}, that of payment {}, which this one replaces: {} to {}, with a fee of {}",
        new.nonce(),
        first.id(),
        counted(Coins::from_units(first.amount()), "coin"),
        first.recipient().to_text(remote.domain.hrp),
        Coins::from_units(first.fee()),
    );
    match unpayable(first, new.cost(), payer).len() {
        0 => {}
        dropped => nonce.push_str(&format!(
            "; then the sender has too little for {} with a later nonce, and the node drops what the \
             sender can't pay",
            counted(dropped, "payment")
        )),
    }
    summary(&draft, payer.spendable(), Some(&nonce), node, remote)
}
