//! Clients, and publishers over HTTP, with all that they have received.

use crate::{
    backplane::{NotPosted, Published},
    config::RoomName,
    history::{Message, Offset, Position},
    ids::{ConnectionId, SpeakerId},
    wire::Payload,
};
use std::collections::HashMap;
use tokio::sync::oneshot;

/// A client of one room, which comes and goes at any node.
pub struct Client {
    pub room: RoomName,
    pub connection: ConnectionId,
    pub who: SpeakerId,
    /// The index of its process; `None` while it is away.
    pub process: Option<usize>,
    pub is_admitted: bool,
    /// The messages since it was told of a loss last.
    pub received: Vec<(Position, String)>,
    /// The offset of each text: none comes twice.
    pub seen: HashMap<String, Offset>,
    pub position: Option<Position>,
    /// The number of losses that it was told of.
    pub told: usize,
    /// Its messages that were confirmed to it.
    pub confirmed: Vec<(Position, String)>,
    /// Its messages without an answer, on its present connection.
    pub unanswered: Vec<String>,
}

impl Client {
    pub fn new(room: RoomName) -> Self {
        Self {
            room,
            connection: ConnectionId::next(),
            who: SpeakerId::next(),
            process: None,
            is_admitted: false,
            received: Vec::new(),
            seen: HashMap::new(),
            position: None,
            told: 0,
            confirmed: Vec::new(),
            unanswered: Vec::new(),
        }
    }

    /// Tells the client that everything after `kept` is void.
    pub fn tell(&mut self, kept: Offset) {
        self.told += 1;
        self.seen.retain(|_, offset| *offset <= kept);
        self.received.clear();
    }

    /// Receives a message: it is the next one, and new unless `may_repeat`.
    pub fn receive(&mut self, message: &Message, may_repeat: bool) {
        let (who, text, position) = (self.who, text_of(&message.payload), message.position);
        if let Some(before) = self.position {
            let next = before.offset.next();
            assert_eq!(position.offset, next, "{who} at {before} receives {text}: a hole or a repetition");
        }
        let before = self.seen.insert(text.clone(), position.offset);
        assert!(before.is_none() || may_repeat, "{who} receives {text} twice");
        self.position = Some(position);
        self.received.push((position, text));
    }
}

/// A request that publishes over HTTP.
pub struct Post {
    pub room: RoomName,
    /// The texts of its messages.
    pub texts: Vec<String>,
    pub answer: oneshot::Receiver<Result<Published, NotPosted>>,
    /// The index of the process, and its generation: another one gives no answer.
    pub process: (usize, u64),
}

/// The text of a message.
pub fn text_of(payload: &Payload) -> String {
    String::from_utf8(payload.as_bytes().to_vec()).unwrap()
}
