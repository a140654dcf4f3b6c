//! Publishing, over sockets and over HTTP: submit to the backplane, and deliver what arrives.

use super::{Event, GetCredit, Hub, Post, Posted, Publish};
use crate::{
    backplane::{KeyUse, NotPosted, Ordered, Pending, Published, Reply, Speaker, Submission},
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
use std::{net::SocketAddr, time::Instant};
use tokio::sync::oneshot;

/// The answer to a request over HTTP, which comes when its messages have arrived.
type Answer = oneshot::Receiver<Result<Published, NotPosted>>;

impl Hub {
    pub(super) fn publish(&mut self, Publish { room, speaker, message, permit, peer }: Publish) {
        if self.store.rooms.get(room).is_none() {
            return;
        }
        if let Some(who) = message.who.filter(|_| !self.notices.is_empty()) {
            self.announce_join(room, who);
        }
        self.log_message(room, Some(speaker.connection), peer, &message.payload);
        let pending = Pending { speaker: Some(speaker), permit, reply: None };
        let source = Source::new(peer.map(|peer| peer.ip()), false);
        self.submit(Submission { room, messages: smallvec![message], source, key: None, pending });
    }

    fn submit(&mut self, submission: Submission) {
        self.store.submit(submission, Instant::now(), &mut self.arrived);
    }

    /// Answers the publisher, and puts messages that have their offsets on the lists of the relays.
    /// The permit returns after the last one.
    pub(super) fn deliver_messages(&mut self, Ordered { room, messages, answer, pending }: Ordered) {
        let Pending { mut speaker, mut permit, reply } = pending.unwrap_or_default();
        if messages.is_empty()
            && let Some(Speaker { connection, reference }) = speaker.take()
        {
            self.add_for_room(room, || Event::Unconfirmed { connection, reference: reference.clone() });
        }
        if let Some(reply) = reply {
            let _ = reply.result.send(answer); // a client that has gone needs no answer
        }
        let left = (0..messages.len()).rev();
        for (message, left) in messages.into_iter().zip(left) {
            self.reserve_in_turn(1, message.payload.as_bytes().len());
            let broadcast = Broadcast::message(message, speaker.take(), permit.take_if(|_| left == 0));
            self.broadcast(room, &broadcast);
        }
        self.store.end_after_arrival(room, Instant::now());
    }

    /// Submits the messages of one request in a row, unless the same request was published before.
    fn post(&mut self, post: Post) -> Result<Answer, NotPosted> {
        let Post { room, payloads, key, source, permit, peer } = post;
        let (result, answer) = oneshot::channel();
        if let Some(key) = &key
            && let Some(known) = self.store.backplane.find_answer(&room, key, source, Instant::now())
        {
            let _ = result.send(known); // the other end is here
            return Ok(answer);
        }
        let slot = self.open(&room, source).map_err(|TooManyRooms| NotPosted::TooManyRooms)?;
        payloads.iter().for_each(|payload| self.log_message(slot, None, peer, payload));
        let message = |payload| NewMessage { payload, who: None, audience: Audience::Everyone };
        let receivers = self.store.rooms.get(slot).map_or(0, |room| room.members.count());
        let reply = Some(Reply { result, receivers });
        self.submit(Submission {
            room: slot,
            messages: payloads.into_iter().map(message).collect(),
            source,
            key: key.map(|key| Box::new(KeyUse { room, key, source })),
            pending: Pending { speaker: None, permit: Some(permit), reply },
        });
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
        let room = self.store.rooms.get(slot).map(Room::name);
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
        self.handle_arrivals(ctx);
        self.count_rooms();
        self.metrics.idempotency_keys.set(self.store.backplane.idempotency_keys() as i64);
        self.end_entry(stint_is_over, ctx);
        Box::pin(async {
            let published = answer?.await.map_err(|_| NotPosted::Stopped)??;
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
        let flow = self.store.rooms.find(&room).map(|room| room.flow.clone());
        self.end_entry(stint_is_over, ctx);
        flow
    }
}
