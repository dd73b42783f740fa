//! The HTTP client behind every call to a server that is not our own, and the conduct that such
//! calls share.

use std::borrow::Cow;
use std::error::Error;
use std::io;

use blocksmith_consensus::json::{self, Kind, Value};
use blocksmith_text::{self as text, shown};
use reqwest::header::{CONTENT_TYPE, HeaderMap, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{ClientBuilder, Response, StatusCode, Url};

/// How much of an error's cause is shown, in characters.
const MAX_CAUSE: usize = 300;

/// How much of an answer that can't be read is shown, in characters.
const MAX_QUOTE: usize = 80;

/// A client with the program's cryptography; the caller sets its time-outs.
///
/// It follows no redirect, of any method: a POST would become a GET that changes nothing and looks
/// like success, and what was meant for one server would be sent to another. [`Redirected`] says
/// so.
pub fn builder() -> ClientBuilder {
    // A second installation fails, since the first one is there.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().redirect(Policy::none())
}

/// A server redirects instead of answering; waiting does not mend that.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{url} answers {call} with a redirect to {to}, which this program does not follow; {way_out}"
)]
pub struct Redirected {
    url: String,
    call: String,
    to: String,
    way_out: String,
    adds_slash: bool,
}

impl Redirected {
    /// The error for an answer to `call` of the server at `base`, if it is a redirect. `typed`
    /// returns what to type for a server at another address.
    pub fn of(
        response: &Response,
        base: &Url,
        call: &str,
        typed: impl FnOnce(&str) -> String,
    ) -> Option<Self> {
        let to = redirect_of(response)?;
        let base_there = Url::parse(&to).ok().and_then(|to| moved(base, response.url(), &to));
        let way_out = match &base_there {
            Some(there) if is_typable(there, base) => {
                format!("if you mean the server there, write {}", typed(name(there)))
            }
            _ => "open that address in a browser to see what is there, and write the address of \
                     the server itself"
                .into(),
        };
        let adds_slash = response.status() != StatusCode::SEE_OTHER && {
            let mut with_slash = response.url().clone();
            with_slash.set_path(&format!("{}/", with_slash.path()));
            to == with_slash.as_str()
        };
        Some(Self { url: name(base).into(), call: call.into(), to, way_out, adds_slash })
    }

    /// The same for a document, which may be anywhere.
    pub fn of_document(response: &Response) -> Option<Self> {
        let to = redirect_of(response)?;
        let way_out = "if you mean that document, write that address".into();
        let url = response.url().to_string();
        Some(Self { url, call: "GET".into(), to, way_out, adds_slash: false })
    }

    /// Whether the same server wants the same call, with a slash at the end of its path.
    pub fn adds_slash(&self) -> bool {
        self.adds_slash
    }
}

/// Whether a server's address may be part of a command: it is a host and a port, and its other
/// parts were typed by the user.
fn is_typable(there: &Url, typed: &Url) -> bool {
    there.host_str().is_some_and(text::is_typable)
        && there.username().is_empty()
        && there.password().is_none()
        && there.path() == typed.path()
}

/// The target of an answer that is a redirect.
pub fn redirect_of(response: &Response) -> Option<String> {
    let to = response.headers().get(LOCATION).filter(|_| response.status().is_redirection())?;
    let to = String::from_utf8_lossy(to.as_bytes());
    let url = response.url().join(&to).map(String::from);
    Some(shown(&url.unwrap_or(to.into_owned()), MAX_CAUSE))
}

/// The new address of the server at `base`, if what was `asked` below it is now found `to` below
/// the new one.
fn moved(base: &Url, asked: &Url, to: &Url) -> Option<Url> {
    let below = asked.path().strip_prefix(base.path()).filter(|below| !below.is_empty())?;
    let mut there = to.clone();
    there.set_path(to.path().strip_suffix(below)?);
    there.set_query(None);
    there.set_fragment(None);
    (matches!(there.scheme(), "http" | "https") && there != *base).then_some(there)
}

