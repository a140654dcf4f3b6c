//! What an operator may set, and how it is read.
//!
//! Imported by every module; imports none of them.

mod settings; // every key, its meaning, its default

mod address; // "127.0.0.1:8080" and back
mod byte_size; // "64KiB" and back
mod duration; // "25s" and back
mod level; // "info" and back
mod room_name; // what a room may be called
mod room_policy; // what holds in one room
mod text; // what is read from text
mod web_origin; // "https://example.org", and which it is

mod merge; // tries each value, judges the whole
mod environment; // which keys the environment sets
mod file; // which keys a file sets
mod load; // from file and environment to settings
mod loaded;
mod parsed; // what either says
mod constraints; // what no type can say // settings with their origins

mod error; // why there is no configuration
mod diagnostic; // one thing that is wrong
mod suggest;
mod syntax; // what is not TOML // which key was meant

mod path; // session.max_message
mod source; // default, file and line, variable
mod redact;
mod tree; // settings by key // what is not shown

pub use byte_size::ByteSize;
pub use error::ConfigError;
pub use loaded::Loaded;
pub use room_name::{RoomName, RoomNameError};
pub use room_policy::{EffectiveRoom, HistoryOverride, Pattern, RoomOverride};
pub use settings::*;
pub use web_origin::{Host, HostPattern, OriginPattern, PatternError, WebOrigin, default_port};

/// The text of `config/default.toml`: every key with its default and its meaning.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");
