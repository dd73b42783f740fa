//! The whole chain as one document, in constant memory at any length.

use std::io;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use futures_util::stream;
use tokio::sync::OwnedSemaphorePermit;

use super::answer::JSON;
use super::fault::Fault;
use super::{App, aside};
use crate::service::{Snapshot, StoreError};

/// How many chains are sent at a time.
pub(super) const MAX_SENDING: usize = 64;

/// How long others wait for their turn.
const WAIT_TIME: Duration = Duration::from_secs(30);

/// About how much of a chain is held for each client, in bytes: whole blocks, the last of which
/// may exceed it.
const PAGE_BYTES: usize = 1 << 20;

/// How long a chain may take to be sent; the store keeps what it replaces meanwhile. Whoever reads
/// more slowly gets it in pages from `/api/v1/blocks`.
const SENDING_TIME: Duration = Duration::from_secs(300);

/// `head`, the blocks with commas between them, and what `tail` makes of their number.
pub(super) async fn document(
    app: &App,
    head: &'static str,
    tail: fn(u64) -> String,
) -> Result<Response, Fault> {
    let turn = tokio::time::timeout(WAIT_TIME, app.sending.clone().acquire_owned()).await;
    let turn = turn.ok().and_then(Result::ok).ok_or(Fault::busy(
        "too many others are reading the chain; try again later, or read it in pages from \
         /api/v1/blocks",
    ))?;
    let handle = app.handle.clone();
    let (page, pages) = aside(move || {
        Pages {
            snapshot: handle.snapshot()?,
            next: handle.chain().rules.genesis.index(),
            count: 0,
            head: Some(head),
            tail: Some(tail),
            deadline: Instant::now() + SENDING_TIME,
            _turn: turn,
        }
        .read()
    })
    .await?;
    let body = if pages.tail.is_none() {
        Body::from(page)
    } else {
        let first = stream::once(async { Ok(page) });
        let rest = stream::try_unfold(pages, |pages| async move {
            if pages.tail.is_none() {
                return Ok(None);
            }
            if Instant::now() > pages.deadline {
                return Err(io::Error::from(io::ErrorKind::TimedOut));
            }
            match aside(move || pages.read()).await {
                Ok(next) => Ok(Some(next)),
                Err(error) => {
                    tracing::error!("a chain could not be sent to its end: {error}");
                    Err(io::Error::other(error))
                }
            }
        });
        Body::from_stream(futures_util::StreamExt::chain(first, rest))
    };
    Ok(([(header::CONTENT_TYPE, JSON)], body).into_response())
}

struct Pages {
    snapshot: Snapshot,
    next: u64,
    count: u64,
    head: Option<&'static str>,
    /// Until it is written.
    tail: Option<fn(u64) -> String>,
    deadline: Instant,
    _turn: OwnedSemaphorePermit,
}

impl Pages {
    fn read(mut self) -> Result<(String, Self), StoreError> {
        let mut page = String::from(self.head.take().unwrap_or_default());
        for text in self.snapshot.texts(self.next)? {
            if self.count > 0 {
                page.push_str(", ");
            }
            page.push_str(&text?);
            self.next += 1;
            self.count += 1;
            if page.len() >= PAGE_BYTES {
                return Ok((page, self));
            }
        }
        if let Some(tail) = self.tail.take() {
            page.push_str(&tail(self.count));
        }
        Ok((page, self))
    }
}
