//! The node over HTTP: the course's calls, `/api/v1` for clients that know that it isn't Python, and the
//! page for people.
//!
//! An adapter: a call becomes a method of the [`Handle`], and `api_error` alone turns the outcome
//! into a status.

mod accounts;
mod answer;
mod api;
mod api_error;
mod body;
mod branches;
mod browsers;
mod chain;
mod connection;
mod dev;
mod docs;
mod errors;
mod events;
mod for_whom;
mod health;
mod history;
mod known;
mod lecture;
mod limits;
mod line;
mod memory_budget;
mod openapi;
mod operator;
mod page;
mod patient;
mod payments;
mod permits;
mod pieces;
mod query;
mod search;
mod sent;
mod strangers;
mod table;
mod weight;
mod words;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::ALLOW;
use axum::http::{Method, Uri};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Response};
use axum::routing::{delete, get, post};
use tower_http::catch_panic::CatchPanicLayer;

pub use browsers::{HostName, PageOrigin};
pub use connection::{Manners, raise_file_limit, serve};
pub use page::Page;

use crate::dev_network::Seat;
use crate::operator::Token;
use crate::service::{Handle, Notice};
use api_error::{ApiError, ErrorFormat};
use line::LINE;
use memory_budget::MemoryBudget;
use permits::{Permit, Permits};

/// How long the node may take to answer a request, `GET /mine` aside. The time in which a body
/// arrives and the time in which peers are asked have bounds of their own, and both fit in here.
const REQUEST_TIME: Duration = Duration::from_secs(75);

/// How many calls read many blocks at a time; others wait. More of them would not be done sooner,
/// but delay the calls that read one block.
const MAX_READING: usize = 4;

/// How long those calls wait for a permit: less than a peer waits for headers.
const TURN_TIME: Duration = Duration::from_secs(3);

/// How many calls ask all peers at a time, for as long as the slowest peer takes.
const MAX_RESOLVING: usize = 16;

/// What every call has access to.
#[derive(Clone)]
struct App {
    handle: Handle,
    /// The operator's token, if there is one.
    token: Option<Arc<Token>>,
    /// The node's place in its dev network, if it is one of those.
    seat: Option<Seat>,
    /// The permit to search for `GET /mine`: one call at a time.
    searching: Arc<Permits>,
    /// The permits to ask all peers.
    resolving: Arc<Permits>,
    /// The permits to read a piece of a chain.
    sending: Arc<Permits>,
    /// The permits to read a page of blocks or headers, with which peers catch up.
    paging: Arc<Permits>,
    /// The permits to look for single blocks all over the chain, or for all payments that wait: no
    /// peer waits for these calls.
    searching_back: Arc<Permits>,
    /// The permits to read one block, which may be long.
    reading_one: Arc<Permits>,
    /// The permits to take in a list of payments.
    paying: Arc<Permits>,
    /// Senders of blocks that lately did not fit.
    told: Arc<sent::Told>,
    /// The memory of long bodies.
    body_room: Arc<MemoryBudget>,
    /// The memory of long answers, until their clients have read them.
    answer_room: Arc<MemoryBudget>,
}

