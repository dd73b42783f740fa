//! `blocksmith dev`: a small network and a miner in one process, to watch and to experiment with.

use std::collections::{BTreeMap, HashMap};
use std::io::{self, Write as _};
use std::net::{IpAddr, Ipv4Addr};
use std::num::{NonZeroU64, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use blocksmith_consensus::json::Value;
use blocksmith_consensus::ledger::Accounts as _;
use blocksmith_consensus::payment::{Coinbase, Domain};
use blocksmith_consensus::transaction::party;
use blocksmith_consensus::{Ancestry as _, Block, ChainBlock, Family, Hash, Open, Puzzle, Rules};
use blocksmith_node::PeerAddress;
use blocksmith_wallet::dev;
use console::Term;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, sleep_until, timeout};

use super::chain::quoted;
use super::node::BrowserArgs;
use super::output::paragraph;
use super::values::{number, own_address};
use super::{Misused, counted, exit, note, stdout};
use crate::amount::Coins;
use crate::chain::dev::{Funding, KEYS_WARNING, MAX_ACCOUNTS, MAX_COINS, suffix};
use crate::chain::{Chain, describe};
use crate::config::{DEFAULT_CHAIN, DEFAULT_PORT};
use crate::daemon::{Running, here, start, stop_on_signal, until};
use crate::dev_network::{DevNetwork, Seat};
use crate::early;
use crate::faucet::GIFT;
use crate::http::{self, Manners};
use crate::mining::{NotMined, next_block, next_block_by};
use crate::operator;
use crate::searching::Workers;
use crate::service::{Handle, Options, Stopped};
use crate::text::{escaped, json, lines};

/// The most nodes: each has a thread and a port of its own.
const MAX_NODES: u16 = 32;

/// How long the miner waits for all nodes to have its block.
const PACE: Duration = Duration::from_secs(1);

/// The number of blocks after which the command says again where the nodes stand.
const STANDINGS_EVERY: u64 = 10;

/// How long the nodes may take to agree before the command says that they don't.
const AGREE_TIME: Duration = Duration::from_secs(5);

/// How often the command looks whether they agree.
const LOOK_EVERY: Duration = Duration::from_millis(20);

/// How long the nodes may take to end.
const END_TIME: Duration = Duration::from_secs(2);

/// The most blocks that are shown one by one when many come at once.
const MAX_SHOWN: u64 = 20;

/// The most shown blocks that are remembered, to tell when they leave the chain.
const MAX_REMEMBERED: usize = 10_000;

/// The recipient of the coins where any name may get them.
const MINER: &str = "dev-miner";

/// The index of the account that gets them where they go to addresses.
const MINER_INDEX: u32 = 0;

/// Run a small network with a miner, to try things out
///
/// All its nodes are in this process. With --chain forge, or a chain file with signed payments, the
/// network runs a chain of its own, forge-dev or ours.toml-dev. There, ten accounts have coins from the
/// start, their keys are public, and each node has a faucet, which gives coins to every caller. Other
/// commands know the chain under that name, as in --chain forge-dev. With other accounts or sums it is
/// another chain, with another name: forge-dev-20x500 gives 500 coins to each of 20 accounts.
#[derive(Debug, clap::Args)]
#[command(after_help = "\
Example:
  blocksmith dev --chain forge --nodes 2
      two nodes, accounts with coins, and a faucet")]
