//! The running node with its store against a naive chain, through the handle that everybody uses:
//! blocks, proofs, transactions and peers by the hundred at once, stopped and started again.
//!
//! `BLOCKSMITH_STORE_STEPS` says how many operations, `BLOCKSMITH_MODEL_SEED` which ones; a failure
//! prints the seed.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;
use std::time::Instant;

use blocksmith_consensus::json::Value;
use blocksmith_consensus::{
    Ancestry as _, Block, Family, Genesis, Hash, Open, Proof, Rules, Timestamp, Transaction,
};
use blocksmith_node::{NetworkEffect, PeerAddress, Verdict};
use blocksmith_service::chain::{Chain, Dialect};
use blocksmith_service::{Handle, Options, StoreError};
use blocksmith_testkit::process::once;
use blocksmith_testkit::random::{Random, setting};
use futures_util::future::join_all;
use tokio::sync::mpsc::UnboundedReceiver;

const STEPS: u64 = 50_000;
const SEED: u64 = 28_441;

/// Operations that are under way at the same time.
const AT_ONCE: usize = 100;

/// Rounds between two starts.
const ROUNDS: usize = 15;

/// Lives of one data directory.
const LIVES: usize = 4;

fn open(rules: &Rules, dir: &Path) -> (Handle, UnboundedReceiver<NetworkEffect>) {
    let options = Options {
        data_dir: Some(dir.to_path_buf()),
        ..Options::new(Chain { rules: rules.clone(), dialect: Dialect::Notes })
    };
    let in_use = |error: &StoreError| matches!(error, StoreError::InUse { .. });
    once(|| blocksmith_service::start(options.clone()), in_use).expect("it starts")
}

fn payment(number: u64) -> Transaction {
    let text = format!(r#"{{"amount": {number}, "recipient": "bob", "sender": "alice"}}"#);
    Transaction::of_block(Value::of_canonical(&text))
}

fn coin() -> Transaction {
    Transaction::of_block(Value::of_canonical(
        r#"{"amount": 1, "recipient": "miner", "sender": "0"}"#,
    ))
}

fn texts(handle: &Handle) -> Vec<String> {
    let snapshot = handle.snapshot().expect("a snapshot");
    snapshot.texts(1).expect("texts").collect::<Result<_, _>>().expect("texts")
}

/// A block's transactions but for the coins.
fn payments(block: &Block) -> Vec<Transaction> {
    let all = block.view().transactions().map(Transaction::of_block);
    all.filter(|payment| payment.sender().as_deref() != Some("0")).collect()
}

/// All that was ever handed in, and nothing derived from it.
struct Naive {
    blocks: Vec<Block>,
    places: HashMap<Hash, usize>,
    posted: Vec<Transaction>,
    peers: BTreeSet<PeerAddress>,
}

impl Naive {
    fn new(genesis: Block) -> Self {
        let places = HashMap::from([(genesis.hash(), 0)]);
        Self { blocks: vec![genesis], places, posted: Vec::new(), peers: BTreeSet::new() }
    }

    fn add(&mut self, block: Block) {
        self.places.insert(block.hash(), self.blocks.len());
        self.blocks.push(block);
    }

    /// The chain that ends in a block, the tip first.
    fn chain<'a>(&'a self, tip: &Block) -> impl Iterator<Item = &'a Block> {
        let find = |hash: Hash| self.places.get(&hash).map(|&place| &self.blocks[place]);
        std::iter::successors(find(tip.hash()), move |block| find(block.parent()?))
    }

    /// Payments that a block on `parent` may hold: posted in an earlier round, on none of its
    /// ancestors.
    fn unpaid(&self, parent: &Block) -> Vec<Transaction> {
        let paid: HashSet<_> = self
            .chain(parent)
            .flat_map(payments)
            .map(|payment| payment.text().to_string())
            .collect();
        let latest = self.posted.len().saturating_sub(100);
        let posted = self.posted[latest..].iter();
        posted.filter(|payment| !paid.contains(payment.text())).cloned().collect()
    }
}

