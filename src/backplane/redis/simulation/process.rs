//! One process of worldcast: a node with a stand-in for its hub.

use super::{
    super::{Node, NodeTimes, entry::NodeId},
    connection::Connection,
};
use crate::{
    backplane::{IdempotencyBounds, Single},
    config::RoomName,
    history::HistoryLimits,
    ids::{RoomSlot, SpeakerId},
};
use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

/// The time for which idempotency keys are kept.
const KEY_WINDOW: Duration = Duration::from_secs(3600);

/// A process.
pub struct Process {
    pub id: NodeId,
    /// Rises when another process takes the place of one that died.
    pub generation: u64,
    pub node: Node,
    pub connection: Option<Connection>,
    /// The rooms that are open, by slot; free slots are used again.
    pub rooms: BTreeMap<RoomSlot, OpenRoom>,
    /// Calls that the node has made.
    pub calls: usize,
}

/// A room, as a hub knows it.
#[derive(Default)]
pub struct OpenRoom {
    pub name: Option<RoomName>,
    /// Clients that have joined.
    pub members: BTreeSet<usize>,
    /// Clients among them that are admitted.
    pub admitted: BTreeSet<usize>,
    /// The speakers of admitted clients.
    pub speakers: BTreeSet<SpeakerId>,
    /// The speakers of all nodes, as the admitted clients know them.
    pub present: BTreeSet<SpeakerId>,
}

impl Process {
    /// A process without rooms, not connected; publishers wait for at most `patience`.
    pub fn new(number: u64, patience: Duration) -> Self {
        let id = NodeId(number);
        let local = Single::new(usize::MAX, IdempotencyBounds { keys: 1000, window: KEY_WINDOW });
        let node = Node::new(id, local, NodeTimes { patience, key_window: KEY_WINDOW });
        Self { id, generation: number, node, connection: None, rooms: BTreeMap::new(), calls: 0 }
    }

    /// Opens a room, unless it is open, and returns its slot.
    pub fn open(&mut self, name: &RoomName, limits: HistoryLimits) -> RoomSlot {
        if let Some(slot) = self.slot_of(name) {
            return slot;
        }
        let slot = (0..).map(RoomSlot).find(|slot| !self.rooms.contains_key(slot)).unwrap();
        self.node.open(slot, name, limits);
        self.rooms.insert(slot, OpenRoom { name: Some(name.clone()), ..OpenRoom::default() });
        slot
    }

    pub fn slot_of(&self, name: &RoomName) -> Option<RoomSlot> {
        self.rooms.iter().find(|(_, room)| room.name.as_ref() == Some(name)).map(|(slot, _)| *slot)
    }

    /// Closes the room if nobody needs it here.
    pub fn close_if_over(&mut self, slot: RoomSlot, now: Instant) {
        let is_deserted = self.rooms.get(&slot).is_some_and(|room| room.members.is_empty());
        if is_deserted && !self.node.is_pending(slot) && self.node.is_over(slot, now) {
            self.node.forget(slot);
            self.rooms.remove(&slot);
        }
    }
}
