//! What is known about rooms.

use super::{Describe, Hub, List, Read, RoomFacts, RoomList, RoomMemory};
use crate::{config::RoomName, history::HistorySlice, room::Room};
use actix::prelude::*;

impl RoomFacts {
    fn of(name: &RoomName, room: Option<&Room>) -> Self {
        let memory =
            room.map(|room| RoomMemory { position: room.position(), remembered: room.history.messages() });
        Self { room: name.clone(), clients: room.map_or(0, |room| room.members.count()), memory }
    }
}

impl Handler<Describe> for Hub {
    type Result = RoomFacts;

    fn handle(&mut self, Describe { room }: Describe, ctx: &mut Self::Context) -> RoomFacts {
        let stint_is_over = self.begin_entry();
        let facts = RoomFacts::of(&room, self.rooms.find(&room));
        self.end_entry(stint_is_over, ctx);
        facts
    }
}

impl Handler<Read> for Hub {
    type Result = Option<HistorySlice>;

    fn handle(&mut self, Read { room, history }: Read, ctx: &mut Self::Context) -> Option<HistorySlice> {
        let stint_is_over = self.begin_entry();
        let slice = self.rooms.find(&room).map(|room| room.history.slice(history));
        self.end_entry(stint_is_over, ctx);
        slice
    }
}

impl Handler<List> for Hub {
    type Result = RoomList;

    fn handle(&mut self, List { after, limit }: List, ctx: &mut Self::Context) -> RoomList {
        let stint_is_over = self.begin_entry();
        let mut rest = self.rooms.after(after.as_ref());
        let rooms: Vec<_> =
            rest.by_ref().take(limit).map(|room| RoomFacts::of(room.name(), Some(room))).collect();
        let more = rest.next().is_some();
        drop(rest);
        let next = rooms.last().filter(|_| more).map(|last| last.room.clone());
        self.end_entry(stint_is_over, ctx);
        RoomList { rooms, next }
    }
}
