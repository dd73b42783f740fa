//! A disk without room: the reason is told before anybody hears that the node stops, and last.

use std::fs::File;
use std::process::Stdio;

use tempfile::tempdir;

use super::preload::failing;
use super::{ask, blocksmith, data, node, pay, through_shell, told};
use crate::program::Program;

const NO_ROOM: &str = "No space left on device";

#[test]
fn the_reason_of_an_end_is_there_before_anybody_is_told_and_is_the_last_line() {
    let home = tempdir().unwrap();
    for round in 0..7 {
        let kept = home.path().join(format!("data-{round}")).to_str().unwrap().to_string();
        let (full, log) = (home.path().join("full"), home.path().join("log"));
        let _ = std::fs::remove_file(&full);
        let arguments = ["node", "0", "--zeros", "0", "--data-dir", &kept, "--mine"];
        let arguments = &arguments[..6 + round % 2];
        let command = blocksmith(home.path(), arguments);
        let mut command = failing(command, &[("FULL", full.to_str().unwrap())]);
        let mut child =
            command.stdout(Stdio::piped()).stderr(File::create(&log).unwrap()).spawn().unwrap();
        let mut line = String::new();
        let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
        std::io::BufRead::read_line(&mut out, &mut line).unwrap();
        let address = line.split_whitespace().nth(2).unwrap().trim_start_matches("http://");
        assert!(pay(address).contains("201"));
        File::create(&full).unwrap();
        let answer = pay(address);
        let so_far = std::fs::read_to_string(&log).unwrap();
        assert!(!answer.contains(" 201 "), "{answer}");
        let outside =
            "the node had to stop: there is no room for its data (No space left on device";
        // One that mines may have stopped before it was asked: then it tells the log alone.
        if !answer.is_empty() || round % 2 == 0 {
            assert!(answer.contains(outside) && !answer.contains(&kept), "{answer}");
            assert!(so_far.contains(NO_ROOM), "told {answer:?} before {so_far}");
        }
        assert_eq!(child.wait().unwrap().code(), Some(1));
        let said = std::fs::read_to_string(&log).unwrap();
        let last = said.lines().last().unwrap();
        assert!(last.starts_with("blocksmith: the node had to stop: "), "{said}");
        for part in
            [&*kept, NO_ROOM, "make room", "no block or payment that the node confirmed is lost"]
        {
            assert!(last.contains(part), "{part}: {said}");
        }
        std::fs::remove_file(&full).unwrap();
        let arguments = ["node", "0", "--zeros", "0", "--data-dir", &kept];
        let (again, address) = node(&mut blocksmith(home.path(), &arguments));
        let status = ask(&address, "GET", "/api/v1/status", "");
        assert!(round % 2 == 1 || status.contains(r#""queued": 1"#), "{status}");
        again.terminate();
    }
}

#[test]
fn a_limit_on_files_is_named_and_ends_nobody_without_a_word() {
    let home = tempdir().unwrap();
    let kept = data(home.path(), "data", 300);
    let limited = |kilobytes: usize, arguments: &[&str]| {
        told(&mut through_shell(&format!("ulimit -f {}", 2 * kilobytes), home.path(), arguments))
    };
    // dash counts in halves of a kilobyte.
    let out = home.path().join("out.txt");
    let output = out.to_str().unwrap();
    let export = ["chain", "export", "--data-dir", &kept, "-o", output];
    let (code, _, said) = limited(8, &export);
    assert_eq!(code, 1, "{said}");
    for part in [output, "File too large", "ulimit -f"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(!out.exists(), "half an export stays");
    let import = home.path().join("import").to_str().unwrap().to_string();
    let arguments = ["chain", "import", "chain.txt", "--zeros", "0", "--data-dir", &import];
    let mut seen = 0;
    for kilobytes in [0, 4, 64, 256, 1_024, 1_536, 2_048] {
        let (code, _, said) = limited(kilobytes, &arguments);
        assert!([0, 1].contains(&code), "{kilobytes}: {code} {said}");
        if code == 1 {
            seen += 1;
            for part in [&*import, "File too large", "ulimit -f"] {
                assert!(said.contains(part), "{kilobytes}: {part}: {said}");
            }
        }
    }
    assert!(seen > 2, "it was never too small");
    let (code, said, error) = told(&mut blocksmith(home.path(), &arguments));
    assert_eq!(code, 0, "{error}");
    assert!(said.contains("imported: 300 blocks"), "{said}");
}

#[test]
fn files_that_cannot_be_written_are_named_and_not_left_half() {
    let home = tempdir().unwrap();
    std::fs::write(home.path().join("password"), "correct horse battery staple\n").unwrap();
    let wallet = ["wallet", "new", "--wallet", "made.json", "--password-file", "password"];
    let chain = ["chain", "new", "made.toml", "--name", "ours"];
    let mut deep = wallet;
    deep[3] = "sub/deep/made.json";
    let all = [(&wallet[..], "made.json"), (&deep, "sub/deep/made.json"), (&chain, "made.toml")];
    for (arguments, made) in all {
        let (code, out, said) = told(&mut through_shell("ulimit -f 0", home.path(), arguments));
        assert_eq!((code, &*out), (1, ""), "{arguments:?}: {said}");
        for part in [made, "File too large", "ulimit -f", "then run the command again"] {
            assert!(said.contains(part), "{arguments:?}: {part}: {said}");
        }
        assert!(!said.contains(".tmp"), "{arguments:?}: {said}");
        let there = std::fs::read_dir(home.path()).unwrap().count();
        assert_eq!(there, 1, "{arguments:?}: something but the password is left");
    }
    // Nor where not even a temporary file can be made, and where a folder has something in it.
    let mut elsewhere = wallet;
    elsewhere[3] = "/proc/made.json";
    let (code, _, said) = told(&mut blocksmith(home.path(), &elsewhere));
    assert!(code == 1 && said.contains("/proc/made.json can't be"), "{said}");
    assert!(!said.contains(".tmp") && !said.contains("no wallet file"), "{said}");
    std::fs::create_dir(home.path().join("mine")).unwrap();
    deep[3] = "mine/new/made.json";
    let (code, ..) = told(&mut through_shell("ulimit -f 0", home.path(), &deep));
    assert_eq!((code, std::fs::read_dir(home.path().join("mine")).unwrap().count()), (1, 0));
    let elsewhere = ["chain", "new", "nowhere/made.toml", "--name", "ours"];
    let (code, _, said) = told(&mut blocksmith(home.path(), &elsewhere));
    assert!(code == 1 && said.contains("nowhere/made.toml: there is no such folder"), "{said}");
    // A miner goes on with an id that is not kept.
    let mine = ["mine", "http://127.0.0.1:9", "--coins", "1"];
    let mut miner = Program::spawn(&mut through_shell("ulimit -f 0", home.path(), &mine));
    crate::program::wait_until("the id", || miner.stderr().contains("the coins go to"));
    miner.terminate();
    miner.wait();
    let said = miner.stderr();
    for part in ["miner-id can't be written", "File too large", "--id sets one"] {
        assert!(said.contains(part), "{part}: {said}");
    }
    let left = std::fs::read_dir(home.path().join("blocksmith")).unwrap().count();
    assert_eq!(left, 0, "half an id is left");
}

#[test]
fn a_dev_network_whose_disk_is_full_says_so() {
    let home = tempdir().unwrap();
    let full = home.path().join("full");
    let kept = home.path().join("data").to_str().unwrap().to_string();
    let arguments = ["dev", "--port", "0", "--nodes", "2", "--zeros", "1", "--data-dir", &kept];
    let command = blocksmith(home.path(), &arguments);
    let mut dev = Program::spawn(&mut failing(command, &[("FULL", full.to_str().unwrap())]));
    dev.until_so("a block", |line| line.starts_with("block 2"));
    File::create(&full).unwrap();
    assert_eq!(super::code(&mut dev), Some(1));
    let said = dev.stderr();
    let last = said.lines().last().unwrap();
    for part in ["a node had to stop", &kept, NO_ROOM, "make room"] {
        assert!(last.contains(part), "{part}: {said}");
    }
}

#[test]
fn a_disk_that_is_full_at_the_start_is_named() {
    let home = tempdir().unwrap();
    let full = home.path().join("full");
    File::create(&full).unwrap();
    let kept = data(home.path(), "data", 3);
    let new = home.path().join("new").to_str().unwrap().to_string();
    for arguments in [
        vec!["node", "0", "--zeros", "0", "--data-dir", &kept],
        vec!["node", "0", "--zeros", "0", "--data-dir", &new],
        vec!["chain", "import", "chain.txt", "--zeros", "0", "--data-dir", &new],
    ] {
        let command = blocksmith(home.path(), &arguments);
        let (code, _, said) = told(&mut failing(command, &[("FULL", full.to_str().unwrap())]));
        assert_eq!(code, 1, "{arguments:?}: {said}");
        for part in [*arguments.last().unwrap(), NO_ROOM, "make room"] {
            assert!(said.contains(part), "{part}: {said}");
        }
    }
}

#[test]
fn too_few_files_are_named_by_a_node_and_never_a_panic() {
    let home = tempdir().unwrap();
    let kept = home.path().join("data").to_str().unwrap().to_string();
    let mut named = 0;
    for files in 4..30 {
        let before = format!("ulimit -n {files}");
        let arguments = ["node", "0", "--data-dir", &kept];
        let mut node = Program::spawn(&mut through_shell(&before, home.path(), &arguments));
        let started = node.first_line().is_some();
        if started {
            node.terminate();
        }
        let code = super::code(&mut node);
        let said = node.stderr();
        // Below that the system's own loader finds no file.
        if code == Some(127) {
            continue;
        }
        assert_eq!(code, Some(if started { 0 } else { 1 }), "{files}: {said}");
        if !started {
            named += 1;
            assert!(said.contains("ulimit -n"), "{files}: {said}");
        }
    }
    assert!(named > 2, "{named}");
}
