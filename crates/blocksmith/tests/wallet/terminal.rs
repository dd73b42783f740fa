//! What happens on a terminal: `script` of util-linux is one.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use blocksmith_consensus::Hash;
use blocksmith_consensus::payment::{Domain, Payment};
use blocksmith_wallet::{Phrase, WalletFile, dev};

use crate::ledger::{self, stranger};
use crate::owner::{Owner, PASSWORD, forge};
use crate::program::{PATIENCE, Program};
use crate::races::{dev_node, waiting};

/// A terminal in which the command runs.
struct Terminal {
    child: Child,
    screen: Arc<Mutex<String>>,
    /// How much of the screen was looked at.
    seen: usize,
}

impl Terminal {
    fn run(owner: &Owner, args: &[&str]) -> Self {
        Self::run_in(owner, 80, args)
    }

    /// Runs the command in a terminal of so many columns.
    fn run_in(owner: &Owner, columns: usize, args: &[&str]) -> Self {
        let program = owner.command(args);
        let words = std::iter::once(program.get_program()).chain(program.get_args());
        let line: Vec<_> = words.map(|word| format!("'{}'", word.to_str().unwrap())).collect();
        let mut script = Command::new("script");
        for (name, value) in program.get_envs() {
            match value {
                Some(value) => script.env(name, value),
                None => script.env_remove(name),
            };
        }
        let line = format!("stty rows 50 cols {columns}; {}", line.join(" "));
        let mut child = script
            .args(["--quiet", "--return", "--flush", "--command", &line, "/dev/null"])
            .current_dir(owner.home.path())
            .env("SHELL", "/bin/sh")
            .env("BLOCKSMITH_LOG", "off")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("script of util-linux is installed");
        let screen = Arc::new(Mutex::new(String::new()));
        let (shared, mut output) = (screen.clone(), child.stdout.take().unwrap());
        thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(read @ 1..) = output.read(&mut bytes) {
                shared.lock().unwrap().push_str(&String::from_utf8_lossy(&bytes[..read]));
            }
        });
        Self { child, screen, seen: 0 }
    }

    fn screen(&self) -> String {
        self.screen.lock().unwrap().clone()
    }

    /// Waits for a question, and types.
    fn asked(&mut self, question: &str, answer: &str) {
        let begin = Instant::now();
        loop {
            let screen = self.screen();
            if let Some(at) = screen[self.seen..].find(question) {
                self.seen += at + question.len();
                break;
            }
            assert!(begin.elapsed() < PATIENCE, "{question:?} is not asked: {screen}");
            thread::sleep(Duration::from_millis(10));
        }
        // The question comes before the echo is turned off.
        thread::sleep(Duration::from_millis(300));
        self.child.stdin.as_mut().unwrap().write_all(answer.as_bytes()).unwrap();
    }

    /// The exit code, and all that was on the screen.
    fn end(mut self) -> (Option<i32>, String) {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait().unwrap() {
                thread::sleep(Duration::from_millis(100));
                return (status.code(), self.screen());
            }
            thread::sleep(Duration::from_millis(10));
        }
        panic!("it does not end: {}", self.screen());
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_history_fits_the_terminal_and_says_where_the_rest_is() {
    let node = ledger::start();
    let alice = Owner::with_wallet(1, 1);
    let (own, texts, url) = (alice.addresses(), alice.texts(), node.url());
    node.state().allot(own[0], 1_250_000_000);
    node.state().mine(own[0]);
    let to = stranger().to_text(forge().hrp);
    let args = ["send", &to, "2.5", "--fee", "0.001", "--memo", "rent", "--yes", "--node", &url];
    alice.run(&args).good();
    node.state().mine(stranger());
    alice.run(&args).good();
    let short = |text: &str| format!("{}…{}", &text[..11], &text[text.len() - 5..]);
    let (own, theirs) = (short(&texts[0]), short(&to));
    let shown = |columns: usize, command: &str| {
        let args = [command, "--node", &url, "--password-file", "password"];
        let (code, screen) = Terminal::run_in(&alice, columns, &args).end();
        assert_eq!(code, Some(0), "{screen}");
        let is_note =
            |line: &str| ["--json", "`", "This"].iter().any(|note| line.starts_with(note));
        for line in screen.lines().take_while(|line| !is_note(line)) {
            assert!(line.chars().count() <= columns, "{columns} columns: {line}");
        }
        screen.replace("\r\n", "\n")
    };
    let head = "have     29.999  coins\nleaving  -2.501  1 payment waits\n\n";
    let narrow = format!(
        "{head}waits              -2.5\n  to {theirs}\n  fee 0.001, \"rent\"\n\
         2027-01-15 08:03   -2.5\n  to {theirs}\n  block 3, 1 confirmation\n  fee 0.001, \"rent\"\n\
         2027-01-15 08:02  +20\n  mined by {own}\n  block 2, 2 confirmations\n\
         2027-01-15 08:01  +12.5\n  given to {own}\n  block 1, 3 confirmations\n  \
         by the first block of the chain\n"
    );
    let more = "--json shows the ids of transactions and whole addresses.\n";
    let screen = shown(40, "history");
    assert!(screen.starts_with(&format!("{narrow}--json shows")), "{screen}");
    let screen = shown(80, "history");
    let row = format!(
        "2027-01-15 08:02  +20    mined by {own}      2              2\n\
         2027-01-15 08:01  +12.5  given to {own}      1              3\n"
    );
    assert!(screen.starts_with(head) && screen.contains(&row), "{screen}");
    assert!(screen.contains(more), "{screen}");
    let screen = shown(130, "history");
    let row = format!("2027-01-15 08:02  +20    mined by {}      2              2\n", texts[0]);
    assert!(screen.starts_with(head) && screen.contains(&row), "{screen}");
    assert!(!screen.contains(more), "nothing is shortened: {screen}");

    let screen = shown(40, "balance");
    let row = format!("{head}{own}  29.999\n  (1 payment waits)\n`blocksmith wallet address`");
    assert!(screen.starts_with(&row), "{screen}");
    let screen = shown(100, "balance");
    let row = format!("{head}{}  29.999  (1 payment waits)\nThis is", texts[0]);
    assert!(screen.starts_with(&row), "{screen}");
}

