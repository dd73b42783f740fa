//! The page at `/`: its addresses, what browsers are told about it, and a program without it.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::Path;

use blocksmith::chain::{Chain, Dialect};
use blocksmith::http::{Manners, Page};
use blocksmith::service::Options;
use blocksmith_consensus::Rules;
use reqwest::{Method, StatusCode};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::node::Node;

const DOCUMENT: &str = "<!doctype html><title>the page</title>";
const SCRIPT: &str = "export const script = 'as it is';";
const BROTLI: &str = "the script in brotli";
const GZIP: &str = "the script in gzip";

const FILES: [(&str, &str); 7] = [
    ("index.html", DOCUMENT),
    ("assets/main-x1.js", SCRIPT),
    ("assets/main-x1.js.br", BROTLI),
    ("assets/main-x1.js.gz", GZIP),
    ("assets/main-x2.css", "body {}"),
    ("assets/anvil-x3.svg", "<svg/>"),
    ("robots.txt", "not of the page"),
];

/// Where the page shows things, and where it does things.
const SHOWS: [&str; 13] = [
    "/",
    "/block/7",
    "/block/8b89069344926ce9f90fc13f3518e95630459b81321f747302fd23d1b94f48ea",
    "/tx/abc",
    "/account/alice",
    "/account/a%2Fb",
    "/account/%2F",
    "/account/%2e%2e",
    "/account/%00",
    "/account/%ff",
    "/class",
    "/learn",
    "/learn/hash",
];
const ACTS: [&str; 3] = ["/wallet", "/miner", "/network"];

/// What looks like an address of the page and is none.
const NOT_THERE: [&str; 27] = [
    "/block",
    "/block/",
    "/block/7/",
    "/block/7/8",
    "/tx",
    "/tx/",
    "/account",
    "/account/",
    "/account/a/b",
    "/wallet/",
    "/wallet/keys",
    "/Wallet",
    "/miner/1",
    "/class/",
    "/network/1",
    "/learn/",
    "/learn/hash/1",
    "/index.html",
    "/robots.txt",
    "/favicon.ico",
    "/assets",
    "/assets/",
    "/assets/nothing.js",
    "/assets/main-x1.js/",
    "/assets/main-x1.js.br",
    "/assets/a/main-x1.js",
    "/main-x1.js",
];

fn page(files: &'static [(&str, &str)]) -> Page {
    Page::of(files.iter().map(|(name, text)| (*name, Cow::Borrowed(text.as_bytes()))))
}

async fn serving(page: Page, chain: Chain) -> Node {
    Node::serve(Options::new(chain), Manners { page, ..Manners::default() }).await
}

fn notes() -> Chain {
    Chain { rules: Rules::lecture(), dialect: Dialect::Notes }
}

fn course() -> Chain {
    Chain { rules: Rules::course(), dialect: Dialect::Course }
}

/// An answer as it came.
struct Raw {
    status: u16,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

impl Raw {
    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value)
    }
}

