//! What is wrong with a command line, in this program's own words: which flag, what was given, what it
//! must be, and an example.

use std::error::Error as _;
use std::ffi::OsString;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{Arg, Command, Error};

use super::chain::quoted as shell_quoted;
use crate::config::nearest;
use crate::text::{escaped, lines, quoted};

/// The address of a node, as an example.
const URL: &str = "http://localhost:5000";

/// How much of a value is quoted, in characters.
const MAX_QUOTED: usize = 80;

/// Dashes that word processors and web pages put in the place of the keyboard's.
const OTHER_DASHES: [char; 6] =
    ['\u{2010}', '\u{2011}', '\u{2012}', '\u{2013}', '\u{2014}', '\u{2212}'];

/// What stands in a message where a value is an example by itself.
const EXAMPLE_GIVEN: [&str; 4] = ["as in ", "like ", "did you mean", "write "];

/// What people type behind a flag that takes no value.
const YES_OR_NO: [&str; 6] = ["yes", "no", "true", "false", "on", "off"];

/// The names of values that can have blanks in them.
const WITH_BLANKS: [&str; 4] = ["NAME", "TEXT", "FILE", "DIR"];

/// A value that the argument takes, if it does not take every text.
pub(super) fn example(arg: &Arg) -> Option<&'static str> {
    Some(match (arg.get_id().as_str(), value_name(arg)) {
        ("port" | "port_flag", _) => "5000",
        ("url" | "node", "URL") => URL,
        ("peers" | "address", _) => "localhost:5001",
        ("bind", _) => "127.0.0.1",
        ("block_time", _) => "15",
        ("hosts", _) => "node.example.org",
        ("cors", _) => "http://localhost:3000",
        ("id", "ID") => "00000000000000000000000000000000000000000000000000000000000000ff",
        ("id", _) => "alice",
        ("name", _) => "ours",
        ("target" | "tip", _) => "00000000000000000000000000000000000000000000000000000000000000ff",
        ("balances", _) => "forge1…=12.5",
        ("addresses", _) => "ours",
        ("amount" | "fee", _) => "2.5",
        ("recipient", _) => "forge1…",
        ("memo", _) => "thanks",
        ("spacing" | "timeout", _) => "60",
        ("seconds", _) => "0.4",
        ("words", _) => "12",
        ("zeros", _) => "4",
        ("nodes" | "nonce" | "coins" | "blocks" | "wait", _) => "3",
        ("threads", _) => "2",
        ("rounds", _) => "7",
        ("limit" | "nice" | "gap" | "accounts", _) => "10",
        ("balance", _) => "500",
        ("tries_per_second", _) => "1000",
        ("headers", _) => "'Authorization: Token 123'",
        ("from", "ADDRESS") => "forge1…",
        ("from", _) => "100",
        ("source" | "file" | "files", _) => "chain.jsonl",
        ("prefix", _) => "99",
        _ => return None,
    })
}

fn value_name(arg: &Arg) -> &str {
    let names = arg.get_value_names().unwrap_or_default();
    names.first().map_or(arg.get_id().as_str(), |name| name.as_str())
}

/// A command line that was not understood.
pub(super) struct Line<'a> {
    /// The words, the program's name first.
    words: Vec<String>,
    /// The command that they name.
    leaf: &'a Command,
    root: &'a Command,
}

impl<'a> Line<'a> {
    /// A command line of the program, whose commands were built.
    pub(super) fn new(line: &[OsString], root: &'a Command) -> Self {
        let words: Vec<_> = line.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let typed =
            words.iter().skip(1).take_while(|word| !["--", "help"].contains(&word.as_str()));
        let leaf = typed.fold(root, |leaf, word| leaf.find_subcommand(word).unwrap_or(leaf));
        Self { words, leaf, root }
    }

    /// The words behind the program's name, up to `--`.
    fn typed(&self) -> impl Iterator<Item = &str> {
        self.words.iter().skip(1).map(String::as_str).take_while(|word| *word != "--")
    }

