//! Stores that were changed behind the program's back: bits, pages, ends. Whatever opens one has
//! exactly what was in it, or says that the directory is damaged and what to do; nothing panics.
//!
//! First each page is zeroed once and the file is cut at each page. Then `BLOCKSMITH_FLIPS` says how many
//! changes by chance, `BLOCKSMITH_MODEL_SEED` the number of the first; a failure prints the number of the
//! change and what it was. With `BLOCKSMITH_BITS_ALONE` each of these flips one bit.

use std::fs;
use std::ops::Range;
use std::panic;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Once;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use blocksmith::chain::{Chain, Dialect};
use blocksmith::service::{
    self, Handle, NotReplayed, Options, PendingPage, StoreError, open_checked, open_read_only,
};
use blocksmith_consensus::json::Value;
use blocksmith_consensus::ledger::Accounts as _;
use blocksmith_consensus::rules::sealed::genesis as sealed_genesis;
use blocksmith_consensus::{
    Ancestry as _, Block, Difficulty, Family, Proof, Rules, Sealed, Target, Transaction,
};
use tempfile::{TempDir, tempdir};

use super::{PAYMENT_TEXT, ask, blocksmith, pay, told};
use crate::program::Program;
use blocksmith_testkit::random::{Random, setting};
use blocksmith_testkit::signers::Signer;

const FLIPS: u64 = 1_000;
const SEED: u64 = 11;

/// How many of them are tried with processes.
const PROCESSES: usize = 12;

/// How long a node that was let go may keep its directory.
const LETTING_GO: Duration = Duration::from_secs(10);

/// How long all that is done with one of them may take.
const LONGEST: Duration = Duration::from_secs(30);

const PAGE: usize = 4096;

/// A folder in memory, if the system has one: a thousand stores are written.
fn folder() -> TempDir {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory).unwrap() } else { tempdir().unwrap() }
}

/// Every proof is good, payments are signed.
fn signed() -> Rules {
    let forge = Sealed::forge();
    let hrp = forge.hrp;
    let balances = [Signer::alice(), Signer::bob()].map(|person| (person.address, 1_000_000));
    let genesis = sealed_genesis(1000, Target::EASIEST, hrp, &balances).unwrap();
    Sealed { genesis, difficulty: Difficulty::Fixed(Target::EASIEST), ..forge }.named("forge")
}

fn open() -> Rules {
    Rules::lecture().with_zeros(0)
}

fn options(rules: &Rules, dir: &Path) -> Options {
    let chain = Chain { rules: rules.clone(), dialect: Dialect::Notes };
    Options { data_dir: Some(dir.into()), ..Options::new(chain) }
}

/// Waits until a directory is let go of.
fn let_go(dir: &Path) {
    let begun = Instant::now();
    let lock = fs::File::options().write(true).create(true).truncate(false).open(dir.join("lock"));
    let lock = lock.unwrap();
    while lock.try_lock().is_err() {
        assert!(begun.elapsed() < LETTING_GO, "the directory is never let go");
        std::thread::sleep(Duration::from_millis(1));
    }
}

async fn mine(handle: &Handle, rules: &Rules) -> Option<Block> {
    let to = rules.domain().map(|domain| Signer::bob().address.to_text(domain.hrp));
    let work = handle.work(to.as_deref()).await.ok()?.ok()?;
    handle.submit_work(&work.id, Proof::from(0)).await.ok()?.ok()
}

async fn pays(handle: &Handle, rules: &Rules, nonce: u64) {
    match rules.domain() {
        Some(domain) => {
            let draft = Signer::alice().draft(Signer::bob().address, 10, 5, nonce);
            let text = Signer::alice().signed(&draft, &domain);
            let _ = handle.pay(vec![text.into()], None).await;
        }
        None => {
            let value = Value::of_canonical(PAYMENT_TEXT);
            let _ = handle.queue(Transaction::of_block(value)).await;
        }
    }
}

/// How many panics nobody caught.
static ESCAPED: AtomicUsize = AtomicUsize::new(0);

/// Counts them from now on: before the first store is opened, whose hook comes before this one and
/// keeps back what is caught.
fn count_panics() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let usual = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            ESCAPED.fetch_add(1, Ordering::SeqCst);
            usual(info);
        }));
    });
}