#[test]
fn a_new_password_is_typed_twice_and_not_shown() {
    let alice = Owner::new();
    let mut terminal = Terminal::run(&alice, &["new"]);
    terminal.asked("New password for the wallet file: ", &format!("{PASSWORD}\n"));
    terminal.asked("The same again: ", &format!("{PASSWORD}\n"));
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(!screen.contains("opensesame"), "{screen}");
    // It opens with the password that was typed.
    assert!(screen.contains(&alice.texts()[0]), "{screen}");

    let bob = Owner::new();
    let mut terminal = Terminal::run(&bob, &["new"]);
    terminal.asked("New password for the wallet file: ", "one\n");
    terminal.asked("The same again: ", "two\n");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(1), "{screen}");
    assert!(screen.contains("the two are not the same"), "{screen}");
    assert!(!bob.wallet().exists());

    // What was pasted has more in it than its owner sees.
    let mut terminal = Terminal::run(&bob, &["new"]);
    terminal.asked("New password for the wallet file: ", "open\u{200b}sesame\n");
    terminal.asked("The same again: ", "open\u{200b}sesame\n");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(1), "{screen}");
    assert!(screen.contains("character 5 of the password is U+200B (zero width"), "{screen}");
    assert!(!bob.wallet().exists());
}

#[test]
fn words_are_typed_and_not_shown() {
    let words = format!("{}about", "abandon ".repeat(11));
    let bob = Owner::new();
    let mut terminal = Terminal::run(&bob, &["restore", "--password-file", "password"]);
    terminal.asked("Words, with spaces between", &format!("{words}\n"));
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(!screen.contains("abandon"), "{screen}");
    assert!(screen.contains(&bob.texts()[0]), "{screen}");
}

