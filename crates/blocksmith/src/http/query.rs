//! The query of a request.

use axum::extract::FromRequestParts;
use axum::extract::rejection::PathRejection;
use axum::http::Uri;
use axum::http::request::Parts;
use blocksmith_consensus::Hash;
use serde::de::DeserializeOwned;

use super::api_error::ApiError;
use super::limits::MAX_QUOTE;
use crate::config::nearest;

/// The parameters that are numbers.
const NUMBERS: [&str; 4] = ["from", "limit", "points", "bytes"];

/// Refuses the first name that the call does not know.
pub(super) fn refuse_unknown<'a>(
    what: &str,
    mut names: impl Iterator<Item = &'a str>,
    known: &[&str],
) -> Result<(), ApiError> {
    let Some(unknown) = names.find(|name| !known.contains(name)) else { return Ok(()) };
    let way_out = match nearest(unknown, known.iter().copied()) {
        Some(near) => format!("did you mean {near:?}?"),
        None if known.is_empty() => "leave it out".into(),
        None => format!("it has {}", known.join(", ")),
    };
    let unknown = quoted(unknown);
    Err(ApiError::bad(format!("this call has no {what} {unknown}; {way_out}")))
}

/// A wrong value as messages show it.
fn quoted(text: &str) -> String {
    format!("{:?}", text.chars().take(MAX_QUOTE).collect::<String>())
}

/// The query of a request, read as `T`.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(_) => Err(wrong(&pairs(&parts.uri)?)),
        }
    }
}

/// The parameters of a request, as they are.
pub(super) fn pairs(uri: &Uri) -> Result<Vec<(String, String)>, ApiError> {
    match axum::extract::Query::try_from_uri(uri) {
        Ok(axum::extract::Query(pairs)) => Ok(pairs),
        Err(_) => Err(ApiError::bad("the text after the ? can't be read as name=value&name=value")),
    }
}

/// Says what is wrong with parameters that can't be read: one is there twice, or one that counts
/// something is no number.
fn wrong(pairs: &[(String, String)]) -> ApiError {
    let twice = |at: usize| pairs[..at].iter().any(|(name, _)| *name == pairs[at].0);
    if let Some(at) = (0..pairs.len()).find(|at| twice(*at)) {
        let name = quoted(&pairs[at].0);
        return ApiError::bad(format!("the parameter {name} is given twice; send it once"));
    }
    let is_bad = |(name, value): &&(String, String)| {
        NUMBERS.contains(&&**name) && value.parse::<u64>().is_err()
    };
    let bad = pairs.iter().find(is_bad);
    let said = bad.map(|(name, value)| {
        let kind = match value.bytes().all(|byte| byte.is_ascii_digit()) && !value.is_empty() {
            true => format!("a whole number up to {}", u64::MAX),
            false => "a whole number".into(),
        };
        format!("\"{name}\" must be {kind}, not {}", quoted(value))
    });
    ApiError::bad(said.unwrap_or_else(|| "a parameter after the ? can't be read".into()))
}

/// A path with a name in it that is not text.
pub(super) fn not_text(_: PathRejection) -> ApiError {
    ApiError::bad("the path must be text in UTF-8; check the codes with % in it")
}

/// The hash that a path names; `what` is what it stands for.
pub(super) fn hash(text: &str, what: &str) -> Result<Hash, ApiError> {
    text.parse().map_err(|_| {
        let is_digit = |char: char| matches!(char, '0'..='9' | 'a'..='f');
        let found = match text.chars().enumerate().find(|(_, char)| !is_digit(*char)) {
            Some((at, char)) => format!("character {} of this one is {char:?}", at + 1),
            None => format!("this one has {}", text.len()),
        };
        ApiError::unprocessable(format!("{what} must have 64 lower-case hex digits; {found}"))
    })
}

/// The most entries of a page: `usual` if the client does not say, and never more than `most`.
pub(super) fn limit(asked: Option<usize>, usual: usize, most: usize) -> Result<usize, ApiError> {
    match asked.unwrap_or(usual) {
        0 => Err(ApiError::bad("limit must be at least 1, not 0")),
        limit => Ok(limit.min(most)),
    }
}
