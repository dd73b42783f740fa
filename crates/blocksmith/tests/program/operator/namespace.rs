//! Another machine, as far as a node can tell: a network of this process alone, whose loopback has an
//! address that is not a loopback address.

use std::process::Command;

/// An address of this machine that is not one of loopback; whoever calls it calls from it.
pub(crate) const FAR: &str = "10.9.9.1";

/// In the environment of a test that runs in such a network.
const MARK: &str = "IN_A_NETWORK_OF_ITS_OWN";

/// What makes the network, and then runs the test.
const SCRIPT: &str = r#"ip link set lo up && ip addr add 10.9.9.1/32 dev lo && exec "$0" "$@""#;

/// Whether the test `name` runs in a network of its own, where it goes on. Elsewhere it has been run
/// there by now, and is over.
#[track_caller]
pub(crate) fn is_in_its_own_network(name: &str) -> bool {
    if std::env::var_os(MARK).is_some() {
        return true;
    }
    let unshare = |args: &[&str]| Command::new("unshare").arg("-rn").args(args).output();
    if !unshare(&["ip", "link", "set", "lo", "up"]).is_ok_and(|made| made.status.success()) {
        eprintln!("{name} was not run: this system lets nobody make a network");
        return false;
    }
    let this = std::env::current_exe().expect("a test");
    let run = Command::new("unshare")
        .args(["-rn", "sh", "-c", SCRIPT])
        .arg(this)
        .args(["--exact", name, "--nocapture"])
        .env(MARK, "1")
        .output()
        .expect("a shell");
    let said = [run.stdout, run.stderr].map(|said| String::from_utf8_lossy(&said).into_owned());
    assert!(run.status.success() && said[0].contains("1 passed"), "{}\n{}", said[0], said[1]);
    false
}
