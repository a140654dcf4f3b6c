//! The configuration: the settings of an operator, and how they are loaded.
//!
//! Every module imports this one, which imports none of them.

mod settings; // every key: meaning, default and type
mod room_override; // settings for some rooms only
mod values; // the types of values
mod load; // reads a file and the environment

pub use load::{ConfigError, Loaded};
pub use room_override::{HistoryOverride, Pattern, RoomOverride};
pub use settings::*;
pub use values::{
    address::ADDRESS_SYNTAX,
    backplane_kind::BackplaneKind,
    backplane_url::BackplaneUrl,
    byte_size::ByteSize,
    host::Host,
    host_pattern::HostPattern,
    hosts::PatternError,
    origin_pattern::OriginPattern,
    room_name::{RoomName, RoomNameError},
    secret::Secret,
    web_origin::{WebOrigin, default_port},
};

/// The text of `config/default.toml`: every key with its default and a comment.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");
