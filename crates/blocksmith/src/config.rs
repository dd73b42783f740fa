//! Settings from a file, for people who don't want to type them: a flag comes before the
//! environment, the environment before the file, the file before the default. By default the file is
//! `blocksmith/config.toml` where the system keeps settings. `cmd::typed` gives each command what
//! the file says.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use blocksmith_consensus::Rules;
use blocksmith_consensus::json::string;
use blocksmith_node::MAX_ID_BYTES;
use blocksmith_wallet::typed;
use etcetera::BaseStrategy as _;

use crate::{chain, toml_text};

/// The port of the course's nodes.
pub const DEFAULT_PORT: u16 = 5000;

/// The address that only this machine can reach.
pub const DEFAULT_BIND: &str = "127.0.0.1";

/// The chain of the notes.
pub const DEFAULT_CHAIN: &str = "lecture";

/// How near a name must be to a mistyped one to be suggested, from 0 to 1.
const LEAST_LIKENESS: f64 = 0.8;

/// A setting that the file can have. The environment has it too, in capitals behind
/// `BLOCKSMITH_`, and a flag of each command that has a use for it reads that variable.
#[derive(Debug)]
pub struct Setting {
    /// The key in the file.
    pub key: &'static str,
    /// What it is for.
    pub what: &'static str,
    /// A value as the file has it; a value of any other kind is refused.
    pub example: &'static str,
}

const fn setting(key: &'static str, what: &'static str, example: &'static str) -> Setting {
    Setting { key, what, example }
}

/// All settings that the file can have.
pub const SETTINGS: [Setting; 14] = [
    setting(
        "node",
        "The node that mine, wallet, peers and chain verify call.",
        "\"http://localhost:5000\"",
    ),
    setting(
        "id",
        "Who gets the coins of mine and node --mine: a name, or an address if payments are signed.",
        "\"alice\"",
    ),
    setting(
        "chain",
        "The chain: lecture, course, dvf, forge, bitcoin-like, or a chain file.",
        "\"lecture\"",
    ),
    setting("zeros", "How many zeros the hash of a proof must start with on that chain.", "4"),
    setting("wallet", "The wallet file.", "\"wallet.json\""),
    setting("password_file", "The file with the wallet's password.", "\"password.txt\""),
    setting("port", "The port on which a node listens.", "5000"),
    setting(
        "bind",
        "The address on which a node listens: 0.0.0.0 lets other machines connect.",
        "\"127.0.0.1\"",
    ),
    setting("peers", "The other nodes to which a node connects.", "[\"localhost:5001\"]"),
    setting("data_dir", "The folder in which a node keeps its chain.", "\"chain-data\""),
    setting(
        "token_file",
        "The file with the operator's token: a node takes it, and peers sends it.",
        "\"operator.token\"",
    ),
    setting(
        "hosts",
        "The host names that browsers use for a node, besides IP addresses and localhost.",
        "[\"node.example.org\"]",
    ),
    setting(
        "cors",
        "The origins of the web pages that can use a node.",
        "[\"http://localhost:3000\"]",
    ),
    setting("log_format", "How a node writes its log: text or json.", "\"text\""),
];

impl Setting {
    /// The values that a TOML value stands for.
    fn values(&self, value: &toml::Value) -> Result<Vec<String>, String> {
        let Self { key, example, .. } = self;
        let kind = match example.as_bytes()[0] {
            b'"' => "one text in quotes",
            b'[' => "a list of texts",
            _ => "a whole number",
        };
        let wrong = || format!("{key} must be {kind}, as in {key} = {example}");
        let text = |value: &toml::Value| value.as_str().map(str::to_owned).ok_or_else(wrong);
        let values = match (example.as_bytes()[0], value) {
            (b'"', value) => vec![text(value)?],
            (b'[', toml::Value::Array(values)) => {
                values.iter().map(text).collect::<Result<_, _>>()?
            }
            (b'0'..=b'9', toml::Value::Integer(number)) => vec![number.to_string()],
            _ => return Err(wrong()),
        };
        if values.iter().any(String::is_empty) {
            return Err(format!("{key} is empty; give it a value, or leave it out"));
        }
        Ok(values)
    }

    /// The value as commands take it: whichever folder they run in, a path is the same one.
    fn as_in_file(&self, value: String, file: &Path) -> OsString {
        let is_path = match self.key {
            "chain" => chain::is_file(&value),
            key => ["wallet", "password_file", "data_dir", "token_file"].contains(&key),
        };
        match file.parent().filter(|_| is_path) {
            Some(folder) => folder.join(value).into(),
            None => value.into(),
        }
    }
}

