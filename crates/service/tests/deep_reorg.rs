//! A long chain of big blocks that gives way to another, and comes back: the memory that it takes
//! is that of a few blocks, however deep the reorg is. It has a program of its own, whose memory is
//! measured.
//!
//! `BLOCKSMITH_DEEP_BLOCKS` says how many blocks leave, `BLOCKSMITH_DEEP_BYTES` how long each is:
//! 10,000 of 1,000,000 bytes need 21 GB of disk, at `TMPDIR`.

use std::path::Path;
use std::time::Instant;

use blocksmith_consensus::{
    Ancestry as _, Block, Hash, Proof, Rules, Timestamp, Transaction, json,
};
use blocksmith_node::{PeerAddress, Verdict};
use blocksmith_service::chain::{Chain, Dialect};
use blocksmith_service::{Handle, Options, StoreError};
use blocksmith_testkit::process::{once, peak_bytes};
use blocksmith_testkit::random::setting;

/// The program's.
#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

const BLOCKS: u64 = 500;
const BYTES: u64 = 1_000_000;

/// The length of a payment, more or less.
const PAYMENT_BYTES: u64 = 1_000;

/// Blocks that are handed in together.
const BATCH: usize = 8;

/// What the node may take at its peak: the store's cache, the queue with what comes back, and a
/// few batches.
const MOST_BYTES: u64 = 384 << 20;

fn open(rules: &Rules, dir: &Path) -> Handle {
    let options = Options {
        data_dir: Some(dir.to_path_buf()),
        ..Options::new(Chain { rules: rules.clone(), dialect: Dialect::Notes })
    };
    let in_use = |error: &StoreError| matches!(error, StoreError::InUse { .. });
    once(|| blocksmith_service::start(options.clone()), in_use).expect("it starts").0
}

fn check_memory(after: &str, began: Instant) {
    let Some(peak) = peak_bytes(std::process::id()) else { return };
    println!("after {after}: {} MiB at the peak, {:?}", peak >> 20, began.elapsed());
    assert!(peak < MOST_BYTES, "{peak} bytes after {after}");
}

/// A branch whose blocks are made when they are asked for.
struct Branch {
    name: &'static str,
    bytes: u64,
    tip: Block,
    hashes: Vec<Hash>,
}

impl Branch {
    fn new(name: &'static str, genesis: &Block, bytes: u64) -> Self {
        Self { name, bytes, tip: genesis.clone(), hashes: vec![] }
    }

    /// Every other payment stands in both branches.
    fn on(&self, parent: &Block) -> Block {
        let payment = |place: u64| {
            let branch = if place.is_multiple_of(2) { "either" } else { self.name };
            let memo = "x".repeat(PAYMENT_BYTES as usize - 100);
            let amount = parent.index() * 1_000_000 + place;
            let text = format!(
                r#"{{"amount": {amount}, "memo": "{memo}", "recipient": "{branch}", "sender": "alice"}}"#
            );
            Transaction::of_block(json::Value::of_canonical(&text))
        };
        let payments: Vec<_> = (0..self.bytes / PAYMENT_BYTES).map(payment).collect();
        let time = Timestamp { micros: parent.index() * 1_000_000 };
        Block::compose(parent, &Proof::from(7), time, &payments).expect("a block")
    }

    fn next(&mut self) -> Block {
        self.tip = self.on(&self.tip);
        self.hashes.push(self.tip.hash());
        self.tip.clone()
    }

    async fn hand_in(&mut self, blocks: u64, handle: &Handle) -> Verdict {
        let from: PeerAddress = "localhost:1".parse().expect("an address");
        let (mut left, mut verdict) = (blocks, Verdict::Known);
        while left > 0 {
            let batch: Vec<_> = (0..left.min(BATCH as u64)).map(|_| self.next()).collect();
            left -= batch.len() as u64;
            verdict = handle.submit_branch(batch, from.clone(), left > 0).await.expect("it runs");
        }
        verdict
    }

    /// The best chain is this branch, block for block.
    fn check(&self, handle: &Handle, genesis: &Block) {
        let snapshot = handle.snapshot().expect("a snapshot");
        assert_eq!(snapshot.tip().expect("a tip").block, self.tip);
        let texts = snapshot.texts(genesis.index() + 1).expect("texts");
        let (mut parent, mut count) = (genesis.clone(), 0);
        for (text, hash) in texts.zip(&self.hashes) {
            let block = self.on(&parent);
            assert_eq!(text.expect("a text"), block.text());
            assert_eq!(block.hash(), *hash);
            assert_eq!(snapshot.index_of(hash).expect("read"), Some(block.index()));
            (parent, count) = (block, count + 1);
        }
        assert_eq!(count, self.hashes.len());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deep_reorg_of_big_blocks_takes_the_memory_of_a_few() {
    let blocks = setting("BLOCKSMITH_DEEP_BLOCKS", BLOCKS);
    let bytes = setting("BLOCKSMITH_DEEP_BYTES", BYTES);
    let began = Instant::now();
    let rules = Rules::lecture().with_zeros(0);
    let dir = tempfile::tempdir().expect("a directory");
    let mut handle = open(&rules, dir.path());
    let genesis = handle.standing().tip.block.clone();
    let (mut ours, mut theirs) =
        (Branch::new("ours", &genesis, bytes), Branch::new("theirs", &genesis, bytes));
    assert_eq!(ours.hand_in(blocks, &handle).await, Verdict::NewTip);
    check_memory("the first chain", began);
    assert_eq!(theirs.hand_in(blocks, &handle).await, Verdict::SideBranch);
    check_memory("the side branch", began);

    let reorg = Instant::now();
    assert_eq!(theirs.hand_in(1, &handle).await, Verdict::NewTip);
    println!("{blocks} blocks of {bytes} bytes left in {:?}", reorg.elapsed());
    check_memory("the reorg", began);
    theirs.check(&handle, &genesis);
    let of_ours = ours.hashes.iter().map(|hash| handle.snapshot().expect("read").index_of(hash));
    assert!(of_ours.map(|index| index.expect("read")).all(|index| index.is_none()));
    assert!(handle.standing().queued > 0, "payments of ours alone wait again");

    // What left is known in another life, and comes back.
    drop(handle);
    handle = open(&rules, dir.path());
    check_memory("a restart", began);
    assert_eq!(ours.hand_in(2, &handle).await, Verdict::NewTip);
    check_memory("the way back", began);
    ours.check(&handle, &genesis);

    let bodies = 2 * blocks * bytes;
    if blocks >= BLOCKS && bytes >= BYTES {
        assert!(2 * MOST_BYTES < bodies, "the bound says something");
    }
    let file = dir.path().join("chain.redb").metadata().expect("it is there").len();
    println!("{} MB of blocks in a file of {} MB", bodies / 1_000_000, file / 1_000_000);
}
