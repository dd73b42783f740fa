//! Bodies of requests: JSON as Python reads it, within bounds.

use std::borrow::Cow;
use std::sync::Arc;

use axum::body::{Body, HttpBody as _};
use axum::extract::{FromRequest, Request};
use axum::http::{HeaderMap, header};
use blocksmith_consensus::json::{self, Kind, Value};
use futures_util::StreamExt as _;

use super::api_error::ApiError;
use super::limits::{BODY_TIME, MAX_BODY_BYTES, MAX_QUOTE};
use super::line::{self, Doing};
use super::memory_budget::{MemoryBudget, Share, UNIT_BYTES};
use super::query::refuse_unknown;
use super::{App, run_blocking};

/// How much of a body that is too long the node reads, so that its sender gets to see the answer.
const MAX_HEARD_BYTES: usize = 4 * MAX_BODY_BYTES;

/// The most memory that long bodies hold together. The first [`UNIT_BYTES`] of a body are free.
pub(super) const ROOM_BYTES: usize = 256 << 20;

/// Longer bodies are parsed on a thread that may block.
const MAX_QUICK_BYTES: usize = 256 << 10;

/// The canonical text of a request's body.
pub(super) struct Json {
    text: String,
    /// The body as it came; empty if it is long.
    sent: Vec<u8>,
    _room: Option<Arc<Share>>,
}

impl Json {
    /// The body, which this call needs to be an object.
    pub(super) fn object(&self) -> Result<Value<'_>, ApiError> {
        let value = Value::of_canonical(&self.text);
        match value.kind() {
            Kind::Object => Ok(value),
            _ => {
                let found = kind_of(value);
                Err(ApiError::bad(format!("the body must be a JSON object, not {found}")))
            }
        }
    }

    /// The body, which must be an object without other members than these: a member that the call
    /// would ignore is a typing error.
    pub(super) fn object_of(&self, known: &[&str]) -> Result<Value<'_>, ApiError> {
        let object = self.object()?;
        for (name, _) in object.members() {
            let name = name.as_str().unwrap_or(Cow::Borrowed(name.text()));
            refuse_unknown("field", [&*name].into_iter(), known)?;
        }
        Ok(object)
    }

    pub(super) fn text(&self) -> &str {
        &self.text
    }

    /// The body as it came, or nothing if it is long.
    pub(super) fn sent(&self) -> &[u8] {
        &self.sent
    }
}

/// A request's body as it came, for calls to which its spelling matters.
pub(super) struct Wire {
    bytes: Vec<u8>,
    room: Option<Arc<Share>>,
}

impl Wire {
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Refuses a body that has two members with one name in an object. A body that is no JSON
    /// passes: the code that parses it refuses it.
    pub(super) async fn is_said_once(&self) -> Result<(), ApiError> {
        let bytes = self.bytes.clone();
        let doubled = move || json::canonical_and_doubled(&bytes).ok().and_then(|(_, name)| name);
        match apart(self.bytes.len(), doubled).await {
            Some(name) => Err(said_twice(&name)),
            None => Ok(()),
        }
    }
}

impl FromRequest<App> for Wire {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        if !is_json(request.headers()) {
            let sent = request.headers().get(header::CONTENT_TYPE);
            let sent = sent.map(|kind| String::from_utf8_lossy(kind.as_bytes()));
            let sent = sent.map(|kind| kind.chars().take(MAX_QUOTE).collect());
            return Err(ApiError::MediaType(sent));
        }
        let looks = request.method().is_safe();
        let read = read(request.into_body(), &app.body_room);
        line::set(Doing::Body);
        let read = tokio::time::timeout(BODY_TIME, read).await;
        line::set(if looks { Doing::Looking } else { Doing::Working });
        let (bytes, room) = read.map_err(|_| ApiError::TooSlow)??;
        check_start(&bytes)?;
        Ok(Self { bytes, room })
    }
}

