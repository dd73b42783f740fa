//! The node over HTTP: the course's calls, and `/api/v1` for whoever knows that it isn't Python.
//!
//! An adapter: a call becomes a method of the [`Handle`], and what that says becomes a status in
//! one place, `fault`.

mod accounts;
mod answer;
mod api;
mod body;
mod chain;
mod connection;
mod fault;
mod history;
mod lecture;
mod operator;
mod payments;
mod query;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::ALLOW;
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use blocksmith_consensus::Block;
use blocksmith_node::Verdict;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_http::catch_panic::CatchPanicLayer;

pub use api::LISTEN_HEADER;
pub use connection::serve;
pub(crate) use payments::MAX_PAYMENTS;

use crate::service::Handle;
use fault::{Fault, Voice};

/// How long a request may take to be answered, `GET /mine` aside. What a body takes to arrive and
/// peers take to be asked is bounded by itself, and both fit in here.
const REQUEST_TIME: Duration = Duration::from_secs(75);

/// How many calls read many blocks at a time; others wait. More would not be done sooner, but keep
/// those waiting that read one.
const MAX_READING: usize = 4;

/// How long they wait: not as long as a peer waits for headers.
const TURN_TIME: Duration = Duration::from_secs(3);

/// What every call sees.
#[derive(Clone)]
struct App {
    handle: Handle,
    /// `GET /mine` searches one at a time.
    searching: Arc<Semaphore>,
    /// How many chains are sent at a time.
    sending: Arc<Semaphore>,
    /// How many pages of blocks and headers are read at a time, with which peers catch up.
    paging: Arc<Semaphore>,
    /// How many calls look for single blocks all over the chain, or for all that waits, at a time: no
    /// peer waits for them.
    searching_back: Arc<Semaphore>,
    /// How many calls read one block, which may be long.
    reading_one: Arc<Semaphore>,
    /// Room for long bodies, in units of [`body::ROOM_UNIT_BYTES`].
    body_room: Arc<Semaphore>,
}

/// All calls of the node. [`serve`] bounds what a router can't see: connections, the time that a
/// request's head takes, and clients that don't read.
pub fn router(handle: Handle) -> Router {
    let app = app(handle);
    let answer_room = Arc::new(Semaphore::new(answer::ROOM_UNITS));
    Router::new()
        .route("/chain", get(lecture::chain))
        .route("/last_proof", get(lecture::last_proof))
        .route("/last_block", get(lecture::last_block))
        .route("/mine", post(lecture::submit_proof))
        .route("/transactions/new", post(lecture::new_transaction))
        .route("/nodes/register", post(lecture::register))
        .route("/nodes/resolve", get(lecture::resolve))
        .route("/nodes/new", post(lecture::new_block))
        .route("/block/new", post(lecture::new_block))
        .route("/new", post(lecture::new_block))
        .route("/healthz", get(api::health))
        .route("/api/v1/status", get(api::status))
        .route("/api/v1/work", get(api::work).post(api::submit_work))
        .route("/api/v1/headers", get(api::headers))
        .route("/api/v1/blocks", get(api::blocks).post(api::submit_block))
        .route("/api/v1/blocks/{id}", get(api::block))
        .route("/api/v1/transactions", get(payments::queued).post(payments::submit))
        .route("/api/v1/transactions/{id}", get(payments::transaction))
        .route("/api/v1/transactions/{id}/proof", get(payments::proof))
        .route("/api/v1/accounts/{party}", get(accounts::account))
        .route("/api/v1/accounts/{party}/transactions", get(accounts::transactions))
        .route("/api/v1/supply", get(accounts::supply))
        .route("/api/v1/fees", get(accounts::fees))
        .route("/api/v1/faucet", post(accounts::faucet))
        .route("/api/v1/history", get(history::history))
        .route("/api/v1/peers", get(api::peers).post(lecture::register))
        .route("/api/v1/peers/{address}", delete(api::forget_peer))
        .layer(middleware::from_fn(in_time))
        // Looking must not mine.
        .route("/mine", get(lecture::mine).head(async || ([(ALLOW, "GET, POST")], Fault::Method)))
        .fallback(async || Fault::NoSuchCall)
        .method_not_allowed_fallback(async || Fault::Method)
        .layer(middleware::from_fn_with_state(answer_room, answer::within_room))
        .layer(CatchPanicLayer::custom(|_| Fault::Panic.into_response()))
        .layer(middleware::from_fn_with_state(app.clone(), in_its_voice))
        .with_state(app)
}

