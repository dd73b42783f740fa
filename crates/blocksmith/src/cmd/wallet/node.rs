//! What a node is asked: the calls of `/api/v1` that a wallet needs. Transactions in its answers are
//! read by the rules, as a node reads them.

use std::borrow::Cow;
use std::time::Duration;

use blocksmith_consensus::Hash;
use blocksmith_consensus::address::Hrp;
use blocksmith_consensus::json::{self, Value};
use blocksmith_consensus::payment::{Domain, Verified, VerifiedEntry};
use reqwest::header::HeaderMap;
use reqwest::{Method, StatusCode, Url};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::remote::Name;
use crate::client::{Redirected, cause, described, is_loopback, name};
use crate::text::shown;

/// The most bytes of an answer: far more than a page of [`MAX_PAGE`] transactions has.
const MAX_ANSWER_BYTES: usize = 4 << 20;

/// The most transactions that are asked for at once.
pub(super) const MAX_PAGE: usize = 100;

/// How long a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// How long an answer may take.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// How much of what a node says is shown, in characters.
const MAX_SHOWN: usize = 300;

/// Why there is no answer to work with.
#[derive(Debug, thiserror::Error)]
pub(super) enum NodeError {
    /// Nobody answers.
    #[error("{url} does not answer ({cause}); is a node running there? --node names another")]
    Away { url: String, cause: String },
    /// The node understands and refuses, in its own words.
    #[error("the node refuses: {detail}")]
    Refused {
        detail: String,
        /// The rule that is broken, for programs.
        rule: Option<String>,
    },
    /// A chain of another kind.
    #[error(
        "the node at {url} has no accounts: it runs {chain}, where nobody signs payments; start one \
         with --chain forge or a chain file, or name another with --node"
    )]
    Unsigned { url: String, chain: Name },
    /// Not what a node of ours would say.
    #[error("{call} is not answered as a Blocksmith node with accounts does: {answer}")]
    Strange { call: String, answer: String },
    /// It points to another address.
    #[error(transparent)]
    Redirected(Redirected),
    /// It got a payment and does not take it, as it says. Nothing proves that it did not keep it.
    #[error(
        "{why}. Payment {id} may still count, though, if the node kept it: another one with its nonce, \
         signed by `blocksmith wallet sign --nonce {nonce}` and handed in by `blocksmith wallet send \
         --signed FILE --replace`, rules that out"
    )]
    NotTaken { why: Box<NodeError>, id: Hash, nonce: u64 },
    /// It had the payment that was made for it just now.
    #[error(
        "the node says that it had this very payment, {id}, already: another process has paid the same \
         amount to the same address at the same moment, with the same nonce, and this one sent nothing \
         else. `blocksmith wallet history` shows what was sent; to pay once more, send again"
    )]
    Twin { id: Hash },
}

/// A node at an address.
#[derive(Debug)]
pub(super) struct Node {
    client: reqwest::Client,
    base: Url,
}

/// What a node says of the chain that it runs. Only the id says which chain it is: it is signed.
#[derive(Debug)]
pub(super) struct Told {
    pub(super) chain_id: Hash,
    /// What the node calls the chain, in its own characters.
    pub(super) name: String,
    /// What it says its rules are, as canonical JSON.
    pub(super) rules: String,
    /// What it says that addresses start with.
    pub(super) hrp: Option<Hrp>,
    /// Whether it says that everybody has keys with coins there.
    pub(super) dev: bool,
}

/// How an account stands, amounts in units.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(super) struct Account {
    /// On the chain.
    pub(super) balance: u64,
    /// The next nonce on the chain.
    pub(super) nonce: u64,
    /// The next nonce after what waits.
    pub(super) next_nonce: u64,
    /// How many transactions on the chain it is part of.
    pub(super) transactions: u64,
}

impl Account {
    /// Whether anything ever happened to it.
    pub(super) fn is_used(&self) -> bool {
        self.transactions > 0 || self.balance > 0 || self.next_nonce > 0
    }

    /// How many payments of this account wait.
    pub(super) fn waiting(&self) -> u64 {
        self.next_nonce.saturating_sub(self.nonce)
    }
}

/// A part of an account's history.
#[derive(Debug)]
pub(super) struct Page {
    /// Payments to and from it that wait; only in the first page.
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
    pub(super) id: Hash,
    pub(super) entry: VerifiedEntry,
}

/// Where a transaction is in the chain.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Place {
    /// The block's index.
    pub(super) block: u64,
    /// The block's id.
    pub(super) hash: String,
    /// Which of the block's transactions, from 0.
    pub(super) position: u64,
    /// How many blocks hold it or build on it.
    pub(super) confirmations: u64,
}

/// What became of a payment that was handed in.
#[derive(Debug, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub(super) enum Submitted {
    /// It waits, or is in the chain already.
    #[serde(alias = "confirmed")]
    Queued {
        /// The block that it may be in.
        block: Option<u64>,
    },
    /// It waits for the payment before it.
    Held {
        /// That one's nonce.
        missing: u64,
    },
}

