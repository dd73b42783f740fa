//! System calls that fail, by a library of C that is put before the system's own.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// The library, which the C compiler makes that Rust links with.
pub(crate) fn library() -> &'static Path {
    static LIBRARY: OnceLock<PathBuf> = OnceLock::new();
    LIBRARY.get_or_init(|| {
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR"));
        let (library, made) =
            (folder.join("refusing.so"), folder.join(std::process::id().to_string()));
        let source =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/program/store_trouble/preload.c");
        let mut cc = Command::new("cc");
        cc.args(["-shared", "-fPIC", "-O1", "-o"]).arg(&made).arg(source);
        assert!(cc.status().expect("a C compiler, as Rust needs to link").success());
        // Whole under its name, also for tests that run at the same time.
        std::fs::rename(made, &library).unwrap();
        library
    })
}

/// The same command, with these calls failing.
pub(crate) fn failing(mut command: Command, calls: &[(&str, &str)]) -> Command {
    command.env("LD_PRELOAD", library()).envs(calls.iter().copied());
    command
}
