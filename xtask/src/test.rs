//! Everything that CI runs.

use std::io::{BufRead as _, BufReader};
use std::path::PathBuf;
use std::process::{Command, ExitCode, Stdio};

use crate::debian;
use crate::python;
use crate::run::{cargo, command, show, succeed, target};
use crate::web;

/// The numbers of passed and failed tests.
#[derive(Default, Clone, Copy)]
struct Count {
    passed: u64,
    failed: u64,
}

/// The environment variables, read by the tests, that the long form sets.
const LONG: [(&str, &str); 16] = [
    ("BLOCKSMITH_PAGE_BLOCKS", "10000,100000"),
    ("BLOCKSMITH_SLEEP_S", "30"),
    ("BLOCKSMITH_BLOCKS", "100000"),
    ("BLOCKSMITH_LOOKS", "all"),
    ("BLOCKSMITH_API_CASES", "20000"),
    ("BLOCKSMITH_DISCONNECTS", "20000"),
    ("BLOCKSMITH_DIGESTS", "100000000"),
    ("BLOCKSMITH_JSON_CASES", "1000000"),
    ("BLOCKSMITH_MODEL_STEPS", "1000000"),
    ("BLOCKSMITH_STORE_STEPS", "500000"),
    ("BLOCKSMITH_INDEX_STEPS", "100000"),
    ("BLOCKSMITH_KILLS", "200"),
    ("BLOCKSMITH_EVENT_KILLS", "100"),
    ("BLOCKSMITH_STALL_S", "60"),
    ("BLOCKSMITH_FLIPS", "40000"),
    ("PROPTEST_CASES", "4096"),
];

/// Interop tests that run one after the other, after all others.
const ALONE: &str = "tests/interop/test_events.py";

/// The tests of the page in a browser, seen from the folder of the page.
const IN_A_BROWSER: &str = "vitest.browser.config.ts";

/// Where Debian installs the browser.
const CHROMIUM: &str = "/usr/bin/chromium";

/// npm's script that runs a package's program has another name on Windows.
const NPX: &str = if cfg!(windows) { "npx.cmd" } else { "npx" };

