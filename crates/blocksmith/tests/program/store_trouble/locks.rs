//! One process uses a data directory, or it is refused.

use std::path::Path;
use std::process::Command;

use blocksmith::service::Checked;
use redb::{Database, StorageBackend as _};
use tempfile::tempdir;

use super::preload::failing;
use super::{blocksmith, code, data, node, pay, told};
use crate::program::Program;

/// Every command that opens a data directory.
fn commands(data: &str) -> Vec<Vec<&str>> {
    let open = ["--zeros", "0", "--data-dir", data];
    [
        &["node", "0"][..],
        &["dev", "--port", "0", "--nodes", "1", "--blocks", "1"],
        &["chain", "import", "chain.txt"],
        &["chain", "export"],
        &["chain", "show"],
        &["chain", "verify", "--replay"],
    ]
    .iter()
    .map(|command| [*command, &open].concat())
    .collect()
}

#[test]
fn a_file_system_without_locks_is_refused_by_whatever_opens_a_directory() {
    let home = tempdir().unwrap();
    let kept = data(home.path(), "data", 3);
    // Not supported, not there, and no locks left, as NFS has it.
    for error in ["95", "38", "37"] {
        for arguments in commands(&kept) {
            let command = blocksmith(home.path(), &arguments);
            let (code, out, said) =
                told(&mut failing(command, &[("FLOCK", error), ("FCNTL", error)]));
            assert_eq!((code, &*out), (1, ""), "{arguments:?}: {said}");
            assert!(
                said.contains(&kept)
                    && said.contains("can't be locked")
                    && said.contains("--data-dir"),
                "{arguments:?}: {said}"
            );
        }
    }
    // Nothing happened to it.
    for arguments in &commands(&kept)[2..] {
        let (code, _, said) = told(&mut blocksmith(home.path(), arguments));
        assert_eq!(code, 0, "{arguments:?}: {said}");
    }
}

#[test]
fn a_second_process_is_kept_out_where_the_database_finds_no_locks_for_its_file() {
    let home = tempdir().unwrap();
    let kept = data(home.path(), "data", 3);
    let unlocked = |arguments: &[&str]| {
        failing(blocksmith(home.path(), arguments), &[("FCNTL", "95"), ("DATABASE_FLOCK", "95")])
    };
    let arguments = commands(&kept);
    let (mut first, address) = node(&mut unlocked(&arguments[0]));
    for arguments in &arguments {
        // A network has folders of its own in there, and what only reads asks the node.
        if arguments[0] == "dev" || ["export", "show"].contains(&arguments[1]) {
            continue;
        }
        let (code, _, said) = told(&mut unlocked(arguments));
        assert_eq!(code, 5, "{arguments:?}: {said}");
        assert!(said.contains(&kept) && said.contains("is in use"), "{said}");
    }
    assert!(pay(&address).contains("201"));
    first.terminate();
    assert_eq!(code(&mut first), Some(0));
    assert_eq!(told(&mut blocksmith(home.path(), &arguments[5])).0, 0);
}

#[test]
fn of_many_that_start_at_once_one_runs() {
    let home = tempdir().unwrap();
    let kept = home.path().join("new").to_str().unwrap().to_string();
    let arguments = ["node", "0", "--data-dir", &kept];
    let mut nodes: Vec<_> =
        (0..6).map(|_| Program::spawn(&mut blocksmith(home.path(), &arguments))).collect();
    // The others end by themselves.
    let mut refused = 0;
    crate::program::wait_until("all but one to end", || {
        refused = nodes.iter_mut().filter_map(|node| node.ended()).count();
        refused == 5
    });
    for mut node in nodes {
        match node.ended() {
            Some(status) => {
                assert_eq!(status.code(), Some(5), "{}", node.stderr());
                assert!(node.stderr().contains("is in use"), "{}", node.stderr());
            }
            None => {
                node.url();
            }
        }
    }
}

#[test]
fn a_node_that_was_killed_keeps_nobody_out() {
    let home = tempdir().unwrap();
    let kept = home.path().join("data").to_str().unwrap().to_string();
    for _ in 0..5 {
        let arguments = ["node", "0", "--zeros", "0", "--data-dir", &kept];
        let (mut node, address) = node(&mut blocksmith(home.path(), &arguments));
        assert!(pay(&address).contains("201"));
        node.signal("-KILL");
        node.wait();
    }
    let arguments = ["chain", "verify", "--replay", "--zeros", "0", "--data-dir", &kept];
    let (code, _, said) = told(&mut blocksmith(home.path(), &arguments));
    assert_eq!(code, 0, "{said}");
}

