//! The server that is mined for: our own node, or a Python server of either kind.

use std::fmt;
use std::time::Duration;

use blocksmith_consensus::json::{self, Kind as JsonKind, Value, push_string};
use blocksmith_consensus::{Block, Difficulty, Job, Proof, Rules, Target};
use reqwest::header::{HeaderMap, RETRY_AFTER};
use reqwest::{RequestBuilder, StatusCode, Url};

use super::forged::{Forged, Submitted};
use crate::client::{Redirected, cause, described, is_loopback, misspoken, name, reason};
use crate::text::shown;

/// The most bytes of an answer; a block may be one.
const MAX_ANSWER_BYTES: usize = 20_000_000;

/// How much of a chain is read. The blocks at its end show what is wanted, and a longer one than
/// this shows it at its start as well.
const MAX_CHAIN_BYTES: usize = 64 << 20;

/// How much of what a server says is shown, in characters.
const MAX_SHOWN: usize = 300;

/// What servers say to a call that they don't have or don't take from this caller, whatever is in it.
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

/// How long a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// How long an answer may take. A Python server does one thing at a time, and may be busy with
/// another miner or with its own peers.
const ANSWER_TIME: Duration = Duration::from_secs(30);

/// What a server answers to, found out by asking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Our own node: it says what to search.
    Ours,
    /// A server of Lecture II: it tells its last proof.
    LastProof,
    /// A server of the course: it tells its last block.
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

    /// The zeros of those rules, if that is what they ask for.
    pub(super) fn preset_zeros(self) -> Option<u8> {
        match self.python_rules()?.difficulty {
            Difficulty::Fixed(target) => target.zeros(),
            Difficulty::Epoch { .. } | Difficulty::Asert { .. } => None,
        }
    }

    /// How long to wait between two questions whether the tip has moved.
    pub(super) fn poll_every(self) -> Duration {
        match self {
            Self::Ours => Duration::from_millis(250),
            Self::LastProof | Self::LastBlock => Duration::from_secs(1),
        }
    }
}

/// As in "this is …".
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
    /// `None` from servers that don't tell what they want.
    pub(super) target: Option<Target>,
    /// The block that a proof makes, where that is told.
    pub(super) index: Option<u64>,
    previous_hash: Option<String>,
    /// The name that our node gave to it.
    id: Option<String>,
}

impl Work {
    /// Whether both go on top of the same block, as far as that is told.
    pub(super) fn same_parent(&self, other: &Self) -> bool {
        self.previous_hash.is_some() && self.previous_hash == other.previous_hash
    }

    /// Whether both are the same search, so that what was searched for one counts for the other.
    pub(super) fn same_search(&self, other: &Self) -> bool {
        let Self { prefix, suffix, target, index, previous_hash, id: _ } = self;
        (prefix, suffix, target, index, previous_hash)
            == (&other.prefix, &other.suffix, &other.target, &other.index, &other.previous_hash)
    }

    /// The search, with `target` where the server tells none.
    pub(super) fn job(&self, target: Target) -> Job<'static> {
        Job {
            prefix: self.prefix.clone().into(),
            suffix: self.suffix.clone().into(),
            target: self.target.unwrap_or(target),
        }
    }
}

/// What a server says to a proof.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Said {
    /// It made a block of it.
    Forged(Forged),
    /// It did not, in its own words.
    Refused(String),
}

/// Why there is no answer to work with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Trouble {
    /// Nobody answers.
    Away(String),
    /// It does not have this call, or means something else by it: it may be of another kind.
    Unfit {
        says: String,
        /// Whether it says so itself.
        is_missing: bool,
    },
    /// The answer is not one that a miner understands.
    Strange(String),
    /// It can't answer this now, and says why.
    Unable(String),
    /// Its block would not be taken yet, so that there is no work; and how long that lasts by what
    /// it says.
    Early { why: String, wait: Duration },
    /// There is no work for this miner, in the server's own words, and there will be none.
    Refused(String),
    /// It points to another address.
    Redirected(Redirected),
    /// The same call will be answered so again, whenever it comes.
    Hopeless(String),
    /// What it speaks is not what its address says; a whole sentence, with the way out.
    Misspoken(String),
}

/// Whether a server's chain has a block that it says it made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// It does.
    There,
    /// It does not.
    Gone,
    /// It shows no chain in which that could be seen, and why.
    Unseen(String),
}

/// A server at an address.
#[derive(Debug, Clone)]
pub(super) struct Server {
    client: reqwest::Client,
    base: Url,
    /// Who gets the coins.
    recipient: String,
}

fn quoted(text: &str) -> String {
    let mut out = String::new();
    push_string(&mut out, text);
    out
}

