//! Outputs that can't be written, or that nobody reads.

use std::fs::File;
use std::path::Path;
use std::process::{Command, Stdio};

use tempfile::tempdir;

use super::{blocksmith, data, told};

/// Commands that print, with what they need.
fn commands(home: &Path) -> Vec<Vec<String>> {
    let kept = data(home, "data", 30);
    std::fs::write(home.join("password"), "correct horse battery staple\n").unwrap();
    std::fs::write(home.join("bad.txt"), "{}\n").unwrap();
    let made = home.join("wallet.json");
    let new = ["wallet", "new", "--wallet", "wallet.json", "--password-file", "password"];
    let (code, _, said) = told(&mut blocksmith(home, &new));
    assert!(code == 0 && made.exists(), "{said}");
    let wallet = ["--wallet", "wallet.json", "--password-file", "password"];
    let open = ["--data-dir", &*kept];
    [
        vec!["chain", "export", open[0], open[1]],
        vec!["chain", "show", open[0], open[1]],
        vec!["chain", "show", "--json", open[0], open[1]],
        vec!["chain", "verify", "chain.txt", "--zeros", "0"],
        vec!["chain", "verify", "chain.txt", "--zeros", "0", "--json"],
        vec!["chain", "verify", "--replay", "--zeros", "0", open[0], open[1]],
        vec!["chain", "import", "chain.txt", "--zeros", "0", open[0], open[1]],
        vec!["chain", "new", "ours.toml", "--name", "ours"],
        vec!["block", "hash", "bad.txt"],
        vec!["prove", "abc", "--zeros", "1"],
        vec!["bench", "--rounds", "1", "--seconds", "0.01", "--threads", "1"],
        vec!["dev", "--port", "0", "--nodes", "1", "--zeros", "0", "--blocks", "1"],
        [&["wallet", "export"][..], &wallet].concat(),
        [&["wallet", "address"][..], &wallet].concat(),
    ]
    .into_iter()
    .map(|command| command.into_iter().map(String::from).collect())
    .collect()
}

fn command(home: &Path, arguments: &[String]) -> Command {
    let _ = std::fs::remove_file(home.join("ours.toml"));
    blocksmith(home, &arguments.iter().map(String::as_str).collect::<Vec<_>>())
}

#[test]
fn a_standard_output_without_room_is_named_with_the_reason_and_the_way_out() {
    let home = tempdir().unwrap();
    let mut all = commands(home.path());
    let node = ["node", "0", "--data-dir", "other"];
    all.push(node.map(String::from).to_vec());
    for arguments in all {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let output = command(home.path(), &arguments)
            .stdout(full)
            .stderr(Stdio::piped())
            .spawn()
            .unwrap()
            .wait_with_output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{arguments:?}: {said}");
        let last = said.lines().last().unwrap_or_default();
        let way_out = "make room on that disk and run the command again";
        for part in ["blocksmith: ", "the standard output", "No space left on device", way_out] {
            assert!(last.contains(part), "{arguments:?}: {part}: {said}");
        }
    }
}

#[test]
fn whoever_stops_reading_has_seen_enough() {
    let home = tempdir().unwrap();
    for arguments in commands(home.path()) {
        let mut child = command(home.path(), &arguments)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        drop(child.stdout.take());
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(0), "{arguments:?}: {said}");
        assert!(!said.contains("pipe"), "{arguments:?}: {said}");
    }
}

#[test]
fn a_standard_error_that_cannot_be_written_changes_nothing() {
    let home = tempdir().unwrap();
    let mut all: Vec<_> = commands(home.path()).into_iter().map(|command| (0, command)).collect();
    let bad = |arguments: &[&str]| arguments.iter().map(ToString::to_string).collect::<Vec<_>>();
    all.push((1, bad(&["chain", "verify", "bad.txt"])));
    all.push((1, bad(&["chain", "export", "--data-dir", "nowhere"])));
    all.push((2, bad(&["node", "0", "--chain", "nothing"])));
    for (code, arguments) in all {
        let full = File::options().write(true).open("/dev/full").unwrap();
        let status =
            command(home.path(), &arguments).stdout(Stdio::null()).stderr(full).status().unwrap();
        assert_eq!(status.code(), Some(code), "{arguments:?}");
    }
}
