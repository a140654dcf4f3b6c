//! Members that join rooms and leave them.

use super::{Admission, Event, Hub, Join, Leave};
use crate::{
    backplane::{Asker, Newcomer},
    config::RoomName,
    history::HistorySlice,
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
    /// Asks the backplane for the part of the history that a client requested. The client counts as
    /// a member from now on, and is admitted when that part comes.
    pub(super) fn join(&mut self, Join { newcomer, source, history, peer }: Join) {
        let Newcomer { connection, relay, .. } = newcomer;
        let about = Subject::session(connection, peer, Some(&newcomer.room));
        log_client!(peer, Level::Info, "server: receive connection.\t{about}");
        match self.open_for_one_more(&newcomer.room, source) {
            Ok(slot) => {
                self.joining.insert(connection);
                let now = Instant::now();
                self.store.join(slot, relay, source, now);
                let asker = Asker::Newcomer(newcomer);
                self.store.recall(slot, history, asker, now, &mut self.arrived);
            }
            Err(reason) => {
                self.refused.insert(connection);
                self.turns.add(relay, Event::Refused { connection, reason });
            }
        }
    }

    /// Admits a client, unless it has left meanwhile.
    pub(super) fn admit(
        &mut self,
        slot: RoomSlot,
        history: HistorySlice,
        newcomer: Newcomer,
        ctx: &mut Context<Self>,
    ) {
        let Newcomer { connection, relay, who, resumed, room } = newcomer;
        if !self.joining.remove(&connection) {
            return;
        }
        let Some(opened) = self.store.rooms.get(slot) else { return };
        let (flow, greeting) = (opened.flow.clone(), opened.policy.greeting.clone());
        let others_are_there = opened.members.count() > 1 || self.store.backplane.is_shared();
        let is_announced = opened.policy.presence;
        if is_announced && self.store.rooms.presence(slot).add(who) && others_are_there {
            self.note_presence(slot, who, Change::Joined { connection: Some(connection) }, ctx);
        }
        // An admission is a write at its relay, even without messages of the history.
        let messages = history.messages.len().max(1);
        let bytes = history.messages.iter().map(|message| message.cost()).sum();
        self.reserve_in_turn(messages, bytes);
        let admission = Box::new(Admission { who, resumed, room, greeting, history });
        self.turns.add(relay, Event::Admitted { connection, room: slot, flow, admission });
    }

    pub(super) fn leave(&mut self, leave: Leave, ctx: &mut Context<Self>) {
        let Leave { connection, who, relay, room } = leave;
        if self.refused.remove(&connection) {
            return;
        }
        let was_admitted = !self.joining.remove(&connection);
        let announced = self.store.rooms.find(&room).filter(|room| room.policy.presence).map(Room::slot);
        if let Some(slot) = announced.filter(|_| was_admitted)
            && self.store.rooms.presence(slot).remove(who)
        {
            self.note_presence(slot, who, Change::Left, ctx);
        }
        self.store.leave(&room, relay, Instant::now());
        let is_there = |slot| self.store.rooms.get(slot).is_some_and(|room| !room.members.is_empty());
        if let Some(slot) = announced.filter(|slot| !is_there(*slot)) {
            self.notices.forget(slot);
        }
    }

    fn open_for_one_more(&mut self, name: &RoomName, source: Source) -> Result<RoomSlot, CloseReason> {
        let is_full = |room: &Room| room.members.count() >= room.policy.clients;
        if self.store.rooms.find(name).is_some_and(is_full) {
            return Err(CloseReason::RoomFull);
        }
        self.open(name, source).map_err(|TooManyRooms| CloseReason::TooManyRooms)
    }
}
