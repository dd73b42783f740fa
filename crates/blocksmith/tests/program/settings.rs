//! Where a node's settings come from, and what happens to those that make no sense.

use std::path::Path;

use crate::program::Program;

/// A node's start-up line, which names its chain and its id.
fn started(home: &Path, environment: &[(&str, &str)], args: &[&str]) -> String {
    let mut all = vec!["node", "--data-dir", home.to_str().unwrap()];
    all.extend(args);
    let mut node = Program::start_with(home, environment, &all);
    assert!(node.url().starts_with("http://127.0.0.1:"));
    crate::program::wait_until("the start-up line", || node.stderr().contains("data in"));
    node.terminate();
    assert_eq!(node.wait().code(), Some(0), "{}", node.stderr());
    node.stderr()
}

/// How a command ends, which does so soon, and what it says.
fn refused(args: &[&str]) -> (Option<i32>, String) {
    let mut program = Program::start(args);
    (program.wait().code(), program.stderr())
}

#[test]
fn a_flag_comes_before_the_environment_and_that_before_the_file() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("settings.toml");
    std::fs::write(&file, "port = 0\nid = \"from-file\"\n").unwrap();
    let config = file.to_str().unwrap();
    let from_file = started(home.path(), &[("BLOCKSMITH_CONFIG", config)], &[]);
    assert!(from_file.contains("node id from-file;"), "{from_file}");
    let environment = [("BLOCKSMITH_CONFIG", config), ("BLOCKSMITH_ID", "from-environment")];
    let from_environment = started(home.path(), &environment, &[]);
    assert!(from_environment.contains("node id from-environment;"), "{from_environment}");
    let from_flag = started(home.path(), &environment, &["--id", "from-flag"]);
    assert!(from_flag.contains("node id from-flag;"), "{from_flag}");
}

#[test]
fn a_settings_file_that_editors_went_through_says_the_same() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("settings.toml");
    let text = "# Of the node\r\nport = 0\r\nid = \"Zoë\"\r\n";
    let marked = format!("\u{feff}{text}");
    for (place, bytes) in [
        marked.clone().into_bytes(),
        marked.encode_utf16().flat_map(u16::to_le_bytes).collect(),
        marked.encode_utf16().flat_map(u16::to_be_bytes).collect(),
        text.replace("\r\n", "\r").into_bytes(),
        text.replace(" = ", "\u{a0}= ").trim_end().as_bytes().to_vec(),
    ]
    .into_iter()
    .enumerate()
    {
        std::fs::write(&file, bytes).unwrap();
        let config = [("BLOCKSMITH_CONFIG", file.to_str().unwrap())];
        let said = started(&home.path().join(place.to_string()), &config, &[]);
        assert!(said.contains("node id Zoë;"), "{place}: {said}");
    }
    for (bytes, why) in [
        (&b"port = 0\nid = \"Zo\xeb\"\n"[..], "line 2, column 9: the text there is neither UTF-8"),
        (
            "port \u{2014} 0\n".as_bytes(),
            "line 1, column 6: — (U+2014, em dash) is not allowed there",
        ),
    ] {
        std::fs::write(&file, bytes).unwrap();
        let (code, said) = refused(&["node", "--config", file.to_str().unwrap()]);
        assert!(code == Some(1) && said.contains(why), "{said}");
    }
}

#[test]
fn the_port_that_is_typed_comes_before_the_one_in_the_environment() {
    let home = tempfile::tempdir().unwrap();
    started(home.path(), &[("BLOCKSMITH_PORT", "1")], &["0"]);
    started(home.path(), &[("BLOCKSMITH_PORT", "1")], &["--port", "0"]);
}

#[test]
fn two_nodes_on_free_ports_have_a_folder_each() {
    let home = tempfile::tempdir().unwrap();
    let mut nodes = [(); 2].map(|()| {
        let mut node = Program::start_in(home.path(), &["node", "--port", "0"]);
        let port = node.url().rsplit(':').next().unwrap().to_string();
        (node, port)
    });
    for (node, port) in &mut nodes {
        let folder = format!("/{port}\n");
        crate::program::wait_until("the start-up line", || node.stderr().contains("data in"));
        assert!(node.stderr().contains(&folder), "{port}: {}", node.stderr());
        node.terminate();
        assert_eq!(node.wait().code(), Some(0), "{}", node.stderr());
    }
}

