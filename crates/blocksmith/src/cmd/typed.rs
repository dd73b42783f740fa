//! Checks of the command line and the environment that no flag makes by itself, so that all that is
//! typed is done or refused.

use std::env;
use std::ffi::OsString;

use clap::builder::{Resettable, Styles};
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{ArgMatches, Command, CommandFactory as _, Error, FromArgMatches as _};

use super::{Cli, note};

/// The start of the names of variables that set flags.
const PREFIX: &str = "BLOCKSMITH_";

/// Flags that contradict each other when both are typed: the command, the two flags, and why. What
/// the environment says comes second, and contradicts nothing.
const CONTRADICTIONS: [(&[&str], [&str; 2], &str); 14] = [
    (&["node"], ["port", "port_flag"], "PORT and --port both name the port"),
    (&["chain", "show"], ["url", "data_dir"], URL_OR_DIR),
    (&["chain", "show"], ["url", "port"], URL_OR_DIR),
    (&["chain", "show"], ["url", "chain"], URL_SAYS),
    (&["chain", "show"], ["url", "zeros"], URL_SAYS),
    (&["chain", "show"], ["data_dir", "port"], DIR_OR_PORT),
    (&["chain", "export"], ["url", "data_dir"], URL_OR_DIR),
    (&["chain", "export"], ["url", "port"], URL_OR_DIR),
    (&["chain", "export"], ["url", "chain"], URL_SAYS),
    (&["chain", "export"], ["url", "zeros"], URL_SAYS),
    (&["chain", "export"], ["data_dir", "port"], DIR_OR_PORT),
    (&["chain", "verify"], ["source", "data_dir"], SOURCE_OR_DIR),
    (&["chain", "verify"], ["source", "port"], SOURCE_OR_DIR),
    (&["chain", "import"], ["data_dir", "port"], DIR_OR_PORT),
];
const URL_OR_DIR: &str = "the chain is read from a running node or from the disk, not from both";
const URL_SAYS: &str = "a running node says itself which chain it has, and nobody checks it here; \
                        chain verify does";
const DIR_OR_PORT: &str = "--port names a folder by its node, and --data-dir names it itself";
const SOURCE_OR_DIR: &str = "the chain is read from SOURCE or from the disk, not from both";

/// Reads a command line; its errors are written in these styles.
pub(super) fn read(
    line: impl IntoIterator<Item = impl Into<OsString> + Clone>,
    styles: Styles,
) -> Result<Cli, Error> {
    let mut command = without_empty_settings(Cli::command().styles(styles));
    let mut matches = command.try_get_matches_from_mut(line)?;
    refuse_contradictions(&mut command, &matches)?;
    name_what_sets_nothing(&command, &matches);
    Cli::from_arg_matches_mut(&mut matches).map_err(|error| error.format(&mut command))
}

/// Treats an empty variable as not set: a script may pass on what it was not given.
fn without_empty_settings(command: Command) -> Command {
    let is_empty = |arg: &clap::Arg| {
        let value = arg.get_env().and_then(env::var_os);
        value.is_some_and(|value| value.is_empty())
    };
    command
        .mut_args(|arg| if is_empty(&arg) { arg.env(Resettable::Reset) } else { arg })
        .mut_subcommands(without_empty_settings)
}

fn refuse_contradictions(command: &mut Command, matches: &ArgMatches) -> Result<(), Error> {
    for (path, both, why) in CONTRADICTIONS {
        let found = path.iter().try_fold(matches, |matches, name| matches.subcommand_matches(name));
        let typed = |arg: &&str| {
            found.is_some_and(|matches| matches.value_source(arg) == Some(ValueSource::CommandLine))
        };
        if both.iter().all(typed) {
            let why = format!("{why}; leave one of them out");
            let named = |command, name: &&str| Command::find_subcommand_mut(command, name);
            let command = path.iter().try_fold(command, named).expect("it was found above");
            return Err(command.error(ErrorKind::ArgumentConflict, why));
        }
    }
    Ok(())
}

/// Warns if a variable is named like a flag of the command and sets nothing.
fn name_what_sets_nothing(command: &Command, matches: &ArgMatches) {
    let (mut command, mut matches) = (command, matches);
    loop {
        for arg in command.get_arguments() {
            let read = arg.get_env().map(|name| name.to_string_lossy());
            let names = arg.get_long_and_visible_aliases().unwrap_or_default();
            for flag in names {
                let name = format!("{PREFIX}{}", flag.replace('-', "_").to_uppercase());
                let is_set = env::var_os(&name).is_some_and(|value| !value.is_empty());
                if !is_set || is_setting(&name) {
                    continue;
                }
                let instead = match &read {
                    Some(read) => format!("--{flag} can be set by {read}"),
                    None => format!("--{flag} has to be typed"),
                };
                note(format_args!("{name} in the environment sets nothing; {instead}"));
            }
        }
        let Some((name, inner)) = matches.subcommand() else { break };
        let Some(next) = command.find_subcommand(name) else { break };
        (command, matches) = (next, inner);
    }
}

/// Whether any command reads this variable.
fn is_setting(name: &str) -> bool {
    fn reads(command: &Command, name: &str) -> bool {
        let is_it = |arg: &clap::Arg| arg.get_env().is_some_and(|read| read == name);
        command.get_arguments().any(is_it)
            || command.get_subcommands().any(|inner| reads(inner, name))
    }
    name == crate::log::LEVEL || reads(&Cli::command(), name)
}
