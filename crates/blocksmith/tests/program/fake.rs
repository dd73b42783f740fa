//! A server that says what a test wants.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::thread::{self, JoinHandle};

use crate::program::PATIENCE;

pub(crate) struct Call {
    pub(crate) method: String,
    /// With the query.
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
}

#[derive(Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) kind: &'static str,
    pub(crate) body: String,
    pub(crate) headers: Vec<(&'static str, String)>,
}

impl Reply {
    pub(crate) fn json(body: String) -> Self {
        Self { status: 200, kind: "application/json", body, headers: Vec::new() }
    }

    pub(crate) fn html(status: u16, body: &str) -> Self {
        Self { status, kind: "text/html", body: body.into(), headers: Vec::new() }
    }

    /// As RFC 9457 has it.
    pub(crate) fn problem(status: u16, rule: &str, detail: &str) -> Self {
        let detail = serde_json::to_string(detail).unwrap();
        let body = format!(
            r#"{{"type": "about:blank", "title": "No", "detail": {detail}, "rule": "{rule}"}}"#
        );
        Self { status, kind: "application/problem+json", ..Self::json(body) }
    }

    /// To another address.
    pub(crate) fn redirect(status: u16, to: String) -> Self {
        Self { status, headers: vec![("Location", to)], ..Self::html(status, "<h1>Moved</h1>") }
    }
}

/// A server with one thread.
pub(crate) struct Fake<S> {
    address: String,
    state: Arc<Mutex<Option<S>>>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl<S: Send + 'static> Fake<S> {
    pub(crate) fn start(
        state: S,
        answer: impl Fn(&mut S, &Call) -> Reply + Send + 'static,
    ) -> Self {
        Self::start_at("127.0.0.1:0", state, answer)
    }

    pub(crate) fn start_at(
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
                // Whoever called may be gone.
                let _ = stream.and_then(|stream| serve(stream, &shared, &answer));
            }
        });
        Self { address, state, stop, thread: Some(thread) }
    }

    /// An address where nobody listens.
    pub(crate) fn free_address() -> String {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string()
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    pub(crate) fn state(&self) -> impl std::ops::DerefMut<Target = S> {
        Locked(self.state.lock().unwrap())
    }

    /// Stops to listen.
    pub(crate) fn stop(mut self) -> S {
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
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.split_once(':') else { break };
        if name.eq_ignore_ascii_case("content-length") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let call = Call { method, path, body };
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
