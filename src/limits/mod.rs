//! Everything that is bounded: each file begins with what it bounds, what happens at the bound, the key and the metric.

mod connections; // clients: all, of one address, of one second
mod rate; // messages and bytes a second of one client
mod in_flight; // bytes of messages on their way
mod credit; // bytes on their way in one room
mod backlog; // bytes that wait in all outboxes
mod source; // whose share is counted
mod ledger; // shares of a bound, by source
mod pool; // shares of bytes, with waiting
mod descriptors; // file descriptors of the process

pub use backlog::{Backlog, QueueLimits};
pub use connections::{ConnectionLimits, ConnectionSlot, LimitReached};
pub use credit::{Credit, Flow};
pub use descriptors::Descriptors;
pub use in_flight::{Permit, cost, in_flight};
pub use ledger::Ledger;
pub use pool::{Pool, Reservation};
pub use rate::RateLimit;
pub use source::{Source, network_of};
