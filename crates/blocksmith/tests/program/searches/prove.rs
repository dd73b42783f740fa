//! `blocksmith prove` against known proofs, and against counting up.

use std::time::{Duration, Instant};

use blocksmith_consensus::{Job, Target};
use blocksmith_miner::search::{Backend, MAX_PROOF, Unavailable};

use crate::program::Program;

/// What it printed, what it said, and its exit code.
fn prove(args: &[&str]) -> (Vec<String>, String, Option<i32>) {
    let mut all = vec!["prove"];
    all.extend(args);
    let mut program = Program::start(&all);
    let code = program.wait().code();
    (program.rest(), program.stderr(), code)
}

fn job<'a>(prefix: &'a str, suffix: &'a str, target: Target) -> Job<'a> {
    Job { prefix: prefix.as_bytes().into(), suffix: suffix.as_bytes().into(), target }
}

/// The line that is to be printed for a proof.
fn line(job: &Job<'_>, proof: u64) -> String {
    assert!(job.accepts(proof.to_string()));
    format!("{proof} {}", job.digest(proof.to_string()))
}

/// The lowest proof, by counting up.
fn lowest(job: &Job<'_>, from: u64) -> u64 {
    (from..).find(|proof| job.accepts(proof.to_string())).unwrap()
}

fn available() -> impl Iterator<Item = Backend> {
    Backend::ALL.iter().copied().filter(|backend| backend.is_available())
}

#[test]
fn the_proofs_of_the_notes_come_out_of_every_backend_on_any_number_of_threads() {
    for (prefix, zeros, proof) in [
        ("99", 4, 74_581),
        ("99", 5, 241_341),
        ("99", 6, 9_250_889),
        ("74581", 4, 28_441),
        ("241341", 5, 526_815),
    ] {
        let wanted = line(&job(prefix, "", Target::from_zeros(zeros)), proof);
        for backend in available() {
            for threads in ["1", "2"] {
                let zeros = zeros.to_string();
                let args = [prefix, "--zeros", &zeros, "--threads", threads];
                let answer = prove(&[&args[..], &["--backend", backend.name()]].concat());
                assert_eq!(answer, (vec![wanted.clone()], String::new(), Some(0)), "{args:?}");
            }
        }
    }
}

#[test]
fn prefix_suffix_target_and_start_all_count() {
    let target: Target = format!("0001{}", "8".repeat(60)).parse().unwrap();
    let hex = target.to_string();
    for (prefix, suffix, from) in [
        ("99", "", 0),
        ("99", "", 74_582),
        ("99", "abc", 0),
        ("", "", 0),
        ("", "—Zoë", 1_000_000),
        ("a line\n", " ", 99_990),
        (&*"long ".repeat(100), "end", 7),
    ] {
        let job = job(prefix, suffix, target);
        let wanted = line(&job, lowest(&job, from));
        let from = from.to_string();
        for backend in available() {
            let args = [prefix, "--suffix", suffix, "--target", &hex, "--from", &from];
            let answer = prove(&[&args[..], &["--backend", backend.name()]].concat());
            assert_eq!(answer, (vec![wanted.clone()], String::new(), Some(0)), "{args:?}");
        }
    }
    // The proof after the one of the notes.
    let four = job("99", "", Target::from_zeros(4));
    let next = line(&four, lowest(&four, 74_582));
    let answer = prove(&["99", "--zeros", "4", "--from", "74582"]);
    assert_eq!(answer, (vec![next], String::new(), Some(0)));
}

#[test]
fn json_says_what_it_took() {
    let args = ["99", "--zeros", "5", "--from", "1000", "--threads", "1", "--backend", "portable"];
    let (lines, _, code) = prove(&[&args[..], &["--json"]].concat());
    assert_eq!((lines.len(), code), (1, Some(0)));
    let found: serde_json::Value = serde_json::from_str(&lines[0]).unwrap();
    assert_eq!(found["proof"], 241_341);
    let job = job("99", "", Target::from_zeros(5));
    assert_eq!(found["digest"], job.digest("241341").to_string());
    // One thread tries none above the proof.
    assert_eq!(found["tries"], 241_341 - 1_000 + 1);
    assert_eq!((&found["backend"], &found["threads"]), (&"portable".into(), &1.into()));
    let (seconds, rate) = (&found["seconds"], &found["tries_per_second"]);
    let tries = seconds.as_f64().unwrap() * rate.as_f64().unwrap();
    assert!((tries / 240_342.0 - 1.0).abs() < 1e-6, "{found}");
}

