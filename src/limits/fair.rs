//! A semaphore whose waiters are served in turn by source, so that a source with many waiters
//! delays another by few acquisitions and not by all of its own.

use super::Source;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};
use tokio::sync::{Semaphore, oneshot};

/// Permits that sources take in turn while they are scarce. Without a waiter an acquisition is that
/// of a [`Semaphore`].
///
/// The first waiters stand at the semaphore itself: as many as need all of its permits together, or
/// one. The others wait until it is their turn to stand there. So at most all permits are acquired
/// before those of a source that begins to wait, and one acquisition of each other source.
#[derive(Debug)]
pub struct FairSemaphore {
    permits: Semaphore,
    /// The number of permits, free or not.
    all: u32,
    /// The number of waiters.
    waiting: AtomicUsize,
    /// `None` while nobody waits.
    queue: Mutex<Option<Box<Queue>>>,
}

/// The waiters.
#[derive(Debug, Default)]
struct Queue {
    /// The permits that the waiters at the semaphore need together.
    admitted: u32,
    /// The last number of a waiter or a turn; the next one is greater by one.
    next: u64,
    /// The other waiters of each source, oldest first, and the turn of the source.
    sources: HashMap<Source, (u64, BTreeMap<u64, Waiting>)>,
    /// The sources with waiters, by the number of their turn.
    turns: BTreeMap<u64, Source>,
}

/// A waiter that does not stand at the semaphore yet.
#[derive(Debug)]
struct Waiting {
    turn: oneshot::Sender<()>,
    permits: u32,
}

/// A number of permits; its drop returns them.
#[derive(Debug)]
pub struct FairPermit {
    semaphore: Arc<FairSemaphore>,
    permits: u32,
}

impl Drop for FairPermit {
    fn drop(&mut self) {
        self.semaphore.permits.add_permits(self.permits as usize);
    }
}

impl FairSemaphore {
    /// Creates a semaphore with this number of permits.
    pub fn new(permits: usize) -> Arc<Self> {
        let all = u32::try_from(permits).unwrap_or(u32::MAX);
        let (permits, waiting) = (Semaphore::new(permits), AtomicUsize::new(0));
        Arc::new(Self { permits, all, waiting, queue: Mutex::new(None) })
    }

    /// Returns the number of free permits.
    pub fn available_permits(&self) -> usize {
        self.permits.available_permits()
    }

    /// Acquires `permits` without waiting; `None` if there are not enough, or others wait.
    pub fn try_acquire(self: &Arc<Self>, permits: u32) -> Option<FairPermit> {
        if self.waiting.load(Ordering::Acquire) > 0 {
            return None;
        }
        self.permits.try_acquire_many(permits).ok()?.forget();
        Some(FairPermit { semaphore: self.clone(), permits })
    }

    /// Waits for `permits`, at most all of them, in the turn of `source`.
    ///
    /// # Panics
    /// Never: the semaphore is not closed.
    pub async fn acquire(self: Arc<Self>, source: Source, permits: u32) -> FairPermit {
        if let Some(permit) = self.try_acquire(permits) {
            return permit;
        }
        let _waiter = self.clone().wait_for_turn(source, permits).await;
        let acquired = self.permits.acquire_many(permits).await;
        acquired.expect("a fair semaphore is never closed").forget();
        FairPermit { semaphore: self.clone(), permits }
    }

    async fn wait_for_turn(self: Arc<Self>, source: Source, permits: u32) -> Waiter {
        let (number, turn) = self.enqueue(source, permits);
        let mut waiter = Waiter { semaphore: self, source, permits, number, turn };
        if let Some(turn) = &mut waiter.turn {
            let _ = turn.await; // a sender is dropped after it has sent, or with its waiter
            waiter.turn = None;
        }
        waiter
    }

    /// Queues a waiter; without a receiver it stands at the semaphore at once.
    fn enqueue(&self, source: Source, permits: u32) -> (u64, Option<oneshot::Receiver<()>>) {
        let mut queue = self.queue();
        self.waiting.fetch_add(1, Ordering::Release);
        let queue = queue.get_or_insert_default();
        if queue.turns.is_empty() && queue.admit(permits, self.all) {
            return (0, None);
        }
        let (number, turn) = queue.push(source, permits);
        (number, Some(turn))
    }

    fn queue(&self) -> MutexGuard<'_, Option<Box<Queue>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    /// Admits a waiter for `permits` to the semaphore, unless those there need all permits.
    fn admit(&mut self, permits: u32, all: u32) -> bool {
        let admitted = self.admitted.saturating_add(permits);
        let fits = self.admitted == 0 || admitted <= all;
        if fits {
            self.admitted = admitted;
        }
        fits
    }

    /// Admits the next waiters in turn, as many as fit.
    fn admit_next(&mut self, all: u32) {
        while let Some(permits) = self.first().map(|waiting| waiting.permits)
            && self.admit(permits, all)
            && let Some(next) = self.pop()
        {
            let _ = next.turn.send(()); // the receiver leaves the queue before it is dropped
        }
    }

    fn push(&mut self, source: Source, permits: u32) -> (u64, oneshot::Receiver<()>) {
        let (turn, receiver) = oneshot::channel();
        self.next += 1;
        let (number, turns) = (self.next, &mut self.turns);
        let (_, waiters) = self.sources.entry(source).or_insert_with(|| {
            turns.insert(number, source);
            (number, BTreeMap::new())
        });
        waiters.insert(number, Waiting { turn, permits });
        (number, receiver)
    }

    /// Returns the waiter whose turn it is.
    fn first(&self) -> Option<&Waiting> {
        let (_, source) = self.turns.first_key_value()?;
        self.sources.get(source)?.1.values().next()
    }

