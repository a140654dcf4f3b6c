//! A semaphore whose waiters are served in turn by source, so that a source with many waiters delays
//! another by two acquisitions at most and not by all of its own.

use super::Source;
use std::{
    collections::{BTreeMap, HashMap},
    future::Future,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll, ready},
};
use tokio::sync::{Semaphore, oneshot};

/// Permits that sources take in turn while they are scarce. Without a waiter an acquisition is that
/// of a [`Semaphore`].
///
/// One waiter at most stands at the semaphore itself, so that no permit goes past the turn of another.
#[derive(Debug)]
pub struct FairSemaphore {
    permits: Semaphore,
    /// The waiters, and the acquisition at the semaphore.
    waiting: AtomicUsize,
    /// `None` while no waiter stands at the semaphore.
    queue: Mutex<Option<Box<Queue>>>,
}

/// The waiters behind the one at the semaphore.
#[derive(Debug, Default)]
struct Queue {
    next: u64,
    /// The waiters of each source, oldest first, and the turn of the source.
    sources: HashMap<Source, (u64, BTreeMap<u64, oneshot::Sender<()>>)>,
    turns: BTreeMap<u64, Source>,
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
        let permits = Semaphore::new(permits);
        Arc::new(Self { permits, waiting: AtomicUsize::new(0), queue: Mutex::new(None) })
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
        let _waiter = self.clone().wait_for_turn(source).await;
        let acquired = self.permits.acquire_many(permits).await;
        acquired.expect("a fair semaphore is never closed").forget();
        FairPermit { semaphore: self.clone(), permits }
    }

    async fn wait_for_turn(self: Arc<Self>, source: Source) -> Waiter {
        let (number, turn) = self.enqueue(source);
        let mut waiter = Waiter { semaphore: self, source, number, turn };
        if let Some(turn) = &mut waiter.turn {
            let _ = turn.await; // a sender is dropped after it has sent, or with its waiter
            waiter.turn = None;
        }
        waiter
    }

    /// Queues a waiter; without a receiver it stands at the semaphore at once.
    fn enqueue(&self, source: Source) -> (u64, Option<oneshot::Receiver<()>>) {
        let mut queue = self.queue();
        self.waiting.fetch_add(1, Ordering::Release);
        match &mut *queue {
            Some(queue) => {
                let (number, turn) = queue.push(source);
                (number, Some(turn))
            }
            none => {
                *none = Some(Box::default());
                (0, None)
            }
        }
    }

    fn queue(&self) -> MutexGuard<'_, Option<Box<Queue>>> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn push(&mut self, source: Source) -> (u64, oneshot::Receiver<()>) {
        let (sender, receiver) = oneshot::channel();
        self.next += 1;
        let (number, turns) = (self.next, &mut self.turns);
        let (_, waiters) = self.sources.entry(source).or_insert_with(|| {
            turns.insert(number, source);
            (number, BTreeMap::new())
        });
        waiters.insert(number, sender);
        (number, receiver)
    }

    /// Removes the waiter whose turn it is; its source is the last from now on.
    fn pop(&mut self) -> Option<oneshot::Sender<()>> {
        let (_, source) = self.turns.pop_first()?;
        let (_, mut waiters) = self.sources.remove(&source)?;
        let (_, sender) = waiters.pop_first()?;
        if !waiters.is_empty() {
            self.next += 1;
            self.turns.insert(self.next, source);
            self.sources.insert(source, (self.next, waiters));
        }
        Some(sender)
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
        if !has_turn {
            return waiters.remove(self.source, self.number);
        }
        match waiters.pop() {
            Some(next) => drop(next.send(())), // the receiver is removed under this lock
            None => *queue = None,
        }
    }
}

/// Acquires permits of a [`FairSemaphore`] in a poll function, one acquisition after another.
pub struct PollFairSemaphore {
    semaphore: Arc<FairSemaphore>,
    waits: Option<Pin<Box<dyn Future<Output = FairPermit>>>>,
}

impl PollFairSemaphore {
    /// Creates it without an acquisition.
    pub fn new(semaphore: Arc<FairSemaphore>) -> Self {
        Self { semaphore, waits: None }
    }

    /// Acquires `permits` for `source`, both of which stay the same until it is ready.
    pub fn poll_acquire(&mut self, cx: &mut Context<'_>, source: Source, permits: u32) -> Poll<FairPermit> {
        if self.waits.is_none()
            && let Some(permit) = self.semaphore.try_acquire(permits)
        {
            return Poll::Ready(permit);
        }
        let semaphore = &self.semaphore;
        let waits = self.waits.get_or_insert_with(|| Box::pin(semaphore.clone().acquire(source, permits)));
        let permit = ready!(waits.as_mut().poll(cx));
        self.waits = None;
        Poll::Ready(permit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::{FutureExt, StreamExt, poll, stream::FuturesUnordered};
    use proptest::prelude::*;

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
