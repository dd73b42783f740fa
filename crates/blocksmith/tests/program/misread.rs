//! What people are told who type something that the program does not know.

use std::path::Path;

use crate::program::Program;

/// What a command says that is misread, which is a matter of usage.
fn told(environment: &[(&str, &str)], args: &[&str]) -> String {
    let home = tempfile::tempdir().unwrap();
    let mut program = Program::start_with(home.path(), environment, args);
    assert_eq!(program.wait().code(), Some(2), "{args:?}: {}", program.stderr());
    program.stderr()
}

#[test]
fn a_wrong_value_is_told_what_was_given_what_it_must_be_and_an_example() {
    for (args, said) in [
        (
            &["node", "--port", "abc"][..],
            "--port can't be \"abc\": it must be a whole number from 0 to 65535, as in --port 5000",
        ),
        (
            &["node", "65536"],
            "PORT can't be \"65536\": it must be a whole number from 0 to 65535, as in 5000",
        ),
        (&["node", "http://localhost:5000"], "--peer http://localhost:5000 connects to"),
        (&["mine", "--threads", "0"], "it must be a whole number, 1 or more, as in --threads 2"),
        (
            &["mine", "--coins", "ten"],
            "--coins can't be \"ten\": it must be a whole number, 1 or more",
        ),
        (&["dev", "--nodes=33"], "it must be a whole number from 1 to 32, as in --nodes 3"),
        (&["chain", "show", "--limit=-1"], "--limit can't be \"-1\": it must be a whole number"),
        (
            &["mine", "http://:"],
            "URL can't be \"http://:\": it must be the address of a server, a host and a port, as in http",
        ),
        (
            &["peers", "list", "--node", "a b:1"],
            "--node can't be \"a b:1\": it must be the address",
        ),
        (
            &["mine", "--backend", "avx3"],
            "did you mean avx2? it must be portable, avx2, sha_ni or avx512",
        ),
        (&["mine", "--coins"], "--coins needs a value, as in --coins 3"),
        (&["peers", "list", "--json=yes"], "--json takes no value; leave \"yes\" out"),
        (
            &[
                "wallet",
                "send",
                "2.5",
                "forge133luv4f27suy5ymere3m43ul7270am03gw5g6mwykcyq4zpfehqsdsuhw0",
            ],
            "write the address first and then the amount",
        ),
        (
            &["wallet", "send", "forge1x", "1", "--wait", "3"],
            "the value of --wait comes after =, as in --wait=3",
        ),
    ] {
        let text = told(&[], args);
        assert!(text.contains(said), "{args:?}: {text}");
        assert!(text.starts_with("blocksmith: ") && text.contains(" --help`"), "{text}");
    }
    let text = told(&[("BLOCKSMITH_PORT", "abc")], &["node"]);
    assert!(text.contains("BLOCKSMITH_PORT in the environment can't be \"abc\""), "{text}");
    let text = told(&[("BLOCKSMITH_NODE", "alice")], &["mine"]);
    assert!(text.contains("BLOCKSMITH_NODE in the environment can't be"), "{text}");
    // Nothing that a terminal obeys comes back.
    let text = told(&[], &["node", "\u{1b}[31m"]);
    assert!(text.contains("PORT can't be") && !text.contains('\u{1b}'), "{text}");
}

#[test]
fn a_name_in_the_wrong_place_or_with_a_slip_is_told_what_was_meant() {
    for (args, said) in [
        (
            &["mine", "alice"][..],
            "URL can't be \"alice\": it is not a URL; did you mean --id alice?",
        ),
        (&["mine", "-id", "alice"], "there is no flag -id; did you mean --id alice?"),
        (&["mine", "-to=alice"], "there is no flag -to; did you mean --to=alice?"),
        (&["node", "-port", "5001"], "did you mean --port 5001?"),
        (&["node", "-host", "a.b"], "did you mean --host a.b?"),
        (
            &["chain", "export", "-output", "x"],
            "there is no flag -output; did you mean --output x?",
        ),
        (&["wallet", "send", "a", "1", "-yes"], "there is no flag -yes; did you mean --yes?"),
        (
            &["node", "\u{2013}peer", "h:1"],
            "there is no flag \u{2013}peer; did you mean --peer h:1?",
        ),
        (&["node", "--prot", "1"], "there is no flag --prot; did you mean --port 1?"),
        (&["mine", "--peer", "h:1"], "blocksmith mine has no flag --peer; blocksmith node has it"),
        (&["mine", "--wobble"], "blocksmith mine has no flag --wobble"),
        (&["node", "-p", "5000"], "blocksmith node has no flag -p; did you mean --port or --peer?"),
        (&["mine", "--id", "alice", "bob"], "if it belongs to --id, write --id 'alice bob'"),
        (&["node", "1", "--data-dir=my", "chain"], "write --data-dir 'my chain'"),
        (&["wallet", "send", "a", "1", "--memo", "for", "tea"], "write --memo 'for tea'"),
        (&["node", "--mine", "yes"], "--mine takes no value; leave \"yes\" out"),
        (&["peers", "list", "--token-file"], "--token-file needs a value, as in --token-file FILE"),
        (&["help", "nod"], "there is no command \"nod\"; did you mean `blocksmith node`?"),
        (
            &["nod"],
            "there is no command \"nod\"; did you mean `blocksmith node`? The commands are node, ",
        ),
        (&["5000"], "did you mean `blocksmith node 5000`?"),
        (&["http://localhost:5000"], "did you mean `blocksmith mine http://localhost:5000`?"),
        (&["wallet", "blance"], "did you mean `blocksmith wallet balance`?"),
        (&["peers", "add"], "blocksmith peers add needs ADDRESS; usage: blocksmith peers add"),
        (&["prove", "99"], "blocksmith prove needs --zeros N or --target HEX; usage: "),
        (&["chain", "new", "x.toml"], "blocksmith chain new needs --name NAME; usage: "),
        (
            &["node", "1", "2"],
            "\"2\" is one word too many for blocksmith node; usage: blocksmith node",
        ),
        (&["node", "--chain", "dvf", "--chain", "course"], "--chain is given twice; leave one out"),
        (&["chain", "show", "--limit", "-1"], "if it is the value of --limit, write --limit=-1"),
        (&["chain", "verify"], "blocksmith chain verify http://localhost:5000"),
    ] {
        let text = told(&[], args);
        assert!(text.contains(said), "{args:?}: {text}");
    }
}

