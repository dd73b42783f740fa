//! Advice for errors of the operating system, where it does not depend on what was tried.

use std::io::{self, ErrorKind};

/// The errors of Unix for too many open files, in this process or in the whole system.
const TOO_MANY_FILES: [i32; 2] = [24, 23];

/// The advice for an error, if it does not depend on what was tried.
pub fn way_out(error: &io::Error) -> Option<&'static str> {
    Some(match error.kind() {
        ErrorKind::StorageFull => "make room on that disk and run the command again",
        ErrorKind::QuotaExceeded => {
            "your share of that disk is used up: make room and run the command again"
        }
        ErrorKind::FileTooLarge => {
            "no file may get longer here: `ulimit -f unlimited` lifts that; then run the command again"
        }
        ErrorKind::ReadOnlyFilesystem => "choose a place where files can be written",
        _ if cfg!(unix)
            && error.raw_os_error().is_some_and(|code| TOO_MANY_FILES.contains(&code)) =>
        {
            "`ulimit -n` says how many files may be open, and raises that; then run the command again"
        }
        _ => return None,
    })
}

/// Whether the disk was full.
pub fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge
    )
}
