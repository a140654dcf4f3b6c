//! worldcast, a WebSocket broadcast server: what one client says in a room, every client of the room
//! hears, in one order.
//!
//! The modules stand in the order of the way of a message; each imports only from those below it.
//! docs/architecture.md has the picture.

pub mod server; // listeners, threads, stopping
pub mod http; // requests and the opening handshake
pub mod session; // one client
pub mod relay; // one worker thread's clients
pub mod outbox; // what a client has not taken yet
pub mod hub; // where order is made
pub mod protocol; // how a session is spoken to
pub mod room; // who is where, and what was said
pub mod wire; // the bytes of frames
pub mod shares; // who may hold how much of what all share

pub mod clock; // the time that deadlines count by
pub mod descriptors; // what clients may have of them
pub mod config; // what an operator may set
pub mod metrics; // what the server counts
pub mod logging; // what is written to standard error
