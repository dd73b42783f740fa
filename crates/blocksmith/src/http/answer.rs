//! Bodies of answers. Text that is canonical JSON is sent as it is.

use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use blocksmith_api::{JSON, RawValue, json};
use bytes::Bytes;
use serde::Serialize;

use super::api_error::ApiError;
use super::memory_budget::{MemoryBudget, Share, UNIT_BYTES};
use super::permits::Permit;
use super::words::TEXT;
use crate::service::StoreError;

/// The most memory that long answers hold together until their clients have read them. The first
/// [`UNIT_BYTES`] of an answer are free.
pub(super) const ROOM_BYTES: usize = 512 << 20;

/// A long answer with its share of the memory budget, which it keeps until it is sent.
struct Held {
    bytes: Bytes,
    _share: Arc<Share>,
}

/// Bytes that keep their share of the memory budget until they are sent.
pub(super) fn held(bytes: Bytes, share: Arc<Share>) -> Bytes {
    Bytes::from_owner(Held { bytes, _share: share })
}

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

/// Marks an answer that may be long: it keeps the permit under which it was made until it has its
/// share of the memory budget. So no more answers wait for memory than may be made at a time.
pub(super) fn made_at(permit: Permit, mut answer: Response) -> Response {
    answer.extensions_mut().insert(Arc::new(permit));
    answer
}

/// Bounds the memory of answers that are made as a whole and wait for clients that read slowly.
pub(super) async fn within_room(
    State(room): State<Arc<MemoryBudget>>,
    request: Request,
    next: Next,
) -> Response {
    let mut response = next.run(request).await;
    let permit = response.extensions_mut().remove::<Arc<Permit>>();
    // A body without a known length is a chain, which is sent in pieces.
    let bytes = response.body().size_hint().exact().unwrap_or_default();
    if bytes < UNIT_BYTES as u64 {
        return response;
    }
    let Some(share) = room.take(usize::try_from(bytes).unwrap_or(usize::MAX)).await else {
        let reason = "too many others are reading long answers; try again later";
        return ApiError::busy(reason).into_response();
    };
    drop(permit);
    let (parts, body) = response.into_parts();
    match axum::body::to_bytes(body, usize::MAX).await {
        Ok(bytes) => Response::from_parts(parts, Body::from(held(bytes, share))),
        Err(error) => {
            tracing::error!("an answer could not be made: {error}");
            ApiError::Panic.into_response()
        }
    }
}

/// An answer that is a JSON document.
pub(super) fn json(status: StatusCode, value: &impl Serialize) -> Response {
    (status, [(header::CONTENT_TYPE, JSON)], json::to_string(value)).into_response()
}

/// A canonical text from the store, as a member of an answer.
pub(super) fn raw(text: &str) -> Result<Box<RawValue>, StoreError> {
    json::raw(text)
        .map_err(|error| StoreError::Damaged(format!("a stored text is not JSON: {error}")))
}

/// A plain text with status 200.
pub(super) fn text(text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, TEXT)], text).into_response()
}

#[cfg(test)]
mod tests {
    use axum::Router;
    use axum::middleware::from_fn_with_state;
    use axum::routing::get;
    use futures_util::StreamExt as _;
    use tower::ServiceExt as _;

    use super::*;

    #[tokio::test]
    async fn long_answers_share_the_room_until_they_are_read_and_short_ones_need_none() {
        let room = MemoryBudget::new(5 * UNIT_BYTES);
        let router = Router::new()
            .route("/long", get(async || "x".repeat(2 * UNIT_BYTES)))
            .route("/short", get(async || "x".repeat(UNIT_BYTES - 1)))
            .layer(from_fn_with_state(room.clone(), within_room));
        let ask = async |path: &str| {
            let request = Request::get(path).body(Body::empty()).expect("a request");
            router.clone().oneshot(request).await.expect("an answer")
        };
        let (one, other) = (ask("/long").await, ask("/long").await);
        assert_eq!(ask("/long").await.status(), StatusCode::SERVICE_UNAVAILABLE);
        assert_eq!(ask("/short").await.status(), StatusCode::OK);
        drop(other);
        let bytes = one.into_body().into_data_stream().next().await.expect("a piece");
        let bytes = bytes.expect("bytes");
        // The body has ended, and its bytes wait to be sent.
        assert_eq!((bytes.len(), room.free()), (2 * UNIT_BYTES, 3));
        drop(bytes);
        assert_eq!(room.free(), 5);
    }
}
