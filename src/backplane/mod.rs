//! The seam where order is made: messages are submitted, get their offsets and are remembered, and
//! arrive.
//!
//! The hub submits, and handles what arrives. It does not number messages itself, so that a
//! backplane that several nodes share can take the place of `Single`. The arrivals of `Single` come
//! at once; those of another backplane come later, and from other nodes too. Everything whose place
//! in the order matters passes through here: messages, notices, parts of histories, and requests
//! that wait for earlier messages.

mod idempotency; // requests that were published before
mod redis; // the order of several nodes
mod single; // the order of one node by itself
mod waiting; // requests that are given back in their turn
mod query; // questions about rooms that are not open
#[cfg(test)]
mod delayed; // an order whose arrivals come later

#[cfg(test)]
pub use delayed::Delayed;
pub use idempotency::{IdempotencyBounds, IdempotencyKey, KeyUse};
pub use query::{Described, Query};
pub use redis::{Counts, FromLink, Link, LinkEvent, LinkHandle, Node, NodeId, NodeTimes, Redis, SetupError};
pub use waiting::{Asker, Finish, GetPresence, Newcomer, Waiter};

use crate::{
    config::RoomName,
    history::{
        Epoch, History, HistoryLimits, HistoryRequest, HistorySlice, Message, NewMessage, Offset, Position,
        Usage,
    },
    ids::{ConnectionId, Reference, RoomSlot, SpeakerId},
    limits::{Credit, Permit, Source},
    room::Change,
};
use single::Single;
use smallvec::SmallVec;
use std::{collections::VecDeque, sync::Arc, time::Instant};
use tokio::sync::oneshot;

/// Hub → backplane: messages of one room that get consecutive offsets.
pub struct Submission {
    /// The room, which is open until the messages have arrived.
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
#[derive(Default)]
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
    pub result: oneshot::Sender<Result<Published, NotPosted>>,
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

/// Joins and leaves of one room, which have no offsets and are not remembered.
pub struct NoticeList {
    /// The room, which is open until the notices have arrived.
    pub room: RoomSlot,
    /// The speakers that joined or left.
    pub changes: SmallVec<[(SpeakerId, Change); 1]>,
    /// The credit of the room that the notices hold until every relay has delivered them.
    pub credit: Option<Credit>,
}

/// Backplane → hub: one step in the order of a room.
pub enum Arrival {
    /// Messages have their offsets.
    Messages(Ordered),
    /// Joins and leaves are to be announced.
    Notices(NoticeList),
    /// A part of a history: every message that arrives later comes after it.
    History {
        /// The room.
        room: RoomSlot,
        /// The requested part.
        slice: HistorySlice,
        /// The sender of the request.
        asker: Asker,
    },
    /// Everything that was submitted before this request has arrived.
    Settled(Waiter),
    /// The room goes on in another epoch, or after a hole.
    Epoch(NewEpoch),
    /// The history of the room cannot be reached.
    Unavailable {
        /// The room.
        room: RoomSlot,
        /// The sender of the request.
        asker: Asker,
    },
}

/// A break in the offsets of a room, or in their meaning.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NewEpoch {
    /// The room.
    pub room: RoomSlot,
    /// The epoch in which it goes on.
    pub epoch: Epoch,
    /// The use of the offsets before.
    pub change: EpochChange,
}

/// The consequence of a [`NewEpoch`] for members.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum EpochChange {
    /// All messages that members have received, up to this offset, are kept.
    Kept(Offset),
    /// Messages that members have received after this offset are void; others follow under their
    /// offsets.
    Lost(Offset),
    /// Messages between the last that members have received and the next cannot be delivered.
    Hole {
        /// The offset of the last message before the hole.
        after: Offset,
        /// The offset of the last message in it.
        until: Offset,
    },
}

/// The result of a submission, with its messages in their order.
pub struct Ordered {
    /// The room.
    pub room: RoomSlot,
    /// The messages with their offsets; empty if nothing was published.
    pub messages: SmallVec<[Arc<Message>; 1]>,
    /// The answer to the publisher.
    pub answer: Result<Published, NotPosted>,
    /// The local part of the submission; `None` for messages that another node has submitted.
    pub pending: Option<Pending>,
}

/// The facts of a submission that was published.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Published {
    /// The position after the last message.
    pub position: Position,
    /// The number of messages.
    pub messages: usize,
    /// Clients in the room at the moment of submission; 0 for a message without a [`Reply`].
    pub receivers: usize,
}

