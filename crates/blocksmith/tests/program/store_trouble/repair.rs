//! `blocksmith chain repair`: what a damaged store still has is kept, and nothing else is believed.

use std::fs;
use std::path::Path;

use blocksmith::service::{Checked, open_read_only};
use redb::{Database, TableDefinition};
use tempfile::tempdir;

use super::{Program, ask, blocksmith, code, data, node, pay, told};

const PAGE: usize = 4096;
const BLOCKS: usize = 30;

fn run(home: &Path, command: &[&str], data: &str) -> (i32, String, String) {
    let arguments = [&["chain"], command, &["--zeros", "0", "--data-dir", data]].concat();
    told(&mut blocksmith(home, &arguments))
}

/// Repairs a store of the lecture with these contents; the index of the tip then, and what the command
/// says.
fn repaired(home: &Path, data: &str, contents: &[u8], what: &str) -> (u64, String) {
    repaired_of(&["--zeros", "0"], home, data, contents, what)
}

fn repaired_of(
    chain: &[&str],
    home: &Path,
    data: &str,
    contents: &[u8],
    what: &str,
) -> (u64, String) {
    let run = |command: &[&str]| {
        let arguments = [&["chain"], command, chain, &["--data-dir", data]].concat();
        told(&mut blocksmith(home, &arguments))
    };
    let _ = fs::remove_dir_all(data);
    fs::create_dir_all(data).unwrap();
    fs::write(Path::new(data).join("chain.redb"), contents).unwrap();
    let (code, said, error) = run(&["repair"]);
    assert_eq!((code, &*error), (0, ""), "{what}: {said}");
    assert!(!Path::new(data).join("repairing").exists(), "{what}");
    let (code, _, error) = run(&["verify", "--replay"]);
    assert_eq!(code, 0, "{what}: {said}{error}");
    (open_read_only(Path::new(data)).unwrap().tip().unwrap().block.index(), said)
}

/// The file with another bit at each place where a block with this index is.
fn with_a_bit_flipped(sound: &[u8], index: usize) -> impl Iterator<Item = Vec<u8>> {
    let text = format!("{{\"index\": {index}, ").into_bytes();
    let places = (0..sound.len()).filter(move |at| sound[*at..].starts_with(&text));
    places.map(|at| {
        let mut changed = sound.to_vec();
        changed[at + 11] ^= 1;
        changed
    })
}

