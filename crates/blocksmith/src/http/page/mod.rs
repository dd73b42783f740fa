//! The page at `/`, for people: every address of it answers the same document, which reads the address in
//! the browser. There is no address beyond those listed here, so that what is not found in the course's own
//! servers is not found here either, `/` aside.

mod absent;
mod coding;
mod files;
mod policy;

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

pub use files::Page;

use super::api_error::ApiError;
use super::{App, known, query};
use coding::{Coding, Wanted};
use files::File;
use policy::Frames;

/// Where the page only shows things. Pages elsewhere may frame what has `?bare`.
const SHOWS: [&str; 7] =
    ["/", "/block/{id}", "/tx/{id}", "/account/{party}", "/class", "/learn", "/learn/{lesson}"];

/// Where the page pays, mines, or changes the node. No other page may frame that: its visitors would
/// press buttons that they do not see.
const ACTS: [&str; 3] = ["/wallet", "/miner", "/network"];

/// Where everything else is that the document names.
const ASSETS: &str = "/assets/";

/// The document changes with the program, and is asked for each time.
const ASK_AGAIN: HeaderValue = HeaderValue::from_static("no-cache");

/// The name of a file below `/assets` has the hash of what is in it.
const KEEP: HeaderValue = HeaderValue::from_static("public, max-age=31536000, immutable");

/// All addresses of the page.
pub(super) fn routes(page: Page) -> Router<App> {
    let mut router = Router::new().route("/assets/{file}", get(asset).fallback(no_asset_call));
    for path in SHOWS {
        router = router.route(path, get(shown));
    }
    for path in ACTS {
        router = router.route(path, get(acting));
    }
    router
        .method_not_allowed_fallback(async |method: Method| ApiError::Method(method))
        .with_state(page)
}

/// The document where it only shows things.
async fn shown(State(page): State<Page>, uri: Uri, headers: HeaderMap) -> Response {
    let bare = query::pairs(&uri).is_ok_and(|pairs| pairs.iter().any(|(name, _)| name == "bare"));
    document(&page, &headers, if bare { Frames::Any } else { Frames::Own })
}

/// The document where it does something.
async fn acting(State(page): State<Page>, headers: HeaderMap) -> Response {
    document(&page, &headers, Frames::Own)
}

fn document(page: &Page, asked: &HeaderMap, frames: Frames) -> Response {
    let mut response = match page.document() {
        Some(file) => sent(file, asked, ASK_AGAIN),
        // It is not "not found", because the address is right; nor is it a success, because it is not what was
        // asked for, and whatever looks whether the page is there must not take this for it.
        None => {
            let kind = HeaderValue::from_static("text/html; charset=utf-8");
            let body = absent::document().into_string();
            let headers = [(CONTENT_TYPE, kind), (CACHE_CONTROL, ASK_AGAIN)];
            (StatusCode::SERVICE_UNAVAILABLE, headers, body).into_response()
        }
    };
    policy::set(response.headers_mut(), frames);
    response
}

/// The file that a path names. The names of these files need no codes with %, so that a path is looked up as it
/// came.
fn named<'a>(page: &'a Page, uri: &Uri) -> Option<&'a File> {
    page.asset(uri.path().strip_prefix(ASSETS)?)
}

/// What other methods than its own are answered: where there is no file, nothing is there at all.
async fn no_asset_call(State(page): State<Page>, uri: Uri, method: Method) -> Response {
    match named(&page, &uri) {
        Some(_) => ([(ALLOW, "GET, HEAD")], ApiError::Method(method)).into_response(),
        None => known::no_such_call(uri.path()).into_response(),
    }
}

/// A file that the document names.
async fn asset(State(page): State<Page>, uri: Uri, headers: HeaderMap) -> Response {
    let Some(file) = named(&page, &uri) else {
        return known::no_such_call(uri.path()).into_response();
    };
    let mut response = sent(file, &headers, KEEP);
    policy::set(response.headers_mut(), Frames::Own);
    response
}

/// A file in the form that the client wants, or word that it has that one.
fn sent(file: &File, asked: &HeaderMap, kept: HeaderValue) -> Response {
    let coding = Wanted::read(asked).best(|coding| file.form(coding).is_some());
    let Some(form) = file.form(coding) else { return ApiError::Panic.into_response() };
    let mut response = match is_known(asked, &form.tag) {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => {
            let mut response = Body::from(form.bytes.clone()).into_response();
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(file.kind));
            if coding != Coding::Plain {
                let name = HeaderValue::from_static(coding.name());
                response.headers_mut().insert(CONTENT_ENCODING, name);
            }
            response
        }
    };
    let headers = response.headers_mut();
    headers.insert(CONTENT_LENGTH, form.bytes.len().into());
    headers.insert(ETAG, form.tag.clone());
    headers.insert(VARY, HeaderValue::from_static("Accept-Encoding"));
    headers.insert(CACHE_CONTROL, kept);
    response
}

/// Whether the client has the form with this tag (RFC 9110, 13.1.2).
fn is_known(asked: &HeaderMap, tag: &HeaderValue) -> bool {
    let lists = asked.get_all(IF_NONE_MATCH).iter();
    let mut tags = lists.flat_map(|list| list.as_bytes().split(|byte| *byte == b','));
    tags.any(|one| {
        let one = one.trim_ascii();
        one == b"*" || one.strip_prefix(b"W/").unwrap_or(one) == tag.as_bytes()
    })
}
