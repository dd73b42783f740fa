use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Why a call failed: problem details (RFC 9457), as `application/problem+json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "type": "about:blank", "title": "Unprocessable Entity", "status": 422,
    "detail": "index: block 3 says that its index is 4", "rule": "index"
}))]
pub struct Problem {
    /// Always `about:blank`: the status says what kind of problem it is.
    #[serde(rename = "type", default)]
    #[schema(required = true)]
    pub kind: String,
    /// The status in words.
    #[serde(default)]
    #[schema(required = true)]
    pub title: String,
    /// The HTTP status.
    #[serde(default)]
    #[schema(required = true)]
    pub status: u16,
    /// What happened, why, and what to do next, for people.
    pub detail: String,
    /// The rule that was broken, or the reason of a refusal, for programs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<String>,
}
