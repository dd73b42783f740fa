//! The page: its packages, its build in `web/dist`, and its own tests.

use std::collections::hash_map::DefaultHasher;
use std::fs;
use std::hash::Hasher as _;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::run::{command, root, succeed};

/// The oldest Node.js that builds the page.
const OLDEST: u32 = 20;

/// npm's script has another name on Windows.
const NPM: &str = if cfg!(windows) { "npm.cmd" } else { "npm" };

/// Folders of `web` that are made, not written.
const MADE: [&str; 2] = ["node_modules", "dist"];

/// The folder of the page.
pub(crate) fn folder() -> PathBuf {
    root().join("web")
}

/// npm, to be run in the folder of the page. What it says is no output of `demo`.
pub(crate) fn npm() -> Command {
    let mut npm = here(NPM);
    npm.stdout(io::stderr());
    npm
}

/// A command in the folder of the page.
pub(crate) fn here(program: &str) -> Command {
    let mut command = command(program);
    command.current_dir(folder());
    command
}

/// Makes `web/dist`, which the program takes in when it is built. What is there already from the same
/// sources stays as it is, so that cargo does not build the program again.
///
/// # Errors
/// Fails with what is missing, or with the step that failed.
pub(crate) fn build() -> Result<(), String> {
    let version = node_version()?;
    install()?;
    let made_by = folder().join("node_modules/.made-by");
    let state = || Some(format!("{version} {:x} {:x}", written().ok()?, made().ok()?));
    let is_new = fs::read_to_string(&made_by).is_ok_and(|then| Some(then) == state());
    if is_new && folder().join("dist/index.html").is_file() {
        return Ok(());
    }
    succeed(npm().args(["run", "--silent", "build"]))?;
    match state() {
        Some(state) => write(&made_by, &state),
        None => Ok(()),
    }
}

/// Whether Node.js can build the page.
///
/// # Errors
/// Fails with what to install.
pub(crate) fn node_version() -> Result<String, String> {
    let output =
        here("node").arg("--version").output().ok().filter(|output| output.status.success());
    let version = output.and_then(|output| String::from_utf8(output.stdout).ok());
    is_enough(version.as_deref())
}

/// What Node.js says that it is, if it is new enough.
fn is_enough(version: Option<&str>) -> Result<String, String> {
    let way_out = format!(
        "the page needs Node.js {OLDEST} or later, with npm; install it from your system's packages (nodejs and \
         npm) or from nodejs.org"
    );
    let Some(version) = version.map(str::trim) else {
        return Err(format!("{way_out}: there is no program named node"));
    };
    let major =
        version.strip_prefix('v').and_then(|rest| rest.split('.').next()?.parse::<u32>().ok());
    match major {
        Some(major) if major >= OLDEST => Ok(version.into()),
        _ => Err(format!("{way_out}: node is {version}")),
    }
}

/// Installs the packages of the lock file, unless they are there.
fn install() -> Result<(), String> {
    let modules = folder().join("node_modules");
    let marker = modules.join(".installed");
    // npm writes there what it has installed.
    let own_list = modules.join(".package-lock.json");
    let lock = read(&folder().join("package-lock.json"))?;
    let wanted = || Some(format!("{lock}\n{}", fs::read_to_string(&own_list).ok()?));
    if fs::read_to_string(&marker).is_ok_and(|then| Some(then) == wanted()) {
        return Ok(());
    }
    succeed(npm().args(["ci", "--no-audit", "--no-fund"]))?;
    match wanted() {
        Some(installed) => write(&marker, &installed),
        None => Ok(()),
    }
}

/// A number for all that the page is made of: other contents have another one.
fn written() -> io::Result<u64> {
    let mut hasher = DefaultHasher::new();
    for entry in sorted(&folder())? {
        if MADE.iter().all(|made| !entry.ends_with(made)) {
            add(&entry, &mut hasher)?;
        }
    }
    Ok(hasher.finish())
}

/// A number for what was made.
fn made() -> io::Result<u64> {
    let mut hasher = DefaultHasher::new();
    add(&folder().join("dist"), &mut hasher)?;
    Ok(hasher.finish())
}

/// Adds a file, or all files of a folder.
fn add(path: &Path, hasher: &mut DefaultHasher) -> io::Result<()> {
    hasher.write(path.as_os_str().as_encoded_bytes());
    if path.is_dir() {
        sorted(path)?.iter().try_for_each(|entry| add(entry, hasher))
    } else {
        let bytes = fs::read(path)?;
        hasher.write_usize(bytes.len());
        hasher.write(&bytes);
        Ok(())
    }
}

fn sorted(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder)?.map(|entry| Ok(entry?.path()));
    let mut entries: Vec<_> = entries.collect::<io::Result<_>>()?;
    entries.sort();
    Ok(entries)
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{} can't be read: {error}", path.display()))
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{} can't be written: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_old_node_and_none_are_told_what_to_install() {
        for good in ["v20.0.0\n", "v22.11.0", "v100.0.0-nightly"] {
            assert_eq!(is_enough(Some(good)).as_deref(), Ok(good.trim()));
        }
        for (bad, says) in [
            (Some("v18.20.1\n"), "node is v18.20.1"),
            (Some("nonsense"), "node is nonsense"),
            (Some(""), "node is "),
            (None, "there is no program named node"),
        ] {
            let told = is_enough(bad).unwrap_err();
            assert!(told.contains("Node.js 20 or later") && told.ends_with(says), "{told}");
        }
    }
}
