//! The lowest valid proof at or above a start.
//!
//! Threads take ascending ranges of numbers from one counter. A thread that has taken a range
//! finishes it, unless there is a hit below it already; a cancellation counts only before it takes
//! the next. So no number below the lowest hit is left out, and that hit is the lowest proof,
//! whatever the threads did meanwhile.

#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // Calls what only some processors can, and loads eight words at once.
mod avx2;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // Calls what only some processors can, and loads sixteen words at once.
mod avx512;
mod backend;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))] // Its kernels are those of x86-64.
mod lanes;
mod pace;
mod portable;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))] // For lanes.
mod rounds;
#[cfg(target_arch = "x86_64")]
#[allow(unsafe_code)] // Calls what only some processors can.
mod sha_ni;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))] // Some of it for lanes.
mod template;
#[cfg(test)]
mod tests;
#[cfg_attr(not(target_arch = "x86_64"), allow(dead_code))] // Registers are those of x86-64.
mod vectors;

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread;

use blocksmith_consensus::hash::Hash;
use blocksmith_consensus::job::Job;

use self::backend::Kernel;
pub use self::backend::{Backend, Unavailable, UnknownBackend};
pub use self::pace::Pace;
use self::template::{Message, Template};

/// The largest proof that is tried: 19 nines, the last number of a length that fits 64 bits whole.
pub const MAX_PROOF: u64 = 9_999_999_999_999_999_999;

/// A search for the lowest valid proof at or above `start`.
///
/// ```
/// # use std::{borrow::Cow, num::NonZeroUsize};
/// use blocksmith_consensus::job::{Job, Target};
/// use blocksmith_miner::search::{Control, Outcome, Search};
///
/// let target = Target::from_zeros(4);
/// let job = Job { prefix: Cow::Borrowed(b"99"), suffix: Cow::Borrowed(b""), target };
/// let outcome = Search::new(&job, 0, NonZeroUsize::MIN).run(&Control::new());
/// assert!(matches!(outcome, Outcome::Found { proof: 74_581, .. }));
/// ```
#[derive(Debug, Clone, Copy)]
pub struct Search<'a> {
    job: &'a Job<'a>,
    start: u64,
    threads: NonZeroUsize,
    kernel: Kernel,
    pace: Option<&'a Pace>,
}

/// The outcome of a search.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// The lowest valid proof at or above the start. A search that found it before it noticed a
    /// cancellation returns it too.
    Found {
        /// The number whose decimal digits are hashed.
        proof: u64,
        /// SHA-256(prefix ‖ proof ‖ suffix).
        digest: Hash,
    },
    /// The search was cancelled before it found a proof.
    Cancelled,
    /// No number from the start to [`MAX_PROOF`] is valid.
    Exhausted,
}

/// The state that a running search shares with the threads that watch it. A new search takes a new
/// one: tries add up, and a cancellation stays.
#[derive(Debug, Default)]
pub struct Control {
    cancelled: AtomicBool,
    tries: AtomicU64,
}

impl Control {
    /// Creates one with no tries that is not cancelled.
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the search to stop, which it does within some milliseconds. A second call changes
    /// nothing.
    pub fn cancel(&self) {
        self.cancelled.store(true, Relaxed);
    }

    /// Whether the search was asked to stop.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.load(Relaxed)
    }

    /// How many proofs were tried: while the search runs some milliseconds behind, afterwards
    /// exact. One thread that found a proof has tried `proof - start + 1`; more threads have tried
    /// some above it as well, and those count too. Numbers that a backend hashes beside them
    /// because it takes several at a time do not count: their digests are not used.
    pub fn tries(&self) -> u64 {
        self.tries.load(Relaxed)
    }
}

impl<'a> Search<'a> {
    /// Creates a search with the fastest backend that this processor supports. `threads` share the
    /// work, one of them the caller's own; there are fewer if the system refuses to start them. The
    /// answer never depends on their number.
    pub fn new(job: &'a Job<'a>, start: u64, threads: NonZeroUsize) -> Self {
        Self::with_backend(Backend::fastest(), job, start, threads)
            .expect("the fastest backend is one of those available")
    }

    /// As [`Search::new`], with a certain backend.
    ///
    /// # Errors
    ///
    /// Returns [`Unavailable`] if this processor does not support the backend.
    pub fn with_backend(
        backend: Backend,
        job: &'a Job<'a>,
        start: u64,
        threads: NonZeroUsize,
    ) -> Result<Self, Unavailable> {
        let kernel = Kernel::new(backend).ok_or(Unavailable(backend))?;
        Ok(Self { job, start, threads, kernel, pace: None })
    }

