//! The HTTP client that every call to somebody else's server starts from, and the manners that such
//! calls share.

use reqwest::{ClientBuilder, Url};

use crate::text::shown;

/// How much of what went wrong is shown, in characters.
const MAX_CAUSE: usize = 300;

/// A client with the program's cryptography; who uses it says how long it waits.
pub fn builder() -> ClientBuilder {
    // The second time it is there already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder()
}

/// Reads the address of a page as people write it: `localhost:5001/chain`, `http://host/`.
pub(crate) fn parse_page(text: &str) -> Result<Url, String> {
    let text = text.trim();
    // A URL takes a number for the 32 bits of an address: 5001 would be 0.0.19.137.
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(format!("a port needs a host before it, as in localhost:{text}"));
    }
    let text = if text.contains("://") { text.into() } else { format!("http://{text}") };
    let url = Url::parse(&text).map_err(|error| error.to_string())?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("servers are reached by http or https, not by {}", url.scheme()));
    }
    Ok(url)
}

/// The same of a server, whose pages are below it.
pub(crate) fn parse_url(text: &str) -> Result<Url, String> {
    let mut url = parse_page(text)?;
    url.set_query(None);
    url.set_fragment(None);
    if !url.path().ends_with('/') {
        url.set_path(&format!("{}/", url.path()));
    }
    Ok(url)
}

/// Whether the address is this machine's own, which no proxy reaches.
pub(crate) fn is_loopback(url: &Url) -> bool {
    matches!(url.host_str(), Some("localhost" | "127.0.0.1" | "[::1]"))
}

/// Why there was no answer. The sentence around the cause would name the address once more.
pub(crate) fn cause(error: &reqwest::Error) -> String {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    shown(&cause.to_string(), MAX_CAUSE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_as_people_write_them() {
        for (text, url) in [
            ("localhost:5001", "http://localhost:5001/"),
            ("http://127.0.0.1:5000/", "http://127.0.0.1:5000/"),
            ("https://class.example/chain?x=1", "https://class.example/chain/"),
            (" [::1]:5000 ", "http://[::1]:5000/"),
        ] {
            assert_eq!(parse_url(text).as_ref().map(Url::as_str), Ok(url), "{text}");
        }
        let page = parse_page("localhost:5000/chain?x=1");
        assert_eq!(page.as_ref().map(Url::as_str), Ok("http://localhost:5000/chain?x=1"));
        for text in ["", "http://", "ftp://host", "localhost:port", "localhost:123456", "a b"] {
            assert!(parse_url(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_port_alone_is_no_address() {
        let refused = parse_url("5001").unwrap_err();
        assert!(refused.ends_with("as in localhost:5001"), "{refused}");
    }
}
