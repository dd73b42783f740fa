//! The figures of BENCHMARKS.md.
use std::process::ExitCode;
pub(crate) fn run() -> Result<ExitCode, String> {
    Err("to come".into())
}
