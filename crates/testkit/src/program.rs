//! The program as a process.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

pub use crate::process::{PATIENCE, wait_until};

/// The program's path, which Cargo sets for the tests of its package.
pub fn binary() -> PathBuf {
    std::env::var_os("CARGO_BIN_EXE_blocksmith").expect("cargo test runs this").into()
}

/// A node on a free port, and its URL.
pub fn node(args: &[&str]) -> (Program, String) {
    let mut node = Program::start(&[&["node", "0"], args].concat());
    let url = node.url();
    (node, url)
}

/// Posts without a client, and returns the answer as it came.
pub fn post(url: &str, path: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(url.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let length = body.len();
    write!(
        stream,
        "POST {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
         Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    answer
}

/// A process; killed when it goes out of scope.
pub struct Program {
    child: Child,
    lines: mpsc::Receiver<String>,
    stderr: Arc<Mutex<String>>,
    stderr_reader: Option<thread::JoinHandle<()>>,
    _home: Option<tempfile::TempDir>,
}

impl Program {
    /// Starts the program, with a home folder of its own.
    pub fn start(args: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut program = Self::start_in(home.path(), args);
        program._home = Some(home);
        program
    }

    /// Starts the program with this home folder.
    pub fn start_in(home: &Path, args: &[&str]) -> Self {
        Self::start_with(home, &[], args)
    }

    /// Starts the program with this home folder and environment.
    pub fn start_with(home: &Path, environment: &[(&str, &str)], args: &[&str]) -> Self {
        let mut command = Command::new(binary());
        command.args(args).envs(environment.iter().copied());
        Self::spawn(command.env("HOME", home).env("XDG_DATA_HOME", home))
    }

    /// Starts a command. The variables that set how long tests run are not for the program.
    pub fn spawn(command: &mut Command) -> Self {
        let inherited = std::env::vars_os().map(|(name, _)| name);
        let of_tests = inherited.filter(|name| {
            let name = name.to_string_lossy();
            name.starts_with("BLOCKSMITH_") && name != "BLOCKSMITH_LOG"
        });
        for name in of_tests.collect::<Vec<_>>() {
            if command.get_envs().all(|(set, _)| set != name) {
                command.env_remove(name);
            }
        }
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (tell, lines) = mpsc::channel();
        let stdout = BufReader::new(child.stdout.take().unwrap());
        thread::spawn(move || {
            for line in stdout.lines() {
                let Ok(line) = line else { break };
                if tell.send(line).is_err() {
                    break;
                }
            }
        });
        let stderr = Arc::new(Mutex::new(String::new()));
        let (shared, pipe) = (stderr.clone(), BufReader::new(child.stderr.take().unwrap()));
        let stderr_reader = thread::spawn(move || {
            for line in pipe.lines().map_while(Result::ok) {
                let mut text = shared.lock().unwrap();
                text.push_str(&line);
                text.push('\n');
            }
        });
        Self { child, lines, stderr, stderr_reader: Some(stderr_reader), _home: None }
    }

    /// Reads lines until this one.
    pub fn until(&mut self, wanted: &str) {
        self.until_so(wanted, |line| line == wanted);
    }

    /// Reads lines until `so` is true of one, and returns that one.
    pub fn until_so(&mut self, wanted: &str, so: impl Fn(&str) -> bool) -> String {
        let begin = Instant::now();
        loop {
            let left = PATIENCE.saturating_sub(begin.elapsed());
            match self.lines.recv_timeout(left) {
                Ok(line) if so(&line) => return line,
                Ok(_) => {}
                Err(_) => panic!("\"{wanted}\" did not come; stderr:\n{}", self.stderr()),
            }
        }
    }

    /// Reads lines until a node says where it runs, and returns that URL.
    pub fn url(&mut self) -> String {
        let line = self.until_so("its address", |line| line.starts_with("Running on http://"));
        line.split_whitespace().nth(2).unwrap().into()
    }

    /// The lines so far that were not read yet.
    pub fn seen(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// All lines that were not read yet, up to the end.
    pub fn rest(&self) -> Vec<String> {
        let mut rest = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            rest.push(line);
        }
        rest
    }

    /// The text that it has written to its standard error.
    pub fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends SIGTERM.
    pub fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Sends a signal by kill(1).
    pub fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// The next line, if it writes one before it ends.
    pub fn first_line(&self) -> Option<String> {
        self.lines.recv_timeout(PATIENCE).ok()
    }

    /// Its exit status, if it has ended.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    /// Waits for its end.
    pub fn wait(&mut self) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                // Its last output may still be on its way.
                if let Some(reader) = self.stderr_reader.take() {
                    reader.join().unwrap();
                }
                return status;
            }
            assert!(begin.elapsed() < PATIENCE, "it does not end; stderr:\n{}", self.stderr());
            thread::sleep(Duration::from_millis(10));
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
