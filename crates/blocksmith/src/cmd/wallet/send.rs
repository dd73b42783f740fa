//! `blocksmith wallet send`.

use std::io::{self, IsTerminal as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use blocksmith_consensus::address::Address;
use blocksmith_consensus::payment::{Domain, Draft, Verified};
use serde::Serialize;
use tokio::time::{Instant, sleep};

use super::node::{Node, NodeError, Replacing, Submitted, Whereabouts};
use super::payer::{Gap, Payer};
use super::payment_file::{self, is_stdin};
use super::payment_info::PaymentInfo;
use super::remote::Remote;
use super::waiting::{Waiting, waiting};
use super::{
    Common, Misused, NodeArgs, Opened, agreed, note, parse_address, print_json, print_line,
};
use crate::amount::Coins;
use crate::cmd::values::{amount, number};
use crate::cmd::{counted, exit, turn};
use crate::text::shown;

/// The largest fee, in units, that is paid without asking: a tenth of a coin.
pub(super) const MAX_UNASKED_FEE: u64 = 10_000_000;

/// How many more digits than `0` such a fee has.
const FEE_BYTES: usize = 7;

/// The waits before the same payment is handed in again after no answer came.
const AGAIN_AFTER: [Duration; 3] =
    [Duration::from_millis(500), Duration::from_secs(1), Duration::from_secs(2)];

/// How often the wallet looks again for the payment before a nonce that leaves a gap: between two
/// answers, a waiting payment may have been mined or dropped.
const LOOKS: usize = 3;

/// The wait before each look.
const LOOK_AGAIN_AFTER: Duration = Duration::from_millis(200);

/// How often a payment is signed anew because another payment took its nonce: twice as often as
/// payments of one sender can wait.
const MAX_SIGNED: usize = 32;

/// How often the wallet asks where a payment is.
const ASK_EVERY: Duration = Duration::from_secs(1);

/// How often in a row a payment has to be nowhere to count as gone: a node may just be moving it.
const ENOUGH_NOWHERE: u32 = 3;

/// The longest memo that is shown as a whole before it is sent, in characters.
const MAX_SHOWN: usize = 300;

/// Pay an address, or send a payment that was signed elsewhere
///
/// The command says what it will send, and asks before it does. It replaces no payment that waits,
/// except with --replace, or if you answer yes. It prints the payment's id; with --json it prints an
/// object as soon as the node has the payment, and with --wait another one when it is confirmed.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Examples:
  blocksmith wallet send ADDRESS 2.5 --wait
      pay 2.5 coins, and wait until a block has the payment
  blocksmith wallet send --signed payment.json
      send what `wallet sign` wrote")]
#[command(override_usage = "blocksmith wallet send [OPTIONS] <ADDRESS> <AMOUNT>
       blocksmith wallet send [OPTIONS] --signed <FILE>")]
pub(super) struct SendArgs {
    #[command(flatten)]
    order: Option<Order>,
    /// Send the payment in this file, which `wallet sign` wrote; needs no wallet; - is the standard
    /// input
    #[arg(long, value_name = "FILE", conflicts_with = "Order")]
    signed: Option<PathBuf>,
    /// Let the signed payment replace the payment that waits with the same nonce, if there is one
    #[arg(long, conflicts_with = "Order")]
    replace: bool,
    #[command(flatten)]
    handing: Handing,
}

/// How a payment is handed in, and what the command waits for.
#[derive(Debug, clap::Args)]
pub(super) struct Handing {
    /// Send without asking
    #[arg(long, short)]
    pub(super) yes: bool,
    /// Wait until this many blocks confirm the payment, with its own block as the first, as in --wait=3
    /// [default: 1]
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "1", value_parser = number::<u64>(1..=u64::MAX))]
    wait: Option<u64>,
    /// The longest time to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 1_800, value_parser = number::<u32>(0..=u64::from(u32::MAX)), requires = "wait")]
    timeout: u32,
    #[command(flatten)]
    pub(super) node: NodeArgs,
}

/// What the wallet is to pay.
#[derive(Debug, clap::Args)]
struct Order {
    /// The address to pay
    #[arg(value_name = "ADDRESS", required = false, required_unless_present = "signed")]
    recipient: String,
    /// How many coins to pay
    #[arg(value_name = "AMOUNT", required = false, required_unless_present = "signed", value_parser = amount)]
    amount: Coins,
    /// The fee for the miner, in coins [default: what the node says is enough for the next block]
    #[arg(long, value_name = "COINS")]
    fee: Option<Coins>,
    /// A text that goes with the payment; all users of the chain can read it
    #[arg(long, value_name = "TEXT", value_parser = super::memo)]
    memo: Option<String>,
    /// The wallet's address that pays [default: the first with enough coins]
    #[arg(long, value_name = "ADDRESS")]
    from: Option<String>,
}

