//! The whole chain as one document, in constant memory at any length.

use std::io;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use blocksmith_api::JSON;
use bytes::Bytes;
use futures_util::stream;

use super::App;
use super::answer::held;
use super::api_error::ApiError;
use super::memory_budget::UNIT_BYTES;
use super::permits::Permit;
use crate::service::{Snapshot, StoreError};

/// How long a client waits for the permit to be sent the next piece of a chain.
const WAIT_TIME: Duration = Duration::from_secs(30);

/// About how many bytes of a chain the node holds for each client: whole blocks, the last of which
/// may exceed it. A client that reads slowly does not stop others from reading: it holds one piece,
/// and gives it back if there is too little memory for the pieces of others.
const PIECE_BYTES: usize = 1 << 20;

/// How long a chain may take to be sent; the store keeps what it replaces meanwhile. A client that
/// reads more slowly can read it in pages from `/api/v1/blocks`.
const SENDING_TIME: Duration = Duration::from_secs(300);

/// Answers with `head`, the blocks with commas between them, and what `tail` makes of their number.
pub(super) async fn document(
    app: &App,
    head: &'static str,
    tail: fn(u64) -> String,
) -> Result<Response, ApiError> {
    let pieces = Pieces {
        snapshot: app.handle.snapshot()?,
        next: app.handle.chain().rules.genesis_index(),
        count: 0,
        head: Some(head),
        tail: Some(tail),
        deadline: Instant::now() + SENDING_TIME,
    };
    // Short chains end here, and need no share of the memory budget.
    let (piece, pieces, permit) = pieces.next(app, UNIT_BYTES / 2).await?;
    let body = if pieces.tail.is_none() {
        Body::from(piece)
    } else {
        let piece = match piece.len() {
            0..UNIT_BYTES => Bytes::from(piece),
            long => {
                let share = app.answer_room.take(long).await.ok_or_else(busy)?;
                held(piece.into(), share)
            }
        };
        drop(permit);
        let first = stream::once(async { Ok(piece) });
        let rest = stream::try_unfold((pieces, app.clone()), |(pieces, app)| async move {
            if pieces.tail.is_none() {
                return Ok(None);
            }
            match pieces.next_in_room(&app).await {
                Ok((piece, pieces)) => Ok(Some((piece, (pieces, app)))),
                Err(fault) => {
                    tracing::debug!("an answer with the chain broke off: {fault}");
                    Err(io::Error::other(fault))
                }
            }
        });
        Body::from_stream(futures_util::StreamExt::chain(first, rest))
    };
    Ok(([(header::CONTENT_TYPE, JSON)], body).into_response())
}

fn busy() -> ApiError {
    ApiError::busy(
        "too many others are reading the chain; try again later, or read it in pages from \
         /api/v1/blocks",
    )
}

/// What is still to be sent of a chain as it was at one moment.
struct Pieces {
    snapshot: Snapshot,
    next: u64,
    count: u64,
    head: Option<&'static str>,
    /// What `document` was given, until it is written.
    tail: Option<fn(u64) -> String>,
    deadline: Instant,
}

impl Pieces {
    /// Returns the next piece, of about `bytes` bytes, and what follows it; with the permit under
    /// which it was read, which the caller keeps until there is memory for the piece.
    async fn next(self, app: &App, bytes: usize) -> Result<(String, Self, Permit), ApiError> {
        let permit = app.sending.take(WAIT_TIME).await.ok_or_else(busy)?;
        let (read, permit) = permit.run_blocking(move || self.read(bytes)).await;
        let (piece, pieces) = read?;
        Ok((piece, pieces, permit))
    }

    /// Returns the next piece with its share of the memory budget, which it holds until its client
    /// has read it.
    async fn next_in_room(self, app: &App) -> Result<(Bytes, Self), ApiError> {
        if Instant::now() > self.deadline {
            return Err(busy());
        }
        let share = app.answer_room.take(PIECE_BYTES).await.ok_or_else(busy)?;
        let (piece, pieces, _turn) = self.next(app, PIECE_BYTES).await?;
        // A block may be longer than a piece.
        if !app.answer_room.grow(&share, piece.len()).await {
            return Err(busy());
        }
        Ok((held(piece.into(), share), pieces))
    }

    fn read(mut self, bytes: usize) -> Result<(String, Self), StoreError> {
        let mut piece = String::from(self.head.take().unwrap_or_default());
        for text in self.snapshot.texts(self.next)? {
            if self.count > 0 {
                piece.push_str(", ");
            }
            piece.push_str(&text?);
            self.next += 1;
            self.count += 1;
            if piece.len() >= bytes {
                return Ok((piece, self));
            }
        }
        if let Some(tail) = self.tail.take() {
            piece.push_str(&tail(self.count));
        }
        Ok((piece, self))
    }
}
