//! The log: a line for each event, on the standard error.

use std::io::{self, IsTerminal as _, Write as _};

use tracing_subscriber::field::MakeExt as _;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::fmt::format::debug_fn;
use tracing_subscriber::layer::SubscriberExt as _;
use tracing_subscriber::util::SubscriberInitExt as _;

use crate::text::{escaped, json};

/// The variable that sets how much is logged, as in `debug` or `blocksmith=debug`.
pub(crate) const LEVEL: &str = "BLOCKSMITH_LOG";

/// How an event is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub enum Format {
    /// Lines for people
    #[default]
    Text,
    /// A JSON object on each line, for programs
    Json,
}

/// Starts the log, at the level `usual` unless the environment sets another. An event stays one
/// line, whatever it says and whichever code logs it.
pub fn start(usual: &str, format: Format) {
    if format == Format::Json {
        return tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_current_span(false)
            .with_target(false)
            .with_writer(JsonLines::default)
            .log_internal_errors(false)
            .with_max_level(LevelFilter::TRACE)
            .finish()
            .with(filter(usual))
            .init();
    }
    let colors = std::env::var_os("NO_COLOR").is_none() && std::io::stderr().is_terminal();
    let fields = debug_fn(|writer, field, value| match field.name() {
        "message" => write!(writer, "{}", escaped(format_args!("{value:?}"))),
        name => write!(writer, "{name}={}", escaped(format_args!("{value:?}"))),
    });
    tracing_subscriber::fmt()
        .with_writer(std::io::stderr)
        .with_ansi(colors)
        .with_target(false)
        // Its own error messages would panic if the standard error can't be written.
        .log_internal_errors(false)
        .fmt_fields(fields.delimited(" "))
        .with_max_level(LevelFilter::TRACE)
        .finish()
        .with(filter(usual))
        .init();
}

/// The standard error for events as JSON, which escapes what a line can't have.
#[derive(Default)]
struct JsonLines;

impl io::Write for JsonLines {
    /// Takes one event, which comes in one piece.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        let text = json(text.trim_end_matches('\n'));
        io::stderr().write_all(format!("{text}\n").as_bytes())?;
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

/// What is logged. Complains about a setting that can't be understood.
fn filter(usual: &str) -> Targets {
    let set = std::env::var_os(LEVEL).unwrap_or_default();
    let set = set.to_string_lossy();
    read(&set).unwrap_or_else(|| {
        if !set.is_empty() {
            // The standard error may be closed.
            let _ = writeln!(
                io::stderr(),
                "{LEVEL} can't be {:?}: it must be off, error, warn, info, debug or trace, or as in \
                 blocksmith=debug; using {usual}",
                escaped(&set).to_string()
            );
        }
        read(usual).expect("a level")
    })
}

/// Reads levels as operators set them.
fn read(set: &str) -> Option<Targets> {
    let parts: Vec<_> = set.split(',').map(str::trim).filter(|part| !part.is_empty()).collect();
    // A word alone would be read as the name of a part of the program, of which everything is
    // logged, and nothing of the rest.
    let is_level = |part: &&str| {
        part.parse::<LevelFilter>().is_ok() || part.contains('=') && !part.contains('[')
    };
    let is_set = !parts.is_empty() && parts.iter().all(is_level);
    is_set.then(|| parts.join(",").parse().ok())?
}

#[cfg(test)]
mod tests {
    use tracing::Level;

    use super::read;

    #[test]
    fn levels_are_those_of_all_or_of_parts_of_the_program() {
        let logged = |set: &str| {
            let filter = read(set).unwrap_or_else(|| panic!("{set}"));
            ["blocksmith::http", "hyper"].map(|target| {
                let levels = [Level::ERROR, Level::WARN, Level::INFO, Level::DEBUG, Level::TRACE];
                levels.iter().filter(|level| filter.would_enable(target, level)).count()
            })
        };
        for (set, levels) in [
            ("off", [0, 0]),
            ("warn", [2, 2]),
            ("INFO", [3, 3]),
            ("trace", [5, 5]),
            ("blocksmith=debug", [4, 0]),
            ("info,hyper=off", [3, 0]),
            ("info, hyper=trace,", [3, 5]),
            ("info,blocksmith::http=warn", [2, 3]),
        ] {
            assert_eq!(logged(set), levels, "{set}");
        }
        for no_level in
            ["debgu", "blocksmith", "info,hyper", "blocksmith=loud", "[call]=debug", "", ","]
        {
            assert!(read(no_level).is_none(), "{no_level}");
        }
    }
}