#[test]
fn a_mistyped_word_names_the_nearest_and_is_typed_again() {
    let word = |typed: &str| format!("{typed} {} about\n", "abandon ".repeat(10));
    for (typed, said) in [
        ("abadon", "'abadon' is not in the list of 2,048 words; did you mean 'abandon'?"),
        ("ABADNON", "'abadnon' is not in the list of 2,048 words; did you mean 'abandon'?"),
        (
            "aband0n",
            "word 1 contains 0 (U+0030); the words have only letters from a to z; did you mean 'abandon'?",
        ),
        (
            "abs",
            "'abs' is not in the list of 2,048 words; did you mean 'absent', 'absorb', 'abstract' or 'absurd'?",
        ),
        (
            "a",
            "'a' is not in the list of 2,048 words; 136 words are as similar: type more of its letters",
        ),
        (
            "xylophone",
            "'xylophone' is not in the list of 2,048 words; no word in the list is similar",
        ),
    ] {
        let bob = Owner::new();
        let mut terminal = Terminal::run(&bob, &["restore", "--password-file", "password"]);
        terminal.asked("Words, with spaces between", &word(typed));
        terminal.asked(said, "");
        terminal.asked("Word 1 again, or an empty line to end: ", "aban\n");
        let (code, screen) = terminal.end();
        assert_eq!(code, Some(0), "{screen}");
        assert!(screen.contains(&bob.texts()[0]), "{screen}");
        assert!(!screen.contains("about"), "no other word is shown: {screen}");
    }
    let bob = Owner::new();
    let mut terminal = Terminal::run(&bob, &["restore", "--password-file", "password"]);
    terminal.asked("Words, with spaces between", &word("abadon"));
    terminal.asked("Word 1 again, or an empty line to end: ", "\n");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(1), "{screen}");
    assert!(screen.contains("word 1 is not in the list of 2,048 words"), "{screen}");
}

#[test]
fn words_may_be_pasted_on_several_lines() {
    let half = "abandon ".repeat(6);
    let bob = Owner::new();
    let mut terminal = Terminal::run(&bob, &["restore", "--password-file", "password"]);
    terminal.asked("Words, with spaces between", &format!("{half}\n"));
    terminal
        .asked("6 so far; more words", &format!("{} about\n", half.replacen("abandon ", "", 1)));
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(!screen.contains("abandon"), "{screen}");
    assert!(screen.contains(&bob.texts()[0]), "{screen}");

    let bob = Owner::new();
    let mut terminal = Terminal::run(&bob, &["restore", "--password-file", "password"]);
    terminal.asked("Words, with spaces between", &format!("{half}\n"));
    terminal.asked("6 so far; more words", "\n");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(1), "{screen}");
    assert!(
        screen.contains("a wallet has 12, 15, 18, 21 or 24 words, and these are 6"),
        "{screen}"
    );
}

#[test]
fn it_is_sent_when_alice_says_yes() {
    let node = ledger::start();
    let alice = Owner::with_wallet(1, 1);
    node.state().mine(alice.addresses()[0]);
    let (to, url) = (stranger().to_text(forge().hrp), node.url());
    let answers = [("\n", 1, 0), ("n\n", 1, 0), ("yep\n", 1, 0), ("y\n", 0, 1), ("YES\n", 0, 2)];
    for (answer, expected, sent) in answers {
        let args = ["send", &to, "1", "--node", &url, "--password-file", "password"];
        let mut terminal = Terminal::run(&alice, &args);
        terminal.asked("pay    1 coin", "");
        terminal.asked("Send it? [y/N] ", answer);
        let (code, screen) = terminal.end();
        assert_eq!(code, Some(expected), "{answer:?}: {screen}");
        assert_eq!(screen.contains("Nothing was sent."), expected == 1, "{screen}");
        assert_eq!(node.state().queue.len(), sent, "{answer:?}");
    }
}

#[test]
fn what_was_signed_elsewhere_is_sent_when_somebody_says_yes() {
    let node = ledger::start();
    let (alice, friend) = (Owner::with_wallet(1, 1), Owner::new());
    node.state().mine(alice.addresses()[0]);
    let (to, url) = (stranger().to_text(forge().hrp), node.url());
    let signed = |nonce: &str| {
        let text = alice.run(&["sign", &to, "1", "--nonce", nonce, "--fee", "0"]).good();
        std::fs::write(friend.home.path().join("payment.json"), &text).unwrap();
        Payment::parse(text.as_bytes(), &forge()).unwrap().verify().unwrap()
    };
    let args = ["send", "--signed", "payment.json", "--node", &url];
    signed("0");
    for (answer, expected, sent) in [("\n", 1, 0), ("y\n", 0, 1)] {
        let mut terminal = Terminal::run(&friend, &args);
        terminal.asked("nonce  0", "");
        terminal.asked("Send it? [y/N] ", answer);
        let (code, screen) = terminal.end();
        assert_eq!(code, Some(expected), "{answer:?}: {screen}");
        assert_eq!(screen.contains("Nothing was sent."), expected == 1, "{screen}");
        assert_eq!(node.state().queue.len(), sent, "{answer:?}");
    }
    // While it is asked, another friend hands the same payment in, and it is mined.
    let payment = signed("1");
    let id = payment.id().to_string();
    let mut terminal = Terminal::run(&friend, &args);
    terminal.asked("Send it? [y/N] ", "");
    node.state().queue.push(payment);
    node.state().mine(stranger());
    terminal.asked("", "y\n");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    assert!(screen.contains(&id), "{screen}");
    assert_eq!(node.state().queue, []);
}

