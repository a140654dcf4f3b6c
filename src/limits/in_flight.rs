//! Bounds the bytes of messages on their way from socket to socket.
//!
//! At the bound a session is not read and a request waits, for `session.stalled_write` at most. Key: `limits.in_flight_bytes`.
//! Metric: `in_flight_bytes`.

use super::Credit;
use std::sync::Arc;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Bytes that a message costs beside its payload: its broadcast and its entries in lists.
const OVERHEAD: usize = 256;

/// The right to hold a number of bytes on the way from socket to socket; returns them when dropped.
pub struct Permit {
    _server: OwnedSemaphorePermit,
    /// The part of what may be in flight in one room; `None` before the speaker's admission to it.
    pub room: Option<Credit>,
}

impl Permit {
    /// A permit of the server's bytes and of the room's credit.
    pub fn new(server: OwnedSemaphorePermit, room: Option<Credit>) -> Self {
        Self { _server: server, room }
    }
}

/// All permits of a server that allows `bytes` in flight.
pub fn in_flight(bytes: usize) -> Arc<Semaphore> {
    Arc::new(Semaphore::new((bytes + OVERHEAD).min(Semaphore::MAX_PERMITS).min(u32::MAX as usize)))
}

/// What a message of `bytes` takes of them.
pub fn cost(bytes: usize) -> u32 {
    u32::try_from(bytes + OVERHEAD).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_message_fits_when_nothing_else_is_under_way() {
        assert_eq!(in_flight(1000).available_permits(), cost(1000) as usize);
    }
}