/// Makes a store's file one of the earlier version, which had no checksums.
fn unchecked(file: &Path) {
    let storage = Checked::open(file).unwrap();
    let mut plain = vec![0; storage.len().unwrap() as usize];
    storage.read(0, &mut plain).unwrap();
    drop(storage);
    std::fs::write(file, plain).unwrap();
}

#[test]
fn an_older_version_that_locks_only_the_database_keeps_others_out_too() {
    let home = tempdir().unwrap();
    let kept = data(home.path(), "data", 3);
    let file = home.path().join("data/chain.redb");
    unchecked(&file);
    let _older = Database::open(file).unwrap();
    for arguments in commands(&kept) {
        // A network has folders of its own in there, and what only reads asks the node.
        if arguments[0] == "dev" || ["export", "show"].contains(&arguments[1]) {
            continue;
        }
        let (code, _, said) = told(&mut blocksmith(home.path(), &arguments));
        assert_eq!(code, 5, "{arguments:?}: {said}");
    }
}

#[test]
fn a_directory_that_is_not_one_or_not_for_everybody_is_named_with_what_helps() {
    let home = tempdir().unwrap();
    let file = home.path().join("file");
    std::fs::write(&file, "something").unwrap();
    let folder = home.path().join("folder");
    std::fs::create_dir_all(folder.join("chain.redb")).unwrap();
    let locked = home.path().join("locked");
    std::fs::create_dir_all(locked.join("lock")).unwrap();
    std::fs::write(locked.join("chain.redb"), "something").unwrap();
    for (dir, why) in [
        (file.clone(), "not a directory"),
        (file.join("below"), "ot a directory"),
        (folder, "directory"),
        (locked, "directory"),
        ("/proc/nowhere".into(), "No such file"),
    ] {
        let dir = dir.to_str().unwrap();
        let arguments = ["node", "0", "--data-dir", dir];
        let (code, _, said) = told(&mut blocksmith(home.path(), &arguments));
        assert_eq!(code, 1, "{dir}: {said}");
        let way_out = said.contains("--data-dir") || said.contains("move chain.redb");
        assert!(said.contains(dir) && said.contains(why) && way_out, "{dir}: {said}");
        assert_eq!(said.lines().count(), 1, "{said}");
    }
}

#[test]
fn what_is_written_into_a_directory_that_was_removed_is_not_acknowledged() {
    let home = tempdir().unwrap();
    let kept = home.path().join("data").to_str().unwrap().to_string();
    let arguments = ["node", "0", "--zeros", "0", "--data-dir", &kept];
    let (mut node, address) = node(&mut blocksmith(home.path(), &arguments));
    assert!(pay(&address).contains("201"));
    assert!(Command::new("mv").args([&kept, &format!("{kept}.away")]).status().unwrap().success());
    let answer = pay(&address);
    assert!(!answer.contains(" 201 "), "{answer}");
    assert_eq!(code(&mut node), Some(1));
    let said = node.stderr();
    let last = said.lines().last().unwrap();
    assert!(last.contains(&kept) && last.contains("moved or removed"), "{said}");
}

#[test]
fn what_is_no_file_in_the_place_of_the_lock_is_named_and_keeps_nobody_waiting() {
    let home = tempdir().unwrap();
    let kept = data(home.path(), "data", 3);
    let lock = home.path().join("data").join("lock");
    for (make, undo) in [("mkfifo", "rm"), ("mkdir", "rmdir")] {
        let _ = std::fs::remove_file(&lock);
        assert!(Command::new(make).arg(&lock).status().unwrap().success());
        // The nodes of dev have folders of their own in there.
        for arguments in commands(&kept).into_iter().filter(|arguments| arguments[0] != "dev") {
            let (code, _, said) = told(&mut blocksmith(home.path(), &arguments));
            assert_eq!(code, 1, "{arguments:?}: {said}");
            assert!(
                said.contains("lock in it is not a file; move it away"),
                "{arguments:?}: {said}"
            );
        }
        assert!(Command::new(undo).arg(&lock).status().unwrap().success());
        let verify = ["chain", "verify", "--replay", "--zeros", "0", "--data-dir", &kept];
        let (code, _, said) = told(&mut blocksmith(home.path(), &verify));
        assert_eq!(code, 0, "{said}");
    }
}
