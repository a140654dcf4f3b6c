//! Members that join rooms and leave them.

use super::{Admission, Event, Hub, Join, Leave};
use crate::{
    config::RoomName,
    ids::RoomSlot,
    limits::Source,
    logging::{Subject, log_client},
    protocol::CloseReason,
    room::{Change, Room, TooManyRooms},
};
use actix::Context;
use log::Level;
use std::time::Instant;

impl Hub {
    pub(super) fn join(&mut self, join: Join, ctx: &mut Context<Self>) {
        let about = Subject::session(join.connection, join.peer, Some(&join.room));
        log_client!(join.peer, Level::Info, "server: receive connection.\t{about}");
        let relay = join.relay;
        let event = self.admit(join, ctx);
        self.turns.add(relay, event); // after every earlier message
    }

    pub(super) fn leave(&mut self, leave: Leave, ctx: &mut Context<Self>) {
        let Leave { connection, who, relay, room } = leave;
        if self.refused.remove(&connection) {
            return;
        }
        let told = self.rooms.find(&room).filter(|room| room.policy.presence).map(Room::slot);
        if let Some(slot) = told.filter(|slot| self.rooms.presence(*slot).go(who)) {
            self.note_presence(slot, who, Change::Went, ctx);
        }
        self.rooms.leave(&room, relay, Instant::now());
        let is_there = |slot| self.rooms.get(slot).is_some_and(|room| !room.members.is_empty());
        if let Some(slot) = told.filter(|slot| !is_there(*slot)) {
            self.notices.forget(slot);
        }
    }

    fn admit(&mut self, join: Join, ctx: &mut Context<Self>) -> Event {
        let Join { connection, who, resumed, relay, room, source, history, peer: _ } = join;
        let slot = match self.open_for_one_more(&room, source) {
            Ok(slot) => slot,
            Err(reason) => {
                self.refused.insert(connection);
                return Event::Refused { connection, reason };
            }
        };
        let opened = self.rooms.get(slot).expect("the room was opened");
        let (is_told, somebody_is_there) = (opened.policy.presence, !opened.members.is_empty());
        if is_told && self.rooms.presence(slot).come(who) && somebody_is_there {
            self.note_presence(slot, who, Change::Came { connection }, ctx);
        }
        let (room_now, slice) = self.rooms.join(slot, relay, source, history);
        let (flow, greeting) = (room_now.flow.clone(), room_now.policy.greeting.clone());
        // An admission is a write at its relay, even without messages of the history.
        let (messages, bytes) =
            (slice.messages.len().max(1), slice.messages.iter().map(|message| message.cost()).sum());
        self.reserve_in_turn(messages, bytes);
        let admission = Box::new(Admission { who, resumed, room, greeting, history: slice });
        Event::Admitted { connection, room: slot, flow, admission }
    }

    fn open_for_one_more(&mut self, name: &RoomName, source: Source) -> Result<RoomSlot, CloseReason> {
        let is_full = |room: &Room| room.members.count() >= room.policy.clients;
        if self.rooms.find(name).is_some_and(is_full) {
            return Err(CloseReason::RoomFull);
        }
        self.open(name, source).map_err(|TooManyRooms| CloseReason::TooManyRooms)
    }
}
