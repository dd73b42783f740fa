//! The server that is mined for: our own node, or a Python server of either kind.

use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use blocksmith_api::{self as api, Solution};
use blocksmith_consensus::job::MAX_ZEROS;
use blocksmith_consensus::json::{self, Kind as JsonKind, Value, string};
use blocksmith_consensus::{Block, Difficulty, Hash, Job, Proof, Rules, Target, U256};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{StatusCode, Url};
use tokio::time::Instant;

use super::forged::{Forged, Submitted};
use crate::client::{self, Answer, Node, NodeError, Redirected, is_loopback, reason, shows_tls};
use crate::text::is_typable;

/// The most bytes of a Python server's answer, which may be a block.
const MAX_ANSWER_BYTES: usize = 20_000_000;

/// How many bytes of a chain are read. The blocks at its end show how many zeros the server wants;
/// those at the start of a longer chain show it as well.
const MAX_CHAIN_BYTES: usize = 64 << 20;

/// The longest pause between two calls that a server may ask for.
const MAX_COOLDOWN: Duration = Duration::from_secs(300);

/// Longer answers are blocks and chains, which ask for no pause.
const MAX_COOLDOWN_BYTES: usize = 65_536;

/// The word with which a Python server makes a block of a proof.
const FORGED: &str = "New Block Forged";

/// What the resolvers of glibc, musl, macOS and Windows say of a name that does not exist. All else that
/// they say, as when no DNS server answers, can get better.
const NO_SUCH_HOST: [&str; 5] = [
    "Name or service not known",
    "No address associated with hostname",
    "Name does not resolve",
    "nodename nor servname provided",
    "No such host is known",
];

/// What the HTTP client says of a server that speaks first, as those of SSH and of mail do. In HTTP the
/// client does.
const SPEAKS_FIRST: &str = "received unexpected message from connection";

/// How long a server may take to answer by the other scheme.
const PROBE_TIME: Duration = Duration::from_secs(5);

/// What servers with TLS answer to a call without it.
const TLS_WANTED: [u16; 3] = [400, 426, 497];

/// The ends of the addresses of servers' calls, which people copy from notes and browsers.
const CALLS: [&str; 13] = [
    "/chain",
    "/full_chain",
    "/last_proof",
    "/last_block",
    "/mine",
    "/transactions/new",
    "/nodes/register",
    "/nodes/resolve",
    "/nodes/new",
    "/block/new",
    "/docs",
    "/openapi.json",
    "/metrics",
];

/// What servers answer to callers who don't show who they are, or are not the one who may call.
const DENIED: [StatusCode; 3] =
    [StatusCode::UNAUTHORIZED, StatusCode::FORBIDDEN, StatusCode::PROXY_AUTHENTICATION_REQUIRED];

