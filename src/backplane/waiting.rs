//! Requests that a backplane gives back when their turn in the order has come.

use crate::{
    config::RoomName,
    history::HistorySlice,
    ids::{ConnectionId, Reference, RelayId, SpeakerId},
    limits::Permit,
};
use tokio::sync::oneshot;

/// The sender of a request for a part of a history.
pub enum Asker {
    /// A client that joins the room.
    Newcomer(Newcomer),
    /// A reader over HTTP.
    Reader(oneshot::Sender<Option<HistorySlice>>),
}

/// A request that waits until everything that was submitted before it has arrived.
pub enum Waiter {
    /// A session ends after its own messages.
    Finish(Finish),
    /// A request for presence is answered after the notices that the client is to receive before.
    Presence(GetPresence),
    /// A barrier of a worker thread.
    Barrier(oneshot::Sender<()>),
}

/// A client that joins a room.
pub struct Newcomer {
    /// The connection of the client.
    pub connection: ConnectionId,
    /// The relay of its thread.
    pub relay: RelayId,
    /// The speaker of the client.
    pub who: SpeakerId,
    /// The client continues as the speaker of a lost session.
    pub resumed: bool,
    /// The room.
    pub room: RoomName,
}

/// Session or relay → hub: the client is not read any more; close it after every earlier message,
/// its own included.
pub struct Finish {
    /// The connection of the client.
    pub connection: ConnectionId,
    /// The relay of its thread.
    pub relay: RelayId,
}

/// Session → hub: the client requests the presence of its room.
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