pub struct DevArgs {
    /// How many nodes to run
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = number::<u16>(1..=u64::from(MAX_NODES)))]
    nodes: u16,
    /// The port of the first node; the other nodes use the next ports. 0 takes free ports
    #[arg(long, value_name = "P", default_value_t = DEFAULT_PORT, value_parser = number::<u16>(0..=65535))]
    port: u16,
    /// The address at which the nodes listen; with another one than 127.0.0.1, other machines can use them
    #[arg(long, value_name = "ADDRESS", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST), value_parser = own_address)]
    bind: IpAddr,
    /// The chain: lecture, course, dvf, forge, bitcoin-like, or a chain file
    #[arg(long, value_name = "NAME", env = "BLOCKSMITH_CHAIN", default_value = DEFAULT_CHAIN)]
    chain: String,
    /// How many zeros the hash of a proof must start with [default: as the chain says]
    #[arg(long, value_name = "N", env = "BLOCKSMITH_ZEROS", value_parser = number::<u8>(0..=64))]
    zeros: Option<u8>,
    /// How many accounts have coins from the start, where payments are signed [default: 10]
    #[arg(long, value_name = "N", value_parser = number::<u16>(1..=u64::from(MAX_ACCOUNTS)))]
    accounts: Option<u16>,
    /// How many coins each of them has [default: 10000]
    #[arg(long, value_name = "COINS", value_parser = number::<u64>(1..=MAX_COINS))]
    balance: Option<u64>,
    /// The folder in which to keep the chains [default: they are deleted when the command ends]
    #[arg(long, value_name = "DIR")]
    data_dir: Option<PathBuf>,
    /// The file with the operator's token, which calls from other machines to /api/v1/dev need; it is made
    /// if there is no such file [default: operator.token in the data directory, if there is one]
    #[arg(long, value_name = "FILE")]
    token_file: Option<PathBuf>,
    #[command(flatten)]
    browsers: BrowserArgs,
    /// Print one JSON object at the start, with the nodes and the accounts, and nothing more
    #[arg(long)]
    json: bool,
    /// Open the page of the first node in a browser
    #[arg(long)]
    open: bool,
    /// Mine only when POST /api/v1/dev/mine or another miner asks for it
    #[arg(long)]
    no_mining: bool,
    /// The least time from one block of the network's miner to the next, in seconds
    #[arg(long, value_name = "S", default_value_t = 1, value_parser = number::<u32>(0..=86_400))]
    block_time: u32,
    /// Stop after this many blocks [default: at Ctrl-C]
    #[arg(long, value_name = "N", value_parser = number::<u64>(1..=u64::MAX))]
    blocks: Option<u64>,
}

/// Runs the command until a signal stops it, or the network has the blocks that were asked for.
///
/// # Errors
/// Fails with what keeps the network from running, and the way out.
pub async fn run(args: DevArgs) -> anyhow::Result<ExitCode> {
    http::raise_file_limit();
    let stop = stop_on_signal()?;
    let base = Chain::load(&args.chain, args.zeros)?;
    let funding = funding(&args, &base)?;
    let suffix = if base.is_dev() { String::new() } else { suffix(funding) };
    let name = format!("{}{suffix}", args.chain);
    let chain = base.for_dev_with(funding)?;
    let domain = chain.rules.domain();
    let listeners = listen(args.bind, args.port, args.nodes).await?;
    let mut addresses = Vec::new();
    for listener in &listeners {
        addresses.push(here(listener.local_addr()?).to_string().parse::<PeerAddress>()?);
    }
    let shared = DevNetwork::new(addresses, !args.no_mining);
    let token_file = token_file(&args)?;
    let (end_nodes, ended) = watch::channel(false);
    let data_dir = args.data_dir.as_deref();
    let manners = args.browsers.manners();
    let setting = Setting { chain: &chain, data_dir, token_file: token_file.as_deref(), manners };
    let nodes = setting.start(listeners, &shared, ended).await?;
    // All nodes have one clock, and soon one tip.
    let watching = tokio::spawn(early::watch(nodes[0].handle.clone()));
    let rules = chain.rules;
    let pace = Duration::from_secs(args.block_time.into());
    let mut network = Network { json: args.json, pace, ..Network::new(nodes, domain, shared) };
    let watched = async {
        if args.json {
            network.introduce_to_programs(&rules, token_file.as_deref())?;
        } else {
            network.introduce(&rules)?;
        }
        if let (Some(domain), false) = (&domain, args.json) {
            network.introduce_accounts(domain, &quoted(&name))?;
        }
        if args.open {
            open(network.page());
        }
        let code = tokio::select! {
            mined = network.mine(args.blocks) => mined.map(|()| ExitCode::SUCCESS)?,
            () = until(stop) => super::told_to_stop(args.blocks),
        };
        let agreed = network.summary().await?;
        anyhow::Ok(if agreed { code } else { ExitCode::from(exit::FAILURE) })
    };
    let outcome = watched.await;
    let outcome = outcome.map_err(|error| match error.downcast_ref() {
        _ if error.is::<Stopped>() => error.context("a node had to stop"),
        Some(NotMined::Stopped(_)) => error.context("a node had to stop"),
        _ => error,
    });
    watching.abort();
    end_nodes.send_replace(true);
    let nodes = network.nodes.into_iter().map(|node| timeout(END_TIME, node.ended()));
    futures_util::future::join_all(nodes).await;
    outcome
}

