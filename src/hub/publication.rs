//! What was said, by whom, and who is to hear it.

use crate::room::Credit;
use crate::wire::{Payload, Prepared};
use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};
use tokio::sync::OwnedSemaphorePermit;

/// One session, for as long as the process lives: ids are never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SessionId(u64);

impl SessionId {
    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Which members of the room hear a publication.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Audience {
    Everyone,
    EveryoneBut(SessionId),
}

impl Audience {
    pub fn left_out(self) -> Option<SessionId> {
        match self {
            Self::Everyone => None,
            Self::EveryoneBut(session) => Some(session),
        }
    }
}

/// The right to hold a number of bytes on the way from socket to socket; gives them back when dropped.
pub struct Permit {
    pub _server: OwnedSemaphorePermit,
    /// A part of what may be under way in the room; none before the speaker's admission to it.
    pub room: Option<Credit>,
}

/// A message on its way through hub and relays, shared by all of them.
pub struct Publication {
    pub message: Prepared,
    pub audience: Audience,
    /// When the hub took it.
    pub taken: Instant,
    /// Comes back when every relay has handed the message to its outboxes.
    permit: Option<Permit>,
}

impl Publication {
    pub fn new(payload: Payload, audience: Audience, permit: Option<Permit>) -> Arc<Self> {
        Arc::new(Self { message: Prepared::new(payload), audience, taken: Instant::now(), permit })
    }

    /// What it cost its room.
    pub fn credit(&self) -> Option<&Credit> {
        self.permit.as_ref()?.room.as_ref()
    }
}
