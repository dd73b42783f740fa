//! The errors that every call may answer, for the OpenAPI document.

use std::collections::BTreeMap;

use blocksmith_api::{PROBLEM_JSON, Problem};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder, response};
use utoipa::{IntoResponses, ToSchema as _};

/// The answers that every call may give in place of its own.
pub(super) struct Errors;

impl IntoResponses for Errors {
    fn responses() -> BTreeMap<String, RefOr<response::Response>> {
        let schema = Ref::from_schema_name(Problem::name());
        let problem = ContentBuilder::new().schema(Some(schema)).build();
        let description = "The call failed; this says why.";
        let response = ResponseBuilder::new().description(description);
        let response = response.content(PROBLEM_JSON, problem).build();
        BTreeMap::from([("default".to_string(), RefOr::T(response))])
    }
}
