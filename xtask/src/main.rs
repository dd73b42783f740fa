//! The project's chores, each one command: `cargo xtask demo | test | bench`.
#![forbid(unsafe_code)]

mod bench;
mod debian;
mod python;
mod run;
mod test;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask demo [--blocks N] [OPTIONS OF blocksmith dev]
       cargo xtask test [--long]
       cargo xtask bench [verify | search | payments]

demo   three nodes, a miner and one chain, until Ctrl-C or for N blocks
test   everything that CI runs, with all its own set-up; --long for the long forms
bench  the figures of BENCHMARKS.md, measured on this machine; all, or one part
";

fn main() -> ExitCode {
    let mut words = std::env::args().skip(1);
    let command = words.next().unwrap_or_default();
    let words: Vec<String> = words.collect();
    let outcome = match command.as_str() {
        "demo" => demo(&words),
        "test" => match words.as_slice() {
            [] => test::run(false),
            [long] if long == "--long" => test::run(true),
            _ => return usage(),
        },
        "bench" => match words.as_slice() {
            [] => bench::run(&[bench::VERIFY, bench::SEARCH, bench::PAYMENTS, bench::MEMPOOL]),
            [part] if part == "verify" => bench::run(&[bench::VERIFY]),
            [part] if part == "search" => bench::run(&[bench::SEARCH]),
            [part] if part == "payments" => bench::run(&[bench::PAYMENTS, bench::MEMPOOL]),
            _ => return usage(),
        },
        _ => return usage(),
    };
    match outcome {
        Ok(code) => code,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprint!("{USAGE}");
    ExitCode::from(2)
}

/// Builds the program and hands over to `blocksmith dev`.
fn demo(words: &[String]) -> Result<ExitCode, String> {
    let program = run::program(run::Profile::Dev)?;
    let status = std::process::Command::new(&program)
        .arg("dev")
        .args(words)
        .status()
        .map_err(|error| format!("{} does not start: {error}", program.display()))?;
    // Ended by a signal, it has no code.
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
