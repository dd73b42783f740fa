//! Wallet files on a disk that is shared, full of other files, and sometimes switched off.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::time::Duration;

use blocksmith_wallet::keystore::OpenError;
use blocksmith_wallet::{Cost, FileError, Phrase, Wallet, WalletFile};
use tempfile::TempDir;

const CHEAP: Cost = Cost { memory_kib: 8, passes: 1, lanes: 1 };

/// Where a process that is going to be killed finds its wallet.
const KILLED: &str = "BLOCKSMITH_WALLET_TO_KILL";

fn wallet_of(byte: u8) -> Wallet {
    Wallet::new(Phrase::from_entropy(&[byte; 16]).expect("a phrase"), "").expect("a wallet")
}

fn at(folder: &TempDir) -> PathBuf {
    folder.path().join("alice.wallet")
}

fn labels(wallet: &Wallet) -> Vec<String> {
    wallet.addresses().map(|entry| entry.label.to_owned()).collect()
}

fn files(folder: &Path) -> Vec<String> {
    let mut names: Vec<String> = fs::read_dir(folder)
        .expect("a folder")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("UTF-8"))
        .collect();
    names.sort();
    names
}

#[test]
fn what_alice_saved_is_there_when_she_comes_back() {
    let folder = TempDir::new().expect("a folder");
    let mut alice = wallet_of(1);
    let mut file = WalletFile::create(at(&folder), &alice, "one", CHEAP).expect("created");
    alice.add_address("rent").expect("an address");
    file.save(&alice, "one", CHEAP).expect("saved");
    alice.set_label(0, "savings").expect("a label");
    file.save(&alice, "one", CHEAP).expect("saved");
    let (_, read) = WalletFile::open(at(&folder), "one").expect("opens");
    assert_eq!(labels(&read), ["savings", "rent"]);
    assert_eq!(read.phrase().text(), alice.phrase().text());
    assert_eq!(files(folder.path()), ["alice.wallet"]);
}

#[test]
fn a_new_password_and_a_new_cost_take_the_place_of_the_old_ones() {
    let folder = TempDir::new().expect("a folder");
    let alice = wallet_of(1);
    let mut file = WalletFile::create(at(&folder), &alice, "one", CHEAP).expect("created");
    let dearer = Cost { memory_kib: 64, passes: 2, lanes: 2 };
    file.save(&alice, "two", dearer).expect("saved");
    let text = fs::read_to_string(at(&folder)).expect("text");
    assert!(text.contains("\"memory_kib\": 64,"), "{text}");
    assert!(WalletFile::open(at(&folder), "two").is_ok());
    let refused = WalletFile::open(at(&folder), "one").expect_err("another password");
    assert!(matches!(refused, FileError::Open { source: OpenError::WrongPassword, .. }));
}

#[test]
fn a_file_that_exists_is_never_overwritten() {
    let folder = TempDir::new().expect("a folder");
    for old in ["bob's wallet", ""] {
        fs::write(at(&folder), old).expect("written");
        let refused = WalletFile::create(at(&folder), &wallet_of(1), "one", CHEAP);
        assert!(matches!(refused, Err(FileError::Exists { .. })), "{refused:?}");
        assert_eq!(fs::read_to_string(at(&folder)).expect("text"), old);
    }
    assert_eq!(files(folder.path()), ["alice.wallet"]);
}

#[test]
fn of_eight_who_create_one_file_one_does() {
    let folder = TempDir::new().expect("a folder");
    let path = at(&folder);
    // All begin at once and take a while, so that none sees that another was faster.
    let (start, slow) = (Barrier::new(8), Cost { memory_kib: 8 * 1024, passes: 2, lanes: 1 });
    let created: Vec<u8> = std::thread::scope(|scope| {
        let threads: Vec<_> = (1..=8)
            .map(|byte| {
                let (path, start) = (path.clone(), &start);
                scope.spawn(move || {
                    let wallet = wallet_of(byte);
                    start.wait();
                    WalletFile::create(path, &wallet, "one", slow).is_ok().then_some(byte)
                })
            })
            .collect();
        threads.into_iter().filter_map(|thread| thread.join().expect("no panic")).collect()
    });
    let [byte] = created[..] else { panic!("{created:?} created it") };
    let (_, read) = WalletFile::open(&path, "one").expect("opens");
    assert_eq!(read.phrase().text(), wallet_of(byte).phrase().text());
}

#[test]
fn alice_does_not_lose_what_she_saved_in_another_window() {
    let folder = TempDir::new().expect("a folder");
    let alice = wallet_of(1);
    let mut here = WalletFile::create(at(&folder), &alice, "one", CHEAP).expect("created");
    let (mut there, mut read) = WalletFile::open(at(&folder), "one").expect("opens");
    read.add_address("rent").expect("an address");
    there.save(&read, "one", CHEAP).expect("saved");
    let refused = here.save(&alice, "one", CHEAP);
    assert!(matches!(refused, Err(FileError::Changed { .. })), "{refused:?}");
    let (_, read) = WalletFile::open(at(&folder), "one").expect("opens");
    assert_eq!(labels(&read), ["", "rent"]);
}