/// A store with blocks, a side branch, what waits, and a peer; and a block that makes the side branch
/// the better one; and all that can be read of it.
async fn sound(rules: &Rules) -> (Vec<u8>, Block, String) {
    count_panics();
    let dirs = [folder(), folder()];
    let (handle, orders) = service::start(options(rules, dirs[0].path())).unwrap();
    let (other, other_orders) = service::start(options(rules, dirs[1].path())).unwrap();
    handle.choose(vec!["localhost:5001".parse().unwrap()], true).await.unwrap();
    let mut nonce = 0;
    let mut common = Vec::new();
    for _ in 0..40 {
        for _ in 0..2 {
            pays(&handle, rules, nonce).await;
            nonce += 1;
        }
        common.push(mine(&handle, rules).await.unwrap());
    }
    for block in &common[..38] {
        other.submit_block(block.clone(), None).await.unwrap();
    }
    pays(&other, rules, 2 * 38).await;
    let side = [mine(&other, rules).await.unwrap(), mine(&other, rules).await.unwrap()];
    let better = mine(&other, rules).await.unwrap();
    for block in side {
        handle.submit_block(block, None).await.unwrap();
    }
    pays(&handle, rules, nonce).await;
    drop((handle, orders, other, other_orders));
    let_go(dirs[0].path());
    let store = fs::read(dirs[0].path().join("chain.redb")).unwrap();
    let (handle, _orders) = service::start(options(rules, dirs[0].path())).unwrap();
    let all = read_node(&handle, rules).await.unwrap();
    (store, better, all)
}

/// The changes with numbers below zero each page once, and those below it again cut the file at each.
fn each_page(store: &mut Vec<u8>, number: u64) -> Option<String> {
    let (number, pages) = (usize::try_from(number).ok()?, store.len().div_ceil(PAGE));
    if number < pages {
        let end = store.len().min((number + 1) * PAGE);
        store[number * PAGE..end].fill(0);
        return Some(format!("page {number} zeroed"));
    }
    let page = number.checked_sub(pages).filter(|page| *page < pages)?;
    store.truncate(page * PAGE);
    Some(format!("cut at page {page}"))
}

/// Changes a store; what was done to it.
fn change(store: &mut Vec<u8>, random: &mut Random) -> String {
    if std::env::var_os("BLOCKSMITH_BITS_ALONE").is_some() {
        let (at, bit) = (random.below(store.len()), random.below(8));
        store[at] ^= 1 << bit;
        return format!("bit {bit} of byte {at} flipped");
    }
    let used: Vec<_> = (0..store.len() / PAGE)
        .filter(|page| store[page * PAGE..][..PAGE].iter().any(|byte| *byte != 0))
        .collect();
    // The few bytes of the header's two copies decide most.
    let at = match random.below(4) {
        0 => random.below(2) * PAGE + random.below(360),
        _ => {
            let page = random.pick(&used) * PAGE;
            // What a page starts with says what the rest is.
            page + if random.percent(50) { random.below(64) } else { random.below(PAGE) }
        }
    };
    match random.below(20) {
        0..10 => {
            let bit = random.below(8);
            store[at] ^= 1 << bit;
            format!("bit {bit} of byte {at} flipped")
        }
        10..13 => {
            let value = *random.pick(&[0, 0xff, 0x7f, 1]);
            let end = store.len().min(at + 1 + random.below(16));
            store[at..end].fill(value);
            format!("bytes {at}..{end} made {value}")
        }
        13..15 => {
            let page = random.pick(&used) * PAGE;
            let value = *random.pick(&[0, 0xff]);
            store[page..page + PAGE].fill(value);
            format!("page at {page} made {value}")
        }
        15..17 => {
            let (from, to) = (random.pick(&used) * PAGE, random.pick(&used) * PAGE);
            store.copy_within(from..from + PAGE, to);
            format!("page at {from} copied to {to}")
        }
        17 => {
            let length = random.below(store.len() / PAGE) * PAGE;
            store.truncate(length);
            format!("cut to the page at {length}")
        }
        18 => {
            let length = random.below(store.len());
            store.truncate(length);
            format!("cut to {length} bytes")
        }
        _ => {
            let more = 1 + random.below(3 * PAGE);
            store.extend((0..more).map(|_| random.number() as u8));
            format!("{more} bytes behind its end")
        }
    }
}