    /// The command as people type it.
    fn command(&self) -> String {
        self.leaf.get_bin_name().unwrap_or_else(|| self.leaf.get_name()).into()
    }

    /// The commands below the command.
    fn commands(&self) -> Vec<String> {
        let names = self.leaf.get_subcommands().map(Command::get_name);
        names.filter(|name| *name != "help").map(str::to_owned).collect()
    }

    /// All flags of the command.
    fn flags(&self) -> Vec<&str> {
        let flags = self.leaf.get_arguments().filter_map(Arg::get_long_and_visible_aliases);
        flags.flatten().collect()
    }

    /// A flag with the wrong dash, which could be read as something else: `-output` as `-o utput`.
    pub(super) fn wrong_dash(&self) -> Option<String> {
        self.typed().find_map(|word| {
            let name = word.trim_start_matches(|char| char == '-' || OTHER_DASHES.contains(&char));
            let dashes = &word[..word.len() - name.len()];
            let name = name.split('=').next().unwrap_or_default();
            let wrong = !dashes.is_empty() && dashes != "--" && name.chars().nth(1).is_some();
            (wrong && self.flags().contains(&name)).then(|| self.meant(word, name))
        })
    }

    /// The message for a word that is no flag, where another one was meant.
    fn meant(&self, word: &str, flag: &str) -> String {
        let has_value = self.leaf.get_arguments().any(|arg| {
            let names = arg.get_long_and_visible_aliases().unwrap_or_default();
            names.contains(&flag) && arg.get_action().takes_values()
        });
        let next = self.typed().skip_while(|other| *other != word).nth(1);
        // What is typed behind a wallet's commands may be a password, which no message repeats.
        let is_secret = self.command().starts_with("blocksmith wallet");
        let value = match (word.split_once('='), next) {
            _ if is_secret => String::new(),
            (Some((_, value)), _) if has_value => format!("={value}"),
            (None, Some(next)) if has_value && !next.starts_with('-') => format!(" {next}"),
            _ => String::new(),
        };
        let word = word.split('=').next().unwrap_or_default();
        format!("there is no flag {word}; did you mean --{flag}{value}?")
    }

    /// A whole message of one or more lines: what is wrong, and where help is.
    pub(super) fn message(&self, what: &str) -> String {
        let help = match self.leaf.has_subcommands() {
            true => "shows the commands",
            false => "explains the arguments and flags",
        };
        lines(format!("blocksmith: {what}\n`{} --help` {help}.", self.command())).to_string()
    }

