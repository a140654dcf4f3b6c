//! The rooms of this node and who is in them, as plain data.

mod rooms; // all rooms, by name and by slot
mod state; // one room
mod shares; // the rooms of each source, and the next one to give way
mod members; // the number of members at each relay
mod presence; // the members of a room, where they are announced

pub use presence::{Change, Changes, Presence, Present};
pub use rooms::{Opened, Rooms, TooManyRooms};
pub use state::{Room, RoomPolicy};
