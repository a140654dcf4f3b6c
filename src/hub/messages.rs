//! What the hub is told, and what it tells the relays.

use crate::{
    backplane::{IdempotencyKey, Speaker},
    config::RoomName,
    delivery::Broadcast,
    history::{Epoch, HistoryRequest, HistorySlice, NewMessage, Offset, Position},
    ids::{ConnectionId, Reference, RelayId, RoomSlot, SpeakerId},
    limits::{Flow, Permit, Source},
    protocol::CloseReason,
    room::Present,
    wire::Payload,
};
use actix::prelude::*;
use bytes::Bytes;
use std::{net::SocketAddr, sync::Arc, time::Duration};

/// Worker thread → hub: what its relay and its sessions report, in the order in which it happened there.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Commands(pub Vec<Command>);

/// Worker thread → hub: answered when the hub has done all that it was told before.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Barrier;

/// One thing that a relay or a session has to say.
pub enum Command {
    /// A relay has started.
    RelayStarted(RelayStarted),
    /// A client joins its room.
    Join(Join),
    /// A member publishes.
    Publish(Publish),
    /// A client requests the presence of its room.
    GetPresence(GetPresence),
    /// A session ends after its own messages.
    Finish(Finish),
    /// A session has ended.
    Leave(Leave),
}

/// Relay → hub: this relay takes turns from now on.
pub struct RelayStarted {
    /// The relay.
    pub relay: RelayId,
    /// Its address.
    pub turns: Recipient<Turn>,
}

/// Session → hub: this client is here and wants into its room.
pub struct Join {
    /// The connection of the client.
    pub connection: ConnectionId,
    /// The speaker of the client.
    pub who: SpeakerId,
    /// The client goes on as the speaker of a lost session.
    pub resumed: bool,
    /// The relay of its thread.
    pub relay: RelayId,
    /// The room, which begins if it does not exist.
    pub room: RoomName,
    /// Whose room it is if it begins now.
    pub source: Source,
    /// The requested part of the history.
    pub history: HistoryRequest,
    /// The client's address, for the log.
    pub peer: Option<SocketAddr>,
}

/// Session → hub: this client said something in its room.
pub struct Publish {
    /// The room lives at least until its member's [`Leave`], which comes behind.
    pub room: RoomSlot,
    /// The connection that publishes.
    pub speaker: Speaker,
    /// The message.
    pub message: NewMessage,
    /// Held until delivery.
    pub permit: Option<Permit>,
    /// The client's address, for the log.
    pub peer: Option<SocketAddr>,
}

/// HTTP → hub: say this in the room, in this order and with nothing between.
#[derive(Message)]
#[rtype(result = "Result<Posted, NotPosted>")]
pub struct Post {
    /// The room, which begins if it does not exist.
    pub room: RoomName,
    /// The messages, which become consecutive.
    pub payloads: Vec<Payload>,
    /// Makes a repetition of the request harmless.
    pub key: Option<IdempotencyKey>,
    /// Whose share of the keys it takes, and whose room it is if it begins now.
    pub source: Source,
    /// Held until delivery.
    pub permit: Permit,
    /// The client's address, for the log.
    pub peer: Option<SocketAddr>,
}

/// The answer to [`Post`]: what became of it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Posted {
    /// The room.
    pub room: RoomName,
    /// The epoch of its history.
    pub epoch: Epoch,
    /// Of the last message.
    pub offset: Offset,
    /// The number of messages.
    pub messages: usize,
    /// How many clients each was handed to.
    pub received: usize,
}

/// Why nothing was said.
#[derive(Debug)]
pub enum NotPosted {
    /// `limits.rooms` is reached.
    TooManyRooms,
    /// The idempotency key was used for something else.
    KeyReused,
    /// The source holds its share of the idempotency keys.
    TooManyKeys,
    /// The node stopped before the messages arrived.
    Unavailable,
}

/// HTTP → hub: how fast may one speak in this room? Nobody is there to be overrun if it does not exist.
#[derive(Message)]
#[rtype(result = "Option<Flow>")]
pub struct GetCredit {
    /// The room.
    pub room: RoomName,
}

