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
    RelayStarted(RelayStarted),
    Join(Join),
    Publish(Publish),
    GetPresence(GetPresence),
    Finish(Finish),
    Leave(Leave),
}

/// Relay → hub: this relay takes turns from now on.
pub struct RelayStarted {
    pub relay: RelayId,
    pub turns: Recipient<Turn>,
}

/// Session → hub: this client is here and wants into its room.
pub struct Join {
    pub connection: ConnectionId,
    pub who: SpeakerId,
    /// The client goes on as the speaker of a lost session.
    pub resumed: bool,
    pub relay: RelayId,
    pub room: RoomName,
    /// Whose room it is if it begins now.
    pub source: Source,
    pub history: HistoryRequest,
    /// The client's address, for the log.
    pub peer: Option<SocketAddr>,
}

/// Session → hub: this client said something in its room.
pub struct Publish {
    /// The room lives at least until its member's [`Leave`], which comes behind.
    pub room: RoomSlot,
    pub speaker: Speaker,
    pub message: NewMessage,
    pub permit: Option<Permit>,
    /// The client's address, for the log.
    pub peer: Option<SocketAddr>,
}

/// HTTP → hub: say this in the room, in this order and with nothing between.
#[derive(Message)]
#[rtype(result = "Result<Posted, NotPosted>")]
pub struct Post {
    pub room: RoomName,
    pub payloads: Vec<Payload>,
    pub key: Option<IdempotencyKey>,
    /// Whose share of the keys it takes, and whose room it is if it begins now.
    pub source: Source,
    pub permit: Permit,
    /// The client's address, for the log.
    pub peer: Option<SocketAddr>,
}

/// The answer to [`Post`]: what became of it.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Posted {
    pub room: RoomName,
    pub epoch: Epoch,
    /// Of the last message.
    pub offset: Offset,
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
    pub room: RoomName,
}

/// Session → hub: this client is gone, from its relay as well.
pub struct Leave {
    pub connection: ConnectionId,
    pub who: SpeakerId,
    pub relay: RelayId,
    pub room: RoomName,
}

/// Session → hub: this client asks who is in its room.
pub struct GetPresence {
    pub connection: ConnectionId,
    pub relay: RelayId,
    pub room: RoomName,
    pub reference: Option<Reference>,
    pub permit: Option<Permit>,
}

/// Session or relay → hub: this client is no longer listened to; dismiss it behind everything that
/// was said before, by itself too.
pub struct Finish {
    pub connection: ConnectionId,
    pub relay: RelayId,
}

/// Server → hub: send everybody away, spread over this time.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Drain {
    pub over: Duration,
}

/// HTTP → hub: what is this room like?
#[derive(Message)]
#[rtype(result = "RoomFacts")]
pub struct Describe {
    pub room: RoomName,
}

/// What is known about a room.
#[derive(Debug, MessageResponse, serde::Serialize)]
pub struct RoomFacts {
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
    pub room: RoomName,
    pub history: HistoryRequest,
}

/// HTTP → hub: which rooms are there?
#[derive(Message)]
#[rtype(result = "RoomList")]
pub struct List {
    /// Behind this name, or from the first on.
    pub after: Option<RoomName>,
    pub limit: usize,
}

/// The answer to [`List`]: rooms in the order of their names.
#[derive(Debug, MessageResponse, serde::Serialize)]
pub struct RoomList {
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
    pub who: SpeakerId,
    /// The client goes on as the speaker of a lost session.
    pub resumed: bool,
    pub room: RoomName,
    /// As a frame, for whoever is spoken to barely.
    pub greeting: Option<Bytes>,
    pub history: HistorySlice,
}

/// Who is in a room, for the session that asked.
pub struct PresenceReply {
    pub reference: Option<Reference>,
    pub present: Present,
    pub permit: Option<Permit>,
}

/// One thing that happened.
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
