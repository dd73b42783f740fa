//! Names and pages that the node refuses, and what their owners may do about it.

use std::fmt;

use crate::text::{is_typable, shown};

/// How much of a name or an origin a message shows, in characters.
const MAX_SHOWN: usize = 100;

/// The name in `Host` under which the node does not answer.
#[derive(Debug)]
pub(super) enum OtherName {
    /// A name that may be one of the node's.
    Host(String),
    /// Text that is no host, with or without a port.
    Nothing(String),
}

impl OtherName {
    /// `name` is the header's value, and `host` the host that was read from it, if it names one.
    pub(super) fn of(name: &[u8], host: Option<String>) -> Self {
        host.map_or_else(|| Self::Nothing(lossy(name)), Self::Host)
    }

    /// What the operator may type behind `--host`, if that can be one of the node's names. A
    /// stranger may have written the header, so nothing else of it belongs in a command.
    pub(super) fn typed(&self) -> Option<&str> {
        match self {
            Self::Host(host) if is_typable(host) => Some(host),
            _ => None,
        }
    }

    /// What the caller or the operator may do about it.
    pub(super) fn way_out(&self) -> String {
        match self.typed() {
            Some(host) => {
                format!("use the node's IP address, or start the node with --host {host}")
            }
            None => "use the node's IP address".into(),
        }
    }
}

impl fmt::Display for OtherName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Host(host) => write!(
                f,
                "this node does not answer under the name \"{}\", because a stranger's web page could reach \
                 it by that name",
                shown(host, MAX_SHOWN)
            ),
            Self::Nothing(text) => write!(
                f,
                "the Host of this call must be a host, with or without a port from 0 to 65535, not \
                 \"{text}\""
            ),
        }
    }
}

/// A page that may change nothing.
#[derive(Debug)]
pub(super) enum Foreign {
    /// A page of this origin, which the operator may allow.
    Of(String),
    /// A page without an origin.
    Null,
    /// A page of whose origin the browser says nothing that could be allowed.
    Unsaid,
}

impl Foreign {
    /// What the page's owner or the operator may do about it.
    pub(super) fn way_out(&self) -> &'static str {
        match self {
            Self::Of(_) => {
                "if it is yours, start the node with --cors and its origin, as in --cors \
                 http://localhost:3000"
            }
            Self::Null => {
                "if it is your file, serve it, for example with python3 -m http.server; then the node says \
                 how to allow it"
            }
            Self::Unsaid => "to do it anyway, use a program that is not a browser, such as curl",
        }
    }
}

impl fmt::Display for Foreign {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Of(origin) => write!(f, "a web page of {origin} made this call"),
            Self::Null => f.write_str(
                "a web page that does not say where it is from (Origin: null) made this call",
            ),
            Self::Unsaid => f.write_str("a web page from elsewhere made this call"),
        }
    }
}

pub(super) fn lossy(bytes: &[u8]) -> String {
    shown(&String::from_utf8_lossy(bytes), MAX_SHOWN)
}
