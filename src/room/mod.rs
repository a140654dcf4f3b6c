//! The rooms of this node: who is where, and what was said there, as plain data.

mod rooms; // all rooms
mod state; // one of them
mod members; // how many are in one
mod presence; // who is in one
mod flow; // how far speakers may be ahead
mod wait_debt; // how long they waited in vain
mod history; // what one remembers
mod deserted; // which gives way to a new one
mod totals; // what all remember together
mod message; // what somebody said
mod position; // where in a room's order

pub use crate::config::RoomName;
pub use flow::{Credit, Flow};
pub use history::{History, HistoryLimits, HistoryRequest, HistorySlice};
pub use message::{Audience, Message, NewMessage, SessionId};
pub use position::{Epoch, Offset, Position, PositionError};
pub use presence::{Change, Changes, Presence};
pub use rooms::{Rooms, TooManyRooms};
pub use state::{Room, RoomPolicy};
pub use totals::Usage;
pub use wait_debt::WaitDebt;

/// Where a room lies in the lists of hub and relays: dense, and used again when its room is gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomSlot(u32);

impl RoomSlot {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One worker thread's relay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RelayId(pub u32);
