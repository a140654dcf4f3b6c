//! Publishing, over sockets and over HTTP: submit to the backplane, and deliver what arrives.

use super::{GetCredit, Hub, NotPosted, Post, Posted, Publish};
use crate::{
    backplane::{Arrival, KeyUse, Lookup, Pending, Published, Reply, Submission},
    config::RoomName,
    delivery::Broadcast,
    history::{Audience, NewMessage},
    ids::{ConnectionId, RoomSlot},
    limits::{Flow, Source},
    logging::{Escaped, Subject, log_client},
    room::{Room, TooManyRooms},
    wire::Payload,
};
use actix::prelude::*;
use log::Level;
use smallvec::smallvec;
use std::{mem, net::SocketAddr, time::Instant};
use tokio::sync::oneshot;

impl Hub {
    pub(super) fn publish(&mut self, Publish { room, speaker, message, permit, peer }: Publish) {
        if self.rooms.get(room).is_none() {
            return;
        }
        if let Some(who) = message.who.filter(|_| !self.notices.is_empty()) {
            self.announce(room, who);
        }
        self.log_message(room, Some(speaker.connection), peer, &message.payload);
        let pending = Pending { speaker: Some(speaker), permit, reply: None };
        let source = Source::new(peer.map(|peer| peer.ip()), false);
        self.submit(Submission { room, messages: smallvec![message], source, key: None, pending });
    }

    /// Submits messages of an open room, and handles what has arrived.
    fn submit(&mut self, submission: Submission) {
        self.rooms.submit(submission, Instant::now(), &mut self.arrived);
        let mut arrived = mem::take(&mut self.arrived);
        arrived.drain(..).for_each(|arrival| self.arrive(arrival));
        self.arrived = arrived; // keeps its memory
        self.rooms.end_emptied();
    }

    /// Answers the publisher, and puts messages that have their offsets on the lists of the relays. The
    /// permit returns after the last one.
    fn arrive(&mut self, arrival: Arrival) {
        let published = arrival.pending.reply.is_some().then(|| arrival.published());
        let Arrival { room, messages, pending: Pending { mut speaker, mut permit, reply } } = arrival;
        if let Some((reply, published)) = reply.zip(published) {
            let _ = reply.result.send(published); // a client that has gone needs no answer
        }
        let left = (0..messages.len()).rev();
        for (message, left) in messages.into_iter().zip(left) {
            self.reserve_in_turn(1, message.payload.as_bytes().len());
            let broadcast = Broadcast::message(message, speaker.take(), permit.take_if(|_| left == 0));
            self.broadcast(room, &broadcast);
        }
    }

    /// Publishes the messages of one request in a row, unless the same request was published before. The
    /// result comes when they have arrived.
    fn post(&mut self, post: Post) -> Result<oneshot::Receiver<Published>, NotPosted> {
        let Post { room, payloads, key, source, permit, peer } = post;
        let (result, answer) = oneshot::channel();
        if let Some(key) = &key {
            match self.rooms.backplane.find(&room, key, source, Instant::now()) {
                Lookup::Repeated(published) => {
                    let _ = result.send(published); // the other end is here
                    return Ok(answer);
                }
                Lookup::Reused => return Err(NotPosted::KeyReused),
                Lookup::Full => return Err(NotPosted::TooManyKeys),
                Lookup::New => {}
            }
        }
        let slot = self.open(&room, source).map_err(|TooManyRooms| NotPosted::TooManyRooms)?;
        payloads.iter().for_each(|payload| self.log_message(slot, None, peer, payload));
        let message = |payload| NewMessage { payload, who: None, audience: Audience::Everyone };
        let receivers = self.rooms.get(slot).map_or(0, |room| room.members.count());
        let reply = Some(Reply { result, receivers });
        self.submit(Submission {
            room: slot,
            messages: payloads.into_iter().map(message).collect(),
            source,
            key: key.map(|key| Box::new(KeyUse { room, key, source })),
            pending: Pending { speaker: None, permit: Some(permit), reply },
        });
        self.rooms.end_if_over(slot);
        self.count_rooms();
        self.metrics.idempotency_keys.set(self.rooms.backplane.idempotency_keys() as i64);
        Ok(answer)
    }

    /// Logs a message before it is published; without a session it came over HTTP.
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
                log_client!(peer, Level::Info, "server: received: {}\t{about}", Escaped(text))
            }
            Payload::Binary(bytes) => {
                log_client!(peer, Level::Info, "server: received: {} bytes (binary)\t{about}", bytes.len())
            }
        }
    }
}

impl Handler<Post> for Hub {
    type Result = ResponseFuture<Result<Posted, NotPosted>>;

    fn handle(&mut self, post: Post, ctx: &mut Self::Context) -> Self::Result {
        let stint_is_over = self.begin_entry();
        let room = post.room.clone();
        let answer = self.post(post);
        self.end_entry(stint_is_over, ctx);
        Box::pin(async {
            let published = answer?.await.map_err(|_| NotPosted::Unavailable)?;
            Ok(Posted::new(room, published))
        })
    }
}

impl Posted {
    fn new(room: RoomName, Published { position, messages, receivers }: Published) -> Self {
        Self { room, epoch: position.epoch, offset: position.offset, messages, received: receivers }
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
