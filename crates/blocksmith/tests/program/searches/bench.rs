//! `blocksmith bench`: what it measures is there, and of the right size.

use std::collections::BTreeSet;
use std::time::Instant;

use blocksmith_miner::search::Backend;
use serde_json::Value;

use crate::program::Program;

/// What it prints with these arguments.
fn bench(args: &[&str]) -> String {
    let mut all = vec!["bench", "--rounds", "2", "--seconds", "0.05"];
    all.extend(args);
    let mut program = Program::start(&all);
    assert_eq!(program.wait().code(), Some(0), "{}", program.stderr());
    assert_eq!(program.stderr(), "");
    program.rest().join("\n")
}

#[test]
fn every_backend_is_measured_with_both_prefixes_on_one_thread_and_on_all_cores() {
    let report: Value = serde_json::from_str(&bench(&["--json"])).unwrap();
    let cores = std::thread::available_parallelism().unwrap().get() as u64;
    let mut wanted = BTreeSet::new();
    for backend in Backend::ALL.iter().filter(|backend| backend.is_available()) {
        for prefix in [2, 64] {
            wanted.extend([1, cores].map(|threads| (backend.to_string(), prefix, threads)));
        }
    }
    let rows = report["rows"].as_array().unwrap();
    let number = |row: &Value, key: &str| row[key].as_u64().unwrap_or_else(|| panic!("{row}"));
    let name = |row: &Value| row["backend"].as_str().unwrap().to_string();
    let seen = |row| (name(row), number(row, "prefix_digits"), number(row, "threads"));
    assert_eq!(rows.iter().map(seen).collect::<BTreeSet<_>>(), wanted);
    assert_eq!(rows.len(), wanted.len());
    for row in rows {
        let best = number(row, "best_tries_per_second");
        let median = number(row, "median_tries_per_second");
        assert!(0 < median && median <= best, "{row}");
        assert_eq!(row["compressions_per_try"], 1);
        let ratio = row["ratio_to_portable"].as_f64().unwrap();
        assert!(if name(row) == "portable" { ratio == 1.0 } else { ratio > 0.0 }, "{row}");
    }
    let short = rows.iter().filter(|row| row["prefix_digits"] == 2 && row["threads"] == 1);
    let best = short.map(|row| number(row, "best_tries_per_second")).max().unwrap();
    assert_eq!(report["best_tries_per_second"], best);
}

#[test]
fn a_rate_is_what_a_search_takes_by_the_clock_on_the_wall() {
    let report = bench(&["--json", "--backend", "portable", "--threads", "1"]);
    let report: Value = serde_json::from_str(&report).unwrap();
    let rate = report["best_tries_per_second"].as_f64().unwrap();
    let began = Instant::now();
    let args = ["prove", "99", "--zeros", "6", "--backend", "portable", "--threads", "1"];
    let mut search = Program::start(&args);
    assert_eq!(search.wait().code(), Some(0));
    let by_the_clock = 9_250_890.0 / began.elapsed().as_secs_f64();
    // Other programs may take a core meanwhile; a wrong unit or count is further off.
    assert!((0.1..10.0).contains(&(rate / by_the_clock)), "{rate} {by_the_clock}");
}

#[test]
fn for_people_it_is_a_table_of_what_was_asked_for() {
    let table = bench(&["--backend", "portable", "--threads", "2", "--nice", "1"]);
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| line.starts_with("portable"))
        .map(|line| line.split_whitespace().collect())
        .collect();
    let shapes: Vec<_> = rows.iter().map(|row| &row[..3]).collect();
    assert_eq!(shapes, [["portable", "2", "2"], ["portable", "64", "2"]], "{table}");
    assert!(rows.iter().all(|row| row[3].parse::<f64>().unwrap() > 0.0), "{table}");
    let widths: BTreeSet<_> = table.lines().skip(2).map(|line| line.chars().count()).collect();
    assert_eq!(widths.len(), 1, "{table}");
}
