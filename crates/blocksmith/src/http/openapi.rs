//! `/openapi.json`: what `/api/v1` takes and answers, in OpenAPI 3.1. It is made from the types in
//! `blocksmith-api` and the attributes of each call's function, and [`parameters`] makes it
//! binding.

use std::sync::LazyLock;

use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use blocksmith_api::{JSON, Problem};
use utoipa::OpenApi;
use utoipa::openapi::path::{Operation, ParameterIn};
use utoipa::openapi::schema::AnyOf;
use utoipa::openapi::{RefOr, Schema};

use super::{accounts, api, branches, dev, events, history, payments, search};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Blocksmith",
        description = "What a program asks a Blocksmith node. Amounts are whole units, 100,000,000 of \
            which are one coin. Hashes, ids, targets and work are 64 lower-case hex digits. Times are \
            seconds since 1970. Blocks are counted from 1, transactions within a block from 0. A \
            parameter or a field that a call does not have is a 400 that names it. Errors: 400 and 422, \
            correct the request; 401 and 403, only the operator can do this; 404, this node does not have \
            it; 405, use another method; 406, accept another format; 408, the body took too long; 409, it does not work on this chain, \
            or it came too late; 413, send a shorter body; 415, send JSON; 421, the node does not answer \
            under this name; 503, try again later. The course's own calls, such as /chain and /mine, are \
            not listed here."
    ),
    servers((url = "/", description = "this node")),
    paths(
        api::status, events::events, api::work, api::submit_work, api::headers, api::blocks, api::submit_block,
        api::block, branches::branches, payments::queued, payments::submit, payments::transaction, payments::proof,
        accounts::account, accounts::named_account, accounts::transactions,
        accounts::named_transactions, accounts::leaderboard, accounts::supply, accounts::fees,
        accounts::faucet, history::history, search::search, api::peers, api::add_peers, api::forget_peer,
        dev::mine, dev::reorg, dev::miners, dev::set_miners, dev::cut, dev::heal,
    ),
    components(schemas(Problem)),
    modifiers(&Token, &Untagged),
    tags(
        (name = "chain", description = "The chain, its blocks and the work on the next one."),
        (name = "transactions", description = "Transactions, accounts and coins."),
        (name = "peers", description = "The nodes that this node exchanges blocks with."),
        (name = "dev", description = "What the operator of a dev chain can do to it."),
    )
)]
struct Document;

/// Describes how the operator's calls prove who sends them.
struct Token;

impl utoipa::Modify for Token {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
        let components = document.components.get_or_insert_default();
        components
            .add_security_scheme("token", SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    }
}

/// Corrects types that are one of several without saying which: a confirmed transaction also has
/// all that a pending one has, while utoipa would say that exactly one of them fits.
struct Untagged;

impl utoipa::Modify for Untagged {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        for schema in document.components.iter_mut().flat_map(|all| all.schemas.values_mut()) {
            if let RefOr::T(Schema::OneOf(one)) = schema {
                let any = std::mem::take(one);
                let (items, description) = (any.items, any.description);
                let any = AnyOf { items, description, ..AnyOf::new() };
                *schema = RefOr::T(Schema::AnyOf(any));
            }
        }
    }
}

static DOCUMENT: LazyLock<utoipa::openapi::OpenApi> = LazyLock::new(Document::openapi);

static TEXT: LazyLock<String> =
    LazyLock::new(|| DOCUMENT.to_pretty_json().expect("the document can be written"));

/// The OpenAPI document.
pub(super) fn document() -> &'static utoipa::openapi::OpenApi {
    &DOCUMENT
}

pub(super) async fn text() -> Response {
    ([(header::CONTENT_TYPE, JSON)], TEXT.as_str()).into_response()
}

/// Each call of the document: its method, its path as the router has it, and the rest.
fn calls() -> impl Iterator<Item = (&'static str, &'static str, &'static Operation)> {
    DOCUMENT.paths.paths.iter().flat_map(|(path, item)| {
        let by_method = [("GET", &item.get), ("POST", &item.post), ("DELETE", &item.delete)];
        by_method.into_iter().filter_map(|(method, call)| Some((method, &**path, call.as_ref()?)))
    })
}

/// The paths of the document, as the router has them.
pub(super) fn paths() -> impl Iterator<Item = &'static str> {
    DOCUMENT.paths.paths.keys().map(|path| &**path)
}

