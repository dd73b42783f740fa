//! The events of a node, as values derived from the machine's effects, and their lines in the log:
//! each event once, in one line, and never more lines than a reader can follow.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::time::{Duration, Instant};

use blocksmith_consensus::json::Value;
use blocksmith_consensus::transaction::party;
use blocksmith_consensus::tree::BlockId;
use blocksmith_consensus::{Ancestry as _, Block, ChangeSet, Hash, U256};
use blocksmith_node::{Effect, Event as Told, Machine, PeerAddress, PeerChange, StoreEffect};
use tracing::Level;

use super::notices::{Notice, Notices};
use super::query::float;
use super::rate_limit::RateLimit;
use super::store::{StoreError, Writer};
use blocksmith_text::{counted, shown};

/// How often the log says how far a node has caught up with a peer.
const PROGRESS: Duration = Duration::from_secs(5);

/// The most blocks that are read to tell what a reorg undid; for a deeper one the log gives only
/// the numbers.
const MAX_READ: usize = 1_000;

/// How many recipients of void coins are named.
const MAX_NAMED: usize = 5;

/// How much of a name is shown, in characters: all of an address.
const MAX_NAME: usize = 80;

/// How many digits of a block's hash are shown.
const HASH_DIGITS: usize = 12;

/// The most events that wait to be written. A terminal that blocks delays the log alone.
const MAX_UNSAID: usize = 1_000;

/// How long writing the last events may take when the node ends.
const END_TIME: Duration = Duration::from_secs(1);

/// The source of an input.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) enum Source {
    /// This node itself, or a miner that it gave work.
    #[default]
    Here,
    /// The clock: the input had come before, and its time has come.
    Time,
    /// A caller that sent a block unasked, and the address where it says that it listens.
    Sent { by: Option<SocketAddr>, listens: Option<PeerAddress> },
    /// A peer that the node asked, and the index of the last block that it says it has.
    Asked { peer: PeerAddress, last: Option<u64> },
}

/// An event for the operator. It is durable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Event {
    /// A block joined the best chain on top of all others.
    Block { place: BlockId, miner: Option<String>, transactions: usize, from: From },
    /// More blocks than can be logged one by one, and the tip now.
    More { blocks: u64, reorgs: u64, tip: u64 },
    /// The best chain became another one.
    Reorg(Reorg),
    /// How far a node that catches up with a peer has come.
    Progress { peer: PeerAddress, index: u64, last: Option<u64> },
    /// The node has caught up with a peer: the blocks that it got, and the tip now.
    CaughtUp { peer: PeerAddress, blocks: u64, index: u64 },
    /// A peer changed.
    Peer { address: PeerAddress, became: PeerChange },
    /// A notice about something that others caused.
    Notice { about: Notice, text: String },
    /// More notices than can be logged one by one.
    MoreNotices(BTreeMap<Notice, u64>),
    /// Events were left out, since those before them could not be written.
    Unsaid { events: u64 },
}

/// The origin of a block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum From {
    Source(Source),
    /// It had come before, and waited for its parent or its time.
    Waited,
}

/// A change of the best chain that undid blocks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reorg {
    before: BlockId,
    /// The last block that both chains have, if there is one.
    fork: Option<BlockId>,
    now: BlockId,
    from: Source,
    left: usize,
    joined: usize,
    /// How much more work the chain has now.
    more_work: U256,
    /// What it undid, unless it was too deep to read.
    undone: Option<Undone>,
}

/// The contents of blocks that left the best chain.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Undone {
    /// Transactions that wait for a block again.
    waiting: usize,
    /// Transactions that neither wait nor are in the new chain.
    void: usize,
    /// The recipients whose coins are void, and how many each.
    coins: BTreeMap<String, usize>,
}

/// A peer that the node is catching up with.
#[derive(Debug)]
struct CatchingUp {
    said: Instant,
    blocks: u64,
    index: u64,
    last: Option<u64>,
}

