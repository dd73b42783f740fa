//! Answers of any length in constant memory: the client gets one piece after the other.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use futures_util::stream;

use super::App;
use super::answer::held;
use super::api_error::ApiError;
use super::memory_budget::UNIT_BYTES;
use super::permits::{Permit, Permits};
use crate::service::StoreError;

/// How long a client waits for the permit to be sent the next piece.
const WAIT_TIME: Duration = Duration::from_secs(30);

/// About how many bytes of an answer the node holds for each client: whole blocks or rows, the last of
/// which may exceed it. A client that reads slowly does not stop others from reading: it holds one
/// piece, and gives it back if there is too little memory for the pieces of others.
const PIECE_BYTES: usize = 1 << 20;

/// How long an answer may take to be sent; the store keeps what it replaces meanwhile. A client that
/// reads more slowly can read pages.
const SENDING_TIME: Duration = Duration::from_secs(300);

/// What is sent in pieces.
pub(super) trait Source: Send + 'static {
    /// What a client is told that has to come again.
    const BUSY: &str;

    /// The next piece, of about so many bytes, and whether more follows.
    fn read(&mut self, bytes: usize) -> Result<(Vec<u8>, bool), StoreError>;
}

/// Answers with all that the source has. The permits say how many clients read at a time.
pub(super) async fn send(
    app: &App,
    permits: &Arc<Permits>,
    source: impl Source,
    kind: &'static str,
) -> Result<Response, ApiError> {
    let deadline = Instant::now() + SENDING_TIME;
    let pieces = Pieces { source, permits: permits.clone(), more: true, deadline };
    // Short answers end here, and need no share of the memory budget.
    let (piece, pieces, permit) = pieces.next(UNIT_BYTES / 2).await?;
    let body = if !pieces.more {
        Body::from(piece)
    } else {
        let piece = match piece.len() {
            0..UNIT_BYTES => Bytes::from(piece),
            long => {
                let share = app.answer_room.take(long).await.ok_or_else(|| pieces.busy())?;
                held(piece.into(), share)
            }
        };
        drop(permit);
        let first = stream::once(async { Ok(piece) });
        let rest = stream::try_unfold((pieces, app.clone()), |(pieces, app)| async move {
            if !pieces.more {
                return Ok(None);
            }
            match pieces.next_in_room(&app).await {
                Ok((piece, pieces)) => Ok(Some((piece, (pieces, app)))),
                Err(fault) => {
                    tracing::debug!("an answer in pieces broke off: {fault}");
                    Err(io::Error::other(fault))
                }
            }
        });
        Body::from_stream(futures_util::StreamExt::chain(first, rest))
    };
    Ok(([(header::CONTENT_TYPE, kind)], body).into_response())
}

/// What is still to be sent.
struct Pieces<S> {
    source: S,
    permits: Arc<Permits>,
    more: bool,
    deadline: Instant,
}

impl<S: Source> Pieces<S> {
    fn busy(&self) -> ApiError {
        ApiError::busy(S::BUSY)
    }

    /// Returns the next piece, of about `bytes` bytes, and what follows it; with the permit under
    /// which it was read, which the caller keeps until there is memory for the piece.
    async fn next(mut self, bytes: usize) -> Result<(Vec<u8>, Self, Permit), ApiError> {
        let permit = self.permits.take(WAIT_TIME).await.ok_or_else(|| self.busy())?;
        let read = move || {
            let (piece, more) = self.source.read(bytes)?;
            self.more = more;
            Ok((piece, self))
        };
        let (read, permit) = permit.run_blocking(read).await;
        let (piece, pieces) = read.map_err(|error: StoreError| ApiError::from(error))?;
        Ok((piece, pieces, permit))
    }

    /// Returns the next piece with its share of the memory budget, which it holds until its client
    /// has read it.
    async fn next_in_room(self, app: &App) -> Result<(Bytes, Self), ApiError> {
        if Instant::now() > self.deadline {
            return Err(self.busy());
        }
        let share = app.answer_room.take(PIECE_BYTES).await.ok_or_else(|| self.busy())?;
        let (piece, pieces, _turn) = self.next(PIECE_BYTES).await?;
        // A block may be longer than a piece.
        if !app.answer_room.grow(&share, piece.len()).await {
            return Err(pieces.busy());
        }
        Ok((held(piece.into(), share), pieces))
    }
}
