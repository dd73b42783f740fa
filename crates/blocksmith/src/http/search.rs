//! What a text may mean: a block, a transaction, an account.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use blocksmith_api::limits::MAX_SEARCH_CHARS;
use blocksmith_api::{SearchMatch, SearchMatches};
use blocksmith_consensus::tree::BlockId;
use serde::Deserialize;
use utoipa::IntoParams;

use super::accounts::as_of;
use super::answer;
use super::api_error::ApiError;
use super::errors::Errors;
use super::payments::status;
use super::query::Query;
use super::{App, permit};
use crate::service::{Match, Matches};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Text {
    /// Required: the text, of at most 1,000 characters.
    #[param(required = true, min_length = 1, max_length = 1000)]
    q: Option<String>,
}

/// What a text may mean on this chain.
///
/// That is the index of a block, its hash or the start of it, the id of a transaction or the start of it, and
/// an address, a name or the start of either.
#[utoipa::path(
    get,
    path = "/api/v1/search",
    tag = "chain",
    operation_id = "search",
    params(Text),
    responses((status = 200, description = "What it may mean; perhaps nothing.", body = SearchMatches), Errors)
)]
pub(super) async fn search(
    State(app): State<App>,
    Query(Text { q }): Query<Text>,
) -> Result<Response, ApiError> {
    let text = q.filter(|text| !text.is_empty()).ok_or_else(|| {
        ApiError::bad(
            "add ?q=TEXT to say what to search for; the account of the party with the empty name is \
             /api/v1/accounts?party=",
        )
    })?;
    let chars = text.chars().count();
    if chars > MAX_SEARCH_CHARS {
        return Err(ApiError::bad(format!(
            "the text to search for has {chars} characters; at most {MAX_SEARCH_CHARS} are allowed, and the \
             start of a hash or a name is enough"
        )));
    }
    let _permit = permit(&app.searching_back).await?;
    let Matches { matches, more, indexed } = app.handle.search(text).await?;
    let found = |found| match found {
        Match::Block(BlockId { index, hash }) => SearchMatch::Block { index, hash: hash.into() },
        Match::Transaction { id, state, place } => {
            let (block, position) = place.unzip();
            SearchMatch::Transaction { id: id.into(), status: status(state), block, position }
        }
        Match::Account(party) => SearchMatch::Account { party },
    };
    let matches = matches.into_iter().map(found).collect();
    let answer = SearchMatches { matches, more, indexed: indexed.map(as_of) };
    Ok(answer::json(StatusCode::OK, &answer))
}
