//! Bounds the bytes of messages in flight, from the publisher's socket to the last subscriber's
//! socket or outbox.
//!
//! At the bound sessions are not read and requests wait (backpressure), for `session.stalled_write`
//! at most; after that a session is closed with 1013 `overloaded`, and a request is refused with
//! 503 `busy`. While bytes are scarce, sources get them in turn, one message at a time. Key:
//! `limits.in_flight_bytes`. Metrics: `worldcast_in_flight_bytes` and
//! `worldcast_pauses_total{reason="server"}`.

use super::{Credit, FairPermit, FairSemaphore};
use std::sync::Arc;
use tokio::sync::Semaphore;

/// Bytes that a message costs in addition to its payload: its broadcast and its entries in lists.
const OVERHEAD: usize = 256;

/// A permit to hold a number of bytes in flight; its drop returns them.
pub struct Permit {
    _server: FairPermit,
    /// The credit of the room; `None` for a room that does not exist yet, into which an HTTP
    /// request publishes.
    pub room: Option<Credit>,
}

impl Permit {
    /// Combines a permit of the server's bytes with the credit of the room.
    pub fn new(server: FairPermit, room: Option<Credit>) -> Self {
        Self { _server: server, room }
    }
}

/// Creates the semaphore of a server that allows `bytes` in flight: one permit per byte, and the
/// overhead of one message, so that a message of `bytes` fits.
pub fn in_flight(bytes: usize) -> Arc<FairSemaphore> {
    FairSemaphore::new((bytes + OVERHEAD).min(Semaphore::MAX_PERMITS).min(u32::MAX as usize))
}

/// Returns the permits that a message of `bytes` needs.
pub fn cost(bytes: usize) -> u32 {
    u32::try_from(bytes + OVERHEAD).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_message_fits_when_nothing_else_is_in_flight() {
        assert_eq!(in_flight(1000).available_permits(), cost(1000) as usize);
    }
}
