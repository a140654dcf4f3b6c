//! A batch as Redis stores and publishes it.

use super::call::{NodeId, Sequence};
use crate::{
    history::{Audience, Message, Position},
    ids::SpeakerId,
    wire::Payload,
};
use std::time::SystemTime;

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
