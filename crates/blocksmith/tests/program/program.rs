//! The program as a process.

use std::io::{BufRead as _, BufReader};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex, mpsc};
use std::thread;
use std::time::{Duration, Instant};

/// The longest that anything here may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until it is so.
pub(crate) fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < PATIENCE, "waited too long for {what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// A process; killed when it goes out of scope.
pub(crate) struct Program {
    child: Child,
    lines: mpsc::Receiver<String>,
    stderr: Arc<Mutex<String>>,
    stderr_reader: Option<thread::JoinHandle<()>>,
    _home: Option<tempfile::TempDir>,
}

impl Program {
    pub(crate) fn start(args: &[&str]) -> Self {
        let home = tempfile::tempdir().unwrap();
        let mut program = Self::start_in(home.path(), args);
        program._home = Some(home);
        program
    }

    /// With a folder of the user's own.
    pub(crate) fn start_in(home: &Path, args: &[&str]) -> Self {
        Self::start_with(home, &[], args)
    }

    /// With settings in the environment, too.
    pub(crate) fn start_with(home: &Path, environment: &[(&str, &str)], args: &[&str]) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_blocksmith"));
        command.args(args).envs(environment.iter().copied());
        Self::spawn(command.env("HOME", home).env("XDG_DATA_HOME", home))
    }

    /// Whatever the command runs.
    pub(crate) fn spawn(command: &mut Command) -> Self {
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
    pub(crate) fn until(&mut self, wanted: &str) {
        self.until_so(wanted, |line| line == wanted);
    }

    /// Reads lines until one is so, and returns that one.
    pub(crate) fn until_so(&mut self, wanted: &str, so: impl Fn(&str) -> bool) -> String {
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

    /// The lines so far that were not read yet.
    pub(crate) fn seen(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// All lines that were not read yet, up to the end.
    pub(crate) fn rest(&self) -> Vec<String> {
        let mut rest = Vec::new();
        while let Ok(line) = self.lines.recv_timeout(PATIENCE) {
            rest.push(line);
        }
        rest
    }

    pub(crate) fn stderr(&self) -> String {
        self.stderr.lock().unwrap().clone()
    }

    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// A signal, as kill(1) has it.
    pub(crate) fn signal(&self, signal: &str) {
        let pid = self.pid().to_string();
        assert!(Command::new("kill").args([signal, &pid]).status().unwrap().success());
    }

    /// The next line, if it says one before it ends.
    #[allow(dead_code, reason = "here all of them do")]
    pub(crate) fn first_line(&self) -> Option<String> {
        self.lines.recv_timeout(PATIENCE).ok()
    }

    /// How it ended, if it did.
    #[allow(dead_code, reason = "here it is waited for")]
    pub(crate) fn ended(&mut self) -> Option<ExitStatus> {
        self.child.try_wait().unwrap()
    }

    pub(crate) fn wait(&mut self) -> ExitStatus {
        let begin = Instant::now();
        loop {
            if let Some(status) = self.child.try_wait().unwrap() {
                // What it said last may still be on its way.
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