#[test]
fn a_node_that_mines_for_nobody_is_told_so_as_a_command_line_says_it() {
    let home = tempfile::tempdir().unwrap();
    let data_dir = home.path().to_str().unwrap();
    let (code, said) =
        refused(&["node", "0", "--chain", "forge", "--mine", "--data-dir", data_dir]);
    assert!(code == Some(2) && said.contains("--mine needs --to ADDRESS"), "{said}");
    assert!(!said.contains("?recipient"), "{said}");
}

#[test]
fn the_zeros_of_a_settings_file_are_those_of_its_chain() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("settings.toml");
    std::fs::write(&file, "port = 0\nchain = \"course\"\nzeros = 2\n").unwrap();
    let config = [("BLOCKSMITH_CONFIG", file.to_str().unwrap())];
    let course = started(&home.path().join("a"), &config, &[]);
    assert!(course.contains("course with 2 zeros"), "{course}");
    let lecture = started(&home.path().join("b"), &config, &["--chain", "lecture"]);
    assert!(lecture.contains("lecture with 4 zeros"), "{lecture}");
}

#[test]
fn what_makes_no_sense_is_a_matter_of_usage() {
    let long = "x".repeat(300);
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().to_str().unwrap();
    for (args, named) in [
        (&["node", "--chain", "lectur"][..], "lectur"),
        (&["node", "--peer", "http://"], "is not the address of a peer"),
        (&["node", "--peer", "5001"], "as in localhost:5001"),
        (&["node", "--peer", "https://localhost:7001/api"], "https is not supported yet"),
        (&["node", "--peer", "ftp://localhost:7001"], "not by ftp"),
        (&["node", "--peer", "localhost"], "localhost:5000"),
        (&["node", "--peer", "localhost:7001/chain"], "write localhost:7001"),
        (&["node", "--peer", "a:1,,b:1"], "write a host and a port"),
        (&["node", "--peer", ""], "write a host and a port"),
        (&["node", "7001", "7002"], "7002"),
        (&["node", "--port", "7001", "7002"], "both name the port"),
        (&["node", "7001", "--port=7002"], "both name the port"),
        (&["node", "--chain", "dvf", "--chain", "course"], "--chain"),
        (&["node", "--id", "  "], "only spaces in it"),
        (&["node", "--id", "alice "], "write \"alice\""),
        (&["mine", "--to", "\u{a0}alice"], "write \"alice\""),
        (&["mine", "localhost:5000/?x=1"], "leave \"?x=1\" out"),
        (&["mine", "localhost:5000#top"], "\"#top\""),
        (&["mine", "localhost"], "localhost:5000"),
        (&["chain", "verify", "http://localhost:1/#top"], "\"#top\""),
        (&["chain", "show", "localhost:1", "--data-dir", "x"], "not from both"),
        (&["chain", "show", "localhost:1", "--chain", "dvf"], "change nothing"),
        (&["chain", "export", "localhost:1", "--port", "5000"], "not from both"),
        (&["chain", "export", "--data-dir", "x", "--port", "5000"], "leave one of them out"),
        (&["chain", "verify", "-", "--data-dir", "x"], "not from both"),
        (&["chain", "import", "-", "--data-dir", "x", "--port", "1"], "leave one of them out"),
        (&["peers", "add", "localhost"], "localhost:5000"),
        (&["mine", "5001"], "as in localhost:5001"),
        (&["chain", "show", "5001"], "as in localhost:5001"),
        (&["node", "--id", "two\nlines"], "one line"),
        (&["node", "0", "--chain", "forge", "--data-dir", dir, "--id", "alice"], "go to addresses"),
        (&["node", "0", "--chain", "forge", "--data-dir", dir, "--mine"], "needs --to ADDRESS"),
        (&["mine", "--id", &long], "256 bytes"),
        (&["mine", "--id", ""], "one line"),
    ] {
        let (code, said) = refused(args);
        assert_eq!(code, Some(2), "{args:?}: {said}");
        assert!(said.contains(named), "{args:?}: {said}");
        // Nothing that a terminal obeys is shown as if somebody had typed it.
        assert!(!said.contains("u{1b}"), "{args:?}: {said}");
    }
    let (code, said) = refused(&["node", "0", "--bind", "nonsense.invalid"]);
    assert!(code == Some(1) && said.contains("--bind"), "{said}");
}

