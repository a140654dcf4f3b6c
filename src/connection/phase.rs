//! How far a session is from its end.

use crate::clock;
use std::time::Instant;

/// The phases of a session, in their order; none is ever entered again.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Phase {
    /// Both directions are open.
    Open,
    /// The client is no longer listened to; it still hears what was said before.
    Finishing,
    /// Our close frame is queued or sent; nothing follows it.
    Closing { since: Instant },
    /// The connection is of no use any more.
    Gone,
}

impl Phase {
    pub fn closing_now() -> Self {
        Self::Closing { since: clock::now() }
    }

    /// Whether frames may still be sent.
    pub fn may_send(self) -> bool {
        matches!(self, Self::Open | Self::Finishing)
    }
}
