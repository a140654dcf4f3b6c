//! The rooms of this node and who is in them, as plain data.

mod rooms; // all rooms, by name and by slot
mod state; // one room
mod shares; // the rooms of each source, and the next one to give way
mod members; // how many members each relay holds
mod presence; // who is in a room, where that is announced

pub use presence::{Change, Changes, Presence, Present};
pub use rooms::{Opened, Rooms, TooManyRooms};
pub use state::{Room, RoomPolicy};
