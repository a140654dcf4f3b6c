//! What an operator may set, and how it is read.
//!
//! Every module imports it; it imports none of them.

mod settings; // every key: its meaning, its default, its type
mod room_policy; // the settings of one room, overrides applied
mod values; // the types of values
mod load; // from a file and the environment to settings

pub use load::{ConfigError, Loaded};
pub use room_policy::{EffectiveRoom, HistoryOverride, Pattern, RoomOverride};
pub use settings::*;
pub use values::{
    byte_size::ByteSize,
    room_name::{RoomName, RoomNameError},
    secret::Secret,
    web_origin::{Host, HostPattern, OriginPattern, PatternError, WebOrigin, default_port},
};

/// The text of `config/default.toml`: every key with its default and its meaning.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");
