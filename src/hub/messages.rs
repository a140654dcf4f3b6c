//! The messages to the hub, and those of the hub to the relays.

use crate::{
    backplane::{Finish, GetPresence, IdempotencyKey, Newcomer, NotPosted, Speaker},
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

/// Worker thread → hub: commands of its relay and its sessions, in the order in which they were
/// sent.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Commands(pub Vec<Command>);

/// Worker thread → hub: a barrier, answered when the hub has handled every earlier command, and
/// everything that they submitted has arrived.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Barrier;

/// One command of a relay or a session.
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

/// Relay → hub: the relay accepts turns from now on.
pub struct RelayStarted {
    /// The relay.
    pub relay: RelayId,
    /// Its address.
    pub turns: Recipient<Turn>,
}

/// Session → hub: the client asks for admission to its room, which begins if it does not exist.
pub struct Join {
    /// The client and its room.
    pub newcomer: Newcomer,
    /// The source that the room counts for if it begins now.
    pub source: Source,
    /// The requested part of the history.
    pub history: HistoryRequest,
    /// The client's address, for the log.
    pub peer: Option<SocketAddr>,
}

/// Session → hub: the client publishes a message in its room.
pub struct Publish {
    /// The room, which exists at least until the later [`Leave`] of its member.
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

/// HTTP → hub: publish these messages in the room, one after the other with none between them.
#[derive(Message)]
#[rtype(result = "Result<Posted, NotPosted>")]
pub struct Post {
    /// The room, which begins if it does not exist.
    pub room: RoomName,
    /// The messages, which become consecutive.
    pub payloads: Vec<Payload>,
    /// Makes a repetition of the request harmless.
    pub key: Option<IdempotencyKey>,
    /// The source whose share of the keys it uses, and that the room counts for if it begins now.
    pub source: Source,
    /// Held until delivery.
    pub permit: Permit,
    /// The client's address, for the log.
    pub peer: Option<SocketAddr>,
}

/// The answer to [`Post`].
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Posted {
    /// The room.
    pub room: RoomName,
    /// The epoch of its history.
    pub epoch: Epoch,
    /// The offset of the last message.
    pub offset: Offset,
    /// The number of messages.
    pub messages: usize,
    /// Clients in the room at the moment of publication.
    pub received: usize,
}

/// HTTP → hub: asks for the flow control of a room; a room that does not exist has none.
#[derive(Message)]
#[rtype(result = "Option<Flow>")]
pub struct GetCredit {
    /// The room.
    pub room: RoomName,
}

/// Session → hub: the session has ended, and its relay has forgotten it.
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

/// Server → hub: close all sessions, spread over this time.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Drain {
    /// The time over which sessions are closed.
    pub over: Duration,
}

/// The backplane did not answer within `session.stalled_write`.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Unavailable;

/// HTTP → hub: asks for the facts of a room.
#[derive(Message)]
#[rtype(result = "Result<RoomFacts, Unavailable>")]
pub struct Describe {
    /// The room.
    pub room: RoomName,
}

/// The facts of a room.
#[derive(Debug, serde::Serialize)]
pub struct RoomFacts {
    /// The room.
    pub room: RoomName,
    /// Clients in the room.
    pub clients: usize,
    /// The state of its history; `None` for a room that does not exist.
    #[serde(flatten, skip_serializing_if = "Option::is_none")]
    pub memory: Option<RoomMemory>,
}

/// The state of a history.
#[derive(Debug, serde::Serialize)]
pub struct RoomMemory {
    /// The position after its last message.
    #[serde(flatten)]
    pub position: Position,
    /// The number of messages in it.
    pub remembered: usize,
}

/// HTTP → hub: asks for a part of the history of a room; a room that does not exist has none.
#[derive(Message)]
#[rtype(result = "Result<Option<HistorySlice>, Unavailable>")]
pub struct Read {
    /// The room.
    pub room: RoomName,
    /// The requested part of its history.
    pub history: HistoryRequest,
}

/// HTTP → hub: asks for a list of rooms.
#[derive(Message)]
#[rtype(result = "RoomList")]
pub struct List {
    /// The name before the first of the list; `None` for a list from the beginning.
    pub after: Option<RoomName>,
    /// The maximum number of rooms in the list, inclusive.
    pub limit: usize,
}

/// The answer to [`List`]: rooms in the order of their names.
#[derive(Debug, serde::Serialize)]
pub struct RoomList {
    /// The rooms.
    pub rooms: Vec<RoomFacts>,
    /// The name to continue after, if there are more rooms.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub next: Option<RoomName>,
}

/// Hub → relay: the events of all rooms with members at this relay, in their order.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Turn(pub Vec<Event>);

/// The first content that a session delivers.
pub struct Admission {
    /// The speaker of the client.
    pub who: SpeakerId,
    /// The client continues as the speaker of a lost session.
    pub resumed: bool,
    /// The room.
    pub room: RoomName,
    /// The greeting as a frame, for clients of the raw protocol.
    pub greeting: Option<Bytes>,
    /// The requested part of the history.
    pub history: HistorySlice,
}

/// The presence of a room, for the session that requested it.
pub struct PresenceReply {
    /// The client's name for its request.
    pub reference: Option<Reference>,
    /// The presence of the room.
    pub present: Present,
    /// Held until the answer is sent.
    pub permit: Option<Permit>,
}

/// One event of a room or a session.
pub enum Event {
    /// The session is a member of the room: it delivers the admission and every later message.
    Admitted {
        /// The connection of the session.
        connection: ConnectionId,
        /// The room.
        room: RoomSlot,
        /// The flow control of the room.
        flow: Flow,
        /// The first content.
        admission: Box<Admission>,
    },
    /// A message was published in the room, or a notice announced.
    Broadcast {
        /// The room.
        room: RoomSlot,
        /// The message or notice.
        broadcast: Arc<Broadcast>,
    },
    /// The answer to a request for presence.
    Presence {
        /// The connection that requested it.
        connection: ConnectionId,
        /// The answer.
        presence: Box<PresenceReply>,
    },
    /// The session is not admitted to its room.
    Refused {
        /// The connection of the session.
        connection: ConnectionId,
        /// The reason, for the close frame.
        reason: CloseReason,
    },
    /// The backplane has not confirmed a message of the session within `session.stalled_write`. The
    /// message may still be published.
    Unconfirmed {
        /// The connection that published it.
        connection: ConnectionId,
        /// The client's name for the message.
        reference: Option<Reference>,
    },
    /// Messages that the members of the room have received are no longer in its history.
    HistoryLost {
        /// The room.
        room: RoomSlot,
        /// The epoch that begins, for members that can be notified; all others are closed. Where
        /// no message is lost, [`Event::Broadcast`] carries the same notice. See
        /// [`Broadcast::epoch`].
        notice: Arc<Broadcast>,
    },
    /// The session has delivered every message before its end.
    Finished {
        /// The connection of the session.
        connection: ConnectionId,
    },
    /// The relay closes its sessions.
    Draining {
        /// The time over which the closes are spread.
        over: Duration,
    },
}
