//! Whether a node runs and is of use, and its metrics: for programs that monitor it.

use std::time::Instant;

use axum::extract::{MatchedPath, Request, State};
use axum::http::{Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};

use super::answer;
use super::api_error::ApiError;
use super::words::TEXT;
use super::{App, run_blocking};

/// The media type of metrics.
const FIGURES: &str = "text/plain; version=0.0.4; charset=utf-8";

/// Whether the node runs.
pub(super) async fn healthy(State(app): State<App>) -> Result<Response, ApiError> {
    match app.handle.watch().has_changed() {
        Ok(_) => Ok(answer::text("ok")),
        Err(_) => Err(app.handle.stopped_why().into()),
    }
}

/// Whether the node is of use: its store can be read, it takes part, and it is not catching up.
pub(super) async fn ready(State(app): State<App>) -> Result<Response, ApiError> {
    let handle = app.handle.clone();
    run_blocking(move || handle.snapshot()?.tip()).await?;
    // The one thread that changes anything answers this, with what it knows.
    let catching_up = app.handle.is_catching_up().await?;
    if catching_up {
        let tip = app.handle.standing().tip.block.index();
        let said = format!("catching up with a peer, now at block {tip}");
        return Ok(
            (StatusCode::SERVICE_UNAVAILABLE, [(header::CONTENT_TYPE, TEXT)], said).into_response()
        );
    }
    Ok(answer::text("ready"))
}

pub(super) async fn metrics(State(app): State<App>) -> Result<Response, ApiError> {
    let levels = app.handle.levels().await?;
    let handle = app.handle.clone();
    let text = run_blocking(move || handle.metrics().text(&levels)).await;
    Ok(([(header::CONTENT_TYPE, FIGURES)], text).into_response())
}

/// Counts calls, and how long the node took to answer them.
pub(super) async fn counted(State(app): State<App>, request: Request, next: Next) -> Response {
    let method = match *request.method() {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        _ => "other",
    };
    let route = request.extensions().get::<MatchedPath>();
    let route = route.map_or("other".into(), |route| route.as_str().to_string());
    let began = Instant::now();
    let response = next.run(request).await;
    app.handle.metrics().answered(method, route, response.status().as_u16(), began.elapsed());
    response
}
