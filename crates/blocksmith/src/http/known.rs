//! Parameters that a call does not know.

use axum::extract::{MatchedPath, Request};
use axum::http::Method;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::api_error::ApiError;
use super::openapi::parameters;
use super::query::{not_right, refuse_unknown};

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
    let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(request.uri());
    let axum::extract::Query(pairs) = pairs.map_err(not_right)?;
    refuse_unknown("parameter", pairs.iter().map(|(name, _)| &**name), &known)
}
