//! `blocksmith wallet send`.

use std::io::{self, IsTerminal as _, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use blocksmith_consensus::Hash;
use blocksmith_consensus::address::{Address, Hrp};
use blocksmith_consensus::payment::{Draft, Verified};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::node::{Node, NodeError, Remote, Submitted, Whereabouts};
use super::signed::{self, is_stdin};
use super::verify::Said;
use super::{Common, Misused, NodeArgs, Opened, note, parse_address, print_json, print_line};
use crate::amount::Coins;
use crate::cmd::{counted, exit};
use crate::text::shown;

/// The largest fee, in units, that is paid unasked: a tenth of a coin.
const MAX_UNASKED_FEE: u64 = 10_000_000;

/// How many more digits than `0` such a fee has.
const FEE_BYTES: usize = 7;

/// The waits before the same payment is handed in again, when there was no answer.
const AGAIN_AFTER: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// How often it is asked where a payment is.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How often in a row it has to be nowhere to be gone: a node may just be moving it.
const ENOUGH_NOWHERE: u32 = 3;

/// The longest memo of which all is shown before it is sent, in characters.
const MAX_SHOWN: usize = 300;

/// Pay somebody, or hand in a payment that was signed elsewhere
///
/// Says what will be sent, and asks before it does. Prints the payment's id; with --json an object
/// as soon as the node has it, and with --wait another one once it is confirmed.
#[derive(Debug, clap::Args)]
#[command(override_usage = "blocksmith wallet send [OPTIONS] <ADDRESS> <AMOUNT>
       blocksmith wallet send [OPTIONS] --signed <FILE>")]
pub(super) struct SendArgs {
    #[command(flatten)]
    order: Option<Order>,
    /// Hand in the payment that `wallet sign` put into this file, without a wallet; - is the standard
    /// input
    #[arg(long, value_name = "FILE", conflicts_with = "Order")]
    signed: Option<PathBuf>,
    /// Send without asking
    #[arg(long, short)]
    yes: bool,
    /// Wait until so many blocks confirm the payment, its own counting as the first, as in --wait=3
    /// [default: 1]
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "1", value_parser = clap::value_parser!(u64).range(1..))]
    wait: Option<u64>,
    /// How many seconds to wait at most
    #[arg(long, value_name = "SECONDS", default_value_t = 1_800, requires = "wait")]
    timeout: u32,
    #[command(flatten)]
    node: NodeArgs,
}

/// What the wallet is to pay.
#[derive(Debug, clap::Args)]
struct Order {
    /// Who is paid
    #[arg(value_name = "ADDRESS", required = false, required_unless_present = "signed")]
    recipient: String,
    /// How many coins
    #[arg(value_name = "AMOUNT", required = false, required_unless_present = "signed", value_parser = Coins::parse_positive)]
    amount: Coins,
    /// Coins for the miner [default: what the node says the next block takes]
    #[arg(long, value_name = "COINS")]
    fee: Option<Coins>,
    /// A text that goes with the payment; everybody can read it
    #[arg(long, value_name = "TEXT", value_parser = super::memo)]
    memo: Option<String>,
    /// Which of the wallet's addresses pays [default: the first that has enough]
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
}

/// An address, and what it can pay with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Purse {
    pub(super) address: Address,
    pub(super) label: String,
    /// Units that no waiting payment takes.
    pub(super) spendable: u64,
    /// The nonce of its next payment.
    pub(super) nonce: u64,
}

/// A payment that can be handed in.
#[derive(Debug)]
pub(super) struct Ready {
    pub(super) payment: Verified,
    /// Units that its sender can pay with.
    pub(super) spendable: u64,
    /// What is said of the nonce, if somebody chose it.
    pub(super) nonce: Option<String>,
    /// Where the node has it already.
    pub(super) found: Whereabouts,
}

/// What was handed in, and where it is. Amounts in units.
#[derive(Debug, Serialize)]
struct Sent<'a> {
    #[serde(flatten)]
    said: &'a Said,
    #[serde(flatten)]
    standing: Standing,
}