/// Derives events from effects, and lets through as many as a reader can follow.
#[derive(Debug)]
pub(super) struct Events {
    log: Log,
    /// The events to log once they are durable.
    pending: Vec<Event>,
    of_the_chain: RateLimit<Change>,
    notices: Arc<Notices>,
    catching_up: HashMap<PeerAddress, CatchingUp>,
}

/// The kinds of changes of the chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Change {
    Block,
    Reorg,
}

/// What the log needs to know of a command besides its effects.
#[derive(Debug, Default)]
pub(super) struct Context {
    /// The source of the command.
    pub(super) source: Source,
    /// The block that came, if it came alone.
    pub(super) block: Option<Hash>,
    /// Whether more blocks follow at once.
    pub(super) more: bool,
    /// The peer whose call has ended, if one has.
    pub(super) peer: Option<PeerAddress>,
}

/// The thread that writes events to the log.
#[derive(Debug)]
struct Log {
    events: SyncSender<Event>,
    /// It closes when all is written.
    written: Receiver<()>,
    /// How many events found no room.
    unsaid: u64,
}

impl Log {
    fn start() -> Self {
        let (events, inbox) = sync_channel::<Event>(MAX_UNSAID);
        let (writing, written) = sync_channel(0);
        std::thread::Builder::new()
            .name("blocksmith-log".into())
            .spawn(move || {
                for event in inbox {
                    match event.level() {
                        Level::ERROR => tracing::error!("{event}"),
                        Level::WARN => tracing::warn!("{event}"),
                        _ => tracing::info!("{event}"),
                    }
                }
                drop(writing);
            })
            .expect("the system starts a thread");
        Self { events, written, unsaid: 0 }
    }

    fn say(&mut self, event: Event) {
        if self.unsaid > 0 {
            match self.events.try_send(Event::Unsaid { events: self.unsaid }) {
                Ok(()) => self.unsaid = 0,
                Err(_) => return self.unsaid += 1,
            }
        }
        if let Err(TrySendError::Full(_)) = self.events.try_send(event) {
            self.unsaid += 1;
        }
    }
}

impl Events {
    /// Starts the log; it writes events and `notices`.
    pub(super) fn start(notices: Arc<Notices>) -> Self {
        Self {
            log: Log::start(),
            pending: Vec::new(),
            of_the_chain: RateLimit::default(),
            notices,
            catching_up: HashMap::new(),
        }
    }

    /// Waits until all events are written, at most [`END_TIME`].
    pub(super) fn end(mut self) {
        self.say_notices();
        let Log { events, written, .. } = self.log;
        drop(events);
        // The channel closes when all is written; nothing is ever sent on it.
        let _ = written.recv_timeout(END_TIME);
    }

    /// Notes the effects of a command.
    pub(super) fn note(
        &mut self,
        context: &Context,
        effects: &[Effect],
        machine: &Machine,
        writer: &Writer,
    ) -> Result<(), StoreError> {
        if !tracing::enabled!(tracing::Level::INFO) {
            return Ok(());
        }
        let now = Instant::now();
        let mut effects = effects.iter();
        while let Some(effect) = effects.next() {
            match effect {
                Effect::Event(Told::Chain { change, tip }) if !change.disconnected.is_empty() => {
                    let more_work = tip.work.saturating_sub(change.former_work);
                    let rest = effects.as_slice();
                    self.reorg(now, (change, more_work), rest, &context.source, machine, writer)?;
                }
                Effect::Event(Told::Chain { change, .. }) => {
                    for place in &change.connected {
                        self.block(now, *place, context, machine, writer)?;
                    }
                }
                Effect::Event(Told::Peer { address, became }) => {
                    self.peer(address.clone(), became.clone());
                }
                _ => {}
            }
        }
        if let Source::Asked { peer, .. } = &context.source
            && !context.more
        {
            self.caught_up(peer);
        }
        if let Some(peer) = &context.peer {
            self.caught_up(peer);
        }
        Ok(())
    }