/// A call by hand, whose path no client puts in order.
async fn call(node: &Node, method: &str, path: &str, lines: &[&str]) -> Raw {
    let mut stream = node.connect().await;
    let lines: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
    let head =
        format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{lines}\r\n");
    stream.write_all(head.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer).await;
    let end = answer.windows(4).position(|four| four == b"\r\n\r\n").unwrap_or(answer.len());
    let head = String::from_utf8_lossy(&answer[..end]).into_owned();
    let headers = head.lines().skip(1).filter_map(|line| line.split_once(": "));
    Raw {
        status: head.get(9..12).and_then(|status| status.parse().ok()).unwrap_or_default(),
        headers: headers.map(|(name, value)| (name.to_ascii_lowercase(), value.into())).collect(),
        body: answer.get(end + 4..).unwrap_or_default().to_vec(),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_address_of_the_page_answers_its_document_and_no_other_path_does() {
    for (chain, kind) in [(notes(), "text/plain; charset=utf-8"), (course(), "application/json")] {
        let node = serving(page(&FILES), chain).await;
        for path in SHOWS.iter().chain(&ACTS) {
            for query in ["", "?bare", "?x=1&x=2&%"] {
                let answer = call(&node, "GET", &format!("{path}{query}"), &[]).await;
                assert_eq!((answer.status, &*answer.body), (200, DOCUMENT.as_bytes()), "{path}");
                assert_eq!(answer.header("content-type"), "text/html; charset=utf-8", "{path}");
                assert_eq!(answer.header("cache-control"), "no-cache", "{path}");
                assert_eq!(answer.header("vary"), "Accept-Encoding", "{path}");
            }
        }
        for path in NOT_THERE {
            for method in ["GET", "HEAD", "POST", "OPTIONS"] {
                let answer = call(&node, method, path, &[]).await;
                assert_eq!((answer.status, answer.header("content-type")), (404, kind), "{path}");
                let says = format!("there is no call {path}; ");
                let body = String::from_utf8_lossy(&answer.body);
                assert!(method == "HEAD" || body.contains(&says), "{body}");
                assert_eq!(answer.header("content-security-policy"), "", "{path}");
            }
        }
        // The course has a call of this name.
        let answer = call(&node, "GET", "/block/new", &[]).await;
        assert_eq!((answer.status, answer.header("allow")), (405, "POST, OPTIONS"));
        assert_eq!(node.get("/mine").await.kind, "application/json");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_paths_reach_no_file() {
    let node = serving(page(&FILES), notes()).await;
    for path in [
        "/assets/../index.html",
        "/assets/../assets/main-x1.js",
        "/assets/./main-x1.js",
        "/assets//main-x1.js",
        "//assets/main-x1.js",
        "/assets/%2e%2e",
        "/assets/%2e%2e%2findex.html",
        "/assets/..%2findex.html",
        "/assets/%2fetc%2fpasswd",
        "/assets/..%5cindex.html",
        "/assets/main-x1.js%00",
        "/assets/main-x1.js%00.css",
        "/assets/%00",
        "/assets/%ff",
        "/assets/%",
        "/assets/main%2dx1.js",
        "/assets/MAIN-X1.js",
        "/%2e%2e/",
        "/../",
    ] {
        for method in ["GET", "HEAD"] {
            assert_eq!(call(&node, method, path, &[]).await.status, 404, "{path}");
        }
    }
    let long = "x".repeat(20_000);
    for (path, status) in [
        (format!("/assets/{long}"), 404),
        (format!("/account/{long}"), 200),
        (format!("/{long}"), 404),
        // More than a request's head may have.
        (format!("/assets/{}", "x".repeat(70_000)), 414),
    ] {
        let answer = call(&node, "GET", &path, &[]).await;
        assert_eq!(answer.status, status, "{} bytes", path.len());
        assert!(status != 404 || answer.body.len() < 200, "a path is quoted in part");
    }
    // Bytes that no path may have end the connection with a 400.
    for path in ["/assets/\0", "/assets/a b", "/account/\u{1}"] {
        assert_eq!(call(&node, "GET", path, &[]).await.status, 400, "{path:?}");
    }
    assert_eq!(call(&node, "GET", "/", &[]).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_is_told_to_run_and_to_reach_nothing_else_and_who_may_frame_it() {
    let node = serving(page(&FILES), notes()).await;
    let policy = async |path: &str| {
        let answer = call(&node, "GET", path, &[]).await;
        assert_eq!(answer.header("x-content-type-options"), "nosniff", "{path}");
        assert_eq!(answer.header("referrer-policy"), "no-referrer", "{path}");
        assert_eq!(answer.header("cross-origin-opener-policy"), "same-origin", "{path}");
        let permissions = answer.header("permissions-policy");
        assert!(permissions.contains("camera=()") && !permissions.contains('*'), "{permissions}");
        let policy = answer.header("content-security-policy").to_string();
        let rules: BTreeMap<String, String> = policy
            .split("; ")
            .filter_map(|rule| rule.split_once(' '))
            .map(|(name, value)| (name.into(), value.into()))
            .collect();
        for (name, value) in &rules {
            let all_alone = name == "frame-ancestors" && value == "*";
            let closed = ["'self'", "'none'"].contains(&&**value);
            assert!(closed || all_alone, "{path}: {name} {value}");
        }
        for (name, value) in [
            ("default-src", "'none'"),
            ("script-src", "'self'"),
            ("style-src", "'self'"),
            ("connect-src", "'self'"),
            ("worker-src", "'self'"),
            ("base-uri", "'none'"),
            ("form-action", "'none'"),
        ] {
            assert_eq!(rules.get(name).map(|value| &**value), Some(value), "{path}: {policy}");
        }
        rules.get("frame-ancestors").cloned().unwrap_or_default()
    };
    for path in SHOWS {
        assert_eq!(policy(path).await, "'self'", "{path}");
        for query in ["?bare", "?bare=", "?bare=1", "?x=1&bare", "?b%61re"] {
            assert_eq!(policy(&format!("{path}{query}")).await, "*", "{path}{query}");
        }
        for query in ["?", "?bar", "?barer", "?x=bare", "?Bare", "?x&y=%26bare"] {
            assert_eq!(policy(&format!("{path}{query}")).await, "'self'", "{path}{query}");
        }
    }
    for path in ACTS {
        for query in ["", "?bare", "?bare=1"] {
            assert_eq!(policy(&format!("{path}{query}")).await, "'self'", "{path}{query}");
        }
    }
    for path in ["/assets/main-x1.js", "/assets/main-x1.js?bare", "/assets/anvil-x3.svg"] {
        assert_eq!(policy(path).await, "'self'", "{path}");
    }
    let docs = call(&node, "GET", "/docs?bare", &[]).await;
    assert!(docs.header("content-security-policy").contains("frame-ancestors 'none'"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_sent_in_the_form_that_the_client_takes_and_once() {
    let node = serving(page(&FILES), notes()).await;
    let path = "/assets/main-x1.js";
    let mut tags = Vec::new();
    for (accept, coding, body) in [
        ("", "", SCRIPT),
        ("Accept-Encoding: gzip, deflate, br, zstd", "br", BROTLI),
        ("Accept-Encoding: gzip, deflate", "gzip", GZIP),
        ("Accept-Encoding: br;q=0.1, gzip;q=0.2", "gzip", GZIP),
        ("Accept-Encoding: br;q=0, gzip;q=0", "", SCRIPT),
    ] {
        let lines: Vec<&str> = [accept].into_iter().filter(|line| !line.is_empty()).collect();
        let answer = call(&node, "GET", path, &lines).await;
        assert_eq!((answer.status, &*answer.body), (200, body.as_bytes()), "{accept}");
        assert_eq!(answer.header("content-encoding"), coding, "{accept}");
        assert_eq!(answer.header("content-length"), body.len().to_string(), "{accept}");
        assert_eq!(answer.header("content-type"), "text/javascript; charset=utf-8");
        assert_eq!(answer.header("vary"), "Accept-Encoding");
        assert_eq!(answer.header("cache-control"), "public, max-age=31536000, immutable");
        let tag = answer.header("etag").to_string();
        assert!(
            tag.starts_with('"') && tag.ends_with('"') && tag.len() == 34,
            "a strong tag: {tag}"
        );

        let head = call(&node, "HEAD", path, &lines).await;
        assert!(head.status == 200 && head.body.is_empty());
        let told =
            ["etag", "content-length", "content-encoding", "content-type", "vary", "cache-control"];
        for name in told {
            assert_eq!(head.header(name), answer.header(name), "{name}");
        }
        for known in [tag.clone(), format!("W/{tag}"), format!("\"x\" , {tag}"), "*".into()] {
            for method in ["GET", "HEAD"] {
                let known = format!("If-None-Match: {known}");
                let again = call(&node, method, path, &[&lines[..], &[&*known]].concat()).await;
                assert_eq!((again.status, again.body.len()), (304, 0), "{known}");
                for name in ["etag", "vary", "cache-control", "content-security-policy"] {
                    assert_eq!(again.header(name), answer.header(name), "{name}");
                }
                // It may say how long the file is, and must not say that it is empty.
                assert!(
                    ["", answer.header("content-length")].contains(&again.header("content-length"))
                );
                assert_eq!(again.header("content-encoding"), "");
            }
        }
        for other in ["\"x\"", "x", &tag[1..33], &format!("{tag}x"), ""] {
            let other = format!("If-None-Match: {other}");
            let again = call(&node, "GET", path, &[&lines[..], &[&*other]].concat()).await;
            assert_eq!((again.status, &*again.body), (200, body.as_bytes()), "{other}");
        }
        tags.push(tag);
    }
    // Each form has a tag of its own.
    assert_eq!(tags[0], tags[4]);
    assert_eq!(tags[2], tags[3]);
    assert!(tags[0] != tags[1] && tags[1] != tags[2] && tags[0] != tags[2]);

    let style = call(&node, "GET", "/assets/main-x2.css", &["Accept-Encoding: br, gzip"]).await;
    assert_eq!(
        (style.header("content-type"), style.header("content-encoding")),
        ("text/css; charset=utf-8", "")
    );
    let icon = call(&node, "GET", "/assets/anvil-x3.svg", &[]).await;
    assert_eq!(icon.header("content-type"), "image/svg+xml");
    let document = call(&node, "GET", "/", &[]).await;
    let known = format!("If-None-Match: {}", document.header("etag"));
    let again = call(&node, "GET", "/wallet", &[&known]).await;
    assert_eq!((again.status, again.header("cache-control")), (304, "no-cache"));
    assert!(again.header("content-security-policy").contains("frame-ancestors 'self'"));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_is_only_looked_at() {
    let node = serving(page(&FILES), notes()).await;
    for path in ["/", "/block/7", "/account/a%2Fb", "/wallet", "/learn/hash", "/assets/main-x1.js"]
    {
        for method in [Method::POST, Method::PUT, Method::DELETE, Method::PATCH] {
            let answer = node.send(method.clone(), path).await;
            assert_eq!((answer.status, &*answer.allow), (405, "GET, HEAD, OPTIONS"), "{path}");
            assert_eq!(answer.plain().1, format!("use GET here, not {method}"));
        }
        let answer = node.send(Method::OPTIONS, path).await;
        assert_eq!((answer.status, &*answer.allow, &*answer.text), (200, "GET, HEAD, OPTIONS", ""));
        let head = node.send(Method::HEAD, path).await;
        assert_eq!((head.status, &*head.text), (200, ""), "{path}");
    }
    // A page of another origin may link to it, under a name that no outsider can point here.
    let foreign = ["Sec-Fetch-Site: cross-site"];
    assert_eq!(call(&node, "GET", "/", &foreign).await.status, 200);
    let request = node.client.get(&node.url).header("host", "evil.example");
    assert_eq!(node.call(request).await.status, StatusCode::MISDIRECTED_REQUEST);
    // What visitors write in an address makes no figures of its own.
    let figures = node.get("/metrics").await.text;
    for route in ["/account/{party}", "/assets/{file}", "/wallet"] {
        assert!(figures.contains(&format!("\"{route}\"")), "{route} is not counted");
    }
    assert!(!figures.contains("a%2Fb") && !figures.contains("main-x1"), "{figures}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_without_the_page_says_how_to_get_it() {
    let without: &[(&str, &str)] = &[("assets/main-x1.js", SCRIPT)];
    for page in [page(&[]), page(without)] {
        let node = serving(page, notes()).await;
        for path in SHOWS.iter().chain(&ACTS) {
            let answer = call(&node, "GET", path, &[]).await;
            assert_eq!(answer.status, 503, "{path}");
            assert_eq!(answer.header("content-type"), "text/html; charset=utf-8");
            assert_eq!(answer.header("cache-control"), "no-cache");
            assert!(answer.header("content-security-policy").starts_with("default-src 'none'"));
            let text = String::from_utf8(answer.body).unwrap();
            assert!(text.contains("cargo xtask web") && text.contains("href=\"/docs\""), "{text}");
        }
        for path in NOT_THERE {
            assert_eq!(call(&node, "GET", path, &[]).await.status, 404, "{path}");
        }
        assert_eq!(node.send(Method::POST, "/").await.status, 405);
    }
}

/// What lies in `web/dist` is what a node serves; where nothing lies there, it says so.
#[tokio::test(flavor = "multi_thread")]
async fn the_program_has_the_page_that_was_built() {
    let node = Node::notes().await;
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../web/dist");
    let document = call(&node, "GET", "/", &[]).await;
    let Ok(there) = std::fs::read(built.join("index.html")) else {
        assert_eq!(document.status, 503, "there is no page in {}", built.display());
        return;
    };
    assert_eq!((document.status, document.body), (200, there), "the program has an older page");
    let mut compressed = 0;
    for entry in std::fs::read_dir(built.join("assets")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        let (file, accept, coding) = match name.rsplit_once('.') {
            Some((file, "br")) => (file, "Accept-Encoding: br", "br"),
            Some((file, "gz")) => (file, "Accept-Encoding: gzip", "gzip"),
            _ => (name, "Accept-Encoding: identity", ""),
        };
        compressed += usize::from(!coding.is_empty());
        let answer = call(&node, "GET", &format!("/assets/{file}"), &[accept]).await;
        assert_eq!((answer.status, answer.header("content-encoding")), (200, coding), "{name}");
        assert!(answer.body == std::fs::read(&path).unwrap(), "{name}");
        assert_ne!(answer.header("content-type"), "application/octet-stream", "{name}");
    }
    assert!(compressed > 0, "`cargo xtask web` compresses what it builds");
}