struct Answer {
    /// What was asked, as in `GET /last_proof`.
    call: String,
    status: StatusCode,
    headers: HeaderMap,
    body: Vec<u8>,
    /// Whether it has more than that.
    is_cut: bool,
}

impl Answer {
    fn says(&self) -> String {
        let said = match self.is_cut {
            true => format!("{} and more than {} bytes", self.status, self.body.len()),
            false => described(self.status, &self.headers, &self.body),
        };
        format!("{} answered {said}", self.call)
    }

    /// What is wrong with an answer that tells no work.
    fn no_work(&self) -> Trouble {
        let unfit = |is_missing| Trouble::Unfit { says: self.says(), is_missing };
        match self.status {
            StatusCode::NOT_FOUND | StatusCode::METHOD_NOT_ALLOWED => unfit(true),
            // Some servers have a page for every address.
            status if status.is_success() => unfit(false),
            StatusCode::CONFLICT => self.strange(),
            status if status.is_client_error() && !self.says_nothing_of_the_call() => {
                Trouble::Hopeless(self.says())
            }
            _ => self.strange(),
        }
    }

    /// Whether it speaks of the call, not of the proof in it: no other proof is answered otherwise.
    fn refuses_every_proof(&self) -> bool {
        NO_SUCH_CALL.contains(&self.status)
    }

    /// What is wrong with an answer that is neither yes nor no.
    fn strange(&self) -> Trouble {
        match self.says_nothing_of_the_call() && reason(&self.body).is_some() {
            true => Trouble::Unable(self.says()),
            false => Trouble::Strange(self.says()),
        }
    }

    /// The same, of an answer that should show a block.
    fn shows_no_block(&self) -> Result<Standing, Trouble> {
        match self.says_nothing_of_the_call() {
            true => Err(self.strange()),
            false => Ok(Standing::Unseen(self.says())),
        }
    }

    /// Whether the same call may be answered otherwise later.
    fn says_nothing_of_the_call(&self) -> bool {
        self.status.is_server_error()
            || [StatusCode::REQUEST_TIMEOUT, StatusCode::TOO_MANY_REQUESTS].contains(&self.status)
    }

    /// Whether a node of ours has no work before a time comes.
    fn is_early(&self) -> bool {
        let text = self.object().filter(|_| self.status == StatusCode::SERVICE_UNAVAILABLE);
        let rule = text.as_deref().and_then(|text| Value::of_canonical(text).get("rule"));
        rule.and_then(Value::as_str).is_some_and(|rule| rule == "early")
    }

    /// How long to wait before the same call.
    fn retry_after(&self) -> Duration {
        let header = self.headers.get(RETRY_AFTER).and_then(|seconds| seconds.to_str().ok());
        Duration::from_secs(header.and_then(|seconds| seconds.parse().ok()).unwrap_or_default())
    }

    /// The reason alone, if it gives one.
    fn says_why(&self) -> String {
        reason(&self.body).map_or_else(|| self.says(), |reason| shown(&reason, MAX_SHOWN))
    }

    /// The canonical text of an object.
    fn object(&self) -> Option<String> {
        let text = json::canonical(&self.body).ok()?;
        (Value::of_canonical(&text).kind() == JsonKind::Object).then(|| text.into_owned())
    }
}

