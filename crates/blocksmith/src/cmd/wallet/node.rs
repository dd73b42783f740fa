//! The calls of `/api/v1` that a wallet needs. The wallet reads the transactions of an answer by
//! the rules, as a node does.

use std::borrow::Cow;

use blocksmith_api::client as api;
use blocksmith_api::{
    Account, AccountTransaction, Pending, Place, RawValue, Status, Submitted as Taken, Transaction,
    TransactionStatus, WaitingTransaction, Waits, WhyLater,
};
use blocksmith_consensus::Hash;
use blocksmith_consensus::address::Address;
use blocksmith_consensus::json::{self, Value};
use blocksmith_consensus::payment::{Domain, Verified, VerifiedEntry};
use reqwest::{StatusCode, Url};

use super::chain_name::Name;
use crate::text::shown;

/// The most bytes of an answer: far more than a page of [`MAX_PAGE`] transactions has.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// The most transactions in one answer.
pub(super) const MAX_PAGE: usize = 100;

/// How much of a node's text is shown, in characters.
const MAX_SHOWN: usize = 300;

/// Why a call failed.
#[derive(Debug, thiserror::Error)]
pub(super) enum NodeError {
    /// No server answers.
    #[error("{url} does not answer ({cause}); is a node running there? --node names another")]
    Away { url: String, cause: String },
    /// The node understands and refuses, in its own words.
    #[error("the node refuses: {detail}")]
    Refused {
        detail: String,
        /// The rule that is broken, for programs.
        rule: Option<String>,
    },
    /// The chain has no accounts.
    #[error(
        "the node at {url} has no accounts: it runs {chain}, which has no signed payments. Start a \
         node with --chain forge or a chain file, or name another node with --node"
    )]
    Unsigned { url: String, chain: Name },
    /// No node of ours answers so.
    #[error("the answer to {call} is not that of a Blocksmith node with accounts: {answer}")]
    Strange { call: String, answer: String },
    /// The answer redirects to another address.
    #[error(transparent)]
    Redirected(api::Redirected),
    /// The server speaks another protocol than its address says; a whole sentence, with the way
    /// out.
    #[error("{0}")]
    Misspoken(String),
    /// The node got a payment and says that it does not take it. Nothing proves that it did not
    /// keep it.
    #[error(
        "{why}. Payment {id} can still count if the node kept it. To make sure that it does not count, \
         sign another payment with its nonce, with `blocksmith wallet sign --nonce {nonce}`, and send that one \
         with `blocksmith wallet send --signed FILE --replace`"
    )]
    NotTaken { why: Box<NodeError>, id: Hash, nonce: u64 },
    /// The node already had the payment that was just made for it.
    #[error(
        "the node says that it already had this payment, {id}: another process paid the same \
         amount to the same address at the same moment, with the same nonce. This process sent no \
         other payment. `blocksmith wallet history` shows what was sent; to pay a second time, \
         send again"
    )]
    Twin { id: Hash },
}

/// A node at an address.
#[derive(Debug)]
pub(super) struct Node(api::Node);

/// A page of an account's history.
#[derive(Debug)]
pub(super) struct Page {
    /// The account's payments that wait, and those to it; only in the first page.
    pub(super) queued: Vec<Verified>,
    /// The newest first.
    pub(super) placed: Vec<Placed>,
    /// Where the next page starts.
    pub(super) next: Option<String>,
}

/// A transaction in the chain.
#[derive(Debug, Clone)]
pub(super) struct Placed {
    pub(super) place: Place,
    /// When its block was made, in seconds since 1970, if the node says it.
    pub(super) timestamp: Option<u64>,
    pub(super) id: Hash,
    pub(super) entry: VerifiedEntry,
}

/// What became of a payment that was handed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Submitted {
    /// It waits, or is in the chain already.
    Queued,
    /// It waits for the payment before it.
    Held {
        /// The nonce of that payment.
        missing: u64,
    },
}

/// Which waiting payment with the same nonce a payment may replace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replacing {
    /// Nothing.
    Nothing,
    /// This payment.
    Only(Hash),
    /// Any payment.
    Any,
}

/// Where a payment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// Neither waiting nor in the chain.
    Nowhere,
    /// It waits; perhaps the node says when its turn comes.
    Queued(Option<Waits>),
    /// It waits for the payment before it.
    Held(Option<Waits>),
    /// It is in the chain.
    Confirmed { block: u64, confirmations: u64 },
}

impl From<api::NodeError> for NodeError {
    fn from(error: api::NodeError) -> Self {
        match error {
            api::NodeError::Unreachable { url, cause } => Self::Away { url, cause },
            api::NodeError::Misspoken(said) => Self::Misspoken(said),
            api::NodeError::Redirected(redirected) => Self::Redirected(redirected),
            // Any server says this of a page that it does not have.
            api::NodeError::Refused {
                call,
                status: status @ StatusCode::NOT_FOUND,
                problem,
                ..
            } => Self::Strange { call, answer: format!("{status}: {}", problem.detail) },
            api::NodeError::Refused { problem, .. } => {
                Self::Refused { detail: problem.detail, rule: problem.rule }
            }
            api::NodeError::Unexpected { call, answer, .. } => Self::Strange { call, answer },
        }
    }
}

