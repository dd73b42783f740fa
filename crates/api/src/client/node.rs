//! The client of a node.

use std::fmt::Display;
use std::sync::Arc;
use std::time::{Duration, Instant};

use blocksmith_consensus::Hash;
use blocksmith_text::shown;
use reqwest::header::{AUTHORIZATION, CONTENT_TYPE, HeaderMap, RETRY_AFTER};
use reqwest::{ClientBuilder, Method, RequestBuilder, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::http::{Redirected, builder, cause, described, is_loopback, misspoken, name, reason};
use crate::{
    Account, AccountTransactions, AddPeers, AnyAccount, BlockEntry, Branches, Fees, ForgottenPeer,
    FoundBlock, Headers, JSON, Leaderboard, MerkleProof, Peers, PeersAdded, Problem, SearchMatches,
    Solution, Status, Submitted, Transaction, Work,
};

/// How long a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// How long an answer may take: three times as long as a node waits for other work.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// The most bytes of an answer by default: a block of the largest size fits.
const MAX_ANSWER_BYTES: usize = 20_000_000;

/// How much of a node's text is kept for people, in characters.
const MAX_SHOWN: usize = 300;

/// Returns what a person types to name a server at another address.
type Typed = Arc<dyn Fn(&str) -> String + Send + Sync>;

/// A node at an address.
#[derive(Clone)]
pub struct Node {
    client: reqwest::Client,
    base: Url,
    token: Option<String>,
    headers: HeaderMap,
    typed: Typed,
    deadline: Option<Instant>,
    max_bytes: usize,
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// The server does not answer, or not in time.
    #[error("{url} does not answer ({cause})")]
    Unreachable {
        /// The node's address, as people write it.
        url: String,
        /// Why, in a few words.
        cause: String,
    },
    /// The server speaks another protocol than the address says: a whole sentence, with the way
    /// out.
    #[error("{0}")]
    Misspoken(String),
    /// The answer redirects to another address.
    #[error(transparent)]
    Redirected(Redirected),
    /// The node refuses, with problem details.
    #[error("the node refuses: {}", .problem.detail)]
    Refused {
        /// What was asked, as in `GET /api/v1/status`.
        call: String,
        /// The status of the answer.
        status: StatusCode,
        /// Why, in the node's words, which can stand in a line.
        problem: Box<Problem>,
        /// How long to wait before the same call, if the node says so.
        retry_after: Option<Duration>,
    },
    /// No node answers so.
    #[error("the answer to {call} is not what a Blocksmith node sends: {answer}")]
    Unexpected {
        /// What was asked, as in `GET /api/v1/status`.
        call: String,
        /// The status of the answer.
        status: StatusCode,
        /// What came instead, described in a line.
        answer: String,
        /// Why, in the server's own words, if it has any.
        reason: Option<String>,
    },
}

/// An answer that was read, and its status.
#[derive(Debug, Clone)]
pub struct Answered<T> {
    /// The answer.
    pub answer: T,
    /// Its status, one of success.
    pub status: StatusCode,
}

/// An answer as it came.
#[derive(Debug, Clone)]
pub struct Answer {
    /// What was asked, as in `GET /chain`.
    pub call: String,
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body, up to the bound of the call.
    pub body: Vec<u8>,
    /// Whether its body is longer than that.
    pub is_cut: bool,
}

impl Answer {
    /// Describes the answer in a line, for messages about one that can't be read.
    pub fn described(&self) -> String {
        match self.is_cut {
            true => format!("{} and more than {} bytes", self.status, self.body.len()),
            false => described(self.status, &self.headers, &self.body),
        }
    }

    /// Reads the answer of a node.
    fn read<T: DeserializeOwned>(self) -> Result<Answered<T>, NodeError> {
        let status = self.status;
        // Busy counts as a refusal, unlike a fault of the node or of a proxy before it.
        let is_no = status.is_client_error() || status == StatusCode::SERVICE_UNAVAILABLE;
        if status.is_success() && !self.is_cut {
            if let Ok(answer) = serde_json::from_slice(&self.body) {
                return Ok(Answered { answer, status });
            }
        } else if is_no && let Ok(problem) = serde_json::from_slice::<Problem>(&self.body) {
            let seconds = self.headers.get(RETRY_AFTER).and_then(|seconds| seconds.to_str().ok());
            let retry_after = seconds.and_then(|seconds| seconds.parse().ok());
            let detail = shown(&problem.detail, MAX_SHOWN);
            return Err(NodeError::Refused {
                call: self.call,
                status,
                problem: Box::new(Problem { detail, ..problem }),
                retry_after: retry_after.map(Duration::from_secs),
            });
        }
        let (answer, reason) = (self.described(), reason(&self.body));
        Err(NodeError::Unexpected { call: self.call, status, answer, reason })
    }
}

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").field("base", &self.base.as_str()).finish_non_exhaustive()
    }
}

