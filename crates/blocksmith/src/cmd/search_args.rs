//! The flags that say how a search uses the machine.

use std::num::NonZeroUsize;

use anyhow::Context as _;
use blocksmith_miner::search::Backend;
use clap::builder::{PossibleValuesParser, TypedValueParser};

use super::screen::Screen;
use crate::searching::{LAST_OF_ALL, Workers, all_cores};

/// The most threads for each core: more would only wait for each other.
const MAX_THREADS_PER_CORE: NonZeroUsize = NonZeroUsize::new(4).unwrap();

// No doc comment: clap would take it for the text of the command that these flags belong to.
#[derive(Debug, clap::Args)]
pub(super) struct SearchArgs {
    /// How many threads search [default: one a core]
    #[arg(long, value_name = "N")]
    pub(super) threads: Option<NonZeroUsize>,
    /// How they hash [default: the fastest that this processor can]
    #[arg(long, value_name = "NAME", value_parser = backend_parser())]
    pub(super) backend: Option<Backend>,
    /// How far they stand back for other programs, as with nice(1): 0 not at all, 19 the most
    #[arg(long, value_name = "N", default_value_t = 0, value_parser = clap::value_parser!(u8).range(..=i64::from(LAST_OF_ALL)))]
    nice: u8,
    /// Keep each of them on a core of its own
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
            workers = workers.with_niceness(self.nice).context("--nice has no effect here")?;
        }
        if self.pin {
            workers = workers.pinned().context("--pin has no effect here")?;
        }
        Ok(workers)
    }

    /// The number of threads that the flag asks for, or fewer if the cores can't use as many.
    fn capped_threads(&self, screen: &Screen) -> Option<NonZeroUsize> {
        let asked = self.threads?;
        let most = all_cores().saturating_mul(MAX_THREADS_PER_CORE);
        if asked > most {
            screen.note(&format!("{most} threads are as many as this machine has use for"));
        }
        Some(asked.min(most))
    }
}
