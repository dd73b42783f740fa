//! The program: parse, run, say how it went.
#![forbid(unsafe_code)]

use std::io::IsTerminal as _;
use std::process::ExitCode;

use blocksmith::cmd;
use clap::Parser as _;
use tracing_subscriber::EnvFilter;

fn main() -> ExitCode {
    let cli = cmd::Cli::parse();
    let colors = std::env::var_os("NO_COLOR").is_none() && std::io::stderr().is_terminal();
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(colors)
        .with_target(false)
        .with_env_filter(
            EnvFilter::try_from_env("BLOCKSMITH_LOG").unwrap_or_else(|_| EnvFilter::new("info")),
        )
        .init();
    match cmd::run(cli) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("blocksmith: {error:#}");
            cmd::exit_code(&error)
        }
    }
}
