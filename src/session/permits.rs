//! The permits of one session's messages: credit in its room, then bytes in flight in the server.

use crate::{
    connection::{Membership, Pause},
    limits::{Credit, FairPermit, FairSemaphore, Permit, Source, cost},
    shared::Shared,
};
use std::{
    sync::Arc,
    task::{Context, Poll, ready},
};
use tokio_util::sync::ReusableBoxFuture;

/// The permits of the message that waits to be yielded.
pub struct Permits {
    /// The source in whose turn permits are acquired.
    source: Source,
    /// Credit in the room, acquired while the permit of the server is still missing.
    credit: Option<Credit>,
    acquisition: Acquisition,
}

impl Permits {
    pub fn new(source: Source) -> Self {
        Self { source, credit: None, acquisition: Acquisition::default() }
    }

    /// Returns held permits, and leaves the queues.
    pub fn cancel(&mut self) {
        *self = Self::new(self.source);
    }

    /// Acquires the permit for a message of `bytes`: credit in its room first, then bytes in flight
    /// in the server.
    ///
    /// # Errors
    /// Returns the limit that the message waits for, and registers the waker of the stream. The
    /// caller repeats the call with the same message, or drops these permits.
    pub fn acquire(
        &mut self,
        cx: &mut Context<'_>,
        shared: &Shared,
        Membership { flow, .. }: &Membership,
        bytes: usize,
    ) -> Result<Permit, Pause> {
        let credit = match self.credit.take() {
            Some(credit) => credit,
            None => match self.acquisition.poll(cx, &flow.credit, self.source, flow.cost(bytes)) {
                Poll::Ready(credit) => Arc::new(credit),
                Poll::Pending => return Err(Pause::Room),
            },
        };
        // A JSON request may exceed the whole limit, and then needs all of it.
        let all = shared.limits.sizes.in_flight;
        match self.acquisition.poll(cx, &shared.limits.in_flight, self.source, cost(bytes.min(all))) {
            Poll::Ready(server) => Ok(Permit::new(server, Some(credit))),
            Poll::Pending => {
                self.credit = Some(credit);
                Err(Pause::Server)
            }
        }
    }
}

/// An acquisition from a semaphore: immediate where possible, otherwise a future that waits in the
/// queue of the semaphore.
#[derive(Default)]
struct Acquisition {
    /// The last future; its memory is used again by the next one. `None` before the first wait.
    future: Option<ReusableBoxFuture<'static, FairPermit>>,
    /// `future` waits for the present acquisition, and is not just kept for its memory.
    is_waiting: bool,
}

impl Acquisition {
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        semaphore: &Arc<FairSemaphore>,
        source: Source,
        permits: u32,
    ) -> Poll<FairPermit> {
        if !self.is_waiting {
            if let Some(permit) = semaphore.try_acquire(permits) {
                return Poll::Ready(permit);
            }
            self.wait(semaphore.clone().acquire(source, permits));
        }
        let Some(future) = &mut self.future else { return Poll::Pending }; // `wait` has set it
        let permit = ready!(future.poll(cx));
        self.is_waiting = false;
        Poll::Ready(permit)
    }

    fn wait(&mut self, acquire: impl Future<Output = FairPermit> + Send + 'static) {
        match &mut self.future {
            Some(future) => future.set(acquire),
            None => self.future = Some(ReusableBoxFuture::new(acquire)),
        }
        self.is_waiting = true;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        limits::Flow,
        testing::{self, slot},
    };
    use std::{cell::Cell, task::Waker};

    const BYTES: usize = 1000;

    fn member(shared: &Shared) -> Membership {
        Membership { room: slot(), index: Cell::new(0), flow: Flow::of(shared.policy.load().session.outbox) }
    }

    fn acquire(permits: &mut Permits, shared: &Shared, member: &Membership) -> Result<Permit, Pause> {
        permits.acquire(&mut Context::from_waker(Waker::noop()), shared, member, BYTES)
    }

    /// Acquires all free permits of `semaphore`.
    fn take_all(semaphore: &Arc<FairSemaphore>) -> FairPermit {
        let free = u32::try_from(semaphore.available_permits()).unwrap();
        semaphore.try_acquire(free).unwrap()
    }

    #[test]
    fn a_message_waits_for_credit_and_then_for_the_server_again_and_again() {
        let shared = testing::shared();
        let (member, server) = (member(&shared), &shared.limits.in_flight);
        let (credit, all) = (member.flow.credit.available_permits(), server.available_permits());
        let mut permits = Permits::new(Source::new(None, false));
        for _ in 0..3 {
            let (in_room, in_server) = (take_all(&member.flow.credit), take_all(server));
            assert_eq!(acquire(&mut permits, &shared, &member).err(), Some(Pause::Room));
            drop(in_room);
            assert_eq!(acquire(&mut permits, &shared, &member).err(), Some(Pause::Server));
            assert!(member.flow.credit.available_permits() < credit, "its credit is kept for it");
            drop(in_server);
            drop(acquire(&mut permits, &shared, &member).expect("both are free"));
            let free = (member.flow.credit.available_permits(), server.available_permits());
            assert_eq!(free, (credit, all), "the drop of a permit returns both parts");
        }
    }

    #[test]
    fn a_message_that_is_given_up_returns_its_credit_and_leaves_the_queues() {
        let shared = testing::shared();
        let (member, server) = (member(&shared), &shared.limits.in_flight);
        let (credit, all) = (member.flow.credit.available_permits(), server.available_permits());
        for waits_for in [Pause::Room, Pause::Server] {
            let in_room = (waits_for == Pause::Room).then(|| take_all(&member.flow.credit));
            let in_server = take_all(server);
            let mut permits = Permits::new(Source::new(None, false));
            assert_eq!(acquire(&mut permits, &shared, &member).err(), Some(waits_for));
            drop(permits);
            drop((in_room, in_server));
            assert_eq!((member.flow.credit.available_permits(), server.available_permits()), (credit, all));
        }
    }
}
