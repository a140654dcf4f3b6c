//! Queries for the facts and the histories of rooms. Their answers are futures: a history passes
//! through the backplane, and facts may have to do so one day.

use super::{Describe, Hub, List, Read, RoomFacts, RoomList, RoomMemory, Unavailable};
use crate::{backplane::Asker, config::RoomName, history::HistorySlice, room::Room};
use actix::prelude::*;
use std::future::ready;
use tokio::sync::oneshot;

impl Hub {
    fn facts(&self, name: &RoomName, room: Option<&Room>) -> RoomFacts {
        let memory = room.map(|room| {
            let history = self.store.backplane.history(room.slot());
            RoomMemory { position: history.position(), remembered: history.messages() }
        });
        RoomFacts { room: name.clone(), clients: room.map_or(0, |room| room.members.count()), memory }
    }
}

impl Handler<Describe> for Hub {
    type Result = ResponseFuture<Result<RoomFacts, Unavailable>>;

    fn handle(&mut self, Describe { room }: Describe, ctx: &mut Self::Context) -> Self::Result {
        let stint_is_over = self.begin_entry();
        let facts = self.facts(&room, self.store.rooms.find(&room));
        self.end_entry(stint_is_over, ctx);
        Box::pin(ready(Ok(facts)))
    }
}

impl Handler<Read> for Hub {
    type Result = ResponseFuture<Result<Option<HistorySlice>, Unavailable>>;

    fn handle(&mut self, Read { room, history }: Read, ctx: &mut Self::Context) -> Self::Result {
        let stint_is_over = self.begin_entry();
        let slice = self.store.rooms.find(&room).map(Room::slot).map(|slot| {
            let (reply, slice) = oneshot::channel();
            self.store.recall(slot, history, Asker::Reader(reply), &mut self.arrived);
            slice
        });
        self.handle_arrivals(ctx);
        self.end_entry(stint_is_over, ctx);
        Box::pin(async {
            match slice {
                Some(slice) => slice.await.map(Some).map_err(|_| Unavailable), // the backplane dropped it
                None => Ok(None),
            }
        })
    }
}

impl Handler<List> for Hub {
    type Result = ResponseFuture<RoomList>;

    fn handle(&mut self, List { after, limit }: List, ctx: &mut Self::Context) -> Self::Result {
        let stint_is_over = self.begin_entry();
        let mut rest = self.store.rooms.after(after.as_ref());
        let rooms: Vec<_> =
            rest.by_ref().take(limit).map(|room| self.facts(room.name(), Some(room))).collect();
        let more = rest.next().is_some();
        drop(rest);
        let next = rooms.last().filter(|_| more).map(|last| last.room.clone());
        self.end_entry(stint_is_over, ctx);
        Box::pin(ready(RoomList { rooms, next }))
    }
}