/// What an error must say.
fn check(error: &StoreError, dir: &Path, done: &str) {
    assert!(!matches!(error, StoreError::InUse { .. }), "{done}: {error}");
    let text = error.to_string();
    let named = text.contains(&dir.display().to_string());
    let way_out =
        ["--data-dir", "chain import", "command again"].iter().any(|way| text.contains(way));
    assert!(named && way_out && !text.contains("panicked"), "{done}: {text}");
}

/// Reads all that there is; a text that has all of it.
fn read(snapshot: &service::Snapshot, rules: &Rules) -> Result<String, StoreError> {
    let tip = snapshot.tip()?.block;
    let mut all = vec![format!("tip {}", tip.hash())];
    for text in snapshot.texts(0)? {
        let text = text?;
        let hash = rules.block(&text).unwrap().hash();
        all.push(format!("{:?} {text}", snapshot.index_of(&hash)?));
    }
    for index in 0..tip.index().min(100) {
        let linked = snapshot.at(index)?;
        let of = |linked: blocksmith_consensus::ChainBlock| (linked.block.hash(), linked.work);
        all.push(format!("{index} {:?}", linked.map(of)));
    }
    for person in [Signer::alice(), Signer::bob()] {
        all.push(format!("{:?}", snapshot.account(&person.address)?));
    }
    for account in snapshot.accounts()? {
        let (address, listed) = account?;
        let account = snapshot.account(&address)?;
        let (count, history) =
            (snapshot.activity(address.key())?, snapshot.history(address.key(), None, 1_000)?);
        all.push(format!("{listed:?} {account:?} {count} {history:?}"));
    }
    if let Family::Sealed(sealed) = &rules.family
        && let Some(contents) = sealed.contents(&tip)
    {
        for payment in &contents.payments {
            all.push(format!("{:?}", snapshot.places(&payment.id())?));
        }
        all.push(format!("{:?}", snapshot.places(&contents.coin.id(&sealed.domain()))?));
    }
    all.push(snapshot.state_hash()?.to_string());
    Ok(all.join("\n"))
}

/// The same of a running node, with what waits and who its peers are.
async fn read_node(handle: &Handle, rules: &Rules) -> Result<String, StoreError> {
    let all = read(&handle.snapshot()?, rules)?;
    let texts = |page: PendingPage| -> Vec<String> {
        page.transactions.into_iter().map(|waiting| waiting.text).collect()
    };
    let waits = handle.pending(0, 1_000).await.map(texts);
    Ok(format!("{all}\n{waits:?} {:?} {}", handle.standing().peers, handle.node_id()))
}

/// Does with a damaged store whatever the program does; whether anything was noticed. What is read is
/// `expected`.
async fn use_it(rules: &Rules, dir: &Path, better: &Block, expected: &str, done: &str) -> bool {
    let mut noticed = false;
    let mut note = |error: StoreError| {
        check(&error, dir, done);
        noticed = true;
    };
    let file = dir.join("chain.redb");
    let damaged = fs::read(&file).unwrap();
    match open_read_only(dir).and_then(|snapshot| read(&snapshot, rules)) {
        Ok(all) => assert!(expected.starts_with(&all), "{done}: other values were read"),
        Err(error) => note(error),
    }
    // A new file each time: one on which the database gave up stays locked in this process.
    let anew = || {
        let_go(dir);
        fs::remove_file(&file).unwrap();
        fs::write(&file, &damaged).unwrap();
    };
    anew();
    let valid = match open_checked(dir) {
        Ok(snapshot) => match service::replay(&snapshot, rules, |_| {}) {
            Err(NotReplayed::Store(error)) => {
                note(error);
                false
            }
            replayed => replayed.is_ok(),
        },
        Err(error) => {
            note(error);
            false
        }
    };
    anew();
    match service::start(options(rules, dir)) {
        Err(error) => {
            assert!(!valid, "{done}: `chain verify --replay` says valid, and the node {error}");
            note(error);
        }
        Ok((handle, orders)) => {
            match read_node(&handle, rules).await {
                Ok(all) => assert_eq!(all, expected, "{done}: a node serves other values"),
                Err(error) => note(error),
            }
            for nonce in 80..84 {
                pays(&handle, rules, nonce).await;
            }
            mine(&handle, rules).await;
            // A reorg, while it is the better one.
            let _ = handle.submit_block(better.clone(), None).await;
            mine(&handle, rules).await;
            let _ = handle.register(vec!["localhost:5002".parse().unwrap()]).await;
            if let Err(stopped) = handle.register(Vec::new()).await {
                assert!(!valid, "{done}: `chain verify --replay` says valid, and then {stopped}");
            }
            drop((handle, orders));
        }
    }
    let_go(dir);
    noticed
}

