//! The types of values: how each is parsed from text and written back.

pub mod address; // "127.0.0.1:8080"
pub mod byte_size; // "64KiB"
pub mod duration; // "25s"
pub mod backplane_kind; // "redis"
pub mod backplane_url; // "redis://127.0.0.1:6379"
pub mod level; // "info"
pub mod room_name; // "news"
pub mod secret; // a value that is never shown
pub mod text; // the visitor for values in quotes
pub mod host; // "example.org", as clients send it
pub mod web_origin; // "https://example.org", as browsers send it
pub mod hosts; // the hosts that a pattern matches
pub mod origin_pattern; // "https://*.example.org"
pub mod host_pattern; // "*.example.org"
