//! Settings from a file, for whoever does not want to type them: a flag comes before the
//! environment, the environment before the file, the file before the default.

use std::path::{Path, PathBuf};

use anyhow::Context as _;
use blocksmith_consensus::Rules;
use etcetera::BaseStrategy as _;
use serde::Deserialize;

/// The port of the course's nodes.
pub const DEFAULT_PORT: u16 = 5000;

/// The address that only this machine reaches.
pub const DEFAULT_BIND: &str = "127.0.0.1";

/// The chain of the notes.
pub const DEFAULT_CHAIN: &str = "lecture";

/// What a settings file may say, by default `blocksmith/config.toml` where the system keeps
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
    /// Who gets the coins that the node mines.
    pub id: Option<String>,
}

/// Reads the settings file: the one that was named, which must exist, or the usual one, if it does.
///
/// # Errors
/// That the file can't be read, or what is wrong in it.
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
    let text = std::fs::read_to_string(&path)
        .with_context(|| format!("the settings file {} can't be read", path.display()))?;
    toml::from_str(&text)
        .with_context(|| format!("the settings file {} is not right", path.display()))
}

/// Where Blocksmith keeps what should last.
///
/// # Errors
/// That the system does not say where home is.
pub fn data_home() -> anyhow::Result<PathBuf> {
    let dirs = etcetera::choose_base_strategy()
        .context("no home directory is known; say where to keep the data with --data-dir")?;
    Ok(dirs.data_dir().join("blocksmith"))
}

/// Where a node keeps its chain unless told otherwise. Each chain has its own folder, named by its
/// id, and each port its own in there, so that two nodes of a chain run side by side as in the
/// lecture.
///
/// # Errors
/// That the system does not say where home is.
pub fn default_data_dir(rules: &Rules, port: u16) -> anyhow::Result<PathBuf> {
    let id = rules.chain_id().to_string();
    Ok(data_home()?.join(&id[..16]).join(port.to_string()))
}
