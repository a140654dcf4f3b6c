//! A message of a room, before and after it has a position in the order of the room.

use super::{Position, accounts::AccountId};
use crate::{ids::SpeakerId, wire::Payload};
use std::time::{Instant, SystemTime};

/// The members of the room that receive a message.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Audience {
    /// All members.
    Everyone,
    /// All members but one, usually the publisher.
    Except(SpeakerId),
}

impl Audience {
    /// Returns the member that does not receive the message.
    pub fn excluded(self) -> Option<SpeakerId> {
        match self {
            Self::Everyone => None,
            Self::Except(speaker) => Some(speaker),
        }
    }
}

/// A message that has no position in the order of its room yet.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// The published text or bytes.
    pub payload: Payload,
    /// The publisher; `None` if the message was published over HTTP.
    pub who: Option<SpeakerId>,
    /// The members that receive the message.
    pub audience: Audience,
}

/// A message with its position, as the history of its room keeps it.
#[derive(Debug)]
pub struct Message {
    /// The published text or bytes.
    pub payload: Payload,
    /// The publisher; `None` if the message was published over HTTP.
    pub who: Option<SpeakerId>,
    /// The members that receive the message.
    pub audience: Audience,
    /// The position after this message.
    pub position: Position,
    /// Monotonic time at which the hub received the message.
    pub received: Instant,
    /// Wall-clock time at which the hub received the message.
    pub time: SystemTime,
    /// The account of the source for which the message counts among all histories.
    pub(super) account: AccountId,
}

impl Message {
    /// Gives `message` its position.
    pub fn new(message: NewMessage, position: Position, received: Instant) -> Self {
        let NewMessage { payload, who, audience } = message;
        let (time, account) = (SystemTime::now(), AccountId::default());
        Self { payload, who, audience, position, received, time, account }
    }

    /// A message that got its position at `time`, before it was received here.
    pub fn at(message: NewMessage, position: Position, received: Instant, time: SystemTime) -> Self {
        Self { time, ..Self::new(message, position, received) }
    }

    /// Returns the bytes that the message counts for in a history: its payload and 224 bytes of
    /// overhead.
    pub fn cost(&self) -> usize {
        Self::cost_of(&self.payload)
    }

    /// Returns the bytes that a message with this payload counts for in a history.
    pub fn cost_of(payload: &Payload) -> usize {
        const OVERHEAD: usize = 224; // measured: 212 with the shortest text
        payload.as_bytes().len() + OVERHEAD
    }

    /// Returns true if `subscriber` receives the message.
    pub fn is_for(&self, subscriber: SpeakerId) -> bool {
        self.audience.excluded() != Some(subscriber)
    }
}