/// An address, and what it can pay.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct SpendableAddress {
    pub(super) address: Address,
    pub(super) label: String,
    /// Units that no waiting payment spends.
    pub(super) spendable: u64,
}

/// A payment that the node has, and its status.
pub(super) type Sent = (Verified, PaymentStatus);

/// A payment that was handed in, and its status, as JSON; amounts in units.
#[derive(Debug, Serialize)]
struct Report<'a> {
    #[serde(flatten)]
    said: &'a PaymentInfo,
    #[serde(flatten)]
    standing: PaymentStatus,
}

/// A payment's status for programs.
#[derive(Debug, Serialize)]
pub(super) struct PaymentStatus {
    status: &'static str,
    /// The block that has the payment.
    block: Option<u64>,
    confirmations: u64,
}

impl PaymentStatus {
    fn waits(status: &'static str) -> Self {
        Self { status, block: None, confirmations: 0 }
    }

    /// The status of a payment that was found there.
    pub(super) fn of(found: &Whereabouts) -> Self {
        match *found {
            Whereabouts::Confirmed { block, confirmations } => {
                Self { status: "confirmed", block: Some(block), confirmations }
            }
            Whereabouts::Held(_) => Self::waits("held"),
            Whereabouts::Queued(_) | Whereabouts::Nowhere => Self::waits("queued"),
        }
    }
}

/// Sends a payment.
pub(super) async fn run(common: &Common, args: &SendArgs) -> anyhow::Result<ExitCode> {
    if !args.handing.yes {
        check_somebody_answers(args.signed.as_deref())?;
    }
    // Fails on a bad file before a node is called.
    let text = match &args.signed {
        Some(file) => Some(payment_file::read(file.clone()).await?),
        None => None,
    };
    let (node, mut remote) = args.handing.node.meet().await?;
    let sent = match (&text, &args.order) {
        (Some(text), _) => text.send(&node, &remote, args.handing.yes, args.replace).await?,
        (None, order) => {
            let order = order.as_ref().expect("clap asks for it where nothing is signed yet");
            order.send(common, &node, &mut remote, args.handing.yes).await?
        }
    };
    let Some((payment, standing)) = sent else {
        note("Nothing was sent.");
        return Ok(ExitCode::from(exit::FAILURE));
    };
    let said = PaymentInfo::of(&payment, remote.domain.hrp);
    tell(common, &said, standing).with_context(|| format!("payment {} was sent", said.id))?;
    let waited = args.handing.wait_for(&node, &payment).await?;
    if let (true, Some(standing)) = (common.json, waited) {
        print_json(&Report { said: &said, standing })?;
    }
    Ok(ExitCode::SUCCESS)
}

impl Handing {
    /// Waits until the payment has as many confirmations as were asked for, if any were.
    pub(super) async fn wait_for(
        &self,
        node: &Node,
        payment: &Verified,
    ) -> anyhow::Result<Option<PaymentStatus>> {
        let Some(wanted) = self.wait else { return Ok(None) };
        let deadline = Instant::now() + Duration::from_secs(self.timeout.into());
        wait(node, payment, wanted, deadline).await.map(Some)
    }
}

/// Refuses a question that can't be answered.
fn check_somebody_answers(signed: Option<&Path>) -> Result<(), Misused> {
    if signed.is_some_and(is_stdin) {
        return Err(Misused(
            "the payment comes from the standard input, so the wallet can't ask you there: add --yes \
             to send the payment without asking"
                .into(),
        ));
    }
    check_terminal()
}

/// Refuses a question where nobody can see it.
pub(super) fn check_terminal() -> Result<(), Misused> {
    if io::stdin().is_terminal() {
        return Ok(());
    }
    Err(Misused(
        "there is no terminal where the wallet can ask you: add --yes to send the payment without \
         asking"
            .into(),
    ))
}

/// How the wallet would pay now.
#[derive(Debug)]
struct Plan {
    payer: Address,
    spendable: u64,
    /// Units for the miner.
    fee: u64,
    nonce: u64,
    /// Set if only the node's word says that the nonce is the next one.
    gap: Option<Gap>,
}

