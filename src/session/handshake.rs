//! An accepted opening handshake: the options of a session.

use crate::{
    config::RoomName,
    history::HistoryRequest,
    ids::SpeakerId,
    limits::{ConnectionSlot, Source},
    protocol::Encoding,
};
use std::net::SocketAddr;

/// An accepted opening handshake, with everything that was negotiated in it.
pub struct Handshake {
    /// The part that the session keeps.
    pub options: SessionOptions,
    /// The part of the history to deliver before new messages.
    pub history: HistoryRequest,
    /// The speaker whose lost session the client resumes.
    pub resumes: Option<SpeakerId>,
    /// The largest payload of a message in bytes, inclusive; a larger one closes the session with
    /// 1009.
    pub max_message: usize,
    /// The rate limit for messages; 0 is no limit.
    pub messages_per_second: u32,
}

/// The part of a [`Handshake`] that a session keeps until its end.
pub struct SessionOptions {
    /// The place of this connection in the connection limits, until it is dropped.
    pub slot: ConnectionSlot,
    /// The room.
    pub room: RoomName,
    /// The client receives its own messages too.
    pub echo: bool,
    /// The rights of the client in the room.
    pub rights: Rights,
    /// The negotiated encoding.
    pub encoding: Encoding,
    /// The address of the client, for limits and the log; `None` for a transport without addresses.
    pub peer: Option<SocketAddr>,
}

impl SessionOptions {
    /// Returns the source for whose shares of limits the session counts.
    pub fn source(&self) -> Source {
        Source::new(self.peer.map(|peer| peer.ip()), false)
    }
}

/// The rights of a client in its room; every client may receive messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rights {
    /// The client may publish. Where that needs a key, a client without one may not.
    pub publish: bool,
}