    /// The same search at a bounded pace, which it shares with others.
    #[must_use]
    pub fn with_pace(self, pace: &'a Pace) -> Self {
        Self { pace: Some(pace), ..self }
    }

    /// The backend that it hashes by.
    pub fn backend(&self) -> Backend {
        self.kernel.backend()
    }

    /// Searches until a proof is found, `control` is cancelled or no number is left.
    pub fn run(&self, control: &Control) -> Outcome {
        self.run_with(control, |_| ())
    }

    /// As [`Search::run`]. Each thread calls `settle` with its number before it searches, to choose
    /// a core or a priority; number 0 is the caller's own thread, and keeps what was chosen.
    pub fn run_with(&self, control: &Control, settle: impl Fn(usize) + Sync) -> Outcome {
        if self.start > MAX_PROOF {
            return Outcome::Exhausted;
        }
        let hunt = Hunt::new(self, control);
        let work = |number| {
            settle(number);
            hunt.work();
        };
        thread::scope(|scope| {
            for number in 1..self.threads.get() {
                let helper = thread::Builder::new().name("miner".into());
                if helper
                    .spawn_scoped(scope, {
                        let work = &work;
                        move || work(number)
                    })
                    .is_err()
                {
                    break;
                }
            }
            work(0);
        });
        hunt.outcome(self.job)
    }
}

/// The state that the threads of one search share.
struct Hunt<'a> {
    kernel: Kernel,
    message: Message<'a>,
    control: &'a Control,
    pace: Option<&'a Pace>,
    start: u64,
    /// Numbers in a range: a power of ten, and ranges start at its multiples, so that the leading
    /// digits stay the same through a range.
    stride: u64,
    /// Where the next range starts. All numbers below it, from the start on, are taken.
    next: AtomicU64,
    /// The lowest valid proof so far, or `u64::MAX`.
    lowest: AtomicU64,
}

impl<'a> Hunt<'a> {
    fn new(search: &Search<'a>, control: &'a Control) -> Self {
        let message = Message::new(search.job);
        let tries = (search.kernel.range_compressions() / message.compressions()).max(1);
        let tries = search.pace.map_or(tries, |pace| pace.at_once().min(tries));
        let stride = 10_u64.pow(tries.ilog10());
        Self {
            kernel: search.kernel,
            message,
            control,
            pace: search.pace,
            start: search.start,
            stride,
            next: AtomicU64::new(search.start - search.start % stride),
            lowest: AtomicU64::new(u64::MAX),
        }
    }

    fn work(&self) {
        let mut template = self.message.template(digits(self.start));
        let is_over = || self.control.is_cancelled() || self.lowest.load(Relaxed) != u64::MAX;
        while !self.control.is_cancelled() {
            // Before the range is taken: what is below the lowest hit must not wait.
            if self.pace.is_some_and(|pace| !pace.take(self.stride, is_over)) {
                return;
            }
            let range = self.next.fetch_add(self.stride, Relaxed);
            if range > MAX_PROOF || range > self.lowest.load(Relaxed) {
                if let Some(pace) = self.pace {
                    pace.give_back(self.stride);
                }
                return;
            }
            let tried = self.search_range(&mut template, range);
            if let Some(pace) = self.pace {
                pace.give_back(self.stride - tried);
            }
        }
    }

    /// Searches a range, up to its first hit, and returns how many numbers were tried.
    fn search_range(&self, template: &mut Template, range: u64) -> u64 {
        let end = (range + self.stride).min(MAX_PROOF + 1);
        let start = range.max(self.start);
        let mut from = start;
        // The loop takes more than one turn only where numbers grow by a digit.
        while from < end {
            let digits = digits(from);
            if template.digits() != digits {
                *template = self.message.template(digits);
            }
            let to = end.min(10_u64.pow(digits as u32));
            let hit = self.kernel.first_hit(template, from..to);
            let tried = hit.map_or(to, |proof| proof + 1) - from;
            self.control.tries.fetch_add(tried, Relaxed);
            if let Some(proof) = hit {
                self.lowest.fetch_min(proof, Relaxed);
                return proof + 1 - start;
            }
            from = to;
        }
        end - start
    }

    /// The outcome; call it when all threads have stopped.
    fn outcome(&self, job: &Job<'_>) -> Outcome {
        match self.lowest.load(Relaxed) {
            u64::MAX if self.next.load(Relaxed) > MAX_PROOF => Outcome::Exhausted,
            u64::MAX => Outcome::Cancelled,
            proof => {
                let digest = job.digest(proof.to_string());
                assert!(job.target.is_met_by(&digest), "the search and the rules hash alike");
                Outcome::Found { proof, digest }
            }
        }
    }
}

/// How many decimal digits `number` has.
fn digits(number: u64) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}
