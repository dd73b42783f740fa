//! Checks of the command line and the environment that no flag makes by itself, so that all that is
//! typed is done or refused.

use std::env;
use std::ffi::OsString;
use std::path::PathBuf;

use clap::builder::Resettable;
use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, Command, CommandFactory as _, Error, FromArgMatches as _};

use super::misread::Line;
use super::{Cli, note};
use crate::config::{self, SETTINGS, Settings};
use crate::text::escaped;

/// The start of the names of variables that set flags.
const PREFIX: &str = "BLOCKSMITH_";

/// Where the flags of all commands stand in help, behind a command's own.
const GLOBAL_FLAGS: usize = 900;

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
const URL_SAYS: &str =
    "the node at URL decides which chain this is, so --chain and --zeros change nothing";
const DIR_OR_PORT: &str = "--port and --data-dir both name the folder";
const SOURCE_OR_DIR: &str = "the chain is read from SOURCE or from the disk, not from both";

/// A flag that is typed, and the argument that then has no use for what the environment and the
/// settings file say. (Typing both is a contradiction.)
const GIVES_WAY: [(&[&str], &str, &str); 7] = [
    (&["chain", "verify"], "replay", "source"),
    (&["chain", "verify"], "data_dir", "source"),
    (&["chain", "verify"], "port", "source"),
    (&["chain", "verify"], "port", "data_dir"),
    (&["chain", "show"], "port", "data_dir"),
    (&["chain", "export"], "port", "data_dir"),
    (&["chain", "import"], "port", "data_dir"),
];

/// Why there is no command to run.
#[derive(Debug)]
pub(super) enum NotRead {
    /// The command line asks for help, or for the version.
    Help(Error),
    /// The command line or the environment is at fault; a whole message.
    Misread(String),
    /// The settings file is at fault.
    File(anyhow::Error),
}

/// Reads a command line. What it does not say, the environment does, and else the settings file.
pub(super) fn read(line: impl IntoIterator<Item = impl Into<OsString>>) -> Result<Cli, NotRead> {
    let line: Vec<OsString> = line.into_iter().map(Into::into).collect();
    let command = command();
    let mut built = command.clone();
    built.build();
    let typed = Line::new(&line, &built);
    let misread = |what: &str| NotRead::Misread(typed.message(what));
    if let Some(what) = typed.wrong_dash() {
        return Err(misread(&what));
    }
    let mut matches = without_empty_settings(command.clone())
        .try_get_matches_from_mut(&line)
        .map_err(|error| match error.kind() {
            ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand => NotRead::Help(error),
            _ => misread(&typed.told(&error)),
        })?;
    if let Some(what) = contradiction(&matches) {
        return Err(misread(&what));
    }
    name_what_sets_nothing(&built, &matches);
    name_what_is_misspelt(&built, &matches);
    let named = matches.get_one::<PathBuf>("config");
    let settings = match named.is_some() || has_settings(&built, &matches) {
        true => config::read(named.map(PathBuf::as_path)).map_err(NotRead::File)?,
        false => Settings::default(),
    };
    let command = giving_way(command, &matches);
    let read = |only: &dyn Fn(&str) -> bool| {
        // What takes a setting is known by its variable, so this comes first.
        let command = with_settings(command.clone(), &settings, &matches, only);
        without_empty_settings(command).try_get_matches_from_mut(&line)
    };
    matches = read(&|_| true).map_err(|error| {
        // What was typed is fine alone, so one of the settings is not.
        match settings.values.keys().find_map(|key| Some((key, read(&|one| one == *key).err()?))) {
            Some((key, error)) => {
                let what = typed.told(&error);
                NotRead::File(config::mistake(&settings.path, format_args!("{key}: {what}")))
            }
            None => misread(&typed.told(&error)),
        }
    })?;
    let zeros_from = zeros_from(&matches, &settings);
    let cli = Cli::from_arg_matches_mut(&mut matches);
    let cli = cli.map_err(|error| misread(&typed.told(&error)))?;
    Ok(Cli { zeros_from, ..cli })
}

/// All commands. Flags of all commands come behind a command's own, and help does not show what the
/// environment says.
fn command() -> Command {
    fn tidy(command: Command) -> Command {
        let tidy_arg = |arg: Arg| {
            let order = if arg.is_global_set() { GLOBAL_FLAGS } else { 0 };
            let arg = arg.hide_env_values(true);
            if order > 0 { arg.display_order(order) } else { arg }
        };
        command.mut_args(tidy_arg).mut_subcommands(tidy)
    }
    tidy(Cli::command())
}

/// The setting that an argument takes, if it takes one: the variable has the same name.
fn setting(arg: &Arg) -> Option<&'static str> {
    let variable = arg.get_env()?.to_str()?.strip_prefix(PREFIX)?.to_lowercase();
    SETTINGS.iter().map(|setting| setting.key).find(|key| *key == variable)
}

