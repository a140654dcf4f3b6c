//! The input stream of an event stream's session: it yields no message and drives the socket.

use super::{
    closing_handshake::{poll_closed, poll_discard},
    input::Incoming,
};
use crate::{
    connection::{Connection, Phase},
    relay::WorkerContext,
    wire::WireError,
};
use futures_util::Stream;
use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
};

/// A stream without items, which ends when the connection ends.
pub struct EventStreamInput {
    connection: Rc<Connection>,
    worker: Rc<WorkerContext>,
}

impl EventStreamInput {
    pub fn new(connection: Rc<Connection>, worker: Rc<WorkerContext>) -> Self {
        Self { connection, worker }
    }

    /// Ready at the end of the connection. All input is discarded: an event stream has one
    /// direction.
    fn poll_end(&self, cx: &mut Context<'_>) -> Poll<()> {
        if let Poll::Ready(Err(_)) = self.connection.poll_flush(cx) {
            return Poll::Ready(());
        }
        poll_discard(&self.connection, &self.worker, cx)
    }
}

impl Stream for EventStreamInput {
    type Item = Result<Incoming, WireError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.connection.register_waker(cx);
        let ended = match self.connection.phase() {
            Phase::Gone => Poll::Ready(()),
            Phase::Closing { .. } => poll_closed(&self.connection, &self.worker, cx),
            Phase::Open | Phase::Finishing => self.poll_end(cx),
        };
        ended.map(|()| None)
    }
}
