//! What the running node promises: durable before acknowledged, one commit for many, reads that wait
//! for nobody, one node a directory, one chain a directory.

use std::path::Path;
use std::time::{Duration, Instant};

use blocksmith_consensus::json::Value;
use blocksmith_consensus::{
    Ancestry as _, Block, Genesis, Open, Proof, Rules, Timestamp, Transaction, U256,
};
use blocksmith_node::{NetworkEffect, PeerAddress, Verdict};
use blocksmith_service::chain::{Chain, Dialect};
use blocksmith_service::{Handle, Options, Stopped, StoreError};
use blocksmith_testkit::process::once;
use futures_util::future::join_all;
use tokio::sync::mpsc::UnboundedReceiver;

type Started = Result<(Handle, UnboundedReceiver<NetworkEffect>), StoreError>;

fn start(rules: Rules, dir: Option<&Path>) -> Started {
    blocksmith_service::start(Options {
        data_dir: dir.map(Path::to_path_buf),
        ..Options::new(Chain { rules, dialect: Dialect::Notes })
    })
}

/// A node on a directory that another one may be about to leave.
fn reopened(rules: Rules, dir: &Path) -> Started {
    let in_use = |error: &StoreError| matches!(error, StoreError::InUse { .. });
    once(|| start(rules.clone(), Some(dir)), in_use)
}

fn refused(started: Started) -> StoreError {
    match started {
        Ok(_) => panic!("it started"),
        Err(error) => error,
    }
}

fn easy() -> Rules {
    Rules::lecture().with_zeros(0)
}