impl Server {
    /// Nothing is asked yet.
    ///
    /// # Errors
    /// That the system lets nobody ask.
    pub(super) fn new(base: Url, recipient: String) -> reqwest::Result<Self> {
        let mut client = crate::client::builder()
            .user_agent(concat!("blocksmith/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(CONNECT_TIME)
            .timeout(ANSWER_TIME)
            // A server with a single thread would wait on a connection that is kept open, and
            // answer nobody else meanwhile.
            .pool_max_idle_per_host(0);
        if is_loopback(&base) {
            client = client.no_proxy();
        }
        Ok(Self { client: client.build()?, base, recipient })
    }

    /// Where it is, as people write it.
    pub(super) fn name(&self) -> &str {
        name(&self.base)
    }

    /// Finds out what the server is, and what it wants searched.
    ///
    /// # Errors
    /// That nobody answers, or nobody whom a miner understands.
    pub(super) async fn meet(&self) -> Result<(Kind, Work), Trouble> {
        let (mut answers, mut all_missing, mut hopeless) = (Vec::new(), true, None);
        for kind in Kind::ALL {
            match self.work(kind).await {
                Ok(work) => return Ok((kind, work)),
                Err(Trouble::Unfit { says, is_missing }) => {
                    answers.push(says);
                    all_missing &= is_missing;
                }
                // As some servers answer to calls that they don't have.
                Err(trouble @ (Trouble::Redirected(_) | Trouble::Hopeless(_))) => {
                    hopeless = hopeless.or(Some(trouble));
                }
                Err(trouble) => return Err(trouble),
            }
        }
        let unfit = || Trouble::Unfit { says: answers.join("; "), is_missing: all_missing };
        Err(hopeless.unwrap_or_else(unfit))
    }

    /// What the server wants searched now.
    ///
    /// # Errors
    /// That nobody answers, or not as this kind of server does.
    pub(super) async fn work(&self, kind: Kind) -> Result<Work, Trouble> {
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

    async fn last_proof(&self) -> Result<Proof, Trouble> {
        let answer = self.get("last_proof", MAX_ANSWER_BYTES).await?;
        let text = answer.object().ok_or_else(|| answer.no_work())?;
        let object = Value::of_canonical(&text);
        // The first version of the course's servers had the shorter name.
        let proof = object.get("last_proof").or_else(|| object.get("proof"));
        let proof = proof.and_then(|proof| Proof::from_value(proof).ok());
        proof.ok_or_else(|| answer.no_work())
    }

    async fn last_block(&self) -> Result<Block, Trouble> {
        let answer = self.get("last_block", MAX_ANSWER_BYTES).await?;
        let text = answer.object().ok_or_else(|| answer.no_work())?;
        let block = Value::of_canonical(&text).get("last_block");
        let block = block.and_then(|block| Block::of_canonical(block.text()).ok());
        block.ok_or_else(|| answer.no_work())
    }

    /// What the server wants searched once it is something else than `work`, or what it still wants
    /// after a while. A server that can't wait answers at once.
    ///
    /// # Errors
    /// That nobody answers, or not as this kind of server does.
    pub(super) async fn other_work(&self, kind: Kind, work: &Work) -> Result<Work, Trouble> {
        match kind {
            Kind::Ours => self.our_work(work.id.as_deref()).await,
            Kind::LastProof | Kind::LastBlock => self.work(kind).await,
        }
    }

    async fn our_work(&self, than: Option<&str>) -> Result<Work, Trouble> {
        let mut url = self.url("api/v1/work");
        url.query_pairs_mut().append_pair("recipient", &self.recipient);
        if let Some(than) = than {
            url.query_pairs_mut().append_pair("than", than);
        }
        let request = self.client.get(url);
        let answer = self.ask("GET /api/v1/work", request, MAX_ANSWER_BYTES).await?;
        if answer.is_early() {
            return Err(Trouble::Early { why: answer.says_why(), wait: answer.retry_after() });
        }
        if answer.status == StatusCode::UNPROCESSABLE_ENTITY {
            return Err(Trouble::Refused(answer.says_why()));
        }
        let text = answer.object().ok_or_else(|| answer.no_work())?;
        let object = Value::of_canonical(&text);
        let string = |name| object.get(name).and_then(Value::as_str);
        let work = || {
            Some(Work {
                prefix: string("prefix")?.as_bytes().to_vec(),
                suffix: string("suffix")?.as_bytes().to_vec(),
                target: Some(string("target")?.parse().ok()?),
                index: Some(object.get("index")?.as_u64()?),
                previous_hash: Some(string("previous_hash")?.into_owned()),
                id: Some(string("id")?.into_owned()),
            })
        };
        work().ok_or_else(|| answer.no_work())
    }

    /// Hands in a proof.
    ///
    /// # Errors
    /// That nobody answers, or neither yes nor no.
    pub(super) async fn submit(
        &self,
        kind: Kind,
        work: &Work,
        proof: u64,
    ) -> Result<Said, Trouble> {
        let (path, id) = match kind {
            Kind::Ours => ("api/v1/work", work.id.as_deref().unwrap_or_default()),
            // Lecture II's servers don't ask for an id and don't mind one.
            Kind::LastProof | Kind::LastBlock => ("mine", self.recipient.as_str()),
        };
        let body = format!(r#"{{"proof": {proof}, "id": {}}}"#, quoted(id));
        let request =
            self.client.post(self.url(path)).header("content-type", "application/json").body(body);
        let answer = self.ask(&format!("POST /{path}"), request, MAX_ANSWER_BYTES).await?;
        if answer.refuses_every_proof() {
            return Err(Trouble::Hopeless(answer.says()));
        }
        let text = answer.object().ok_or_else(|| answer.strange())?;
        let object = Value::of_canonical(&text);
        let said = reason(&answer.body);
        // What there is nothing to prove by is as strange as what is no answer at all.
        let proven = |forged: Result<Forged, &str>| {
            let says =
                |lacks| Trouble::Strange(format!("{}, which is no block: {lacks}", answer.says()));
            forged.map(Said::Forged).map_err(says)
        };
        // The easiest target, since only prefix and suffix count here.
        let job = work.job(Target::EASIEST);
        let submitted = Submitted {
            job: &job,
            proof,
            index: work.index,
            previous_hash: work.previous_hash.as_deref(),
            recipient: self.recipient_at(kind),
        };
        match (kind, said) {
            (Kind::Ours, _) if answer.status.is_success() => proven(submitted.by_our_node(object)),
            (_, Some(said)) if said == "New Block Forged" && answer.status.is_success() => {
                proven(submitted.by_python(object))
            }
            // Neither yes nor no: it may be handed in again.
            (_, Some(said)) if !answer.says_nothing_of_the_call() => {
                Ok(Said::Refused(shown(&said, MAX_SHOWN)))
            }
            _ => Err(answer.strange()),
        }
    }

    /// Who gets the coin, where the server asks for that.
    fn recipient_at(&self, kind: Kind) -> Option<&str> {
        (kind != Kind::LastProof).then_some(&self.recipient)
    }

    /// Whether the server's chain has the block that it says it made.
    ///
    /// # Errors
    /// That nobody answers, or nobody who can now.
    pub(super) async fn has(&self, kind: Kind, forged: &Forged) -> Result<Standing, Trouble> {
        let standing = |is_there| if is_there { Standing::There } else { Standing::Gone };
        if let (Kind::Ours, Some(index), Some(hash)) = (kind, forged.index, forged.hash) {
            let mut url = self.url("api/v1/headers");
            url.query_pairs_mut().append_pair("from", &index.to_string()).append_pair("limit", "1");
            let request = self.client.get(url);
            let answer = self.ask("GET /api/v1/headers", request, MAX_ANSWER_BYTES).await?;
            let text = answer.object().filter(|_| answer.status.is_success());
            let headers = text.as_deref().and_then(|text| Value::of_canonical(text).get("headers"));
            let Some(headers) = headers else { return answer.shows_no_block() };
            let first = headers.elements().next().and_then(|header| header.get("hash")?.as_str());
            return Ok(standing(first.is_some_and(|first| first.parse() == Ok(hash))));
        }
        // Mostly it is the last one, which costs less to ask for; somebody may have been there since.
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
            Ok(true) => return Ok(Standing::There),
            Err(trouble @ (Trouble::Away(_) | Trouble::Redirected(_))) => return Err(trouble),
            // The whole chain may show it all the same.
            Ok(false) | Err(_) => {}
        }
        let answer = self.get("chain", MAX_CHAIN_BYTES).await?;
        match forged.is_in(&answer.body, recipient) {
            Some(false) if answer.is_cut => Ok(Standing::Unseen(format!(
                "{} has more than {} MiB, and the rest of it is not read",
                answer.call,
                MAX_CHAIN_BYTES >> 20
            ))),
            Some(is_there) => Ok(standing(is_there)),
            None => answer.shows_no_block(),
        }
    }

    /// The answer to `/chain`, or as much of it as is worth reading.
    ///
    /// # Errors
    /// That nobody answers.
    pub(super) async fn chain(&self) -> Result<Vec<u8>, Trouble> {
        Ok(self.get("chain", MAX_CHAIN_BYTES).await?.body)
    }

    /// Whether payments are signed on the chain of our node, as far as it says.
    pub(super) async fn signs_payments(&self) -> bool {
        let answer = self.get("api/v1/status", MAX_ANSWER_BYTES).await;
        let text = answer.ok().and_then(|answer| answer.object());
        let rules = text.as_deref().and_then(|text| Value::of_canonical(text).get("rules"));
        let spending = rules.and_then(|rules| rules.get("spending"));
        spending.is_some_and(|spending| spending.get("signed").is_some())
    }

    fn url(&self, path: &str) -> Url {
        let mut url = self.base.clone();
        url.set_path(&format!("{}{path}", self.base.path()));
        url
    }

    async fn get(&self, path: &str, max_bytes: usize) -> Result<Answer, Trouble> {
        self.ask(&format!("GET /{path}"), self.client.get(self.url(path)), max_bytes).await
    }

    async fn ask(
        &self,
        call: &str,
        request: RequestBuilder,
        max_bytes: usize,
    ) -> Result<Answer, Trouble> {
        let typed = |there: &str| format!("blocksmith mine {there}");
        let failed = |error: reqwest::Error| match misspoken(&error, &self.base, typed) {
            Some(said) => Trouble::Misspoken(said),
            None => Trouble::Away(cause(&error)),
        };
        let mut response = request.send().await.map_err(failed)?;
        if let Some(to) = Redirected::of(&response, &self.base, call, typed) {
            return Err(Trouble::Redirected(to));
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
        Ok(Answer { call: call.into(), status, headers, body, is_cut })
    }
}