/// What a payment may replace that waits with its nonce.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Replacing {
    /// Nothing.
    Nothing,
    /// This payment.
    Only(Hash),
    /// Whatever it is.
    Any,
}

/// Where a payment is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Whereabouts {
    /// Neither waiting nor in the chain.
    Nowhere,
    /// It waits.
    Queued,
    /// It waits for the payment before it.
    Held,
    /// It is in the chain.
    Confirmed { block: u64, confirmations: u64 },
}

struct Answer {
    /// What was asked, as in `GET /api/v1/status`.
    call: String,
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
}

impl Answer {
    fn strange(&self) -> NodeError {
        let answer = described(self.status, &self.headers, &self.body);
        NodeError::Strange { call: self.call.clone(), answer }
    }

    /// What the answer is, if it is one.
    fn read<T: DeserializeOwned>(&self) -> Result<T, NodeError> {
        #[derive(Deserialize)]
        struct Problem {
            detail: String,
            rule: Option<String>,
        }
        if self.status.is_success() {
            return serde_json::from_slice(&self.body).map_err(|_| self.strange());
        }
        // Busy is as good as no, unlike a fault of the node or of what is in between.
        let is_no = self.status.is_client_error() || self.status == StatusCode::SERVICE_UNAVAILABLE;
        match serde_json::from_slice(&self.body) {
            Ok(Problem { detail, rule }) if is_no && self.status != StatusCode::NOT_FOUND => {
                Err(NodeError::Refused { detail: shown(&detail, MAX_SHOWN), rule })
            }
            _ => Err(self.strange()),
        }
    }
}

impl NodeError {
    /// That a payment which the node got was not taken.
    pub(super) fn about(self, payment: &Verified) -> Self {
        Self::NotTaken { why: Box::new(self), id: payment.id(), nonce: payment.nonce() }
    }

    /// Whether another payment has the nonce of one that was to replace nothing.
    pub(super) fn is_taken(&self) -> bool {
        matches!(self, Self::Refused { rule: Some(rule), .. } if rule == "replaces")
    }
}

