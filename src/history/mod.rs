//! What a room remembers: its messages, numbered and in order, as plain data.

mod message; // one message
mod position; // epoch and offset
mod room; // the messages of one room
mod totals; // the usage of all rooms

pub use message::{Audience, Message, NewMessage};
pub use position::{Epoch, Offset, Position, PositionError};
pub use room::{History, HistoryLimits, HistoryRequest, HistorySlice};
pub use totals::{HistoryTotals, SizeClass, Usage};
