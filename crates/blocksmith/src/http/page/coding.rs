//! The forms in which a file is kept and sent: compressed, or as it is (RFC 9110, 12.5.3).

use axum::http::HeaderMap;
use axum::http::header::ACCEPT_ENCODING;

use crate::http::weight::weight;

/// How the bytes of a file are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Coding {
    Brotli,
    Gzip,
    Plain,
}

impl Coding {
    /// The shortest first: if a client wants several equally, it gets the first that there is.
    pub(super) const ALL: [Self; 3] = [Self::Brotli, Self::Gzip, Self::Plain];

    /// The name in headers.
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Brotli => "br",
            Self::Gzip => "gzip",
            Self::Plain => "identity",
        }
    }

    /// What stands behind a file's name, beside which the compressed file lies.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Brotli => ".br",
            Self::Gzip => ".gz",
            Self::Plain => "",
        }
    }
}

/// The codings that a client takes, by how much it wants each.
pub(super) struct Wanted([u16; Coding::ALL.len()]);

impl Wanted {
    pub(super) fn read(headers: &HeaderMap) -> Self {
        let lines = headers.get_all(ACCEPT_ENCODING).iter();
        let alternatives: Vec<_> = lines
            .flat_map(|line| line.as_bytes().split(|byte| *byte == b','))
            .filter_map(|one| {
                let mut parts = std::str::from_utf8(one).ok()?.split(';').map(str::trim);
                Some((parts.next()?, weight(parts)?))
            })
            .collect();
        let named = |name: &str| {
            let is_it = |(asked, _): &&(&str, u16)| asked.eq_ignore_ascii_case(name);
            alternatives.iter().find(is_it).map(|(_, weight)| *weight)
        };
        Self(Coding::ALL.map(|coding| {
            let unnamed = match coding {
                // A file as it is does for every client, but is not what one wants that names others.
                Coding::Plain => 1,
                _ => 0,
            };
            named(coding.name()).or_else(|| named("*")).unwrap_or(unnamed)
        }))
    }

    /// Returns the coding to send, out of those in which there is a form.
    pub(super) fn best(&self, there: impl Fn(Coding) -> bool) -> Coding {
        let mut best = (Coding::Plain, 0);
        for (coding, weight) in Coding::ALL.into_iter().zip(self.0) {
            if there(coding) && weight > best.1 {
                best = (coding, weight);
            }
        }
        best.0
    }
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn the_coding_is_the_one_that_a_client_wants_most_of_those_that_there_are() {
        use Coding::{Brotli, Gzip, Plain};
        let all: &[Coding] = &[Brotli, Gzip, Plain];
        for (accept, there, expected) in [
            ("", all, Plain),
            ("br", all, Brotli),
            ("gzip", all, Gzip),
            ("gzip, deflate, br, zstd", all, Brotli),
            ("gzip, deflate, br", &[Gzip, Plain], Gzip),
            ("gzip, br", &[Plain], Plain),
            ("GZIP", all, Gzip),
            ("br;q=0.5, gzip;q=0.8", all, Gzip),
            ("br;q=0.5, gzip ; Q = 0.4", all, Brotli),
            ("br;q=0, gzip;q=0", all, Plain),
            ("br;q=0, *", all, Gzip),
            ("*", all, Brotli),
            ("*;q=0", all, Plain),
            ("identity, br;q=0.5", all, Plain),
            ("identity;q=0, gzip;q=0.1", all, Gzip),
            ("gzip;q=0.001", all, Gzip),
            ("br;q=x, gzip", all, Gzip),
            ("deflate", all, Plain),
            ("brotli", all, Plain),
        ] {
            let value = HeaderValue::from_str(accept).expect("a header");
            let wanted = Wanted::read(&HeaderMap::from_iter([(ACCEPT_ENCODING, value)]));
            assert_eq!(wanted.best(|coding| there.contains(&coding)), expected, "{accept}");
        }
        let none = Wanted::read(&HeaderMap::new());
        assert_eq!(none.best(|_| true), Plain);
    }
}
