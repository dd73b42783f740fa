//! What happens on a terminal: `script` of util-linux is one.

use std::io::{Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use blocksmith_consensus::payment::Payment;

use crate::ledger::{self, stranger};
use crate::owner::{Owner, PASSWORD, forge};
use crate::program::PATIENCE;

/// A terminal in which the command runs.
struct Terminal {
    child: Child,
    screen: Arc<Mutex<String>>,
    /// How much of the screen was looked at.
    seen: usize,
}

impl Terminal {
    fn run(owner: &Owner, args: &[&str]) -> Self {
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
        let mut child = script
            .args(["--quiet", "--return", "--flush", "--command", &line.join(" "), "/dev/null"])
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
    assert!(screen.contains("the two differ"), "{screen}");
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