    /// What is wrong with the command line.
    pub(super) fn told(&self, error: &Error) -> String {
        let text = |kind| match error.get(kind) {
            Some(ContextValue::String(text)) => text.clone(),
            _ => String::new(),
        };
        let texts = |kind| match error.get(kind) {
            Some(ContextValue::Strings(texts)) => texts.clone(),
            Some(ContextValue::String(text)) => vec![text.clone()],
            _ => Vec::new(),
        };
        let label = text(ContextKind::InvalidArg);
        let value = text(ContextKind::InvalidValue);
        match error.kind() {
            ErrorKind::InvalidValue if value.is_empty() => {
                let as_in = match self.as_in(&label) {
                    none if none.is_empty() => format!(", as in {}", self.placeholder(&label)),
                    as_in => as_in,
                };
                format!("{} needs a value{as_in}", self.name(&label))
            }
            ErrorKind::InvalidValue => {
                let valid = texts(ContextKind::ValidValue);
                let near = nearest(&value, valid.iter().map(String::as_str));
                let near = near.map_or_else(String::new, |near| format!("did you mean {near}? "));
                let must = format!("{near}it must be {}", listed(&valid, "or"));
                format!(
                    "{} can't be {}: {must}",
                    self.from(&label, &value),
                    quoted(&value, MAX_QUOTED)
                )
            }
            ErrorKind::ValueValidation => {
                let why = error.source().map_or_else(String::new, ToString::to_string);
                self.wrong_value(&label, &value, &why)
            }
            ErrorKind::UnknownArgument => self.unknown(&label),
            ErrorKind::InvalidSubcommand => self.no_command(&text(ContextKind::InvalidSubcommand)),
            ErrorKind::MissingRequiredArgument => {
                let missing = texts(ContextKind::InvalidArg);
                let missing: Vec<_> = missing.iter().map(|label| self.placeholder(label)).collect();
                format!("{} needs {}; {}", self.command(), listed(&missing, "and"), self.usage())
            }
            ErrorKind::MissingSubcommand => {
                format!("{} needs a command: {}", self.command(), listed(&self.commands(), "or"))
            }
            ErrorKind::ArgumentConflict => {
                let others = texts(ContextKind::PriorArg);
                if others.contains(&label) {
                    return format!("{} is given twice; leave one out", self.name(&label));
                }
                let others: Vec<_> = others.iter().map(|label| self.name(label)).collect();
                let others = listed(&others, "and");
                format!(
                    "{} and {others} can't be used together; leave one of them out",
                    self.name(&label)
                )
            }
            ErrorKind::NoEquals => {
                format!("the value of {0} comes after =, as in {0}=3", self.name(&label))
            }
            ErrorKind::TooManyValues => {
                let name = self.name(&label);
                format!("{name} takes no value; leave {} out", quoted(&value, MAX_QUOTED))
            }
            ErrorKind::InvalidUtf8 => {
                "a word of the command line is not text in UTF-8; type that word again".into()
            }
            _ => {
                let said = error.to_string();
                said.trim_start_matches("error: ").trim_end().into()
            }
        }
    }

    fn arg(&self, label: &str) -> Option<&Arg> {
        self.leaf.get_arguments().find(|arg| arg.to_string() == label)
    }

    /// An argument as messages name it.
    fn name(&self, label: &str) -> String {
        let Some(arg) = self.arg(label) else { return label.into() };
        let flags = arg.get_long_and_visible_aliases().unwrap_or_default();
        let is_typed = |flag: &&&str| {
            let flag = format!("--{flag}");
            self.typed().any(|word| word.split('=').next() == Some(&flag))
        };
        match flags.iter().find(is_typed).or(flags.first()) {
            Some(flag) => format!("--{flag}"),
            None => value_name(arg).into(),
        }
    }

    /// An argument with the place of its value.
    fn placeholder(&self, label: &str) -> String {
        match self.arg(label) {
            Some(arg) if arg.is_positional() => value_name(arg).into(),
            Some(arg) => format!("{} {}", self.name(label), value_name(arg)),
            // A choice of several.
            None => label.replace(['<', '>'], "").replace('|', " or "),
        }
    }

    /// Where a value comes from: an argument, or a variable if nothing like it was typed.
    fn from(&self, label: &str, value: &str) -> String {
        let variable = self.arg(label).and_then(Arg::get_env).filter(|name| {
            let set = std::env::var_os(name).unwrap_or_default();
            set.to_string_lossy().contains(value) && !self.typed().any(|word| word.contains(value))
        });
        match variable {
            Some(name) => format!("{} in the environment", name.to_string_lossy()),
            None => self.name(label),
        }
    }

    /// An example of an argument.
    fn as_in(&self, label: &str) -> String {
        let Some(arg) = self.arg(label) else { return String::new() };
        let possible = arg.get_possible_values();
        let example = example(arg).or(possible.first().map(|value| value.get_name()));
        match (example, arg.is_positional()) {
            (Some(example), true) => format!(", as in {example}"),
            (Some(example), false) => format!(", as in {} {example}", self.name(label)),
            (None, _) => String::new(),
        }
    }

