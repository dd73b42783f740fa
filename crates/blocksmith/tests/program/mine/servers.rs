//! `blocksmith mine` against servers of every kind on loopback. The servers here do
//! one thing at a time, as Python's do.

use std::time::Duration;

use blocksmith_consensus::{Block, Family, Job, Open, Puzzle, Rules, Target};

use crate::fake::{Call, Fake, Reply};
use crate::mine::{mined, mined_in_all, proofs, until_it_searches, until_mined};
use crate::program::{Program, wait_until};

/// A Python server: a chain, a number of zeros that it does not tell, and its rules' calls.
pub(crate) struct Python {
    pub(crate) rules: Rules,
    pub(crate) chain: Vec<Block>,
    /// The key of `/last_proof`.
    key: &'static str,
    /// Who sent each proof, as it says in `id`.
    pub(crate) ids: Vec<String>,
    /// The proofs that it refused.
    pub(crate) refused: Vec<u64>,
    /// A rival's proof that gets in before the next one that is sent.
    rival: Option<u64>,
}

impl Python {
    pub(crate) fn new(rules: Rules, zeros: u8) -> Self {
        let rules = rules.with_zeros(zeros);
        let chain = vec![rules.genesis_block(Default::default())];
        Self { rules, chain, key: "last_proof", ids: Vec::new(), refused: Vec::new(), rival: None }
    }

    fn tip(&self) -> &Block {
        self.chain.last().unwrap()
    }

