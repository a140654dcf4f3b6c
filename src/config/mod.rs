//! What an operator may set, and how it is read.
//!
//! Imported by every module; imports none of them.

mod bytes; // "64KiB" and back
mod duration; // "25s" and back
mod room_name; // what a room may be called
mod settings; // every key, its meaning, its default

pub use bytes::ByteSize;
pub use room_name::{RoomName, RoomNameError};
pub use settings::*;
