//! The miner: it asks what to search, searches, hands proofs in, and makes sure that blocks are there.

use std::cell::Cell;
use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use blocksmith_consensus::Target;
use blocksmith_miner::search::Outcome;

use super::forged::Forged;
use super::report::Report;
use super::server::{BlockState, Kind, ProofAnswer, Server, ServerError, Work};
use super::{Ended, Start, zeros};
use crate::cmd::screen::{Progress, REFRESH};
use crate::searching::Workers;
use crate::text::counted;

/// The wait before the miner asks a server again that did not answer or refused; it doubles each
/// time.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The longest of these waits.
const MAX_WAIT: Duration = Duration::from_secs(10);

/// How long a server is silent during a search before the miner says so: a moment is not worth a line.
const SILENCE: Duration = Duration::from_secs(5);

/// How often the miner asks a server that can't show its chain whether a block is there; all of
/// that takes a quarter of a minute.
const MAX_LOOKS: u32 = 6;

/// How many proofs for the same tip a Python server may refuse, or say yes to and show no block of,
/// before the miner gives up: more of the same would get the same answer.
const MAX_FRUITLESS: u32 = 5;

/// How often the miner raises its guess of the zeros that a Python server wants.
const MAX_RAISES: u8 = 2;

/// The guess is not raised above this, the most zeros that the course's notes use: each zero more takes
/// sixteen times as long, so that a wrong guess of 8 would search for hours.
const MAX_RAISED_ZEROS: u8 = 6;

/// A random start is below this number: proofs of signed chains end at 2^53, and years of searching
/// are left up to there.
const MAX_RANDOM_START: u64 = 1_000_000_000_000_000;

/// How many proofs of others the miner must see before the zeros that they show count as certain:
/// each of them shows a digit too many one time in sixteen.
const ENOUGH_PROOFS: usize = 8;

pub(super) struct Miner {
    server: Arc<Server>,
    /// The server's kind, until it falls silent or answers as another kind.
    kind: Option<Kind>,
    /// The server's kind when it last had work.
    met: Option<Kind>,
    /// The id of the chain that our node had when it was met last.
    chain: Option<String>,
    /// The last complaint about a server that tells no work.
    trouble: Option<ServerError>,
    /// The last complaint about a server that has work, but takes no proof or shows no block.
    doubts: Option<Doubt>,
    workers: Workers,
    start: Start,
    zeros: Zeros,
    round: Round,
    pub(super) report: Report,
}

/// How many zeros a Python server wants, as far as the miner knows.
struct Zeros {
    /// The number on the command line.
    fixed: Option<u8>,
    /// The number that is searched for.
    now: u8,
    /// How often that number was raised after a refusal.
    raises: u8,
    /// How often the miner still looks at the chain when another miner's block comes.
    looks_left: usize,
}

/// How far the miner is with the next block.
#[derive(Default)]
struct Round {
    /// What the server wants searched, if it has said so already.
    next: Option<(Kind, Work)>,
    /// The effort so far.
    effort: Option<Effort>,
    /// Where the search goes on if the server still wants the same searched.
    resume: Option<(Work, u64)>,
    /// How many proofs for this tip failed.
    failures: u32,
    /// How many of them the server answered clearly, and made no block of that counts.
    fruitless: u32,
}

/// The effort for one block.
#[derive(Clone, Copy)]
struct Effort {
    began: Instant,
    tries: u64,
}

