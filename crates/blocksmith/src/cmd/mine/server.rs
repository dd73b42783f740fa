//! The server that is mined for: our own node, or a Python server of either kind.

use std::fmt;
use std::time::Duration;

use blocksmith_api::{self as api, Solution};
use blocksmith_consensus::json::{self, Kind as JsonKind, Value, string};
use blocksmith_consensus::{Block, Difficulty, Hash, Job, Proof, Rules, Target, U256};
use reqwest::{StatusCode, Url};

use super::forged::{Forged, Submitted};
use crate::client::{Answer, Node, NodeError, Redirected, reason};

/// The most bytes of a Python server's answer, which may be a block.
const MAX_ANSWER_BYTES: usize = 20_000_000;

/// How many bytes of a chain are read. The blocks at its end show how many zeros the server wants;
/// those at the start of a longer chain show it as well.
const MAX_CHAIN_BYTES: usize = 64 << 20;

/// What servers answer to a call that they don't have, or don't take from this caller, whatever its
/// body is.
const NO_SUCH_CALL: [StatusCode; 10] = [
    StatusCode::UNAUTHORIZED,
    StatusCode::FORBIDDEN,
    StatusCode::NOT_FOUND,
    StatusCode::METHOD_NOT_ALLOWED,
    StatusCode::PROXY_AUTHENTICATION_REQUIRED,
    StatusCode::GONE,
    StatusCode::LENGTH_REQUIRED,
    StatusCode::UNSUPPORTED_MEDIA_TYPE,
    StatusCode::MISDIRECTED_REQUEST,
    StatusCode::NOT_IMPLEMENTED,
];

/// The kind of a server, found out by asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Our own node, which says what to search.
    Ours,
    /// A server of Lecture II, which tells its last proof.
    LastProof,
    /// A server of the course, which tells its last block.
    LastBlock,
}

impl Kind {
    /// In the order in which they are tried. A server that tells its last block and its last proof
    /// is one of the course that kept the older call.
    const ALL: [Self; 3] = [Self::Ours, Self::LastBlock, Self::LastProof];

    /// The rules whose puzzle a Python server sets.
    pub(super) fn python_rules(self) -> Option<Rules> {
        match self {
            Self::Ours => None,
            Self::LastProof => Some(Rules::lecture()),
            Self::LastBlock => Some(Rules::course()),
        }
    }

    /// The number of zeros in those rules, if they have one.
    pub(super) fn preset_zeros(self) -> Option<u8> {
        match self.python_rules()?.difficulty() {
            Difficulty::Fixed(target) => target.zeros(),
            Difficulty::Epoch { .. } | Difficulty::Asert { .. } => None,
        }
    }

    /// How long to wait before asking again whether the tip has moved.
    pub(super) fn poll_every(self) -> Duration {
        match self {
            Self::Ours => Duration::from_millis(250),
            Self::LastProof | Self::LastBlock => Duration::from_secs(1),
        }
    }
}

/// The words for "this is …".
impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Ours => "a Blocksmith node",
            Self::LastProof => "a Lecture II server",
            Self::LastBlock => "a course server",
        })
    }
}

/// What to search.
#[derive(Debug, Clone)]
pub(super) struct Work {
    prefix: Vec<u8>,
    suffix: Vec<u8>,
    /// `None` from servers that don't tell it.
    pub(super) target: Option<Target>,
    /// The index of the block that a proof makes, if the server tells it.
    pub(super) index: Option<u64>,
    previous_hash: Option<Hash>,
    /// The id that our node gave to the work.
    id: Option<String>,
}

impl Work {
    /// Whether both go on top of the same block, as far as the servers tell.
    pub(super) fn same_parent(&self, other: &Self) -> bool {
        self.previous_hash.is_some() && self.previous_hash == other.previous_hash
    }

    /// Whether both are the same search, so that tries for one count for the other.
    pub(super) fn same_search(&self, other: &Self) -> bool {
        let Self { prefix, suffix, target, index, previous_hash, id: _ } = self;
        (prefix, suffix, target, index, previous_hash)
            == (&other.prefix, &other.suffix, &other.target, &other.index, &other.previous_hash)
    }