/// A server's address as people write it.
pub(super) fn name(base: &Url) -> &str {
    base.as_str().trim_end_matches('/')
}

/// Describes an answer that can't be read: its status, and its reason if it gives one as a problem
/// document (RFC 9457) or the course's servers do. Half a line of JSON or the source of a page
/// would not help people.
pub fn described(status: StatusCode, headers: &HeaderMap, body: &[u8]) -> String {
    if let Some(reason) = reason(body) {
        return format!("{status}: {reason}");
    }
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    let Ok(text) = std::str::from_utf8(body) else {
        return format!("{status} and {} bytes that are not text", body.len());
    };
    let text = text.trim();
    if text.is_empty() {
        return status.to_string();
    }
    if kind.contains("html") || text.starts_with('<') && !kind.contains("xml") {
        return format!("{status} and an HTML page");
    }
    if json::canonical(body).is_ok() && text.chars().nth(MAX_QUOTE).is_some() {
        return format!("{status} and {} bytes of other JSON", body.len());
    }
    format!("{status}: {}", shown(text, MAX_QUOTE))
}

/// The reason that an error's body gives, in its own words.
pub fn reason(body: &[u8]) -> Option<String> {
    let text = json::canonical(body).ok()?;
    let value = Value::of_canonical(&text);
    let member = |name: &&str| {
        let member = value.get(name)?;
        Some(member.as_str().unwrap_or_else(|| texts(member))).filter(|reason| !reason.is_empty())
    };
    let reason = match value.kind() {
        Kind::Object => {
            ["detail", "message", "error", "errors", "messages", "title"].iter().find_map(member)
        }
        _ => value.as_str(),
    };
    reason.map(|reason| shown(&reason, MAX_CAUSE)).filter(|reason| !reason.is_empty())
}

/// The texts of a list, in one.
fn texts(list: Value<'_>) -> Cow<'_, str> {
    list.elements().filter_map(Value::as_str).collect::<Vec<_>>().join("; ").into()
}

/// Reads the address of a page as people write it: `localhost:5001/chain`, `http://host/`.
pub fn parse_page(text: &str) -> Result<Url, String> {
    let text = text.trim();
    // A URL takes a number for the 32 bits of an address: 5001 would be 0.0.19.137.
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("write a host before the port, as in localhost:{text}"));
    }
    let has_scheme = text.contains("://");
    let full = if has_scheme { text.into() } else { format!("http://{text}") };
    let url = Url::parse(&full).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!(
            "the address must start with http:// or https://, not with {}://",
            url.scheme()
        ));
    }
    if url.port() == Some(0) {
        return Err(
            "port 0 is not the port of a server; a node prints its port when it starts".into()
        );
    }
    // A fragment is part of no call, and is not dropped without a message.
    if let Some(fragment) = url.fragment() {
        return Err(format!("leave \"#{}\" out: only browsers use it", shown(fragment, MAX_CAUSE)));
    }
    // People who leave out http:// rarely mean its default port.
    let place = full[full.find("://").map_or(0, |at| at + 3)..].split(['/', '?']).next();
    let has_port = place.and_then(|place| place.rsplit_once(':')).is_some_and(|(_, port)| {
        !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit())
    });
    if !has_scheme && !has_port {
        let host = url.host_str().unwrap_or_default();
        return Err(format!("write its port too, as in {host}:5000, or http://{host} for port 80"));
    }
    Ok(url)
}