/// All calls of the node. [`serve`] bounds what a router can't see: connections, the time that a
/// request's head takes, and clients that don't read.
fn router(handle: Handle, token: Option<Token>, seat: Option<Seat>, page: Page) -> Router {
    let app = App { seat, ..app(handle, token) };
    let answer_room = app.answer_room.clone();
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
        .route("/healthz", get(health::healthy))
        .route("/readyz", get(health::ready))
        .route("/metrics", get(health::metrics))
        .route("/openapi.json", get(openapi::text))
        .route("/docs", get(docs::page))
        .route("/api/v1/status", get(api::status))
        .route("/api/v1/events", get(events::events))
        .route("/api/v1/work", get(api::work).post(api::submit_work))
        .route("/api/v1/headers", get(api::headers))
        .route("/api/v1/blocks", get(api::blocks).post(api::submit_block))
        .route("/api/v1/blocks/{id}", get(api::block))
        .route("/api/v1/branches", get(branches::branches))
        .route("/api/v1/transactions", get(payments::queued).post(payments::submit))
        .route("/api/v1/transactions/{id}", get(payments::transaction))
        .route("/api/v1/transactions/{id}/proof", get(payments::proof))
        .route("/api/v1/accounts", get(accounts::named_account))
        .route("/api/v1/accounts/transactions", get(accounts::named_transactions))
        .route("/api/v1/accounts/{party}", get(accounts::account))
        .route("/api/v1/accounts/{party}/transactions", get(accounts::transactions))
        .route("/api/v1/leaderboard", get(accounts::leaderboard))
        .route("/api/v1/search", get(search::search))
        .route("/api/v1/supply", get(accounts::supply))
        .route("/api/v1/fees", get(accounts::fees))
        .route("/api/v1/faucet", post(accounts::faucet))
        .route("/api/v1/dev/mine", post(dev::mine))
        .route("/api/v1/dev/reorg", post(dev::reorg))
        .route("/api/v1/dev/miners", get(dev::miners).post(dev::set_miners))
        .route("/api/v1/dev/cut", post(dev::cut))
        .route("/api/v1/dev/heal", post(dev::heal))
        .route("/api/v1/history", get(history::history))
        .route("/api/v1/peers", get(api::peers).post(api::add_peers))
        .route("/api/v1/peers/{address}", delete(api::forget_peer))
        .layer(middleware::from_fn(known::known))
        .layer(middleware::from_fn(in_time))
        // `HEAD` only looks, so it must not mine.
        .route("/mine", get(lecture::mine).head(no_look).fallback(no_look))
        .fallback(async |uri: Uri| known::no_such_call(uri.path()))
        .method_not_allowed_fallback(async |method: Method| ApiError::Method(method))
        .layer(middleware::from_fn_with_state(answer_room, answer::within_room))
        // Its answers are part of the program, and take no memory of their own.
        .merge(page::routes(page))
        .layer(CatchPanicLayer::custom(|_| ApiError::Panic.into_response()))
        .layer(middleware::from_fn_with_state(app.clone(), in_its_voice))
        .layer(middleware::from_fn_with_state(app.clone(), health::counted))
        .with_state(app)
}

/// What `/mine` answers to other methods than its own.
async fn no_look(method: Method) -> Response {
    ([(ALLOW, "GET, POST")], ApiError::Method(method)).into_response()
}

fn app(handle: Handle, token: Option<Token>) -> App {
    App {
        handle,
        token: token.map(Arc::new),
        seat: None,
        searching: Permits::new(1),
        resolving: Permits::new(MAX_RESOLVING),
        sending: Permits::new(MAX_READING),
        paging: Permits::new(MAX_READING),
        searching_back: Permits::new(MAX_READING),
        reading_one: Permits::new(MAX_READING),
        paying: Permits::new(MAX_READING),
        told: Arc::default(),
        body_room: MemoryBudget::new(body::ROOM_BYTES),
        answer_room: MemoryBudget::new(answer::ROOM_BYTES),
    }
}

async fn in_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(REQUEST_TIME, next.run(request)).await {
        Ok(response) => response,
        Err(_) => {
            ApiError::busy("the node is too busy to answer now; try again later").into_response()
        }
    }
}

/// Writes errors in the format that the caller expects. Where connections run out, some calls that
/// wait are answered at once, so that other clients can connect.
async fn in_its_voice(State(app): State<App>, request: Request, next: Next) -> Response {
    let voice = ErrorFormat::of(request.uri().path(), app.handle.chain().dialect);
    let response = match LINE.try_with(Arc::clone) {
        Err(_) => next.run(request).await,
        Ok(line) => tokio::select! {
            biased;
            response = next.run(request) => response,
            () = line.excused() => {
                let reason = "the node has too many calls open, and this one kept others waiting; try \
                              again in a moment";
                ApiError::busy(reason).into_response()
            }
        },
    };
    match response.extensions().get::<Arc<ApiError>>().cloned() {
        Some(fault) => {
            if let ApiError::Store(error) = &*fault {
                let what = format_args!("a request could not be answered: {error}");
                app.handle.tell(Notice::Unanswered, what);
            }
            fault.told(voice, response)
        }
        None => response,
    }
}

/// Does `work` on a thread that may block.
async fn run_blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

/// Returns a permit to read many blocks.
async fn permit(permits: &Arc<Permits>) -> Result<Permit, ApiError> {
    let permit = permits.take(TURN_TIME).await;
    permit.ok_or(ApiError::busy("too many others are reading the chain; try again in a moment"))
}

/// The address of the caller, as far as it is known.
type Caller = Option<axum::Extension<ConnectInfo<SocketAddr>>>;
