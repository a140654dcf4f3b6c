//! What somebody said in a room, and its place there.

use super::Position;
use crate::{ids::SpeakerId, wire::Payload};
use std::time::{Instant, SystemTime};

/// Which members of the room hear what was said.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Audience {
    Everyone,
    Except(SpeakerId),
}

impl Audience {
    pub fn left_out(self) -> Option<SpeakerId> {
        match self {
            Self::Everyone => None,
            Self::Except(session) => Some(session),
        }
    }
}

/// Something said that has no place in the order of its room yet.
#[derive(Clone, Debug)]
pub struct NewMessage {
    pub payload: Payload,
    /// Nobody, when it came over HTTP.
    pub who: Option<SpeakerId>,
    pub audience: Audience,
}

/// Something said, as a room remembers it.
#[derive(Debug)]
pub struct Message {
    pub payload: Payload,
    pub who: Option<SpeakerId>,
    pub audience: Audience,
    /// Behind it.
    pub position: Position,
    /// When the hub took it.
    pub taken: Instant,
    /// The same, for people.
    pub time: SystemTime,
}

impl Message {
    pub fn new(message: NewMessage, position: Position, taken: Instant) -> Self {
        let NewMessage { payload, who, audience } = message;
        Self { payload, who, audience, position, taken, time: SystemTime::now() }
    }

    /// What it costs to remember: its bytes, and what surrounds them.
    pub fn cost(&self) -> usize {
        const OVERHEAD: usize = 224; // measured: 212 with the shortest text
        self.payload.as_bytes().len() + OVERHEAD
    }

    pub fn is_for(&self, subscriber: SpeakerId) -> bool {
        self.audience.left_out() != Some(subscriber)
    }
}
