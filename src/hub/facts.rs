//! What is known about rooms.

use super::{Describe, Hub, List, Read, RoomFacts, RoomList, RoomMemory};
use crate::room::{Recalled, Room, RoomName};
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

    fn handle(&mut self, Describe { room }: Describe, _: &mut Self::Context) -> RoomFacts {
        RoomFacts::of(&room, self.rooms.find(&room))
    }
}

impl Handler<Read> for Hub {
    type Result = Option<Recalled>;

    fn handle(&mut self, Read { room, recall }: Read, _: &mut Self::Context) -> Option<Recalled> {
        self.rooms.find(&room).map(|room| room.history.recall(recall, None))
    }
}

impl Handler<List> for Hub {
    type Result = RoomList;

    fn handle(&mut self, List { after, limit }: List, _: &mut Self::Context) -> RoomList {
        let mut names = self.rooms.names_behind(after.as_ref(), limit + 1);
        let more = names.len() > limit;
        names.truncate(limit);
        let next = names.last().filter(|_| more).cloned();
        let rooms = names.iter().map(|name| RoomFacts::of(name, self.rooms.find(name))).collect();
        RoomList { rooms, next }
    }
}