/// The status of `GET /chain` under a name, and with an origin whether its page may read the answer.
fn named(port: &str, host: &str, origin: &str) -> (String, bool) {
    use std::io::{Read as _, Write as _};
    let mut stream = std::net::TcpStream::connect(format!("127.0.0.1:{port}")).unwrap();
    let request = format!(
        "GET /chain HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nConnection: close\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let allowed = format!("access-control-allow-origin: {origin}\r\n");
    (answer[9..12].into(), answer.contains(&allowed) && answer.contains("vary: Origin\r\n"))
}

#[test]
fn names_and_origins_come_from_a_flag_the_environment_or_the_file() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("settings.toml");
    let settings = "port = 0\nhosts = [\"file.example\"]\ncors = [\"http://file.example:3000\"]\n";
    std::fs::write(&file, settings).unwrap();
    let data = home.path().join("data");
    let base = ["node", "--config", file.to_str().unwrap(), "--data-dir", data.to_str().unwrap()];
    let environment = [
        ("BLOCKSMITH_HOSTS", "a.example,b.example"),
        ("BLOCKSMITH_CORS", "http://page.example,https://b.example:8443"),
    ];
    let flags = ["--host", "c.example", "--host", "D.example.", "--cors", "http://other.example"];
    for (environment, args, good, bad) in [
        (
            &[][..],
            &[][..],
            &[("file.example:9", "http://file.example:3000")][..],
            &[("a.example", "http://page.example")][..],
        ),
        (
            &environment,
            &[],
            &[("a.example", "http://page.example"), ("b.example", "https://b.example:8443")],
            &[("file.example", "http://file.example:3000")],
        ),
        (
            &environment,
            &flags,
            &[("c.example", "http://other.example"), ("d.example", "http://other.example")],
            &[("a.example", "http://page.example")],
        ),
    ] {
        let args = [&base[..], args].concat();
        let mut node = Program::start_with(home.path(), environment, &args);
        let url = node.url();
        let (_, port) = url.rsplit_once(':').unwrap();
        for (host, origin) in good {
            assert_eq!(named(port, host, origin), ("200".into(), true), "{host} {origin}");
        }
        for (host, origin) in bad {
            assert_eq!(named(port, host, origin), ("421".into(), false), "{host} {origin}");
            assert_eq!(named(port, "localhost", origin), ("200".into(), false), "{host} {origin}");
        }
        node.terminate();
        node.wait();
    }
    for (wrong, says) in [
        (["--host", "http://x.example"], "write only a name"),
        (["--host", "x.example:80"], "write only a name"),
        (["--cors", "localhost:3000"], "http://localhost:3000"),
        (["--cors", "null"], "http.server"),
        (["--cors", "*"], "one --cors for each origin"),
    ] {
        for command in ["node", "dev"] {
            let (code, said) = refused(&[&[command, "--port", "0"], &wrong[..]].concat());
            assert!(code == Some(2) && said.contains(says), "{command} {wrong:?}: {said}");
        }
    }
    std::fs::write(&file, "hosts = [\"http://x\"]").unwrap();
    let (code, said) = refused(&["node", "--config", file.to_str().unwrap()]);
    assert!(code == Some(1) && said.contains("has a mistake: hosts: "), "{said}");
}

