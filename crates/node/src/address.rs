//! Peer addresses.

use alloc::format;
use alloc::string::{String, ToString};
use core::cmp::Ordering;
use core::fmt;
use core::hash::{Hash, Hasher};
use core::net::{Ipv4Addr, Ipv6Addr};
use core::str::FromStr;

/// The longest host and port.
const MAX_BYTES: usize = 260;

/// How much of a bad address an error quotes, in characters.
const MAX_QUOTE: usize = 80;

/// The port of an address that names none, as in URLs.
const HTTP_PORT: u16 = 80;

/// The hosts that mean this machine's loopback.
const LOOPBACK: [&str; 5] = ["localhost", "127.0.0.1", "[::1]", "0.0.0.0", "[::]"];

/// The address of a peer: host and port alone, as the course's nodes keep it.
///
/// Two are equal if they mean the same place as far as can be told without a name server:
/// `localhost:80`, `127.0.0.1:80`, `[::1]:80` and `LOCALHOST.` do. Each keeps the spelling that it
/// was given.
#[derive(Debug, Clone)]
pub struct PeerAddress(String);

/// A text that names no peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not the address of a peer: {why}")]
pub struct BadAddress {
    /// The text, or its start.
    pub text: String,
    /// What is wrong with it.
    pub why: NotAPeer,
}

/// The reason why a text names no peer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NotAPeer {
    /// There is no host.
    #[error("it has no host; write a host and a port, as in localhost:5001")]
    NoHost,
    /// It is a port alone.
    #[error("it is a port alone; write a host before it, as in localhost:{0}")]
    PortAlone(String),
    /// The text after the host is not a port.
    #[error("the port must be a number from 1 to 65535, not {0:?}, as in localhost:5001")]
    Port(String),
    /// The port is missing.
    #[error("write its port too, as in {0}:5000, or {0}:{HTTP_PORT} for the usual port of http")]
    NoPort(String),
    /// More than one port follows a host.
    #[error(
        "it has more than one \":\", and only one can stand between host and port; did you mean \
         {host}:{port}?"
    )]
    Colons {
        /// The host that may have been meant.
        host: String,
        /// The port that may have been meant.
        port: String,
    },
    /// A character that no host has.
    #[error(
        "character {at} of the host is {char:?} (U+{:04X}), but a host has only letters from a to z, \
         digits, dashes and dots; write it with those (letters of other alphabets can look the same), or \
         write the IP address, as in 10.0.0.7:5001", *.char as u32
    )]
    Character {
        /// Which of its host's characters, from 1.
        at: usize,
        /// The character.
        char: char,
    },
    /// The host starts with a dot, or has two in a row.
    #[error(
        "its host starts with a dot, or has two dots in a row; leave one out, as in localhost:5001"
    )]
    Dots,
    /// Too few or too many numbers for an IP address.
    #[error(
        "a host that ends in a number ({last:?}) must be an IP address of four numbers, as in 127.0.0.1, \
         but this one has {parts}; write all four, or a name that ends in a word"
    )]
    Ipv4 {
        /// The part behind the last dot.
        last: String,
        /// How many parts there are.
        parts: usize,
    },
    /// It is not a number of an IP address, or programs differ in how they read it.
    #[error(
        "a host that ends in a number must be an IP address, and each of its four numbers is from 0 to \
         255, without zeros before it; {0:?} is not, write it as in 127.0.0.1"
    )]
    Ipv4Number(String),
    /// An IPv6 address without brackets.
    #[error("an IPv6 address needs brackets; write {0}, or another port after the bracket")]
    NoBrackets(String),
    /// The second bracket is missing.
    #[error("the \"]\" after the IPv6 address is missing; write it as in [::1]:5001")]
    OpenBracket,
    /// Something between bracket and port.
    #[error("a colon and a port must follow \"]\", not {0:?}, as in [::1]:5001")]
    AfterBracket(String),
    /// A zone.
    #[error(
        "the zone after \"%\" has a meaning on one machine only; write the address without it, as in \
         [fe80::1]:5001"
    )]
    Zone,
    /// The text in brackets is not an IPv6 address.
    #[error("the text in brackets must be an IPv6 address, not {0:?}, as in [::1]:5001")]
    Ipv6(String),
    /// The address asks for https, and peers are called without encryption.
    #[error(
        "nodes call their peers by http, and https is not supported yet; write http://HOST:PORT if the \
         peer answers there too"
    )]
    Https,
    /// Something else than HTTP.
    #[error(
        "nodes call their peers by http, not by {0}; write a host and a port, as in localhost:5001"
    )]
    Scheme(String),
    /// A page of a server.
    #[error("a peer is a host and a port, so leave {found:?} out: write {address}")]
    Page {
        /// The part that is too much.
        found: String,
        /// The address that may have been meant.
        address: String,
    },
    /// A name or a password for the server.
    #[error(
        "a peer has no user name and no password, so leave out what stands before \"@\": write a host and \
         a port, as in localhost:5001"
    )]
    User,
    /// It is an address that servers listen on, and that clients can't call.
    #[error(
        "a server can listen there, on all addresses of its machine, but a client must call one of them: \
         write localhost:{0} if it is this machine"
    )]
    Anywhere(u16),
    /// It is longer than any name.
    #[error(
        "host and port have {0} bytes, but at most {MAX_BYTES} are allowed; check what was pasted"
    )]
    TooLong(usize),
}

