//! A long chain that is taken in at once, held against one whose blocks come one by one.

use std::path::Path;

use blocksmith_consensus::json::Value;
use blocksmith_consensus::{Block, Invalid, Proof, Rules, Timestamp, Transaction};
use blocksmith_node::{PeerAddress, Verdict};
use blocksmith_service::chain::{Chain, Dialect};
use blocksmith_service::{Event, Handle, Options, Snapshot, Taken, replay, start};

fn rules() -> Rules {
    Rules::lecture().with_zeros(0)
}

fn open(dir: Option<&Path>) -> Handle {
    let chain = Chain { rules: rules(), dialect: Dialect::Notes };
    let options = Options { data_dir: dir.map(Path::to_path_buf), ..Options::new(chain) };
    start(options).expect("a store").0
}

fn importer() -> PeerAddress {
    "import".parse().expect("a word is an address")
}

/// Blocks on top of `parent`, some of which have payments of parties that meet again.
fn blocks(parent: &Block, count: u64, name: &str) -> Vec<Block> {
    let mut tip = parent.clone();
    let next = |number: u64| {
        let payment = |place: u64| {
            let (from, to) = (number % 7, (number * 31 + place) % 101);
            let text =
                format!(r#"{{"amount": {number}, "recipient": "{name}{to}", "sender": "{from}"}}"#);
            Transaction::of_block(Value::of_canonical(&text))
        };
        let payments: Vec<_> = (0..number % 4).map(payment).collect();
        let time = Timestamp { micros: number };
        tip = Block::compose(&tip, &Proof::from(number), time, &payments).expect("a block");
        tip.clone()
    };
    (1..=count).map(next).collect()
}

async fn take_in(handle: &Handle, blocks: &[Block], part: usize) -> Option<Taken> {
    let mut import = handle.import(importer());
    for part in blocks.chunks(part) {
        if let Some(taken) = import.push(part.to_vec()).await.expect("it runs") {
            return Some(taken);
        }
    }
    import.end().await.expect("it runs")
}

fn texts(snapshot: &Snapshot) -> Vec<String> {
    snapshot.texts(1).expect("texts").collect::<Result<_, _>>().expect("texts")
}

/// All tables say of the chain what follows from its blocks.
fn check(snapshot: &Snapshot, tip: &Block) {
    let replayed = replay(snapshot, &rules(), |_| {}).expect("the tables are as the blocks say");
    assert_eq!(replayed.tip, tip.hash());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_chain_that_is_taken_in_is_the_one_whose_blocks_come_one_by_one() {
    let dir = tempfile::tempdir().expect("a directory");
    let (taken_in, one_by_one) = (open(Some(dir.path())), open(None));
    let genesis = taken_in.standing().tip.block.clone();
    let chain = blocks(&genesis, 1_000, "alice");
    let tip = chain.last().expect("blocks");

    let taken = take_in(&taken_in, &chain, 64).await.expect("blocks were handed in");
    assert_eq!(taken, Taken { verdict: Verdict::NewTip, index: tip.index() });
    assert_eq!(taken_in.standing().tip.block, *tip, "it is durable when that is told");
    // Those that follow the node hear of the tip of a commit, and nothing of what is below it.
    let told = taken_in.feed().after(0, 2).expect("all that happened");
    assert!(matches!(&told[..], [(1, Event::Tip(told))] if told.place.hash == tip.hash()));
    for block in chain.clone() {
        let verdict = one_by_one.submit_block(block, None).await.expect("it runs");
        assert_eq!(verdict, Verdict::NewTip);
    }
    let snapshot = taken_in.snapshot().expect("a snapshot");
    assert_eq!(texts(&snapshot), texts(&one_by_one.snapshot().expect("a snapshot")));
    check(&snapshot, tip);

    // What is known already is passed over, and a longer chain takes the place of this one.
    let again = take_in(&taken_in, &chain[..500], 100).await.expect("blocks were handed in");
    assert_eq!(again.verdict, Verdict::Known);
    let longer = blocks(&chain[299], 900, "bob");
    let taken = take_in(&taken_in, &longer, 100).await.expect("blocks were handed in");
    assert_eq!(taken.verdict, Verdict::NewTip);
    let tip = longer.last().expect("blocks");
    let told = taken_in.feed().after(1, usize::MAX).expect("all that happened");
    let (Some((2, Event::Reorg(reorg))), Some((_, Event::Tip(last)))) = (told.first(), told.last())
    else {
        panic!("{told:?}")
    };
    assert_eq!((reorg.left_count, reorg.joined_count), (700, 701));
    assert_eq!(last.place.hash, tip.hash());
    check(&taken_in.snapshot().expect("a snapshot"), tip);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_block_ends_it_and_those_before_it_stay() {
    let handle = open(None);
    let genesis = handle.standing().tip.block.clone();
    let good = blocks(&genesis, 300, "alice");
    let stranger = blocks(&genesis, 301, "bob").pop().expect("blocks");
    let above = blocks(&stranger, 300, "carol");
    let all: Vec<_> = good.iter().cloned().chain([stranger]).chain(above).collect();
    let taken = take_in(&handle, &all, 50).await.expect("blocks were handed in");
    assert_eq!(taken, Taken { verdict: Verdict::Orphan, index: all[349].index() });
    assert_eq!(handle.standing().tip.block, good[299]);
    check(&handle.snapshot().expect("a snapshot"), &good[299]);

    // An index that is no successor's, in the first block of a part.
    let mut text = good[299].text().replace(r#"{"index": 301"#, r#"{"index": 900"#);
    text = text
        .replace(&good[299].parent().expect("a parent").to_string(), &good[299].hash().to_string());
    let bad = Block::of_canonical(&text).expect("a block");
    let taken = take_in(&handle, &[bad], 1).await.expect("a block was handed in");
    let invalid = Verdict::Invalid(Invalid::Index { expected: 302, found: 900 });
    assert_eq!(taken, Taken { verdict: invalid, index: 900 });
    // The node goes on, and nothing was handed in after that.
    assert_eq!(handle.import(importer()).end().await.expect("it runs"), None);
    check(&handle.snapshot().expect("a snapshot"), &good[299]);
}
