//! The browser that the interop tests start: Debian's Chromium.

use crate::run::{command, succeed};

/// Chromium, installed where it is missing.
///
/// # Errors
/// That it is not there and could not be installed.
pub(crate) fn chromium() -> Result<(), String> {
    let is_there = || {
        command("chromium").arg("--version").output().is_ok_and(|output| output.status.success())
    };
    if is_there() {
        return Ok(());
    }
    let install = succeed(command("apt-get").args(["update", "-q"])).and_then(|()| {
        let args = ["install", "-q", "-y", "--no-install-recommends", "chromium"];
        succeed(command("apt-get").args(args))
    });
    match install {
        Ok(()) if is_there() => Ok(()),
        Ok(()) => Err("chromium was installed and does not start".into()),
        Err(error) => Err(format!(
            "the interop tests need the browser chromium, which is not installed: {error}; install \
             it as root with apt-get install chromium"
        )),
    }
}
