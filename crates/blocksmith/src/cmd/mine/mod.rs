//! `blocksmith mine`: a miner for any server of the course, and for our own nodes.

mod forged;
mod server;
mod zeros;

use std::io::{self, ErrorKind};
use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context as _;
use blocksmith_consensus::Target;
use blocksmith_consensus::job::MAX_ZEROS;
use blocksmith_miner::search::Outcome;
use blocksmith_wallet::written::{self, is_blank};
use reqwest::Url;

use self::forged::Forged;
use self::server::{BlockState, Kind, ProofAnswer, Server, ServerError, Work};
use super::exit;
use super::screen::{Progress, REFRESH, Screen};
use super::search_args::SearchArgs;
use super::values::{number, server_to_mine_on};
use crate::config;
use crate::daemon::{stop_on_signal, until};
use crate::searching::Workers;
use crate::service::new_node_id;

/// The wait before the miner asks a server again that did not answer or refused; it doubles each
/// time.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The longest of these waits.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// How often the miner asks a server that can't show its chain whether a block is there; all of
/// that takes a quarter of a minute.
const MAX_LOOKS: u32 = 6;

/// A random start is below this number: proofs of signed chains end at 2^53, and years of searching
/// are left up to there.
const MAX_RANDOM_START: u64 = 1_000_000_000_000_000;

/// How many proofs of others the miner must see before the zeros that they show count as certain:
/// each of them shows a digit too many one time in sixteen.
const ENOUGH_PROOFS: usize = 8;

/// The file with the miner's id.
const ID_FILE: &str = "miner-id";

