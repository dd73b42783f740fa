//! A browser does what the pages of strangers tell it to, on its user's machine, which may be the
//! node's own. So a page changes nothing here unless the operator allowed its origin, and a page
//! can't point a name of its own at the node to share the node's origin (DNS rebinding).

use std::collections::BTreeSet;
use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::str::FromStr;
use std::sync::{Arc, Mutex, PoisonError};

use axum::body::Body;
use axum::http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS, ACCESS_CONTROL_REQUEST_METHOD, ALLOW,
    CONTENT_TYPE, HOST, ORIGIN, VARY,
};
use axum::http::{HeaderMap, HeaderValue, Method, Request, StatusCode, Uri};
use axum::response::{IntoResponse as _, Response};

use super::api_error::{ApiError, ErrorFormat};
use super::strangers::{Foreign, OtherName, lossy};
use crate::chain::Dialect;

/// How many refused names and origins the log tells of, each once.
const MAX_TOLD: usize = 16;

/// How long a browser may remember what a page may do, in seconds.
const PREFLIGHT_S: &str = "600";

/// The type that Flask gives an answer to `OPTIONS`, though its body is empty.
const HTML: &str = "text/html; charset=utf-8";

/// Calls that make the node do something although they are sent with `GET`.
const ACTS: [&str; 2] = ["/mine", "/nodes/resolve"];

/// A host and a port as the headers `Host` and `Origin` name them.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Authority {
    /// In lower case, without a dot at its end.
    host: String,
    port: Option<u16>,
}

impl Authority {
    fn read(text: &str) -> Option<Self> {
        let (host, port) = if let Some(rest) = text.strip_prefix('[') {
            let (address, port) = rest.split_once(']')?;
            let address: Ipv6Addr = address.split('%').next()?.parse().ok()?;
            (format!("[{address}]"), port)
        } else {
            let end = text.find(':').unwrap_or(text.len());
            let host = text[..end].strip_suffix('.').unwrap_or(&text[..end]);
            let is_label = |label: &str| {
                let byte = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
                !label.is_empty() && label.bytes().all(byte)
            };
            if !host.split('.').all(is_label) {
                return None;
            }
            (host.to_ascii_lowercase(), &text[end..])
        };
        let port = match port.strip_prefix(':') {
            Some("") => None,
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => {
                Some(port.parse().ok()?)
            }
            Some(_) => return None,
            None if port.is_empty() => None,
            None => return None,
        };
        Some(Self { host, port })
    }

    /// Whether browsers say which page asks when they call the node by this name: they do where the
    /// name stands for their own machine, but elsewhere only if the call is encrypted.
    fn is_own_machine(&self) -> bool {
        let host = &*self.host;
        host.parse::<Ipv4Addr>().is_ok_and(|address| address.is_loopback())
            || host == "[::1]"
            || host.rsplit('.').next() == Some("localhost")
    }

    /// Whether no outsider can make this name stand for an address of their choice: it is an
    /// address, or a name that no public DNS server knows.
    fn is_safe_from_rebinding(&self) -> bool {
        let host = &*self.host;
        let last = host.rsplit('.').next().unwrap_or_default();
        host.starts_with('[')
            || host.parse::<Ipv4Addr>().is_ok()
            || !host.contains('.')
            // No domain ends in a number: such names are addresses in older spellings.
            || last.bytes().all(|byte| byte.is_ascii_digit())
            || matches!(last, "local" | "localhost")
    }
}

/// A host name by which clients reach the node, through a tunnel or in a network with names of its
/// own.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostName(String);

impl FromStr for HostName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match Authority::read(text) {
            Some(Authority { host, port: None })
                if !text.contains(':') || host.starts_with('[') =>
            {
                Ok(Self(host))
            }
            _ => {
                Err("write only a name, as in chain.school.edu, without http:// and without a port"
                    .into())
            }
        }
    }
}

