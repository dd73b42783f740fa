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

/// Debian 11's curl, the oldest that the documented commands are to work with, with the libraries of its
/// time. It is taken out of its packages, and nothing is installed. None, and why, where they are not to
/// be had any more; the tests then use the system's curl, and check the options by a list.
pub(crate) fn old_curl() -> Option<PathBuf> {
    let folder = target().join("debian-11");
    let curl = folder.join("curl");
    let take = || {
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        // The system's sources say where packages come from, and they may not have been read yet.
        succeed(command("apt-get").args(["update", "-q"]))?;
        succeed(command("sh").args(["-c", OLD_CURL]).current_dir(&folder))
    };
    if runs(&curl) {
        return Some(curl);
    }
    match take() {
        Ok(()) if runs(&curl) => return Some(curl),
        Ok(()) => eprintln!("Debian 11's curl was taken out of its package and does not start"),
        Err(error) => eprintln!("Debian 11's curl can't be had: {error}"),
    }
    None
}

fn runs(program: impl AsRef<OsStr>) -> bool {
    command(program).arg("--version").output().is_ok_and(|output| output.status.success())
}

/// Leaves `curl` in the current folder: a script that starts Debian 11's with its own libraries.
const OLD_CURL: &str = r#"
set -e
mkdir -p lists/partial archives/partial root
: > status
apt-get indextargets --format '$(REPO_URI)' 'Label: Debian' 'Identifier: Packages' | sort -u | sed -n '1{
    s|.*|deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] & bullseye main|p
}' > sources.list
apt() {
    apt-get -q -o Dir::Etc::SourceList="$PWD/sources.list" -o Dir::Etc::SourceParts=/dev/null \
        -o Dir::State="$PWD" -o Dir::State::Lists="$PWD/lists" -o Dir::State::Status="$PWD/status" \
        -o Dir::Cache="$PWD" -o Dir::Cache::Archives="$PWD/archives" "$@"
}
apt update
apt install --yes --download-only --no-install-recommends curl
for package in archives/lib*.deb archives/zlib*.deb archives/curl*.deb; do dpkg-deb -x "$package" root; done
root=$PWD/root
loader=$(echo "$root"/lib/*/ld-*.so)
libraries=$(echo "$root"/lib/*-linux-gnu*):$(echo "$root"/usr/lib/*-linux-gnu*)
cat > curl.new <<END
#!/bin/sh
exec "$loader" --library-path "$libraries" "$root/usr/bin/curl" "\$@"
END
chmod +x curl.new
mv curl.new curl
rm -r lists archives
"#;