impl Plan {
    /// Whether a person who agreed to the other plan has agreed to this one.
    fn is_as(&self, agreed: &Self) -> bool {
        let is_expected = self.gap.is_none() || self.gap == agreed.gap;
        is_expected && (self.payer, self.fee) == (agreed.payer, agreed.fee)
    }
}

impl Order {
    /// Pays, if the person at the terminal agrees. The nonce is the one that is next after the
    /// answer: another process may pay from the same address while the question is open, and this
    /// payment must not take the place of that one.
    async fn send(
        &self,
        common: &Common,
        node: &Node,
        remote: &mut Remote,
        unasked: bool,
    ) -> anyhow::Result<Option<Sent>> {
        let recipient = parse_address(&self.recipient, &remote.domain)?;
        let mut opened = common.open()?;
        if !remote.is_agreed(&mut opened, node, unasked).await? {
            return Ok(None);
        }
        let mut agreed_to: Option<Plan> = None;
        let mut refused: Vec<Verified> = Vec::new();
        loop {
            let plan = self.plan(node, remote, &opened, recipient, agreed_to.as_ref()).await?;
            let draft = self.draft(&plan, recipient);
            if !unasked && !agreed_to.as_ref().is_some_and(|agreed| plan.is_as(agreed)) {
                if agreed_to.is_some() {
                    note("something changed in the meantime, so the wallet asks again:");
                }
                let nonce = plan.gap.map(|gap| doubtful(&gap));
                note(&summary(&draft, plan.spendable, nonce.as_deref(), node, remote));
                if !agreed("Send it? [y/N] ").await? {
                    return Ok(None);
                }
                agreed_to = Some(plan);
                continue;
            }
            if let (true, Some(gap)) = (unasked, &plan.gap) {
                anyhow::bail!(
                    "no payment from {} was signed: {gap}. With the nonce {}, it counts only after \
                     other payments fill the gap, which can be much later. Name \
                     another node with --node; or, if you know that the nonce is right, send \
                     without --yes and say yes",
                    plan.payer.to_text(remote.domain.hrp),
                    plan.nonce
                );
            }
            if unasked && refused.is_empty() {
                note(&summary(&draft, plan.spendable, None, node, remote));
            }
            let payment = opened.wallet.sign(&draft, &remote.domain, remote.dev_keys)?;
            let taken = match hand_in(node, &payment, Replacing::Nothing).await? {
                // Two processes that pay the same at once sign the same text: one of them paid, and
                // it was not this one. The wallet does not sign anew by itself, since the node
                // can't prove that it had the text.
                Ok((_, true)) => return Err(NodeError::Twin { id: payment.id() }.into()),
                Ok((standing, false)) => return Ok(Some((payment, standing))),
                Err(taken) => taken,
            };
            // If the node has the payment that it refuses, signing anew would pay twice. So the
            // node has to show whose nonce it is: the payment that it shows is signed, and the node
            // can't have made it.
            let payer = Payer::look(node, plan.payer, &remote.domain).await;
            let payer = payer.map_err(|why| unknown(why, &payment))?;
            let is_rivals = payer.shows_rival(&payment);
            refused.push(payment);
            if let Some(kept) = refused.iter().find(|payment| payer.shows(&payment.id())) {
                note("the node refused the payment, but it already has it");
                let found = node.whereabouts(&kept.id()).await.map_err(|why| unknown(why, kept))?;
                return Ok(Some((kept.clone(), PaymentStatus::of(&found))));
            }
            if !is_rivals || refused.len() == MAX_SIGNED {
                return Err(unknown(taken, refused.last().expect("it was pushed")));
            }
            note(&format!(
                "another payment took the nonce {}; signing with the next one",
                plan.nonce
            ));
        }
    }