    fn wrong_value(&self, label: &str, value: &str, why: &str) -> String {
        let from = self.from(label, value);
        if self.arg(label).is_some_and(Arg::is_positional) {
            if let Some(what) = self.not_taken(value) {
                return what;
            }
            let is_word = value.chars().all(char::is_alphabetic);
            if let Some(hint) = self.torn(value).filter(|_| is_word) {
                let why = why.split(';').next().unwrap_or_default();
                return format!("{from} can't be {}: {why}; {hint}", quoted(value, MAX_QUOTED));
            }
        }
        let words: Vec<_> = value.split_whitespace().collect();
        let delimiter = self.arg(label).and_then(Arg::get_value_delimiter);
        if let Some(delimiter) = delimiter.filter(|_| words.len() > 1) {
            return format!(
                "{from} can't be {}: commas stand between several; write {}",
                quoted(value, MAX_QUOTED),
                escaped(words.join(&delimiter.to_string()))
            );
        }
        let has_example = EXAMPLE_GIVEN.iter().any(|given| why.contains(given));
        let example = if has_example { String::new() } else { self.as_in(label) };
        let why = escaped(why);
        match why.to_string().starts_with('"') {
            true => format!("{from}: {why}{example}"),
            false => format!("{from} can't be {}: {why}{example}", quoted(value, MAX_QUOTED)),
        }
    }

    /// The argument of a word that is a flag.
    fn flag(&self, word: &str) -> Option<&Arg> {
        let name = word.strip_prefix("--")?;
        self.leaf.get_arguments().find(|arg| {
            arg.get_long_and_visible_aliases().is_some_and(|names| names.contains(&name))
        })
    }

    /// The words before this one, the nearest first.
    fn before(&self, word: &str) -> impl Iterator<Item = &str> {
        let words: Vec<_> = self.typed().take_while(|typed| *typed != word).collect();
        words.into_iter().rev()
    }

    /// What is wrong with a word that is no value of the flag before it, if it was meant as one.
    fn not_taken(&self, word: &str) -> Option<String> {
        let flag = self.before(word).next()?;
        let arg = self.flag(flag)?;
        match arg.get_action().takes_values() {
            true if arg.is_require_equals_set() => {
                Some(format!("the value of {flag} comes after =, as in {flag}={word}"))
            }
            false if YES_OR_NO.contains(&word) => {
                Some(format!("{flag} takes no value; leave {} out", quoted(word, MAX_QUOTED)))
            }
            _ => None,
        }
    }

    /// What to do if a word is the rest of a value with a blank, of which the shell makes two words.
    fn torn(&self, word: &str) -> Option<String> {
        let mut before = self.before(word);
        let start = before.next()?;
        let (flag, start) = match start.split_once('=') {
            Some(parts) => parts,
            None => (before.next()?, start),
        };
        self.flag(flag).filter(|arg| WITH_BLANKS.contains(&value_name(arg)))?;
        let whole = shell_quoted(&format!("{start} {word}"));
        Some(format!("if it belongs to {flag}, write {flag} {whole}"))
    }

    fn unknown(&self, word: &str) -> String {
        if let Some(long) = word.strip_prefix("--") {
            return self.no_flag(word, long.split('=').next().unwrap_or_default());
        }
        if !word.starts_with('-') {
            return self.not_taken(word).unwrap_or_else(|| {
                let hint = self.torn(word).unwrap_or_else(|| self.usage());
                let word = quoted(word, MAX_QUOTED);
                format!("{word} is one word too many for {}; {hint}", self.command())
            });
        }
        // The first letter of several is named, as in -i of -id.
        let whole = self.typed().find(|typed| typed.starts_with('-') && !typed.starts_with("--"));
        let whole = whole.filter(|whole| whole.contains(&word[1..])).unwrap_or(word);
        let before = self.typed().take_while(|typed| *typed != whole).last().unwrap_or_default();
        if self.flag(before).is_some_and(|arg| arg.get_action().takes_values()) {
            return format!(
                "{whole} looks like a flag; if it is the value of {before}, write {before}={whole}"
            );
        }
        self.no_flag(whole, whole.trim_start_matches('-').split('=').next().unwrap_or_default())
    }