/// Where a payment is, as programs are told.
#[derive(Debug, Serialize)]
struct Standing {
    status: &'static str,
    /// The one that holds it; where it waits, the one that may.
    block: Option<u64>,
    confirmations: u64,
}

impl Standing {
    fn waits(status: &'static str, block: Option<u64>) -> Self {
        Self { status, block, confirmations: 0 }
    }

    /// As it was found.
    fn of(found: &Whereabouts) -> Self {
        match *found {
            Whereabouts::Confirmed { block, confirmations } => {
                Self { status: "confirmed", block: Some(block), confirmations }
            }
            Whereabouts::Held => Self::waits("held", None),
            Whereabouts::Queued | Whereabouts::Nowhere => Self::waits("queued", None),
        }
    }
}

/// Sends a payment.
pub(super) async fn run(common: &Common, args: &SendArgs) -> anyhow::Result<ExitCode> {
    if !args.yes {
        check_somebody_answers(args.signed.as_deref())?;
    }
    // Before a node is asked for nothing.
    let text = match &args.signed {
        Some(file) => Some(signed::read(file.clone()).await?),
        None => None,
    };
    let (node, remote) = args.node.meet().await?;
    let ready = match (&text, &args.order) {
        (Some(text), _) => text.ready(&node, &remote).await?,
        (None, order) => {
            let order = order.as_ref().expect("clap asks for it where nothing is signed yet");
            order.sign(common, &node, &remote).await?
        }
    };
    let Ready { payment, found, .. } = &ready;
    note(&summary(&ready, &remote));
    let said = Said::of(payment, remote.domain.hrp);
    let standing = if *found != Whereabouts::Nowhere {
        note(&format!(
            "the node has this very payment already, so it is not sent once more: {}",
            news(found)
        ));
        Standing::of(found)
    } else if args.yes || agreed().await? {
        hand_in(&node, payment).await?
    } else {
        note("Nothing was sent.");
        return Ok(ExitCode::from(exit::FAILURE));
    };
    tell(common, &said, standing)?;
    if let Some(wanted) = args.wait {
        let deadline = Instant::now() + Duration::from_secs(args.timeout.into());
        let standing = wait(&node, &payment.id(), wanted, deadline).await?;
        if common.json {
            print_json(&Sent { said: &said, standing })?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Whether the question can be answered, if there is one.
fn check_somebody_answers(signed: Option<&Path>) -> Result<(), Misused> {
    let why = if signed.is_some_and(is_stdin) {
        "the standard input has the payment, so it can't be asked there whether to send it: say --yes \
         to send it unasked"
    } else if !io::stdin().is_terminal() {
        "there is no terminal to ask on whether to send it: say --yes to send it unasked"
    } else {
        return Ok(());
    };
    Err(Misused(why.into()))
}

impl Order {
    /// Signs the payment, with the nonce that is next, before it is asked whether to send it: nobody
    /// agrees to what turns out not to be possible.
    async fn sign(&self, common: &Common, node: &Node, remote: &Remote) -> anyhow::Result<Ready> {
        let recipient = parse_address(&self.recipient, &remote.domain)?;
        let opened = common.open()?;
        let purses = purses(node, remote, &opened, self.from.as_deref()).await?;
        let mut draft = Draft {
            sender: recipient,
            recipient,
            amount: self.amount.units(),
            fee: 0,
            nonce: purses.iter().map(|purse| purse.nonce).max().unwrap_or(0),
            memo: self.memo.as_deref(),
        };
        draft.fee = match self.fee {
            Some(fee) => fee.units(),
            None => usual_fee(node, remote, &draft).await?,
        };
        let cost = draft.amount.saturating_add(draft.fee);
        let purse = choose(&purses, cost, &recipient, remote.domain.hrp)?;
        (draft.sender, draft.nonce) = (purse.address, purse.nonce);
        Ok(Ready {
            payment: opened.wallet.sign(&draft, &remote.domain, remote.dev_keys)?,
            spendable: purse.spendable,
            nonce: None,
            found: Whereabouts::Nowhere,
        })
    }
}

/// What the wallet's addresses can pay with, or the one that was named.
async fn purses(
    node: &Node,
    remote: &Remote,
    opened: &Opened,
    named: Option<&str>,
) -> anyhow::Result<Vec<Purse>> {
    let only = named.map(|text| opened.payer(Some(text), &remote.domain)).transpose()?;
    let mut purses = Vec::new();
    for entry in opened.wallet.addresses() {
        let address = entry.address;
        if only.is_some_and(|only| only != address) {
            continue;
        }
        let account = node.account(&address.to_text(remote.domain.hrp)).await?;
        purses.push(Purse {
            address,
            label: entry.label.into(),
            spendable: node.spendable(&account, &address, &remote.domain).await?,
            nonce: account.next_nonce,
        });
    }
    Ok(purses)
}

/// The fee that the node names for a payment like this one.
async fn usual_fee(node: &Node, remote: &Remote, draft: &Draft<'_>) -> anyhow::Result<u64> {
    let bytes = draft.write(&remote.domain)?.signed(&[0; 64]).len() + FEE_BYTES;
    let fee = node.fee(bytes).await?;
    if fee > MAX_UNASKED_FEE {
        return Err(Misused(format!(
            "the next block takes a fee of {}, more than is paid unasked: say how much with --fee",
            counted(Coins::from_units(fee), "coin")
        ))
        .into());
    }
    Ok(fee)
}

/// Who pays: the first that has enough, and rather another one than who is paid.
pub(super) fn choose<'a>(
    purses: &'a [Purse],
    cost: u64,
    recipient: &Address,
    hrp: Hrp,
) -> anyhow::Result<&'a Purse> {
    let enough = |purse: &&Purse| purse.spendable >= cost;
    let another = |purse: &&Purse| enough(purse) && purse.address != *recipient;
    if let Some(purse) = purses.iter().find(another).or(purses.iter().find(enough)) {
        return Ok(purse);
    }
    let mut why = format!(
        "it takes {} with the fee, and a payment comes from one address; ",
        counted(Coins::from_units(cost), "coin")
    );
    let (having, empty): (Vec<_>, Vec<_>) = purses.iter().partition(|purse| purse.spendable > 0);
    why.push_str(match (having.len(), empty.len()) {
        (0, _) => "there is nothing to pay with",
        (_, 0) => "there are:",
        _ => "there are, besides addresses that have nothing:",
    });
    for purse in having {
        let coins = Coins::from_units(purse.spendable);
        why.push_str(&format!("\n  {}  {coins}  {}", purse.address.to_text(hrp), purse.label));
        why.truncate(why.trim_end().len());
    }
    anyhow::bail!(why)
}

/// What is about to be sent.
fn summary(ready: &Ready, remote: &Remote) -> String {
    let Ready { payment, spendable, nonce, .. } = ready;
    let hrp = remote.domain.hrp;
    let mut summary = format!(
        "pay    {}\nto     {}\nfrom   {}, which has {}\nfee    {}\n",
        counted(Coins::from_units(payment.amount()), "coin"),
        payment.recipient().to_text(hrp),
        payment.sender().to_text(hrp),
        Coins::from_units(*spendable),
        Coins::from_units(payment.fee()),
    );
    if let Some(nonce) = nonce {
        summary.push_str(&format!("nonce  {nonce}\n"));
    }
    if let Some(memo) = payment.memo() {
        summary.push_str(&format!("memo   \"{}\"\n", shown(&memo, MAX_SHOWN)));
    }
    summary.push_str(&format!("chain  {}, {}", remote.name, remote.domain.chain_id));
    summary
}

/// Asks whether to send it. Anything but yes is no.
async fn agreed() -> anyhow::Result<bool> {
    write!(io::stderr(), "Send it? [y/N] ")?;
    io::stderr().flush()?;
    // Elsewhere, so that a signal is heard meanwhile.
    let read = tokio::task::spawn_blocking(|| {
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).map(|_| answer)
    });
    let answer = read.await?.context("the answer can't be read")?;
    Ok(matches!(answer.trim().to_lowercase().as_str(), "y" | "yes"))
}

