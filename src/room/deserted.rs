//! The rooms without members, and the next one to give way to a new room.

use crate::{ids::RoomSlot, limits::Source};
use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
    time::Instant,
};

/// A room without members, in the order in which rooms of one source give way: first those that no
/// other source has used, then the longest deserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DesertedRoom {
    /// The source of the client that opened the room.
    pub opened_by: Source,
    /// True if clients of another source have been members.
    pub is_shared: bool,
    /// The time at which the last member left.
    pub since: Instant,
    /// The slot of the room.
    pub slot: RoomSlot,
}

/// All rooms without members, by source: a source that opens many rooms displaces its own.
#[derive(Debug)]
pub struct Deserted {
    /// A time before any room was deserted.
    began: Instant,
    rooms: BTreeSet<DesertedRoom>,
    ranks: HashMap<Source, Rank>,
    by_rank: BTreeSet<(Rank, Source)>,
}

/// The rank of a source: the number of its rooms, then the time since which the first is deserted.
type Rank = (usize, Reverse<Instant>);

impl Deserted {
    /// Creates an empty list.
    pub fn new() -> Self {
        let (rooms, ranks, by_rank) = Default::default();
        Self { began: Instant::now(), rooms, ranks, by_rank }
    }

    /// Returns the number of rooms.
    #[cfg(test)]
    pub fn len(&self) -> usize {
        self.rooms.len()
    }

    /// Adds a room whose last member has left.
    pub fn insert(&mut self, room: DesertedRoom) {
        if self.rooms.insert(room) {
            self.rank(room.opened_by, |count| count + 1);
        }
    }

    /// Removes a room that has a member again, or ends.
    pub fn remove(&mut self, room: DesertedRoom) {
        if self.rooms.remove(&room) {
            self.rank(room.opened_by, |count| count - 1);
        }
    }

    /// The room that gives way to one of `opener`: the first of the source with most rooms, which
    /// is `opener` if no other source has more.
    pub fn first_to_go(&self, opener: Source) -> Option<RoomSlot> {
        let ((most, _), source) = *self.by_rank.last()?;
        let own = self.ranks.get(&opener).is_some_and(|(count, _)| *count == most);
        Some(self.first_of(if own { opener } else { source })?.slot)
    }

    fn first_of(&self, source: Source) -> Option<&DesertedRoom> {
        let lowest =
            DesertedRoom { opened_by: source, is_shared: false, since: self.began, slot: RoomSlot(0) };
        self.rooms.range(lowest..).next().filter(|room| room.opened_by == source)
    }

    /// Updates the rank of `source` after one of its rooms was added or removed.
    fn rank(&mut self, source: Source, count: impl FnOnce(usize) -> usize) {
        let before = self.ranks.remove(&source);
        if let Some(rank) = before {
            self.by_rank.remove(&(rank, source));
        }
        let count = count(before.map_or(0, |(count, _)| count));
        if let Some(first) = self.first_of(source) {
            let rank = (count, Reverse(first.since));
            self.ranks.insert(source, rank);
            self.by_rank.insert((rank, source));
        }
        if self.ranks.is_empty() {
            self.ranks.shrink_to_fit();
        }
    }
}
