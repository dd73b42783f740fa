//! `blocksmith bench`: how many tries a second this machine makes.

use std::num::NonZeroUsize;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use blocksmith_consensus::Target;
use blocksmith_consensus::job::{Job, MAX_ZEROS};
use blocksmith_miner::search::{Backend, Outcome};
use serde::Serialize;

use super::screen::Screen;
use super::search_args::SearchArgs;
use super::values::number;
use super::{counted, exit};
use crate::daemon::{stop_on_signal, until};
use crate::searching::{Workers, all_cores};

/// The prefixes that are searched with: a short one, as in the lecture, and a hash.
const PREFIXES: [&str; 2] =
    ["99", "6b86b273ff34fce19d6b804eff5a3f5747ada4eaa22f1d49c01e52ddb7875b4b"];

/// Where each search starts: proofs have eight digits at first, and nine or ten later.
const START: u64 = 10_000_000;

/// The bytes of one compression.
const COMPRESSION_BYTES: usize = 64;

/// The fewest bytes that SHA-256 appends: a 1 bit, and the length.
const PADDING_BYTES: usize = 9;

/// Measure how many tries a second this machine makes
///
/// The command measures every method of hashing that this processor supports, with a short prefix and a
/// prefix of 64 digits, on one thread and on all cores. In each round they take turns, so that a slow
/// moment of the machine meets all of them.
#[derive(Debug, clap::Args)]
#[command(mut_arg("threads", |arg| {
    arg.help("How many threads search [default: measure one thread, and one for each core]")
}))]
#[command(mut_arg("backend", |arg| {
    arg.help("How to hash [default: every method that this processor supports]")
}))]
pub struct BenchArgs {
    #[command(flatten)]
    search: SearchArgs,
    /// The number of rounds
    #[arg(long, value_name = "R", default_value_t = 7, value_parser = number::<u32>(1..=10_000))]
    rounds: u32,
    /// How many seconds each search takes in a round
    #[arg(long, value_name = "S", default_value = "0.4", value_parser = seconds)]
    seconds: Duration,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

fn seconds(text: &str) -> Result<Duration, &'static str> {
    let seconds = text.parse().ok().filter(|seconds| (0.01..=3_600.0).contains(seconds));
    seconds.map(Duration::from_secs_f64).ok_or("it must be a number of seconds from 0.01 to 3600")
}

/// A kind of search, with what was measured of it.
struct Row {
    workers: Workers,
    prefix: &'static str,
    /// Tries per second, one for each round.
    rates: Vec<f64>,
}

/// The measurements of a machine.
#[derive(Debug, Serialize)]
struct Report {
    /// The processor's name, if the system tells it.
    processor: Option<String>,
    cores: usize,
    rounds: u32,
    seconds_per_round: f64,
    /// The rate of the fastest backend with the short prefix, on the smallest number of threads
    /// that was measured.
    best_tries_per_second: u64,
    rows: Vec<Line>,
}

/// One kind of search.
#[derive(Debug, Serialize)]
struct Line {
    backend: &'static str,
    prefix_digits: usize,
    threads: usize,
    best_tries_per_second: u64,
    median_tries_per_second: u64,
    compressions_per_try: usize,
    /// The rate in relation to `portable` with the same prefix and as many threads, if that was
    /// measured: the median of the ratios within each round.
    ratio_to_portable: Option<f64>,
}

/// Runs the command.
///
/// # Errors
/// Fails if the threads can't search as they should, or the figures can't be written.
pub async fn run(args: BenchArgs) -> anyhow::Result<ExitCode> {
    let stop = stop_on_signal()?;
    let screen = Screen::new();
    let workers = args.search.workers(&screen)?;
    let mut rows = Vec::new();
    for backend in backends(args.search.backend) {
        for prefix in PREFIXES {
            for threads in threads(args.search.threads.map(|_| workers.threads())) {
                let workers = workers.clone().with_threads(threads).with_backend(backend)?;
                rows.push(Row { workers, prefix, rates: Vec::new() });
            }
        }
    }
    let measured = async {
        for round in 1..=args.rounds {
            screen.show_live(format_args!("round {round} of {}", args.rounds));
            for row in &mut rows {
                row.rates.push(rate(&row.workers, row.prefix, args.seconds).await);
            }
        }
    };
    let stopped = tokio::select! {
        () = measured => false,
        () = until(stop) => true,
    };
    screen.clear();
    if stopped {
        return Ok(ExitCode::from(exit::INTERRUPTED));
    }
    let report = report(&rows, args.rounds, args.seconds);
    let text = if args.json { serde_json::to_string_pretty(&report)? } else { table(&report) };
    screen.line(&text)?;
    Ok(ExitCode::SUCCESS)
}

