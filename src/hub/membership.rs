//! Who comes and who goes.

use super::{Admission, AskPresence, Counted, Event, Hub, Join, Leave, NotAdmitted, Publication};
use crate::{
    logging::log_client,
    protocol::v1::{self, Present},
    room::{Full, Presence, Room, RoomName, RoomSlot, SessionId},
    wire::Payload,
};
use log::Level;
use std::time::Instant;

impl Hub {
    pub(super) fn join(&mut self, join: Join) {
        log_client!(Level::Info, "server: receive connection.");
        let relay = join.relay;
        let event = self.admit(join);
        self.turns.add(relay, event); // behind everything that was said before
    }

    pub(super) fn leave(&mut self, Leave { session, who, relay, room }: Leave) {
        if self.refused.remove(&session) {
            return;
        }
        if let Some(slot) = self.rooms.find(&room).filter(|room| room.terms.presence).map(Room::slot) {
            self.tell_presence(slot, who, Presence::go, v1::leave);
        }
        self.rooms.leave(&room, relay, Instant::now());
    }

    pub(super) fn tell_who_is_there(&mut self, question: AskPresence) {
        let AskPresence { session, relay, room, reference, permit } = question;
        let Some(room) = self.rooms.find(&room) else { return };
        let who = room.terms.presence.then(|| room.presence.who().take(Present::MOST).collect::<Vec<_>>());
        let bytes = who.as_ref().map_or(0, |who| who.len() * size_of::<SessionId>());
        let present = Present { clients: room.members.count(), who };
        let presence = Box::new(Counted { reference, present, permit });
        self.make_room_in_turn(1, bytes);
        self.turns.add(relay, Event::Counted { session, presence });
    }

    fn admit(&mut self, Join { session, who, relay, room, recall }: Join) -> Event {
        let slot = match self.open_for_one_more(&room) {
            Ok(slot) => slot,
            Err(reason) => {
                self.refused.insert(session);
                return Event::Refused { session, reason };
            }
        };
        self.tell_presence(slot, who, Presence::come, v1::join);
        let found = self.rooms.join(slot, relay);
        let (flow, greeting) = (found.flow.clone(), found.terms.greeting.clone());
        let recalled = found.history.recall(recall);
        // Even without anything recalled an admission is a write at its relay.
        let (messages, bytes) =
            (recalled.said.len().max(1), recalled.said.iter().map(|said| said.cost()).sum());
        self.make_room_in_turn(messages, bytes);
        let admission = Box::new(Admission { who, room, greeting, recalled });
        Event::Admitted { session, room: slot, flow, admission }
    }

    fn open_for_one_more(&mut self, name: &RoomName) -> Result<RoomSlot, NotAdmitted> {
        let is_full = |room: &Room| room.members.count() >= room.terms.clients;
        if self.rooms.find(name).is_some_and(is_full) {
            return Err(NotAdmitted::RoomFull);
        }
        self.open(name).map_err(|Full| NotAdmitted::TooManyRooms)
    }

    /// Counts that `who` comes or goes where that is told, and tells the room if it is news.
    fn tell_presence(
        &mut self,
        slot: RoomSlot,
        who: SessionId,
        change: fn(&mut Presence, SessionId) -> bool,
        notice: fn(SessionId) -> Payload,
    ) {
        let is_told = self.rooms.get(slot).is_some_and(|room| room.terms.presence);
        if is_told && change(self.rooms.presence(slot), who) {
            self.make_room_in_turn(1, 0);
            self.pass_on(slot, &Publication::notice(notice(who)));
        }
    }
}