/// Opens a page in a browser, or says why there is none. A browser in a terminal keeps its thread until it
/// ends, and nothing waits for that.
fn open(page: String) {
    std::thread::spawn(move || {
        if let Err(error) = webbrowser::open(&page) {
            let why = escaped(error);
            note(format_args!("no browser could be opened: {why}; open {page} yourself"));
        }
    });
}

/// What the accounts of the network get.
fn funding(args: &DevArgs, base: &Chain) -> anyhow::Result<Funding> {
    let typed = args.accounts.is_some() || args.balance.is_some();
    let why = match (base.rules.domain(), base.funding()) {
        _ if !typed => None,
        (None, _) => Some("has no accounts: its payments are not signed; use --chain forge"),
        (_, Some(_)) => Some("says in its name what the accounts get; leave -dev out"),
        _ => None,
    };
    if let Some(why) = why {
        let chain = escaped(&args.chain);
        return Err(Misused(format!("the chain {chain} {why} with --accounts or --balance")).into());
    }
    let usual = base.funding().unwrap_or(Funding::USUAL);
    Ok(Funding {
        accounts: args.accounts.unwrap_or(usual.accounts),
        coins: args.balance.unwrap_or(usual.coins),
    })
}

/// The file with the operator's token, in a folder that is there.
fn token_file(args: &DevArgs) -> anyhow::Result<Option<PathBuf>> {
    if args.token_file.is_some() {
        return Ok(args.token_file.clone());
    }
    let Some(dir) = &args.data_dir else { return Ok(None) };
    std::fs::create_dir_all(dir)
        .with_context(|| format!("the folder {} can't be made", escaped(dir.display())))?;
    Ok(Some(dir.join(operator::FILE)))
}

/// What all nodes start with.
struct Setting<'a> {
    chain: &'a Chain,
    data_dir: Option<&'a Path>,
    token_file: Option<&'a Path>,
    manners: Manners,
}

impl Setting<'_> {
    /// Starts the nodes of a network, each on its listener.
    async fn start(
        self,
        listeners: Vec<TcpListener>,
        shared: &Arc<DevNetwork>,
        ended: watch::Receiver<bool>,
    ) -> anyhow::Result<Vec<Running>> {
        let nodes_here = NonZeroUsize::new(listeners.len()).unwrap_or(NonZeroUsize::MIN);
        let mut nodes = Vec::new();
        for (place, listener) in listeners.into_iter().enumerate() {
            let options = Options {
                data_dir: self.data_dir.map(|dir| dir.join(format!("node-{}", place + 1))),
                // Other programs may be at the addresses of an earlier run's nodes.
                keep_peers: false,
                faucet_node: nodes.first().map(|first: &Running| first.handle.clone()),
                ..Options::new(self.chain.clone())
            };
            let seat = Some(Seat { network: shared.clone(), place });
            let manners = Manners { nodes: nodes_here, seat, ..self.manners.clone() };
            let (token, others) = (self.token_file, shared.others(place));
            nodes.push(start(options, token, listener, others, manners, ended.clone()).await?);
        }
        shared.runs(nodes.iter().map(|node| node.handle.clone()).collect());
        Ok(nodes)
    }
}

/// A line on stdout.
fn say(text: &str) -> io::Result<()> {
    writeln!(stdout(), "{}", lines(text))
}

