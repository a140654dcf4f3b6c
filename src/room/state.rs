//! One room, from its beginning to its end.

use super::{Presence, deserted::DesertedRoom, members::Members};
use crate::{
    config::RoomName,
    history::HistoryLimits,
    ids::RoomSlot,
    limits::{Flow, Source},
};
use bytes::Bytes;
use std::time::Instant;

/// One room: who is in it, and what was said.
pub struct Room {
    pub(super) name: RoomName,
    pub(super) slot: RoomSlot,
    /// The policy, fixed when the room begins.
    pub policy: RoomPolicy,
    /// The members.
    pub members: Members,
    /// Empty where it is not told.
    pub presence: Presence,
    /// The flow control.
    pub flow: Flow,
    pub(super) deserted_since: Option<Instant>,
    pub(super) opened_by: Source,
    /// Whether another source has used it too.
    pub(super) is_shared: bool,
}

/// What holds in a room from its beginning to its end.
#[derive(Clone, Debug)]
pub struct RoomPolicy {
    /// The limits of its history.
    pub history: HistoryLimits,
    /// What a newcomer hears first, as a frame.
    pub greeting: Option<Bytes>,
    /// Whether it is told who comes and goes.
    pub presence: bool,
    /// How many clients may be in it at once.
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
            is_shared: false,
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

    /// Its place among the rooms that nobody is in; `None` while somebody is.
    pub(super) fn deserted(&self) -> Option<DesertedRoom> {
        let Self { opened_by, is_shared, slot, .. } = *self;
        self.deserted_since.map(|since| DesertedRoom { opened_by, is_shared, since, slot })
    }
}