    /// The message for a flag that the command does not have.
    fn no_flag(&self, word: &str, name: &str) -> String {
        let takes_url = |arg: &&Arg| example(arg) == Some(URL) || arg.get_id().as_str() == "source";
        if ["node", "url"].contains(&name)
            && let Some(arg) = self.leaf.get_positionals().find(takes_url)
        {
            let is_it = |word: &&str| word.split('=').next() == Some(&format!("--{name}"));
            let mut rest = self.typed().skip_while(|word| !is_it(word));
            let value = rest.next().and_then(|word| Some(word.split_once('=')?.1));
            let value = value.or(rest.next().filter(|next| !next.starts_with('-')));
            return format!(
                "{0} takes {1} without --{name}; did you mean `{0} {2}`?",
                self.command(),
                value_name(arg),
                shell_quoted(value.unwrap_or(URL))
            );
        }
        let elsewhere = commands_with(self.root, name);
        if !elsewhere.is_empty() {
            let have = if elsewhere.len() == 1 { "has" } else { "have" };
            return format!(
                "{} has no flag --{name}; {} {have} it",
                self.command(),
                listed(&elsewhere, "and")
            );
        }
        match nearest(name, self.flags().into_iter()) {
            Some(near) => self.meant(word, near),
            None => {
                let flags = self.flags().into_iter().filter(|flag| flag.starts_with(name));
                let near: Vec<_> = flags.map(|flag| format!("--{flag}")).collect();
                let meant = match near.is_empty() || name.is_empty() {
                    true => String::new(),
                    false => format!("; did you mean {}?", listed(&near, "or")),
                };
                let word = word.split('=').next().unwrap_or_default();
                format!("{} has no flag {word}{meant}", self.command())
            }
        }
    }

    fn no_command(&self, word: &str) -> String {
        let (names, command) = (self.commands(), self.command());
        let is_root = self.leaf.get_name() == self.root.get_name();
        let meant = match nearest(word, names.iter().map(String::as_str)) {
            Some(near) => format!("{command} {near}"),
            None if is_root && word.parse::<u16>().is_ok() => format!("{command} node {word}"),
            None if is_root && word.contains("://") => format!("{command} mine {word}"),
            None => String::new(),
        };
        let meant = match &*meant {
            "" => String::new(),
            meant => format!("; did you mean `{meant}`?"),
        };
        let word = quoted(word, MAX_QUOTED);
        let punctuation = if meant.is_empty() { "." } else { "" };
        let names = listed(&names, "and");
        let of = if is_root { String::new() } else { format!(" of {command}") };
        format!("there is no command {word}{of}{meant}{punctuation} The commands are {names}")
    }

    fn usage(&self) -> String {
        let usage = self.leaf.clone().render_usage().to_string();
        usage
            .replace("Usage: ", "usage: ")
            .split('\n')
            .map(str::trim)
            .collect::<Vec<_>>()
            .join(" or ")
    }
}

/// The commands that have this flag, as people type them.
fn commands_with(command: &Command, flag: &str) -> Vec<String> {
    let mut found: Vec<_> =
        command.get_subcommands().flat_map(|inner| commands_with(inner, flag)).collect();
    let has = |arg: &Arg| arg.get_long_and_visible_aliases().is_some_and(|all| all.contains(&flag));
    if !command.has_subcommands() && command.get_arguments().any(has) {
        found.push(command.get_bin_name().unwrap_or_else(|| command.get_name()).into());
    }
    found
}

/// Several things in a row, as in `a, b and c`.
fn listed(all: &[String], last: &str) -> String {
    match all {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., end] => format!("{} {last} {end}", first.join(", ")),
    }
}
