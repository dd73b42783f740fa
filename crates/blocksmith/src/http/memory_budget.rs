//! A bound on the memory that long bodies and long answers share. The node takes back what slow
//! clients hold of it when others need it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::line::{self, LINE, Line};

/// Memory is counted in units of this size.
pub(super) const UNIT_BYTES: usize = 64 << 10;

/// How long a connection must have held its share before it gives way to others.
const HELD_TIME: Duration = Duration::from_secs(2);

/// How often a call that waits for memory has a holder asked to give way, and how long it waits
/// each time.
const TRIES: usize = 40;
const TRY_TIME: Duration = Duration::from_millis(50);

/// Memory that calls share, and who holds how much of it.
pub(super) struct MemoryBudget {
    units: Arc<Semaphore>,
    shares: Mutex<Vec<Weak<Share>>>,
}

/// A call's part of the budget, until it is dropped.
pub(super) struct Share {
    line: Option<Arc<Line>>,
    since: Instant,
    permit: Mutex<OwnedSemaphorePermit>,
}

impl Share {
    fn permit(&self) -> MutexGuard<'_, OwnedSemaphorePermit> {
        self.permit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl MemoryBudget {
    pub(super) fn new(bytes: usize) -> Arc<Self> {
        let units = Arc::new(Semaphore::new(bytes / UNIT_BYTES));
        Arc::new(Self { units, shares: Mutex::default() })
    }

    /// Returns a share of `bytes`, or `None` if there is too little memory and no connection gives
    /// way.
    pub(super) async fn take(&self, bytes: usize) -> Option<Arc<Share>> {
        let permit = self.acquire(bytes / UNIT_BYTES).await?;
        let line = LINE.try_with(Arc::clone).ok();
        let share = Arc::new(Share { line, since: Instant::now(), permit: Mutex::new(permit) });
        let mut shares = self.shares();
        shares.retain(|share| share.strong_count() > 0);
        shares.push(Arc::downgrade(&share));
        Some(share)
    }

    /// Enlarges a share to `bytes` if it is smaller and there is enough memory. Returns whether it
    /// is as large as that now.
    pub(super) async fn grow(&self, share: &Share, bytes: usize) -> bool {
        let held = share.permit().num_permits();
        match (bytes / UNIT_BYTES).saturating_sub(held) {
            0 => true,
            missing => match self.acquire(missing).await {
                Some(more) => {
                    share.permit().merge(more);
                    true
                }
                None => false,
            },
        }
    }

    async fn acquire(&self, units: usize) -> Option<OwnedSemaphorePermit> {
        let units = u32::try_from(units).ok()?;
        if let Ok(permit) = self.units.clone().try_acquire_many_owned(units) {
            return Some(permit);
        }
        let mut permit = std::pin::pin!(self.units.clone().acquire_many_owned(units));
        for _ in 0..TRIES {
            self.make_room();
            if let Ok(permit) = tokio::time::timeout(TRY_TIME, &mut permit).await {
                return permit.ok();
            }
        }
        None
    }

    fn make_room(&self) {
        let shares: Vec<_> = self.shares().iter().filter_map(Weak::upgrade).collect();
        let holders = shares.iter().filter_map(|share| {
            let line = share.line.as_ref()?;
            Some((line, share.permit().num_permits(), share.since))
        });
        if let Some(line) = line::slowest(holders, HELD_TIME) {
            line.give_way();
        }
    }

    /// How many units are free.
    #[cfg(test)]
    pub(super) fn free(&self) -> usize {
        self.units.available_permits()
    }

    fn shares(&self) -> MutexGuard<'_, Vec<Weak<Share>>> {
        self.shares.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
