//! What is said, over sockets and over HTTP.

use super::{
    AskFlow, Hub, NotPosted, Permit, Post, Posted, Publication, Publish, RetryKey, Speaker, retries::Known,
};
use crate::{
    logging::{Escaped, log_client},
    room::{Audience, Flow, Full, Offset, RoomName, RoomSlot, Utterance},
    shares::Source,
    wire::Payload,
};
use actix::prelude::*;
use log::Level;
use std::time::Instant;

impl Hub {
    pub(super) fn publish(&mut self, Publish { room, speaker, utterance, permit }: Publish) {
        if self.rooms.get(room).is_some() {
            if let Some(who) = utterance.who.filter(|_| !self.notices.is_empty()) {
                self.announce(room, who);
            }
            self.say(room, utterance, Some(speaker), permit);
        }
    }

    /// Gives something said its place in the order of its room, and passes it on.
    fn say(
        &mut self,
        slot: RoomSlot,
        utterance: Utterance,
        speaker: Option<Speaker>,
        permit: Option<Permit>,
    ) -> Offset {
        if self.log_messages {
            log_message(&utterance.payload);
        }
        self.make_room_in_turn(1, utterance.payload.as_bytes().len());
        let said = self.rooms.say(slot, utterance, Instant::now());
        let offset = said.position.offset;
        self.pass_on(slot, &Publication::message(said, speaker, permit));
        offset
    }

    /// Says everything, unless the same request has come before.
    fn post_once(
        &mut self,
        room: RoomName,
        payloads: Vec<Payload>,
        retry: Option<RetryKey>,
        source: Source,
        permit: Permit,
    ) -> Result<Posted, NotPosted> {
        match retry.as_ref().map_or(Known::Nothing, |retry| self.retries.find(&room, retry)) {
            Known::Posted(posted) => return Ok(posted),
            Known::Other => return Err(NotPosted::KeyReused),
            Known::Nothing => {}
        }
        let now = Instant::now();
        if retry.is_some() && !self.retries.fits(source, now) {
            return Err(NotPosted::TooManyKeys);
        }
        let slot = self.open(&room).map_err(|Full| NotPosted::TooManyRooms)?;
        let posted = self.post(slot, payloads, permit).expect("the room was opened");
        self.rooms.end_if_over(slot);
        self.count_rooms();
        if let Some(retry) = retry {
            self.retries.remember(room, retry, source, posted.clone(), now);
            self.metrics.idempotency_keys.set(self.retries.len() as i64);
        }
        Ok(posted)
    }

    /// Says everything in a row; the permit comes back with the last.
    fn post(&mut self, slot: RoomSlot, payloads: Vec<Payload>, permit: Permit) -> Option<Posted> {
        let room = self.rooms.get(slot)?;
        let (name, epoch, received) = (room.name().clone(), room.position().epoch, room.members.count());
        let (messages, mut offset, mut permit) = (payloads.len(), room.position().offset, Some(permit));
        for (payload, left) in payloads.into_iter().zip((0..messages).rev()) {
            let utterance = Utterance { payload, who: None, audience: Audience::Everyone };
            offset = self.say(slot, utterance, None, permit.take_if(|_| left == 0));
        }
        Some(Posted { room: name, epoch, offset, messages, received })
    }
}

impl Handler<Post> for Hub {
    type Result = Result<Posted, NotPosted>;

    fn handle(
        &mut self,
        Post { room, payloads, retry, source, permit }: Post,
        ctx: &mut Self::Context,
    ) -> Self::Result {
        let stint_is_over = self.begin_entry();
        let posted = self.post_once(room, payloads, retry, source, permit);
        self.end_entry(stint_is_over, ctx);
        posted
    }
}

impl Handler<AskFlow> for Hub {
    type Result = Option<Flow>;

    fn handle(&mut self, AskFlow { room }: AskFlow, ctx: &mut Self::Context) -> Option<Flow> {
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