#[test]
fn what_a_damaged_store_has_is_kept() {
    let home = tempdir().unwrap();
    let data = data(home.path(), "data", BLOCKS);
    let file = Path::new(&data).join("chain.redb");
    let sound = fs::read(&file).unwrap();
    let (code, said, _) = run(home.path(), &["repair"], &data);
    assert_eq!(code, 0);
    assert!(said.starts_with("nothing is damaged"), "{said}");
    assert_eq!(
        fs::read_dir(&data)
            .unwrap()
            .filter(|entry| {
                entry.as_ref().unwrap().file_name().to_string_lossy().contains("damaged")
            })
            .count(),
        0
    );

    // A bit of a block: it and those on top of it are lost here, and named. Free pages, and what is left
    // in the rest of others, may have its text too.
    let live = with_a_bit_flipped(&sound, 12).find_map(|changed| {
        let (tip, said) = repaired(home.path(), &data, &changed, "a block");
        Some((tip, said)).filter(|(_, said)| said.contains("damaged: table blocks, "))
    });
    let (tip, said) = live.expect("the block is in the file");
    assert!([10, 11].contains(&tip), "{said}");
    for part in [&*format!("blocks {} to 30 can't be taken over", tip + 1), "damaged-1.redb"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert_eq!(fs::read(Path::new(&data).join("chain.damaged-1.redb")).unwrap().len(), sound.len());

    // Both copies of the header, and the first page of the file of the checksums.
    for (what, at) in [("header", 0..2 * PAGE), ("checksums", 2 * PAGE..3 * PAGE)] {
        let mut changed = sound.clone();
        changed[at].fill(0xff);
        let (tip, said) = repaired(home.path(), &data, &changed, what);
        assert!(tip + 1 >= BLOCKS as u64, "{what}: {said}");
    }
}

/// Zeroes each page of a store once, and repairs it: the texts of the repairs.
fn each_page(chain: &[&str], home: &Path, data: &str, tip: u64) -> Vec<String> {
    let sound = fs::read(Path::new(data).join("chain.redb")).unwrap();
    let (mut whole, mut all) = (0, Vec::new());
    for page in 0..sound.len() / PAGE {
        let range = page * PAGE..(page + 1) * PAGE;
        if sound[range.clone()].iter().all(|byte| *byte == 0) {
            continue;
        }
        let mut changed = sound.clone();
        changed[range].fill(0);
        let (found, said) = repaired_of(chain, home, data, &changed, &format!("page {page}"));
        whole += usize::from(found == tip);
        all.push(said);
    }
    println!("{whole} of {} stores were whole again", all.len());
    assert!(whole * 2 > all.len() && all.len() > 10, "{whole} of {}", all.len());
    all
}

#[test]
fn whatever_page_is_zero_the_rest_is_a_valid_chain() {
    let home = tempdir().unwrap();
    let data = data(home.path(), "data", BLOCKS);
    each_page(&["--zeros", "0"], home.path(), &data, BLOCKS as u64);
}

#[test]
fn accounts_and_payments_that_wait_are_built_again_too() {
    let home = tempdir().unwrap();
    let data = home.path().join("data").to_str().unwrap().to_string();
    let network = ["dev", "--chain", "forge", "--nodes", "1", "--port", "0", "--no-mining"];
    let arguments = [&network[..], &["--data-dir", &data]].concat();
    let mut dev = Program::spawn(&mut blocksmith(home.path(), &arguments));
    let line = dev.until_so("a node", |line| line.starts_with("node 1"));
    let address = line.split("http://").nth(1).unwrap().to_string();
    dev.until_so("the end of the start", |line| line.starts_with("Join"));
    let recipient = blocksmith_wallet::dev::addresses().next().unwrap();
    let hrp = blocksmith_consensus::address::Hrp::new("forge").unwrap();
    let gift = format!(r#"{{"recipient": "{}"}}"#, recipient.to_text(hrp));
    for _ in 0..3 {
        assert!(ask(&address, "POST", "/api/v1/faucet", &gift).contains("\"id\""));
        let mined = ask(&address, "POST", "/api/v1/dev/mine", r#"{"blocks": 4}"#);
        assert!(mined.contains("200 OK"), "{mined}");
    }
    assert!(ask(&address, "POST", "/api/v1/faucet", &gift).contains("\"id\""));
    dev.terminate();
    code(&mut dev);
    let node = Path::new(&data).join("node-1").to_str().unwrap().to_string();
    let said = each_page(&["--chain", "forge-dev"], home.path(), &node, 13);
    // Tables are found through a few pages; all others can be read without the damaged one.
    for said in said.iter().filter(|said| !said.starts_with("nothing is damaged")) {
        let lost = said.contains("no table can be read") || said.contains("table mempool");
        assert!(lost || said.contains("1 waiting transaction, "), "{said}");
    }
}

#[test]
fn peers_and_what_waits_are_kept_too() {
    let home = tempdir().unwrap();
    let data = data(home.path(), "data", BLOCKS);
    let arguments = ["node", "0", "--zeros", "0", "--data-dir", &data];
    let (mut running, address) = node(&mut blocksmith(home.path(), &arguments));
    assert!(pay(&address).contains("201"));
    let peer = r#"{"nodes": ["127.0.0.1:1"]}"#;
    assert!(ask(&address, "POST", "/nodes/register", peer).contains("201"));
    running.terminate();
    assert_eq!(code(&mut running), Some(0));
    let file = Path::new(&data).join("chain.redb");
    let sound = fs::read(&file).unwrap();
    let kept = with_a_bit_flipped(&sound, 20).find_map(|changed| {
        let (tip, said) = repaired(home.path(), &data, &changed, "block 20");
        println!("{said}");
        Some(tip).filter(|_| said.contains("1 waiting transaction, 1 peer"))
    });
    assert!(kept.is_some_and(|tip| [18, 19].contains(&tip)), "{kept:?}");
}

#[test]
fn a_repair_that_was_interrupted_starts_again_and_one_with_other_rules_changes_nothing() {
    let home = tempdir().unwrap();
    let data = data(home.path(), "data", BLOCKS);
    let file = Path::new(&data).join("chain.redb");
    let sound = fs::read(&file).unwrap();
    let mut both = sound.clone();
    both[3 * PAGE..].fill(7);
    fs::write(&file, &both).unwrap();
    let left = Path::new(&data).join("repairing");
    fs::create_dir(&left).unwrap();
    fs::write(left.join("chain.redb"), "what a killed repair left").unwrap();
    let (code, said, error) = run(home.path(), &["repair"], &data);
    assert_eq!((code, &*error), (0, ""), "{said}");
    assert!(said.contains("the chain ends in block 1, ") && !left.exists(), "{said}");
    assert_eq!(fs::read(Path::new(&data).join("chain.damaged-1.redb")).unwrap(), both);

    fs::write(&file, &sound).unwrap();
    let arguments = ["chain", "repair", "--zeros", "1", "--data-dir", &data];
    let (code, said, error) = told(&mut blocksmith(home.path(), &arguments));
    assert_eq!((code, &*said), (1, ""), "{error}");
    assert!(error.contains("lecture with 0 zeros"), "{error}");
    assert!(!Path::new(&data).join("chain.damaged-2.redb").exists());
}

#[test]
fn a_store_that_says_other_things_than_its_blocks_is_repaired_too() {
    let home = tempdir().unwrap();
    let data = data(home.path(), "data", BLOCKS);
    let file = Path::new(&data).join("chain.redb");
    let database = Database::builder().create_with_backend(Checked::open(&file).unwrap()).unwrap();
    let writing = database.begin_write().unwrap();
    let index = TableDefinition::<[u8; 32], u64>::new("index");
    assert!(writing.open_table(index).unwrap().pop_first().unwrap().is_some());
    writing.commit().unwrap();
    drop(database);
    let (code, _, error) = run(home.path(), &["verify", "--replay"], &data);
    assert_eq!(code, 1);
    assert!(error.contains("blocksmith chain repair"), "{error}");
    let changed = fs::read(&file).unwrap();
    let (tip, said) = repaired(home.path(), &data, &changed, "a lost entry");
    assert_eq!(tip, BLOCKS as u64, "{said}");
}
