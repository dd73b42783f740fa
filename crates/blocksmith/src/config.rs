//! Settings from a file, for operators who don't want to type them: a flag comes before the
//! environment, the environment before the file, the file before the default.

use blocksmith_node::MAX_ID_BYTES;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use blocksmith_consensus::Rules;
use blocksmith_consensus::json::string;
use etcetera::BaseStrategy as _;
use serde::Deserialize;

use crate::chain::{Chain, ChainError};
use crate::toml_text;

/// The port of the course's nodes.
pub const DEFAULT_PORT: u16 = 5000;

/// The address that only this machine can reach.
pub const DEFAULT_BIND: &str = "127.0.0.1";

/// The chain of the notes.
pub const DEFAULT_CHAIN: &str = "lecture";

/// What a settings file may say. By default it is `blocksmith/config.toml` where the system keeps
/// settings.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct File {
    /// The port to listen on.
    pub port: Option<u16>,
    /// The address to listen on.
    pub bind: Option<String>,
    /// A preset's name or a chain file.
    pub chain: Option<String>,
    /// Zero digits of a proof.
    pub zeros: Option<u8>,
    /// Where the chain is kept.
    pub data_dir: Option<PathBuf>,
    /// Peers to register.
    pub peers: Option<Vec<String>>,
    /// Names by which browsers reach the node.
    pub hosts: Option<Vec<String>>,
    /// Origins of web pages that may do what programs may.
    pub cors: Option<Vec<String>>,
    /// The file with the operator's token.
    pub token_file: Option<PathBuf>,
    /// Who gets the coins that the node mines.
    pub id: Option<String>,
}

impl File {
    /// Refuses settings that are empty.
    fn filled(self) -> anyhow::Result<Self> {
        let texts = [("bind", &self.bind), ("chain", &self.chain)];
        let paths = [("data_dir", &self.data_dir), ("token_file", &self.token_file)];
        let empty =
            |path: &Option<PathBuf>| path.as_ref().is_some_and(|p| p.as_os_str().is_empty());
        let text = texts.iter().find(|(_, text)| text.as_ref().is_some_and(String::is_empty));
        let path = paths.iter().find(|(_, path)| empty(path));
        match text.map(|(name, _)| name).or(path.map(|(name, _)| name)) {
            Some(name) => anyhow::bail!("{name} is empty; give it a value, or leave it out"),
            None => Ok(self),
        }
    }

    /// The chain to run, given what the command line and the environment say.
    ///
    /// # Errors
    /// Fails if there is no such chain, or its file is faulty.
    pub fn chain(&self, name: Option<&str>, zeros: Option<u8>) -> Result<Chain, ChainError> {
        // The file's zeros belong to the file's chain, not to one that was named elsewhere.
        let zeros = zeros.or(if name.is_none() { self.zeros } else { None });
        Chain::load(name.or(self.chain.as_deref()).unwrap_or(DEFAULT_CHAIN), zeros)
    }
}

/// Reads the recipient of coins from a command line.
///
/// # Errors
/// Fails if the text is too long for a coin, would break the lines in which it is printed, or looks
/// like another text.
pub fn id(text: &str) -> Result<String, String> {
    if text.trim() != text {
        return Err(match text.trim() {
            "" => "an id of blanks alone names nobody; write a name".into(),
            name => format!("an id has no blanks around it; write {name:?}"),
        });
    }
    let json = string(text);
    if text.is_empty() || json.len() > MAX_ID_BYTES || text.contains(char::is_control) {
        return Err(format!(
            "an id is one line of text, at most {MAX_ID_BYTES} bytes long as JSON; this one has {}",
            json.len()
        ));
    }
    Ok(text.into())
}

/// Reads the settings file: the one that is named, which must exist, or the usual one, if it does.
///
/// # Errors
/// Fails if the file can't be read, or a setting in it is faulty.
pub fn read(named: Option<&Path>) -> anyhow::Result<File> {
    let path = match named {
        Some(path) => path.to_path_buf(),
        None => {
            let usual = etcetera::choose_base_strategy()
                .map(|dirs| dirs.config_dir().join("blocksmith").join("config.toml"));
            match usual {
                Ok(path) if path.exists() => path,
                _ => return Ok(File::default()),
            }
        }
    };
    let bytes = std::fs::read(&path)
        .with_context(|| format!("the settings file {} can't be read", path.display()))?;
    toml_text::read(&bytes)
        .map_err(|why| anyhow::anyhow!("{why}"))
        .and_then(File::filled)
        .map_err(|why| anyhow::anyhow!("the settings file {} is not right: {why}", path.display()))
}

/// Where Blocksmith keeps its data.
///
/// # Errors
/// Fails if the system does not say where the home directory is.
pub fn data_home() -> anyhow::Result<PathBuf> {
    let dirs = etcetera::choose_base_strategy()
        .context("no home directory is known; say where to keep the data with --data-dir")?;
    Ok(dirs.data_dir().join("blocksmith"))
}

/// Where a node keeps its chain by default. Each chain has its own folder, named by its id, with
/// one folder for each port, so that two nodes of a chain run side by side as in the lecture.
///
/// # Errors
/// Fails if the system does not say where the home directory is.
pub fn default_data_dir(rules: &Rules, port: u16) -> anyhow::Result<PathBuf> {
    let id = rules.chain_id().to_string();
    Ok(data_home()?.join(&id[..16]).join(port.to_string()))
}