/// Whether the command that was typed takes any setting.
fn has_settings(command: &Command, matches: &ArgMatches) -> bool {
    let inner = || {
        let (name, matches) = matches.subcommand()?;
        Some(has_settings(command.find_subcommand(name)?, matches))
    };
    command.get_arguments().any(|arg| setting(arg).is_some()) || inner().unwrap_or_default()
}

/// The command without the variables that have no use beside the flags that were typed.
fn giving_way(mut command: Command, matches: &ArgMatches) -> Command {
    for (path, flag, other) in GIVES_WAY {
        if source(matches, path, flag) == Some(ValueSource::CommandLine) {
            let without =
                |command: Command| command.mut_arg(other, |arg| arg.env(Resettable::Reset));
            command = at(command, path, &without);
        }
    }
    command
}

/// Changes the subcommand at the path.
fn at(command: Command, path: &[&str], change: &dyn Fn(Command) -> Command) -> Command {
    match path {
        [] => change(command),
        [name, rest @ ..] => command.mut_subcommand(name, |inner| at(inner, rest, change)),
    }
}

/// The command whose arguments have the values of the settings as their defaults.
fn with_settings(
    command: Command,
    settings: &Settings,
    matches: &ArgMatches,
    only: &dyn Fn(&str) -> bool,
) -> Command {
    // The file's zeros belong to the file's chain, not to one that was named elsewhere.
    let is_named = |source| source != ValueSource::DefaultValue;
    let other_chain = source(matches, &[], "chain").is_some_and(is_named);
    let inner = matches.subcommand();
    let command = command.mut_args(|arg| {
        let key = setting(&arg).filter(|key| only(key) && !(other_chain && *key == "zeros"));
        match key.and_then(|key| settings.values.get(key)) {
            Some(values) => arg.default_values(values),
            None => arg,
        }
    });
    match inner {
        Some((name, matches)) => {
            command.mut_subcommand(name, |command| with_settings(command, settings, matches, only))
        }
        None => command,
    }
}

/// Where the value of an argument comes from, if the command has one.
fn source(matches: &ArgMatches, path: &[&str], arg: &str) -> Option<ValueSource> {
    let found = path.iter().try_fold(matches, |matches, name| matches.subcommand_matches(name));
    // Asking for the argument of another command would panic.
    found.filter(|found| found.try_contains_id(arg).is_ok())?.value_source(arg)
}

/// What says how many zeros a proof must have, if anything does.
fn zeros_from(matches: &ArgMatches, settings: &Settings) -> Option<String> {
    let mut leaf = matches;
    while let Some((_, inner)) = leaf.subcommand() {
        leaf = inner;
    }
    Some(match source(leaf, &[], "zeros")? {
        ValueSource::CommandLine => "--zeros".into(),
        ValueSource::EnvVariable => format!("{PREFIX}ZEROS in the environment"),
        _ => format!("zeros in the settings file {}", settings.path.display()),
    })
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

/// What is wrong with flags that contradict each other.
fn contradiction(matches: &ArgMatches) -> Option<String> {
    for (path, both, why) in CONTRADICTIONS {
        let typed = |arg: &&str| source(matches, path, arg) == Some(ValueSource::CommandLine);
        if both.iter().all(typed) {
            return Some(format!("{why}; leave one of them out"));
        }
    }
    None
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
                    Some(read) => format!("{read} sets --{flag}"),
                    None => format!("type --{flag} instead"),
                };
                note(format_args!("{name} in the environment has no effect; {instead}"));
            }
        }
        let Some((name, inner)) = matches.subcommand() else { break };
        let Some(next) = command.find_subcommand(name) else { break };
        (command, matches) = (next, inner);
    }
}