impl Node {
    /// A node at `base`, which is not called yet. `typed` returns what a person types to name a
    /// node at another address.
    ///
    /// # Errors
    /// Fails if the TLS backend or the system resolver can't be set up.
    pub fn new(
        base: Url,
        typed: impl Fn(&str) -> String + Send + Sync + 'static,
    ) -> reqwest::Result<Self> {
        Ok(Self {
            client: client_for(&base).build()?,
            base,
            token: None,
            headers: HeaderMap::new(),
            typed: Arc::new(typed),
            deadline: None,
            max_bytes: MAX_ANSWER_BYTES,
        })
    }

    /// The same node, with no connection kept open between two calls: a server with a single thread
    /// would wait on that connection and could not answer other clients meanwhile.
    ///
    /// # Errors
    /// Fails if the TLS backend or the system resolver can't be set up.
    pub fn without_idle_connections(self) -> reqwest::Result<Self> {
        Ok(Self { client: client_for(&self.base).pool_max_idle_per_host(0).build()?, ..self })
    }

    /// The same node, with a bound on the bytes of each answer.
    #[must_use]
    pub fn with_max_bytes(self, max_bytes: usize) -> Self {
        Self { max_bytes, ..self }
    }

    /// The same node, with the operator's token sent with each call.
    #[must_use]
    pub fn with_token(self, token: String) -> Self {
        Self { token: Some(token), ..self }
    }

    /// The same node, with these headers sent with each call.
    #[must_use]
    pub fn with_headers(self, headers: HeaderMap) -> Self {
        Self { headers, ..self }
    }

    /// The same node, with no wait for an answer beyond `deadline`.
    #[must_use]
    pub fn with_deadline(self, deadline: Instant) -> Self {
        Self { deadline: Some(deadline), ..self }
    }

    /// The node's address as people write it.
    pub fn name(&self) -> &str {
        name(&self.base)
    }

    /// Asks where the node and its chain stand.
    ///
    /// # Errors
    /// Returns a [`NodeError`] if no answer can be read, as all calls do.
    pub async fn status(&self) -> Result<Status, NodeError> {
        self.get(&["status"], &[]).await
    }

    /// Asks what to search for a coin to `recipient`; if `than` names work that is known, waits for
    /// other work.
    ///
    /// # Errors
    /// Returns a [`NodeError`] if no answer can be read.
    pub async fn work(&self, recipient: &str, than: Option<&str>) -> Result<Work, NodeError> {
        let mut query = vec![("recipient", recipient)];
        query.extend(than.map(|than| ("than", than)));
        self.get(&["work"], &query).await
    }

    /// Hands in a proof.
    ///
    /// # Errors
    /// Returns a [`NodeError`] if the proof is refused, or no answer can be read.
    pub async fn submit_work(&self, solution: &Solution) -> Result<BlockEntry, NodeError> {
        self.post(&["work"], solution).await
    }

    /// Asks for at most `limit` headers from the index `from` on.
    ///
    /// # Errors
    /// Returns a [`NodeError`] if no answer can be read.
    pub async fn headers(&self, from: u64, limit: usize) -> Result<Headers, NodeError> {
        self.range("headers", from, limit).await
    }

    /// Asks for a block by its index or its hash.
    ///
    /// # Errors
    /// Returns a [`NodeError`] if there is no such block, or no answer can be read.
    pub async fn block(&self, id: impl Display) -> Result<FoundBlock, NodeError> {
        self.get(&["blocks", &id.to_string()], &[]).await
    }

