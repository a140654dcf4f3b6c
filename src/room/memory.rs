//! What all rooms together remember, and which of them forgets next.

use super::RoomSlot;
use std::{collections::BTreeSet, time::Instant};

/// How much is remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Held {
    pub messages: usize,
    pub bytes: usize,
}

/// The rooms that remember something, by the time when they will have something to forget.
#[derive(Debug)]
pub struct Memory {
    most_bytes: usize,
    held: Held,
    /// Each room once, not later than its oldest message expires: what expired or was crowded out since
    /// has made it later, which is noticed when its turn comes.
    due: BTreeSet<(Instant, RoomSlot)>,
}

impl Memory {
    pub fn new(most_bytes: usize) -> Self {
        Self { most_bytes, held: Held::default(), due: BTreeSet::new() }
    }

    pub fn held(&self) -> Held {
        self.held
    }

    pub fn is_overfull(&self) -> bool {
        self.held.bytes > self.most_bytes
    }

    /// A room that held `before` holds `after`.
    pub fn change(&mut self, before: Held, after: Held) {
        self.held.messages = self.held.messages + after.messages - before.messages;
        self.held.bytes = self.held.bytes + after.bytes - before.bytes;
    }

    pub fn schedule(&mut self, room: RoomSlot, at: Instant) {
        self.due.insert((at, room));
    }

    pub fn unschedule(&mut self, room: RoomSlot, at: Instant) {
        self.due.remove(&(at, room));
    }

    /// The room whose turn comes first.
    pub fn first(&self) -> Option<(Instant, RoomSlot)> {
        self.due.first().copied()
    }
}
