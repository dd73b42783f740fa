//! The whole chain as one document, in constant memory at any length.

use axum::response::Response;
use blocksmith_api::JSON;

use super::App;
use super::api_error::ApiError;
use super::pieces::{self, Source};
use crate::service::{Snapshot, StoreError};

/// Answers with `head`, the blocks with commas between them, and what `tail` makes of their number.
pub(super) async fn document(
    app: &App,
    head: &'static str,
    tail: fn(u64) -> String,
) -> Result<Response, ApiError> {
    let document = Document {
        snapshot: app.handle.snapshot()?,
        next: app.handle.chain().rules.genesis_index(),
        count: 0,
        head: Some(head),
        tail,
    };
    pieces::send(app, &app.sending, document, JSON).await
}

/// What is still to be sent of a chain as it was at one moment.
struct Document {
    snapshot: Snapshot,
    next: u64,
    count: u64,
    head: Option<&'static str>,
    tail: fn(u64) -> String,
}

impl Source for Document {
    const BUSY: &str = "too many others are reading the chain; try again later, or read it in pages from \
                        /api/v1/blocks";

    fn read(&mut self, bytes: usize) -> Result<(Vec<u8>, bool), StoreError> {
        let mut piece = Vec::from(self.head.take().unwrap_or_default());
        for text in self.snapshot.texts(self.next)? {
            if self.count > 0 {
                piece.extend_from_slice(b", ");
            }
            piece.extend_from_slice(text?.as_bytes());
            self.next += 1;
            self.count += 1;
            if piece.len() >= bytes {
                return Ok((piece, true));
            }
        }
        piece.extend((self.tail)(self.count).into_bytes());
        Ok((piece, false))
    }
}