    /// Hands in a signed payment. `replaces` says what it may replace: `none`, or the id of a
    /// payment.
    ///
    /// # Errors
    /// Returns a [`NodeError`] if the payment is refused, or no answer can be read.
    pub async fn submit_payment(
        &self,
        text: &str,
        replaces: Option<&str>,
    ) -> Result<Answered<Submitted>, NodeError> {
        let query: Vec<_> = replaces.iter().map(|replaces| ("replaces", *replaces)).collect();
        self.ask(Method::POST, &["transactions"], &query, Some(text.into())).await
    }

    /// Asks where a transaction is.
    ///
    /// # Errors
    /// Returns a [`NodeError`] if no answer can be read; [`NodeError::Refused`] with the status 404
    /// if the transaction is nowhere.
    pub async fn transaction(&self, id: &Hash) -> Result<Transaction, NodeError> {
        self.get(&["transactions", &id.to_string()], &[]).await
    }

    /// Asks for the proof that a transaction is in a block.
    ///
    /// # Errors
    /// Returns a [`NodeError`] if no answer can be read; [`NodeError::Refused`] with the status 404
    /// if the transaction is in no block.
    pub async fn proof(&self, id: &Hash) -> Result<MerkleProof, NodeError> {
        self.get(&["transactions", &id.to_string(), "proof"], &[]).await
    }

    /// Asks what a party has.
    ///
    /// # Errors
    /// Returns a [`NodeError`] if no answer can be read.
    pub async fn account(&self, party: &str) -> Result<Account, NodeError> {
        self.get(&["accounts", party], &[]).await
    }

    /// Asks what a party of any name has, on either kind of chain.
    ///
    /// # Errors
    /// Returns a [`NodeError`] if no answer can be read.
    pub async fn any_account(&self, party: &str) -> Result<AnyAccount, NodeError> {
        self.get(&["accounts"], &[("party", party)]).await
    }

    /// Asks for the side branches.
    ///
    /// # Errors
    /// Returns a [`NodeError`] if no answer can be read.
    pub async fn branches(&self) -> Result<Branches, NodeError> {
        self.get(&["branches"], &[]).await
    }

    /// Asks for the miners with the most coins, at most `limit`.
    ///
    /// # Errors
    /// Returns a [`NodeError`] if no answer can be read.
    pub async fn leaderboard(&self, limit: usize) -> Result<Leaderboard, NodeError> {
        self.get(&["leaderboard"], &[("limit", &limit.to_string())]).await
    }

    /// Asks what a text may mean.
    ///
    /// # Errors
    /// Returns a [`NodeError`] if no answer can be read.
    pub async fn search(&self, text: &str) -> Result<SearchMatches, NodeError> {
        self.get(&["search"], &[("q", text)]).await
    }

    /// Asks for the transactions of a party: the newest, or those before a place.
    ///
    /// # Errors
    /// Returns a [`NodeError`] if no answer can be read.
    pub async fn account_transactions(
        &self,
        party: &str,
        limit: usize,
        before: Option<&str>,
    ) -> Result<AccountTransactions, NodeError> {
        let limit = limit.to_string();
        let mut query = vec![("limit", &*limit)];
        query.extend(before.map(|before| ("before", before)));
        self.get(&["accounts", party, "transactions"], &query).await
    }

    /// Asks which fees would do for a payment of `bytes` bytes.
    ///
    /// # Errors
    /// Returns a [`NodeError`] if no answer can be read.
    pub async fn fees(&self, bytes: usize) -> Result<Fees, NodeError> {
        self.get(&["fees"], &[("bytes", &bytes.to_string())]).await
    }

    /// Asks for the peers.
    ///
    /// # Errors
    /// Returns a [`NodeError`] if no answer can be read.
    pub async fn peers(&self) -> Result<Peers, NodeError> {
        self.get(&["peers"], &[]).await
    }

    /// Asks to keep in touch with nodes.
    ///
    /// # Errors
    /// Returns a [`NodeError`] if the call is refused, or no answer can be read.
    pub async fn add_peers(&self, nodes: Vec<String>) -> Result<PeersAdded, NodeError> {
        self.post(&["peers"], &AddPeers { nodes }).await
    }

