//! Processes of Redis, and the connections of nodes to them.

use super::super::{
    call::{LinkEvent, Outgoing},
    fake::FakeRedis,
};
use crate::config::RoomName;
use std::collections::{BTreeSet, VecDeque};

/// One process of Redis.
pub struct Server {
    pub redis: FakeRedis,
    pub is_up: bool,
}

/// The link of one node: two streams, of replies and of publications.
pub struct Connection {
    /// The index of the server.
    pub server: usize,
    pub calls: VecDeque<Outgoing>,
    pub replies: VecDeque<LinkEvent>,
    pub pushes: VecDeque<LinkEvent>,
    pub subscribed: BTreeSet<RoomName>,
}

impl Connection {
    pub fn is_quiet(&self) -> bool {
        self.calls.is_empty() && self.replies.is_empty() && self.pushes.is_empty()
    }
}
