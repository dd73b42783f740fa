//! `/docs`: the OpenAPI document as a page for people, without scripts and without anything from
//! other servers.

use std::sync::LazyLock;

use axum::http::header::{CONTENT_SECURITY_POLICY, CONTENT_TYPE};
use axum::response::{IntoResponse as _, Response};
use maud::{DOCTYPE, Markup, PreEscaped, html};
use serde_json::Value;

use super::openapi;

/// The page loads nothing and runs nothing.
const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'; \
                      base-uri 'none'; form-action 'none'";

const STYLE: &str = "
:root { color-scheme: light dark; --line: light-dark(#ccc, #444); --soft: light-dark(#f4f4f4, #222) }
body { font: 1rem/1.5 system-ui, sans-serif; max-width: 60rem; margin: 0 auto; padding: 1rem }
code, pre { font: 0.9em/1.4 ui-monospace, monospace }
pre { background: var(--soft); padding: 0.7rem; overflow-x: auto }
article { border-top: 1px solid var(--line); padding: 0.5rem 0 }
h3 { margin: 0.5rem 0 } h3 b { display: inline-block; min-width: 4.5rem }
table { border-collapse: collapse; width: 100% }
td, th { border-top: 1px solid var(--line); padding: 0.3rem 0.5rem; text-align: left; vertical-align: top }
td:first-child { white-space: nowrap }
nav ul { columns: 18rem; padding-left: 1rem }
";

pub(super) async fn page() -> Response {
    static PAGE: LazyLock<String> = LazyLock::new(|| {
        let document = serde_json::to_value(openapi::document()).unwrap_or_default();
        whole(&document).into_string()
    });
    let headers = [(CONTENT_TYPE, "text/html; charset=utf-8"), (CONTENT_SECURITY_POLICY, POLICY)];
    (headers, PAGE.as_str()).into_response()
}

/// A call of the API.
struct Call<'a> {
    method: &'a str,
    path: &'a str,
    says: &'a Value,
}

impl Call<'_> {
    fn anchor(&self) -> &str {
        text(&self.says["operationId"])
    }
}

fn whole(document: &Value) -> Markup {
    let calls: Vec<_> = members(&document["paths"])
        .flat_map(|(path, item)| {
            members(item).map(move |(method, says)| Call { method, path, says })
        })
        .collect();
    let of_tag = |tag: &str| {
        let calls = calls.iter();
        let tag = tag.to_string();
        calls.filter(move |call| items(&call.says["tags"]).any(|name| text(name) == tag))
    };
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width, initial-scale=1";
                title { "The API of " (text(&document["info"]["title"])) }
                style { (PreEscaped(STYLE)) }
            }
            body {
                h1 { "The API of " (text(&document["info"]["title"])) " " (text(&document["info"]["version"])) }
                p { (prose(&document["info"]["description"])) }
                p { "The same for programs, as OpenAPI 3.1: " a href="/openapi.json" { "/openapi.json" } "." }
                nav {
                    @for tag in items(&document["tags"]) {
                        ul {
                            @for call in of_tag(text(&tag["name"])) {
                                li { a href={ "#" (call.anchor()) } { (call.method.to_uppercase()) " " (call.path) } }
                            }
                        }
                    }
                }
                main {
                    @for tag in items(&document["tags"]) {
                        section {
                            h2 { (text(&tag["description"])) }
                            @for call in of_tag(text(&tag["name"])) { (told(call)) }
                        }
                    }
                    section {
                        h2 { "Types" }
                        @for (name, schema) in members(&document["components"]["schemas"]) { (kind(name, schema)) }
                    }
                }
            }
        }
    }
}

fn told(call: &Call<'_>) -> Markup {
    let says = call.says;
    html! {
        article id=(call.anchor()) {
            h3 { b { (call.method.to_uppercase()) } code { (call.path) } }
            p { (prose(&says["summary"])) }
            @if says["description"].is_string() { p { (prose(&says["description"])) } }
            @if items(&says["security"]).any(|one| one.get("token").is_some()) {
                p { "From other machines with the operator's token: " code { "Authorization: Bearer TOKEN" } "." }
            }
            @if items(&says["parameters"]).next().is_some() {
                table {
                    tr { th { "Parameter" } th { "Where" } th { "Type" } th { "Meaning" } }
                    @for one in items(&says["parameters"]) {
                        tr {
                            td { code { (text(&one["name"])) } }
                            td { (text(&one["in"])) }
                            td { (type_of(&one["schema"])) }
                            td { (prose(&one["description"])) }
                        }
                    }
                }
            }
            table {
                tr { th { "" } th { "Type" } th { "Meaning" } }
                @for (_, content) in members(&says["requestBody"]["content"]) {
                    tr {
                        td { "Body" }
                        td { (type_of(&content["schema"])) }
                        td { (prose(&says["requestBody"]["description"])) }
                    }
                }
                @for (status, answer) in members(&says["responses"]) {
                    tr {
                        td { @if status == "default" { "Error" } @else { (status) } }
                        td { @for (_, content) in members(&answer["content"]) { (type_of(&content["schema"])) } }
                        td { (prose(&answer["description"])) }
                    }
                }
            }
        }
    }
}

fn kind(name: &str, schema: &Value) -> Markup {
    html! {
        article id={ "type-" (name) } {
            h3 { code { (name) } }
            p { (prose(&schema["description"])) }
            @if !schema["properties"].is_object() { p { (type_of(schema)) } }
            @if schema["properties"].is_object() {
                table {
                    tr { th { "Field" } th { "Type" } th { "Meaning" } }
                    @for (field, says) in members(&schema["properties"]) {
                        tr {
                            td { code { (field) } }
                            td {
                                (type_of(says))
                                @if !items(&schema["required"]).any(|name| text(name) == field) { ", or left out" }
                            }
                            td { (prose(&says["description"])) }
                        }
                    }
                }
            }
            @if let Some(example) = schema.get("example") {
                pre { (serde_json::to_string_pretty(example).unwrap_or_default()) }
            }
        }
    }
}

/// What a schema takes, in a few words.
fn type_of(schema: &Value) -> Markup {
    if let Some(name) = schema["$ref"].as_str().and_then(|to| to.rsplit('/').next()) {
        return html! { a href={ "#type-" (name) } { code { (name) } } };
    }
    let any = ["oneOf", "anyOf", "allOf"].into_iter().find_map(|key| schema[key].as_array());
    if let Some(any) = any {
        return html! {
            @for (at, one) in any.iter().enumerate() {
                @if at > 0 { " or " }
                (type_of(one))
            }
        };
    }
    if let Some(values) = schema["enum"].as_array() {
        return html! {
            @for (at, value) in values.iter().enumerate() {
                @if at > 0 { ", " }
                code { (text(value)) }
            }
        };
    }
    let names: Vec<_> = match &schema["type"] {
        Value::String(name) => vec![name.as_str()],
        names => items(names).map(text).collect(),
    };
    html! {
        @if names.is_empty() { "any JSON" } @else { (names.join(" or ")) }
        @if names.contains(&"array") { " of " (type_of(&schema["items"])) }
    }
}

/// Text in which names stand between backticks.
fn prose(value: &Value) -> Markup {
    html! {
        @for (at, part) in text(value).split('`').enumerate() {
            @if at % 2 == 0 { (part) } @else { code { (part) } }
        }
    }
}

fn members(value: &Value) -> impl Iterator<Item = (&str, &Value)> {
    value.as_object().into_iter().flatten().map(|(name, value)| (name.as_str(), value))
}

fn items(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}
