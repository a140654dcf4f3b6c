//! worldcast, a WebSocket broadcast server: a message of one client in a room is delivered to every client of the room,
//! in one order.
//!
//! The modules stand in the order of the way of a message; each imports only from those below it.
//! docs/architecture.md has the picture.

pub mod server; // listeners, threads, stopping
pub mod http; // requests and the opening handshake
pub mod session; // one client
pub mod relay; // one worker thread's clients
pub mod hub; // where order is made
pub mod shared; // what all threads share
pub mod connection; // one socket and what waits for it
pub mod delivery; // messages as bytes
pub mod backplane; // the seam where order is made
pub mod protocol; // how a session is spoken to
pub mod room; // who is where
pub mod history; // what rooms remember
pub mod limits; // everything that is bounded
pub mod transport; // sockets
pub mod wire; // the bytes of frames

#[cfg(test)]
mod testing; // set-ups of unit tests

pub mod clock; // the time that deadlines count by
pub mod ids; // connections, speakers, relays, rooms
pub mod config; // what an operator may set
pub mod metrics; // what the server counts
pub mod exit; // why the process ends
pub mod logging; // what is written to standard error
