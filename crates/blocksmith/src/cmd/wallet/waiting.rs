//! What a wallet has, and what waits for a block.

use std::collections::HashSet;

use blocksmith_consensus::address::Address;
use blocksmith_consensus::payment::{Domain, Verified};

use super::node::{Node, NodeError};
use super::table::aligned;
use crate::amount::Coins;
use crate::service::MAX_INCOMING;

/// What the payments that wait bring to a wallet, and take from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Waiting {
    /// Units that others pay to the wallet.
    pub(super) incoming: u64,
    /// How many payments bring them.
    arriving: usize,
    /// Units that the wallet pays to others, and to miners.
    pub(super) outgoing: u64,
    /// How many payments take them.
    leaving: usize,
}

impl Waiting {
    /// Sums up payments that wait, each of which is counted once.
    pub(super) fn of<'a>(
        payments: impl IntoIterator<Item = &'a Verified>,
        own: &[Address],
    ) -> Self {
        let (mut sum, mut seen) = (Self::default(), HashSet::new());
        for payment in payments {
            if !seen.insert(payment.id()) {
                continue;
            }
            match (own.contains(&payment.sender()), own.contains(&payment.recipient())) {
                (true, to_self) => {
                    let cost = if to_self { payment.fee() } else { payment.cost() };
                    sum.outgoing = sum.outgoing.saturating_add(cost);
                    sum.leaving += 1;
                }
                (false, true) => {
                    sum.incoming = sum.incoming.saturating_add(payment.amount());
                    sum.arriving += 1;
                }
                (false, false) => {}
            }
        }
        sum
    }

    /// Says what the wallet has, and what is on its way.
    pub(super) fn told(&self, balance: u64) -> String {
        let payments = |count: usize| match count {
            1 => "1 payment waits".into(),
            // A node shows no more of those to one address.
            count if count >= MAX_INCOMING => format!("{count} payments or more wait"),
            count => format!("{count} payments wait"),
        };
        let coins = |units| Coins::from_units(units).to_string();
        let mut lines = vec![("have", coins(balance), "coins".to_owned())];
        if self.arriving > 0 {
            let amount = format!("+{}", coins(self.incoming));
            lines.push(("coming", amount, payments(self.arriving)));
        }
        if self.leaving > 0 {
            let amount = format!("-{}", coins(self.outgoing));
            lines.push(("leaving", amount, payments(self.leaving)));
        }
        let amounts = aligned(lines.iter().map(|(_, amount, _)| amount.as_str()));
        let line = |((what, _, why), amount): (&(&str, String, String), String)| {
            format!("{what:<7}  {amount}  {why}")
        };
        lines.iter().zip(amounts).map(line).collect::<Vec<_>>().join("\n")
    }
}

/// The payments that wait for these addresses and from them.
pub(super) async fn waiting(
    node: &Node,
    domain: &Domain,
    addresses: impl IntoIterator<Item = &Address>,
) -> Result<Vec<Verified>, NodeError> {
    let mut waiting = Vec::new();
    for address in addresses {
        let page = node.history(&address.to_text(domain.hrp), domain, 1, None).await?;
        waiting.extend(page.queued);
    }
    Ok(waiting)
}
