//! The closing handshake of a WebSocket connection, and the end of its TCP connection.

use crate::connection::Connection;
use std::task::{Context, Poll, ready};

/// The state of a closing handshake, whether the server or the client began it.
#[derive(Default)]
pub struct ClosingHandshake {
    /// FIN has been sent.
    half_closed: bool,
}

impl ClosingHandshake {
    /// Flushes the outbox, then half-closes and discards the input until the peer's FIN. A socket
    /// that is dropped with unread input resets the connection, and the peer might never read the
    /// close frame (RFC 6455 §7.1.1).
    pub fn poll(&mut self, connection: &Connection, cx: &mut Context<'_>) -> Poll<()> {
        let flushed = connection.poll_flush(cx);
        if flushed.is_ready() && !std::mem::replace(&mut self.half_closed, true) {
            connection.half_close();
        }
        while let Ok(1..) = ready!(connection.poll_read(cx, |_| ())) {}
        Poll::Ready(())
    }
}