#[test]
fn what_the_environment_leaves_empty_is_not_set() {
    let home = tempfile::tempdir().unwrap();
    let empty = ["PORT", "CHAIN", "ZEROS", "BIND", "PEERS", "ID", "TOKEN_FILE", "CONFIG", "LOG"];
    let names = empty.map(|name| format!("BLOCKSMITH_{name}"));
    let environment: Vec<_> = names.iter().map(|name| (&**name, "")).collect();
    let said = started(home.path(), &environment, &["--port", "0"]);
    assert!(said.contains("lecture with 4 zeros"), "{said}");
    assert!(said.contains(&format!("data in {}", home.path().display())), "{said}");
    // Here it comes second, as ever.
    started(home.path(), &[("BLOCKSMITH_PORT", "1"), ("BLOCKSMITH_DATA_DIR", "x")], &["0"]);
}

#[test]
fn what_the_environment_says_in_vain_is_named() {
    let home = tempfile::tempdir().unwrap();
    let environment = [
        ("BLOCKSMITH_PEER", "localhost:1"),
        ("BLOCKSMITH_MINE", "1"),
        ("BLOCKSMITH_WALLET", "for-another-command"),
        ("BLOCKSMITH_LOG", "debgu"),
    ];
    let said = started(home.path(), &environment, &["0"]);
    for named in [
        "BLOCKSMITH_PEER in the environment has no effect; BLOCKSMITH_PEERS sets --peer",
        "BLOCKSMITH_MINE in the environment has no effect; type --mine instead",
        "BLOCKSMITH_LOG can't be \"debgu\": it must be off, error, warn,",
    ] {
        assert_eq!(said.matches(named).count(), 1, "{named}: {said}");
    }
    assert!(!said.contains("BLOCKSMITH_WALLET"), "{said}");
    for right in ["warn", "off", "blocksmith=debug", "info,hyper=off"] {
        let said = started(home.path(), &[("BLOCKSMITH_LOG", right)], &["0"]);
        assert!(!said.contains("BLOCKSMITH_LOG"), "{said}");
    }
}

#[test]
fn a_settings_file_is_taken_as_the_command_line_is() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("settings.toml");
    for (text, named, code) in [
        ("id = \"  \"", "only spaces in it", 1),
        ("id = \"bob \"", "write \"bob\"", 1),
        ("peers = [\"https://h:1\"]", "https is not supported yet", 1),
        ("peers = [\"\"]", "peers is empty", 1),
        ("data_dir = \"\"", "data_dir is empty", 1),
        ("bind = \"\"", "bind is empty", 1),
        ("peer = [\"h:1\"]", "there is no setting peer; did you mean peers?", 1),
        ("prot = 5000", "did you mean port?", 1),
        ("qqq = 1", "there is no setting qqq; `blocksmith config example`", 1),
        ("port = \"5000\"", "port must be a whole number, as in port = 5000", 1),
        ("port = 70000", "port: ", 1),
        ("peers = \"h:1\"", "peers must be a list of texts", 1),
        ("id = 5", "id must be one text in quotes", 1),
        ("[node]\nport = 5000", "node must be one text in quotes", 1),
    ] {
        std::fs::write(&file, text).unwrap();
        let (found, said) = refused(&["node", "0", "--config", file.to_str().unwrap()]);
        assert!(found == Some(code) && said.contains(named), "{text}: {found:?} {said}");
        assert!(said.contains(file.to_str().unwrap()), "{said}");
    }
}

/// The exit code of a command, what it prints, and what it says besides.
fn ran(home: &Path, environment: &[(&str, &str)], args: &[&str]) -> (Option<i32>, String, String) {
    let mut program = Program::start_with(home, environment, args);
    let code = program.wait().code();
    (code, program.rest().join("\n"), program.stderr())
}

/// A port at which nothing answers.
fn dead() -> String {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    format!("http://{}", taken.local_addr().unwrap())
}