/// The reason why a request over HTTP published nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum NotPosted {
    /// `limits.rooms` is reached.
    TooManyRooms,
    /// The idempotency key was used for something else.
    KeyReused,
    /// The source holds its share of the idempotency keys.
    TooManyKeys,
    /// The backplane did not confirm the messages within `session.stalled_write`. They may still be
    /// published.
    Unavailable,
    /// The node stopped before the messages arrived: the sender of the answer was dropped.
    Stopped,
}

/// The place where messages get their order, and which keeps the histories of rooms.
///
/// Whatever a method appends to `arrived`, now or at a later call, is in the order of its room.
#[cfg_attr(not(test), expect(clippy::large_enum_variant, reason = "a server has one"))]
pub enum Backplane {
    /// This node makes the order by itself.
    Single(Single),
    /// Redis makes the order for several nodes.
    Redis(Box<Redis>),
    /// For tests of everything above: arrivals come when the test says so.
    #[cfg(test)]
    Delayed(Delayed),
}

impl Backplane {
    /// The backplane of one node of several, which reaches the others over `link`.
    pub fn redis(
        id: NodeId,
        link: LinkHandle,
        times: NodeTimes,
        history_bytes: usize,
        idempotency: IdempotencyBounds,
    ) -> Self {
        let node = Node::new(id, Single::new(history_bytes, idempotency), times);
        Self::Redis(Box::new(Redis::new(node, link)))
    }

    /// The backplane of a node by itself, whose histories hold at most `history_bytes` together,
    /// inclusive.
    pub fn single(history_bytes: usize, idempotency: IdempotencyBounds) -> Self {
        Self::Single(Single::new(history_bytes, idempotency))
    }

    /// Begins to keep the room of this name at `slot`.
    pub fn open(&mut self, slot: RoomSlot, name: &RoomName, limits: HistoryLimits) {
        match self {
            Self::Redis(redis) => redis.node.open(slot, name, limits),
            _ => self.local_mut().archive.open(slot, limits),
        }
    }

    /// Forgets the history of the room at `slot`.
    pub fn forget(&mut self, slot: RoomSlot) {
        match self {
            Self::Redis(redis) => redis.node.forget(slot),
            _ => self.local_mut().archive.close(slot),
        }
    }

    /// The history of the open room at `slot`, as far as it has arrived.
    ///
    /// # Panics
    /// If the room is not open.
    pub fn history(&self, slot: RoomSlot) -> &History {
        self.local().archive.get(slot)
    }

    /// Submits messages of an open room.
    pub fn submit(&mut self, submission: Submission, now: Instant, arrived: &mut VecDeque<Arrival>) {
        match self {
            Self::Single(single) => arrived.push_back(Arrival::Messages(single.publish(submission, now))),
            Self::Redis(redis) => redis.node.submit(submission, now),
            #[cfg(test)]
            Self::Delayed(delayed) => delayed.submit(submission),
        }
    }

    /// Announces joins and leaves in an open room.
    pub fn announce(&mut self, notices: NoticeList, arrived: &mut VecDeque<Arrival>) {
        match self {
            Self::Single(_) => arrived.push_back(Arrival::Notices(notices)),
            Self::Redis(redis) => redis.node.announce(notices),
            #[cfg(test)]
            Self::Delayed(delayed) => delayed.announce(notices),
        }
    }

    /// Asks for a part of the history of the open room at `slot`.
    pub fn recall(
        &mut self,
        slot: RoomSlot,
        request: HistoryRequest,
        asker: Asker,
        now: Instant,
        arrived: &mut VecDeque<Arrival>,
    ) {
        match self {
            Self::Single(single) => arrived.push_back(single.recall(slot, request, asker)),
            Self::Redis(redis) => redis.node.recall(slot, request, asker, now, arrived),
            #[cfg(test)]
            Self::Delayed(delayed) => delayed.recall(slot, request, asker),
        }
    }

    /// Gives `waiter` back when everything that was submitted before has arrived.
    pub fn settle(&mut self, waiter: Waiter, now: Instant, arrived: &mut VecDeque<Arrival>) {
        match self {
            Self::Single(_) => arrived.push_back(Arrival::Settled(waiter)),
            Self::Redis(redis) => redis.node.settle(waiter, now, arrived),
            #[cfg(test)]
            Self::Delayed(delayed) => delayed.settle(waiter),
        }
    }

    /// Returns true while something that was submitted in the room at `slot` has not arrived: the
    /// room must not end.
    pub fn is_pending(&self, slot: RoomSlot) -> bool {
        match self {
            Self::Single(single) => single.is_pending(slot),
            Self::Redis(redis) => redis.node.is_pending(slot),
            #[cfg(test)]
            Self::Delayed(delayed) => delayed.is_pending(slot),
        }
    }

