//! `GET /api/v1/events`: what happens, as it happens (server-sent events, WHATWG HTML 9.2).
//!
//! A stream holds no more than the number of the event that its client had last: the next events
//! are read from the node's one ring once the client has taken those before them. A client that
//! reads slowly holds a socket and at most [`BATCH`] events, and is sent `reset` if what it missed
//! is gone.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::time::Duration;

use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, HeaderName};
use axum::http::{HeaderMap, HeaderValue};
use axum::response::sse::{Event as Sent, Sse};
use axum::response::{IntoResponse as _, Response};
use blocksmith_api::{
    BlockPlace, Event, PeerChange, PeerEvent, ReorgEvent, ResetEvent, TipEvent, TransactionChange,
    TransactionEvent, json,
};
use blocksmith_consensus::tree::BlockId;
use futures_util::stream;
use serde::Deserialize;
use tokio::time::Instant;
use utoipa::IntoParams;

use super::App;
use super::api_error::ApiError;
use super::errors::Errors;
use super::line::{self, Doing};
use super::query::{Query, refuse_unknown};
use crate::service::{self, Handle};

/// The header in which a client that comes back says which event it had last.
const LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Asks proxies that hold answers back not to.
const ACCEL_BUFFERING: HeaderName = HeaderName::from_static("x-accel-buffering");

/// The most events that are read from the ring at a time.
const BATCH: usize = 64;

/// How long a stream sends nothing before it tells the client that it is alive.
const HEARTBEAT: Duration = Duration::from_secs(15);

/// How long a client that was cut off should wait before it comes back.
const RETRY: Duration = Duration::from_secs(1);

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Wanted {
    /// The kinds of events to send, with commas between them: `tip`, `reorg`, `transaction`, `peer`; by
    /// default, all. `reset` always comes.
    #[param(pattern = "^(tip|reorg|transaction|peer)(,(tip|reorg|transaction|peer))*$")]
    kinds: Option<String>,
    /// The id of an event, as `status` or an earlier event gave it: the stream begins after that event; by
    /// default, now. With the header `Last-Event-ID`, the header counts.
    since: Option<String>,
}

/// The events of the node, as they happen.
///
/// Each event has an id: the node's `instance` and a number. A client that was cut off continues with the
/// header `Last-Event-ID` or with `since`. If the events that it missed are gone, or the node was started
/// again, `reset` comes: then read `status` again, and skip the events of this stream up to the one that
/// `status` names; or start a new stream with `since` and that id. If there is no event for 15 s, the latest
/// id comes without data.
#[utoipa::path(
    get,
    path = "/api/v1/events",
    tag = "chain",
    operation_id = "events",
    params(Wanted, ("last-event-id" = Option<String>, Header, description = "The id of the last event that the client got.")),
    responses(
        (status = 200, description = "The stream. The `event` of each is its kind, its `data` one of these types.", content_type = "text/event-stream", body = Event),
        Errors
    )
)]
pub(super) async fn events(
    State(app): State<App>,
    headers: HeaderMap,
    Query(wanted): Query<Wanted>,
) -> Result<Response, ApiError> {
    let kinds = kinds(wanted.kinds.as_deref())?;
    let header = headers.get(LAST_EVENT_ID).map(HeaderValue::as_bytes);
    let last = header.map(String::from_utf8_lossy).or(wanted.since.map(Into::into));
    let stream = Stream::new(app.handle, kinds, last.as_deref());
    let sent = stream::unfold(stream, |mut stream| async move {
        let event = stream.next().await?;
        Some((Ok::<_, Infallible>(event), stream))
    });
    let headers = [
        (CACHE_CONTROL, HeaderValue::from_static("no-store")),
        (ACCEL_BUFFERING, HeaderValue::from_static("no")),
    ];
    Ok((headers, Sse::new(sent)).into_response())
}

/// Which of [`Event::KINDS`] are wanted.
fn kinds(wanted: Option<&str>) -> Result<Vec<&'static str>, ApiError> {
    let Some(wanted) = wanted else { return Ok(Event::KINDS.into()) };
    let names = || wanted.split(',');
    refuse_unknown("kind of event", names(), &Event::KINDS)?;
    Ok(Event::KINDS.into_iter().filter(|kind| names().any(|name| name == *kind)).collect())
}

/// The id of the event with this number.
pub(super) fn id(handle: &Handle, number: u64) -> String {
    format!("{}-{number}", handle.instance())
}

struct Stream {
    handle: Handle,
    kinds: Vec<&'static str>,
    /// The number of the last event that this stream has looked at.
    number: u64,
    /// What this stream sends first.
    first: Option<Sent>,
    waiting: VecDeque<(u64, service::Event)>,
}