    /// The search; `target` is for servers that tell none.
    pub(super) fn job(&self, target: Target) -> Job<'static> {
        Job {
            prefix: self.prefix.clone().into(),
            suffix: self.suffix.clone().into(),
            target: self.target.unwrap_or(target),
        }
    }
}

impl From<api::Work> for Work {
    fn from(work: api::Work) -> Self {
        Self {
            prefix: work.prefix.into_bytes(),
            suffix: work.suffix.into_bytes(),
            target: Some(Target(U256::from_be_bytes(work.target.0.0))),
            index: Some(work.index),
            previous_hash: Some(work.previous_hash.0),
            id: Some(work.id),
        }
    }
}

/// A server's answer to a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ProofAnswer {
    /// The server made a block of it.
    Forged(Forged),
    /// The server did not, in its own words.
    Refused(String),
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ServerError {
    /// No server answers.
    Away(String),
    /// The server does not have this call, or has another one at its path: it may be of another
    /// kind.
    Unfit {
        says: String,
        /// Whether the server itself says that it doesn't have it.
        is_missing: bool,
    },
    /// The answer is not one that a miner understands.
    Strange(String),
    /// The server can't answer this now, and says why.
    Unable(String),
    /// The server's next block would not be taken yet, so there is no work; with how long that
    /// lasts by what the server says.
    Early { why: String, wait: Duration },
    /// There is no work for this miner, in the server's own words, and there will be none.
    Refused(String),
    /// The answer redirects to another address.
    Redirected(Redirected),
    /// The same call will get the same answer at any time.
    Hopeless(String),
    /// The server speaks another protocol than its address says; a whole sentence, with the way
    /// out.
    Misspoken(String),
}

/// Whether a server's chain has a block that the server says it made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum BlockState {
    /// It has the block.
    There,
    /// It does not have the block.
    Gone,
    /// The server shows no chain in which the block could be seen, and why.
    Unseen(String),
}

/// A server at an address.
#[derive(Debug, Clone)]
pub(super) struct Server {
    /// The client, which asks every kind of server: the kind is not known before.
    node: Node,
    /// The recipient of the coins.
    recipient: String,
}

/// An answer other than the one that was wanted.
struct Instead {
    status: StatusCode,
    /// The call and its answer, as in `GET /last_proof answered 404 Not Found`.
    says: String,
    /// The reason alone, if the answer gives one.
    reason: Option<String>,
}

impl From<&Answer> for Instead {
    fn from(answer: &Answer) -> Self {
        let says = format!("{} answered {}", answer.call, answer.described());
        Self { status: answer.status, says, reason: reason(&answer.body) }
    }
}

impl Instead {
    /// The answer in a node's error.
    ///
    /// # Errors
    /// Fails if there is no answer to read.
    fn of(error: NodeError) -> Result<Self, ServerError> {
        match error {
            NodeError::Unreachable { cause, .. } => Err(ServerError::Away(cause)),
            NodeError::Misspoken(said) => Err(ServerError::Misspoken(said)),
            NodeError::Redirected(to) => Err(ServerError::Redirected(to)),
            NodeError::Refused { call, status, problem, .. } => {
                let says = format!("{call} answered {status}: {}", problem.detail);
                Ok(Self { status, says, reason: Some(problem.detail) })
            }
            NodeError::Unexpected { call, status, answer, reason } => {
                Ok(Self { status, says: format!("{call} answered {answer}"), reason })
            }
        }
    }

    /// The error for an answer that has no work.
    fn no_work(self) -> ServerError {
        let unfit = |says, is_missing| ServerError::Unfit { says, is_missing };
        match self.status {
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => unfit(self.says, true),
            // Some servers have a page for every address.
            status if status.is_success() => unfit(self.says, false),
            StatusCode::CONFLICT => self.strange(),
            status if status.is_client_error() && !self.says_nothing_of_the_call() => {
                ServerError::Hopeless(self.says)
            }
            _ => self.strange(),
        }
    }

