//! What all rooms together remember, and which of them forgets next.

use crate::ids::RoomSlot;
use std::{collections::BTreeSet, time::Instant};

/// How much is remembered.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    pub messages: usize,
    pub bytes: usize,
}

/// The size of a history in bytes, to within an eighth: a message seldom changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SizeClass(u32);

impl SizeClass {
    /// Eight classes for each power of two; `None` for nothing.
    pub fn of(bytes: usize) -> Option<Self> {
        let exponent = bytes.max(8).ilog2();
        let eighth = (bytes.max(8) >> (exponent - 3)) as u32 & 7;
        (bytes > 0).then_some(Self(exponent * 8 + eighth))
    }
}

/// The rooms that remember something, by the time when they will have something to forget, and by how much it is.
#[derive(Debug)]
pub struct HistoryTotals {
    most_bytes: usize,
    usage: Usage,
    /// Each room once, not later than its oldest message expires: what expired or was crowded out since
    /// has made it later, which is noticed when its turn comes.
    due: BTreeSet<(Instant, RoomSlot)>,
    /// Each room once, not below its class: a room that became smaller is put right when its turn comes.
    pub(crate) sizes: BTreeSet<(SizeClass, RoomSlot)>,
}

impl HistoryTotals {
    pub fn new(most_bytes: usize) -> Self {
        Self { most_bytes, usage: Usage::default(), due: BTreeSet::new(), sizes: BTreeSet::new() }
    }

    pub fn usage(&self) -> Usage {
        self.usage
    }

    pub fn is_overfull(&self) -> bool {
        self.usage.bytes > self.most_bytes
    }

    /// A room that held `before` holds `after`.
    pub fn change(&mut self, before: Usage, after: Usage) {
        self.usage.messages = self.usage.messages + after.messages - before.messages;
        self.usage.bytes = self.usage.bytes + after.bytes - before.bytes;
    }

    pub fn schedule(&mut self, room: RoomSlot, at: Instant) {
        self.due.insert((at, room));
    }

    pub fn unschedule(&mut self, room: RoomSlot, at: Instant) {
        self.due.remove(&(at, room));
    }

    /// Moves a room from one class to another; `None` is none.
    pub fn resize(&mut self, room: RoomSlot, from: Option<SizeClass>, to: Option<SizeClass>) {
        if let Some(from) = from {
            self.sizes.remove(&(from, room));
        }
        if let Some(to) = to {
            self.sizes.insert((to, room));
        }
    }

    /// The room that was put into the highest class.
    pub fn largest(&self) -> Option<(SizeClass, RoomSlot)> {
        self.sizes.last().copied()
    }

    /// The room whose turn comes first.
    pub fn first(&self) -> Option<(Instant, RoomSlot)> {
        self.due.first().copied()
    }
}