    fn peer(&mut self, address: PeerAddress, became: PeerChange) {
        let notice = match &became {
            PeerChange::Added => Notice::Added,
            PeerChange::Forgotten => Notice::Forgotten,
            PeerChange::Answers { again: false, .. } => Notice::Answering,
            PeerChange::Answers { again: true, .. } => Notice::Back,
            // The task that called the peer logs the reason.
            PeerChange::Fails { .. } => return,
        };
        if self.notices.may_say(notice) {
            self.pending.push(Event::Peer { address, became });
        }
    }

    fn block(
        &mut self,
        now: Instant,
        place: BlockId,
        Context { source, block: came, more, .. }: &Context,
        machine: &Machine,
        writer: &Writer,
    ) -> Result<(), StoreError> {
        if let Source::Asked { peer, last } = source
            && (*more || self.catching_up.contains_key(peer))
        {
            let begun = CatchingUp { said: now, blocks: 0, index: 0, last: *last };
            let catching_up = self.catching_up.entry(peer.clone()).or_insert(begun);
            catching_up.blocks += 1;
            catching_up.index = place.index;
            if now - catching_up.said >= PROGRESS {
                catching_up.said = now;
                let (peer, last) = (peer.clone(), catching_up.last);
                self.pending.push(Event::Progress { peer, index: place.index, last });
            }
            return Ok(());
        }
        if !self.of_the_chain.may_say(now, Change::Block) {
            return Ok(());
        }
        let tip = &machine.tip().block;
        let block = match tip.hash() == place.hash {
            true => Some(tip.clone()),
            false => writer.at(place.index)?.map(|linked| linked.block),
        };
        let mint = machine.rules().mint();
        let waited = came.is_some_and(|hash| hash != place.hash);
        self.pending.push(Event::Block {
            place,
            miner: block.as_ref().and_then(|block| miner_shown(block, &mint)),
            transactions: block.map_or(0, |block| block.view().transactions().count()),
            from: if waited { From::Waited } else { From::Source(source.clone()) },
        });
        Ok(())
    }

    fn reorg(
        &mut self,
        now: Instant,
        (change, more_work): (&ChangeSet, U256),
        rest: &[Effect],
        source: &Source,
        machine: &Machine,
        writer: &Writer,
    ) -> Result<(), StoreError> {
        let (Some(before), Some(tip)) = (change.disconnected.first(), change.connected.last())
        else {
            return Ok(());
        };
        if !self.of_the_chain.may_say(now, Change::Reorg) {
            return Ok(());
        }
        let (left, joined) = (change.disconnected.len(), change.connected.len());
        let undone = match left + joined <= MAX_READ {
            true => Some(Undone::find(change, rest, machine, writer)?),
            false => None,
        };
        self.pending.push(Event::Reorg(Reorg {
            before: *before,
            fork: change.fork,
            now: *tip,
            from: source.clone(),
            left,
            joined,
            more_work,
            undone,
        }));
        Ok(())
    }

    fn caught_up(&mut self, peer: &PeerAddress) {
        if let Some(CatchingUp { blocks, index, .. }) = self.catching_up.remove(peer) {
            self.pending.push(Event::CaughtUp { peer: peer.clone(), blocks, index });
        }
    }

    /// Logs the noted events, which are durable now.
    pub(super) fn say(&mut self, tip: u64) {
        for event in self.pending.drain(..) {
            self.log.say(event);
        }
        let now = Instant::now();
        if let Some(left_out) = self.of_the_chain.left_out(now) {
            let times = |change| left_out.get(&change).copied().unwrap_or_default();
            let (blocks, reorgs) = (times(Change::Block), times(Change::Reorg));
            self.log.say(Event::More { blocks, reorgs, tip });
        }
        self.say_notices();
    }

