//! `--header 'Name: value'`: what a server wants to see with each call, such as a token. It can be a
//! secret, so no message shows it.

use std::fmt;

use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};

use crate::cmd::Misused;

/// The headers that each call sets itself, or that are about the connection.
const OWN: [HeaderName; 10] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::EXPECT,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHORIZATION,
];

/// A header as it was typed. It is read later, since clap would quote it in its error.
#[derive(Clone)]
pub(super) struct Typed(String);

impl fmt::Debug for Typed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Typed(…)")
    }
}

impl From<String> for Typed {
    fn from(typed: String) -> Self {
        Self(typed)
    }
}

/// Reads the headers.
///
/// # Errors
/// Fails if one of them can't be sent as it was typed.
pub(super) fn read(typed: &[Typed]) -> Result<HeaderMap, Misused> {
    let mut headers = HeaderMap::new();
    for (number, Typed(text)) in (1..).zip(typed) {
        // Its number names it, since its text may be a secret.
        let (name, value) = header(text)
            .map_err(|why| Misused(format!("--header number {number} can't be sent: {why}")))?;
        headers.append(name, value);
    }
    Ok(headers)
}

fn header(text: &str) -> Result<(HeaderName, HeaderValue), String> {
    let (name, value) = text
        .split_once(':')
        .ok_or("a header is a name, a colon and a value, as in 'Authorization: Token 123'")?;
    let name = HeaderName::from_bytes(name.trim().as_bytes()).map_err(
        |_| "the name before the colon can only have letters, digits and dashes, as in Authorization",
    )?;
    if OWN.contains(&name) {
        return Err(format!("the program sets {name} itself; leave this header out"));
    }
    if value.chars().any(char::is_control) {
        return Err("the value has a control character in it, such as a line end or a tab".into());
    }
    let value = value.trim();
    if value.is_empty() {
        return Err(format!("there is no value after \"{name}:\""));
    }
    let ascii = Some(value).filter(|value| value.is_ascii());
    let mut value = ascii
        .and_then(|value| HeaderValue::from_str(value).ok())
        .ok_or("the value can only have ASCII characters, without accents")?;
    value.set_sensitive(true);
    Ok((name, value))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(texts: &[&str]) -> Result<HeaderMap, String> {
        let typed: Vec<_> = texts.iter().map(|text| Typed::from((*text).to_owned())).collect();
        read(&typed).map_err(|error| error.to_string())
    }

    #[test]
    fn headers_are_sent_as_they_are_typed() {
        let headers =
            read_all(&["authorization:  Token a:b ", "X-Class: 1", "X-Class: 2"]).unwrap();
        assert_eq!(headers["Authorization"], "Token a:b");
        assert!(headers["Authorization"].is_sensitive());
        let classes: Vec<_> = headers.get_all("x-class").iter().collect();
        assert_eq!(classes, ["1", "2"]);
    }

    #[test]
    fn what_can_not_be_sent_is_refused_and_not_shown() {
        for (text, says) in [
            ("Authorization", "a name, a colon and a value"),
            ("Token 5ecret", "a name, a colon and a value"),
            ("", "a name, a colon and a value"),
            (": 5ecret", "the name before the colon"),
            ("My token: 5ecret", "the name before the colon"),
            ("Authorization: 5ecret\r\nX: 1", "control character"),
            ("Authorization: 5ecret\u{7f}", "control character"),
            ("Authorization: \t5ecret", "control character"),
            ("Authorization: 5ecret é", "ASCII"),
            ("Authorization: ", "no value"),
            ("Host: 5ecret", "sets host itself"),
            ("content-length: 5ecret", "sets content-length itself"),
        ] {
            let refused = read_all(&["X-Class: 1", text]).unwrap_err();
            assert!(refused.starts_with("--header number 2 can't be sent: "), "{refused}");
            assert!(refused.contains(says) && !refused.contains("5ecret"), "{text:?}: {refused}");
        }
    }
}