/// Why a block is not counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Doubt {
    /// The answer to the proof, or to the question for the block, says nothing of use.
    Answer,
    /// The server refuses proofs for the tip that it tells.
    Refusal,
    /// The answer says yes and shows another block.
    Unproven,
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
    pub(super) fn new(
        server: Server,
        workers: Workers,
        start: Start,
        zeros: Option<u8>,
        report: Report,
    ) -> Self {
        Self {
            server: server.into(),
            kind: None,
            met: None,
            chain: None,
            trouble: None,
            doubts: None,
            workers,
            start,
            zeros: Zeros { fixed: zeros, now: 0, raises: 0, looks_left: 0 },
            round: Round::default(),
            report,
        }
    }

    /// Mines as many blocks as are wanted.
    ///
    /// # Errors
    /// Fails if the output can't be written any more, or waiting does not give this miner work.
    pub(super) async fn mine(&mut self, wanted: Option<u64>) -> Result<(), Ended> {
        while wanted.is_none_or(|wanted| self.report.mined() < wanted) {
            let (kind, work, start) = self.next_search().await?;
            let so_far =
                self.round.effort.take().unwrap_or(Effort { began: Instant::now(), tries: 0 });
            let (searched, effort) = self.search(kind, &work, start, so_far).await?;
            match searched {
                Searched::Found(proof) => self.hand_in(kind, work, proof).await?,
                // The block is the same, with other payments or another time.
                Searched::Moved(moved) if moved.same_parent(&work) => {
                    self.round.effort = Some(effort);
                    self.round.next = Some((kind, moved));
                }
                Searched::Moved(moved) => self.start_over(kind, moved, "").await,
                Searched::Stopped(trouble) => {
                    self.round.effort = Some(effort);
                    self.wait_after(trouble, 0).await?;
                }
                Searched::Exhausted => {
                    self.report.note("all numbers were tried: starting again from 0");
                    self.round.resume = Some((work, 0));
                }
            }
        }
        Ok(())
    }

    /// What to search next, and from which number on.
    async fn next_search(&mut self) -> Result<(Kind, Work, u64), Ended> {
        let (kind, work) = match self.round.next.take() {
            Some(next) => next,
            None => self.work().await?,
        };
        let start = match self.round.resume.take() {
            Some((tip, start)) if tip.same_search(&work) => start,
            _ => {
                (self.round.failures, self.round.fruitless) = (0, 0);
                self.start.number()
            }
        };
        Ok((kind, work, start))
    }

    /// Searches from `start` on, after the effort `so_far`. Returns also what effort that makes in
    /// all.
    async fn search(
        &mut self,
        kind: Kind,
        work: &Work,
        start: u64,
        so_far: Effort,
    ) -> io::Result<(Searched, Effort)> {
        let job = work.job(Target::from_zeros(self.zeros.now));
        let (index, target) = (work.index, job.target);
        let (mined, limit) = (Some(self.report.things()), self.workers.tries_per_second());
        let progress = |tries| {
            let elapsed = so_far.began.elapsed();
            Progress { index, target, tries: so_far.tries + tries, elapsed, mined, limit }
        };
        let mut hunt = self.report.count(self.workers.search(job, start));
        let (server, silence) = (self.server.clone(), Cell::new(None::<Instant>));
        let moved = moved(&server, kind, work, &silence);
        tokio::pin!(moved);
        let mut is_told = false;
        let searched = loop {
            tokio::select! {
                biased;
                outcome = hunt.searching.outcome() => break match outcome {
                    Outcome::Found { proof, .. } => Searched::Found(proof),
                    Outcome::Cancelled | Outcome::Exhausted => Searched::Exhausted,
                },
                moved = &mut moved => break match moved {
                    Ok(work) => Searched::Moved(work),
                    Err(trouble) => Searched::Stopped(trouble),
                },
                () = tokio::time::sleep(REFRESH) => {
                    self.report.tell_if_due()?;
                    match silence.get() {
                        Some(since) if !is_told && since.elapsed() >= SILENCE => {
                            is_told = true;
                            self.report.note(&format!(
                                "no answer from {}: the search goes on, and the proof is handed in when \
                                 the server answers",
                                server.name()
                            ));
                        }
                        None if is_told => {
                            is_told = false;
                            self.introduce(kind, work, true).await;
                        }
                        _ => {}
                    }
                    self.report.show(progress(hunt.searching.tries()));
                }
            }
        };
        if is_told && silence.get().is_none() {
            self.introduce(kind, work, true).await;
        }
        let tries = hunt.searching.tries();
        self.report.show(progress(tries));
        Ok((searched, Effort { tries: so_far.tries + tries, ..so_far }))
    }

    /// Hands a proof in, and tells what became of it.
    async fn hand_in(&mut self, kind: Kind, work: Work, proof: u64) -> Result<(), Ended> {
        match self.server.submit(kind, &work, proof).await {
            Ok(ProofAnswer::Forged(forged)) => match self.stands(kind, &forged).await? {
                BlockState::There => self.count(proof, forged.index.or(work.index)),
                BlockState::Gone => {
                    self.report.lost_again();
                    let why = format!(
                        "{} says that it made a block with proof {proof}, but its chain does not have \
                         that block, so it is not counted: another block took its place, or a proxy \
                         answered for the server",
                        self.server.name()
                    );
                    self.doubt(Doubt::Gone, &why, work, proof).await
                }
                BlockState::Unseen(what) => {
                    self.report.unproven();
                    let why = format!(
                        "{} says that it made a block with proof {proof}, but does not show that block, so \
                         it is not counted ({what})",
                        self.server.name()
                    );
                    self.doubt(Doubt::Unseen, &why, work, proof).await
                }
            },
            Ok(ProofAnswer::Unproven(what)) => {
                self.report.unproven();
                let name = self.server.name();
                let why = format!("{name}: {what}: proof {proof} is not counted as a block");
                self.doubt(Doubt::Unproven, &why, work, proof).await
            }
            Ok(ProofAnswer::Refused(says)) => self.refused(&says, work, proof).await,
            Err(trouble) => {
                self.wait_in_doubt(trouble, self.round.failures).await?;
                self.round.failures += 1;
                // The proof may have arrived. If not, it is still the next one to hand in.
                self.round.resume = Some((work, proof));
                Ok(())
            }
        }
    }

    /// Counts a block that the server's chain has.
    fn count(&mut self, proof: u64, index: Option<u64>) -> Result<(), Ended> {
        self.doubts = None;
        self.zeros.raises = 0;
        Ok(self.report.mined_one(proof, index)?)
    }

    /// The server says yes to a proof, and nothing shows its block. Goes on with the next proof after
    /// a while, but not for ever while the tip stays the same.
    async fn doubt(
        &mut self,
        doubt: Doubt,
        why: &str,
        work: Work,
        proof: u64,
    ) -> Result<(), Ended> {
        self.note_doubt(doubt, why);
        self.round.fruitless += 1;
        if self.round.fruitless >= MAX_FRUITLESS && self.work().await?.1.same_search(&work) {
            return Err(Ended::Hopeless(format!(
                "{} answered yes to {MAX_FRUITLESS} proofs in a row, but its last block did not change and it \
                 shows no block with them: no coin is counted, and more proofs would not help",
                self.server.name()
            )));
        }
        tokio::time::sleep(wait_after(self.round.failures)).await;
        self.round.failures += 1;
        self.round.resume = Some((work, proof + 1));
        Ok(())
    }

    /// The server refuses a proof: another miner was faster, it wants more zeros, or another puzzle.
    async fn refused(&mut self, says: &str, work: Work, proof: u64) -> Result<(), Ended> {
        let (kind, now) = self.work().await?;
        if !now.same_search(&work) {
            self.start_over(kind, now, &format!(", proof {proof} came too late ({says})")).await;
            return Ok(());
        }
        self.report.refused();
        if self.raise_zeros(&now, says, proof) {
            self.round.next = Some((kind, now));
        } else {
            self.bear_refusal(kind, now, says, proof).await?;
        }
        self.round.resume = Some((work, proof + 1));
        Ok(())
    }

    /// Another miner's block came: goes on with what the server wants searched now.
    async fn start_over(&mut self, kind: Kind, now: Work, how: &str) {
        self.report.lost(how);
        self.look_again(kind).await;
        self.round.next = Some((kind, now));
    }

    /// Searches for one zero more, if the miner only guesses what the server wants.
    fn raise_zeros(&mut self, work: &Work, says: &str, proof: u64) -> bool {
        let Zeros { fixed, now, raises, looks_left } = &mut self.zeros;
        let is_guess = work.target.is_none() && fixed.is_none();
        if !is_guess || *raises == MAX_RAISES || *now >= MAX_RAISED_ZEROS {
            return false;
        }
        (*now, *raises, *looks_left) = (*now + 1, *raises + 1, ENOUGH_PROOFS);
        let zeros = counted(*now, "zero");
        let note = format!("proof {proof} was refused ({says}): searching for {zeros} from now on");
        self.report.note(&note);
        true
    }

    /// Waits after a refusal that more zeros don't explain, until the tip moves or it is time for the
    /// next proof.
    ///
    /// # Errors
    /// Fails if a Python server refused so many that it will refuse all.
    async fn bear_refusal(
        &mut self,
        kind: Kind,
        work: Work,
        says: &str,
        proof: u64,
    ) -> Result<(), Ended> {
        self.round.fruitless += 1;
        // Our own node tells what it wants; what it refuses now, as when its clock is behind, it may
        // take later.
        if let Some(rules) = kind.python_puzzle()
            && self.round.fruitless >= MAX_FRUITLESS
        {
            let wants = match (work.target, self.zeros.now) {
                (Some(_), _) => "perhaps it has another puzzle".to_string(),
                (None, zeros) => format!(
                    "perhaps it has another puzzle, or wants more than {} (--zeros N searches for N)",
                    counted(zeros, "zero")
                ),
            };
            return Err(Ended::Hopeless(format!(
                "{} refused {MAX_FRUITLESS} proofs in a row for the same tip ({says}); {wants}. This miner \
                 searches for SHA-256({rules})",
                self.server.name(),
            )));
        }
        let why = format!(
            "proof {proof} was refused ({says}), although the tip is the same: trying the next proof after a \
             wait of up to {} s, or when the tip changes",
            MAX_WAIT.as_secs()
        );
        self.note_doubt(Doubt::Refusal, &why);
        let patience = wait_after(self.round.failures);
        self.round.failures += 1;
        match tokio::time::timeout(patience, moved(&self.server, kind, &work, &Cell::default()))
            .await
        {
            Ok(moved) => self.round.next = moved.ok().map(|moved| (kind, moved)),
            Err(_) => self.round.next = Some((kind, work)),
        }
        Ok(())
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
                        self.report.note(&format!("{} has work again", self.server.name()));
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
        let trouble = self.mendable(trouble)?;
        if matches!(trouble, ServerError::Away(_) | ServerError::Early { .. }) {
            return self.wait_after(trouble, failures).await;
        }
        // Another server may be the next to answer.
        self.kind = None;
        self.note_doubt(Doubt::Answer, &said_of(self.server.name(), &trouble));
        tokio::time::sleep(wait_after(failures)).await;
        Ok(())
    }

    /// Returns what is wrong if waiting may mend it.
    fn mendable(&self, trouble: ServerError) -> Result<ServerError, Ended> {
        let name = self.server.name();
        let if_elsewhere = "for a server at another address, type: blocksmith mine URL";
        Err(match trouble {
            ServerError::Refused(why) => Ended::Refused(why),
            ServerError::Redirected(to) => Ended::Hopeless(to.to_string()),
            ServerError::Misspoken(why) => Ended::Hopeless(why),
            ServerError::Hopeless(why) => Ended::Hopeless(format!(
                "{name}: {why}; asking again would not help; {if_elsewhere}"
            )),
            ServerError::Denied(why) => Ended::Hopeless(match self.server.has_headers {
                false => format!(
                    "{name}: {why}; if the server gave you a token, send it with --header, as in --header \
                     'Authorization: Token 123'"
                ),
                true => format!("{name}: {why}; check what you wrote after --header"),
            }),
            // A server that had work before may only be starting again.
            ServerError::Unfit { says, is_missing: true } if self.met.is_none() => Ended::Hopeless(
                format!("{name} is not a server for miners ({says}); {if_elsewhere}"),
            ),
            ServerError::NoHost(cause) if self.met.is_some() || self.server.is_announced() => {
                return Ok(ServerError::Away(cause));
            }
            ServerError::NoHost(cause) => Ended::NoServer(format!(
                "there is no server at {name} ({cause}); check the name of the host"
            )),
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
        self.report.pause();
        let class = |trouble: &ServerError| match trouble {
            ServerError::Away(_) => 0,
            ServerError::Early { .. } => 1,
            _ => 2,
        };
        if self.trouble.as_ref().is_some_and(|said| class(said) == class(&trouble)) {
            return;
        }
        self.report.note(&said_of(self.server.name(), &trouble));
        self.trouble = Some(trouble);
    }

    /// Says why a proof makes no block that counts: once, until one does.
    fn note_doubt(&mut self, doubt: Doubt, why: &str) {
        self.report.pause();
        if self.doubts.replace(doubt) != Some(doubt) {
            self.report.note(why);
        }
    }

    /// Says which server was met, after finding out what it wants.
    async fn introduce(&mut self, kind: Kind, work: &Work, again: bool) {
        let status = if kind == Kind::Ours { self.server.status().await } else { None };
        self.report.signed = status.as_ref().is_some_and(|status| status.signed);
        let chain = status.map(|status| status.chain_id.to_string());
        let is_another = matches!((&self.chain, &chain), (Some(old), Some(new)) if old != new);
        self.chain = chain.or(self.chain.take());
        let wants = match (work.target, self.zeros.fixed) {
            (Some(_), Some(_)) => "it sets the difficulty itself, so --zeros has no effect".into(),
            (Some(_), None) => "it sets the difficulty itself".into(),
            (None, Some(zeros)) => {
                self.zeros.now = zeros;
                format!("searching for {}, as --zeros says", counted(zeros, "zero"))
            }
            (None, None) => self.guess_zeros(kind).await,
        };
        let pause = match self.server.cooldown().as_secs_f64() {
            0.0 => String::new(),
            seconds => format!("; it wants {seconds} s between two calls"),
        };
        let (name, answers) = (self.server.name(), if again { "answers now" } else { "answers" });
        let other = match is_another {
            true => {
                "\nit runs another chain than before: what was mined until now is on the old one"
            }
            false => "",
        };
        let text = format!(
            "{name} {answers}: {kind}; {wants}{pause}{other}\nStarting search for new proof"
        );
        self.report.note(&text);
    }

    /// Guesses how many zeros a Python server wants, and returns the guess with its reason.
    async fn guess_zeros(&mut self, kind: Kind) -> String {
        let chain = self.server.chain().await.unwrap_or_default();
        let shown = kind.python_rules().and_then(|rules| zeros::shown(&rules, &chain));
        let preset = kind.preset_zeros().unwrap_or_default();
        let (now, proofs) = shown.map_or((preset, 0), |shown| (shown.zeros, shown.proofs));
        let looks_left = ENOUGH_PROOFS.saturating_sub(proofs);
        self.zeros = Zeros { fixed: None, now, raises: 0, looks_left };
        let now = counted(now, "zero");
        match (shown, zeros::has_blocks(&chain)) {
            (Some(_), _) => format!("searching for {now}, as the proofs in its chain show"),
            (None, true) => format!(
                "its chain shows no proof yet; searching for {now}, the usual number (--zeros sets \
                 another)"
            ),
            (None, false) => format!(
                "it shows no chain, so how many zeros it wants is a guess; searching for {now}, the \
                 usual number (--zeros sets another)"
            ),
        }
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
            self.report.note(&format!(
                "the proofs in the chain show {}: searching for the same number",
                counted(shown.zeros, "zero")
            ));
        }
    }
}