async fn listen(bind: IpAddr, first: u16, nodes: u16) -> anyhow::Result<Vec<TcpListener>> {
    let mut listeners = Vec::new();
    for at in 0..nodes {
        let port = match first {
            0 => 0,
            first => first.checked_add(at).with_context(|| {
                format!("{nodes} nodes from port {first} on need ports above 65535; choose a lower --port")
            })?,
        };
        listeners.push(TcpListener::bind((bind, port)).await.with_context(|| {
            let at = if bind.is_loopback() { String::new() } else { format!(" of {bind}") };
            format!("can't listen on port {port}{at}; choose others with --port, or any free ones with --port 0")
        })?);
    }
    Ok(listeners)
}

/// The recipient of the coins.
fn miner(domain: Option<&Domain>) -> String {
    match domain {
        None => MINER.into(),
        Some(domain) => dev_address(MINER_INDEX, domain),
    }
}

/// The address of one of the accounts whose keys are public.
fn dev_address(index: u32, domain: &Domain) -> String {
    let address = dev::addresses().nth(index as usize).expect("there are ten");
    address.to_text(domain.hrp)
}

/// What the rules do not protect, as a warning.
fn warning(rules: &Rules) -> &'static str {
    match &rules.family {
        Family::Sealed(_) => {
            "The work depends on everything in a block. This network is one process on one machine: it \
             is for trying things out, and its coins are worth nothing."
        }
        Family::Open(Open { puzzle: Puzzle::LastProof, .. }) => {
            "These rules are for learning and protect nothing: a proof depends on the last proof \
             alone, so that all later ones can be computed today and old payments rewritten for \
             free; and payments are not signed."
        }
        Family::Open(Open { puzzle: Puzzle::LastBlock | Puzzle::LastProofAndHash, .. }) => {
            "These rules are for learning and protect little: a proof seals the blocks before its \
             own, so that the payments of the last block can be rewritten for free; and payments \
             are not signed."
        }
    }
}

/// The network for programs; amounts are in units.
#[derive(Debug, Serialize)]
struct Introduction<'a> {
    nodes: Vec<NodeIntroduction>,
    chain: &'a str,
    chain_id: String,
    /// The words of the accounts; `null` where payments are not signed.
    phrase: Option<&'static str>,
    accounts: Vec<AccountIntroduction>,
    token_file: Option<String>,
    mining: bool,
    block_time_s: u64,
}

#[derive(Debug, Serialize)]
struct NodeIntroduction {
    node: usize,
    url: String,
}

#[derive(Debug, Serialize)]
struct AccountIntroduction {
    index: u32,
    address: String,
    path: String,
    balance: u64,
}

struct Network {
    nodes: Vec<Running>,
    shared: Arc<DevNetwork>,
    /// Whether a program reads what is printed.
    json: bool,
    /// The least time from one block of the miner to the next.
    pace: Duration,
    /// The recipient of the coins.
    miner: String,
    /// The node on which each block was mined.
    mined_on: HashMap<Hash, usize>,
    /// The node on which the next block is mined.
    turn: usize,
    /// The index of the tip at the start.
    first: u64,
    /// The index of the last block that was shown.
    shown: u64,
    /// The index from which on the command says again where the nodes stand.
    standings_at: u64,
    /// Set where payments are signed.
    domain: Option<Domain>,
    /// The sum of the miner's coins: in units where payments are signed, else their number.
    earned: u64,
    /// The blocks that were shown, by their index: the hash of each, and what the miner got for it.
    blocks: BTreeMap<u64, (Hash, u64)>,
}

/// The next round number of blocks.
fn next_standings(index: u64) -> u64 {
    (index / STANDINGS_EVERY + 1) * STANDINGS_EVERY
}

impl Network {
    fn new(nodes: Vec<Running>, domain: Option<Domain>, shared: Arc<DevNetwork>) -> Self {
        let first = nodes.iter().map(|node| node.handle.standing().tip.block.index()).max();
        let first = first.unwrap_or_default();
        Self {
            nodes,
            shared,
            json: false,
            pace: PACE,
            miner: miner(domain.as_ref()),
            mined_on: HashMap::new(),
            turn: 0,
            first,
            shown: first,
            standings_at: next_standings(first),
            domain,
            earned: 0,
            blocks: BTreeMap::new(),
        }
    }

    /// A line on stdout for people.
    fn say(&self, text: &str) -> io::Result<()> {
        if self.json { Ok(()) } else { say(text) }
    }