    fn draft(&self, plan: &Plan, recipient: Address) -> Draft<'_> {
        Draft {
            sender: plan.payer,
            recipient,
            amount: self.amount.units(),
            fee: plan.fee,
            nonce: plan.nonce,
            memo: self.memo.as_deref(),
        }
    }

    /// Chooses who pays, the fee and the nonce: as the person agreed, as far as that is still
    /// possible.
    async fn plan(
        &self,
        node: &Node,
        remote: &Remote,
        opened: &Opened,
        recipient: Address,
        agreed: Option<&Plan>,
    ) -> anyhow::Result<Plan> {
        let (domain, hrp) = (&remote.domain, remote.domain.hrp);
        let named =
            self.from.as_deref().map(|text| opened.payer(Some(text), domain)).transpose()?;
        let mut payers = Vec::new();
        for entry in opened.wallet.addresses() {
            let address = entry.address;
            if named.is_none_or(|named| named == address) {
                let payer = Payer::look(node, address, domain).await?;
                let (label, spendable) = (entry.label.into(), payer.spendable());
                payers.push((SpendableAddress { address, label, spendable }, payer));
            }
        }
        let nonce = payers.iter().map(|(_, payer)| payer.account.next_nonce).max().unwrap_or(0);
        let fee = match (agreed, self.fee) {
            (Some(agreed), _) => agreed.fee,
            (None, Some(fee)) => fee.units(),
            (None, None) => {
                let (payer, spendable) = (recipient, 0);
                let plan = Plan { payer, spendable, fee: 0, nonce, gap: None };
                usual_fee(node, remote, &self.draft(&plan, recipient)).await?
            }
        };
        let cost = self.amount.units().saturating_add(fee);
        // The address whose payment the person agreed to comes first.
        payers.sort_by_key(|(purse, _)| agreed.is_some_and(|agreed| agreed.payer != purse.address));
        let (purses, mut payers): (Vec<_>, Vec<_>) = payers.into_iter().unzip();
        let still = agreed.and_then(|_| purses.first()).filter(|purse| purse.spendable >= cost);
        let purse = match still {
            Some(purse) => purse,
            None => match choose(&purses, cost, &recipient) {
                Some(purse) => purse,
                None => {
                    let amount = self.amount.units();
                    return Err(too_little(node, domain, &purses, amount, fee).await);
                }
            },
        };
        for address in [purse.address, recipient] {
            remote.dev_keys.check(&address, hrp)?;
        }
        let place = purses.iter().position(|other| other == purse).expect("it is one of them");
        let mut payer = payers.swap_remove(place);
        let mut next = payer.next(node, domain).await?;
        for _ in 1..LOOKS {
            if next.is_ok() {
                break;
            }
            sleep(LOOK_AGAIN_AFTER).await;
            payer = Payer::look(node, purse.address, domain).await?;
            next = payer.next(node, domain).await?;
        }
        let gap = next.err();
        let nonce = next.unwrap_or(payer.account.next_nonce);
        let plan = Plan { payer: purse.address, spendable: payer.spendable(), fee, nonce, gap };
        // The person is not asked about a payment that turns out to be impossible.
        self.draft(&plan, recipient).write(domain)?;
        Ok(plan)
    }
}

/// Says that only the node's word stands for a nonce, and what may come of that.
fn doubtful(gap: &Gap) -> String {
    format!(
        "{}: {gap}. This payment counts only after other payments fill the gap, which can be much \
         later. Ask another node, unless you know that the nonce is right",
        gap.claimed
    )
}

/// The fee that the node asks for a payment like this one.
async fn usual_fee(node: &Node, remote: &Remote, draft: &Draft<'_>) -> anyhow::Result<u64> {
    let bytes = draft.write(&remote.domain)?.signed(&[0; 64]).len() + FEE_BYTES;
    let fee = node.fee(bytes).await?;
    if fee > MAX_UNASKED_FEE {
        return Err(Misused(format!(
            "the fee for the next block is {}, more than the wallet pays without asking: set the fee \
             with --fee",
            counted(Coins::from_units(fee), "coin")
        ))
        .into());
    }
    Ok(fee)
}

/// The address that pays: the first that has enough, and if possible not the recipient.
fn choose<'a>(
    purses: &'a [SpendableAddress],
    cost: u64,
    recipient: &Address,
) -> Option<&'a SpendableAddress> {
    let enough = |purse: &&SpendableAddress| purse.spendable >= cost;
    let another = |purse: &&SpendableAddress| enough(purse) && purse.address != *recipient;
    purses.iter().find(another).or(purses.iter().find(enough))
}

