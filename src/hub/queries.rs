//! Queries for the facts and the histories of rooms.

use super::{Describe, Hub, List, Read, RoomFacts, RoomList, RoomMemory};
use crate::{config::RoomName, history::HistorySlice, room::Room};
use actix::prelude::*;
use std::future::ready;

impl Hub {
    fn facts(&self, name: &RoomName, room: Option<&Room>) -> RoomFacts {
        let memory = room.map(|room| {
            let history = self.rooms.history(room);
            RoomMemory { position: history.position(), remembered: history.messages() }
        });
        RoomFacts { room: name.clone(), clients: room.map_or(0, |room| room.members.count()), memory }
    }
}

impl Handler<Describe> for Hub {
    type Result = RoomFacts;

    fn handle(&mut self, Describe { room }: Describe, ctx: &mut Self::Context) -> RoomFacts {
        let stint_is_over = self.begin_entry();
        let facts = self.facts(&room, self.rooms.find(&room));
        self.end_entry(stint_is_over, ctx);
        facts
    }
}

impl Handler<Read> for Hub {
    type Result = ResponseFuture<Option<HistorySlice>>;

    /// Answers later: a backplane may have to ask for the history.
    fn handle(&mut self, Read { room, history }: Read, ctx: &mut Self::Context) -> Self::Result {
        let stint_is_over = self.begin_entry();
        let slice = self.rooms.find(&room).map(|room| self.rooms.history(room).slice(history));
        self.end_entry(stint_is_over, ctx);
        Box::pin(ready(slice))
    }
}

impl Handler<List> for Hub {
    type Result = RoomList;

    fn handle(&mut self, List { after, limit }: List, ctx: &mut Self::Context) -> RoomList {
        let stint_is_over = self.begin_entry();
        let mut rest = self.rooms.after(after.as_ref());
        let rooms: Vec<_> =
            rest.by_ref().take(limit).map(|room| self.facts(room.name(), Some(room))).collect();
        let more = rest.next().is_some();
        drop(rest);
        let next = rooms.last().filter(|_| more).map(|last| last.room.clone());
        self.end_entry(stint_is_over, ctx);
        RoomList { rooms, next }
    }
}