    /// Removes the waiter whose turn it is; its source is the last from now on.
    fn pop(&mut self) -> Option<Waiting> {
        let (_, source) = self.turns.pop_first()?;
        let (_, mut waiters) = self.sources.remove(&source)?;
        let (_, waiting) = waiters.pop_first()?;
        if !waiters.is_empty() {
            self.next += 1;
            self.turns.insert(self.next, source);
            self.sources.insert(source, (self.next, waiters));
        }
        Some(waiting)
    }

    fn remove(&mut self, source: Source, number: u64) {
        let Some((turn, waiters)) = self.sources.get_mut(&source) else { return };
        waiters.remove(&number);
        if waiters.is_empty() {
            self.turns.remove(turn);
            self.sources.remove(&source);
        }
    }
}

/// A waiter, in the queue or at the semaphore; its drop makes way for the next.
struct Waiter {
    semaphore: Arc<FairSemaphore>,
    source: Source,
    permits: u32,
    number: u64,
    /// The turn to come; `None` at the semaphore.
    turn: Option<oneshot::Receiver<()>>,
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut queue = self.semaphore.queue();
        self.semaphore.waiting.fetch_sub(1, Ordering::Release);
        let has_turn = self.turn.as_mut().is_none_or(|turn| turn.try_recv().is_ok());
        let Some(waiters) = &mut *queue else { return };
        match has_turn {
            true => waiters.admitted = waiters.admitted.saturating_sub(self.permits),
            false => waiters.remove(self.source, self.number),
        }
        waiters.admit_next(self.semaphore.all);
        if waiters.admitted == 0 {
            *queue = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, StreamExt, poll, stream::FuturesUnordered};
    use proptest::prelude::*;
    use std::task::{Context, Poll};

    fn source(number: u8) -> Source {
        Source::new(Some([10, 0, 0, number].into()), false)
    }

    #[tokio::test]
    async fn a_source_with_many_waiters_delays_another_by_two_acquisitions() {
        let semaphore = FairSemaphore::new(10);
        let held = semaphore.try_acquire(10).unwrap();
        let waits = async |number: u8| (number, semaphore.clone().acquire(source(number), 10).await);
        let mut waiters: FuturesUnordered<_> = (0..100).map(|_| waits(1).boxed_local()).collect();
        assert!(poll!(waiters.next()).is_pending(), "all of them wait");
        waiters.push(waits(2).boxed_local());
        assert!(poll!(waiters.next()).is_pending());
        drop(held);
        let mut order = Vec::new();
        while let Some((number, permit)) = waiters.next().await {
            order.push(number);
            drop(permit);
        }
        assert_eq!((order.len(), order.iter().position(|number| *number == 2)), (101, Some(2)));
        assert!(semaphore.queue().is_none() && semaphore.available_permits() == 10);
    }

    #[tokio::test]
    async fn waiters_for_few_permits_are_served_together() {
        let semaphore = FairSemaphore::new(10);
        let held = semaphore.try_acquire(10).unwrap();
        let mut waiters: FuturesUnordered<_> =
            (0..30).map(|number| semaphore.clone().acquire(source(number % 2), 1)).collect();
        assert!(poll!(waiters.next()).is_pending());
        assert_eq!(semaphore.queue().as_ref().unwrap().admitted, 10);
        drop(held);
        while waiters.next().await.is_some() {}
        assert!(semaphore.queue().is_none());
    }

    #[tokio::test]
    async fn nobody_passes_those_who_wait() {
        let semaphore = FairSemaphore::new(10);
        let held = semaphore.try_acquire(5).unwrap();
        let mut large = Box::pin(semaphore.clone().acquire(source(1), 10));
        assert!(poll!(&mut large).is_pending());
        assert!(semaphore.try_acquire(1).is_none());
        drop(held);
        drop(large.await);
        assert!(semaphore.try_acquire(10).is_some());
    }

    proptest! {
        /// Whatever is acquired, waited for, given up and returned: no permit and no turn is lost.
        #[test]
        fn no_permit_and_no_turn_is_lost(
            steps in prop::collection::vec((0..4_u8, 0..3_u8, 1..6_u32, any::<prop::sample::Index>()), 1..80),
        ) {
            let semaphore = FairSemaphore::new(5);
            let (mut waiting, mut held) = (Vec::new(), Vec::new());
            let mut cx = Context::from_waker(std::task::Waker::noop());
            for (step, number, permits, at) in steps {
                match step {
                    0 => waiting.push(Box::pin(semaphore.clone().acquire(source(number), permits))),
                    1 if !waiting.is_empty() => drop(waiting.swap_remove(at.index(waiting.len()))),
                    2 if !held.is_empty() => drop(held.swap_remove(at.index(held.len()))),
                    _ => held.extend(semaphore.try_acquire(permits)),
                }
                waiting.retain_mut(|waits| match waits.as_mut().poll(&mut cx) {
                    Poll::Ready(permit) => { held.push(permit); false }
                    Poll::Pending => true,
                });
                prop_assert_eq!(semaphore.waiting.load(Ordering::Relaxed), waiting.len());
            }
            while !waiting.is_empty() {
                let before = (waiting.len(), held.len());
                held.clear();
                waiting.retain_mut(|waits| match waits.as_mut().poll(&mut cx) {
                    Poll::Ready(permit) => { held.push(permit); false }
                    Poll::Pending => true,
                });
                prop_assert!(before.1 > 0 || waiting.len() < before.0, "a turn was lost");
            }
            held.clear();
            prop_assert!(semaphore.queue().is_none());
            prop_assert_eq!(semaphore.available_permits(), 5);
        }
    }
}