impl NodeError {
    /// Says that the node got a payment and did not take it.
    pub(super) fn about(self, payment: &Verified) -> Self {
        Self::NotTaken { why: Box::new(self), id: payment.id(), nonce: payment.nonce() }
    }

    /// Whether another payment has the nonce of a payment that was to replace none.
    pub(super) fn is_taken(&self) -> bool {
        matches!(self, Self::Refused { rule: Some(rule), .. } if rule == "replaces")
    }
}

impl Node {
    /// A node at `base`, which is not called yet.
    ///
    /// # Errors
    /// Fails if the TLS backend or the system resolver can't be set up.
    pub(super) fn new(base: Url) -> reqwest::Result<Self> {
        let node = api::Node::new(base, |there| format!("--node {there}"))?;
        Ok(Self(node.with_max_bytes(MAX_ANSWER_BYTES)))
    }

    /// The node's address as people write it.
    pub(super) fn name(&self) -> &str {
        self.0.name()
    }

    /// Says that the node is the source of what was printed.
    pub(super) fn is_quoted(&self) {
        super::note(&format!("This is what the node at {} says.", self.name()));
    }

    /// Asks which chain the node runs. The id alone tells, since signatures cover it.
    pub(super) async fn status(&self) -> Result<Status, NodeError> {
        Ok(self.0.status().await?)
    }

    /// The text of the block with this index, in canonical form.
    pub(super) async fn block(&self, index: u64) -> Result<String, NodeError> {
        let found = self.0.block(index).await?;
        canonical(&found.block).map_err(|why| strange(format!("GET /api/v1/blocks/{index}"), &why))
    }

    /// The state of an account; an account that the chain has never had is empty.
    pub(super) async fn account(&self, address: &str) -> Result<Account, NodeError> {
        Ok(self.0.account(address).await?)
    }

    /// The payments of an address that the node holds until an earlier one comes, in the order of
    /// their nonces, each with what it waits for; `account` is what the node says of the address.
    pub(super) fn held(
        &self,
        account: &Account,
        address: Address,
        domain: &Domain,
    ) -> Result<Vec<(Verified, Waits)>, NodeError> {
        let strange = |why: &str| strange(format!("GET /api/v1/accounts/{}", account.party), why);
        let is_held = |waiting: &&WaitingTransaction| {
            let Waits { block, why, .. } = waiting.waits;
            block.is_none() && matches!(why, Some(WhyLater::Nonce | WhyLater::Balance))
        };
        let held = account.outgoing.iter().filter(is_held).map(|held| {
            match entry(&held.transaction, domain).map_err(|why| strange(&why))? {
                VerifiedEntry::Payment(payment) if payment.sender() == address => {
                    Ok((payment, held.waits))
                }
                _ => Err(strange("it has a payment that is not of this account")),
            }
        });
        held.collect()
    }

    /// A page of an account's history: the newest, or those before a place.
    pub(super) async fn history(
        &self,
        address: &str,
        domain: &Domain,
        limit: usize,
        before: Option<&str>,
    ) -> Result<Page, NodeError> {
        let limit = limit.clamp(1, MAX_PAGE);
        let page = self.0.account_transactions(address, limit, before).await?;
        let strange = |why: &str| {
            let call = format!("GET /api/v1/accounts/{address}/transactions");
            strange(call, &format!("it has a transaction that is not valid on its chain: {why}"))
        };
        let read = |text: &RawValue| entry(text, domain).map_err(|why| strange(&why));
        let queued = page.queued.iter().chain(&page.incoming).flatten();
        let queued = queued.map(|text| match read(text)? {
            VerifiedEntry::Payment(payment) => Ok(payment),
            VerifiedEntry::Coinbase(_) => Err(strange("a coinbase can't wait for a block")),
        });
        let queued = queued.collect::<Result<_, NodeError>>()?;
        let placed = page.transactions.iter().map(|found| {
            let entry = read(&found.transaction)?;
            let id = match &entry {
                VerifiedEntry::Payment(payment) => payment.id(),
                VerifiedEntry::Coinbase(coin) => coin.id(domain),
            };
            let AccountTransaction { block, hash, position, confirmations, timestamp, .. } = *found;
            let place = Place { block, hash, position, confirmations };
            let timestamp = timestamp.map(|seconds| seconds.0 as u64);
            Ok(Placed { place, timestamp, id, entry })
        });
        Ok(Page { queued, placed: placed.collect::<Result<_, NodeError>>()?, next: page.next })
    }

