//! The histories of all rooms together, and the room whose messages expire next.

use crate::ids::RoomSlot;
use std::{collections::BTreeSet, time::Instant};

/// The size of one or several histories.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Usage {
    /// The number of messages.
    pub messages: usize,
    /// The sum of their [`Message::cost`](super::Message::cost), in bytes.
    pub bytes: usize,
}

/// A size in bytes, rounded down to an eighth of a power of two, so that a message
/// seldom changes it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct SizeClass(u32);

impl SizeClass {
    /// The lowest class.
    pub const MIN: Self = Self(0);
    /// A class above all others.
    pub const MAX: Self = Self(u32::MAX);

    /// Returns the class of `bytes`; `None` for 0. There are eight classes for each power of two.
    pub fn of(bytes: usize) -> Option<Self> {
        let exponent = bytes.max(8).ilog2();
        let eighth = (bytes.max(8) >> (exponent - 3)) as u32 & 7;
        (bytes > 0).then_some(Self(exponent * 8 + eighth))
    }
}

/// The rooms that have a history, ordered by the time at which a message expires.
#[derive(Debug)]
pub struct HistoryTotals {
    /// The bound of all histories together, in bytes, inclusive (`limits.history_bytes_total`).
    max_bytes: usize,
    usage: Usage,
    /// One entry per room, at or before the time at which its oldest message expires; a stale entry
    /// is corrected when it comes up.
    due: BTreeSet<(Instant, RoomSlot)>,
}

impl HistoryTotals {
    /// Creates totals without a room; `max_bytes` bounds all histories together.
    pub fn new(max_bytes: usize) -> Self {
        Self { max_bytes, usage: Usage::default(), due: BTreeSet::new() }
    }

    /// Returns the size of all histories together.
    pub fn usage(&self) -> Usage {
        self.usage
    }

    /// Returns true if the histories and `overhead` bytes exceed the bound, so that messages must
    /// be forgotten.
    pub fn is_overfull(&self, overhead: usize) -> bool {
        self.usage.bytes + overhead > self.max_bytes
    }

    /// Counts a history that changed from `before` to `after`.
    pub fn change(&mut self, before: Usage, after: Usage) {
        self.usage.messages = self.usage.messages + after.messages - before.messages;
        self.usage.bytes = self.usage.bytes + after.bytes - before.bytes;
    }

    /// Adds an entry for `room`, whose oldest message expires at `at`.
    pub fn schedule(&mut self, room: RoomSlot, at: Instant) {
        self.due.insert((at, room));
    }

    /// Removes the entry of `room` at `at`.
    pub fn unschedule(&mut self, room: RoomSlot, at: Instant) {
        self.due.remove(&(at, room));
    }

    /// Returns the room of the earliest entry by time, and that time.
    pub fn first(&self) -> Option<(Instant, RoomSlot)> {
        self.due.first().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_told_apart_to_within_an_eighth() {
        assert_eq!(SizeClass::of(0), None);
        for bytes in [1, 129, 1000, 1 << 20, usize::MAX >> 4] {
            assert!(SizeClass::of(bytes) >= SizeClass::of(bytes - 1));
            assert!(SizeClass::of(bytes + bytes / 4 + 8) > SizeClass::of(bytes), "{bytes}");
        }
    }
}