/// Where a process that changes stores finds what to change, and keeps what it did.
const FOLDER: &str = "BLOCKSMITH_CHANGES";

/// Changes a store and uses it, from one change on, and counts the panics that got out.
async fn try_from(rules: &Rules, folder: &Path, changes: Range<u64>) {
    count_panics();
    let name = |end: &str| folder.join(format!("{}.{end}", rules.name));
    let store = fs::read(name("redb")).unwrap();
    let all = fs::read_to_string(name("all")).unwrap();
    let better = rules.block(&fs::read_to_string(name("block")).unwrap()).unwrap();
    let mut noticed = 0;
    for change in changes {
        let dir = TempDir::new_in(folder).unwrap();
        let mut changed = store.clone();
        let done = each_page(&mut changed, change)
            .unwrap_or_else(|| self::change(&mut changed, &mut Random::new(change)));
        fs::write(dir.path().join("chain.redb"), &changed).unwrap();
        // Kept before: what never ends says nothing afterwards.
        fs::write(folder.join("change"), format!("{change} {done}")).unwrap();
        let begun = Instant::now();
        noticed += u64::from(use_it(rules, dir.path(), &better, &all, &done).await);
        assert_eq!(ESCAPED.load(Ordering::SeqCst), 0, "{change}, {done}: a panic got out");
        assert!(begun.elapsed() < LONGEST, "{change}, {done}: {:?}", begun.elapsed());
        fs::write(folder.join("noticed"), noticed.to_string()).unwrap();
    }
}

