//! WebSocket on the wire: bytes in, whole messages out; messages in, shared bytes out.
//!
//! Plain functions over bytes (RFC 6455, and RFC 7692 for compression). Nothing here knows of sockets or
//! actors, so all of it is tested, fuzzed and measured without them.

mod close; // why a peer says goodbye
mod decoder; // bytes in, messages out
mod deflate; // small, with a given window
mod error; // which rule a peer broke
mod extension; // what is agreed on in the handshake
mod frame; // what the server says
mod header; // the bytes in front of a payload
mod inflate; // large again, within a limit
mod mask; // what a client hides its bytes with
mod message; // what has come of a message
mod prepared; // encoded once, heard by many
mod text; // UTF-8, judged as it comes

pub use actix_http::ws::{CloseCode, Message};
pub use decoder::Decoder;
pub use deflate::{Compression, WindowBits};
pub use error::WireError;
pub use extension::{Agreement, negotiate};
pub use frame::{close, close_without_code, ping, pong};
pub use prepared::{Payload, Prepared, plain};

/// The bytes that a fixture is written as: pairs of digits, with spaces between.
#[cfg(test)]
fn hex(digits: &str) -> Vec<u8> {
    digits.split_whitespace().map(|byte| u8::from_str_radix(byte, 16).unwrap()).collect()
}