/// The start of a part of what was typed.
fn quote(part: &str) -> String {
    part.chars().take(MAX_QUOTE).collect()
}

impl PeerAddress {
    /// Host and port, as in `localhost:5001`.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Reads an address that a person typed, and refuses what can't be done as it stands there. For
    /// addresses that nodes tell each other, [`FromStr`] reads what the course's nodes would.
    ///
    /// # Errors
    /// Returns [`BadAddress`], which says what to write instead.
    pub fn typed(text: &str) -> Result<Self, BadAddress> {
        let bad = |why| BadAddress { text: quote(text), why };
        let parts = Parts::of(text).map_err(bad)?;
        match parts.scheme {
            None => {}
            Some(scheme) if scheme.eq_ignore_ascii_case("http") => {}
            Some(scheme) if scheme.eq_ignore_ascii_case("https") => {
                return Err(bad(NotAPeer::Https));
            }
            Some(scheme) => {
                return Err(bad(NotAPeer::Scheme(quote(scheme).escape_debug().to_string())));
            }
        }
        let address = parts.address().map_err(bad)?;
        if !matches!(parts.page, "" | "/") {
            let found = quote(parts.page);
            return Err(bad(NotAPeer::Page { found, address: address.0 }));
        }
        let Some((host, _)) = address.split() else { return Err(bad(NotAPeer::NoPort(address.0))) };
        if ["0.0.0.0", "[::]"].contains(&host) {
            return Err(bad(NotAPeer::Anywhere(address.place().1)));
        }
        Ok(address)
    }

    /// Reads an address as a list of peers shows it: as [`PeerAddress::typed`], and those that
    /// nodes tell each other but people should not type.
    ///
    /// # Errors
    /// Returns [`BadAddress`], which says what to write instead.
    pub fn listed(text: &str) -> Result<Self, BadAddress> {
        match Self::typed(text) {
            Err(BadAddress { why: NotAPeer::NoPort(_) | NotAPeer::Anywhere(_), .. }) => {
                text.parse()
            }
            typed => typed,
        }
    }

    /// Host and port, if a port is named.
    fn split(&self) -> Option<(&str, u16)> {
        let (host, port) = self.0.rsplit_once(':')?;
        // What follows the last colon of an IPv6 address alone ends in a bracket.
        Some((host, port.parse().ok()?))
    }

    /// The host and port by which two addresses are compared.
    fn place(&self) -> (&str, u16) {
        let (host, port) = self.split().unwrap_or((&self.0, HTTP_PORT));
        (if LOOPBACK.contains(&host) { LOOPBACK[0] } else { host }, port)
    }
}

impl PartialEq for PeerAddress {
    fn eq(&self, other: &Self) -> bool {
        self.place() == other.place()
    }
}

impl Eq for PeerAddress {}

impl PartialOrd for PeerAddress {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for PeerAddress {
    fn cmp(&self, other: &Self) -> Ordering {
        self.place().cmp(&other.place())
    }
}

impl Hash for PeerAddress {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.place().hash(state);
    }
}

impl fmt::Display for PeerAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As the course's nodes read it: from `http://h:1`, `https://h:1/any/path`, `h:1` or `h`.
impl FromStr for PeerAddress {
    type Err = BadAddress;

    fn from_str(text: &str) -> Result<Self, BadAddress> {
        let address = Parts::of(text).and_then(|parts| parts.address());
        address.map_err(|why| BadAddress { text: quote(text), why })
    }
}

