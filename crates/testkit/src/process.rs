//! How tests wait, and how much memory a process took.

use std::thread::sleep;
use std::time::{Duration, Instant};

/// The longest that a wait may take.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Waits until `so` is true.
pub fn wait_until(what: &str, mut so: impl FnMut() -> bool) {
    let begin = Instant::now();
    while !so() {
        assert!(begin.elapsed() < PATIENCE, "waited too long for {what}");
        sleep(Duration::from_millis(10));
    }
}

/// Repeats `attempt` while it fails in a way that passes: a node that was dropped keeps its
/// directory for a moment.
///
/// # Errors
/// Returns any other error, and the last one when the time is over.
pub fn once<T, E>(
    mut attempt: impl FnMut() -> Result<T, E>,
    passes: impl Fn(&E) -> bool,
) -> Result<T, E> {
    let begin = Instant::now();
    loop {
        match attempt() {
            Err(error) if passes(&error) && begin.elapsed() < PATIENCE => {
                sleep(Duration::from_millis(10));
            }
            outcome => return outcome,
        }
    }
}

/// The most memory that a process ever had, in bytes; `None` on systems that don't tell.
pub fn peak_bytes(process: u32) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    Some(line.trim().strip_suffix(" kB")?.parse::<u64>().expect("a number") << 10)
}
