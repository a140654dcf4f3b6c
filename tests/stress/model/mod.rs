//! A model of the server: it checks every received message against the promises.
//!
//! The model ignores the inside of the server. The first client that receives a message
//! of a room settles its place in the order; every other client must receive it at that place.

mod breach; // a promise that was not kept
mod subscriber; // the position of a client in its room
mod order; // the messages of a room in order
mod room; // publishers and subscribers
mod publisher; // messages of one client
mod payload; // payloads that name their publisher

pub use breach::{Breach, Promise, Verdict};
pub use payload::{ClientId, RoomId};
pub use room::SubscribeOptions;

use bytes::Bytes;
use room::Room;
use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

/// A message as a client publishes or receives it.
#[derive(Clone, Debug, PartialEq)]
pub struct Message {
    pub binary: bool,
    pub payload: Bytes,
}

/// The end of a client's membership in its room.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Departure {
    /// The server accepted all its messages, as its answer to the close frame shows.
    Orderly,
    /// The server closed it (1012) after all messages that it had accepted.
    Closed,
    /// Some of its messages may not have reached the server.
    Sudden,
}

#[derive(Default)]
pub struct Model {
    rooms: BTreeMap<RoomId, Room>,
    /// Counts published messages: a lower number was published earlier.
    now: u64,
    /// Messages that found their place in an order.
    pub accepted: u64,
    pub deliveries: u64,
}

impl Model {
    /// The client begins to connect.
    pub fn enters(&mut self, client: ClientId, room: RoomId, options: SubscribeOptions) {
        self.rooms.entry(room).or_insert_with(|| Room::new(room)).enters(client, options);
    }

    /// The client has received the greeting, and must receive every later message.
    pub fn is_greeted(&mut self, client: ClientId, room: RoomId) {
        let now = self.now;
        self.room(room).is_greeted(client, now);
    }

    /// True if a client receives the room from its beginning on.
    pub fn has_begun(&self, room: RoomId) -> bool {
        self.rooms.get(&room).is_some_and(Room::has_begun)
    }

    /// True if every client knows its place in its room: those that stay settle the order when
    /// others lose their connections.
    pub fn is_placed(&self) -> bool {
        self.rooms.values().all(Room::is_placed)
    }

    /// The number of clients that are connected or connecting.
    pub fn clients(&self) -> usize {
        self.rooms.values().map(Room::clients).sum()
    }

    /// The number of clients that have received the greeting.
    pub fn greeted(&self) -> usize {
        self.rooms.values().map(Room::greeted).sum()
    }

    /// The next message of the client, of about `length` bytes.
    pub fn publishes(&mut self, client: ClientId, room: RoomId, length: usize, binary: bool) -> Message {
        self.now += 1;
        let now = self.now;
        self.room(room).publishes(client, now, length, binary)
    }

    /// Judges a received message; returns its age.
    pub fn receives(
        &mut self,
        client: ClientId,
        room: RoomId,
        received: Message,
    ) -> Result<Duration, Breach> {
        self.deliveries += 1;
        let room = self.rooms.get_mut(&room).expect("a subscriber has entered");
        let before = room.accepted();
        let age = room.receives(client, received);
        self.accepted += room.accepted() - before;
        age
    }

    /// The client is gone.
    pub fn leaves(&mut self, client: ClientId, room: RoomId, departure: Departure) -> Verdict {
        self.room(room).leaves(client, departure)
    }

    /// Bytes of messages in the room that no client has received yet.
    pub fn undelivered_bytes(&self, room: RoomId) -> usize {
        self.rooms.get(&room).map_or(0, Room::undelivered_bytes)
    }

    /// A message that a client must still receive; `None` when every client has received
    /// everything.
    pub fn unsettled(&self) -> Option<Breach> {
        self.rooms.values().find_map(Room::unsettled)
    }

    /// Forgets messages that no client can receive any more.
    pub fn tidy(&mut self, now: Instant) {
        self.rooms.retain(|_, room| {
            room.tidy(now);
            !room.is_forgotten()
        });
    }

    /// Forgets all clients, after all have left.
    pub fn forgets(&mut self) {
        self.rooms.clear();
    }

    fn room(&mut self, room: RoomId) -> &mut Room {
        self.rooms.get_mut(&room).expect("the client has entered")
    }
}
