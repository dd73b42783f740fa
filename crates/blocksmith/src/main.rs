//! The program: parse, run, say how it went.
#![forbid(unsafe_code)]

use std::process::ExitCode;

use blocksmith::{cmd, log};

fn main() -> ExitCode {
    let cli = cmd::parse();
    log::start(cli.log_level());
    match cmd::run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("blocksmith: {}", cmd::told(&error));
            cmd::exit_code(&error)
        }
    }
}
