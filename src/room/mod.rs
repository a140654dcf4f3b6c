//! The rooms of this node: who is where, as plain data.

mod flow; // how far speakers may be ahead

pub use crate::config::RoomName;
pub use flow::{Credit, Flow};

use std::collections::HashMap;

/// Where a room lies in the lists of hub and relays: dense, and used again when its room is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RoomSlot(u32);

impl RoomSlot {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One worker thread's relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RelayId(pub u32);

/// The rooms that have members. A room begins with its first member and ends with its last.
pub struct Rooms {
    flow: Flow,
    by_name: HashMap<RoomName, Room>,
    free: Vec<RoomSlot>,
}

/// One room: how many of its members each relay holds.
pub struct Room {
    slot: RoomSlot,
    flow: Flow,
    members: Vec<(RelayId, usize)>,
}

impl Rooms {
    /// Every room will have a flow like this one.
    pub fn new(flow: Flow) -> Self {
        Self { flow, by_name: HashMap::new(), free: Vec::new() }
    }

    /// Counts one more member of `name` at `relay`.
    pub fn join(&mut self, name: RoomName, relay: RelayId) -> &Room {
        let next = RoomSlot(self.by_name.len() as u32); // without a free slot, all below are taken
        let Self { flow, by_name, free } = self;
        let new_room = || Room { slot: free.pop().unwrap_or(next), flow: flow.anew(), members: Vec::new() };
        let room = by_name.entry(name).or_insert_with(new_room);
        room.count_one_more(relay);
        room
    }

    /// Counts one member less; the last one takes the room with it.
    pub fn leave(&mut self, name: &RoomName, relay: RelayId) {
        let Some(room) = self.by_name.get_mut(name) else { return };
        room.count_one_less(relay);
        if room.members.is_empty() {
            self.free.push(room.slot);
            self.by_name.remove(name);
            self.give_back();
        }
    }

    pub fn find(&self, name: &RoomName) -> Option<&Room> {
        self.by_name.get(name)
    }

    pub fn len(&self) -> usize {
        self.by_name.len()
    }

    pub fn is_empty(&self) -> bool {
        self.by_name.is_empty()
    }

    /// After a crowd has left, its memory goes too.
    fn give_back(&mut self) {
        if self.by_name.is_empty() {
            *self = Self::new(self.flow.anew());
        }
    }
}

impl Room {
    pub fn slot(&self) -> RoomSlot {
        self.slot
    }

    pub fn flow(&self) -> &Flow {
        &self.flow
    }

    /// The relays that hold members of this room.
    pub fn relays(&self) -> impl Iterator<Item = RelayId> + '_ {
        self.members.iter().map(|(relay, _)| *relay)
    }

    /// How many members the room has.
    pub fn members(&self) -> usize {
        self.members.iter().map(|(_, members)| members).sum()
    }

    fn count_one_more(&mut self, relay: RelayId) {
        match self.members.iter_mut().find(|(id, _)| *id == relay) {
            Some((_, members)) => *members += 1,
            None => self.members.push((relay, 1)),
        }
    }

    fn count_one_less(&mut self, relay: RelayId) {
        let Some(at) = self.members.iter().position(|(id, _)| *id == relay) else { return };
        self.members[at].1 -= 1;
        if self.members[at].1 == 0 {
            self.members.swap_remove(at);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Settings;

    const A: RelayId = RelayId(0);
    const B: RelayId = RelayId(1);

    fn name(name: &str) -> RoomName {
        name.parse().unwrap()
    }

    #[test]
    fn a_room_knows_the_relays_of_its_members() {
        let mut rooms = Rooms::new(Flow::of(&Settings::default()));
        for relay in [A, B, A] {
            rooms.join(name("news"), relay);
        }
        let members =
            |rooms: &Rooms| rooms.find(&name("news")).map(|room| (room.relays().collect(), room.members()));
        assert_eq!(members(&rooms), Some((vec![A, B], 3)));
        rooms.leave(&name("news"), A);
        rooms.leave(&name("news"), B);
        assert_eq!(members(&rooms), Some((vec![A], 1)));
        rooms.leave(&name("news"), A);
        assert_eq!(members(&rooms), None);
    }

    #[test]
    fn rooms_have_slots_of_their_own_and_slots_are_used_again() {
        let mut rooms = Rooms::new(Flow::of(&Settings::default()));
        let news = rooms.join(name("news"), A).slot();
        let sport = rooms.join(name("sport"), A).slot();
        assert_ne!(news, sport);
        assert_eq!(rooms.join(name("news"), B).slot(), news);
        rooms.leave(&name("sport"), A);
        assert_eq!(rooms.join(name("weather"), A).slot(), sport);
        assert_ne!(rooms.join(name("sport"), A).slot(), sport);
    }

    #[test]
    fn whoever_was_not_there_leaves_nobody_out() {
        let mut rooms = Rooms::new(Flow::of(&Settings::default()));
        rooms.join(name("news"), A);
        rooms.leave(&name("news"), B);
        rooms.leave(&name("sport"), A);
        assert_eq!(rooms.find(&name("news")).unwrap().members(), 1);
    }
}