/// Everything that must hold between two rounds.
fn compare(handle: &Handle, naive: &Naive, at: &str) {
    let standing = handle.standing();
    let tip = &standing.tip.block;
    let longest = naive.blocks.iter().map(Block::index).max();
    assert_eq!(Some(tip.index()), longest, "{at}: the longest chain wins");

    let mut expected: Vec<&Block> = naive.chain(tip).collect();
    expected.reverse();
    let held = texts(handle);
    assert_eq!(held, expected.iter().map(|block| block.text()).collect::<Vec<_>>(), "{at}");
    let snapshot = handle.snapshot().expect("a snapshot");
    assert_eq!(snapshot.tip().expect("a tip"), standing.tip, "{at}");
    let on_chain: HashMap<_, _> = expected.iter().map(|b| (b.hash(), b.index())).collect();
    for block in &naive.blocks {
        let found = snapshot.index_of(&block.hash()).expect("read");
        assert_eq!(found, on_chain.get(&block.hash()).copied(), "{at}: {block:?}");
    }

    let paid: HashSet<_> = expected.iter().flat_map(|block| payments(block)).map(text).collect();
    let waiting = naive.posted.iter().filter(|payment| !paid.contains(payment.text())).count();
    assert_eq!(standing.queued, waiting, "{at}: what was posted and is not paid waits");
    assert_eq!(standing.peers, naive.peers.iter().cloned().collect::<Vec<_>>(), "{at}");
}

fn text(payment: Transaction) -> String {
    payment.text().to_string()
}

enum Operation {
    Block(Block),
    Branch(Vec<Block>),
    Proof,
    Transaction(Transaction),
    Peer(PeerAddress),
}

