//! What follows the question mark.

use axum::extract::rejection::QueryRejection;
use axum::extract::{FromRequestParts, MatchedPath, Request};
use axum::http::Method;
use axum::http::request::Parts;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use serde::de::DeserializeOwned;

use super::fault::{Fault, MAX_QUOTE};
use super::openapi::parameters;

/// Refuses what a call of `/api/v1` would not heed: a name that is mistyped says something else than
/// was meant. Nobody reads what the course's calls don't know, as in Flask.
pub(super) async fn known(request: Request, next: Next) -> Response {
    match unknown(&request) {
        Ok(()) => next.run(request).await,
        Err(fault) => fault.into_response(),
    }
}

fn unknown(request: &Request) -> Result<(), Fault> {
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

/// Refuses the first name that is none of those that are known.
pub(super) fn refuse_unknown<'a>(
    what: &str,
    mut names: impl Iterator<Item = &'a str>,
    known: &[&str],
) -> Result<(), Fault> {
    let Some(unknown) = names.find(|name| !known.contains(name)) else { return Ok(()) };
    let unknown: String = unknown.chars().take(MAX_QUOTE).collect();
    let takes = if known.is_empty() { "none".to_string() } else { known.join(", ") };
    Err(Fault::bad(format!("this call knows no {what} {unknown:?}; it takes {takes}")))
}

/// How axum begins to say what is wrong.
const AXUM_SAYS: &str = "Failed to deserialize query string: ";

/// What a request asks for besides its path.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Fault;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Fault> {
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(not_right(rejection)),
        }
    }
}

fn not_right(rejection: QueryRejection) -> Fault {
    let why = rejection.body_text();
    let why = why.strip_prefix(AXUM_SAYS).unwrap_or(&why);
    Fault::bad(format!("what follows the ? is not right: {why}"))
}

/// How many entries a page has: `usual` if nobody says, and at most `most`.
pub(super) fn limit(asked: Option<usize>, usual: usize, most: usize) -> Result<usize, Fault> {
    match asked.unwrap_or(usual) {
        0 => Err(Fault::bad("limit counts from 1 on")),
        limit => Ok(limit.min(most)),
    }
}
