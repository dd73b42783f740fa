//! Measures the figures of BENCHMARKS.md, each against its comparison, in the same run.

use std::path::PathBuf;
use std::process::ExitCode;

use crate::run::{Profile, cargo, command, program, succeed, target};

/// A measurement: by an example, or by a script that takes the built example, the program, and the
/// program of an earlier commit if there is one.
pub(crate) struct Comparison {
    script: Option<&'static str>,
    earlier: Option<&'static str>,
    package: &'static str,
    example: &'static str,
}

/// The validation of a long chain against CPython's.
pub(crate) const VERIFY: Comparison = Comparison {
    script: Some("tests/bench/verify.py"),
    earlier: None,
    package: "blocksmith",
    example: "verify_speed",
};

/// The search for proofs against Python's loop and other programs.
pub(crate) const SEARCH: Comparison = Comparison {
    script: Some("tests/bench/search.py"),
    earlier: None,
    package: "blocksmith-miner",
    example: "naive",
};

/// The index of parties: its size, pages, how far behind it is, and what it costs, against the last commit
/// without one.
pub(crate) const INDEX: Comparison = Comparison {
    script: Some("tests/bench/index.py"),
    earlier: Some("eec7c6813ed32da83a8ac1c2321069545e849d57"),
    package: "blocksmith",
    example: "verify_speed",
};

/// What a text may mean, on a chain of a million blocks.
pub(crate) const FIND: Comparison = Comparison {
    script: Some("tests/bench/find.py"),
    earlier: None,
    package: "blocksmith",
    example: "verify_speed",
};

/// Signed payments, alone and in blocks, against libsecp256k1 alone.
pub(crate) const PAYMENTS: Comparison =
    Comparison { script: None, earlier: None, package: "blocksmith", example: "payment_blocks" };

/// A mempool of a hundred thousand payments.
pub(crate) const MEMPOOL: Comparison = Comparison {
    script: None,
    earlier: None,
    package: "blocksmith-node",
    example: "mempool_speed",
};

/// The import of a million blocks against the last commit in which every 2,000 of them had a commit of
/// the store.
pub(crate) const IMPORT: Comparison = Comparison {
    script: Some("tests/bench/import.py"),
    earlier: Some("7144e24ef6fd5375a62845615da3aca50bee75ea"),
    package: "blocksmith",
    example: "verify_speed",
};

/// The same against the last commit whose store has no checksums and which has no index.
pub(crate) const CHECKED: Comparison = Comparison { earlier: INDEX.earlier, ..IMPORT };

/// Runs the measurements one after the other.
///
/// # Errors
/// Fails with what can't be built or measured.
pub(crate) fn run(comparisons: &[Comparison]) -> Result<ExitCode, String> {
    for Comparison { script, earlier, package, example } in comparisons {
        let build = ["build", "--quiet", "--locked", "--release"];
        succeed(cargo().args(build).args(["--package", package, "--example", example]))?;
        let example = target().join("release").join("examples").join(example);
        let example = example.with_extension(std::env::consts::EXE_EXTENSION);
        match script {
            Some(script) => {
                let mut measure = command("python3");
                measure.arg(script).arg(example).arg(program(Profile::Release)?);
                if let Some(commit) = earlier {
                    measure.arg(program_of(commit)?);
                }
                succeed(&mut measure)?;
            }
            None => succeed(&mut command(example))?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Builds the program of an earlier commit beside this one, once. Returns the path of the binary.
fn program_of(commit: &str) -> Result<PathBuf, String> {
    let folder = target().join("earlier").join(commit);
    let built = folder.join("target");
    let binary = built.join("release").join(format!("blocksmith{}", std::env::consts::EXE_SUFFIX));
    if binary.exists() {
        return Ok(binary);
    }
    if !folder.exists() {
        let add = ["worktree", "add", "--force", "--detach"];
        succeed(command("git").args(add).arg(&folder).arg(commit)).map_err(|error| {
            format!(
                "{error}; the commit has to be in this clone: `git fetch --unshallow` brings it"
            )
        })?;
    }
    eprintln!("building blocksmith as it was at {commit}; that takes some minutes");
    let build = ["build", "--quiet", "--locked", "--release", "--package", "blocksmith"];
    succeed(
        cargo()
            .current_dir(&folder)
            .args(build)
            .args(["--bin", "blocksmith"])
            .env("CARGO_TARGET_DIR", &built),
    )?;
    Ok(binary)
}