/// Warns of variables that no command reads and whose names are near to one that a command does.
fn name_what_is_misspelt(command: &Command, matches: &ArgMatches) {
    let (mut command, mut matches) = (command, matches);
    let mut flags = Vec::new();
    loop {
        let names = command.get_arguments().filter_map(Arg::get_long_and_visible_aliases);
        flags.extend(names.flatten().map(|flag| flag.replace('-', "_").to_uppercase()));
        let Some((name, inner)) = matches.subcommand() else { break };
        let Some(next) = command.find_subcommand(name) else { break };
        (command, matches) = (next, inner);
    }
    let keys = SETTINGS.iter().map(|setting| setting.key.to_uppercase());
    let known: Vec<_> = keys.chain(["CONFIG", "LOG"].map(str::to_owned)).collect();
    let variables = env::vars_os().filter(|(_, value)| !value.is_empty());
    for name in variables.filter_map(|(name, _)| name.into_string().ok()) {
        let Some(key) = name.strip_prefix(PREFIX) else { continue };
        // A flag's own name has had its warning.
        if is_setting(&name) || flags.iter().any(|flag| flag == key) {
            continue;
        }
        if let Some(near) = config::nearest(&key.to_uppercase(), known.iter().map(String::as_str)) {
            note(format_args!(
                "{} in the environment sets nothing; did you mean {PREFIX}{near}?",
                escaped(&name)
            ));
        }
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::super::misread::example;
    use super::*;

    fn all(command: &Command, each: &mut impl FnMut(&Arg)) {
        command.get_arguments().for_each(&mut *each);
        command.get_subcommands().for_each(|inner| all(inner, each));
    }

    #[test]
    fn the_file_has_every_setting_of_the_environment_and_an_example_that_every_flag_takes() {
        let (mut variables, mut taken) = (BTreeSet::new(), BTreeSet::new());
        let command = Cli::command();
        all(&command, &mut |arg| {
            variables.extend(arg.get_env().map(|name| name.to_str().unwrap().to_lowercase()));
            taken.extend(setting(arg));
        });
        let keys: BTreeSet<_> = SETTINGS.iter().map(|setting| setting.key).collect();
        assert_eq!(keys.len(), SETTINGS.len());
        assert_eq!(taken, keys);
        let mut expected: BTreeSet<_> =
            keys.iter().map(|key| format!("{PREFIX}{key}").to_lowercase()).collect();
        // The one that names the file.
        expected.insert("blocksmith_config".into());
        assert_eq!(variables, expected);
    }

    /// Words of the libraries below, and turns of no plain English.
    const NOT_OURS: [&str; 14] = [
        "error:",
        "invalid digit",
        "invalid value",
        "invalid port",
        "number too",
        "cannot parse",
        "out of range",
        "is not in ",
        "for non-zero",
        "unexpected",
        "relative URL",
        "tip:",
        "[PORT]",
        "For more",
    ];

    fn each_leaf(command: &Command, path: &[String], each: &mut impl FnMut(&Command, &[String])) {
        for inner in command.get_subcommands().filter(|inner| inner.get_name() != "help") {
            let path = [path, &[inner.get_name().to_owned()]].concat();
            each(inner, &path);
            each_leaf(inner, &path, each);
        }
    }

    #[test]
    fn a_wrong_value_of_any_flag_is_told_what_it_must_be_with_an_example_that_is_taken() {
        let mut built = command();
        built.build();
        let (mut checked, mut free) = (0, BTreeSet::new());
        each_leaf(&built, &["blocksmith".to_owned()], &mut |leaf, path| {
            for arg in leaf.get_arguments().filter(|arg| arg.get_action().takes_values()) {
                let before = arg.get_index().unwrap_or(1) - 1;
                let earlier = leaf.get_positionals().take(before);
                let earlier: Vec<_> =
                    earlier.map(|arg| example(arg).unwrap_or("x").to_owned()).collect();
                let given = |value: &str| {
                    let value = match arg.get_long() {
                        Some(long) => format!("--{long}={value}"),
                        None => value.into(),
                    };
                    read(path.iter().cloned().chain(earlier.clone()).chain([value]))
                };
                let what = format!("{} {arg}", path.join(" "));
                let mut refused = 0;
                for nonsense in
                    ["a b:/?", "no\nsense", "99999999999999999999999", "0x5", "-", "!", " "]
                {
                    // A missing argument is complained about once all values are good.
                    let Err(NotRead::Misread(said)) = given(nonsense) else { continue };
                    if said.contains(" needs ") {
                        continue;
                    }
                    refused += 1;
                    let name = arg.get_long().map_or_else(
                        || arg.get_value_names().unwrap()[0].to_string(),
                        |long| format!("--{long}"),
                    );
                    assert!(said.starts_with(&format!("blocksmith: {name}")), "{what}: {said}");
                    assert!(NOT_OURS.iter().all(|words| !said.contains(words)), "{what}: {said}");
                    let has_example = ["as in", "like", "it must be", "did you mean", "write "];
                    assert!(has_example.iter().any(|words| said.contains(words)), "{what}: {said}");
                    assert_eq!(said.trim_end().lines().count(), 2, "{what}: {said}");
                }
                let example = example(arg);
                if refused == 0 {
                    free.insert(arg.get_id().to_string());
                    continue;
                }
                checked += 1;
                let possible = arg.get_possible_values();
                let example = example.or(possible.first().map(|value| value.get_name()));
                let example = example.unwrap_or_else(|| panic!("no example of {what}"));
                if let Err(NotRead::Misread(said)) = given(example) {
                    assert!(said.contains(" needs "), "{what}: {said}");
                }
            }
        });
        assert!(checked > 60, "{checked}");
        // These take any text that names something: whether it does is seen later.
        let names = [
            "bind",
            "chain",
            "headers",
            "config",
            "data_dir",
            "file",
            "files",
            "label",
            "memo",
            "out",
            "output",
            "party",
            "password_file",
            "prefix",
            "recipient",
            "signed",
            "source",
            "suffix",
            "text",
            "token_file",
            "typed",
            "wallet",
            "from",
        ];
        assert_eq!(free, names.map(str::to_owned).into());
    }
}
