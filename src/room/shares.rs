//! The rooms that each source holds, and the next one to give way to a new room.

use super::TooManyRooms;
use crate::{ids::RoomSlot, limits::Source};
use std::{
    cmp::Reverse,
    collections::{BTreeSet, HashMap},
    mem,
    time::Instant,
};

/// A room without members, in the order in which rooms of one source give way: first those that no
/// other source has used, then the longest deserted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct DesertedRoom {
    pub opened_by: Source,
    pub is_shared: bool,
    pub since: Instant,
    pub slot: RoomSlot,
}

/// The rooms of each source, within the bound of all rooms (`limits.rooms`).
///
/// A room without members counts for the source that opened it, a room with members for the source
/// of the first of them. While free, all rooms but an eighth are for any source, and its own rooms
/// without members are as good as free. In that eighth a source may have its first room, and then a
/// third of what it leaves free, as in a [`Ledger`](crate::limits::Ledger). At the bound a source
/// takes a room without members from the source that holds most, and none from one that holds less.
#[derive(Debug)]
pub struct RoomShares {
    max_rooms: usize,
    rooms: usize,
    /// A time before any room was deserted.
    began: Instant,
    deserted: BTreeSet<DesertedRoom>,
    by_source: HashMap<Source, Share>,
    /// The sources that have rooms without members.
    by_rank: BTreeSet<(Rank, Source)>,
}

/// The rooms of one source.
#[derive(Clone, Copy, Debug, Default)]
struct Share {
    /// All rooms that count for it.
    rooms: usize,
    /// Those of them that have no members.
    deserted: usize,
    /// The entry in the order of ranks; `None` without deserted rooms.
    rank: Option<Rank>,
}

/// The rank of a source: the number of its rooms, then the time since which the first is deserted.
type Rank = (usize, Reverse<Instant>);

/// The space for a new room.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Space {
    /// There are fewer rooms than allowed.
    Free,
    /// The space of this room, which must end.
    Of(RoomSlot),
}

impl RoomShares {
    /// The reciprocal of the part of all rooms that is kept for sources that hold little.
    const KEPT: usize = 8;
    /// In that part a source leaves so many times its own rooms free for others.
    const LEFT_FREE: usize = 3;
    /// The reciprocal of the part of all rooms below which a source takes rooms without members
    /// from sources that hold no more than itself: on a full server an ordinary client opens its
    /// second.
    const ORDINARY: usize = 1024;

    /// Shares of `max_rooms`, inclusive, of which none is in use.
    pub fn new(max_rooms: usize) -> Self {
        let (deserted, by_source, by_rank) = Default::default();
        Self { max_rooms, rooms: 0, began: Instant::now(), deserted, by_source, by_rank }
    }

    #[cfg(test)]
    pub fn deserted(&self) -> usize {
        self.deserted.len()
    }

    /// Finds the space for a new room of `opener`.
    ///
    /// # Errors
    /// If the opener holds its share, and no room without members may give way to one of its.
    pub fn space_for(&self, opener: Source) -> Result<Space, TooManyRooms> {
        let own = self.by_source.get(&opener).copied().unwrap_or_default();
        if self.may_use_free(own) {
            return Ok(Space::Free);
        }
        let ((most, _), holder) = *self.by_rank.last().ok_or(TooManyRooms)?;
        let is_ordinary = own.rooms < self.max_rooms / Self::ORDINARY;
        let gives = match own.deserted {
            1.. if own.rooms >= most => opener,
            _ if most > own.rooms || is_ordinary => holder,
            _ => return Err(TooManyRooms),
        };
        self.first_of(gives).map(|room| Space::Of(room.slot)).ok_or(TooManyRooms)
    }

    /// Counts a room that begins without members.
    pub fn begin(&mut self, room: DesertedRoom) {
        self.rooms += 1;
        self.add_deserted(room);
    }

    /// Counts `room` for `holder` from now on, the source of its first member.
    pub fn occupy(&mut self, room: DesertedRoom, holder: Source) {
        self.remove_deserted(room, usize::from(room.opened_by != holder));
        if room.opened_by != holder {
            self.change(holder, |share| share.rooms += 1);
        }
    }

    /// Counts `room`, which its last member has left, for the source that opened it; it counted for
    /// `holder`.
    pub fn desert(&mut self, room: DesertedRoom, holder: Source) {
        self.change(holder, |share| share.rooms -= 1);
        self.add_deserted(room);
    }

    /// Counts a room that cannot give way for `to` instead of `from`.
    pub fn pass(&mut self, from: Source, to: Source) {
        if from != to {
            self.change(from, |share| share.rooms -= 1);
            self.change(to, |share| share.rooms += 1);
        }
    }

    /// Removes a room of `holder` that ends although it could not give way.
    pub fn end_occupied(&mut self, holder: Source) {
        self.rooms -= 1;
        self.change(holder, |share| share.rooms -= 1);
    }

    /// Removes a room that ends.
    pub fn end(&mut self, room: DesertedRoom) {
        self.rooms -= 1;
        self.remove_deserted(room, 1);
    }

    /// Notes that another source uses `room`, which has no members.
    pub fn share(&mut self, room: DesertedRoom) {
        self.remove_deserted(DesertedRoom { is_shared: false, ..room }, 1);
        self.add_deserted(DesertedRoom { is_shared: true, ..room });
    }

    fn may_use_free(&self, own: Share) -> bool {
        let Some(left) = (self.max_rooms - self.rooms).checked_sub(1) else { return false };
        let left = left + own.deserted;
        own.rooms == 0 || left >= self.kept() || (own.rooms + 1).saturating_mul(Self::LEFT_FREE) <= left
    }

    /// The rooms that are kept for sources that hold little: an eighth, rounded up; none of fewer
    /// than four.
    fn kept(&self) -> usize {
        if self.max_rooms < 4 { 0 } else { self.max_rooms.div_ceil(Self::KEPT) }
    }

    fn first_of(&self, source: Source) -> Option<&DesertedRoom> {
        let lowest =
            DesertedRoom { opened_by: source, is_shared: false, since: self.began, slot: RoomSlot(0) };
        self.deserted.range(lowest..).next().filter(|room| room.opened_by == source)
    }

    fn add_deserted(&mut self, room: DesertedRoom) {
        self.deserted.insert(room);
        self.change(room.opened_by, |share| {
            share.rooms += 1;
            share.deserted += 1;
        });
    }

    /// Removes a room from those without members, and `rooms` of all from the share of its opener.
    fn remove_deserted(&mut self, room: DesertedRoom, rooms: usize) {
        self.deserted.remove(&room);
        self.change(room.opened_by, |share| {
            share.rooms -= rooms;
            share.deserted -= 1;
        });
    }

    /// Changes the share of `source`, whose rooms without members have just changed, and its rank.
    fn change(&mut self, source: Source, change: impl FnOnce(&mut Share)) {
        let mut share = self.by_source.get(&source).copied().unwrap_or_default();
        change(&mut share);
        let first = if share.deserted > 0 { self.first_of(source) } else { None };
        let rank = first.map(|first| (share.rooms, Reverse(first.since)));
        if rank != share.rank {
            if let Some(before) = mem::replace(&mut share.rank, rank) {
                self.by_rank.remove(&(before, source));
            }
            if let Some(rank) = rank {
                self.by_rank.insert((rank, source));
            }
        }
        if share.rooms > 0 {
            self.by_source.insert(source, share);
            return;
        }
        self.by_source.remove(&source);
        if self.by_source.is_empty() {
            self.by_source.shrink_to_fit();
        }
    }
}

#[cfg(test)]
mod tests;
