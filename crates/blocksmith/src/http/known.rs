//! Parameters and paths that the node does not know.

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::api_error::ApiError;
use super::limits::MAX_QUOTE;
use super::openapi::{parameters, paths};
use super::query::{pairs, refuse_unknown};
use crate::config::nearest;

/// Refuses parameters that a call of `/api/v1` would ignore: a mistyped name says something else
/// than was meant. The course's calls ignore parameters that they don't know, as Flask does.
pub(super) async fn known(request: Request, next: Next) -> Response {
    match unknown(&request) {
        Ok(()) => next.run(request).await,
        Err(fault) => fault.into_response(),
    }
}

fn unknown(request: &Request) -> Result<(), ApiError> {
    let Some(path) = request.extensions().get::<MatchedPath>().map(MatchedPath::as_str) else {
        return Ok(());
    };
    if !path.starts_with("/api/") || request.uri().query().is_none() {
        return Ok(());
    }
    let method = match *request.method() {
        Method::HEAD => "GET",
        ref method => method.as_str(),
    };
    let known = parameters(method, path);
    let pairs = pairs(request.uri())?;
    refuse_unknown("parameter", pairs.iter().map(|(name, _)| &**name), &known)
}

/// The course's calls, and those of programs that watch a node.
const OTHERS: [&str; 14] = [
    "/chain",
    "/last_proof",
    "/last_block",
    "/mine",
    "/transactions/new",
    "/nodes/register",
    "/nodes/resolve",
    "/nodes/new",
    "/block/new",
    "/healthz",
    "/readyz",
    "/metrics",
    "/openapi.json",
    "/docs",
];

/// What the paths of our own calls start with.
const API: &str = "/api/v1";

/// Refuses a path that no call has, and names the one that may have been meant.
pub(super) fn no_such_call(path: &str) -> ApiError {
    let asked = path.trim_end_matches('/');
    let own = || paths().filter_map(|path| path.strip_prefix(API));
    let near = match asked.strip_prefix(API) {
        Some(below) => {
            let own = similar(below, own()).map(|near| format!("{API}{near}"));
            own.or_else(|| similar(below, OTHERS.into_iter()))
        }
        None => {
            let below = asked.strip_prefix("/api").unwrap_or(asked);
            let course = similar(asked, OTHERS.into_iter());
            course.or_else(|| similar(below, own()).map(|near| format!("{API}{near}")))
        }
    };
    ApiError::NoSuchCall { path: path.chars().take(MAX_QUOTE).collect(), near }
}

/// The path that is most like another one. A name in braces is as good as any: it is left out of
/// the comparison, and filled in with what stands there.
fn similar(asked: &str, paths: impl Iterator<Item = &'static str>) -> Option<String> {
    let parts: Vec<&str> = asked.split('/').collect();
    let is_name = |part: &str| part.starts_with('{');
    let as_long = paths.map(|path| path.split('/').collect::<Vec<_>>());
    let candidates: Vec<(String, String)> = as_long
        .filter(|path| path.len() == parts.len())
        .map(|path| {
            let both = || path.iter().zip(&parts);
            let filled = both().map(|(there, here)| if is_name(there) { *here } else { *there });
            let shown = filled.collect::<Vec<_>>().join("/");
            (shown.to_ascii_lowercase(), shown)
        })
        .collect();
    let nearest =
        nearest(&asked.to_ascii_lowercase(), candidates.iter().map(|(lower, _)| &**lower))?;
    let (_, shown) = candidates.iter().find(|(lower, _)| lower == nearest)?;
    Some(shown.chars().take(MAX_QUOTE).collect())
}