    fn say_notices(&mut self) {
        for told in self.notices.take() {
            self.log.say(match told {
                Ok((about, text)) => Event::Notice { about, text },
                Err(left_out) => Event::MoreNotices(left_out),
            });
        }
    }
}

impl Event {
    fn level(&self) -> Level {
        match self {
            Self::Notice { about, .. } => about.level(),
            Self::MoreNotices(times) => {
                // The most severe of them.
                times.keys().map(|about| about.level()).min().unwrap_or(Level::INFO)
            }
            _ => Level::INFO,
        }
    }
}

/// The recipient of a coin, if this transaction is one.
pub(super) fn recipient(transaction: Value<'_>, mint: &str) -> Option<String> {
    is_coin(transaction, mint)
        .then(|| transaction.get("recipient"))?
        .map(|name| party(name).into_owned())
}

/// The recipient of a block's coin, as it may stand in a line.
fn miner_shown(block: &Block, mint: &str) -> Option<String> {
    let last = block.view().transactions().last()?;
    recipient(last, mint).map(|name| shown(&name, MAX_NAME))
}

fn is_coin(transaction: Value<'_>, mint: &str) -> bool {
    transaction.get("sender").is_some_and(|sender| party(sender) == mint)
}

impl Undone {
    /// Finds out what a change undid; `rest` are the effects after it.
    fn find(
        change: &ChangeSet,
        rest: &[Effect],
        machine: &Machine,
        writer: &Writer,
    ) -> Result<Self, StoreError> {
        let mint = machine.rules().mint();
        let mut undone = Self::default();
        // How often each transaction stood in the blocks that left.
        let mut left: HashMap<Hash, usize> = HashMap::new();
        for linked in change.left(writer) {
            let block = linked?.block;
            if let Some(miner) = miner_shown(&block, &mint) {
                *undone.coins.entry(miner).or_default() += 1;
            }
            for transaction in payments(&block, &mint) {
                *left.entry(Hash::of(transaction.text())).or_default() += 1;
            }
        }
        let mut take = |text: &str| match left.get_mut(&Hash::of(text)) {
            Some(times) if *times > 0 => {
                *times -= 1;
                true
            }
            _ => false,
        };
        for linked in change.joined(machine.tip(), writer) {
            for transaction in payments(&linked?.block, &mint) {
                take(transaction.text());
            }
        }
        for effect in rest {
            let waiting: usize = match effect {
                Effect::Event(Told::Chain { .. }) => break,
                Effect::Store(StoreEffect::Queue(change)) => {
                    change.added.iter().filter(|(_, added)| take(added.text())).count()
                }
                Effect::Store(StoreEffect::Mempool(change)) => {
                    change.added.iter().filter(|added| take(added.payment.text())).count()
                }
                _ => 0,
            };
            undone.waiting += waiting;
        }
        undone.void = left.values().sum();
        Ok(undone)
    }
}