/// The backend that was asked for, or all that this processor has.
fn backends(asked: Option<Backend>) -> Vec<Backend> {
    match asked {
        Some(backend) => vec![backend],
        None => Backend::ALL.iter().copied().filter(|backend| backend.is_available()).collect(),
    }
}

/// The number of threads that was asked for, or one and all cores.
fn threads(asked: Option<NonZeroUsize>) -> Vec<NonZeroUsize> {
    let mut threads = asked.map_or(vec![NonZeroUsize::MIN, all_cores()], |asked| vec![asked]);
    threads.dedup();
    threads
}

/// Tries per second of one search that finds nothing and is stopped after `time`.
async fn rate(workers: &Workers, prefix: &'static str, time: Duration) -> f64 {
    let target = Target::from_zeros(MAX_ZEROS);
    let job = Job { prefix: prefix.as_bytes().into(), suffix: b"".into(), target };
    let began = Instant::now();
    let mut searching = workers.search(job, START);
    tokio::time::sleep(time).await;
    searching.cancel();
    let outcome = searching.outcome().await;
    let seconds = began.elapsed().as_secs_f64();
    assert_eq!(outcome, Outcome::Cancelled, "nobody has found a digest of zeros yet");
    searching.tries() as f64 / seconds
}

/// Sums the measurements up.
fn report(rows: &[Row], rounds: u32, seconds: Duration) -> Report {
    let rows: Vec<Line> = rows.iter().map(|row| line(row, rows)).collect();
    let short = rows.iter().filter(|row| row.prefix_digits == PREFIXES[0].len());
    let fewest = short.clone().map(|row| row.threads).min();
    let best = short
        .filter(|row| Some(row.threads) == fewest)
        .map(|row| row.best_tries_per_second)
        .max()
        .expect("something was measured");
    Report {
        processor: processor(),
        cores: all_cores().get(),
        rounds,
        seconds_per_round: seconds.as_secs_f64(),
        best_tries_per_second: best,
        rows,
    }
}

fn line(row: &Row, rows: &[Row]) -> Line {
    let same_but_portable = |other: &&Row| {
        other.workers.backend() == Backend::Portable
            && other.prefix == row.prefix
            && other.workers.threads() == row.workers.threads()
    };
    let ratio = rows.iter().find(same_but_portable).map(|portable| {
        let ratios = row.rates.iter().zip(&portable.rates).map(|(ours, theirs)| ours / theirs);
        (median(ratios) * 1e3).round() / 1e3
    });
    // On a busy machine, a short round may end before a thread has run.
    let ratio = ratio.filter(|ratio| ratio.is_finite());
    Line {
        backend: row.workers.backend().name(),
        prefix_digits: row.prefix.len(),
        threads: row.workers.threads().get(),
        best_tries_per_second: row.rates.iter().copied().fold(0.0, f64::max).round() as u64,
        median_tries_per_second: median(row.rates.iter().copied()).round() as u64,
        compressions_per_try: compressions(row.prefix),
        ratio_to_portable: ratio,
    }
}

/// The number in the middle, or the mean of the two in the middle.
fn median(numbers: impl Iterator<Item = f64>) -> f64 {
    let mut numbers: Vec<f64> = numbers.collect();
    numbers.sort_by(f64::total_cmp);
    (numbers[(numbers.len() - 1) / 2] + numbers[numbers.len() / 2]) / 2.0
}

