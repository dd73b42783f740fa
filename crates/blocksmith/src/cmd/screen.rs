//! What a search shows: its results on stdout, its progress on stderr.

use std::fmt;
use std::io::{self, Write as _};
use std::num::NonZeroU64;
use std::time::{Duration, Instant};

use blocksmith_consensus::Target;
use console::Term;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle, TermLike};

use super::{counted, stdout};
use crate::text::{escaped, lines};

/// How often a search reports its progress; this module decides how much of that is shown.
pub(super) const REFRESH: Duration = Duration::from_millis(100);

/// How often a line tells the progress where no line can be redrawn, as in a file.
const PLAIN: Duration = Duration::from_secs(10);

/// The columns that stay free at the end of a line: terminals show `^C` when it is typed, and what
/// that pushes into the next line would stay there.
const ECHO_COLUMNS: u16 = 2;

/// How often a second a line with a count is drawn at most.
const COUNTS_PER_S: u8 = 5;

/// What stands between the parts of a progress line.
const BETWEEN: &str = " · ";

/// The progress of a search.
#[derive(Debug, Clone, Copy)]
pub(super) struct Progress {
    /// The index of the block to find, where it is known.
    pub(super) index: Option<u64>,
    /// The largest digest that counts.
    pub(super) target: Target,
    /// The proofs tried so far.
    pub(super) tries: u64,
    /// The time since the search began.
    pub(super) elapsed: Duration,
    /// How many coins or blocks this run mined, if it mines, and the word for them.
    pub(super) mined: Option<(u64, &'static str)>,
    /// The most tries a second, if they are bounded.
    pub(super) limit: Option<NonZeroU64>,
}

/// Standard output and the terminal, if there is one.
#[derive(Debug)]
pub(super) struct Screen {
    /// The last line, where stderr is a terminal.
    live: ProgressBar,
    told: Instant,
}

impl Screen {
    pub(super) fn new() -> Self {
        // The callers decide how often it is drawn.
        Self { live: live_line(ProgressDrawTarget::term_like, None, "{msg}"), told: Instant::now() }
    }

    /// Prints a line of results.
    ///
    /// # Errors
    /// Fails if the standard output can't be written, as when the reader of a pipe is gone.
    pub(super) fn line(&self, text: &str) -> io::Result<()> {
        self.live.suspend(|| {
            let mut out = stdout();
            writeln!(out, "{}", lines(text))?;
            out.flush()
        })
    }

    /// Prints a line for people.
    pub(super) fn note(&self, text: &str) {
        self.live.suspend(|| {
            // The standard error may be closed.
            let _ = writeln!(io::stderr(), "{}", lines(text));
        });
    }

    /// Shows the progress: live on a terminal, elsewhere in a line from time to time.
    pub(super) fn show(&mut self, progress: Progress) {
        if self.live.is_hidden() && self.told.elapsed() >= PLAIN {
            self.told = Instant::now();
            self.note(&progress.to_string());
        }
        self.show_live(progress);
    }

    /// Shows `how` on a terminal, as much of it as fits, and elsewhere nothing.
    pub(super) fn show_live(&self, how: impl fmt::Display) {
        if !self.live.is_hidden() {
            let columns = Terminal(Term::stderr()).width();
            self.live.set_message(fitted(&escaped(how).to_string(), columns.into()));
        }
    }

    /// Clears the live line.
    pub(super) fn clear(&self) {
        self.live.set_message("");
    }
}

/// A line on a terminal that counts blocks, and stays when the count has ended.
pub(super) struct Counter(ProgressBar);

impl Counter {
    pub(super) fn new(of: u64) -> Self {
        let target = |terminal| ProgressDrawTarget::term_like_with_hz(terminal, COUNTS_PER_S);
        Self(live_line(target, Some(of), "{pos} of {len} blocks"))
    }

    pub(super) fn add(&self, blocks: u64) {
        self.0.inc(blocks);
    }