/// Hands the payment in, again if there is no answer: the same text is the same payment.
async fn hand_in(node: &Node, payment: &Verified) -> anyhow::Result<Standing> {
    let mut waits = AGAIN_AFTER.into_iter();
    loop {
        let error = match node.submit(payment).await {
            Ok(Submitted::Queued { block }) => return Ok(Standing::waits("queued", block)),
            Ok(Submitted::Held { missing }) => {
                note(&format!(
                    "the node holds the payment for some minutes: it waits for the one with the \
                     nonce {missing}"
                ));
                return Ok(Standing::waits("held", None));
            }
            // It was not taken there, and asking again does not help. After a try without an answer
            // it may be there all the same.
            Err(redirected @ NodeError::Redirected(_)) if waits.len() == AGAIN_AFTER.len() => {
                let unsent = "the payment was not handed in";
                return Err(anyhow::Error::from(redirected).context(unsent));
            }
            // It may have come the time before, or from who else has the text, and be in the chain
            // by now.
            Err(refused @ NodeError::Refused { .. }) => {
                match node.whereabouts(&payment.id()).await {
                    Ok(Whereabouts::Nowhere) => return Err(refused.into()),
                    Ok(found) => {
                        note(&format!("the node has the payment: {}", news(&found)));
                        return Ok(Standing::of(&found));
                    }
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        let Some(wait) = waits.next() else {
            return Err(anyhow::Error::from(error).context(format!(
                "whether payment {} arrived is not known. Do not pay once more before it is: \
                 `blocksmith wallet history` tells, and handing in the very same text again is \
                 harmless, as `blocksmith wallet send --signed` does. It is\n{}\n",
                payment.id(),
                payment.text()
            )));
        };
        note(&format!("{error}; trying again"));
        sleep(wait).await;
    }
}

fn tell(common: &Common, said: &Said, standing: Standing) -> anyhow::Result<()> {
    if common.json {
        return print_json(&Sent { said, standing });
    }
    print_line(&said.id)
}

/// Where a payment is.
fn news(found: &Whereabouts) -> String {
    match found {
        Whereabouts::Confirmed { block, confirmations } => {
            format!("in block {block}: {}", counted(confirmations, "confirmation"))
        }
        Whereabouts::Queued => "it waits for a block".into(),
        Whereabouts::Held => "it waits for the payment before it".into(),
        Whereabouts::Nowhere => "it is nowhere".into(),
    }
}

/// Waits until so many blocks confirm the payment.
async fn wait(node: &Node, id: &Hash, wanted: u64, deadline: Instant) -> anyhow::Result<Standing> {
    let mut told = String::new();
    let mut tell = |news: String| {
        if news != told {
            note(&news);
            told = news;
        }
    };
    let mut nowhere = 0;
    loop {
        let found = node.whereabouts(id).await;
        nowhere = if matches!(found, Ok(Whereabouts::Nowhere)) { nowhere + 1 } else { 0 };
        if let Ok(found) = &found
            && *found != Whereabouts::Nowhere
        {
            tell(news(found));
        }
        match &found {
            Ok(found @ Whereabouts::Confirmed { confirmations, .. })
                if *confirmations >= wanted =>
            {
                return Ok(Standing::of(found));
            }
            Ok(Whereabouts::Nowhere) if nowhere == ENOUGH_NOWHERE => anyhow::bail!(
                "payment {id} neither waits any more nor is it in the chain: another one took its \
                 nonce, or the node dropped it. What the addresses have is told by `blocksmith wallet \
                 balance`"
            ),
            Ok(_) => {}
            Err(NodeError::Redirected(_)) => {
                return found.map(|found| Standing::of(&found)).map_err(Into::into);
            }
            // It was there a moment ago.
            Err(error) => tell(format!("{error}; asking again")),
        }
        if Instant::now() >= deadline {
            return match found {
                Err(error) => Err(error.into()),
                Ok(_) => anyhow::bail!(
                    "payment {id} does not have {} yet; it was sent all the same, and `blocksmith \
                     wallet history` tells how it goes on",
                    counted(wanted, "confirmation")
                ),
            };
        }
        sleep(ASK_EVERY.min(deadline.saturating_duration_since(Instant::now()))).await;
    }
}
