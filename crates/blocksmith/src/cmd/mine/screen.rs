//! What a miner shows: the lecture's lines on stdout, how it goes on stderr.

use std::io::{self, Write as _};
use std::time::{Duration, Instant};

use blocksmith_consensus::Target;
use indicatif::{ProgressBar, ProgressStyle};

/// How often to say how it goes; what is shown of that is decided here.
pub(super) const REFRESH: Duration = Duration::from_millis(100);

/// How often a line says how it goes where nothing can be live, as in a file.
const PLAIN: Duration = Duration::from_secs(10);

/// How a search goes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    /// The block that it is for, where that is known.
    pub(super) index: Option<u64>,
    /// The largest digest that counts.
    pub(super) target: Target,
    /// The proofs tried so far.
    pub(super) tries: u64,
    /// For how long.
    pub(super) elapsed: Duration,
    /// The coins of this run.
    pub(super) coins: u64,
}

/// Standard output and the terminal, if there is one.
#[derive(Debug)]
pub(super) struct Screen {
    /// Hidden where stderr is no terminal.
    live: ProgressBar,
    told: Instant,
}

impl Screen {
    pub(super) fn new() -> Self {
        let style = ProgressStyle::with_template("{wide_msg}").expect("the template is right");
        Self { live: ProgressBar::new_spinner().with_style(style), told: Instant::now() }
    }

    /// A line of the lecture's miner.
    ///
    /// # Errors
    /// That nobody reads any more.
    pub(super) fn line(&self, text: &str) -> io::Result<()> {
        self.without_live_line(|| {
            let mut out = io::stdout().lock();
            writeln!(out, "{text}")?;
            out.flush()
        })
    }

    /// A line for whoever watches.
    pub(super) fn note(&self, text: &str) {
        self.without_live_line(|| {
            // Nobody may be watching.
            let _ = writeln!(io::stderr(), "{text}");
        });
    }

    fn without_live_line<T>(&self, write: impl FnOnce() -> T) -> T {
        // An empty line is drawn again all the same, as a line of blanks.
        if self.live.message().is_empty() { write() } else { self.live.suspend(write) }
    }

    /// Shows how it goes, where a line is due.
    pub(super) fn show(&mut self, progress: Progress) {
        if !self.live.is_hidden() {
            self.live.set_message(describe(progress));
        } else if self.told.elapsed() >= PLAIN {
            self.told = Instant::now();
            self.note(&describe(progress));
        }
    }

    /// Takes the live line away.
    pub(super) fn close(&self) {
        self.live.finish_and_clear();
    }
}

fn describe(progress: Progress) -> String {
    let Progress { index, target, tries, elapsed, coins } = progress;
    let block = index.map_or(String::new(), |index| format!("block {index}, "));
    let wanted = match target.zeros() {
        Some(zeros) => format!("{zeros} zeros"),
        None => format!("1 of {}", amount(target.work().as_f64())),
    };
    let per_second = tries as f64 / elapsed.as_secs_f64().max(1e-3);
    let odds = 100.0 * odds(target, tries);
    let digits = if odds < 10.0 { 1 } else { 0 };
    let seconds = elapsed.as_secs();
    let (minutes, seconds) = (seconds / 60, seconds % 60);
    let tries = amount(tries as f64);
    let per_second = amount(per_second);
    let plural = if coins == 1 { "coin" } else { "coins" };
    format!(
        "{block}{wanted} · {tries} tries · {per_second}/s · odds so far {odds:.digits$}% · {minutes}:{seconds:02} · {coins} {plural}"
    )
}

/// How likely it was to have found a proof by now: 1 - (1 - p)^tries.
fn odds(target: Target, tries: u64) -> f64 {
    let p = 1.0 / target.work().as_f64();
    -f64::exp_m1(tries as f64 * f64::ln_1p(-p))
}

/// A number in three digits: `12.3 M`.
fn amount(number: f64) -> String {
    for (unit, size) in [("T", 1e12), ("G", 1e9), ("M", 1e6), ("k", 1e3)] {
        if number >= size {
            let scaled = number / size;
            let digits = if scaled < 10.0 { 2 } else { usize::from(scaled < 100.0) };
            return format!("{scaled:.digits$} {unit}");
        }
    }
    format!("{number:.0}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_odds_are_those_of_independent_tries() {
        let four = Target::from_zeros(4);
        assert_eq!(odds(four, 0), 0.0);
        // As many tries as a proof takes on average: 1 - 1/e.
        assert!((odds(four, 65_536) - 0.632).abs() < 0.001);
        assert!(odds(Target::from_zeros(20), 1) > 0.0);
        assert_eq!(odds(Target::from_zeros(0), 1), 1.0);
    }

    #[test]
    fn a_line_says_what_is_searched_and_how_it_goes() {
        let progress = Progress {
            index: Some(7),
            target: Target::from_zeros(6),
            tries: 12_345_678,
            elapsed: Duration::from_secs(61),
            coins: 1,
        };
        assert_eq!(
            describe(progress),
            "block 7, 6 zeros · 12.3 M tries · 202 k/s · odds so far 52% · 1:01 · 1 coin"
        );
    }

    #[test]
    fn numbers_keep_three_digits() {
        let amounts = [0.0, 999.0, 1_000.0, 12_300.0, 123_456.0, 7.5e6, 2e13].map(amount);
        assert_eq!(amounts, ["0", "999", "1.00 k", "12.3 k", "123 k", "7.50 M", "20.0 T"]);
    }
}