/// Where a page comes from, as browsers write it in the header `Origin`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PageOrigin {
    scheme: String,
    authority: Authority,
}

impl PageOrigin {
    /// The port, even if it is the default port of its scheme.
    fn port(&self) -> Option<u16> {
        self.authority.port.or(usual_port(&self.scheme))
    }

    fn is(&self, other: &Self) -> bool {
        let host = (&self.scheme, &self.authority.host) == (&other.scheme, &other.authority.host);
        host && self.port() == other.port()
    }
}

fn usual_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" => Some(80),
        "https" => Some(443),
        _ => None,
    }
}

impl FromStr for PageOrigin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let what = match text {
            "null" => {
                "null would allow every web page without an origin, strangers' pages too; serve your page, \
                 for example with python3 -m http.server, and write that address"
            }
            "*" => {
                "* would allow every web page, strangers' pages too; write one --cors for each origin"
            }
            _ => {
                let origin = text.split_once("://").and_then(|(scheme, rest)| {
                    let is_scheme = scheme.starts_with(|char: char| char.is_ascii_alphabetic())
                        && scheme.bytes().all(|byte| {
                            byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.')
                        });
                    let rest = rest.strip_suffix('/').unwrap_or(rest);
                    let authority = Authority::read(rest).filter(|_| is_scheme)?;
                    Some(Self { scheme: scheme.to_ascii_lowercase(), authority })
                });
                match origin {
                    Some(origin) => return Ok(origin),
                    None => "write a scheme, a host and a port, as in http://localhost:3000",
                }
            }
        };
        Err(what.into())
    }
}

/// The names and origins that the node takes calls from browsers for.
#[derive(Debug, Default)]
pub(super) struct Browsers {
    hosts: Vec<HostName>,
    origins: Vec<PageOrigin>,
    told: Mutex<BTreeSet<String>>,
}

/// What a page may do.
enum Page {
    /// No page asks, or a page of this node does.
    None,
    /// Its origin was allowed; the value is what `Origin` says.
    Allowed(HeaderValue),
    /// It may see nothing and change nothing.
    Foreign(Foreign),
}

/// Whether the call's browser would have said which page caused it, if a page of another origin
/// had. Old programs send no `Host`.
pub(super) fn would_be_named(headers: &HeaderMap) -> bool {
    let host = |value: &HeaderValue| value.to_str().ok().and_then(Authority::read);
    let is_own = |value| host(value).is_some_and(|name| name.is_own_machine());
    headers.get_all(HOST).iter().all(is_own)
}

impl Browsers {
    pub(super) fn new(hosts: Vec<HostName>, origins: Vec<PageOrigin>) -> Self {
        Self { hosts, origins, told: Mutex::default() }
    }

    /// The host that the client called, if a browser would name one.
    fn host(&self, headers: &HeaderMap, uri: &Uri) -> Result<Option<Authority>, ApiError> {
        let named = headers.get_all(HOST).iter().map(HeaderValue::as_bytes);
        let named = named.chain(uri.authority().map(|authority| authority.as_str().as_bytes()));
        let mut host = None;
        for name in named.filter(|name| !name.is_empty()) {
            let read = std::str::from_utf8(name).ok().and_then(Authority::read);
            let taken = read.as_ref().is_some_and(|name| {
                name.is_safe_from_rebinding() || self.hosts.iter().any(|host| host.0 == name.host)
            });
            if !taken {
                let name = OtherName::of(name, read.map(|name| name.host));
                let if_its = |host| format!("; if that is its name, start it with --host {host}");
                self.tell(&name, &name.typed().map(if_its).unwrap_or_default());
                return Err(ApiError::Host(name));
            }
            host = read;
        }
        Ok(host)
    }