#[test]
fn a_file_that_is_gone_is_missing() {
    let folder = TempDir::new().expect("a folder");
    let missing = |error| matches!(error, Some(FileError::Missing { .. }));
    assert!(missing(WalletFile::open(at(&folder), "one").err()));
    let nowhere = folder.path().join("no").join("folder");
    // Of a new one the folder is missing, and not a wallet.
    let made = WalletFile::create(nowhere, &wallet_of(1), "one", CHEAP);
    assert!(matches!(made, Err(FileError::Io { .. })), "{made:?}");
    let mut file = WalletFile::create(at(&folder), &wallet_of(1), "one", CHEAP).expect("created");
    fs::remove_file(at(&folder)).expect("removed");
    assert!(missing(file.save(&wallet_of(1), "one", CHEAP).err()));
    assert!(files(folder.path()).is_empty());
}

#[cfg(unix)]
#[test]
fn nobody_else_reads_the_file_and_a_link_to_it_stays_one() {
    use std::os::unix::fs::{PermissionsExt, symlink};

    let folder = TempDir::new().expect("a folder");
    let mode = || fs::metadata(at(&folder)).expect("a file").permissions().mode() & 0o777;
    WalletFile::create(at(&folder), &wallet_of(1), "one", CHEAP).expect("created");
    assert_eq!(mode(), 0o600);
    fs::set_permissions(at(&folder), fs::Permissions::from_mode(0o644)).expect("changed");

    let link = folder.path().join("link");
    symlink("alice.wallet", &link).expect("a link");
    let (mut file, mut wallet) = WalletFile::open(&link, "one").expect("opens");
    wallet.add_address("rent").expect("an address");
    file.save(&wallet, "one", CHEAP).expect("saved");
    assert_eq!(mode(), 0o600);
    assert!(link.symlink_metadata().expect("a link").is_symlink());
    let (_, read) = WalletFile::open(at(&folder), "one").expect("opens");
    assert_eq!(labels(&read), ["", "rent"]);

    let dangling = folder.path().join("dangling");
    symlink("nothing", &dangling).expect("a link");
    let refused = WalletFile::create(dangling, &wallet_of(2), "one", CHEAP);
    assert!(matches!(refused, Err(FileError::Exists { .. })), "{refused:?}");
}

#[test]
fn a_writing_that_was_cut_short_leaves_the_old_wallet() {
    let folder = TempDir::new().expect("a folder");
    let mut alice = wallet_of(1);
    let mut file = WalletFile::create(at(&folder), &alice, "one", CHEAP).expect("created");
    let text = fs::read(at(&folder)).expect("bytes");
    for (name, length) in [(".wallet-a.tmp", 0), (".wallet-b.tmp", 1), (".wallet-c.tmp", 99)] {
        fs::write(folder.path().join(name), &text[..length]).expect("written");
    }
    assert!(WalletFile::open(at(&folder), "one").is_ok());
    alice.add_address("rent").expect("an address");
    file.save(&alice, "one", CHEAP).expect("saved");
    let (_, read) = WalletFile::open(at(&folder), "one").expect("opens");
    assert_eq!(labels(&read), ["", "rent"]);
}

/// Runs in a process of its own, which the next test kills. Alone it does nothing.
#[test]
fn saving_until_killed() {
    let Some(path) = std::env::var_os(KILLED) else { return };
    let (mut file, mut wallet) = WalletFile::open(path, "one").expect("opens");
    for round in 0_u64.. {
        wallet.set_label(0, &round.to_string().repeat(4)).expect("a label");
        file.save(&wallet, "one", CHEAP).expect("saved");
    }
}

#[test]
fn a_wallet_that_is_saved_while_its_process_is_killed_still_opens() {
    let folder = TempDir::new().expect("a folder");
    WalletFile::create(at(&folder), &wallet_of(1), "one", CHEAP).expect("created");
    let mut last = String::new();
    let mut changed = 0;
    for round in 0..25 {
        let mut child = Command::new(std::env::current_exe().expect("this test"))
            .args(["--exact", "saving_until_killed"])
            .env(KILLED, at(&folder))
            .stdout(Stdio::null())
            .spawn()
            .expect("a process");
        std::thread::sleep(Duration::from_millis(20 + 7 * round));
        child.kill().expect("killed");
        child.wait().expect("over");
        let (_, read) = WalletFile::open(at(&folder), "one").expect("opens");
        let label = labels(&read).swap_remove(0);
        changed += u32::from(label != last);
        last = label;
    }
    assert!(changed > 5, "the process saved in {changed} of 25 rounds");
}
