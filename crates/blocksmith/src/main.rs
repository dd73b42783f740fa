//! The program: parse, run, say how it went.
#![forbid(unsafe_code)]
#![warn(clippy::print_stdout, clippy::print_stderr)]

use std::process::ExitCode;

use blocksmith::{cmd, log};

#[global_allocator]
static ALLOCATOR: tikv_jemallocator::Jemalloc = tikv_jemallocator::Jemalloc;

fn main() -> ExitCode {
    let cli = cmd::parse();
    log::start(cli.log_level(), cli.log_format());
    match cmd::run(cli) {
        Ok(code) => code,
        Err(error) => {
            cmd::note(format_args!("blocksmith: {}", cmd::told(&error)));
            cmd::exit_code(&error)
        }
    }
}
