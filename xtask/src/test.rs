//! Everything that CI runs.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, ExitCode, Stdio};

use crate::debian;
use crate::python;
use crate::run::{cargo, command, show, succeed, target};

/// The numbers of passed and failed tests.
#[derive(Default, Clone, Copy)]
struct Count {
    passed: u64,
    failed: u64,
}

/// The environment variables, read by the tests, that the long form sets.
const LONG: [(&str, &str); 12] = [
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

/// Runs the checks and all tests, and ends with a line that counts them.
///
/// # Errors
/// Fails with the check that failed.
pub(crate) fn run(long: bool) -> Result<ExitCode, String> {
    succeed(cargo().args(["fmt", "--all", "--check"]))?;
    let mut count = Count::default();
    let mut failures = Vec::new();

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
    let promtool = debian::promtool()?;
    let old_curl = debian::old_curl();
    let python = python::interpreter()?;
    let processes = (cores() + 1).to_string();
    // What measures memory and time has the machine for itself.
    let beside = ["--numprocesses", &processes, "--ignore", ALONE, "tests/interop"];
    for tests in [&beside[..], &[ALONE]] {
        let mut interop = command(&python);
        interop.args(["-m", "pytest", "--quiet", "-p", "no:cacheprovider"]).args(tests);
        // Cargo built the program for the tests above.
        interop.env("BLOCKSMITH", target().join("debug").join("blocksmith"));
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
            let words: Vec<_> = line.split([' ', ';', ',']).collect();
            let number = |what: &str| {
                let at = words.iter().position(|word| *word == what)?;
                words.get(at.checked_sub(1)?)?.parse::<u64>().ok()
            };
            // "test result: ok. 12 passed; 0 failed; …" of cargo, "12 passed, 1 failed in …" of
            // pytest.
            if line.starts_with("test result:") || line.contains(" in ") && words.len() < 16 {
                count.passed += number("passed").unwrap_or(0);
                count.failed += number("failed").unwrap_or(0) + number("error").unwrap_or(0);
            }
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