#[test]
fn ctrl_c_at_a_question_ends_it() {
    let mut terminal = Terminal::run(&Owner::new(), &["verify"]);
    terminal.asked("", "\u{3}");
    assert_eq!(terminal.end().0, Some(130));

    let alice = Owner::new();
    let mut terminal = Terminal::run(&alice, &["new"]);
    terminal.asked("New password for the wallet file: ", "half\u{3}");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(130), "{screen}");
    assert!(!alice.wallet().exists());

    let node = ledger::start();
    let alice = Owner::with_wallet(1, 1);
    node.state().mine(alice.addresses()[0]);
    let (to, url) = (stranger().to_text(forge().hrp), node.url());
    let args = ["send", &to, "1", "--node", &url, "--password-file", "password"];
    let mut terminal = Terminal::run(&alice, &args);
    terminal.asked("Send it? [y/N] ", "\u{3}");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(130), "{screen}");
    assert_eq!(node.state().queue, []);
}

#[test]
fn a_payment_that_is_made_while_the_question_stands_is_not_replaced() {
    let (carol, _node, url) = dev_node();
    let (to, from) = (stranger().to_text(forge().hrp), &carol.texts()[4]);
    let args = ["send", &to, "3", "--fee", "0.00005", "--from", from, "--node", &url];
    let more = ["--password-file", "password"];
    let mut terminal = Terminal::run(&carol, &[&args[..], &more].concat());
    terminal.asked("Send it? [y/N] ", "");
    let args = ["send", &to, "7", "--fee", "0.00001", "--from", from, "--yes", "--node", &url];
    let other = carol.run(&args).good();
    terminal.asked("", "y\n");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    let rows = carol.run(&["history", "--json", "--node", &url]).json();
    let rows = waiting(&rows);
    let amounts: Vec<_> = rows.iter().map(|row| &row["amount"]).collect();
    assert_eq!(amounts, [700_000_000, 300_000_000], "{rows:?}");
    assert_eq!(rows[0]["id"], other.trim_end());
}

#[test]
fn a_signed_payment_takes_the_place_of_another_one_if_somebody_says_yes() {
    let (carol, _node, url) = dev_node();
    let friend = Owner::new();
    let to = stranger().to_text(forge().hrp);
    let sign = |amount: &str, fee: &str| {
        let args = ["sign", &to, amount, "--nonce", "0", "--fee", fee, "--from", &carol.texts()[4]];
        let text = carol.run(&[&args[..], &["--chain", "forge-dev"]].concat()).good();
        std::fs::write(friend.home.path().join("payment.json"), text).unwrap();
    };
    let args = ["send", "--signed", "payment.json", "--node", &url];
    sign("1", "0");
    friend.run_with("", &[&args[..], &["--yes"]].concat()).good();
    let amount = || {
        let rows = carol.run(&["history", "--json", "--node", &url]).json();
        let rows = waiting(&rows);
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows[0]["amount"].as_u64().unwrap() / 100_000_000
    };
    sign("2", "0.01");
    for (answer, expected, left) in [("\n", 1, 1), ("y\n", 0, 2)] {
        let mut terminal = Terminal::run(&friend, &args);
        terminal.asked(": 1 coin to ", "");
        terminal.asked("Send it and replace the other payment? [y/N] ", answer);
        let (code, screen) = terminal.end();
        assert_eq!((code, amount()), (Some(expected), left), "{screen}");
    }
    // While the question stands, another one than was shown takes the nonce.
    sign("4", "0.09");
    let mut terminal = Terminal::run(&friend, &args);
    terminal.asked(": 2 coins to ", "");
    terminal.asked("[y/N] ", "");
    std::fs::rename(friend.home.path().join("payment.json"), friend.home.path().join("four"))
        .unwrap();
    sign("3", "0.05");
    friend.run_with("", &[&args[..], &["--yes", "--replace"]].concat()).good();
    terminal.asked("", "y\n");
    let (code, screen) = terminal.end();
    assert_eq!((code, amount()), (Some(4), 3), "{screen}");
    assert!(screen.contains("add --replace to replace the other one"), "{screen}");
}

