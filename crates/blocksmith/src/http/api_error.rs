//! What can go wrong, and the one map from that to a status.

use std::borrow::Cow;
use std::fmt::Display;
use std::sync::Arc;

use axum::body::Body;
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::response::{IntoResponse, Response};
use blocksmith_api::{JSON, PROBLEM_JSON, Problem, json};
use blocksmith_consensus::Invalid;
use blocksmith_consensus::json::JsonError;
use blocksmith_consensus::payment::BadEntry;
use blocksmith_node::mempool::Refused;
use blocksmith_node::{FutureTip, NoWork, Refusal};

use super::limits::{BODY_TIME, MAX_BODY_BYTES};
use super::strangers::{Foreign, OtherName};
use super::words::{Message, TEXT};
use crate::chain::Dialect;
use crate::early;
use crate::mining::NotMined;
use crate::service::{NotPaid, QueryError, Stopped, StoreError, now};
use crate::text::escaped;

/// Why a call fails.
#[derive(Debug, thiserror::Error)]
pub(super) enum ApiError {
    #[error("there is no call {path}; {}", .near.as_ref().map_or_else(
        || "/docs lists the calls of this node".to_string(),
        |near| format!("did you mean {near}?")
    ))]
    NoSuchCall { path: String, near: Option<String> },
    /// The header `Allow` of the response has the methods that the path takes.
    #[error("{0} does not work here")]
    Method(Method),
    #[error("{0}")]
    NotFound(String),
    #[error(
        "from another machine, only the operator of this node can do that: send the token from the node's \
         token file as \"Authorization: Bearer TOKEN\"; the node printed the file's path when it started"
    )]
    NoToken,
    #[error(
        "this is not the node's token: send the one from its token file as \"Authorization: Bearer \
         TOKEN\"; the node printed the file's path when it started"
    )]
    WrongToken,
    #[error("only a call from the node's own machine can do that, because the node has no token")]
    NoOperator,
    #[error("{0}; {way_out}", way_out = .0.way_out())]
    Host(OtherName),
    #[error(
        "{0}, but web pages from elsewhere can't change anything here; {way_out}", way_out = .0.way_out()
    )]
    Page(Foreign),
    #[error(
        "only a call to localhost, from the node's own machine, can choose who gets the coins of the node's \
         search: leave the recipient out, search yourself with blocksmith mine, or send the token from the \
         node's token file as \"Authorization: Bearer TOKEN\""
    )]
    Recipient,
    #[error(
        "send a JSON body and the header Content-Type: application/json{}; curl takes \
         -H 'Content-Type: application/json', and Python's requests takes json=",
        .0.iter().map(|sent| format!(", not {sent}")).collect::<String>()
    )]
    MediaType(Option<String>),
    #[error(
        "this call answers in application/json, text/csv or application/x-ndjson, and the header Accept of the \
         request allows none of them; change it, or add ?format=json, csv or ndjson"
    )]
    NotAcceptable,
    #[error("the body can't be read as JSON: {0}")]
    Json(#[from] JsonError),
    #[error("{0}")]
    Bad(String),
    #[error("{0}")]
    Unprocessable(String),
    #[error("{0}")]
    Conflict(String),
    #[error(transparent)]
    Invalid(#[from] Invalid),
    #[error(transparent)]
    Refused(Refusal),
    #[error("{}", early::told(.0))]
    Early(FutureTip),
    #[error(transparent)]
    NotPaid(#[from] NotPaid),
    #[error("the body is too long; at most {MAX_BODY_BYTES} bytes are allowed")]
    TooLong,
    #[error("the body did not arrive within {} s; try again", BODY_TIME.as_secs())]
    TooSlow,
    #[error("{0}")]
    Busy(Cow<'static, str>),
    #[error("{}", .0.outside())]
    Stopped(#[from] Stopped),
    /// Clients are not told the details, which the log has.
    #[error("the node can't read its store; its log says why")]
    Store(#[from] StoreError),
    #[error("this call failed because of a fault in the node; the node's log says more")]
    Panic,
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::FutureTip(early) => Self::Early(early),
            refusal => Self::Refused(refusal),
        }
    }
}

impl From<QueryError> for ApiError {
    fn from(error: QueryError) -> Self {
        match error {
            QueryError::Stopped(stopped) => stopped.into(),
            QueryError::Store(error) => error.into(),
        }
    }
}

impl From<NoWork> for ApiError {
    fn from(no_work: NoWork) -> Self {
        match no_work {
            NoWork::Refused(refusal) => refusal.into(),
            NoWork::NoRecipient => Self::unprocessable(
                "the coins of the next block need a recipient: add ?recipient=ADDRESS, or start the node \
                 with --to ADDRESS",
            ),
            NoWork::Id | NoWork::Proof { .. } | NoWork::Recipient(_) => {
                Self::unprocessable(no_work)
            }
        }
    }
}

impl From<NotMined> for ApiError {
    fn from(not_mined: NotMined) -> Self {
        match not_mined {
            NotMined::Stopped(stopped) => stopped.into(),
            NotMined::NoWork(no_work) => no_work.into(),
        }
    }
}

impl ApiError {
    /// The request does not say what the call needs.
    pub(super) fn bad(reason: impl Display) -> Self {
        Self::Bad(reason.to_string())
    }

    /// The call is about signed payments, and the chain has none; `so` says what follows from that.
    pub(super) fn unsigned(so: &str) -> Self {
        Self::Conflict(format!(
            "payments are not signed on this chain, so {so}; /chain has all transactions"
        ))
    }

    /// The node can't do it now, but perhaps later.
    pub(super) fn busy(reason: impl Into<Cow<'static, str>>) -> Self {
        Self::Busy(reason.into())
    }

    /// The request is well formed, but is not what the call needs.
    pub(super) fn unprocessable(reason: impl Display) -> Self {
        Self::Unprocessable(reason.to_string())
    }

    pub(super) fn status(&self) -> StatusCode {
        match self {
            Self::Json(_) | Self::Bad(_) => StatusCode::BAD_REQUEST,
            Self::NoSuchCall { .. } | Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::Method(_) => StatusCode::METHOD_NOT_ALLOWED,
            Self::NoToken | Self::WrongToken => StatusCode::UNAUTHORIZED,
            Self::NoOperator => StatusCode::FORBIDDEN,
            Self::Host(_) => StatusCode::MISDIRECTED_REQUEST,
            Self::Page(_) | Self::Recipient => StatusCode::FORBIDDEN,
            Self::NotAcceptable => StatusCode::NOT_ACCEPTABLE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Conflict(_)
            | Self::Refused(
                Refusal::Stale { .. }
                | Refusal::Proof { .. }
                | Refusal::Early { .. }
                | Refusal::NoDraft,
            )
            | Self::NotPaid(NotPaid::Unsigned | NotPaid::Refused(Refused::Replaces { .. })) => {
                StatusCode::CONFLICT
            }
            Self::TooLong => StatusCode::PAYLOAD_TOO_LARGE,
            Self::MediaType(_) => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::NotPaid(NotPaid::Refused(Refused::Full { .. })) => {
                StatusCode::SERVICE_UNAVAILABLE
            }
            Self::Unprocessable(_) | Self::Invalid(_) | Self::Refused(_) | Self::NotPaid(_) => {
                StatusCode::UNPROCESSABLE_ENTITY
            }
            Self::Store(_) | Self::Panic => StatusCode::INTERNAL_SERVER_ERROR,
            Self::Busy(_) | Self::Early(_) | Self::Stopped(_) => StatusCode::SERVICE_UNAVAILABLE,
        }
    }

    /// The rule that is broken, or the reason of a refusal: programs tell refusals apart by it.
    fn rule(&self) -> Option<&'static str> {
        match self {
            Self::Invalid(rule) | Self::Refused(Refusal::Invalid(rule)) => Some(rule.rule()),
            Self::Refused(Refusal::Stale { .. }) => Some("stale"),
            Self::Refused(Refusal::Proof { .. }) => Some("proof"),
            Self::Refused(Refusal::Early { .. }) | Self::Early(_) => Some("early"),
            Self::NotPaid(NotPaid::Bad(BadEntry::Transaction(_))) => Some("transaction"),
            Self::NotPaid(NotPaid::Bad(BadEntry::Signature(_))) => Some("signature"),
            Self::NotPaid(NotPaid::Refused(refused)) => Some(refused.rule()),
            _ => None,
        }
    }

    /// The answer's body and type. `response` has the status and the headers.
    pub(super) fn told(&self, voice: ErrorFormat, response: Response) -> Response {
        let status = response.status();
        let allowed = response.headers().get(header::ALLOW).and_then(|allow| allow.to_str().ok());
        let detail = match (self, allowed) {
            (Self::Method(used), Some(allowed)) => wrong_method(used, allowed),
            _ => self.to_string(),
        };
        let (kind, body) = match voice {
            ErrorFormat::Text => (TEXT, escaped(detail).to_string()),
            ErrorFormat::Message => (JSON, json::to_string(&Message { message: &detail })),
            ErrorFormat::Problem => {
                let problem = Problem {
                    kind: "about:blank".into(),
                    title: status.canonical_reason().unwrap_or_default().into(),
                    status: status.as_u16(),
                    detail,
                    rule: self.rule().map(String::from),
                };
                (PROBLEM_JSON, json::to_string(&problem))
            }
        };
        let (mut parts, _) = response.into_parts();
        parts.headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        parts.headers.remove(header::CONTENT_LENGTH);
        Response::from_parts(parts, Body::from(body))
    }
}

/// Returns the names of the methods that a path takes, without `HEAD` and the like, which people don't send.
fn wrong_method(used: &Method, allowed: &str) -> String {
    let methods = allowed.split(',').map(str::trim).filter(|it| !["HEAD", "OPTIONS"].contains(it));
    format!("use {} here, not {used}", methods.collect::<Vec<_>>().join(" or "))
}

/// The response has no body yet: its format depends on the call's path and the node's dialect.
impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.status().into_response();
        if let Self::Early(early) = &self {
            let wait_s = early.until_s.saturating_sub(now().micros / 1_000_000).max(1);
            response.headers_mut().insert(header::RETRY_AFTER, wait_s.into());
        }
        if response.status() == StatusCode::UNAUTHORIZED {
            response
                .headers_mut()
                .insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        response.extensions_mut().insert(Arc::new(self));
        response
    }
}

/// The format of an error's body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ErrorFormat {
    /// Plain text, as in the course's notes.
    Text,
    /// A `message`, as the course's servers of 2019 answer.
    Message,
    /// Problem details, as in RFC 9457.
    Problem,
}

impl ErrorFormat {
    pub(super) fn of(path: &str, dialect: Dialect) -> Self {
        match dialect {
            _ if path.starts_with("/api/") => Self::Problem,
            Dialect::Notes | Dialect::LectureOne => Self::Text,
            Dialect::Course => Self::Message,
        }
    }
}
