//! No coin is counted that is not there: who answers for a server, and what an answer has to show.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::thread;

use blocksmith_consensus::Rules;

use crate::fake::{Call, Fake, Reply};
use crate::mine::servers::Python;
use crate::mine::{mined, mined_in_all, until_it_searches};
use crate::program::{Program, wait_until};

/// A node of ours with the lecture's rules.
fn node(home: &Path) -> (Program, String) {
    let args = ["node", "--port", "0", "--zeros", "2", "--chain", "lecture"];
    let mut node = Program::start_in(home, &args);
    let url = node.url();
    (node, url)
}

/// What a server at `url` answers. HTTP/1.0, in which an answer ends where its connection does.
fn passed_on(url: &str, call: &Call) -> Reply {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    let (method, path, length) = (&call.method, &call.path, call.body.len());
    write!(
        stream,
        "{method} {path} HTTP/1.0\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n"
    )
    .unwrap();
    stream.write_all(&call.body).unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    let status = head.split(' ').nth(1).unwrap().parse().unwrap();
    Reply { status, ..Reply::json(body.into()) }
}

fn get(path: &str) -> Call {
    Call { method: "GET".into(), path: path.into(), ..Call::default() }
}

fn coins(lines: &[String]) -> usize {
    lines.iter().filter(|line| mined(line).is_some()).count()
}

#[test]
fn a_server_that_points_elsewhere_is_told_of_and_not_followed() {
    let home = tempfile::tempdir().unwrap();
    let (_node, there) = node(home.path());
    let python = Fake::start(Python::new(Rules::lecture(), 2), Python::answer);
    python.state().grow(10);
    for there in [there, python.url()] {
        for status in [301, 302, 303, 307, 308] {
            let to = there.clone();
            let server = Fake::start((), move |(), call| {
                Reply::redirect(status, format!("{to}{}", call.path))
            });
            let mut miner = Program::start(&["mine", &server.url(), "--coins", "3"]);
            assert_eq!(miner.wait().code(), Some(4), "{}", miner.stderr());
            assert_eq!(miner.rest(), [""; 0]);
            let said = miner.stderr();
            let named = format!("with a redirect to {there}/api/v1/work");
            assert!(said.contains(&named), "{said}");
            assert!(said.contains(&format!("blocksmith mine {there}")), "{said}");
        }
    }
    assert!(python.state().ids.is_empty());
    assert_eq!(python.state().chain.len(), 11);
}

#[test]
fn nobody_is_told_to_type_what_a_redirect_says_besides_host_and_port() {
    for there in [
        "http://$(reboot).example",
        "http://x.example;reboot",
        "http://`reboot`",
        "http://a'b.example:80",
        "http://x.example/$(reboot)",
        "http://x.example/a;reboot",
        "http://u:$(reboot)@x.example",
        "http://x_y.example/&reboot",
    ] {
        let server =
            Fake::start((), move |(), call| Reply::redirect(302, format!("{there}{}", call.path)));
        let mut miner = Program::start(&["mine", &server.url(), "--coins", "1"]);
        assert_eq!(miner.wait().code(), Some(4), "{}", miner.stderr());
        let said = miner.stderr();
        assert!(said.contains("with a redirect to http://"), "{said}");
        assert!(said.contains("write the address of the server itself"), "{said}");
        assert!(!said.contains("blocksmith mine"), "{said}");
    }
}