/// Says that no address has enough for a payment, what is on its way to them, and what to do.
pub(super) async fn too_little(
    node: &Node,
    domain: &Domain,
    purses: &[SpendableAddress],
    amount: u64,
    fee: u64,
) -> anyhow::Error {
    let own: Vec<_> = purses.iter().map(|purse| purse.address).collect();
    let payments = waiting(node, domain, &own).await.unwrap_or_default();
    let incoming = Waiting::of(&payments, &own).incoming;
    let cost = amount.saturating_add(fee);
    let available = purses.iter().map(|purse| purse.spendable).fold(0, u64::saturating_add);
    let coins = Coins::from_units;
    let mut why = format!("{} needed", counted(coins(cost), "coin"));
    if fee > 0 {
        why += &format!(" ({} and a fee of {})", coins(amount), coins(fee));
    }
    why += &format!(", {} available", coins(available));
    if incoming > 0 {
        why += &format!(", {} on their way", coins(incoming));
    }
    if available < cost {
        if available.saturating_add(incoming) >= cost {
            why += "; wait until a block confirms what is on its way";
        }
        return anyhow::anyhow!(why);
    }
    why += "; but a payment comes from one address: pay in parts, or first move coins to one of these:";
    for purse in purses.iter().filter(|purse| purse.spendable > 0) {
        let (address, coins) = (purse.address.to_text(domain.hrp), coins(purse.spendable));
        why += &format!("\n  {address}  {coins}  {}", purse.label);
        why.truncate(why.trim_end().len());
    }
    anyhow::anyhow!(why)
}

/// Describes the payment that is about to be sent.
pub(super) fn summary(
    draft: &Draft<'_>,
    spendable: u64,
    nonce: Option<&str>,
    node: &Node,
    remote: &Remote,
) -> String {
    let hrp = remote.domain.hrp;
    let mut summary = format!(
        "pay    {}\nto     {}\nfrom   {}, which has {}\nfee    {}\n",
        counted(Coins::from_units(draft.amount), "coin"),
        draft.recipient.to_text(hrp),
        draft.sender.to_text(hrp),
        Coins::from_units(spendable),
        Coins::from_units(draft.fee),
    );
    if let Some(nonce) = nonce {
        summary.push_str(&format!("nonce  {nonce}\n"));
    }
    if let Some(memo) = draft.memo {
        let memo = shown(memo, MAX_SHOWN).replace('"', "\\\"");
        summary.push_str(&format!("memo   \"{memo}\"\n"));
    }
    summary.push_str(&format!(
        "chain  {}, {}\nnode   {}, which says what the address has",
        remote.name,
        remote.domain.chain_id,
        node.name()
    ));
    summary
}

/// Hands the payment in, and again if no answer comes: the same text is the same payment. The
/// second value is whether the node had it before the first try.
///
/// # Errors
/// Fails if it is not known whether the payment arrived, or if the node refuses it. The inner error
/// is for the one case in which only another payment with its nonce keeps the node from taking it,
/// and no earlier try can have arrived.
pub(super) async fn hand_in(
    node: &Node,
    payment: &Verified,
    replacing: Replacing,
) -> anyhow::Result<Result<(PaymentStatus, bool), NodeError>> {
    let mut on_its_way = OnItsWay(Some(payment));
    let outcome = hand_in_again(node, payment, replacing).await;
    on_its_way.0 = None;
    outcome
}

async fn hand_in_again(
    node: &Node,
    payment: &Verified,
    replacing: Replacing,
) -> anyhow::Result<Result<(PaymentStatus, bool), NodeError>> {
    let mut waits = AGAIN_AFTER.into_iter();
    loop {
        // After a try without an answer, the node may have the payment, whatever the next answer
        // says.
        let is_first = waits.len() == AGAIN_AFTER.len();
        let error = match node.submit(payment, replacing).await {
            Ok((Submitted::Queued, known)) => {
                return Ok(Ok((PaymentStatus::waits("queued"), known && is_first)));
            }
            Ok((Submitted::Held { missing }, known)) => {
                note(&format!(
                    "the node holds the payment for some minutes: it waits for the payment with \
                     the nonce {missing}"
                ));
                return Ok(Ok((PaymentStatus::waits("held"), known && is_first)));
            }
            // Another try would get the same answer.
            Err(redirected @ NodeError::Redirected(_)) if is_first => {
                return Err(redirected.about(payment).into());
            }
            // The payment may have arrived with the try before, or from another holder of the text,
            // and be in the chain by now.
            Err(refused @ NodeError::Refused { .. }) => {
                let is_taken = refused.is_taken();
                match node.whereabouts(&payment.id()).await {
                    Ok(Whereabouts::Nowhere) if is_taken && is_first => return Ok(Err(refused)),
                    Ok(Whereabouts::Nowhere) if is_taken => return Err(unknown(refused, payment)),
                    Ok(Whereabouts::Nowhere) => return Err(refused.about(payment).into()),
                    Ok(found) => {
                        note(&format!("the node says that it has the payment: {}", news(&found)));
                        return Ok(Ok((PaymentStatus::of(&found), false)));
                    }
                    Err(error) => error,
                }
            }
            Err(error) => error,
        };
        let Some(wait) = waits.next() else { return Err(unknown(error, payment)) };
        note(&format!("{error}; trying again"));
        sleep(wait).await;
    }
}

