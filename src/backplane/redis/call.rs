//! The words between a node and Redis: calls, replies and events, as plain data.

use super::entry::{Entry, NodeId, Sequence, StoredMessage};
use crate::{
    backplane::IdempotencyKey,
    config::RoomName,
    history::{Epoch, HistoryLimits, Position},
    ids::SpeakerId,
};
use std::time::Duration;

/// One process of Redis, by the `run_id` of `INFO server`: a restart and a promotion change it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Life(pub String);

/// A call to its reply; never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// Node → link: a call that waits for its reply. The calls of one list are carried out in order.
#[derive(Clone, Debug)]
pub struct Outgoing {
    /// Names the reply.
    pub id: CallId,
    /// The call.
    pub call: Call,
}

/// A call of Redis.
#[derive(Clone, Debug)]
pub enum Call {
    /// Appends one batch to a room and publishes it: [`Reply::Published`], [`Reply::Repeated`],
    /// [`Reply::KeyUsed`], [`Reply::Wait`] or [`Reply::OtherLife`].
    Publish(Publish),
    /// Reads a room: [`Reply::Room`], [`Reply::NoRoom`], [`Reply::Wait`] or [`Reply::OtherLife`].
    Fetch(Fetch),
    /// Gives back to Redis what it has lost: [`Reply::Restored`], [`Reply::Kept`] or
    /// [`Reply::OtherLife`].
    Restore(Restore),
    /// Changes the clients and speakers that this node has in a room, and publishes the change:
    /// [`Reply::Done`].
    Members(Members),
    /// Receives what is published in these rooms: [`Reply::Done`] when Redis has confirmed each.
    Subscribe(Vec<RoomName>),
    /// Receives it no longer: [`Reply::Done`].
    Unsubscribe(Vec<RoomName>),
    /// Asks which process Redis is: [`Reply::Life`].
    GetLife,
}

/// One batch: messages with consecutive offsets, and none between them.
#[derive(Clone, Debug)]
pub struct Publish {
    /// The room.
    pub room: RoomName,
    /// The process that Redis is believed to be.
    pub life: Life,
    /// The number of the batch; a repeated call has the same number and the same messages.
    pub sequence: Sequence,
    /// At least one message.
    pub messages: Vec<StoredMessage>,
    /// The idempotency key of the batch, with the time for which it is kept.
    pub key: Option<(IdempotencyKey, Duration)>,
    /// The bounds of the history of the room.
    pub limits: HistoryLimits,
    /// The epoch that begins if the room begins one.
    pub epoch: Epoch,
}

/// A request for the state of a room.
#[derive(Clone, Debug)]
pub struct Fetch {
    /// The room.
    pub room: RoomName,
    /// The process that Redis is believed to be.
    pub life: Life,
    /// Only messages after this position are needed, if it is one of the room; else all.
    pub after: Option<Position>,
    /// Begins the room with this epoch if there is none; without it, [`Reply::NoRoom`].
    pub begin: Option<Epoch>,
    /// The bounds of its history, for the time that an empty room lives.
    pub limits: HistoryLimits,
}

/// The part of a room that a node has and Redis has not.
#[derive(Clone, Debug)]
pub struct Restore {
    /// The room.
    pub room: RoomName,
    /// The process that Redis is believed to be.
    pub life: Life,
    /// The position after the last message of `entries`, or of the room without them.
    pub until: Position,
    /// The ends of earlier epochs, the oldest first.
    pub forks: Vec<Position>,
    /// The last batch of each node.
    pub sequences: Vec<(NodeId, Sequence)>,
    /// Consecutive batches; none if the node holds no message.
    pub entries: Vec<Entry>,
    /// The bounds of the history of the room.
    pub limits: HistoryLimits,
}

/// The clients and the speakers that this node has in a room.
#[derive(Clone, Debug)]
pub struct Members {
    /// The room.
    pub room: RoomName,
    /// The number of the change, as that of a batch; other nodes see it in [`Push::Members`].
    pub sequence: Sequence,
    /// Clients of this node, after the change.
    pub clients: usize,
    /// Speakers that this node has from now on.
    pub joined: Vec<SpeakerId>,
    /// Speakers that it has no longer.
    pub left: Vec<SpeakerId>,
    /// True if `joined` are all speakers of this node: others that Redis has of it have left.
    pub whole: bool,
}