#[test]
fn a_proof_is_handed_in_where_the_work_came_from_and_nowhere_else() {
    let home = tempfile::tempdir().unwrap();
    let (_node, ours) = node(home.path());
    let python = Fake::start(Python::new(Rules::lecture(), 2), Python::answer);
    python.state().grow(10);
    for (here, path) in [(ours, "/api/v1/work"), (python.url(), "/mine")] {
        let elsewhere = Fake::start(0, |calls, _| {
            *calls += 1;
            Reply::json(r#"{"message": "New Block Forged", "index": 12}"#.into())
        });
        let there = elsewhere.url();
        let server = Fake::start((), move |(), call| match &*call.method {
            "POST" => Reply::redirect(308, format!("{there}{}", call.path)),
            _ => passed_on(&here, call),
        });
        let mut miner = Program::start(&["mine", &server.url(), "--coins", "1"]);
        assert_eq!(miner.wait().code(), Some(4), "{}", miner.stderr());
        assert_eq!(coins(&miner.rest()), 0);
        let said = miner.stderr();
        assert!(said.contains(&format!("answers POST {path} with a redirect to")), "{said}");
        assert!(said.contains(&format!("blocksmith mine {}", elsewhere.url())), "{said}");
        assert_eq!(*elsewhere.state(), 0, "nothing was told to the other server");
    }
}

#[test]
fn a_redirect_that_comes_while_it_searches_ends_the_search() {
    let server = Fake::start(false, |moved, call| match *moved {
        true => Reply::redirect(301, format!("http://127.0.0.1:9{}", call.path)),
        // So many zeros that no search ends.
        false => match &*call.path {
            "/last_proof" => Reply::json(r#"{"last_proof": 99}"#.into()),
            _ => Reply::html(404, ""),
        },
    });
    let mut miner = Program::start(&["mine", &server.url(), "--zeros", "30"]);
    until_it_searches(&miner);
    *server.state() = true;
    assert_eq!(miner.wait().code(), Some(4), "{}", miner.stderr());
    assert!(miner.stderr().contains("blocksmith mine http://127.0.0.1:9"), "{}", miner.stderr());
}

#[test]
fn a_page_that_redirects_what_it_does_not_have_may_be_a_server_all_the_same() {
    let python = Python::new(Rules::lecture(), 4);
    let server = Fake::start(python, |python, call| match python.answer(call) {
        Reply { status: 404, .. } => Reply::redirect(302, "/".into()),
        reply => reply,
    });
    let mut miner = Program::start(&["mine", &server.url(), "--coins", "1"]);
    assert_eq!(miner.wait().code(), Some(0), "{}", miner.stderr());
    assert_eq!(mined_in_all(&miner.rest()), 1);
}

#[test]
fn what_answers_yes_to_everything_makes_no_coin() {
    let home = tempfile::tempdir().unwrap();
    let (_node, ours) = node(home.path());
    let python = Fake::start(Python::new(Rules::lecture(), 2), Python::answer);
    python.state().grow(10);
    let course = Fake::start(Python::new(Rules::course(), 2), Python::answer);
    course.state().grow(10);
    let hash = "7".repeat(64);
    let block =
        r#"{"index": 2, "previous_hash": "x", "proof": 1, "timestamp": 0, "transactions": []}"#;
    let whole = format!(r#"{{"index": 2, "hash": "{hash}", "block": {block}}}"#);
    let yeses = [
        Reply::json("{}".into()),
        Reply::html(200, "<h1>Welcome</h1>"),
        Reply::json(String::new()),
        Reply::json(format!(r#"{{"index": 2, "hash": "{hash}"}}"#)),
        Reply::json(whole),
        Reply::json(r#"{"message": "New Block Forged"}"#.into()),
        Reply::json(r#"{"message": "New Block Forged", "index": 12, "proof": 7}"#.into()),
        Reply::json(r#"{"message": "New Block Forged", "index": "12"}"#.into()),
    ];
    let mut servers = Vec::new();
    for here in [ours, python.url(), course.url()] {
        servers.extend(yeses.iter().map(|yes| (here.clone(), yes.clone())));
    }
    thread::scope(|scope| {
        for (here, yes) in servers {
            scope.spawn(move || no_coin_of(here, yes));
        }
    });
}

/// Mines where a server answers each proof so.
fn no_coin_of(here: String, yes: Reply) {
    let server = Fake::start(0, move |handed_in, call| match &*call.method {
        "POST" => {
            *handed_in += 1;
            yes.clone()
        }
        _ => passed_on(&here, call),
    });
    let mut miner = Program::start(&["mine", &server.url(), "--coins", "1"]);
    wait_until("a second try", || *server.state() >= 2);
    miner.terminate();
    assert_eq!(miner.wait().code(), Some(130));
    assert_eq!(coins(&miner.rest()), 0, "{}", miner.stderr());
    assert!(!miner.stderr().contains("<h1>"), "{}", miner.stderr());
}

#[test]
fn a_block_that_left_the_chain_again_is_no_coin() {
    let home = tempfile::tempdir().unwrap();
    let (_node, ours) = node(home.path());
    let python = Fake::start(Python::new(Rules::lecture(), 2), Python::answer);
    python.state().grow(10);
    for here in [ours, python.url()] {
        // It is made, and the chain that is shown afterwards is the one without it.
        let server = Fake::start((0, None), move |(handed_in, before), call| {
            let page = call.path.split('?').next().unwrap();
            match (&*call.method, page) {
                ("POST", _) => {
                    *handed_in += 1;
                    *before = before.take().or_else(|| Some(passed_on(&here, &get("/chain"))));
                    passed_on(&here, call)
                }
                (_, "/api/v1/headers") => Reply::json(r#"{"headers": [], "next": null}"#.into()),
                (_, "/last_proof") if *handed_in > 0 => Reply::json(r#"{"last_proof": 1}"#.into()),
                (_, "/chain") if *handed_in > 0 => before.clone().unwrap(),
                _ => passed_on(&here, call),
            }
        });
        let mut miner = Program::start(&["mine", &server.url(), "--coins", "1"]);
        wait_until("a word", || miner.stderr().contains("its chain does not have that block"));
        miner.terminate();
        assert_eq!(miner.wait().code(), Some(130));
        assert_eq!(coins(&miner.rest()), 0);
    }
}

#[test]
fn a_block_that_no_chain_shows_is_no_coin_and_no_end() {
    let long = format!(
        r#"{{"length": 2, "chain": [{{"index": 1, "previous_hash": "1", "proof": 100, "timestamp": 0, "transactions": []}}, "{}"]}}"#,
        "x".repeat(65 << 20)
    );
    for (chain, says) in [
        (
            Reply::html(404, "<h1>Not Found</h1>"),
            "GET /chain answered 404 Not Found and an HTML page",
        ),
        (Reply::json(r#"{"blocks": []}"#.into()), "GET /chain answered 200 OK"),
        (Reply::json(long), "GET /chain has more than 64 MiB"),
    ] {
        for rules in [Rules::lecture(), Rules::course()] {
            let chain = chain.clone();
            // Somebody is always faster, so that the last block is another one.
            let server = Fake::start((Python::new(rules, 3), 0), move |(python, proofs), call| {
                if call.path == "/chain" && *proofs > 0 {
                    return chain.clone();
                }
                let reply = python.answer(call);
                if call.method == "POST" {
                    *proofs += 1;
                    python.grow(1);
                }
                reply
            });
            server.state().0.grow(10);
            let miner = Program::start(&["mine", &server.url(), "--coins", "1", "--id", "alice"]);
            wait_until("a third proof", || server.state().1 >= 3);
            let said = miner.stderr();
            assert_eq!(said.matches("does not show that block").count(), 1, "{said}");
            assert!(said.contains(says) && !said.contains("does not have that block"), "{said}");
            assert_eq!(coins(&miner.seen()), 0);
        }
    }
}

#[test]
fn a_block_that_others_stand_on_already_counts() {
    for rules in [Rules::lecture(), Rules::course()] {
        let python = Python::new(rules, 3);
        let server = Fake::start(python, |python, call| {
            let reply = python.answer(call);
            if call.method == "POST" && !python.ids.is_empty() {
                python.grow(1);
            }
            reply
        });
        server.state().grow(10);
        let mut miner = Program::start(&["mine", &server.url(), "--coins", "1", "--id", "alice"]);
        assert_eq!(miner.wait().code(), Some(0), "{}", miner.stderr());
        assert_eq!(mined_in_all(&miner.rest()), 1);
    }
}

#[test]
fn a_coin_that_went_to_somebody_else_is_not_counted() {
    let home = tempfile::tempdir().unwrap();
    let (_node, ours) = node(home.path());
    // Whatever is in between asks for another recipient.
    let server = Fake::start(0, move |handed_in, call| {
        *handed_in += usize::from(call.method == "POST");
        let path = call.path.replace("recipient=alice", "recipient=mallory");
        let (method, body) = (call.method.clone(), call.body.clone());
        passed_on(&ours, &Call { method, path, body, ..Call::default() })
    });
    let args = ["mine", &server.url(), "--coins", "1", "--id", "alice"];
    let mut miner = Program::start(&args);
    wait_until("a word", || miner.stderr().contains("its block pays another recipient"));
    miner.terminate();
    assert_eq!(miner.wait().code(), Some(130));
    assert_eq!(coins(&miner.rest()), 0);
}

#[test]
fn coins_of_our_own_node_are_on_its_chain() {
    let home = tempfile::tempdir().unwrap();
    let (_node, ours) = node(home.path());
    let args = ["mine", &ours, "--coins", "5", "--id", "Zoë \"z\" & co"];
    let mut miner = Program::start(&args);
    assert_eq!(miner.wait().code(), Some(0), "{}", miner.stderr());
    assert_eq!(mined_in_all(&miner.rest()), 5);
    let chain = passed_on(&ours, &get("/chain"));
    let chain: serde_json::Value = serde_json::from_str(&chain.body).unwrap();
    assert_eq!(chain["length"], 6);
    assert_eq!(chain["chain"][5]["transactions"][0]["recipient"], "Zoë \"z\" & co");
}

#[test]
fn the_reason_that_a_node_gives_is_said_as_a_sentence() {
    let why = "the disk is full: the node could not write block 2 and is stopping; make room where \
               its data is and start it again";
    let busy = (503, "503 Service Unavailable");
    let broken = (500, "500 Internal Server Error");
    for (path, (status, said_as)) in
        [("/api/v1/work", busy), ("/api/v1/work", broken), ("/mine", busy), ("/mine", broken)]
    {
        let home = tempfile::tempdir().unwrap();
        let (_node, ours) = node(home.path());
        let python = Fake::start(Python::new(Rules::lecture(), 2), Python::answer);
        python.state().grow(10);
        let here = if path == "/mine" { python.url() } else { ours };
        let server = Fake::start((), move |(), call| match &*call.method {
            "POST" => Reply::problem(status, "", why),
            _ => passed_on(&here, call),
        });
        let miner = Program::start(&["mine", &server.url()]);
        wait_until("the reason", || miner.stderr().contains(why));
        let said = miner.stderr();
        let named = format!(": POST {path} answered {said_as}: {why}; asking again");
        assert!(said.contains(&named), "{said}");
        assert!(!said.contains('{'), "{said}");
    }
}