#[test]
fn help_keeps_to_the_width_of_the_terminal() {
    let help = |args: &[&str], columns: u16| {
        let columns = columns.to_string();
        let mut program = Program::start_with(Path::new("/"), &[("COLUMNS", &*columns)], args);
        let lines = program.rest();
        assert_eq!(program.wait().code(), Some(0), "{args:?}");
        lines
    };
    let mut paths = vec![vec![]];
    while let Some(path) = paths.pop() {
        let mut inner = Vec::new();
        for flag in ["-h", "--help"] {
            for columns in [40, 80, 120] {
                let args: Vec<&str> = path.iter().map(String::as_str).chain([flag]).collect();
                let lines = help(&args, columns);
                // The line of usage is to be copied, and stays whole.
                for line in lines.iter().filter(|line| !line.contains("blocksmith ")) {
                    let width = line.chars().count();
                    assert!(width <= columns.into(), "{args:?} at {columns}: {width}: {line}");
                }
                let commands = lines.iter().skip_while(|line| *line != "Commands:").skip(1);
                let commands = commands.take_while(|line| !line.is_empty());
                let names =
                    commands.filter(|line| line.starts_with("  ") && !line.starts_with("   "));
                inner =
                    names.map(|line| line.split_whitespace().next().unwrap().to_owned()).collect();
            }
        }
        for name in inner.iter().filter(|name| *name != "help") {
            paths.push(path.iter().chain([name]).cloned().collect::<Vec<String>>());
        }
    }
}

#[test]
fn the_node_as_a_flag_of_a_command_that_takes_its_url_is_told_how_to_type_it() {
    for (args, meant) in [
        (&["mine", "--node", "http://localhost:5100"][..], "mine http://localhost:5100"),
        (&["mine", "--node=localhost:5100", "--coins", "1"], "mine localhost:5100"),
        (&["mine", "--node"], "mine http://localhost:5000"),
        (&["chain", "show", "--node", "localhost:5100"], "chain show localhost:5100"),
        (&["chain", "export", "--url", "localhost:5100"], "chain export localhost:5100"),
        (&["chain", "verify", "--node", "localhost:5100"], "chain verify localhost:5100"),
        (&["chain", "import", "--node", "localhost:5100"], "chain import localhost:5100"),
    ] {
        let said = told(&[], args);
        assert!(said.contains(&format!("did you mean `blocksmith {meant}`?")), "{said}");
    }
}

#[test]
fn spaces_between_several_values_are_told_to_be_commas() {
    let peers = [("BLOCKSMITH_PEERS", "a:1 b:2")];
    let said = told(&peers, &["node", "0"]);
    let says = "BLOCKSMITH_PEERS in the environment can't be \"a:1 b:2\": commas stand between several; write a:1,b:2";
    assert!(said.contains(says), "{said}");
    let said = told(&[], &["node", "0", "--host", "a.example  b.example"]);
    assert!(said.contains("commas stand between several; write a.example,b.example"), "{said}");
}

#[test]
fn a_data_directory_where_a_chains_text_is_wanted_is_told_how_to_check_it() {
    let home = tempfile::tempdir().unwrap();
    let dir = home.path().join("data");
    let dir = dir.to_str().unwrap();
    let mut node = Program::start_in(home.path(), &["node", "0", "--data-dir", dir]);
    node.url();
    node.terminate();
    node.wait();
    let store = format!("{dir}/chain.redb");
    for source in [dir, &store] {
        for command in ["verify", "import"] {
            let mut program = Program::start_in(home.path(), &["chain", command, source]);
            assert_eq!(program.wait().code(), Some(1));
            let said = program.stderr();
            assert!(
                said.contains(&format!("`blocksmith chain verify --replay --data-dir {dir}`")),
                "{said}"
            );
        }
    }
    let said = told(&[], &["chain", "verify", "--data-dir", dir]);
    assert!(said.contains("to check a data directory, add --replay"), "{said}");
    assert!(!told(&[], &["chain", "verify"]).contains("add --replay"));
}
