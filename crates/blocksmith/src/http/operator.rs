//! Tells the operator's calls from those of others.

use axum::extract::{ConnectInfo, FromRequestParts};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use std::net::SocketAddr;

use super::App;
use super::api_error::ApiError;

/// The operator is calling: from the node's own machine, or with the token. A handler that takes an
/// `Operator` is for the operator alone; one that takes a `Result` of it asks who is calling.
pub(super) struct Operator;

impl FromRequestParts<App> for Operator {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        let caller = parts.extensions.get::<ConnectInfo<SocketAddr>>();
        // Without a socket, no caller is known to be on this machine.
        if caller.is_some_and(|ConnectInfo(caller)| caller.ip().to_canonical().is_loopback()) {
            return Ok(Self);
        }
        Self::by_token(&parts.headers, app)
    }
}

impl Operator {
    /// Accepts a caller by the token alone, wherever the call comes from.
    pub(super) fn by_token(headers: &HeaderMap, app: &App) -> Result<Self, ApiError> {
        let token = app.token.as_ref().ok_or(ApiError::NoOperator)?;
        match headers.get(AUTHORIZATION) {
            None => Err(ApiError::NoToken),
            Some(sent) => match sent.to_str().ok().and_then(bearer) {
                Some(sent) if token.is(sent) => Ok(Self),
                _ => Err(ApiError::WrongToken),
            },
        }
    }
}

/// The token behind `Bearer`, in any case and spacing.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, token) = header.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token.trim())
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::super::app;
    use super::*;
    use crate::chain::Chain;
    use crate::operator::Token;
    use crate::service::{Options, start};

    #[tokio::test]
    async fn from_beyond_loopback_the_token_is_needed() {
        let dir = tempfile::tempdir().expect("a directory");
        let file = dir.path().join("token");
        let chain = Chain::load("lecture", None).expect("a preset");
        let (handle, _orders) = start(Options::new(chain)).expect("a node");
        let token = Token::keep(&file).expect("a token");
        let without = app(handle.clone(), None);
        let handle = app(handle, Some(token.clone()));
        let ask = async |app: &_, caller: Option<&str>, sent: Option<&str>| {
            let mut request = Request::new(());
            if let Some(caller) = caller {
                let address: SocketAddr = caller.parse().expect("an address");
                request.extensions_mut().insert(ConnectInfo(address));
            }
            if let Some(sent) = sent {
                request.headers_mut().insert(AUTHORIZATION, sent.parse().expect("a header"));
            }
            let (mut parts, ()) = request.into_parts();
            let asked = Operator::from_request_parts(&mut parts, app).await;
            asked.map_err(|fault| format!("{fault:?}")).err().unwrap_or_default()
        };
        for near in ["127.0.0.1:9", "127.9.9.9:9", "[::1]:9", "[::ffff:127.0.0.1]:9"] {
            assert_eq!(ask(&handle, Some(near), None).await, "", "{near}");
            assert_eq!(ask(&without, Some(near), None).await, "", "{near}");
        }
        let right = [format!("Bearer {}", token.as_str()), format!("bearer  {} ", token.as_str())];
        let wrong = [
            "Bearer".into(),
            "Bearer ".into(),
            format!("Basic {}", token.as_str()),
            token.as_str().into(),
            format!("Bearer {}0", token.as_str()),
            format!("Bearer {}", "0".repeat(64)),
        ];
        let far = ["10.0.0.9:9", "[2001:db8::1]:9", "[::ffff:10.0.0.9]:9", "0.0.0.0:9"];
        for far in far.into_iter().map(Some).chain([None]) {
            assert_eq!(ask(&handle, far, None).await, "NoToken", "{far:?}");
            for right in &right {
                assert_eq!(ask(&handle, far, Some(right)).await, "", "{far:?} {right}");
                assert_eq!(ask(&without, far, Some(right)).await, "NoOperator", "{far:?}");
            }
            for wrong in &wrong {
                assert_eq!(ask(&handle, far, Some(wrong)).await, "WrongToken", "{far:?} {wrong}");
            }
        }
    }
}