impl FromRequest<App> for Json {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let is_ours = request.uri().path().starts_with("/api/");
        let Wire { bytes, room } = Wire::from_request(request, app).await?;
        let sent = bytes.get(..MAX_QUICK_BYTES).map_or_else(|| bytes.clone(), |_| Vec::new());
        let length = bytes.len();
        let read = move || {
            let (text, doubled) = json::canonical_and_doubled(&bytes)?;
            match doubled {
                Some(name) if is_ours => Err(said_twice(&name)),
                _ => Ok(text.into_owned()),
            }
        };
        let text = apart(length, read).await?;
        Ok(Self { text, sent, _room: room })
    }
}

/// Of two members with one name, `/api/v1` would have to guess which one is meant. The course's
/// calls take the last, as Flask does.
fn said_twice(name: &str) -> ApiError {
    let name: String = name.chars().take(MAX_QUOTE).collect();
    ApiError::bad(format!("the body has \"{name}\" twice in one object; send it once"))
}

/// Refuses what people send whose shell took the body away, or kept the quotes around it.
fn check_start(body: &[u8]) -> Result<(), ApiError> {
    match body.trim_ascii_start().first() {
        None => Err(ApiError::bad("the body is empty; send a JSON object")),
        Some(b'\'') => Err(ApiError::bad(
            "the body starts with a single quote, which is not JSON; the Windows command prompt takes \
             double quotes, as in -d \"{\\\"proof\\\": 1}\"",
        )),
        Some(_) => Ok(()),
    }
}

/// What people call a value that is no object.
fn kind_of(value: Value<'_>) -> &str {
    match value.kind() {
        Kind::Array => "a list",
        Kind::String => "a string",
        Kind::Int | Kind::Float => "a number",
        Kind::Object => "an object",
        Kind::Bool | Kind::Null => value.text(),
    }
}

/// `application/json` and its relatives, as Flask sees it.
fn is_json(headers: &HeaderMap) -> bool {
    let Some(kind) = headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()) else {
        return false;
    };
    let kind = kind.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    kind == "application/json" || kind.starts_with("application/") && kind.ends_with("+json")
}

async fn read(body: Body, room: &MemoryBudget) -> Result<(Vec<u8>, Option<Arc<Share>>), ApiError> {
    if body.size_hint().lower() > MAX_HEARD_BYTES as u64 {
        return Err(ApiError::TooLong);
    }
    let mut held: Option<Arc<Share>> = None;
    let mut bytes = Vec::new();
    let mut heard = 0;
    let mut chunks = body.into_data_stream();
    while let Some(chunk) = chunks.next().await {
        let chunk =
            chunk.map_err(|_| ApiError::bad("the connection broke before the whole body came"))?;
        heard += chunk.len();
        if heard > MAX_HEARD_BYTES {
            break;
        }
        if heard > MAX_BODY_BYTES {
            (bytes, held) = (Vec::new(), None);
            continue;
        }
        if heard >= UNIT_BYTES {
            let has_room = match &held {
                Some(share) => room.grow(share, heard).await,
                None => {
                    held = room.take(heard).await;
                    held.is_some()
                }
            };
            if !has_room {
                let reason = "too many long bodies are arriving at the same time; try again later";
                return Err(ApiError::busy(reason));
            }
        }
        bytes.extend_from_slice(&chunk);
    }
    if heard > MAX_BODY_BYTES { Err(ApiError::TooLong) } else { Ok((bytes, held)) }
}

/// Does `work` on `bytes` bytes: if they are many, on a thread that may block, so that other calls
/// don't wait.
pub(super) async fn apart<T: Send + 'static>(
    bytes: usize,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    if bytes <= MAX_QUICK_BYTES {
        return work();
    }
    run_blocking(work).await
}

/// The start of a value, short enough for a message.
pub(super) fn start_of(value: Value<'_>) -> String {
    // Canonical text is ASCII.
    match value.text().get(..MAX_QUOTE) {
        Some(start) if start.len() < value.text().len() => format!("{start}…"),
        _ => value.text().to_string(),
    }
}