#[test]
fn who_agreed_is_asked_once_more_when_another_address_would_pay() {
    let node = ledger::start();
    let alice = Owner::with_wallet(1, 2);
    let own = alice.addresses();
    own.iter().for_each(|address| node.state().mine(*address));
    let (to, url, texts) = (stranger().to_text(forge().hrp), node.url(), alice.texts());
    let pay = |amount: &str| {
        let args = ["send", &to, amount, "--from", &texts[0], "--yes", "--node", &url];
        alice.run(&args).good();
    };
    let args = ["send", &to, "15", "--node", &url, "--password-file", "password"];
    for (last, expected) in [("n\n", Some(1)), ("y\n", Some(0))] {
        node.state().queue.clear();
        let mut terminal = Terminal::run(&alice, &args);
        terminal.asked(&format!("from   {}", texts[0]), "");
        terminal.asked("Send it? [y/N] ", "");
        pay("10");
        terminal.asked("", "y\n");
        terminal.asked("something changed in the meantime", "");
        terminal.asked(&format!("from   {}", texts[1]), "");
        terminal.asked("Send it? [y/N] ", last);
        let (code, screen) = terminal.end();
        assert_eq!(code, expected, "{screen}");
    }
    let sender = node.state().queue[1].sender();
    assert_eq!(sender, own[1]);
    // Nobody has enough any more.
    node.state().queue.clear();
    let mut terminal = Terminal::run(&alice, &[&args[..], &["--from", &texts[0]]].concat());
    terminal.asked("Send it? [y/N] ", "");
    pay("10");
    terminal.asked("", "y\n");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(1), "{screen}");
    assert!(screen.contains("15 coins needed, 10 available"), "{screen}");
    assert_eq!(node.state().queue.len(), 1);
}

#[test]
fn a_nonce_with_a_gap_is_signed_when_somebody_says_yes() {
    let node = ledger::start();
    let alice = Owner::with_wallet(1, 1);
    node.state().mine(alice.addresses()[0]);
    node.state().claims = Some((0, 7));
    let (to, url) = (stranger().to_text(forge().hrp), node.url());
    let args = ["send", &to, "1", "--node", &url, "--password-file", "password"];
    for (answer, expected, posted) in [("\n", 1, 0), ("y\n", 0, 1)] {
        let mut terminal = Terminal::run(&alice, &args);
        terminal
            .asked("nonce  7: the node says that the next nonce is 7, but it shows no payment", "");
        terminal.asked("Send it? [y/N] ", answer);
        let (code, screen) = terminal.end();
        assert_eq!(code, Some(expected), "{screen}");
        let posts = node.state().calls.iter().filter(|call| call.starts_with("POST")).count();
        assert_eq!(posts, posted);
    }
}

