//! Connections: how many the node keeps, and which of them give way to others.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::http::header::CONNECTION;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Version};
use hyper::body::{Frame, Incoming, SizeHint};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt as _;

use super::browsers::{Browsers, Guard, HostName, PageOrigin};
use super::line::{self, Doing, LINE, Line};
use super::page::Page;
use super::patient::{IDLE_TIME, Patient};
use super::router;
use crate::dev_network::Seat;
use crate::operator::Token;
use crate::service::{Handle, Notice};

/// The most connections at a time; one more takes the place of another.
const MAX_CONNECTIONS: u64 = 2_048;

/// How many files the process asks to be allowed to open: connections, the store, and calls to peers.
#[cfg(target_os = "linux")]
const WANTED_FILES: u64 = 65_536;

/// The most bytes of a request's head, and of what is read ahead.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// How long open requests may go on when the node stops.
const GRACE: Duration = Duration::from_secs(1);

/// The pause after a connection could not be accepted, for want of file descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// How long the node waits for a connection to give way before it asks another one.
const GIVE_WAY_TIME: Duration = Duration::from_millis(50);

/// The most bytes that the system keeps of what a client has not read yet. Without a bound Linux
/// takes megabytes for a client that reads nothing, and the node can't see that it reads nothing.
#[cfg(target_os = "linux")]
const MAX_UNSENT_BYTES: u32 = 128 << 10;

const KEEP_ALIVE: HeaderName = HeaderName::from_static("keep-alive");

/// How a node is served.
#[derive(Debug, Clone)]
pub struct Manners {
    /// How many nodes share the files that this process may open.
    pub nodes: NonZeroUsize,
    /// The names by which clients may call the node. Names that an outsider can't take need not be
    /// among them.
    pub hosts: Vec<HostName>,
    /// The origins whose pages may do what programs may.
    pub cors: Vec<PageOrigin>,
    /// The node's place in its dev network, if it is one of those.
    pub seat: Option<Seat>,
    /// The page that it shows to people.
    pub page: Page,
}

impl Default for Manners {
    fn default() -> Self {
        Self {
            nodes: NonZeroUsize::MIN,
            hosts: Vec::new(),
            cors: Vec::new(),
            seat: None,
            page: Page::default(),
        }
    }
}

/// Serves the node's calls on `listener` until `shutdown` is done. Requests that are open then may
/// go on for a second; streams of events end at once, and miners that wait for new work are
/// answered. The operator's calls from other machines carry `token`; without a token, the operator
/// is heard on this machine alone.
///
/// # Errors
/// Does not fail so far: what fails on one connection does not end the others.
pub async fn serve(
    listener: TcpListener,
    handle: Handle,
    manners: Manners,
    token: Option<Token>,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let browsers = Browsers::new(manners.hosts, manners.cors);
    let guard = Arc::new(Guard { browsers, dialect: handle.chain().dialect });
    let router = router(handle.clone(), token, manners.seat, manners.page);
    let (stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let mut lines = HashMap::new();
    let most = most_connections() / manners.nodes;
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let crowded = connections.len() > most;
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(ended) = connections.join_next_with_id() => {
                lines.remove(&ended.map_or_else(|error| error.id(), |(id, ())| id));
                continue;
            }
            accepted = listener.accept(), if !crowded => accepted,
            () = tokio::time::sleep(GIVE_WAY_TIME), if crowded => {
                make_room(&lines);
                continue;
            }
        };
        match accepted {
            Ok((stream, address)) => {
                let line = Line::new(address.ip(), stopped.clone());
                let calls = (guard.clone(), router.clone());
                let talk = converse(stream, address, line.clone(), calls);
                let id = connections.spawn(LINE.scope(line.clone(), talk)).id();
                lines.insert(id, line);
                if connections.len() > most {
                    make_room(&lines);
                }
            }
            Err(error) => {
                let what = format!("a connection could not be accepted: {error}");
                handle.tell(Notice::NotAccepted, what);
                make_room(&lines);
                tokio::time::sleep(ACCEPT_PAUSE).await;
            }
        }
    }
    drop(listener);
    stop.send_replace(true);
    let all = async { while connections.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all).await.is_err() {
        connections.shutdown().await;
    }
    Ok(())
}

/// Asks one connection to give way to a new one.
fn make_room(lines: &HashMap<tokio::task::Id, Arc<Line>>) {
    if let Some(line) = line::first_to_give_way(lines.values()) {
        line.give_way();
    }
}

/// Raises the process's limit of open files as far as the system allows, within reason: shells and
/// services start programs with a low limit.
#[cfg(target_os = "linux")]
pub fn raise_file_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(u64::MAX).min(WANTED_FILES);
    if current.is_some_and(|current| current < wanted)
        && let Err(error) = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum })
    {
        tracing::debug!("the limit of open files can't be raised: {error}");
    }
}