    pub(super) fn end(&self) {
        if !self.0.is_hidden() && self.0.position() > 0 {
            self.0.abandon();
            let _ = writeln!(io::stderr());
        }
    }
}

/// The last line of the terminal that stderr is; nothing is shown if it is none.
fn live_line(
    target: impl FnOnce(Box<dyn TermLike>) -> ProgressDrawTarget,
    length: Option<u64>,
    template: &str,
) -> ProgressBar {
    // The terminal gets each line in one piece, cleared and written, so that it doesn't flicker.
    let terminal = Some(Term::buffered_stderr()).filter(Term::is_term);
    let target = terminal.map(|terminal| target(Box::new(Terminal(terminal))));
    let style = ProgressStyle::with_template(template).expect("a template");
    ProgressBar::with_draw_target(length, target.unwrap_or_else(ProgressDrawTarget::hidden))
        .with_style(style)
}

/// A terminal with free columns at its end: those for `^C`, and all that a live line leaves. Blanks
/// there would become a second line when the terminal gets narrower, and would stay.
#[derive(Debug)]
struct Terminal(Term);

impl TermLike for Terminal {
    fn width(&self) -> u16 {
        // In a terminal without columns, a line would have no end.
        self.0.size().1.saturating_sub(ECHO_COLUMNS).max(1)
    }

    fn height(&self) -> u16 {
        self.0.size().0
    }

    fn move_cursor_up(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_up(lines)
    }

    fn move_cursor_down(&self, lines: usize) -> io::Result<()> {
        self.0.move_cursor_down(lines)
    }

    fn move_cursor_right(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_right(columns)
    }

    fn move_cursor_left(&self, columns: usize) -> io::Result<()> {
        self.0.move_cursor_left(columns)
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.0.write_line(text)
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.0.write_str(text.trim_end_matches(' '))
    }

    fn clear_line(&self) -> io::Result<()> {
        self.0.clear_line()
    }

    fn flush(&self) -> io::Result<()> {
        self.0.flush()
    }
}

/// The most important part comes first: a narrow terminal shows no more than that.
impl fmt::Display for Progress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The search has not ended while this is shown, so a proof is never certain.
        let odds = (100.0 * odds(self.target, self.tries)).min(99.9);
        let digits = if (10.0..99.0).contains(&odds) { 0 } else { 1 };
        let per_second = self.tries as f64 / self.elapsed.as_secs_f64().max(1e-3);
        write!(f, "chance so far {odds:.digits$}%{BETWEEN}{}/s", amount(per_second))?;
        if let Some(limit) = self.limit {
            write!(f, " (limit {}/s)", amount(limit.get() as f64))?;
        }
        write!(f, "{BETWEEN}{}", clock(self.elapsed))?;
        if let Some((number, thing)) = self.mined {
            write!(f, "{BETWEEN}{}", counted(number, thing))?;
        }
        let (tries, expected) = (self.tries as f64, self.target.work().as_f64());
        write!(f, "{BETWEEN}{} of about {} tries", amount(tries), amount(expected))?;
        self.index.map_or(Ok(()), |index| write!(f, "{BETWEEN}block {index}"))
    }
}

/// The first parts of a line that fit; if not even one does, its start.
fn fitted(line: &str, columns: usize) -> String {
    let mut fitted = line;
    while fitted.chars().count() > columns
        && let Some((start, _)) = fitted.rsplit_once(BETWEEN)
    {
        fitted = start;
    }
    fitted.chars().take(columns).collect()
}

