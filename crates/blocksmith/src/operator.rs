//! The operator's token: calls from other machines that only the operator may make carry it.

use std::fmt;
use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use blocksmith_wallet::file::write_new;
use blocksmith_wallet::written::{decode, is_blank};
use subtle::ConstantTimeEq as _;

/// The token file in a node's data directory, by default.
pub const FILE: &str = "operator.token";

/// The number of random bytes of a new token.
const NEW_BYTES: usize = 32;

/// The shortest token, in characters: operators may write their own, and it must be hard to guess.
const MIN_CHARS: usize = 32;

/// The longest token, in characters.
const MAX_CHARS: usize = 256;

/// The text that shows that a call comes from the operator.
#[derive(Clone, PartialEq, Eq)]
pub struct Token(String);

/// Why a token can't be had.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The disk or its permissions are at fault.
    #[error("the token file {} can't be {done}: {error}; name another file with --token-file", .path.display())]
    Io {
        /// The token file.
        path: PathBuf,
        /// "read" or "written".
        done: &'static str,
        /// The system's error.
        error: io::Error,
    },
    /// The file holds something else.
    #[error(
        "the file {} has no token in it: a token is one line of {MIN_CHARS} to {MAX_CHARS} letters, \
         digits and signs. Remove the file, and the node makes a new one when it starts; or name \
         another file with --token-file", .path.display()
    )]
    None {
        /// The token file.
        path: PathBuf,
    },
}

/// Keeps the token out of logs.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(…)")
    }
}

impl Token {
    /// Reads the token in a file, or makes the file if there is none; on Unix only its owner can
    /// then read it.
    ///
    /// # Errors
    /// Returns a [`TokenError`] if the file can't be read or made, or holds no token.
    pub fn keep(path: &Path) -> Result<Self, TokenError> {
        match Self::read(path) {
            Err(TokenError::Io { error, .. }) if error.kind() == ErrorKind::NotFound => {}
            Ok(token) => {
                warn_of_readers(path);
                return Ok(token);
            }
            Err(error) => return Err(error),
        }
        let mut bytes = [0; NEW_BYTES];
        getrandom::fill(&mut bytes).expect("the system gives random bytes");
        let text: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        match write_new(path, &format!("{text}\n")) {
            // Another node made the file at the same time.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => Self::read(path),
            Err(error) => Err(TokenError::Io { path: path.into(), done: "written", error }),
            Ok(()) => Ok(Self(text)),
        }
    }

    /// Reads the token in a file.
    ///
    /// # Errors
    /// Returns a [`TokenError`] if the file can't be read, or holds no token.
    pub fn read(path: &Path) -> Result<Self, TokenError> {
        let mut bytes = Vec::new();
        File::open(path)
            .and_then(|file| file.take(4 * MAX_CHARS as u64).read_to_end(&mut bytes))
            .map_err(|error| TokenError::Io { path: path.into(), done: "read", error })?;
        // Editors may add white space and marks around the token.
        let text = decode(&bytes).unwrap_or_default();
        let token = text.trim_matches(is_blank);
        let fits = (MIN_CHARS..=MAX_CHARS).contains(&token.len())
            && token.bytes().all(|byte| byte.is_ascii_graphic());
        if fits { Ok(Self(token.into())) } else { Err(TokenError::None { path: path.into() }) }
    }

    /// Whether a caller sent this token, compared in constant time.
    pub fn is(&self, sent: &str) -> bool {
        self.0.as_bytes().ct_eq(sent.as_bytes()).into()
    }

    /// The token, as calls send it behind `Authorization: Bearer`.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

#[cfg(unix)]
fn warn_of_readers(path: &Path) {
    use std::os::unix::fs::PermissionsExt as _;
    if path.metadata().is_ok_and(|file| file.permissions().mode() & 0o077 != 0) {
        tracing::warn!(
            "other users of this machine can read the operator's token in {0}; to stop that: chmod 600 {0}",
            path.display()
        );
    }
}

#[cfg(not(unix))]
fn warn_of_readers(_: &Path) {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_made_once_for_its_owner_alone_and_read_again() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let token = Token::keep(&path).unwrap();
        assert!(
            token.as_str().len() == 64 && token.as_str().bytes().all(|b| b.is_ascii_hexdigit())
        );
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        assert_eq!(Token::keep(&path).unwrap(), token);
        assert_ne!(Token::keep(&dir.path().join("another")).unwrap(), token);
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 2, "nothing is left behind");
        assert!(token.is(token.as_str()));
        for other in ["", "x", &token.as_str()[1..], &token.as_str().replace(|_| true, "0")] {
            assert!(!token.is(other), "{other}");
        }
        assert_eq!(format!("{token:?}"), "Token(…)");
    }

    #[test]
    fn what_editors_add_is_no_part_of_a_token_and_what_is_none_is_said() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join(FILE);
        let own = "correct-horse-battery-staple-and-more";
        let wide = format!("\u{feff}{own}\r\n").encode_utf16().flat_map(u16::to_le_bytes).collect();
        for text in [
            own.into(),
            format!("\u{feff}{own}\r\n").into_bytes(),
            format!("\n {own}\t\n\n").into_bytes(),
            format!("{own}\n\u{1a}").into_bytes(),
            wide,
        ] {
            std::fs::write(&path, &text).unwrap();
            assert_eq!(Token::keep(&path).unwrap().as_str(), own, "{text:?}");
        }
        for text in
            ["", "\n", "short", &format!("{own} {own}"), &"x".repeat(257), &format!("{own}\0x")]
        {
            std::fs::write(&path, text).unwrap();
            let said = Token::keep(&path).unwrap_err().to_string();
            assert!(said.contains("has no token in it") && said.contains("--token-file"), "{said}");
            assert_eq!(std::fs::read_to_string(&path).unwrap(), *text, "it stays as it is");
        }
        let nowhere = dir.path().join("nowhere").join(FILE);
        let said = Token::keep(&nowhere).unwrap_err().to_string();
        assert!(said.contains("can't be written") && said.contains("--token-file"), "{said}");
        assert!(Token::read(&nowhere).unwrap_err().to_string().contains("can't be read"));
    }
}