    /// The least fee, in units, with which a payment of `bytes` bytes may be in the next block.
    pub(super) async fn fee(&self, bytes: usize) -> Result<u64, NodeError> {
        Ok(self.0.fees(bytes).await?.next_block)
    }

    /// Hands in a signed payment, which may be done twice without harm. Only an answer that names
    /// the payment by its id shows that the node has it. The second value is whether the node had
    /// it before.
    pub(super) async fn submit(
        &self,
        payment: &Verified,
        replacing: Replacing,
    ) -> Result<(Submitted, bool), NodeError> {
        let replaces = match replacing {
            Replacing::Nothing => Some("none".into()),
            Replacing::Only(id) => Some(id.to_string()),
            Replacing::Any => None,
        };
        let answered = self.0.submit_payment(payment.text(), replaces.as_deref()).await?;
        let status = answered.status;
        let strange = |why: &str| {
            strange("POST /api/v1/transactions".into(), &format!("{status}, but {why}"))
        };
        let (id, held, missing) = match answered.answer {
            Taken::Pending(Pending { id, status, missing }) => {
                (id, status == TransactionStatus::Held, missing)
            }
            Taken::Known(Transaction { id, .. }) => (id, false, None),
            Taken::List(_) => return Err(strange("about a list of payments")),
        };
        if id.0 != payment.id() {
            return Err(strange("about another payment"));
        }
        let submitted = match (held, missing) {
            (false, _) => Submitted::Queued,
            (true, Some(missing)) => Submitted::Held { missing },
            (true, None) => return Err(strange("without the nonce that the payment waits for")),
        };
        Ok((submitted, status != StatusCode::CREATED))
    }

    /// Where a payment is.
    pub(super) async fn whereabouts(&self, id: &Hash) -> Result<Whereabouts, NodeError> {
        match self.transaction(id).await? {
            Some(found) => whereabouts(&found, id),
            None => Ok(Whereabouts::Nowhere),
        }
    }

    /// The payment with this id, which its sender signed, and where it is; `None` if it is nowhere.
    pub(super) async fn payment(
        &self,
        id: &Hash,
        domain: &Domain,
    ) -> Result<Option<(Whereabouts, Verified)>, NodeError> {
        let Some(found) = self.transaction(id).await? else { return Ok(None) };
        let strange = |why: &str| strange(format!("GET /api/v1/transactions/{id}"), why);
        match entry(&found.transaction, domain).map_err(|why| strange(&why))? {
            VerifiedEntry::Payment(payment) if payment.id() == *id => {
                Ok(Some((whereabouts(&found, id)?, payment)))
            }
            VerifiedEntry::Payment(_) => Err(strange("it is another payment")),
            VerifiedEntry::Coinbase(_) => Err(strange("it is the coin of a block's miner")),
        }
    }

    /// A transaction; `None` if it neither waits nor is in the chain.
    async fn transaction(&self, id: &Hash) -> Result<Option<Transaction>, NodeError> {
        match self.0.transaction(id).await {
            Err(
                api::NodeError::Refused { status: StatusCode::NOT_FOUND, .. }
                | api::NodeError::Unexpected { status: StatusCode::NOT_FOUND, .. },
            ) => Ok(None),
            found => Ok(Some(found?)),
        }
    }
}

/// Where a transaction is that a node shows.
fn whereabouts(found: &Transaction, id: &Hash) -> Result<Whereabouts, NodeError> {
    match (found.status, found.places.first()) {
        (TransactionStatus::Queued, _) => Ok(Whereabouts::Queued(found.waits)),
        (TransactionStatus::Held, _) => Ok(Whereabouts::Held(found.waits)),
        (TransactionStatus::Confirmed, Some(&Place { block, confirmations, .. })) => {
            Ok(Whereabouts::Confirmed { block, confirmations })
        }
        (TransactionStatus::Confirmed, None) => {
            let call = format!("GET /api/v1/transactions/{id}");
            Err(strange(call, "it is confirmed, but in no block"))
        }
    }
}

/// The error for an answer to `call` that has the right form and says what can't be so.
fn strange(call: String, says: &str) -> NodeError {
    NodeError::Strange { call, answer: shown(says, MAX_SHOWN) }
}

/// A transaction of an answer, if it is one of this chain: a node can invent that a payment is in a
/// block, but not a payment that its sender did not sign.
fn entry(text: &RawValue, domain: &Domain) -> Result<VerifiedEntry, String> {
    let text = canonical(text)?;
    VerifiedEntry::of_canonical(Value::of_canonical(&text), domain).map_err(|why| why.to_string())
}

/// The canonical form of a text, if the text is JSON.
pub(super) fn canonical(text: &RawValue) -> Result<String, String> {
    let canonical = json::canonical(text.get().as_bytes());
    canonical.map(Cow::into_owned).map_err(|why| why.to_string())
}
