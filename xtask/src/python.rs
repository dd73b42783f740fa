//! A Python interpreter with the packages of the interop tests, kept in the build folder.

use std::path::PathBuf;

use crate::run::{command, root, succeed, target};

/// The interpreter of a virtual environment with `tests/interop/requirements.txt` installed.
///
/// # Errors
/// Fails with what can't be installed.
pub(crate) fn interpreter() -> Result<PathBuf, String> {
    let folder = target().join("python");
    let python = folder.join("bin").join("python3");
    let wanted = root().join("tests/interop/requirements.txt");
    let wanted = std::fs::read_to_string(&wanted)
        .map_err(|error| format!("{} can't be read: {error}", wanted.display()))?;
    let marker = folder.join("installed.txt");
    if std::fs::read_to_string(&marker).is_ok_and(|installed| installed == wanted) {
        return Ok(python);
    }
    let make = || succeed(command("python3").args(["-m", "venv", "--clear"]).arg(&folder));
    if make().is_err() {
        // Debian has venv in a package of its own.
        succeed(command("apt-get").args(["update", "-q"]))?;
        succeed(command("apt-get").args(["install", "-q", "-y", "python3-venv"]))?;
        make()?;
    }
    succeed(
        command(&python)
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"])
            .args(["--requirement", "tests/interop/requirements.txt"]),
    )?;
    std::fs::write(&marker, wanted)
        .map_err(|error| format!("{} can't be written: {error}", marker.display()))?;
    Ok(python)
}