/// A payment that is being handed in. If the program is stopped meanwhile, its user is told.
struct OnItsWay<'a>(Option<&'a Verified>);

impl Drop for OnItsWay<'_> {
    fn drop(&mut self) {
        if let Some(payment) = self.0 {
            note(not_known(payment).trim_end());
        }
    }
}

/// The error that it is not known whether the payment arrived.
fn unknown(why: NodeError, payment: &Verified) -> anyhow::Error {
    anyhow::Error::from(why).context(not_known(payment))
}

fn not_known(payment: &Verified) -> String {
    format!(
        "it is not known whether payment {} arrived. Don't pay again before you know: look at \
         `blocksmith wallet history`, or send the same text again with `blocksmith wallet send \
         --signed`, which can't pay twice. The text is\n{}\n",
        payment.id(),
        payment.text()
    )
}

fn tell(common: &Common, said: &PaymentInfo, standing: PaymentStatus) -> anyhow::Result<()> {
    if common.json {
        return print_json(&Report { said, standing });
    }
    print_line(&said.id)
}

/// Describes where a payment is.
pub(super) fn news(found: &Whereabouts) -> String {
    match found {
        Whereabouts::Confirmed { block, confirmations } => {
            format!("in block {block}: {}", counted(confirmations, "confirmation"))
        }
        Whereabouts::Queued(None) => "it waits for a block".into(),
        Whereabouts::Queued(Some(waits)) => {
            format!("it waits for a block: {}", turn::told(waits))
        }
        Whereabouts::Held(None) => "it waits for the payment before it".into(),
        Whereabouts::Held(Some(waits)) => {
            format!("it waits for the payment before it: {}", turn::told(waits))
        }
        Whereabouts::Nowhere => "the node does not have it".into(),
    }
}

/// Waits until the node says that `wanted` blocks confirm the payment.
async fn wait(
    node: &Node,
    payment: &Verified,
    wanted: u64,
    deadline: Instant,
) -> anyhow::Result<PaymentStatus> {
    let id = payment.id();
    let mut told = String::new();
    let mut tell = |news: String, key: String| {
        if key != told {
            note(&news);
            told = key;
        }
    };
    let mut nowhere = 0;
    loop {
        let found = node.whereabouts(&id).await;
        nowhere = if matches!(found, Ok(Whereabouts::Nowhere)) { nowhere + 1 } else { 0 };
        if let Ok(found) = &found
            && *found != Whereabouts::Nowhere
        {
            // A place in line changes with whatever comes, and is no news by itself.
            let key = match found {
                Whereabouts::Queued(Some(waits)) | Whereabouts::Held(Some(waits)) => {
                    turn::without_place(waits)
                }
                found => news(found),
            };
            tell(format!("the node says: {}", news(found)), key);
        }
        match &found {
            Ok(found @ Whereabouts::Confirmed { confirmations, .. })
                if *confirmations >= wanted =>
            {
                return Ok(PaymentStatus::of(found));
            }
            // Another text would be another payment, and both could count.
            Ok(Whereabouts::Nowhere) if nowhere == ENOUGH_NOWHERE => anyhow::bail!(
                "the node says that payment {id} no longer waits and is not in the chain: another \
                 payment took its nonce, or the node dropped it. It can still count, so don't sign \
                 another one: to pay, send this same text with `blocksmith wallet send --signed`, \
                 which can't pay twice:\n{}",
                payment.text()
            ),
            Ok(_) => {}
            Err(NodeError::Redirected(_)) => {
                return found.map(|found| PaymentStatus::of(&found)).map_err(Into::into);
            }
            // The node had the payment a moment ago.
            Err(error) => {
                let news = format!("{error}; asking again");
                tell(news.clone(), news);
            }
        }
        if Instant::now() >= deadline {
            return match found {
                Err(error) => Err(error.into()),
                Ok(_) => anyhow::bail!(
                    "payment {id} was sent and does not have {} yet; `blocksmith wallet history` \
                     shows how many it has",
                    counted(wanted, "confirmation")
                ),
            };
        }
        sleep(ASK_EVERY.min(deadline.saturating_duration_since(Instant::now()))).await;
    }
}