#[test]
fn a_chain_that_nobody_knows_is_asked_about_once() {
    let node = ledger::start();
    let alice = Owner::with_wallet(1, 2);
    node.state().mine(alice.addresses()[0]);
    let url = node.url();
    let to = stranger().to_text(forge().hrp);
    let args = ["send", &to, "0.5", "--node", &url, "--password-file", "password"];
    let before = std::fs::read(alice.wallet()).unwrap();
    for (byte, told, question, kept) in [
        (7, "class", "calls it \"class\". What you pay", "class"),
        (8, "forge", "calls it \"forge\", which is the name of another chain.", "unnamed"),
        (9, "Class", "calls it \"Class\", which is the name of another chain.", "unnamed"),
        (10, "Forge-Dev", "which is the name of another chain.", "unnamed"),
        (
            12,
            "mine, which is checked",
            "\"mine, which is checked\". What",
            "mine, which is checked",
        ),
        (11, r#"mine" (your chain"#, r#"calls it "mine\" (your chain". What"#, "unnamed"),
    ] {
        let id = Hash([byte; 32]);
        let domain = Domain { chain_id: id, ..forge() };
        (node.state().domain, node.state().name) = (domain, told.into());
        node.state().queue.clear();
        let mut terminal = Terminal::run(&alice, &args);
        terminal.asked(&format!("this wallet does not know the chain {id}."), "");
        terminal.asked(question, "");
        terminal.asked("Pay on it, and remember it? [y/N] ", "\n");
        let (code, screen) = terminal.end();
        assert_eq!(code, Some(1), "{screen}");
        assert!(byte > 7 || std::fs::read(alice.wallet()).unwrap() == before);
        let mut terminal = Terminal::run(&alice, &args);
        terminal.asked("Pay on it, and remember it? [y/N] ", "y\n");
        terminal.asked(&format!("chain  \"{kept}\", {id}"), "");
        terminal.asked("Send it? [y/N] ", "y\n");
        assert_eq!(terminal.end().0, Some(0));
        // From then on it is known, also unasked, whatever a node calls it.
        node.state().name = "something else".into();
        let ran = alice.run(&[&args[..3], &["--node", &url, "--yes"]].concat());
        assert!(ran.stderr.contains(&format!("chain  \"{kept}\", {id}\n")), "{}", ran.stderr);
        ran.good();
        let balance = alice.run(&["balance", "--json", "--node", &url]).json();
        assert_eq!(balance["chain"], kept);
        assert_eq!(node.state().queue.len(), 2);
    }
    // Nothing else in the file changed.
    let (_, wallet) = WalletFile::open(alice.wallet(), PASSWORD).unwrap();
    let labels: Vec<_> = wallet.addresses().map(|entry| entry.label.to_owned()).collect();
    assert_eq!(labels, ["", "number 1"]);
    assert_eq!(wallet.phrase().text(), Phrase::from_entropy(&[1; 16]).unwrap().text());
}

#[test]
fn the_dev_chain_of_a_file_takes_everybodys_keys_as_its_rules_say() {
    let carol = Owner::with_phrase(Phrase::parse(dev::PHRASE).unwrap(), 3);
    let home = carol.home.path();
    let example = include_str!("../../../../chains/forge-example.toml");
    std::fs::write(home.join("ours.toml"), example).unwrap();
    let chain = format!("{}-dev", home.join("ours.toml").to_str().unwrap());
    let args = ["node", "--port", "0", "--chain", &chain];
    let mut node = Program::start_in(home, &args);
    let url = node.url();
    let to = carol.run(&["address", "--chain", &chain]).good();
    let to = to.split_whitespace().next().unwrap();
    let args = ["send", to, "0.5", "--node", &url, "--password-file", "password"];
    let mut terminal = Terminal::run(&carol, &args);
    terminal.asked("Pay on it, and remember it? [y/N] ", "y\n");
    terminal.asked("chain  \"forge-example-dev\", ", "");
    terminal.asked("Send it? [y/N] ", "y\n");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    carol.run(&[&args[..3], &["--node", &url, "--yes"]].concat()).good();
}

#[test]
fn the_question_calls_a_chain_in_one_line_whatever_its_file_calls_it() {
    let carol = Owner::with_phrase(Phrase::parse(dev::PHRASE).unwrap(), 1);
    let file = carol.home.path().join("ours.toml");
    let file = file.to_str().unwrap();
    let mut made = Program::start(&["chain", "new", "--name", "ours", file]);
    assert_eq!(made.wait().code(), Some(0), "{}", made.stderr());
    let text = std::fs::read_to_string(file).unwrap();
    let named = r#"name = "ours\nnode   http://good.example\u202E\u001b[2J""#;
    let renamed = text.replace("name = \"ours\"", named);
    assert_ne!(renamed, text);
    std::fs::write(file, renamed).unwrap();
    let chain = format!("{file}-dev");
    let args = ["node", "--port", "0", "--chain", &chain];
    let mut node = Program::start_in(carol.home.path(), &args);
    let (to, url) = (stranger().to_text(forge().hrp), node.url());
    let args = ["send", &to, "1", "--node", &url, "--chain", &chain, "--password-file", "password"];
    let mut terminal = Terminal::run(&carol, &args);
    terminal.asked("Send it? [y/N] ", "y\n");
    let (code, screen) = terminal.end();
    assert_eq!(code, Some(0), "{screen}");
    let shown = r"chain  ours\nnode   http://good.example\u{202e}\u{1b}[2J-dev, ";
    assert!(screen.contains(shown), "{screen:?}");
    assert!(!screen.contains(['\u{202e}', '\u{1b}']), "{screen:?}");
    let own = |line: &str| !line.starts_with("node   http://good");
    assert!(screen.lines().all(own), "{screen}");
    // Programs get it as it is, in JSON that a terminal shows harmlessly.
    let text = carol.run(&["export", "--chain", &chain]).good();
    assert!(!text.contains(['\u{202e}', '\u{1b}']), "{text:?}");
    let exported: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(exported["chain"], "ours\nnode   http://good.example\u{202e}\u{1b}[2J-dev");
}
