//! Whom a node does not answer, and what they may do about it.

use std::fmt;

use crate::text::{is_typable, shown};

/// How much of a name or an origin is told, in characters.
const MAX_SHOWN: usize = 100;

/// What `Host` names, under which the node does not answer.
#[derive(Debug)]
pub(super) enum OtherName {
    /// A name that may be one of the node's.
    Host(String),
    /// What is no host with or without a port.
    Nothing(String),
}

impl OtherName {
    /// What stands in the header, of which `host` was read, if it could be.
    pub(super) fn of(name: &[u8], host: Option<String>) -> Self {
        host.map_or_else(|| Self::Nothing(lossy(name)), Self::Host)
    }

    /// What may be typed behind `--host`, if that is one of the node's names: a stranger may have written
    /// it, and nobody should type what it may say besides.
    pub(super) fn typed(&self) -> Option<&str> {
        match self {
            Self::Host(host) if is_typable(host) => Some(host),
            _ => None,
        }
    }

    /// What whoever called may do.
    pub(super) fn way_out(&self) -> String {
        match self.typed() {
            Some(host) => format!("use its IP address, or start it with --host {host}"),
            None => "use its IP address".into(),
        }
    }
}

impl fmt::Display for OtherName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(
                f,
                "this node does not answer to the name \"{}\", under which the page of a stranger could \
                 reach it",
                shown(host, MAX_SHOWN)
            ),
            Self::Nothing(text) => write!(
                f,
                "this call was made to \"{text}\", which is no host, with or without a port from 0 to \
                 65535"
            ),
        }
    }
}

/// A page that may change nothing.
#[derive(Debug)]
pub(super) enum Foreign {
    /// One of this origin, which may be allowed.
    Of(String),
    /// One that has no origin.
    Null,
    /// One of whose origin nothing is said that could be allowed.
    Unsaid,
}

impl Foreign {
    /// What its owner may do.
    pub(super) fn way_out(&self) -> &'static str {
        match self {
            Self::Of(_) => {
                "if it is yours, start the node with --cors and its origin, as in --cors \
                 http://localhost:3000"
            }
            Self::Null => {
                "if it is a file of yours, serve it, as with python3 -m http.server, and the node says \
                 how to let it in"
            }
            Self::Unsaid => "if you mean it, ask with a program that is no browser, like curl",
        }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(origin) => write!(f, "a page of {origin} asked for this"),
            Self::Null => f.write_str(
                "a page that does not say where it is from (Origin: null) asked for this",
            ),
            Self::Unsaid => f.write_str("a page from elsewhere asked for this"),
        }
    }
}

pub(super) fn lossy(bytes: &[u8]) -> String {
    shown(&String::from_utf8_lossy(bytes), MAX_SHOWN)
}