/// What a settings file says.
#[derive(Debug, Default)]
pub struct Settings {
    /// The file.
    pub path: PathBuf,
    /// The values of each key. A relative path is one from the folder of the file.
    pub values: BTreeMap<&'static str, Vec<OsString>>,
}

impl Settings {
    fn read(path: PathBuf) -> anyhow::Result<Self> {
        let bytes = std::fs::read(&path)
            .with_context(|| format!("the settings file {} can't be read", path.display()))?;
        let table: toml::Table = toml_text::read(&bytes).map_err(|why| mistake(&path, why))?;
        let read = |(key, value): (String, toml::Value)| {
            let setting = SETTINGS.iter().find(|setting| setting.key == key);
            let setting = setting.ok_or_else(|| unknown(&key))?;
            let values = setting.values(&value)?.into_iter();
            Ok((setting.key, values.map(|value| setting.as_in_file(value, &path)).collect()))
        };
        let values = table.into_iter().map(read).collect::<Result<_, String>>();
        Ok(Self { values: values.map_err(|why| mistake(&path, why))?, path })
    }
}

/// The error for a settings file that says something wrong.
pub fn mistake(path: &Path, why: impl fmt::Display) -> anyhow::Error {
    anyhow::anyhow!("the settings file {} has a mistake: {why}", path.display())
}

fn unknown(key: &str) -> String {
    let nearest = nearest(key, SETTINGS.iter().map(|setting| setting.key));
    let meant = nearest.map_or_else(String::new, |near| format!("did you mean {near}? "));
    format!("there is no setting {key}; {meant}`blocksmith config example` shows all settings")
}

/// The name that a mistyped one is nearest to, if it is near to any.
pub fn nearest<'a>(typed: &str, names: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let near = names.map(|name| (strsim::jaro_winkler(typed, name), name));
    let near = near.filter(|(likeness, _)| *likeness > LEAST_LIKENESS);
    // One slip of the hand makes "from" of "form", and two make "format" of it.
    let slips = |name| Reverse(strsim::osa_distance(typed, name));
    let nearest = near
        .max_by(|(a, one), (b, other)| slips(one).cmp(&slips(other)).then_with(|| a.total_cmp(b)));
    nearest.map(|(_, name)| name)
}

/// Reads the recipient of coins from a command line.
///
/// # Errors
/// Fails if the text is too long for a coin, would break the lines in which it is printed, or looks
/// like another text.
pub fn id(text: &str) -> Result<String, String> {
    if let Some(address) = typed::name(text).map_err(|why| why.to_string())? {
        return Ok(address);
    }
    if text.trim() != text {
        return Err(match text.trim() {
            "" => "it has only spaces in it; write a name".into(),
            name => format!("it has spaces around it; write {name:?}"),
        });
    }
    let json = string(text);
    if text.is_empty() || json.len() > MAX_ID_BYTES || text.contains(char::is_control) {
        return Err(format!(
            "it must be one line of text, at most {MAX_ID_BYTES} bytes long as JSON, and has {}",
            json.len()
        ));
    }
    Ok(text.into())
}

/// Why there is no usual place for files.
const NO_HOME: &str = "the home directory is not known; set HOME";

/// The file that is read if no other is named.
///
/// # Errors
/// Fails if the system does not say where the home directory is.
pub fn usual_path() -> anyhow::Result<PathBuf> {
    let dirs = etcetera::choose_base_strategy().context(NO_HOME)?;
    Ok(dirs.config_dir().join("blocksmith").join("config.toml"))
}

/// Reads the settings file: the one that is named, which must exist, or the usual one, if it does.
///
/// # Errors
/// Fails if the file can't be read, or a setting in it is faulty.
pub fn read(named: Option<&Path>) -> anyhow::Result<Settings> {
    match (named, usual_path()) {
        (Some(path), _) => Settings::read(path.into()),
        (None, Ok(path)) if path.exists() => Settings::read(path),
        (None, _) => Ok(Settings::default()),
    }
}

/// Where Blocksmith keeps its data.
///
/// # Errors
/// Fails if the system does not say where the home directory is.
pub fn data_home() -> anyhow::Result<PathBuf> {
    let dirs = etcetera::choose_base_strategy().context(NO_HOME)?;
    Ok(dirs.data_dir().join("blocksmith"))
}

/// Where a node keeps its chain by default. Each chain has its own folder, named by its id, with
/// one folder for each port, so that two nodes of a chain run side by side as in the lecture.
///
/// # Errors
/// Fails if the system does not say where the home directory is.
pub fn default_data_dir(rules: &Rules, port: u16) -> anyhow::Result<PathBuf> {
    let id = rules.chain_id().to_string();
    let home = data_home()
        .map_err(|why| anyhow::anyhow!("{why}, or name the data directory with --data-dir"))?;
    Ok(home.join(&id[..16]).join(port.to_string()))
}
