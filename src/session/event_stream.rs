//! The input stream of an event stream's session: it yields no message and drives the socket.

use super::{closing_handshake::poll_closed, input::Incoming};
use crate::{
    connection::{Connection, Phase},
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
}

impl EventStreamInput {
    pub fn new(connection: Rc<Connection>) -> Self {
        Self { connection }
    }

    /// Ready at the end of the connection. All input is discarded: an event stream has one
    /// direction.
    fn poll_end(&self, cx: &mut Context<'_>) -> Poll<()> {
        if let Poll::Ready(Err(_)) = self.connection.poll_flush(cx) {
            return Poll::Ready(());
        }
        loop {
            match self.connection.poll_read(cx, |_| ()) {
                Poll::Ready(Ok(1..)) => {}
                end => return end.map(|_| ()), // a FIN or a reset
            }
        }
    }
}

impl Stream for EventStreamInput {
    type Item = Result<Incoming, WireError>;

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.connection.register_waker(cx);
        let ended = match self.connection.phase() {
            Phase::Gone => Poll::Ready(()),
            Phase::Closing { .. } => poll_closed(&self.connection, cx),
            Phase::Open | Phase::Finishing => self.poll_end(cx),
        };
        ended.map(|()| None)
    }
}