/// `scheme://host:port/page`.
struct Parts<'a> {
    scheme: Option<&'a str>,
    host: &'a str,
    port: Option<&'a str>,
    page: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Result<Self, NotAPeer> {
        let text = text.trim();
        let (scheme, rest) = match text.split_once("://") {
            Some((scheme, rest)) => (Some(scheme), rest),
            None => (None, text),
        };
        let (place, page) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        if place.contains('@') {
            return Err(NotAPeer::User);
        }
        if place.len() > MAX_BYTES {
            return Err(NotAPeer::TooLong(place.len()));
        }
        let (host, port) = if place.starts_with('[') {
            let end = place.find(']').ok_or(NotAPeer::OpenBracket)? + 1;
            match place.split_at(end) {
                (host, "") => (host, None),
                (host, rest) => {
                    let port = rest.strip_prefix(':');
                    (host, Some(port.ok_or_else(|| NotAPeer::AfterBracket(quote(rest)))?))
                }
            }
        } else {
            match place.split_once(':') {
                Some((_, rest)) if rest.contains(':') => return Err(colons(place)),
                Some((host, port)) => (host, Some(port)),
                None => (place, None),
            }
        };
        Ok(Self { scheme, host, port, page })
    }

    fn address(&self) -> Result<PeerAddress, NotAPeer> {
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        let port = match self.port {
            Some(port) => {
                let number = port.parse::<u16>().ok().filter(|&number| number > 0);
                let number = number.filter(|_| digits(port));
                Some(number.ok_or_else(|| match port {
                    "" if !self.host.is_empty() => NotAPeer::NoPort(quote(self.host)),
                    port => NotAPeer::Port(quote(port)),
                })?)
            }
            None => None,
        };
        if let (false, None) = (self.host.is_empty(), port)
            && digits(self.host)
        {
            return Err(NotAPeer::PortAlone(self.host.into()));
        }
        let host = host(self.host)?;
        Ok(PeerAddress(match port {
            Some(port) => format!("{host}:{port}"),
            None => host,
        }))
    }
}

/// The error for a text with more than one colon and no bracket.
fn colons(place: &str) -> NotAPeer {
    let whole = place.parse::<Ipv6Addr>().ok().map(|address| (address, "5001"));
    let split = place.rsplit_once(':');
    let split = split.and_then(|(host, port)| Some((host.parse::<Ipv6Addr>().ok()?, port)));
    // Of [::1:5000] and [::1]:5000, people hardly ever mean the first.
    match split.filter(|(_, port)| port.len() > 3).or(whole) {
        Some((address, port)) => NotAPeer::NoBrackets(format!("[{address}]:{}", quote(port))),
        None if place.contains('%') => NotAPeer::Zone,
        None => {
            let is_port = |part: &&str| part.parse::<u16>().is_ok_and(|port| port > 0);
            let port = place.rsplit(':').find(is_port).unwrap_or("5001");
            let host = place.rsplit(':').find(|part| host(part).is_ok() && !is_port(part));
            NotAPeer::Colons { host: quote(host.unwrap_or("localhost")), port: quote(port) }
        }
    }
}

/// Reads a host into its one canonical form.
fn host(text: &str) -> Result<String, NotAPeer> {
    if let Some(inner) = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        let address: Ipv6Addr = inner.parse().map_err(|_| match inner.contains('%') {
            true => NotAPeer::Zone,
            false => NotAPeer::Ipv6(quote(inner)),
        })?;
        return Ok(match address.to_ipv4_mapped() {
            Some(address) => address.to_string(),
            None => format!("[{address}]"),
        });
    }
    // A dot at the end says that nothing follows it.
    let name = text.strip_suffix('.').unwrap_or(text).to_ascii_lowercase();
    if name.is_empty() {
        return Err(NotAPeer::NoHost);
    }
    let fits = |char: char| char.is_ascii_alphanumeric() || "-_.".contains(char);
    if let Some((before, char)) = text.chars().enumerate().find(|&(_, char)| !fits(char)) {
        return Err(NotAPeer::Character { at: before + 1, char });
    }
    if name.split('.').any(str::is_empty) {
        return Err(NotAPeer::Dots);
    }
    // As browsers have it, a name that ends in a number is an IP address. To some programs 127.1,
    // 0177.0.0.1 and 0x7f.1 are one; here it has to be a form that all programs read alike.
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let last = name.rsplit('.').next().unwrap_or_default();
    let is_hex =
        last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|b| b.is_ascii_hexdigit()));
    if (is_hex || digits(last)) && name.parse::<Ipv4Addr>().is_err() {
        let is_number = |part: &str| {
            digits(part) && part.parse::<u8>().is_ok_and(|number| number.to_string() == part)
        };
        let bad = name.split('.').find(|part| !is_number(part)).unwrap_or(last);
        return Err(match name.split('.').count() {
            4 => NotAPeer::Ipv4Number(quote(bad)),
            parts => NotAPeer::Ipv4 { last: quote(last), parts },
        });
    }
    Ok(name)
}