#[test]
fn when_no_number_is_left_it_says_so() {
    let from = (MAX_PROOF - 9).to_string();
    let (lines, said, code) = prove(&["99", "--zeros", "64", "--from", &from]);
    assert_eq!((lines.len(), code), (0, Some(1)));
    assert!(said.contains(&from) && said.contains(&MAX_PROOF.to_string()), "{said}");
}

#[test]
fn a_backend_that_the_processor_lacks_is_a_failure_and_says_what_it_needs() {
    for &backend in Backend::ALL {
        let (lines, said, code) = prove(&["99", "--zeros", "4", "--backend", backend.name()]);
        if backend.is_available() {
            assert_eq!((lines.len(), code), (1, Some(0)), "{said}");
        } else {
            assert_eq!((lines.len(), code), (0, Some(1)), "{said}");
            assert_eq!(said, format!("blocksmith: {}\n", Unavailable(backend)));
        }
    }
}

#[test]
fn what_makes_no_sense_is_a_matter_of_usage() {
    let (easiest, upper) = ("f".repeat(64), "F".repeat(64));
    for (args, named) in [
        (&["99"][..], "--zeros"),
        (&["--zeros", "4"], "PREFIX"),
        (&["99", "--zeros", "4", "--target", &easiest], "--target"),
        (&["99", "--zeros", "65"], "64"),
        (&["99", "--target", &upper], "64 hex digits in lower case"),
        (&["99", "--target", &easiest[1..]], "64 hex digits in lower case"),
        (&["99", "--zeros", "4", "--from", "10000000000000000000"], "9999999999999999999"),
        (&["99", "--zeros", "4", "--backend", "abacus"], "portable"),
        (&["99", "--zeros", "4", "--threads", "0"], "--threads"),
        (&["99", "--zeros", "4", "--nice", "20"], "19"),
    ] {
        let (lines, said, code) = prove(args);
        assert_eq!((lines.len(), code), (0, Some(2)), "{args:?}: {said}");
        assert!(said.contains(named), "{args:?}: {said}");
    }
}

#[test]
#[cfg(unix)]
fn an_interrupt_ends_it_at_once_and_quietly() {
    let args = ["prove", "99", "--zeros", "30", "--json", "--nice", "1"];
    let mut search = Program::start(&args);
    // By then it listens for signals: that comes before the search, and starts in milliseconds.
    std::thread::sleep(Duration::from_millis(500));
    let began = Instant::now();
    search.signal("-INT");
    assert_eq!(search.wait().code(), Some(130));
    // Some milliseconds, and more where other programs keep the cores busy.
    assert!(began.elapsed() < Duration::from_secs(1), "{:?}", began.elapsed());
    assert_eq!((search.rest(), search.stderr()), (vec![], String::new()));
}

#[test]
#[cfg(target_os = "linux")]
fn on_a_terminal_a_line_that_fits_says_how_it_goes_and_is_gone_at_the_end() {
    const COLUMNS: usize = 40;
    // Six million tries of seventeen compressions each: a second or so.
    let suffix = "e".repeat(1_000);
    // script(1) gives it a terminal.
    let command = format!(
        "stty rows 9 cols {COLUMNS}; exec {} prove 99 --suffix {suffix} --zeros 5 --threads 1 --nice 1",
        env!("CARGO_BIN_EXE_blocksmith")
    );
    let mut script = std::process::Command::new("script");
    let mut program = Program::spawn(script.args(["-qec", &command, "/dev/null"]));
    assert_eq!(program.wait().code(), Some(0), "{}", program.stderr());
    let seen = program.rest().join("\n");
    let mut lines: Vec<_> = seen.split("\r\u{1b}[2K").collect();
    let answer = lines.pop().unwrap().trim_end();
    let wanted = job("99", &suffix, Target::from_zeros(5));
    let (proof, _) = answer.split_once(' ').unwrap_or_else(|| panic!("{seen:?}"));
    assert_eq!(answer, line(&wanted, proof.parse().unwrap()));
    assert!(!lines.is_empty(), "{seen:?}");
    for line in &lines {
        assert!(line.starts_with("chance so far ") && line.contains("/s"), "{line:?}");
        assert!(line.chars().count() < COLUMNS && !line.contains('\n'), "{line:?}");
        assert!(
            !line.ends_with(' '),
            "where the terminal becomes narrower, blanks are a line: {line:?}"
        );
    }
}