    /// Whether the answer is about the call and not about the proof in it: another proof would get
    /// the same.
    fn refuses_every_proof(&self) -> bool {
        NO_SUCH_CALL.contains(&self.status)
    }

    /// What the answer means for a proof that it makes no block of.
    fn for_a_proof(self) -> Result<ProofAnswer, ServerError> {
        if self.refuses_every_proof() {
            return Err(ServerError::Hopeless(self.says));
        }
        match self.reason {
            // A failure of the server is neither yes nor no: the proof may be handed in again.
            Some(said) if !self.says_nothing_of_the_call() => Ok(ProofAnswer::Refused(said)),
            _ => Err(self.strange()),
        }
    }

    /// The error for an answer that is neither yes nor no.
    fn strange(self) -> ServerError {
        match self.says_nothing_of_the_call() && self.reason.is_some() {
            true => ServerError::Unable(self.says),
            false => ServerError::Strange(self.says),
        }
    }

    /// What the answer means where it should show a block.
    fn shows_no_block(self) -> Result<BlockState, ServerError> {
        match self.says_nothing_of_the_call() {
            true => Err(self.strange()),
            false => Ok(BlockState::Unseen(self.says)),
        }
    }

    /// Whether the same call may get another answer later.
    fn says_nothing_of_the_call(&self) -> bool {
        self.status.is_server_error()
            || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&self.status)
    }

    /// The reason alone, or the whole answer if it gives none.
    fn why(self) -> String {
        self.reason.unwrap_or(self.says)
    }
}

/// The canonical text of an answer that is an object.
fn object(answer: &Answer) -> Option<String> {
    let text = json::canonical(&answer.body).ok()?;
    (Value::of_canonical(&text).kind() == JsonKind::Object).then(|| text.into_owned())
}

/// An answer that does not prove its block counts as one that a miner does not understand.
fn proven(
    forged: Result<Forged, &str>,
    says: impl FnOnce() -> String,
) -> Result<ProofAnswer, ServerError> {
    forged
        .map(ProofAnswer::Forged)
        .map_err(|lacks| ServerError::Strange(format!("{}: {lacks}", says())))
}

impl Server {
    /// A server at `base`, which is not called yet.
    ///
    /// # Errors
    /// Fails if the TLS backend or the system resolver can't be set up.
    pub(super) fn new(base: Url, recipient: String) -> reqwest::Result<Self> {
        let node = Node::new(base, |there| format!("blocksmith mine {there}"))?;
        Ok(Self { node: node.without_idle_connections()?, recipient })
    }

    /// The server's address as people write it.
    pub(super) fn name(&self) -> &str {
        self.node.name()
    }

    /// Finds out what kind the server is, and what it wants searched.
    ///
    /// # Errors
    /// Fails if no server answers, or none of a kind that a miner knows.
    pub(super) async fn meet(&self) -> Result<(Kind, Work), ServerError> {
        let (mut answers, mut all_missing, mut hopeless) = (Vec::new(), true, None);
        for kind in Kind::ALL {
            match self.work(kind).await {
                Ok(work) => return Ok((kind, work)),
                Err(ServerError::Unfit { says, is_missing }) => {
                    answers.push(says);
                    all_missing &= is_missing;
                }
                // Some servers answer so to calls that they don't have.
                Err(trouble @ (ServerError::Redirected(_) | ServerError::Hopeless(_))) => {
                    hopeless = hopeless.or(Some(trouble));
                }
                Err(trouble) => return Err(trouble),
            }
        }
        let unfit = || ServerError::Unfit { says: answers.join("; "), is_missing: all_missing };
        Err(hopeless.unwrap_or_else(unfit))
    }

    /// What the server wants searched now.
    ///
    /// # Errors
    /// Fails if no server answers, or not as one of this kind does.
    pub(super) async fn work(&self, kind: Kind) -> Result<Work, ServerError> {
        match kind {
            Kind::Ours => self.our_work(None).await,
            Kind::LastProof => {
                let prefix = self.last_proof().await?.text().as_bytes().to_vec();
                let suffix = Vec::new();
                Ok(Work {
                    prefix,
                    suffix,
                    target: None,
                    index: None,
                    previous_hash: None,
                    id: None,
                })
            }
            Kind::LastBlock => {
                let block = self.last_block().await?;
                let job = Rules::course().job(block.view(), &block.hash(), None).into_owned();
                Ok(Work {
                    prefix: job.prefix.into_owned(),
                    suffix: job.suffix.into_owned(),
                    target: None,
                    index: block.index().checked_add(1),
                    previous_hash: None,
                    id: None,
                })
            }
        }
    }

