//! Connections: how many, and how long one may keep the node waiting.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, Sleep};
use tower::ServiceExt as _;

use super::router;
use crate::service::Handle;

/// The most connections at a time; more wait to be accepted.
const MAX_CONNECTIONS: u64 = 2_048;

/// How long the head of a request may take to arrive, and how long a connection may be idle.
const HEAD_TIME: Duration = Duration::from_secs(15);

/// The most bytes of a request's head, and of what is read ahead.
const MAX_HEAD_BYTES: usize = 64 << 10;

/// How long a client may take to read [`MIN_READ_BYTES`] of its answer.
const READING_TIME: Duration = Duration::from_secs(20);

/// See [`READING_TIME`].
const MIN_READ_BYTES: usize = 64 << 10;

/// How long open requests may go on when the node stops.
const GRACE: Duration = Duration::from_secs(1);

/// The pause after a connection could not be accepted, for want of file descriptors as a rule.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Serves the node's calls on `listener` until `shutdown` is done. Requests that are open then may
/// go on for a second.
///
/// # Errors
/// None so far: what fails on one connection is not the end of the others.
pub async fn serve(
    listener: TcpListener,
    handle: Handle,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let router = router(handle);
    let (stop, stopped) = watch::channel(false);
    let mut connections = JoinSet::new();
    let most = most_connections();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            biased;
            () = &mut shutdown => break,
            Some(_) = connections.join_next() => continue,
            accepted = listener.accept(), if connections.len() < most => accepted,
        };
        match accepted {
            Ok((stream, address)) => {
                connections.spawn(converse(stream, address, router.clone(), stopped.clone()));
            }
            Err(error) => {
                tracing::warn!("a connection could not be accepted: {error}");
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

/// A quarter of the files that the system lets the process open is left to the store and to calls
/// to peers: whoever fills the rest must not cut the node off from them.
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

async fn converse(
    stream: TcpStream,
    address: SocketAddr,
    router: Router,
    mut stop: watch::Receiver<bool>,
) {
    // Answers are small and written at once: nothing is gained by waiting for more.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |mut request: hyper::Request<Incoming>| {
        request.extensions_mut().insert(ConnectInfo(address));
        let answer = router.clone().oneshot(request);
        async { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIME)
        .max_buf_size(MAX_HEAD_BYTES)
        .serve_connection(TokioIo::new(Patient::new(stream)), service);
    let mut connection = std::pin::pin!(connection);
    let outcome = tokio::select! {
        outcome = connection.as_mut() => Some(outcome),
        _ = stop.changed() => None,
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

/// A stream that gives up on a client which does not read its answer.
struct Patient {
    stream: TcpStream,
    /// While bytes wait to be read.
    deadline: Option<Pin<Box<Sleep>>>,
    /// How much was read since the deadline was set.
    read: usize,
}

impl Patient {
    fn new(stream: TcpStream) -> Self {
        Self { stream, deadline: None, read: 0 }
    }

    /// What a write came to, or that it took too long.
    fn check(
        &mut self,
        cx: &mut Context<'_>,
        written: Poll<io::Result<usize>>,
    ) -> Poll<io::Result<usize>> {
        if let Poll::Ready(written) = written {
            self.read += *written.as_ref().unwrap_or(&0);
            if self.read >= MIN_READ_BYTES {
                self.rest();
            }
            return Poll::Ready(written);
        }
        let deadline = self.deadline.get_or_insert_with(|| {
            Box::pin(tokio::time::sleep_until(Instant::now() + READING_TIME))
        });
        ready!(deadline.as_mut().poll(cx));
        Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
    }

    fn rest(&mut self) {
        self.deadline = None;
        self.read = 0;
    }
}

impl AsyncRead for Patient {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(cx, buffer)
    }
}

impl AsyncWrite for Patient {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.check(cx, written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bytes);
        self.check(cx, written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // Called when everything is written.
        self.rest();
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}