    /// The page that asks, if one does.
    fn page(&self, headers: &HeaderMap, host: Option<&Authority>) -> Page {
        let (mut page, origins) = (Page::None, headers.get_all(ORIGIN));
        for value in &origins {
            let origin = value.to_str().ok().and_then(|text| text.parse::<PageOrigin>().ok());
            page = match origin {
                Some(origin) if self.is_ours(&origin, host) => page,
                Some(origin) if self.origins.iter().any(|allowed| allowed.is(&origin)) => {
                    Page::Allowed(value.clone())
                }
                origin => {
                    // A single origin alone can be allowed.
                    let is_one = origins.iter().count() == 1;
                    return Page::Foreign(match value.as_bytes() {
                        text if is_one && origin.is_some() => Foreign::Of(lossy(text)),
                        b"null" => Foreign::Null,
                        _ => Foreign::Unsaid,
                    });
                }
            };
        }
        // For an image, a link or a form, browsers send no origin, but they send this header.
        let site = headers.get("sec-fetch-site").map(HeaderValue::as_bytes);
        match page {
            Page::None if matches!(site, Some(b"cross-site" | b"same-site")) => {
                Page::Foreign(Foreign::Unsaid)
            }
            page => page,
        }
    }

    /// Whether a page of this origin came from the node itself. The node serves http; a proxy in
    /// front of it under another name may serve https.
    fn is_ours(&self, origin: &PageOrigin, host: Option<&Authority>) -> bool {
        let Some(host) = host else { return false };
        let scheme = match &*origin.scheme {
            "http" => true,
            "https" => self.hosts.iter().any(|given| given.0 == host.host),
            _ => false,
        };
        let port = host.port.or(usual_port(&origin.scheme));
        scheme && origin.authority.host == host.host && origin.port() == port
    }

    /// The log tells the operator once of each refused name and origin, up to a bound.
    fn tell(&self, what: &impl fmt::Display, way_out: &str) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.len() < MAX_TOLD && told.insert(what.to_string()) {
            tracing::warn!("a call is refused: {what}{way_out}");
        }
    }
}

/// Stands between browsers and the node: it refuses what strangers' pages ask for, tells browsers
/// which pages may do what, and answers `OPTIONS` as Flask does.
pub(super) struct Guard {
    pub(super) browsers: Browsers,
    /// The dialect in which refusals are written.
    pub(super) dialect: Dialect,
}

/// What an answer needs to know of a request that was let in.
pub(super) struct Visit {
    page: Page,
    method: Method,
    /// The format of an error.
    voice: ErrorFormat,
    /// What a preflight asks for: the headers that a page wants to send.
    preflight: Option<Option<HeaderValue>>,
}

impl Guard {
    /// Lets a request in, or returns the answer that refuses it.
    pub(super) fn admit<B>(&self, request: &Request<B>) -> Result<Visit, Box<Response>> {
        let (browsers, headers) = (&self.browsers, request.headers());
        let path = request.uri().path();
        let voice = ErrorFormat::of(path, self.dialect);
        let refused = |fault: ApiError| {
            let response = fault.status().into_response();
            Box::new(fault.told(voice, response))
        };
        let host = browsers.host(headers, request.uri()).map_err(refused)?;
        let page = browsers.page(headers, host.as_ref());
        let method = request.method().clone();
        let changes = match method {
            Method::OPTIONS => false,
            Method::GET | Method::HEAD => ACTS.contains(&path),
            _ => true,
        };
        let page = match page {
            Page::Foreign(page) if changes => {
                browsers.tell(&page, &format!("; {}", page.way_out()));
                return Err(refused(ApiError::Page(page)));
            }
            page => page,
        };
        let preflight = (method == Method::OPTIONS
            && headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD))
        .then(|| headers.get(ACCESS_CONTROL_REQUEST_HEADERS).cloned());
        Ok(Visit { page, method, voice, preflight })
    }

    /// Adds the headers that browsers need to an answer.
    pub(super) fn complete(&self, visit: Visit, response: Response) -> Response {
        let mut response = with_options(&visit, response);
        let headers = response.headers_mut();
        if !self.browsers.origins.is_empty() {
            headers.append(VARY, HeaderValue::from_static("Origin"));
        }
        if let Page::Allowed(origin) = visit.page {
            headers.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
            if let (Some(names), Some(methods)) = (visit.preflight, headers.get(ALLOW).cloned()) {
                headers.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
                headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(PREFLIGHT_S));
                if let Some(names) = names {
                    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, names);
                }
            }
        }
        response
    }
}

