//! Programs from Debian that the interop tests start.

use std::ffi::OsStr;
use std::path::PathBuf;

use crate::run::{command, succeed, target};

/// Installs the browser Chromium if it is missing.
///
/// # Errors
/// Fails if it is missing and can't be installed.
pub(crate) fn chromium() -> Result<(), String> {
    if runs("chromium") {
        return Ok(());
    }
    let install = succeed(command("apt-get").args(["update", "-q"])).and_then(|()| {
        let args = ["install", "-q", "-y", "--no-install-recommends", "chromium"];
        succeed(command("apt-get").args(args))
    });
    match install {
        Ok(()) if runs("chromium") => Ok(()),
        Ok(()) => Err("chromium was installed and does not start".into()),
        Err(error) => Err(format!(
            "the interop tests need the browser chromium, which is not installed: {error}; install \
             it as root with apt-get install chromium"
        )),
    }
}

/// Prometheus's own checker of metrics, taken out of its package if it is missing: installing the
/// package would start a service.
///
/// # Errors
/// Fails if it is missing and can't be fetched.
pub(crate) fn promtool() -> Result<PathBuf, String> {
    let folder = target().join("prometheus");
    let kept = folder.join("usr/bin/promtool");
    if let Some(there) =
        [PathBuf::from("promtool"), kept.clone()].into_iter().find(|path| runs(path))
    {
        return Ok(there);
    }
    let take = || {
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        succeed(command("apt-get").args(["update", "-q"]))?;
        let download = "apt-get download -q prometheus && dpkg-deb -x prometheus_*.deb .";
        succeed(command("sh").args(["-c", download]).current_dir(&folder))
    };
    match take() {
        Ok(()) if runs(&kept) => Ok(kept),
        Ok(()) => Err("promtool was taken out of its package and does not start".into()),
        Err(error) => Err(format!(
            "the interop tests need promtool, which is not installed: {error}; install it as root \
             with apt-get install prometheus"
        )),
    }
}

fn runs(program: impl AsRef<OsStr>) -> bool {
    command(program).arg("--version").output().is_ok_and(|output| output.status.success())
}
