//! What an operator may set, and how it is read.
//!
//! Imported by every module; imports none of them.

mod settings; // every key, its meaning, its default

mod address; // "127.0.0.1:8080" and back
mod bytes; // "64KiB" and back
mod duration; // "25s" and back
mod level; // "info" and back
mod room_name; // what a room may be called
mod room_rules; // what holds in one room
mod text; // what is read from text
mod web_origin; // "https://example.org", and which it is

mod draft; // tries each value, judges the whole
mod environment; // which keys the environment sets
mod file; // which keys a file sets
mod load; // from file and environment to settings
mod loaded;
mod reading; // what either says
mod rules; // what no type can say // settings with their origins

mod error; // why there is no configuration
mod mistake; // one thing that is wrong
mod nearest;
mod syntax; // what is not TOML // which key was meant

mod key; // session.max_message
mod origin; // default, file and line, variable
mod secret;
mod tree; // settings by key // what is not shown

pub use bytes::ByteSize;
pub use error::ConfigError;
pub use loaded::Loaded;
pub use room_name::{RoomName, RoomNameError};
pub use room_rules::{HistoryOverride, Pattern, RoomOverride, RoomRules};
pub use settings::*;
pub use web_origin::{Host, HostPattern, OriginPattern, PatternError, WebOrigin, default_port};

/// The text of `config/default.toml`: every key with its default and its meaning.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");
