//! A server whose answers a test chooses.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use serde_json::{Value, json};

use crate::process::PATIENCE;

/// The answer of an open chain's node to `/api/v1/status`, with `members` in the place of its own.
pub fn status(members: Value) -> Value {
    let hash = "00".repeat(32);
    let mut status = json!({
        "name": "x", "rules": {}, "chain_id": hash, "index": 1, "tip": hash, "work": hash,
        "target": hash, "zeros": 64, "queued": 0, "peers": 0, "version": "0.1.0", "uptime_s": 1,
        "time": 1.5, "clock_offset_s": null, "early_until": null, "dev": false, "node": "n",
        "instance": "i", "signed": false, "addresses": null, "events": "i-0",
    });
    for (name, value) in members.as_object().expect("members") {
        status[name] = value.clone();
    }
    status
}

/// A call that the server received.
#[derive(Default)]
pub struct Call {
    /// The method, as in `GET`.
    pub method: String,
    /// The path with the query.
    pub path: String,
    /// The headers, with their names in small letters.
    pub headers: Vec<(String, String)>,
    /// The body, as long as its length says.
    pub body: Vec<u8>,
}

/// The answer to a call.
#[derive(Clone)]
pub struct Reply {
    /// Its status.
    pub status: u16,
    /// Its content type.
    pub kind: &'static str,
    /// Its body.
    pub body: String,
    /// Its other headers.
    pub headers: Vec<(&'static str, String)>,
}

impl Reply {
    /// A JSON answer, with status 200.
    pub fn json(body: String) -> Self {
        Self { status: 200, kind: "application/json", body, headers: Vec::new() }
    }

    /// An HTML page.
    pub fn html(status: u16, body: &str) -> Self {
        Self { status, kind: "text/html", body: body.into(), headers: Vec::new() }
    }

    /// An error as in RFC 9457.
    pub fn problem(status: u16, rule: &str, detail: &str) -> Self {
        let detail = serde_json::to_string(detail).unwrap();
        let body = format!(
            r#"{{"type": "about:blank", "title": "No", "detail": {detail}, "rule": "{rule}"}}"#
        );
        Self { status, kind: "application/problem+json", ..Self::json(body) }
    }

    /// A redirect to another address.
    pub fn redirect(status: u16, to: String) -> Self {
        Self { status, headers: vec![("Location", to)], ..Self::html(status, "<h1>Moved</h1>") }
    }
}

/// A server with one thread.
pub struct Fake<S> {
    address: String,
    state: Arc<Mutex<Option<S>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl<S: Send + 'static> Fake<S> {
    /// Starts a server with these answers, on a free port.
    pub fn start(state: S, answer: impl Fn(&mut S, &Call) -> Reply + Send + 'static) -> Self {
        Self::start_at("127.0.0.1:0", state, answer)
    }

    /// Starts a server with these answers, at this address.
    pub fn start_at(
        address: &str,
        state: S,
        answer: impl Fn(&mut S, &Call) -> Reply + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let state = Arc::new(Mutex::new(Some(state)));
        let stop = Arc::new(AtomicBool::new(false));
        let (shared, stopped) = (state.clone(), stop.clone());
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    break;
                }
                // The caller may be gone.
                let _ = stream.and_then(|stream| serve(stream, &shared, &answer));
            }
        });
        Self { address, state, stop, thread: Some(thread) }
    }

    /// An address where no server listens.
    pub fn free_address() -> String {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
    }

    /// The server's URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The server's state; it answers no call while this is held.
    pub fn state(&self) -> impl std::ops::DerefMut<Target = S> {
        Locked(self.state.lock().unwrap())
    }

    /// Stops the server, and returns its state.
    pub fn stop(mut self) -> S {
        self.end();
        self.state.lock().unwrap().take().unwrap()
    }

    fn end(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(&self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl<S> Drop for Fake<S> {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(&self.address);
    }
}

struct Locked<'a, S>(MutexGuard<'a, Option<S>>);

impl<S> std::ops::Deref for Locked<'_, S> {
    type Target = S;

    fn deref(&self) -> &S {
        self.0.as_ref().unwrap()
    }
}

impl<S> std::ops::DerefMut for Locked<'_, S> {
    fn deref_mut(&mut self) -> &mut S {
        self.0.as_mut().unwrap()
    }
}

fn serve<S>(
    mut stream: TcpStream,
    state: &Mutex<Option<S>>,
    answer: &impl Fn(&mut S, &Call) -> Reply,
) -> std::io::Result<()> {
    stream.set_read_timeout(Some(PATIENCE))?;
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut line = String::new();
    reader.read_line(&mut line)?;
    let mut words = line.split_whitespace().map(String::from);
    let (Some(method), Some(path)) = (words.next(), words.next()) else { return Ok(()) };
    let (mut length, mut headers) = (0, Vec::new());
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap();
        }
        headers.push((name.to_ascii_lowercase(), value.trim().into()));
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let call = Call { method, path, headers, body };
    let Reply { status, kind, body, headers } =
        answer(state.lock().unwrap().as_mut().unwrap(), &call);
    let length = body.len();
    let headers: String =
        headers.iter().map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    // HTTP/1.0, as Flask's own server speaks it.
    write!(
        stream,
        "HTTP/1.0 {status} X\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n{headers}\r\n{body}"
    )
}
