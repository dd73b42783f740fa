//! The flags that say how a search uses the machine.

use std::num::NonZeroUsize;

use anyhow::Context as _;
use blocksmith_miner::search::Backend;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::screen::Screen;
use super::values::number;
use crate::searching::{LAST_OF_ALL, Workers, all_cores};

/// The most threads for each core: more would only wait for each other.
const MAX_THREADS_PER_CORE: NonZeroUsize = NonZeroUsize::new(4).unwrap();

// No doc comment: clap would take it for the text of the command that these flags belong to.
#[derive(Debug, clap::Args)]
pub(super) struct SearchArgs {
    /// How many threads search [default: one for each core]
    #[arg(long, value_name = "N", value_parser = number::<NonZeroUsize>(1..=u64::MAX))]
    pub(super) threads: Option<NonZeroUsize>,
    /// How to hash [default: the fastest method that this processor supports]
    #[arg(long, value_name = "NAME", value_parser = backend_parser())]
    pub(super) backend: Option<Backend>,
    /// How much the search gives way to other programs, from 0 (not at all) to 19 (most), as nice(1) does
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = number::<u8>(0..=u64::from(LAST_OF_ALL)))]
    nice: u8,
    /// Keep each thread on a core of its own
    #[arg(long)]
    pin: bool,
}

fn backend_parser() -> impl TypedValueParser<Value = Backend> {
    let names = Backend::ALL.iter().map(|backend| backend.name());
    PossibleValuesParser::new(names).map(|name| name.parse().expect("a backend's name"))
}

impl SearchArgs {
    /// The threads as the flags ask for them.
    ///
    /// # Errors
    /// Fails if this processor or this system can't do what a flag asks for.
    pub(super) fn workers(&self, screen: &Screen) -> anyhow::Result<Workers> {
        let mut workers = Workers::new(self.capped_threads(screen).unwrap_or_else(all_cores));
        if let Some(backend) = self.backend {
            workers = workers.with_backend(backend)?;
        }
        if self.nice > 0 {
            workers =
                workers.with_niceness(self.nice).context("--nice does not work on this system")?;
        }
        if self.pin {
            workers = workers.pinned().context("--pin does not work on this system")?;
        }
        Ok(workers)
    }

    /// The number of threads that the flag asks for, or fewer if the cores can't use as many.
    fn capped_threads(&self, screen: &Screen) -> Option<NonZeroUsize> {
        let asked = self.threads?;
        let most = all_cores().saturating_mul(MAX_THREADS_PER_CORE);
        if asked > most {
            screen.note(&format!(
                "--threads {asked} is more than this machine can use: searching with {most} threads"
            ));
        }
        Some(asked.min(most))
    }
}
