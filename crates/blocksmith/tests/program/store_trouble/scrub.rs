//! Damage that no request meets is found by reading all from time to time.

use std::fs;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::{Duration, Instant};

use tempfile::tempdir;

use super::{ask, blocksmith, code, data_with, node};

/// A store above the size that is checked whole at the start, and twice as large as the database's memory.
const BLOCKS: usize = 130;
const BLOCK_BYTES: usize = 1_000_000;

/// How long the node may take to find the damage: it reads 8 MB a second.
const FOUND: Duration = Duration::from_secs(60);

/// After this time at the tip the index is durable, and reads no block again after a restart.
const DURABLE: Duration = Duration::from_secs(5);

#[test]
fn damage_that_nobody_reads_is_found_and_named_while_the_node_runs() {
    let said = found(|_| ());
    assert!(said.contains("table blocks, after the block with the number"), "{said}");
}

#[test]
fn damage_that_the_index_meets_is_the_stores_and_no_index_is_built_again() {
    let said = found(|data| fs::remove_file(data.join("index.redb")).unwrap());
    assert!(said.contains("table blocks, "), "{said}");
    assert!(
        !said.contains("the index is damaged") && !said.contains("the index of parties stopped")
    );
}

/// Damages blocks in the middle of a store while a node runs, and returns all that the node says. Before
/// that the node stopped with its index at the tip, and `prepare` changes its directory.
fn found(prepare: impl FnOnce(&Path)) -> String {
    let home = tempdir().unwrap();
    let recipient = "b".repeat(BLOCK_BYTES);
    let transaction = format!(r#"{{"amount": 1, "recipient": "{recipient}", "sender": "alice"}}"#);
    let data = data_with(home.path(), "data", BLOCKS, &transaction);
    let arguments = ["node", "0", "--zeros", "0", "--data-dir", &data];
    // The index reads all blocks once; then nothing has to read them any more.
    let (mut running, address) = node(&mut blocksmith(home.path(), &arguments));
    let began = Instant::now();
    while !ask(&address, "GET", "/api/v1/accounts/alice", "").contains("\"index\": 130") {
        assert!(began.elapsed() < FOUND, "the index is not at the tip");
        std::thread::sleep(Duration::from_millis(100));
    }
    std::thread::sleep(DURABLE);
    running.terminate();
    assert_eq!(code(&mut running), Some(0));

    prepare(Path::new(&data));
    let file = Path::new(&data).join("chain.redb");
    let bytes = fs::read(&file).unwrap();
    let blocks = [60, 80, 100, 120].map(|index| {
        let start = format!("{{\"index\": {index}, ");
        bytes.windows(start.len()).position(|part| part == start.as_bytes()).expect("the block")
    });
    let (mut running, address) = node(&mut blocksmith(home.path(), &arguments));
    // A build for tests reads all at the start, so the damage comes after.
    let open = fs::File::options().write(true).open(&file).unwrap();
    for block in blocks {
        open.write_all_at(b"r", (block + BLOCK_BYTES / 2) as u64).unwrap();
    }
    assert!(ask(&address, "GET", "/api/v1/status", "").contains("200 OK"), "it serves the rest");
    let began = Instant::now();
    assert_eq!(code(&mut running), Some(1), "after {:?}", began.elapsed());
    assert!(began.elapsed() < FOUND);
    let said = running.stderr();
    let last = said.lines().last().unwrap_or_default();
    for part in [&*data, "table blocks, ", "chain repair"] {
        assert!(last.contains(part), "{part}: {said}");
    }
    said
}