fn app(handle: Handle) -> App {
    App {
        handle,
        searching: Arc::new(Semaphore::new(1)),
        sending: Arc::new(Semaphore::new(chain::MAX_SENDING)),
        paging: Arc::new(Semaphore::new(MAX_READING)),
        searching_back: Arc::new(Semaphore::new(MAX_READING)),
        reading_one: Arc::new(Semaphore::new(MAX_READING)),
        body_room: Arc::new(Semaphore::new(body::ROOM_UNITS)),
    }
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIME, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            Fault::busy("the node is too busy to answer now; try again later").into_response()
        }
    }
}

/// Puts faults as the caller expects them.
async fn in_its_voice(State(app): State<App>, request: Request, next: Next) -> Response {
    let voice = Voice::of(request.uri().path(), app.handle.chain().dialect);
    let response = next.run(request).await;
    match response.extensions().get::<Arc<Fault>>().cloned() {
        Some(fault) => fault.told(voice, response),
        None => response,
    }
}

/// Does `work` on a thread that may take its time.
async fn aside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// The right to read many blocks.
struct Turn {
    _permit: OwnedSemaphorePermit,
}

impl Turn {
    async fn of(turns: &Arc<Semaphore>) -> Result<Self, Fault> {
        let permit = tokio::time::timeout(TURN_TIME, turns.clone().acquire_owned()).await;
        let permit = permit
            .ok()
            .and_then(Result::ok)
            .ok_or(Fault::busy("too many others are reading the chain; try again in a moment"))?;
        Ok(Self { _permit: permit })
    }

    /// Does `work`, and keeps the turn until it is done: also when nobody waits for it any more.
    async fn aside<T: Send + 'static>(self, work: impl FnOnce() -> T + Send + 'static) -> T {
        aside(move || {
            let done = work();
            drop(self);
            done
        })
        .await
    }
}

/// Who is calling, as far as it is known.
type Caller = Option<axum::Extension<ConnectInfo<SocketAddr>>>;

/// A peer that sends blocks that we refuse should be found in the log.
fn log_verdict(caller: &Caller, block: &Block, verdict: &Verdict) {
    let caller = name(caller);
    match verdict {
        Verdict::NewTip | Verdict::SideBranch | Verdict::Known => {
            tracing::debug!("{block:?} from {caller}: {verdict:?}");
        }
        Verdict::Orphan => {
            tracing::info!(
                "{block:?} from {caller} waits: the block before it is not known; peers are asked \
                 for it, which --peer and POST /nodes/register name"
            );
        }
        Verdict::Early => {
            tracing::info!("{block:?} from {caller} waits: its time is ahead of this clock");
        }
        Verdict::NoRoom => {
            tracing::info!("{block:?} from {caller} is dropped: too many side branches are longer");
        }
        Verdict::Invalid(invalid) => {
            tracing::warn!("{block:?} from {caller} is refused: {invalid}");
        }
    }
}

fn log_malformed(caller: &Caller, error: &impl std::fmt::Display) {
    tracing::warn!("a block from {} is refused: {error}", name(caller));
}

fn name(caller: &Caller) -> String {
    match caller {
        Some(axum::Extension(ConnectInfo(address))) => address.to_string(),
        None => "somebody".into(),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::*;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_more_read_at_a_time_than_may_also_when_callers_go_away() {
        let turns = Arc::new(Semaphore::new(MAX_READING));
        let (reading, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let read = || {
            let (reading, most) = (reading.clone(), most.clone());
            let work = move || {
                most.fetch_max(reading.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(20));
                reading.fetch_sub(1, Ordering::SeqCst);
            };
            async { Turn::of(&turns).await.expect("soon").aside(work).await }
        };
        // These leave when they have hardly begun.
        let impatient = (0..10).map(|_| tokio::time::timeout(Duration::from_millis(5), read()));
        join_all(impatient).await;
        join_all((0..20).map(|_| read())).await;
        assert_eq!(most.load(Ordering::SeqCst), MAX_READING);
        let all = turns.acquire_many(MAX_READING as u32).await;
        assert!(all.is_ok() && reading.load(Ordering::SeqCst) == 0);
    }
}
