//! HTTP calls to peers, every one with bounds.

use std::time::{Duration, Instant};

use blocksmith_api::LISTEN_HEADER;
use blocksmith_node::PeerAddress;
use bytes::Bytes;
use reqwest::header::{CONNECTION, CONTENT_TYPE, HeaderMap};
use reqwest::{Client, RequestBuilder, Response, StatusCode};

use super::failure::Failure;
use crate::client::{cause, described, is_not_http, redirect_of};
use crate::dev_network::Seat;

/// How long a connection may take.
const CONNECT_TIME: Duration = Duration::from_secs(2);

/// How long a call with a short answer may take as a whole.
const CALL_TIME: Duration = Duration::from_secs(5);

/// How long a peer that sends a chain may send nothing.
const MAX_SILENCE: Duration = Duration::from_secs(10);

/// How long a slow peer may take before its rate counts.
const PATIENCE: Duration = Duration::from_secs(15);

/// The least that a peer sends on average once [`PATIENCE`] is over.
const SLOWEST_BYTES_PER_S: u64 = 16 << 10;

/// The most bytes of one answer that is read as it streams, a whole chain of a Python node.
const MAX_STREAM_BYTES: u64 = 1 << 30;

/// The most bytes of a short answer.
pub(super) const MAX_SHORT_BYTES: usize = 64 << 10;

/// How long an unused connection to our own kind stays open: less than a server keeps it.
const IDLE_TIME: Duration = Duration::from_secs(10);

/// Whether a connection may serve for further calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Connection {
    Keep,
    /// A single-threaded server would wait for us on an open connection, and answer no other node.
    Close,
}

/// A short answer.
pub(super) struct Answer {
    pub(super) status: u16,
    /// `None` if it is longer than the caller allows.
    pub(super) body: Option<Vec<u8>>,
    /// Where the answer redirects to.
    redirect: Option<String>,
    headers: HeaderMap,
}

impl Answer {
    /// Why this answer to `path` is not the one that a peer gives.
    pub(super) fn failure(self, path: &'static str) -> Failure {
        if let Some(to) = self.redirect {
            return Failure::Redirected { path, to };
        }
        let status = StatusCode::from_u16(self.status).expect("it came as one");
        let said = described(status, &self.headers, &self.body.unwrap_or_default());
        Failure::Status { path, said }
    }
}

pub(super) struct Http {
    client: Client,
    listen: Option<PeerAddress>,
    seat: Option<Seat>,
}

impl Http {
    pub(super) fn new(listen: Option<PeerAddress>, seat: Option<Seat>) -> Self {
        let client = crate::client::builder()
            .no_proxy()
            .connect_timeout(CONNECT_TIME)
            .pool_idle_timeout(IDLE_TIME)
            .pool_max_idle_per_host(1)
            // Peers speak plain HTTP, so a machine without certificates will do.
            .tls_certs_only([])
            .build()
            .expect("a client that reads no settings of the machine can be made");
        Self { client, listen, seat }
    }

    pub(super) async fn get(
        &self,
        peer: &PeerAddress,
        path: &'static str,
        query: &str,
        most: usize,
        connection: Connection,
    ) -> Result<Answer, Failure> {
        let request = self.client.get(format!("{}{query}", url(peer, path)));
        let answer = call(close(request, connection), most);
        unless_cut(self.seat.as_ref(), peer, answer).await
    }

    pub(super) async fn post(
        &self,
        peer: &PeerAddress,
        path: &'static str,
        body: Bytes,
        connection: Connection,
    ) -> Result<Answer, Failure> {
        let mut request = self.client.post(url(peer, path)).body(body);
        request = request.header(CONTENT_TYPE, "application/json");
        if let Some(listen) = &self.listen {
            request = request.header(LISTEN_HEADER, listen.as_str());
        }
        let answer = call(close(request, connection), MAX_SHORT_BYTES);
        unless_cut(self.seat.as_ref(), peer, answer).await
    }

