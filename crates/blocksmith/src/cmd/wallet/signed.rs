//! Payments that were signed elsewhere, as `blocksmith wallet sign` prints them.

use blocksmith_api::Account;
use blocksmith_consensus::address::Hrp;
use blocksmith_consensus::payment::{Draft, Verified};

use super::mail::NoPayment;

use super::node::{Node, Replacing, Whereabouts};
use super::payer::Payer;
use super::payment_file::Text;
use super::remote::Remote;
use super::send::{PaymentStatus, Sent, SpendableAddress, hand_in, news, summary, too_little};
use super::{Misused, agreed, note};
use crate::amount::Coins;
use crate::cmd::counted;

impl Text {
    /// The payment, if its sender signed it for the node's chain. The node does not get it yet.
    fn verify(&self, remote: &Remote) -> anyhow::Result<Verified> {
        let (source, chain) = (&self.source, &remote.name);
        self.payment(&remote.domain).map_err(|why| match why {
            NoPayment::Text(why) => anyhow::anyhow!(
                "{source} does not contain a payment on the chain {chain}: {why}; send the text \
                 exactly as `blocksmith wallet sign` prints it for this chain"
            ),
            NoPayment::Signature(_) => anyhow::anyhow!(
                "the payment in {source} is not signed by its sender for the chain {chain}, {}: \
                 its text was changed, or it was signed for another chain. Sign it for this chain \
                 with `blocksmith wallet sign --chain`, or name a node of the other chain with \
                 --node",
                remote.domain.chain_id
            ),
        })
    }

    /// Hands the payment in if the person at the terminal agrees. Refuses a payment that can't be
    /// made.
    pub(super) async fn send(
        &self,
        node: &Node,
        remote: &Remote,
        unasked: bool,
        replace: bool,
    ) -> anyhow::Result<Option<Sent>> {
        let payment = self.verify(remote)?;
        let (sender, domain, hrp) = (payment.sender(), &remote.domain, remote.domain.hrp);
        for address in [sender, payment.recipient()] {
            remote.dev_keys.check(&address, hrp)?;
        }
        let found = node.whereabouts(&payment.id()).await?;
        let mut payer = Payer::look(node, sender, domain).await?;
        if found == Whereabouts::Nowhere {
            check_payable(&payment, &mut payer, node, remote).await?;
        }
        let rival = payer.waiting.iter().find(|waiting| waiting.nonce() == payment.nonce());
        let rival = rival.filter(|_| found == Whereabouts::Nowhere);
        let memo = payment.memo();
        let draft = Draft {
            sender,
            recipient: payment.recipient(),
            amount: payment.amount(),
            fee: payment.fee(),
            nonce: payment.nonce(),
            memo: memo.as_deref(),
        };
        let nonce = match rival {
            Some(rival) => in_place_of(rival, &payment, &payer, hrp),
            None => about_nonce(payment.nonce(), &payer.account, &found),
        };
        note(&summary(&draft, payer.spendable(), Some(&nonce), node, remote));
        if found != Whereabouts::Nowhere {
            note(&format!(
                "the node says that it already has this payment: {}. It is sent again, which is \
                 harmless: one text pays once",
                news(&found)
            ));
        }
        let replacing = match rival {
            Some(rival) if replace || !unasked => Replacing::Only(rival.id()),
            None if replace => Replacing::Any,
            None => Replacing::Nothing,
            Some(_) => {
                return Err(Misused(format!(
                    "another payment waits with the nonce {}: add --replace to replace it with \
                     this one",
                    payment.nonce()
                ))
                .into());
            }
        };
        let question = match rival {
            Some(_) => "Send it and replace the other payment? [y/N] ",
            None => "Send it? [y/N] ",
        };
        if !unasked && !agreed(question).await? {
            return Ok(None);
        }
        match hand_in(node, &payment, replacing).await? {
            // If the node had the payment already, its earlier answer said more.
            Ok((_, true)) if found != Whereabouts::Nowhere => {
                Ok(Some((payment.clone(), PaymentStatus::of(&found))))
            }
            Ok((standing, _)) => Ok(Some((payment.clone(), standing))),
            Err(taken) => Err(anyhow::Error::from(taken).context(format!(
                "the node did not take payment {}: another payment has the same nonce, and only \
                 one of them can count; add --replace to replace the other one",
                payment.id()
            ))),
        }
    }
}