impl Node {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// That the system lets nobody ask.
    pub(super) fn new(base: Url) -> reqwest::Result<Self> {
        let mut client = crate::client::builder()
            .user_agent(concat!("blocksmith/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIME)
            .timeout(ANSWER_TIME);
        if is_loopback(&base) {
            client = client.no_proxy();
        }
        Ok(Self { client: client.build()?, base })
    }

    /// Where it is, as people write it.
    pub(super) fn name(&self) -> &str {
        name(&self.base)
    }

    /// Says whose word it is that was printed.
    pub(super) fn is_quoted(&self) {
        super::note(&format!("That is what {} says.", self.name()));
    }

    /// Asks which chain it runs.
    pub(super) async fn meet(&self) -> Result<Told, NodeError> {
        #[derive(Deserialize)]
        struct Status {
            name: String,
            chain_id: String,
            rules: serde_json::Value,
            #[serde(default)]
            dev: bool,
        }
        let answer = self.get(&["status"], &[]).await?;
        let status: Status = answer.read()?;
        let addresses = [&status.rules["spending"]["signed"], &status.rules]
            .into_iter()
            .find_map(|rules| rules["addresses"].as_str());
        Ok(Told {
            chain_id: status.chain_id.parse().map_err(|_| answer.strange())?,
            name: status.name,
            rules: canonical(&status.rules).unwrap_or_else(|| "{}".into()),
            hrp: addresses.and_then(|text| Hrp::new(text).ok()),
            dev: status.dev,
        })
    }

    /// The text of the block with this index, in canonical form.
    pub(super) async fn block(&self, index: u64) -> Result<String, NodeError> {
        #[derive(Deserialize)]
        struct Said {
            block: serde_json::Value,
        }
        let answer = self.get(&["blocks", &index.to_string()], &[]).await?;
        let said: Said = answer.read()?;
        canonical(&said.block).ok_or_else(|| answer.strange())
    }

    /// How an account stands; one that nobody has heard of has nothing.
    pub(super) async fn account(&self, address: &str) -> Result<Account, NodeError> {
        self.get(&["accounts", address], &[]).await?.read()
    }

    /// A page of an account's history: the newest, or those before a place.
    pub(super) async fn history(
        &self,
        address: &str,
        domain: &Domain,
        limit: usize,
        before: Option<&str>,
    ) -> Result<Page, NodeError> {
        #[derive(Deserialize)]
        struct Said {
            #[serde(default)]
            queued: Vec<serde_json::Value>,
            transactions: Vec<SaidPlaced>,
            next: Option<String>,
        }
        #[derive(Deserialize)]
        struct SaidPlaced {
            #[serde(flatten)]
            place: Place,
            transaction: serde_json::Value,
        }
        let limit = limit.clamp(1, MAX_PAGE).to_string();
        let mut query = vec![("limit", &*limit)];
        query.extend(before.map(|before| ("before", before)));
        let answer = self.get(&["accounts", address, "transactions"], &query).await?;
        let said: Said = answer.read()?;
        let read = |transaction: &serde_json::Value| {
            entry(transaction, domain).ok_or_else(|| answer.strange())
        };
        let queued = said.queued.iter().map(|transaction| match read(transaction)? {
            VerifiedEntry::Payment(payment) => Ok(payment),
            VerifiedEntry::Coin(_) => Err(answer.strange()),
        });
        let queued = queued.collect::<Result<_, _>>()?;
        let placed = said.transactions.into_iter().map(|SaidPlaced { place, transaction }| {
            let entry = read(&transaction)?;
            let id = match &entry {
                VerifiedEntry::Payment(payment) => payment.id(),
                VerifiedEntry::Coin(coin) => coin.id(domain),
            };
            Ok(Placed { place, id, entry })
        });
        Ok(Page { queued, placed: placed.collect::<Result<_, _>>()?, next: said.next })
    }

    /// The least fee, in units, with which a payment of so many bytes may be in the next block.
    pub(super) async fn fee(&self, bytes: usize) -> Result<u64, NodeError> {
        #[derive(Deserialize)]
        struct Fees {
            next_block: u64,
        }
        let answer = self.get(&["fees"], &[("bytes", &bytes.to_string())]).await?;
        answer.read().map(|fees: Fees| fees.next_block)
    }

    /// Hands in a signed payment. The same text twice does no harm. Only an answer that names the
    /// payment by its id says that the node has it. The second value is whether it had it before.
    pub(super) async fn submit(
        &self,
        payment: &Verified,
        replacing: Replacing,
    ) -> Result<(Submitted, bool), NodeError> {
        #[derive(Deserialize)]
        struct Said {
            id: String,
            #[serde(flatten)]
            submitted: Submitted,
        }
        let replaces = match replacing {
            Replacing::Nothing => Some("none".into()),
            Replacing::Only(id) => Some(id.to_string()),
            Replacing::Any => None,
        };
        let query: Vec<_> = replaces.iter().map(|replaces| ("replaces", &**replaces)).collect();
        let text = payment.text();
        let answer = self.ask(Method::POST, &["transactions"], &query, Some(text)).await?;
        match answer.read()? {
            Said { id, submitted } if id == payment.id().to_string() => {
                Ok((submitted, answer.status != StatusCode::CREATED))
            }
            _ => Err(answer.strange()),
        }
    }

    /// Where a payment is.
    pub(super) async fn whereabouts(&self, id: &Hash) -> Result<Whereabouts, NodeError> {
        #[derive(Deserialize)]
        struct Said {
            status: String,
            #[serde(default)]
            places: Vec<Place>,
        }
        let answer = self.get(&["transactions", &id.to_string()], &[]).await?;
        if answer.status == StatusCode::NOT_FOUND {
            return Ok(Whereabouts::Nowhere);
        }
        let said: Said = answer.read()?;
        match (&*said.status, said.places.first()) {
            ("queued", _) => Ok(Whereabouts::Queued),
            ("held", _) => Ok(Whereabouts::Held),
            ("confirmed", Some(&Place { block, confirmations, .. })) => {
                Ok(Whereabouts::Confirmed { block, confirmations })
            }
            _ => Err(answer.strange()),
        }
    }

    async fn get(&self, path: &[&str], query: &[(&str, &str)]) -> Result<Answer, NodeError> {
        self.ask(Method::GET, path, query, None).await
    }

    async fn ask(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<&str>,
    ) -> Result<Answer, NodeError> {
        let path = format!("api/v1/{}", path.join("/"));
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path()));
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let away = |error| NodeError::Away { url: self.name().into(), cause: cause(&error) };
        let call = format!("{method} /{path}");
        let mut request = self.client.request(method, url);
        if let Some(body) = body {
            request = request.header("content-type", "application/json").body(body.to_owned());
        }
        let mut response = request.send().await.map_err(away)?;
        let typed = |there: &str| format!("--node {there}");
        if let Some(redirected) = Redirected::of(&response, &self.base, &call, typed) {
            return Err(NodeError::Redirected(redirected));
        }
        let (status, headers) = (response.status(), response.headers().clone());
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(away)? {
            if body.len() + chunk.len() > MAX_ANSWER_BYTES {
                let answer = format!("{status} and more than {MAX_ANSWER_BYTES} bytes");
                return Err(NodeError::Strange { call, answer });
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Answer { call, status, headers, body })
    }
}

/// A transaction of an answer, if it is one of this chain: a node can say that a payment was made
/// which was not, but none that its sender did not sign.
fn entry(said: &serde_json::Value, domain: &Domain) -> Option<VerifiedEntry> {
    VerifiedEntry::of_canonical(Value::of_canonical(&canonical(said)?), domain).ok()
}

/// The canonical text of what was said, if it has one.
fn canonical(said: &serde_json::Value) -> Option<String> {
    json::canonical(said.to_string().as_bytes()).ok().map(Cow::into_owned)
}
