//! The identifiers that several modules use.

use serde::Serialize;
use std::{
    fmt,
    num::ParseIntError,
    str::FromStr,
    sync::atomic::{AtomicU64, Ordering},
};

/// The identifier of a session, unique in the process: an id is never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize)]
pub struct SessionId(u64);

impl SessionId {
    /// Returns an id that no session has had; the first is 1.
    pub fn next() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        Self(NEXT.fetch_add(1, Ordering::Relaxed))
    }
}

impl FromStr for SessionId {
    type Err = ParseIntError;

    fn from_str(id: &str) -> Result<Self, Self::Err> {
        id.parse().map(Self)
    }
}

impl fmt::Display for SessionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The identifier of the relay of one worker thread, counted from 0 in the order of their start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RelayId(pub u32);

/// The index of a room in the lists of the hub and of the relays: dense, and reused after the room
/// has ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomSlot(pub u32);

impl RoomSlot {
    /// Returns the index in the lists of the hub and of the relays.
    pub fn index(self) -> usize {
        self.0 as usize
    }
}
