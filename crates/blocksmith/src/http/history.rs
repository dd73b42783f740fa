//! How a chain grew: difficulty, hash rate and the time that blocks took.

use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse as _, Response};
use blocksmith_api::limits::MAX_POINTS;
use blocksmith_api::{History, HistoryPoint, Number};
use blocksmith_consensus::{ChainBlock, Hash, Rules};
use serde::Deserialize;
use utoipa::IntoParams;

use super::answer::{self, made_at};
use super::api_error::ApiError;
use super::errors::Errors;
use super::query::Query;
use super::table::{self, Format};
use super::{App, permit};
use crate::service::{float, seconds};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Points {
    /// How many points there are at most: 500 by default, and from 2 to 500.
    points: Option<u64>,
    /// `json`, or `csv` or `ndjson` for a table; by default, what the header `Accept` says.
    #[param(pattern = "^(json|csv|ndjson)$")]
    format: Option<String>,
}

/// How the chain grew: blocks at equal distances, with the first and the last one.
#[utoipa::path(
    get,
    path = "/api/v1/history",
    tag = "chain",
    operation_id = "history",
    params(Points),
    responses(
        (status = 200, description = "The points.", content(
            (History = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"),
        )),
        Errors
    )
)]
pub(super) async fn history(
    State(app): State<App>,
    headers: HeaderMap,
    Query(Points { points, format }): Query<Points>,
) -> Result<Response, ApiError> {
    let format = Format::of(format.as_deref(), &headers)?;
    let points = points.unwrap_or(MAX_POINTS).clamp(2, MAX_POINTS);
    let permit = permit(&app.searching_back).await?;
    let samples = app.handle.samples(points).await?;
    let rules = &app.handle.chain().rules;
    let before = [None].into_iter().chain(samples.iter().map(Some));
    let points = before.zip(&samples).map(|(before, linked)| point(rules, before, linked));
    let points: Vec<_> = points.collect();
    let answer = match format {
        Format::Json => answer::json(StatusCode::OK, &History { points }),
        _ => {
            let table = table::all(&points, format)?;
            ([(CONTENT_TYPE, format.media_type())], table).into_response()
        }
    };
    Ok(table::varied(made_at(permit, answer)))
}

fn point(rules: &Rules, before: Option<&ChainBlock>, linked: &ChainBlock) -> HistoryPoint {
    let block = linked.block.view();
    let time_s = seconds(&block);
    let target = match &block.header {
        Some(header) => header.target,
        None => rules.target_after(&linked.difficulty_state),
    };
    // Without a rule on timestamps, two of them may be further apart than any number.
    let number = |value: Option<f64>| value.filter(|value| value.is_finite()).map(Number);
    let passed = before.and_then(|before| Some((time_s? - seconds(&before.block.view())?, before)));
    let passed = passed.filter(|(passed, _)| *passed > 0.0);
    let blocks = |before: &ChainBlock| (block.index - before.block.index()) as f64;
    HistoryPoint {
        index: block.index,
        timestamp: number(time_s),
        target: Hash(target.0.to_be_bytes()).into(),
        work: Hash(linked.work.to_be_bytes()).into(),
        block_time_s: number(passed.map(|(passed, before)| passed / blocks(before))),
        hash_rate: number(passed.map(|(passed, before)| float(linked.work - before.work) / passed)),
    }
}
