//! WebSocket on the wire: bytes in, whole messages out; messages in, shared bytes out.
//!
//! The module consists of functions over bytes (RFC 6455, and RFC 7692 for compression). It knows
//! neither sockets nor actors, so it is tested, fuzzed and measured without them.

mod close; // codes and reasons of close frames
mod decoder; // bytes in, messages out
mod deflate; // compression, for a given window
mod error; // the rules that a peer can break
mod extension; // negotiation of compression
mod frame; // frames that the server sends
mod header; // the bytes in front of a payload
mod inflate; // decompression, within a limit
mod mask; // the client's masking key
mod message; // whole and partial messages
mod prepared; // a payload that is encoded once for many
mod text; // UTF-8, validated as it arrives

pub use close::{CloseCode, CloseFrame};
pub use decoder::Decoder;
pub use deflate::{Compression, Deflater, WindowBits};
pub use error::WireError;
pub use extension::{Agreement, negotiate};
pub use frame::{close, close_without_code, ping, pong};
pub use inflate::Inflater;
pub use message::Message;
pub use prepared::{Payload, Prepared, plain};