    /// Says in one JSON object what there is.
    fn introduce_to_programs(
        &self,
        rules: &Rules,
        token_file: Option<&Path>,
    ) -> anyhow::Result<()> {
        let accounts = self.nodes[0].handle.snapshot()?;
        let funding = self.funding();
        let account = |(index, address, domain): (u32, _, &Domain)| {
            let balance = accounts.account(&address)?.balance;
            let (address, path) = (address.to_text(domain.hrp), format!("m/86'/1'/0'/0/{index}"));
            anyhow::Ok(AccountIntroduction { index, address, path, balance })
        };
        let all = self.domain.as_ref().into_iter();
        let all =
            all.flat_map(|domain| (0..).zip(funding.addresses()).map(move |(i, a)| (i, a, domain)));
        let nodes = (1..).zip(&self.nodes);
        let introduction = Introduction {
            nodes: nodes
                .map(|(node, at)| NodeIntroduction {
                    node,
                    url: format!("http://{}", here(at.address)),
                })
                .collect(),
            chain: &rules.name,
            chain_id: rules.chain_id().to_string(),
            phrase: self.domain.is_some().then_some(dev::PHRASE),
            accounts: all.map(account).collect::<Result<_, _>>()?,
            token_file: token_file.map(|file| file.display().to_string()),
            mining: self.shared.miners().borrow().iter().any(|miner| miner.on),
            block_time_s: self.pace.as_secs(),
        };
        Ok(say(&json(&serde_json::to_string(&introduction)?))?)
    }

    /// Where people watch the network.
    fn page(&self) -> String {
        format!("http://{}", here(self.nodes[0].address))
    }

    fn introduce(&self, rules: &Rules) -> io::Result<()> {
        say(&format!("page    {}", self.page()))?;
        for (number, node) in (1..).zip(&self.nodes) {
            say(&format!("node {number}  http://{}", node.address))?;
        }
        let mining = match self.shared.miners().borrow().iter().any(|miner| miner.on) {
            true => "A miner mines on each node in turn.",
            false => "The miners are off until POST /api/v1/dev/miners starts them.",
        };
        say(&format!(
            "The rules are {}. {mining} Press Ctrl-C to stop.",
            escaped(describe(rules))
        ))?;
        say(&format!("{}\n", paragraph(warning(rules), &Term::stdout())))
    }

    fn funding(&self) -> Funding {
        self.nodes[0].handle.chain().funding().unwrap_or(Funding::USUAL)
    }

    /// Says which accounts have coins, and what to do with them.
    fn introduce_accounts(&self, domain: &Domain, chain: &str) -> anyhow::Result<()> {
        let Running { handle, address: node, .. } = &self.nodes[0];
        let accounts = handle.snapshot()?;
        say(&paragraph(KEYS_WARNING, &Term::stdout()))?;
        let funding = self.funding();
        let is_giver = |index| funding.givers().any(|(giver, _)| giver == index);
        for (index, address) in (0..).zip(funding.addresses()) {
            let coins = Coins::from_units(accounts.account(&address)?.balance);
            let role = match index {
                MINER_INDEX => ", and the miner's coins go here",
                index if is_giver(index) => ", from which the faucets pay",
                _ => "",
            };
            say(&format!("  {index}  {}  {coins} coins{role}", address.to_text(domain.hrp)))?;
        }
        let last = funding.accounts - 1;
        say(&format!("Phrase \"{}\",\npaths m/86'/1'/0'/0/0 to …/{last}.\n", dev::PHRASE))?;
        let gift = Coins::from_units(GIFT);
        say(&format!(
            "{gift} coins  curl -H 'Content-Type: application/json' -d '{{\"recipient\": \"ADDRESS\"}}' http://{node}/api/v1/faucet\n\
             Mine      blocksmith mine http://{node} --to ADDRESS\n\
             Wallet    blocksmith wallet restore --wallet dev.json --node http://{node}\n\
             Pay       blocksmith wallet send ADDRESS AMOUNT --wallet dev.json --node http://{node}\n\
             Check     blocksmith chain verify http://{node} --chain {chain}\n\
             Join      blocksmith node 0 --chain {chain} --peer http://{node}\n"
        ))?;
        Ok(())
    }

