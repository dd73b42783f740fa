//! The id of this machine's miner, in a file.

use std::io::ErrorKind;
use std::path::Path;

use anyhow::Context as _;
use blocksmith_wallet::written::{self, is_blank};

use super::report::Report;
use crate::config;
use crate::service::new_node_id;

/// The file with the miner's id.
const ID_FILE: &str = "miner-id";

/// The id of this machine's miner, which survives restarts; a new one if no file can keep it.
pub(super) fn kept_id(report: &mut Report) -> String {
    config::data_home().and_then(|dir| id_in(&dir)).unwrap_or_else(|error| {
        report
            .note(&format!("the next run will have another id, because {error:#}; --id sets one"));
        new_node_id()
    })
}

fn id_in(dir: &Path) -> anyhow::Result<String> {
    let path = dir.join(ID_FILE);
    let read = || match std::fs::read(&path) {
        Ok(bytes) => {
            let text = written::decode(&bytes).with_context(|| path.display().to_string())?;
            let id = config::id(text.trim_matches(is_blank)).map_err(anyhow::Error::msg);
            id.map(Some).with_context(|| format!("{} does not hold an id", path.display()))
        }
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("{} can't be read", path.display())),
    };
    if let Some(id) = read()? {
        return Ok(id);
    }
    let write = || {
        std::fs::create_dir_all(dir)?;
        // The file is written whole or not at all: another miner may start at the same time.
        let unfinished = dir.join(format!("{ID_FILE}.{}", std::process::id()));
        let text = format!("{}\n", new_node_id());
        let written =
            std::fs::write(&unfinished, text).and_then(|()| std::fs::rename(&unfinished, &path));
        if written.is_err() {
            let _ = std::fs::remove_file(unfinished);
        }
        written
    };
    write().with_context(|| format!("{} can't be written", path.display()))?;
    read()?.with_context(|| format!("{} was removed again", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_stays_the_same_from_run_to_run() {
        let dir = tempfile::tempdir().unwrap();
        let id = id_in(&dir.path().join("blocksmith")).unwrap();
        assert_eq!(id.len(), 32);
        assert_eq!(id_in(&dir.path().join("blocksmith")).unwrap(), id);
        std::fs::write(dir.path().join(ID_FILE), "alice\n").unwrap();
        assert_eq!(id_in(dir.path()).unwrap(), "alice");
        std::fs::write(dir.path().join(ID_FILE), "\n").unwrap();
        assert!(id_in(dir.path()).is_err());
    }
}
