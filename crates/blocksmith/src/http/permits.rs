//! Permits for work that only so many calls may do at a time. They go round by address, so that a
//! client with many calls delays its own calls, not those of others.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::oneshot;

use super::line::Origin;
use super::run_blocking;

/// So many permits, and the calls that wait for one.
pub(super) struct Permits(Mutex<Queue>);

struct Queue {
    free: usize,
    /// The address in front gets the next permit; of an address, the call that came first does.
    waiting: VecDeque<(Origin, VecDeque<Waiting>)>,
    /// The number of the next call that waits, by which waiting calls are told apart.
    next: u64,
}

struct Waiting {
    number: u64,
    give: oneshot::Sender<Permit>,
}

impl Permits {
    pub(super) fn new(at_a_time: usize) -> Arc<Self> {
        let queue = Queue { free: at_a_time, waiting: VecDeque::new(), next: 0 };
        Arc::new(Self(Mutex::new(queue)))
    }

    /// Returns a permit if one becomes free within `patience`.
    pub(super) async fn take(self: &Arc<Self>, patience: Duration) -> Option<Permit> {
        let (waits, taken) = {
            let mut queue = self.queue();
            if queue.free > 0 {
                queue.free -= 1;
                return Some(Permit(Some(self.clone())));
            }
            let (give, taken) = oneshot::channel();
            let (origin, number) = (Origin::current(), queue.next);
            queue.next += 1;
            let waiting = Waiting { number, give };
            match queue.waiting.iter_mut().find(|(other, _)| *other == origin) {
                Some((_, all)) => all.push_back(waiting),
                None => queue.waiting.push_back((origin, [waiting].into())),
            }
            (Waits { permits: self, origin, number }, taken)
        };
        let permit = tokio::time::timeout(patience, taken).await.ok()?.ok();
        drop(waits);
        permit
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Hands a permit that was given back to the next call that waits.
    fn pass_on(self: Arc<Self>) {
        loop {
            let next = {
                let mut queue = self.queue();
                let Some((origin, mut all)) = queue.waiting.pop_front() else {
                    queue.free += 1;
                    return;
                };
                let next = all.pop_front();
                if !all.is_empty() {
                    queue.waiting.push_back((origin, all));
                }
                next
            };
            let Some(next) = next else { continue };
            match next.give.send(Permit(Some(self.clone()))) {
                Ok(()) => return,
                // That call is gone, so this loop hands the permit to the next one. The dropped
                // permit is emptied first: it would hand itself on from within.
                Err(mut permit) => drop(permit.0.take()),
            }
        }
    }
}

/// A call's place in the queue, until it is dropped.
struct Waits<'a> {
    permits: &'a Permits,
    origin: Origin,
    number: u64,
}

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        let mut queue = self.permits.queue();
        let at = queue.waiting.iter().position(|(origin, _)| *origin == self.origin);
        let Some(at) = at else { return };
        let all = &mut queue.waiting[at].1;
        all.retain(|waiting| waiting.number != self.number);
        if all.is_empty() {
            queue.waiting.remove(at);
        }
    }
}

/// The right to do something; dropping it hands it on.
pub(super) struct Permit(Option<Arc<Permits>>);

impl Permit {
    /// Does `work` and keeps the permit until the work is done, also when the caller no longer
    /// waits for it. A caller that still does gets the permit back, and may keep it for longer.
    pub(super) async fn run_blocking<T: Send + 'static>(
        self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> (T, Self) {
        run_blocking(move || (work(), self)).await
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if let Some(permits) = self.0.take() {
            permits.pass_on();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use futures_util::future::join_all;

    use super::super::line::{LINE, Line};
    use super::*;

    const SOON: Duration = Duration::from_secs(10);

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn no_more_go_on_at_a_time_than_may_also_when_callers_go_away() {
        const MOST: usize = 4;
        let permits = Permits::new(MOST);
        let (reading, most) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let read = || {
            let (reading, most) = (reading.clone(), most.clone());
            let work = move || {
                most.fetch_max(reading.fetch_add(1, Ordering::SeqCst) + 1, Ordering::SeqCst);
                std::thread::sleep(Duration::from_millis(20));
                reading.fetch_sub(1, Ordering::SeqCst);
            };
            async { permits.take(SOON).await.expect("soon").run_blocking(work).await.0 }
        };
        // These callers leave when they have hardly begun.
        let impatient = (0..10).map(|_| tokio::time::timeout(Duration::from_millis(5), read()));
        join_all(impatient).await;
        join_all((0..20).map(|_| read())).await;
        assert_eq!(most.load(Ordering::SeqCst), MOST);
        let all = join_all((0..MOST).map(|_| permits.take(SOON))).await;
        assert!(all.iter().all(Option::is_some) && permits.queue().waiting.is_empty());
        assert!(permits.take(Duration::from_millis(5)).await.is_none());
        assert!(permits.queue().waiting.is_empty(), "who waits no longer leaves nothing behind");
    }

    #[tokio::test]
    async fn turns_go_round_by_address() {
        let permits = Permits::new(1);
        let order = Arc::new(Mutex::new(Vec::new()));
        let first = permits.take(SOON).await;
        let mut all = Vec::new();
        for (address, name) in [("1", "a"), ("1", "b"), ("1", "c"), ("2", "d"), ("3", "e")] {
            let address = format!("10.0.0.{address}").parse().expect("an address");
            let line = Line::new(address, tokio::sync::watch::channel(false).1);
            let (permits, order) = (permits.clone(), order.clone());
            all.push(tokio::spawn(LINE.scope(line, async move {
                let permit = permits.take(SOON).await.expect("a permit");
                order.lock().expect("whole").push(name);
                drop(permit);
            })));
            tokio::task::yield_now().await;
        }
        drop(first);
        join_all(all).await;
        assert_eq!(*order.lock().expect("whole"), ["a", "d", "e", "b", "c"]);
    }
}
