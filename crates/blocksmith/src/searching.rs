//! Searches on threads of their own: their backend, their number and their priority.

use std::io;
use std::num::{NonZeroU64, NonZeroUsize};
use std::sync::Arc;
use std::thread;

use blocksmith_consensus::Job;
use blocksmith_miner::search::{Backend, Control, Outcome, Pace, Search, Unavailable};
use tokio::sync::oneshot;

/// The nice value of threads that all others come before.
pub const LAST_OF_ALL: u8 = 19;

/// The threads of a search.
#[derive(Debug, Clone)]
pub struct Workers {
    /// A backend that this processor has.
    backend: Backend,
    threads: NonZeroUsize,
    /// The threads' nice value, if it is not the program's own.
    niceness: Option<i32>,
    /// The cores that the threads take in turn; if there are none, the system chooses.
    cores: Arc<[usize]>,
    /// The bound on the tries of a second, over all searches.
    pace: Option<Arc<Pace>>,
}

impl Workers {
    /// So many threads, with the fastest backend that this processor has.
    pub fn new(threads: NonZeroUsize) -> Self {
        let backend = Backend::fastest();
        Self { backend, threads, niceness: None, cores: [].into(), pace: None }
    }

    /// The same, with so many threads.
    pub fn with_threads(self, threads: NonZeroUsize) -> Self {
        Self { threads, ..self }
    }

    /// The same, with another backend.
    ///
    /// # Errors
    /// Returns [`Unavailable`] if this processor lacks what the backend needs.
    pub fn with_backend(self, backend: Backend) -> Result<Self, Unavailable> {
        match backend.is_available() {
            true => Ok(Self { backend, ..self }),
            false => Err(Unavailable(backend)),
        }
    }

    /// The same, with a nice value that is `more` above the program's own, at most [`LAST_OF_ALL`].
    ///
    /// # Errors
    /// Fails if the system does not let single threads have a nice value.
    pub fn with_niceness(self, more: u8) -> io::Result<Self> {
        let niceness = (system::niceness()? + i32::from(more)).min(LAST_OF_ALL.into());
        Self { niceness: Some(niceness), ..self }.tried()
    }

    /// The same, with each thread on a core of its own, of those that the program may use. If there
    /// are more threads than cores, they share them evenly.
    ///
    /// # Errors
    /// Fails if the system does not let a program choose cores.
    pub fn pinned(self) -> io::Result<Self> {
        Self { cores: system::cores()?.into(), ..self }.tried()
    }

    /// The same, with at most so many tries a second, all threads and all searches together.
    pub fn paced(self, per_second: NonZeroU64) -> Self {
        Self { pace: Some(Pace::new(per_second).into()), ..self }
    }

    /// The same, with everything else in this program before the search, where the system can do
    /// that.
    pub fn last_of_all(self) -> Self {
        Self { niceness: Some(LAST_OF_ALL.into()), ..self }
    }

    /// Tries the settings on a thread: better an error now than one in each thread later.
    fn tried(self) -> io::Result<Self> {
        thread::scope(|scope| {
            let trial = thread::Builder::new().spawn_scoped(scope, || self.settle(0))?;
            trial.join().expect("a trial does not panic")
        })?;
        Ok(self)
    }

    /// Gives the calling thread, the search's thread `number`, its priority and its core.
    fn settle(&self, number: usize) -> io::Result<()> {
        if let Some(niceness) = self.niceness {
            system::set_niceness(niceness)?;
        }
        match self.cores.len() {
            0 => Ok(()),
            cores => system::stay_on(self.cores[number % cores]),
        }
    }

    /// The backend that hashes.
    pub fn backend(&self) -> Backend {
        self.backend
    }

    /// The most tries a second, if they are bounded.
    pub fn tries_per_second(&self) -> Option<NonZeroU64> {
        self.pace.as_ref().map(|pace| pace.per_second())
    }

    /// The number of threads.
    pub fn threads(&self) -> NonZeroUsize {
        self.threads
    }

    /// Starts a search for the lowest valid proof at or above `start`. None of its threads is one
    /// that the caller uses for anything else.
    ///
    /// # Panics
    /// If the system starts no thread at all.
    pub fn search(&self, job: Job<'static>, start: u64) -> Searching {
        let control = Arc::new(Control::new());
        let (tell, outcome) = oneshot::channel();
        let (workers, shared) = (self.clone(), control.clone());
        let search = move || {
            let search = Search::with_backend(workers.backend, &job, start, workers.threads)
                .expect("the backend is available");
            let search = match &workers.pace {
                Some(pace) => search.with_pace(pace),
                None => search,
            };
            let found = search.run_with(&shared, |number| {
                if let Err(error) = workers.settle(number) {
                    // The settings were tried before; a failure is no reason not to search.
                    tracing::debug!(
                        "a search thread did not get the priority or the core that was asked for: \
                         {error}"
                    );
                }
            });
            // The caller may be gone.
            let _ = tell.send(found);
        };
        thread::Builder::new().name("miner".into()).spawn(search).expect("a thread can be started");
        Searching { control, outcome }
    }
}

/// A search that runs; dropping it ends the search within some milliseconds.
#[derive(Debug)]
pub struct Searching {
    control: Arc<Control>,
    outcome: oneshot::Receiver<Outcome>,
}

impl Searching {
    /// How many proofs were hashed: some milliseconds behind while the search runs, exact when it
    /// has ended.
    pub fn tries(&self) -> u64 {
        self.control.tries()
    }

    /// Asks the search to end.
    pub fn cancel(&self) {
        self.control.cancel();
    }

    /// Waits for the outcome. The future may be dropped and another one made, but there is only one
    /// outcome to get.
    pub async fn outcome(&mut self) -> Outcome {
        (&mut self.outcome).await.expect("a search does not panic")
    }
}

impl Drop for Searching {
    fn drop(&mut self) {
        self.control.cancel();
    }
}

/// The number of threads that the machine runs at once.
pub fn all_cores() -> NonZeroUsize {
    thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// System calls for the calling thread alone.
#[cfg(target_os = "linux")]
mod system {
    use std::io;

    use rustix::process::{getpriority_process, setpriority_process};
    use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

    pub(super) fn niceness() -> io::Result<i32> {
        Ok(getpriority_process(None)?)
    }

    /// POSIX applies this to the whole process; Linux applies it to the calling thread.
    pub(super) fn set_niceness(niceness: i32) -> io::Result<()> {
        Ok(setpriority_process(None, niceness)?)
    }

    /// The cores that this thread may use, in ascending order.
    pub(super) fn cores() -> io::Result<Vec<usize>> {
        let allowed = sched_getaffinity(None)?;
        Ok((0..CpuSet::MAX_CPU).filter(|&core| allowed.is_set(core)).collect())
    }

    pub(super) fn stay_on(core: usize) -> io::Result<()> {
        let mut only = CpuSet::new();
        only.set(core);
        Ok(sched_setaffinity(None, &only)?)
    }
}

/// Without system calls for single threads.
#[cfg(not(target_os = "linux"))]
mod system {
    use std::io;

    fn unsupported<T>() -> io::Result<T> {
        Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this system can't do that for single threads",
        ))
    }

    pub(super) fn niceness() -> io::Result<i32> {
        unsupported()
    }

    pub(super) fn set_niceness(_: i32) -> io::Result<()> {
        unsupported()
    }

    pub(super) fn cores() -> io::Result<Vec<usize>> {
        unsupported()
    }

    pub(super) fn stay_on(_: usize) -> io::Result<()> {
        unsupported()
    }
}
