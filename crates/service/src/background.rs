//! Threads for work that is in no hurry.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// Says that a thread is to end.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    pub(crate) fn is_set(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }

    /// Waits on the thread that is to end; returns whether it is to go on.
    pub(crate) fn wait(&self, time: Duration) -> bool {
        let began = Instant::now();
        while !self.is_set()
            && let Some(rest) = time.checked_sub(began.elapsed()).filter(|rest| !rest.is_zero())
        {
            thread::park_timeout(rest);
        }
        !self.is_set()
    }
}

/// How far a thread lets others go first, from 0 to 19.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Priority {
    /// Beside a thread that is always busy it gets a tenth of a processor.
    Low = 10,
    /// It gets a seventieth, and hardly ever comes on beside a miner or a client that never rests.
    Lowest = 19,
}

/// A thread that lets others go first; it ends when this is dropped.
pub(crate) struct Background {
    stop: Stop,
    thread: Option<JoinHandle<()>>,
}

impl Background {
    /// Starts a thread with a name of at most 15 bytes.
    pub(crate) fn start(
        name: &'static str,
        priority: Priority,
        work: impl FnOnce(&Stop) + Send + 'static,
    ) -> Self {
        let stop = Stop::default();
        let stopped = stop.clone();
        let run = move || {
            give_way(name, priority);
            work(&stopped);
        };
        let thread = thread::Builder::new().name(name.into()).spawn(run);
        if let Err(error) = &thread {
            tracing::error!("{name} has no thread: {error}");
        }
        Self { stop, thread: thread.ok() }
    }
}

impl Drop for Background {
    fn drop(&mut self) {
        self.stop.0.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            thread.thread().unpark();
            let _ = thread.join();
        }
    }
}

/// Gives the calling thread a priority, where the system has one for threads.
#[cfg_attr(not(target_os = "linux"), expect(unused_variables))]
fn give_way(name: &str, priority: Priority) {
    #[cfg(target_os = "linux")]
    // A program that was started with a lower one keeps it.
    if let Err(error) = rustix::process::getpriority_process(None)
        .and_then(|own| rustix::process::setpriority_process(None, own.max(priority as i32)))
    {
        tracing::debug!("{name} keeps the program's priority: {error}");
    }
}
