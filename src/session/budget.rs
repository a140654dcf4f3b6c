//! The session's claim on the bytes that may be under way in the whole server.

use crate::hub::Permit;
use std::{
    cell::{Cell, RefCell},
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio::sync::Semaphore;
use tokio_util::sync::PollSemaphore;

/// What a message costs beside its bytes: the publication and its place in the lists.
const OVERHEAD: usize = 256;

/// Hands a permit from the input stream, which waits for it, to the session, which sends it along.
pub struct Budget {
    permits: RefCell<PollSemaphore>,
    reserved: Cell<Option<Permit>>,
}

impl Budget {
    pub fn new(in_flight: Arc<Semaphore>) -> Self {
        Self { permits: RefCell::new(PollSemaphore::new(in_flight)), reserved: Cell::new(None) }
    }

    /// Ready when the server has room for a message of `bytes`.
    pub fn poll_reserve(&self, cx: &mut Context<'_>, bytes: usize) -> Poll<()> {
        let permit = ready!(self.permits.borrow_mut().poll_acquire_many(cx, cost(bytes)));
        self.reserved.set(permit);
        Poll::Ready(())
    }

    /// The permit for the message that the input stream has just yielded.
    pub fn claim(&self) -> Option<Permit> {
        self.reserved.take()
    }
}

/// All permits of a server that allows `bytes` in flight.
pub fn in_flight(bytes: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new((bytes + OVERHEAD).min(Semaphore::MAX_PERMITS).min(u32::MAX as usize)))
}

fn cost(bytes: usize) -> u32 {
    u32::try_from(bytes + OVERHEAD).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::future::poll_fn;

    #[tokio::test]
    async fn the_largest_message_fits_when_nothing_else_is_under_way() {
        let budget = Budget::new(in_flight(1000));
        poll_fn(|cx| budget.poll_reserve(cx, 1000)).await;
        assert!(budget.claim().is_some());
    }

    #[tokio::test]
    async fn a_message_waits_until_others_have_arrived() {
        let permits = in_flight(1000);
        let (first, second) = (Budget::new(permits.clone()), Budget::new(permits));
        poll_fn(|cx| first.poll_reserve(cx, 900)).await;
        let on_its_way = first.claim();

        assert!(poll_fn(|cx| Poll::Ready(second.poll_reserve(cx, 900))).await.is_pending());
        drop(on_its_way);
        poll_fn(|cx| second.poll_reserve(cx, 900)).await;
        assert!(second.claim().is_some());
    }
}