/// Changes stores in processes of their own: a panic in a panic ends one, and has to say why.
async fn tried(test: &str, rules: Rules) {
    if let Ok(folder) = std::env::var(FOLDER) {
        let changes = setting("BLOCKSMITH_FROM", 0)..setting("BLOCKSMITH_TO", 0);
        return try_from(&rules, Path::new(&folder), changes).await;
    }
    let folder = folder();
    let (store, better, all) = sound(&rules).await;
    let pages = store.len().div_ceil(PAGE) as u64;
    fs::write(folder.path().join(format!("{}.all", rules.name)), all).unwrap();
    fs::write(folder.path().join(format!("{}.redb", rules.name)), store).unwrap();
    fs::write(folder.path().join(format!("{}.block", rules.name)), better.text()).unwrap();
    // Those by chance come after those of each page.
    let by_chance = 2 * pages + setting("BLOCKSMITH_MODEL_SEED", SEED);
    let (first, end) = (0, by_chance + setting("BLOCKSMITH_FLIPS", FLIPS));
    let (mut from, mut noticed, mut ended) = (first, 0, 0);
    let read = |name: &str| fs::read_to_string(folder.path().join(name)).unwrap_or_default();
    while from < end {
        let _ = fs::remove_file(folder.path().join("noticed"));
        let mut child = Command::new(std::env::current_exe().unwrap());
        child.args(["--exact", test, "--nocapture"]).env(FOLDER, folder.path());
        child.env("BLOCKSMITH_FROM", from.to_string()).env("BLOCKSMITH_TO", end.to_string());
        let output = child.output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        noticed += read("noticed").parse().unwrap_or(0);
        if output.status.success() {
            break;
        }
        let change = read("change");
        let last = said.lines().last().unwrap_or_default();
        let named = last.contains(folder.path().to_str().unwrap()) && last.contains("is damaged");
        assert!(
            output.status.code() == Some(1) && named,
            "{} {change}: {:?} {said}",
            rules.name,
            output.status
        );
        (noticed, ended) = (noticed + 1, ended + 1);
        from = 1 + change.split(' ').next().unwrap().parse::<u64>().unwrap();
    }
    println!("{}: {noticed} noticed of {}, {ended} ended the process", rules.name, end - first);
    assert!(noticed * 10 > end - first, "hardly anything was changed: {noticed}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_panic_of_a_changed_store_gets_out() {
    tried("store_trouble::damage::no_panic_of_a_changed_store_gets_out", open()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_panic_of_a_changed_store_with_accounts_gets_out() {
    tried("store_trouble::damage::no_panic_of_a_changed_store_with_accounts_gets_out", signed())
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_command_names_a_changed_store_and_what_to_do() {
    let (store, _, _) = sound(&open()).await;
    let mut random = Random::new(setting("BLOCKSMITH_MODEL_SEED", SEED));
    let mut changes: Vec<(String, Vec<u8>)> = (0..PROCESSES)
        .map(|_| {
            let mut changed = store.clone();
            (change(&mut changed, &mut random), changed)
        })
        .collect();
    changes.push(("emptied".into(), Vec::new()));
    changes.push(("replaced by text".into(), b"not a store".repeat(1_000)));
    changes.push(("one half".into(), store[..store.len() / 2].to_vec()));
    changes.push(("zeros".into(), vec![0; store.len()]));
    let home = folder();
    let (mut failed, mut count) = (0, 0);
    for (done, changed) in changes {
        let data = home.path().join("data");
        let path = data.to_str().unwrap();
        let place = |file: &PathBuf| {
            fs::create_dir_all(&data).unwrap();
            fs::write(file, &changed).unwrap();
        };
        let open = ["--zeros", "0", "--data-dir", path];
        for command in [
            &["chain", "verify", "--replay"][..],
            &["chain", "show"],
            &["chain", "export"],
            &["node", "0"],
        ] {
            place(&data.join("chain.redb"));
            let arguments = [command, &open].concat();
            let mut command = blocksmith(home.path(), &arguments);
            let (code, said) = if arguments[0] == "node" {
                let mut node = Program::spawn(&mut command);
                if let Some(line) = node.first_line() {
                    let url = line.split_whitespace().nth(2).unwrap();
                    let address = url.trim_start_matches("http://");
                    ask(address, "GET", "/chain", "");
                    pay(address);
                    ask(address, "POST", "/mine", r#"{"proof": 5, "id": "bob"}"#);
                    node.terminate();
                }
                (node.wait().code(), node.stderr())
            } else {
                let (code, _, said) = told(&mut command);
                (Some(code), said)
            };
            count += 1;
            assert!(!said.contains("panicked"), "{done}, {arguments:?}: {said}");
            if code != Some(0) {
                failed += 1;
                assert_eq!(code, Some(1), "{done}, {arguments:?}: {said}");
                let last = said.lines().rfind(|line| line.starts_with("blocksmith: "));
                // A block that breaks a rule is no matter of the store.
                if let Some(last) = last {
                    let ways = ["--data-dir", "chain import", "command again"];
                    assert!(
                        last.contains(path) && ways.iter().any(|way| last.contains(way)),
                        "{done}, {arguments:?}: {said}"
                    );
                }
            }
            fs::remove_dir_all(&data).unwrap();
        }
    }
    println!("{failed} of {count} commands failed");
    assert!(failed > 10, "hardly anything was changed");
}

/// No panic, no rule and no length shows it, and a page that is put in another's place may lead in a
/// circle: only checksums find that.
#[test]
fn a_node_does_not_start_on_a_page_that_is_not_as_it_was_written() {
    let home = folder();
    let data = super::data(home.path(), "data", 30);
    let file = Path::new(&data).join("chain.redb");
    let sound = fs::read(&file).unwrap();
    let find = |text: &[u8]| sound.windows(text.len()).position(|bytes| bytes == text).unwrap();
    let mut other = sound.clone();
    other[find(br#""recipient": "bob""#) + 14] = b'r';
    let mut copied = sound.clone();
    let page = find(br#""recipient": "bob""#) / PAGE * PAGE;
    copied.copy_within(page..page + PAGE, page + PAGE);
    for changed in [other, copied] {
        fs::write(&file, &changed).unwrap();
        for command in [&["node", "0"][..], &["chain", "import", "chain.txt"]] {
            let arguments = [command, &["--zeros", "0", "--data-dir", &data]].concat();
            let (code, out, said) = told(&mut blocksmith(home.path(), &arguments));
            assert_eq!((code, &*out), (1, ""), "{arguments:?}: {said}");
            for part in [&*data, "is damaged", "move chain.redb out"] {
                assert!(said.contains(part), "{part}: {said}");
            }
        }
    }
    fs::write(&file, &sound).unwrap();
    let arguments = ["chain", "verify", "--replay", "--zeros", "0", "--data-dir", &data];
    let (code, _, said) = told(&mut blocksmith(home.path(), &arguments));
    assert_eq!(code, 0, "{said}");
}
