//! What is said, over sockets and over HTTP.

use super::{
    Broadcast, GetCredit, Hub, IdempotencyKey, NotPosted, Permit, Post, Posted, Publish, Speaker,
    idempotency::Lookup,
};
use crate::{
    logging::{Escaped, log_client},
    room::{Audience, Flow, NewMessage, Offset, RoomName, RoomSlot, TooManyRooms},
    shares::Source,
    wire::Payload,
};
use actix::prelude::*;
use log::Level;
use std::time::Instant;

impl Hub {
    pub(super) fn publish(&mut self, Publish { room, speaker, message, permit }: Publish) {
        if self.rooms.get(room).is_some() {
            if let Some(who) = message.who.filter(|_| !self.notices.is_empty()) {
                self.announce(room, who);
            }
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
        if self.log_messages {
            log_message(&message.payload);
        }
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
        let posted = self.post_all(slot, payloads, permit).expect("the room was opened");
        self.rooms.end_if_over(slot);
        self.count_rooms();
        if let Some(key) = key {
            self.idempotency.remember(room, key, source, posted.clone(), now);
            self.metrics.idempotency_keys.set(self.idempotency.len() as i64);
        }
        Ok(posted)
    }

    /// Says everything in a row; the permit comes back with the last.
    fn post_all(&mut self, slot: RoomSlot, payloads: Vec<Payload>, permit: Permit) -> Option<Posted> {
        let room = self.rooms.get(slot)?;
        let (name, epoch, received) = (room.name().clone(), room.position().epoch, room.members.count());
        let (messages, mut offset, mut permit) = (payloads.len(), room.position().offset, Some(permit));
        for (payload, left) in payloads.into_iter().zip((0..messages).rev()) {
            let message = NewMessage { payload, who: None, audience: Audience::Everyone };
            offset = self.submit(slot, message, None, permit.take_if(|_| left == 0));
        }
        Some(Posted { room: name, epoch, offset, messages, received })
    }
}

impl Handler<Post> for Hub {
    type Result = Result<Posted, NotPosted>;

    fn handle(
        &mut self,
        Post { room, payloads, key, source, permit }: Post,
        ctx: &mut Self::Context,
    ) -> Self::Result {
        let stint_is_over = self.begin_entry();
        let posted = self.post(room, payloads, key, source, permit);
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

fn log_message(payload: &Payload) {
    match payload {
        Payload::Text(text) => log_client!(Level::Info, "server: received: {}", Escaped(text)),
        Payload::Binary(bytes) => {
            log_client!(Level::Info, "server: received: {} bytes (binary)", bytes.len())
        }
    }
}
