//! A node that points elsewhere, or does not say that it has what it was handed.

use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use crate::fake::{Fake, Reply};
use crate::ledger::{self, Ledger, stranger};
use crate::owner::{Owner, forge};

#[test]
fn a_node_that_points_elsewhere_is_not_followed_there() {
    let elsewhere = ledger::start();
    let alice = Owner::with_wallet(1, 1);
    let to = stranger().to_text(forge().hrp);
    for status in [301, 302, 303, 307, 308] {
        let there = elsewhere.url();
        let node = Fake::start((), move |(), call| {
            Reply::redirect(status, format!("{there}{}", call.path))
        });
        for args in [&["balance"][..], &["history"], &["send", &to, "1", "--yes"]] {
            let error = alice.run(&[args, &["--node", &node.url()]].concat()).bad(4);
            assert!(error.contains(&format!("--node {}", elsewhere.url())), "{error}");
        }
    }
    assert!(elsewhere.state().calls.is_empty());
}

#[test]
fn nobody_is_told_to_type_what_a_redirect_says_besides_host_and_port() {
    let alice = Owner::with_wallet(1, 1);
    for there in
        ["http://$(reboot).example", "http://x.example/;reboot", "http://`reboot`@x.example"]
    {
        let node =
            Fake::start((), move |(), call| Reply::redirect(302, format!("{there}{}", call.path)));
        let error = alice.run(&["balance", "--node", &node.url()]).bad(4);
        assert!(error.contains("write the address of the server itself"), "{error}");
        assert!(!error.contains("--node"), "{error}");
    }
}

#[test]
fn a_payment_is_sent_where_it_is_handed_in_and_nowhere_else() {
    let elsewhere = ledger::start();
    let alice = Owner::with_wallet(1, 1);
    let to = stranger().to_text(forge().hrp);
    elsewhere.state().mine(alice.addresses()[0]);
    for status in [301, 307] {
        let (there, mut ledger) = (elsewhere.url(), Ledger::new());
        ledger.mine(alice.addresses()[0]);
        let node = Fake::start(ledger, move |ledger, call| match &*call.method {
            "POST" => Reply::redirect(status, format!("{there}{}", call.path)),
            _ => ledger.answer(call),
        });
        let ran = alice.run(&["send", &to, "1", "--yes", "--node", &node.url()]);
        assert!(ran.stdout.is_empty(), "{ran:?}");
        let error = ran.bad(4);
        let to = format!("{}/api/v1/transactions?replaces=none", elsewhere.url());
        let named = format!("redirect to {to}, which this program does not follow");
        // Who points elsewhere got the payment, too.
        assert!(error.contains(&named) && error.contains("can still count"), "{error}");
    }
    assert!(elsewhere.state().queue.is_empty() && elsewhere.state().calls.is_empty());
}

#[test]
fn an_answer_that_does_not_name_the_payment_is_no_word_that_it_is_there() {
    let alice = Owner::with_wallet(1, 1);
    let to = stranger().to_text(forge().hrp);
    let another = format!(r#"{{"id": "{}", "status": "queued", "block": 2}}"#, "7".repeat(64));
    for (reply, why) in [
        (Reply::json(another), "200 OK"),
        (Reply::json(r#"{"status": "queued", "block": 2}"#.into()), "200 OK: {"),
        (Reply::json("{}".into()), "200 OK: {}"),
        (Reply::html(200, "<h1>Welcome</h1>"), "200 OK and an HTML page"),
    ] {
        let mut ledger = Ledger::new();
        ledger.mine(alice.addresses()[0]);
        let node = Fake::start(ledger, move |ledger, call| match &*call.method {
            "POST" => reply.clone(),
            _ => ledger.answer(call),
        });
        let ran = alice.run(&["send", &to, "1", "--yes", "--node", &node.url()]);
        assert!(ran.stdout.is_empty(), "{ran:?}");
        let error = ran.bad(1);
        assert!(
            error.contains("it is not known whether payment") && error.contains(why),
            "{error}"
        );
    }
}

#[test]
fn what_does_not_speak_http_is_not_said_to_be_silent() {
    let alice = Owner::with_wallet(1, 1);
    // A TLS alert, and the greeting of a mail server.
    for says in [&b"\x15\x03\x01\x00\x02\x02\x46"[..], b"220 mail.example ESMTP\r\n"] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            stream.write_all(says).unwrap();
        });
        let url = format!("http://{address}");
        let error = alice.run(&["balance", "--node", &url]).bad(4);
        assert!(error.contains(&format!("{url} answers, but not in HTTP (")), "{error}");
        assert!(
            error.contains(&format!("to try https, type: --node https://{address}")),
            "{error}"
        );
        server.join().unwrap();
    }
}
