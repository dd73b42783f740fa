//! What people meet when a data directory, a disk or a pipe is not as it should be: two processes
//! that want one directory, files that were changed, no room. Nothing here may end in a panic.

mod damage;
mod full;
mod locks;
mod outputs;
mod preload;
mod repair;
mod scrub;

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Command, Output, Stdio};
use std::sync::mpsc;
use std::thread;

use crate::program::{PATIENCE, Program};

/// A command that knows nothing of whoever runs the tests.
fn blocksmith(home: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_blocksmith"));
    command.args(arguments).stdin(Stdio::null()).current_dir(home);
    for name in ["HOME", "XDG_DATA_HOME", "XDG_CONFIG_HOME"] {
        command.env(name, home);
    }
    command
}

/// The same, started by a shell that does something before.
fn through_shell(before: &str, home: &Path, arguments: &[&str]) -> Command {
    let program = blocksmith(home, arguments);
    let mut shell = Command::new("sh");
    shell.args(["-c", &format!("{before}; exec \"$0\" \"$@\"")]);
    shell.arg(program.get_program()).args(program.get_args());
    shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
    shell.stdin(Stdio::null()).current_dir(home);
    shell
}

/// Exit code, standard output, standard error. One that does not end is killed, and has the code
/// -1.
fn told(command: &mut Command) -> (i32, String, String) {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let pid = child.id().to_string();
    let (tell, ended) = mpsc::channel();
    let guard = thread::spawn(move || {
        if ended.recv_timeout(PATIENCE).is_err() {
            let _ = Command::new("kill").args(["-KILL", &pid]).status();
        }
    });
    let Output { status, stdout, stderr } = child.wait_with_output().unwrap();
    let _ = tell.send(());
    guard.join().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    (status.code().unwrap_or(-1), text(stdout), text(stderr))
}

/// Starts a node, and waits until it says where it is.
fn node(command: &mut Command) -> (Program, String) {
    let mut node = Program::spawn(command);
    let url = node.url();
    (node, url.trim_start_matches("http://").to_string())
}

/// An answer of the node, whole; empty where there is none.
fn ask(address: &str, method: &str, path: &str, body: &str) -> String {
    let mut answer = String::new();
    if let Ok(mut stream) = TcpStream::connect(address) {
        let _ = stream.set_read_timeout(Some(PATIENCE));
        let _ = write!(
            stream,
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        let _ = stream.read_to_string(&mut answer);
    }
    answer
}

const PAYMENT: &str = r#"{"sender": "alice", "recipient": "bob", "amount": 1}"#;

/// Hands in a transaction, which has to be durable before it is answered.
fn pay(address: &str) -> String {
    ask(address, "POST", "/transactions/new", PAYMENT)
}

/// A data directory with some blocks of the lecture's rules, where every proof is good.
fn data(home: &Path, name: &str, blocks: usize) -> String {
    data_with(home, name, blocks, PAYMENT_TEXT)
}

/// A data directory whose every block but the first has this transaction.
fn data_with(home: &Path, name: &str, blocks: usize, transaction: &str) -> String {
    let mut chain = String::new();
    let mut parent = "null".to_string();
    for index in 1..=blocks {
        let (proof, previous) = if index == 1 { (99, parent) } else { (index, quoted(&parent)) };
        let paid = if index == 1 { "" } else { transaction };
        let text = format!(
            r#"{{"index": {index}, "previous_hash": {previous}, "proof": {proof}, "timestamp": 0, "transactions": [{paid}]}}"#
        );
        parent = blocksmith_consensus::Hash::of(&*text).to_string();
        chain += &format!("{text}\n");
    }
    let (file, data) = (home.join("chain.txt"), home.join(name).to_str().unwrap().to_string());
    std::fs::write(&file, chain).unwrap();
    let arguments =
        ["chain", "import", file.to_str().unwrap(), "--zeros", "0", "--data-dir", &data];
    let (code, _, error) = told(&mut blocksmith(home, &arguments));
    assert_eq!(code, 0, "{error}");
    data
}

const PAYMENT_TEXT: &str = r#"{"amount": 1, "recipient": "bob", "sender": "alice"}"#;

fn quoted(text: &str) -> String {
    format!("\"{text}\"")
}

/// Waits for a process that ends by itself: its code.
fn code(program: &mut Program) -> Option<i32> {
    program.wait().code()
}