impl Stream {
    /// The stream for a client that had the event with the id `last`.
    fn new(handle: Handle, kinds: Vec<&'static str>, last: Option<&str>) -> Self {
        let feed = handle.feed();
        let number = last.map(|last| {
            let (instance, number) = last.rsplit_once('-')?;
            let number = number.parse().ok().filter(|_| instance == handle.instance())?;
            feed.after(number, 0).map(|_| number)
        });
        let latest = feed.latest();
        let (number, reset) = match number {
            None => (latest, false),
            Some(Some(number)) => (number, false),
            Some(None) => (latest, true),
        };
        let mut stream = Self { handle, kinds, number, first: None, waiting: VecDeque::new() };
        let first = if reset { stream.reset() } else { stream.position() };
        stream.first = Some(first.retry(RETRY));
        stream
    }

    /// Where the client is: an id without data, which browsers remember.
    fn position(&self) -> Sent {
        Sent::default().id(id(&self.handle, self.number)).comment("")
    }

    fn reset(&mut self) -> Sent {
        let events = id(&self.handle, self.number);
        told(events.clone(), &Event::Reset(ResetEvent { events }))
    }

    /// Returns the next event as it is sent, or `None` if the node stops.
    async fn next(&mut self) -> Option<Sent> {
        if let Some(first) = self.first.take() {
            return Some(first);
        }
        // The heartbeat is due however many events come that the client does not want.
        let heartbeat = Instant::now() + HEARTBEAT;
        loop {
            while let Some((number, event)) = self.waiting.pop_front() {
                self.number = number;
                if !self.kinds.contains(&kind(&event)) {
                    continue;
                }
                // `None` does not occur: no block and no waiting transaction has a text that is no
                // JSON.
                if let Some(event) = wire(&event) {
                    return Some(told(id(&self.handle, number), &event));
                }
            }
            match self.handle.feed().after(self.number, BATCH) {
                None => {
                    self.number = self.handle.feed().latest();
                    return Some(self.reset());
                }
                _ if Instant::now() >= heartbeat => return Some(self.position()),
                Some(events) if events.is_empty() => {
                    line::set(Doing::Following);
                    tokio::select! {
                        () = self.handle.feed().grown(self.number) => {}
                        () = line::stops() => return None,
                        () = tokio::time::sleep_until(heartbeat) => {}
                    }
                    line::set(Doing::Reading);
                }
                Some(events) => self.waiting = events.into(),
            }
        }
    }
}

fn told(id: String, event: &Event) -> Sent {
    Sent::default().id(id).event(event.kind()).data(json::to_string(event))
}

fn kind(event: &service::Event) -> &'static str {
    match event {
        service::Event::Tip(_) => "tip",
        service::Event::Reorg(_) => "reorg",
        service::Event::Transaction { .. } => "transaction",
        service::Event::Peer { .. } => "peer",
    }
}

/// An event as the API has it.
fn wire(event: &service::Event) -> Option<Event> {
    use blocksmith_node::{PeerChange as OfPeer, TransactionChange as Of};
    Some(match event {
        service::Event::Tip(tip) => Event::Tip(wire_tip(tip)),
        service::Event::Reorg(reorg) => Event::Reorg(ReorgEvent {
            fork: reorg.fork.as_ref().map(wire_block_id),
            left: reorg.left.iter().map(wire_block_id).collect(),
            left_count: reorg.left_count as u64,
            left_work: reorg.left_work.into(),
            joined: reorg.joined.iter().map(wire_block_id).collect(),
            joined_count: reorg.joined_count as u64,
            waiting: reorg.waiting as u64,
            tip: wire_tip(&reorg.tip),
        }),
        service::Event::Transaction { transaction, became } => {
            let (change, by) = match became {
                Of::Entered => (TransactionChange::Entered, None),
                Of::Replaced { by } => (TransactionChange::Replaced, Some((*by).into())),
                Of::Dropped => (TransactionChange::Dropped, None),
                Of::Confirmed => (TransactionChange::Confirmed, None),
            };
            let id = transaction.id().map(Into::into);
            let transaction = json::raw(transaction.text()).ok()?;
            Event::Transaction(TransactionEvent { change, id, by, transaction })
        }
        service::Event::Peer { address, became } => {
            let (change, index, reason) = match became {
                OfPeer::Added => (PeerChange::Added, None, None),
                OfPeer::Forgotten => (PeerChange::Forgotten, None, None),
                OfPeer::Answers { index, .. } => (PeerChange::Answers, Some(*index), None),
                OfPeer::Fails { why } => (PeerChange::Fails, None, Some(why.clone())),
            };
            let address = address.as_str().into();
            Event::Peer(PeerEvent { address, change, index, reason })
        }
    })
}

pub(super) fn wire_block_id(place: &BlockId) -> BlockPlace {
    BlockPlace { index: place.index, hash: place.hash.into() }
}

fn wire_tip(tip: &service::Tip) -> TipEvent {
    TipEvent {
        index: tip.place.index,
        hash: tip.place.hash.into(),
        previous_hash: tip.previous_hash.map(Into::into),
        work: tip.work.into(),
        transactions: tip.transactions as u64,
        miner: tip.miner.clone(),
    }
}
