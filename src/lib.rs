//! worldcast, a WebSocket broadcast server.

pub mod config; // what an operator may set
pub mod wire; // WebSocket as bytes