    /// Starts to read an answer of any length.
    pub(super) async fn stream(
        &self,
        peer: &PeerAddress,
        path: &'static str,
        query: &str,
        connection: Connection,
    ) -> Result<Stream, Failure> {
        let request = self.client.get(format!("{}{query}", url(peer, path)));
        let started = Instant::now();
        let head = async {
            tokio::time::timeout(MAX_SILENCE, close(request, connection).send())
                .await
                .map_err(|_| Failure::Silent(MAX_SILENCE))?
                .map_err(failure)
        };
        let response = unless_cut(self.seat.as_ref(), peer, head).await?;
        let cut = self.seat.clone().map(|seat| (seat, peer.clone()));
        match response.status().as_u16() {
            200 => Ok(Stream { response, cut, path, received: 0, waited: started.elapsed() }),
            _ => {
                let answer = tokio::time::timeout(CALL_TIME, read(response, MAX_SHORT_BYTES)).await;
                Err(answer.map_err(|_| Failure::Silent(CALL_TIME))??.failure(path))
            }
        }
    }
}

/// An answer that is read as it arrives.
pub(super) struct Stream {
    response: Response,
    /// Whom this node must still reach.
    cut: Option<(Seat, PeerAddress)>,
    path: &'static str,
    received: u64,
    /// Time spent waiting for the peer; the time that we take with its bytes is not its fault.
    waited: Duration,
}

impl Stream {
    pub(super) async fn chunk(&mut self) -> Result<Option<Bytes>, Failure> {
        let allowed = PATIENCE + Duration::from_secs(self.received / SLOWEST_BYTES_PER_S);
        let left = allowed.saturating_sub(self.waited);
        let slow = Failure::Slow { received: self.received, waited: self.waited };
        let started = Instant::now();
        let chunk = async {
            tokio::time::timeout(left.min(MAX_SILENCE), self.response.chunk())
                .await
                .map_err(|_| if left < MAX_SILENCE { slow } else { Failure::Silent(MAX_SILENCE) })?
                .map_err(failure)
        };
        let chunk = match &self.cut {
            Some((seat, peer)) => unless_cut(Some(seat), peer, chunk).await?,
            None => chunk.await?,
        };
        self.waited += started.elapsed();
        self.received += chunk.as_ref().map_or(0, |chunk| chunk.len() as u64);
        if self.received > MAX_STREAM_BYTES {
            return Err(Failure::TooLong { path: self.path, most: MAX_STREAM_BYTES });
        }
        Ok(chunk)
    }
}

fn url(peer: &PeerAddress, path: &str) -> String {
    format!("http://{peer}{path}")
}

fn close(request: RequestBuilder, connection: Connection) -> RequestBuilder {
    match connection {
        Connection::Keep => request,
        Connection::Close => request.header(CONNECTION, "close"),
    }
}

/// Waits for what a peer answers, as long as this node reaches it.
async fn unless_cut<T>(
    seat: Option<&Seat>,
    peer: &PeerAddress,
    answer: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let Some(seat) = seat else { return answer.await };
    tokio::select! {
        biased;
        () = seat.until_cut(peer) => {
            Err(Failure::Unreachable("POST dev/cut cut this node off from it".into()))
        }
        answer = answer => answer,
    }
}

async fn call(request: RequestBuilder, most: usize) -> Result<Answer, Failure> {
    read(request.timeout(CALL_TIME).send().await.map_err(failure)?, most).await
}

async fn read(mut response: Response, most: usize) -> Result<Answer, Failure> {
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let redirect = redirect_of(&response);
    let mut body = Some(Vec::new());
    while let Some(chunk) = response.chunk().await.map_err(failure)? {
        body = body.filter(|body| body.len() + chunk.len() <= most);
        let Some(body) = &mut body else { break };
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, body, redirect, headers })
}

fn failure(error: reqwest::Error) -> Failure {
    if is_not_http(&error) {
        Failure::NotHttp(cause(&error))
    } else if error.is_connect() {
        Failure::Unreachable(cause(&error))
    } else if error.is_timeout() {
        Failure::Silent(CALL_TIME)
    } else {
        Failure::Broken(cause(&error))
    }
}
