//! The seam where order is made: messages are submitted, get their offsets and are remembered, and arrive.
//!
//! The hub submits and receives arrivals. It does not number messages itself, so that a backplane that
//! several nodes share can take the place of `Single`, whose arrivals come at once.

mod idempotency; // requests that were published before
mod single; // the order of one node by itself

pub use idempotency::{IdempotencyKey, KeyUse, Lookup};

use crate::{
    config::{RoomName, Settings},
    history::{History, HistoryLimits, Message, NewMessage, Position, Usage},
    ids::{ConnectionId, Reference, RoomSlot},
    limits::{Permit, Source},
};
use single::Single;
use smallvec::SmallVec;
use std::{sync::Arc, time::Instant};
use tokio::sync::oneshot;

/// Hub → backplane: messages of one room that get consecutive offsets.
pub struct Submission {
    /// The room.
    pub room: RoomSlot,
    /// At least one message.
    pub messages: SmallVec<[NewMessage; 1]>,
    /// The publisher's source, for which the messages count among all histories.
    pub source: Source,
    /// The idempotency key under which the messages are remembered as published.
    pub key: Option<Box<KeyUse>>,
    /// The part that does not leave the node.
    pub pending: Pending,
}

/// The local part of a submission, kept until its messages arrive; it never leaves the node.
pub struct Pending {
    /// The publisher; `None` for messages over HTTP.
    pub speaker: Option<Speaker>,
    /// The bytes that the messages hold until every relay has delivered them.
    pub permit: Option<Permit>,
    /// The answer to the publisher, for messages over HTTP.
    pub reply: Option<Reply>,
}

/// The answer that a publisher over HTTP waits for.
pub struct Reply {
    /// The receiver of the result.
    pub result: oneshot::Sender<Published>,
    /// Clients in the room at the moment of submission.
    pub receivers: usize,
}

/// The connection that published a message.
#[derive(Debug)]
pub struct Speaker {
    /// The connection.
    pub connection: ConnectionId,
    /// The `ref` of the client, if it asked for an acknowledgement.
    pub reference: Option<Reference>,
}

/// Backplane → hub: messages with their offsets, in the order of their room.
pub struct Arrival {
    /// The room.
    pub room: RoomSlot,
    /// At least one message.
    pub messages: SmallVec<[Arc<Message>; 1]>,
    /// The local part of the submission.
    pub pending: Pending,
}

impl Arrival {
    /// The result for the publisher.
    ///
    /// # Panics
    /// If there is no message.
    pub fn published(&self) -> Published {
        let last = self.messages.last().expect("a submission has a message");
        let receivers = self.pending.reply.as_ref().map_or(0, |reply| reply.receivers);
        Published { position: last.position, messages: self.messages.len(), receivers }
    }
}

/// The result of a submission.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// The position after the last message.
    pub position: Position,
    /// The number of messages.
    pub messages: usize,
    /// Clients in the room at the moment of submission; 0 for a message without a [`Reply`].
    pub receivers: usize,
}

/// The place where messages get their order, and which keeps the histories of rooms.
pub enum Backplane {
    /// This node makes the order by itself.
    Single(Single),
}

impl Backplane {
    /// The backplane that `settings` ask for.
    pub fn new(settings: &Settings) -> Self {
        Self::Single(Single::new(settings))
    }

    /// Begins an empty history for the room at `slot`.
    pub fn open(&mut self, slot: RoomSlot, limits: HistoryLimits) {
        let Self::Single(single) = self;
        single.archive.open(slot, limits);
    }

    /// Ends the history of the room at `slot`.
    pub fn close(&mut self, slot: RoomSlot) {
        let Self::Single(single) = self;
        single.archive.close(slot);
    }

    /// The history of the open room at `slot`.
    ///
    /// # Panics
    /// If the room is not open.
    pub fn history(&self, slot: RoomSlot) -> &History {
        let Self::Single(single) = self;
        single.archive.get(slot)
    }

    /// Submits messages of an open room, and appends their arrival to `arrived`. The hub handles arrivals
    /// during the submission only: it does not keep a room for arrivals that come later.
    pub fn submit(&mut self, submission: Submission, now: Instant, arrived: &mut Vec<Arrival>) {
        let Self::Single(single) = self;
        arrived.push(single.publish(submission, now));
    }

    /// Looks up an earlier request under `key` in `room`; a new key is refused if `source` holds its share.
    pub fn find(
        &mut self,
        room: &RoomName,
        key: &IdempotencyKey,
        source: Source,
        now: Instant,
    ) -> Lookup<Published> {
        let Self::Single(single) = self;
        single.idempotency.find(room, key, source, now)
    }

    /// Idempotency keys in memory.
    pub fn idempotency_keys(&self) -> usize {
        let Self::Single(single) = self;
        single.idempotency.len()
    }

    /// Forgets expired messages of at most `max_rooms` rooms; true if more rooms have expired messages.
    pub fn expire_some(&mut self, now: Instant, max_rooms: usize) -> bool {
        let Self::Single(single) = self;
        single.archive.expire_some(now, max_rooms)
    }

    /// Rooms whose history has become empty since the last call.
    pub fn take_emptied(&mut self) -> Vec<RoomSlot> {
        let Self::Single(single) = self;
        single.archive.take_emptied()
    }

    /// The size of all histories together.
    pub fn usage(&self) -> Usage {
        let Self::Single(single) = self;
        single.archive.usage()
    }
}
