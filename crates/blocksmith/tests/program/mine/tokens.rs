//! Servers of courses that want a token, slashes at the end and pauses between calls, and that say what
//! a proof has to show.

use std::time::{Duration, Instant};

use blocksmith_consensus::{Rules, Target};

use crate::fake::{Call, Fake, Reply};
use crate::mine::servers::Python;
use crate::mine::{mined_in_all, proofs};
use crate::program::Program;

const TOKEN: &str = "Token 5ecret-123";

/// A coin server behind Django.
struct Hunt {
    last: u64,
    zeros: u8,
    /// In seconds.
    cooldown: f64,
    /// Whether its last proof follows the proofs that it takes.
    is_honest: bool,
    coins: Vec<(u64, String)>,
    posts: usize,
    /// When it last asked for a pause.
    told: Option<Instant>,
    /// Calls before the pause was over.
    hasty: usize,
}

impl Hunt {
    fn new(zeros: u8, cooldown: f64) -> Self {
        let (last, coins) = (1_234_567, Vec::new());
        Self { last, zeros, cooldown, is_honest: true, coins, posts: 0, told: None, hasty: 0 }
    }

    fn start(self) -> Fake<Self> {
        Fake::start(self, Self::answer)
    }

    fn answer(&mut self, call: &Call) -> Reply {
        if !call.path.ends_with('/') {
            return Reply::redirect(301, format!("{}/", call.path));
        }
        if !call.headers.iter().any(|(name, value)| name == "authorization" && value == TOKEN) {
            let detail = r#"{"detail": "Authentication credentials were not provided."}"#;
            return Reply { status: 401, ..Reply::json(detail.into()) };
        }
        let pause = Duration::from_secs_f64(self.cooldown);
        self.hasty += usize::from(self.told.is_some_and(|told| told.elapsed() < pause));
        let (last, zeros, cooldown) = (self.last, self.zeros, self.cooldown);
        self.told = Some(Instant::now());
        match (&*call.method, &*call.path) {
            ("GET", "/api/bc/last_proof/") => Reply::json(format!(
                r#"{{"proof": {last}, "difficulty": {zeros}, "cooldown": {cooldown}, "messages": [], "errors": []}}"#
            )),
            ("POST", "/api/bc/mine/") => {
                self.posts += 1;
                let body: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
                let proof = body["proof"].as_u64().unwrap();
                let (says, proof) = match self.is_honest {
                    true if self.takes(proof) => (r#""messages": ["New Block Forged"]"#, proof),
                    true => (r#""messages": [], "errors": ["Invalid proof"]"#, proof),
                    false => (r#""messages": ["New Block Forged"], "errors": []"#, 1),
                };
                if self.is_honest && self.takes(proof) {
                    self.last = proof;
                    self.coins.push((proof, body["id"].as_str().unwrap().into()));
                }
                Reply::json(format!(
                    r#"{{"index": 2, "proof": {proof}, "cooldown": {cooldown}, {says}}}"#
                ))
            }
            _ => {
                self.told = None;
                Reply { status: 404, ..Reply::json(r#"{"detail": "Not found."}"#.into()) }
            }
        }
    }

    fn takes(&self, proof: u64) -> bool {
        let rules = Rules::lecture();
        let text = format!(
            r#"{{"index": 1, "previous_hash": "1", "proof": {}, "timestamp": 0, "transactions": []}}"#,
            self.last
        );
        let block = blocksmith_consensus::Block::parse(text.as_bytes()).unwrap();
        let job = rules.job(block.view(), &block.hash(), None);
        Target::from_zeros(self.zeros).is_met_by(&job.digest(proof.to_string()))
    }
}

#[test]
fn coins_are_earned_where_a_token_slashes_and_pauses_are_wanted() {
    for zeros in [2, 5] {
        let server = Hunt::new(zeros, 0.3).start();
        let url = format!("{}/api/bc", server.url());
        let header = format!("Authorization: {TOKEN}");
        let args = [
            "mine", &url, "--id", "alice", "--coins", "3", "--header", &header, "--header",
            "X-A: 1",
        ];
        let mut miner = Program::start(&args);
        assert_eq!(miner.wait().code(), Some(0), "{}", miner.stderr());
        let (lines, said) = (miner.rest(), miner.stderr());
        assert_eq!(mined_in_all(&lines), 3);
        assert!(lines.last().unwrap().contains(" · 0 blocks lost · "), "{lines:?}");
        let hunt = server.state();
        let coins: Vec<_> = hunt.coins.iter().map(|(proof, _)| *proof).collect();
        assert_eq!(proofs(&lines), coins);
        assert!(hunt.coins.iter().all(|(_, id)| id == "alice"));
        assert_eq!((hunt.posts, hunt.hasty), (3, 0), "{said}");
        assert!(said.contains("it sets the difficulty itself"), "{said}");
        assert!(said.contains("it wants 0.3 s between two calls"), "{said}");
        assert!(!format!("{said}{lines:?}").contains("5ecret"), "{said}");
    }
}

#[test]
fn without_the_token_it_ends_with_the_servers_words_and_the_flag() {
    let server = Hunt::new(2, 0.0).start();
    let url = format!("{}/api/bc", server.url());
    let words = "401 Unauthorized: Authentication credentials were not provided.";
    for (headers, way_out) in [
        (&[][..], "send it with --header, as in --header 'Authorization: Token 123'"),
        (&["--header", "X-Token: 5ecret"], "check what you wrote after --header"),
        (&["--header=Authorization: 5ecret"], "check what you wrote after --header"),
    ] {
        let mut miner = Program::start(&[&["mine", &url], headers].concat());
        assert_eq!(miner.wait().code(), Some(4), "{}", miner.stderr());
        let said = miner.stderr();
        assert!(said.contains(words) && said.contains(way_out), "{said}");
        assert!(!said.contains("5ecret"), "{said}");
        assert_eq!(miner.rest(), [""; 0]);
    }
    // One that takes proofs from some alone, and answers other calls of everybody.
    let open = Fake::start(Hunt::new(2, 0.0), |hunt, call| {
        let mut headers = call.headers.clone();
        headers.push(("authorization".into(), TOKEN.into()));
        match &*call.method {
            "POST" => Reply { status: 403, ..Reply::json(r#"{"detail": "Staff alone."}"#.into()) },
            method => {
                let (method, path) = (method.to_owned(), call.path.clone());
                hunt.answer(&Call { method, path, headers, body: Vec::new() })
            }
        }
    });
    let mut miner = Program::start(&["mine", &format!("{}/api/bc", open.url())]);
    assert_eq!(miner.wait().code(), Some(4), "{}", miner.stderr());
    let said = miner.stderr();
    assert!(said.contains("403 Forbidden: Staff alone.; if the server gave you a token"), "{said}");
}

#[test]
fn a_call_that_came_too_early_is_made_again_when_the_server_says() {
    // Another program of the same owner has called just before; each early call starts the pause anew.
    let too_early = r#"{"cooldown": 1, "messages": [], "errors": ["Cooldown violation: +1 s"]}"#;
    let throttled = r#"{"detail": "Request was throttled."}"#;
    for (status, body, retry) in [(400, too_early, None), (429, throttled, Some("1"))] {
        for method in ["GET", "POST"] {
            let state = (Hunt::new(2, 0.0), None::<Instant>, 0);
            let server = Fake::start(state, move |(hunt, refused, times), call| {
                let is_due = refused.is_some_and(|at| at.elapsed() >= Duration::from_secs(1));
                if call.path.ends_with('/') && call.method == method && !is_due {
                    *refused = Some(Instant::now());
                    *times += 1;
                    let headers = retry.iter().map(|retry| ("Retry-After", (*retry).into()));
                    return Reply {
                        status,
                        headers: headers.collect(),
                        ..Reply::json(body.into())
                    };
                }
                hunt.answer(call)
            });
            let url = format!("{}/api/bc", server.url());
            let header = format!("Authorization: {TOKEN}");
            let mut miner = Program::start(&["mine", &url, "--coins", "1", "--header", &header]);
            assert_eq!(miner.wait().code(), Some(0), "{}", miner.stderr());
            assert_eq!(mined_in_all(&miner.rest()), 1);
            assert_eq!(server.state().2, 1, "{method} {status}: {}", miner.stderr());
        }
    }
}

#[test]
fn a_server_whose_answers_never_change_makes_no_coin_and_no_flood() {
    let server = Hunt { is_honest: false, ..Hunt::new(4, 0.2) }.start();
    let url = format!("{}/api/bc", server.url());
    let header = format!("authorization:{TOKEN}");
    let mut miner = Program::start(&["mine", &url, "--header", &header]);
    assert_eq!(miner.wait().code(), Some(4), "{}", miner.stderr());
    let (lines, said) = (miner.rest(), miner.stderr());
    assert!(said.contains("its block has another proof"), "{said}");
    assert!(said.contains("no coin is counted, and more proofs would not help"), "{said}");
    assert_eq!(mined_in_all(&lines), 0);
    assert!(lines[0].ends_with(" · 5 proofs not confirmed"), "{lines:?}");
    let hunt = server.state();
    assert_eq!((hunt.posts, hunt.hasty), (5, 0));
}

#[test]
fn a_slash_at_another_server_is_not_followed() {
    let elsewhere = Hunt::new(2, 0.0).start();
    let there = elsewhere.url();
    let server =
        Fake::start((), move |(), call| Reply::redirect(301, format!("{there}{}/", call.path)));
    let header = format!("Authorization: {TOKEN}");
    let mut miner = Program::start(&["mine", &server.url(), "--header", &header]);
    assert_eq!(miner.wait().code(), Some(4), "{}", miner.stderr());
    assert!(miner.stderr().contains(&elsewhere.url()), "{}", miner.stderr());
    assert!(elsewhere.state().told.is_none());
}

#[test]
fn a_header_that_can_not_be_sent_is_a_usage_error_that_does_not_show_it() {
    for header in ["5ecret", "Authorization: 5ecret\u{1b}[31m", "X: 5ecret\nY: 1", "Host: 5ecret"] {
        let mut miner = Program::start(&["mine", "http://127.0.0.1:9", "--header", header]);
        assert_eq!(miner.wait().code(), Some(2), "{}", miner.stderr());
        let said = miner.stderr();
        assert!(said.contains("--header number 1 can't be sent: "), "{said}");
        assert!(!said.contains("5ecret"), "{said}");
        assert!(miner.rest().is_empty());
    }
}

#[test]
fn a_difficulty_beside_the_last_block_is_searched_for() {
    // Fewer zeros than a miner would guess, and more; a number that is none is no difficulty.
    for (rules, zeros, told) in [
        (Rules::course(), 2, "2"),
        (Rules::course(), 3, "3"),
        (Rules::lecture(), 2, "2"),
        (Rules::lecture(), 4, "\"many\""),
    ] {
        let server = Fake::start(Python::new(rules, zeros), move |python, call| {
            let reply = python.answer(call);
            if !call.path.starts_with("/last_") || reply.status != 200 {
                return reply;
            }
            Reply::json(reply.body.replacen('{', &format!(r#"{{"difficulty": {told}, "#), 1))
        });
        let mut miner = Program::start(&["mine", &server.url(), "--coins", "2"]);
        assert_eq!(miner.wait().code(), Some(0), "{}", miner.stderr());
        let said = miner.stderr();
        assert_eq!(mined_in_all(&miner.rest()), 2);
        let is_told = said.contains("it sets the difficulty itself");
        assert_eq!(is_told, told.parse::<u8>().is_ok(), "{said}");
    }
}
