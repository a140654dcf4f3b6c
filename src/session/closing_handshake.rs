//! The closing handshake of a WebSocket connection, and the end of its TCP connection.

use crate::{connection::Connection, relay::WorkerContext};
use std::task::{Context, Poll, ready};

/// Drives the closing handshake, whether the server or the client began it: flushes the outbox,
/// then half-closes and discards the input until the peer's FIN. A socket that is dropped with
/// unread input resets the connection, and the peer might never read the close frame (RFC 6455
/// §7.1.1).
pub fn poll_closed(connection: &Connection, worker: &WorkerContext, cx: &mut Context<'_>) -> Poll<()> {
    if connection.poll_flush(cx).is_ready() {
        connection.half_close();
    }
    poll_discard(connection, worker, cx)
}

/// Discards the input; ready at its end, by a FIN or a reset.
pub fn poll_discard(connection: &Connection, worker: &WorkerContext, cx: &mut Context<'_>) -> Poll<()> {
    let mut buffer = worker.read_buffer.borrow_mut();
    while let Ok(1..) = ready!(connection.poll_read(cx, &mut buffer)) {}
    Poll::Ready(())
}
