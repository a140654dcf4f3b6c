//! One room, from its beginning to its end.

use super::{Presence, members::Members, shares::DesertedRoom};
use crate::{
    config::RoomName,
    history::HistoryLimits,
    ids::RoomSlot,
    limits::{Flow, Source},
};
use bytes::Bytes;
use std::time::Instant;

/// One room and its members.
pub struct Room {
    pub(super) name: RoomName,
    pub(super) slot: RoomSlot,
    /// The policy, fixed when the room begins.
    pub policy: RoomPolicy,
    /// The members.
    pub members: Members,
    /// The speakers; empty where they are not announced.
    pub presence: Presence,
    /// The flow control.
    pub flow: Flow,
    pub(super) deserted_since: Option<Instant>,
    pub(super) opened_by: Source,
    /// The source for whose share the room counts: that of the first member, or without members
    /// `opened_by`.
    pub(super) held_by: Source,
    /// True if another source has used it too.
    pub(super) is_shared: bool,
    /// True while it must not give way to another room, though it may have no member.
    pub(super) is_held: bool,
}

/// The policy of a room, from its beginning to its end.
#[derive(Clone, Debug)]
pub struct RoomPolicy {
    /// The limits of its history.
    pub history: HistoryLimits,
    /// The first frame for clients of the raw protocol.
    pub greeting: Option<Bytes>,
    /// True if joins and leaves are announced.
    pub presence: bool,
    /// The maximum number of clients at once, inclusive.
    pub clients: usize,
}

impl Room {
    pub(super) fn new(
        name: RoomName,
        slot: RoomSlot,
        flow: Flow,
        policy: RoomPolicy,
        opened_by: Source,
        now: Instant,
    ) -> Self {
        Self {
            name,
            slot,
            members: Members::default(),
            presence: Presence::default(),
            flow,
            policy,
            deserted_since: Some(now),
            opened_by,
            held_by: opened_by,
            is_shared: false,
            is_held: false,
        }
    }

    /// Returns the name.
    pub fn name(&self) -> &RoomName {
        &self.name
    }

    /// Returns the slot.
    pub fn slot(&self) -> RoomSlot {
        self.slot
    }

    /// The entry among the rooms that can give way; `None` while there are members, or while it is held.
    pub(super) fn deserted(&self) -> Option<DesertedRoom> {
        let Self { opened_by, is_shared, slot, .. } = *self;
        self.deserted_since.filter(|_| !self.is_held).map(|since| DesertedRoom {
            opened_by,
            is_shared,
            since,
            slot,
        })
    }
}
