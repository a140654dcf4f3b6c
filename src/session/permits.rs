//! The permits of one session: bytes in flight in the whole server, and credit in its room.

use crate::{
    connection::Pause,
    ids::{ConnectionId, RoomSlot},
    limits::{Credit, Flow, Permit, PollFairSemaphore, Source, cost},
    relay::WorkerContext,
};
use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    task::{Context, Poll},
};

/// Passes a permit from the input stream, which waits for it, to the session, which sends it along
/// with the message.
pub struct Permits {
    worker: Rc<WorkerContext>,
    session: ConnectionId,
    /// The source in whose turn permits are acquired.
    source: Source,
    server: RefCell<PollFairSemaphore>,
    /// The room, from the first message after the admission.
    room: RefCell<Option<Membership>>,
    /// Credit in the room, acquired while the permit of the server is still missing.
    credit: Cell<Option<Credit>>,
    /// The complete permit of the message that was yielded last.
    reserved: Cell<Option<Permit>>,
}

struct Membership {
    room: RoomSlot,
    credit: PollFairSemaphore,
    flow: Flow,
}

impl Permits {
    pub fn new(worker: Rc<WorkerContext>, session: ConnectionId, source: Source) -> Self {
        Self {
            session,
            source,
            server: RefCell::new(PollFairSemaphore::new(worker.shared.limits.in_flight.clone())),
            room: RefCell::new(None),
            credit: Cell::new(None),
            reserved: Cell::new(None),
            worker,
        }
    }

    /// Reserves a permit for a message of `bytes`: credit in its room first, then bytes in flight
    /// in the server.
    ///
    /// # Errors
    /// Returns the limit that the message waits for, and registers the waker of the stream.
    pub fn reserve(&self, cx: &mut Context<'_>, bytes: usize) -> Result<(), Pause> {
        let credit = match self.credit.take() {
            None => Some(self.poll_credit(cx, bytes)?),
            taken => taken,
        };
        // A JSON request may exceed the whole limit, and then needs all of it.
        let all = self.worker.shared.limits.sizes.in_flight;
        match self.server.borrow_mut().poll_acquire(cx, self.source, cost(bytes.min(all))) {
            Poll::Ready(server) => {
                self.reserved.set(Some(Permit::new(server, credit)));
                Ok(())
            }
            Poll::Pending => {
                self.credit.set(credit);
                Err(Pause::Server)
            }
        }
    }

    /// Takes the permit of the message that the input stream has just yielded.
    pub fn take(&self) -> Option<Permit> {
        self.reserved.take()
    }

    /// Returns the room of the message that the input stream has just yielded.
    pub fn room(&self) -> Option<RoomSlot> {
        self.room.borrow().as_ref().map(|membership| membership.room)
    }

    /// Returns held permits and cancels pending acquisitions.
    pub fn cancel(&self) {
        let server = PollFairSemaphore::new(self.worker.shared.limits.in_flight.clone());
        self.server.replace(server);
        self.room.take();
        self.credit.take();
    }

    fn poll_credit(&self, cx: &mut Context<'_>, bytes: usize) -> Result<Credit, Pause> {
        let mut room = self.room.borrow_mut();
        if room.is_none() {
            *room = self.worker.local_sessions.borrow().room(self.session).map(Membership::new);
        }
        let Some(Membership { credit, flow, .. }) = &mut *room else { return Err(Pause::Admission) };
        match credit.poll_acquire(cx, self.source, flow.cost(bytes)) {
            Poll::Ready(credit) => Ok(Arc::new(credit)),
            Poll::Pending => Err(Pause::Room),
        }
    }
}

impl Membership {
    fn new((room, flow): (RoomSlot, Flow)) -> Self {
        Self { room, credit: PollFairSemaphore::new(flow.credit.clone()), flow }
    }
}
