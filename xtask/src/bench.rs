//! The figures of BENCHMARKS.md, each against what it is measured by, in the same run.

use std::process::ExitCode;

use crate::run::{Profile, cargo, command, program, succeed, target};

/// What is measured: by an example, or by a script that takes the built example and the program.
pub(crate) struct Comparison {
    script: Option<&'static str>,
    package: &'static str,
    example: &'static str,
}

/// The validation of a long chain against CPython's.
pub(crate) const VERIFY: Comparison = Comparison {
    script: Some("tests/bench/verify.py"),
    package: "blocksmith",
    example: "verify_speed",
};

/// The search for proofs against Python's loop and other programs.
pub(crate) const SEARCH: Comparison = Comparison {
    script: Some("tests/bench/search.py"),
    package: "blocksmith-miner",
    example: "naive",
};

/// Signed payments, alone and in blocks, against libsecp256k1 alone.
pub(crate) const PAYMENTS: Comparison =
    Comparison { script: None, package: "blocksmith", example: "payment_blocks" };

/// A mempool of a hundred thousand payments.
pub(crate) const MEMPOOL: Comparison =
    Comparison { script: None, package: "blocksmith-node", example: "mempool_speed" };

/// Measures and prints one thing after the other.
///
/// # Errors
/// What could not be built or measured.
pub(crate) fn run(comparisons: &[Comparison]) -> Result<ExitCode, String> {
    for Comparison { script, package, example } in comparisons {
        let build = ["build", "--quiet", "--locked", "--release"];
        succeed(cargo().args(build).args(["--package", package, "--example", example]))?;
        let example = target().join("release").join("examples").join(example);
        let example = example.with_extension(std::env::consts::EXE_EXTENSION);
        match script {
            Some(script) => {
                let program = program(Profile::Release)?;
                succeed(command("python3").arg(script).arg(example).arg(program))?;
            }
            None => succeed(&mut command(example))?,
        }
    }
    Ok(ExitCode::SUCCESS)
}