/// `1:05`, and `1:00:05` from an hour on.
pub(super) fn clock(elapsed: Duration) -> String {
    let seconds = elapsed.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        _ => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// How likely it was to have found a proof by now: 1 - (1 - p)^tries.
fn odds(target: Target, tries: u64) -> f64 {
    let p = 1.0 / target.work().as_f64();
    match tries {
        // If every try is a proof, the logarithm is infinite.
        0 => 0.0,
        _ => -f64::exp_m1(tries as f64 * f64::ln_1p(-p)),
    }
}

/// A number in three digits: `12.3 M`, or `1.16e77` beyond the largest unit.
fn amount(number: f64) -> String {
    if number >= 1e15 {
        return format!("{number:.2e}");
    }
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
        assert_eq!([0, 1].map(|tries| odds(Target::from_zeros(0), tries)), [0.0, 1.0]);
    }

    #[test]
    fn a_search_that_goes_on_is_never_said_to_be_certain() {
        let odds = |tries| {
            let (target, elapsed) = (Target::from_zeros(4), Duration::from_secs(1));
            let progress =
                Progress { index: None, target, tries, elapsed, mined: None, limit: None };
            progress.to_string().split_once('%').unwrap().0.to_string()
        };
        // Three, five and seven times as many tries as a proof takes on average, and no end of them.
        let tries = [3, 5, 7, 1_000].map(|times| odds(times * 65_536));
        let shown = ["95", "99.3", "99.9", "99.9"].map(|odds| format!("chance so far {odds}"));
        assert_eq!(tries, shown);
    }

    #[test]
    fn a_line_says_how_it_goes_and_what_matters_most_first() {
        let mut progress = Progress {
            index: Some(7),
            target: Target::from_zeros(6),
            tries: 12_345_678,
            elapsed: Duration::from_secs(61),
            mined: Some((1, "coin")),
            limit: None,
        };
        assert_eq!(
            progress.to_string(),
            "chance so far 52% · 202 k/s · 1:01 · 1 coin · 12.3 M of about 16.8 M tries · block 7"
        );
        (progress.index, progress.mined, progress.tries) = (None, None, 0);
        assert_eq!(
            progress.to_string(),
            "chance so far 0.0% · 0/s · 1:01 · 0 of about 16.8 M tries"
        );
        progress.mined = Some((0, "coin"));
        assert!(progress.to_string().contains(" · 0 coins · "), "{progress}");
        progress.limit = NonZeroU64::new(50);
        assert!(progress.to_string().contains(" · 0/s (limit 50/s) · 1:01 · "), "{progress}");
    }

    #[test]
    fn a_narrow_terminal_shows_the_first_parts_whole() {
        let line = "chance so far 52% · 202 k/s · 1:01 · 1 coin · block 7";
        for (columns, shown) in [
            (53, line),
            (52, "chance so far 52% · 202 k/s · 1:01 · 1 coin"),
            (35, "chance so far 52% · 202 k/s · 1:01"),
            (27, "chance so far 52% · 202 k/s"),
            (26, "chance so far 52%"),
            (17, "chance so far 52%"),
            (16, "chance so far 52"),
            (0, ""),
        ] {
            assert_eq!(fitted(line, columns), shown, "{columns} columns");
        }
        assert_eq!(fitted("round 3 of 7", 40), "round 3 of 7");
    }

    #[test]
    fn the_hardest_target_fits_the_line() {
        let hardest = Progress {
            index: Some(1_000_000),
            target: Target::from_zeros(64),
            tries: u64::MAX,
            elapsed: Duration::from_secs(3_600 * 24 * 365),
            mined: Some((1_000, "coin")),
            limit: NonZeroU64::new(u64::MAX),
        };
        assert!(hardest.to_string().contains(" of about 1.16e77 tries"), "{hardest}");
        assert!(hardest.to_string().chars().count() < 130, "{hardest}");
    }

    #[test]
    fn a_clock_shows_hours_when_there_are_any() {
        let clocks = [0, 59, 60, 3_599, 3_600, 90_061].map(Duration::from_secs).map(clock);
        assert_eq!(clocks, ["0:00", "0:59", "1:00", "59:59", "1:00:00", "25:01:01"]);
    }

    #[test]
    fn numbers_keep_three_digits() {
        let amounts = [0.0, 999.0, 1_000.0, 12_300.0, 123_456.0, 7.5e6, 2e13, 1e15].map(amount);
        assert_eq!(
            amounts,
            ["0", "999", "1.00 k", "12.3 k", "123 k", "7.50 M", "20.0 T", "1.00e15"]
        );
    }
}