    /// Returns true if the room at `slot`, which has no members and in which nothing is pending, is
    /// not needed any more on this node.
    pub fn is_over(&mut self, slot: RoomSlot, now: Instant) -> bool {
        match self {
            Self::Redis(redis) => redis.node.is_over(slot, now),
            _ => self.history(slot).messages() == 0,
        }
    }

    /// Notes the number of clients that this node has in an open room.
    pub fn set_clients(&mut self, slot: RoomSlot, clients: usize, now: Instant) {
        if let Self::Redis(redis) = self {
            redis.node.set_clients(slot, clients, now);
        }
    }

    /// Clients that other nodes have in an open room, as far as known.
    pub fn clients_elsewhere(&self, slot: RoomSlot) -> usize {
        match self {
            Self::Redis(redis) => redis.node.clients_elsewhere(slot),
            _ => 0,
        }
    }

    /// The speakers that all nodes have in an open room; `None` if this node knows all of them
    /// without the backplane.
    pub fn speakers(&self, slot: RoomSlot) -> Option<impl Iterator<Item = SpeakerId>> {
        match self {
            Self::Redis(redis) => Some(redis.node.speakers(slot)),
            _ => None,
        }
    }

    /// Asks about a room that is not open on this node. The question is dropped if nobody can
    /// answer it.
    pub fn ask(&mut self, room: &RoomName, query: Query) {
        match self {
            Self::Redis(redis) => redis.node.ask(room, query),
            _ => query.answer_nothing(),
        }
    }

    /// Returns true if this node has the history of the room at `slot`, or is about to have it.
    pub fn has_history(&self, slot: RoomSlot) -> bool {
        match self {
            Self::Redis(redis) => redis.node.has_mirror(slot),
            _ => true,
        }
    }

    /// Returns true if other nodes may have members in the same rooms.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Redis(_))
    }

    /// Handles an event of the link.
    pub fn handle(&mut self, event: LinkEvent, now: Instant, arrived: &mut VecDeque<Arrival>) {
        if let Self::Redis(redis) = self {
            redis.node.handle(event, now, arrived);
        }
    }

    /// Handles what has become due, if other nodes may be late.
    pub fn tick(&mut self, now: Instant, arrived: &mut VecDeque<Arrival>) {
        if let Self::Redis(redis) = self {
            redis.node.tick(now, arrived);
        }
    }

    /// Submissions that have not arrived, and requests that wait for the mirror of their room.
    pub fn waiting(&self) -> usize {
        match self {
            Self::Redis(redis) => redis.node.waiting(),
            _ => 0,
        }
    }

    /// Takes the numbers for the metrics, since the last call.
    pub fn take_counts(&mut self) -> Counts {
        match self {
            Self::Redis(redis) => redis.node.take_counts(),
            _ => Counts::default(),
        }
    }

    /// Hands over what was submitted since the last call.
    pub fn flush(&mut self, now: Instant) {
        if let Self::Redis(redis) = self {
            redis.flush(now);
        }
    }

    /// Answers a request that was published before under `key` in `room`, or that may not use its
    /// key; `None` for a request that is new as far as this node knows.
    pub fn find_answer(
        &mut self,
        room: &RoomName,
        key: &IdempotencyKey,
        source: Source,
        now: Instant,
    ) -> Option<Result<Published, NotPosted>> {
        self.local_mut().find_answer(room, key, source, now)
    }

    /// Idempotency keys in memory.
    pub fn idempotency_keys(&self) -> usize {
        self.local().idempotency.len()
    }

    /// Forgets expired messages of at most `max_rooms` rooms; true if more rooms have expired
    /// messages.
    pub fn expire_some(&mut self, now: Instant, max_rooms: usize) -> bool {
        self.local_mut().archive.expire_some(now, max_rooms)
    }

    /// Rooms that this node may not need any longer, since the last call.
    pub fn take_emptied(&mut self) -> Vec<RoomSlot> {
        let mut emptied = self.local_mut().archive.take_emptied();
        if let Self::Redis(redis) = self {
            emptied.extend(redis.node.take_over());
        }
        emptied
    }

    /// The size of all histories together.
    pub fn usage(&self) -> Usage {
        self.local().archive.usage()
    }

    /// The state that every backplane keeps on this node.
    fn local(&self) -> &Single {
        match self {
            Self::Single(single) => single,
            Self::Redis(redis) => &redis.node.local,
            #[cfg(test)]
            Self::Delayed(delayed) => &delayed.single,
        }
    }

    fn local_mut(&mut self) -> &mut Single {
        match self {
            Self::Single(single) => single,
            Self::Redis(redis) => &mut redis.node.local,
            #[cfg(test)]
            Self::Delayed(delayed) => &mut delayed.single,
        }
    }
}
