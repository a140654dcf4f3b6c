//! Rooms that were closed on this node, until Redis certainly has no members of it in them.
//!
//! A room may be closed while Redis cannot be reached, and a replica that takes over may not know
//! that it was: other nodes would count members here for ever.

use crate::config::RoomName;
use std::{
    collections::{BTreeMap, VecDeque},
    time::{Duration, Instant},
};

/// Calls without a reply.
const CALLS: usize = 64;

/// The time for which a confirmed farewell is repeated to another life of Redis.
const REPEATED_FOR: Duration = Duration::from_secs(60);

/// Confirmed farewells that are kept, inclusive; the oldest are forgotten.
const CONFIRMED: usize = 1024;

/// The rooms that this node has left. Those without a confirmation are as many as Redis has with
/// members of this node.
#[derive(Default)]
pub(super) struct Farewells {
    last: u64,
    /// Rooms that Redis has not confirmed, with the number of the farewell.
    open: BTreeMap<RoomName, u64>,
    /// Farewells to be sent, in order; those that are not in `open` are void.
    due: VecDeque<(RoomName, u64)>,
    /// Calls that wait for their reply.
    calls: usize,
    /// Farewells that Redis has confirmed, the oldest first.
    confirmed: VecDeque<(Instant, RoomName)>,
}

impl Farewells {
    /// Notes that a room was closed. Without a connection nothing is to be sent before
    /// [`Farewells::repeat`].
    pub(super) fn add(&mut self, room: RoomName, is_connected: bool) {
        self.last += 1;
        self.open.insert(room.clone(), self.last);
        if is_connected {
            self.due.push_back((room, self.last));
        }
    }

    /// Notes that a room is open again; true if Redis may have members of it from before.
    pub(super) fn take_back(&mut self, room: &RoomName) -> bool {
        let was_confirmed = self.confirmed.len();
        self.confirmed.retain(|(_, confirmed)| confirmed != room);
        self.open.remove(room).is_some() || self.confirmed.len() < was_confirmed
    }

    /// The next farewell to be sent.
    pub(super) fn next(&mut self) -> Option<(RoomName, u64)> {
        while self.calls < CALLS
            && let Some((room, number)) = self.due.pop_front()
        {
            if self.open.get(&room) == Some(&number) {
                self.calls += 1;
                return Some((room, number));
            }
        }
        None
    }

    /// Notes a reply.
    pub(super) fn confirm(&mut self, room: RoomName, number: u64, now: Instant) {
        self.calls -= 1;
        if self.open.get(&room) == Some(&number) {
            self.open.remove(&room);
            self.confirmed.push_back((now, room));
        }
        let is_old = |at: &Instant| now.saturating_duration_since(*at) >= REPEATED_FOR;
        while self.confirmed.len() > CONFIRMED || self.confirmed.front().is_some_and(|(at, _)| is_old(at)) {
            self.confirmed.pop_front();
        }
    }

    /// Notes that no call will be answered any more.
    pub(super) fn reset_link(&mut self) {
        self.calls = 0;
    }

    /// Sends every farewell again: Redis may not know them.
    pub(super) fn repeat(&mut self) {
        self.due.clear();
        let rooms = self.open.keys().cloned().chain(self.confirmed.drain(..).map(|(_, room)| room));
        rooms.collect::<Vec<_>>().into_iter().for_each(|room| self.add(room, true));
    }
}
