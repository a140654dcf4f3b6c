//! What was said, on its way.

use crate::{
    room::{Credit, Said},
    wire::Prepared,
};
use std::sync::Arc;
use tokio::sync::OwnedSemaphorePermit;

/// The right to hold a number of bytes on the way from socket to socket; gives them back when dropped.
pub struct Permit {
    pub _server: OwnedSemaphorePermit,
    /// A part of what may be under way in the room; none before the speaker's admission to it.
    pub room: Option<Credit>,
}

/// A message on its way through hub and relays, shared by all of them.
pub struct Publication {
    pub said: Arc<Said>,
    pub message: Prepared,
    /// Comes back when every relay has handed the message to its outboxes; what the room remembers holds none.
    permit: Option<Permit>,
}

impl Publication {
    pub fn new(said: Arc<Said>, permit: Option<Permit>) -> Arc<Self> {
        Arc::new(Self { message: Prepared::new(said.payload.clone()), said, permit })
    }

    /// What it cost its room.
    pub fn credit(&self) -> Option<&Credit> {
        self.permit.as_ref()?.room.as_ref()
    }
}
