//! worldcast, a WebSocket broadcast server: a message that a client publishes in a room is
//! delivered to every client of the room, in one order.
//!
//! The modules are listed in the order in which a message passes through them; each imports only
//! from those below it. docs/architecture.md has the picture.
//!
//! The modules are public for the tests: this crate is a program and has no stable API.

pub mod server; // listeners, worker threads, shutdown
pub mod http; // requests, responses and the opening handshake
pub mod session; // the actor of one client
pub mod relay; // the actor that delivers to all clients of one worker thread
pub mod hub; // the actor that manages rooms and sends their messages to the relays
pub mod shared; // state that all threads share
pub mod policy; // the settings as they are used
pub mod connection; // one socket with its outbox and its deadlines
pub mod delivery; // messages encoded once for each encoding
pub mod backplane; // the order of messages, and their history
pub mod protocol; // subprotocols, event streams, close reasons, session tokens
pub mod room; // rooms, members and presence
pub mod history; // the last messages of each room, for clients that join later
pub mod limits; // every bound, with its key and its metric
pub mod transport; // sockets: reading, writing, half-close and reset
pub mod wire; // WebSocket frames (RFC 6455) and compression (RFC 7692)

#[cfg(test)]
mod testing; // set-ups of unit tests

pub mod clock; // the clock of one thread, from which deadlines are counted
pub mod readiness; // why a load balancer must not send clients
pub mod exit; // exit codes of the process
pub mod logging; // the log on standard error
pub mod metrics; // metrics for Prometheus
pub mod ids; // identifiers of connections, speakers, relays and rooms
pub mod config; // settings: reading, checking and printing
pub mod shell; // words of command lines that the program prints