/// How many compressions a try takes: the full blocks of the prefix are compressed once for all
/// tries.
fn compressions(prefix: &str) -> usize {
    let digits = START.ilog10() as usize + 1;
    (prefix.len() % COMPRESSION_BYTES + digits + PADDING_BYTES).div_ceil(COMPRESSION_BYTES)
}

/// The processor's name on Linux.
fn processor() -> Option<String> {
    let info = std::fs::read_to_string("/proc/cpuinfo").ok()?;
    let (_, name) = info
        .lines()
        .filter_map(|line| line.split_once(':'))
        .find(|(key, _)| key.trim() == "model name")?;
    Some(name.trim().into())
}

/// The figures for people, in million tries a second.
fn table(report: &Report) -> String {
    let processor = report.processor.as_deref().unwrap_or("unknown processor");
    let mut table = format!(
        "{processor}, {}; {} of {} s; million tries per second\n\n{:<10} {:>6} {:>8} {:>9} {:>9} {:>17} {:>12}",
        counted(report.cores, "core"),
        counted(report.rounds, "round"),
        report.seconds_per_round,
        "backend",
        "prefix",
        "threads",
        "best",
        "median",
        "compressions/try",
        "vs portable"
    );
    for row in &report.rows {
        let ratio = row.ratio_to_portable.map_or("–".into(), |ratio| format!("{ratio:.2}"));
        table += &format!(
            "\n{:<10} {:>6} {:>8} {:>9.2} {:>9.2} {:>17} {:>12}",
            row.backend,
            row.prefix_digits,
            row.threads,
            row.best_tries_per_second as f64 / 1e6,
            row.median_tries_per_second as f64 / 1e6,
            row.compressions_per_try,
            ratio
        );
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(backend: Backend, threads: usize, prefix: &'static str, rates: &[f64]) -> Row {
        let workers = Workers::new(NonZeroUsize::new(threads).unwrap());
        let workers = workers.with_backend(backend).unwrap();
        Row { workers, prefix, rates: rates.into() }
    }

    #[test]
    fn a_ratio_is_taken_within_each_round() {
        let rows = [
            row(Backend::Portable, 1, PREFIXES[0], &[10.0, 1.0, 10.0]),
            // The second round was slow for both.
            row(Backend::fastest(), 1, PREFIXES[0], &[20.0, 2.0, 30.0]),
            row(Backend::fastest(), 2, PREFIXES[0], &[50.0, 40.0, 45.0]),
        ];
        let report = report(&rows, 3, Duration::from_millis(400));
        let ratios: Vec<_> = report.rows.iter().map(|row| row.ratio_to_portable).collect();
        assert_eq!(ratios, [Some(1.0), Some(2.0), None]);
        let fast = &report.rows[1];
        assert_eq!((fast.best_tries_per_second, fast.median_tries_per_second), (30, 20));
        // The rate of one thread, though two threads have a higher one.
        assert_eq!(report.best_tries_per_second, 30);
        assert!(table(&report).lines().last().unwrap().ends_with('–'), "{}", table(&report));
    }

    #[test]
    fn nothing_is_compared_with_a_search_that_never_had_its_turn() {
        let rows = [
            row(Backend::Portable, 1, PREFIXES[0], &[0.0]),
            row(Backend::fastest(), 1, PREFIXES[0], &[20.0]),
        ];
        let report = report(&rows, 1, Duration::from_millis(10));
        assert!(report.rows.iter().all(|row| row.ratio_to_portable.is_none()));
    }

    #[test]
    fn the_middle_of_an_even_number_is_between_two() {
        assert_eq!(median([4.0, 1.0, 3.0, 2.0].into_iter()), 2.5);
        assert_eq!(median([7.0].into_iter()), 7.0);
    }

    #[test]
    fn both_prefixes_take_one_compression_and_one_that_fills_a_block_takes_two() {
        assert_eq!(PREFIXES.map(compressions), [1, 1]);
        assert_eq!(compressions(&"9".repeat(47)), 1);
        assert_eq!(compressions(&"9".repeat(48)), 2);
    }
}
