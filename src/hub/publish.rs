//! What is said, over sockets and over HTTP.

use super::{GetCredit, Hub, IdempotencyKey, NotPosted, Post, Posted, Publish, idempotency::Lookup};
use crate::{
    config::RoomName,
    delivery::{Broadcast, Speaker},
    history::{Audience, NewMessage, Offset},
    ids::{ConnectionId, RoomSlot},
    limits::{Flow, Permit, Source},
    logging::{Escaped, Subject, log_client},
    room::{Room, TooManyRooms},
    wire::Payload,
};
use actix::prelude::*;
use log::Level;
use std::{net::SocketAddr, time::Instant};

impl Hub {
    pub(super) fn publish(&mut self, Publish { room, speaker, message, permit, peer }: Publish) {
        if self.rooms.get(room).is_some() {
            if let Some(who) = message.who.filter(|_| !self.notices.is_empty()) {
                self.announce(room, who);
            }
            self.log_message(room, Some(speaker.connection), peer, &message.payload);
            self.submit(room, message, Some(speaker), permit);
        }
    }

    /// Gives something said its place in the order of its room, and passes it on.
    fn submit(
        &mut self,
        slot: RoomSlot,
        message: NewMessage,
        speaker: Option<Speaker>,
        permit: Option<Permit>,
    ) -> Offset {
        self.reserve_in_turn(1, message.payload.as_bytes().len());
        let message = self.rooms.append(slot, message, Instant::now());
        let offset = message.position.offset;
        self.broadcast(slot, &Broadcast::message(message, speaker, permit));
        offset
    }

    /// Says everything, unless the same request has come before.
    fn post(
        &mut self,
        room: RoomName,
        payloads: Vec<Payload>,
        key: Option<IdempotencyKey>,
        source: Source,
        peer: Option<SocketAddr>,
        permit: Permit,
    ) -> Result<Posted, NotPosted> {
        match key.as_ref().map_or(Lookup::New, |key| self.idempotency.find(&room, key)) {
            Lookup::Repeated(posted) => return Ok(posted),
            Lookup::Reused => return Err(NotPosted::KeyReused),
            Lookup::New => {}
        }
        let now = Instant::now();
        if key.is_some() && !self.idempotency.fits(source, now) {
            return Err(NotPosted::TooManyKeys);
        }
        let slot = self.open(&room, source).map_err(|TooManyRooms| NotPosted::TooManyRooms)?;
        let posted = self.post_all(slot, payloads, peer, permit).expect("the room was opened");
        self.rooms.end_if_over(slot);
        self.count_rooms();
        if let Some(key) = key {
            self.idempotency.remember(room, key, source, posted.clone(), now);
            self.metrics.idempotency_keys.set(self.idempotency.len() as i64);
        }
        Ok(posted)
    }

    /// Says everything in a row; the permit comes back with the last.
    fn post_all(
        &mut self,
        slot: RoomSlot,
        payloads: Vec<Payload>,
        peer: Option<SocketAddr>,
        permit: Permit,
    ) -> Option<Posted> {
        let room = self.rooms.get(slot)?;
        let (name, epoch, received) = (room.name().clone(), room.position().epoch, room.members.count());
        let (messages, mut offset, mut permit) = (payloads.len(), room.position().offset, Some(permit));
        for (payload, left) in payloads.into_iter().zip((0..messages).rev()) {
            self.log_message(slot, None, peer, &payload);
            let message = NewMessage { payload, who: None, audience: Audience::Everyone };
            offset = self.submit(slot, message, None, permit.take_if(|_| left == 0));
        }
        Some(Posted { room: name, epoch, offset, messages, received })
    }

    /// Logs what the client says; a client without a session says it over HTTP.
    fn log_message(
        &self,
        slot: RoomSlot,
        session: Option<ConnectionId>,
        peer: Option<SocketAddr>,
        payload: &Payload,
    ) {
        if !self.log_messages {
            return;
        }
        let room = self.rooms.get(slot).map(Room::name);
        let about = match session {
            Some(session) => Subject::session(session, peer, room),
            None => Subject::request(peer, room),
        };
        match payload {
            Payload::Text(text) => {
                log_client!(Level::Info, "server: received: {}\t{about}", Escaped(text))
            }
            Payload::Binary(bytes) => {
                log_client!(Level::Info, "server: received: {} bytes (binary)\t{about}", bytes.len())
            }
        }
    }
}

impl Handler<Post> for Hub {
    type Result = Result<Posted, NotPosted>;

    fn handle(
        &mut self,
        Post { room, payloads, key, source, permit, peer }: Post,
        ctx: &mut Self::Context,
    ) -> Self::Result {
        let stint_is_over = self.begin_entry();
        let posted = self.post(room, payloads, key, source, peer, permit);
        self.end_entry(stint_is_over, ctx);
        posted
    }
}

impl Handler<GetCredit> for Hub {
    type Result = Option<Flow>;

    fn handle(&mut self, GetCredit { room }: GetCredit, ctx: &mut Self::Context) -> Option<Flow> {
        let stint_is_over = self.begin_entry();
        let flow = self.rooms.find(&room).map(|room| room.flow.clone());
        self.end_entry(stint_is_over, ctx);
        flow
    }
}
