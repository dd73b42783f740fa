//! The query of a request.

use axum::extract::FromRequestParts;
use axum::extract::rejection::QueryRejection;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;

use super::api_error::ApiError;
use super::limits::MAX_QUOTE;

/// Refuses the first name that the call does not know.
pub(super) fn refuse_unknown<'a>(
    what: &str,
    mut names: impl Iterator<Item = &'a str>,
    known: &[&str],
) -> Result<(), ApiError> {
    let Some(unknown) = names.find(|name| !known.contains(name)) else { return Ok(()) };
    let unknown: String = unknown.chars().take(MAX_QUOTE).collect();
    let takes = if known.is_empty() { "none".to_string() } else { known.join(", ") };
    Err(ApiError::bad(format!("this call knows no {what} {unknown:?}; it takes {takes}")))
}

/// What axum puts before its reason.
const AXUM_SAYS: &str = "Failed to deserialize query string: ";

/// The query of a request, read as `T`.
pub(super) struct Query<T>(pub(super) T);

impl<T: DeserializeOwned, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, ApiError> {
        match axum::extract::Query::try_from_uri(&parts.uri) {
            Ok(axum::extract::Query(query)) => Ok(Self(query)),
            Err(rejection) => Err(not_right(rejection)),
        }
    }
}

pub(super) fn not_right(rejection: QueryRejection) -> ApiError {
    let why = rejection.body_text();
    let why = why.strip_prefix(AXUM_SAYS).unwrap_or(&why);
    ApiError::bad(format!("what follows the ? is not right: {why}"))
}

/// The most entries of a page: `usual` if the client does not say, and never more than `most`.
pub(super) fn limit(asked: Option<usize>, usual: usize, most: usize) -> Result<usize, ApiError> {
    match asked.unwrap_or(usual) {
        0 => Err(ApiError::bad("limit counts from 1 on")),
        limit => Ok(limit.min(most)),
    }
}