/// Other systems are left as they are.
#[cfg(not(target_os = "linux"))]
pub fn raise_file_limit() {}

/// Leaves a quarter of the files that the process may open to the store and to calls to peers:
/// clients that use up the rest must not cut the node off from them.
#[cfg(target_os = "linux")]
fn most_connections() -> usize {
    use rustix::process::{Resource, getrlimit};
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    (files / 4).saturating_mul(3).min(MAX_CONNECTIONS) as usize
}

#[cfg(not(target_os = "linux"))]
fn most_connections() -> usize {
    MAX_CONNECTIONS as usize
}

/// Sets how the system sends what the node writes.
fn prepare(stream: &TcpStream) {
    // Answers are small and written at once, so nothing is gained by waiting for more.
    let _ = stream.set_nodelay(true);
    #[cfg(target_os = "linux")]
    let _ = socket2::SockRef::from(stream).set_tcp_notsent_lowat(MAX_UNSENT_BYTES);
}

async fn converse(
    stream: TcpStream,
    address: SocketAddr,
    line: Arc<Line>,
    (guard, router): (Arc<Guard>, Router),
) {
    prepare(&stream);
    let its_line = line.clone();
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        let line = its_line.clone();
        line.answered.store(false, Ordering::Relaxed);
        let looks = request.method().is_safe();
        line.set(if looks { Doing::Looking } else { Doing::Working });
        let stays = stays(request.version(), request.headers());
        request.extensions_mut().insert(ConnectInfo(address));
        let guard = guard.clone();
        let admitted = guard.admit(&request);
        let admitted = admitted.map(|visit| (visit, router.clone().oneshot(request)));
        async move {
            let mut answer = match admitted {
                Ok((visit, answer)) => {
                    let answer = answer.await.unwrap_or_else(|never| match never {});
                    guard.complete(visit, answer)
                }
                Err(refused) => *refused,
            };
            announce(answer.headers_mut(), stays && !line.leaves());
            line.set(Doing::Reading);
            Ok::<_, Infallible>(answer.map(|body| Sent { body, line }))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        // The stream keeps the time: it tells the head of a request from the pause before it.
        .header_read_timeout(None)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(Patient::new(stream, line.clone())), service);
    let mut connection = std::pin::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => Some(outcome),
        () = gives_way(&line) => return,
        () = line.stops() => None,
    };
    let outcome = match outcome {
        Some(outcome) => outcome,
        None => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = outcome {
        tracing::debug!("the connection with {address} broke off: {error}");
    }
}

/// Waits until the connection has to be closed at once.
async fn gives_way(line: &Line) {
    loop {
        line.leave.notified().await;
        match line.doing().0 {
            Doing::Idle | Doing::Head | Doing::Following | Doing::Reading => return,
            // A request has come meanwhile, and is answered.
            _ => {}
        }
    }
}

/// Whether the client wants to go on with this connection after the answer.
fn stays(version: Version, headers: &HeaderMap) -> bool {
    let says = |word: &str| {
        let values = headers.get_all(CONNECTION).iter().filter_map(|value| value.to_str().ok());
        values
            .flat_map(|value| value.split(','))
            .any(|token| token.trim().eq_ignore_ascii_case(word))
    };
    if version >= Version::HTTP_11 { !says("close") } else { says("keep-alive") }
}

/// Tells the client how long the connection stays open for its next call.
fn announce(headers: &mut HeaderMap, stays: bool) {
    const { assert!(IDLE_TIME.as_secs() == 300, "as it is announced") };
    if stays {
        headers.insert(CONNECTION, HeaderValue::from_static("keep-alive"));
        headers.insert(KEEP_ALIVE, HeaderValue::from_static("timeout=300"));
    } else {
        headers.insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// The body of an answer. When it ends, its connection waits for the next request.
struct Sent {
    body: Body,
    line: Arc<Line>,
}

impl Drop for Sent {
    fn drop(&mut self) {
        self.line.answered.store(true, Ordering::Relaxed);
    }
}

impl hyper::body::Body for Sent {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_client_that_reads_nothing_takes_little_of_the_system() {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address");
        let (client, accepted) = tokio::join!(TcpStream::connect(address), listener.accept());
        let (_client, (stream, _)) = (client.expect("connected"), accepted.expect("accepted"));
        prepare(&stream);
        let piece = [b'x'; 16 << 10];
        let mut taken = 0;
        while taken < 16 << 20 {
            let writable = tokio::time::timeout(Duration::from_millis(500), stream.writable());
            if writable.await.is_err() {
                break;
            }
            taken += stream.try_write(&piece).unwrap_or_default();
        }
        assert!(taken < 512 << 10, "{taken} bytes");
    }
}