/// Performs an operation; the block that it mined, if it did.
async fn perform(handle: Handle, operation: Operation) -> Option<Block> {
    match operation {
        Operation::Block(block) => {
            let verdict = handle.submit_block(block.clone(), None).await.expect("it runs");
            assert!(!matches!(verdict, Verdict::Invalid(_) | Verdict::NoRoom), "{verdict:?}");
            if verdict == Verdict::NewTip {
                let tip = handle.snapshot().expect("a snapshot").tip().expect("a tip").block;
                assert!(tip.index() >= block.index(), "what is acknowledged is durable");
            }
            None
        }
        Operation::Branch(blocks) => {
            let from: PeerAddress = "localhost:1".parse().expect("an address");
            handle.submit_branch(blocks, from, false).await.expect("it runs");
            None
        }
        Operation::Proof => {
            let mined = handle.submit_proof(Proof::from(7), Some(r#""miner""#.into())).await;
            Some(mined.expect("it runs").expect("every proof is valid"))
        }
        Operation::Transaction(transaction) => {
            handle.queue(transaction).await.expect("it runs").expect("there is room");
            None
        }
        Operation::Peer(peer) => {
            handle.register(vec![peer]).await.expect("it runs");
            None
        }
    }
}

/// Makes up operations. What it posts counts as posted from the next round on.
struct Maker {
    random: Random,
    salt: u64,
    posted: Vec<Transaction>,
    /// How many blocks were there before this round.
    arrived: usize,
}

impl Maker {
    fn child(&mut self, parent: &Block, naive: &mut Naive) -> Block {
        self.salt += 1;
        let mut inside = naive.unpaid(parent);
        while inside.len() > 3 {
            inside.swap_remove(self.random.below(inside.len()));
        }
        inside.push(coin());
        let timestamp = Timestamp { micros: self.salt * 1_000 };
        let proof = Proof::from(self.salt);
        let block = Block::compose(parent, &proof, timestamp, &inside).expect("a block");
        naive.add(block.clone());
        block
    }

    fn operation(&mut self, naive: &mut Naive, rules: &Rules) -> Operation {
        match self.random.below(100) {
            0..30 => {
                self.salt += 1;
                let transaction = payment(self.salt);
                self.posted.push(transaction.clone());
                Operation::Transaction(transaction)
            }
            30..33 => {
                let port = 6_000 + self.random.below(200);
                let peer: PeerAddress = format!("localhost:{port}").parse().expect("an address");
                naive.peers.insert(peer.clone());
                Operation::Peer(peer)
            }
            33..36 => Operation::Proof,
            36..37 => {
                // A branch that may win, from a block that has arrived for sure.
                let near = self.arrived.min(300);
                let place = self.arrived - 1 - self.random.below(near);
                let mut parent = naive.blocks[place].clone();
                let mut blocks = Vec::new();
                for _ in 0..10 + self.random.below(30) {
                    parent = self.child(&parent, naive);
                    blocks.push(parent.clone());
                }
                Operation::Branch(blocks)
            }
            37..41 => Operation::Block(self.random.pick(&naive.blocks).clone()),
            41..43
                if matches!(
                    &rules.family,
                    Family::Open(Open { genesis: Genesis::Any { .. }, .. })
                ) =>
            {
                self.salt += 1;
                let genesis = rules.genesis_block(Timestamp { micros: self.salt * 1_000_000 });
                naive.add(genesis.clone());
                Operation::Block(genesis)
            }
            _ => {
                let near = naive.blocks.len().min(6);
                let parent = match self.random.percent(90) {
                    true => &naive.blocks[naive.blocks.len() - 1 - self.random.below(near)],
                    false => self.random.pick(&naive.blocks),
                };
                let parent = parent.clone();
                Operation::Block(self.child(&parent, naive))
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_store_is_the_naive_chain_in_every_life() {
    let steps = setting("BLOCKSMITH_STORE_STEPS", STEPS);
    let seed = setting("BLOCKSMITH_MODEL_SEED", SEED);
    let mut maker = Maker { random: Random::new(seed), salt: 0, posted: Vec::new(), arrived: 0 };
    let (mut step, mut reorgs, mut starts) = (0, 0, 0);
    let began = Instant::now();
    let mut presets = ["dvf", "course", "lecture"].iter().cycle();
    while step < steps {
        let preset = presets.next().expect("presets go round");
        let rules = Rules::preset(preset).expect("a preset").with_zeros(0);
        let dir = tempfile::tempdir().expect("a directory");
        let (mut handle, mut orders) = open(&rules, dir.path());
        let node_id = handle.node_id().to_string();
        let mut naive = Naive::new(handle.standing().tip.block.clone());
        for life in 0..LIVES {
            for _ in 0..ROUNDS {
                let at = format!("{preset}, step {step}, BLOCKSMITH_MODEL_SEED={seed}");
                let before = handle.standing().tip.block.clone();
                maker.arrived = naive.blocks.len();
                let operations: Vec<_> =
                    (0..AT_ONCE).map(|_| maker.operation(&mut naive, &rules)).collect();
                let tasks = operations
                    .into_iter()
                    .map(|operation| tokio::spawn(perform(handle.clone(), operation)));
                for mined in join_all(tasks).await {
                    mined.expect(&at).into_iter().for_each(|block| naive.add(block));
                }
                naive.posted.append(&mut maker.posted);
                step += AT_ONCE as u64;
                while orders.try_recv().is_ok() {}
                compare(&handle, &naive, &at);
                let after = handle.snapshot().expect("a snapshot");
                reorgs += u64::from(after.index_of(&before.hash()).expect("read").is_none());
            }
            let (standing, held) = (handle.standing(), texts(&handle));
            drop((handle, orders));
            (handle, orders) = open(&rules, dir.path());
            starts += 1;
            let at = format!("{preset}, life {life}, BLOCKSMITH_MODEL_SEED={seed}");
            let now = handle.standing();
            assert_eq!(now.tip, standing.tip, "{at}");
            assert_eq!((now.queued, &now.peers), (standing.queued, &standing.peers), "{at}");
            assert_eq!(texts(&handle), held, "{at}");
            assert_eq!(handle.node_id(), node_id, "{at}");
            for _ in 0..100 {
                let block = maker.random.pick(&naive.blocks).clone();
                let verdict = handle.submit_block(block.clone(), None).await.expect("it runs");
                assert_eq!(verdict, Verdict::Known, "{at}: {block:?}, whatever branch it is on");
            }
            compare(&handle, &naive, &at);
        }
    }
    println!(
        "{step} operations, {reorgs} rounds with reorgs, {starts} starts, {:?}",
        began.elapsed()
    );
    assert!(reorgs > 20 && starts >= LIVES, "{reorgs} reorgs, {starts} starts");
}