    async fn last_proof(&self) -> Result<Proof, ServerError> {
        let answer = self.get("last_proof", MAX_ANSWER_BYTES).await?;
        let no_work = || Instead::from(&answer).no_work();
        let text = object(&answer).ok_or_else(no_work)?;
        let object = Value::of_canonical(&text);
        // The first version of the course's servers had the shorter name.
        let proof = object.get("last_proof").or_else(|| object.get("proof"));
        let proof = proof.and_then(|proof| Proof::from_value(proof).ok());
        proof.ok_or_else(no_work)
    }

    async fn last_block(&self) -> Result<Block, ServerError> {
        let answer = self.get("last_block", MAX_ANSWER_BYTES).await?;
        let no_work = || Instead::from(&answer).no_work();
        let text = object(&answer).ok_or_else(no_work)?;
        let block = Value::of_canonical(&text).get("last_block");
        let block = block.and_then(|block| Block::of_canonical(block.text()).ok());
        block.ok_or_else(no_work)
    }

    /// What the server wants searched once it is no longer `work`, or what it still wants after a
    /// while. A server that can't wait answers at once.
    ///
    /// # Errors
    /// Fails if no server answers, or not as one of this kind does.
    pub(super) async fn other_work(&self, kind: Kind, work: &Work) -> Result<Work, ServerError> {
        match kind {
            Kind::Ours => self.our_work(work.id.as_deref()).await,
            Kind::LastProof | Kind::LastBlock => self.work(kind).await,
        }
    }

    async fn our_work(&self, than: Option<&str>) -> Result<Work, ServerError> {
        let error = match self.node.work(&self.recipient, than).await {
            Ok(work) => return Ok(work.into()),
            Err(error) => error,
        };
        if let NodeError::Refused { status, problem, retry_after, .. } = &error
            && *status == StatusCode::SERVICE_UNAVAILABLE
            && problem.rule.as_deref() == Some("early")
        {
            let (why, wait) = (problem.detail.clone(), retry_after.unwrap_or_default());
            return Err(ServerError::Early { why, wait });
        }
        let instead = Instead::of(error)?;
        Err(match instead.status {
            StatusCode::UNPROCESSABLE_ENTITY => ServerError::Refused(instead.why()),
            _ => instead.no_work(),
        })
    }

    /// Hands in a proof.
    ///
    /// # Errors
    /// Fails if no server answers, or neither yes nor no.
    pub(super) async fn submit(
        &self,
        kind: Kind,
        work: &Work,
        proof: u64,
    ) -> Result<ProofAnswer, ServerError> {
        // Only prefix and suffix count here, so the target is the easiest.
        let job = work.job(Target::EASIEST);
        let submitted = Submitted {
            job: &job,
            proof,
            index: work.index,
            previous_hash: work.previous_hash,
            recipient: self.recipient_at(kind),
        };
        match kind {
            Kind::Ours => self.submit_to_our_node(work.id.clone(), &submitted).await,
            Kind::LastProof | Kind::LastBlock => self.submit_to_python(&submitted).await,
        }
    }

    async fn submit_to_our_node(
        &self,
        id: Option<String>,
        submitted: &Submitted<'_>,
    ) -> Result<ProofAnswer, ServerError> {
        let proof = api::json::raw(submitted.proof.to_string()).expect("a number is JSON");
        let solution = Solution { id: id.unwrap_or_default(), proof };
        match self.node.submit_work(&solution).await {
            Ok(made) => proven(submitted.by_our_node(&made), || {
                "POST /api/v1/work answered with no block of this proof".into()
            }),
            Err(error) => match Instead::of(error)? {
                instead if instead.status.is_success() => Err(instead.strange()),
                instead => instead.for_a_proof(),
            },
        }
    }