#[test]
fn the_node_is_told_once_for_all_commands_that_call_one() {
    let home = tempfile::tempdir().unwrap();
    let (_node, url) = crate::program::node(&[]);
    let file = home.path().join("settings.toml");
    std::fs::write(&file, format!("node = \"{url}\"\nid = \"alice\"\n")).unwrap();
    let file = file.to_str().unwrap();
    let away = dead();
    for environment in [[("BLOCKSMITH_NODE", &*url)], [("BLOCKSMITH_CONFIG", file)]] {
        let ran = |args: &[&str]| ran(home.path(), &environment, args);
        let (code, said, _) = ran(&["peers", "list"]);
        assert!(code == Some(0) && said.contains("no peers"), "{said}");
        let (code, _, said) = ran(&["mine", "--coins", "1", "--id", "alice"]);
        assert!(code == Some(0) && said.contains(&format!("mining on {url}")), "{said}");
        let (code, said, _) = ran(&["chain", "verify"]);
        assert!(code == Some(0) && said.contains("valid: "), "{said}");
        let (code, _, said) = ran(&["wallet", "history"]);
        assert!(code == Some(1) && !said.contains("does not answer"), "{said}");
        // What is typed comes first.
        let (code, _, said) = ran(&["peers", "list", "--node", &away]);
        assert!(code == Some(3) && said.contains(&away), "{said}");
        let (code, _, said) = ran(&["chain", "verify", &away]);
        assert!(code == Some(3) && said.contains(&away), "{said}");
        // These are about the disk of this machine.
        for args in [&["chain", "show"][..], &["chain", "export"], &["chain", "verify", "--replay"]]
        {
            let (code, _, said) = ran(args);
            assert!(code == Some(1) && said.contains("there is no chain in"), "{args:?}: {said}");
            let way =
                format!("or name a node: blocksmith {} http://localhost:5000", args.join(" "));
            assert_eq!(said.contains(&way), args.len() == 2, "{args:?}: {said}");
        }
    }
    // A flag that needs a node is content with one that was told before.
    let node_of_file = [("BLOCKSMITH_CONFIG", file)];
    let gap = ["wallet", "restore", "--gap", "5", "--wallet", "x.json"];
    let (code, _, said) = ran(home.path(), &node_of_file, &gap);
    assert!(code == Some(1) && said.contains("has no accounts"), "{said}");
    // And the environment comes before the file.
    let both = [("BLOCKSMITH_NODE", &*away), ("BLOCKSMITH_CONFIG", file)];
    let (code, _, said) = ran(home.path(), &both, &["peers", "list"]);
    assert!(code == Some(3) && said.contains(&away), "{said}");
}

#[test]
fn every_command_reads_the_settings_file_that_is_where_the_system_keeps_them() {
    let home = tempfile::tempdir().unwrap();
    let place = |name: &str| home.path().join(name).display().to_string();
    let dir = home.path().join(".config/blocksmith");
    std::fs::create_dir_all(&dir).unwrap();
    std::fs::write(place("password"), "correct horse\n").unwrap();
    let text = format!(
        "wallet = \"{}\"\npassword_file = \"{}\"\nchain = \"forge\"\nport = 1\npeers = [\"h:1\"]\n",
        place("mine.json"),
        place("password")
    );
    std::fs::write(dir.join("config.toml"), text).unwrap();
    let (code, _, said) = ran(home.path(), &[], &["wallet", "new"]);
    assert!(code == Some(0) && Path::new(&place("mine.json")).exists(), "{said}");
    let (code, said, _) = ran(home.path(), &[], &["wallet", "address"]);
    assert!(code == Some(0) && said.starts_with("forge1"), "{said}");
    // The chain is that of `dev` as well, and a flag comes first.
    let (_, said, _) =
        ran(home.path(), &[], &["dev", "--port", "0", "--nodes", "1", "--blocks", "1"]);
    assert!(said.contains("The rules are forge-dev"), "{said}");
    let typed = ["dev", "--port", "0", "--nodes", "1", "--blocks", "1", "--chain", "lecture"];
    let (_, said, _) = ran(home.path(), &[], &typed);
    assert!(said.contains("The rules are lecture"), "{said}");
    // A port that is typed names the folder, whatever the file says of another.
    let data = format!("data_dir = \"{}\"", place("elsewhere"));
    std::fs::write(dir.join("config.toml"), data).unwrap();
    let (_, _, said) = ran(home.path(), &[], &["chain", "show", "--port", "7"]);
    assert!(said.contains("/7;") && !said.contains("elsewhere"), "{said}");
    // A command that takes no settings needs no good file.
    std::fs::write(dir.join("config.toml"), "port =").unwrap();
    for args in [&["config", "example"][..], &["prove", "99", "--zeros", "1"]] {
        let (code, _, said) = ran(home.path(), &[], args);
        assert_eq!(code, Some(0), "{said}");
    }
    let (code, _, said) = ran(home.path(), &[], &["peers", "list"]);
    assert!(code == Some(1) && said.contains(".config/blocksmith/config.toml"), "{said}");
}