/// What servers answer to a call that they don't have, whatever its body is.
const NO_SUCH_CALL: [StatusCode; 7] = [
    StatusCode::NOT_FOUND,
    StatusCode::METHOD_NOT_ALLOWED,
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

    /// What a Python server wants hashed, for people.
    pub(super) fn python_puzzle(self) -> Option<&'static str> {
        match self {
            Self::Ours => None,
            Self::LastProof => Some("last proof, proof"),
            Self::LastBlock => Some("last block, proof"),
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
    /// Whether both go on top of the same block and are as hard, as far as the servers tell. (Chains that
    /// differ in their target alone can have the same first block.)
    pub(super) fn same_parent(&self, other: &Self) -> bool {
        self.previous_hash.is_some()
            && (self.previous_hash, self.target) == (other.previous_hash, other.target)
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
    /// The server says yes, and its answer shows no block of this proof: the answer, and what is
    /// wrong with it.
    Unproven(String),
}

/// Why a call failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum ServerError {
    /// No server answers.
    Away(String),
    /// The resolver says that there is no host of this name.
    NoHost(String),
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
    /// The server takes the call from others alone: it wants a token, or another one.
    Denied(String),
    /// The address is wrong: the server speaks another protocol, or the address is that of a call; a
    /// whole sentence, with the way out.
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
#[derive(Debug)]
pub(super) struct Server {
    /// The client, which asks every kind of server: the kind is not known before.
    node: Node,
    base: Url,
    /// The recipient of the coins.
    recipient: String,
    /// Whether the user gave headers that are sent with each call.
    pub(super) has_headers: bool,
    /// Whether the server wants a slash at the end of a Python server's calls.
    wants_slash: AtomicBool,
    /// The pause that the server asked for last, and its end.
    cooldown: Mutex<(Duration, Instant)>,
}

/// An answer other than the one that was wanted.
struct Instead {
    status: StatusCode,
    /// The call and its answer, as in `GET /last_proof answered 404 Not Found`.
    says: String,
    /// The reason alone, if the answer gives one.
    reason: Option<String>,
    /// Whether it only says that the call came too early.
    is_too_early: bool,
}

impl From<&Answer> for Instead {
    fn from(answer: &Answer) -> Self {
        let says = format!("{} answered {}", answer.call, answer.described());
        let is_too_early = answer.status.is_client_error() && !pause_after(answer).is_zero();
        Self { status: answer.status, says, reason: reason(&answer.body), is_too_early }
    }
}

impl Instead {
    /// The answer in a node's error.
    ///
    /// # Errors
    /// Fails if there is no answer to read.
    fn of(error: NodeError) -> Result<Self, ServerError> {
        match error {
            NodeError::Unreachable { cause, .. } => {
                Err(match NO_SUCH_HOST.iter().any(|said| cause.contains(said)) {
                    true => ServerError::NoHost(cause),
                    false => ServerError::Away(cause),
                })
            }
            NodeError::Misspoken(said) => Err(ServerError::Misspoken(said)),
            NodeError::Redirected(to) => Err(ServerError::Redirected(to)),
            NodeError::Refused { call, status, problem, .. } => {
                let says = format!("{call} answered {status}: {}", problem.detail);
                Ok(Self { status, says, reason: Some(problem.detail), is_too_early: false })
            }
            NodeError::Unexpected { call, status, answer, reason } => {
                let says = format!("{call} answered {answer}");
                Ok(Self { status, says, reason, is_too_early: false })
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
            status if DENIED.contains(&status) => ServerError::Denied(self.says),
            status if status.is_client_error() && !self.says_nothing_of_the_call() => {
                ServerError::Hopeless(self.says)
            }
            _ => self.strange(),
        }
    }

    /// Whether the answer is about the call and not about the proof in it: another proof would get
    /// the same.
    fn refuses_every_proof(&self) -> bool {
        NO_SUCH_CALL.contains(&self.status) || DENIED.contains(&self.status)
    }

    /// What the answer means for a proof that it makes no block of.
    fn for_a_proof(self) -> Result<ProofAnswer, ServerError> {
        if DENIED.contains(&self.status) {
            return Err(ServerError::Denied(self.says));
        }
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
            || self.is_too_early
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

/// The answer to a proof, if the server says yes.
fn proven(forged: Result<Forged, &str>, says: impl FnOnce() -> String) -> ProofAnswer {
    forged.map_or_else(
        |lacks| ProofAnswer::Unproven(format!("{}, but {lacks}", says())),
        ProofAnswer::Forged,
    )
}

/// The pause before the next call that an answer asks for.
fn pause_after(answer: &Answer) -> Duration {
    let is_short = answer.body.len() <= MAX_COOLDOWN_BYTES;
    let text = if is_short { object(answer) } else { None };
    let told = text.as_ref().and_then(|text| Value::of_canonical(text).get("cooldown"));
    let told = told.and_then(|seconds| seconds.text().parse::<f64>().ok());
    let header = answer.headers.get(RETRY_AFTER).and_then(|seconds| seconds.to_str().ok());
    let seconds = told.or(header.and_then(|seconds| seconds.parse().ok()));
    let seconds = seconds.unwrap_or_default().clamp(0.0, MAX_COOLDOWN.as_secs_f64());
    // Not a number stays so when it is clamped.
    Duration::try_from_secs_f64(seconds).unwrap_or_default()
}

/// Whether a Python server says that it made a block: as its message, or among several.
fn says_forged(answer: Value<'_>) -> bool {
    let is_yes = |said: Value<'_>| said.as_str().is_some_and(|said| said == FORGED);
    answer.get("message").is_some_and(is_yes)
        || answer.get("messages").is_some_and(|said| said.elements().any(is_yes))
}

/// The server's address without the call at its end, if it has one.
fn without_call(base: &Url) -> Option<Url> {
    let path = base.path().trim_end_matches('/');
    let ours = path.find("/api/v1").filter(|at| {
        let rest = &path[at + "/api/v1".len()..];
        rest.is_empty() || rest.starts_with('/')
    });
    let shorter = match ours {
        Some(at) => &path[..at],
        None => CALLS.iter().find_map(|call| path.strip_suffix(call))?,
    };
    let mut server = base.clone();
    server.set_path(shorter);
    Some(server)
}

impl Server {
    /// A server at `base`, which is not called yet.
    ///
    /// # Errors
    /// Fails if the TLS backend or the system resolver can't be set up.
    pub(super) fn new(base: Url, recipient: String, headers: HeaderMap) -> reqwest::Result<Self> {
        let node = Node::new(base.clone(), |there| format!("blocksmith mine {there}"))?;
        let has_headers = !headers.is_empty();
        Ok(Self {
            node: node.without_idle_connections()?.with_headers(headers),
            base,
            recipient,
            has_headers,
            wants_slash: AtomicBool::new(false),
            cooldown: Mutex::new((Duration::ZERO, Instant::now())),
        })
    }

    /// Whether machines announce the server's name by themselves: one that is switched on later
    /// gets it then.
    pub(super) fn is_announced(&self) -> bool {
        self.base.host_str().is_some_and(|host| host.trim_end_matches('.').ends_with(".local"))
    }

    /// The pause between two calls that the server asks for.
    pub(super) fn cooldown(&self) -> Duration {
        self.cooldown.lock().unwrap_or_else(PoisonError::into_inner).0
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
        let (mut answers, mut all_missing) = (Vec::new(), true);
        let (mut hopeless, mut denied) = (None, None);
        for kind in Kind::ALL {
            match self.work(kind).await {
                Ok(work) => return Ok((kind, work)),
                Err(ServerError::Unfit { says, is_missing }) => {
                    answers.push(says);
                    all_missing &= is_missing;
                }
                // Some servers answer so to calls that they don't have.
                Err(trouble @ ServerError::Denied(_)) => denied = denied.or(Some(trouble)),
                Err(trouble @ (ServerError::Redirected(_) | ServerError::Hopeless(_))) => {
                    hopeless = hopeless.or(Some(trouble));
                }
                Err(ServerError::Away(cause)) => return Err(self.away(cause).await),
                Err(trouble) => return Err(trouble),
            }
        }
        if let Some(trouble) = denied {
            return Err(trouble);
        }
        if let Some(server) = without_call(&self.base) {
            return Err(self.is_a_call(&server));
        }
        let unfit = || ServerError::Unfit { says: answers.join("; "), is_missing: all_missing };
        Err(hopeless.unwrap_or_else(unfit))
    }

    /// The error for a server that gives no answer: it may only be away, or something else than a
    /// server at this address.
    async fn away(&self, cause: String) -> ServerError {
        let name = self.name();
        if cause.contains(SPEAKS_FIRST) {
            return ServerError::Misspoken(format!(
                "{name} answers, but not in HTTP: it sent text before it was asked; check the port"
            ));
        }
        // Where nothing listens, or no way leads, the other scheme would find the same.
        let is_connected = !["refused", "unreachable"].iter().any(|word| cause.contains(word));
        let there = if is_connected { self.by_other_scheme().await } else { None };
        match there {
            Some(there) => ServerError::Misspoken(format!(
                "{name} answers, but not with {} ({cause}); to try {}, type: blocksmith mine {}",
                self.base.scheme(),
                there.scheme(),
                there.as_str().trim_end_matches('/')
            )),
            None => ServerError::Away(cause),
        }
    }

    /// The server's address with the other scheme, if a server answers there.
    async fn by_other_scheme(&self) -> Option<Url> {
        let other = if self.base.scheme() == "https" { "http" } else { "https" };
        let (mut there, port) = (self.base.clone(), self.base.port_or_known_default());
        there.set_scheme(other).and_then(|()| there.set_port(port)).ok()?;
        let client = client::builder().timeout(PROBE_TIME);
        let client = if is_loopback(&there) { client.no_proxy() } else { client };
        let answers = match client.build().ok()?.get(there.clone()).send().await {
            Ok(answer) => other == "https" || !TLS_WANTED.contains(&answer.status().as_u16()),
            Err(error) => shows_tls(&error),
        };
        answers.then_some(there)
    }

    /// The error for an address that is the one of a call.
    fn is_a_call(&self, server: &Url) -> ServerError {
        let (name, server) = (self.name(), server.as_str().trim_end_matches('/'));
        // What a shell would read as something else is not part of a command.
        let can_be_typed = server.split("://").nth(1).is_some_and(|rest| {
            rest.split('/').enumerate().all(|(at, part)| match at {
                0 => is_typable(part),
                _ => {
                    part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
                }
            })
        });
        ServerError::Misspoken(match can_be_typed {
            true => format!(
                "{name} is the address of one call, not of a server; for the server itself, type: \
                 blocksmith mine {server}"
            ),
            false => format!(
                "{name} is the address of one call, not of a server; leave the call out of the address"
            ),
        })
    }

    /// What the server wants searched now.
    ///
    /// # Errors
    /// Fails if no server answers, or not as one of this kind does.
    pub(super) async fn work(&self, kind: Kind) -> Result<Work, ServerError> {
        match kind {
            Kind::Ours => self.our_work(None).await,
            Kind::LastProof => {
                let (last, target) = self.last_proof().await?;
                Ok(Work {
                    prefix: last.text().as_bytes().to_vec(),
                    suffix: Vec::new(),
                    target,
                    index: None,
                    previous_hash: None,
                    id: None,
                })
            }
            Kind::LastBlock => {
                let (block, target) = self.last_block().await?;
                let job = Rules::course().job(block.view(), &block.hash(), None).into_owned();
                Ok(Work {
                    prefix: job.prefix.into_owned(),
                    suffix: job.suffix.into_owned(),
                    target,
                    index: block.index().checked_add(1),
                    previous_hash: None,
                    id: None,
                })
            }
        }
    }

    /// The last proof, and what the next one has to show, if the server tells it.
    async fn last_proof(&self) -> Result<(Proof, Option<Target>), ServerError> {
        let answer = self.get("last_proof", MAX_ANSWER_BYTES).await?;
        let no_work = || Instead::from(&answer).no_work();
        let text = object(&answer).ok_or_else(no_work)?;
        let object = Value::of_canonical(&text);
        // The first version of the course's servers had the shorter name.
        let proof = object.get("last_proof").or_else(|| object.get("proof"));
        let proof = proof.and_then(|proof| Proof::from_value(proof).ok());
        Ok((proof.ok_or_else(no_work)?, told_target(object)))
    }

    /// The last block, and what the next proof has to show, if the server tells it.
    async fn last_block(&self) -> Result<(Block, Option<Target>), ServerError> {
        let answer = self.get("last_block", MAX_ANSWER_BYTES).await?;
        let no_work = || Instead::from(&answer).no_work();
        let text = object(&answer).ok_or_else(no_work)?;
        let object = Value::of_canonical(&text);
        let block = object.get("last_block");
        let block = block.and_then(|block| Block::of_canonical(block.text()).ok());
        Ok((block.ok_or_else(no_work)?, told_target(object)))
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
            Ok(made) => Ok(proven(submitted.by_our_node(&made), || {
                "POST /api/v1/work answered with a block".into()
            })),
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
        match object(&answer) {
            Some(text)
                if instead.status.is_success() && says_forged(Value::of_canonical(&text)) =>
            {
                let forged = submitted.by_python(Value::of_canonical(&text));
                Ok(proven(forged, || format!("POST /mine answered \"{FORGED}\"")))
            }
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
                self.last_block().await.map(|(last, _)| forged.is_block(last.view(), recipient))
            }
            Kind::Ours | Kind::LastProof => {
                self.last_proof().await.map(|(last, _)| *last.text() == forged.proof.to_string())
            }
        };
        match is_last {
            Ok(true) => return Ok(BlockState::There),
            Err(
                trouble @ (ServerError::Away(_)
                | ServerError::NoHost(_)
                | ServerError::Redirected(_)
                | ServerError::Denied(_)),
            ) => return Err(trouble),
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

    /// What our node says of itself and its chain, if it answers.
    pub(super) async fn status(&self) -> Option<api::Status> {
        self.node.status().await.ok()
    }

    async fn get(&self, path: &str, max_bytes: usize) -> Result<Answer, ServerError> {
        self.page(path, None, max_bytes).await
    }

    /// The answer of a Python server, asked when it wants to be.
    async fn page(
        &self,
        path: &str,
        body: Option<String>,
        max_bytes: usize,
    ) -> Result<Answer, ServerError> {
        let over = self.cooldown.lock().unwrap_or_else(PoisonError::into_inner).1;
        tokio::time::sleep_until(over).await;
        let with_slash = format!("{path}/");
        let path = if self.wants_slash.load(Relaxed) { &with_slash } else { path };
        let answer = match self.node.page(path, body.clone(), max_bytes).await {
            // The same call of the same server, which only writes it in another way.
            Err(NodeError::Redirected(to)) if to.adds_slash() && *path != with_slash => {
                self.wants_slash.store(true, Relaxed);
                self.node.page(&with_slash, body, max_bytes).await
            }
            answer => answer,
        };
        let answer = answer
            .map_err(|error| Instead::of(error).map_or_else(|trouble| trouble, Instead::strange))?;
        self.heed_cooldown(&answer);
        Ok(answer)
    }

    /// Keeps the pause before the next call that an answer asks for.
    fn heed_cooldown(&self, answer: &Answer) {
        let pause = pause_after(answer);
        let mut cooldown = self.cooldown.lock().unwrap_or_else(PoisonError::into_inner);
        *cooldown = (pause, Instant::now() + pause);
    }
}

/// What a proof has to show by the `difficulty` in a server's answer.
fn told_target(answer: Value<'_>) -> Option<Target> {
    let zeros = u8::try_from(answer.get("difficulty")?.as_u64()?).ok()?;
    (zeros <= MAX_ZEROS).then(|| Target::from_zeros(zeros))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_a_call_is_told_from_that_of_a_server() {
        for (address, server) in [
            ("http://a:1/chain/", Some("http://a:1/")),
            ("http://a/api/mine/", Some("http://a/api")),
            ("http://a/x/nodes/register/", Some("http://a/x")),
            ("http://a/api/v1/", Some("http://a/")),
            ("http://a/x/api/v1/blocks/7/", Some("http://a/x")),
            ("http://a/", None),
            ("http://a/api/", None),
            ("http://a/blockchain/", None),
            ("http://a/api/v10/", None),
        ] {
            let found = without_call(&Url::parse(address).unwrap());
            assert_eq!(found.as_ref().map(Url::as_str), server, "{address}");
        }
    }
}