    /// Asks to forget a peer.
    ///
    /// # Errors
    /// Returns a [`NodeError`] if the call is refused, or no answer can be read.
    pub async fn forget_peer(&self, address: &str) -> Result<ForgottenPeer, NodeError> {
        Ok(self.ask(Method::DELETE, &["peers", address], &[], None).await?.answer)
    }

    /// Asks for a page that is no call of a node, as servers of other kinds at this address have
    /// them; with a `body`, which is JSON, hands that in. An answer is cut after `max_bytes`.
    ///
    /// # Errors
    /// Returns a [`NodeError`] if no server answers there.
    pub async fn page(
        &self,
        path: &str,
        body: Option<String>,
        max_bytes: usize,
    ) -> Result<Answer, NodeError> {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path()));
        let method = if body.is_some() { Method::POST } else { Method::GET };
        let call = format!("{method} /{path}");
        self.send(call, self.client.request(method, url), body, max_bytes).await
    }

    async fn range<T: DeserializeOwned>(
        &self,
        call: &str,
        from: u64,
        limit: usize,
    ) -> Result<T, NodeError> {
        let (from, limit) = (from.to_string(), limit.to_string());
        self.get(&[call], &[("from", &from), ("limit", &limit)]).await
    }

    async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &[(&str, &str)],
    ) -> Result<T, NodeError> {
        Ok(self.ask(Method::GET, path, query, None).await?.answer)
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> Result<T, NodeError> {
        let body = crate::json::to_string(body);
        Ok(self.ask(Method::POST, path, &[], Some(body)).await?.answer)
    }

    async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &[&str],
        query: &[(&str, &str)],
        body: Option<String>,
    ) -> Result<Answered<T>, NodeError> {
        let mut url = self.base.clone();
        if let Ok(mut parts) = url.path_segments_mut() {
            parts.pop_if_empty().extend(["api", "v1"]).extend(path);
        }
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let call = format!("{method} /api/v1/{}", path.join("/"));
        let mut request = self.client.request(method, url);
        if let Some(token) = &self.token {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        self.send(call, request, body, self.max_bytes).await?.read()
    }

    async fn send(
        &self,
        call: String,
        mut request: RequestBuilder,
        body: Option<String>,
        max_bytes: usize,
    ) -> Result<Answer, NodeError> {
        let left = |deadline: Instant| deadline.saturating_duration_since(Instant::now());
        let time = self.deadline.map_or(ANSWER_TIME, left).min(ANSWER_TIME);
        if let Some(body) = body {
            request = request.header(CONTENT_TYPE, JSON).body(body);
        }
        let failed = |error| self.failed(&error, time);
        let request = request.headers(self.headers.clone());
        let mut response = request.timeout(time).send().await.map_err(failed)?;
        let typed = |there: &str| (self.typed)(there);
        if let Some(redirected) = Redirected::of(&response, &self.base, &call, typed) {
            return Err(NodeError::Redirected(redirected));
        }
        let (mut body, mut is_cut) = (Vec::new(), false);
        while let Some(chunk) = response.chunk().await.map_err(failed)? {
            let room = max_bytes - body.len();
            body.extend_from_slice(&chunk[..chunk.len().min(room)]);
            is_cut = chunk.len() > room;
            if is_cut {
                break;
            }
        }
        let (status, headers) = (response.status(), response.headers().clone());
        Ok(Answer { call, status, headers, body, is_cut })
    }

    fn failed(&self, error: &reqwest::Error, time: Duration) -> NodeError {
        if let Some(said) = misspoken(error, &self.base, |there| (self.typed)(there)) {
            return NodeError::Misspoken(said);
        }
        let cause = match error.is_timeout() && !error.is_connect() {
            true => format!("not within {} s", time.as_secs_f64().ceil()),
            false => cause(error),
        };
        NodeError::Unreachable { url: self.name().into(), cause }
    }
}

/// A client with the settings for calls to a server at `base`.
fn client_for(base: &Url) -> ClientBuilder {
    let client = builder()
        .user_agent(concat!("blocksmith/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIME);
    if is_loopback(base) { client.no_proxy() } else { client }
}