#[test]
fn the_example_of_a_settings_file_is_one() {
    let home = tempfile::tempdir().unwrap();
    let (code, example, _) = ran(home.path(), &[], &["config", "example"]);
    assert_eq!(code, Some(0));
    assert!(example.contains(&format!("{}", home.path().join(".config/blocksmith").display())));
    let file = home.path().join("settings.toml");
    std::fs::write(&file, &example).unwrap();
    let config = ["--config", file.to_str().unwrap()];
    let (code, _, said) =
        ran(home.path(), &[], &[&["prove", "9", "--zeros", "1"], &config[..]].concat());
    assert_eq!(code, Some(0), "all of it is a comment: {said}");
    // Without the mark before each setting, it is what a node runs by.
    let is_setting = |line: &str| line.split_once(" = ").is_some_and(|(key, _)| !key.contains(' '));
    let settings: Vec<&str> = example
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .filter(|line| is_setting(line))
        .collect();
    assert_eq!(settings.len(), 14, "{settings:?}");
    // Nothing is written into the folder that the tests run in.
    let token = home.path().join("operator.token").display().to_string();
    let settings = settings.join("\n").replace("port = 5000", "port = 0");
    let settings = settings.replace("operator.token", &token);
    std::fs::write(&file, settings).unwrap();
    let data = home.path().join("data");
    let said = started(&data, &[], &config);
    assert!(said.contains("lecture with 4 zeros") && said.contains("node id alice"), "{said}");
    let (code, _, said) = ran(home.path(), &[], &[&["mine", "--coins", "x"], &config[..]].concat());
    assert_eq!(code, Some(2), "{said}");
}

/// A setting, a value for it, a command, and what that says which has taken the value; HOME is the
/// folder of the settings file.
const TAKEN: [(&str, &str, &[&str], &str); 14] = [
    ("node", "\"127.0.0.1:1\"", &["peers", "list"], "127.0.0.1:1"),
    ("id", "\" \"", &["mine"], "id: --id"),
    ("chain", "\"lectur\"", &["node", "0"], "lectur"),
    ("zeros", "70", &["node", "0"], "zeros: --zeros"),
    ("wallet", "\"no/w.json\"", &["wallet", "address"], "HOME/no/w.json"),
    ("password_file", "\"no/p\"", &["wallet", "new", "--wallet", "/no/w.json"], "HOME/no/p"),
    ("port", "70000", &["node"], "port: --port"),
    ("bind", "\"nonsense.invalid\"", &["node", "0"], "can't listen on nonsense.invalid"),
    ("peers", "[\"5001\"]", &["node", "0"], "peers: --peer"),
    ("data_dir", "\"no/data\"", &["chain", "show"], "HOME/no/data"),
    ("token_file", "\"no/token\"", &["peers", "forget", "localhost:1"], "HOME/no/token"),
    ("hosts", "[\"http://x\"]", &["node", "0"], "hosts: --host"),
    ("cors", "[\"*\"]", &["node", "0"], "cors: --cors"),
    ("log_format", "\"xml\"", &["node", "0"], "log_format: --log-format"),
];

