//! One room, from its beginning to its end.

use super::{Presence, members::Members, shares::DesertedRoom};
use crate::{
    config::RoomName,
    history::HistoryLimits,
    ids::RoomSlot,
    limits::{Flow, Source},
};
use bytes::Bytes;
use std::{sync::Arc, time::Instant};

/// One room and its members.
pub struct Room {
    pub(super) name: RoomName,
    pub(super) slot: RoomSlot,
    /// The policy, fixed when the room begins.
    pub policy: Arc<RoomPolicy>,
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

/// The policy of a room: the settings that hold in it, as they are used.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomPolicy {
    /// True if everyone may publish, false if only clients with a key may.
    pub anyone: bool,
    /// The first frame for clients of the raw protocol.
    pub greeting: Option<Bytes>,
    /// True if publishers receive their own messages, unless they ask for the other.
    pub echo: bool,
    /// True if joins and leaves are announced.
    pub presence: bool,
    /// The limits of its history.
    pub history: HistoryLimits,
    /// The maximum number of clients at once, inclusive.
    pub clients: usize,
    /// The largest message in bytes, inclusive.
    pub max_message: usize,
    /// Messages per second that are read from one client; 0 is no limit.
    pub messages_per_second: u32,
}

impl Room {
    pub(super) fn new(
        name: RoomName,
        slot: RoomSlot,
        flow: Flow,
        policy: Arc<RoomPolicy>,
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

    /// The entry among the rooms that can give way; `None` while there are members, or while it is
    /// held.
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