/// Runs the checks and all tests, and ends with a line that counts them.
///
/// # Errors
/// Fails with the check that failed.
pub(crate) fn run(long: bool) -> Result<ExitCode, String> {
    succeed(cargo().args(["fmt", "--all", "--check"]))?;
    let mut count = Count::default();
    let mut failures = Vec::new();
    // The program takes the page in when it is built.
    web::build()?;
    succeed(web::npm().args(["run", "--silent", "check"]))?;

    let mut rust = cargo();
    rust.args(["test", "--workspace", "--locked", "--no-fail-fast"]);
    // They wait for processes and clocks more than they compute.
    if std::env::var_os("RUST_TEST_THREADS").is_none() {
        rust.env("RUST_TEST_THREADS", (2 * cores()).to_string());
    }
    count_tests(&mut rust, long, &mut count, &mut failures);

    succeed(
        cargo()
            .args(["clippy", "--workspace", "--all-targets", "--locked", "--quiet"])
            .args(["--", "-D", "warnings"]),
    )?;
    succeed(
        cargo()
            .args(["doc", "--workspace", "--no-deps", "--locked", "--quiet"])
            .env("RUSTDOCFLAGS", "-D warnings"),
    )?;

    if let Some(host) = nightly_host() {
        count_tests(&mut sanitized(&host, long), long, &mut count, &mut failures);
    } else {
        eprintln!(
            "no nightly toolchain is installed: the search did not run under AddressSanitizer"
        );
    }

    debian::chromium()?;
    // Some of the page's tests ask real nodes.
    for more in [&[][..], &["--config", IN_A_BROWSER]] {
        let mut page = web::here(NPX);
        page.args(["vitest", "run"]).args(more);
        page.env("BLOCKSMITH", program()).env("CHROMIUM", CHROMIUM);
        // Its sums are read, which colours would be between.
        page.env("NO_COLOR", "1").env_remove("FORCE_COLOR");
        count_tests(&mut page, long, &mut count, &mut failures);
    }
    let promtool = debian::promtool()?;
    let old_curl = debian::old_curl();
    let python = python::interpreter()?;
    let processes = (cores() + 1).to_string();
    // What measures memory and time has the machine for itself.
    let beside = ["--numprocesses", &processes, "--ignore", ALONE, "tests/interop"];
    for tests in [&beside[..], &[ALONE]] {
        let mut interop = command(&python);
        interop.args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider"]).args(tests);
        interop.env("BLOCKSMITH", program());
        interop.env("PROMTOOL", &promtool);
        interop.envs(old_curl.iter().map(|curl| ("DEBIAN_11_CURL", curl)));
        count_tests(&mut interop, long, &mut count, &mut failures);
    }

    // The interop tests check licences and sources as well, on every machine.
    if let Ok(true) = command("cargo-deny").arg("--version").output().map(|o| o.status.success()) {
        succeed(command("cargo-deny").args(["check", "licenses", "bans", "sources"]))?;
    }

    for failure in &failures {
        println!("failed: {failure}");
    }
    println!("{} passed, {} failed", count.passed, count.failed);
    Ok(if failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The program, which cargo builds for the Rust tests.
fn program() -> PathBuf {
    target().join("debug").join("blocksmith")
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZeroUsize::get)
}

/// The host of the nightly toolchain, if one is installed.
fn nightly_host() -> Option<String> {
    let output = command("rustc").args(["+nightly", "-vV"]).output().ok()?;
    let text = String::from_utf8(output.stdout).ok().filter(|_| output.status.success())?;
    Some(text.lines().find_map(|line| line.strip_prefix("host: "))?.into())
}

/// The command that tests the search, the only unsafe code, under AddressSanitizer, which stable
/// toolchains don't have: its comparison with `sha2`, or all of its tests.
fn sanitized(host: &str, long: bool) -> Command {
    let mut cargo = command("cargo");
    cargo.args(["+nightly", "test", "--package", "blocksmith-miner", "--locked"]);
    // With a named target, cargo builds build scripts and macros without the sanitizer.
    cargo.args(["--target", host, "--target-dir"]).arg(target().join("sanitized"));
    if long {
        cargo.args(["--lib", "--tests"]);
    } else {
        cargo.args(["--lib", "--", "hits_are"]).env("BLOCKSMITH_DIGESTS", "200000");
    }
    // The nightly cargo must not inherit this cargo's own settings.
    cargo.env_remove("CARGO").env_remove("RUSTC").env_remove("RUSTUP_TOOLCHAIN");
    cargo.env("RUSTFLAGS", "-Zsanitizer=address");
    cargo
}

/// Runs a command that prints test results, and passes its output on.
fn count_tests(command: &mut Command, long: bool, count: &mut Count, failures: &mut Vec<String>) {
    if long {
        command.envs(LONG);
    }
    let shown = show(command);
    eprintln!("$ {shown}");
    let before = *count;
    let outcome = command.stdout(Stdio::piped()).spawn().and_then(|mut child| {
        let output = child.stdout.take().expect("the output is piped");
        for line in BufReader::new(output).lines() {
            let line = line?;
            let here = counted(&line);
            count.passed += here.passed;
            count.failed += here.failed;
            println!("{line}");
        }
        child.wait()
    });
    match outcome {
        Ok(status) if status.success() && count.passed > before.passed => {}
        Ok(status) if status.success() => failures.push(format!("{shown} ran no test")),
        Ok(status) => {
            count.failed = count.failed.max(before.failed + 1);
            failures.push(format!("{shown}: {status}"));
        }
        Err(error) => failures.push(format!("{shown}: {error}")),
    }
}

/// The numbers in a line that sums tests up: "test result: ok. 12 passed; 0 failed; …" of cargo, "12 passed, 1
/// failed in …" of pytest and of the page's tests in a browser, "Tests  1 failed | 12 passed (13)" of vitest.
fn counted(line: &str) -> Count {
    let words: Vec<_> = line.split([' ', ';', ',']).filter(|word| !word.is_empty()).collect();
    let number = |what: &str| {
        let at = words.iter().position(|word| *word == what)?;
        words.get(at.checked_sub(1)?)?.parse::<u64>().ok()
    };
    let of = |what| number(what).unwrap_or(0);
    let sums_up = line.starts_with("test result:")
        || line.contains(" in ") && words.len() < 16
        || words.first() == Some(&"Tests") && line.ends_with(')');
    match sums_up {
        true => Count { passed: of("passed"), failed: of("failed") + of("error") },
        false => Count::default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sum_of_each_kind_of_tests_is_read() {
        for (line, passed, failed) in [
            (
                "test result: ok. 12 passed; 3 failed; 0 ignored; 0 measured; 0 filtered out; finished in 0.01s",
                12,
                3,
            ),
            ("12 passed, 1 failed in 3.40s", 12, 1),
            ("2 failed, 40 passed, 1 error in 3.40s (0:00:03)", 40, 3),
            ("40 passed in 3.40s", 40, 0),
            ("12 passed, 0 failed in 31 s", 12, 0),
            ("      Tests  12 passed (12)", 12, 0),
            ("      Tests  1 failed | 12 passed | 2 skipped (15)", 12, 1),
            (" Test Files  1 failed | 2 passed (3)", 0, 0),
            ("test the_sum ... ok", 0, 0),
            ("   Start at  12:00:00", 0, 0),
        ] {
            let count = counted(line);
            assert_eq!((count.passed, count.failed), (passed, failed), "{line}");
        }
    }
}
