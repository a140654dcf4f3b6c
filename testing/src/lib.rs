//! The support that tests and the benchmark share: the program as a process, clients, frames,
//! handshakes, deadlines.
//!
//! Nothing here uses the server's own code, so that no mistake of the server is repeated by its
//! tests.

mod client; // a WebSocket client by tungstenite
mod connect; // connections with options
mod events; // a client of Server-Sent Events
mod frame; // frames as a client sends them
mod handshake; // the opening handshake
mod hex; // bytes as pairs of digits
mod nginx; // nginx as a process
mod http; // plain requests over a socket
pub mod process; // the program as a process
mod proxy; // a TCP proxy with faults
mod raw; // a client that writes and reads bytes
mod redis; // a Redis server as a process
mod silent_proxy; // a proxy that keeps answers back
mod terminal; // a terminal of its own
mod v1; // a client of the subprotocol
mod wait; // waiting with a deadline

pub use client::{Client, End};
pub use connect::connect_with_buffer;
pub use events::{Event, Events};
pub use frame::{append_frame, frame, masked_frame, text};
pub use handshake::{KEY, handshake};
pub use hex::hex;
pub use http::{Http, Reply};
pub use nginx::Nginx;
pub use process::{Launch, Metrics, Process, Program, executable};
pub use proxy::Proxy;
pub use raw::Raw;
pub use redis::Redis;
pub use silent_proxy::SilentProxy;
pub use terminal::terminal;
pub use v1::V1;
pub use wait::{PATIENCE, eventually, within};
