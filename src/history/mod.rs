//! The histories of rooms: numbered messages in order, as plain data.

mod archive; // the histories of all rooms
mod message; // one message
mod position; // epoch and offset
mod room; // the history of one room
mod totals; // the histories of all rooms together
mod accounts; // the bytes of each source

pub use archive::Archive;
pub use message::{Audience, Message, NewMessage};
pub use position::{Epoch, Offset, Position, PositionError};
pub use room::{History, HistoryLimits, HistoryRequest, HistorySlice};
pub use totals::Usage;
