//! How values of flags are read. What a wrong value is told is the end of a sentence that starts with
//! the flag and the value: `misread` writes it.

use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::str::FromStr;

use reqwest::Url;

use crate::amount::Coins;
use crate::client::{parse_page, parse_url};

/// The fewest characters of a text that is taken for an address where another value belongs.
const LEAST_ADDRESS_CHARS: usize = 20;

/// Reads whole numbers of a range.
pub(super) fn number<T: FromStr>(
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<T, String> + Clone + Send + Sync + 'static {
    move |text| {
        let fits = text.parse().is_ok_and(|number| range.contains(&number));
        let number = text.parse().ok().filter(|_| fits);
        number.ok_or_else(|| match (range.start(), range.end()) {
            (least, &u64::MAX) => format!("it must be a whole number, {least} or more"),
            (least, most) => format!("it must be a whole number from {least} to {most}"),
        })
    }
}

/// Reads the port on which a node is to listen.
pub(super) fn port(text: &str) -> Result<u16, String> {
    number(0..=u16::MAX.into())(text).map_err(|must: String| {
        if text.contains(':') {
            format!("{must}, as in 5000; --peer {text} connects to another node")
        } else {
            must
        }
    })
}

/// Reads an address of this machine.
pub(super) fn own_address(text: &str) -> Result<IpAddr, String> {
    let must = "it must be an IP address of this machine, like 127.0.0.1 or 0.0.0.0";
    text.parse().map_err(|_| must.into())
}

/// Reads the address of a server.
pub(super) fn server(text: &str) -> Result<Url, String> {
    parse_url(text).map_err(|why| in_own_words(text, why))
}

/// Reads the address of a server or of a page.
pub(super) fn page(text: &str) -> Result<Url, String> {
    parse_page(text).map_err(|why| in_own_words(text, why))
}

/// Reads the address of a server to mine on. A word alone is the name of a person.
pub(super) fn server_to_mine_on(text: &str) -> Result<Url, String> {
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    if !is_number && text != "localhost" && !text.contains(['.', ':', '/', '[']) {
        return Err(format!("it is not a URL; did you mean --id {text}?"));
    }
    server(text)
}

/// The reason why a text is not the address of a server: those of the library for URLs say too
/// little.
fn in_own_words(text: &str, why: String) -> String {
    let full =
        if text.contains("://") { text.trim().into() } else { format!("http://{}", text.trim()) };
    match Url::parse(&full) {
        Ok(_) => why,
        Err(_) => "it must be the address of a server, a host and a port".into(),
    }
}

/// Reads an amount behind an address.
pub(super) fn amount(text: &str) -> Result<Coins, String> {
    Coins::parse_positive(text).map_err(|why| {
        let is_address = text.len() >= LEAST_ADDRESS_CHARS
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && text.starts_with(|char: char| char.is_ascii_alphabetic());
        match is_address {
            true => "that is an address: write the address first and then the amount".into(),
            false => why.to_string(),
        }
    })
}