    /// Mines, and shows the chain of the first node as it grows, until it has grown by `wanted`
    /// blocks.
    async fn mine(&mut self, wanted: Option<u64>) -> anyhow::Result<()> {
        let mut standing = self.nodes[0].handle.watch();
        let mut miners = self.shared.miners();
        let mut earliest = Instant::now();
        let mut own_speed = JoinSet::new();
        loop {
            own_speed.abort_all();
            let turn = self.share_out(&mut miners, &mut own_speed);
            let miner = self.miner.clone();
            let handle = turn.map(|turn| self.nodes[turn].handle.clone());
            let mining = async move {
                let Some(handle) = handle else { return std::future::pending().await };
                sleep_until(earliest).await;
                next_block(&handle, Some(&miner), NonZeroUsize::MIN).await
            };
            tokio::pin!(mining);
            let block = loop {
                tokio::select! {
                    biased;
                    block = &mut mining => break Some(block?),
                    // Its sender is `self.shared`.
                    _ = miners.changed() => break None,
                    changed = standing.changed() => {
                        changed.map_err(|_| self.nodes[0].handle.stopped_why())?;
                        self.show_news().await?;
                        if self.reached(wanted) {
                            return Ok(());
                        }
                    }
                }
            };
            let Some(block) = block else { continue };
            earliest = Instant::now() + self.pace;
            self.mined_on.insert(block.hash(), self.turn);
            // The block is on its way to the first node, and the next one goes on top of it.
            self.wait_for_agreement(PACE).await;
            self.show_news().await?;
            self.mined_on.remove(&block.hash());
            if self.reached(wanted) {
                return Ok(());
            }
            self.turn = (self.turn + 1) % self.nodes.len();
        }
    }

    /// Has each miner with a speed of its own search on its node, and returns the node on which the
    /// one that takes turns mines next, if there is one.
    fn share_out(
        &mut self,
        miners: &mut watch::Receiver<Vec<crate::dev_network::Miner>>,
        own_speed: &mut JoinSet<()>,
    ) -> Option<usize> {
        let miners = miners.borrow_and_update().clone();
        for (miner, node) in miners.iter().zip(&self.nodes) {
            if let (true, Some(speed)) = (miner.on, miner.tries_per_second) {
                own_speed.spawn(search_at(speed, node.handle.clone(), self.miner.clone()));
            }
        }
        let takes_turns = |at: &usize| miners[*at].on && miners[*at].tries_per_second.is_none();
        let nodes = miners.len();
        let turn = (self.turn..self.turn + nodes).map(|at| at % nodes).find(takes_turns);
        self.turn = turn.unwrap_or(self.turn);
        turn
    }

    fn reached(&self, wanted: Option<u64>) -> bool {
        wanted.is_some_and(|wanted| self.shown.saturating_sub(self.first) >= wanted)
    }

    /// Shows new blocks and, if it is time, where the nodes stand.
    async fn show_news(&mut self) -> anyhow::Result<()> {
        self.show_blocks()?;
        if self.shown >= self.standings_at {
            self.wait_for_agreement(AGREE_TIME).await;
            self.show_blocks()?;
            self.standings_at = next_standings(self.shown);
            self.show_standings()?;
        }
        Ok(())
    }