/// A block's transactions without the coin.
fn payments<'a>(block: &'a Block, mint: &str) -> Vec<Value<'a>> {
    let mut all: Vec<_> = block.view().transactions().collect();
    if all.last().is_some_and(|last| is_coin(*last, mint)) {
        all.pop();
    }
    all
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Block { place, miner, transactions, from } => {
                write!(f, "block {}", Named(place))?;
                if let Some(miner) = miner {
                    write!(f, " by {miner}")?;
                }
                write!(f, ": {}, {from}", counted(*transactions, "transaction"))
            }
            Self::More { blocks, reorgs, tip } => {
                write!(f, "… and {} more", counted(*blocks, "block"))?;
                if *reorgs > 0 {
                    write!(f, ", {}", counted(*reorgs, "reorg"))?;
                }
                write!(f, ", now at block {tip}")
            }
            Self::Notice { text, .. } => f.write_str(text),
            Self::MoreNotices(times) => {
                let times: Vec<_> =
                    times.iter().map(|(about, times)| about.times(*times)).collect();
                write!(f, "… and more like these: {}", times.join(", "))
            }
            Self::Reorg(reorg) => reorg.fmt(f),
            Self::Unsaid { events } => write!(
                f,
                "{} more could not be written, because the log was not read fast enough",
                counted(*events, "event")
            ),
            Self::Progress { peer, index, last: Some(last) } => {
                write!(f, "catching up with {peer}: block {index} of {last}")
            }
            Self::Progress { peer, index, last: None } => {
                write!(f, "catching up with {peer}: block {index}")
            }
            Self::CaughtUp { peer, blocks, index } => {
                write!(f, "{} from {peer}, now at block {index}", counted(*blocks, "block"))
            }
            Self::Peer { address, became } => match became {
                PeerChange::Added => write!(f, "peer {address} is added"),
                PeerChange::Forgotten => write!(f, "peer {address} is forgotten"),
                PeerChange::Answers { index, again } => {
                    let answers = if *again { "is back" } else { "answers" };
                    write!(f, "peer {address} {answers}; its chain ends with block {index}")
                }
                PeerChange::Fails { why } => write!(f, "peer {address} fails: {why}"),
            },
        }
    }
}

impl fmt::Display for From {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Source(source) => source.fmt(f),
            Self::Waited => f.write_str("which came before and waited for its parent"),
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Here => f.write_str("mined here"),
            Self::Time => f.write_str("which came before and waited for its time"),
            Self::Sent { by: Some(by), listens: Some(listens) } => {
                write!(f, "from {by}, which says that it listens at {listens}")
            }
            Self::Sent { by: Some(by), listens: None } => write!(f, "from {by}"),
            Self::Sent { by: None, listens: Some(listens) } => write!(f, "from {listens}"),
            Self::Sent { by: None, listens: None } => f.write_str("from outside"),
            Self::Asked { peer, .. } => write!(f, "from {peer}"),
        }
    }
}

impl fmt::Display for Reorg {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { before, fork, now, from, left, joined, more_work, undone } = self;
        let left = counted(*left, "block");
        write!(f, "reorg from block {} to block {}, {from}: {left}", Named(before), Named(now))?;
        match fork {
            Some(fork) => write!(f, " above block {}", Named(fork))?,
            None => f.write_str(", the first one too,")?,
        }
        let tries = work_shown(*more_work);
        write!(f, " left the chain, {joined} joined it, with {tries} tries more work")?;
        let Some(Undone { waiting, void, coins }) = undone else { return Ok(()) };
        write!(f, "; {}", counted(*waiting, "transaction"))?;
        f.write_str(if *waiting == 1 { " waits again" } else { " wait again" })?;
        let mut nothing = true;
        if *void > 0 {
            write!(f, "; lost: {}", counted(*void, "transaction"))?;
            nothing = false;
        }
        for (at, (miner, times)) in coins.iter().enumerate() {
            if at == MAX_NAMED {
                write!(f, " and {}", counted(coins.len() - at, "other"))?;
                break;
            }
            f.write_str(match (at, nothing) {
                (0, true) => "; lost: the coins of ",
                (0, false) => " and the coins of ",
                _ => ", ",
            })?;
            write!(f, "{miner} ({})", counted(*times, "block"))?;
        }
        Ok(())
    }
}

/// The work of blocks, the expected number of tries, for people.
pub fn work_shown(work: U256) -> String {
    const EXACT: u64 = 1_000_000_000_000;
    if work < U256::from(EXACT) { work.to_string() } else { format!("{:.2e}", float(work)) }
}

/// A block's index and the start of its hash.
struct Named<'a>(&'a BlockId);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hash = self.0.hash.to_string();
        write!(f, "{} {}…", self.0.index, hash.get(..HASH_DIGITS).unwrap_or(&hash))
    }
}
