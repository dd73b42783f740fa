//! The figures of BENCHMARKS.md, each against what it is measured by, in the same run.

use std::process::ExitCode;

use crate::run::{Profile, cargo, command, program, succeed, target};

/// Measures everything and prints it.
///
/// # Errors
/// What could not be built or measured.
pub(crate) fn run() -> Result<ExitCode, String> {
    verify()?;
    Ok(ExitCode::SUCCESS)
}

/// The validation of a long chain against CPython's.
fn verify() -> Result<(), String> {
    let program = program(Profile::Release)?;
    let example = ["--release", "--package", "blocksmith", "--example", "verify_speed"];
    succeed(cargo().args(["build", "--quiet", "--locked"]).args(example))?;
    let example = target().join("release").join("examples").join("verify_speed");
    let example = example.with_extension(std::env::consts::EXE_EXTENSION);
    succeed(command("python3").arg("tests/bench/verify.py").arg(example).arg(program))
}
