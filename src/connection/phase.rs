//! The phases of a connection, up to its end.

use crate::clock;
use std::time::Instant;

/// The phase of a connection. Phases follow each other in this order, and none is entered twice.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Phase {
    /// Both directions are open.
    Open,
    /// Nothing more is read; messages published before are still delivered.
    Finishing,
    /// The server's close frame is queued or sent; nothing follows it.
    Closing {
        /// The time from which the deadline `session.close_within` counts.
        since: Instant,
    },
    /// The connection has failed, or was reset.
    Gone,
}

impl Phase {
    /// A closing phase that begins at once.
    pub fn closing_now() -> Self {
        Self::Closing { since: clock::now() }
    }

    /// Returns `true` while frames may still be sent.
    pub fn may_send(self) -> bool {
        matches!(self, Self::Open | Self::Finishing)
    }
}