/// Mine coins on a node.
#[derive(Debug, clap::Args)]
pub struct MineArgs {
    /// The server to mine on: a Blocksmith node, or a Python server of the course; one that does not
    /// answer is waited for
    #[arg(value_name = "URL", env = "BLOCKSMITH_NODE", default_value = "http://127.0.0.1:5000", value_parser = server_to_mine_on)]
    url: Url,
    /// Who gets the coins: any name, or an address where coins go to addresses [default: an id made once and kept]
    #[arg(long, visible_alias = "to", value_name = "NAME", env = "BLOCKSMITH_ID", value_parser = config::id)]
    id: Option<String>,
    /// Stop after so many blocks, each of which pays a coin, or more where payments are signed
    #[arg(long, value_name = "N", value_parser = number::<u64>(1..=u64::MAX))]
    coins: Option<u64>,
    #[command(flatten)]
    search: SearchArgs,
    /// How many zero digits a Python server wants [default: what the proofs in its chain show]
    #[arg(long, value_name = "N", value_parser = number::<u8>(0..=u64::from(MAX_ZEROS)))]
    zeros: Option<u8>,
    /// Where a search starts; random is for classes where everybody else starts at 0, and for more
    /// than one miner for one address
    #[arg(long, value_name = "WHERE", value_enum, default_value = "0")]
    start: Start,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Start {
    #[value(name = "0")]
    Zero,
    Random,
}

/// Runs the command: mines the blocks that were asked for, or until a signal stops it.
///
/// # Errors
/// Fails if the threads can't search as they should, signals can't be listened for, or the HTTP
/// client can't be set up.
pub async fn run(args: MineArgs) -> anyhow::Result<ExitCode> {
    let stop = stop_on_signal()?;
    let screen = Screen::new();
    let id = args.id.unwrap_or_else(|| kept_id(&screen));
    let workers = args.search.workers(&screen)?;
    let server = Server::new(args.url, id.clone())?;
    screen.note(&format!("mining on {}; the coins go to {id}", server.name()));
    let mut miner = Miner {
        server,
        kind: None,
        met: None,
        trouble: None,
        doubts: None,
        workers,
        start: args.start,
        zeros: Zeros { fixed: args.zeros, now: 0, looks_left: 0 },
        mined: 0,
        signed: false,
        screen,
    };
    let outcome = tokio::select! {
        outcome = miner.mine(args.coins) => outcome.map(|()| ExitCode::SUCCESS),
        () = until(stop) => Ok(super::told_to_stop(args.coins)),
    };
    miner.screen.clear();
    match outcome {
        Ok(code) => Ok(code),
        Err(Ended::Refused(why)) => {
            miner.screen.note(&format!(
                "{} has no work for this miner: {why}; --to names who gets the coins",
                miner.server.name()
            ));
            Ok(ExitCode::from(exit::REJECTED))
        }
        Err(Ended::Hopeless(why)) => {
            miner.screen.note(&format!("nothing is mined any more: {why}"));
            Ok(ExitCode::from(exit::REJECTED))
        }
        // The reader of a pipe has what it wanted, as `head` does.
        Err(Ended::Unread(error)) if error.kind() == ErrorKind::BrokenPipe => Ok(ExitCode::SUCCESS),
        Err(Ended::Unread(error)) => Err(error.into()),
    }
}

/// Why there is nothing more to mine.
enum Ended {
    /// The output can't be written, as when the reader of a pipe is gone.
    Unread(io::Error),
    /// The server has no work for this miner, and says why.
    Refused(String),
    /// The server is no server for miners, or has moved, and stays so; with what to do.
    Hopeless(String),
}

impl From<io::Error> for Ended {
    fn from(error: io::Error) -> Self {
        Self::Unread(error)
    }
}

/// The id of this machine's miner, which survives restarts; a new one if no file can keep it.
fn kept_id(screen: &Screen) -> String {
    config::data_home().and_then(|dir| id_in(&dir)).unwrap_or_else(|error| {
        screen.note(&format!("no id is kept from one run to the next: {error:#}; --id names one"));
        new_node_id()
    })
}

fn id_in(dir: &Path) -> anyhow::Result<String> {
    let path = dir.join(ID_FILE);
    let read = || match std::fs::read(&path) {
        Ok(bytes) => {
            let text = written::decode(&bytes).with_context(|| path.display().to_string())?;
            let id = config::id(text.trim_matches(is_blank)).map_err(anyhow::Error::msg);
            id.map(Some).with_context(|| format!("{} holds no id", path.display()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} can't be read", path.display())),
    };
    if let Some(id) = read()? {
        return Ok(id);
    }
    let write = || {
        std::fs::create_dir_all(dir)?;
        // The file is written whole or not at all: another miner may start at the same time.
        let unfinished = dir.join(format!("{ID_FILE}.{}", std::process::id()));
        let text = format!("{}\n", new_node_id());
        let written =
            std::fs::write(&unfinished, text).and_then(|()| std::fs::rename(&unfinished, &path));
        if written.is_err() {
            let _ = std::fs::remove_file(unfinished);
        }
        written
    };
    write().with_context(|| format!("{} can't be written", path.display()))?;
    read()?.context("the id is gone again")
}

struct Miner {
    server: Server,
    /// The server's kind, until it falls silent or answers as another kind.
    kind: Option<Kind>,
    /// The server's kind when it last had work.
    met: Option<Kind>,
    /// The last complaint about a server that tells no work.
    trouble: Option<ServerError>,
    /// The last complaint about a server that has work, but takes no proof or shows no block.
    doubts: Option<Doubt>,
    workers: Workers,
    start: Start,
    zeros: Zeros,
    /// How many blocks this run mined.
    mined: u64,
    /// Whether payments are signed there, so that a block is more than a coin.
    signed: bool,
    screen: Screen,
}

/// How many zeros a Python server wants, as far as the miner knows.
struct Zeros {
    /// The number on the command line.
    fixed: Option<u8>,
    /// The number that is searched for.
    now: u8,
    /// How often the miner still looks at the chain when another miner's block comes.
    looks_left: usize,
}

/// Why a block is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// The answer to the proof, or to the question for the block, says nothing of use.
    Answer,
    /// The chain does not have the block.
    Gone,
    /// The server shows no chain.
    Unseen,
}

enum Searched {
    Found(u64),
    /// The server wants something else searched now.
    Moved(Work),
    /// There is no work until this is over.
    Stopped(ServerError),
    /// All numbers were tried.
    Exhausted,
}

impl Miner {
    /// Mines as many blocks as are wanted.
    ///
    /// # Errors
    /// Fails if the output can't be written any more, or the server has no work for this miner.
    async fn mine(&mut self, wanted: Option<u64>) -> Result<(), Ended> {
        let mut next = None;
        // The effort so far for the block that is searched for now.
        let mut effort: Option<Effort> = None;
        // Where the search goes on if the server still wants the same searched.
        let mut resume: Option<(Work, u64)> = None;
        // How many proofs for this tip failed.
        let mut failures = 0;
        loop {
            let (kind, work) = match next.take() {
                Some(next) => next,
                None => self.work().await?,
            };
            let start = match &resume {
                Some((tip, start)) if tip.same_search(&work) => *start,
                _ => {
                    failures = 0;
                    self.start.number()
                }
            };
            resume = None;
            let so_far = match effort.take() {
                Some(effort) => effort,
                None => {
                    self.screen.line("Starting search for new proof")?;
                    Effort { began: Instant::now(), tries: 0 }
                }
            };
            let proof = match self.search(kind, &work, start, &so_far).await {
                (Searched::Found(proof), _) => proof,
                // The block is the same, with other payments or another time.
                (Searched::Moved(moved), tries) if moved.same_parent(&work) => {
                    effort = Some(Effort { tries, ..so_far });
                    next = Some((kind, moved));
                    continue;
                }
                (Searched::Moved(moved), _) => {
                    self.screen.note("somebody else's block came: starting over on top of it");
                    self.look_again(kind).await;
                    next = Some((kind, moved));
                    continue;
                }
                (Searched::Stopped(trouble), tries) => {
                    effort = Some(Effort { tries, ..so_far });
                    self.wait_after(trouble, 0).await?;
                    continue;
                }
                (Searched::Exhausted, _) => {
                    self.screen.note("no number is left to try: starting from 0");
                    resume = Some((work, 0));
                    continue;
                }
            };
            self.screen.line(&format!("Found new proof: {proof}"))?;
            match self.server.submit(kind, &work, proof).await {
                Ok(ProofAnswer::Forged(forged)) => {
                    let standing = self.stands(kind, &forged).await?;
                    let name = self.server.name();
                    let (doubt, why) = match standing {
                        BlockState::There => {
                            self.doubts = None;
                            self.mined += 1;
                            let what = if self.signed { "Blocks" } else { "Coins" };
                            self.screen.line(&format!("{what} mined: {}", self.mined))?;
                            if wanted.is_some_and(|wanted| self.mined >= wanted) {
                                return Ok(());
                            }
                            continue;
                        }
                        BlockState::Gone => (
                            Doubt::Gone,
                            format!(
                                "{name} says that it made a block of this proof, but its chain does not \
                                 have that block: it counts for nothing. Another block may have taken \
                                 its place, or something in between answers for the server"
                            ),
                        ),
                        BlockState::Unseen(why) => (
                            Doubt::Unseen,
                            format!(
                                "{name} says that it made a block of this proof, but does not show that \
                                 block: {why}. It is not counted, nor is any later one that is not shown"
                            ),
                        ),
                    };
                    self.note_doubt(doubt, &why);
                    tokio::time::sleep(wait_after(failures)).await;
                    failures += 1;
                    resume = Some((work, proof + 1));
                }
                Ok(ProofAnswer::Refused(message)) => {
                    self.screen.line(&message)?;
                    let (kind_now, now) = self.work().await?;
                    if now.same_search(&work) {
                        let patience = wait_after(failures);
                        failures += 1;
                        next = self.after_refusal(kind_now, now, patience).await;
                        resume = Some((work, proof + 1));
                    } else {
                        // Another miner was faster.
                        self.look_again(kind_now).await;
                        next = Some((kind_now, now));
                    }
                }
                Err(trouble) => {
                    self.wait_in_doubt(trouble, failures).await?;
                    failures += 1;
                    // The proof may have arrived. If not, it is still the next one to hand in.
                    resume = Some((work, proof));
                }
            }
        }
    }

    /// The next work, as soon as the server tells any.
    async fn work(&mut self) -> Result<(Kind, Work), Ended> {
        for turn in 0.. {
            let answer = match self.kind {
                Some(kind) => self.server.work(kind).await.map(|work| (kind, work)),
                None => self.server.meet().await,
            };
            match answer {
                Ok((kind, work)) => {
                    let before = self.trouble.take();
                    self.kind = Some(kind);
                    let is_away = matches!(before, Some(ServerError::Away(_)));
                    if self.met.replace(kind) != Some(kind) || is_away {
                        self.introduce(kind, &work, before.is_some()).await;
                    } else if before.is_some() {
                        self.screen.note(&format!("{} has work again", self.server.name()));
                    }
                    return Ok((kind, work));
                }
                Err(trouble) => self.wait_after(trouble, turn).await?,
            }
        }
        unreachable!("numbers don't end")
    }

    /// Whether the server's chain has the block that the server says it made. Waits for a server
    /// that does not answer, but not for ever for one that answers and does not say.
    async fn stands(&mut self, kind: Kind, forged: &Forged) -> Result<BlockState, Ended> {
        let mut looks = 0;
        for turn in 0.. {
            match self.server.has(kind, forged).await {
                Ok(standing) => return Ok(standing),
                Err(ServerError::Strange(what) | ServerError::Unable(what))
                    if looks == MAX_LOOKS =>
                {
                    return Ok(BlockState::Unseen(what));
                }
                Err(trouble) => {
                    looks += u32::from(!matches!(trouble, ServerError::Away(_)));
                    self.wait_in_doubt(trouble, turn).await?;
                }
            }
        }
        unreachable!("numbers don't end")
    }

    /// Says what is wrong with the server, and waits before it is asked again: longer after more
    /// `failures`.
    ///
    /// # Errors
    /// Fails if asking again won't help.
    async fn wait_after(&mut self, trouble: ServerError, failures: u32) -> Result<(), Ended> {
        let trouble = self.mendable(trouble)?;
        let wait = match &trouble {
            // The server's clock may be set meanwhile.
            ServerError::Early { wait, .. } => (*wait).clamp(FIRST_WAIT, MAX_WAIT),
            _ => wait_after(failures),
        };
        self.note_trouble(trouble);
        tokio::time::sleep(wait).await;
        Ok(())
    }

    /// The same for a server that has work, where a proof or the look for its block failed.
    async fn wait_in_doubt(&mut self, trouble: ServerError, failures: u32) -> Result<(), Ended> {
        if matches!(trouble, ServerError::Away(_) | ServerError::Early { .. }) {
            return self.wait_after(trouble, failures).await;
        }
        let trouble = self.mendable(trouble)?;
        // Another server may be the next to answer.
        self.kind = None;
        self.note_doubt(Doubt::Answer, &said_of(self.server.name(), &trouble));
        tokio::time::sleep(wait_after(failures)).await;
        Ok(())
    }

    /// Returns what is wrong if waiting may mend it.
    fn mendable(&self, trouble: ServerError) -> Result<ServerError, Ended> {
        let name = self.server.name();
        let if_elsewhere = "if the server is elsewhere: blocksmith mine URL";
        Err(match trouble {
            ServerError::Refused(why) => Ended::Refused(why),
            ServerError::Redirected(to) => Ended::Hopeless(to.to_string()),
            ServerError::Misspoken(why) => Ended::Hopeless(why),
            ServerError::Hopeless(why) => Ended::Hopeless(format!(
                "{name}: {why}, which waiting does not change; {if_elsewhere}"
            )),
            // A server that had work before may only be starting again.
            ServerError::Unfit { says, is_missing: true } if self.met.is_none() => Ended::Hopeless(
                format!("{name} has none of the calls for miners ({says}); {if_elsewhere}"),
            ),
            trouble => return Ok(trouble),
        })
    }

    /// Says once that something is wrong with the server, and forgets its kind unless the server
    /// only has no work yet.
    fn note_trouble(&mut self, trouble: ServerError) {
        if !matches!(trouble, ServerError::Early { .. }) {
            self.kind = None;
        }
        // Nothing is searched until the server answers.
        self.screen.clear();
        let class = |trouble: &ServerError| match trouble {
            ServerError::Away(_) => 0,
            ServerError::Early { .. } => 1,
            _ => 2,
        };
        if self.trouble.as_ref().is_some_and(|said| class(said) == class(&trouble)) {
            return;
        }
        self.screen.note(&said_of(self.server.name(), &trouble));
        self.trouble = Some(trouble);
    }

    /// Says why a proof makes no block that counts: once, until one does.
    fn note_doubt(&mut self, doubt: Doubt, why: &str) {
        self.screen.clear();
        if self.doubts.replace(doubt) != Some(doubt) {
            self.screen.note(why);
        }
    }

    /// Says which server was met, after finding out what it wants.
    async fn introduce(&mut self, kind: Kind, work: &Work, again: bool) {
        self.signed = kind == Kind::Ours && self.server.signs_payments().await;
        let name = self.server.name();
        let answers = if again { "answers now" } else { "answers" };
        let wants = if work.target.is_some() {
            match self.zeros.fixed {
                Some(_) => "it says itself what a proof must show, so --zeros has no effect".into(),
                None => "it says what to search".to_string(),
            }
        } else if let Some(zeros) = self.zeros.fixed {
            self.zeros.now = zeros;
            format!("searching for {zeros} zeros, as you said")
        } else {
            let chain = self.server.chain().await.unwrap_or_default();
            let rules = kind.python_rules();
            if let Some(shown) = rules.and_then(|rules| zeros::shown(&rules, &chain)) {
                self.zeros.now = shown.zeros;
                self.zeros.looks_left = ENOUGH_PROOFS.saturating_sub(shown.proofs);
                format!("searching for {} zeros, as the proofs in its chain show", shown.zeros)
            } else {
                let zeros = kind.preset_zeros().unwrap_or_default();
                self.zeros.now = zeros;
                self.zeros.looks_left = ENOUGH_PROOFS;
                let why = match zeros::has_blocks(&chain) {
                    true => "its chain shows no proof yet",
                    false => "it shows no chain, whose proofs would tell how many zeros it wants",
                };
                format!(
                    "{why}; searching for {zeros} zeros, as is usual (--zeros sets another number)"
                )
            }
        };
        self.screen.note(&format!("{name} {answers}: {kind}; {wants}"));
    }

    async fn shown(&self, kind: Kind) -> Option<zeros::Shown> {
        let rules = kind.python_rules()?;
        zeros::shown(&rules, &self.server.chain().await.ok()?)
    }

    /// Another miner's block came: the miner looks at the chain again while its number of zeros
    /// rests on few proofs or on refusals.
    async fn look_again(&mut self, kind: Kind) {
        if kind.python_rules().is_none() || self.zeros.fixed.is_some() || self.zeros.looks_left == 0
        {
            return;
        }
        self.zeros.looks_left -= 1;
        if let Some(shown) = self.shown(kind).await
            && shown.zeros != self.zeros.now
        {
            self.zeros.now = shown.zeros;
            self.screen.note(&format!(
                "the proofs in the chain show {} zeros: searching for those",
                shown.zeros
            ));
        }
    }

    /// The proof was refused and the tip is the same. A Python server that did not say how many
    /// zeros it wants wants more; any other server can change its answer only with another tip.
    /// `None` if the miner should ask the server what to search.
    async fn after_refusal(
        &mut self,
        kind: Kind,
        work: Work,
        patience: Duration,
    ) -> Option<(Kind, Work)> {
        let guessed = work.target.is_none() && self.zeros.fixed.is_none();
        if guessed && self.zeros.now < MAX_ZEROS {
            self.zeros.now += 1;
            self.zeros.looks_left = ENOUGH_PROOFS;
            self.screen
                .note(&format!("refused: searching for {} zeros from here on", self.zeros.now));
            return Some((kind, work));
        }
        self.screen.clear();
        if patience == FIRST_WAIT {
            self.screen.note(&format!(
                "refused, although the tip is the same: going on with the next proof after a while, of up \
                 to {} s, or when the tip moves",
                MAX_WAIT.as_secs()
            ));
        }
        match tokio::time::timeout(patience, moved(&self.server, kind, &work)).await {
            Ok(moved) => moved.ok().map(|moved| (kind, moved)),
            Err(_) => Some((kind, work)),
        }
    }

    /// Searches from `start` on, after the tries of `so_far`. Returns also how many tries that
    /// makes in all.
    async fn search(
        &mut self,
        kind: Kind,
        work: &Work,
        start: u64,
        so_far: &Effort,
    ) -> (Searched, u64) {
        let job = work.job(Target::from_zeros(self.zeros.now));
        let mined = Some((self.mined, if self.signed { "block" } else { "coin" }));
        let (index, target) = (work.index, job.target);
        let mut searching = self.workers.search(job, start);
        let moved = moved(&self.server, kind, work);
        tokio::pin!(moved);
        let progress = |tries| {
            let (tries, elapsed) = (so_far.tries + tries, so_far.began.elapsed());
            Progress { index, target, tries, elapsed, mined }
        };
        let searched = loop {
            tokio::select! {
                biased;
                outcome = searching.outcome() => match outcome {
                    Outcome::Found { proof, .. } => break Searched::Found(proof),
                    Outcome::Cancelled | Outcome::Exhausted => break Searched::Exhausted,
                },
                moved = &mut moved => break match moved {
                    Ok(work) => Searched::Moved(work),
                    Err(trouble) => Searched::Stopped(trouble),
                },
                () = tokio::time::sleep(REFRESH) => self.screen.show(progress(searching.tries())),
            }
        };
        let tries = searching.tries();
        self.screen.show(progress(tries));
        (searched, so_far.tries + tries)
    }
}

/// The effort for one block.
struct Effort {
    began: Instant,
    tries: u64,
}

/// Waits until the server wants something else searched. The search goes on while the server is
/// busy or does not answer.
///
/// # Errors
/// Fails on an answer that means that a proof would be found in vain.
async fn moved(server: &Server, kind: Kind, work: &Work) -> Result<Work, ServerError> {
    if kind != Kind::Ours {
        tokio::time::sleep(kind.poll_every()).await;
    }
    loop {
        let asked = Instant::now();
        match server.other_work(kind, work).await {
            Ok(now) if !now.same_search(work) => return Ok(now),
            Err(
                trouble @ (ServerError::Redirected(_)
                | ServerError::Misspoken(_)
                | ServerError::Hopeless(_)
                | ServerError::Refused(_)
                | ServerError::Early { .. }),
            ) => return Err(trouble),
            // Our own node waited before it answered, so asking again at once hears the next change
            // at once.
            Ok(_) if asked.elapsed() > kind.poll_every() && kind == Kind::Ours => {}
            _ => tokio::time::sleep(kind.poll_every()).await,
        }
    }
}

/// The words for a fault of a server that waiting may mend.
fn said_of(name: &str, trouble: &ServerError) -> String {
    match trouble {
        ServerError::Away(cause) => {
            format!("no answer from {name} ({cause}); asking again until there is one")
        }
        ServerError::Early { why, .. } => format!("{name} has no work yet: {why}; waiting for it"),
        ServerError::Unable(why) => format!("{name}: {why}; asking again until it can"),
        ServerError::Unfit { says: what, .. }
        | ServerError::Strange(what)
        | ServerError::Refused(what)
        | ServerError::Hopeless(what)
        | ServerError::Misspoken(what) => {
            format!("{name} does not answer as a server for miners does ({what}); asking again")
        }
        ServerError::Redirected(to) => to.to_string(),
    }
}

/// How long to wait after this failure, which came after `failures` others.
fn wait_after(failures: u32) -> Duration {
    FIRST_WAIT.saturating_mul(1 << failures.min(10)).min(MAX_WAIT)
}

impl Start {
    fn number(self) -> u64 {
        match self {
            Self::Zero => 0,
            Self::Random => {
                let mut bytes = [0; 8];
                getrandom::fill(&mut bytes).expect("the system gives random bytes");
                u64::from_le_bytes(bytes) % MAX_RANDOM_START
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_stays_the_same_from_run_to_run() {
        let dir = tempfile::tempdir().unwrap();
        let id = id_in(&dir.path().join("blocksmith")).unwrap();
        assert_eq!(id.len(), 32);
        assert_eq!(id_in(&dir.path().join("blocksmith")).unwrap(), id);
        std::fs::write(dir.path().join(ID_FILE), "alice\n").unwrap();
        assert_eq!(id_in(dir.path()).unwrap(), "alice");
        std::fs::write(dir.path().join(ID_FILE), "\n").unwrap();
        assert!(id_in(dir.path()).is_err());
    }

    #[test]
    fn waits_grow_up_to_ten_seconds() {
        let waits = [0, 1, 2, 4, 5, u32::MAX].map(|failures| wait_after(failures).as_millis());
        assert_eq!(waits, [500, 1_000, 2_000, 8_000, 10_000, 10_000]);
    }
}
