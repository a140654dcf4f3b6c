//! What the hub is told, and what it tells the relays.

use super::publication::{Audience, Permit, Publication, SessionId};
use crate::{
    room::{Flow, RelayId, RoomName, RoomSlot},
    wire::Payload,
};
use actix::prelude::*;
use std::{sync::Arc, time::Duration};

/// Relay → hub: this relay takes turns from now on.
#[derive(Message)]
#[rtype(result = "()")]
pub struct RelayStarted {
    pub relay: RelayId,
    pub turns: Recipient<Turn>,
}

/// Session → hub: this client is here and wants into its room.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Join {
    pub session: SessionId,
    pub relay: RelayId,
    pub room: RoomName,
}

/// Session → hub: this client said something in its room.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Publish {
    pub room: RoomName,
    pub payload: Payload,
    pub audience: Audience,
    pub permit: Option<Permit>,
}

/// Session → hub: this client is gone, from its relay as well.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Leave {
    pub session: SessionId,
    pub relay: RelayId,
    pub room: RoomName,
}

/// Session or relay → hub: this client is no longer listened to; dismiss it behind everything that
/// was said before, by itself too.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Depart {
    pub session: SessionId,
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

/// The answer to [`Describe`].
#[derive(Debug, PartialEq, MessageResponse, serde::Serialize)]
pub struct RoomFacts {
    pub room: RoomName,
    /// How many clients are in the room.
    pub clients: usize,
}

/// Hub → relay: what happened in all rooms with members at this relay, in the order in which it happened.
#[derive(Message)]
#[rtype(result = "()")]
pub struct Turn(pub Vec<Event>);

/// One thing that happened.
pub enum Event {
    /// The session is in the room: it hears the greeting and everything after it.
    Admitted { session: SessionId, room: RoomSlot, flow: Flow, greeting: Option<Arc<Publication>> },
    /// Something was said in the room.
    Said { room: RoomSlot, publication: Arc<Publication> },
    /// The session's room would be one more than there may be.
    Refused { session: SessionId },
    /// The session has heard all that it was to hear.
    Dismissed { session: SessionId },
    /// The relay is to dismiss its sessions, spread over this time.
    Draining { over: Duration },
}
