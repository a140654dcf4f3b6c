//! A batch as Redis stores and publishes it.

use crate::{
    history::{Audience, Message, Offset, Position},
    ids::SpeakerId,
    wire::Payload,
};
use std::{fmt, time::SystemTime};

/// One process of worldcast: random, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct NodeId(pub u64);

impl NodeId {
    /// Returns a random id.
    pub fn random() -> Self {
        Self(fastrand::u64(..))
    }
}

impl fmt::Display for NodeId {
    /// 16 hexadecimal digits.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The number of a batch of one node, from 1, rising.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Sequence(pub u64);

/// A batch with its place in the order of the room.
#[derive(Clone, Debug, PartialEq)]
pub struct Entry {
    /// The position after its last message.
    pub until: Position,
    /// The node that has published it.
    pub node: NodeId,
    /// The number of the batch at that node.
    pub sequence: Sequence,
    /// At least one message.
    pub messages: Vec<StoredMessage>,
}

impl Entry {
    /// The offset of its first message.
    pub fn first(&self) -> Offset {
        self.until.offset.back(self.messages.len().saturating_sub(1))
    }
}

/// A message as Redis stores it; its offset follows from its place in the batch.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredMessage {
    /// The published text or bytes.
    pub payload: Payload,
    /// The publisher; `None` if the message was published over HTTP.
    pub who: Option<SpeakerId>,
    /// The members that receive the message.
    pub audience: Audience,
    /// Wall-clock time at which the node received the message, in whole milliseconds.
    pub time: SystemTime,
}

impl StoredMessage {
    /// Returns the bytes that the message counts for in a history, as those of
    /// [`Message::cost`](crate::history::Message::cost).
    pub fn cost(&self) -> usize {
        Message::cost_of(&self.payload)
    }
}
