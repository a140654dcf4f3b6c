//! Queries for the facts and the histories of rooms. Their answers are futures: a history passes
//! through the backplane, and facts may have to do so one day.

use super::{Describe, Hub, List, Read, RoomFacts, RoomList, RoomMemory, Unavailable};
use crate::{
    backplane::{Asker, Described, Query},
    config::RoomName,
    history::HistorySlice,
    room::Room,
};
use actix::prelude::*;
use std::{future::ready, time::Instant};
use tokio::sync::oneshot;

impl Hub {
    fn facts(&self, room: &Room) -> RoomFacts {
        let history = self.store.backplane.history(room.slot());
        let memory = RoomMemory { position: history.position(), remembered: history.messages() };
        let clients = room.members.count() + self.store.backplane.clients_elsewhere(room.slot());
        RoomFacts { room: room.name().clone(), clients, memory: Some(memory) }
    }

    /// The room, if this node has its history.
    fn find_here(&self, name: &RoomName) -> Option<&Room> {
        self.store.rooms.find(name).filter(|room| self.store.backplane.has_history(room.slot()))
    }
}

impl Handler<Describe> for Hub {
    type Result = ResponseFuture<Result<RoomFacts, Unavailable>>;

    fn handle(&mut self, Describe { room }: Describe, ctx: &mut Self::Context) -> Self::Result {
        let stint_is_over = self.begin_entry();
        let facts = self.find_here(&room).map(|room| self.facts(room));
        let (reader, answer) = oneshot::channel();
        if facts.is_none() {
            let limits = self.policy.rooms.of(&room).history;
            self.store.backplane.ask(&room, Query::Describe { limits, reader });
        }
        self.end_entry(stint_is_over, ctx);
        Box::pin(async {
            match facts {
                Some(facts) => Ok(facts),
                None => Ok(RoomFacts::elsewhere(room, answer.await.map_err(|_| Unavailable)?)),
            }
        })
    }
}

impl RoomFacts {
    /// The facts of a room that is not open on this node.
    fn elsewhere(room: RoomName, described: Option<Described>) -> Self {
        let clients = described.as_ref().map_or(0, |described| described.clients);
        let memory =
            described.map(|Described { position, remembered, .. }| RoomMemory { position, remembered });
        Self { room, clients, memory }
    }
}

impl Handler<Read> for Hub {
    type Result = ResponseFuture<Result<Option<HistorySlice>, Unavailable>>;

    fn handle(&mut self, Read { room, history }: Read, ctx: &mut Self::Context) -> Self::Result {
        let stint_is_over = self.begin_entry();
        let (reader, slice) = oneshot::channel();
        match self.find_here(&room).map(Room::slot) {
            Some(slot) => {
                let asker = Asker::Reader(reader);
                self.store.recall(slot, history, asker, Instant::now(), &mut self.arrived);
                self.handle_arrivals(ctx);
            }
            None => {
                let limits = self.policy.rooms.of(&room).history;
                self.store.backplane.ask(&room, Query::Read { limits, request: history, reader });
            }
        }
        self.end_entry(stint_is_over, ctx);
        Box::pin(async { slice.await.map_err(|_| Unavailable) })
    }
}

impl Handler<List> for Hub {
    type Result = ResponseFuture<RoomList>;

    fn handle(&mut self, List { after, limit }: List, ctx: &mut Self::Context) -> Self::Result {
        let stint_is_over = self.begin_entry();
        let mut rest = self.store.rooms.after(after.as_ref());
        let rooms: Vec<_> = rest.by_ref().take(limit).map(|room| self.facts(room)).collect();
        let more = rest.next().is_some();
        drop(rest);
        let next = rooms.last().filter(|_| more).map(|last| last.room.clone());
        self.end_entry(stint_is_over, ctx);
        Box::pin(ready(RoomList { rooms, next }))
    }
}