/// Adds `OPTIONS` to the methods that a call allows, answers it with them, and names the others in the
/// answer to a wrong one: they are known only here, since the router adds them last.
fn with_options(visit: &Visit, mut response: Response) -> Response {
    if response.status() != StatusCode::METHOD_NOT_ALLOWED {
        return response;
    }
    let allow = response.headers().get(ALLOW).and_then(|allow| allow.to_str().ok());
    let mut methods: Vec<_> = allow.into_iter().flat_map(|allow| allow.split(',')).collect();
    methods.push("OPTIONS");
    let methods: Vec<_> = methods.into_iter().map(str::trim).collect();
    let Ok(allow) = HeaderValue::from_str(&methods.join(", ")) else { return response };
    if visit.method == Method::OPTIONS {
        response = Response::new(Body::empty());
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(HTML));
    }
    response.headers_mut().insert(ALLOW, allow);
    match response.extensions().get::<Arc<ApiError>>().cloned() {
        Some(fault) => fault.told(visit.voice, response),
        None => response,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_safe_from_rebinding_are_taken() {
        let browsers = Browsers::new(vec!["Chain.School.edu.".parse().expect("a name")], vec![]);
        let host = |text: &str| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, HeaderValue::from_bytes(text.as_bytes()).expect("a header"));
            browsers.host(&headers, &Uri::from_static("/chain")).map_err(|fault| fault.to_string())
        };
        for good in [
            "",
            "localhost",
            "LOCALHOST:5000",
            "localhost.",
            "localhost.:5000",
            "localhost:",
            "127.0.0.1:5000",
            "10.0.0.7",
            "203.0.113.9:80",
            "[::1]:5000",
            "[FE80::1%eth0]",
            "127.1:5000",
            "2130706433",
            "x",
            "node_1:80",
            "pc12.local",
            "Pc12.LOCAL.:5000",
            "evil.localhost:5000",
            "chain.school.edu",
            "CHAIN.school.edu.:443",
        ] {
            assert!(host(good).is_ok(), "{good}");
        }
        for bad in [
            "evil.example",
            "evil.example:5000",
            "evil.example.",
            "localhost.evil.example",
            "127.0.0.1.evil.example",
            "local.example",
            "sub.chain.school.edu",
            "school.edu",
            ".localhost",
            "evil.example@localhost",
            "localhost@evil.example",
            "localhost:5000@evil.example",
            "localhost, evil.example",
            "localhost:http",
            "localhost:99999",
            "localhost:+80",
            "[::1",
            "[::1]x",
            "[evil.example]",
            "::1",
            "evil\u{ff0e}example",
            "..",
            ".",
            "http://localhost",
        ] {
            assert!(host(bad).is_err(), "{bad}");
        }
        let mut two = HeaderMap::new();
        two.append(HOST, HeaderValue::from_static("localhost"));
        two.append(HOST, HeaderValue::from_static("evil.example"));
        assert!(browsers.host(&two, &Uri::from_static("/")).is_err());
        let whole = Uri::from_static("http://evil.example/chain");
        assert!(browsers.host(&HeaderMap::new(), &whole).is_err());
        assert!(browsers.host(&HeaderMap::new(), &Uri::from_static("/")).is_ok());
    }

    #[test]
    fn a_page_is_foreign_unless_it_is_the_nodes_own_or_was_allowed() {
        let names = vec!["chain.school.edu".parse().expect("a name")];
        let allowed = ["http://localhost:3000", "HTTPS://Course.Example:443/"];
        let allowed = allowed.map(|origin| origin.parse().expect("an origin"));
        let browsers = Browsers::new(names, allowed.into());
        let page = |host: &'static str, origin: &'static str, site: &'static str| {
            let mut headers = HeaderMap::new();
            for (name, value) in [("host", host), ("origin", origin), ("sec-fetch-site", site)] {
                if !value.is_empty() {
                    headers.insert(name, HeaderValue::from_static(value));
                }
            }
            let host = browsers.host(&headers, &Uri::from_static("/")).expect("a good name");
            match browsers.page(&headers, host.as_ref()) {
                Page::None => "none",
                Page::Allowed(_) => "allowed",
                Page::Foreign { .. } => "foreign",
            }
        };
        for (host, origin, site, expected) in [
            ("localhost:5000", "", "", "none"),
            ("localhost:5000", "", "none", "none"),
            ("localhost:5000", "", "same-origin", "none"),
            ("localhost:5000", "", "cross-site", "foreign"),
            ("localhost:5000", "", "same-site", "foreign"),
            ("localhost:5000", "http://localhost:5000", "same-origin", "none"),
            ("LOCALHOST:5000", "http://localhost:5000", "", "none"),
            ("localhost", "http://localhost", "", "none"),
            ("localhost:80", "http://localhost", "", "none"),
            ("localhost:5000", "http://localhost:5000", "cross-site", "foreign"),
            ("localhost:5000", "http://localhost:5001", "same-site", "foreign"),
            ("localhost:5000", "http://127.0.0.1:5000", "", "foreign"),
            ("localhost:5000", "https://localhost:5000", "", "foreign"),
            ("localhost:5000", "http://evil.example", "", "foreign"),
            ("localhost:5000", "null", "", "foreign"),
            ("localhost:5000", "", "", "none"),
            ("localhost:5000", "nonsense", "", "foreign"),
            ("", "http://localhost:5000", "", "foreign"),
            ("[::1]:5000", "http://[::1]:5000", "same-origin", "none"),
            ("localhost:5000", "http://localhost:3000", "same-site", "allowed"),
            ("localhost:5000", "https://course.example", "cross-site", "allowed"),
            ("localhost:5000", "http://course.example", "cross-site", "foreign"),
            ("localhost:5000", "https://course.example:444", "cross-site", "foreign"),
            ("localhost:5000", "https://sub.course.example", "cross-site", "foreign"),
            ("chain.school.edu", "https://chain.school.edu", "same-origin", "none"),
            ("chain.school.edu", "http://chain.school.edu", "same-origin", "none"),
            ("chain.school.edu", "https://chain.school.edu:444", "", "foreign"),
        ] {
            assert_eq!(page(host, origin, site), expected, "{host} {origin} {site}");
        }
    }

    #[test]
    fn what_is_no_name_and_no_origin_is_told_so() {
        for bad in ["", "http://x.example", "x.example:80", "*", "a b", "x.example/"] {
            assert!(bad.parse::<HostName>().is_err(), "{bad}");
        }
        assert!("[::1]".parse::<HostName>().is_ok());
        for bad in
            ["", "null", "*", "localhost:3000", "http://", "http://x/page", "http://*.x", "://x"]
        {
            assert!(bad.parse::<PageOrigin>().is_err(), "{bad}");
        }
        let null = "null".parse::<PageOrigin>().unwrap_err();
        assert!(null.contains("http.server"), "{null}");
    }

    #[test]
    fn the_log_tells_of_some_and_of_each_once() {
        let browsers = Browsers::default();
        for number in 0..100 {
            for _ in 0..2 {
                browsers.tell(&number.to_string(), "; so what");
            }
        }
        assert_eq!(browsers.told.lock().expect("whole").len(), MAX_TOLD);
    }
}