#[test]
fn an_empty_variable_hides_no_setting_of_the_file_whose_paths_start_from_its_folder() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("settings.toml");
    let config = ["--config", file.to_str().unwrap()];
    let (_, example, _) = ran(home.path(), &[], &["config", "example"]);
    assert_eq!(example.matches(" = ").count(), TAKEN.len());
    for (key, value, args, says) in TAKEN {
        assert!(example.contains(&format!("\n# {key} = ")), "{key}");
        std::fs::write(&file, format!("{key} = {value}\n")).unwrap();
        let variable = format!("BLOCKSMITH_{}", key.to_uppercase());
        let args = [args, &config].concat();
        let (code, _, said) = ran(home.path(), &[(&variable, "")], &args);
        let says = says.replace("HOME", home.path().to_str().unwrap());
        assert!(code != Some(0) && said.contains(&says), "{key}: {code:?} {said}");
    }
}

#[test]
fn the_file_of_a_chain_is_one_from_the_folder_of_the_settings() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("settings.toml");
    let config = ["--config", file.to_str().unwrap()];
    for (chain, says) in [
        ("ours.toml", "the chain file HOME/ours.toml can't be read"),
        ("ours.toml-dev", "the chain file HOME/ours.toml can't be read"),
        ("sub/ours.toml", "the chain file HOME/sub/ours.toml can't be read"),
        ("/no/ours.toml", "the chain file /no/ours.toml can't be read"),
        // These are no paths.
        ("forge-dev", "there is no chain in the data directory"),
        ("nowhere", "there is no chain \"nowhere\""),
    ] {
        std::fs::write(&file, format!("chain = \"{chain}\"\n")).unwrap();
        let (_, _, said) = ran(home.path(), &[], &[&["chain", "show"], &config[..]].concat());
        let says = says.replace("HOME", home.path().to_str().unwrap());
        assert!(said.contains(&says), "{chain}: {said}");
    }
}

#[test]
fn a_misspelt_variable_is_named_with_the_one_that_was_meant() {
    let home = tempfile::tempdir().unwrap();
    for (name, near) in [("CHIAN", "CHAIN"), ("WALET", "WALLET"), ("DATADIR", "DATA_DIR")] {
        let name = format!("BLOCKSMITH_{name}");
        let (_, _, said) = ran(home.path(), &[(&name, "x")], &["prove", "99", "--zeros", "1"]);
        let says =
            format!("{name} in the environment sets nothing; did you mean BLOCKSMITH_{near}?\n");
        assert_eq!(said.matches(&says).count(), 1, "{said}");
    }
    for other in ["MODEL_SEED", "MODEL_STEPS", "KILLS", "LOG", "SERVICE_HOST", "CHIAN"] {
        let value = if other == "CHIAN" { "" } else { "warn" };
        let name = format!("BLOCKSMITH_{other}");
        let (_, _, said) = ran(home.path(), &[(&name, value)], &["prove", "99", "--zeros", "1"]);
        assert!(!said.contains("BLOCKSMITH_"), "{said}");
    }
}

#[test]
fn zeros_that_a_chain_does_not_take_are_named_where_they_come_from() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("settings.toml");
    let path = file.to_str().unwrap();
    std::fs::write(&file, "chain = \"forge\"\nzeros = 5\n").unwrap();
    for (environment, args, from) in [
        (
            ("BLOCKSMITH_CONFIG", path),
            &["node", "0"][..],
            format!("zeros in the settings file {path}"),
        ),
        (
            ("BLOCKSMITH_CONFIG", path),
            &["chain", "show"],
            format!("zeros in the settings file {path}"),
        ),
        (
            ("BLOCKSMITH_ZEROS", "5"),
            &["node", "0", "--chain", "forge"],
            "BLOCKSMITH_ZEROS in the environment".into(),
        ),
        (("BLOCKSMITH_CONFIG", path), &["node", "0", "--zeros", "5"], "--zeros".into()),
    ] {
        let (code, _, said) = ran(home.path(), &[environment], args);
        let says = format!("blocksmith: {from}: the chain forge adjusts its difficulty itself");
        assert!(code == Some(2) && said.contains(&says), "{args:?}: {said}");
    }
}
