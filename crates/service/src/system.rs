//! Advice for errors of the operating system, where it does not depend on what was tried.

use std::io::{self, ErrorKind};

/// The errors of Unix for too many open files, in this process or in the whole system.
const TOO_MANY_FILES: [i32; 2] = [24, 23];

/// The advice for an error, if it does not depend on what was tried.
pub fn way_out(error: &io::Error) -> Option<&'static str> {
    Some(match error.kind() {
        ErrorKind::StorageFull => "make room on that disk and run the command again",
        ErrorKind::QuotaExceeded => {
            "your quota on that disk is used up: make room and run the command again"
        }
        ErrorKind::FileTooLarge => {
            "files have reached the largest size allowed here: type `ulimit -f unlimited`, then run the command again"
        }
        ErrorKind::ReadOnlyFilesystem => "choose a place where you can write files",
        _ if cfg!(unix)
            && error.raw_os_error().is_some_and(|code| TOO_MANY_FILES.contains(&code)) =>
        {
            "too many files are open: raise the limit with `ulimit -n`, then run the command again"
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
