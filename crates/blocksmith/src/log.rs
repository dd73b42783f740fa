//! The log: a line for each event, on the standard error.

use std::io::IsTerminal as _;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::fmt::format::debug_fn;

use crate::text::escaped;

/// What sets how much is logged, as in `debug` or `blocksmith=debug`.
const LEVEL: &str = "BLOCKSMITH_LOG";

/// Starts the log, at the level `usual` where nobody sets another. Whatever an event tells, and
/// whoever wrote it, an event stays one line.
pub fn start(usual: &str) {
    let colors = std::env::var_os("NO_COLOR").is_none() && std::io::stderr().is_terminal();
    let fields = debug_fn(|writer, field, value| match field.name() {
        "message" => write!(writer, "{}", escaped(format_args!("{value:?}"))),
        name => write!(writer, "{name}={}", escaped(format_args!("{value:?}"))),
    });
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(colors)
        .with_target(false)
        // It would panic where the standard error can't be written.
        .log_internal_errors(false)
        .fmt_fields(fields.delimited(" "))
        .with_env_filter(EnvFilter::try_from_env(LEVEL).unwrap_or_else(|_| EnvFilter::new(usual)))
        .init();
}