    fn job(&self) -> Job<'_> {
        self.rules.job(self.tip().view(), &self.tip().hash(), None)
    }

    /// The lowest proof from `start` on.
    fn lowest(&self, start: u64) -> u64 {
        let job = self.job();
        (start..).find(|proof| job.accepts(proof.to_string())).unwrap()
    }

    /// Whether the proof made a block.
    pub(crate) fn forge(&mut self, proof: u64, id: &str) -> bool {
        if !self.job().accepts(proof.to_string()) {
            return false;
        }
        let (index, hash) = (self.chain.len() + 1, self.tip().hash());
        let id = serde_json::to_string(id).unwrap();
        let text = format!(
            r#"{{"transactions":["Zoë",{{"sender":"0","recipient":{id},"amount":1E0}}],"timestamp":1562874886.654986,"proof":{proof},"previous_hash":"{hash}","index":{index}}}"#
        );
        self.chain.push(Block::parse(text.as_bytes()).unwrap());
        true
    }

    pub(crate) fn grow(&mut self, blocks: usize) {
        for _ in 0..blocks {
            let proof = self.lowest(0);
            assert!(self.forge(proof, "somebody"));
        }
    }

    pub(crate) fn answer(&mut self, call: &Call) -> Reply {
        let Family::Open(Open { puzzle, .. }) = &self.rules.family else { panic!("an open chain") };
        let has_last_block = *puzzle == Puzzle::LastBlock;
        match (&*call.method, &*call.path) {
            ("GET", "/chain") => {
                let texts: Vec<_> = self.chain.iter().map(Block::text).collect();
                let length = texts.len();
                Reply::json(format!(r#"{{"chain":[{}],"length":{length}}}"#, texts.join(",")))
            }
            ("GET", "/last_proof") if !has_last_block => {
                Reply::json(format!(r#"{{"{}":{}}}"#, self.key, self.tip().view().proof_json()))
            }
            ("GET", "/last_block") if has_last_block => {
                // Not as it is hashed: whoever hashes must bring it into that form.
                let text = self.tip().text().replace(r"Zo\u00eb", "Zoë").replace(": ", ":");
                Reply::json(format!(r#"{{"last_block":{text}}}"#))
            }
            ("POST", "/mine") => {
                if let Some(rival) = self.rival.take() {
                    assert!(self.forge(rival, "rival"));
                }
                let body: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
                let id = body["id"].as_str().unwrap_or("the node").to_string();
                let proof = body["proof"].as_u64().unwrap();
                if self.forge(proof, &id) {
                    self.ids.push(id);
                    let Python { chain, .. } = self;
                    let view = chain.last().unwrap().view();
                    Reply::json(format!(
                        r#"{{"message":"New Block Forged","index":{},"transactions":[],"proof":{},"previous_hash":{}}}"#,
                        view.index,
                        view.proof_json(),
                        view.previous_hash.text()
                    ))
                } else {
                    self.refused.push(proof);
                    let message = "Proof is invalid or already submitted.";
                    Reply::json(format!(r#"{{"message":"{message}"}}"#))
                }
            }
            _ => Reply::html(404, "<!doctype html><title>404 Not Found</title>"),
        }
    }
}

fn python(rules: Rules, zeros: u8) -> Fake<Python> {
    Fake::start(Python::new(rules, zeros), Python::answer)
}

#[test]
fn on_a_fresh_lecture_server_it_prints_the_words_of_the_notes() {
    let server = python(Rules::lecture(), 4);
    let mut miner = Program::start(&["mine", &server.url(), "--id", "alice", "--coins", "2"]);
    assert_eq!(miner.wait().code(), Some(0));
    let lines = miner.rest();
    let blocks = [
        "Found new proof: 74581 · block 2 · Coins mined: 1",
        "Found new proof: 28441 · block 3 · Coins mined: 2",
    ];
    assert_eq!(lines[..2], blocks);
    assert!(lines[2].starts_with("Total: 2 coins mined · 0 blocks lost · "), "{lines:?}");
    assert_eq!(lines.len(), 3, "{lines:?}");
    assert!(miner.stderr().ends_with("\nStarting search for new proof\n"), "{}", miner.stderr());
    assert_eq!(server.state().ids, ["alice", "alice"]);
}

#[test]
fn the_number_of_threads_does_not_change_the_proof() {
    for threads in ["1", "7", "100000"] {
        let server = python(Rules::lecture(), 4);
        let mut miner =
            Program::start(&["mine", &server.url(), "--threads", threads, "--coins", "1"]);
        assert_eq!(miner.wait().code(), Some(0));
        assert_eq!(proofs(&miner.rest()), [74_581]);
    }
}

#[test]
fn neither_does_the_backend_nor_what_the_threads_are_told() {
    for flags in [
        &["--backend", "portable"][..],
        #[cfg(target_os = "linux")]
        &["--threads", "3", "--pin", "--nice", "19"],
    ] {
        let server = python(Rules::lecture(), 4);
        let url = server.url();
        let args = ["mine", &url, "--coins", "2"];
        let mut miner = Program::start(&[&args[..], flags].concat());
        assert_eq!(miner.wait().code(), Some(0), "{}", miner.stderr());
        assert_eq!(proofs(&miner.rest()), [74_581, 28_441], "{flags:?}");
    }
}

#[test]
fn a_refusal_on_the_same_tip_asks_for_one_zero_more() {
    let server = python(Rules::lecture(), 5);
    // The key of the first version of the course, and an address without a scheme.
    server.state().key = "proof";
    let mut miner = Program::start(&["mine", &server.url().replace("http://", ""), "--coins", "2"]);
    assert_eq!(miner.wait().code(), Some(0));
    let lines = miner.rest();
    assert_eq!(proofs(&lines), [241_341, 526_815]);
    assert!(lines[2].ends_with(" · 1 proof refused"), "{lines:?}");
    let said = miner.stderr();
    let refused =
        "proof 74581 was refused (Proof is invalid or already submitted.): searching for 5 zeros";
    assert!(said.contains(refused), "{said}");

    let server = python(Rules::lecture(), 6);
    let mut miner = Program::start(&["mine", &server.url(), "--coins", "1"]);
    assert_eq!(miner.wait().code(), Some(0), "{}", miner.stderr());
    assert_eq!(proofs(&miner.rest()), [9_250_889]);
}

#[test]
fn the_chain_shows_how_many_zeros_are_wanted() {
    let server = python(Rules::lecture(), 2);
    server.state().grow(20);
    let lowest = server.state().lowest(0);
    let mut miner = Program::start(&["mine", &server.url(), "--coins", "1"]);
    assert_eq!(miner.wait().code(), Some(0));
    assert_eq!(proofs(&miner.rest()), [lowest]);
    assert!(miner.stderr().contains("a Lecture II server; searching for 2 zeros"));
}

#[test]
fn others_blocks_show_that_fewer_zeros_are_wanted_than_usual() {
    let server = python(Rules::lecture(), 2);
    // A rival with 2 zeros is faster than the usual 4, which it would go on searching otherwise.
    let rival = server.state().lowest(0);
    server.state().rival = Some(rival);
    let mut miner = Program::start(&["mine", &server.url(), "--coins", "2"]);
    assert_eq!(miner.wait().code(), Some(0));
    assert!(miner.stderr().contains("the proofs in the chain show"), "{}", miner.stderr());
}

#[test]
fn a_lost_race_is_no_reason_to_ask_for_more_zeros() {
    let server = python(Rules::lecture(), 3);
    server.state().grow(20);
    let rival = {
        let python = server.state();
        python.lowest(python.lowest(0) + 1)
    };
    server.state().rival = Some(rival);
    let mut miner = Program::start(&["mine", &server.url(), "--coins", "1"]);
    assert_eq!(miner.wait().code(), Some(0));
    let lines = miner.rest();
    assert_eq!(mined_in_all(&lines), 1);
    assert!(lines[1].starts_with("Total: 1 coin mined · 1 block lost · "), "{lines:?}");
    let said = miner.stderr();
    assert!(said.contains("came too late (Proof is invalid or already submitted.)"), "{said}");
    assert!(!said.contains("4 zeros"), "{said}");
}

#[test]
fn zeros_from_the_command_line_are_kept_and_refusals_do_not_come_in_a_flood() {
    let server = python(Rules::lecture(), 20);
    let mut miner = Program::start(&["mine", &server.url(), "--zeros", "1"]);
    wait_until("two refusals", || server.state().refused.len() >= 2);
    std::thread::sleep(Duration::from_secs(2));
    // The waits are 0.5, 1, 2 and 4 seconds.
    let refused = server.state().refused.clone();
    assert!(refused.len() <= 4, "{refused:?}");
    // Each is the next one that shows a zero, not the same again.
    let mut next = 0;
    let one_zero = Python::new(Rules::lecture(), 1);
    for proof in refused {
        assert_eq!(proof, one_zero.lowest(next));
        next = proof + 1;
    }

    // When the tip moves, it starts from 0 on that one at once.
    {
        let mut python = server.state();
        python.rules = Rules::lecture().with_zeros(1);
        python.grow(1);
    }
    until_mined(&mut miner, 1);
}

#[test]
fn a_course_server_gets_proofs_over_its_last_block_and_an_id() {
    let server = python(Rules::course(), 3);
    server.state().grow(10);
    let mut miner = Program::start(&["mine", &server.url(), "--id", "Zoë \"z\"", "--coins", "1"]);
    assert_eq!(miner.wait().code(), Some(0), "{}", miner.stderr());
    assert_eq!(mined_in_all(&miner.rest()), 1);
    assert_eq!(server.state().ids, ["Zoë \"z\""]);
    assert!(miner.stderr().contains("a course server; searching for 3 zeros"));
}

#[test]
fn a_random_start_finds_another_proof_than_everybody_else() {
    let server = python(Rules::lecture(), 3);
    server.state().grow(10);
    let mut miner = Program::start(&["mine", &server.url(), "--start", "random", "--coins", "1"]);
    assert_eq!(miner.wait().code(), Some(0));
    let proof = proofs(&miner.rest())[0];
    // One start in 10^9 is lower than this.
    assert!(proof > 1_000_000, "{proof}");
}

/// Our own node, as far as a miner sees it.
struct Ours {
    target: Target,
    index: u64,
    /// The hash of the block that it made last.
    made: String,
    /// Every call for work, with its query.
    asked: Vec<String>,
    /// How many proofs are answered with a conflict.
    conflicts: usize,
}

impl Ours {
    fn answer(&mut self, call: &Call) -> Reply {
        let (index, target) = (self.index, self.target);
        match (&*call.method, call.path.split('?').next().unwrap()) {
            ("GET", "/api/v1/work") => {
                self.asked.push(call.path.clone());
                Reply::json(format!(
                    r#"{{"id":"work-{index}","index":{index},"prefix":"pre {index}","suffix":" fix","target":"{target}","previous_hash":"{index:064x}"}}"#
                ))
            }
            ("POST", "/api/v1/work") => {
                let body: serde_json::Value = serde_json::from_slice(&call.body).unwrap();
                let to = self.asked.last().unwrap().split_once("recipient=").unwrap().1;
                let to = to.split('&').next().unwrap().replace('+', " ");
                let to = to.replace("%26", "&").replace("%C3%AB", "ë");
                let prefix = format!("pre {index}").into_bytes().into();
                let job = Job { prefix, suffix: b" fix".into(), target };
                assert_eq!(body["id"], format!("work-{index}"));
                assert!(job.accepts(body["proof"].to_string()));
                self.index += 1;
                if self.conflicts > 0 {
                    self.conflicts -= 1;
                    let body =
                        r#"{"type":"about:blank","title":"Conflict","detail":"the work is stale"}"#;
                    return Reply { status: 409, ..Reply::json(body.into()) };
                }
                let block = format!(
                    r#"{{"index": {index}, "previous_hash": "{index:064x}", "proof": {}, "timestamp": 1.5, "transactions": [{{"recipient": "{to}"}}]}}"#,
                    body["proof"]
                );
                self.made = Block::parse(block.as_bytes()).unwrap().hash().to_string();
                Reply::json(format!(
                    r#"{{"index": {index}, "hash": "{}", "block": {block}}}"#,
                    self.made
                ))
            }
            ("GET", "/api/v1/headers") => Reply::json(format!(
                r#"{{"headers": [{{"index": {}, "hash": "{}", "previous_hash": "{:064x}"}}], "next": null}}"#,
                index - 1,
                self.made,
                index - 1
            )),
            // A lecture node of ours has these, too, and they must not be preferred.
            ("GET", "/last_proof") => Reply::json(r#"{"last_proof":1}"#.into()),
            ("GET", "/last_block") => Reply::json(r#"{"last_block":{}}"#.into()),
            _ => Reply::html(404, ""),
        }
    }
}

fn ours(zeros: u8) -> Fake<Ours> {
    let target = Target::from_zeros(zeros);
    let made = String::new();
    Fake::start(Ours { target, index: 7, made, asked: Vec::new(), conflicts: 0 }, Ours::answer)
}

#[test]
fn our_node_says_what_to_search_and_a_conflict_is_no_end() {
    let server = ours(3);
    server.state().conflicts = 1;
    let mut miner = Program::start(&["mine", &server.url(), "--id", "Al & Zoë", "--coins", "2"]);
    assert_eq!(miner.wait().code(), Some(0), "{}", miner.stderr());
    let lines = miner.rest();
    assert!(lines[0].ends_with(" · block 8 · Coins mined: 1"), "{lines:?}");
    assert!(lines[1].ends_with(" · block 9 · Coins mined: 2"), "{lines:?}");
    assert!(lines[2].starts_with("Total: 2 coins mined · 1 block lost · "), "{lines:?}");
    assert!(miner.stderr().contains("came too late (the work is stale)"), "{}", miner.stderr());
    let asked = server.state().asked.clone();
    let ours = "/api/v1/work?recipient=Al+%26+Zo%C3%AB";
    let is_ours = |path: &String| {
        let than = path.strip_prefix(ours);
        than.is_some_and(|than| than.is_empty() || than.starts_with("&than=work-"))
    };
    assert!(asked.iter().all(is_ours), "{asked:?}");
}

#[test]
fn stale_work_is_dropped_when_the_tip_moves() {
    let server = ours(64);
    let mut miner = Program::start(&["mine", &server.url(), "--coins", "1"]);
    until_it_searches(&miner);
    {
        let mut node = server.state();
        node.index += 1;
        node.target = Target::from_zeros(2);
    }
    assert_eq!(miner.wait().code(), Some(0));
    let lines = miner.rest();
    assert_eq!(mined_in_all(&lines), 1);
    assert!(lines[1].starts_with("Total: 1 coin mined · 1 block lost · "), "{lines:?}");
}

#[test]
fn stale_work_of_a_python_server_is_dropped_too() {
    let server = python(Rules::lecture(), 3);
    server.state().grow(10);
    // So many that no search ends.
    let miner = Program::start(&["mine", &server.url(), "--zeros", "20"]);
    until_it_searches(&miner);
    server.state().grow(1);
    wait_until("a word", || miner.stderr().contains("another miner was faster"));
    assert!(server.state().refused.is_empty());
}

#[test]
fn the_first_signal_is_the_end_and_too_early_where_coins_are_still_to_come() {
    let server = ours(64);
    for (wanted, code) in [(&[][..], 0), (&["--coins", "1"], 130)] {
        let mut miner = Program::start(&[&["mine", &server.url()], wanted].concat());
        until_it_searches(&miner);
        miner.terminate();
        assert_eq!(miner.wait().code(), Some(code));
    }
}

/// A server that is sometimes not itself.
struct Moody {
    python: Python,
    well: bool,
    asked: usize,
}

#[test]
fn what_is_not_json_is_named_once_and_outlived() {
    let python = Python::new(Rules::lecture(), 4);
    let server = Fake::start(Moody { python, well: false, asked: 0 }, |moody, call| {
        moody.asked += 1;
        match moody.well {
            true => moody.python.answer(call),
            false => Reply::html(200, "<h1>Welcome\x1b[31m to the proxy</h1>"),
        }
    });
    let mut miner = Program::start(&["mine", &server.url()]);
    wait_until("several tries", || server.state().asked > 6);
    let stderr = miner.stderr();
    assert_eq!(stderr.matches("asking again").count(), 1, "{stderr}");
    assert!(stderr.contains("GET /last_proof answered 200 OK and an HTML page)"), "{stderr}");
    assert!(!stderr.contains("<h1>"), "{stderr}");
    server.state().well = true;
    until_mined(&mut miner, 1);
    assert!(miner.stderr().contains("answers now: a Lecture II server"));
}

#[test]
fn a_proof_that_got_no_answer_is_handed_in_again() {
    for status in [500, 408, 429] {
        let python = Python::new(Rules::lecture(), 4);
        let moody = Moody { python, well: false, asked: 0 };
        let server = Fake::start(moody, move |moody, call| {
            if call.method == "POST" && !std::mem::replace(&mut moody.well, true) {
                return Reply { status, ..Reply::json(r#"{"message":"not now"}"#.into()) };
            }
            moody.python.answer(call)
        });
        let mut miner = Program::start(&["mine", &server.url(), "--coins", "1"]);
        assert_eq!(miner.wait().code(), Some(0));
        let lines = miner.rest();
        assert_eq!((mined_in_all(&lines), proofs(&lines)), (1, vec![74_581]));
        let named = format!("POST /mine answered {status}");
        assert!(miner.stderr().contains(&named), "{}", miner.stderr());
    }
}

#[test]
fn a_server_that_is_too_busy_for_a_proof_is_not_flooded_with_it() {
    let python = Python::new(Rules::lecture(), 4);
    let server = Fake::start(Moody { python, well: true, asked: 0 }, |moody, call| {
        if call.method == "POST" {
            moody.asked += 1;
            return Reply { status: 429, ..Reply::json(r#"{"message":"not now"}"#.into()) };
        }
        moody.python.answer(call)
    });
    let _miner = Program::start(&["mine", &server.url()]);
    wait_until("a second time", || server.state().asked >= 2);
    std::thread::sleep(Duration::from_secs(2));
    // The waits are 0.5, 1, 2 and 4 seconds.
    assert!(server.state().asked <= 4, "{} times", server.state().asked);
}

#[test]
#[cfg(target_os = "linux")]
fn while_a_server_is_waited_for_no_line_says_how_a_search_goes() {
    let python = Python::new(Rules::lecture(), 4);
    let server = Fake::start(Moody { python, well: true, asked: 0 }, |moody, call| {
        moody.well &= call.method != "POST";
        match moody.well {
            true => moody.python.answer(call),
            false => Reply::html(500, "<title>500 Internal Server Error</title>"),
        }
    });
    // script(1) gives it a terminal.
    let program = env!("CARGO_BIN_EXE_blocksmith");
    let url = server.url();
    let command = format!("exec timeout --foreground -s INT 2 {program} mine {url} --id alice");
    let mut script = std::process::Command::new("script");
    let mut miner = Program::spawn(script.args(["-qc", &command, "/dev/null"]));
    miner.wait();
    let seen = miner.rest().join("\n");
    let (searched, waited) = seen.split_once("asking again").unwrap_or_else(|| panic!("{seen:?}"));
    assert!(searched.contains("chance so far "), "{seen:?}");
    assert!(!waited.contains("chance so far "), "{seen:?}");
}

#[test]
fn a_server_that_is_away_is_waited_for() {
    let address = Fake::<Python>::free_address();
    let mut miner = Program::start(&["mine", &address]);
    wait_until("a word about it", || miner.stderr().contains("no answer from"));
    let server = Fake::start_at(&address, Python::new(Rules::lecture(), 4), Python::answer);
    until_mined(&mut miner, 1);
    let python = server.stop();
    wait_until("a second word", || miner.stderr().matches("no answer from").count() == 2);
    let coins = python.ids.len();
    let server = Fake::start_at(&address, python, Python::answer);
    until_mined(&mut miner, coins as u64 + 1);
    assert_eq!(miner.stderr().matches("answers now").count(), 2, "{}", miner.stderr());
    drop(server);
}

#[test]
fn an_address_that_is_none_is_a_usage_error() {
    for url in ["http://", "ftp://localhost", "localhost:99999999", "http://127.0.0.1:0"] {
        let mut miner = Program::start(&["mine", url]);
        assert_eq!(miner.wait().code(), Some(2), "{url}");
        assert!(miner.rest().is_empty());
    }
}

#[test]
fn the_id_is_made_once_and_kept() {
    let home = tempfile::tempdir().unwrap();
    let server = python(Rules::lecture(), 2);
    server.state().grow(10);
    for _ in 0..2 {
        let mut miner = Program::start_in(home.path(), &["mine", &server.url(), "--coins", "1"]);
        assert_eq!(miner.wait().code(), Some(0));
    }
    let ids = server.state().ids.clone();
    assert_eq!(ids[0].len(), 32);
    assert_eq!(ids[0], ids[1]);
}

/// A server for miners that takes no proof, and says so in this way.
fn takes_no_proof(reply: Reply) -> Fake<Moody> {
    let python = Python::new(Rules::lecture(), 4);
    Fake::start(Moody { python, well: true, asked: 0 }, move |moody, call| {
        if call.method == "POST" {
            moody.asked += 1;
            return reply.clone();
        }
        moody.python.answer(call)
    })
}

#[test]
fn a_trouble_with_proofs_alone_is_said_once() {
    let busy = Reply { status: 503, ..Reply::json(r#"{"message":"not\nnow"}"#.into()) };
    for reply in [Reply::html(500, "<h1>Oops</h1>"), busy, Reply::json("{}".into())] {
        let server = takes_no_proof(reply);
        let miner = Program::start(&["mine", &server.url()]);
        wait_until("a third time", || server.state().asked >= 3);
        let said = miner.stderr();
        assert_eq!(said.matches("POST /mine answered").count(), 1, "{said}");
        // That, for whom it mines, what was met, and that it searches.
        assert_eq!(said.lines().count(), 4, "{said}");
    }
}

#[test]
fn a_server_without_a_chain_is_not_said_to_have_an_empty_one() {
    for chain in [Some(Reply::html(404, "")), Some(Reply::json("[]".into())), None] {
        let (says, is_empty) = (chain.clone(), chain.is_none());
        let server = Fake::start(Python::new(Rules::lecture(), 4), move |python, call| {
            let of_chain = says.clone().filter(|_| call.path == "/chain");
            of_chain.unwrap_or_else(|| python.answer(call))
        });
        let mut miner = Program::start(&["mine", &server.url(), "--coins", "1"]);
        assert_eq!(miner.wait().code(), Some(0), "{}", miner.stderr());
        let said = miner.stderr();
        assert_eq!(said.contains("its chain shows no proof yet"), is_empty, "{said}");
        assert_eq!(said.contains("it shows no chain"), !is_empty, "{said}");
        assert!(said.contains("searching for 4 zeros, the usual number (--zeros"), "{said}");
    }
}

#[test]
fn a_proof_that_is_refused_for_ever_is_complained_of_once() {
    let server = python(Rules::lecture(), 20);
    let miner = Program::start(&["mine", &server.url(), "--zeros", "1"]);
    wait_until("three refusals", || server.state().refused.len() >= 3);
    let said = miner.stderr();
    assert_eq!(said.matches("although the tip is the same").count(), 1, "{said}");
}

#[test]
fn what_waiting_does_not_change_ends_it_with_the_servers_own_words() {
    let words = |status| Reply::problem(status, "", "pay\nfirst\u{1b}[31m\u{202e}");
    let shown = r"pay\nfirst\u{1b}[31m\u{202e}";
    let broken = Reply { headers: vec![("Location", "/\u{1}x".into())], ..Reply::html(301, "") };
    let anywhere = |reply: Reply| {
        Fake::start(
            Moody { python: Python::new(Rules::lecture(), 4), well: true, asked: 0 },
            move |_, _| reply.clone(),
        )
    };
    for (server, says) in [
        (anywhere(Reply::html(404, "<h1>Not Found</h1>")), "404 Not Found and an HTML page"),
        (anywhere(Reply { status: 405, ..Reply::json("{}".into()) }), "405 Method Not Allowed: {}"),
        (anywhere(words(421)), shown),
        (anywhere(broken), "answers, but not in HTTP (invalid HTTP header parsed)"),
        (takes_no_proof(words(404)), shown),
        (
            takes_no_proof(Reply::html(405, "<h1>No</h1>")),
            "POST /mine answered 405 Method Not Allowed",
        ),
        (takes_no_proof(Reply::html(501, "")), "POST /mine answered 501 Not Implemented"),
    ] {
        let mut miner = Program::start(&["mine", &server.url(), "--coins", "1"]);
        assert_eq!(miner.wait().code(), Some(4), "{}", miner.stderr());
        let said = miner.stderr();
        assert!(said.contains(says) && said.contains(&server.url()), "{said}");
        assert!(said.contains("the miner stops: "), "{said}");
        assert!(said.contains(": blocksmith mine "), "{said}");
        assert!(!said.contains(['\u{1b}', '\u{202e}']) && !said.contains("<h1>"), "{said}");
    }
}

#[test]
fn a_server_that_had_work_and_lacks_its_calls_for_a_while_is_waited_for() {
    let python = Python::new(Rules::lecture(), 3);
    let server = Fake::start(Moody { python, well: true, asked: 0 }, |moody, call| {
        moody.asked += 1;
        match moody.well {
            true => moody.python.answer(call),
            false => Reply::html(404, "<h1>Starting</h1>"),
        }
    });
    server.state().python.grow(10);
    let mut miner = Program::start(&["mine", &server.url(), "--zeros", "3"]);
    until_mined(&mut miner, 1);
    server.state().well = false;
    wait_until("a word", || miner.stderr().contains("asking again") || miner.ended().is_some());
    assert!(miner.ended().is_none(), "{}", miner.stderr());
    server.state().well = true;
    miner.seen();
    miner.until_so("another coin", |line| mined(line).is_some());
}
