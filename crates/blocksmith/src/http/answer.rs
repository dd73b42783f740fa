//! Bodies of answers. What is canonical JSON already is passed on as it is.

use std::fmt::{Display, Write as _};

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use blocksmith_consensus::json::push_string;

pub(super) const JSON: &str = "application/json";
pub(super) const PROBLEM: &str = "application/problem+json";
/// Flask would say HTML, in which a name that somebody made up could be a script.
pub(super) const TEXT: &str = "text/plain; charset=utf-8";

/// A JSON object that is being written.
pub(super) struct Object(String);

impl Object {
    pub(super) fn new() -> Self {
        Self("{".into())
    }

    /// A member whose value is JSON already.
    pub(super) fn json(mut self, key: &str, value: impl Display) -> Self {
        if self.0.len() > 1 {
            self.0.push_str(", ");
        }
        // Writing to a string can't fail.
        let _ = write!(self.0, "\"{key}\": {value}");
        self
    }

    /// A member whose value is any text.
    pub(super) fn text(self, key: &str, value: &str) -> Self {
        self.json(key, quoted(value))
    }

    pub(super) fn end(mut self) -> String {
        self.0.push('}');
        self.0
    }

    pub(super) fn answer(self, status: StatusCode) -> Response {
        let body = self.end();
        (status, [(header::CONTENT_TYPE, JSON)], body).into_response()
    }
}

/// A plain text with status 200.
pub(super) fn text(text: &'static str) -> Response {
    ([(header::CONTENT_TYPE, TEXT)], text).into_response()
}

/// A text as a JSON string.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    push_string(&mut out, text);
    out
}

/// JSON values as a JSON array.
pub(super) fn array(values: impl IntoIterator<Item = impl AsRef<str>>) -> String {
    let mut out = String::from("[");
    for value in values {
        if out.len() > 1 {
            out.push_str(", ");
        }
        out.push_str(value.as_ref());
    }
    out.push(']');
    out
}