    async fn submit_to_python(
        &self,
        submitted: &Submitted<'_>,
    ) -> Result<ProofAnswer, ServerError> {
        // Lecture II's servers don't ask for an id, but accept one.
        let (proof, id) = (submitted.proof, string(&self.recipient));
        let body = format!(r#"{{"proof": {proof}, "id": {id}}}"#);
        let answer = self.page("mine", Some(body), MAX_ANSWER_BYTES).await?;
        let instead = Instead::from(&answer);
        let is_yes =
            instead.status.is_success() && instead.reason.as_deref() == Some("New Block Forged");
        match object(&answer) {
            Some(text) if is_yes => proven(submitted.by_python(Value::of_canonical(&text)), || {
                format!("{}, which is no block", instead.says)
            }),
            None if !instead.refuses_every_proof() => Err(instead.strange()),
            _ => instead.for_a_proof(),
        }
    }

    /// The recipient of the coin, if the server asks for one.
    fn recipient_at(&self, kind: Kind) -> Option<&str> {
        (kind != Kind::LastProof).then_some(&self.recipient)
    }

    /// Whether the server's chain has the block that the server says it made.
    ///
    /// # Errors
    /// Fails if no server answers, or none that can tell now.
    pub(super) async fn has(&self, kind: Kind, forged: &Forged) -> Result<BlockState, ServerError> {
        let standing = |is_there| if is_there { BlockState::There } else { BlockState::Gone };
        if let (Kind::Ours, Some(index), Some(hash)) = (kind, forged.index, forged.hash) {
            return match self.node.headers(index, 1).await {
                Ok(page) => {
                    let first = page.headers.first();
                    Ok(standing(first.is_some_and(|first| first.hash.0 == hash)))
                }
                Err(error) => Instead::of(error)?.shows_no_block(),
            };
        }
        // The block is mostly the last one, which costs less to ask for; but another miner's block
        // may have come since.
        let recipient = self.recipient_at(kind);
        let is_last = match kind {
            Kind::LastBlock => {
                self.last_block().await.map(|last| forged.is_block(last.view(), recipient))
            }
            Kind::Ours | Kind::LastProof => {
                self.last_proof().await.map(|last| *last.text() == forged.proof.to_string())
            }
        };
        match is_last {
            Ok(true) => return Ok(BlockState::There),
            Err(trouble @ (ServerError::Away(_) | ServerError::Redirected(_))) => {
                return Err(trouble);
            }
            // The whole chain may still show it.
            Ok(false) | Err(_) => {}
        }
        let answer = self.get("chain", MAX_CHAIN_BYTES).await?;
        match forged.is_in(&answer.body, recipient) {
            Some(false) if answer.is_cut => Ok(BlockState::Unseen(format!(
                "{} has more than {} MiB, and the rest of it is not read",
                answer.call,
                MAX_CHAIN_BYTES >> 20
            ))),
            Some(is_there) => Ok(standing(is_there)),
            None => Instead::from(&answer).shows_no_block(),
        }
    }

    /// The answer to `/chain`, cut where it is long.
    ///
    /// # Errors
    /// Fails if no server answers.
    pub(super) async fn chain(&self) -> Result<Vec<u8>, ServerError> {
        Ok(self.get("chain", MAX_CHAIN_BYTES).await?.body)
    }

    /// Whether payments are signed on our node's chain, as far as the node says.
    pub(super) async fn signs_payments(&self) -> bool {
        self.node.status().await.is_ok_and(|status| status.signed)
    }

    async fn get(&self, path: &str, max_bytes: usize) -> Result<Answer, ServerError> {
        self.page(path, None, max_bytes).await
    }

    /// The answer of a Python server.
    async fn page(
        &self,
        path: &str,
        body: Option<String>,
        max_bytes: usize,
    ) -> Result<Answer, ServerError> {
        let answer = self.node.page(path, body, max_bytes).await;
        answer.map_err(|error| Instead::of(error).map_or_else(|trouble| trouble, Instead::strange))
    }
}
