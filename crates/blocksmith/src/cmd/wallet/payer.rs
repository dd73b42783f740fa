//! What a node shows of an address that pays.
//!
//! A node can make up what it says of an account, also its next nonce. A payment that is signed
//! with a nonce too high can't be made now, but later, once other payments have filled the gap: at
//! a time when its sender no longer expects it, and perhaps has paid again. So the wallet takes a
//! nonce if the node shows the payment with the nonce before it, signed by the address: the node
//! can't make that one up.

use std::fmt;

use blocksmith_api::Account;
use blocksmith_consensus::Hash;
use blocksmith_consensus::address::Address;
use blocksmith_consensus::payment::{Domain, Verified, VerifiedEntry};

use super::node::{MAX_PAGE, Node, NodeError, Page, Placed};

/// The most pages of an account's history that are searched for a payment of its own: a miner's
/// account is in many transactions, and pays in few.
const MAX_PAGES: usize = 200;

/// An address, with what a node shows of it.
#[derive(Debug)]
pub(super) struct Payer {
    address: Address,
    pub(super) account: Account,
    /// The payments of the address that wait, in the order of their nonces.
    pub(super) waiting: Vec<Verified>,
    /// Its payments that the node holds until one with an earlier nonce comes.
    pub(super) held: Vec<Verified>,
    /// Its payments in the chain, each with its block, the newest first, as far as they were read.
    confirmed: Vec<(u64, Verified)>,
    /// Where the next page of its history starts.
    next_page: Option<String>,
}

/// A next nonce without a payment that shows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Gap {
    /// The nonce that the node says is next.
    pub(super) claimed: u64,
    /// The nonce of the newest payment that it shows.
    newest: Option<u64>,
}

impl fmt::Display for Gap {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the node says that the next nonce is {}, ", self.claimed)?;
        match self.newest {
            Some(newest) => {
                write!(
                    f,
                    "but the newest payment of this address that it shows has the nonce \
                     {newest}"
                )
            }
            None => write!(f, "but it shows no payment of this address"),
        }
    }
}

impl Payer {
    /// Reads the account, and the newest page of its history if it ever paid.
    pub(super) async fn look(
        node: &Node,
        address: Address,
        domain: &Domain,
    ) -> Result<Self, NodeError> {
        let account = node.account(&address.to_text(domain.hrp)).await?;
        let held = node.held(&account, address, domain)?;
        let held = held.into_iter().map(|(payment, _)| payment).collect();
        let (waiting, confirmed) = (Vec::new(), Vec::new());
        let mut payer = Self { address, account, waiting, held, confirmed, next_page: None };
        if payer.account.next_nonce > 0 {
            let page = payer.page(node, domain, None).await?;
            payer.waiting = page.queued;
            payer.waiting.retain(|payment| payment.sender() == address);
            payer.waiting.sort_by_key(|payment| payment.nonce());
        }
        Ok(payer)
    }

    async fn page(
        &mut self,
        node: &Node,
        domain: &Domain,
        before: Option<&str>,
    ) -> Result<Page, NodeError> {
        let text = self.address.to_text(domain.hrp);
        let mut page = node.history(&text, domain, MAX_PAGE, before).await?;
        self.next_page = page.next.take().filter(|_| !page.placed.is_empty());
        for Placed { place, entry, .. } in &page.placed {
            if let VerifiedEntry::Payment(payment) = entry
                && payment.sender() == self.address
            {
                self.confirmed.push((place.block, payment.clone()));
            }
        }
        Ok(page)
    }

    /// Reads on in the history until `so` holds for a payment of the address.
    async fn find(
        &mut self,
        node: &Node,
        domain: &Domain,
        so: impl Fn(&Verified) -> bool,
    ) -> Result<(), NodeError> {
        for _ in 0..MAX_PAGES {
            if self.confirmed.iter().any(|(_, payment)| so(payment)) {
                break;
            }
            let Some(before) = self.next_page.take() else { break };
            self.page(node, domain, Some(&before)).await?;
        }
        Ok(())
    }

    /// What the address can pay: its balance, less the cost of its waiting payments.
    pub(super) fn spendable(&self) -> u64 {
        let queued = self.waiting.iter().map(|payment| payment.cost()).fold(0, u64::saturating_add);
        self.account.balance.saturating_sub(queued)
    }

    /// Whether the node shows this payment.
    pub(super) fn shows(&self, id: &Hash) -> bool {
        self.own().any(|payment| payment.id() == *id)
    }

    /// Whether the node shows another payment with the nonce of this one.
    pub(super) fn shows_rival(&self, payment: &Verified) -> bool {
        self.own().any(|own| own.nonce() == payment.nonce() && own.id() != payment.id())
    }

    fn own(&self) -> impl Iterator<Item = &Verified> {
        self.waiting.iter().chain(self.confirmed.iter().map(|(_, payment)| payment))
    }

    /// The address's payment in the chain with this nonce, and its block.
    pub(super) async fn confirmed(
        &mut self,
        node: &Node,
        domain: &Domain,
        nonce: u64,
    ) -> Result<Option<&(u64, Verified)>, NodeError> {
        self.find(node, domain, |payment| payment.nonce() <= nonce).await?;
        Ok(self.confirmed.iter().find(|(_, payment)| payment.nonce() == nonce))
    }

    /// The nonce of the address's next payment: the one after the payments that wait without a gap,
    /// or else after the newest payment in the chain.
    pub(super) async fn next(
        &mut self,
        node: &Node,
        domain: &Domain,
    ) -> Result<Result<u64, Gap>, NodeError> {
        let claimed = self.account.next_nonce;
        let mut newest = self.waiting.first().map(|payment| payment.nonce());
        for payment in &self.waiting {
            newest = newest.map(|newest| newest + u64::from(payment.nonce() == newest + 1));
        }
        if newest.is_none() && claimed > 0 {
            self.find(node, domain, |_| true).await?;
            newest = self.confirmed.first().map(|(_, payment)| payment.nonce());
        }
        let next = newest.map_or(0, |newest| newest + 1);
        // The node may have taken in another payment between two answers, but can't have lost one
        // that it shows.
        Ok(if next >= claimed { Ok(next) } else { Err(Gap { claimed, newest }) })
    }
}
