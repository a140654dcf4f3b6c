//! The shadow of the server: hears what every client hears, and judges it by what was promised.
//!
//! What the server does inside is of no interest here. Whoever hears a message of a room first
//! settles its place in the order; everybody else must hear it at that place.

mod breach; // a promise that was not kept
mod hearer; // how far a client has heard
mod order; // what a room has heard
mod room; // who speaks and hears where
mod speaker; // what a client said
mod words; // messages that say whose they are

pub use breach::{Breach, Promise, Verdict};
pub use room::Entrance;
pub use words::{ClientId, RoomId};

use bytes::Bytes;
use room::Room;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// A message as one client gives it to the server or gets it from there.
#[derive(Clone, Debug, PartialEq)]
pub struct Utterance {
    pub binary: bool,
    pub payload: Bytes,
}

/// How a client's time in its room ended.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Parting {
    /// The server took everything it said, and said so by answering its goodbye.
    Orderly,
    /// The server sent it away behind everything that it had accepted (1012).
    Dismissed,
    /// Some of what it said may not have come to the server.
    Sudden,
}

#[derive(Default)]
pub struct Model {
    rooms: BTreeMap<RoomId, Room>,
    /// Counts what was said: what has the lower number was said before.
    now: u64,
    /// Messages that found their place in an order.
    pub accepted: u64,
    pub deliveries: u64,
}

impl Model {
    /// The client begins to connect.
    pub fn enters(&mut self, client: ClientId, room: RoomId, entrance: Entrance) {
        self.rooms.entry(room).or_insert_with(|| Room::new(room)).enters(client, entrance);
    }

    /// The client has heard the greeting, and must hear what is said from now on.
    pub fn is_greeted(&mut self, client: ClientId, room: RoomId) {
        let now = self.now;
        self.room(room).is_greeted(client, now);
    }

    /// Whether somebody hears the room from its beginning on.
    pub fn has_begun(&self, room: RoomId) -> bool {
        self.rooms.get(&room).is_some_and(Room::has_begun)
    }

    /// How many are there, or about to come in.
    pub fn clients(&self) -> usize {
        self.rooms.values().map(Room::clients).sum()
    }

    /// How many the server has greeted of those who are there.
    pub fn greeted(&self) -> usize {
        self.rooms.values().map(Room::greeted).sum()
    }

    /// What the client says next, of about `length` bytes.
    pub fn says(&mut self, client: ClientId, room: RoomId, length: usize, binary: bool) -> Utterance {
        self.now += 1;
        let now = self.now;
        self.room(room).says(client, now, length, binary)
    }

    /// Judges what the client heard; how long ago it was said.
    pub fn hears(&mut self, client: ClientId, room: RoomId, heard: Utterance) -> Result<Duration, Breach> {
        self.deliveries += 1;
        let room = self.rooms.get_mut(&room).expect("who hears has entered");
        let before = room.accepted();
        let age = room.hears(client, heard);
        self.accepted += room.accepted() - before;
        age
    }

    /// The client is gone.
    pub fn leaves(&mut self, client: ClientId, room: RoomId, parting: Parting) -> Verdict {
        self.room(room).leaves(client, parting)
    }

    /// Bytes that were said in the room and that nobody has heard yet.
    pub fn unheard_bytes(&self, room: RoomId) -> usize {
        self.rooms.get(&room).map_or(0, Room::unheard_bytes)
    }

    /// What somebody must still hear; `None` when everybody has heard everything.
    pub fn unsettled(&self) -> Option<Breach> {
        self.rooms.values().find_map(Room::unsettled)
    }

    /// Forgets what nobody can hear any more.
    pub fn tidy(&mut self, now: Instant) {
        self.rooms.retain(|_, room| {
            room.tidy(now);
            !room.is_forgotten()
        });
    }

    /// Forgets everybody, when all have left.
    pub fn forgets(&mut self) {
        self.rooms.clear();
    }

    fn room(&mut self, room: RoomId) -> &mut Room {
        self.rooms.get_mut(&room).expect("the client has entered")
    }
}
