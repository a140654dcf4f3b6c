//! Questions about rooms that are not open on this node.

use crate::history::{HistoryLimits, HistoryRequest, HistorySlice, Position};
use tokio::sync::oneshot;

/// A question, with the receiver of its answer: `None` if there is no such room. The receiver is
/// dropped if nobody can answer.
pub enum Query {
    /// Asks for a part of the history.
    Read {
        /// The bounds of the history.
        limits: HistoryLimits,
        /// The requested part.
        request: HistoryRequest,
        /// The receiver.
        reader: oneshot::Sender<Option<HistorySlice>>,
    },
    /// Asks for the state of the room.
    Describe {
        /// The bounds of its history.
        limits: HistoryLimits,
        /// The receiver.
        reader: oneshot::Sender<Option<Described>>,
    },
}

/// The state of a room that is not open on this node.
#[derive(Debug)]
pub struct Described {
    /// The position after its last message.
    pub position: Position,
    /// The number of messages in its history.
    pub remembered: usize,
    /// Clients on all nodes.
    pub clients: usize,
}

impl Query {
    /// Answers that there is no such room.
    pub fn answer_nothing(self) {
        match self {
            Self::Read { reader, .. } => drop(reader.send(None)), // a reader that has gone needs no answer
            Self::Describe { reader, .. } => drop(reader.send(None)),
        }
    }
}