fn payment(number: usize) -> Transaction {
    let text = format!(r#"{{"amount": {number}, "recipient": "bob", "sender": "alice"}}"#);
    Transaction::of_block(Value::of_canonical(&text))
}

fn branch(parent: &Block, salt: u64, length: usize) -> Vec<Block> {
    let mut blocks = vec![parent.clone()];
    for at in 0..length {
        let timestamp = Timestamp { micros: 1_000_000 * salt };
        let coin = payment(at);
        let block = Block::compose(&blocks[at], &Proof::from(salt), timestamp, [&coin]);
        blocks.push(block.expect("a block"));
    }
    blocks.split_off(1)
}

fn peer() -> PeerAddress {
    "localhost:5001".parse().expect("an address")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_requests_share_few_commits() {
    let dir = tempfile::tempdir().expect("a directory");
    let (handle, _orders) = start(easy(), Some(dir.path())).expect("it starts");
    let began = Instant::now();
    for n in 0..50 {
        handle.queue(payment(n)).await.expect("it runs").expect("room");
    }
    let alone = began.elapsed() / 50;
    let mut standings = handle.watch();
    let commits = tokio::spawn(async move {
        let mut commits = 0;
        while standings.changed().await.is_ok() && standings.borrow_and_update().queued < 1_050 {
            commits += 1;
        }
        commits + 1
    });
    let began = Instant::now();
    let queued = join_all((50..1_050).map(|n| handle.queue(payment(n)))).await;
    let together = began.elapsed() / 1_000;
    assert!(queued.into_iter().all(|queued| queued == Ok(Some(2))));
    let commits: u32 = commits.await.expect("it counts");
    println!("alone {alone:?} each, together {together:?} each in {commits} commits");
    assert!(commits <= 100, "{commits} commits for 1,000 requests");
    assert!(together * 4 < alone, "{together:?} each together, {alone:?} alone");
}

#[tokio::test]
async fn a_directory_serves_one_node() {
    let dir = tempfile::tempdir().expect("a directory");
    let first = start(easy(), Some(dir.path())).expect("it starts");
    let error = refused(start(easy(), Some(dir.path())));
    assert!(
        matches!(&error, StoreError::InUse { dir: named, .. } if named == dir.path()),
        "{error}"
    );
    let text = error.to_string();
    assert!(
        text.contains(&dir.path().display().to_string()) && text.contains("--data-dir"),
        "{text}"
    );
    drop(first);
    let began = Instant::now();
    while start(easy(), Some(dir.path())).is_err() {
        assert!(began.elapsed() < Duration::from_secs(10), "the directory is never let go");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

#[tokio::test]
async fn a_directory_holds_one_chain() {
    let dir = tempfile::tempdir().expect("a directory");
    let reopen = |rules| reopened(rules, dir.path());
    drop(reopen(Rules::lecture()).expect("it starts"));
    for (rules, found, difference) in [
        (
            Rules::lecture().with_zeros(5),
            "lecture with 5 zeros",
            "(difficulty.fixed is 5 zeros here and 4 zeros there)",
        ),
        (
            Rules::lecture().with_zeros(1),
            "lecture with 1 zero",
            "is 1 zero here and 4 zeros there)",
        ),
        (Rules::course(), "course with 6 zeros", "puzzle is \"last_block\" here and"),
        (Rules::dvf(), "dvf with 4 zeros", "(genesis is {\"any\": {\"index\": 1, "),
    ] {
        let error = refused(reopen(rules));
        assert!(matches!(error, StoreError::OtherChain { .. }), "{error}");
        let text = error.to_string();
        let dir = dir.path().display().to_string();
        for part in ["lecture with 4 zeros", found, difference, "--data-dir", &dir] {
            assert!(text.contains(part), "{text}");
        }
    }
    let genesis = Block::parse(br#"{"index": 1, "previous_hash": 0, "proof": 99}"#);
    let genesis = Genesis::Fixed(genesis.expect("a block"));
    let other = Open { genesis, ..Open::lecture() }.named("lecture");
    let text = refused(reopen(other)).to_string();
    // What differs is named; that something does need not be said besides.
    assert!(!text.contains("another genesis") && text.contains("4 zeros\" (genesis is"), "{text}");
    assert!(text.contains("(genesis is \"") && !text.contains("difficulty"), "{text}");

    let (handle, _orders) = reopen(Rules::lecture()).expect("the right one still starts");
    assert_eq!(handle.standing().tip.block.index(), 1);
}

#[test]
fn what_another_user_keeps_is_not_to_be_filled_anew() {
    let text = |kind: std::io::ErrorKind| {
        let error = redb::Error::Io(kind.into());
        StoreError::Unopened { dir: "data".into(), error: error.into() }.to_string()
    };
    let denied = text(std::io::ErrorKind::PermissionDenied);
    assert!(
        denied.contains("do not have the permission") && denied.contains("--data-dir"),
        "{denied}"
    );
    assert!(!denied.contains("chain import"), "{denied}");
    for kind in [std::io::ErrorKind::ReadOnlyFilesystem, std::io::ErrorKind::StorageFull] {
        let said = text(kind);
        assert!(said.contains("--data-dir") && !said.contains("chain import"), "{said}");
    }
    // An import does not open what can't be opened either.
    let damaged = text(std::io::ErrorKind::InvalidData);
    assert!(
        damaged.contains("move chain.redb out") && damaged.contains("chain import"),
        "{damaged}"
    );
}

#[test]
fn what_the_disk_says_is_said_once() {
    let full = redb::Error::Io(std::io::ErrorKind::StorageFull.into());
    let said = format!("{:#}", anyhow::Error::new(StoreError::from(full)));
    assert_eq!(said.matches("no storage space").count(), 1, "{said}");
}

#[tokio::test]
async fn a_kept_peer_whose_name_is_none_any_more_keeps_no_node_from_starting() {
    let dir = tempfile::tempdir().expect("a directory");
    drop(start(easy(), Some(dir.path())).expect("it starts"));
    let began = Instant::now();
    let database = loop {
        match blocksmith_service::Checked::open(&dir.path().join("chain.redb")) {
            Err(error)
                if error.kind() == std::io::ErrorKind::ResourceBusy
                    && began.elapsed() < Duration::from_secs(10) =>
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
            opened => {
                let storage = opened.expect("a file with checksums");
                break redb::Database::builder().create_with_backend(storage).expect("a database");
            }
        }
    };
    let peers: redb::TableDefinition<'_, &str, ()> = redb::TableDefinition::new("peers");
    let writer = database.begin_write().expect("a transaction");
    for name in ["5001", "localhost:5001"] {
        writer.open_table(peers).expect("a table").insert(name, ()).expect("written");
    }
    writer.commit().expect("durable");
    drop(database);
    let (handle, _orders) = start(easy(), Some(dir.path())).expect("it starts");
    assert_eq!(handle.register(vec![]).await.expect("it runs").peers, [peer()]);
}

#[tokio::test]
async fn a_peer_that_is_forgotten_stays_forgotten() {
    let dir = tempfile::tempdir().expect("a directory");
    let stays: PeerAddress = "stays:1".parse().expect("an address");
    let (handle, mut orders) = start(easy(), Some(dir.path())).expect("it starts");
    handle.register(vec![peer(), stays.clone()]).await.expect("it runs");
    assert_eq!(handle.forget(peer()).await, Ok(Some(peer())));
    assert_eq!(handle.forget(peer()).await, Ok(None));
    assert_eq!(handle.standing().peers, std::slice::from_ref(&stays));
    let hung_up = std::iter::from_fn(|| orders.try_recv().ok())
        .any(|order| matches!(order, NetworkEffect::HangUp(address) if address == peer()));
    assert!(hung_up, "calls to it end");
    drop((handle, orders));
    let (handle, _orders) = reopened(easy(), dir.path()).expect("it starts");
    assert_eq!(handle.standing().peers, [stays]);
}

#[tokio::test]
async fn what_is_no_directory_is_named() {
    let file = tempfile::NamedTempFile::new().expect("a file");
    let error = refused(start(easy(), Some(file.path())));
    assert!(matches!(error, StoreError::Directory { .. }), "{error}");
    assert!(error.to_string().contains(&file.path().display().to_string()), "{error}");

    let dir = tempfile::tempdir().expect("a directory");
    std::fs::write(dir.path().join("chain.redb"), "no database ".repeat(1_000)).expect("written");
    let error = refused(start(easy(), Some(dir.path())));
    assert!(error.to_string().contains(&dir.path().display().to_string()), "{error}");
}

#[tokio::test]
async fn a_node_in_memory_works_and_forgets() {
    let (handle, _orders) = start(easy(), None).expect("it starts");
    handle.queue(payment(1)).await.expect("it runs");
    handle.register(vec![peer()]).await.expect("it runs");
    let mined = handle.submit_proof(Proof::from(1), None).await.expect("it runs");
    let mined = mined.expect("every proof is valid");
    assert!(mined.text().contains(handle.node_id()));
    assert_eq!(handle.node_id().len(), 32);
    assert_eq!(handle.snapshot().expect("a snapshot").tip().expect("a tip").block, mined);
    let (other, _orders) = start(easy(), None).expect("it starts");
    assert_eq!(other.standing().tip.block.index(), 1);
    assert_ne!(other.node_id(), handle.node_id());
}

#[tokio::test]
async fn an_id_given_once_is_kept() {
    let dir = tempfile::tempdir().expect("a directory");
    let options = |node_id: Option<&str>| Options {
        data_dir: Some(dir.path().to_path_buf()),
        node_id: node_id.map(str::to_string),
        ..Options::new(Chain { rules: easy(), dialect: Dialect::Notes })
    };
    for (given, expected) in
        [(Some("alice \u{1f381}"), "alice \u{1f381}"), (None, "alice \u{1f381}")]
    {
        let began = Instant::now();
        let (handle, _orders) = loop {
            match blocksmith_service::start(options(given)) {
                Ok(started) => break started,
                Err(error) => assert!(began.elapsed() < Duration::from_secs(10), "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        assert_eq!(handle.node_id(), expected);
        let mined = handle.submit_proof(Proof::from(1), None).await.expect("it runs");
        assert!(mined.expect("a block").text().contains(r#""alice \ud83c\udf81""#));
    }
}

/// Where the process with the small disk finds its directory.
const SMALL_DISK: &str = "BLOCKSMITH_TEST_SMALL_DISK";

/// A process that may write files of four megabytes runs into that bound; what it acknowledged
/// until then is there afterwards.
#[cfg(unix)]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_whose_disk_is_full_stops_and_keeps_what_it_acknowledged() {
    if let Some(dir) = std::env::var_os(SMALL_DISK) {
        return fill(Path::new(&dir)).await;
    }
    let dir = tempfile::tempdir().expect("a directory");
    // A shell that ignores the signal lets the node see the error instead.
    let child = std::process::Command::new("sh")
        .arg("-c")
        .arg(r#"trap '' XFSZ; ulimit -f 8192; exec "$0" "$@""#)
        .arg(std::env::current_exe().expect("this test"))
        .args(["--exact", "--nocapture"])
        .arg("behaviour::a_node_whose_disk_is_full_stops_and_keeps_what_it_acknowledged")
        .env(SMALL_DISK, dir.path())
        .output()
        .expect("a shell");
    let said = String::from_utf8_lossy(&child.stdout).into_owned();
    assert!(child.status.success(), "{said}{}", String::from_utf8_lossy(&child.stderr));
    let acknowledged =
        said.lines().filter_map(|line| line.strip_prefix("acknowledged ")).next_back();
    let acknowledged: u64 = acknowledged.expect("some blocks fit").parse().expect("a number");
    assert!(acknowledged > 1, "{said}");

    let (handle, _orders) = start(easy(), Some(dir.path())).expect("it starts again");
    assert_eq!(handle.standing().tip.block.index(), acknowledged);
    let snapshot = handle.snapshot().expect("a snapshot");
    assert_eq!(snapshot.texts(1).expect("texts").count() as u64, acknowledged);
}

async fn fill(dir: &Path) {
    let (handle, _orders) = start(easy(), Some(dir)).expect("it starts");
    let mut parent = handle.standing().tip.block.clone();
    let note = "x".repeat(100_000);
    for index in 2..100 {
        let text = format!(
            r#"{{"index": {index}, "note": "{note}", "previous_hash": "{}", "proof": 1}}"#,
            parent.hash()
        );
        let block = Block::of_canonical(&text).expect("a block");
        match handle.submit_block(block.clone(), None).await {
            Ok(verdict) => assert_eq!(verdict, Verdict::NewTip),
            Err(Stopped { .. }) => break,
        }
        println!("acknowledged {index}");
        parent = block;
    }
    let stopped = handle.queue(payment(1)).await.expect_err("the disk was not full");
    assert_eq!(handle.register(vec![peer()]).await, Err(stopped.clone()));
    assert_eq!(handle.submit_proof(Proof::from(1), None).await.err().as_ref(), Some(&stopped));
    assert_eq!(handle.standing().tip.block, parent, "it stands where it stood");
    let reason = stopped.to_string();
    let place = dir.display().to_string();
    assert!(reason.contains(&place) && reason.contains("File too large"), "{reason}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_wait_for_no_write() {
    let dir = tempfile::tempdir().expect("a directory");
    let (handle, _orders) = start(easy(), Some(dir.path())).expect("it starts");
    let genesis = handle.standing().tip.block.clone();
    let blocks = branch(&genesis, 1, 20_000);
    let last = blocks[19_999].clone();
    let before = handle.snapshot().expect("a snapshot");
    let writing = tokio::spawn({
        let handle = handle.clone();
        async move { handle.submit_branch(blocks, peer(), false).await }
    });
    let began = Instant::now();
    let (mut reads, mut longest) = (0, Duration::ZERO);
    while !writing.is_finished() {
        let read = Instant::now();
        let snapshot = handle.snapshot().expect("a snapshot");
        let tip = snapshot.tip().expect("a tip");
        assert!(tip.block == genesis || tip.block == last, "half a branch was seen");
        assert_eq!(snapshot.at(1).expect("read").map(|linked| linked.block), Some(genesis.clone()));
        longest = longest.max(read.elapsed());
        reads += 1;
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    assert_eq!(writing.await.expect("no panic"), Ok(Verdict::NewTip));
    let took = began.elapsed();
    println!("a write of {took:?}, {reads} reads, the longest of {longest:?}");
    assert!(reads >= 10, "{reads} reads in {took:?}");
    assert!(longest < took / 3, "a read took {longest:?} of {took:?}");
    assert_eq!(before.tip().expect("a tip").block, genesis, "an old view stays as it was");
    assert_eq!(handle.standing().tip.block, last);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_acknowledged_is_there_for_everybody() {
    let dir = tempfile::tempdir().expect("a directory");
    let (handle, _orders) = start(easy(), Some(dir.path())).expect("it starts");
    for block in branch(&handle.standing().tip.block, 1, 200) {
        let verdict = handle.submit_block(block.clone(), None).await;
        let (standing, snapshot) = (handle.standing(), handle.snapshot().expect("a snapshot"));
        assert_eq!(verdict, Ok(Verdict::NewTip));
        assert_eq!(standing.tip.block, block);
        assert_eq!(snapshot.tip().expect("a tip"), standing.tip);
        assert_eq!(snapshot.index_of(&block.hash()).expect("read"), Some(block.index()));
        let work = handle.work(None).await.expect("it runs").expect("work");
        assert_eq!((work.previous_hash, work.index), (block.hash(), block.index() + 1));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_reorg_of_ten_thousand_blocks_is_one_step() {
    let dir = tempfile::tempdir().expect("a directory");
    let (handle, mut orders) = start(easy(), Some(dir.path())).expect("it starts");
    let genesis = handle.standing().tip.block.clone();
    let (ours, theirs) = (branch(&genesis, 1, 10_000), branch(&genesis, 2, 10_001));
    let submit = |blocks: Vec<Block>, more: bool| handle.submit_branch(blocks, peer(), more);
    submit(ours.clone(), false).await.expect("it runs");
    assert_eq!(submit(theirs[..10_000].to_vec(), true).await, Ok(Verdict::SideBranch));
    assert_eq!(handle.standing().tip.block, ours[9_999]);
    while orders.try_recv().is_ok() {}

    let began = Instant::now();
    assert_eq!(submit(theirs[10_000..].to_vec(), false).await, Ok(Verdict::NewTip));
    let took = began.elapsed();
    println!("a reorg of 10,000 blocks: {took:?}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    let snapshot = handle.snapshot().expect("a snapshot");
    let texts: Vec<_> =
        snapshot.texts(2).expect("texts").map(|text| text.expect("a text")).collect();
    assert!(texts.iter().eq(theirs.iter().map(Block::text)));
    assert!(ours.iter().all(|block| snapshot.index_of(&block.hash()).expect("read").is_none()));
    let announced: Vec<_> = std::iter::from_fn(|| orders.try_recv().ok())
        .filter_map(|order| match order {
            NetworkEffect::Announce { block, .. } => Some(block),
            _ => None,
        })
        .collect();
    assert_eq!(announced, [theirs[10_000].clone()]);

    // And back, with one block more than that.
    let longer = branch(&ours[9_999], 3, 2);
    submit(longer.clone(), false).await.expect("it runs");
    let tip = handle.snapshot().expect("a snapshot").tip().expect("a tip");
    assert_eq!((tip.block, tip.work), (longer[1].clone(), U256::from(10_002_u32)));
}

#[tokio::test]
async fn a_peer_is_one_for_everybody_before_it_has_answered() {
    let (handle, _orders) = start(easy(), None).expect("a node");
    let peer: PeerAddress = "localhost:9".parse().expect("an address");
    handle.choose(vec![peer.clone()], false).await.expect("it runs");
    let began = Instant::now();
    while handle.standing().peers != [peer.clone()] {
        assert!(began.elapsed() < Duration::from_secs(5), "{:?}", handle.standing().peers);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