impl Members {
    /// The change after which a node has nobody in `room`.
    pub fn none(room: RoomName, sequence: Sequence) -> Self {
        Self { room, sequence, clients: 0, joined: Vec::new(), left: Vec::new(), whole: true }
    }
}

/// The answer of Redis to a [`Call`].
#[derive(Clone, Debug, PartialEq)]
pub enum Reply {
    /// The batch was appended; it is pushed to the subscribers too.
    Published {
        /// The position after its last message.
        until: Position,
        /// Clients in the room on all nodes.
        clients: usize,
    },
    /// The batch, or one with a higher sequence, was appended before.
    Repeated {
        /// The position after the last batch of this node.
        until: Position,
    },
    /// The idempotency key was used before in this room.
    KeyUsed {
        /// The fingerprint of that request.
        fingerprint: u64,
        /// The position after its last message.
        until: Position,
        /// The number of its messages.
        messages: usize,
    },
    /// Redis may be given back what it has lost until this time is over: try again.
    Wait {
        /// The rest of `backplane.restore`.
        over: Duration,
    },
    /// Redis is another process than the node believes: ask for its life.
    OtherLife,
    /// The state of a room.
    Room(RoomState),
    /// Redis has no such room.
    NoRoom,
    /// The room was restored.
    Restored,
    /// Redis has this or more already, or a room of another epoch.
    Kept,
    /// The call was carried out.
    Done,
    /// The process, and the rest of `backplane.restore`, zero when it is over.
    Life(Life, Duration),
}

/// The state of a room in Redis.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomState {
    /// The position after the last message.
    pub until: Position,
    /// True if a message was published in the present life of Redis, or the room began in it.
    pub is_of_this_life: bool,
    /// The ends of earlier epochs, the oldest first; at most 8.
    pub forks: Vec<Position>,
    /// The batches after the requested position, or all that the history holds.
    pub entries: Vec<Entry>,
    /// The last batch of each node.
    pub sequences: Vec<(NodeId, Sequence)>,
    /// The clients of each node.
    pub clients: Vec<(NodeId, usize)>,
    /// The speakers of all nodes; empty where they are not announced.
    pub speakers: Vec<SpeakerId>,
    /// The rest of `backplane.restore`, zero when it is over.
    pub restore: Duration,
}

/// Link → node.
#[derive(Clone, Debug)]
pub enum LinkEvent {
    /// Redis can be called. Nothing is subscribed, and no earlier call will be answered.
    Connected {
        /// The process that Redis is.
        life: Life,
        /// The rest of `backplane.restore`, zero when it is over.
        restore: Duration,
    },
    /// Redis cannot be called; calls that were not answered may or may not be carried out.
    Disconnected,
    /// A probe found that Redis is another process, on the same connection.
    LifeChanged {
        /// The process that Redis is.
        life: Life,
        /// The rest of `backplane.restore`.
        restore: Duration,
    },
    /// The answer to a call.
    Replied(CallId, Reply),
    /// Redis has published this in a room.
    Pushed(RoomName, Push),
    /// Redis has ended the subscription of a room by itself.
    Unsubscribed(RoomName),
    /// Other nodes took this one for dead, and have removed its clients and speakers.
    Reaped,
}

/// A publication in a room.
#[derive(Clone, Debug, PartialEq)]
pub enum Push {
    /// A batch.
    Messages(Entry),
    /// Clients and speakers of one node have changed.
    Members {
        /// The node.
        node: NodeId,
        /// The number of the change; 0 if another node has removed a dead one.
        sequence: Sequence,
        /// Clients of that node.
        clients: usize,
        /// Speakers that no node had before.
        joined: Vec<SpeakerId>,
        /// Speakers that no node has any longer.
        left: Vec<SpeakerId>,
    },
}