/// Waits until the server wants something else searched. The search goes on while the server is
/// busy or does not answer; `silence` is since when it does not.
///
/// # Errors
/// Fails on an answer after which no proof would be taken.
async fn moved(
    server: &Server,
    kind: Kind,
    work: &Work,
    silence: &Cell<Option<Instant>>,
) -> Result<Work, ServerError> {
    // A server that wants a pause between calls gets the proof sooner if it is asked less often.
    let pause = kind.poll_every() + server.cooldown();
    if kind != Kind::Ours {
        tokio::time::sleep(pause).await;
    }
    loop {
        let asked = Instant::now();
        let answer = server.other_work(kind, work).await;
        silence.set(match &answer {
            Err(ServerError::Away(_) | ServerError::NoHost(_)) => silence.get().or(Some(asked)),
            _ => None,
        });
        match answer {
            Ok(now) if !now.same_search(work) => return Ok(now),
            Err(
                trouble @ (ServerError::Redirected(_)
                | ServerError::Misspoken(_)
                | ServerError::Hopeless(_)
                | ServerError::Denied(_)
                | ServerError::Refused(_)
                | ServerError::Early { .. }),
            ) => return Err(trouble),
            // Our own node waited before it answered, so asking again at once hears the next change
            // at once.
            Ok(_) if asked.elapsed() > pause && kind == Kind::Ours => {}
            _ => tokio::time::sleep(pause).await,
        }
    }
}

/// The words for a fault of a server that waiting may mend.
fn said_of(name: &str, trouble: &ServerError) -> String {
    match trouble {
        ServerError::Away(cause) | ServerError::NoHost(cause) => {
            format!("no answer from {name} ({cause}); asking again until it answers")
        }
        ServerError::Early { why, .. } => format!("{name} has no work yet: {why}; waiting for it"),
        ServerError::Unable(why) => format!("{name}: {why}; asking again"),
        ServerError::Unfit { says: what, .. }
        | ServerError::Strange(what)
        | ServerError::Refused(what)
        | ServerError::Hopeless(what)
        | ServerError::Denied(what)
        | ServerError::Misspoken(what) => {
            format!("{name} does not answer like a server for miners ({what}); asking again")
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
    fn waits_grow_up_to_ten_seconds() {
        let waits = [0, 1, 2, 4, 5, u32::MAX].map(|failures| wait_after(failures).as_millis());
        assert_eq!(waits, [500, 1_000, 2_000, 8_000, 10_000, 10_000]);
    }
}
