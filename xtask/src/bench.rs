//! The figures of BENCHMARKS.md, each against what it is measured by, in the same run.

use std::process::ExitCode;

use crate::run::{Profile, cargo, command, program, succeed, target};

/// What is measured: by a script, which takes a built example and the program.
pub(crate) struct Comparison {
    script: &'static str,
    package: &'static str,
    example: &'static str,
}

/// The validation of a long chain against CPython's.
pub(crate) const VERIFY: Comparison =
    Comparison { script: "tests/bench/verify.py", package: "blocksmith", example: "verify_speed" };

/// The search for proofs against Python's loop and other programs.
pub(crate) const SEARCH: Comparison =
    Comparison { script: "tests/bench/search.py", package: "blocksmith-miner", example: "naive" };

/// Measures and prints one thing after the other.
///
/// # Errors
/// What could not be built or measured.
pub(crate) fn run(comparisons: &[Comparison]) -> Result<ExitCode, String> {
    for Comparison { script, package, example } in comparisons {
        let program = program(Profile::Release)?;
        let build = ["build", "--quiet", "--locked", "--release"];
        succeed(cargo().args(build).args(["--package", package, "--example", example]))?;
        let example = target().join("release").join("examples").join(example);
        let example = example.with_extension(std::env::consts::EXE_EXTENSION);
        succeed(command("python3").arg(script).arg(example).arg(program))?;
    }
    Ok(ExitCode::SUCCESS)
}