/// The names that the document has for the query of a call, which is named by its method and its
/// path as the router has it.
pub(super) fn parameters(method: &str, path: &str) -> Vec<&'static str> {
    let call = calls().find(|(by, at, _)| (*by, *at) == (method, path));
    let parameters = call.into_iter().flat_map(|(.., call)| call.parameters.iter().flatten());
    let names = parameters.filter_map(|parameter| match parameter {
        RefOr::T(one) if one.parameter_in == ParameterIn::Query => Some(&*one.name),
        _ => None,
    });
    names.collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    /// The calls in a page's tables: method and path, without the names in braces, and the text of
    /// the row.
    fn calls_of_page(page: &str) -> Vec<(String, String, &str)> {
        let rows = page.lines().filter_map(|line| Some((line.strip_prefix("| ")?, line)));
        let calls = rows.filter_map(|(row, line)| {
            let row = row.trim_start_matches("⚿ ").strip_prefix('`')?;
            let (method, rest) = row.split_once([' ', '`'])?;
            ["GET", "POST", "DELETE"].contains(&method).then_some(())?;
            let path = rest.split(['?', '`']).next()?;
            Some((method.to_string(), format!("/api/v1/{}", bare(path)), line))
        });
        calls.collect()
    }

    /// The texts between backticks.
    fn spans(text: &str) -> impl Iterator<Item = &str> {
        text.split('`').skip(1).step_by(2)
    }

    /// The names of parameters in a query, or in an addition to one.
    fn query_names(span: &str) -> impl Iterator<Item = &str> {
        let query = span.split_once('?').map(|(_, query)| query).or(span.strip_prefix('&'));
        query
            .into_iter()
            .flat_map(|query| query.split('&'))
            .filter_map(|pair| pair.split('=').next())
    }

    /// A path without the names in its braces.
    fn bare(path: &str) -> String {
        let mut out = String::new();
        let mut inside = false;
        for char in path.chars() {
            inside = char == '{' || inside && char != '}';
            if !inside || char == '{' {
                out.push(char);
            }
        }
        out
    }

    #[test]
    fn numbers_may_be_as_large_as_they_are_and_types_may_overlap() {
        let text = TEXT.as_str();
        assert!(!text.contains("\"int64\"") && !text.contains("\"int32\""), "they have no sign");
        let document: serde_json::Value = serde_json::from_str(text).expect("JSON");
        let schemas = document["components"]["schemas"].as_object().expect("schemas");
        let untagged = schemas.iter().filter(|(_, schema)| schema.get("anyOf").is_some());
        let names: Vec<_> = untagged.map(|(name, _)| &**name).collect();
        assert_eq!(names, ["AnyAccount", "Event", "PaymentOutcome", "SearchMatch", "Submitted"]);
        assert!(schemas.values().all(|schema| schema.get("oneOf").is_none()));
    }

    /// The page's types are made from the document as it lies there.
    #[test]
    fn the_document_that_the_page_is_built_from_is_this_one() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/src/api/openapi.json");
        let written = format!("{}\n", TEXT.as_str());
        if std::env::var_os("BLOCKSMITH_WRITE_OPENAPI").is_some() {
            std::fs::write(path, &written).expect("the document can be written");
        }
        let there = std::fs::read_to_string(path).unwrap_or_default();
        assert!(
            there.replace("\r\n", "\n") == written,
            "web/src/api/openapi.json is not the document of this node: run this test with \
             BLOCKSMITH_WRITE_OPENAPI=1, then `npm run types` in web"
        );
    }

    /// The names in a document: of members, of parameters, and of a value's choices.
    fn names<'a>(value: &'a serde_json::Value, into: &mut BTreeSet<&'a str>) {
        for (key, value) in value.as_object().into_iter().flatten() {
            match &**key {
                "properties" => {
                    into.extend(value.as_object().into_iter().flatten().map(|(name, _)| &**name))
                }
                "enum" => into
                    .extend(value.as_array().into_iter().flatten().filter_map(|one| one.as_str())),
                "name" => into.extend(value.as_str()),
                _ => {}
            }
            names(value, into);
        }
        value.as_array().into_iter().flatten().for_each(|value| names(value, into));
    }

    /// Rules that a refusal names, while the document says only that a rule is a text.
    const RULES: [&str; 5] = ["stale", "signature", "sender", "fee", "full"];

    /// `API.md` and the document name the same calls and parameters, and the document knows every
    /// name in a table of the page.
    #[test]
    fn the_page_in_the_repository_says_what_the_document_says() {
        let page = include_str!("../../../../API.md");
        let on_page = calls_of_page(page);
        for (method, path, _) in calls() {
            let at = bare(path);
            let rows: Vec<_> = on_page
                .iter()
                .filter(|(by, there, _)| (&**by, there) == (method, &at))
                .map(|(.., row)| *row)
                .collect();
            assert!(!rows.is_empty(), "API.md lacks {method} {path}");
            for name in parameters(method, path) {
                let named = |span| span == name || query_names(span).any(|one| one == name);
                let has = rows.iter().any(|row| spans(row).any(named));
                assert!(has, "API.md lacks {name} of {method} {path}");
            }
        }
        let document: serde_json::Value = serde_json::from_str(&TEXT).expect("JSON");
        let mut known = BTreeSet::from(RULES);
        known.extend(["null", "reset"].into_iter().chain(blocksmith_api::Event::KINDS));
        names(&document, &mut known);
        let is_name = |span: &&str| span.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        for row in page.lines().filter(|line| line.starts_with("| ")) {
            for name in spans(row).filter(is_name) {
                assert!(known.contains(name), "the document knows no {name}: {row}");
            }
        }
        for (method, path, row) in on_page {
            let call = calls().find(|(by, at, _)| *by == method && bare(at) == path);
            let (_, at, _) = call.unwrap_or_else(|| panic!("{method} {path} is undocumented"));
            let parameters = parameters(&method, at);
            for name in spans(row).flat_map(query_names) {
                assert!(parameters.contains(&name), "{method} {path} takes no {name}");
            }
        }
    }
}