/// Session → hub: this client is gone, from its relay as well.
pub struct Leave {
    /// The connection of the client.
    pub connection: ConnectionId,
    /// The speaker of the client.
    pub who: SpeakerId,
    /// The relay of its thread.
    pub relay: RelayId,
    /// The room that it has joined, or wanted to join.
    pub room: RoomName,
}

/// Session → hub: this client asks who is in its room.
pub struct GetPresence {
    /// The connection of the client.
    pub connection: ConnectionId,
    /// The relay of its thread.
    pub relay: RelayId,
    /// The room of the client.
    pub room: RoomName,
    /// The client's name for its request.
    pub reference: Option<Reference>,
    /// Held until the answer is sent.
    pub permit: Option<Permit>,
}

/// Session or relay → hub: this client is no longer listened to; dismiss it behind everything that
/// was said before, by itself too.
pub struct Finish {
    /// The connection of the client.
    pub connection: ConnectionId,
    /// The relay of its thread.
    pub relay: RelayId,
}

/// Server → hub: send everybody away, spread over this time.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Drain {
    /// The time over which sessions are closed.
    pub over: Duration,
}

/// HTTP → hub: what is this room like?
#[derive(Message)]
#[rtype(result = "RoomFacts")]
pub struct Describe {
    /// The room.
    pub room: RoomName,
}

/// What is known about a room.
#[derive(Debug, MessageResponse, serde::Serialize)]
pub struct RoomFacts {
    /// The room.
    pub room: RoomName,
    /// How many clients are in the room.
    pub clients: usize,
    /// Nothing about a room that does not exist.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub memory: Option<RoomMemory>,
}

/// What a room remembers.
#[derive(Debug, serde::Serialize)]
pub struct RoomMemory {
    /// Behind its last message.
    #[serde(flatten)]
    pub position: Position,
    /// How many messages it remembers.
    pub remembered: usize,
}

/// HTTP → hub: what was said in this room?
#[derive(Message)]
#[rtype(result = "Option<HistorySlice>")]
pub struct Read {
    /// The room.
    pub room: RoomName,
    /// The requested part of its history.
    pub history: HistoryRequest,
}

/// HTTP → hub: which rooms are there?
#[derive(Message)]
#[rtype(result = "RoomList")]
pub struct List {
    /// Behind this name, or from the first on.
    pub after: Option<RoomName>,
    /// The most rooms in the list.
    pub limit: usize,
}

/// The answer to [`List`]: rooms in the order of their names.
#[derive(Debug, MessageResponse, serde::Serialize)]
pub struct RoomList {
    /// The rooms.
    pub rooms: Vec<RoomFacts>,
    /// The name to go on behind, if there are more.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<RoomName>,
}

/// Hub → relay: what happened in all rooms with members at this relay, in the order in which it happened.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Turn(pub Vec<Event>);

/// What a session hears first.
pub struct Admission {
    /// The speaker of the client.
    pub who: SpeakerId,
    /// The client goes on as the speaker of a lost session.
    pub resumed: bool,
    /// The room.
    pub room: RoomName,
    /// As a frame, for whoever is spoken to barely.
    pub greeting: Option<Bytes>,
    /// The requested part of the history.
    pub history: HistorySlice,
}

/// Who is in a room, for the session that asked.
pub struct PresenceReply {
    /// The client's name for its request.
    pub reference: Option<Reference>,
    /// The presence of the room.
    pub present: Present,
    /// Held until the answer is sent.
    pub permit: Option<Permit>,
}

/// One thing that happened.
#[allow(missing_docs)] // the types of the fields are their docs
pub enum Event {
    /// The session is in the room: it hears the admission and everything after it.
    Admitted { connection: ConnectionId, room: RoomSlot, flow: Flow, admission: Box<Admission> },
    /// Something was said in the room.
    Broadcast { room: RoomSlot, broadcast: Arc<Broadcast> },
    /// The session asked who is in its room.
    Presence { connection: ConnectionId, presence: Box<PresenceReply> },
    /// The session is not let into its room.
    Refused { connection: ConnectionId, reason: CloseReason },
    /// The session has heard all that it was to hear.
    Finished { connection: ConnectionId },
    /// The relay is to dismiss its sessions, spread over this time.
    Draining { over: Duration },
}
