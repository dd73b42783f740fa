//! Commands about a data directory that a running node uses.

use std::path::Path;

use crate::program::{Program, post};

/// The exit code of a command, what it prints, and what it says besides.
fn ran(home: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut program = Program::start_in(home, args);
    let code = program.wait().code();
    (code, program.rest().join("\n"), program.stderr())
}

#[test]
fn a_chain_is_read_from_the_node_that_uses_its_folder() {
    let home = tempfile::tempdir().unwrap();
    let home = home.path();
    let data = home.join("data").display().to_string();
    for bind in ["127.0.0.1", "0.0.0.0"] {
        // Only the loopback address is called.
        if bind == "0.0.0.0" && !cfg!(target_os = "linux") {
            continue;
        }
        let mut node = Program::start_in(home, &["node", "0", "--data-dir", &data, "--bind", bind]);
        let url = node.url().replace("0.0.0.0", "127.0.0.1");
        post(&url, "/transactions/new", r#"{"sender":"a","recipient":"b","amount":1}"#);
        let (code, shown, said) = ran(home, &["chain", "show", "--data-dir", &data]);
        assert!(code == Some(0) && shown.contains("proof"), "{said}");
        assert!(
            said.contains(&format!(
                "a node uses this data directory, so the chain comes from {url}"
            )),
            "{said}"
        );
        let (code, text, _) = ran(home, &["chain", "export", "--data-dir", &data]);
        assert!(code == Some(0) && text.contains("\"length\": 1"), "{text}");
        // What needs the folder for itself says who has it.
        let in_use = format!("{data} is in use by the node at {url}; stop it, or choose another");
        let file = home.join("chain.jsonl");
        std::fs::write(&file, text).unwrap();
        for args in [
            &["node", "0", "--data-dir", &data][..],
            &["chain", "import", file.to_str().unwrap(), "--data-dir", &data],
            &["chain", "verify", "--replay", "--data-dir", &data],
        ] {
            let (code, _, said) = ran(home, args);
            assert!(code == Some(5) && said.contains(&in_use), "{args:?}: {said}");
        }
        let (_, _, said) = ran(home, &["chain", "verify", "--replay", "--data-dir", &data]);
        assert!(said.contains(&format!("blocksmith chain verify {url} --replay")), "{said}");
        // However the node ends, its word is over.
        node.signal(if bind == "0.0.0.0" { "-KILL" } else { "-TERM" });
        node.wait();
        let (code, shown, said) = ran(home, &["chain", "show", "--data-dir", &data]);
        assert!(code == Some(0) && shown.contains("proof") && said.is_empty(), "{said}");
    }
}

#[test]
fn a_file_in_the_way_of_a_folder_is_named() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("afile").display().to_string();
    std::fs::write(&file, "text").unwrap();
    for dir in [file.clone(), format!("{file}/below"), format!("{file}/far/below")] {
        let (code, _, said) = ran(home.path(), &["node", "0", "--data-dir", &dir]);
        let told =
            format!("{dir} can't be made: {file} is a file, not a directory; choose another");
        assert!(code == Some(1) && said.contains(&told), "{said}");
    }
}

#[test]
fn a_folder_in_use_by_another_command_or_with_an_odd_file_names_no_node() {
    let home = tempfile::tempdir().unwrap();
    let (home, data) = (home.path(), home.path().join("data"));
    let dir = data.to_str().unwrap();
    let mut node = Program::start_in(home, &["node", "0", "--data-dir", dir]);
    let url = node.url();
    for odd in [
        "",
        "http://a\u{1b}[31m",
        "ftp://h:1",
        &format!("{url}\n; rm -r x"),
        &"http://".repeat(100),
    ] {
        // Another program wrote into the file.
        std::fs::write(data.join("lock"), odd).unwrap();
        let (code, _, said) = ran(home, &["chain", "show", "--data-dir", dir]);
        assert!(
            code == Some(5) && said.contains("is in use by another node or command"),
            "{odd}: {said}"
        );
    }
}
