//! All rooms of this node and their members: found by name, kept by slot.

use super::{
    Presence, Room, RoomPolicy,
    shares::{RoomShares, Space},
};
use crate::{
    config::RoomName,
    history::HistoryLimits,
    ids::{RelayId, RoomSlot},
    limits::{Flow, Source},
};
use std::{
    collections::{BTreeMap, HashMap},
    mem,
    ops::Bound,
    sync::Arc,
    time::Instant,
};

/// All rooms, by name and by slot.
pub struct Rooms {
    by_name: HashMap<RoomName, RoomSlot>,
    /// The slots in the order of names, for lists.
    in_order: BTreeMap<RoomName, RoomSlot>,
    rooms: Vec<Option<Room>>,
    free: Vec<RoomSlot>,
    flow: Flow,
    shares: RoomShares,
}

/// A room that was opened, and what that changed.
#[derive(Clone, Copy, Debug)]
pub struct Opened {
    /// The slot of the room.
    pub slot: RoomSlot,
    /// The bounds of its history, if the room begins now.
    pub begins: Option<HistoryLimits>,
    /// The former slot of a room that ended to make space.
    pub gave_way: Option<RoomSlot>,
}

/// The rooms are as many as allowed for a source, and none may give way to another of it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TooManyRooms;

impl Rooms {
    /// Creates the rooms of a node, at most `max_rooms` of them, inclusive; each has a flow like
    /// this one.
    pub fn new(max_rooms: usize, flow: Flow) -> Self {
        Self {
            by_name: HashMap::new(),
            in_order: BTreeMap::new(),
            rooms: Vec::new(),
            free: Vec::new(),
            flow,
            shares: RoomShares::new(max_rooms),
        }
    }

    /// Returns the room of this name.
    pub fn find(&self, name: &RoomName) -> Option<&Room> {
        self.by_name.get(name).and_then(|slot| self.get(*slot))
    }

    /// Iterates over the rooms after `name` in the order of names; over all rooms without a name.
    pub fn after(&self, name: Option<&RoomName>) -> impl Iterator<Item = &Room> {
        let from = name.map_or(Bound::Unbounded, Bound::Excluded);
        self.in_order.range((from, Bound::Unbounded)).filter_map(|(_, slot)| self.get(*slot))
    }

    /// Returns the number of rooms.
    pub fn count(&self) -> usize {
        self.by_name.len()
    }

    /// Finds the room of this name for `source`, or begins it. At the bound a room without members
    /// gives way: one of the source that holds most rooms.
    ///
    /// # Errors
    /// If `source` holds its share of the rooms, and none may give way to another.
    pub fn open(
        &mut self,
        name: &RoomName,
        source: Source,
        policy: impl FnOnce() -> Arc<RoomPolicy>,
        now: Instant,
    ) -> Result<Opened, TooManyRooms> {
        if let Some(slot) = self.by_name.get(name).copied() {
            self.share(slot, source);
            return Ok(Opened { slot, begins: None, gave_way: None });
        }
        let gave_way = match self.shares.space_for(source)? {
            Space::Free => None,
            Space::Of(deserted) => {
                self.end(deserted);
                Some(deserted)
            }
        };
        let policy = policy();
        let begins = Some(policy.history);
        Ok(Opened { slot: self.insert(name.clone(), source, policy, now), begins, gave_way })
    }

    /// Notes that `source` uses a room, perhaps one that another source has opened.
    fn share(&mut self, slot: RoomSlot, source: Source) {
        let room = self.get_mut(slot);
        if room.is_shared || room.opened_by == source {
            return;
        }
        let before = room.deserted();
        room.is_shared = true;
        if let Some(before) = before {
            self.shares.share(before);
        }
    }

    /// Counts one more member at `relay`, a client of `source`.
    pub fn join(&mut self, slot: RoomSlot, relay: RelayId, source: Source) -> &Room {
        let room = self.get_mut(slot);
        room.members.add(relay);
        let before = room.deserted();
        if room.deserted_since.take().is_some() {
            let holder = mem::replace(&mut room.held_by, source);
            match before {
                Some(deserted) => self.shares.occupy(deserted, source),
                None => self.shares.pass(holder, source), // a room that is held
            }
        }
        self.get_mut(slot)
    }

    /// Counts one member less; returns the slot of the room, if it exists.
    pub fn leave(&mut self, name: &RoomName, relay: RelayId, now: Instant) -> Option<RoomSlot> {
        let slot = self.by_name.get(name).copied()?;
        let room = self.get_mut(slot);
        room.members.remove(relay);
        if room.members.is_empty() && room.deserted_since.is_none() {
            room.deserted_since = Some(now);
            let holder = mem::replace(&mut room.held_by, room.opened_by);
            let opener = room.opened_by;
            match room.deserted() {
                Some(deserted) => self.shares.desert(deserted, holder),
                None => self.shares.pass(holder, opener), // a room that is held
            }
        }
        Some(slot)
    }

    /// Keeps a room from giving way to another, or no longer; nothing changes while it has members.
    pub fn hold(&mut self, slot: RoomSlot, is_held: bool) {
        let Some(room) = self.rooms.get_mut(slot.index()).and_then(Option::as_mut) else { return };
        if room.is_held == is_held {
            return;
        }
        let (before, holder) = (room.deserted(), room.held_by);
        room.is_held = is_held;
        let after = room.deserted();
        before.inspect(|deserted| self.shares.occupy(*deserted, holder));
        after.inspect(|deserted| self.shares.desert(*deserted, holder));
    }

    /// Returns the room at a slot that [`Rooms::open`] returned; `None` after its end.
    pub fn get(&self, slot: RoomSlot) -> Option<&Room> {
        self.rooms.get(slot.index())?.as_ref()
    }

    /// Returns the presence of the room at this slot, to be changed.
    pub fn presence(&mut self, slot: RoomSlot) -> &mut Presence {
        &mut self.get_mut(slot).presence
    }

    fn get_mut(&mut self, slot: RoomSlot) -> &mut Room {
        self.rooms[slot.index()].as_mut().expect("a slot is known while its room lives")
    }

    fn insert(&mut self, name: RoomName, source: Source, policy: Arc<RoomPolicy>, now: Instant) -> RoomSlot {
        let next = RoomSlot(self.rooms.len() as u32);
        let slot = self.free.pop().unwrap_or(next);
        if slot == next {
            self.rooms.push(None);
        }
        self.by_name.insert(name.clone(), slot);
        self.in_order.insert(name.clone(), slot);
        let room = Room::new(name, slot, self.flow.fresh(), policy, source, now);
        room.deserted().inspect(|deserted| self.shares.begin(*deserted));
        self.rooms[slot.index()] = Some(room);
        slot
    }

    /// Ends the room at `slot`.
    pub fn end(&mut self, slot: RoomSlot) {
        let Some(room) = self.rooms[slot.index()].take() else { return };
        match room.deserted() {
            Some(deserted) => self.shares.end(deserted),
            None => self.shares.end_occupied(room.held_by),
        }
        self.by_name.remove(&room.name);
        self.in_order.remove(&room.name);
        self.free.push(slot);
        self.give_back();
    }

    /// Returns the memory after the last room has ended.
    fn give_back(&mut self) {
        if self.by_name.is_empty() {
            (self.by_name, self.rooms, self.free) = Default::default();
        }
    }

    /// The number of rooms without members.
    #[cfg(test)]
    pub fn deserted(&self) -> usize {
        self.shares.deserted()
    }
}
