//! The types of values: how each is read from text, and written back.

pub mod address; // "127.0.0.1:8080"
pub mod byte_size; // "64KiB"
pub mod duration; // "25s"
pub mod level; // "info"
pub mod room_name; // "news"
pub mod secret; // never shown
pub mod text; // anything that is parsed from text
pub mod web_origin; // "https://example.org"