/// Reads the address of a server, whose pages are below it.
pub fn parse_url(text: &str) -> Result<Url, String> {
    let mut url = parse_page(text)?;
    if let Some(query) = url.query() {
        let query = shown(query, MAX_CAUSE);
        return Err(format!("leave \"?{query}\" out: each call to the server adds its own"));
    }
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// Whether the address is this machine's own, which no proxy reaches.
pub fn is_loopback(url: &Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

/// The cause of a failed call, without the sentence around it, which would name the address once
/// more.
pub fn cause(error: &reqwest::Error) -> String {
    let cause = causes(error).last();
    shown(&cause.map_or_else(|| error.to_string(), ToString::to_string), MAX_CAUSE)
}

/// The causes of an error, from the nearest on.
fn causes(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    std::iter::successors(error.source(), |&error| error.source())
}

/// Whether the server's bytes were no answer in HTTP/1, as those of a server that speaks TLS.
pub fn is_not_http(error: &reqwest::Error) -> bool {
    causes(error).any(|error| error.downcast_ref().is_some_and(hyper::Error::is_parse))
}

/// Why the TLS handshake failed, if it did: the server speaks another protocol, or its certificate is
/// not trusted.
fn tls_error(error: &reqwest::Error) -> Option<&rustls::Error> {
    causes(error).find_map(|mut cause| {
        // An error of I/O hides the one that it is made of, which may be of I/O again.
        while let Some(inner) = cause.downcast_ref().and_then(io::Error::get_ref) {
            cause = inner;
        }
        cause.downcast_ref()
    })
}

/// Whether a failed call shows that the server speaks TLS, though not with this client.
pub fn shows_tls(error: &reqwest::Error) -> bool {
    use rustls::Error::{AlertReceived, InvalidCertificate, NoCertificatesPresented};
    let error = tls_error(error);
    matches!(error, Some(AlertReceived(_) | InvalidCertificate(_) | NoCertificatesPresented))
}

/// Says why the server at `base` will never understand a call, if `error` shows that a server
/// listens there which speaks another protocol than the address says. `typed` returns what to type
/// for another address.
pub(super) fn misspoken(
    error: &reqwest::Error,
    base: &Url,
    typed: impl FnOnce(&str) -> String,
) -> Option<String> {
    let (not, other) = match (base.scheme(), tls_error(error)) {
        ("https", Some(rustls::Error::InvalidCertificate(_))) => {
            return Some(format!(
                "{} shows a certificate that this machine does not trust ({}); check the host in the \
                 address, or ask the server's owner",
                name(base),
                cause(error)
            ));
        }
        ("https", Some(_)) => ("in TLS", "http"),
        ("http", _) if is_not_http(error) => ("in HTTP", "https"),
        _ => return None,
    };
    let mut there = base.clone();
    let port = base.port_or_known_default();
    let way_out = match there.set_scheme(other).and_then(|()| there.set_port(port)) {
        Ok(()) => format!("; to try {other}, type: {}", typed(name(&there))),
        Err(()) => String::new(),
    };
    let cause = cause(error);
    Some(format!("{} answers, but not {not} ({cause}){way_out}", name(base)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, url) in [
            ("localhost:5001", "http://localhost:5001/"),
            ("http://127.0.0.1:5000/", "http://127.0.0.1:5000/"),
            ("https://class.example/chain", "https://class.example/chain/"),
            (" [::1]:5000 ", "http://[::1]:5000/"),
            // Names in other scripts, by UTS 46.
            ("Bücher.example:5000", "http://xn--bcher-kva.example:5000/"),
            ("http://faß.example", "http://xn--fa-hia.example/"),
            ("http://ａ.例え", "http://a.xn--r8jz45g/"),
            ("http://אב.example", "http://xn--4dbc.example/"),
        ] {
            assert_eq!(parse_url(text).as_ref().map(Url::as_str), Ok(url), "{text}");
        }
        let page = parse_page("localhost:5000/chain?x=1");
        assert_eq!(page.as_ref().map(Url::as_str), Ok("http://localhost:5000/chain?x=1"));
        for text in ["", "http://", "ftp://host", "localhost:port", "localhost:123456", "a b"] {
            assert!(parse_url(text).is_err(), "{text}");
        }
        // A label with both writing directions, and invalid ones.
        for text in ["http://אa.example", "http://xn--a.example", "http://a\u{2028}.example"] {
            assert!(parse_url(text).is_err(), "{text}");
        }
        for (text, says) in [
            ("http://localhost:5000/?x=1", "leave \"?x=1\" out"),
            ("localhost:5000#top", "\"#top\""),
            ("localhost", "localhost:5000, or http://localhost for port 80"),
            ("localhost:0", "port 0"),
            ("[::1]", "[::1]:5000, or http://[::1] for port 80"),
            ("class.example/chain", "class.example:5000"),
        ] {
            let refused = parse_url(text).unwrap_err();
            assert!(refused.contains(says), "{text}: {refused}");
        }
    }

    #[test]
    fn a_server_that_moved_is_named_by_its_new_address() {
        let url = |text| Url::parse(text).unwrap();
        for (base, asked, to, there) in [
            (
                "http://a/",
                "http://a/api/v1/work?x=1",
                "https://a/api/v1/work?x=1",
                Some("https://a/"),
            ),
            ("http://a/", "http://a/mine", "http://b:7/pool/mine", Some("http://b:7/pool/")),
            ("http://a/x/", "http://a/x/mine", "http://b/mine", Some("http://b/")),
            // A page for people, one more slash, the page itself, and other servers.
            ("http://a/", "http://a/mine", "http://a/login?next=mine", None),
            ("http://a/", "http://a/mine", "http://a/mine/", None),
            ("http://a/", "http://a/mine", "http://a/mine", None),
            ("http://a/", "http://a/mine", "ftp://b/mine", None),
        ] {
            let moved = moved(&url(base), &url(asked), &url(to));
            assert_eq!(moved.as_ref().map(Url::as_str), there, "{to}");
        }
    }

    #[test]
    fn an_answer_that_is_not_understood_is_described_and_never_cut_where_it_is_json() {
        let described = |status: u16, kind: &str, body: &str| {
            let headers = HeaderMap::from_iter([(CONTENT_TYPE, kind.parse().unwrap())]);
            described(StatusCode::from_u16(status).unwrap(), &headers, body.as_bytes())
        };
        let problem = r#"{"type": "about:blank", "title": "Service Unavailable", "status": 503, "detail": "the disk is full"}"#;
        let long = format!(r#"{{"numbers": [{}1]}}"#, "1, ".repeat(100));
        for (status, kind, body, expected) in [
            (503, "application/problem+json", problem, "503 Service Unavailable: the disk is full"),
            (
                400,
                "application/json",
                r#"{"message": "Missing\nid"}"#,
                r"400 Bad Request: Missing\nid",
            ),
            (404, "application/json", "\"not here\"", "404 Not Found: not here"),
            (
                400,
                "application/json",
                r#"{"messages": [], "errors": ["Too early", "+5 s"]}"#,
                "400 Bad Request: Too early; +5 s",
            ),
            (400, "text/plain", "Missing Value: proof", "400 Bad Request: Missing Value: proof"),
            (200, "application/json", "{}", "200 OK: {}"),
            (200, "application/json", &long, "200 OK and 316 bytes of other JSON"),
            (
                404,
                "text/html; charset=utf-8",
                "<title>Nothing</title>",
                "404 Not Found and an HTML page",
            ),
            (502, "", " <h1>Bad Gateway</h1>", "502 Bad Gateway and an HTML page"),
            (500, "text/plain", " \n", "500 Internal Server Error"),
        ] {
            assert_eq!(described(status, kind, body), expected);
        }
        let bytes = super::described(StatusCode::OK, &HeaderMap::new(), b"\xff\xfe");
        assert_eq!(bytes, "200 OK and 2 bytes that are not text");
    }

    #[test]
    fn a_port_alone_is_no_address() {
        let refused = parse_url("5001").unwrap_err();
        assert!(refused.ends_with("as in localhost:5001"), "{refused}");
    }
}