/// Whether a payment can still be made, as far as the node shows.
async fn check_payable(
    payment: &Verified,
    payer: &mut Payer,
    node: &Node,
    remote: &Remote,
) -> anyhow::Result<()> {
    let (domain, hrp, nonce) = (&remote.domain, remote.domain.hrp, payment.nonce());
    let (sender, account) = (payment.sender(), payer.account.clone());
    if nonce < account.nonce {
        let next = payer.next(node, domain).await?;
        let (text, of) = (sender.to_text(hrp), "another payment of");
        let Some((block, other)) = payer.confirmed(node, domain, nonce).await? else {
            anyhow::bail!(
                "the node says that the nonce {nonce} of {text} is used, but shows no payment that \
                 used it. This payment can still count, so don't sign another one: send the same \
                 text to another node with --node"
            );
        };
        let instead = match next {
            Ok(next) => format!("; to pay it, sign it with --nonce {next}"),
            Err(_) => String::new(),
        };
        anyhow::bail!(
            "{of} {text} has the nonce {nonce}, so this payment is no longer possible: the other \
             one pays {} to {}, in block {block}, the node says{instead}",
            counted(Coins::from_units(other.amount()), "coin"),
            other.recipient().to_text(hrp),
        );
    }
    // The node knows better what replacing a payment costs, and what a payment that is held costs.
    if nonce == account.next_nonce {
        let purse = SpendableAddress {
            address: sender,
            label: String::new(),
            spendable: payer.spendable(),
        };
        if purse.spendable < payment.cost() {
            let (amount, fee) = (payment.amount(), payment.fee());
            return Err(too_little(node, domain, &[purse], amount, fee).await);
        }
    }
    Ok(())
}

/// Says that another payment waits with the same nonce, and what comes of it.
fn in_place_of(rival: &Verified, payment: &Verified, payer: &Payer, hrp: Hrp) -> String {
    let mut text = format!(
        "{}, the same as that of another payment that waits, {}: {} to {}. This payment replaces \
         it if its fee is higher",
        rival.nonce(),
        rival.id(),
        counted(Coins::from_units(rival.amount()), "coin"),
        rival.recipient().to_text(hrp)
    );
    let mut left = payer.account.balance;
    let unpayable = payer.waiting.iter().position(|waiting| {
        let is_rival = waiting.nonce() == rival.nonce();
        let cost = if is_rival { payment.cost() } else { waiting.cost() };
        let is_payable = cost <= left;
        left = left.saturating_sub(cost);
        !is_payable
    });
    let dropped = unpayable.map_or(0, |place| payer.waiting.len() - place);
    if dropped > 0 {
        text.push_str(&format!(
            "; then the sender has too little for {} with a later nonce, and the node drops what the \
             sender can't pay",
            counted(dropped, "payment")
        ));
    }
    text
}

/// Says what comes of the nonce that the signer chose, if it is not the next one.
fn about_nonce(nonce: u64, account: &Account, found: &Whereabouts) -> String {
    let next = account.next_nonce;
    if *found != Whereabouts::Nowhere || nonce == next {
        nonce.to_string()
    } else if nonce < next {
        format!(
            "{nonce}, but the node says that another payment with this nonce waits, and does not \
             show it"
        )
    } else {
        format!(
            "{nonce}, but the sender's next nonce is {next}: the node can only hold this payment \
             until that one comes"
        )
    }
}
