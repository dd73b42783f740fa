//! What can't get better by waiting: the miner ends, with the server's own words and a way out.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::process::Command;
use std::thread;

use blocksmith_consensus::Rules;
use sha2::{Digest as _, Sha256};

use crate::fake::{Call, Fake, Reply};
use crate::mine::servers::Python;
use crate::program::{Program, binary, wait_until};

/// A course's server with the calls of Lecture II and a puzzle of its own.
struct Sprint {
    last: u64,
    refused: Vec<u64>,
}

impl Sprint {
    fn answer(&mut self, call: &Call) -> Reply {
        let digest = |proof: u64| {
            let digest = Sha256::digest(proof.to_string());
            digest.iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        match &*call.path {
            "/api/last_proof" => Reply::json(format!(r#"{{"proof": {}}}"#, self.last)),
            "/api/full_chain" => Reply::json(r#"{"chain": [], "length": 0}"#.into()),
            "/api/mine" => {
                let body: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
                let proof = body["proof"].as_u64().unwrap();
                if digest(proof)[..6] == digest(self.last)[58..] {
                    self.last = proof;
                    return Reply::json(r#"{"message": "New Block Forged"}"#.into());
                }
                self.refused.push(proof);
                Reply::json(r#"{"message": "Proof did not match."}"#.into())
            }
            _ => Reply::html(404, "<h1>Not Found</h1>"),
        }
    }
}

fn leading_zeros(last: u64, proof: u64) -> usize {
    let digest = Sha256::digest(format!("{last}{proof}"));
    let digest: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
    digest.bytes().take_while(|&digit| digit == b'0').count()
}

/// The last words of a miner that ends with this code.
#[track_caller]
fn last_words(args: &[&str], code: i32) -> String {
    let mut miner = Program::start(&[&["mine"], args].concat());
    assert_eq!(miner.wait().code(), Some(code), "{}", miner.stderr());
    let said = miner.stderr();
    let last = said.lines().last().unwrap();
    assert!(last.starts_with("the miner stops: "), "{said}");
    last.into()
}

#[test]
fn a_server_with_another_puzzle_gets_some_proofs_and_no_more() {
    for zeros in [None, Some("2")] {
        let sprint = Sprint { last: 1_234_567, refused: Vec::new() };
        let server = Fake::start(sprint, Sprint::answer);
        let url = format!("{}/api", server.url());
        let flags = zeros.map_or(vec![&*url], |zeros| vec![&*url, "--zeros", zeros]);
        let said = last_words(&flags, 4);
        assert!(said.contains("refused 5 proofs in a row for the same tip"), "{said}");
        assert!(said.contains("Proof did not match."), "{said}");
        assert!(said.contains("another puzzle"), "{said}");
        let refused = server.state().refused.clone();
        let shown = refused.iter().map(|proof| leading_zeros(1_234_567, *proof));
        match zeros {
            // One with four zeros, one with five, and then with six.
            None => {
                assert_eq!(refused.len(), 7, "{refused:?}");
                assert!(shown.zip([4, 5, 6, 6, 6, 6, 6]).all(|(shown, wanted)| shown >= wanted));
            }
            Some(_) => {
                assert_eq!(refused.len(), 5, "{refused:?}");
                assert!(shown.into_iter().all(|shown| shown >= 2));
            }
        }
    }
}

#[test]
fn a_guess_is_not_raised_above_the_most_zeros_of_the_notes() {
    let mut five = Python::new(Rules::lecture(), 5);
    assert!(five.forge(241_341, "somebody"));
    // A course server with a fresh chain, and a server whose chain shows 5 zeros.
    for (mut python, refusals) in [(Python::new(Rules::course(), 6), 5), (five, 6)] {
        // More than a miner finds.
        python.rules = python.rules.with_zeros(20);
        let server = Fake::start(python, Python::answer);
        let mut miner = Program::start(&["mine", &server.url()]);
        wait_until("its end", || {
            miner.ended().is_some() || miner.stderr().contains("searching for 7 zeros")
        });
        let said = miner.stderr();
        assert_eq!(miner.ended().and_then(|status| status.code()), Some(4), "{said}");
        assert_eq!(server.state().refused.len(), refusals, "{said}");
        for part in [
            "refused 5 proofs in a row for the same tip (Proof is invalid or already submitted.)",
            "wants more than 6 zeros (--zeros N searches for N)",
        ] {
            assert!(said.lines().last().unwrap().contains(part), "{said}");
        }
    }
}

#[test]
fn neither_do_servers_whose_chains_show_another_puzzle_or_that_want_more_than_a_proof() {
    // Proofs for the last proof where the miner takes them for the last block: they show no zeros.
    let mut other = Python::new(Rules::lecture(), 3);
    other.grow(20);
    let server = Fake::start(other, |python, call| match &*call.path {
        "/last_block" => {
            let tip = python.chain.last().unwrap();
            Reply::json(format!(r#"{{"last_block": {}}}"#, tip.text()))
        }
        _ => python.answer(call),
    });
    let said = last_words(&[&server.url()], 4);
    assert!(said.contains("Proof is invalid or already submitted."), "{said}");
    assert!(said.contains("SHA-256(last block, proof)"), "{said}");
    assert!(server.state().refused.len() <= 7);

    let server =
        Fake::start(Python::new(Rules::lecture(), 2), |python, call| match &*call.method {
            "POST" => Reply { status: 400, ..Reply::json(r#"{"message":"Missing name"}"#.into()) },
            _ => python.answer(call),
        });
    server.state().grow(10);
    let said = last_words(&[&server.url()], 4);
    assert!(said.contains("(Missing name)"), "{said}");
}

#[test]
fn https_where_http_is_spoken_is_named_with_what_to_type() {
    let python = Fake::start(Python::new(Rules::lecture(), 2), Python::answer);
    let ours = crate::program::node(&["--zeros", "1"]);
    for url in [python.url(), ours.1.clone()] {
        let said = last_words(&[&url.replace("http:", "https:")], 4);
        assert!(said.contains(&format!("to try http, type: blocksmith mine {url}")), "{said}");
    }
}

#[test]
fn http_where_tls_is_spoken_is_named_with_what_to_type() {
    // Alerts of TLS 1.2: no cipher that both know, and no version.
    for alert in [[0x15, 3, 3, 0, 2, 2, 40], [0x15, 3, 3, 0, 2, 2, 70]] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for mut stream in listener.incoming().map_while(Result::ok) {
                let mut hello = [0; 4096];
                // What is no greeting of TLS gets no answer.
                if stream.read(&mut hello).is_ok() && hello[0] == 0x16 {
                    let _ = stream.write_all(&alert);
                }
            }
        });
        let said = last_words(&[&format!("http://{address}")], 4);
        assert!(
            said.contains(&format!("to try https, type: blocksmith mine https://{address}")),
            "{said}"
        );
    }
}

#[test]
fn a_port_where_another_protocol_is_spoken_is_named() {
    for greeting in ["SSH-2.0-OpenSSH_9.2p1 Debian\r\n", "220 mail.example ESMTP\r\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        thread::spawn(move || {
            for stream in listener.incoming() {
                let _ = stream.and_then(|mut stream| stream.write_all(greeting.as_bytes()));
            }
        });
        let said = last_words(&[&url], 4);
        assert!(said.contains("answers, but not in HTTP"), "{said}");
    }
}

#[test]
fn the_address_of_a_call_is_named_with_the_servers() {
    let python = Fake::start(Python::new(Rules::lecture(), 2), Python::answer);
    let (_node, ours) = crate::program::node(&["--zeros", "1"]);
    // A server that has a page for every address, which could also be a proxy while one starts.
    let pages = Fake::start((), |(), _| Reply::html(200, "<h1>Welcome</h1>"));
    for server in [&python.url(), &ours, &pages.url()] {
        for call in ["/chain", "/last_proof/", "/api/v1/status"] {
            let said = last_words(&[&format!("{server}{call}")], 4);
            assert!(said.contains("is the address of one call, not of a server"), "{said}");
            assert!(said.ends_with(&format!("type: blocksmith mine {server}")), "{said}");
        }
    }
    let said = last_words(&[&format!("{}/$(reboot)/mine", pages.url())], 4);
    assert!(said.contains("leave the call out of the address"), "{said}");
    assert!(!said.contains("blocksmith mine"), "{said}");
}

/// The miner where names are looked up in this way alone: in a file, or by asking a server of names
/// that can't be reached. `None` if this system lets no user set that.
fn mine_where_names_are(looked_up: &str, args: &[&str]) -> Option<Program> {
    const SCRIPT: &str = r#"printf 'hosts: %s\n' "$LOOKED_UP" > "$HOME/nsswitch" &&
        mount --bind "$HOME/nsswitch" /etc/nsswitch.conf && exec "$0" "$@""#;
    let home = tempfile::tempdir().unwrap().keep();
    let start = |program: &str, args: &[&str]| {
        let mut command = Command::new("unshare");
        command.args(["-rnm", "sh", "-c", SCRIPT, program]).args(args);
        command.env("LOOKED_UP", looked_up).env("HOME", &home).env("XDG_DATA_HOME", &home);
        command
    };
    if !start("true", &[]).output().is_ok_and(|made| made.status.success()) {
        eprintln!("this system lets no user say how names are looked up: not tested");
        return None;
    }
    let program = binary();
    Some(Program::spawn(&mut start(program.to_str().unwrap(), args)))
}

#[test]
fn a_host_that_does_not_exist_is_not_waited_for() {
    for url in ["http://nosuch.example:5000", "https://no-such-host"] {
        let Some(mut miner) = mine_where_names_are("files", &["mine", url]) else { return };
        assert_eq!(miner.wait().code(), Some(3), "{}", miner.stderr());
        let said = miner.stderr();
        assert!(said.contains(&format!("there is no server at {url} (")), "{said}");
        assert!(said.contains("check the name of the host"), "{said}");
    }
}

#[test]
fn a_host_that_can_come_is_waited_for() {
    // The server of names is away, and a machine that tells its name itself is switched off.
    for (looked_up, url) in
        [("dns", "http://nosuch.example:5000"), ("files", "http://laptop.local:5000")]
    {
        let Some(mut miner) = mine_where_names_are(looked_up, &["mine", url]) else { return };
        wait_until("a word", || miner.stderr().contains("asking again") || miner.ended().is_some());
        assert!(miner.ended().is_none(), "{}", miner.stderr());
    }
}

#[test]
fn a_server_that_says_yes_and_shows_nothing_is_left() {
    // What it says has no block, and neither its last proof nor its chain moves.
    for answer in [
        r#"{"message": "New Block Forged", "proof": 1}"#,
        r#"{"message": "New Block Forged"}"#,
        r#"{"messages": ["New Block Forged"], "errors": []}"#,
    ] {
        let server = Fake::start((Python::new(Rules::lecture(), 2), 0), |(python, asked), call| {
            *asked += usize::from(call.method == "POST");
            match &*call.method {
                "POST" => Reply::json(answer.into()),
                _ => python.answer(call),
            }
        });
        server.state().0.grow(10);
        let mut miner = Program::start(&["mine", &server.url()]);
        assert_eq!(miner.wait().code(), Some(4), "{}", miner.stderr());
        assert!(miner.stderr().contains("answered yes to 5 proofs in a row"), "{}", miner.stderr());
        assert_eq!(server.state().1, 5);
        assert_eq!(super::mined_in_all(&miner.rest()), 0);
    }
}
