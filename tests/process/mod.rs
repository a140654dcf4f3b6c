//! The real program in a process of its own, watched from outside. Shared by the tests that need one.

mod frame; // what a client sends
mod log; // what the program writes
mod metrics; // what it counts
mod polls; // what it waits for
mod server; // the process

pub use frame::{append_frame, handshake};
pub use metrics::Metrics;
pub use server::{Launch, Server};