    /// Shows the blocks that are new on the first node.
    fn show_blocks(&mut self) -> anyhow::Result<()> {
        let snapshot = self.nodes[0].handle.snapshot()?;
        let tip = snapshot.tip()?.block.index();
        let mut left = 0;
        while let Some((&index, &(hash, earned))) = self.blocks.last_key_value() {
            if snapshot.index_of(&hash)? == Some(index) {
                break;
            }
            self.blocks.remove(&index);
            self.earned = self.earned.saturating_sub(earned);
            (self.shown, left) = (index - 1, left + 1);
        }
        if left > 0 {
            let what = format!(
                "--- {} left the chain of node 1, which goes on from block {}",
                counted(left, "block"),
                self.shown
            );
            self.say(&what)?;
        }
        if tip.saturating_sub(self.shown) > MAX_SHOWN {
            self.say(&format!("… {} blocks from other miners", tip - self.shown - MAX_SHOWN))?;
            self.shown = tip - MAX_SHOWN;
        }
        while let Some(ChainBlock { block, .. }) = snapshot.at(self.shown + 1)? {
            self.shown += 1;
            let earned = self.earned_by(&block);
            self.blocks.insert(block.index(), (block.hash(), earned.unwrap_or(0)));
            if self.blocks.len() > MAX_REMEMBERED {
                self.blocks.pop_first();
            }
            let what = if let Some(earned) = earned {
                self.earned = self.earned.saturating_add(earned);
                let on = match self.mined_on.get(&block.hash()) {
                    None if self.shared.is_meddled() => "here".into(),
                    on => format!("on node {}", on.copied().unwrap_or(self.turn) + 1),
                };
                format!("mined {on}   coins {}", self.coins())
            } else {
                "from another miner".into()
            };
            self.say(&format!(
                "block {:<5} proof {:<12} hash {}  {what}",
                block.index(),
                block.view().proof_json(),
                short(&block.hash()),
            ))?;
        }
        Ok(())
    }

    /// What a block paid to this process's miner, if that miner made it.
    fn earned_by(&self, block: &Block) -> Option<u64> {
        let coin: Value<'_> = block.view().transactions().last()?;
        if party(coin.get("recipient")?) != self.miner {
            return None;
        }
        match &self.domain {
            None => Some(1),
            Some(domain) => Some(Coinbase::of_canonical(coin, domain.hrp).ok()?.amount),
        }
    }

    fn coins(&self) -> String {
        match self.domain {
            None => self.earned.to_string(),
            Some(_) => Coins::from_units(self.earned).to_string(),
        }
    }

    fn tips(&self) -> Vec<(u64, Hash)> {
        let tip = |node: &Running| {
            let standing = node.handle.standing();
            (standing.tip.block.index(), standing.tip.block.hash())
        };
        self.nodes.iter().map(tip).collect()
    }

    /// Waits until all nodes have the same tip, but not longer than `at_most`. Returns whether they
    /// do.
    async fn wait_for_agreement(&self, at_most: Duration) -> bool {
        // Nodes that do not reach each other need not agree.
        if self.shared.is_cut() {
            return true;
        }
        let agreed = || self.tips().windows(2).all(|pair| pair[0] == pair[1]);
        let waited = timeout(at_most, async {
            while !agreed() {
                sleep(LOOK_EVERY).await;
            }
        });
        waited.await.is_ok()
    }

    /// One line if the nodes agree, one for each node if not.
    fn show_standings(&self) -> io::Result<()> {
        let tips = self.tips();
        let (index, hash) = tips[0];
        let hash = short(&hash);
        if tips.iter().all(|tip| *tip == tips[0]) {
            return self.say(&match tips.len() {
                1 => format!("--- the node is at block {index}, {hash}"),
                count => format!("--- all {count} nodes are at block {index}, {hash}"),
            });
        }
        self.say("--- the nodes do not agree:")?;
        for (number, (index, hash)) in (1..).zip(&tips) {
            self.say(&format!("    node {number} is at block {index}, {}", short(hash)))?;
        }
        Ok(())
    }

    /// Says how the run ended. Returns whether the nodes agree.
    async fn summary(&mut self) -> anyhow::Result<bool> {
        let agreed = self.wait_for_agreement(AGREE_TIME).await;
        self.show_blocks()?;
        let blocks = (self.shown - self.first).to_string();
        self.say(&format!(
            "\n{} more, {} mined here",
            counted(&blocks, "block"),
            counted(self.coins(), "coin")
        ))?;
        self.show_standings()?;
        Ok(agreed)
    }
}

/// Mines on a node, at this speed, until it is dropped.
async fn search_at(tries_per_second: NonZeroU64, node: Handle, recipient: String) {
    let workers = Workers::new(NonZeroUsize::MIN).last_of_all().paced(tries_per_second);
    while next_block_by(&node, Some(&recipient), &workers).await.is_ok() {}
}

fn short(hash: &Hash) -> String {
    let mut text = hash.to_string();
    text.truncate(12);
    text.push('…');
    text
}
